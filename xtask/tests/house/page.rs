//! What `docs/the-code.md` says of the code: its tables of rooms, and the files and functions that it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::circles::References;

/// For each room those that its files refer to.
pub(crate) type Rooms = BTreeMap<String, BTreeSet<String>>;

/// The room of a file: its folder, `pg/`, or itself where it is in none.
fn room(file: &str) -> String {
    file.split_once('/').map_or_else(|| file.to_owned(), |(folder, _)| format!("{folder}/"))
}

/// The rooms of a crate, as its files are and refer to each other.
pub(crate) fn of_code<'a>(files: impl Iterator<Item = &'a String>, references: &References) -> Rooms {
    let mut rooms = Rooms::new();
    for file in files {
        let from = room(file);
        let to = references.of(file).map(|(to, ..)| room(to)).filter(|to| *to != from && to != "lib.rs");
        let to: Vec<String> = to.collect();
        rooms.entry(from).or_default().extend(to);
    }
    rooms
}

/// The rooms in a table: a row for each, its name first and those that it refers to last.
pub(crate) fn of_table(section: &str) -> Rooms {
    let rows = section.lines().skip_while(|line| *line != "| room | holds | refers to |").skip(2);
    let cells = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').collect::<Vec<_>>());
    cells
        .map(|cells| {
            let quoted = |cell: &str| tokens(cell).map(str::to_owned).collect::<Vec<_>>();
            (quoted(cells[1]).concat(), quoted(cells[3]).into_iter().collect())
        })
        .collect()
}

/// What stands between backquotes, without blocks.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// Whether a token names a file or a folder, and not a kind of them, as `methods_NN.rs` does.
pub(crate) fn is_path(token: &str) -> bool {
    let is_file = [".rs", ".toml", ".md", ".txt", ".pest", ".sh"].iter().any(|suffix| token.ends_with(suffix));
    let is_one = !token.contains("NN") && !token.contains("NAME") && !token.contains(' ');
    is_one && (is_file || token.ends_with('/'))
}

/// The function or type that a token names: `run_scenario()`, `Session::census`, `each_link!`.
pub(crate) fn name(token: &str) -> Option<&str> {
    let name = token.strip_suffix("()").or_else(|| token.strip_suffix('!'));
    let name = name.or_else(|| token.contains("::").then_some(token))?;
    name.rsplit("::").next().filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let page = "\
about `x.rs`
```
`not this`
```
| room | holds | refers to |
|---|---|---|
| `a/` | what | `b/` `c.rs` |
| `b/` | `code` | |

| `d/` | | |
";
        let rooms = of_table(page);
        let to = |room: &str| rooms[room].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!((rooms.len(), to("a/"), to("b/")), (2, vec!["b/", "c.rs"], vec![]));
        assert_eq!(tokens("a `b` c\n```\n`d`\n```\n`e`").collect::<Vec<_>>(), ["b", "e"]);
    }

    #[test]
    fn tokens_are_told_apart() {
        for (token, path, named) in [
            ("pg/", true, None),
            ("wrap/chain.rs", true, None),
            ("methods_NN.rs", false, None),
            ("make test PG=NN", false, None),
            ("run_scenario()", false, Some("run_scenario")),
            ("session::with", false, Some("with")),
            ("each_link!", false, Some("each_link")),
            ("Session", false, None),
        ] {
            assert_eq!((is_path(token), name(token)), (path, named), "{token}");
        }
    }
}
