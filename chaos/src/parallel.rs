//! Work on all cores whose results do not depend on how many there are.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many threads can run at the same time.
pub(crate) fn available_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does parts `0..parts`, on so many threads, and gives what they come to in their order. Parts are
/// begun in their order, so long ones should come first.
pub(crate) fn in_order<T: Send>(
    threads: usize,
    parts: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.min(parts);
    if threads <= 1 {
        return (0..parts).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(parts));
    let take_parts = || {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            let result = work(part);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((part, result));
        }
    };
    // A panic of a part goes on when the scope ends.
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(take_parts);
        }
        take_parts();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|&(part, _)| part);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn results_come_in_order_whoever_works() {
        for threads in 0..5 {
            for parts in [0, 1, 2, 100] {
                let wanted: Vec<usize> = (0..parts).map(|part| part * part).collect();
                assert_eq!(in_order(threads, parts, |part| part * part), wanted);
            }
        }
    }
}
