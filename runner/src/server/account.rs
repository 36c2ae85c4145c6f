//! Who runs the server: the invoking user, or an unprivileged one when that is root, as whom PostgreSQL refuses to run.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getegid, geteuid};

use super::error::ServerError;

/// The account that the server's files belong to and its processes run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The invoking user; for root, `postgres` if it exists and `nobody` otherwise.
    pub fn for_server() -> Result<Self, ServerError> {
        if !geteuid().is_root() {
            let name = User::from_uid(geteuid()).ok().flatten().map_or_else(|| geteuid().to_string(), |user| user.name);
            return Ok(Self { name, uid: geteuid(), gid: getegid() });
        }
        let user = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.filter(|user| !user.uid.is_root()).ok_or(ServerError::NoAccount)?;
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is that user.
    pub(super) fn is(&self, uid: u32) -> bool {
        self.uid.as_raw() == uid
    }

    /// The numeric user and group, when they are not those of this process.
    pub(super) fn switch(&self) -> Option<(u32, u32)> {
        (self.uid != geteuid()).then(|| (self.uid.as_raw(), self.gid.as_raw()))
    }

    /// Gives `path` to the account.
    pub(super) fn own(&self, path: &Path) -> Result<(), ServerError> {
        match self.switch() {
            Some((uid, gid)) => {
                chown(path, Some(uid), Some(gid)).map_err(ServerError::file("change the owner of", path))
            }
            None => Ok(()),
        }
    }

    /// The first directory, from the root down to `path` itself, that the account may not enter. Only permission bits
    /// are looked at: an account that a finer rule lets in is refused, one that such a rule shuts out learns it later.
    pub(super) fn closed_directory(&self, path: &Path) -> Option<PathBuf> {
        self.switch()?;
        let mut directories: Vec<_> = path.ancestors().collect();
        directories.reverse();
        let closed = directories.into_iter().find(|directory| {
            fs::metadata(directory)
                .is_ok_and(|m| !may_enter(m.mode(), m.uid() == self.uid.as_raw(), m.gid() == self.gid.as_raw()))
        });
        closed.map(Path::to_owned)
    }
}

fn may_enter(mode: u32, owner: bool, group: bool) -> bool {
    let execute = match (owner, group) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    mode & execute != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits() {
        for (mode, owner, group, expected) in [
            (0o700, true, false, true),
            (0o700, false, true, false),
            (0o711, false, false, true),
            (0o710, false, true, true),
            (0o710, false, false, false),
            (0o677, true, true, false),
            (0o705, false, true, false),
            (0o754, false, false, false),
        ] {
            assert_eq!(may_enter(mode, owner, group), expected, "{mode:o} {owner} {group}");
        }
    }

    #[test]
    fn the_server_is_never_root() {
        assert!(!Account::for_server().expect("an account").uid.is_root());
    }
}
