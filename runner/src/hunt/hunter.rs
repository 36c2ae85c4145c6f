//! The search: each call is made once, to see what becomes of it, then again and again in every way that makes sense; what holds more
//! afterwards is looked at closely.
//!
//! Most of the time goes into a rough look: some executions of a handful of calls between two questions how much the session
//! holds. A window, with its fits and its confirmation, is opened where that has grown, and once for each new behaviour of a
//! subject.

mod reduce;
mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use memcheck_core::ScenarioKind;
use memcheck_core::gap::GAPS;

use super::found::{Bug, Shared, Wrong, counts, outgrows_size};
use super::pool::given;
use super::proof::answers;
use super::quarry::Quarry;
use super::script::{Script, case};
use super::shape::Shape;
use super::subject::{Form, SetAside, Subject};
use super::ways::{Around, settings};
use crate::exec::probe::{Answer, Held, Prober};
use crate::init::literals::quoted;
use crate::server::is_interrupted;

/// How many lists of arguments a subject is called with at a time: at first few, so that all subjects have their turn.
const FEWEST: usize = 4;
const MOST: usize = 16;

/// Executions before it is asked what the session holds.
const WARMUP: usize = 3;

/// So many calls are driven at a time in a way in which each execution has a key of its own.
const KEYED: usize = 2;

/// Iterations of a window for what holds more, and for what is only new.
const CLOSE: u64 = 40;
const NEW: u64 = 12;

/// So often one that is known is looked at again, for what else there may be.
const KNOWN: u64 = 3;

/// So many calls that take too long, or end the server, are enough of one subject.
const LATE: u32 = 3;
const CRASHES: u32 = 2;

/// What takes longer is not repeated.
const SLOW: Duration = Duration::from_millis(250);

/// So often a way in which each execution has a key of its own is looked at closely in vain: a cache that has room yet holds more
/// with each.
const VAIN: u64 = 2;

/// The number of the first rough execution: those of windows begin with 0.
const NUMBERS: u64 = 1_000_000;

/// Somebody who takes part, with a session and perhaps a server of their own.
pub struct Hunter<'a> {
    quarry: &'a Quarry<'a>,
    shared: &'a Shared,
    prober: Prober<'a>,
    random: fastrand::Rng,
    /// What each subject was seen to do.
    seen: BTreeSet<(usize, Shape, String)>,
    /// How often a way of calling a subject was looked at closely, and found to be what is known.
    known: BTreeMap<(usize, Shape), u64>,
    /// How often one with keys was looked at closely.
    looked: BTreeMap<(usize, Shape), u64>,
    /// The number of the next rough execution.
    number: u64,
    /// What may be changed between two calls; nothing before it was asked for.
    around: Option<Around>,
    trouble: BTreeMap<usize, Trouble>,
    bear_out: &'a mut dyn FnMut(&mut Prober, Bug) -> Option<Bug>,
}

#[derive(Debug, Default)]
struct Trouble {
    late: u32,
    crashes: u32,
}

/// A call that came to something.
struct Called {
    values: Vec<String>,
    error: Option<String>,
    behaviour: String,
}

impl<'a> Hunter<'a> {
    /// `bear_out` says what has to be said of a bug before it counts; none of one that is not seen again.
    pub fn new(
        quarry: &'a Quarry<'a>,
        shared: &'a Shared,
        prober: Prober<'a>,
        seed: u64,
        bear_out: &'a mut dyn FnMut(&mut Prober, Bug) -> Option<Bug>,
    ) -> Self {
        Hunter {
            quarry,
            shared,
            prober,
            random: fastrand::Rng::with_seed(seed),
            seen: BTreeSet::new(),
            known: BTreeMap::new(),
            looked: BTreeMap::new(),
            number: NUMBERS,
            around: None,
            trouble: BTreeMap::new(),
            bear_out,
        }
    }

    /// Whether it is time to stop.
    fn is_over(&self) -> bool {
        is_interrupted() || Instant::now() >= self.quarry.until
    }

    /// Hunts these subjects until the time is over.
    pub fn hunt(&mut self, subjects: &[usize]) {
        let mut tours: Vec<(usize, std::vec::IntoIter<Vec<String>>)> = subjects
            .iter()
            .map(|&at| {
                let subject = &self.quarry.subjects[at];
                let mut lists: Vec<Vec<String>> =
                    given(subject, self.quarry.harvest).into_iter().take(MOST / 2).collect();
                lists.extend(self.quarry.pool.tour(subject));
                // First what the last hunt has found worth keeping, then what it did not come to, then all else: the extension may be
                // another one by now.
                let state = self.shared.lock();
                let before = state.corpus.subjects.get(&subject.what).map_or(0, |kept| kept.tried);
                let number = lists.len().max(1);
                lists.rotate_left(before % number);
                let again: Vec<Vec<String>> = state.corpus.lists(&subject.what).cloned().collect();
                (at, again.into_iter().chain(lists).collect::<Vec<_>>().into_iter())
            })
            .collect();
        self.survey(&tours);
        let mut turns = BTreeSet::new();
        let (mut has_done, mut number, mut rounds) = (true, FEWEST, 0);
        while has_done && self.quarry.rounds.is_none_or(|most| rounds < most) && !self.is_over() {
            has_done = false;
            rounds += 1;
            for (at, tour) in &mut tours {
                if self.is_over() {
                    break;
                }
                let subject = &self.quarry.subjects[*at];
                let mut lists: Vec<Vec<String>> = tour.by_ref().take(number).collect();
                let is_script = matches!(subject.form, Form::Script { .. });
                while lists.len() < number && !is_script && !subject.arguments.is_empty() {
                    match self.by_chance(subject) {
                        Some(list) => lists.push(list),
                        None => break,
                    }
                }
                if lists.is_empty() {
                    let why = "no value of one of its types was found".to_owned();
                    self.shared.lock().not_understood.entry(subject.what.clone()).or_insert(why);
                }
                if lists.is_empty() || self.is_set_aside(*at) {
                    continue;
                }
                has_done = true;
                turns.insert(*at);
                self.round(*at, lists);
                self.prober.renew();
            }
            number = (number * 2).min(MOST);
        }
        let brief = subjects.iter().filter(|at| !turns.contains(at) && !self.is_set_aside(**at)).count();
        self.shared.lock().left_out.brief += brief as u64;
    }

    /// Arguments by chance: mostly such as have led to something new, but for one of them.
    fn by_chance(&mut self, subject: &Subject) -> Option<Vec<String>> {
        let kept: Vec<Vec<String>> = self.shared.lock().corpus.lists(&subject.what).cloned().collect();
        if !kept.is_empty() && self.random.u8(0..4) > 0 {
            let list = &kept[self.random.usize(0..kept.len())];
            if let Some(changed) = self.quarry.pool.changed(subject, list, &mut self.random) {
                return Some(changed);
            }
        }
        self.quarry.pool.choose(subject, &mut self.random)
    }

    fn is_set_aside(&self, at: usize) -> bool {
        self.trouble.get(&at).is_some_and(|trouble| trouble.late >= LATE || trouble.crashes >= CRASHES)
    }

    /// Calls a subject with these lists of arguments.
    fn round(&mut self, at: usize, lists: Vec<Vec<String>>) {
        let subject = &self.quarry.subjects[at];
        {
            let mut state = self.shared.lock();
            state.corpus.subjects.entry(subject.what.clone()).or_default().tried += lists.len();
        }
        for (error, called) in self.called(at, lists) {
            let calls: Vec<&Called> = called.iter().collect();
            for shape in subject.shapes(error.as_deref()) {
                if self.is_over() || self.is_set_aside(at) {
                    return;
                }
                self.drive(at, shape, &calls, error.as_deref());
            }
        }
    }

    /// Calls it once with each of these lists of arguments: what works, and what fails with which SQLSTATE.
    fn called(&mut self, at: usize, lists: Vec<Vec<String>>) -> BTreeMap<Option<String>, Vec<Called>> {
        let subject = &self.quarry.subjects[at];
        // What it needs may have been dropped since, or be of the session.
        for sql in &subject.prelude {
            self.prober.ask(sql);
        }
        if let Form::Script { .. } = subject.form {
            self.shared.lock().called.insert(subject.what.clone());
            let called = Called { values: Vec::new(), error: None, behaviour: String::new() };
            return BTreeMap::from([(None, vec![called])]);
        }
        let mut all: BTreeMap<Option<String>, Vec<Called>> = BTreeMap::new();
        for values in lists {
            if self.is_over() || self.is_set_aside(at) {
                break;
            }
            if let Some(called) = self.call(at, values) {
                all.entry(called.error.clone()).or_default().push(called);
            }
        }
        all
    }

    /// Calls it once.
    fn call(&mut self, at: usize, values: Vec<String>) -> Option<Called> {
        let subject = &self.quarry.subjects[at];
        let sql = subject.statement(&values);
        self.shared.lock().calls += 1;
        let answer = self.prober.ask(&sql);
        let reached = self.new_sites(subject, &values);
        match answer {
            Answer::Rows { count, text, is_null, took } => {
                // A function that is STRICT is not called with a NULL.
                if !is_null || !values.iter().any(|value| value.starts_with("NULL")) {
                    self.shared.lock().called.insert(subject.what.clone());
                }
                if took > SLOW {
                    self.shared.lock().left_out.slow += 1;
                    return None;
                }
                let script = Script::repeated(vec![sql]);
                if subject.is_repeatable()
                    && let Some(wrong) = answers(&mut self.prober, &script)
                    && !self.are_others(&values)
                {
                    self.found(at, Shape::Plain, &values, script, wrong);
                }
                let size = text.len().checked_ilog2().unwrap_or(0);
                let behaviour = format!("{} {size} {is_null}{reached}", count.min(3));
                self.shared.lock().corpus.keep(&subject.what, &behaviour, &values);
                Some(Called { values, error: None, behaviour })
            }
            Answer::Error { code, message } if !self.has_come_to_it(subject, &sql, &values, &code, &message) => {
                self.shared.lock().not_understood.insert(subject.what.clone(), message);
                None
            }
            Answer::Error { code, message } => {
                self.shared.lock().called.insert(subject.what.clone());
                let words = message.split(['"', '\'', ':']).next().unwrap_or_default().to_owned();
                self.shared.lock().corpus.keep(&subject.what, &format!("{code} {words}"), &values);
                Some(Called { values, error: Some(code), behaviour: words + &reached })
            }
            Answer::Late => {
                self.late(at);
                None
            }
            Answer::Lost(failure) => {
                self.lost(at, Shape::Plain, &values, Script::repeated(vec![sql]), Wrong::of(&failure));
                None
            }
        }
    }

    /// Whether arguments are others each time, as what a function returns that is VOLATILE.
    fn are_others(&mut self, values: &[String]) -> bool {
        let alone = Script::repeated(vec![format!("SELECT {}", values.join(", "))]);
        !values.is_empty() && answers(&mut self.prober, &alone).is_some()
    }

    /// Arguments with which code is reached that has not allocated before are worth keeping, and varying. What there is to say of that in
    /// a behaviour.
    fn new_sites(&mut self, subject: &Subject, values: &[String]) -> String {
        let new = self.prober.new_sites();
        let mut state = self.shared.lock();
        let before = state.sites.len();
        state.sites.extend(new);
        let reached = state.sites.len();
        if reached == before {
            return String::new();
        }
        let behaviour = format!(" sites {reached}");
        state.corpus.keep(&subject.what, behaviour.trim_start(), values);
        behaviour
    }

    /// Whether a call that has failed has come to the function: it is understood, which PREPARE tells, since it analyzes and executes
    /// nothing (prepare.c, PrepareQuery), and for CALL the body of a function (pg_proc.c, fmgr_sql_validator); and it is not its
    /// arguments that fail.
    fn has_come_to_it(&mut self, subject: &Subject, sql: &str, values: &[String], code: &str, message: &str) -> bool {
        // It is the literal that is called, so to speak.
        if subject.arguments.iter().any(|one| one.name.starts_with("literal of ")) {
            return true;
        }
        let is_the_same =
            |answer: Answer| matches!(answer, Answer::Error { code: c, message: m } if c == code && m == message);
        let analyze = match subject.form {
            Form::Call => format!(
                "CREATE OR REPLACE FUNCTION pg_temp.mcspec_understood() RETURNS void LANGUAGE sql AS {}",
                quoted(sql)
            ),
            _ => format!("PREPARE mcspec_understood AS {sql}"),
        };
        let analyzed = self.prober.ask(&analyze);
        self.prober.ask(match subject.form {
            Form::Call => "DROP FUNCTION IF EXISTS pg_temp.mcspec_understood()",
            _ => "DEALLOCATE ALL",
        });
        // Of statements that are not planned PREPARE knows nothing.
        let is_planned = subject.form != Form::Statement || sql.starts_with("SELECT ");
        if is_planned && is_the_same(analyzed) {
            return false;
        }
        values.is_empty() || !is_the_same(self.prober.ask(&format!("SELECT {}", values.join(", "))))
    }

    /// Drives calls in one way: roughly all together, and closely what holds more afterwards or is new.
    fn drive(&mut self, at: usize, shape: Shape, calls: &[&Called], error: Option<&str>) {
        let subject = &self.quarry.subjects[at];
        let others = self.quarry.pool.choose(subject, &mut self.random);
        let mut scripts: Vec<(usize, Script)> = Vec::new();
        let most = if shape.has_keys() { KEYED } else { calls.len() };
        for (position, call) in calls.iter().take(most).enumerate() {
            let others = others.as_ref().filter(|others| others.len() == call.values.len()).unwrap_or(&call.values);
            let around = self.around();
            let made = subject.scripts(shape, &call.values, others, error, around);
            scripts.extend(made.into_iter().map(|script| (position, script)));
        }
        let (rough, others): (Vec<_>, Vec<_>) = scripts
            .into_iter()
            .partition(|(_, script)| script.kind == ScenarioKind::GrowthBenchmark && script.setup.is_empty());
        let mut working: Vec<(usize, Script)> = Vec::new();
        for (position, script) in rough {
            match self.execute(at, shape, &calls[position].values, &script, WARMUP) {
                true => working.push((position, script)),
                false if self.is_over() || self.is_set_aside(at) => return,
                false => {}
            }
        }
        // Whoever remembers a type has something to remember of each.
        if shape == Shape::Retyped {
            return;
        }
        let mut close: Vec<(usize, Script, u64)> = Vec::new();
        let any = self.grows(at, shape, calls, &working);
        for one in working {
            if self.is_over() || self.is_set_aside(at) {
                return;
            }
            match any && self.grows(at, shape, calls, std::slice::from_ref(&one)) {
                true => close.push((one.0, one.1, CLOSE.max(if shape.has_keys() { shape.iterations() } else { 0 }))),
                false => close.push((one.0, one.1, NEW)),
            }
        }
        close.extend(others.into_iter().map(|(position, script)| (position, script, NEW)));
        for (position, script, iterations) in close {
            if self.is_over() || self.is_set_aside(at) {
                return;
            }
            let call = calls[position];
            let behaviour = (at, shape, call.behaviour.clone());
            let looked = self.seen.iter().filter(|(subject, way, _)| (*subject, *way) == (at, shape)).count();
            let is_new = looked < shape.looks() && self.seen.insert(behaviour);
            let is_vain = shape.has_keys() && self.looked.get(&(at, shape)).is_some_and(|&times| times >= VAIN);
            if is_new || (iterations >= CLOSE && !is_vain) {
                *self.looked.entry((at, shape)).or_default() += 1;
                self.look_closely(at, shape, &call.values, script, iterations);
            }
        }
    }

    /// What may be changed between two calls: what the library has defined as soon as it was called.
    fn around(&mut self) -> &Around {
        let (tables, prober) = (&self.quarry.tables, &mut self.prober);
        self.around.get_or_insert_with(|| Around { tables: tables.clone(), settings: settings(prober) })
    }

    /// Executes the workload so many times. Whether it does what it should.
    fn execute(&mut self, at: usize, shape: Shape, values: &[String], script: &Script, times: usize) -> bool {
        // Scripts may leave a transaction open, which is ended before they begin again.
        let together = if matches!(self.quarry.subjects[at].form, Form::Script { .. }) { 1 } else { times };
        for _ in 0..times / together {
            self.shared.lock().executions += together as u64;
            let statements: Vec<String> = (0..together)
                .flat_map(|_| {
                    self.number += 1;
                    script.execution(self.number)
                })
                .collect();
            match (self.prober.send(statements), &script.error) {
                (Ok(()), None) => {}
                (Err(Answer::Error { code, .. }), Some(expected)) if code == *expected => {}
                (Err(Answer::Lost(failure)), _) => {
                    self.lost(at, shape, values, script.clone(), Wrong::of(&failure));
                    return false;
                }
                (Err(Answer::Late), _) => {
                    self.late(at);
                    return false;
                }
                // Nobody has said that it works with another argument.
                _ if shape.has_keys() => return false,
                _ => {
                    self.shared.lock().left_out.otherwise += 1;
                    return false;
                }
            }
        }
        true
    }

    /// Whether the session holds more after some executions of all of them.
    fn grows(&mut self, at: usize, shape: Shape, calls: &[&Called], scripts: &[(usize, Script)]) -> bool {
        if scripts.is_empty() {
            return false;
        }
        let Some(before) = self.held(scripts.len()) else { return false };
        for (position, script) in scripts {
            if !self.execute(at, shape, &calls[*position].values, script, shape.rough()) {
                return false;
            }
        }
        self.held(scripts.len()).is_some_and(|after| after.is_more_than(before))
    }

    /// What the session holds; where it cannot tell, so many ways of calling something are not looked at.
    fn held(&mut self, ways: usize) -> Option<Held> {
        let held = self.prober.held();
        if held.is_none() {
            self.shared.lock().left_out.untold += ways as u64;
        }
        held
    }

    /// Opens a window.
    fn look_closely(&mut self, at: usize, shape: Shape, values: &[String], script: Script, iterations: u64) {
        if self.known.get(&(at, shape)).is_some_and(|&times| times >= KNOWN) {
            self.shared.lock().left_out.known += 1;
            return;
        }
        let Some(case) = case(&self.quarry.head, &script, &self.quarry.environment, iterations) else {
            self.shared.lock().left_out.otherwise += 1;
            return;
        };
        match self.prober.look(&case) {
            Ok(windows) => {
                {
                    let gaps = windows.iter().map(|window| GAPS.iter().any(|gap| window.has(gap)));
                    let mut state = self.shared.lock();
                    state.executions += iterations;
                    state.left_out.untold += gaps.filter(|&is_incomplete| is_incomplete).count() as u64 * iterations;
                }
                for finding in windows.into_iter().flat_map(|window| window.findings).filter(counts) {
                    if shape == Shape::Size && !outgrows_size(&finding) {
                        continue;
                    }
                    self.found(at, shape, values, script.clone(), Wrong::Violation(Box::new(finding)));
                }
            }
            Err(failure) => match Wrong::of(&failure) {
                Some(wrong) => self.lost(at, shape, values, script, Some(wrong)),
                None if shape == Shape::Size => {}
                None => self.shared.lock().left_out.otherwise += 1,
            },
        }
    }

    /// It has taken too long.
    fn late(&mut self, at: usize) {
        self.trouble.entry(at).or_default().late += 1;
        self.tell_aside(at);
    }

    /// A session was lost.
    fn lost(&mut self, at: usize, shape: Shape, values: &[String], script: Script, wrong: Option<Wrong>) {
        self.trouble.entry(at).or_default().crashes += 1;
        if let Some(wrong) = wrong {
            self.found(at, shape, values, script, wrong);
        }
        self.tell_aside(at);
    }

    fn tell_aside(&self, at: usize) {
        let Some(trouble) = self.trouble.get(&at).filter(|_| self.is_set_aside(at)) else { return };
        let why = if trouble.crashes >= CRASHES {
            "it has ended its session several times"
        } else {
            "it takes too long too often"
        };
        let what = self.quarry.subjects[at].what.clone();
        let mut state = self.shared.lock();
        if state.aside.iter().all(|aside| aside.what != what) {
            state.aside.push(SetAside { what, why: why.to_owned() });
        }
    }

    /// Something is wrong: it counts if it is new and is borne out.
    fn found(&mut self, at: usize, shape: Shape, values: &[String], script: Script, wrong: Wrong) {
        // Servers end, and that is all.
        if is_interrupted() {
            return;
        }
        let subject = &self.quarry.subjects[at];
        // Whoever executes it again has none of what was made for the subject.
        let script = Script { prelude: subject.prelude.clone(), ..script };
        if self.shared.lock().meets(wrong.key(&subject.what), &wrong) {
            *self.known.entry((at, shape)).or_default() += 1;
            return;
        }
        let (script, values) = self.reduced(subject, shape, values, script, &wrong);
        let Some(script) = self.standing_alone(&subject.what, shape, script, &wrong) else {
            let words = format!("{} ({}): {}", subject.expression(&values), shape, wrong.words());
            self.shared.lock().passing.push(words);
            return;
        };
        let script = self.shortened(&subject.what, shape, script, &wrong);
        let words = format!("{} ({}): {}", subject.expression(&values), shape, wrong.words());
        let bug = Bug { what: subject.what.clone(), shape, wrong, script, stock: None };
        match (self.bear_out)(&mut self.prober, bug) {
            Some(bug) => self.shared.lock().bugs.push(bug),
            None => self.shared.lock().passing.push(words),
        }
    }
}
