//! The engine's SQL functions, as a checked session calls them.

use std::collections::BTreeMap;

use memcheck_core::census::SiteId;
use memcheck_core::{CheckKind, ContextPath, Finding, Frame, MarkPoint, Phase, ScenarioKind, Severity, Shape, Site};
use postgres::Row;
use serde_json::{Value, json};

use super::failure::{Cause, Failure, Step};
use super::outcome::Window;
use super::quote::quoted;
use super::session::Session;
use crate::language::ast::{Mode, Trace};
use crate::plan::{self, Scenario, Sessions};
use crate::symbols::Symbols;

/// `pg_ext_memcheck.memcheck_mode`
const MODE: &str = "pg_ext_memcheck.memcheck_mode";
const TRACE: &str = "pg_ext_memcheck.trace";
const TARGETS: &str = "pg_ext_memcheck.targets";

/// Sets what the session's parameters say about its windows. What resets parameters (`DISCARD ALL`) resets these too.
pub(super) fn set_parameters(session: &mut Session, scenario: &Scenario) -> Result<(), Failure> {
    // begin() turns `none` into `all`, and leaves an explicit mode alone.
    if scenario.mode == Mode::Executor {
        session.set(MODE, "executor", Some(&scenario.place))?;
    }
    session.set(TRACE, scenario.trace.as_str(), Some(&scenario.place))?;
    session.set(TARGETS, &scenario.targets.join(","), Some(&scenario.place))
}

/// Opens a window and sets its first mark. `more` are options of begin() besides those that follow from the scenario's
/// clauses.
pub(super) fn begin(session: &mut Session, scenario: &Scenario, more: &[(&str, Value)]) -> Result<(), Failure> {
    set_parameters(session, scenario)?;
    let mut options = options(scenario.kind, &scenario.watch, &scenario.allow);
    for (name, value) in more {
        options[*name] = value.clone();
    }
    let sql = "SELECT ext_memcheck.begin('', $1::text::jsonb)";
    session.query(sql, &[&options.to_string()], &Step::Engine("begin"), Some(&scenario.place))?;
    if scenario.mode == Mode::None {
        session.set(MODE, "none", Some(&scenario.place))?;
    }
    mark(session, 0)
}

/// Opens a window in another backend. Its options hold what the session's parameters say for a window of its own.
pub(super) fn begin_in(session: &mut Session, scenario: &Scenario, pid: i32) -> Result<(), Failure> {
    let mut options = options(scenario.kind, &scenario.watch, &scenario.allow);
    if scenario.trace != Trace::Off {
        options["targets"] = json!(scenario.targets);
        options["stacks"] = json!(scenario.trace == Trace::Stacks);
    }
    let sql = "SELECT ext_memcheck.begin_in($1::text::int, '', $2::text::jsonb)";
    let parameters = [pid.to_string(), options.to_string()];
    session.query(sql, &parameters.each_ref().map(String::as_str), &Step::Engine("begin_in"), Some(&scenario.place))?;
    Ok(())
}

/// Closes it. [`window`] then tells what it has found.
pub(super) fn end_in(session: &mut Session, pid: i32) -> Result<(), Failure> {
    session.simple(&format!("SELECT ext_memcheck.end_in({pid})"), &Step::Engine("end_in"), None)
}

fn options(kind: ScenarioKind, watch: &[String], allow: &[String]) -> Value {
    let mut options = json!({ "scenario": kind.as_str() });
    if !watch.is_empty() {
        options["watch"] = json!(watch);
    }
    if !allow.is_empty() {
        options["allowed_contexts"] = json!(allow);
    }
    options
}

/// What opens the window of a session that takes part in permutations, and sets its first mark.
pub(super) fn begin_session(sessions: &Sessions, session: &plan::Session) -> [String; 4] {
    let trace = format!("SET {TRACE} = {}", sessions.trace.as_str());
    let targets = format!("SET {TARGETS} = {}", quoted(&sessions.targets.join(","), '\''));
    let options = options(ScenarioKind::Window, &session.watch, &session.allow);
    let begin = format!("SELECT ext_memcheck.begin('', {}::jsonb)", quoted(&options.to_string(), '\''));
    [trace, targets, begin, "SELECT ext_memcheck.mark(0)".to_owned()]
}

/// What closes it.
pub(super) const END_SESSION: [&str; 2] = ["SELECT ext_memcheck.mark(1)", "SELECT ext_memcheck.end()"];

/// Sets a mark after that many iterations.
pub(super) fn mark(session: &mut Session, iterations: u64) -> Result<(), Failure> {
    session.simple(&format!("SELECT ext_memcheck.mark({iterations})"), &Step::Engine("mark"), None)
}

/// Closes the window.
pub(super) fn end(session: &mut Session) -> Result<(), Failure> {
    session.simple("SELECT ext_memcheck.end()", &Step::Engine("end"), None)
}

/// Lets the server repeat the workload.
pub(super) fn run_scenario(session: &mut Session, scenario: &Scenario, iterations: u64) -> Result<(), Failure> {
    let sql = "SELECT ext_memcheck.run_scenario($1, $2::text::int, $3)";
    let parameters = [scenario.kind.as_str(), &iterations.to_string(), &scenario.workload.joined()];
    session.query(sql, &parameters, &Step::Engine("run_scenario"), Some(&scenario.place)).map(drop)
}

/// What the window that was closed last has found.
pub(super) fn window(session: &mut Session, phase: Option<Phase>) -> Result<Window, Failure> {
    let findings = session.query(FINDINGS, &[], &Step::Engine("findings"), None)?;
    let statistics = session.query(STATISTICS, &[], &Step::Engine("window_stats"), None)?;
    let mut window = read_window(phase, &findings, &statistics)?;
    if has_sites(&window) {
        name_functions(&mut window, &session.query(DIRECTORIES, &[], &Step::Engine("findings"), None)?);
    }
    Ok(window)
}

/// A window from the rows of [`FINDINGS`] and [`STATISTICS`].
pub(super) fn read_window(phase: Option<Phase>, findings: &[Row], statistics: &[Row]) -> Result<Window, Failure> {
    let findings = findings
        .iter()
        .map(|row| finding(row).map_err(|reason| Failure::new(Step::Engine("findings"), Cause::Protocol(reason))));
    let findings = findings.collect::<Result<_, _>>()?;
    let statistics: BTreeMap<String, i64> = statistics.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Window { phase, findings, statistics })
}

/// Where the server's libraries and programs are, for [`name_functions`].
pub(super) const DIRECTORIES: &str = "\
    SELECT (SELECT setting FROM pg_catalog.pg_config WHERE name = 'PKGLIBDIR'),
           (SELECT setting FROM pg_catalog.pg_config WHERE name = 'BINDIR')";

/// Whether a window has found anything whose place in the code is known.
pub(super) fn has_sites(window: &Window) -> bool {
    window.findings.iter().any(|finding| finding.site.is_some())
}

/// Puts functions and lines to what a window has found, from the files in [`DIRECTORIES`].
pub(super) fn name_functions(window: &mut Window, directories: &[Row]) {
    let directory = |i| directories.first()?.try_get::<_, Option<String>>(i).ok()?;
    let mut symbols = Symbols::new(directory(0).unwrap_or_default().into(), directory(1).unwrap_or_default().into());
    window.findings.iter_mut().filter_map(|finding| finding.site.as_mut()).for_each(|site| symbols.describe(site));
}

/// What the engine counted in the window that was closed last.
pub(super) const STATISTICS: &str = "SELECT name, value FROM ext_memcheck.window_stats()";

/// What the window that was closed last has found.
pub(super) const FINDINGS: &str = "\
    SELECT check_type, severity, context_path, subject, bytes, objects, iterations, bytes_per_iter::float8,
           objects_per_iter::float8, shape, phase, source_lib, marks::text, detail,
           build_id, site_offset, site_symbol, stack::text
      FROM ext_memcheck.findings()";

/// Reads a row of [`FINDINGS`]; the error says what cannot be used.
fn finding(row: &Row) -> Result<Finding, String> {
    let text = |i: usize| row.try_get::<_, Option<String>>(i).map_err(|error| error.to_string());
    let number = |i: usize| match row.try_get::<_, Option<i64>>(i) {
        // Whatever shrank is no growth.
        Ok(number) => Ok(number.map_or(0, |number| u64::try_from(number).unwrap_or(0))),
        Err(error) => Err(error.to_string()),
    };
    let rate = |i: usize| row.try_get::<_, Option<f64>>(i).map_err(|error| error.to_string());
    let path: Option<Vec<String>> = row.try_get(2).map_err(|error| error.to_string())?;
    let path = match path.filter(|path| !path.is_empty()) {
        Some(path) => ContextPath::new(path),
        None => ContextPath::new([text(3)?.unwrap_or_default()]),
    };
    Ok(Finding {
        check: word::<CheckKind>(text(0)?)?,
        severity: word::<Severity>(text(1)?)?,
        path,
        bytes: number(4)?,
        objects: number(5)?,
        iterations: number(6)?,
        bytes_per_iter: rate(7)?.unwrap_or(0.0),
        objects_per_iter: rate(8)?.unwrap_or(0.0),
        shape: text(9)?.map(|shape| word::<Shape>(Some(shape))).transpose()?,
        phase: text(10)?.map(|phase| word::<Phase>(Some(phase))).transpose()?,
        source_lib: text(11)?.unwrap_or_default(),
        marks: marks(&text(12)?.unwrap_or_default())?,
        detail: text(13)?.unwrap_or_default(),
        site: match row.try_get::<_, Option<i64>>(15).map_err(|error| error.to_string())? {
            None => None,
            Some(offset) => Some(Site {
                // The backend's own number for it is not told.
                id: SiteId(0),
                frame: Frame {
                    library: text(11)?.unwrap_or_default(),
                    build_id: text(14)?.unwrap_or_default(),
                    offset: u64::try_from(offset).unwrap_or(0),
                    symbol: text(16)?,
                    line: None,
                },
                stack: stack(&text(17)?.unwrap_or_default())?,
            }),
        },
    })
}

fn word<T: std::str::FromStr<Err: ToString>>(text: Option<String>) -> Result<T, String> {
    text.unwrap_or_default().parse().map_err(|error: T::Err| error.to_string())
}

/// `[{"library": "x", "build_id": "...", "offset": N, "symbol": "f"}, ...]`
fn stack(json: &str) -> Result<Vec<Frame>, String> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let frame = |frame: &Value| {
        let text = |key: &str| frame[key].as_str().map(str::to_owned);
        let offset = frame["offset"].as_u64().ok_or_else(|| format!("invalid frame {frame}"))?;
        let library = text("library").ok_or_else(|| format!("invalid frame {frame}"))?;
        Ok(Frame {
            library,
            build_id: text("build_id").unwrap_or_default(),
            offset,
            symbol: text("symbol"),
            line: None,
        })
    };
    value.as_array().ok_or_else(|| format!("invalid stack {json}"))?.iter().map(frame).collect()
}

/// `[{"iteration": 0, "used": N, "objects": N}, ...]`
fn marks(json: &str) -> Result<Vec<MarkPoint>, String> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let point = |mark: &Value| {
        let number = |key: &str| mark[key].as_u64();
        let read =
            || Some(MarkPoint { iteration: number("iteration")?, used: number("used")?, objects: number("objects")? });
        read().ok_or_else(|| format!("invalid mark {mark}"))
    };
    value.as_array().ok_or_else(|| format!("invalid marks {json}"))?.iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_read() {
        let json = r#"[{"library": "x", "build_id": "ab", "offset": 16, "symbol": null}, {"library": "y", "offset": 1, "symbol": "f"}]"#;
        let frame = |library: &str, build_id: &str, offset, symbol: Option<&str>| Frame {
            library: library.into(),
            build_id: build_id.into(),
            offset,
            symbol: symbol.map(str::to_owned),
            line: None,
        };
        assert_eq!(stack(json), Ok(vec![frame("x", "ab", 16, None), frame("y", "", 1, Some("f"))]));
        assert_eq!(stack(""), Ok(vec![]));
        assert_eq!(stack(r#"[{"library": "x"}]"#), Err(r#"invalid frame {"library":"x"}"#.to_owned()));
    }

    #[test]
    fn marks_are_read() {
        let point = |iteration, used, objects| MarkPoint { iteration, used, objects };
        let json = r#"[{"iteration": 0, "used": 10, "objects": 1}, {"iteration": 1, "used": 20, "objects": 2}]"#;
        assert_eq!(marks(json), Ok(vec![point(0, 10, 1), point(1, 20, 2)]));
        assert_eq!(marks(""), Ok(vec![]));
        assert_eq!(marks("{}"), Err("invalid marks {}".to_owned()));
        assert_eq!(marks(r#"[{"used": 1}]"#), Err(r#"invalid mark {"used":1}"#.to_owned()));
    }
}
