//! Text for terminals: what comes from clusters and from the hub is never trusted there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

/// Characters that steer a terminal or hide what a text says: controls, bidirectional marks,
/// invisible and separator characters, tags (Unicode TR 36 and TR 39).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text of one line, with everything unsafe written out as `\u{…}`.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    escape_except(text, |_| false)
}

/// A text of several lines; line feeds and tabs stay.
pub(crate) fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_except(text, |c| c == '\n' || c == '\t')
}

fn escape_except(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) && !keep(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// JSON text with everything unsafe in its strings as `\uXXXX`, which means the same to a parser.
pub(crate) fn escape_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// At most `most` characters, with `…` where something was cut.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut + "…"
}

/// A hint for a name that is not there: those that look like it, and where all of them are listed.
pub(crate) fn near<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>, all: &str) -> String {
    const MOST: usize = 3;
    const LIKENESS: f32 = 0.7;
    let names: Vec<&str> = names.into_iter().collect();
    let like = similar::get_close_matches(typed, &names, MOST, LIKENESS);
    if like.is_empty() {
        return all.to_owned();
    }
    format!("did you mean `{}`? Otherwise: {all}", like.join("` or `"))
}

/// How long ago, in the units that `kubectl get` has for it.
pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    span(now.as_second().saturating_sub(then.as_second()).max(0))
}

/// How long from now; "expired" when it is over.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> String {
    if then <= now {
        return "expired".to_owned();
    }
    format!("in {}", span(then.as_second() - now.as_second()))
}

/// `HumanDuration` of `k8s.io/apimachinery/pkg/util/duration`.
fn span(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |large: i64, a: &str, small: i64, b: &str| {
        let (whole, rest) = (seconds / large, seconds % large / small);
        if rest == 0 { format!("{whole}{a}") } else { format!("{whole}{a}{rest}{b}") }
    };
    match seconds {
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(MINUTE, "m", 1, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(DAY, "d", HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

/// A duration as a person would say it: "8 ms", "2.1 s".
pub(crate) fn took(duration: std::time::Duration) -> String {
    if duration.as_millis() < 1000 {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// "1 cluster", "2 clusters".
pub(crate) fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// Labels as people write them; `-` for none.
pub(crate) fn labels<'l>(labels: impl IntoIterator<Item = (&'l String, &'l String)>) -> String {
    let sorted: BTreeMap<&String, &String> = labels.into_iter().collect();
    let pairs: Vec<String> = sorted.iter().map(|(k, v)| format!("{k}={v}")).collect();
    or_dash(pairs.join(","))
}

/// `-` for nothing.
pub(crate) fn or_dash(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A time of the wire; nothing when it is absent or no time.
pub(crate) fn time(at: Option<&pbjson_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
}

/// How long ago a time of the wire is; `-` when it is absent.
pub(crate) fn age_of(now: Timestamp, at: Option<&pbjson_types::Timestamp>) -> String {
    time(at).map_or_else(|| "-".to_owned(), |then| age(now, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for (given, shown) in [
            ("plain ü 漢", "plain ü 漢"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\u{202e}txt.exe", "a\\u{202e}txt.exe"),
            ("a\u{9b}2J", "a\\u{9b}2J"),
            ("two\nlines\r", "two\\u{a}lines\\u{d}"),
            ("\u{200b}\u{2066}\u{feff}\u{e0041}", "\\u{200b}\\u{2066}\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(escape(given), shown);
        }
        assert_eq!(escape_lines("a:\n\tb\u{7}"), "a:\n\tb\\u{7}");
    }

    #[test]
    fn each_range_of_steering_and_hiding_characters_is_written_out() {
        for (first, last) in [
            ('\u{0}', '\u{1f}'),
            ('\u{7f}', '\u{9f}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{200b}', '\u{200d}'),
            ('\u{200e}', '\u{200f}'),
            ('\u{2028}', '\u{2029}'),
            ('\u{202a}', '\u{202e}'),
            ('\u{2060}', '\u{2060}'),
            ('\u{2066}', '\u{2069}'),
            ('\u{feff}', '\u{feff}'),
            ('\u{e0000}', '\u{e007f}'),
        ] {
            for c in first..=last {
                assert_eq!(escape(&format!("a{c}")), format!("a{}", c.escape_unicode()));
                let json = escape_json(&format!("\"a{c}\""));
                assert!(c == '\n' || json.is_ascii() && !json.contains(c), "{json:?}");
            }
        }
        // What is next to the ranges, and joins no text with another.
        let harmless = " ~\u{a0}\u{61b}\u{61d}\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}\u{fefe}\u{ff00}\u{e0080}";
        assert_eq!(escape(harmless), harmless);
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "name": "a\u{202e}b\u{9b}\u{e0041}" });
        let json = escape_json(&serde_json::to_string_pretty(&value).unwrap_or_default());
        assert!(json.is_ascii(), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).ok(), Some(value));
    }

    #[test]
    fn ages_are_those_of_kubectl() {
        for (seconds, shown) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 300, "3h5m"),
            (47 * 3600, "47h"),
            (3 * 86_400 + 7200, "3d2h"),
            (30 * 86_400, "30d"),
            (3 * 365 * 86_400, "3y"),
        ] {
            assert_eq!(span(seconds), shown);
        }
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(age(now, now + jiff::SignedDuration::from_secs(9)), "0s");
        assert_eq!(until(now, now), "expired");
        assert_eq!(until(now, now + jiff::SignedDuration::from_hours(3)), "in 3h");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
