//! From the command line to what a run needs: installations, cases, staged trees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use super::catalog::catalog;
use super::complaint::{Complaint, guarded, note};
use super::sections::{self, Needed};
use crate::config::{Config, ExtensionSource, SUPPORTED_MAJORS};
use crate::exec::Installed;
use crate::judge::without_running;
use crate::language::day::{BadDay, Day, TODAY};
use crate::language::lint::of_all;
use crate::plan::{Allowance, Case, Defaults, Environment, Loaded, NotBuilt, Outside, Overrides, Place, cases, load};
use crate::server::{EngineFiles, GivenServer, Installation, RunDirectory, ServerError, Stage, Template};

/// A major version that is supported.
pub(super) fn major(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| SUPPORTED_MAJORS.contains(number));
    let (first, last) = (SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
    number.ok_or_else(|| format!("supported versions are {first} to {last}"))
}

/// The major versions that are asked for.
pub(super) fn majors(given: &[String]) -> Result<Vec<u32>, Complaint> {
    let number = |text: &String| {
        major(text).map_err(|why| Complaint::Argument {
            message: format!("invalid version \"{text}\" for --pg: {why}"),
            hint: None,
        })
    };
    given.iter().map(number).collect()
}

/// The installations a run is for.
pub(super) fn installations(
    majors: &[u32],
    pg_config: Option<&PathBuf>,
    config: &Config,
) -> Result<Vec<Installation>, Complaint> {
    if let Some(path) = pg_config {
        return Ok(vec![Installation::from_pg_config(path)?]);
    }
    let wanted = if majors.is_empty() { &config.profile.pg } else { majors };
    Ok(Installation::find(wanted, config)?)
}

/// What conditions can ask about a server of an installation.
pub(super) fn environment(installation: &Installation, config: &Config) -> Environment {
    let output = Command::new(&installation.pg_config).arg("--configure").output();
    // Without configure options, which a package may have removed, no feature is known to be there.
    let configure = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let sources = config.extensions.values().map(|extension| extension.path.clone());
    let directories = sources.chain([installation.extension_dir()]).collect();
    Environment::configured(installation.version.num, &configure, directories)
}

/// What conditions can ask about a server that somebody else runs. What the project would install is not there.
pub(super) fn given_environment(server: &GivenServer) -> Environment {
    let directories = vec![server.extension_dir.clone()];
    let environment = Environment::configured(server.version_num, &server.configure, directories);
    Environment { database_prefix: server.database_prefix.clone(), ..environment }
}

/// Marks the cases that only a server of their own can run.
pub(super) fn skip_own_servers(cases: &mut [Case]) {
    for case in cases.iter_mut().filter(|case| !case.conf.is_empty()) {
        case.skip.get_or_insert_with(|| "\"conf\" needs a server of its own".to_owned());
    }
}

/// The cases of a run and which of them may run at the same time.
pub(super) struct Plan {
    /// In the order of the schedule, installation by installation.
    pub(super) cases: Vec<Case>,
    /// Positions of cases, group by group.
    pub(super) groups: Vec<Vec<usize>>,
}

impl Plan {
    /// Leaves out the cases that do not fit.
    pub(super) fn retain(&mut self, fits: impl Fn(&Case) -> bool) {
        let mut left = 0..;
        let kept: Vec<Option<usize>> =
            self.cases.iter().map(|case| fits(case).then(|| left.next()).flatten()).collect();
        for group in &mut self.groups {
            *group = group.iter().filter_map(|&position| kept[position]).collect();
        }
        self.cases.retain(fits);
    }
}

/// Makes the cases of all specs on all installations.
pub(super) fn plan(
    groups: &[Vec<Loaded>],
    environments: &[Environment],
    overrides: &Overrides,
    outside: &Outside,
    config: &Config,
    all_permutations: bool,
) -> Result<Plan, Complaint> {
    let (warmup, guard, timeout) = (config.engine.warmup.into(), config.engine.guard, config.profile.timeout);
    let today = today()?;
    let defaults = Defaults { warmup, timeout, all_permutations, guard, today };
    let allowances = allowances(config, today);
    let mut plan = Plan { cases: Vec::new(), groups: Vec::new() };
    for (installation, environment) in environments.iter().enumerate() {
        let mut problems = Vec::new();
        for group in groups {
            let first = plan.cases.len();
            for loaded in group {
                match guarded(&loaded.source.path, || cases(loaded, environment, overrides, defaults)) {
                    Some(Ok(cases)) => plan.cases.extend(cases),
                    Some(Err(found)) => problems.extend(found),
                    None => {}
                }
            }
            for case in &mut plan.cases[first..] {
                case.installation = installation;
                outside.apply(case);
                case.allowances.extend(allowances.iter().cloned());
                if environments.len() > 1 {
                    case.label = format!("{}@pg{}", case.name, environment.major());
                }
            }
            plan.groups.push((first..plan.cases.len()).collect());
        }
        // What is wrong for one installation is wrong for the others too.
        if !problems.is_empty() {
            return Err(Complaint::Specs(problems));
        }
    }
    distinct(&plan.cases)?;
    Ok(plan)
}

/// The day it is, for what is allowed until some day.
pub(super) fn today() -> Result<Day, Complaint> {
    Day::today().map_err(|error| Complaint::Argument {
        message: format!("environment variable {TODAY}: {error}"),
        hint: Some(BadDay::HINT.to_owned()),
    })
}

/// What is wrong with what `mcspec.toml` allows, and yet no error.
pub(super) fn warn_of_allowances(config: &Config) {
    for diagnostic in config.allow.iter().filter_map(of_all) {
        let place = Place { source: Arc::clone(&config.source), offset: diagnostic.span.start };
        note(&format!("warning: {place}: {}", diagnostic.message));
        if let Some(hint) = &diagnostic.hint {
            note(&format!("hint: {hint}; \"mcspec explain W011\" says more"));
        }
    }
}

/// What `mcspec.toml` allows everywhere.
pub(super) fn allowances(config: &Config, today: Day) -> Vec<Arc<Allowance>> {
    let of = |clause| Arc::new(Allowance::new(clause, &config.source, today));
    config.allow.iter().map(of).collect()
}

/// Results are filed by label: of two specs that would be filed as one, one would not be seen.
fn distinct(cases: &[Case]) -> Result<(), Complaint> {
    let mut known: HashMap<&str, &Case> = HashMap::new();
    for case in cases {
        if let Some(other) = known.insert(&case.label, case) {
            let (one, two) = (other.source.path.display(), case.source.path.display());
            let message = format!("\"{one}\" and \"{two}\" are both called \"{}\"", case.label);
            return Err(Complaint::Argument { message, hint: Some("give one of them another name".to_owned()) });
        }
    }
    Ok(())
}

/// How many servers there are at the same time: as many as are asked for, as are configured, or as there are processors.
pub(super) fn jobs(asked: Option<u32>, config: &Config) -> usize {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    asked.or(config.profile.jobs).map_or_else(processors, |jobs| jobs as usize)
}

/// Stages the installations with the extensions that the cases ask for and, where it is needed, the engine. A case that needs an
/// extension that cannot be built fails for that; the others are run.
pub(super) fn install(
    installations: &[Installation],
    run: &RunDirectory,
    cases: &mut [Case],
    config: &Config,
    needs_engine: bool,
) -> Result<Vec<Installed>, Complaint> {
    let mut all = Vec::new();
    for (position, installation) in installations.iter().enumerate() {
        let is_here = |case: &&mut Case| case.installation == position && without_running(case).is_none();
        let own: Vec<Case> = cases.iter_mut().filter(is_here).map(|case| case.clone()).collect();
        let engine = needs_engine.then(|| EngineFiles::find(installation, config)).transpose()?;
        let extensions = extensions(&own, installation, config);
        let (stage, failed) = Stage::build_each(installation, run, engine.as_ref(), &extensions)?;
        for case in cases.iter_mut().filter(is_here) {
            let needed = sections::needed(case, installation, config);
            let of_it = |(name, _): &&(String, ServerError)| needed.sections.contains(name);
            let not_built =
                |(_, error): &(String, ServerError)| NotBuilt { message: error.to_string(), hint: error.hint() };
            case.not_built = failed.iter().find(of_it).map(not_built);
        }
        let template = Template::create(&stage)?;
        all.push(Installed { stage, template, members: None });
    }
    Ok(all)
}

/// Stages an installation with these extensions and, where it is needed, the engine.
pub(super) fn stage(
    installation: &Installation,
    run: &RunDirectory,
    extensions: &[ExtensionSource],
    config: &Config,
    needs_engine: bool,
) -> Result<Installed, Complaint> {
    let engine = needs_engine.then(|| EngineFiles::find(installation, config)).transpose()?;
    let stage = Stage::build(installation, run, engine.as_ref(), extensions)?;
    let template = Template::create(&stage)?;
    Ok(Installed { stage, template, members: None })
}

/// The case of a spec of that name on an installation, of one with matrices the first.
pub(super) fn case_of(name: &str, installation: &Installation, config: &Config) -> Result<Case, Complaint> {
    let entry = catalog(&config.project.specs)?.into_iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| Complaint::Nothing {
        message: format!("there is no spec \"{name}\""),
        hint: Some("\"mcspec list\" shows the specs and their tags".to_owned()),
    })?;
    let loaded = load(&entry.name, &entry.path).map_err(Complaint::Specs)?;
    let environments = [environment(installation, config)];
    let (overrides, outside) = (Overrides::default(), Outside::default());
    let mut plan = plan(&[vec![loaded]], &environments, &overrides, &outside, config, true)?;
    Ok(plan.cases.swap_remove(0))
}

/// The configured extensions that cases need, or may need.
pub(super) fn extensions(cases: &[Case], installation: &Installation, config: &Config) -> Vec<ExtensionSource> {
    let needed: Vec<Needed> = cases.iter().map(|case| sections::needed(case, installation, config)).collect();
    let is_needed = |source: &&ExtensionSource| needed.iter().any(|one| one.any || one.sections.contains(&source.name));
    config.extensions.values().filter(is_needed).cloned().collect()
}
