//! Ends of transactions and of the process.

use crate::pg::process::is_parallel_worker;
use crate::pg::transactions::{self, End};
use crate::pg::{is_top_level, message_text};
use crate::{ask, guc, session};

/// Has all ends of transactions told to windows, and the process's end to any. Who has transactions can be asked.
pub(super) fn register() {
    transactions::on_end(|| !session::is_idle(), ends, ask::follow);
}

fn ends(end: End) {
    match end {
        // A worker has transactions of its own before it takes part in its leader's (`ParallelWorkerMain` in parallel.c).
        End::Committed if is_parallel_worker() => session::with(|session| session.worker_starts()),
        End::OfWorker => session::with(|session| session.worker_ends()),
        End::SubAborted => session::if_any(|session| session.mode_is_undone()),
        End::Committed | End::Aborted => {
            // A backend that neither plans nor executes anything comes by here.
            let _ = session::follow_parameters();
            session::if_any(|session| {
                if end == End::Aborted {
                    session.mode_is_undone();
                }
                session.transaction_without_statements(message_text());
                session.count_transaction();
                session.observed_transaction_without_statements();
            });
        }
    }
}

/// Has the end of this transaction told to what checks its statements.
pub(super) fn watch_end() {
    transactions::watch_end(|| {
        session::with(|session| session.transaction_ends(is_top_level()));
        if is_top_level() {
            session::if_any(|session| session.observed_statement_ends());
        }
        // Outside of any transaction, so that it cannot be undone again.
        if let Some(mode) = session::with(|session| session.mode_to_restore(true)) {
            guc::set_mode(mode);
        }
    });
}
