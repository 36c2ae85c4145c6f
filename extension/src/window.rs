//! A check window: from `begin()` over its marks to `end()`.
//!
//! There is at most one in a session. It belongs to the session, not to a transaction: an aborted transaction does not undo
//! it. A session that ends with its window open reports it to the ring first.

pub(crate) mod outside;

use std::cell::{Cell, RefCell};

use memcheck_core::census::{Census, Moment};
use memcheck_core::check::Per;
use memcheck_core::finding::sort;
use memcheck_core::judge::event::judge_events;
use memcheck_core::judge::peak::Rung;
use memcheck_core::judge::workers::Places;
use memcheck_core::judge::{Evidence, Mark, Rules};
use memcheck_core::scenario::Terms;
use memcheck_core::{Finding, Frame};
use pgrx::prelude::*;

use crate::shmem::ring;
use crate::{current_context, events, guc, parallel, statement, trace, tracing};

/// More marks than this are thinned out: every second one goes.
const MOST_MARKS: usize = 128;

struct Window {
    terms: Terms,
    started: pg_sys::TimestampTz,
    marks: Vec<Mark>,
    /// The steps of a ladder.
    ladder: Vec<Rung>,
    /// What statements have left below MessageContext so far.
    leftovers: Census,
    /// Growth made by the engine's own statements: the sums before and after them.
    own: (Census, Census),
    /// Findings of `run_scenario()` inside the window.
    scenarios: Vec<Finding>,
    counters: Counters,
    /// For a window that another backend opened.
    transactions: Option<outside::Transactions>,
}

/// Figures of a window that say how much was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    /// Marks set.
    pub(crate) marks: u64,
    /// Top-level statements that ended, those that call the engine included.
    pub(crate) statements: u64,
    /// Contexts in the last census.
    pub(crate) contexts: u64,
    /// Different context paths met in this session.
    pub(crate) paths: u64,
    /// Contexts left below MessageContext.
    pub(crate) leftovers: u64,
    /// Allocations of the targets outstanding at the end.
    pub(crate) live_allocations: u64,
    /// Allocations of the targets that found no room in the table.
    pub(crate) not_recorded: u64,
    /// Faults in the engine's own account of them; never any.
    pub(crate) inconsistencies: u64,
    /// Violations lost from the ring since the window was opened, by any backend.
    pub(crate) violations_lost: u64,
}

/// The last window that was closed in this session.
#[derive(Default)]
struct Closed {
    findings: Vec<Finding>,
    counters: Counters,
}

thread_local! {
    static OPEN: RefCell<Option<Window>> = const { RefCell::new(None) };
    static CLOSED: RefCell<Closed> = RefCell::default();
    static LEAVING: Cell<bool> = const { Cell::new(false) };
}

/// A mark that cannot be set.
#[derive(Debug)]
pub(crate) enum BadMark {
    /// No window is open.
    NoWindow,
    /// The last mark was set at this iteration, which is not before the new one.
    NotIncreasing(u64),
}

pub(crate) fn is_open() -> bool {
    OPEN.with_borrow(Option::is_some)
}

/// Whether there is a window that looks at the session's statements: one that the session has opened.
pub(crate) fn checks_statements() -> bool {
    OPEN.with_borrow(|open| open.as_ref().is_some_and(Window::is_own))
}

/// What a window's censuses can be compared by: each call of the engine comes in a message of its own.
pub(crate) fn moment() -> Moment {
    Moment { message: None, transaction: Some(statement::transaction()), portals: true }
}

/// Opens a window, in place of one that is open.
///
/// Tracing starts with it where it is asked for.
pub(crate) fn open(terms: Terms) -> Result<(), trace::Refused> {
    report_at_exit();
    statement::close_ended();
    let libraries = guc::traced_libraries();
    tracing::for_window(libraries.clone(), guc::traces_stacks())?;
    if trace::is_on() {
        parallel::start(&libraries);
    } else {
        parallel::stop();
    }
    let census = statement::with_walker(|walker| walker.census(moment()));
    statement::opens_window(&census);
    events::start();
    OPEN.set(Some(Window::new(terms, census)));
    Ok(())
}

impl Window {
    fn new(terms: Terms, census: Census) -> Self {
        Window {
            terms,
            // SAFETY: reads the clock.
            started: unsafe { pg_sys::GetCurrentTimestamp() },
            marks: vec![Mark { census, ..Mark::default() }],
            ladder: Vec::new(),
            leftovers: Census::default(),
            own: (Census::default(), Census::default()),
            scenarios: Vec::new(),
            counters: Counters { violations_lost: ring::lost(), ..Counters::default() },
            transactions: None,
        }
    }

    /// Whether the session opened it itself.
    fn is_own(&self) -> bool {
        self.transactions.is_none()
    }

    /// Its figures, when it is closed.
    fn figures(&self) -> Counters {
        let mut figures = Counters {
            contexts: self.marks.last().map_or(0, |mark| mark.census.contexts),
            paths: statement::with_walker(|walker| walker.paths().len() as u64),
            leftovers: self.leftovers.paths().map(|path| self.leftovers.totals(path).objects).sum(),
            violations_lost: ring::lost() - self.counters.violations_lost,
            ..self.counters
        };
        if trace::is_on() {
            let workers = parallel::collect();
            (figures.live_allocations, figures.not_recorded) = trace::occupancy();
            figures.not_recorded += workers.not_recorded;
            figures.inconsistencies = statement::with_walker(trace::inconsistencies) + workers.inconsistencies;
        }
        figures
    }
}

impl Counters {
    /// All of them, in the order in which they are declared.
    pub(crate) fn to_array(self) -> [u64; 9] {
        [
            self.marks,
            self.statements,
            self.contexts,
            self.paths,
            self.leftovers,
            self.live_allocations,
            self.not_recorded,
            self.inconsistencies,
            self.violations_lost,
        ]
    }

    /// Reads what `to_array` gives.
    pub(crate) fn from_array(figures: [u64; 9]) -> Self {
        let [
            marks,
            statements,
            contexts,
            paths,
            leftovers,
            live_allocations,
            not_recorded,
            inconsistencies,
            violations_lost,
        ] = figures;
        Counters {
            marks,
            statements,
            contexts,
            paths,
            leftovers,
            live_allocations,
            not_recorded,
            inconsistencies,
            violations_lost,
        }
    }
}

/// The tree as it is for the window now: before the statement that calls the engine, less what earlier such statements made
/// grow.
fn current(window: &Window) -> Census {
    let mut census = statement::is_own().unwrap_or_else(|| statement::with_walker(|walker| walker.census(moment())));
    census.exclude_growth(&window.own.0, &window.own.1);
    census
}

/// A mark with this census, and everything else as it is now.
fn mark_of(iteration: u64, mut census: Census, leftovers: Census) -> Mark {
    parallel::collect();
    parallel::count(&mut census);
    Mark { iteration, census, leftovers, events: events::counts(), calls: current_context::calls() }
}

/// Sets a mark. Iteration 0 starts the window anew. On a ladder iterations are rows, and a mark ends a step.
pub(crate) fn mark(iteration: u64) -> Result<(), BadMark> {
    OPEN.with_borrow_mut(|open| {
        let window = open.as_mut().filter(|window| window.is_own()).ok_or(BadMark::NoWindow)?;
        let census = current(window);
        window.counters.marks += 1;
        if iteration == 0 {
            window.marks.clear();
            window.ladder.clear();
            window.leftovers = Census::default();
        } else if let Some(last) = window.marks.last()
            && last.iteration >= iteration
        {
            return Err(BadMark::NotIncreasing(last.iteration));
        }
        window.marks.push(mark_of(iteration, census, window.leftovers.clone()));
        if window.terms.scenario.per() == Per::Row {
            if iteration > 0 {
                window.ladder.push(Rung { rows: iteration, peaks: statement::with_walker(trace::peaks) });
            }
            trace::start_step();
        }
        if window.marks.len() > MOST_MARKS {
            thin_out(&mut window.marks);
        }
        Ok(())
    })
}

fn thin_out(marks: &mut Vec<Mark>) {
    let mut even = false;
    marks.retain(|_| {
        even = !even;
        even
    });
}

/// Counts what a statement has left below MessageContext.
pub(crate) fn add_leftovers(leftovers: &Census) {
    OPEN.with_borrow_mut(|open| {
        if let Some(window) = open {
            window.leftovers.add_all(leftovers);
        }
    });
}

/// Counts a top-level statement.
pub(crate) fn count_statement() {
    OPEN.with_borrow_mut(|open| {
        if let Some(window) = open {
            window.counters.statements += 1;
        }
    });
}

/// Takes the growth of one of the engine's own statements out of all later marks.
pub(crate) fn exclude(before: &Census, after: &Census) {
    OPEN.with_borrow_mut(|open| {
        if let Some(window) = open {
            window.own.0.add_all(before);
            window.own.1.add_all(after);
        }
    });
}

/// What the open window was opened for, for a scenario that runs inside it.
pub(crate) fn terms() -> Option<Terms> {
    OPEN.with_borrow(|open| open.as_ref().filter(|window| window.is_own()).map(|window| window.terms.clone()))
}

/// Keeps findings of a scenario for the window it ran in, or as those of the last closed window if there is none.
pub(crate) fn add_scenario(findings: Vec<Finding>) {
    OPEN.with_borrow_mut(|open| match open.as_mut().filter(|window| window.is_own()) {
        Some(window) => window.scenarios.extend(findings),
        None => CLOSED.set(Closed { findings, counters: Counters::default() }),
    });
}

/// The findings so far. Marks set by hand are the window; without any it ends now.
fn findings(window: &mut Window) -> Vec<Finding> {
    if window.marks.len() == 1 {
        let census = current(window);
        window.marks.push(mark_of(0, census, window.leftovers.clone()));
    } else {
        statement::is_own();
    }
    all_judged(&window.marks, &window.ladder, &window.terms)
}

/// Judges marks and steps, and what was counted between the marks.
fn all_judged(marks: &[Mark], ladder: &[Rung], terms: &Terms) -> Vec<Finding> {
    let Terms { scenario, rules } = terms;
    let mut findings = judged(marks, ladder, rules, |evidence| scenario.judge(evidence));
    findings.extend(judge_events(&events::all(), scenario.checks(), marks, rules));
    sort(&mut findings);
    findings
}

/// Judges marks and steps, by the trace where there is one.
pub(crate) fn judged(
    marks: &[Mark],
    ladder: &[Rung],
    rules: &Rules,
    judge: impl Fn(&Evidence) -> Vec<Finding>,
) -> Vec<Finding> {
    let places = trace::is_on().then_some(&parallel::Places as &dyn Places);
    let mut findings =
        statement::with_walker(|walker| judge(&Evidence { paths: walker.paths(), marks, ladder, rules, places }));
    findings.iter_mut().for_each(name_site);
    findings
}

/// Says where a finding's site is.
fn name_site(finding: &mut Finding) {
    if let Some(site) = &mut finding.site {
        *site = parallel::describe(site.id);
        let Frame { library, offset, symbol, .. } = &site.frame;
        let at = symbol.clone().unwrap_or_else(|| format!("{library}+{offset:#x}"));
        finding.detail.push_str(&format!("; allocated at {at}"));
        finding.source_lib = library.clone();
    }
}

/// Closes the window. Gives the findings of its own, without those of scenarios, and when it was opened; none if no window
/// is open.
pub(crate) fn close() -> Option<(Vec<Finding>, pg_sys::TimestampTz)> {
    statement::close_ended();
    let mut window = OPEN.with_borrow_mut(|open| open.take_if(|window| window.is_own()))?;
    let found = findings(&mut window);
    let mut all = std::mem::take(&mut window.scenarios);
    all.extend(found.iter().cloned());
    keep_closed(all, window.figures());
    closed();
    Some((found, window.started))
}

/// Nothing is watched for a window any more.
fn closed() {
    events::stop();
    parallel::stop();
    tracing::window_closed();
}

/// Keeps the findings and figures of a window as those of the last closed one.
pub(crate) fn keep_closed(findings: Vec<Finding>, counters: Counters) {
    CLOSED.set(Closed { findings, counters });
}

/// Reports what the open window has found so far to the ring, and lets it start anew.
pub(crate) fn flush() {
    statement::close_ended();
    let found = OPEN.with_borrow_mut(|open| {
        let window = open.as_mut().filter(|window| window.is_own())?;
        let found = findings(window);
        let last = window.marks.pop()?;
        window.marks = vec![Mark { iteration: 0, leftovers: Census::default(), ..last }];
        window.ladder.clear();
        window.leftovers = Census::default();
        Some(found)
    });
    if let Some(found) = found {
        ring::push(&found);
    }
}

/// The findings of the last window that was closed.
pub(crate) fn closed_findings() -> Vec<Finding> {
    CLOSED.with_borrow(|closed| closed.findings.clone())
}

/// The figures of the last window that was closed.
pub(crate) fn closed_counters() -> Counters {
    CLOSED.with_borrow(|closed| closed.counters)
}

/// Has an open window reported when the session ends.
fn report_at_exit() {
    if !LEAVING.replace(true) {
        // SAFETY: the callback is a function that does not use its argument.
        unsafe { pg_sys::before_shmem_exit(Some(session_ends), pg_sys::Datum::null()) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn session_ends(_code: std::ffi::c_int, _arg: pg_sys::Datum) {
    if let Some((findings, _)) = close() {
        ring::push(&findings);
    }
}

/// What a plain window that reports every context is opened for.
pub(crate) fn plain_terms() -> Terms {
    Terms::plain(guc::thresholds())
}
