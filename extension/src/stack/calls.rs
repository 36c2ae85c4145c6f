//! Calls out of the targets, noted as they are made: what tells in a nanosecond that no target is at work.
//!
//! Whatever a target wants of the server it calls through its global offset table. While tracing is on, the slots of the
//! table point at thunks. A thunk writes down where on the stack the return address of its call is, and
//! jumps on to the function: the function finds the stack and the registers as they were, and returns straight to the
//! target. Nothing is written down when a call returns. A note is void when the stack has become shorter than it, and
//! doubtful when the word that it points at is no longer an address in a target; so a note that still stands only says that
//! a walk along the stack is worth its while. Errors that leap over frames need no care at all.

use std::arch::global_asm;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::elf::symbols::address_of;

/// Thunks, that is different functions called by targets, at most.
const THUNKS: usize = 4096;
/// Bytes from one thunk to the next.
const THUNK_SIZE: usize = 16;
/// Nested calls out of targets at most; calls nested deeper are not noted.
const DEPTH: usize = 1024;

/// How far the other words of a note are from its first.
const RETURNS_TO: usize = DEPTH;
const CALLED: usize = 2 * DEPTH;
const CONTEXT: usize = 3 * DEPTH;

/// What the thunks work on. The order of the members is known to the assembly below.
///
/// A note is four words, each in an array of its own: where the return address is, the return address, the function that is
/// called, and CurrentMemoryContext.
#[repr(C)]
struct Notes {
    /// The newest note.
    top: *mut usize,
    /// Behind the last place for one.
    end: *mut usize,
    /// The thread pointer of the thread whose calls are noted.
    thread: usize,
    /// Notes of calls that were made before the stack was this short do not count.
    fence: usize,
    /// Where CurrentMemoryContext is.
    current: *const usize,
}

/// The notes. Addresses of return addresses come first, each lower than the one before, and the first of them above every stack.
static mut STACK: [[usize; DEPTH]; 4] = [[usize::MAX; DEPTH]; 4];
/// Stands for CurrentMemoryContext where there is no server.
static NO_CONTEXT: usize = 0;
/// The function behind each thunk.
static mut FUNCTIONS: [usize; THUNKS] = [0; THUNKS];
static mut NOTES: Notes = Notes {
    top: (&raw mut STACK).cast(),
    end: std::ptr::null_mut(),
    thread: 0,
    fence: usize::MAX,
    current: &raw const NO_CONTEXT,
};
/// Number of thunks in use.
static mut USED: usize = 0;
/// Slots that got no thunk, since all were in use.
static mut NOT_NOTED: u64 = 0;

// r11 may be changed between a call and the function (psABI, "Register Usage"); rax holds the number of vector registers of
// a call with variable arguments.
global_asm!(
    ".p2align 4",
    ".globl pg_ext_memcheck_thunks",
    ".hidden pg_ext_memcheck_thunks",
    "pg_ext_memcheck_thunks:",
    ".set pg_ext_memcheck_thunk, 0",
    ".rept {thunks}",
    "lea r11, [rip + {functions} + pg_ext_memcheck_thunk * 8]",
    "jmp 1f",
    ".p2align 4",
    ".set pg_ext_memcheck_thunk, pg_ext_memcheck_thunk + 1",
    ".endr",
    "1:",
    "push rax",
    "push rcx",
    "mov rax, fs:[0]",
    "cmp rax, [rip + {notes} + 16]",
    "jne 4f",
    "mov rcx, [rip + {notes}]",
    "lea rax, [rsp + 16]",
    "2:",
    "cmp [rcx], rax",
    "ja 3f",
    "sub rcx, 8",
    "jmp 2b",
    "3:",
    "add rcx, 8",
    "cmp rcx, [rip + {notes} + 8]",
    "jae 4f",
    "mov [rcx], rax",
    "mov [rip + {notes}], rcx",
    "mov rax, [rax]",
    "mov [rcx + {returns_to}], rax",
    "mov rax, [r11]",
    "mov [rcx + {called}], rax",
    "mov rax, [rip + {notes} + 32]",
    "mov rax, [rax]",
    "mov [rcx + {context}], rax",
    "4:",
    "pop rcx",
    "pop rax",
    "jmp [r11]",
    thunks = const THUNKS,
    functions = sym FUNCTIONS,
    notes = sym NOTES,
    returns_to = const RETURNS_TO * size_of::<usize>(),
    called = const CALLED * size_of::<usize>(),
    context = const CONTEXT * size_of::<usize>(),
);

unsafe extern "C" {
    fn pg_ext_memcheck_thunks();
}

/// Forgets all notes, and notes the calls of this thread from now on.
pub(crate) fn start() {
    // SAFETY: no slot points at a thunk now, and one thread does this.
    unsafe {
        let stack = (&raw mut STACK).cast::<usize>();
        let current = match address_of(c"CurrentMemoryContext") {
            0 => &raw const NO_CONTEXT,
            current => std::ptr::with_exposed_provenance(current),
        };
        NOTES = Notes { top: stack, end: stack.add(DEPTH), thread: thread_pointer(), fence: usize::MAX, current };
        NOT_NOTED = 0;
    }
}

fn thread_pointer() -> usize {
    let pointer;
    // SAFETY: the first word of a thread's control block is its own address (psABI, "Thread-Local Storage").
    unsafe { std::arch::asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags)) };
    pointer
}

/// Whether this is the thread whose calls are noted.
pub(crate) fn is_this_thread() -> bool {
    // SAFETY: written before any thunk or wrapper is in place.
    unsafe { NOTES.thread == thread_pointer() }
}

/// The thunk for a function. None when all are in use.
pub(crate) fn thunk(function: usize) -> Option<usize> {
    // SAFETY: a thunk is used only once its function has been written, and keeps it for ever.
    unsafe {
        let functions = (&raw mut FUNCTIONS).cast::<usize>();
        let number = match (0..USED).find(|&number| *functions.add(number) == function) {
            Some(number) => number,
            None if USED == THUNKS => {
                NOT_NOTED += 1;
                return None;
            }
            None => {
                functions.add(USED).write(function);
                USED += 1;
                USED - 1
            }
        };
        Some(pg_ext_memcheck_thunks as *const () as usize + number * THUNK_SIZE)
    }
}

/// Slots through which this process's targets call unnoted, for want of thunks.
pub(crate) fn not_noted() -> u64 {
    // SAFETY: written by this thread only.
    unsafe { NOT_NOTED }
}

/// A call that may be under way: the stack address of its return address.
#[derive(Clone, Copy)]
pub(crate) struct Note(NonZeroUsize);

/// What a call was, as its thunk has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Called {
    /// The function.
    pub(super) function: usize,
    /// CurrentMemoryContext then.
    pub(super) context: usize,
}

/// What the newest call was, if it is this one. None where the stack has another return address there than when it was noted:
/// that of a call through a pointer, which nobody has noted.
pub(super) fn called(newest: Note) -> Option<Called> {
    // SAFETY: the notes are this thread's, the newest at the top or above; `top` is never outside of them.
    unsafe {
        let mut top = NOTES.top;
        while *top < newest.slot() {
            top = top.sub(1);
        }
        let is_it = *top == newest.slot() && *top.add(RETURNS_TO) == newest.pc();
        is_it.then(|| Called { function: *top.add(CALLED), context: *top.add(CONTEXT) })
    }
}

/// The newest call out of this code that may still be under way. `frame` is where the wrapper that asks keeps its frame pointer:
/// what is noted below it is void, though the word there may be in the code. None if certainly nothing is under way.
#[inline(always)]
pub(super) fn under_way(code: &Range<usize>, frame: usize, stack_end: usize) -> Option<Note> {
    // SAFETY: the notes are this thread's, and end with one that is above every stack.
    unsafe {
        let mut top = NOTES.top;
        while *top < frame {
            top = top.sub(1);
        }
        NOTES.top = top;
        let slot = *top;
        if slot == usize::MAX {
            None
        } else if slot < stack_end && code.contains(&*(slot as *const usize)) {
            NonZeroUsize::new(slot).map(Note)
        } else {
            below(top, code, stack_end)
        }
    }
}

/// The newest call that may be under way, older than the one whose note is at `top`.
///
/// # Safety
/// `top` is a note with a lower place on the stack than the stack pointer has now.
#[inline(never)]
unsafe fn below(mut top: *mut usize, code: &Range<usize>, stack_end: usize) -> Option<Note> {
    // SAFETY: by the caller's promise; addresses between the stack pointer and the end of the stack can be read.
    unsafe {
        while *top != usize::MAX {
            let slot = *top;
            if slot < stack_end && code.contains(&*(slot as *const usize)) {
                return NonZeroUsize::new(slot).map(Note);
            }
            top = top.sub(1);
        }
    }
    None
}

impl Note {
    /// The stack address of the return address.
    #[inline(always)]
    pub(super) fn slot(self) -> usize {
        self.0.get()
    }

    /// The return address.
    #[inline(always)]
    pub(super) fn pc(self) -> usize {
        // SAFETY: between the stack pointer and the end of the stack, as `under_way` has seen.
        unsafe { (self.slot() as *const usize).read() }
    }

    /// Whether this call, and all older ones, were made before the server began to work on its own account.
    #[inline(always)]
    pub(super) fn is_fenced(self) -> bool {
        // SAFETY: this thread's own.
        self.slot() > unsafe { NOTES.fence }
    }

    /// The stack address of the return address of the oldest call out of this code that may be under way, and is fenced as this
    /// newest one is.
    #[inline(never)]
    pub(super) fn oldest(self, code: &Range<usize>, stack_end: usize) -> usize {
        let (mut oldest, fenced) = (self.slot(), self.is_fenced());
        // SAFETY: the notes are this thread's, and end with one that is above every stack; addresses between the stack pointer
        // and the end of the stack can be read.
        unsafe {
            let mut top = NOTES.top;
            while *top != usize::MAX {
                let slot = *top;
                if !fenced && slot > NOTES.fence {
                    break;
                }
                if slot < stack_end && code.contains(&*(slot as *const usize)) {
                    oldest = oldest.max(slot);
                }
                top = top.sub(1);
            }
        }
        oldest
    }
}

/// Has calls that are under way now not count, until the fence is put back. Gives the fence there was.
pub(crate) fn fence(at: usize) -> usize {
    // SAFETY: one thread does this.
    unsafe { std::ptr::replace(&raw mut NOTES.fence, at) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// All tests share the notes. There are none when this returns, and as long as the guard lives only its owner's.
    pub(in super::super) fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        start();
        guard
    }

    /// Notes a call, as a thunk does, whose return address lies lower than those of all that are noted.
    pub(in super::super) fn note(slot: usize) {
        // SAFETY: the notes are those of one test, which makes a few.
        unsafe {
            NOTES.top = NOTES.top.add(1);
            NOTES.top.write(slot);
            NOTES.top.add(RETURNS_TO).write(0);
        }
    }

    /// The note of a call whose return address is at a place.
    pub(in super::super) fn noted(slot: usize) -> Note {
        Note(NonZeroUsize::new(slot).expect("a place on a stack"))
    }

    /// Stands for a function of the server: says whether its caller's call was noted.
    #[inline(never)]
    extern "C" fn callee(code_start: usize, code_end: usize, a: f64, b: u64) -> u64 {
        let here = 0usize;
        let found = under_way(&(code_start..code_end), (&raw const here).addr(), usize::MAX);
        u64::from(found.is_some()) + b + a as u64
    }

    /// One test, since all threads share the thunks.
    #[test]
    fn a_call_through_a_thunk_arrives_and_is_noted() {
        let _alone = alone();
        let thunk = thunk(callee as *const () as usize).unwrap();
        assert_eq!(Some(thunk), super::thunk(callee as *const () as usize));
        let other = super::thunk(0x1000).unwrap();
        assert!(other != thunk && other.is_multiple_of(THUNK_SIZE));
        // SAFETY: the thunk goes on to a function of this type.
        let call: extern "C" fn(usize, usize, f64, u64) -> u64 = unsafe { std::mem::transmute(thunk) };
        assert_eq!(call(0, usize::MAX, 20.0, 100), 121);
        // No return address is in this range.
        assert_eq!(call(1, 2, 20.0, 100), 120);
        let here = (&raw const thunk).addr();
        let notes = || under_way(&(0..usize::MAX), here, usize::MAX).is_some();
        let before = notes();
        std::thread::spawn(move || call(0, usize::MAX, 20.0, 100)).join().unwrap();
        assert_eq!(notes(), before);
        fence(here);
        assert_eq!(call(0, usize::MAX, 20.0, 100), 121);
        assert_eq!(fence(usize::MAX), here);
    }

    /// Stands for a function of the server: what its caller's call was.
    #[inline(never)]
    extern "C" fn called_here(code_start: usize, code_end: usize) -> usize {
        let here = 0usize;
        let newest = under_way(&(code_start..code_end), (&raw const here).addr(), usize::MAX);
        newest.and_then(called).map_or(0, |called| called.function)
    }

    #[test]
    fn a_note_says_which_function_was_called() {
        let _alone = alone();
        let function = called_here as *const () as usize;
        let thunk = thunk(function).unwrap();
        // SAFETY: the thunk goes on to a function of this type.
        let call: extern "C" fn(usize, usize) -> usize = unsafe { std::mem::transmute(thunk) };
        assert_eq!(call(0, usize::MAX), function);
        // A call that is noted by nobody leaves another return address at that place.
        let words = [0x1000usize];
        note((&raw const words[0]).addr());
        assert_eq!(called(noted((&raw const words[0]).addr())), None);
    }

    #[test]
    fn functions_beyond_the_thunks_are_counted_until_tracing_starts_anew() {
        let _alone = alone();
        start();
        let known = thunk(0x1000);
        // SAFETY: nobody else has to do with the thunks now.
        let used = unsafe { (&raw mut USED).replace(THUNKS) };
        assert_eq!((thunk(0x1000), thunk(0x2000), not_noted()), (known, None, 1));
        start();
        assert_eq!(not_noted(), 0);
        // SAFETY: as above.
        unsafe { USED = used };
    }

    #[test]
    fn notes_below_the_frame_are_void() {
        let _alone = alone();
        let words = [0x1000usize, 0x1008, 0x1010];
        let slots = words.each_ref().map(|word| (&raw const *word).addr());
        note(slots[2]);
        note(slots[0]);
        let newest = |frame| under_way(&(0x1000..0x2000), frame, usize::MAX).map(Note::slot);
        assert_eq!(newest(slots[0]), Some(slots[0]));
        assert_eq!(newest(slots[1]), Some(slots[2]));
        // It is gone for good: the stack has become shorter.
        assert_eq!(newest(slots[0]), Some(slots[2]));
        assert_eq!(newest(slots[2] + 1), None);
    }
}
