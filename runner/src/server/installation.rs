//! An installation of PostgreSQL, as its `pg_config` describes it.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use memcheck_core::fit::Build;

use super::error::ServerError;

/// A version of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgVersion {
    /// As `server_version_num`: 180006.
    pub num: u32,
    /// As `pg_config` writes it: `15.20 (Debian 15.20-0+deb12u1)`.
    pub text: String,
}

impl PgVersion {
    /// The major version: 18.
    pub fn major(&self) -> u32 {
        self.num / 10_000
    }

    /// Reads `PostgreSQL 18.6`, `PostgreSQL 15.20 (Debian 15.20-0+deb12u1)`, `PostgreSQL 19devel`, `PostgreSQL 18beta1`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("PostgreSQL ")?;
        let number = |s: &str| s[..s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len())].parse::<u32>().ok();
        let major = number(text)?;
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        // What follows the major version of a development or beta version is not a minor version.
        let minor = rest.strip_prefix('.').and_then(number).unwrap_or(0);
        (major < 1000 && minor < 10_000).then(|| Self { num: major * 10_000 + minor, text: text.to_owned() })
    }
}

/// An installation of PostgreSQL. Directories are named as `pg_config` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The program that described it.
    pub pg_config: PathBuf,
    /// Its version.
    pub version: PgVersion,
    /// `BINDIR`
    pub bin_dir: PathBuf,
    /// `PKGLIBDIR`, where `$libdir` points: loadable libraries.
    pub pkglib_dir: PathBuf,
    /// `LIBDIR`: libpq.
    pub lib_dir: PathBuf,
    /// `SHAREDIR`; control files and scripts are in its sub-directory `extension`.
    pub share_dir: PathBuf,
    /// `INCLUDEDIR`
    pub include_dir: PathBuf,
    /// `PKGINCLUDEDIR`
    pub pkginclude_dir: PathBuf,
    /// `INCLUDEDIR-SERVER`
    pub include_server_dir: PathBuf,
    /// `DOCDIR`
    pub doc_dir: PathBuf,
    /// `MANDIR`
    pub man_dir: PathBuf,
    /// `LOCALEDIR`
    pub locale_dir: PathBuf,
    /// `PGXS`, the makefile that extensions are built with.
    pub pgxs: PathBuf,
}

impl Installation {
    /// Asks the `pg_config` at `path`.
    pub fn from_pg_config(path: &Path) -> Result<Self, ServerError> {
        let unusable = |reason: String| ServerError::PgConfig { path: path.to_owned(), reason };
        let output = Command::new(path).output().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => unusable("it does not exist".to_owned()),
            _ => ServerError::Spawn { program: path.to_owned(), source },
        })?;
        if !output.status.success() {
            return Err(unusable(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let installation = Self::parse(path, &String::from_utf8_lossy(&output.stdout)).map_err(unusable)?;
        if !installation.bin_dir.join("postgres").is_file() {
            return Err(unusable(format!("there is no server in \"{}\"", installation.bin_dir.display())));
        }
        Ok(installation)
    }

    pub(super) fn parse(pg_config: &Path, output: &str) -> Result<Self, String> {
        let values: HashMap<_, _> = output.lines().filter_map(|line| line.split_once(" = ")).collect();
        let value = |key: &str| values.get(key).copied().ok_or_else(|| format!("it does not report {key}"));
        let directory = |key: &str| value(key).map(PathBuf::from);
        let version = value("VERSION")?;
        Ok(Self {
            pg_config: pg_config.to_owned(),
            version: PgVersion::parse(version).ok_or_else(|| format!("unrecognized version \"{version}\""))?,
            bin_dir: directory("BINDIR")?,
            pkglib_dir: directory("PKGLIBDIR")?,
            lib_dir: directory("LIBDIR")?,
            share_dir: directory("SHAREDIR")?,
            include_dir: directory("INCLUDEDIR")?,
            pkginclude_dir: directory("PKGINCLUDEDIR")?,
            include_server_dir: directory("INCLUDEDIR-SERVER")?,
            doc_dir: directory("DOCDIR")?,
            man_dir: directory("MANDIR")?,
            locale_dir: directory("LOCALEDIR")?,
            pgxs: directory("PGXS")?,
        })
    }

    /// What an engine has to be built for.
    pub fn build(&self) -> Build {
        let header = fs::read_to_string(self.include_server_dir.join("pg_config.h"));
        let assertions = match header {
            Ok(header) => header.lines().any(|line| line.trim_end() == "#define USE_ASSERT_CHECKING 1"),
            // Without the headers what configure was given has to do.
            Err(_) => Command::new(&self.pg_config)
                .arg("--configure")
                .output()
                .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("--enable-cassert")),
        };
        Build {
            version: self.version.text.clone(),
            banner: None,
            assertions,
            block_size: None,
            catalogs: None,
            foreign: Vec::new(),
        }
    }

    /// Every directory that `make install` may write to, with the variable of `pg_config` that names it.
    pub(super) fn directories(&self) -> [(&'static str, &Path); 10] {
        [
            ("BINDIR", &self.bin_dir),
            ("PKGLIBDIR", &self.pkglib_dir),
            ("LIBDIR", &self.lib_dir),
            ("SHAREDIR", &self.share_dir),
            ("INCLUDEDIR", &self.include_dir),
            ("PKGINCLUDEDIR", &self.pkginclude_dir),
            ("INCLUDEDIR-SERVER", &self.include_server_dir),
            ("DOCDIR", &self.doc_dir),
            ("MANDIR", &self.man_dir),
            ("LOCALEDIR", &self.locale_dir),
        ]
    }

    /// Whether extensions can be built for it: some distributions have the headers in a package of their own.
    pub fn can_build_extensions(&self) -> bool {
        self.pgxs.is_file() && self.has_headers()
    }

    /// Whether it has the server's headers, which the engine is built with.
    pub fn has_headers(&self) -> bool {
        self.include_server_dir.join("postgres.h").is_file()
    }

    /// Whether it has an extension or a library of that name.
    pub fn has(&self, name: &str) -> bool {
        self.extension_dir().join(format!("{name}.control")).is_file()
            || self.pkglib_dir.join(format!("{}.so", name.strip_prefix("$libdir/").unwrap_or(name))).is_file()
    }

    /// Where control files and scripts are.
    pub fn extension_dir(&self) -> PathBuf {
        self.share_dir.join("extension")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, num) in [
            ("PostgreSQL 18.6", Some(180_006)),
            ("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)", Some(150_020)),
            ("PostgreSQL 19devel", Some(190_000)),
            ("PostgreSQL 18beta1", Some(180_000)),
            ("PostgreSQL 18rc2", Some(180_000)),
            ("PostgreSQL x", None),
            ("PostgreSQL 99999999.1", None),
            ("18.6", None),
            ("", None),
        ] {
            assert_eq!(PgVersion::parse(text).map(|version| version.num), num, "{text}");
        }
        let debian = PgVersion::parse("PostgreSQL 15.20 (Debian 15.20-0+deb12u1)").expect("valid");
        assert_eq!((debian.major(), debian.text.as_str()), (15, "15.20 (Debian 15.20-0+deb12u1)"));
    }

    const OUTPUT: &str = "\
BINDIR = /usr/lib/postgresql/15/bin
DOCDIR = /usr/share/doc/postgresql-doc-15
HTMLDIR = /usr/share/doc/postgresql-doc-15
INCLUDEDIR = /usr/include/postgresql
PKGINCLUDEDIR = /usr/include/postgresql
INCLUDEDIR-SERVER = /usr/include/postgresql/15/server
LIBDIR = /usr/lib/x86_64-linux-gnu
PKGLIBDIR = /usr/lib/postgresql/15/lib
LOCALEDIR = /usr/share/locale
MANDIR = /usr/share/postgresql/15/man
SHAREDIR = /usr/share/postgresql/15
SYSCONFDIR = /etc/postgresql-common
PGXS = /usr/lib/postgresql/15/lib/pgxs/src/makefiles/pgxs.mk
CONFIGURE =  '--with-extra-version= (Debian)'
VERSION = PostgreSQL 15.20 (Debian)
";

    #[test]
    fn output_of_pg_config() {
        let installation = Installation::parse(Path::new("pg_config"), OUTPUT).expect("valid");
        assert_eq!(installation.version.num, 150_020);
        assert_eq!(installation.extension_dir(), Path::new("/usr/share/postgresql/15/extension"));
        assert_eq!(installation.lib_dir, Path::new("/usr/lib/x86_64-linux-gnu"));

        let without = OUTPUT.replace("PKGLIBDIR", "PKGLIB");
        assert_eq!(Installation::parse(Path::new("pg_config"), &without), Err("it does not report PKGLIBDIR".into()));
        let unknown = OUTPUT.replace("PostgreSQL 15.20", "Postgres");
        let message = "unrecognized version \"Postgres (Debian)\"";
        assert_eq!(Installation::parse(Path::new("pg_config"), &unknown), Err(message.into()));
    }
}
