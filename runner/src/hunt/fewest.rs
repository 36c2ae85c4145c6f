//! The fewest of many that still do something together.

/// Leaves out as many as possible of `all` without which `does` is still true, in at most so many tries: large parts first, then smaller
/// ones (delta debugging, without its complements' complements). Of `all` together it is true.
pub(super) fn fewest<T: Clone>(all: Vec<T>, tries: usize, mut does: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let (mut kept, mut left) = (all, tries);
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let (mut at, mut has_shrunk) = (0, false);
        while at < kept.len() {
            if left == 0 {
                return kept;
            }
            left -= 1;
            let without = [&kept[..at], &kept[(at + size).min(kept.len())..]].concat();
            match does(&without) {
                true => (kept, has_shrunk) = (without, true),
                false => at += size,
            }
        }
        match (size, has_shrunk) {
            (1, false) => return kept,
            (1, true) => {}
            _ => size = size.div_ceil(2),
        }
        if kept.is_empty() {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_more_tries_than_are_allowed() {
        let mut tries = 0;
        let kept = fewest((0..100).collect(), 3, |_| {
            tries += 1;
            false
        });
        assert_eq!((kept.len(), tries), (100, 3));
    }

    proptest! {
        #[test]
        fn what_is_needed_is_left(number in 0usize..60, needed in proptest::collection::btree_set(0usize..60, 0..4)) {
            let needed: Vec<usize> = needed.into_iter().filter(|one| *one < number).collect();
            let kept = fewest((0..number).collect(), usize::MAX, |some| needed.iter().all(|one| some.contains(one)));
            prop_assert_eq!(kept, needed);
        }
    }
}
