//! The files of an observed session: one that registers it, and one that takes its place.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memcheck_core::observed::{COMPLETE, REGISTERED, SessionRecord, Who};
use pgrx::log;

/// Where a session hands over.
pub(super) struct File {
    /// Without what the names end with.
    name: PathBuf,
}

/// Makes a file that was not there, for nobody else to read.
fn write(path: &Path, text: serde_json::Result<Vec<u8>>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&text?)
}

impl File {
    /// Registers a session; none where that fails, which the log says.
    pub(super) fn register(directory: &Path, who: &Who) -> Option<Self> {
        // As the session identifier of log_line_prefix (elog.c, log_status_format).
        let file = File { name: directory.join(format!("{:x}.{:x}", who.started, who.pid)) };
        match write(&file.name.with_added_extension(REGISTERED), serde_json::to_vec(who)) {
            Ok(()) => Some(file),
            Err(error) => {
                file.complain(&error);
                None
            }
        }
    }

    /// Hands over what there is to say. Where it cannot be written, the registration stays, and says that something is missing.
    pub(super) fn complete(&self, record: &SessionRecord) {
        let draft = self.name.with_added_extension("draft");
        let written = write(&draft, serde_json::to_vec(record))
            .and_then(|()| fs::rename(&draft, self.name.with_added_extension(COMPLETE)))
            .and_then(|()| fs::remove_file(self.name.with_added_extension(REGISTERED)));
        if let Err(error) = written {
            self.complain(&error);
        }
    }

    fn complain(&self, error: &io::Error) {
        log!("session could not be observed: \"{}\": {error}", self.name.display());
    }
}
