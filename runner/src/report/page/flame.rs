//! Flame graphs: what is left when workloads are over, and what statements hold at their peak, by the calls that allocated it.
//!
//! A box is an item of a list, as wide as its part of its caller. So it needs no script to be seen, takes the page's colors and is searched
//! with it; the script enlarges a box.

use std::collections::BTreeMap;

use maud::{Markup, html};
use memcheck_core::check::{Measure, Per};
use memcheck_core::wire::FindingRecord;

use super::bytes;
use super::case::measure;
use crate::report::frame::frame;
use crate::report::json::CaseRecord;
use crate::report::tree;

/// The part of the whole, in thousandths, that a box needs to be drawn.
const LEAST: u64 = 2;
/// How many colors there are.
const COLORS: u32 = 6;

/// A call, and those that it has made.
#[derive(Default)]
struct Node {
    bytes: u64,
    calls: BTreeMap<String, Node>,
}

/// Both graphs, each where there is something in it.
pub(super) fn graphs(cases: &[CaseRecord]) -> Markup {
    let graphs = [
        ("Memory that is left when the workload is over", Per::Iteration),
        ("Memory that statements hold at their peak", Per::Row),
    ];
    let graphs: Vec<(&str, Per, Node)> = graphs
        .into_iter()
        .map(|(title, per)| (title, per, all(cases, per)))
        .filter(|(.., all)| all.bytes > 0)
        .collect();
    html! {
        @if !graphs.is_empty() { h2 { "Who allocates" } }
        @for (title, per, all) in &graphs { (graph(title, all, &tree::of_all(cases, *per))) }
    }
}

fn graph(title: &str, all: &Node, tree: &str) -> Markup {
    html! {
        // Closed, since drawing it is half of what a large page takes to open.
        details.flame {
            summary { (title) ", by the calls that allocated it: " (bytes(all.bytes)) }
            // Callers come first: of a graph that is higher than its frame the beginning is seen.
            div.boxes tabindex="0" role="region" aria-label=(title) {
                ul { (boxed("all", all, all.bytes, all.bytes)) }
            }
            // For those who do not see it, and for paper.
            details { summary { "The same as a tree, callers first" } pre.scroll tabindex="0" { (tree) } }
        }
    }
}

/// A box with those of its calls.
fn boxed(name: &str, node: &Node, of_caller: u64, whole: u64) -> Markup {
    let is_seen = |call: &&Node| u128::from(call.bytes) * 1000 >= u128::from(whole) * u128::from(LEAST);
    let width = node.bytes as f64 * 100.0 / of_caller.max(1) as f64;
    // What is as wide as its caller needs no width.
    let width = (node.bytes != of_caller).then(|| format!("width:{width:.2}%"));
    html! {
        li style=[width] {
            b class={ "c" (color(name)) } data-b=(bytes(node.bytes)) { (name) }
            @if node.calls.values().any(|call| is_seen(&call)) {
                ul { @for (name, call) in node.calls.iter().filter(|(_, call)| is_seen(call)) { (boxed(name, call, node.bytes, whole)) } }
            }
        }
    }
}

/// The color of a name: everywhere the same.
fn color(name: &str) -> u32 {
    name.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) % COLORS
}

/// All stacks as one tree, from the outside in: the spec and the scenario first.
fn all(cases: &[CaseRecord], per: Per) -> Node {
    let mut root = Node::default();
    for case in cases {
        for scenario in &case.scenarios {
            for finding in scenario.findings.iter().filter(|finding| measure(finding) == Some(Measure::Memory(per))) {
                let Some(calls) = calls(finding).filter(|_| finding.bytes > 0) else { continue };
                root.bytes += finding.bytes;
                let mut node = &mut root;
                for call in [case.label.clone(), scenario.title.clone()].into_iter().chain(calls) {
                    node = node.calls.entry(call).or_default();
                    node.bytes += finding.bytes;
                }
            }
        }
    }
    root
}

/// The calls from the outside in.
fn calls(finding: &FindingRecord) -> Option<Vec<String>> {
    let site = finding.site.as_ref()?;
    let frames: Vec<String> = site.stack.iter().rev().map(frame).collect();
    Some(if frames.is_empty() { vec![frame(&site.frame)] } else { frames })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_as_wide_as_its_part_of_its_caller() {
        let leaf = |bytes| Node { bytes, ..Node::default() };
        let calls = [("a<b>", 7500), ("b", 2499), ("small", 1)].map(|(name, bytes)| (name.to_owned(), leaf(bytes)));
        let caller = Node { bytes: 10_000, calls: calls.into() };
        let shown = boxed("caller", &caller, 20_000, 20_000).0;
        assert!(shown.starts_with("<li style=\"width:50.00%\"><b class=\"c"), "{shown}");
        assert!(shown.contains("<li style=\"width:75.00%\"><b") && shown.contains(">a&lt;b&gt;</b></li>"), "{shown}");
        assert!(shown.contains("data-b=\"7500 B\"") && !shown.contains("small"), "{shown}");
        assert!(boxed("all", &caller, 10_000, 10_000).0.starts_with("<li><b"), "the whole is as wide as there is room");
    }
}
