//! Bears a bug out: in fresh sessions, and on a server that has no engine.

use std::fs;
use std::time::{Duration, Instant};

use memcheck_core::Finding;
use memcheck_core::check::{Measure, Per};

use super::found::{Bug, Stock, Wrong};
use super::quarry::Quarry;
use super::script::{Script, case};
use super::shape::compared;
use crate::exec::failure::{Cause, Failure};
use crate::exec::probe::{Answer, Held, Prober};

/// Fresh sessions in which it has to be seen again.
const SESSIONS: u32 = 2;

/// So many keys fill a cache that has a bound, as far as they fit into that time; it is looked at what is held so many times.
const KEYS: u64 = 20_000;
const PARTS: u64 = 40;
const KEYS_TIME: Duration = Duration::from_secs(8);

/// Executions in which a crash has to come.
const TIMES: u64 = 100;

/// Executions on a server without the engine: as many as fit into the time, at most so many.
const EXECUTIONS: u64 = 5000;
const TIME: Duration = Duration::from_secs(3);

/// Executions before it is looked at what is held, in which caches fill.
const WARMUP: u64 = 300;

/// Looks at it again in fresh sessions, and takes what is found there for what was found; none where it is not seen again.
pub fn again(quarry: &Quarry, prober: &mut Prober, mut bug: Bug) -> Option<Bug> {
    for _ in 0..SESSIONS {
        prober.renew();
        bug.wrong = seen(quarry, prober, &bug.what, &bug.script, &bug.wrong, bug.shape.iterations())?;
    }
    if bug.shape.has_keys() && matches!(bug.wrong, Wrong::Violation(_)) && levels_off(prober, &bug.script) {
        return None;
    }
    Some(bug)
}

/// Whether what is kept of many keys, of which each is another one, levels off: as in a cache that has a bound.
fn levels_off(prober: &mut Prober, script: &Script) -> bool {
    prober.renew();
    prober.send(script.before()).ok();
    let started = Instant::now();
    let mut held = Vec::new();
    for part in 0..PARTS {
        held.extend(prober.held());
        let numbers = part * (KEYS / PARTS)..(part + 1) * (KEYS / PARTS);
        let statements = numbers.flat_map(|number| script.execution(number));
        // What has not levelled off by then is not said to.
        if started.elapsed() > KEYS_TIME || prober.send(statements).is_err() {
            break;
        }
    }
    prober.renew();
    let most = |some: &[Held]| some.iter().map(|held| held.bytes).max().unwrap_or(0);
    // One that is emptied when it is full holds as much again, and no more.
    let (early, late) = held.split_at(held.len() / 2);
    let [first, _, ..] = early else { return false };
    (most(late) - most(early)) * 2 < most(early) - first.bytes
}

/// The same that was found, as a script shows it where there is nothing that it has not made itself: as in a spec.
pub fn seen(
    quarry: &Quarry,
    prober: &mut Prober,
    what: &str,
    script: &Script,
    wrong: &Wrong,
    iterations: u64,
) -> Option<Wrong> {
    let key = wrong.key(what);
    let compared = match wrong {
        Wrong::Answers(..) => Some(compared(script)?),
        _ => None,
    };
    let case = case(&quarry.head, compared.as_ref().unwrap_or(script), &quarry.environment, iterations)?;
    let outcome = prober.look_alone(&case);
    match wrong {
        Wrong::Violation(_) => {
            let mut found = outcome.findings.into_iter().map(|finding| Wrong::Violation(Box::new(finding)));
            found.find(|wrong| wrong.key(what) == key)
        }
        Wrong::Answers(..) => {
            let Some(Failure { cause: Cause::Sql(error), .. }) = outcome.failure else { return None };
            error.message.contains("answers differ").then(|| wrong.clone())
        }
        Wrong::Crash { .. } | Wrong::Hang => {
            let lost = outcome.failure.as_ref().and_then(Wrong::of);
            lost.filter(|wrong| wrong.key(what) == key)
        }
    }
}

/// Whether two executions have two answers.
pub fn answers(prober: &mut Prober, script: &Script) -> Option<Wrong> {
    let sql = script.workload.first()?;
    let Answer::Rows { text: one, .. } = prober.ask(sql) else { return None };
    let Answer::Rows { text: other, .. } = prober.ask(sql) else { return None };
    (one != other).then(|| Wrong::Answers(shown(&one), shown(&other)))
}

/// An answer as it is shown.
fn shown(text: &str) -> String {
    text.replace('\u{1}', " ").replace('\u{0}', "NULL").chars().take(80).collect::<String>().trim_end().to_owned()
}

/// What was found is none.
#[derive(Debug)]
pub struct Refuted;

/// What a server without the engine shows of it; none where it does not do there what it should.
///
/// # Errors
///
/// It shows that there is nothing of it.
pub fn stock(prober: &mut Prober, script: &Script, wrong: &Wrong) -> Result<Option<Stock>, Refuted> {
    prober.renew();
    let shown = match wrong {
        Wrong::Crash { .. } | Wrong::Hang => Ok(Some(crash(prober, script).unwrap_or(Stock::Nothing))),
        Wrong::Violation(finding) => match growth(prober, script) {
            Some(grown) if grown.refutes(finding) => Err(Refuted),
            Some(grown) if grown.works => Ok(Some(grown.shown())),
            _ => Ok(None),
        },
        Wrong::Answers(..) => {
            prober.send(script.before()).ok();
            let answers = answers(prober, script).map(|wrong| Stock::Answers(wrong.words()));
            Ok(Some(answers.unwrap_or(Stock::Nothing)))
        }
    };
    prober.renew();
    shown
}

fn crash(prober: &mut Prober, script: &Script) -> Option<Stock> {
    for _ in 0..TIMES {
        if let Err(Answer::Lost(failure)) = prober.send(script.statements()) {
            let wrong = Wrong::of(&failure)?;
            return Some(Stock::Crash(wrong.words()));
        }
    }
    None
}

/// What a session holds, as its server says, and as the system does.
struct Sizes {
    contexts: f64,
    resident: f64,
}

/// So many bytes of a process cannot be overlooked.
const NOT_OVERLOOKED: f64 = 4e6;

/// What executions have left behind on a server without the engine, bytes for each.
#[derive(Debug, Clone, Copy)]
struct Grown {
    executions: u64,
    contexts: f64,
    resident: f64,
    /// Whether they did there what they should.
    works: bool,
}

impl Grown {
    /// Whether so little is left that there is nothing to be found: what a language has allocated, it frees when it comes to it.
    fn refutes(&self, finding: &Finding) -> bool {
        let wanted = finding.bytes_per_iter;
        let is_memory = finding.check.measure() == Measure::Memory(Per::Iteration);
        let left = self.contexts.max(0.0) + self.resident.max(0.0);
        self.works && is_memory && wanted * self.executions as f64 > NOT_OVERLOOKED && left < wanted / 10.0
    }

    fn shown(self) -> Stock {
        let Grown { executions, contexts, resident, .. } = self;
        match contexts >= 1.0 || resident >= 1.0 {
            true => Stock::Growth { executions, contexts, resident },
            false => Stock::Nothing,
        }
    }
}

fn growth(prober: &mut Prober, script: &Script) -> Option<Grown> {
    let (mut number, mut works) = (0, true);
    prober.send(script.before()).ok();
    let started = Instant::now();
    let mut execute = |prober: &mut Prober, most: u64, until: Duration| {
        let mut done = 0;
        while done < most && started.elapsed() < until {
            number += 1;
            let workload = script.execution(number);
            match prober.send(workload.iter().map(|sql| sql.replace(":rows", "200"))) {
                Err(Answer::Lost(_) | Answer::Late) => return None,
                Err(Answer::Error { code, .. }) => works &= script.error.as_ref() == Some(&code),
                _ => works &= script.error.is_none(),
            }
            done += 1;
        }
        Some(done)
    };
    execute(prober, WARMUP, TIME / 4)?;
    let before = sizes(prober)?;
    let executions = execute(prober, EXECUTIONS, TIME)?;
    let after = sizes(prober)?;
    prober.send(&script.teardown).ok();
    let each = |before: f64, after: f64| (after - before) / executions.max(1) as f64;
    let contexts = each(before.contexts, after.contexts);
    let resident = each(before.resident, after.resident);
    Some(Grown { executions, contexts, resident, works })
}

fn sizes(prober: &mut Prober) -> Option<Sizes> {
    let sql = "SELECT pg_backend_pid(), sum(total_bytes - free_bytes) FROM pg_backend_memory_contexts";
    let Answer::Rows { text, .. } = prober.ask(sql) else { return None };
    let mut values = text.split('\u{1}');
    let pid: u32 = values.next()?.parse().ok()?;
    let contexts: f64 = values.next()?.parse().ok()?;
    Some(Sizes { contexts, resident: resident(pid)? })
}

/// Bytes that a process has in memory and nobody else has (proc(5), `smaps_rollup`).
fn resident(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let lines = text.lines().filter(|line| line.starts_with("Private_Dirty:"));
    let kilobytes = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Some(kilobytes.sum::<f64>() * 1024.0)
}

#[cfg(test)]
mod tests {
    use memcheck_core::path::ContextPath;
    use memcheck_core::{CheckKind, Severity};

    use super::*;

    fn finding(check: CheckKind, bytes_per_iter: f64) -> Finding {
        Finding {
            check,
            severity: Severity::Error,
            path: ContextPath::new(["TopMemoryContext"]),
            bytes: 0,
            objects: 0,
            iterations: 40,
            bytes_per_iter,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            access: None,
            marks: Vec::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn what_cannot_be_overlooked_and_is_not_there_is_none() {
        let table = [
            // Collected later: nothing is left of 40 MB.
            (CheckKind::MallocLeak, 8000.0, 5000, 0.0, 200.0, true, true),
            (CheckKind::MallocLeak, 8000.0, 5000, -3.0, -40.0, true, true),
            // A part of it is left.
            (CheckKind::MallocLeak, 8000.0, 5000, 0.0, 2300.0, true, false),
            (CheckKind::CtxBloat, 8000.0, 5000, 8000.0, 0.0, true, false),
            // It may have been overlooked.
            (CheckKind::MallocLeak, 80.0, 5000, 0.0, 0.0, true, false),
            (CheckKind::MallocLeak, 8000.0, 100, 0.0, 0.0, true, false),
            // It fails there.
            (CheckKind::MallocLeak, 8000.0, 5000, 0.0, 0.0, false, false),
            // It is not about what is left.
            (CheckKind::QueryBloat, 8000.0, 5000, 0.0, 0.0, true, false),
            (CheckKind::ResourceLeak, 8000.0, 5000, 0.0, 0.0, true, false),
        ];
        for (check, bytes, executions, contexts, resident, works, is_refuted) in table {
            let grown = Grown { executions, contexts, resident, works };
            assert_eq!(grown.refutes(&finding(check, bytes)), is_refuted, "{check} {grown:?}");
        }
    }
}
