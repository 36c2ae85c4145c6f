//! The names of contexts, which are not always where they should be: a context keeps a pointer to what should be a constant
//! (`MemoryContextCreate` in mcxt.c), and an extension that has made up a name may have freed it.

use std::ffi::c_void;
use std::ops::Range;

use memcheck_core::census::Namer;
use memcheck_core::room;
use memcheck_core::targets::is_servers_own;

use super::by_address::ByAddress;
use crate::elf::{Module, modules};

/// Bytes of a name that count.
pub(super) const LONGEST: usize = 255;
/// Stands for a name that cannot be read, or is none any more.
pub(super) const UNKNOWN: &str = "?";

const PAGE: usize = 4096;

/// What a list of all that is loaded takes (bytes), about.
const MODULES: usize = 256 << 10;

/// Reads a C string, as far as it counts. `UNKNOWN` where there is no memory, or none that looks like a name.
pub(super) fn read(address: usize, bytes: &mut [u8; LONGEST]) -> &str {
    let near = LONGEST.min(PAGE - address % PAGE);
    let (here, beyond) = bytes.split_at_mut(near);
    let is_ended = |bytes: &[u8]| bytes.contains(&0);
    if !copy(address, here) || (!is_ended(here) && !beyond.is_empty() && !copy(address + near, beyond)) {
        return UNKNOWN;
    }
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // Cut off in the middle of a character.
        Err(error) if text.len() == LONGEST && error.error_len().is_none() => {
            std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or(UNKNOWN)
        }
        Err(_) => UNKNOWN,
    };
    if text.chars().any(char::is_control) { UNKNOWN } else { text }
}

/// Copies bytes of this process, none of which need be there.
fn copy(from: usize, to: &mut [u8]) -> bool {
    let remote = libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(from), iov_len: to.len() };
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    // SAFETY: the kernel looks at the memory, and says so where it is none.
    let copied = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    if copied == to.len() as isize {
        return true;
    }
    // SAFETY: reads the error of this thread.
    let refused = unsafe { matches!(*libc::__errno_location(), libc::ENOSYS | libc::EPERM) };
    if !refused || from < PAGE {
        return false;
    }
    // The system does not allow it: the next best is whether the page is there.
    // SAFETY: changes nothing; what is there is copied, within one page.
    unsafe {
        let page: *mut c_void = std::ptr::with_exposed_provenance_mut(from / PAGE * PAGE);
        let is_there = libc::msync(page, PAGE, libc::MS_ASYNC) == 0;
        if is_there {
            std::ptr::with_exposed_provenance::<u8>(from).copy_to_nonoverlapping(to.as_mut_ptr(), to.len());
        }
        is_there
    }
}

/// A name that is a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Constant {
    /// Whether it is what all hash tables are called.
    pub(super) is_hash_table: bool,
    /// Whose it is.
    pub(super) namer: Namer,
}

/// Where something that is loaded has its constants.
struct Image {
    all: Range<usize>,
    writable: Range<usize>,
    namer: Namer,
}

impl Image {
    fn of(module: Module) -> Self {
        let namer = match &module {
            module if module.is_executable() => Namer::Server,
            module if is_servers_own(&module.name) => Namer::ServersLibrary,
            _ => Namer::Other,
        };
        Image { all: module.all, writable: module.writable, namer }
    }

    fn has(&self, address: usize) -> bool {
        self.all.contains(&address) && !self.writable.contains(&address)
    }
}

/// What is known of names that lie in the read-only part of what is loaded: they are constants, so that the address stands for the
/// name.
#[derive(Default)]
pub(super) struct Constants {
    /// By address.
    known: ByAddress<usize, Constant>,
    generation: u64,
    images: Vec<Image>,
    trusted: Range<usize>,
}

impl Constants {
    /// What is in this memory is constant as well.
    pub(super) fn trust(&mut self, names: Range<usize>) {
        self.trusted = names;
    }

    /// What is known of the name at an address; none if it is no constant.
    pub(super) fn find(&mut self, address: usize) -> Option<Constant> {
        if let Some(&constant) = self.known.get(&address) {
            return Some(constant);
        }
        let namer = match self.namer(address) {
            Some(namer) => namer,
            None => {
                let generation = modules::generation();
                if generation != self.generation && room::is_there_for(MODULES) {
                    self.generation = generation;
                    self.images = modules::loaded().into_iter().map(Image::of).collect();
                }
                self.namer(address)?
            }
        };
        let is_hash_table = read(address, &mut [0; LONGEST]) == HASH_TABLE;
        let constant = Constant { is_hash_table, namer };
        if room::make(&mut self.known, 1) {
            self.known.insert(address, constant);
        }
        Some(constant)
    }

    fn namer(&self, address: usize) -> Option<Namer> {
        let of_image = || self.images.iter().find(|image| image.has(address)).map(|image| image.namer);
        if self.trusted.contains(&address) { Some(Namer::Other) } else { of_image() }
    }
}

/// All hash tables are called so and told apart by their identifier, which is what the server shows as well
/// (`PutMemoryContextsStatsTupleStore` in mcxtfuncs.c). It lives inside the context (`hash_create` in dynahash.c).
pub(super) const HASH_TABLE: &str = "dynahash";

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn read_text(text: &CStr) -> String {
        read(text.as_ptr().expose_provenance(), &mut [0; LONGEST]).to_owned()
    }

    #[test]
    fn names_are_read_as_far_as_they_count() {
        assert_eq!(read_text(c"ExprContext"), "ExprContext");
        assert_eq!(read_text(c""), "");
        let long = std::ffi::CString::new("x".repeat(LONGEST + 100)).unwrap();
        assert_eq!(read_text(&long), "x".repeat(LONGEST));
        // The last of two bytes does not fit.
        let umlauts = std::ffi::CString::new("\u{e4}".repeat(LONGEST)).unwrap();
        assert_eq!(read_text(&umlauts), "\u{e4}".repeat(LONGEST / 2));
    }

    #[test]
    fn what_is_no_name_is_not_taken_for_one() {
        assert_eq!(read_text(c"\x7f\x7f\x7f"), UNKNOWN);
        assert_eq!(read_text(c"\xe0\xff"), UNKNOWN);
        for address in [0, 8, usize::MAX - 70] {
            assert_eq!(read(address, &mut [0; LONGEST]), UNKNOWN);
        }
    }

    /// It ends where the memory does.
    #[test]
    fn memory_that_is_gone_is_not_read() {
        // SAFETY: mappings of this test.
        let pages = unsafe {
            let pages = libc::mmap(
                std::ptr::null_mut(),
                2 * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            pages.cast::<u8>().write_bytes(b'x', PAGE);
            pages.cast::<u8>().add(PAGE - 1).write(0);
            libc::munmap(pages.add(PAGE), PAGE);
            pages.expose_provenance()
        };
        assert_eq!(read(pages + PAGE - 4, &mut [0; LONGEST]), "xxx");
        // SAFETY: as above.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(pages + PAGE - 1).write(b'x') };
        assert_eq!(read(pages + PAGE - 4, &mut [0; LONGEST]), UNKNOWN);
        assert_eq!(read(pages + PAGE, &mut [0; LONGEST]), UNKNOWN);
    }

    #[test]
    fn constants_are_told_from_what_may_change() {
        static mut CHANGING: [u8; 8] = *b"changes\0";
        let mut constants = Constants::default();
        let address = |text: &CStr| text.as_ptr().expose_provenance();
        // This program stands for the server.
        let constant = |is_hash_table, namer| Some(Constant { is_hash_table, namer });
        for _ in 0..2 {
            assert_eq!(constants.find(address(c"ExprContext")), constant(false, Namer::Server));
            assert_eq!(constants.find(address(c"dynahash")), constant(true, Namer::Server));
            assert_eq!(constants.find((&raw mut CHANGING).expose_provenance()), None);
            let made = std::ffi::CString::new("made").unwrap();
            assert_eq!(constants.find(address(&made)), None);
            let kept = std::ffi::CString::new("kept").unwrap();
            constants.trust(address(&kept)..address(&kept) + 5);
            assert_eq!(constants.find(address(&kept)), constant(false, Namer::Other));
        }
    }
}
