//! Code of loaded objects that has been changed since: whoever reads what it was compiled to reads it as it was.

use std::borrow::Cow;
use std::cell::UnsafeCell;
use std::collections::BTreeMap;

/// What stood at an address: the distance that an instruction ends with.
type Before = BTreeMap<usize, [u8; 4]>;

struct Shared(UnsafeCell<Before>);

// SAFETY: only the thread that loads libraries has to do with it.
unsafe impl Sync for Shared {}

/// What has been changed in this process. Written when a library is loaded; whoever reads code has no other way to it.
static PATCHED: Shared = Shared(UnsafeCell::new(BTreeMap::new()));

fn patched<'a>() -> &'a mut Before {
    // SAFETY: none of the functions here calls another while it holds it.
    unsafe { &mut *PATCHED.0.get() }
}

/// Takes note of what stands at an address before it is changed.
pub(crate) fn note(address: usize, before: [u8; 4]) {
    patched().insert(address, before);
}

/// Code that begins at an address, as it was.
pub(super) fn original(code: &[u8], start: usize) -> Cow<'_, [u8]> {
    restored(code, start, patched())
}

fn restored<'c>(code: &'c [u8], start: usize, before: &Before) -> Cow<'c, [u8]> {
    let mut code = Cow::Borrowed(code);
    for (&address, bytes) in before.range(start..start + code.len()) {
        let at = address - start;
        if at + bytes.len() <= code.len() {
            code.to_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_read_as_it_was() {
        let code = [0xe8, 9, 9, 9, 9, 0xc3, 0xe9, 9];
        let before = Before::from([(0x1001, [1, 2, 3, 4]), (0x1007, [5, 6, 7, 8]), (0x2000, [0; 4])]);
        assert_eq!(*restored(&code, 0x1000, &before), [0xe8, 1, 2, 3, 4, 0xc3, 0xe9, 9]);
        assert!(matches!(restored(&code, 0x3000, &before), Cow::Borrowed(same) if same == code));
    }
}
