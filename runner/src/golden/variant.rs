//! Which of several goldens belongs to a server: `NAME[.axis]*.out`, the most specific one that applies.

use std::str::FromStr;

use crate::results::Axes;

/// The servers that a golden is for, as its name says. No restriction: the base file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Variant {
    /// First and last major; no last one means all later versions.
    majors: Option<(u32, Option<u32>)>,
    assertions: Option<bool>,
    arch: Option<String>,
}

/// A name between the spec's and `.out` that is no axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadVariant {
    /// The axis is not known.
    #[error("unknown variant \"{0}\"")]
    Unknown(String),
    /// Two axes of one kind.
    #[error("variant \"{0}\" repeats an axis")]
    Repeated(String),
}

impl BadVariant {
    /// What can be written instead.
    pub const HINT: &'static str =
        "variants are pg15, pg17+, pg15-16, assert, noassert, x86_64 and aarch64, joined by \".\"";
}

impl FromStr for Variant {
    type Err = BadVariant;

    /// Reads `pg15.assert`; the empty text is the base.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut variant = Variant::default();
        for axis in text.split('.').filter(|axis| !axis.is_empty()) {
            let repeated = match axis {
                "assert" | "noassert" => variant.assertions.replace(axis == "assert").is_some(),
                "x86_64" | "aarch64" => variant.arch.replace(axis.to_owned()).is_some(),
                _ => {
                    let majors = axis.strip_prefix("pg").and_then(majors);
                    let majors = majors.ok_or_else(|| BadVariant::Unknown(axis.to_owned()))?;
                    variant.majors.replace(majors).is_some()
                }
            };
            if repeated {
                return Err(BadVariant::Repeated(axis.to_owned()));
            }
        }
        Ok(variant)
    }
}

/// `15`, `17+`, `15-16`
fn majors(text: &str) -> Option<(u32, Option<u32>)> {
    if let Some(first) = text.strip_suffix('+') {
        return Some((first.parse().ok()?, None));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, Some(last)))
}

impl Variant {
    /// Whether the golden is for this server.
    pub(super) fn applies(&self, axes: &Axes) -> bool {
        let in_range =
            |(first, last): (u32, Option<u32>)| first <= axes.major && last.is_none_or(|last| axes.major <= last);
        self.majors.is_none_or(in_range)
            && self.assertions.is_none_or(|assertions| assertions == axes.assertions)
            && self.arch.as_ref().is_none_or(|arch| *arch == axes.arch)
    }

    /// Whether every server of this variant is one of the other's.
    fn is_within(&self, other: &Variant) -> bool {
        let (first, last) = self.majors.unwrap_or((0, None));
        let (other_first, other_last) = other.majors.unwrap_or((0, None));
        first >= other_first
            && other_last.is_none_or(|other_last| last.is_some_and(|last| last <= other_last))
            && (other.assertions.is_none() || self.assertions == other.assertions)
            && (other.arch.is_none() || self.arch == other.arch)
    }
}

/// Several goldens apply and none is for fewer servers than all others; their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ambiguous(pub(super) Vec<usize>);

/// The position of the most specific of the variants that apply; none if none does.
///
/// A variant is more specific than another if it is for a true subset of its servers.
///
/// # Errors
///
/// Two variants of which neither is more specific, such as `pg15` and `x86_64`.
pub(super) fn most_specific(variants: &[Variant], axes: &Axes) -> Result<Option<usize>, Ambiguous> {
    let applying: Vec<usize> = (0..variants.len()).filter(|&i| variants[i].applies(axes)).collect();
    let narrower = |a: usize, b: usize| variants[a].is_within(&variants[b]) && !variants[b].is_within(&variants[a]);
    let minimal: Vec<usize> =
        applying.iter().copied().filter(|&i| !applying.iter().any(|&other| narrower(other, i))).collect();
    match minimal.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => Err(Ambiguous(minimal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_variant_wins() {
        let table: &[(&[&str], u32, bool, &str)] = &[
            (&[], 15, false, "none"),
            (&[""], 15, false, ""),
            (&["", "pg15"], 15, false, "pg15"),
            (&["", "pg15"], 16, false, ""),
            (&["pg15"], 16, false, "none"),
            (&["", "pg15-16", "pg16"], 16, false, "pg16"),
            (&["", "pg16+", "pg17+"], 18, false, "pg17+"),
            (&["pg17", "pg17+"], 17, false, "pg17"),
            (&["assert", "noassert"], 17, true, "assert"),
            (&["pg17", "pg17.assert", "assert"], 17, true, "pg17.assert"),
            (&["pg17", "x86_64"], 17, true, "pg17 or x86_64"),
            (&["pg15-17", "pg16-18", ""], 16, true, "pg15-17 or pg16-18"),
            (&["x86_64", "aarch64"], 17, true, "x86_64"),
        ];
        for &(names, major, assertions, expected) in table {
            let variants: Vec<Variant> = names.iter().map(|name| name.parse().unwrap()).collect();
            let axes = Axes { major, assertions, arch: "x86_64".into() };
            let found = match most_specific(&variants, &axes) {
                Ok(found) => found.map_or("none", |i| names[i]).to_owned(),
                Err(Ambiguous(among)) => among.iter().map(|&i| names[i]).collect::<Vec<_>>().join(" or "),
            };
            assert_eq!(found, expected, "{names:?} on {major}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        let table = [
            ("pg", "unknown variant \"pg\""),
            ("pg18-15", "unknown variant \"pg18-15\""),
            ("15", "unknown variant \"15\""),
            ("linux", "unknown variant \"linux\""),
            ("pg15.pg16", "variant \"pg16\" repeats an axis"),
            ("assert.noassert", "variant \"noassert\" repeats an axis"),
        ];
        for (text, message) in table {
            assert_eq!(text.parse::<Variant>().unwrap_err().to_string(), message);
        }
    }
}
