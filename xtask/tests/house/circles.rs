//! Circles among files that refer to each other.
//!
//! A module and those inside it are a family: it re-exports what they have, and they use what it has, so that a circle which
//! goes through a module and otherwise stays inside it is none. A circle that leaves a family is one, even if it
//! goes through that family from a module to one inside it: `event -> judge -> judge::expectation -> report -> event`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

/// Which file refers to which: for both the lines and paths that do.
#[derive(Default)]
pub(crate) struct References {
    /// The module that each file begins with: names from the root.
    modules: BTreeMap<String, Vec<String>>,
    ties: BTreeMap<String, BTreeMap<String, Vec<Tie>>>,
}

/// What makes a file refer to another.
struct Tie {
    line: usize,
    path: String,
}

impl References {
    /// Makes a file known.
    pub(crate) fn file(&mut self, file: &str, module: &[String]) {
        self.modules.insert(file.to_owned(), module.to_vec());
    }

    /// Notes that a path on a line of `from` leads to `to`.
    pub(crate) fn add(&mut self, from: &str, to: &str, line: usize, path: String) {
        let ties = self.ties.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
        if !ties.iter().any(|present| present.line == line) {
            ties.push(Tie { line, path });
        }
    }

    /// What a file refers to: the other file, the line and the path.
    pub(crate) fn of(&self, from: &str) -> impl Iterator<Item = (&str, usize, &str)> {
        let ties = self.ties.get(from).into_iter().flatten();
        ties.flat_map(|(to, ties)| ties.iter().map(move |tie| (to.as_str(), tie.line, tie.path.as_str())))
    }

    /// Circles that have no reference between families in common, the shortest first: each has to be broken, and when
    /// none is left there is none. Each is its files, in the order of the references; the last refers to the first.
    pub(crate) fn circles(&self) -> Vec<Vec<&str>> {
        let mut between: Vec<(&str, &str)> = Vec::new();
        let mut left: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, tos) in &self.ties {
            left.insert(from, tos.keys().map(String::as_str).collect());
            between.extend(tos.keys().filter(|to| !self.is_family(from, to)).map(|to| (from.as_str(), to.as_str())));
        }
        let mut circles = Vec::new();
        loop {
            let shortest = between.iter().filter_map(|&(from, to)| self.way_back(&left, from, to)).min_by_key(Vec::len);
            let Some(circle) = shortest else { return circles };
            for (position, from) in circle.iter().enumerate() {
                let to = circle[(position + 1) % circle.len()];
                if !self.is_family(from, to) {
                    left.entry(from).or_default().retain(|file| *file != to);
                    between.retain(|tie| *tie != (from, to));
                }
            }
            circles.push(circle);
        }
    }

    /// A circle for people to read: each file with the lines that refer to the next one.
    pub(crate) fn render(&self, circle: &[&str]) -> String {
        let mut text = String::new();
        for (position, &from) in circle.iter().enumerate() {
            let to = circle[(position + 1) % circle.len()];
            writeln!(text, "  {from} refers to {to}").expect("a string");
            for Tie { line, path } in &self.ties[from][to] {
                writeln!(text, "    {from}:{line}: {path}").expect("a string");
            }
        }
        text
    }

    /// Whether one is inside the other.
    fn is_family(&self, one: &str, other: &str) -> bool {
        let (one, other) = (&self.modules[one], &self.modules[other]);
        one.starts_with(other) || other.starts_with(one)
    }

    /// The shortest circle from a file by one that it refers to and back, inside the smallest module that has both in it.
    /// That is enough: a circle that goes further has a reference between files of a larger module.
    fn way_back<'a>(
        &self,
        references: &BTreeMap<&'a str, Vec<&'a str>>,
        from: &'a str,
        to: &'a str,
    ) -> Option<Vec<&'a str>> {
        let names = self.modules[from].iter().zip(&self.modules[to]);
        let common: Vec<&String> = names.take_while(|(a, b)| a == b).map(|(name, _)| name).collect();
        let is_inside = |file: &str| {
            let module = &self.modules[file];
            module.len() > common.len() && module.iter().zip(&common).all(|(name, common)| name == *common)
        };
        let mut came_from = BTreeMap::from([(to, from)]);
        let mut queue = VecDeque::from([to]);
        while let Some(file) = queue.pop_front() {
            if file == from {
                let mut circle = vec![came_from[from]];
                while circle[circle.len() - 1] != from {
                    circle.push(came_from[circle[circle.len() - 1]]);
                }
                circle.reverse();
                return Some(circle);
            }
            for &next in references.get(file).map(Vec::as_slice).unwrap_or_default() {
                if is_inside(next) && !came_from.contains_key(next) {
                    came_from.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}
