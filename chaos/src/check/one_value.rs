//! In one ballot one value is proposed in a slot, whoever accepts it and however often its leader
//! restarts ("Paxos Made Simple", section 2.2: proposals have different numbers).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "one-value");
    let evidence = context.evidence;
    let acceptances = &context.acceptances;
    if !acceptances.any() {
        return findings.not_judged("nothing was accepted");
    }
    // Ballot, value and server of what was seen in the slot so far.
    let mut seen: Vec<(u32, u32, usize)> = Vec::new();
    let mut number = 0;
    for slot in 0..acceptances.slots as u64 {
        seen.clear();
        for (server, of) in acceptances.in_slot(slot) {
            number += 1;
            let Some(&(_, digest, first)) = seen.iter().find(|(ballot, _, _)| *ballot == of.ballot)
            else {
                seen.push((of.ballot, of.digest, server));
                continue;
            };
            if digest == of.digest {
                continue;
            }
            let names = &evidence.header.servers;
            findings.violate(|| Violation {
                message: format!(
                    "ballot {} proposed two values in slot {slot}: {} accepted one (digest {digest:08x}), {} another (digest {:08x})",
                    evidence.ballots[of.ballot as usize], names[first], names[server], of.digest
                ),
                slot: Some(slot),
                servers: vec![names[first].clone(), names[server].clone()],
                at_us: Some(of.at_us),
                ..Violation::default()
            });
        }
    }
    findings.finish(count(number, "acceptance"))
}
