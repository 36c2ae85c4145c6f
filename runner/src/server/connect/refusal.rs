//! The server's errors in its own words, all of them. This is the one place where an error of the client library is shown: by
//! itself it says no more than "db error".

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What the client library gives. Nobody else names its error, which becomes a [`Refusal`].
pub(crate) type Answer<T> = Result<T, Error>;

/// An error of the server, or of the connection to it.
#[derive(Debug)]
pub struct Refusal {
    error: Error,
    /// Where the password was from that was shown.
    passfile: Option<PathBuf>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { error, passfile: None }
    }
}

impl Refusal {
    /// The same, after a password from that file.
    pub(super) fn with_passfile(self, passfile: Option<PathBuf>) -> Self {
        Refusal { passfile, ..self }
    }

    /// What the server said.
    pub(crate) fn server(&self) -> Option<&DbError> {
        self.error.as_db_error()
    }

    /// SQLSTATE
    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.error.code()
    }

    /// Whether the connection is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.error.is_closed()
    }

    /// Whether the client library could not read what the server has said, such as names that are not UTF-8. What comes behind it can be.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.error.to_string().starts_with("error parsing response from server")
    }

    /// Whether the connection ended before the server has said anything.
    pub(crate) fn is_cut_off(&self) -> bool {
        let source = self.error.source().and_then(|source| source.downcast_ref::<io::Error>());
        self.error.is_closed() || source.is_some_and(|source| source.kind() == io::ErrorKind::ConnectionReset)
    }

    /// Whether the client library has refused what the server asked for.
    pub(super) fn is_ours(&self) -> bool {
        let reason = self.error.to_string();
        self.server().is_none() && ["authentication", "configuration", "TLS"].iter().any(|part| reason.contains(part))
    }

    /// Why the client library gave up, where the server has said nothing.
    pub(super) fn reason(&self) -> String {
        let mut text = String::new();
        let mut next: Option<&dyn std::error::Error> = self.error.source().or(Some(&self.error));
        while let Some(error) = next {
            let cause = error.to_string();
            if !text.contains(&cause) {
                text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
            }
            next = error.source();
        }
        text
    }
}

/// `FATAL: no such thing (SQLSTATE)`, and below it DETAIL and HINT; without an error of the server, what the system says.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server() {
            Some(said) => {
                write!(f, "{}: {} ({})", said.severity(), said.message(), said.code().code())?;
                for (label, text) in [("DETAIL", said.detail()), ("HINT", said.hint()), ("CONTEXT", said.where_())] {
                    if let Some(text) = text {
                        write!(f, "\n{label}:  {text}")?;
                    }
                }
            }
            None => f.write_str(&self.reason())?,
        }
        match &self.passfile {
            Some(file) if self.code() == Some(&SqlState::INVALID_PASSWORD) => {
                write!(f, "\nDETAIL:  password retrieved from file \"{}\"", file.display())
            }
            _ => Ok(()),
        }
    }
}
