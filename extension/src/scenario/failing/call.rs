//! Calls of the workload by a worker of a sweep, in which something fails or which are cancelled.

use std::cell::Cell;
use std::ffi::CString;
use std::time::Duration;

use super::told::{Fails, Said, Until, Wait};
use crate::guard::faults::watch;
use crate::pg::errors::{Raised, end};
use crate::pg::{ServerThread, background, cancel, client};
use crate::session::failing;

/// How long a call may go on that was cancelled after a time.
pub(super) const ANSWER: Duration = Duration::from_secs(1);
/// How long the caller may take for what it was asked for.
const CALLER: Duration = Duration::from_secs(5);
/// How long a call waits for a lock (milliseconds).
const WAIT: u32 = 50;

/// How long a call may take before it is said to hang (milliseconds).
pub(super) static PATIENCE: ServerThread<Cell<u64>> = ServerThread::new(Cell::new(0));
/// Whether an ERROR was raised of the cancel of the last call.
pub(super) static IS_TAKEN: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// What a call has come to.
pub(super) enum Called {
    Answered(u64),
    /// SQLSTATE and message of an ERROR.
    Failed(String, String),
}

pub(super) fn say(said: &Said) {
    background::say(&serde_json::to_vec(said).unwrap_or_default());
}

/// What is to come to a call while it is under way, or is put back behind it.
#[derive(Clone, Copy)]
struct Around {
    patience: Duration,
    /// How often another process had cancelled this one, where it is to do so once more, and within which time.
    signals: Option<(u32, Duration)>,
    /// What it waits for.
    wait: Option<Wait>,
}

/// Calls the workload once. Nothing fails any more when what has failed is rolled back.
pub(super) fn call(text: &'static CString) -> Called {
    call_within(text, Around { patience: Duration::from_millis(PATIENCE.get()), signals: None, wait: None })
}

fn call_within(text: &'static CString, around: Around) -> Called {
    match around.wait {
        Some(_) => watch::start_for_wait(around.patience),
        None => watch::start(around.patience),
    }
    let done = client::answer(text);
    failing::stop_failing();
    cancel::not_after();
    cancel::lock_timeout(0);
    if let Some((before, longest)) = around.signals {
        cancel::await_signal(before, longest);
    }
    IS_TAKEN.set(cancel::forget());
    let called = match done {
        Ok(answer) => {
            client::leave_transaction();
            Called::Answered(answer)
        }
        Err(raised) => {
            client::abandon();
            let (code, message) = raised.said();
            raised.forget();
            Called::Failed(code, message)
        }
    };
    watch::stop();
    if watch::has_given_back() {
        // What it held it has no more: nothing is sure.
        end(c"the call waited for an LWLock that nobody would have given back");
    }
    client::message_ends();
    called
}

/// Calls it, and another process sends a signal.
fn call_with_signal(text: &'static CString, milliseconds: u64, ends: bool) -> Called {
    let before = cancel::come();
    let time = Duration::from_millis(milliseconds);
    say(&Said::Signal(milliseconds, ends));
    let patience = Duration::from_millis(PATIENCE.get());
    call_within(text, Around { patience, signals: Some((before, time + CALLER)), wait: None })
}

/// Calls it while the caller of this worker holds what it waits for.
fn call_with_wait(text: &'static CString, wait: Wait) -> Called {
    let before = cancel::come();
    say(&Said::Hold(wait));
    if wait.lock.await_holder(background::caller(), true, CALLER) {
        match wait.until {
            Until::LockTimeout => cancel::lock_timeout(WAIT),
            Until::StatementTimeout => cancel::after(u64::from(WAIT)),
            Until::Signal | Until::EndingSignal => {}
        }
        let patience = Duration::from_millis(PATIENCE.get());
        let signals = wait.until.signal().map(|_| (before, CALLER));
        let called = call_within(text, Around { patience, signals, wait: Some(wait) });
        say(&Said::LetGo);
        wait.lock.await_holder(background::caller(), false, CALLER);
        client::message_ends();
        return called;
    }
    say(&Said::LetGo);
    wait.lock.await_holder(background::caller(), false, CALLER);
    Called::Failed(String::new(), "the lock was not to be had".to_owned())
}

/// The same, again where another worker of the sweep was in the way: a deadlock, or a serialization failure.
pub(super) fn call_in_company(text: &'static CString) -> Called {
    /// Class 40, Transaction Rollback.
    const OF_COMPANY: &str = "40";
    const TIMES: usize = 20;
    let mut called = call(text);
    for _ in 0..TIMES {
        if !matches!(&called, Called::Failed(code, _) if code.starts_with(OF_COMPANY)) {
            break;
        }
        called = call(text);
    }
    called
}

/// The same, where it does not fail by itself: an ERROR is the workload's.
pub(super) fn usual(text: &'static CString) -> Result<u64, Raised> {
    let done = client::answer(text);
    if done.is_err() {
        failing::stop_failing();
        client::abandon();
    } else {
        client::leave_transaction();
        client::message_ends();
    }
    done
}

/// Calls it, and something fails, or it is cancelled.
pub(super) fn call_with(text: &'static CString, fails: Fails) -> Called {
    failing::fail(fails.plan());
    match fails {
        Fails::After(milliseconds) => {
            cancel::after(milliseconds);
            let patience = Duration::from_millis(milliseconds) + ANSWER;
            return call_within(text, Around { patience, signals: None, wait: None });
        }
        Fails::Signal(milliseconds) => return call_with_signal(text, milliseconds, false),
        Fails::EndingSignal(milliseconds) => return call_with_signal(text, milliseconds, true),
        Fails::Wait(wait) => return call_with_wait(text, wait),
        Fails::Cancel(_) | Fails::Terminate(_) => cancel::hold(),
        _ => {}
    }
    call(text)
}

/// Whether it has come to that.
pub(super) fn is_reached(fails: Fails, called: &Called) -> bool {
    match fails {
        Fails::After(_) | Fails::Signal(_) => matches!(called, Called::Failed(code, _) if code == cancel::CODE),
        // Whether it has waited is seen from the outside, unless that was too short.
        Fails::Wait(_) => {
            let is_of_wait = |code: &str| code == cancel::CODE || code == cancel::NO_LOCK;
            watch::waited().is_some() || matches!(called, Called::Failed(code, _) if is_of_wait(code))
        }
        _ => failing::failed().is_some(),
    }
}
