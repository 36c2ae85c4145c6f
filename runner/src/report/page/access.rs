//! A bad access: the chunk, the bytes that were touched, and the three places.

use maud::{Markup, html};
use memcheck_core::CheckKind;
use memcheck_core::wire::{AccessRecord, FindingRecord};

use super::lines::place;
use super::source::Sources;

const WIDTH: f64 = 420.0;
const LEFT: f64 = 10.0;
const RIGHT: f64 = 410.0;
/// Bytes of which nothing is drawn where the access is far away from the chunk.
const FAR: i64 = 4096;

/// Draws the chunk with the access, and names where it was allocated, given back, and accessed.
pub(super) fn figure(finding: &FindingRecord, access: &AccessRecord, sources: &mut Sources) -> Markup {
    let is_gone = !access.mismatched
        && [CheckKind::UseAfterFree, CheckKind::UseAfterReset, CheckKind::DoubleFree]
            .iter()
            .any(|check| check.as_str() == finding.check);
    let act = access.act.as_deref();
    let verb = match act {
        Some("read") => "read at",
        Some("write") => "written at",
        Some("release") => "released at",
        _ => "accessed at",
    };
    let size = i64::from(access.size.unwrap_or(1)).max(1);
    let requested = i64::try_from(access.requested).unwrap_or(i64::MAX / 4);
    // From where to where the picture goes, in bytes of the chunk.
    let first = access.offset.clamp(-FAR, 0);
    let last = access.offset.saturating_add(size).min(requested.saturating_add(FAR)).max(requested);
    let width = ((last - first).max(1)) as f64;
    let x = |offset: i64| LEFT + (offset.clamp(first, last) - first) as f64 / width * (RIGHT - LEFT);
    let touched = (x(access.offset), x(access.offset.saturating_add(size)));
    // A byte of a large chunk is to be seen all the same.
    let touched_width = (touched.1 - touched.0).max(3.0);
    let touched_at = touched.0.min(RIGHT - touched_width);
    let memory = if finding.check == CheckKind::ShmemOverrun.as_str() { "segment" } else { "chunk" };
    let words = words(access, memory, is_gone);
    // The caption says the same.
    html! {
        figure {
            svg.chunk viewBox=(format!("0 -6 {WIDTH} 68")) aria-hidden="true" {
                path.memory.gone[is_gone] d=(format!("M{:.0} 14h{:.0}v22h-{1:.0}z", x(0), (x(requested) - x(0)).max(2.0))) {}
                @if act != Some("release") {
                    path.touched d=(format!("M{touched_at:.0} 8h{touched_width:.0}v34h-{touched_width:.0}z")) {}
                }
                text x=(format!("{:.0}", x(0))) y="54" { "0" }
                text.e x=(format!("{:.0}", x(requested).max(LEFT + 60.0))) y="54" { (size_of(access.requested)) }
                @if act != Some("release") {
                    text.m.bad x=(format!("{:.0}", (touched_at + touched_width / 2.0).clamp(LEFT + 24.0, RIGHT - 24.0))) y="6" { (access.offset) }
                }
            }
            figcaption { (words) }
        }
        @if let Some(site) = &access.at { (place(verb, site, sources)) }
        @if let Some(site) = &access.allocated { (place("allocated at", site, sources)) }
        @if let Some(site) = &access.freed { (place("given back at", site, sources)) }
    }
}

/// The picture in words.
fn words(access: &AccessRecord, memory: &str, is_gone: bool) -> String {
    let chunk =
        format!("a {memory} of {}{}", size_of(access.requested), if is_gone { " that was given back" } else { "" });
    let size = access.size.map_or(String::new(), |size| format!(" of {}", size_of(size.into())));
    match access.act.as_deref() {
        Some("release") if access.mismatched => format!("{chunk} is given to another allocator"),
        Some("release") => format!("{chunk} is given back again"),
        act => format!("{}{size} at offset {} of {chunk}", act.unwrap_or("access"), access.offset),
    }
}

/// `1 byte`, `64 bytes`
fn size_of(bytes: u64) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}
