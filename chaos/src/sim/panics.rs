//! A simulated process that panics ends, as a real one does; the simulation goes on.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether a simulated process runs on this thread.
    static SIMULATED: Cell<bool> = const { Cell::new(false) };
    static WORDS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a step of a simulated process. If it panics, its last words are returned and nothing is
/// printed.
pub(super) fn caught(step: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if SIMULATED.get() {
                WORDS.set(panic.to_string());
            } else {
                usual(panic);
            }
        }));
    });
    SIMULATED.set(true);
    let result = catch_unwind(AssertUnwindSafe(step));
    SIMULATED.set(false);
    result.map_err(|_| WORDS.take().replace('\n', " "))
}
