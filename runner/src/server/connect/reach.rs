//! Connecting, and reaching the server a second time to cancel what a connection waits for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use super::wire::{Socket, Wire};

/// How long a connection may take until it is usable: a library that hangs while a backend starts, and a postmaster that does not
/// answer, must not hang the run.
const USABLE: Duration = Duration::from_secs(30);

/// How long a cancel request may take.
const CANCELLED: Duration = Duration::from_secs(5);

/// The port of a URI without one.
const PORT: u16 = 5432;

/// What drives a connection.
pub(crate) type Connection = tokio_postgres::Connection<Wire, NoTlsStream>;

/// A connection that was made.
pub(crate) struct Connected {
    /// What requests are made by.
    pub(crate) client: Client,
    /// What sends them and takes the answers.
    pub(crate) connection: Connection,
    /// What cancels them.
    pub(crate) canceller: Canceller,
    /// The state of the transaction, as the server has told it last: `I`, `T` or `E` (protocol.h, ReadyForQuery).
    pub(crate) transaction: Arc<AtomicU8>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum Unreached {
    /// Nobody listens there, as far as the system knows.
    #[error("{0}")]
    Socket(io::Error),
    /// The server refuses.
    #[error(transparent)]
    Refused(#[from] tokio_postgres::Error),
    /// Nobody answers.
    #[error("there was no answer for {} s", USABLE.as_secs())]
    Silent,
}

/// Where one server listens.
#[derive(Debug, Clone)]
enum Address {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Address {
    async fn socket(&self) -> io::Result<Socket> {
        match self {
            Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

/// Connects to the first of the servers that lets us. It takes 30 s at most for each.
///
/// # Errors
///
/// Why the last one did not.
pub(crate) async fn connect(config: &Config) -> Result<Connected, Unreached> {
    let mut failed = Unreached::Socket(io::Error::new(io::ErrorKind::InvalidInput, "the URI names no host"));
    for address in addresses(config) {
        match timeout(USABLE, connect_to(&address, config)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = Unreached::Silent,
        }
    }
    Err(failed)
}

async fn connect_to(address: &Address, config: &Config) -> Result<Connected, Unreached> {
    let socket = address.socket().await.map_err(Unreached::Socket)?;
    let wire = Wire::new(socket);
    let transaction = wire.transaction();
    let (client, connection) = config.connect_raw(wire, NoTls).await?;
    let canceller = Canceller { address: address.clone(), token: client.cancel_token() };
    Ok(Connected { client, connection, canceller, transaction })
}

/// Hosts with their ports, as libpq pairs them.
fn addresses(config: &Config) -> Vec<Address> {
    let ports = config.get_ports();
    let port = |n: usize| ports.get(n).or(ports.first()).copied().unwrap_or(PORT);
    let (hosts, numbers) = (config.get_hosts(), config.get_hostaddrs());
    let address = |n: usize| match (numbers.get(n), hosts.get(n)) {
        (Some(number), _) => Some(Address::Tcp(number.to_string(), port(n))),
        (None, Some(Host::Tcp(host))) => Some(Address::Tcp(host.clone(), port(n))),
        (None, Some(Host::Unix(directory))) => Some(Address::Unix(socket_file(directory, port(n)))),
        (None, None) => None,
    };
    (0..hosts.len().max(numbers.len())).filter_map(address).collect()
}

/// The name of a socket (pqcomm.h, UNIXSOCK_PATH).
fn socket_file(directory: &Path, port: u16) -> PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Asks the server to cancel what a connection is doing.
#[derive(Clone)]
pub(crate) struct Canceller {
    address: Address,
    token: CancelToken,
}

impl Canceller {
    /// Asks, for 5 s at most.
    ///
    /// # Errors
    ///
    /// The server cannot be asked.
    pub(crate) fn cancel(&self) -> io::Result<()> {
        let request = async {
            let socket = self.address.socket().await?;
            self.token.cancel_query_raw(socket, NoTls).await.map_err(io::Error::other)
        };
        runtime()?.block_on(async { timeout(CANCELLED, request).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())) })
    }
}

/// What connections run on: the thread that waits for them.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_their_ports() {
        let table = [
            ("host=/run/a port=5433", "/run/a/.s.PGSQL.5433"),
            ("host=a,b port=1,2", "a:1 b:2"),
            ("host=a,b port=1", "a:1 b:1"),
            ("host=a hostaddr=127.0.0.1", "127.0.0.1:5432"),
            ("user=x", ""),
        ];
        for (config, expected) in table {
            let found = addresses(&config.parse().unwrap()).into_iter().map(|address| match address {
                Address::Unix(path) => path.display().to_string(),
                Address::Tcp(host, port) => format!("{host}:{port}"),
            });
            assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{config}");
        }
    }

    #[test]
    fn nobody_is_waited_for_who_does_not_listen() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new();
        config.host_path(directory.path()).user("x");
        let refused = runtime().unwrap().block_on(connect(&config)).err().unwrap();
        assert!(matches!(refused, Unreached::Socket(_)), "{refused}");
    }
}
