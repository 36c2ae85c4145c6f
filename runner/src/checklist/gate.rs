//! What is required, and whether it is there.

use super::{Checklist, Requirement, Score, missing};
use crate::config;
use crate::report::json::RunReport;

/// All of them, those that are always required first.
pub(super) fn requirements(
    list: &Checklist,
    report: &RunReport,
    required: &config::Checklist,
    all: &[String],
    today: &str,
) -> Vec<Requirement> {
    let statuses = |status: &str| list.exceptions.iter().filter(|exception| exception.status == status).count();
    let failed = statuses("failed") + statuses("unsupported") + statuses("interrupted") + statuses("not run");
    let expired: Vec<&str> = list
        .allowed
        .iter()
        .filter(|allowed| allowed.until.as_deref().is_some_and(|until| until <= today))
        .map(|allowed| allowed.at.as_str())
        .collect();
    let incomplete = list.specs.is_empty() || report.cases.iter().any(|case| !case.not_run.is_empty());
    let absent: Vec<String> =
        required.pg.iter().filter(|major| !ran_on(list, **major)).map(|major| format!("PostgreSQL {major}")).collect();
    let missing = missing(report, all);
    let worst = list.growth.first();
    vec![
        holds("specs have run", !list.specs.is_empty(), count(list.specs.len(), "spec")),
        holds(
            "no spec fails or could not be run",
            failed == 0,
            none_of(failed, "spec", "does not pass", "do not pass"),
        ),
        holds(
            "each scenario was begun",
            !incomplete,
            if incomplete { "some were not".into() } else { "all were".into() },
        ),
        holds(
            "what is allowed is still allowed",
            expired.is_empty(),
            if expired.is_empty() { "nothing has expired".into() } else { format!("expired: {}", expired.join(", ")) },
        ),
        Requirement {
            what: match required.pg.as_slice() {
                [] => "servers".to_owned(),
                majors => format!("specs have run on {}", listed(majors)),
            },
            found: match absent.as_slice() {
                [] => listed(&list.servers.iter().map(|server| server.major).collect::<Vec<_>>()),
                absent => format!("none on {}", absent.join(", ")),
            },
            holds: (!required.pg.is_empty()).then_some(absent.is_empty()),
        },
        Requirement {
            what: "each spec of the schedule has run".to_owned(),
            found: match missing.as_slice() {
                [] => "all have".to_owned(),
                [name] => format!("{name} has not"),
                [name, rest @ ..] => format!("{name} and {} more have not", rest.len()),
            },
            holds: required.every_spec.then_some(missing.is_empty()),
        },
        at_most("specs fail as expected", "xfail", statuses("expected failure"), required.xfail),
        at_most("specs were skipped", "skipped", statuses("skipped"), required.skipped),
        at_most(
            "violations are allowed",
            "allowed",
            list.allowed.iter().map(|allowed| allowed.rows.len()).sum(),
            required.allowed,
        ),
        Requirement {
            what: match required.growth {
                Some(most) => format!("no place grows by more than {} in an iteration", bytes(most as f64)),
                None => "worst growth in an iteration".to_owned(),
            },
            found: worst.map_or("nothing grows".to_owned(), |worst| {
                format!("{} in {}", bytes(worst.bytes_per_iter), worst.site.as_ref().unwrap_or(&worst.context))
            }),
            holds: required.growth.map(|most| worst.is_none_or(|worst| worst.bytes_per_iter <= most as f64)),
        },
        goldens(list, required),
        score("places that allocate were reached", "mcspec run --coverage", list.coverage.as_ref(), required.coverage),
        score("dropped calls that free were caught", "mcspec mutate", list.mutation.as_ref(), required.mutation),
    ]
}

/// Whether all parts of a run are there.
pub(super) fn whole(is_incomplete: bool) -> Requirement {
    holds(
        "results are whole",
        !is_incomplete,
        if is_incomplete { "parts of the run are not there" } else { "they are" }.into(),
    )
}

fn ran_on(list: &Checklist, major: u32) -> bool {
    list.servers.iter().any(|server| server.major == major)
}

fn holds(what: &str, holds: bool, found: String) -> Requirement {
    Requirement { what: what.to_owned(), found, holds: Some(holds) }
}

fn at_most(what: &str, key: &str, found: usize, most: Option<u32>) -> Requirement {
    Requirement {
        what: match most {
            Some(most) => format!("at most {most} {what} ({key})"),
            None => what.to_owned(),
        },
        found: found.to_string(),
        holds: most.map(|most| found as u64 <= u64::from(most)),
    }
}

fn goldens(list: &Checklist, required: &config::Checklist) -> Requirement {
    let since = list.goldens.as_ref().map_or(String::new(), |goldens| format!(" since {}", goldens.since));
    Requirement {
        what: match required.goldens {
            Some(most) => format!("at most {most} goldens have changed{since}"),
            None => format!("goldens have changed{since}"),
        },
        found: match &list.goldens {
            Some(goldens) => goldens.count().to_string(),
            None => "not known: there is no tag".to_owned(),
        },
        holds: required
            .goldens
            .map(|most| list.goldens.as_ref().is_some_and(|goldens| goldens.count() as u64 <= u64::from(most))),
    }
}

fn score(what: &str, command: &str, score: Option<&Score>, least: Option<u32>) -> Requirement {
    Requirement {
        what: match least {
            Some(least) => format!("at least {least}% of the {what}"),
            None => what.to_owned(),
        },
        found: match score {
            Some(score) => format!("{:.1}% ({} of {})", score.percent, score.count, score.of),
            None => format!("not measured: {command}"),
        },
        holds: least.map(|least| score.is_some_and(|score| score.percent >= f64::from(least))),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn none_of(number: usize, what: &str, one: &str, more: &str) -> String {
    match number {
        0 => "none does".to_owned(),
        1 => format!("1 {what} {one}"),
        number => format!("{number} {what}s {more}"),
    }
}

/// `15, 16 and 18`
fn listed(majors: &[u32]) -> String {
    let mut majors: Vec<String> = majors.iter().map(u32::to_string).collect();
    majors.dedup();
    match majors.as_slice() {
        [] => "none".to_owned(),
        _ => crate::language::suggest::join_all(&majors),
    }
}

/// A size as people write it, with a unit from 10 of it on.
pub(super) fn bytes(bytes: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0)];
    match UNITS.into_iter().find(|(_, size)| bytes >= 10.0 * size || (bytes >= *size && bytes % size == 0.0)) {
        Some((unit, size)) => format!("{:.0} {unit}", bytes / size),
        None if bytes.fract() == 0.0 => format!("{bytes:.0} B"),
        None => format!("{bytes:.1} B"),
    }
}
