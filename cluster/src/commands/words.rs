//! A node's events in words, for people who watch a cluster.

use paxosctl_node::event::Event;

/// `1 server`, `3 servers`.
pub fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// What happened, in words; none for what happens with every message.
pub fn describe(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { pid, .. } => format!("started, pid {pid}"),
        Event::Ready { address } => format!("ready at {address}"),
        Event::Links { generation } => format!("link table {generation} is in force"),
        Event::LinkCounts { generation, counts } => {
            let rules: Vec<String> = counts
                .iter()
                .map(|count| format!("{} {}", count.rule, count.hits))
                .collect();
            format!("link table {generation} is over: {}", rules.join(", "))
        }
        Event::LinksRefused { reason } => format!("the link table is unusable: {reason}"),
        Event::Machine { generation } => format!("machine table {generation} is in force"),
        Event::MachineRefused { reason } => format!("the machine table is unusable: {reason}"),
        Event::DiskTrouble {
            rule, hits, what, ..
        } => match hits {
            1 => format!("disk trouble by {rule}: {what}"),
            _ => format!("disk trouble by {rule}: {hits} times, the last: {what}"),
        },
        Event::ClockSet {
            after_us,
            rate_permille,
            ..
        } => format!(
            "clock set: {:+.3} s off, at {} of the true speed",
            *after_us as f64 / 1e6,
            f64::from(*rate_permille) / 1000.0
        ),
        Event::LogSetAside {
            file,
            offset,
            what,
            to,
        } => format!("log damaged: {file}, byte {offset}: {what}; set aside as {to}"),
        Event::Refused { peer, reason } => format!("{peer}: refused, {reason}"),
        Event::Stopping { reason } => format!("stopping: {reason}"),
        Event::Recovered {
            promised,
            accepted,
            chosen,
            cut_bytes,
            ..
        } => {
            let cut = match cut_bytes {
                0 => String::new(),
                bytes => format!(", {bytes} bytes of an unfinished write cut off"),
            };
            format!(
                "recovered: {chosen} slots chosen, {} more accepted, promised {promised}{cut}",
                accepted.len()
            )
        }
        Event::Formed => "formed: every server knows every other".into(),
        Event::NotVoting { reason } => format!("does not vote: {reason}"),
        Event::Leading { ballot, .. } => format!("leads, ballot {ballot}"),
        Event::SteppedDown { ballot } => format!("leads no more, ballot {ballot}"),
        Event::Follows {
            leader: Some(ballot),
        } => match ballot.owner() {
            Some(leader) => format!("follows {leader}, ballot {ballot}"),
            None => format!("follows ballot {ballot}"),
        },
        Event::Follows { leader: None } => "hears no leader".into(),
        Event::Majority { majority: true } => "has a majority".into(),
        Event::Majority { majority: false } => "has no majority".into(),
        Event::Registered { server } => format!("{server} registered"),
        Event::Lost { server } => format!("lost {server}"),
        Event::Opened => "admits clients".into(),
        Event::Routed { name, server, .. } => format!("sent {name} to {server}"),
        Event::Joined { name, server, .. } => format!("{name} joined at {server}"),
        Event::Rerouting { from, reason, .. } => match from {
            Some(server) => format!("left {server}: {reason}"),
            None => format!("looks for a server: {reason}"),
        },
        Event::ToldMajority { majority, .. } => {
            let what = if *majority { "can" } else { "cannot" };
            format!("was told that messages {what} be stored")
        }
        Event::LoadDone { said, acked } => format!("load done: {said} said, {acked} acknowledged"),
        Event::Promised { .. }
        | Event::Accepted(_)
        | Event::Chosen { .. }
        | Event::ChosenOnDisk { .. }
        | Event::Say { .. }
        | Event::Acked { .. }
        | Event::Delivered { .. }
        | Event::ReadAsked { .. }
        | Event::ReadDone { .. }
        | Event::Page { .. } => return None,
    })
}
