//! Where functions begin and end, exported or not: `.eh_frame_hdr` has a sorted table of them (LSB, "Exception Frame Header").

use std::ops::Range;

use super::module::{Module, Plain};

/// An entry of the table: a function's start and its description, both relative to the header.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    start: i32,
    description: i32,
}

impl Plain for Entry {}

/// The functions of one object.
pub(crate) struct Functions {
    header: usize,
    entries: &'static [Entry],
    /// Where their descriptions are.
    frames: Range<usize>,
}

impl Functions {
    /// Those of a loaded object. None if its table has not the form that linkers write.
    pub(crate) fn of(module: &Module) -> Option<Self> {
        /// Version 1; addresses relative to their own place, a count of 4 bytes, a table relative to the header.
        const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
        let (header, frames) = module.unwind.clone()?;
        if module.read::<[u8; 4]>(header.start)? != FORM {
            return None;
        }
        let count: u32 = module.read(header.start + 8)?;
        let entries: &[Entry] = module.table(header.start + 12, count as usize)?;
        // SAFETY: the table is mapped with the object, which stays loaded.
        let entries = unsafe { std::slice::from_raw_parts(entries.as_ptr(), entries.len()) };
        Some(Functions { header: header.start, entries, frames })
    }

    /// The function that begins at an address.
    pub(crate) fn starting_at(&self, address: usize) -> Option<Range<usize>> {
        self.around(address).filter(|function| function.start == address)
    }

    /// The function that an address is in.
    pub(crate) fn around(&self, address: usize) -> Option<Range<usize>> {
        let offset = i32::try_from(address as isize - self.header as isize).ok()?;
        let entry = self.entries.partition_point(|entry| entry.start <= offset).checked_sub(1)?;
        let start = self.header.checked_add_signed(self.entries[entry].start as isize)?;
        let description = self.header.checked_add_signed(self.entries[entry].description as isize)?;
        // It has length, link, start and size, 4 bytes each in this form.
        if description < self.frames.start || description.checked_add(16)? > self.frames.end {
            return None;
        }
        // SAFETY: the descriptions are mapped.
        let size = unsafe { (description as *const u32).add(3).read_unaligned() };
        Some(start..start.checked_add(size as usize)?).filter(|function| function.contains(&address))
    }
}

/// Addresses that code jumps to, conditionally or not, by a 4-byte distance; and others that only look like it.
pub(crate) fn jumps(code: &Range<usize>) -> impl Iterator<Item = usize> {
    // SAFETY: code of a loaded object.
    let bytes = unsafe { std::slice::from_raw_parts(code.start as *const u8, code.len()) };
    let start = code.start;
    (0..bytes.len()).filter_map(move |at| {
        let (length, distance) = match bytes[at..] {
            [0xe9, a, b, c, d, ..] => (5, [a, b, c, d]),
            [0x0f, 0x80..=0x8f, a, b, c, d, ..] => (6, [a, b, c, d]),
            _ => return None,
        };
        let distance = i32::from_le_bytes(distance);
        (start + at + length).checked_add_signed(distance as isize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::modules;

    #[inline(never)]
    extern "C" fn known(a: u64) -> u64 {
        std::hint::black_box(a) + 1
    }

    #[test]
    fn functions_are_found_by_their_start() {
        let modules = modules::loaded();
        let program = modules.iter().find(|module| module.is_executable()).unwrap();
        let functions = Functions::of(program).unwrap();
        let start = known as *const () as usize;
        let range = functions.starting_at(start).unwrap();
        assert!(range.start == start && range.len() > 1 && range.len() < 500, "{range:?}");
        assert_eq!(functions.starting_at(start + 1), None);
        for inside in [start, range.end - 1] {
            assert_eq!(functions.around(inside), Some(range.clone()));
        }
        assert!(!functions.around(range.end).is_some_and(|other| other == range));
    }

    #[test]
    fn jumps_are_decoded() {
        // The last one is where a function ends, as jumps to other functions mostly are.
        let code: &'static [u8] = &[0x90, 0xe9, 1, 0, 0, 0, 0x90, 0x0f, 0x84, 0xff, 0xff, 0xff, 0xff, 0xe9, 2, 0, 0, 0];
        let start = code.as_ptr().addr();
        let found: Vec<usize> = jumps(&(start..start + code.len())).map(|address| address - start).collect();
        assert_eq!(found, [7, 12, 20]);
    }
}
