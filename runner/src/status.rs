//! The line of a terminal that says what is under way, for whoever waits, with a table above it where there are more figures than a line
//! has room for. It stands below all that is written, is rewritten in its place, and goes before anything else is written: whoever
//! writes to the terminal does so by [`aside`].
//!
//! There is one for a process, since there is one terminal. Until [`open`] is called there is none, and nothing here does anything.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use terminal_size::{Width, terminal_size_of};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How often the line is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// From when on the time that something takes is said.
const WORTH_SAYING: Duration = Duration::from_secs(2);

/// From when on it is slow.
const SLOW: Duration = Duration::from_secs(10);

/// The columns of a terminal that does not say how many it has.
const USUAL: usize = 80;

/// The columns at the end of a line that stay free: for `^C`, which the terminal writes behind it, and so that it does not wrap.
const FREE: usize = 3;

/// The line; none where nobody is shown it.
static LINE: Mutex<Option<Line>> = Mutex::new(None);

/// Something that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Task(u64);

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As long as it takes.
    Any,
    /// Whoever takes long is named as slow.
    Watched,
}

#[derive(Debug)]
struct Step {
    task: u64,
    text: String,
    pace: Pace,
    since: Instant,
}

#[derive(Debug, Default)]
struct Line {
    /// Lines above.
    table: Vec<String>,
    /// What stands before all steps: how far the whole has come.
    head: String,
    /// What is under way, the newest last.
    steps: Vec<Step>,
    tasks: u64,
    /// What stands on the terminal, line by line.
    shown: Vec<String>,
}

/// From now on, the line is shown on the standard error.
pub(crate) fn open() {
    let mut line = lock();
    if line.is_some() {
        return;
    }
    *line = Some(Line::default());
    thread::spawn(|| {
        loop {
            thread::sleep(INTERVAL);
            let mut line = lock();
            let Some(line) = line.as_mut() else { return };
            line.draw();
        }
    });
}

/// The line goes, for good.
pub(crate) fn close() {
    if let Some(mut line) = lock().take() {
        line.erase();
    }
}

/// Writes something to the terminal while the line is not there.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    let mut line = lock();
    if let Some(line) = line.as_mut() {
        line.erase();
    }
    write()
}

/// Says what begins, which may take as long as it takes. It is shown at once, however soon it ends: such steps are few.
pub(crate) fn phase(text: impl Into<String>) -> Task {
    begin(text.into(), Pace::Any)
}

/// Says what begins, and that it is slow where it takes long.
pub(crate) fn watched(text: impl Into<String>) -> Task {
    begin(text.into(), Pace::Watched)
}

/// Says how far the whole has come.
pub(crate) fn head(text: String) {
    if let Some(line) = lock().as_mut() {
        line.head = text;
    }
}

/// Says it in figures, in lines above.
pub(crate) fn table(lines: Vec<String>) {
    if let Some(line) = lock().as_mut() {
        line.table = lines;
    }
}

fn begin(text: String, pace: Pace) -> Task {
    let mut line = lock();
    let Some(line) = line.as_mut() else { return Task(0) };
    line.tasks += 1;
    line.steps.push(Step { task: line.tasks, text, pace, since: Instant::now() });
    if pace == Pace::Any {
        line.draw();
    }
    Task(line.tasks)
}

impl Task {
    /// It has come further, and goes on.
    pub(crate) fn comes_to(&self, text: String) {
        if let Some(line) = lock().as_mut()
            && let Some(step) = line.steps.iter_mut().find(|step| step.task == self.0)
        {
            step.text = text;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(line) = lock().as_mut() {
            line.steps.retain(|step| step.task != self.0);
        }
    }
}

fn lock() -> MutexGuard<'static, Option<Line>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// What is to be said: of the slowest of those that are slow, or else of what has begun last, for which others may wait.
    fn text(&self, now: Instant) -> String {
        let took = |step: &Step| now.saturating_duration_since(step.since);
        let slow = self.steps.iter().filter(|step| step.pace == Pace::Watched && took(step) >= SLOW);
        let slow = slow.max_by_key(|step| took(step));
        let newest = self.steps.iter().rfind(|step| step.pace == Pace::Any).or(self.steps.last());
        let Some(step) = slow.or(newest) else { return self.head.clone() };
        let seconds = took(step).as_secs();
        let time = match step.pace {
            _ if slow.is_some() => format!("SLOW {seconds} s: "),
            _ if took(step) >= WORTH_SAYING => format!("{seconds} s: "),
            _ => String::new(),
        };
        match self.head.as_str() {
            "" if slow.is_none() && !time.is_empty() => format!("{} ({seconds} s)", step.text),
            "" => format!("{time}{}", step.text),
            head => format!("{head}, {time}{}", step.text),
        }
    }

    fn draw(&mut self) {
        let columns = columns();
        let text = self.text(Instant::now());
        let lines = self.table.iter().chain(std::iter::once(&text).filter(|text| !text.is_empty()));
        let lines: Vec<String> = lines.map(|line| cut(line, columns.saturating_sub(FREE))).collect();
        if lines == self.shown {
            return;
        }
        let bytes = erasing(&self.shown, columns) + &lines.join("\r\n");
        self.shown = lines;
        put(&bytes);
    }

    fn erase(&mut self) {
        if !self.shown.is_empty() {
            put(&erasing(&self.shown, columns()));
            self.shown.clear();
        }
    }
}

fn columns() -> usize {
    terminal_size_of(io::stderr()).map_or(USUAL, |(Width(columns), _)| columns.into()).max(1)
}

/// Writes to the terminal. Somebody who has closed it does not want to know.
fn put(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// What takes lines away behind whose last the cursor stands. A terminal that has become narrower since has broken each into several.
fn erasing(shown: &[String], columns: usize) -> String {
    let mut bytes = String::from("\r");
    let rows: usize = shown.iter().map(|line| line.width().saturating_sub(1) / columns + 1).sum();
    if rows > 1 {
        let _ = write!(bytes, "\x1b[{}A", rows - 1);
    }
    bytes + "\x1b[J"
}

/// A text in so many columns, which does nothing to the terminal.
fn cut(text: &str, columns: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.width() <= columns {
        return plain;
    }
    let mut left = columns.saturating_sub(1);
    let fitting = plain.chars().take_while(|c| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    });
    let mut cut: String = fitting.collect();
    if columns > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(head: &str, steps: &[(&str, Pace, u64)], now: Instant) -> Line {
        let step = |&(text, pace, seconds): &(&str, Pace, u64)| Step {
            task: 1,
            text: text.to_owned(),
            pace,
            since: now - Duration::from_secs(seconds),
        };
        Line { head: head.to_owned(), steps: steps.iter().map(step).collect(), ..Line::default() }
    }

    #[test]
    fn the_newest_is_said_and_the_slowest_of_those_that_are_slow() {
        use Pace::{Any, Watched};
        let now = Instant::now() + Duration::from_secs(1000);
        for (head, steps, expected) in [
            ("", &[][..], ""),
            ("scenario 1/2", &[], "scenario 1/2"),
            ("", &[("building x for PostgreSQL 15", Any, 0)], "building x for PostgreSQL 15"),
            ("", &[("building x for PostgreSQL 15", Any, 70)], "building x for PostgreSQL 15 (70 s)"),
            ("scenario 1/2", &[("a: window", Watched, 1)], "scenario 1/2, a: window"),
            ("scenario 1/2", &[("a: window", Watched, 3)], "scenario 1/2, 3 s: a: window"),
            ("scenario 1/2", &[("a: window", Watched, 10)], "scenario 1/2, SLOW 10 s: a: window"),
            (
                "scenario 2/2",
                &[("a", Watched, 12), ("b", Watched, 11), ("c", Watched, 0)],
                "scenario 2/2, SLOW 12 s: a",
            ),
            ("scenario 2/2", &[("a", Watched, 9), ("b", Watched, 0)], "scenario 2/2, b"),
            (
                "scenario 2/2",
                &[("starting PostgreSQL 15", Any, 1), ("b", Watched, 0)],
                "scenario 2/2, starting PostgreSQL 15",
            ),
        ] {
            assert_eq!(line(head, steps, now).text(now), expected);
        }
    }

    #[test]
    fn a_text_is_cut_to_its_columns() {
        for (text, columns, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("größe", 4, "grö…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("a\x1b[2J\nb", 9, "a [2J b"),
            ("abc", 0, ""),
        ] {
            let cut = cut(text, columns);
            assert_eq!(cut, expected);
            assert!(cut.width() <= columns);
        }
    }

    #[test]
    fn what_a_narrower_terminal_has_broken_goes_as_a_whole() {
        for (widths, columns, above) in [
            (&[][..], 80, 0),
            (&[0], 80, 0),
            (&[40], 80, 0),
            (&[80], 80, 0),
            (&[77], 40, 1),
            (&[80], 40, 1),
            (&[81], 40, 2),
            (&[10, 20, 30], 40, 2),
            (&[50, 0, 41], 40, 4),
        ] {
            let up = if above == 0 { String::new() } else { format!("\x1b[{above}A") };
            let shown: Vec<String> = widths.iter().map(|&width| "x".repeat(width)).collect();
            assert_eq!(erasing(&shown, columns), format!("\r{up}\x1b[J"));
        }
    }
}
