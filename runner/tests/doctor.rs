//! `mcspec doctor` passes if `mcspec run` would start, and only then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mcspec::config::{Config, SUPPORTED_MAJORS};
use mcspec::server::{EngineFiles, Installation};
use tempfile::TempDir;

const SPEC: &str = "extension probed\n\nscenario window\n  workload { SELECT probed() }\n  expect none\n";

/// A repository of an extension, as somebody has it who knows PGXS.
struct Repository {
    directory: TempDir,
    pg_config: PathBuf,
    engine: PathBuf,
    /// Variables for what is run.
    variables: Vec<(&'static str, String)>,
}

impl Repository {
    fn new() -> Option<Self> {
        let config = Config::load().unwrap();
        let wanted = std::env::var("MCSPEC_TEST_PG").ok();
        let is_wanted =
            |major: &u32| wanted.as_ref().is_none_or(|majors| majors.split(' ').any(|word| word == major.to_string()));
        let find = |major: u32| {
            let installation = Installation::find(&[major], &config).ok()?.remove(0);
            EngineFiles::find(&installation, &config).is_ok().then_some(installation)
        };
        let pg_config = SUPPORTED_MAJORS.filter(is_wanted).find_map(find)?.pg_config.canonicalize().unwrap();
        let engine = config.engine.path.unwrap().canonicalize().unwrap();
        let directory = tempfile::tempdir().unwrap();
        // Servers have to get in, whoever runs this.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let repository = Repository { directory, pg_config, engine, variables: Vec::new() };
        repository.write("mcspec.toml", &repository.toml(""));
        repository.write("schedule", "test: probed\n");
        repository.write("specs/probed.mcspec", SPEC);
        repository.write("Makefile", "MODULES = probed\nEXTENSION = probed\nDATA = probed--1.sql\nPG_CONFIG = pg_config\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n");
        repository.write("probed.c", "#include \"postgres.h\"\n#include \"fmgr.h\"\nPG_MODULE_MAGIC;\nPG_FUNCTION_INFO_V1(probed);\nDatum probed(PG_FUNCTION_ARGS) { PG_RETURN_INT32(1); }\n");
        repository.write("probed.control", "default_version = '1'\nmodule_pathname = '$libdir/probed'\n");
        repository.write("probed--1.sql", "CREATE FUNCTION probed() RETURNS int AS 'MODULE_PATHNAME' LANGUAGE c;\n");
        Some(repository)
    }

    fn toml(&self, extension: &str) -> String {
        let (engine, pg_config) = (self.engine.display(), self.pg_config.display());
        format!(
            "[extension.probed]\n{extension}\n[engine]\npath = \"{engine}\"\n[profile.default]\npg_config = [\"{pg_config}\"]\n"
        )
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn mcspec(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
        command.args(arguments).args(["--pg-config".as_ref(), self.pg_config.as_os_str()]);
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        let output = command.envs(self.variables.iter().map(|(name, value)| (name, value))).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// What the doctor says is what comes of a run.
    fn agrees(&self, what: &str) -> String {
        let (code, said) = self.mcspec(&["doctor"]);
        let starts = said.ends_with("\n\"mcspec run\" would start\n")
            || said.ends_with("\n\"mcspec run\" would start; \"-\" is for what it would not use\n");
        assert_eq!(code == 0, starts, "{what}\n{said}");
        let (run, shown) = self.mcspec(&["run"]);
        assert_eq!(run == 0, code == 0, "{what}\n{said}\n{shown}");
        said
    }
}

/// Changes a repository so that no run can start, and what the doctor has to say then.
struct Fault {
    what: &'static str,
    make: fn(&mut Repository),
    said: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "an error in a spec",
        make: |repository| repository.write("specs/probed.mcspec", "scenari window\n"),
        said: &["\nmissing  specs: 1 error in the specs\n         HINT: \"mcspec check\" shows them\n"],
    },
    Fault {
        what: "a schedule with a spec that is not there",
        make: |repository| repository.write("schedule", "test: probde\n"),
        said: &["\nmissing  specs: "],
    },
    Fault {
        what: "no Makefile",
        make: |repository| fs::remove_file(repository.directory.path().join("Makefile")).unwrap(),
        said: &["\nmissing  extension probed: there is no Makefile in \"./\"\n"],
    },
    Fault {
        what: "a directory that is not there",
        make: |repository| repository.write("mcspec.toml", &repository.toml("path = \"gone\"")),
        said: &[
            "\nmissing  extension probed: there is no directory \"gone\"\n         HINT: correct its \"path\" in mcspec.toml\n",
        ],
    },
    Fault {
        what: "a library that is not built",
        make: |repository| {
            repository.write("mcspec.toml", &repository.toml("build = \"files\"\nlibrary = \"target/probed.so\""));
        },
        said: &[
            "\nmissing  extension probed: no file \"target/probed.so\"",
            "HINT: build it first: with build = \"files\" mcspec takes what is there\n",
        ],
    },
    Fault {
        what: "no engine",
        make: |repository| {
            repository.engine = "nowhere".into();
            repository.write("mcspec.toml", &repository.toml(""));
        },
        said: &["engine: the engine for PostgreSQL ", "\n         HINT: mcspec engine build --pg-config /"],
    },
    Fault {
        what: "no make",
        make: |repository| repository.variables.push(("PATH", "/dev/null/bin".to_owned())),
        said: &["server: could not run \"make\"", "\n         HINT: "],
    },
    Fault {
        what: "results that are a file",
        make: |repository| repository.write("results", ""),
        said: &["\nmissing  results: \"./results\" is no directory\n"],
    },
    Fault {
        what: "goldens that are a file",
        make: |repository| repository.write("expected", ""),
        said: &["\nmissing  goldens: \"expected\" is no directory\n"],
    },
    Fault {
        what: "a temporary directory that is not there",
        make: |repository| repository.variables.push(("TMPDIR", "/dev/null/tmp".to_owned())),
        said: &["\nmissing  directory of a run: could not use \"/dev/null/tmp\""],
    },
    Fault {
        what: "an unknown key",
        make: |repository| repository.write("mcspec.toml", "[projct]\n"),
        said: &["missing  mcspec.toml: mcspec.toml:1:2: unknown key \"projct\""],
    },
];

#[test]
fn the_doctor_says_what_a_run_would_say() {
    let Some(repository) = Repository::new() else { return };
    let said = repository.agrees("nothing");
    for part in [
        "ok       specs: 1 spec in \"specs\"\n",
        "ok       extension probed: in \".\"\n",
        "server: starts with the engine\n",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("HINT"), "{said}");
    for Fault { what, make, said } in FAULTS {
        let mut repository = Repository::new().unwrap();
        make(&mut repository);
        let text = format!("\n{}", repository.agrees(what));
        assert!(said.iter().all(|part| text.contains(part)), "{what}\n{text}");
        assert!(!text.contains("make engine") && !text.contains("xtask"), "{text}");
    }
    // An extension that no spec uses is in nobody's way.
    repository.write("mcspec.toml", &format!("{}[extension.other]\npath = \"gone\"\n", repository.toml("")));
    assert!(repository.agrees("another extension").contains("\n-        extension other: there is no directory"));
}

#[test]
fn whoever_is_shut_out_is_told() {
    let Some(mut repository) = Repository::new() else { return };
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    repository.variables.push(("TMPDIR", closed.path().display().to_string()));
    let said = repository.agrees("a closed directory");
    assert!(said.contains("no permission to enter") && said.contains("HINT: set TMPDIR to a directory"), "{said}");
}
