//! Memory that targets and their runtimes map themselves: arenas of allocators of their own, in which nobody can see what is
//! held.
//!
//! Mappings are whole pages, and parts of one may be unmapped, or another be put over it; so they are ranges, in order of their
//! addresses.

use super::memory::{Reserved, Zeroed};

/// Mappings at most.
const MOST: usize = 1 << 15;
const PAGE: usize = 4096;

/// One.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Map {
    start: usize,
    end: usize,
    site: u32,
    /// Whether it can be written to, or ever could; else it is address space that is kept for later, or a file.
    in_use: bool,
    /// Larger than those of all that were mapped earlier.
    serial: u64,
}

// SAFETY: integers, and a bool for which zero is false.
unsafe impl Zeroed for Map {}

/// All of them.
pub(crate) struct Maps {
    maps: Reserved<Map>,
    number: usize,
    serial: u64,
    not_recorded: u64,
}

impl Maps {
    pub(crate) fn new() -> Option<Self> {
        Some(Maps { maps: Reserved::new(MOST)?, number: 0, serial: 0, not_recorded: 0 })
    }

    pub(super) fn clear(&mut self) {
        self.maps.clear();
        (self.number, self.not_recorded) = (0, 0);
    }

    /// Those that found no room.
    pub(super) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// The serial of the newest one.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// A site has mapped memory, over whatever was there.
    pub(crate) fn map(&mut self, start: usize, bytes: usize, site: u32, in_use: bool) {
        self.unmap(start, bytes);
        let end = start + whole_pages(bytes);
        let at = self.first_behind(start);
        self.serial += 1;
        self.insert(at, Map { start, end, site, in_use, serial: self.serial });
    }

    /// Memory can be written to.
    pub(crate) fn comes_into_use(&mut self, start: usize, bytes: usize) {
        let (mut from, end) = (start, start + whole_pages(bytes));
        while let Some(map) = self.at(self.first_behind(from)).filter(|map| map.start < end) {
            if !map.in_use {
                let (first, last) = (map.start.max(start), map.end.min(end));
                self.map(first, last - first, map.site, true);
            }
            from = map.end.min(end);
        }
    }

    fn at(&self, at: usize) -> Option<Map> {
        (at < self.number).then(|| self.maps.get(at))
    }

    /// Memory is unmapped, or something else is mapped there. Gives the site that had the first of it; 0 for none.
    pub(crate) fn unmap(&mut self, start: usize, bytes: usize) -> u32 {
        let end = start + whole_pages(bytes);
        let (mut at, mut site) = (self.first_behind(start), 0);
        while at < self.number {
            let map = self.maps.get(at);
            if map.start >= end {
                break;
            }
            site = if site == 0 { map.site } else { site };
            match (map.start < start, map.end > end) {
                (true, true) => {
                    self.maps.at(at).end = start;
                    self.insert(at + 1, Map { start: end, ..map });
                }
                (true, false) => self.maps.at(at).end = start,
                (false, true) => self.maps.at(at).start = end,
                (false, false) => {
                    self.take_out(at);
                    continue;
                }
            }
            at += 1;
        }
        site
    }

    /// Shows those in use that were mapped after another: their addresses, sites and bytes. 0 is before all.
    pub(super) fn for_each_since(&self, serial: u64, mut show: impl FnMut(usize, u32, u64)) {
        for map in (0..self.number).map(|at| self.maps.get_ref(at)) {
            if map.in_use && map.serial > serial {
                show(map.start, map.site, (map.end - map.start) as u64);
            }
        }
    }

    /// Where the first is that ends behind an address.
    fn first_behind(&self, address: usize) -> usize {
        let (mut from, mut to) = (0, self.number);
        while from < to {
            let middle = (from + to) / 2;
            if self.maps.get_ref(middle).end > address { to = middle } else { from = middle + 1 }
        }
        from
    }

    fn insert(&mut self, at: usize, map: Map) {
        if self.number == MOST {
            self.not_recorded += 1;
            return;
        }
        for behind in (at..self.number).rev() {
            *self.maps.at(behind + 1) = self.maps.get(behind);
        }
        *self.maps.at(at) = map;
        self.number += 1;
    }

    fn take_out(&mut self, at: usize) {
        for behind in at + 1..self.number {
            *self.maps.at(behind - 1) = self.maps.get(behind);
        }
        self.number -= 1;
    }
}

fn whole_pages(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(maps: &Maps) -> Vec<(usize, usize, u32)> {
        let page = |map: Map| (map.start / PAGE, map.end / PAGE, map.site);
        (0..maps.number).map(|at| page(maps.maps.get(at))).collect()
    }

    #[test]
    fn parts_may_be_unmapped() {
        let mut maps = Maps::new().unwrap();
        maps.map(10 * PAGE, 10 * PAGE, 1, true);
        maps.map(30 * PAGE, 1, 2, true);
        assert_eq!(shown(&maps), [(10, 20, 1), (30, 31, 2)]);
        assert_eq!(maps.unmap(12 * PAGE, 2 * PAGE), 1);
        assert_eq!(shown(&maps), [(10, 12, 1), (14, 20, 1), (30, 31, 2)]);
        assert_eq!(maps.unmap(19 * PAGE, 20 * PAGE), 1);
        assert_eq!(shown(&maps), [(10, 12, 1), (14, 19, 1)]);
        assert_eq!(maps.unmap(9 * PAGE, 2 * PAGE), 1);
        assert_eq!(shown(&maps), [(11, 12, 1), (14, 19, 1)]);
        // Over both, with another site.
        maps.map(11 * PAGE, 4 * PAGE, 3, true);
        assert_eq!(shown(&maps), [(11, 15, 3), (15, 19, 1)]);
        assert_eq!(maps.unmap(40 * PAGE, PAGE), 0);
        assert_eq!(in_use(&maps), 8);
    }

    /// Pages.
    fn in_use(maps: &Maps) -> usize {
        let mut bytes = 0;
        maps.for_each_since(0, |_, _, of_one| bytes += of_one as usize);
        bytes / PAGE
    }

    #[test]
    fn address_space_that_is_kept_for_later_is_not_in_use() {
        let mut maps = Maps::new().unwrap();
        maps.map(10 * PAGE, 10 * PAGE, 1, false);
        assert_eq!(in_use(&maps), 0);
        maps.comes_into_use(12 * PAGE, PAGE);
        maps.comes_into_use(12 * PAGE, 3 * PAGE);
        assert_eq!(in_use(&maps), 3);
        maps.comes_into_use(0, 100 * PAGE);
        assert_eq!(in_use(&maps), 10);
        let last = maps.serial();
        maps.map(50 * PAGE, PAGE, 1, true);
        let mut since = Vec::new();
        maps.for_each_since(last, |start, site, _| since.push((start / PAGE, site)));
        assert_eq!(since, [(50, 1)]);
    }

    /// Against a plain list of pages, over a long random history.
    #[test]
    fn agrees_with_a_list_of_pages() {
        let mut maps = Maps::new().unwrap();
        let mut pages = [0u32; 200];
        let mut state = 3u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..20_000 {
            let start = random(180) as usize;
            let length = 1 + random(20) as usize;
            let site = random(4) as u32;
            match site {
                0 => drop(maps.unmap(start * PAGE, length * PAGE)),
                site => maps.map(start * PAGE, length * PAGE, site, true),
            }
            pages[start..start + length].fill(site);
            let mut seen = [0u32; 200];
            shown(&maps).into_iter().for_each(|(from, to, site)| seen[from..to].fill(site));
            assert_eq!(seen, pages);
        }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut maps = Maps::new().unwrap();
        for number in (0..MOST + 5).rev() {
            maps.map(2 * number * PAGE, PAGE, 1, true);
        }
        assert_eq!((maps.number, maps.not_recorded()), (MOST, 5));
        maps.clear();
        assert_eq!((maps.number, maps.not_recorded()), (0, 0));
    }
}
