//! Windows that another backend opens and closes: [`crate::ask`].
//!
//! What such a backend does does not come from a client that could set marks: its iterations are its transactions. A mark is
//! always set where a transaction ends, so that each is at the same place of whatever the backend does over and over. The first
//! end is where the window starts; if there is none, the window is compared as it was opened and as it was closed.
//!
//! Nothing here raises an ERROR or allocates through palloc.

use std::ffi::c_void;

use memcheck_core::Finding;
use memcheck_core::census::{Census, Moment};
use memcheck_core::judge::Mark;
use memcheck_core::judge::growth::spaced;
use memcheck_core::scenario::Terms;
use pgrx::prelude::*;

use super::{Counters, MOST_MARKS, OPEN, Window, all_judged, mark_of};
use crate::{events, statement, trace, tracing};

/// The transactions of a window that another backend opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transactions {
    /// How many have ended since the first end; none before that.
    ended: Option<u64>,
    /// A mark is set after so many.
    stride: u64,
}

/// Why a window cannot be opened.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is one.
    Open,
    /// What is asked to be traced cannot be.
    Trace(trace::Refused),
}

/// Has the ends of transactions told. In the postmaster: its children inherit it.
pub(crate) fn register() {
    // SAFETY: the callback is a function that does not use its argument.
    unsafe { pg_sys::RegisterXactCallback(Some(transaction_ends), std::ptr::null_mut()) };
}

/// Opens a window for another backend.
pub(crate) fn open(terms: Terms, targets: Vec<String>, by_calls: bool) -> Result<(), Refused> {
    if super::is_open() {
        return Err(Refused::Open);
    }
    statement::close_ended();
    tracing::for_window(targets, by_calls).map_err(Refused::Trace)?;
    events::start();
    let mut window = Window::new(terms, census(0));
    window.transactions = Some(Transactions { ended: None, stride: 1 });
    OPEN.set(Some(window));
    Ok(())
}

/// Closes the window that another backend opened; none if there is none.
pub(crate) fn close() -> Option<(Vec<Finding>, Counters)> {
    let mut window = OPEN.with_borrow_mut(|open| open.take_if(|window| window.transactions.is_some()))?;
    if let [only] = window.marks.as_slice() {
        let now = mark_of(only.iteration, census(0), Census::default());
        window.marks.push(now);
    }
    let iterations: Vec<u64> = window.marks.iter().map(|mark| mark.iteration).collect();
    let chosen: Vec<Mark> = spaced(&iterations).into_iter().map(|at| window.marks[at].clone()).collect();
    let found = all_judged(&chosen, &[], &window.terms);
    let counters = window.figures();
    super::closed();
    Some((found, counters))
}

/// The tree. Contexts that live as long as the transaction are compared within it only.
fn census(transaction: u64) -> Census {
    let moment = Moment { message: None, transaction: Some(transaction), portals: true };
    statement::with_walker(|walker| walker.census(moment))
}

#[pg_guard]
unsafe extern "C-unwind" fn transaction_ends(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::*;
    if matches!(
        event,
        XACT_EVENT_COMMIT
            | XACT_EVENT_ABORT
            | XACT_EVENT_PREPARE
            | XACT_EVENT_PARALLEL_COMMIT
            | XACT_EVENT_PARALLEL_ABORT
    ) {
        // A backend that neither plans nor executes anything comes by here.
        let _ = tracing::follow();
        OPEN.with_borrow_mut(|open| open.as_mut().map(Window::count_transaction));
    }
}

impl Window {
    fn count_transaction(&mut self) {
        let Some(transactions) = &mut self.transactions else { return };
        let ended = transactions.ended.map_or(0, |ended| ended + 1);
        transactions.ended = Some(ended);
        if ended % transactions.stride != 0 {
            return;
        }
        if ended == 0 {
            self.marks.clear();
        }
        trace::refresh();
        // 0 is the moment at which it was opened.
        self.marks.push(mark_of(ended, census(ended + 1), Census::default()));
        self.counters.marks += 1;
        if self.marks.len() > MOST_MARKS {
            super::thin_out(&mut self.marks);
            transactions.stride *= 2;
        }
    }
}
