//! What is kept of a fault, and the words for it.

use std::fmt;

use memcheck_core::{Act, Frame};

use super::Touched;
use crate::elf::{Module, modules, symbols};
use crate::shmem::text::Text;

/// Frames kept at most.
pub(super) const FRAMES: usize = 32;
/// Objects that these can be in.
const OBJECTS: usize = 8;
/// Stands for none of them.
const NO_OBJECT: u8 = u8::MAX;

/// What has happened. The numbers are kept in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum How {
    /// An access near address 0.
    Null,
    /// An access to an address where nothing is.
    Unmapped,
    /// An access that the memory there does not allow.
    Forbidden,
    /// An access to what cannot be an address.
    NoAddress,
    /// A call of what is no code.
    Nowhere,
    /// The stack has no room.
    Overflow,
    /// An access to a part of a mapping that its file does not have.
    BeyondFile,
    /// Division of integers.
    Division,
    /// Another exception of arithmetic.
    Arithmetic,
    /// An instruction that does not exist, or that is there to end the process.
    Instruction,
    /// abort()
    Abort,
    /// exit()
    Exit,
    /// _exit()
    ExitAtOnce,
    /// Anything else.
    Other,
    /// A call that does not come back.
    Late,
}

impl How {
    const ALL: [How; 15] = [
        How::Null,
        How::Unmapped,
        How::Forbidden,
        How::NoAddress,
        How::Nowhere,
        How::Overflow,
        How::BeyondFile,
        How::Division,
        How::Arithmetic,
        How::Instruction,
        How::Abort,
        How::Exit,
        How::ExitAtOnce,
        How::Other,
        How::Late,
    ];
}

/// What a process holds that all others wait for, or that nobody can put right if it stops here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Held {
    Nothing,
    /// It is in a critical section.
    CriticalSection,
    /// It holds an LWLock.
    Lock,
    /// It does not want to be interrupted, for another reason.
    Interrupts,
}

/// What has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// The process died as it would have without the engine.
    Died,
    /// The statement ended by an ERROR.
    Error,
    /// The process ended by itself.
    Fatal,
    /// The server made an ERROR of it, as it does of exceptions of arithmetic.
    Served,
    /// Somebody else's signal handler was called.
    Passed,
}

impl Outcome {
    const ALL: [Outcome; 5] = [Outcome::Died, Outcome::Error, Outcome::Fatal, Outcome::Served, Outcome::Passed];

    /// A word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Died => "died",
            Outcome::Error | Outcome::Served => "error",
            Outcome::Fatal => "fatal",
            Outcome::Passed => "passed on",
        }
    }
}

/// An address in an object, by the number of that.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    object: u8,
    /// As a return address has it: behind the instruction.
    offset: u64,
}

impl Place {
    const NOWHERE: Place = Place { object: NO_OBJECT, offset: 0 };
}

/// An object by its name and its build ID.
#[derive(Clone, Copy)]
#[repr(C)]
struct Object {
    name: Text<64>,
    build_id: Text<64>,
}

/// A fault. Nothing that memory held: names, numbers and offsets.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Report {
    /// Microseconds since 2000.
    pub(crate) at: i64,
    pub(crate) pid: i32,
    /// The process that a parallel worker works for; 0 for none.
    pub(crate) leader: i32,
    /// 0 where it was no signal.
    pub(super) signal: i32,
    /// The code that exit() was called with.
    pub(super) code: i32,
    how: u8,
    act: Option<Act>,
    held: u8,
    outcome: u8,
    /// The address of an access near 0.
    near: u64,
    lock: Text<64>,
    objects: [Object; OBJECTS],
    known: u8,
    frames: [Place; FRAMES],
    count: u8,
    /// Which of them is charged with it.
    culprit: u8,
    /// Whether that is one of a target.
    is_target: bool,
    /// Whether it is none of them, but who has allocated the chunk.
    is_owners: bool,
    /// Where it was an access to a chunk that is guarded.
    touched: Option<Touched>,
    allocated: Place,
    released: Place,
}

impl Report {
    /// One of which nothing is known yet but what it is.
    pub(super) fn new(at: i64, pid: i32, how: How) -> Self {
        let nothing = Text::new("");
        Report {
            at,
            pid,
            leader: 0,
            signal: 0,
            code: 0,
            how: how as u8,
            act: None,
            held: Held::Nothing as u8,
            outcome: Outcome::Died as u8,
            near: 0,
            lock: nothing,
            objects: [Object { name: nothing, build_id: nothing }; OBJECTS],
            known: 0,
            frames: [Place::NOWHERE; FRAMES],
            count: 0,
            culprit: 0,
            is_target: false,
            is_owners: false,
            touched: None,
            allocated: Place::NOWHERE,
            released: Place::NOWHERE,
        }
    }

    pub(super) fn accesses(&mut self, act: Option<Act>, address: usize) {
        (self.act, self.near) = (act, address as u64);
    }

    pub(super) fn act(&self) -> Option<Act> {
        self.act
    }

    /// It was an access to a chunk that is guarded, which was allocated and given back in these objects.
    pub(super) fn touches(&mut self, touched: Touched, allocated: Option<&Module>, released: Option<&Module>) {
        self.allocated = self.place(allocated, touched.allocated);
        self.released = self.place(released, touched.released);
        self.touched = Some(touched);
    }

    /// The access, where it was one to a chunk that is guarded, with the places where that was allocated and given back.
    pub(crate) fn touched(&self) -> Option<(&Touched, Option<Frame>, Option<Frame>)> {
        let touched = self.touched.as_ref()?;
        let loaded = modules::loaded();
        Some((touched, self.frame(&loaded, &self.allocated), self.frame(&loaded, &self.released)))
    }

    pub(super) fn holds(&mut self, held: Held, lock: &str) {
        (self.held, self.lock) = (held as u8, Text::new(lock));
    }

    pub(super) fn comes_to(&mut self, outcome: Outcome) {
        self.outcome = outcome as u8;
    }

    /// Adds a frame, or puts it in place of the last one where there is no room. Whether there was.
    pub(super) fn adds(&mut self, module: Option<&Module>, pc: usize) -> bool {
        let place = self.place(module, pc);
        let has_room = usize::from(self.count) < FRAMES;
        self.frames[usize::from(self.count).min(FRAMES - 1)] = place;
        self.count += u8::from(has_room);
        has_room
    }

    fn place(&mut self, module: Option<&Module>, pc: usize) -> Place {
        match module {
            Some(module) => Place { object: self.object(module), offset: (pc - module.base) as u64 },
            None => Place::NOWHERE,
        }
    }

    /// Frames so far.
    pub(super) fn frames_so_far(&self) -> usize {
        self.count.into()
    }

    fn object(&mut self, module: &Module) -> u8 {
        let name = Text::new(if module.is_executable() { "postgres" } else { &module.name });
        let build_id = Text::new(&module.build_id);
        let known = &self.objects[..usize::from(self.known)];
        if let Some(number) = known.iter().position(|other| other.build_id.is(&build_id) && other.name.is(&name)) {
            return number as u8;
        }
        if usize::from(self.known) == OBJECTS {
            return NO_OBJECT;
        }
        self.objects[usize::from(self.known)] = Object { name, build_id };
        self.known += 1;
        self.known - 1
    }

    /// The last frame is the one that is charged with it.
    pub(super) fn charges_last(&mut self, is_target: bool) {
        (self.culprit, self.is_target) = (self.count.saturating_sub(1), is_target);
    }

    /// None of the frames is a target's: the one that has allocated the chunk is charged with it.
    pub(super) fn charges_owner(&mut self) {
        (self.culprit, self.is_target, self.is_owners) = (u8::MAX, true, true);
    }

    /// Whether a target is charged with it.
    pub(crate) fn is_of_target(&self) -> bool {
        self.is_target
    }

    fn how(&self) -> How {
        How::ALL.get(usize::from(self.how)).copied().unwrap_or(How::Other)
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::ALL.get(usize::from(self.outcome)).copied().unwrap_or(Outcome::Died)
    }

    /// Whether it is no fault, but a call that does not come back.
    pub(crate) fn is_late(&self) -> bool {
        self.how() == How::Late
    }

    /// What it is called: the signal, or what was called.
    pub(crate) fn what(&self) -> &'static str {
        if let Some(touched) = &self.touched {
            return touched.check.as_str();
        }
        match self.how() {
            How::Exit => "exit",
            How::ExitAtOnce => "_exit",
            How::Overflow => "stack overflow",
            How::Late => "endless call",
            _ => name_of(self.signal),
        }
    }

    /// What the process held; nothing where that is nothing.
    pub(crate) fn holding(&self) -> Option<String> {
        match self.held {
            held if held == Held::CriticalSection as u8 => Some("in a critical section".to_owned()),
            held if held == Held::Lock as u8 => Some(match self.lock.to_text() {
                name if name.is_empty() => "holding an LWLock".to_owned(),
                name => format!("holding LWLock \"{name}\""),
            }),
            held if held == Held::Interrupts as u8 => Some("with interrupts held off".to_owned()),
            _ => None,
        }
    }

    /// The library that is charged with it, and where in that.
    pub(super) fn culprit(&self) -> Option<(String, u64)> {
        let frame = self.frames.get(usize::from(self.culprit)).filter(|_| self.culprit < self.count);
        let place = if self.is_owners { &self.allocated } else { frame? };
        let object = self.objects.get(usize::from(place.object))?;
        Some((object.name.to_text(), place.offset))
    }

    /// Where the chunk was allocated, where who has done so is charged with it.
    pub(crate) fn owner(&self) -> Option<Frame> {
        self.is_owners.then(|| self.frame(&modules::loaded(), &self.allocated))?
    }

    /// The frames, from the inside out, and which of them is charged with it. Functions have names where their libraries are
    /// loaded in this process.
    pub(crate) fn stack(&self) -> (Vec<Frame>, Option<usize>) {
        let loaded = modules::loaded();
        let mut charged = None;
        let mut frames = Vec::new();
        for (number, place) in self.frames.iter().take(self.count.into()).enumerate() {
            let Some(frame) = self.frame(&loaded, place) else { continue };
            if number == usize::from(self.culprit) {
                charged = Some(frames.len());
            }
            frames.push(frame);
        }
        (frames, charged)
    }

    fn frame(&self, loaded: &[Module], place: &Place) -> Option<Frame> {
        let object = self.objects.get(usize::from(place.object))?;
        let (library, build_id) = (object.name.to_text(), object.build_id.to_text());
        let is_it = |module: &&Module| {
            let name = if module.is_executable() { "postgres" } else { &module.name };
            name == library && module.build_id == build_id
        };
        let module = loaded.iter().find(is_it);
        let symbol = module.and_then(|module| symbols::function_at(module.base + place.offset as usize));
        Some(Frame { library, build_id, offset: place.offset, symbol, line: None })
    }
}

/// What has happened, in a clause.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = self.act.map_or("access", Act::as_str);
        if let Some(Touched { act, offset, requested, .. }) = &self.touched {
            let act = act.map_or("access", Act::as_str);
            return write!(f, "{act} at offset {offset} of a chunk of {requested} bytes");
        }
        match self.how() {
            How::Null => write!(f, "{act} at address {:#x}, through a null pointer", self.near),
            How::Unmapped => write!(f, "{act} at an address where nothing is"),
            How::Forbidden if act == "write" => f.write_str("write to memory that is read-only or closed"),
            How::Forbidden => write!(f, "{act} of memory that is closed"),
            How::NoAddress => f.write_str("access through what is no address"),
            How::Nowhere => f.write_str("call of what is no function"),
            How::Overflow => f.write_str("the stack has no room for another call"),
            How::BeyondFile => write!(f, "{act} beyond the end of a file that is mapped"),
            How::Division => f.write_str("division of integers by zero, or with a result that is too large"),
            How::Arithmetic => f.write_str("exception of arithmetic"),
            How::Instruction => f.write_str("instruction that does not exist"),
            How::Abort => f.write_str("abort() was called"),
            How::Exit => write!(f, "exit({}) was called", self.code),
            How::ExitAtOnce => write!(f, "_exit({}) was called", self.code),
            How::Other => write!(f, "signal {}", self.signal),
            How::Late => f.write_str("the call does not come back"),
        }
    }
}

/// The signals that are faults, with their names.
pub(super) const SIGNALS: [(i32, &str); 7] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGSYS, "SIGSYS"),
];

fn name_of(signal: i32) -> &'static str {
    SIGNALS.iter().find(|(number, _)| *number == signal).map_or("signal", |(_, name)| name)
}
