//! The names of a context and of those above it, kept in fixed memory.

#[cfg(test)]
use std::ffi::CStr;

use super::context::Context;

/// Bytes for all names. Where a path is longer, what is outermost is left out.
const BYTES: usize = 504;

/// Bytes for one name.
const LONGEST: usize = 63;

/// Names from the inside out, each ended by a zero byte, without TopMemoryContext.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Names {
    length: usize,
    bytes: [u8; BYTES],
}

impl Default for Names {
    fn default() -> Self {
        Names { length: 0, bytes: [0; BYTES] }
    }
}

impl Names {
    /// Those of a context.
    pub(crate) fn of_context(context: Context<'_>, names: &mut Names) {
        *names = Names::default();
        context.names(|name| names.push(name.as_bytes()));
    }

    /// Whether there are none: those of TopMemoryContext, or of one that is being deleted.
    pub(crate) fn are_none(&self) -> bool {
        self.length == 0
    }

    /// Copies names, from the inside out.
    #[cfg(test)]
    pub(crate) fn set<'a>(&mut self, names: impl IntoIterator<Item = &'a CStr>) {
        *self = Names::default();
        let _ = names.into_iter().all(|name| self.push(name.to_bytes()));
    }

    /// Adds a name. Whether there was room for it.
    fn push(&mut self, name: &[u8]) -> bool {
        let name = &name[..name.len().min(LONGEST)];
        let end = self.length + name.len() + 1;
        let Some(room) = self.bytes.get_mut(self.length..end) else { return false };
        let (copy, zero) = room.split_at_mut(name.len());
        copy.copy_from_slice(name);
        zero.fill(0);
        self.length = end;
        true
    }

    /// A number by which equal names are found.
    pub(crate) fn hash(&self) -> usize {
        // FNV-1a, whose low bits are not in order: they are shifted out where a table goes by neighbours.
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.bytes[..self.length].iter().fold(0xcbf2_9ce4_8422_2325, step) as usize
    }

    /// The context's own name.
    pub(crate) fn innermost(&self) -> String {
        self.outermost_first().pop().unwrap_or_default()
    }

    /// The names, for a path.
    pub(crate) fn outermost_first(&self) -> Vec<String> {
        let names = self.bytes[..self.length].split_inclusive(|&byte| byte == 0);
        let mut names: Vec<String> =
            names.map(|name| String::from_utf8_lossy(&name[..name.len() - 1]).into_owned()).collect();
        names.reverse();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_far_as_there_is_room() {
        let mut names = Names::default();
        assert_eq!(names.outermost_first(), [""; 0]);
        names.set([c"ExprContext", c"", c"PortalContext"]);
        assert_eq!(names.outermost_first(), ["PortalContext", "", "ExprContext"]);
        names.set([c"x"]);
        assert_eq!(names.outermost_first(), ["x"]);
        let long = c"a name of more than sixty-three bytes, which is more than the server's own identifiers have";
        names.set([long; 10]);
        assert_eq!(names.outermost_first(), [&long.to_str().unwrap()[..LONGEST]; 7]);
    }
}
