//! The phases of the shutdown above a scale of time.
//!
//! ```text
//!                    stopping services │ SIGTERM spree                          │ SIGKILL spree │ unmounting
//!           +16.2 s  ┬+0.0 s           ┬+5.0 s     ≀13.0 s     ┬+20.0 s
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::time;
use crate::view::{
    Subject,
    app::App,
    layout::Areas,
    model::Model,
    palette::{Depth, Look},
    text::{fit, put, put_right, width},
    timeline::moment,
};

pub fn draw(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let theme = &app.theme;
    let time = areas.time();
    let axis = app.axis(model, time.width);
    let ribbon = Rect { x: time.x, width: time.width, ..areas.ribbon };
    put(buf, areas.ribbon, areas.ribbon.x + 1, areas.ribbon.y, "phases", theme.style(Look::Dim));
    if let Some(shutdown) = &model.story().shutdown {
        for (at, phase) in shutdown.phases.iter().enumerate() {
            let from = axis.column(phase.from.ns).clamp(0, i32::from(ribbon.width));
            let to = axis.column(phase.to_ns).clamp(0, i32::from(ribbon.width));
            // A phase that is over in no time is seen nevertheless, if it is in view at all.
            let shown = (0..i32::from(ribbon.width)).contains(&axis.column(phase.from.ns));
            let to = if to == from && shown { from + 1 } else { to };
            if from >= to {
                continue;
            }
            let style = theme.style(Look::Phase(phase.kind as u8));
            let rect = Rect { x: ribbon.x + from as u16, width: (to - from) as u16, ..ribbon };
            let room = usize::from(rect.width);
            let names = [phase.kind.title(), phase.kind.short(), &phase.kind.short()[..1]];
            let name = names.into_iter().find(|name| width(name) < room).unwrap_or_default();
            let text = format!("{:room$}", fit(&format!(" {name}"), room));
            // Without colours phases need walls.
            let mut text = text;
            if theme.depth == Depth::None && room > 0 {
                text = format!("{}{}", theme.glyphs.side, text.chars().skip(1).collect::<String>());
            }
            put(buf, rect, rect.x, rect.y, &text, style);
            if app.subject == Some(Subject::Phase(at)) {
                for x in rect.left()..rect.right() {
                    if let Some(cell) = buf.cell_mut((x, rect.y)) {
                        cell.set_style(theme.style(Look::Key));
                    }
                }
            }
        }
    }
    scale(app, model, areas, buf);
}

fn scale(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let theme = &app.theme;
    let time = areas.time();
    let axis = app.axis(model, time.width);
    let y = areas.scale.y;
    let area = Rect { x: time.x, width: time.width, ..areas.scale };
    let resolution = axis.column_ns();
    // What is written where: seams first, for a scale that jumps without saying so lies.
    let mut taken: Vec<(u16, u16)> = Vec::new();
    let free = |taken: &[(u16, u16)], from: u16, to: u16| taken.iter().all(|(a, b)| to < *a || from > *b);
    let seams = axis.seams();
    for (at, (column, left_out_ns)) in seams.iter().enumerate() {
        let mut text = format!("{}{}", theme.glyphs.cut, time::duration(*left_out_ns));
        let next = seams.get(at + 1).map_or(time.width, |(next, _)| *next);
        if usize::from(next - column) <= width(&text) {
            text = theme.glyphs.cut.to_owned();
        }
        let end = put(buf, area, area.x + column, y, &text, theme.style(Look::Warn)) - area.x;
        taken.push((*column, end));
    }
    let mut last = None;
    for (column, ns) in axis.ticks(model.zero_ns, 14) {
        let text = moment(ns, model.zero_ns, resolution.saturating_mul(10));
        let end = column + width(&text) as u16;
        if !free(&taken, column, end) {
            continue;
        }
        // A tick that says nothing is noise.
        if usize::from(area.width - column) <= width(&text) {
            continue;
        }
        put(buf, area, area.x + column, y, theme.glyphs.tick, theme.style(Look::Frame));
        put(buf, area, area.x + column + 1, y, &text, theme.style(Look::Dim));
        last = Some(column);
    }
    // The cursor says where it is, in front of the lanes.
    let cursor = moment(app.cursor_ns, model.zero_ns, resolution);
    let labels = Rect { width: areas.labels.saturating_sub(1), ..areas.scale };
    put_right(buf, labels, y, &cursor, theme.style(Look::Key));
    if last.is_none() {
        put(buf, area, area.x, y, &moment(axis.start(0), model.zero_ns, resolution), theme.style(Look::Dim));
    }
}
