//! The recordings that can be opened, with what was found in each; those of several files stand below their names.
//!
//! ```text
//! ╭ recordings: Enter opens ────────────────────────────────────────────────╮
//! │ ring.lrt                                                                 │
//! │   2  25 Nov 2026 02:29:15 UTC  db7  sysvinit 3.06  1523 events  sealed  │
//! │     rebooted, 1 finding: runsvdir was restarted and then killed         │
//! │ imported as bug-1                                                        │
//! │   1  12 Nov 2026 03:14:07 UTC  web2  systemd 252  4310 events  sealed   │
//! │     powered off                                                          │
//! │ Space marks  d compares  s saves  r reports  D deletes a saved file      │
//! ╰─────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Hit, frame, put_from_below, screen};
use crate::view::{
    app::App,
    listing::{Entry, Spot},
    palette::Look,
    text::{clear, fit, put, width},
};

/// So many rows an answer may take.
const NOTE: u16 = 3;

/// A line of the list: of an entry there are two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// A place in [`App::files`].
    File(usize),
    /// Places in [`App::entries`].
    Head(usize),
    Verdict(usize),
}

fn lines(app: &App) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut file = None;
    for (at, entry) in app.entries.iter().enumerate() {
        if app.files.len() > 1 && file != Some(entry.spot.file) {
            lines.push(Line::File(entry.spot.file));
        }
        file = Some(entry.spot.file);
        lines.extend([Line::Head(at), Line::Verdict(at)]);
    }
    lines
}

/// The first line that is shown, so that the chosen entry is seen whole, and the name above the first one.
fn top(lines: &[Line], at: usize, height: usize) -> usize {
    let last = lines.iter().position(|line| *line == Line::Verdict(at)).unwrap_or(0);
    let top = (last + 1).saturating_sub(height.max(2));
    // An entry is not begun in its middle.
    if matches!(lines.get(top), Some(Line::Verdict(_))) { top + 1 } else { top }
}

/// Its columns, and rows beside those of the list: the frame, a row between, and the last one.
const SIZE: (u16, u16) = (100, 4);

fn place(app: &App, lines: &[Line], area: Rect) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(SIZE.1);
    super::middle(area, SIZE.0, height.min(app.size.1))
}

/// How many entries a page has.
pub fn page(app: &App) -> usize {
    (usize::from(app.size.1.saturating_sub(SIZE.1)) / 2).max(1)
}

/// What is at a place of the screen.
pub fn hit(app: &App, at: usize, x: u16, y: u16) -> Hit {
    let lines = lines(app);
    let rect = place(app, &lines, screen(app));
    let height = super::inside(rect).height.saturating_sub(1);
    let top = top(&lines, at, height.into());
    super::hit(rect, x, y, |row| match lines.get(top + usize::from(row)).filter(|_| row < height)? {
        Line::Head(at) | Line::Verdict(at) => Some(*at),
        Line::File(_) => None,
    })
}

pub fn draw(app: &App, at: usize, marked: Option<Spot>, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let lines = lines(app);
    let rect = place(app, &lines, area);
    let inside = frame(app, area, rect.width, rect.height, "recordings: Enter opens", buf);
    clear(buf, inside, theme.style(Look::Text));
    let list = Rect { height: inside.height.saturating_sub(1), ..inside };
    let top = top(&lines, at, list.height.into());
    for (line, y) in lines.iter().skip(top).zip(list.top()..list.bottom()) {
        let rect = Rect { y, height: 1, ..list };
        match *line {
            Line::File(file) => {
                let title = app.files.get(file).map_or("", |file| &file.title);
                put(buf, rect, rect.x, y, &fit(title, rect.width.into()), theme.style(Look::Title));
            }
            Line::Head(n) | Line::Verdict(n) => {
                let Some(entry) = app.entries.get(n) else { continue };
                if n == at {
                    buf.set_style(rect, theme.chosen(true));
                }
                if *line == Line::Head(n) {
                    if n == at {
                        put(buf, rect, rect.x, y, theme.glyphs.chosen, theme.style(Look::Key));
                    }
                    head(app, entry, marked == Some(entry.spot), rect, buf);
                } else {
                    verdict(app, entry, rect, buf);
                }
            }
        }
    }
    let ring = app.entries.get(at).is_some_and(|entry| app.is_ring(entry.spot.file));
    let keys = "? keys  Space marks  d compares  s saves  r reports";
    let more = if ring { "of a ring nothing is deleted by hand" } else { "D deletes the file" };
    let all = format!("{keys}  {more}");
    // Half a sentence helps nobody.
    let keys = if width(&all) <= usize::from(inside.width) { &all } else { keys };
    if app.message.is_empty() {
        let y = inside.bottom().saturating_sub(1);
        put(buf, inside, inside.x, y, &fit(keys, inside.width.into()), theme.style(Look::Dim));
    } else {
        put_from_below(buf, inside, &app.message, NOTE, theme.style(Look::Warn));
    }
}

fn room(rect: Rect) -> usize {
    usize::from(rect.width).saturating_sub(2)
}

fn head(app: &App, entry: &Entry, marked: bool, rect: Rect, buf: &mut Buffer) {
    let mark = if marked { "*" } else { " " };
    let line = |when: &str| {
        format!(
            "{mark}{:>2}  {when}  {}  {}  {} events  {}",
            entry.spot.number, entry.host, entry.init, entry.events, entry.ending
        )
    };
    let zoned = line(&format!("{} {}", entry.when, entry.zone));
    let text = if width(&zoned) <= room(rect) { zoned } else { line(&entry.when) };
    put(buf, rect, rect.x + 1, rect.y, &fit(&text, room(rect)), app.theme.style(Look::Strong));
}

fn verdict(app: &App, entry: &Entry, rect: Rect, buf: &mut Buffer) {
    let (text, look) = match &entry.verdict {
        None => ("     looking ...".to_owned(), Look::Dim),
        Some(verdict) if verdict.findings == 0 => (format!("     {}", verdict.how), Look::Good),
        Some(verdict) => {
            let many = if verdict.findings == 1 { "" } else { "s" };
            let text = format!("     {}, {} finding{many}: {}", verdict.how, verdict.findings, verdict.worst);
            (text, Look::Bad)
        }
    };
    put(buf, rect, rect.x + 1, rect.y, &fit(&text, room(rect)), app.theme.style(look));
}
