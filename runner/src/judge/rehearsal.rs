//! The two runs of a permutation told apart: both begin with sessions that have nothing, so both tell the same.
//!
//! What is told is what isolationtester prints: more than a golden holds. Otherwise a run in which steps do something else than in
//! the first one - in which they fail, say, because something is still there - would count as checked.

use std::sync::LazyLock;

use regex::Regex;
use similar::TextDiff;

use super::Fault;
use crate::exec::happening::{Happening, Outcome};
use crate::exec::outcome::PermutationRun;
use crate::golden;
use crate::plan::Case;

/// What is another each time: a time of day with a fraction of a second or a date before it.
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"\d\d:\d\d:\d\d";
    Regex::new(&format!(r"\d{{4}}-\d\d-\d\d[ T]{time}(\.\d+)?([+-]\d\d(:?\d\d)?)?|{time}\.\d+")).expect("a constant")
});

/// The first run of a permutation of which the part that is checked differs from its warm-up.
pub(super) fn differs(case: &Case, title: &str, runs: &[PermutationRun]) -> Option<Fault> {
    runs.iter().find_map(|run| {
        let (first, second) = (told(case, &run.warm_up), told(case, &run.happenings));
        (first != second)
            .then(|| Fault::NotRepeated { title: title.to_owned(), difference: difference(&first, &second) })
    })
}

fn difference(first: &str, second: &str) -> String {
    let diff = TextDiff::from_lines(first, second);
    diff.iter_all_changes().map(|change| format!("{} {change}", change.tag())).collect()
}

/// What is told of a run: its steps, then what each of them came to, then what each session was told besides. When a notice comes
/// is not told, since sessions raise theirs at the same time.
fn told(case: &Case, happenings: &[Happening]) -> String {
    let plan = &case.sessions;
    let same = |text: &str| {
        let text = TIME.replace_all(text, "TIME").into_owned();
        case.normalize.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, with).into_owned())
    };
    let mut lines = golden::trace(plan, happenings);
    if happenings.iter().any(|happening| matches!(happening, Happening::Cancelled { .. })) {
        // How far a step came until its time was up is nobody's doing.
        return lines.into_iter().map(|line| line + "\n").collect();
    }
    let mut of_sessions = vec![Vec::new(); plan.sessions.len()];
    let mut step = String::new();
    for happening in happenings {
        match happening {
            Happening::Completed { step: completed, .. } => step = plan.steps[*completed].name.clone(),
            Happening::Outcome(Outcome::Rows(table)) => {
                lines.extend(table.rows.iter().map(|row| {
                    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or_default()).collect();
                    same(&format!("{step}: {}", values.join("|")))
                }));
                lines.extend((table.more > 0).then(|| format!("{step}: and {} more rows", table.more)));
            }
            Happening::Outcome(Outcome::Failed(error)) => lines.push(same(&format!("{step}: {}", error.message))),
            Happening::Notice { session, notice } => {
                let name = &plan.sessions[*session].name;
                of_sessions[*session].push(same(&format!("{name}: {}:  {}", notice.severity, notice.message)));
            }
            Happening::Notified { session, notification, .. } => {
                let name = &plan.sessions[*session].name;
                of_sessions[*session].push(same(&format!("{name}: {} {}", notification.channel, notification.payload)));
            }
            _ => {}
        }
    }
    lines.into_iter().chain(of_sessions.into_iter().flatten()).map(|line| line + "\n").collect()
}
