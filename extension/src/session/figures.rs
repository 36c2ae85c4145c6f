//! Figures of a window that say how much was looked at.

/// Defines the figures: the names that `window_stats()` shows, in the order of the alphabet, are the only list of them.
macro_rules! figures {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Figures of a window.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(crate) struct Figures {
            $($(#[doc = $doc])* pub(crate) $name: u64,)*
        }

        impl Figures {
            /// All of them by name.
            pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// All of them, to be changed.
            fn named_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
                [$((stringify!($name), &mut self.$name)),*].into_iter()
            }

            /// Reads what [`Self::named`] gives; one that is missing makes it none.
            pub(crate) fn read(mut value: impl FnMut(&str) -> Option<u64>) -> Option<Self> {
                Some(Figures { $($name: value(stringify!($name))?),* })
            }
        }
    };
}

figures! {
    /// Points at which a call was cancelled.
    cancelled,
    /// Different context paths met in this session.
    context_paths,
    /// Contexts in the last census.
    contexts,
    /// Allocations of the workload that were made to fail, one after the other.
    failed,
    /// Allocations that were to be guarded by pages and for which there was no room.
    fallbacks,
    /// Allocations that were guarded by pages.
    guarded,
    /// Faults in the engine's own account of allocations; none unless the engine is wrong.
    inconsistencies,
    /// Contexts left below MessageContext.
    leftover_contexts,
    /// Allocations of the targets outstanding at the end.
    live_allocations,
    /// Bytes that allocators of the targets' own have mapped at the end; what is held in them is not seen.
    mapped_bytes,
    /// Marks set.
    marks,
    /// Marks that were refused.
    marks_refused,
    /// Points at which calls were not cancelled, where they were at some.
    not_cancelled,
    /// Allocations of the workload that were not made to fail, where some were.
    not_failed,
    /// What found no room in the engine's tables, or came while the session was in use.
    not_recorded,
    /// What was to fail, or to be cancelled, and was not: there was too much of it.
    not_tried,
    /// How often there was no memory for something that was found, or to look for it.
    out_of_memory,
    /// Iterations of workers that ran at the same time as one of another worker.
    overlapping,
    /// Segments of shared memory that libraries have made, each with a canary behind it.
    segments_guarded,
    /// Those for which there was no room for one.
    segments_unguarded,
    /// Top-level statements that ended, those that call the engine included.
    statements,
    /// 1 where allocations were traced.
    traced,
    /// Violations lost from the ring since the window was opened, by any backend.
    violations_lost,
    /// Parallel workers of the session that have traced and handed over nothing.
    workers_not_heard,
    /// Parallel workers that could not trace; 1 where none of them could be told what to trace.
    workers_not_traced,
}

/// What counts for a window wherever it has come to pass: what was guarded, and what was missed.
const EVERYWHERE: [&str; 13] = [
    "cancelled",
    "failed",
    "fallbacks",
    "guarded",
    "inconsistencies",
    "not_cancelled",
    "not_failed",
    "not_recorded",
    "not_tried",
    "out_of_memory",
    "overlapping",
    "workers_not_heard",
    "workers_not_traced",
];

impl Figures {
    /// Adds what another process has counted that has worked for this window.
    pub(super) fn add_elsewhere(&mut self, other: &Figures) {
        for ((name, figure), (_, more)) in self.named_mut().zip(other.named()) {
            if EVERYWHERE.contains(&name) {
                *figure += more;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_other_processes_is_counted_what_counts_everywhere() {
        let mut figures = Figures { guarded: 1, marks: 2, ..Figures::default() };
        figures.add_elsewhere(&Figures { guarded: 10, marks: 10, fallbacks: 3, ..Figures::default() });
        assert_eq!(figures, Figures { guarded: 11, marks: 2, fallbacks: 3, ..Figures::default() });
        let is_there = |name: &&str| figures.named().any(|(other, _)| other == *name);
        assert!(EVERYWHERE.iter().all(is_there));
    }

    #[test]
    fn figures_are_read_by_name() {
        let figures = Figures { marks: 3, violations_lost: 4, ..Figures::default() };
        let find = |name: &str| figures.named().find(|(other, _)| *other == name).map(|(_, value)| value);
        assert_eq!(Figures::read(find), Some(figures));
        assert_eq!(Figures::read(|name| find(name).filter(|_| name != "marks")), None);
        assert!(figures.named().map(|(name, _)| name).is_sorted());
    }
}
