//! Walking the stack, from one of the allocator's wrappers to the nearest frame of a target.
//!
//! Debian's and similar servers are built with frame pointers: then a frame costs a nanosecond, and frames of a target that
//! has none are no obstacle, because its return address stands in the frame of the server's function that it called. Other
//! servers are unwound by their `.eh_frame` (framehop), and so are the frames of libraries on the way.

use std::arch::asm;
use std::ffi::CStr;
use std::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, MustNotAllocateDuringUnwind, Unwinder};

use crate::elf::symbols::{address_of, size_of_symbol};
use crate::elf::{Functions, Module};

/// How many of framehop's caches there are, and how many places each has for addresses modulo that number.
const CACHES: usize = 8;
const CACHE_SIZE: usize = 509;

/// How stacks are walked.
pub(crate) struct Walk {
    /// Whether the server is built with frame pointers.
    frame_pointers: bool,
    tables: Box<Tables>,
}

/// The instruction that functions may begin with where indirect branches are tracked.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// What framehop needs.
struct Tables {
    unwinder: UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>,
    /// One remembers 509 return addresses, which is not enough for a query.
    caches: [CacheX86_64<MustNotAllocateDuringUnwind>; CACHES],
    /// The objects that it knows the tables of.
    known: Vec<Known>,
}

/// An object with its tables.
struct Known {
    range: Range<usize>,
    name: String,
    functions: Option<Functions>,
}

/// Where a walk starts: the frame pointer of a function of ours, which has to be built with one. What is of interest lies above it.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    bp: usize,
}

impl Registers {
    /// The caller's.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let bp;
        // SAFETY: reads a register.
        unsafe { asm!("mov {}, rbp", out(reg) bp, options(nomem, nostack, preserves_flags)) };
        Registers { bp }
    }

    /// Those of a function whose frame, on a stack made up, is at an address.
    #[cfg(test)]
    pub(super) fn made_up(bp: usize) -> Self {
        Registers { bp }
    }

    /// Where the function these are of keeps its frame pointer.
    #[inline(always)]
    pub(crate) fn bp(&self) -> usize {
        self.bp
    }

    /// Where on the stack the address is that the function these are of returns to.
    #[inline(always)]
    pub(super) fn slot(&self) -> usize {
        self.bp + size_of::<usize>()
    }

    /// The address that the function these are of returns to.
    #[inline(always)]
    pub(crate) fn caller(&self) -> usize {
        // SAFETY: the engine is built with frame pointers, or it does not trace (`Tables::find` in wrap/methods.rs looks at its
        // wrappers): above the saved one is the return address.
        unsafe { (self.bp as *const usize).add(1).read() }
    }

    fn caller_bp(&self) -> usize {
        // SAFETY: as in `caller`.
        unsafe { (self.bp as *const usize).read() }
    }
}

/// Where a thread is, between two instructions of whatever function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// The instruction.
    pub(crate) pc: usize,
    /// Whether that is an address that a call returns to: the function that was called is not to be seen.
    pub(crate) is_behind_call: bool,
    /// The stack pointer.
    pub(crate) sp: usize,
    /// The register that holds the frame pointer, in functions that have one.
    pub(crate) bp: usize,
}

impl Interrupted {
    /// The caller of a function of ours, behind its call.
    pub(crate) fn caller_of(from: Registers) -> Self {
        let sp = from.slot() + size_of::<usize>();
        Interrupted { pc: from.caller(), is_behind_call: true, sp, bp: from.caller_bp() }
    }
}

impl Walk {
    /// Chooses by how functions of the server begin.
    pub(crate) fn new() -> Self {
        // Not the allocator's own: where they end in a jump, compilers leave out their frames.
        const TELLING: [&CStr; 2] = [c"pstrdup", c"pchomp"];
        let has_one = |name: &CStr| {
            let function = address_of(name);
            // SAFETY: a function of the server.
            function != 0 && unsafe { begins_with_frame_pointer(function) }
        };
        let frame_pointers = TELLING.into_iter().all(has_one);
        let tables = Box::new(Tables {
            unwinder: UnwinderX86_64::new(),
            caches: std::array::from_fn(|_| CacheX86_64::new_in()),
            known: Vec::new(),
        });
        Walk { frame_pointers, tables }
    }

    /// Takes note of the objects that are loaded now.
    pub(crate) fn know(&mut self, modules: &[Module]) {
        self.tables.know(modules);
    }

    /// Shows the return addresses from the inside out, each with its place on the stack, until `visit` says to stop: in the
    /// quickest way that gets past the server's own frames. Says whether it got as far as `visit` wanted.
    #[inline(always)]
    pub(super) fn frames(
        &mut self,
        from: Registers,
        stack_end: usize,
        mut visit: impl FnMut(usize, usize) -> bool,
    ) -> bool {
        if !self.frame_pointers {
            return self.tables.frames(from, stack_end, visit);
        }
        let mut frame = from.bp;
        loop {
            if frame < from.bp || frame + 16 > stack_end || frame & 7 != 0 {
                return false;
            }
            // SAFETY: between the wrapper's frame and the end of the stack, and aligned.
            let (next, pc) = unsafe { ((frame as *const usize).read(), (frame as *const usize).add(1).read()) };
            if !visit(pc, frame + size_of::<usize>()) {
                return true;
            }
            if next <= frame {
                return false;
            }
            frame = next;
        }
    }

    /// As [`Self::frames`], through frames of every kind.
    pub(super) fn all_frames(
        &mut self,
        from: Registers,
        stack_end: usize,
        visit: impl FnMut(usize, usize) -> bool,
    ) -> bool {
        self.tables.frames(from, stack_end, visit)
    }

    /// Shows where a thread is, and then the return addresses from the inside out, each with its place on the stack, until `visit`
    /// says to stop. Nothing outside of `stack` is read, which can be. Allocates nothing: a signal handler may call it.
    pub(crate) fn frames_of(
        &mut self,
        at: Interrupted,
        stack: &Range<usize>,
        visit: impl FnMut(usize, usize) -> bool,
    ) -> bool {
        self.tables.frames_of(at, stack, visit)
    }
}

impl Tables {
    fn know(&mut self, modules: &[Module]) {
        let is = |module: &Module, known: &Known| (&module.all, &module.name) == (&known.range, &known.name);
        self.known.retain(|known| {
            let loaded = modules.iter().any(|module| is(module, known));
            if !loaded {
                self.unwinder.remove_module(known.range.start as u64);
            }
            loaded
        });
        for module in modules {
            if !self.known.iter().any(|known| is(module, known)) {
                let (range, name) = (module.all.clone(), module.name.clone());
                self.known.push(Known { range, name, functions: Functions::of(module) });
                self.add(module);
            }
        }
    }

    fn add(&mut self, module: &Module) {
        let Some((header, frames)) = &module.unwind else { return };
        // SAFETY: mapped with the object, which is forgotten when it is unloaded.
        let bytes = |range: &Range<usize>| unsafe { std::slice::from_raw_parts(range.start as *const u8, range.len()) };
        let relative = |range: &Range<usize>| (range.start - module.base) as u64..(range.end - module.base) as u64;
        let sections = ExplicitModuleSectionInfo {
            text_svma: Some(relative(&module.code)),
            eh_frame_hdr_svma: Some(relative(header)),
            eh_frame_hdr: Some(bytes(header)),
            eh_frame_svma: Some(relative(frames)),
            eh_frame: Some(bytes(frames)),
            ..ExplicitModuleSectionInfo::default()
        };
        let range = module.all.start as u64..module.all.end as u64;
        self.unwinder.add_module(framehop::Module::new(module.name.clone(), range, module.base as u64, sections));
    }

    /// Whether the function that an address is in begins with `lea r10, [rsp + 8]`, after `endbr64` perhaps: it aligns the
    /// stack, and keeps where that was in r10 first.
    fn aligns_stack(&self, pc: usize) -> bool {
        const LEA: [u8; 5] = [0x4c, 0x8d, 0x54, 0x24, 0x08];
        let known = self.known.iter().find(|known| known.range.contains(&pc));
        let function = known.and_then(|known| known.functions.as_ref()?.around(pc));
        // SAFETY: code of a loaded object.
        let begins = |function: &Range<usize>| unsafe {
            std::slice::from_raw_parts(function.start as *const u8, function.len().min(9))
        };
        function
            .as_ref()
            .map(begins)
            .is_some_and(|code| code.strip_prefix(&ENDBR64[..]).unwrap_or(code).starts_with(&LEA))
    }

    #[inline(never)]
    fn frames(&mut self, from: Registers, stack_end: usize, mut visit: impl FnMut(usize, usize) -> bool) -> bool {
        let mut read = |address: u64| {
            let address = address as usize;
            // SAFETY: between the wrapper's frame and the end of the stack.
            (address >= from.bp && address + 8 <= stack_end)
                .then(|| unsafe { (address as *const u64).read_unaligned() })
                .ok_or(())
        };
        // The engine's own frame has a frame pointer.
        let (mut pc, mut slot) = (from.caller(), from.slot());
        let mut registers = UnwindRegsX86_64::new(pc as u64, slot as u64 + 8, from.caller_bp() as u64);
        loop {
            if !visit(pc, slot) {
                return true;
            }
            let Some(address) = FrameAddress::from_return_address(pc as u64) else { return false };
            let Some(caller) = self.step(pc, address, &mut registers, &mut read) else { return false };
            // The stack pointer is now what it was before the call.
            let next = registers.sp() as usize - size_of::<usize>();
            if next <= slot {
                return false;
            }
            (pc, slot) = (caller, next);
        }
    }

    fn frames_of(
        &mut self,
        at: Interrupted,
        stack: &Range<usize>,
        mut visit: impl FnMut(usize, usize) -> bool,
    ) -> bool {
        let mut read = |address: u64| {
            let address = address as usize;
            // SAFETY: within what can be read, by what is asked of the caller.
            (address >= stack.start && address + 8 <= stack.end)
                .then(|| unsafe { (address as *const u64).read_unaligned() })
                .ok_or(())
        };
        let mut slot = if at.is_behind_call { at.sp.wrapping_sub(size_of::<usize>()) } else { 0 };
        if !visit(at.pc, slot) {
            return true;
        }
        let mut registers = UnwindRegsX86_64::new(at.pc as u64, at.sp as u64, at.bp as u64);
        let address = match at.is_behind_call {
            false => Some(FrameAddress::from_instruction_pointer(at.pc as u64)),
            true => FrameAddress::from_return_address(at.pc as u64),
        };
        let is_code = self.known.iter().any(|known| known.range.contains(&at.pc));
        let first = match address.filter(|_| is_code) {
            Some(address) => self.step(at.pc, address, &mut registers, &mut read),
            // A call, or a jump in place of one, that led nowhere: it has left the address behind it.
            None => read(at.sp as u64).ok().map(|caller| {
                registers.set_sp(at.sp as u64 + 8);
                caller as usize
            }),
        };
        let Some(mut pc) = first else { return false };
        slot = (registers.sp() as usize).wrapping_sub(size_of::<usize>());
        loop {
            if !visit(pc, slot) {
                return true;
            }
            let Some(address) = FrameAddress::from_return_address(pc as u64) else { return false };
            let Some(caller) = self.step(pc, address, &mut registers, &mut read) else { return false };
            let next = (registers.sp() as usize).wrapping_sub(size_of::<usize>());
            if next <= slot || next >= stack.end {
                return false;
            }
            (pc, slot) = (caller, next);
        }
    }

    /// From one frame to the next: the return address in it, with the registers as they were before that call.
    #[inline(always)]
    fn step(
        &mut self,
        pc: usize,
        address: FrameAddress,
        registers: &mut UnwindRegsX86_64,
        read: &mut impl FnMut(u64) -> Result<u64, ()>,
    ) -> Option<usize> {
        let cache = &mut self.caches[pc / CACHE_SIZE % CACHES];
        let bp = registers.bp();
        let caller = self.unwinder.unwind_frame(address, registers, cache, read).ok().flatten()?;
        if registers.sp() == bp.wrapping_add(16)
            && let Some(stack) = before_alignment(bp, caller, read)
            && self.aligns_stack(pc)
        {
            registers.set_sp(stack);
        }
        Some(caller as usize)
    }
}

/// Where the stack was before the call of a function that has aligned it since: `RelationCopyStorageUsingBuffer` of bufmgr.c
/// has a whole page on the stack. Compilers copy the return address to above the frame pointer that they keep then, and keep
/// below it, among the registers, where the stack was. The tables say where, by an expression that takes reading memory, which
/// framehop does not evaluate: it takes the frame for one by frame pointers, whose stack ended behind the copy.
fn before_alignment(bp: u64, caller: u64, read: &mut impl FnMut(u64) -> Result<u64, ()>) -> Option<u64> {
    /// Registers that a function may have to keep: rbx, r12 to r15, and the one that holds where the stack was.
    const KEPT: u64 = 6;
    (1..=KEPT).find_map(|word| {
        let stack = read(bp.checked_sub(8 * word)?).ok()?;
        (stack > bp + 16 && read(stack - 8) == Ok(caller)).then_some(stack)
    })
}

/// Whether a function begins with `push rbp; mov rbp, rsp`, after `endbr64` perhaps.
///
/// # Safety
/// There is code of at least 12 bytes at that address.
pub(crate) unsafe fn begins_with_frame_pointer(function: usize) -> bool {
    const PROLOGUES: [[u8; 4]; 2] = [[0x55, 0x48, 0x89, 0xe5], [0x55, 0x48, 0x8b, 0xec]];
    // SAFETY: by the caller's promise.
    let code = unsafe { std::slice::from_raw_parts(function as *const u8, 12) };
    let code = code.strip_prefix(&ENDBR64[..]).unwrap_or(code);
    PROLOGUES.iter().any(|prologue| code.starts_with(prologue))
}

/// The address behind the oldest frame that a target can be above: PostgresMain's, or else the end of this thread's stack.
///
/// What lies behind are the frames of the postmaster and the environment.
pub(super) fn stack_end() -> Option<usize> {
    let end = end_of_thread_stack()?;
    let main = address_of(c"PostgresMain");
    let Some(size) = size_of_symbol(main).filter(|_| main != 0) else { return Some(end) };
    let here = Registers::here().bp;
    // SAFETY: the stack between its pointer and its end is mapped.
    let stack = unsafe { std::slice::from_raw_parts(here as *const usize, (end - here) / size_of::<usize>()) };
    // The function's own address lies about as well, if only because it was just looked up.
    let oldest = stack.iter().rposition(|word| word.wrapping_sub(main) < size && follows_call(*word));
    Some(oldest.map_or(end, |index| here + (index + 1) * size_of::<usize>()))
}

/// Whether a call instruction ends at an address of the server's code: a direct one, or one through a register or memory.
fn follows_call(address: usize) -> bool {
    // SAFETY: functions of the server have others before them.
    let before = unsafe { std::slice::from_raw_parts((address - 7) as *const u8, 7) };
    before[2] == 0xe8 || (2..=7).any(|length| before[7 - length] == 0xff && before[8 - length] >> 3 & 7 == 2)
}

/// The end of this thread's stack.
pub(crate) fn end_of_thread_stack() -> Option<usize> {
    // SAFETY: asks the thread library about this thread.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let (mut start, mut size) = (std::ptr::null_mut(), 0);
        let failed = libc::pthread_attr_getstack(&attributes, &mut start, &mut size);
        libc::pthread_attr_destroy(&mut attributes);
        (failed == 0).then(|| start.addr() + size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x7000;
    const BP: usize = 8;
    const CALLER: u64 = 0x40_1234;

    /// The stack of a function that has aligned it; the return address was in the last of these words.
    fn aligned() -> [u64; 20] {
        let mut words = [7; 20];
        words[19] = CALLER;
        (words[BP + 1], words[BP - 5]) = (CALLER, START + 20 * 8);
        words
    }

    fn before(words: &[u64]) -> Option<u64> {
        let mut read = |address: u64| {
            let at = usize::try_from(address.checked_sub(START).ok_or(())? / 8).map_err(|_| ())?;
            words.get(at).copied().ok_or(())
        };
        before_alignment(START + BP as u64 * 8, CALLER, &mut read)
    }

    #[test]
    fn where_a_stack_was_before_it_was_aligned_is_found() {
        assert_eq!(before(&aligned()), Some(START + 20 * 8));
        // Not where nothing says so, and not where another return address is.
        let (mut nowhere, mut other) = (aligned(), aligned());
        nowhere[BP - 5] = 7;
        other[19] = CALLER + 1;
        assert_eq!((before(&nowhere), before(&other), before(&aligned()[..BP])), (None, None, None));
        // A frame by frame pointers.
        let mut plain = aligned();
        plain[BP - 5] = START + (BP as u64 + 2) * 8;
        assert_eq!(before(&plain), None);
    }
}
