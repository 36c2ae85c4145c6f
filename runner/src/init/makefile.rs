//! What a Makefile of PGXS says that it installs, read without make: a Makefile may do anything while make reads it, and what is
//! in the repository is not to be touched.

/// What pgxs.mk is told to install.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Makefile {
    /// `EXTENSION`: names of control files.
    pub(super) extensions: Vec<String>,
    /// `MODULE_big` and `MODULES`: names of libraries.
    pub(super) libraries: Vec<String>,
}

/// How deeply variables are looked up in variables.
const DEPTH: usize = 8;

impl Makefile {
    /// Reads a text; none if it is no Makefile of PGXS. What make would compute is left out.
    pub(super) fn read(text: &str) -> Option<Self> {
        if !text.contains("PGXS") && !text.contains("pgxs") {
            return None;
        }
        let variables = assignments(text);
        let list = |name: &str| -> Vec<String> {
            let value =
                expand(variables.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value), &variables, 0);
            value.split_whitespace().filter(|word| is_name(word)).map(str::to_owned).collect()
        };
        let file = |word: String| word.rsplit('/').next().unwrap_or_default().to_owned();
        let libraries = list("MODULE_big").into_iter().chain(list("MODULES")).map(file).collect();
        Some(Makefile { extensions: list("EXTENSION"), libraries })
    }
}

/// Whether a word can be a name: nothing that was not expanded.
fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-./+".contains(c))
}

/// The variables of a Makefile; the last value counts, and what is appended is behind what was there.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines().filter(|line| !line.starts_with('\t')) {
        let line = line.split('#').next().unwrap_or_default();
        let Some((left, value)) = line.split_once('=') else { continue };
        let (name, appends, is_default) = match left.trim_end() {
            left if left.ends_with('+') => (&left[..left.len() - 1], true, false),
            left if left.ends_with('?') => (&left[..left.len() - 1], false, true),
            left => (left.trim_end_matches(':'), false, false),
        };
        let name = name.trim().trim_start_matches("override ").trim_start_matches("export ").trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            continue;
        }
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) if appends => *old = format!("{old} {}", value.trim()),
            Some(_) if is_default => {}
            Some((_, old)) => *old = value.trim().to_owned(),
            None => variables.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    variables
}

/// A value with `$(NAME)` and `${NAME}` replaced. What is not known is a `$`.
fn expand(value: &str, variables: &[(String, String)], depth: usize) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        text += &rest[..at];
        rest = &rest[at..];
        let close = match rest.as_bytes().get(1) {
            Some(b'(') => ')',
            Some(b'{') => '}',
            _ => {
                text.push('$');
                rest = &rest[1..];
                continue;
            }
        };
        let Some(end) = rest.find(close) else { break };
        let name = &rest[2..end];
        match variables.iter().find(|(known, _)| known == name) {
            Some((_, value)) if depth < DEPTH => text += &expand(value, variables, depth + 1),
            // No name has that in it.
            _ => text.push('$'),
        }
        rest = &rest[end + 1..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_installed_is_read() {
        let table: &[(&str, &[&str], &[&str])] = &[
            ("EXTENSION = hll\nMODULE_big = hll\ninclude $(PGXS)\n", &["hll"], &["hll"]),
            ("MODULES=a b # both\ninclude ${PGXS}", &[], &["a", "b"]),
            ("MODULES = src/a \\\n  src/b\nEXTENSION := x\nEXTENSION += y\n#PGXS", &["x", "y"], &["a", "b"]),
            ("N = foo\nV = 1.2\nEXTENSION = $(N)\nMODULE_big = ${N}-$(V)\nPGXS", &["foo"], &["foo-1.2"]),
            ("EXTENSION ?= a\nEXTENSION ?= b\nPGXS", &["a"], &[]),
            // What make computes is not known.
            ("EXTENSION = $(shell cat name)\nMODULES = $(wildcard *.c) a\nPGXS", &[], &["a"]),
            ("A = $(B)\nB = $(A)\nEXTENSION = $(A)\nPGXS", &[], &[]),
            ("all:\n\tEXTENSION = no\nPGXS", &[], &[]),
        ];
        for (text, extensions, libraries) in table {
            let read = Makefile::read(text).expect("one of PGXS");
            assert_eq!((read.extensions, read.libraries), (owned(extensions), owned(libraries)), "{text}");
        }
        assert_eq!(Makefile::read("EXTENSION = a\nall:\n"), None);
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(EXTENSION|MODULES|PGXS|[A-C]|[$(){}\\\\ =:+?#\n\t])*") {
            if let Some(read) = Makefile::read(&text) {
                prop_assert!(read.extensions.iter().chain(&read.libraries).all(|name| is_name(name) || name.is_empty()));
            }
        }

        #[test]
        fn names_come_back(names in prop::collection::vec("[a-z][a-z0-9_-]{0,8}", 0..5)) {
            let text = format!("EXTENSION = {}\ninclude $(PGXS)\n", names.join(" \\\n\t"));
            prop_assert_eq!(Makefile::read(&text).expect("one of PGXS").extensions, names);
        }
    }
}
