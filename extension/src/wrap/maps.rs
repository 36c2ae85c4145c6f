//! Memory that targets and their runtimes map themselves, for an allocator of their own: the functions stand in their tables
//! only, so that what the C library maps for malloc does not count twice.
//!
//! What is mapped from a file is no memory that anybody has to give back, and what cannot be written to is not in use.

use std::ffi::{c_int, c_void};

use super::chain::{mapped, of_maps, unmapped};
use super::hooked::hooked;
use crate::stack::Registers;

hooked! {
    fn mmap(
        wanted: *mut c_void, bytes: usize, protection: c_int, flags: c_int, file: c_int, offset: libc::off_t
    ) -> *mut c_void {
        // SAFETY: called as the C library's function is.
        let start = unsafe { libc::mmap(wanted, bytes, protection, flags, file, offset) };
        took_place(Registers::here(), start, bytes, protection, flags);
        start
    }

    fn mmap64(
        wanted: *mut c_void, bytes: usize, protection: c_int, flags: c_int, file: c_int, offset: libc::off64_t
    ) -> *mut c_void {
        // SAFETY: as in `mmap`.
        let start = unsafe { libc::mmap64(wanted, bytes, protection, flags, file, offset) };
        took_place(Registers::here(), start, bytes, protection, flags);
        start
    }

    fn munmap(start: *mut c_void, bytes: usize) -> c_int {
        // SAFETY: as in `mmap`.
        let failed = unsafe { libc::munmap(start, bytes) };
        if failed == 0 {
            unmapped(Registers::here(), start.addr(), bytes);
        }
        failed
    }

    /// The last argument is looked at with MREMAP_FIXED only.
    fn mremap(start: *mut c_void, before: usize, after: usize, flags: c_int, wanted: *mut c_void) -> *mut c_void {
        // SAFETY: as in `mmap`.
        let moved = unsafe { libc::mremap(start, before, after, flags, wanted) };
        if moved != libc::MAP_FAILED {
            of_maps(|maps| {
                let site = maps.unmap(start.addr(), before);
                if site != 0 {
                    maps.map(moved.addr(), after, site, true);
                }
            });
        }
        moved
    }

    fn mprotect(start: *mut c_void, bytes: usize, protection: c_int) -> c_int {
        // SAFETY: as in `mmap`.
        let failed = unsafe { libc::mprotect(start, bytes, protection) };
        if failed == 0 && protection & libc::PROT_WRITE != 0 {
            of_maps(|maps| maps.comes_into_use(start.addr(), bytes));
        }
        failed
    }

    fn sbrk(bytes: isize) -> *mut c_void {
        // SAFETY: as in `mmap`.
        let start = unsafe { libc::sbrk(bytes) };
        if start.addr() != usize::MAX {
            match usize::try_from(bytes) {
                Ok(0) => {}
                Ok(bytes) => mapped(Registers::here(), start.addr(), bytes, true),
                Err(_) => {
                    let less = bytes.unsigned_abs();
                    of_maps(|maps| _ = maps.unmap(start.addr().wrapping_sub(less), less));
                }
            }
        }
        start
    }
}

/// Memory was mapped, perhaps a file.
fn took_place(from: Registers, start: *mut c_void, bytes: usize, protection: c_int, flags: c_int) {
    if start == libc::MAP_FAILED {
        return;
    }
    let in_use = flags & libc::MAP_ANONYMOUS != 0 && protection & libc::PROT_WRITE != 0;
    mapped(from, start.addr(), bytes, in_use);
}
