//! What two runs have found, against each other: what is new, gone, worse, better.
//!
//! Either side may be results, a JSON report, or the goldens of a commit; of goldens there is no more than their rows.

mod page;
pub mod record;
pub mod saved;
mod show;
mod side;
#[cfg(test)]
mod tests;
mod trend;
mod words;

use memcheck_core::Severity;

pub use show::{FORMATS, Format, show, show_trend};
pub use side::{Side, SideError};
pub use trend::{Course, Trend, trend};

/// How much two measurements may differ and be the same: what is not exact moves a little from run to run.
const SAME: f64 = 0.05;

/// A violation on one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// The case, with the version where its side has several.
    pub case: String,
    /// The scenario or permutation.
    pub title: String,
    /// The check, with the session and the phase where it has them, as goldens have it.
    pub check: String,
    /// What it is found in.
    pub subject: String,
    /// The library.
    pub library: String,
    /// How bad it is; none where the golden does not say.
    pub severity: Option<Severity>,
    /// How much per iteration or row, as goldens have it.
    pub size: String,
    /// Measured bytes per iteration; none where only a golden is known, or where nothing is measured.
    pub bytes_per_iter: Option<f64>,
    /// The function, where it is known.
    pub function: Option<String>,
}

/// What has become of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was not there.
    New,
    /// It is more severe, or larger.
    Worse,
    /// It is less severe, or smaller.
    Better,
    /// It is not there any more.
    Gone,
    /// It is as it was.
    Unchanged,
}

impl Change {
    /// All, the worst first.
    pub const ALL: [Change; 5] = [Change::New, Change::Worse, Change::Better, Change::Gone, Change::Unchanged];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::New => "new",
            Change::Worse => "worse",
            Change::Better => "better",
            Change::Gone => "gone",
            Change::Unchanged => "unchanged",
        }
    }
}

/// A violation that is on one side or on both.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What has become of it.
    pub change: Change,
    /// As it was.
    pub old: Option<Violation>,
    /// As it is.
    pub new: Option<Violation>,
}

impl Compared {
    /// As it is, or was.
    pub fn shown(&self) -> &Violation {
        self.new.as_ref().or(self.old.as_ref()).expect("it is on one side")
    }

    /// By how much it has grown.
    pub fn ratio(&self) -> Option<f64> {
        let bytes = |side: &Option<Violation>| side.as_ref().and_then(|violation| violation.bytes_per_iter);
        let (old, new) = (bytes(&self.old)?, bytes(&self.new)?);
        (old > 0.0).then(|| new / old)
    }
}

/// Both sides.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// In the order of the cases, those of the new side first.
    pub all: Vec<Compared>,
    /// Cases and scenarios that only the old side has: what was found there is not gone, but was not looked for.
    pub not_looked_for: Vec<String>,
    /// Those that only the new side has: what was found there may have been there before.
    pub not_looked_for_before: Vec<String>,
}

impl Comparison {
    /// Those of which something has become.
    pub fn of(&self, change: Change) -> impl Iterator<Item = &Compared> {
        self.all.iter().filter(move |compared| compared.change == change)
    }

    /// Whether something is new or worse.
    pub fn is_worse(&self) -> bool {
        self.all.iter().any(|compared| matches!(compared.change, Change::New | Change::Worse))
    }
}

/// Compares two sides. Where one does not tell versions apart, neither does the other.
pub fn compare(old: &Side, new: &Side) -> Comparison {
    if old.has_versions() != new.has_versions() {
        return compare_each(&old.without_versions(), &new.without_versions());
    }
    compare_each(old, new)
}

fn compare_each(old: &Side, new: &Side) -> Comparison {
    let mut found = Comparison::default();
    let titles = |side: &Side, other: &Side| -> Vec<String> {
        side.looked_at
            .iter()
            .filter(|one| !other.looked_at.contains(*one))
            .map(|(case, title)| format!("{case}: {title}"))
            .collect()
    };
    found.not_looked_for = titles(old, new);
    found.not_looked_for_before = titles(new, old);
    let mut left: Vec<Option<&Violation>> = old.violations.iter().map(Some).collect();
    for violation in &new.violations {
        let before = partner(violation, &left).and_then(|position| left[position].take());
        let change = before.map_or(Change::New, |before| change(before, violation));
        found.all.push(Compared { change, old: before.cloned(), new: Some(violation.clone()) });
    }
    let gone = left.into_iter().flatten().filter(|violation| new.has_looked_at(violation));
    found.all.extend(gone.map(|violation| Compared { change: Change::Gone, old: Some(violation.clone()), new: None }));
    found
}

/// The violation that is the same one: that of the same function where both have one, else that of the nearest size.
fn partner(violation: &Violation, others: &[Option<&Violation>]) -> Option<usize> {
    let key = |violation: &Violation| {
        [&violation.case, &violation.title, &violation.check, &violation.subject, &violation.library].map(String::clone)
    };
    let wanted = key(violation);
    let distance = |other: &Violation| match (&violation.function, &other.function) {
        (Some(a), Some(b)) if a != b => None,
        (Some(_), Some(_)) => Some((0, size_distance(violation, other))),
        _ => Some((1, size_distance(violation, other))),
    };
    let fitting = others.iter().enumerate().filter_map(|(position, other)| {
        let other = (*other)?;
        (key(other) == wanted).then(|| distance(other))?.map(|distance| (distance, position))
    });
    let nearest = fitting.min_by(|((a, x), _), ((b, y), _)| a.cmp(b).then(x.total_cmp(y)));
    nearest.map(|(_, position)| position)
}

fn size_distance(a: &Violation, b: &Violation) -> f64 {
    match (a.bytes_per_iter, b.bytes_per_iter) {
        _ if a.size == b.size => 0.0,
        (Some(x), Some(y)) => (x.max(1.0) / y.max(1.0)).ln().abs(),
        _ => 1.0,
    }
}

/// What has become of a violation that is on both sides.
fn change(old: &Violation, new: &Violation) -> Change {
    let by_severity = match (old.severity, new.severity) {
        (Some(old), Some(new)) if old != new => Some(if new > old { Change::Worse } else { Change::Better }),
        _ => None,
    };
    let by_size = || match (old.bytes_per_iter, new.bytes_per_iter) {
        _ if old.size == new.size => Change::Unchanged,
        (Some(x), Some(y)) if y > x * (1.0 + SAME) => Change::Worse,
        (Some(x), Some(y)) if y < x * (1.0 - SAME) => Change::Better,
        _ => Change::Unchanged,
    };
    by_severity.unwrap_or_else(by_size)
}
