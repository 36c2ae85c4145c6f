//! Runs permutations: launches steps, finds out which of them are over and which are blocked, and tells what happens.
//!
//! What happens, and in which order, follows isolationtester.c (run_permutation, try_complete_steps, try_complete_step).

use std::thread;
use std::time::{Duration, Instant};

use super::blocking::{Blocking, Events};
use super::connection::Connection;
use super::lane::{End, Lane, Waited};
use crate::exec::deadline::TIDYING;
use crate::exec::failure::{SqlError, Step, Stopped};
use crate::exec::happening::{Halt, Happening, Outcome, Wait};
use crate::plan::{Batch, Launch, Marker, Sessions};
use crate::server::is_interrupted;

/// Pauses between looking whether a step is blocked: the first, and the one that they grow to.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));

/// How long a session that is told to end has for it.
const GRACE: Duration = Duration::from_secs(2);

/// Whether a step that is blocked is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    UntilBlocked,
    UntilOver,
}

/// Sessions and the connection that watches over them.
pub(super) struct Performance<'a> {
    plan: &'a Sessions,
    control: Lane,
    lanes: Vec<Lane>,
    blocking: Blocking,
    limit: Duration,
    /// What is done is to be done although the run is interrupted.
    tidies: bool,
    tell: &'a mut dyn FnMut(Happening),
    /// A notice has come.
    noticed: bool,
    launches: &'a [Launch],
    /// For each launch and marker the number of notices that it waits for.
    targets: Vec<Vec<u32>>,
    waiting: Vec<usize>,
}

impl<'a> Performance<'a> {
    /// Takes over the connections: that of the spec itself and one for each session. With `events`, wait events
    /// count as blocking.
    pub(super) fn new(
        plan: &'a Sessions,
        control: Connection,
        connections: Vec<Connection>,
        events: bool,
        tell: &'a mut dyn FnMut(Happening),
    ) -> Self {
        let blocking = Blocking::new(connections.iter().map(|connection| connection.pid), events);
        let lanes = connections.into_iter().map(Lane::new).collect();
        Performance {
            plan,
            control: Lane::new(control),
            lanes,
            blocking,
            limit: Duration::MAX,
            tidies: false,
            tell,
            noticed: false,
            launches: &[],
            targets: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// The connection of a session, which must not be under way.
    pub(super) fn connection(&self, session: usize) -> &Connection {
        &self.lanes[session].connection
    }

    /// Whether a session's connection is gone.
    pub(super) fn is_lost(&self, session: usize) -> bool {
        self.lanes[session].lost
    }

    /// Gives a session that is lost another connection.
    pub(super) fn replace(&mut self, session: usize, connection: Connection) {
        self.lanes[session] = Lane::new(connection);
        self.blocking.renew(self.lanes.iter().map(|lane| lane.connection.pid));
    }

    /// Forgets what a session was told that no step has been reported with.
    pub(super) fn forget(&mut self, session: usize) {
        self.lanes[session].take_notifications();
    }

    /// Whether a session's connection is gone, and the server has not said why by an error that ends sessions.
    pub(super) fn is_silent(&self, session: usize) -> bool {
        self.lanes[session].lost && !self.lanes[session].told
    }

    /// Whether a session is there and nothing of it is under way.
    pub(super) fn is_free(&self, session: usize) -> bool {
        self.lanes[session].is_free()
    }

    /// Ends a session whatever it does.
    pub(super) fn terminate(&self, session: usize) {
        if !self.is_lost(session) {
            self.lanes[session].connection.terminate();
        }
    }

    /// Gives the spec itself another connection where its own is gone, as is known here or to the caller.
    pub(super) fn reconnect_control<E>(
        &mut self,
        is_lost: bool,
        connect: impl FnOnce() -> Result<Connection, E>,
    ) -> Result<(), E> {
        if is_lost || self.control.lost {
            self.control = Lane::new(connect()?);
        }
        Ok(())
    }

    /// Takes note of what a session does now.
    pub(super) fn does(&mut self, session: usize, step: Step) {
        self.lanes[session].did.0 = step;
    }

    /// The sessions, and the connection that watches over them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().chain([&self.control])
    }

    /// Begins a permutation. Each of its steps and fixtures gets `limit` until it is cancelled, and as long again until
    /// there is no more waiting for it.
    pub(super) fn begin(&mut self, permutation: usize, limit: Duration) {
        self.limit = limit;
        (self.tell)(Happening::Begins { permutation });
    }

    /// Whatever follows tidies up: an interrupt leaves it some time.
    pub(super) fn tidy_up(&mut self) {
        self.tidies = true;
        if is_interrupted() {
            self.limit = self.limit.min(TIDYING / 2);
        }
    }

    /// Whether there is no more to do than to tidy up.
    pub(super) fn is_interrupted(&self) -> bool {
        is_interrupted() && !self.tidies
    }

    /// Tells what went wrong where that is no reason to end.
    pub(super) fn forgive(&mut self, ended: Result<(), Halt>) {
        if let Err(halt) = ended {
            (self.tell)(Happening::Forgiven(halt));
        }
    }

    /// Runs fixtures of the spec itself, whose notices nobody sees.
    pub(super) fn fixtures(&mut self, what: &'static str, batches: &[Batch]) -> Result<(), Halt> {
        batches.iter().try_for_each(|batch| {
            self.control.did = (Step::fixture(what), Some(batch.place.clone()));
            let outcome = self.ask_control(&batch.sql);
            self.fixture(what, None, batch, outcome)
        })
    }

    /// Runs fixtures of a session.
    pub(super) fn session_fixtures(
        &mut self,
        what: &'static str,
        session: usize,
        batches: &[Batch],
    ) -> Result<(), Halt> {
        batches.iter().try_for_each(|batch| {
            self.lanes[session].did = (Step::fixture(what), Some(batch.place.clone()));
            let outcome = self.ask(session, &batch.sql);
            self.fixture(what, Some(session), batch, outcome)
        })
    }

    /// Sends a Query message to a session that does nothing, and waits. What its last statement comes to counts, as with
    /// libpq's PQexec.
    pub(super) fn ask(&mut self, session: usize, sql: &str) -> Outcome {
        let Performance { lanes, tell, .. } = self;
        exchange(&mut lanes[session], sql, (self.limit, self.tidies), |notice| {
            tell(Happening::Notice { session, notice })
        })
    }

    /// The same for what the spec does not ask for, whose notices are not told.
    pub(super) fn ask_aside(&mut self, session: usize, sql: &str) -> Outcome {
        exchange(&mut self.lanes[session], sql, (self.limit, self.tidies), |_| {})
    }

    /// The same on the control connection, whose notices nobody sees.
    pub(super) fn ask_control(&mut self, sql: &str) -> Outcome {
        exchange(&mut self.control, sql, (self.limit, self.tidies), |_| {})
    }

    fn fixture(
        &mut self,
        what: &'static str,
        session: Option<usize>,
        batch: &Batch,
        outcome: Outcome,
    ) -> Result<(), Halt> {
        match outcome {
            Outcome::Command | Outcome::Rows(_) => {
                (self.tell)(Happening::Fixture(outcome));
                Ok(())
            }
            outcome => Err(Halt::Fixture { what, session, batch: Box::new(batch.clone()), outcome }),
        }
    }

    /// Launches the steps one after the other and waits until all are over.
    pub(super) fn steps(&mut self, launches: &'a [Launch]) -> Result<(), Halt> {
        self.launches = launches;
        self.targets = vec![Vec::new(); launches.len()];
        self.waiting.clear();
        let mut first = 0;
        while first < launches.len() {
            let joined = launches[first + 1..].iter().take_while(|launch| launch.joins).count();
            let together = first..=first + joined;
            for launch in together.clone() {
                self.end_previous(launch)?;
                self.launch(launch)?;
            }
            for launch in together {
                let is_left = self.try_complete(launch, Patience::UntilBlocked, false)?;
                // Those that were waiting before.
                self.try_waiting(Patience::UntilBlocked)?;
                if is_left {
                    self.waiting.push(launch);
                }
            }
            first += joined + 1;
        }
        self.try_waiting(Patience::UntilOver)?;
        if self.waiting.is_empty() { Ok(()) } else { Err(Halt::MutuallyBlocking) }
    }

    fn session_of(&self, launch: usize) -> usize {
        self.plan.steps[self.launches[launch].step].session
    }

    /// Waits until the session of a launch is done with its previous step.
    fn end_previous(&mut self, launch: usize) -> Result<(), Halt> {
        let session = self.session_of(launch);
        let started = Instant::now();
        while let Some(previous) = self.lanes[session].active {
            if !self.try_complete(previous, Patience::UntilOver, true)? {
                self.waiting.retain(|&waiting| waiting != previous);
            }
            // Its end may have unblocked others; if it has not ended, one of them may have to be unblocked first.
            self.try_waiting(Patience::UntilBlocked)?;
            let after = started.elapsed();
            if let Some(active) = self.lanes[session].active {
                thread::sleep(PAUSE.0);
                if after > self.limit.saturating_mul(2) {
                    let under_way = self.lanes.iter().filter_map(|lane| lane.active);
                    let under_way = under_way.map(|launch| self.launches[launch].step).collect();
                    return Err(Halt::TimedOut { step: self.launches[active].step, after, active: under_way });
                }
            }
        }
        Ok(())
    }

    fn launch(&mut self, launch: usize) -> Result<(), Halt> {
        let step = self.launches[launch].step;
        let lane = &mut self.lanes[self.plan.steps[step].session];
        if lane.lost {
            return Err(Halt::SessionLost { step });
        }
        let Batch { sql, place } = &self.plan.steps[step].batch;
        lane.did = (Step::SessionStep(self.plan.steps[step].name.clone()), Some(place.clone()));
        lane.launch(launch, sql);
        let target = |marker: &Marker| match *marker {
            Marker::Notices(step, count) => self.lanes[self.plan.steps[step].session].notices + count,
            Marker::Waiting | Marker::After(_) => 0,
        };
        self.targets[launch] = self.launches[launch].markers.iter().map(target).collect();
        Ok(())
    }

    /// Looks which of the waiting steps are over.
    fn try_waiting(&mut self, patience: Patience) -> Result<(), Halt> {
        loop {
            self.noticed = false;
            let (before, mut marked, mut at) = (self.waiting.len(), false, 0);
            while let Some(&launch) = self.waiting.get(at) {
                if self.try_complete(launch, patience, true)? {
                    marked |= !self.launches[launch].markers.is_empty();
                    at += 1;
                } else {
                    self.waiting.remove(at);
                }
            }
            // A step that was looked at later may have ended what a marker waits for: without another look, what is
            // reported would depend on the order of the waiting steps.
            if !(marked && (self.waiting.len() < before || self.noticed)) {
                return Ok(());
            }
        }
    }

    /// Waits until a launch is over, or blocked where that is enough. True if it is still to be reported as over.
    fn try_complete(&mut self, launch: usize, patience: Patience, is_waiting: bool) -> Result<bool, Halt> {
        let step = self.launches[launch].step;
        let session = self.plan.steps[step].session;
        if !is_waiting && self.launches[launch].markers.contains(&Marker::Waiting) {
            (self.tell)(Happening::Waiting { step, wait: Wait::Usual });
            return Ok(true);
        }
        let mut clock = Clock::start(self.limit, self.tidies);
        let mut events = Events::default();
        while self.lanes[session].is_busy() {
            if self.wait(session, clock.pause) {
                // Notices without end do not keep the time from passing.
                self.check_time(step, &mut clock)?;
                continue;
            }
            if patience == Patience::UntilBlocked {
                let pid = self.lanes[session].connection.pid;
                let wait = self.blocking.of(&self.control.connection, pid, &mut events).map_err(Halt::Unknown)?;
                if let Some(wait) = wait {
                    // It may have gone on while the server was asked.
                    let Performance { lanes, tell, noticed, .. } = self;
                    lanes[session].catch_up(|notice| {
                        *noticed = true;
                        tell(Happening::Notice { session, notice });
                    });
                    if !self.lanes[session].is_busy() {
                        break;
                    }
                    if !is_waiting {
                        (self.tell)(Happening::Waiting { step, wait });
                    }
                    return Ok(true);
                }
            }
            self.check_time(step, &mut clock)?;
        }
        if self.is_held_back(launch) {
            if !is_waiting {
                (self.tell)(Happening::Waiting { step, wait: Wait::Usual });
            }
            return Ok(true);
        }
        self.complete(step, session, is_waiting)?;
        Ok(false)
    }

    /// Reports a launch that is over, or whose first statement is, with everything it comes to.
    fn complete(&mut self, step: usize, session: usize, waited: bool) -> Result<(), Halt> {
        (self.tell)(Happening::Completed { step, waited });
        let mut clock = Clock::start(self.limit, self.tidies);
        loop {
            match self.lanes[session].next_end() {
                Some(End::Over) => break,
                Some(End::Outcome(outcome)) => {
                    (self.tell)(Happening::Outcome(outcome));
                    if self.lanes[session].lost {
                        break;
                    }
                }
                None => {
                    self.wait(session, clock.pause);
                    self.check_time(step, &mut clock)?;
                }
            }
        }
        for notification in self.lanes[session].take_notifications() {
            let sender = self.lanes.iter().position(|lane| lane.connection.pid == notification.pid);
            (self.tell)(Happening::Notified { session, notification, sender });
        }
        self.lanes[session].active = None;
        Ok(())
    }

    /// Waits that long for something to arrive at a session; true if it does.
    fn wait(&mut self, session: usize, time: Duration) -> bool {
        match self.lanes[session].wait(time) {
            Waited::InVain => return false,
            Waited::Arrived(None) => {}
            Waited::Arrived(Some(notice)) => {
                self.noticed = true;
                (self.tell)(Happening::Notice { session, notice });
            }
        }
        true
    }

    /// Whether a marker keeps a launch from being reported as over.
    fn is_held_back(&self, launch: usize) -> bool {
        let mut markers = self.launches[launch].markers.iter().zip(&self.targets[launch]);
        markers.any(|(marker, &target)| match *marker {
            Marker::Waiting => false,
            Marker::After(step) => {
                let active = self.lanes[self.plan.steps[step].session].active;
                active.is_some_and(|active| self.launches[active].step == step)
            }
            Marker::Notices(step, _) => self.lanes[self.plan.steps[step].session].notices < target,
        })
    }

    fn check_time(&mut self, step: usize, clock: &mut Clock) -> Result<(), Halt> {
        let connection = &self.lanes[self.plan.steps[step].session].connection;
        match clock.check(connection) {
            Due::No => Ok(()),
            Due::Cancelled(after) => {
                (self.tell)(Happening::Cancelled { step, after });
                Ok(())
            }
            Due::Ended(after) => Err(Halt::TimedOut { step, after, active: Vec::new() }),
        }
    }
}

/// Sends a Query message and waits for what its last statement comes to. When the time is up, the session is stopped by what it
/// takes, or left alone.
fn exchange(
    lane: &mut Lane,
    sql: &str,
    (limit, tidies): (Duration, bool),
    mut notice: impl FnMut(SqlError),
) -> Outcome {
    lane.connection.send(sql);
    let mut last = Outcome::Command;
    let mut clock = Clock::start(limit, tidies);
    loop {
        let outcome = match lane.next_end() {
            Some(End::Over) => std::mem::replace(&mut last, Outcome::Command),
            Some(End::Outcome(outcome)) if lane.lost => outcome,
            Some(End::Outcome(outcome)) => {
                last = outcome;
                continue;
            }
            None => {
                if let Waited::Arrived(raised) = lane.wait(clock.pause) {
                    raised.into_iter().for_each(&mut notice);
                }
                // Notices without end do not keep the time from passing.
                clock.check(&lane.connection);
                if clock.stopped != Some(Stopped::Left) {
                    continue;
                }
                lane.lost = true;
                Outcome::Lost
            }
        };
        return match clock.stopped {
            Some(stopped) if matches!(outcome, Outcome::Failed(_) | Outcome::Lost) => {
                Outcome::TimedOut { limit, stopped }
            }
            _ => outcome,
        };
    }
}

/// The time of one attempt to complete something.
struct Clock {
    started: Instant,
    /// When it is cancelled, and when its session is ended.
    cancel: Duration,
    end: Duration,
    pause: Duration,
    /// The last means that was used.
    stopped: Option<Stopped>,
    /// Whether an interrupt is to end it.
    heeds_interrupts: bool,
}

/// What the time demanded.
enum Due {
    No,
    Cancelled(Duration),
    Ended(Duration),
}

impl Clock {
    fn start(limit: Duration, tidies: bool) -> Self {
        Clock {
            started: Instant::now(),
            cancel: limit,
            end: limit.saturating_mul(2),
            pause: PAUSE.0,
            stopped: None,
            heeds_interrupts: !tidies,
        }
    }

    /// Cancels what a session does when its time is up, and ends the session when that has not helped: first it is asked to end,
    /// then it is made to.
    fn check(&mut self, connection: &Connection) -> Due {
        self.pause = (self.pause * 2).min(PAUSE.1);
        let after = self.started.elapsed();
        if self.heeds_interrupts && is_interrupted() {
            self.heeds_interrupts = false;
            self.cancel = self.cancel.min(after);
            self.end = self.end.min(after + GRACE);
        }
        let until = |means| self.end.saturating_add(GRACE * means);
        if after > until(0) {
            let means = [(Stopped::Terminated, until(0)), (Stopped::Killed, until(1)), (Stopped::Left, until(2))];
            for (means, from) in means {
                if after > from && self.stopped < Some(means) {
                    self.stopped = Some(means);
                    match means {
                        Stopped::Terminated => connection.terminate(),
                        Stopped::Killed => connection.kill(),
                        _ => {}
                    }
                }
            }
            return Due::Ended(after);
        }
        // A server that cannot be asked is asked again.
        if after >= self.cancel && self.stopped.is_none() && connection.cancel() {
            self.stopped = Some(Stopped::Cancelled);
            return Due::Cancelled(after);
        }
        Due::No
    }
}
