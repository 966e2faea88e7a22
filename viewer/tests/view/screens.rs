//! Screens as they are, compared with `golden/`. `LASTRITES_BLESS=1` writes what is seen there: look at the change.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use lastrites::view::{app::App, palette::Tone};
use ratatui::{buffer::Buffer, style::Style};

use crate::{app, dark, picture, press, screen, text, theme};

/// The screen, then the same with a letter for each way a cell looks, then what the letters mean.
fn golden(app: &App) -> String {
    let buf = picture(app);
    format!("{}\n{}", text(&buf), looks(&buf))
}

fn looks(buf: &Buffer) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut known: Vec<Style> = Vec::new();
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        for x in 0..buf.area.width {
            let cell = &buf[(x, y)];
            let style = cell.style();
            if cell.symbol() == " " && style == unseen(style) {
                line.push(' ');
                continue;
            }
            let at = known.iter().position(|other| *other == style).unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            line.push(char::from(LETTERS[at % LETTERS.len()]));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for (at, style) in known.iter().enumerate() {
        let _ = writeln!(
            out,
            "{} = {:?} on {:?} {:?}",
            char::from(LETTERS[at % LETTERS.len()]),
            style.fg.unwrap_or_default(),
            style.bg.unwrap_or_default(),
            style.add_modifier
        );
    }
    out
}

/// The same style without anything that a blank would show.
fn unseen(of: Style) -> Style {
    let mut plain = of;
    plain.bg = Some(ratatui::style::Color::Reset);
    plain.add_modifier.remove(ratatui::style::Modifier::REVERSED);
    plain
}

fn check(name: &str, seen: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/view/golden").join(name).with_extension("txt");
    if std::env::var_os("LASTRITES_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(&path, seen).expect("written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == seen, "{} differs (LASTRITES_BLESS=1 accepts):\n{seen}", path.display());
}

#[test]
fn the_first_screen_of_every_sample_at_every_size_is_as_it_was() {
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"] {
        for size in [(60, 15), (80, 24), (120, 40), (200, 60)] {
            let app = app(name, dark(), size);
            check(&format!("{name}-{}x{}", size.0, size.1), &golden(&app));
        }
    }
}

#[test]
fn every_palette_is_as_it_was() {
    let palettes = [
        ("light", theme("xterm", "truecolor", "C.UTF-8", Tone::Light)),
        ("256", theme("xterm-256color", "", "C.UTF-8", Tone::Dark)),
        ("16", theme("xterm", "", "C.UTF-8", Tone::Dark)),
        ("console", theme("linux", "", "C.UTF-8", Tone::Dark)),
        ("mono", theme("vt220", "", "C.UTF-8", Tone::Dark)),
        ("ascii", theme("vt100", "", "C", Tone::Dark)),
    ];
    for (name, theme) in palettes {
        check(&format!("palette-{name}"), &golden(&app("runit-respawn", theme, (100, 30))));
    }
}

#[test]
fn panels_over_the_screen_are_as_they_were() {
    for (name, keys) in
        [("help", "?"), ("commands", ": z o o m"), ("detail", "Enter"), ("filter", "K"), ("fold", "u")]
    {
        let mut app = app("sysvinit-respawn", dark(), (100, 30));
        press(&mut app, keys);
        check(&format!("panel-{name}"), &golden(&app));
    }
}

/// The page that people read first shows what they will see.
#[test]
fn the_tour_shows_the_screen_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("TOUR.md");
    let page = std::fs::read_to_string(&path).expect("the tour");
    let (before, rest) = page.split_once("```text\n").expect("a screen");
    let (shown, after) = rest.split_once("```").expect("an end of it");
    let seen = screen(&app("sysvinit-respawn", dark(), (100, 30)));
    if std::env::var_os("LASTRITES_BLESS").is_some() {
        std::fs::write(&path, format!("{before}```text\n{seen}```{after}")).expect("written");
        return;
    }
    assert!(shown == seen, "TOUR.md differs (LASTRITES_BLESS=1 accepts):\n{seen}");
}

/// The promise of the tool, at the smallest size too.
#[test]
fn who_killed_the_database_is_answered_by_the_first_screen() {
    for name in ["sysvinit-respawn", "runit-respawn"] {
        for size in [(60, 15), (80, 24), (120, 40), (200, 60), (300, 100)] {
            let screen = screen(&app(name, dark(), size));
            let says =
                |words: &[&str]| screen.lines().any(|line| words.iter().all(|word| line.contains(word)));
            assert!(says(&["mongod", "was killed by kill"]), "{size:?}\n{screen}");
            assert!(says(&["killall5 -9", "●"]), "the killer has a lane: {size:?}\n{screen}");
            assert!(says(&["mongod", "✖"]), "the victim has a lane: {size:?}\n{screen}");
        }
    }
}

#[test]
fn ascii_is_ascii() {
    for name in ["sysvinit-respawn", "systemd252-reboot", "power-cut"] {
        let mut app = app(name, theme("vt100", "", "C", Tone::Dark), (100, 30));
        for keys in ["", "?", "Esc", ":", "Esc", "Tab", "Tab", "u", "T"] {
            press(&mut app, keys);
            let screen = screen(&app);
            assert!(screen.is_ascii(), "{screen}");
        }
    }
}

/// Every state is a glyph of its own, so nothing is lost where there are no colours.
#[test]
fn states_can_be_told_without_colours() {
    let palettes: HashMap<&str, _> =
        [("mono", theme("vt220", "", "C.UTF-8", Tone::Dark)), ("ascii", theme("vt100", "", "C", Tone::Dark))]
            .into();
    for (name, theme) in palettes {
        let glyphs = theme.glyphs;
        let screen = screen(&app("sysvinit-respawn", theme, (120, 40)));
        for glyph in [glyphs.run, glyphs.heir, glyphs.reborn, glyphs.killed, glyphs.sent, glyphs.exited] {
            assert!(screen.contains(glyph), "{name}: {glyph}\n{screen}");
        }
    }
}
