//! The executable and the libraries of this process: where their code is, and what they need.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use super::dynamic::{DT_NEEDED, DT_STRTAB, dynamic_entries, dynamic_entry};
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

/// The file that an object was loaded from; none where its name is none.
pub(crate) fn file_of(module: &Module) -> Option<String> {
    // SAFETY: asks about an address; the name stays while the object is loaded.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let is_known = libc::dladdr(module.code.start as *const c_void, &mut info) != 0 && !info.dli_fname.is_null();
        is_known.then(|| CStr::from_ptr(info.dli_fname).to_str().ok().map(str::to_owned)).flatten()
    }
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
        let start = base.wrapping_add(header.p_vaddr as usize);
        start..start.saturating_add(header.p_memsz as usize)
    };
    let loads = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let code = loads().filter(|header| header.p_flags & libc::PF_X != 0).map(range).reduce(join)?;
    let all = loads().map(range).reduce(join)?;
    let writable = loads().filter(|header| header.p_flags & libc::PF_W != 0).map(range).reduce(join).unwrap_or(0..0);
    let find = |kind| headers.iter().find(|header| header.p_type == kind).map(range);
    let mut module = Module {
        name: without_suffix(&path).to_owned(),
        base,
        code,
        all,
        loads: loads().filter(|header| header.p_flags & libc::PF_R != 0).map(range).collect(),
        writable,
        unwind: None,
        relro: find(libc::PT_GNU_RELRO).unwrap_or(0..0),
        build_id: String::new(),
        dynamic: find(libc::PT_DYNAMIC).map_or(0, |section| section.start),
        needed: Vec::new(),
        unwinds: false,
        is_module: false,
    };
    module.unwind = find(libc::PT_GNU_EH_FRAME).and_then(|header| {
        let frames = eh_frame(&module, header.start)?;
        let end = module.loads.iter().find(|load| load.contains(&frames))?.end;
        Some((header, frames..end))
    });
    let notes = headers.iter().filter(|header| header.p_type == libc::PT_NOTE).map(range);
    module.build_id = notes.filter_map(|notes| build_id(&module, notes)).next().unwrap_or_default();
    module.needed = needed(&module);
    module.unwinds = got::imports(&module, c"_Unwind_Resume");
    module.is_module = exports(&module, c"Pg_magic_func");
    Some(module)
}

/// A library's name: its file's name up to the suffix.
fn without_suffix(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.find(".so").map_or(name, |suffix| &name[..suffix])
}

fn needed(module: &Module) -> Vec<String> {
    let strings = dynamic_entry(module, DT_STRTAB);
    let name = |(_, offset)| {
        let name = module.text(strings.checked_add(offset)?)?.to_string_lossy();
        Some(without_suffix(&name).to_owned())
    };
    dynamic_entries(module).filter(|&(tag, _)| tag == DT_NEEDED).filter_map(name).collect()
}

fn join(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    a.start.min(b.start)..a.end.max(b.end)
}

/// Where `.eh_frame` is, from the header's encoded pointer (LSB, "Exception Frame Header"). Only the encoding that linkers
/// write is read: relative to its own place, 4 bytes, signed.
fn eh_frame(module: &Module, header: usize) -> Option<usize> {
    const PCREL_SDATA4: u8 = 0x1b;
    let [version, encoding, _, _, offset @ ..]: [u8; 8] = module.read(header)?;
    let offset = i32::from_le_bytes(offset);
    (version == 1 && encoding == PCREL_SDATA4).then(|| (header + 4).checked_add_signed(offset as isize)).flatten()
}

/// The build ID in a segment of notes.
fn build_id(module: &Module, notes: Range<usize>) -> Option<String> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let mut at = notes.start;
    while at < notes.end {
        let [name_size, size, kind]: [u32; 3] = module.read(at)?;
        let content = at + 12 + (name_size as usize).next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && name_size == 4 {
            let bytes = module.table::<u8>(content, (size as usize).min(LONGEST_ID))?;
            return Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        at = content + (size as usize).next_multiple_of(4);
    }
    None
}

/// Bytes of the longest build ID that is told.
const LONGEST_ID: usize = 64;

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

    /// Numbers without a pattern, the same in every run (xorshift64).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as usize
        }
    }

    /// An object of one page, behind which nothing can be read, that says of itself what it likes.
    #[test]
    fn nothing_is_read_beyond_what_is_mapped() {
        const PAGE: usize = 4096;
        // SAFETY: a new mapping, of which the second page is closed.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert!(start != libc::MAP_FAILED);
            assert_eq!(libc::mprotect(start.byte_add(PAGE), PAGE, libc::PROT_NONE), 0);
            start.addr()
        };
        let page = start..start + PAGE;
        let mut module = Module {
            name: "hostile".to_owned(),
            base: start,
            code: page.clone(),
            all: start..start + 2 * PAGE,
            loads: vec![page.clone()],
            writable: page.clone(),
            unwind: Some((page.clone(), page.clone())),
            relro: 0..0,
            build_id: String::new(),
            dynamic: start,
            needed: Vec::new(),
            unwinds: false,
            is_module: false,
        };
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20_000 {
            // SAFETY: the first page, to which nobody else refers now.
            let words = unsafe { std::slice::from_raw_parts_mut(start as *mut usize, PAGE / 8) };
            for word in words.iter_mut() {
                // Small, near the page's end, or anything.
                *word = match numbers.next() % 6 {
                    0 => numbers.next() % 64,
                    1 => start + PAGE - numbers.next() % 64,
                    2 => start + numbers.next() % PAGE,
                    3 => (numbers.next() % 8) | ((numbers.next() % 256) << 32),
                    4 => usize::MAX - numbers.next() % 64,
                    _ => numbers.next(),
                };
            }
            for (entry, tag) in [DT_STRTAB, DT_NEEDED, 2, 6, 7, 8, 23, 0x6fff_fef5].into_iter().enumerate() {
                words[2 * entry] = tag as usize;
            }
            let header = page.end - 8 * (1 + numbers.next() % 64);
            if numbers.next().is_multiple_of(2) {
                words[(header - start) / 8] = 0x3b03_1b01;
            }
            module.unwind = Some((header..page.end, start + numbers.next() % PAGE..page.end));
            needed(&module);
            exports(&module, c"Pg_magic_func");
            got::for_each_slot(&module, |address, _| assert!(page.contains(&address)));
            build_id(&module, header..page.end + PAGE);
            eh_frame(&module, header);
            if let Some(functions) = super::super::Functions::of(&module) {
                for _ in 0..8 {
                    functions.around(start + numbers.next() % PAGE);
                }
            }
            super::super::tails(&module);
        }
    }
}
