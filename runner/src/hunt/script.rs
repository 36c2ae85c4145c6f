//! A call in one way, as the scenario of a spec: what is found by it is found by the spec that is written of it.

use std::fmt::Write;

use memcheck_core::ScenarioKind;

use crate::init::draft::needs;
use crate::language::SourceFile;
use crate::language::sql::{Variables, substitute_known};
use crate::plan::{Case, Defaults, Environment, Overrides, cases, load_source};

/// Executions before a window of a hunt: what is looked at was executed before.
pub(super) const WARMUP: u64 = 3;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// How it is looked at: `growth_benchmark`, or `query_peak` with `:rows` in the workload.
    pub kind: ScenarioKind,
    /// What has to be there: may be executed again where it is.
    pub prelude: Vec<String>,
    /// Once, before.
    pub setup: Vec<String>,
    /// Again and again.
    pub workload: Vec<String>,
    /// Once, behind.
    pub teardown: Vec<String>,
    /// The SQLSTATE that every execution fails with.
    pub error: Option<String>,
    /// Whether it may take memory for each row as long as it runs, as an aggregate does that collects.
    pub collects: bool,
    /// Of `query_peak`: numbers of rows.
    pub rows: &'static str,
}

/// Numbers of rows, and sizes of arguments.
const ROWS: &str = "200, 400, 800";
const SIZES: &str = "500, 1000, 2000, 4000";

impl Script {
    /// Statements that are repeated.
    pub fn repeated(workload: Vec<String>) -> Self {
        Script {
            kind: ScenarioKind::GrowthBenchmark,
            prelude: Vec::new(),
            setup: Vec::new(),
            workload,
            teardown: Vec::new(),
            error: None,
            collects: false,
            rows: ROWS,
        }
    }

    /// A statement that is run over `:rows` rows.
    pub fn over_rows(statement: String) -> Self {
        Script { kind: ScenarioKind::QueryPeak, ..Script::repeated(vec![statement]) }
    }

    /// What is executed once before the workload, in order.
    pub fn before(&self) -> impl Iterator<Item = &String> {
        self.prelude.iter().chain(&self.setup)
    }

    /// A statement that is given an argument of a size: what grows with it is as it should be, unless it grows faster.
    pub fn over_size(statement: String) -> Self {
        Script { collects: true, rows: SIZES, ..Script::over_rows(statement) }
    }

    /// The workload of that execution, by its number.
    pub fn execution(&self, number: u64) -> Vec<String> {
        let mut variables = Variables::default();
        variables.set("i", number.to_string());
        self.workload.iter().map(|sql| substitute_known(sql, &variables).into_owned()).collect()
    }

    /// All statements, in order.
    pub fn statements(&self) -> impl Iterator<Item = &String> {
        self.before().chain(&self.workload).chain(&self.teardown)
    }
}

/// Whose bugs are looked for: what the head of each spec says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The extension.
    pub extension: Option<String>,
    /// Libraries to preload.
    pub preload: Vec<String>,
    /// Lines of postgresql.conf.
    pub conf: Vec<String>,
}

impl Head {
    /// Its lines.
    pub fn text(&self) -> String {
        needs(self.extension.as_deref(), &self.preload, None, &self.conf)
    }
}

/// A scenario of that name. `more` are lines of clauses.
///
/// Statements in braces have none that is not closed; otherwise they stand between two tags that they do not contain.
pub fn scenario(script: &Script, name: &str, more: &str) -> String {
    let mut tag = "$mcspec$".to_owned();
    while script.statements().any(|sql| sql.contains(&tag)) {
        tag.insert(tag.len() - 1, '_');
    }
    let is_plain = |sql: &String| !sql.contains(['{', '}', '$', '\'', '"', '-', '/', '\\']);
    let block = |statements: &[&String]| {
        let lines: Vec<String> = statements.iter().map(|sql| format!("{sql};")).collect();
        let (open, close) =
            if statements.iter().copied().all(is_plain) { ("{", "}") } else { (tag.as_str(), tag.as_str()) };
        match lines.len() > 1 || lines.iter().any(|line| line.len() > 90) {
            true => format!("{open}\n    {}\n  {close}", lines.join("\n    ")),
            false => format!("{open} {} {close}", lines.join(" ")),
        }
    };
    let mut text = format!("scenario {} {name}\n", script.kind.as_str());
    let [before, workload, behind] =
        [script.before().collect::<Vec<_>>(), script.workload.iter().collect(), script.teardown.iter().collect()];
    if !before.is_empty() {
        let _ = writeln!(text, "  setup {}", block(&before));
    }
    if !behind.is_empty() {
        let _ = writeln!(text, "  teardown {}", block(&behind));
    }
    if script.kind == ScenarioKind::QueryPeak {
        let _ = writeln!(text, "  rows in ({})", script.rows);
        if script.collects {
            text += "  growth linear\n";
        }
    }
    text += more;
    let _ = writeln!(text, "  workload {}", block(&workload));
    if let Some(error) = &script.error {
        let _ = writeln!(text, "  expect error '{error}'");
    }
    text
}

/// The case of a spec with one scenario; none where what is sent cannot be written in a spec.
pub fn case(head: &Head, script: &Script, environment: &Environment, iterations: u64) -> Option<Case> {
    let more = match script.kind {
        ScenarioKind::QueryPeak => String::new(),
        _ => format!("  iterations {iterations}\n  warmup {}\n", WARMUP.min(iterations)),
    };
    let text = format!("{}\n{}", head.text(), scenario(script, "hunted", &more));
    let loaded = load_source("hunt", SourceFile::new("hunt.mcspec", text)).ok()?;
    let cases = cases(&loaded, environment, &Overrides::default(), Defaults::default()).ok()?;
    cases.into_iter().next().filter(|case| case.scenarios.len() == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Values;

    #[test]
    fn a_script_is_read_as_it_was_meant() {
        let head = Head {
            extension: Some("x-y".to_owned()),
            preload: vec!["x".to_owned()],
            conf: vec!["x.a = '1'".to_owned()],
        };
        let script = Script {
            prelude: vec!["CREATE TABLE IF NOT EXISTS s ()".to_owned()],
            setup: vec!["CREATE TABLE t ()".to_owned()],
            teardown: vec!["DROP TABLE t".to_owned()],
            error: Some("22012".to_owned()),
            ..Script::repeated(vec!["SELECT '}', $$a'b$$".to_owned(), "SELECT 1 / 0".to_owned()])
        };
        let case = case(&head, &script, &Environment::nominal(180_000), 40).expect("it can be written");
        let scenario = &case.scenarios[0];
        assert_eq!(scenario.iterations, 40);
        assert_eq!(scenario.setup.iter().flat_map(|block| &block.statements).count(), 2);
        assert_eq!(scenario.expected_error.as_deref(), Some("22012"));
        assert_eq!(case.preload, ["x"]);
        let texts: Vec<String> =
            scenario.workload.statements.iter().map(|one| one.text(Values::default()).into_owned()).collect();
        assert_eq!(texts, script.workload);
        let peak = Script::over_rows("SELECT count(f(1)) FROM generate_series(1, :rows)".to_owned());
        assert!(super::case(&head, &peak, &Environment::nominal(150_000), 0).is_some());
    }

    proptest! {
        #[test]
        fn literals_keep_their_text(text in r"[a'{};$:\\ \n-]{0,12}") {
            let sql = format!("SELECT {}", crate::hunt::quoted(&text));
            let script = Script::repeated(vec![sql.clone()]);
            if let Some(case) = case(&Head::default(), &script, &Environment::nominal(180_000), 20) {
                let statements = &case.scenarios[0].workload.statements;
                prop_assert_eq!(statements.len(), 1);
                prop_assert_eq!(statements[0].text(Values::default()), sql);
            } else {
                prop_assert!(false, "{sql} cannot be written");
            }
        }
    }
}
