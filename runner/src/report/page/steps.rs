//! The sessions of a permutation on a time line: a lane for each. Time is what happens, one thing after another.

use maud::{Markup, html};

const STEP: f64 = 64.0;
const ROW: f64 = 34.0;
const TOP: f64 = 6.0;
const LEFT: f64 = 10.0;
/// What a letter of a name takes.
const LETTER: f64 = 7.0;

/// A step: from which event to which, and what came of it.
struct Bar<'t> {
    name: &'t str,
    from: usize,
    /// None while it has not come to its end.
    to: Option<usize>,
    waited: bool,
    outcome: &'t str,
}

/// Draws what happened, and has it as text beside. `workloads` are the steps, as `SESSION: STEP`.
pub(super) fn time_line(trace: &[String], workloads: &[(String, String)]) -> Markup {
    let bars = bars(trace);
    let lanes = lanes(&bars, workloads);
    let names = lanes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let left = LEFT + LETTER * names as f64 + 10.0;
    let width = left + STEP * trace.len() as f64 + LEFT;
    let height = ROW * lanes.len() as f64 + TOP * 2.0;
    let waited: Vec<&str> = bars.iter().filter(|bar| bar.waited).map(|bar| bar.name).collect();
    let words = format!(
        "{} steps of {} sessions in {} events{}",
        bars.len(),
        lanes.len(),
        trace.len(),
        if waited.is_empty() { String::new() } else { format!("; {} waited", waited.join(", ")) }
    );
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label=(format!("What happened, on a time line: {}", trace.join(", "))) {
                svg.steps width=(width) height=(height) viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(words) {
                    @for (row, (name, of_lane)) in lanes.iter().enumerate() {
                        @let y = TOP + ROW * row as f64;
                        text.lane x=(LEFT) y=(y + 18.0) { (name) }
                        line.lane x1=(left) x2=(width - LEFT) y1=(y + ROW - 3.0) y2=(y + ROW - 3.0) {}
                        @for &at in of_lane { (drawn(&bars[at], left, y, trace.len())) }
                    }
                }
            }
            figcaption { (words) }
        }
        details { summary { "What happened" } pre { @for line in trace { (line) "\n" } } }
    }
}

fn drawn(bar: &Bar, left: f64, y: f64, events: usize) -> Markup {
    let end = bar.to.unwrap_or(events - 1);
    html! {
        rect.step.waited[bar.waited].failed[!bar.outcome.is_empty()]
            x=(left + STEP * bar.from as f64) y=(y) width=(STEP * (end - bar.from) as f64 + STEP - 6.0) height=(ROW - 8.0) rx="3" {
            title { (bar.name) @if bar.waited { " waited" } @if !bar.outcome.is_empty() { ": " (bar.outcome) } }
        }
        text x=(left + STEP * bar.from as f64 + 6.0) y=(y + 17.0) {
            (bar.name) @if bar.waited { " waits" } @if !bar.outcome.is_empty() { " ✗" }
        }
    }
}

/// The sessions with their steps, in the order in which they begin. A step whose session is not known has a lane of its own.
fn lanes<'t>(bars: &[Bar<'t>], workloads: &'t [(String, String)]) -> Vec<(&'t str, Vec<usize>)> {
    let session = |step: &str| {
        let all = workloads.iter().filter_map(|(name, _)| name.split_once(": "));
        all.into_iter().find(|(_, name)| *name == step).map(|(session, _)| session)
    };
    let mut lanes: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        let name = session(bar.name).unwrap_or(bar.name);
        match lanes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, steps)) => steps.push(at),
            None => lanes.push((name, vec![at])),
        }
    }
    lanes
}
/// The steps of a trace, in the order in which they begin.
fn bars(trace: &[String]) -> Vec<Bar<'_>> {
    let mut bars: Vec<Bar> = Vec::new();
    for (at, line) in trace.iter().enumerate() {
        let Some((name, rest)) = head(line) else { continue };
        let known = bars.iter_mut().rev().find(|bar| bar.name == name && bar.to.is_none());
        match (known, rest.strip_prefix("<waiting")) {
            (None, Some(_)) => bars.push(Bar { name, from: at, to: None, waited: true, outcome: "" }),
            (Some(_), Some(_)) => {}
            (Some(bar), None) => {
                bar.to = Some(at);
                bar.outcome = rest.strip_prefix("<... completed>").unwrap_or(rest).trim();
            }
            (None, None) => bars.push(Bar { name, from: at, to: Some(at), waited: false, outcome: rest }),
        }
    }
    bars
}

/// The name that a line begins with, and the rest; none for a line that belongs to the one before.
fn head(line: &str) -> Option<(&str, &str)> {
    if line.is_empty() || line.starts_with([' ', '\t', '|', '-', '(']) {
        return None;
    }
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    (!name.ends_with(':')).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_goes_from_its_start_to_its_end() {
        let trace =
            ["a1", "b1 <waiting ...>", "a2: NOTICE:  x", "a2", "b1 <... completed> ERROR 40P01", "c <waiting ...>"];
        let trace = trace.map(str::to_owned);
        let seen: Vec<(&str, usize, Option<usize>, bool, &str)> =
            bars(&trace).into_iter().map(|bar| (bar.name, bar.from, bar.to, bar.waited, bar.outcome)).collect();
        let expected = [
            ("a1", 0, Some(0), false, ""),
            ("b1", 1, Some(4), true, "ERROR 40P01"),
            ("a2", 3, Some(3), false, ""),
            ("c", 5, None, true, ""),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_session_has_a_lane() {
        let trace = ["a1", "b1 <waiting ...>", "a2", "b1 <... completed>", "stray"].map(str::to_owned);
        let steps = [("a: a1", ""), ("b: b1", ""), ("a: a2", "")].map(|(name, sql)| (name.to_owned(), sql.to_owned()));
        let bars = bars(&trace);
        assert_eq!(lanes(&bars, &steps), [("a", vec![0, 2]), ("b", vec![1]), ("stray", vec![3])]);
    }
}
