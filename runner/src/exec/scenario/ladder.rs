//! `query_peak`: the workload at more and more rows, with a mark after each number.

use std::time::{Duration, Instant};

use memcheck_core::finding::sort;
use memcheck_core::{CheckKind, Finding, Shape};
use serde_json::json;

use super::confirm::{MOST_BYTES, QUICK, seen};
use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::{Failure, Step};
use crate::exec::outcome::{Confirmation, Window};
use crate::exec::session::Session;
use crate::exec::workload::{BARE, Workload};
use crate::language::ast::Growth;
use crate::plan::{Scenario, Sql, Statement, Values};

/// Climbs the ladder.
pub(super) struct Ladder;

impl Way for Ladder {
    fn executions(&self, scenario: &Scenario) -> u64 {
        scenario.warmup + scenario.iterations * scenario.rows.len() as u64
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| {
            let scenario = client.scenario;
            let workload = Workload::new(session, scenario, BARE)?;
            let took = client.as_iterated(session, |client, session| {
                warm_up(client, session, &workload)?;
                climb(client, session, &workload, &scenario.rows)
            })?;
            let mut window = engine::window(session, None)?;
            climb_on(client, session, &workload, &mut window, took)?;
            Ok(window)
        })?);
        Ok(())
    }
}

fn warm_up(client: &mut Client, session: &mut Session, workload: &Workload) -> Result<(), Failure> {
    let scenario = client.scenario;
    let (few, many) = (scenario.rows.first().copied(), scenario.rows.last().copied());
    for n in 1..=scenario.warmup {
        // The last time at the top of the ladder: what is cached for each row is there before it is climbed.
        let rows = if n < scenario.warmup { few } else { many };
        client.execute(session, workload, &Step::WarmUp(n), rows)?;
    }
    Ok(())
}

/// Climbs these rungs in a window. Gives the time that the last one took.
fn climb(client: &mut Client, session: &mut Session, workload: &Workload, rungs: &[u64]) -> Result<Duration, Failure> {
    let scenario = client.scenario;
    let growth = (scenario.growth == Growth::Linear).then(|| ("growth", json!("linear")));
    engine::begin(session, scenario, growth.as_slice())?;
    let mut took = Duration::ZERO;
    for &rows in rungs {
        let started = Instant::now();
        for _ in 0..scenario.iterations {
            client.execute(session, workload, &Step::Rows(rows), Some(rows))?;
        }
        took = started.elapsed();
        engine::mark(session, rows)?;
    }
    engine::end(session)?;
    Ok(took)
}

/// Looks from the top of the ladder whether peaks go on growing: a batch, a page or a buffer has a size. What does not is taken
/// back, unless there may just be no more rows.
fn climb_on(
    client: &mut Client,
    session: &mut Session,
    workload: &Workload,
    window: &mut Window,
    took: Duration,
) -> Result<(), Failure> {
    let scenario = client.scenario;
    // Bytes that outgrow the rows have no bound in sight.
    let is_doubtful =
        |finding: &Finding| finding.check == CheckKind::QueryBloat && finding.shape != Some(Shape::Superlinear);
    let doubtful: Vec<&Finding> = window.findings.iter().filter(|finding| is_doubtful(finding)).collect();
    let Some(&top) = scenario.rows.last().filter(|_| !doubtful.is_empty()) else { return Ok(()) };
    let peaks: u64 = doubtful.iter().filter_map(|finding| finding.marks.last()).map(|mark| mark.used).sum();
    let foot = foot_above(top, took, peaks, session.time_left());
    let later = if let Some(foot) = foot {
        let rungs = [foot, 2 * foot, 4 * foot];
        client.expect_more(scenario.iterations * rungs.len() as u64);
        let later = client
            .as_iterated(session, |client, session| climb(client, session, workload, &rungs))
            .and_then(|_| engine::window(session, None));
        seen(session, later)?
    } else {
        Err("there is no time or memory for more rows".to_owned())
    };

    let goes_on = |finding: &Finding| later.iter().any(|later| later.findings.iter().any(|it| it.bears_out(finding)));
    let has_more_rows = later.is_ok() && makes_rows(&scenario.workload);
    let (mut kept, rest): (Vec<Finding>, Vec<Finding>) =
        std::mem::take(&mut window.findings).into_iter().partition(|finding| !is_doubtful(finding) || goes_on(finding));
    let is_short = |finding: &Finding| is_short(&scenario.rows, finding.objects);
    let (taken_back, unconfirmed): (Vec<Finding>, Vec<Finding>) =
        rest.into_iter().partition(|finding| has_more_rows || is_short(finding));
    let reason = match later {
        _ if !has_more_rows && !taken_back.is_empty() => {
            Some("too short a ladder to tell whether a peak grows with the rows".to_owned())
        }
        _ if unconfirmed.is_empty() => None,
        Ok(_) => Some("there may be no more rows".to_owned()),
        Err(reason) => Some(reason),
    };
    kept.extend(unconfirmed);
    sort(&mut kept);
    window.findings = kept;
    window.confirmation = Some(Confirmation { iterations: scenario.iterations * 3, taken_back, unconfirmed: reason });
    Ok(())
}

/// Where a ladder begins that is climbed above the top of another one, and is four times as high: at the top, or where a batch
/// of a usual size is full. None where there is no time or memory for it, given what the top took of both.
fn foot_above(top: u64, took: Duration, peaks: u64, left: Duration) -> Option<u64> {
    const USUAL: u64 = 1000;
    let fits = |foot: &u64| {
        let times = *foot as f64 / top as f64;
        took.as_secs_f64() * times * 7.0 < QUICK.min(left / 2).as_secs_f64()
            && peaks as f64 * times * 4.0 < MOST_BYTES as f64
    };
    [top.max(USUAL), top].into_iter().find(fits)
}

/// Whether a workload has as many rows as it is asked for: it makes them.
fn makes_rows(workload: &Sql) -> bool {
    const MANY: u64 = u64::MAX;
    let text = |statement: &Statement| statement.text(Values { i: 0, rows: MANY }).into_owned();
    workload.statements.iter().map(text).any(|text| are_made(&text, &MANY.to_string()))
}

/// Whether a number of rows is an argument of generate_series().
fn are_made(workload: &str, rows: &str) -> bool {
    workload.match_indices(rows).any(|(at, _)| {
        let before = &workload[..at];
        before.rfind("generate_series").is_some_and(|from| {
            let arguments = &before[from..];
            arguments.matches('(').count() > arguments.matches(')').count()
        })
    })
}

/// Whether a ladder does not tell growth with the rows from what a page or a batch holds, given by how many allocations its
/// top is above its foot.
fn is_short(rows: &[u64], added: u64) -> bool {
    /// What a page of a heap may have room for (`MaxHeapTuplesPerPage` in htup_details.h, with blocks of 8 kB).
    const PAGE: u64 = 291;
    let spans = |few: u64, many: u64| many >= 4 * few;
    rows.len() < 3 || !rows.first().zip(rows.last()).is_some_and(|(&few, &many)| spans(few, many)) || added < PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_that_makes_its_rows_has_more_of_them() {
        let table = [
            ("SELECT f(i) FROM generate_series(1, :rows) i", true),
            ("SELECT f(i) FROM generate_series(1, least(:rows, 10)) i", true),
            ("SELECT f(i) FROM pg_catalog.generate_series (1, :rows) i", true),
            ("SELECT g(:rows), f(i) FROM generate_series(1, :rows) i", true),
            ("SELECT f(id) FROM t LIMIT :rows", false),
            ("SELECT f(id), generate_series(1, 3) FROM t LIMIT :rows", false),
            ("SELECT f(:rows)", false),
            ("SELECT 1", false),
        ];
        for (workload, expected) in table {
            assert_eq!(are_made(workload, ":rows"), expected, "{workload}");
        }
    }

    #[test]
    fn how_far_above_the_top_to_begin() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let table = [
            ((2000, second / 10, 1 << 20, minute), Some(2000)),
            ((16, second / 100, 1 << 10, minute), Some(1000)),
            ((16, second, 1 << 10, minute), Some(16)),
            ((2000, second * 2, 1 << 20, minute), None),
            ((2000, second / 2, 1 << 20, second * 5), None),
            ((2000, second / 10, 1 << 27, minute), None),
        ];
        for ((top, took, peaks, left), expected) in table {
            assert_eq!(foot_above(top, took, peaks, left), expected, "{top} {took:?} {peaks} {left:?}");
        }
    }

    #[test]
    fn some_ladders_are_short() {
        let table: [(&[u64], u64, bool); 6] = [
            (&[500, 1000, 2000], 1500, false),
            (&[100, 200, 400], 300, false),
            (&[4, 8, 16], 12, true),
            (&[1000, 2000], 1000, true),
            (&[1000, 1500, 2000], 1000, true),
            (&[1000, 2000, 4000], 12, true),
        ];
        for (rows, added, expected) in table {
            assert_eq!(is_short(rows, added), expected, "{rows:?} {added}");
        }
    }
}
