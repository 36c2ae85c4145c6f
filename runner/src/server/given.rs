//! A server that somebody else runs: what it is, and whether specs can be run on it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postgres::config::Host;
use postgres::{Client, NoTls};
use tokio_postgres::Config;

use super::connect::{Unreached, within};
use super::engine::ENGINE;
use super::error::ServerError;
use super::options::ServerOptions;
use crate::config::SUPPORTED_MAJORS;

/// The database that databases are made from, where the URI does not name another.
const MAINTENANCE: &str = "postgres";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long it may take until the server has said what it is.
const ANSWERED: Duration = Duration::from_secs(30);

/// A server that somebody else runs, with the engine in it.
#[derive(Debug)]
pub struct GivenServer {
    pub(super) config: Config,
    name: String,
    /// What the names of its databases made by this run begin with.
    pub database_prefix: String,
    preloaded: Vec<String>,
    /// `server_version_num`
    pub version_num: u32,
    /// Its configure options.
    pub configure: String,
    /// Where its control files are.
    pub extension_dir: PathBuf,
}

impl GivenServer {
    /// Connects once and finds out what the server has.
    ///
    /// # Errors
    ///
    /// A URI that is none, no connection, or a server that lacks something: the message says what.
    pub fn connect(uri: &str) -> Result<Self, ServerError> {
        let mut config: Config = uri.parse().map_err(|error: postgres::Error| {
            let reason = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
            unusable(uri, reason, "write postgresql://USER@HOST:PORT/DATABASE or host=... port=...")
        })?;
        if config.get_dbname().is_none() {
            config.dbname(MAINTENANCE);
        }
        config.application_name("mcspec").connect_timeout(CONNECT);
        let name = describe(&config);
        let client = postgres::Config::from(config.clone());
        let asked = within(ANSWERED, move || {
            let mut client = client.connect(NoTls)?;
            Ok(Facts::read(&mut client))
        });
        let read = asked.unwrap_or(Err(Unreached::Silent));
        let read = read.map_err(|source| ServerError::Connect { database: database(&config), source })?;
        let facts = read.map_err(|error| unusable(&name, error.to_string(), ""))?;
        facts.check().map_err(|(reason, hint)| unusable(&name, reason, &hint))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Ok(GivenServer {
            config,
            name,
            database_prefix: format!("mcspec_{}_{now:x}_", std::process::id()),
            preloaded: facts.preloaded,
            version_num: facts.version_num,
            configure: facts.configure,
            extension_dir: facts.extension_dir,
        })
    }

    /// Where it is, without password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails if a library of the options is not preloaded there.
    pub(super) fn check_preload(&self, options: &ServerOptions) -> Result<(), ServerError> {
        let is_missing = |library: &&str| !self.preloaded.iter().any(|preloaded| preloaded == library);
        match options.libraries(None).find(is_missing) {
            None => Ok(()),
            Some(missing) => Err(not_preloaded(&self.name, missing, options)),
        }
    }
}

fn unusable(server: &str, reason: String, hint: &str) -> ServerError {
    ServerError::Given { server: server.to_owned(), reason, hint: (!hint.is_empty()).then(|| hint.to_owned()) }
}

fn not_preloaded(server: &str, library: &str, options: &ServerOptions) -> ServerError {
    let all: Vec<&str> = options.libraries(Some(ENGINE)).collect();
    let hint = format!("set shared_preload_libraries = '{}' in its postgresql.conf and restart it", all.join(", "));
    unusable(server, format!("it does not preload \"{library}\""), &hint)
}

/// The first host and port.
fn describe(config: &Config) -> String {
    let mut text = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    if let Some(port) = config.get_ports().first() {
        // Writing to a string does not fail.
        let _ = write!(text, ":{port}");
    }
    text
}

fn database(config: &Config) -> String {
    config.get_dbname().unwrap_or(MAINTENANCE).to_owned()
}

/// What a server says about itself.
#[derive(Debug, Clone)]
struct Facts {
    version_num: u32,
    superuser: bool,
    preloaded: Vec<String>,
    engine_installed: bool,
    configure: String,
    extension_dir: PathBuf,
}

impl Facts {
    fn read(client: &mut Client) -> Result<Self, postgres::Error> {
        let sql = "SELECT current_setting('server_version_num')::int, current_setting('is_superuser') = 'on',
                          current_setting('shared_preload_libraries', true),
                          EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_ext_memcheck')";
        let row = client.query_one(sql, &[])?;
        let preloaded: Option<String> = row.get(2);
        let superuser: bool = row.get(1);
        let mut pg_config = |name: &str| -> Result<String, postgres::Error> {
            if !superuser {
                return Ok(String::new());
            }
            let sql = "SELECT setting FROM pg_catalog.pg_config WHERE name = $1";
            Ok(client.query_opt(sql, &[&name])?.map(|row| row.get(0)).unwrap_or_default())
        };
        Ok(Facts {
            version_num: row.get::<_, i32>(0).unsigned_abs(),
            superuser,
            preloaded: (preloaded.unwrap_or_default().split(','))
                .map(|library| library.trim().trim_matches('"').rsplit('/').next().unwrap_or_default().to_owned())
                .collect(),
            engine_installed: row.get(3),
            configure: pg_config("CONFIGURE")?,
            extension_dir: PathBuf::from(pg_config("SHAREDIR")?).join("extension"),
        })
    }

    /// What is missing, and what to do about it.
    fn check(&self) -> Result<(), (String, String)> {
        let major = self.version_num / 10_000;
        let (first, last) = (SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
        if !SUPPORTED_MAJORS.contains(&major) {
            return Err((format!("it is PostgreSQL {major}"), format!("supported versions are {first} to {last}")));
        }
        if !self.superuser {
            let hint = "connect as one: specs make databases and extensions";
            return Err(("the user is no superuser".to_owned(), hint.to_owned()));
        }
        if !self.engine_installed {
            let hint = format!("install the files of the engine for PostgreSQL {major} there");
            return Err((format!("it does not have the extension \"{ENGINE}\""), hint));
        }
        if !self.preloaded.iter().any(|library| library == ENGINE) {
            let hint = format!("set shared_preload_libraries = '{ENGINE}' in its postgresql.conf and restart it");
            return Err((format!("it does not preload \"{ENGINE}\""), hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let good = Facts {
            version_num: 180_006,
            superuser: true,
            preloaded: vec!["other".into(), ENGINE.into()],
            engine_installed: true,
            configure: String::new(),
            extension_dir: PathBuf::new(),
        };
        assert_eq!(good.check(), Ok(()));
        let table = [
            (Facts { version_num: 140_009, ..good.clone() }, "it is PostgreSQL 14"),
            (Facts { superuser: false, ..good.clone() }, "the user is no superuser"),
            (Facts { engine_installed: false, ..good.clone() }, "it does not have the extension \"pg_ext_memcheck\""),
            (Facts { preloaded: vec!["other".into()], ..good }, "it does not preload \"pg_ext_memcheck\""),
        ];
        for (facts, reason) in table {
            assert_eq!(facts.check().expect_err("missing").0, reason);
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let config: Config = "postgresql://me:secret@db.example:5433/x".parse().expect("a URI");
        assert_eq!(describe(&config), "db.example:5433");
    }
}
