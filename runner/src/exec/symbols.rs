//! Names of functions, from the symbol tables of the server and of libraries.
//!
//! The backend knows the exported ones. `.symtab`, where it was not stripped, has the static ones as well.

use std::collections::HashMap;
use std::path::PathBuf;

use object::{Object, ObjectSymbol, SymbolKind};

/// Functions of one file: start, end, name; by start.
type Functions = Vec<(u64, u64, String)>;

/// Symbol tables, read when first asked for.
pub(super) struct Symbols {
    libraries: PathBuf,
    programs: PathBuf,
    files: HashMap<String, Functions>,
}

impl Symbols {
    /// Takes the directories of the server's libraries and programs.
    pub(super) fn new(libraries: PathBuf, programs: PathBuf) -> Self {
        Symbols { libraries, programs, files: HashMap::new() }
    }

    /// The function that a return address is in; none where the file is not there or does not say.
    pub(super) fn function(&mut self, library: &str, offset: u64) -> Option<String> {
        if !self.files.contains_key(library) {
            let path = match library {
                "postgres" => self.programs.join("postgres"),
                library => self.libraries.join(format!("{library}.so")),
            };
            let functions = std::fs::read(path).ok().and_then(|bytes| functions(&bytes)).unwrap_or_default();
            self.files.insert(library.to_owned(), functions);
        }
        containing(&self.files[library], offset).map(str::to_owned)
    }
}

fn functions(bytes: &[u8]) -> Option<Functions> {
    let file = object::File::parse(bytes).ok()?;
    let mut functions: Functions = (file.symbols().chain(file.dynamic_symbols()))
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| Some((symbol.address(), symbol.address() + symbol.size(), symbol.name().ok()?.to_owned())))
        .collect();
    functions.sort();
    Some(functions)
}

/// The call stands before the address it returns to, which may be the end of the function.
fn containing(functions: &[(u64, u64, String)], offset: u64) -> Option<&str> {
    let call = offset.checked_sub(1)?;
    let after = functions.partition_point(|(start, ..)| *start <= call);
    let (_, end, name) = functions.get(after.checked_sub(1)?)?;
    // The part that the compiler split off as unlikely belongs to the function.
    (call < *end).then(|| name.split('.').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_addresses_are_found_in_their_functions() {
        let functions: Functions =
            vec![(0x100, 0x120, "first".into()), (0x120, 0x130, "second.cold".into()), (0x200, 0x210, "last".into())];
        let table = [
            (0, None),
            (0x100, None),
            (0x101, Some("first")),
            (0x120, Some("first")),
            (0x121, Some("second")),
            (0x130, Some("second")),
            (0x140, None),
            (0x210, Some("last")),
            (0x211, None),
        ];
        for (offset, expected) in table {
            assert_eq!(containing(&functions, offset), expected, "{offset:#x}");
        }
    }

    #[test]
    fn this_program_has_functions() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let functions = functions(&bytes).unwrap();
        assert!(functions.iter().any(|(_, _, name)| name == "main"));
        assert!(super::functions(b"no object file").is_none());
    }
}
