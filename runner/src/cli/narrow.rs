//! Which of the planned cases a run is about: those that failed, those of a shard.

use std::str::FromStr;

use clap::Args;

use super::complaint::Complaint;
use super::prepare::Plan;
use super::results::last_run;
use crate::config::Config;
use crate::judge::Status;
use crate::plan::{Environment, hash};
use crate::results::schema::{self, CaseResult};

#[derive(Debug, Args)]
pub(super) struct Narrowing {
    /// Only specs that failed in the last run, on the versions on which they failed
    #[arg(long)]
    failed: bool,

    /// Only the N-th of M parts, as "N/M"; a spec's part follows from its name alone
    #[arg(long, value_name = "N/M")]
    shard: Option<Shard>,
}

impl Narrowing {
    /// Whether it leaves out nothing.
    pub(super) fn is_none(&self) -> bool {
        !self.failed && self.shard.is_none()
    }

    /// Which part of all specs is left.
    pub(super) fn shard(&self) -> Option<schema::Shard> {
        self.shard.map(|Shard { part, of }| schema::Shard { part: part + 1, of })
    }

    /// Leaves out the other cases. A shard may be empty; that nothing has failed is an empty selection.
    pub(super) fn apply(
        &self,
        plan: &mut Plan,
        environments: &[Environment],
        config: &Config,
    ) -> Result<(), Complaint> {
        if self.failed {
            let (_, results) = last_run(&[], config)?;
            let failed: Vec<&CaseResult> =
                results.iter().filter(|result| result.status == Status::Failed.as_str()).collect();
            plan.retain(|case| {
                let major = environments[case.installation].major();
                failed.iter().any(|result| result.case == case.name && result.server.major == major)
            });
            if plan.cases.is_empty() {
                return Err(Complaint::Nothing {
                    message: "none of these specs failed in the last run".to_owned(),
                    hint: Some("without \"--failed\" they are run again".to_owned()),
                });
            }
        }
        if let Some(shard) = &self.shard {
            plan.retain(|case| shard.has(&case.name));
        }
        Ok(())
    }
}

/// `--shard N/M`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    /// From 0.
    part: u64,
    of: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match parsed {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Shard { part: part - 1, of }),
            _ => Err("write N/M with N from 1 to M, such as 1/4".to_owned()),
        }
    }
}

impl Shard {
    /// Whether a case belongs to it: by a hash of its name, so that a new spec moves no other one.
    fn has(&self, name: &str) -> bool {
        hash(name) % self.of == self.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_parts_from_one() {
        assert_eq!("1/4".parse(), Ok(Shard { part: 0, of: 4 }));
        assert_eq!("4/4".parse(), Ok(Shard { part: 3, of: 4 }));
        for bad in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_spec_is_in_one_shard_and_stays_there() {
        let shards: Vec<Shard> = (0..3).map(|part| Shard { part, of: 3 }).collect();
        let of = |name: &str| shards.iter().map(|shard| shard.has(name)).collect::<Vec<_>>();
        for name in ["knn", "sub/knn", "knn[dims=3]", ""] {
            assert_eq!(of(name).into_iter().filter(|has| *has).count(), 1, "{name}");
        }
        // Written down: a change would move specs from one machine to another.
        let table = [("leaky_hooks", 1), ("pgweb", 2), ("quiet_core", 1)];
        for (name, part) in table {
            assert_eq!(of(name).iter().position(|has| *has), Some(part), "{name}");
        }
    }
}
