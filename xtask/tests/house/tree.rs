//! The module tree of a crate, and which file each path in it leads to.

use std::collections::{BTreeMap, BTreeSet};

use syn::ext::IdentExt;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use crate::circles::References;
use crate::references::{Code, Path};

/// The files of a crate by their paths below its `src`, with `/`.
pub(crate) type Sources = BTreeMap<String, String>;

/// How many names may stand for one another before they are taken to go round.
const PATIENCE: usize = 8;

/// The modules of a crate, whatever features they are for.
pub(crate) struct Tree {
    /// The first is the root.
    modules: Vec<Module>,
}

struct Module {
    /// From the root, whose path is empty.
    path: Path,
    file: String,
    /// The root's parent is the root.
    parent: usize,
    /// One name may be several modules: of one feature or of another.
    children: BTreeMap<String, Vec<usize>>,
    code: Code,
}

/// Where a module's own modules are looked for.
struct Place {
    /// Those with `#[path]`.
    beside: String,
    /// The others.
    below: String,
}

impl Tree {
    /// Reads a crate from its root file. A message if a file is missing or cannot be parsed.
    pub(crate) fn read(sources: &Sources, root: &str) -> Result<Self, String> {
        let mut tree = Tree { modules: Vec::new() };
        let items = parse(sources, root)?;
        tree.add(sources, Path::new(), root, 0, &items, &Place { beside: String::new(), below: String::new() })?;
        Ok(tree)
    }

    /// Adds a module and all below it.
    fn add(
        &mut self,
        sources: &Sources,
        path: Path,
        file: &str,
        parent: usize,
        items: &[Item],
        place: &Place,
    ) -> Result<(), String> {
        let index = self.modules.len();
        if let Some(name) = path.last() {
            self.modules[parent].children.entry(name.clone()).or_default().push(index);
        }
        let mut code = Code::read(items);
        let declared = std::mem::take(&mut code.modules);
        self.modules.push(Module {
            path: path.clone(),
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            code,
        });
        for module in declared {
            let name = module.ident.unraw().to_string();
            let path = [path.as_slice(), std::slice::from_ref(&name)].concat();
            match &module.content {
                Some((_, items)) => {
                    let below = join(&place.below, &name);
                    let place = Place { beside: below.clone(), below };
                    self.add(sources, path, file, index, items, &place)?;
                }
                None => {
                    for (file, place) in files_of(sources, &module, &name, place)? {
                        let items = parse(sources, &file)?;
                        self.add(sources, path.clone(), &file, index, &items, &place)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The files that the tree was read from.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        self.modules.iter().map(|module| module.file.clone()).collect()
    }

    /// The files that the tree was read from, and which of them refers to which.
    pub(crate) fn references(&self) -> References {
        let mut references = References::default();
        for (index, module) in self.modules.iter().enumerate() {
            references.file(&module.file, &self.top(index).path);
            for (path, line) in &module.code.paths {
                for target in self.leads_to(index, path) {
                    let other = &self.modules[target].file;
                    if *other != module.file {
                        references.add(&module.file, other, *line, path.join("::"));
                    }
                }
            }
        }
        references
    }

    /// The module that a module's file begins with.
    fn top(&self, mut index: usize) -> &Module {
        while index != 0 && self.modules[self.modules[index].parent].file == self.modules[index].file {
            index = self.modules[index].parent;
        }
        &self.modules[index]
    }

    /// The modules that a path in `from` names, or whose items it names.
    fn leads_to(&self, from: usize, path: &[String]) -> Vec<usize> {
        self.walk(from, path, PATIENCE).0
    }

    /// As deep as modules go, and how many segments that is.
    fn walk(&self, from: usize, path: &[String], patience: usize) -> (Vec<usize>, usize) {
        let supers =
            path.iter().skip_while(|segment| *segment == "self").take_while(|segment| *segment == "super").count();
        let selfs = path.iter().take_while(|segment| *segment == "self").count();
        let (mut at, mut used) = match path.first().map(String::as_str) {
            Some("crate") => (vec![0], 1),
            Some("self" | "super") => {
                (vec![(0..supers).fold(from, |module, _| self.modules[module].parent)], selfs + supers)
            }
            Some(name) => (self.member(from, name, patience), 1),
            None => (Vec::new(), 0),
        };
        while let Some(name) = path.get(used) {
            let next: BTreeSet<usize> = at.iter().flat_map(|&module| self.member(module, name, patience)).collect();
            if next.is_empty() {
                break;
            }
            at = next.into_iter().collect();
            used += 1;
        }
        (at, used)
    }

    /// The modules that are called `name` in `module`: its own, or those that a `use` brings in.
    fn member(&self, module: usize, name: &str, patience: usize) -> Vec<usize> {
        let Module { children, code, .. } = &self.modules[module];
        if let Some(own) = children.get(name) {
            return own.clone();
        }
        let Some(patience) = patience.checked_sub(1) else { return Vec::new() };
        let imported = code.imports.iter().filter(|import| import.name == name).flat_map(|import| {
            let (modules, used) = self.walk(module, &import.path, patience);
            if used == import.path.len() { modules } else { Vec::new() }
        });
        let imported: Vec<usize> = imported.collect();
        if !imported.is_empty() {
            return imported;
        }
        let behind_stars = code.globs.iter().flat_map(|glob| {
            let (modules, used) = self.walk(module, glob, patience);
            let modules = if used == glob.len() { modules } else { Vec::new() };
            modules.into_iter().flat_map(|module| self.member(module, name, patience))
        });
        behind_stars.collect()
    }
}

fn parse(sources: &Sources, file: &str) -> Result<Vec<Item>, String> {
    let text = sources.get(file).ok_or_else(|| format!("there is no {file}"))?;
    syn::parse_file(text).map(|parsed| parsed.items).map_err(|error| {
        let start = error.span().start();
        format!("{file}:{}:{}: {error}", start.line, start.column + 1)
    })
}

/// The file of `mod name;`, or its files where `cfg_attr` chooses between paths, and where modules of those are looked for.
fn files_of(sources: &Sources, module: &ItemMod, name: &str, place: &Place) -> Result<Vec<(String, Place)>, String> {
    let paths: Vec<String> = module.attrs.iter().filter_map(path_attribute).collect();
    if !paths.is_empty() {
        let with_place = |path: &String| {
            let file = join(&place.beside, path);
            let folder = folder(&file);
            (file, Place { beside: folder.clone(), below: folder })
        };
        return Ok(paths.iter().map(with_place).collect());
    }
    let below = join(&place.below, name);
    let beside_it = format!("{below}.rs");
    if sources.contains_key(&beside_it) {
        return Ok(vec![(beside_it, Place { beside: place.below.clone(), below })]);
    }
    let in_it = join(&below, "mod.rs");
    if sources.contains_key(&in_it) {
        return Ok(vec![(in_it, Place { beside: below.clone(), below })]);
    }
    Err(format!("mod {name} has neither {beside_it} nor {in_it}"))
}

/// What `#[path = "x.rs"]` or `#[cfg_attr(condition, path = "x.rs")]` says.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    let is_path = |meta: &Meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    if !attribute.path().is_ident("cfg_attr") {
        return is_path(&attribute.meta);
    }
    let metas = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    attribute.parse_args_with(metas).ok()?.iter().find_map(is_path)
}

fn folder(file: &str) -> String {
    file.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default()
}

fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
