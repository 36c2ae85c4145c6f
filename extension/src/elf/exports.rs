//! Whether an object exports a name, by its own hash table.

use std::ffi::CStr;

use super::dynamic::{DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, dynamic_entries, string};
use super::module::Module;

/// Whether an object has a symbol of its own with this name. Objects without a GNU hash table, which linkers write by
/// default, export nothing.
pub(super) fn exports(module: &Module, name: &CStr) -> bool {
    // SAFETY: the object is loaded.
    let of = |wanted| unsafe { dynamic_entries(module) }.find(|&(tag, _)| tag == wanted).map_or(0, |(_, value)| value);
    let (table, symbols, strings) = (of(DT_GNU_HASH), of(DT_SYMTAB), of(DT_STRTAB));
    if [table, symbols, strings].iter().any(|address| !module.all.contains(address)) {
        return false;
    }
    let hash = hash(name.to_bytes());
    // SAFETY: the tables are mapped with the object, and laid out as in `_dl_setup_hash` of glibc: four words, a filter of
    // as many addresses as the third says, a word for each bucket, and a word for each symbol from the second on.
    unsafe {
        let words = table as *const u32;
        let (buckets, first, filter) = (words.read(), words.add(1).read(), words.add(2).read());
        let bucket = words.add(4).cast::<usize>().add(filter as usize).cast::<u32>();
        let chain = bucket.add(buckets as usize);
        if buckets == 0 {
            return false;
        }
        let mut number = bucket.add((hash % buckets) as usize).read();
        while number >= first {
            let other = chain.add((number - first) as usize).read();
            let symbol = (symbols as *const libc::Elf64_Sym).add(number as usize);
            if other | 1 == hash | 1 && string(strings, (*symbol).st_name as usize) == name {
                return true;
            }
            if other & 1 == 1 {
                break;
            }
            number += 1;
        }
        false
    }
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
