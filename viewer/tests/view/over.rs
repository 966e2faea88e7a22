//! What lies over the lanes stays until it is left, and a mouse can do in it what keys can.

use std::path::Path;

use lastrites::view::{
    Subject,
    app::{App, Effect, Mode},
    listing::{Entry, Spot},
};
use ratatui::crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::{app, dark, key, press, screen, typed};

fn spot(number: usize) -> Spot {
    Spot { file: 0, number }
}

fn listed(size: (u16, u16), count: usize) -> App {
    let mut app = app("sysvinit-respawn", dark(), size);
    let path = app.model.as_ref().expect("a recording").picked.path.clone();
    let entry = |n| Entry { spot: spot(n), host: format!("host-{n}."), ..Entry::default() };
    app.listed(&path, (1..=count).rev().map(entry).collect(), false);
    press(&mut app, "o Home");
    app
}

fn click(app: &mut App, column: u16, row: u16) -> Option<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    app.event(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
}

/// The place of `words` on the screen.
fn find(app: &App, words: &str) -> (u16, u16) {
    let shown = screen(app);
    let rows = shown.lines().enumerate();
    let found =
        rows.filter_map(|(y, line)| Some((line[..line.find(words)?].chars().count() as u16, y as u16)));
    found.last().unwrap_or_else(|| panic!("{words}\n{shown}"))
}

/// Any other key closed it without a word: the list lost its mark, the comparison what had been computed.
#[test]
fn a_key_that_a_list_does_not_know_leaves_it_as_it_is() {
    for name in ["x", "Tab", "/", "Left", "Right", "+", "n", "Bksp", "Ctrl-X"] {
        let mut app = listed((100, 30), 5);
        press(&mut app, "Down Space");
        let before = app.mode.clone();
        press(&mut app, name);
        assert_eq!(app.mode, before, "{name}");
        assert!(screen(&app).contains("that key does nothing here; ? shows"), "{name} {}", screen(&app));
        press(&mut app, "Esc");
        assert_eq!(app.mode, Mode::Normal);
    }
    for name in ["Left", "Space", "+", "/"] {
        let mut app = app("sysvinit-respawn", dark(), (100, 30));
        app.mode = Mode::Compare { top: 0 };
        press(&mut app, name);
        assert_eq!(app.mode, Mode::Compare { top: 0 }, "{name}");
        let mut app = crate::app("sysvinit-respawn", dark(), (100, 30));
        press(&mut app, "K F");
        press(&mut app, if name == "Space" { "y" } else { name });
        assert_eq!(app.mode, Mode::Filters { at: 0 }, "{name}");
        assert!(screen(&app).contains("that key does nothing here"), "{}", screen(&app));
    }
}

#[test]
fn the_list_has_pages_and_help() {
    let mut app = listed((100, 30), 40);
    press(&mut app, "Down Space PgDn");
    let Mode::Recordings { at, marked } = app.mode else { panic!("{:?}", app.mode) };
    assert!(at > 8 && at < 20 && marked == Some(spot(39)), "{at} {marked:?}");
    let before = app.mode.clone();
    press(&mut app, "?");
    let shown = screen(&app);
    assert!(shown.contains("In the list of recordings") && shown.contains("mark it, for d"), "{shown}");
    press(&mut app, "z");
    assert_eq!(app.mode, before, "any key goes back to it");
    press(&mut app, "PgUp PgUp");
    assert!(matches!(app.mode, Mode::Recordings { at: 0, .. }), "{:?}", app.mode);
    press(&mut app, "PgDn PgDn PgDn PgDn");
    assert!(matches!(app.mode, Mode::Recordings { at: 39, .. }), "{:?}", app.mode);
    press(&mut app, "Esc K F ?");
    assert!(screen(&app).contains("In the list of filters"), "{}", screen(&app));
    press(&mut app, "q");
    assert_eq!(app.mode, Mode::Filters { at: 0 });
}

/// A click into the list closed it, and nothing was chosen.
#[test]
fn a_click_chooses_in_a_list_and_a_second_one_opens() {
    for size in [(60, 15), (80, 24), (200, 60)] {
        let mut app = listed(size, 9);
        let (x, y) = find(&app, "host-7.");
        assert_eq!(click(&mut app, x, y), None);
        assert!(matches!(app.mode, Mode::Recordings { at: 2, .. }), "{:?}", app.mode);
        // On the line below it, which is of the same recording.
        assert_eq!(click(&mut app, x, y + 1), Some(Effect::Open(spot(7))));
        // Where the list has been scrolled.
        let mut app = listed(size, 40);
        press(&mut app, "End");
        let (x, y) = find(&app, "host-2.");
        click(&mut app, x, y);
        assert!(matches!(app.mode, Mode::Recordings { at: 38, .. }), "{:?}", app.mode);
    }
    let mut app = listed((200, 60), 3);
    let (x, y) = find(&app, "recordings: Enter opens");
    click(&mut app, x, y);
    assert!(matches!(app.mode, Mode::Recordings { at: 0, .. }), "its frame is no place beside it");
    click(&mut app, 1, 1);
    assert_eq!(app.mode, Mode::Normal, "beside it");
}

#[test]
fn a_click_chooses_a_command_and_a_filter() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    press(&mut app, ":");
    typed(&mut app, "zoom");
    let (x, y) = find(&app, "zoom out");
    click(&mut app, x, y);
    let Mode::Commands { at, .. } = app.mode else { panic!("{:?}", app.mode) };
    assert!(at > 0);
    let before = app.window;
    click(&mut app, x, y);
    assert!(app.mode == Mode::Normal && app.window.to - app.window.from > before.to - before.from);
    press(&mut app, "K O F");
    let (x, y) = find(&app, "│  killed and killers");
    let x = x + 5;
    click(&mut app, x, y);
    assert!(matches!(app.mode, Mode::Filters { at: 0 }), "{:?}", app.mode);
    click(&mut app, x, y);
    assert_eq!(app.filter.kinds, [lastrites::view::filter::Kind::Restarted], "it was taken away");
}

#[test]
fn the_keys_that_the_last_line_names_can_be_clicked() {
    for size in [(80, 24), (200, 60)] {
        let mut app = app("sysvinit-respawn", dark(), size);
        let (x, y) = find(&app, "? help");
        assert_eq!(y + 1, size.1);
        click(&mut app, x + 3, y);
        assert!(matches!(app.mode, Mode::Help { .. }), "{:?}", app.mode);
        press(&mut app, "Esc");
        let (x, y) = find(&app, "c cause");
        click(&mut app, x, y);
        assert!(matches!(app.subject, Some(Subject::Proc(_))), "{:?}", app.subject);
        let (x, y) = find(&app, "q quit");
        assert_eq!(click(&mut app, x, y), Some(Effect::Quit));
        assert_eq!(click(&mut app, size.0 - 1, y), None);
    }
}

/// Four presses of six showed the same screen: what was gone to has no sign on the lane.
#[test]
fn what_the_cursor_was_moved_to_is_named() {
    let mut app = app("runit-respawn", dark(), (80, 24));
    press(&mut app, "t");
    typed(&mut app, "986");
    press(&mut app, "Enter");
    let mut said = Vec::new();
    for _ in 0..6 {
        press(&mut app, "b");
        assert!(app.message.contains(" s, event "), "{}", app.message);
        said.push(app.message.clone());
        let fact = &app.facts[app.fact];
        assert!(fact.at.is_none_or(|at| at.ns == app.cursor_ns) || app.fact == 0, "{fact:?}");
    }
    said.dedup();
    assert_eq!(said.len(), 6, "{said:#?}");
    while !app.message.contains("nothing more") {
        said.push(app.message.clone());
        assert!(said.len() < 500, "{said:#?}");
        press(&mut app, "b");
    }
    assert!(said.last().is_some_and(|said| said.contains("mongod 986 was born")), "{said:#?}");
}

/// The path came first, and the line had room for that only.
#[test]
fn an_error_is_not_cut_before_its_reason() {
    let mut app = app("sysvinit-respawn", dark(), (60, 15));
    app.message = format!("/srv/{}copy.lrt: it is there already; nothing is overwritten", "long/".repeat(12));
    let shown = screen(&app);
    let flat: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("nothing is overwritten"), "{shown}");
    press(&mut app, "k");
    assert!(!screen(&app).contains("long/"), "and it goes with the next key");
    press(&mut app, "&");
    typed(&mut app, "user mongodb_");
    press(&mut app, "Enter");
    let shown = screen(&app);
    let flat: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("try user root, or user 1000"), "{shown}");
    assert!(shown.lines().last().is_some_and(|line| line.contains("show only: user mongodb__")), "{shown}");
}

/// Past the edge one typed blind.
#[test]
fn of_what_is_typed_the_end_is_seen() {
    let mut app = app("sysvinit-respawn", dark(), (60, 15));
    press(&mut app, "Ctrl-S");
    typed(&mut app, &format!("/srv/{}copy.lrt", "long/".repeat(20)));
    let shown = screen(&app);
    let last = shown.lines().last().expect("a line");
    assert!(last.starts_with("save as: …") && last.ends_with("long/copy.lrt_"), "{last}");
}

/// Ctrl-C out of a search ended the program, and whoever asked from the list stood in the lanes afterwards.
#[test]
fn a_question_is_left_to_where_it_was_asked() {
    for keys in ["/ m", "& m", "t 1", "Ctrl-S x", ": z"] {
        let mut app = app("sysvinit-respawn", dark(), (100, 30));
        press(&mut app, keys);
        assert_eq!(app.event(&Event::Key(key("Ctrl-C"))), None, "{keys}");
        assert_eq!(app.mode, Mode::Normal, "{keys}");
        assert_eq!(app.event(&Event::Key(key("Ctrl-C"))), Some(Effect::Quit));
    }
    for ask in ["s", "r", "D"] {
        let mut app = listed((100, 30), 5);
        press(&mut app, "Down Space Down");
        let before = app.mode.clone();
        press(&mut app, ask);
        assert!(matches!(app.mode, Mode::Ask { .. }), "{ask}");
        press(&mut app, "x Esc");
        assert_eq!(app.mode, before, "{ask}");
        press(&mut app, ask);
        typed(&mut app, "yes");
        assert!(app.event(&Event::Key(key("Enter"))).is_some(), "{ask}");
        assert_eq!(app.mode, before, "{ask}, answered");
    }
    // What makes way while a question is asked is not in the list that comes back.
    let mut app = listed((100, 30), 5);
    press(&mut app, "End D");
    let path = app.model.as_ref().expect("a recording").picked.path.clone();
    app.listed(Path::new(&path), vec![Entry { spot: spot(1), ..Entry::default() }], false);
    press(&mut app, "Esc");
    assert!(matches!(app.mode, Mode::Recordings { at: 0, .. }), "{:?}", app.mode);
}
