//! What this build of the engine is for, and what the server is.

use std::ffi::CStr;

use memcheck_core::fit::{BUILT_FOR, Build, PRODUCTS, WITH_ASSERTIONS, WITHOUT_ASSERTIONS};
use pgrx::pg_sys;

/// Members of the allocator's tables (memnodes.h); with assertions there is one more, `check`.
#[cfg(feature = "pg15")]
const METHODS: usize = 8;
#[cfg(not(feature = "pg15"))]
const METHODS: usize = 9;

/// Whether the headers are those of a server with assertions.
const ASSERTIONS: bool = size_of::<pg_sys::MemoryContextMethods>() > METHODS * size_of::<usize>();

/// What stands before a chunk (bytes): `AllocChunkData` in aset.c of 15, `MemoryChunk` in memutils_memorychunk.h later; with
/// assertions it has the size that was asked for as well.
pub(crate) const CHUNK_HEADER: usize = (if cfg!(feature = "pg15") { 16 } else { 8 }) + 8 * ASSERTIONS as usize;

/// Whether the word before a chunk is the address of its context; later it has the number of the context's kind.
pub(crate) const HEADER_HAS_CONTEXT: bool = cfg!(feature = "pg15");

/// The lowest bits of that word, which are the number (`MEMORY_CONTEXT_METHODID_MASK` in memutils_internal.h).
pub(crate) const KIND_MASK: usize = if cfg!(feature = "pg16") { 7 } else { 15 };

/// The number of AllocSet (`MCTX_ASET_ID` in memutils_internal.h). Generation and Slab follow.
pub(crate) const KIND_OF_SET: usize = 3;

/// A number that no kind of context has: what bears it is told apart by functions of our own (`MCTX_10_UNUSED_ID` there,
/// `MCTX_UNUSED3_ID` of 16).
pub(crate) const KIND_OF_NOBODY: usize = if cfg!(feature = "pg16") { 2 } else { 10 };

/// The number of Bump (`MCTX_BUMP_ID` there).
pub(crate) const KIND_OF_BUMP: usize = 7;

/// What the library says about itself, for whoever reads its file: the runner does before it starts a server.
#[used]
static MARK: [u8; MARK_LENGTH] = {
    let mut mark = [0; MARK_LENGTH];
    let assertions = if ASSERTIONS { WITH_ASSERTIONS } else { WITHOUT_ASSERTIONS };
    let parts = [BUILT_FOR.as_bytes(), assertions.as_bytes(), b" ", pg_sys::PG_VERSION.to_bytes()];
    let (mut part, mut end) = (0, 0);
    while part < parts.len() {
        let mut byte = 0;
        while byte < parts[part].len() {
            mark[end] = parts[part][byte];
            (byte, end) = (byte + 1, end + 1);
        }
        part += 1;
    }
    mark
};

const MARK_LENGTH: usize = BUILT_FOR.len() + 3 + pg_sys::PG_VERSION.to_bytes().len();

/// The server that this build of the engine is for: its headers.
pub(crate) fn engine() -> Build {
    Build {
        version: pg_sys::PG_VERSION.to_string_lossy().into_owned(),
        banner: Some(pg_sys::PG_VERSION_STR.to_string_lossy().into_owned()),
        assertions: ASSERTIONS,
        block_size: Some(pg_sys::BLCKSZ),
        catalogs: Some(pg_sys::CATALOG_VERSION_NO),
        foreign: Vec::new(),
    }
}

/// The server that this process is of. May raise an ERROR where memory runs out.
pub(crate) fn server() -> Build {
    let has = |parameter: &str| {
        let name = std::ffi::CString::new(parameter).unwrap_or_default();
        option(&name).is_some()
    };
    Build {
        version: option(c"server_version").unwrap_or_default(),
        banner: Some(banner()),
        assertions: option(c"debug_assertions").as_deref() == Some("on"),
        block_size: option(c"block_size").and_then(|size| size.parse().ok()),
        catalogs: Some(catalogs()),
        foreign: PRODUCTS.iter().map(|(parameter, _)| (*parameter).to_owned()).filter(|name| has(name)).collect(),
    }
}

/// The version of the system catalogs of the cluster, which the server has found to be its own (`ReadControlFile` in xlog.c).
fn catalogs() -> u32 {
    let mut is_whole = false;
    // SAFETY: reads a file into a struct that palloc makes.
    unsafe { (*pg_sys::get_controlfile(pg_sys::DataDir, &raw mut is_whole)).catalog_version_no }
}

/// A parameter's value, if there is such a parameter.
fn option(name: &CStr) -> Option<String> {
    // SAFETY: gives a C string, valid until the next call, or null where the parameter is not known.
    let value = unsafe { super::text(pg_sys::GetConfigOption(name.as_ptr(), true, false)) };
    value.map(|value| value.to_string_lossy().into_owned())
}

/// What `version()` shows (version.c).
fn banner() -> String {
    // SAFETY: takes no argument, and gives a text that palloc has made.
    unsafe {
        let shown = pg_sys::DirectFunctionCall1Coll(
            Some(super::server::pgsql_version),
            pg_sys::InvalidOid,
            pg_sys::Datum::null(),
        );
        let text = pg_sys::text_to_cstring(shown.cast_mut_ptr());
        super::text(text).unwrap_or_default().to_string_lossy().into_owned()
    }
}
