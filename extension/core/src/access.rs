//! A bad access: to memory that is not the accessor's, or not any more.

use crate::site::Site;
use crate::words::words;

words! {
    /// What is done to memory.
    Act: "access" {
        /// It is read.
        Read = "read",
        /// It is written to.
        Write = "write",
        /// It is given back.
        Release = "release",
    }
}

/// A bad access to a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// What was done; none where that is not known.
    pub act: Option<Act>,
    /// Where, in bytes from the start of the chunk: negative before it.
    pub offset: i64,
    /// How many bytes; none where that is not known.
    pub size: Option<u32>,
    /// Bytes that the chunk was requested with.
    pub requested: u64,
    /// Whether it was given back to an allocator that it is not from: palloc'ed memory to `free`, or malloc'ed memory to `pfree`.
    pub is_mismatched: bool,
    /// Where it was done; none where only its trace was found, later.
    pub at: Option<Site>,
    /// Where the chunk was allocated.
    pub allocated: Option<Site>,
    /// Where it was given back; none where it was not, or nobody knows.
    pub released: Option<Site>,
}

impl Access {
    /// The places that are known of it: of the access, of the allocation, of the release.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        [&self.at, &self.allocated, &self.released].into_iter().flatten()
    }

    /// The same, to be changed.
    pub fn sites_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        [&mut self.at, &mut self.allocated, &mut self.released].into_iter().flatten()
    }
}
