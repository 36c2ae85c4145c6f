//! What has become of violations over several runs, such as those of releases.

use super::{Side, Violation, partner};

/// A violation over all runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// As it was found last.
    pub violation: Violation,
    /// For each run its size; 0 where it was looked for and not found, none where it was not looked for.
    pub sizes: Vec<Option<f64>>,
}

impl Course {
    /// From where it was first found to the last run in which it was looked for: how much larger. None where it has no size there.
    pub fn ratio(&self) -> Option<f64> {
        let first = self.sizes.iter().flatten().find(|size| **size > 0.0)?;
        self.sizes.iter().rev().flatten().next().map(|last| last / first)
    }

    /// What is to be said of it in a word or two.
    pub fn word(&self) -> String {
        let last = self.sizes.iter().rev().flatten().next();
        let runs = self.sizes.iter().flatten().count();
        let found = self.sizes.iter().flatten().filter(|size| **size > 0.0).count();
        match (last, self.ratio()) {
            (Some(0.0), _) => "gone".to_owned(),
            (Some(_), _) if found == 1 && runs > 1 => "new".to_owned(),
            (_, Some(ratio)) => format!("{ratio:.2}x"),
            _ => "-".to_owned(),
        }
    }
}

/// All runs, in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trend {
    /// What they are called.
    pub names: Vec<String>,
    /// Every violation that any of them has found.
    pub courses: Vec<Course>,
}

/// Follows violations from run to run. Where one does not tell versions apart, none does.
pub fn trend(sides: &[Side]) -> Trend {
    let has_versions = sides.iter().all(Side::has_versions);
    let sides: Vec<Side> =
        sides.iter().map(|side| if has_versions { side.clone() } else { side.without_versions() }).collect();
    let mut courses: Vec<Course> = Vec::new();
    for (at, side) in sides.iter().enumerate() {
        let known: Vec<Violation> = courses.iter().map(|course| course.violation.clone()).collect();
        let mut left: Vec<Option<&Violation>> = known.iter().map(Some).collect();
        for violation in &side.violations {
            // Where nothing is measured, it is there or not.
            let size = violation.bytes_per_iter.unwrap_or(1.0).max(f64::MIN_POSITIVE);
            let position = partner(violation, &left).unwrap_or_else(|| {
                let looked_for = |before: &Side| before.has_looked_at(violation).then_some(0.0);
                let sizes = sides[..at].iter().map(looked_for).collect();
                courses.push(Course { violation: violation.clone(), sizes });
                courses.len() - 1
            });
            if let Some(taken) = left.get_mut(position) {
                *taken = None;
            }
            let course = &mut courses[position];
            course.violation = violation.clone();
            course.sizes.push(Some(size));
        }
        for course in courses.iter_mut().filter(|course| course.sizes.len() == at) {
            course.sizes.push(side.has_looked_at(&course.violation).then_some(0.0));
        }
    }
    Trend { names: sides.into_iter().map(|side| side.name).collect(), courses }
}

#[cfg(test)]
mod tests {
    use memcheck_core::Severity;

    use super::*;

    fn side(name: &str, titles: &[&str], sizes: &[(&str, f64)]) -> Side {
        let violation = |&(function, bytes): &(&str, f64)| Violation {
            case: "mine".to_owned(),
            title: titles[0].to_owned(),
            check: "ctx_bloat".to_owned(),
            subject: "TopMemoryContext".to_owned(),
            library: "mine".to_owned(),
            severity: Some(Severity::Info),
            size: format!("{bytes} x1/iter"),
            bytes_per_iter: Some(bytes),
            function: Some(function.to_owned()),
        };
        let looked_at = titles.iter().map(|title| ("mine".to_owned(), (*title).to_owned())).collect();
        Side { name: name.to_owned(), looked_at, violations: sizes.iter().map(violation).collect(), ended: None }
    }

    #[test]
    fn a_violation_is_followed_from_run_to_run() {
        let sides = [
            side("1", &["a"], &[("f", 100.0), ("g", 10.0)]),
            side("2", &["a"], &[("g", 15.0), ("f", 100.0)]),
            side("3", &["other"], &[]),
            side("4", &["a"], &[("g", 20.0), ("h", 1.0)]),
        ];
        let found = trend(&sides);
        let seen: Vec<(&str, &[Option<f64>], String)> = found
            .courses
            .iter()
            .map(|course| (course.violation.function.as_deref().unwrap(), course.sizes.as_slice(), course.word()))
            .collect();
        let expected: [(&str, &[Option<f64>], &str); 3] = [
            ("f", &[Some(100.0), Some(100.0), None, Some(0.0)], "gone"),
            ("g", &[Some(10.0), Some(15.0), None, Some(20.0)], "2.00x"),
            ("h", &[Some(0.0), Some(0.0), None, Some(1.0)], "new"),
        ];
        assert_eq!(seen, expected.map(|(name, sizes, word)| (name, sizes, word.to_owned())));
        assert_eq!(found.names, ["1", "2", "3", "4"]);
    }
}
