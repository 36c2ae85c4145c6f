//! What each site holds, as two sums.

use memcheck_core::room;

use super::memory::Reserved;
use super::sites::MOST;

/// Numbers and bytes by site.
pub(super) struct Tally {
    numbers: Reserved<u32>,
    bytes: Reserved<usize>,
}

/// What there was, or by how much it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum {
    pub(crate) number: i64,
    pub(crate) bytes: i64,
}

impl Tally {
    pub(super) fn new() -> Option<Self> {
        Some(Tally { numbers: Reserved::new(MOST)?, bytes: Reserved::new(MOST)? })
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.bytes.clear();
    }

    #[inline(always)]
    pub(super) fn add(&mut self, site: u32, bytes: u64) {
        let site = site as usize % MOST;
        *self.numbers.at(site) += 1;
        *self.bytes.at(site) += bytes as usize;
    }

    #[inline(always)]
    pub(super) fn subtract(&mut self, site: u32, bytes: u64) {
        let site = site as usize % MOST;
        *self.numbers.at(site) -= 1;
        *self.bytes.at(site) -= bytes as usize;
    }

    /// The bytes of so many sites.
    pub(super) fn bytes_of(&self, sites: usize) -> u64 {
        (0..sites.min(MOST)).map(|site| self.bytes.get(site) as u64).sum()
    }

    /// The sums of so many sites; none where there is no room for them.
    pub(super) fn of_sites(&self, sites: usize) -> Option<Vec<Sum>> {
        let mut sums = Vec::new();
        let has_room = room::make(&mut sums, sites.min(MOST));
        has_room.then(|| {
            sums.extend(self.all(sites));
            sums
        })
    }

    fn all(&self, sites: usize) -> impl Iterator<Item = Sum> {
        let sum = |site| Sum { number: self.numbers.get(site).into(), bytes: self.bytes.get(site) as i64 };
        (0..sites.min(MOST)).map(sum)
    }

    /// The sites whose sums differ from what they were, and by how much. Who asks has asked for room for all of them.
    pub(super) fn since(&self, before: &[Sum], sites: usize) -> Vec<(u32, Sum)> {
        let before = before.iter().copied().chain(std::iter::repeat(Sum::default()));
        let differs =
            |(now, before): (Sum, Sum)| Sum { number: now.number - before.number, bytes: now.bytes - before.bytes };
        let all = (0..).zip(self.all(sites).zip(before).map(differs));
        all.filter(|&(_, sum)| sum != Sum::default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_site() {
        let mut tally = Tally::new().unwrap();
        tally.add(1, 100);
        tally.add(2, 50);
        let before = tally.of_sites(3).unwrap();
        tally.subtract(1, 100);
        tally.add(1, 100);
        tally.subtract(2, 50);
        tally.add(3, 8);
        tally.add(3, 8);
        let sum = |number, bytes| Sum { number, bytes };
        assert_eq!(tally.since(&before, 4), [(2, sum(-1, -50)), (3, sum(2, 16))]);
        tally.clear();
        assert_eq!(tally.of_sites(4).unwrap(), [Sum::default(); 4]);
    }
}
