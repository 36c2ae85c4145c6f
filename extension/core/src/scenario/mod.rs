//! The scenarios a workload can be put through.

use crate::check::words;

words! {
    /// A way of exercising a workload. The words are those of `run_scenario()` and of the `scenario` clause.
    ScenarioKind: "scenario" {
        /// A plain check window around the workload: what `begin()` and `end()` see.
        Window = "window",
        /// Growth over log-spaced checkpoints.
        GrowthBenchmark = "growth_benchmark",
        /// The workload undone by ROLLBACK, ROLLBACK TO SAVEPOINT and a statement error.
        TxAbortLoop = "tx_abort_loop",
        /// Allocations that land in contexts that live as long as the backend.
        WrongContextProbe = "wrong_context_probe",
        /// Peak memory against the number of rows.
        QueryPeak = "query_peak",
        /// Writes past the end of shared memory segments.
        ShmemSentinelProbe = "shmem_sentinel_probe",
        /// DSM segments attached and not detached.
        DsmLifecycleCheck = "dsm_lifecycle_check",
        /// Pointers kept across resets of the calling context.
        ContextResetStorm = "context_reset_storm",
        /// The workload under guard pages.
        UseAfterReset = "use_after_reset",
        /// Every allocation of the target made to fail in turn.
        OomSimulation = "oom_simulation",
        /// The workload in several sessions at once.
        ConcurrentBackends = "concurrent_backends",
        /// Portals and plans left behind.
        CursorLeak = "cursor_leak",
        /// Cold, warm, and cold again after DISCARD ALL.
        ColdWarmCold = "cold_warm_cold",
        /// Cache invalidations between and inside calls.
        InvalidationStorm = "invalidation_storm",
        /// The workload cancelled at growing points in time.
        CancelStorm = "cancel_storm",
    }
}

impl ScenarioKind {
    /// Whether this version of the engine and the runner can run it.
    pub const fn is_supported(self) -> bool {
        matches!(
            self,
            ScenarioKind::Window
                | ScenarioKind::GrowthBenchmark
                | ScenarioKind::TxAbortLoop
                | ScenarioKind::WrongContextProbe
                | ScenarioKind::QueryPeak
                | ScenarioKind::CursorLeak
        )
    }

    /// Whether `run_scenario()` can run it, inside one call.
    pub const fn runs_inside_a_call(self) -> bool {
        matches!(self, ScenarioKind::GrowthBenchmark | ScenarioKind::TxAbortLoop | ScenarioKind::WrongContextProbe)
    }
}
