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
        "lose&lt;T&gt; (mine.c:7)",
        "a &lt;b&gt; sentence",
        "SELECT '&lt;x&gt;'",
        "class=\"curve\"",
        "class=\"fit\"",
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
    // The script of the flame graphs names addresses in its comments, and SVG its vocabulary by one: neither is asked for.
    let page = page.replace("&quot;", "\"");
    for address in ["src=\"http", "src=\"//", "href=\"http", "href=\"//", "@import", "url(http", "url(\"http", "fetch("]
    {
        assert!(!page.contains(address), "{address}");
    }
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
