//! libclang for the bindings generator of pgrx: the system's own, or else a pinned wheel.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{self, Error};
use crate::wheel;
use crate::workspace::Workspace;

/// Returns the environment variables that a build of the engine needs to find libclang. None where the system has one
/// that clang-sys finds by itself; otherwise the wheel is fetched into `target/libclang` and named.
pub(crate) fn environment(workspace: &Workspace) -> Result<Vec<(&'static str, String)>, Error> {
    if std::env::var_os("LIBCLANG_PATH").is_some() || on_this_system() {
        return Ok(Vec::new());
    }
    let directory = workspace.libclang();
    if !directory.join("libclang.so").exists() {
        fetch(workspace, &directory)?;
    }
    // The wheel has no compiler headers (stddef.h and its like), so it is pointed at those of the C compiler in use.
    let headers = error::first_line(Command::new("gcc").arg("-print-file-name=include")).ok_or_else(|| {
        Error::with_hint("no C compiler, whose headers libclang needs", "apt-get install gcc libc6-dev")
    })?;
    let mut arguments = std::env::var("BINDGEN_EXTRA_CLANG_ARGS").unwrap_or_default();
    arguments.push_str(&format!(" -isystem {headers}"));
    Ok(vec![
        ("LIBCLANG_PATH", directory.to_string_lossy().into_owned()),
        ("BINDGEN_EXTRA_CLANG_ARGS", arguments.trim().to_owned()),
    ])
}

/// Looks where clang-sys looks: `llvm-config`, the usual library directories.
fn on_this_system() -> bool {
    let by_llvm_config = error::first_line(Command::new("llvm-config").arg("--libdir"));
    by_llvm_config.is_some_and(|directory| holds_libclang(Path::new(&directory)))
        || ["/usr/local", "/usr"].iter().any(|prefix| lib_directories(Path::new(prefix)))
}

/// Whether `PREFIX/lib*`, `PREFIX/lib*/*` or `PREFIX/lib*/*/*` holds libclang.
fn lib_directories(prefix: &Path) -> bool {
    directories(prefix).filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("lib"))).any(
        |lib| {
            holds_libclang(&lib)
                || directories(&lib).any(|sub| holds_libclang(&sub) || directories(&sub).any(|d| holds_libclang(&d)))
        },
    )
}

fn directories(path: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir())
}

fn holds_libclang(directory: &Path) -> bool {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
}

/// `libclang.so`, `libclang.so.1`, `libclang-14.so.1`; not `libclang-cpp.so.14`.
fn is_libclang(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("libclang") else { return false };
    let version = rest.strip_prefix('-').is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    rest.starts_with(".so") || (version && rest.contains(".so"))
}

fn fetch(workspace: &Workspace, directory: &Path) -> Result<(), Error> {
    eprintln!("fetching libclang");
    let unpacked = directory.with_extension("unpack");
    if unpacked.exists() {
        fs::remove_dir_all(&unpacked).map_err(Error::file("remove", &unpacked))?;
    }
    wheel::unpack(&workspace.requirements("libclang"), "manylinux2010_x86_64", &unpacked)?;
    let library = wheel::sole_file(&unpacked, "so")?;
    fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    fs::rename(&library, directory.join("libclang.so")).map_err(Error::file("create", directory))?;
    fs::remove_dir_all(&unpacked).map_err(Error::file("remove", &unpacked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so.1", "libclang-14.so.14.0.6", "libclang-14.0.6.so"]
        {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclangAST.so", "libclang.a", "libclang_rt.so", "clang.so", "libclang-14"]
        {
            assert!(!is_libclang(name), "{name}");
        }
    }
}
