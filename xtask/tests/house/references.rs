//! What the code of one module names: the modules it declares, what it imports, and every path in it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, Macro, Meta, Stmt, TraitItem, UseTree, Visibility};

/// The segments of a path as written, from `crate`, `self`, `super` or a name.
pub(crate) type Path = Vec<String>;

/// A name that a `use` brings in.
pub(crate) struct Import {
    /// As it is called from then on.
    pub(crate) name: String,
    pub(crate) path: Path,
}

/// The code of a module without that of modules in it, and without what is compiled for tests only.
#[derive(Default)]
pub(crate) struct Code {
    pub(crate) modules: Vec<ItemMod>,
    pub(crate) imports: Vec<Import>,
    /// What comes before the star.
    pub(crate) globs: Vec<Path>,
    /// All paths of two segments or more, those of `use` too, with their lines.
    pub(crate) paths: Vec<(Path, usize)>,
}

impl Code {
    /// Reads the items of a module.
    pub(crate) fn read(items: &[Item]) -> Self {
        let mut code = Code::default();
        for item in items {
            code.visit_item(item);
        }
        code
    }

    /// Reads one branch of a `use`; `before` is what stands left of it.
    fn import(&mut self, tree: &UseTree, before: &Path) {
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(before, &path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Glob(glob) => {
                self.paths.push((before.clone(), glob.star_token.spans[0].start().line));
                self.globs.push(before.clone());
            }
            UseTree::Name(name) => self.name(&name.ident, &name.ident, before),
            UseTree::Rename(name) => self.name(&name.rename, &name.ident, before),
        }
    }

    /// Reads the end of a `use`: what is called `name` from then on.
    fn name(&mut self, name: &Ident, end: &Ident, before: &Path) {
        let (mut name, mut path) = (name.unraw().to_string(), with(before, end));
        // `use a::b::{self}` names a::b, and calls it b.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
            if name == "self" {
                name = path.last().cloned().unwrap_or_default();
            }
        }
        self.paths.push((path.clone(), end.span().start().line));
        self.imports.push(Import { name, path });
    }

    /// Paths among the tokens of a macro, which are not parsed: names with `::` between them.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut run = Run::default();
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if run.goes_on => run.push(ident),
                TokenTree::Ident(ident) => {
                    self.paths.extend(run.take());
                    run.push(ident);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => run.colon(),
                TokenTree::Group(group) => {
                    self.paths.extend(run.take());
                    self.tokens(group.stream());
                }
                _ => self.paths.extend(run.take()),
            }
        }
        self.paths.extend(run.take());
    }
}

fn with(before: &Path, name: &Ident) -> Path {
    [before.as_slice(), &[name.unraw().to_string()]].concat()
}

/// A path that is being put together from tokens.
#[derive(Default)]
struct Run {
    path: Path,
    line: usize,
    colons: usize,
    /// Whether the next name belongs to the path.
    goes_on: bool,
    /// `::name` is a crate.
    is_external: bool,
}

impl Run {
    fn push(&mut self, ident: &Ident) {
        if self.path.is_empty() {
            self.line = ident.span().start().line;
        }
        self.path.push(ident.unraw().to_string());
        (self.colons, self.goes_on) = (0, false);
    }

    fn colon(&mut self) {
        self.colons += 1;
        self.goes_on = self.colons == 2;
        self.is_external |= self.goes_on && self.path.is_empty();
    }

    /// The path, if it is one, and a fresh start.
    fn take(&mut self) -> Option<(Path, usize)> {
        let run = std::mem::take(self);
        (run.path.len() > 1 && !run.is_external).then_some((run.path, run.line))
    }
}

impl<'a> Visit<'a> for Code {
    fn visit_item(&mut self, item: &'a Item) {
        if is_for_tests(attributes_of_item(item)) {
            return;
        }
        match item {
            Item::Mod(module) => self.modules.push(module.clone()),
            // `use ::name` is a crate.
            Item::Use(item) if item.leading_colon.is_some() => {}
            Item::Use(item) => self.import(&item.tree, &Path::new()),
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        if !is_for_tests(attributes_of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'a TraitItem) {
        let is_for_tests = matches!(item, TraitItem::Fn(item) if is_for_tests(&item.attrs));
        if !is_for_tests {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let is_for_tests = matches!(statement, Stmt::Local(local) if is_for_tests(&local.attrs));
        if !is_for_tests {
            visit::visit_stmt(self, statement);
        }
    }

    /// `pub(in crate::a)` depends on nothing.
    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if let Meta::List(list) = &attribute.meta
            && !list.path.is_ident("cfg")
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
            self.paths.push((segments, path.segments[0].ident.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }
}

/// Whether an item is compiled for tests only: `#[cfg(test)]`, alone or as one of the conditions of an `all`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    fn demands_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|conditions| conditions.iter().any(demands_test)),
            _ => false,
        }
    }
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args().is_ok_and(|condition| demands_test(&condition))
    })
}

pub(crate) fn attributes_of_item(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(crate) fn attributes_of_impl_item(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}
