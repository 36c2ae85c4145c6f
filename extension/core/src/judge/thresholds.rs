//! The documented limits between what is ignored, noted, warned about and an error.

use crate::check::{CheckKind, Grading, Severity};
use crate::judge::growth::Shape;

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

/// The severity of a violation by what it is, how many bytes there are to it and how they grew.
pub fn severity(check: CheckKind, bytes: u64, shape: Option<Shape>) -> Severity {
    match check.grading() {
        Grading::Always(severity) => severity,
        Grading::Bytes | Grading::RequestedBytes => by_bytes(bytes),
        Grading::BytesAndShape => worse_if(shape, by_bytes(bytes)),
    }
}

/// The two severities of a violation whose bytes are within 25 % of a limit, so that it may have the one or the other,
/// mildest first; none elsewhere.
pub fn near_limit(check: CheckKind, bytes: u64, shape: Option<Shape>) -> Option<(Severity, Severity)> {
    let (low, high) = around(bytes)?;
    match check.grading() {
        Grading::Always(_) | Grading::RequestedBytes => None,
        Grading::Bytes => Some((low, high)),
        Grading::BytesAndShape => Some((worse_if(shape, low), worse_if(shape, high))),
    }
}

fn by_bytes(bytes: u64) -> Severity {
    match bytes {
        n if n > ERROR_BYTES => Severity::Error,
        n if n > WARNING_BYTES => Severity::Warning,
        _ => Severity::Info,
    }
}

fn worse_if(shape: Option<Shape>, severity: Severity) -> Severity {
    if shape == Some(Shape::Superlinear) { severity.escalated() } else { severity }
}

fn around(bytes: u64) -> Option<(Severity, Severity)> {
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

    const LINEAR: Option<Shape> = Some(Shape::Linear);
    const SUPERLINEAR: Option<Shape> = Some(Shape::Superlinear);

    #[test]
    fn severities_follow_the_documented_limits() {
        let table = [
            (0, Severity::Info),
            (WARNING_BYTES, Severity::Info),
            (WARNING_BYTES + 1, Severity::Warning),
            (ERROR_BYTES, Severity::Warning),
            (ERROR_BYTES + 1, Severity::Error),
        ];
        for (bytes, expected) in table {
            assert_eq!(severity(CheckKind::ContextLeak, bytes, SUPERLINEAR), expected, "{bytes}");
            assert_eq!(severity(CheckKind::MallocLeak, bytes, SUPERLINEAR), expected, "{bytes}");
            assert_eq!(severity(CheckKind::CtxBloat, bytes, LINEAR), expected, "{bytes}");
            assert_eq!(severity(CheckKind::QueryBloat, bytes, SUPERLINEAR), expected.escalated(), "{bytes}");
            assert_eq!(severity(CheckKind::DsmLeak, bytes, SUPERLINEAR), Severity::Warning, "{bytes}");
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
            assert_eq!(near_limit(CheckKind::ContextLeak, bytes, SUPERLINEAR), expected, "{bytes}");
            assert_eq!(near_limit(CheckKind::CtxBloat, bytes, LINEAR), expected, "{bytes}");
            assert_eq!(near_limit(CheckKind::MallocLeak, bytes, LINEAR), None, "{bytes}");
            assert_eq!(near_limit(CheckKind::WrongCtxAlloc, bytes, LINEAR), None, "{bytes}");
        }
        let near = near_limit(CheckKind::CtxBloat, 50_000, SUPERLINEAR);
        assert_eq!(near, Some((Severity::Warning, Severity::Error)));
    }

    /// A golden that records both severities of a neighbourhood has to hold the one that is found.
    #[test]
    fn near_a_limit_the_severity_is_one_of_the_two() {
        for &check in CheckKind::ALL {
            for bytes in (0..2 * ERROR_BYTES).step_by(1000) {
                for shape in [None, LINEAR, SUPERLINEAR] {
                    if let Some((low, high)) = near_limit(check, bytes, shape) {
                        let found = severity(check, bytes, shape);
                        assert!(found == low || found == high, "{check} {bytes} {shape:?}");
                    }
                }
            }
        }
    }
}
