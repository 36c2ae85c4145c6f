//! Names that targets have made up for contexts: a context keeps a pointer to its name, which should be a constant
//! (`MemoryContextCreate` in mcxt.c). One that is not may be freed or overwritten while the context is there, so a copy takes
//! its place when the context is created.
//!
//! Names that differ in digits only, and more than a few made up at one place, are one: what is created over and over is to be
//! found under one name.

use std::ffi::CStr;
use std::ops::Range;

use super::index::Index;
use super::memory::{Reserved, Zeroed};

/// Names at most: 2^BITS * 3/4.
const BITS: u32 = 12;
/// Names of one site at most.
const MOST_OF_SITE: u32 = 16;
/// Bytes of a name, with a zero at the end.
const BYTES: usize = 64;

/// A name that contexts of one site have.
#[derive(Clone, Copy)]
struct Text {
    site: u32,
    /// How many there are of the site; of the first one of it.
    of_site: u32,
    bytes: [u8; BYTES],
}

// SAFETY: integers.
unsafe impl Zeroed for Text {}

/// The names, which stay where they are for as long as the process.
pub(crate) struct Labels {
    texts: Reserved<Text>,
    by_key: Index,
    /// The first name of each site.
    firsts: Index,
    last: u32,
}

impl Labels {
    pub(crate) fn new() -> Option<Self> {
        Some(Labels { texts: Reserved::new(1 << BITS)?, by_key: Index::new(BITS)?, firsts: Index::new(BITS)?, last: 0 })
    }

    /// Where the copies are.
    pub(crate) fn range(&self) -> Range<usize> {
        self.texts.range()
    }

    /// The copy that stands for a name which a site has made up.
    pub(crate) fn keep(&mut self, site: u32, name: &CStr) -> &'static CStr {
        let name = &name.to_bytes()[..name.to_bytes().len().min(BYTES - 1)];
        let key = key(site, name);
        let texts = &self.texts;
        let is_it = |number: u32| {
            let text = texts.get_ref(number as usize);
            text.site == site && without_digits(text.name()).eq(without_digits(name))
        };
        if let Some(number) = self.by_key.find(key, is_it) {
            return self.text(number);
        }
        let first = self.firsts.find(site as usize * 16, |number| texts.get_ref(number as usize).site == site);
        match first {
            Some(first) if self.by_key.is_full() || self.texts.get_ref(first as usize).of_site == MOST_OF_SITE => {
                return self.text(first);
            }
            None if self.by_key.is_full() => return c"(more names than there is room for)",
            Some(first) => self.texts.at(first as usize).of_site += 1,
            None => {}
        }
        self.last += 1;
        let text = self.texts.at(self.last as usize);
        (text.site, text.of_site) = (site, 1);
        text.bytes[..name.len()].copy_from_slice(name);
        self.by_key.insert(key, self.last);
        if first.is_none() {
            self.firsts.insert(site as usize * 16, self.last);
        }
        self.text(self.last)
    }

    fn text(&self, number: u32) -> &'static CStr {
        let start = self.texts.get_ref(number as usize).bytes.as_ptr();
        // SAFETY: ended by a zero; reserved memory never moves, is never freed, and a name that is there is not changed.
        unsafe { CStr::from_ptr(start.cast()) }
    }
}

impl Text {
    fn name(&self) -> &[u8] {
        self.bytes.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

fn without_digits(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().copied().filter(|byte| !byte.is_ascii_digit())
}

fn key(site: u32, name: &[u8]) -> usize {
    let add = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    without_digits(name).fold(0xcbf2_9ce4_8422_2325 ^ u64::from(site), add) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_though_its_owner_changes_it() {
        let mut labels = Labels::new().unwrap();
        let mut made_up = *b"ctx of t\0";
        let kept = labels.keep(1, CStr::from_bytes_with_nul(&made_up).unwrap());
        made_up.fill(0x7f);
        assert_eq!(kept, c"ctx of t");
        // One for all that have it, at one place.
        assert_eq!(labels.keep(1, c"ctx of t").as_ptr(), kept.as_ptr());
        assert_eq!(labels.keep(2, c"ctx of t"), c"ctx of t");
        assert_ne!(labels.keep(2, c"ctx of t").as_ptr(), kept.as_ptr());
        let long = c"a name of more than sixty-three bytes, which is more than the server's own identifiers have";
        assert_eq!(labels.keep(1, long).to_bytes(), &long.to_bytes()[..BYTES - 1]);
    }

    #[test]
    fn names_that_are_counted_through_are_one() {
        let mut labels = Labels::new().unwrap();
        for number in 1..1000 {
            let name = std::ffi::CString::new(format!("entry {number} of 7")).unwrap();
            assert_eq!(labels.keep(1, &name), c"entry 1 of 7");
        }
        assert_eq!(labels.keep(1, c"other"), c"other");
    }

    #[test]
    fn more_than_a_few_of_one_place_are_one() {
        let mut labels = Labels::new().unwrap();
        let name = |letters: usize| std::ffi::CString::new("x".repeat(letters)).unwrap();
        for letters in 1..=16 {
            assert_eq!(labels.keep(1, &name(letters)), &*name(letters));
        }
        for letters in 17..40 {
            assert_eq!(labels.keep(1, &name(letters)), c"x");
            assert_eq!(labels.keep(2, &name(letters % 16 + 1)), &*name(letters % 16 + 1));
        }
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut labels = Labels::new().unwrap();
        for site in 1..10_000 {
            assert!(!labels.keep(site, c"made up").is_empty());
        }
        assert_eq!(labels.keep(1, c"another one"), c"made up");
    }
}
