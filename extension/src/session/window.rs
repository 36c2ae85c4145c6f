//! A check window: from `begin()` over its marks to `end()`.
//!
//! There is at most one in a session. It belongs to the session, not to a transaction: an aborted transaction does not undo
//! it. A session that ends with its window open reports it to the ring first.

use std::collections::HashSet;

use memcheck_core::census::{Census, Moment, PathId, SiteId};
use memcheck_core::check::Per;
use memcheck_core::finding::sort;
use memcheck_core::judge::event::{add_events, judge_events};
use memcheck_core::judge::peak::Rung;
use memcheck_core::judge::tree::{Branch, tree};
use memcheck_core::judge::workers::Places;
use memcheck_core::judge::{Evidence, Mark, Rules};
use memcheck_core::scenario::Terms;
use memcheck_core::targets::{Loaded, add_loaded};
use memcheck_core::{CheckKind, ContextPath, Finding, Frame, ScenarioKind, room};
use pgrx::pg_sys::TimestampTz;

use super::mode::reports;
use super::overruns::{self, Since};
use super::workers::Workers;
use super::{Figures, MISSED, Session, faults};
use crate::contexts::Walker;
use crate::guard::faults::newest;
use crate::guc;
use crate::guc::{MemcheckMode, Traced};
use crate::pg::errors::is_leaving;
use crate::pg::transactions::at_exit;
use crate::pg::{now, parameters};
use crate::shmem::{canaries, ring};
use crate::trace::{HeldStacks, Serial};
use crate::wrap::{self, Refused, storm};

/// More marks than this are thinned out: every second one goes.
pub(super) const MOST_MARKS: usize = 128;

/// An open window.
pub(super) struct Window {
    pub(super) terms: Terms,
    started: TimestampTz,
    pub(super) marks: Vec<Mark>,
    /// The steps of a ladder.
    ladder: Vec<Rung>,
    /// What statements have left below MessageContext so far.
    leftovers: Census,
    /// Whether anything was done since the last mark.
    has_gone_on: bool,
    /// Growth made by the engine's own statements: the sums before and after them.
    pub(super) own: (Census, Census),
    /// Findings of `run_scenario()` inside the window.
    scenarios: Vec<Finding>,
    /// What was looked at for them in workers.
    elsewhere: Vec<(Figures, Vec<Loaded>)>,
    /// The newest report of a fault when it was opened.
    pub(super) faults: u64,
    /// From where on overruns of shared memory count.
    pub(super) overruns: Since,
    pub(super) figures: Figures,
    /// For a window that another backend opened.
    pub(super) transactions: Option<Transactions>,
}

/// The transactions of a window that another backend opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transactions {
    /// The process that has opened it.
    pub(super) watcher: i32,
    /// Whether the transaction under way is older than the window.
    pub(super) is_older: bool,
    /// How many have ended since the first end; none before that.
    pub(super) ended: Option<u64>,
    /// A mark is set after one in so many.
    pub(super) stride: u64,
}

/// Who has opened a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opener {
    /// The session.
    Session,
    /// Another one, by way of [`crate::ask`].
    Another,
}

/// A window that is closed.
#[derive(Debug, PartialEq, Default)]
pub(crate) struct Closed {
    /// Those of scenarios that ran inside it come first.
    pub(crate) findings: Vec<Finding>,
    /// How many of them, from the first on, went to the ring before.
    pub(crate) in_ring: usize,
    pub(crate) figures: Figures,
    /// Which loaded libraries were targets, and which targets were not loaded; none where nothing was traced.
    pub(crate) targets: Vec<Loaded>,
    /// The tree of contexts as it was and as it is.
    pub(crate) contexts: Vec<Branch>,
}

impl Closed {
    /// Its findings, without those that went to the ring before.
    pub(crate) fn not_in_ring(&self) -> &[Finding] {
        self.findings.get(self.in_ring..).unwrap_or_default()
    }
}

/// A mark that cannot be set.
#[derive(Debug)]
pub(crate) enum BadMark {
    /// No window is open.
    NoWindow,
    /// The last mark was set at this iteration, which is not before the new one.
    NotIncreasing(u64),
}

impl Window {
    /// One that starts with this census. So often there had been no memory for something before it was begun.
    pub(super) fn new(terms: Terms, census: Census, out_of_memory: u64) -> Self {
        MISSED.set(0);
        let (guarded, fallbacks) = guarded_by_pages();
        Window {
            terms,
            started: now(),
            marks: Vec::from_iter(Some(Mark { census, ..Mark::default() }).filter(Mark::is_whole)),
            ladder: Vec::new(),
            leftovers: Census::default(),
            has_gone_on: false,
            own: (Census::default(), Census::default()),
            scenarios: Vec::new(),
            elsewhere: Vec::new(),
            faults: newest(),
            overruns: Since::now(),
            figures: Figures { violations_lost: ring::lost(), out_of_memory, guarded, fallbacks, ..Figures::default() },
            transactions: None,
        }
    }

    /// Whether the session opened it itself.
    fn is_of_session(&self) -> bool {
        self.transactions.is_none()
    }
}

/// Allocations of this process that were guarded by pages so far, and those for which there was no room.
fn guarded_by_pages() -> (u64, u64) {
    wrap::with(|chain| (chain.guard.pages.guarded(), chain.guard.pages.fallbacks())).unwrap_or_default()
}

/// What a plain window that reports every context is opened for.
pub(crate) fn plain_terms() -> Terms {
    Terms::plain(guc::thresholds())
}

/// What was not recorded since tracing began.
fn not_recorded() -> u64 {
    let all = || wrap::with(|chain| chain.not_recorded());
    wrap::is_on().then(all).flatten().unwrap_or(0)
}

/// Ends a step of a ladder, and begins the next one. At 0 rows there was none.
fn step(walker: &mut Walker, rows: u64) -> Option<Rung> {
    wrap::empty_guard();
    let peaks = wrap::with(|chain| {
        chain.guard.keep_sizes();
        let peaks = (rows > 0).then(|| chain.ledger.booked().peaks(walker));
        chain.ledger.booked().start_step();
        peaks
    });
    Some(Rung { rows, peaks: peaks.flatten().flatten()? })
}

/// Every second one goes.
pub(super) fn thin_out(marks: &mut Vec<Mark>) {
    let mut even = false;
    marks.retain(|_| {
        even = !even;
        even
    });
}

/// Judges marks and steps, by the trace where there is one: from the opening of the window, or since an allocation.
pub(super) fn judged(
    walker: &Walker,
    workers: &Workers,
    marks: &[Mark],
    ladder: &[Rung],
    rules: &Rules,
    since: Option<Serial>,
    judge: impl Fn(&Evidence) -> Vec<Finding>,
) -> Vec<Finding> {
    let all = workers.places();
    let places = wrap::is_on().then_some(&all as &dyn Places);
    let evidence = Evidence { paths: walker.paths(), marks, ladder, rules, places };
    if !room::is_there_for(evidence.bytes()) {
        return Vec::new();
    }
    let mut findings = judge(&evidence);
    let sites: HashSet<SiteId> =
        findings.iter().filter_map(|finding| finding.site.as_ref()).map(|site| site.id).collect();
    if !sites.is_empty() {
        let stacks = wrap::with(|chain| {
            let ledger = chain.ledger.booked();
            ledger.stacks(&sites, since.unwrap_or_else(|| ledger.opened()))
        });
        let stacks = stacks.unwrap_or_default();
        findings.iter_mut().for_each(|finding| name_site(workers, &stacks, finding));
    }
    findings
}

/// Says where a finding's site is, and with which stack it has allocated what it holds.
fn name_site(workers: &Workers, stacks: &HeldStacks, finding: &mut Finding) {
    if let Some(site) = &mut finding.site {
        *site = workers.describe(site.id, stacks.of(&finding.path, site.id));
        let Frame { library, offset, symbol, .. } = &site.frame;
        let at = symbol.clone().unwrap_or_else(|| format!("{library}+{offset:#x}"));
        finding.detail.push_str(&format!("; allocated at {at}"));
        finding.source_lib = library.clone();
    }
}

impl Session {
    /// Whether there is a window that looks at the session's statements: one that the session has opened.
    pub(super) fn checks_statements(&self) -> bool {
        self.window.as_ref().is_some_and(Window::is_of_session)
    }

    /// The window that the session has opened.
    fn own_window(&mut self) -> Option<&mut Window> {
        self.window.as_mut().filter(|window| window.is_of_session())
    }

    /// What a window's censuses can be compared by: each call of the engine comes in a message of its own.
    pub(super) fn window_moment(&self) -> Moment {
        Moment { message: None, transaction: Some(self.transaction()), portals: true }
    }

    /// Who has opened the window that is open.
    pub(crate) fn opened_by(&self) -> Option<Opener> {
        let window = self.window.as_ref()?;
        Some(if window.is_of_session() { Opener::Session } else { Opener::Another })
    }

    /// Opens a window; there must be none. Tracing starts with it unless the parameters say that nothing is traced. Gives why it
    /// cannot be, once in a session.
    pub(crate) fn begin(&mut self, terms: Terms) -> Option<Refused> {
        // A session that ends with its window open reports it.
        if !std::mem::replace(&mut self.is_leaving_told, true) {
            at_exit(|| {
                if !is_leaving() {
                    super::with(Session::ends_by_itself);
                }
            });
        }
        let out_of_memory = room::refused();
        self.close_ended();
        self.report_accesses();
        let traced = guc::traced_in_windows();
        let refused = self.trace_for_window(traced.clone());
        let moment = self.window_moment();
        let census = self.census(moment);
        self.opens_window(&census);
        self.count_events();
        self.opened(Window::new(terms, census, out_of_memory), traced);
        refused
    }

    /// The same between two statements, which no statement asks for: the next one is the window's.
    pub(crate) fn begin_between(&mut self, terms: Terms) {
        _ = self.begin(terms);
        self.no_statement_is_at_hand();
    }

    /// Whether the open window is traced; if not, it is closed without a word.
    pub(crate) fn is_traced_or_abandoned(&mut self) -> bool {
        let abandoned = if wrap::is_on() { None } else { self.window.take() };
        abandoned.is_none_or(|window| {
            self.close(&window, Vec::new());
            false
        })
    }

    /// Has events counted from now on, if they are not.
    pub(super) fn count_events(&mut self) {
        if self.observed.is_none() {
            self.events.start();
        }
    }

    /// A window is open from now on; the parallel workers of the session trace what it does.
    pub(super) fn opened(&mut self, mut window: Window, traced: Option<Traced>) {
        let told = match traced.filter(|_| wrap::is_on()) {
            Some(traced) => self.lead(&traced),
            None => true,
        };
        window.figures.traced = wrap::is_on().into();
        window.figures.workers_not_traced = (!told).into();
        window.figures.not_recorded = not_recorded();
        storm::set(window.terms.scenario == ScenarioKind::InvalidationStorm);
        self.window = Some(window);
        self.take_note();
    }

    /// Traces what a window asks for. The contexts that there are now are not its own. Gives why it cannot be traced, once in a
    /// session.
    pub(super) fn trace_for_window(&mut self, traced: Option<Traced>) -> Option<Refused> {
        let refused = self.trace(traced).err();
        let walker = &mut self.walker;
        if wrap::is_on() {
            wrap::with(|chain| {
                chain.ledger.booked().settle(walker);
                #[cfg(feature = "test_links")]
                chain.trial.set(guc::trial_enlarge(), guc::trial_refuse());
            });
        } else if refused.is_some() {
            parameters::touch();
        }
        refused.filter(|_| !std::mem::replace(&mut self.is_refusal_told, true))
    }

    /// The tree as it is for the window now: before the statement that calls the engine, less what earlier such statements made
    /// grow.
    fn current(&mut self) -> Census {
        let moment = self.window_moment();
        let mut census = match self.before_call() {
            Some(before) => before,
            None => self.census(moment),
        };
        if let Some(window) = &self.window {
            census.exclude_growth(&window.own.0, &window.own.1);
        }
        census
    }

    /// A mark with this census, and everything else as it is now.
    pub(super) fn mark_of(&mut self, iteration: u64, mut census: Census, leftovers: Census) -> Mark {
        self.collect_from_workers();
        self.workers.count(&mut census);
        canaries::look();
        Mark { iteration, census, leftovers, events: self.events.counts(), calls: self.calls.made() }
    }

    /// Sets a mark. Iteration 0 starts the window anew. On a ladder iterations are rows, and a mark ends a step.
    pub(crate) fn mark(&mut self, iteration: u64) -> Result<(), BadMark> {
        let window = self.own_window().ok_or(BadMark::NoWindow)?;
        let last = window.marks.last().map_or(0, |mark| mark.iteration);
        if iteration > 0 && !window.marks.is_empty() && last >= iteration {
            self.is_called();
            self.window.iter_mut().for_each(|window| window.figures.marks_refused += 1);
            return Err(BadMark::NotIncreasing(last));
        }
        let census = self.current();
        let leftovers = match self.own_window() {
            Some(window) if iteration > 0 => window.leftovers.copy(),
            _ => Census::default(),
        };
        let mark = self.mark_of(iteration, census, leftovers);
        let walker = &mut self.walker;
        let Some(window) = self.window.as_mut() else { return Err(BadMark::NoWindow) };
        if iteration == 0 {
            window.marks.clear();
            window.ladder.clear();
            window.leftovers = Census::default();
            wrap::with(|chain| chain.ledger.booked().opens());
        }
        if mark.is_whole() && room::push(&mut window.marks, mark) {
            window.figures.marks += 1;
        }
        window.has_gone_on = false;
        if window.terms.scenario.per() == Per::Row
            && let Some(rung) = step(walker, iteration)
        {
            room::push(&mut window.ladder, rung);
        }
        if window.marks.len() > MOST_MARKS {
            thin_out(&mut window.marks);
        }
        Ok(())
    }

    /// Sets a mark between two statements, which no statement asks for.
    pub(crate) fn mark_between(&mut self, iteration: u64) {
        self.take_note();
        // The numbers increase.
        _ = self.mark(iteration);
    }

    /// Counts what a statement has left below MessageContext.
    pub(super) fn add_leftovers(&mut self, leftovers: &Census) {
        if let Some(window) = &mut self.window {
            window.leftovers.add_all(leftovers);
        }
    }

    /// The workload has done something.
    pub(super) fn has_gone_on(&mut self) {
        if let Some(window) = &mut self.window {
            window.has_gone_on = true;
        }
    }

    /// Counts a top-level statement.
    pub(super) fn count_statement(&mut self) {
        if let Some(window) = &mut self.window {
            window.figures.statements += 1;
        }
    }

    /// Takes the growth of one of the engine's own statements out of all later marks.
    pub(super) fn exclude(&mut self, before: &Census, after: &Census) {
        if let Some(window) = &mut self.window {
            window.own.0.add_all(before);
            window.own.1.add_all(after);
        }
    }

    /// What the open window was opened for, for a scenario that runs inside it.
    pub(crate) fn window_terms(&mut self) -> Option<Terms> {
        self.own_window().map(|window| window.terms.clone())
    }

    /// A mark for a scenario that runs inside one call, and so inside one message and one transaction.
    pub(crate) fn scenario_mark(&mut self, iteration: u64) -> Mark {
        let moment = Moment { message: Some(0), transaction: Some(self.transaction()), portals: true };
        canaries::look();
        Mark { iteration, census: self.census(moment), ..Mark::default() }
    }

    /// Ends a step of a ladder for a scenario that runs inside one call, and begins the next one.
    pub(crate) fn scenario_step(&mut self, rows: u64) -> Option<Rung> {
        step(&mut self.walker, rows)
    }

    /// Traces a scenario that runs inside one call and cannot do without, whether there is a window or not. Whether it is traced.
    pub(crate) fn trace_call(&mut self) -> bool {
        if !wrap::is_on() {
            let _ = self.trace_for_window(guc::traced_in_windows());
        }
        wrap::is_on()
    }

    /// Such a call is over.
    pub(crate) fn call_ends(&mut self) {
        if self.window.is_none() {
            self.stop_tracing_for_window();
        }
    }

    /// Judges the marks and steps of a scenario that runs inside one call.
    pub(crate) fn judge_scenario(
        &self,
        marks: &[Mark],
        ladder: &[Rung],
        rules: &Rules,
        judge: impl Fn(&Evidence) -> Vec<Finding>,
    ) -> Vec<Finding> {
        judged(&self.walker, &self.workers, marks, ladder, rules, None, judge)
    }

    /// Judges marks and steps, and what was counted up to the last mark.
    pub(super) fn judge_window(&self, marks: &[Mark], ladder: &[Rung], terms: &Terms) -> Vec<Finding> {
        let mut findings = self.judge_memory(marks, ladder, terms);
        self.add_events(&mut findings, marks, terms);
        findings
    }

    fn judge_memory(&self, marks: &[Mark], ladder: &[Rung], terms: &Terms) -> Vec<Finding> {
        judged(&self.walker, &self.workers, marks, ladder, &terms.rules, None, |evidence| {
            terms.scenario.judge(evidence)
        })
    }

    fn add_events(&self, findings: &mut Vec<Finding>, marks: &[Mark], terms: &Terms) {
        let Terms { scenario, rules } = terms;
        let events = judge_events(&self.events.all(), scenario.checks(), marks, rules);
        add_events(findings, events);
        sort(findings);
    }

    /// Keeps findings of a scenario for the window it ran in, or as those of the last closed window if there is none.
    ///
    /// `looked_at` are figures of windows in workers.
    pub(crate) fn add_scenario(&mut self, findings: Vec<Finding>, looked_at: &[(Figures, Vec<Loaded>)]) {
        match self.own_window() {
            Some(window) => {
                if room::make(&mut window.scenarios, findings.len()) {
                    window.scenarios.extend(findings);
                }
                for seen in looked_at {
                    room::push(&mut window.elsewhere, seen.clone());
                }
            }
            None => {
                let sum = |name: &str| {
                    let of =
                        |figures: &Figures| figures.named().find(|(other, _)| *other == name).map(|(_, value)| value);
                    Some(looked_at.iter().filter_map(|(figures, _)| of(figures)).sum())
                };
                let figures = Figures::read(sum).unwrap_or_default();
                let targets = looked_at.first().map_or(Vec::new(), |(_, targets)| targets.clone());
                self.keep_closed(Closed { findings, figures, targets, ..Closed::default() });
            }
        }
    }

    /// The findings of the session's window so far. It ends now, which is a mark where anything was done since the last one.
    ///
    /// What was done behind marks that were set by hand is no iteration: it neither hides what was found at them, nor is it taken
    /// for growth that goes on.
    fn findings_so_far(&mut self) -> Vec<Finding> {
        let census = self.current();
        let Some(window) = &self.window else { return Vec::new() };
        let (set_by_hand, gone_on) = (window.marks.len() > 1, window.has_gone_on);
        let last = window.marks.last().map_or(0, |mark| mark.iteration);
        let leftovers = window.leftovers.copy();
        let end = self.mark_of(last, census, leftovers);
        let Some(mut window) = self.window.take() else { return Vec::new() };
        let Window { marks, ladder, terms, .. } = &mut window;
        let mut found = if set_by_hand { self.judge_memory(marks, ladder, terms) } else { Vec::new() };
        let few = marks.len() <= 2 || terms.scenario.description().compares_ends;
        let is_whole = end.is_whole() && room::push(marks, end);
        if is_whole && few && (gone_on || !set_by_hand) {
            let at_the_end = self.judge_memory(marks, ladder, terms);
            let is_new = |finding: &Finding| !at_the_end.iter().any(|other| other.is_about_the_same(finding));
            found.retain(is_new);
            if room::make(&mut found, at_the_end.len()) {
                found.extend(at_the_end);
            }
        }
        // Segments may have gone since by another's doing.
        let at = |mark: Option<&Mark>, path| mark.map_or(0, |mark| mark.census.bytes_at(path));
        let are_gone = PathId::SHARED.into_iter().filter(|&path| at(marks.last(), path) <= at(marks.first(), path));
        let gone: Vec<ContextPath> = are_gone.map(|path| self.walker.paths().path(path)).collect();
        found.retain(|finding| finding.check != CheckKind::DsmLeak || !gone.contains(&finding.path));
        // As far as it says nothing new, the end is no point of a curve.
        let said = marks.iter().rev().skip(1).find(|_| set_by_hand).map(|mark| &mark.events);
        let says_nothing = is_whole && said == marks.last().map(|mark| &mark.events);
        let until = marks.len() - usize::from(says_nothing);
        self.add_events(&mut found, &marks[..until], terms);
        if let Some(faults) = faults::since(window.faults) {
            // What was left behind by them says nothing of anything else.
            found = faults;
        }
        let is_wanted = |window: &Window| !window.terms.rules.without.contains(&CheckKind::DsmLeak);
        if is_wanted(&window) && window.terms.scenario.checks().contains(&CheckKind::DsmLeak) {
            self.add_tracked(&mut found);
        }
        self.window = Some(window);
        self.add_accesses(&mut found);
        found
    }

    /// The figures of a window that is closed.
    pub(super) fn figures_of(&mut self, window: &Window) -> Figures {
        let leftovers = window.leftovers.paths().map(|path| window.leftovers.totals(path).objects).sum();
        let (guarded, fallbacks) = guarded_by_pages();
        let (segments_guarded, segments_unguarded) = canaries::counts();
        let mut figures = Figures {
            contexts: window.marks.last().map_or(0, |mark| mark.census.contexts),
            context_paths: self.walker.paths().len() as u64,
            leftover_contexts: leftovers,
            violations_lost: ring::lost() - window.figures.violations_lost,
            not_recorded: self.events.not_recorded() + MISSED.get() + window.overruns.lost() + not_recorded()
                - window.figures.not_recorded,
            segments_guarded,
            segments_unguarded,
            out_of_memory: 0,
            guarded: guarded - window.figures.guarded,
            fallbacks: fallbacks - window.figures.fallbacks,
            ..window.figures
        };
        if wrap::is_on() {
            let workers = self.collect_from_workers();
            let walker = &self.walker;
            wrap::with(|chain| {
                figures.mapped_bytes = chain.ledger.booked().mapped();
                figures.live_allocations = chain.ledger.booked().outstanding();
                figures.not_recorded += workers.not_recorded;
                figures.workers_not_traced += workers.not_traced;
                figures.workers_not_heard = workers.begun.saturating_sub(workers.handed_over);
                figures.inconsistencies = chain.inconsistencies(walker) + workers.inconsistencies;
            });
            figures.out_of_memory = workers.out_of_memory;
        }
        figures.out_of_memory += room::refused() - window.figures.out_of_memory;
        figures
    }

    /// Closes the window. Gives when it was opened; none if no window is open.
    pub(crate) fn end(&mut self) -> Option<TimestampTz> {
        self.close_ended();
        self.own_window()?;
        let found = self.findings_so_far();
        let mut window = self.window.take()?;
        let mut all = std::mem::take(&mut window.scenarios);
        // Those of scenarios are in the ring, if they may be.
        let in_ring = if reports() { all.len() } else { 0 };
        let (overruns, found) = found.into_iter().partition(|finding| finding.check == CheckKind::ShmemOverrun);
        overruns::add(&mut all, overruns);
        if room::make(&mut all, found.len()) {
            all.extend(found);
        }
        self.closed = Closed { in_ring, ..self.close(&window, all) };
        Some(window.started)
    }

    /// Takes down what there is to say of a window, and watches nothing for it any more.
    pub(super) fn close(&mut self, window: &Window, findings: Vec<Finding>) -> Closed {
        let mut figures = self.figures_of(window);
        let contexts = tree(self.walker.paths(), &window.marks, window.figures.traced > 0);
        let loaded = || wrap::with(|chain| chain.stack.targets.loaded());
        // Where a fault has ended the process, nothing is seen any more, but was.
        let was_traced = wrap::is_on() || window.figures.traced > 0;
        let mut targets = was_traced.then(loaded).flatten().unwrap_or_default();
        for (other, loaded) in &window.elsewhere {
            figures.add_elsewhere(other);
            add_loaded(&mut targets, loaded);
        }
        add_loaded(&mut targets, &self.loaded_by_workers());
        storm::set(false);
        self.stop_leading();
        self.stop_tracing_for_window();
        if self.observed.is_some() {
            self.observe_anew();
        } else {
            self.events.stop();
        }
        self.losses_told = room::refused();
        Closed { findings, in_ring: 0, figures, targets, contexts }
    }

    /// Keeps a window as the last one that was closed.
    pub(crate) fn keep_closed(&mut self, closed: Closed) {
        self.closed = closed;
    }

    /// Reports what the open window has found so far to the ring, and lets it start anew.
    pub(crate) fn flush(&mut self) {
        self.close_ended();
        if self.own_window().is_none() || !reports() {
            return;
        }
        let found = self.findings_so_far();
        if let Some(window) = &mut self.window
            && let Some(last) = window.marks.pop()
        {
            window.marks = vec![Mark { iteration: 0, leftovers: Census::default(), ..last }];
            window.faults = newest();
            window.overruns = Since::now();
            window.has_gone_on = false;
            window.ladder.clear();
            window.leftovers = Census::default();
        }
        super::report(&found);
    }

    /// The last window that was closed.
    pub(crate) fn closed(&self) -> &Closed {
        &self.closed
    }

    /// A window that nobody closes reports to the ring: the session ends, or opens another one.
    ///
    /// Not where its session has set the mode to none since and nothing is traced: it is no longer to be looked at.
    pub(crate) fn ends_by_itself(&mut self) {
        let is_at_fault = self.window.as_ref().is_some_and(|window| faults::since(window.faults).is_some());
        let is_off = guc::mode() == MemcheckMode::none && !wrap::is_on() && !is_at_fault;
        if self.end().is_some() && !is_off {
            super::report(self.closed.not_in_ring());
            // There is nobody any more who would look at the figures.
            super::report_lost(self.closed.figures.out_of_memory);
        }
    }
}
