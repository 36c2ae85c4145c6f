//! Connecting, and reaching the server a second time to cancel what a connection waits for.

use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::BuildHasher;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::Poll;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Uid, User};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Config, SimpleQueryMessage};

use super::copy::Supply;
use super::settings::{Address, Keepalive, Place, Settings, Wants};
use super::tls::{Bind, Bound, Mode, Negotiated, Tls};
use super::unreached::{Attempt, Unreached};
use super::unusable::Unusable;
use super::wire::{Socket, Wire};

/// How long a cancel request may take.
const CANCELLED: Duration = Duration::from_secs(5);

/// What drives a connection.
pub(crate) type Connection = tokio_postgres::Connection<Wire, Bound<Wire>>;

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
    /// What its COPY from standard input is given.
    pub(crate) supply: Supply,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    /// Or not, where the server does not do it.
    Preferred,
    Encrypted,
}

/// A socket, and what a password is bound to where it is encrypted.
type Opened = (Socket, Option<Option<Vec<u8>>>);

/// Connects to the first place that lets us, as libpq goes through them (fe-connect.c, PQconnectPoll): a server that refuses has
/// the last word, unless it cannot take connections now. One that does not have the database may be a standby that is behind, where
/// something else is wanted: the next one is asked then, which libpq does not do, whose databases are seldom as new.
///
/// # Errors
///
/// Why none does.
pub(crate) async fn connect(settings: &Settings) -> Result<Connected, Unreached> {
    let mut places: Vec<&Place> = settings.places.iter().collect();
    if settings.is_shuffled {
        // The hasher's keys differ each time.
        let random = RandomState::new();
        places.sort_by_cached_key(|place| random.hash_one(place.shown()));
    }
    let passes: &[Wants] = match settings.wanted {
        Wants::PreferStandby => &[Wants::Standby, Wants::Any],
        ref one => std::slice::from_ref(one),
    };
    let mut attempts = Vec::new();
    for &wanted in passes {
        for place in &places {
            let connected = async { fitting(connect_to(place, settings).await?, wanted).await };
            let error = match timeout(settings.timeout, connected).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => error,
                Err(_) => Unreached::Silent(settings.timeout),
            };
            let may_be_behind = |code: &SqlState| *code == SqlState::INVALID_CATALOG_NAME && wanted != Wants::Any;
            let is_final =
                error.code().is_some_and(|code| *code != SqlState::CANNOT_CONNECT_NOW && !may_be_behind(code));
            attempts.push(Attempt { place: place.shown(), error });
            if is_final {
                return Err(Unreached::of(attempts));
            }
        }
    }
    Err(Unreached::of(attempts))
}

/// Connects to a place, encrypted or not; a second time the other way where either will do.
async fn connect_to(place: &Place, settings: &Settings) -> Result<Connected, Unreached> {
    let (way, other) = match (&place.address, settings.tls.mode) {
        (Address::Unix(_), _) | (_, Mode::Disable) => (Way::Plain, None),
        (_, Mode::Allow) => (Way::Plain, Some(Way::Encrypted)),
        (_, Mode::Prefer) => (Way::Preferred, Some(Way::Plain)),
        _ => (Way::Encrypted, None),
    };
    let error = match connect_by(place, way, settings).await {
        Ok(connected) => return Ok(connected),
        Err(error) => error,
    };
    let Some(other) = other.filter(|_| error.is_about_encryption()) else { return Err(error) };
    match connect_by(place, other, settings).await {
        Ok(connected) => Ok(connected),
        // That it does not do TLS says less than why it refuses without.
        Err(Unreached::Local(_)) if other == Way::Encrypted => Err(error),
        Err(second) => {
            let shown =
                |way: Way| format!("{}, {}", place.shown(), if way == Way::Plain { "no encryption" } else { "SSL" });
            let attempt = |way, error| Attempt { place: shown(way), error };
            Err(Unreached::of(vec![attempt(way, error), attempt(other, second)]))
        }
    }
}

async fn connect_by(place: &Place, way: Way, settings: &Settings) -> Result<Connected, Unreached> {
    let (socket, end_point) = open(place, way, settings).await?;
    let wire = Wire::new(socket);
    let (transaction, supply) = (wire.transaction(), wire.supply());
    let mut config = settings.startup(place);
    encrypted(&mut config, end_point.is_some());
    let is_encrypted = end_point.is_some();
    let made = config.connect_raw(wire, Bind(end_point.flatten())).await;
    let (client, connection) = made.map_err(|error| Unreached::from(error).with_passfile(place.passfile.as_ref()))?;
    let way = if is_encrypted { Way::Encrypted } else { Way::Plain };
    let canceller = Canceller {
        place: place.clone(),
        way,
        tls: Arc::clone(&settings.tls),
        keepalive: settings.keepalive,
        token: client.cancel_token(),
    };
    Ok(Connected { client, connection, canceller, transaction, supply })
}

/// Tells the client library that a stream is encrypted, so that it does nothing about that but bind the password to it.
fn encrypted(config: &mut Config, is_encrypted: bool) {
    if is_encrypted {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
}

async fn open(place: &Place, way: Way, settings: &Settings) -> Result<Opened, Unreached> {
    let opened = socket(place, way, &settings.tls, settings.keepalive).await?;
    if let (Socket::Unix(stream), Some(wanted)) = (&opened.0, &settings.peer) {
        let peer = stream.peer_cred().map_err(Unreached::Socket)?.uid();
        let name = User::from_uid(Uid::from_raw(peer)).ok().flatten().map_or(peer.to_string(), |user| user.name);
        if name != *wanted {
            let reason = format!("requirepeer specifies \"{wanted}\", but actual peer user name is \"{name}\"");
            return Err(Unreached::Local(Unusable { reason, hint: None }));
        }
    }
    Ok(opened)
}

async fn socket(place: &Place, way: Way, tls: &Tls, keepalive: Option<Keepalive>) -> Result<Opened, Unreached> {
    let (host, port) = match &place.address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(Unreached::Socket)?;
            return Ok((Socket::Unix(stream), None));
        }
        Address::Tcp(host, port) => (host.as_str(), *port),
    };
    let stream = TcpStream::connect((host, port)).await.map_err(Unreached::Socket)?;
    stream.set_nodelay(true).map_err(Unreached::Socket)?;
    keep_alive(&stream, keepalive).map_err(Unreached::Socket)?;
    if way == Way::Plain {
        return Ok((Socket::Tcp(stream), None));
    }
    match tls.negotiate(stream, &place.host).await.map_err(Unreached::Local)? {
        Negotiated::Encrypted(stream, end_point) => Ok((Socket::Tls(stream), Some(end_point))),
        Negotiated::Plain(stream) if way == Way::Preferred => Ok((Socket::Tcp(stream), None)),
        Negotiated::Plain(_) => Err(Unreached::Local(Unusable {
            reason: "server does not support SSL, but SSL was required".to_owned(),
            hint: Some(
                "set ssl = on in its postgresql.conf, with a certificate, or connect with sslmode=prefer".to_owned(),
            ),
        })),
    }
}

/// `keepalives` and what goes with it.
fn keep_alive(stream: &TcpStream, keepalive: Option<Keepalive>) -> io::Result<()> {
    let Some(Keepalive { idle, interval, count, user_timeout }) = keepalive else { return Ok(()) };
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    if let Some(idle) = idle {
        setsockopt(stream, sockopt::TcpKeepIdle, &idle)?;
    }
    if let Some(interval) = interval {
        setsockopt(stream, sockopt::TcpKeepInterval, &interval)?;
    }
    if let Some(count) = count {
        setsockopt(stream, sockopt::TcpKeepCount, &count)?;
    }
    if let Some(user_timeout) = user_timeout {
        setsockopt(stream, sockopt::TcpUserTimeout, &user_timeout)?;
    }
    Ok(())
}

/// The connection, if the session is as `target_session_attrs` wants it.
async fn fitting(mut connected: Connected, wanted: Wants) -> Result<Connected, Unreached> {
    let (what, expected, otherwise) = match wanted {
        Wants::Any | Wants::PreferStandby => return Ok(connected),
        Wants::ReadWrite => ("transaction_read_only", "off", "session is read-only"),
        Wants::ReadOnly => ("transaction_read_only", "on", "session is not read-only"),
        Wants::Primary => ("in_hot_standby", "off", "server is in hot standby mode"),
        Wants::Standby => ("in_hot_standby", "on", "server is not in hot standby mode"),
    };
    let sql = format!("SHOW {what}");
    let rows = answered(&mut connected.connection, connected.client.simple_query(&sql)).await?;
    let shown = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if shown == Some(expected) {
        return Ok(connected);
    }
    Err(Unreached::Local(Unusable { reason: otherwise.to_owned(), hint: None }))
}

/// The answer to a request, while the connection is driven.
pub(super) async fn answered<T>(
    connection: &mut Connection,
    request: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Unreached> {
    let mut request = pin!(request);
    let mut is_open = true;
    let answer = poll_fn(|cx| {
        while is_open {
            match connection.poll_message(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    // What the server said before it closed the connection says more.
                    return match request.as_mut().poll(cx) {
                        Poll::Ready(Err(last)) if last.as_db_error().is_some() => Poll::Ready(Err(last)),
                        _ => Poll::Ready(Err(error)),
                    };
                }
                // It is not to be asked again after its end.
                Poll::Ready(None) => is_open = false,
                Poll::Pending => break,
            }
        }
        request.as_mut().poll(cx)
    });
    answer.await.map_err(Unreached::from)
}

/// Connects, asks, and takes leave.
///
/// # Errors
///
/// Why there is no connection, or no answer within that time.
pub(crate) fn ask<T>(
    settings: &Settings,
    limit: Duration,
    request: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, Unreached> {
    let runtime = runtime().map_err(Unreached::Socket)?;
    let asked = runtime.block_on(timeout_of(limit, async {
        let Connected { client, mut connection, .. } = connect(settings).await?;
        let answer = answered(&mut connection, request(&client)).await?;
        drop(client);
        // Says so to the backend.
        let leave = poll_fn(|cx| {
            loop {
                match connection.poll_message(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = timeout(LEAVE, leave).await;
        Ok(answer)
    }));
    // A name that is still looked up is not waited for.
    runtime.shutdown_background();
    asked
}

/// How long a connection may take to take leave.
const LEAVE: Duration = Duration::from_secs(2);

async fn timeout_of<T>(limit: Duration, asked: impl Future<Output = Result<T, Unreached>>) -> Result<T, Unreached> {
    timeout(limit, asked).await.unwrap_or(Err(Unreached::Silent(limit)))
}

/// Asks the server to cancel what a connection is doing, in the way in which that is connected.
#[derive(Clone)]
pub(crate) struct Canceller {
    place: Place,
    way: Way,
    tls: Arc<Tls>,
    keepalive: Option<Keepalive>,
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
            let opened = socket(&self.place, self.way, &self.tls, self.keepalive).await;
            let (socket, _) = opened.map_err(|error| io::Error::other(error.to_string()))?;
            self.token.cancel_query_raw(socket, Bind(None)).await.map_err(io::Error::other)
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
    fn nobody_is_waited_for_who_does_not_listen() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::own(directory.path(), 5432, "x");
        let refused = runtime().unwrap().block_on(connect(&settings)).err().unwrap();
        assert!(matches!(refused, Unreached::Socket(_)), "{refused}");
    }
}
