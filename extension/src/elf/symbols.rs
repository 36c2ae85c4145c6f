//! Exported functions, as the dynamic linker knows them.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

/// The address of an exported function or variable; 0 for none.
pub(crate) fn address_of(name: &CStr) -> usize {
    // SAFETY: looks a name up.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.addr()
}

/// Where the code of an exported function is.
pub(crate) fn code_of(name: &CStr) -> Option<Range<usize>> {
    let start = address_of(name);
    Some(start..start + size_of_symbol(start).filter(|_| start != 0)?)
}

/// Whether an exported symbol names this very address.
pub(crate) fn is_exported(address: usize) -> bool {
    // SAFETY: looks an address up.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        libc::dladdr(address as *const c_void, &mut info) != 0 && info.dli_saddr.addr() == address
    }
}

/// Whether an exported symbol of this name, of whatever version, names this very address.
pub(crate) fn is_named(address: usize, name: &CStr) -> bool {
    if address != 0 && address_of(name) == address {
        return true;
    }
    // SAFETY: looks an address up; the name is mapped with the object.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        libc::dladdr(address as *const c_void, &mut info) != 0
            && info.dli_saddr.addr() == address
            && !info.dli_sname.is_null()
            && CStr::from_ptr(info.dli_sname) == name
    }
}

/// The size of the exported function that an address is in.
pub(crate) fn size_of_symbol(address: usize) -> Option<usize> {
    const RTLD_DL_SYMENT: c_int = 1;
    unsafe extern "C" {
        fn dladdr1(
            address: *const c_void,
            info: *mut libc::Dl_info,
            extra: *mut *const libc::Elf64_Sym,
            flags: c_int,
        ) -> c_int;
    }
    // SAFETY: looks an address up; the symbol's entry is mapped with its object.
    unsafe {
        let mut info = std::mem::zeroed();
        let mut symbol = std::ptr::null();
        let found = dladdr1(address as *const c_void, &mut info, &mut symbol, RTLD_DL_SYMENT);
        (found != 0 && !symbol.is_null()).then(|| (*symbol).st_size as usize)
    }
}

/// The exported function that a return address is in.
pub(crate) fn function_at(pc: usize) -> Option<String> {
    name_at(pc).map(|name| name.to_string_lossy().into_owned())
}

/// Its name, which is there as long as the object is loaded.
pub(crate) fn name_at(pc: usize) -> Option<&'static CStr> {
    // SAFETY: looks an address up; the name is mapped with the object.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(pc as *const c_void, &mut info) == 0 || info.dli_sname.is_null() {
            return None;
        }
        let size = size_of_symbol(info.dli_saddr.addr())?;
        let inside = pc > info.dli_saddr.addr() && pc <= info.dli_saddr.addr() + size;
        inside.then(|| CStr::from_ptr(info.dli_sname))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_functions_are_known_by_name_and_address() {
        let start = address_of(c"qsort");
        let code = code_of(c"qsort").unwrap();
        assert!(start != 0 && code.start == start && !code.is_empty());
        assert_eq!(size_of_symbol(start + 1), Some(code.len()));
        assert!(is_exported(start) && !is_exported(start + 1));
        assert!(is_named(start, c"qsort") && !is_named(start + 1, c"qsort") && !is_named(start, c"bsearch"));
    }

    /// A return address comes after a call, so it is not the first of a function's, and may be the one behind its last.
    #[test]
    fn a_return_address_is_in_a_function() {
        let code = code_of(c"qsort").unwrap();
        assert_eq!(function_at(code.start), None);
        for pc in [code.start + 1, code.end - 1] {
            assert_eq!(function_at(pc).as_deref(), Some("qsort"), "{pc:#x} in {code:x?}");
        }
    }

    #[test]
    fn what_nobody_exports_is_not_found() {
        assert_eq!(address_of(c"pg_ext_memcheck_no_such_function"), 0);
        assert_eq!(code_of(c"pg_ext_memcheck_no_such_function"), None);
        assert_eq!((size_of_symbol(0), function_at(0)), (None, None));
        assert!(!is_exported(0) && !is_named(0, c"pg_ext_memcheck_no_such_function"));
    }
}
