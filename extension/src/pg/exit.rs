//! exit() called by somebody else than the server: `proc_exit` should be the only one who does (ipc.c), so a library that calls it
//! ends a process, and nobody says which or why.

use std::ffi::{CStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pgrx::pg_sys;

use super::server;

/// Frames between the handler and the caller of exit(), and room for some more.
const FRAMES: usize = 16;

unsafe extern "C" {
    // stdlib.h and execinfo.h of glibc
    fn on_exit(handler: unsafe extern "C-unwind" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    fn backtrace(frames: *mut *mut c_void, count: c_int) -> c_int;
}

/// Has it said who calls exit(). In the postmaster, its children inherit it.
///
/// Handlers are called in the reverse order of their registration: this one before the server's, which has been there since the
/// postmaster's first `on_proc_exit`, and cleans up.
pub(crate) fn watch() {
    // SAFETY: the library stays loaded.
    unsafe { on_exit(exits, std::ptr::null_mut()) };
}

/// Thread-locals of Rust are gone by now, those of pgrx as well: nothing here may come by one.
unsafe extern "C-unwind" fn exits(code: c_int, _: *mut c_void) {
    // SAFETY: plain variables of the server.
    if unsafe { pg_sys::proc_exit_inprogress || !pg_sys::IsUnderPostmaster } {
        return;
    }
    let Some((library, offset)) = caller() else { return };
    // SAFETY: a WARNING returns. The format's arguments are as it says, and the text is copied.
    unsafe {
        if server::errstart(pg_sys::WARNING as c_int, std::ptr::null()) {
            let format = c"process ended by exit(%d), called by \"%.*s\" at offset 0x%lx";
            let name = library.name();
            server::errmsg_internal(format.as_ptr(), code, name.len() as c_int, name.as_ptr(), offset);
            server::errfinish(c"exit.rs".as_ptr(), 0, c"exits".as_ptr());
        }
    }
}

/// A loaded object.
#[derive(Clone, Copy)]
struct Object {
    base: usize,
    path: &'static CStr,
}

impl Object {
    /// The one that an address is in.
    fn of(address: *const c_void) -> Option<Self> {
        // SAFETY: asks the dynamic linker about any address; the name lives as long as the object is loaded.
        unsafe {
            let mut info = std::mem::zeroed::<libc::Dl_info>();
            let is_known = libc::dladdr(address, &mut info) != 0 && !info.dli_fname.is_null();
            is_known.then(|| Object { base: info.dli_fbase.addr(), path: CStr::from_ptr(info.dli_fname) })
        }
    }

    /// The name of a library as targets are named.
    fn name(&self) -> &'static [u8] {
        let path = Path::new(std::ffi::OsStr::from_bytes(self.path.to_bytes()));
        path.file_stem().map_or(self.path.to_bytes(), OsStrExt::as_bytes)
    }
}

/// Who has called exit(), and where in its code: the first frame behind those of the C library and of the engine.
fn caller() -> Option<(Object, usize)> {
    let mut frames = [std::ptr::null_mut(); FRAMES];
    // SAFETY: there is room for as many frames.
    let count = unsafe { backtrace(frames.as_mut_ptr(), FRAMES as c_int) };
    let exit = Object::of(libc::exit as *const c_void)?;
    // The call comes before the address that it returns to.
    let calls = frames.iter().take(usize::try_from(count).ok()?).map(|frame| frame.cast::<u8>().wrapping_sub(1));
    let objects = calls.filter_map(|call| Some((Object::of(call.cast())?, call.addr())));
    let mut outside = objects.skip_while(|(object, _)| object.base != exit.base);
    let own = Object::of(caller as *const c_void)?;
    let (object, call) = outside.find(|(object, _)| object.base != exit.base && object.base != own.base)?;
    Some((object, call - object.base))
}
