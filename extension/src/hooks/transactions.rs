//! Ends of transactions and of the process.

use crate::pg::{is_top_level, transactions};
use crate::session;

/// Has all ends of transactions told to windows that another backend has opened, and the process's end to any.
pub(super) fn register() {
    // A backend that neither plans nor executes anything comes by here.
    transactions::on_end(
        || !session::is_idle(),
        || {
            let _ = session::follow_parameters();
            session::if_any(|session| session.count_transaction());
        },
    );
}

/// Has the end of this transaction told to what checks its statements.
pub(super) fn watch_end() {
    transactions::watch_end(|| session::with(|session| session.transaction_ends(is_top_level())));
}
