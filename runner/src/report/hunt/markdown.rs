//! A section for each bug, and figures.

use super::super::markdown::{fence, text as plain};
use super::whole::HuntReport;
use crate::hunt::record::{BugRecord, HuntRecord, ReasonRecord};

/// The document.
pub(super) fn text(report: &HuntReport) -> String {
    let mut out = format!("## mcspec hunt: {}\n\n", report.headline());
    if let Some(error) = &report.error {
        let hint = error.hint.iter().map(|hint| format!("\nHINT:  {hint}"));
        let lines: String = std::iter::once(error.message.clone()).chain(hint).collect();
        out += &code("text", &lines);
    }
    if !report.hunts.is_empty() {
        out += "| extension | PostgreSQL | called | calls | executions | new | known | time |\n";
        out += "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
    }
    for hunt in &report.hunts {
        let HuntRecord { subjects, called, calls, executions, .. } = hunt;
        let name = plain(&format!("{} {}", hunt.extension, hunt.version));
        let (server, new, known) = (plain(&hunt.server), hunt.bugs.len(), hunt.known.len());
        let seconds = hunt.elapsed_ms / 1000;
        out += &format!(
            "| {name} | {server} | {called} of {subjects} | {calls} | {executions} | {new} | {known} | {seconds} s |\n"
        );
    }
    report.hunts.iter().for_each(|hunt| out += &of_hunt(hunt));
    out
}

fn of_hunt(hunt: &HuntRecord) -> String {
    let mut out: String = hunt.bugs.iter().map(of_bug).collect();
    let known = hunt.known.iter().map(|bug| format!("known: {} in {}, {}", bug.kind, bug.place, bug.spec));
    let reason = |what: &str, reason: &ReasonRecord| format!("{what} {}: {}", reason.title(), reason.why);
    let aside = hunt.set_aside.iter().map(|one| reason("set aside:", one));
    let not_called = hunt.not_called.iter().map(|one| reason("not called:", one));
    let passing = hunt.passing.iter().map(|words| format!("seen once and not again: {words}"));
    let left_out = hunt.left_out.lines().into_iter().map(|line| format!("left out: {line}"));
    let interrupted = hunt.interrupted.then(|| "interrupted before its time was over".to_owned());
    let items = known.chain(passing).chain(aside).chain(not_called).chain(left_out).chain(interrupted);
    let items: String = items.map(|item| format!("* {}\n", plain(&item))).collect();
    if !items.is_empty() {
        out += &format!("\n### {}: what else there is to know\n\n{items}", plain(&hunt.extension));
    }
    out
}

fn of_bug(bug: &BugRecord) -> String {
    let mut out = format!("\n### {}: {}\n\n", plain(&bug.subject), plain(&bug.words));
    if !bug.place.is_empty() {
        out += &format!("In {}.\n\n", plain(&bug.place));
    }
    out += &bug.source.iter().map(|source| code("text", source)).collect::<String>();
    let statements = bug.setup.iter().chain(&bug.workload).chain(&bug.teardown);
    let statements: Vec<String> = statements.map(|sql| format!("{sql};")).collect();
    out += &code("sql", &statements.join("\n"));
    out += &bug.shown.iter().map(|shown| format!("{}\n\n", plain(shown))).collect::<String>();
    out += &format!("{}\n", plain(&bug.spec));
    out
}

fn code(language: &str, text: &str) -> String {
    let fence = fence(text);
    format!("{fence}{language}\n{text}\n{fence}\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn nothing_is_taken_for_markup() {
        let text = super::text(&report());
        for expected in [
            "## mcspec hunt: 2 new bugs in 1 extension",
            "| odd 1.0 | 15.20 | 0 of 7 | 12 | 3456 | 2 | 0 | 3 s |",
            "In lose\\<T\\>, /w/src/odd.c:46.",
            "SELECT odd('<b>|`');",
            "* set aside: handler(): the server calls it",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }
}
