//! As much of TextMate's grammars as ours has: rules with `match`, with `begin` and `end`, captures and includes; line by line, as
//! editors do it. What is included from other grammars has no rules here.

use fancy_regex::{Captures, Regex};
use serde_json::Value;

/// A piece of text with its scopes, the outermost first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scoped {
    pub(crate) text: String,
    pub(crate) scopes: Vec<String>,
}

impl Scoped {
    /// Whether one of its scopes is that one, or begins with it.
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope || own.starts_with(&format!("{scope}.")))
    }
}

type CaptureScopes = Vec<(usize, String)>;

enum Rule {
    Match { regex: Regex, name: Option<String>, captures: CaptureScopes },
    Block(Box<Block>),
    Include(String),
}

struct Block {
    begin: Regex,
    end: String,
    name: Option<String>,
    content: Option<String>,
    captures: [CaptureScopes; 2],
    rules: Vec<Rule>,
}

/// A grammar of which every expression compiles.
pub(crate) struct Grammar {
    rules: Vec<Rule>,
    repository: Vec<(String, Vec<Rule>)>,
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).map(|value| value.as_str().unwrap().to_owned())
}

fn regex(pattern: &str) -> Regex {
    // `^` is the beginning of a line for all rules.
    Regex::new(&format!("(?m){pattern}")).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn captures(value: Option<&Value>) -> CaptureScopes {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.map(|(number, scope)| (number.parse().unwrap(), text(scope, "name").unwrap())).collect()
}

fn rule(value: &Value) -> Vec<Rule> {
    if let Some(include) = text(value, "include") {
        return vec![Rule::Include(include)];
    }
    if let Some(pattern) = text(value, "match") {
        return vec![Rule::Match {
            regex: regex(&pattern),
            name: text(value, "name"),
            captures: captures(value.get("captures")),
        }];
    }
    let Some(begin) = text(value, "begin") else { return rules(value) };
    let end = text(value, "end").unwrap();
    // With what has begun it, it has to compile as well.
    regex(&end.replace("\\1", "x"));
    let [first, last] = ["beginCaptures", "endCaptures"].map(|key| captures(value.get(key)));
    vec![Rule::Block(Box::new(Block {
        begin: regex(&begin),
        end,
        name: text(value, "name"),
        content: text(value, "contentName"),
        captures: [first, last],
        rules: rules(value),
    }))]
}

fn rules(value: &Value) -> Vec<Rule> {
    value.get("patterns").and_then(Value::as_array).into_iter().flatten().flat_map(rule).collect()
}

/// A block that is open, with the expression for its end.
struct Open<'g> {
    block: &'g Block,
    end: Regex,
}

impl Grammar {
    pub(crate) fn parse(json: &str) -> Self {
        let value: Value = serde_json::from_str(json).unwrap();
        let repository = value["repository"].as_object().unwrap();
        let grammar = Grammar {
            rules: rules(&value),
            repository: repository.iter().map(|(name, value)| (format!("#{name}"), rule(value))).collect(),
        };
        grammar.repository.iter().for_each(|(_, rules)| grammar.check(rules));
        grammar.check(&grammar.rules);
        grammar
    }

    /// Everything that is included is there.
    fn check(&self, rules: &[Rule]) {
        for rule in rules {
            match rule {
                Rule::Include(name) if name.starts_with('#') => {
                    assert!(self.repository.iter().any(|(own, _)| own == name), "{name} is not there");
                }
                Rule::Block(block) => self.check(&block.rules),
                _ => {}
            }
        }
    }

    /// The rules with those that they include.
    fn all<'g>(&'g self, rules: &'g [Rule], found: &mut Vec<&'g Rule>) {
        for rule in rules {
            match rule {
                Rule::Include(name) => {
                    if let Some((_, rules)) = self.repository.iter().find(|(own, _)| own == name) {
                        self.all(rules, found);
                    }
                }
                rule => found.push(rule),
            }
        }
    }

    /// Cuts a text into pieces with scopes.
    pub(crate) fn scopes(&self, text: &str) -> Vec<Scoped> {
        let mut scoped = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for line in text.split_inclusive('\n') {
            self.line(line, &mut open, &mut scoped);
        }
        scoped
    }

    fn line<'g>(&'g self, line: &str, open: &mut Vec<Open<'g>>, scoped: &mut Vec<Scoped>) {
        let mut at = 0;
        loop {
            let scopes = scopes_of(open, true);
            let mut candidates = Vec::new();
            self.all(open.last().map_or(&self.rules[..], |open| &open.block.rules), &mut candidates);
            let end = open.last().and_then(|open| open.end.captures_from_pos(line, at).unwrap());
            // The first that matches at the first place; the end of a block before its rules.
            let mut best: Option<(usize, Option<&Rule>, Captures<'_, str>)> = None;
            if let Some(captures) = end {
                best = Some((captures.get(0).unwrap().start(), None, captures));
            }
            for rule in candidates {
                let regex = match rule {
                    Rule::Match { regex, .. } => regex,
                    Rule::Block(block) => &block.begin,
                    Rule::Include(_) => continue,
                };
                if let Some(captures) = regex.captures_from_pos(line, at).unwrap() {
                    let whole = captures.get(0).unwrap();
                    let is_empty = whole.start() == whole.end();
                    if !is_empty && best.as_ref().is_none_or(|(start, ..)| whole.start() < *start) {
                        best = Some((whole.start(), Some(rule), captures));
                    }
                }
            }
            let Some((start, rule, found)) = best else {
                push(scoped, &line[at..], scopes);
                return;
            };
            push(scoped, &line[at..start], scopes.clone());
            match rule {
                Some(Rule::Match { name, captures, .. }) => {
                    let scopes = scopes.into_iter().chain(name.clone()).collect::<Vec<_>>();
                    cut(scoped, line, &found, captures, &scopes);
                }
                Some(Rule::Block(block)) => {
                    let scopes = scopes.into_iter().chain(block.name.clone()).collect::<Vec<_>>();
                    cut(scoped, line, &found, &block.captures[0], &scopes);
                    let tag = found.get(1).map_or("", |tag| tag.as_str());
                    open.push(Open { block, end: regex(&block.end.replace("\\1", tag)) });
                }
                _ => {
                    let scopes = scopes_of(open, false);
                    let closed = open.pop().unwrap();
                    cut(scoped, line, &found, &closed.block.captures[1], &scopes);
                }
            }
            at = found.get(0).unwrap().end();
            if at == line.len() {
                return;
            }
        }
    }
}

/// The scopes inside of the blocks that are open, with that of the content of the innermost or without it.
fn scopes_of(open: &[Open], is_content: bool) -> Vec<String> {
    let mut scopes = Vec::new();
    for (depth, Open { block, .. }) in open.iter().enumerate() {
        scopes.extend(block.name.clone());
        scopes.extend(block.content.clone().filter(|_| is_content || depth + 1 < open.len()));
    }
    scopes
}

/// A match by its captures, which do not overlap in our grammar.
fn cut(scoped: &mut Vec<Scoped>, line: &str, found: &Captures<'_, str>, captures: &CaptureScopes, scopes: &[String]) {
    let whole = found.get(0).unwrap();
    let mut at = whole.start();
    for (number, scope) in captures {
        let Some(part) = found.get(*number) else { continue };
        push(scoped, &line[at..part.start()], scopes.to_vec());
        push(scoped, part.as_str(), scopes.iter().chain([scope]).cloned().collect());
        at = part.end();
    }
    push(scoped, &line[at..whole.end()], scopes.to_vec());
}

fn push(scoped: &mut Vec<Scoped>, text: &str, scopes: Vec<String>) {
    match scoped.last_mut() {
        Some(last) if last.scopes == scopes && !text.is_empty() => last.text += text,
        _ if text.is_empty() => {}
        _ => scoped.push(Scoped { text: text.to_owned(), scopes }),
    }
}
