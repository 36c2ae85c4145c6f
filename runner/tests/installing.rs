//! What is installed, by what is it found, and the files for CI: without a server.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn program(path: &Path, text: &str) {
    write(path, text);
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// The regular files below a directory, with what is in them.
fn files(top: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = walkdir::WalkDir::new(top)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn names(top: &Path) -> Vec<String> {
    files(top).into_iter().map(|(name, _)| name).collect()
}

/// A tree as `scripts/image.sh` lays it out, in small.
fn image(top: &Path, version: &str, also: &[&str]) {
    program(&top.join("bin/mcspec"), version);
    write(&top.join("lib/mcspec/engine/15/pg_ext_memcheck.so"), version);
    program(&top.join("share/mcspec/install"), &read("scripts/install.sh"));
    for name in also {
        write(&top.join(name), version);
    }
}

fn install(image: &Path, arguments: &[&str], destdir: &str) -> Output {
    let mut command = Command::new(image.join("share/mcspec/install"));
    command.args(arguments).env("DESTDIR", destdir).current_dir(image).output().unwrap()
}

#[test]
fn installing_replaces_by_rename_and_uninstalling_leaves_what_is_not_ours() {
    let top = tempfile::tempdir().unwrap();
    let (old, new, prefix) = (top.path().join("old"), top.path().join("new"), top.path().join("a prefix"));
    image(&old, "1", &["share/doc/mcspec/gone.md", "share/doc/mcspec/kept.md"]);
    image(&new, "2", &["share/doc/mcspec/kept.md", "share/man/man1/mcspec.1"]);
    write(&prefix.join("bin/other"), "theirs");
    let to = prefix.to_str().unwrap();

    let check = |image: &Path| {
        let done = install(image, &[to], "");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    check(&old);
    let in_use = fs::File::open(prefix.join("bin/mcspec")).unwrap();
    check(&new);
    check(&new);
    assert_eq!(std::io::read_to_string(in_use).unwrap(), "1", "whoever runs the old one goes on with it");
    let installed = files(&prefix);
    let mut expected = names(&new);
    expected.extend(["bin/other".to_owned(), "lib/mcspec/installed".to_owned()]);
    expected.sort();
    assert_eq!(installed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
    assert!(installed.contains(&("share/doc/mcspec/kept.md".to_owned(), "2".to_owned())));
    let mode = |name: &str| prefix.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bin/mcspec"), mode("share/doc/mcspec/kept.md")), (0o755, 0o644));

    let done = install(&prefix, &["--uninstall", to], "");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(names(&prefix), ["bin/other"]);
    assert!(!prefix.join("share").exists() && !prefix.join("lib").exists());
}

#[test]
fn installing_below_destdir_and_where_it_cannot_be() {
    let top = tempfile::tempdir().unwrap();
    let image_of = top.path().join("image");
    image(&image_of, "1", &[]);
    let destdir = top.path().join("stage");
    assert!(install(&image_of, &["/usr"], destdir.to_str().unwrap()).status.success());
    assert!(destdir.join("usr/bin/mcspec").is_file());

    let blocked = top.path().join("file");
    write(&blocked, "");
    for (arguments, expected) in [
        (vec![], "no PREFIX"),
        (vec!["--frm", "x"], "there is no option --frm"),
        (vec!["/a", "/b"], "more than one PREFIX"),
        (vec!["--uninstall", "/nonexistent"], "there is no /nonexistent/lib/mcspec/installed"),
        (vec![blocked.to_str().unwrap()], "cannot be written"),
        (vec![image_of.to_str().unwrap()], "is where it is already"),
    ] {
        let done = install(&image_of, &arguments, "");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(expected) && said.contains("HINT: "), "{arguments:?}: {said}");
    }
}

/// `mcspec engine` in a directory with one engine, for an installation that is none but for what it says.
fn engine(arguments: &[&str], path: &str) -> (i32, String, String) {
    let top = tempfile::tempdir().unwrap();
    let bin = top.path().join("pg/bin");
    let keys =
        ["BINDIR = bin", "PKGLIBDIR = lib", "LIBDIR = lib", "SHAREDIR = share", "INCLUDEDIR = include", "PGXS = x"];
    let more =
        ["PKGINCLUDEDIR", "INCLUDEDIR-SERVER", "DOCDIR", "MANDIR", "LOCALEDIR"].map(|key| format!("{key} = include"));
    let lines = keys.map(str::to_owned).into_iter().chain(more);
    let pg = top.path().join("pg");
    let lines: String =
        lines.map(|line| format!("echo '{}'\n", line.replace(" = ", &format!(" = {}/", pg.display())))).collect();
    program(&bin.join("pg_config"), &format!("#!/bin/sh\n{lines}echo 'VERSION = PostgreSQL 15.3'\n"));
    program(&bin.join("postgres"), "");
    for name in ["include/postgres.h", "x"] {
        write(&pg.join(name), "");
    }
    let toml = "[engine]\npath = \"engine\"\n[profile.default]\npg_config = [\"pg/bin/pg_config\"]\n";
    write(&top.path().join("mcspec.toml"), toml);
    let directory = top.path().join("engine/15");
    let library = "pg_ext_memcheck was built for PostgreSQL- 15.20 (Debian 15.20-0+deb12u1)\0";
    write(&directory.join("pg_ext_memcheck.so"), library);
    write(&directory.join("pg_ext_memcheck.control"), "");
    write(&directory.join("pg_ext_memcheck--1.0.sql"), "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcspec"));
    command.arg("engine").args(arguments).current_dir(top.path()).env("PATH", path).env("HOME", top.path());
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn engines_are_listed_with_the_servers_that_they_fit() {
    let (code, stdout, stderr) = engine(&["list"], "/usr/bin:/bin");
    assert_eq!(code, 0, "{stderr}");
    let expected = "PostgreSQL 15: \"engine/15/pg_ext_memcheck.so\", built for 15.20 (Debian 15.20-0+deb12u1)\n  fits 15.3 of \
                    \"pg/bin/pg_config\"\n";
    assert!(stdout.starts_with(expected), "{stdout}");
    assert!(stdout.contains("PostgreSQL 17: none in \"engine/17\"\n"), "{stdout}");
}

#[test]
fn without_rust_the_engine_is_not_built_and_the_way_to_it_is_named() {
    let (code, _, stderr) = engine(&["build", "--pg-config", "pg/bin/pg_config"], "/nonexistent");
    assert_eq!(code, 2);
    let expected = "mcspec: error: the engine is built by \"cargo\", which is not there\n\
                    mcspec: hint: install Rust by rustup, as https://rustup.rs says\n";
    assert_eq!(stderr, expected);
}

#[test]
fn the_tutorial_shows_its_files() {
    let page = read("docs/tutorial.md");
    let spec = read("contrib/tutorial/specs/lookup.mcspec");
    assert!(page.contains(&format!("```mcspec\n{spec}```")), "{spec}");
    let source = read("contrib/tutorial/words.c");
    let line = 1 + source.lines().position(|line| line.contains("last_word = MemoryContextStrdup")).unwrap();
    assert!(page.contains(&format!("./words.c:{line}")) && page.contains(&format!("at line {line}")), "line {line}");
    for name in ["docs/tutorial.md", "docs/installing.md"] {
        let tarball = format!("mcspec-{}-linux-x86_64.tar.gz", env!("CARGO_PKG_VERSION"));
        assert!(read(name).contains(&tarball), "{name}");
    }
}

#[test]
fn files_for_ci_are_what_github_and_gitlab_take() {
    let done = Command::new(root().join("tests/ci/lint")).output().expect("python3");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    match done.status.code() {
        Some(0) => {}
        // No npm, or nowhere to get the tools from
        Some(77) => eprintln!("{said}"),
        _ => panic!("{said}"),
    }
}
