//! What an outcome means, with the golden that is for its server.

use std::path::Path;

use memcheck_core::golden::row::Policy;

use crate::exec::outcome::Outcome;
use crate::golden;
use crate::judge::{Record, Verdict, judge};
use crate::plan::{Case, Environment};
use crate::results::Axes;

/// The verdict on a case that was run, by the golden in that directory.
pub(super) fn verdict(case: &Case, outcome: &Outcome, environment: &Environment, goldens: &Path) -> Verdict {
    let axes = Axes {
        major: environment.major(),
        assertions: outcome.server.as_ref().map_or(environment.assertions, |server| server.assertions),
        arch: environment.arch.to_owned(),
    };
    let record = match case.golden {
        Policy::None => Record::NotWanted,
        _ => record_of(goldens, &case.name, &axes),
    };
    judge(case, outcome, &axes, record)
}

/// What is recorded under a name for a server.
pub fn record_of(goldens: &Path, name: &str, axes: &Axes) -> Record {
    match golden::look_up(goldens, name, axes) {
        Ok(Some(recorded)) => Record::Found(recorded),
        Ok(None) => {
            let path = golden::base_file(goldens, name);
            Record::Missing { is_taken: golden::is_foreign(&path), path }
        }
        Err(error) => Record::Unusable(error),
    }
}
