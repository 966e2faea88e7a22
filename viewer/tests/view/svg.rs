//! A screen as a picture: cells of a terminal as SVG, the lines and blocks among them as shapes, so that it looks the
//! same with any font.

use std::{collections::BTreeMap, fmt::Write as _};

use lastrites::view::palette::Tone;
use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

const WIDE: f32 = 8.0;
const HIGH: f32 = 18.0;
const MARGIN: f32 = 12.0;

/// The picture of `buf`, described by `title` for who cannot see it.
pub fn svg(buf: &Buffer, tone: Tone, title: &str) -> String {
    let (ground, ink, edge) = match tone {
        Tone::Dark => ("#14161c", "#d7dae0", "#2a2e38"),
        Tone::Light => ("#ffffff", "#24292f", "#d0d7de"),
    };
    let (wide, high) =
        (f32::from(buf.area.width) * WIDE + 2.0 * MARGIN, f32::from(buf.area.height) * HIGH + 2.0 * MARGIN);
    let mut picture = Picture { ink, ground, ..Picture::default() };
    for y in 0..buf.area.height {
        picture.row(buf, y);
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" \
         role=\"img\">\n<title>{}</title>\n<style>text{{font:13px ui-monospace,'SFMono-Regular',Menlo,Consolas,\
         'DejaVu Sans Mono',monospace;white-space:pre}}.b{{font-weight:700}}</style>\n\
         <rect width=\"{wide}\" height=\"{high}\" rx=\"8\" fill=\"{ground}\" stroke=\"{edge}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\">\n",
        escape(title)
    );
    out.push_str(&picture.grounds);
    for (color, path) in &picture.filled {
        let _ = writeln!(out, "<path fill=\"{color}\" d=\"{path}\"/>");
    }
    for (color, path) in &picture.faint {
        let _ = writeln!(out, "<path fill=\"{color}\" fill-opacity=\".35\" d=\"{path}\"/>");
    }
    for (color, path) in &picture.drawn {
        let _ = writeln!(out, "<path fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" d=\"{path}\"/>");
    }
    out.push_str(&picture.texts);
    out.push_str("</g>\n</svg>\n");
    out
}

#[derive(Default)]
struct Picture {
    ink: &'static str,
    ground: &'static str,
    grounds: String,
    texts: String,
    filled: BTreeMap<String, String>,
    faint: BTreeMap<String, String>,
    drawn: BTreeMap<String, String>,
}

impl Picture {
    /// Ink and ground of a cell.
    fn colors(&self, cell: &Cell) -> (String, String) {
        let (fg, bg) = (hex(cell.fg, self.ink), hex(cell.bg, self.ground));
        if cell.modifier.contains(Modifier::REVERSED) { (bg, fg) } else { (fg, bg) }
    }

    fn row(&mut self, buf: &Buffer, y: u16) {
        let cells: Vec<&Cell> = (0..buf.area.width).map(|x| &buf[(x, y)]).collect();
        let top = f32::from(y) * HIGH;
        let mut x = 0;
        while x < cells.len() {
            let (ink, ground) = self.colors(cells[x]);
            let same = cells[x..].iter().take_while(|cell| self.colors(cell).1 == ground).count();
            if ground != self.ground {
                let (left, wide) = (x as f32 * WIDE, same as f32 * WIDE);
                let _ = writeln!(
                    self.grounds,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{HIGH}\" fill=\"{ground}\"/>"
                );
            }
            drop(ink);
            x += same;
        }
        let mut x = 0;
        while x < cells.len() {
            let symbol = cells[x].symbol();
            let (ink, _) = self.colors(cells[x]);
            if symbol == " " {
                x += 1;
            } else if let Some(shape) = shape(symbol) {
                // Lines that go on are one shape.
                let alike = |cell: &&&Cell| cell.symbol() == symbol && self.colors(cell).0 == ink;
                let count = if shape.joins { cells[x..].iter().take_while(alike).count() } else { 1 };
                self.shape(&shape, &ink, x as f32 * WIDE, top, count as f32 * WIDE);
                x += count;
            } else {
                let bold = cells[x].modifier.contains(Modifier::BOLD);
                let (mut text, mut end, mut columns) = (String::new(), x, 0);
                while let Some(cell) = cells.get(end) {
                    let same = self.colors(cell).0 == ink && cell.modifier.contains(Modifier::BOLD) == bold;
                    let gap =
                        cell.symbol() == " " && cells.get(end + 1).is_none_or(|next| next.symbol() == " ");
                    if shape_of(cell).is_some() || gap || !(same || cell.symbol() == " ") {
                        break;
                    }
                    text.push_str(cell.symbol());
                    let wide = ratatui::text::Span::raw(cell.symbol()).width().max(1);
                    columns += wide;
                    end += wide;
                }
                let trimmed = text.trim_end();
                columns -= text.len() - trimmed.len();
                self.text(trimmed, bold, &ink, x as f32 * WIDE, top, columns as f32 * WIDE);
                x = end.max(x + 1);
            }
        }
    }

    fn text(&mut self, text: &str, bold: bool, ink: &str, left: f32, top: f32, wide: f32) {
        let (base, bold) = (top + 13.0, if bold { " class=\"b\"" } else { "" });
        let _ = writeln!(
            self.texts,
            "<text x=\"{left}\" y=\"{base}\" textLength=\"{wide}\" lengthAdjust=\"spacingAndGlyphs\" \
             fill=\"{ink}\"{bold}>{}</text>",
            escape(text)
        );
    }

    fn shape(&mut self, shape: &Shape, ink: &str, left: f32, top: f32, wide: f32) {
        let paths = match shape.how {
            How::Filled => &mut self.filled,
            How::Faint => &mut self.faint,
            How::Drawn => &mut self.drawn,
        };
        let path = paths.entry(ink.to_owned()).or_default();
        for points in shape.paths {
            for (at, (x, y)) in points.iter().enumerate() {
                // In a shape that goes on for several cells the right edge is that of the last.
                let x = if *x >= WIDE { left + wide - WIDE + x } else { left + x };
                let _ = write!(path, "{}{} {}", if at == 0 { 'M' } else { 'L' }, x, top + y);
            }
            if !matches!(shape.how, How::Drawn) || shape.closed {
                path.push('z');
            }
        }
    }
}

#[derive(Clone, Copy)]
enum How {
    Filled,
    Faint,
    Drawn,
}

struct Shape {
    how: How,
    joins: bool,
    closed: bool,
    paths: &'static [&'static [(f32, f32)]],
}

fn shape_of(cell: &Cell) -> Option<Shape> {
    shape(cell.symbol())
}

fn shape(symbol: &str) -> Option<Shape> {
    let filled = |paths| Some(Shape { how: How::Filled, joins: false, closed: true, paths });
    let joined = |paths| Some(Shape { how: How::Filled, joins: true, closed: true, paths });
    let drawn = |closed, paths| Some(Shape { how: How::Drawn, joins: false, closed, paths });
    match symbol {
        "━" => joined(&[&[(0.0, 7.5), (8.0, 7.5), (8.0, 10.5), (0.0, 10.5)]]),
        "─" => joined(&[&[(0.0, 8.5), (8.0, 8.5), (8.0, 9.5), (0.0, 9.5)]]),
        "═" => joined(&[
            &[(0.0, 6.0), (8.0, 6.0), (8.0, 7.7), (0.0, 7.7)],
            &[(0.0, 10.3), (8.0, 10.3), (8.0, 12.0), (0.0, 12.0)],
        ]),
        "╍" => filled(&[
            &[(0.5, 7.5), (3.2, 7.5), (3.2, 10.5), (0.5, 10.5)],
            &[(4.8, 7.5), (7.5, 7.5), (7.5, 10.5), (4.8, 10.5)],
        ]),
        "│" => filled(&[&[(3.5, 0.0), (4.5, 0.0), (4.5, 18.0), (3.5, 18.0)]]),
        "┊" => filled(&[
            &[(3.5, 1.0), (4.5, 1.0), (4.5, 5.0), (3.5, 5.0)],
            &[(3.5, 7.0), (4.5, 7.0), (4.5, 11.0), (3.5, 11.0)],
            &[(3.5, 13.0), (4.5, 13.0), (4.5, 17.0), (3.5, 17.0)],
        ]),
        "┝" => filled(&[
            &[(3.5, 3.0), (4.5, 3.0), (4.5, 15.0), (3.5, 15.0)],
            &[(4.0, 7.5), (7.9, 7.5), (7.9, 10.5), (4.0, 10.5)],
        ]),
        "┬" => filled(&[
            &[(0.0, 8.5), (7.9, 8.5), (7.9, 9.5), (0.0, 9.5)],
            &[(3.5, 9.0), (4.5, 9.0), (4.5, 18.0), (3.5, 18.0)],
        ]),
        "▲" => filled(&[&[(4.0, 4.0), (7.9, 13.5), (0.1, 13.5)]]),
        "▼" => filled(&[&[(0.1, 4.5), (7.9, 4.5), (4.0, 14.0)]]),
        "▶" => filled(&[&[(0.5, 4.5), (7.9, 9.0), (0.5, 13.5)]]),
        "▸" => filled(&[&[(1.5, 5.5), (6.5, 9.0), (1.5, 12.5)]]),
        "▾" => filled(&[&[(0.8, 6.5), (7.2, 6.5), (4.0, 11.5)]]),
        "▌" => filled(&[&[(0.0, 0.0), (4.0, 0.0), (4.0, 18.0), (0.0, 18.0)]]),
        "█" => joined(&[&[(0.0, 0.0), (8.0, 0.0), (8.0, 18.0), (0.0, 18.0)]]),
        "░" => {
            Some(Shape { how: How::Faint, ..joined(&[&[(0.0, 0.0), (8.0, 0.0), (8.0, 18.0), (0.0, 18.0)]])? })
        }
        "◆" => filled(&[&[(4.0, 4.5), (7.9, 9.0), (4.0, 13.5), (0.1, 9.0)]]),
        "●" => filled(&[OCTAGON]),
        "○" => drawn(true, &[OCTAGON]),
        "✖" => filled(&[&[
            (0.4, 6.4),
            (1.6, 5.2),
            (4.0, 7.6),
            (6.4, 5.2),
            (7.6, 6.4),
            (5.2, 9.0),
            (7.6, 11.6),
            (6.4, 12.8),
            (4.0, 10.4),
            (1.6, 12.8),
            (0.4, 11.6),
            (2.8, 9.0),
        ]]),
        "╭" => drawn(false, &[&[(8.0, 9.0), (6.0, 9.0), (4.0, 11.0), (4.0, 18.0)]]),
        "╮" => drawn(false, &[&[(0.0, 9.0), (2.0, 9.0), (4.0, 11.0), (4.0, 18.0)]]),
        "╰" => drawn(false, &[&[(4.0, 0.0), (4.0, 7.0), (6.0, 9.0), (8.0, 9.0)]]),
        "╯" => drawn(false, &[&[(4.0, 0.0), (4.0, 7.0), (2.0, 9.0), (0.0, 9.0)]]),
        "≀" => drawn(false, &[&[(4.0, 0.0), (2.0, 4.5), (6.0, 9.0), (2.0, 13.5), (4.0, 18.0)]]),
        _ => None,
    }
}

const OCTAGON: &[(f32, f32)] =
    &[(2.6, 5.7), (5.4, 5.7), (7.3, 7.6), (7.3, 10.4), (5.4, 12.3), (2.6, 12.3), (0.7, 10.4), (0.7, 7.6)];

fn hex(color: Color, reset: &str) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => reset.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
