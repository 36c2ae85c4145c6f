//! The walk over the backend's MemoryContext tree.
//!
//! A context is known by its address and a serial that is given when a walk first meets it and dropped when one no longer
//! does. Its path is worked out then; after that a walk handles addresses and numbers only, and takes time proportional to
//! the number of contexts.

use std::collections::HashSet;
use std::ffi::CStr;
use std::ops::Range;

use memcheck_core::census::{Census, Moment, Namer, PathId, PathTable};
use memcheck_core::path::TOP_MEMORY_CONTEXT;
use memcheck_core::{ContextPath, room};

use super::by_address::ByAddress;
use super::context::{Context, for_each, for_each_while, message_context, running_portal};
use super::text::{self, Constants, LONGEST};

/// Where what a context is called is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    /// It is a constant, so that its address stands for it.
    Constant(usize),
    /// It lies inside the context.
    Inside(usize),
    /// It may be another one tomorrow, or gone.
    Elsewhere(usize),
}

/// What is remembered of a context between walks.
#[derive(Clone, Copy)]
struct Known {
    /// Different for every context that was ever at this address, as far as walks could tell.
    serial: u64,
    name: Label,
    /// The parent's path: a context can be given another parent.
    parent: PathId,
    path: PathId,
    /// The last walk that met it.
    walk: u64,
}

/// Contexts that were met by walks over one part of the tree.
#[derive(Default)]
struct Met {
    known: ByAddress<usize, Known>,
    walks: u64,
    /// Contexts that the last walk met.
    last: usize,
}

/// Walks the tree and remembers what it met.
#[derive(Default)]
pub(crate) struct Walker {
    paths: PathTable,
    /// The paths below a path whose names are constants, by the names' addresses.
    named: ByAddress<(PathId, usize), PathId>,
    constants: Constants,
    /// In the whole tree, and below MessageContext.
    whole: Met,
    message: Met,
    serials: u64,
    /// Paths from the root to the context at hand; kept for its memory.
    above: Vec<PathId>,
}

impl Walker {
    /// Stands for the serial of a context that there is no room to remember.
    pub(crate) const NO_SERIAL: u64 = 0;

    /// Names in this memory are constants.
    pub(crate) fn trust(&mut self, names: Range<usize>) {
        self.constants.trust(names);
    }

    /// The paths of all contexts met so far.
    pub(crate) fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// Counts every context except those of the portal that is running.
    pub(crate) fn census(&mut self, moment: Moment) -> Census {
        let mut census = Census::new(moment);
        let mut met = std::mem::take(&mut self.whole);
        let is_whole = self.walk(&mut met, (Context::top(), PathId::ROOT), running_portal(), |context, path, _| {
            let totals = context.totals();
            census.count(path, totals.used, totals.allocated);
        });
        met.forget_gone();
        self.whole = met;
        if !is_whole {
            census.loses();
        }
        census
    }

    /// Visits every context with its path, those of the portal that is running as well.
    pub(crate) fn all(&mut self, visit: impl FnMut(Context<'_>, PathId)) {
        self.without_serials(0, visit);
    }

    /// Visits every context with its path, except those of the portal that is running: they are shown without.
    pub(crate) fn all_but_running(&mut self, mut visit: impl FnMut(Context<'_>, Option<PathId>)) {
        let running = running_portal();
        self.without_serials(running, |context, path| visit(context, Some(path)));
        if running != 0 {
            // SAFETY: the portal's context is live, and the visitor cannot change the tree.
            unsafe { for_each(Context::at(running), 0, |context, _| visit(context, None)) };
        }
    }

    fn without_serials(&mut self, skip: usize, mut visit: impl FnMut(Context<'_>, PathId)) {
        let mut above = std::mem::take(&mut self.above);
        // SAFETY: TopMemoryContext lives, and a visitor has no way to change the tree.
        unsafe {
            for_each_while(Context::top(), skip, |context, depth| {
                above.truncate(depth);
                let path = above.last().map_or(PathId::ROOT, |&parent| self.below(parent, context));
                let has_room = room::push(&mut above, path);
                visit(context, path);
                has_room
            });
        }
        self.above = above;
    }

    /// The path of these names below TopMemoryContext.
    pub(crate) fn path_named(&mut self, names: impl IntoIterator<Item = String>) -> PathId {
        let names = names.into_iter().filter(|name| name != TOP_MEMORY_CONTEXT);
        names.fold(PathId::ROOT, |parent, name| self.paths.child(parent, &name))
    }

    /// The addresses of all contexts; none if there are more than `most`, or no room for so many.
    pub(crate) fn contexts(&self, most: usize) -> Option<HashSet<usize>> {
        let mut contexts = HashSet::new();
        if !room::make(&mut contexts, most + 1) {
            return None;
        }
        // SAFETY: as in `without_serials`.
        unsafe {
            for_each_while(Context::top(), 0, |context, _| {
                contexts.insert(context.address());
                contexts.len() <= most
            });
        }
        Some(contexts).filter(|contexts| contexts.len() <= most)
    }

    /// The path of the context at an address; none if there is no such context any more.
    pub(crate) fn path_of(&mut self, wanted: usize) -> Option<ContextPath> {
        let mut found = None;
        self.all(|context, path| {
            if context.address() == wanted {
                found = Some(path);
            }
        });
        found.map(|path| self.paths.path(path))
    }

    /// The path of a context, by way of those above it.
    pub(crate) fn climb(&mut self, context: Context<'_>) -> PathId {
        match context.parent() {
            None => PathId::ROOT,
            Some(parent) => {
                let parent = self.climb(parent);
                self.below(parent, context)
            }
        }
    }

    /// As [`Self::climb`]; none for the contexts of the portal that is running.
    pub(crate) fn climb_outside_running(&mut self, context: Context<'_>) -> Option<PathId> {
        let running = running_portal();
        let above = std::iter::successors(Some(context), |context| context.parent());
        let is_running = running != 0 && above.into_iter().any(|context| context.address() == running);
        (!is_running).then(|| self.climb(context))
    }

    /// Calls `visit` for each context below MessageContext, with its path and serial.
    pub(crate) fn below_message_context(&mut self, mut visit: impl FnMut(Context<'_>, PathId, u64)) {
        let Some(message) = message_context() else { return };
        let path = self.paths.child(PathId::ROOT, "MessageContext");
        let mut met = std::mem::take(&mut self.message);
        // Where there is no room to go on, what was not come to is not known to be left.
        self.walk(&mut met, (message, path), 0, |context, path, serial| {
            if context.address() != message.address() {
                visit(context, path, serial);
            }
        });
        met.forget_gone();
        self.message = met;
    }

    /// Visits a context and everything below it, parents first, leaving out the one at `skip` and everything below that. Whether
    /// there was room to get to the end.
    fn walk(
        &mut self,
        met: &mut Met,
        (top, top_path): (Context<'_>, PathId),
        skip: usize,
        mut visit: impl FnMut(Context<'_>, PathId, u64),
    ) -> bool {
        (met.walks, met.last) = (met.walks + 1, 0);
        let mut has_room = true;
        let mut above = std::mem::take(&mut self.above);
        // SAFETY: as in `without_serials`.
        unsafe {
            for_each_while(top, skip, |context, depth| {
                above.truncate(depth);
                let (parent, known_path) = match above.last() {
                    Some(&parent) => (parent, None),
                    None => (top_path, Some(top_path)),
                };
                let (path, serial) = self.meet(met, context, parent, known_path);
                has_room = room::push(&mut above, path);
                visit(context, path, serial);
                has_room
            });
        }
        self.above = above;
        has_room
    }

    /// Path and serial of a context that a walk comes to.
    fn meet(&mut self, met: &mut Met, context: Context<'_>, parent: PathId, path: Option<PathId>) -> (PathId, u64) {
        let label = self.label(context);
        met.last += 1;
        let walk = met.walks;
        if let Some(known) = met.known.get_mut(&context.address())
            && known.name == label
            && known.parent == parent
            && (matches!(label, Label::Constant(_)) || is_called(label, self.paths.name(known.path)))
        {
            known.walk = walk;
            return (known.path, known.serial);
        }
        let path = path.unwrap_or_else(|| self.child(parent, label));
        if path == PathId::NOT_KEPT || !room::make(&mut met.known, 1) {
            return (path, Self::NO_SERIAL);
        }
        self.serials += 1;
        let serial = self.serials;
        met.known.insert(context.address(), Known { serial, name: label, parent, path, walk });
        (path, serial)
    }

    /// What a context is called.
    #[inline(always)]
    fn label(&mut self, context: Context<'_>) -> Label {
        let name = context.name_address();
        match self.constants.find(name) {
            Some(constant) if constant.is_hash_table && context.identifier_address() != 0 => {
                Label::Inside(context.identifier_address())
            }
            Some(_) => Label::Constant(name),
            None => Label::Elsewhere(name),
        }
    }

    /// The path of a context below that of its parent.
    #[inline(always)]
    fn below(&mut self, parent: PathId, context: Context<'_>) -> PathId {
        let label = self.label(context);
        self.child(parent, label)
    }

    /// The path of a name below a path.
    #[inline(always)]
    fn child(&mut self, parent: PathId, label: Label) -> PathId {
        if let Label::Constant(address) = label
            && let Some(&path) = self.named.get(&(parent, address))
        {
            return path;
        }
        self.new_child(parent, label)
    }

    #[inline(never)]
    fn new_child(&mut self, parent: PathId, label: Label) -> PathId {
        let path = with_text(label, |text| self.paths.child(parent, text));
        if path == PathId::NOT_KEPT {
            return path;
        }
        match label {
            Label::Constant(address) => {
                let namer = self.constants.find(address).map_or(Namer::Other, |constant| constant.namer);
                self.paths.named_by(path, namer);
                if room::make(&mut self.named, 1) {
                    self.named.insert((parent, address), path);
                }
            }
            Label::Elsewhere(_) => self.paths.named_by(path, Namer::Other),
            Label::Inside(_) => {}
        }
        path
    }
}

/// Shows the text of a label of a live context.
fn with_text<R>(label: Label, show: impl FnOnce(&str) -> R) -> R {
    match label {
        Label::Inside(address) => {
            // SAFETY: the identifier of a hash table is a C string inside its context (`hash_create` in dynahash.c).
            show(&unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance(address)) }.to_string_lossy())
        }
        Label::Constant(address) | Label::Elsewhere(address) => show(text::read(address, &mut [0; LONGEST])),
    }
}

fn is_called(label: Label, name: &str) -> bool {
    with_text(label, |text| text == name)
}

impl Met {
    /// Forgets the contexts that the last walk did not meet.
    fn forget_gone(&mut self) {
        if self.known.len() > self.last {
            let walk = self.walks;
            self.known.retain(|_, known| known.walk == walk);
        }
    }
}
