//! Libraries that the server loads.

use std::ffi::CStr;

use super::client;
use super::errors::{Raised, caught};
use super::server;

/// Loads a file, as LOAD does for a superuser, in a transaction of its own.
pub(crate) fn load(file: &'static CStr) -> Result<(), Raised> {
    let name = file.as_ptr();
    // SAFETY: the closure owns nothing and calls the server without a boundary.
    let done = unsafe {
        caught(|| {
            server::StartTransactionCommand();
            server::load_file(name, false);
            server::CommitTransactionCommand();
        })
    };
    if done.is_err() {
        client::abandon();
    }
    done
}
