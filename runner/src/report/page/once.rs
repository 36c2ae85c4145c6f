//! What several findings share - lines of sources, stacks, trees, servers - stands on the page once, at its end; the script puts it
//! where it is opened, and without one there are links.

use std::collections::HashMap;

use maud::{Markup, PreEscaped, html};

/// What is shared, by what it looks like.
#[derive(Default)]
pub(super) struct Once {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

impl Once {
    /// Something that can be opened, with a summary of its own. Of each part in it a link says what it is.
    pub(super) fn details(&mut self, class: &str, summary: &Markup, parts: &[(&str, Markup)]) -> Markup {
        let parts: Vec<(&str, usize)> = parts
            .iter()
            .filter(|(_, part)| !part.0.is_empty())
            .map(|(what, part)| (*what, self.number(part)))
            .collect();
        if parts.is_empty() {
            return html! { p class=(class) { (summary) } };
        }
        html! {
            details class=(class) {
                summary { (summary) }
                @for (what, number) in parts { a href={ "#at" (number) } { (what) } " " }
            }
        }
    }

    fn number(&mut self, part: &Markup) -> usize {
        *self.numbers.entry(part.0.clone()).or_insert_with(|| {
            self.texts.push(part.0.clone());
            self.texts.len()
        })
    }

    /// All of it, to stand at the end.
    pub(super) fn section(&self) -> Markup {
        html! {
            @if !self.texts.is_empty() {
                details #shared {
                    summary { "Lines of sources, stacks and servers (" (self.texts.len()) "), as far as findings lead to them" }
                    @for (at, text) in self.texts.iter().enumerate() { div id={ "at" (at + 1) } { (PreEscaped(text)) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_there_once() {
        let mut once = Once::default();
        let text = |text: &str| html! { pre { (text) } };
        let first = once.details("place", &text("a"), &[("stack", text("stack")), ("source", html! {})]).0;
        let second = once.details("place", &text("b"), &[("stack", text("stack"))]).0;
        let third = once.details("place", &text("c"), &[("stack", text("other")), ("source", text("stack"))]).0;
        assert!(first.contains("#at1") && second.contains("#at1"), "{first} {second}");
        assert!(third.contains("#at2\">stack") && third.contains("#at1\">source"), "{third}");
        assert_eq!(once.section().0.matches("<div").count(), 2);
        assert!(
            !once.details("place", &text("d"), &[("stack", html! {})]).0.contains("<details"),
            "there is nothing to open"
        );
    }
}
