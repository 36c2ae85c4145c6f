//! Faults of mcspec itself, and inputs that would make it large: what is said, and that everything else goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const GOOD: &str = "scenario window\n  workload   { SELECT 1 }\n  expect none\n";

/// A project with two specs.
fn project() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("mcspec.toml"), "").unwrap();
    fs::create_dir(directory.path().join("specs")).unwrap();
    for name in ["one", "two"] {
        fs::write(directory.path().join(format!("specs/{name}.mcspec")), GOOD).unwrap();
    }
    directory
}

/// Exit code, standard output and standard error, where mcspec fails at something; with an empty `fails` it does not.
fn mcspec(directory: &Path, fails: &str, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mcspec"))
        .current_dir(directory)
        .env_remove("RUST_BACKTRACE")
        .env("MCSPEC_TEST_PANIC", fails)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_internal_error_is_told_at_its_file_and_the_others_are_checked() {
    let directory = project();
    let (code, out, err) = mcspec(directory.path(), "load:one", &["check"]);
    assert_eq!((code, out.as_str()), (70, "2 specs, 1 not checked\n"), "{err}");
    let place = "ERROR: internal error: a test has asked for it (runner/src/panicked.rs:";
    assert!(err.starts_with(place) && err.contains("--> specs/one.mcspec:1:1"), "{err}");
    assert!(err.contains("HINT: this is a fault of mcspec"), "{err}");
    assert!(!err.contains("panicked at") && !err.contains("backtrace"), "{err}");
    assert_eq!(mcspec(directory.path(), "", &["check"]).0, 0);

    // Errors of others are told as well.
    fs::write(directory.path().join("specs/two.mcspec"), "scenarioo\n").unwrap();
    let (code, _, err) = mcspec(directory.path(), "load:one", &["check"]);
    assert!(code == 70 && err.contains("unknown clause \"scenarioo\""), "{code} {err}");
}

#[test]
fn the_files_beside_it_are_formatted_and_listed() {
    let directory = project();
    for name in ["one", "two"] {
        fs::write(directory.path().join(format!("specs/{name}.mcspec")), GOOD.replace("   {", " {")).unwrap();
    }
    let (code, out, err) = mcspec(directory.path(), "fmt:specs/one.mcspec", &["fmt"]);
    assert_eq!((code, out.as_str()), (70, "formatted  specs/two.mcspec\n"), "{err}");
    let (code, out, _) = mcspec(directory.path(), "load:one", &["list", "*"]);
    assert_eq!((code, out.as_str()), (70, "two  []\n"));
}

#[test]
fn an_internal_error_of_the_rest_has_an_end_as_well() {
    let directory = project();
    let (code, _, err) = mcspec(directory.path(), "command:", &["check"]);
    assert!(code == 70 && err.starts_with("mcspec: error: internal error: a test has asked for it ("), "{err}");
}

#[test]
fn an_internal_error_in_a_run_fails_its_spec_alone() {
    let directory = project();
    let major = std::env::var("MCSPEC_TEST_PG").unwrap_or_else(|_| "15".to_owned());
    let major = major.split([' ', ',']).next().unwrap();
    let run = ["run", "*", "--pg", major, "--report", "tap"];
    let (code, out, err) = mcspec(directory.path(), "run:one", &run);
    assert_eq!(code, 70, "{out}\n{err}");
    assert!(out.contains("not ok 1 - one") && out.contains("internal error: a test has asked for it"), "{out}");
    assert!(out.contains("\nok 2 - two"), "{out}\n{err}");
}

#[test]
fn more_errors_than_anybody_reads_are_counted() {
    let directory = project();
    fs::write(directory.path().join("specs/one.mcspec"), "iteratons 5\n".repeat(20_000)).unwrap();
    let (code, _, err) = mcspec(directory.path(), "", &["check"]);
    let shown = err.matches("unknown clause").count();
    assert_eq!((code, shown), (2, 100));
    assert!(
        err.ends_with("... and 19900 more errors\n\nmcspec: error: 20000 errors in the specs\n"),
        "{}",
        &err[err.len() - 200..]
    );

    let many = GOOD.replace("  expect none\n", &"  expect ctx_bloat\n".repeat(5000));
    fs::write(directory.path().join("specs/one.mcspec"), many).unwrap();
    let (code, out, err) = mcspec(directory.path(), "", &["check"]);
    assert_eq!((code, out.as_str()), (0, "2 specs, no errors, 4999 warnings\n"));
    assert!(err.contains("\n... and 4899 more warnings\n"), "{}", &err[err.len() - 200..]);
}

#[test]
fn combinations_of_matrices_are_counted_before_they_are_made() {
    let directory = project();
    let matrices: String = (0..7).map(|i| format!("matrix m{i} in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)\n")).collect();
    let text = matrices + "scenario window\n  workload   { SELECT :m0, :m1, :m2, :m3, :m4, :m5, :m6 }\n  expect none\n";
    fs::write(directory.path().join("specs/one.mcspec"), text).unwrap();
    let (code, _, err) = mcspec(directory.path(), "", &["check"]);
    assert_eq!(code, 2);
    assert!(err.contains("the matrices have 10000000 combinations of values, more than 500"), "{err}");
    assert!(
        err.contains("HINT: run it with one value of a matrix, as in -v m2=..., or run with --all-permutations"),
        "{err}"
    );
}

#[test]
fn files_that_have_no_end_are_refused() {
    let directory = project();
    fs::write(directory.path().join("specs/one.mcspec"), format!("include '/dev/zero'\n{GOOD}")).unwrap();
    let (code, _, err) = mcspec(directory.path(), "", &["check"]);
    assert!(code == 2 && err.contains("could not read \"/dev/zero\": it is larger than 16 MB"), "{err}");
    let pipe = directory.path().join("specs/pipe.mcspec");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(directory.path().join("specs/one.mcspec"), format!("include 'pipe.mcspec'\n{GOOD}")).unwrap();
    let (code, _, err) = mcspec(directory.path(), "", &["check", "specs/one.mcspec"]);
    assert!(code == 2 && err.contains("it is no regular file"), "{err}");
}

/// The most memory that a process has used so far, in megabytes.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

#[test]
fn what_a_step_returns_may_be_larger_than_what_is_kept() {
    let directory = project();
    let spec = "session a\nstep value { SELECT repeat('x', 300000000); }\n\
                step notice { DO $$ BEGIN RAISE NOTICE '%', repeat('x', 100000000); END $$; }\n\
                step rows { SELECT repeat('x', 1000000) FROM generate_series(1, 300); }\n\
                permutation value notice rows\n  expect none\n";
    fs::write(directory.path().join("specs/one.mcspec"), spec).unwrap();
    let major = std::env::var("MCSPEC_TEST_PG").unwrap_or_else(|_| "15".to_owned());
    let major = major.split([' ', ',']).next().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcspec"))
        .current_dir(directory.path())
        .args(["run", "one", "--pg", major])
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(status.success());
    // Without a limit it is three times the value.
    assert!(most < 400, "{most} MB");
}
