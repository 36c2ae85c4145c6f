//! What stands in the global offset tables while tracing is on.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::got::{Changes, Kind, Slot};
use super::modules::{Belongs, Module};
use super::targets::Targets;
use super::{calls, created, dsm, heap};

/// Functions of the server whose address is compared with that in a slot (`hash_create` in dynahash.c): another address
/// would make another hash table.
const COMPARED: [&CStr; 5] = [c"string_hash", c"tag_hash", c"uint32_hash", c"oid_hash", c"bitmap_hash"];

/// Changes the slots of one object.
pub(super) fn apply(changes: &mut Changes, targets: &Targets, module: &Module, belongs: Belongs) {
    if module.code == targets.own || is_loader(module) {
        return;
    }
    if module.is_executable() {
        return changes.apply(module, |slot| match slot.name.to_bytes() {
            b"dlopen" => Some(dlopen as *const () as usize),
            _ => heap::replacement(slot, true),
        });
    }
    changes.apply(module, |slot| {
        let of_targets = || match belongs {
            Belongs::Not => None,
            _ => created::replacement(slot.name)
                .or_else(|| dsm::replacement(slot.name))
                .or_else(|| if leads_out(targets, slot) { calls::thunk(slot.value) } else { None }),
        };
        heap::replacement(slot, false).or_else(of_targets)
    });
}

/// The dynamic linker and what the kernel maps: they have ways of their own to call and to be called.
fn is_loader(module: &Module) -> bool {
    module.name.starts_with("ld-linux") || module.name.starts_with("linux-vdso")
}

/// Whether a slot leads to a function outside of the targets that may allocate.
fn leads_out(targets: &Targets, slot: &Slot) -> bool {
    let Some(callee) = targets.module_at(slot.value).filter(|_| !targets.contain(slot.value)) else { return false };
    let callee = &targets.modules[callee];
    if callee.is_executable() {
        return slot.kind == Kind::Call || !COMPARED.contains(&slot.name);
    }
    !is_loader(callee) && callee.name != "libm" && !is_frugal(slot.name)
}

/// Functions of the C library and of the runtime that are called often and do not allocate, or that look at their caller.
fn is_frugal(name: &CStr) -> bool {
    const FAMILIES: [&[u8]; 9] =
        [b"mem", b"str", b"wcs", b"__mem", b"__str", b"__ctype", b"__errno", b"__cxa_", b"_Unwind_"];
    const JUMPS: [&[u8]; 4] = [b"setjmp", b"_setjmp", b"__sigsetjmp", b"vfork"];
    let name = name.to_bytes();
    let allocates = matches!(name, b"strdup" | b"strndup" | b"__strdup" | b"__strndup");
    !allocates && (JUMPS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

/// The server's own way to load a library: a target's `_PG_init` is called after this has returned.
unsafe extern "C" fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void {
    // SAFETY: called as the C library's function is.
    let library = unsafe { libc::dlopen(file, flags) };
    super::refresh();
    library
}
