//! Whether what is written is colored. It is decided here, for all of it; without an option by the environment as others do: NO_COLOR,
//! CLICOLOR_FORCE, CLICOLOR, TERM, and whether it goes to a terminal.

use std::ffi::OsString;

use anstream::ColorChoice;
use clap::ValueEnum;

/// `--color WHEN`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Puts in force what the arguments ask for. They are not parsed yet: an error in them has a color too.
pub(super) fn decide(arguments: impl IntoIterator<Item = OsString>) {
    let choice = match asked(arguments).unwrap_or_default() {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    choice.write_global();
}

/// What the last `--color` asks for; what is no value of it is clap's to complain about. Behind "--" are arguments of others.
fn asked(arguments: impl IntoIterator<Item = OsString>) -> Option<Color> {
    let mut asked = None;
    let mut arguments = arguments.into_iter().skip(1).take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        let Some(rest) = argument.to_str().and_then(|text| text.strip_prefix("--color")) else { continue };
        let value = match rest.strip_prefix('=') {
            Some(value) => value.to_owned(),
            None if rest.is_empty() => arguments.next().unwrap_or_default().to_string_lossy().into_owned(),
            None => continue,
        };
        asked = Color::from_str(&value, false).ok().or(asked);
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts_wherever_it_stands() {
        for (line, expected) in [
            ("mcspec", None),
            ("mcspec run --color always", Some(Color::Always)),
            ("mcspec --color=never run x", Some(Color::Never)),
            ("mcspec --color=never run --color auto", Some(Color::Auto)),
            ("mcspec run --color", None),
            ("mcspec run --color=blue", None),
            ("mcspec run --colors=always", None),
            ("mcspec exec -- ls --color=always", None),
            ("--color=always", None),
        ] {
            assert_eq!(asked(line.split(' ').map(OsString::from)), expected, "{line}");
        }
    }
}
