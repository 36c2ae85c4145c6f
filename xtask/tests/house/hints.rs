//! Commands in what is shown: those in which something is filled in, and those of others, are made in one room.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Lit, LitStr, Macro};

use crate::references::{attributes_of_impl_item, attributes_of_item, is_for_tests};

/// Where they are made.
pub(crate) const ROOMS: [(&str, &str); 2] = [("runner/src", "hint/"), ("extension/core/src", "command.rs")];

/// Texts that are like a command and are none shown, and why; one that ends in a blank or a sign is a beginning.
pub(crate) const PROSE: [(&str, &str); 3] = [
    ("cargo has not built ", "a sentence"),
    ("cargo pgrx", "the name of what has failed"),
    ("sh ./", "a line of mcspec.toml, which mcspec runs itself"),
];

/// Programs that a hint might name, besides mcspec. What is left out, such as "make", begins sentences as well: it counts where
/// a word follows that is none of a sentence.
const PROGRAMS: [&str; 44] = [
    "adduser",
    "apk",
    "apt",
    "apt-get",
    "brew",
    "bash",
    "cargo",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "createdb",
    "curl",
    "dnf",
    "docker",
    "dropdb",
    "export",
    "initdb",
    "ipcrm",
    "kill",
    "ldconfig",
    "ln",
    "mkdir",
    "mount",
    "mv",
    "openssl",
    "pacman",
    "pg_ctl",
    "pip",
    "pip3",
    "podman",
    "psql",
    "rm",
    "rustup",
    "sh",
    "su",
    "sudo",
    "sysctl",
    "systemctl",
    "ulimit",
    "umask",
    "useradd",
    "wget",
    "zypper",
];

/// What make is told in this checkout.
const TARGETS: [&str; 9] = ["bench", "build", "dist", "engine", "image", "install", "run", "setup", "test"];

/// The texts of a file, what is compiled for tests only left out.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) Vec<(usize, String)>);

impl Texts {
    pub(crate) fn read(text: &str) -> syn::Result<Self> {
        let mut texts = Texts::default();
        texts.visit_file(&syn::parse_file(text)?);
        Ok(texts)
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.0.push((text.span().start().line, text.value()));
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes_of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_for_tests(attributes_of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.0.push((text.span().start().line, text.value()));
    }

    /// Comments of documentation are checked where they are shown, as pages.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// The commands in a text that are not to stand there.
pub(crate) fn strays(text: &str) -> Vec<String> {
    // A command begins a text, a quotation, or what a colon or a connective leads to.
    let begins = |at: usize| {
        let before = &text[..at];
        before.trim_start().is_empty()
            || ["\"", "`", "'", ": ", "\n", "&& ", "by ", "or ", "run ", "then "]
                .iter()
                .any(|end| before.ends_with(end))
    };
    let words = text.match_indices(|c: char| c.is_ascii_alphabetic()).map(|(at, _)| at);
    let starts = words.filter(|&at| !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-/.{".contains(c)));
    starts
        .filter(|&at| begins(at))
        .map(|at| of(&text[at..]))
        .filter(|command| is_stray(command))
        .map(str::to_owned)
        .collect()
}

/// A command until its quotation, sentence or line ends.
fn of(text: &str) -> &str {
    let end = text.find(['"', '`', '\n', ';']).unwrap_or(text.len());
    &text[..end]
}

fn is_stray(command: &str) -> bool {
    if PROSE.iter().any(|(prose, _)| is_like(command, prose)) {
        return false;
    }
    let Some((program, rest)) = command.split_once(' ') else { return false };
    match program {
        // A subcommand, and what is filled in.
        "mcspec" => rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains('{'),
        // What extensions are installed by is a line of mcspec.toml.
        "make" => {
            !rest.contains("DESTDIR=")
                && TARGETS.iter().any(|target| rest == *target || rest.starts_with(&format!("{target} ")))
        }
        _ => PROGRAMS.contains(&program) && !rest.is_empty(),
    }
}

/// Whether a command is one of [`PROSE`].
pub(crate) fn is_like(command: &str, prose: &str) -> bool {
    command == prose || (prose.ends_with([' ', '/']) && command.starts_with(prose))
}
