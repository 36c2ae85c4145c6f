//! Password files (fe-connect.c, passwordFromFile and pwdfMatchesString).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a line of the file is for.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// What the file holds; nothing where there is none. The error is a warning, for which libpq goes on without a password too.
pub(super) fn read(file: &Path) -> Result<Option<String>, String> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(None) };
    let warning = |what: &str| Err(format!("password file \"{}\" {what}", file.display()));
    if !metadata.is_file() {
        return warning("is not a plain file");
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return warning("has group or world access; permissions should be u=rw (0600) or less");
    }
    Ok(fs::read(file).ok().map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// The password of the first line that fits.
pub(super) fn password(text: &str, wanted: &Wanted) -> Option<String> {
    let port = wanted.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = [wanted.host, &port, wanted.database, wanted.user];
        let rest = fields.iter().try_fold(line.trim_end_matches('\r'), |rest, field| behind(rest, field))?;
        Some(unescaped(rest))
    })
}

/// What is behind a field, if that is for this value.
fn behind<'a>(line: &'a str, value: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let (mut value, mut characters) = (value.chars(), line.char_indices());
    loop {
        match characters.next()? {
            (at, ':') => return value.next().is_none().then(|| &line[at + 1..]),
            (_, '\\') => {
                let (_, escaped) = characters.next()?;
                value.next().filter(|&wanted| wanted == escaped)?;
            }
            (_, plain) => {
                value.next().filter(|&wanted| wanted == plain)?;
            }
        }
    }
}

/// The password itself, which ends with a colon that is not escaped.
fn unescaped(text: &str) -> String {
    let mut password = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ':' => break,
            '\\' => password.push(characters.next().unwrap_or('\\')),
            c => password.push(c),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_as_libpq_finds_them() {
        let file = "# localhost:5432:d:u:comment\nother:*:*:*:no\nlocalhost:5432:a\\:b:u:colon\nlocalhost:5433:*:u:po\\:rt\\\\:rest\n\
                    localhost:*:d:\\*:star\n::1:5432:d:u:unescaped\n\\:\\:1:5432:d:u:six\r\nshort:5432:d:u\n*:*:*:u:any\n";
        let table = [
            ("localhost", 5432, "a:b", "u", Some("colon")),
            ("localhost", 5433, "d", "u", Some("po:rt\\")),
            ("localhost", 5432, "d", "*", Some("star")),
            ("other", 1, "x", "y", Some("no")),
            ("::1", 5432, "d", "u", Some("six")),
            ("short", 5432, "d", "u", Some("any")),
            ("localhos", 5432, "d", "u", Some("any")),
            ("localhost", 5432, "d", "v", None),
        ];
        for (host, port, database, user, expected) in table {
            let found = password(file, &Wanted { host, port, database, user });
            assert_eq!(found.as_deref(), expected, "{host}:{port}:{database}:{user}");
        }
    }

    #[test]
    fn others_may_not_read_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pass");
        assert_eq!(read(&file), Ok(None));
        fs::write(&file, "*:*:*:*:x\n").expect("written");
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(read(&file).is_ok(), is_read, "{mode:o}");
        }
        assert!(read(directory.path()).expect_err("no file").ends_with("is not a plain file"));
    }
}
