//! The kinds of violation and how bad they are.

use std::fmt;
use std::str::FromStr;

/// A word that is not one of a fixed list, with the list's subject (`check`, `severity`, ...).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{word}\"")]
pub struct UnknownWord {
    /// What kind of word was looked for.
    pub what: &'static str,
    /// The word as it was written.
    pub word: String,
}

/// Defines a fieldless enum with one spelling for each variant, in the order in which they are listed.
macro_rules! words {
    (
        $(#[$outer:meta])*
        $name:ident: $what:literal { $($(#[$inner:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The spelling used in SQL, specs and goldens.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::check::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str() == word)
                    .ok_or_else(|| $crate::check::UnknownWord { what: $what, word: word.to_owned() })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What was found. The first five are the documented ones; the others are added by this implementation.
    CheckKind: "check" {
        /// Memory that outlives the statement it was allocated for.
        ContextLeak = "context_leak",
        /// Memory or a context put into a context that lives as long as the backend.
        WrongCtxAlloc = "wrong_ctx_alloc",
        /// A context that grows with every iteration.
        CtxBloat = "ctx_bloat",
        /// A write past the end of a shared memory segment.
        ShmemOverrun = "shmem_overrun",
        /// A DSM segment still attached when it should not be.
        DsmLeak = "dsm_leak",
        /// Peak memory of one statement that grows with the rows it handles.
        QueryBloat = "query_bloat",
        /// malloc'ed memory that is never freed.
        MallocLeak = "malloc_leak",
        /// An access to a chunk after pfree.
        UseAfterFree = "use_after_free",
        /// An access to a chunk after its context was reset or deleted.
        UseAfterReset = "use_after_reset",
        /// An access past the end of a palloc'ed chunk.
        BufferOverrun = "buffer_overrun",
        /// A chunk given to pfree twice.
        DoubleFree = "double_free",
        /// A reference that a resource owner had to release.
        ResourceLeak = "resource_leak",
        /// A failed allocation that crashes, leaks, corrupts or wedges the session.
        OomUnsafe = "oom_unsafe",
        /// The backend died.
        Crash = "crash",
        /// The workload did not come back in time.
        Timeout = "timeout",
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
