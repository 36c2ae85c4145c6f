//! The arguments of `begin()` and `begin_in()`.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::check::{CheckKind, Per};
use crate::finding::Phase;
use crate::judge::Filter;
use crate::judge::thresholds::Thresholds;
use crate::like::Like;
use crate::scenario::{ScenarioKind, Terms};
use crate::words::UnknownWord;

/// Longest pattern, as documented (characters).
const PATTERN_CHARACTERS: usize = 63;

/// An argument that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOption {
    /// Which kind of error that is.
    pub kind: BadKind,
    /// What is wrong with it.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// Why an argument cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKind {
    /// It is none of the values that there are.
    Value,
    /// A pattern ends in the middle of an escape sequence.
    Escape,
}

fn bad(message: String) -> BadOption {
    BadOption { kind: BadKind::Value, message, hint: None }
}

/// Where a window is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the session itself, which sets its marks.
    Here,
    /// In another backend, whose marks are its transactions.
    Elsewhere,
}

impl Place {
    /// The names of the options of a window there.
    fn options(self) -> &'static [&'static str] {
        match self {
            Place::Here => &OPTIONS[..OPTIONS.len() - OF_ANOTHER],
            Place::Elsewhere => &OPTIONS[OF_ROWS..],
        }
    }
}

/// All options: first what is about rows, of which only `begin()` knows how many there are, and those that only `begin_in()` has at the end.
const OPTIONS: [&str; 9] =
    ["growth", "allowed_contexts", "watch", "scenario", "phase", "track_shmem", "track_dsm", "targets", "stacks"];
/// How many of them only `begin()` has.
const OF_ROWS: usize = 1;
/// How many of them only `begin_in()` has.
const OF_ANOTHER: usize = 2;

/// What a window is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// How it is judged.
    pub terms: Terms,
    /// The libraries whose allocations are traced, where that is said.
    pub targets: Option<Vec<String>>,
    /// Whether sites are told apart by the calls that led to them, where that is said.
    pub stacks: Option<bool>,
}

/// Reads pattern and options.
///
/// # Errors
///
/// What of them cannot be used.
pub fn parse(
    pattern: &str,
    options: Option<&Value>,
    thresholds: Thresholds,
    place: Place,
) -> Result<Parsed, BadOption> {
    if pattern.chars().count() > PATTERN_CHARACTERS {
        return Err(bad(format!("ext_context_pattern too long (max {PATTERN_CHARACTERS} characters)")));
    }
    let mut parsed = Parsed { terms: Terms::plain(thresholds), targets: None, stacks: None };
    let Parsed { terms, targets, stacks } = &mut parsed;
    if !pattern.is_empty() {
        terms.rules.filter.watch.push(like(pattern)?);
    }
    let empty = Map::new();
    let options = match options {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(options)) => options,
        Some(_) => return Err(bad("options must be a JSON object".to_owned())),
    };
    for (key, value) in options {
        let known = place.options().contains(&key.as_str());
        let Filter { watch, allowed } = &mut terms.rules.filter;
        match key.as_str() {
            "growth" if !known => {
                growth(key, value)?;
                let message = "option \"growth\" cannot be used in another backend".to_owned();
                let hint = "It is about the rows of scenario \"query_peak\": use ext_memcheck.begin() in the session that runs \
                            the workload.";
                return Err(BadOption { hint: Some(hint.to_owned()), ..bad(message) });
            }
            _ if !known => {
                let hint = format!("Options are {}.", list(place.options().iter().copied()));
                return Err(BadOption { hint: Some(hint), ..bad(format!("unrecognized option \"{key}\"")) });
            }
            "allowed_contexts" => allowed.extend(patterns(key, value)?),
            "watch" => watch.extend(patterns(key, value)?),
            "scenario" => terms.scenario = runnable(scenario(key, value, place)?, place)?,
            "growth" => terms.rules.linear_is_fine = growth(key, value)?,
            "phase" => terms.rules.phase = Some(phase(key, value)?),
            "track_shmem" => terms.rules.without.extend((!flag(key, value)?).then_some(CheckKind::ShmemOverrun)),
            "track_dsm" => terms.rules.without.extend((!flag(key, value)?).then_some(CheckKind::DsmLeak)),
            "targets" => *targets = Some(patterns(key, value)?.iter().map(|like| like.source().to_owned()).collect()),
            _ => *stacks = Some(flag(key, value)?),
        }
    }
    Ok(parsed)
}

/// A scenario that can be run there.
fn runnable(kind: ScenarioKind, place: Place) -> Result<ScenarioKind, BadOption> {
    // Another backend does not know at how many rows it is.
    let can = |kind: ScenarioKind| place == Place::Here || kind.per() != Per::Row;
    if can(kind) {
        return Ok(kind);
    }
    let message = format!("scenario \"{kind}\" cannot be run in another backend");
    Err(BadOption { hint: Some(scenarios_are(can)), ..bad(message) })
}

/// A scenario by its name.
fn scenario(key: &str, value: &Value, place: Place) -> Result<ScenarioKind, BadOption> {
    let hint = || scenarios_are(|kind| place == Place::Here || kind.per() != Per::Row);
    word(key, value).map_err(|bad| BadOption { hint: Some(hint()), ..bad })
}

/// A way of undoing the workload by its name.
fn phase(key: &str, value: &Value) -> Result<Phase, BadOption> {
    let hint = || format!("Phases are {}.", list(Phase::ALL.iter().map(|phase| phase.as_str())));
    word(key, value).map_err(|bad| BadOption { hint: Some(hint()), ..bad })
}

/// `"a", "b" and "c"`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    let (last, others) = names.split_last().expect("no list is empty");
    format!("{} and {last}", others.join(", "))
}

/// The hint that names those of the scenarios which are selected.
pub fn scenarios_are(selected: impl Fn(ScenarioKind) -> bool) -> String {
    let kinds = ScenarioKind::ALL.iter().filter(|&&kind| selected(kind));
    format!("Scenarios are {}.", list(kinds.map(|kind| kind.as_str())))
}

fn patterns(key: &str, value: &Value) -> Result<Vec<Like>, BadOption> {
    let wrong = || bad(format!("option \"{key}\" must be an array of strings"));
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|item| like(item.as_str().ok_or_else(wrong)?)).collect()
}

/// A pattern as LIKE takes it: one that ends in the middle of an escape sequence is none (`MatchText` in like_match.c).
fn like(pattern: &str) -> Result<Like, BadOption> {
    if Like::ends_in_escape(pattern) {
        let message = "LIKE pattern must not end with escape character".to_owned();
        return Err(BadOption { kind: BadKind::Escape, ..bad(message) });
    }
    Ok(Like::new(pattern))
}

fn flag(key: &str, value: &Value) -> Result<bool, BadOption> {
    value.as_bool().ok_or_else(|| bad(format!("option \"{key}\" must be true or false")))
}

/// Whether growth with the rows is fine.
fn growth(key: &str, value: &Value) -> Result<bool, BadOption> {
    match value.as_str() {
        Some("constant") => Ok(false),
        Some("linear") => Ok(true),
        _ => Err(bad(format!("option \"{key}\" must be \"constant\" or \"linear\""))),
    }
}

fn word<T: FromStr<Err = UnknownWord>>(key: &str, value: &Value) -> Result<T, BadOption> {
    let text = value.as_str().ok_or_else(|| bad(format!("option \"{key}\" must be a string")))?;
    text.parse().map_err(|error: UnknownWord| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Rules;
    use serde_json::json;

    fn parsed(pattern: &str, options: Value, place: Place) -> Result<Parsed, String> {
        let text = |bad: BadOption| match bad.hint {
            Some(hint) => format!("{} HINT: {hint}", bad.message),
            None => bad.message,
        };
        parse(pattern, Some(&options), Thresholds::default(), place).map_err(text)
    }

    #[test]
    fn nothing_asks_for_a_plain_window() {
        let plain = Terms { scenario: ScenarioKind::Window, rules: Rules::default() };
        for options in [json!({}), Value::Null] {
            assert_eq!(parsed("", options, Place::Here).unwrap().terms, plain);
        }
        let thresholds = Thresholds { min_leak_bytes: 1, bloat_min_bytes: 2 };
        let parsed = parse("", None, thresholds, Place::Here).unwrap();
        assert_eq!(parsed.terms.rules.thresholds, thresholds);
    }

    #[test]
    fn options_are_read() {
        let options = json!({
            "watch": ["a%", "b"], "allowed_contexts": ["c"], "scenario": "tx_abort_loop", "phase": "savepoint",
            "track_shmem": true, "track_dsm": false,
        });
        let Parsed { terms, targets, stacks } = parsed("first", options, Place::Here).unwrap();
        let like = |patterns: &[&str]| patterns.iter().copied().map(Like::new).collect::<Vec<_>>();
        assert_eq!(terms.scenario, ScenarioKind::TxAbortLoop);
        assert_eq!(terms.rules.filter, Filter { watch: like(&["first", "a%", "b"]), allowed: like(&["c"]) });
        assert_eq!(terms.rules.phase, Some(Phase::Savepoint));
        assert_eq!(terms.rules.without, [CheckKind::DsmLeak]);
        assert_eq!((targets, stacks), (None, None));

        let options = json!({"targets": ["mine", "a\\\\_%"], "stacks": false, "track_shmem": false, "track_dsm": true});
        let Parsed { terms, targets, stacks } = parsed("", options, Place::Elsewhere).unwrap();
        assert_eq!(terms.rules.without, [CheckKind::ShmemOverrun]);
        assert_eq!((targets, stacks), (Some(vec!["mine".to_owned(), "a\\\\_%".to_owned()]), Some(false)));
    }

    #[test]
    fn a_pattern_does_not_end_in_an_escape() {
        let message = "LIKE pattern must not end with escape character";
        for (pattern, options) in [
            ("abc\\", json!({})),
            ("\\\\\\", json!({})),
            ("", json!({"watch": ["fine", "x\\"]})),
            ("", json!({"allowed_contexts": ["\\"]})),
            ("", json!({"targets": ["\\"]})),
        ] {
            let bad = parse(pattern, Some(&options), Thresholds::default(), Place::Elsewhere).unwrap_err();
            assert_eq!((bad.kind, bad.message.as_str()), (BadKind::Escape, message), "{pattern} {options}");
        }
        let bad = parse("", Some(&json!({"watch": 1})), Thresholds::default(), Place::Here).unwrap_err();
        assert_eq!(bad.kind, BadKind::Value);
        assert!(parsed("abc\\\\", json!({"watch": ["\\%"]}), Place::Here).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let long = "x".repeat(64);
        let table = [
            (long.as_str(), json!({}), "ext_context_pattern too long (max 63 characters)"),
            ("", json!([]), "options must be a JSON object"),
            ("", json!({"watch": "x"}), "option \"watch\" must be an array of strings"),
            ("", json!({"allowed_contexts": [1]}), "option \"allowed_contexts\" must be an array of strings"),
            ("", json!({"track_dsm": 1}), "option \"track_dsm\" must be true or false"),
            ("", json!({"growth": "superlinear"}), "option \"growth\" must be \"constant\" or \"linear\""),
            (
                "",
                json!({"scenario": 1}),
                &format!("option \"scenario\" must be a string HINT: {}", scenarios_are(|_| true)),
            ),
            ("", json!({"scenario": "x"}), &format!("unknown scenario \"x\" HINT: {}", scenarios_are(|_| true))),
            (
                "",
                json!({"phase": "commit"}),
                "unknown phase \"commit\" HINT: Phases are \"rollback\", \"savepoint\" and \"error\".",
            ),
            (
                "",
                json!({"allowed": []}),
                "unrecognized option \"allowed\" HINT: Options are \"growth\", \"allowed_contexts\", \"watch\", \
                 \"scenario\", \"phase\", \"track_shmem\" and \"track_dsm\".",
            ),
        ];
        for (pattern, options, expected) in table {
            assert_eq!(parsed(pattern, options.clone(), Place::Here), Err(expected.to_owned()), "{options}");
        }
        let elsewhere = [
            (json!({"targets": "x"}), "option \"targets\" must be an array of strings"),
            (json!({"stacks": 1}), "option \"stacks\" must be true or false"),
            (
                json!({"target": []}),
                "unrecognized option \"target\" HINT: Options are \"allowed_contexts\", \"watch\", \"scenario\", \
                 \"phase\", \"track_shmem\", \"track_dsm\", \"targets\" and \"stacks\".",
            ),
            (
                json!({"growth": "linear"}),
                "option \"growth\" cannot be used in another backend HINT: It is about the rows of scenario \"query_peak\": \
                 use ext_memcheck.begin() in the session that runs the workload.",
            ),
            (json!({"growth": 1}), "option \"growth\" must be \"constant\" or \"linear\""),
        ];
        for (options, expected) in elsewhere {
            assert_eq!(parsed("", options.clone(), Place::Elsewhere), Err(expected.to_owned()), "{options}");
        }
        let here = parsed("", json!({"targets": ["x"]}), Place::Here).unwrap_err();
        assert!(here.starts_with("unrecognized option \"targets\" HINT: Options are "), "{here}");
        let umlauts = "\u{e4}".repeat(63);
        assert!(parsed(&umlauts, json!({}), Place::Here).is_ok());
    }

    #[test]
    fn scenarios_that_cannot_be_run_are_refused() {
        for &kind in ScenarioKind::ALL {
            for place in [Place::Here, Place::Elsewhere] {
                let found = parsed("", json!({"scenario": kind.as_str()}), place);
                if place == Place::Here || kind != ScenarioKind::QueryPeak {
                    assert_eq!(found.unwrap().terms.scenario, kind);
                    continue;
                }
                let Err(text) = found else { panic!("{kind} {place:?}") };
                let (message, hint) = text.split_once(" HINT: Scenarios are ").unwrap();
                assert_eq!(message, format!("scenario \"{kind}\" cannot be run in another backend"));
                // Those that can be run there, and no others.
                for &other in ScenarioKind::ALL {
                    assert_eq!(hint.contains(&format!("\"{other}\"")), other != ScenarioKind::QueryPeak, "{hint}");
                }
                assert!(hint.starts_with("\"window\", \"growth_benchmark\", "), "{hint}");
            }
        }
    }
}
