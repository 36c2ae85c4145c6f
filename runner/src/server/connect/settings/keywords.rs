//! The keywords of a connection string and the variables that stand for them (fe-connect.c, PQconninfoOptions).

use std::fmt;

/// What is done with the value of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// As libpq does.
    Yes,
    /// libpq does nothing with it either, or only where the server asks for GSSAPI.
    Ignored,
    /// Only with one of these values, which ask for nothing that is not done.
    Only(&'static [&'static str]),
}

/// Keyword, environment variable, what is done with it.
pub(super) const KEYWORDS: &[(&str, Option<&str>, Served)] = &[
    ("service", Some("PGSERVICE"), Served::Yes),
    ("servicefile", Some("PGSERVICEFILE"), Served::Yes),
    ("host", Some("PGHOST"), Served::Yes),
    ("hostaddr", Some("PGHOSTADDR"), Served::Yes),
    ("port", Some("PGPORT"), Served::Yes),
    ("dbname", Some("PGDATABASE"), Served::Yes),
    ("user", Some("PGUSER"), Served::Yes),
    ("password", Some("PGPASSWORD"), Served::Yes),
    ("passfile", Some("PGPASSFILE"), Served::Yes),
    ("options", Some("PGOPTIONS"), Served::Yes),
    ("application_name", Some("PGAPPNAME"), Served::Yes),
    ("fallback_application_name", None, Served::Ignored),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Served::Yes),
    ("keepalives", None, Served::Yes),
    ("keepalives_idle", None, Served::Yes),
    ("keepalives_interval", None, Served::Yes),
    ("keepalives_count", None, Served::Yes),
    ("tcp_user_timeout", None, Served::Yes),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Served::Yes),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Served::Yes),
    ("channel_binding", Some("PGCHANNELBINDING"), Served::Yes),
    ("requirepeer", Some("PGREQUIREPEER"), Served::Yes),
    ("sslmode", Some("PGSSLMODE"), Served::Yes),
    ("requiressl", None, Served::Yes),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Served::Yes),
    ("sslcert", Some("PGSSLCERT"), Served::Yes),
    ("sslkey", Some("PGSSLKEY"), Served::Yes),
    ("sslcertmode", Some("PGSSLCERTMODE"), Served::Only(&["allow", "disable"])),
    ("sslrootcert", Some("PGSSLROOTCERT"), Served::Yes),
    ("sslcrl", Some("PGSSLCRL"), Served::Yes),
    ("sslcrldir", Some("PGSSLCRLDIR"), Served::Only(&[])),
    ("sslsni", Some("PGSSLSNI"), Served::Yes),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Served::Yes),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Served::Yes),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Served::Ignored),
    // Of no use without an encrypted key, and one of those is refused by name.
    ("sslpassword", None, Served::Ignored),
    ("sslkeylogfile", None, Served::Only(&[])),
    ("require_auth", Some("PGREQUIREAUTH"), Served::Only(&[])),
    ("scram_client_key", None, Served::Only(&[])),
    ("scram_server_key", None, Served::Only(&[])),
    ("client_encoding", Some("PGCLIENTENCODING"), Served::Only(&["UTF8", "UTF-8", "utf8", "utf-8", "auto"])),
    ("gssencmode", Some("PGGSSENCMODE"), Served::Only(&["disable", "prefer"])),
    ("krbsrvname", Some("PGKRBSRVNAME"), Served::Ignored),
    ("gsslib", Some("PGGSSLIB"), Served::Ignored),
    ("gssdelegation", Some("PGGSSDELEGATION"), Served::Ignored),
    ("min_protocol_version", Some("PGMINPROTOCOLVERSION"), Served::Only(&["3.0"])),
    ("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), Served::Only(&["3.0", "3.2", "latest"])),
    ("replication", None, Served::Only(&["false", "off", "no", "0"])),
    ("oauth_issuer", None, Served::Only(&[])),
    ("oauth_client_id", None, Served::Only(&[])),
    ("oauth_client_secret", None, Served::Only(&[])),
    ("oauth_scope", None, Served::Only(&[])),
];

/// Variables that a session begins with (fe-protocol3.c, EnvironmentOptions), and their parameters.
pub(super) const SESSION: [(&str, &str); 3] = [("PGDATESTYLE", "datestyle"), ("PGTZ", "timezone"), ("PGGEQO", "geqo")];

/// Whether there is such a keyword.
pub(super) fn is_known(keyword: &str) -> bool {
    KEYWORDS.iter().any(|(known, ..)| *known == keyword)
}

/// The value of a keyword, which may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
