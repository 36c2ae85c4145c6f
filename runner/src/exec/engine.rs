//! The engine's SQL functions, as a checked session calls them.

use std::collections::BTreeMap;

use memcheck_core::judge::tree::Branch;
use memcheck_core::scenario::Clause;
use memcheck_core::targets::Loaded;
use memcheck_core::wire::{BadFinding, Columns};
use memcheck_core::{ContextPath, Finding, Phase, ScenarioKind};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::failure::{Cause, Failure, Step};
use super::outcome::{Targets, Window};
use super::quote::quoted;
use super::session::Session;
use crate::language::ast::{Mode, Trace};
use crate::plan::{self, Guarding, Scenario};
use crate::server::Server;
use crate::symbols::Symbols;

/// `pg_ext_memcheck.memcheck_mode`
const MODE: &str = "pg_ext_memcheck.memcheck_mode";
const TRACE: &str = "pg_ext_memcheck.trace";
const TARGETS: &str = "pg_ext_memcheck.targets";
const ON_FAULT: &str = "pg_ext_memcheck.on_fault";
const GUARD: &str = "pg_ext_memcheck.guard";
const GUARD_SAMPLE: &str = "pg_ext_memcheck.guard_sample";

/// Options of a connection whose session traces these libraries from its first statement on, so that the ledger knows what
/// comes before a window: a chunk of the warm-up that is freed in the window was somebody's. What resets parameters
/// (`DISCARD ALL`) goes back to these.
pub(super) fn tracing(trace: Trace, targets: &Targets) -> String {
    format!("-c {TRACE}={} -c {TARGETS}={}", trace.as_str(), option_value(&targets.list().join(",")))
}

/// The same, of which what the libraries allocate is guarded: an allocation of the warm-up may be used wrongly in the window.
fn guarding(trace: Trace, Guarding { guard, sample }: Guarding, targets: &Targets) -> String {
    let tracing = tracing(trace, targets);
    let sample = if guard.has_pages() && sample > 1 { format!(" -c {GUARD_SAMPLE}={sample}") } else { String::new() };
    format!("{tracing} -c {GUARD}={}{sample}", guard.as_str())
}

/// The same, of a session that is checked: on a server of this run's own it survives faults of libraries, which are findings.
pub(super) fn checking(server: &Server, trace: Trace, by: Guarding, targets: &Targets) -> String {
    let guarding = guarding(trace, by, targets);
    if server.data().is_some() { format!("{guarding} -c {ON_FAULT}=error") } else { guarding }
}

/// A value as the server's command line has it: blanks and backslashes behind a backslash (postinit.c, pg_split_opts).
fn option_value(value: &str) -> String {
    let is_special = |c: char| c == '\\' || c.is_ascii_whitespace() || c == '\x0b';
    value.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Sets which phases of its statements the session checks, which what resets parameters (`DISCARD ALL`) undoes.
pub(super) fn set_mode(session: &mut Session, scenario: &Scenario) -> Result<(), Failure> {
    // begin() turns `none` into `all`, and leaves an explicit mode alone.
    if scenario.mode == Mode::Executor {
        session.set(MODE, "executor", Some(&scenario.place))?;
    }
    Ok(())
}

/// Opens a window and sets its first mark. `more` are options of begin() besides those that follow from the scenario's
/// clauses.
pub(super) fn begin(session: &mut Session, scenario: &Scenario, more: &[(&str, Value)]) -> Result<(), Failure> {
    set_mode(session, scenario)?;
    let mut options = options(scenario.kind, &scenario.watch, &scenario.allow);
    for (name, value) in more {
        options[*name] = value.clone();
    }
    let sql = "SELECT ext_memcheck.begin(''::pg_catalog.text, $1::pg_catalog.text::pg_catalog.jsonb)";
    session.query(sql, &[&options.to_string()], &Step::Engine("begin"), Some(&scenario.place))?;
    if scenario.mode == Mode::None {
        session.set(MODE, "none", Some(&scenario.place))?;
    }
    mark(session, 0)
}

/// Opens a window in another backend. What is traced there and how that is guarded, this session's parameters say.
pub(super) fn begin_in(session: &mut Session, scenario: &Scenario, pid: i32) -> Result<(), Failure> {
    let options = options(scenario.kind, &scenario.watch, &scenario.allow);
    let sql = "SELECT ext_memcheck.begin_in($1::pg_catalog.text::pg_catalog.int4, ''::pg_catalog.text, \
               $2::pg_catalog.text::pg_catalog.jsonb)";
    let parameters = [pid.to_string(), options.to_string()];
    session.query(sql, &parameters.each_ref().map(String::as_str), &Step::Engine("begin_in"), Some(&scenario.place))?;
    Ok(())
}

/// Closes it. [`window`] then tells what it has found.
pub(super) fn end_in(session: &mut Session, pid: i32) -> Result<(), Failure> {
    session.simple(&format!("SELECT ext_memcheck.end_in({pid}::pg_catalog.int4)"), &Step::Engine("end_in"), None)
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
pub(super) fn begin_session(session: &plan::Session) -> [String; 2] {
    let options = options(ScenarioKind::Window, &session.watch, &session.allow);
    let options = quoted(&options.to_string(), '\'');
    let begin = format!("SELECT ext_memcheck.begin(''::pg_catalog.text, {options}::pg_catalog.jsonb)");
    [begin, call_of_mark(0)]
}

/// What closes it.
pub(super) const END_SESSION: [&str; 2] = ["SELECT ext_memcheck.mark(1::pg_catalog.int8)", "SELECT ext_memcheck.end()"];

fn call_of_mark(iterations: u64) -> String {
    format!("SELECT ext_memcheck.mark({iterations}::pg_catalog.int8)")
}

/// Sets a mark after that many iterations.
pub(super) fn mark(session: &mut Session, iterations: u64) -> Result<(), Failure> {
    session.simple(&call_of_mark(iterations), &Step::Engine("mark"), None)
}

/// Closes the window.
pub(super) fn end(session: &mut Session) -> Result<(), Failure> {
    session.simple("SELECT ext_memcheck.end()", &Step::Engine("end"), None)
}

/// Closes the window that a failed statement has left open, and perhaps a transaction with it.
pub(super) fn abandon(session: &mut Session) -> Result<(), Failure> {
    session.simple("ROLLBACK", &Step::Engine("end"), None)?;
    end(session)
}

/// Lets the server repeat the workload.
pub(super) fn run_scenario(session: &mut Session, scenario: &Scenario, iterations: u64) -> Result<(), Failure> {
    let sql = "SELECT ext_memcheck.run_scenario($1::pg_catalog.text, $2::pg_catalog.text::pg_catalog.int4, \
               $3::pg_catalog.text, ''::pg_catalog.text, $4::pg_catalog.text::pg_catalog.int4, \
               $5::pg_catalog.text::pg_catalog.int4, $6::pg_catalog.text, \
               ARRAY(SELECT pg_catalog.jsonb_array_elements_text($7::pg_catalog.text::pg_catalog.jsonb)), \
               $8::pg_catalog.text::pg_catalog.int8)";
    let given = |clause, number: u64| match scenario.kind.takes(clause) {
        true => number.to_string(),
        false => "-1".to_owned(),
    };
    let workers = given(Clause::Workers, scenario.workers.into());
    let reset_every = given(Clause::ResetEvery, scenario.reset_every);
    let limit = scenario.limit.map_or(String::new(), |limit| format!("{limit}B"));
    let iterations = iterations.to_string();
    let workload = scenario.workload.joined();
    let dealt = json!(scenario.dealt.iter().map(plan::Sql::joined).collect::<Vec<_>>()).to_string();
    let seed = (scenario.seed as i64).to_string();
    let parameters = [scenario.kind.as_str(), &iterations, &workload, &workers, &reset_every, &limit, &dealt, &seed];
    let done = session.query(sql, &parameters, &Step::Engine("run_scenario"), Some(&scenario.place));
    done.map(drop).map_err(|failure| match failure.cause {
        Cause::Sql(mut error) if error.code == INSUFFICIENT_PRIVILEGE && !session.is_superuser() => {
            error.hint.get_or_insert_with(|| ROLE_HINT.to_owned());
            Failure { cause: Cause::Sql(error), ..failure }
        }
        cause => Failure { cause, ..failure },
    })
}

/// SQLSTATE of what a role may not do.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// What to do where the role that a spec has taken may not call the engine.
const ROLE_HINT: &str = "with \"iterate server\" the session's own role calls the engine: leave \"iterate server\" out, or put SET ROLE \
                         and RESET ROLE into the workload";

/// Sets the probes of a scenario, and forgets those that there are.
pub(super) fn register_probes(session: &mut Session, scenario: &Scenario) -> Result<(), Failure> {
    let sql = "SELECT ext_memcheck.register_shmem_probe($1::pg_catalog.text, $2::pg_catalog.text::pg_catalog.int8)";
    if !scenario.probes.is_empty() {
        clear_probes(session, scenario)?;
    }
    for probe in &scenario.probes {
        let parameters = [probe.segment.as_str(), &probe.size.to_string()];
        session.query(sql, &parameters, &Step::Engine("register_shmem_probe"), Some(&probe.place))?;
    }
    Ok(())
}

/// Forgets them.
pub(super) fn clear_probes(session: &mut Session, scenario: &Scenario) -> Result<(), Failure> {
    if scenario.probes.is_empty() {
        return Ok(());
    }
    session.simple("SELECT ext_memcheck.clear_shmem_registry()", &Step::Engine("clear_shmem_registry"), None)
}

/// What the window that was closed last has found.
pub(super) fn window(session: &mut Session, phase: Option<Phase>) -> Result<Window, Failure> {
    let findings = session.query(FINDINGS, &[], &Step::Engine("findings"), None)?;
    let statistics = session.query(STATISTICS, &[], &Step::Engine("window_stats"), None)?;
    let targets = session.query(WINDOW_TARGETS, &[], &Step::Engine("window_targets"), None)?;
    let contexts = session.query(WINDOW_CONTEXTS, &[], &Step::Engine("window_contexts"), None)?;
    let mut window = read_window(phase, &findings, &statistics, &targets, &contexts)?;
    if has_sites(&window) {
        name_functions(&mut window, &session.query(DIRECTORIES, &[], &Step::Engine("findings"), None)?);
    }
    Ok(window)
}

/// A window from the rows of [`FINDINGS`], [`STATISTICS`], [`WINDOW_TARGETS`] and [`WINDOW_CONTEXTS`].
pub(super) fn read_window(
    phase: Option<Phase>,
    findings: &[Row],
    statistics: &[Row],
    targets: &[Row],
    contexts: &[Row],
) -> Result<Window, Failure> {
    let findings = findings
        .iter()
        .map(|row| finding(row).map_err(|reason| Failure::new(Step::Engine("findings"), Cause::Protocol(reason))));
    let findings = findings.collect::<Result<_, _>>()?;
    let statistics: BTreeMap<String, i64> = statistics.iter().map(|row| (row.get(0), row.get(1))).collect();
    let targets = targets.iter().map(|row| Loaded { target: row.get(0), library: row.get(1) }).collect();
    let contexts = contexts.iter().map(branch).collect();
    Ok(Window { phase, findings, statistics, targets, contexts, confirmation: None })
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
    let mut symbols = symbols(directories);
    for finding in &mut window.findings {
        finding.sites_mut().for_each(|site| symbols.describe(site));
        finding.describe_access();
    }
}

/// Functions and lines, from the files in [`DIRECTORIES`].
pub(super) fn symbols(directories: &[Row]) -> Symbols {
    let directory = |i| directories.first()?.try_get::<_, Option<String>>(i).ok()?;
    Symbols::new(directory(0).unwrap_or_default().into(), directory(1).unwrap_or_default().into())
}

/// What the engine counted in the window that was closed last.
pub(super) const STATISTICS: &str = "SELECT name, value FROM ext_memcheck.window_stats()";

/// Which libraries were targets of the window that was closed last, and which targets were not loaded.
pub(super) const WINDOW_TARGETS: &str = "SELECT target, library FROM ext_memcheck.window_targets()";

/// The tree of contexts of the window that was closed last.
pub(super) const WINDOW_CONTEXTS: &str = "\
    SELECT context_path, bytes_before, bytes_after, contexts_before, contexts_after FROM ext_memcheck.window_contexts()";

/// Reads a row of [`WINDOW_CONTEXTS`].
fn branch(row: &Row) -> Branch {
    let number = |column: usize| u64::try_from(row.get::<_, i64>(column)).unwrap_or(0);
    Branch {
        path: ContextPath::new(row.get::<_, Vec<String>>(0)),
        bytes: [number(1), number(2)],
        contexts: [number(3), number(4)],
    }
}

/// What the window that was closed last has found.
pub(super) const FINDINGS: &str = "\
    SELECT check_type, severity, context_path, subject, bytes, objects, iterations, bytes_per_iter::pg_catalog.float8,
           objects_per_iter::pg_catalog.float8, shape, phase, source_lib, marks::pg_catalog.text, detail,
           build_id, site_offset, site_symbol, stack::pg_catalog.text, access::pg_catalog.text
      FROM ext_memcheck.findings()";

/// Reads a row of [`FINDINGS`]; the error says what cannot be used.
fn finding(row: &Row) -> Result<Finding, String> {
    fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<T, String> {
        row.try_get(column).map_err(|error| error.to_string())
    }
    let json = |text: String| serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"));
    let columns = Columns {
        check_type: get(row, "check_type")?,
        severity: get(row, "severity")?,
        context_path: get(row, "context_path")?,
        subject: get(row, "subject")?,
        bytes: get(row, "bytes")?,
        objects: get(row, "objects")?,
        iterations: get(row, "iterations")?,
        bytes_per_iter: get::<Option<f64>>(row, "bytes_per_iter")?.unwrap_or(0.0),
        objects_per_iter: get::<Option<f64>>(row, "objects_per_iter")?.unwrap_or(0.0),
        shape: get(row, "shape")?,
        phase: get(row, "phase")?,
        source_lib: get(row, "source_lib")?,
        build_id: get(row, "build_id")?,
        site_offset: get(row, "site_offset")?,
        site_symbol: get(row, "site_symbol")?,
        stack: get::<Option<String>>(row, "stack")?.map(json).transpose()?,
        marks: json(get(row, "marks")?)?,
        detail: get(row, "detail")?,
        access: get::<Option<String>>(row, "access")?.map(json).transpose()?,
    };
    columns.try_into().map_err(|bad: BadFinding| bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::ast::Guard;

    #[test]
    fn a_session_is_traced_by_options_of_its_connection() {
        let names = ["mine", "my ext-%", "back\\slash"].map(str::to_owned).to_vec();
        let targets = Targets { names, ..Targets::default() };
        let traced = "-c pg_ext_memcheck.trace=stacks -c pg_ext_memcheck.targets=mine,my\\ ext-%,back\\\\slash";
        assert_eq!(tracing(Trace::Stacks, &targets), traced);
        assert_eq!(
            tracing(Trace::Off, &Targets::default()),
            "-c pg_ext_memcheck.trace=off -c pg_ext_memcheck.targets="
        );
        let guarded = |guard, sample| guarding(Trace::Off, Guarding { guard, sample }, &Targets::default());
        let untraced = tracing(Trace::Off, &Targets::default());
        assert_eq!(guarded(Guard::Redzone, 5), format!("{untraced} -c pg_ext_memcheck.guard=redzone"));
        let sampled = format!("{untraced} -c pg_ext_memcheck.guard=pages -c pg_ext_memcheck.guard_sample=5");
        assert_eq!(guarded(Guard::Pages, 5), sampled);
        assert_eq!(guarded(Guard::PagesBefore, 5), sampled.replace("pages ", "pages_before "));
    }
}
