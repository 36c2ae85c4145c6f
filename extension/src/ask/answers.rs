//! What a backend answers. None of it raises an ERROR or allocates through palloc; what is needed comes from Rust's heap.

use std::cmp::Reverse;
use std::ffi::CStr;

use memcheck_core::census::Census;
use memcheck_core::options::{self, Place};
use pgrx::pg_sys;
use serde_json::{Value, json};

use super::{Question, Refusal, wire};
use crate::window::outside;
use crate::{snapshot, statement, trace};

/// Contexts whose identifier is the name of a relation or of a function. That of others may be anything: for a cached plan it
/// is the text of the statement.
const NAMED_AFTER_OBJECTS: [&CStr; 7] = [
    c"index info",
    c"relation rules",
    c"partition key",
    c"partition descriptor",
    c"partition qual",
    c"SQL function",
    c"PL/pgSQL function",
];

fn refusal(message: impl Into<String>, hint: Option<&str>) -> Refusal {
    Refusal { message: message.into(), hint: hint.map(str::to_owned) }
}

/// Answers a question in the process that it was put to.
pub(super) fn answer(question: &Question) -> Result<Value, Refusal> {
    match question {
        Question::LiveAllocations => live_allocations(),
        Question::Contexts => Ok(contexts()),
        Question::Begin { pattern, options, targets, by_calls, thresholds } => {
            let parsed = options::parse(pattern, Some(options), *thresholds, Place::Elsewhere)
                .map_err(|bad| refusal(bad.message, bad.hint.as_deref()))?;
            outside::open(parsed.terms, targets.clone(), *by_calls).map(|()| Value::Null).map_err(|error| match error {
                outside::Refused::Open => refusal("a check window is already open in that process", None),
                outside::Refused::Trace(refused) => refusal(format!("allocations cannot be traced: {refused}"), None),
            })
        }
        Question::End => match outside::close() {
            Some((findings, counters)) => Ok(wire::closed(&findings, &counters)),
            None => Err(refusal(
                "no check window was opened in that process by another",
                Some("Open one with ext_memcheck.begin_in()."),
            )),
        },
    }
}

/// What the targets have allocated and not freed, by site and context, the most first:
/// `{"not_recorded": N, "rows": [[path, frame, stack, allocations, bytes], ...]}`.
fn live_allocations() -> Result<Value, Refusal> {
    if !trace::is_on() {
        return Err(refusal(
            "allocations of that process are not traced",
            Some("Set pg_ext_memcheck.trace to on and pg_ext_memcheck.targets to the libraries' names."),
        ));
    }
    trace::refresh();
    let rows = statement::with_walker(|walker| {
        walker.all(|_, _| ());
        let mut census = Census::default();
        trace::count(&mut census, walker);
        let mut held: Vec<_> = census.traced().collect();
        held.sort_by_key(|&(path, site, live)| (Reverse(live.bytes), path, site));
        held.into_iter()
            .map(|(path, site, live)| {
                let site = trace::describe(site);
                let path = walker.paths().path(path);
                json!([
                    path.names(),
                    memcheck_core::wire::address(&site.frame),
                    memcheck_core::wire::stack(&site.stack),
                    live.allocations,
                    live.bytes
                ])
            })
            .collect::<Vec<_>>()
    });
    let (_, not_recorded) = trace::occupancy();
    Ok(json!({"not_recorded": not_recorded, "rows": rows}))
}

/// All contexts, parents first: `[[path, identifier, level, used, allocated, free, blocks], ...]`.
fn contexts() -> Value {
    let mut found = Vec::new();
    statement::with_walker(|walker| {
        walker.all(|context, path| {
            // SAFETY: the walk only shows live contexts.
            found.push((path, unsafe { identifier(context) }, unsafe { snapshot::counters(context) }));
        });
        let paths = walker.paths();
        let rows = found.into_iter().map(|(path, identifier, counters)| {
            let (allocated, free) = (counters.totalspace, counters.freespace);
            let used = allocated.saturating_sub(free);
            json!([paths.path(path).names(), identifier, paths.depth(path), used, allocated, free, counters.nblocks])
        });
        rows.collect()
    })
}

/// The identifier of a context that is named after an object.
///
/// # Safety
/// `context` is live.
unsafe fn identifier(context: pg_sys::MemoryContext) -> Option<String> {
    // SAFETY: by the caller's promise; name and identifier are C strings (`MemoryContextSetIdentifier` in mcxt.c).
    unsafe {
        let (name, identifier) = ((*context).name, (*context).ident);
        let is_object = !identifier.is_null() && NAMED_AFTER_OBJECTS.contains(&CStr::from_ptr(name));
        is_object.then(|| CStr::from_ptr(identifier).to_string_lossy().into_owned())
    }
}
