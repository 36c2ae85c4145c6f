//! Variables of the server's thread.

use std::ops::Deref;

/// A static that only the thread touches which runs the server's code. A library's thread-local would do, but each look at one is
/// a call, and the hooks are there for every statement of every session.
///
/// Libraries may have threads of their own, in which PostgreSQL allows nothing of the server's to be called; they do not come to
/// hooks, callbacks and SQL functions.
pub(crate) struct ServerThread<T>(T);

// SAFETY: only one thread touches it, as said above.
unsafe impl<T> Sync for ServerThread<T> {}

impl<T> ServerThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        ServerThread(value)
    }
}

impl<T> Deref for ServerThread<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
