//! SQL LIKE over context, function and library names.

/// A LIKE pattern: `%` any run of characters, `_` any one character, `\` makes the next character literal.
///
/// As in PostgreSQL's `like_match.c`, case matters. A trailing lone `\` stands for itself instead of being an error, so
/// that a name given as a pattern always matches itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    source: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Run,
    One,
    Char(char),
}

impl Like {
    /// Compiles a pattern.
    pub fn new(source: impl Into<String>) -> Self {
        let source = source.into();
        let mut tokens = Vec::new();
        let mut chars = source.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '%' => Token::Run,
                '_' => Token::One,
                '\\' => Token::Char(chars.next().unwrap_or('\\')),
                c => Token::Char(c),
            });
        }
        Like { source, tokens }
    }

    /// Whether a pattern ends in the middle of an escape sequence. For LIKE that is an error.
    pub fn ends_in_escape(source: &str) -> bool {
        source.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the whole of `text` matches. Takes time proportional to pattern times text at worst.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut t, mut p) = (0, 0);
        // Where to resume when a run has to swallow one more character.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.tokens.get(p) {
                Some(Token::Run) => {
                    retry = Some((t, p + 1));
                    p += 1;
                    continue;
                }
                Some(Token::One) if t < text.len() => {
                    t += 1;
                    p += 1;
                    continue;
                }
                Some(Token::Char(c)) if text.get(t) == Some(c) => {
                    t += 1;
                    p += 1;
                    continue;
                }
                None if t == text.len() => return true,
                _ => {}
            }
            match retry {
                Some((from, after)) if from < text.len() => {
                    retry = Some((from + 1, after));
                    t = from + 1;
                    p = after;
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Like;

    #[test]
    fn matches_as_postgresql_does() {
        let table = [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("%", "anything", true),
            ("_", "", false),
            ("_", "a", true),
            ("_", "é", true),
            ("Buggy%", "BuggyPlannerLeakCtx", true),
            ("Buggy%", "buggyPlannerLeakCtx", false),
            ("%Leak%", "BuggyPlannerLeakCtx", true),
            ("%a%b%c", "xxaxxbxxc", true),
            ("%a%b%c", "xxaxxbxxcx", false),
            ("a\\%b", "a%b", true),
            ("a\\%b", "axb", false),
            ("a\\_b", "axb", false),
            ("a_b", "a_b", true),
            ("tail\\", "tail\\", true),
            ("my_ctx", "my ctx", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Like::new(pattern).matches(text), expected, "{text:?} LIKE {pattern:?}");
        }
    }
}
