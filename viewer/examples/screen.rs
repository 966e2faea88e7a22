//! A screen of the viewer as a picture: `cargo run --release -p lastrites --example screen -- FILE 120x40 [light] [KEYS]`
//! writes what these keys, letters each, lead to as SVG.

#[path = "../tests/view/svg.rs"]
mod svg;

use std::{path::Path, sync::Arc};

use lastrites::view::{
    app::App,
    load,
    palette::{Hints, Theme, Tone},
    panel,
};
use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    let (Some(file), Some(size)) = (arguments.next(), arguments.next()) else {
        eprintln!("give a file of lastrites and a size: traces/samples/power-cut.lrt 120x40");
        std::process::exit(2);
    };
    let parsed = size.split_once('x').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
    let size: (u16, u16) = parsed.expect("a size like 120x40");
    let tone = if arguments.next_if_eq("light").is_some() { Tone::Light } else { Tone::Dark };
    let hints = Hints {
        term: "xterm-256color".into(),
        colorterm: "truecolor".into(),
        locale: "C.UTF-8".into(),
        ..Hints::default()
    };
    let mut app = App::new(Theme::choose(&hints, Some(tone), Some(true), false), size);
    app.loaded(Arc::new(load::now(Path::new(&file), None).expect("a recording")));
    for key in arguments.next().unwrap_or_default().chars() {
        app.event(&Event::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
    }
    let area = Rect { x: 0, y: 0, width: size.0, height: size.1 };
    let mut buf = Buffer::empty(area);
    panel::paint(&app, area, &mut buf);
    println!("{}", svg::svg(&buf, tone, &file));
}
