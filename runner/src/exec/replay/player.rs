//! The session in which a file is replayed, and what psql would keep beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::repeatable::{Reason, Way, way};
use super::{Repeated, Replayed, Settings};
use crate::exec::engine;
use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::outcome::Window;
use crate::exec::quote::quoted;
use crate::exec::scenario::repeat_in;
use crate::exec::session::Session;
use crate::exec::shown::{value, values};
use crate::exec::workload::{BARE, Wrapping};
use crate::language::SourceFile;
use crate::language::sql::{Command, Item, Variables, What, arguments, script, substitute_known};
use crate::plan::{Case, Defaults, Environment, Overrides, Place, Scenario, Sql, Statement, cases, load_source};
use crate::server::{Server, is_interrupted};

/// Executions before the window.
const WARMUP: u64 = 5;

/// With fewer iterations growth is not told from chance.
const FEWEST: u64 = 20;

/// The part of the time for a statement that its iterations may take by what one has taken; the rest is for confirming.
const PART: u32 = 4;

/// Time for a statement of the file as it is.
const ONCE: Duration = Duration::from_secs(60);

/// How deep files may include each other.
const DEPTH: usize = 10;

/// What is sent around each execution that is to leave nothing behind, outside of a transaction and in one.
const UNDONE: Wrapping = Wrapping { before: &["BEGIN"], fails: None, after: &["ROLLBACK"] };
const UNDONE_INSIDE: Wrapping = Wrapping {
    before: &["SAVEPOINT mcspec"],
    fails: None,
    after: &["ROLLBACK TO SAVEPOINT mcspec", "RELEASE SAVEPOINT mcspec"],
};

/// Commands that have to do with what is shown, and nothing with what is done.
const SHOWN: &[&str] = &[
    "a",
    "C",
    "conninfo",
    "dconfig",
    "echo",
    "encoding",
    "errverbose",
    "f",
    "H",
    "html",
    "o",
    "out",
    "p",
    "print",
    "prompt",
    "pset",
    "qecho",
    "s",
    "t",
    "T",
    "timing",
    "warn",
    "x",
];

/// What a case is made from that stands for a statement.
const SPEC: &str = "scenario growth_benchmark\n  workload { SELECT 1 }\n";

fn pattern() -> Case {
    let loaded = load_source("replay", SourceFile::new("replay", SPEC)).expect("it is one of ours");
    let planned = cases(&loaded, &Environment::nominal(180_000), &Overrides::default(), Defaults::default());
    planned.expect("it is one of ours").remove(0)
}

/// A place in a library: its name and the offset.
type Where = (String, u64);

/// A branch of `\if`.
struct Branch {
    /// Whether its statements are executed.
    taken: bool,
    /// Whether one of the branches before was, or the whole is in one that is not.
    decided: bool,
}

/// Somebody who does what psql does.
pub(super) struct Player<'a, 'o> {
    server: &'a Server,
    settings: &'a Settings,
    /// A case with one scenario, which each statement is one like.
    case: Case,
    session: Option<Session<'a>>,
    variables: Variables,
    branches: Vec<Branch>,
    /// How many of the repeated statements were looked at.
    looked: usize,
    /// Where growth was found, and what was held there then.
    grown: BTreeMap<Where, u64>,
    out: &'o mut Replayed,
}

impl<'a, 'o> Player<'a, 'o> {
    /// Opens the session.
    pub(super) fn open(server: &'a Server, settings: &'a Settings, out: &'o mut Replayed) -> Result<Self, Failure> {
        let case = Case { database: settings.database.clone(), ..pattern() };
        let mut player = Player {
            server,
            settings,
            case,
            session: None,
            variables: Variables::default(),
            branches: Vec::new(),
            looked: 0,
            grown: BTreeMap::new(),
            out,
        };
        player.connect(&settings.database.clone())?;
        // pg_regress says so to psql (pg_regress_main.c, psql_start_test).
        player.variables.set("HIDE_TABLEAM", "on");
        player.variables.set("HIDE_TOAST_COMPRESSION", "on");
        player.variables.set("USER", crate::server::SUPERUSER);
        Ok(player)
    }

    fn connect(&mut self, database: &str) -> Result<(), Failure> {
        let tracing = engine::tracing(self.settings.trace, &self.settings.targets);
        let options = format!("{tracing} {}", self.settings.options);
        if let Some(session) = self.session.take() {
            session.end(Ok(()))?;
        }
        let mut session = Session::open(self.server, database, options.trim_end(), ONCE)?;
        let versions =
            "SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version')";
        let rows = session.query(versions, &[], &Step::SessionStart, None)?;
        if let Some(row) = rows.first() {
            self.variables.set("SERVER_VERSION_NUM", row.get::<_, String>(0));
            self.variables.set("SERVER_VERSION_NAME", row.get::<_, String>(1));
        }
        self.variables.set("DBNAME", database);
        self.case.database = database.to_owned();
        self.session = Some(session);
        Ok(())
    }

    /// Plays a file to its end, or to that of the session.
    pub(super) fn play(&mut self, source: &Arc<SourceFile>) {
        self.file(source, 0);
        if let Some(session) = self.session.take()
            && let Err(failure) = session.end(Ok(()))
        {
            self.out.failures.push(failure);
        }
    }

    fn file(&mut self, source: &Arc<SourceFile>, depth: usize) {
        for item in script(&source.text) {
            if is_interrupted() {
                return;
            }
            let place = Place { source: Arc::clone(source), offset: item.offset };
            let is_statement = matches!(item.what, What::Statement { .. });
            if self.session.is_none() {
                self.leave_out(Reason::Ended, is_statement);
            } else if !self.is_taken() && is_statement {
                self.leave_out(Reason::Branch, true);
            } else {
                self.item(item, &place, depth);
            }
        }
    }

    fn leave_out(&mut self, reason: Reason, is_statement: bool) {
        if is_statement {
            *self.out.left_out.entry(reason).or_default() += 1;
        }
    }

    fn is_taken(&self) -> bool {
        self.branches.last().is_none_or(|branch| branch.taken)
    }

    fn item(&mut self, item: Item, place: &Place, depth: usize) {
        match item.what {
            What::Statement { text, sent_by, data } => {
                let text = substitute_known(&text, &self.variables).into_owned();
                self.statement(&text, sent_by.as_ref(), data, place);
            }
            What::Command { command, data } => self.command(&command, data, place, depth),
        }
    }

    /// Executes a statement as psql would, and then again.
    fn statement(&mut self, text: &str, sent_by: Option<&Command>, data: Option<String>, place: &Place) {
        let Some(session) = self.session.as_mut() else { return };
        session.give(ONCE);
        session.supply(Some(data.unwrap_or_default().into_bytes().into()));
        let was_in_transaction = session.is_in_transaction();
        let started = Instant::now();
        let done = session.rows(text, &Step::WarmUp(1), place);
        let took = started.elapsed();
        let name = sent_by.map_or("", |command| command.name.as_str());
        let error = match done {
            Ok(rows) => {
                self.note_state(None);
                match name {
                    "gset" => self.gset(sent_by.map_or("", |command| command.rest.as_str()), &rows),
                    "gexec" => {
                        let texts: Vec<String> = rows.iter().flat_map(values).flatten().map(str::to_owned).collect();
                        texts.iter().for_each(|text| self.statement(text, None, None, place));
                    }
                    _ => {}
                }
                None
            }
            Err(failure) => match self.failed(failure) {
                Some(code) => Some(code),
                None => return self.leave_out(Reason::Ended, true),
            },
        };
        if !matches!(name, "" | "g" | "gx" | "gset" | "crosstabview") {
            return self.leave_out(Reason::Command, true);
        }
        if let Err(reason) = self.again(text, error, took, was_in_transaction, place) {
            self.leave_out(reason, true);
        }
        if let Some(session) = &self.session {
            session.supply(None);
        }
        self.look_back();
        if let Some(session) = &self.session {
            session.take_messages();
        }
    }

    /// Takes note of a failure. Gives its SQLSTATE where the session goes on. Without a session psql ends (common.c,
    /// CheckConnection).
    fn failed(&mut self, failure: Failure) -> Option<String> {
        if failure.lost_the_session() {
            self.session = None;
            // What a file does to itself is its own business.
            if !matches!(failure.cause, Cause::Sql(_)) {
                self.out.failures.push(failure);
            }
            return None;
        }
        match &failure.cause {
            Cause::Sql(error) => {
                let (code, message) = (error.code.clone(), error.message.clone());
                self.note_state(Some((&code, &message)));
                Some(code)
            }
            _ => {
                self.out.failures.push(failure);
                self.session = None;
                None
            }
        }
    }

    /// The variables that tell how the last statement went (common.c, SetResultVariables).
    fn note_state(&mut self, error: Option<(&str, &str)>) {
        let (code, message) = error.unwrap_or(("00000", ""));
        self.variables.set("ERROR", if error.is_some() { "true" } else { "false" });
        self.variables.set("SQLSTATE", code);
        if error.is_some() {
            self.variables.set("LAST_ERROR_SQLSTATE", code);
            self.variables.set("LAST_ERROR_MESSAGE", message);
        }
    }

    fn gset(&mut self, rest: &str, rows: &[tokio_postgres::SimpleQueryRow]) {
        let prefix = self.arguments(rest).into_iter().next().unwrap_or_default();
        let [row] = rows else { return };
        for (column, value) in row.columns().iter().zip(values(row)) {
            if let Some(value) = value {
                self.variables.set(format!("{prefix}{}", column.name()), value);
            }
        }
    }

    fn arguments(&self, rest: &str) -> Vec<String> {
        arguments(rest, |name| self.variables.get(name).map(str::to_owned))
    }

    /// Repeats a statement that has failed with `error` or not at all, and has taken that long.
    fn again(
        &mut self,
        text: &str,
        error: Option<String>,
        took: Duration,
        was_in_transaction: bool,
        place: &Place,
    ) -> Result<(), Reason> {
        let way = match way(text) {
            Way::Not(reason) => return Err(reason),
            way => way,
        };
        let settings = self.settings;
        let session = self.session.as_mut().ok_or(Reason::Ended)?;
        let is_inside = session.is_in_transaction();
        if is_inside != was_in_transaction {
            return Err(Reason::Transaction);
        }
        if session.is_in_failed_transaction() {
            return Err(Reason::Failed);
        }
        session.give(settings.limit);
        let (wrapping, took) = match way {
            _ if is_inside => (UNDONE_INSIDE, took),
            Way::Undone => (UNDONE, took),
            Way::Reading if error.is_none() => match is_reading(session, text, place) {
                Ok((true, took)) => (BARE, took),
                Ok((false, took)) => (UNDONE, took),
                Err(failure) => return Err(self.not_repeated(failure, false)),
            },
            _ => (BARE, took),
        };
        let fit = settings.limit.as_secs_f64() / f64::from(PART) / took.as_secs_f64().max(1e-6);
        let iterations = settings.iterations.min(fit as u64);
        if iterations < FEWEST.min(settings.iterations) {
            return Err(Reason::Slow);
        }
        let statements = vec![Statement::fixed(text, place.clone())];
        let scenario = Scenario {
            iterations,
            warmup: WARMUP,
            timeout: settings.limit,
            trace: settings.trace,
            workload: Sql { statements },
            expected_error: error,
            place: place.clone(),
            ..self.case.scenarios[0].clone()
        };
        session.give(settings.limit);
        match repeat_in(self.server, session, &self.case, &scenario, wrapping) {
            Ok(window) => {
                self.add(text, iterations, window, place);
                Ok(())
            }
            Err(failure) => Err(self.not_repeated(failure, is_inside)),
        }
    }

    /// Takes note of places at which growth was found, and of those at which most of it has gone since.
    fn look_back(&mut self) {
        let found = self.out.repeated.len();
        let windows = self.out.repeated[self.looked..].iter().map(|repeated| &repeated.window);
        let sites = windows.flat_map(|window| &window.findings).filter_map(|finding| finding.site.as_ref());
        let new: Vec<Where> = sites.map(|site| (site.frame.library.clone(), site.frame.offset)).collect();
        self.looked = found;
        let Some(session) = self.session.as_mut().filter(|session| !session.is_in_failed_transaction()) else { return };
        if new.is_empty() && self.grown.is_empty() {
            return;
        }
        session.give(ONCE);
        // What cannot be asked is not known to have gone.
        let Ok(held) = held(session) else { return };
        let now = |place: &Where| held.get(place).copied().unwrap_or(0);
        let gone = self.grown.extract_if(.., |place, then| now(place) < *then / 2);
        self.out.given_back.extend(gone.map(|(place, _)| place));
        self.grown.extend(new.into_iter().map(|place| (place.clone(), now(&place))));
    }

    fn add(&mut self, text: &str, iterations: u64, window: Window, place: &Place) {
        self.out.repeated.push(Repeated { place: place.clone(), text: text.to_owned(), iterations, window });
    }

    /// Makes the session what it was before, after a repetition that came to nothing, and says why.
    fn not_repeated(&mut self, failure: Failure, is_inside: bool) -> Reason {
        if failure.lost_the_session() {
            self.session = None;
            self.out.failures.push(failure);
            return Reason::Ended;
        }
        let Some(session) = self.session.as_mut() else { return Reason::Ended };
        session.give(ONCE);
        let step = Step::Teardown;
        let undone = match is_inside {
            true => session.simple("ROLLBACK TO SAVEPOINT mcspec; RELEASE SAVEPOINT mcspec", &step, None),
            false => session.simple("ROLLBACK", &step, None),
        };
        // There may be no window.
        let ended = undone.and_then(|()| match engine::end(session) {
            Err(Failure { cause: Cause::Sql(_), .. }) => Ok(()),
            ended => ended,
        });
        match (ended, &failure.cause) {
            (Err(later), _) => {
                self.session = None;
                self.out.failures.push(failure.then(Some(later)));
                Reason::Ended
            }
            (Ok(()), Cause::Timeout { .. }) => Reason::Slow,
            (Ok(()), _) => Reason::Differs,
        }
    }

    fn command(&mut self, command: &Command, data: Option<String>, place: &Place, depth: usize) {
        let words = self.arguments(&command.rest);
        let first = words.first().map(String::as_str);
        match command.name.as_str() {
            "if" => {
                let outer = self.is_taken();
                let taken = outer && is_true(&words);
                self.branches.push(Branch { taken, decided: taken || !outer });
            }
            "elif" => {
                let holds = is_true(&words);
                if let Some(branch) = self.branches.last_mut() {
                    branch.taken = !branch.decided && holds;
                    branch.decided |= branch.taken;
                }
            }
            "else" => {
                if let Some(branch) = self.branches.last_mut() {
                    branch.taken = !branch.decided;
                    branch.decided = true;
                }
            }
            "endif" => drop(self.branches.pop()),
            _ if !self.is_taken() => {}
            "set" => {
                if let Some(name) = first {
                    self.variables.set(name, words[1..].concat());
                }
            }
            "getenv" => {
                if let [name, variable] = words.as_slice()
                    && let Some(value) = self.settings.environment.get(variable)
                {
                    self.variables.set(name.as_str(), value.as_str());
                }
            }
            "c" | "connect" => self.reconnect(&words),
            "q" | "quit" => self.session = None,
            "i" | "include" | "ir" | "include_relative" => {
                let directory = match command.name.starts_with("ir") || command.name == "include_relative" {
                    true => place.source.path.parent().unwrap_or(Path::new("")).to_owned(),
                    false => self.settings.directory.clone(),
                };
                match first.map(|name| SourceFile::read(directory.join(name))) {
                    Some(Ok(included)) if depth < DEPTH => self.file(&Arc::new(included), depth + 1),
                    _ => self.out.commands += 1,
                }
            }
            "copy" => self.copy(&command.rest, data, place),
            name if SHOWN.contains(&name) => {}
            _ => self.out.commands += 1,
        }
    }

    /// `\c [DATABASE [USER ..]]`
    fn reconnect(&mut self, words: &[String]) {
        let named = |position: usize| words.get(position).filter(|word| *word != "-");
        let database = named(0).cloned().unwrap_or_else(|| self.case.database.clone());
        if let Err(failure) = self.connect(&database) {
            // Then psql ends, too.
            self.out.failures.extend(Some(failure).filter(Failure::lost_the_session));
            self.session = None;
            return;
        }
        if let (Some(user), Some(session)) = (named(1), self.session.as_mut()) {
            let sql = format!("SET SESSION AUTHORIZATION {}", quoted(user, '"'));
            // Whoever is not there is noticed by what follows.
            let _ = session.simple(&sql, &Step::SessionStart, None);
        }
    }

    /// `\copy TABLE FROM 'FILE' ..` is a COPY whose data psql reads.
    fn copy(&mut self, rest: &str, data: Option<String>, place: &Place) {
        let rest = substitute_known(rest, &self.variables).into_owned();
        let words = arguments(&rest, |_| None);
        let from = words.iter().position(|word| word.eq_ignore_ascii_case("from")).and_then(|at| words.get(at + 1));
        let Some(file) = from else {
            self.out.commands += 1;
            return;
        };
        let data = match data {
            Some(data) => Ok(data),
            None => SourceFile::read(self.settings.directory.join(file)).map(|source| source.text),
        };
        let quoted = [format!("'{file}'"), file.clone()].into_iter().find(|written| rest.contains(written.as_str()));
        let (Ok(data), Some(written)) = (data, quoted) else {
            self.out.commands += 1;
            return;
        };
        let sql = format!("COPY {}", rest.replacen(&written, "STDIN", 1));
        self.statement(&sql, None, Some(data), place);
    }
}

/// Whether a statement that has been executed makes no transaction of its own: it changes nothing then. And how long it takes.
fn is_reading(session: &mut Session, text: &str, place: &Place) -> Result<(bool, Duration), Failure> {
    let step = Step::WarmUp(2);
    session.simple("BEGIN", &step, None)?;
    let started = Instant::now();
    session.simple(text, &step, Some(place))?;
    let took = started.elapsed();
    let asked = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
    let rows = session.rows(asked, &step, place)?;
    session.simple("ROLLBACK", &step, None)?;
    Ok((rows.first().is_some_and(|row| value(row, 0) == Some("t")), took))
}

/// What the targets hold now, by library and place.
fn held(session: &mut Session) -> Result<BTreeMap<Where, u64>, Failure> {
    let sql = "SELECT source_lib, site_offset, pg_catalog.sum(bytes)::pg_catalog.int8
                 FROM ext_memcheck.live_allocations() GROUP BY 1, 2";
    let rows = session.query(sql, &[], &Step::Engine("live_allocations"), None)?;
    let unsigned = |row: &tokio_postgres::Row, column| row.get::<_, i64>(column).cast_unsigned();
    Ok(rows.iter().map(|row| ((row.get(0), unsigned(row, 1)), unsigned(row, 2))).collect())
}

/// What `\if` takes for true (variables.c, ParseVariableBool).
fn is_true(words: &[String]) -> bool {
    let [word] = words else { return false };
    let word = word.to_ascii_lowercase();
    let begins = |whole: &str| !word.is_empty() && whole.starts_with(&word);
    word == "1" || word == "on" || begins("true") || begins("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_psql_takes_for_true() {
        for (word, expected) in
            [("1", true), ("on", true), ("t", true), ("YES", true), ("off", false), ("", false), ("2", false)]
        {
            assert_eq!(is_true(&[word.to_owned()]), expected, "{word}");
        }
        assert!(!is_true(&[]));
    }
}
