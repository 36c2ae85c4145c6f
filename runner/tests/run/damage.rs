//! Specs that damage their server: each is told so, and those behind it have another one.

use crate::project::Project;

const GOOD: &str = "golden none\nscenario window\n  workload { SELECT 1 }\n  expect none\n";

/// A spec that does this to its server, once.
fn spec(statements: &str) -> String {
    format!(
        "golden none\nscenario window\n  warmup 0\n  workload {{ SELECT 1 }}\n  teardown {{ {statements} }}\n  expect none\n"
    )
}

/// A program that the server runs in its data directory.
fn program(command: &str) -> String {
    format!("COPY (SELECT 1) TO PROGRAM '{command}'")
}

/// Stops a process of the server.
fn stopped(kind: &str) -> String {
    format!(
        "COPY (SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}') TO PROGRAM 'xargs kill -STOP'; SELECT pg_sleep(0.1)"
    )
}

#[test]
fn a_damaged_server_is_replaced_and_whoever_did_it_is_told() {
    let unusable = "the server cannot be used after the spec: ";
    let other = "later specs have another server";
    let reload = "SELECT pg_reload_conf(), pg_sleep(0.2)";
    let table = [
        (program("rm -rf base"), "not ok", unusable),
        (program("rm global/pg_control"), "not ok", "global/pg_control"),
        (program("rm base/4/1249"), "not ok", "\"base/4/1249\" is gone"),
        // Nobody sees it before it is used.
        (program("dd if=/dev/zero of=base/4/1259 bs=8192 count=1 conv=notrunc 2>/dev/null"), "ok", ""),
        ("ALTER ROLE postgres NOLOGIN".to_owned(), "not ok", "role \"postgres\" is not permitted to log in"),
        ("ALTER ROLE postgres SET work_mem = '64kB'".to_owned(), "ok", other),
        (
            "ALTER SYSTEM SET shared_buffers = '1TB'".to_owned(),
            "ok",
            "\"postgresql.auto.conf\" was changed: later specs",
        ),
        (
            format!("ALTER SYSTEM SET session_preload_libraries = 'nonesuch'; {reload}"),
            "not ok",
            "could not access file \"nonesuch\"",
        ),
        (program("kill -9 $(head -1 postmaster.pid)"), "not ok", "the postmaster (PID "),
        (program("cat >/dev/null; kill -STOP $(head -1 postmaster.pid)"), "not ok", "the postmaster is stopped"),
        (stopped("checkpointer"), "not ok", "checkpointer) is stopped (SIGSTOP)"),
        (stopped("walwriter"), "not ok", "walwriter) is stopped (SIGSTOP)"),
        // What it has added is in nobody's way.
        ("CREATE ROLE more SUPERUSER".to_owned(), "ok", ""),
    ];
    let project = Project::new(&[("specs/good.mcspec", GOOD)]);
    let mut schedule = String::new();
    for (number, (statements, ..)) in table.iter().enumerate() {
        project.write(&format!("specs/bad{number}.mcspec"), &spec(statements));
        project.write(&format!("specs/good{number}.mcspec"), GOOD);
        schedule += &format!("test: bad{number}\ntest: good{number}\n");
    }
    project.write("schedule", &schedule);
    let ended = project.run("-j 1");
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let said = |name: &str| {
        let all = ended.stdout.split("\nok ").flat_map(|part| {
            let mut parts = part.split("\nnot ok ");
            let first = parts.next().map(|part| ("ok", part));
            first.into_iter().chain(parts.map(|part| ("not ok", part)))
        });
        let is_it = |part: &str| part.split_whitespace().nth(2) == Some(name);
        all.into_iter().find(|(_, part)| is_it(part)).unwrap_or_else(|| panic!("{name}: {}", ended.stdout))
    };
    for (number, (statements, status, words)) in table.iter().enumerate() {
        let (ended_so, text) = said(&format!("bad{number}"));
        assert!(status.is_empty() || ended_so == *status, "{statements}: {ended_so} {text}");
        assert!(text.contains(words), "{statements}: {text}");
        assert_eq!(text.contains(other), status == &"ok" && !words.is_empty(), "{statements}: {text}");
        let (ended_so, text) = said(&format!("good{number}"));
        // No note, no line of a log.
        let lines = text.lines().filter(|line| !line.starts_with("# ")).count();
        assert!((ended_so, lines) == ("ok", 1) && !text.contains('('), "after {statements}: {text}");
    }
}
