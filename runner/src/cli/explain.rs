//! `mcspec explain`

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use crate::explain::Topic;
use crate::language::suggest;

/// Say what a check, a scenario or a lint means, where it comes from and what to do
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A check such as context_leak, a kind of scenario, or the code of a lint; without any, all of them are listed
    #[arg(value_name = "CODE|CHECK")]
    word: Option<String>,
}

/// Runs the subcommand.
pub(super) fn explain(arguments: &Arguments) -> Result<Exit, Complaint> {
    let text = match &arguments.word {
        Some(word) => about(word)?,
        None => list(),
    };
    Stdout::new().write_all(text.as_bytes()).map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}

/// All there is about a word.
fn about(word: &str) -> Result<String, Complaint> {
    let texts: Vec<String> = Topic::all().filter(|topic| topic.word().eq_ignore_ascii_case(word)).map(text).collect();
    if !texts.is_empty() {
        return Ok(texts.join("\n"));
    }
    let near = suggest::closest(word, Topic::all().map(Topic::word));
    let hint = near.map_or_else(|| "\"mcspec explain\" lists what there is".to_owned(), suggest::did_you_mean);
    Err(Complaint::Argument { message: format!("\"{word}\" is no check, scenario or lint"), hint: Some(hint) })
}

fn text(topic: Topic) -> String {
    let mut text = topic.text().to_owned();
    if let Topic::Scenario(kind) = topic {
        let checks: Vec<&str> = kind.checks().iter().map(|check| check.as_str()).collect();
        text += &format!("\nIt finds {}: {}.\n", kind.description().catches, checks.join(", "));
        if !kind.is_built() {
            text += "\nThis version of mcspec cannot run it yet.\n";
        }
    }
    text
}

/// One line for each topic, by what kind it is.
fn list() -> String {
    let mut lists: BTreeMap<&str, String> = BTreeMap::new();
    for topic in Topic::all() {
        let list = match topic {
            Topic::Check(_) => "Checks",
            Topic::Scenario(_) => "Scenarios",
            Topic::Lint(_) => "Warnings of \"mcspec check\"",
        };
        let title = topic.text().lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, title)| title);
        *lists.entry(list).or_default() += &format!("  {:20}  {title}\n", topic.word());
    }
    lists.into_iter().map(|(name, list)| format!("{name}:\n{list}")).collect::<Vec<_>>().join("\n")
}
