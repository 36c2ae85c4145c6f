//! What windows did not look at. Silence means clean only where there is none of it.

/// A figure of `window_stats()` that makes a window incomplete where it is not 0, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Gap {
    /// The figure's name.
    pub figure: &'static str,
    /// What kind of fault it is, for machines.
    pub kind: &'static str,
    /// The sentence, behind the number: of one, and of more.
    sentence: [&'static str; 2],
    /// What helps, where something does, in a clause.
    pub remedy: Option<&'static str>,
    /// Why the result is not to become a golden.
    pub refusal: &'static str,
}

/// There was no memory for something: told of statements that are checked outside of windows as well.
pub const OUT_OF_MEMORY: Gap = Gap {
    figure: "out_of_memory",
    kind: "incomplete",
    sentence: [
        "time there was no memory for what was found, or to look for it",
        "times there was no memory for what was found, or to look for it",
    ],
    remedy: None,
    refusal: "there was not memory enough to look at everything",
};

/// Observed sessions that have told nothing.
pub static NOT_HEARD: Gap = Gap {
    figure: "sessions_not_heard",
    kind: "incomplete",
    sentence: [
        "session was killed or could not be observed: what it has left behind is not known",
        "sessions were killed or could not be observed: what they have left behind is not known",
    ],
    remedy: None,
    refusal: "sessions have told nothing",
};

/// Observed sessions of which nothing is known but that they were there.
pub static NOT_TRACED: Gap = Gap {
    figure: "sessions_not_traced",
    kind: "incomplete",
    sentence: [
        "session was not traced: what it has left behind is not known",
        "sessions were not traced: what they have left behind is not known",
    ],
    remedy: None,
    refusal: "sessions were not traced",
};

/// All of a window, in the order in which they are reported.
pub static GAPS: [Gap; 9] = [
    Gap {
        figure: "violations_lost",
        kind: "lost",
        sentence: [
            "violation was lost: the engine's ring was full",
            "violations were lost: the engine's ring was full",
        ],
        remedy: None,
        refusal: "violations were lost",
    },
    Gap {
        figure: "not_recorded",
        kind: "incomplete",
        sentence: [
            "allocation or event was not recorded: the engine's tables were full or in use, or a walk over the stack was lost",
            "allocations or events were not recorded: the engine's tables were full or in use, or a walk over the stack was lost",
        ],
        remedy: None,
        refusal: "not everything was recorded",
    },
    OUT_OF_MEMORY,
    Gap {
        figure: "not_tried",
        kind: "incomplete",
        sentence: [
            "failure or cancel of the workload was not tried: there are too many",
            "failures or cancels of the workload were not tried: there are too many",
        ],
        remedy: Some(
            "lower the number of iterations, have the workload do less, or raise \"pg_ext_memcheck.sweep_limit\"",
        ),
        refusal: "not everything was tried",
    },
    Gap {
        figure: "workers_not_traced",
        kind: "incomplete",
        sentence: [
            "parallel worker or window without its workers: they could not be told what to trace, or could not trace",
            "parallel workers or windows without their workers: they could not be told what to trace, or could not trace",
        ],
        remedy: None,
        refusal: "parallel workers were not traced",
    },
    Gap {
        figure: "workers_not_heard",
        kind: "incomplete",
        sentence: [
            "parallel worker handed nothing over: it was killed, or is still at work",
            "parallel workers handed nothing over: they were killed, or are still at work",
        ],
        remedy: None,
        refusal: "parallel workers handed nothing over",
    },
    Gap {
        figure: "segments_unguarded",
        kind: "incomplete",
        sentence: [
            "segment of shared memory is not looked behind: there was no room for a canary",
            "segments of shared memory are not looked behind: there was no room for canaries",
        ],
        remedy: None,
        refusal: "not all segments of shared memory were looked behind",
    },
    Gap {
        figure: "marks_refused",
        kind: "incomplete",
        sentence: ["mark was refused: iterations have to increase", "marks were refused: iterations have to increase"],
        remedy: None,
        refusal: "marks were refused",
    },
    Gap {
        figure: "inconsistencies",
        kind: "incomplete",
        sentence: [
            "fault is in the engine's own account of allocations: its findings cannot be relied on",
            "faults are in the engine's own account of allocations: its findings cannot be relied on",
        ],
        remedy: None,
        refusal: "the engine's own account has faults",
    },
];

impl Gap {
    /// What is said where the figure is `count`.
    pub fn message(&self, count: i64) -> String {
        let [one, more] = self.sentence;
        format!("{count} {}", if count == 1 { one } else { more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_agrees_with_its_number() {
        let [lost, ..] = &GAPS;
        assert_eq!(lost.message(1), "1 violation was lost: the engine's ring was full");
        assert_eq!(lost.message(12), "12 violations were lost: the engine's ring was full");
        for gap in &GAPS {
            assert_ne!(gap.sentence[0], gap.sentence[1], "{}", gap.figure);
        }
    }
}
