//! A client that waits for answers, but not for ever.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::time::{timeout, timeout_at};
use tokio_postgres::error::DbError;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Row, SimpleQueryMessage, Statement};

use crate::server::connect::{
    Answer, Canceller, Connected, Connection, Refusal, Settings, Supply, Unreached, connect, runtime,
};

/// How long a connection may take to take leave.
const LEAVE: Duration = Duration::from_secs(2);

/// A connection whose requests are waited for.
pub(super) struct Client {
    runtime: Runtime,
    /// None while the connection takes leave.
    client: Option<tokio_postgres::Client>,
    connection: Connection,
    canceller: Canceller,
    transaction: Arc<AtomicU8>,
    supply: Supply,
    notice: Box<dyn FnMut(DbError)>,
    /// When it gives up.
    until: Option<Instant>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The server has closed it.
    Closed,
    /// An answer is still to come.
    Unanswered,
}

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// An error of the server's, or of the connection.
    Error(Refusal),
    /// The time is over.
    Silent,
}

impl Client {
    /// Connects. What the server says besides results is handed to `notice`.
    pub(super) fn open(settings: &Settings, notice: impl FnMut(DbError) + 'static) -> Result<Self, Unreached> {
        let runtime = runtime().map_err(Unreached::Socket)?;
        let Connected { client, connection, canceller, transaction, supply } = runtime.block_on(connect(settings))?;
        let (client, notice) = (Some(client), Box::new(notice));
        Ok(Client {
            runtime,
            client,
            connection,
            canceller,
            transaction,
            supply,
            notice,
            until: None,
            state: State::Open,
        })
    }

    /// Gives up at that moment, whatever is under way.
    pub(super) fn give_up_at(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// What cancels its requests.
    pub(super) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Whether a transaction is open, failed or not.
    pub(super) fn is_in_transaction(&self) -> bool {
        matches!(self.transaction.load(Ordering::Relaxed), b'T' | b'E')
    }

    /// Whether a transaction is open that has failed.
    pub(super) fn is_in_failed_transaction(&self) -> bool {
        self.transaction.load(Ordering::Relaxed) == b'E'
    }

    /// What COPY from standard input is given from now on.
    pub(super) fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Whether the session's role is a superuser, which the server reports when it changes (guc_tables.c, is_superuser).
    pub(super) fn is_superuser(&self) -> bool {
        self.connection.parameter("is_superuser") != Some("off")
    }

    /// Whether the server has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Sends one Query message and ignores its rows.
    pub(super) fn batch_execute(&mut self, sql: &str) -> Result<(), Unanswered> {
        self.ask(async |client| client.batch_execute(sql).await)
    }

    /// Sends one Query message.
    pub(super) fn simple_query(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, Unanswered> {
        self.ask(async |client| client.simple_query(sql).await)
    }

    /// Sends Query messages, all of them before the first is answered, and ignores their rows. Where one fails the next is executed
    /// all the same.
    pub(super) fn batch_execute_all(&mut self, statements: &[&str]) -> Result<Vec<Result<(), Refusal>>, Unanswered> {
        self.ask(async |client| {
            let answers = join_all(statements.iter().map(|sql| client.batch_execute(sql))).await;
            Ok(answers.into_iter().map(|answer| answer.map_err(Refusal::from)).collect())
        })
    }

    /// Sends an unnamed statement with parameters of these types.
    pub(super) fn query_typed(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Unanswered> {
        self.ask(async |client| client.query_typed(sql, parameters).await)
    }

    /// Sends an unnamed statement without parameters and ignores its rows.
    pub(super) fn execute_typed(&mut self, sql: &str) -> Result<(), Unanswered> {
        self.ask(async |client| client.execute_typed(sql, &[]).await.map(drop))
    }

    /// Prepares a statement.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<Statement, Unanswered> {
        self.ask(async |client| client.prepare(sql).await)
    }

    /// Executes a prepared statement and ignores its rows.
    pub(super) fn execute(&mut self, statement: &Statement) -> Result<(), Unanswered> {
        self.ask(async |client| client.execute(statement, &[]).await.map(drop))
    }

    fn ask<T>(&mut self, request: impl AsyncFnOnce(&tokio_postgres::Client) -> Answer<T>) -> Result<T, Unanswered> {
        let Client { runtime, client, connection, notice, until, state, .. } = self;
        let client = client.as_ref().expect("it has not taken leave");
        let answer = async {
            let mut answer = pin!(request(client));
            poll_fn(|cx| {
                // It is not to be asked again after its end.
                while *state == State::Open {
                    match connection.poll_message(cx) {
                        Poll::Ready(Some(Ok(AsyncMessage::Notice(raised)))) => notice(raised),
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(error))) => {
                            *state = State::Closed;
                            // What the server said before it closed the connection says more.
                            return match answer.as_mut().poll(cx) {
                                Poll::Ready(Err(last)) if last.code().is_some() => Poll::Ready(Err(last)),
                                _ => Poll::Ready(Err(error)),
                            };
                        }
                        Poll::Ready(None) => *state = State::Closed,
                        Poll::Pending => break,
                    }
                }
                answer.as_mut().poll(cx)
            })
            .await
        };
        let answered = runtime.block_on(async {
            match *until {
                Some(until) => timeout_at(until.into(), answer).await.map_err(|_| Unanswered::Silent),
                None => Ok(answer.await),
            }
        });
        if answered.is_err() {
            *state = State::Unanswered;
        }
        answered?.map_err(|error| Unanswered::Error(error.into()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.client.take());
        if self.state != State::Open {
            return;
        }
        let Client { runtime, connection, .. } = self;
        let leave = poll_fn(|cx| {
            loop {
                match connection.poll_message(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        // The server finds out by itself when the socket is closed.
        let _ = runtime.block_on(async { timeout(LEAVE, leave).await });
    }
}
