//! Windows that another backend opens and closes: [`crate::ask`].
//!
//! What such a backend does does not come from a client that could set marks: its iterations are its transactions. A mark is
//! always set where a transaction ends, so that each is at the same place of whatever the backend does over and over. The first
//! end of a transaction that has begun in it is where the window starts: what a transaction works with, such as its resource
//! owner, is known from then on; if there is none, the window is compared as it was opened and as it was closed.
//!
//! Nothing here raises an ERROR or allocates through palloc.

use memcheck_core::census::{Census, Moment};
use memcheck_core::judge::curve::has_grown_for_good;
use memcheck_core::judge::growth::is_marked;
use memcheck_core::scenario::Terms;
use memcheck_core::{CheckKind, room};

use super::window::{Closed, MOST_MARKS, Transactions, Window, thin_out};
use super::{Session, faults, overruns};
use crate::guc::Traced;
use crate::pg::transactions::is_in_transaction;
use crate::wrap;

/// Contexts that live as long as the transaction are compared within it only.
fn moment(transaction: u64) -> Moment {
    Moment { message: None, transaction: Some(transaction), portals: true }
}

impl Session {
    /// Opens a window for another backend; there must be none. Gives why allocations cannot be traced, once in a session.
    pub(crate) fn begin_for_another(
        &mut self,
        watcher: i32,
        terms: Terms,
        traced: Option<Traced>,
    ) -> Option<wrap::Refused> {
        let out_of_memory = room::refused();
        self.close_ended();
        self.report_accesses();
        let refused = self.trace_for_window(traced.clone());
        self.count_events();
        let census = self.census(moment(0));
        let mut window = Window::new(terms, census, out_of_memory);
        window.transactions = Some(Transactions { watcher, is_older: is_in_transaction(), ended: None, stride: 1 });
        self.opened(window, traced);
        refused
    }

    /// Closes the window that another backend opened; none if there is none.
    pub(crate) fn end_for_another(&mut self) -> Option<Closed> {
        let mut window = self.window.take_if(|window| window.transactions.is_some())?;
        if let [only] = window.marks.as_slice() {
            let census = self.census(moment(0));
            let end = self.mark_of(only.iteration, census, Census::default());
            if end.is_whole() {
                room::push(&mut window.marks, end);
            }
        }
        Some(self.judge_for_another(&window))
    }

    /// The process ends with the window of another open, in the midst of whatever it does: closes it. Gives for whom.
    pub(crate) fn leaves_window(&mut self) -> Option<(i32, Closed)> {
        let window = self.window.take_if(|window| window.transactions.is_some())?;
        let watcher = window.transactions?.watcher;
        Some((watcher, self.judge_for_another(&window)))
    }

    fn judge_for_another(&mut self, window: &Window) -> Closed {
        let mut found = self.judge_window(&window.marks, &[], &window.terms);
        // What a process works with comes and goes, and where it has got to when the window is closed is chance.
        found.retain(|finding| finding.check != CheckKind::DsmLeak || has_grown_for_good(&finding.marks));
        if let Some(faults) = faults::since(window.faults) {
            // What was left behind by them says nothing of anything else.
            found = faults;
        }
        self.add_accesses(&mut found);
        overruns::add(&mut found, window.overruns.findings(&window.terms.rules));
        self.close(window, found)
    }

    /// A transaction has ended: counts it for a window that another backend has opened.
    pub(crate) fn count_transaction(&mut self) {
        let Some(transactions) = self.window.as_mut().and_then(|window| window.transactions.as_mut()) else { return };
        if std::mem::take(&mut transactions.is_older) {
            return;
        }
        let ended = transactions.ended.map_or(0, |ended| ended + 1);
        transactions.ended = Some(ended);
        if !is_marked(ended, transactions.stride) {
            return;
        }
        wrap::refresh();
        // 0 is the moment at which it was opened.
        let census = self.census(moment(ended + 1));
        let mark = self.mark_of(ended, census, Census::default());
        let Some(window) = &mut self.window else { return };
        if ended == 0 {
            window.marks.clear();
        }
        if mark.is_whole() && room::push(&mut window.marks, mark) {
            window.figures.marks += 1;
        }
        if window.marks.len() > MOST_MARKS {
            thin_out(&mut window.marks);
            window.transactions.iter_mut().for_each(|transactions| transactions.stride *= 2);
        }
    }
}
