//! Every plan of the project on real processes: each must end with exit code 0.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use support::Place;

/// Plans spend most of their time waiting, so a few share the machine well.
const AT_ONCE: usize = 4;

fn plans() -> Vec<PathBuf> {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut found: Vec<PathBuf> = [plans.clone(), plans.join("seed")]
        .iter()
        .flat_map(|dir| fs::read_dir(dir).expect("the plans"))
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_plan_holds() {
    let plans = plans();
    assert!(plans.len() >= 12, "only {} plans", plans.len());
    let place = Place::new();
    let waiting = Mutex::new(plans);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(plan) = waiting.lock().expect("no panic").pop() else {
                        return;
                    };
                    let plan = plan.display().to_string();
                    // The original's tests wait for half a minute.
                    let slow = plan.contains("/seed/test");
                    let scale = if slow { "0.1" } else { "1" };
                    let output =
                        place.run(&["run", &plan, "--progress", "none", "--time-scale", scale]);
                    if output.code() != 0 {
                        failures.lock().expect("no panic").push(format!(
                            "{plan} ended with {}:\n{}\n{}",
                            output.code(),
                            output.stderr,
                            output.stdout
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_eq!(place.processes(), Vec::<u32>::new());
}
