//! Questions and answers as JSON.

use std::io::{self, Write};

use memcheck_core::judge::thresholds::Thresholds;
use memcheck_core::targets::{Loaded, Targets};
use memcheck_core::wire;
use serde_json::{Map, Value, json};

use super::{Question, Refusal};
use crate::guard::Level;
use crate::guard::faults::policy::Policy;
use crate::guc::Traced;
use crate::session::{Closed, Figures};
use crate::shmem::exchange::Lack;

/// A question, written.
pub(super) fn question(question: &Question) -> Value {
    match question {
        Question::LiveAllocations => json!({"ask": "live_allocations"}),
        Question::Contexts => json!({"ask": "contexts"}),
        Question::Begin { pattern, options, traced, thresholds } => json!({
            "ask": "begin", "pattern": pattern, "options": options,
            "targets": traced.as_ref().map(|traced| traced.targets.list()),
            "by_calls": traced.as_ref().is_some_and(|traced| traced.by_calls),
            "guard": traced.as_ref().map_or(0, |traced| traced.guard.number()),
            "on_fault": traced.as_ref().and_then(|traced| traced.on_fault).map(Policy::number),
            "min_leak_bytes": thresholds.min_leak_bytes, "bloat_min_bytes": thresholds.bloat_min_bytes,
        }),
        Question::End => json!({"ask": "end"}),
        Question::Look => json!({"ask": "look"}),
    }
}

/// A question, read. The error says what is wrong with it.
pub(super) fn read_question(bytes: &[u8]) -> Result<Question, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let read = || {
        Some(match value["ask"].as_str()? {
            "live_allocations" => Question::LiveAllocations,
            "contexts" => Question::Contexts,
            "begin" => Question::Begin {
                pattern: value["pattern"].as_str()?.to_owned(),
                options: value["options"].clone(),
                traced: match &value["targets"] {
                    Value::Null => None,
                    list => Some(Traced {
                        targets: Targets::new(list.as_str()?),
                        by_calls: value["by_calls"].as_bool()?,
                        guard: Level::numbered(value["guard"].as_u64()?)?,
                        on_fault: match &value["on_fault"] {
                            Value::Null => None,
                            number => Some(Policy::numbered(i32::try_from(number.as_i64()?).ok()?)),
                        },
                    }),
                },
                thresholds: Thresholds {
                    min_leak_bytes: value["min_leak_bytes"].as_u64()?,
                    bloat_min_bytes: value["bloat_min_bytes"].as_u64()?,
                },
            },
            "end" => Question::End,
            "look" => Question::Look,
            _ => return None,
        })
    };
    read().ok_or_else(|| format!("invalid question {value}"))
}

/// Counts bytes.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long an answer is when it is written (bytes).
pub(super) fn length(answer: &Result<Value, Refusal>) -> usize {
    let mut count = Count(0);
    write_answer(answer, &mut count);
    count.0
}

/// Writes an answer where there is room for it.
pub(super) fn write_answer(answer: &Result<Value, Refusal>, to: impl Write) {
    let written = match answer {
        Ok(value) => serde_json::to_writer(to, value),
        Err(Refusal { message, hint }) => serde_json::to_writer(to, &json!({"refused": message, "hint": hint})),
    };
    debug_assert!(written.is_ok(), "{written:?}");
}

/// Reads an answer. The outer error says what is wrong with it.
pub(super) fn read_answer(answer: Result<&[u8], Lack>) -> Result<Result<Value, Refusal>, String> {
    let bytes = answer.map_err(|lack| match lack {
        Lack::TooLong => "it is too long",
        Lack::NoRoom => "answers to others take all the room that there is",
    })?;
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(match value["refused"].as_str() {
        Some(message) => Err(Refusal { message: message.to_owned(), hint: value["hint"].as_str().map(str::to_owned) }),
        None => Ok(value),
    })
}

/// What there is to say of a window.
pub(super) fn closed(closed: &Closed) -> Value {
    let findings: Vec<Value> = closed.findings.iter().map(wire::finding).collect();
    let figures: Map<String, Value> =
        closed.figures.named().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let targets: Vec<Value> = closed.targets.iter().map(|loaded| json!([loaded.target, loaded.library])).collect();
    json!({"findings": findings, "figures": figures, "targets": targets})
}

/// Reads what [`closed`] wrote.
pub(crate) fn read_closed(value: &Value) -> Option<Closed> {
    let findings = value["findings"].as_array()?.iter().map(wire::read_finding).collect::<Result<_, _>>().ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let loaded = |row: &Value| Loaded { target: text(&row[0]), library: text(&row[1]) };
    let targets = value["targets"].as_array()?.iter().map(loaded).collect();
    Some(Closed {
        findings,
        figures: Figures::read(|name| value["figures"][name].as_u64())?,
        targets,
        ..Closed::default()
    })
}

/// An array of strings.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::pages::Side;
    use memcheck_core::{CheckKind, ContextPath, Finding, Severity};

    fn traced(guard: Level, on_fault: Option<Policy>) -> Traced {
        Traced { targets: Targets::new("my_ext,other%"), by_calls: true, guard, on_fault }
    }

    #[test]
    fn what_is_done_about_accesses_is_read_as_it_was_asked_for() {
        let levels =
            [Level::Off, Level::Redzone, Level::Pages(1, Side::Behind), Level::Pages(i32::MAX as u32, Side::Before)];
        let policies = [None, Some(Policy::Report), Some(Policy::Fatal), Some(Policy::Error)];
        for (guard, on_fault) in levels.into_iter().flat_map(|level| policies.map(|policy| (level, policy))) {
            let asked = Question::Begin {
                pattern: String::new(),
                options: Value::Null,
                traced: Some(traced(guard, on_fault)),
                thresholds: Thresholds::default(),
            };
            assert_eq!(read_question(question(&asked).to_string().as_bytes()), Ok(asked));
        }
    }

    #[test]
    fn questions_are_read_as_they_were_asked() {
        for asked in [
            Question::LiveAllocations,
            Question::Contexts,
            Question::Begin {
                pattern: "my%".to_owned(),
                options: json!({"scenario": "window"}),
                traced: Some(traced(Level::Pages(3, Side::Before), Some(Policy::Error))),
                thresholds: Thresholds { min_leak_bytes: 1, bloat_min_bytes: 2 },
            },
            Question::Begin {
                pattern: String::new(),
                options: Value::Null,
                traced: None,
                thresholds: Thresholds::default(),
            },
            Question::End,
            Question::Look,
        ] {
            assert_eq!(read_question(question(&asked).to_string().as_bytes()), Ok(asked));
        }
        assert_eq!(read_question(br#"{"ask": "me"}"#), Err(r#"invalid question {"ask":"me"}"#.to_owned()));
        assert!(read_question(b"").is_err());
    }

    #[test]
    fn answers_are_read_as_they_were_given() {
        let refused = |hint: Option<&str>| Err(Refusal { message: "no".to_owned(), hint: hint.map(str::to_owned) });
        for given in [Ok(json!([1, {"a": "b"}])), refused(None), refused(Some("Ask again."))] {
            let mut room = vec![0; length(&given)];
            write_answer(&given, room.as_mut_slice());
            assert_eq!(read_answer(Ok(&room)), Ok(given.clone()));
        }
        assert_eq!(read_answer(Err(Lack::TooLong)), Err("it is too long".to_owned()));
        assert!(read_answer(Ok(b"")).is_err());
    }

    #[test]
    fn windows_are_read_as_they_were_closed() {
        let found = Finding {
            check: CheckKind::ContextLeak,
            severity: Severity::Warning,
            path: ContextPath::new(["CacheMemoryContext", "mine"]),
            bytes: 20_000,
            objects: 100,
            iterations: 100,
            bytes_per_iter: 200.0,
            objects_per_iter: 1.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: "grew".to_owned(),
            access: None,
        };
        let figures = Figures { marks: 3, violations_lost: 4, ..Figures::default() };
        let targets = vec![
            Loaded { target: Some("my%".to_owned()), library: Some("my_ext".to_owned()) },
            Loaded { target: Some("x".to_owned()), library: None },
        ];
        let window = Closed { findings: vec![found], figures, targets, ..Closed::default() };
        assert_eq!(read_closed(&closed(&window)), Some(window));
        assert!(read_closed(&json!({"findings": [], "figures": {}})).is_none());
    }
}
