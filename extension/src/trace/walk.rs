//! Walking the stack, from one of the allocator's wrappers to the nearest frame of a target.
//!
//! Debian's and similar servers are built with frame pointers: then a frame costs a nanosecond, and frames of a target that
//! has none are no obstacle, because its return address stands in the frame of the server's function that it called. Other
//! servers are unwound by their `.eh_frame` (framehop), but only if an address of a target's code is somewhere on the stack.

use std::arch::asm;
use std::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, MustNotAllocateDuringUnwind, Unwinder};

use super::modules::Module;

/// Frames looked at; a target below that many is not seen.
pub(super) const MOST_FRAMES: usize = 128;

/// How this server's stacks are walked.
pub(super) enum Walk {
    /// Along the frame pointers.
    FramePointers,
    /// By unwind tables.
    Tables(Box<Tables>),
}

/// What framehop needs.
pub(super) struct Tables {
    unwinder: UnwinderX86_64<&'static [u8], MustNotAllocateDuringUnwind>,
    cache: CacheX86_64<MustNotAllocateDuringUnwind>,
}

/// Where a walk starts, and where the stack ends.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pc: usize,
    sp: usize,
    bp: usize,
}

impl Registers {
    /// The caller's. It has to be built with frame pointers.
    #[inline(always)]
    pub(super) fn here() -> Self {
        let (pc, sp, bp);
        // SAFETY: reads three registers.
        unsafe {
            asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) bp,
                 options(nomem, nostack, preserves_flags));
        }
        Registers { pc, sp, bp }
    }
}

impl Walk {
    /// Chooses by how the server's `palloc` begins, and prepares for the modules loaded.
    pub(super) fn new(modules: &[Module]) -> Self {
        // SAFETY: looks a name up.
        let palloc = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"palloc".as_ptr()) };
        if !palloc.is_null() && has_frame_pointer(palloc.addr()) {
            return Walk::FramePointers;
        }
        let mut tables = Box::new(Tables { unwinder: UnwinderX86_64::new(), cache: CacheX86_64::new_in() });
        for module in modules {
            tables.add(module);
        }
        Walk::Tables(tables)
    }

    /// Shows the return addresses from the inside out, until `visit` says to stop.
    #[inline(always)]
    pub(super) fn frames(&mut self, from: Registers, stack_end: usize, mut visit: impl FnMut(usize) -> bool) {
        match self {
            Walk::FramePointers => {
                let mut frame = from.bp;
                for _ in 0..MOST_FRAMES {
                    if frame < from.sp || frame + 16 > stack_end || frame & 7 != 0 {
                        return;
                    }
                    // SAFETY: between the stack pointer and the end of the stack, and aligned.
                    let (next, pc) = unsafe { ((frame as *const usize).read(), (frame as *const usize).add(1).read()) };
                    if !visit(pc) || next <= frame {
                        return;
                    }
                    frame = next;
                }
            }
            Walk::Tables(tables) => tables.frames(from, stack_end, visit),
        }
    }

    /// Whether a walk can find code in this range. False only if it cannot; with frame pointers a walk is as cheap as asking.
    #[inline(always)]
    pub(super) fn may_find(&self, code: &Range<usize>, from: Registers, stack_end: usize) -> bool {
        match self {
            Walk::FramePointers => true,
            Walk::Tables(_) => {
                let words = stack_end.saturating_sub(from.sp) / size_of::<usize>();
                // SAFETY: the stack between its pointer and its end is mapped.
                let stack = unsafe { std::slice::from_raw_parts(from.sp as *const usize, words) };
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has it.
                    unsafe { mentions_avx2(stack, code) }
                } else {
                    mentions(stack, code)
                }
            }
        }
    }
}

impl Tables {
    pub(super) fn add(&mut self, module: &Module) {
        let Some((header, frames)) = &module.unwind else { return };
        // SAFETY: mapped with the object, which is never unloaded.
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

    #[inline(never)]
    fn frames(&mut self, from: Registers, stack_end: usize, mut visit: impl FnMut(usize) -> bool) {
        let mut read = |address: u64| {
            let address = address as usize;
            // SAFETY: between the stack pointer and the end of the stack.
            (address >= from.sp && address + 8 <= stack_end)
                .then(|| unsafe { (address as *const u64).read_unaligned() })
                .ok_or(())
        };
        let registers = UnwindRegsX86_64::new(from.pc as u64, from.sp as u64, from.bp as u64);
        let mut frames = self.unwinder.iter_frames(from.pc as u64, registers, &mut self.cache, &mut read);
        for _ in 0..MOST_FRAMES {
            match frames.next() {
                Ok(Some(frame)) => {
                    if !visit(frame.address() as usize) {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

/// Whether a word of the stack is an address in this range. Block by block, so that several words are compared at once.
#[inline(always)]
fn mentions(stack: &[usize], code: &Range<usize>) -> bool {
    let length = code.end - code.start;
    stack.chunks(64).any(|words| words.iter().fold(false, |hit, word| hit | (word.wrapping_sub(code.start) < length)))
}

#[target_feature(enable = "avx2")]
fn mentions_avx2(stack: &[usize], code: &Range<usize>) -> bool {
    mentions(stack, code)
}

/// Whether a function begins with `push rbp; mov rbp, rsp`, after `endbr64` perhaps.
fn has_frame_pointer(function: usize) -> bool {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    const PROLOGUES: [[u8; 4]; 2] = [[0x55, 0x48, 0x89, 0xe5], [0x55, 0x48, 0x8b, 0xec]];
    // SAFETY: code of the server; functions are longer than 8 bytes or followed by others.
    let code = unsafe { std::slice::from_raw_parts(function as *const u8, 8) };
    let code = code.strip_prefix(&ENDBR64[..]).unwrap_or(code);
    PROLOGUES.iter().any(|prologue| code.starts_with(prologue))
}

/// The address behind the oldest frame that a target can be above: PostgresMain's, or else the end of this thread's stack.
///
/// What lies behind are the frames of the postmaster and the environment.
pub(super) fn stack_end() -> Option<usize> {
    let end = end_of_thread_stack()?;
    // SAFETY: looks a name up.
    let main = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PostgresMain".as_ptr()) }.addr();
    let Some(size) = super::barrier::size_of_symbol(main).filter(|_| main != 0) else { return Some(end) };
    let here = Registers::here().sp;
    // SAFETY: the stack between its pointer and its end is mapped.
    let stack = unsafe { std::slice::from_raw_parts(here as *const usize, (end - here) / size_of::<usize>()) };
    let oldest = stack.iter().rposition(|word| word.wrapping_sub(main) < size);
    Some(oldest.map_or(end, |index| here + (index + 1) * size_of::<usize>()))
}

fn end_of_thread_stack() -> Option<usize> {
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
