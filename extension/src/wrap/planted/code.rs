//! Machine code that stands between a call and the function that it leads to: it says that the place was reached, and jumps on or
//! has the call left out. Nothing but r11 and the flags is changed on the way, which no function finds as they were (psABI, "Register Usage").

use super::dropped::dropped;
use super::plan::Place;

/// Where what was called is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leads {
    /// There.
    To(usize),
    /// Where a slot says, which may change.
    ThroughSlot(usize),
}

/// Bytes that the code for so many places takes at most.
pub(super) const fn most(places: usize) -> usize {
    /// One place: a comparison, the flag, and a way on.
    const PLACE: usize = 10 + 4 + 2 + 7 + 7 + 5 + 5 + 10 + 2;
    /// The way on where it was none of them.
    const END: usize = 6;
    (places * PLACE + END).next_multiple_of(16)
}

/// Writes the code for an instruction's places to `at`, in memory that is near enough to everything. `base` is what addresses of places
/// count from, `flags` where theirs begin. None where something is too far away.
pub(super) fn write(places: &[Place], leads: Leads, at: usize, base: usize, flags: usize) -> Option<Vec<u8>> {
    let mut code = Code { bytes: Vec::new(), at };
    for place in places {
        let is_told_apart = place.returns != 0;
        let mut body = Code { bytes: Vec::new(), at: code.end() };
        if is_told_apart {
            body.at += 16;
        }
        // mov byte ptr [rip + flag], 1
        body.distance(&[0xc6, 0x05], flags + place.flag as usize, &[1])?;
        match place.drops {
            // lea rsi, [rip + flag]; mov edx, value; mov ecx, takes; mov rax, dropped; jmp rax
            Some((value, takes)) => {
                body.distance(&[0x48, 0x8d, 0x35], flags + place.flag as usize, &[])?;
                body.bytes.push(0xba);
                body.bytes.extend(value.to_le_bytes());
                body.bytes.push(0xb9);
                body.bytes.extend((takes as u32).to_le_bytes());
                body.bytes.extend([0x48, 0xb8]);
                body.bytes.extend((dropped as *const () as usize).to_le_bytes());
                body.bytes.extend([0xff, 0xe0]);
            }
            None => body.goes_on(leads)?,
        }
        if is_told_apart {
            // mov r11, address; cmp [rsp], r11; jne behind the body
            code.bytes.extend([0x49, 0xbb]);
            code.bytes.extend((base + place.returns as usize).to_le_bytes());
            code.bytes.extend([0x4c, 0x39, 0x1c, 0x24, 0x75, u8::try_from(body.bytes.len()).ok()?]);
        }
        code.bytes.extend(body.bytes);
        if !is_told_apart {
            return Some(code.bytes);
        }
    }
    code.goes_on(leads)?;
    Some(code.bytes)
}

/// The distance from behind an instruction to an address.
pub(super) fn distance(end: usize, address: usize) -> Option<i32> {
    i32::try_from(address.wrapping_sub(end) as isize).ok()
}

struct Code {
    bytes: Vec<u8>,
    /// Where it begins.
    at: usize,
}

impl Code {
    fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    /// An instruction that refers to an address by its distance, with what comes behind that.
    fn distance(&mut self, instruction: &[u8], address: usize, operand: &[u8]) -> Option<()> {
        let end = self.end() + instruction.len() + 4 + operand.len();
        self.bytes.extend(instruction);
        self.bytes.extend(distance(end, address)?.to_le_bytes());
        self.bytes.extend(operand);
        Some(())
    }

    /// jmp
    fn goes_on(&mut self, leads: Leads) -> Option<()> {
        match leads {
            Leads::To(address) => self.distance(&[0xe9], address, &[]),
            Leads::ThroughSlot(slot) => self.distance(&[0xff, 0x25], slot, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Takes;
    use super::*;

    const AT: usize = 0x10_0000;
    const FLAGS: usize = 0x20_0000;

    fn code(places: &[Place], leads: Leads) -> Vec<u8> {
        let code = write(places, leads, AT, 0x1000, FLAGS).expect("near enough");
        assert!(code.len() <= most(places.len()), "{}", code.len());
        code
    }

    #[test]
    fn a_place_says_that_it_was_reached_and_goes_on() {
        let place = Place { returns: 0, flag: 0x10, drops: None };
        let flag = [0xc6, 0x05, 0x09, 0x00, 0x10, 0x00, 1];
        assert_eq!(code(&[place], Leads::To(AT + 12 + 0x100)), [&flag[..], &[0xe9, 0, 1, 0, 0]].concat());
        assert_eq!(code(&[place], Leads::ThroughSlot(AT + 13 + 8)), [&flag[..], &[0xff, 0x25, 8, 0, 0, 0]].concat());
        let left_out = Place { drops: Some((2, Takes::Context)), ..place };
        let function = (dropped as *const () as usize).to_le_bytes();
        let given = [0x48, 0x8d, 0x35, 0x02, 0x00, 0x10, 0x00, 0xba, 2, 0, 0, 0, 0xb9, 2, 0, 0, 0, 0x48, 0xb8];
        assert_eq!(code(&[left_out], Leads::To(0)), [&flag[..], &given, &function, &[0xff, 0xe0]].concat());
        assert_eq!(write(&[place], Leads::To(1 << 40), AT, 0, FLAGS), None);
    }

    #[test]
    fn calls_of_one_pointer_are_told_apart_by_where_they_return_to() {
        let place = |returns, flag| Place { returns, flag, drops: None };
        let code = code(&[place(0x20, 0x10), place(0x30, 0x11)], Leads::ThroughSlot(AT));
        // Two comparisons, each with its body of 13 bytes, and the way on.
        assert_eq!(code.len(), 2 * (16 + 13) + 6);
        for (number, returns) in [(0, 0x1020u64), (1, 0x1030)] {
            let at = number * 29;
            assert_eq!(code[at..at + 2], [0x49, 0xbb]);
            assert_eq!(code[at + 2..at + 10], returns.to_le_bytes());
            assert_eq!(code[at + 10..at + 16], [0x4c, 0x39, 0x1c, 0x24, 0x75, 13]);
            let flag = i32::from_le_bytes(code[at + 18..at + 22].try_into().expect("four bytes"));
            assert_eq!(AT + at + 23 + flag as usize, FLAGS + 0x10 + number);
        }
    }
}
