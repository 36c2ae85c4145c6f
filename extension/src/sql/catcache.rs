//! `catcache_stats()`.

use std::ffi::CStr;

use pgrx::prelude::*;

use super::window::signed;
use super::{raise, require_preload};
use crate::{catcache, statement};

/// This session's caches of catalog rows.
#[pg_extern]
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
    require_preload();
    statement::is_own();
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
                name(cache.relation),
                name(cache.index),
                i32::try_from(cache.tuples).unwrap_or(i32::MAX),
                i32::try_from(cache.negative).unwrap_or(i32::MAX),
                signed(cache.bytes),
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// The name of a relation.
fn name(relation: pg_sys::Oid) -> Option<String> {
    // SAFETY: gives a palloc'ed C string, or null where there is no such relation.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
