//! What is given back of what the ledger does not know: it was there before tracing began, or before the statement that is
//! judged. It stands against what the targets allocate in the meantime: [`memcheck_core::judge::credit`].
//!
//! Written down inside the allocator, in fixed memory; set off when a census is taken.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use memcheck_core::census::{Live, PathId, SiteId};
use memcheck_core::judge::credit::GivenBack;
use memcheck_core::room;

use super::index::Index;
use super::memory::{Reserved, Zeroed};

/// A number for what has been allocated by now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Serial {
    pub(super) contexts: u64,
    pub(super) heap: u64,
    pub(super) maps: u64,
}

/// Kinds of chunks given back between two censuses at most: 2^BITS * 3/4, and paths of contexts that are emptied.
const BITS: u32 = 13;
/// Chunks of the server's own that are remembered.
const SERVERS: usize = 1 << 15;

/// Chunks that were given back, or contexts that were emptied. All zero is a free record.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Record {
    path: u32,
    /// Where; 0 for contexts.
    site: u32,
    /// The size of each chunk; what was in use in all contexts.
    space: u64,
    number: u64,
}

// SAFETY: integers.
unsafe impl Zeroed for Record {}

impl Record {
    fn is_like(&self, other: &Record) -> bool {
        (self.path, self.site) == (other.path, other.site) && (self.site == 0 || self.space == other.space)
    }

    fn key(&self) -> usize {
        let sizes = if self.site == 0 { 0 } else { self.space };
        let mixed = (u64::from(self.path) << 32 | u64::from(self.site)) ^ sizes.rotate_left(17);
        mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize
    }
}

/// All of it.
pub(crate) struct Credits {
    records: Reserved<Record>,
    by_key: Index,
    last: u32,
    /// Addresses of chunks that the server has allocated on its own account since tracing began, by a hash.
    servers: Reserved<usize>,
    /// What is newer has not been looked at yet.
    pub(super) since: Serial,
    /// Whether what the ledger knows is written down as well, if it is older than this: a statement is judged by what is newer.
    pub(super) older_than: Option<Serial>,
    not_recorded: u64,
    /// What has been set off so far.
    pub(super) credited: BTreeMap<(PathId, SiteId), Live>,
}

impl Credits {
    pub(crate) fn new() -> Option<Self> {
        Some(Credits {
            records: Reserved::new(1 << BITS)?,
            by_key: Index::new(BITS)?,
            last: 0,
            servers: Reserved::new(SERVERS)?,
            since: Serial::default(),
            older_than: None,
            not_recorded: 0,
            credited: BTreeMap::new(),
        })
    }

    pub(super) fn clear(&mut self) {
        self.forget();
        self.servers.clear();
        self.older_than = None;
        self.not_recorded = 0;
        self.credited.clear();
    }

    /// Forgets what has not been set off.
    pub(super) fn forget(&mut self) {
        if self.last > 0 {
            self.records.clear();
            self.by_key.clear();
            self.last = 0;
        }
    }

    pub(super) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// The server has allocated a chunk on its own account while a target was at work: it may be for the target to free, but it
    /// was not there before.
    #[inline(always)]
    pub(crate) fn is_the_servers(&mut self, chunk: usize) {
        *self.servers.at(Self::place(chunk)) = chunk;
    }

    /// Whether a chunk that the ledger does not know has come since tracing began. An address that was handed out since then
    /// cannot be that of an older chunk.
    pub(crate) fn has_come(&self, chunk: usize) -> bool {
        self.servers.get(Self::place(chunk)) == chunk
    }

    fn place(chunk: usize) -> usize {
        (chunk as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> (usize::BITS - SERVERS.ilog2())
    }

    /// A target gives a chunk back.
    pub(crate) fn given_back(&mut self, path: PathId, site: u32, space: usize) {
        self.count(Record { path: path.index() as u32, site, space: space as u64, number: 1 });
    }

    /// A context with this path is emptied, or gone, in which so many bytes were in use.
    pub(super) fn emptied(&mut self, path: PathId, used: u64) {
        self.count(Record { path: path.index() as u32, site: 0, space: used, number: 1 });
    }

    fn count(&mut self, record: Record) {
        let records = &self.records;
        match self.by_key.find(record.key(), |number| records.get_ref(number as usize).is_like(&record)) {
            Some(number) => {
                let known = self.records.at(number as usize);
                known.number += 1;
                if record.site == 0 {
                    known.space += record.space;
                }
            }
            None if self.by_key.is_full() => self.not_recorded += 1,
            None => {
                self.last += 1;
                *self.records.at(self.last as usize) = record;
                self.by_key.insert(record.key(), self.last);
            }
        }
    }

    /// What has not been set off yet, by path; none where there is no room for it.
    pub(super) fn open(&self) -> Option<BTreeMap<PathId, Open>> {
        const OF_RECORD: usize = 4 * size_of::<GivenBack>();
        if self.last > 0 && !room::is_there_for(self.last as usize * OF_RECORD) {
            return None;
        }
        let mut open: BTreeMap<PathId, Open> = BTreeMap::new();
        for number in 1..=self.last {
            let Record { path, site, space, number } = self.records.get(number as usize);
            let of_path = open.entry(PathId::at(path)).or_default();
            if site == 0 {
                (of_path.contexts, of_path.used) = (number, space);
            } else {
                of_path.chunks.push(GivenBack { site: SiteId(site), space, number });
            }
        }
        Some(open)
    }

    /// Sets something off for good. Whether there was room to remember it.
    pub(super) fn set_off(&mut self, path: PathId, credit: BTreeMap<SiteId, Live>) -> bool {
        const ENTRY: usize = 1024;
        let mut has_room = true;
        for (site, live) in credit {
            match self.credited.entry((path, site)) {
                Entry::Occupied(sum) => sum.into_mut().add(live),
                Entry::Vacant(sum) if room::is_there_for(ENTRY) => sum.insert(Live::default()).add(live),
                Entry::Vacant(_) => has_room = false,
            }
        }
        has_room
    }
}

/// What was given back in contexts with one path.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Open {
    pub(super) chunks: Vec<GivenBack>,
    /// Contexts that were emptied, and what was in use in them.
    pub(super) contexts: u64,
    pub(super) used: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_counted_by_path_place_and_size() {
        let mut credits = Credits::new().unwrap();
        let (top, cache) = (PathId::ROOT, PathId::at(7));
        for _ in 0..3 {
            credits.given_back(top, 1, 144);
        }
        credits.given_back(top, 1, 272);
        credits.given_back(top, 2, 144);
        credits.given_back(cache, 1, 144);
        credits.emptied(cache, 1000);
        credits.emptied(cache, 500);
        let given = |site, space, number| GivenBack { site: SiteId(site), space, number };
        let open = credits.open().unwrap();
        assert_eq!(open[&top].chunks, [given(1, 144, 3), given(1, 272, 1), given(2, 144, 1)]);
        assert_eq!(open[&cache], Open { chunks: vec![given(1, 144, 1)], contexts: 2, used: 1500 });
        credits.forget();
        assert!(credits.open().unwrap().is_empty());
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut credits = Credits::new().unwrap();
        for size in 0..10_000 {
            credits.given_back(PathId::ROOT, 1, size);
            credits.given_back(PathId::ROOT, 1, size);
        }
        let known: u64 = credits.open().unwrap()[&PathId::ROOT].chunks.iter().map(|given| given.number).sum();
        assert!(known > 10_000);
        assert_eq!(known + credits.not_recorded(), 20_000);
    }

    #[test]
    fn the_servers_chunks_are_remembered() {
        let mut credits = Credits::new().unwrap();
        credits.is_the_servers(0x7000_0010);
        assert!(credits.has_come(0x7000_0010) && !credits.has_come(0x7000_0020));
        credits.clear();
        assert!(!credits.has_come(0x7000_0010));
    }
}
