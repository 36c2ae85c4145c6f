//! The signal handlers, and what is decided in them.
//!
//! They run on a stack of their own, with all other signals blocked. Nothing is allocated, and of the rest of the engine is only
//! asked what [`super::Surroundings`] has. A second fault in here finds its signal blocked, and the kernel ends the process as if
//! there were no handler.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ops::Range;

use memcheck_core::Act;

use super::landing::{self, Landing, land};
use super::policy::{Policy, policy};
use super::report::{FRAMES, Held, How, Outcome, Report, SIGNALS};
use super::watch::{self, Stage};
use super::{Surroundings, Touch, is_mapped, kept, readable};
use crate::elf::{Module, symbols};
use crate::pg::process::{leader, my_pid};
use crate::pg::{ServerThread, held, now};
use crate::stack::{Interrupted, Targets, Walk, end_of_thread_stack};

/// The handlers' stack (bytes). Pages that are not touched are not there.
const HANDLERS_STACK: usize = 256 << 10;
/// The one on which a process that has none left raises its ERROR, or ends.
const OTHER_STACK: usize = 4 << 20;
/// Room that an ERROR takes on the stack.
const ROOM: usize = 256 << 10;
/// What is never mapped at the beginning of the address space, and a member of a struct that a null pointer leads to.
const NEAR_NULL: usize = 64 << 10;

/// What the handlers of this process need.
struct Armed {
    around: Surroundings,
    walk: Walk,
    /// From where it may grow to, to its end.
    stack: Range<usize>,
    handlers_stack: usize,
    other_stack: usize,
    /// Signals that are blocked while nothing out of the ordinary is done.
    mask: u64,
    /// Where the C library's allocator is, which in a process with threads holds a lock.
    allocator: [Range<usize>; 5],
    is_single_threaded: Option<&'static u8>,
    is_on: bool,
    before: [Option<libc::sigaction>; SIGNALS.len()],
    /// Signals of which somebody else has put a handler in place of ours.
    yielded: [bool; SIGNALS.len()],
    before_stack: Option<libc::stack_t>,
}

struct Shared(UnsafeCell<Option<Box<Armed>>>);

/// What the handlers of this process need, which have no other way to it. Written between statements.
static ARMED: ServerThread<Shared> = ServerThread::new(Shared(UnsafeCell::new(None)));

fn armed<'a>() -> Option<&'a mut Armed> {
    // SAFETY: in a handler, which nothing interrupts, or in code that causes no fault.
    unsafe { (*ARMED.0.get()).as_deref_mut() }
}

/// Has faults handled from now on. Where that is not possible, they are as they were. Whether it is.
pub(crate) fn arm(around: Surroundings) -> bool {
    if armed().is_none() {
        // SAFETY: nobody holds it.
        unsafe { *ARMED.0.get() = Armed::new(around).map(Box::new) };
    }
    armed().is_some_and(Armed::install)
}

/// They are handled no more.
pub(crate) fn disarm() {
    if let Some(armed) = armed() {
        armed.remove();
    }
}

/// Takes note of the objects that are loaded now.
pub(crate) fn know(modules: &[Module]) {
    if let Some(armed) = armed() {
        armed.walk.know(modules);
    }
}

/// A new mapping of so many bytes, by where it ends.
fn stack_of(bytes: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: a new mapping.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    (start != libc::MAP_FAILED).then_some(start.addr() + bytes)
}

/// The signals that are blocked now.
fn mask() -> u64 {
    // SAFETY: only asks.
    unsafe {
        let mut now = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &mut now);
        bits(&now)
    }
}

/// The kernel's part of a set of signals.
fn bits(signals: &libc::sigset_t) -> u64 {
    // SAFETY: a set of bits, the first 64 of which are signals 1 to 64.
    unsafe { std::ptr::from_ref(signals).cast::<u64>().read() }
}

fn is_function(handler: usize) -> bool {
    handler != libc::SIG_DFL && handler != libc::SIG_IGN
}

impl Armed {
    fn new(around: Surroundings) -> Option<Self> {
        let end = end_of_thread_stack()?;
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: writes a struct of ours.
        unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
        let size = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX);
        let mut walk = Walk::new();
        (around.targets)(&mut |targets| walk.know(&targets.modules));
        let single = symbols::address_of(c"__libc_single_threaded");
        let allocator = [c"malloc", c"calloc", c"realloc", c"free", c"memalign"];
        Some(Armed {
            around,
            walk,
            stack: end.saturating_sub(size)..end,
            handlers_stack: stack_of(HANDLERS_STACK)?,
            other_stack: stack_of(OTHER_STACK)?,
            mask: mask(),
            allocator: allocator.map(|name| symbols::code_of(name).unwrap_or(0..0)),
            // SAFETY: a variable of the C library, one byte (sys/single_threaded.h).
            is_single_threaded: unsafe { (single as *const u8).as_ref() },
            is_on: false,
            before: [None; SIGNALS.len()],
            yielded: [false; SIGNALS.len()],
            before_stack: None,
        })
    }

    /// Puts the handlers in place. Whether SIGSEGV comes to ours.
    fn install(&mut self) -> bool {
        self.mask = mask();
        // SAFETY: plain structs; the stack is there as long as the process.
        unsafe {
            let mut other: libc::stack_t = std::mem::zeroed();
            libc::sigaltstack(std::ptr::null(), &mut other);
            if other.ss_flags & libc::SS_DISABLE != 0 || other.ss_size < HANDLERS_STACK {
                let start = (self.handlers_stack - HANDLERS_STACK) as *mut c_void;
                let own = libc::stack_t { ss_sp: start, ss_flags: 0, ss_size: HANDLERS_STACK };
                if libc::sigaltstack(&own, std::ptr::null_mut()) == 0 {
                    self.before_stack = Some(other);
                }
            }
        }
        let mut server = 0..0;
        (self.around.targets)(&mut |targets| server = targets.server.clone());
        for (number, &(signal, _)) in SIGNALS.iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal, std::ptr::null(), &mut action) != 0 {
                    continue;
                }
                if is_ours(&action) {
                    self.yielded[number] = false;
                    continue;
                }
                let is_others = is_function(action.sa_sigaction) && !server.contains(&action.sa_sigaction);
                if is_others && self.yielded[number] {
                    // It may call ours in its turn.
                    continue;
                }
                self.before[number] = Some(action);
                if is_others {
                    // Called as it would be.
                    action.sa_flags |= libc::SA_SIGINFO;
                } else {
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    libc::sigfillset(&mut action.sa_mask);
                }
                action.sa_sigaction = on_fault as *const () as usize;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
        self.is_on = true;
        watch::handles(true);
        // SAFETY: only asks.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGSEGV, std::ptr::null(), &mut action) == 0 && is_ours(&action)
        }
    }

    /// Puts back what was in their place, where nobody else has put another there.
    fn remove(&mut self) {
        self.is_on = false;
        watch::handles(false);
        for (number, &(signal, _)) in SIGNALS.iter().enumerate() {
            self.put_back(number, signal);
        }
        if let Some(before) = self.before_stack.take() {
            // SAFETY: as it was.
            unsafe { libc::sigaltstack(&before, std::ptr::null_mut()) };
        }
    }

    fn put_back(&mut self, number: usize, signal: c_int) {
        let Some(before) = self.before[number].take() else { return };
        // SAFETY: as it was.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, std::ptr::null(), &mut action) == 0 {
                self.yielded[number] = !is_ours(&action);
                if is_ours(&action) {
                    libc::sigaction(signal, &before, std::ptr::null_mut());
                }
            }
        }
    }

    /// Puts the frames into a report. Where a target is among them, gives the address in it that is nearest to the fault, and whether
    /// something stands between that must not be left.
    fn look_around(&mut self, report: &mut Report, at: Interrupted, targets: &Targets) -> Found {
        /// Return addresses of which one is put down once, where a recursion comes by them.
        const ROUND: usize = 4;
        /// Frames behind the target's that are looked at.
        const BEHIND: usize = 64;
        let stack = readable(at.sp, &self.stack);
        let mut found = Found::default();
        let (mut last, mut frames, mut behind) = ([0; ROUND], 0, 0);
        let mut candidate = false;
        self.walk.frames_of(at, &stack, |pc, slot| {
            // Where it is interrupted, as if that were behind a call.
            let is_exact = slot == 0;
            let place = match is_exact {
                true if targets.contain(pc) => pc + 1,
                true => 0,
                false => targets.own_place(pc, slot),
            };
            let is_new = !last.contains(&pc);
            last.rotate_right(1);
            last[0] = pc;
            let is_own = targets.own.contains(&pc);
            if found.place == 0 && place == 0 {
                found.is_in_allocator |= self.allocator.iter().any(|code| code.contains(&pc));
            }
            let module = targets.module_at(pc).map(|number| &targets.modules[number]);
            if !found.has_left_library && !is_own {
                found.has_left_library = module.is_none_or(|module| module.name != "libc");
                found.is_left_to_server = found.has_left_library && targets.server.contains(&pc);
            }
            found.is_in_loader |= module.is_some_and(|module| module.name.starts_with("ld-linux"));
            let is_charged = place != 0 && found.place == 0;
            if let Some(room) = found.stack.get_mut(found.frames).filter(|_| !is_own) {
                *room = if place != 0 { place } else { pc + usize::from(is_exact) };
                found.frames += 1;
            }
            if (is_new || is_charged) && (!is_own || is_exact) {
                let shown = if place != 0 { place } else { pc + usize::from(is_exact) };
                let module = targets.module_at(shown.wrapping_sub(1)).map(|number| &targets.modules[number]);
                report.adds(module, shown);
                if is_charged {
                    found.place = place;
                    report.charges_last(true);
                } else if found.place == 0 && !candidate {
                    // Of those that are no target, the first that is neither the server's nor the C library's.
                    candidate = module.is_some_and(|module| {
                        !module.is_executable() && !module.name.starts_with("ld-linux") && module.name != "libc"
                    });
                    if candidate {
                        report.charges_last(false);
                    }
                }
            }
            frames += 1;
            behind += usize::from(found.place != 0);
            behind < BEHIND && (found.place == 0 || report.frames_so_far() < FRAMES)
        });
        found
    }

    /// What a fault is to come to.
    fn outcome(&self, report: &Report, found: &Found, held: Held, sp: usize, blocked: u64) -> Outcome {
        let wanted = match policy() {
            Policy::Report => return Outcome::Died,
            Policy::Error if held::works_for_client() => Outcome::Error,
            Policy::Error | Policy::Fatal => Outcome::Fatal,
        };
        let is_threaded = self.is_single_threaded.is_some_and(|single| *single == 0);
        let gives_back = watch::insists() && matches!(held, Held::Lock | Held::Interrupts);
        let stays = held != Held::Nothing && !gives_back
            // Nobody would hear of it.
            || held::is_ending()
            || !report.is_of_target()
            // It has given up by itself: a PANIC, or an assertion.
            || found.is_left_to_server && report.signal == libc::SIGABRT
            // Another thread waits for it.
            || found.is_in_allocator && is_threaded
            // In a handler of another signal.
            || blocked & !self.mask & !abort_alone() != 0
            || landing::is_under_way()
            || found.is_in_loader
            || !held::is_caught_on(&(if self.stack.contains(&sp) { sp } else { self.stack.start }..self.stack.end))
            || (self.around.is_busy)();
        if stays { Outcome::Died } else { wanted }
    }
}

/// What stands between a fault and the nearest target.
#[derive(Default)]
struct Found {
    /// The address in the target, as a return address; 0 for none.
    place: usize,
    is_in_allocator: bool,
    /// Whether it was the server that has called the C library.
    is_left_to_server: bool,
    has_left_library: bool,
    /// Whether the dynamic linker is at work, which is to be left in no state between.
    is_in_loader: bool,
    /// The frames without those of the engine, and how many these are.
    stack: [usize; STACK],
    frames: usize,
}

/// Frames of a stack that are told of an access to a chunk.
const STACK: usize = 16;

/// SIGABRT, of which abort() does with the mask what it likes.
fn abort_alone() -> u64 {
    1 << (libc::SIGABRT - 1)
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == on_fault as *const () as usize
}

/// What a process holds, with the name of the lock if it is one.
fn holds() -> (Held, &'static str) {
    if held::is_in_critical_section() {
        return (Held::CriticalSection, "");
    }
    if !held::holds_off_interrupts() {
        return (Held::Nothing, "");
    }
    match held::lock() {
        Some(name) => (Held::Lock, name.to_str().unwrap_or_default()),
        None => (Held::Interrupts, ""),
    }
}

/// Whether this is the process that the server has forked, and the thread in which that runs: not a child of a library's, nor a
/// thread.
fn is_server_itself() -> bool {
    // SAFETY: asks the system.
    unsafe { libc::getpid() == my_pid() && libc::gettid() == my_pid() }
}

/// The handler of all signals that are faults.
unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both structs; what is changed in the latter the thread goes on with. `errno` is that of this thread.
    unsafe {
        let errno = *libc::__errno_location();
        let context = &mut *context.cast::<libc::ucontext_t>();
        if !is_handled(signal, &*info, context) {
            as_before(signal, info, std::ptr::from_mut(context).cast());
        }
        *libc::__errno_location() = errno;
    }
}

/// Reports a fault, and lands it. Whether that has been done.
fn is_handled(signal: c_int, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let is_timer = signal == watch::SIGNAL && info.si_code == libc::SI_TIMER;
    // SAFETY: there is a sender where the code says so.
    let is_sent = info.si_code <= 0 && !is_timer && unsafe { info.si_pid() } != my_pid();
    if signal == libc::SIGSEGV && info.si_code > 0 && is_caught(info, context) {
        // It writes once more.
        return true;
    }
    if is_sent || !is_server_itself() {
        return false;
    }
    let waits = is_timer && held::waits_for_lock();
    // For another one, which has to come to its end first.
    if waits && !watch::wants_wait() {
        return true;
    }
    let stage = is_timer.then(|| if waits { Stage::InTime } else { watch::comes() });
    if stage == Some(Stage::InTime) && !waits {
        return true;
    }
    let Some(armed) = armed().filter(|armed| armed.is_on) else { return waits };
    let Some(number) = SIGNALS.iter().position(|&(known, _)| known == signal) else { return false };
    let register = |number: c_int| context.uc_mcontext.gregs[number as usize] as usize;
    let at = interrupted(context);
    // SAFETY: an address where the signal has one, else a number.
    let address = unsafe { info.si_addr() }.addr();
    let page_fault = (register(libc::REG_TRAPNO) == PAGE_FAULT).then(|| register(libc::REG_ERR));
    if act(page_fault) == Some(Act::Read) && signal == libc::SIGSEGV && (armed.around.opens)(address, at.pc) {
        // It reads once more.
        return true;
    }
    let how = match is_timer {
        true => How::Late,
        false => how(signal, info.si_code, address, page_fault, at, &armed.stack),
    };
    let mut report = Report::new(now(), my_pid(), how);
    report.signal = signal;
    report.accesses(act(page_fault), address);
    let (what, found) = describe(armed, &mut report, at);
    if waits {
        watch::waits(&report);
        return true;
    }
    if signal == libc::SIGSEGV && page_fault.is_some() {
        armed.touches(&mut report, &found.around, address, at.sp);
    }
    let blocked = bits(&context.uc_sigmask);
    let before = armed.before[number];
    let owner = before.map_or(libc::SIG_DFL, |before| before.sa_sigaction);
    let is_servers = is_function(owner) && found.server.contains(&owner);
    let is_others = is_function(owner) && !is_servers;
    let outcome = match armed.outcome(&report, &found.around, what, at.sp, blocked) {
        _ if is_others => Outcome::Passed,
        Outcome::Died if is_servers => Outcome::Served,
        outcome => outcome,
    };
    let outcome = match stage {
        None => outcome,
        Some(_) if matches!(outcome, Outcome::Error | Outcome::Fatal) => outcome,
        Some(Stage::TooLate) => {
            if held::gives_back_where_it_waits() {
                // It comes back from there, and is ended by who has called it.
                report.comes_to(Outcome::Fatal);
                kept::keep(&report);
                watch::gives_back();
                return true;
            }
            held::leave_critical_section();
            Outcome::Fatal
        }
        // Nothing has gone wrong but the time: it comes again.
        Some(_) => return true,
    };
    report.comes_to(outcome);
    kept::keep(&report);
    match outcome {
        Outcome::Error | Outcome::Fatal => {
            let (sp, is_other_stack) = armed.ground(at.sp);
            let caller = if is_other_stack { 0 } else { at.pc };
            armed.lands(report, outcome, is_other_stack, found.around.place);
            landing::lead_there(&mut context.uc_mcontext.gregs, sp, caller);
            if is_other_stack {
                context.uc_mcontext.gregs[libc::REG_RBP as usize] = 0;
            }
            true
        }
        Outcome::Served => {
            let (sp, is_other_stack) = armed.ground(at.sp);
            if is_other_stack {
                return false;
            }
            landing::lead_there(&mut context.uc_mcontext.gregs, sp, at.pc);
            context.uc_mcontext.gregs[libc::REG_RIP as usize] = owner as libc::greg_t;
            context.uc_mcontext.gregs[libc::REG_RDI as usize] = signal.into();
            true
        }
        Outcome::Died | Outcome::Passed => false,
    }
}

fn interrupted(context: &libc::ucontext_t) -> Interrupted {
    let register = |number: c_int| context.uc_mcontext.gregs[number as usize] as usize;
    Interrupted {
        pc: register(libc::REG_RIP),
        is_behind_call: false,
        sp: register(libc::REG_RSP),
        bp: register(libc::REG_RBP),
    }
}

/// Takes note of who writes to memory that is closed for that alone, and opens it. Whether that was it. A thread of a library's and a
/// child that is not the server's go on without being told of.
fn is_caught(info: &libc::siginfo_t, context: &libc::ucontext_t) -> bool {
    let Some(armed) = armed().filter(|armed| armed.is_on) else { return false };
    // SAFETY: SIGSEGV of the kernel's has an address.
    let address = unsafe { info.si_addr() }.addr();
    let Some(number) = (armed.around.catches)(address) else { return false };
    if is_server_itself() {
        let mut report = Report::new(now(), my_pid(), How::Forbidden);
        describe(armed, &mut report, interrupted(context));
        (armed.around.is_caught)(number, kept::keep_write(&report));
    }
    true
}

/// The exception of a page that is not there or not allowed (Intel SDM, volume 3, 6.15).
const PAGE_FAULT: usize = 14;

/// Bits of its error code: a write, and the fetch of an instruction.
const WRITE: usize = 1 << 1;
const FETCH: usize = 1 << 4;

fn act(page_fault: Option<usize>) -> Option<Act> {
    match page_fault {
        Some(error) if error & WRITE != 0 => Some(Act::Write),
        Some(error) if error & FETCH == 0 => Some(Act::Read),
        _ => None,
    }
}

/// What has happened, by what the kernel says of it.
fn how(
    signal: c_int,
    code: c_int,
    address: usize,
    page_fault: Option<usize>,
    at: Interrupted,
    stack: &Range<usize>,
) -> How {
    /// siginfo.h
    const SEGV_MAPERR: c_int = 1;
    const SEGV_ACCERR: c_int = 2;
    const FPE_INTDIV: c_int = 1;
    /// Bytes below the stack pointer that a call pushes to or a function probes.
    const BELOW: usize = 4096;
    match (signal, code) {
        (libc::SIGABRT, ..=0) => How::Abort,
        (_, ..=0) => How::Other,
        (libc::SIGSEGV, _) if page_fault.is_none() => How::NoAddress,
        (libc::SIGSEGV, _) if page_fault.is_some_and(|error| error & FETCH != 0) => How::Nowhere,
        (libc::SIGSEGV, SEGV_MAPERR) if is_at_end_of_stack(address, at.sp, stack, BELOW) => How::Overflow,
        (libc::SIGSEGV, _) if address < NEAR_NULL => How::Null,
        (libc::SIGSEGV, SEGV_ACCERR) => How::Forbidden,
        (libc::SIGSEGV, _) => How::Unmapped,
        (libc::SIGBUS, _) => How::BeyondFile,
        (libc::SIGFPE, FPE_INTDIV) => How::Division,
        (libc::SIGFPE, _) => How::Arithmetic,
        (libc::SIGILL | libc::SIGTRAP, _) => How::Instruction,
        _ => How::Other,
    }
}

/// Whether an address that is not mapped belongs to the stack: everything from its pointer on is mapped, unless there is no room.
fn is_at_end_of_stack(address: usize, sp: usize, stack: &Range<usize>, below: usize) -> bool {
    /// What a function may have on the stack, which it reaches for all at once.
    const FRAME: usize = 64 << 20;
    let lowest = stack.start.saturating_sub(FRAME);
    (lowest..stack.end).contains(&address) && address >= sp.saturating_sub(below)
}

/// What was found around a fault.
struct Around {
    around: Found,
    server: Range<usize>,
}

/// Puts down where a fault was, and what the process holds.
fn describe(armed: &mut Armed, report: &mut Report, at: Interrupted) -> (Held, Around) {
    report.leader = leader().unwrap_or(0);
    let (what, lock) = holds();
    report.holds(what, lock);
    let mut found = Around { around: Found::default(), server: 0..0 };
    (armed.around.targets)(&mut |targets| {
        found.around = armed.look_around(report, at, targets);
        found.server = targets.server.clone();
    });
    (what, found)
}

impl Armed {
    /// Looks whether the address is that of a chunk that is guarded.
    fn touches(&self, report: &mut Report, found: &Found, address: usize, sp: usize) {
        let stack = &found.stack[..found.frames];
        let touch = Touch { address, act: report.act(), place: found.place, sp, stack };
        let Some(touched) = (self.around.touches)(&touch) else { return };
        (self.around.targets)(&mut |targets| {
            let module = |pc: usize| targets.module_at(pc).map(|number| &targets.modules[number]);
            report.touches(touched, module(touched.allocated), module(touched.released));
            if found.place == 0 && touched.allocated != 0 {
                report.charges_owner();
            }
        });
    }

    /// Takes note of what is to be landed.
    fn lands(&self, report: Report, outcome: Outcome, is_other_stack: bool, place: usize) {
        let is_fatal = outcome == Outcome::Fatal;
        landing::begins(Landing { report, is_fatal, is_other_stack, place, pause: self.around.pause });
    }

    /// Where the stack is to be for an ERROR: below what was interrupted, or where that has no room, another one.
    fn ground(&self, sp: usize) -> (usize, bool) {
        /// What a function may use below the stack pointer (System V ABI, the red zone).
        const RED_ZONE: usize = 128;
        let lowest = self.stack.start + ROOM;
        let own = sp.saturating_sub(RED_ZONE);
        let is_room = (lowest..self.stack.end).contains(&own) && is_mapped((own - 64) / super::PAGE * super::PAGE);
        if is_room { (own, false) } else { (self.other_stack - 64, true) }
    }
}

/// A target calls exit() or _exit(). Returns where it is to be called.
pub(super) fn ends(at: Interrupted, how: How, code: i32) {
    if !is_server_itself() {
        return;
    }
    let Some(armed) = armed().filter(|armed| armed.is_on) else { return };
    let mut report = Report::new(now(), my_pid(), how);
    report.code = code;
    let (what, found) = describe(armed, &mut report, at);
    let outcome = armed.outcome(&report, &found.around, what, at.sp, mask());
    report.comes_to(outcome);
    kept::keep(&report);
    if matches!(outcome, Outcome::Error | Outcome::Fatal) {
        armed.lands(report, outcome, false, found.around.place);
        // SAFETY: the caller does not go on.
        unsafe { land() }
    }
}

/// Has a signal come to what it would have without the engine.
///
/// # Safety
/// In its handler, with what that was called with.
unsafe fn as_before(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let number = SIGNALS.iter().position(|&(known, _)| known == signal);
    let kept = armed().zip(number).map(|(armed, number)| (armed.before[number], armed, number));
    // SAFETY: as the kernel would call it, or do by itself.
    unsafe {
        let default = libc::sigaction { sa_sigaction: libc::SIG_DFL, ..std::mem::zeroed() };
        match kept {
            Some((Some(before), ..)) if is_function(before.sa_sigaction) => {
                let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(before.sa_sigaction);
                return handler(signal, info, context);
            }
            Some((Some(_), armed, number)) => armed.put_back(number, signal),
            _ => _ = libc::sigaction(signal, &default, std::ptr::null_mut()),
        }
        // What was not sent comes again by itself, as soon as the handler has returned; unless the instruction is behind it.
        if (*info).si_code <= 0 || signal == libc::SIGTRAP || signal == libc::SIGSYS {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
        }
    }
}
