//! What a scenario does, for somebody who has its findings before them.

use super::load::Loaded;
use super::sessions::{scenario_title, title};
use crate::language::ast::WorkloadSource;

/// The statements of a scenario or a permutation, as they are written; empty for a title that the spec does not have.
pub fn workload(loaded: &Loaded, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for scenario in loaded.spec.scenarios.iter().filter(|scenario| scenario_title(scenario) == wanted) {
        for workload in &scenario.workloads {
            let text = match &workload.source {
                WorkloadSource::Inline(block) => Some(block.text.as_str()),
                WorkloadSource::File(file) => loaded.workload_files.get(&file.value).map(|file| file.text.as_str()),
            };
            let name = workload.name.as_ref().map_or(String::new(), |name| format!("{}: ", name.value));
            lines.extend(outdented(&name, text.unwrap_or_default()));
        }
    }
    // Of several of one title, whose copies are numbered, each has the same steps.
    let is_it = |steps: &[_]| {
        let own = title(steps);
        wanted == own || wanted.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with(" #"))
    };
    for permutation in loaded.permutations().into_iter().filter(|steps| is_it(steps)).take(1) {
        for step in &permutation {
            let steps = loaded.spec.sessions.iter().flat_map(|session| &session.steps);
            let named = steps.filter(|other| other.name.value == step.name.value);
            lines.extend(named.flat_map(|named| outdented(&format!("{}: ", step.name.value), &named.sql.text)));
        }
    }
    lines
}

/// The lines of a block, without what all of them are indented by. The first one stands behind the name.
fn outdented(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let depth = |line: &&str| line.len() - line.trim_start().len();
    // What stands behind the brace has no indentation of its own.
    let first_depth = if text.starts_with('\n') { None } else { lines.first() };
    let common = lines.iter().filter(|line| Some(*line) != first_depth).map(depth).min().unwrap_or(0);
    let cut = |line: &str| line.get(common.min(line.len() - line.trim_start().len())..).unwrap_or(line).to_owned();
    let mut lines: Vec<String> = lines.into_iter().map(cut).collect();
    if let Some(first) = lines.first_mut() {
        *first = format!("{name}{}", first.trim_start());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load;

    #[test]
    fn statements_are_shown_as_they_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.mcspec");
        std::fs::write(directory.path().join("w.sql"), "SELECT 3;\n").unwrap();
        let text = "scenario window a\n  workload { SELECT 1 }\nscenario window b\n  workload one {\n    SELECT 1,\n      2;\n  }\n\
                    scenario window c\n  workload file 'w.sql'\n";
        std::fs::write(&path, text).unwrap();
        let loaded = load("x", &path).unwrap();
        assert_eq!(workload(&loaded, "scenario window a"), ["SELECT 1"]);
        assert_eq!(workload(&loaded, "scenario window b"), ["one: SELECT 1,", "  2;"]);
        assert_eq!(workload(&loaded, "scenario window c"), ["SELECT 3;"]);
        assert!(workload(&loaded, "scenario window d").is_empty());
        std::fs::write(&path, "session s\n  step a { SELECT 1 }\n  step b { SELECT 2 }\npermutation b a\n").unwrap();
        assert_eq!(workload(&load("x", &path).unwrap(), "permutation b a"), ["b: SELECT 2", "a: SELECT 1"]);
    }
}
