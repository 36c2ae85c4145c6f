//! A parser of tree-sitter in a shared library.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tree_sitter::Language;

/// Loads it, for good.
pub(crate) fn language(library: &Path) -> Language {
    let path = CString::new(library.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string, and the library has no constructors.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "{}", library.display());
    // SAFETY: the handle is that of a library that stays loaded, the name is a C string.
    let function = unsafe { libc::dlsym(handle, c"tree_sitter_mcspec".as_ptr()) };
    assert!(!function.is_null());
    // SAFETY: the function is what tree-sitter generates, which takes nothing and gives a pointer to what is static in the library.
    unsafe {
        let function: unsafe extern "C" fn() -> *const tree_sitter::ffi::TSLanguage = std::mem::transmute(function);
        Language::from_raw(function())
    }
}
