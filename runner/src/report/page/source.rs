//! Lines of source files, where those are in the checkout: no other file is read because of what a library says.

use std::collections::HashMap;
use std::path::Path;

use maud::{Markup, html};
use memcheck_core::wire::FrameRecord;

use super::once::Once;
use crate::bounded;
use crate::report::Checkout;

/// Lines that are shown before and after the one in question.
const AROUND: usize = 3;

/// The checkout, and files of it that have been read already; none for those that cannot be.
pub(super) struct Sources {
    /// What is on the page already.
    pub(super) once: Once,
    checkout: Checkout,
    files: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    /// Those of a checkout.
    pub(super) fn new(checkout: Checkout) -> Self {
        Sources { once: Once::default(), checkout, files: HashMap::new() }
    }

    /// The line of a frame with some around it.
    pub(super) fn excerpt(&mut self, frame: &FrameRecord) -> Markup {
        let Some(place) = self.checkout.line(&frame.into()) else { return html! {} };
        let number = place.line as usize;
        let path = self.checkout.root().join(&place.file);
        let lines = self.files.entry(place.file.clone()).or_insert_with(|| read(&path));
        let Some(lines) = lines.as_ref().filter(|lines| (1..=lines.len()).contains(&number)) else { return html! {} };
        let first = number.saturating_sub(AROUND).max(1);
        let last = (number + AROUND).min(lines.len());
        let digits = last.to_string().len();
        let line = |at: usize| format!("{at:>digits$}  {}", lines[at - 1]);
        html! {
            pre.source data-file=(place.file) {
                @for at in first..=last { @if at == number { b { (line(at)) } } @else { (line(at)) "\n" } }
            }
        }
    }
}

fn read(path: &Path) -> Option<Vec<String>> {
    let text = bounded::text(path, bounded::SPEC).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}
