//! The symbol tables and the DWARF of one file.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use addr2line::Context;
use gimli::{Dwarf, EndianRcSlice, RunTimeEndian};
use memcheck_core::Line;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::bounded;

type Reader = EndianRcSlice<RunTimeEndian>;

/// Most bytes of a file that are read for it.
const LARGEST: u64 = 1 << 30;

/// A file's functions and lines.
pub struct ObjectFile {
    /// Start, end, name; by start.
    functions: Vec<(u64, u64, String)>,
    lines: Option<Context<Reader>>,
    /// In hexadecimal; empty if it has none.
    build_id: String,
}

/// A call that a return address belongs to.
pub struct Call {
    /// The function that makes it, as the file names it.
    pub function: Option<String>,
    /// Where in the source.
    pub line: Option<Line>,
}

impl ObjectFile {
    /// Reads a file, and the one with its debug information where a package has put it. None if it cannot be read, or is
    /// not the one with this build ID in hexadecimal; empty means any.
    pub(super) fn read(path: &Path, build_id: &str) -> Option<Self> {
        let mut read = Self::parse(&bounded::bytes(path, LARGEST).ok()?, build_id)?;
        if read.lines.is_none()
            && let Some(path) = debug_file(&read.build_id)
            && let Some(debug) = bounded::bytes(&path, LARGEST).ok().and_then(|bytes| Self::parse(&bytes, ""))
        {
            read.functions.extend(debug.functions);
            read.functions.sort();
            read.lines = debug.lines;
        }
        Some(read)
    }

    /// Takes the bytes of a file.
    pub fn parse(bytes: &[u8], build_id: &str) -> Option<Self> {
        let file = object::File::parse(bytes).ok()?;
        let own_id: String =
            file.build_id().ok()?.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        if !build_id.is_empty() && own_id != build_id {
            return None;
        }
        Some(ObjectFile { functions: functions(&file), lines: lines(&file), build_id: own_id })
    }

    /// The calls that a return address stands for, from the inside out: several where functions were inlined, none where
    /// the file does not say.
    pub fn calls(&self, offset: u64) -> Vec<Call> {
        // The call stands before the address it returns to, which may be the end of the function.
        let Some(call) = offset.checked_sub(1) else { return Vec::new() };
        let mut calls = self.lines.as_ref().and_then(|lines| calls_at(lines, call)).unwrap_or_default();
        // What is not inlined is in the symbol table, there always with its whole name.
        if let Some(function) = containing(&self.functions, call).map(str::to_owned) {
            match calls.last_mut() {
                Some(outermost) => outermost.function = Some(function),
                None => calls.push(Call { function: Some(function), line: None }),
            }
        }
        calls
    }
}

fn functions(file: &object::File) -> Vec<(u64, u64, String)> {
    let mut functions: Vec<(u64, u64, String)> = (file.symbols().chain(file.dynamic_symbols()))
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| {
            Some((symbol.address(), symbol.address().saturating_add(symbol.size()), symbol.name().ok()?.to_owned()))
        })
        .collect();
    functions.sort();
    functions
}

fn containing(functions: &[(u64, u64, String)], address: u64) -> Option<&str> {
    let after = functions.partition_point(|(start, ..)| *start <= address);
    let (_, end, name) = functions.get(after.checked_sub(1)?)?;
    (address < *end).then_some(name)
}

/// The lines of a file; none if it has no debug information, or one that cannot be read.
fn lines(file: &object::File) -> Option<Context<Reader>> {
    file.section_by_name(".debug_info")?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let section = |id: gimli::SectionId| -> Result<Reader, object::Error> {
        let data = match file.section_by_name(id.name()) {
            Some(section) => section.uncompressed_data()?,
            None => Default::default(),
        };
        Ok(Reader::new(Rc::from(&*data), endian))
    };
    Context::from_dwarf(Dwarf::load(section).ok()?).ok()
}

fn calls_at(lines: &Context<Reader>, address: u64) -> Option<Vec<Call>> {
    let mut frames = lines.find_frames(address).skip_all_loads().ok()?;
    let mut calls = Vec::new();
    while let Some(frame) = frames.next().ok()? {
        let function = frame.function.and_then(|function| Some(function.raw_name().ok()?.into_owned()));
        let line = frame.location.and_then(|at| Some(Line { file: at.file?.to_owned(), number: at.line? }));
        calls.push(Call { function, line });
    }
    Some(calls)
}

/// Where packages of debug information put that of the file with this build ID.
fn debug_file(build_id: &str) -> Option<PathBuf> {
    let (directory, name) = build_id.split_at_checked(2)?;
    let path = Path::new("/usr/lib/debug/.build-id").join(directory).join(format!("{name}.debug"));
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_functions() {
        let functions =
            vec![(0x100, 0x120, "first".to_owned()), (0x120, 0x130, "second".into()), (0x200, 0x210, "last".into())];
        let table = [
            (0xff, None),
            (0x100, Some("first")),
            (0x11f, Some("first")),
            (0x120, Some("second")),
            (0x12f, Some("second")),
            (0x130, None),
            (0x20f, Some("last")),
            (0x210, None),
        ];
        for (address, expected) in table {
            assert_eq!(containing(&functions, address), expected, "{address:#x}");
        }
    }

    #[inline(never)]
    fn landmark() -> u32 {
        line!()
    }

    #[test]
    fn this_program_has_functions_and_lines() {
        let expected = std::hint::black_box(landmark as fn() -> u32)();
        let program = std::env::current_exe().unwrap();
        let file = ObjectFile::read(&program, "").unwrap();
        let (start, ..) = *file.functions.iter().find(|(.., name)| name.contains("landmark")).unwrap();
        let calls = file.calls(start + 1);
        let [Call { function: Some(function), line: Some(line) }] = calls.as_slice() else { panic!("one call") };
        assert!(super::super::language::readable(function).ends_with("tests::landmark"), "{function}");
        assert!(line.file.ends_with("symbols/object_file.rs"), "{}", line.file);
        assert!(line.number + 1 == expected || line.number == expected, "{} {expected}", line.number);
        assert!(file.calls(0).is_empty());
        assert!(ObjectFile::read(&program, "00").is_none());
    }
}
