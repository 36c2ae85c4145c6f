//! What a window has to show.

use crate::census::{PathId, PathTable};
use crate::judge::mark::Mark;
use crate::judge::peak::Rung;
use crate::judge::rules::Rules;
use crate::judge::workers::Places;

/// What is judged.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// The paths that the marks speak of.
    pub paths: &'a PathTable,
    /// The marks in order, the first being the state the window starts from. With fewer than two there is nothing to find.
    pub marks: &'a [Mark],
    /// The steps of a ladder; none in scenarios without.
    pub ladder: &'a [Rung],
    /// What is reported.
    pub rules: &'a Rules,
    /// What is known of sites; none where allocations are not traced.
    pub places: Option<&'a dyn Places>,
}

impl Evidence<'_> {
    /// What it takes to judge it (bytes), about: a curve of each path and of each site there, and a finding for each of them.
    pub fn bytes(&self) -> usize {
        const POINT: usize = 128;
        const FINDING: usize = 2048;
        let curves = self.marks.iter().map(|mark| mark.census.curves() + mark.leftovers.curves()).max().unwrap_or(0);
        let peaks = self.ladder.iter().map(|rung| rung.peaks.len()).max().unwrap_or(0);
        curves * (self.marks.len() * POINT + FINDING) + peaks * (self.ladder.len() * POINT + FINDING)
    }

    /// Whether contexts with this path may grow.
    pub fn allows(&self, path: PathId) -> bool {
        self.rules.filter.allows(&self.paths.path(path))
    }
}
