//! The places that have allocated in this session.

use memcheck_core::Frame;

use crate::wrap;

/// Those with numbers above that one, in the order in which they were first seen; nothing where nothing is traced.
pub(crate) fn after(number: u32) -> Vec<(u32, Frame)> {
    wrap::refresh();
    wrap::with(|chain| chain.places().after(number)).unwrap_or_default()
}
