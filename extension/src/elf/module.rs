//! A loaded object: the executable or a library.

use std::ffi::CStr;
use std::ops::Range;

use memcheck_core::targets::Library;

/// Types of which any bytes are a value.
pub(super) trait Plain: Copy {}

impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for usize {}
impl Plain for libc::Elf64_Sym {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

/// A loaded object.
#[derive(Clone)]
pub(crate) struct Module {
    /// File name without directory and suffix; empty for the executable.
    pub(crate) name: String,
    /// What the addresses in the file count from.
    pub(crate) base: usize,
    /// Where its code is mapped.
    pub(crate) code: Range<usize>,
    /// Where everything of it is mapped.
    pub(crate) all: Range<usize>,
    /// What of that can be read. Between its parts may be nothing.
    pub(crate) loads: Vec<Range<usize>>,
    /// Where what may change is mapped.
    pub(crate) writable: Range<usize>,
    /// `.eh_frame_hdr` and `.eh_frame`, if there are.
    pub(crate) unwind: Option<(Range<usize>, Range<usize>)>,
    /// The memory that is read-only after relocation.
    pub(crate) relro: Range<usize>,
    /// The GNU build ID in hexadecimal; empty if there is none.
    pub(crate) build_id: String,
    /// The dynamic section; 0 if there is none.
    pub(crate) dynamic: usize,
    /// Names, without suffix, of the libraries it was linked with.
    pub(crate) needed: Vec<String>,
    /// Whether its frames are unwound by exceptions or panics: it is C++ or Rust.
    pub(crate) unwinds: bool,
    /// Whether it has a magic block (`PG_MODULE_MAGIC` in fmgr.h): it is there for the server to load.
    pub(crate) is_module: bool,
}

/// Reading what is mapped. Sizes, counts and offsets that stand in an object are whoever's who has made it: they are held
/// against what is there, also where the dynamic linker has not looked at them.
impl Module {
    /// What is mapped from an address on.
    fn from(&self, at: usize) -> Option<&[u8]> {
        let load = self.loads.iter().find(|load| load.contains(&at))?;
        // SAFETY: mapped to be read as long as the object is loaded, as is whoever has described it.
        Some(unsafe { std::slice::from_raw_parts(at as *const u8, load.end - at) })
    }

    /// A value.
    pub(super) fn read<T: Plain>(&self, at: usize) -> Option<T> {
        let bytes = self.from(at)?.get(..size_of::<T>())?;
        // SAFETY: there are as many bytes, and any are a value.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    /// So many values, one behind the other.
    pub(super) fn table<T: Plain>(&self, at: usize, count: usize) -> Option<&[T]> {
        let bytes = self.from(at)?.get(..count.checked_mul(size_of::<T>())?)?;
        let start = bytes.as_ptr().cast::<T>();
        // SAFETY: as above, and aligned.
        start.is_aligned().then(|| unsafe { std::slice::from_raw_parts(start, count) })
    }

    /// A text that ends in a null byte.
    pub(super) fn text(&self, at: usize) -> Option<&CStr> {
        CStr::from_bytes_until_nul(self.from(at)?).ok()
    }

    /// As far as it matters for targets.
    pub(crate) fn library(&self) -> Library<'_> {
        Library { name: &self.name, is_module: self.is_module }
    }

    pub(crate) fn is_executable(&self) -> bool {
        self.name.is_empty()
    }
}
