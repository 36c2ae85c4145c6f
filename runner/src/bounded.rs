//! Reading files whole, those that are not too large for it. A path may lead to anything: a device has no end, and a pipe waits
//! for somebody who writes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

/// Most bytes of what people write: specs, what they include, schedules, the configuration.
pub(crate) const SPEC: u64 = 16 << 20;

/// Most bytes of what runs write: goldens, results.
pub(crate) const RECORD: u64 = 256 << 20;

/// Most bytes of a log: what is looked for in it comes last.
const LOG: u64 = 16 << 20;

/// What has been written into a log since it had so many bytes: all of it, or of more the end, from the beginning of a line on.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn log(path: &Path, since: u64) -> io::Result<String> {
    let mut log = File::open(path)?;
    let start = log.metadata()?.len().saturating_sub(LOG).max(since);
    log.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    // It may be written to at the same time.
    log.take(2 * LOG).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let first = if start == since { 0 } else { text.find('\n').map_or(text.len(), |newline| newline + 1) };
    Ok(text[first..].to_owned())
}

/// Reads a file of at most so many bytes.
///
/// # Errors
///
/// It cannot be read, is no regular file, or has more.
pub(crate) fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Before it is opened, which already waits where it is a pipe.
    let kind = std::fs::metadata(path)?;
    // What is in /dev is meant: `mcspec check <(generate)`, and a directory has a message of its own.
    if !kind.is_file() && !kind.is_dir() && !path.starts_with("/dev") {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    // Read and not asked for: a file of /proc has no size.
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let limit = limit >> 20;
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {limit} MB")));
    }
    Ok(bytes)
}

/// The same of text in UTF-8.
///
/// # Errors
///
/// As above, or of kind `InvalidData`.
pub(crate) fn text(path: &Path, limit: u64) -> io::Result<String> {
    let invalid = |_| io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8");
    String::from_utf8(bytes(path, limit)?).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(log(&path, 0).unwrap(), "one\ntwo\n");
        assert_eq!(log(&path, 4).unwrap(), "two\n");
        assert_eq!(log(&path, 99).unwrap(), "");
        let lines = "a line of the log\n".repeat(1 << 20) + "last\n";
        std::fs::write(&path, &lines).unwrap();
        let end = log(&path, 4).unwrap();
        assert!(end.len() as u64 <= LOG && end.starts_with("a line") && end.ends_with("\nlast\n"), "{}", end.len());
        assert_eq!(log(&path, lines.len() as u64 - 5).unwrap(), "last\n");
    }

    #[test]
    fn what_has_no_end_or_is_too_long_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a"), "12345").unwrap();
        assert_eq!(text(&path("a"), 5).unwrap(), "12345");
        let message = |path: &Path| text(path, 4).unwrap_err().to_string();
        assert_eq!(message(&path("a")), "it is larger than 0 MB");
        assert_eq!(message(Path::new("/dev/zero")), "it is larger than 0 MB");
        let pipe = path("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(message(&pipe), "it is no regular file");
        assert!(message(directory.path()).contains("Is a directory"));
        std::fs::write(path("b"), b"\xff").unwrap();
        assert_eq!(text(&path("b"), 4).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
