//! Real-time order: if one message was acknowledged before another was said, it precedes it in the
//! log (P3; linearizability, Herlihy and Wing 1990).

use super::context::Context;
use super::findings::Findings;
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "real-time-order");
    let evidence = context.evidence;
    // What stands in the log, by when it was said; and of these the acknowledged, by when.
    let mut said: Vec<u32> = (0..evidence.messages.len() as u32)
        .filter(|&message| context.index_of[message as usize] != 0)
        .collect();
    said.sort_by_key(|&message| evidence.messages[message as usize].said_us);
    let mut acked: Vec<(u64, u32)> = said
        .iter()
        .filter_map(|&message| {
            let ack = evidence.messages[message as usize].ack?;
            Some((ack.at_us, message))
        })
        .collect();
    acked.sort_unstable();
    let mut next = 0;
    // The message with the highest index among those acknowledged so far.
    let mut highest: Option<u32> = None;
    for &message in &said {
        let said_us = evidence.messages[message as usize].said_us;
        while let Some(&(at_us, earlier)) = acked.get(next)
            && at_us < said_us
        {
            let index = context.index_of[earlier as usize];
            if highest.is_none_or(|highest| context.index_of[highest as usize] < index) {
                highest = Some(earlier);
            }
            next += 1;
        }
        let Some(earlier) = highest else { continue };
        let index = context.index_of[message as usize];
        if context.index_of[earlier as usize] > index {
            findings.violate(|| {
                let first = &evidence.messages[earlier as usize];
                let second = &evidence.messages[message as usize];
                Violation {
                    message: format!(
                        "{} was acknowledged before {} was said, but stands behind it: index {} against {index}",
                        context.name(first),
                        context.name(second),
                        context.index_of[earlier as usize],
                    ),
                    slot: Some(evidence.chat()[index as usize - 1].slot),
                    at_us: Some(second.said_us),
                    ..Violation::default()
                }
            });
        }
    }
    findings.finish(format!(
        "{}, {} acknowledged",
        count(said.len() as u64, "message"),
        acked.len()
    ))
}
