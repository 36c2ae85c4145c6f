//! Comparisons and trends for programs: what `mcspec compare --report json` writes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Compared, Comparison, Course, Side, Trend, Violation};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// Two runs against each other.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparisonRecord {
    /// Format of this record.
    pub format: u32,
    /// What was.
    pub old: String,
    /// What is.
    pub new: String,
    /// Whether something is new or worse.
    pub worse: bool,
    /// What either of them has found.
    pub findings: Vec<ComparedRecord>,
    /// Scenarios that the new one did not look at any more.
    pub not_looked_at_any_more: Vec<String>,
    /// Scenarios that the old one had not looked at.
    pub not_looked_at_before: Vec<String>,
}

impl ComparisonRecord {
    /// The record of this.
    pub fn new(comparison: &Comparison, old: &Side, new: &Side) -> Self {
        ComparisonRecord {
            format: FORMAT,
            old: old.name.clone(),
            new: new.name.clone(),
            worse: comparison.is_worse(),
            findings: comparison.all.iter().map(ComparedRecord::from).collect(),
            not_looked_at_any_more: comparison.not_looked_for.clone(),
            not_looked_at_before: comparison.not_looked_for_before.clone(),
        }
    }
}

/// A violation that one of them has found, or both.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparedRecord {
    /// `new`, `worse`, `unchanged`, `better` or `gone`.
    pub change: String,
    /// The spec.
    pub case: String,
    /// The scenario.
    pub scenario: String,
    /// The kind of violation.
    pub check: String,
    /// The context, or what else it is about.
    pub subject: String,
    /// The library.
    pub library: String,
    /// How much more it is than it was; none where that is not known.
    pub ratio: Option<f64>,
    /// As it was; none where it was not found.
    pub old: Option<SizeRecord>,
    /// As it is; none where it was not found.
    pub new: Option<SizeRecord>,
}

impl From<&Compared> for ComparedRecord {
    fn from(compared: &Compared) -> Self {
        let violation = compared.shown();
        ComparedRecord {
            change: compared.change.as_str().to_owned(),
            case: violation.case.clone(),
            scenario: violation.title.clone(),
            check: violation.check.clone(),
            subject: violation.subject.clone(),
            library: violation.library.clone(),
            ratio: compared.ratio(),
            old: compared.old.as_ref().map(SizeRecord::from),
            new: compared.new.as_ref().map(SizeRecord::from),
        }
    }
}

/// How large a violation is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SizeRecord {
    /// Its severity, where it is known.
    pub severity: Option<String>,
    /// As goldens have it.
    pub size: String,
    /// Bytes for each iteration, where they are known.
    pub bytes_per_iter: Option<f64>,
    /// The function that has allocated, where it is known.
    pub function: Option<String>,
}

impl From<&Violation> for SizeRecord {
    fn from(violation: &Violation) -> Self {
        SizeRecord {
            severity: violation.severity.map(|severity| severity.as_str().to_owned()),
            size: violation.size.clone(),
            bytes_per_iter: violation.bytes_per_iter,
            function: violation.function.clone(),
        }
    }
}

/// Several runs in a row.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TrendRecord {
    /// Format of this record.
    pub format: u32,
    /// The runs, the oldest first.
    pub runs: Vec<String>,
    /// What they have found.
    pub findings: Vec<CourseRecord>,
}

impl From<&Trend> for TrendRecord {
    fn from(trend: &Trend) -> Self {
        let findings = trend.courses.iter().map(CourseRecord::from).collect();
        TrendRecord { format: FORMAT, runs: trend.names.clone(), findings }
    }
}

/// A violation over the runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CourseRecord {
    /// The spec.
    pub case: String,
    /// The scenario.
    pub scenario: String,
    /// The kind of violation.
    pub check: String,
    /// The context, or what else it is about.
    pub subject: String,
    /// The library.
    pub library: String,
    /// The function that has allocated, where it is known.
    pub function: Option<String>,
    /// Bytes for each iteration in each run: 0 where it was looked for and not found, none where it was not looked for.
    pub sizes: Vec<Option<f64>>,
    /// How much more the last is than the first; none where that is not known.
    pub ratio: Option<f64>,
}

impl From<&Course> for CourseRecord {
    fn from(course: &Course) -> Self {
        let violation = &course.violation;
        CourseRecord {
            case: violation.case.clone(),
            scenario: violation.title.clone(),
            check: violation.check.clone(),
            subject: violation.subject.clone(),
            library: violation.library.clone(),
            function: violation.function.clone(),
            sizes: course.sizes.clone(),
            ratio: course.ratio(),
        }
    }
}
