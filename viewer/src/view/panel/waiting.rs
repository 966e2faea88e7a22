//! While a recording is read.
//!
//! ```text
//! ╭ lastrites ────────────────────────────╮
//! │ reading recording 3                   │
//! │ ████████████░░░░░░░░░░░░  52 %        │
//! │ q cancels                             │
//! ╰───────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::frame;
use crate::view::{
    app::App,
    palette::Look,
    text::{fit, put},
};

pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let inside = frame(app, area, 56, 5, "lastrites", buf);
    let loading = app.loading.clone().unwrap_or_default();
    let room = usize::from(inside.width);
    let what = if loading.what.is_empty() { "opening" } else { &loading.what };
    put(buf, inside, inside.x, inside.y, &fit(what, room), theme.style(Look::Strong));
    let percent = (loading.done.saturating_mul(100) / loading.total.max(1)).min(100) as usize;
    let wide = room.saturating_sub(7);
    let done = wide * percent / 100;
    let bar =
        format!("{}{} {percent:3} %", theme.glyphs.full.repeat(done), theme.glyphs.empty.repeat(wide - done));
    put(buf, inside, inside.x, inside.y + 1, &bar, theme.style(Look::Accent));
    put(buf, inside, inside.x, inside.y + 2, "q cancels", theme.style(Look::Dim));
}
