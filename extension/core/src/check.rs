//! The kinds of violation and how bad they are.

use std::fmt;
use std::str::FromStr;

use crate::words::{UnknownWord, words};

/// What the figures of a finding are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// One iteration of the workload.
    Iteration,
    /// One row of a ladder.
    Row,
}

impl Per {
    /// `iter` or `row`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Per::Iteration => "iter",
            Per::Row => "row",
        }
    }
}

/// What a check measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Memory: bytes and objects.
    Memory(Per),
    /// How often something happened that has no size, not even that of memory; per iteration.
    Times,
    /// Nothing: that it happened says it all.
    Nothing,
}

/// What decides how bad a violation of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grading {
    /// Bytes, by the documented limits.
    Bytes,
    /// The same, and one rung worse where they grow faster and faster.
    BytesAndShape,
    /// Bytes that are counted as they were requested: no server comes closer to a limit than another.
    RequestedBytes,
    /// The kind itself: it is always as bad.
    Always(Severity),
}

/// What the path of a finding names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A memory context: `watch` and `allow` are about it.
    Context,
    /// Something else, such as a kind of resource.
    Other,
}

/// Makes the enum of checks and the table of what each is.
macro_rules! checks {
    ($(
        $(#[$outer:meta])*
        $variant:ident = $word:literal: $measure:expr, $grading:expr, $subject:expr;
    )+) => {
        words! {
            /// What was found. The first five are the documented ones; the others are added by this implementation.
            CheckKind: "check" {
                $($(#[$outer])* $variant = $word,)+
            }
        }

        impl CheckKind {
            /// What it measures.
            pub const fn measure(self) -> Measure {
                match self {
                    $(CheckKind::$variant => $measure,)+
                }
            }

            /// What decides how bad it is.
            pub const fn grading(self) -> Grading {
                match self {
                    $(CheckKind::$variant => $grading,)+
                }
            }

            /// What it is found in.
            pub const fn subject(self) -> Subject {
                match self {
                    $(CheckKind::$variant => $subject,)+
                }
            }

            /// What the manual says about it, in Markdown.
            #[cfg(feature = "manual")]
            pub const fn page(self) -> &'static str {
                match self {
                    $(CheckKind::$variant => include_str!(concat!("check/", $word, ".md")),)+
                }
            }
        }
    };
}

use Grading::{Always, Bytes, BytesAndShape, RequestedBytes};
use Measure::{Memory, Nothing, Times};
use Per::{Iteration, Row};
use Severity::{Error, Warning};
use Subject::{Context, Other};

checks! {
    /// Memory that outlives the statement it was allocated for.
    ContextLeak = "context_leak": Memory(Iteration), Bytes, Context;
    /// Memory or a context put into a context that lives as long as the backend.
    WrongCtxAlloc = "wrong_ctx_alloc": Memory(Iteration), Always(Warning), Context;
    /// A context that grows with every iteration.
    CtxBloat = "ctx_bloat": Memory(Iteration), BytesAndShape, Context;
    /// A write past the end of a shared memory segment.
    ShmemOverrun = "shmem_overrun": Nothing, Always(Error), Other;
    /// A DSM segment still attached when it should not be.
    DsmLeak = "dsm_leak": Memory(Iteration), Always(Warning), Other;
    /// Peak memory of one statement that grows with the rows it handles.
    QueryBloat = "query_bloat": Memory(Row), BytesAndShape, Context;
    /// malloc'ed memory that is never freed.
    MallocLeak = "malloc_leak": Memory(Iteration), RequestedBytes, Other;
    /// An access to a chunk after it was given back.
    UseAfterFree = "use_after_free": Nothing, Always(Error), Context;
    /// An access to a chunk after its context was reset or deleted.
    UseAfterReset = "use_after_reset": Nothing, Always(Error), Context;
    /// An access past the end of a chunk, or before its start.
    BufferOverrun = "buffer_overrun": Nothing, Always(Error), Context;
    /// A chunk given back twice, or to an allocator that it is not from.
    DoubleFree = "double_free": Nothing, Always(Error), Context;
    /// Shared memory that two processes change at once, or one while another one reads it.
    DataRace = "data_race": Nothing, Always(Error), Other;
    /// A reference that a resource owner had to release.
    ResourceLeak = "resource_leak": Times, Always(Warning), Other;
    /// A failed allocation that crashes, leaks, corrupts or wedges the session.
    OomUnsafe = "oom_unsafe": Nothing, Always(Error), Other;
    /// A cancelled call that leaks, corrupts or wedges the session, or that goes on.
    CancelUnsafe = "cancel_unsafe": Nothing, Always(Error), Other;
    /// The backend died.
    Crash = "crash": Nothing, Always(Error), Other;
    /// The workload did not come back in time.
    Timeout = "timeout": Nothing, Always(Error), Other;
}

impl CheckKind {
    /// Whether it counts something that has no size.
    pub const fn is_counted(self) -> bool {
        matches!(self.measure(), Times)
    }

    /// Whether it is about a bad access, which every scenario can see.
    pub const fn is_access(self) -> bool {
        use CheckKind::{BufferOverrun, DoubleFree, ShmemOverrun, UseAfterFree, UseAfterReset};
        matches!(self, UseAfterFree | UseAfterReset | BufferOverrun | DoubleFree | ShmemOverrun)
    }

    /// What its figures are relative to.
    pub const fn per(self) -> Per {
        match self.measure() {
            Memory(per) => per,
            Times | Nothing => Iteration,
        }
    }

    /// Whether it is about a context, so that `watch` and `allow` are about it.
    pub const fn is_in_context(self) -> bool {
        matches!(self.subject(), Context)
    }
}

/// How bad a violation is. Ordered: INFO < WARNING < ERROR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// At least the threshold.
    Info,
    /// More than 64 KiB, or a kind that is always a warning.
    Warning,
    /// More than 1 MiB, or a kind that is always an error.
    Error,
}

impl Severity {
    /// Every value, mildest first.
    pub const ALL: &'static [Severity] = &[Severity::Info, Severity::Warning, Severity::Error];

    /// The spelling in the log and in goldens (upper case).
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        }
    }

    /// The next worse severity; ERROR stays ERROR.
    #[must_use]
    pub const fn escalated(self) -> Self {
        match self {
            Severity::Info => Severity::Warning,
            Severity::Warning | Severity::Error => Severity::Error,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Accepts both `ERROR` (log, goldens) and `error` (specs).
impl FromStr for Severity {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownWord { what: "severity", word: word.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_reads_back() {
        for &check in CheckKind::ALL {
            assert_eq!(check.as_str().parse(), Ok(check));
        }
        for &severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
            assert_eq!(severity.as_str().to_lowercase().parse(), Ok(severity));
        }
    }

    #[test]
    fn only_memory_is_graded_by_bytes() {
        for &check in CheckKind::ALL.iter().filter(|check| !matches!(check.measure(), Memory(_))) {
            assert!(matches!(check.grading(), Always(_)), "{check}");
        }
    }

    #[test]
    fn unknown_words_are_named() {
        let error = "contxt_leak".parse::<CheckKind>().unwrap_err();
        assert_eq!(error.to_string(), "unknown check \"contxt_leak\"");
        let error = "fatal".parse::<Severity>().unwrap_err();
        assert_eq!(error.to_string(), "unknown severity \"fatal\"");
    }

    #[test]
    fn severities_are_ordered_and_escalate() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Error);
        let table = [
            (Severity::Info, Severity::Warning),
            (Severity::Warning, Severity::Error),
            (Severity::Error, Severity::Error),
        ];
        for (from, to) in table {
            assert_eq!(from.escalated(), to);
        }
    }
}
