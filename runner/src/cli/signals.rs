//! Ctrl-C and SIGTERM: the run is brought to its end and reported, and no server and no directory stays behind.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::complaint::Complaint;
use super::exit::Exit;
use crate::atomic;
use crate::server;
use crate::status;

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

/// The program of the user's that runs in the foreground; 0 for none.
static ATTENDED: AtomicI32 = AtomicI32::new(0);

/// So often SIGTERM is handed on to such a program before it is ended by force.
const PATIENCE: u32 = 3;

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
        let mut asked = 0;
        let first = loop {
            let signal = signals.next().unwrap_or(SIGINT);
            match ATTENDED.load(Ordering::SeqCst) {
                0 => break signal,
                program => hand_on(signal, Pid::from_raw(program), &mut asked),
            }
        };
        FIRST.store(first, Ordering::SeqCst);
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

/// While a program of the user's runs in the foreground, signals are for that, and say nothing to this process: what has run until
/// then is reported.
pub(super) fn attend(program: Option<u32>) {
    ATTENDED.store(program.map_or(0, u32::cast_signed), Ordering::SeqCst);
}

/// Hands a signal on, unless the program has it already: the terminal sends SIGINT to all processes in the foreground.
fn hand_on(signal: i32, program: Pid, asked: &mut u32) {
    if signal == SIGINT && is_in_foreground() {
        return;
    }
    *asked += u32::from(signal == SIGTERM);
    let signal = if *asked > PATIENCE { Signal::SIGKILL } else { Signal::try_from(signal).unwrap_or(Signal::SIGTERM) };
    // It may have ended in this moment.
    let _ = kill(program, signal);
}

/// Whether this process is one of those that the terminal sends its signals to.
fn is_in_foreground() -> bool {
    let terminal = File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
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
        status::close();
        // Nobody may be reading any more.
        let _ = writeln!(std::io::stderr(), "mcspec: interrupted");
    }
}

fn how() -> Exit {
    Exit::by(FIRST.load(Ordering::SeqCst))
}
