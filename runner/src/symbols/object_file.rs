//! The symbol tables and the DWARF of one file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use addr2line::Context;
use gimli::{Dwarf, Reader, RunTimeEndian, Section};
use memcheck_core::{Frame, Line};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::language::readable;
use super::metered::{Meter, Metered};
use crate::bounded;

/// Most bytes of a file that are read for it.
const LARGEST: u64 = 1 << 30;

/// Bytes of the longest name of a function. Symbols may share the text of their names, each all of it.
const LONGEST_NAME: usize = 16 << 10;

/// How many times larger a section may be than what it was compressed to. Debug information becomes a third.
const INFLATION: u64 = 100;

/// Attributes of an entry. One that takes no bytes is read in no time and from nothing, so that many entries with many of those
/// would take long.
const ATTRIBUTES: usize = 100;

/// Calls that are inlined into each other.
const INLINED: usize = 500;

/// A file's functions and lines.
pub struct ObjectFile {
    /// Start, end, name; by start.
    functions: Vec<(u64, u64, String)>,
    lines: Option<Lines>,
    /// In hexadecimal; empty if it has none.
    build_id: String,
}

/// Lines and inlined calls.
struct Lines {
    context: Context<Metered>,
    meter: Rc<Meter>,
}

/// A call that a return address belongs to.
pub struct Call {
    /// The function that makes it, as the file names it.
    pub function: Option<String>,
    /// Where in the source.
    pub line: Option<Line>,
}

impl Call {
    /// The same as a frame of no library.
    pub(crate) fn frame(&self) -> Frame {
        Frame { symbol: self.function.as_deref().map(readable), line: self.line.clone(), ..Frame::default() }
    }
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
        Some(ObjectFile { functions: functions(&file, bytes.len()), lines: lines(&file), build_id: own_id })
    }

    /// The calls that a return address stands for, from the inside out: several where functions were inlined, none where
    /// the file does not say.
    pub fn calls(&self, offset: u64) -> Vec<Call> {
        // The call stands before the address it returns to, which may be the end of the function.
        let Some(call) = offset.checked_sub(1) else { return Vec::new() };
        let mut calls = self.lines.as_ref().and_then(|lines| lines.calls_at(call)).unwrap_or_default();
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

/// The build ID of a file in hexadecimal, empty where a linker has written none; none where it is no object file.
pub(crate) fn build_id(path: &Path) -> Option<String> {
    let bytes = bounded::bytes(path, LARGEST).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    Some(file.build_id().ok()?.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn functions(file: &object::File, bytes: usize) -> Vec<(u64, u64, String)> {
    // All names together, as many times as an honest file has them: in both tables.
    let mut left = bytes.saturating_mul(4);
    let mut functions: Vec<(u64, u64, String)> = (file.symbols().chain(file.dynamic_symbols()))
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .map_while(|symbol| {
            let name = symbol.name().unwrap_or_default();
            left = left.checked_sub(name.len())?;
            Some((symbol.address(), symbol.address().saturating_add(symbol.size()), name))
        })
        .filter(|(.., name)| !name.is_empty() && name.len() <= LONGEST_NAME)
        .map(|(start, end, name)| (start, end, name.to_owned()))
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
fn lines(file: &object::File) -> Option<Lines> {
    file.section_by_name(".debug_info")?;
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let mut bytes = 0u64;
    for section in file.sections().filter(|section| section.name().is_ok_and(|name| name.contains("debug_"))) {
        let data = section.compressed_data().ok()?;
        let most = (data.data.len() as u64).saturating_mul(INFLATION).saturating_add(1 << 16);
        bytes = bytes.saturating_add(data.uncompressed_size);
        if data.uncompressed_size > most || bytes > LARGEST {
            return None;
        }
    }
    let meter = Meter::new(usize::try_from(bytes).ok()?);
    meter.begin();
    let section = |id: gimli::SectionId| -> Result<Metered, object::Error> {
        let data = match file.section_by_name(id.name()) {
            Some(section) => section.uncompressed_data()?,
            None => Default::default(),
        };
        Ok(Metered::new(&data, endian, id, &meter))
    };
    let dwarf = Dwarf::load(section).ok()?;
    if !has_short_entries(&dwarf).ok()? {
        return None;
    }
    Some(Lines { context: Context::from_dwarf(dwarf).ok()?, meter })
}

/// Whether no description of entries has too many attributes (DWARF 5, 7.5.3).
fn has_short_entries(dwarf: &Dwarf<Metered>) -> gimli::Result<bool> {
    let (mut seen, mut units) = (HashSet::new(), dwarf.units());
    while let Some(unit) = units.next()? {
        let mut text = dwarf.debug_abbrev.reader().clone();
        if !seen.insert(unit.debug_abbrev_offset()) || text.skip(unit.debug_abbrev_offset().0).is_err() {
            continue;
        }
        while !text.is_empty() && text.read_uleb128()? != 0 {
            let (_tag, _has_children) = (text.read_uleb128()?, text.read_u8()?);
            let mut attributes = 0;
            loop {
                let (name, form) = (text.read_uleb128()?, text.read_uleb128()?);
                if name == 0 && form == 0 {
                    break;
                }
                if form == u64::from(gimli::constants::DW_FORM_implicit_const.0) {
                    text.read_sleb128()?;
                }
                attributes += 1;
                if attributes > ATTRIBUTES {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

impl Lines {
    fn calls_at(&self, address: u64) -> Option<Vec<Call>> {
        self.meter.begin();
        let mut frames = self.context.find_frames(address).skip_all_loads().ok()?;
        let mut calls = Vec::new();
        while let Some(frame) = frames.next().ok()? {
            if calls.len() >= INLINED {
                return None;
            }
            let function = frame.function.and_then(|function| Some(function.raw_name().ok()?.into_owned()));
            let function = function.filter(|name| name.len() <= LONGEST_NAME);
            let line = frame.location.and_then(|at| Some(Line { file: at.file?.to_owned(), number: at.line? }));
            calls.push(Call { function, line });
        }
        Some(calls)
    }
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
