//! Every action of the key table, through the events that a terminal sends.

use std::path::Path;

use lastrites::{
    story::world::Idx,
    view::{
        Subject,
        action::{Action, KEYS},
        app::{App, Effect, Focus, Form, Mode},
        filter::Kind,
        listing::Spot,
    },
};
use ratatui::crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::{app, dark, key, press, screen, typed};

fn founding() -> App {
    app("sysvinit-respawn", dark(), (120, 40))
}

fn name(app: &App) -> String {
    let model = app.model.as_ref().expect("a model");
    match app.subject {
        Some(Subject::Proc(idx)) => model.world().label(idx),
        other => format!("{other:?}"),
    }
}

fn pid(app: &App, pid: u32) -> Idx {
    let model = app.model.as_ref().expect("a model");
    model.world().by_pid(pid, u64::MAX).expect("a process")
}

/// Whatever was on screen, each key of the table does something that can be drawn, in every panel.
#[test]
fn every_key_of_the_table_can_be_pressed_everywhere() {
    for sample in ["sysvinit-respawn", "systemd252-reboot", "power-cut"] {
        for focus in ["", "Tab", "Tab Tab"] {
            for binding in KEYS {
                for k in binding.keys {
                    let mut app = app(sample, dark(), (100, 30));
                    press(&mut app, focus);
                    app.event(&Event::Key(key(&k.name())));
                    assert!(screen(&app).lines().count() == 30, "{}", k.name());
                }
            }
        }
    }
}

#[test]
fn what_must_be_done_outside_is_asked_for() {
    for (name, effect) in [
        ("q", Effect::Quit),
        ("Ctrl-C", Effect::Quit),
        ("Ctrl-Z", Effect::Suspend),
        ("Ctrl-L", Effect::Redraw),
        ("o", Effect::Survey),
    ] {
        assert_eq!(founding().event(&Event::Key(key(name))), Some(effect), "{name}");
    }
    let mut app = founding();
    press(&mut app, "Ctrl-S");
    typed(&mut app, "copy.lrt");
    assert_eq!(
        app.event(&Event::Key(key("Enter"))),
        Some(Effect::Save(Form::Recording, None, "copy.lrt".into()))
    );
    press(&mut app, "Ctrl-R");
    assert!(screen(&app).contains("report as:"), "{}", screen(&app));
    typed(&mut app, "r.tar.gz");
    assert_eq!(
        app.event(&Event::Key(key("Enter"))),
        Some(Effect::Save(Form::Report, None, "r.tar.gz".into()))
    );
}

#[test]
fn causes_are_one_key_away() {
    let mut app = founding();
    assert_eq!(app.subject, Some(Subject::Finding(0)));
    press(&mut app, "c");
    assert_eq!(name(&app), "killall5 1010", "from the finding to the killer");
    press(&mut app, "c");
    let asked = name(&app);
    assert!(asked.ends_with(" 956"), "from the killer to who asked: {asked}");
    press(&mut app, "Bksp Bksp");
    assert_eq!(app.subject, Some(Subject::Finding(0)), "and back");
    press(&mut app, "]");
    assert_eq!(name(&app), "killall5 1010", "and forward");
    press(&mut app, "v");
    assert_eq!(app.filter.kinds, [Kind::HitBy(pid(&app, 1010))]);
    assert!(screen(&app).contains("only hit by killall5 -9 1010"), "{}", screen(&app));
    press(&mut app, "Esc a");
    assert!(name(&app).ends_with(" 956"), "who asked");
    press(&mut app, "p");
    assert!(!name(&app).ends_with(" 956"), "its parent");
}

#[test]
fn heirs_and_forerunners_lead_to_each_other() {
    let mut app = founding();
    app.go(Subject::Proc(pid(&app, 872)));
    press(&mut app, "r");
    assert_eq!(name(&app), "mongod 990");
    press(&mut app, "R");
    assert_eq!(name(&app), "mongod 872");
    press(&mut app, "f");
    assert_eq!(app.subject, Some(Subject::Finding(0)));
    press(&mut app, "e");
    assert!(matches!(app.subject, Some(Subject::Sig(_) | Subject::Proc(_))), "{:?}", app.subject);
    let first = app.subject;
    press(&mut app, "e");
    assert_ne!(app.subject, first, "the next piece of evidence");
    press(&mut app, "Bksp Bksp");
    assert_eq!(app.subject, Some(Subject::Finding(0)));
}

#[test]
fn time_is_zoomed_and_moved_around_the_cursor() {
    let mut app = founding();
    let whole = app.window;
    press(&mut app, "+");
    assert!(app.window.to - app.window.from < whole.to - whole.from);
    for _ in 0..80 {
        press(&mut app, "=");
    }
    assert_eq!(app.window.to - app.window.from, lastrites::view::timeline::CLOSEST_NS);
    assert!(screen(&app).contains("mongod"));
    for _ in 0..200 {
        press(&mut app, "-");
    }
    let widest = app.window;
    press(&mut app, "- H <");
    assert!(app.window.to - app.window.from <= widest.to - widest.from);
    press(&mut app, "z");
    assert_eq!(app.window, whole);
    press(&mut app, "Z s 0 L > H");
    let cursor = app.cursor_ns;
    press(&mut app, "l l h Right Left");
    assert_ne!(app.cursor_ns, cursor);
    press(&mut app, "z }");
    assert!(matches!(app.subject, Some(Subject::Phase(_))));
    press(&mut app, "{ { { { { {");
    assert_eq!(app.subject, Some(Subject::Phase(0)));
}

#[test]
fn events_of_a_lane_follow_each_other() {
    let mut app = founding();
    app.go(Subject::Proc(pid(&app, 990)));
    let end = app.cursor_ns;
    press(&mut app, "b");
    let before = app.cursor_ns;
    assert!(before < end);
    press(&mut app, "w");
    assert!(app.cursor_ns > before && app.cursor_ns <= end);
}

#[test]
fn idle_time_can_be_cut_short() {
    let mut app = founding();
    let before = screen(&app);
    press(&mut app, "i");
    assert!(app.warped && screen(&app) != before);
    press(&mut app, "i");
    assert!(!app.warped);
}

#[test]
fn jumps_go_to_times_events_phases_and_pids() {
    let mut app = founding();
    let zero = app.model.as_ref().expect("a model").zero_ns;
    for (text, ns) in [("+3.5", zero + 3_500_000_000), ("+1", zero + 1_000_000_000)] {
        press(&mut app, "t");
        typed(&mut app, text);
        press(&mut app, "Enter");
        assert_eq!(app.cursor_ns, ns, "{text}");
    }
    press(&mut app, "t");
    typed(&mut app, "unmount");
    press(&mut app, "Enter");
    assert!(matches!(app.subject, Some(Subject::Phase(_))));
    press(&mut app, "t");
    typed(&mut app, "990");
    press(&mut app, "Enter");
    assert_eq!(name(&app), "mongod 990");
    press(&mut app, "t");
    typed(&mut app, "#913");
    press(&mut app, "Enter");
    assert!(app.subject.is_some() && app.message.is_empty(), "{}", app.message);
    press(&mut app, "t");
    typed(&mut app, "nonsense");
    press(&mut app, "Enter");
    assert!(app.message.contains("+3.5"), "{}", app.message);
}

#[test]
fn search_finds_as_it_is_typed_and_filters_say_what_they_hide() {
    let mut app = founding();
    press(&mut app, "/");
    typed(&mut app, "cron");
    assert!(app.matches.len() == 1 && name(&app).starts_with("cron"), "{:?}", app.matches);
    press(&mut app, "Enter");
    press(&mut app, "/");
    typed(&mut app, "mongod");
    press(&mut app, "Enter n");
    let second = name(&app);
    press(&mut app, "N");
    assert_ne!(name(&app), second);
    press(&mut app, "K");
    assert_eq!(app.filter.kinds, [Kind::Killed]);
    assert!(screen(&app).contains("only killed and killers: "), "{}", screen(&app));
    press(&mut app, "Esc O");
    assert_eq!(app.filter.kinds, [Kind::Restarted]);
    press(&mut app, "O &");
    typed(&mut app, "signal TERM");
    press(&mut app, "Enter");
    assert_eq!(app.filter.kinds, [Kind::Signal(15)]);
    press(&mut app, "Esc");
    assert!(app.filter.is_none());
    app.go(Subject::Proc(pid(&app, 1)));
    press(&mut app, "T");
    assert!(matches!(app.filter.kinds[..], [Kind::Tree(_)]) && app.rows.len() > 20);
}

#[test]
fn panels_are_walked_and_lines_lead_on() {
    let mut app = founding();
    press(&mut app, "Home Down k j G g PgDn PgUp");
    press(&mut app, "Tab");
    assert_eq!(app.focus, Focus::Findings);
    press(&mut app, "Down Enter");
    assert_eq!((app.subject, app.focus), (Some(Subject::Finding(1)), Focus::Detail));
    press(&mut app, "1 Down Down Enter");
    assert!(!matches!(app.subject, Some(Subject::Finding(_))), "a step leads to what it is about");
    press(&mut app, "? j j Esc");
    assert_eq!(app.mode, Mode::Normal);
    press(&mut app, ":");
    typed(&mut app, "quit");
    assert_eq!(app.event(&Event::Key(key("Enter"))), Some(Effect::Quit));
    press(&mut app, ". . ,");
    assert!(matches!(app.subject, Some(Subject::Finding(_))));
}

#[test]
fn the_mouse_chooses_drags_and_zooms() {
    let mut app = founding();
    let mouse =
        |kind, column, row| Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    let areas = app.areas();
    let (x, y) = (areas.time().x + 20, areas.lanes.y + 4);
    app.event(&mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    assert_eq!(app.row, app.top + 4);
    let before = app.window;
    app.event(&mouse(MouseEventKind::ScrollUp, x, y));
    assert!(app.window.to - app.window.from < before.to - before.from);
    let zoomed = app.window;
    app.event(&mouse(MouseEventKind::Down(MouseButton::Left), x, y));
    app.event(&mouse(MouseEventKind::Drag(MouseButton::Left), x - 10, y));
    app.event(&mouse(MouseEventKind::Up(MouseButton::Left), x - 10, y));
    assert!(app.window.from > zoomed.from);
    app.event(&mouse(MouseEventKind::Down(MouseButton::Left), 5, areas.findings.y));
    assert_eq!(app.subject, Some(Subject::Finding(0)));
    app.event(&mouse(MouseEventKind::Down(MouseButton::Left), x, areas.ribbon.y));
    assert!(matches!(app.subject, Some(Subject::Phase(_))));
}

#[test]
fn the_help_screen_names_every_action() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    press(&mut app, "?");
    let mut seen = String::new();
    for _ in 0..40 {
        seen.push_str(&screen(&app));
        press(&mut app, "PgDn");
    }
    for binding in lastrites::view::action::all() {
        let words = binding.help.split(' ').next().expect("a word");
        let line = |line: &str| line.contains(&binding.names()) && line.contains(words);
        assert!(seen.lines().any(line), "{:?}\n{seen}", binding.action);
    }
    assert!(KEYS.iter().any(|binding| binding.action == Action::Cause));
}

/// It moved ten lines, whatever was seen.
#[test]
fn a_page_of_the_help_is_what_is_seen_of_it() {
    let mut app = app("sysvinit-respawn", dark(), (80, 24));
    press(&mut app, "? PgDn");
    let Mode::Help { top } = app.mode else { panic!("{:?}", app.mode) };
    assert_eq!(top, 21, "of 22 lines one is seen again");
}

/// Scrolling past an end had to be undone, key by key, before anything moved again.
#[test]
fn what_cannot_go_further_need_not_come_back() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    press(&mut app, "?");
    let first = screen(&app);
    for _ in 0..40 {
        press(&mut app, "PgDn");
    }
    let last = screen(&app);
    press(&mut app, "k");
    assert_ne!(screen(&app), last, "one line back is seen");
    press(&mut app, "j j j j j");
    assert_eq!(screen(&app), last);
    for _ in 0..40 {
        press(&mut app, "PgUp");
    }
    assert_eq!(screen(&app), first);
    press(&mut app, "Esc");
    for (there, back) in [("B", "S"), ("S", "B")] {
        for _ in 0..60 {
            press(&mut app, there);
        }
        let end = app.areas();
        press(&mut app, there);
        assert_eq!(app.areas(), end);
        press(&mut app, back);
        assert_ne!(app.areas(), end, "one {back} after many {there} is seen");
    }
}

/// A recording of the file that is open.
fn spot(number: usize) -> Spot {
    Spot { file: 0, number }
}

#[test]
fn the_list_of_recordings_opens_compares_saves_and_deletes_only_what_it_can() {
    use lastrites::view::listing::Entry;
    let listed = || {
        let mut app = founding();
        let path = app.model.as_ref().expect("a recording").picked.path.clone();
        app.listed(&path, [3, 2, 1].map(|n| Entry { spot: spot(n), ..Entry::default() }).into(), false);
        app.event(&Event::Key(key("o")));
        app
    };
    let enter = |app: &mut App, name: &str| app.event(&Event::Key(key(name)));
    let mut app = listed();
    press(&mut app, "Home Space");
    assert_eq!(enter(&mut app, "d"), None, "not with itself");
    assert_eq!(app.mode, Mode::Recordings { at: 0, marked: Some(spot(3)) }, "the list stays");
    assert!(screen(&app).contains("that is the marked one; choose another"), "{}", screen(&app));
    let mut app = listed();
    let path = app.files[0].path.clone();
    app.listed(&path, vec![Entry { spot: spot(1), ..Entry::default() }], false);
    press(&mut app, "Home");
    assert_eq!(enter(&mut app, "d"), None);
    assert!(screen(&app).contains("one recording is in this file"), "{}", screen(&app));
    let mut app = listed();
    // The one that is open is chosen: it is the oldest.
    assert_eq!(app.mode, Mode::Recordings { at: 2, marked: None });
    press(&mut app, "Up");
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Open(spot(2))));
    let mut app = listed();
    press(&mut app, "Home");
    assert_eq!(
        enter(&mut app, "d"),
        Some(Effect::Compare { a: Some(spot(1)), b: spot(3) }),
        "with the open one"
    );
    let mut app = listed();
    press(&mut app, "Home Space");
    assert!(screen(&app).contains("* 3"), "{}", screen(&app));
    press(&mut app, "Down");
    assert_eq!(
        enter(&mut app, "d"),
        Some(Effect::Compare { a: Some(spot(2)), b: spot(3) }),
        "with the marked one"
    );
    let mut app = listed();
    assert_eq!(
        enter(&mut app, "d"),
        Some(Effect::Compare { a: None, b: spot(1) }),
        "the open one with the one before"
    );
    assert_eq!(founding().event(&Event::Key(key("d"))), Some(Effect::Compare { a: None, b: spot(1) }));
    let mut app = listed();
    press(&mut app, "Home s");
    typed(&mut app, "third.lrt");
    assert_eq!(
        enter(&mut app, "Enter"),
        Some(Effect::Save(Form::Recording, Some(spot(3)), "third.lrt".into()))
    );
    let mut app = listed();
    press(&mut app, "Home Down r");
    typed(&mut app, "r.tar.gz");
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Save(Form::Report, Some(spot(2)), "r.tar.gz".into())));
    let mut app = listed();
    app.files[0].ring = true;
    press(&mut app, "D");
    assert!(screen(&app).contains("a ring deletes nothing by hand"), "{}", screen(&app));
    let mut app = listed();
    press(&mut app, "D");
    assert!(screen(&app).contains("delete this file?"), "{}", screen(&app));
    typed(&mut app, "y");
    assert_eq!(enter(&mut app, "Enter"), None);
    assert!(app.message.contains("nothing was deleted"), "{}", app.message);
    let mut app = listed();
    press(&mut app, "D");
    typed(&mut app, "yes");
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Delete(0)));
}

/// The place that the first finding was gone to from had nothing to tell of.
#[test]
fn there_is_nothing_before_the_place_where_it_opens() {
    for sample in ["sysvinit-respawn", "power-cut"] {
        let mut app = app(sample, dark(), (100, 30));
        let opened = (app.subject, screen(&app));
        press(&mut app, "Bksp");
        assert!(app.message.contains("this is where you began"), "{}", app.message);
        app.message.clear();
        assert_eq!((app.subject, screen(&app)), opened);
    }
}

/// Of a phase no process was meant, though a row was marked.
#[test]
fn after_a_phase_keys_are_about_the_marked_row() {
    let ribbon = |app: &mut App| {
        let areas = app.areas();
        let (column, row) = (areas.time().right() - 3, areas.ribbon.y);
        let kind = MouseEventKind::Down(MouseButton::Left);
        app.event(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let jump = |app: &mut App| {
        press(app, "t");
        typed(app, "KILL");
        press(app, "Enter");
    };
    for go in [&ribbon as &dyn Fn(&mut App), &jump] {
        let mut app = founding();
        go(&mut app);
        assert!(matches!(app.subject, Some(Subject::Phase(_))), "{:?}", app.subject);
        press(&mut app, "c");
        assert_eq!(name(&app), "killall5 1010", "{}", app.message);
        let mut app = founding();
        go(&mut app);
        press(&mut app, "T");
        assert_eq!(app.filter.kinds, [Kind::Tree(pid(&app, 990))], "{}", app.message);
    }
}

/// Each of these keys had to be gone back over.
#[test]
fn keys_that_lead_nowhere_new_are_no_steps_back() {
    for keys in ["a a a", "1 1 1", ". , . , . ,", "} } } } } } } } }"] {
        let mut app = founding();
        press(&mut app, keys);
        press(&mut app, keys.split(' ').next().expect("a key"));
        let there = app.subject;
        let mut steps = Vec::new();
        loop {
            press(&mut app, "Bksp");
            if !app.message.is_empty() {
                break;
            }
            assert_ne!(steps.last().copied().unwrap_or(there), app.subject, "{keys}");
            steps.push(app.subject);
        }
        assert_eq!(app.subject, Some(Subject::Finding(0)), "{keys}");
    }
    // Nor do they take away what is further on.
    let mut app = founding();
    press(&mut app, "a Bksp 1 ]");
    assert!(name(&app).ends_with(" 956"), "{}", name(&app));
}

/// The help promised it, and nothing happened.
#[test]
fn a_second_click_follows() {
    let click = |app: &mut App, column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        app.event(&Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    };
    let mut app = founding();
    let areas = app.areas();
    let y = areas.lanes.y + 2;
    click(&mut app, 3, y);
    assert_eq!((app.row, app.focus), (app.top + 2, Focus::Lanes));
    let there = app.subject;
    click(&mut app, 3, y);
    assert_eq!((app.subject, app.focus), (there, Focus::Detail));
    click(&mut app, 3, areas.findings.y);
    assert_eq!((app.subject, app.focus), (Some(Subject::Finding(0)), Focus::Findings));
    click(&mut app, 3, areas.findings.y);
    assert_eq!((app.subject, app.focus), (Some(Subject::Finding(0)), Focus::Detail));
    // On the axis one points at times, and drags.
    let x = areas.time().x + 9;
    click(&mut app, x, y);
    click(&mut app, x, y);
    assert_eq!(app.focus, Focus::Lanes);
}

/// Recordings of a ring make way while its list is looked at: numbers and places in the list change.
#[test]
fn what_is_chosen_in_a_list_stays_so_when_numbers_change() {
    use lastrites::view::{
        app::Ask,
        listing::{Entry, Verdict},
    };
    use lastrites_traces::session::SessionId;
    let entries = |ids: &[u8], first: usize| -> Vec<Entry> {
        let entry = |(at, id): (usize, &u8)| Entry {
            id: SessionId([*id; 16]),
            spot: spot(first - at),
            ..Entry::default()
        };
        ids.iter().enumerate().map(entry).collect()
    };
    let listed = || {
        let mut app = founding();
        app.listed(Path::new("ring.lrt"), entries(&[13, 12, 11], 3), true);
        press(&mut app, "o");
        app
    };
    let mut app = listed();
    app.entries[1].verdict = Some(Verdict { how: "rebooted".into(), ..Verdict::default() });
    press(&mut app, "Home Down Space Up");
    assert_eq!(app.mode, Mode::Recordings { at: 0, marked: Some(spot(2)) });
    app.listed(Path::new("ring.lrt"), entries(&[15, 14, 13, 12], 4), true);
    assert_eq!(app.mode, Mode::Recordings { at: 2, marked: Some(spot(1)) });
    assert!(app.entries[3].verdict.is_some(), "what was seen of it is known");
    app.listed(Path::new("ring.lrt"), entries(&[16, 15, 14], 3), true);
    assert_eq!(app.mode, Mode::Recordings { at: 2, marked: None }, "it made way");
    for (ids, saves) in [(&[14, 13, 12][..], Some(1)), (&[15, 14, 13][..], None)] {
        let mut app = listed();
        press(&mut app, "Home Down s");
        typed(&mut app, "x");
        assert!(
            matches!(app.mode, Mode::Ask { ask: Ask::Save(Form::Recording, Some(two)), .. } if two == spot(2)),
            "{:?}",
            app.mode
        );
        app.listed(Path::new("ring.lrt"), entries(ids, 3), true);
        let said = app.message.clone();
        let effect = app.event(&Event::Key(key("Enter")));
        match saves {
            Some(number) => {
                assert_eq!(effect, Some(Effect::Save(Form::Recording, Some(spot(number)), "x".into())))
            }
            None => assert!(effect.is_none() && said.contains("made way"), "{effect:?} {said}"),
        }
    }
}

/// One that was sent stands beside the machine's own: opened, compared with, saved and deleted as what it is.
#[test]
fn recordings_of_two_files_stand_beside_each_other() {
    use lastrites::view::listing::{Entry, Listed};
    let other = |number| Spot { file: 1, number };
    let listed = || {
        let mut app = founding();
        let path = app.model.as_ref().expect("a recording").picked.path.clone();
        app.files =
            vec![Listed::new(path.clone(), None), Listed::new("elsewhere/x.lrt".into(), Some("bug-1"))];
        let entry = |number, began_ms| Entry { spot: spot(number), began_ms, ..Entry::default() };
        // What comes late stands where its file does.
        app.listed(Path::new("elsewhere/x.lrt"), vec![entry(2, 500), entry(1, 50)], false);
        app.listed(&path, vec![entry(1, 100)], true);
        app.event(&Event::Key(key("o")));
        app
    };
    let enter = |app: &mut App, name: &str| app.event(&Event::Key(key(name)));
    let mut app = listed();
    let spots: Vec<Spot> = app.entries.iter().map(|entry| entry.spot).collect();
    assert_eq!(spots, [spot(1), other(2), other(1)]);
    assert_eq!(app.mode, Mode::Recordings { at: 0, marked: None }, "the open one is chosen");
    let seen = screen(&app);
    let at = |words: &str| seen.find(words).unwrap_or_else(|| panic!("{words}: {seen}"));
    assert!(at("sysvinit-respawn.lrt") < at("imported as bug-1"), "{seen}");
    assert!(seen.contains("of a ring nothing is deleted by hand"), "{seen}");
    press(&mut app, "Down");
    assert!(screen(&app).contains("D deletes the file"), "{}", screen(&app));
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Open(other(2))));
    // The older one is A, wherever it is from.
    for (keys, a, b) in
        [("End", other(1), spot(1)), ("Down", spot(1), other(2)), ("End Space Up", other(1), other(2))]
    {
        let mut app = listed();
        press(&mut app, keys);
        assert_eq!(enter(&mut app, "d"), Some(Effect::Compare { a: Some(a), b }), "{keys}");
    }
    // Alone in its file it is compared with nothing by itself, and one is told how.
    let mut app = listed();
    assert_eq!(enter(&mut app, "d"), None);
    assert!(app.message.contains("mark it with Space"), "{}", app.message);
    let mut app = listed();
    press(&mut app, "End s");
    typed(&mut app, "x.lrt");
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Save(Form::Recording, Some(other(1)), "x.lrt".into())));
    let mut app = listed();
    press(&mut app, "End D");
    assert!(screen(&app).contains("delete elsewhere/x.lrt?"), "{}", screen(&app));
    typed(&mut app, "yes");
    assert_eq!(enter(&mut app, "Enter"), Some(Effect::Delete(1)));
    // It is gone, and what is listed of it.
    let mut app = listed();
    press(&mut app, "End");
    app.unlisted(Path::new("elsewhere/x.lrt"));
    assert_eq!(app.entries.iter().map(|entry| entry.spot).collect::<Vec<_>>(), [spot(1)]);
    assert_eq!(app.mode, Mode::Recordings { at: 0, marked: None });
}

/// However many there are and however small the screen: the chosen one is seen, with what was found in it.
#[test]
fn the_chosen_one_of_a_long_list_is_seen_whole() {
    use lastrites::view::listing::{Entry, Verdict};
    for size in [(60, 15), (80, 24), (200, 60)] {
        let mut app = app("sysvinit-respawn", dark(), size);
        for file in ["a.lrt", "b.lrt", "c.lrt"] {
            let entry = |number| Entry {
                spot: spot(number),
                host: format!("host-{number}-of-{file}"),
                verdict: Some(Verdict { how: format!("verdict-{number}-of-{file}"), ..Verdict::default() }),
                ..Entry::default()
            };
            app.listed(Path::new(file), (1..=20).rev().map(entry).collect(), false);
        }
        press(&mut app, "o Home");
        for at in 0..60 {
            let (number, file) = (20 - at % 20, ["a.lrt", "b.lrt", "c.lrt"][at / 20]);
            let seen = screen(&app);
            for words in [format!("host-{number}-of-{file}"), format!("verdict-{number}-of-{file}")] {
                assert!(seen.contains(&words), "{words} at {size:?}:\n{seen}");
            }
            press(&mut app, "Down");
        }
    }
}
