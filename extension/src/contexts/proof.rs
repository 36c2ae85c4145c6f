//! Whether contexts and chunks are laid out as this build of the engine knows them, tried on some that are made for it.
//!
//! Nothing that is not known to be there is followed ([`Memory`]).

use std::ffi::{CStr, c_void};
use std::mem::offset_of;

use pgrx::pg_sys::{self, MemoryContextData, MemoryContextMethods, NodeTag};

use crate::pg::build::{CHUNK_HEADER, HEADER_HAS_CONTEXT, KIND_MASK, KIND_OF_SET};
use crate::pg::peek::Memory;
use crate::pg::server::{
    AllocSetContextCreateInternal, BumpContextCreate, GenerationContextCreate, GetMemoryChunkSpace, SlabContextCreate,
};

/// What is asked of an AllocSet (bytes), and what it makes of it (`AllocSetAlloc` in aset.c): the next power of two.
const ASKED: usize = 100;
const MADE: usize = 128;

/// The kinds of context whose tables are behind each other.
const KINDS: [NodeTag; 3] = [NodeTag::T_AllocSetContext, NodeTag::T_GenerationContext, NodeTag::T_SlabContext];

const NAME: &CStr = c"pg_ext_memcheck proof";
const IDENTIFIER: &CStr = c"proof";

/// Where the members of a context are.
#[derive(Clone, Copy)]
struct Layout {
    kind: usize,
    allocated: usize,
    methods: usize,
    parent: usize,
    first_child: usize,
    next_child: usize,
    name: usize,
    identifier: usize,
    /// How far the tables of two kinds are from each other, where they are in one array.
    table: usize,
}

/// As the engine knows them.
const KNOWN: Layout = Layout {
    kind: offset_of!(MemoryContextData, type_),
    allocated: offset_of!(MemoryContextData, mem_allocated),
    methods: offset_of!(MemoryContextData, methods),
    parent: offset_of!(MemoryContextData, parent),
    first_child: offset_of!(MemoryContextData, firstchild),
    next_child: offset_of!(MemoryContextData, nextchild),
    name: offset_of!(MemoryContextData, name),
    identifier: offset_of!(MemoryContextData, ident),
    table: size_of::<MemoryContextMethods>(),
};

/// Makes contexts of each kind, and looks at them. May raise an ERROR where memory runs out.
///
/// # Errors
///
/// What is not as it is known.
pub(crate) fn check() -> Result<(), String> {
    // SAFETY: contexts with valid sizes, which go with the first of them, and a chunk that goes with its context.
    unsafe {
        let parent = AllocSetContextCreateInternal(pg_sys::TopMemoryContext, NAME.as_ptr(), 0, 1024, 8192);
        let set = AllocSetContextCreateInternal(parent, NAME.as_ptr(), 0, 1024, 8192);
        pg_sys::MemoryContextSetIdentifier(set, IDENTIFIER.as_ptr());
        let generation = GenerationContextCreate(parent, NAME.as_ptr(), 0, 1024, 8192);
        let slab = SlabContextCreate(parent, NAME.as_ptr(), 8192, 64);
        let bump = BumpContextCreate(parent, NAME.as_ptr(), 0, 1024, 8192);
        let chunk: *mut c_void = pg_sys::MemoryContextAlloc(set, ASKED);
        let made: Vec<Made> = [set, generation, slab, bump]
            .into_iter()
            .filter(|context| !context.is_null())
            .map(|context| Made {
                address: context.addr(),
                allocated: pg_sys::MemoryContextMemAllocated(context, false) as usize,
            })
            .collect();
        let checked = compare(KNOWN, parent.addr(), &made, chunk.addr(), GetMemoryChunkSpace(chunk));
        pg_sys::MemoryContextDelete(parent);
        checked
    }
}

/// A context that was made, and how much it says to have from malloc (bytes).
struct Made {
    address: usize,
    allocated: usize,
}

/// Compares what is in memory with what was made: contexts of all kinds below a parent, and a chunk of the first.
fn compare(layout: Layout, parent: usize, made: &[Made], chunk: usize, space: usize) -> Result<(), String> {
    let memory = Memory::new().ok_or("no pipe could be made")?;
    links(&memory, layout, parent, made)?;
    tables(&memory, layout, made)?;
    header(&memory, made[0].address, chunk, space)
}

/// The tree and what a context says about itself.
fn links(memory: &Memory, layout: Layout, parent: usize, made: &[Made]) -> Result<(), String> {
    let mut next = 0;
    for (number, &Made { address, allocated }) in made.iter().enumerate() {
        let identifier = if number == 0 { IDENTIFIER.as_ptr().addr() } else { 0 };
        let is = |member: &str, offset: usize, expected: usize| match memory.read::<usize>(address + offset) {
            Some(found) if found == expected => Ok(()),
            _ => Err(format!("MemoryContextData.{member}")),
        };
        if let Some(&kind) = KINDS.get(number)
            && memory.read(address + layout.kind) != Some(kind as u32)
        {
            return Err("MemoryContextData.type".to_owned());
        }
        is("mem_allocated", layout.allocated, allocated)?;
        is("parent", layout.parent, parent)?;
        // Each new one is put before the others.
        is("nextchild", layout.next_child, next)?;
        is("firstchild", layout.first_child, 0)?;
        is("name", layout.name, NAME.as_ptr().addr())?;
        is("ident", layout.identifier, identifier)?;
        next = address;
    }
    let first = memory.read(parent + layout.first_child);
    if first == Some(next) { Ok(()) } else { Err("MemoryContextData.firstchild".to_owned()) }
}

/// The allocator's tables, one for each kind.
fn tables(memory: &Memory, layout: Layout, made: &[Made]) -> Result<(), String> {
    let table = |made: &Made| memory.read::<usize>(made.address + layout.methods).unwrap_or(0);
    let tables: Vec<usize> = made.iter().take(KINDS.len()).map(table).collect();
    let is_next = |pair: &[usize]| match HEADER_HAS_CONTEXT {
        true => pair[0] != pair[1],
        false => pair[0].checked_add(layout.table) == Some(pair[1]),
    };
    let is_there = |&table: &usize| memory.read::<usize>(table).is_some_and(|function| function != 0);
    if tables.iter().all(is_there) && tables.windows(2).all(is_next) {
        Ok(())
    } else {
        Err("MemoryContextData.methods, or the size of MemoryContextMethods".to_owned())
    }
}

/// What stands before a chunk.
fn header(memory: &Memory, set: usize, chunk: usize, space: usize) -> Result<(), String> {
    if space != MADE + CHUNK_HEADER {
        let found = space.saturating_sub(MADE);
        return Err(format!("the header of a chunk, {found} bytes where {CHUNK_HEADER} are known"));
    }
    let before: Option<usize> = memory.read(chunk - size_of::<usize>());
    let fits = match HEADER_HAS_CONTEXT {
        true => before == Some(set),
        false => before.is_some_and(|header| header & KIND_MASK == KIND_OF_SET),
    };
    if fits { Ok(()) } else { Err("the header of a chunk".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What contexts look like that were just made.
    struct Fake {
        contexts: Box<[MemoryContextData; 4]>,
        tables: Box<[MemoryContextMethods; 4]>,
        chunk: Box<[usize; 4]>,
    }

    impl Fake {
        fn new() -> Self {
            // SAFETY: all members are numbers, pointers and optional functions, for which zero is none.
            let (contexts, tables) = unsafe { std::mem::zeroed() };
            let mut fake = Fake { contexts: Box::new(contexts), tables: Box::new(tables), chunk: Box::new([0; 4]) };
            let all = fake.contexts.as_mut_ptr();
            for number in 1..4 {
                let context = &mut fake.contexts[number];
                context.type_ = KINDS[number - 1];
                context.mem_allocated = 8192 * number;
                context.methods = &raw const fake.tables[number];
                context.parent = all;
                context.nextchild = if number == 1 { std::ptr::null_mut() } else { all.wrapping_add(number - 1) };
                context.name = NAME.as_ptr();
                // The first member is a function.
                // SAFETY: a table is made of pointers.
                unsafe { (&raw mut fake.tables[number]).cast::<usize>().write(1) };
            }
            fake.contexts[0].firstchild = all.wrapping_add(3);
            fake.contexts[1].ident = IDENTIFIER.as_ptr();
            fake.chunk[2] = if HEADER_HAS_CONTEXT { all.wrapping_add(1).expose_provenance() } else { KIND_OF_SET };
            fake
        }

        fn compare(&self, layout: Layout, space: usize) -> Result<(), String> {
            let address = |number: usize| (&raw const self.contexts[number]).expose_provenance();
            let made: Vec<Made> =
                (1..4).map(|number| Made { address: address(number), allocated: 8192 * number }).collect();
            let chunk = (&raw const self.chunk[3]).expose_provenance();
            compare(layout, address(0), &made, chunk, space)
        }
    }

    const SPACE: usize = MADE + CHUNK_HEADER;

    #[test]
    fn what_is_as_it_is_known_fits() {
        assert_eq!(Fake::new().compare(KNOWN, SPACE), Ok(()));
    }

    /// A server that has put a member before another looks so.
    #[test]
    fn another_layout_is_noticed() {
        let word = size_of::<usize>();
        let moved: [(Layout, &str); 9] = [
            (Layout { kind: KNOWN.kind + 4, ..KNOWN }, "type"),
            (Layout { allocated: KNOWN.allocated + word, ..KNOWN }, "mem_allocated"),
            (Layout { methods: KNOWN.methods + word, ..KNOWN }, "methods"),
            (Layout { parent: KNOWN.parent + word, ..KNOWN }, "parent"),
            (Layout { first_child: KNOWN.first_child - word, ..KNOWN }, "firstchild"),
            (Layout { next_child: KNOWN.next_child + word, ..KNOWN }, "nextchild"),
            (Layout { name: KNOWN.name + word, ..KNOWN }, "name"),
            (Layout { identifier: KNOWN.identifier + word, ..KNOWN }, "ident"),
            // Nothing is mapped there.
            (Layout { name: 1 << 60, ..KNOWN }, "name"),
        ];
        let fake = Fake::new();
        for (layout, member) in moved {
            let found = fake.compare(layout, SPACE).expect_err(member);
            assert!(found.contains(member), "{member}: {found}");
        }
        if !HEADER_HAS_CONTEXT {
            let found = fake.compare(Layout { table: KNOWN.table + word, ..KNOWN }, SPACE).expect_err("a larger table");
            assert!(found.contains("MemoryContextMethods"), "{found}");
        }
    }

    #[test]
    fn another_header_of_chunks_is_noticed() {
        let mut fake = Fake::new();
        let found = fake.compare(KNOWN, SPACE + 8).expect_err("a larger header");
        assert!(found.contains("the header of a chunk"), "{found}");
        fake.chunk[2] ^= 1;
        assert_eq!(fake.compare(KNOWN, SPACE), Err("the header of a chunk".to_owned()));
    }
}
