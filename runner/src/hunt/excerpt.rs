//! The source around a line, where it is at hand.

use std::path::Path;

use memcheck_core::Line;

use crate::bounded;

/// Lines shown before and behind.
const AROUND: usize = 3;

/// The lines around one, which is marked, with their numbers. A relative path is one of the current directory, which is that of the
/// repository; none where the file is not there, or is another one than was compiled and has no such line.
pub(super) fn excerpt(line: &Line) -> Option<String> {
    let text = bounded::text(Path::new(&line.file), bounded::SPEC).ok()?;
    around(&text, line.number.try_into().ok()?)
}

fn around(text: &str, number: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(number.checked_sub(1)?)?;
    let first = number.saturating_sub(AROUND).max(1);
    let last = (number + AROUND).min(lines.len());
    let width = last.to_string().len();
    let shown = (first..=last).map(|at| {
        let mark = if at == number { '>' } else { ' ' };
        format!("{mark} {at:>width$} | {}", lines[at - 1].trim_end()).trim_end().to_owned()
    });
    Some(shown.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::around;

    #[test]
    fn a_line_is_marked_among_its_neighbours() {
        let text: String = (1..=12).map(|at| if at == 8 { "\n".to_owned() } else { format!("line {at}\n") }).collect();
        let expected = "   7 | line 7\n   8 |\n   9 | line 9\n> 10 | line 10\n  11 | line 11\n  12 | line 12";
        assert_eq!(around(&text, 10).as_deref(), Some(expected));
        assert_eq!(around("one\r\ntwo", 1).as_deref(), Some("> 1 | one\n  2 | two"));
        assert_eq!(around(&text, 0), None);
        assert_eq!(around(&text, 13), None);
    }
}
