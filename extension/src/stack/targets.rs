//! The targets: which of the loaded objects they are, and where their code is.

use std::ops::Range;

use memcheck_core::room;
use memcheck_core::targets::{Library, Loaded, Targets as Wanted};

use super::belonging::{Belongs, belonging};
use super::calls::{Jumps, Tail};
use super::jumps::JumpsOut;
use crate::elf::{Module, modules};

/// What is read of all that is loaded (bytes), about: names, and jumps out of the targets.
const LOADED: usize = 2 << 20;

/// The code of an object that belongs to the targets.
struct Code {
    range: Range<usize>,
    /// Whether an address in it says all about who allocates. Not so where a runtime stands between: a private library
    /// works for whoever has called it, and in C++ and Rust `operator new` or `Vec::push` allocate for everybody.
    is_plain: bool,
    is_private: bool,
}

/// The loaded objects, seen from the targets.
pub(crate) struct Targets {
    wanted: Wanted,
    /// Whether the calls within the targets that lead to an allocation are always part of its site.
    pub(crate) by_calls: bool,
    generation: u64,
    pub(crate) modules: Vec<Module>,
    pub(crate) belonging: Vec<Belongs>,
    code: Vec<Code>,
    /// Where the targets that are loaded, or have been, leave their code by jumps.
    jumps: Vec<JumpsOut>,
    /// From the first of the code to the last.
    pub(crate) hull: Range<usize>,
    /// Where the server's code is.
    pub(crate) server: Range<usize>,
    /// Where the engine's code is.
    pub(crate) own: Range<usize>,
}

impl Targets {
    pub(crate) fn new(modules: Vec<Module>) -> Self {
        let here = Targets::new as *const () as usize;
        let code = |is: &dyn Fn(&Module) -> bool| {
            modules.iter().find(|module| is(module)).map_or(0..0, |module| module.code.clone())
        };
        Targets {
            wanted: Wanted::default(),
            by_calls: false,
            generation: 0,
            belonging: vec![Belongs::Not; modules.len()],
            code: Vec::new(),
            jumps: Vec::new(),
            hull: 0..0,
            server: code(&Module::is_executable),
            own: code(&|module| module.code.contains(&here)),
            modules,
        }
    }

    /// Takes other libraries for the targets.
    pub(crate) fn want(&mut self, wanted: Wanted, by_calls: bool) {
        (self.wanted, self.by_calls) = (wanted, by_calls);
        self.generation = 0;
    }

    /// Whether a library with functions that the server calls is a target.
    pub(crate) fn is_wanted(&self, library: &str) -> bool {
        self.wanted.include(Library { name: library, is_module: true })
    }

    /// The files of those that are there for the server to load.
    pub(crate) fn files(&self) -> Vec<String> {
        let belonging = self.modules.iter().zip(&self.belonging);
        let own = belonging.filter(|(module, belongs)| module.is_module && **belongs == Belongs::Target);
        own.filter_map(|(module, _)| modules::file_of(module)).collect()
    }

    /// What the targets are of the libraries that are loaded.
    pub(crate) fn loaded(&self) -> Vec<Loaded> {
        let libraries: Vec<Library> = self.modules.iter().map(Module::library).collect();
        self.wanted.loaded(&libraries)
    }

    /// Whether these are the libraries that are taken for the targets, and sites are told apart in this way.
    pub(crate) fn are(&self, wanted: &Wanted, by_calls: bool) -> bool {
        self.wanted == *wanted && self.by_calls == by_calls
    }

    /// Looks at the loaded objects again, if there are others than before.
    pub(crate) fn refresh(&mut self) -> bool {
        let generation = modules::generation();
        // Where there is no room for it, with the next statement.
        if generation == self.generation || !room::is_there_for(LOADED) {
            return false;
        }
        self.generation = generation;
        self.modules = modules::loaded();
        self.belonging = belonging(&self.modules, &self.wanted);
        self.code = self
            .modules
            .iter()
            .zip(&self.belonging)
            .filter(|&(_, &belongs)| belongs != Belongs::Not)
            .map(|(module, &belongs)| Code {
                range: module.code.clone(),
                is_plain: belongs == Belongs::Target && !module.unwinds,
                is_private: belongs == Belongs::Private,
            })
            .collect();
        for (module, _) in self.modules.iter().zip(&self.belonging).filter(|&(_, &belongs)| belongs == Belongs::Target)
        {
            if !self.jumps.iter().any(|jumps| jumps.are_of(module)) {
                self.jumps.push(JumpsOut::of(module));
            }
        }
        let ranges = self.code.iter().map(|code| code.range.clone());
        self.hull = ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0);
        true
    }

    /// Whether an address is in the code of a target or of one of its private libraries.
    #[inline(always)]
    pub(crate) fn contain(&self, pc: usize) -> bool {
        pc.wrapping_sub(self.hull.start) < self.hull.end - self.hull.start && self.find(pc).is_some()
    }

    /// The return address in a target, or that of the jump which a frame of a thunk stands for; 0 where it is neither.
    #[inline(always)]
    pub(crate) fn own_place(&self, pc: usize, slot: usize) -> usize {
        if self.contain(pc) { pc } else { Tail::at(pc, slot).map_or(0, |tail| self.place_of(tail)) }
    }

    /// The address behind a jump. Where it is not known which one it was, that of the function that has come to it; where that is
    /// not known either, where the library's code begins. 0 where it is no target.
    #[inline(never)]
    fn place_of(&self, tail: Tail) -> usize {
        let library = tail.library();
        let of_library = self.jumps.iter().find(|jumps| jumps.code.start == library);
        match of_library {
            Some(jumps) if self.contain(library) => jumps.place(tail.held(), tail.entry()),
            _ => 0,
        }
    }

    /// Whether a library leaves its code by a jump through a slot.
    pub(crate) fn jumps_through(&self, module: &Module, slot: usize, is_of_calls: bool) -> Jumps {
        match self.jumps.iter().find(|jumps| jumps.are_of(module)) {
            Some(jumps) if jumps.are_through(slot) => Jumps::Surely,
            Some(_) if !is_of_calls => Jumps::Perhaps,
            _ => Jumps::Never,
        }
    }

    /// Whether such an address alone tells who allocates.
    pub(crate) fn is_plain(&self, pc: usize) -> bool {
        !self.by_calls && self.find(pc).is_some_and(|code| code.is_plain)
    }

    /// Whether such an address is in a private library.
    pub(crate) fn is_private(&self, pc: usize) -> bool {
        self.find(pc).is_some_and(|code| code.is_private)
    }

    /// Whether what is at an address is part of an object and never changes.
    pub(crate) fn is_constant(&self, address: usize) -> bool {
        self.modules.iter().any(|module| module.all.contains(&address) && !module.writable.contains(&address))
    }

    fn find(&self, pc: usize) -> Option<&Code> {
        self.code.iter().find(|code| code.range.contains(&pc))
    }

    /// The object that an address is in.
    pub(crate) fn module_at(&self, pc: usize) -> Option<usize> {
        self.modules.iter().position(|module| module.code.contains(&pc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::symbols::address_of;

    /// The objects of this very program; libc is the target.
    fn targets(by_calls: bool) -> Targets {
        let mut targets = Targets::new(modules::loaded());
        targets.want(Wanted::new("libc"), by_calls);
        assert!(targets.refresh());
        targets
    }

    #[test]
    fn objects_are_looked_at_when_there_are_others_or_other_targets() {
        let mut targets = targets(false);
        assert!(!targets.refresh());
        targets.want(Wanted::new("libm"), false);
        assert!(targets.refresh());
        assert!(!targets.contain(address_of(c"qsort")));
    }

    #[test]
    fn addresses_belong_to_targets_or_not() {
        let targets = targets(false);
        let (inside, own) = (address_of(c"qsort"), addresses_belong_to_targets_or_not as *const () as usize);
        assert!(targets.contain(inside) && targets.hull.contains(&inside));
        assert_eq!(targets.module_at(inside).map(|module| targets.modules[module].name.as_str()), Some("libc"));
        assert!(!targets.is_private(inside));
        assert!(!targets.contain(own) && targets.own.contains(&own) && targets.server.contains(&own));
        for nowhere in [0, usize::MAX] {
            assert!(!targets.contain(nowhere) && !targets.is_plain(nowhere), "{nowhere:#x}");
            assert_eq!(targets.module_at(nowhere), None, "{nowhere:#x}");
        }
    }

    #[test]
    fn without_targets_no_address_belongs_to_them() {
        let targets = Targets::new(modules::loaded());
        for pc in [0, address_of(c"qsort"), usize::MAX] {
            assert!(!targets.contain(pc), "{pc:#x}");
        }
    }

    #[test]
    fn an_address_in_a_library_of_c_tells_who_allocates_unless_calls_are_told_apart() {
        let inside = address_of(c"qsort");
        assert!(targets(false).is_plain(inside));
        assert!(!targets(true).is_plain(inside));
        // This program is Rust.
        let mut targets = targets(false);
        targets.want(Wanted::new(".so"), false);
        targets.refresh();
        let own = targets_are_those_of_these_names as *const () as usize;
        assert!(targets.contain(own) && !targets.is_plain(own));
    }

    #[test]
    fn targets_are_those_of_these_names() {
        let targets = targets(false);
        assert!(targets.is_wanted("libc") && !targets.is_wanted("libm"));
        for (wanted, by_calls, are) in [("libc", false, true), ("libc", true, false), ("", false, false)] {
            assert_eq!(targets.are(&Wanted::new(wanted), by_calls), are, "{wanted:?}, {by_calls}");
        }
    }
}
