//! A comparison, or a trend, as a page.

use maud::{Markup, html};

use super::words::{headline, remarks, sizes, what};
use super::{Change, Comparison, Course, Side, Trend};
use crate::report::document::document;

/// A curve's width and height.
const WIDTH: f64 = 160.0;
const HEIGHT: f64 = 36.0;

fn page(title: &str, inner: &Markup) -> String {
    document(title, "", None, &html! { header { h1 { (title) } } main { (inner) } })
}

/// A table that can be scrolled where it is too wide.
fn table(label: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { @for name in heads { th scope="col" { (name) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// The page of a comparison.
pub(super) fn comparison(comparison: &Comparison, old: &Side, new: &Side) -> String {
    let title = format!("{} to {}: {}", old.name, new.name, headline(comparison));
    let tone = |change: Change| match change {
        Change::New | Change::Worse => "bad",
        Change::Better | Change::Gone => "good",
        Change::Unchanged => "soft",
    };
    let rows = |change: Change| {
        html! {
            @for compared in comparison.of(change) {
                @let violation = compared.shown();
                tr { td { (violation.case) } td { (violation.title) } td class=(tone(change)) { (what(violation)) } td { (sizes(compared)) } }
            }
        }
    };
    let inner = html! {
        @for change in Change::ALL {
            @if comparison.of(change).next().is_some() {
                h2 { (change.as_str()) }
                (table(change.as_str(), &["Spec", "Scenario", "Violation", "Size"], &rows(change)))
            }
        }
        @for (words, titles) in remarks(comparison) {
            h2 { (words) }
            ul { @for title in titles { li { (title) } } }
        }
    };
    page(&title, &inner)
}

/// The page of a trend.
pub(super) fn trend(trend: &Trend) -> String {
    let title =
        format!("{}: {} violations in {} runs", trend.names.join(" to "), trend.courses.len(), trend.names.len());
    let rows = html! {
        @for course in &trend.courses {
            @let violation = &course.violation;
            tr {
                td { (violation.case) } td { (violation.title) } td { (what(violation)) }
                td { (curve(course, &trend.names)) } td { (course.word()) }
            }
        }
    };
    page(&title, &table("Violations", &["Spec", "Scenario", "Violation", "Bytes per iteration", "Change"], &rows))
}

/// The sizes from run to run; where a run has not looked, there is a gap.
fn curve(course: &Course, names: &[String]) -> Markup {
    let most = course.sizes.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let x = |at: usize| 4.0 + (WIDTH - 8.0) * at as f64 / (names.len().max(2) - 1) as f64;
    let y = |size: f64| HEIGHT - 4.0 - (HEIGHT - 8.0) * size / most;
    let points = course.sizes.iter().enumerate().filter_map(|(at, size)| Some((at, (*size)?)));
    let words = points.clone().map(|(at, size)| format!("{} {size:.0}", names[at])).collect::<Vec<_>>().join(", ");
    let line = points.clone().map(|(at, size)| format!("{:.1},{:.1}", x(at), y(size))).collect::<Vec<_>>().join(" ");
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) role="img" aria-label=(words) {
            polyline.curve points=(line) {}
            @for (at, size) in points { circle.mark cx=(format!("{:.1}", x(at))) cy=(format!("{:.1}", y(size))) r="2.5" {} }
        }
    }
}
