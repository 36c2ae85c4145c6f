//! What needs care in the engine, and the rooms made for it.
//!
//! `unsafe` stands where raw memory is the subject. What the server dictates is no exception to that: the type of a hook
//! is `unsafe extern "C-unwind" fn`, so a hook anywhere has such a *signature*, which does nothing by itself, since
//! `unsafe_op_in_unsafe_fn` is denied; what is done with the raw pointers that it is handed needs a *block*, and that
//! stands in a room. So does the declaration of a function of the server, which promises that it is what it is said to be, and an
//! `unsafe fn` of our own, which makes its callers promise something.
//!
//! A static is state that nobody owns. What the one session of a backend holds is in it; the others are those that a hook, a
//! wrapper, a signal handler or machine code has no other way to, and this is the list of them.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    ExprUnsafe, ImplItem, Item, ItemForeignMod, ItemImpl, ItemStatic, ItemTrait, Macro, Safety, Signature, Token,
};

use crate::references::{attributes_of_impl_item, attributes_of_item, is_for_tests};

/// Where `unsafe` may stand in the engine.
pub(crate) const UNSAFE: [&str; 9] =
    ["heap/", "wrap/", "trace/", "guard/", "stack/", "elf/", "contexts/", "shmem/", "pg/"];

/// The statics of the engine by file: who writes them, and why they are static.
pub(crate) const STATICS: &[(&str, &[&str], &str)] = &[
    (
        "session/mod.rs",
        &["SESSION", "MISSED"],
        "the one session of a backend, written by hooks and SQL functions; the second while the first is in use",
    ),
    (
        "session/mode.rs",
        &["REPORTS"],
        "what the session's role may, looked up before a statement where there need not be a session",
    ),
    (
        "pg/background.rs",
        &["WORK", "QUEUE_OF_CALLER"],
        "what a worker does, written at the start and found by its main function; its way to its caller, which its end finds too",
    ),
    (
        "pg/company/mod.rs",
        &["OWN"],
        "the part of a worker in what it shares with others, found by functions in the targets' tables and by a signal handler",
    ),
    ("pg/company/hangs.rs", &["ENDS"], "what ends a worker that does not look for interrupts, for a signal handler"),
    (
        "scenario/failing/calls.rs",
        &["UNDER_WAY", "IS_OVER", "CLOSES"],
        "what fails in a worker now, whether it has said all, and how its window is closed, which its end asks for",
    ),
    (
        "scenario/failing/call.rs",
        &["PATIENCE", "IS_TAKEN"],
        "how long a call of a worker may take, which its end asks for as well, and whether the last was cancelled",
    ),
    (
        "inject/parameter.rs",
        &["PLAN", "IS_ASSIGNED"],
        "what a parameter says, which the allocator takes in the middle of anything",
    ),
    ("pg/answer.rs", &["DIGEST", "ROOM", "RECEIVER"], "a receiver of rows, which the server is given the address of"),
    (
        "guard/faults/watch.rs",
        &["TIMER", "TIMES_LATE", "LEFT", "HAS_GIVEN_BACK", "WAITED", "IS_HANDLED", "IS_LAST"],
        "a timer, how often its signal has come and where it did, and whether it ends the process, for a handler",
    ),
    (
        "wrap/tables.rs",
        &["KEPT"],
        "hash tables that libraries have made, written by the postmaster and found by functions in the targets' tables",
    ),
    (
        "wrap/requests.rs",
        &["KEPT"],
        "memory that libraries have requested, where the server writes down where it is, and their callbacks, which it is given",
    ),
    (
        "wrap/callers.rs",
        &["KEPT"],
        "the code of libraries, for functions in their tables, which have no other way to it",
    ),
    (
        "wrap/tranches.rs",
        &["KEPT"],
        "tranches of locks that libraries have asked for, written by the postmaster and found by functions in the targets' tables",
    ),
    ("scenario/task.rs", &["IS_SAID"], "what a worker has said, which its end asks for"),
    (
        "wrap/storm.rs",
        &["FUNCTIONS", "IS_ON", "IS_STRIKING"],
        "found by functions in the targets' tables, which have no other way to them",
    ),
    ("hooks/statements.rs", &["IS_TOLD"], "what was said to the client, where there need not be a session"),
    (
        "guc.rs",
        &[
            "GUARD",
            "GUARD_SAMPLE",
            "TRACE",
            "TARGETS",
            "MODE",
            "MIN_LEAK_BYTES",
            "BLOAT_MIN_BYTES",
            "REPORTERS",
            "OBSERVE",
            "PLACES",
            "RING_SIZE",
            "FAIL_ALLOC",
            "SWEEP_LIMIT",
            "ON_FAULT",
            "TRIAL_ENLARGE",
            "TRIAL_REFUSE",
            "TRIAL_FAIL",
            "TRIAL_FAIL_ON",
        ],
        "written by the server, which is told their addresses at the start",
    ),
    (
        "heap/mod.rs",
        &["HEAP", "AT_THE_END"],
        "Rust's allocator, which the compiler finds; what it does where no memory is left, written at the start",
    ),
    ("heap/reserve.rs", &["MEMORY"], "memory that is there beforehand, parted by the allocator"),
    (
        "heap/trial.rs",
        &["REQUESTS", "GOES_ON", "SHOWN"],
        "which requests for memory fail in tests, written by hooks of parameters; the allocator has no argument to carry it",
    ),
    (
        "pg/lwlocks.rs",
        &["HELD"],
        "where the server has its list of LWLocks, found at the start and read by signal handlers",
    ),
    ("pg/build.rs", &["MARK"], "what the library says about itself to whoever reads its file; never written"),
    (
        "pg/copied.rs",
        &["COPIES"],
        "memory for an ERROR that pgrx catches, which calls it without an argument; written at the start",
    ),
    (
        "pg/errors.rs",
        &["IS_LEAVING"],
        "written once, when the process is about to end; callbacks of the server read it",
    ),
    (
        "pg/parameters.rs",
        &["HOT", "HOT_IS_OF_SESSION", "CHANGED"],
        "written by assign hooks, which may run at any time and have no argument to carry it",
    ),
    (
        "pg/statements.rs",
        &["NEXT", "TAKEN"],
        "what was in the server's hooks before, written when a place is taken; a hook has no argument to carry it",
    ),
    ("pg/functions.rs", &["NEXT_NEEDS", "NEXT", "HANDLER"], "as above, and who is told; written at the start"),
    ("pg/log.rs", &["NEXT", "HANDLER"], "as above; written at the start"),
    (
        "pg/transactions.rs",
        &["LISTENER", "FIRST", "BEFORE", "GONE", "WATCHED"],
        "who is told, written at the start, and a callback that the server's list leads to, so that it must not move",
    ),
    (
        "pg/dumps.rs",
        &["BEFORE", "IS_ASKED", "WANTED"],
        "what was in place of a signal handler of ours and what that has found, which has no other way to it",
    ),
    ("pg/cancel.rs", &["COME"], "how often a signal has come, which a handler counts"),
    ("pg/waits.rs", &["NOTED"], "what transactions have held at their end, noted by a callback"),
    ("pg/nesting.rs", &["DEPTH"], "written around calls that an ERROR may leave by a jump, past the frames that know"),
    (
        "guard/faults/policy.rs",
        &["VALUE", "IMPOSED"],
        "written by an assign hook, and for the window of another process; read by signal handlers, which may not ask the server for a parameter",
    ),
    (
        "guard/faults/kept.rs",
        &["REPORTS", "WRITES"],
        "where reports are kept, found by signal handlers; written once, by the postmaster",
    ),
    ("guard/faults/landing.rs", &["NOW"], "what is landed now; sigreturn has no argument to carry it"),
    (
        "guard/faults/handler.rs",
        &["ARMED"],
        "what the signal handlers need, which have no other way to it; written between statements",
    ),
    (
        "guard/redzones.rs",
        &["HAS_THREADS"],
        "written by threads of libraries, which must not touch anything else of the engine's",
    ),
    (
        "wrap/chain.rs",
        &["CHAIN"],
        "the chain, which the wrappers have no other way to; written between calls of the allocator",
    ),
    (
        "wrap/switch.rs",
        &["FITTINGS"],
        "what is in place of something else, written when the chain is switched; dlopen of ours has no other way to it",
    ),
    (
        "wrap/shared.rs",
        &["KEPT"],
        "what stands in tables for good, written when a library is loaded; functions of ours have no other way to it",
    ),
    (
        "wrap/methods.rs",
        &["ORIGINAL"],
        "what the method tables held, for the wrappers; written once before they are in place",
    ),
    (
        "wrap/methods_15.rs",
        &["TABLES"],
        "where the server's method tables are, found once and the same in all processes",
    ),
    (
        "link.rs",
        &["START", "LENGTH"],
        "where links have chunks of their own, written when they are going to; functions that any thread calls look there first",
    ),
    (
        "elf/patched.rs",
        &["PATCHED"],
        "what code was before it was changed, written when a library is loaded; whoever reads code has no other way to it",
    ),
    (
        "wrap/planted/mod.rs",
        &["PLANTED"],
        "places that are looked at, written when a library is loaded; functions of ours have no other way to it",
    ),
    ("stack/barrier.rs", &["FOUND"], "where the server works on its own account, found once, in the postmaster"),
    ("wrap/hooked.rs", &["HOOKED"], "the functions of a family with their wrappers; never written"),
    (
        "stack/calls.rs",
        &["STACK", "NO_CONTEXT", "TABLE", "ENTERED", "NOTES", "USED", "NOT_NOTED"],
        "the notes of calls, written by machine code that has their addresses in it",
    ),
    ("ask/dump.rs", &["DUMPS", "ANSWERS_SINCE"], "written around a dump in an interrupt; the log's hook reads it"),
    (
        "shmem/mod.rs",
        &["NEXT_REQUEST", "NEXT_STARTUP", "IS_THERE"],
        "what was in the server's hooks before; written at the start",
    ),
    (
        "shmem/ring.rs",
        &["RING", "CLAIMS", "CALLBACKS"],
        "where the ring is, written at the start; what the transaction's end undoes",
    ),
    ("shmem/tracked.rs", &["TABLE"], "where the table of tracked segments is; written at the start"),
    (
        "shmem/canaries.rs",
        &["REGISTRY", "ASKED_FOR"],
        "where the segment is; what hooks have asked for, before there is one; both written at the start",
    ),
    (
        "shmem/closed.rs",
        &["PAGES", "OPEN", "CAUGHT", "ANY_OPEN"],
        "what of shared memory is closed in this process, which signal handlers have no other way to",
    ),
    (
        "shmem/dynamic.rs",
        &["TABLE", "MAPPED", "NUMBER"],
        "where the segment is; where this process has others mapped, which callbacks of the server take note of",
    ),
    ("shmem/handover.rs", &["HANDOVER"], "where the segment is; written at the start"),
    (
        "shmem/exchange.rs",
        &["MAPPED", "LEAVES_AT_EXIT"],
        "where the exchange is, written at the start; that its place is given up at the end, with the first question",
    ),
];

/// Where the runner writes files, and why not by `atomic.rs`.
pub(crate) const WRITERS: [(&str, &str); 3] = [
    ("atomic.rs", "it is what the others write by"),
    ("server/", "what a run has for itself, in a directory that goes with it"),
    ("cli/output.rs", "the summary of a job, to which others add their part"),
];

/// What writes files by itself.
const WRITING: [(&str, &str); 7] = [
    ("fs", "write"),
    ("fs", "copy"),
    ("fs", "rename"),
    ("File", "create"),
    ("File", "create_new"),
    ("File", "options"),
    ("OpenOptions", "new"),
];

/// What a file has that needs care.
#[derive(Default)]
pub(crate) struct Care {
    /// Lines with an `unsafe`, and what it is.
    pub(crate) unsafes: Vec<(usize, &'static str)>,
    /// Lines with a static, thread-local ones too, and its name.
    pub(crate) statics: Vec<(usize, String)>,
    /// Lines with a call that writes a file, and what is called.
    pub(crate) writes: Vec<(usize, String)>,
}

impl Care {
    /// Reads a file, what is compiled for tests only left out.
    pub(crate) fn read(text: &str) -> syn::Result<Self> {
        let mut care = Care::default();
        care.visit_file(&syn::parse_file(text)?);
        Ok(care)
    }

    fn note(&mut self, token: Token![unsafe], what: &'static str) {
        self.unsafes.push((token.span.start().line, what));
    }

    /// The tokens of a macro, `thread_local!` above all, are not parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (position, token) in tokens.iter().enumerate() {
            let word = |position: usize| match tokens.get(position) {
                Some(TokenTree::Ident(word)) => Some(word),
                _ => None,
            };
            let is_lifetime = matches!(position.checked_sub(1).map(|before| &tokens[before]),
                Some(TokenTree::Punct(quote)) if quote.as_char() == '\'');
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "static" && !is_lifetime => {
                    let name = word(position + 1).filter(|word| *word != "mut").or_else(|| word(position + 2));
                    if let Some(name) = name {
                        self.statics.push((ident.span().start().line, name.to_string()));
                    }
                }
                TokenTree::Ident(ident) if ident == "unsafe" => {
                    let what = match tokens.get(position + 1) {
                        Some(TokenTree::Group(block)) if block.delimiter() == Delimiter::Brace => "block",
                        Some(TokenTree::Ident(word)) if word == "fn" => "fn",
                        Some(TokenTree::Ident(word)) if word == "impl" => "impl",
                        _ => continue,
                    };
                    self.unsafes.push((ident.span().start().line, what));
                }
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Care {
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

    fn visit_path(&mut self, path: &'a syn::Path) {
        let mut last = path.segments.iter().rev();
        if let (Some(name), Some(of)) = (last.next(), last.next())
            && WRITING.iter().any(|(module, function)| of.ident == module && name.ident == function)
        {
            self.writes.push((name.ident.span().start().line, format!("{}::{}", of.ident, name.ident)));
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_unsafe(&mut self, block: &'a ExprUnsafe) {
        self.note(block.unsafe_token, "block");
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'a Signature) {
        // With an ABI it is called by the server or by a library, which dictate its type.
        if let (Safety::Unsafe(token), None) = (&signature.safety, &signature.abi) {
            self.note(*token, "fn");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        if let Some(token) = item.unsafety {
            self.note(token, "impl");
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a ItemTrait) {
        if let Some(token) = item.unsafety {
            self.note(token, "trait");
        }
        visit::visit_item_trait(self, item);
    }

    /// What is declared in it is another's, statics too.
    fn visit_item_foreign_mod(&mut self, item: &'a ItemForeignMod) {
        if let Some(token) = item.unsafety {
            self.note(token, "declaration");
        }
    }

    fn visit_item_static(&mut self, item: &'a ItemStatic) {
        self.statics.push((item.static_token.span.start().line, item.ident.to_string()));
        visit::visit_item_static(self, item);
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        self.tokens(called.tokens.clone());
    }
}
