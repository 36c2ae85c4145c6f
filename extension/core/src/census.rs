//! Censuses of the MemoryContext tree: how many contexts there are of each path and what they hold.
//!
//! The walk over the tree is the engine's. It reports each context with its identity and its totals; here names become
//! paths once, when an identity is first seen, so that a later census of the same tree handles integers only.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use crate::path::{self, ContextPath, TOP_MEMORY_CONTEXT};
use crate::room;

/// Names of contexts whose content goes away with the client's message, the transaction or the portal
/// (`src/backend/utils/mmgr/README`, "Globally known contexts").
const MESSAGE_CONTEXT: &str = "MessageContext";
const TOP_TRANSACTION_CONTEXT: &str = "TopTransactionContext";
const TOP_PORTAL_CONTEXT: &str = "TopPortalContext";

/// What is called how where others have a context's name: dynamic shared memory, areas of it with what is allocated in them, its
/// segments that are registered by a name, and what is mapped past the heap.
const DSM_NAME: &str = "dsm";
const DSA_NAME: &str = "dsa";
const NAMED_NAME: &str = "dsm registry";
const MAPPED_NAME: &str = "mmap";

/// What paths are called that there was no room for.
const NOT_KEPT_NAME: &str = "?";

/// What an entry of a map takes at most, with a new node around it (bytes).
const ENTRY: usize = 1024;

/// Where the server keeps its caches of the catalogs.
const CACHE_CONTEXT: &str = "CacheMemoryContext";

/// Contexts that live as long as the backend and that an extension has little business to put things into directly.
pub const GLOBAL_CONTEXTS: [&str; 3] = [TOP_MEMORY_CONTEXT, CACHE_CONTEXT, "ErrorContext"];

/// Contexts right below TopMemoryContext in which the cumulative statistics system keeps what it has not yet sent. They grow
/// and shrink with the clock, and nothing outside `pgstat.c` can allocate in them.
const STATISTICS_CONTEXTS: [&str; 3] = ["PgStat Pending", "PgStat Shared Ref", "PgStat Shared Ref Hash"];

/// Hash tables that the server makes in a statement: of a planner's joins (`build_join_rel_hash` in relnode.c), of the columns of its
/// relations that are not null (`get_relation_notnullatts` in plancat.c, from 19 on), and of the partitions that it has looked up
/// (`CreatePartitionDirectory` in partdesc.c). What they are called is no constant any more.
const STATEMENT_TABLES: [&str; 3] = ["JoinRelHashTable", "Relation NOT NULL attnums", "partition directory"];

/// Whose constant the name of a context is: names are constants of the code that makes contexts (`AllocSetContextCreate` in
/// memutils.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namer {
    /// The server's executable.
    Server,
    /// A library that comes with it and does its own work: PL/pgSQL, for one.
    ServersLibrary,
    /// Anybody else.
    Other,
}

/// How long what is in a context lives at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// As long as the backend, unless somebody frees it.
    Backend,
    /// Until the next message from the client: MessageContext and below.
    Message,
    /// Until the end of the transaction: TopTransactionContext and below.
    Transaction,
    /// Until a portal is dropped: TopPortalContext and below.
    Portal,
}

/// A path's number in a [`PathTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(u32);

impl PathId {
    /// TopMemoryContext.
    pub const ROOT: PathId = PathId(0);

    /// Stands for the heap of the C library, which is no context. It is not to be found by its name.
    pub const HEAP: PathId = PathId(1);

    /// Stands for dynamic shared memory, in the same way.
    pub const DSM: PathId = PathId(2);

    /// Stands for memory that is mapped for an allocator other than the C library's, in the same way.
    pub const MAPPED: PathId = PathId(3);

    /// Stands for all paths that there was no room for. What is in contexts with such a path is not counted.
    pub const NOT_KEPT: PathId = PathId(4);

    /// Stands for areas of dynamic shared memory, and what is allocated in them, in the same way.
    pub const DSA: PathId = PathId(5);

    /// Stands for segments of dynamic shared memory that are registered by a name, in the same way. They are there for as long as
    /// the server runs.
    pub const NAMED: PathId = PathId(6);

    /// All that stand for dynamic shared memory.
    pub const SHARED: [PathId; 3] = [PathId::DSM, PathId::DSA, PathId::NAMED];

    /// Whether it is one of [`PathId::SHARED`].
    pub const fn is_shared(self) -> bool {
        matches!(self, PathId::DSM | PathId::DSA | PathId::NAMED)
    }

    /// The path with that number.
    pub const fn at(index: u32) -> Self {
        PathId(index)
    }

    /// Its number: those of a table count from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct PathNode {
    parent: PathId,
    name: String,
    depth: u32,
    lifetime: Lifetime,
    namer: Option<Namer>,
    children: HashMap<String, PathId>,
}

/// The paths seen so far, each stored as a name below another path.
#[derive(Debug)]
pub struct PathTable {
    nodes: Vec<PathNode>,
}

impl Default for PathTable {
    fn default() -> Self {
        let node = |name: &str, depth| PathNode {
            parent: PathId::ROOT,
            name: name.to_owned(),
            depth,
            lifetime: Lifetime::Backend,
            namer: None,
            children: HashMap::new(),
        };
        PathTable {
            nodes: vec![
                node(TOP_MEMORY_CONTEXT, 0),
                node(path::HEAP, 1),
                node(DSM_NAME, 1),
                node(MAPPED_NAME, 1),
                node(NOT_KEPT_NAME, 1),
                node(DSA_NAME, 1),
                node(NAMED_NAME, 1),
            ],
        }
    }
}

impl PathTable {
    /// The number of a name below a parent, given now if it has none yet and there is room for it.
    pub fn child(&mut self, parent: PathId, name: &str) -> PathId {
        if parent == PathId::NOT_KEPT {
            return parent;
        }
        if let Some(&id) = self.nodes[parent.index()].children.get(name) {
            return id;
        }
        let Ok(number) = u32::try_from(self.nodes.len()) else { return PathId::NOT_KEPT };
        let siblings = &mut self.nodes[parent.index()].children;
        if !room::make(siblings, 1) || !room::make(&mut self.nodes, 1) || !room::is_there_for(2 * name.len()) {
            return PathId::NOT_KEPT;
        }
        let above = &self.nodes[parent.index()];
        let lifetime = match (parent, name) {
            (PathId::ROOT, MESSAGE_CONTEXT) => Lifetime::Message,
            (PathId::ROOT, TOP_TRANSACTION_CONTEXT) => Lifetime::Transaction,
            (PathId::ROOT, TOP_PORTAL_CONTEXT) => Lifetime::Portal,
            _ => above.lifetime,
        };
        let node = PathNode {
            parent,
            name: name.to_owned(),
            depth: above.depth + 1,
            lifetime,
            namer: None,
            children: HashMap::new(),
        };
        let id = PathId(number);
        self.nodes.push(node);
        self.nodes[parent.index()].children.insert(name.to_owned(), id);
        id
    }

    /// The path's own name.
    #[inline]
    pub fn name(&self, id: PathId) -> &str {
        &self.nodes[id.index()].name
    }

    /// The path above; TopMemoryContext is its own parent.
    pub fn parent(&self, id: PathId) -> PathId {
        self.nodes[id.index()].parent
    }

    /// Distance from TopMemoryContext.
    pub fn depth(&self, id: PathId) -> u32 {
        self.nodes[id.index()].depth
    }

    /// How long the contexts with this path live at most.
    pub fn lifetime(&self, id: PathId) -> Lifetime {
        self.nodes[id.index()].lifetime
    }

    /// Whether this is one of [`GLOBAL_CONTEXTS`] itself.
    pub fn is_global(&self, id: PathId) -> bool {
        let at_the_top = id == PathId::ROOT || self.parent(id) == PathId::ROOT;
        at_the_top && GLOBAL_CONTEXTS.contains(&self.name(id))
    }

    /// Whether growth of contexts with this path says nothing about any extension.
    pub fn is_noise(&self, id: PathId) -> bool {
        self.parent(id) == PathId::ROOT && STATISTICS_CONTEXTS.contains(&self.name(id))
    }

    /// There is a context with this path whose name is a constant of this one's.
    pub fn named_by(&mut self, id: PathId, namer: Namer) {
        let known = &mut self.nodes[id.index()].namer;
        *known = Some(known.filter(|&known| known != namer).map_or(namer, |_| Namer::Other));
    }

    /// Whether contexts with this path are made by the server, going by their names: those that a statement leaves to the end of
    /// the client's message, and those of the server's own libraries.
    ///
    /// Not so the server's contexts that live longer: it makes them on behalf of others as well.
    pub fn is_servers(&self, id: PathId) -> bool {
        let node = |id: PathId| &self.nodes[id.index()];
        let is_table = |id| node(id).namer.is_none() && STATEMENT_TABLES.contains(&self.name(id));
        let of_statement = |id| node(id).namer == Some(Namer::Server) || is_table(id);
        let above =
            || std::iter::successors(Some(id), |&id| Some(self.parent(id))).take_while(|&id| self.depth(id) > 1);
        let is_left_by_statement =
            self.lifetime(id) == Lifetime::Message && self.depth(id) > 1 && above().all(of_statement);
        node(id).namer == Some(Namer::ServersLibrary) || is_left_by_statement
    }

    /// Whether contexts with this path are those of indexes in the relation cache (`RelationInitIndexAccessInfo` in relcache.c).
    pub fn is_index_entry(&self, id: PathId) -> bool {
        self.name(id) == "index info" && self.parent(self.parent(id)) == PathId::ROOT && self.is_cache(id)
    }

    /// Whether this is CacheMemoryContext or below it.
    pub fn is_cache(&self, mut id: PathId) -> bool {
        while self.depth(id) > 1 {
            id = self.parent(id);
        }
        id != PathId::ROOT && self.name(id) == CACHE_CONTEXT
    }

    /// The path written out.
    pub fn path(&self, mut id: PathId) -> ContextPath {
        let mut names = Vec::new();
        if !room::make(&mut names, self.depth(id) as usize + 1) {
            return ContextPath::new([NOT_KEPT_NAME]);
        }
        names.push(self.name(id));
        while id != PathId::ROOT {
            id = self.parent(id);
            names.push(self.name(id));
        }
        ContextPath::new(names.into_iter().rev())
    }

    /// Number of paths, those that are no contexts included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true: TopMemoryContext is always there.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Sums over the contexts with one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes handed out and not freed.
    pub used: u64,
    /// Bytes obtained from malloc.
    pub allocated: u64,
    /// Number of contexts.
    pub objects: u64,
}

impl Totals {
    /// Bytes obtained from malloc and not in use.
    pub fn free(&self) -> u64 {
        self.allocated.saturating_sub(self.used)
    }

    /// Adds another sum.
    #[inline]
    pub fn add(&mut self, other: Totals) {
        self.used += other.used;
        self.allocated += other.allocated;
        self.objects += other.objects;
    }
}

/// When a census was taken, as far as contexts that do not live as long as the backend are concerned: their totals are only
/// comparable within the message, the transaction or the portal they live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// A number for the client's message; none where messages are not compared.
    pub message: Option<u64>,
    /// A number for the top-level transaction; none where transactions are not compared.
    pub transaction: Option<u64>,
    /// Whether portals other than the one that runs are compared.
    pub portals: bool,
}

/// A place in a target's code that allocates: a number given by the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

/// What a site has allocated in contexts with one path and has not freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Bytes as they were requested.
    pub bytes: u64,
    /// Number of allocations.
    pub allocations: u64,
}

impl Live {
    /// Adds another sum.
    pub fn add(&mut self, other: Live) {
        self.bytes += other.bytes;
        self.allocations += other.allocations;
    }
}

/// Totals of every path at one moment.
///
/// It may be large, so it is no [`Clone`]: see [`Census::copy`].
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// When it was taken.
    pub moment: Moment,
    /// Number of contexts counted.
    pub contexts: u64,
    totals: Vec<Totals>,
    traced: BTreeMap<(PathId, SiteId), Live>,
    credited: BTreeMap<(PathId, SiteId), Live>,
    /// Something that was to be counted found no room.
    is_lossy: bool,
}

/// The sum in a map for a path and a site; none where there is no room for one more.
fn sum_of(sums: &mut BTreeMap<(PathId, SiteId), Live>, path: PathId, site: SiteId) -> Option<&mut Live> {
    match sums.entry((path, site)) {
        Entry::Occupied(entry) => Some(entry.into_mut()),
        Entry::Vacant(entry) if path != PathId::NOT_KEPT && room::is_there_for(ENTRY) => {
            Some(entry.insert(Live::default()))
        }
        Entry::Vacant(_) => None,
    }
}

impl Census {
    /// Whether all is in it that was to be counted. One that is not whole can be compared with no other.
    pub fn is_whole(&self) -> bool {
        !self.is_lossy
    }

    /// Something that was to be counted is lost.
    pub fn loses(&mut self) {
        self.is_lossy = true;
    }

    /// Sums in it: of paths, and of sites there.
    pub fn curves(&self) -> usize {
        self.totals.len() + self.traced.len()
    }

    /// What it takes (bytes), about.
    pub fn bytes(&self) -> usize {
        const OF_MAP: usize = 2 * size_of::<((PathId, SiteId), Live)>();
        self.totals.len() * size_of::<Totals>() + (self.traced.len() + self.credited.len()) * OF_MAP
    }

    /// The same once more; one that is not whole where there is no room.
    pub fn copy(&self) -> Census {
        if !room::is_there_for(self.bytes()) {
            return Census { is_lossy: true, ..Census::new(self.moment) };
        }
        let Census { moment, contexts, is_lossy, .. } = *self;
        let (totals, traced, credited) = (self.totals.clone(), self.traced.clone(), self.credited.clone());
        Census { moment, contexts, totals, traced, credited, is_lossy }
    }

    /// Whether nothing has been counted.
    pub fn is_empty(&self) -> bool {
        self.totals.is_empty() && self.traced.is_empty()
    }

    /// An empty census.
    pub fn new(moment: Moment) -> Self {
        Census { moment, ..Census::default() }
    }

    /// Counts what a site holds in a context with this path.
    pub fn count_traced(&mut self, path: PathId, site: SiteId, live: Live) {
        match sum_of(&mut self.traced, path, site) {
            Some(sum) => sum.add(live),
            None => self.loses(),
        }
    }

    /// What sites hold, by path and site.
    pub fn traced(&self) -> impl Iterator<Item = (PathId, SiteId, Live)> {
        self.traced.iter().map(|(&(path, site), &live)| (path, site, live))
    }

    /// What a site holds in contexts with this path.
    pub fn live(&self, path: PathId, site: SiteId) -> Live {
        self.traced.get(&(path, site)).copied().unwrap_or_default()
    }

    /// Counts what of that stands in place of something that was there before tracing began, and was given back since: see
    /// [`credit`](crate::judge::credit).
    pub fn credit(&mut self, path: PathId, site: SiteId, live: Live) {
        match sum_of(&mut self.credited, path, site) {
            Some(sum) => sum.add(live),
            None => self.loses(),
        }
    }

    /// Takes out something of what a site holds.
    pub fn take_out(&mut self, path: PathId, site: SiteId, live: Live) {
        let Some(held) = self.traced.get_mut(&(path, site)) else { return };
        held.bytes = held.bytes.saturating_sub(live.bytes);
        held.allocations = held.allocations.saturating_sub(live.allocations);
        if held.allocations == 0 {
            self.traced.remove(&(path, site));
        }
    }

    /// Takes out something of what a site holds, wherever that is.
    pub fn take_out_of_site(&mut self, site: SiteId, live: Live) {
        let mut left = live;
        for (_, held) in self.traced.iter_mut().filter(|((_, other), _)| *other == site) {
            let taken = Live { bytes: held.bytes.min(left.bytes), allocations: held.allocations.min(left.allocations) };
            (held.bytes, held.allocations) = (held.bytes - taken.bytes, held.allocations - taken.allocations);
            (left.bytes, left.allocations) = (left.bytes - taken.bytes, left.allocations - taken.allocations);
        }
    }

    /// What a site holds in contexts with this path, and what it had held there before tracing began and has given back by the
    /// time of `last`, a later census.
    pub fn held(&self, path: PathId, site: SiteId, last: &Census) -> Live {
        let credited = |census: &Census| census.credited.get(&(path, site)).copied().unwrap_or_default();
        let (live, now, then) = (self.live(path, site), credited(self), credited(last));
        Live {
            bytes: live.bytes + then.bytes.saturating_sub(now.bytes),
            allocations: live.allocations + then.allocations.saturating_sub(now.allocations),
        }
    }

    /// Bytes that all sites hold in contexts with this path.
    pub fn bytes_at(&self, path: PathId) -> u64 {
        self.traced().filter(|&(other, ..)| other == path).map(|(.., live)| live.bytes).sum()
    }

    /// Counts one context.
    #[inline]
    pub fn count(&mut self, path: PathId, used: u64, allocated: u64) {
        self.contexts += 1;
        self.add(path, Totals { used, allocated, objects: 1 });
    }

    /// Adds a sum to a path without counting contexts walked.
    #[inline]
    pub fn add(&mut self, path: PathId, totals: Totals) {
        if let Some(sum) = self.totals_mut(path) {
            sum.add(totals);
        }
    }

    /// The sum for a path; none where there is no room for it.
    #[inline]
    fn totals_mut(&mut self, path: PathId) -> Option<&mut Totals> {
        let missing = (path.index() + 1).saturating_sub(self.totals.len());
        if path == PathId::NOT_KEPT || (missing > 0 && !room::make(&mut self.totals, missing)) {
            self.loses();
            return None;
        }
        if missing > 0 {
            self.totals.resize(path.index() + 1, Totals::default());
        }
        self.totals.get_mut(path.index())
    }

    /// Puts another number of bytes in use in place of a path's.
    pub fn set_used(&mut self, path: PathId, used: u64) {
        if let Some(totals) = self.totals_mut(path) {
            totals.used = used;
        }
    }

    /// Takes over another census's sums for the paths that are selected.
    pub fn copy_from(&mut self, other: &Census, selected: impl Fn(PathId) -> bool) {
        self.is_lossy |= other.is_lossy;
        for path in other.paths().filter(|&path| selected(path)) {
            if let Some(totals) = self.totals_mut(path) {
                *totals = other.totals(path);
            }
        }
    }

    /// The sum for a path; zero where there is no such context.
    #[inline]
    pub fn totals(&self, path: PathId) -> Totals {
        self.totals.get(path.index()).copied().unwrap_or_default()
    }

    /// Every path with a number below the highest counted.
    pub fn paths(&self) -> impl Iterator<Item = PathId> + use<> {
        (0..u32::try_from(self.totals.len()).unwrap_or(u32::MAX)).map(PathId)
    }

    /// Whether what the two censuses say about contexts of this lifetime can be compared.
    pub fn is_comparable(&self, later: &Census, lifetime: Lifetime) -> bool {
        let (before, after) = (self.moment, later.moment);
        match lifetime {
            Lifetime::Backend => true,
            Lifetime::Message => before.message.is_some() && before.message == after.message,
            Lifetime::Transaction => before.transaction.is_some() && before.transaction == after.transaction,
            Lifetime::Portal => before.portals && after.portals,
        }
    }

    /// Takes out what grew from one census to another, as far as it is still there.
    pub fn exclude_growth(&mut self, before: &Census, after: &Census) {
        self.is_lossy |= before.is_lossy || after.is_lossy;
        for (index, totals) in self.totals.iter_mut().enumerate() {
            let path = PathId(index as u32);
            let (before, after) = (before.totals(path), after.totals(path));
            let without = |value: u64, before: u64, after: u64| (value + before).saturating_sub(after);
            totals.used = without(totals.used, before.used, after.used);
            totals.allocated = without(totals.allocated, before.allocated, after.allocated);
            totals.objects = without(totals.objects, before.objects, after.objects);
        }
        for (&(path, site), live) in &mut self.traced {
            let (before, after) = (before.live(path, site), after.live(path, site));
            live.bytes = (live.bytes + before.bytes).saturating_sub(after.bytes);
            live.allocations = (live.allocations + before.allocations).saturating_sub(after.allocations);
        }
    }

    /// Adds every sum of another census.
    pub fn add_all(&mut self, other: &Census) {
        self.is_lossy |= other.is_lossy;
        for path in other.paths().filter(|&path| path != PathId::NOT_KEPT) {
            self.add(path, other.totals(path));
        }
        for (path, site, live) in other.traced() {
            self.count_traced(path, site, live);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(message: u64, transaction: u64) -> Moment {
        Moment { message: Some(message), transaction: Some(transaction), portals: true }
    }

    #[test]
    fn paths_are_numbered_once_and_inherit_their_lifetime() {
        let mut table = PathTable::default();
        let message = table.child(PathId::ROOT, "MessageContext");
        let leak = table.child(message, "BuggyPlannerLeakCtx");
        assert_eq!(table.child(message, "BuggyPlannerLeakCtx"), leak);
        assert_eq!(table.path(leak).to_string(), "MessageContext/BuggyPlannerLeakCtx");
        assert_eq!((table.depth(PathId::ROOT), table.depth(message), table.depth(leak)), (0, 1, 2));

        let cache = table.child(PathId::ROOT, "CacheMemoryContext");
        // Only the server's own contexts at the top decide; a namesake deeper down does not.
        let namesake = table.child(cache, "MessageContext");
        let transaction = table.child(PathId::ROOT, "TopTransactionContext");
        let portals = table.child(PathId::ROOT, "TopPortalContext");
        for (id, lifetime, global) in [
            (PathId::ROOT, Lifetime::Backend, true),
            (message, Lifetime::Message, false),
            (leak, Lifetime::Message, false),
            (cache, Lifetime::Backend, true),
            (namesake, Lifetime::Backend, false),
            (transaction, Lifetime::Transaction, false),
            (portals, Lifetime::Portal, false),
        ] {
            assert_eq!(table.lifetime(id), lifetime, "{}", table.path(id));
            assert_eq!(table.is_global(id), global, "{}", table.path(id));
            assert_eq!(table.is_cache(id), id == cache || id == namesake, "{}", table.path(id));
        }
        let deep = table.child(namesake, "CacheMemoryContext");
        assert!(!table.is_global(deep));
        let entry = table.child(cache, "index info");
        let namesake = [table.child(PathId::ROOT, "index info"), table.child(entry, "index info")];
        assert!(table.is_index_entry(entry) && !namesake.iter().any(|&id| table.is_index_entry(id)));
        let pending = table.child(PathId::ROOT, "PgStat Pending");
        let namesake = table.child(cache, "PgStat Pending");
        assert!(table.is_noise(pending) && !table.is_noise(namesake) && !table.is_noise(cache));
    }

    #[test]
    fn names_tell_what_a_statement_leaves() {
        let mut table = PathTable::default();
        let message = table.child(PathId::ROOT, "MessageContext");
        let mut made = |parent, name, namer: Option<Namer>| {
            let id = table.child(parent, name);
            namer.into_iter().for_each(|namer| table.named_by(id, namer));
            id
        };
        let (server, library, other) = (Some(Namer::Server), Some(Namer::ServersLibrary), Some(Namer::Other));
        let directory = made(message, "partition directory", server);
        let theirs = made(message, "theirs", other);
        let rows = [
            (directory, true),
            (made(directory, "partition directory", None), true),
            (made(message, "JoinRelHashTable", None), true),
            (made(message, "Relation NOT NULL attnums", None), true),
            (made(message, "somebody's table", None), false),
            (theirs, false),
            (made(theirs, "ExecutorState", server), false),
            (made(PathId::ROOT, "ExecutorState", server), false),
            (made(PathId::ROOT, "PL/pgSQL function", library), true),
            (made(PathId::ROOT, "mine", other), false),
            (message, false),
            (PathId::ROOT, false),
        ];
        for (id, is_servers) in rows {
            assert_eq!(table.is_servers(id), is_servers, "{}", table.path(id));
        }
        // Two call theirs the same.
        table.named_by(directory, Namer::Other);
        assert!(!table.is_servers(directory));
    }

    #[test]
    fn contexts_with_the_same_path_are_summed() {
        let mut table = PathTable::default();
        let ctx = table.child(PathId::ROOT, "x");
        let mut census = Census::new(moment(1, 1));
        census.count(PathId::ROOT, 100, 200);
        census.count(ctx, 10, 20);
        census.count(ctx, 30, 40);
        assert_eq!(census.totals(ctx), Totals { used: 40, allocated: 60, objects: 2 });
        assert_eq!(census.totals(ctx).free(), 20);
        assert_eq!(census.contexts, 3);
        census.set_used(ctx, 7);
        assert_eq!(census.totals(ctx), Totals { used: 7, allocated: 60, objects: 2 });
        let mut other = Census::new(moment(1, 1));
        other.copy_from(&census, |path| path == ctx);
        assert_eq!((other.totals(ctx), other.totals(PathId::ROOT)), (census.totals(ctx), Totals::default()));
        let later = table.child(PathId::ROOT, "y");
        assert_eq!(census.totals(later), Totals::default());
    }

    #[test]
    fn short_lived_contexts_compare_within_their_life_only() {
        let table = [
            (moment(1, 1), moment(1, 1), [true, true, true, true]),
            (moment(1, 1), moment(2, 1), [true, true, false, true]),
            (moment(1, 1), moment(1, 2), [true, true, true, false]),
            (moment(1, 1), moment(2, 2), [true, true, false, false]),
            (Moment::default(), Moment::default(), [true, false, false, false]),
        ];
        for (before, after, expected) in table {
            let (before, after) = (Census::new(before), Census::new(after));
            let lifetimes = [Lifetime::Backend, Lifetime::Portal, Lifetime::Message, Lifetime::Transaction];
            assert_eq!(lifetimes.map(|l| before.is_comparable(&after, l)), expected);
        }
    }

    #[test]
    fn growth_of_others_is_taken_out() {
        let mut table = PathTable::default();
        let ctx = table.child(PathId::ROOT, "x");
        let census = |used: u64, objects: u64| {
            let mut census = Census::new(Moment::default());
            census.add(ctx, Totals { used, allocated: used * 2, objects });
            census
        };
        // Between the two censuses 100 of the bytes and one context were the tool's own.
        let (before, after) = (census(50, 1), census(150, 2));
        let table = [(1150, 5, 1050, 4), (150, 2, 50, 1), (40, 1, 0, 0)];
        for (used, objects, expected_used, expected_objects) in table {
            let mut seen = census(used, objects);
            seen.exclude_growth(&before, &after);
            assert_eq!((seen.totals(ctx).used, seen.totals(ctx).objects), (expected_used, expected_objects));
        }
        // What was freed in between counts the other way.
        let mut seen = census(50, 1);
        seen.exclude_growth(&after, &before);
        assert_eq!(seen.totals(ctx).used, 150);

        let mut sum = Census::new(Moment::default());
        sum.add_all(&census(10, 1));
        sum.add_all(&census(20, 2));
        assert_eq!(sum.totals(ctx), Totals { used: 30, allocated: 60, objects: 3 });
    }

    #[test]
    fn sites_are_counted_by_path() {
        let mut table = PathTable::default();
        let ctx = table.child(PathId::ROOT, "x");
        let (a, b) = (SiteId(1), SiteId(2));
        let live = |bytes, allocations| Live { bytes, allocations };
        let census = |bytes: u64| {
            let mut census = Census::new(Moment::default());
            census.count_traced(ctx, a, live(bytes, 1));
            census.count_traced(ctx, a, live(bytes, 2));
            census.count_traced(ctx, b, live(1, 1));
            census
        };
        let seen = census(10);
        assert_eq!(seen.traced().collect::<Vec<_>>(), [(ctx, a, live(20, 3)), (ctx, b, live(1, 1))]);
        let mut less = seen.copy();
        less.take_out_of_site(a, live(5, 1));
        assert_eq!((less.live(ctx, a), less.live(ctx, b)), (live(15, 2), live(1, 1)));
        less.take_out_of_site(a, live(50, 5));
        assert_eq!(less.live(ctx, a), Live::default());
        assert_eq!(seen.live(PathId::ROOT, a), Live::default());
        let mut later = census(100);
        later.exclude_growth(&census(10), &census(15));
        assert_eq!(later.live(ctx, a), live(190, 3));
        later.add_all(&seen);
        assert_eq!(later.live(ctx, a), live(210, 6));
    }
}
