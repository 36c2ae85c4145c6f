//! What is written of a bug: a spec that shows it, and the text of a report to those who maintain the extension.

use std::fmt::Write;

use memcheck_core::ScenarioKind;

use super::excerpt::excerpt;
use super::found::{Bug, Stock, Wrong};
use super::script::{Head, WARMUP, scenario};
use super::shape::compared;
use crate::language::{SourceFile, format};

/// A name for the spec of a bug: the extension, what is called, and what is wrong.
pub fn name(extension: &str, bug: &Bug) -> String {
    let plain = |text: &str| crate::init::calls::plain(text);
    let what = bug.what.split('(').next().unwrap_or_default();
    format!("{}_{}_{}", plain(extension), plain(what), plain(&bug.wrong.key("").0))
}

/// The spec, laid out as `mcspec fmt` does. It is expected to fail until the bug is mended.
pub fn spec(head: &Head, bug: &Bug, day: &str) -> String {
    let title = format!("{}: {}", bug.what, bug.wrong.key("").0);
    let mut text = format!("# {}\n", one_line(&bug.wrong.words()));
    let place = bug.wrong.place();
    if !place.is_empty() {
        let _ = writeln!(text, "# in {}", one_line(&place));
    }
    if let Some(line) = shown(bug) {
        let _ = writeln!(text, "# {}", one_line(&line));
    }
    let _ = writeln!(text, "#\n# Once that is mended this spec passes: then the line with \"xfail\" is to go.");
    let _ = writeln!(text, "title '{}'", one_line(&title).replace('\'', "''"));
    text += &head.text();
    let _ = writeln!(text, "xfail 'found by hunt on {day}'\n");
    let more = match bug.script.kind {
        ScenarioKind::QueryPeak => String::new(),
        // Where room is taken for many keys at a time, it counts when that begins.
        _ if bug.shape.has_keys() => format!("  iterations {}\n  warmup {WARMUP}\n", bug.shape.iterations()),
        _ => format!("  iterations {}\n", bug.shape.iterations()),
    };
    // What shows itself in no memory.
    let compared = match &bug.wrong {
        Wrong::Answers(..) => compared(&bug.script),
        _ => None,
    };
    let script = compared.as_ref().unwrap_or(&bug.script);
    text += &scenario(script, &bug.shape.to_string(), &more);
    if script.error.is_none() {
        text += "  expect none\n";
    }
    format(&SourceFile::new("hunt.mcspec", &text)).unwrap_or(text)
}

/// What there is to say of how it is shown, and what a server without the engine shows, in sentences; none where there is neither.
pub fn shown(bug: &Bug) -> Option<String> {
    let sentences: Vec<String> = bug.note().map(str::to_owned).into_iter().chain(on_stock(bug)).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn on_stock(bug: &Bug) -> Option<String> {
    Some(match bug.stock.as_ref()? {
        Stock::Crash(words) | Stock::Answers(words) => format!("On a server without pg_ext_memcheck as well: {words}."),
        Stock::Growth { executions, contexts, resident } => {
            let mut grown = Vec::new();
            if *contexts >= 1.0 {
                grown.push(format!("{contexts:.0} bytes per execution more in the memory contexts of the session"));
            }
            if *resident >= 1.0 {
                grown.push(format!("{resident:.0} bytes per execution more in the process"));
            }
            format!("On a server without pg_ext_memcheck, over {executions} executions: {}.", grown.join(", "))
        }
        Stock::Nothing => "On a server without pg_ext_memcheck nothing of it is to be seen from outside.".to_owned(),
    })
}

/// The source around the line that allocates; none where that is not at hand.
pub fn source(wrong: &Wrong) -> Option<String> {
    let Wrong::Violation(finding) = wrong else { return None };
    excerpt(finding.site.as_ref()?.frame.line.as_ref()?)
}

/// The text of a report to those who maintain the extension, in Markdown.
pub fn issue(extension: &str, version: &str, server: &str, head: &Head, bug: &Bug) -> String {
    let mut text = format!("# {extension} {version}: {}\n\n", one_line(&bug.wrong.words()));
    let place = bug.wrong.place();
    if !place.is_empty() {
        let _ = writeln!(text, "In `{}`.\n", one_line(&place));
    }
    let _ = writeln!(text, "{server}, {extension} {version}.\n\n## How to see it\n\n```sql");
    head.conf.iter().for_each(|line| {
        let _ = writeln!(text, "-- postgresql.conf: {line}");
    });
    if !head.preload.is_empty() {
        let _ = writeln!(text, "-- postgresql.conf: shared_preload_libraries = '{}'", head.preload.join(", "));
    }
    bug.script.setup.iter().for_each(|sql| {
        let _ = writeln!(text, "{sql};");
    });
    let _ = writeln!(text, "-- again and again in one session:");
    bug.script.workload.iter().for_each(|sql| {
        let _ = writeln!(text, "{sql};");
    });
    let _ = writeln!(
        text,
        "SELECT sum(total_bytes - free_bytes) FROM pg_backend_memory_contexts;\n```\n\n## What is to be seen\n"
    );
    if let Some(line) = shown(bug) {
        let _ = writeln!(text, "{line}\n");
    }
    match &bug.wrong {
        Wrong::Violation(finding) => {
            let _ = writeln!(text, "{}\n", finding.detail);
            if let Some(site) = &finding.site {
                text += "## Where it is allocated\n\n```\n";
                for frame in &site.stack {
                    let line = frame.line.as_ref().map(|line| format!(" ({}:{})", line.file, line.number));
                    let _ = writeln!(text, "{} {}{}", frame.library, frame.place(), line.unwrap_or_default());
                }
                text += "```\n";
            }
            if let Some(source) = source(&bug.wrong) {
                let _ = writeln!(text, "\n```text\n{source}\n```");
            }
        }
        Wrong::Crash { words, .. } if !words.is_empty() => {
            let _ = writeln!(text, "```\n{}\n```", words.join("\n"));
        }
        _ => {}
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::super::shape::Shape;
    use super::*;
    use crate::plan::load_source;

    #[test]
    fn a_spec_is_read_and_laid_out() {
        let bug = Bug {
            what: "\"odd's\"(text)".to_owned(),
            shape: Shape::Caught,
            wrong: Wrong::Crash { end: "was terminated by signal 11".to_owned(), words: Vec::new() },
            script: Script::repeated(vec!["SELECT x.f('it''s {')".to_owned()]),
            stock: Some(Stock::Nothing),
        };
        let head = Head { extension: Some("odd".to_owned()), ..Head::default() };
        let text = spec(&head, &bug, "2026-01-31");
        let loaded = load_source("x", SourceFile::new("x.mcspec", &text)).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(loaded.spec.scenarios.len(), 1);
        assert!(text.contains("xfail") && text.contains("found by hunt on 2026-01-31"), "{text}");
        assert_eq!(format(&SourceFile::new("x.mcspec", &text)).expect("it is read"), text);
        assert_eq!(name("odd-one", &bug), "odd_one_odd_s_crash");
        assert!(issue("odd", "1.0", "PostgreSQL 15.20", &head, &bug).contains("SELECT x.f('it''s {');"));
    }
}
