//! One MemoryContext.

use std::ffi::CStr;
use std::marker::PhantomData;

use memcheck_core::ContextPath;
use memcheck_core::census::Totals;
use memcheck_core::path::TOP_MEMORY_CONTEXT;
use memcheck_core::room;
use pgrx::pg_sys::{self, NodeTag};

use super::text::{self, LONGEST};
use crate::link::is_served;
use crate::pg::build::{CHUNK_HEADER, HEADER_HAS_CONTEXT};
use crate::pg::server::{GetMemoryChunkSpace, has_chunk_headers};

/// Chunks of an AllocSet up to this have a power of two (`ALLOC_CHUNK_LIMIT` in aset.c; bytes).
const SMALL: usize = 8192;

/// A context that is live as long as this is.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    context: pg_sys::MemoryContext,
    lives: PhantomData<&'a ()>,
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

    /// Its path.
    pub(crate) fn path(self) -> ContextPath {
        let mut names = Vec::new();
        // The outermost are left out where there is no room.
        self.names(|name| room::is_there_for(2 * name.len()) && room::push(&mut names, name.to_owned()));
        names.push(TOP_MEMORY_CONTEXT.to_owned());
        ContextPath::new(names.into_iter().rev())
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
            let space = GetMemoryChunkSpace(std::ptr::with_exposed_provenance_mut(chunk));
            if is_served(chunk) { self.space_for(space - CHUNK_HEADER) as u64 } else { space as u64 }
        }
    }

    /// What a chunk of a size would take of it, were it its own (bytes): in an AllocSet, a power of two (`AllocSetAlloc` in aset.c).
    pub(crate) fn space_for(self, size: usize) -> usize {
        // SAFETY: live by the promise of `at`.
        let is_set = unsafe { (*self.context).type_ } == pg_sys::NodeTag::T_AllocSetContext;
        CHUNK_HEADER + if is_set && size <= SMALL { size.max(8).next_power_of_two() } else { size.next_multiple_of(8) }
    }

    /// Whether its chunks know whose they are, so that they can be given back by themselves.
    #[inline(always)]
    pub(crate) fn has_chunk_headers(self) -> bool {
        // SAFETY: live by the promise of `at`.
        unsafe { has_chunk_headers(self.context) }
    }

    /// Whether all of its chunks have one size (slab.c).
    #[inline(always)]
    pub(crate) fn is_slab(self) -> bool {
        // SAFETY: live by the promise of `at`.
        unsafe { (*self.context).type_ == NodeTag::T_SlabContext }
    }

    /// The bytes of a live chunk that can be written to; none where chunks do not know. In 15 the header of a Generation's has its
    /// block as well (`GenerationChunk` in generation.c).
    #[inline(always)]
    pub(crate) fn usable_of(self, chunk: usize) -> Option<usize> {
        // SAFETY: live by the promise of `at`.
        let has_block = HEADER_HAS_CONTEXT && unsafe { (*self.context).type_ } == NodeTag::T_GenerationContext;
        let header = CHUNK_HEADER + if has_block { size_of::<usize>() } else { 0 };
        (self.space_of(chunk) as usize).checked_sub(header)
    }

    /// Whether it is below what goes with the message, the portal or the transaction that is under way.
    pub(crate) fn goes_with_transaction(self) -> bool {
        // SAFETY: reads variables of the server.
        let short = unsafe { [pg_sys::TopTransactionContext, pg_sys::PortalContext, pg_sys::MessageContext] };
        let above = std::iter::successors(Some(self), |context| context.parent());
        above.into_iter().any(|context| short.contains(&context.context))
    }

    /// Where its name is.
    #[inline(always)]
    pub(crate) fn name_address(self) -> usize {
        // SAFETY: live by the promise of `at`.
        unsafe { (*self.context).name.expose_provenance() }
    }

    /// Where its identifier is (`MemoryContextSetIdentifier` in mcxt.c), which may be anything: the text of a statement, for
    /// one. 0 for none.
    #[inline(always)]
    pub(super) fn identifier_address(self) -> usize {
        // SAFETY: live by the promise of `at`.
        unsafe { (*self.context).ident.expose_provenance() }
    }

    /// The name that it was created with, just now.
    pub(crate) fn given_name(self) -> &'a CStr {
        // SAFETY: who creates a context names it by a C string (`MemoryContextCreate` in mcxt.c).
        unsafe { CStr::from_ptr((*self.context).name) }
    }

    /// Gives it another name, which has to be there for as long as the process.
    pub(crate) fn rename(self, name: &'static CStr) {
        // SAFETY: live by the promise of `at`; the name is for people only.
        unsafe { (*self.context).name = name.as_ptr() };
    }

    /// What it is called, if its name is `named`: its identifier.
    pub(crate) fn identifier_if_named(self, named: &[&str]) -> Option<String> {
        let is_named = named.contains(&text::read(self.name_address(), &mut [0; LONGEST]));
        let identifier = self.identifier_address();
        (is_named && identifier != 0).then(|| text::read(identifier, &mut [0; LONGEST]).to_owned())
    }

    /// Shows the names of it and of those above it, from the inside out and without TopMemoryContext, as long as `show` says so.
    pub(super) fn names(self, mut show: impl FnMut(&str) -> bool) {
        let above = std::iter::successors(Some(self), |context| context.parent());
        for context in above.filter(|context| context.parent().is_some()) {
            let (mut bytes, mut identifier) = ([0; LONGEST], [0; LONGEST]);
            let name = text::read(context.name_address(), &mut bytes);
            let is_hash_table = name == text::HASH_TABLE && context.identifier_address() != 0;
            if !show(if is_hash_table { text::read(context.identifier_address(), &mut identifier) } else { name }) {
                return;
            }
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
