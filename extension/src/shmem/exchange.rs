//! Where questions are put and their answers are found: memory that the postmaster maps and all its children share.
//!
//! A mapping and not a segment of the server's shared memory: it is large, and takes only the pages that questions and answers
//! fill, of which those of answers are given back afterwards.
//!
//! There is a place for each process that can ask, so nobody waits for the answer to somebody else's question. One number says how
//! far a question is: its serial number and a state. Whoever changes the state changes it from what he has seen (compare and
//! exchange), so that a question that was given up cannot be answered into the place of the next.
//!
//! Answers take runs of [`room`].

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use pgrx::pg_sys;

use super::legacies::Legacies;
use super::pace::Paces;
use super::room::{self, Room};
use crate::pg::process::{is_process, most_processes, my_pid};
use crate::pg::server::SetLatch;
use crate::pg::transactions::at_exit;

/// Longest question (bytes).
const QUESTION_BYTES: usize = 8192;

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
/// The process that was asked has seen it, and has no way to answer.
const DECLINED: u64 = 5;
/// The state is in the lower bits, the serial number above.
const STATE_BITS: u32 = 3;

/// What the processes share; the places follow. All zero is the state in which nobody asks.
#[repr(C)]
pub(crate) struct Exchange {
    places: AtomicUsize,
    room: Room,
    paces: Paces,
    legacies: Legacies,
}

/// The place of one who asks.
#[repr(C)]
struct Place {
    /// The process that asks; 0 for none.
    asker: AtomicI32,
    /// The process that is asked.
    pid: AtomicI32,
    /// Serial number and state.
    turn: AtomicU64,
    /// The asker's, to be set when the answer is there. Latches of processes are in shared memory, which all have at the same
    /// address.
    latch: AtomicPtr<pg_sys::Latch>,
    question_length: AtomicU32,
    /// Why there is no answer, or 0 where there is one.
    lacks: AtomicU32,
    answer_at: AtomicUsize,
    answer_length: AtomicUsize,
}

/// Why an answer could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It is longer than any can be.
    TooLong,
    /// Answers to others take the room.
    NoRoom,
}

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

/// Where the questions are.
fn questions_at(places: usize) -> usize {
    size_of::<Exchange>() + places * size_of::<Place>()
}

/// Where the answers are.
fn answers_at(places: usize) -> usize {
    (questions_at(places) + places * QUESTION_BYTES).next_multiple_of(4096)
}

/// Maps the memory, or forgets all questions: the server is starting, perhaps again after a crash. Where the system refuses, nobody
/// can be asked.
pub(super) fn startup() {
    if let Some(exchange) = Exchange::get() {
        exchange.reset();
        return;
    }
    let places = most_processes();
    // SAFETY: a new mapping, all zero.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            answers_at(places) + room::BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if start != libc::MAP_FAILED {
        MAPPED.store(start.cast(), Ordering::Relaxed);
        if let Some(exchange) = Exchange::get() {
            exchange.places.store(places, Ordering::Relaxed);
        }
    }
}

impl Exchange {
    pub(crate) fn get() -> Option<&'static Self> {
        // SAFETY: mapped for ever, and only changed through atomics, but for the bytes of questions and answers.
        unsafe { MAPPED.load(Ordering::Relaxed).as_ref() }
    }

    /// Who may ask whom when, and which processes follow their signals.
    pub(crate) fn paces(&self) -> &Paces {
        &self.paces
    }

    fn start(&self) -> *mut u8 {
        std::ptr::from_ref(self).cast::<u8>().cast_mut()
    }

    fn places(&self) -> &[Place] {
        // SAFETY: they follow the struct, all zero at first, and consist of atomics.
        unsafe {
            let first = self.start().add(size_of::<Exchange>()).cast::<Place>();
            std::slice::from_raw_parts(first, self.places.load(Ordering::Relaxed))
        }
    }

    /// Forgets everything. Only while there are no other processes.
    fn reset(&self) {
        for place in self.places() {
            place.asker.store(0, Ordering::Relaxed);
            place.turn.store(NONE, Ordering::Relaxed);
        }
        self.paces.reset();
        self.legacies.reset();
        self.room.reset();
        self.give_back(0, room::BYTES);
    }

    /// A place for this process's question, unless all are taken.
    pub(crate) fn occupy(&'static self) -> Option<Asked> {
        leave_at_exit();
        let pid = my_pid();
        let is_free = |&number: &usize| {
            let asker = &self.places()[number].asker;
            asker.compare_exchange(0, pid, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        let number = (0..self.places().len()).find(is_free)?;
        Some(Asked { exchange: self, number })
    }

    fn asked_of_me(&self) -> impl Iterator<Item = (usize, &Place)> {
        let pid = my_pid();
        let is_mine = move |place: &Place| {
            state(place.turn.load(Ordering::Acquire)) == ASKED && place.pid.load(Ordering::Relaxed) == pid
        };
        self.places().iter().enumerate().filter(move |(_, place)| is_mine(place))
    }

    /// Whether a question is put to this process. A signal handler may ask.
    pub(crate) fn is_for_me(&self) -> bool {
        self.asked_of_me().next().is_some()
    }

    /// Takes the questions that are put to this process, one of each asker at most. Gives their number.
    pub(crate) fn take_all(&'static self, mut answer: impl FnMut(Taken)) -> usize {
        let take = |(number, place): (usize, &Place)| {
            let turn = place.turn.load(Ordering::Acquire);
            let taken = state(turn) == ASKED && place.change(turn, ANSWERING);
            taken.then_some(Taken { exchange: self, number, turn: with_state(turn, ANSWERING) })
        };
        self.asked_of_me().filter_map(take).map(&mut answer).count()
    }

    /// Tells those who have asked this process that it cannot answer. A signal handler may.
    pub(crate) fn decline(&self) {
        for (_, place) in self.asked_of_me() {
            let turn = place.turn.load(Ordering::Acquire);
            let latch = place.latch.load(Ordering::Relaxed);
            if state(turn) == ASKED && place.change(turn, DECLINED) {
                // SAFETY: a latch in shared memory.
                unsafe { SetLatch(latch) };
            }
        }
    }

    /// Notes that this process follows its signals, until it ends.
    pub(crate) fn i_follow(&self) {
        leave_at_exit();
        self.paces.follow(my_pid());
    }

    /// Leaves something for another process, to be had when this one has ended. Where there is no room, or nobody who would take
    /// it, it is lost.
    pub(crate) fn leave_behind(&self, heir: i32, length: usize, write: impl FnOnce(&mut [u8])) {
        let let_go = |at, length| self.release(at, length);
        self.legacies.take(|legacy| !is_process(legacy.heir), let_go);
        if !is_process(heir) {
            return;
        }
        let Some(at) = self.room.claim(length) else { return };
        // SAFETY: only the process that has claimed it writes there, and the heir reads when it is there.
        write(unsafe { std::slice::from_raw_parts_mut(self.answer_bytes(at), length) });
        if !self.legacies.add(my_pid(), heir, at, length) {
            self.release(at, length);
        }
    }

    /// What a process that has ended has left for this one, read by `read`. It is gone then.
    pub(crate) fn inherit<R>(&self, from: i32, mut read: impl FnMut(&[u8]) -> R) -> Option<R> {
        let mut taken = None;
        self.legacies.take(
            |legacy| legacy.heir == my_pid() && legacy.from == from,
            |at, length| {
                // SAFETY: written before it was there, and nobody else takes it.
                taken = Some(read(unsafe { std::slice::from_raw_parts(self.answer_bytes(at), length) }));
                self.release(at, length);
            },
        );
        taken
    }

    /// Gives up room.
    fn release(&self, at: usize, length: usize) {
        self.give_back(at, length);
        self.room.release(at, length);
    }

    /// The asker leaves, whatever his question has come to.
    fn leave(&self, place: &Place) {
        let turn = place.turn.load(Ordering::Acquire);
        if state(turn) == ASKED && place.change(turn, NONE) {
            // Nobody has seen the question.
        } else if place.change(with_state(turn, ANSWERING), ABANDONED) {
            // Whoever answers clears up.
            return;
        } else if state(place.turn.load(Ordering::Acquire)) == ANSWERED {
            self.clear(place);
        }
        place.asker.store(0, Ordering::Release);
    }

    /// Gives up the room of an answer.
    fn clear(&self, place: &Place) {
        let (at, length) = (place.answer_at.load(Ordering::Relaxed), place.answer_length.swap(0, Ordering::Relaxed));
        if length > 0 {
            self.release(at, length);
        }
    }

    fn question_bytes(&self, number: usize) -> *mut u8 {
        // SAFETY: inside the mapping.
        unsafe { self.start().add(questions_at(self.places().len()) + number * QUESTION_BYTES) }
    }

    fn answer_bytes(&self, at: usize) -> *mut u8 {
        // SAFETY: inside the mapping.
        unsafe { self.start().add(answers_at(self.places().len()) + at) }
    }

    /// Gives the pages of an answer back to the system. It begins with a page of its own, and nobody else's is in its last.
    fn give_back(&self, at: usize, length: usize) {
        // SAFETY: the part of the mapping behind the questions; read again, its bytes are zero.
        unsafe {
            libc::madvise(self.answer_bytes(at).cast::<c_void>(), length.next_multiple_of(4096), libc::MADV_REMOVE)
        };
    }
}

impl Place {
    fn change(&self, turn: u64, to: u64) -> bool {
        self.turn.compare_exchange(turn, with_state(turn, to), Ordering::AcqRel, Ordering::Relaxed).is_ok()
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
    number: usize,
}

impl Asked {
    fn place(&self) -> &'static Place {
        &self.exchange.places()[self.number]
    }

    /// Puts a question to a process. Gives its length if it is too long.
    pub(crate) fn put(&self, pid: i32, question: &[u8]) -> Result<(), usize> {
        if question.len() > QUESTION_BYTES {
            return Err(question.len());
        }
        let place = self.place();
        place.pid.store(pid, Ordering::Relaxed);
        // SAFETY: a plain variable; the latch lives in shared memory.
        place.latch.store(unsafe { pg_sys::MyLatch }, Ordering::Relaxed);
        // SAFETY: nobody else writes there while the place is ours, or reads before the state says ASKED.
        unsafe {
            let to = self.exchange.question_bytes(self.number);
            std::ptr::copy_nonoverlapping(question.as_ptr(), to, question.len());
        }
        place.question_length.store(question.len() as u32, Ordering::Relaxed);
        let number = (place.turn.load(Ordering::Relaxed) >> STATE_BITS) + 1;
        place.turn.store(number << STATE_BITS | ASKED, Ordering::Release);
        Ok(())
    }

    /// Whether the question was not taken yet. The process may then be sent the signal again.
    pub(crate) fn is_still_asked(&self) -> bool {
        state(self.place().turn.load(Ordering::Acquire)) == ASKED
    }

    /// Whether the process has no way to answer.
    pub(crate) fn is_declined(&self) -> bool {
        state(self.place().turn.load(Ordering::Acquire)) == DECLINED
    }

    /// The answer, read by `read`, if it is there.
    pub(crate) fn answer<R>(&self, read: impl FnOnce(Result<&[u8], Lack>) -> R) -> Option<R> {
        let place = self.place();
        if state(place.turn.load(Ordering::Acquire)) != ANSWERED {
            return None;
        }
        let lack = match place.lacks.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Lack::TooLong),
            _ => Some(Lack::NoRoom),
        };
        if let Some(lack) = lack {
            return Some(read(Err(lack)));
        }
        let (at, length) = (place.answer_at.load(Ordering::Relaxed), place.answer_length.load(Ordering::Relaxed));
        // SAFETY: written before the state said so, and not changed until this process leaves.
        let answer = unsafe { std::slice::from_raw_parts(self.exchange.answer_bytes(at), length) };
        Some(read(Ok(answer)))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.exchange.leave(self.place());
    }
}

fn process_ends() {
    let Some(exchange) = Exchange::get() else { return };
    let pid = my_pid();
    exchange.paces.process_ends(pid);
    exchange.legacies.take(|legacy| legacy.heir == pid, |at, length| exchange.release(at, length));
    for place in exchange.places().iter().filter(|place| place.asker.load(Ordering::Relaxed) == pid) {
        exchange.leave(place);
    }
    // It may end in the middle of an answer, and then the asker is told that it has ended.
    for place in exchange.places().iter().filter(|place| place.pid.load(Ordering::Relaxed) == pid) {
        let turn = place.turn.load(Ordering::Acquire);
        if place.change(with_state(turn, ABANDONED), NONE) {
            place.asker.store(0, Ordering::Release);
        } else {
            place.change(with_state(turn, ANSWERING), NONE);
        }
    }
}

/// A question that this process has taken and must answer.
pub(crate) struct Taken {
    exchange: &'static Exchange,
    number: usize,
    turn: u64,
}

impl Taken {
    fn place(&self) -> &'static Place {
        &self.exchange.places()[self.number]
    }

    /// Who has asked.
    pub(crate) fn asker(&self) -> i32 {
        self.place().asker.load(Ordering::Relaxed)
    }

    /// The question.
    pub(crate) fn question(&self) -> &[u8] {
        let length = self.place().question_length.load(Ordering::Relaxed) as usize;
        // SAFETY: written before the state said ASKED, and not changed until it is answered.
        unsafe { std::slice::from_raw_parts(self.exchange.question_bytes(self.number), length.min(QUESTION_BYTES)) }
    }

    /// Answers with what `write` writes into room for so many bytes.
    pub(crate) fn answer(self, length: usize, write: impl FnOnce(&mut [u8])) {
        let (exchange, place) = (self.exchange, self.place());
        let at = exchange.room.claim(length);
        let lacks = match at {
            Some(_) => 0,
            None if length > room::BYTES => 1,
            None => 2,
        };
        if let Some(at) = at {
            // SAFETY: only the process that has claimed it writes there, and the asker reads when told to.
            write(unsafe { std::slice::from_raw_parts_mut(exchange.answer_bytes(at), length) });
            place.answer_at.store(at, Ordering::Relaxed);
        }
        place.lacks.store(lacks, Ordering::Relaxed);
        place.answer_length.store(at.map_or(0, |_| length), Ordering::Relaxed);
        let latch = place.latch.load(Ordering::Relaxed);
        if place.change(self.turn, ANSWERED) {
            // SAFETY: a latch in shared memory; set for a process that has ended, it wakes the next one once for nothing.
            unsafe { SetLatch(latch) };
        } else {
            exchange.clear(place);
            place.asker.store(0, Ordering::Release);
        }
    }
}
