//! What the sessions tell, statement by statement: the same of several sessions is told once.

use std::collections::BTreeMap;

use memcheck_core::check::Measure;
use memcheck_core::line::escaped;
use memcheck_core::observed::{LeftRecord, SessionRecord};
use memcheck_core::wire::FindingRecord;
use memcheck_core::{Finding, Site};

use crate::symbols::Symbols;

/// Growth over statements of all kinds is reported from here on (bytes), unless another limit is given: what a session has to
/// remember of each object that it meets is less.
const OF_SESSION: u64 = 8192;

/// So many places are told at which something is left.
const MOST_LEFT: usize = 20;

/// What is found under one heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The heading.
    pub title: String,
    /// Whether its figures are the same from run to run.
    pub is_exact: bool,
    /// How often the statement was executed in a session, at most.
    pub times: u64,
    /// What was found.
    pub findings: Vec<Finding>,
    /// In which sessions, for people.
    pub sessions: Vec<String>,
}

/// All of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Merged {
    /// In the order of their titles.
    pub(super) blocks: Vec<Block>,
    /// What was too small to be reported.
    pub(super) small: usize,
    /// What was left at the end, a line for each place.
    pub(super) left: Vec<String>,
}

/// Who a session is, for people.
fn named(session: &SessionRecord) -> String {
    let who = &session.who;
    let name = if who.application.is_empty() { &who.kind } else { &who.application };
    let place = match (who.database.as_str(), who.role.as_str()) {
        ("", "") => String::new(),
        (database, role) => format!(" ({role}@{database})"),
    };
    format!("{name}{place}")
}

impl Block {
    /// Whether its figures are the same from run to run.
    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }
}

/// Puts together what sessions have told. Growth below `least` bytes is left out; none for the usual limits.
pub(super) fn merge(sessions: &[SessionRecord], least: Option<u64>, symbols: &mut Symbols) -> Merged {
    let mut merged = Merged::default();
    let mut blocks: BTreeMap<String, Block> = BTreeMap::new();
    for session in sessions {
        let of_statements = session.of_statements.iter().map(|statement| {
            let what = if statement.while_running { "running" } else { "statement" };
            let title = format!("{what} {}", escaped(&statement.text, &[]));
            (title, !statement.while_running, statement.times, least.unwrap_or(0), &statement.findings)
        });
        let limit = least.unwrap_or(OF_SESSION);
        let of_session =
            ("session statements together".to_owned(), false, session.executions, limit, &session.of_session);
        for (title, is_exact, times, least, found) in of_statements.chain([of_session]) {
            let (found, small) = read(found, least);
            merged.small += small;
            if found.is_empty() {
                continue;
            }
            let new = || Block { title: title.clone(), is_exact, times: 0, findings: Vec::new(), sessions: Vec::new() };
            let block = blocks.entry(title.clone()).or_insert_with(new);
            block.times = block.times.max(times);
            let name = named(session);
            if !block.sessions.contains(&name) {
                block.sessions.push(name);
            }
            found.into_iter().for_each(|finding| add(&mut block.findings, finding));
        }
    }
    merged.blocks = blocks.into_values().collect();
    let findings = merged.blocks.iter_mut().flat_map(|block| &mut block.findings);
    for finding in findings {
        finding.sites_mut().for_each(|site| symbols.describe(site));
        finding.describe_access();
    }
    merged.left = left(sessions, symbols);
    merged
}

/// The findings that are large enough, and how many are not. What is no growth is told at any size.
fn read(records: &[FindingRecord], least: u64) -> (Vec<Finding>, usize) {
    let findings = records.iter().filter_map(|record| Finding::try_from(record.clone()).ok());
    let is_measured = |finding: &Finding| finding.bytes > 0 && matches!(finding.check.measure(), Measure::Memory(_));
    let (large, small): (Vec<Finding>, Vec<Finding>) =
        findings.partition(|finding| !is_measured(finding) || finding.bytes >= least);
    (large, small.len())
}

/// Adds a finding; of two about the same the larger one stays.
fn add(findings: &mut Vec<Finding>, finding: Finding) {
    let place = |finding: &Finding| finding.site.as_ref().map(|site| (site.frame.library.clone(), site.frame.offset));
    let same = findings
        .iter_mut()
        .find(|other| other.is_about_the_same(&finding) && (finding.bytes > 0 || place(other) == place(&finding)));
    match same {
        Some(other) if finding.bytes > other.bytes => *other = finding,
        Some(_) => {}
        None => findings.push(finding),
    }
}

/// What sessions held at their ends, a line for each place, the most first: what one session held there at most.
fn left(sessions: &[SessionRecord], symbols: &mut Symbols) -> Vec<String> {
    let mut places: BTreeMap<(&[String], &str, u64), (&LeftRecord, usize)> = BTreeMap::new();
    for left in sessions.iter().flat_map(|session| &session.left) {
        let address = &left.site.frame.address;
        let place = places.entry((&left.context_path, &address.library, address.offset)).or_insert((left, 0));
        place.1 += 1;
        if left.bytes > place.0.bytes {
            place.0 = left;
        }
    }
    let mut places: Vec<(&LeftRecord, usize)> = places.into_values().collect();
    places.sort_by_key(|(left, _)| std::cmp::Reverse(left.bytes));
    let more = places.len().saturating_sub(MOST_LEFT);
    let mut lines: Vec<String> = places
        .into_iter()
        .take(MOST_LEFT)
        .map(|(left, sessions)| {
            let mut site = Site::from(&left.site);
            symbols.describe(&mut site);
            let place = match &site.frame.line {
                Some(line) => format!("{} ({}:{})", site.frame.place(), line.file, line.number),
                None => site.frame.place(),
            };
            let path = memcheck_core::ContextPath::new(&left.context_path);
            let by = if left.statement.is_empty() { String::new() } else { format!(", by {}", left.statement) };
            let of = if sessions > 1 { format!(" in each of {sessions} sessions") } else { String::new() };
            let plural = if left.allocations == 1 { "" } else { "s" };
            format!("{} bytes in {} allocation{plural}{of} in {path}, at {place}{by}", left.bytes, left.allocations)
        })
        .collect();
    if more > 0 {
        lines.push(format!("and at {more} more places"));
    }
    lines
}
