//! Where a question is put and its answer is found: memory that the postmaster maps and all its children share.
//!
//! A mapping and not a segment of the server's shared memory: it is large, and takes only the pages that an answer fills,
//! which are given back afterwards.
//!
//! One number says how far the question is: its serial number and a state. Whoever changes the state changes it from what
//! he has seen (compare and exchange), so that a question that was given up cannot be answered into the place of the next.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use pgrx::pg_sys;

use crate::pg::process::my_pid;
use crate::pg::server::SetLatch;
use crate::pg::transactions::at_exit;

/// Room for an answer (bytes). Reserved, not used.
const ANSWER_BYTES: usize = 64 << 20;
/// Longest question (bytes).
const QUESTION_BYTES: usize = 8192;
/// Places to remember processes that follow their signals.
const PLACES: usize = 4096;

/// Nobody asks.
const NONE: u64 = 0;
/// The question is there.
const ASKED: u64 = 1;
/// The process that was asked has taken it.
const ANSWERING: u64 = 2;
/// The answer is there.
const ANSWERED: u64 = 3;
/// It was taken, and nobody waits for the answer any more.
const ABANDONED: u64 = 4;
/// The state is in the lower bits, the serial number above.
const STATE_BITS: u32 = 3;

/// What the processes share. All zero is the state in which nobody asks.
#[repr(C)]
pub(crate) struct Exchange {
    /// The process that asks; 0 for none.
    asker: AtomicI32,
    /// The process that is asked.
    pid: AtomicI32,
    /// Serial number and state.
    turn: AtomicU64,
    /// The asker's, to be set when the answer is there. Latches of processes are in shared memory, which all have at the same
    /// address.
    latch: AtomicPtr<pg_sys::Latch>,
    /// Processes that tell a question from a request for a dump, each in the place that its id says. One that another has taken
    /// the place of is asked as those are that cannot.
    followers: [AtomicI32; PLACES],
    question_length: AtomicUsize,
    answer_length: AtomicUsize,
    /// 1 where the answer did not fit.
    cut_off: AtomicU32,
    question: [u8; QUESTION_BYTES],
}

/// The answer begins with a page of its own.
const ANSWER_AT: usize = size_of::<Exchange>().next_multiple_of(4096);

static MAPPED: AtomicPtr<Exchange> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    static LEAVES_AT_EXIT: Cell<bool> = const { Cell::new(false) };
}

/// A process that is terminated runs no destructors.
fn leave_at_exit() {
    if !LEAVES_AT_EXIT.replace(true) {
        at_exit(process_ends);
    }
}

/// Maps the memory. Where the system refuses, nobody can be asked.
pub(super) fn reserve() {
    // SAFETY: a new mapping, all zero.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            ANSWER_AT + ANSWER_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start != libc::MAP_FAILED {
        MAPPED.store(start.cast(), Ordering::Relaxed);
    }
}

fn place(pid: i32) -> usize {
    pid.unsigned_abs() as usize % PLACES
}

/// Forgets all questions: the server is starting, perhaps again after a crash.
pub(super) fn startup() {
    if let Some(exchange) = Exchange::get() {
        exchange.reset();
    }
}

impl Exchange {
    pub(crate) fn get() -> Option<&'static Self> {
        // SAFETY: mapped for ever, and only changed through atomics, but for the bytes of question and answer.
        unsafe { MAPPED.load(Ordering::Relaxed).as_ref() }
    }

    /// Forgets everything. Only while there are no other processes.
    fn reset(&self) {
        self.asker.store(0, Ordering::Relaxed);
        self.turn.store(NONE, Ordering::Relaxed);
        self.followers.iter().for_each(|pid| pid.store(0, Ordering::Relaxed));
        self.give_back();
    }

    /// The place for this process's question, unless somebody has it.
    pub(crate) fn occupy(&'static self) -> Option<Asked> {
        leave_at_exit();
        self.asker.compare_exchange(0, my_pid(), Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(Asked { exchange: self })
    }

    /// Whether a question is put to this process. A signal handler may ask.
    pub(crate) fn is_for_me(&self) -> bool {
        state(self.turn.load(Ordering::Acquire)) == ASKED && self.pid.load(Ordering::Relaxed) == my_pid()
    }

    /// Takes the question that is put to this process, if there is one.
    pub(crate) fn take(&'static self) -> Option<Taken> {
        let turn = self.turn.load(Ordering::Acquire);
        let taken = self.is_for_me() && self.change(turn, ANSWERING);
        taken.then_some(Taken { exchange: self, turn: with_state(turn, ANSWERING) })
    }

    /// Notes that this process follows its signals, until it ends.
    pub(crate) fn i_follow(&self) {
        leave_at_exit();
        let pid = my_pid();
        self.followers[place(pid)].store(pid, Ordering::Relaxed);
    }

    /// Whether that process follows its signals.
    pub(crate) fn follows(&self, pid: i32) -> bool {
        self.followers[place(pid)].load(Ordering::Relaxed) == pid
    }

    fn change(&self, turn: u64, to: u64) -> bool {
        self.turn.compare_exchange(turn, with_state(turn, to), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The asker leaves, whatever his question has come to.
    fn leave(&self) {
        let turn = self.turn.load(Ordering::Acquire);
        if state(turn) == ASKED && self.change(turn, NONE) {
            // Nobody has seen the question.
        } else if self.change(with_state(turn, ANSWERING), ABANDONED) {
            // Whoever answers clears up.
            return;
        } else if state(self.turn.load(Ordering::Acquire)) == ANSWERED {
            self.give_back();
        }
        self.asker.store(0, Ordering::Release);
    }

    fn answer_bytes(&self) -> *mut u8 {
        // SAFETY: inside the mapping.
        unsafe { std::ptr::from_ref(self).cast::<u8>().cast_mut().add(ANSWER_AT) }
    }

    /// Gives the pages of the answer back to the system.
    fn give_back(&self) {
        // SAFETY: the part of the mapping behind the struct; read again, its bytes are zero.
        unsafe { libc::madvise(self.answer_bytes().cast::<c_void>(), ANSWER_BYTES, libc::MADV_REMOVE) };
    }
}

fn state(turn: u64) -> u64 {
    turn & ((1 << STATE_BITS) - 1)
}

fn with_state(turn: u64, state: u64) -> u64 {
    turn >> STATE_BITS << STATE_BITS | state
}

/// The place of the one who asks. Dropped, the question is given up.
pub(crate) struct Asked {
    exchange: &'static Exchange,
}

impl Asked {
    /// Puts a question to a process. Gives its length if it is too long.
    pub(crate) fn put(&self, pid: i32, question: &[u8]) -> Result<(), usize> {
        if question.len() > QUESTION_BYTES {
            return Err(question.len());
        }
        let exchange = self.exchange;
        exchange.pid.store(pid, Ordering::Relaxed);
        // SAFETY: a plain variable; the latch lives in shared memory.
        exchange.latch.store(unsafe { pg_sys::MyLatch }, Ordering::Relaxed);
        // SAFETY: nobody else writes there while the place is ours, or reads before the state says ASKED.
        unsafe {
            let to = (&raw const exchange.question).cast::<u8>().cast_mut();
            std::ptr::copy_nonoverlapping(question.as_ptr(), to, question.len());
        }
        exchange.question_length.store(question.len(), Ordering::Relaxed);
        let number = (exchange.turn.load(Ordering::Relaxed) >> STATE_BITS) + 1;
        exchange.turn.store(number << STATE_BITS | ASKED, Ordering::Release);
        Ok(())
    }

    /// Whether the question was not taken yet. The process may then be sent the signal again.
    pub(crate) fn is_still_asked(&self) -> bool {
        state(self.exchange.turn.load(Ordering::Acquire)) == ASKED
    }

    /// The answer, read by `read`, if it is there.
    pub(crate) fn answer<R>(&self, read: impl FnOnce(&[u8], bool) -> R) -> Option<R> {
        let exchange = self.exchange;
        if state(exchange.turn.load(Ordering::Acquire)) != ANSWERED {
            return None;
        }
        let length = exchange.answer_length.load(Ordering::Relaxed).min(ANSWER_BYTES);
        // SAFETY: written before the state said so, and not changed until this process leaves.
        let answer = unsafe { std::slice::from_raw_parts(exchange.answer_bytes(), length) };
        Some(read(answer, exchange.cut_off.load(Ordering::Relaxed) != 0))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.exchange.leave();
    }
}

fn process_ends() {
    let Some(exchange) = Exchange::get() else { return };
    let pid = my_pid();
    let _ = exchange.followers[place(pid)].compare_exchange(pid, 0, Ordering::Relaxed, Ordering::Relaxed);
    if exchange.asker.load(Ordering::Relaxed) == pid {
        exchange.leave();
    }
}

/// A question that this process has taken and must answer.
pub(crate) struct Taken {
    exchange: &'static Exchange,
    turn: u64,
}

impl Taken {
    /// The question.
    pub(crate) fn question(&self) -> &[u8] {
        let length = self.exchange.question_length.load(Ordering::Relaxed).min(QUESTION_BYTES);
        &self.exchange.question[..length]
    }

    /// Answers with what `write` writes into the room for it: so many bytes, or none if they do not fit.
    pub(crate) fn answer(self, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let exchange = self.exchange;
        // SAFETY: only the process that has taken the question writes there, and the asker reads when told to.
        let room = unsafe { std::slice::from_raw_parts_mut(exchange.answer_bytes(), ANSWER_BYTES) };
        let length = write(room);
        exchange.cut_off.store(u32::from(length.is_none()), Ordering::Relaxed);
        exchange.answer_length.store(length.unwrap_or(0), Ordering::Relaxed);
        let latch = exchange.latch.load(Ordering::Relaxed);
        if exchange.change(self.turn, ANSWERED) {
            // SAFETY: a latch in shared memory; set for a process that has ended, it wakes the next one once for nothing.
            unsafe { SetLatch(latch) };
        } else {
            exchange.give_back();
            exchange.asker.store(0, Ordering::Release);
        }
    }
}
