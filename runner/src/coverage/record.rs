//! Coverage for programs: `results/coverage.json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Coverage, Share};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// What was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageRecord {
    /// Format of this record.
    pub format: u32,
    /// Of all places.
    #[serde(flatten)]
    pub places: ShareRecord,
    /// Least percentage that is asked for, if any.
    pub least: Option<u32>,
    /// Whether there is as much.
    pub holds: bool,
    /// File by file.
    pub files: Vec<FileRecord>,
    /// The functions of extensions.
    pub functions: Vec<MemberRecord>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
}

/// So many of so many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareRecord {
    /// How many were reached.
    pub reached: usize,
    /// How many there are.
    pub places: usize,
    /// Percent, rounded down to a tenth.
    pub percent: f64,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// The library.
    pub library: String,
    /// The source file, as the compiler was told; none where that is not known.
    pub file: Option<String>,
    /// Of its places.
    #[serde(flatten)]
    pub share: ShareRecord,
    /// Its functions.
    pub functions: Vec<FunctionRecord>,
}

/// A function with places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionRecord {
    /// Its name.
    pub name: String,
    /// Of its places.
    #[serde(flatten)]
    pub share: ShareRecord,
    /// The places.
    pub all: Vec<PlaceRecord>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceRecord {
    /// The line; none where it is not known.
    pub line: Option<u32>,
    /// The function that is called.
    pub callee: String,
    /// Whether it was reached.
    pub reached: bool,
}

/// A function of an extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRecord {
    /// The extension.
    pub extension: String,
    /// The function with its arguments.
    pub function: String,
    /// Whether a spec has called it; none where that is not known.
    pub called: Option<bool>,
}

impl From<Share> for ShareRecord {
    fn from(share: Share) -> Self {
        ShareRecord { reached: share.reached, places: share.all, percent: share.percent() }
    }
}

impl CoverageRecord {
    /// The record of this.
    pub fn new(coverage: &Coverage, least: Option<u32>) -> Self {
        type Functions<'a> = BTreeMap<&'a str, Vec<PlaceRecord>>;
        let mut files: BTreeMap<(&str, &str), Functions> = BTreeMap::new();
        for (library, place, reached) in coverage.places() {
            let line = (place.line > 0).then_some(place.line);
            let functions = files.entry((library, &place.file)).or_default();
            let record = PlaceRecord { line, callee: place.callee.clone(), reached };
            functions.entry(&place.function).or_default().push(record);
        }
        let share =
            |places: &mut dyn Iterator<Item = &PlaceRecord>| Share::of(places.map(|place| place.reached)).into();
        let files = files.into_iter().map(|((library, file), functions)| FileRecord {
            library: library.to_owned(),
            file: (!file.is_empty()).then(|| file.to_owned()),
            share: share(&mut functions.values().flatten()),
            functions: functions
                .into_iter()
                .map(|(name, all)| FunctionRecord { name: name.to_owned(), share: share(&mut all.iter()), all })
                .collect(),
        });
        let member = |(member, &called): (&crate::exec::Member, &Option<bool>)| MemberRecord {
            extension: member.extension.clone(),
            function: member.function.clone(),
            called,
        };
        CoverageRecord {
            format: FORMAT,
            places: coverage.share().into(),
            least,
            holds: least.is_none_or(|least| coverage.share().is_at_least(least)),
            files: files.collect(),
            functions: coverage.functions.iter().map(member).collect(),
            notes: coverage.notes(),
        }
    }
}
