//! The places of one library, as its author knows them: function, file and line.

use std::collections::BTreeMap;
use std::path::Path;

use object::{Object, ObjectSymbol, SymbolKind};

use super::code::{self, Calls, Unread, Way};
use super::functions::{Does, does};
use crate::bounded;
use crate::symbols::{ObjectFile, is_runtime, readable};

/// Most bytes of a library that are read.
const LARGEST: u64 = 1 << 30;

/// A place: the calls of one function from one line of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the compiler was told; empty where that is not known.
    pub file: String,
    /// The line; 0 where it is not known.
    pub line: u32,
    /// The function that calls.
    pub function: String,
    /// The function that is called.
    pub callee: String,
}

impl Place {
    /// `abort.c:48`, or nothing.
    pub fn line(&self) -> Option<String> {
        (self.line > 0).then(|| format!("{}:{}", self.file, self.line))
    }

    /// What the function that is called does.
    pub fn does(&self) -> Does {
        // What else is of interest allocates for a language.
        does(&self.callee).unwrap_or(Does::Allocates)
    }
}

/// A library with its places.
#[derive(Debug)]
pub struct Library {
    /// Its name: that of the file without `.so`.
    pub name: String,
    /// The addresses behind the calls of each place.
    pub places: BTreeMap<Place, Vec<u64>>,
    /// Functions that others may call, by where they are: exported ones.
    pub entries: BTreeMap<String, u64>,
    /// Calls through pointers, of which it is not known where they lead to.
    pub through_pointers: usize,
    /// Functions whose address is taken where it is not seen what is called with it, with how often.
    pub handed: BTreeMap<String, usize>,
    /// Calls that a runtime makes for itself.
    pub of_runtime: usize,
    /// Whether it has lines.
    pub has_lines: bool,
    /// Whether it has lost the names of functions that are not exported.
    pub is_stripped: bool,
    pub(super) ways: Vec<Way>,
    pub(super) build_id: String,
    unseen: Vec<u64>,
}

impl Library {
    /// Reads a library's file.
    ///
    /// # Errors
    ///
    /// Why it is not read.
    pub fn read(path: &Path) -> Result<Self, Unread> {
        let bytes = bounded::bytes(path, LARGEST).map_err(|_| Unread::NoLibrary)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::parse(&name, &bytes)
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    ///
    /// Why they are not read.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Unread> {
        let Calls { callees, ways, unseen, through_pointers, handed, .. } = code::calls(bytes)?;
        let symbols = ObjectFile::parse(bytes, "").ok_or(Unread::NoLibrary)?;
        let file = object::File::parse(bytes).map_err(|_| Unread::NoLibrary)?;
        let exported =
            file.dynamic_symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition());
        let entries = exported.filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address())));
        let build_id = file.build_id().ok().flatten().unwrap_or_default();
        let mut library = Library {
            name: name.to_owned(),
            places: BTreeMap::new(),
            entries: entries.collect(),
            through_pointers,
            handed,
            of_runtime: 0,
            has_lines: false,
            is_stripped: file.symbols().next().is_none(),
            ways,
            build_id: build_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            unseen: unseen.into_iter().collect(),
        };
        for (behind, callee) in callees {
            match place(&symbols, behind, callee) {
                Some(place) => {
                    library.has_lines |= place.line > 0;
                    library.places.entry(place).or_default().push(behind);
                }
                None => library.of_runtime += 1,
            }
        }
        Ok(library)
    }

    /// Whether nothing can be seen of any of a place's calls: jumps through registers.
    pub fn is_unseen(&self, place: &Place) -> bool {
        self.places.get(place).is_some_and(|calls| calls.iter().all(|call| self.unseen.contains(call)))
    }
}

/// Where a call is in the source: in the innermost function that is neither a header's of somebody else nor a runtime's. None where all are
/// a runtime's.
fn place(symbols: &ObjectFile, behind: u64, callee: String) -> Option<Place> {
    let calls = symbols.calls(behind);
    if calls.is_empty() {
        return Some(Place { file: String::new(), line: 0, function: format!("{behind:#x}"), callee });
    }
    let mut own = calls.iter().filter(|call| {
        let file = call.line.as_ref().map_or("", |line| line.file.as_str());
        !is_of_header(file) && !is_runtime(&call.frame())
    });
    let is_of_runtime = || calls.iter().all(|call| is_runtime(&call.frame()));
    let own = match own.next() {
        Some(own) => own,
        None if is_of_runtime() => return None,
        None => calls.last()?,
    };
    let (file, line) = own.line.as_ref().map_or((String::new(), 0), |line| (line.file.clone(), line.number));
    let function = own.function.as_deref().map(readable).unwrap_or_default();
    Some(Place { file, line, function, callee })
}

/// Whether a file is a header of PostgreSQL's, of the C library's or of the compiler's, whose inline functions are not the author's.
fn is_of_header(file: &str) -> bool {
    const BEGINNINGS: [&str; 2] = ["/usr/include/", "/usr/lib/gcc"];
    const PARTS: [&str; 3] = ["/include/server/", "/include/postgresql/", "/postgresql/server/"];
    let is_header = file.ends_with(".h");
    BEGINNINGS.iter().any(|beginning| file.starts_with(beginning))
        || is_header && PARTS.iter().any(|part| file.contains(part))
}
