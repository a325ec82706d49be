//! What people read: sizes, times, and texts of others that must not act on the terminal.

use chrono::{DateTime, Local};
use indicatif::HumanBytes;

/// "512 B", "1.00 KiB", "38.20 MiB".
pub(crate) fn bytes(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// The local time of a moment in milliseconds since 1970; with its date when that is not today's.
pub(crate) fn time(unix_ms: u64) -> String {
    local_time(unix_ms, Local::now())
}

fn local_time(unix_ms: u64, now: DateTime<Local>) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    let Some(moment) = moment else { return format!("{unix_ms} ms") };
    let moment = moment.with_timezone(&Local);
    let is_today = moment.date_naive() == now.date_naive();
    moment.format(if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// A text of somebody else, without what a terminal would act on: control characters but for line
/// ends and tabs, and characters that turn the direction of text.
pub(crate) fn safe(text: &str) -> String {
    let acts = |letter: &char| {
        (letter.is_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if acts(&letter) { '\u{fffd}' } else { letter }).collect()
}

/// The same on one line.
pub(crate) fn safe_line(text: &str) -> String {
    safe(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let now = Local.with_ymd_and_hms(2026, 11, 25, 14, 3, 22).unwrap();
        let ms = |moment: DateTime<Local>| u64::try_from(moment.timestamp_millis()).unwrap();
        assert_eq!(local_time(ms(now), now), "14:03:22");
        let before = Local.with_ymd_and_hms(2026, 11, 24, 9, 0, 0).unwrap();
        assert_eq!(local_time(ms(before), now), "2026-11-24 09:00:00");
        assert_eq!(local_time(u64::MAX, now), format!("{} ms", u64::MAX));
    }

    #[test]
    fn a_text_cannot_act_on_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\r\nc\td"), "a\u{fffd}[2Jb\u{fffd}\nc\td");
        assert_eq!(safe("photo\u{202e}gpj.exe"), "photo\u{fffd}gpj.exe");
        assert_eq!(safe_line("ünïcode\n写真"), "ünïcode 写真");
    }
}
