//! `mcspec clean`

use std::io::Write;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use crate::server::Kept;

/// Runs the subcommand.
pub(super) fn clean() -> Result<Exit, Complaint> {
    let Some(directory) = Kept::directory() else { return Ok(Exit::Ok) };
    let (bytes, left) = Kept::clean();
    let left = match left {
        0 => String::new(),
        1 => "; 1 entry is in use and stays".to_owned(),
        more => format!("; {more} entries are in use and stay"),
    };
    let megabytes = bytes.div_ceil(1 << 20);
    writeln!(Stdout::new(), "removed {megabytes} MB from \"{}\"{left}", directory.display())
        .map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}
