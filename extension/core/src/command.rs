//! Commands that are shown to be pasted, as a shell reads them.

use std::path::Path;

/// A word of a command, as a shell has to be given it.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/-_.+=,:@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A path in a command.
pub fn path(path: &Path) -> String {
    // One that begins with a dash would be an option.
    match path.to_string_lossy() {
        text if text.starts_with('-') => word(&format!("./{text}")),
        text => word(&text),
    }
}

/// A command of mcspec: its words as it is to get them.
pub fn mcspec(words: &[&str]) -> String {
    ["mcspec".to_owned()].into_iter().chain(words.iter().map(|text| word(text))).collect::<Vec<_>>().join(" ")
}

/// The command that builds an engine that fits a server.
pub fn rebuild(pg_config: &Path) -> String {
    format!("{} {}", mcspec(&["engine", "build", "--pg-config"]), path(pg_config))
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
        assert_eq!(mcspec(&["run", "knn/a scenario", "--pg", "18"]), "mcspec run 'knn/a scenario' --pg 18");
        assert_eq!(rebuild(Path::new("/a b/pg_config")), "mcspec engine build --pg-config '/a b/pg_config'");
    }
}
