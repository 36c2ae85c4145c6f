use super::*;
use crate::report::json::RunReport;

/// A report with one of everything.
fn report() -> RunReport {
    let frame = |symbol: &str, line: u32| serde_json::json!({"library": "mine", "build_id": "", "offset": 100 + line, "symbol": symbol, "file": "mine.c", "line": line});
    let site =
        serde_json::json!({"frame": frame("lose<T>", 7), "stack": [frame("lose<T>", 7), frame("mine_call", 20)]});
    let finding = |check: &str, marks: serde_json::Value, access: serde_json::Value| {
        serde_json::json!({
            "check": check, "severity": "ERROR", "context_path": ["TopMemoryContext", "mine"], "bytes": 2_000_000,
            "objects": 10, "iterations": 100, "bytes_per_iter": 20_000.0, "objects_per_iter": 1.0, "shape": "linear",
            "phase": null, "source_lib": "mine", "site": site, "marks": marks, "detail": "a <b> sentence", "access": access,
        })
    };
    let marks = serde_json::json!([[0, 0, 0], [1, 20_000, 1], [10, 200_000, 10], [100, 2_000_000, 100]]);
    let access = serde_json::json!({
        "act": "read", "offset": 48, "size": 8, "requested": 64, "at": site, "allocated": site, "freed": site,
    });
    let scenario = |title: &str, findings: serde_json::Value, trace: serde_json::Value| {
        serde_json::json!({
            "title": title, "iterations": 100, "warmup": 10, "workloads": [["", "SELECT '<x>'"]], "trace": trace,
            "failure": null, "rows": [{"row": "ctx_bloat|ERROR|TopMemoryContext|1 x1/iter|linear|mine", "bytes_per_iter": 1.0}],
            "findings": findings, "windows": [], "messages": [], "elapsed_ms": 12,
        })
    };
    let case = |name: &str, version: u32, status: &str| {
        serde_json::json!({
            "name": name, "label": format!("{name}@pg{version}"), "spec": "specs/x.mcspec", "tags": [], "status": status,
            "reason": null, "flaky": null, "attempts": 1, "repeats": null, "golden": null, "notes": [],
            "faults": [{"kind": "golden", "file": "specs/x.mcspec", "line": 3, "column": 1, "message": "differs",
                        "details": ["    - gone", "    + came"]}],
            "elapsed_ms": 2000, "server": null,
            "scenarios": [
                scenario("scenario growth_benchmark lost", serde_json::json!([finding("ctx_bloat", marks.clone(), serde_json::Value::Null)]), serde_json::json!([])),
                scenario("scenario query_peak peak", serde_json::json!([finding("query_bloat", marks.clone(), serde_json::Value::Null)]), serde_json::json!([])),
                scenario("scenario use_after_reset bad", serde_json::json!([finding("use_after_reset", serde_json::json!([]), access.clone())]), serde_json::json!([])),
                scenario("permutation a b", serde_json::json!([]), serde_json::json!(["a <waiting ...>", "b", "a <... completed>"])),
            ],
            "not_run": [], "left_out": ["scenario other"],
        })
    };
    let report = serde_json::json!({
        "format": 1, "mcspec": "1.0",
        "summary": {"passed": 1, "failed": 1, "expected_failures": 0, "skipped": 0, "unsupported": 0, "flaky": 0, "elapsed_ms": 4000},
        "cases": [case("one", 15, "passed"), case("one", 18, "failed")],
    });
    RunReport::parse(&report.to_string()).unwrap()
}

#[test]
fn everything_is_drawn_nothing_is_markup_and_nothing_is_fetched() {
    let page = page(&report(), &[]);
    let expected = [
        "<title>mcspec: 1 of 2 specs failed</title>",
        "<li><a href=\"#spec-one-40-pg18\">one@pg18</a>: differs</li>",
        "lose&lt;T&gt; (mine.c:7)",
        "a &lt;b&gt; sentence",
        "SELECT '&lt;x&gt;'",
        "class=\"curve\"",
        "class=\"fit\"",
        "class=\"dots\"",
        "class=\"boxes\"",
        "<code>mcspec run one</code>",
        "class=\"touched\"",
        "read of 8 bytes at offset 48 of a chunk of 64 bytes that was given back",
        "class=\"step waited\"",
        "class=\"added\"",
        "not for this server: scenario other",
        "Memory that is left when the workload is over",
        "Memory that statements hold at their peak",
        "href=\"#spec-one-40-pg18\"",
        "id=\"spec-one-40-pg18\"",
    ];
    for expected in expected {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    for address in ["src=\"http", "src=\"//", "href=\"http", "href=\"//", "@import", "url(http", "url(\"http", "fetch("]
    {
        assert!(!page.contains(address), "{address}");
    }
}

/// What a case of the usual size may add: seven scenarios, each with a finding, its curve, its tree and stacks that no other has.
const BUDGET: usize = 7 * 3200;

#[test]
fn a_case_adds_no_more_than_its_budget() {
    let frame = |of: &str, symbol: &str, offset: usize| serde_json::json!({"library": of, "build_id": "f4f035f8e0521fe2eb3db208930ee1b3c290c4ac", "offset": offset, "symbol": symbol, "file": null, "line": null});
    let scenario = |number: usize| {
        let own = frame("some_library", &format!("some_function_{number}"), number);
        let server = (0..10).map(|at| frame("postgres", &format!("standard_Executor_{at}"), at));
        let stack: Vec<serde_json::Value> = std::iter::once(own.clone()).chain(server).collect();
        let branch = |name: &str| serde_json::json!({"path": ["CacheMemoryContext", name], "bytes": [100, 90_000], "contexts": [1, 9]});
        serde_json::json!({
            "title": format!("scenario growth_benchmark some_scenario_{number}"), "iterations": 100, "warmup": 10,
            "workloads": [["", format!("SELECT some_schema.some_function_{number}(20)")]], "failure": null, "elapsed_ms": 70,
            "rows": [{"row": "ctx_bloat|WARNING|TopMemoryContext/CacheMemoryContext|1040 x1/iter|linear|some_library", "bytes_per_iter": 1040.0}],
            "findings": [{
                "check": "ctx_bloat", "severity": "WARNING", "context_path": ["TopMemoryContext", "CacheMemoryContext"],
                "bytes": 104_000, "objects": 100, "iterations": 100, "bytes_per_iter": 1040.0, "objects_per_iter": 1.0,
                "shape": "linear", "phase": null, "source_lib": "some_library", "site": {"frame": own, "stack": stack},
                "marks": [[0, 0, 0], [1, 1040, 1], [10, 10_400, 10], [50, 52_000, 50], [100, 104_000 + number, 100]],
                "detail": "context 'CacheMemoryContext' (depth 1): requested bytes grew by 104000 (before=0 after=104000); allocations before=0 after=100",
            }],
            "windows": [{"phase": null, "findings": [], "contexts": [branch("one"), branch("another")],
                         "statistics": {"context_paths": 40, "contexts": 100 + number, "marks": 5, "ring_size": 2048, "statements": 113}}],
            "messages": [],
        })
    };
    let of = |cases: usize| {
        let case = |at: usize| {
            serde_json::json!({
                "name": format!("some/spec_{at}"), "label": format!("some/spec_{at}@pg18"), "spec": format!("specs/some/spec_{at}.mcspec"),
                "tags": [], "status": "passed", "reason": null, "flaky": null, "attempts": 1, "repeats": null, "golden": null, "faults": [],
                "elapsed_ms": 900, "left_out": [], "scenarios": (0..7).map(|part| scenario(at * 7 + part)).collect::<Vec<_>>(),
                "server": {"major": 18, "assertions": false, "arch": "x86_64", "version": "PostgreSQL 18", "engine": "1.0",
                           "settings": {"shared_buffers": "4096", "cluster_name": format!("mcspec-{at}"), "port": at.to_string()}},
            })
        };
        let summary = serde_json::json!({"passed": cases, "failed": 0, "expected_failures": 0, "skipped": 0, "unsupported": 0, "flaky": 0, "elapsed_ms": 1});
        let report = serde_json::json!({"format": 1, "mcspec": "1.0", "summary": summary, "cases": (0..cases).map(case).collect::<Vec<_>>()});
        page(&RunReport::parse(&report.to_string()).unwrap(), &[]).len()
    };
    let each = (of(60) - of(10)) / 50;
    assert!(each < BUDGET, "{each} bytes for each case");
    // It is not that nothing is shown.
    assert!(each > BUDGET / 2, "{each} bytes for each case: the budget can be smaller");
}

#[test]
fn a_name_has_one_anchor() {
    assert_eq!(anchor("a/b[x=1]@pg15"), "spec-a-2f-b-5b-x-3d-1-5d--40-pg15");
    assert_ne!(anchor("a-b"), anchor("a/b"));
}

#[test]
fn sizes_are_short() {
    for (number, expected) in [(0, "0 B"), (10_239, "10239 B"), (10_240, "10.0 kB"), (20 << 20, "20.0 MB")] {
        assert_eq!(bytes(number), expected);
    }
}
