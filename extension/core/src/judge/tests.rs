//! What holds of all curves of a kind, whatever the number of iterations, the period and the phase.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::judge::growth::{Growth, Point, Shape, is_marked, marks, sustained};

/// What is found of a curve at the marks that a scenario sets.
fn judged(iterations: u64, held: impl Fn(u64) -> u64) -> Option<Growth> {
    found(std::iter::once(0).chain(marks(iterations)), held)
}

fn found(marks: impl Iterator<Item = u64>, held: impl Fn(u64) -> u64) -> Option<Growth> {
    let points: Vec<Point> = marks.map(|iteration| Point { iteration, value: held(iteration) }).collect();
    sustained(&points)
}

/// The marks of a window from outside after so many transactions: every second one goes whenever there are more than 128.
fn thinned(transactions: u64) -> impl Iterator<Item = u64> {
    let strides = (0..).map(|n| 1u64 << n);
    let stride = strides.take_while(|stride| transactions / stride >= 128).last().map_or(1, |stride| 2 * stride);
    (0..=transactions).filter(move |ended| is_marked(*ended, stride))
}

/// How far marks are from each other at most.
fn between_marks(iterations: u64) -> u64 {
    2 * iterations.div_ceil(64)
}

/// A number of iterations, a period of at most that part of them, and a phase.
fn periodic(fewest: u64, part: u64) -> impl Strategy<Value = (u64, u64, u64)> {
    (fewest..=5000u64)
        .prop_flat_map(move |n| (Just(n), 1..=n / part))
        .prop_flat_map(|(n, period)| (Just(n), Just(period), 0..period))
}

/// Some sequence of numbers that looks like none.
fn scattered(seed: u64, n: u64) -> u64 {
    let mixed = (seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 40
}

proptest! {
    // The same ones each time: what comes at random may be anything, if seldom.
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(9),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Beside it, something is filled once while the window is young.
    #[test]
    fn a_steady_leak_is_found(
        (n, period, phase) in periodic(4, 4), size in 1..100_000u64, base in 0..1_000_000u64,
        (fill, filled) in (0..1_000_000u64, 0.0..0.2),
    ) {
        let at = (n as f64 * filled) as u64;
        let found = judged(n, |i| base + (i + phase) / period * size + if i > at { fill } else { 0 });
        prop_assert!(found.is_some());
        prop_assert_eq!(found.and_then(|growth| growth.shape), Some(Shape::Linear));
    }

    #[test]
    fn a_steady_leak_is_found_from_outside((n, period, phase) in periodic(5, 5), size in 1..100_000u64) {
        prop_assert!(found(thinned(n), |i| (i + phase) / period * size).is_some());
    }

    /// Its rate is that of the leak, as far as whole events can tell.
    #[test]
    fn the_rate_is_the_leaks((n, period, phase) in periodic(16, 16), size in 1..100_000u64) {
        let rate = judged(n, |i| (i + phase) / period * size).map_or(0.0, |growth| growth.rate);
        let (expected, event) = (size as f64 / period as f64, size as f64 / (n / 2) as f64);
        prop_assert!((rate - expected).abs() <= event * 1.01, "{} for {}", rate, expected);
    }

    #[test]
    fn what_grows_faster_and_faster_is_superlinear(n in 16..5000u64, size in 1..1000u64) {
        let found = judged(n, |i| i * (i + 1) / 2 * size);
        prop_assert_eq!(found.and_then(|growth| growth.shape), Some(Shape::Superlinear));
    }

    /// At whatever rate it fills, and wherever it is full.
    #[test]
    fn a_cache_that_is_full_is_none((n, period, phase) in periodic(4, 4), size in 1..100_000u64, full in 0.0..1.0) {
        let idle = period + 2 * between_marks(n);
        let full = (n.saturating_sub(idle) as f64 * full) as u64;
        prop_assert_eq!(judged(n, |i| (i.min(full) + phase) / period * size), None);
        prop_assert_eq!(found(thinned(n), |i| (i.min(full) + phase) / period * size), None);
    }

    /// Keys are drawn at random, and there are at most half as many as draws.
    #[test]
    fn a_cache_that_fills_slower_and_slower_is_none(n in 64..5000u64, size in 1..100_000u64, part in 0.01..0.5f64) {
        let keys = (n as f64 * part).ceil();
        let held = |i: u64| (keys * (1.0 - (-(i as f64) / keys).exp())) as u64 * size;
        prop_assert_eq!(judged(n, held), None);
        prop_assert_eq!(found(thinned(n), held), None);
    }

    #[test]
    fn growth_by_one_part_in_n_is_none(n in 64..5000u64, size in 10..100_000u64) {
        prop_assert_eq!(judged(n, |i| ((i + 1) as f64).ln() as u64 * size), None);
        prop_assert_eq!(judged(n, |i| ((i + 1) as f64).ln().mul_add(size as f64, 0.0) as u64), None);
    }

    #[test]
    fn what_is_collected_is_none((n, period, phase) in periodic(8, 4), size in 1..100_000u64, base in 0..1_000_000u64) {
        prop_assert_eq!(judged(n, |i| base + (i + phase) % period * size), None);
        prop_assert_eq!(found(thinned(n), |i| base + (i + phase) % period * size), None);
    }

    /// So many slots, and what is in them has any size.
    #[test]
    fn a_ring_is_none((n, slots, _) in periodic(64, 8), seed in any::<u64>(), sizes in 1..100_000u64, some in 1..=4u64) {
        let slot = |i: u64| if i.is_multiple_of(some) { scattered(seed, i) % sizes } else { 1 };
        let held = |i: u64| (i.saturating_sub(slots)..i).map(slot).sum();
        prop_assert_eq!(judged(n, held), None);
    }

    /// As a list or a string that something is put into by each iteration: it is enlarged three times at least.
    #[test]
    fn a_buffer_that_goes_on_doubling_is_found(n in 100..5000u64, size in 1..100_000u64, warm_up in 0..=10u64) {
        let found = judged(n, |i| (i + warm_up + 1).next_power_of_two().max(16) * size);
        prop_assert_eq!(found.and_then(|growth| growth.shape), Some(Shape::Linear));
    }

    /// It is full when half of the window is over: the next time would have come, if marks tell at all.
    #[test]
    fn a_buffer_that_is_full_is_none(n in 100..5000u64, size in 1..100_000u64, full in 0.0..0.25) {
        let full = ((n as f64 * full) as u64).next_power_of_two().min(n / 4);
        prop_assert_eq!(judged(n, |i| (i.min(full) + 1).next_power_of_two() * size), None);
    }

    #[test]
    fn steps_are_none(n in 4..5000u64, steps in prop::collection::vec((0.0..1.0, 1..1_000_000u64), 1..=3)) {
        let held = |i: u64| steps.iter().filter(|(at, _)| i as f64 > at * n as f64).map(|(_, size)| size).sum();
        prop_assert_eq!(judged(n, held), None);
        prop_assert_eq!(found(thinned(n), held), None);
    }
}
