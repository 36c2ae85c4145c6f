//! The table, and how scenarios judge.

mod own;
mod traced;
mod untraced;

use super::*;
use crate::census::PathTable;
use crate::judge::Mark;

#[test]
fn every_scenario_has_a_word_and_a_sentence_of_its_own() {
    for &kind in ScenarioKind::ALL {
        let Description { name, catches, checks, .. } = kind.description();
        assert_eq!(name.parse(), Ok(kind));
        // Variants are named after the words.
        assert_eq!(format!("{kind:?}").to_lowercase(), name.replace('_', ""));
        assert!(!catches.is_empty() && !catches.ends_with('.'), "{kind}");
        assert!(!checks.is_empty(), "{kind}");
        let same = |other: &ScenarioKind| other.description().catches == *catches;
        assert_eq!(ScenarioKind::ALL.iter().filter(|other| same(other)).count(), 1, "{kind}");
    }
    assert_eq!("windw".parse::<ScenarioKind>().unwrap_err().to_string(), "unknown scenario \"windw\"");
}

#[test]
fn what_is_not_built_finds_nothing() {
    let paths = PathTable::default();
    let marks: Vec<Mark> = [0, 10, 20]
        .map(|n| {
            let mut mark = Mark { iteration: n, ..Mark::default() };
            mark.census.count(crate::census::PathId::ROOT, n * 1_000_000, n * 1_000_000);
            mark
        })
        .into();
    let rules = Rules::default();
    let evidence = Evidence { paths: &paths, marks: &marks, ladder: &[], rules: &rules, places: None };
    for &kind in ScenarioKind::ALL {
        let found = kind.judge(&evidence);
        assert!(found.iter().all(|found| kind.checks().contains(&found.check)), "{kind}");
    }
    // There is something to find.
    assert_eq!(ScenarioKind::GrowthBenchmark.judge(&evidence).len(), 1);
}

#[test]
fn scenarios_run_in_a_call_are_those_of_the_view() {
    let calls = ScenarioKind::ALL.iter().filter_map(|kind| Some(format!("{kind}: {}", kind.call()?.description)));
    assert_eq!(
        calls.collect::<Vec<_>>(),
        [
            "growth_benchmark: growth of each context at log-spaced checkpoints",
            "tx_abort_loop: what the workload leaves behind when it is rolled back to a savepoint, and when an error undoes it",
            "wrong_context_probe: allocations in contexts that live as long as the backend",
            "query_peak: peak memory that grows with the number of rows, which the workload has as :rows",
            "shmem_sentinel_probe: writes past the end of shared memory segments",
            "dsm_lifecycle_check: dynamic shared memory that stays mapped, and that is there after the session has ended",
            "context_reset_storm: pointers kept across resets of the calling context",
            "use_after_reset: accesses to memory that was freed or never allocated",
            "oom_simulation: failed allocations that crash, leak, corrupt or wedge the session",
            "concurrent_backends: what grows, is overrun, or stands still where sessions work side by side",
            "cursor_leak: portals and plans that pile up",
            "invalidation_storm: pointers kept into the relation cache or a system cache",
            "cancel_storm: what a cancelled workload leaves, and sessions that do not answer any more",
        ]
    );
}
