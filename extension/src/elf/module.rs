//! A loaded object: the executable or a library.

use std::ops::Range;

use memcheck_core::targets::Library;

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

impl Module {
    /// As far as it matters for targets.
    pub(crate) fn library(&self) -> Library<'_> {
        Library { name: &self.name, is_module: self.is_module }
    }

    pub(crate) fn is_executable(&self) -> bool {
        self.name.is_empty()
    }
}
