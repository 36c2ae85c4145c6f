//! A segment of the server's shared memory with a lock of its own.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

/// A segment that begins with a `T`, for whose bytes zero is a value.
pub(super) struct Segment<T> {
    name: &'static CStr,
    is_requested: Cell<bool>,
    start: Cell<*mut T>,
    lock: Cell<*mut pg_sys::LWLock>,
}

impl<T> Segment<T> {
    pub(super) const fn new(name: &'static CStr) -> Self {
        let (start, lock) = (Cell::new(std::ptr::null_mut()), Cell::new(std::ptr::null_mut()));
        Segment { name, is_requested: Cell::new(false), start, lock }
    }

    /// Whether it is there: the library was preloaded.
    pub(super) fn is_there(&self) -> bool {
        !self.start.get().is_null()
    }

    /// Asks for so many bytes. From shmem_request_hook.
    pub(super) fn request(&self, bytes: usize) {
        self.is_requested.set(true);
        // SAFETY: called from shmem_request_hook.
        unsafe {
            pg_sys::RequestAddinShmemSpace(bytes);
            pg_sys::RequestNamedLWLockTranche(self.name.as_ptr(), 1);
        }
    }

    /// Finds it, or makes it of zeros: in the postmaster, when it starts and again after a crash. From shmem_startup_hook. Whether
    /// it was made.
    ///
    /// AddinShmemInitLock is for servers whose children attach one by one (EXEC_BACKEND); where they are forked, only the
    /// postmaster comes here (`CreateSharedMemoryAndSemaphores` in ipci.c).
    ///
    /// It is not there where it could not be asked for, since a library that was loaded later does not call the
    /// shmem_request_hook that it has found.
    pub(super) fn startup(&self, bytes: usize) -> bool {
        if !self.is_requested.get() {
            return false;
        }
        let mut found = false;
        // SAFETY: called from shmem_startup_hook; the space and the lock were asked for in `request`.
        unsafe {
            let start: *mut T = pg_sys::ShmemInitStruct(self.name.as_ptr(), bytes, &mut found).cast();
            if !found {
                start.cast::<u8>().write_bytes(0, bytes);
            }
            self.start.set(start);
            self.lock.set(&raw mut (*pg_sys::GetNamedLWLockTranche(self.name.as_ptr())).lock);
        }
        !found
    }

    /// Where it is, for who takes no lock; null where there is none.
    pub(super) fn start(&self) -> *mut T {
        self.start.get()
    }

    /// Runs something under the lock; none where there is no segment. Nothing inside may raise an ERROR.
    pub(super) fn with<R>(&self, f: impl FnOnce(*mut T) -> R) -> Option<R> {
        let start = self.start.get();
        if start.is_null() {
            return None;
        }
        // SAFETY: the lock was made by `startup`.
        unsafe {
            pg_sys::LWLockAcquire(self.lock.get(), pg_sys::LWLockMode::LW_EXCLUSIVE);
            let result = f(start);
            pg_sys::LWLockRelease(self.lock.get());
            Some(result)
        }
    }
}
