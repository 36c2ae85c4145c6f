//! Whether what was to be looked at was there. What was loaded in any process of a scenario or permutation was.

use memcheck_core::targets::{Loaded, complaint};

use super::verdict::Fault;
use crate::exec::outcome::{Targets, Window};

/// What is wrong with a scenario or permutation, with these windows, where targets that the spec names were not loaded: none of
/// them in it, or one of them in none of `all` of the spec's windows. Not each has to do with every target. Where only a part of
/// the spec was run there are no such windows, and another part may be the one that loads it.
pub(super) fn unloaded(targets: &Targets, title: &str, windows: &[&Window], all: Option<&[&Window]>) -> Option<Fault> {
    if !targets.are_named {
        return None;
    }
    let (rows, all) = (rows(windows), all.map(rows));
    let has_any = targets.names.iter().any(|name| is_loaded(&rows, name));
    let is_missing = |name: &str| match (&all, has_any) {
        (_, false) => !is_loaded(&rows, name),
        (Some(all), true) => !is_loaded(all, name),
        (None, true) => false,
    };
    let rows = rows.iter().filter(|row| row.library.is_some() || row.target.as_deref().is_some_and(is_missing));
    let (message, hint) = complaint(&rows.cloned().collect::<Vec<_>>())?;
    Some(Fault::Unloaded { title: title.to_owned(), message, hint })
}

/// Whether there was nothing to look at of the libraries that the spec's extensions and `preload` have: a workload without
/// them, such as one to compare with.
pub(super) fn is_idle(targets: &Targets, windows: &[&Window]) -> bool {
    let rows = rows(windows);
    let none_is_loaded = !targets.list().iter().any(|name| is_loaded(&rows, name));
    !targets.are_named && !targets.names.is_empty() && !rows.is_empty() && none_is_loaded
}

/// What is wrong with a spec all of whose scenarios and permutations are idle: it would pass whatever the libraries do.
pub(super) fn idle(targets: &Targets, titles: Vec<String>, windows: &[&Window]) -> Option<Fault> {
    let title = match <[String; 1]>::try_from(titles) {
        Ok([only]) => only,
        Err(titles) if titles.is_empty() => return None,
        Err(titles) => format!("all {} scenarios", titles.len()),
    };
    let is_more = |row: &Loaded| row.target.as_ref().is_some_and(|target| targets.more.contains(target));
    let rows: Vec<Loaded> = rows(windows).into_iter().filter(|row| !is_more(row)).collect();
    let (message, hint) = complaint(&rows)?;
    let library = targets.names.first()?;
    let hint = format!("{hint} A call of one of its functions loads it, or \"preload {library}\" in the header.");
    Some(Fault::Unloaded { title, message, hint })
}

/// The rows of all windows, each once; none where nothing was traced.
fn rows(windows: &[&Window]) -> Vec<Loaded> {
    let mut rows: Vec<Loaded> = Vec::new();
    for row in windows.iter().flat_map(|window| &window.targets) {
        if !rows.contains(row) {
            rows.push(row.clone());
        }
    }
    rows
}

fn is_loaded(rows: &[Loaded], name: &str) -> bool {
    rows.iter().any(|row| row.target.as_deref() == Some(name) && row.library.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets and libraries; `-` for none.
    fn window(rows: &[(&str, &str)]) -> Window {
        let text = |text: &str| (text != "-").then(|| text.to_owned());
        let targets = rows.iter().map(|&(target, library)| Loaded { target: text(target), library: text(library) });
        Window { targets: targets.collect(), ..Window::default() }
    }

    fn targets(names: &[&str], are_named: bool, more: &[&str]) -> Targets {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Targets { names: all(names), are_named, more: all(more) }
    }

    #[test]
    fn targets_that_are_named_have_to_be_loaded() {
        let all_said = |windows: &[Window], all: Option<&[&Window]>| {
            let windows: Vec<&Window> = windows.iter().collect();
            unloaded(&targets(&["a", "b"], true, &[]), "scenario window", &windows, all).map(|fault| match fault {
                Fault::Unloaded { message, hint, .. } => format!("{message}; {hint}"),
                other => panic!("{other:?}"),
            })
        };
        let said = |windows: &[Window], others: &[Window]| {
            all_said(windows, Some(&windows.iter().chain(others).collect::<Vec<_>>()))
        };
        let (a, b) = (|| window(&[("a", "a"), ("b", "-"), ("-", "other")]), || window(&[("a", "-"), ("b", "b")]));
        let neither = || window(&[("a", "-"), ("b", "-")]);
        assert_eq!(said(&[window(&[("a", "a"), ("b", "b")])], &[]), None);
        // One in this process and one in that, or in another scenario.
        assert_eq!(said(&[a(), b()], &[]), None);
        assert_eq!(said(&[a()], &[b()]), None);
        assert_eq!(
            said(&[a(), neither()], &[neither()]).unwrap(),
            "target \"b\" was not loaded, so nothing of it was looked at; Libraries that were loaded: \"a\", \"other\"."
        );
        assert_eq!(
            said(&[neither()], &[a(), b()]).unwrap(),
            "targets \"a\", \"b\" were not loaded, so nothing of them was looked at; No library of an extension was loaded."
        );
        // Nothing was traced.
        assert_eq!(said(&[window(&[])], &[a()]), None);
        // Of a part of a spec nobody knows what the rest would have loaded.
        assert_eq!(all_said(&[a()], None), None);
        assert!(all_said(&[neither()], None).is_some());
    }

    #[test]
    fn of_those_that_extensions_have_one_is_enough() {
        let found = targets(&["a", "b"], false, &["a-2.0"]);
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[("a", "a"), ("b", "-"), ("a-2.0", "-")], false),
            (&[("a", "-"), ("b", "-"), ("a-2.0", "a-2.0")], false),
            (&[("a", "-"), ("b", "-"), ("a-2.0", "-"), ("-", "c")], true),
            (&[], false),
        ];
        for (rows, idle) in table {
            let window = window(rows);
            assert_eq!(is_idle(&found, &[&window]), *idle, "{rows:?}");
            assert!(unloaded(&found, "", &[&window], Some(&[&window])).is_none(), "{rows:?}");
        }
        let windows = [window(&[("a", "-"), ("b", "-"), ("a-2.0", "-"), ("-", "c")])];
        let said = |titles: &[&str]| {
            let titles = titles.iter().map(|&title| title.to_owned()).collect();
            idle(&found, titles, &windows.iter().collect::<Vec<_>>()).map(|fault| match fault {
                Fault::Unloaded { title, message, hint } => format!("{title}: {message}; {hint}"),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(said(&[]), None);
        assert_eq!(
            said(&["scenario window x", "permutation y"]).unwrap(),
            "all 2 scenarios: targets \"a\", \"b\" were not loaded, so nothing of them was looked at; Libraries that were \
             loaded: \"c\". A call of one of its functions loads it, or \"preload a\" in the header."
        );
        assert!(!is_idle(&targets(&[], false, &[]), &[&window(&[("", "x")])]));
    }
}
