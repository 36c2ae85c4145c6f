//! A loaded spec and an environment make the cases to run.

use std::sync::Arc;
use std::time::Duration;

use memcheck_core::golden::row::Policy;
use memcheck_core::scenario::{self, Clause, Runs};
use memcheck_core::{Phase, ScenarioKind};
use regex::Regex;

use super::bind::{Varying, bind};
use super::condition::{Environment, holds};
use super::load::Loaded;
use super::name::Names;
use super::sessions::{MANY, MOST, scenario_title};
use super::tracing::trace;
use super::unsupported::unsupported;
use super::variables::{DATABASE, Overrides, cells, variables};
use super::{Allowance, Case, Place, Probe, Problem, Scenario, Setting, Sql, Worker};
use crate::language::ast::{
    self, Abort, Block, Condition, Exemption, Expectation, Guard, Iterate, Protocol, WorkloadSource,
};
use crate::language::day::Day;
use crate::language::sql::Variables;
use crate::language::{Diagnostic, SourceFile};

/// What a spec does not say.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// Iterations before the window.
    pub warmup: u64,
    /// Time for a scenario, and for the setup and the teardown of the file.
    pub timeout: Duration,
    /// Run every interleaving of sessions and every combination of matrices, up to [`MOST`] instead of [`MANY`].
    pub all_permutations: bool,
    /// How allocations are guarded.
    pub guard: Guard,
    /// The day it is.
    pub today: Day,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            warmup: scenario::WARMUP.into(),
            timeout: Duration::from_secs(60),
            all_permutations: false,
            guard: Guard::default(),
            today: Day::FIRST,
        }
    }
}

/// The cases of a spec: one for each combination of its matrices.
///
/// # Errors
///
/// What is wrong with the spec beyond its syntax.
pub fn cases(
    loaded: &Loaded,
    environment: &Environment,
    overrides: &Overrides,
    defaults: Defaults,
) -> Result<Vec<Case>, Vec<Problem>> {
    check_matrices(loaded, overrides, defaults)?;
    // Compiled once: a pattern may take megabytes.
    let normalize: Vec<(Regex, String)> = (loaded.spec.normalize.iter())
        .map(|rule| {
            let pattern = Regex::new(&rule.pattern.value).expect("checked when the spec was read");
            (pattern, rule.replacement.value.clone())
        })
        .collect();
    let names = Names::new(&loaded.name, &loaded.spec.matrix);
    let mut cases = Vec::new();
    let mut problems = Vec::new();
    for cell in cells(loaded, overrides) {
        let name = names.of(&cell);
        let variables = Arc::new(variables(loaded, &cell, overrides, &name, environment));
        let mut planner = Planner { loaded, environment, defaults, variables, problems: Vec::new() };
        let mut case = planner.case(name, &normalize);
        case.narrow(&loaded.part);
        // The cells differ in values only: what is wrong with one is wrong with all.
        if !planner.problems.is_empty() {
            problems = planner.problems;
            break;
        }
        cases.push(case);
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

/// Says so where the matrices have more combinations than are run, before there is any.
fn check_matrices(loaded: &Loaded, overrides: &Overrides, defaults: Defaults) -> Result<(), Vec<Problem>> {
    let matrices = &loaded.spec.matrix;
    let values = |matrix: &ast::Matrix| match overrides.get(&matrix.name.value) {
        Some(_) => 1,
        None => matrix.values.len() as u128,
    };
    let (most, hint) = match defaults.all_permutations {
        true => (MOST, ""),
        false => (MANY, ", or run with --all-permutations"),
    };
    let count = matrices.iter().map(values).fold(1, u128::saturating_mul);
    if count <= most {
        return Ok(());
    }
    let message = match (matrices.as_slice(), count) {
        ([_], count) => format!("the matrix has {count} values, more than {most}"),
        (_, u128::MAX) => format!("the matrices have more than {most} combinations of values"),
        (_, count) => format!("the matrices have {count} combinations of values, more than {most}"),
    };
    // At the one with which they become too many.
    let mut so_far = 1u128;
    let first = matrices.iter().find(|matrix| {
        so_far = so_far.saturating_mul(values(matrix));
        so_far > most
    });
    let name = &first.unwrap_or(&matrices[0]).name;
    let hint = format!("run it with one value of a matrix, as in -v {}=...{hint}", name.value);
    let diagnostic = Diagnostic::new(name.span.clone(), message).with_hint(hint);
    Err(vec![Problem::new(&loaded.source, diagnostic)])
}

pub(super) struct Planner<'a> {
    pub(super) loaded: &'a Loaded,
    environment: &'a Environment,
    pub(super) defaults: Defaults,
    pub(super) variables: Arc<Variables>,
    pub(super) problems: Vec<Problem>,
}

impl Planner<'_> {
    fn case(&mut self, name: String, normalize: &[(Regex, String)]) -> Case {
        let Loaded { source, spec, .. } = self.loaded;
        let skip = self.skip();
        let xfail = self.exemption(&spec.xfails);
        let timeout = spec.timeout.as_ref().map_or(self.defaults.timeout, |timeout| timeout.value);
        self.check_guard_of_header();
        let (mut scenarios, mut left_out) = (Vec::new(), Vec::new());
        for scenario in &spec.scenarios {
            // Planned even where it is left out: a mistake in it is a mistake everywhere.
            let runs = self.all_hold(&scenario.when);
            let planned = self.scenario(scenario, timeout);
            if runs {
                scenarios.push(planned);
            } else {
                left_out.push(planned.title);
            }
        }
        Case {
            label: name.clone(),
            name,
            source: Arc::clone(source),
            installation: 0,
            tags: spec.tags.iter().map(|tag| tag.value.clone()).collect(),
            skip,
            xfail,
            unsupported: unsupported(spec).into_iter().map(|found| Problem::new(source, found)).collect(),
            not_built: None,
            retries: spec.retries.as_ref().map_or(0, |retries| retries.value),
            extensions: spec.extensions.clone(),
            preload_first: spec.preload_first.iter().map(|library| library.value.clone()).collect(),
            preload: spec.preload.iter().map(|library| library.value.clone()).collect(),
            conf: self.conf(&spec.conf),
            database: self.variables.get(DATABASE).unwrap_or_default().to_owned(),
            targets: spec.targets.iter().map(|target| target.value.clone()).collect(),
            settings: self.settings_of_file(),
            setup: self.fixtures(|spec| &spec.setup),
            teardown: self.fixtures(|spec| &spec.teardown),
            sessions: self.sessions(),
            timeout,
            golden: spec.golden.as_ref().map_or(Policy::Auto, |golden| golden.value),
            normalize: normalize.to_vec(),
            allowances: self.allowances(&spec.allowances),
            scenarios,
            left_out,
            not_selected: Vec::new(),
        }
    }

    pub(super) fn complain(&mut self, span: ast::Span, message: &str, hint: Option<&str>) {
        let diagnostic = Diagnostic::new(span, message).with_hint(hint.map(str::to_owned));
        self.problems.push(Problem::new(&self.loaded.source, diagnostic));
    }

    /// Whether a condition of the spec holds; one that makes no sense is reported and does not hold.
    pub(super) fn holds(&mut self, condition: &Condition) -> bool {
        holds(condition, self.environment).unwrap_or_else(|diagnostic| {
            self.problems.push(Problem::new(&self.loaded.source, diagnostic));
            false
        })
    }

    fn all_hold(&mut self, conditions: &[Condition]) -> bool {
        // Counted, because every condition is to be checked.
        conditions.iter().filter(|condition| !self.holds(condition)).count() == 0
    }

    fn skip(&mut self) -> Option<String> {
        let Loaded { source, spec, .. } = self.loaded;
        let mut unmet = Vec::new();
        for condition in &spec.requires {
            if !self.holds(condition) {
                unmet.push(format!("requires {}", source.text[condition.span.clone()].trim()));
            }
        }
        self.exemption(&spec.skips).or(unmet.into_iter().next())
    }

    /// The reason of the first exemption that holds.
    fn exemption(&mut self, exemptions: &[Exemption]) -> Option<String> {
        let mut reason = None;
        for exemption in exemptions {
            if exemption.when.as_ref().is_none_or(|when| self.holds(when)) && reason.is_none() {
                reason = Some(exemption.reason.value.clone());
            }
        }
        reason
    }

    fn fixtures(&mut self, blocks: impl Fn(&ast::Spec) -> &Vec<Block>) -> Vec<Sql> {
        let loaded = self.loaded;
        if loaded.spec.scenarios.is_empty() {
            return Vec::new();
        }
        loaded
            .parts()
            .flat_map(|(source, spec)| blocks(spec).iter().map(move |block| (source, block)))
            .map(|(source, block)| self.bind(source, &block.text, block.span.start, Varying::Nothing))
            .collect()
    }

    fn bind(&mut self, source: &Arc<SourceFile>, text: &str, offset: usize, varying: Varying) -> Sql {
        bind(source, text, offset, &self.variables, varying).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Sql::default()
        })
    }

    fn settings_of_file(&mut self) -> Vec<Setting> {
        let loaded = self.loaded;
        loaded.parts().flat_map(|(source, spec)| self.settings(source, &spec.settings)).collect()
    }

    /// `set` clauses with their variables replaced.
    pub(super) fn settings(&mut self, source: &Arc<SourceFile>, settings: &[ast::Setting]) -> Vec<Setting> {
        let mut bound = Vec::new();
        for setting in settings {
            let values: Vec<&str> = (setting.values.iter())
                .filter_map(|value| match value {
                    ast::SettingValue::Text(text) => Some(text.value.as_str()),
                    ast::SettingValue::Variable(name) => {
                        let value = self.variables.get(&name.value);
                        if value.is_none() {
                            let message = format!("variable \"{}\" is not defined", name.value);
                            let hint = format!("define it with \"var {} = ...\"", name.value);
                            let diagnostic = Diagnostic::new(name.span.clone(), message).with_hint(hint);
                            self.problems.push(Problem::new(source, diagnostic));
                        }
                        value
                    }
                })
                .collect();
            bound.push(Setting {
                name: setting.name.value.clone(),
                value: values.join(", "),
                place: Place { source: Arc::clone(source), offset: setting.name.span.start },
            });
        }
        bound
    }

    /// The `allow` clauses that apply here.
    pub(super) fn allowances(&mut self, clauses: &[ast::Allowance]) -> Vec<Arc<Allowance>> {
        let (source, today) = (&self.loaded.source, self.defaults.today);
        let holds = |clause: &&ast::Allowance| clause.when.as_ref().is_none_or(|when| self.holds(when));
        clauses.iter().filter(holds).map(|clause| Arc::new(Allowance::new(clause, source, today))).collect()
    }

    fn own_blocks(&mut self, blocks: &[Block]) -> Vec<Sql> {
        let source = &self.loaded.source;
        blocks.iter().map(|block| self.bind(source, &block.text, block.span.start, Varying::Nothing)).collect()
    }

    fn scenario(&mut self, scenario: &ast::Scenario, timeout: Duration) -> Scenario {
        let kind = scenario.kind.value;
        let title = scenario_title(scenario);
        let description = kind.description();
        let warmup = if description.warms_up { self.defaults.warmup } else { 0 };
        let phases = match scenario.abort.as_ref().map(|abort| abort.value) {
            _ if !kind.takes(Clause::Abort) => Vec::new(),
            Some(Abort::One(phase)) => vec![phase],
            Some(Abort::All) | None => Phase::ALL.to_vec(),
        };
        let iterate = match scenario.iterate.as_ref() {
            // It is what the server does between two executions.
            _ if is_the_servers(kind) => Iterate::Server,
            said => said.map(|iterate| iterate.value).unwrap_or_default(),
        };
        let in_workers = iterate == Iterate::Server && runs_in_workers(kind);
        let mut expected_error = None;
        let mut expects = Vec::new();
        for expect in &scenario.expects {
            if !expect.when.as_ref().is_none_or(|when| self.holds(when)) {
                continue;
            }
            match &expect.what {
                Expectation::Error(state) => expected_error = Some(state.clone()),
                _ => expects.push(expect.clone()),
            }
        }
        let planned = Scenario {
            title,
            kind,
            place: Place { source: Arc::clone(&self.loaded.source), offset: scenario.span.start },
            setup: self.own_blocks(&scenario.setup),
            teardown: self.own_blocks(&scenario.teardown),
            iterations: scenario
                .iterations
                .as_ref()
                .map_or(description.iterations.default, |iterations| iterations.value),
            rows: scenario.rows.iter().map(|rows| rows.value).collect(),
            growth: scenario.growth.as_ref().map(|growth| growth.value).unwrap_or_default(),
            // A worker of its own would warm up nothing.
            warmup: scenario.warmup.as_ref().map_or(warmup, |warmup| warmup.value) * u64::from(!in_workers),
            timeout: scenario.timeout.as_ref().map_or(timeout, |timeout| timeout.value),
            iterate,
            protocol: scenario.protocol.as_ref().map(|protocol| protocol.value).unwrap_or_default(),
            mode: scenario.mode.as_ref().map(|mode| mode.value).unwrap_or_default(),
            phases,
            trace: trace(&self.loaded.spec, Some(scenario)),
            guarding: self.guarding(Some(scenario)),
            workers: scenario.workers.as_ref().map_or(default_workers(kind), |workers| workers.value),
            seed: self.variables.get("seed").and_then(|seed| seed.parse().ok()).unwrap_or(1),
            limit: scenario.limit.as_ref().map(|limit| limit.value),
            reset_every: scenario.reset_every.as_ref().map_or(1, |every| every.value),
            probes: self.probes(&scenario.probes),
            watch: scenario.watch.iter().map(|pattern| pattern.value.clone()).collect(),
            allow: scenario.allow.iter().map(|pattern| pattern.value.clone()).collect(),
            allowances: self.allowances(&scenario.allowances),
            settings: self.settings(&self.loaded.source, &scenario.settings),
            workload: self.workload(scenario),
            dealt: self.dealt(scenario),
            worker: scenario.worker.as_ref().map(|(name, time)| Worker {
                name: name.value.clone(),
                time: *time,
                place: Place { source: Arc::clone(&self.loaded.source), offset: name.span.start },
            }),
            expected_error: expected_error.as_ref().map(|state| state.value.clone()),
            expects,
        };
        self.check_tracing(scenario, &planned);
        self.check_ladder(scenario, &planned);
        self.check_repetition(scenario, &planned, expected_error.as_ref().map(|state| &state.span));
        planned
    }

    fn probes(&self, probes: &[(ast::Spanned<String>, u64)]) -> Vec<Probe> {
        let probe = |(segment, size): &(ast::Spanned<String>, u64)| Probe {
            segment: segment.value.clone(),
            size: *size,
            place: Place { source: Arc::clone(&self.loaded.source), offset: segment.span.start },
        };
        probes.iter().map(probe).collect()
    }

    fn workload(&mut self, scenario: &ast::Scenario) -> Sql {
        // Of none, a process works by itself; several are dealt.
        let [workload] = scenario.workloads.as_slice() else { return Sql::default() };
        self.one_workload(scenario, workload)
    }

    /// Several workloads, for workers that run together.
    fn dealt(&mut self, scenario: &ast::Scenario) -> Vec<Sql> {
        match scenario.workloads.as_slice() {
            [] | [_] => Vec::new(),
            several => several.iter().map(|workload| self.one_workload(scenario, workload)).collect(),
        }
    }

    fn one_workload(&mut self, scenario: &ast::Scenario, workload: &ast::Workload) -> Sql {
        let varying = if scenario.kind.value.takes(Clause::Rows) { Varying::Ladder } else { Varying::Iteration };
        match &workload.source {
            WorkloadSource::Inline(block) => self.bind(&self.loaded.source, &block.text, block.span.start, varying),
            WorkloadSource::File(file) => {
                let source = &self.loaded.workload_files[&file.value];
                let sql = self.bind(source, &source.text, 0, varying);
                if sql.statements.is_empty() && self.problems.is_empty() {
                    let message = format!("\"{}\" has no statement", source.path.display());
                    self.complain(file.span.clone(), &message, None);
                }
                sql
            }
        }
    }

    /// What a ladder needs: something to climb.
    fn check_ladder(&mut self, scenario: &ast::Scenario, planned: &Scenario) {
        if !planned.kind.takes(Clause::Rows) {
            return;
        }
        if !planned.workload.statements.is_empty() && !planned.workload.has_rows() {
            let hint = "put \":rows\" where the workload says how many rows there are";
            let message = "the workload is the same at every number of rows";
            self.complain(scenario.kind.span.clone(), message, Some(hint));
        }
    }

    /// What a scenario needs that the server repeats in background workers.
    fn check_by_server(&mut self, scenario: &ast::Scenario, planned: &Scenario, error: Option<&ast::Span>) {
        let iterate = scenario.iterate.as_ref();
        let kind = planned.kind;
        if let Some(iterate) = iterate.filter(|iterate| iterate.value != Iterate::Server) {
            self.complain(iterate.span.clone(), &format!("scenario {kind} is repeated by the server only"), None);
        } else if let Some(error) = error.filter(|_| !is_together(kind)) {
            self.complain(error.clone(), "an error ends the background worker that repeats the workload", None);
        } else if planned.workload.varies() || planned.dealt.iter().any(Sql::varies) {
            let span = iterate.map_or(&scenario.kind.span, |iterate| &iterate.span).clone();
            let hint = iterate.map(|_| "use \"iterate statement\" for a workload with \":i\"");
            self.complain(span, "the server repeats one and the same workload", hint);
        }
    }

    /// Ways of repeating the workload that exclude each other.
    fn check_repetition(&mut self, scenario: &ast::Scenario, planned: &Scenario, error: Option<&ast::Span>) {
        let kind = planned.kind;
        if is_the_servers(kind) {
            self.check_by_server(scenario, planned, error);
        } else if let Some(iterate) = scenario.iterate.as_ref().filter(|iterate| iterate.value != Iterate::Statement) {
            let span = iterate.span.clone();
            if kind.description().makes_transactions && iterate.value == Iterate::Transaction {
                self.complain(span, &format!("scenario {kind} makes its own transactions"), None);
            } else if iterate.value == Iterate::Server && !can_be_repeated(kind) {
                self.complain(span, &format!("scenario {kind} is repeated by the client only"), None);
            } else if runs_in_workers(kind) && iterate.value == Iterate::Server {
                self.check_by_server(scenario, planned, error);
            } else if let Some(error) = error {
                let hint = "with \"iterate statement\", every iteration has its own transaction";
                self.complain(error.clone(), "an error ends the transaction of all iterations", Some(hint));
            } else if iterate.value == Iterate::Server && planned.workload.varies() {
                let hint = "use \"iterate statement\" for a workload with \":i\"";
                self.complain(span, "the server repeats one and the same workload", Some(hint));
            }
        }
        let workers = scenario.workers.as_ref().filter(|_| planned.iterate != Iterate::Server);
        if let Some(workers) = workers {
            let hint = Some("add \"iterate server\"");
            self.complain(workers.span.clone(), "\"workers\" are background workers of the server", hint);
        }
        if let Some(protocol) = scenario.protocol.as_ref() {
            if protocol.value == Protocol::Prepared && planned.workload.varies() {
                let hint = "use \"protocol extended\" for a workload with \":i\"";
                self.complain(protocol.span.clone(), "a prepared statement is the same in every iteration", Some(hint));
            } else if protocol.value != Protocol::Simple && planned.iterate == Iterate::Server {
                self.complain(protocol.span.clone(), "with \"iterate server\" no statement is sent", None);
            }
        }
    }
}

/// Whether what one workload raises ends those of all, as the scenario's error.
fn is_together(kind: ScenarioKind) -> bool {
    kind.call().is_some_and(|call| matches!(call.runs, Runs::Together))
}

/// Whether the server repeats it in background workers.
fn runs_in_workers(kind: ScenarioKind) -> bool {
    kind.call().is_some_and(|call| call.runs.is_in_workers())
}

/// Whether nobody but the server can repeat it: it is about what is done between two executions, within one, or side by side.
fn is_the_servers(kind: ScenarioKind) -> bool {
    kind.takes(Clause::ResetEvery)
        || kind.call().is_some_and(|call| matches!(call.runs, Runs::InSessions | Runs::Failing | Runs::Together))
}

/// How many workers there are where the spec does not say.
fn default_workers(kind: ScenarioKind) -> u32 {
    /// As `run_scenario()` has it.
    const COMPANY: u32 = 4;
    if kind.call().is_some_and(|call| call.runs == Runs::Together) { COMPANY } else { 1 }
}

/// Whether the server can repeat it. On a ladder the rows are the client's.
fn can_be_repeated(kind: ScenarioKind) -> bool {
    kind.call().is_some() && !kind.takes(Clause::Rows)
}
