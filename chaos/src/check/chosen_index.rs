//! What a running server knows as chosen never shrinks, and what it wrote down as chosen it still
//! knows after a restart (P2; DESIGN: the chosen index is monotonic).

use std::collections::BTreeMap;

use super::context::Context;
use super::findings::Findings;
use crate::history::What;
use crate::report::{CheckResult, Violation, count};

pub(crate) fn check(context: &Context) -> CheckResult {
    let mut findings = Findings::new(context, "chosen-index");
    let evidence = context.evidence;
    let mut records = 0;
    let mut restarts = 0;
    for (place, server) in evidence.servers.iter().enumerate() {
        let name = &evidence.header.servers[place];
        // By disk, because another disk knows nothing of it.
        let mut on_disk: BTreeMap<u64, u32> = BTreeMap::new();
        let mut disk = server.recoveries.first().map_or(0, |r| r.incarnation);
        let mut chosen = 0;
        for event in &server.events {
            let mut violate = |message: String| {
                findings.violate(|| Violation {
                    message,
                    servers: vec![name.clone()],
                    at_us: Some(event.at_us),
                    ..Violation::default()
                });
            };
            match event.what {
                What::Started => chosen = 0,
                What::Recovered(place) => {
                    let recovery = &server.recoveries[place as usize];
                    disk = recovery.incarnation;
                    chosen = recovery.chosen;
                    if let Some(&written) = on_disk.get(&disk) {
                        restarts += 1;
                        if chosen < written {
                            violate(format!(
                                "{name} had written {} down as chosen, and came back knowing {chosen}: it forgot",
                                count(u64::from(written), "slot")
                            ));
                        }
                    }
                }
                What::Chosen(upto) => {
                    records += 1;
                    if upto < chosen {
                        violate(format!(
                            "{name} knew {} as chosen, and then only {upto}",
                            count(u64::from(chosen), "slot")
                        ));
                    }
                    chosen = upto;
                }
                What::ChosenOnDisk(upto) => {
                    let written = on_disk.entry(disk).or_default();
                    *written = upto.max(*written);
                }
                _ => {}
            }
        }
    }
    if records == 0 {
        return findings.not_judged("no server said that anything is chosen");
    }
    findings.finish(format!(
        "{} over {}",
        count(records, "record"),
        count(restarts, "restart")
    ))
}
