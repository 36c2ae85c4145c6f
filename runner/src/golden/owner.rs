//! Whose a file is that stands where a golden would be. What is not a golden is never written over or removed.

use std::fs;
use std::io;
use std::path::Path;

use crate::bounded;

/// What the first line of every golden begins with; its format follows.
const FIRST_LINE: &[u8] = b"mcspec golden ";

/// What begins the first line of a file that two have changed, for git.
const CONFLICT: &[u8] = b"<<<<<<< ";

/// Who has written a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// mcspec, in this format.
    Ours { format: u32, text: Vec<u8> },
    /// Somebody else, or nobody knows; what it is besides being no golden, where that is worth saying.
    Others(Option<&'static str>),
}

/// Whose file it is.
///
/// # Errors
///
/// It is not there or cannot be read.
pub(super) fn owner(path: &Path) -> io::Result<Owner> {
    let link = fs::symlink_metadata(path)?;
    let file = match fs::metadata(path) {
        Err(error) if link.is_symlink() && error.kind() == io::ErrorKind::NotFound => {
            return Ok(Owner::Others(Some("a symbolic link to nothing")));
        }
        file => file?,
    };
    if file.is_dir() {
        return Ok(Owner::Others(Some("a directory")));
    }
    // Opening a pipe would wait for somebody who writes into it.
    if !file.is_file() {
        return Ok(Owner::Others(Some("no regular file")));
    }
    if file.len() == 0 {
        return Ok(Owner::Others(Some("empty")));
    }
    let text = bounded::bytes(path, bounded::RECORD)?;
    Ok(match format(&text) {
        Some(format) => Owner::Ours { format, text },
        None => Owner::Others(None),
    })
}

/// The format of a golden; none of what is none. One that git could not merge still is one.
fn format(text: &[u8]) -> Option<u32> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let mut first = lines.next()?;
    if first.starts_with(CONFLICT) {
        first = lines.next()?;
    }
    let number = first.strip_prefix(FIRST_LINE)?;
    std::str::from_utf8(number).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_golden_is_known_by_its_first_line() {
        let table: &[(&[u8], Option<u32>)] = &[
            (b"mcspec golden 1\nspec x\n", Some(1)),
            (b"mcspec golden 1\r\nspec x\r\n", Some(1)),
            (b"mcspec golden 1", Some(1)),
            (b"mcspec golden 27\nwhatever\n", Some(27)),
            (b"mcspec golden 1\nspec x\n<<<<<<< HEAD\n\xff", Some(1)),
            (b"<<<<<<< HEAD\nmcspec golden 1\n=======\nmcspec golden 2\n>>>>>>> other\n", Some(1)),
            (b"<<<<<<< HEAD\nSELECT 1;\n", None),
            (b"mcspec golden\n", None),
            (b"mcspec golden one\n", None),
            (b"-- mcspec golden 1\n", None),
            (b"\nmcspec golden 1\n", None),
            (b"SELECT 1;\n", None),
            (b"\0\xff\n", None),
        ];
        for &(text, expected) in table {
            assert_eq!(format(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_no_file_is_no_golden() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("directory")).unwrap();
        fs::write(path("empty"), "").unwrap();
        fs::write(path("golden"), "mcspec golden 1\n").unwrap();
        std::os::unix::fs::symlink("golden", path("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let ours = Owner::Ours { format: 1, text: b"mcspec golden 1\n".to_vec() };
        for (name, expected) in [
            ("directory", Owner::Others(Some("a directory"))),
            ("empty", Owner::Others(Some("empty"))),
            ("golden", ours.clone()),
            ("link", ours),
            ("dangling", Owner::Others(Some("a symbolic link to nothing"))),
            ("pipe", Owner::Others(Some("no regular file"))),
        ] {
            assert_eq!(owner(&path(name)).unwrap(), expected, "{name}");
        }
        assert_eq!(owner(&path("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
