//! All commands, by what they do.
//!
//! ```text
//! ╭ commands ─────────────────────────────╮
//! │ :zoom_                                │
//! │ ▌+ =   zoom in around the cursor      │
//! │  -     zoom out                       │
//! ╰───────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Hit, frame, screen};
use crate::{
    safe,
    view::{
        action,
        app::App,
        palette::Look,
        text::{fit, put},
    },
};

const SIZE: (u16, u16) = (88, 16);

/// The first command that is shown, of those for which there are `rows`.
fn top(at: usize, rows: u16) -> usize {
    (at + 1).saturating_sub(usize::from(rows).max(1))
}

/// What is at a place of the screen.
pub fn hit(app: &App, text: &str, at: usize, x: u16, y: u16) -> Hit {
    let rect = super::middle(screen(app), SIZE.0, SIZE.1);
    let top = top(at, super::inside(rect).height.saturating_sub(1));
    let count = action::commands(text).len();
    super::hit(rect, x, y, |row| Some(top + usize::from(row.checked_sub(1)?)).filter(|at| *at < count))
}

pub fn draw(app: &App, text: &str, at: usize, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let inside = frame(app, area, SIZE.0, SIZE.1, "commands: type, choose, Enter", buf);
    let line = format!(":{}_", safe::text(text.as_bytes()));
    put(buf, inside, inside.x, inside.y, &line, theme.style(Look::Strong));
    let found = action::commands(text);
    let top = top(at, inside.height.saturating_sub(1));
    for ((n, binding), y) in found.iter().enumerate().skip(top).zip(inside.y + 1..inside.bottom()) {
        let rect = Rect { y, height: 1, ..inside };
        if n == at {
            buf.set_style(rect, theme.chosen(true));
            put(buf, rect, rect.x, y, theme.glyphs.chosen, theme.style(Look::Key));
        }
        put(buf, rect, rect.x + 1, y, &binding.names(), theme.style(Look::Key));
        let room = usize::from(rect.width).saturating_sub(16);
        put(buf, rect, rect.x + 15, y, &fit(binding.help, room), theme.style(Look::Text));
    }
    if found.is_empty() {
        put(buf, inside, inside.x + 1, inside.y + 1, "no such command", theme.style(Look::Dim));
    }
}
