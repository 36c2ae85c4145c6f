//! What a connection string is completed from.

use std::path::PathBuf;

use nix::unistd::{User, geteuid};

/// The value of an environment variable.
type Variable = Box<dyn Fn(&str) -> Option<String>>;

/// The environment of this process, or one that a test makes.
pub(crate) struct Surroundings {
    /// Environment variables.
    pub(super) variable: Variable,
    /// The home directory.
    pub(super) home: Option<PathBuf>,
    /// The system's name of the user.
    pub(super) user: Option<String>,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let user = User::from_uid(geteuid()).ok().flatten();
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Surroundings {
            variable: Box::new(|name| std::env::var(name).ok()),
            // pqGetHomeDirectory
            home: home.or_else(|| user.as_ref().map(|user| user.dir.clone())),
            user: user.map(|user| user.name),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    /// A file of libpq's in the home directory.
    pub(super) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }
}
