//! Panics, each of which is a fault of mcspec: caught where everything else can go on, and told in its way instead of Rust's.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// A panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// What it says, in a line.
    message: String,
    /// File, line and column of the code.
    place: String,
}

/// What to do about it.
pub(crate) const HINT: &str = "this is a fault of mcspec, which should understand or refuse whatever it is given: please report it \
                               to where you have it from, with this message and the file";

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "internal error: {} ({})", self.message, self.place)
    }
}

impl Panicked {
    fn new(info: &PanicHookInfo) -> Self {
        let message = text(info.payload()).lines().collect::<Vec<_>>().join(" ");
        Panicked { message, place: info.location().map_or("?".to_owned(), ToString::to_string) }
    }
}

fn text(payload: &dyn Any) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Panics that nobody has told yet, by the thread.
static UNTOLD: Mutex<Vec<(ThreadId, Panicked)>> = Mutex::new(Vec::new());

/// How many there have been.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn untold<R>(f: impl FnOnce(&mut Vec<(ThreadId, Panicked)>) -> R) -> R {
    f(&mut UNTOLD.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From now on panics are kept until they are told. Rust's own words about them, with the stack, come besides where
/// `RUST_BACKTRACE` asks for them.
pub(crate) fn keep_quiet() {
    let rusts_own = panic::take_hook();
    let wants_backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    panic::set_hook(Box::new(move |info| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        untold(|untold| untold.push((thread::current().id(), Panicked::new(info))));
        if wants_backtrace {
            rusts_own(info);
        }
    }));
}

/// Does something that may panic. What it has touched is not to be used after that.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let own = thread::current().id();
        // Without the hook, in unit tests, there is the payload only. A thread that was waited for has its own words.
        let of_own = untold(|untold| {
            let position = untold.iter().rposition(|(thread, _)| *thread == own)?;
            Some(untold.remove(position).1)
        });
        of_own.unwrap_or_else(|| Panicked { message: text(&*payload).to_owned(), place: "?".to_owned() })
    })
}

/// Takes what nobody has told.
pub(crate) fn take_untold() -> Vec<Panicked> {
    untold(|untold| untold.drain(..).map(|(_, panicked)| panicked).collect())
}

/// Whether there has been any.
pub(crate) fn happened() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Panics where a test asks for it, by what is done and a name, as in `MCSPEC_TEST_PANIC=load:x`. Only in debug builds.
pub(crate) fn trial(what: &str, name: &str) {
    if cfg!(debug_assertions) && std::env::var("MCSPEC_TEST_PANIC").is_ok_and(|asked| asked == format!("{what}:{name}"))
    {
        panic!("a test has asked for it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(caught(|| 1), Ok(1));
        let text = "größe";
        let found = caught(|| text[..3].len()).unwrap_err();
        assert!(found.message.contains("char boundary"), "{found}");
    }
}
