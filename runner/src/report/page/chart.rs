//! The curve of a finding: what was held at each mark, what that fits, and from where on it is how bad.

use maud::{Markup, html};
use memcheck_core::check::Grading;
use memcheck_core::judge::thresholds::{ERROR_BYTES, WARNING_BYTES};
use memcheck_core::wire::FindingRecord;
use memcheck_core::{CheckKind, ScenarioKind, Shape};

use super::bytes;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 126.0;

/// The documented limits of severities in bytes.
const LIMITS: [(u64, &str); 2] = [(WARNING_BYTES, "WARNING"), (ERROR_BYTES, "ERROR")];

/// What the marks of `cold_warm_cold` stand for, from the first that is shown.
const PHASES: [&str; 6] = ["cold", "+1", "+5", "warm", "discarded", "cold again"];

/// Whether there is a curve: two marks make none.
pub(super) fn is_drawable(finding: &FindingRecord) -> bool {
    let marks = &finding.marks;
    marks.len() > 2
        && marks.last().is_some_and(|mark| mark[0] > 0)
        && (bytes_of(finding) > 0 || objects_of(finding) > 0)
}

fn bytes_of(finding: &FindingRecord) -> u64 {
    finding.marks.iter().map(|mark| mark[1]).max().unwrap_or(0)
}

fn objects_of(finding: &FindingRecord) -> u64 {
    finding.marks.iter().map(|mark| mark[2]).max().unwrap_or(0)
}

/// How it is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A curve over the iterations.
    Curve,
    /// A bar for each phase of `cold_warm_cold`.
    Phases,
    /// A bar for each step of a ladder.
    Ladder,
}

/// Draws it.
pub(super) fn figure(finding: &FindingRecord, title: &str) -> Markup {
    // Contexts that are empty, and references, are counted and have no size.
    let counts = bytes_of(finding) == 0;
    let value = |mark: &[u64; 3]| if counts { mark[2] } else { mark[1] };
    let shown = |number: u64| if counts { number.to_string() } else { bytes(number) };
    let is_peak = finding.check == CheckKind::QueryBloat.as_str();
    let unit = if is_peak { "rows" } else { "iterations" };
    let kind = match title.split(' ').nth(1) {
        Some(word) if word == ScenarioKind::ColdWarmCold.as_str() => Kind::Phases,
        _ if is_peak => Kind::Ladder,
        _ => Kind::Curve,
    };
    // A ladder has its first step where there is something: before it nothing was done.
    let marks: Vec<&[u64; 3]> = finding.marks.iter().filter(|mark| kind != Kind::Ladder || mark[0] > 0).collect();
    let at = |(number, mark): (usize, &&[u64; 3])| if kind == Kind::Curve { mark[0] as f64 } else { number as f64 };
    let points: Vec<(f64, f64)> = marks.iter().enumerate().map(|one| (at(one), value(one.1) as f64)).collect();
    let most = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let highest = most * 1.12;
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let bar = (WIDTH - LEFT - RIGHT) / points.len() as f64;
    let x = |at: f64| match kind {
        Kind::Curve => LEFT + (at - first) / (last - first).max(1.0) * (WIDTH - LEFT - RIGHT),
        Kind::Phases | Kind::Ladder => LEFT + bar * (at + 0.5),
    };
    let y = |value: f64| BOTTOM - value.clamp(0.0, highest) / highest * (BOTTOM - TOP);
    let line = |points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|&(at, value)| format!("{:.0} {:.0}", x(at), y(value))).collect();
        format!("M{}", points.join(" "))
    };
    let what = if counts { "objects" } else { "bytes" };
    let fit = if kind == Kind::Curve { fit(&points, finding) } else { None };
    let shape = finding.shape.as_deref().unwrap_or(if fit.is_some() { "step" } else { "no shape" });
    let end = finding.marks[finding.marks.len() - 1];
    let names: Vec<String> = match kind {
        Kind::Curve => Vec::new(),
        Kind::Phases => phase_names(points.len()).map(str::to_owned).collect(),
        Kind::Ladder => {
            marks.iter().map(|mark| format!("{} {}", mark[0], if mark[0] == 1 { "row" } else { "rows" })).collect()
        }
    };
    // The caption has all of it in words.
    html! {
        figure {
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
                @if !counts && is_graded(finding) { (bands(highest, &y)) }
                path.axis d=(format!("M{LEFT} {TOP}V{BOTTOM}H{}", WIDTH - RIGHT)) {}
                @if let Some(fit) = &fit { path.fit d=(line(fit)) {} }
                @if kind == Kind::Curve {
                    path.curve d=(line(&points)) {}
                    path.dots d=(points.iter().map(|&(at, value)| format!("M{:.0} {:.0}h0", x(at), y(value))).collect::<String>()) {}
                    text.e x=(LEFT - 6.0) y=(format!("{:.0}", y(most) + 4.0)) { (shown(most as u64)) }
                    text x=(LEFT) y=(BOTTOM + 14.0) { (first as u64) }
                    text.e x=(WIDTH - RIGHT) y=(BOTTOM + 14.0) { (last as u64) " " (unit) }
                } @else {
                    path.bar d=(points.iter().map(|&(at, value)| format!("M{:.0} {BOTTOM}V{:.0}h{:.0}V{BOTTOM}z", x(at) - bar * 0.35, y(value), bar * 0.7)).collect::<String>()) {}
                    @for (&(at, value), name) in points.iter().zip(&names) {
                        text.m x=(format!("{:.0}", x(at))) y=(format!("{:.0}", y(value) - 3.0)) { (shown(value as u64)) }
                        text.m x=(format!("{:.0}", x(at))) y=(BOTTOM + 14.0) { (name) }
                    }
                }
            }
            figcaption {
                @if let Some(site) = &finding.site { @if let Some(function) = &site.frame.address.symbol { code { (function) } " in " } }
                @if let Some(context) = finding.context_path.last() { code { (context) } ": " }
                @if counts { (end[2]) " " (what) } @else { (bytes(end[1])) } " after " (end[0]) " " (unit) ", " (shape) ", " (rate(finding))
            }
        }
    }
}

/// From where on it is how bad, as far as the picture goes.
fn bands(highest: f64, y: &impl Fn(f64) -> f64) -> Markup {
    let until = |at: usize| LIMITS.get(at + 1).map_or(highest, |(limit, _)| (*limit as f64).min(highest));
    html! {
        @for (at, &(limit, word)) in LIMITS.iter().enumerate().filter(|(_, (limit, _))| (*limit as f64) < highest) {
            @let (above, below) = (y(until(at)), y(limit as f64));
            path.band.error[at > 0] d=(format!("M{LEFT} {above:.0}H{}V{below:.0}H{LEFT}z", WIDTH - RIGHT)) {}
            path.limit d=(format!("M{LEFT} {below:.0}H{}", WIDTH - RIGHT)) {}
            text.e x=(WIDTH - RIGHT - 4.0) y=(format!("{:.0}", below - 3.0)) { (word) " above " (bytes(limit)) }
        }
    }
}

/// The names of so many marks: where there is one more than phases, it is that of the beginning.
fn phase_names(marks: usize) -> impl Iterator<Item = &'static str> {
    std::iter::repeat_n("", marks.saturating_sub(PHASES.len())).chain(PHASES)
}

/// Whether the limits decide how bad it is.
fn is_graded(finding: &FindingRecord) -> bool {
    finding.check.parse::<CheckKind>().is_ok_and(|check| !matches!(check.grading(), Grading::Always(_)))
}

/// `1040 B in 2 pieces per iteration`
fn rate(finding: &FindingRecord) -> String {
    let unit = if finding.check == CheckKind::QueryBloat.as_str() { "row" } else { "iteration" };
    let objects = (finding.objects_per_iter * 100.0).round() / 100.0;
    let pieces = if objects == 1.0 { "piece" } else { "pieces" };
    match (finding.bytes_per_iter, objects) {
        (bytes, 0.0) => format!("{bytes:.0} B per {unit}"),
        (0.0, objects) => format!("{objects} per {unit}"),
        (bytes, objects) => format!("{bytes:.0} B in {objects} {pieces} per {unit}"),
    }
}

/// The curve that belongs to the shape: a straight line by least squares, or the parabola through beginning, middle and end; what
/// has no shape may be a step.
fn fit(points: &[(f64, f64)], finding: &FindingRecord) -> Option<Vec<(f64, f64)>> {
    let Some(shape) = finding.shape.as_deref() else { return step(points) };
    match shape.parse().ok()? {
        Shape::Linear => {
            let (slope, offset) = straight(points)?;
            let ends = [points[0].0, points[points.len() - 1].0];
            Some(ends.iter().map(|&at| (at, slope * at + offset)).collect())
        }
        Shape::Superlinear => {
            let [a, b, c] = parabola(points)?;
            let (first, last) = (points[0].0, points[points.len() - 1].0);
            let at = |step: u32| first + (last - first) * f64::from(step) / 16.0;
            Some((0..=16).map(at).map(|at| (at, a * at * at + b * at + c)).collect())
        }
    }
}

/// What has grown at once: nine tenths of it between two marks of more.
fn step(points: &[(f64, f64)]) -> Option<Vec<(f64, f64)>> {
    let [first, .., last] = points else { return None };
    let grown = last.1 - first.1;
    let pair = points.windows(2).find(|pair| pair[1].1 - pair[0].1 >= grown * 0.9)?;
    let at = pair[1].0;
    (points.len() > 2 && grown > 0.0).then(|| vec![*first, (at, first.1), (at, last.1), *last])
}

/// Slope and offset of the line with the least squares.
fn straight(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let number = points.len() as f64;
    let (x, y) = (
        points.iter().map(|point| point.0).sum::<f64>() / number,
        points.iter().map(|point| point.1).sum::<f64>() / number,
    );
    let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let product: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (square > 0.0).then(|| (product / square, y - product / square * x))
}

/// The parabola through the first, a middle and the last point.
fn parabola(points: &[(f64, f64)]) -> Option<[f64; 3]> {
    let [first, .., last] = points else { return None };
    let half = (first.0 + last.0) / 2.0;
    let middle = points[1..points.len() - 1].iter().min_by(|a, b| (a.0 - half).abs().total_cmp(&(b.0 - half).abs()))?;
    let [(x1, y1), (x2, y2), (x3, y3)] = [*first, *middle, *last];
    let a = ((y3 - y1) / (x3 - x1) - (y2 - y1) / (x2 - x1)) / (x3 - x2);
    let b = (y2 - y1) / (x2 - x1) - a * (x1 + x2);
    a.is_finite().then_some([a, b, y1 - a * x1 * x1 - b * x1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_nothing_of_is_not_told() {
        let of = |bytes: f64, objects: f64| {
            let finding = serde_json::json!({
                "check": "ctx_bloat", "severity": "INFO", "context_path": [], "bytes": 0, "objects": 0, "iterations": 1, "bytes_per_iter": bytes,
                "objects_per_iter": objects, "shape": null, "phase": null, "source_lib": "", "site": null, "detail": "", "marks": [],
            });
            rate(&serde_json::from_value(finding).unwrap())
        };
        assert_eq!(of(64.0, 2.004), "64 B in 2 pieces per iteration");
        assert_eq!(
            (of(64.0, 1.0), of(64.0, 0.25)),
            ("64 B in 1 piece per iteration".into(), "64 B in 0.25 pieces per iteration".into())
        );
        assert_eq!((of(64.0, 0.0), of(0.0, 1.0)), ("64 B per iteration".into(), "1 per iteration".into()));
    }

    #[test]
    fn what_is_drawn_goes_through_what_was_measured() {
        let linear = [(1.0, 100.0), (10.0, 1000.0), (100.0, 10000.0)];
        let (slope, offset) = straight(&linear).unwrap();
        assert!((slope - 100.0).abs() < 1e-6 && offset.abs() < 1e-6, "{slope} {offset}");
        let squares = [(1.0, 1.0), (5.0, 25.0), (10.0, 100.0)];
        let [a, b, c] = parabola(&squares).unwrap();
        assert!((a - 1.0).abs() < 1e-9 && b.abs() < 1e-9 && c.abs() < 1e-9, "{a} {b} {c}");
        assert_eq!(straight(&[(1.0, 1.0)]), None);
        assert_eq!(parabola(&[(1.0, 1.0), (2.0, 2.0)]), None);
        let once = [(0.0, 0.0), (1.0, 0.0), (5.0, 100.0), (10.0, 101.0)];
        assert_eq!(step(&once), Some(vec![(0.0, 0.0), (5.0, 0.0), (5.0, 101.0), (10.0, 101.0)]));
        assert_eq!(step(&linear), Some(vec![(1.0, 100.0), (100.0, 100.0), (100.0, 10000.0), (100.0, 10000.0)]));
        assert_eq!(step(&[(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)]), None);
        assert_eq!(step(&[(0.0, 0.0), (5.0, 50.0)]), None);
    }
}
