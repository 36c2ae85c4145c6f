//! What a worker of a sweep does: it has allocations fail in calls of the workload, and looks what has come of it.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::time::{Duration, Instant};

use memcheck_core::harm::{Failed, Harm};
use memcheck_core::{CheckKind, room};

use super::call::{ANSWER, Called, IS_TAKEN, PATIENCE, call, call_in_company, call_with, is_reached, say, usual};
use super::told::{Fails, Harmed, HeldAt, Part, Said, Until, Usual, failed};
use crate::guard::faults::watch;
use crate::inject::Plan;
use crate::pg::errors::{Raised, is_leaving};
use crate::pg::{ServerThread, cancel, client, held, libraries, transactions, waits};
use crate::session;
use crate::session::failing::{self, Standing};
use crate::trace::HeldBySite;

/// Calls before anything is compared: the sixth execution of a cached statement makes its generic plan (`choose_custom_plan` in
/// plancache.c).
const WARM_UP: u32 = 7;
/// Calls that say what is usual.
const USUAL: u32 = 3;
/// Calls that take longer together are enough.
const LONG: Duration = Duration::from_secs(2);
/// Times that something has to be left behind for it to be a leak.
pub(in super::super) const AGAIN: i64 = 3;

/// What is under way, for the end of the process.
struct UnderWay {
    fails: Fails,
    is_first_call: bool,
}

static UNDER_WAY: ServerThread<RefCell<Option<UnderWay>>> = ServerThread::new(RefCell::new(None));
/// Whether all was said.
static IS_OVER: ServerThread<Cell<bool>> = ServerThread::new(Cell::new(false));

/// Does its part. `closes` closes its window, and gives what that was.
pub(in super::super) fn work(text: &'static CString, part: Part, closes: Closes) -> Result<(), Raised> {
    CLOSES.set(Some(closes));
    cancel::count();
    transactions::at_exit(|| {
        if !is_leaving() {
            client::abandon();
            ends();
        }
    });
    match part {
        Part::Learn { first, cancels } => {
            waits::note();
            learn(text, first, cancels)?;
        }
        Part::Count { first, cancels, libraries } => count(text, first, cancels, libraries)?,
        Part::First { libraries, fails, times, expected } => {
            PATIENCE.set(expected.patience);
            load(libraries)?;
            for _ in 1..times {
                call_with(text, fails);
            }
            let expected = Usually { answer: expected.answer, locks: held::locks(), growth: None };
            if one(text, fails, true, &expected).is_some() && failing::failed().is_some() {
                say_held(Some(described(Harm::Leak, fails, true, String::new())));
            }
        }
        Part::Later { fails, expected } => {
            PATIENCE.set(expected.patience);
            let budget = expected.budget.map(Duration::from_millis);
            later(text, &fails, expected.answer, budget)?;
        }
        Part::Terminate { libraries, fails, expected } => {
            PATIENCE.set(expected.patience);
            load(libraries)?;
            usual(text)?;
            terminate(text, fails);
        }
        Part::Behind { at, expected } => {
            PATIENCE.set(expected.patience);
            behind(text, at, expected.answer);
        }
    }
    say(&Said::Done);
    ends();
    Ok(())
}

/// Closes the worker's window.
pub(in super::super) type Closes = fn() -> Option<serde_json::Value>;

static CLOSES: ServerThread<Cell<Option<Closes>>> = ServerThread::new(Cell::new(None));

/// The last that is said. Where something was under way, the process ends by it.
fn ends() {
    if IS_OVER.replace(true) {
        return;
    }
    watch::stop();
    failing::stop_failing();
    if let Some(UnderWay { fails, is_first_call }) = UNDER_WAY.take() {
        let mut findings = Vec::new();
        session::unless_busy(|session| findings = session.abandon());
        let (harm, what) = match findings.first() {
            _ if watch::has_run_out() => {
                let place = findings.iter().find_map(|finding| finding.site.as_ref()).map(|site| site.frame.place());
                let place = place.map_or(String::new(), |place| format!(", in {place}"));
                let what = match fails {
                    _ if watch::has_given_back() => {
                        format!("the call waits for an LWLock that nobody gives back{place}")
                    }
                    Fails::After(_) => format!("the call has not ended {} s later{place}", ANSWER.as_secs()),
                    _ => format!("the call has not come back after {} s{place}", PATIENCE.get() / 1000),
                };
                (Harm::Hang, what)
            }
            Some(finding) => (Harm::Crash, finding.detail.clone()),
            // It was to end.
            None if fails.ends() => {
                let at = described(Harm::Wedged, fails, is_first_call, String::new());
                return say(&Said::Terminated(at));
            }
            None => (Harm::Crash, "the session has ended".to_owned()),
        };
        let place = findings.into_iter().find_map(|finding| finding.site);
        say(&Said::Harmed(described(harm, fails, is_first_call, what).or_at(place)));
    } else if let Some(outcome) = CLOSES.get().and_then(|closes| closes()) {
        say(&Said::Closed(outcome));
    }
}

/// What has failed, and what has come of it.
fn described(harm: Harm, fails: Fails, is_first_call: bool, what: String) -> Harmed {
    let first = failing::failed();
    let waited = || {
        let report = watch::waited().filter(|_| matches!(fails, Fails::Wait(_)))?;
        failing::place_of(&report)
    };
    let site = first.and_then(|first| failing::site(first.site, first.stack)).or_else(waited);
    let failed: Failed = failed(fails, first, is_first_call);
    Harmed::new(harm, fails, &failed, site.as_ref(), what)
}

fn harmed(harm: Harm, fails: Fails, is_first_call: bool, what: String) {
    say(&Said::Harmed(described(harm, fails, is_first_call, what)));
}

fn standing() -> Standing {
    session::with(session::Session::standing)
}

/// The answer of several calls, if it is always the same.
fn same(answers: &[u64]) -> Option<u64> {
    let (first, rest) = answers.split_first()?;
    rest.iter().all(|answer| answer == first).then_some(*first)
}

/// Calls it often enough, unless that takes too long. Gives the answers, and how long the slowest has taken.
fn warm_up(text: &'static CString) -> Result<(Vec<u64>, Duration), Raised> {
    let (began, mut answers, mut slowest) = (Instant::now(), Vec::new(), Duration::ZERO);
    for _ in 0..WARM_UP {
        let started = Instant::now();
        room::push(&mut answers, usual(text)?);
        slowest = slowest.max(started.elapsed());
        if began.elapsed() > LONG {
            break;
        }
    }
    Ok((answers, slowest))
}

/// Calls it once, and counts what could fail, or where it could be cancelled.
fn counted(text: &'static CString, first: u32, cancels: bool) -> Result<u64, Raised> {
    if !cancels {
        failing::fail(Plan::Count { first });
        let done = usual(text);
        failing::stop_failing();
        return done;
    }
    failing::fail(Plan::Points { first });
    cancel::hold();
    let done = usual(text);
    failing::stop_failing();
    cancel::forget();
    match done {
        // An ERROR that the workload has caught has let the cancel go: what is no check for interrupts is counted.
        Err(raised) if raised.said().0 == cancel::CODE => {
            raised.forget();
            failing::fail(Plan::Count { first });
            let done = usual(text);
            failing::stop_failing();
            done
        }
        done => done,
    }
}

fn learn(text: &'static CString, first: u32, cancels: bool) -> Result<(), Raised> {
    let (mut answers, slowest) = warm_up(text)?;
    room::push(&mut answers, counted(text, first, cancels)?);
    say_usual(same(&answers), slowest);
    Ok(())
}

fn count(text: &'static CString, first: u32, cancels: bool, libraries: Vec<String>) -> Result<(), Raised> {
    load(libraries)?;
    let one = counted(text, first, cancels)?;
    let other = usual(text)?;
    say_usual(same(&[one, other]), Duration::ZERO);
    say_held(None);
    Ok(())
}

fn say_usual(answer: Option<u64>, slowest: Duration) {
    let counted = failing::counted();
    say(&Said::Usual(Usual {
        answer,
        not_chosen: counted.not_chosen,
        locks: waits::noted(),
        slowest: u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX),
        libraries: failing::libraries(),
        allocations: counted.all,
        sites: counted.sites,
        chosen: counted.chosen,
    }));
}

/// Says what each place holds.
fn say_held(failed: Option<Harmed>) {
    let mut all: Vec<HeldAt> = Vec::new();
    for HeldBySite { site, bytes, number } in standing().held {
        let Some(frame) = failing::place(site).map(|site| site.frame) else { continue };
        let function = frame.place();
        match all.iter_mut().find(|known| known.library == frame.library && known.offset == frame.offset) {
            Some(known) => (known.bytes, known.number) = (known.bytes + bytes, known.number + number),
            None => {
                let held = HeldAt { library: frame.library, offset: frame.offset, function, bytes, number };
                room::push(&mut all, held);
            }
        }
    }
    say(&Said::Held(all, failed));
}

/// Loads what the first call would: what is done then is no part of it. Nor is the first statement, of which the session takes note
/// as the one that has called the engine.
fn load(files: Vec<String>) -> Result<(), Raised> {
    client::answer(c"SELECT 1")?;
    let files: &'static [CString] =
        files.into_iter().filter_map(|file| CString::new(file).ok()).collect::<Vec<_>>().leak();
    files.iter().try_for_each(|file| libraries::load(file))
}

/// What is compared with.
struct Usually {
    answer: Option<u64>,
    /// Locks that the session holds.
    locks: usize,
    /// What each site holds more after a call; none for a first call, which is compared with one in another session.
    growth: Option<Vec<HeldBySite>>,
}

/// What each site holds more, of those that do.
fn grown(before: &[HeldBySite], now: &[HeldBySite]) -> Vec<HeldBySite> {
    let mut grown = Vec::new();
    for &HeldBySite { site, bytes, number } in now {
        let was = before.iter().find(|was| was.site == site).copied();
        let was = was.unwrap_or(HeldBySite { site, bytes: 0, number: 0 });
        let more = HeldBySite { site, bytes: bytes - was.bytes, number: number - was.number };
        if more.bytes > 0 || more.number > 0 {
            room::push(&mut grown, more);
        }
    }
    grown
}

/// Of what has grown, what would not have in as many calls. Nothing where in all there is no more than there would be: it is held
/// by another place then.
fn beyond(before: &Standing, now: &Standing, growth: &[HeldBySite], calls: i64) -> Vec<HeldBySite> {
    let sum = |held: &[HeldBySite]| held.iter().fold((0, 0), |sum, one| (sum.0 + one.bytes, sum.1 + one.number));
    let (was, is, usual) = (sum(&before.held), sum(&now.held), sum(growth));
    if is.0 <= was.0 + usual.0 * calls && is.1 <= was.1 + usual.1 * calls {
        return Vec::new();
    }
    let usual = |site: u32| growth.iter().find(|usual| usual.site == site);
    let is_beyond = |more: &HeldBySite| {
        usual(more.site).is_none_or(|usual| more.number > usual.number * calls || more.bytes > usual.bytes * calls)
    };
    let mut grown = grown(&before.held, &now.held);
    grown.retain(is_beyond);
    grown
}

fn later(text: &'static CString, fails: &[Fails], answer: Option<u64>, budget: Option<Duration>) -> Result<(), Raised> {
    let mut answers = Vec::new();
    warm_up(text)?;
    let mut growth: Vec<HeldBySite> = Vec::new();
    for _ in 0..USUAL {
        let before = standing();
        room::push(&mut answers, usual(text)?);
        for more in grown(&before.held, &standing().held) {
            match growth.iter_mut().find(|known| known.site == more.site) {
                Some(known) => {
                    (known.bytes, known.number) = (known.bytes.max(more.bytes), known.number.max(more.number));
                }
                None => _ = room::push(&mut growth, more),
            }
        }
    }
    let answer = same(&answers).filter(|answer_now| answer == Some(*answer_now));
    let expected = Usually { answer, locks: held::locks(), growth: Some(growth) };
    let began = Instant::now();
    for &fails in fails {
        if budget.is_some_and(|budget| began.elapsed() > budget) {
            say(&Said::OutOfTime);
            break;
        }
        if one(text, fails, false, &expected).is_none() {
            break;
        }
    }
    Ok(())
}

/// Has the session terminated in a call: nothing comes behind that.
fn terminate(text: &'static CString, fails: Fails) {
    say(&Said::Fails(fails));
    UNDER_WAY.replace(Some(UnderWay { fails, is_first_call: false }));
    call_with(text, fails);
    cancel::stay();
    UNDER_WAY.take();
    say(&Said::NotReached);
}

/// Calls it in a session behind one that was terminated.
fn behind(text: &'static CString, at: Harmed, expected: Option<u64>) {
    let fails = at.fails();
    say(&Said::Fails(fails));
    UNDER_WAY.replace(Some(UnderWay { fails, is_first_call: false }));
    let told = match call(text) {
        Called::Failed(code, message) => {
            Some((Harm::Wedged, format!("the first call of the next session fails: {code}: {message}")))
        }
        Called::Answered(answer) if expected.is_some_and(|expected| expected != answer) => {
            Some((Harm::WrongAnswer, "the first call of the next session has given another answer".to_owned()))
        }
        Called::Answered(_) => None,
    };
    UNDER_WAY.take();
    if let Some((harm, what)) = told {
        say(&Said::Harmed(at.has_done(harm, what)));
    }
}

/// Has something fail in a call, and looks what has come of it. None if nothing is sure behind it.
fn one(text: &'static CString, fails: Fails, is_first_call: bool, expected: &Usually) -> Option<()> {
    say(&Said::Fails(fails));
    UNDER_WAY.replace(Some(UnderWay { fails, is_first_call }));
    let before = standing();
    let called = call_with(text, fails);
    if !is_reached(fails, &called) {
        say(&Said::NotReached);
        UNDER_WAY.take();
        return Some(());
    }
    let told = looks(called, text, fails, &before, expected);
    UNDER_WAY.take();
    match told {
        Some((harm, what)) => {
            harmed(harm, fails, is_first_call, what);
            return None;
        }
        None => {
            if let Some(growth) = &expected.growth {
                leaks(text, fails, &before, growth);
            }
        }
    }
    Some(())
}

/// What has gone wrong in a call in which something has failed, or in one behind it.
fn looks(
    called: Called,
    text: &'static CString,
    fails: Fails,
    before: &Standing,
    expected: &Usually,
) -> Option<(Harm, String)> {
    if let Some(kept) = held::kept() {
        return Some((Harm::Lock, kept));
    }
    let locks = held::locks();
    client::message_ends();
    if locks > expected.locks {
        let more = locks - expected.locks;
        let plural = if more == 1 { "" } else { "s" };
        return Some((Harm::Lock, format!("{more} lock{plural} of the session more than before in pg_locks")));
    }
    if let Some(told) = happened(before) {
        return Some(told);
    }
    let swallows = match fails {
        Fails::Cancel(_) => true,
        Fails::Wait(wait) => wait.until == Until::Signal,
        _ => false,
    };
    if swallows && matches!(called, Called::Answered(_)) && IS_TAKEN.get() {
        return Some((Harm::Swallowed, "the call has gone on to its end".to_owned()));
    }
    // Whoever asks for a lock may do without.
    if let Called::Answered(answer) = called
        && !matches!(fails, Fails::Wait(_))
        && expected.answer.is_some_and(|expected| expected != answer)
    {
        return Some((Harm::WrongAnswer, "the call has not failed, and has given another answer".to_owned()));
    }
    let told = match call_in_company(text) {
        Called::Failed(code, message) => Some((Harm::Wedged, format!("the call behind it fails: {code}: {message}"))),
        Called::Answered(answer) if expected.answer.is_some_and(|expected| expected != answer) => {
            Some((Harm::WrongAnswer, "the call behind it has given another answer".to_owned()))
        }
        Called::Answered(_) => None,
    };
    // A bad access is why it is so.
    happened(before).or(told)
}

/// Bad accesses, references and contexts.
fn happened(before: &Standing) -> Option<(Harm, String)> {
    session::with(|session| {
        if let Some(access) = session.bad_accesses().first() {
            return Some((Harm::Access, access.detail.clone()));
        }
        let (check, what) = session.happened_since(before).into_iter().next()?;
        Some((if check == CheckKind::WrongCtxAlloc { Harm::Context } else { Harm::Reference }, what))
    })
}

/// Looks whether something was left behind, and is each time that the same fails.
fn leaks(text: &'static CString, fails: Fails, before: &Standing, growth: &[HeldBySite]) {
    // The one that has failed, and the one behind it.
    const CALLS: i64 = 2;
    if beyond(before, &standing(), growth, CALLS).is_empty() {
        return;
    }
    let before = standing();
    for _ in 0..AGAIN {
        let called = call_with(text, fails);
        if !is_reached(fails, &called) {
            return;
        }
        call(text);
    }
    let left = beyond(&before, &standing(), growth, CALLS * AGAIN);
    // What a function of the server leaves of itself where it fails is not its caller's.
    let of_server = failing::failed().filter(|_| !fails.cancels()).map_or(0, |failed| failed.site);
    let is_each_time = |more: &HeldBySite| {
        let usual = growth.iter().find(|usual| usual.site == more.site).map_or(0, |usual| usual.number);
        more.number - usual * CALLS * AGAIN >= AGAIN
    };
    let Some(more) = left.iter().find(|more| more.site != of_server && is_each_time(more)) else { return };
    let place = failing::place(more.site).map_or(String::new(), |site| format!(" of {}", site.frame.place()));
    harmed(Harm::Leak, fails, false, left_behind(&place, more.bytes / AGAIN, more.number / AGAIN));
}

/// The sentence of a leak.
pub(in super::super) fn left_behind(place: &str, bytes: i64, number: i64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} allocation{plural}{place} with {bytes} bytes stay behind that would not be there")
}
