//! Shared memory as libraries ask for it from 19 on: what is to be there, and functions that are called when it is (shmem.h). The server's
//! own functions, without a boundary. Before 19 there are none, and nobody that would call those that stand here for them.

use std::ffi::{c_char, c_int, c_void};

use pgrx::pg_sys::HASHCTL;

/// `ShmemStructOpts`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct StructOptions {
    pub(crate) name: *const c_char,
    /// In bytes; -1 where that is to be found out.
    pub(crate) size: isize,
    /// 0 for that of a line of the cache.
    pub(crate) alignment: usize,
    /// Where it is to be written where the memory is; or null.
    pub(crate) place: *mut *mut c_void,
}

/// `ShmemHashOpts`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct HashOptions {
    /// Is filled in by the server.
    base: StructOptions,
    pub(crate) name: *const c_char,
    /// The most elements, all of which are there from the start.
    pub(crate) elements: i64,
    pub(crate) info: HASHCTL,
    pub(crate) flags: c_int,
    /// Where the handle is to be written; or null.
    pub(crate) place: *mut *mut c_void,
}

/// One of the functions of [`Callbacks`].
pub(crate) type Callback = unsafe extern "C-unwind" fn(argument: *mut c_void);

/// `ShmemCallbacks`
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Callbacks {
    pub(crate) flags: c_int,
    /// Asks for what is to be there.
    pub(crate) request: Option<Callback>,
    /// It has been made.
    pub(crate) initialize: Option<Callback>,
    /// It was there already.
    pub(crate) attach: Option<Callback>,
    pub(crate) argument: *mut c_void,
}

#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
mod functions {
    use std::mem::offset_of;

    use pgrx::pg_sys::{ShmemCallbacks, ShmemHashOpts, ShmemStructOpts};

    use super::*;

    unsafe extern "C-unwind" {
        // shmem.c
        pub(crate) fn RegisterShmemCallbacks(callbacks: *const Callbacks);
        pub(crate) fn ShmemRequestStructWithOpts(options: *const StructOptions);
        // shmem_hash.c
        pub(crate) fn ShmemRequestHashWithOpts(options: *const HashOptions);
    }

    // Written by hand above, since they stand for all versions there.
    const _: () = {
        assert!(size_of::<StructOptions>() == size_of::<ShmemStructOpts>());
        assert!(offset_of!(StructOptions, place) == offset_of!(ShmemStructOpts, ptr));
        assert!(size_of::<HashOptions>() == size_of::<ShmemHashOpts>());
        assert!(offset_of!(HashOptions, elements) == offset_of!(ShmemHashOpts, nelems));
        assert!(offset_of!(HashOptions, info) == offset_of!(ShmemHashOpts, hash_info));
        assert!(offset_of!(HashOptions, flags) == offset_of!(ShmemHashOpts, hash_flags));
        assert!(offset_of!(HashOptions, place) == offset_of!(ShmemHashOpts, ptr));
        assert!(size_of::<Callbacks>() == size_of::<ShmemCallbacks>());
        assert!(offset_of!(Callbacks, initialize) == offset_of!(ShmemCallbacks, init_fn));
        assert!(offset_of!(Callbacks, argument) == offset_of!(ShmemCallbacks, opaque_arg));
    };
}

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
mod functions {
    #![allow(non_snake_case)]

    use super::*;

    /// # Safety
    /// None is needed.
    pub(crate) unsafe extern "C-unwind" fn RegisterShmemCallbacks(_callbacks: *const Callbacks) {}

    /// # Safety
    /// None is needed.
    pub(crate) unsafe extern "C-unwind" fn ShmemRequestStructWithOpts(_options: *const StructOptions) {}

    /// # Safety
    /// None is needed.
    pub(crate) unsafe extern "C-unwind" fn ShmemRequestHashWithOpts(_options: *const HashOptions) {}
}

pub(crate) use functions::{RegisterShmemCallbacks, ShmemRequestHashWithOpts, ShmemRequestStructWithOpts};
