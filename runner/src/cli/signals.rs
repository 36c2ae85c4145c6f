//! Ctrl-C and SIGTERM: no server and no directory stays behind.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::complaint::Complaint;
use super::exit::Exit;
use crate::server;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, these signals end the process after cleaning up.
pub(super) fn handle() -> Result<(), Complaint> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Complaint::Output { what: "a signal handler".to_owned(), error })?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            server::cleanup_all();
            // Nobody may be reading any more.
            let _ = writeln!(std::io::stderr(), "mcspec: interrupted");
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
    Ok(())
}

/// Does not return once there was a signal: the run must not end by itself, as one in which the servers died.
pub(super) fn yield_to_handler() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        thread::park();
    }
}
