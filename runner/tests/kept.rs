//! What runs keep for later ones: used again where nothing has changed that it depends on, and never otherwise.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use walkdir::WalkDir;

use crate::project::{Ended, Project, end, eventually, send, wait};

const SPEC: &str = "golden none\nextension thing\nscenario window\n  workload { SELECT thing(); }\n  expect none\n";

/// Waits in its workload.
const WAITS: &str =
    "golden none\nextension thing\nscenario window\n  warmup 0\n  workload { DO 'BEGIN PERFORM pg_sleep(600); END' }\n";

/// A project with an extension whose builds are counted, and a cache of its own.
struct Cached(Project);

impl Cached {
    fn new() -> Self {
        let project = Project::new(&[
            ("specs/it.mcspec", SPEC),
            ("thing/thing.control", "default_version = '1.0'\n"),
            ("thing/thing.sql", "CREATE FUNCTION thing() RETURNS text LANGUAGE sql AS $$ SELECT 'ANSWER' $$;\n"),
            ("thing/include/thing.h", "one\n"),
        ]);
        let cached = Self(project);
        cached.configure("");
        cached
    }

    /// Writes `mcspec.toml`, with more in the command that builds.
    fn configure(&self, more: &str) {
        let engine = fs::canonicalize("../target/engine").expect("the engine");
        let log = self.0.path("built.log");
        let toml = format!(
            r#"[engine]
path = {engine:?}
[extension.thing]
path = "thing"
build = "command"
command = [
  "echo built >> {log}",
  '''{more}''',
  "mkdir -p \"$DESTDIR$($PG_CONFIG --sharedir)/extension\"",
  "cp thing.control \"$DESTDIR$($PG_CONFIG --sharedir)/extension\"",
  "sed s/ANSWER/$(cat include/thing.h)/ thing.sql > \"$DESTDIR$($PG_CONFIG --sharedir)/extension/thing--1.0.sql\"",
]
"#,
            log = log.display()
        );
        self.0.write("mcspec.toml", &toml);
    }

    fn cache(&self) -> PathBuf {
        self.0.path("cache/mcspec")
    }

    fn command(&self) -> Command {
        let mut command = self.0.command("it");
        command.env("XDG_CACHE_HOME", self.0.path("cache"));
        command
    }

    /// How often it was built.
    fn builds(&self) -> usize {
        fs::read_to_string(self.0.path("built.log")).unwrap_or_default().lines().count()
    }

    /// Runs a command, which passes and leaves nothing behind. Returns how often it has built.
    #[track_caller]
    fn builds_of(&self, command: Command) -> usize {
        let before = self.builds();
        passed(&end(command));
        self.0.assert_nothing_left();
        self.builds() - before
    }

    /// Entries of a kind.
    fn entries(&self, kind: &str) -> Vec<PathBuf> {
        fs::read_dir(self.cache().join(kind)).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// That nothing in the cache is half done.
    #[track_caller]
    fn assert_whole(&self) {
        for kind in ["data", "built", "spare"] {
            let entries = self.entries(kind);
            assert!(entries.iter().all(|entry| !entry.to_string_lossy().contains("mcspec-")), "{entries:?}");
        }
    }
}

#[track_caller]
fn passed(ended: &Ended) {
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
}

#[test]
fn what_a_build_depends_on_builds_it_again() {
    let it = Cached::new();
    assert_eq!(it.builds_of(it.command()), 1);
    let header = it.0.path("thing/include/thing.h");

    // What makes no difference.
    it.0.write("specs/it.mcspec", &format!("# changed\n{SPEC}"));
    let toml = it.0.read("mcspec.toml");
    it.0.write("mcspec.toml", &format!("# changed\n{toml}[project]\nresults = \"results\"\n"));
    File::options().write(true).open(&header).and_then(|file| file.set_modified(SystemTime::now())).expect("set");
    let mut command = it.command();
    command.env("COLUMNS", "100").env("TERM", "dumb").env("PGDATABASE", "x");
    assert_eq!(it.builds_of(command), 0, "neither specs, nor times, nor the terminal");

    // What does, and is used again when it is what it was.
    let sql = it.0.read("thing/thing.sql");
    it.0.write("thing/thing.sql", &sql.replace("text", "TEXT"));
    assert_eq!(it.builds_of(it.command()), 1, "a source");
    it.0.write("thing/thing.sql", &sql);
    assert_eq!(it.builds_of(it.command()), 0, "the source of before");
    let modified = fs::metadata(&header).and_then(|file| file.modified()).expect("known");
    it.0.write("thing/include/thing.h", "two\n");
    File::options().write(true).open(&header).and_then(|file| file.set_modified(modified)).expect("set");
    assert_eq!(it.builds_of(it.command()), 1, "a header, of the same size and time");
    it.0.write("thing/include/more/more.h", "");
    assert_eq!(it.builds_of(it.command()), 1, "another file");
    set_mode(&it.0.path("thing/thing.sql"), 0o755);
    assert_eq!(it.builds_of(it.command()), 1, "a file that can be executed");
    it.configure("true");
    assert_eq!(it.builds_of(it.command()), 1, "the section");
    for (variable, value) in
        [("CFLAGS", "-O1"), ("CFLAGS", "-O0"), ("PG_CFLAGS", "-O0"), ("LD_LIBRARY_PATH", "/nowhere")]
    {
        let mut command = it.command();
        command.env(variable, value);
        assert_eq!(it.builds_of(command), 1, "{variable}={value}");
    }
    it.0.write("bin/cc", "#!/bin/sh\nexec gcc \"$@\"\n");
    set_mode(&it.0.path("bin/cc"), 0o755);
    let path = format!("{}:{}", it.0.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = it.command();
    command.env("PATH", path);
    assert_eq!(it.builds_of(command), 1, "another compiler");
    assert_eq!(it.builds_of(it.command()), 0, "all as before");
    it.assert_whole();
}

#[test]
fn another_server_or_user_has_its_own() {
    let it = Cached::new();
    assert_eq!(it.builds_of(it.command()), 1);
    // The same files, by another name.
    let script = format!("#!/bin/sh\nexec {} \"$@\"\n", it.0.pg_config().display());
    it.0.write("bin/pg_config", &script);
    set_mode(&it.0.path("bin/pg_config"), 0o755);
    let mut command = it.0.mcspec("run it --pg-config bin/pg_config");
    command.env("XDG_CACHE_HOME", it.0.path("cache"));
    assert_eq!(it.builds_of(command), 1);
    assert_eq!((it.entries("data").len(), it.entries("built").len()), (2, 2));
    assert_eq!(it.builds_of(it.command()), 0);
}

#[test]
fn without_a_place_to_keep_anything_a_run_makes_all_it_needs() {
    let it = Cached::new();
    let with = |cache: &Path| {
        let mut command = it.command();
        command.env("XDG_CACHE_HOME", cache);
        assert_eq!(it.builds_of(command), 1, "{}", cache.display());
    };
    with(&it.0.path("mcspec.toml"));
    with(Path::new("/proc/self"));
    fs::create_dir_all(it.0.path("odd/mcspec")).expect("created");
    it.0.write("odd/mcspec/data", "");
    with(&it.0.path("odd"));
    assert_eq!(it.0.read("odd/mcspec/data"), "");
    let closed = it.0.path("closed");
    fs::create_dir_all(closed.join("mcspec")).expect("created");
    if geteuid().is_root() {
        // Root writes everywhere, but not into what is somebody else's.
        chown(closed.join("mcspec"), Some(65534), None).expect("changed");
    } else {
        set_mode(&closed.join("mcspec"), 0o500);
    }
    with(&closed);
    assert_eq!(fs::read_dir(closed.join("mcspec")).expect("read").count(), 0);

    // A relative path is none (XDG Base Directory Specification); the usual place is taken.
    let mut command = it.command();
    command.env("XDG_CACHE_HOME", "cache").env("HOME", it.0.path("home"));
    fs::create_dir(it.0.path("home")).expect("created");
    assert_eq!(it.builds_of(command), 1);
    assert!(!it.0.path("cache").exists() && it.0.path("home/.cache/mcspec/data").is_dir());
}

#[test]
fn a_full_disk_keeps_nothing_and_fails_nothing() {
    let it = Cached::new();
    let full = it.0.path("full");
    fs::create_dir(&full).expect("created");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m,mode=755", "none"]).arg(&full).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here, which takes root");
        return;
    }
    let mut command = it.command();
    command.env("XDG_CACHE_HOME", &full);
    let ended = end(command);
    let data: Vec<_> = fs::read_dir(full.join("mcspec/data")).into_iter().flatten().flatten().collect();
    let unmounted = Command::new("umount").arg(&full).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    passed(&ended);
    assert_eq!((it.builds(), data.len()), (1, 0));
    it.0.assert_nothing_left();
}

#[test]
fn what_is_damaged_is_not_used() {
    let it = Cached::new();
    assert_eq!(it.builds_of(it.command()), 1);
    // In a file of the build, in one that every data directory has, and in one that was handed on. Neither size nor time may tell.
    let unseen = |text: &str| format!("touch -r $f x; {text}; touch -r x $f; rm x");
    let control = unseen("echo \"default_version = '2.0'\" > $f");
    let noise = unseen("dd if=/dev/urandom of=$f bs=8192 count=1 conv=notrunc 2>&1");
    for (of_build, of_data) in [
        (control.as_str(), noise.as_str()),
        ("rm $f", "rm $f"),
        (": > $f", "truncate -s 8192 $f"),
        ("chmod 700 $f", "mv $f $f.x"),
        ("rm $(dirname $f)/../../../list", "rm -r $(dirname $f)"),
    ] {
        let every = |kind: &str, path: &str, damage: &str| {
            format!("for f in $(find {kind} -path '*/{path}'); do {damage}; done")
        };
        let damage = [
            every("built", "thing.control", of_build),
            every("data", "base/1/1259", of_data),
            every("spare", "base/1/1259", of_data),
        ];
        let damage = damage.join("\n");
        let output = Command::new("sh").args(["-e", "-c", &damage]).current_dir(it.cache()).output().expect("run");
        assert!(output.status.success(), "{damage}: {output:?}");
        assert_eq!(it.builds_of(it.command()), 1, "{damage}");
    }
    it.assert_whole();
}

#[test]
fn runs_at_the_same_time_are_not_in_each_others_way() {
    let it = Cached::new();
    for _ in 0..2 {
        let children: Vec<_> = (0..4)
            .map(|_| it.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started"))
            .collect();
        children.into_iter().for_each(|child| passed(&wait(child)));
        it.0.assert_nothing_left();
        it.assert_whole();
        assert_eq!((it.entries("built").len(), it.entries("data").len()), (1, 1));
        // Two data directories and two staged trees.
        assert!(it.entries("spare").len() <= 4, "{:?}", it.entries("spare"));
    }
    assert_eq!(it.builds_of(it.command()), 0);
}

#[test]
fn a_build_that_was_killed_leaves_nothing() {
    let it = Cached::new();
    let mark = it.0.path("mark");
    it.configure(&format!("test -e {0} || {{ touch {0}; sleep 600; }}", mark.display()));
    let mut child = it.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    eventually("it builds", || mark.exists());
    send(Signal::SIGKILL, child.id().cast_signed());
    child.wait().expect("waited for");
    assert_eq!(it.entries("built").len(), 0);
    assert_eq!(it.builds_of(it.command()), 1);
    it.assert_whole();
    assert_eq!(it.builds_of(it.command()), 0);
}

#[test]
fn what_is_in_use_stays_and_all_else_goes() {
    let it = Cached::new();
    it.0.write("specs/waits.mcspec", WAITS);
    let clean = || {
        let mut command = it.0.mcspec("clean");
        command.env("XDG_CACHE_HOME", it.0.path("cache"));
        let ended = end(command);
        passed(&ended);
        ended.stdout
    };
    assert_eq!(it.builds_of(it.command()), 1);
    let spare = it.entries("spare").len();
    assert_eq!((it.entries("data").len(), it.entries("built").len(), spare), (1, 1, 2));

    let mut command = it.0.command("waits");
    command.env("XDG_CACHE_HOME", it.0.path("cache"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let log = || {
        let logs = WalkDir::new(it.0.temporary()).into_iter().flatten();
        logs.filter(|file| file.path().extension().is_some_and(|suffix| suffix == "log")).count()
    };
    eventually("a server runs", || log() > 0 && !it.0.postmasters().is_empty());
    let said = clean();
    assert!(
        said.starts_with("removed ") && said.contains(" MB from \"") && said.contains("1 entry is in use and stays"),
        "{said}"
    );
    assert_eq!((it.entries("data").len(), it.entries("built").len(), it.entries("spare").len()), (1, 0, 0));
    send(Signal::SIGINT, child.id().cast_signed());
    assert_eq!(wait(child).code, 130);
    it.0.assert_nothing_left();

    let said = clean();
    assert!(!said.contains("in use") && !it.cache().exists(), "{said}");
    assert!(clean().starts_with("removed 0 MB"));
    assert_eq!(it.builds_of(it.command()), 1);
}
