//! Commands in hints. A hint is a command alone, which is pasted as it is, or a sentence with commands in double quotes. Commands of
//! mcspec are written where they are shown, and are parsed by a test (`cli/tests.rs`); all others are made here.

mod packages;

use std::path::Path;

pub(crate) use packages::{Need, completed, install, native_major, program};

/// A word of a command, as a shell has to be given it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/-_.+=,:@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A path in a command.
pub(crate) fn path(path: &Path) -> String {
    // One that begins with a dash would be an option.
    match path.to_string_lossy() {
        text if text.starts_with('-') => word(&format!("./{text}")),
        text => word(&text),
    }
}

/// Fetches servers into a checkout of mcspec.
pub(crate) fn fetch_servers(majors: &[u32]) -> String {
    format!("cargo run -p xtask -- servers {}", majors.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
}

/// Gets a compiler of Rust.
pub(crate) fn rust() -> String {
    const FROM: &str = "https://sh.rustup.rs";
    match () {
        () if packages::has("curl") => format!("curl --proto '=https' --tlsv1.2 -sSf {FROM} | sh"),
        () if packages::has("wget") => format!("wget -qO- {FROM} | sh"),
        () => "install Rust by rustup, as https://rustup.rs says".to_owned(),
    }
}

/// Makes a user that servers can run as.
pub(crate) fn make_user() -> String {
    "useradd --system postgres".to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        for text in
            ["knn", "sub/knn", "knn[dims=3]", "it's", "a b", "$HOME", "*", "~", "", "Größe", "a;b", "#x", "\\", "!x"]
        {
            let output = Command::new("sh").arg("-c").arg(format!("printf %s {}", word(text))).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
        assert_eq!((word("sub/knn@pg18"), word("a b")), ("sub/knn@pg18".to_owned(), "'a b'".to_owned()));
        assert_eq!(path(Path::new("-x y")), "'./-x y'");
    }
}
