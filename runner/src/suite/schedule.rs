//! Schedules of pg_regress (pg_regress.c, run_schedule).

/// The groups of a schedule in order: what stands in one line runs at the same time. Lines of other kinds are left out.
pub(super) fn groups(text: &str) -> Vec<Vec<String>> {
    let group = |line: &str| {
        let names = line.trim_end().strip_prefix("test:")?;
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        (!names.is_empty()).then_some(names)
    };
    text.lines().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn a_line_is_a_group() {
        let text = "# first\ntest: setup\n\nignore: random\ntest: a b\tc  \ntest:\n";
        assert_eq!(groups(text), [vec!["setup"], vec!["a", "b", "c"]]);
    }
}
