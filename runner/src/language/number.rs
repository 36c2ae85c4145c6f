//! Numbers with PostgreSQL's units.

use std::time::Duration;

/// Why a number was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    /// It does not begin with digits, or has `_` elsewhere than between two of them.
    #[error("invalid number")]
    Syntax,
    /// There is a unit after a plain number.
    #[error("this number takes no unit")]
    NoUnit,
    /// Not a unit of memory.
    #[error("invalid unit of memory")]
    MemoryUnit,
    /// Not a unit of time, or none at all.
    #[error("invalid unit of time")]
    TimeUnit,
    /// Too large.
    #[error("number out of range")]
    OutOfRange,
}

impl NumberError {
    /// What to do about it.
    pub(crate) fn hint(self) -> Option<String> {
        let hint = match self {
            NumberError::Syntax => "digits can be grouped by single underscores, as in 10_000",
            NumberError::MemoryUnit => r#"valid units are "B", "kB", "MB", "GB" and "TB""#,
            NumberError::TimeUnit => r#"valid units are "us", "ms", "s", "min", "h" and "d""#,
            NumberError::NoUnit | NumberError::OutOfRange => return None,
        };
        Some(hint.to_owned())
    }
}

/// Units of memory as in `convert_to_base_unit()` of PostgreSQL's `guc.c`.
const MEMORY_UNITS: [(&str, u64); 6] =
    [("", 1), ("B", 1), ("kB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// Units of time, likewise, in microseconds.
const TIME_UNITS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

/// A number without unit.
pub(crate) fn count(text: &str) -> Result<u64, NumberError> {
    match parse(text)? {
        (number, "") => Ok(number),
        _ => Err(NumberError::NoUnit),
    }
}

/// A number of bytes, with or without unit.
pub(crate) fn bytes(text: &str) -> Result<u64, NumberError> {
    scaled(text, &MEMORY_UNITS, NumberError::MemoryUnit)
}

/// A time, with unit. Blanks may be between the two, as in PostgreSQL's parameters; a spec's grammar has none there.
pub(crate) fn duration(text: &str) -> Result<Duration, NumberError> {
    scaled(text, &TIME_UNITS, NumberError::TimeUnit).map(Duration::from_micros)
}

fn scaled(text: &str, units: &[(&str, u64)], unknown: NumberError) -> Result<u64, NumberError> {
    let (number, unit) = parse(text)?;
    let &(_, factor) = units.iter().find(|&&(name, _)| name == unit.trim_start()).ok_or(unknown)?;
    number.checked_mul(factor).ok_or(NumberError::OutOfRange)
}

/// Splits a number from its unit.
fn parse(text: &str) -> Result<(u64, &str), NumberError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.split('_').any(str::is_empty) {
        return Err(NumberError::Syntax);
    }
    let number = digits.replace('_', "").parse().map_err(|_| NumberError::OutOfRange)?;
    Ok((number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_bytes() {
        let table = [
            ("10", Ok(10)),
            ("2_000", Ok(2000)),
            ("64kB", Ok(65_536)),
            ("1MB", Ok(1 << 20)),
            ("3TB", Ok(3 << 40)),
            ("7B", Ok(7)),
            ("2__0", Err(NumberError::Syntax)),
            ("20_", Err(NumberError::Syntax)),
            ("64KB", Err(NumberError::MemoryUnit)),
            ("99999999999999999999", Err(NumberError::OutOfRange)),
            ("99999999TB", Err(NumberError::OutOfRange)),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn counts_have_no_unit_and_durations_need_one() {
        assert_eq!(count("1_000"), Ok(1000));
        assert_eq!(count("1kB"), Err(NumberError::NoUnit));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("2 min"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("-1s"), Err(NumberError::Syntax));
        assert_eq!(duration("s"), Err(NumberError::Syntax));
        assert_eq!(duration("99999999999999999999s"), Err(NumberError::OutOfRange));
        assert_eq!(duration("18446744073709551615h"), Err(NumberError::OutOfRange));
        assert_eq!(duration("60"), Err(NumberError::TimeUnit));
        assert_eq!(duration("60sec"), Err(NumberError::TimeUnit));
    }
}
