//! What runs write and later ones read, and patterns.

use mcspec::golden::{Block, Golden, differences};
use mcspec::report::json::RunReport;
use mcspec::results::schema::{CaseResult, RunIndex};
use memcheck_core::like::Like;

use crate::text;

/// A golden.
pub fn golden(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match text.parse::<Golden>() {
        Ok(golden) => {
            // Somebody may have written it by hand; what mcspec makes of that stays what it is.
            let written = golden.to_string();
            let read: Golden = written.parse().unwrap_or_else(|bad| panic!("{bad}: {written:?}"));
            assert_eq!((&read, read.to_string()), (&written.parse().expect("as before"), written));
        }
        Err(bad) => drop(bad.to_string()),
    }
}

/// What a run measured, and what a report of one says.
pub fn results(data: &[u8]) {
    if let Ok(index) = serde_json::from_slice::<RunIndex>(data) {
        let written = serde_json::to_string(&index).expect("written");
        assert_eq!(serde_json::from_str::<RunIndex>(&written).ok(), Some(index));
    }
    if let Some(text) = text(data)
        && let Err(bad) = RunReport::parse(text)
    {
        drop(bad.to_string());
    }
    let Ok(result) = serde_json::from_slice::<CaseResult>(data) else { return };
    let written = serde_json::to_string(&result).expect("written");
    assert_eq!(serde_json::from_str::<CaseResult>(&written).ok().as_ref(), Some(&result));
    let Ok(observed) = result.observed() else { return };
    for seen in &observed {
        let block = Block::from(seen);
        assert_eq!(differences(Some(&block), seen), []);
        differences(None, seen);
    }
}

/// A pattern and a text, divided by a null byte.
pub fn like(data: &[u8]) {
    let Some((pattern, text)) = text(data).and_then(|both| both.split_once('\0')) else { return };
    let like = Like::new(pattern);
    let matches = like.matches(text);
    if pattern.len() + text.len() < 200 {
        assert_eq!(matches, by_definition(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>()));
    }
    assert!(Like::new("%").matches(text));
    assert!(Like::new(text.replace(['\\', '%', '_'], "_")).matches(text));
}

/// LIKE as it is defined: prefix by prefix of the pattern, which prefixes of the text match.
fn by_definition(pattern: &[char], text: &[char]) -> bool {
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let before = fits.clone();
        let literal = match pattern[at] {
            '%' => {
                let mut any = false;
                for (now, was) in fits.iter_mut().zip(before) {
                    any |= was;
                    *now = any;
                }
                at += 1;
                continue;
            }
            '_' => None,
            // At the end it stands for itself.
            '\\' if at + 1 < pattern.len() => {
                at += 1;
                Some(pattern[at])
            }
            other => Some(other),
        };
        fits[0] = false;
        for (i, &c) in text.iter().enumerate() {
            fits[i + 1] = before[i] && literal.is_none_or(|literal| literal == c);
        }
        at += 1;
    }
    fits[text.len()]
}
