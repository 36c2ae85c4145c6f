//! Words of a library that the dynamic linker fills with the addresses of functions: by its relocations.

use std::collections::{BTreeMap, HashMap};

use object::elf::{R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, R_X86_64_RELATIVE};
use object::read::RelocationTarget;
use object::{Object, ObjectSection, ObjectSymbol, ObjectSymbolTable, RelocationFlags};

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A slot of the global offset table.
    Table,
    /// Data that nobody can write to once the library is loaded.
    Constant,
    /// Data that only begins so.
    Variable,
}

/// The words of a library, by where they are.
pub(super) struct Slots {
    /// With the function that they are filled with: empty for one of no interest.
    all: HashMap<u64, (Kind, String)>,
}

impl Slots {
    /// Reads the relocations of a file. `own` are functions of its own that are of interest.
    pub(super) fn of(file: &object::File, own: &HashMap<u64, String>, is_of_interest: fn(&str) -> bool) -> Self {
        let within = |beginning: &str| -> Vec<(u64, u64)> {
            let named = file.sections().filter(|section| section.name().is_ok_and(|name| name.starts_with(beginning)));
            named.map(|section| (section.address(), section.address().saturating_add(section.size()))).collect()
        };
        let (constants, tables) = (within(".data.rel.ro"), within(".got"));
        let is_in = |all: &[(u64, u64)], slot| all.iter().any(|&(start, end)| (start..end).contains(&slot));
        let dynamic = file.dynamic_symbol_table();
        let all = file.dynamic_relocations().into_iter().flatten().filter_map(|(slot, relocation)| {
            // A function of its own: of Rust's allocator among others, which is called so where the linker leaves it as it is compiled.
            if (relocation.flags() == RelocationFlags::Elf { r_type: R_X86_64_RELATIVE }) {
                let name = own.get(&relocation.addend().cast_unsigned()).cloned().unwrap_or_default();
                return is_in(&tables, slot).then_some((slot, (Kind::Table, name)));
            }
            let RelocationTarget::Symbol(symbol) = relocation.target() else { return None };
            let name = dynamic.as_ref()?.symbol_by_index(symbol).ok()?.name().ok()?;
            let kind = match relocation.flags() {
                RelocationFlags::Elf { r_type: R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT } => Kind::Table,
                _ if is_in(&constants, slot) => Kind::Constant,
                _ => Kind::Variable,
            };
            // Of the others it is known that they are functions.
            let kept = if is_of_interest(name) { name } else { "" };
            // Newer linkers keep the place of the stub in what means nothing for a slot of calls (`-z mark-plt`).
            let is_of_calls = relocation.flags() == RelocationFlags::Elf { r_type: R_X86_64_JUMP_SLOT };
            let is_whole = relocation.addend() == 0 || is_of_calls;
            (is_whole && !name.is_empty()).then(|| (slot, (kind, kept.to_owned())))
        });
        Slots { all: all.collect() }
    }

    /// The function whose address a word holds, whatever happens; empty for one of no interest.
    pub(super) fn holds(&self, slot: u64) -> Option<&str> {
        self.all.get(&slot).filter(|(kind, _)| *kind != Kind::Variable).map(|(_, name)| name.as_str())
    }

    /// The function of interest whose address is in a slot of the global offset table.
    pub(super) fn in_table(&self, slot: u64) -> Option<&str> {
        let of_table = self.all.get(&slot).filter(|(kind, name)| *kind == Kind::Table && !name.is_empty());
        of_table.map(|(_, name)| name.as_str())
    }

    /// How often data hold the address of a function of interest, but for those words by which calls are followed.
    pub(super) fn in_data(&self, is_followed: impl Fn(u64) -> bool) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for (&slot, (kind, name)) in &self.all {
            if *kind != Kind::Table && !name.is_empty() && !(*kind == Kind::Constant && is_followed(slot)) {
                *names.entry(name.clone()).or_default() += 1;
            }
        }
        names
    }
}
