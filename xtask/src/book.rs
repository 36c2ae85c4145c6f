//! The manual as a book: the pages of `docs/`, and those that are made of what the code itself says, laid out as mdBook has them.
//! `docs/SUMMARY.md` names them all, in order.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

/// A page: its name in the book, and its text.
type Page = (String, String);

/// Writes the sources of the book into a directory that may be there. `mcspec` is the runner, which says what its commands are.
pub(crate) fn write(root: &Path, output: &Path, mcspec: &Path) -> Result<(), Error> {
    let commands = commands(|arguments| said(mcspec, arguments))?;
    let source = output.join("src");
    fs::create_dir_all(&source).map_err(Error::file("create", &source))?;
    for (name, text) in pages(root, commands)? {
        let path = source.join(&name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        }
        fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    let pictures = root.join("docs/pictures");
    for entry in fs::read_dir(&pictures).into_iter().flatten().flatten() {
        let to = source.join("pictures").join(entry.file_name());
        fs::create_dir_all(source.join("pictures")).map_err(Error::file("create", &source))?;
        fs::copy(entry.path(), &to).map_err(Error::file("write", &to))?;
    }
    let configuration = root.join("docs/book.toml");
    let to = output.join("book.toml");
    fs::copy(&configuration, &to).map_err(Error::file("write", &to))?;
    Ok(())
}

/// All pages of the book.
fn pages(root: &Path, commands: String) -> Result<Vec<Page>, Error> {
    let mut pages: Vec<Page> = Vec::new();
    for (name, text) in markdown(&root.join("docs"))? {
        pages.push((name, text));
    }
    pages.push((
        "README.md".to_owned(),
        read(&root.join("README.md"))?.replace("](docs/", "](").replace("](SUMMARY.md)", "](README.md)"),
    ));
    pages.push(("commands.md".to_owned(), commands));
    pages.push(("configuration.md".to_owned(), configuration(&read(&root.join("runner/src/config/default.toml"))?)));
    for (chapter, title, directory) in [
        ("scenarios", "Scenarios", "extension/core/src/scenario"),
        ("findings", "Findings", "extension/core/src/check"),
        ("warnings", "Warnings", "runner/src/explain/lint"),
    ] {
        let parts = markdown(&root.join(directory))?;
        pages.push((format!("{chapter}.md"), list(title, chapter, &parts)));
        pages.extend(parts.into_iter().map(|(name, text)| (format!("{chapter}/{name}"), with_links(&text))));
    }
    for (name, text) in &mut pages {
        if name == "SUMMARY.md" {
            continue;
        }
        *text = inside(&text.replace("](../README.md)", "](README.md)"));
    }
    let nested: Vec<(String, String)> =
        pages.iter().filter(|(name, _)| name.contains('/')).map(|(name, text)| (name.clone(), word(text))).collect();
    if let Some((_, summary)) = pages.iter_mut().find(|(name, _)| name == "SUMMARY.md") {
        *summary = with_nested(summary, &nested);
    }
    Ok(pages)
}

/// The Markdown files of a directory, by name.
fn markdown(directory: &Path) -> Result<Vec<Page>, Error> {
    let entries = fs::read_dir(directory).map_err(Error::file("read", directory))?;
    let mut pages = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", directory))?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            pages.push((name, read(&path)?));
        }
    }
    pages.sort();
    Ok(pages)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// The title of a page.
fn heading(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches("# ")
}

/// The word that a page is about: `leak` of "# leak: what stays" and of "# scenario leak: what stays".
fn word(text: &str) -> String {
    let heading = heading(text);
    let word = heading.split_once(": ").map_or(heading, |(word, _)| word);
    word.trim_start_matches("scenario ").to_owned()
}

/// A page that lists others.
fn list(title: &str, chapter: &str, parts: &[Page]) -> String {
    let mut text = format!("# {title}\n\n`mcspec explain WORD` prints each of these pages.\n\n| | |\n|---|---|\n");
    for (name, part) in parts {
        let meaning = heading(part).split_once(": ").map_or("", |(_, meaning)| meaning);
        let _ = writeln!(text, "| [`{}`]({chapter}/{name}) | {meaning} |", word(part));
    }
    text
}

/// What a page for the terminal says of other pages, as links from a folder of the book.
fn with_links(text: &str) -> String {
    let mut linked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("docs/") {
        let name: String =
            rest[at + 5..].chars().take_while(|c| c.is_ascii_alphanumeric() || ['-', '.'].contains(c)).collect();
        let name = name.trim_end_matches('.');
        linked.push_str(&rest[..at]);
        match name.strip_suffix(".md") {
            Some(title) => {
                let _ = write!(linked, "[{title}](../{name})");
            }
            None => linked.push_str(&rest[at..at + 5 + name.len()]),
        }
        rest = &rest[at + 5 + name.len()..];
    }
    linked + rest
}

/// A page without links to what is not in the book: those have the names of the files instead.
fn inside(text: &str) -> String {
    let mut inside = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let end = rest[at..].find(')').map_or(rest.len(), |end| at + end);
        let target = &rest[at + 2..end];
        let leads_out =
            ["../bench", "../SECURITY", "examples/", "../specs", "../tests", "../contrib", "SECURITY.md", "LICENSE"]
                .iter()
                .any(|start| target.starts_with(start));
        match rest[..at].rfind('[').filter(|_| leads_out) {
            Some(begin) => {
                inside.push_str(&rest[..begin]);
                let _ = write!(inside, "`{}`", target.trim_start_matches("../"));
            }
            None => inside.push_str(&rest[..(end + 1).min(rest.len())]),
        }
        rest = &rest[(end + 1).min(rest.len())..];
    }
    inside + rest
}

/// The summary with the pages of a folder below the page that lists them.
fn with_nested(summary: &str, nested: &[(String, String)]) -> String {
    let mut text = String::new();
    for line in summary.lines() {
        text.push_str(line);
        text.push('\n');
        let chapter = line.split_once("](").and_then(|(_, rest)| rest.strip_suffix(".md)"));
        for (name, word) in nested {
            if chapter.is_some_and(|chapter| name.strip_prefix(chapter).is_some_and(|rest| rest.starts_with('/'))) {
                let _ = writeln!(text, "  - [{word}]({name})");
            }
        }
    }
    text
}

/// The page about `mcspec.toml`, which is its reference as it is compiled in.
fn configuration(reference: &str) -> String {
    format!(
        "# mcspec.toml\n\nEvery key with its default, as it is compiled into `mcspec`.\n\n```toml\n{}```\n",
        reference.trim_start_matches('\n')
    )
}

/// What the runner says when it is asked.
fn said(mcspec: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = mcspec.to_string_lossy().into_owned();
    let output = Command::new(mcspec).args(arguments).env("NO_COLOR", "1").env("COLUMNS", "100").output();
    let output = output.map_err(|source| Error::Spawn { program, source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The page about commands: what `mcspec help` says of each.
fn commands(mut ask: impl FnMut(&[&str]) -> Result<String, Error>) -> Result<String, Error> {
    let all = ask(&["help"])?;
    let mut page = format!("# Commands\n\n```text\n{}```\n", all);
    let listed = all.split("\nCommands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| !line.is_empty());
    // What goes on from the line before stands further right.
    let names = names.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let help = ask(&["help", name])?;
        let _ = write!(page, "\n## mcspec {name}\n\n```text\n{help}```\n");
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace::Workspace;

    fn book() -> Vec<Page> {
        pages(Workspace::locate().root(), String::from("# Commands\n")).unwrap()
    }

    /// The targets of the links of a page, without those in blocks of code.
    fn links(text: &str) -> Vec<String> {
        let prose: String = text.split("```").step_by(2).collect();
        let prose: String = prose.split('`').step_by(2).collect();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.map(|(target, _)| target.to_owned()).collect()
    }

    /// The anchors of the headings of a page, as mdBook and forges make them.
    fn anchors(text: &str) -> BTreeSet<String> {
        let prose: String = text.split("\n```").step_by(2).collect();
        let headings =
            prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        let id = |heading: &str| -> String {
            let kept = |c: char| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            };
            heading.to_lowercase().chars().filter_map(kept).collect()
        };
        headings.map(id).collect()
    }

    #[test]
    fn every_page_is_in_the_summary_and_the_other_way_round() {
        let book = book();
        let summary = &book.iter().find(|(name, _)| name == "SUMMARY.md").unwrap().1;
        let listed: BTreeSet<String> = links(summary).into_iter().collect();
        let pages: BTreeSet<String> =
            book.iter().map(|(name, _)| name.clone()).filter(|name| name != "SUMMARY.md").collect();
        assert_eq!(listed, pages);
        assert!(pages.len() > 60, "{}", pages.len());
    }

    #[test]
    fn links_lead_to_pages_and_headings() {
        let book = book();
        let mut wrong = Vec::new();
        let mut seen = 0;
        for (name, text) in &book {
            for target in links(text).into_iter().filter(|target| !target.starts_with("https://")) {
                seen += 1;
                let (page, anchor) = target.split_once('#').unwrap_or((&target, ""));
                let page = match page.strip_prefix("../") {
                    Some(page) => page,
                    None if page.is_empty() => name,
                    None => page,
                };
                let text = book.iter().find(|(other, _)| other == page).map(|(_, text)| text);
                let picture = Workspace::locate().root().join("docs").join(page);
                let is_there = match text {
                    Some(text) => anchor.is_empty() || anchors(text).contains(anchor),
                    None => page.starts_with("pictures/") && picture.is_file(),
                };
                if !is_there {
                    wrong.push(format!("{name}: {target}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn what_is_outside_of_the_book_is_named() {
        assert_eq!(inside("see [costs](../bench/RESULTS.md), [b](b.md)"), "see `bench/RESULTS.md`, [b](b.md)");
        assert_eq!(inside("array[1] [x](y"), "array[1] [x](y");
        assert_eq!(with_links("(docs/a-b.md, docs/x)."), "([a-b](../a-b.md), docs/x).");
        assert_eq!(with_links("docs/a.md."), "[a](../a.md).");
    }

    #[test]
    fn commands_are_those_of_the_help() {
        let ask = |arguments: &[&str]| {
            Ok(match arguments {
                ["help"] => {
                    "x\n\nCommands:\n  run   Runs\n        and on\n  help  Help\n\nOptions:\n  --x\n".to_owned()
                }
                _ => format!("{}!\n", arguments.join(" ")),
            })
        };
        let page = commands(ask).unwrap();
        assert!(page.ends_with("```\n\n## mcspec run\n\n```text\nhelp run!\n```\n"), "{page}");
        assert_eq!(page.matches("\n## ").count(), 1);
    }
}
