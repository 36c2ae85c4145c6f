//! The path of a MemoryContext: the names from the root down.

use std::fmt;
use std::str::FromStr;

use crate::like::Like;
use crate::line;

/// Names of a context and its ancestors, outermost first, without TopMemoryContext unless it is the context itself.
///
/// Written `CacheMemoryContext/my cache`; a `/`, `|` or `\` inside a name is escaped with `\`, and what is not
/// seen is written as [`line`] says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ContextPath {
    names: Vec<String>,
}

/// The name of the root of every backend's tree.
pub const TOP_MEMORY_CONTEXT: &str = "TopMemoryContext";

/// What the heap of the C library is called where others have a context's name.
pub const HEAP: &str = "malloc";

impl ContextPath {
    /// Makes a path from names, outermost first. A leading TopMemoryContext is dropped where something follows it.
    pub fn new<I, S>(names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.len() > 1 && names[0] == TOP_MEMORY_CONTEXT {
            names.remove(0);
        }
        ContextPath { names }
    }

    /// What stands for a path where memory is of the heap of the C library, and of no context.
    pub fn heap() -> Self {
        ContextPath::new([HEAP])
    }

    /// Whether it is that.
    pub fn is_heap(&self) -> bool {
        self.names == [HEAP]
    }

    /// The names, outermost first.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The context's own name; empty for an empty path.
    pub fn leaf(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// The parent's name; none for TopMemoryContext.
    pub fn parent(&self) -> Option<&str> {
        match self.names.len() {
            0 => None,
            1 if self.names[0] == TOP_MEMORY_CONTEXT => None,
            1 => Some(TOP_MEMORY_CONTEXT),
            n => Some(&self.names[n - 2]),
        }
    }

    /// Distance from TopMemoryContext, which has depth 0.
    pub fn depth(&self) -> u32 {
        match self.names.as_slice() {
            [only] if only == TOP_MEMORY_CONTEXT => 0,
            names => u32::try_from(names.len()).unwrap_or(u32::MAX),
        }
    }

    /// Whether a pattern selects this context: a pattern with a `/` is matched against the whole path, any other
    /// against the context's own name.
    pub fn matches(&self, pattern: &Like) -> bool {
        if pattern.source().contains('/') { pattern.matches(&self.to_string()) } else { pattern.matches(self.leaf()) }
    }
}

impl fmt::Display for ContextPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            for c in name.chars() {
                line::write(f, c, &['/', '|', '\\'])?;
            }
        }
        Ok(())
    }
}

impl FromStr for ContextPath {
    type Err = std::convert::Infallible;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut names = vec![String::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '/' => names.push(String::new()),
                '\\' => push(&mut names, line::read(&mut chars)),
                c => push(&mut names, c),
            }
        }
        Ok(ContextPath { names })
    }
}

fn push(names: &mut [String], c: char) {
    if let Some(last) = names.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let table: &[(&[&str], &str, u32, Option<&str>)] = &[
            (&["TopMemoryContext"], "TopMemoryContext", 0, None),
            (&["TopMemoryContext", "MessageContext"], "MessageContext", 1, Some("TopMemoryContext")),
            (&["CacheMemoryContext", "my cache"], "CacheMemoryContext/my cache", 2, Some("CacheMemoryContext")),
            (&["a/b", "c|d", "e\\f", "g\nh"], "a\\/b/c\\|d/e\\\\f/g\\nh", 4, Some("e\\f")),
            (&["a\tb", "c\u{202e}"], "a\\tb/c\\u{202e}", 2, Some("a\tb")),
        ];
        for &(names, text, depth, parent) in table {
            let path = ContextPath::new(names.iter().copied());
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path.clone()));
            assert_eq!(path.depth(), depth);
            assert_eq!(path.parent(), parent);
        }
    }

    #[test]
    fn patterns_select_by_name_or_by_path() {
        let path = ContextPath::new(["CacheMemoryContext", "my cache"]);
        for (pattern, expected) in [
            ("my%", true),
            ("CacheMemoryContext", false),
            ("CacheMemoryContext/%", true),
            ("TopMemoryContext/%", false),
            ("%", true),
        ] {
            assert_eq!(path.matches(&Like::new(pattern)), expected, "{pattern}");
        }
    }
}
