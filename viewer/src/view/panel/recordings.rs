//! The recordings of the file, with what was found in each.
//!
//! ```text
//! ╭ recordings: Enter opens ────────────────────────────────────────────────╮
//! │   2  25 Nov 2026 02:29:15 UTC  db7  sysvinit 3.06  1523 events  sealed  │
//! │     rebooted, 1 finding: runsvdir was restarted and then killed         │
//! │ Space marks  d compares  s saves  r reports  D deletes a saved file      │
//! ╰─────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::frame;
use crate::view::{
    app::App,
    palette::Look,
    text::{clear, fit, put, width},
};

pub fn draw(app: &App, at: usize, marked: Option<usize>, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let height = (app.entries.len() as u16).saturating_mul(2).saturating_add(4);
    let inside = frame(app, area, 100, height, "recordings: Enter opens", buf);
    clear(buf, inside, theme.style(Look::Text));
    let list = Rect { height: inside.height.saturating_sub(1), ..inside };
    let fit_in = usize::from(list.height / 2).max(1);
    let top = (at + 1).saturating_sub(fit_in);
    for (n, entry) in app.entries.iter().enumerate().skip(top).take(fit_in) {
        let y = list.y + ((n - top) * 2) as u16;
        let rect = Rect { y, height: 2.min(list.bottom().saturating_sub(y)), ..list };
        if n == at {
            buf.set_style(rect, theme.chosen(true));
            put(buf, rect, rect.x, y, theme.glyphs.chosen, theme.style(Look::Key));
        }
        let mark = if marked == Some(entry.number) { "*" } else { " " };
        let line = |when: &str| {
            format!(
                "{mark}{:>2}  {when}  {}  {}  {} events  {}",
                entry.number, entry.host, entry.init, entry.events, entry.ending
            )
        };
        let room = usize::from(rect.width).saturating_sub(2);
        let zoned = line(&format!("{} {}", entry.when, entry.zone));
        let text = if width(&zoned) <= room { zoned } else { line(&entry.when) };
        put(buf, rect, rect.x + 1, y, &fit(&text, room), theme.style(Look::Strong));
        let (text, look) = match &entry.verdict {
            None => ("     looking ...".to_owned(), Look::Dim),
            Some(verdict) if verdict.findings == 0 => (format!("     {}", verdict.how), Look::Good),
            Some(verdict) => {
                let many = if verdict.findings == 1 { "" } else { "s" };
                (
                    format!("     {}, {} finding{many}: {}", verdict.how, verdict.findings, verdict.worst),
                    Look::Bad,
                )
            }
        };
        put(buf, rect, rect.x + 1, y + 1, &fit(&text, room), theme.style(look));
    }
    let what = if app.ring { "of a ring nothing is deleted by hand" } else { "D deletes the file" };
    let keys = format!("Space marks  d compares with the marked or the open one  s saves  r reports  {what}");
    let note = if app.message.is_empty() { &keys } else { &app.message };
    let y = inside.bottom().saturating_sub(1);
    put(buf, inside, inside.x, y, &fit(note, inside.width.into()), theme.style(Look::Dim));
}
