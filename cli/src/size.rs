//! Sizes in bytes, as people write them.

use std::str::FromStr;

use thiserror::Error;

/// A number of bytes: `4GiB`, `512MiB`, `300MB`, `1.5GB` or `1000000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ByteSizeError {
    /// It does not begin with a number.
    #[error("expected a number of bytes with a unit, such as 4GiB, 512MiB or 300MB, and {0:?} has no number")]
    NoNumber(String),
    /// The unit is none.
    #[error("{0:?} is no unit; there are B, kB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024)")]
    Unit(String),
    /// It is more than any memory.
    #[error("{0:?} is more than can be counted in 64 bits; give less")]
    TooLarge(String),
    /// It is nothing.
    #[error("{0:?} is less than a byte; give a size above that")]
    TooSmall(String),
}

/// Units and their bytes.
const UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = (&text[..end], text[end..].trim_start());
        let unit_bytes = unit_bytes(unit).ok_or_else(|| ByteSizeError::Unit(unit.to_owned()));
        let (whole, thousandths) = parse_number(number).ok_or_else(|| ByteSizeError::NoNumber(text.to_owned()))?;
        let unit_bytes = unit_bytes?;
        let bytes = whole
            .and_then(|whole| whole.checked_mul(unit_bytes))
            .and_then(|bytes| bytes.checked_add((u128::from(unit_bytes) * u128::from(thousandths) / 1000) as u64));
        match bytes {
            None => Err(ByteSizeError::TooLarge(text.to_owned())),
            Some(0) => Err(ByteSizeError::TooSmall(text.to_owned())),
            Some(bytes) => Ok(Self(bytes)),
        }
    }
}

fn unit_bytes(unit: &str) -> Option<u64> {
    match unit {
        "" => Some(1),
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, bytes)| *bytes),
    }
}

/// The whole part (`None` where it is too large) and the thousandths of a decimal number; further digits are cut.
fn parse_number(number: &str) -> Option<(Option<u64>, u64)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let thousandths = format!("{fraction:0<3}")[..3].parse().ok()?;
    Some((whole.parse().ok(), thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Result<u64, ByteSizeError> {
        text.parse::<ByteSize>().map(|size| size.0)
    }

    #[test]
    fn sizes_have_units_of_both_kinds() {
        for (text, bytes) in [
            ("4GiB", 4 << 30),
            ("512MiB", 512 << 20),
            ("300MB", 300_000_000),
            ("300 mb", 300_000_000),
            ("1.5kB", 1500),
            ("1.5GiB", 3 << 29),
            ("0.0015MB", 1000),
            ("123456789", 123_456_789),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_was_expected() {
        for text in ["", "GiB", "-1GiB", ".5GB", "1.GB", "1.2.3GB", "four"] {
            let error = size(text).expect_err(text);
            assert!(matches!(error, ByteSizeError::NoNumber(_)), "{text}: {error}");
            assert!(error.to_string().contains("4GiB"), "{error}");
        }
        for text in ["1XB", "4 Gi B", "1e9", "4G"] {
            let error = size(text).expect_err(text);
            assert!(matches!(error, ByteSizeError::Unit(_)), "{text}: {error}");
        }
        for text in ["18446744073709551616", "99999999999TiB"] {
            assert_eq!(size(text), Err(ByteSizeError::TooLarge(text.into())));
        }
        for text in ["0", "0GiB", "0.0001kB"] {
            assert_eq!(size(text), Err(ByteSizeError::TooSmall(text.into())));
        }
    }
}
