//! Probes: bytes within segments of shared memory that nobody has a use for, so that a write to them shows.

use pgrx::prelude::*;

use super::{called, raise};
use crate::shmem::probes::{self, MOST_PROBES, NoProbe};

/// Names the last byte of a segment, which its library has asked for to that end, and sets it. `allocated_size` is what
/// `ShmemInitStruct` was called with.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn register_shmem_probe(seg_name: &str, allocated_size: i64) -> String {
    called();
    let Some(size) = usize::try_from(allocated_size).ok().filter(|&size| size > 0) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "pg_ext_memcheck: allocated_size must be greater than 0",
            None,
        )
    };
    match segment_size(seg_name) {
        None => raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("shared memory segment \"{seg_name}\" does not exist"),
            Some("See the view pg_shmem_allocations for those that there are."),
        ),
        Some(actual) if actual != allocated_size => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("shared memory segment \"{seg_name}\" has {actual} bytes, not {allocated_size}"),
            Some(&format!("Call ext_memcheck.register_shmem_probe({}, {actual}).", quoted(seg_name))),
        ),
        Some(_) => {}
    }
    match probes::register(seg_name, size) {
        Ok(()) => {}
        Err(NoProbe::NotOfLibrary) => raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("shared memory segment \"{seg_name}\" is of the server or of pg_ext_memcheck"),
            Some("A probe is a byte that the library has asked for besides what it uses. The server uses all of it."),
        ),
        Err(NoProbe::IsTable) => raise(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("shared memory segment \"{seg_name}\" is a hash table"),
            Some("The server uses all of it. What lies behind its elements is looked at in any case."),
        ),
        Err(NoProbe::TooMany) => raise(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("there can be no more than {MOST_PROBES} shmem probes"),
            Some("Forget those that there are with ext_memcheck.clear_shmem_registry()."),
        ),
    }
    format!("Registered shmem probe for segment '{seg_name}' (allocated_size={allocated_size} bytes)")
}

/// The size that a segment was made with; none where there is none of that name.
fn segment_size(name: &str) -> Option<i64> {
    const SIZE: &str = "SELECT size FROM pg_catalog.pg_shmem_allocations WHERE name = $1";
    let size = Spi::connect(|client| client.select(SIZE, Some(1), &[name.into()])?.first().get_one::<i64>());
    // No row is an error of its own.
    size.ok().flatten()
}

/// A text as it is written in a statement.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether the byte that a probe has named is as it was set.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn probe_check(seg_name: &str) -> bool {
    called();
    probes::is_intact(seg_name).unwrap_or_else(|| {
        raise(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("no shmem probe is registered for segment \"{seg_name}\""),
            Some("Register one with ext_memcheck.register_shmem_probe()."),
        )
    })
}

/// Forgets all probes. What lies in the bytes that they have named stays.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn clear_shmem_registry() {
    called();
    probes::clear();
}
