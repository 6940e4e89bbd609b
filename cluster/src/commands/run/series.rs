//! Many jobs, some of them at a time, and what came of them in their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Carries out the jobs 0 … `count` - 1, at most `at_once` of them at a time, each from its begin to
/// its end on one thread. `take` gets what came of them, on the calling thread and in their order,
/// whichever was done first.
///
/// No further job begins once `go_on` denied it for one that is done, or `take` failed; those that
/// have begun go on to their end and are taken.
///
/// # Errors
/// The first of `take`.
pub(in crate::commands) fn in_order<T: Send, E>(
    count: usize,
    at_once: usize,
    job: impl Fn(usize) -> T + Sync,
    go_on: impl Fn(&T) -> bool + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let one = || {
        if stop.load(Ordering::SeqCst) {
            return None;
        }
        let index = next.fetch_add(1, Ordering::SeqCst);
        (index < count).then(|| {
            let done = job(index);
            if !go_on(&done) {
                stop.store(true, Ordering::SeqCst);
            }
            (index, done)
        })
    };
    let mut result = Ok(());
    let mut take = |done| {
        if let Err(error) = take(done) {
            stop.store(true, Ordering::SeqCst);
            if result.is_ok() {
                result = Err(error);
            }
        }
    };
    if at_once <= 1 {
        // Nothing of the next job is to be seen while this one is taken.
        while let Some((_, done)) = one() {
            take(done);
        }
        return result;
    }
    thread::scope(|scope| {
        let (sender, finished) = mpsc::channel();
        for _ in 0..at_once.min(count) {
            let (one, sender) = (&one, sender.clone());
            scope.spawn(move || {
                while let Some(done) = one() {
                    if sender.send(done).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Those that begin are the first ones, so nothing is missing in between at the end.
        let mut early = BTreeMap::new();
        let mut turn = 0;
        for (index, done) in finished {
            early.insert(index, done);
            while let Some(done) = early.remove(&turn) {
                take(done);
                turn += 1;
            }
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;

    #[test]
    fn what_came_of_jobs_is_taken_in_their_order() {
        let mut taken = Vec::new();
        let second_is_done = Barrier::new(2);
        let result: Result<(), ()> = in_order(
            4,
            2,
            |index| {
                // The first ends only when the second is about to.
                if index < 2 {
                    second_is_done.wait();
                }
                index * 10
            },
            |_| true,
            |done| {
                taken.push(done);
                Ok(())
            },
        );
        assert_eq!(result, Ok(()));
        assert_eq!(taken, [0, 10, 20, 30]);
    }

    #[test]
    fn no_job_begins_after_a_denial_and_those_that_began_are_taken() {
        for (at_once, begun) in [(1, vec![0, 1]), (2, vec![0, 1, 2])] {
            let both = Barrier::new(2);
            let log = Mutex::new(Vec::new());
            let mut taken = Vec::new();
            let result: Result<(), ()> = in_order(
                9,
                at_once,
                |index| {
                    log.lock().expect("whole").push(index);
                    // Two at a time: job 2 has begun before job 1 ends.
                    if at_once == 2 && (index == 1 || index == 2) {
                        both.wait();
                    }
                    index
                },
                |done| *done == 0,
                |done| {
                    taken.push(done);
                    Ok(())
                },
            );
            assert_eq!(result, Ok(()));
            let mut log = log.into_inner().expect("whole");
            log.sort_unstable();
            assert_eq!((&log, &taken), (&begun, &begun));
        }
    }

    #[test]
    fn the_first_failure_to_take_ends_the_series() {
        let mut taken = 0;
        let result = in_order(
            5,
            1,
            |index| index,
            |_| true,
            |index| {
                taken += 1;
                if index == 1 { Err(index) } else { Ok(()) }
            },
        );
        assert_eq!((result, taken), (Err(1), 2));
    }
}
