//! Coverage for people.

use std::collections::BTreeMap;

use super::{Coverage, Share};

/// Lines of text: files with their shares, what was never reached or called, and what is not known.
pub fn text(coverage: &Coverage) -> Vec<String> {
    let mut lines = vec![format!("{} places that allocate were reached", coverage.share())];
    let mut files: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (library, place, is_reached) in coverage.places() {
        let file = if place.file.is_empty() { format!("{library}.so") } else { place.file.clone() };
        files.entry(file).or_default().push(is_reached);
    }
    let width = files.keys().map(|file| file.chars().count()).max().unwrap_or(0);
    for (file, reached) in &files {
        lines.push(format!("  {file:<width$}  {}", Share::of(reached.iter().copied())));
    }
    let mut missed: Vec<[String; 3]> = Vec::new();
    for (library, place, is_reached) in coverage.places() {
        if !is_reached {
            let at = place.line().unwrap_or_else(|| format!("{library}.so"));
            missed.push([at, place.function.clone(), place.callee.clone()]);
        }
    }
    if !missed.is_empty() {
        lines.push("never reached:".to_owned());
        let wide = |column: usize| missed.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (wide(0), wide(1));
        lines.extend(
            missed.iter().map(|[at, function, callee]| format!("  {at:<first$}  {function:<second$}  {callee}")),
        );
    }
    let functions = coverage.share_of_functions();
    if functions.all > 0 {
        lines.push(format!("{functions} functions of extensions were called"));
        let never = coverage.functions.iter().filter(|(_, called)| **called == Some(false));
        lines.extend(never.map(|(member, _)| format!("  never called: {} of {}", member.function, member.extension)));
    }
    lines.extend(coverage.notes().into_iter().map(|note| format!("  note: {note}")));
    lines
}
