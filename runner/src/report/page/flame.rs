//! Flame graphs: what is left when workloads are over, and what statements hold at their peak, by the calls that allocated it.

use std::collections::BTreeMap;

use inferno::flamegraph::{self, Direction, Options};
use maud::{Markup, html};
use memcheck_core::check::{Measure, Per};
use memcheck_core::wire::FindingRecord;

use super::case::measure;
use crate::report::frame::frame;
use crate::report::json::CaseRecord;
use crate::report::tree;

/// Both graphs, each where there is something in it.
pub(super) fn graphs(cases: &[CaseRecord]) -> Markup {
    let left = graph(cases, "Bytes that are left", Per::Iteration);
    let peak = graph(cases, "Bytes at the peak", Per::Row);
    html! {
        @if left.is_some() || peak.is_some() { h2 { "Who allocates" } }
        @if let Some(svg) = &left { (framed("Memory that is left when the workload is over, by the calls that allocated it", svg, &tree::of_all(cases, Per::Iteration))) }
        @if let Some(svg) = &peak { (framed("Memory that statements hold at their peak, by the calls that allocated it", svg, &tree::of_all(cases, Per::Row))) }
    }
}

/// How the graph looks on the paper of the page: boxes keep their colors, in which black can be read.
const STYLE: &str = "svg{width:100%;display:block}body{margin:0;color-scheme:light dark;background:#fff}svg text{fill:#1c2128}#frames text{fill:#000}\
#background stop{stop-color:#fff}svg>rect:first-of-type{fill:#fff}\
@media(prefers-color-scheme:dark){body{background:#0f1318}svg text{fill:#e6e9ed}#frames text{fill:#000}svg>rect:first-of-type{fill:#0f1318}}";

/// A graph in a frame of its own: its script is its own, and asks for nothing.
fn framed(title: &str, svg: &str, tree: &str) -> Markup {
    html! {
        details.flame open {
            summary { (title) }
            iframe title=(title) sandbox="allow-scripts" loading="lazy" srcdoc=(format!("<!DOCTYPE html><html lang=en><title>{title}</title><style>{STYLE}</style><body>{svg}")) {}
            // For those who have no mouse, and for paper.
            details { summary { "The same as a tree, callers first" } pre.scroll.tree-text tabindex="0" { (tree) } }
        }
    }
}

/// The graph of what is relative to iterations or rows; none where nothing of it has a stack.
fn graph(cases: &[CaseRecord], title: &str, per: Per) -> Option<String> {
    let folded = folded(cases, per);
    if folded.is_empty() {
        return None;
    }
    let mut options = Options::default();
    options.title = title.to_owned();
    options.count_name = "bytes".to_owned();
    options.hash = true;
    options.font_type = "monospace".to_owned();
    options.min_width = 0.5;
    // Callers first: of a graph that is higher than its frame the beginning is seen.
    options.direction = Direction::Inverted;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.iter().map(String::as_str), &mut svg).ok()?;
    element(&String::from_utf8(svg).ok()?)
}

/// The element alone: what stands before it belongs to a file of its own, and comments name addresses.
fn element(svg: &str) -> Option<String> {
    let mut rest = &svg[svg.find("<svg")?..];
    let mut element = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once("<!--") {
        element += before;
        rest = after.split_once("-->")?.1;
    }
    Some(element + rest)
}

/// A line for each stack, from the outside in, with its bytes: that of the spec and scenario first.
fn folded(cases: &[CaseRecord], per: Per) -> Vec<String> {
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for case in cases {
        for scenario in &case.scenarios {
            for finding in &scenario.findings {
                if measure(finding) == Some(Measure::Memory(per))
                    && let Some(stack) = stack(finding)
                {
                    let key = format!("{};{};{stack}", word(&case.label), word(&scenario.title));
                    *stacks.entry(key).or_default() += finding.bytes;
                }
            }
        }
    }
    stacks.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(stack, bytes)| format!("{stack} {bytes}")).collect()
}

/// The calls from the outside in.
fn stack(finding: &FindingRecord) -> Option<String> {
    let site = finding.site.as_ref()?;
    let mut frames: Vec<String> = site.stack.iter().rev().map(|one| word(&frame(one))).collect();
    if frames.is_empty() {
        frames.push(word(&frame(&site.frame)));
    }
    Some(frames.join(";"))
}

/// A name as it can stand in such a line.
fn word(name: &str) -> String {
    name.replace([';', '\n'], ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_fall_apart() {
        assert_eq!(word("a;b\nc d"), "a,b,c d");
        assert_eq!(element("<?xml?><!--x--><svg>a<!-- see --><b/></svg>").unwrap(), "<svg>a<b/></svg>");
    }
}
