//! `worker_iterations()`

use memcheck_core::room;
use pgrx::prelude::*;

use super::window::signed;
use super::{called, timestamp};
use crate::session;
use crate::session::iterations::Iteration;

/// When each worker of the last `concurrent_backends` of this session began and ended its iterations: those that it has ended, of which
/// the first 10,000 are kept.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn worker_iterations() -> TableIterator<
    'static,
    (
        name!(worker, i32),
        name!(iteration, i64),
        name!(began_at, TimestampWithTimeZone),
        name!(ended_at, TimestampWithTimeZone),
    ),
> {
    called();
    let mut kept = Vec::new();
    session::with(|session| {
        if room::make(&mut kept, session.iterations().len()) {
            kept.extend_from_slice(session.iterations());
        }
    });
    TableIterator::new(kept.into_iter().map(|Iteration { worker, number, began, ended }| {
        (worker as i32, signed(number), timestamp(began), timestamp(ended))
    }))
}
