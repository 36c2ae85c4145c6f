//! What a backend answers. None of it raises an ERROR or allocates through palloc; what is needed comes from Rust's heap.

use std::cmp::Reverse;

use memcheck_core::census::PathId;
use memcheck_core::options::{self, Place};
use memcheck_core::{finding, room};
use serde_json::{Value, json};

use super::{Question, Refusal, wire};
use crate::contexts::Context;
use crate::session::{self, Closed};
use crate::wrap;

/// Contexts whose identifier is the name of a relation or of a function. That of others may be anything: for a cached plan it
/// is the text of the statement.
const NAMED_AFTER_OBJECTS: [&str; 7] = [
    "index info",
    "relation rules",
    "partition key",
    "partition descriptor",
    "partition qual",
    "SQL function",
    "PL/pgSQL function",
];

fn refusal(message: impl Into<String>, hint: Option<&str>) -> Refusal {
    Refusal { message: message.into(), hint: hint.map(str::to_owned) }
}

/// Answers the question of a process in the one that it was put to.
pub(super) fn answer(question: &Question, asker: i32) -> Result<Value, Refusal> {
    match question {
        Question::LiveAllocations => live_allocations(),
        Question::Look => Ok(json!(session::with(|session| session.look()))),
        Question::Contexts => contexts(),
        Question::Begin { pattern, options, traced, thresholds } => {
            let parsed = options::parse(pattern, Some(options), *thresholds, Place::Elsewhere)
                .map_err(|bad| refusal(bad.message, bad.hint.as_deref()))?;
            session::with(|session| {
                if session.opened_by().is_some() {
                    return Err(refusal("a check window is already open in that process", None));
                }
                let refused = session.begin_for_another(asker, parsed.terms, traced.clone());
                Ok(refused.map_or(Value::Null, |refused| json!(refused.to_string())))
            })
        }
        Question::End => match session::with(|session| session.end_for_another()) {
            Some(closed) => Ok(told(closed)),
            None => Err(refusal(
                "no check window was opened in that process by another",
                Some("Open one with ext_memcheck.begin_in()."),
            )),
        },
    }
}

/// What there is to say of a window that was closed.
fn told(mut closed: Closed) -> Value {
    if !room::is_there_for(2 * finding::bytes(&closed.findings)) {
        closed.findings.clear();
        closed.figures.out_of_memory += 1;
    }
    wire::closed(&closed)
}

/// What a process that ends says of the window that another one has opened in it, and to whom; none where there is no such window.
pub(super) fn last_words() -> Option<(i32, Value)> {
    let mut closed = None;
    session::unless_busy(|session| closed = session.leaves_window());
    closed.map(|(watcher, closed)| (watcher, told(closed)))
}

/// What the targets have allocated and not freed, by site and context, the most first:
/// `{"not_recorded": N, "rows": [[path, frame, stack, allocations, bytes], ...]}`.
fn live_allocations() -> Result<Value, Refusal> {
    if !wrap::is_on() {
        return Err(refusal(
            "allocations of that process are not traced",
            Some("Set pg_ext_memcheck.trace to on in that process."),
        ));
    }
    wrap::refresh();
    let answer = session::with(|session| {
        let walker = session.walker();
        wrap::with(|chain| {
            /// What a row with its stack takes, about (bytes).
            const ROW: usize = 16 << 10;
            let census = chain.ledger.booked().held(walker);
            if !census.is_whole() || !room::is_there_for(census.curves() * ROW) {
                return None;
            }
            let mut held: Vec<_> = census.traced().collect();
            let sites = held.iter().map(|&(_, site, _)| site).collect();
            let stacks = chain.ledger.booked().all_stacks(&sites);
            held.sort_by_key(|&(path, site, live)| (Reverse(live.bytes), path, site));
            let rows: Vec<Value> = held
                .into_iter()
                .map(|(path, site, live)| {
                    let path = walker.paths().path(path);
                    let site = chain.places().describe(site, stacks.of(&path, site));
                    json!([
                        path.names(),
                        memcheck_core::wire::address(&site.frame),
                        memcheck_core::wire::stack(&site.stack),
                        live.allocations,
                        live.bytes
                    ])
                })
                .collect();
            Some(json!({"not_recorded": chain.ledger.booked().not_recorded(), "rows": rows}))
        })
    });
    answer.flatten().ok_or_else(no_memory)
}

/// There is not memory enough for an answer.
fn no_memory() -> Refusal {
    refusal("the process has not enough memory to answer", Some("Ask again when it has."))
}

/// All contexts, parents first: `[[path, identifier, level, used, allocated, free, blocks], ...]`.
fn contexts() -> Result<Value, Refusal> {
    /// What a row takes, besides its path (bytes), about.
    const ROW: usize = 2048;
    const NAME: usize = 256;
    let (mut found, mut has_room) = (Vec::new(), true);
    session::with(|session| {
        let walker = session.walker();
        walker.all(|context, path| {
            has_room &=
                path != PathId::NOT_KEPT && room::push(&mut found, (path, identifier(context), context.counters()));
        });
        let paths = walker.paths();
        let bytes = found.iter().map(|&(path, ..)| ROW + paths.depth(path) as usize * NAME).sum();
        if !has_room || !room::is_there_for(bytes) {
            return Err(no_memory());
        }
        let rows = found.into_iter().map(|(path, identifier, counters)| {
            let (allocated, free) = (counters.totalspace, counters.freespace);
            let used = allocated.saturating_sub(free);
            json!([paths.path(path).names(), identifier, paths.depth(path), used, allocated, free, counters.nblocks])
        });
        Ok(rows.collect())
    })
}

/// The identifier of a context that is named after an object.
fn identifier(context: Context<'_>) -> Option<String> {
    context.identifier_if_named(&NAMED_AFTER_OBJECTS)
}
