//! Calls out of the targets, noted as they are made: what tells in a nanosecond that no target is at work.
//!
//! Whatever a target wants of the server it calls through its global offset table. While tracing is on, the slots of the
//! table point at thunks. A thunk writes down where on the stack the return address of its call is, and
//! jumps on to the function: the function finds the stack and the registers as they were, and returns straight to the
//! target. Nothing is written down when a call returns. A note is void when the stack has become shorter than it, and
//! doubtful when the word that it points at is no longer an address in a target; so a note that still stands only says that
//! a walk along the stack is worth its while. Errors that leap over frames need no care at all.
//!
//! A target's last call may be a jump: then the return address is its caller's, and nothing of the target is left on the
//! stack. A thunk that finds no address of its library there calls the function instead of jumping on to it, so that there is a
//! frame as long as the function runs, which says whose jump it was ([`Tail`]). What a function takes on the stack lies above
//! that frame, and is copied.

use std::arch::global_asm;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::elf::symbols;

/// Thunks, that is pairs of a library and a function that it calls, at most: three quarters of them.
const THUNKS: usize = 1 << 14;
/// Bytes from one thunk to the next.
const THUNK_SIZE: usize = 16;
/// Words of arguments on the stack that a jump can pass on. A compiler makes a jump only where the caller was given as much.
const ARGUMENTS: usize = 32;
/// Calls of functions under way that are known at most.
const ENTRIES: usize = 256;
/// Nested calls out of targets at most; calls nested deeper are not noted.
const DEPTH: usize = 1024;

/// How far the other words of a note are from its first.
const RETURNS_TO: usize = DEPTH;
const CALLED: usize = 2 * DEPTH;
const CONTEXT: usize = 3 * DEPTH;

/// Whether a library leaves its code by a jump where it calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub(crate) enum Jumps {
    /// Not that it matters.
    Never = 0,
    /// None is seen, but the address may be jumped to by way of a register; or it is handed to somebody who calls it.
    Perhaps = 1,
    /// There are jumps.
    Surely = 2,
}

/// What a thunk leads to. The order of the members is known to the assembly below. All zero is none.
#[repr(C)]
struct Thunk {
    function: usize,
    /// Where the code of the library is that calls it.
    start: usize,
    length: usize,
    jumps: Jumps,
}

/// A call of a function by fmgr that may be under way: where its return address is on the stack, and the function.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    slot: usize,
    function: usize,
}

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
    /// The code of the function by which fmgr calls those that it tells its hook of.
    fmgr_start: usize,
    fmgr_length: usize,
    /// The newest of their calls.
    entry: *mut Entry,
}

/// The notes. Addresses of return addresses come first, each lower than the one before, and the first of them above every stack.
static mut STACK: [[usize; DEPTH]; 4] = [[usize::MAX; DEPTH]; 4];
/// Stands for CurrentMemoryContext where there is no server.
static NO_CONTEXT: usize = 0;
/// The thunks, by a hash of what they lead to.
static mut TABLE: [Thunk; THUNKS] = [const { Thunk { function: 0, start: 0, length: 0, jumps: Jumps::Never } }; THUNKS];
/// Calls by fmgr, each lower on the stack than the one before. The first is above every stack.
static mut ENTERED: [Entry; ENTRIES] = [Entry { slot: usize::MAX, function: 0 }; ENTRIES];
static mut NOTES: Notes = Notes {
    top: (&raw mut STACK).cast(),
    end: std::ptr::null_mut(),
    thread: 0,
    fence: usize::MAX,
    current: &raw const NO_CONTEXT,
    fmgr_start: 0,
    fmgr_length: 0,
    entry: (&raw mut ENTERED).cast(),
};
/// Number of thunks in use.
static mut USED: usize = 0;
/// Slots that got no thunk, since all were in use.
static mut NOT_NOTED: u64 = 0;

// r11 may be changed between a call and the function (psABI, "Register Usage"); rax holds the number of vector registers of
// a call with variable arguments. What lies up to 128 bytes below the stack pointer is left alone by signals ("The Stack Frame").
//
// The frame of a jump that is made a call, by its distance from the return address of the library's caller: -8 the frame pointer,
// -16 the thunk, -24 the function that fmgr has called, or 0; then the arguments, and the return address.
global_asm!(
    // Notes the call whose return address is to lie where rax says; goes on at 4 where there is no room.
    ".macro pg_ext_memcheck_note",
    "mov rcx, [rip + {notes}]",
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
    ".endm",
    // The words of the note; the return address is in rax.
    ".macro pg_ext_memcheck_words",
    "mov [rcx + {returns_to}], rax",
    "mov rax, [r11]",
    "mov [rcx + {called}], rax",
    "mov rax, [rip + {notes} + 32]",
    "mov rax, [rax]",
    "mov [rcx + {context}], rax",
    ".endm",
    ".p2align 4",
    ".globl pg_ext_memcheck_thunks",
    ".hidden pg_ext_memcheck_thunks",
    "pg_ext_memcheck_thunks:",
    ".set pg_ext_memcheck_thunk, 0",
    ".rept {thunks}",
    "lea r11, [rip + {table} + pg_ext_memcheck_thunk * 32]",
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
    "mov rax, [rsp + 16]",
    "sub rax, [r11 + 8]",
    "cmp rax, [r11 + 16]",
    "jae 5f",
    "6:",
    "lea rax, [rsp + 16]",
    "pg_ext_memcheck_note",
    "mov rax, [rax]",
    "pg_ext_memcheck_words",
    "4:",
    "pop rcx",
    "pop rax",
    "jmp [r11]",
    // The return address is not in the code of the library.
    "5:",
    "cmp qword ptr [r11 + 24], 0",
    "je 6b",
    "mov rax, [rsp + 16]",
    "sub rax, [rip + {notes} + 40]",
    "cmp rax, [rip + {notes} + 48]",
    "jb 7f",
    "xor eax, eax",
    "cmp qword ptr [r11 + 24], 2",
    "jne 6b",
    "jmp 9f",
    // It is in fmgr: which function has it called from there?
    "7:",
    "mov rcx, [rip + {notes} + 56]",
    "lea rax, [rsp + 16]",
    "8:",
    "cmp [rcx], rax",
    "jae 8f",
    "sub rcx, 16",
    "jmp 8b",
    "8:",
    "mov rcx, [rcx + 8]",
    "mov eax, 0",
    "cmove rax, rcx",
    "9:",
    "mov [rsp - 8], rax",
    "pop rcx",
    "pop rax",
    ".type pg_ext_memcheck_tail, @function",
    "pg_ext_memcheck_tail:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push r11",
    "sub rsp, 8 + {arguments} * 8",
    "push rax",
    "push rcx",
    "lea rax, [rsp + 8]",
    "pg_ext_memcheck_note",
    "lea rax, [rip + pg_ext_memcheck_tail_return]",
    "pg_ext_memcheck_words",
    "4:",
    "pop rcx",
    "pop rax",
    ".set pg_ext_memcheck_word, 0",
    ".rept {arguments}",
    "mov r11, [rbp + 16 + pg_ext_memcheck_word * 8]",
    "mov [rsp + pg_ext_memcheck_word * 8], r11",
    ".set pg_ext_memcheck_word, pg_ext_memcheck_word + 1",
    ".endr",
    "mov r11, [rbp - 8]",
    "call [r11]",
    ".globl pg_ext_memcheck_tail_return",
    ".hidden pg_ext_memcheck_tail_return",
    "pg_ext_memcheck_tail_return:",
    "leave",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size pg_ext_memcheck_tail, . - pg_ext_memcheck_tail",
    thunks = const THUNKS,
    arguments = const ARGUMENTS,
    table = sym TABLE,
    notes = sym NOTES,
    returns_to = const RETURNS_TO * size_of::<usize>(),
    called = const CALLED * size_of::<usize>(),
    context = const CONTEXT * size_of::<usize>(),
);

unsafe extern "C" {
    fn pg_ext_memcheck_thunks();
    fn pg_ext_memcheck_tail_return();
}

/// Forgets all notes, and notes the calls of this thread from now on.
pub(crate) fn start() {
    // SAFETY: no slot points at a thunk now, and one thread does this.
    unsafe {
        let stack = (&raw mut STACK).cast::<usize>();
        let current = match symbols::address_of(c"CurrentMemoryContext") {
            0 => &raw const NO_CONTEXT,
            current => std::ptr::with_exposed_provenance(current),
        };
        let fmgr = symbols::code_of(c"fmgr_security_definer").unwrap_or(0..0);
        NOTES = Notes {
            top: stack,
            end: stack.add(DEPTH),
            thread: thread_pointer(),
            fence: usize::MAX,
            current,
            // A return address comes after a call.
            fmgr_start: fmgr.start + 1,
            fmgr_length: fmgr.len(),
            entry: (&raw mut ENTERED).cast(),
        };
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

/// The thunk for a function that a library with its code in this range calls. None when all are in use.
pub(crate) fn thunk(function: usize, library: &Range<usize>, jumps: Jumps) -> Option<usize> {
    // SAFETY: a thunk is used only once it has been written, and leads to its function for ever.
    unsafe {
        let table = (&raw mut TABLE).cast::<Thunk>();
        let hash = (function as u64).wrapping_add((library.start as u64).rotate_left(20));
        let mut number = (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % THUNKS;
        loop {
            let thunk = table.add(number);
            if (*thunk).function == function && (*thunk).start == library.start {
                // It may be called by way of another slot now.
                (*thunk).jumps = (*thunk).jumps.max(jumps);
                break;
            }
            if (*thunk).function == 0 {
                if USED == THUNKS / 4 * 3 {
                    NOT_NOTED += 1;
                    return None;
                }
                thunk.write(Thunk { function, start: library.start, length: library.len(), jumps });
                USED += 1;
                break;
            }
            number = (number + 1) % THUNKS;
        }
        Some(address(number))
    }
}

/// The address of a thunk by its number.
fn address(number: usize) -> usize {
    pg_ext_memcheck_thunks as *const () as usize + number * THUNK_SIZE
}

/// Fmgr, which tells its hook first, is about to call a function from there; `slot` is where the return address of that call,
/// as of the hook's, lies on the stack.
pub(crate) fn entered(slot: usize, function: usize) {
    // SAFETY: this thread's own; the first entry is above every stack.
    unsafe {
        let mut top = NOTES.entry;
        while (*top).slot <= slot {
            top = top.sub(1);
        }
        if top < (&raw mut ENTERED).cast::<Entry>().add(ENTRIES - 1) {
            top = top.add(1);
            top.write(Entry { slot, function });
        }
        NOTES.entry = top;
    }
}

/// A last call of a library that was made a jump, and a call again by the thunk.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    /// Where on the stack the words are that tell it.
    place: usize,
}

/// The address that the functions which thunks call return to.
#[inline(always)]
fn tail_return() -> usize {
    pg_ext_memcheck_tail_return as *const () as usize
}

impl Tail {
    /// Whether a return address and its place on the stack are those of such a call, which is under way.
    #[inline(always)]
    pub(super) fn at(pc: usize, slot: usize) -> Option<Self> {
        (pc == tail_return()).then_some(Tail { place: slot + ARGUMENTS * 8 + 8 })
    }

    /// The words that tell it, with their places on the stack.
    pub(super) fn words(self) -> [(usize, usize); 2] {
        [self.place, self.place + 8].map(|place| {
            // SAFETY: in the frame of the thunk.
            (unsafe { (place as *const usize).read() }, place)
        })
    }

    fn thunk(self) -> &'static Thunk {
        let [_, (thunk, _)] = self.words();
        // SAFETY: a thunk keeps its place, and only `jumps` is written later.
        unsafe { &*(thunk as *const Thunk) }
    }

    /// Where the library's code begins.
    pub(super) fn library(self) -> usize {
        self.thunk().start
    }

    /// The address of the thunk, which the slot holds that was jumped through.
    pub(super) fn held(self) -> usize {
        let first = (&raw const TABLE).addr();
        address((std::ptr::from_ref(self.thunk()).addr() - first) / size_of::<Thunk>())
    }

    /// The function that fmgr has called and that has come to the jump; none where somebody else has called it.
    pub(super) fn entry(self) -> Option<NonZeroUsize> {
        let [(entry, _), _] = self.words();
        NonZeroUsize::new(entry)
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

/// Whether a return address is one of a call out of this code.
#[inline(always)]
fn is_of_call(pc: usize, code: &Range<usize>) -> bool {
    code.contains(&pc) || pc == tail_return()
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
        } else if slot < stack_end && is_of_call(*(slot as *const usize), code) {
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
            if slot < stack_end && is_of_call(*(slot as *const usize), code) {
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
                if slot < stack_end && is_of_call(*(slot as *const usize), code) {
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
        // All code is the library's.
        let to = |function: usize| super::thunk(function, &(0..usize::MAX), Jumps::Never);
        let thunk = to(callee as *const () as usize).unwrap();
        assert_eq!(Some(thunk), to(callee as *const () as usize));
        let other = to(0x1000).unwrap();
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
        let thunk = thunk(function, &(0..usize::MAX), Jumps::Never).unwrap();
        // SAFETY: the thunk goes on to a function of this type.
        let call: extern "C" fn(usize, usize) -> usize = unsafe { std::mem::transmute(thunk) };
        assert_eq!(call(0, usize::MAX), function);
        // A call that is noted by nobody leaves another return address at that place.
        let words = [0x1000usize];
        note((&raw const words[0]).addr());
        assert_eq!(called(noted((&raw const words[0]).addr())), None);
    }

    /// What a function of the server sees that a library has jumped to: its arguments, and whose jump it was.
    #[inline(never)]
    extern "C" fn jumped_to(
        words: &mut [usize; 3],
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        g: usize,
        h: f64,
    ) -> f64 {
        let from = super::super::Registers::here();
        let slot = from.bp() + size_of::<usize>();
        if let Some(tail) = Tail::at(from.caller(), slot) {
            *words = [tail.library(), tail.held(), tail.entry().map_or(0, NonZeroUsize::get)];
        }
        let newest = under_way(&(1..2), from.bp(), usize::MAX).map(Note::slot);
        assert!(newest.is_none_or(|newest| newest == slot));
        [b, c, d, e, f, g].into_iter().fold(h, |sum, argument| sum * 10.0 + argument as f64)
    }

    /// A call whose return address is not in the library's code was a jump of the library's.
    #[test]
    fn a_jump_is_made_a_call() {
        let _alone = alone();
        type Function = extern "C" fn(&mut [usize; 3], usize, usize, usize, usize, usize, usize, f64) -> f64;
        for (jumps, is_seen) in [(Jumps::Never, false), (Jumps::Perhaps, false), (Jumps::Surely, true)] {
            let library = 0x7000 + jumps as usize * 0x1000;
            let thunk = thunk(jumped_to as *const () as usize, &(library..library + 0x100), jumps).unwrap();
            // SAFETY: the thunk goes on to a function of this type.
            let call: Function = unsafe { std::mem::transmute(thunk) };
            let mut words = [0; 3];
            assert_eq!(call(&mut words, 2, 3, 4, 5, 6, 7, 1.0), 1_234_567.0, "{jumps:?}");
            assert_eq!(words, if is_seen { [library, thunk, 0] } else { [0; 3] }, "{jumps:?}");
        }
    }

    #[test]
    fn calls_of_fmgr_are_known_by_their_place_on_the_stack() {
        let _alone = alone();
        let newest = || {
            // SAFETY: this thread's own.
            unsafe { ((*NOTES.entry).slot, (*NOTES.entry).function) }
        };
        entered(0x900, 1);
        entered(0x800, 2);
        assert_eq!(newest(), (0x800, 2));
        // From the same place again, and from one farther out.
        entered(0x800, 3);
        assert_eq!(newest(), (0x800, 3));
        entered(0x900, 4);
        assert_eq!(newest(), (0x900, 4));
        for slot in (1..ENTRIES).rev() {
            entered(slot, slot);
        }
        assert_eq!(newest(), (2, 2), "there is no room for more");
    }

    #[test]
    fn functions_beyond_the_thunks_are_counted_until_tracing_starts_anew() {
        let _alone = alone();
        start();
        let thunk = |function: usize| thunk(function, &(0x100..0x200), Jumps::Never);
        let known = thunk(0x1000);
        // SAFETY: nobody else has to do with the thunks now.
        let used = unsafe { (&raw mut USED).replace(THUNKS / 4 * 3) };
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
