//! `sites_reached()`.

use pgrx::prelude::*;

use super::called;
use super::window::signed;
use crate::session::reached;

/// The places in the traced libraries that have allocated in this session, numbered in the order in which they were first seen: those
/// after a number that was seen before.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn sites_reached(
    after: default!(i32, "0"),
) -> TableIterator<'static, (name!(number, i32), name!(source_lib, String), name!(site_offset, i64))> {
    called();
    let places = reached::after(u32::try_from(after).unwrap_or(0));
    let row = |(number, frame): (u32, memcheck_core::Frame)| {
        (i32::try_from(number).unwrap_or(i32::MAX), frame.library, signed(frame.offset))
    };
    TableIterator::new(places.into_iter().map(row).collect::<Vec<_>>())
}
