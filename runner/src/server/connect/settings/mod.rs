//! How a server is reached: from a connection string, a service file, the environment and libpq's defaults, in that order
//! (fe-connect.c, conninfo_add_defaults and pqConnectOptions2).

mod keywords;
mod passfile;
mod service;
mod surroundings;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::keywords::Secret;
use self::keywords::{KEYWORDS, SESSION, Served};
use self::passfile::Wanted;
pub(crate) use self::surroundings::Surroundings;
use self::text::Values;
use super::tls::{Files, Mode, Tls};
use super::unusable::Unusable;

/// The port of a string without one.
const PORT: u16 = 5432;

/// The database that databases are made from where none is named: that of createdb and its like.
const MAINTENANCE: &str = "postgres";

/// Where sockets are without a host: as Debian builds libpq, and as it comes.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// How long a connection may take until it is usable: a library that hangs while a backend starts, and a postmaster that does not
/// answer, must not hang the run.
const USABLE: Duration = Duration::from_secs(30);

/// How a server is reached.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where it may be, in order.
    pub(super) places: Vec<Place>,
    pub(super) is_shuffled: bool,
    user: String,
    database: String,
    options: String,
    application_name: String,
    pub(super) tls: Arc<Tls>,
    pub(super) binding: Binding,
    pub(super) wanted: Wants,
    pub(super) peer: Option<String>,
    pub(super) timeout: Duration,
    pub(super) keepalive: Option<Keepalive>,
}

/// Where one server may be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// As it was named: what a certificate has to be for.
    pub(super) host: String,
    pub(super) address: Address,
    pub(super) password: Option<Secret>,
    /// Where the password is from, if not from whoever runs this.
    pub(super) passfile: Option<PathBuf>,
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Unix(PathBuf),
    Tcp(String, u16),
}

/// `channel_binding`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Disable,
    Prefer,
    Require,
}

/// `target_session_attrs`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// When the system looks whether the other side is still there. None of a number is the system's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) idle: Option<u32>,
    pub(super) interval: Option<u32>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<u32>,
}

/// What came of a connection string, and what its owner should know.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Those of a server of this run's own.
    pub(crate) fn own(sockets: &Path, port: u16, user: &str) -> Self {
        let address = Address::Unix(socket_file(sockets, port));
        let host = sockets.display().to_string();
        Settings {
            places: vec![Place { host, address, password: None, passfile: None }],
            is_shuffled: false,
            user: user.to_owned(),
            database: MAINTENANCE.to_owned(),
            options: String::new(),
            application_name: "mcspec".to_owned(),
            tls: Arc::new(Tls::none()),
            binding: Binding::Prefer,
            wanted: Wants::Any,
            peer: None,
            timeout: USABLE,
            keepalive: None,
        }
    }

    /// Reads a connection string and completes it.
    ///
    /// # Errors
    ///
    /// What cannot be read, is not known or cannot be done.
    pub(crate) fn read(text: &str, around: &Surroundings) -> Result<Resolved, Unusable> {
        let mut values = text::read(text)?;
        service::complete(&mut values, around)?;
        from_environment(&mut values, around);
        check(&values)?;
        Resolver { values, around, warnings: Vec::new() }.resolve()
    }

    /// The same server by another database, with these options of the server's command line behind those that there are.
    pub(crate) fn of(&self, database: &str, options: &str) -> Self {
        let options = [self.options.as_str(), options].join(" ").trim().to_owned();
        Settings { database: database.to_owned(), options, ..self.clone() }
    }

    /// What a session calls itself.
    pub(crate) fn named(self, application_name: impl Into<String>) -> Self {
        Settings { application_name: application_name.into(), ..self }
    }

    /// The database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The role.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The first place.
    pub(crate) fn place(&self) -> String {
        self.places.first().map_or(String::new(), Place::shown)
    }

    /// What the client library is told, but for where that is.
    pub(super) fn startup(&self, place: &Place) -> tokio_postgres::Config {
        use tokio_postgres::config::ChannelBinding;
        let mut config = tokio_postgres::Config::new();
        config.user(&self.user).dbname(&self.database).application_name(&self.application_name);
        if !self.options.is_empty() {
            config.options(&self.options);
        }
        if let Some(Secret(password)) = &place.password {
            config.password(password);
        }
        config.channel_binding(match self.binding {
            Binding::Disable => ChannelBinding::Disable,
            Binding::Prefer => ChannelBinding::Prefer,
            Binding::Require => ChannelBinding::Require,
        });
        config
    }
}

impl Place {
    /// `HOST:PORT`, or the directory of a socket with the port.
    pub(super) fn shown(&self) -> String {
        match &self.address {
            Address::Tcp(_, port) => format!("{}:{port}", self.host),
            Address::Unix(file) => {
                let port = file.extension().unwrap_or_default().to_string_lossy();
                format!("{}:{port}", self.host)
            }
        }
    }
}

/// The name of a socket (pqcomm.h, UNIXSOCK_PATH).
fn socket_file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

fn from_environment(values: &mut Values, around: &Surroundings) {
    for (keyword, variable, _) in KEYWORDS {
        if let Some(value) = variable.filter(|_| !values.contains_key(*keyword)).and_then(|name| around.get(name)) {
            values.insert((*keyword).to_owned(), value);
        }
    }
    if around.get("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        values.entry("sslmode".to_owned()).or_insert_with(|| "require".to_owned());
    }
}

/// Fails for a value that asks for what is not done.
fn check(values: &Values) -> Result<(), Unusable> {
    for (keyword, variable, served) in KEYWORDS {
        let Some(value) = values.get(*keyword).filter(|value| !value.is_empty()) else { continue };
        let Served::Only(those) = served else { continue };
        if those.contains(&value.as_str()) {
            continue;
        }
        let named = variable.map_or(String::new(), |variable| format!(" ({variable})"));
        let (reason, hint) = match those {
            [] => (format!("connection option \"{keyword}\"{named} is not supported"), "leave it out".to_owned()),
            those => (
                format!("\"{value}\" of connection option \"{keyword}\"{named} is not supported"),
                format!("supported: {}", those.join(", ")),
            ),
        };
        return Err(Unusable::new(reason).hint(hint));
    }
    Ok(())
}

struct Resolver<'a> {
    values: Values,
    around: &'a Surroundings,
    warnings: Vec<String>,
}

impl Resolver<'_> {
    fn get(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn path(&self, keyword: &str) -> Option<PathBuf> {
        self.get(keyword).map(PathBuf::from)
    }

    /// The value of a keyword with a few words.
    fn word<T: Copy>(&self, keyword: &str, words: &[(&str, T)]) -> Result<T, Unusable> {
        let value = self.get(keyword).unwrap_or(words[0].0);
        words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Unusable::new(format!("invalid {keyword} value: \"{value}\""))
                .hint(format!("it is one of {}", words.join(", ")))
        })
    }

    /// The value of a keyword with a number; none where it is left to the system.
    fn number(&self, keyword: &str) -> Result<Option<u32>, Unusable> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let number: Option<i32> = value.trim().parse().ok();
        let number = number.ok_or_else(|| {
            Unusable::new(format!("invalid integer value \"{value}\" for connection option \"{keyword}\""))
        })?;
        Ok(u32::try_from(number).ok().filter(|&number| number > 0))
    }

    fn resolve(mut self) -> Result<Resolved, Unusable> {
        let user = self.get("user").map(str::to_owned).or_else(|| self.around.user.clone()).ok_or_else(|| {
            Unusable::new("the user of this process has no name").hint("name a role: user=... or PGUSER")
        })?;
        let database = self.get("dbname").unwrap_or(MAINTENANCE).to_owned();
        let places = self.places(&user, &database)?;
        let tls = Arc::new(self.tls(&places)?);
        let seconds = self.number("connect_timeout")?.map(|seconds| Duration::from_secs(seconds.into()));
        let settings = Settings {
            places,
            is_shuffled: self.word("load_balance_hosts", &[("disable", false), ("random", true)])?,
            user,
            database,
            options: self.options(),
            application_name: self.get("application_name").unwrap_or("mcspec").to_owned(),
            tls,
            binding: self.word(
                "channel_binding",
                &[("prefer", Binding::Prefer), ("disable", Binding::Disable), ("require", Binding::Require)],
            )?,
            wanted: self.word(
                "target_session_attrs",
                &[
                    ("any", Wants::Any),
                    ("read-write", Wants::ReadWrite),
                    ("read-only", Wants::ReadOnly),
                    ("primary", Wants::Primary),
                    ("standby", Wants::Standby),
                    ("prefer-standby", Wants::PreferStandby),
                ],
            )?,
            peer: self.get("requirepeer").map(str::to_owned),
            timeout: seconds.unwrap_or(USABLE),
            keepalive: self.keepalive()?,
        };
        Ok(Resolved { settings, warnings: self.warnings })
    }

    /// Those given, and what a session begins with in any client of libpq's (fe-protocol3.c, build_startup_packet).
    fn options(&self) -> String {
        let session = SESSION.iter().filter_map(|(variable, parameter)| {
            let value = self.around.get(variable).filter(|value| !value.eq_ignore_ascii_case("default"))?;
            // pg_split_opts takes a backslash for what keeps the next character.
            let value: String =
                value.chars().flat_map(|c| ["\\".repeat(usize::from(c == ' ' || c == '\\')), c.into()]).collect();
            Some(format!("-c {parameter}={value}"))
        });
        session.chain(self.get("options").map(str::to_owned)).collect::<Vec<_>>().join(" ")
    }

    fn keepalive(&self) -> Result<Option<Keepalive>, Unusable> {
        let keepalive = Keepalive {
            idle: self.number("keepalives_idle")?,
            interval: self.number("keepalives_interval")?,
            count: self.number("keepalives_count")?,
            user_timeout: self.number("tcp_user_timeout")?,
        };
        // useKeepalives
        let is_off = self.get("keepalives").is_some() && self.number("keepalives")?.is_none();
        Ok((!is_off).then_some(keepalive))
    }

    /// Hosts with their ports and passwords.
    fn places(&mut self, user: &str, database: &str) -> Result<Vec<Place>, Unusable> {
        let list = |keyword: &str| -> Vec<String> {
            self.get(keyword).map_or(Vec::new(), |list| list.split(',').map(str::to_owned).collect())
        };
        let (hosts, numbers, ports) = (list("host"), list("hostaddr"), list("port"));
        let count = if numbers.is_empty() { hosts.len().max(1) } else { numbers.len() };
        if !hosts.is_empty() && hosts.len() != count {
            let reason = format!("could not match {} host names to {count} hostaddr values", hosts.len());
            return Err(Unusable::new(reason));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(Unusable::new(format!("could not match {} port numbers to {count} hosts", ports.len())));
        }
        let port = |n: usize| match ports.get(n).or(ports.first()).map(|port| port.trim()) {
            None | Some("") => Ok(PORT),
            Some(port) => port.parse().ok().filter(|&port| port > 0).ok_or_else(|| {
                Unusable::new(format!("invalid port number: \"{port}\"")).hint("a port is a number from 1 to 65535")
            }),
        };
        let mut places = Vec::new();
        for n in 0..count {
            let [host, number] = [&hosts, &numbers].map(|list| list.get(n).map_or("", String::as_str));
            let port = port(n)?;
            let (host, address) = match (host, number) {
                ("", "") => {
                    let directory =
                        SOCKETS.iter().find(|directory| Path::new(directory).is_dir()).unwrap_or(&SOCKETS[1]);
                    ((*directory).to_owned(), Address::Unix(socket_file(Path::new(directory), port)))
                }
                // is_unixsock_path: a file or an abstract one.
                (host, "") if host.starts_with('/') => {
                    (host.to_owned(), Address::Unix(socket_file(Path::new(host), port)))
                }
                (host, "") if host.starts_with('@') => {
                    let file = socket_file(Path::new(host), port).display().to_string().replacen('@', "\0", 1);
                    (host.to_owned(), Address::Unix(file.into()))
                }
                (host, "") => (host.to_owned(), Address::Tcp(host.to_owned(), port)),
                (host, number) => {
                    if number.parse::<std::net::IpAddr>().is_err() {
                        return Err(Unusable::new(format!("could not parse network address \"{number}\""))
                            .hint("hostaddr takes a numeric address; a name goes to host"));
                    }
                    (if host.is_empty() { number } else { host }.to_owned(), Address::Tcp(number.to_owned(), port))
                }
            };
            places.push(Place { host, address, password: None, passfile: None });
        }
        self.passwords(&mut places, user, database);
        Ok(places)
    }

    fn passwords(&mut self, places: &mut [Place], user: &str, database: &str) {
        if let Some(password) = self.get("password").map(str::to_owned) {
            places.iter_mut().for_each(|place| place.password = Some(Secret(password.clone())));
            return;
        }
        let Some(file) = self.path("passfile").or_else(|| self.around.at_home(".pgpass")) else { return };
        let text = match passfile::read(&file) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(warning) => return self.warnings.push(warning),
        };
        for place in places {
            let port = match &place.address {
                Address::Tcp(_, port) => *port,
                Address::Unix(path) => path.extension().and_then(|port| port.to_str()?.parse().ok()).unwrap_or(PORT),
            };
            // The directory that is the default goes by the name of localhost.
            let host = if SOCKETS.contains(&place.host.as_str()) { "localhost" } else { &place.host };
            let password = passfile::password(&text, &Wanted { host, port, database, user });
            place.passfile = password.is_some().then(|| file.clone());
            place.password = password.map(Secret);
        }
    }

    /// TLS, which sockets of the system do not have.
    fn tls(&self, places: &[Place]) -> Result<Tls, Unusable> {
        let root = self.path("sslrootcert");
        let is_system = root.as_deref() == Some(Path::new("system"));
        let modes = [
            ("prefer", Mode::Prefer),
            ("disable", Mode::Disable),
            ("allow", Mode::Allow),
            ("require", Mode::Require),
            ("verify-ca", Mode::VerifyCa),
            ("verify-full", Mode::VerifyFull),
        ];
        let mode = match self.get("sslmode") {
            None if is_system => Mode::VerifyFull,
            _ => self.word("sslmode", &modes)?,
        };
        let given = modes.iter().find(|(_, known)| *known == mode).map_or("", |(word, _)| word);
        let weak = |with: &str, strong: &str| {
            Err(Unusable::new(format!("weak sslmode \"{given}\" may not be used with {with} (use {strong})")))
        };
        if is_system && mode != Mode::VerifyFull {
            return weak("sslrootcert=system", "\"verify-full\"");
        }
        let is_direct = self.word("sslnegotiation", &[("postgres", false), ("direct", true)])?;
        if is_direct && mode < Mode::Require {
            return weak("sslnegotiation=direct", "\"require\", \"verify-ca\", or \"verify-full\"");
        }
        let versions =
            [("", None), ("TLSv1", Some(1)), ("TLSv1.1", Some(1)), ("TLSv1.2", Some(2)), ("TLSv1.3", Some(3))];
        let (least, most) =
            (self.word("ssl_min_protocol_version", &versions)?, self.word("ssl_max_protocol_version", &versions)?);
        if places.iter().all(|place| matches!(place.address, Address::Unix(_))) {
            return Ok(Tls::none());
        }
        let files = Files {
            root: root.or_else(|| self.around.at_home(".postgresql/root.crt")),
            revoked: self
                .path("sslcrl")
                .or_else(|| self.around.at_home(".postgresql/root.crl").filter(|file| file.exists())),
            certificate: self.path("sslcert").or_else(|| self.around.at_home(".postgresql/postgresql.crt")),
            key: self.path("sslkey").or_else(|| self.around.at_home(".postgresql/postgresql.key")),
        };
        let files =
            if self.get("sslcertmode") == Some("disable") { Files { certificate: None, ..files } } else { files };
        let has_server_name = self.word("sslsni", &[("1", true), ("0", false)])?;
        Ok(Tls::new(mode, is_direct, has_server_name, least.unwrap_or(2)..=most.unwrap_or(3), &files))
    }
}

#[cfg(test)]
mod tests;
