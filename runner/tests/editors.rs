//! The grammars for editors (contrib/editors) against the language itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcspec::language::{SourceFile, parse, parse_include};
use tree_sitter::{Language, Node, Parser, Query};
use walkdir::WalkDir;

use crate::grammars::textmate::{Grammar, Scoped};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// Every word of the language: the literals of its grammar that are made of letters.
fn words() -> BTreeSet<String> {
    let grammar = read("runner/src/language/grammar.pest");
    let literals =
        grammar.lines().filter(|line| !line.starts_with("//")).flat_map(|line| line.split('"').skip(1).step_by(2));
    let is_word =
        |literal: &&str| literal.len() > 1 && literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let words: BTreeSet<String> = literals.filter(is_word).map(str::to_owned).collect();
    assert!(words.len() > 75 && words.contains("guard_sample") && words.contains("within"), "{words:?}");
    words
}

/// All specs of the repository with what is wrong with them.
fn specs() -> Vec<(PathBuf, String, Vec<String>)> {
    let mut specs = Vec::new();
    for directory in ["specs", "tests", "contrib", "bench", "hunt"] {
        for entry in WalkDir::new(root().join(directory)).into_iter().map(Result::unwrap) {
            let name = entry.file_name().to_str().unwrap_or_default();
            let is_included = name.ends_with(".mcspec.inc");
            if is_included || name.ends_with(".mcspec") {
                let text = fs::read_to_string(entry.path()).unwrap();
                let source = SourceFile::new(entry.path(), text.clone());
                let result = if is_included { parse_include(&source) } else { parse(&source) };
                let messages = result.err().unwrap_or_default().into_iter().map(|error| error.message).collect();
                specs.push((entry.path().to_owned(), text, messages));
            }
        }
    }
    assert!(specs.len() > 150, "{}", specs.len());
    specs
}

/// Whether a message is about how the file is written, and not about what the words in it mean.
fn is_about_syntax(message: &str) -> bool {
    // The words of closed lists are words of any kind for pest; of these tree-sitter has one list.
    let kinds = ["expected ", "unexpected ", "unterminated ", "unknown clause", "unknown severity"];
    kinds.iter().any(|kind| message.starts_with(kind))
        || message.contains(" belongs in ") && !message.contains("\"expect\" of")
        || message.contains(" come before ")
}

/// The parser, compiled by the C compiler that extensions are compiled by.
fn language() -> Language {
    let sources = root().join("contrib/editors/tree-sitter-mcspec/src");
    let directory = tempfile::tempdir().unwrap();
    let library = directory.path().join("mcspec.so");
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I"]).arg(&sources).arg("-o").arg(&library);
    let output = compiler.args(["parser.c", "scanner.c"].map(|file| sources.join(file))).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    crate::grammars::library::language(&library)
}

fn errors(node: Node, errors: &mut Vec<String>) {
    if node.is_error() || node.is_missing() {
        let place = node.start_position();
        errors.push(format!("{}:{}: {}", place.row + 1, place.column + 1, node.to_sexp()));
    }
    let mut cursor = node.walk();
    node.children(&mut cursor).for_each(|child| self::errors(child, errors));
}

#[test]
fn tree_sitter_reads_what_mcspec_reads_and_no_more() {
    let mut parser = Parser::new();
    let language = language();
    parser.set_language(&language).unwrap();
    let mut differing = String::new();
    let (mut read, mut refused) = (0, 0);
    for (path, text, messages) in specs() {
        // A scenario has its name on its own line; for tree-sitter the next one will do.
        if path.ends_with("tests/ui/carriage_returns.mcspec") {
            continue;
        }
        let tree = parser.parse(&text, None).unwrap();
        let mut found = Vec::new();
        errors(tree.root_node(), &mut found);
        match (messages.iter().find(|message| is_about_syntax(message)), found.first()) {
            (Some(_), Some(_)) => refused += 1,
            (None, None) => read += 1,
            (Some(message), None) => differing += &format!("{}: tree-sitter has no error: {message}\n", path.display()),
            (None, Some(error)) => differing += &format!("{}:{error}\n", path.display()),
        }
    }
    assert!(differing.is_empty(), "{differing}");
    assert!(read > 100 && refused > 30, "{read} and {refused}");
    for file in ["highlights", "folds", "injections"] {
        let query = self::read(&format!("contrib/editors/tree-sitter-mcspec/queries/{file}.scm"));
        Query::new(&language, &query).unwrap_or_else(|error| panic!("{file}.scm: {error}"));
    }
}

/// What is made is of the very `grammar.js` that is there, and nobody has written to it since: by the sums that are written down when it
/// is made.
#[test]
fn the_parser_was_made_of_the_grammar() {
    let folder = "contrib/editors/tree-sitter-mcspec";
    let fnv = |text: &str| {
        let add = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, add)
    };
    let sum = |file: &str| format!("{:016x}  {file}\n", fnv(&read(&format!("{folder}/{file}"))));
    let now = ["grammar.js", "src/grammar.json", "src/node-types.json", "src/parser.c"].map(sum).concat();
    let again = "cargo run --manifest-path contrib/editors/generate/Cargo.toml";
    assert_eq!(read(&format!("{folder}/src/sums")), now, "a file was changed since the parser was made: {again}");
    assert_ne!(
        sum("grammar.js"),
        format!("{:016x}  grammar.js\n", fnv(&(read(&format!("{folder}/grammar.js")) + " ")))
    );
}

/// What is made has to be of the grammar that is there: it has all of its rules, words and nothing else.
#[test]
fn the_parser_is_that_of_the_grammar() {
    let folder = "contrib/editors/tree-sitter-mcspec";
    let (grammar, json, parser) = (
        read(&format!("{folder}/grammar.js")),
        read(&format!("{folder}/src/grammar.json")),
        read(&format!("{folder}/src/parser.c")),
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rules: Vec<&String> = json["rules"].as_object().unwrap().keys().collect();
    let (_, body) = grammar.split_once("\n  rules: {\n").unwrap();
    let written: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": (").map(|(name, _)| name))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect();
    let (mut made, mut by_hand) = (rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>(), written);
    made.sort_unstable();
    by_hand.sort_unstable();
    assert_eq!(made, by_hand, "cargo run --manifest-path contrib/editors/generate/Cargo.toml");
    for word in words() {
        assert!(grammar.contains(&format!("'{word}'")), "grammar.js lacks {word}");
        assert!(parser.contains(&format!("= \"{word}\",")), "parser.c lacks {word}");
        let highlights = read(&format!("{folder}/queries/highlights.scm"));
        // Severities are a rule of their own.
        let is_colored = highlights.contains(&format!("\"{word}\"")) || ["info", "warning"].contains(&word.as_str());
        assert!(is_colored, "highlights.scm lacks {word}");
    }
}

fn textmate() -> Grammar {
    Grammar::parse(&read("contrib/editors/textmate/mcspec.tmLanguage.json"))
}

#[test]
fn textmate_knows_every_word() {
    let grammar = textmate();
    for word in words() {
        let line = format!("  {word} ");
        let scoped = grammar.scopes(&line);
        let found = scoped.iter().find(|scoped| scoped.text == word);
        assert!(
            found.is_some_and(|found| found.has("keyword") || found.has("constant.language")),
            "{word}: {scoped:?}"
        );
    }
}

#[test]
fn tokens_have_their_scopes() {
    let grammar = textmate();
    let text = "# a comment\n\
                title 'scenario # not a comment'\n\
                set work_mem = '64kB'\n\
                conf { a = 'x}' # don't }\n}\n\
                setup {\n  SELECT '}', \"}\", $$}$$, E'\\'}' /* } */; -- it's\n}\n\
                scenario growth_benchmark \"a name\"\n  iterations 1_000\n  workload one { SELECT :rows }\n  \
                expect ctx_bloat warning in 'My%' bytes 10 .. 20 per iteration\n  expect none\n\
                session s1\n  step setup $sql$ SELECT $$}$$ $sql$\npermutation setup\n";
    let scoped = grammar.scopes(text);
    for (token, scope) in [
        ("# a comment", "comment.line"),
        ("title", "keyword.control"),
        ("'scenario # not a comment'", "string.quoted.single"),
        ("work_mem", "variable.parameter"),
        ("conf", "keyword.control"),
        ("# don't }", "comment.line"),
        ("growth_benchmark", "entity.name.type"),
        ("\"a name\"", "entity.name.function"),
        ("1_000", "constant.numeric"),
        ("workload", "keyword.control"),
        ("one", "entity.name.function"),
        ("ctx_bloat", "constant.other.check"),
        ("warning", "constant.language"),
        ("per", "keyword.other"),
        ("..", "keyword.operator"),
        ("none", "keyword.other"),
        ("s1", "entity.name.function"),
        ("-- it's", "comment.line.double-dash"),
        ("permutation", "keyword.control"),
    ] {
        let found: Vec<&Scoped> = scoped.iter().filter(|scoped| scoped.text == token).collect();
        assert!(found.iter().any(|found| found.has(scope)), "{token} is no {scope}: {found:?}");
    }
    // Nothing of a block is taken for its end, and nothing in it for a clause.
    let sql: String = scoped
        .iter()
        .filter(|scoped| scoped.has("meta.embedded.block.sql"))
        .map(|scoped| scoped.text.as_str())
        .collect();
    assert!(
        sql.contains("E'\\'}' /* } */; -- it's") && sql.contains("SELECT :rows") && sql.contains("SELECT $$}$$"),
        "{sql}"
    );
    assert!(!sql.contains("iterations") && !sql.contains("permutation"), "{sql}");
}

/// A block that did not end where it ends would swallow the clauses behind it.
#[test]
fn every_clause_of_every_spec_is_a_keyword() {
    let grammar = textmate();
    for (path, text, messages) in specs() {
        if !messages.is_empty() {
            continue;
        }
        let clauses = |scoped: &[Scoped]| scoped.iter().filter(|scoped| scoped.has("keyword.control")).count();
        let scoped = grammar.scopes(&text);
        let whole: String = scoped.iter().map(|scoped| scoped.text.as_str()).collect();
        assert_eq!(whole, text, "{}", path.display());
        let last = ["expect", "permutation", "workload", "scenario", "teardown"]
            .iter()
            .filter_map(|word| text.rfind(&format!("\n{word} ")).or_else(|| text.rfind(&format!("\n  {word} "))))
            .max();
        let Some(last) = last else { continue };
        let before: Vec<Scoped> = grammar.scopes(&text[..last]);
        assert!(clauses(&scoped) > clauses(&before), "{}: what follows {last} is not seen", path.display());
    }
}
