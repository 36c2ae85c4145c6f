//! What a kept entry is made from, as a key.
//!
//! A key has in it all that may make a difference: what has none costs a build, what is forgotten gives a wrong verdict.

use std::fmt::{self, Display};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use walkdir::{DirEntry, WalkDir};

use super::super::error::ServerError;
use super::super::installation::Installation;
use super::super::tree::Treatment;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Key(String);

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Takes in what a key is made of.
#[derive(Clone)]
pub(in super::super) struct Digest(Context);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

/// Variables that are about the session that a run was started in. All others may decide how something is built.
const OF_SESSIONS: [&str; 44] = [
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "TERM",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "LS_COLORS",
    "TMPDIR",
    "MAIL",
    "LOGNAME",
    "HOSTNAME",
    "PAGER",
    "EDITOR",
    "VISUAL",
    "NO_COLOR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "WINDOWID",
    "VTE_VERSION",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "PS1",
    "PROMPT_COMMAND",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "MAKEOVERRIDES",
    "DESTDIR",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGPASSWORD",
    "PGOPTIONS",
    "PGAPPNAME",
    "DBUS_SESSION_BUS_ADDRESS",
    "LESSOPEN",
    "LESSCLOSE",
    "COLORFGBG",
    "STY",
];

/// What the names of others begin with.
const FAMILIES: [&str; 10] =
    ["SSH_", "XDG_", "TERM_", "HIST", "MCSPEC_", "GITHUB_", "RUNNER_", "TMUX", "ITERM_", "CLICOLOR"];

/// Programs that builds are made with.
const TOOLS: [&str; 26] = [
    "cc",
    "gcc",
    "c99",
    "clang",
    "c++",
    "g++",
    "clang++",
    "ld",
    "ar",
    "make",
    "gmake",
    "cmake",
    "meson",
    "ninja",
    "autoconf",
    "automake",
    "libtool",
    "pkg-config",
    "bison",
    "flex",
    "perl",
    "python3",
    "sh",
    "git",
    "cargo",
    "rustc",
];

/// What changes when the system gets another version of anything.
const SYSTEM: [&str; 8] = [
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/lib/apk/db/installed",
    "/var/lib/pacman/local",
    "/usr/local/include",
    "/usr/local/lib",
];

impl Digest {
    /// Takes in a value under a name.
    pub(in super::super) fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    pub(in super::super) fn key(self) -> Key {
        Key(self.0.finish().as_ref()[..20].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Takes in which file is at a path, by what changes when it does; links are followed.
    pub(in super::super) fn file(&mut self, path: &Path) {
        let file = fs::metadata(path);
        let text = file.map_or(String::new(), |f| {
            let (modified, changed) = ((f.mtime(), f.mtime_nsec()), (f.ctime(), f.ctime_nsec()));
            format!("{} {} {} {} {modified:?} {changed:?}", f.dev(), f.ino(), f.mode(), f.len())
        });
        self.add(&path.to_string_lossy(), text.as_bytes());
    }

    /// Takes in the program that is running, and who runs it.
    pub(in super::super) fn mcspec(&mut self) {
        self.add("version", env!("CARGO_PKG_VERSION").as_bytes());
        if let Ok(executable) = std::env::current_exe() {
            self.file(&executable);
        }
        self.add("user", nix::unistd::geteuid().to_string().as_bytes());
    }

    /// Takes in a server.
    pub(in super::super) fn installation(&mut self, installation: &Installation) {
        self.add("installation", format!("{installation:?}").as_bytes());
        let bin = &installation.bin_dir;
        let include = &installation.include_server_dir;
        for file in [
            &installation.pg_config,
            &bin.join("postgres"),
            &bin.join("initdb"),
            &bin.join("pg_config"),
            &installation.pgxs,
            &installation.pgxs.with_file_name("../Makefile.global"),
            &include.join("pg_config.h"),
            &include.join("postgres.h"),
            include,
            &installation.lib_dir.join("libpq.so.5"),
            &installation.pkglib_dir,
            &installation.share_dir,
            &installation.share_dir.join("postgres.bki"),
            &installation.share_dir.join("system_views.sql"),
            &installation.share_dir.join("information_schema.sql"),
        ] {
            self.file(file);
        }
    }

    /// Takes in what decides how something is built besides its sources and the server: variables, programs, packages.
    pub(in super::super) fn surroundings(&mut self) {
        let is_of_session =
            |name: &str| OF_SESSIONS.contains(&name) || FAMILIES.iter().any(|start| name.starts_with(start));
        let mut variables: Vec<_> =
            std::env::vars_os().filter(|(name, _)| !name.to_str().is_some_and(is_of_session)).collect();
        variables.sort();
        for (name, value) in variables {
            self.add(&name.to_string_lossy(), value.as_bytes());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let named = ["CC", "CXX", "LD", "CARGO", "RUSTC"].iter().filter_map(|name| std::env::var(name).ok());
        for tool in TOOLS.iter().map(|tool| (*tool).to_owned()).chain(named) {
            let mut found = std::env::split_paths(&path).map(|directory| directory.join(&tool));
            match found.find(|path| path.is_file()) {
                Some(path) => self.file(&path),
                None => self.add(&tool, b""),
            }
        }
        for file in SYSTEM {
            self.file(Path::new(file));
        }
    }

    /// Takes in all files of a tree: their names, whether they can be executed, and what is in them. Empty directories are none of them.
    pub(in super::super) fn tree(
        &mut self,
        root: &Path,
        mut treatment: impl FnMut(&DirEntry) -> Treatment,
    ) -> Result<(), ServerError> {
        let mut entries = WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            // Links that lead nowhere or back are not copied.
            let Ok(entry) = entry else { continue };
            let is_directory = entry.file_type().is_dir();
            if treatment(&entry) == Treatment::Skip {
                if is_directory {
                    entries.skip_current_dir();
                }
                continue;
            }
            let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
            if entry.file_type().is_file() {
                let text = fs::read(entry.path()).map_err(ServerError::file("read", entry.path()))?;
                let mode = entry.metadata().map_or(0, |file| file.mode()) & 0o111;
                self.add(&format!("file {mode:o}"), path.as_os_str().as_bytes());
                self.add("text", &text);
            }
        }
        Ok(())
    }

    /// Takes in the toolchains of Rust, and the files that decide between them and how cargo works in a directory.
    pub(in super::super) fn rust(&mut self, directory: &Path) {
        let home = std::env::home_dir().unwrap_or_default();
        let of =
            |variable: &str, usual: &str| std::env::var_os(variable).map_or_else(|| home.join(usual), PathBuf::from);
        let (rustup, cargo) = (of("RUSTUP_HOME", ".rustup"), of("CARGO_HOME", ".cargo"));
        self.file(&rustup.join("settings.toml"));
        let mut toolchains: Vec<PathBuf> =
            fs::read_dir(rustup.join("toolchains")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        toolchains.sort();
        for toolchain in toolchains {
            self.file(&toolchain.join("bin/rustc"));
            self.file(&toolchain.join("bin/cargo"));
        }
        for name in ["config.toml", "config"] {
            self.text(&cargo.join(name));
        }
        for above in directory.ancestors() {
            for name in [".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"] {
                self.text(&above.join(name));
            }
        }
    }

    /// Takes in the text of a file that may not be there.
    fn text(&mut self, path: &Path) {
        if let Ok(text) = fs::read(path) {
            self.add(&path.to_string_lossy(), &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use super::*;

    fn of(root: &Path) -> Key {
        let mut digest = Digest::default();
        let treatment = |entry: &DirEntry| match entry.file_name() == "skipped" {
            true => Treatment::Skip,
            false => Treatment::Each,
        };
        digest.tree(root, treatment).expect("read");
        digest.key()
    }

    #[test]
    fn any_change_of_a_tree_is_another_key() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("d")).expect("created");
        fs::write(path("d/a"), "one").expect("written");
        fs::write(path("b"), "").expect("written");
        let before = of(directory.path());
        let time = fs::metadata(path("d/a")).expect("there").modified().expect("known");
        let restore = || {
            fs::write(path("d/a"), "one").expect("written");
        };
        // Even where neither size nor time tell.
        fs::write(path("d/a"), "two").expect("written");
        fs::File::options().write(true).open(path("d/a")).expect("open").set_modified(time).expect("set");
        assert_ne!(of(directory.path()), before);
        restore();
        assert_eq!(of(directory.path()), before);

        fs::rename(path("d/a"), path("d/c")).expect("renamed");
        assert_ne!(of(directory.path()), before);
        fs::rename(path("d/c"), path("d/a")).expect("renamed");
        fs::set_permissions(path("b"), PermissionsExt::from_mode(0o755)).expect("set");
        assert_ne!(of(directory.path()), before);
        fs::set_permissions(path("b"), PermissionsExt::from_mode(0o644)).expect("set");
        // What makes none.
        fs::write(path("skipped"), "x").expect("written");
        fs::File::options().write(true).open(path("b")).expect("open").set_modified(SystemTime::now()).expect("set");
        assert_eq!(of(directory.path()), before);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |parts: &[(&str, &str)]| {
            let mut digest = Digest::default();
            parts.iter().for_each(|(name, value)| digest.add(name, value.as_bytes()));
            digest.key()
        };
        let all = [
            key(&[("a", "bc")]),
            key(&[("ab", "c")]),
            key(&[("a", "b"), ("c", "")]),
            key(&[("a", ""), ("bc", "")]),
            key(&[]),
        ];
        for (number, one) in all.iter().enumerate() {
            assert!(!all[..number].contains(one));
        }
    }
}
