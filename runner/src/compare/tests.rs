use std::fs;
use std::path::Path;

use super::*;
use crate::golden::{Block, Golden};

fn violation(title: &str, function: Option<&str>, severity: Severity, bytes: f64) -> Violation {
    Violation {
        case: "mine".to_owned(),
        title: title.to_owned(),
        check: "ctx_bloat".to_owned(),
        subject: "TopMemoryContext".to_owned(),
        library: "mine".to_owned(),
        severity: Some(severity),
        size: format!("{bytes} x1/iter"),
        bytes_per_iter: Some(bytes),
        function: function.map(str::to_owned),
    }
}

fn side(titles: &[&str], violations: Vec<Violation>) -> Side {
    let looked_at = titles.iter().map(|title| ("mine".to_owned(), (*title).to_owned())).collect();
    Side { name: "a".to_owned(), looked_at, violations, ended: None }
}

#[test]
fn what_becomes_of_a_violation() {
    use Severity::{Error, Info, Warning};
    let table = [
        ((Info, 100.0), (Info, 100.0), Change::Unchanged),
        ((Info, 100.0), (Info, 104.0), Change::Unchanged),
        ((Info, 100.0), (Info, 106.0), Change::Worse),
        ((Info, 100.0), (Info, 94.0), Change::Better),
        ((Info, 100.0), (Warning, 100.0), Change::Worse),
        ((Error, 100.0), (Warning, 200.0), Change::Better),
    ];
    for ((old, before), (new, after), expected) in table {
        let sides = [(old, before), (new, after)]
            .map(|(severity, bytes)| side(&["a"], vec![violation("a", None, severity, bytes)]));
        let found = compare(&sides[0], &sides[1]);
        assert_eq!(
            found.all.iter().map(|one| one.change).collect::<Vec<_>>(),
            [expected],
            "{old} {before} {new} {after}"
        );
        assert_eq!(found.is_worse(), expected == Change::Worse);
    }
}

#[test]
fn a_violation_is_the_one_of_its_function() {
    let old = side(
        &["a"],
        vec![violation("a", Some("f"), Severity::Info, 100.0), violation("a", Some("g"), Severity::Info, 200.0)],
    );
    let new = side(
        &["a"],
        vec![violation("a", Some("g"), Severity::Info, 100.0), violation("a", Some("h"), Severity::Info, 200.0)],
    );
    let mut found: Vec<(String, Change)> =
        compare(&old, &new).all.iter().map(|one| (one.shown().function.clone().unwrap(), one.change)).collect();
    found.sort();
    let expected = [("f", Change::Gone), ("g", Change::Better), ("h", Change::New)];
    assert_eq!(found, expected.map(|(function, change)| (function.to_owned(), change)));
}

#[test]
fn without_functions_the_nearest_size_is_the_same() {
    let at = |bytes| violation("a", None, Severity::Info, bytes);
    let found = compare(&side(&["a"], vec![at(100.0), at(1000.0)]), &side(&["a"], vec![at(1001.0)]));
    let changes: Vec<(Change, String)> = found.all.iter().map(|one| (one.change, one.shown().size.clone())).collect();
    assert_eq!(changes, [(Change::Unchanged, "1001 x1/iter".to_owned()), (Change::Gone, "100 x1/iter".to_owned())]);
}

#[test]
fn what_was_not_looked_for_is_not_gone() {
    let old = side(&["a", "b"], vec![violation("b", None, Severity::Info, 1.0)]);
    let found = compare(&old, &side(&["a"], vec![]));
    assert!(found.all.is_empty());
    assert_eq!(found.not_looked_for, ["mine: b"]);
}

#[test]
fn a_golden_stands_for_all_versions() {
    let golden = "mcspec golden 1\nspec mine\n\nscenario window a\nctx_bloat|INFO|TopMemoryContext|100 x1/iter|linear|mine\n(1 violation)\n";
    let mut old = Side::default();
    old.add_golden(&golden.parse().unwrap());
    let mut new = Side::default();
    for version in ["mine@pg15", "mine@pg18"] {
        new.looked_at.insert((version.to_owned(), "scenario window a".to_owned()));
        new.violations.push(Violation {
            case: version.to_owned(),
            title: "scenario window a".to_owned(),
            ..violation("", Some("f"), Severity::Info, 100.0)
        });
    }
    let found = compare(&old, &new);
    assert_eq!(found.all.iter().map(|one| one.change).collect::<Vec<_>>(), [Change::Unchanged]);
    assert!(found.not_looked_for.is_empty() && found.not_looked_for_before.is_empty(), "{found:?}");
}

/// The golden of a spec of the repository.
fn golden(spec: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../expected").join(format!("{spec}.out"));
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// A side of those scenarios of which `name` makes a name, under that.
fn of_blocks(golden: &Golden, name: impl Fn(&str) -> Option<String>) -> Side {
    let blocks = golden.blocks.iter().filter_map(|block| Some(Block { title: name(&block.title)?, ..block.clone() }));
    let mut side = Side::default();
    side.add_golden(&Golden { spec: "mine".to_owned(), blocks: blocks.collect() });
    side
}

/// What a comparison of the fixed with the buggy one has to say: of each row that it is new, and nothing else; the other way round that
/// it is gone.
fn names_exactly_the_bugs(of: &str, fixed: &Side, buggy: &Side) -> usize {
    let bugs = buggy.violations.len();
    let found = compare(fixed, buggy);
    assert_eq!(
        (found.of(Change::New).count(), found.all.len()),
        (bugs, bugs + found.of(Change::Unchanged).count()),
        "{of}"
    );
    assert_eq!(found.is_worse(), bugs > 0, "{of}");
    let back = compare(buggy, fixed);
    assert_eq!((back.of(Change::Gone).count(), back.is_worse()), (bugs, false), "{of}");
    bugs
}

#[test]
fn twins_of_the_corpus_differ_by_their_bugs() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../expected/corpus");
    let mut bugs = 0;
    let mut twins = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        // Variants for versions and builds are of the same spec.
        let Some(spec) = file.strip_suffix(".out").filter(|spec| !spec.contains('.')) else { continue };
        let golden = golden(&format!("corpus/{spec}"));
        let is_of = |title: &str, word: &str| {
            let name = title.split(' ').nth(2).unwrap_or_default();
            (name == word || name.starts_with(&format!("{word}_"))).then_some(())
        };
        let fixed = of_blocks(&golden, |title| is_of(title, "ok").map(|()| title.replacen(" ok", " bad", 1)));
        let buggy = of_blocks(&golden, |title| is_of(title, "bad").map(|()| title.to_owned()));
        // Where both have the same scenarios.
        let titles = |side: &Side| side.looked_at.clone();
        if fixed.violations.is_empty() && !buggy.violations.is_empty() && titles(&fixed) == titles(&buggy) {
            bugs += names_exactly_the_bugs(spec, &fixed, &buggy);
            twins += 1;
        }
    }
    assert!(twins > 5 && bugs > 20, "{twins} twins, {bugs} bugs");
}
