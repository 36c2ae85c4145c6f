//! Failures of memory that only tests ask for, by parameters: of the n-th request of a kind, and if they say so of all behind it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// Kinds of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To malloc, by one who cannot do without.
    Heap,
    /// By one who asks whether there is room.
    Room,
    /// To mmap.
    Map,
}

/// The requests of a kind.
struct Requests {
    /// Which one is to fail, counted from 1; 0 for none.
    failing: AtomicU64,
    made: AtomicU64,
}

impl Requests {
    const fn new() -> Self {
        Requests { failing: AtomicU64::new(0), made: AtomicU64::new(0) }
    }
}

static REQUESTS: [Requests; 3] = [const { Requests::new() }; 3];
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// What is shown of a parameter.
static SHOWN: [AtomicU8; 24] = [const { AtomicU8::new(0) }; 24];

/// Counts a request. Whether it is to fail.
pub(crate) fn fails(kind: Kind) -> bool {
    let requests = &REQUESTS[kind as usize];
    let number = requests.made.fetch_add(1, Ordering::Relaxed) + 1;
    let failing = requests.failing.load(Ordering::Relaxed);
    failing != 0 && (number == failing || number > failing && GOES_ON.load(Ordering::Relaxed))
}

/// A parameter that says which request of a kind is to fail, counted from when it is set, and shows how many there have been since.
pub(crate) struct Parameter {
    pub(crate) name: &'static CStr,
    pub(crate) assigned: unsafe extern "C-unwind" fn(c_int, *mut c_void),
    pub(crate) shown: unsafe extern "C-unwind" fn() -> *const c_char,
}

/// One for each kind.
pub(crate) const PARAMETERS: [Parameter; 3] = [
    parameter::<0>(c"pg_ext_memcheck.trial_fail_heap"),
    parameter::<1>(c"pg_ext_memcheck.trial_fail_room"),
    parameter::<2>(c"pg_ext_memcheck.trial_fail_map"),
];

const fn parameter<const KIND: usize>(name: &'static CStr) -> Parameter {
    unsafe extern "C-unwind" fn assigned<const KIND: usize>(number: c_int, _extra: *mut c_void) {
        REQUESTS[KIND].made.store(0, Ordering::Relaxed);
        REQUESTS[KIND].failing.store(number.unsigned_abs().into(), Ordering::Relaxed);
    }
    unsafe extern "C-unwind" fn shown<const KIND: usize>() -> *const c_char {
        let mut text = [0; SHOWN.len()];
        // 20 digits at most.
        let _ = write!(&mut text[..SHOWN.len() - 1], "{}", REQUESTS[KIND].made.load(Ordering::Relaxed));
        SHOWN.iter().zip(text).for_each(|(to, byte)| to.store(byte, Ordering::Relaxed));
        SHOWN.as_ptr().cast()
    }
    Parameter { name, assigned: assigned::<KIND>, shown: shown::<KIND> }
}

/// Assigned to the parameter that has all requests behind one that fails do so too.
pub(crate) unsafe extern "C-unwind" fn goes_on_assigned(goes_on: bool, _extra: *mut c_void) {
    GOES_ON.store(goes_on, Ordering::Relaxed);
}
