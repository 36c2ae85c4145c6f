//! `mcspec explain`

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use crate::explain::Topic;
use crate::hint;
use crate::language::suggest;

/// Say what a check, a scenario or a lint means, where it comes from and what to do
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A check such as context_leak, a kind of scenario, or the code of a lint; without any, all of them are listed
    #[arg(value_name = "CODE|CHECK", num_args = 1.., add = complete::topics())]
    words: Vec<String>,
}

/// Runs the subcommand.
pub(super) fn explain(arguments: &Arguments, commands: &clap::Command) -> Result<Exit, Complaint> {
    let text = match arguments.words.join(" ") {
        word if word.is_empty() => list(),
        word => about(&word, commands)?,
    };
    Stdout::new().write_all(text.as_bytes()).map_err(Complaint::stdout)?;
    Ok(Exit::Ok)
}

/// All there is about a word.
fn about(word: &str, commands: &clap::Command) -> Result<String, Complaint> {
    let topics = Topic::all().filter(|topic| topic.word().eq_ignore_ascii_case(word)).map(text);
    let texts: Vec<String> = topics.collect();
    if !texts.is_empty() {
        return Ok(texts.join("\n"));
    }
    let hint = match suggest::closest(word, Topic::all().map(Topic::word)) {
        _ if commands.find_subcommand(word).is_some() => {
            format!("it is a command: \"{}\"", hint::mcspec(&["help", word]))
        }
        Some(near) => suggest::did_you_mean(near),
        None => "\"mcspec explain\" lists what there is".to_owned(),
    };
    Err(Complaint::Argument { message: format!("\"{word}\" is no check, scenario or lint"), hint: Some(hint) })
}

fn text(topic: Topic) -> String {
    let mut text = topic.text().to_owned();
    if let Topic::Scenario(kind) = topic {
        let checks: Vec<&str> = kind.checks().iter().map(|check| check.as_str()).collect();
        text += &format!("\nIt finds {}: {}.\n", kind.description().catches, checks.join(", "));
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
        let title = topic.title();
        *lists.entry(list).or_default() += &format!("  {:20}  {title}\n", topic.word());
    }
    lists.into_iter().map(|(name, list)| format!("{name}:\n{list}")).collect::<Vec<_>>().join("\n")
}
