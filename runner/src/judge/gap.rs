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
    /// Why the result is not to become a golden.
    pub refusal: &'static str,
}

/// All of them, in the order in which they are reported.
pub static GAPS: [Gap; 4] = [
    Gap {
        figure: "violations_lost",
        kind: "lost",
        sentence: [
            "violation was lost: the engine's ring was full",
            "violations were lost: the engine's ring was full",
        ],
        refusal: "violations were lost",
    },
    Gap {
        figure: "not_recorded",
        kind: "incomplete",
        sentence: [
            "allocation or event was not recorded: the engine's tables were full or in use",
            "allocations or events were not recorded: the engine's tables were full or in use",
        ],
        refusal: "not everything was recorded",
    },
    Gap {
        figure: "workers_not_traced",
        kind: "incomplete",
        sentence: [
            "window is without its parallel workers: the engine had no room to tell them what to trace",
            "windows are without their parallel workers: the engine had no room to tell them what to trace",
        ],
        refusal: "parallel workers were not traced",
    },
    Gap {
        figure: "inconsistencies",
        kind: "incomplete",
        sentence: [
            "fault is in the engine's own account of allocations: its findings cannot be relied on",
            "faults are in the engine's own account of allocations: its findings cannot be relied on",
        ],
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
