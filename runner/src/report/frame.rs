//! Frames of stacks, as people read them.

use memcheck_core::wire::FrameRecord;

/// `function (file:line)`, or what is known of it.
pub(super) fn frame(frame: &FrameRecord) -> String {
    let address = &frame.address;
    let place = match &address.symbol {
        Some(symbol) => symbol.clone(),
        None => format!("{}+{:#x}", address.library, address.offset),
    };
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{place} ({}:{line})", short(file)),
        _ => place,
    }
}

/// The path without what is the same for all of a checkout.
pub(super) fn short(file: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = std::path::Path::new(file);
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
