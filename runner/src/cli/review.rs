//! `mcspec review`

use std::io::Write;

use anstyle::Style;
use clap::Args;

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::results::{describe, last_run};
use super::terminal::Keys;
use crate::config::Config;
use crate::golden::Directory;
use crate::golden::review::{Changed, Pending, pending};
use crate::report::fault::difference_lines;
use crate::report::tone;
use crate::results::schema::CaseResult;

/// Why `bless` refuses what was rejected.
const REJECTED: &str = "it was rejected in review";

/// Decide scenario by scenario whether what the last run found goes into the goldens
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Names of specs, or globs; NAME/SCENARIO for one scenario; without any, all specs of the last run
    #[arg(value_name = "NAME", add = complete::last_run())]
    names: Vec<String>,
}

/// What is done with a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Accept,
    Reject,
    Skip,
    Quit,
}

impl Decision {
    /// What a key means; Ctrl-D is the end of input.
    const fn of(key: u8) -> Option<Self> {
        match key {
            b'a' => Some(Decision::Accept),
            b'r' => Some(Decision::Reject),
            b's' => Some(Decision::Skip),
            b'q' | 0x04 => Some(Decision::Quit),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Decision::Accept => "accepted",
            Decision::Reject => "rejected",
            Decision::Skip => "skipped",
            Decision::Quit => "quit",
        }
    }
}

/// Runs the subcommand.
pub(super) fn review(arguments: &Arguments, config: &Config) -> Result<Exit, Complaint> {
    let (index, mut results) = last_run(&arguments.names, config)?;
    let terminal = |error| Complaint::Output { what: "to the terminal".to_owned(), error };
    let Some(mut keys) = Keys::open().map_err(terminal)? else {
        let hint = "\"mcspec diff\" shows what there is to decide, \"mcspec bless\" accepts all of it";
        let message = "there is no terminal to ask on".to_owned();
        return Err(Complaint::Argument { message, hint: Some(hint.to_owned()) });
    };
    let mut out = anstream::stdout();
    writeln!(out, "{}", describe(&index)).map_err(Complaint::stdout)?;

    let goldens = Directory::of(&config.project);
    let pending = pending(&goldens, &results);
    let hunks = |one: &Pending| if let Pending::Changed(changed) = one { changed.hunks.len() } else { 0 };
    let total: usize = pending.iter().map(hunks).sum();
    let (mut shown, mut accepted, mut rejected, mut refused) = (0, 0, 0, 0);
    'review: for one in pending {
        let mut changed = match one {
            Pending::Changed(changed) => changed,
            Pending::Refused { label, reason, hint } => {
                refused += 1;
                let hint = hint.map_or(String::new(), |hint| format!("\nHINT:  {hint}"));
                writeln!(out, "\n{label}: not to be recorded: {reason}{hint}").map_err(Complaint::stdout)?;
                continue;
            }
        };
        for hunk in 0..changed.hunks.len() {
            shown += 1;
            show(&mut out, &changed, hunk, &format!("{shown} of {total}")).map_err(Complaint::stdout)?;
            match ask(&mut out, &mut keys).map_err(terminal)? {
                Decision::Accept => {
                    let note = goldens.note();
                    changed.accept(hunk)?;
                    accepted += 1;
                    if let Some(note) = note {
                        writeln!(out, "{note}").map_err(Complaint::stdout)?;
                    }
                }
                Decision::Reject => {
                    reject(&changed, &mut results, &goldens, config)?;
                    rejected += 1;
                }
                Decision::Skip => {}
                Decision::Quit => break 'review,
            }
        }
    }
    let left = total - accepted - rejected;
    match total {
        0 => writeln!(out, "\nnothing to decide"),
        _ => writeln!(out, "\n{accepted} accepted, {rejected} rejected, {left} left"),
    }
    .map_err(Complaint::stdout)?;
    Ok(if accepted == total && refused == 0 { Exit::Ok } else { Exit::Failed })
}

/// Shows one hunk.
fn show(out: &mut impl Write, changed: &Changed, hunk: usize, position: &str) -> std::io::Result<()> {
    let bold = Style::new().bold();
    let hunk = &changed.hunks[hunk];
    writeln!(out, "\n{bold}{}{bold:#}  ({position})\n  {}", changed.file.display(), hunk.title)?;
    for line in difference_lines(&hunk.differences) {
        let style = tone(line.tone);
        writeln!(out, "{style}{}{style:#}", line.text)?;
    }
    if hunk.differences.is_empty() {
        writeln!(out, "    (0 violations)")?;
    }
    Ok(())
}

/// Asks until there is an answer.
fn ask(out: &mut impl Write, keys: &mut Keys) -> std::io::Result<Decision> {
    write!(out, "accept, reject, skip or quit? [a/r/s/q] ")?;
    out.flush()?;
    loop {
        let Some(key) = keys.next()? else { return Ok(Decision::Quit) };
        if let Some(decision) = Decision::of(key) {
            writeln!(out, "{}", decision.as_str())?;
            return Ok(decision);
        }
    }
}

/// Notes in the results that this is not what the golden should hold, until the spec is run again.
fn reject(
    changed: &Changed,
    results: &mut [CaseResult],
    goldens: &Directory,
    config: &Config,
) -> Result<(), Complaint> {
    for result in results.iter_mut().filter(|result| changed.is_of(result, goldens)) {
        result.refusal = Some(REJECTED.to_owned());
        result.write(&config.project.results)?;
    }
    Ok(())
}
