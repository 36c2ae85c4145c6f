//! What the server tells the engine of: statements, functions, ends of transactions, messages.
//!
//! Each handler hands values to the session, which never calls back. The functions that the server calls are in [`crate::pg`].

mod functions;
mod log;
mod statements;
mod transactions;

/// Registers all of them. In the postmaster: its children inherit them.
pub(crate) fn register() {
    statements::register();
    functions::register();
    log::register();
    transactions::register();
}
