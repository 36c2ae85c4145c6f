//! `faults()`

use memcheck_core::wire;
use pgrx::JsonB;
use pgrx::prelude::*;

use super::window::signed;
use super::{called, timestamp};
use crate::guard::faults::{Report, since};

/// The last faults of the cluster's processes, oldest first, as far as these were traced: also those of processes that have died, and
/// from before a restart of all others.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn faults() -> TableIterator<
    'static,
    (
        name!(ts, TimestampWithTimeZone),
        name!(backend_pid, i32),
        name!(leader_pid, Option<i32>),
        name!(what, &'static str),
        name!(detail, String),
        name!(outcome, &'static str),
        name!(holding, Option<String>),
        name!(source_lib, Option<String>),
        name!(build_id, Option<String>),
        name!(site_offset, Option<i64>),
        name!(site_symbol, Option<String>),
        name!(stack, JsonB),
    ),
> {
    called();
    let row = |report: &Report| {
        let (stack, charged) = report.stack();
        let site = charged.map(|number| stack[number].clone()).or_else(|| report.owner());
        (
            timestamp(report.at),
            report.pid,
            Some(report.leader).filter(|&leader| leader != 0),
            report.what(),
            report.to_string(),
            report.outcome().as_str(),
            report.holding(),
            site.as_ref().map(|site| site.library.clone()),
            site.as_ref().map(|site| site.build_id.clone()),
            site.as_ref().map(|site| signed(site.offset)),
            site.and_then(|site| site.symbol),
            JsonB(wire::stack(&stack)),
        )
    };
    TableIterator::new(since(0).iter().map(row).collect::<Vec<_>>())
}
