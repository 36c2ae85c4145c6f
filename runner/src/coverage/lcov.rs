//! The format of lcov, as geninfo(1) describes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::Coverage;

/// Everything that has a file and a line. A line counts how many of its places were reached; a function's line is that of the first place
/// in it. Paths are those of files that are there, `from` the directory in which the compiler's are.
pub fn lcov(coverage: &Coverage, from: &Path) -> String {
    /// By function: its line, and how many places were reached.
    type Functions<'a> = BTreeMap<&'a str, (u32, usize)>;
    let mut files: BTreeMap<&str, (Functions, BTreeMap<u32, usize>)> = BTreeMap::new();
    for (_, place, is_reached) in coverage.places().filter(|(_, place, _)| place.line > 0) {
        let (functions, lines) = files.entry(&place.file).or_default();
        let (line, reached) = functions.entry(&place.function).or_insert((place.line, 0));
        *line = place.line.min(*line);
        *reached += usize::from(is_reached);
        *lines.entry(place.line).or_default() += usize::from(is_reached);
    }
    let mut text = String::new();
    for (file, (functions, lines)) in files {
        let path = from.join(file);
        let shown = if path.is_file() { path } else { file.into() };
        let _ = writeln!(text, "TN:\nSF:{}", shown.display());
        for (name, (line, _)) in &functions {
            let _ = writeln!(text, "FN:{line},{name}");
        }
        for (name, (_, reached)) in &functions {
            let _ = writeln!(text, "FNDA:{reached},{name}");
        }
        let is_reached = |count: &&usize| **count > 0;
        let hit = functions.values().map(|(_, reached)| reached).filter(is_reached).count();
        let _ = writeln!(text, "FNF:{}\nFNH:{hit}", functions.len());
        for (line, reached) in &lines {
            let _ = writeln!(text, "DA:{line},{reached}");
        }
        let hit = lines.values().filter(is_reached).count();
        let _ = writeln!(text, "LF:{}\nLH:{hit}\nend_of_record", lines.len());
    }
    text
}
