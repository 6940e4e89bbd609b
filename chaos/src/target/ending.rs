//! Whether the end of a process is a finding.

/// What was asked of a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It should run: any end is reported.
    Unasked,
    /// It was asked to leave: an end other than `exit 0` is reported.
    InOrder,
    /// It was killed or stopped: no end is reported.
    Asked,
}

impl Ending {
    /// Whether an end with this status is no finding.
    pub fn expects(self, status: &str) -> bool {
        match self {
            Ending::Asked => true,
            Ending::InOrder => status == "exit 0",
            Ending::Unasked => false,
        }
    }
}
