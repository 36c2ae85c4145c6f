//! Global offset tables: the slots through which loaded objects call functions of other objects.
//!
//! Slots are found by the relocations that filled them (gABI, "Relocation"; psABI x86-64, table 4.10): `JUMP_SLOT` for calls
//! by way of the procedure linkage table, `GLOB_DAT` for calls and addresses by way of the table itself, `64` for function
//! pointers in initialized data, and `COPY` for variables of a library that live in the executable (`xmlFree`).

use std::ffi::CStr;

use super::dynamic::{DT_JMPREL, DT_PLTRELSZ, DT_RELA, DT_RELASZ, DT_STRTAB, DT_SYMTAB, dynamic_entries, string};
use super::module::Module;

/// A slot, the name of the symbol it was filled by, and what is in it.
pub(crate) struct Slot<'a> {
    pub(crate) name: &'a CStr,
    pub(crate) value: usize,
    /// What it is for.
    pub(crate) kind: Kind,
}

/// What a slot is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is called, and its value looked at by no one.
    Call,
    /// It is called or its value used.
    Address,
    /// A word of a library's variable, which the linker has put into the executable.
    Copy,
}

/// Whether an object calls a function of another object.
pub(crate) fn imports(module: &Module, function: &CStr) -> bool {
    let mut found = false;
    // SAFETY: a loaded object that is relocated already.
    unsafe { for_each_slot(module, |_, slot| found |= slot.name == function) };
    found
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

/// Shows each slot of an object: its address, and what is in it.
///
/// # Safety
/// The object is loaded and relocated.
pub(crate) unsafe fn for_each_slot(module: &Module, mut show: impl FnMut(usize, Slot)) {
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
