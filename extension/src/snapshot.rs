//! The walk over the backend's MemoryContext tree.
//!
//! A context is known by its address and a serial that is given when a walk first meets it and dropped when one no longer
//! does. Its path is worked out then; after that a walk handles addresses and numbers only, and takes time proportional to
//! the number of contexts.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char};
use std::hash::{BuildHasherDefault, Hasher};

use memcheck_core::ContextPath;
use memcheck_core::census::{Census, Moment, PathId, PathTable};
use memcheck_core::path::TOP_MEMORY_CONTEXT;
use pgrx::pg_sys;

use crate::trace;

/// What is remembered of a context between walks.
#[derive(Clone, Copy)]
struct Known {
    /// Different for every context that was ever at this address, as far as walks could tell.
    serial: u64,
    /// The name's address: PostgreSQL requires names to be constants.
    name: *const c_char,
    /// The parent's path: a context can be given another parent.
    parent: PathId,
    path: PathId,
    /// The last walk that met it.
    walk: u64,
}

/// Addresses are spread by their upper bits already; one multiplication mixes them.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only addresses are hashed");
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }
}

/// Walks the tree and remembers what it met.
#[derive(Default)]
pub(crate) struct Walker {
    paths: PathTable,
    known: HashMap<usize, Known, BuildHasherDefault<AddressHasher>>,
    walks: u64,
    serials: u64,
    /// Paths from the root to the context at hand; kept for its memory.
    above: Vec<PathId>,
}

impl Walker {
    /// The paths of all contexts met so far.
    pub(crate) fn paths(&self) -> &PathTable {
        &self.paths
    }

    /// Counts every context except those of the portal that is running.
    pub(crate) fn census(&mut self, moment: Moment) -> Census {
        let mut census = Census::new(moment);
        // SAFETY: TopMemoryContext is set up before any library is loaded, and the tree does not change during the walk,
        // which calls nothing but the contexts' own `stats` methods.
        unsafe {
            let running = match pg_sys::ActivePortal {
                portal if portal.is_null() => std::ptr::null_mut(),
                portal => (*portal).portalContext,
            };
            let top = pg_sys::TopMemoryContext;
            self.walk(top, PathId::ROOT, running, |context, path, _| {
                let (used, allocated) = totals(context);
                census.count(path, used, allocated);
            });
        }
        if self.known.len() as u64 > census.contexts {
            let walk = self.walks;
            self.known.retain(|_, known| known.walk == walk);
        }
        trace::count(&mut census, self);
        census
    }

    /// Visits every context, those of the portal that is running as well.
    pub(crate) fn all(&mut self, mut visit: impl FnMut(pg_sys::MemoryContext, PathId)) {
        // SAFETY: as in `census`.
        unsafe {
            let top = pg_sys::TopMemoryContext;
            self.walk(top, PathId::ROOT, std::ptr::null_mut(), |context, path, _| visit(context, path));
        }
    }

    /// The path of the context at an address, if the last walk met it.
    pub(crate) fn path_at(&self, address: usize) -> Option<PathId> {
        self.known.get(&address).filter(|known| known.walk == self.walks).map(|known| known.path)
    }

    /// The path of these names below TopMemoryContext.
    pub(crate) fn path_named(&mut self, names: impl IntoIterator<Item = String>) -> PathId {
        let names = names.into_iter().filter(|name| name != TOP_MEMORY_CONTEXT);
        names.fold(PathId::ROOT, |parent, name| self.paths.child(parent, &name))
    }

    /// The addresses of all contexts.
    pub(crate) fn contexts(&mut self) -> HashSet<usize> {
        let mut contexts = HashSet::new();
        // SAFETY: as in `census`.
        unsafe {
            self.walk(pg_sys::TopMemoryContext, PathId::ROOT, std::ptr::null_mut(), |context, _, _| {
                contexts.insert(context.addr());
            });
        }
        contexts
    }

    /// The path of a context; none if there is no such context any more.
    pub(crate) fn path_of(&mut self, wanted: pg_sys::MemoryContext) -> Option<ContextPath> {
        let mut found = None;
        // SAFETY: as in `census`.
        unsafe {
            self.walk(pg_sys::TopMemoryContext, PathId::ROOT, std::ptr::null_mut(), |context, path, _| {
                if context == wanted {
                    found = Some(path);
                }
            });
        }
        found.map(|path| self.paths.path(path))
    }

    /// The path of a context, by way of its parents.
    ///
    /// # Safety
    /// `context` is live.
    pub(crate) unsafe fn climb(&mut self, context: pg_sys::MemoryContext) -> PathId {
        // SAFETY: by the caller's promise; parents live longer, and a label is a C string.
        unsafe {
            let parent = (*context).parent;
            if parent.is_null() {
                return PathId::ROOT;
            }
            let parent = self.climb(parent);
            self.paths.child(parent, &CStr::from_ptr(label(context).0).to_string_lossy())
        }
    }

    /// Calls `visit` for each context below MessageContext, with its path and serial.
    pub(crate) fn below_message_context(&mut self, visit: impl FnMut(pg_sys::MemoryContext, PathId, u64)) {
        // SAFETY: as in `census`. MessageContext exists only in backends that talk to a client.
        unsafe {
            let message = pg_sys::MessageContext;
            if message.is_null() || (*message).firstchild.is_null() {
                return;
            }
            let path = self.paths.child(PathId::ROOT, "MessageContext");
            let mut visit = visit;
            self.walk(message, path, std::ptr::null_mut(), |context, path, serial| {
                if context != message {
                    visit(context, path, serial);
                }
            });
        }
    }

    /// Visits a context and everything below it, parents first, leaving out `skip` and everything below that.
    ///
    /// # Safety
    /// `top` is a live context, and `visit` does not change the tree.
    unsafe fn walk(
        &mut self,
        top: pg_sys::MemoryContext,
        top_path: PathId,
        skip: pg_sys::MemoryContext,
        mut visit: impl FnMut(pg_sys::MemoryContext, PathId, u64),
    ) {
        self.walks += 1;
        let mut above = std::mem::take(&mut self.above);
        above.clear();
        above.push(top_path);
        // SAFETY: follows the links of live contexts (`MemoryContextStatsInternal` in mcxt.c goes the same ways).
        unsafe {
            let serial = self.meet(top, top_path, Some(top_path));
            visit(top, top_path, serial.1);
            let mut node = (*top).firstchild;
            while let Some(&parent) = above.last() {
                if node.is_null() {
                    break;
                }
                if node != skip {
                    let (path, serial) = self.meet(node, parent, None);
                    visit(node, path, serial);
                    if !(*node).firstchild.is_null() {
                        above.push(path);
                        node = (*node).firstchild;
                        continue;
                    }
                }
                while node != top && (*node).nextchild.is_null() {
                    node = (*node).parent;
                    above.pop();
                }
                node = if node == top { std::ptr::null_mut() } else { (*node).nextchild };
            }
        }
        self.above = above;
    }

    /// Path and serial of a context that a walk comes to.
    ///
    /// # Safety
    /// `context` is live.
    unsafe fn meet(&mut self, context: pg_sys::MemoryContext, parent: PathId, path: Option<PathId>) -> (PathId, u64) {
        // SAFETY: by the caller's promise.
        let (name, is_constant) = unsafe { label(context) };
        let walk = self.walks;
        if let Some(known) = self.known.get_mut(&context.addr())
            && known.name == name
            && known.parent == parent
            // SAFETY: a label is a C string.
            && (is_constant || unsafe { CStr::from_ptr(name) }.to_bytes() == self.paths.name(known.path).as_bytes())
        {
            known.walk = walk;
            return (known.path, known.serial);
        }
        // SAFETY: a label is a C string.
        let path = path.unwrap_or_else(|| self.paths.child(parent, &unsafe { CStr::from_ptr(name) }.to_string_lossy()));
        self.serials += 1;
        let serial = self.serials;
        self.known.insert(context.addr(), Known { serial, name, parent, path, walk });
        (path, serial)
    }
}

/// A context's name as users know it, and whether it is a constant.
///
/// All hash tables are called "dynahash" and told apart by their identifier, which is what the server shows as well
/// (`PutMemoryContextsStatsTupleStore` in mcxtfuncs.c).
///
/// # Safety
/// `context` is live.
pub(crate) unsafe fn label(context: pg_sys::MemoryContext) -> (*const c_char, bool) {
    // SAFETY: every context has a name, a constant C string (`MemoryContextCreate` in mcxt.c), and the identifier of a hash
    // table lives inside it (`hash_create` in dynahash.c).
    unsafe {
        let (name, identifier) = ((*context).name, (*context).ident);
        if !identifier.is_null() && CStr::from_ptr(name) == c"dynahash" { (identifier, false) } else { (name, true) }
    }
}

/// Bytes in use and bytes obtained from malloc of one context, without its children.
///
/// # Safety
/// `context` is live.
pub(crate) unsafe fn totals(context: pg_sys::MemoryContext) -> (u64, u64) {
    // SAFETY: by the caller's promise.
    let counters = unsafe { counters(context) };
    (counters.totalspace.saturating_sub(counters.freespace) as u64, counters.totalspace as u64)
}

/// The server's figures of one context, without its children.
///
/// # Safety
/// `context` is live.
pub(crate) unsafe fn counters(context: pg_sys::MemoryContext) -> pg_sys::MemoryContextCounters {
    let mut counters = pg_sys::MemoryContextCounters::default();
    // SAFETY: without a print function `stats` only adds to the counters (`MemoryContextMemConsumed` in mcxt.c).
    unsafe {
        if let Some(stats) = (*(*context).methods).stats {
            stats(context, None, std::ptr::null_mut(), &mut counters, false);
        }
    }
    counters
}
