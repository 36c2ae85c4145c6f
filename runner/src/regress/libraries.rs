//! Libraries that have to be preloaded, where the suite does not say so.

use std::fs;

use crate::server::Installation;

/// The variable that a library looks at which does something in `shared_preload_libraries` that it cannot do later (miscadmin.h).
const LOOKS_AT: &[u8] = b"process_shared_preload_libraries_in_progress";

/// Whether the library of an extension looks at how it is loaded.
pub fn wants_preload(installation: &Installation, extension: &str) -> bool {
    let library = installation.pkglib_dir.join(format!("{extension}.so"));
    fs::read(library).is_ok_and(|bytes| bytes.windows(LOOKS_AT.len()).any(|window| window == LOOKS_AT))
}
