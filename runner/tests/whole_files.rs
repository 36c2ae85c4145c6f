//! What is written for the user is whole: on a disk that is full, in a directory that is closed, by several at the same time.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A project whose last run has found that many violations in each of these specs.
fn project(specs: &[(&str, usize)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("mcspec.toml", "");
    let names: Vec<String> = specs.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    write("results/run.json", &format!(r#"{{"format": 1, "ended": 1, "cases": [{}]}}"#, names.join(", ")));
    for &(name, number) in specs {
        write(&format!("results/{name}.json"), &result(name, number));
    }
    directory
}

fn result(name: &str, number: usize) -> String {
    let rows: Vec<String> = rows(number).map(|row| format!(r#"{{"row": "{row}", "bytes_per_iter": 100.0}}"#)).collect();
    format!(
        r#"{{"format": 1, "case": "{name}", "label": "{name}", "spec": "specs/{name}.mcspec", "status": "failed",
            "refusal": null, "faults": [], "golden": null, "elapsed_ms": 1, "left_out": [],
            "server": {{"major": 18, "assertions": false, "arch": "x86_64", "version": "", "engine": "", "settings": {{}}}},
            "scenarios": [{{"title": "scenario window", "iterations": 1, "warmup": 10, "failure": null, "findings": [],
                "windows": [], "messages": [], "elapsed_ms": 1, "rows": [{}]}}]}}"#,
        rows.join(", ")
    )
}

fn rows(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|n| format!("ctx_bloat|INFO|ctx {n:05}|64B..128B/iter|-|-"))
}

/// The golden of a spec with that many violations.
fn golden(name: &str, number: usize) -> String {
    let mut text = format!("mcspec golden 1\nspec {name}\n\nscenario window\n");
    rows(number).for_each(|row| writeln!(text, "{row}").unwrap());
    let count = if number == 1 { "1 violation".to_owned() } else { format!("{number} violations") };
    text + &format!("({count})\n")
}

/// Exit code, standard output and standard error of the binary, started by a shell that does this first.
fn after(first: &str, directory: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let script = format!("{first}; exec {} {arguments}", env!("CARGO_BIN_EXE_mcspec"));
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(directory).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_golden_that_does_not_fit_is_left_as_it_was_and_named() {
    let project = project(&[("a", 1), ("big", 1000), ("new", 1000), ("z", 2)]);
    let expected = project.path().join("expected");
    fs::create_dir(&expected).unwrap();
    fs::write(expected.join("big.out"), golden("big", 10)).unwrap();
    // Of 1024 bytes.
    let (code, stdout, stderr) = after("ulimit -f 8", project.path(), "bless");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stdout.ends_with(" ago\ncreated    expected/a.out\ncreated    expected/z.out\n"), "{stdout}");
    assert_eq!(
        stderr,
        "mcspec: error: could not write \"expected/big.out\": File too large (os error 27)\n\
         mcspec: error: could not write \"expected/new.out\": File too large (os error 27)\n"
    );
    assert_eq!(names(&expected), ["a.out", "big.out", "z.out"]);
    assert_eq!(fs::read_to_string(expected.join("big.out")).unwrap(), golden("big", 10));
    assert_eq!(fs::read_to_string(expected.join("z.out")).unwrap(), golden("z", 2));

    let (code, stdout, _) = after("true", project.path(), "bless");
    assert!(code == Some(0) && stdout.contains("updated    expected/big.out\n"), "{stdout}");
    assert_eq!(fs::read_to_string(expected.join("big.out")).unwrap(), golden("big", 1000));
}

#[test]
fn a_full_disk_takes_nothing_away() {
    let project = project(&[("big", 2000)]);
    let expected = project.path().join("expected");
    fs::create_dir(&expected).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&expected).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        // Past what captures the output of tests that pass.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no file system can be mounted here\n");
        return;
    }
    fs::write(expected.join("big.out"), golden("big", 100)).unwrap();
    let (code, stdout, stderr) = after("true", project.path(), "bless");
    let (left, text) = (names(&expected), fs::read_to_string(expected.join("big.out")).unwrap());
    let read_only = Command::new("mount").args(["-o", "remount,ro"]).arg(&expected).status().unwrap();
    let again = after("true", project.path(), "bless");
    assert!(Command::new("umount").arg(&expected).status().unwrap().success());

    assert_eq!(code, Some(2), "{stdout}");
    let message = "mcspec: error: could not write \"expected/big.out\": No space left on device (os error 28)\n";
    assert_eq!(stderr, message);
    assert_eq!((left, text), (vec!["big.out".to_owned()], golden("big", 100)));
    assert!(read_only.success());
    assert!(again.0 == Some(2) && again.2.contains("Read-only file system"), "{}", again.2);
}

#[test]
fn a_directory_that_takes_no_file_is_named() {
    let project = project(&[("a", 1)]);
    let expected = project.path().join("expected");
    fs::write(&expected, "a file").unwrap();
    let (code, stdout, _) = after("true", project.path(), "bless");
    assert!(code == Some(1) && stdout.contains("could not read \"expected/a.out\": Not a directory"), "{stdout}");
    assert_eq!(fs::read_to_string(&expected).unwrap(), "a file");

    fs::remove_file(&expected).unwrap();
    fs::create_dir(&expected).unwrap();
    fs::set_permissions(&expected, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may.
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let (code, _, stderr) = after("true", project.path(), "bless");
    assert!(code == Some(2) && stderr.contains("Permission denied"), "{stderr}");
}

#[test]
fn a_spec_that_does_not_fit_is_not_formatted() {
    let project = project(&[]);
    let statements = "SELECT 1; ".repeat(1000);
    let spec = format!("scenario window\n  workload {{ {statements}}}\n  expect none\n");
    for name in ["a.mcspec", "b.mcspec"] {
        fs::write(project.path().join(name), &spec).unwrap();
    }
    fs::write(project.path().join("c.mcspec"), "scenario window\n  workload { SELECT 1 }\n  expect none\n").unwrap();
    let (code, stdout, stderr) = after("ulimit -f 8", project.path(), "fmt a.mcspec b.mcspec c.mcspec");
    assert_eq!((code, stdout.as_str()), (Some(2), "formatted  c.mcspec\n"), "{stderr}");
    assert_eq!(stderr.matches(".mcspec\": File too large").count(), 2, "{stderr}");
    assert_eq!(fs::read_to_string(project.path().join("a.mcspec")).unwrap(), spec);
}
