//! Connection strings: `host=.. port=..` and `postgresql://..` (fe-connect.c, conninfo_parse and conninfo_uri_parse_options).
//!
//! Of what cannot be read nothing is repeated that may be a part of a password.

use std::collections::BTreeMap;

use memcheck_core::suggest;

use super::keywords::is_known;
use crate::server::connect::unusable::Unusable;

/// What was given for each keyword.
pub(super) type Values = BTreeMap<String, String>;

const FORM: &str = "write postgresql://USER@HOST:PORT/DATABASE or host=... port=...";
const ENCODED: &str =
    "write %2F, %3A, %3F, %40 and %25 for \"/\", \":\", \"?\", \"@\" and \"%\" in a user name or a password";

/// Reads a string of either form.
pub(super) fn read(text: &str) -> Result<Values, Unusable> {
    let mut values = Values::new();
    // uri_prefix_length
    match ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
        Some(rest) => uri(rest, &mut values)?,
        None if text.contains("://") && !text.contains('=') => {
            return Err(Unusable::new("it is no URI of PostgreSQL").hint(FORM));
        }
        None => keywords(text, &mut values)?,
    }
    Ok(values)
}

fn store(keyword: &str, value: String, values: &mut Values) -> Result<(), Unusable> {
    if !is_known(keyword) {
        return Err(unknown(keyword));
    }
    // conninfo_storeval: the last one counts.
    if keyword == "requiressl" {
        let mode = if value.starts_with('1') { "require" } else { "prefer" };
        values.insert("sslmode".to_owned(), mode.to_owned());
    } else {
        values.insert(keyword.to_owned(), value);
    }
    Ok(())
}

/// The error of a keyword that libpq does not have either.
pub(super) fn unknown(keyword: &str) -> Unusable {
    let known = super::keywords::KEYWORDS.iter().map(|(known, ..)| *known);
    let error = Unusable::new(format!("invalid connection option \"{keyword}\""));
    match suggest::closest(keyword, known) {
        Some(meant) => error.hint(format!("did you mean \"{meant}\"?")),
        None => {
            error.hint("the keywords are those of libpq: host, port, dbname, user, passfile, service, sslmode, ...")
        }
    }
}

fn keywords(text: &str, values: &mut Values) -> Result<(), Unusable> {
    let mut rest = text.trim_start();
    let mut before = String::new();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        // What stands behind an unquoted password may be the rest of it.
        let secret = before.contains("password") || before.contains("secret");
        let quote = "a value with a space is written in single quotes, with \\' and \\\\ for \"'\" and \"\\\"";
        let Some(behind) = behind.trim_start().strip_prefix('=') else {
            let what = if secret { format!("what follows \"{before}\"") } else { format!("\"{name}\"") };
            let hint = if before.is_empty() { FORM } else { quote };
            return Err(Unusable::new(format!("missing \"=\" after {what} in connection info string")).hint(hint));
        };
        let (value, behind) = value(behind.trim_start())?;
        if secret && !is_known(name) {
            return Err(Unusable::new(format!("what follows \"{before}\" is no connection option")).hint(quote));
        }
        store(name, value, values)?;
        before = name.to_owned();
        rest = behind.trim_start();
    }
    Ok(())
}

/// A value, quoted or not, and what is behind it.
fn value(text: &str) -> Result<(String, &str), Unusable> {
    let (quoted, inner) = match text.strip_prefix('\'') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = inner.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &inner[at + 1..])),
            c if !quoted && c.is_ascii_whitespace() => return Ok((value, &inner[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(Unusable::new("unterminated quoted string in connection info string")) } else { Ok((value, "")) }
}

fn uri(text: &str, values: &mut Values) -> Result<(), Unusable> {
    let mut rest = text;
    let credentials = rest.find(['@', '/']).filter(|&at| rest[at..].starts_with('@'));
    if let Some(at) = credentials {
        let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
        for (keyword, part) in [("user", user), ("password", password)] {
            if !part.is_empty() {
                store(keyword, decoded(part)?, values)?;
            }
        }
        rest = &rest[at + 1..];
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let host;
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').filter(|&end| end > 0);
            let end =
                end.ok_or_else(|| Unusable::new("an IPv6 address of the URI has no end or is empty").hint(FORM))?;
            (host, rest) = (&inner[..end], &inner[end + 1..]);
            if !(rest.is_empty() || rest.starts_with([':', '/', '?', ','])) {
                return Err(Unusable::new("an IPv6 address of the URI is followed by something else").hint(FORM));
            }
        } else {
            (host, rest) = rest.split_at(rest.find([':', '/', '?', ',']).unwrap_or(rest.len()));
        }
        if host.contains('@') {
            return Err(Unusable::new("the URI has \"@\" twice").hint(ENCODED));
        }
        let mut port = "";
        if let Some(behind) = rest.strip_prefix(':') {
            (port, rest) = behind.split_at(behind.find(['/', '?', ',']).unwrap_or(behind.len()));
        }
        if port.contains(|c: char| !c.is_ascii_digit()) {
            return Err(Unusable::new("the port of the URI is no number").hint(ENCODED));
        }
        hosts.push(decoded(host)?);
        ports.push(port.to_owned());
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    for (keyword, parts) in [("host", hosts), ("port", ports)] {
        if parts.iter().any(|part| !part.is_empty()) || parts.len() > 1 {
            store(keyword, parts.join(","), values)?;
        }
    }
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let database = path.strip_prefix('/').unwrap_or_default();
    if !database.is_empty() {
        store("dbname", decoded(database)?, values)?;
    }
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) =
            parameter.split_once('=').filter(|(_, value)| !value.contains('=')).ok_or_else(|| {
                let keyword = parameter.split('=').next().unwrap_or_default();
                Unusable::new(format!("URI query parameter \"{keyword}\" is not of the form KEYWORD=VALUE"))
            })?;
        match (decoded(keyword)?.as_str(), decoded(value)?) {
            // For JDBC.
            ("ssl", value) if value == "true" => store("sslmode", "require".to_owned(), values)?,
            (keyword, value) => store(keyword, value, values)?,
        }
    }
    Ok(())
}

/// `conninfo_uri_decode`
fn decoded(text: &str) -> Result<String, Unusable> {
    let invalid = || Unusable::new("a \"%\" in the URI is not followed by two hexadecimal digits").hint(ENCODED);
    let text = text.trim_matches(' ');
    if text.contains(' ') {
        return Err(Unusable::new("there is a space in the URI").hint("write %20"));
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' {
            let digit = |n: usize| rest.get(n).and_then(|&digit| (digit as char).to_digit(16));
            let byte = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
            bytes.push(byte.filter(|&byte| byte != 0).ok_or_else(invalid)?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| Unusable::new("a part of the URI is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read(text) {
            Ok(values) => {
                values.iter().map(|(keyword, value)| format!("{keyword}={value}")).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.reason,
        }
    }

    #[test]
    fn strings_are_read_as_libpq_reads_them() {
        let table = [
            ("", ""),
            ("host=a  port = 5433", "host=a; port=5433"),
            (r"password='it\'s \\ it' user=b\ c", r"password=it's \ it; user=b c"),
            ("dbname=''", "dbname="),
            ("host=a host=b", "host=b"),
            ("requiressl=1", "sslmode=require"),
            ("postgresql://", ""),
            ("postgres://localhost", "host=localhost"),
            (
                "postgresql://u:p%40w@h:1/d?sslmode=disable&options=-c%20a%3Db",
                "dbname=d; host=h; options=-c a=b; password=p@w; port=1; sslmode=disable; user=u",
            ),
            ("postgresql://u@a:1,b,[::1]:3/", "host=a,b,::1; port=1,,3; user=u"),
            ("postgresql://%2Frun%2Fx:7/?user=me", "host=/run/x; port=7; user=me"),
            ("postgresql:///d?host=/run/x&ssl=true", "dbname=d; host=/run/x; sslmode=require"),
            ("postgresql://:5433", "port=5433"),
            ("host", "missing \"=\" after \"host\" in connection info string"),
            ("host='x", "unterminated quoted string in connection info string"),
            ("hots=x", "invalid connection option \"hots\""),
            ("postgresql://h/?x", "URI query parameter \"x\" is not of the form KEYWORD=VALUE"),
            ("postgresql://h/?nonesuch=1", "invalid connection option \"nonesuch\""),
            ("postgresql://[::1", "an IPv6 address of the URI has no end or is empty"),
            ("postgresql://h/%zz", "a \"%\" in the URI is not followed by two hexadecimal digits"),
            ("mysql://h", "it is no URI of PostgreSQL"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn no_part_of_a_password_is_repeated() {
        for text in [
            "host=h password=hush now",
            "host=h password=hush now=1",
            "postgresql://u:hush@now@h/d",
            "postgresql://u:hush/now@h/d",
            "postgresql://u:hush%now@h/d",
            "postgresql://u:hush now@h/d",
        ] {
            let error = read(text).expect_err(text);
            assert!(!error.reason.contains("hush") && !error.reason.contains("now"), "{text}: {}", error.reason);
        }
    }
}
