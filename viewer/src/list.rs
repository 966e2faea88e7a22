//! `lastrites list`: every recording in a file.
//!
//! Invariant: readable at 80 columns; what a narrow table leaves out of its rows stands below them.

use std::fmt::Write as _;

use lastrites_traces::reader::Summary;

use crate::{
    about::{self, Ending},
    output::{Look, Palette},
    requests::Requests,
    safe,
    time::Clocks,
};

/// One recording, with what reading its events found.
#[derive(Debug)]
pub struct Row<'a> {
    pub number: usize,
    pub summary: &'a Summary,
    pub ending: Ending,
    pub requests: Requests,
}

/// Columns from which on host and init have columns of their own.
const WIDE: usize = 100;
/// Assumed where there is no terminal.
const DEFAULT_WIDTH: usize = 80;

impl Row<'_> {
    fn host(&self) -> String {
        let host = &self.summary.session.hostname;
        if host.is_empty() { "?".into() } else { safe::text(host.as_bytes()) }
    }

    /// What kind of recording it is.
    fn what(&self) -> &'static str {
        let boot = self.summary.session.began == "boot";
        let shutdown = self.requests.reboot.is_some()
            || matches!(self.ending, Ending::Sealed)
            || self.requests.first.is_some();
        match (boot, shutdown) {
            (true, true) => "boot, shutdown",
            (true, false) => "boot",
            (false, true) => "shutdown",
            (false, false) => "recording",
        }
    }

    /// How far its clock was from UTC.
    fn zone(&self) -> String {
        Clocks::new(self.summary).zone(self.summary.session.started.boottime_ns)
    }

    fn cells(&self, wide: bool) -> Vec<String> {
        let session = &self.summary.session;
        let start = Clocks::new(self.summary).wall(session.started.boottime_ns);
        let mut cells = vec![
            self.number.to_string(),
            start.format("%Y-%m-%d %H:%M:%S").to_string(),
            about::lasted(self.summary),
            self.what().to_owned(),
        ];
        if wide {
            cells.push(clip(&self.host(), 24));
            cells.push(clip(&about::init(self.summary), 20));
        }
        cells.extend([
            self.ending.word().to_owned(),
            self.summary.events.to_string(),
            self.summary.lost.to_string(),
        ]);
        cells
    }

    fn details(&self, wide: bool, zoned: bool) -> Vec<(Look, String)> {
        let mut lines = Vec::new();
        if zoned {
            lines.push((Look::Dim, format!("clock:   {}", self.zone())));
        }
        if !wide {
            lines.push((Look::Dim, format!("host:    {}, {}", self.host(), about::init(self.summary))));
        }
        if let Some(request) = &self.requests.first {
            lines.push((Look::Name, format!("asked:   {}", request.text())));
        }
        let mut ended = self.ending.sentence().to_owned();
        // The recorder that noted the missing seal knows best why there is none.
        // But not that it had been told to stop itself before.
        let knows = |note: &str| match self.ending {
            Ending::Cut => !note.is_empty(),
            Ending::Unseen => note.contains("as foreseen"),
            _ => false,
        };
        let noted = self.summary.end.as_ref().filter(|end| knows(&end.note));
        if let Some(end) = noted {
            ended = safe::text(end.note.as_bytes());
        }
        if let Some(cmd) = self.requests.reboot {
            let _ = write!(ended, "; reboot(2): {}", crate::names::reboot(cmd).0);
        }
        if let Some(end) = &self.summary.end
            && !end.note.is_empty()
            && noted.is_none()
            && !self.ending.has_no_seal()
        {
            let _ = write!(ended, " ({})", safe::text(end.note.as_bytes()));
        }
        let bad = self.ending.has_no_seal() || self.ending == Ending::Damaged;
        lines.push((if bad { Look::Bad } else { Look::Dim }, format!("ended:   {ended}")));
        for text in about::coverage(self.summary) {
            lines.push(match text.strip_prefix("missing: ") {
                Some(text) => (Look::Warn, format!("missing: {text}")),
                None => (Look::Dim, format!("covered: {text}")),
            });
        }
        if self.summary.lost > 0 {
            lines.push((Look::Warn, format!("lost:    {}", about::lost(self.summary.lost))));
        }
        lines
    }
}

/// At most `width` characters.
fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks at blanks, so that nothing passes `width` but words that are longer.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += len;
    }
    out
}

/// The table.
pub fn table(rows: &[Row<'_>], width: Option<usize>, palette: Palette) -> String {
    let width = width.unwrap_or(DEFAULT_WIDTH).max(40);
    let wide = width >= WIDE;
    // Said once where it is the same for all, else below each.
    let zones: Vec<String> = rows.iter().map(Row::zone).collect();
    let zoned = zones.windows(2).any(|pair| pair[0] != pair[1]);
    let began = match zones.first().filter(|_| !zoned) {
        Some(zone) => format!("BEGAN ({zone})"),
        None => "BEGAN".to_owned(),
    };
    let mut titles = vec!["#", began.as_str(), "LASTED", "WHAT"];
    if wide {
        titles.extend(["HOST", "INIT"]);
    }
    titles.extend(["END", "EVENTS", "LOST"]);
    let right = |at: usize| at == 0 || at + 2 >= titles.len();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells(wide)).collect();
    let widths: Vec<usize> = (0..titles.len())
        .map(|at| {
            cells.iter().map(|row| row[at].chars().count()).chain([titles[at].len()]).max().unwrap_or(0)
        })
        .collect();
    let aligned = |row: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (at, cell) in row.enumerate() {
            if at > 0 {
                line.push_str("  ");
            }
            let _ = if right(at) {
                write!(line, "{cell:>pad$}", pad = widths[at])
            } else {
                write!(line, "{cell:<pad$}", pad = widths[at])
            };
        }
        line.truncate(line.trim_end().len());
        line
    };
    let mut out = String::new();
    palette.paint(&mut out, Look::Strong, |out| out.push_str(&aligned(&mut titles.iter().copied())));
    out.push('\n');
    let indent = widths[0] + 2;
    for (row, cells) in rows.iter().zip(&cells) {
        out.push_str(&aligned(&mut cells.iter().map(String::as_str)));
        out.push('\n');
        for (look, text) in row.details(wide, zoned) {
            out.extend(std::iter::repeat_n(' ', indent));
            let text = wrap(&text, width.saturating_sub(indent), 9);
            palette.paint(&mut out, look, |out| {
                out.push_str(&text.replace('\n', &format!("\n{:indent$}", "")));
            });
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Request;
    use crate::testing::{bytes, summary, words};

    fn row(summary: &Summary) -> Row<'_> {
        let request = Request {
            number: 3,
            time_ns: 0,
            uid: 0,
            tty: bytes("pts/0"),
            argv: words(&["shutdown", "-r", "now"]),
        };
        let requests = Requests { first: Some(request), reboot: Some(0x0123_4567) };
        Row { number: 1, summary, ending: Ending::Sealed, requests }
    }

    #[test]
    fn it_is_readable_at_80_columns() {
        let summary = summary();
        let text = table(&[row(&summary)], None, Palette::PLAIN);
        let expected = "\
#  BEGAN (UTC+1)        LASTED  WHAT      END     EVENTS  LOST
1  2026-11-12 03:14:00  11.8 s  shutdown  sealed      18    12
   host:    db7, sysvinit 3.06
   asked:   shutdown -r now (root, pts/0)
   ended:   sealed at its last hook; reboot(2): restart
   covered: seal +0.000 s to +11.800 s (umountroot)
   lost:    12 events not stored
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_wide_terminal_gets_host_and_init_into_the_row() {
        let summary = summary();
        let text = table(&[row(&summary)], Some(120), Palette::PLAIN);
        assert!(text.contains("db7   sysvinit 3.06  sealed"), "{text}");
    }

    #[test]
    fn clocks_of_different_zones_are_told_one_by_one() {
        let (here, mut there) = (summary(), summary());
        there.session.started.utc_offset_s = -12_600;
        there.clocks.clear();
        let text = table(&[row(&here), row(&there)], None, Palette::PLAIN);
        assert!(text.starts_with("#  BEGAN  "), "{text}");
        assert!(text.contains("   clock:   UTC+1\n") && text.contains("   clock:   UTC-3:30\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn hostile_names_and_long_notes_keep_the_table_in_shape() {
        let mut summary = summary();
        summary.session.hostname = "\x1b[31mx\n\u{202e}".repeat(9);
        summary.coverage[0].note = "because of this and that ".repeat(9);
        for width in [40, 80, 200] {
            let text = table(&[row(&summary)], Some(width), Palette::PLAIN);
            assert!(text.lines().all(|line| line.chars().all(|c| safe::is_plain(c) || c == '…')), "{text}");
            let longest =
                text.lines().filter(|line| line.contains("because")).map(|l| l.chars().count()).max();
            assert!(longest.is_some_and(|longest| longest <= width), "{text}");
        }
    }
}
