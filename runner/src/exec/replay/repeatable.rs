//! Which statements can be executed again and again, and how.

use crate::language::sql::scan::{Kind, Tokens};
use crate::language::sql::split;

/// How a statement is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As it is, where it changes nothing; otherwise each execution is rolled back.
    Reading,
    /// Each execution is rolled back.
    Undone,
    /// As it is: a second time it does the same as the first.
    Idempotent,
    /// It cannot be.
    Not(Reason),
}

/// Why a statement is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// What it makes is there, what it drops is gone.
    Definition,
    /// It begins or ends a transaction or a part of one, or changes who works in it.
    Transaction,
    /// It makes, moves or uses up something of the session.
    Session,
    /// Several statements are sent as one.
    Several,
    /// psql sends it in another way, or does something with its result.
    Command,
    /// It fails in a transaction, which has failed then.
    Failed,
    /// It does something else when it is executed again.
    Differs,
    /// There is not enough time.
    Slow,
    /// It stands in a branch that is not taken.
    Branch,
    /// The session had ended before.
    Ended,
}

impl Reason {
    /// A clause that says so of several.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Definition => "define something",
            Reason::Transaction => "are about the transaction",
            Reason::Session => "are about the session",
            Reason::Several => "are sent together with others",
            Reason::Command => "are for a command of psql's",
            Reason::Failed => "fail in a transaction",
            Reason::Differs => "do something else when they are executed again",
            Reason::Slow => "take too long",
            Reason::Branch => "are in a branch that is not taken",
            Reason::Ended => "come after the end of the session",
        }
    }
}

/// Statements by their first words; the first line that fits counts.
const WAYS: &[(&str, Way)] = &[
    ("select", Way::Reading),
    ("with", Way::Reading),
    ("values", Way::Reading),
    ("table", Way::Reading),
    ("show", Way::Reading),
    ("explain", Way::Reading),
    ("execute", Way::Reading),
    ("do", Way::Reading),
    ("call", Way::Reading),
    ("insert", Way::Undone),
    ("update", Way::Undone),
    ("delete", Way::Undone),
    ("merge", Way::Undone),
    ("copy", Way::Undone),
    ("truncate", Way::Undone),
    ("notify", Way::Undone),
    ("analyze", Way::Idempotent),
    ("analyse", Way::Idempotent),
    ("vacuum", Way::Idempotent),
    ("reindex", Way::Idempotent),
    ("refresh", Way::Idempotent),
    ("cluster", Way::Idempotent),
    ("set transaction", Way::Not(Reason::Transaction)),
    ("set session", Way::Not(Reason::Transaction)),
    ("set role", Way::Not(Reason::Transaction)),
    ("set", Way::Idempotent),
    ("reset", Way::Idempotent),
    ("begin", Way::Not(Reason::Transaction)),
    ("start", Way::Not(Reason::Transaction)),
    ("commit", Way::Not(Reason::Transaction)),
    ("end", Way::Not(Reason::Transaction)),
    ("rollback", Way::Not(Reason::Transaction)),
    ("abort", Way::Not(Reason::Transaction)),
    ("savepoint", Way::Not(Reason::Transaction)),
    ("release", Way::Not(Reason::Transaction)),
    ("prepare transaction", Way::Not(Reason::Transaction)),
    ("lock", Way::Not(Reason::Transaction)),
    ("prepare", Way::Not(Reason::Session)),
    ("deallocate", Way::Not(Reason::Session)),
    ("declare", Way::Not(Reason::Session)),
    ("fetch", Way::Not(Reason::Session)),
    ("move", Way::Not(Reason::Session)),
    ("close", Way::Not(Reason::Session)),
    ("listen", Way::Not(Reason::Session)),
    ("unlisten", Way::Not(Reason::Session)),
    ("load", Way::Not(Reason::Session)),
    ("discard", Way::Not(Reason::Session)),
    ("checkpoint", Way::Not(Reason::Session)),
];

/// How a text can be repeated, by what it begins with. What is not known defines something.
pub(super) fn way(text: &str) -> Way {
    if split(text).len() != 1 {
        return Way::Not(Reason::Several);
    }
    let tokens = Tokens::new(text, 0).filter(|token| !token.is_blank());
    let mut words = tokens
        .skip_while(|token| &text[token.span.clone()] == "(")
        .take_while(|token| token.kind == Kind::Word)
        .map(|token| text[token.span].to_ascii_lowercase());
    let Some(first) = words.next() else { return Way::Not(Reason::Definition) };
    let both = words.next().map(|second| format!("{first} {second}"));
    let fits = |known: &str| known == first || both.as_deref() == Some(known);
    WAYS.iter().find(|(known, _)| fits(known)).map_or(Way::Not(Reason::Definition), |&(_, way)| way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_by_what_they_begin_with() {
        let table = [
            ("SELECT 1", Way::Reading),
            ("/* a */ -- b\n((select 1) union select 2)", Way::Reading),
            ("with x as (insert into t values (1)) select 1", Way::Reading),
            ("INSERT INTO t VALUES (1)", Way::Undone),
            ("COPY t FROM stdin", Way::Undone),
            ("SET search_path = x", Way::Idempotent),
            ("SET LOCAL x = 1", Way::Idempotent),
            ("set session authorization a", Way::Not(Reason::Transaction)),
            ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Way::Not(Reason::Transaction)),
            ("PREPARE TRANSACTION 'x'", Way::Not(Reason::Transaction)),
            ("PREPARE p AS SELECT 1", Way::Not(Reason::Session)),
            ("CREATE TABLE t (a int)", Way::Not(Reason::Definition)),
            ("BEGIN", Way::Not(Reason::Transaction)),
            ("SELECT 1; SELECT 2", Way::Not(Reason::Several)),
            ("nonsense", Way::Not(Reason::Definition)),
            ("", Way::Not(Reason::Several)),
        ];
        for (text, expected) in table {
            assert_eq!(way(text), expected, "{text}");
        }
    }
}
