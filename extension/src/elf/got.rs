//! Global offset tables: the slots through which loaded objects call functions of other objects.
//!
//! Slots are found by the relocations that filled them (gABI, "Relocation"; psABI x86-64, table 4.10): `JUMP_SLOT` for calls
//! by way of the procedure linkage table, `GLOB_DAT` for calls and addresses by way of the table itself, `64` for function
//! pointers in initialized data, and `COPY` for variables of a library that live in the executable (`xmlFree`).

use std::ffi::CStr;

use super::dynamic::{DT_JMPREL, DT_PLTRELSZ, DT_RELA, DT_RELASZ, DT_STRTAB, DT_SYMTAB, dynamic_entries};
use super::module::{Module, Plain};

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
    for_each_slot(module, |_, slot| found |= slot.name == function);
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
#[derive(Clone, Copy)]
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

impl Plain for Relocation {}

/// Shows each slot of an object that is loaded and relocated: its address, and what is in it.
pub(crate) fn for_each_slot(module: &Module, mut show: impl FnMut(usize, Slot)) {
    const R_X86_64_64: u32 = 1;
    const R_X86_64_COPY: u32 = 5;
    const R_X86_64_GLOB_DAT: u32 = 6;
    const R_X86_64_JUMP_SLOT: u32 = 7;

    let mut dynamic = Dynamic::default();
    for (tag, value) in dynamic_entries(module) {
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
    // The loader has made addresses of offsets, but not in an object of the kernel's, where they lead nowhere.
    for (start, size) in dynamic.relocations {
        for relocation in module.table::<Relocation>(start, size / size_of::<Relocation>()).unwrap_or_default() {
            let symbol = (relocation.info >> 32) as usize;
            let kind = match relocation.info as u32 {
                R_X86_64_JUMP_SLOT => Kind::Call,
                R_X86_64_GLOB_DAT | R_X86_64_64 => Kind::Address,
                R_X86_64_COPY => Kind::Copy,
                _ => continue,
            };
            let Some(address) = module.base.checked_add(relocation.offset) else { continue };
            // Elsewhere it is added; in a slot of the procedure linkage table, which is filled whole, newer linkers keep the place of
            // the stub there (`-z mark-plt`), and the loader does not look at it.
            let is_whole = relocation.addend == 0 || kind == Kind::Call;
            if symbol == 0 || !is_whole || !address.is_multiple_of(size_of::<usize>()) {
                continue;
            }
            let Some((size, name)) = named(module, &dynamic, symbol) else { continue };
            let words = if kind == Kind::Copy { size / size_of::<usize>() } else { 1 };
            for address in (address..).step_by(size_of::<usize>()).take(words) {
                let Some(value) = module.read(address).filter(|_| module.writable.contains(&address)) else { break };
                show(address, Slot { name, value, kind });
            }
        }
    }
}

/// The size and the name of a symbol.
fn named<'m>(module: &'m Module, dynamic: &Dynamic, symbol: usize) -> Option<(usize, &'m CStr)> {
    let entry = dynamic.symbols.checked_add(symbol * size_of::<libc::Elf64_Sym>())?;
    let symbol: libc::Elf64_Sym = module.read(entry)?;
    let name = module.text(dynamic.strings.checked_add(symbol.st_name as usize)?)?;
    Some((usize::try_from(symbol.st_size).ok()?, name))
}
