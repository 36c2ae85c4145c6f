use std::path::Path;

use super::*;

fn place(file: &str, line: u32, function: &str, callee: &str) -> Place {
    Place { file: file.to_owned(), line, function: function.to_owned(), callee: callee.to_owned() }
}

fn coverage() -> Coverage {
    let mut coverage = Coverage::default();
    let library = coverage.libraries.entry("mine".to_owned()).or_default();
    library.places = BTreeMap::from([
        (place("a.c", 7, "one", "palloc"), true),
        (place("a.c", 7, "one", "psprintf"), true),
        (place("a.c", 9, "one", "pstrdup"), false),
        (place("b.c", 3, "two", "malloc"), false),
    ]);
    library.status.insert(Status::Planted);
    library.entries.insert("one".to_owned());
    (library.has_lines, library.through_pointers) = (true, 1);
    let member = |function: &str| Member { extension: "ext".to_owned(), function: function.to_owned() };
    let code = |library: &str, symbol: &str| Some((library.to_owned(), symbol.to_owned()));
    coverage.of_functions(BTreeMap::from([
        (member("one()"), code("mine", "one")),
        (member("two(integer)"), code("mine", "two")),
        (member("elsewhere()"), code("other", "elsewhere")),
        (member("written_in_sql()"), None),
    ]));
    coverage
}

#[test]
fn shares_are_rounded_down() {
    let share = |reached, all| Share { reached, all };
    let table = [
        (share(0, 0), "0 of 0 (100.0 %)"),
        (share(999, 1000), "999 of 1000 (99.9 %)"),
        (share(9999, 10000), "9999 of 10000 (99.9 %)"),
        (share(2, 3), "2 of 3 (66.6 %)"),
        (share(3, 3), "3 of 3 (100.0 %)"),
    ];
    for (share, text) in table {
        assert_eq!(share.to_string(), text);
    }
    for (share, least, holds) in
        [(share(4, 5), 80, true), (share(799, 1000), 80, false), (share(0, 0), 100, true), (share(0, 1), 0, true)]
    {
        assert_eq!(share.is_at_least(least), holds, "{share} {least}");
    }
}

#[test]
fn what_was_missed_is_listed() {
    let expected = "\
2 of 4 (50.0 %) places that allocate were reached
  a.c  2 of 3 (66.6 %)
  b.c  0 of 1 (0.0 %)
never reached:
  a.c:9  one  pstrdup
  b.c:3  two  malloc
1 of 2 (50.0 %) functions of extensions were called
  never called: two(integer) of ext
  note: mine: 1 call through pointers, which are not followed
  note: 2 functions are not in C, or not in a library that was looked at";
    assert_eq!(text(&coverage()).join("\n"), expected);
}

#[test]
fn lines_count_the_places_that_were_reached() {
    let expected = "\
TN:
SF:a.c
FN:7,one
FNDA:2,one
FNF:1
FNH:1
DA:7,2
DA:9,0
LF:2
LH:1
end_of_record
TN:
SF:b.c
FN:3,two
FNDA:0,two
FNF:1
FNH:0
DA:3,0
LF:1
LH:0
end_of_record
";
    assert_eq!(lcov(&coverage(), Path::new("/nonexistent")), expected);
}

#[test]
fn a_record_says_whether_it_is_enough() {
    for (least, holds) in [(None, true), (Some(50), true), (Some(51), false)] {
        let record = CoverageRecord::new(&coverage(), least);
        assert_eq!((record.holds, record.places.percent), (holds, 50.0), "{least:?}");
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<CoverageRecord>(&text).unwrap(), record);
    }
    let record = CoverageRecord::new(&coverage(), None);
    let missed = record.files[0].functions[0].all.iter().find(|place| !place.reached).unwrap();
    assert_eq!((missed.line, missed.callee.as_str()), (Some(9), "pstrdup"));
    assert_eq!(
        record.functions.iter().map(|function| function.called).collect::<Vec<_>>(),
        [None, Some(true), Some(false), None]
    );
}
