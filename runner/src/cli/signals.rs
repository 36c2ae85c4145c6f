//! Ctrl-C and SIGTERM: the run is brought to its end and reported, and no server and no directory stays behind.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::complaint::Complaint;
use super::exit::Exit;
use crate::atomic;
use crate::server;

/// How long a run has to come to its end: to cancel what is under way, to tear down what was set up, to stop the servers.
const ORDERLY: Duration = Duration::from_secs(20);

/// How long it has without servers: to write its reports.
const WRITING: Duration = Duration::from_secs(5);

/// Whether there is something to bring to its end.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether the user has been told.
static SAID: AtomicBool = AtomicBool::new(false);

/// The first signal, which says how this process ends.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// A file that grows beyond a limit is told by an error of whoever writes it (setrlimit(2), RLIMIT_FSIZE). The signal is not ignored,
/// since programs that are started would inherit that.
pub(super) fn survive_limits() {
    // Without it, the signal ends the process, and that is all.
    let _ = flag::register(Signal::SIGXFSZ as i32, Arc::default());
}

/// From now on, these signals end this process, and once something has begun, they bring that to its end. A second one stops the
/// servers at once, and a third one does not wait for reports either.
pub(super) fn handle() -> Result<(), Complaint> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Complaint::Output { what: "a signal handler".to_owned(), error })?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        FIRST.store(signals.next().unwrap_or(SIGINT), Ordering::SeqCst);
        server::interrupt();
        if !BEGUN.load(Ordering::SeqCst) {
            exit();
        }
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

/// Says that something begins that has to be brought to its end.
pub(super) fn begin() {
    BEGUN.store(true, Ordering::SeqCst);
}

/// How a run ends that was interrupted, when nothing of it is left; none where it was not.
pub(super) fn interrupted() -> Option<Exit> {
    server::is_interrupted().then(|| {
        server::cleanup_all();
        say();
        how()
    })
}

fn exit() -> ! {
    server::cleanup_all();
    say();
    atomic::exit(how().code().into())
}

fn say() {
    if !SAID.swap(true, Ordering::SeqCst) {
        // Nobody may be reading any more.
        let _ = writeln!(std::io::stderr(), "mcspec: interrupted");
    }
}

fn how() -> Exit {
    Exit::by(FIRST.load(Ordering::SeqCst))
}
