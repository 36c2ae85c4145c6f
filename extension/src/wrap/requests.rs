//! Shared memory that libraries of 19 ask for in advance (shmem.h): functions of ours stand in their tables for good, as those of
//! [`shared`](super::shared) do.
//!
//! What is asked for is made in that order, one behind the other, before the first function is called that may write to it
//! (`ShmemInitRequested` in shmem.c). So canaries are asked for in the same way, before and behind; where they came to lie, the server
//! writes down for us as for everybody. They are filled before the library is told that its memory is there.
//!
//! A library that is loaded later by a session may ask as well. What it asks for at once has to be there or not as a whole
//! (`CallShmemCallbacksAfterStartup`), for every session that does so; so nothing is added to it there, and what is made last has its canary
//! as what `ShmemInitStruct` makes.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, c_void};
use std::ptr::null_mut;

use super::callers::{library, name};
use super::elements::Elements;
use super::hooked::hooked;
use super::tables;
use crate::pg::process::is_child;
use crate::pg::requests::{self, Callbacks, HashOptions, StructOptions};
use crate::shmem::canaries::{self, Front};
use crate::shmem::text::Text;
use crate::stack::Registers;

/// What is kept in mind of requests: as many as have canaries, and as many libraries.
const REQUESTS: usize = 256;
const LIBRARIES: usize = 64;
/// Bytes of the name of a canary (`SHMEM_INDEX_KEYSIZE` in shmem.c).
const NAME: usize = 48;

/// A part of the main segment that the server is to make for us.
struct Asked {
    name: [u8; NAME],
    bytes: usize,
    /// Where it is: written by the server.
    start: Cell<*mut c_void>,
}

impl Asked {
    const fn none() -> Self {
        Asked { name: [0; NAME], bytes: 0, start: Cell::new(null_mut()) }
    }

    /// Asks for it, under the name of what it is next to and what it is. `self` stays where it is.
    ///
    /// # Safety
    /// Called from where a library asks for something itself.
    unsafe fn ask(&mut self, next_to: &CStr, what: &str, bytes: usize, alignment: usize) {
        (self.name, self.bytes) = (name_of(next_to, what), bytes);
        let (name, place) = (self.name.as_ptr().cast(), self.start.as_ptr());
        // SAFETY: by the caller's promise. The name and the place are there for good.
        unsafe {
            requests::ShmemRequestStructWithOpts(&StructOptions { name, size: bytes as isize, alignment, place })
        };
    }
}

/// `"NAME" canary WHAT`: the name that the server shows for a canary. Another one for each, where the name is so long that it is cut.
fn name_of(next_to: &CStr, what: &str) -> [u8; NAME] {
    let mut name = [0; NAME];
    let behind = format!(" canary {what}");
    let room = NAME - 1 - behind.len();
    let text = next_to.to_bytes();
    let (kept, number) = if text.len() <= room {
        (text, String::new())
    } else {
        let hash = text
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        (&text[..room - 17], format!(" {hash:016x}"))
    };
    let all = kept.iter().chain(number.as_bytes()).chain(behind.as_bytes());
    name.iter_mut().zip(all).for_each(|(to, &from)| *to = from);
    name
}

/// What a library has asked for.
struct Request {
    name: Text<47>,
    library: Text<64>,
    size: usize,
    what: What,
    before: Asked,
    behind: Asked,
    /// Whether it has been told that it is there.
    is_done: bool,
}

/// What it is.
#[derive(Clone, Copy)]
enum What {
    /// Memory, and where the server writes down where it is.
    Struct(*mut *mut c_void),
    /// A hash table, and where its handle is written down.
    Table(*mut *mut c_void, Elements),
}

/// The functions of a library.
#[derive(Clone, Copy)]
struct Registered {
    /// Its own, and what it was that told.
    theirs: Callbacks,
    told: *const Callbacks,
    ours: Callbacks,
}

struct All {
    requests: [Option<Request>; REQUESTS],
    /// How many there was no room for.
    more: u64,
    registered: [Option<Registered>; LIBRARIES],
}

struct Kept(UnsafeCell<All>);

// SAFETY: only the thread that runs the server's code has to do with it.
unsafe impl Sync for Kept {}

/// Those of this process; most are of the postmaster.
static KEPT: Kept =
    Kept(UnsafeCell::new(All { requests: [const { None }; REQUESTS], more: 0, registered: [None; LIBRARIES] }));

fn kept() -> &'static mut All {
    // SAFETY: none of the functions here calls another while it holds it.
    unsafe { &mut *KEPT.0.get() }
}

/// Room for a request: that of an earlier one of this name, where the server starts anew after a crash.
fn room_for(name: &CStr) -> Option<&'static mut Option<Request>> {
    let text = Text::new(&name.to_string_lossy());
    let requests = &mut kept().requests;
    let is_it = |request: &Option<Request>| request.as_ref().is_some_and(|known| known.name.is(&text));
    let number = requests.iter().position(is_it).or_else(|| requests.iter().position(Option::is_none))?;
    requests.get_mut(number)
}

/// Takes note of a request; `None` where there is no room, which is counted.
fn noted(name: &CStr, from: Registers, size: usize, what: What) -> Option<&'static mut Request> {
    let (text, library) = (Text::new(&name.to_string_lossy()), Text::new(library(from)));
    let request =
        Request { name: text, library, size, what, before: Asked::none(), behind: Asked::none(), is_done: false };
    let room = room_for(name);
    kept().more += u64::from(room.is_none());
    Some(room?.insert(request))
}

hooked! {
    /// From 19 on. The functions are called by way of ours.
    fn RegisterShmemCallbacks(callbacks: *const Callbacks) {
        // SAFETY: called as the server's function is, with functions that stay.
        unsafe { requests::RegisterShmemCallbacks(by_way_of_ours(callbacks)) };
    }

    /// `ShmemRequestStruct` is a macro around it.
    fn ShmemRequestStructWithOpts(options: *const StructOptions) {
        let from = Registers::here();
        // SAFETY: options of the caller's, which the server copies. Where it refuses them, it does not return.
        unsafe {
            let StructOptions { name: text, size, alignment, place } = *options;
            let bytes = usize::try_from(size).unwrap_or(0);
            if text.is_null() || bytes == 0 {
                return requests::ShmemRequestStructWithOpts(options);
            }
            let request = noted(name(text), from, bytes, What::Struct(place));
            let Some(request) = request.filter(|_| !is_child()) else {
                return requests::ShmemRequestStructWithOpts(options);
            };
            if let Some((bytes, alignment)) = canaries::front_of(bytes, alignment) {
                request.before.ask(name(text), "before", bytes, alignment);
            }
            requests::ShmemRequestStructWithOpts(options);
            request.behind.ask(name(text), "behind", canaries::CANARY, 0);
        }
    }

    /// `ShmemRequestHash` is a macro around it.
    fn ShmemRequestHashWithOpts(options: *const HashOptions) {
        let from = Registers::here();
        // SAFETY: the same.
        unsafe {
            requests::ShmemRequestHashWithOpts(options);
            let HashOptions { name: text, elements, info, flags, place, .. } = *options;
            let elements = Elements::of(elements, &info, flags);
            let request = noted(name(text), from, elements.last(), What::Table(place, elements));
            if let Some(request) = request.filter(|_| !is_child()) {
                request.behind.ask(name(text), "behind", canaries::CANARY, 0);
            }
        }
    }
}

/// Functions of ours that call those of a library; its own, where there is no room.
///
/// # Safety
/// They are the server's to call.
unsafe fn by_way_of_ours(told: *const Callbacks) -> *const Callbacks {
    // SAFETY: by the caller's promise.
    let theirs = unsafe { *told };
    let registered = &mut kept().registered;
    let is_it = |known: &Option<Registered>| known.as_ref().is_none_or(|known| known.told == told);
    let Some(place) = registered.iter_mut().find(|known| is_it(known)) else { return told };
    let ours = Callbacks {
        flags: theirs.flags,
        request: Some(request),
        initialize: Some(initialize),
        attach: Some(attach),
        argument: null_mut(),
    };
    let known = place.insert(Registered { theirs, told, ours });
    known.ours.argument = (&raw mut known.theirs).cast();
    &raw const known.ours
}

/// A library's own functions, from the argument of ours.
unsafe fn theirs(argument: *mut c_void) -> Callbacks {
    // SAFETY: it is what `by_way_of_ours` has made of them.
    unsafe { *argument.cast::<Callbacks>() }
}

unsafe extern "C-unwind" fn request(argument: *mut c_void) {
    if is_child() {
        // What was requested before in this process, and was refused, is not to be looked for.
        let is_open = |request: &&mut Option<Request>| request.as_ref().is_some_and(|request| !request.is_done);
        kept().requests.iter_mut().filter(is_open).for_each(|request| *request = None);
    }
    // SAFETY: called by the server for that library; nothing of ours lives across the call.
    unsafe {
        let theirs = theirs(argument);
        if let Some(request) = theirs.request {
            request(theirs.argument);
        }
    }
}

unsafe extern "C-unwind" fn initialize(argument: *mut c_void) {
    canaries::startup();
    are_there();
    // SAFETY: as above.
    unsafe {
        let theirs = theirs(argument);
        if let Some(initialize) = theirs.initialize {
            initialize(theirs.argument);
        }
    }
}

unsafe extern "C-unwind" fn attach(argument: *mut c_void) {
    for request in kept().requests.iter_mut().flatten().filter(|request| !request.is_done) {
        request.is_done = true;
        request.tell_of_table();
    }
    // SAFETY: as above.
    unsafe {
        let theirs = theirs(argument);
        if let Some(attach) = theirs.attach {
            attach(theirs.argument);
        }
    }
}

/// What was asked for has been made just now: canaries are filled, and tables known. Whoever has been loaded before us is told of
/// earlier; so this is called when shared memory is there as well.
pub(crate) fn are_there() {
    canaries::are_unguarded(std::mem::take(&mut kept().more));
    let requests = &mut kept().requests;
    let is_new = |request: &Option<Request>| request.as_ref().is_some_and(|request| !request.is_done);
    let Some(last) = requests.iter().rposition(is_new) else { return };
    for (number, request) in requests.iter_mut().enumerate() {
        if let Some(request) = request.as_mut().filter(|request| !request.is_done) {
            request.is_done = true;
            request.guard(number == last);
            request.tell_of_table();
        }
    }
}

impl Request {
    /// Has its canaries kept. `is_last`: nothing was made behind it.
    fn guard(&self, is_last: bool) {
        let asked = self.behind.start.get().expose_provenance();
        let (name, library) = (self.name.as_str(), self.library.as_str());
        match self.what {
            What::Struct(_) if asked != 0 => {
                let start = asked - canaries::rounded(self.size);
                let front = Front::new(self.before.start.get().expose_provenance(), self.before.bytes);
                canaries::guard(name, library, start, self.size, front, Some(asked));
            }
            What::Struct(place) => {
                // SAFETY: where the server has written down where it is.
                let start = unsafe { place.as_ref() }.map_or(0, |start| start.expose_provenance());
                if start != 0 {
                    let behind = if is_last { canaries::take() } else { None };
                    canaries::guard(name, library, start, self.size, Front::default(), behind);
                }
            }
            What::Table(_, elements) if asked != 0 => {
                canaries::guard_table(name, library, self.size, Some(asked), elements.unused());
            }
            // As those that `ShmemInitHash` makes when the server has started.
            What::Table(..) => {}
        }
    }

    fn tell_of_table(&self) {
        if let What::Table(place, elements) = self.what {
            // SAFETY: where the server has written down the handle.
            if let Some(&table) = unsafe { place.as_ref() } {
                tables::made(table.addr(), self.name.as_str(), elements.parts());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_canary_has_a_name_of_its_own() {
        let shown = |next_to: &CStr, what| {
            let name = name_of(next_to, what);
            CStr::from_bytes_until_nul(&name).expect("an end").to_str().expect("a text").to_owned()
        };
        assert_eq!(shown(c"my ring", "before"), "my ring canary before");
        assert_eq!(shown(c"", "behind"), " canary behind");
        let long = c"a name of as many as forty-seven letters, here 1";
        let names = [long, c"a name of as many as forty-seven letters, here 2"].map(|name| shown(name, "behind"));
        assert!(names.iter().all(|name| name.len() == 47 && name.ends_with(" canary behind")), "{names:?}");
        assert_ne!(names[0], names[1]);
        // The longest that needs no number.
        let fits = c"a name of 33 letters, no more....";
        assert_eq!(shown(fits, "behind"), "a name of 33 letters, no more.... canary behind");
    }

    #[test]
    fn a_request_is_noted_once() {
        let number = |name: &CStr| {
            let room = std::ptr::from_mut(room_for(name).expect("room")).addr();
            (room - kept().requests.as_ptr().addr()) / size_of::<Option<Request>>()
        };
        let note = |name: &CStr| {
            let request = Request {
                name: Text::new(name.to_str().expect("a text")),
                library: Text::new(""),
                size: 1,
                what: What::Struct(null_mut()),
                before: Asked::none(),
                behind: Asked::none(),
                is_done: false,
            };
            *room_for(name).expect("room") = Some(request);
        };
        [c"one", c"two", c"three"].iter().for_each(|name| note(name));
        assert_eq!((number(c"one"), number(c"three"), number(c"four")), (0, 2, 3));
        // A gap is filled, and what is behind it is found all the same.
        kept().requests[1] = None;
        assert_eq!((number(c"three"), number(c"four")), (2, 1));
    }
}
