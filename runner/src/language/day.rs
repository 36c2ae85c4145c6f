//! Days of the calendar, as `until` has them.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// The environment variable that sets the day for a test.
pub const TODAY: &str = "MCSPEC_TODAY";

/// A day: the year, the month and the day of the month. They are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// What is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid date \"{0}\"")]
pub struct BadDay(pub String);

impl BadDay {
    /// What to write instead.
    pub const HINT: &'static str = "write year, month and day, as in 2027-01-31";
}

impl Day {
    /// The first day there is: before everything.
    pub const FIRST: Day = Day { year: 1, month: 1, day: 1 };

    /// The day it is, in UTC; what [`TODAY`] says where it says something.
    ///
    /// # Errors
    ///
    /// It says something else.
    pub fn today() -> Result<Self, BadDay> {
        match std::env::var(TODAY) {
            Ok(day) if !day.is_empty() => day.parse(),
            _ => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                Ok(Self::since_1970(now / (24 * 60 * 60)))
            }
        }
    }

    /// The day so many days after 1970-01-01. A year is counted from March, so that the day that some have more is its last.
    fn since_1970(days: u64) -> Self {
        // From 0000-03-01, in periods of 400 years.
        let days = days + 719_468;
        let (period, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, over) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        let year = u16::try_from(period * 400 + year + over).unwrap_or(u16::MAX);
        Day { year, month: small(month), day: small(day) }
    }

    fn length_of_month(year: u16, month: u8) -> u8 {
        let is_long = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        match month {
            2 if is_long => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

/// `2027-01-31`
impl FromStr for Day {
    type Err = BadDay;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str, digits: usize| {
            let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten()
        };
        let read = || {
            let mut parts = text.split('-');
            let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
            let (year, month, day) = (part(year, 4)?, part(month, 2)?, part(day, 2)?);
            let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
            let exists =
                year > 0 && (1..=12).contains(&month) && (1..=Day::length_of_month(year, month)).contains(&day);
            (parts.next().is_none() && exists).then_some(Day { year, month, day })
        };
        read().ok_or_else(|| BadDay(text.to_owned()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_written() {
        for text in ["2027-01-31", "2028-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
            assert_eq!(text.parse::<Day>().map(|day| day.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "2027", "2027-1-1", "2027-02-29", "2100-02-29", "2027-13-01", "2027-00-10", "2027-04-31", "27-01-01"]
        {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert!("2027-01-31-".parse::<Day>().is_err() && "0000-01-01".parse::<Day>().is_err());
    }

    #[test]
    fn days_are_counted_from_1970() {
        let table = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_784, "2026-11-27"),
            (20_819, "2027-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, expected) in table {
            assert_eq!(Day::since_1970(days).to_string(), expected, "{days}");
        }
        assert!(Day::FIRST < Day::since_1970(0) && Day::since_1970(364) < Day::since_1970(365));
    }
}
