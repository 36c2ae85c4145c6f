//! Global offset tables: the slots through which loaded objects call functions of other objects, pointed at our own.
//!
//! Slots are found by the relocations that filled them (gABI, "Relocation"; psABI x86-64, table 4.10): `JUMP_SLOT` for calls
//! by way of the procedure linkage table, `GLOB_DAT` for calls and addresses by way of the table itself, `64` for function
//! pointers in initialized data, and `COPY` for variables of a library that live in the executable (`xmlFree`). Most of this memory is read-only after relocation and is unprotected for the
//! moment of the change. What is changed belongs to this process alone.

use std::ffi::{CStr, c_char, c_void};
use std::ops::Range;

use super::modules::Module;

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

/// A slot, the name of the symbol it was filled by, and what is in it.
pub(super) struct Slot<'a> {
    pub(super) name: &'a CStr,
    pub(super) value: usize,
    /// What it is for.
    pub(super) kind: Kind,
}

/// What a slot is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is called, and its value looked at by no one.
    Call,
    /// It is called or its value used.
    Address,
    /// A word of a library's variable, which the linker has put into the executable.
    Copy,
}

impl Changes {
    /// Whether an object's slots have been changed already.
    pub(super) fn include(&self, module: &Module) -> bool {
        self.0.iter().any(|changed| changed.is_of(module))
    }

    /// Shows each slot of an object; what `replace` gives is put into it.
    pub(super) fn apply(&mut self, module: &Module, mut replace: impl FnMut(&Slot) -> Option<usize>) {
        let protected = protected_pages(module);
        let mut slots = [const { Vec::new() }; 2];
        // SAFETY: a loaded object that is relocated already; its dynamic section stays mapped.
        unsafe {
            for_each_slot(module, |address, slot| {
                if let Some(after) = replace(&slot).filter(|&after| after != slot.value) {
                    let change = Change { slot: address, before: slot.value, after };
                    slots[usize::from(!protected.contains(&address))].push(change);
                }
            });
        }
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

/// Whether an object calls a function of another object.
pub(super) fn imports(module: &Module, function: &CStr) -> bool {
    let mut found = false;
    // SAFETY: a loaded object that is relocated already.
    unsafe { for_each_slot(module, |_, slot| found |= slot.name == function) };
    found
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

/// The parts of a dynamic section that lead to the slots.
#[derive(Default)]
struct Dynamic {
    relocations: [(usize, usize); 2],
    symbols: usize,
    strings: usize,
}

/// An entry of a table of relocations (gABI, "Relocation").
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

/// Entries of a dynamic section: tag and value.
///
/// # Safety
/// The object is loaded.
pub(super) unsafe fn dynamic_entries(module: &Module) -> impl Iterator<Item = (i64, usize)> {
    let mut at = module.dynamic as *const [usize; 2];
    std::iter::from_fn(move || {
        if at.is_null() {
            return None;
        }
        // SAFETY: by the caller's promise; the section ends with a null tag, behind which nothing is read.
        let [tag, value] = unsafe { at.read() };
        at = at.wrapping_add(1);
        (tag != 0).then_some((tag as i64, value))
    })
}

/// An entry's string.
///
/// # Safety
/// `strings` and `offset` come from the dynamic section of a loaded object.
pub(super) unsafe fn string<'a>(strings: usize, offset: usize) -> &'a CStr {
    // SAFETY: by the caller's promise.
    unsafe { CStr::from_ptr((strings + offset) as *const c_char) }
}

pub(super) const DT_NEEDED: i64 = 1;
pub(super) const DT_STRTAB: i64 = 5;

/// # Safety
/// The object is loaded and relocated.
unsafe fn for_each_slot(module: &Module, mut show: impl FnMut(usize, Slot)) {
    const DT_PLTRELSZ: i64 = 2;
    const DT_SYMTAB: i64 = 6;
    const DT_RELA: i64 = 7;
    const DT_RELASZ: i64 = 8;
    const DT_JMPREL: i64 = 23;
    const R_X86_64_64: u32 = 1;
    const R_X86_64_COPY: u32 = 5;
    const R_X86_64_GLOB_DAT: u32 = 6;
    const R_X86_64_JUMP_SLOT: u32 = 7;

    let mut dynamic = Dynamic::default();
    // SAFETY: by the caller's promise, here and below.
    for (tag, value) in unsafe { dynamic_entries(module) } {
        match tag {
            DT_PLTRELSZ => dynamic.relocations[0].1 = value,
            DT_JMPREL => dynamic.relocations[0].0 = value,
            DT_RELASZ => dynamic.relocations[1].1 = value,
            DT_RELA => dynamic.relocations[1].0 = value,
            DT_SYMTAB => dynamic.symbols = value,
            DT_STRTAB => dynamic.strings = value,
            _ => {}
        }
    }
    // The loader has made addresses of offsets, but not in an object of the kernel's.
    let is_mapped = |address: usize| module.all.contains(&address);
    if !is_mapped(dynamic.symbols) || !is_mapped(dynamic.strings) {
        return;
    }
    for (start, size) in dynamic.relocations {
        if !is_mapped(start) {
            continue;
        }
        // SAFETY: the table of relocations is mapped with the object.
        let relocations =
            unsafe { std::slice::from_raw_parts(start as *const Relocation, size / size_of::<Relocation>()) };
        for relocation in relocations {
            let symbol = (relocation.info >> 32) as usize;
            let kind = match relocation.info as u32 {
                R_X86_64_JUMP_SLOT => Kind::Call,
                R_X86_64_GLOB_DAT | R_X86_64_64 => Kind::Address,
                R_X86_64_COPY => Kind::Copy,
                _ => continue,
            };
            let address = module.base + relocation.offset;
            if symbol == 0 || relocation.addend != 0 || !address.is_multiple_of(size_of::<usize>()) {
                continue;
            }
            // SAFETY: the symbol is in the object's table, its name in the object's strings; the slots are mapped.
            unsafe {
                let symbol = (dynamic.symbols as *const libc::Elf64_Sym).add(symbol);
                let name = string(dynamic.strings, (*symbol).st_name as usize);
                let words = if kind == Kind::Copy { (*symbol).st_size as usize / size_of::<usize>() } else { 1 };
                for address in (address..).step_by(size_of::<usize>()).take(words) {
                    show(address, Slot { name, value: (address as *const usize).read(), kind });
                }
            }
        }
    }
}
