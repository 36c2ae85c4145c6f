//! Which library it is that calls a function which stands in the tables of all of them.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};
use std::ops::Range;

use crate::stack::Registers;

struct Kept(UnsafeCell<Vec<(Range<usize>, String)>>);

// SAFETY: only the thread that loads libraries has to do with it.
unsafe impl Sync for Kept {}

/// The code of the libraries of this process, and their names; written when one is loaded.
static KEPT: Kept = Kept(UnsafeCell::new(Vec::new()));

/// These are the libraries from now on.
pub(super) fn are(libraries: Vec<(Range<usize>, String)>) {
    // SAFETY: nobody holds it: names are copied by whoever asks, before anything is loaded.
    unsafe { *KEPT.0.get() = libraries };
}

/// The library that calls a function of ours; empty where that is not known.
pub(super) fn library(from: Registers) -> &'static str {
    let caller = from.caller();
    // SAFETY: as above.
    let libraries = unsafe { &*KEPT.0.get() };
    libraries.iter().find(|(code, _)| code.contains(&caller)).map_or("", |(_, name)| name.as_str())
}

/// A name as the server was given it.
///
/// # Safety
/// It is a C string.
pub(super) unsafe fn name<'a>(text: *const c_char) -> &'a CStr {
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr(text) }
}
