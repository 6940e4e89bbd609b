//! A plan that is over in a second.

/// A second of chat with a server paused in between.
const PLAN: &str = "\
version: 1
name: NAME
seed: 7
cluster: {servers: 3, clients: [ann]}
traffic:
  - {at: 100ms, as: ann, say: one}
  - {at: 300ms, as: ann, say: two}
  - {at: 500ms, as: ann, say: three}
  - {at: 700ms, as: ann, say: four}
  - {at: 900ms, as: ann, say: five}
faults:
  - {at: 200ms, for: 400ms, pause: s3}
settle: 10s
";

/// A second of chat that goes well.
pub fn good(name: &str) -> String {
    PLAN.replace("NAME", name)
}

/// The same with an expectation that is violated: nobody is ever told so.
pub fn bad(name: &str) -> String {
    good(name) + "expect: {told_no_majority: [ann]}\n"
}
