//! The phases of the shutdown, and that a boot followed, above a scale of time.
//!
//! ```text
//!                    stopping services │ SIGTERM spree                          │ SIGKILL spree │ unmounting
//!                    ┬+0.0 s           ┬+5.0 s     ≀13.0 s     ┊+16.27 s  ┬+20.0 s
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::time;
use crate::view::{
    Subject,
    app::App,
    layout::Areas,
    model::Model,
    palette::{Depth, Look},
    text::{fit, put, width},
    timeline::{Axis, moment},
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
    next_boot(app, model, &axis, ribbon, buf);
    scale(app, model, areas, buf);
}

/// Behind the last phase, where there is room: that the machine came up again, and which recording has that.
fn next_boot(app: &App, model: &Model, axis: &Axis<'_>, ribbon: Rect, buf: &mut Buffer) {
    let story = model.story();
    let last = story.shutdown.as_ref().and_then(|shutdown| shutdown.phases.last());
    let Some((next, last)) = story.next.as_ref().zip(last) else { return };
    let from = axis.column(last.to_ns).max(axis.column(last.from.ns) + 1);
    let room = usize::try_from(i32::from(ribbon.width) - from).unwrap_or(0);
    let cut = app.theme.glyphs.cut;
    let words = [
        format!("{cut} next boot: recording {}", next.recording),
        format!("{cut} next boot"),
        format!("{cut} boot"),
    ];
    if let Some(text) = words.iter().find(|text| from >= 0 && width(text) <= room) {
        put(buf, ribbon, ribbon.x + from as u16, ribbon.y, text, app.theme.style(Look::Dim));
    }
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
    // Of seams that are close together the last one says it for all of them.
    let (mut crowd, mut crowd_ns) = (0, 0);
    for (at, (column, left_out_ns)) in seams.iter().enumerate() {
        (crowd, crowd_ns) = (crowd + 1, crowd_ns + left_out_ns);
        let together = if crowd > 1 { format!(" in {crowd} cuts") } else { String::new() };
        let mut text = format!("{}{}{together}", theme.glyphs.cut, time::duration(crowd_ns));
        let next = seams.get(at + 1).map_or(time.width, |(next, _)| *next);
        if usize::from(next - column) <= width(&text) {
            text = theme.glyphs.cut.to_owned();
        } else {
            (crowd, crowd_ns) = (0, 0);
        }
        let end = put(buf, area, area.x + column, y, &text, theme.style(Look::Warn)) - area.x;
        taken.push((*column, end));
    }
    let cursor = cursor(app, model, &axis, &taken);
    if let Some((place, text, at)) = &cursor {
        put(buf, area, area.x + place, y, text, theme.style(Look::Key));
        put(buf, area, area.x + at, y, theme.glyphs.cursor, theme.style(Look::Key));
        taken.push((*place, place + width(text) as u16));
    }
    let mut last = None;
    let mut ticks = axis.ticks(model.zero_ns, 14);
    if !seams.is_empty() {
        // Between seams the round places have often no room: then behind one.
        let behind = taken.iter().map(|(_, end)| end + 1).filter(|column| *column < time.width);
        ticks.extend(behind.map(|column| (column, axis.start(column))));
    }
    for (column, ns) in ticks {
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
        taken.push((column, end));
        last = Some(column);
    }
    let mut name = "time";
    let named;
    if cursor.is_none() {
        // Out of view, or where there is no room: in front of the lanes.
        named = format!("cursor {}", moment(app.cursor_ns, model.zero_ns, resolution));
        name = &named;
    }
    let labels = Rect { width: areas.labels.saturating_sub(1), ..areas.scale };
    put(
        buf,
        labels,
        labels.x + 1,
        y,
        name,
        theme.style(if cursor.is_none() { Look::Key } else { Look::Dim }),
    );
    let start = moment(axis.start(0), model.zero_ns, resolution);
    if last.is_none() && free(&taken, 0, width(&start) as u16) {
        put(buf, area, area.x, y, &start, theme.style(Look::Dim));
    }
}

/// Where the cursor says its time on the scale: the column of the words, the words with a blank for its sign, and the
/// column of the sign. None: it is out of view, or something else is there.
fn cursor(app: &App, model: &Model, axis: &Axis<'_>, taken: &[(u16, u16)]) -> Option<(u16, String, u16)> {
    let column = u16::try_from(axis.column(app.cursor_ns)).ok().filter(|column| *column < axis.columns)?;
    let time = moment(app.cursor_ns, model.zero_ns, axis.column_ns());
    let wide = width(&time) as u16;
    let free = |from: u16, to: u16| to < axis.columns && taken.iter().all(|(a, b)| to < *a || from > *b);
    if free(column, column + wide) {
        return Some((column, format!(" {time}"), column));
    }
    let from = column.checked_sub(wide)?;
    free(from, column).then(|| (from, format!("{time} "), column))
}
