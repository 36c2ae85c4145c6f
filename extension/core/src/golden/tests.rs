//! Every row reads back as it was, whatever names are in it, and is one line.

use proptest::prelude::*;

use super::bucket::Bucket;
use super::row::{Observed, Policy, Row};
use super::size::Size;
use crate::check::{CheckKind, Per, Severity};
use crate::finding::{Finding, Phase};
use crate::judge::growth::Shape;
use crate::path::ContextPath;

/// Names of all kinds: what means something in a row, what ends a line, what is not seen, and all the rest.
fn name() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "|",
        "\\",
        "/",
        "(",
        ")",
        ": ",
        "@",
        " x2",
        " x",
        "-",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\0",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}",
        "\u{2066}",
        "\u{feff}",
        "\u{fffd}",
        "\\n",
        "\\u{2028}",
        "u{7f}",
        "n",
        "ctx",
        "é",
        "👩",
        " ",
        "",
    ]);
    prop_oneof![
        prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat()),
        prop::collection::vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect()),
    ]
}

fn size() -> impl Strategy<Value = Size> {
    let per = prop::sample::select(vec![Per::Iteration, Per::Row]);
    (0..4, any::<u64>(), any::<u64>(), 1..u64::MAX, per).prop_map(|(kind, bytes, times, period, per)| match kind {
        0 => Size::None,
        1 => Size::Exact { bytes, allocations: times, period, per },
        2 => Size::Range { bucket: Bucket::of(bytes as f64), contexts: times, per },
        _ => Size::Count { times, period, per },
    })
}

prop_compose! {
    fn finding()(
        check in prop::sample::select(CheckKind::ALL),
        severity in prop::sample::select(Severity::ALL),
        names in prop::collection::vec(name(), 0..4),
        library in name(),
        bytes in any::<u64>(),
        bytes_per_iter in 0.0..1e9,
        objects_per_iter in 0.0..100.0,
        phase in prop::option::of(prop::sample::select(Phase::ALL)),
        shape in prop::option::of(prop::sample::select(Shape::ALL)),
    ) -> Finding {
        Finding {
            check, severity, path: ContextPath::new(names), bytes, objects: 0, iterations: 10, bytes_per_iter, objects_per_iter,
            shape, phase, source_lib: library, site: None, marks: Vec::new(), detail: String::new(), access: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_row_reads_back(
        finding in finding(),
        owner in prop::option::of(name()),
        size in size(),
        normalized in prop::option::of(name()),
        times in 1..u64::MAX,
        policy in prop::sample::select(vec![Policy::Auto, Policy::Bucket, Policy::Kind]),
    ) {
        let subject = normalized.unwrap_or_else(|| finding.path.to_string());
        let mut row = Observed::new(&finding, subject, policy).row;
        row.owner = owner;
        row.times = times;
        for row in [Row { size, ..row.clone() }, row] {
            let line = row.to_string();
            prop_assert!(!line.contains(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']), "{:?}", line);
            prop_assert!(!line.starts_with('('), "{:?}", line);
            prop_assert_eq!(line.parse::<Row>(), Ok(row), "{:?}", line);
        }
    }

    #[test]
    fn every_path_reads_back(names in prop::collection::vec(name(), 1..5)) {
        let path = ContextPath::new(names);
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }
}
