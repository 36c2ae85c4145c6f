//! Crates under `build = "cargo"`. The pgrx of those here is a few lines, so that they compile in a moment: what is tried is what
//! mcspec makes of a crate, however it lies in its workspace. `cargo test -p mcspec --test all -- --ignored crates::` builds crates of
//! pgrx itself, which takes minutes for each version.

mod stub;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::project::{Project, end, open_directory, wait};
use stub::{Graph, files_of};
use tempfile::TempDir;

/// A project of crates, and the directory that its runs keep things in.
struct Crates {
    project: Project,
    cache: TempDir,
}

impl Crates {
    fn with(toml: &str, files: &[(String, String)]) -> Self {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let project = Project::new(&files);
        let engine = project.read("mcspec.toml").lines().take(2).collect::<Vec<_>>().join("\n");
        project.write("mcspec.toml", &format!("{engine}\n{toml}"));
        Self { project, cache: open_directory() }
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.project.mcspec(arguments);
        command.env("XDG_CACHE_HOME", self.cache.path());
        for variable in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
            command.env_remove(variable);
        }
        command
    }

    /// A statement on a server with the extension.
    fn query(&self, extension: &str, sql: &str) -> Command {
        let mut command = self.command("exec --pg-config");
        command.arg(self.project.pg_config());
        command.args(["--extension", extension, "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command
    }

    /// What a statement returns where all is well.
    #[track_caller]
    fn answer(&self, extension: &str, sql: &str) -> String {
        let ended = end(self.query(extension, sql));
        assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
        ended.stdout.trim_end().to_owned()
    }
}

/// One crate with everything as `cargo pgrx new` has it.
fn plain(graph: Graph) -> Vec<(String, String)> {
    let mut files = files_of("", "leaky", graph);
    files.extend(stub::pgrx(graph));
    files
}

const TWO_LINES: &str = "[extension.leaky]\nbuild = \"cargo\"\n";

/// A spec that has the leak of [`stub`] for a finding.
const SPEC: &str = "\
extension leaky

scenario growth_benchmark leak
  workload { SELECT leaky_leak(); }
  expect none
";

#[test]
fn two_lines_give_a_verdict_with_lines_and_leave_the_checkout_alone() {
    for graph in [Graph::Functions, Graph::Section] {
        let mut files = plain(graph);
        files.push(("specs/leaky.mcspec".into(), SPEC.into()));
        let crates = Crates::with(TWO_LINES, &files);
        let before = crates.project.files();
        for _ in 0..2 {
            let mut run = crates.command("run --pg-config");
            run.arg(crates.project.pg_config());
            let ended = end(run);
            assert_eq!(ended.code, 1, "{graph:?}: {}{}", ended.stdout, ended.stderr);
            let line = stub::line_of("MemoryContextAlloc(TopMemoryContext");
            assert!(ended.stdout.contains(&format!("src/lib.rs:{line}")), "{graph:?}: {}", ended.stdout);
        }
        assert_eq!(crates.project.files().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{graph:?}");
        // What mcspec itself writes is nothing that it would have to be built again for.
        for name in ["mcspec-results/.gitignore", "goldens/leaky.out", "specs/other.mcspec"] {
            crates.project.write(name, "");
        }
        assert_eq!(crates.answer("leaky", "CREATE EXTENSION leaky; SELECT leaky_is('quiet')"), "t");
        let built = fs::read_dir(crates.cache.path().join("mcspec/built")).expect("kept").count();
        assert_eq!(built, 1, "{graph:?}");
    }
}

/// A virtual workspace with two extensions, of which one is in a sub-folder, in a package of another name, with a library of a third.
fn workspace(graph: Graph) -> Vec<(String, String)> {
    let mut files = stub::pgrx(graph);
    files.push((
        "Cargo.toml".into(),
        "[workspace]\nmembers = [\"ext/*\", \"tool\"]\nresolver = \"2\"\n\n[profile.dist]\ninherits = \"dev\"\n".into(),
    ));
    files.extend(files_of("ext/leaky/", "leaky", graph));
    files.extend(files_of("ext/other/", "other", graph));
    files.push((
        "tool/Cargo.toml".into(),
        "[package]\nname = \"tool\"\nversion = \"1.0.0\"\nedition = \"2021\"\n".into(),
    ));
    files.push(("tool/src/main.rs".into(), "fn main() {}\n".into()));
    for (name, text) in &mut files {
        if name == "ext/other/Cargo.toml" {
            *text = text
                .replace("name = \"other\"", "name = \"other-package\"")
                .replace("[lib]\n", "[lib]\nname = \"third\"\n")
                .replace("pgrx_embed_other", "pgrx_embed_third");
        }
        if name.starts_with("ext/") && name.ends_with("/Cargo.toml") {
            *text = text.replace("[workspace]\n", "").replace("path = \"pgrx\"", "path = \"../../pgrx\"");
        }
    }
    files
}

#[test]
fn members_of_a_workspace_are_found_by_name_control_file_and_package() {
    let toml = "[extension.leaky]\nbuild = \"cargo\"\n[extension.other]\nbuild = \"cargo\"\npath = \"tool\"\n\
                    [extension.by_package]\nbuild = \"cargo\"\npackage = \"other-package\"\nprovides = \"other\"\n\
                    profile = \"dist\"\nfeatures = [\"loud\"]\n";
    let crates = Crates::with(toml, &workspace(Graph::Functions));
    let built = "SELECT leaky_is('debug'), leaky_is('loud'), leaky_is('quiet')";
    assert_eq!(crates.answer("leaky", &format!("CREATE EXTENSION leaky; {built}")), "f|f|t");
    let built = built.replace("leaky_", "other_");
    assert_eq!(crates.answer("other", &format!("CREATE EXTENSION other; {built}")), "f|f|t");
    assert_eq!(crates.answer("by_package", &format!("CREATE EXTENSION other; {built}")), "t|t|t");
}

#[test]
fn versions_in_control_files_scripts_and_libraries() {
    let mut files = plain(Graph::Section);
    for (name, text) in &mut files {
        if name == "leaky.control" {
            *text =
                text.lines().filter(|line| !line.starts_with("module_pathname")).map(|l| format!("{l}\n")).collect();
        }
    }
    let update = "CREATE FUNCTION new() RETURNS text LANGUAGE sql AS $$SELECT '@CARGO_VERSION@'$$;\n";
    for (name, text) in [
        ("sql/leaky--1.2.3--1.3.sql", update),
        ("sql/leaky--0.9.sql", "SELECT nothing;\n"),
        ("sql/other--1.2.3--1.3.sql", "SELECT nothing;\n"),
    ] {
        files.push((name.to_owned(), text.to_owned()));
    }
    let crates = Crates::with(TWO_LINES, &files);
    let sql = "CREATE EXTENSION leaky; SELECT leaky_is('quiet'), probin FROM pg_proc WHERE proname = 'leaky_is'; \
               ALTER EXTENSION leaky UPDATE TO '1.3'; SELECT new(), extversion FROM pg_extension WHERE extname = 'leaky'; \
               SELECT version FROM pg_available_extension_versions WHERE name = 'leaky' ORDER BY 1";
    assert_eq!(crates.answer("leaky", sql), "t|$libdir/leaky-1.2.3\n1.2.3|1.3\n1.2.3\n1.3");
}

/// What is said where an extension does not build.
#[track_caller]
fn complaint(command: Command) -> String {
    let ended = end(command);
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    ended.stderr
}

/// The files with the text of one of them changed.
fn changed(mut files: Vec<(String, String)>, name: &str, change: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let file = files.iter_mut().find(|(other, _)| other == name).expect("it is there");
    file.1 = change(&file.1);
    files
}

#[test]
fn what_is_wrong_with_a_crate_is_said_as_cargo_says_it() {
    let section = || plain(Graph::Section);
    let said = |toml: &str, files: &[(String, String)]| {
        let crates = Crates::with(toml, files);
        complaint(crates.query("leaky", "SELECT 1"))
    };

    let files = changed(section(), "src/lib.rs", |text| text.replace("keep(100)", "keep(\"100\")"));
    let message = said(TWO_LINES, &files);
    assert!(message.contains("extension \"leaky\" does not build: cargo failed with exit status: 101"), "{message}");
    assert!(message.contains("error[E0308]: mismatched types\n  --> src/lib.rs:"), "{message}");

    let message = said("[extension.leaky]\nbuild = \"cargo\"\npackage = \"lost\"\n", &section());
    assert!(message.contains("there is no package \"lost\" in the workspace, but "), "{message}");
    let message = said("[extension.leaky]\nbuild = \"cargo\"\nfeatures = \"lost\"\n", &section());
    assert!(message.contains("lost"), "{message}");
    let message = said("[extension.leaky]\nbuild = \"cargo\"\nprofile = \"lost\"\n", &section());
    assert!(message.contains("profile `lost`"), "{message}");

    let files = changed(section(), "Cargo.toml", |text| text.replace("\"cdylib\", ", ""));
    let message = said(TWO_LINES, &files);
    assert!(message.contains("package \"leaky\" builds no \"cdylib\", which is what PostgreSQL loads"), "{message}");

    let crates = Crates::with(TWO_LINES, &[("Cargo.tom".to_owned(), String::new())]);
    let message = complaint(crates.query("leaky", "SELECT 1"));
    assert!(message.contains("could not find `Cargo.toml`"), "{message}");

    let crates = Crates::with(TWO_LINES, &section());
    let mut without_cargo = crates.query("leaky", "SELECT 1");
    without_cargo.env_remove("CARGO").env("PATH", "/usr/bin:/bin");
    if !["/usr/bin/cargo", "/bin/cargo"].iter().any(|path| fs::exists(path).is_ok_and(|is_there| is_there)) {
        let message = complaint(without_cargo);
        assert!(message.contains("could not run cargo") || message.contains("\"cargo\""), "{message}");
        assert!(message.contains("rustup"), "{message}");
    }
}

/// cargo-pgrx, as far as it is needed: its version, and what it packages.
const CARGO_PGRX: &str = r#"#!/bin/sh
set -e
if [ "$2" = --version ]; then echo "cargo-pgrx VERSION"; exit; fi
test "$2" = package
echo "$@" > "$TOLD"
while [ $# -gt 0 ]; do
  case $1 in --out-dir) out=$2 ;; --pg-config) pg_config=$2 ;; esac
  shift
done
share=$out$("$pg_config" --sharedir)/extension
mkdir -p "$share"
cp leaky.control "$share"
echo "CREATE FUNCTION packaged() RETURNS int LANGUAGE sql AS 'SELECT 1';" > "$share/leaky--1.2.3.sql"
"#;

#[test]
fn cargo_pgrx_packages_what_has_no_description() {
    for graph in [Graph::Functions, Graph::Section] {
        let strange = |text: &str| text.replace(".pgrxsc", ".other").replace("fn $describe", "fn other");
        let files = changed(plain(graph), "pgrx/src/lib.rs", |text| match graph {
            // One object is enough for its library.
            Graph::Functions => text.replace("#[no_mangle]\n        pub extern \"Rust\"", "pub extern \"Rust\""),
            Graph::Section => strange(text),
        });
        let files = changed(files, "leaky.control", |text| text.replace("@CARGO_VERSION@", "1.2.3"));
        let version = match graph {
            Graph::Functions => "0.16.1",
            Graph::Section => "0.18.1",
        };
        let crates = Crates::with(TWO_LINES, &files);
        let tools = open_directory();
        let told = tools.path().join("told");
        let install = |version: &str| {
            let program = tools.path().join("cargo-pgrx");
            fs::write(&program, CARGO_PGRX.replace("VERSION", version)).expect("written");
            fs::set_permissions(program, Permissions::from_mode(0o755)).expect("set");
        };
        let query = |sql: &str| {
            let mut command = crates.query("leaky", sql);
            let path = std::env::var("PATH").expect("set");
            command.env("PATH", format!("{}:{path}", tools.path().display())).env("TOLD", &told);
            command
        };

        install("0.11.0");
        let message = complaint(query("SELECT 1"));
        assert!(message.contains("its install script could not be made: "), "{message}");
        let hint = format!("cargo install --locked cargo-pgrx --version ={version}");
        assert!(message.to_lowercase().contains(&hint), "{message}");

        install(version);
        // That package has no library, so that none was looked at.
        let ended = end(query("CREATE EXTENSION leaky; SELECT packaged()"));
        assert_eq!((ended.code, ended.stdout.trim_end()), (1, "1"), "{}", ended.stderr);
        assert!(ended.stderr.contains("no library under test was loaded"), "{}", ended.stderr);
        let told = fs::read_to_string(&told).expect("it was called");
        let major = crates.project.major();
        assert!(told.contains(&format!("--features pg{major},quiet --pg-config ")), "{told}");
    }
}

#[test]
fn a_library_without_sql_objects_has_an_empty_script() {
    let only_hooks = "pgrx::pg_module_magic!();\n\n#[no_mangle]\npub extern \"C\" fn _PG_init() {}\n";
    let crates = Crates::with(TWO_LINES, &changed(plain(Graph::Section), "src/lib.rs", |_| only_hooks.to_owned()));
    assert_eq!(crates.answer("leaky", "CREATE EXTENSION leaky; LOAD 'leaky'; SELECT 1"), "1");
}

#[test]
fn runs_at_the_same_time_build_one_after_the_other() {
    let crates = Crates::with(TWO_LINES, &plain(Graph::Functions));
    let before = crates.project.files();
    let start = || {
        let mut command = crates.query("leaky", "CREATE EXTENSION leaky; SELECT leaky_is('quiet')");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    };
    for ended in [start(), start(), start()].map(wait) {
        assert_eq!((ended.code, ended.stdout.trim_end()), (0, "t"), "{}", ended.stderr);
    }
    assert!(crates.project.files() == before);
}

/// A crate of pgrx itself.
fn real(version: &str) -> Vec<(String, String)> {
    let (has_embed, edition) = (version < "=0.18", "2021");
    let mut manifest = format!(
        "[workspace]\n\n[package]\nname = \"leaky\"\nversion = \"1.2.3\"\nedition = \"{edition}\"\n\n\
         [lib]\ncrate-type = [\"cdylib\", \"lib\"]\n\n[features]\ndefault = [\"pg13\"]\npg13 = [\"pgrx/pg13\"]\n\
         pg15 = [\"pgrx/pg15\"]\npg16 = [\"pgrx/pg16\"]\npg17 = [\"pgrx/pg17\"]\npg18 = [\"pgrx/pg18\"]\n\n\
         [dependencies]\npgrx = \"{version}\"\n\n[profile.release]\nlto = false\n"
    );
    let code = "use pgrx::prelude::*;\n\npgrx::pg_module_magic!();\n\n#[inline(never)]\nfn keep(bytes: usize) -> usize {\n    \
                std::hint::black_box(unsafe { pg_sys::MemoryContextAlloc(pg_sys::TopMemoryContext, bytes) as usize })\n}\n\n\
                #[pg_extern]\nfn leaky_leak() -> bool {\n    keep(100) != 0\n}\n\n\
                #[pg_extern]\nfn leaky_upper(text: &str) -> String {\n    text.to_uppercase()\n}\n";
    let mut files = vec![
        ("src/lib.rs".to_owned(), code.to_owned()),
        (
            "leaky.control".to_owned(),
            "comment = 'x'\ndefault_version = '@CARGO_VERSION@'\nmodule_pathname = '$libdir/leaky'\nrelocatable = false\nsuperuser = true\n".to_owned(),
        ),
    ];
    if has_embed {
        manifest += "\n[[bin]]\nname = \"pgrx_embed_leaky\"\npath = \"src/bin/pgrx_embed.rs\"\n";
        files.push(("src/bin/pgrx_embed.rs".to_owned(), "::pgrx::pgrx_embed!();\n".to_owned()));
    }
    files.push(("Cargo.toml".to_owned(), manifest));
    files.push(("specs/leaky.mcspec".to_owned(), SPEC.to_owned()));
    files
}

/// The versions of `MCSPEC_TEST_PGRX`, or one of each way of describing objects. Those from 0.19 on want a compiler that is newer
/// than this repository's, as by `RUSTUP_TOOLCHAIN=nightly`.
#[test]
#[ignore = "compiles pgrx, which takes minutes for each version"]
fn crates_of_pgrx_itself() {
    let versions = std::env::var("MCSPEC_TEST_PGRX").unwrap_or_else(|_| "=0.12.9 =0.16.1 =0.18.1".to_owned());
    for version in versions.split_whitespace() {
        let crates = Crates::with(TWO_LINES, &real(version));
        let before: Vec<String> = crates.project.files().into_keys().collect();
        let mut run = crates.command("run --pg-config");
        if let Ok(toolchain) = std::env::var("MCSPEC_TEST_TOOLCHAIN") {
            run.env("RUSTUP_TOOLCHAIN", toolchain).env("CARGO", "cargo");
        }
        run.arg(crates.project.pg_config());
        let ended = end(run);
        assert_eq!(ended.code, 1, "{version}: {}{}", ended.stdout, ended.stderr);
        assert!(
            ended.stdout.contains("leaky::keep") || ended.stdout.contains("src/lib.rs:7"),
            "{version}: {}",
            ended.stdout
        );
        assert_eq!(crates.project.files().into_keys().collect::<Vec<_>>(), before, "{version}");
    }
}
