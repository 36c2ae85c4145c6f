//! Finds installations of PostgreSQL.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::ServerError;
use super::installation::Installation;
use crate::config::{Config, SUPPORTED_MAJORS};
use crate::hint::{self, Need};

impl Installation {
    /// Returns one installation for each of the `wanted` major versions, in their order; with none wanted, the first
    /// installation of any supported version.
    ///
    /// Looked at in this order: `pg_config` of the configuration, the directories of packages, what `cargo pgrx init` has
    /// registered or built, what pgenv, asdf and mise have, servers fetched into the project, `pg_config` in `PATH`.
    pub fn find(wanted: &[u32], config: &Config) -> Result<Vec<Self>, ServerError> {
        // No version at all asks for any.
        let slots: Vec<_> = if wanted.is_empty() { vec![None] } else { wanted.iter().copied().map(Some).collect() };
        let mut rejected = Vec::new();
        let mut found: Vec<Self> = Vec::new();
        for candidate in candidates(config).into_iter().filter(|candidate| candidate.is_file()) {
            if slots.iter().all(|slot| best(&found, *slot).is_some_and(Self::can_build_extensions)) {
                break;
            }
            match Self::from_pg_config(&candidate) {
                Ok(installation) if SUPPORTED_MAJORS.contains(&installation.version.major()) => {
                    found.push(installation)
                }
                Ok(other) => rejected.push(format!("\"{}\" is version {}", candidate.display(), other.version.text)),
                Err(error) => rejected.push(error.to_string()),
            }
        }
        let missing: Vec<_> = slots.iter().copied().filter(|slot| best(&found, *slot).is_none()).collect();
        if !missing.is_empty() {
            return Err(not_found(missing.into_iter().flatten().collect(), rejected, config));
        }
        Ok(slots.into_iter().filter_map(|slot| best(&found, slot).cloned()).collect())
    }
}

/// The first installation of version `major`, or of any; one that extensions cannot be built for only if there is no other.
fn best(found: &[Installation], major: Option<u32>) -> Option<&Installation> {
    let right = || found.iter().filter(|installation| major.is_none_or(|major| installation.version.major() == major));
    right().find(|installation| installation.can_build_extensions()).or_else(|| right().next())
}

/// All places where a `pg_config` may be, the better ones first; most of them are not there.
fn candidates(config: &Config) -> Vec<PathBuf> {
    let mut candidates = config.profile.pg_config.clone();
    candidates.extend(in_layouts(Path::new("/"), std::env::home_dir().as_deref()));
    candidates.extend(SUPPORTED_MAJORS.map(|major| fetched(config, major)));
    if let Some(root) = std::env::var_os("PGENV_ROOT") {
        candidates.extend(versions(Path::new(&root)));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    candidates.extend(std::env::split_paths(&path).map(|directory| directory.join("pg_config")));
    candidates
}

/// Where those who package or build PostgreSQL put it.
fn in_layouts(root: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for major in SUPPORTED_MAJORS {
        // Debian, Ubuntu and PGDG for them; PGDG for RHEL, Fedora and SUSE, and openSUSE's own; Alpine; Gentoo.
        for bin in [
            format!("usr/lib/postgresql/{major}/bin"),
            format!("usr/pgsql-{major}/bin"),
            format!("usr/lib/postgresql{major}/bin"),
            format!("usr/libexec/postgresql{major}"),
            format!("usr/lib64/postgresql-{major}/bin"),
        ] {
            found.push(root.join(bin).join("pg_config"));
        }
        // Homebrew: on Linux, on a Mac with Apple's processor, on one with Intel's.
        for prefix in ["home/linuxbrew/.linuxbrew", "opt/homebrew", "usr/local"] {
            found.push(root.join(format!("{prefix}/opt/postgresql@{major}/bin/pg_config")));
        }
        found.push(root.join(format!("Applications/Postgres.app/Contents/Versions/{major}/bin/pg_config")));
    }
    if let Some(home) = home {
        let text = fs::read_to_string(home.join(".pgrx/config.toml")).unwrap_or_default();
        found.extend(registered_by_pgrx(&text));
        // pgenv: ~/.pgenv/pgsql-16.4; pgrx: ~/.pgrx/16.4/pgrx-install; asdf and mise.
        found.extend(versions(&home.join(".pgenv")));
        found.extend(sorted(&home.join(".pgrx")).map(|version| version.join("pgrx-install/bin/pg_config")));
        for manager in [".asdf/installs/postgres", ".local/share/mise/installs/postgres"] {
            found.extend(sorted(&home.join(manager)).map(|version| version.join("bin/pg_config")));
        }
    }
    // What was made from sources.
    found.push(root.join("usr/local/pgsql/bin/pg_config"));
    found
}

/// The versions that pgenv has built.
fn versions(pgenv: &Path) -> impl Iterator<Item = PathBuf> {
    let is_version = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pgsql-"));
    sorted(pgenv).filter(is_version).map(|version| version.join("bin/pg_config"))
}

/// What is in a directory, the newest version first: `16.10` before `16.9`.
fn sorted(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort_by_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbers = name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
        std::cmp::Reverse(numbers.collect::<Vec<_>>())
    });
    entries.into_iter()
}

fn fetched(config: &Config, major: u32) -> PathBuf {
    config.root.join(format!("target/servers/{major}/bin/pg_config"))
}

/// The `[configs]` of `~/.pgrx/config.toml`: `pg18 = "/path/of/pg_config"`. An unreadable file registers nothing.
fn registered_by_pgrx(text: &str) -> Vec<PathBuf> {
    let Ok(file) = text.parse::<toml::Table>() else { return Vec::new() };
    let configs = file.get("configs").and_then(toml::Value::as_table);
    configs.into_iter().flatten().filter_map(|(_, path)| path.as_str().map(PathBuf::from)).collect()
}

fn not_found(majors: Vec<u32>, rejected: Vec<String>, config: &Config) -> ServerError {
    let any = || hint::native_major().filter(|major| SUPPORTED_MAJORS.contains(major));
    let wanted = match majors.is_empty() {
        true => vec![any().unwrap_or(*SUPPORTED_MAJORS.start())],
        false => majors.clone(),
    };
    let can_fetch = |major: &u32| {
        let lists = ["requirements", "packages"].map(|list| format!("tests/servers/{list}-{major}.txt"));
        lists.iter().any(|list| config.root.join(list).is_file())
    };
    let hint = if wanted.iter().all(can_fetch) {
        hint::fetch_servers(&wanted)
    } else {
        let needs: Vec<Need> = wanted.iter().flat_map(|&major| [Need::Server(major), Need::Headers(major)]).collect();
        format!("{}\nor name another installation's pg_config with --pg-config", hint::install(&needs))
    };
    ServerError::NotFound { majors, rejected, hint }
}

/// The directory with the running executable in it.
pub(super) fn executable_directory() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    executable.parent().filter(|directory| directory.as_os_str() != OsStr::new("")).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_extensions_can_be_built_for_is_best() {
        let headers = tempfile::tempdir().expect("temporary directory");
        for name in ["postgres.h", "pgxs.mk"] {
            fs::write(headers.path().join(name), "").expect("written");
        }
        let installation = |version: &str, complete: bool| {
            let include = if complete { headers.path() } else { Path::new("/nonexistent") }.display();
            let directories =
                ["BINDIR", "PKGLIBDIR", "LIBDIR", "SHAREDIR", "INCLUDEDIR", "PKGINCLUDEDIR", "DOCDIR", "MANDIR"];
            let mut output: String = directories.map(|key| format!("{key} = /x\n")).concat();
            output += &format!("LOCALEDIR = /x\nINCLUDEDIR-SERVER = {include}\nPGXS = {include}/pgxs.mk\n");
            Installation::parse(Path::new("pg_config"), &format!("{output}VERSION = PostgreSQL {version}\n"))
                .expect("valid")
        };
        let all = [
            installation("15.1", false),
            installation("16.1", true),
            installation("15.2", true),
            installation("15.3", true),
        ];
        for (found, major, expected) in [
            (&all[..], None, Some(160_001)),
            (&all[..], Some(15), Some(150_002)),
            (&all[..], Some(17), None),
            (&all[..1], Some(15), Some(150_001)),
            (&all[..1], None, Some(150_001)),
            (&all[..0], None, None),
        ] {
            assert_eq!(best(found, major).map(|i| i.version.num), expected, "{major:?} of {}", found.len());
        }
    }

    #[test]
    fn registrations_of_pgrx() {
        let text = "[configs]\npg15 = \"/a/pg_config\"\npg18 = \"/b/pg_config\"\n";
        assert_eq!(registered_by_pgrx(text), [Path::new("/a/pg_config"), Path::new("/b/pg_config")]);
        for text in ["", "[configs]", "configs = 1", "not toml", "[configs]\npg15 = 15"] {
            assert_eq!(registered_by_pgrx(text), Vec::<PathBuf>::new(), "{text}");
        }
    }

    #[test]
    fn layouts() {
        let top = tempfile::tempdir().expect("temporary directory");
        let home = top.path().join("home/user");
        let places = [
            "usr/lib/postgresql/15/bin",
            "usr/pgsql-16/bin",
            "usr/lib/postgresql17/bin",
            "usr/libexec/postgresql18",
            "usr/lib64/postgresql-18/bin",
            "home/linuxbrew/.linuxbrew/opt/postgresql@16/bin",
            "opt/homebrew/opt/postgresql@17/bin",
            "usr/local/opt/postgresql@18/bin",
            "Applications/Postgres.app/Contents/Versions/17/bin",
            "home/user/.pgenv/pgsql-16.4/bin",
            "home/user/.pgrx/18.1/pgrx-install/bin",
            "home/user/.asdf/installs/postgres/17.2/bin",
            "home/user/.local/share/mise/installs/postgres/15.9/bin",
            "usr/local/pgsql/bin",
        ];
        for place in places {
            let directory = top.path().join(place);
            fs::create_dir_all(&directory).expect("created");
            fs::write(directory.join("pg_config"), "").expect("written");
        }
        for other in ["home/user/.pgenv/src", "home/user/.pgenv/pgsql", "home/user/.pgrx/data-16"] {
            fs::create_dir_all(top.path().join(other).join("bin")).expect("created");
        }
        let found = in_layouts(top.path(), Some(&home));
        for place in places {
            let program = top.path().join(place).join("pg_config");
            assert_eq!(found.iter().filter(|path| **path == program).count(), 1, "{place}");
        }
        let there: Vec<_> = found.iter().filter(|path| path.is_file()).collect();
        assert_eq!(there.len(), places.len(), "{there:?}");
        assert!(in_layouts(&top.path().join("nothing"), None).iter().all(|path| !path.is_file()));
    }

    #[test]
    fn newer_versions_come_first() {
        let top = tempfile::tempdir().expect("temporary directory");
        for name in ["pgsql-16.9", "pgsql-16.10", "pgsql-15.1"] {
            fs::create_dir(top.path().join(name)).expect("created");
        }
        let names = ["pgsql-16.10", "pgsql-16.9", "pgsql-15.1"].map(|name| top.path().join(name).join("bin/pg_config"));
        assert_eq!(versions(top.path()).collect::<Vec<_>>(), names);
        assert_eq!(versions(&top.path().join("nothing")).count(), 0);
    }

    #[test]
    fn what_is_missing_is_named_with_a_way_to_get_it() {
        let root = tempfile::tempdir().expect("temporary directory");
        let config = Config { root: root.path().to_owned(), ..Config::default() };
        let error = not_found(vec![16, 17], vec!["\"/x\" cannot be used: it does not exist".into()], &config);
        assert_eq!(error.to_string(), "PostgreSQL 16, 17 was not found\n  \"/x\" cannot be used: it does not exist");
        let needs = [Need::Server(16), Need::Headers(16), Need::Server(17), Need::Headers(17)];
        let expected = format!("{}\nor name another installation's pg_config with --pg-config", hint::install(&needs));
        assert_eq!(error.hint(), Some(expected));

        fs::create_dir_all(root.path().join("tests/servers")).expect("directory");
        for major in [16, 17] {
            fs::write(root.path().join(format!("tests/servers/requirements-{major}.txt")), "").expect("file");
        }
        let error = not_found(vec![16, 17], vec![], &config);
        assert_eq!(error.hint().as_deref(), Some("cargo run -p xtask -- servers 16 17"));
    }
}
