//! Pinned wheels: download one, check its hash, unpack it. pip does the first two, so that a proxy or a mirror that the
//! user has configured for it is used here as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{self, Error};

/// Unpacks the one wheel that `requirements` pins below `directory`, which must not exist and is left to the caller.
///
/// `platform` is the wheel's platform tag. The interpreter asked for is fixed, because a wheel that holds programs does
/// not care which one fetches it.
pub(crate) fn unpack(requirements: &Path, platform: &str, directory: &Path) -> Result<(), Error> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::with_hint(
            "the pinned wheels are for Linux on x86_64 only",
            "install PostgreSQL's server and development packages and libclang from your distribution",
        ));
    }
    require_pip()?;
    fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    error::run(
        Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", "3.12"])
            .args(["--platform", platform, "--require-hashes", "-r"])
            .arg(requirements)
            .arg("-d")
            .arg(directory),
    )?;
    let wheel = sole_file(directory, "whl")?;
    error::run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(directory))?;
    fs::remove_file(&wheel).map_err(Error::file("remove", &wheel))
}

/// Returns the one file below `directory` whose name ends in `extension`.
pub(crate) fn sole_file(directory: &Path, extension: &str) -> Result<PathBuf, Error> {
    let mut pending = vec![directory.to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(Error::file("read", &directory))? {
            let path = entry.map_err(Error::file("read", &directory))?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([file]) => Ok(file),
        Err(found) => Err(Error::new(format!(
            "expected one file ending in \".{extension}\" below \"{}\", found {}",
            directory.display(),
            found.len()
        ))),
    }
}

fn require_pip() -> Result<(), Error> {
    let works = |arguments: &[&str]| {
        let status = Command::new("python3").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !works(&["--version"]) {
        return Err(Error::with_hint("python3 is not installed", "apt-get install python3 python3-pip"));
    }
    if !works(&["-m", "pip", "--version"]) {
        return Err(Error::with_hint("python3 has no pip", "apt-get install python3-pip"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_file_is_found_at_any_depth() {
        let directory = std::env::temp_dir().join(format!("xtask-wheel-{}", std::process::id()));
        fs::create_dir_all(directory.join("a/b")).expect("temporary directory");
        assert!(sole_file(&directory, "gz").is_err());
        fs::write(directory.join("a/b/x.tar.gz"), "").expect("file");
        fs::write(directory.join("a/y.txt"), "").expect("file");
        assert_eq!(sole_file(&directory, "gz").expect("one"), directory.join("a/b/x.tar.gz"));
        fs::write(directory.join("z.gz"), "").expect("file");
        assert!(sole_file(&directory, "gz").is_err());
        fs::remove_dir_all(&directory).expect("removed");
    }
}
