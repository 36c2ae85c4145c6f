//! The table of wrapped functions in the manual, compared with the lists of them.

use std::collections::BTreeSet;

use super::{
    areas, created, dsm, ends, given_back, heap, interrupts, locks, maps, methods, requests, shared, switch, tables,
};

const PAGE: &str = include_str!("../../../docs/tracing.md");
const HEADING: &str = "\n## The functions that are wrapped\n";

/// The lists, by what the manual calls them.
const FAMILIES: [(&str, &[&str]); 14] = [
    ("allocator", methods::NAMES),
    ("heap", heap::NAMES),
    ("giving back", given_back::NAMES),
    ("contexts", created::NAMES),
    ("maps", maps::NAMES),
    ("shared memory", dsm::NAMES),
    ("areas", areas::NAMES),
    ("interrupts", interrupts::NAMES),
    ("segments", shared::NAMES),
    ("requests", requests::NAMES),
    ("ends", ends::NAMES),
    ("locks", locks::NAMES),
    ("tables", tables::NAMES),
    ("libraries", switch::NAMES),
];

/// Rows of the table: function, family, and what is done.
fn rows() -> Vec<[&'static str; 3]> {
    let (_, section) = PAGE.split_once(HEADING).expect("a section on the functions");
    let section = section.split("\n## ").next().expect("a section");
    let cells = |line: &'static str| -> Vec<&str> { line.split('|').map(str::trim).collect() };
    let rows = section.lines().map(cells).filter(|cells| cells.get(1).is_some_and(|name| name.starts_with('`')));
    rows.map(|cells| cells[1..4].try_into().expect("three columns")).collect()
}

#[test]
fn the_manual_names_every_wrapped_function() {
    let row = |[name, family, _]: [&'static str; 3]| (name.trim_matches('`'), family);
    let documented: Vec<_> = rows().into_iter().map(row).collect();
    let lists = || FAMILIES.iter().flat_map(|&(family, names)| names.iter().map(move |&name| (name, family)));
    assert_eq!(documented.len(), lists().count(), "each has one row");
    let set = |rows: Vec<(&'static str, &'static str)>| rows.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(documented), set(lists().collect()));
}

#[test]
fn the_manual_says_what_is_done() {
    for [name, _, done] in rows() {
        assert!(!done.is_empty(), "{name}");
    }
}

/// What the functions in the lists refer to of the server, of which tests look at the addresses. It is nothing here, and nobody calls it but
/// what is a function.
#[cfg(test)]
mod of_the_server {
    #![allow(non_upper_case_globals)]

    use std::sync::atomic::AtomicUsize;

    macro_rules! nothing {
        ($($name:ident)+) => {
            $(#[unsafe(no_mangle)] static $name: AtomicUsize = AtomicUsize::new(0);)+
        };
    }

    nothing! {
        CopyErrorData CritSectionCount CurrentMemoryContext ErrorContext FlushErrorState FreeErrorData GetMemoryChunkContext
        GetMemoryChunkSpace InterruptHoldoffCount InterruptPending InvalidateSystemCaches IsTransactionState MessageContext
        PG_exception_stack PortalContext ProcDiePending QueryCancelHoldoffCount QueryCancelPending ReThrowError TopMemoryContext
        TopTransactionContext __real_CopyErrorData error_context_stack get_rel_name hash_estimate_size pfree pg_re_throw proc_exit_inprogress
        repalloc
    }

    /// Called by tests of areas, of which none is mapped.
    #[unsafe(no_mangle)]
    extern "C-unwind" fn dsm_find_mapping(_handle: u32) -> *mut std::ffi::c_void {
        std::ptr::null_mut()
    }
}
