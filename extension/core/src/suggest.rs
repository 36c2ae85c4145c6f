//! Guesses which word was meant.

/// Characters of the longest word that one is looked for.
const LONGEST: usize = 100;

/// The candidate that a word is most likely a misspelling of.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    // One error in a short word, two from six letters on, and so on.
    let length = word.chars().count();
    let limit = (length / 3).max(1);
    // Every letter that one has more is an edit, but for the end of a long word.
    let may_be_close = |candidate: &&str| {
        candidate.len() <= LONGEST
            && (candidate.chars().count().abs_diff(length) <= limit || candidate.starts_with(word.as_str()))
    };
    candidates
        .into_iter()
        .filter(may_be_close)
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= limit && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Edits from one word to the other. Leaving off the end of a long word counts as one edit.
fn distance(word: &str, candidate: &str) -> usize {
    if word.len() >= 4 && candidate.starts_with(word) && candidate != word {
        return 1;
    }
    strsim::damerau_levenshtein(word, candidate)
}

/// A hint for a word that is not in a list: the one that was probably meant, or else all of a short list.
pub fn hint(word: &str, candidates: &[&str]) -> Option<String> {
    match closest(word, candidates.iter().copied()) {
        Some(candidate) => Some(did_you_mean(candidate)),
        None if (1..=6).contains(&candidates.len()) => Some(format!("use {}", alternatives(candidates))),
        None => None,
    }
}

/// The hint for a misspelt word.
pub fn did_you_mean(candidate: &str) -> String {
    format!("did you mean \"{candidate}\"?")
}

/// `"a", "b" or "c"`
pub fn alternatives(words: &[&str]) -> String {
    join(&words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>())
}

/// `a, b or c`
pub fn join(items: &[String]) -> String {
    joined(items, "or")
}

/// `a, b and c`
pub fn join_all(items: &[String]) -> String {
    joined(items, "and")
}

fn joined(items: &[String], word: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_word() {
        let words = ["iterations", "set", "setup", "growth_benchmark", "in", "by", "on", "off"];
        let table = [
            ("iteratons", Some("iterations")),
            ("ITERATIONS", Some("iterations")),
            ("sett", Some("set")),
            ("stup", Some("setup")),
            ("growth", Some("growth_benchmark")),
            ("growth_benchmrak", Some("growth_benchmark")),
            ("onn", Some("on")),
            ("x", None),
            ("workload", None),
        ];
        for (word, expected) in table {
            assert_eq!(closest(word, words), expected, "{word}");
        }
    }

    #[test]
    fn hints_name_the_word_or_the_choice() {
        assert_eq!(hint("stakcs", &["on", "off", "stacks"]).unwrap(), "did you mean \"stacks\"?");
        assert_eq!(hint("full", &["on", "off", "stacks"]).unwrap(), "use \"on\", \"off\" or \"stacks\"");
        assert_eq!(hint("full", &["a", "b", "c", "d", "e", "f", "g"]), None);
    }
}
