//! A server that somebody else runs: what it is, and whether specs can be run on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::Client;

use super::connect::{Answer, Settings, Surroundings, Unusable, ask};
use super::engine::ENGINE;
use super::error::ServerError;
use super::options::ServerOptions;
use super::process::ONCE_MORE;
use crate::config::SUPPORTED_MAJORS;
use crate::hint;

/// How long it may take until the server has said what it is.
const ANSWERED: Duration = Duration::from_secs(60);

/// A server that somebody else runs, with the engine in it.
#[derive(Debug)]
pub struct GivenServer {
    pub(super) settings: Settings,
    name: String,
    /// What whoever gave it should know.
    pub warnings: Vec<String>,
    /// What the names of its databases made by this run begin with.
    pub database_prefix: String,
    preloaded: Vec<String>,
    /// Whether it has been waited for in vain.
    pub(super) gone: Arc<AtomicBool>,
    /// `server_version_num`
    pub version_num: u32,
    /// Its configure options.
    pub configure: String,
    /// Where its control files are.
    pub extension_dir: PathBuf,
}

impl GivenServer {
    /// Connects once and finds out what the server has. What the connection string does not say is taken from a service file and
    /// the environment, as libpq does.
    ///
    /// # Errors
    ///
    /// A string that is none, no connection, or a server that lacks something: the message says what.
    pub fn connect(text: &str) -> Result<Self, ServerError> {
        let resolved = Settings::read(text, &Surroundings::of_process());
        let resolved = resolved.map_err(|Unusable { reason, hint }| ServerError::Settings { reason, hint })?;
        let settings = resolved.settings;
        let read = ask(&settings, ANSWERED, async |client| Facts::read(client).await);
        let facts = read.map_err(|source| ServerError::unreached(&settings, source))?;
        let name = settings.place();
        facts.check(settings.user()).map_err(|(reason, hint)| unusable(&name, reason, &hint))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Ok(GivenServer {
            settings,
            name,
            warnings: resolved.warnings,
            database_prefix: format!("mcspec_{}_{now:x}_", std::process::id()),
            preloaded: facts.preloaded,
            gone: Arc::default(),
            version_num: facts.version_num,
            configure: facts.configure,
            extension_dir: facts.extension_dir,
        })
    }

    /// Where it is, without password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails if it has been waited for in vain and is not back.
    pub(super) fn check_is_back(&self) -> Result<(), ServerError> {
        if self.gone.load(Ordering::Relaxed) {
            ask(&self.settings, ONCE_MORE, async |client| client.batch_execute("SELECT 1").await)
                .map_err(|source| ServerError::unreached(&self.settings, source))?;
            self.gone.store(false, Ordering::Relaxed);
        }
        Ok(())
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

/// What a server says about itself.
#[derive(Debug, Clone)]
struct Facts {
    version_num: u32,
    superuser: bool,
    standby: bool,
    preloaded: Vec<String>,
    /// The version that CREATE EXTENSION would make of the engine's extension.
    engine: Option<String>,
    configure: String,
    extension_dir: PathBuf,
}

impl Facts {
    async fn read(client: &Client) -> Answer<Self> {
        let sql = "SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('is_superuser') = 'on',
                          pg_catalog.pg_is_in_recovery(),
                          (SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = 'pg_ext_memcheck')";
        let row = client.query_one(sql, &[]).await?;
        let mut facts = Facts {
            version_num: row.get::<_, i32>(0).unsigned_abs(),
            superuser: row.get(1),
            standby: row.get(2),
            preloaded: Vec::new(),
            engine: row.get(3),
            configure: String::new(),
            extension_dir: PathBuf::new(),
        };
        // Others may not read the rest.
        if facts.superuser {
            let sql = "SELECT pg_catalog.current_setting('shared_preload_libraries'),
                              (SELECT setting FROM pg_catalog.pg_config WHERE name = 'CONFIGURE'),
                              (SELECT setting FROM pg_catalog.pg_config WHERE name = 'SHAREDIR')";
            let row = client.query_one(sql, &[]).await?;
            let libraries: String = row.get(0);
            let libraries = libraries.split(',').map(|library| library.trim().trim_matches('"'));
            facts.preloaded =
                libraries.map(|library| library.rsplit('/').next().unwrap_or_default().to_owned()).collect();
            facts.configure = row.get::<_, Option<String>>(1).unwrap_or_default();
            facts.extension_dir = PathBuf::from(row.get::<_, Option<String>>(2).unwrap_or_default()).join("extension");
        }
        Ok(facts)
    }

    /// What is missing, and what to do about it.
    fn check(&self, user: &str) -> Result<(), (String, String)> {
        let major = self.version_num / 10_000;
        let (first, last) = (SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
        if !SUPPORTED_MAJORS.contains(&major) {
            return Err((format!("it is PostgreSQL {major}"), format!("supported versions are {first} to {last}")));
        }
        if !self.superuser {
            let hint = format!(
                "specs make databases and extensions: connect as a superuser, or ALTER ROLE {} SUPERUSER",
                hint::identifier(user)
            );
            return Err((format!("the role \"{user}\" is no superuser"), hint));
        }
        if self.standby {
            let hint =
                "connect to its primary (with target_session_attrs=primary, of several hosts), or SELECT pg_promote()";
            return Err(("it is a standby, on which no database can be made".to_owned(), hint.to_owned()));
        }
        let install = format!(
            "install the files of its engine there, which \"mcspec engine list\" names, or \"{}\" builds: \
             the library in pg_config --pkglibdir, the others in the directory \"extension\" of pg_config --sharedir",
            hint::mcspec(&["engine", "build", "--pg", &major.to_string()])
        );
        let Some(engine) = &self.engine else {
            return Err((format!("it does not have the extension \"{ENGINE}\""), install));
        };
        if engine != release() {
            return Err((format!("its \"{ENGINE}\" is of release {engine}, this is mcspec {}", release()), install));
        }
        if !self.preloaded.iter().any(|library| library == ENGINE) {
            let hint = format!("set shared_preload_libraries = '{ENGINE}' in its postgresql.conf and restart it");
            return Err((format!("it does not preload \"{ENGINE}\""), hint));
        }
        Ok(())
    }
}

/// The version of the engine's extension that goes with this runner: major and minor.
fn release() -> &'static str {
    let version = env!("CARGO_PKG_VERSION");
    version.rsplit_once('.').map_or(version, |(release, _)| release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let good = Facts {
            version_num: 180_006,
            superuser: true,
            standby: false,
            preloaded: vec!["other".into(), ENGINE.into()],
            engine: Some(release().to_owned()),
            configure: String::new(),
            extension_dir: PathBuf::new(),
        };
        assert_eq!(good.check("me"), Ok(()));
        let table = [
            (Facts { version_num: 140_009, ..good.clone() }, "it is PostgreSQL 14".to_owned()),
            (Facts { superuser: false, ..good.clone() }, "the role \"me\" is no superuser".to_owned()),
            (Facts { standby: true, ..good.clone() }, "it is a standby, on which no database can be made".to_owned()),
            (Facts { engine: None, ..good.clone() }, "it does not have the extension \"pg_ext_memcheck\"".to_owned()),
            (
                Facts { engine: Some("0.9".into()), ..good.clone() },
                format!("its \"pg_ext_memcheck\" is of release 0.9, this is mcspec {}", release()),
            ),
            (Facts { preloaded: vec!["other".into()], ..good }, "it does not preload \"pg_ext_memcheck\"".to_owned()),
        ];
        for (facts, reason) in table {
            assert_eq!(facts.check("me").expect_err("missing").0, reason);
        }
    }

    #[test]
    fn the_engine_is_of_the_runners_release() {
        let control = include_str!("../../../extension/pg_ext_memcheck.control");
        assert!(control.contains(&format!("default_version = '{}'", release())), "{control}");
    }
}
