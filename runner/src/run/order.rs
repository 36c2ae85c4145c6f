//! From the order in which cases end to that of the schedule.

use std::collections::BTreeMap;

/// Keeps what comes too early. Positions count from 0, and each comes once.
#[derive(Debug)]
pub struct InOrder<T> {
    waiting: BTreeMap<usize, T>,
    next: usize,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        InOrder { waiting: BTreeMap::new(), next: 0 }
    }
}

impl<T> InOrder<T> {
    /// Takes what belongs at that position.
    pub fn put(&mut self, position: usize, item: T) {
        self.waiting.insert(position, item);
    }

    /// Hands out what comes next, with its position; none as long as it is not there.
    pub fn take(&mut self) -> Option<(usize, T)> {
        let item = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some((self.next - 1, item))
    }
}

#[cfg(test)]
mod tests {
    use super::InOrder;

    #[test]
    fn what_comes_early_waits_for_its_turn() {
        let mut order = InOrder::default();
        let mut taken = Vec::new();
        for (position, expected) in [(2, 0), (0, 1), (3, 1), (1, 4)] {
            order.put(position, position * 10);
            taken.extend(std::iter::from_fn(|| order.take()));
            assert_eq!(taken.len(), expected, "after {position}");
        }
        assert_eq!(taken, [(0, 0), (1, 10), (2, 20), (3, 30)]);
    }
}
