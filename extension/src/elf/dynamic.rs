//! The dynamic section of an object (gABI, "Dynamic Section").

use std::ffi::{CStr, c_char};

use super::module::Module;

pub(super) const DT_NEEDED: i64 = 1;
pub(super) const DT_PLTRELSZ: i64 = 2;
pub(super) const DT_STRTAB: i64 = 5;
pub(super) const DT_SYMTAB: i64 = 6;
pub(super) const DT_RELA: i64 = 7;
pub(super) const DT_RELASZ: i64 = 8;
pub(super) const DT_JMPREL: i64 = 23;
pub(super) const DT_GNU_HASH: i64 = 0x6fff_fef5;

/// Entries of a dynamic section: tag and value.
///
/// # Safety
/// The object is loaded.
pub(super) unsafe fn dynamic_entries(module: &Module) -> impl Iterator<Item = (i64, usize)> {
    let mut at = module.dynamic as *const [usize; 2];
    std::iter::from_fn(move || {
        if at.is_null() {
            return None;
        }
        // SAFETY: by the caller's promise; the section ends with a null tag, behind which nothing is read.
        let [tag, value] = unsafe { at.read() };
        at = at.wrapping_add(1);
        (tag != 0).then_some((tag as i64, value))
    })
}

/// An entry's string.
///
/// # Safety
/// `strings` and `offset` come from the dynamic section of a loaded object.
pub(super) unsafe fn string<'a>(strings: usize, offset: usize) -> &'a CStr {
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr((strings + offset) as *const c_char) }
}
