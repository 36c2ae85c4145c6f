//! What top-level statements leave behind.
//!
//! A bracket is opened when the planner, the executor or a utility command first starts at the top level of a transaction,
//! and closed when the transaction has ended: only then are portals, plans and locks gone, and what is still there outlives
//! the statements. Statements that fail are closed the same way. What lies below MessageContext goes away sooner; it is
//! looked at whenever a statement ends, and counted as left behind.
//!
//! Statements that call the engine get a bracket of their own, which is not judged ([`super::aside`]).
//!
//! A command that changes the catalogs has the server cache what it created, until it is dropped or the session ends; after
//! one, CacheMemoryContext is not judged. A window over several iterations does judge it.
//!
//! Inside a window no census is taken for a statement: the window's marks see what stays, the bracket only collects what was left
//! below MessageContext. Where nothing is traced, one is taken for a statement that calls the engine. Without a window none is
//! taken where allocations are traced: what the targets have allocated since the bracket was opened is all there is to judge,
//! however many contexts there are.

use std::ffi::CStr;

use memcheck_core::census::{Census, Moment, PathId, Totals};
use memcheck_core::judge::{Evidence, Mark};
use memcheck_core::room;

use super::Session;
use super::window::{judged, plain_terms};
use crate::contexts::{Walker, top_used};
use crate::guc::{self, MemcheckMode};
use crate::trace::Serial;
use crate::wrap;

/// The statements of one transaction under check.
#[derive(Default)]
struct Bracket {
    /// The tree when the first started, where nothing is traced. Inside a window only taken for statements that call the engine.
    before: Option<Census>,
    /// The newest allocation when the first started, where allocations are traced and no window is open.
    since: Option<Serial>,
    /// Serials of the contexts below MessageContext that were there before, or that have been counted.
    known: Vec<u64>,
    /// What they left below MessageContext.
    leftovers: Census,
    /// The last one has ended.
    ended: bool,
    /// It called the engine: what it leaves is not the workload's.
    own: bool,
    /// It changed the catalogs, so that the server fills its caches with what is new.
    ddl: bool,
}

impl Bracket {
    /// Takes note of what is below MessageContext before a statement starts.
    fn knows(&mut self, walker: &mut Walker) {
        walker.below_message_context(|_, _, serial| {
            if serial == Walker::NO_SERIAL || !self.known.contains(&serial) && !room::push(&mut self.known, serial) {
                self.leftovers.loses();
            }
        });
    }
}

/// The statements of the session, where they are checked.
#[derive(Default)]
pub(super) struct Statements {
    bracket: Option<Bracket>,
    transaction: u64,
    /// Bytes in use in TopMemoryContext at the end of the last transaction; only until a statement has ended in this one.
    last_top: Option<u64>,
    /// Bytes in use in TopMemoryContext when the planner was called, in mode executor.
    planner_called: u64,
    /// Bytes by which TopMemoryContext grew in the planner in this transaction, in mode executor.
    planned: u64,
}

impl Statements {
    /// The number of the current top-level transaction, as this backend counts.
    pub(super) fn transaction(&self) -> u64 {
        self.transaction
    }

    /// Bytes in use in TopMemoryContext before the transaction, with what the planner added where that is not checked.
    ///
    /// Every transaction takes memory from TopMemoryContext and gives it back at its end: 128 bytes for each lock, some hundreds
    /// for each resource owner (`LockAcquireExtended` in lock.c, `ResourceOwnerCreate` in resowner.c). Compared with the middle
    /// of a transaction, its end would look as if that much had been freed, and hide a leak. So for this one context the end is
    /// compared with the end of the transaction before. None if that one was not checked, or if this is not the transaction's
    /// first statement.
    fn top_before_transaction(&self) -> Option<u64> {
        let top = self.last_top?;
        // Small amounts are locks on indexes.
        Some(if self.planned >= guc::thresholds().min_leak_bytes / 2 { top + self.planned } else { top })
    }
}

/// Whether a statement's text mentions the engine's functions. A cheap guess that only decides whether a census is taken.
fn mentions_engine(text: &CStr) -> bool {
    const SCHEMA: &[u8] = b"ext_memcheck.";
    text.to_bytes().windows(SCHEMA.len()).any(|at| at.eq_ignore_ascii_case(SCHEMA))
}

impl Session {
    /// The planner is called, and planning is not checked.
    pub(crate) fn planner_called(&mut self) {
        self.statements.planner_called = top_used();
    }

    /// The planner has left: contexts it made below MessageContext have no one to free them any more.
    pub(crate) fn planner_ends(&mut self) {
        if self.mode() == MemcheckMode::all {
            self.collect_leftovers();
        } else {
            let statements = &mut self.statements;
            statements.planned += top_used().saturating_sub(statements.planner_called);
        }
    }

    /// A command that changes the catalogs is run, at any depth.
    pub(crate) fn catalogs_change(&mut self) {
        if let Some(bracket) = &mut self.statements.bracket {
            bracket.ddl = true;
        }
    }

    /// The executor or a utility command has left the top level.
    pub(crate) fn statement_ends(&mut self) {
        self.collect_leftovers();
        self.count_statement();
        self.report_accesses();
        self.statements.last_top = None;
        let Some(bracket) = &mut self.statements.bracket else { return };
        bracket.ended = true;
        let own = bracket.own;
        self.has_ended(own);
    }

    /// A statement, or its transaction, has ended.
    fn has_ended(&mut self, own: bool) {
        if own {
            self.set_aside(true);
        } else {
            self.has_gone_on();
        }
        self.take_note();
    }

    /// The executor or a utility command starts at the top level, or the planner where that is checked: opens a bracket, or goes
    /// on with the one of this transaction.
    pub(crate) fn statement_starts(&mut self, text: Option<&CStr>) {
        let calls_engine = text.is_some_and(mentions_engine);
        if let Some(bracket) = &mut self.statements.bracket
            && (!bracket.ended || !(bracket.own || calls_engine))
        {
            if std::mem::replace(&mut bracket.ended, false) {
                // A message of several statements has a context for each of them (`exec_simple_query` in postgres.c).
                bracket.knows(&mut self.walker);
            }
            return;
        }
        self.close_bracket();
        let mut bracket = Bracket::default();
        if self.checks_statements() {
            bracket.before = (calls_engine && !wrap::is_on()).then(|| self.census(self.window_moment()));
        } else if wrap::is_on() {
            let walker = &mut self.walker;
            bracket.since = wrap::with(|chain| chain.ledger.booked().newest(walker));
        } else {
            bracket.before = Some(self.walker.census(Moment::default()));
        }
        if let (Some(before), Some(top)) = (&mut bracket.before, self.statements.top_before_transaction()) {
            before.set_used(PathId::ROOT, top);
        }
        bracket.knows(&mut self.walker);
        self.statements.bracket = Some(bracket);
    }

    fn collect_leftovers(&mut self) {
        let Some(bracket) = &mut self.statements.bracket else { return };
        self.walker.below_message_context(|context, path, serial| {
            if !bracket.known.contains(&serial) {
                if serial == Walker::NO_SERIAL || !room::push(&mut bracket.known, serial) {
                    return bracket.leftovers.loses();
                }
                wrap::empty_guard_in(context.address());
                bracket.leftovers.add(path, Totals { objects: 1, ..context.totals() });
                if wrap::is_on() {
                    wrap::with(|chain| {
                        chain
                            .ledger
                            .booked()
                            .for_each_in(context, |site, live| bracket.leftovers.count_traced(path, site, live));
                    });
                }
            }
        });
    }

    /// Takes note that the statement at hand calls the engine: what it leaves is not the workload's.
    pub(crate) fn is_called(&mut self) {
        if let Some(bracket) = &mut self.statements.bracket
            && !std::mem::replace(&mut bracket.own, true)
        {
            self.set_aside(false);
        }
        if self.checks_statements() {
            // What they have seen happen is the workload's.
            self.collect_from_workers();
            self.take_note();
        }
    }

    /// The tree as it was before the statement at hand, which calls the engine; none where allocations are traced, where the
    /// statement's text did not show that it would call the engine, or where nothing is being checked.
    pub(super) fn before_call(&mut self) -> Option<Census> {
        self.is_called();
        self.statements.bracket.as_ref()?.before.as_ref().map(Census::copy)
    }

    /// The statement at hand has just opened a window with this census.
    pub(super) fn opens_window(&mut self, census: &Census) {
        let before = (!wrap::is_on()).then(|| census.copy());
        self.statements.bracket = Some(Bracket { own: true, before, ..Bracket::default() });
    }

    /// What was opened was not opened by a statement.
    pub(super) fn no_statement_is_at_hand(&mut self) {
        self.statements.bracket = None;
    }

    /// Judges what earlier statements of the transaction left behind, if there are any.
    pub(crate) fn close_ended(&mut self) {
        if self.statements.bracket.as_ref().is_some_and(|bracket| bracket.ended) {
            self.close_bracket();
        }
    }

    /// Closes the bracket: hands over to the window what was left behind, or judges it on its own.
    fn close_bracket(&mut self) {
        let Some(bracket) = self.statements.bracket.take() else { return };
        if self.checks_statements() {
            match bracket.before {
                _ if !bracket.own => self.add_leftovers(&bracket.leftovers),
                Some(before) => {
                    let after = self.census(self.window_moment());
                    self.exclude(&before, &after);
                }
                None => {}
            }
            return;
        }
        if bracket.own {
            return;
        }
        wrap::empty_guard();
        let terms = plain_terms();
        if let Some(since) = bracket.since.filter(|_| wrap::is_on()) {
            let walker = &mut self.walker;
            let after = wrap::with(|chain| chain.ledger.booked().census_since(since, walker)).unwrap_or_default();
            let is_whole = after.is_whole() && bracket.leftovers.is_whole();
            if !is_whole || after.is_empty() && bracket.leftovers.is_empty() {
                return;
            }
            let mark = |census, leftovers| Mark { census, leftovers, ..Mark::default() };
            let marks = [mark(Census::default(), Census::default()), mark(after, bracket.leftovers)];
            let judge = |evidence: &Evidence| terms.scenario.judge(evidence);
            super::report(&judged(walker, &self.workers, &marks, &[], &terms.rules, Some(since), judge));
            return;
        }
        let Some(mut before) = bracket.before else { return };
        let after = self.walker.census(Moment::default());
        if bracket.ddl {
            before.copy_from(&after, |path| self.walker.paths().is_cache(path));
        }
        let marks = [
            Mark { census: before, ..Mark::default() },
            Mark { census: after, leftovers: bracket.leftovers, ..Mark::default() },
        ];
        let paths = self.walker.paths();
        let evidence = Evidence { paths, marks: &marks, ladder: &[], rules: &terms.rules, places: None };
        if marks.iter().all(Mark::is_whole) && room::is_there_for(evidence.bytes()) {
            super::report(&terms.scenario.judge(&evidence));
        }
    }

    /// A transaction ends. One in which no statement was planned or executed - the client has had one parsed - is none of the
    /// workload if the statement calls the engine.
    pub(crate) fn transaction_without_statements(&mut self, text: Option<&CStr>) {
        if self.statements.bracket.is_none() && self.checks_statements() {
            self.has_ended(text.is_some_and(mentions_engine));
        }
    }

    /// The transaction has ended. Not `at_the_top` after COMMIT inside a procedure: its CALL is still running.
    pub(crate) fn transaction_ends(&mut self, at_the_top: bool) {
        self.statements.transaction += 1;
        if let Some(bracket) = &self.statements.bracket {
            self.has_ended(bracket.own);
        }
        if at_the_top {
            self.close_bracket();
            self.statements.last_top = (self.mode() != MemcheckMode::none).then(top_used);
            self.statements.planned = 0;
        }
    }
}
