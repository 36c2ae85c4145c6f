//! What the manual shows of a command is what the command says: the blocks of its pages are run, on servers of all versions
//! that are there.
//!
//! A block ```` ```console ```` has commands behind `$ `, each with what it says. Those of a page are run in a copy of its
//! project, into which the page's own files go: a block whose line before ends with `` `specs/lookup.mcspec`: `` is that file.
//! `...` stands for lines that are left out. Times, and frames of the server, differ between machines and versions and are
//! not compared. `MCSPEC_BLESS=1` writes into the pages what the oldest version says.

// Outside of the test functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::project::{end, open_directory};
use mcspec::config::{Config, SUPPORTED_MAJORS};
use mcspec::server::{EngineFiles, Installation};
use regex::{Captures, Regex};

/// Pages, and the project that each is about.
const PAGES: &[(&str, &str)] = &[
    ("docs/tutorial.md", "contrib/tutorial"),
    ("docs/first-spec.md", "runner/tests/manual/my_ext"),
    ("docs/reading-a-finding.md", "runner/tests/manual/my_ext"),
    ("docs/reports.md", "runner/tests/manual/my_ext"),
    ("docs/exec.md", "runner/tests/manual/my_ext"),
    ("docs/guards.md", "runner/tests/manual/my_ext"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A fenced block of a page.
struct Block<'a> {
    /// What stands behind the fence.
    kind: &'a str,
    text: &'a str,
    /// The file that it is said to be.
    file: Option<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    static FENCED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^(?P<before>.*\n)\n?```(?P<kind>\w*)\n(?P<text>(?s:.*?))^```$").unwrap());
    static FILE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`([\w./-]+\.\w+)`[^`]*:\n$").unwrap());
    let block = |found: Captures<'_>| {
        let part = |name| &page[found.name(name).unwrap().range()];
        let file = FILE.captures(part("before")).map(|file| file.get(1).unwrap().as_str());
        Block { kind: part("kind"), text: part("text"), file }
    };
    FENCED.captures_iter(page).map(block).collect()
}

/// A command, and what it says.
fn commands(block: &str) -> Vec<(&str, &str)> {
    let rest = block.strip_prefix("$ ").expect("a block for the console begins with a command");
    rest.split("\n$ ").map(|one| one.split_once('\n').unwrap_or((one, ""))).collect()
}

/// What differs between machines, and what between versions.
fn masked(said: &str) -> String {
    static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            // The place of a time at the end of a line depends on its length.
            (r" +\d+(\.\d+)? m?s\b", " TIME"),
            (r"time=\d+ms", "time=TIME"),
            (r"in \d+(\.\d+)? m?s", "in TIME"),
            // The first function behind those of the extension is the server's.
            (r"(?m)^( *#? *from  [^<\n]*?)( <- .*)?((?:\n *#? *<- .*)*)$", "$1"),
            (r"(?m)^( *#? *from  )\w*Exec\w*$", "$1SERVER"),
        ]
        .map(|(mask, by)| (Regex::new(mask).unwrap(), by))
        .into()
    });
    MASKS.iter().fold(said.trim_end().to_owned(), |text, (mask, by)| mask.replace_all(&text, *by).into_owned())
}

/// Whether it is what a page shows, where `...` is any number of lines.
fn is_shown(shown: &str, said: &str) -> bool {
    let pattern: Vec<String> = masked(shown)
        .split('\n')
        .map(|line| if line.trim() == "..." { r"(?:.*\n)*?".to_owned() } else { regex::escape(line) + "\n" })
        .collect();
    Regex::new(&format!("^{}$", pattern.concat())).unwrap().is_match(&(masked(said) + "\n"))
}

/// A copy of a project with the files of a page, and a directory for the shell's `PATH` with `mcspec` in it.
fn project(source: &Path, page: &str, installation: &Installation, top: &Path) -> BTreeMap<String, String> {
    let directory = top.join("project");
    let copied = Command::new("cp").arg("-r").arg(source).arg(&directory).status().unwrap();
    assert!(copied.success());
    for block in blocks(page) {
        if let Some(file) = block.file.filter(|_| block.kind != "console") {
            fs::create_dir_all(directory.join(file).parent().unwrap()).unwrap();
            fs::write(directory.join(file), block.text).unwrap();
        }
    }
    let toml = fs::read_to_string(directory.join("mcspec.toml")).unwrap();
    // The libraries that come with the tutorial are in the tarball only: they are built as it says.
    let toml = toml.split("\nbuild = \"files\"").next().unwrap();
    let pg_config = installation.pg_config.canonicalize().unwrap();
    let engine = root().join("target/engine");
    let also = format!("\n[engine]\npath = {engine:?}\n[profile.default]\npg_config = [{pg_config:?}]\n");
    fs::write(directory.join("mcspec.toml"), toml.to_owned() + &also).unwrap();

    // What a terminal would show.
    let mcspec = env!("CARGO_BIN_EXE_mcspec");
    let script = format!(
        "#!/bin/sh\ncommand=$1; shift\ncase \"$command $*\" in\n*--report*) ;;\nrun*|exec*) set -- --report pretty \"$@\" ;;\nesac\n\
         exec {mcspec:?} \"$command\" \"$@\"\n"
    );
    let bin = top.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("mcspec"), script).unwrap();
    fs::set_permissions(bin.join("mcspec"), Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    BTreeMap::from([("PATH".to_owned(), path), ("TMPDIR".to_owned(), top.display().to_string())])
}

/// What is wrong with a page on a version, and the page as it should be.
fn check(page: &str, project_of: &str, installation: &Installation) -> (Vec<String>, String) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let directory = open_directory();
    let environment = project(&root().join(project_of), &text, installation, directory.path());
    let (mut wrong, mut mended, mut checked) = (Vec::new(), text.clone(), 0);
    for block in blocks(&text).iter().filter(|block| block.kind == "console") {
        let mut shown_now = String::new();
        for (command, shown) in commands(block.text) {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(directory.path().join("project"));
            let said = end(shell.env_remove("GITHUB_STEP_SUMMARY").envs(&environment).take()).stdout;
            let said: String =
                said.lines().filter(|line| !is_about_this_machine(line)).map(|l| l.to_owned() + "\n").collect();
            checked += 1;
            if is_shown(shown, &said) {
                shown_now += &format!("$ {command}\n{shown}\n");
            } else {
                shown_now += &format!("$ {command}\n{said}");
                wrong.push(format!(
                    "{page} on {}: {command}\n--- as shown\n{}\n--- as said\n{}\n",
                    installation.version.major(),
                    masked(shown),
                    masked(&said)
                ));
            }
        }
        mended = mended
            .replace(&format!("```console\n{}```", block.text), &format!("```console\n{}\n```", shown_now.trim_end()));
    }
    assert!(checked > 0, "{page} has no block \"```console\"");
    (wrong, mended)
}

/// What is said to root only.
fn is_about_this_machine(line: &str) -> bool {
    line.starts_with("mcspec: servers run as user ")
}

/// Moves a command out of the chain that has made it.
trait Take {
    fn take(&mut self) -> Command;
}

impl Take for Command {
    fn take(&mut self) -> Command {
        std::mem::replace(self, Command::new("true"))
    }
}

#[test]
fn commands_of_the_manual_say_what_it_shows() {
    let config = Config::load().expect("a valid mcspec.toml");
    let wanted = std::env::var("MCSPEC_TEST_PG").ok();
    let is_wanted =
        |major: &u32| wanted.as_ref().is_none_or(|majors| majors.split(' ').any(|word| word == major.to_string()));
    let installations: Vec<Installation> = SUPPORTED_MAJORS
        .filter(is_wanted)
        .filter_map(|major| {
            let installation = Installation::find(&[major], &config).ok()?.pop()?;
            EngineFiles::find(&installation, &config).ok().map(|_| installation)
        })
        .collect();
    assert!(!installations.is_empty(), "the engine is built: run \"make engine\"");

    let bless = std::env::var_os("MCSPEC_BLESS").is_some();
    let mut all = Vec::new();
    for (place, installation) in installations.iter().enumerate() {
        // A server each, and little to do for the processor while it starts.
        let checked: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> =
                PAGES.iter().map(|(page, of)| scope.spawn(move || check(page, of, installation))).collect();
            started.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for ((page, _), (wrong, mended)) in PAGES.iter().zip(checked) {
            if bless && place == 0 {
                fs::write(root().join(page), mended).unwrap();
            } else {
                all.extend(wrong);
            }
        }
    }
    assert!(all.is_empty(), "{}MCSPEC_BLESS=1 writes them anew", all.concat());
}

#[test]
fn blocks_are_read_as_they_are_written() {
    let page = "The spec. `specs/a.mcspec`:\n\n```mcspec\ntitle 'a'\n```\n\nSo\n\n```console\n$ mcspec run a\nok\n...\n$ true\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].kind, found[0].file, found[0].text), ("mcspec", Some("specs/a.mcspec"), "title 'a'\n"));
    assert_eq!((found[1].kind, found[1].file), ("console", None));
    assert_eq!(commands(found[1].text), [("mcspec run a", "ok\n..."), ("true", "")]);
    assert!(is_shown("ok 1 - a      1.2 s\n...\nlast", "ok 1 - a     13 ms\nmore\n\nlast\n"));
    assert!(!is_shown("ok 1 - a      1.2 s\nlast", "ok 1 - a     13 ms\nmore\nlast\n"));
    assert!(is_shown("  from  f <- g <- ExecResult\n        <- PortalRun", "  from  f <- h\n"));
    assert!(!is_shown("  from  f <- g", "  from  e <- g"));
}
