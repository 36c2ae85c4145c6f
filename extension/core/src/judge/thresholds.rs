//! The documented limits between what is ignored, noted, warned about and an error.

use crate::check::Severity;

/// Above this many bytes a growth is a WARNING.
pub const WARNING_BYTES: u64 = 64 * 1024;
/// Above this many bytes a growth is an ERROR.
pub const ERROR_BYTES: u64 = 1024 * 1024;

/// The smallest growth that is reported from context totals (bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// `pg_ext_memcheck.min_leak_bytes`.
    pub min_leak_bytes: u64,
    /// `pg_ext_memcheck.bloat_min_bytes`.
    pub bloat_min_bytes: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { min_leak_bytes: 8192, bloat_min_bytes: 8192 }
    }
}

/// The severity of a growth that is reported at all.
pub fn severity_of(bytes: u64) -> Severity {
    match bytes {
        n if n > ERROR_BYTES => Severity::Error,
        n if n > WARNING_BYTES => Severity::Warning,
        _ => Severity::Info,
    }
}

/// The two severities a total within 25 % of a limit may flip between, mildest first; none elsewhere.
pub fn near_limit(bytes: u64) -> Option<(Severity, Severity)> {
    let near = |limit: u64| bytes >= limit - limit / 4 && bytes <= limit + limit / 4;
    if near(WARNING_BYTES) {
        Some((Severity::Info, Severity::Warning))
    } else if near(ERROR_BYTES) {
        Some((Severity::Warning, Severity::Error))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_follow_the_documented_limits() {
        let table = [
            (0, Severity::Info),
            (WARNING_BYTES, Severity::Info),
            (WARNING_BYTES + 1, Severity::Warning),
            (ERROR_BYTES, Severity::Warning),
            (ERROR_BYTES + 1, Severity::Error),
        ];
        for (bytes, severity) in table {
            assert_eq!(severity_of(bytes), severity, "{bytes}");
        }
    }

    #[test]
    fn totals_near_a_limit_have_two_severities() {
        let table = [
            (40_000, None),
            (50_000, Some((Severity::Info, Severity::Warning))),
            (81_920, Some((Severity::Info, Severity::Warning))),
            (82_000, None),
            (1_000_000, Some((Severity::Warning, Severity::Error))),
            (8_000_000, None),
        ];
        for (bytes, expected) in table {
            assert_eq!(near_limit(bytes), expected, "{bytes}");
        }
    }
}
