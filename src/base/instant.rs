//! Instants as people and documents write them: RFC 3339, to the millisecond.
//!
//! `2026-11-24T00:14:28.123Z`, `2026-11-24 01:14+01:00`; a date alone is its first instant in UTC.
//! Not here: how records write them (`record`), and the clock.

/// Reads an instant, in milliseconds since 1970; `None` for anything else, times before 1970
/// included. Digits behind the millisecond are left out; a leap second is the second after.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let mut input = Input(text.as_bytes());
    let year = input.digits(4)?;
    input.byte(b"-")?;
    let month = input.digits(2)?;
    input.byte(b"-")?;
    let day = input.digits(2)?;
    let days = days_since_1970(year, month, day)?;
    if input.0.is_empty() {
        return Some(days * 86_400_000);
    }
    input.byte(b"Tt ")?;
    let hour = input.digits(2).filter(|&hour| hour < 24)?;
    input.byte(b":")?;
    let minute = input.digits(2).filter(|&minute| minute < 60)?;
    let mut ms = 0;
    if input.byte(b":").is_some() {
        ms = input.digits(2).filter(|&second| second <= 60)? * 1_000;
        if input.byte(b".").is_some() {
            ms += input.milliseconds()?;
        }
    }
    let local = days * 86_400_000 + (hour * 60 + minute) * 60_000 + ms;
    let sign = input.byte(b"Zz+-")?;
    let offset = if matches!(sign, b'Z' | b'z') {
        0
    } else {
        let hours = input.digits(2).filter(|&hours| hours < 24)?;
        input.byte(b":")?;
        (hours * 60 + input.digits(2).filter(|&minutes| minutes < 60)?) * 60_000
    };
    if !input.0.is_empty() {
        return None;
    }
    if sign == b'-' { Some(local + offset) } else { local.checked_sub(offset) }
}

/// The time of day in UTC: `12:03:04 UTC`.
pub fn time_of_day(ms: u64) -> String {
    let seconds = ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Day and time of day in UTC, without saying so: `2026-11-24 12:03:04`.
pub fn date_and_time(ms: u64) -> String {
    let (year, month, day) = civil(ms / 86_400_000);
    let time = time_of_day(ms);
    format!("{year:04}-{month:02}-{day:02} {}", time.trim_end_matches(" UTC"))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` when there is no such day or it
/// comes before. Years are counted from March, so that the leap day is the last of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let every = |years| year.is_multiple_of(years);
    let is_leap = every(4) && (!every(100) || every(400));
    let last = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || !(1..=last).contains(&day) {
        return None;
    }
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_year = 365 * year + year / 4 - year / 100 + year / 400;
    let before_month = (153 * from_march + 2) / 5;
    Some(before_year + before_month + day - 719_469)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: H. Hinnant,
/// "chrono-compatible low-level date algorithms", `civil_from_days`. Years begin in March there.
pub fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// What is left to read.
struct Input<'t>(&'t [u8]);

impl Input<'_> {
    /// Takes one of `wanted`.
    fn byte(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        if !wanted.contains(&first) {
            return None;
        }
        self.0 = rest;
        Some(first)
    }

    /// Takes a number of exactly `count` digits.
    fn digits(&mut self, count: usize) -> Option<u64> {
        (0..count).try_fold(0, |value, _| {
            let digit = self.byte(b"0123456789")?;
            Some(value * 10 + u64::from(digit - b'0'))
        })
    }

    /// Takes the digits of a fraction, one at least.
    fn milliseconds(&mut self) -> Option<u64> {
        let mut ms = self.digits(1)? * 100;
        let mut weight = 10;
        while let Some(digit) = self.byte(b"0123456789") {
            ms += u64::from(digit - b'0') * weight;
            weight /= 10;
        }
        Some(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_its_time_are_those_that_were_read() {
        for (text, want) in [
            ("2026-11-24T00:14:28.123Z", "2026-11-24 00:14:28"),
            ("1999-12-31T23:59:59Z", "1999-12-31 23:59:59"),
        ] {
            assert_eq!(parse_rfc3339(text).map(date_and_time).as_deref(), Some(want));
        }
    }

    #[test]
    fn reads_the_forms_of_rfc_3339_and_nothing_else() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00.001Z", Some(951_782_400_001)),
            ("2026-11-24T00:14:28.123Z", Some(1_795_479_268_123)),
            ("2026-11-24T00:14:28.1239999Z", Some(1_795_479_268_123)),
            ("2026-11-24 01:14:28.123+01:00", Some(1_795_479_268_123)),
            ("2026-11-23t22:44:28.123-01:30", Some(1_795_479_268_123)),
            ("2026-11-24T00:14Z", Some(1_795_479_240_000)),
            ("2026-11-24", Some(1_795_478_400_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("2026-11-24T00:14:28", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01", None),
            ("2026-11-24T24:00:00Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1970-01-01T00:00:00+00:01", None),
            ("2026-11-24T00:14:28Zx", None),
            ("2026-11-24T00:14:28.Z", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text), want, "{text}");
        }
    }
}
