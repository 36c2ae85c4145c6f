//! What grows in the engine asks for room: a function that adds to a collection speaks of `room` of core, or is listed here with
//! what bounds it.
//!
//! Rust ends a process that gets no memory. What is bounded and small has a reserve; what grows with contexts, paths, allocations
//! or findings would use that up.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Block, ExprMethodCall, ImplItem, ImplItemFn, Item, ItemFn, Path};

use crate::references::{attributes_of_impl_item, attributes_of_item, is_for_tests};

/// Where what is looked at is kept and counted.
pub(crate) const ROOMS: [&str; 7] = ["ask/", "contexts/", "scenario/", "session/", "shmem/", "sql/", "trace/"];

/// Methods that make a collection larger, or make one.
const METHODS: [&str; 12] = [
    "append",
    "collect",
    "extend",
    "insert",
    "or_default",
    "or_insert",
    "or_insert_with",
    "push",
    "reserve",
    "resize",
    "to_vec",
    "with_capacity",
];

/// Functions that add to a collection and do not ask, by file, and what bounds them.
pub(crate) const BOUNDED: [(&str, &[&str], &str); 40] = [
    ("ask/wire.rs", &["closed", "read_closed", "texts"], "who calls them has asked for room for all of it"),
    ("contexts/proof.rs", &["check", "tables"], "one context of each kind"),
    ("contexts/names.rs", &["of_context", "outermost_first"], "504 bytes"),
    (
        "scenario/company.rs",
        &["finding", "sentence", "stuck", "circle_from"],
        "as many as there are workers, and the locks of each",
    ),
    ("scenario/races.rs", &["lock_names"], "as many as there are locks noted of a use"),
    ("scenario/lifecycle.rs", &["wait_for"], "three sessions, and what each has said, for which room was there"),
    (
        "scenario/task.rs",
        &["new", "of"],
        "names of what has no path of contexts; what a window has found, for which whoever calls it has asked for room",
    ),
    ("scenario/failing/calls.rs", &["load"], "the libraries of extensions"),
    ("scenario/failing/call.rs", &["say"], "a message that fits into a worker's queue"),
    ("scenario/sweep.rs", &["run", "start", "waits"], "sweep_limit failures, LOCKS locks"),
    ("scenario/mod.rs", &["watch", "climb"], "two ways to undo, three rungs"),
    ("session/calls.rs", &["function_starts"], "calls under way, which the stack bounds"),
    ("session/events.rs", &["count", "counts", "all"], "MOST kinds of event"),
    ("session/mod.rs", &["report"], "the ring, a fixed table"),
    ("session/workers.rs", &["reports_of_functions"], "MOST kinds of event"),
    ("shmem/handover.rs", &["report"], "256 bytes"),
    ("sql/catcache.rs", &["catcache_stats"], "as many rows as the server has caches"),
    ("sql/scenario.rs", &["scenario", "names"], "as many as there are scenarios"),
    ("sql/mod.rs", &["rows_of"], "who calls it has asked for room for all rows"),
    ("sql/dsm.rs", &["dsm_tracking"], "as many rows as segments can be tracked"),
    ("sql/faults.rs", &["faults"], "as many rows as reports are kept"),
    ("sql/sites.rs", &["sites_reached"], "as many rows as there are places, for which room was asked"),
    ("sql/window.rs", &["window_stats"], "as many rows as there are figures"),
    (
        "sql/ask.rs",
        &["live_allocations", "backend_contexts"],
        "who has read the answer has asked for room for the rows",
    ),
    ("trace/book.rs", &["observe", "enter"], "fixed tables"),
    ("session/observed_file.rs", &["register", "complete"], "the names of files"),
    ("trace/counts.rs", &["credit_of", "stacks"], "who calls them has asked for all sites and chunks"),
    ("trace/credits.rs", &["count"], "fixed tables"),
    ("trace/filled.rs", &["find_or_enter"], "fixed tables"),
    ("trace/gains.rs", &["take"], "who calls it has asked for all sites"),
    ("trace/journal.rs", &["allocated", "book"], "fixed tables"),
    ("trace/labels.rs", &["keep"], "fixed tables"),
    ("trace/maps.rs", &["map", "unmap"], "fixed tables"),
    ("trace/places.rs", &["describe"], "the frames of one stack"),
    ("trace/areas.rs", &["allocated", "inserted"], "fixed tables"),
    ("trace/segments.rs", &["map", "map_area", "pin", "pin_area", "name"], "fixed tables"),
    ("trace/sites.rs", &["number"], "fixed tables"),
    ("trace/stacks.rs", &["get"], "the frames of one stack"),
    ("trace/table.rs", &["enter"], "fixed tables"),
    ("trace/tally.rs", &["since"], "who calls it has asked for all sites"),
];

/// The functions of a file that add to a collection and do not ask.
#[derive(Default)]
pub(crate) struct Growth {
    pub(crate) functions: BTreeSet<String>,
}

impl Growth {
    /// Reads a file, what is compiled for tests only left out.
    pub(crate) fn read(text: &str) -> syn::Result<Self> {
        let mut growth = Growth::default();
        growth.visit_file(&syn::parse_file(text)?);
        Ok(growth)
    }

    fn function(&mut self, name: &syn::Ident, block: &Block) {
        let mut body = Body::default();
        body.visit_block(block);
        if body.grows && !body.asks {
            self.functions.insert(name.to_string());
        }
    }
}

impl<'a> Visit<'a> for Growth {
    fn visit_item(&mut self, item: &'a Item) {
        if !is_for_tests(attributes_of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        if !is_for_tests(attributes_of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.function(&function.sig.ident, &function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.function(&function.sig.ident, &function.block);
    }
}

#[derive(Default)]
struct Body {
    grows: bool,
    asks: bool,
}

impl<'a> Visit<'a> for Body {
    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        self.grows |= METHODS.iter().any(|method| call.method == method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_path(&mut self, path: &'a Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // `require_room` asks, and raises an ERROR where the answer is no.
        self.asks |= names.iter().any(|name| name == "room" || name == "require_room");
        self.grows |= names.len() > 1 && names.last().is_some_and(|last| METHODS.contains(&last.as_str()));
        visit::visit_path(self, path);
    }
}
