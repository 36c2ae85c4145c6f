//! When a window is measured.

/// The iterations after which a mark is set: 1, 10, 100, ..., the half, and the last. Ascending, without repetition.
pub(super) fn marks(iterations: u64) -> Vec<u64> {
    let mut marks: Vec<u64> =
        std::iter::successors(Some(1u64), |n| n.checked_mul(10)).take_while(|&n| n < iterations).collect();
    marks.extend([iterations / 2, iterations]);
    marks.sort_unstable();
    marks.dedup();
    marks.retain(|&n| n > 0);
    marks
}

#[cfg(test)]
mod tests {
    use super::marks;

    #[test]
    fn marks_are_log_spaced_and_end_with_the_last_iteration() {
        let table: &[(u64, &[u64])] = &[
            (1, &[1]),
            (2, &[1, 2]),
            (3, &[1, 3]),
            (10, &[1, 5, 10]),
            (100, &[1, 10, 50, 100]),
            (250, &[1, 10, 100, 125, 250]),
            (1000, &[1, 10, 100, 500, 1000]),
        ];
        for &(iterations, expected) in table {
            assert_eq!(marks(iterations), expected, "{iterations}");
        }
    }
}
