//! What needs care in the engine, and the rooms made for it.
//!
//! `unsafe` stands where raw memory is the subject. What the server dictates is no exception to that: the type of a hook
//! is `unsafe extern "C-unwind" fn`, so a hook anywhere has such a *signature*, which does nothing by itself, since
//! `unsafe_op_in_unsafe_fn` is denied; what is done with the raw pointers that it is handed needs a *block*, and that
//! stands in a room. So does the declaration of a function of the server, which promises that it is what it is said to be, and an
//! `unsafe fn` of our own, which makes its callers promise something.
//!
//! A static is state that nobody owns. Those that the engine cannot do without are listed here.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    ExprUnsafe, ImplItem, Item, ItemForeignMod, ItemImpl, ItemStatic, ItemTrait, Macro, Safety, Signature, Token,
};

use crate::references::{attributes_of_impl_item, attributes_of_item, is_for_tests};

/// Where `unsafe` may stand in the engine.
pub(crate) const UNSAFE: [&str; 8] = ["wrap/", "trace/", "guard/", "stack/", "elf/", "contexts/", "shmem/", "pg/"];

/// The files of the engine that may have statics: who writes them, and why they have to be. What a window finds depends on none
/// but the session, the chain and the note of a call. The page "The code" of the manual shows this list.
pub(crate) const STATICS: [(&str, &str); 19] = [
    ("ask/dump.rs", "which dumps are kept out of the log, written with their first and last lines"),
    ("guc.rs", "settings, written by the server, which knows them by their addresses"),
    (
        "session/mod.rs",
        "the one session, and what came while it was in use; hooks and SQL functions have no argument to carry it",
    ),
    (
        "stack/calls.rs",
        "the note of a call, written by machine code in the targets' way out, and its fence, by the hooks",
    ),
    (
        "wrap/chain.rs",
        "the chain and whether it is on, written when it is switched; the allocator has no argument to carry it",
    ),
    ("wrap/hooked.rs", "the lists of functions of ours, which nobody writes"),
    (
        "wrap/methods.rs",
        "what the allocator's tables held, written once, before a wrapper that goes on there is in place",
    ),
    ("wrap/methods_15.rs", "where the tables of 15 are, written once, in the postmaster"),
    (
        "wrap/switch.rs",
        "what is in place of something else, written when the chain is switched; dlopen of ours has no argument",
    ),
    ("pg/functions.rs", "what was in the server's hooks before, and who is told, written once, in the postmaster"),
    ("pg/log.rs", "as in pg/functions.rs"),
    (
        "pg/nesting.rs",
        "how deep in the server a statement is, written around each call; an ERROR leaps over its frames",
    ),
    ("pg/parameters.rs", "whether a setting has changed, written by the server's assign hooks"),
    ("pg/statements.rs", "what was in the server's hooks before, written whenever a place in a chain is taken"),
    ("pg/transactions.rs", "a callback in the server's list, which must not move, written once in each transaction"),
    ("shmem/mod.rs", "what was in the server's hooks for shared memory before, written once, in the postmaster"),
    ("shmem/exchange.rs", "where the exchange is mapped, written once, in the postmaster"),
    ("shmem/handover.rs", "where the segment is mapped, written once, in the postmaster"),
    (
        "shmem/ring.rs",
        "as in shmem/handover.rs, and whether rows are claimed, written by the transaction that claims them",
    ),
];

/// What a file has that needs care.
#[derive(Default)]
pub(crate) struct Care {
    /// Lines with an `unsafe`, and what it is.
    pub(crate) unsafes: Vec<(usize, &'static str)>,
    /// Lines with a static, thread-local ones too, and its name.
    pub(crate) statics: Vec<(usize, String)>,
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
