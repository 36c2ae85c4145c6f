//! Transcripts of the specs in `tests/transcript` on real servers. What is expected there was written by isolationtester of
//! PostgreSQL 15. `MCSPEC_TEST_PG` names the major versions to run on, separated by spaces.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use mcspec::config::Config;
use mcspec::exec::Installed;
use mcspec::plan::{Case, Defaults, Environment, Overrides, cases, load};
use mcspec::server::{Installation, RunDirectory, Stage, Template};
use mcspec::transcript::{Compared, compare, run, unified};

fn planned(root: &Path, name: &str, version: u32) -> Case {
    let path = root.join(format!("specs/{name}.spec"));
    let loaded = load(name, &path).expect("a valid spec");
    let environment = Environment::nominal(version);
    cases(&loaded, &environment, &Overrides::default(), Defaults::default()).expect("a valid plan").remove(0)
}

#[test]
fn transcripts_are_what_isolationtester_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcript");
    let config = Config::load().expect("a valid mcspec.toml");
    let wanted = std::env::var("MCSPEC_TEST_PG").unwrap_or_default();
    let majors: Vec<u32> = wanted.split_whitespace().map(|major| major.parse().expect("a major version")).collect();
    let installations = Installation::find(&majors, &config)
        .unwrap_or_else(|error| panic!("{error}\nHINT: {}", error.hint().unwrap_or_default()));
    for installation in installations {
        let directory = RunDirectory::create().expect("a run directory");
        let stage = Stage::build(&installation, &directory, None, &[]).expect("a stage");
        let template = Template::create(&stage).expect("a template");
        let names = ["results", "waiting", "teardown", "broken", "statistics"];
        let cases: Vec<Case> = names.map(|name| planned(&root, name, installation.version.num)).into();
        let (done, transcribed) = channel();
        run(&cases, &[Installed { stage, template, members: None }], 2, Duration::from_secs(60), &done);
        drop(done);
        for transcribed in transcribed {
            let name = &cases[transcribed.case].name;
            let text = transcribed.text.expect("a server");
            let compared = compare(&root.join("expected"), name, &text).expect("readable");
            if let Compared::Differs(path) | Compared::Missing(path) = compared {
                panic!("on {}\n{}", installation.version.text, unified(&path, Path::new(name), &text));
            }
        }
    }
}
