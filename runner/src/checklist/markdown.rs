//! The list as Markdown, for a release or an issue.

use std::fmt::Write;

use super::gate::bytes;
use super::{Checklist, Goldens};

/// Text of any kind in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;").replace('`', "'")
}

/// A name as code in a cell; nothing where there is none.
fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace(['\n', '\r'], " "))
    }
}

fn table(out: &mut String, title: &str, head: &[&str], rows: Vec<Vec<String>>, nothing: &str) {
    // Writing to a string does not fail.
    let _ = write!(out, "\n## {title}\n\n");
    if rows.is_empty() {
        let _ = writeln!(out, "{nothing}");
        return;
    }
    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

/// The whole list.
pub fn markdown(list: &Checklist) -> String {
    let verdict =
        if list.holds { "everything that is required is there" } else { "**something that is required is missing**" };
    let mut out = format!("# Release checklist\n\nBy mcspec {}: {verdict}.\n\n", cell(&list.mcspec));
    for requirement in &list.requirements {
        let mark = match requirement.holds {
            Some(true) => "- [x] ",
            Some(false) => "- [ ] ",
            None => "- not required: ",
        };
        let _ = writeln!(out, "{mark}{}: {}", cell(&requirement.what), cell(&requirement.found));
    }
    let extensions = list.extensions.iter().map(|one| vec![code(&one.name), cell(&one.versions.join(", "))]).collect();
    table(&mut out, "Extensions", &["extension", "version"], extensions, "None was created.");
    let libraries = list.libraries.iter().flat_map(|library| {
        library.builds.iter().map(|(major, build)| vec![code(&library.name), major.to_string(), code(build)])
    });
    table(&mut out, "Libraries", &["library", "for", "build ID"], libraries.collect(), "None is known.");
    let servers = list.servers.iter().map(|server| {
        let assertions = if server.assertions { "on" } else { "off" };
        vec![
            server.major.to_string(),
            cell(&server.version),
            assertions.to_owned(),
            cell(&server.engine),
            server.specs.to_string(),
        ]
    });
    table(&mut out, "Servers", &["", "version", "assertions", "engine", "specs"], servers.collect(), "There was none.");
    specs(&mut out, list);
    let growth = list.growth.iter().map(|growth| {
        let allowed = if growth.is_allowed { "yes" } else { "" };
        vec![
            bytes(growth.bytes_per_iter),
            code(growth.site.as_deref().unwrap_or_default()),
            code(&growth.library),
            code(&growth.context),
            cell(growth.shape.as_deref().unwrap_or_default()),
            format!("{}, {}", code(&growth.spec), code(&growth.scenario)),
            allowed.to_owned(),
        ]
    });
    let head = ["per iteration", "place", "library", "context", "shape", "measured in", "allowed"];
    table(&mut out, "Worst growth", &head, growth.collect(), "Nothing grows.");
    let allowed = list.allowed.iter().map(|allowed| {
        let rows: Vec<String> = allowed.rows.iter().map(|row| code(row.trim())).collect();
        vec![cell(&allowed.because), cell(allowed.until.as_deref().unwrap_or("")), code(&allowed.at), rows.join("<br>")]
    });
    let head = ["because", "until", "written in", "violations"];
    table(&mut out, "Allowed violations", &head, allowed.collect(), "None was found.");
    goldens(&mut out, list.goldens.as_ref());
    let exceptions = list
        .exceptions
        .iter()
        .map(|exception| vec![code(&exception.spec), cell(&exception.status), cell(&exception.reason)]);
    table(&mut out, "Specs that did not pass", &["spec", "", "why"], exceptions.collect(), "All passed.");
    let not_checked = list.not_checked.iter().map(|line| {
        let specs: Vec<String> = line.specs.iter().filter(|spec| !spec.is_empty()).map(|spec| code(spec)).collect();
        vec![code(&line.what), cell(&line.reason), specs.join(", ")]
    });
    table(&mut out, "Not checked", &["what", "why", "specs"], not_checked.collect(), "Everything was looked at.");
    out
}

/// A line a spec, a column a version.
fn specs(out: &mut String, list: &Checklist) {
    let mut majors: Vec<u32> = list.specs.iter().flat_map(|spec| spec.verdicts.keys().copied()).collect();
    majors.sort_unstable();
    majors.dedup();
    let names: Vec<String> = majors
        .iter()
        .map(|major| if *major == 0 { "not run".to_owned() } else { format!("PostgreSQL {major}") })
        .collect();
    let head: Vec<&str> = ["spec"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .chain(["scenarios", "violations recorded"])
        .collect();
    let rows = list.specs.iter().map(|spec| {
        let verdicts = majors.iter().map(|major| cell(spec.verdicts.get(major).map_or("", String::as_str)));
        let violations: usize = spec.scenarios.values().sum();
        let numbers = [spec.scenarios.len().to_string(), violations.to_string()];
        [code(&spec.name)].into_iter().chain(verdicts).chain(numbers).collect()
    });
    table(out, "Specs", &head, rows.collect(), "None has run.");
}

fn goldens(out: &mut String, goldens: Option<&Goldens>) {
    let Some(goldens) = goldens else {
        let _ = write!(out, "\n## Goldens\n\nThere is no tag of git to compare them with.\n");
        return;
    };
    let kinds = [("new", &goldens.added), ("changed", &goldens.changed), ("gone", &goldens.removed)];
    let rows =
        kinds.into_iter().flat_map(|(kind, files)| files.iter().map(move |file| vec![code(file), kind.to_owned()]));
    let title = format!("Goldens since {}", cell(&goldens.since));
    table(out, &title, &["golden", ""], rows.collect(), "They are the same.");
}
