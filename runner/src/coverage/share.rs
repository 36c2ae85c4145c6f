//! So many of so many.

use std::fmt;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// So many.
    pub reached: usize,
    /// Of so many.
    pub all: usize,
}

impl Share {
    /// Counts.
    pub fn of(reached: impl Iterator<Item = bool>) -> Self {
        reached.fold(Share::default(), |share, is_reached| Share {
            reached: share.reached + usize::from(is_reached),
            all: share.all + 1,
        })
    }

    /// Tenths of a percent, rounded down, so that only all are all. Of nothing all was reached.
    fn tenths(self) -> usize {
        (self.reached * 1000).checked_div(self.all).unwrap_or(1000)
    }

    /// Percent.
    pub fn percent(self) -> f64 {
        self.tenths() as f64 / 10.0
    }

    /// Whether it is at least so many percent.
    pub fn is_at_least(self, percent: u32) -> bool {
        self.reached * 100 >= self.all * percent as usize
    }
}

/// `41 of 52 (78.8 %)`
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.tenths();
        write!(f, "{} of {} ({}.{} %)", self.reached, self.all, tenths / 10, tenths % 10)
    }
}
