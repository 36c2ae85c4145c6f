//! `mcspec help`

use std::io::Write;

use clap::{Args, Command};

use super::complaint::Complaint;
use super::complete;
use super::exit::Exit;
use super::output::Stdout;
use crate::explain::Topic;
use crate::hint;
use crate::language::suggest;

/// Describe a command and its options
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The command; without one, all of them are listed
    #[arg(value_name = "COMMAND", add = complete::commands())]
    words: Vec<String>,
}

/// Runs the subcommand: as its option does, once it is known that there is such a command.
pub(super) fn help(arguments: &Arguments, mut command: Command) -> Result<Exit, Complaint> {
    let mut found = &command;
    for word in &arguments.words {
        match found.find_subcommand(word) {
            Some(inner) => found = inner,
            None => return about(word, found),
        }
    }
    let words = arguments.words.iter().map(String::as_str);
    let line = ["mcspec"].into_iter().chain(words).chain(["--help"]);
    if let Err(help) = command.try_get_matches_from_mut(line) {
        // Whether anybody reads it does not matter.
        let _ = help.print();
    }
    Ok(Exit::Ok)
}

/// A word that is no command may be one that `explain` knows.
fn about(word: &str, command: &Command) -> Result<Exit, Complaint> {
    if let Some(topic) = Topic::all().find(|topic| topic.word().eq_ignore_ascii_case(word)) {
        let (kind, word) = (topic.kind(), topic.word());
        let explain = hint::mcspec(&["explain", word]);
        let text = format!("\"{word}\" is a {kind}: \"{explain}\" says what it means\n");
        Stdout::new().write_all(text.as_bytes()).map_err(Complaint::stdout)?;
        return Ok(Exit::Ok);
    }
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
    let topics: Vec<&str> = Topic::all().map(Topic::word).collect();
    let near = suggest::closest(word, commands.chain(topics));
    let hint = near.map_or_else(|| "\"mcspec help\" lists the commands".to_owned(), suggest::did_you_mean);
    Err(Complaint::Argument { message: format!("there is no command \"{word}\""), hint: Some(hint) })
}
