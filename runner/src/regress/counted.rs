//! How many statements were repeated, and how many others there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::exec::replay::{Reason, Replayed};

/// The numbers of files.
#[derive(Debug, Default)]
pub struct Counted {
    repeated: u64,
    left_out: BTreeMap<Reason, u64>,
    commands: u64,
}

impl Counted {
    /// Those of these files together.
    pub fn of<'r>(files: impl IntoIterator<Item = &'r Replayed>) -> Self {
        let mut counted = Counted::default();
        for replayed in files {
            counted.repeated += replayed.repeated.len() as u64;
            counted.commands += replayed.commands;
            for (&reason, number) in &replayed.left_out {
                *counted.left_out.entry(reason).or_default() += number;
            }
        }
        counted
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: u64 = self.left_out.values().sum();
        write!(f, "{} of {} statements repeated", self.repeated, self.repeated + others)?;
        let mut reasons: Vec<(&Reason, &u64)> = self.left_out.iter().collect();
        reasons.sort_by_key(|&(_, number)| Reverse(number));
        for (position, (reason, number)) in reasons.into_iter().enumerate() {
            write!(f, "{}{number} {}", if position == 0 { "; of the others " } else { ", " }, reason.as_str())?;
        }
        match self.commands {
            0 => Ok(()),
            number => write!(f, "; {number} of psql's commands left out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_by_how_often_they_hold() {
        let left_out = BTreeMap::from([(Reason::Slow, 1), (Reason::Definition, 9)]);
        let replayed = Replayed { left_out, commands: 2, ..Replayed::default() };
        let expected = "0 of 20 statements repeated; of the others 18 define something, 2 take too long; 4 of psql's commands left out";
        assert_eq!(Counted::of([&replayed, &replayed]).to_string(), expected);
        assert_eq!(Counted::default().to_string(), "0 of 0 statements repeated");
    }
}
