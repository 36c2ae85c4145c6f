//! Why nothing was run: no server, no build, a spec that cannot be read.

use crate::plan::Problem;

/// Why nothing was run.
#[derive(Debug, Clone)]
pub struct NotRun {
    /// What is wrong, in a line or more.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What is wrong with specs, each at its place.
    pub problems: Vec<Problem>,
    /// As what the process ends.
    pub exit: u8,
}

impl NotRun {
    /// What is wrong, in the first line of it.
    pub(super) fn headline(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    /// All there is to say, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        let problems = self.problems.iter().flat_map(problem);
        let hint = self.hint.iter().map(|hint| format!("HINT:  {hint}"));
        problems.chain(self.message.lines().map(str::to_owned)).chain(hint).collect()
    }
}

/// A problem with its place and what to do about it, line by line.
pub(super) fn problem(problem: &Problem) -> Vec<String> {
    let hint = problem.diagnostic.hint.iter().map(|hint| format!("HINT:  {hint}"));
    std::iter::once(format!("{}: {}", problem.place(), problem.diagnostic.message)).chain(hint).collect()
}
