//! Ctrl-C and SIGTERM: the run is brought to its end and reported, and no server and no directory stays behind.

use std::io::Write;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::complaint::Complaint;
use super::exit::Exit;
use crate::server;

/// How long a run has to come to its end: to cancel what is under way, to tear down what was set up, to stop the servers.
const ORDERLY: Duration = Duration::from_secs(20);

/// How long it has without servers: to write its reports.
const WRITING: Duration = Duration::from_secs(5);

/// From now on, these signals bring the run to its end. A second one stops the servers at once, and a third one does not wait for
/// reports either.
pub(super) fn handle() -> Result<(), Complaint> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Complaint::Output { what: "a signal handler".to_owned(), error })?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        server::interrupt();
        thread::spawn(|| {
            thread::sleep(ORDERLY);
            server::cleanup_all();
            thread::sleep(WRITING);
            exit();
        });
        signals.next();
        server::cleanup_all();
        signals.next();
        exit();
    });
    Ok(())
}

/// How a run ends that was interrupted, when nothing of it is left; none where it was not.
pub(super) fn interrupted() -> Option<Exit> {
    server::is_interrupted().then(|| {
        server::cleanup_all();
        // Nobody may be reading any more.
        let _ = writeln!(std::io::stderr(), "mcspec: interrupted");
        Exit::Interrupted
    })
}

fn exit() -> ! {
    server::cleanup_all();
    let _ = writeln!(std::io::stderr(), "mcspec: interrupted");
    std::process::exit(Exit::Interrupted.code().into())
}
