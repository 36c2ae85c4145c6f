//! `mcspec review`

use std::io::Write;

use anstyle::Style;
use clap::Args;

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::results::{describe, last_run};
use super::terminal::Keys;
use crate::atomic;
use crate::config::Config;
use crate::golden::Directory;
use crate::golden::review::{Changed, Pending, pending};
use crate::plan::{load, workload};
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
    AcceptRest,
    Reject,
    Skip,
    Undo,
    Help,
    Quit,
}

/// The keys, and what they do.
const KEYS: [(u8, Decision, &str); 7] = [
    (b'a', Decision::Accept, "accept: write this into the golden"),
    (b'A', Decision::AcceptRest, "accept this and all the rest"),
    (b'r', Decision::Reject, "reject: bless refuses it until the spec is run again"),
    (b's', Decision::Skip, "skip: decide later"),
    (b'u', Decision::Undo, "undo the decision before"),
    (b'?', Decision::Help, "this help"),
    (b'q', Decision::Quit, "quit; what was decided stays"),
];

impl Decision {
    /// What a key means; Ctrl-D is the end of input.
    fn of(key: u8) -> Option<Self> {
        let known = KEYS.iter().find(|(known, ..)| *known == key).map(|(_, decision, _)| *decision);
        known.or((key == 0x04).then_some(Decision::Quit))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Decision::Accept => "accepted",
            Decision::AcceptRest => "accepted, with all the rest",
            Decision::Reject => "rejected",
            Decision::Skip => "skipped",
            Decision::Undo => "undone",
            Decision::Help => "help",
            Decision::Quit => "quit",
        }
    }
}

/// A hunk that was decided on, and how to take that back.
struct Decided {
    decision: Decision,
    /// The golden's position, and what it was like.
    position: usize,
    before: Changed,
    /// The golden's file; none if there was none.
    file: Option<Vec<u8>>,
    /// The results that it is about.
    results: Vec<CaseResult>,
}

impl Decided {
    /// Makes files as they were.
    fn undo(&self, config: &Config) -> Result<(), Complaint> {
        let path = &self.before.file;
        let failed = |error| Complaint::file(&path.display().to_string(), error);
        match &self.file {
            Some(bytes) => atomic::write(path, bytes).map_err(failed)?,
            None if path.exists() => std::fs::remove_file(path).map_err(failed)?,
            None => {}
        }
        self.results.iter().try_for_each(|result| Ok(result.write(&config.project.results)?))
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
    let (mut all, mut refused) = (Vec::new(), 0);
    for one in pending(&goldens, &results) {
        match one {
            Pending::Changed(changed) => all.push(changed),
            Pending::Refused { label, reason, hint } => {
                refused += 1;
                let hint = hint.map_or(String::new(), |hint| format!("\nHINT:  {hint}"));
                writeln!(out, "\n{label}: not to be recorded: {reason}{hint}").map_err(Complaint::stdout)?;
            }
        }
    }
    let hunks: Vec<(usize, usize)> = all
        .iter()
        .enumerate()
        .flat_map(|(one, changed)| (0..changed.hunks.len()).map(move |hunk| (one, hunk)))
        .collect();
    let mut decided: Vec<Decided> = Vec::new();
    let mut takes_rest = false;
    while let Some(&(one, hunk)) = hunks.get(decided.len()) {
        let decision = if takes_rest {
            Decision::Accept
        } else {
            let position = format!("{} of {}", decided.len() + 1, hunks.len());
            let workload = workload_of(&all[one], hunk, &results, &goldens);
            show(&mut out, &all[one], hunk, &position, &workload).map_err(Complaint::stdout)?;
            ask(&mut out, &mut keys).map_err(terminal)?
        };
        let is_of = |result: &&CaseResult| all[one].is_of(result, &goldens);
        let before = Decided {
            decision,
            position: one,
            before: all[one].clone(),
            file: std::fs::read(&all[one].file).ok(),
            results: results.iter().filter(is_of).cloned().collect(),
        };
        match decision {
            Decision::Accept | Decision::AcceptRest => {
                takes_rest |= decision == Decision::AcceptRest;
                let note = goldens.note();
                all[one].accept(hunk)?;
                if let Some(note) = note {
                    writeln!(out, "{note}").map_err(Complaint::stdout)?;
                }
            }
            Decision::Reject => reject(&all[one], &mut results, &goldens, config)?,
            Decision::Skip | Decision::Help => {}
            Decision::Undo => {
                match decided.pop() {
                    Some(last) => {
                        last.undo(config)?;
                        for result in &last.results {
                            let same = results.iter_mut().filter(|other| other.label == result.label);
                            same.for_each(|other| other.clone_from(result));
                        }
                        all[last.position] = last.before;
                    }
                    None => writeln!(out, "there is nothing to undo").map_err(Complaint::stdout)?,
                }
                continue;
            }
            Decision::Quit => break,
        }
        decided.push(before);
    }
    let count = |which: &[Decision]| decided.iter().filter(|one| which.contains(&one.decision)).count();
    let accepted = count(&[Decision::Accept, Decision::AcceptRest]);
    let (rejected, total) = (count(&[Decision::Reject]), hunks.len());
    let left = total - accepted - rejected;
    match total {
        0 => writeln!(out, "\nnothing to decide"),
        _ => writeln!(out, "\n{accepted} accepted, {rejected} rejected, {left} left"),
    }
    .map_err(Complaint::stdout)?;
    Ok(if accepted == total && refused == 0 { Exit::Ok } else { Exit::Failed })
}

/// The statements that a hunk comes from; none where the spec is gone or has changed since.
fn workload_of(changed: &Changed, hunk: usize, results: &[CaseResult], goldens: &Directory) -> Vec<String> {
    let result = results.iter().find(|result| changed.is_of(result, goldens));
    let loaded = result.and_then(|result| load(&result.case, &result.spec).ok());
    loaded.map(|loaded| workload(&loaded, &changed.hunks[hunk].title)).unwrap_or_default()
}

/// Most lines that are shown of a workload.
const SHOWN: usize = 12;

/// Shows one hunk, below what was run.
fn show(
    out: &mut impl Write,
    changed: &Changed,
    hunk: usize,
    position: &str,
    workload: &[String],
) -> std::io::Result<()> {
    let bold = Style::new().bold();
    let hunk = &changed.hunks[hunk];
    writeln!(out, "\n{bold}{}{bold:#}  ({position})\n  {}", changed.file.display(), hunk.title)?;
    let dim = Style::new().dimmed();
    for line in workload.iter().take(SHOWN) {
        writeln!(out, "{dim}    | {line}{dim:#}")?;
    }
    if workload.len() > SHOWN {
        writeln!(out, "{dim}    | ... {} more lines{dim:#}", workload.len() - SHOWN)?;
    }
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
    loop {
        let letters: Vec<String> = KEYS.iter().map(|(key, ..)| char::from(*key).to_string()).collect();
        write!(out, "accept, reject, skip or quit? [{}] ", letters.join("/"))?;
        out.flush()?;
        let decision = loop {
            let Some(key) = keys.next()? else { return Ok(Decision::Quit) };
            if let Some(decision) = Decision::of(key) {
                break decision;
            }
        };
        writeln!(out, "{}", decision.as_str())?;
        if decision != Decision::Help {
            return Ok(decision);
        }
        for (key, _, meaning) in KEYS {
            writeln!(out, "  {}  {meaning}", char::from(key))?;
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
