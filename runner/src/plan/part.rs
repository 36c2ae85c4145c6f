//! Parts of a spec that are chosen on the command line: some of its scenarios and permutations.

use globset::{Glob, GlobMatcher};

/// What a scenario or permutation has to be called to be in the part; without any, the part is the whole spec.
///
/// A title is `scenario KIND NAME`, `scenario KIND` or `permutation STEP ..`. It is named by all of that, by what is behind the
/// first word, by the name, or by the kind; or by a glob over one of these.
#[derive(Debug, Clone, Default)]
pub struct Part(Vec<Named>);

/// A name and the glob that it may be.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    glob: Option<GlobMatcher>,
}

impl Part {
    /// What these names stand for.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let named = |name: &str| Named {
            name: name.to_owned(),
            // `lookup[1]` may be a name as it is, and what is no glob can be one only so.
            glob: Glob::new(name).ok().map(|glob| glob.compile_matcher()),
        };
        Part(names.into_iter().map(named).collect())
    }

    /// Whether it is the whole spec.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a scenario or permutation is in it.
    pub fn has(&self, title: &str) -> bool {
        self.is_whole() || self.0.iter().any(|named| named.fits(title))
    }
}

impl Named {
    fn fits(&self, title: &str) -> bool {
        let is_it = |known: &str| self.name == known || self.glob.as_ref().is_some_and(|glob| glob.is_match(known));
        names(title).into_iter().any(is_it)
    }
}

/// By what a scenario or permutation can be named, the shortest first.
fn names(title: &str) -> Vec<&str> {
    let Some((first, rest)) = title.split_once(' ') else { return vec![title] };
    match rest.split_once(' ') {
        Some((kind, name)) if first == "scenario" => vec![name, kind, rest, title],
        _ => vec![rest, title],
    }
}

/// What is usually said of a scenario or permutation to name it.
pub fn short_name(title: &str) -> &str {
    names(title)[0]
}

/// The ways in which an argument can be a spec and a part of it: at every slash, from the last one.
pub fn splits(argument: &str) -> impl Iterator<Item = (&str, &str)> {
    let halves = argument.rmatch_indices('/').map(|(at, _)| (&argument[..at], &argument[at + 1..]));
    halves.filter(|(spec, part)| !spec.is_empty() && !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_named_in_several_ways() {
        let (scenario, nameless) = ("scenario growth_benchmark bad search/2", "scenario window");
        let table = [
            (scenario, "bad search/2", true),
            (scenario, "growth_benchmark", true),
            (scenario, "growth_benchmark bad search/2", true),
            (scenario, scenario, true),
            (scenario, "bad*", true),
            (scenario, "*search*", true),
            (scenario, "bad", false),
            (scenario, "window", false),
            (nameless, "window", true),
            (nameless, nameless, true),
            (nameless, "scenario", false),
            ("scenario window a[1]", "a[1]", true),
            ("scenario window a[1", "a[1", true),
            ("permutation s1 s2(*)", "s1 s2(*)", true),
            ("permutation s1 s2(*)", "s1*", true),
            ("permutation s1 s2(*)", "s1", false),
            ("permutation s1", "s1", true),
        ];
        for (title, name, expected) in table {
            assert_eq!(Part::of([name]).has(title), expected, "{name} {title}");
        }
        assert!(Part::default().has(nameless) && Part::default().is_whole());
        assert_eq!(short_name(scenario), "bad search/2");
        assert_eq!(short_name(nameless), "window");
    }

    #[test]
    fn an_argument_is_split_at_every_slash() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("knn", &[]),
            ("knn/", &[]),
            ("/knn", &[]),
            ("knn/search", &[("knn", "search")]),
            ("sub/knn/a", &[("sub/knn", "a"), ("sub", "knn/a")]),
        ];
        for (argument, expected) in table {
            assert_eq!(splits(argument).collect::<Vec<_>>(), *expected, "{argument}");
        }
    }
}
