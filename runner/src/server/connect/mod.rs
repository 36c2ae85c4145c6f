//! Connections to a server, none of which waits without end.

mod copy;
mod reach;
mod wire;

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

pub(crate) use copy::NO_DATA;
pub use reach::Unreached;
pub(crate) use reach::{Canceller, Connected, Connection, connect, runtime};

/// What comes of something that may not come back: the client library's own connections have no limit. None if it takes longer; it
/// is left alone then.
pub(super) fn within<T: Send + 'static>(limit: Duration, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (result, done) = channel();
    thread::spawn(move || {
        // Nobody waits for it any more when the limit is over.
        let _ = result.send(act());
    });
    done.recv_timeout(limit).ok()
}
