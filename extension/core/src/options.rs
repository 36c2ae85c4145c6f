//! The arguments of `begin()` and `begin_in()`.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::check::Per;
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
    /// What is wrong with it.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

fn bad(message: String) -> BadOption {
    BadOption { message, hint: None }
}

/// Where a window is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the session itself, which sets its marks.
    Here,
    /// In another backend, whose marks are its transactions.
    Elsewhere,
}

/// Options that mean something, and those that are accepted because they are documented but do nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What the window is opened for.
    pub terms: Terms,
    /// Names of the others.
    pub without_effect: Vec<&'static str>,
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
    let mut terms = Terms::plain(thresholds);
    let mut without_effect = Vec::new();
    if !pattern.is_empty() {
        terms.rules.filter.watch.push(Like::new(pattern));
    }
    let empty = Map::new();
    let options = match options {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(options)) => options,
        Some(_) => return Err(bad("options must be a JSON object".to_owned())),
    };
    for (key, value) in options {
        let Filter { watch, allowed } = &mut terms.rules.filter;
        match key.as_str() {
            "allowed_contexts" => allowed.extend(patterns(key, value)?),
            "watch" => watch.extend(patterns(key, value)?),
            "scenario" => terms.scenario = runnable(word(key, value)?, place)?,
            "growth" => terms.rules.linear_is_fine = growth(key, value)?,
            "phase" => terms.rules.phase = Some(word::<Phase>(key, value)?),
            "track_shmem" => without_effect.extend(flag(key, value)?.then_some("track_shmem")),
            "track_dsm" => without_effect.extend(flag(key, value)?.then_some("track_dsm")),
            _ => {
                let hint = "Options are \"allowed_contexts\", \"watch\", \"scenario\", \"growth\", \"phase\", \
                            \"track_shmem\" and \"track_dsm\".";
                return Err(BadOption {
                    message: format!("unrecognized option \"{key}\""),
                    hint: Some(hint.to_owned()),
                });
            }
        }
    }
    Ok(Parsed { terms, without_effect })
}

/// A scenario that can be run there.
fn runnable(kind: ScenarioKind, place: Place) -> Result<ScenarioKind, BadOption> {
    // Another backend does not know at how many rows it is.
    let can = |kind: ScenarioKind| place == Place::Here || kind.per() != Per::Row;
    let refusal = if !kind.is_built() {
        "is not yet supported"
    } else if !can(kind) {
        "cannot be run in another backend"
    } else {
        return Ok(kind);
    };
    Err(BadOption { message: format!("scenario \"{kind}\" {refusal}"), hint: Some(scenarios_are(can)) })
}

/// The hint that names those of the scenarios that can be run which are selected.
pub fn scenarios_are(selected: impl Fn(ScenarioKind) -> bool) -> String {
    let built = ScenarioKind::built().filter(|&kind| selected(kind));
    let names: Vec<String> = built.map(|kind| format!("\"{kind}\"")).collect();
    let (last, others) = names.split_last().expect("a plain window is one");
    format!("Scenarios are {} and {last}.", others.join(", "))
}

fn patterns(key: &str, value: &Value) -> Result<Vec<Like>, BadOption> {
    let wrong = || bad(format!("option \"{key}\" must be an array of strings"));
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|item| item.as_str().map(Like::new).ok_or_else(wrong)).collect()
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
        assert_eq!((parsed.terms.rules.thresholds, parsed.without_effect), (thresholds, vec![]));
    }

    #[test]
    fn options_are_read() {
        let options = json!({
            "watch": ["a%", "b"], "allowed_contexts": ["c"], "scenario": "tx_abort_loop", "phase": "savepoint",
            "track_shmem": true, "track_dsm": false,
        });
        let Parsed { terms, without_effect } = parsed("first", options, Place::Here).unwrap();
        let like = |patterns: &[&str]| patterns.iter().copied().map(Like::new).collect::<Vec<_>>();
        assert_eq!(terms.scenario, ScenarioKind::TxAbortLoop);
        assert_eq!(terms.rules.filter, Filter { watch: like(&["first", "a%", "b"]), allowed: like(&["c"]) });
        assert_eq!(terms.rules.phase, Some(Phase::Savepoint));
        assert_eq!(without_effect, ["track_shmem"]);
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
            ("", json!({"scenario": 1}), "option \"scenario\" must be a string"),
            ("", json!({"scenario": "x"}), "unknown scenario \"x\""),
            ("", json!({"phase": "commit"}), "unknown phase \"commit\""),
            (
                "",
                json!({"allowed": []}),
                "unrecognized option \"allowed\" HINT: Options are \"allowed_contexts\", \"watch\", \"scenario\", \
                 \"growth\", \"phase\", \"track_shmem\" and \"track_dsm\".",
            ),
        ];
        for (pattern, options, expected) in table {
            assert_eq!(parsed(pattern, options.clone(), Place::Here), Err(expected.to_owned()), "{options}");
        }
        let umlauts = "\u{e4}".repeat(63);
        assert!(parsed(&umlauts, json!({}), Place::Here).is_ok());
    }

    #[test]
    fn scenarios_that_cannot_be_run_are_refused() {
        for &kind in ScenarioKind::ALL {
            for place in [Place::Here, Place::Elsewhere] {
                let found = parsed("", json!({"scenario": kind.as_str()}), place);
                let is_ladder = kind == ScenarioKind::QueryPeak;
                let refusal = match place {
                    _ if !kind.is_built() => "is not yet supported",
                    Place::Elsewhere if is_ladder => "cannot be run in another backend",
                    _ => {
                        assert_eq!(found.unwrap().terms.scenario, kind);
                        continue;
                    }
                };
                let Err(text) = found else { panic!("{kind} {place:?}") };
                let (message, hint) = text.split_once(" HINT: Scenarios are ").unwrap();
                assert_eq!(message, format!("scenario \"{kind}\" {refusal}"));
                // Those that can be run there, and no others.
                for &other in ScenarioKind::ALL {
                    let can = other.is_built() && (place == Place::Here || other != ScenarioKind::QueryPeak);
                    assert_eq!(hint.contains(&format!("\"{other}\"")), can, "{hint}");
                }
                assert!(hint.starts_with("\"window\", \"growth_benchmark\", "), "{hint}");
            }
        }
    }
}
