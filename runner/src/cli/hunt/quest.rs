//! A hunt for the bugs of one extension.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use memcheck_core::like::Like;
use unicode_width::UnicodeWidthStr;

use super::super::complaint::Complaint;
use super::super::{init, prepare};
use super::tell::Teller;
use super::{Arguments, Game, Places, Repository};
use crate::config::Config;
use crate::exec::outcome::{REFUSED, Targets};
use crate::exec::probe::{Prober, targets_of, why_untraced};
use crate::hint;
use crate::hunt::corpus::Corpus;
use crate::hunt::found::{Bug, Shared, State};
use crate::hunt::hunter::Hunter;
use crate::hunt::proof;
use crate::hunt::quarry::Quarry;
use crate::hunt::reach::{self, Library, More};
use crate::hunt::record::{HuntRecord, Hunted};
use crate::hunt::script::{Head, Script, case};
use crate::hunt::subject::{self, SetAside};
use crate::init::calls::made_of;
use crate::init::catalog::Objects;
use crate::init::ground;
use crate::init::surroundings::Needs;
use crate::init::trial::{How, Refused, Trial};
use crate::status;

/// How often it is looked at how far it has come.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long what the tests make may take to be made.
const GROUND: Duration = Duration::from_secs(20);

/// Hunts an extension. What came of it is added to `hunts`, also where it could not be hunted to the end.
pub(super) fn go(
    arguments: &Arguments,
    config: &Config,
    places: &Places,
    game: Game,
    repository: &Repository,
    hunts: &mut Vec<HuntRecord>,
) -> Result<(), Complaint> {
    let (quarry, aside, version, needs) = find(arguments, config, places, &game, repository)?;
    let kept = kept(&game.name);
    let shared = Shared::default();
    {
        let mut state = shared.lock();
        state.aside = aside;
        state.corpus = Corpus::read(&kept).map_err(|error| Complaint::file(&kept.display().to_string(), error))?;
        state.old = state.corpus.bugs.iter().map(|bug| (bug.kind.clone(), bug.place.clone())).collect();
    }
    let installation = places.installed.stage.original();
    let mut teller = Teller {
        hunted: Hunted {
            extension: &game.name,
            version: &version,
            server: &installation.version.text,
            subjects: quarry.subjects.len(),
        },
        head: &quarry.head,
        day: prepare::today()?.to_string(),
        issues: arguments.issue,
        is_told: places.is_told,
        bugs: Vec::new(),
    };
    teller.begin(&shared)?;
    let jobs = prepare::jobs(arguments.jobs, config).min(quarry.subjects.len().max(1));
    let started = Instant::now();
    let mut told = Ok(());
    let worked: Result<(), Refused> = thread::scope(|scope| {
        let all: Vec<_> = (0..jobs)
            .map(|job| {
                let (quarry, shared, needs, name) = (&quarry, &shared, &needs, game.name.as_str());
                let seed = arguments.seed.wrapping_add(job as u64);
                scope.spawn(move || {
                    let subjects: Vec<usize> = (job..quarry.subjects.len()).step_by(jobs).collect();
                    let hunter = Worker { quarry, shared, places, needs, name };
                    hunter.work(seed, &subjects)
                })
            })
            .collect();
        while all.iter().any(|one| !one.is_finished()) {
            thread::sleep(INTERVAL);
            let left = quarry.until.saturating_duration_since(Instant::now());
            status::table(figures(&teller, &shared.lock(), left));
            if told.is_ok() {
                told = teller.tell_new(&shared);
            }
        }
        let ended = all.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<Vec<_>>().into_iter().collect()
    });
    status::table(Vec::new());
    told?;
    teller.tell_new(&shared)?;
    let ended = teller.end(&shared, started.elapsed())?;
    let has_looked = ended.has_looked();
    hunts.push(ended);
    let written = {
        let mut state = shared.lock();
        state.corpus.shrink();
        state.corpus.write(&kept)
    };
    written.map_err(|error| Complaint::file(&kept.display().to_string(), error))?;
    // What one of them could not look at nobody has looked at.
    worked.map_err(|why| refused(&game, "looked at", &why))?;
    if !has_looked {
        let message = format!("{} \"{}\": no call came to one of its functions", game.kind(), game.name);
        let hint =
            "\"not called\" says how each call failed; one that works is taken from the repository's tests".to_owned();
        return Err(Complaint::Nothing { message, hint: Some(hint) });
    }
    Ok(())
}

/// How far a hunt has come: a table of one row.
fn figures(teller: &Teller, state: &State, left: Duration) -> Vec<String> {
    let called = format!("{} of {}", state.called.len(), teller.hunted.subjects);
    let left = format!("{}:{:02}", left.as_secs() / 60, left.as_secs() % 60);
    let columns = [
        ("called", called),
        ("calls", state.calls.to_string()),
        ("executions", state.executions.to_string()),
        ("sites", state.sites.len().to_string()),
        ("found", teller.bugs.len().to_string()),
        ("left", left),
    ];
    let width = teller.hunted.extension.width().max(10);
    let (mut head, mut row) = (" ".repeat(width), format!("{:<width$}", teller.hunted.extension));
    for (name, value) in columns {
        let width = name.len().max(value.len()) + 2;
        head += &format!("{name:>width$}");
        row += &format!("{value:>width$}");
    }
    vec![head, row]
}

/// Where a hunt keeps what the next one goes on from.
fn kept(name: &str) -> PathBuf {
    Path::new("hunt").join(format!("{name}.json"))
}

/// What there is to hunt, what is set aside, the extension's version, and what its server needs.
fn find<'h>(
    arguments: &Arguments,
    config: &Config,
    places: &Places,
    game: &Game,
    repository: &'h Repository,
) -> Result<(Quarry<'h>, Vec<SetAside>, String, Needs), Complaint> {
    let Game { name, libraries, needs, .. } = game;
    let harvest = &repository.harvest;
    let mut needs = needs.clone();
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let directory = &places.installed.stage.installation().pkglib_dir;
    let server = places.installed.stage.installation().bin_dir.join("postgres");
    for library in libraries.iter().filter_map(|library| Library::of(library, directory, &needs.preload)) {
        needs.conf.extend(library.conf(&server));
    }
    let act = |trial: &mut Trial, objects: &Objects| {
        let preload = trial.preload().to_vec();
        // What needs a database of a certain name is not there in others.
        let ground = match repository.ground.is_empty() || trial.pattern().is_err() {
            true => Vec::new(),
            false => trial.lay(&repository.ground, GROUND)?.to_vec(),
        };
        let (mut subjects, mut aside) = subject::callable(objects);
        subjects.iter_mut().for_each(|subject| subject.takes_columns(harvest));
        let own = init::own_libraries(name, libraries, objects, &preload);
        let found = reach::libraries(objects, &own, directory, &preload);
        let More { subjects: more, aside: not, pool } =
            reach::more(trial, name, &found, objects, &subjects, harvest, &mut random)?;
        subjects.extend(more);
        aside.extend(not);
        let (made, not) = made_of(trial, objects, harvest);
        subjects.extend(made.iter().map(subject::of_call));
        for not in not {
            // What takes the server down is what is looked for.
            match not.tried {
                Some(call) => subjects.push(subject::of_call(&call)),
                None => aside.push(SetAside { what: not.what, why: not.why }),
            }
        }
        Ok((subjects, aside, pool, ground))
    };
    let found = match game.is_library {
        true => init::with_library(name, places.installed, &mut needs, act),
        false => init::on_server(name, libraries, places.installed, &mut needs, act),
    };
    let (objects, (mut subjects, aside, pool, ground)) =
        found.map_err(|why| refused(game, if game.is_library { "loaded" } else { "created" }, &why))?;
    if let Some(like) = arguments.only.as_ref().map(Like::new) {
        subjects.retain(|subject| like.matches(&subject.what) || like.matches(&subject.call));
    }
    if subjects.is_empty() {
        let hint = match &arguments.only {
            Some(_) => "--only leaves nothing of it; \"mcspec hunt\" without it looks at everything".to_owned(),
            None => format!("{} of its functions are called by the server only", aside.len()),
        };
        let message = format!("{} \"{name}\" has nothing that could be called", game.kind());
        return Err(Complaint::Nothing { message, hint: Some(hint) });
    }
    let Needs { preload, conf } = needs.clone();
    let quarry = Quarry {
        head: Head { extension: (!game.is_library).then(|| name.clone()), preload, conf },
        environment: prepare::environment(places.installed.stage.original(), config),
        subjects,
        pool,
        harvest,
        tables: ground::tables(&ground),
        ground,
        until: Instant::now() + arguments.time,
        rounds: arguments.rounds,
    };
    Ok((quarry, aside, objects.version, needs))
}

fn refused(game: &Game, what: &str, why: &Refused) -> Complaint {
    let hint = (!why.hint.is_empty()).then(|| why.hint.clone());
    let (kind, name) = (game.kind(), &game.name);
    Complaint::Argument { message: format!("{kind} \"{name}\" cannot be {what}: {}", why.message), hint }
}

/// One of those who take part, with a server of its own, and one without the engine as soon as there is something to show on it.
struct Worker<'a> {
    quarry: &'a Quarry<'a>,
    shared: &'a Shared,
    places: &'a Places<'a>,
    needs: &'a Needs,
    name: &'a str,
}

impl Worker<'_> {
    fn work(&self, seed: u64, subjects: &[usize]) -> Result<(), Refused> {
        let Worker { quarry, needs, name, .. } = self;
        let refused = |message: String| Refused { message, hint: String::new(), how: How::Error };
        let mut trial = Trial::new(self.places.installed, &needs.preload, &needs.conf);
        let extensions: &[&str] = if quarry.head.extension.is_some() { &[name] } else { &[] };
        trial.create(extensions)?;
        let pattern = if quarry.ground.is_empty() { None } else { Some(trial.pattern()?) };
        trial.lay(&quarry.ground, GROUND)?;
        let (server, database) = trial.place()?;
        let create = "CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog".to_owned();
        for database in [database].into_iter().chain(pattern) {
            let mut prober = Prober::new(server, database, Targets::default());
            let created = prober.send([&create]);
            prober.renew();
            created.map_err(|answer| refused(format!("the engine could not be created: {}", answer.words())))?;
        }
        let nothing = Script::repeated(vec!["SELECT 1".to_owned()]);
        let targets = case(&quarry.head, &nothing, &quarry.environment, 1)
            .ok_or_else(|| refused("what the extension needs cannot be written in a spec".to_owned()))
            .and_then(|case| targets_of(server, database, &case).map_err(|failure| refused(failure.headline())))?;
        if let Some(reason) = why_untraced(server, database).map_err(|failure| refused(failure.headline()))? {
            return Err(refused(format!("{REFUSED}{reason}")));
        }
        // By this the hunt notices what is worth a window.
        let mut prober = Prober::new(server, database, targets).with_pattern(pattern);
        if prober.held().is_none() {
            let message = "the engine is older than this mcspec: it cannot say what a session holds".to_owned();
            let hint = hint::rebuild(&self.places.installed.stage.original().pg_config);
            return Err(Refused { message, hint, how: How::Error });
        }
        prober.renew();
        let mut other: Option<Option<Trial>> = None;
        let mut bear_out = |prober: &mut Prober, bug: Bug| {
            let mut bug = proof::again(quarry, prober, bug)?;
            if let Some(stock) = self.places.stock {
                let trial = other.get_or_insert_with(|| {
                    let mut trial = Trial::new(stock, &needs.preload, &needs.conf);
                    // Where it cannot be created there is nothing to show.
                    trial.create(extensions).is_ok().then_some(trial)
                });
                if let Some(Ok((server, database))) = trial.as_mut().map(Trial::place) {
                    let mut plain = Prober::new(server, database, Targets::default());
                    bug.stock = proof::stock(&mut plain, &bug.script, &bug.wrong).ok()?;
                }
            }
            Some(bug)
        };
        Hunter::new(quarry, self.shared, prober, seed, &mut bear_out).hunt(subjects);
        Ok(())
    }
}
