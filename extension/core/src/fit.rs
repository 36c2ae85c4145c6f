//! Whether a server is one that a build of the engine is for.
//!
//! The engine goes by structs of the server that are in no interface. What they look like is decided by the sources and by a few
//! options of `configure`; all builds of PostgreSQL's own sources of one major version have the same, whoever has packaged them.
//! Another product made of these sources may have changed any of them, and then only an engine that was built with its headers fits.

/// What tells builds of a server from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// `server_version`: `15.20 (Debian 15.20-0+deb12u1)`.
    pub version: String,
    /// What `version()` shows, where that is known: `PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu, ...`.
    pub banner: Option<String>,
    /// `debug_assertions`: structs and the headers of chunks have more members.
    pub assertions: bool,
    /// `block_size` (bytes), where that is known.
    pub block_size: Option<u32>,
    /// The version of the system catalogs (`CATALOG_VERSION_NO` in catversion.h), where that is known.
    pub catalogs: Option<u32>,
    /// Parameters that the server has and PostgreSQL has not.
    pub foreign: Vec<String>,
}

/// What a library says about itself before the version, behind [`WITH_ASSERTIONS`] or [`WITHOUT_ASSERTIONS`].
pub const BUILT_FOR: &str = "pg_ext_memcheck was built for PostgreSQL";
/// The mark of a library for a server with assertions.
pub const WITH_ASSERTIONS: &str = "+";
/// The mark of one for a server without.
pub const WITHOUT_ASSERTIONS: &str = "-";

/// Who packages PostgreSQL's own sources and says so in the version, as dpkg-vendor(1) or the package is called.
const PACKAGERS: [&str; 9] =
    ["Debian", "Ubuntu", "Raspbian", "Kali", "Devuan", "LinuxMint", "Homebrew", "Postgres.app", "MacPorts"];

/// The versions of the system catalogs that releases have of majors that were tried before they were out. They may change from one
/// pre-release to the next, and structs with them; once a major version is out they stay.
const TRIED: [(&str, u32); 1] = [("19", 202_610_061)];

/// Parameters of other products, with their names.
pub const PRODUCTS: [(&str, &str); 7] = [
    ("edb_redwood_date", "EDB Postgres Advanced Server"),
    ("babelfishpg_tsql.version", "Babelfish"),
    ("gp_role", "Greenplum"),
    ("ivorysql.compatible_mode", "IvorySQL"),
    ("polar_vfs.localfs_mode", "PolarDB"),
    ("neon.pageserver_connstring", "Neon"),
    ("yb_enable_optimizer_statistics", "YugabyteDB"),
];

impl Build {
    /// The server that a library is for, as it says itself; none where it does not.
    pub fn marked(library: &[u8]) -> Option<Self> {
        let mark = BUILT_FOR.as_bytes();
        let mut starts = library.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark);
        starts.find_map(|(at, _)| {
            let rest = &library[at + mark.len()..];
            let rest = std::str::from_utf8(rest.split(|&byte| byte == 0).next()?).ok()?;
            let read = |mark: &str, assertions| {
                let version = rest.strip_prefix(mark)?.strip_prefix(' ')?.to_owned();
                Some(Build { version, banner: None, assertions, block_size: None, catalogs: None, foreign: Vec::new() })
            };
            read(WITH_ASSERTIONS, true).or_else(|| read(WITHOUT_ASSERTIONS, false))
        })
    }

    fn major(&self) -> &str {
        self.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default()
    }

    /// What another product it is.
    fn product(&self) -> Option<String> {
        if let Some(name) = self.foreign.first() {
            let product =
                PRODUCTS.iter().find(|(parameter, _)| parameter == name).map_or("another product", |(_, is)| is);
            return Some(format!("it has the parameter \"{name}\" of {product}"));
        }
        let expected = format!("PostgreSQL {} on ", self.version);
        let other = self.banner.as_ref().filter(|banner| !banner.starts_with(&expected))?;
        Some(format!("it calls itself \"{}\"", other.split(" on ").next().unwrap_or_default()))
    }

    /// What is not PostgreSQL's own about it.
    fn own(&self) -> Option<String> {
        let version = || (!is_plain(&self.version)).then(|| format!("it calls its version \"{}\"", self.version));
        self.product().or_else(version)
    }

    /// Whether both are of the very same build.
    pub fn is_of(&self, other: &Self) -> bool {
        let agree = self.banner.as_ref().zip(other.banner.as_ref()).is_none_or(|(one, other)| one == other);
        self.version == other.version && agree
    }

    fn shown(&self) -> String {
        format!("PostgreSQL {}{}", self.version, if self.assertions { " with assertions" } else { "" })
    }
}

/// A version with a minor number, and nothing behind it but who has packaged it.
fn is_plain(version: &str) -> bool {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let Some(rest) = version[digits(version)..].strip_prefix('.').filter(|rest| digits(rest) > 0) else { return false };
    let rest = &rest[digits(rest)..];
    if rest.is_empty() {
        return true;
    }
    let packager = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')')).and_then(|by| by.split(' ').next());
    packager.is_some_and(|packager| PACKAGERS.contains(&packager))
}

/// A version before the first release: `19devel`, `19beta1`, `19rc1 (Debian 19~rc1-1)`.
fn is_early(version: &str) -> bool {
    let name = version.trim_start_matches(|c: char| c.is_ascii_digit());
    ["devel", "alpha", "beta", "rc"].iter().any(|early| name.starts_with(early))
}

/// Why an engine is not for a server, both named; none where it is, as far as they say.
pub fn misfit(engine: &Build, server: &Build) -> Option<String> {
    let both = |what: &str| {
        let (built, runs) = (engine.shown(), server.shown());
        Some(format!("pg_ext_memcheck was built for {built}, the server is {runs}: {what}"))
    };
    if engine.major() != server.major() {
        return both("another major version");
    }
    if engine.assertions != server.assertions {
        return both("assertions (--enable-cassert) change the headers of chunks and the allocator's tables");
    }
    if let Some((built, runs)) = engine.block_size.zip(server.block_size)
        && built != runs
    {
        return both(&format!("it was built with blocks of {built} bytes, the server has {runs}"));
    }
    if let Some((built, runs)) = engine.catalogs.zip(server.catalogs)
        && built != runs
    {
        return both(&format!(
            "it was built with system catalogs of version {built}, those of the server are of {runs}"
        ));
    }
    if let Some(found) = server.catalogs
        && let Some((_, tried)) = TRIED.iter().find(|(major, tried)| *major == server.major() && *tried != found)
    {
        return both(&format!("system catalogs of version {found} were not tried, only those of {tried}"));
    }
    if engine.is_of(server) {
        return None;
    }
    if server.product().is_none()
        && let Some(early) = [server, engine].into_iter().find(|build| is_early(&build.version))
    {
        let name = early.version.split(' ').next().unwrap_or_default();
        return both(&format!(
            "{name} is not a release, and may have other structs than what comes before or after it"
        ));
    }
    match (server.own(), engine.own()) {
        (Some(own), _) => both(&format!("{own}, and what is not PostgreSQL's own may have other structs")),
        (None, Some(_)) => both("what it was built for is not PostgreSQL's own and may have other structs"),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str) -> Build {
        let banner = Some(format!("PostgreSQL {version} on x86_64-pc-linux-gnu, compiled by gcc, 64-bit"));
        Build {
            version: version.to_owned(),
            banner,
            assertions: false,
            block_size: Some(8192),
            catalogs: Some(202_209_061),
            foreign: Vec::new(),
        }
    }

    fn with(version: &str, change: impl FnOnce(&mut Build)) -> Build {
        let mut build = build(version);
        change(&mut build);
        build
    }

    const DEBIAN: &str = "15.20 (Debian 15.20-0+deb12u1)";

    #[test]
    fn builds_of_postgresql_itself_fit_each_other() {
        let servers = [
            DEBIAN,
            "15.0",
            "15.18",
            "15.3 (Debian 15.3-1.pgdg120+1)",
            "15.4 (Ubuntu 15.4-0ubuntu0.22.04.1)",
            "15.8 (Homebrew)",
            "15.8 (Postgres.app)",
        ];
        for engine in servers {
            for server in servers {
                assert_eq!(misfit(&build(engine), &build(server)), None, "{engine} {server}");
            }
        }
    }

    #[test]
    fn others_do_not_fit() {
        let named = |banner: &str| with("15.4", |server| server.banner = Some(banner.to_owned()));
        let table = [
            (build("16.2"), "another major version"),
            (with(DEBIAN, |server| server.assertions = true), "assertions (--enable-cassert)"),
            (with(DEBIAN, |server| server.block_size = Some(32_768)), "blocks of 8192 bytes, the server has 32768"),
            (build("15.18-assert"), "it calls its version \"15.18-assert\""),
            (build("15.4.1"), "it calls its version \"15.4.1\""),
            (build("15.4.0 (EnterpriseDB Advanced Server 15.4.0)"), "it calls its version"),
            (build("15.3 (IvorySQL 2.3)"), "it calls its version"),
            (build("15.0 - Percona Distribution"), "it calls its version"),
            (build("15.4 (Debianized)"), "it calls its version"),
            (build("15.4 (Debian 15.4-1) patched"), "it calls its version"),
            (build("15.x"), "it calls its version"),
            (build("15beta1"), "15beta1 is not a release"),
            (build("15devel"), "15devel is not a release"),
            (build("15rc1 (Debian 15~rc1-1)"), "15rc1 is not a release"),
            (
                with(DEBIAN, |server| server.catalogs = Some(202_209_062)),
                "catalogs of version 202209061, those of the server are of 202209062",
            ),
            (named("PostgresPro 15.4.1 on x86_64-pc-linux-gnu"), "it calls itself \"PostgresPro 15.4.1\""),
            (
                named("PostgreSQL 15.4 OrioleDB public beta 9 on x86_64"),
                "it calls itself \"PostgreSQL 15.4 OrioleDB public beta 9\"",
            ),
            (named("Babelfish for PostgreSQL with SQL Server Compatibility"), "it calls itself \"Babelfish"),
            (with("15.4", |server| server.foreign = vec!["gp_role".into()]), "the parameter \"gp_role\" of Greenplum"),
        ];
        for (server, expected) in table {
            let found = misfit(&build(DEBIAN), &server).unwrap_or_else(|| panic!("{server:?} fits"));
            assert!(found.contains(expected), "{found}");
            assert!(
                found.contains("was built for PostgreSQL 15.20 (Debian 15.20-0+deb12u1), the server is PostgreSQL 15")
                    || found.contains("the server is PostgreSQL 16"),
                "{found}"
            );
        }
    }

    #[test]
    fn what_was_built_with_the_servers_own_headers_fits() {
        for version in ["15.3 (IvorySQL 2.3)", "15.4.1", "15.18-assert", "18beta1"] {
            assert_eq!(misfit(&build(version), &build(version)), None, "{version}");
            let foreign = with(version, |server| server.foreign = vec!["gp_role".into()]);
            assert_eq!(misfit(&build(version), &foreign), None, "{version}");
        }
        let assertions = with("15.18", |build| build.assertions = true);
        assert_eq!(misfit(&assertions, &assertions), None);
        assert!(misfit(&build("15.3 (IvorySQL 2.3)"), &build(DEBIAN)).is_some());
        let other = with("15.4", |server| server.banner = Some("PostgreSQL 15.4 on another machine".into()));
        assert_eq!(misfit(&build("15.4"), &other), None);
    }

    #[test]
    fn a_library_says_what_it_is_for() {
        let library = |mark: &str| {
            [b"\x7fELF pg_ext_memcheck was built\0", BUILT_FOR.as_bytes(), mark.as_bytes(), b"\0rest"].concat()
        };
        let marked = Build::marked(&library("- 15.20 (Debian 15.20-0+deb12u1)")).expect("a mark");
        assert_eq!((marked.version.as_str(), marked.assertions), (DEBIAN, false));
        assert!(Build::marked(&library("+ 15.18")).expect("a mark").assertions);
        assert_eq!(Build::marked(&library("? 15.18")), None);
        assert_eq!(Build::marked(b"nothing"), None);
    }

    #[test]
    fn a_major_that_is_not_out_has_to_be_the_one_that_was_tried() {
        let early = |version: &str, catalogs| with(version, |build| build.catalogs = Some(catalogs));
        let tried = early("19rc1 (Debian 19~rc1-1)", 202_610_061);
        assert_eq!(misfit(&tried, &tried), None);
        let released = early("19.0", 202_610_061);
        let mut named = early("19rc1", 202_610_061);
        named.banner = Some("PostgresXL 19rc1 on x86_64-pc-linux-gnu".to_owned());
        assert_eq!(misfit(&released, &early("19.1 (Debian 19.1-1)", 202_610_061)), None);
        for (engine, server, expected) in [
            (&tried, &released, "19rc1 is not a release"),
            (&released, &tried, "19rc1 is not a release"),
            (&tried, &named, "it calls itself \"PostgresXL 19rc1\""),
            (
                &early("19beta2", 202_606_011),
                &early("19beta2", 202_606_011),
                "catalogs of version 202606011 were not tried",
            ),
        ] {
            let found = misfit(engine, server).expect("it does not fit");
            assert!(found.contains(expected), "{found}");
        }
    }
}
