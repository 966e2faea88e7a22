//! What is filtered by, one line each, to be taken away.
//!
//! ```text
//! ╭ shown are only those that are all of this ──────╮
//! │ ▌killed                                         │
//! │  user root                                      │
//! │ Enter takes it away  & adds one  Esc closes     │
//! ╰─────────────────────────────────────────────────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::frame;
use crate::view::{
    app::App,
    model::Model,
    palette::Look,
    text::{fit, put},
};

pub fn draw(app: &App, model: &Model, at: usize, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let kinds = &app.filter.kinds;
    let height = (kinds.len() as u16).saturating_add(3);
    let inside = frame(app, area, 64, height, "shown are only those that are all of this", buf);
    let fit_in = usize::from(inside.height.saturating_sub(1)).max(1);
    let top = (at + 1).saturating_sub(fit_in);
    let room = usize::from(inside.width).saturating_sub(1);
    for (n, kind) in kinds.iter().enumerate().skip(top).take(fit_in) {
        let y = inside.y + (n - top) as u16;
        if n == at {
            buf.set_style(Rect { y, height: 1, ..inside }, theme.chosen(true));
            put(buf, inside, inside.x, y, theme.glyphs.chosen, theme.style(Look::Key));
        }
        put(buf, inside, inside.x + 1, y, &fit(&kind.words(model), room), theme.style(Look::Strong));
    }
    let note = "Enter takes it away  & adds one  Esc closes";
    let y = inside.bottom().saturating_sub(1);
    put(buf, inside, inside.x, y, &fit(note, inside.width.into()), theme.style(Look::Dim));
}
