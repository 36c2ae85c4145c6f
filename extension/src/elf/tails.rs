//! Tail calls: jumps by which a function's last call leaves its object, so that no frame of it stays on the stack.
//!
//! Compilers make `return palloc(n);` a jump: to a stub of the procedure linkage table, which jumps on through a slot, or
//! (`-fno-plt`, Rust) through the slot itself.

use std::collections::HashMap;

use super::functions::Functions;
use super::got::{self, Kind};
use super::module::Module;
use super::patched;

/// A jump out of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The slot that it goes through.
    pub(crate) slot: usize,
    /// The address behind it, where the call would return to if it were one.
    pub(crate) pc: usize,
}

/// All such jumps of a loaded object; those through registers are not seen.
pub(crate) fn tails(module: &Module) -> Vec<Tail> {
    let mut slots = HashMap::new();
    got::for_each_slot(module, |address, slot| slots.extend([(address, slot.kind)]));
    // In one piece, which linkers make of it.
    let code = module.table(module.code.start, module.code.len()).unwrap_or_default();
    let code = patched::original(code, module.code.start);
    find(&code, module.code.start, &slots, Functions::of(module).as_ref())
}

fn find(code: &[u8], start: usize, slots: &HashMap<usize, Kind>, functions: Option<&Functions>) -> Vec<Tail> {
    let (mut found, mut stubs) = (Vec::new(), HashMap::new());
    for at in (0..code.len().saturating_sub(5)).filter(|&at| code[at..].starts_with(&[0xff, 0x25])) {
        let slot = target(code, start, at + 2);
        let Some(kind) = slots.get(&slot) else { continue };
        let is_stub = *kind == Kind::Call || is_stub_of_got(code, start, at, functions);
        if is_stub {
            stubs.extend(beginnings(code, at).map(|at| (start + at, slot)));
        } else {
            found.push(Tail { slot, pc: start + at + 6 });
        }
    }
    if !stubs.is_empty() {
        for at in 0..code.len().saturating_sub(5) {
            let length = match code[at..] {
                [0xe9, ..] => 5,
                // Some compilers make conditional ones.
                [0x0f, 0x80..=0x8f, ..] => 6,
                _ => continue,
            };
            if at + length <= code.len()
                && let Some(&slot) = stubs.get(&target(code, start, at + length - 4))
            {
                found.push(Tail { slot, pc: start + at + length });
            }
        }
    }
    found
}

/// The address that an instruction refers to by the distance that it ends with.
fn target(code: &[u8], start: usize, at: usize) -> usize {
    let distance = i32::from_le_bytes([code[at], code[at + 1], code[at + 2], code[at + 3]]);
    (start + at + 4).wrapping_add_signed(distance as isize)
}

/// Where the stub begins that jumps at a place: there, or at what may come before, `bnd` and `endbr64`.
fn beginnings(code: &[u8], at: usize) -> impl Iterator<Item = usize> + use<> {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    let bound = if at > 0 && code[at - 1] == 0xf2 { at - 1 } else { at };
    let marked = if code[..bound].ends_with(&ENDBR64) { bound - 4 } else { bound };
    [at, bound, marked].into_iter()
}

/// Whether a jump through a slot that is no procedure's own is a stub as well, of `.plt.got`, rather than a function's: such stubs
/// have 8 or 16 bytes each, one behind the other from where an entry of the table of functions begins.
fn is_stub_of_got(code: &[u8], start: usize, at: usize, functions: Option<&Functions>) -> bool {
    let first = beginnings(code, at).last().unwrap_or(at);
    let size = if first == at { 8 } else { 16 };
    match functions.and_then(|functions| functions.around(start + at)) {
        Some(function) => {
            let begins = |at: usize| code[at - start..].starts_with(&code[first..first + 2]);
            (start + first - function.start).is_multiple_of(size)
                && function.len().is_multiple_of(size)
                && begins(function.start)
        }
        None => (start + first).is_multiple_of(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: usize = 0x1000;
    const CALL: usize = 0x3000;
    const ADDRESS: usize = 0x3008;

    fn found(code: &[u8]) -> Vec<Tail> {
        let slots = HashMap::from([(CALL, Kind::Call), (ADDRESS, Kind::Address)]);
        let mut padded = code.to_vec();
        padded.resize(code.len().next_multiple_of(16) + 16, 0xcc);
        find(&padded, START, &slots, None)
    }

    /// An instruction that ends with the distance to a target.
    fn to(instruction: &[u8], at: usize, target: usize) -> Vec<u8> {
        let end = START + at + instruction.len() + 4;
        [instruction, &(target.wrapping_sub(end) as u32).to_le_bytes()].concat()
    }

    #[test]
    fn jumps_to_stubs_are_found() {
        // As ld writes `.plt`, `.plt.sec` with endbr64 and with bnd.
        let stubs = [
            vec![0xff, 0x25],
            vec![0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25],
            vec![0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25],
        ];
        for stub in stubs {
            let mut code = to(&stub, 0, CALL);
            code.resize(16, 0x90);
            code.extend(to(&[0xe9], 16, START));
            code.extend(to(&[0x0f, 0x84], 21, START));
            code.extend(to(&[0xe8], 27, START));
            code.extend(to(&[0xe9], 32, START + 1));
            let tail = |pc| Tail { slot: CALL, pc: START + pc };
            assert_eq!(found(&code), [tail(21), tail(27)], "{stub:x?}");
        }
    }

    #[test]
    fn jumps_through_slots_are_found_and_stubs_are_none() {
        let mut code = vec![0x90, 0x90, 0x90];
        code.extend(to(&[0xff, 0x25], 3, ADDRESS));
        assert_eq!(found(&code), [Tail { slot: ADDRESS, pc: START + 9 }]);
        // A call through the slot, and a jump through what is no slot.
        let mut code = to(&[0xff, 0x15], 0, ADDRESS);
        code.extend(to(&[0xff, 0x25], 6, 0x3010));
        assert_eq!(found(&code), []);
        // A stub of `.plt.got`, and a jump to it.
        let mut code = to(&[0xff, 0x25], 0, ADDRESS);
        code.extend([0x66, 0x90]);
        code.extend(to(&[0xe9], 8, START));
        assert_eq!(found(&code), [Tail { slot: ADDRESS, pc: START + 13 }]);
    }
}
