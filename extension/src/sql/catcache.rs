//! `catcache_stats()`.

use pgrx::prelude::*;

use super::window::signed;
use super::{called, raise};
use crate::pg::{catcache, relation_name};

/// This session's caches of catalog rows.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn catcache_stats() -> TableIterator<
    'static,
    (
        name!(cache_id, i32),
        name!(relation, Option<String>),
        name!(index, Option<String>),
        name!(tuples, i32),
        name!(negative, i32),
        name!(bytes, i64),
    ),
> {
    called();
    let caches = catcache::usage().unwrap_or_else(|unknown| {
        raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("the server's catalog caches are not as expected: {}", unknown.0),
            None,
        )
    });
    // Only now: looking names up fills caches.
    let rows: Vec<_> = caches
        .into_iter()
        .map(|cache| {
            (
                cache.id,
                relation_name(cache.relation),
                relation_name(cache.index),
                i32::try_from(cache.tuples).unwrap_or(i32::MAX),
                i32::try_from(cache.negative).unwrap_or(i32::MAX),
                signed(cache.bytes),
            )
        })
        .collect();
    TableIterator::new(rows)
}
