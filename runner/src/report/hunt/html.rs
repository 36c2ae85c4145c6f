//! One page, which needs nothing beside itself.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use memcheck_core::wire::{FindingRecord, FrameRecord};

use super::whole::HuntReport;
use crate::hunt::record::{BugRecord, HuntRecord, ReasonRecord};

/// How it looks, for people and for printers.
const STYLE: &str = include_str!("../page.css");

/// The page.
pub(super) fn page(report: &HuntReport) -> String {
    let title = format!("hunt: {}", report.headline());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p.soft { "mcspec " (report.mcspec) }
                }
                main {
                    @if let Some(error) = &report.error {
                        p.bad { (error.message) }
                        @if let Some(hint) = &error.hint { p { "HINT: " (hint) } }
                    }
                    @if !report.hunts.is_empty() { (figures(&report.hunts)) }
                    @for hunt in &report.hunts { (of_hunt(hunt)) }
                }
            }
        }
    };
    page.into_string()
}

fn figures(hunts: &[HuntRecord]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Figures" {
            table {
                thead {
                    tr {
                        th { "Extension" }
                        th { "PostgreSQL" }
                        @for what in ["Called", "Calls", "Executions", "New", "Known", "Time"] { th.number { (what) } }
                    }
                }
                tbody {
                    @for hunt in hunts {
                        tr {
                            td { a href={ "#" (hunt.extension) } { (hunt.extension) } " " (hunt.version) }
                            td { (hunt.server) }
                            td.number { (hunt.called) " of " (hunt.subjects) }
                            td.number { (hunt.calls) }
                            td.number { (hunt.executions) }
                            td.number { (hunt.bugs.len()) }
                            td.number { (hunt.known.len()) }
                            td.number { (hunt.elapsed_ms / 1000) " s" }
                        }
                    }
                }
            }
        }
    }
}

fn of_hunt(hunt: &HuntRecord) -> Markup {
    let left_out = hunt.left_out.lines();
    html! {
        section id=(hunt.extension) aria-label=(hunt.extension) {
            h2 { (hunt.extension) " " (hunt.version) }
            @if hunt.interrupted { p.warn { "Interrupted before its time was over." } }
            @if !hunt.has_bugs() { p.good { "No bug was found." } }
            @for bug in &hunt.bugs { (of_bug(bug)) }
            @if !hunt.known.is_empty() {
                h3 { "Known, and seen again" }
                ul { @for bug in &hunt.known { li { (bug.kind) " in " (bug.place) ", " code { (bug.spec) } } } }
            }
            @if !hunt.passing.is_empty() {
                h3 { "Seen once, and not again" }
                ul { @for words in &hunt.passing { li { (words) } } }
            }
            @if !hunt.not_called.is_empty() || !hunt.set_aside.is_empty() || !left_out.is_empty() {
                h3 { "What was not looked at" }
                ul {
                    @for reason in &hunt.not_called { (of_reason("Not called", reason)) }
                    @for reason in &hunt.set_aside { (of_reason("Set aside", reason)) }
                    @for line in &left_out { li { (line) } }
                }
            }
        }
    }
}

fn of_reason(what: &str, reason: &ReasonRecord) -> Markup {
    html! {
        li {
            (what) ": " (reason.why)
            details {
                summary { (reason.what.len()) }
                ul { @for one in &reason.what { li { code { (one) } } } }
            }
        }
    }
}

fn of_bug(bug: &BugRecord) -> Markup {
    let statements = |all: &[String]| all.iter().map(|sql| format!("{sql};\n")).collect::<String>();
    html! {
        article {
            span.kind { (bug.kind) }
            h3 { code { (bug.subject) } }
            p { (bug.words) }
            @if !bug.place.is_empty() { p { "In " code { (bug.place) } "." } }
            @if let Some(finding) = &bug.finding { (curve(finding)) }
            @if !bug.setup.is_empty() { p.soft { "Once, before:" } pre { (statements(&bug.setup)) } }
            p.soft {
                "Again and again"
                @if let Some(sqlstate) = &bug.sqlstate { ", each time with an error (" (sqlstate) ")" }
                ":"
            }
            pre { (statements(&bug.workload)) }
            @if let Some(shown) = &bug.shown { p { (shown) } }
            @if !bug.last_words.is_empty() { pre { @for line in &bug.last_words { (line) "\n" } } }
            @if let Some(site) = bug.finding.as_ref().and_then(|finding| finding.site.as_ref()) {
                details {
                    summary { "Where it is allocated" }
                    pre { @for frame in &site.stack { (of_frame(frame)) "\n" } }
                    @if let Some(source) = &bug.source { pre { (source) } }
                }
            }
            p.soft { code { (bug.spec) } }
        }
    }
}

fn of_frame(frame: &FrameRecord) -> String {
    let address = &frame.address;
    let place = address.symbol.clone().unwrap_or_else(|| format!("+{:#x}", address.offset));
    let line = frame.file.iter().zip(frame.line).map(|(file, line)| format!(" ({file}:{line})"));
    format!("{} {place}{}", address.library, line.collect::<String>())
}

/// What grows, over iterations or rows.
fn curve(finding: &FindingRecord) -> Markup {
    const WIDTH: f64 = 480.0;
    const HEIGHT: f64 = 120.0;
    const LEFT: f64 = 70.0;
    const BELOW: f64 = 24.0;
    let (Some(&[last, ..]), Some(most)) = (finding.marks.last(), finding.marks.iter().map(|mark| mark[1]).max()) else {
        return html! {};
    };
    if finding.marks.len() < 2 || last == 0 || most == 0 {
        return html! {};
    }
    // Figures that a screen can show.
    let x = |at: u64| LEFT + at as f64 / last as f64 * (WIDTH - LEFT - 10.0);
    let y = |bytes: u64| 10.0 + (1.0 - bytes as f64 / most as f64) * (HEIGHT - 10.0);
    let points: Vec<String> =
        finding.marks.iter().map(|&[at, used, _]| format!("{:.1},{:.1}", x(at), y(used))).collect();
    let unit = if finding.check == "query_bloat" { "rows" } else { "iterations" };
    let words = format!("{most} bytes after {last} {unit}");
    html! {
        figure {
            svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + BELOW)) role="img" aria-label=(words) {
                path.axis d=(format!("M{LEFT} 10 V{HEIGHT} H{WIDTH}")) {}
                polyline.curve points=(points.join(" ")) {}
                @for &[at, used, _] in &finding.marks {
                    circle.mark cx=(format!("{:.1}", x(at))) cy=(format!("{:.1}", y(used))) r="2.5" {}
                }
                text x=(LEFT - 6.0) y="16" text-anchor="end" { (most) " B" }
                text x=(LEFT - 6.0) y=(HEIGHT) text-anchor="end" { "0" }
                text x=(WIDTH - 4.0) y=(HEIGHT + 16.0) text-anchor="end" { (last) " " (unit) }
            }
            figcaption { (words) " in " (finding.context_path.join(" > ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;

    #[test]
    fn nothing_is_taken_for_markup_and_nothing_is_fetched() {
        let page = super::page(&report());
        for expected in ["<title>hunt: 2 new bugs in 1 extension", "lose&lt;T&gt;", "odd('&lt;b&gt;|`');", "<polyline"]
        {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        assert!(!page.contains("http"), "{page}");
    }
}
