//! How quick the harness itself is: what it takes to judge a long run, and how much it simulates.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use paxosctl_chaos::figures;
use serde::Serialize;

use super::row;
use super::workplace::Workplace;
use crate::cli::{BenchCheckArgs, BenchSimArgs};
use crate::exit::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{note, print};

const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn check(typed: &BenchCheckArgs) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let mut workplace = Workplace::new()?;
    let dir = workplace.fresh();
    std::fs::create_dir(&dir).map_err(|error| Failure::file("make", &dir, error))?;
    let (messages, replicas) = (typed.messages, typed.replicas);
    note(&format!(
        "making up a run of {messages} messages on {replicas} replicas, and judging it"
    ));
    let written = dir.clone();
    let work = move || figures::checks(&written, messages, replicas);
    let figures = interruptible(&interrupt, work)?
        .map_err(|error| Failure::file("measure with files in", &dir, error))?;
    show(&figures, typed.json)?;
    match figures.whole.verdict {
        "PASS" => Ok(Outcome::Success),
        other => Err(Failure::Cluster(format!(
            "a sound run was judged {other}, which is a mistake in paxosctl"
        ))),
    }
}

pub(super) fn simulation(typed: &BenchSimArgs) -> Result<Outcome, Failure> {
    let interrupt = Interrupt::install()?;
    let (seconds, seeds) = (typed.seconds, typed.seeds);
    let figures = interruptible(&interrupt, move || figures::simulation(seconds, seeds))?
        .map_err(Failure::Cluster)?;
    show(&figures, typed.json)?;
    Ok(Outcome::Success)
}

fn show(figures: &(impl Serialize + std::fmt::Display), json: bool) -> Result<(), Failure> {
    if json {
        return print(&row::json(figures));
    }
    print(&figures.to_string())
}

/// Works on a thread of its own, which is left behind when somebody interrupts.
fn interruptible<R: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    let (done, result) = channel();
    let worker = thread::Builder::new().name("bench".into());
    worker
        .spawn(move || drop(done.send(work())))
        .map_err(|error| Failure::Cluster(format!("cannot start a thread: {error}")))?;
    loop {
        interrupt.check()?;
        match result.recv_timeout(LOOK_EVERY) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Cluster("the measurement panicked".into()));
            }
        }
    }
}
