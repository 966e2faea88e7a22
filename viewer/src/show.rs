//! `lastrites show`: the events of one recording, as lines or as JSON.
//!
//! Invariant: streams; memory does not grow with the recording. What is missing in the time asked
//! for is shown whatever the filters say.

use std::{fmt::Write as _, io::Write};

use lastrites_traces::{
    event::{Bytes, What},
    reader::{Item, Summary},
};

use crate::{
    about::{self, Ending},
    error::Error,
    filter::Filter,
    json, line,
    output::{Look, Palette},
    processes::Processes,
    requests::Requests,
    safe,
    time::{self, Clocks},
};

/// What is written at a time.
const CHUNK: usize = 64 << 10;

/// How events are shown.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    pub json: bool,
    pub style: line::Style,
}

/// The recording, told in a few lines beginning with `#`.
pub fn head(
    number: usize,
    of: usize,
    summary: &Summary,
    ending: Ending,
    requests: &Requests,
    palette: Palette,
) -> String {
    let session = &summary.session;
    let clocks = Clocks::new(summary);
    let start = clocks.wall(session.started.boottime_ns);
    let mut lines = Vec::new();
    let host = if session.hostname.is_empty() {
        "unknown host".into()
    } else {
        safe::text(session.hostname.as_bytes())
    };
    lines.push(format!(
        "recording {number} of {of} ({}): {host}, {}, kernel {}",
        &session.id.to_string()[..8],
        about::init(summary),
        safe::text(session.kernel_release.as_bytes())
    ));
    lines.push(format!(
        "{} for {}; {}",
        start.format("%Y-%m-%d %H:%M:%S %z"),
        about::lasted(summary),
        ending.sentence()
    ));
    if let Some(request) = &requests.first {
        let mut at = String::new();
        time::push_relative(&mut at, clocks.since_start_ns(request.time_ns));
        lines.push(format!("asked for at {at} by: {}, event #{}", request.text(), request.number));
    }
    lines.push(format!("{} events; lost: {}", summary.events, about::lost(summary.lost)));
    lines.extend(
        about::coverage(summary)
            .into_iter()
            .map(|text| if text.starts_with("missing") { text } else { format!("covered: {text}") }),
    );
    let mut out = String::new();
    for text in lines {
        let missing = text.starts_with("missing") || summary.lost > 0 && text.contains("; lost: ");
        palette.paint(&mut out, if missing { Look::Warn } else { Look::Dim }, |out| {
            let _ = write!(out, "# {text}");
        });
        out.push('\n');
    }
    out
}

/// Writes the items that match; returns how many events did (losses and gaps not counted).
pub fn events<E: Into<Error>>(
    items: impl Iterator<Item = Result<Item, E>>,
    clocks: &Clocks,
    filter: &Filter,
    format: Format,
    out: &mut dyn Write,
) -> Result<u64, Error> {
    let mut processes = Processes::default();
    let mut buffer = String::with_capacity(CHUNK + 4096);
    let mut matched = 0;
    for item in items {
        let item = item.map_err(Into::into)?;
        if let Item::Event(event) = &item
            && filter.is_past(event)
        {
            break;
        }
        let was = name_before(&item, &processes);
        processes.learn(&item);
        match &item {
            Item::Known(_) => continue,
            Item::Gap(_) if !filter.events.is_empty() => continue,
            Item::Gap(gap) if format.json => json::push_gap(&mut buffer, gap),
            Item::Gap(gap) => line::push_gap(&mut buffer, gap, format.style.palette),
            Item::Event(event) => {
                if filter.matches(event, &processes) {
                    matched += 1;
                } else if !(matches!(event.what, What::Lost { .. }) && filter.wants_loss(event.time_ns)) {
                    continue;
                }
                if format.json {
                    json::push(&mut buffer, event, &processes, clocks);
                } else {
                    line::push(&mut buffer, event, &was, &processes, clocks, format.style);
                }
            }
        }
        if buffer.len() >= CHUNK {
            out.write_all(buffer.as_bytes())?;
            buffer.clear();
        }
    }
    out.write_all(buffer.as_bytes())?;
    Ok(matched)
}

/// What the process was called before an event that renames it.
pub(crate) fn name_before(item: &Item, processes: &Processes) -> Bytes {
    let Item::Event(event) = item else { return Bytes::default() };
    let id = match &event.what {
        What::Exec(exec) => exec.process,
        What::Rename { process, .. } => *process,
        _ => return Bytes::default(),
    };
    processes.get(id).map(|known| known.comm.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        filter::Pattern,
        testing::{exec, exit, fork, id, one_of_each, signal, summary},
    };
    use lastrites_traces::{Error as TraceError, event::Event, reader::Gap};

    const PLAIN: Format = Format { json: false, style: line::Style { palette: Palette::PLAIN, wall: false } };

    fn shown(items: Vec<Item>, filter: &Filter, format: Format) -> (String, u64) {
        let mut out = Vec::new();
        let items = items.into_iter().map(Ok::<_, TraceError>);
        let count = events(items, &Clocks::new(&summary()), filter, format, &mut out).expect("written");
        (String::from_utf8(out).expect("UTF-8"), count)
    }

    fn story() -> Vec<Item> {
        let chld = {
            let What::Signal(mut s) = signal(id(2240), id(1), 17) else { unreachable!("a signal") };
            (s.code, s.result) = (2, 1);
            What::Signal(s)
        };
        [
            exec(id(1), id(0), "/sbin/init", &["init"]),
            fork(id(1), id(2240)),
            exec(id(2240), id(1), "/usr/bin/mongod", &["mongod", "-f", "/etc/mongod.conf"]),
            exec(id(2300), id(5), "/sbin/killall5", &["killall5", "-9"]),
            signal(id(2300), id(2240), 9),
            exit(id(2240), 9),
            chld,
        ]
        .into_iter()
        .enumerate()
        .map(|(n, what)| {
            Item::Event(Event { number: n as u64, time_ns: 101_000_000_000 + n as u64 * 500_000, what })
        })
        .collect()
    }

    #[test]
    fn a_story_reads_like_one() {
        let (text, count) = shown(story(), &Filter::default(), PLAIN);
        assert_eq!(count, 7);
        let expected = "
    +1.000000       #0       1  init             exec /sbin/init: init  (root, child of 0, pts/0)
    +1.000500       #1       1  init             fork -> 2240
    +1.001000       #2    2240  mongod           exec /usr/bin/mongod: mongod -f /etc/mongod.conf  (root, child of 1, pts/0, was init)
    +1.001500       #3    2300  killall5         exec /sbin/killall5: killall5 -9  (root, child of 5, pts/0)
    +1.002000       #4    2300  killall5         SIGKILL -> 2240 mongod: delivered
    +1.002500       #5    2240  mongod           killed by SIGKILL  (cpu 12.0 ms, peak 3400 KiB)
    +1.003000       #6       -  kernel           SIGCHLD -> 1 init: ignored  (child killed, for 2240 mongod)
";
        assert_eq!(format!("\n{text}"), expected);
    }

    #[test]
    fn hostile_strings_stay_on_their_line_in_both_formats() {
        for format in [PLAIN, Format { json: true, ..PLAIN }] {
            let items = one_of_each().into_iter().map(Item::Event).collect();
            let (text, count) = shown(items, &Filter::default(), format);
            assert_eq!((text.lines().count(), count), (18, 18), "{text}");
            assert!(text.lines().all(|line| line.chars().all(safe::is_plain)), "{text}");
        }
    }

    #[test]
    fn filters_leave_out_events_but_no_loss_and_no_gap() {
        let mut items: Vec<Item> = story();
        let lost = What::Lost { cpu: 0, kind: 0, count: 3, bytes: 9 };
        items.push(Item::Event(Event { number: 7, time_ns: 101_100_000_000, what: lost }));
        items.push(Item::Gap(Gap { from: 8, to: 12, offset: 4096, why: "damaged" }));
        let filter = Filter { names: vec![Pattern::new("nobody")], ..Filter::default() };
        let (text, count) = shown(items, &filter, PLAIN);
        assert_eq!(count, 0);
        assert!(text.contains("*** LOST: 3 events on CPU 0, 9 bytes"), "{text}");
        assert!(text.contains("*** GAP: events 8 to 11 cannot be read (damaged, at byte 4096)"), "{text}");
    }

    #[test]
    fn one_event_is_found_by_its_number() {
        let (text, count) = shown(story(), &Filter { events: vec![4], ..Filter::default() }, PLAIN);
        assert_eq!((text.lines().count(), count), (1, 1));
        assert!(text.contains("SIGKILL"), "{text}");
    }

    #[test]
    fn the_head_tells_coverage_and_loss() {
        let mut requests = Requests::default();
        for item in story() {
            if let Item::Event(event) = item {
                requests.see(&event);
            }
        }
        let text = head(2, 3, &summary(), Ending::Sealed, &requests, Palette::PLAIN);
        let expected = "\
# recording 2 of 3 (abababab): db7, sysvinit 3.06, kernel 6.1.0-28-amd64
# 2026-11-12 03:14:00 +0100 for 11.8 s; sealed at its last hook
# 18 events; lost: 12 events not stored
# covered: seal +0.000 s to +11.800 s (umountroot)
";
        assert_eq!(text, expected);
    }
}
