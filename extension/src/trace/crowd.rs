//! Contexts that targets have created and for which there is no room in the book: counted by the site and the name.

use super::memory::{Reserved, Zeroed};
use crate::contexts::Names;

/// Different ones at most.
const MOST: usize = 256;

/// Contexts of one name, created at one place.
#[derive(Clone, Copy, Default)]
struct Group {
    site: u32,
    /// Where the name is.
    name: usize,
    number: u64,
    /// The names of the first of them and of those above it.
    names: Names,
}

// SAFETY: integers.
unsafe impl Zeroed for Group {}

/// All of them.
pub(crate) struct Crowd {
    groups: Reserved<Group>,
    last: usize,
    not_recorded: u64,
}

impl Crowd {
    pub(crate) fn new() -> Option<Self> {
        Some(Crowd { groups: Reserved::new(MOST)?, last: 0, not_recorded: 0 })
    }

    pub(super) fn clear(&mut self) {
        self.groups.clear();
        (self.last, self.not_recorded) = (0, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last == 0
    }

    pub(super) fn not_recorded(&self) -> u64 {
        self.not_recorded
    }

    /// One more. `names` copies the names of it and of those above it.
    pub(super) fn joins(&mut self, site: u32, name: usize, names: impl FnOnce(&mut Names)) {
        let known = (0..self.last).find(|&number| {
            let group = self.groups.get_ref(number);
            (group.site, group.name) == (site, name)
        });
        let number = match known {
            Some(number) => number,
            None if self.last == MOST => return self.not_recorded += 1,
            None => {
                let group = self.groups.at(self.last);
                (group.site, group.name) = (site, name);
                names(&mut group.names);
                self.last += 1;
                self.last - 1
            }
        };
        self.groups.at(number).number += 1;
    }

    /// One of this name, which was not in the book, is deleted or comes into the book. Gives the site that has created it; 0 if
    /// it is none of the crowd.
    pub(super) fn leaves(&mut self, name: usize) -> u32 {
        let is_it = |group: &Group| group.name == name && group.number > 0;
        let Some(number) = (0..self.last).find(|&number| is_it(self.groups.get_ref(number))) else { return 0 };
        let group = self.groups.at(number);
        group.number -= 1;
        group.site
    }

    /// Shows those that there are: their site, their names and their number.
    pub(super) fn for_each(&self, mut show: impl FnMut(u32, &Names, u64)) {
        for number in 0..self.last {
            let group = self.groups.get_ref(number);
            if group.number > 0 {
                show(group.site, &group.names, group.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_leave_are_taken_out_by_their_name() {
        let mut crowd = Crowd::new().unwrap();
        for _ in 0..3 {
            crowd.joins(1, 0x100, |names| names.set([c"mine", c"parent"]));
            crowd.joins(2, 0x200, |names| names.set([c"other"]));
        }
        assert_eq!((crowd.leaves(0x200), crowd.leaves(0x300)), (2, 0));
        let mut all = Vec::new();
        crowd.for_each(|site, names, number| all.push((site, names.outermost_first().join("/"), number)));
        assert_eq!(all, [(1, "parent/mine".to_owned(), 3), (2, "other".to_owned(), 2)]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut crowd = Crowd::new().unwrap();
        for name in 0..MOST + 10 {
            crowd.joins(1, name, |_| {});
        }
        assert_eq!(crowd.not_recorded(), 10);
    }
}
