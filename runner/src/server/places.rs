//! The directory by which the engine looks at places in libraries: a plan for each library, and its flags.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::ServerError;
use super::run_directory::RunDirectory;
use crate::places::{Planted, Reached};

/// What is looked at on the servers of an installation.
#[derive(Debug)]
pub struct PlacesDirectory {
    path: PathBuf,
    run: RunDirectory,
    planted: Vec<Planted>,
}

impl PlacesDirectory {
    /// Makes the directory, with these plans.
    ///
    /// # Errors
    ///
    /// What cannot be written.
    pub fn create(run: &RunDirectory, planted: Vec<Planted>) -> Result<Self, ServerError> {
        let path = run.server_subdirectory("places")?;
        let mut directory = PlacesDirectory { path, run: run.clone(), planted: Vec::new() };
        for planted in planted {
            directory.put(planted)?;
        }
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a plan in the place of that of the same library: for processes that load it from now on. Its flags are cleared.
    ///
    /// # Errors
    ///
    /// What cannot be written.
    pub fn put(&mut self, planted: Planted) -> Result<(), ServerError> {
        let flags = self.flags(&planted.name);
        self.write(&flags, &vec![0; planted.flags()])?;
        self.write(&self.path.join(format!("{}.plan", planted.name)), planted.text.as_bytes())?;
        self.planted.retain(|other| other.name != planted.name);
        self.planted.push(planted);
        Ok(())
    }

    /// What was reached, library by library, since the plans were put there or that was forgotten.
    pub fn reached(&self) -> Vec<(&str, Reached)> {
        let of = |planted: &Planted| planted.reached(&fs::read(self.flags(&planted.name)).unwrap_or_default());
        self.planted.iter().map(|planted| (planted.name.as_str(), of(planted))).collect()
    }

    /// Forgets what was reached. Whoever has the flags mapped goes on with them.
    ///
    /// # Errors
    ///
    /// What cannot be written.
    pub fn forget(&self) -> Result<(), ServerError> {
        self.planted.iter().try_for_each(|planted| {
            let path = self.flags(&planted.name);
            // It stays as long as it is: a process that has it mapped would be ended by a signal.
            let file = OpenOptions::new().write(true).open(&path);
            let cleared = file.and_then(|file| file.write_all_at(&vec![0; planted.flags()], 0));
            cleared.map_err(ServerError::file("write", &path))
        })
    }

    fn flags(&self, library: &str) -> PathBuf {
        self.path.join(format!("{library}.flags"))
    }

    /// Writes a file of the server's account, which may be read meanwhile.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
        let new = self.path.join("new");
        fs::write(&new, bytes).map_err(ServerError::file("write", &new))?;
        self.run.account().own(&new)?;
        fs::rename(&new, path).map_err(ServerError::file("rename", path))
    }
}
