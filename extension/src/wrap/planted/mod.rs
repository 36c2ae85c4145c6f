//! Places in the code of libraries that are looked at whoever traces what: whether they were reached, and calls that are left out.
//!
//! Where the postmaster's configuration names a directory (`pg_ext_memcheck.places_directory`), it has a plan ([`plan`]) for each library
//! that is looked at, and a file of flags, which all processes have mapped: so that nothing is lost with one that crashes. When the
//! library has been loaded, and before its `_PG_init` is called, the instructions that leave it at those places are led to code of ours
//! ([`code`]), which lies near it. Only the distance changes that such an instruction ends with: the return address of a call is the
//! library's own, and a jump leaves no frame behind, as before.

mod code;
mod dropped;
mod plan;

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::{DirEntry, File};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use code::Leads;
use plan::{Plan, STATUS};

use crate::elf::{Module, patched};

const PAGE: usize = 4096;

/// What the first flags of a library say.
enum Status {
    /// Its places are looked at.
    Planted = 0,
    /// There is no room near it.
    NoRoom = 1,
    /// Its code cannot be changed.
    Refused = 2,
    /// It is not what was planned for.
    Differs = 3,
    /// It was loaded before the engine: what it did then was not seen.
    WasThere = 4,
}

/// What is looked at.
struct Planted {
    directory: PathBuf,
    /// The libraries that there are plans for, by name.
    libraries: Vec<String>,
    /// Where functions are, and their flags.
    entries: BTreeMap<usize, usize>,
    is_first: bool,
}

struct Shared(UnsafeCell<Option<Planted>>);

// SAFETY: only the thread that loads libraries and is told of calls has to do with it.
unsafe impl Sync for Shared {}

/// What is looked at in this process; written by the postmaster, and when a library is loaded. Functions of ours have no other way to it.
static PLANTED: Shared = Shared(UnsafeCell::new(None));

fn planted<'a>() -> Option<&'a mut Planted> {
    // SAFETY: none of the functions here calls another while it holds it.
    unsafe { (*PLANTED.0.get()).as_mut() }
}

/// Takes the directory of the plans; in the postmaster, before anything is looked at.
pub(super) fn prepare(directory: Option<PathBuf>) {
    let made = |directory: PathBuf| {
        let files = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let library = |file: DirEntry| file.file_name().to_str()?.strip_suffix(".plan").map(str::to_owned);
        let libraries = files.filter_map(library).collect();
        Planted { directory, libraries, entries: BTreeMap::new(), is_first: true }
    };
    // SAFETY: nobody holds it: there has been none.
    unsafe { *PLANTED.0.get() = directory.map(made) };
}

/// All libraries that were there at the start have been seen.
pub(super) fn goes_on() {
    if let Some(planted) = planted() {
        planted.is_first = false;
    }
}

/// Whether calls of any function are looked at.
pub(crate) fn is_on() -> bool {
    planted().is_some_and(|planted| !planted.libraries.is_empty())
}

/// Whether those of the functions of a library are, which may not be loaded yet.
pub(crate) fn is_wanted(library: &str) -> bool {
    planted().is_some_and(|planted| planted.libraries.iter().any(|name| name == library))
}

/// A function is about to be called.
pub(crate) fn entered(function: usize) {
    let flag = planted().and_then(|planted| planted.entries.get(&function));
    if let Some(&flag) = flag {
        // SAFETY: a byte of a mapping that stays.
        unsafe { (flag as *mut u8).write_volatile(1) };
    }
}

/// Has the places of a library looked at that has been loaded, where there is a plan for it. What stands against it is said by a flag.
pub(super) fn plant(module: &Module) {
    let Some(planted) = planted().filter(|planted| planted.libraries.contains(&module.name)) else { return };
    let path = planted.directory.join(format!("{}.plan", module.name));
    let Some(plan) = std::fs::read_to_string(path).ok().and_then(|text| Plan::read(&text)) else { return };
    let path = planted.directory.join(format!("{}.flags", module.name));
    let Ok(flags) = File::options().read(true).write(true).open(path) else { return };
    let sizes = Sizes::of(&plan);
    let is_long_enough = flags.metadata().is_ok_and(|metadata| metadata.len() >= u64::from(plan.flags));
    let Some(room) = is_long_enough.then(|| Room::near(&module.all, &sizes, &flags)).flatten() else {
        return say_without_room(&flags, Status::NoRoom);
    };
    let status = if plan.build_id == module.build_id { room.plant(module, &plan) } else { Status::Differs };
    let is_planted = matches!(status, Status::Planted);
    room.say(status);
    if planted.is_first {
        room.say(Status::WasThere);
    }
    if is_planted {
        let of = |entry: &plan::Entry| (module.base + entry.offset as usize, room.flag(entry.flag));
        planted.entries.extend(plan.entries.iter().map(of));
    }
}

/// Says it by way of the file, since it is mapped nowhere.
fn say_without_room(flags: &File, status: Status) {
    use std::os::unix::fs::FileExt;
    // Whoever reads it finds nothing, and says so.
    let _ = flags.write_at(&[1], status as u64);
}

/// What is taken near a library.
struct Sizes {
    flags: usize,
    code: usize,
    cells: usize,
}

impl Sizes {
    fn of(plan: &Plan) -> Self {
        Sizes {
            flags: (plan.flags as usize).next_multiple_of(PAGE),
            code: plan.patches.iter().map(|patch| code::most(patch.places.len())).sum::<usize>().next_multiple_of(16),
            cells: plan.patches.len() * size_of::<usize>(),
        }
    }

    fn all(&self) -> usize {
        self.flags + (self.code + self.cells).next_multiple_of(PAGE)
    }
}

/// Flags, and behind them code and cells with its addresses, near a library.
struct Room {
    start: usize,
    sizes: [usize; 3],
}

impl Room {
    fn near(library: &Range<usize>, sizes: &Sizes, flags: &File) -> Option<Self> {
        /// How far from the library it may be, so that everything reaches everything (bytes).
        const FAR: usize = 1 << 30;
        /// From one place that is tried to the next (bytes).
        const STEP: usize = 1 << 20;
        let all = sizes.all();
        let (before, behind) = (library.start / PAGE * PAGE, library.end.next_multiple_of(PAGE));
        let places = (0..FAR).step_by(STEP).flat_map(|far| [before.checked_sub(all + far), behind.checked_add(far)]);
        let start = places.flatten().find(|&start| {
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: a new mapping where there is none.
            let mapped = unsafe { libc::mmap(start as *mut c_void, all, protection, kind, -1, 0) };
            if mapped != libc::MAP_FAILED && mapped.addr() != start {
                // A kernel that does not know the flag.
                // SAFETY: as it was just mapped.
                unsafe { libc::munmap(mapped, all) };
            }
            mapped.addr() == start
        })?;
        let kind = libc::MAP_SHARED | libc::MAP_FIXED;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the first pages of the mapping that was made.
        let mapped = unsafe { libc::mmap(start as *mut c_void, sizes.flags, protection, kind, flags.as_raw_fd(), 0) };
        if mapped == libc::MAP_FAILED {
            // SAFETY: as it was mapped.
            unsafe { libc::munmap(start as *mut c_void, all) };
            return None;
        }
        Some(Room { start, sizes: [sizes.flags, sizes.code, sizes.cells] })
    }

    fn flag(&self, flag: u32) -> usize {
        self.start + flag as usize
    }

    fn say(&self, status: Status) {
        // SAFETY: the first bytes of the flags.
        unsafe { ((self.start + (status as u32).min(STATUS) as usize) as *mut u8).write_volatile(1) };
    }

    /// Writes the code, and then leads the library's instructions to it: all of them or none.
    fn plant(&self, module: &Module, plan: &Plan) -> Status {
        let [flags, code, cells] = self.sizes;
        let (mut at, mut cell) = (self.start + flags, self.start + flags + code);
        let mut changes = Vec::new();
        for patch in &plan.patches {
            let (place, end) = (module.base + patch.at as usize, module.base + patch.end as usize);
            let is_there = module.code.contains(&place) && module.code.contains(&(place + 3));
            // SAFETY: in the code of a loaded object.
            let is_as_planned = is_there && unsafe { (place as *const u32).read_unaligned() } == patch.expected;
            if !is_as_planned {
                return Status::Differs;
            }
            let target = end.wrapping_add_signed(patch.expected.cast_signed() as isize);
            let leads = if patch.is_slot { Leads::ThroughSlot(target) } else { Leads::To(target) };
            let Some(bytes) = code::write(&patch.places, leads, at, module.base, self.start) else {
                return Status::NoRoom;
            };
            // SAFETY: the mapping has room for it, as was reckoned.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len());
                (cell as *mut usize).write(at);
            }
            let Some(distance) = code::distance(end, if patch.is_slot { cell } else { at }) else {
                return Status::NoRoom;
            };
            changes.push((place, patch.expected, distance));
            at += code::most(patch.places.len());
            cell += size_of::<usize>();
        }
        let (own, library) = (self.start + flags, &module.code);
        let pages = library.start / PAGE * PAGE..library.end.next_multiple_of(PAGE);
        const CODE: i32 = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: whole pages of what was mapped here, and of a library that was loaded just now; nobody executes it.
        unsafe {
            let size = (code + cells).next_multiple_of(PAGE);
            let protect = |start: usize, size, protection| libc::mprotect(start as *mut c_void, size, protection) == 0;
            if size > 0 && !protect(own, size, CODE) {
                return Status::Refused;
            }
            if !protect(pages.start, pages.len(), libc::PROT_READ | libc::PROT_WRITE) {
                return Status::Refused;
            }
            for (place, before, distance) in changes {
                patched::note(place, before.to_le_bytes());
                (place as *mut i32).write_unaligned(distance);
            }
            if protect(pages.start, pages.len(), CODE) { Status::Planted } else { Status::Refused }
        }
    }
}
