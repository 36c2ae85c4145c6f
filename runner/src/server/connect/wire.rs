//! The stream below a connection, which answers COPY where the client library cannot.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::copy::{Incoming, Outgoing, Supply};

/// How much is read at a time.
const PIECE: usize = 16 << 10;

/// A socket.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A socket with messages of PostgreSQL in it.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    incoming: Incoming,
    outgoing: Outgoing,
    /// What has come in and is to be passed on, from that position on.
    passed: (Vec<u8>, usize),
    /// What goes out besides what the client sends.
    reply: Vec<u8>,
}

impl Wire {
    pub(super) fn new(socket: Socket) -> Self {
        Wire {
            socket,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            passed: (Vec::new(), 0),
            reply: Vec::new(),
        }
    }

    /// Where the state of the transaction is written down.
    pub(super) fn transaction(&self) -> Arc<AtomicU8> {
        self.incoming.transaction()
    }

    /// What statements that ask for data are given.
    pub(super) fn supply(&self) -> Supply {
        self.outgoing.supply()
    }

    /// Sends the reply, between two messages of the client. Pending if it is not all sent.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.reply.is_empty() && self.outgoing.is_between() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.reply))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.reply.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        loop {
            let (passed, at) = &mut wire.passed;
            if *at < passed.len() {
                let now = (passed.len() - *at).min(buf.remaining());
                buf.put_slice(&passed[*at..*at + now]);
                *at += now;
                return Poll::Ready(Ok(()));
            }
            passed.clear();
            *at = 0;
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut wire.socket).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            for _ in 0..wire.incoming.take(piece.filled(), passed) {
                wire.reply.extend(wire.outgoing.answer());
            }
            // What cannot go out yet does so when the socket has room, which the context is told.
            if let Poll::Ready(Err(error)) = wire.poll_reply(cx) {
                return Poll::Ready(Err(error));
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_reply(cx))?;
        let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, buf))?;
        self.outgoing.note(&buf[..sent]);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
