//! What is made to fail.

use std::fmt;
use std::str::FromStr;

/// What is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Plan {
    #[default]
    Nothing,
    /// Nothing; it is counted what could, and which of them are worth it: so many of each site.
    Count { first: u32 },
    /// The one with this number, or all from that one on.
    Numbered { number: u64, goes_on: bool },
    /// What would have the targets hold more than this.
    Limit { bytes: u64 },
    /// As [`Plan::Count`], of all points at which a call can be cancelled: allocations, behind which the next check for interrupts
    /// would do it, and the targets' own checks.
    Points { first: u32 },
    /// The call is cancelled at the point with this number, or the process ended.
    Cancel { number: u64, ends: bool },
}

/// A text that is no plan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadPlan;

/// `7` is the seventh, `7+` all from the seventh on, and nothing is nothing.
impl FromStr for Plan {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Plan::Nothing);
        }
        let (digits, goes_on) = text.strip_suffix('+').map_or((text, false), |digits| (digits, true));
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(number @ 1..) if is_number => Ok(Plan::Numbered { number, goes_on }),
            _ => Err(BadPlan),
        }
    }
}

/// As it is read.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Numbered { number, goes_on: false } => write!(f, "{number}"),
            Plan::Numbered { number, goes_on: true } => write!(f, "{number}+"),
            Plan::Nothing | Plan::Count { .. } | Plan::Limit { .. } | Plan::Points { .. } | Plan::Cancel { .. } => {
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read() {
        let numbered = |number, goes_on| Ok(Plan::Numbered { number, goes_on });
        let table = [
            ("", Ok(Plan::Nothing)),
            (" ", Ok(Plan::Nothing)),
            ("7", numbered(7, false)),
            ("7+", numbered(7, true)),
            (" 12+ ", numbered(12, true)),
            ("0", Err(BadPlan)),
            ("+", Err(BadPlan)),
            ("+7", Err(BadPlan)),
            ("-7", Err(BadPlan)),
            ("7++", Err(BadPlan)),
            ("seven", Err(BadPlan)),
            ("99999999999999999999", Err(BadPlan)),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Plan>(), expected, "{text}");
        }
        for text in ["7", "7+", ""] {
            assert_eq!(text.parse::<Plan>().unwrap().to_string(), text);
        }
    }
}
