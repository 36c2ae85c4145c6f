//! The tree of contexts as a window found it and as it left it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::bytes;
use super::once::Once;
use crate::results::schema::{BranchResult, ScenarioResult, WindowResult};

/// Branches that have not changed, which are shown so that there is something to compare with.
const UNCHANGED: usize = 4;
/// Branches that are shown at most.
const MOST: usize = 24;

/// A context, or the way to one.
#[derive(Default)]
struct Node<'t> {
    own: Option<&'t BranchResult>,
    below: BTreeMap<&'t str, Node<'t>>,
}

/// The trees of a scenario, one for each window; nothing where nothing has changed in any.
pub(super) fn trees(scenario: &ScenarioResult, once: &mut Once) -> Markup {
    let windows: Vec<&WindowResult> =
        scenario.windows.iter().filter(|window| window.contexts.iter().any(has_changed)).collect();
    if windows.is_empty() {
        return html! {};
    }
    let trees = html! { div.side { @for window in windows { (tree(window)) } } };
    once.details("trees", &html! { "Contexts before and after" }, &[("trees", trees)])
}

fn has_changed(branch: &BranchResult) -> bool {
    branch.bytes[0] != branch.bytes[1] || branch.contexts[0] != branch.contexts[1]
}

fn tree(window: &WindowResult) -> Markup {
    let changed = window.contexts.iter().filter(|branch| has_changed(branch));
    let unchanged = window.contexts.iter().filter(|branch| !has_changed(branch)).take(UNCHANGED);
    let shown: Vec<&BranchResult> = changed.chain(unchanged).take(MOST).collect();
    let left_out = window.contexts.len() - shown.len();
    let most = shown.iter().flat_map(|branch| branch.bytes).max().unwrap_or(0);
    let mut root = Node::default();
    for branch in shown {
        // All but what is no context is below the root.
        let names = branch.path.iter().map(String::as_str).filter(|name| *name != TOP);
        let node = names.fold(&mut root, |node, name| node.below.entry(name).or_default());
        node.own = Some(branch);
    }
    let name = window.session.as_deref().or(window.phase.as_deref());
    html! {
        div {
            @if let Some(name) = name { h4 { (name) } }
            ul.tree { (item(TOP, &root, most)) }
            @if left_out > 0 { p.soft { (left_out) " more, which have changed less" } }
        }
    }
}

/// The root.
const TOP: &str = "TopMemoryContext";

fn item(name: &str, node: &Node, most: u64) -> Markup {
    let head = html! {
        code { (name) }
        @if let Some(branch) = node.own { " " (sizes(branch, most)) }
    };
    html! {
        li {
            @if node.below.is_empty() { (head) }
            @else {
                details open {
                    summary { (head) }
                    ul { @for (name, node) in &node.below { (item(name, node, most)) } }
                }
            }
        }
    }
}

/// What it held and what it holds, as words and as two bars.
fn sizes(branch: &BranchResult, most: u64) -> Markup {
    let [before, after] = branch.bytes;
    let change =
        if after >= before { format!("+{}", bytes(after - before)) } else { format!("-{}", bytes(before - after)) };
    let [were, are] = branch.contexts;
    let percent = |bytes: u64| (bytes as f64 * 100.0 / most.max(1) as f64).round();
    html! {
        span class=(if after > before { "sizes bad" } else { "sizes soft" }) {
            @if before == after { (bytes(after)) } @else { (bytes(before)) " → " (bytes(after)) " (" (change) ")" }
            @if were != are { ", " (were) " → " (are) " contexts" }
        }
        @if percent(before.max(after)) > 0.0 { i.bars style=(format!("--was:{}%;--is:{}%", percent(before), percent(after))) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_what_has_changed_and_the_way_to_it() {
        let branch = |path: &[&str], bytes, contexts| BranchResult {
            path: path.iter().map(|&name| name.to_owned()).collect(),
            bytes,
            contexts,
        };
        let contexts = vec![
            branch(&["Cache", "mine"], [100, 90_000], [1, 9]),
            branch(&[TOP], [10, 20], [1, 1]),
            branch(&["same"], [7, 7], [1, 1]),
        ];
        let window: WindowResult = serde_json::from_value(serde_json::json!({
            "phase": null, "findings": [], "statistics": {}, "contexts": contexts,
        }))
        .unwrap();
        let shown = tree(&window).0;
        for expected in [
            "<code>Cache</code>",
            "100 B → 87.9 kB (+87.8 kB), 1 → 9 contexts",
            "10 B → 20 B",
            "<code>same</code> <span class=\"sizes soft\">7 B",
        ] {
            assert!(shown.contains(expected), "{expected}\n{shown}");
        }
        assert_eq!(shown.matches("<details open>").count(), 2, "{shown}");
    }
}
