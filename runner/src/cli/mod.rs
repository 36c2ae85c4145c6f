//! The command line: one file for each subcommand, and what they share.

mod bless;
mod catalog;
mod check;
mod checklist;
mod clean;
mod color;
mod compare;
mod complaint;
mod complete;
mod completions;
mod coverage;
mod diff;
mod doctor;
mod engine;
mod exec;
mod exit;
mod explain;
mod fmt;
mod help;
mod hunt;
mod init;
mod list;
mod man;
mod mutate;
mod narrow;
mod output;
mod outside;
mod prepare;
mod record;
mod regress;
mod report;
mod results;
mod review;
mod run;
mod schema;
mod sections;
mod select;
mod served;
mod shell;
mod signals;
mod telling;
mod terminal;
#[cfg(test)]
mod tests;
mod transcript;
mod watch;

use clap::{CommandFactory, Parser, Subcommand};

use self::color::Color;
use self::complaint::Complaint;
pub use self::exit::Exit;
use crate::config::Config;
use crate::panicked;
use crate::status;

/// Checks PostgreSQL extensions for memory bugs, as specs say.
#[derive(Debug, Parser)]
#[command(name = "mcspec", version, about, after_help = Exit::help(), disable_help_subcommand = true)]
struct Arguments {
    /// Color what is written: auto is on a terminal, unless NO_COLOR or TERM=dumb is set
    // Before this is parsed, `color::decide` has looked for it.
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_default_value = true)]
    color: Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Hunt(hunt::Arguments),
    Run(Box<run::Arguments>),
    Mutate(mutate::Arguments),
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    List(list::Arguments),
    Bless(bless::Arguments),
    Review(review::Arguments),
    Diff(diff::Arguments),
    Compare(compare::Arguments),
    Report(report::Arguments),
    Checklist(checklist::Arguments),
    Exec(Box<exec::Arguments>),
    Shell(Box<shell::Arguments>),
    Doctor(doctor::Arguments),
    /// Remove what runs have kept for later ones: data directories, built extensions, what cargo has compiled
    Clean,
    Explain(explain::Arguments),
    Engine(engine::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Help(help::Arguments),
    Man(man::Arguments),
}

/// Does what the command line says. Messages go to the standard error.
pub fn main() -> Exit {
    if complete::answer(Arguments::command) {
        return Exit::Ok;
    }
    signals::survive_limits();
    color::decide(std::env::args_os());
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are "errors" that go to the standard output; whether anybody reads them does not matter.
            let _ = error.print();
            return if error.use_stderr() { Exit::CouldNotRun } else { Exit::Ok };
        }
    };
    panicked::keep_quiet();
    let ended = panicked::caught(|| {
        panicked::trial("command", "");
        dispatch(arguments.command)
    });
    status::close();
    if let Some(interrupted) = signals::interrupted() {
        return interrupted;
    }
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(complaint)) => {
            complaint.print();
            complaint.exit()
        }
        Err(panicked) => {
            complaint::broken(&panicked);
            Exit::Broken
        }
    };
    // Of threads that somebody has waited for.
    panicked::take_untold().iter().for_each(complaint::broken);
    if panicked::happened() { Exit::Broken } else { exit }
}

fn dispatch(command: Command) -> Result<Exit, Complaint> {
    let config = Config::load();
    match command {
        Command::Init(arguments) => init::init(&arguments, &config?),
        Command::Hunt(arguments) => hunt::hunt(&arguments, &config?),
        Command::Run(arguments) => match arguments.watched() {
            Some(selection) => watch::watch(selection, &config?),
            None => run::run(&arguments, config),
        },
        Command::Mutate(arguments) => mutate::mutate(&arguments, &config?),
        Command::Check(arguments) => check::check(&arguments, &config?),
        Command::Fmt(arguments) => fmt::fmt(&arguments, &config?),
        Command::List(arguments) => list::list(&arguments, &config?),
        Command::Bless(arguments) => bless::bless(&arguments, &config?),
        Command::Review(arguments) => review::review(&arguments, &config?),
        Command::Diff(arguments) => diff::diff(&arguments, &config?),
        Command::Compare(arguments) => compare::run(&arguments, &config?),
        Command::Report(arguments) => report::run(&arguments, &config?),
        Command::Checklist(arguments) => checklist::run(&arguments, &config?),
        Command::Exec(arguments) => exec::exec(&arguments, config),
        Command::Shell(arguments) => shell::shell(&arguments, &config?),
        Command::Engine(arguments) => engine::engine(&arguments, &config?),
        // The others are of use where the configuration is not.
        Command::Doctor(arguments) => doctor::doctor(&arguments, config),
        Command::Clean => clean::clean(),
        Command::Explain(arguments) => explain::explain(&arguments, &Arguments::command()),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Help(arguments) => help::help(&arguments, Arguments::command()),
        Command::Man(arguments) => man::man(&arguments, Arguments::command()),
    }
}
