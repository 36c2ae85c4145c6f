//! Stacks and places.

use maud::{Markup, html};
use memcheck_core::wire::{FrameRecord, SiteRecord};

use super::source::Sources;
use crate::report::frame::frame;

/// Calls of a stack that are shown at most.
const FRAMES: usize = 24;

/// A place in code: what was done there, the function and line, the source around it, and who called it.
pub(super) fn place(verb: &str, site: &SiteRecord, sources: &mut Sources) -> Markup {
    let library = &site.frame.address.library;
    let parts = [("source", sources.excerpt(&site.frame)), ("stack", stack(&site.stack))];
    sources.once.details("place", &html! { (verb) " " code { (frame(&site.frame)) } " in " (library) }, &parts)
}

/// A line for each call, the innermost first; the library where it is another than that of the line above.
fn stack(frames: &[FrameRecord]) -> Markup {
    let mut text = String::new();
    let mut library = "";
    for one in frames.iter().take(FRAMES) {
        let name = frame(one);
        text += &name;
        let of = one.address.library.as_str();
        // A function that has no name is called by its library.
        if of != library && !name.starts_with(of) {
            text += "  in ";
            text += of;
        }
        library = of;
        text.push('\n');
    }
    let more = frames.len().saturating_sub(FRAMES);
    if more > 0 {
        text += &format!("and {more} more\n");
    }
    html! { @if !text.is_empty() { pre.stack { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_named_where_it_begins() {
        let of = |library: &str, symbol: Option<&str>| serde_json::json!({"library": library, "build_id": "", "offset": 16, "symbol": symbol, "file": null, "line": null});
        let frames = serde_json::json!([
            of("mine", Some("a")),
            of("mine", Some("b")),
            of("postgres", None),
            of("postgres", Some("c"))
        ]);
        let frames: Vec<FrameRecord> = serde_json::from_value(frames).unwrap();
        assert_eq!(stack(&frames).0, "<pre class=\"stack\">a  in mine\nb\npostgres+0x10\nc\n</pre>");
        let many: Vec<FrameRecord> = std::iter::repeat_n(frames[0].clone(), FRAMES + 3).collect();
        assert!(stack(&many).0.ends_with("and 3 more\n</pre>"));
        assert_eq!(stack(&[]).0, "");
    }
}
