//! Faults of the targets: SIGSEGV and the like, abort(), exit(). Reported in memory that survives the process, and, where the policy
//! says so and nothing stands against it, made an ERROR of.
//!
//! ```text
//! fault --handler, on a stack of its own--> report --> kept (a mapping of the postmaster's)
//!                                             |
//!                      policy, and what the process holds: may it be landed?
//!                           no: what would have become of it without the engine
//!                           yes: sigreturn leads to a function that raises an ERROR
//! ```
//!
//! The handlers are there while allocations are traced, in the processes in which they are, and nowhere else.
//!
//! The handler leaves by returning, with other registers than it was called with: a jump out of it would leave the signal
//! blocked, and the next fault would kill. What the target had in hand is as the fault has left it; so is whatever else does not go by
//! resource owners and memory contexts.

mod handler;
mod kept;
mod landing;
pub(crate) mod policy;
mod report;
pub(crate) mod watch;

use std::ops::Range;

use memcheck_core::{Act, CheckKind};

use crate::contexts::Names;
use crate::pg::now;
use crate::pg::process::my_pid;
use crate::stack::{Interrupted, Registers, Targets};

pub(crate) use handler::{arm, disarm, know};
pub(crate) use kept::{newest, prepare, since, written};
pub(crate) use report::{Outcome, Report};

/// Shows the targets to whom it is given.
type Targeted = fn(&mut dyn FnMut(&Targets));

/// An access at which a target has faulted.
pub(crate) struct Touch<'a> {
    pub(crate) address: usize,
    pub(crate) act: Option<Act>,
    /// The address in the target, as a return address; 0 for none.
    pub(crate) place: usize,
    /// The stack pointer.
    pub(crate) sp: usize,
    /// Addresses from the inside out.
    pub(crate) stack: &'a [usize],
}

/// What a chunk that is guarded has to do with it.
#[derive(Clone, Copy)]
pub(crate) struct Touched {
    pub(crate) check: CheckKind,
    pub(crate) act: Option<Act>,
    /// In bytes from the start of the chunk.
    pub(crate) offset: isize,
    /// Bytes that the chunk was requested with.
    pub(crate) requested: usize,
    /// The names of its context; none for the heap.
    pub(crate) context: Option<Names>,
    /// Where it was allocated, and where it was given back; 0 where that is not known.
    pub(crate) allocated: usize,
    pub(crate) released: usize,
}

/// What is asked of the rest of the engine.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings {
    /// Shows the targets.
    pub(crate) targets: Targeted,
    /// Opens what lies at an address to code that may read it, though it is closed to others. Whether it was so.
    pub(crate) opens: fn(usize, usize) -> bool,
    /// Opens a page of shared memory that is closed only for who writes to it to be caught. Gives a number for it.
    pub(crate) catches: fn(usize) -> Option<usize>,
    /// Takes note of who was, by the number of a report.
    pub(crate) is_caught: fn(usize, u64),
    /// Looks whose chunk an address is, and notes the access.
    pub(crate) touches: fn(&Touch) -> Option<Touched>,
    /// Has allocations pass by unseen, or seen again: while an ERROR is made the stack is not what it looks like.
    pub(crate) pause: fn(bool),
    /// Whether the engine itself is at work, and would be left in the middle of it.
    pub(crate) is_busy: fn() -> bool,
}

/// A target ends the process by a function of the C library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By `exit`.
    InOrder,
    /// By `_exit`.
    AtOnce,
}

/// A target has called such a function: reports it, and returns where it is to be called.
pub(crate) fn ends(from: Registers, ending: Ending, code: i32) {
    let how = match ending {
        Ending::InOrder => report::How::Exit,
        Ending::AtOnce => report::How::ExitAtOnce,
    };
    handler::ends(Interrupted::caller_of(from), how, code);
}

/// Keeps a report of a function that something was written in. Gives its number.
pub(crate) fn keep_call(targets: Targeted, code: usize) -> u64 {
    let mut report = Report::new(now(), my_pid(), report::How::Other);
    targets(&mut |targets| {
        let module = targets.module_at(code).map(|number| &targets.modules[number]);
        // As if it returned to behind its first instruction.
        report.adds(module, code + 1);
        report.charges_last(true);
    });
    kept::keep_write(&report)
}

/// What can be read of the stack from an address on, up to its end; nothing where that is no address in it.
fn readable(from: usize, stack: &Range<usize>) -> Range<usize> {
    /// Bytes of locals that a function may have at most, for its caller to be found.
    const FRAME: usize = 16 << 20;
    let pages = (from / PAGE * PAGE..stack.end).step_by(PAGE).take(FRAME / PAGE);
    let first = pages.into_iter().find(|&page| stack.contains(&from) && is_mapped(page));
    first.map_or(0..0, |page| page.max(from)..stack.end)
}

const PAGE: usize = 4096;

/// Whether there is memory at a page.
fn is_mapped(page: usize) -> bool {
    // SAFETY: nothing is written; it fails where nothing is.
    unsafe { libc::msync(page as *mut libc::c_void, PAGE, libc::MS_ASYNC) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_of_a_stack_begins_where_it_is_mapped() {
        // SAFETY: a new mapping, of which the first two pages are given back.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), 8 * PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert!(start != libc::MAP_FAILED);
            assert_eq!(libc::munmap(start, 2 * PAGE), 0);
            start.addr()
        };
        let stack = start..start + 8 * PAGE;
        assert_eq!(readable(start + 3 * PAGE + 8, &stack), start + 3 * PAGE + 8..stack.end);
        assert_eq!(readable(start + 8, &stack), start + 2 * PAGE..stack.end);
        assert_eq!(readable(start - 8, &stack), 0..0);
        assert_eq!(readable(stack.end, &stack), 0..0);
    }
}
