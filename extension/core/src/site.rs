//! Places in code: return addresses, and where in the source they are.

use crate::census::SiteId;

/// A return address in a loaded object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The object's name without directory and suffix; `postgres` for the server.
    pub library: String,
    /// GNU build ID in hexadecimal; empty if there is none.
    pub build_id: String,
    /// Offset in the file's address space.
    pub offset: u64,
    /// The function it is in, where that is known.
    pub symbol: Option<String>,
    /// Where in the source, where that is known. The backend does not.
    pub line: Option<Line>,
}

impl Frame {
    /// Where it is: the function, or library and offset (`mine+0x1234`) where its name is not known.
    pub fn place(&self) -> String {
        self.symbol.clone().unwrap_or_else(|| format!("{}+{:#x}", self.library, self.offset))
    }
}

/// A line of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The file as the compiler was given it, with the directory it ran in.
    pub file: String,
    /// Its number, from 1.
    pub number: u32,
}

/// A place in a target's code that allocates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The engine's number for it; means nothing outside the backend.
    pub id: SiteId,
    /// The call in the target.
    pub frame: Frame,
    /// A stack it allocated with, from the allocator's caller outwards.
    pub stack: Vec<Frame>,
}

impl Site {
    /// A site of which only the number is known.
    pub fn numbered(id: SiteId) -> Self {
        Site { id, frame: Frame::default(), stack: Vec::new() }
    }

    /// Whether it is at the same place in the code as another one, of another process perhaps.
    pub fn is_at(&self, other: &Site) -> bool {
        (&self.frame.library, self.frame.offset) == (&other.frame.library, other.frame.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_knows_its_place() {
        for (library, offset, symbol, expected) in [
            ("mine", 0x1234, None, "mine+0x1234"),
            ("postgres", 0, None, "postgres+0x0"),
            ("mine", 0x1234, Some("mine::load"), "mine::load"),
        ] {
            let symbol = symbol.map(str::to_owned);
            let frame = Frame { library: library.to_owned(), offset, symbol, ..Frame::default() };
            assert_eq!(frame.place(), expected);
        }
    }
}
