//! The panels, each drawn from `&App`.
//!
//! Invariant: a panel writes within its area and decides nothing; whatever is drawn last has only symbols that the
//! terminal has.

pub mod commands;
pub mod compare;
pub mod detail;
pub mod filters;
pub mod findings;
pub mod header;
pub mod help;
pub mod lanes;
pub mod recordings;
pub mod ribbon;
pub mod status;
pub mod waiting;

use ratatui::{Frame, buffer::Buffer, layout::Rect, style::Style};

use super::{
    app::{App, Mode},
    layout::LEAST,
    palette::{ASCII, CONSOLE, Look, Theme, plainer},
    text::{clear, fit, put, wrap},
};

/// Draws everything.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buf = frame.buffer_mut();
    paint(app, area, buf);
}

pub fn paint(app: &App, area: Rect, buf: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 || app.size != (area.width, area.height) {
        let text = format!("lastrites needs {} columns and {} rows; q quits", LEAST.0, LEAST.1);
        for (line, y) in wrap(&text, area.width.into(), 0).iter().zip(area.top()..area.bottom()) {
            put(buf, area, area.x, y, line, app.theme.style(Look::Text));
        }
        return;
    }
    match &app.model {
        Some(model) => {
            let areas = app.areas();
            header::draw(app, model, areas.header, buf);
            ribbon::draw(app, model, &areas, buf);
            lanes::draw(app, model, &areas, buf);
            findings::draw(app, model, &areas, buf);
            detail::draw(app, model, areas.detail, buf);
            status::draw(app, Some(model), areas.status, buf);
        }
        None => waiting::draw(app, area, buf),
    }
    let below = match &app.mode {
        Mode::KeysOf(_, below) => below,
        mode => mode,
    };
    over(app, below, area, buf);
    if let Mode::KeysOf(section, _) = &app.mode {
        help::draw_of(app, *section, area, buf);
    }
    adapt(&app.theme, area, buf);
}

/// What lies over the lanes.
fn over(app: &App, mode: &Mode, area: Rect, buf: &mut Buffer) {
    match mode {
        Mode::Normal | Mode::KeysOf(..) | Mode::Ask { .. } => {}
        Mode::Help { top } => help::draw(app, *top, area, buf),
        Mode::Commands { text, at } => commands::draw(app, text, *at, area, buf),
        Mode::Recordings { at, marked } => recordings::draw(app, *at, *marked, area, buf),
        Mode::Compare { top } => compare::draw(app, *top, area, buf),
        Mode::Filters { at } => {
            if let Some(model) = &app.model {
                filters::draw(app, model, *at, area, buf);
            }
        }
    }
}

/// Replaces what the terminal does not have.
fn adapt(theme: &Theme, area: Rect, buf: &mut Buffer) {
    let console = theme.glyphs == &CONSOLE;
    if theme.glyphs != &ASCII && !console {
        return;
    }
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let Some(cell) = buf.cell_mut((x, y)) else { continue };
            let symbol = cell.symbol();
            if symbol.is_ascii() || console && CONSOLE_HAS.contains(symbol) {
                continue;
            }
            let cut = symbol == "…";
            let plain = plainer(symbol);
            cell.set_symbol(plain);
            // One dot could be part of a name: what was cut ends in two, the first in place of what stood before.
            if cut && let Some(before) = buf.cell_mut((x.saturating_sub(1).max(area.left()), y)) {
                before.set_symbol(plain);
            }
        }
    }
}

const CONSOLE_HAS: &str = "─│┌┐└┘├┤┬┴┼═║▲▼█░▒≈·";

/// What lies at a place of the screen while a box is over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    Beside,
    /// The box, but nothing in it that could be chosen.
    Box,
    /// Something of its list.
    Line(usize),
}

/// The whole screen.
pub fn screen(app: &App) -> Rect {
    Rect { x: 0, y: 0, width: app.size.0, height: app.size.1 }
}

/// The place of a box in the middle of `area`.
fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// What is inside such a box.
fn inside(rect: Rect) -> Rect {
    Rect {
        x: rect.x + 2,
        y: rect.y + 1,
        width: rect.width.saturating_sub(4),
        height: rect.height.saturating_sub(2),
    }
}

/// What is hit at a place of such a box: `line` says what stands on a row of its inside.
fn hit(rect: Rect, x: u16, y: u16, line: impl FnOnce(u16) -> Option<usize>) -> Hit {
    let at = ratatui::layout::Position { x, y };
    match rect.contains(at) {
        false => Hit::Beside,
        true if inside(rect).contains(at) => line(y - inside(rect).y).map_or(Hit::Box, Hit::Line),
        true => Hit::Box,
    }
}

/// Writes `text` so that its last row is the last one of `area`, in as many rows as it takes, up to `most`. What is longer
/// than that is cut.
fn put_from_below(buf: &mut Buffer, area: Rect, text: &str, most: u16, style: Style) {
    let mut lines = wrap(text, area.width.into(), 0);
    let most = usize::from(most.min(area.height)).max(1);
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(fit(&rest, area.width.into()));
    }
    let top = area.bottom().saturating_sub(lines.len() as u16);
    for (line, y) in lines.iter().zip(top..) {
        clear(buf, Rect { y, height: 1, ..area }, Style::default());
        put(buf, area, area.x, y, line, style);
    }
}

/// A box in the middle of `area` with a title; returns what is inside.
pub fn frame(app: &App, area: Rect, width: u16, height: u16, title: &str, buf: &mut Buffer) -> Rect {
    let rect = middle(area, width, height);
    let width = rect.width;
    let style = app.theme.style(Look::Accent);
    clear(buf, rect, app.theme.style(Look::Text));
    let [nw, ne, sw, se, h, v] = app.theme.glyphs.frame;
    let line = h.repeat(usize::from(width.saturating_sub(2)));
    put(buf, rect, rect.x, rect.y, &format!("{nw}{line}{ne}"), style);
    put(buf, rect, rect.x, rect.bottom() - 1, &format!("{sw}{line}{se}"), style);
    for y in rect.y + 1..rect.bottom() - 1 {
        put(buf, rect, rect.x, y, v, style);
        put(buf, rect, rect.right() - 1, y, v, style);
    }
    put(buf, rect, rect.x + 2, rect.y, &format!(" {title} "), app.theme.style(Look::Title));
    inside(rect)
}
