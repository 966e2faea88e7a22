//! The viewer, driven as a person drives it: keys and mouse in, screens out.

mod filters;
mod fuzz;
mod jobs;
mod keys;
mod loading;
mod made;
mod misread;
mod over;
mod pty;
mod real;
mod screens;
mod svg;
mod truth;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use lastrites::view::{
    app::App,
    load,
    model::Model,
    palette::{Hints, Theme, Tone},
    panel,
};
use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/samples").join(name).with_extension("lrt")
}

/// Reads a sample once for all tests.
pub fn model(name: &str) -> Arc<Model> {
    static ALL: OnceLock<std::sync::Mutex<std::collections::HashMap<String, Arc<Model>>>> = OnceLock::new();
    let mut all = ALL.get_or_init(Default::default).lock().expect("no test panicked in here");
    let load = || Arc::new(load::now(&sample(name), None).expect("a sample reads"));
    Arc::clone(all.entry(name.to_owned()).or_insert_with(load))
}

pub fn theme(term: &str, colorterm: &str, locale: &str, tone: Tone) -> Theme {
    let hints =
        Hints { term: term.into(), colorterm: colorterm.into(), locale: locale.into(), ..Hints::default() };
    Theme::choose(&hints, Some(tone), None, false)
}

pub fn dark() -> Theme {
    theme("xterm-256color", "truecolor", "C.UTF-8", Tone::Dark)
}

pub fn app(name: &str, theme: Theme, size: (u16, u16)) -> App {
    let mut app = App::new(theme, size);
    app.loaded(model(name));
    app
}

pub fn picture(app: &App) -> Buffer {
    let area = Rect { x: 0, y: 0, width: app.size.0, height: app.size.1 };
    let mut buf = Buffer::empty(area);
    panel::paint(app, area, &mut buf);
    buf
}

/// The screen as text, without blanks at the ends of lines.
pub fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buf.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buf[(x, y)].symbol();
            line.push_str(symbol);
            skip = ratatui::text::Span::raw(symbol).width().saturating_sub(1);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

pub fn screen(app: &App) -> String {
    text(&picture(app))
}

/// `press(&mut app, "c r Enter Ctrl-L /")`: names as the help screen shows them.
pub fn press(app: &mut App, keys: &str) {
    for name in keys.split(' ').filter(|name| !name.is_empty()) {
        app.event(&Event::Key(key(name)));
    }
}

pub fn key(name: &str) -> KeyEvent {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    match name {
        "Space" => plain(KeyCode::Char(' ')),
        "PgUp" => plain(KeyCode::PageUp),
        "PgDn" => plain(KeyCode::PageDown),
        "Bksp" => plain(KeyCode::Backspace),
        "Up" => plain(KeyCode::Up),
        "Down" => plain(KeyCode::Down),
        "Left" => plain(KeyCode::Left),
        "Right" => plain(KeyCode::Right),
        "Home" => plain(KeyCode::Home),
        "End" => plain(KeyCode::End),
        "Tab" => plain(KeyCode::Tab),
        "Enter" => plain(KeyCode::Enter),
        "Esc" => plain(KeyCode::Esc),
        "F1" => plain(KeyCode::F(1)),
        _ => match name.strip_prefix("Ctrl-") {
            Some(letter) => {
                let letter = letter.to_ascii_lowercase().chars().next().expect("a letter");
                KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
            }
            None => {
                let c = name.chars().next().expect("a character");
                let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                KeyEvent::new(KeyCode::Char(c), shift)
            }
        },
    }
}

pub fn typed(app: &mut App, text: &str) {
    for c in text.chars() {
        app.event(&Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
    }
}
