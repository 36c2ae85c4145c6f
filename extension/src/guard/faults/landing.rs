//! Where a fault is landed: the function that sigreturn leads to, and the ERROR that it raises.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_int};
use std::fmt::Write as _;

use memcheck_core::FAULT_SQLSTATE;

use super::report::Report;
use crate::elf::symbols::name_at;
use crate::pg::ServerThread;
use crate::pg::errors::{Said, raise_from_anywhere};

/// Where a fault is to be landed.
pub(super) struct Landing {
    pub(super) report: Report,
    pub(super) is_fatal: bool,
    /// Whether the stack has no room, so that another one is used.
    pub(super) is_other_stack: bool,
    /// The address in the target, as a return address.
    pub(super) place: usize,
    /// See [`super::Surroundings`].
    pub(super) pause: fn(bool),
}

struct Shared(UnsafeCell<Option<Landing>>);

/// What is landed now: sigreturn has no argument to carry it.
static NOW: ServerThread<Shared> = ServerThread::new(Shared(UnsafeCell::new(None)));

fn now() -> &'static mut Option<Landing> {
    // SAFETY: neither the handler nor what it leads to holds it while the other may.
    unsafe { &mut *NOW.0.get() }
}

/// Whether a fault is landed now, so that another one is one too many.
pub(super) fn is_under_way() -> bool {
    now().is_some()
}

/// A fault is landed from now on, and allocations pass by unseen.
pub(super) fn begins(landing: Landing) {
    (landing.pause)(true);
    *now() = Some(landing);
}

/// It is an ERROR like any other now.
fn is_over() {
    if let Some(landing) = now().take() {
        (landing.pause)(false);
    }
}

/// A text on the stack: where a fault is landed, the heap may be what is broken.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    fn of(arguments: std::fmt::Arguments<'_>) -> Self {
        let mut line = Line { bytes: [0; 512], length: 0 };
        let _ = line.write_fmt(arguments);
        line
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl std::fmt::Write for Line {
    /// As much of it as there is room for, in whole characters.
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.len() - 1 - self.length;
        let part = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= room).last();
        let part = &text.as_bytes()[..part.unwrap_or(0)];
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
        Ok(())
    }
}

/// Raises the ERROR of a fault, or ends the process by a FATAL. As if the function that was interrupted had called it.
pub(super) unsafe extern "C-unwind" fn land() -> ! {
    let Some(&mut Landing { report, is_fatal, is_other_stack, place, .. }) = now().as_mut() else {
        std::process::abort()
    };
    let (library, offset) = report.culprit().unwrap_or_default();
    let function = name_at(place).map(|name| name.to_string_lossy());
    let message = Line::of(format_args!("{} in library \"{library}\"", report.what()));
    let detail = match function {
        Some(function) => Line::of(format_args!("{report}, in function {function}, offset {offset:#x}.")),
        None => Line::of(format_args!("{report}, offset {offset:#x}.")),
    };
    let said = Said {
        code: *FAULT_SQLSTATE,
        message: message.text(),
        detail: detail.text(),
        hint: c"What the library had in hand is as the fault has left it. See ext_memcheck.faults().",
    };
    // SAFETY: the function that was interrupted does not go on, nor do those that have called it, up to one that catches an ERROR.
    unsafe { raise_from_anywhere(&said, is_fatal, is_other_stack, is_over) }
}

/// The registers of a thread that are changed so that it goes on with [`land`].
pub(super) fn lead_there(registers: &mut [libc::greg_t; 23], sp: usize, caller: usize) {
    /// Direction flag, alignment check and single step, none of which a function is to find set.
    const FLAGS: libc::greg_t = 0x400 | 0x4_0000 | 0x100;
    // Where a call would have left the stack: 16 bytes aligned before the return address was pushed.
    let sp = (sp & !15) - size_of::<usize>();
    // SAFETY: the caller has looked that there is room on the stack.
    unsafe { (sp as *mut usize).write(caller) };
    let mut set = |register: c_int, value: usize| registers[register as usize] = value as libc::greg_t;
    set(libc::REG_RSP, sp);
    set(libc::REG_RIP, land as *const () as usize);
    registers[libc::REG_EFL as usize] &= !FLAGS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_ends_with_a_whole_character() {
        let line = Line::of(format_args!("{}é", "x".repeat(510)));
        assert_eq!(line.text().to_bytes(), "x".repeat(510).as_bytes());
        assert_eq!(Line::of(format_args!("{}é", "x".repeat(509))).text().to_bytes().len(), 511);
    }
}
