//! COPY between the messages of a connection: what its client library does not understand.
//!
//! The data of `COPY .. TO STDOUT` is left out, so that the statement looks like any other that is done. `COPY .. FROM STDIN` gets
//! what was supplied for it, or is told at once that there is no data, so that the server ends it with an error of its own
//! (copyfromparse.c, CopyGetData).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cut::Cut;

/// Why there is no data. The server says "COPY from stdin failed: " before it.
pub(crate) const NO_DATA: &str = "mcspec sends no data";

/// How much goes into one message of data.
const PORTION: usize = 1 << 16;

/// What statements that ask for data are given; none where there is nothing for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Supply(Arc<Mutex<Option<Arc<[u8]>>>>);

impl Supply {
    /// From now on they are given this.
    pub(crate) fn set(&self, data: Option<Arc<[u8]>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = data;
    }

    fn get(&self) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Bytes of a message before its content: a type and a length, which does not count the type.
const HEAD: usize = 5;

/// What to do with a message of the server.
#[derive(Debug)]
enum Pass {
    Yes,
    No,
    /// What is left of it, when it is over.
    Cut(Cut),
}

/// Reads the messages of the server as they come in, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    head: Vec<u8>,
    /// Bytes that are left of a message.
    left: usize,
    pass: Option<Pass>,
    kind: u8,
    /// Whether it is a ReadyForQuery, whose content is the state of the transaction.
    is_ready: bool,
    transaction: Arc<AtomicU8>,
}

impl Incoming {
    /// Where the state of the transaction is written down that the server has told last: `I`, `T` or `E`.
    pub(super) fn transaction(&self) -> Arc<AtomicU8> {
        Arc::clone(&self.transaction)
    }

    /// Takes a piece and adds to `out` what is to be passed on. Gives how many times the server has asked for data.
    pub(super) fn take(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> usize {
        let mut asked = 0;
        while !piece.is_empty() {
            if let Some(pass) = &mut self.pass {
                let (now, later) = piece.split_at(self.left.min(piece.len()));
                if let (true, &[state, ..]) = (self.is_ready, now) {
                    self.transaction.store(state, Ordering::Relaxed);
                }
                match pass {
                    Pass::Yes => out.extend_from_slice(now),
                    Pass::No => {}
                    Pass::Cut(cut) => cut.take(now),
                }
                self.left -= now.len();
                piece = later;
            } else {
                let (now, later) = piece.split_at((HEAD - self.head.len()).min(piece.len()));
                self.head.extend_from_slice(now);
                piece = later;
                let Ok(&[kind, length @ ..]) = <&[u8; HEAD]>::try_from(self.head.as_slice()) else { continue };
                self.left = content(length);
                // CopyOutResponse, CopyData, CopyDone, CopyInResponse (protocol.h).
                let pass = match Cut::begin(kind, self.left) {
                    _ if matches!(kind, b'H' | b'd' | b'c' | b'G') => Pass::No,
                    Some(cut) => Pass::Cut(cut),
                    None => Pass::Yes,
                };
                if let Pass::Yes = pass {
                    out.extend_from_slice(&self.head);
                }
                asked += usize::from(kind == b'G');
                self.is_ready = kind == b'Z';
                self.pass = Some(pass);
                self.kind = kind;
                self.head.clear();
            }
            if self.left == 0
                && let Some(Pass::Cut(cut)) = self.pass.take()
            {
                out.extend(cut.end(self.kind));
            }
        }
        asked
    }
}

/// Reads the messages of the client as they go out.
#[derive(Debug)]
pub(super) struct Outgoing {
    head: Vec<u8>,
    left: usize,
    /// Bytes of a head: the startup message has no type.
    head_length: usize,
    /// Whether the last statement was sent by the extended protocol.
    is_extended: bool,
    supply: Supply,
}

impl Default for Outgoing {
    fn default() -> Self {
        Outgoing { head: Vec::new(), left: 0, head_length: HEAD - 1, is_extended: false, supply: Supply::default() }
    }
}

impl Outgoing {
    /// What the server is given that asks for data.
    pub(super) fn supply(&self) -> Supply {
        self.supply.clone()
    }

    /// Takes note of a piece.
    pub(super) fn note(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.left > 0 {
                let now = self.left.min(piece.len());
                self.left -= now;
                piece = &piece[now..];
                continue;
            }
            let (now, later) = piece.split_at((self.head_length - self.head.len()).min(piece.len()));
            self.head.extend_from_slice(now);
            piece = later;
            let Some(length) = self.head.last_chunk().filter(|_| self.head.len() == self.head_length) else { return };
            self.left = content(*length);
            match self.head[0] {
                b'Q' => self.is_extended = false,
                // Parse, Bind, Execute
                b'P' | b'B' | b'E' if self.head_length == HEAD => self.is_extended = true,
                _ => {}
            }
            self.head_length = HEAD;
            self.head.clear();
        }
    }

    /// Whether the last message that was begun has gone out.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }

    /// The answer to a server that asks for data: CopyData and CopyDone, or CopyFail. In the extended protocol the server has
    /// overlooked the Sync that came with the statement, as it does during COPY, and waits for another one to go on (postgres.c,
    /// PostgresMain).
    pub(super) fn answer(&self) -> Vec<u8> {
        let mut answer = match self.supply.get() {
            Some(data) => {
                let portions = data.chunks(PORTION).flat_map(|portion| message(b'd', &[portion]));
                portions.chain(message(b'c', &[])).collect()
            }
            None => message(b'f', &[NO_DATA.as_bytes(), b"\0"]),
        };
        if self.is_extended {
            answer.extend(message(b'S', &[]));
        }
        answer
    }
}

fn message(kind: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u32::try_from(4 + content.len()).expect("no more than a portion");
    [&[kind], &length.to_be_bytes()[..], &content].concat()
}

/// The length of a message's content, given the length that it begins with.
fn content(length: [u8; 4]) -> usize {
    (u32::from_be_bytes(length) as usize).saturating_sub(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        super::message(kind, &[content])
    }

    #[test]
    fn copy_is_left_out_however_it_comes() {
        let copied = [
            message(b'1', b""),
            message(b'H', b"\0\0\0"),
            message(b'd', b"1\t2\n"),
            message(b'N', b"SNOTICE\0\0"),
            message(b'd', b""),
            message(b'c', b""),
            message(b'C', b"COPY 1\0"),
            message(b'G', b"\0\0\x02\0\0\0\0"),
            message(b'E', b"SERROR\0\0"),
            message(b'Z', b"I"),
        ];
        let passed = [0, 3, 6, 8, 9].map(|n: usize| copied[n].clone()).concat();
        let all = copied.concat();
        for size in 1..=all.len() {
            let (mut incoming, mut out, mut asked) = (Incoming::default(), Vec::new(), 0);
            for piece in all.chunks(size) {
                asked += incoming.take(piece, &mut out);
            }
            assert_eq!((out, asked), (passed.clone(), 1), "in pieces of {size}");
            assert_eq!(incoming.transaction.load(Ordering::Relaxed), b'I');
        }
    }

    #[test]
    fn a_refusal_fits_the_protocol() {
        let startup = [&12u32.to_be_bytes()[..], &196_608u32.to_be_bytes(), b"u\0\0\0"].concat();
        let refused = |messages: &[Vec<u8>], size: usize| {
            let mut outgoing = Outgoing::default();
            let all = [std::slice::from_ref(&startup), messages].concat().concat();
            for piece in all.chunks(size) {
                outgoing.note(piece);
            }
            assert!(outgoing.is_between());
            outgoing.note(b"Q\0");
            assert!(!outgoing.is_between());
            outgoing.answer()
        };
        let (query, sync) = (message(b'Q', b"SELECT 1\0"), message(b'S', b""));
        let extended = vec![message(b'P', b"\0COPY\0\0\0"), message(b'B', b"QQ"), message(b'E', b"x"), sync.clone()];
        let fail = message(b'f', b"mcspec sends no data\0");
        for size in 1..80 {
            assert_eq!(refused(&[], size), fail);
            assert_eq!(refused(std::slice::from_ref(&query), size), fail);
            assert_eq!(refused(&extended, size), [fail.clone(), sync.clone()].concat());
            assert_eq!(refused(&[extended.clone(), vec![query.clone()]].concat(), size), fail);
        }
    }

    #[test]
    fn what_is_supplied_is_sent() {
        let outgoing = Outgoing::default();
        outgoing.supply().set(Some(vec![b'x'; PORTION + 1].into()));
        let first = message(b'd', &vec![b'x'; PORTION]);
        let expected = [first, message(b'd', b"x"), message(b'c', b"")].concat();
        assert_eq!(outgoing.answer(), expected);
        // As often as it is asked for.
        assert_eq!(outgoing.answer(), expected);
        outgoing.supply().set(Some([].into()));
        assert_eq!(outgoing.answer(), message(b'c', b""));
        outgoing.supply().set(None);
        assert_eq!(outgoing.answer()[0], b'f');
    }
}
