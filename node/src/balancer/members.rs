//! Who is live under which server id.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Timing;
use crate::ids::{ConnId, ServerId};
use crate::wire::ServerReport;

/// The servers that registered since the balancer started.
#[derive(Debug)]
pub(super) struct Members {
    /// The number of servers of the plan.
    servers: u16,
    timing: Timing,
    members: BTreeMap<ServerId, Member>,
}

/// The process that registered last under an id.
#[derive(Debug)]
pub(super) struct Member {
    conn: ConnId,
    /// False once the connection has closed.
    open: bool,
    heard_at: Duration,
    /// Reports arrive. Once false, the next report is a new registration.
    live: bool,
    pub(super) report: ServerReport,
}

/// What a report led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The server is live, and was not before.
    Registered,
    /// The server was live before.
    Known,
    /// Of a connection that the same process has replaced or closed: it came late and says nothing.
    Late,
    /// The server is not welcome.
    Refused { reason: String },
}

impl Members {
    pub(super) fn new(servers: u16, timing: Timing) -> Members {
        assert!(servers >= 1, "a plan has at least one server");
        Members {
            servers,
            timing,
            members: BTreeMap::new(),
        }
    }

    /// A server registers, or reports again.
    pub(super) fn report(
        &mut self,
        now: Duration,
        conn: ConnId,
        report: ServerReport,
    ) -> Admission {
        let server = report.server;
        if !(1..=self.servers).contains(&server.0) {
            let plan = match self.servers {
                1 => "the only server of the plan is s1".to_owned(),
                last => format!("the servers of the plan are s1 to s{last}"),
            };
            return Admission::Refused {
                reason: format!("{server} is not in the plan: {plan}"),
            };
        }
        let mut was_live = false;
        if let Some(member) = self.members.get(&server) {
            let same_process = member.report.incarnation == report.incarnation
                && member.report.address == report.address;
            let ended = conn == member.conn && !member.open;
            if ended || (conn < member.conn && same_process) {
                return Admission::Late;
            }
            let holds_id = member.open && now < member.heard_at + self.timing.holds_id_for;
            if conn != member.conn && !same_process && holds_id {
                return Admission::Refused {
                    reason: format!(
                        "another process is live as {server}, at {}: stop it, or start this one \
                         under another id",
                        member.report.address
                    ),
                };
            }
            // Another process that takes the id over registers, even if the first was not yet lost.
            was_live = member.live && same_process;
        }
        self.members.insert(
            server,
            Member {
                conn,
                open: true,
                heard_at: now,
                live: true,
                report,
            },
        );
        match was_live {
            true => Admission::Known,
            false => Admission::Registered,
        }
    }

    /// The connection closed. Returns the live servers that are lost by it: one at most, unless a
    /// peer reported under several ids.
    pub(super) fn closed(&mut self, conn: ConnId) -> Vec<ServerId> {
        let on_it = (self.members.iter_mut()).filter(|(_, member)| member.conn == conn);
        on_it
            .filter_map(|(&server, member)| {
                member.open = false;
                std::mem::take(&mut member.live).then_some(server)
            })
            .collect()
    }

    /// The servers that were live and fell silent, ascending.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<ServerId> {
        let live_for = self.timing.live_for;
        let silent = (self.members.iter_mut())
            .filter(|(_, member)| member.live && now >= member.heard_at + live_for);
        silent
            .map(|(&server, member)| {
                member.live = false;
                server
            })
            .collect()
    }

    /// When the next server falls silent, if nothing more is heard.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let live = self.members.values().filter(|member| member.live);
        live.map(|member| member.heard_at + self.timing.live_for)
            .min()
    }

    /// The live servers, ascending.
    pub(super) fn live(&self) -> impl Iterator<Item = (ServerId, &Member)> {
        (self.members.iter())
            .filter(|(_, member)| member.live)
            .map(|(&server, member)| (server, member))
    }

    /// The number of live servers.
    pub(super) fn up(&self) -> u16 {
        // No more members than ids, which are u16.
        self.live().count() as u16
    }

    /// The number of servers that registered at least once.
    pub(super) fn registered(&self) -> u16 {
        self.members.len() as u16
    }

    /// The number of servers of the plan.
    pub(super) fn servers(&self) -> u16 {
        self.servers
    }

    /// The smallest number of servers that is a majority of the plan's.
    pub(super) fn majority(&self) -> u16 {
        self.servers / 2 + 1
    }
}
