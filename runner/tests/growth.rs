//! The work for a file grows as the file does, whatever it consists of: ten times the file is ten times the work.

use std::fmt::Write;
use std::time::Duration;

use mcspec::language::{SourceFile, format};
use mcspec::plan::{Defaults, Environment, Overrides, cases, load_source};
use nix::time::{ClockId, clock_gettime};

/// A file with so many of something.
type Make = fn(usize) -> String;

/// So many lines.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        writeln!(text, "{}", line(i)).expect("a string takes all");
        text
    })
}

const SCENARIO: &str = "scenario window\n  workload { SELECT 1 }\n";

/// Files of one thing many times, correct ones and others.
const FILES: &[(&str, Make)] = &[
    ("expects", |n| SCENARIO.to_owned() + &lines(n, |i| format!("  expect ctx_bloat in 'a{i}' count 1"))),
    ("expects of errors", |n| SCENARIO.to_owned() + &lines(n, |_| "  expect ctx_blot".to_owned())),
    ("expects of nothing", |n| {
        SCENARIO.to_owned() + "  expect none\n" + &lines(n, |_| "  expect ctx_bloat".to_owned())
    }),
    ("expects in lines of one", |n| SCENARIO.to_owned() + &" expect no ctx_bloat".repeat(n)),
    ("scenarios", |n| lines(n, |i| format!("scenario window s{i}\n  workload {{ SELECT {i} }}\n  expect none"))),
    ("scenarios of one name", |n| lines(n, |_| "scenario window s\n  workload { SELECT 1 }\n".to_owned())),
    ("scenarios without workload", |n| lines(n, |i| format!("scenario window s{i}"))),
    ("workloads", |n| "scenario window\n".to_owned() + &lines(n, |i| format!("  workload w{i} {{ SELECT 1 }}"))),
    ("statements", |n| format!("scenario window\n workload {{ {} }}\n expect none\n", "SELECT :i; ".repeat(n))),
    ("variables in SQL", |n| {
        format!("var x = 1\nscenario window\n workload {{ SELECT {}1 }}\n", ":x + :y + ".repeat(n))
    }),
    ("variables", |n| lines(n, |i| format!("var v{i} = 1")) + SCENARIO),
    ("variables of one name", |n| lines(n, |_| "var v = 1".to_owned()) + SCENARIO),
    ("values of a matrix", |n| format!("matrix m in ({})\n{SCENARIO}", vec!["1"; n].join(", "))),
    ("different values of a matrix", |n| {
        let values: Vec<String> = (0..n).map(|i| format!("'<{i}'")).collect();
        format!("matrix m in ({})\n{SCENARIO}", values.join(", "))
    }),
    ("matrices", |n| lines(n, |i| format!("matrix m{i} in (1, 2, 3)")) + SCENARIO),
    ("tags", |n| format!("tags {}\n{SCENARIO}", lines(n, |i| format!("t{i},")) + "t")),
    ("settings", |n| lines(n, |i| format!("set a.b{i} = 'x', :y")) + SCENARIO),
    ("conditions", |n| format!("requires {}\n{SCENARIO}", lines(n, |i| format!("pg > 1{i},")) + "pg > 1")),
    ("extensions", |n| lines(n, |i| format!("extension e{i}")) + SCENARIO),
    ("requirements", |n| lines(n, |i| format!("requires extension e{i}\nrequires e{i} > '1'")) + SCENARIO),
    ("lines of conf", |n| format!("conf {{\n{}}}\n{SCENARIO}", lines(n, |i| format!("a.b{i} = 1 # x")))),
    ("setups", |n| "tags a\n".to_owned() + &lines(n, |_| "setup { SELECT 1 }".to_owned()) + SCENARIO),
    ("copies from the client", |n| format!("setup {{ {} }}\n{SCENARIO}", "COPY a FROM STDIN; ".repeat(n))),
    ("sessions", |n| lines(n, |i| format!("session s{i}\nstep t{i} {{ SELECT 1 }}")) + "permutation t0\n"),
    ("sessions of one name", |n| lines(n, |i| format!("session s\nstep t{i} {{ SELECT 1 }}")) + "permutation t0\n"),
    ("sessions without steps", |n| lines(n, |i| format!("session s{i}"))),
    ("sessions in all orders", |n| lines(n, |i| format!("session s{i}\nstep t{i} {{ SELECT 1 }}"))),
    ("steps", |n| "session s\n".to_owned() + &lines(n, |i| format!("step t{i} {{ SELECT 1 }}"))),
    ("steps of one name", |n| "session s\n".to_owned() + &lines(n, |_| "step t { SELECT 1 }".to_owned())),
    ("launches", |n| {
        let session = |s| format!("session {s}\n") + &lines(n, |i| format!("step {s}{i} {{ SELECT 1 }}"));
        session("a") + &session("b") + "permutation" + &lines(n, |i| format!(" a{i} b{i}(*, a{i})"))
    }),
    ("permutations", |n| {
        "session a\nstep x { SELECT 1 }\nsession b\nstep y { SELECT 1 }\n".to_owned()
            + &lines(n, |_| "permutation x y(x)\n expect none".to_owned())
    }),
    ("permutations of unknown steps", |n| {
        "session a\nstep x { SELECT 1 }\n".to_owned() + &lines(n, |i| format!("permutation x{i}"))
    }),
    ("unclosed blocks", |n| lines(n, |_| "setup { SELECT 1".to_owned())),
    ("unclosed blocks in dollars", |n| lines(n, |i| format!("setup $a{i}$ SELECT 1"))),
    ("unclosed strings", |n| lines(n, |_| "title 'a".to_owned())),
    ("unclosed strings in blocks", |n| lines(n, |_| "setup { SELECT 'a }".to_owned())),
    ("unclosed names in blocks", |n| lines(n, |_| "setup { SELECT \"a }".to_owned())),
    ("unclosed comments in blocks", |n| lines(n, |_| "setup { SELECT /* a }".to_owned())),
    ("unclosed blocks of conf", |n| lines(n, |_| "conf {\nsetup".to_owned())),
    ("blocks in blocks", |n| format!("setup {{ {}{} }}\n{SCENARIO}", "{".repeat(n), "}".repeat(n))),
    ("blocks on a line", |n| " setup { a }".repeat(n) + "\n" + SCENARIO),
    ("strings on a line", |n| format!("tags x {} \n{SCENARIO}", "'a' ".repeat(n))),
    ("patterns on a line", |n| format!("{SCENARIO} watch {}'a'\n", "'a''b', ".repeat(n))),
    ("quotes in a string", |n| format!("title '{}'\n{SCENARIO}", "''".repeat(n))),
    ("a long word", |n| format!("tags {}\n{SCENARIO}", "a".repeat(n))),
    ("a long wrong word", |n| format!("{SCENARIO} expect {}\n", "ctx_bloat".repeat(n))),
    ("a long unknown clause", |n| format!("{}\n{SCENARIO}", "scenario".repeat(n))),
    ("a long number", |n| format!("retries {}\n{SCENARIO}", "1".repeat(n))),
    ("a long regular expression", |n| format!("normalize '{}' => ''\n{SCENARIO}", "a".repeat(n))),
    ("unknown clauses", |n| lines(n, |_| "iteratons 5".to_owned())),
    ("unknown clauses unlike any", |n| lines(n, |_| "xyzzy 5".to_owned())),
    ("unknown clauses on a line", |n| "iteratons 5 ".repeat(n)),
    ("clauses cut short", |n| lines(n, |_| "tags".to_owned())),
    ("clauses with too much", |n| lines(n, |_| "retries 1 x".to_owned())),
    ("clauses in the wrong place", |n| SCENARIO.to_owned() + &lines(n, |_| "retries 1".to_owned())),
    ("clauses given twice", |n| lines(n, |_| "retries 1".to_owned())),
    ("signs", |n| "(".repeat(n)),
    ("signs on lines", |n| "(\n".repeat(n)),
    ("brackets", |n| format!("{SCENARIO} expect ctx_bloat {}\n", "(".repeat(n))),
    ("comments", |n| lines(n, |_| "# a".to_owned()) + SCENARIO),
    ("comments in a clause", |n| format!("tags a, {}b\n{SCENARIO}", "# c\n".repeat(n))),
    ("blank lines", |n| "\n".repeat(n) + SCENARIO),
    ("blanks", |n| " ".repeat(n) + SCENARIO),
    ("blanks behind words", |n| format!("tags{}a\n{SCENARIO}", " ".repeat(n))),
    ("nulls", |n| "\0".repeat(n)),
    ("exemptions", |n| lines(n, |i| format!("skip when pg > {i}00000 'x'")) + SCENARIO),
    ("preloads", |n| lines(n, |i| format!("preload 'l{i}'")) + SCENARIO),
    ("patterns", |n| SCENARIO.to_owned() + &lines(n, |i| format!("watch 'a{i}%'\nallow 'b{i}%'"))),
    ("rules", |n| lines(n, |i| format!("normalize 'a{i}' => 'x'")) + SCENARIO),
    ("rows", |n| {
        let rows: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
        format!("scenario query_peak\n rows in ({})\n workload {{ SELECT :rows }}\n", rows.join(", "))
    }),
];

/// All that is done with a spec without a server.
fn work(text: &str) {
    let source = SourceFile::new("x.mcspec", text);
    drop(format(&source));
    let shown = |errors: usize| assert!(errors > 0);
    match load_source("x", source) {
        Ok(loaded) => {
            drop(loaded.warnings(true));
            let environment = Environment::nominal(180_000);
            let defaults = Defaults { all_permutations: true, ..Defaults::default() };
            match cases(&loaded, &environment, &Overrides::default(), defaults) {
                Ok(_) => {}
                Err(problems) => shown(problems.len()),
            }
        }
        Err(problems) => shown(problems.len()),
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

/// The time of this processor for it, at best.
fn time_for(text: &str, times: usize) -> Duration {
    let once = || {
        let started = processor_time();
        work(text);
        processor_time() - started
    };
    (0..times).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn work_grows_with_the_file() {
    const TIMES: usize = 16;
    // What grows slowly shows in large files only: `MCSPEC_TEST_GROWTH=10000` takes its time.
    let few = std::env::var("MCSPEC_TEST_GROWTH").map_or(200, |few| few.parse().expect("a number"));
    let mut report = String::new();
    for (name, make) in FILES {
        let (short, long) = (make(few), make(few * TIMES));
        // What takes longer than this times the length grows faster than the length. Quadratic growth is `TIMES` times that.
        let is_in_proportion = |times: usize| {
            let (short, long) = (time_for(&short, times), time_for(&long, times));
            (long < short * (3 * TIMES as u32) + Duration::from_millis(20)).then_some(()).ok_or((short, long))
        };
        if let Err((short, long)) = is_in_proportion(1).or_else(|_| is_in_proportion(3)) {
            writeln!(report, "{name}: {short:?} for {few}, {long:?} for {}", few * TIMES).expect("a string takes all");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
