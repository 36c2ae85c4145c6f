//! What was there before tracing began and is given back, set against what is allocated in its place.
//!
//! A ring that is full gives back one entry for each that it takes. Where the ledger has not seen the old one come, it sees the
//! new ones only, and a ring looks like a leak. So what a target gives back of what the ledger does not know is written down,
//! and paired with what the targets have allocated in contexts with the same path in the meantime: first with chunks of the
//! same size as the allocator has them, then one for one. One chunk stands for one at most, and never for more bytes than it
//! had, so that a leak beside a ring is what remains.

use std::collections::BTreeMap;

use crate::census::{Live, SiteId};

/// Chunks of one size that were given back at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenBack {
    /// The place.
    pub site: SiteId,
    /// What each took of its context (bytes).
    pub space: u64,
    /// How many.
    pub number: u64,
}

/// A chunk that was allocated in the meantime and is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fresh {
    /// The place where it was allocated.
    pub site: SiteId,
    /// Bytes as they were requested.
    pub bytes: u64,
    /// What it takes of its context (bytes).
    pub space: u64,
    /// Which context it is in: a number.
    pub context: usize,
}

/// What is left to be paired at one place, by whatever it is looked for.
type BySite = BTreeMap<SiteId, Vec<Fresh>>;

/// What of the fresh chunks stands in place of those given back, by the site of the fresh ones. `distance` says how far two
/// places in the code are from each other: who gives back and who allocates in place of it are mostly neighbours.
pub fn replaced(
    given: &[GivenBack],
    fresh: &[Fresh],
    distance: impl Fn(SiteId, SiteId) -> u64,
) -> BTreeMap<SiteId, Live> {
    let mut credit: BTreeMap<SiteId, Live> = BTreeMap::new();
    let mut by_size: BTreeMap<u64, BySite> = BTreeMap::new();
    for &chunk in fresh {
        by_size.entry(chunk.space).or_default().entry(chunk.site).or_default().push(chunk);
    }
    let mut left: Vec<GivenBack> = Vec::new();
    for &given in given {
        let mut number = given.number;
        while number > 0
            && let Some(chunk) = by_size.get_mut(&given.space).and_then(|sites| take(sites, given.site, &distance))
        {
            count(&mut credit, chunk.site, chunk.bytes);
            number -= 1;
        }
        if number > 0 {
            left.push(GivenBack { number, ..given });
        }
    }
    // Larger ones first, with larger ones.
    left.sort_by_key(|given| std::cmp::Reverse(given.space));
    let mut others: BySite = BTreeMap::new();
    for (_, sites) in by_size {
        for (site, chunks) in sites {
            others.entry(site).or_default().extend(chunks);
        }
    }
    others.values_mut().for_each(|chunks| chunks.sort_by_key(|chunk| chunk.bytes));
    let (mut room, mut taken) = (0, Vec::new());
    for given in left {
        for _ in 0..given.number {
            let Some(chunk) = take(&mut others, given.site, &distance) else { break };
            room += given.space;
            taken.push(chunk);
        }
    }
    // What all of them had together, so that sizes which vary from one to the next are no growth.
    for chunk in taken {
        let bytes = chunk.bytes.min(room);
        room -= bytes;
        count(&mut credit, chunk.site, bytes);
    }
    credit
}

/// What of fresh chunks stands in place of the contents of so many contexts that were emptied or are gone, in which `used`
/// bytes were in use: of the contexts with all of their contents fresh, those that hold most, one for one.
pub fn refilled(contexts: u64, used: u64, fresh: &[Fresh]) -> BTreeMap<SiteId, Live> {
    let mut by_context: BTreeMap<usize, Vec<&Fresh>> = BTreeMap::new();
    for chunk in fresh {
        by_context.entry(chunk.context).or_default().push(chunk);
    }
    let mut filled: Vec<Vec<&Fresh>> = by_context.into_values().collect();
    filled.sort_by_key(|chunks| std::cmp::Reverse(chunks.iter().map(|chunk| chunk.space).sum::<u64>()));
    filled.truncate(usize::try_from(contexts).unwrap_or(usize::MAX));
    let (mut room, mut credit) = (used, BTreeMap::new());
    for chunk in filled.into_iter().flatten() {
        if chunk.space > room {
            count(&mut credit, chunk.site, chunk.bytes.min(room));
            break;
        }
        room -= chunk.space;
        count(&mut credit, chunk.site, chunk.bytes);
    }
    credit
}

/// Takes a chunk of the site that is nearest to a place.
fn take(sites: &mut BySite, place: SiteId, distance: &impl Fn(SiteId, SiteId) -> u64) -> Option<Fresh> {
    let nearest = *sites.keys().min_by_key(|&&site| distance(place, site))?;
    let chunks = sites.get_mut(&nearest)?;
    let chunk = chunks.pop();
    if chunks.is_empty() {
        sites.remove(&nearest);
    }
    chunk
}

fn count(credit: &mut BTreeMap<SiteId, Live>, site: SiteId, bytes: u64) {
    let sum = credit.entry(site).or_default();
    sum.bytes += bytes;
    sum.allocations += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As AllocSet does: powers of two, and a header.
    fn space(bytes: u64) -> u64 {
        bytes.max(8).next_power_of_two() + 16
    }

    fn chunks(site: u32, bytes: &[u64]) -> Vec<Fresh> {
        let chunk = |&bytes: &u64| Fresh { site: SiteId(site), bytes, space: space(bytes), context: 1 };
        bytes.iter().map(chunk).collect()
    }

    fn given(site: u32, bytes: u64, number: u64) -> GivenBack {
        GivenBack { site: SiteId(site), space: space(bytes), number }
    }

    fn apart(a: SiteId, b: SiteId) -> u64 {
        u64::from(a.0.abs_diff(b.0))
    }

    /// Site, bytes and number.
    fn shown(credit: BTreeMap<SiteId, Live>) -> Vec<(u32, u64, u64)> {
        credit.into_iter().map(|(site, live)| (site.0, live.bytes, live.allocations)).collect()
    }

    #[test]
    fn a_ring_is_no_growth_and_a_leak_beside_it_remains() {
        let ring = chunks(10, &[100; 50]);
        assert_eq!(shown(replaced(&[given(11, 100, 50)], &ring, apart)), [(10, 5000, 50)]);
        // As large as what is in the ring, in the same class, larger and smaller.
        for bytes in [100, 120, 5000, 8] {
            let both = [ring.clone(), chunks(90, &[bytes; 50])].concat();
            assert_eq!(shown(replaced(&[given(11, 100, 50)], &both, apart)), [(10, 5000, 50)], "{bytes}");
        }
    }

    #[test]
    fn what_is_replaced_by_something_larger_grows_by_the_difference() {
        let credit = replaced(&[given(11, 60_000, 1)], &chunks(10, &[70_000]), apart);
        assert_eq!(shown(credit), [(10, 65_552, 1)]);
        let credit = replaced(&[given(11, 70_000, 1)], &chunks(10, &[60_000]), apart);
        assert_eq!(shown(credit), [(10, 60_000, 1)]);
    }

    /// One large thing that is dropped does not stand for all that is leaked after it.
    #[test]
    fn one_chunk_stands_for_one() {
        let credit = replaced(&[given(1, 1 << 20, 1)], &chunks(90, &[100; 1000]), apart);
        assert_eq!(shown(credit), [(90, 100, 1)]);
        assert_eq!(shown(replaced(&[given(1, 100, 3)], &[], apart)), []);
        assert_eq!(shown(replaced(&[], &chunks(90, &[100; 3]), apart)), []);
    }

    #[test]
    fn contents_are_replaced_context_by_context() {
        let in_context = |context, bytes: &[u64]| {
            let mut all = chunks(10, bytes);
            all.iter_mut().for_each(|chunk| chunk.context = context);
            all
        };
        let fresh = [in_context(1, &[100; 10]), in_context(2, &[8000])].concat();
        assert_eq!(shown(refilled(1, 9000, &fresh)), [(10, 8000, 1)]);
        assert_eq!(shown(refilled(2, 1 << 20, &fresh)), [(10, 9000, 11)]);
        assert_eq!(shown(refilled(1, 1000, &in_context(1, &[8000]))), [(10, 1000, 1)]);
        assert_eq!(shown(refilled(0, 1 << 20, &fresh)), []);
    }

    /// However large the entries of a ring are, and whatever the leak beside it: one chunk stands for one, and for no more bytes
    /// than were given back.
    #[test]
    fn never_more_than_was_given_back() {
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..500 {
            let mut sizes = || {
                let most = [10, 200, 20_000][random(3) as usize];
                (0..random(50)).map(|_| 1 + random(most)).collect::<Vec<u64>>()
            };
            let (old, new, leak) = (sizes(), sizes(), sizes());
            let given: Vec<GivenBack> = old.iter().map(|&bytes| given(11, bytes, 1)).collect();
            let fresh = [chunks(10, &new), chunks(90, &leak)].concat();
            let credit = replaced(&given, &fresh, apart);
            let (bytes, number) = credit.values().fold((0, 0), |sum, c| (sum.0 + c.bytes, sum.1 + c.allocations));
            assert!(bytes <= old.iter().map(|&bytes| space(bytes)).sum());
            assert_eq!(number, old.len().min(fresh.len()) as u64);
            for (site, credit) in credit {
                let all = fresh.iter().filter(|chunk| chunk.site == site);
                assert!(credit.bytes <= all.clone().map(|chunk| chunk.bytes).sum());
                assert!(credit.allocations <= all.count() as u64);
            }
        }
    }
}
