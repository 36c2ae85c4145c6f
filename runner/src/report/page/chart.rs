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

/// Whether there is a curve.
pub(super) fn is_drawable(finding: &FindingRecord) -> bool {
    let marks = &finding.marks;
    marks.len() > 1
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
        points.iter().map(|&(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect::<Vec<_>>().join(" ")
    };
    let what = if counts { "objects" } else { "bytes" };
    let fit = if kind == Kind::Curve { fit(&points, finding) } else { None };
    let shape = finding.shape.as_deref().unwrap_or(if fit.is_some() { "step" } else { "no shape" });
    let place = finding.site.as_ref().and_then(|site| site.frame.address.symbol.clone());
    let path = finding.context_path.join(" > ");
    let words = format!(
        "{} {what} after {} {unit} in {path}{}, {shape}",
        value(&finding.marks[finding.marks.len() - 1]),
        finding.marks[finding.marks.len() - 1][0],
        place.iter().map(|place| format!(", allocated at {place}")).collect::<String>(),
    );
    let names: Vec<String> = match kind {
        Kind::Curve => Vec::new(),
        Kind::Phases => phase_names(points.len()).map(str::to_owned).collect(),
        Kind::Ladder => {
            marks.iter().map(|mark| format!("{} {}", mark[0], if mark[0] == 1 { "row" } else { "rows" })).collect()
        }
    };
    html! {
        figure {
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(words) {
                @if !counts && is_graded(finding) { (bands(highest, &y)) }
                path.axis d=(format!("M{LEFT} {TOP} V{BOTTOM} H{}", WIDTH - RIGHT)) {}
                @if let Some(fit) = &fit { polyline.fit points=(line(fit)) {} }
                @if kind == Kind::Curve {
                    polyline.curve points=(line(&points)) {}
                    @for &(at, value) in &points { circle.mark cx=(format!("{:.1}", x(at))) cy=(format!("{:.1}", y(value))) r="2.5" {} }
                    text x=(LEFT - 6.0) y=(format!("{:.1}", y(most) + 4.0)) text-anchor="end" { (shown(most as u64)) }
                    text x=(LEFT) y=(BOTTOM + 14.0) { (first as u64) }
                    text x=(WIDTH - RIGHT) y=(BOTTOM + 14.0) text-anchor="end" { (last as u64) " " (unit) }
                } @else {
                    @for (&(at, value), name) in points.iter().zip(&names) {
                        rect.bar x=(format!("{:.1}", x(at) - bar * 0.35)) y=(format!("{:.1}", y(value))) width=(format!("{:.1}", bar * 0.7)) height=(format!("{:.1}", BOTTOM - y(value))) {}
                        text x=(format!("{:.1}", x(at))) y=(format!("{:.1}", y(value) - 3.0)) text-anchor="middle" { (shown(value as u64)) }
                        text x=(format!("{:.1}", x(at))) y=(BOTTOM + 14.0) text-anchor="middle" { (name) }
                    }
                }
                text x=(LEFT - 6.0) y=(BOTTOM) text-anchor="end" { "0" }
            }
            figcaption { @if let Some(place) = &place { code { (place) } " " } (shape) ": " (rate(finding)) }
        }
    }
}

/// From where on it is how bad, as far as the picture goes.
fn bands(highest: f64, y: &impl Fn(f64) -> f64) -> Markup {
    let until = |at: usize| LIMITS.get(at + 1).map_or(highest, |(limit, _)| (*limit as f64).min(highest));
    html! {
        @for (at, &(limit, word)) in LIMITS.iter().enumerate().filter(|(_, (limit, _))| (*limit as f64) < highest) {
            @let (above, below) = (y(until(at)), y(limit as f64));
            rect.band.error[at > 0] x=(LEFT) y=(format!("{above:.1}")) width=(WIDTH - LEFT - RIGHT) height=(format!("{:.1}", below - above)) {}
            line.limit x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{below:.1}")) y2=(format!("{below:.1}")) {}
            text x=(WIDTH - RIGHT - 4.0) y=(format!("{:.1}", below - 3.0)) text-anchor="end" { (word) " above " (bytes(limit)) }
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

/// `1040 B in 1 per iteration`
fn rate(finding: &FindingRecord) -> String {
    let unit = if finding.check == CheckKind::QueryBloat.as_str() { "row" } else { "iteration" };
    format!("{:.0} B in {:.2} per {unit}", finding.bytes_per_iter, finding.objects_per_iter)
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
