//! A session that is observed from its first transaction to its end: what its statements leave behind, by statement.
//!
//! Whether sessions are observed only the postmaster's configuration says (`pg_ext_memcheck.observe_directory`). Each registers
//! itself there by a file, and when it ends puts another one in its place that says what it has seen. One that leaves nothing
//! but its registration was killed.
//!
//! From the end of a statement to the end of the next one is what that one has done: it is parsed before the engine is told
//! of it. A statement ends when the next one starts, or with its transaction: only then are portals and what is theirs gone. Of one
//! that does not end another process can have it looked at while it runs; each look at which something has happened is an
//! iteration.
//!
//! How much each site holds is known at any time, so that a statement costs what it does and not what is there
//! ([`crate::trace::SoFar`]).

use std::collections::HashMap;

use memcheck_core::census::{Census, Lifetime, Live, PathId, PathTable, SiteId};
use memcheck_core::judge::event::judge_events;
use memcheck_core::judge::repeated::{Backing, Series};
use memcheck_core::judge::{Mark, Rules};
use memcheck_core::observed::{LeftRecord, SessionRecord, StatementRecord, Who};
use memcheck_core::scenario::ScenarioKind;
use memcheck_core::targets::{Loaded, add_loaded};
use memcheck_core::wire::{FindingRecord, SiteRecord};
use memcheck_core::{Finding, Site, room, statement};

use super::observed_file::File;
use super::overruns;
use super::window::judged;
use super::{Figures, MISSED, Session};
use crate::guc;
use crate::pg::errors::is_leaving;
use crate::pg::process::{application, database_and_role, is_parallel_worker, kind, my_pid, started};
use crate::pg::transactions::at_exit;
use crate::shmem::canaries;
use crate::trace::{Serial, SoFar};
use crate::wrap;

/// More different statements than these are taken together.
const MOST_STATEMENTS: usize = 8192;
/// So many places are told of those at which something is left.
const MOST_LEFT: usize = 100;
/// What a statement takes, about (bytes).
const STATEMENT: usize = 8192;
/// Stands for those that are taken together.
const OTHERS: &str = "(other statements)";
/// Stands for what is done in a transaction without any.
const NONE: &str = "(no statement)";

/// How a session is judged: as a window of this kind would be.
const SCENARIO: ScenarioKind = ScenarioKind::GrowthBenchmark;

/// A statement and what it has done so far.
#[derive(Default)]
struct Statement {
    text: String,
    repeated: Series,
    /// What it did while it ran, in the execution that was looked at most often.
    running: Series,
    /// Accesses and overruns that were found while it was the last one.
    seen: Vec<Finding>,
}

/// What there was when the last statement had ended.
#[derive(Default)]
struct Before {
    /// None where nothing is traced, or where there was no room to take note of it.
    held: Option<SoFar>,
    /// What is in no context, and what parallel workers held.
    outside: Census,
    events: Vec<u64>,
    calls: u64,
}

/// The session's statements.
pub(super) struct Observed {
    file: File,
    who: Who,
    is_named: bool,
    statements: Vec<Statement>,
    by_text: HashMap<String, usize>,
    /// The statement under way, and its text as the client has sent it.
    current: Option<(usize, Vec<u8>)>,
    /// It was planned and is not executed yet.
    is_planned: bool,
    /// What it has done since it began, by looks.
    looks: Series,
    /// All statements taken together.
    whole: Series,
    before: Before,
    /// Accesses and overruns that are no statement's.
    seen: Vec<Finding>,
    /// How often there was no telling what a statement did.
    not_recorded: u64,
    out_of_memory: u64,
}

/// What has changed since the last statement.
struct Change {
    grown: Census,
    shrunk: Vec<(SiteId, Live)>,
    events: Vec<u64>,
    calls: u64,
}

impl Session {
    /// Begins to observe the session, if sessions are. The first time that parameters are followed: in its first transaction.
    pub(super) fn observe(&mut self) {
        if self.observed.is_some() || is_parallel_worker() {
            return;
        }
        let Some(directory) = guc::observe_directory() else { return };
        let who = Who { pid: my_pid(), started: started(), kind: kind(), application: application(), ..Who::default() };
        let Some(file) = File::register(&directory, &who) else { return };
        at_exit(|| {
            if !is_leaving() {
                super::with(Session::observed_ends);
            }
        });
        self.events.start();
        MISSED.set(0);
        self.observed = Some(Box::new(Observed {
            file,
            who,
            is_named: false,
            statements: Vec::new(),
            by_text: HashMap::new(),
            current: None,
            is_planned: false,
            looks: Series::default(),
            whole: Series::default(),
            before: Before::default(),
            seen: Vec::new(),
            not_recorded: 0,
            out_of_memory: room::refused(),
        }));
        self.observe_anew();
        // What was there before is told by the first one that looks.
        self.observed_has(overruns::older(canaries::look()));
    }

    /// What was allocated so far is not known any more, or is nobody's: from now on it is.
    pub(super) fn observe_anew(&mut self) {
        if self.observed.is_none() {
            return;
        }
        if let Some(traced) = guc::traced_in_windows().filter(|_| wrap::is_on())
            && !self.lead(&traced)
            && let Some(observed) = &mut self.observed
        {
            observed.not_recorded += 1;
        }
        let _ = self.change();
    }

    /// Whether it is not known yet whose session it is. Asked in transactions.
    pub(crate) fn lacks_names(&self) -> bool {
        self.observed.as_ref().is_some_and(|observed| !observed.is_named)
    }

    /// Says so.
    pub(crate) fn has_names(&mut self, (database, role): (String, String)) {
        if let Some(observed) = &mut self.observed {
            observed.is_named = true;
            (observed.who.database, observed.who.role) = (database, role);
        }
    }

    /// What has changed since this was asked for the last time; none where it is not known.
    fn change(&mut self) -> Option<Change> {
        self.collect_from_workers();
        let walker = &mut self.walker;
        let now = || {
            wrap::with(|chain| {
                let booked = chain.ledger.booked();
                (booked.so_far(), booked.outside())
            })
        };
        let (held, mut outside) = wrap::is_on().then(now).flatten().unwrap_or_default();
        self.workers.count(&mut outside);
        let observed = self.observed.as_mut()?;
        let now = Before { held, outside, events: self.events.counts(), calls: self.calls.made() };
        let before = std::mem::replace(&mut observed.before, now);
        let now = &observed.before;
        let since = before.held.filter(|_| wrap::is_on() && now.held.is_some())?;
        let gains = wrap::with(|chain| {
            let mut booked = chain.ledger.booked();
            booked.forget_credits();
            booked.gains(&since, walker)
        })?;
        let mut change = Change {
            grown: gains.grown,
            shrunk: gains.shrunk,
            events: Vec::new(),
            calls: now.calls.saturating_sub(before.calls),
        };
        let (older, newer) = (&before.outside, &now.outside);
        if !room::make(&mut change.shrunk, older.curves()) || !room::make(&mut change.events, now.events.len()) {
            return None;
        }
        for (path, site, live) in newer.traced() {
            change.grown.count_traced(path, site, less(live, older.live(path, site)));
        }
        let gone = older.traced().map(|(path, site, live)| (site, less(live, newer.live(path, site))));
        change.shrunk.extend(gone.filter(|&(_, live)| live != Live::default()));
        let earlier = before.events.iter().copied().chain(std::iter::repeat(0));
        change.events.extend(now.events.iter().zip(earlier).map(|(now, before)| now.saturating_sub(before)));
        Some(change)
    }

    /// A statement starts at the top level: is planned, or executed.
    pub(crate) fn observed_statement(&mut self, text: &[u8], executes: bool) {
        let Some(observed) = &mut self.observed else { return };
        let is_same = observed.current.as_ref().is_some_and(|(_, current)| current == text);
        if executes && is_same && std::mem::take(&mut observed.is_planned) {
            return;
        }
        self.observed_statement_ends();
        let Some(observed) = &mut self.observed else { return };
        observed.is_planned = !executes;
        let known = match &observed.current {
            Some((number, current)) if current == text => *number,
            _ => observed.number(&String::from_utf8_lossy(text)),
        };
        let mut own = Vec::new();
        if room::make(&mut own, text.len()) {
            own.extend_from_slice(text);
        }
        observed.current = Some((known, own));
    }

    /// Accesses and overruns were found, by this session: they are told of the statement under way.
    pub(super) fn observed_has(&mut self, findings: Vec<Finding>) {
        let Some(observed) = &mut self.observed else { return };
        let statement = observed.current.as_ref().and_then(|(number, _)| observed.statements.get_mut(*number));
        let seen = statement.map_or(&mut observed.seen, |statement| &mut statement.seen);
        for finding in findings {
            let place = |finding: &Finding| finding.site.as_ref().map(|site| site.frame.offset);
            let is_it = |other: &&mut Finding| other.is_about_the_same(&finding) && place(other) == place(&finding);
            match seen.iter_mut().find(is_it) {
                Some(known) => known.objects += finding.objects,
                None => _ = room::push(seen, finding),
            }
        }
    }

    /// The statement under way has ended, and its transaction has, or the next one starts.
    pub(crate) fn observed_statement_ends(&mut self) {
        if self.observed.as_ref().is_some_and(|observed| observed.current.is_some()) {
            self.ends(None);
        }
    }

    /// A transaction ends. In one without statements, a background worker may have done its work.
    pub(crate) fn observed_transaction_without_statements(&mut self) {
        if self.observed.as_ref().is_some_and(|observed| observed.current.is_none()) {
            self.ends(Some(NONE));
        }
    }

    /// What was done until now was done by the statement under way, or by what is named.
    fn ends(&mut self, named: Option<&str>) {
        self.look_at_segments(None);
        let change = self.change();
        let Some(observed) = &mut self.observed else { return };
        let number = match (observed.current.take(), named) {
            (Some((number, _)), _) => number,
            (None, Some(name)) => {
                // Most have done nothing.
                if change.as_ref().is_some_and(Change::is_nothing) {
                    return;
                }
                observed.number(name)
            }
            (None, None) => return,
        };
        observed.is_planned = false;
        match &change {
            Some(change) => observed.add(number, change),
            None if wrap::is_on() => observed.not_recorded += 1,
            None => {}
        }
        observed.whole.repeated();
        let looks = std::mem::take(&mut observed.looks);
        if let Some(statement) = observed.statements.get_mut(number) {
            statement.repeated.repeated();
            if looks.times() > statement.running.times() {
                statement.running = looks;
            }
        }
    }

    /// Looks at what the statement under way has done so far; false where none is, or the session is not observed.
    pub(crate) fn look(&mut self) -> bool {
        let Some(number) = self.observed.as_ref().and_then(|observed| Some(observed.current.as_ref()?.0)) else {
            return false;
        };
        wrap::refresh();
        let change = self.change();
        let Some(observed) = &mut self.observed else { return false };
        match &change {
            Some(change) if change.is_nothing() => {}
            Some(change) => {
                observed.add(number, change);
                observed.looks.repeated();
            }
            None if wrap::is_on() => observed.not_recorded += 1,
            None => {}
        }
        true
    }

    /// The session ends: hands over what was seen.
    fn observed_ends(&mut self) {
        let is_under_way = self.observed.as_ref().and_then(|observed| Some(observed.current.as_ref()?.0));
        self.observed_statement_ends();
        let accesses = self.take_accesses();
        self.observed_has(accesses);
        self.observed_has(overruns::numbered(canaries::look()));
        let Some(mut observed) = self.observed.take() else { return };
        let walker = &mut self.walker;
        let mut held = wrap::with(|chain| chain.ledger.booked().held(walker)).unwrap_or_default();
        self.workers.count(&mut held);
        let left = self.left(&held, &observed);
        let gains = observed.statements.iter().map(|statement| statement.repeated.gains());
        let backing = Backing::new(held, gains);
        let rules = Rules { thresholds: guc::thresholds(), ..Rules::default() };
        let mut of_statements = Vec::new();
        let mut known: Vec<Finding> = Vec::new();
        for (number, statement) in observed.statements.iter_mut().enumerate() {
            let seen = std::mem::take(&mut statement.seen);
            let Statement { text, repeated, running, .. } = statement;
            let events = repeated.marks_of_events();
            let mut found = self.judge_marks(&repeated.marks(&backing, false), &rules);
            found.extend(judge_events(&self.events.all(), SCENARIO.checks(), &events, &rules));
            found.extend(seen);
            let while_running = self.judge_marks(&running.marks(&backing, is_under_way == Some(number)), &rules);
            for (found, times, while_running) in
                [(found, repeated.times(), false), (while_running, running.times(), true)]
            {
                let findings: Vec<FindingRecord> = found.iter().map(FindingRecord::from).collect();
                let is_kept = !findings.is_empty() && room::make(&mut known, found.len());
                if is_kept {
                    let record = StatementRecord { text: text.clone(), times, while_running, findings };
                    room::push(&mut of_statements, record);
                    known.extend(found);
                }
            }
        }
        let mut of_session = self.judge_marks(&observed.whole.marks(&backing, false), &rules);
        of_session.retain(|finding| !known.iter().any(|other| other.is_about_the_same(finding)));
        of_session.extend(std::mem::take(&mut observed.seen));
        observed.who.application = application();
        let record = SessionRecord {
            who: observed.who.clone(),
            statements: observed.statements.len() as u64,
            executions: observed.whole.times(),
            of_statements,
            of_session: of_session.iter().map(FindingRecord::from).collect(),
            left,
            figures: self.observed_figures(&observed).named().map(|(name, value)| (name.to_owned(), value)).collect(),
            targets: self.loaded_anywhere(),
        };
        observed.file.complete(&record);
    }

    /// The targets that are loaded here, and those that parallel workers have loaded: what is only below a Gather the leader may never
    /// load.
    fn loaded_anywhere(&self) -> Vec<(Option<String>, Option<String>)> {
        let mut all = wrap::with(|chain| chain.stack.targets.loaded()).unwrap_or_default();
        let by_workers = self.loaded_by_workers();
        if room::is_there_for((all.len() + by_workers.len()) * size_of::<Loaded>()) {
            add_loaded(&mut all, &by_workers);
        }
        all.into_iter().map(|loaded| (loaded.target, loaded.library)).collect()
    }

    fn judge_marks(&self, marks: &[Mark], rules: &Rules) -> Vec<Finding> {
        if marks.len() < 2 {
            return Vec::new();
        }
        let since = Some(Serial::default());
        judged(&self.walker, &self.workers, marks, &[], rules, since, |evidence| SCENARIO.judge(evidence))
    }

    /// What is held of memory that lives as long as the session, the most first.
    fn left(&self, held: &Census, observed: &Observed) -> Vec<LeftRecord> {
        /// What a place with its stack takes, about (bytes).
        const PLACE: usize = 16 << 10;
        let paths = self.walker.paths();
        let outlives = |paths: &PathTable, path| path != PathId::NOT_KEPT && paths.lifetime(path) == Lifetime::Backend;
        if !room::is_there_for(held.bytes() + MOST_LEFT * PLACE) {
            return Vec::new();
        }
        let mut places: Vec<(PathId, SiteId, Live)> =
            held.traced().filter(|&(path, ..)| outlives(paths, path)).collect();
        places.sort_by_key(|&(path, site, live)| (std::cmp::Reverse(live.bytes), path, site));
        places.truncate(MOST_LEFT);
        let sites = places.iter().map(|&(_, site, _)| site).collect();
        let stacks = wrap::with(|chain| chain.ledger.booked().all_stacks(&sites)).unwrap_or_default();
        let record = |(path, site, live): (PathId, SiteId, Live)| {
            let of = |statement: &&Statement| statement.repeated.gains().live(path, site).bytes;
            let statement = observed.statements.iter().max_by_key(of).filter(|statement| of(statement) > 0);
            let path = paths.path(path);
            let place: Site = self.workers.describe(site, stacks.of(&path, site));
            LeftRecord {
                context_path: path.names().to_vec(),
                site: SiteRecord::from(&place),
                bytes: live.bytes,
                allocations: live.allocations,
                statement: statement.map_or_else(String::new, |statement| statement.text.clone()),
            }
        };
        places.into_iter().map(record).collect()
    }

    fn observed_figures(&mut self, observed: &Observed) -> Figures {
        let workers = self.collect_from_workers();
        let walker = &self.walker;
        let mut figures = Figures {
            context_paths: walker.paths().len() as u64,
            statements: observed.whole.times(),
            traced: wrap::is_on().into(),
            not_recorded: observed.not_recorded + self.events.not_recorded() + MISSED.get() + workers.not_recorded,
            out_of_memory: room::refused() - observed.out_of_memory + workers.out_of_memory,
            workers_not_traced: workers.not_traced,
            workers_not_heard: workers.begun.saturating_sub(workers.handed_over),
            inconsistencies: workers.inconsistencies,
            ..Figures::default()
        };
        wrap::with(|chain| {
            figures.mapped_bytes = chain.ledger.booked().mapped();
            figures.live_allocations = chain.ledger.booked().outstanding();
            figures.not_recorded += chain.not_recorded();
            figures.inconsistencies += chain.inconsistencies(walker);
        });
        figures
    }
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.grown.is_empty() && self.shrunk.is_empty() && self.events.iter().all(|&times| times == 0)
    }
}

impl Observed {
    /// The number of a statement.
    fn number(&mut self, sql: &str) -> usize {
        let mut text = statement::normalized(sql);
        if let Some(&number) = self.by_text.get(&text) {
            return number;
        }
        let has_room = self.statements.len() < MOST_STATEMENTS
            && room::is_there_for(STATEMENT)
            && room::make(&mut self.by_text, 1)
            && room::make(&mut self.statements, 1);
        if !has_room {
            text = OTHERS.to_owned();
            if let Some(&number) = self.by_text.get(&text) {
                return number;
            }
        }
        let number = self.statements.len();
        self.by_text.insert(text.clone(), number);
        self.statements.push(Statement { text, ..Statement::default() });
        number
    }

    fn add(&mut self, number: usize, change: &Change) {
        let Change { grown, shrunk, events, calls } = change;
        let to = |series: &mut Series| series.add(grown, shrunk, events, *calls);
        to(&mut self.whole);
        to(&mut self.looks);
        if let Some(statement) = self.statements.get_mut(number) {
            to(&mut statement.repeated);
        }
    }
}

fn less(one: Live, other: Live) -> Live {
    Live {
        bytes: one.bytes.saturating_sub(other.bytes),
        allocations: one.allocations.saturating_sub(other.allocations),
    }
}

/// The names for a session that lacks them. In a transaction; may raise an ERROR.
pub(crate) fn names() -> (String, String) {
    database_and_role()
}
