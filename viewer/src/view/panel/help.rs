//! Every key and every sign, from the tables that are used.
//!
//! ```text
//! ╭ help ──────────────────────────────────────────╮
//! │ Who did it                                     │
//! │   c         cause: from a death to its killer  │
//! ╰────────────────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::frame;
use crate::view::{
    action::{self, Section},
    app::App,
    palette::Look,
    text::{put, wrap},
};

pub fn draw(app: &App, top: usize, area: Rect, buf: &mut Buffer) {
    let lines = lines(app, usize::from(area.width.min(78)).saturating_sub(6));
    let height = (lines.len() as u16).saturating_add(2).min(area.height);
    let inside = frame(app, area, 78, height, "help: arrows scroll, any other key closes", buf);
    let top = top.min(lines.len().saturating_sub(inside.height.into()));
    for ((key, text, look), y) in lines.iter().skip(top).zip(inside.top()..inside.bottom()) {
        put(buf, inside, inside.x, y, key, app.theme.style(Look::Key));
        let indent = if key.is_empty() && *look == Look::Title { 0 } else { KEY_COLUMNS };
        put(buf, inside, inside.x + indent, y, text, app.theme.style(*look));
    }
}

const KEY_COLUMNS: u16 = 14;

/// How far the help can be scrolled.
pub fn last_top(app: &App) -> usize {
    let (width, height) = app.size;
    let lines = lines(app, usize::from(width.min(78)).saturating_sub(6)).len();
    lines.saturating_sub(usize::from(height).min(lines + 2).saturating_sub(2))
}

fn lines(app: &App, room: usize) -> Vec<(String, String, Look)> {
    let glyphs = app.theme.glyphs;
    let mut lines = vec![(String::new(), "What the lanes show".to_owned(), Look::Title)];
    let signs = [
        (glyphs.run, "running", Look::Run),
        (glyphs.told, "told to stop, and at it", Look::Told),
        (glyphs.ignoring, "told to stop, and ignoring it or not taking it", Look::Ignoring),
        (glyphs.heir, "running in the place of a dead one: restarted", Look::Heir),
        (glyphs.born, "born", Look::Run),
        (glyphs.reborn, "restarted here", Look::Heir),
        (glyphs.sent, "sent a signal", Look::Signal),
        (glyphs.hit, "was sent a signal to stop", Look::Signal),
        (glyphs.exited, "exited 0, or died of the signal that asked it to", Look::Good),
        (glyphs.failed, "exited with another code", Look::Warn),
        (glyphs.killed, "killed", Look::Bad),
        (glyphs.alive, "alive at the end", Look::Warn),
        (glyphs.unknown, "its end was not recorded", Look::Warn),
    ];
    let columns = room.saturating_sub(KEY_COLUMNS.into());
    for (sign, text, look) in signs {
        let mut sign = sign.to_owned();
        for text in wrap(text, columns, 0) {
            lines.push((std::mem::take(&mut sign), text, look));
        }
    }
    for section in Section::ALL {
        lines.push((String::new(), String::new(), Look::Text));
        lines.push((String::new(), section.title().to_owned(), Look::Title));
        for binding in action::all().filter(|binding| binding.section == section) {
            let mut key = binding.names();
            for text in wrap(binding.help, columns, 0) {
                lines.push((std::mem::take(&mut key), text, Look::Text));
            }
        }
    }
    lines.push((String::new(), String::new(), Look::Text));
    lines.push((String::new(), "Mouse".to_owned(), Look::Title));
    for (key, text) in [
        ("wheel", "zoom on the lanes; scroll elsewhere"),
        ("drag", "move the view"),
        ("click", "choose; a second click follows"),
    ] {
        lines.push((key.to_owned(), text.to_owned(), Look::Text));
    }
    lines
}
