//! What checks, scenarios and lints mean: one Markdown file each, compiled in.

use memcheck_core::{CheckKind, ScenarioKind};

use crate::language::lint::LINTS;

/// What a word can be explained as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A kind of violation.
    Check(CheckKind),
    /// A kind of scenario.
    Scenario(ScenarioKind),
    /// A lint, by its position in [`LINTS`].
    Lint(usize),
}

impl Topic {
    /// Everything there is to explain.
    pub fn all() -> impl Iterator<Item = Topic> {
        let checks = CheckKind::ALL.iter().map(|&check| Topic::Check(check));
        let scenarios = ScenarioKind::ALL.iter().map(|&kind| Topic::Scenario(kind));
        checks.chain(scenarios).chain((0..LINTS.len()).map(Topic::Lint))
    }

    /// The word that asks for it. A check and a scenario can have the same.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Check(check) => check.as_str(),
            Topic::Scenario(kind) => kind.as_str(),
            Topic::Lint(position) => LINTS[position].code,
        }
    }

    /// The explanation, in Markdown.
    pub fn text(self) -> &'static str {
        match self {
            Topic::Check(check) => check_text(check),
            Topic::Scenario(kind) => scenario_text(kind),
            Topic::Lint(position) => LINTS[position].explanation,
        }
    }
}

const fn check_text(check: CheckKind) -> &'static str {
    match check {
        CheckKind::ContextLeak => include_str!("check/context_leak.md"),
        CheckKind::WrongCtxAlloc => include_str!("check/wrong_ctx_alloc.md"),
        CheckKind::CtxBloat => include_str!("check/ctx_bloat.md"),
        CheckKind::ShmemOverrun => include_str!("check/shmem_overrun.md"),
        CheckKind::DsmLeak => include_str!("check/dsm_leak.md"),
        CheckKind::QueryBloat => include_str!("check/query_bloat.md"),
        CheckKind::MallocLeak => include_str!("check/malloc_leak.md"),
        CheckKind::UseAfterFree => include_str!("check/use_after_free.md"),
        CheckKind::UseAfterReset => include_str!("check/use_after_reset.md"),
        CheckKind::BufferOverrun => include_str!("check/buffer_overrun.md"),
        CheckKind::DoubleFree => include_str!("check/double_free.md"),
        CheckKind::ResourceLeak => include_str!("check/resource_leak.md"),
        CheckKind::OomUnsafe => include_str!("check/oom_unsafe.md"),
        CheckKind::Crash => include_str!("check/crash.md"),
        CheckKind::Timeout => include_str!("check/timeout.md"),
    }
}

const fn scenario_text(kind: ScenarioKind) -> &'static str {
    match kind {
        ScenarioKind::Window => include_str!("scenario/window.md"),
        ScenarioKind::GrowthBenchmark => include_str!("scenario/growth_benchmark.md"),
        ScenarioKind::TxAbortLoop => include_str!("scenario/tx_abort_loop.md"),
        ScenarioKind::WrongContextProbe => include_str!("scenario/wrong_context_probe.md"),
        ScenarioKind::QueryPeak => include_str!("scenario/query_peak.md"),
        ScenarioKind::ShmemSentinelProbe => include_str!("scenario/shmem_sentinel_probe.md"),
        ScenarioKind::DsmLifecycleCheck => include_str!("scenario/dsm_lifecycle_check.md"),
        ScenarioKind::ContextResetStorm => include_str!("scenario/context_reset_storm.md"),
        ScenarioKind::UseAfterReset => include_str!("scenario/use_after_reset.md"),
        ScenarioKind::OomSimulation => include_str!("scenario/oom_simulation.md"),
        ScenarioKind::ConcurrentBackends => include_str!("scenario/concurrent_backends.md"),
        ScenarioKind::CursorLeak => include_str!("scenario/cursor_leak.md"),
        ScenarioKind::ColdWarmCold => include_str!("scenario/cold_warm_cold.md"),
        ScenarioKind::InvalidationStorm => include_str!("scenario/invalidation_storm.md"),
        ScenarioKind::CancelStorm => include_str!("scenario/cancel_storm.md"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{SourceFile, format};

    #[test]
    fn every_text_is_about_its_word() {
        for topic in Topic::all() {
            let heading = match topic {
                Topic::Scenario(kind) => format!("# scenario {kind}: "),
                _ => format!("# {}: ", topic.word()),
            };
            assert!(topic.text().starts_with(&heading), "{}", topic.text());
            assert!(topic.text().ends_with('\n'));
        }
    }

    #[test]
    fn checks_have_a_cause_a_remedy_and_an_example() {
        for &check in CheckKind::ALL {
            for part in ["## Typical cause", "## What to do", "```c\n", "src/backend/utils/mmgr/README"] {
                assert!(check_text(check).contains(part), "{check}: {part}");
            }
        }
    }

    #[test]
    fn scenarios_have_an_example_in_the_canonical_layout() {
        for &kind in ScenarioKind::ALL {
            let (_, example) = scenario_text(kind).split_once("```mcspec\n").expect("an example");
            let example = example.strip_suffix("```\n").expect("ends with the example");
            assert!(example.contains(&format!("scenario {kind} ")), "{kind}");
            let source = SourceFile::new(kind.as_str(), example);
            crate::language::parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)));
            assert_eq!(format(&source).as_deref(), Ok(example));
        }
    }
}
