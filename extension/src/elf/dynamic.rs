//! The dynamic section of an object (gABI, "Dynamic Section").

use super::module::Module;

pub(super) const DT_NEEDED: i64 = 1;
pub(super) const DT_PLTRELSZ: i64 = 2;
pub(super) const DT_STRTAB: i64 = 5;
pub(super) const DT_SYMTAB: i64 = 6;
pub(super) const DT_RELA: i64 = 7;
pub(super) const DT_RELASZ: i64 = 8;
pub(super) const DT_JMPREL: i64 = 23;
pub(super) const DT_GNU_HASH: i64 = 0x6fff_fef5;

/// Entries of a dynamic section: tag and value. It ends with a null tag.
pub(super) fn dynamic_entries(module: &Module) -> impl Iterator<Item = (i64, usize)> {
    let mut at = module.dynamic;
    std::iter::from_fn(move || {
        let [tag, value]: [usize; 2] = module.read(at)?;
        at += size_of::<[usize; 2]>();
        (tag != 0).then_some((tag as i64, value))
    })
}

/// The value of the first entry with a tag; 0 if there is none.
pub(super) fn dynamic_entry(module: &Module, wanted: i64) -> usize {
    dynamic_entries(module).find(|&(tag, _)| tag == wanted).map_or(0, |(_, value)| value)
}
