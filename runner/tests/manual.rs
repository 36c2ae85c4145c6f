//! What the manual shows of a command is what the command says: the blocks of its pages are run, on servers of all versions
//! that are there.
//!
//! A block ```` ```console ```` has commands behind `$ `, each with what it says. Those of a page are run in a copy of its
//! project, into which the page's own files go: a block whose line before ends with `` `specs/lookup.mcspec`: `` is that file.
//! `...` stands for lines that are left out. Times, and frames of the server, differ between machines and versions and are
//! not compared. `MCSPEC_BLESS=1` writes into the pages what the oldest version says.
//!
//! Of all other blocks it is asked that somebody else holds to them, or that a comment before them says why nobody does:
//! `<!-- not run: it takes an hour -->`.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::project::{end, open_directory};
use mcspec::config::{Config, SUPPORTED_MAJORS};
use mcspec::regress::Programs;
use mcspec::server::{EngineFiles, Installation};
use regex::{Captures, Regex};

/// Pages, and the project that each is about: folders, whose files are put together.
const PAGES: &[(&str, &[&str])] = &[
    ("docs/tutorial.md", &["contrib/tutorial"]),
    ("docs/first-spec.md", &["runner/tests/manual/my_ext"]),
    ("docs/reading-a-finding.md", &["runner/tests/manual/my_ext"]),
    ("docs/reports.md", &["runner/tests/manual/my_ext"]),
    ("docs/exec.md", &["runner/tests/manual/my_ext", "runner/tests/manual/suite"]),
    ("docs/guards.md", &["runner/tests/manual/my_ext"]),
    ("docs/init.md", &["runner/tests/manual/my_ext"]),
];

/// The page about a repository that has nothing of mcspec yet.
const BARE: &str = "docs/init.md";

/// What takes pg_regress, which not every installation has.
const SUITE: &str = "mcspec exec --regress";

/// What a comment before a block begins with that nobody executes.
const NOT_RUN: &str = "<!-- not run: ";

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
    /// Why it is not executed, where its page says so.
    reason: Option<&'a str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    static FENCED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^(?P<before>.*\n)\n?```(?P<kind>\w*)\n(?P<text>(?s:.*?))^```$").unwrap());
    static FILE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`([\w./-]+\.\w+)`[^`]*:\n$").unwrap());
    let block = |found: Captures<'_>| {
        let part = |name| &page[found.name(name).unwrap().range()];
        let file = FILE.captures(part("before")).map(|file| file.get(1).unwrap().as_str());
        let reason = part("before").trim_end().strip_prefix(NOT_RUN).and_then(|reason| reason.strip_suffix(" -->"));
        Block { kind: part("kind"), text: part("text"), file, reason }
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
fn project(
    sources: &[&str],
    is_bare: bool,
    page: &str,
    installation: &Installation,
    top: &Path,
) -> BTreeMap<String, String> {
    let directory = top.join("project");
    for source in sources {
        let copied = Command::new("cp").arg("-rT").arg(root().join(source)).arg(&directory).status().unwrap();
        assert!(copied.success());
    }
    let pg_config = installation.pg_config.canonicalize().unwrap();
    if is_bare {
        fs::remove_file(directory.join("mcspec.toml")).unwrap();
        fs::remove_dir_all(directory.join("specs")).unwrap();
    } else {
        configure(&directory, &pg_config);
    }
    for block in blocks(page) {
        if let Some(file) = block.file.filter(|_| block.kind != "console") {
            fs::create_dir_all(directory.join(file).parent().unwrap()).unwrap();
            fs::write(directory.join(file), block.text).unwrap();
        }
    }

    // What a terminal would show, of the version that is meant.
    let mcspec = env!("CARGO_BIN_EXE_mcspec");
    let version = if is_bare { format!("set -- --pg-config {pg_config:?} \"$@\"\n") } else { String::new() };
    let script = format!(
        "#!/bin/sh\ncommand=$1; shift\n{version}case \"$command $*\" in\n*--report*) ;;\nrun*) set -- --report pretty \"$@\" ;;\n\
         esac\nexec {mcspec:?} \"$command\" \"$@\"\n"
    );
    let bin = top.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("mcspec"), script).unwrap();
    fs::set_permissions(bin.join("mcspec"), Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    BTreeMap::from([("PATH".to_owned(), path), ("TMPDIR".to_owned(), top.display().to_string())])
}

/// Says in the `mcspec.toml` of a project where everything is.
fn configure(directory: &Path, pg_config: &Path) {
    let toml = fs::read_to_string(directory.join("mcspec.toml")).unwrap();
    // The libraries that come with the tutorial are in the tarball only: they are built as it says.
    let toml = toml.split("\nbuild = \"files\"").next().unwrap();
    let engine = root().join("target/engine");
    let also = format!("\n[engine]\npath = {engine:?}\n[profile.default]\npg_config = [{pg_config:?}]\n");
    fs::write(directory.join("mcspec.toml"), toml.to_owned() + &also).unwrap();
}

/// What is wrong with a page on a version, and the page as it should be.
fn check(page: &str, sources: &[&str], installation: &Installation) -> (Vec<String>, String) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let directory = open_directory();
    let environment = project(sources, page == BARE, &text, installation, directory.path());
    let (wrong, mended) = held_against(&text, |command| {
        if command.starts_with(SUITE) && !Programs::of(installation).regress.is_file() {
            return None;
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(directory.path().join("project"));
        let said = end(shell.env_remove("GITHUB_STEP_SUMMARY").envs(&environment).take()).stdout;
        Some(said.lines().filter(|line| !is_about_this_machine(line)).map(|l| l.to_owned() + "\n").collect())
    });
    let of_page = |wrong: String| format!("{page} on {}: {wrong}", installation.version.major());
    (wrong.into_iter().map(of_page).collect(), mended)
}

/// What is wrong with the text of a page by what its commands say, and the text as it should be. A command that cannot be tried says
/// nothing.
fn held_against(text: &str, mut said_by: impl FnMut(&str) -> Option<String>) -> (Vec<String>, String) {
    let (mut wrong, mut mended, mut checked) = (Vec::new(), text.to_owned(), 0);
    for block in blocks(text).iter().filter(|block| block.kind == "console") {
        let mut shown_now = String::new();
        for (command, shown) in commands(block.text) {
            checked += 1;
            match said_by(command) {
                Some(said) if !is_shown(shown, &said) => {
                    shown_now += &format!("$ {command}\n{said}");
                    wrong.push(format!("{command}\n--- as shown\n{}\n--- as said\n{}\n", masked(shown), masked(&said)));
                }
                _ => shown_now += &format!("$ {command}\n{shown}\n"),
            }
        }
        mended = mended
            .replace(&format!("```console\n{}```", block.text), &format!("```console\n{}\n```", shown_now.trim_end()));
    }
    assert!(checked > 0, "no block \"```console\" in {text}");
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
                PAGES.iter().map(|&(page, of)| scope.spawn(move || check(page, of, installation))).collect();
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

/// Whether somebody holds to a block: these tests, those of docs.rs, or the configuration's own reader.
fn is_held_to(page: &str, block: &Block) -> bool {
    let is_run = PAGES.iter().any(|(name, _)| *name == page);
    match block.kind {
        "mcspec" => page.starts_with("docs/"),
        "toml" => Config::parse(block.text, Path::new("mcspec.toml")).is_ok(),
        "console" => is_run,
        _ => is_run && block.file.is_some(),
    }
}

#[test]
fn what_nobody_executes_says_why() {
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        pages.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    let (mut wrong, mut held_to, mut excused) = (String::new(), 0, 0);
    for page in pages {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for block in blocks(&text) {
            let begin = block.text.lines().next().unwrap_or_default();
            match (is_held_to(&page, &block), block.reason) {
                (true, None) => held_to += 1,
                (false, Some(reason)) if !reason.is_empty() => {
                    excused += 1;
                    let elsewhere =
                        reason.split([' ', ',', ';']).filter(|word| word.contains('/') && word.ends_with(".rs"));
                    let gone = elsewhere.filter(|file| !root().join(file).is_file());
                    gone.for_each(|file| wrong += &format!("{page}: {begin:?}: there is no \"{file}\"\n"));
                }
                (true, Some(_)) => {
                    wrong += &format!("{page}: {begin:?} is executed, and a comment says that it is not\n")
                }
                (false, _) => {
                    wrong += &format!("{page}: {begin:?} is not executed, and \"{NOT_RUN}..\" before it is missing\n")
                }
            }
        }
        assert_eq!(text.matches("\n```").count() % 2, 0, "{page}: a fence is open");
        let fences = text.matches("\n```").count() / 2;
        assert_eq!(blocks(&text).len(), fences, "{page}: a block that is not seen");
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(held_to > 40 && excused < 80, "{held_to} and {excused}");
}

/// From the front page and from the table of contents.
#[test]
fn every_page_is_linked() {
    let [readme, contents] =
        ["README.md", "docs/SUMMARY.md"].map(|file| fs::read_to_string(root().join(file)).unwrap());
    let mut pages = 0;
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            assert!(readme.contains(&format!("(docs/{name})")), "README.md does not link docs/{name}");
            assert!(name == "SUMMARY.md" || contents.contains(&format!("({name})")), "SUMMARY.md does not link {name}");
            pages += 1;
        }
    }
    assert!(pages > 30 && readme.contains("](docs/pictures/report.png)"), "{pages}");
}

/// What differs is written anew, and nothing else; the page is right then.
#[test]
fn pages_are_blessed_as_commands_say() {
    let page = "So:\n\n```console\n$ one\nfirst     1.0 s\n...\n$ two\nold\n```\n\n```sh\n$ two\nold\n```\n\n```console\n$ none\nkept\n```\n";
    let says = |command: &str| match command {
        "one" => Some("first     3.0 s\nmore\nand more\n".to_owned()),
        "two" => Some("new\n\nnewer\n".to_owned()),
        _ => None,
    };
    let (wrong, mended) = held_against(page, says);
    assert_eq!(wrong, ["two\n--- as shown\nold\n--- as said\nnew\n\nnewer\n"]);
    assert_eq!(mended, page.replacen("$ two\nold\n", "$ two\nnew\n\nnewer\n", 1));
    let (wrong, again) = held_against(&mended, says);
    assert!(wrong.is_empty() && again == mended, "{wrong:?}");
}

#[test]
fn blocks_are_read_as_they_are_written() {
    let page = "The spec. `specs/a.mcspec`:\n\n```mcspec\ntitle 'a'\n```\n\nSo\n\n```console\n$ mcspec run a\nok\n...\n$ true\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].kind, found[0].file, found[0].text), ("mcspec", Some("specs/a.mcspec"), "title 'a'\n"));
    assert_eq!((found[1].kind, found[1].file), ("console", None));
    let excused = blocks("Once:\n\n<!-- not run: it takes an hour -->\n```sh\nmake all\n```\n");
    assert_eq!((excused[0].reason, excused[0].kind), (Some("it takes an hour"), "sh"));
    assert_eq!(commands(found[1].text), [("mcspec run a", "ok\n..."), ("true", "")]);
    assert!(is_shown("ok 1 - a      1.2 s\n...\nlast", "ok 1 - a     13 ms\nmore\n\nlast\n"));
    assert!(!is_shown("ok 1 - a      1.2 s\nlast", "ok 1 - a     13 ms\nmore\nlast\n"));
    assert!(is_shown("  from  f <- g <- ExecResult\n        <- PortalRun", "  from  f <- h\n"));
    assert!(!is_shown("  from  f <- g", "  from  e <- g"));
}
