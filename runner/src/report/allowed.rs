//! What is known and allowed, and what is allowed in vain.

use std::sync::Arc;

use memcheck_core::golden::row::Observed;

use super::line::{Line, Tone};
use super::origin;
use crate::judge::{Use, Verdict};
use crate::plan::Allowance;
use crate::results::Known;

/// What a clause allows in a case.
pub(super) struct Group<'v> {
    pub(super) by: &'v Known,
    /// What it allows, each with the scenario or permutation.
    pub(super) found: Vec<(&'v str, &'v Observed)>,
}

impl Group<'_> {
    /// How many violations those are.
    pub(super) fn violations(&self) -> u64 {
        self.found.iter().map(|(_, observed)| observed.row.times).sum()
    }

    /// `1 violation is allowed until 2027-01-01: cache, see #12`
    pub(super) fn headline(&self) -> String {
        let violations = match self.violations() {
            1 => "1 violation is allowed".to_owned(),
            number => format!("{number} violations are allowed"),
        };
        let until = self.by.until.as_ref().map_or(String::new(), |until| format!(" until {until}"));
        format!("{violations}{until}: {}", self.by.because)
    }

    /// What they are and where they were allocated.
    pub(super) fn details(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut said = "";
        for (title, observed) in &self.found {
            if *title != said {
                lines.push(Line::new(Tone::Plain, 4, title));
                said = title;
            }
            lines.push(Line::new(Tone::Plain, 4, format!("  {}", observed.row)));
            lines.extend(origin::of(observed, 6));
        }
        lines
    }
}

/// What is allowed in a case, clause by clause.
pub(super) fn groups(verdict: &Verdict) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for seen in &verdict.seen {
        for allowed in &seen.allowed {
            let found = (seen.title.as_str(), &allowed.observed);
            match groups.iter_mut().find(|group| *group.by == allowed.by) {
                Some(group) => group.found.push(found),
                None => groups.push(Group { by: &allowed.by, found: vec![found] }),
            }
        }
    }
    groups
}

/// What is allowed in a case, in lines.
pub(super) fn lines(verdict: &Verdict) -> Vec<Line> {
    let of = |group: &Group| {
        let Known { file, line, column, .. } = group.by;
        let headline = format!("{file}:{line}:{column}: {}", group.headline());
        std::iter::once(Line::new(Tone::Allowed, 2, headline)).chain(group.details()).collect::<Vec<_>>()
    };
    groups(verdict).iter().flat_map(of).collect()
}

/// The clauses that allow something no more which was found.
pub(super) fn over(verdict: &Verdict) -> impl Iterator<Item = &Arc<Allowance>> {
    verdict.allowances.iter().filter(|one| one.is_used && one.allowance.is_over).map(|one| &one.allowance)
}

/// `"allow" is over since 2027-01-01: cache, see #12`
pub(super) fn is_over(allowance: &Allowance) -> String {
    let since = allowance.until.map_or(String::new(), |until| format!(" since {until}"));
    format!("\"allow\" is over{since}: {}", allowance.because)
}

/// The clauses of a run, as far as its cases are over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Allowances {
    /// Each with whether it was used, and whether all cases were run that it is for.
    seen: Vec<(Arc<Allowance>, bool, bool)>,
}

impl Allowances {
    /// Counts one more case.
    pub(super) fn count(&mut self, verdict: &Verdict) {
        for Use { allowance, is_used, is_unused } in &verdict.allowances {
            let is_whole = *is_used || *is_unused;
            match self.seen.iter_mut().find(|(other, ..)| other.place == allowance.place) {
                Some((_, was_used, was_whole)) => {
                    *was_used |= is_used;
                    *was_whole &= is_whole;
                }
                None => self.seen.push((Arc::clone(allowance), *is_used, is_whole)),
            }
        }
    }

    /// Those that were of no use.
    pub(super) fn unused(&self) -> impl Iterator<Item = &Arc<Allowance>> {
        self.seen.iter().filter(|(_, is_used, is_whole)| *is_whole && !is_used).map(|(allowance, ..)| allowance)
    }
}

/// `"allow" is about nothing that was found`
pub(super) fn is_unused(allowance: &Allowance) -> String {
    let over = if allowance.is_over { ", and over" } else { "" };
    format!("\"allow\" is about nothing that was found{over}: {}", allowance.because)
}
