//! The least that shows what was found: arguments, and what has to be there for them.

use super::{CLOSE, Hunter};
use crate::hunt::fewest::fewest;
use crate::hunt::found::Wrong;
use crate::hunt::proof::seen;
use crate::hunt::script::{Script, case};
use crate::hunt::shape::Shape;
use crate::hunt::smaller::smaller;
use crate::hunt::subject::Subject;
use crate::init::ground;

/// So many subsets of what the tests make are tried, and so many of the statements of a script; fewer where each costs a restart.
const SUBSETS: usize = 40;
const STATEMENTS: usize = 24;
const CRASHES: usize = 6;

/// So many smaller arguments are tried.
const ARGUMENTS: usize = 30;

impl Hunter<'_> {
    /// The script with what it needs of all that the tests of the repository make, as little as possible: none where it does not show
    /// the same where there is nothing else.
    pub(super) fn standing_alone(&mut self, what: &str, shape: Shape, script: Script, wrong: &Wrong) -> Option<Script> {
        let ground = &self.quarry.ground;
        if ground.is_empty() {
            return Some(script);
        }
        let on = |ground: &[String]| Script { prelude: [ground, &script.prelude].concat(), ..script.clone() };
        let mut shows = |ground: &[String]| {
            self.prober.renew();
            seen(self.quarry, &mut self.prober, what, &on(ground), wrong, shape.iterations()).is_some()
        };
        if shows(&[]) {
            return Some(script);
        }
        let texts: Vec<&str> = script.statements().map(String::as_str).collect();
        let near = ground::about(ground, &texts.join(" "));
        let kept = if !near.is_empty() && shows(&near) {
            near
        } else if shows(ground) {
            ground.clone()
        } else {
            return None;
        };
        let kept = fewest(kept, SUBSETS, &mut shows);
        Some(on(&kept))
    }

    /// The smallest arguments that show the same: each in turn is replaced by the usual one, or by smaller ones as long as they do.
    pub(super) fn reduced(
        &mut self,
        subject: &Subject,
        shape: Shape,
        values: &[String],
        script: Script,
        wrong: &Wrong,
    ) -> (Script, Vec<String>) {
        let mut best = (script, values.to_vec());
        // A crash costs a restart each time.
        let Wrong::Violation(_) = wrong else { return best };
        // Which of them is another one each time, or what they name, is what it is about.
        if shape.has_keys() || shape == Shape::Size {
            return best;
        }
        let mut left = ARGUMENTS;
        for place in 0..values.len() {
            let usual = subject.arguments.get(place).map(|one| self.quarry.pool.known(&one.name)).unwrap_or_default();
            let mut simpler = usual.first().cloned().into_iter().chain(smaller(&best.1[place])).collect::<Vec<_>>();
            let mut at = 0;
            while let Some(value) = simpler.get(at).cloned() {
                at += 1;
                if self.is_over() || left == 0 || value == best.1[place] {
                    break;
                }
                left -= 1;
                let mut list = best.1.clone();
                list[place].clone_from(&value);
                let error = best.0.error.clone().or_else(|| shape.is_of_errors().then(String::new));
                let around = self.around.clone().unwrap_or_default();
                let scripts = subject.scripts(shape, &list, &list, error.as_deref(), &around);
                let Some(script) = scripts.into_iter().next() else { continue };
                if self.shows(&script, &subject.what, wrong) {
                    best = (script, list);
                    // The usual one is as it should be.
                    let is_usual = usual.first() == Some(&value);
                    (simpler, at) = (if is_usual { Vec::new() } else { smaller(&value) }, 0);
                }
            }
        }
        best
    }

    /// Whether a script shows the same here.
    fn shows(&mut self, script: &Script, what: &str, wrong: &Wrong) -> bool {
        let key = wrong.key(what);
        let Some(case) = case(&self.quarry.head, script, &self.quarry.environment, CLOSE) else { return false };
        self.prober.look(&case).is_ok_and(|windows| {
            let mut findings = windows.into_iter().flat_map(|window| window.findings);
            findings.any(|finding| Wrong::Violation(Box::new(finding)).key(what) == key)
        })
    }

    /// The script with as few statements as show the same. `shape` is the way in which it was made: one that is about a transaction keeps
    /// its statements.
    pub(super) fn shortened(&mut self, what: &str, shape: Shape, script: Script, wrong: &Wrong) -> Script {
        let is_made_of_parts = matches!(shape, Shape::Plain | Shape::Set | Shape::Discarded | Shape::Redone);
        if script.workload.len() < 2 || !is_made_of_parts {
            return script;
        }
        let tries = match wrong {
            Wrong::Violation(_) => STATEMENTS,
            _ => CRASHES,
        };
        let with = |workload: &[String]| Script { workload: workload.to_vec(), ..script.clone() };
        let workload = fewest(script.workload.clone(), tries, |some| {
            self.prober.renew();
            !some.is_empty()
                && seen(self.quarry, &mut self.prober, what, &with(some), wrong, shape.iterations()).is_some()
        });
        with(&workload)
    }
}
