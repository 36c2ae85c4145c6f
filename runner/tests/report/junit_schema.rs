//! The rules of the common JUnit schema (the one of Jenkins' xUnit plugin), checked on a document.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Attributes of an element that has to have those of the first list and may have those of the second.
struct Rule {
    element: &'static str,
    parents: &'static [&'static str],
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        element: "testsuites",
        parents: &[""],
        required: &[],
        optional: &["name", "time", "tests", "failures", "errors", "disabled"],
    },
    Rule {
        element: "testsuite",
        parents: &["testsuites"],
        required: &["name", "tests"],
        optional: &["failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"],
    },
    Rule {
        element: "testcase",
        parents: &["testsuite"],
        required: &["name"],
        optional: &["assertions", "time", "classname", "status"],
    },
    Rule { element: "skipped", parents: &["testcase"], required: &[], optional: &["message", "type"] },
    Rule { element: "failure", parents: &["testcase"], required: &[], optional: &["message", "type"] },
    Rule { element: "error", parents: &["testcase"], required: &[], optional: &["message", "type"] },
    Rule { element: "system-out", parents: &["testcase", "testsuite"], required: &[], optional: &[] },
];

/// Counts of a suite, or of all.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Counts {
    tests: u64,
    failures: u64,
    errors: u64,
}

fn attributes(element: &BytesStart) -> BTreeMap<String, String> {
    let attributes = element.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
        (name, attribute.unescape_value().unwrap().into_owned())
    });
    attributes.collect()
}

fn declared(attributes: &BTreeMap<String, String>) -> Counts {
    let count = |name: &str| attributes.get(name).map_or(0, |value| value.parse().unwrap());
    Counts { tests: count("tests"), failures: count("failures"), errors: count("errors") }
}

/// Panics where the document breaks a rule: elements and attributes that are not allowed where they stand, attributes
/// that are missing, values of the wrong type, counts that are not those of what follows.
pub(crate) fn check(text: &str) {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    // What is declared and what was seen, for all and for the suite.
    let mut counts = [(Counts::default(), Counts::default()); 2];
    let mut names: Vec<(String, String)> = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        let (element, is_empty) = match &event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(_) => {
                if open.pop().unwrap() == "testsuite" {
                    assert_eq!(counts[1].0, counts[1].1, "a suite declares other counts than it has");
                }
                continue;
            }
            Event::Eof => break,
            Event::Text(text) => {
                let holds_text =
                    open.last().is_some_and(|name| ["failure", "error", "system-out"].contains(&name.as_str()));
                assert!(holds_text || text.decode().unwrap().trim().is_empty(), "text in {open:?}");
                continue;
            }
            _ => continue,
        };
        let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
        let rule = RULES.iter().find(|rule| rule.element == name).unwrap_or_else(|| panic!("element {name}"));
        let parent = open.last().map_or("", String::as_str);
        assert!(rule.parents.contains(&parent), "{name} in {parent}");
        let attributes = attributes(element);
        for required in rule.required {
            assert!(attributes.contains_key(*required), "{name} without {required}");
        }
        for (attribute, value) in &attributes {
            let known = rule.required.iter().chain(rule.optional).any(|known| known == attribute);
            assert!(known, "{name} with {attribute}");
            match attribute.as_str() {
                "time" => drop(value.parse::<f64>().unwrap()),
                "tests" | "failures" | "errors" | "skipped" | "disabled" => drop(value.parse::<u64>().unwrap()),
                _ => {}
            }
        }
        match name.as_str() {
            "testsuites" => counts[0].0 = declared(&attributes),
            "testsuite" => counts[1] = (declared(&attributes), Counts::default()),
            "testcase" => names.push((attributes["classname"].clone(), attributes["name"].clone())),
            _ => {}
        }
        for (_, seen) in &mut counts {
            seen.tests += u64::from(name == "testcase");
            seen.failures += u64::from(name == "failure");
            seen.errors += u64::from(name == "error");
        }
        if !is_empty {
            open.push(name);
        }
    }
    assert_eq!(counts[0].0, counts[0].1, "the document declares other counts than it has");
    assert!(counts[0].1.tests > 0);
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "a test case has the class and name of another");
}
