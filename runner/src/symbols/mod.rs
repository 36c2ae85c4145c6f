//! Functions and lines of return addresses.
//!
//! The backend knows the library and the offset, and the names that are exported. Everything else is in the library's file:
//! the names of static functions in `.symtab`, lines and inlined calls in DWARF, each where it was not stripped.

mod language;
mod metered;
mod object_file;

use std::collections::HashMap;
use std::path::PathBuf;

use memcheck_core::{Frame, Site};
use walkdir::WalkDir;

pub(crate) use self::language::{is_runtime, readable};
pub(crate) use self::object_file::build_id;
pub use self::object_file::{Call, ObjectFile};

/// How far below the directory of libraries one is looked for, in directories.
const DEPTH: usize = 4;

/// The symbols of the server and of its libraries, read when first asked for.
pub struct Symbols {
    libraries: PathBuf,
    programs: PathBuf,
    /// By name and build id: a library in a sub-folder may have the name of another one.
    files: HashMap<(String, String), Option<ObjectFile>>,
}

impl Symbols {
    /// Takes the directories of the server's libraries and programs.
    pub fn new(libraries: PathBuf, programs: PathBuf) -> Self {
        Symbols { libraries, programs, files: HashMap::new() }
    }

    /// Puts functions and lines to a site and its stack. A return address in a function that was inlined becomes several
    /// frames. The site moves from a function of the language's runtime to the function that called it.
    pub fn describe(&mut self, site: &mut Site) {
        let own = site
            .stack
            .iter()
            .position(|frame| frame.offset == site.frame.offset && frame.library == site.frame.library);
        let (below, from_site) = site.stack.split_at(own.unwrap_or(site.stack.len()));
        let below: Vec<Frame> = below.iter().flat_map(|frame| self.frames(frame)).collect();
        let from_site: Vec<Frame> = match own {
            Some(_) => from_site.iter().flat_map(|frame| self.frames(frame)).collect(),
            None => self.frames(&site.frame),
        };
        if let Some(frame) = authors_frame(&from_site, &site.frame.library) {
            site.frame = frame.clone();
        }
        site.stack = below.into_iter().chain(from_site).collect();
    }

    /// The calls that a return address stands for, from the inside out.
    fn frames(&mut self, frame: &Frame) -> Vec<Frame> {
        let calls = self.file(&frame.library, &frame.build_id).map_or(Vec::new(), |file| file.calls(frame.offset));
        if calls.is_empty() {
            let symbol = frame.symbol.as_deref().map(language::readable);
            return vec![Frame { symbol, ..frame.clone() }];
        }
        let frame = |call: Call| {
            let name = call.function.as_deref().or(frame.symbol.as_deref());
            Frame { symbol: name.map(language::readable), line: call.line, ..frame.clone() }
        };
        calls.into_iter().map(frame).collect()
    }

    fn file(&mut self, library: &str, build_id: &str) -> Option<&ObjectFile> {
        let key = (library.to_owned(), build_id.to_owned());
        if !self.files.contains_key(&key) {
            let file = match library {
                "postgres" => ObjectFile::read(&self.programs.join("postgres"), build_id),
                library => self.library(&format!("{library}.so"), build_id),
            };
            self.files.insert(key.clone(), file);
        }
        self.files[&key].as_ref()
    }

    /// The library with that file name: where most are, or else in a sub-folder of that.
    fn library(&self, name: &str, build_id: &str) -> Option<ObjectFile> {
        ObjectFile::read(&self.libraries.join(name), build_id).or_else(|| {
            let entries = WalkDir::new(&self.libraries).min_depth(2).max_depth(DEPTH).into_iter().flatten();
            let mut named = entries.filter(|entry| entry.file_name() == name);
            named.find_map(|entry| ObjectFile::read(entry.path(), build_id))
        })
    }
}

/// The first frame of the library that its author wrote; the first of all if none of them is.
fn authors_frame<'a>(frames: &'a [Frame], library: &str) -> Option<&'a Frame> {
    let written = |frame: &&Frame| !is_runtime(frame);
    frames.iter().take_while(|frame| frame.library == library).find(written).or(frames.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_the_authors_function() {
        let frame = |library: &str, symbol: &str| Frame {
            library: library.into(),
            symbol: Some(symbol.into()),
            ..Frame::default()
        };
        let wrapped = [
            frame("mine", "alloc::raw_vec::finish_grow"),
            frame("mine", "mine::load"),
            frame("mine", "load_wrapper"),
            frame("postgres", "ExecInterpExpr"),
        ];
        assert_eq!(authors_frame(&wrapped, "mine"), Some(&wrapped[1]));
        assert_eq!(authors_frame(&wrapped[1..], "mine"), Some(&wrapped[1]));
        // Nothing of the author's before the server called it.
        let only_runtime =
            [frame("mine", "core::ptr::drop_in_place"), wrapped[3].clone(), frame("mine", "mine::later")];
        assert_eq!(authors_frame(&only_runtime, "mine"), Some(&only_runtime[0]));
        assert_eq!(authors_frame(&[], "mine"), None);
    }

    #[test]
    fn what_has_no_file_keeps_the_name_it_came_with() {
        let mut symbols = Symbols::new("/nonexistent".into(), "/nonexistent".into());
        let frame = Frame { library: "x".into(), offset: 16, symbol: Some("_ZN1x1fEv".into()), ..Frame::default() };
        let stack = vec![Frame { library: "postgres".into(), offset: 1, ..Frame::default() }, frame.clone()];
        let mut site = Site { frame, stack, ..Site::numbered(memcheck_core::census::SiteId(1)) };
        symbols.describe(&mut site);
        assert_eq!(site.frame.symbol.as_deref(), Some("x::f"));
        assert_eq!(site.stack.iter().map(|frame| frame.symbol.as_deref()).collect::<Vec<_>>(), [None, Some("x::f")]);
    }
}
