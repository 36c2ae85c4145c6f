//! Where sites are: their libraries, functions and stacks.

use memcheck_core::census::SiteId;
use memcheck_core::{Frame, Site, room};

use super::sites::Sites;
use super::stacks::{Origin, Stacks};
use crate::stack::Stack;

/// The sites of this process.
pub(crate) struct Places<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) sites: &'a Sites,
    pub(crate) stacks: &'a Stacks,
}

impl Places<'_> {
    /// Where a site is, with the stack of this number.
    pub(crate) fn describe(&self, id: SiteId, stack: u32) -> Site {
        let site = self.sites.get(id.0);
        Site {
            id,
            frame: self.stack.frame(site.pc).unwrap_or_default(),
            stack: self.stacks.get(stack).into_iter().filter_map(|pc| self.stack.frame(pc)).collect(),
        }
    }

    /// Where an allocation was made, with its stack.
    pub(crate) fn of(&self, origin: Origin) -> Site {
        self.describe(SiteId(origin.site()), origin.stack())
    }

    /// The places with numbers above that one, by number; nothing where there is no room for all.
    pub(crate) fn after(&self, number: u32) -> Vec<(u32, Frame)> {
        /// What each takes, about (bytes).
        const PLACE: usize = 256;
        let known = u32::try_from(self.sites.known()).unwrap_or(u32::MAX);
        let new = number.saturating_add(1)..known;
        if !room::is_there_for(new.len() * PLACE) {
            return Vec::new();
        }
        new.filter_map(|number| Some((number, self.stack.frame(self.sites.get(number).pc)?))).collect()
    }

    /// A number for what a site is judged together with: the library it is in, or nothing else.
    pub(crate) fn group_of(&self, site: SiteId) -> Option<usize> {
        let targets = &self.stack.targets;
        if targets.by_calls { Some(site.0 as usize) } else { targets.module_at(self.sites.get(site.0).pc) }
    }

    /// The same number for a library by its name.
    pub(crate) fn library_named(&self, name: &str) -> Option<usize> {
        self.stack.targets.modules.iter().position(|module| module.name == name)
    }

    /// Whether a site is at a place that another process has described.
    pub(crate) fn is_at(&self, site: SiteId, place: &Frame) -> bool {
        let targets = &self.stack.targets;
        let pc = self.sites.get(site.0).pc;
        let module = targets.module_at(pc).map(|number| &targets.modules[number]);
        module.is_some_and(|module| module.name == place.library && (pc - module.base) as u64 == place.offset)
    }

    /// The function that begins at an address, as if it returned to behind its first instruction.
    pub(crate) fn function_at(&self, address: usize) -> Option<Frame> {
        self.stack.frame(address + 1)
    }

    /// The address of such a function that another process has described.
    pub(crate) fn address_of(&self, function: &Frame) -> Option<usize> {
        let module = self.stack.targets.modules.iter().find(|module| module.name == function.library)?;
        Some(module.base + function.offset as usize - 1)
    }
}
