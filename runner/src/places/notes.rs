//! What is not looked at in a library, in words.

use std::collections::BTreeSet;

/// Calls through pointers.
pub fn through_pointers(calls: usize) -> Option<String> {
    (calls > 0).then(|| format!("{calls} {} through pointers, which are not followed", number(calls, "call")))
}

/// Functions whose address is taken.
pub fn handed(names: &BTreeSet<&str>) -> Option<String> {
    let all: Vec<&str> = names.iter().copied().collect();
    (!all.is_empty()).then(|| format!("addresses of {} are taken, and calls by them are not followed", all.join(", ")))
}

/// Calls of a runtime.
pub fn of_runtime(calls: usize) -> Option<String> {
    (calls > 0).then(|| format!("{calls} {} of the runtime of its language are left out", number(calls, "call")))
}

/// A word for so many.
pub fn number(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
