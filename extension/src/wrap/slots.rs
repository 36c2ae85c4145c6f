//! Global offset tables: the slots of loaded objects, pointed at functions of ours while tracing is on, and back.
//!
//! Most of this memory is read-only after relocation and is unprotected for the moment of the change. What is changed belongs to
//! this process alone.

use std::ffi::{CStr, c_void};
use std::ops::Range;

use super::hooked::Hooked;
use super::{areas, created, dsm, ends, given_back, heap, interrupts, locks, maps, storm, tables};
use crate::elf::got::{self, Kind, Slot};
use crate::elf::{Module, symbols};
use crate::stack::{Belongs, Targets, calls};
use calls::Jumps;

/// Functions of the server whose address is compared with that in a slot (`hash_create` in dynahash.c): another address
/// would make another hash table.
const COMPARED: [&CStr; 5] = [c"string_hash", c"tag_hash", c"uint32_hash", c"oid_hash", c"bitmap_hash"];

/// Functions that allocate nothing and are the last call of many others: it does not matter who jumps to them.
const GIVE_BACK: [&CStr; 2] = [c"pfree", c"free"];

/// Changes the slots of one object.
///
/// `loading` are the server's own ways to load a library.
pub(super) fn apply(changes: &mut Changes, targets: &Targets, module: &Module, belongs: Belongs, loading: &[Hooked]) {
    if module.code == targets.own || is_loader(module) {
        return;
    }
    if module.is_executable() {
        return changes.apply(module, |_, slot| {
            let to_load = || named(loading, slot.name).filter(|_| holds_its_own(slot, module));
            // The server keeps what it allocates for itself.
            to_load().or_else(|| of_heap(slot, module, gives_back))
        });
    }
    let compared = COMPARED.map(symbols::address_of);
    changes.apply(module, |address, slot| {
        let ours = of_heap(slot, module, |_| true);
        if belongs == Belongs::Not {
            return ours;
        }
        let of_targets = || {
            let families = [created::HOOKED, dsm::HOOKED, maps::HOOKED, ends::HOOKED];
            let named = families.into_iter().find_map(|family| named(family, slot.name));
            named.filter(|_| holds_its_own(slot, module))
        };
        let ours = ours.or_else(of_targets);
        let jumps = match belongs {
            Belongs::Target if !GIVE_BACK.contains(&slot.name) => {
                targets.jumps_through(module, address, slot.kind == Kind::Call)
            }
            _ => Jumps::Never,
        };
        match (ours, jumps) {
            (Some(function), Jumps::Surely) => calls::thunk(function, &module.code, jumps).or(ours),
            (Some(_), _) => ours,
            (None, Jumps::Surely) if targets.contain(slot.value) && !module.code.contains(&slot.value) => {
                calls::thunk(slot.value, &module.code, jumps)
            }
            (None, _) if leads_out(targets, &compared, slot) => {
                let ours = stand_in(slot.name).or_else(|| named(areas::HOOKED, slot.name));
                let ours = ours.or_else(|| named(interrupts::HOOKED, slot.name));
                let ours = ours.filter(|_| holds_its_own(slot, module));
                calls::thunk(ours.unwrap_or(slot.value), &module.code, jumps)
            }
            _ => None,
        }
    });
}

/// Changes those slots of one object that hold functions of this family, for good.
pub(super) fn keep(changes: &mut Changes, module: &Module, family: &[Hooked]) {
    if !is_loader(module) {
        changes.apply(module, |_, slot| named(family, slot.name).filter(|_| holds_its_own(slot, module)));
    }
}

/// Changes only those slots of one object by which memory is given back.
pub(super) fn apply_to_give_back(changes: &mut Changes, targets: &Targets, module: &Module) {
    if module.code != targets.own && !is_loader(module) {
        changes.apply(module, |_, slot| of_heap(slot, module, gives_back));
    }
}

/// The function of ours that targets call in place of the server's of a name, which it calls in turn.
pub(super) fn stand_in(name: &CStr) -> Option<usize> {
    let families = [given_back::HOOKED, locks::HOOKED, tables::HOOKED];
    families.into_iter().find_map(|family| named(family, name)).or_else(|| storm::before(name))
}

/// The function of ours with a name.
fn named(family: &[Hooked], name: &CStr) -> Option<usize> {
    family.iter().find(|hooked| hooked.name.as_bytes() == name.to_bytes()).map(|hooked| hooked.function.addr())
}

/// The function of ours for a slot that leads to one of malloc's family which `is_wanted`.
fn of_heap(slot: &Slot, module: &Module, is_wanted: impl Fn(&CStr) -> bool) -> Option<usize> {
    // A library calls by way of its variable, wherever that lives.
    if slot.kind == Kind::Copy {
        return named(heap::HOOKED, name_of(slot.value).filter(|name| is_wanted(name))?);
    }
    let ours = if is_wanted(slot.name) { named(heap::HOOKED, slot.name) } else { None };
    ours.filter(|_| holds_its_own(slot, module))
}

/// Whether a function of malloc's family takes memory that it has not made itself.
fn gives_back(name: &CStr) -> bool {
    [c"free", c"realloc", c"reallocarray", c"malloc_usable_size"].contains(&name)
}

/// Whether a slot still holds the function that it was filled with by its name, or will be at the first call of it. A library
/// may have put another one there: a variable that began as `malloc` holds what the library has decided on since.
fn holds_its_own(slot: &Slot, module: &Module) -> bool {
    let is_bound_later = slot.kind == Kind::Call && module.code.contains(&slot.value);
    is_bound_later || symbols::is_named(slot.value, slot.name)
}

/// Which of the functions that a library keeps in variables an address is.
fn name_of(address: usize) -> Option<&'static CStr> {
    const KEPT: [&CStr; 4] = [c"malloc", c"calloc", c"realloc", c"free"];
    KEPT.into_iter().find(|name| symbols::address_of(name) == address)
}

/// The dynamic linker and what the kernel maps: they have ways of their own to call and to be called.
fn is_loader(module: &Module) -> bool {
    module.name.starts_with("ld-linux") || module.name.starts_with("linux-vdso")
}

/// Whether a slot leads to a function outside of the targets that may allocate. `compared` are the addresses of [`COMPARED`].
fn leads_out(targets: &Targets, compared: &[usize], slot: &Slot) -> bool {
    let Some(callee) = targets.module_at(slot.value).filter(|_| !targets.contain(slot.value)) else { return false };
    let callee = &targets.modules[callee];
    if callee.is_executable() {
        return slot.kind == Kind::Call || !compared.contains(&slot.value);
    }
    // What is the engine's was put there by us, or by a library that has copied it.
    let is_passed_over = callee.code == targets.own || is_loader(callee) || callee.name == "libm";
    !(is_passed_over || is_frugal(slot.name) && symbols::is_named(slot.value, slot.name))
}

/// Functions of the C library and of the runtime that are called often and do not allocate, or that look at their caller.
fn is_frugal(name: &CStr) -> bool {
    const FAMILIES: [&[u8]; 9] =
        [b"mem", b"str", b"wcs", b"__mem", b"__str", b"__ctype", b"__errno", b"__cxa_", b"_Unwind_"];
    const JUMPS: [&[u8]; 4] = [b"setjmp", b"_setjmp", b"__sigsetjmp", b"vfork"];
    let name = name.to_bytes();
    let allocates = matches!(name, b"strdup" | b"strndup" | b"__strdup" | b"__strndup");
    !allocates && (JUMPS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

const PAGE: usize = 4096;

/// A slot that has been changed.
struct Change {
    slot: usize,
    before: usize,
    after: usize,
}

/// The slots of one object that have been changed.
struct Changed {
    name: String,
    all: Range<usize>,
    /// In memory that is read-only, in order, and in memory that is not.
    slots: [Vec<Change>; 2],
    protected: Range<usize>,
}

impl Changed {
    fn is_of(&self, module: &Module) -> bool {
        self.all == module.all && self.name == module.name
    }

    fn write(&self, values: impl Fn(&Change) -> (usize, usize)) {
        let [protected, writable] = &self.slots;
        write(writable, &values);
        if !protected.is_empty() && protect(&self.protected, libc::PROT_READ | libc::PROT_WRITE) {
            write(protected, &values);
            protect(&self.protected, libc::PROT_READ);
        }
    }
}

/// Slots that have been changed, to be changed back.
#[derive(Default)]
pub(super) struct Changes(Vec<Changed>);

impl Changes {
    /// Whether nothing has been changed.
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's slots have been changed already.
    pub(super) fn include(&self, module: &Module) -> bool {
        self.0.iter().any(|changed| changed.is_of(module))
    }

    /// Shows each slot of an object, with its address; what `replace` gives is put into it.
    pub(super) fn apply(&mut self, module: &Module, mut replace: impl FnMut(usize, &Slot) -> Option<usize>) {
        let protected = protected_pages(module);
        let mut slots = [const { Vec::new() }; 2];
        got::for_each_slot(module, |address, slot| {
            if let Some(after) = replace(address, &slot).filter(|&after| after != slot.value) {
                let change = Change { slot: address, before: slot.value, after };
                slots[usize::from(!protected.contains(&address))].push(change);
            }
        });
        let changed = Changed { name: module.name.clone(), all: module.all.clone(), slots, protected };
        changed.write(|change| (change.before, change.after));
        self.0.push(changed);
    }

    /// Puts everything back in the objects that are still loaded. A slot that somebody else has changed since is left as
    /// it is.
    pub(super) fn undo(&mut self, loaded: &[Module]) {
        for changed in self.0.drain(..).filter(|changed| loaded.iter().any(|module| changed.is_of(module))) {
            changed.write(|change| (change.after, change.before));
        }
    }

    /// Forgets objects that are no longer loaded.
    pub(super) fn forget_unloaded(&mut self, loaded: &[Module]) {
        self.0.retain(|changed| loaded.iter().any(|module| changed.is_of(module)));
    }
}

/// Whole pages of the memory that is read-only after relocation, as `_dl_protect_relro` of glibc counts them.
fn protected_pages(module: &Module) -> Range<usize> {
    module.relro.start / PAGE * PAGE..module.relro.end / PAGE * PAGE
}

/// Memory has to be writable.
fn write(changes: &[Change], values: impl Fn(&Change) -> (usize, usize)) {
    for change in changes {
        let (expected, value) = values(change);
        let slot = change.slot as *mut usize;
        // SAFETY: a pointer-sized slot of a loaded object, aligned, in memory that is writable now.
        unsafe {
            if slot.read() == expected {
                slot.write(value);
            }
        }
    }
}

fn protect(pages: &Range<usize>, protection: i32) -> bool {
    // SAFETY: whole pages of an object's data, which only relocation and this module write to.
    unsafe { libc::mprotect(pages.start as *mut c_void, pages.len(), protection) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_allocate_are_not_frugal() {
        let frugal =
            [c"memcpy", c"strlen", c"__memcpy_chk", c"__sigsetjmp", c"vfork", c"_Unwind_Resume", c"__cxa_throw"];
        for name in frugal {
            assert!(is_frugal(name), "{name:?}");
        }
        for name in [c"strdup", c"__strndup", c"malloc", c"getline", c"regcomp", c"longjmp", c"palloc", c""] {
            assert!(!is_frugal(name), "{name:?}");
        }
    }

    #[test]
    fn functions_of_ours_are_found_by_their_whole_name() {
        let function = |address: usize| std::ptr::without_provenance(address);
        let family = [
            Hooked { name: "free", function: function(0x10) },
            Hooked { name: "free_sized", function: function(0x20) },
        ];
        let table = [(c"free", Some(0x10)), (c"free_sized", Some(0x20)), (c"fre", None), (c"free_", None), (c"", None)];
        for (name, found) in table {
            assert_eq!(named(&family, name), found, "{name:?}");
        }
    }

    #[test]
    fn functions_in_variables_are_known_by_their_address() {
        for name in [c"malloc", c"calloc", c"realloc", c"free"] {
            assert_eq!(name_of(symbols::address_of(name)), Some(name));
        }
        assert_eq!(name_of(symbols::address_of(c"qsort")), None);
    }

    /// A server's function through a pointer is given a thunk, but for those whose address is compared.
    #[test]
    fn slots_of_targets_lead_out_to_what_may_allocate() {
        let modules = crate::elf::modules::loaded();
        // This program stands for the server, and nothing is a target.
        let targets = Targets::new(modules);
        let server = slots_of_targets_lead_out_to_what_may_allocate as *const () as usize;
        let (library, compared) = (symbols::address_of(c"qsort"), [server + 1]);
        let table = [
            (c"palloc", server, Kind::Call, true),
            (c"palloc", server, Kind::Address, true),
            (c"string_hash", compared[0], Kind::Call, true),
            (c"string_hash", compared[0], Kind::Address, false),
            // It began as another.
            (c"palloc", compared[0], Kind::Address, false),
            (c"string_hash", server, Kind::Address, true),
            (c"qsort", library, Kind::Call, true),
            (c"strlen", symbols::address_of(c"strlen"), Kind::Call, false),
            (c"strlen", library, Kind::Address, true),
            (c"nowhere", 0, Kind::Call, false),
        ];
        for (name, value, kind, leads) in table {
            assert_eq!(leads_out(&targets, &compared, &Slot { name, value, kind }), leads, "{name:?}");
        }
    }

    /// By name alone nothing is replaced: a library may have put a function of its own there, or none.
    #[test]
    fn slots_that_hold_something_else_are_left_alone() {
        let modules = crate::elf::modules::loaded();
        let module = modules.iter().find(|module| module.name == "libc").unwrap();
        let (malloc, other) = (symbols::address_of(c"malloc"), symbols::address_of(c"qsort"));
        // A call that is not bound yet leads into the object itself.
        let stub = module.code.start;
        let table = [
            (malloc, Kind::Call, true),
            (malloc, Kind::Address, true),
            (malloc, Kind::Copy, true),
            (stub, Kind::Call, true),
            (stub, Kind::Address, false),
            (other, Kind::Address, false),
            (other, Kind::Copy, false),
            (0, Kind::Call, false),
            (0, Kind::Address, false),
            (0, Kind::Copy, false),
        ];
        for (value, kind, is_replaced) in table {
            let slot = Slot { name: c"malloc", value, kind };
            assert_eq!(of_heap(&slot, module, |_| true).is_some(), is_replaced, "{value:#x}");
        }
    }

    #[test]
    fn changes_are_written_where_the_slot_holds_what_it_held() {
        let slots = [1, 7].map(|value| Box::into_raw(Box::new(value)));
        let changes = slots.map(|slot: *mut usize| Change { slot: slot.expose_provenance(), before: 1, after: 2 });
        let held = || {
            // SAFETY: words of this test.
            slots.map(|slot| unsafe { slot.read() })
        };
        write(&changes, |change| (change.before, change.after));
        assert_eq!(held(), [2, 7]);
        write(&changes, |change| (change.after, change.before));
        assert_eq!(held(), [1, 7]);
    }
}
