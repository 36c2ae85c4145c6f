//! The sources: in the program itself, or those of the checkout for a debug build. `build.rs` of the crate makes the list.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::EngineError;
use crate::atomic;

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// A directory with them, in which cargo can work: below `cache`, unless there is a checkout.
///
/// What was built there before is kept, as long as it is of the same sources; other sources are removed with what was built of them.
pub(super) fn directory(cache: &Path) -> Result<PathBuf, EngineError> {
    if let Some(checkout) = CHECKOUT {
        return Ok(checkout.into());
    }
    let name = env!("MCSPEC_ENGINE_SOURCES");
    for old in fs::read_dir(cache).into_iter().flatten().flatten().filter(|entry| entry.file_name() != name) {
        let path = old.path();
        fs::remove_dir_all(&path).map_err(EngineError::file(&path))?;
    }
    let directory = cache.join(name);
    for (name, contents) in FILES {
        let path = directory.join(name);
        // Cargo builds again what is newer than what was built of it.
        if fs::read(&path).is_ok_and(|present| present == *contents) {
            continue;
        }
        // Cargo drops from it what is not needed here.
        if *name == "Cargo.lock" && path.exists() {
            continue;
        }
        let parent = path.parent().expect("a file below a directory");
        fs::create_dir_all(parent).map_err(EngineError::file(parent))?;
        atomic::write(&path, contents).map_err(EngineError::file(&path))?;
    }
    Ok(directory)
}
