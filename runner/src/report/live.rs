//! How far a run has come, for whoever waits: on the line of the terminal.

use std::collections::BTreeMap;

use crate::exec::Progress;
use crate::plan::Case;
use crate::run::Event;
use crate::status::{self, Task};

/// What is said of a run while it goes on.
pub struct Live<'c> {
    cases: &'c [Case],
    /// How many scenarios and permutations of each case have begun, or are passed by.
    begun: Vec<usize>,
    /// What is under way in a case.
    tasks: BTreeMap<usize, Task>,
}

impl<'c> Live<'c> {
    /// A run of these cases.
    pub fn new(cases: &'c [Case]) -> Self {
        Live { cases, begun: vec![0; cases.len()], tasks: BTreeMap::new() }
    }

    /// Takes note of what happens.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Started { case } => self.begins(*case, 0, self.cases[*case].label.clone()),
            Event::Progress { case, progress } => self.progress(*case, *progress),
            Event::Retried { case } => self.begins(*case, 0, format!("{}: failed, once more", self.cases[*case].label)),
            Event::Repeated { case } => self.begins(*case, 0, format!("{}: once more", self.cases[*case].label)),
            Event::Finished { case, .. } => {
                self.tasks.remove(case);
                self.begun[*case] = scenarios(&self.cases[*case]);
            }
        }
        let total: usize = self.cases.iter().map(scenarios).sum();
        status::head(format!("scenario {}/{total}", self.begun.iter().sum::<usize>()));
    }

    fn progress(&mut self, position: usize, progress: Progress) {
        let case = &self.cases[position];
        match progress {
            Progress::Scenario(scenario) => {
                let title = short(&case.scenarios[scenario].title);
                self.begins(position, scenario + 1, format!("{}: {title}", case.label));
            }
            Progress::Permutation(permutation) => {
                let title = &case.sessions.permutations[permutation].title;
                self.begins(position, case.scenarios.len() + permutation + 1, format!("{}: {title}", case.label));
            }
            Progress::Iterations { done, total } => {
                let scenario = self.begun[position].checked_sub(1).and_then(|number| case.scenarios.get(number));
                let title = scenario.map_or(String::new(), |scenario| format!(" {}", short(&scenario.title)));
                if let Some(task) = self.tasks.get(&position) {
                    task.comes_to(format!("{}:{title}, {done} of {total} iterations", case.label));
                }
            }
        }
    }

    /// Something of a case begins, by which so many scenarios of it have begun.
    fn begins(&mut self, case: usize, begun: usize, text: String) {
        self.begun[case] = begun;
        self.tasks.insert(case, status::watched(text));
    }
}

fn scenarios(case: &Case) -> usize {
    case.scenarios.len() + case.sessions.permutations.len()
}

/// A title without the word that all begin with.
fn short(title: &str) -> &str {
    title.strip_prefix("scenario ").unwrap_or(title)
}
