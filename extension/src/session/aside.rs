//! What statements that call the engine do by themselves, which is nobody's workload.
//!
//! Such a statement is parsed, planned and executed like any other, and targets with hooks in there do what they do for every
//! statement. That is not to be counted: a window with twice the marks would report more. So where a statement ends, note is
//! taken of what each site holds and of what has happened by then. If the next one turns out to call the engine, what its sites
//! hold more by then is set aside, and so is what they hold more when it ends: it is taken out of all later censuses. What only
//! takes the place of something else, as in a cache, is no more than before.
//!
//! A statement may call the engine several times, as a loop in PL/pgSQL does that sets marks. Between two calls it is the
//! workload that is at work.
//!
//! Where nothing is traced, censuses before and after the statement are compared instead ([`super::bracket`]).

use super::Session;
use crate::trace::SoFar;
use crate::wrap;

/// What there was at a moment.
#[derive(Default)]
pub(super) struct Noted {
    /// None where nothing was traced.
    allocated: Option<SoFar>,
    events: Vec<u64>,
    calls: u64,
}

impl Session {
    /// Takes note of what there is, for the window that the session has opened.
    pub(crate) fn take_note(&mut self) {
        if self.checks_statements() {
            let so_far = || wrap::with(|chain| chain.ledger.booked().so_far());
            let allocated = wrap::is_on().then(so_far).flatten().flatten();
            if allocated.is_none() && wrap::is_on() {
                // What is to be set aside is not known, so no mark that comes can do without it.
                self.window.iter_mut().for_each(|window| window.own.1.loses());
            }
            self.noted = Noted { allocated, events: self.events.counts(), calls: self.calls.made() };
        }
    }

    /// Sets aside what has come since the last note: what a statement has done that calls the engine now, or that `has_ended`.
    pub(super) fn set_aside(&mut self, has_ended: bool) {
        if !self.checks_statements() {
            return;
        }
        if let Some(so_far) = self.noted.allocated.as_ref().filter(|_| wrap::is_on()) {
            let walker = &mut self.walker;
            let aside = wrap::with(|chain| chain.ledger.booked().set_aside(so_far, walker));
            if let (Some(window), Some(aside)) = (&mut self.window, aside) {
                window.own.1.add_all(&aside.grown);
                aside.shrunk.iter().for_each(|&(site, live)| window.own.1.take_out_of_site(site, live));
            }
        }
        self.events.go_back_to(&self.noted.events, has_ended);
        self.calls.go_back_to(self.noted.calls);
    }
}
