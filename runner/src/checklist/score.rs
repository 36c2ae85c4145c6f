//! What coverage and mutation have measured, from the files that they leave among the results.

use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bounded;

/// So many of so many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Those that were reached or caught.
    pub count: u64,
    /// All of them.
    pub of: u64,
    /// Percent, as it was measured.
    pub percent: f64,
}

/// The two; none where it was not measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Which places that allocate were reached.
    pub coverage: Option<Score>,
    /// Which dropped calls that free were caught.
    pub mutation: Option<Score>,
}

/// A file that is there and is not what was measured.
#[derive(Debug, thiserror::Error)]
#[error("\"{file}\" has no {key}")]
pub struct BadScore {
    /// The file.
    pub file: String,
    /// What it lacks.
    pub key: &'static str,
}

impl Scores {
    /// Those of a directory of results.
    ///
    /// # Errors
    ///
    /// See [`BadScore`].
    pub fn read(results: &Path) -> Result<Self, BadScore> {
        Ok(Scores {
            coverage: read(&results.join("coverage.json"), "reached", |value| number(value, "places"))?,
            mutation: read(&results.join("mutations.json"), "caught", |value| number(value, "of"))?,
        })
    }
}

fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_u64()
}

fn read(file: &Path, count: &'static str, of: impl Fn(&Value) -> Option<u64>) -> Result<Option<Score>, BadScore> {
    let lacks = |key| BadScore { file: file.display().to_string(), key };
    let text = match bounded::text(file, bounded::RECORD) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(lacks("text")),
    };
    let value: Value = serde_json::from_str(&text).map_err(|_| lacks("JSON"))?;
    let found = number(&value, count).ok_or_else(|| lacks(count))?;
    let of = of(&value).ok_or_else(|| lacks("total"))?;
    let measured = value.get("percent").and_then(Value::as_f64);
    // Of nothing all is reached.
    let computed = if of == 0 { 100.0 } else { found as f64 * 100.0 / of as f64 };
    Ok(Some(Score { count: found, of, percent: measured.unwrap_or(computed) }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn scores_are_read_where_they_are() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path();
        assert_eq!(Scores::read(at).expect("nothing there"), Scores::default());
        fs::write(at.join("coverage.json"), r#"{"format":1,"reached":3,"places":4,"percent":75.0,"files":[]}"#)
            .expect("written");
        fs::write(at.join("mutations.json"), r#"{"caught":2,"of":3}"#).expect("written");
        let scores = Scores::read(at).expect("valid");
        assert_eq!(scores.coverage, Some(Score { count: 3, of: 4, percent: 75.0 }));
        assert_eq!(scores.mutation.map(|score| (score.count, score.of, score.percent.round())), Some((2, 3, 67.0)));
        for (text, lack) in [("{", "JSON"), ("{}", "caught"), (r#"{"caught":1}"#, "total")] {
            fs::write(at.join("mutations.json"), text).expect("written");
            assert_eq!(Scores::read(at).expect_err(text).key, lack);
        }
    }
}
