//! The normal form of a violation: one line of a golden file.
//!
//! `[session: ]check[@phase]|SEVERITY|context path|size|shape|library[ xN]`
//!
//! A row holds what is the same on every version, architecture and run, and nothing else: no time, pid, address, depth or
//! SQL text.

use std::fmt;
use std::str::FromStr;

use crate::access::Access;
use crate::check::{CheckKind, Measure, Severity};
use crate::finding::{Finding, Phase};
use crate::golden::bucket::Bucket;
use crate::golden::field::BadRow;
use crate::golden::size::Size;
use crate::handed::is_handed_over;
use crate::judge::growth::Shape;
use crate::judge::thresholds;
use crate::line;
use crate::site::Site;
use crate::targets::without_release;

/// How much of a violation a golden records (`golden` in the spec's header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Policy {
    /// Exact sizes where they are exact, ranges elsewhere.
    #[default]
    Auto,
    /// As `Auto`; a finding without an exact size is an error of the spec.
    Exact,
    /// Ranges only.
    Bucket,
    /// The check and the context only.
    Kind,
    /// No golden.
    None,
}

/// One line of a golden file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// The session in whose window it was found; none outside permutations.
    pub owner: Option<String>,
    /// The check.
    pub check: CheckKind,
    /// The kind of abort it depends on.
    pub phase: Option<Phase>,
    /// Severity; two where the total is close to the limit between them; none under [`Policy::Kind`].
    pub severity: Option<(Severity, Severity)>,
    /// The context path, or the subject of a check that is not about a context.
    pub subject: String,
    /// Size per iteration or row.
    pub size: Size,
    /// The shape of the growth.
    pub shape: Option<Shape>,
    /// The library, without suffix and release; empty where it is not known.
    pub library: String,
    /// Number of equal violations.
    pub times: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(owner) = &self.owner {
            write!(f, "{}: ", escaped(owner))?;
        }
        write!(f, "{}", self.check)?;
        if let Some(phase) = self.phase {
            write!(f, "@{phase}")?;
        }
        match self.severity {
            None => f.write_str("|-")?,
            Some((low, high)) if low == high => write!(f, "|{low}")?,
            Some((low, high)) => write!(f, "|{low}/{high}")?,
        }
        let shape = self.shape.map_or("-", Shape::as_str);
        let library = library_field(&self.library);
        write!(f, "|{}|{}|{shape}|{library}", self.subject, self.size)?;
        if self.times > 1 {
            write!(f, " x{}", self.times)?;
        }
        Ok(())
    }
}

/// A name from a spec as it is written in a line: with `\` before `|`, `\` and `(`.
pub fn escaped(name: &str) -> String {
    line::escaped(name, &['|', '\\', '('])
}

/// The field of a subject: what `normalize` may have made of it is a field all the same. What is one stays as it is.
fn subject_field(text: &str) -> String {
    let mut field = String::with_capacity(text.len());
    let mut is_escaped = false;
    for c in text.chars() {
        let special: &[char] = if c == '|' && !is_escaped { &['|'] } else { &[] };
        is_escaped = c == '\\' && !is_escaped;
        // What stands behind a \ and is written as an escape brings its own. Writing to a string does not fail.
        let _ = line::write(&mut field, c, special);
    }
    if is_escaped {
        field.push('\\');
    }
    field
}

/// The field of a library: `-` where it is not known, and no ` x2` at its end, which is the number of violations.
fn library_field(library: &str) -> String {
    match library {
        "" => "-".to_owned(),
        "-" => "\\-".to_owned(),
        library => line::escaped(library, &['|', '\\']).replace(" x", " \\x"),
    }
}

/// Whether a line is divided into fields, as a row is.
pub fn has_fields(line: &str) -> bool {
    fields(line).len() > 1
}

/// Splits at `|`, leaving escaped ones alone.
fn fields(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '|' => {
                fields.push(&line[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    fields.push(&line[start..]);
    fields
}

impl FromStr for Row {
    type Err = BadRow;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let found = fields(line);
        let &[check, severity, subject, size, shape, library] = found.as_slice() else {
            return Err(BadRow::Fields(found.len()));
        };
        let bad = |field, text: &str| BadRow::Field { field, text: text.to_owned() };
        let (owner, check) = match check.rsplit_once(": ") {
            Some((owner, check)) => (Some(line::unescaped(owner)), check),
            None => (None, check),
        };
        let (check, phase) = match check.split_once('@') {
            Some((check, phase)) => (check, Some(phase.parse().map_err(|_| bad("phase", phase))?)),
            None => (check, None),
        };
        let one_severity = |text: &str| text.parse::<Severity>().map_err(|_| bad("severity", text));
        let severity = match severity.split_once('/') {
            _ if severity == "-" => None,
            Some((low, high)) => Some((one_severity(low)?, one_severity(high)?)),
            None => {
                let only = one_severity(severity)?;
                Some((only, only))
            }
        };
        let (library, times) = match library.rsplit_once(" x") {
            Some((library, times)) => (library, times.parse().map_err(|_| bad("count", times))?),
            None => (library, 1),
        };
        Ok(Row {
            owner,
            check: check.parse().map_err(|_| bad("check", check))?,
            phase,
            severity,
            subject: subject_field(subject),
            size: size.parse()?,
            shape: match shape {
                "-" => None,
                shape => Some(shape.parse().map_err(|_| bad("shape", shape))?),
            },
            library: if library == "-" { String::new() } else { line::unescaped(library) },
            times,
        })
    }
}

/// A finding in its normal form, with the measured value that a range was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The row as it would be written.
    pub row: Row,
    /// Bytes per iteration as measured.
    pub bytes_per_iter: f64,
    /// Where it was allocated, where that is known; not part of what is recorded.
    pub site: Option<Site>,
    /// The access that it is about; not part of what is recorded either.
    pub access: Option<Box<Access>>,
}

impl Observed {
    /// Puts a finding into normal form. `subject` is its path after the spec's `normalize` rules.
    pub fn new(finding: &Finding, subject: String, policy: Policy) -> Self {
        let whole = policy != Policy::Kind;
        // The blocks of contexts may be what makes it so bad; those are the same everywhere.
        let severity = thresholds::near_limit(finding.check, finding.bytes, finding.shape)
            .filter(|&(low, high)| finding.severity == low || finding.severity == high)
            .unwrap_or((finding.severity, finding.severity));
        let per = finding.check.per();
        // What the server has laid out itself has another size on another version.
        let is_servers = is_handed_over(finding.path.leaf());
        let range = || Size::Range {
            bucket: Bucket::of(finding.bytes_per_iter),
            contexts: whole_number(finding.objects_per_iter),
            per,
        };
        let has_exact = finding.site.is_some() && policy != Policy::Bucket && !is_servers;
        let exact = if has_exact { Size::exact(&finding.marks, per) } else { None };
        let size = match finding.check.measure() {
            Measure::Memory(_) => exact.unwrap_or_else(range),
            Measure::Times => Size::counted(finding),
            Measure::Nothing => Size::None,
        };
        Observed {
            row: Row {
                owner: None,
                check: finding.check,
                phase: finding.phase,
                severity: whole.then_some(severity),
                subject: subject_field(&subject),
                size: if whole { size } else { Size::None },
                shape: if whole { finding.shape } else { None },
                library: if whole { library_stem(&finding.source_lib).to_owned() } else { String::new() },
                times: 1,
            },
            bytes_per_iter: finding.bytes_per_iter,
            site: finding.site.clone(),
            access: finding.access.clone(),
        }
    }

    /// Whether this is the violation that a golden's row records: equal in every field, except that a value next to the
    /// edge of a range belongs to both sides and a severity next to a limit to both severities.
    pub fn is_recorded_by(&self, golden: &Row) -> bool {
        let same_size = match (golden.size, self.row.size) {
            (
                Size::Range { bucket, contexts, per },
                Size::Range { contexts: observed_contexts, per: observed_per, .. },
            ) => bucket.admits(self.bytes_per_iter) && contexts == observed_contexts && per == observed_per,
            (golden, observed) => golden == observed,
        };
        let same_severity = match (golden.severity, self.row.severity) {
            (Some((low, high)), Some((observed_low, observed_high))) => low <= observed_high && observed_low <= high,
            (golden, observed) => golden == observed,
        };
        same_size
            && same_severity
            && golden.owner == self.row.owner
            && golden.check == self.row.check
            && golden.phase == self.row.phase
            && golden.subject == self.row.subject
            && golden.shape == self.row.shape
            && without_release(&golden.library) == self.row.library
            && golden.times == self.row.times
    }
}

/// Contexts per iteration as a golden counts them: whole ones.
fn whole_number(per_iter: f64) -> u64 {
    if per_iter > 0.0 { per_iter.round() as u64 } else { 0 }
}

/// A library's name without suffix and release, so that a golden is good for the next one.
fn library_stem(name: &str) -> &str {
    without_release(name.strip_suffix(".so").or_else(|| name.strip_suffix(".dylib")).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::MarkPoint;
    use crate::path::ContextPath;

    fn finding(bytes: u64, per_iter: f64, objects: f64) -> Finding {
        Finding {
            check: CheckKind::CtxBloat,
            severity: thresholds::severity(CheckKind::CtxBloat, bytes, Some(Shape::Linear)),
            path: ContextPath::new(["TopMemoryContext"]),
            bytes,
            objects: 0,
            iterations: 1000,
            bytes_per_iter: per_iter,
            objects_per_iter: objects,
            shape: Some(Shape::Linear),
            phase: None,
            source_lib: "buggy.so".into(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    fn observed(finding: &Finding, policy: Policy) -> Observed {
        Observed::new(finding, finding.path.to_string(), policy)
    }

    #[test]
    fn rows_read_back() {
        for line in [
            "s1: ctx_bloat|INFO|x|<64B/iter|linear|-",
            "a\\|b: c: ctx_bloat|INFO|x|<64B/iter|linear|-",
            "ctx_bloat|ERROR|TopMemoryContext|8192 x1/iter|linear|buggy_pg_ext",
            "context_leak|ERROR|MessageContext/BuggyPlannerLeakCtx|8kB..16kB x1/iter|linear|-",
            "context_leak@rollback|INFO/WARNING|a\\|b|2920 x1/8 iter|-|my_ext x3",
            "query_bloat|-|x|512 x2/row|superlinear|-",
            "use_after_free|ERROR|my ctx|-|-|my_ext",
            "resource_leak|WARNING|relation|x1/iter|linear|my_ext",
            "resource_leak|WARNING|hash scan|x3/100 iter|-|-",
            "ctx_bloat|INFO|x|<64B/iter|linear|-",
        ] {
            let row: Row = line.parse().unwrap();
            assert_eq!(row.to_string(), line);
        }
    }

    #[test]
    fn bad_rows_name_the_field() {
        let table = [
            ("ctx_bloat|ERROR", "expected 6 fields separated by \"|\", found 2"),
            ("ctx_blot|ERROR|x|-|-|-", "invalid check \"ctx_blot\""),
            ("ctx_bloat|FATAL|x|-|-|-", "invalid severity \"FATAL\""),
            ("ctx_bloat|ERROR|x|8kB|-|-", "invalid size \"8kB\""),
            ("ctx_bloat|ERROR|x|8192/iter|-|-", "invalid size \"8192/iter\""),
            ("ctx_bloat|ERROR|x|8192 x1/day|-|-", "invalid size \"8192 x1/day\""),
            ("ctx_bloat|ERROR|x|-|cubic|-", "invalid shape \"cubic\""),
            ("ctx_bloat@commit|ERROR|x|-|-|-", "invalid phase \"commit\""),
            ("ctx_bloat|ERROR|x|-|-|lib xtwo", "invalid count \"two\""),
        ];
        for (line, message) in table {
            assert_eq!(line.parse::<Row>().unwrap_err().to_string(), message, "{line}");
        }
    }

    #[test]
    fn policies_decide_how_much_is_written() {
        let finding = finding(8_208_000, 8208.0, 0.0);
        let table = [
            (Policy::Auto, "ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy"),
            (Policy::Bucket, "ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy"),
            (Policy::Kind, "ctx_bloat|-|TopMemoryContext|-|-|-"),
        ];
        for (policy, line) in table {
            assert_eq!(observed(&finding, policy).row.to_string(), line);
        }
    }

    #[test]
    fn a_golden_admits_its_neighbourhood_and_nothing_more() {
        let golden: Row = "ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy".parse().unwrap();
        let table = [
            (finding(8_000_000, 8208.0, 0.0), true),
            (finding(8_000_000, 8150.0, 0.0), true),
            (finding(8_000_000, 8000.0, 0.0), false),
            (finding(8_000_000, 17_000.0, 0.0), false),
            (finding(8_000_000, 8208.0, 1.0), false),
            (finding(70_000, 8208.0, 0.0), false),
            (finding(1_000_000, 8208.0, 0.0), true),
        ];
        for (finding, expected) in table {
            let observed = observed(&finding, Policy::Auto);
            assert_eq!(observed.is_recorded_by(&golden), expected, "{}", observed.row);
        }
    }

    #[test]
    fn a_golden_is_good_for_the_next_release() {
        let found = Finding { source_lib: "mine-1.3.so".into(), ..finding(8_000_000, 8208.0, 0.0) };
        let observed = observed(&found, Policy::Auto);
        assert_eq!(observed.row.library, "mine");
        for (recorded, is) in [("mine", true), ("mine-1.2", true), ("mine-tsl", false)] {
            let row = format!("ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|{recorded}");
            assert_eq!(observed.is_recorded_by(&row.parse().unwrap()), is, "{recorded}");
        }
    }

    #[test]
    fn a_total_near_a_limit_is_written_with_both_severities() {
        let finding = finding(66_000, 66.0, 0.0);
        assert_eq!(
            observed(&finding, Policy::Auto).row.to_string(),
            "ctx_bloat|INFO/WARNING|TopMemoryContext|64B..128B/iter|linear|buggy"
        );
    }

    #[test]
    fn a_severity_is_one_rung_worse_near_a_limit_as_well() {
        let severity = |check, shape| {
            let finding = Finding { check, shape: Some(shape), ..finding(66_000, 66.0, 0.0) };
            let (low, high) = observed(&finding, Policy::Auto).row.severity.unwrap();
            format!("{low}/{high}")
        };
        let table = [
            (CheckKind::CtxBloat, Shape::Superlinear, "WARNING/ERROR"),
            // Its severity does not depend on the shape.
            (CheckKind::ContextLeak, Shape::Superlinear, "INFO/WARNING"),
            (CheckKind::QueryBloat, Shape::Linear, "INFO/WARNING"),
        ];
        for (check, shape, expected) in table {
            assert_eq!(severity(check, shape), expected, "{check}");
        }
    }

    #[test]
    fn some_kinds_have_no_size_at_all() {
        let finding = Finding { check: CheckKind::UseAfterFree, shape: None, ..finding(0, 0.0, 0.0) };
        let finding = Finding { severity: Severity::Error, ..finding };
        assert_eq!(observed(&finding, Policy::Auto).row.to_string(), "use_after_free|ERROR|TopMemoryContext|-|-|buggy");
    }

    #[test]
    fn what_has_no_size_is_counted() {
        let table = [(1000, "x1/iter"), (2000, "x2/iter"), (30, "x3/100 iter"), (1, "x1/1000 iter")];
        for (times, size) in table {
            let mut finding = finding(0, 0.0, 0.0);
            finding.check = CheckKind::ResourceLeak;
            finding.objects = times;
            finding.severity = Severity::Warning;
            let row = observed(&finding, Policy::Auto).row.to_string();
            assert_eq!(row, format!("resource_leak|WARNING|TopMemoryContext|{size}|linear|buggy"));
            assert_eq!(observed(&finding, Policy::Bucket).row.to_string(), row);
        }
    }

    #[test]
    fn sizes_of_what_the_server_lays_out_are_ranges() {
        let traced = |path: &[&str], check| {
            let mark = |n: u64| MarkPoint { iteration: n * 100, used: n * 25_600, objects: n * 100 };
            let site = Some(crate::Site::numbered(crate::census::SiteId(1)));
            let path = ContextPath::new(path.iter().copied());
            Finding { check, path, site, marks: (1..=4).map(mark).collect(), ..finding(76_800, 256.0, 1.0) }
        };
        let table = [
            (
                &["ExecutorState"][..],
                CheckKind::QueryBloat,
                "query_bloat|INFO/WARNING|ExecutorState|256 x1/row|linear|buggy",
            ),
            (
                &["SPI Proc", "SPI TupTable"],
                CheckKind::QueryBloat,
                "query_bloat|INFO/WARNING|SPI Proc/SPI TupTable|256B..512B x1/row|linear|buggy",
            ),
            (
                &["SPI Plan"],
                CheckKind::ContextLeak,
                "context_leak|INFO/WARNING|SPI Plan|256B..512B x1/iter|linear|buggy",
            ),
        ];
        for (path, check, line) in table {
            assert_eq!(observed(&traced(path, check), Policy::Auto).row.to_string(), line);
        }
    }
}
