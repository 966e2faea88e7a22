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

use super::{Hit, frame, screen};
use crate::view::{
    app::App,
    model::Model,
    palette::Look,
    text::{fit, put},
};

/// The place of the box, and the first filter that is shown.
fn place(app: &App, at: usize, area: Rect) -> (Rect, usize) {
    let height = (app.filter.kinds.len() as u16).saturating_add(3);
    let rect = super::middle(area, 64, height);
    let fit_in = usize::from(super::inside(rect).height.saturating_sub(1)).max(1);
    (rect, (at + 1).saturating_sub(fit_in))
}

/// What is at a place of the screen.
pub fn hit(app: &App, at: usize, x: u16, y: u16) -> Hit {
    let (rect, top) = place(app, at, screen(app));
    super::hit(rect, x, y, |row| Some(top + usize::from(row)).filter(|at| *at < app.filter.kinds.len()))
}

pub fn draw(app: &App, model: &Model, at: usize, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let kinds = &app.filter.kinds;
    let (rect, top) = place(app, at, area);
    let title = "shown are only those that are all of this";
    let inside = frame(app, area, rect.width, rect.height, title, buf);
    let fit_in = usize::from(inside.height.saturating_sub(1)).max(1);
    let room = usize::from(inside.width).saturating_sub(1);
    for (n, kind) in kinds.iter().enumerate().skip(top).take(fit_in) {
        let y = inside.y + (n - top) as u16;
        if n == at {
            buf.set_style(Rect { y, height: 1, ..inside }, theme.chosen(true));
            put(buf, inside, inside.x, y, theme.glyphs.chosen, theme.style(Look::Key));
        }
        put(buf, inside, inside.x + 1, y, &fit(&kind.words(model), room), theme.style(Look::Strong));
    }
    let (note, look) = match app.message.as_str() {
        "" => ("Enter takes it away  & adds one  Esc closes", Look::Dim),
        said => (said, Look::Warn),
    };
    let y = inside.bottom().saturating_sub(1);
    put(buf, inside, inside.x, y, &fit(note, inside.width.into()), theme.style(look));
}
