//! The header and the file's fixtures.

use std::collections::HashSet;

use memcheck_core::golden::row::Policy;
use regex::Regex;

use super::{Lower, text_of, texts, word_of};
use crate::language::ast::{Exemption, Extension, Matrix, Normalize, Spanned, Spec, Variable};
use crate::language::parse::grammar::{Node, Rule};
use crate::language::sql::BUILT_IN;

const POLICIES: &[(&str, Policy)] = &[
    ("auto", Policy::Auto),
    ("exact", Policy::Exact),
    ("bucket", Policy::Bucket),
    ("kind", Policy::Kind),
    ("none", Policy::None),
];

impl Lower<'_> {
    pub(super) fn header_clause(&mut self, spec: &mut Spec, node: &Node) {
        match node.rule() {
            Rule::include => spec.includes.extend(self.string(node)),
            Rule::title => self.once(node, &mut spec.title, Self::string),
            Rule::extension => self.extension(spec, node),
            Rule::preload => {
                let libraries = node.all(Rule::library).filter_map(|library| library.children().next());
                let libraries = libraries.map(|name| text_of(&name));
                match node.get(Rule::FIRST) {
                    Some(first) if !spec.preload_first.is_empty() => {
                        self.error(first.span(), "\"first\" is given twice")
                    }
                    Some(_) => spec.preload_first.extend(libraries),
                    None => spec.preload.extend(libraries),
                }
            }
            Rule::target => {
                for library in node.all(Rule::library) {
                    spec.targets.extend(library.children().map(|name| text_of(&name)));
                }
            }
            Rule::trace => self.once(node, &mut spec.trace, Self::trace),
            Rule::guard => self.once(node, &mut spec.guard, Self::guard),
            Rule::guard_sample => self.once(node, &mut spec.guard_sample, Self::positive),
            Rule::requires => spec.requires.extend(self.conditions(node)),
            Rule::skip => spec.skips.extend(self.exemption(node)),
            Rule::xfail => spec.xfails.extend(self.exemption(node)),
            Rule::tags => spec.tags.extend(texts(node, Rule::name)),
            Rule::timeout => self.once(node, &mut spec.timeout, Self::duration),
            Rule::retries => self.once(node, &mut spec.retries, Self::count),
            Rule::set => spec.settings.extend(self.setting(node)),
            Rule::conf => spec.conf.extend(self.block(node)),
            Rule::var => {
                if let (Some(name), Some(value)) = (self.variable(node), node.get(Rule::value)) {
                    spec.vars.push(Variable { name, value: text_of(&value) });
                }
            }
            Rule::matrix => {
                if let Some(name) = self.variable(node) {
                    let values = texts(node, Rule::value);
                    let mut seen = HashSet::new();
                    for value in &values {
                        if !seen.insert(value.value.as_str()) {
                            self.error(value.span.clone(), format!("value \"{}\" is given twice", value.value));
                        }
                    }
                    spec.matrix.push(Matrix { name, values });
                }
            }
            Rule::golden => self.once(node, &mut spec.golden, |lower, node| {
                lower.choice(&node.get(Rule::policy)?, "golden policy", POLICIES)
            }),
            Rule::normalize => spec.normalize.extend(self.normalize(node)),
            Rule::allow => self.allow(node, None, &mut spec.allowances),
            Rule::setup => spec.setup.extend(self.block(node)),
            Rule::teardown => spec.teardown.extend(self.block(node)),
            rule => unreachable!("{rule:?} does not belong in the header"),
        }
    }

    fn extension(&mut self, spec: &mut Spec, node: &Node) {
        let Some(name) = node.get(Rule::name).map(|name| text_of(&name)) else { return };
        if !self.extensions.insert(name.value.clone()) {
            self.error(name.span.clone(), format!("extension \"{}\" is given twice", name.value));
        }
        for rule in [Rule::at_version, Rule::from_version, Rule::CASCADE] {
            if let Some(again) = node.all(rule).nth(1) {
                self.error(again.span(), format!("\"{}\" is given twice", word_of(&again)));
            }
        }
        let version = |rule| Some(text_of(&node.get(rule)?.get(Rule::string)?).value);
        spec.extensions.push(Extension {
            name,
            version: version(Rule::at_version),
            from: version(Rule::from_version),
            cascade: node.get(Rule::CASCADE).is_some(),
        });
    }

    fn exemption(&mut self, node: &Node) -> Option<Exemption> {
        Some(Exemption { when: self.if_condition(node), reason: text_of(&node.get(Rule::reason)?) })
    }

    /// The name of a variable that is being defined.
    fn variable(&mut self, node: &Node) -> Option<Spanned<String>> {
        let name = text_of(&node.get(Rule::variable)?);
        if !self.variables.insert(name.value.clone()) {
            self.error(name.span.clone(), format!("variable \"{}\" is given twice", name.value));
        } else if BUILT_IN.contains(&name.value.as_str()) {
            self.error(name.span.clone(), format!("variable \"{}\" is built in", name.value));
        }
        Some(name)
    }

    fn normalize(&mut self, node: &Node) -> Option<Normalize> {
        let pattern = text_of(&node.get(Rule::regex)?);
        if let Err(error) = Regex::new(&pattern.value) {
            let error = error.to_string();
            // The message is many lines with carets of their own; the last one says what is wrong.
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.error(pattern.span.clone(), format!("invalid regular expression: {reason}"));
        }
        Some(Normalize { pattern, replacement: self.string(node)? })
    }
}
