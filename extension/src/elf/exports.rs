//! Whether an object exports a name, by its own hash table.

use std::ffi::CStr;

use super::dynamic::{DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, dynamic_entry};
use super::module::Module;

/// Whether an object has a symbol of its own with this name. Objects without a GNU hash table, which linkers write by
/// default, export nothing.
pub(super) fn exports(module: &Module, name: &CStr) -> bool {
    find(module, name).unwrap_or(false)
}

/// The same; none where the tables lead out of the object. They are laid out as in `_dl_setup_hash` of glibc: four words, a filter of
/// as many addresses as the third says, a word for each bucket, and a word for each symbol from the second on.
fn find(module: &Module, name: &CStr) -> Option<bool> {
    let of = |tag| Some(dynamic_entry(module, tag)).filter(|address| *address != 0);
    let (table, symbols, strings) = (of(DT_GNU_HASH)?, of(DT_SYMTAB)?, of(DT_STRTAB)?);
    let hash = hash(name.to_bytes());
    let [buckets, first, filter, _]: [u32; 4] = module.read(table)?;
    if buckets == 0 {
        return None;
    }
    let word = |at: usize, number: u32| at.checked_add(number as usize * size_of::<u32>());
    let bucket = table.checked_add(16 + filter as usize * size_of::<usize>())?;
    let chain = word(bucket, buckets)?;
    let mut number: u32 = module.read(word(bucket, hash % buckets)?)?;
    while number >= first {
        let other: u32 = module.read(word(chain, number - first)?)?;
        if other | 1 == hash | 1 {
            let symbol: libc::Elf64_Sym =
                module.read(symbols.checked_add(number as usize * size_of::<libc::Elf64_Sym>())?)?;
            if module.text(strings.checked_add(symbol.st_name as usize)?)? == name {
                return Some(true);
            }
        }
        if other & 1 == 1 {
            break;
        }
        number = number.checked_add(1)?;
    }
    Some(false)
}

/// `_dl_new_hash` of glibc.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::modules;

    #[test]
    fn objects_export_what_they_define() {
        let modules = modules::loaded();
        let libc = modules.iter().find(|module| module.name == "libc").unwrap();
        for name in [c"malloc", c"qsort", c"open_memstream"] {
            assert!(exports(libc, name), "{name:?}");
        }
        for name in [c"Pg_magic_func", c"", c"mallo"] {
            assert!(!exports(libc, name), "{name:?}");
        }
    }
}
