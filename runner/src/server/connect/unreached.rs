//! Why there is no connection, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::refusal::Refusal;
use super::settings::Settings;
use super::unusable::Unusable;
use crate::hint;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum Unreached {
    /// Nobody listens there, as far as the system knows.
    #[error("{0}")]
    Socket(io::Error),
    /// The server refuses.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// This side does not go on.
    #[error("{}", .0.reason)]
    Local(Unusable),
    /// Nobody answers.
    #[error("there was no answer for {} s", .0.as_secs())]
    Silent(Duration),
    /// It was tried more than once.
    #[error("{}", each(.0))]
    Each(Vec<Attempt>),
}

/// One of several attempts.
#[derive(Debug)]
pub struct Attempt {
    pub(super) place: String,
    pub(super) error: Unreached,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.error)
    }
}

fn each(attempts: &[Attempt]) -> String {
    let lines: String = attempts.iter().map(|attempt| format!("\n{attempt}")).collect();
    format!("{} attempts failed{lines}", attempts.len())
}

impl From<Refusal> for Unreached {
    fn from(refusal: Refusal) -> Self {
        Unreached::Refused(Box::new(refusal))
    }
}

impl From<tokio_postgres::Error> for Unreached {
    fn from(error: tokio_postgres::Error) -> Self {
        Refusal::from(error).into()
    }
}

impl Unreached {
    /// What came of these attempts, of which the last says why there were no more.
    pub(super) fn of(mut attempts: Vec<Attempt>) -> Self {
        match attempts.pop() {
            Some(only) if attempts.is_empty() => only.error,
            Some(last) => {
                attempts.push(last);
                Unreached::Each(attempts)
            }
            None => Unreached::Socket(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// The one by which it is known what to do: of several the one that came as far as the password, or else the last.
    fn telling(&self) -> &Self {
        match self {
            Unreached::Each(attempts) => {
                let errors = || attempts.iter().map(|attempt| attempt.error.telling());
                errors()
                    .find(|error| error.code() == Some(&SqlState::INVALID_PASSWORD))
                    .or(errors().next_back())
                    .unwrap_or(self)
            }
            other => other,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match self.telling() {
            Unreached::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// SQLSTATE of the server's error.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.refusal().and_then(Refusal::code)
    }

    /// Whether a server that is starting or restarting may answer so.
    pub(crate) fn is_transient(&self) -> bool {
        match self.telling() {
            Unreached::Refused(refusal) => refusal.code().map_or(!refusal.is_ours(), |code| {
                *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::CRASH_SHUTDOWN
            }),
            Unreached::Local(_) => false,
            _ => true,
        }
    }

    /// Whether the connection ended before the server has said anything.
    pub(crate) fn is_cut_off(&self) -> bool {
        match self.telling() {
            Unreached::Refused(refusal) => refusal.is_cut_off(),
            Unreached::Socket(error) => error.kind() == io::ErrorKind::ConnectionReset,
            _ => false,
        }
    }

    /// Whether the server says that it will be there soon.
    pub(crate) fn is_starting(&self) -> bool {
        match self.telling() {
            Unreached::Refused(refusal) => refusal
                .code()
                .is_some_and(|code| *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::CRASH_SHUTDOWN),
            _ => false,
        }
    }

    /// Whether nobody answers.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.telling(), Unreached::Silent(_))
    }

    /// Whether it may be otherwise with encryption or without.
    pub(super) fn is_about_encryption(&self) -> bool {
        match self.telling() {
            // Who was let in so is let in the other way, or not at all.
            Unreached::Refused(refusal) => refusal.code().is_some_and(|code| code.code().starts_with("28")),
            Unreached::Local(_) => true,
            _ => false,
        }
    }

    pub(super) fn with_passfile(self, file: Option<&PathBuf>) -> Self {
        match self {
            Unreached::Refused(refusal) => Unreached::Refused(Box::new(refusal.with_passfile(file.cloned()))),
            other => other,
        }
    }

    /// What to do about it, for whoever connects with these settings.
    pub(crate) fn hint(&self, settings: &Settings) -> Option<String> {
        match self.telling() {
            Unreached::Refused(refusal) => match refusal.server() {
                Some(said) => of_server(said, settings),
                None => of_client(&refusal.reason(), settings),
            },
            Unreached::Local(unusable) => unusable.hint.clone(),
            Unreached::Socket(error) => of_system(error, settings),
            Unreached::Silent(_) | Unreached::Each(_) => Some(format!(
                "is it {} that the server listens at, and does no firewall drop what is sent there?",
                settings.place()
            )),
        }
    }
}

/// By SQLSTATE, and by the message where that says more (postinit.c, auth.c, miscinit.c).
fn of_server(said: &DbError, settings: &Settings) -> Option<String> {
    let (role, database) = (hint::identifier(settings.user()), hint::identifier(settings.database()));
    let message = said.message();
    let has = |part: &str| message.contains(part);
    let code = said.code();
    let hint = if said.hint().is_some() {
        return None;
    } else if *code == SqlState::INVALID_PASSWORD {
        "check the password: where one is given in the connection string that counts, then PGPASSWORD, then the file of \
         passfile, PGPASSFILE or ~/.pgpass; if it is right, it may have expired: ALTER ROLE ".to_owned()
            + &format!("{role} VALID UNTIL 'infinity'")
    } else if has("is not permitted to log in") {
        format!("ALTER ROLE {role} LOGIN")
    } else if has("role \"") && has("does not exist") {
        format!("CREATE ROLE {role} LOGIN SUPERUSER, or name another role: user=... or PGUSER")
    } else if has("pg_hba.conf") {
        let line = if has("host \"[local]\"") { "local" } else { "host" };
        let address =
            message.split("host \"").nth(1).and_then(|rest| rest.split('"').next()).filter(|_| line == "host");
        let length = |address: &str| if address.contains(':') { 128 } else { 32 };
        let address = address.map_or(String::new(), |address| format!(" {address}/{}", length(address)));
        let line = format!("{line} all {role}{address} scram-sha-256");
        if has("rejects") {
            format!("a line \"reject\" of its pg_hba.conf fits; put before it: {line}; then SELECT pg_reload_conf()")
        } else {
            format!("add to its pg_hba.conf: {line}; then SELECT pg_reload_conf()")
        }
    } else if has("valid client certificate") || has("client certificate") {
        "name a certificate that it takes, and its key: sslcert=... and sslkey=..., or ~/.postgresql/postgresql.crt and \
         postgresql.key"
            .to_owned()
    } else if has("Peer authentication failed") || has("Ident authentication failed") {
        format!("run this as the user of the system that is called {role}, or connect by TCP: host=localhost")
    } else if has("authentication failed") {
        "the line of its pg_hba.conf that fits asks for what was not shown; its log says which line that is".to_owned()
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        format!("CREATE DATABASE {database}, or name another database: dbname=... or PGDATABASE")
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        if has("for role") {
            format!("ALTER ROLE {role} CONNECTION LIMIT -1, or end some of its sessions")
        } else if has("for database") {
            format!("ALTER DATABASE {database} CONNECTION LIMIT -1, or end some of its sessions")
        } else {
            "end some sessions, or raise max_connections in its postgresql.conf and restart it".to_owned()
        }
    } else if has("is not currently accepting connections") {
        format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true, or name another database: dbname=... or PGDATABASE")
    } else if has("permission denied for database") {
        format!("GRANT CONNECT ON DATABASE {database} TO {role}")
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        "wait until it is through, or look into its log".to_owned()
    } else {
        return None;
    };
    Some(hint)
}

fn of_client(reason: &str, settings: &Settings) -> Option<String> {
    if reason.contains("password missing") {
        let (user, place) = (settings.user(), settings.place());
        return Some(format!(
            "role \"{user}\" needs a password at {place}: set PGPASSWORD, or add a line HOST:PORT:DATABASE:USER:PASSWORD to ~/.pgpass"
        ));
    }
    if reason.contains("unsupported authentication method") {
        return Some("supported are trust, peer, cert, password, md5 and scram-sha-256 in its pg_hba.conf".to_owned());
    }
    if reason.contains("received fatal alert") {
        return Some("it does not take the client's certificate: sslcert and sslkey name another".to_owned());
    }
    reason
        .contains("did not use channel binding")
        .then(|| "it takes SSL and a password by scram-sha-256; or connect with channel_binding=prefer".to_owned())
}

fn of_system(error: &io::Error, settings: &Settings) -> Option<String> {
    let place = settings.place();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Some(format!("is a server running at {place}? Name another place: host=... port=..., or PGHOST and PGPORT"))
        }
        io::ErrorKind::PermissionDenied => {
            Some(format!("its socket at {place} is for others (unix_socket_permissions)"))
        }
        _ if error.to_string().contains("lookup address") => {
            Some(format!("is it the right name of a host? It was looked up for {place}"))
        }
        _ => None,
    }
}
