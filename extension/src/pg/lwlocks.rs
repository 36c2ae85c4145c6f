//! The LWLocks that this process holds (`held_lwlocks` in lwlock.c). Only looked at: a signal handler may ask.
//!
//! Up to 18 a function of the server shows them. In 19 it has gone, and the list is the server's own. A function that looks at it is
//! left, which is short: [`Held::find`] reads in its code where the list is, and the list is believed when it has shown a lock that was
//! taken for that.

#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
use std::ffi::c_void;

use pgrx::pg_sys::{LWLock, LWLockMode};

use super::server;

/// Shows each lock, the oldest first.
#[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
pub(crate) fn for_each(mut shown: impl FnMut(*mut LWLock, LWLockMode::Type)) {
    unsafe extern "C-unwind" fn show<F: FnMut(*mut LWLock, LWLockMode::Type)>(
        lock: *mut LWLock,
        mode: LWLockMode::Type,
        shown: *mut c_void,
    ) {
        // SAFETY: called with what is passed below.
        unsafe { (*shown.cast::<F>())(lock, mode) };
    }
    fn of<F: FnMut(*mut LWLock, LWLockMode::Type)>(
        _: &F,
    ) -> unsafe extern "C-unwind" fn(*mut LWLock, LWLockMode::Type, *mut c_void) {
        show::<F>
    }
    // SAFETY: looks at what is there.
    unsafe { server::ForEachLWLockHeldByMe(of(&shown), (&raw mut shown).cast()) };
}

/// The same.
#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
pub(crate) use listed::for_each;

/// Whether the list is where it is looked for.
///
/// # Errors
///
/// What is not as it is known.
pub(crate) fn check() -> Result<(), String> {
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    return listed::check();
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    Ok(())
}

#[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
mod listed {
    use std::sync::OnceLock;

    use super::{LWLock, LWLockMode, server};

    /// `LWLockHandle` in lwlock.c.
    #[repr(C)]
    struct Handle {
        lock: *mut LWLock,
        mode: LWLockMode::Type,
    }

    /// Where the server has the list and its length: addresses of its own variables.
    struct Held {
        count: usize,
        handles: usize,
    }

    /// `MAX_SIMUL_LWLOCKS` there.
    const MOST: i32 = 200;

    static HELD: OnceLock<Option<Held>> = OnceLock::new();

    impl Held {
        /// From the code of `LWLockHeldByMe`, which loads the length, and then the address of the list: both by their distance from the
        /// instruction.
        fn find() -> Option<Self> {
            /// Both are in the first instructions.
            const LENGTH: usize = 64;
            let start = (server::LWLockHeldByMe as *const ()).addr();
            // SAFETY: a function of the server, which is not at the end of its code.
            let code = unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(start), LENGTH) };
            addresses(code, start).map(|(count, handles)| Self { count, handles })
        }

        /// As many as there are.
        fn handles(&self) -> &[Handle] {
            // SAFETY: the server's variables, of this thread alone.
            unsafe {
                let count = std::ptr::with_exposed_provenance::<i32>(self.count).read();
                let handles = std::ptr::with_exposed_provenance::<Handle>(self.handles);
                std::slice::from_raw_parts(handles, count.clamp(0, MOST) as usize)
            }
        }
    }

    /// The targets of `mov disp32(%rip), %r32` and of a `lea disp32(%rip), %r64` behind it.
    fn addresses(code: &[u8], start: usize) -> Option<(usize, usize)> {
        // The byte behind the opcode: a distance from the next instruction, to any register.
        let is_relative = |byte: u8| byte & 0xc7 == 0x05;
        let target = |at: usize| {
            let distance = i32::from_le_bytes(*code.get(at..)?.first_chunk()?);
            (start + at + 4).checked_add_signed(distance as isize)
        };
        let load = code.windows(2).position(|bytes| bytes[0] == 0x8b && is_relative(bytes[1]))?;
        let lea = |bytes: &[u8]| matches!(bytes[0], 0x48 | 0x4c) && bytes[1] == 0x8d && is_relative(bytes[2]);
        let behind = load + 6;
        let lea = behind + code.get(behind..)?.windows(3).position(lea)?;
        Some((target(load + 2)?, target(lea + 3)?))
    }

    pub(crate) fn for_each(mut shown: impl FnMut(*mut LWLock, LWLockMode::Type)) {
        if let Some(held) = HELD.get().and_then(Option::as_ref) {
            held.handles().iter().for_each(|handle| shown(handle.lock, handle.mode));
        }
    }

    /// Finds the list, and tries it on a lock. In the postmaster, which waits for none.
    pub(super) fn check() -> Result<(), String> {
        let wrong = || Err("the list of LWLocks that are held".to_owned());
        let Some(held) = Held::find() else { return wrong() };
        let mut lock = std::mem::MaybeUninit::<LWLock>::zeroed();
        let lock = lock.as_mut_ptr();
        // SAFETY: a lock that nobody else knows.
        let was_shown = unsafe {
            server::LWLockInitialize(lock, 0);
            let before = held.handles().len();
            server::LWLockAcquire(lock, LWLockMode::LW_EXCLUSIVE);
            let with = held.handles();
            let is_last = with.last().is_some_and(|last| last.lock == lock && last.mode == LWLockMode::LW_EXCLUSIVE);
            let is_one_more = with.len() == before + 1;
            server::LWLockRelease(lock);
            is_last && is_one_more && held.handles().len() == before
        };
        if !was_shown {
            return wrong();
        }
        let _ = HELD.set(Some(held));
        Ok(())
    }

    #[cfg(test)]
    mod tests {
        use super::addresses;

        #[test]
        fn a_length_and_a_list() {
            // endbr64; mov 0x543996(%rip),%edx; test %edx,%edx; jle; lea 0x10(%rip),%rax
            let code = [
                0xf3, 0x0f, 0x1e, 0xfa, 0x8b, 0x15, 0x96, 0x39, 0x54, 0x00, 0x85, 0xd2, 0x7e, 0x2a, 0x48, 0x8d, 0x05,
                0x10, 0, 0, 0,
            ];
            assert_eq!(addresses(&code, 0x55_6840), Some((0xa9_a1e0, 0x55_6840 + 21 + 0x10)));
            assert_eq!(addresses(&code[..12], 0x55_6840), None);
            assert_eq!(addresses(&[0xc3], 0), None);
        }
    }
}
