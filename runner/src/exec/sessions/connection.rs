//! The connection of a session: owned by a thread of its own, so that a statement can be launched without waiting for it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::Stream;
use futures_util::task::AtomicWaker;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Row, SimpleQueryMessage};

use crate::exec::failure::SqlError;
use crate::exec::happening::{Notification, Outcome, Table};
use crate::exec::shown::{NO_TEXT, values};
use crate::server::connect::{
    Canceller, Connected, Connection as Wire, Refusal, Settings, Unreached, connect, runtime,
};
use crate::server::{Backend, Server, ServerError};

/// How long one of the runner's own questions may take: it has no locks to wait for.
const ANSWER: Duration = Duration::from_secs(60);

/// How much is kept until it is handed over.
const BATCH: usize = 1000;

/// How many rows of a result are kept, and how many bytes of their values. Those that follow are counted.
const ROWS: usize = 100_000;
const BYTES: usize = 64 << 20;

/// What arrives at a session, in the order in which the server sent it.
#[derive(Debug)]
pub(super) enum Arrival {
    /// NOTICE, WARNING, INFO, ...
    Notice(SqlError),
    Notification(Notification),
    /// A statement is over.
    Outcome(Outcome),
    /// All statements that were sent are over.
    Ready,
    /// The answer to [`Connection::catch_up`].
    CaughtUp,
    /// The answer to [`Connection::rows`].
    Rows(Result<Vec<Row>, String>),
}

enum Request {
    Simple(String),
    Rows(String),
}

/// A connection and its thread, which ends with it.
pub(super) struct Connection {
    requests: Sender<Request>,
    arrivals: Receiver<Arrival>,
    /// Process id of the backend.
    pub(super) pid: i32,
    canceller: Canceller,
    backend: Backend,
    pulse: Arc<Pulse>,
}

/// Has the thread look at its socket while a Query message is under way.
#[derive(Debug, Default)]
struct Pulse {
    asked: AtomicU64,
    waker: AtomicWaker,
}

impl Connection {
    /// Connects to a database of the server in that way, once it is ready.
    pub(super) fn open(server: &Server, database: &str, settings: &Settings) -> Result<Self, ServerError> {
        server.when_ready(database, || {
            Self::open_once(server, settings).map_err(|error| match error {
                Unopened::Refused(source) => server.unreached(database, source),
                Unopened::Thread(source) => ServerError::Thread { source },
            })
        })
    }

    fn open_once(server: &Server, settings: &Settings) -> Result<Self, Unopened> {
        let settings = settings.clone();
        let (requests, received) = channel();
        let (tell, arrivals) = channel();
        let (opened, is_open) = channel();
        let pulse = Arc::new(Pulse::default());
        let felt = Arc::clone(&pulse);
        thread::spawn(move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened.send(Err(Unopened::Thread(error)))),
            };
            match runtime.block_on(Served::open(&settings, felt)) {
                Ok(mut served) => {
                    // Nobody is left to tell when the other side has been dropped.
                    let _ = opened.send(Ok((served.pid, served.canceller.clone())));
                    served.serve(&runtime, &received, &tell);
                }
                Err(error) => drop(opened.send(Err(Unopened::Refused(error)))),
            }
        });
        // It takes no longer than connecting may.
        let ended = || Err(Unopened::Thread(io::ErrorKind::Other.into()));
        let (pid, canceller) = is_open.recv().unwrap_or_else(|_| ended())?;
        Ok(Connection { requests, arrivals, pid, canceller, backend: server.backend(pid), pulse })
    }

    /// Sends one Query message and waits for nothing.
    pub(super) fn send(&self, sql: &str) {
        // A thread that has ended has told so.
        let _ = self.requests.send(Request::Simple(sql.to_owned()));
    }

    /// The next arrival; none if there is none for that long. A connection without its thread is a lost one.
    pub(super) fn receive(&self, wait: Duration) -> Option<Arrival> {
        match self.arrivals.recv_timeout(wait) {
            Ok(arrival) => Some(arrival),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Arrival::Outcome(Outcome::Lost)),
        }
    }

    /// Has the thread hand over everything that the server has sent so far. [`Arrival::CaughtUp`] follows it, unless what
    /// is under way is over before.
    pub(super) fn catch_up(&self) {
        self.pulse.asked.fetch_add(1, Ordering::SeqCst);
        self.pulse.waker.wake();
    }

    /// Runs a query of the runner's own and waits for its rows, for a minute at most. Whatever else arrives meanwhile is dropped.
    pub(super) fn rows(&self, sql: &str) -> Result<Vec<Row>, String> {
        let _ = self.requests.send(Request::Rows(sql.to_owned()));
        loop {
            match self.arrivals.recv() {
                Ok(Arrival::Rows(rows)) => return rows,
                Ok(_) => {}
                Err(_) => return Err("the connection is lost".to_owned()),
            }
        }
    }

    /// Ends the session.
    pub(super) fn terminate(&self) {
        self.backend.terminate();
    }

    /// Ends the session by force, and with it all others of its server.
    pub(super) fn kill(&self) {
        self.backend.kill();
    }

    /// Asks the server to cancel what the session is doing; false if that is not possible.
    pub(super) fn cancel(&self) -> bool {
        self.canceller.cancel().is_ok()
    }
}

/// Why there is no connection.
enum Unopened {
    /// The server, or the way to it.
    Refused(Unreached),
    /// This process has no means for one.
    Thread(io::Error),
}

/// The thread's side.
struct Served {
    client: Client,
    wire: Wire,
    canceller: Canceller,
    pid: i32,
    pulse: Arc<Pulse>,
}

impl Served {
    async fn open(settings: &Settings, pulse: Arc<Pulse>) -> Result<Self, Unreached> {
        let Connected { client, connection: wire, canceller, .. } = connect(settings).await?;
        let mut served = Served { client, wire, canceller, pid: 0, pulse };
        let (unheard, _) = channel();
        let rows = timeout(ANSWER, served.rows("SELECT pg_catalog.pg_backend_pid()", &unheard)).await;
        let rows = rows.map_err(|_| Unreached::Silent(ANSWER))??;
        served.pid = rows.first().map_or(0, |row| row.get(0));
        Ok(served)
    }

    fn serve(&mut self, runtime: &Runtime, requests: &Receiver<Request>, tell: &Sender<Arrival>) {
        for request in requests {
            let end = match request {
                Request::Simple(sql) => {
                    let lost = runtime.block_on(self.simple(&sql, tell)).err();
                    lost.map_or(Arrival::Ready, Arrival::Outcome)
                }
                Request::Rows(sql) => {
                    let Ok(rows) = runtime.block_on(async { timeout(ANSWER, self.rows(&sql, tell)).await }) else {
                        let _ = tell.send(Arrival::Rows(Err(Unreached::Silent(ANSWER).to_string())));
                        return;
                    };
                    Arrival::Rows(rows.map_err(|error| error.to_string()))
                }
            };
            let lost = matches!(end, Arrival::Outcome(_));
            if tell.send(end).is_err() || lost {
                return;
            }
        }
    }

    /// Runs the statements of a Query message and tells what they come to; the error is what ends the connection.
    async fn simple(&mut self, sql: &str, tell: &Sender<Arrival>) -> Result<(), Outcome> {
        let Ok(answers) = self.client.simple_query_raw(sql).await else { return Err(Outcome::Lost) };
        let mut answers = pin!(answers);
        let mut table: Option<Table> = None;
        let mut is_unread = false;
        let mut bytes = 0;
        let (wire, pulse) = (&mut self.wire, &self.pulse);
        let mut batch = Vec::new();
        // How often the thread was asked to catch up: answered, and seen.
        let mut answered = pulse.asked.load(Ordering::SeqCst);
        let mut seen = answered;
        let end = poll_fn(|cx| {
            pulse.waker.register(cx.waker());
            let asked = pulse.asked.load(Ordering::SeqCst);
            loop {
                let message = wire.poll_message(cx);
                let mut progressed = message.is_ready();
                // Everything in front of that message has been passed on to `answers`.
                let mut end = None;
                while let Poll::Ready(answer) = answers.as_mut().poll_next(cx) {
                    progressed = true;
                    let outcome = match answer {
                        Some(Ok(SimpleQueryMessage::RowDescription(columns))) => {
                            let columns = columns.iter().map(|column| column.name().to_owned()).collect();
                            table = Some(Table { columns, ..Table::default() });
                            bytes = 0;
                            continue;
                        }
                        Some(Ok(SimpleQueryMessage::Row(row))) => {
                            let table = table.get_or_insert_default();
                            if table.rows.len() < ROWS && bytes < BYTES {
                                let row: Vec<_> = values(&row).map(|value| value.map(str::to_owned)).collect();
                                bytes += row.iter().flatten().map(String::len).sum::<usize>();
                                table.rows.push(row);
                            } else {
                                table.more += 1;
                            }
                            continue;
                        }
                        Some(Ok(_)) => {
                            is_unread = false;
                            table.take().map_or(Outcome::Command, Outcome::Rows)
                        }
                        Some(Err(error)) => {
                            let error = Refusal::from(error);
                            is_unread |= error.is_unreadable();
                            if is_unread && error.server().is_none() && !error.is_closed() {
                                // Rows whose columns could not be read, and then each of the rows.
                                match &mut table {
                                    Some(table) => table.more += 1,
                                    None => {
                                        table = Some(Table { columns: vec![NO_TEXT.to_owned()], ..Table::default() })
                                    }
                                }
                                continue;
                            }
                            (table, is_unread) = (None, false);
                            match error.server() {
                                Some(error) => Outcome::Failed(Box::new(SqlError::from(error))),
                                None => {
                                    let unexpected = || Outcome::Unexpected(error.to_string());
                                    end = Some(Err(if error.is_closed() { Outcome::Lost } else { unexpected() }));
                                    break;
                                }
                            }
                        }
                        None => {
                            end = Some(Ok(()));
                            break;
                        }
                    };
                    batch.push(Arrival::Outcome(outcome));
                }
                if let Poll::Ready(Some(Ok(message))) = message {
                    batch.extend(arrival(message));
                } else if let Poll::Ready(Some(Err(_)) | None) = message {
                    end = end.or(Some(Err(Outcome::Lost)));
                }
                if let Some(end) = end {
                    return Poll::Ready(end);
                }
                if batch.len() >= BATCH {
                    deliver(&mut batch, tell);
                }
                if !progressed {
                    deliver(&mut batch, tell);
                    if seen != answered {
                        answered = seen;
                        let _ = tell.send(Arrival::CaughtUp);
                    }
                    if asked != seen {
                        // What the socket holds is known only after the runtime has asked the system once more.
                        seen = asked;
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        })
        .await;
        deliver(&mut batch, tell);
        end
    }

    async fn rows(&mut self, sql: &str, tell: &Sender<Arrival>) -> Result<Vec<Row>, Refusal> {
        let mut query = pin!(self.client.query_typed(sql, &[]));
        let wire = &mut self.wire;
        poll_fn(|cx| {
            loop {
                match wire.poll_message(cx) {
                    Poll::Ready(Some(Ok(message))) => arrival(message).into_iter().for_each(|arrival| {
                        let _ = tell.send(arrival);
                    }),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                    // Once the wire is closed, so is the query.
                    Poll::Ready(None) | Poll::Pending => return query.as_mut().poll(cx).map_err(Refusal::from),
                }
            }
        })
        .await
    }
}

fn arrival(message: AsyncMessage) -> Option<Arrival> {
    match message {
        AsyncMessage::Notice(notice) => Some(Arrival::Notice(SqlError::from(&notice))),
        AsyncMessage::Notification(message) => Some(Arrival::Notification(Notification {
            channel: message.channel().to_owned(),
            payload: message.payload().to_owned(),
            pid: message.process_id(),
        })),
        _ => None,
    }
}

/// Hands over what came in one go. As with libpq, notices that came right behind an outcome are seen before it: it has read
/// them when it hands the outcome over (fe-protocol3.c, pqParseInput3).
fn deliver(batch: &mut Vec<Arrival>, tell: &Sender<Arrival>) {
    let mut outcome = None;
    for arrival in batch.drain(..) {
        if let Arrival::Outcome(_) = arrival {
            outcome.replace(arrival).into_iter().for_each(|earlier| drop(tell.send(earlier)));
        } else {
            let _ = tell.send(arrival);
        }
    }
    outcome.into_iter().for_each(|last| drop(tell.send(last)));
}
