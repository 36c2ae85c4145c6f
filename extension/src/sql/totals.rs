//! `live_totals()`.

use pgrx::prelude::*;

use super::window::signed;
use super::{called, raise};
use crate::session::totals::{Untold, totals};

/// How much the traced libraries hold in this session, in all. It takes less than a list by site.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn live_totals() -> TableIterator<'static, (name!(allocations, i64), name!(bytes, i64))> {
    called();
    match totals() {
        Ok(live) => TableIterator::once((signed(live.allocations), signed(live.bytes))),
        Err(Untold::Untraced) => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "allocations of this session are not traced",
            Some("Set pg_ext_memcheck.trace to on."),
        ),
        Err(Untold::NoMemory) => raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory", None),
    }
}
