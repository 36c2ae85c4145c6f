//! Global offset tables: the slots through which loaded objects call functions of other objects, pointed at our own.
//!
//! Slots are found by the relocations that filled them (gABI, "Relocation"; psABI x86-64, table 4.10): `JUMP_SLOT` for calls
//! by way of the procedure linkage table, `GLOB_DAT` for calls and addresses by way of the table itself, and `64` for
//! function pointers in initialized data. Most of this memory is read-only after relocation and is unprotected for the
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
    /// The pages that have to be unprotected for it.
    protected: Range<usize>,
}

/// Slots that have been changed, to be changed back.
#[derive(Default)]
pub(super) struct Changes(Vec<Change>);

/// A slot, the name of the symbol it was filled by, and what is in it.
pub(super) struct Slot<'a> {
    pub(super) name: &'a CStr,
    pub(super) value: usize,
    /// Whether it is only ever called, and its value looked at by no one.
    pub(super) is_call: bool,
}

impl Changes {
    /// Shows each slot of an object; what `replace` gives is put into it.
    pub(super) fn apply(&mut self, module: &Module, mut replace: impl FnMut(&Slot) -> Option<usize>) {
        let first = self.0.len();
        let protected = protected_pages(module);
        // SAFETY: a loaded object that is relocated already; its dynamic section stays mapped.
        unsafe {
            for_each_slot(module, |address, slot| {
                if let Some(after) = replace(&slot).filter(|&after| after != slot.value) {
                    let protected = if protected.contains(&address) { protected.clone() } else { 0..0 };
                    self.0.push(Change { slot: address, before: slot.value, after, protected });
                }
            });
        }
        write(&self.0[first..], |change| (change.before, change.after));
    }

    /// Puts everything back. A slot that somebody else has changed since is left as it is.
    pub(super) fn undo(&mut self) {
        write(&self.0, |change| (change.after, change.before));
        self.0.clear();
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

fn write(changes: &[Change], values: impl Fn(&Change) -> (usize, usize)) {
    for group in changes.chunk_by(|a, b| a.protected == b.protected) {
        let pages = &group[0].protected;
        if !pages.is_empty() && !protect(pages, libc::PROT_READ | libc::PROT_WRITE) {
            continue;
        }
        for change in group {
            let (expected, value) = values(change);
            let slot = change.slot as *mut usize;
            // SAFETY: a pointer-sized slot, aligned by the linker, in memory that is writable now.
            unsafe {
                if slot.read() == expected {
                    slot.write(value);
                }
            }
        }
        if !pages.is_empty() {
            protect(pages, libc::PROT_READ);
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
            let kind = relocation.info as u32;
            let symbol = (relocation.info >> 32) as usize;
            let names_function = matches!(kind, R_X86_64_64 | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT);
            if !names_function || symbol == 0 || relocation.addend != 0 {
                continue;
            }
            let address = module.base + relocation.offset;
            // SAFETY: the symbol is in the object's table, its name in the object's strings; the slot is mapped.
            let (name, value) = unsafe {
                let symbol = (dynamic.symbols as *const libc::Elf64_Sym).add(symbol);
                (string(dynamic.strings, (*symbol).st_name as usize), (address as *const usize).read_unaligned())
            };
            if address.is_multiple_of(size_of::<usize>()) {
                show(address, Slot { name, value, is_call: kind == R_X86_64_JUMP_SLOT });
            }
        }
    }
}
