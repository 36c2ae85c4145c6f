//! `mcspec man`, which is for those who install mcspec: the manual pages say what `help` says, and are made from the same.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::complaint::Complaint;
use super::exit::Exit;
use super::output::Stdout;
use crate::atomic;

/// Write the manual pages into a directory: mcspec.1, and one for each command
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Arguments {
    /// The directory, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// What the environment changes, besides what clap knows.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "set to anything: no output is colored, unless --color asks for it"),
    ("CLICOLOR_FORCE", "set to anything: output is colored also where it is not a terminal"),
    ("TMPDIR", "where the servers of a run are, by default /tmp; the user that they run as has to be able to enter it"),
    ("XDG_CACHE_HOME", "where runs keep what later ones need again, in mcspec there; by default ~/.cache"),
    ("COPT", "further options of the C compiler, for extensions that are built with PGXS"),
];

/// Files that commands look for.
const FILES: &[(&str, &str)] =
    &[("mcspec.toml", "the project's configuration: in the current directory, or in the nearest one above")];

/// Runs the subcommand. `command` is all of mcspec.
pub(super) fn man(arguments: &Arguments, mut command: Command) -> Result<Exit, Complaint> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory).map_err(|error| Complaint::file(&directory.display().to_string(), error))?;
    // Each command is told its full name.
    command.build();
    let mut all = vec![command];
    while let Some(command) = all.pop() {
        all.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let page = page(&command).map_err(Complaint::stdout)?;
        let path = directory.join(file_name(&command));
        atomic::write(&path, page.as_bytes()).map_err(|error| Complaint::file(&path.display().to_string(), error))?;
        let line = format!("{}\n", path.display());
        std::io::Write::write_all(&mut Stdout::new(), line.as_bytes()).map_err(Complaint::stdout)?;
    }
    Ok(Exit::Ok)
}

/// `mcspec-run`
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn file_name(command: &Command) -> String {
    format!("{}.1", name(command))
}

/// A page in roff.
fn page(command: &Command) -> std::io::Result<String> {
    // What stands below the help of a command has its own sections here.
    let below = command.get_after_help().map(ToString::to_string).filter(|_| name(command) != "mcspec");
    let man = Man::new(command.clone().after_help(""))
        .title(name(command).to_uppercase())
        .source(format!("mcspec {}", env!("CARGO_PKG_VERSION")))
        .manual("mcspec");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut text = String::from_utf8_lossy(&page).into_owned();
    if let Some(below) = below {
        text += ".SH NOTES\n.nf\n";
        below.lines().for_each(|line| text += &format!("{}\n", escaped(line)));
        text += ".fi\n";
    }
    let codes = Exit::all().map(|(code, meaning)| (code.to_string(), meaning));
    section(&mut text, "EXIT STATUS", codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
    section(&mut text, "ENVIRONMENT", ENVIRONMENT.iter().copied());
    section(&mut text, "FILES", FILES.iter().copied());
    text += ".SH SEE ALSO\n";
    let others = match name(command) {
        "mcspec" => "\"mcspec help COMMAND\" and \"mcspec explain\"; README.md and docs/ of mcspec\n",
        _ => "\\fBmcspec\\fR(1)\n",
    };
    text += others;
    Ok(text)
}

fn section<'a>(text: &mut String, title: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    let _ = writeln!(text, ".SH \"{title}\"");
    for (term, meaning) in entries {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(meaning));
    }
}

/// A line of text, in which nothing is a request or an escape of roff.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line,
    }
}
