//! Reads the keys of one TOML table: what has the wrong type and what nobody asked for becomes a [`Diagnostic`] with its place.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::language::{Diagnostic, number, suggest};

/// The mistakes found so far in one file.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Diagnostic>,
}

/// How many are told.
const TOLD: usize = 100;

impl Problems {
    pub(super) fn add(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.found.push(Diagnostic::new(span, message).with_hint(hint));
    }

    /// All of them in the order of their places.
    pub(super) fn into_vec(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|problem| problem.span.start);
        let more = self.found.len().saturating_sub(TOLD);
        if more > 1 {
            self.found.truncate(TOLD + 1);
            self.found[TOLD].message = format!("this and {} more errors", more - 1);
            self.found[TOLD].hint = None;
        }
        self.found
    }
}

/// One table of the file. Each key is asked for by name; [`Section::finish`] complains about the rest.
pub(super) struct Section<'a> {
    name: String,
    table: &'a DeTable<'a>,
    root: &'a Path,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The table called `name` (empty for the whole file); its paths are relative to `root`.
    pub(super) fn new(name: &str, table: &'a DeTable<'a>, root: &'a Path) -> Self {
        Self { name: name.to_owned(), table, root, known: Vec::new() }
    }

    /// The directory that paths are relative to.
    pub(super) fn root(&self) -> &'a Path {
        self.root
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    /// Whether the file says anything about a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text.
    pub(super) fn string(&mut self, key: &'static str, problems: &mut Problems) -> Option<(&'a str, Range<usize>)> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            wrong_type(value, "a string", problems);
        }
        Some((text?, value.span()))
    }

    /// A path.
    pub(super) fn path(&mut self, key: &'static str, problems: &mut Problems) -> Option<PathBuf> {
        let (text, _) = self.string(key, problems)?;
        Some(self.root.join(text))
    }

    /// A text or a list of texts.
    pub(super) fn strings(&mut self, key: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
        let value = self.value(key)?;
        if let Some(one) = value.get_ref().as_str() {
            return Some(vec![one.to_owned()]);
        }
        let texts = items(value, "a string or a list of strings", problems)?.filter_map(|item| {
            let text = item.get_ref().as_str();
            if text.is_none() {
                wrong_type(item, "a string", problems);
            }
            text.map(str::to_owned)
        });
        Some(texts.collect())
    }

    /// The same, and where it stands.
    pub(super) fn string_or_strings(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<(Vec<String>, Range<usize>)> {
        Some((self.strings(key, problems)?, self.span(key)?))
    }

    /// Where the value of a key stands.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get(key).map(Spanned::span)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let value = self.value(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            wrong_type(value, "a boolean", problems);
        }
        found
    }

    /// A number of bytes, as specs have it: `"64kB"`, or a whole number.
    pub(super) fn size(&mut self, key: &'static str, problems: &mut Problems) -> Option<u64> {
        let value = self.value(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(integer) => integer.as_str().to_owned(),
            _ => {
                wrong_type(value, "a size", problems);
                return None;
            }
        };
        match number::bytes(&text) {
            Ok(size) => Some(size),
            Err(error) => {
                problems.add(value.span(), format!("{error}: \"{text}\""), error.hint());
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        problems: &mut Problems,
    ) -> Option<u32> {
        number(self.value(key)?, &range, problems)
    }

    /// A list of whole numbers.
    pub(super) fn integers(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u32>,
        problems: &mut Problems,
    ) -> Option<Vec<u32>> {
        let list = items(self.value(key)?, "a list of numbers", problems)?;
        Some(list.filter_map(|item| number(item, &range, problems)).collect())
    }

    /// A time with its unit, as specs have it: `"500ms"`, `"60s"`, `"2min"`, `"1h"`.
    pub(super) fn duration(&mut self, key: &'static str, problems: &mut Problems) -> Option<Duration> {
        let (text, span) = self.string(key, problems)?;
        match number::duration(text) {
            Ok(duration) if duration.is_zero() => {
                problems.add(span, format!("\"{key}\" must be greater than zero"), None);
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                let hint = match error {
                    number::NumberError::OutOfRange => error.hint(),
                    _ => Some("write a whole number and a unit: \"500ms\", \"60s\", \"2min\", \"1h\"".to_owned()),
                };
                problems.add(span, format!("{error}: \"{text}\""), hint);
                None
            }
        }
    }

    /// A table in this one.
    pub(super) fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        section(value, &name, self.root, problems)
    }

    /// A day, as a date of TOML or as a text; it is not looked at further.
    pub(super) fn date(&mut self, key: &'static str, problems: &mut Problems) -> Option<(String, Range<usize>)> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Datetime(date) => Some((date.to_string(), value.span())),
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                wrong_type(value, "a date", problems);
                None
            }
        }
    }

    /// The tables of a list, each with its place.
    pub(super) fn list(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(Section<'a>, Range<usize>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(_) = value.get_ref().as_array() else {
            let message = format!("expected a list of tables, found {}", type_of(value));
            problems.add(value.span(), message, Some(format!("write \"[[{key}]]\" above each")));
            return Vec::new();
        };
        let name = format!("[{key}]");
        let Some(items) = items(value, "a list of tables", problems) else { return Vec::new() };
        items.filter_map(|item| Some((section(item, &name, self.root, problems)?, item.span()))).collect()
    }

    /// The tables in this one, when their names are free.
    pub(super) fn tables(&self, problems: &mut Problems) -> Vec<(&'a str, Section<'a>)> {
        let entries = self.table.iter().filter_map(|(key, value)| {
            let key = key.get_ref().as_ref();
            Some((key, section(value, &format!("{}.{key}", self.name), self.root, problems)?))
        });
        entries.collect()
    }

    /// Complains about every key that was not asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            let hint = match suggest::closest(key.get_ref(), self.known.iter().copied()) {
                Some(known) => suggest::did_you_mean(known),
                None => format!("known keys are: {}", self.known.join(", ")),
            };
            problems.add(key.span(), format!("unknown key \"{}\"{place}", key.get_ref()), Some(hint));
        }
    }
}

fn section<'a>(
    value: &'a Spanned<DeValue<'a>>,
    name: &str,
    root: &'a Path,
    problems: &mut Problems,
) -> Option<Section<'a>> {
    let table = value.get_ref().as_table();
    if table.is_none() {
        wrong_type(value, "a table", problems);
    }
    Some(Section::new(name, table?, root))
}

fn items<'a>(
    value: &'a Spanned<DeValue<'a>>,
    expected: &str,
    problems: &mut Problems,
) -> Option<impl Iterator<Item = &'a Spanned<DeValue<'a>>> + use<'a>> {
    let array = value.get_ref().as_array();
    if array.is_none() {
        wrong_type(value, expected, problems);
    }
    array.map(|array| array.iter())
}

fn number(value: &Spanned<DeValue>, range: &RangeInclusive<u32>, problems: &mut Problems) -> Option<u32> {
    let Some(integer) = value.get_ref().as_integer() else {
        wrong_type(value, "a whole number", problems);
        return None;
    };
    let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number));
    if number.is_none() {
        let message = format!("{} is outside the valid range {} .. {}", integer.as_str(), range.start(), range.end());
        problems.add(value.span(), message, None);
    }
    number
}

fn type_of(value: &Spanned<DeValue>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wrong_type(value: &Spanned<DeValue>, expected: &str, problems: &mut Problems) {
    let found = type_of(value);
    let hint = match (value.get_ref(), expected) {
        (DeValue::Integer(number), "a string" | "a string or a list of strings") => {
            Some(format!("write it in quotes: \"{}\"", number.as_str()))
        }
        (DeValue::String(text), "a whole number") if text.parse::<u32>().is_ok() => {
            Some(format!("write it without quotes: {text}"))
        }
        (DeValue::Integer(number), "a list of numbers") => Some(format!("write a list: [{}]", number.as_str())),
        _ => None,
    };
    problems.add(value.span(), format!("expected {expected}, found {found}"), hint);
}
