//! What several findings share - stacks with their source lines, servers - stands on the page once, at its end; the script puts it
//! where it is opened, and without one there is a link.

use std::collections::HashMap;

use maud::{Markup, PreEscaped, html};

/// What is shared, by what it looks like.
#[derive(Default)]
pub(super) struct Once {
    numbers: HashMap<String, usize>,
    texts: Vec<(String, String)>,
}

impl Once {
    /// Something that can be opened, with a summary of its own.
    pub(super) fn details(&mut self, class: &str, summary: &Markup, heading: &str, inner: &Markup) -> Markup {
        if inner.0.is_empty() {
            return html! { p class=(class) { (summary) } };
        }
        let number = *self.numbers.entry(inner.0.clone()).or_insert_with(|| {
            self.texts.push((heading.to_owned(), inner.0.clone()));
            self.texts.len()
        });
        html! {
            details class=(class) data-at=(number) {
                summary { (summary) }
                a href={ "#at" (number) } { "see below" }
            }
        }
    }

    /// All of it, to stand at the end.
    pub(super) fn section(&self) -> Markup {
        html! {
            @if !self.texts.is_empty() {
                details #shared {
                    summary { "Places in the code, and servers (" (self.texts.len()) ")" }
                    @for (at, (heading, text)) in self.texts.iter().enumerate() {
                        section id={ "at" (at + 1) } { h3 { (heading) } div { (PreEscaped(text)) } }
                    }
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
        let first = once.details("place", &text("a"), "a", &text("stack")).0;
        let second = once.details("place", &text("b"), "b", &text("stack")).0;
        let third = once.details("place", &text("c"), "c", &text("other")).0;
        assert!(first.contains("#at1") && second.contains("#at1") && third.contains("#at2"));
        assert_eq!(once.section().0.matches("<section").count(), 2);
        assert!(!once.details("place", &text("d"), "d", &html! {}).0.contains("<details"), "there is nothing to open");
    }
}
