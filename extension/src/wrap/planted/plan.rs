//! A plan: which places of a library are looked at, as `mcspec` has read them from its file (`runner/src/places/`).
//!
//! ```text
//! library BUILD-ID
//! at DISPLACEMENT END EXPECTED direct|slot
//! place RETURNS FLAG [VALUE chunk|context|other]
//! entry OFFSET FLAG
//! ```
//!
//! Numbers are hexadecimal. `at` is an instruction that leaves the library: where the distance stands that it ends with, the address
//! that it counts from, what it is, and whether it leads to code or to a slot. The places below it are its own: the address that the call
//! returns to where several are told apart, else 0; the byte that says that it was reached; and for a call that is left out, what it
//! gives, and what it takes. An entry is a function of the library's.

/// Bytes of the flags before those of places.
pub(super) const STATUS: u32 = 16;

/// Most places of a library.
const MOST: u32 = 1 << 20;

/// What is planted in a library.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) build_id: String,
    pub(super) patches: Vec<Patch>,
    pub(super) entries: Vec<Entry>,
    /// Bytes that the flags take.
    pub(super) flags: u32,
}

/// A distance that is changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) at: u32,
    pub(super) end: u32,
    pub(super) expected: u32,
    pub(super) is_slot: bool,
    pub(super) places: Vec<Place>,
}

/// A call, or several by the same instruction that the pointer was loaded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The address that it returns to; 0 where there is only one.
    pub(super) returns: u32,
    pub(super) flag: u32,
    /// For a call that is left out, what it gives and what it takes.
    pub(super) drops: Option<(u32, Takes)>,
}

/// What a function takes that gives something back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A chunk of palloc's.
    Chunk = 1,
    /// A memory context.
    Context = 2,
    /// Something else.
    Other = 3,
}

/// A function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u32,
    pub(super) flag: u32,
}

impl Plan {
    /// Reads it; none where it is not one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut plan = Plan { flags: STATUS, ..Plan::default() };
        let mut lines = text.lines();
        plan.build_id = lines.next()?.strip_prefix("library ")?.trim().to_owned();
        for line in lines {
            let mut words = line.split(' ');
            let kind = words.next()?;
            let words: Vec<&str> = words.collect();
            let number = |word: &&str| u32::from_str_radix(word, 16).ok();
            match (kind, words.as_slice()) {
                ("at", [at, end, expected, way @ ("direct" | "slot")]) => {
                    let (at, end, expected) = (number(at)?, number(end)?, number(expected)?);
                    let is_slot = *way == "slot";
                    plan.patches.push(Patch { at, end, expected, is_slot, places: Vec::new() });
                }
                ("place", [returns, flag, value @ ..]) => {
                    let (returns, flag) = (number(returns)?, plan.flag(number(flag)?)?);
                    let drops = match value {
                        [] => None,
                        [value, "chunk"] => Some((number(value)?, Takes::Chunk)),
                        [value, "context"] => Some((number(value)?, Takes::Context)),
                        [value, "other"] => Some((number(value)?, Takes::Other)),
                        _ => return None,
                    };
                    plan.patches.last_mut()?.places.push(Place { returns, flag, drops });
                }
                ("entry", [offset, flag]) => {
                    let entry = Entry { offset: number(offset)?, flag: plan.flag(number(flag)?)? };
                    plan.entries.push(entry);
                }
                _ => return None,
            }
        }
        Some(plan)
    }

    fn flag(&mut self, flag: u32) -> Option<u32> {
        if !(STATUS..MOST).contains(&flag) {
            return None;
        }
        self.flags = self.flags.max(flag + 1);
        Some(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read() {
        let text = "library 0abc\nat 11 15 ff direct\nplace 0 10\nat 20 24 1 slot\nplace 30 11 2 chunk\nplace 38 12\nentry 40 13\n";
        let place = |returns, flag, drops| Place { returns, flag, drops };
        let expected = Plan {
            build_id: "0abc".to_owned(),
            patches: vec![
                Patch { at: 0x11, end: 0x15, expected: 0xff, is_slot: false, places: vec![place(0, 0x10, None)] },
                Patch {
                    at: 0x20,
                    end: 0x24,
                    expected: 1,
                    is_slot: true,
                    places: vec![place(0x30, 0x11, Some((2, Takes::Chunk))), place(0x38, 0x12, None)],
                },
            ],
            entries: vec![Entry { offset: 0x40, flag: 0x13 }],
            flags: 0x14,
        };
        assert_eq!(Plan::read(text), Some(expected));
    }

    #[test]
    fn what_is_no_plan_is_not_read() {
        let table = [
            "",
            "x",
            "library a\nplace 0 10",
            "library a\nat 1 2 3 else",
            "library a\nat 1 2 3",
            "library a\nentry 1 2",
            "library a\nentry 1 ffffffff",
            "library a\nentry x 10",
            "library a\nat 1 2 3 slot\nplace 0 10 1",
            "library a\nat 1 2 3 slot\nplace 0 10 1 1",
            "library a\n\n",
        ];
        for text in table {
            assert_eq!(Plan::read(text), None, "{text:?}");
        }
        assert_eq!(Plan::read("library \n"), Some(Plan { flags: STATUS, ..Plan::default() }));
    }
}
