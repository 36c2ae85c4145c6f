//! Power-of-two ranges of bytes, in which untraced sizes are compared.
//!
//! Chunk rounding and header size differ between versions of PostgreSQL, so the bytes in use after the same allocations do
//! too; ranges that double agree.

use std::fmt;
use std::str::FromStr;

/// The smallest range ends here (bytes, exclusive).
pub const FLOOR: u64 = 64;

/// How far beyond an edge a value still belongs to the neighbouring range (bytes).
pub const EDGE: f64 = 64.0;

/// A range of bytes: below 64 B, or from a power of two up to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Inclusive lower edge; 0 for the lowest range.
    lower: u64,
}

impl Bucket {
    /// The range a value falls in. Negative values fall in the lowest.
    pub fn of(bytes: f64) -> Self {
        let mut lower = 0;
        let mut edge = FLOOR;
        while bytes >= edge as f64 && edge < 1 << 62 {
            lower = edge;
            edge *= 2;
        }
        Bucket { lower }
    }

    /// Inclusive lower edge in bytes.
    pub fn lower(self) -> u64 {
        self.lower
    }

    /// Exclusive upper edge in bytes.
    pub fn upper(self) -> u64 {
        if self.lower == 0 { FLOOR } else { self.lower * 2 }
    }

    /// Whether a value is in this range or within [`EDGE`] of it.
    pub fn admits(self, bytes: f64) -> bool {
        bytes >= self.lower as f64 - EDGE && bytes < self.upper() as f64 + EDGE
    }
}

/// `<64B`, `8kB..16kB`.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lower == 0 {
            write!(f, "<{}", bytes(FLOOR))
        } else {
            write!(f, "{}..{}", bytes(self.lower), bytes(self.upper()))
        }
    }
}

/// A text that is not a range written by [`Bucket`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid size range \"{0}\"")]
pub struct BadBucket(String);

impl FromStr for Bucket {
    type Err = BadBucket;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bucket = Bucket { lower: 0 };
        while bucket.to_string() != text {
            if bucket.upper() >= 1 << 62 {
                return Err(BadBucket(text.to_owned()));
            }
            bucket = Bucket { lower: bucket.upper() };
        }
        Ok(bucket)
    }
}

/// Writes a number of bytes with the largest of PostgreSQL's units (B, kB, MB, GB, TB) that divides it.
pub fn bytes(n: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10)];
    for (unit, shift) in UNITS {
        if n >= 1 << shift && n.is_multiple_of(1 << shift) {
            return format!("{}{unit}", n >> shift);
        }
    }
    format!("{n}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read() {
        let table = [
            (-5.0, "<64B"),
            (0.0, "<64B"),
            (63.9, "<64B"),
            (64.0, "64B..128B"),
            (1023.0, "512B..1kB"),
            (1024.0, "1kB..2kB"),
            (8208.0, "8kB..16kB"),
            (1_048_576.0, "1MB..2MB"),
        ];
        for (value, text) in table {
            let bucket = Bucket::of(value);
            assert_eq!(bucket.to_string(), text);
            assert_eq!(text.parse(), Ok(bucket));
        }
        for text in ["", "64B", "<128B", "3kB..6kB", "8kB..32kB"] {
            assert_eq!(text.parse::<Bucket>(), Err(BadBucket(text.to_owned())));
        }
    }

    #[test]
    fn a_value_near_an_edge_belongs_to_both_sides() {
        let table = [
            ("8kB..16kB", 8192.0, true),
            ("8kB..16kB", 8128.0, true),
            ("8kB..16kB", 8127.0, false),
            ("8kB..16kB", 16447.0, true),
            ("8kB..16kB", 16448.0, false),
            ("<64B", 127.0, true),
            ("<64B", 128.0, false),
        ];
        for (bucket, value, expected) in table {
            let bucket: Bucket = bucket.parse().unwrap();
            assert_eq!(bucket.admits(value), expected, "{value} in {bucket}");
        }
    }
}
