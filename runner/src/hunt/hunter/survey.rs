//! First of all, everything for a moment. The calls of many subjects are driven together, in one message to the server, between two
//! questions what the session holds; where it holds more, half of them, and so on to the one that it is. So each subject has been looked at
//! in each way before any of them is looked at for long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use std::vec::IntoIter;

use memcheck_core::ScenarioKind;

use super::{CLOSE, Called, Hunter};
use crate::exec::probe::Answer;
use crate::hunt::found::Wrong;
use crate::hunt::script::Script;
use crate::hunt::shape::Shape;
use crate::hunt::subject::Form;

/// The lists of arguments of a subject that are looked at so.
const LISTS: usize = 12;

/// So many lists are tried for one that is understood.
const ATTEMPTS: usize = 3;

/// Calls that are driven together at most.
const TOGETHER: usize = 32;

/// So often before it is asked what the session holds, and so often between two questions.
const BEFORE: usize = 2;
const BETWEEN: usize = 6;

/// A call in one way.
struct Item {
    at: usize,
    values: Vec<String>,
    script: Script,
}

/// What the session holds after executions.
enum Holds {
    /// As much as before.
    AsMuch,
    /// More, twice.
    More,
    /// Something has gone wrong.
    Failed(Answer),
}

impl Hunter<'_> {
    /// Looks at all of these subjects for a moment, for half of the time at most.
    pub(super) fn survey(&mut self, tours: &[(usize, IntoIter<Vec<String>>)]) {
        let until = Instant::now() + self.quarry.until.saturating_duration_since(Instant::now()) / 2;
        let mut is_loud = BTreeSet::new();
        let mut next: BTreeMap<usize, usize> = BTreeMap::new();
        for _ in 0..LISTS {
            let mut ways: BTreeMap<Shape, Vec<Item>> = BTreeMap::new();
            for (at, tour) in tours {
                if self.is_over() || Instant::now() >= until {
                    return;
                }
                let subject = &self.quarry.subjects[*at];
                let is_script = matches!(subject.form, Form::Script { .. });
                if is_script || is_loud.contains(at) || self.is_set_aside(*at) {
                    continue;
                }
                if !next.contains_key(at) {
                    subject.prelude.iter().for_each(|sql| drop(self.prober.ask(sql)));
                }
                // What stands in somebody's query may be no call by itself.
                for _ in 0..ATTEMPTS {
                    let number = next.entry(*at).or_default();
                    let list = match tour.as_slice().get(*number) {
                        Some(list) => Some(list.clone()),
                        None if subject.arguments.is_empty() => None,
                        None => self.by_chance(subject),
                    };
                    *number += 1;
                    let Some(list) = list else { break };
                    if let Some(called) = self.call(*at, list) {
                        for (shape, item) in self.items(*at, &called) {
                            ways.entry(shape).or_default().push(item);
                        }
                        break;
                    }
                }
            }
            for (shape, items) in ways {
                for some in items.chunks(TOGETHER) {
                    let some: Vec<&Item> = some.iter().filter(|item| !is_loud.contains(&item.at)).collect();
                    self.sift(shape, &some, &mut is_loud);
                }
                self.prober.renew();
            }
        }
    }

    /// The ways of driving a call that leave nothing behind and need nothing before.
    fn items(&mut self, at: usize, called: &Called) -> Vec<(Shape, Item)> {
        let subject = &self.quarry.subjects[at];
        let error = called.error.as_deref();
        let mut items = Vec::new();
        // What is loaded is loaded in one session.
        if subject.prelude.iter().any(|sql| sql.starts_with("LOAD ")) {
            return items;
        }
        for shape in subject.shapes(error) {
            // A table that is made and dropped costs more than all else.
            if shape.has_keys() || shape.looks() == 0 || shape == Shape::Ddl {
                continue;
            }
            let Some(script) = subject.script(shape, &called.values, &called.values, error) else { continue };
            let stands_alone = script.setup.is_empty() && script.teardown.is_empty();
            // What copies is answered.
            let copies = script.workload.iter().any(|sql| sql.to_ascii_lowercase().contains("copy"));
            if script.kind == ScenarioKind::GrowthBenchmark && stands_alone && !copies {
                items.push((shape, Item { at, values: called.values.clone(), script }));
            }
        }
        items
    }

    /// Finds those that make the session hold more, and looks at them closely.
    fn sift(&mut self, shape: Shape, items: &[&Item], is_loud: &mut BTreeSet<usize>) {
        if self.is_over() || items.is_empty() {
            return;
        }
        let holds = self.holds(items);
        match (holds, items) {
            (Holds::AsMuch, _) => {}
            (Holds::More, [one]) => {
                is_loud.insert(one.at);
                self.look_closely(one.at, shape, &one.values, one.script.clone(), CLOSE);
            }
            (Holds::Failed(answer), [one]) => match answer {
                Answer::Lost(failure) => {
                    is_loud.insert(one.at);
                    self.lost(one.at, shape, &one.values, one.script.clone(), Wrong::of(&failure));
                }
                Answer::Late => {
                    is_loud.insert(one.at);
                    self.late(one.at);
                }
                _ => self.shared.lock().left_out.otherwise += 1,
            },
            (_, items) => {
                let (some, others) = items.split_at(items.len() / 2);
                self.sift(shape, some, is_loud);
                self.sift(shape, others, is_loud);
            }
        }
    }

    /// What the session holds after executions of all of them.
    fn holds(&mut self, items: &[&Item]) -> Holds {
        let statements: Vec<String> = items.iter().flat_map(|item| item.script.workload.iter().cloned()).collect();
        // Behind an error, the rest of a message is not executed.
        let fails = items.iter().any(|item| item.script.error.is_some());
        let messages = if fails { statements } else { vec![statements.join(";\n")] };
        let mut last = None;
        // What fills a cache, or is freed with the next call, is not seen a second time.
        for times in [BEFORE, BETWEEN, BETWEEN] {
            self.shared.lock().executions += (times * items.len()) as u64;
            match self.prober.send((0..times).flat_map(|_| &messages)) {
                Ok(()) => {}
                Err(Answer::Error { .. }) if fails => {}
                Err(answer) => return Holds::Failed(answer),
            }
            let Some(held) = self.held(items.len()) else { return Holds::AsMuch };
            if last.is_some_and(|last| !held.is_more_than(last)) {
                return Holds::AsMuch;
            }
            last = Some(held);
        }
        Holds::More
    }
}
