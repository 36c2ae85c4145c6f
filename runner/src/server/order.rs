//! A server that does not start because one of its libraries insists on its place in `shared_preload_libraries`.
//!
//! Each of them says so in its own way, if at all: that a hook is taken, that another name comes before its own, or by hooks of
//! shared memory that leave out whoever was there before. So it is tried.

use super::options::ServerOptions;

/// The clause with which the server starts, if it is a matter of the order.
pub(super) fn hint(options: &ServerOptions, starts: impl Fn(&ServerOptions) -> bool) -> Option<String> {
    let all: Vec<String> = options.libraries(None).map(str::to_owned).collect();
    let others = (0..all.len()).map(|position| {
        let mut libraries = all.clone();
        libraries[..=position].rotate_right(1);
        ServerOptions { preload_first: libraries, preload: Vec::new(), ..options.clone() }
    });
    let starting = others.into_iter().filter(|other| other != options).find(starts)?;
    let libraries: Vec<String> = starting.libraries(None).map(written).collect();
    Some(format!("the server starts with \"preload first {}\"", libraries.join(", ")))
}

/// A library as a clause has it.
fn written(library: &str) -> String {
    let is_word = library.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !library.starts_with(|c: char| c.is_ascii_digit());
    if is_word { library.to_owned() } else { format!("'{library}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(first: &[&str], preload: &[&str]) -> ServerOptions {
        let owned = |libraries: &[&str]| libraries.iter().map(|&library| library.to_owned()).collect();
        ServerOptions { preload_first: owned(first), preload: owned(preload), ..ServerOptions::default() }
    }

    #[test]
    fn the_library_that_has_to_be_first_is_found() {
        let table = [
            (options(&[], &["a"]), "a", Some("a")),
            (options(&[], &["a", "b-1", "c"]), "b-1", Some("'b-1', a, c")),
            (options(&[], &["a", "b", "c"]), "c", Some("c, a, b")),
            (options(&["a"], &["b"]), "b", Some("b, a")),
            (options(&[], &["a", "$libdir/b"]), "$libdir/b", Some("'$libdir/b', a")),
            (options(&["a"], &[]), "a", None),
            (options(&[], &["a", "b"]), "none", None),
        ];
        for (options, insists, expected) in table {
            let starts = |tried: &ServerOptions| tried.preload_first[0] == insists;
            let expected = expected.map(|libraries| format!("the server starts with \"preload first {libraries}\""));
            assert_eq!(hint(&options, starts), expected);
        }
    }
}
