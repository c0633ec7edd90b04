//! `--at`, `--known-at`, `--from`, `--to`: moments as people write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::failure::{Failure, Outcome};

const FORMS: &str = "2026-03-03T14:30:00Z, 2026-03-03 (the start of that day, UTC), 2h or 3d (ago)";

/// A moment that is not in the future. A date alone is the start of that day, in UTC, and so is a time
/// without a zone.
pub(crate) fn parse(text: &str, now: Timestamp) -> Outcome<Timestamp> {
    let text = text.trim();
    let moment = read(text, now).ok_or_else(|| {
        Failure::usage(format!("`{text}` is not a moment"))
            .why("a moment is a time, a date, or how long ago it was")
            .hint(format!("for example: {FORMS}"))
    })?;
    if moment > now {
        return Err(Failure::usage(format!("{moment} is in the future"))
            .why(format!("now it is {}, by the clock of this machine", whole(now)))
            .hint("who could do what is known up to now: leave it out to ask about now"));
    }
    Ok(moment)
}

/// The moments of a period.
pub(crate) fn in_order(from: Timestamp, to: Timestamp) -> Outcome<()> {
    if from < to {
        return Ok(());
    }
    Err(Failure::usage(format!("{from} is not before {to}"))
        .hint("--from is the earlier moment, --to the later one"))
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if let Some(ago) = duration(text) {
        return now.checked_sub(ago).ok().map(whole);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // A civil time would take a zone in brackets, and then leave it out.
    if text.contains(['[', 'Z', 'z']) {
        return None;
    }
    if text.len() > "2026-03-03".len() {
        return utc(text.parse::<DateTime>().ok()?);
    }
    utc(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()))
}

fn utc(time: DateTime) -> Option<Timestamp> {
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// `90s`, `1h30m`, `2w`: whole numbers with units from weeks to seconds.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut total: i64 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit: i64 = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        let number: i64 = digits.parse().ok()?;
        total = total.checked_add(number.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then(|| SignedDuration::from_secs(total))
}

/// A moment without its fractions of a second.
pub(crate) fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// As it travels.
pub(crate) fn wire(moment: Timestamp) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp { seconds: moment.as_second(), nanos: moment.subsec_nanosecond() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn now() -> Timestamp {
        "2026-03-10T12:00:00.5Z".parse().unwrap()
    }

    #[test]
    fn moments_as_people_write_them() {
        for (text, expected) in [
            ("2026-03-03T14:30:00Z", "2026-03-03T14:30:00Z"),
            ("2026-03-03t14:30:00.25z", "2026-03-03T14:30:00.25Z"),
            ("2026-03-03T14:30:00+02:00", "2026-03-03T12:30:00Z"),
            ("2026-03-03 14:30:00+02:00", "2026-03-03T12:30:00Z"),
            ("2026-03-03T14:30", "2026-03-03T14:30:00Z"),
            ("2026-03-03 14:30", "2026-03-03T14:30:00Z"),
            ("2026-03-03", "2026-03-03T00:00:00Z"),
            (" 2026-03-10 ", "2026-03-10T00:00:00Z"),
            ("2h", "2026-03-10T10:00:00Z"),
            ("3d", "2026-03-07T12:00:00Z"),
            ("1w1d1h1m1s", "2026-03-02T10:58:59Z"),
            ("0s", "2026-03-10T12:00:00Z"),
            ("now", "2026-03-10T12:00:00.5Z"),
        ] {
            let moment = parse(text, now()).map(|moment| moment.to_string());
            assert_eq!(moment.ok().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused_with_examples() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-30",
            "03.03.2026",
            "2",
            "2y",
            "-2h",
            "h",
            "2h3",
            "99999999999999999999d",
            "9223372036854775807w",
            "2026-03-03T25:00",
            "2026-03-03Z",
            "2026-03-03T10:00[Europe/Berlin]",
            "\u{1b}[2J",
        ] {
            let failure = parse(text, now()).unwrap_err();
            assert!(failure.summary().contains("is not a moment"), "{text}: {failure}");
            assert!(failure.hint_text().unwrap().contains("2026-03-03"), "{text}");
        }
    }

    #[test]
    fn the_future_is_not_known() {
        for text in ["2026-03-11", "2026-03-10T12:00:01Z", "2027-01-01T00:00:00Z"] {
            let failure = parse(text, now()).unwrap_err();
            assert!(failure.summary().contains("is in the future"), "{text}: {failure}");
            assert_eq!(failure.exit_code().0, 2);
        }
    }
}
