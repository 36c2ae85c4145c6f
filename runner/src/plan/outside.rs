//! What isolation specs are given from outside, since isolationtester has no clauses for it.

use super::{Case, ConfLine};
use crate::language::ast::{Extension, Spanned};

/// Clauses for every isolation spec that has none of the kind.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// `extension`
    pub extensions: Vec<String>,
    /// `preload first`
    pub preload_first: Vec<String>,
    /// `preload`
    pub preload: Vec<String>,
    /// `target`
    pub targets: Vec<String>,
    /// `conf`
    pub conf: Vec<ConfLine>,
}

impl Outside {
    /// Gives a case what its file does not say itself, if the file is an isolation spec.
    pub fn apply(&self, case: &mut Case) {
        if !is_isolation_spec(case) {
            return;
        }
        if case.extensions.is_empty() {
            case.extensions = self.extensions.iter().map(|name| extension(name)).collect();
        }
        if case.preloaded().next().is_none() {
            case.preload_first.clone_from(&self.preload_first);
            case.preload.clone_from(&self.preload);
        }
        if case.targets.is_empty() {
            case.targets.clone_from(&self.targets);
        }
        if case.conf.is_empty() {
            case.conf.clone_from(&self.conf);
        }
    }
}

/// Whether a case is that of an isolation spec.
pub fn is_isolation_spec(case: &Case) -> bool {
    case.source.path.extension().is_some_and(|suffix| suffix == "spec")
}

/// An extension that no clause names.
fn extension(name: &str) -> Extension {
    Extension { name: Spanned { value: name.to_owned(), span: 0..0 }, version: None, from: None, cascade: false }
}
