//! The arguments of `begin()` and `begin_in()`.

use memcheck_core::judge::{Filter, Rules};
use memcheck_core::like::Like;
use memcheck_core::{Phase, ScenarioKind};
use serde_json::Value;

use crate::session;

/// Longest pattern, as documented (characters).
const PATTERN_CHARACTERS: usize = 63;

/// An argument that cannot be used, with a hint.
#[derive(Debug)]
pub(crate) struct BadOption {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

fn bad(message: String) -> BadOption {
    BadOption { message, hint: None }
}

/// Options that mean something, and those that are accepted because they are documented but do nothing yet.
pub(crate) struct Parsed {
    pub(crate) rules: Rules,
    pub(crate) without_effect: Vec<&'static str>,
}

/// Reads pattern and options.
pub(crate) fn parse(pattern: &str, options: Option<&Value>) -> Result<Parsed, BadOption> {
    if pattern.chars().count() > PATTERN_CHARACTERS {
        return Err(bad(format!("ext_context_pattern too long (max {PATTERN_CHARACTERS} characters)")));
    }
    let mut rules = session::plain_rules();
    let mut without_effect = Vec::new();
    if !pattern.is_empty() {
        rules.filter.watch.push(Like::new(pattern));
    }
    let empty = serde_json::Map::new();
    let options = match options {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(options)) => options,
        Some(_) => return Err(bad("options must be a JSON object".to_owned())),
    };
    for (key, value) in options {
        let Filter { watch, allowed } = &mut rules.filter;
        match key.as_str() {
            "allowed_contexts" => allowed.extend(patterns(key, value)?),
            "watch" => watch.extend(patterns(key, value)?),
            "scenario" => rules.scenario = word::<ScenarioKind>(key, value)?,
            "phase" => rules.phase = Some(word::<Phase>(key, value)?),
            "track_shmem" => without_effect.extend(flag(key, value)?.then_some("track_shmem")),
            "track_dsm" => without_effect.extend(flag(key, value)?.then_some("track_dsm")),
            _ => {
                return Err(BadOption {
                    message: format!("unrecognized option \"{key}\""),
                    hint: Some(
                        "Options are \"allowed_contexts\", \"watch\", \"scenario\", \"phase\", \"track_shmem\" \
                         and \"track_dsm\".",
                    ),
                });
            }
        }
    }
    Ok(Parsed { rules, without_effect })
}

fn patterns(key: &str, value: &Value) -> Result<Vec<Like>, BadOption> {
    let wrong = || bad(format!("option \"{key}\" must be an array of strings"));
    let items = value.as_array().ok_or_else(wrong)?;
    items.iter().map(|item| item.as_str().map(Like::new).ok_or_else(wrong)).collect()
}

fn flag(key: &str, value: &Value) -> Result<bool, BadOption> {
    value.as_bool().ok_or_else(|| bad(format!("option \"{key}\" must be true or false")))
}

fn word<T: std::str::FromStr<Err = memcheck_core::check::UnknownWord>>(
    key: &str,
    value: &Value,
) -> Result<T, BadOption> {
    let text = value.as_str().ok_or_else(|| bad(format!("option \"{key}\" must be a string")))?;
    text.parse().map_err(|error: memcheck_core::check::UnknownWord| bad(error.to_string()))
}
