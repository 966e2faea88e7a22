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

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    app::{App, Mode},
    layout::LEAST,
    palette::{ASCII, CONSOLE, Look, Theme, plainer},
    text::{clear, put, wrap},
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
    match &app.mode {
        Mode::Normal | Mode::Ask { .. } => {}
        Mode::Help { top } => help::draw(app, *top, area, buf),
        Mode::Commands { text, at } => commands::draw(app, text, *at, area, buf),
        Mode::Recordings { at, marked } => recordings::draw(app, *at, *marked, area, buf),
        Mode::Compare { top } => compare::draw(app, *top, area, buf),
        Mode::CompareHelp { top } => {
            compare::draw(app, *top, area, buf);
            help::draw_of_comparison(app, area, buf);
        }
        Mode::Filters { at } => {
            if let Some(model) = &app.model {
                filters::draw(app, model, *at, area, buf);
            }
        }
    }
    adapt(&app.theme, area, buf);
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

/// A box in the middle of `area` with a title; returns what is inside.
pub fn frame(app: &App, area: Rect, width: u16, height: u16, title: &str, buf: &mut Buffer) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let rect =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
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
    Rect { x: rect.x + 2, y: rect.y + 1, width: width.saturating_sub(4), height: height.saturating_sub(2) }
}
