//! Sizes as PostgreSQL's parameters have them: `64MB`.

/// The units, each 1024 of the one before.
const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

/// How many bytes a text says; none where it is no size. Without a unit, it is bytes.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let power = match unit.trim_start() {
        "" => 0,
        unit => UNITS.iter().position(|known| *known == unit)?,
    };
    number.parse::<u64>().ok()?.checked_mul(1024u64.pow(power as u32))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_has_a_unit() {
        let table = [
            ("64MB", Some(64 << 20)),
            ("64 MB", Some(64 << 20)),
            ("1", Some(1)),
            ("100B", Some(100)),
            ("1kB", Some(1024)),
            ("2GB", Some(2 << 30)),
            ("1TB", Some(1 << 40)),
            ("0", Some(0)),
            ("", None),
            ("MB", None),
            ("64mb", None),
            ("-1", None),
            ("1.5MB", None),
            ("99999999999TB", None),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
