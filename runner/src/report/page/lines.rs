//! Stacks and places.

use maud::{Markup, html};
use memcheck_core::wire::SiteRecord;

use super::source::Sources;
use crate::report::frame::frame;

/// Calls of a stack that are shown at most.
const FRAMES: usize = 24;

/// A place in code: what was done there, the function and line, the source around it, and who called it.
pub(super) fn place(verb: &str, site: &SiteRecord, sources: &mut Sources) -> Markup {
    let library = &site.frame.address.library;
    let more = site.stack.len().saturating_sub(FRAMES);
    let name = frame(&site.frame);
    let inner = html! {
        (sources.excerpt(&site.frame))
        @if !site.stack.is_empty() {
            ol.stack {
                @for one in site.stack.iter().take(FRAMES) { li { code { (frame(one)) } " " span.soft { (one.address.library) } } }
                @if more > 0 { li.soft { "and " (more) " more" } }
            }
        }
    };
    sources.once.details("place", &html! { (verb) " " code { (name) } " in " (library) }, &name, &inner)
}
