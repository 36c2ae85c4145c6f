//! What pg_regress says of each test: in words of its own until 15, as TAP from 16 on (pg_regress.c, test_status_print).

use std::time::Duration;

/// The verdict on a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The test's name.
    pub test: String,
    /// Whether its results are as expected.
    pub passed: bool,
    /// Whether nobody minds (`ignore:` of a schedule, until 15).
    pub ignored: bool,
    /// Wall-clock time, where it is told.
    pub took: Option<Duration>,
}

/// The verdicts in what pg_regress has written, in order.
pub fn verdicts(output: &str) -> Vec<Verdict> {
    output.lines().filter_map(|line| tap(line).or_else(|| plain(line))).collect()
}

/// `ok 3         - name                    24 ms`; of tests that run at the same time the sign is a plus.
fn tap(line: &str) -> Option<Verdict> {
    let (passed, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let mut words = rest.split_whitespace();
    words.next()?.parse::<u32>().ok()?;
    words.next().filter(|sign| matches!(*sign, "-" | "+"))?;
    let test = words.next()?.to_owned();
    Some(Verdict { test, passed, ignored: false, took: milliseconds(words) })
}

/// `test name                         ... ok           24 ms`; of tests that run at the same time without the first word.
fn plain(line: &str) -> Option<Verdict> {
    let (name, rest) = line.split_once(" ... ")?;
    let mut name = name.split_whitespace();
    let (first, second) = (name.next()?, name.next());
    let test = match second {
        Some(second) if first == "test" && name.next().is_none() => second,
        None if line.starts_with(' ') => first,
        _ => return None,
    };
    let (passed, ignored, rest) = if let Some(rest) = rest.strip_prefix("failed (ignored)") {
        (false, true, rest)
    } else if let Some(rest) = rest.strip_prefix("FAILED") {
        (false, false, rest)
    } else {
        (true, false, rest.strip_prefix("ok")?)
    };
    Some(Verdict { test: test.to_owned(), passed, ignored, took: milliseconds(rest.split_whitespace()) })
}

fn milliseconds<'a>(words: impl Iterator<Item = &'a str>) -> Option<Duration> {
    let words: Vec<&str> = words.collect();
    let number = words.windows(2).find(|pair| pair[1] == "ms")?[0];
    number.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Vec<(String, bool, bool, Option<u128>)> {
        verdicts(output)
            .into_iter()
            .map(|verdict| (verdict.test, verdict.passed, verdict.ignored, verdict.took.map(|took| took.as_millis())))
            .collect()
    }

    #[test]
    fn in_words() {
        let output = "\
+++ regress install-check in  +++
(using postmaster on /tmp/x, port 6543)
============== dropping database \"contrib_regression\" ==============
DROP DATABASE
============== running regression test queries        ==============
test setup                        ... ok          123 ms
parallel group (2 tests):  b a
     a                            ... FAILED       20 ms
     b                            ... failed (ignored)       5 ms
test crash                        ... FAILED (test process exited with exit code 2)       31 ms

======================
 2 of 4 tests failed.
======================
";
        let expected = [
            ("setup".to_owned(), true, false, Some(123)),
            ("a".to_owned(), false, false, Some(20)),
            ("b".to_owned(), false, true, Some(5)),
            ("crash".to_owned(), false, false, Some(31)),
        ];
        assert_eq!(read(output), expected);
    }

    #[test]
    fn as_tap() {
        let output = "\
# using postmaster on /tmp/x, port 6543
ok 1         - setup                                      64 ms
# parallel group (2 tests):  b a
ok 2         + a                                          20 ms
not ok 3     + b                                        1005 ms
# (test process exited with exit code 2)
1..3
# 1 of 3 tests failed.
ok then
";
        let expected = [
            ("setup".to_owned(), true, false, Some(64)),
            ("a".to_owned(), true, false, Some(20)),
            ("b".to_owned(), false, false, Some(1005)),
        ];
        assert_eq!(read(output), expected);
    }
}
