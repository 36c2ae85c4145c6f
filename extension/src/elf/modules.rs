//! The executable and the libraries of this process: where their code is, and what they need.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use super::dynamic::{DT_NEEDED, DT_STRTAB, dynamic_entries, string};
use super::exports::exports;
use super::got;
use super::module::Module;

/// All loaded objects.
pub(crate) fn loaded() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: the callback gets a valid object description and the vector it is passed.
    unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut modules).cast()) };
    modules
}

/// A number that changes when an object is loaded or unloaded.
pub(crate) fn generation() -> u64 {
    unsafe extern "C" fn read(info: *mut libc::dl_phdr_info, _size: libc::size_t, out: *mut c_void) -> c_int {
        // SAFETY: called by dl_iterate_phdr with what `generation` passes.
        unsafe { *out.cast::<u64>() = (*info).dlpi_adds + (*info).dlpi_subs };
        1
    }
    let mut number = 0u64;
    // SAFETY: the callback gets the integer it is passed, and stops at the first object.
    unsafe { libc::dl_iterate_phdr(Some(read), (&raw mut number).cast()) };
    number
}

unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _size: libc::size_t, modules: *mut c_void) -> c_int {
    // SAFETY: called by dl_iterate_phdr with a valid description and what `loaded` passes.
    unsafe {
        let modules = &mut *modules.cast::<Vec<Module>>();
        if let Some(module) = describe(&*info) {
            modules.push(module);
        }
    }
    0
}

/// # Safety
/// `info` describes a loaded object.
unsafe fn describe(info: &libc::dl_phdr_info) -> Option<Module> {
    // SAFETY: the name is a C string, the headers are there as described.
    let (path, headers) = unsafe {
        (
            CStr::from_ptr(info.dlpi_name).to_string_lossy(),
            std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()),
        )
    };
    let base = info.dlpi_addr as usize;
    let range = |header: &libc::Elf64_Phdr| {
        let start = base + header.p_vaddr as usize;
        start..start + header.p_memsz as usize
    };
    let loads = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let code = loads().filter(|header| header.p_flags & libc::PF_X != 0).map(range).reduce(join)?;
    let all = loads().map(range).reduce(join)?;
    let writable = loads().filter(|header| header.p_flags & libc::PF_W != 0).map(range).reduce(join).unwrap_or(0..0);
    let find = |kind| headers.iter().find(|header| header.p_type == kind).map(range);
    let unwind = find(libc::PT_GNU_EH_FRAME).and_then(|header| {
        // SAFETY: the segment is mapped with the object.
        let frames = unsafe { eh_frame(header.start) }?;
        let end = loads().map(range).find(|load| load.contains(&frames))?.end;
        Some((header, frames..end))
    });
    let mut module = Module {
        name: without_suffix(&path).to_owned(),
        base,
        code,
        all,
        writable,
        unwind,
        relro: find(libc::PT_GNU_RELRO).unwrap_or(0..0),
        // SAFETY: note segments are mapped with the object.
        build_id: headers
            .iter()
            .filter(|header| header.p_type == libc::PT_NOTE)
            .find_map(|header| unsafe { build_id(range(header)) })
            .unwrap_or_default(),
        dynamic: find(libc::PT_DYNAMIC).map_or(0, |section| section.start),
        needed: Vec::new(),
        unwinds: false,
        is_module: false,
    };
    // SAFETY: the object is loaded.
    module.needed = unsafe { needed(&module) };
    module.unwinds = got::imports(&module, c"_Unwind_Resume");
    module.is_module = exports(&module, c"Pg_magic_func");
    Some(module)
}

/// A library's name: its file's name up to the suffix.
fn without_suffix(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.find(".so").map_or(name, |suffix| &name[..suffix])
}

/// # Safety
/// The object is loaded.
unsafe fn needed(module: &Module) -> Vec<String> {
    // SAFETY: by the caller's promise.
    let entries = || unsafe { dynamic_entries(module) };
    let strings = entries().find(|&(tag, _)| tag == DT_STRTAB).map_or(0, |(_, value)| value);
    if !module.all.contains(&strings) {
        return Vec::new();
    }
    // SAFETY: as above; the strings are mapped with the object.
    let name = |(_, offset)| without_suffix(&unsafe { string(strings, offset) }.to_string_lossy()).to_owned();
    entries().filter(|&(tag, _)| tag == DT_NEEDED).map(name).collect()
}

fn join(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    a.start.min(b.start)..a.end.max(b.end)
}

/// Where `.eh_frame` is, from the header's encoded pointer (LSB, "Exception Frame Header"). Only the encoding that linkers
/// write is read: relative to its own place, 4 bytes, signed.
///
/// # Safety
/// `header` is the address of a mapped `.eh_frame_hdr`.
unsafe fn eh_frame(header: usize) -> Option<usize> {
    const PCREL_SDATA4: u8 = 0x1b;
    let at = header as *const u8;
    // SAFETY: by the caller's promise; the fixed part has 8 bytes.
    unsafe {
        if at.read() != 1 || at.add(1).read() != PCREL_SDATA4 {
            return None;
        }
        let offset = at.add(4).cast::<i32>().read_unaligned();
        (header + 4).checked_add_signed(offset as isize)
    }
}

/// The build ID in a segment of notes.
///
/// # Safety
/// The segment is mapped.
unsafe fn build_id(notes: Range<usize>) -> Option<String> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let mut at = notes.start;
    while at + 12 <= notes.end {
        // SAFETY: by the caller's promise, and inside the segment.
        let (name_size, size, kind) = unsafe {
            let words = at as *const u32;
            (words.read() as usize, words.add(1).read() as usize, words.add(2).read())
        };
        let content = at + 12 + name_size.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && name_size == 4 && content + size <= notes.end {
            // SAFETY: inside the segment.
            let bytes = unsafe { std::slice::from_raw_parts(content as *const u8, size) };
            return Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        at = content + size.next_multiple_of(4);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against what the linker wrote into this very program.
    #[test]
    fn loaded_objects_are_described() {
        let modules = loaded();
        let program = modules.iter().find(|module| module.is_executable()).unwrap();
        assert!(program.code.contains(&(loaded_objects_are_described as *const () as usize)));
        assert!(program.unwinds);
        assert!(program.needed.iter().any(|name| name == "libc"), "{:?}", program.needed);
    }
}
