//! Moments of a recording, as people say them.
//!
//! Invariant: wall clock times are those of the recorded machine, with its own offset from UTC:
//! the same output on every machine, and the times that its logs show.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, Utc};
use lastrites_traces::{reader::Summary, session::Clock};

use crate::error::Error;

/// The clocks of one recording.
#[derive(Debug, Clone)]
pub struct Clocks {
    readings: Vec<Clock>,
    /// Boot time that is +0.
    pub zero_ns: u64,
    /// Boot time at which somebody asked for the shutdown, where that is known.
    pub asked_ns: Option<u64>,
    last_ns: u64,
}

impl Clocks {
    pub fn new(summary: &Summary) -> Self {
        let mut readings = vec![summary.session.started];
        readings.extend(summary.clocks.iter().copied());
        readings.sort_by_key(|clock| clock.boottime_ns);
        Self {
            readings,
            zero_ns: summary.session.started.boottime_ns,
            asked_ns: None,
            last_ns: summary.last_ns,
        }
    }

    /// The last reading before `boottime_ns`: a clock that is set later does not change the past.
    fn reading(&self, boottime_ns: u64) -> Clock {
        let after = self.readings.partition_point(|clock| clock.boottime_ns <= boottime_ns);
        self.readings.get(after.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Wall clock time of the recorded machine.
    pub fn wall(&self, boottime_ns: u64) -> DateTime<FixedOffset> {
        let clock = self.reading(boottime_ns);
        let nanos = i64::try_from(clock.realtime_of(boottime_ns)).unwrap_or(i64::MAX);
        let utc = DateTime::from_timestamp_nanos(nanos);
        // A nonsensical offset counts as none.
        let offset = FixedOffset::east_opt(clock.utc_offset_s).unwrap_or_else(|| Utc.fix());
        utc.with_timezone(&offset)
    }

    /// What that machine's clock said was its distance from UTC: `UTC`, `UTC+1`, `UTC-3:30`.
    pub fn zone(&self, boottime_ns: u64) -> String {
        let seconds = self.wall(boottime_ns).offset().local_minus_utc();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
        match (minutes / 60, minutes % 60) {
            (0, 0) => "UTC".to_owned(),
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
        }
    }

    /// Nanoseconds since the recording began; negative before.
    pub fn since_start_ns(&self, boottime_ns: u64) -> i64 {
        let since = i128::from(boottime_ns) - i128::from(self.zero_ns);
        since.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The boot time that `text` names: seconds since the recording began (`12.5`, `+12.5`), before
    /// its last event (`-3`), a wall clock time (`03:14`, `03:14:07.5`, `2026-11-12 03:14:07`), or when somebody asked
    /// for the shutdown (`asked`, `asked+2.5`, `asked-1`).
    pub fn parse(&self, text: &str) -> Result<u64, Error> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("asked") {
            return self.parse_asked(text, rest.trim());
        }
        let seconds = text.trim_end_matches('s').trim_end();
        if let Some(nanos) = parse_seconds(seconds.trim_start_matches(['+', '-'])) {
            return Ok(match seconds.starts_with('-') {
                true => self.last_ns.saturating_sub(nanos),
                false => self.zero_ns.saturating_add(nanos),
            });
        }
        self.parse_wall(text).ok_or_else(|| {
            Error::usage(format!(
                "{text}: not a time; give seconds since the recording began (12.5), seconds before its last event \
                 (-3), a time of its clock (03:14:07, or \"2026-11-12 03:14:07\"), or seconds after the shutdown was \
                 asked for (asked+2.5)"
            ))
        })
    }

    fn parse_asked(&self, text: &str, rest: &str) -> Result<u64, Error> {
        let digits = rest.trim_start_matches(['+', '-']).trim().trim_end_matches('s').trim_end();
        let is_signed = rest.len() - rest.trim_start_matches(['+', '-']).len() == 1;
        let nanos = match rest.is_empty() {
            true => Some(0),
            false => parse_seconds(digits).filter(|_| is_signed),
        };
        let nanos = nanos.ok_or_else(|| {
            Error::usage(format!("{text}: not a time; give asked, or seconds around it: asked+2.5, asked-1"))
        })?;
        let asked = self.asked_ns.ok_or_else(|| {
            Error::usage(format!(
                "{text}: nobody is seen to ask for a shutdown in this recording; give seconds since it began (12.5), or \
                 before its last event (-3)"
            ))
        })?;
        Ok(if rest.starts_with('-') { asked.saturating_sub(nanos) } else { asked.saturating_add(nanos) })
    }

    fn parse_wall(&self, text: &str) -> Option<u64> {
        let start = self.wall(self.zero_ns);
        let zone = *start.offset();
        let time = |text: &str| {
            ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())
        };
        let naive = match text.split_once([' ', 'T']) {
            Some((date, clock)) => {
                NaiveDateTime::new(NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?, time(clock.trim())?)
            }
            None => {
                let today = NaiveDateTime::new(start.date_naive(), time(text)?);
                // A recording that runs past midnight: the time after its start is meant.
                if today + TimeDelta::hours(12) < start.naive_local() {
                    today + TimeDelta::days(1)
                } else {
                    today
                }
            }
        };
        let wanted = naive.and_local_timezone(zone).single()?.timestamp_nanos_opt()?;
        // Of several readings the one counts within whose reach the time lies.
        let at = |clock: &Clock| {
            let since = i128::from(wanted) - i128::from(clock.realtime_ns) + i128::from(clock.boottime_ns);
            since.clamp(0, u64::MAX.into()) as u64
        };
        let candidates = self.readings.iter().map(|clock| (clock.boottime_ns, at(clock)));
        candidates
            .rev()
            .find(|(from, ns)| ns >= from)
            .map(|(_, ns)| ns)
            .or_else(|| self.readings.first().map(at))
    }
}

/// `12.5` as nanoseconds.
fn parse_seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && part.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let nanos: u64 = format!("{part:0<9}")[..9].parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// `+1.130412`, `-0.000020`: seconds with microseconds.
pub fn push_relative(out: &mut String, since_ns: i64) {
    use std::fmt::Write as _;
    let micros = since_ns.unsigned_abs() / 1000;
    let sign = if since_ns < 0 { '-' } else { '+' };
    let _ = write!(out, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
}

/// The same, right-aligned for lists.
pub fn push_padded(out: &mut String, since_ns: i64) {
    use std::fmt::Write as _;
    let micros = since_ns.unsigned_abs() / 1000;
    let seconds = micros / 1_000_000;
    let digits = seconds.checked_ilog10().unwrap_or(0) as usize + 1;
    let sign = if since_ns < 0 { '-' } else { '+' };
    let _ = write!(
        out,
        "{sign:>pad$}{seconds}.{:06}",
        micros % 1_000_000,
        pad = 6usize.saturating_sub(digits).max(1)
    );
}

/// `0.4 ms`, `11.9 s`, `4 min 10 s`, `2 h 5 min`, `3 d 2 h`: rounded to what is shown.
pub fn duration(ns: u64) -> String {
    let rounded = |unit: u64| ns.saturating_add(unit / 2) / unit;
    let (us, tenths_ms, tenths_s) = (rounded(1000), rounded(100_000), rounded(100_000_000));
    let (s, min, h) = (rounded(1_000_000_000), rounded(60_000_000_000), rounded(3_600_000_000_000));
    match ns {
        _ if us < 1000 => format!("{us} us"),
        _ if tenths_ms < 10_000 => format!("{}.{} ms", tenths_ms / 10, tenths_ms % 10),
        _ if tenths_s < 600 => format!("{}.{} s", tenths_s / 10, tenths_s % 10),
        _ if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        _ if min < 1440 => format!("{} h {} min", min / 60, min % 60),
        _ => format!("{} d {} h", h / 24, h % 24),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn clocks() -> Clocks {
        let started = Clock {
            boottime_ns: 100_000_000_000,
            realtime_ns: 1_794_449_640_000_000_000,
            utc_offset_s: 3600,
        };
        Clocks {
            readings: vec![started],
            zero_ns: started.boottime_ns,
            asked_ns: None,
            last_ns: 160_000_000_000,
        }
    }

    #[test]
    fn zones_are_said_as_people_say_them() {
        for (offset_s, said) in
            [(0, "UTC"), (3600, "UTC+1"), (-12_600, "UTC-3:30"), (20_700, "UTC+5:45"), (i32::MAX, "UTC")]
        {
            let mut clocks = clocks();
            clocks.readings[0].utc_offset_s = offset_s;
            assert_eq!(clocks.zone(clocks.zero_ns), said);
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_help_promises() {
        let clocks = clocks();
        assert_eq!(clocks.wall(clocks.zero_ns).to_rfc3339(), "2026-11-12T03:14:00+01:00");
        for (text, expected_s) in [
            ("0", 100.0),
            ("+12.5", 112.5),
            ("12.5s", 112.5),
            ("-3", 157.0),
            (".25", 100.25),
            ("03:14:07", 107.0),
            ("03:15", 160.0),
            ("2026-11-12 03:14:07.5", 107.5),
            ("2026-11-12T03:14:07", 107.0),
        ] {
            assert_eq!(clocks.parse(text).ok(), Some((expected_s * 1e9) as u64), "{text}");
        }
        for bad in ["", "x", "1e3", "25:00", "--1x", "1.2.3", "."] {
            assert!(clocks.parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_read_around_the_moment_at_which_the_shutdown_was_asked_for() {
        let mut clocks = clocks();
        let message = clocks.parse("asked").expect_err("nobody did").to_string();
        assert!(message.contains("nobody is seen to ask"), "{message}");
        clocks.asked_ns = Some(130_000_000_000);
        for (text, expected_s) in
            [("asked", 130.0), ("asked+2.5", 132.5), ("asked + 2.5s", 132.5), ("asked-1", 129.0)]
        {
            assert_eq!(clocks.parse(text).ok(), Some((expected_s * 1e9) as u64), "{text}");
        }
        for bad in ["asked+", "asked2", "asked+x", "askedx", "asked--1"] {
            assert!(clocks.parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_does_not_change_the_past() {
        let mut clocks = clocks();
        let later =
            Clock { boottime_ns: 130_000_000_000, realtime_ns: 1_794_453_270_000_000_000, utc_offset_s: 0 };
        clocks.readings.push(later);
        assert_eq!(clocks.wall(129_000_000_000).to_rfc3339(), "2026-11-12T03:14:29+01:00");
        assert_eq!(clocks.wall(130_000_000_000).to_rfc3339(), "2026-11-12T03:14:30+00:00");
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (ns, text) in [
            (20_000, "20 us"),
            (400_000_000, "400.0 ms"),
            (999_600, "1.0 ms"),
            (11_870_000_000, "11.9 s"),
            (11_849_000_000, "11.8 s"),
            (59_960_000_000, "1 min 0 s"),
            (3_599_700_000_000, "1 h 0 min"),
            (u64::MAX, "213503 d 23 h"),
            (250_000_000_000, "4 min 10 s"),
            (7_500_000_000_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(ns), text);
        }
        let mut out = String::new();
        push_relative(&mut out, -20_000);
        assert_eq!(out, "-0.000020");
    }
}
