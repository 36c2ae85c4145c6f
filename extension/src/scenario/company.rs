//! `concurrent_backends`: workers that run their workloads side by side, and what keeps them from going on.
//!
//! The session looks at the workers while it waits for them. Who waits for whom is told by what they have noted of LWLocks and
//! spinlocks ([`crate::pg::company`]), and of the heavyweight locks by the server.

use std::time::{Duration, Instant};

use memcheck_core::census::SiteId;
use memcheck_core::judge::Rules;
use memcheck_core::{CheckKind, Finding, Frame, Site, room};

use super::task::{Seat, Task};
use super::worker::{Found, NotRun, Running, gathered, work_together};
use super::{Scenario, races};
use crate::pg::company::{self, Gathering, Kind, Lock, Member, State};
use crate::session::faults::NO_LOOK;
use crate::session::iterations::Iteration;
use crate::session::{self, Figures};

/// How often to look at them.
const LOOK: Duration = Duration::from_millis(100);
/// For how long nothing may have gone on where each of some waits for another of them.
const CIRCLE: Duration = Duration::from_secs(1);
/// For how long one may spin. A spinlock is held for a few instructions (spin.h).
const SPIN: Duration = Duration::from_secs(3);
/// For how long one may wait for an LWLock whose holder does something else.
const HELD: Duration = Duration::from_secs(20);
/// How often to ask one that is at an iteration for longer than [`CIRCLE`] whether it looks for interrupts.
const ASKING: Duration = Duration::from_millis(500);
/// For how long one may work without a look for interrupts, and for how long wait for something without one. The server's own longest
/// ways without are far shorter.
const WORK: Duration = Duration::from_secs(3);
const DEAF: Duration = Duration::from_secs(30);
/// How long one may take to end that has to.
const ENDING: Duration = Duration::from_secs(10);
/// How long the first one has to be at it before those that are behind it are compared with it.
const SHARE: Duration = Duration::from_secs(1);
/// One that has done less than this part of what others have done that do the same is starved.
const STARVED: u32 = 10;

/// A worker as it is seen.
struct Seen {
    steps: u64,
    since: Instant,
    /// Since when it has not come to another iteration, and when it was asked last whether it looks for interrupts.
    done: u32,
    began: Instant,
    asked: Instant,
    /// Since when it is known that it does not come back by itself.
    deaf: Option<Instant>,
}

impl Seen {
    fn new() -> Self {
        let now = Instant::now();
        Seen { steps: 0, since: now, done: 0, began: now, asked: now, deaf: None }
    }
}

/// What a worker waits for.
struct Waits {
    number: usize,
    lock: Option<Lock>,
    /// For how long.
    time: Duration,
    /// Those that it waits for.
    on: Vec<usize>,
    event: Option<(String, String)>,
}

/// Runs a scenario in workers that begin together.
pub(super) fn run(scenario: &Scenario, rules: &Rules) -> Result<Found, NotRun> {
    let mut company = Company::gather(scenario)?;
    let mut tasks = Vec::new();
    for number in 0..scenario.workers {
        let dealt = scenario.workloads.get(number as usize % scenario.workloads.len().max(1));
        let task = Task {
            scenario: scenario.kind.to_string(),
            iterations: scenario.iterations,
            reset_every: scenario.reset_every,
            workload: dealt.unwrap_or(&scenario.workload).clone(),
            seat: Some(Seat { segment: company.gathering.handle(), number, seed: scenario.seed }),
            failing: None,
        };
        room::push(&mut tasks, task);
    }
    let parting = company.gathering.parting();
    let mut all = work_together(&tasks, LOOK, Some(parting), |workers| company.look(workers))?;
    for (number, ended) in all.iter_mut().enumerate() {
        if company.members().get(number).is_some_and(Member::is_doomed) {
            ended.was_told_to();
        }
    }
    company.spinlocks.iter().for_each(|&lock| company::free_spinlock(lock));
    let mut found = gathered(all, rules);
    let figures = Figures { overlapping: company.overlapping(), ..Figures::default() };
    room::push(&mut found.looked_at, (figures, Vec::new()));
    let mut hangs = std::mem::take(&mut company.findings);
    if let Some(deaf) = company.deaf(&found.findings) {
        room::push(&mut hangs, deaf);
    }
    if room::make(&mut found.findings, hangs.len()) {
        found.findings.extend(hangs);
    }
    company.keep_iterations();
    for race in races::findings(company.members(), rules) {
        room::push(&mut found.findings, race);
    }
    for warning in &company.warnings {
        company::warn(warning);
    }
    Ok(found)
}

/// The workers of a scenario.
struct Company {
    gathering: Gathering,
    seen: Vec<Seen>,
    began: Option<Instant>,
    findings: Vec<Finding>,
    /// How many workloads are dealt to them.
    workloads: usize,
    iterations: u64,
    warnings: Vec<String>,
    is_share_told: bool,
    /// Spinlocks that are not given back.
    spinlocks: Vec<usize>,
}

impl Company {
    /// Room for the workers of a scenario. In a transaction.
    fn gather(scenario: &Scenario) -> Result<Self, NotRun> {
        let gathering = Gathering::new(scenario.workers, scenario.iterations).ok_or(NotRun::NoSegment)?;
        let mut seen = Vec::new();
        for _ in 0..scenario.workers {
            room::push(&mut seen, Seen::new());
        }
        Ok(Company {
            gathering,
            seen,
            began: None,
            findings: Vec::new(),
            workloads: scenario.workloads.len().max(1),
            iterations: scenario.iterations,
            warnings: Vec::new(),
            is_share_told: false,
            spinlocks: Vec::new(),
        })
    }

    fn members(&self) -> &[Member] {
        self.gathering.company().members()
    }

    /// Looks at them, and lets them begin when all are there. What one of them has come to ends the others' work as well.
    /// Whether to go on waiting for them.
    fn look(&mut self, workers: &[Running]) -> bool {
        let company = self.gathering.company();
        if workers.iter().any(Running::has_failed) {
            company.stop();
        }
        if company.state() == State::Gathers {
            if company.is_gathered() {
                company.begin();
                self.began = Some(Instant::now());
            }
            return true;
        }
        for (seen, member) in self.seen.iter_mut().zip(company.members()) {
            if seen.steps != member.steps() || !member.is_inside() {
                (seen.steps, seen.since) = (member.steps(), Instant::now());
            }
            if seen.done != member.done() || !member.is_inside() {
                (seen.done, seen.began) = (member.done(), Instant::now());
            }
        }
        if !self.look_for_deaf() {
            return false;
        }
        self.look_at_shares();
        let waits = self.waits();
        if let Some(stuck) = stuck(&waits) {
            let finding = self.finding(&stuck);
            if !self.findings.iter().any(|known| known.is_about_the_same(&finding)) {
                room::push(&mut self.findings, finding);
            }
            let spinlocks = stuck.iter().filter_map(|waits| waits.lock.as_ref());
            let spinlocks = spinlocks.filter(|lock| lock.kind == Kind::Spinlock).map(|lock| lock.address);
            spinlocks.for_each(|lock| _ = room::push(&mut self.spinlocks, lock));
            self.gathering.company().stop();
            // In a circle the others go on when one has given way.
            let is_circle = stuck.iter().all(|waits| waits.lock.as_ref().is_some_and(|lock| lock.kind == Kind::LwLock));
            let victims = if is_circle { 1 } else { stuck.len() };
            stuck
                .iter()
                .rev()
                .take(victims)
                .filter_map(|waits| self.members().get(waits.number))
                .for_each(Member::doom);
        }
        true
    }

    /// Looks for those that do not come back and do not look for interrupts, and has them end. False where one does not.
    fn look_for_deaf(&mut self) -> bool {
        let mut goes_on = true;
        for (seen, member) in self.seen.iter_mut().zip(self.gathering.company().members()) {
            if member.pid() == 0 || !member.is_inside() {
                continue;
            }
            if let Some(since) = seen.deaf {
                goes_on &= since.elapsed() < ENDING;
                continue;
            }
            if member.is_doomed() || seen.began.elapsed() < CIRCLE || seen.asked.elapsed() < ASKING {
                continue;
            }
            seen.asked = Instant::now();
            if member.asks().is_some_and(|deaf| deaf.work >= WORK || deaf.time >= DEAF) {
                seen.deaf = Some(Instant::now());
                self.gathering.company().stop();
                member.doom();
            }
        }
        goes_on
    }

    /// Of those that did not look for interrupts, a finding where no worker has one to tell.
    fn deaf(&self, found: &[Finding]) -> Option<Finding> {
        let number = self.seen.iter().position(|seen| seen.deaf.is_some())?;
        let is_it = |finding: &Finding| finding.check == CheckKind::Timeout && finding.path.leaf() == NO_LOOK;
        let sentence = format!("worker {} does not come back and does not look for interrupts", number + 1);
        (!found.iter().any(is_it)).then(|| hang(NO_LOOK.to_owned(), None, sentence))
    }

    /// What those wait for that have not gone on for a while.
    fn waits(&self) -> Vec<Waits> {
        let members = self.members();
        let number_of = |pid: i32| members.iter().position(|member| member.pid() == pid);
        let mut all = Vec::new();
        for (number, (member, seen)) in members.iter().zip(&self.seen).enumerate() {
            let time = seen.since.elapsed();
            if member.pid() == 0 || !member.is_inside() || member.is_doomed() || time < CIRCLE {
                continue;
            }
            let event = company::waits_for(member.pid());
            let is = |class: &str| event.as_ref().is_some_and(|(other, _)| other == class);
            let lock = member.waits().filter(|lock| lock.kind == Kind::Spinlock || is("LWLock"));
            let mut on = Vec::new();
            if let Some(lock) = lock.as_ref().filter(|lock| lock.kind == Kind::LwLock) {
                for (other, member) in members.iter().enumerate() {
                    let bars = |held: &Lock| held.address == lock.address && (held.is_exclusive || lock.is_exclusive);
                    if member.pid() != 0 && member.held().iter().any(bars) {
                        room::push(&mut on, other);
                    }
                }
            } else if is("Lock") {
                for other in company::blocking(member.pid()).into_iter().filter_map(number_of) {
                    room::push(&mut on, other);
                }
            }
            if lock.is_some() || !on.is_empty() {
                room::push(&mut all, Waits { number, lock, time, on, event });
            }
        }
        all
    }

    fn finding(&self, stuck: &[&Waits]) -> Finding {
        let mut names: Vec<String> = stuck.iter().map(|waits| name_of(waits)).collect();
        names.sort();
        names.dedup();
        let sentences: Vec<String> = stuck.iter().map(|waits| self.sentence(waits)).collect();
        // The same one each time, whoever came first.
        let told = stuck.iter().filter(|waits| waits.lock.is_some()).min_by_key(|waits| name_of(waits));
        let frame = told.and_then(|waits| waits.lock.as_ref()?.place.clone());
        hang(names.join(", "), frame, sentences.join("; "))
    }

    /// What a worker waits for, who has that, and what it has itself.
    fn sentence(&self, waits: &Waits) -> String {
        let members = self.members();
        let who = |number: usize| {
            let pid = members.get(number).map_or(0, Member::pid);
            format!("worker {} (PID {pid})", number + 1)
        };
        let mut sentence = format!("{} waits for {}", who(waits.number), name_of(waits));
        if let Some(frame) = waits.lock.as_ref().and_then(|lock| lock.place.as_ref()) {
            sentence.push_str(&format!(" in {}", frame.place()));
        }
        match waits.on.as_slice() {
            [] if waits.lock.as_ref().is_some_and(|lock| lock.kind == Kind::Spinlock) => {
                sentence.push_str(", which nobody gives back");
            }
            [] => {}
            [own] if *own == waits.number => sentence.push_str(", which it holds itself"),
            all => {
                let holders: Vec<String> = all.iter().map(|&number| who(number)).collect();
                let s = if all.len() == 1 { "s" } else { "" };
                sentence.push_str(&format!(", which {} hold{s}", holders.join(" and ")));
            }
        }
        let held: Vec<String> = members.get(waits.number).map_or(Vec::new(), |member| {
            member.held().iter().map(|lock| format!("LWLock \"{}\"", lock.name)).collect()
        });
        if !held.is_empty() {
            sentence.push_str(&format!(", and holds {}", held.join(", ")));
        }
        sentence
    }

    /// When the first one is done: whether another one that does the same has hardly begun.
    fn look_at_shares(&mut self) {
        let Some(began) = self.began.filter(|_| !self.is_share_told) else { return };
        let done: Vec<u32> = self.members().iter().map(Member::done).collect();
        if !done.iter().any(|&done| u64::from(done) >= self.iterations) {
            return;
        }
        self.is_share_told = true;
        if began.elapsed() < SHARE {
            return;
        }
        for (number, &own) in done.iter().enumerate() {
            let same = done.iter().skip(number % self.workloads).step_by(self.workloads);
            let most = same.max().copied().unwrap_or(0);
            if own < most / STARVED {
                room::push(
                    &mut self.warnings,
                    format!("worker {} has done {own} iterations while another one has done {most}", number + 1),
                );
            }
        }
    }

    /// Has the session keep when they were at their iterations.
    fn keep_iterations(&self) {
        let (clock, now) = (company::clock(), crate::pg::now());
        let at = |then: u64| now - (clock.saturating_sub(then) / 1000) as i64;
        let mut kept = Vec::new();
        for member in 0..self.members().len() {
            for (number, (began, ended)) in (1..).zip(self.gathering.company().iterations(member)) {
                let (began, ended) = (at(began), at(ended));
                room::push(&mut kept, Iteration { worker: member as u32 + 1, number, began, ended });
            }
        }
        session::with(|session| session.keep_iterations(kept));
    }

    /// Iterations that went on at the same time as one of another worker.
    fn overlapping(&self) -> u64 {
        let company = self.gathering.company();
        let mut all: Vec<(u64, u64, usize)> = Vec::new();
        for number in 0..self.members().len() {
            for (began, ended) in company.iterations(number) {
                room::push(&mut all, (began, ended, number));
            }
        }
        overlapping(all)
    }
}

fn overlapping(mut all: Vec<(u64, u64, usize)>) -> u64 {
    all.sort_unstable();
    let mut overlap = vec![false; all.len()];
    for at in 0..all.len() {
        let (_, ended, number) = all[at];
        for next in at + 1..all.len() {
            if all[next].0 >= ended {
                break;
            }
            if all[next].2 != number {
                overlap[at] = true;
                overlap[next] = true;
            }
        }
    }
    overlap.iter().filter(|&&is| is).count() as u64
}

fn hang(subject: String, frame: Option<Frame>, detail: String) -> Finding {
    let site = frame.map(|frame| Site { id: SiteId(0), stack: vec![frame.clone()], frame });
    Finding::of_event(CheckKind::Timeout, &subject, site, detail)
}

fn name_of(waits: &Waits) -> String {
    match (&waits.lock, &waits.event) {
        (Some(lock), _) if lock.kind == Kind::LwLock => format!("LWLock \"{}\"", lock.name),
        (Some(_), _) => "spinlock".to_owned(),
        (None, Some((class, name))) => format!("{class} {name}"),
        (None, None) => String::new(),
    }
}

/// Those that do not come out of it by themselves: a circle of those that wait for each other, or one that waits for what is not given
/// back.
fn stuck(all: &[Waits]) -> Option<Vec<&Waits>> {
    let spinning: Vec<&Waits> = all
        .iter()
        .filter(|waits| waits.time >= SPIN && waits.lock.as_ref().is_some_and(|lock| lock.kind == Kind::Spinlock))
        .collect();
    if !spinning.is_empty() {
        return Some(spinning);
    }
    let of = |number: usize| all.iter().find(|waits| waits.number == number);
    for first in all {
        let mut way: Vec<&Waits> = vec![first];
        if let Some(circle) = circle_from(&mut way, &of) {
            return Some(circle);
        }
    }
    let is_held = |waits: &&Waits| waits.time >= HELD && waits.lock.is_some();
    all.iter().find(is_held).map(|waits| vec![waits])
}

/// The circle that a way leads into.
fn circle_from<'a>(way: &mut Vec<&'a Waits>, of: &impl Fn(usize) -> Option<&'a Waits>) -> Option<Vec<&'a Waits>> {
    let last = *way.last()?;
    for next in last.on.iter().filter_map(|&number| of(number)) {
        if let Some(at) = way.iter().position(|waits| waits.number == next.number) {
            // A circle of heavyweight locks alone is the server's to break.
            let circle = way[at..].to_vec();
            if circle.iter().any(|waits| waits.lock.is_some()) {
                return Some(circle);
            }
            continue;
        }
        way.push(next);
        if let Some(circle) = circle_from(way, of) {
            return Some(circle);
        }
        way.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(number: usize, on: &[usize], kind: Option<Kind>, seconds: u64) -> Waits {
        let name = format!("lock {number}");
        let lock = kind.map(|kind| Lock { address: 1, kind, is_exclusive: true, name, place: None });
        let event = Some(("Lock".to_owned(), "relation".to_owned()));
        Waits { number, lock, time: Duration::from_secs(seconds), on: on.to_vec(), event }
    }

    fn numbers(all: &[Waits]) -> Option<Vec<usize>> {
        stuck(all).map(|stuck| stuck.iter().map(|waits| waits.number).collect())
    }

    #[test]
    fn who_waits_in_a_circle_is_stuck() {
        let lw = Some(Kind::LwLock);
        assert_eq!(numbers(&[]), None);
        assert_eq!(numbers(&[waits(0, &[1], lw, 1), waits(1, &[2], lw, 1)]), None);
        assert_eq!(numbers(&[waits(0, &[1], lw, 1), waits(1, &[2], lw, 1), waits(2, &[1], lw, 1)]), Some(vec![1, 2]));
        assert_eq!(numbers(&[waits(3, &[3], lw, 1)]), Some(vec![3]));
        // One of them by a lock of the server's.
        assert_eq!(numbers(&[waits(0, &[1], lw, 1), waits(1, &[0], None, 1)]), Some(vec![0, 1]));
        assert_eq!(numbers(&[waits(0, &[1], None, 9), waits(1, &[0], None, 9)]), None);
    }

    #[test]
    fn who_waits_for_what_is_not_given_back_is_stuck() {
        let spin = Some(Kind::Spinlock);
        assert_eq!(numbers(&[waits(0, &[], spin, 1)]), None);
        assert_eq!(numbers(&[waits(0, &[], spin, 3), waits(1, &[], spin, 4)]), Some(vec![0, 1]));
        assert_eq!(numbers(&[waits(0, &[1], Some(Kind::LwLock), 19)]), None);
        assert_eq!(numbers(&[waits(0, &[1], Some(Kind::LwLock), 20)]), Some(vec![0]));
    }

    #[test]
    fn iterations_overlap_with_those_of_others() {
        assert_eq!(overlapping(vec![(0, 10, 0), (10, 20, 1), (20, 30, 0)]), 0);
        assert_eq!(overlapping(vec![(0, 10, 0), (5, 8, 0)]), 0);
        assert_eq!(overlapping(vec![(0, 10, 0), (5, 8, 1), (9, 12, 1), (30, 31, 0)]), 3);
    }
}
