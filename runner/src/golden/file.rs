//! The golden file: one block of rows for each scenario and each permutation. That of a permutation begins with what
//! happened, a line for each time a step was reported.
//!
//! ```text
//! mcspec golden 1
//! spec leaky_hooks
//!
//! scenario growth_benchmark count_companies
//! ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy_pg_ext
//! (1 violation)
//!
//! permutation lock insert unlock
//! lock
//! insert <waiting ...>
//! unlock
//! insert <... completed>
//! s2: ctx_bloat|INFO|TopMemoryContext|8kB..16kB/iter|-|-
//! (1 violation)
//! ```

use std::fmt;
use std::str::FromStr;

use memcheck_core::golden::field::BadRow;
use memcheck_core::golden::row::{Row, has_fields};
use memcheck_core::line::{escaped, unescaped};

use crate::results::Seen;

/// The format of golden files; the number goes up when the meaning of a row changes.
pub const FORMAT: u32 = 1;

/// What begins the titles of blocks without a trace: of scenarios, of what was observed, and of statements that were repeated.
const TITLES: [&str; 5] = ["scenario ", "statement ", "running ", "session ", "repeated "];

/// First line of every golden file.
const FORMAT_LINE: &str = "mcspec golden 1";

/// What a golden file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Golden {
    /// The case it was recorded from.
    pub spec: String,
    /// One block for each scenario and each permutation, in the order of the spec.
    pub blocks: Vec<Block>,
}

/// What is recorded for one scenario or permutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The clause: `scenario KIND [name]`, `permutation STEP ...`.
    pub title: String,
    /// What happened in a permutation; nothing for a scenario.
    pub trace: Vec<String>,
    /// Rows in the bytewise order of their text.
    pub rows: Vec<Row>,
}

impl Block {
    /// A block with its rows put in order.
    pub fn new(title: impl Into<String>, trace: Vec<String>, mut rows: Vec<Row>) -> Self {
        rows.sort_by_cached_key(Row::to_string);
        Block { title: title.into(), trace, rows }
    }
}

impl From<&Seen> for Block {
    /// The block that records it.
    fn from(seen: &Seen) -> Self {
        let rows = seen.rows.iter().map(|observed| observed.row.clone()).collect();
        Block::new(seen.title.clone(), seen.trace.clone(), rows)
    }
}

impl Golden {
    /// The block of a scenario.
    pub fn block(&self, title: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.title == title)
    }
}

/// A text that is not a golden file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BadGolden {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a line of a golden file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The first line is not [`FORMAT_LINE`].
    #[error("expected \"{FORMAT_LINE}\", found \"{0}\"")]
    Format(String),
    /// The second line does not name the spec.
    #[error("expected \"spec NAME\", found \"{0}\"")]
    Spec(String),
    /// A block does not begin with its scenario.
    #[error("expected the title of a block, such as \"scenario KIND [name]\", found \"{0}\"")]
    Title(String),
    /// A scenario has two blocks.
    #[error("second block for \"{0}\"")]
    Repeated(String),
    /// A line between the title and the count is not a row.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// Rows are not in bytewise order.
    #[error("row out of order")]
    Order,
    /// The count differs from the number of rows.
    #[error("expected \"{expected}\", found \"{found}\"")]
    Count {
        /// The line that fits the rows.
        expected: String,
        /// The line as it is.
        found: String,
    },
    /// The file ends inside a block.
    #[error("the file ends before the count line of \"{0}\"")]
    CutShort(String),
}

/// `(1 violation)`, `(2 violations)`: the line that closes a block. Equal violations count each.
fn count_line(rows: &[Row]) -> String {
    match rows.iter().map(|row| row.times).sum::<u64>() {
        1 => "(1 violation)".to_owned(),
        n => format!("({n} violations)"),
    }
}

/// The line that names the spec, whatever its file is called.
pub(super) fn spec_line(spec: &str) -> String {
    format!("spec {}", escaped(spec, &['\\']))
}

impl fmt::Display for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT_LINE}\n{}", spec_line(&self.spec))?;
        for block in &self.blocks {
            writeln!(f, "\n{}", block.title)?;
            for line in &block.trace {
                writeln!(f, "{line}")?;
            }
            for row in &block.rows {
                writeln!(f, "{row}")?;
            }
            writeln!(f, "{}", count_line(&block.rows))?;
        }
        Ok(())
    }
}

impl FromStr for Golden {
    type Err = BadGolden;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is written has no carriage return of its own: those at the end of a line are some editor's.
        let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_end_matches('\r')));
        let at = |line: usize, fault: Fault| BadGolden { line, fault };
        match lines.next() {
            Some((_, FORMAT_LINE)) => {}
            other => return Err(at(1, Fault::Format(other.map_or("", |(_, line)| line).to_owned()))),
        }
        let spec = match lines.next() {
            Some((line, text)) => {
                let name = text.strip_prefix("spec ").ok_or_else(|| at(line, Fault::Spec(text.to_owned())))?;
                unescaped(name)
            }
            None => return Err(at(2, Fault::Spec(String::new()))),
        };

        let mut blocks: Vec<Block> = Vec::new();
        while let Some((title_line, title)) = lines.next() {
            if title.is_empty() {
                continue;
            }
            let is_permutation = title.starts_with("permutation ");
            if !is_permutation && !TITLES.iter().any(|begin| title.starts_with(begin)) {
                return Err(at(title_line, Fault::Title(title.to_owned())));
            }
            if blocks.iter().any(|block| block.title == title) {
                return Err(at(title_line, Fault::Repeated(title.to_owned())));
            }
            let (mut trace, mut rows): (Vec<String>, Vec<Row>) = (Vec::new(), Vec::new());
            let mut previous = String::new();
            loop {
                let (line, text) = lines.next().ok_or_else(|| at(title_line, Fault::CutShort(title.to_owned())))?;
                if text.starts_with('(') {
                    let expected = count_line(&rows);
                    if text != expected {
                        return Err(at(line, Fault::Count { expected, found: text.to_owned() }));
                    }
                    break;
                }
                if is_permutation && rows.is_empty() && !has_fields(text) {
                    trace.push(text.to_owned());
                    continue;
                }
                let row: Row = text.parse().map_err(|bad: BadRow| at(line, bad.into()))?;
                // As it is written, not as somebody has typed it: a control character may stand for itself there.
                let written = row.to_string();
                if written < previous {
                    return Err(at(line, Fault::Order));
                }
                previous = written;
                rows.push(row);
            }
            blocks.push(Block { title: title.to_owned(), trace, rows });
        }
        Ok(Golden { spec, blocks })
    }
}

#[cfg(test)]
mod tests {
    use memcheck_core::golden::row;
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = "\
mcspec golden 1
spec leaky_hooks

scenario growth_benchmark count_companies
context_leak|ERROR|MessageContext/BuggyPlannerLeakCtx|8kB..16kB x1/iter|linear|-
ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|buggy_pg_ext x2
(3 violations)

scenario wrong_context_probe
(0 violations)

permutation a b(*)
a
b <waiting ...>
b <... completed> ERROR 40P01
s1: ctx_bloat|ERROR|TopMemoryContext|8kB..16kB/iter|linear|-
(1 violation)
";

    #[test]
    fn reads_back_what_it_writes() {
        let golden: Golden = SAMPLE.parse().unwrap();
        assert_eq!(golden.spec, "leaky_hooks");
        assert_eq!(golden.block("scenario wrong_context_probe").unwrap().rows, []);
        assert_eq!(golden.to_string(), SAMPLE);
    }

    #[test]
    fn rows_are_written_in_bytewise_order() {
        let rows = ["ctx_bloat|INFO|b|-|-|-", "context_leak|INFO|z|-|-|-", "ctx_bloat|INFO|a|-|-|-"];
        let block = Block::new("scenario window", vec![], rows.map(|row| row.parse().unwrap()).to_vec());
        let golden = Golden { spec: "s".into(), blocks: vec![block] };
        assert_eq!(golden.to_string().parse(), Ok(golden));
    }

    proptest! {
        #[test]
        fn names_of_all_kinds_read_back(
            spec in ".*|[\\x00-\\x1f\\\\nu{} a\u{2028}]*",
            names in prop::collection::vec(".*|[\\x00-\\x1f|(\\\\n a\u{2028}]*", 1..4),
            library in ".*",
        ) {
            let step = |name: &String| format!("{} <waiting ...>", row::escaped(name));
            let library = row::escaped(&library);
            let row = format!("{}: ctx_bloat|INFO|{library}|-|-|-", row::escaped(&names[0]));
            let block = Block::new(
                escaped(&format!("permutation {}", names.join(" ")), &[]),
                names.iter().map(step).chain(names.iter().map(|name| row::escaped(name))).collect(),
                vec![row.parse().unwrap()],
            );
            let golden = Golden { spec, blocks: vec![block] };
            prop_assert_eq!(golden.to_string().parse(), Ok(golden));
        }
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        let head = "mcspec golden 1\nspec s\n\n";
        let table = [
            ("", "line 1: expected \"mcspec golden 1\", found \"\""),
            ("mcspec golden 2\n", "line 1: expected \"mcspec golden 1\", found \"mcspec golden 2\""),
            ("mcspec golden 1\n", "line 2: expected \"spec NAME\", found \"\""),
            (
                &format!("{head}window"),
                "line 4: expected the title of a block, such as \"scenario KIND [name]\", found \"window\"",
            ),
            (
                &format!("{head}scenario window\n(0 violations)\nscenario window\n"),
                "line 6: second block for \"scenario window\"",
            ),
            (
                &format!("{head}scenario window\nctx_blot|INFO|a|-|-|-\n(1 violation)\n"),
                "line 5: invalid check \"ctx_blot\"",
            ),
            (
                &format!("{head}scenario window\nctx_bloat|INFO|b|-|-|-\nctx_bloat|INFO|a|-|-|-\n(2 violations)\n"),
                "line 6: row out of order",
            ),
            (
                &format!("{head}scenario window\nctx_bloat|INFO|a|-|-|-\n(2 violations)\n"),
                "line 6: expected \"(1 violation)\", found \"(2 violations)\"",
            ),
            (
                &format!("{head}scenario window\nctx_bloat|INFO|a|-|-|-\n"),
                "line 4: the file ends before the count line of \"scenario window\"",
            ),
        ];
        for (text, message) in table {
            assert_eq!(text.parse::<Golden>().unwrap_err().to_string(), message, "{text}");
        }
    }
}
