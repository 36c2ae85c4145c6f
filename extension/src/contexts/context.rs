//! One MemoryContext.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use memcheck_core::census::Totals;
use pgrx::pg_sys;

use crate::pg::server::{GetMemoryChunkSpace, has_chunk_headers};

/// A context that is live as long as this is.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    context: pg_sys::MemoryContext,
    lives: PhantomData<&'a ()>,
}

/// A context's name as users know it.
#[derive(Clone, Copy)]
pub(crate) struct Label<'a> {
    start: *const c_char,
    lives: PhantomData<&'a ()>,
    /// Whether it is a constant, so that its address stands for it.
    pub(crate) is_constant: bool,
}

impl<'a> Label<'a> {
    /// Its characters.
    pub(crate) fn text(self) -> &'a CStr {
        // SAFETY: a C string that lives as long as the context.
        unsafe { CStr::from_ptr(self.start) }
    }

    /// Where it is.
    pub(crate) fn address(self) -> usize {
        self.start.addr()
    }
}

impl<'a> Context<'a> {
    /// # Safety
    /// The context at that address is live as long as the result is used.
    pub(crate) unsafe fn at(address: usize) -> Self {
        Context { context: std::ptr::with_exposed_provenance_mut(address), lives: PhantomData }
    }

    /// TopMemoryContext, which always lives.
    pub(super) fn top() -> Self {
        // SAFETY: it is set up before any library is loaded.
        Context { context: unsafe { pg_sys::TopMemoryContext }, lives: PhantomData }
    }

    /// Its address.
    #[inline(always)]
    pub(crate) fn address(self) -> usize {
        self.context.addr()
    }

    /// The context above; none for TopMemoryContext.
    #[inline(always)]
    pub(crate) fn parent(self) -> Option<Self> {
        // SAFETY: live by the promise of `at`, and what is above lives longer.
        let context = unsafe { (*self.context).parent };
        (!context.is_null()).then_some(Context { context, lives: PhantomData })
    }

    /// The bytes that it has from malloc, without its children.
    #[inline(always)]
    pub(crate) fn blocks(self) -> u64 {
        // SAFETY: live by the promise of `at`.
        unsafe { (*self.context).mem_allocated as u64 }
    }

    /// What a live chunk takes of it (bytes); 0 where chunks do not know.
    pub(crate) fn space_of(self, chunk: usize) -> u64 {
        // SAFETY: live by the promise of `at`; the chunk is one of it, and has a header.
        unsafe {
            if !has_chunk_headers(self.context) {
                return 0;
            }
            GetMemoryChunkSpace(std::ptr::with_exposed_provenance_mut(chunk)) as u64
        }
    }

    /// What it is called.
    ///
    /// All hash tables are called "dynahash" and told apart by their identifier, which is what the server shows as well
    /// (`PutMemoryContextsStatsTupleStore` in mcxtfuncs.c).
    #[inline(always)]
    pub(crate) fn label(self) -> Label<'a> {
        // SAFETY: every context has a name, a constant C string (`MemoryContextCreate` in mcxt.c), and the identifier of a hash
        // table lives inside it (`hash_create` in dynahash.c). An identifier that is the text of a statement is not read.
        let (start, is_constant) = unsafe {
            let (name, identifier) = ((*self.context).name, (*self.context).ident);
            let is_hash_table = !identifier.is_null() && libc::strcmp(name, c"dynahash".as_ptr()) == 0;
            if is_hash_table { (identifier, false) } else { (name, true) }
        };
        Label { start, lives: PhantomData, is_constant }
    }

    /// Where its name is.
    pub(crate) fn name_address(self) -> usize {
        // SAFETY: live by the promise of `at`.
        unsafe { (*self.context).name.addr() }
    }

    /// Its own name.
    pub(crate) fn name(self) -> &'a CStr {
        // SAFETY: as in `label`.
        unsafe { CStr::from_ptr((*self.context).name) }
    }

    /// Its identifier (`MemoryContextSetIdentifier` in mcxt.c), which may be anything: the text of a statement, for one.
    pub(crate) fn identifier(self) -> Option<&'a CStr> {
        // SAFETY: live by the promise of `at`; an identifier is a C string that lives as long as the context.
        unsafe {
            let identifier = (*self.context).ident;
            (!identifier.is_null()).then(|| CStr::from_ptr(identifier))
        }
    }

    /// The server's figures of it, without its children.
    pub(crate) fn counters(self) -> pg_sys::MemoryContextCounters {
        let mut counters = pg_sys::MemoryContextCounters::default();
        // SAFETY: without a print function `stats` only adds to the counters (`MemoryContextMemConsumed` in mcxt.c).
        unsafe {
            if let Some(stats) = (*(*self.context).methods).stats {
                stats(self.context, None, std::ptr::null_mut(), &mut counters, false);
            }
        }
        counters
    }

    /// Bytes in use and bytes obtained from malloc, without its children; it counts as one object.
    pub(crate) fn totals(self) -> Totals {
        let counters = self.counters();
        let used = counters.totalspace.saturating_sub(counters.freespace) as u64;
        Totals { used, allocated: counters.totalspace as u64, objects: 1 }
    }
}

/// Visits a context and everything below it, parents first, leaving out the context at the address `skip` and everything below
/// that. Each is shown with how many contexts of this walk are above it.
///
/// # Safety
/// `top` is live, and `visit` does not change the tree.
pub(super) unsafe fn for_each<'a>(top: Context<'a>, skip: usize, mut visit: impl FnMut(Context<'a>, usize)) {
    // SAFETY: by the caller's promise.
    unsafe {
        for_each_while(top, skip, |context, depth| {
            visit(context, depth);
            true
        });
    }
}

/// As [`for_each`], as long as `visit` says so.
///
/// # Safety
/// As for [`for_each`].
pub(super) unsafe fn for_each_while<'a>(
    top: Context<'a>,
    skip: usize,
    mut visit: impl FnMut(Context<'a>, usize) -> bool,
) {
    let mut node = top.context;
    let mut depth = 0;
    while !node.is_null() {
        let shown = node.addr() != skip;
        if shown && !visit(Context { context: node, lives: PhantomData }, depth) {
            return;
        }
        // SAFETY: live contexts link to live ones only.
        unsafe {
            if shown && !(*node).firstchild.is_null() {
                node = (*node).firstchild;
                depth += 1;
                continue;
            }
            while node != top.context && (*node).nextchild.is_null() {
                node = (*node).parent;
                depth -= 1;
            }
            node = if node == top.context { std::ptr::null_mut() } else { (*node).nextchild };
        }
    }
}

/// Bytes in use in TopMemoryContext.
pub(crate) fn top_used() -> u64 {
    Context::top().totals().used
}

/// The address of the context of the portal that is running; 0 for none.
pub(super) fn running_portal() -> usize {
    // SAFETY: reads a variable of the server; a portal that is active has its context.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if portal.is_null() { 0 } else { (*portal).portalContext.addr() }
    }
}

/// MessageContext, if it exists and has contexts below it: only in backends that talk to a client.
pub(super) fn message_context<'a>() -> Option<Context<'a>> {
    // SAFETY: the variable is null or leads to a live context, which lives as long as the backend.
    unsafe {
        let message = pg_sys::MessageContext;
        let has_children = !message.is_null() && !(*message).firstchild.is_null();
        has_children.then_some(Context { context: message, lives: PhantomData })
    }
}
