//! What people misread, and what must not be misread again.

use lastrites::view::{
    Subject,
    app::{App, Effect, Form, Mode},
    facts,
    palette::Look,
};
use ratatui::crossterm::event::Event;

use crate::{app, dark, key, model, press, screen};

const SAMPLES: [&str; 4] = ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"];

fn line(app: &App, name: &str) -> String {
    let screen = screen(app);
    screen.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}\n{screen}")).to_owned()
}

/// A killing was written fifteen seconds before its victim was born, on the scale of time.
#[test]
fn words_in_front_of_a_life_are_said_to_be_about_what_comes_after_them() {
    let mut told = 0;
    for name in SAMPLES {
        for size in [(80, 24), (120, 40), (200, 60)] {
            let mut app = app(name, dark(), size);
            for _ in 0..6 {
                let screen = screen(&app);
                for line in screen.lines().filter(|line| line.contains('│') && !line.contains("signs")) {
                    let Some(lane) = line.split_once('│').map(|(_, lane)| lane) else { continue };
                    let born = lane.find(['━', '═', '╍', '▲', '┝', '◆', '✖', '○']);
                    let words = lane.find(|c: char| c.is_ascii_alphabetic());
                    if let (Some(words), Some(born)) = (words, born)
                        && words < born
                    {
                        told += 1;
                        assert!(lane[words..born].contains('→'), "{size:?} {line}\n{screen}");
                    }
                }
                press(&mut app, "-");
            }
        }
    }
    assert!(told > 0, "somewhere there is no room elsewhere");
}

/// It stood in front of the scale like a first tick, and its sign was that of a stop signal and lay on the words.
#[test]
fn the_cursor_says_its_time_where_it_is_and_writes_over_nothing() {
    for name in SAMPLES {
        for size in [(60, 15), (80, 24), (120, 40), (200, 60)] {
            let mut app = app(name, dark(), size);
            for keys in ["", "Left Left Left", "Home", "End", "-", "+ + +", "Right Right Right Right", "i"] {
                press(&mut app, keys);
                let shown = screen(&app);
                let scale = shown.lines().nth(usize::from(app.areas().scale.y)).expect("a scale");
                assert!(!scale.contains('▼'), "{scale}");
                for word in scale.split(['┬', '┊', '≀']).skip(1) {
                    let word = word.trim();
                    let whole = word.is_empty() || word.ends_with(['s', 'n', 'h']) || word.contains(" in ");
                    assert!(whole, "{word:?} is cut: {scale}");
                }
                let sign = scale.matches('┊').count();
                assert!(sign == 1 || scale.contains("cursor "), "{scale}\n{shown}");
            }
        }
    }
}

#[test]
fn a_key_that_does_nothing_says_so_and_takes_the_last_answer_away() {
    let mut app = app("power-cut", dark(), (100, 30));
    press(&mut app, "5");
    assert_eq!(app.message, "there is 1 finding");
    press(&mut app, "y");
    assert_eq!(app.message, "y: that key does nothing; ? shows all that do");
    press(&mut app, "Ctrl-X");
    assert!(app.message.starts_with("Ctrl-x: that key"), "{}", app.message);
    press(&mut app, "Right");
    assert!(app.message.is_empty());
}

#[test]
fn details_are_in_order_of_time_and_storms_of_stops_are_one_line() {
    let mut storms = 0;
    for name in SAMPLES {
        let model = model(name);
        for (idx, _) in model.world().all() {
            let facts = facts::of(&model, Subject::Proc(idx));
            for list in facts.split(|fact| fact.look == Look::Strong) {
                let times: Vec<u64> = list.iter().filter_map(|fact| fact.at).map(|at| at.ns).collect();
                // Why a signal was sent is told with it.
                let dated: Vec<u64> = list
                    .iter()
                    .filter(|fact| fact.indent == 0)
                    .filter_map(|fact| fact.at)
                    .map(|at| at.ns)
                    .collect();
                assert!(dated.is_sorted(), "{name} {}: {times:?}", model.label(idx));
            }
            let frozen = facts.iter().filter(|fact| fact.text.starts_with("frozen and thawed")).count();
            let told =
                |fact: &&facts::Fact| fact.text.starts_with("SIGSTOP") || fact.text.starts_with("SIGCONT");
            assert_eq!(facts.iter().filter(told).count(), 0, "{name} {}", model.label(idx));
            assert!(frozen <= 1);
            storms += frozen;
        }
    }
    assert!(storms > 0);
}

#[test]
fn who_was_killed_is_shown_with_who_did_it() {
    let mut app = app("sysvinit-respawn", dark(), (120, 40));
    press(&mut app, "K");
    assert!(line(&app, "mongod 990").contains('✖'));
    assert!(line(&app, "killall5 -9 1010").contains('●'));
}

/// Sixty rows were blank, and forty-eight processes folded.
#[test]
fn where_there_is_room_for_everybody_nobody_is_folded() {
    let mut app = app("systemd252-reboot", dark(), (300, 100));
    assert!(!screen(&app).contains("Enter unfolds"), "{}", screen(&app));
    app.event(&Event::Resize(100, 30));
    assert!(app.rows.iter().any(|row| matches!(row, lastrites::view::lanes::Row::Group { open: false, .. })));
    app.event(&Event::Resize(300, 100));
    assert!(!screen(&app).contains("Enter unfolds"));
    press(&mut app, "u");
    assert!(screen(&app).contains("Enter unfolds"), "by hand it is folded");
    app.event(&Event::Resize(299, 100));
    assert!(screen(&app).contains("Enter unfolds"), "and stays so");
}

#[test]
fn the_help_uses_the_width_and_says_how_much_is_not_seen() {
    let mut wide = app("sysvinit-respawn", dark(), (200, 60));
    press(&mut wide, "?");
    let shown = screen(&wide);
    assert!(shown.contains("What the lanes show") && shown.contains("second click follows"), "{shown}");
    assert!(shown.contains("help: any key closes") && !shown.contains("below"), "{shown}");
    let mut small = app("sysvinit-respawn", dark(), (80, 24));
    press(&mut small, "?");
    assert!(screen(&small).contains(" lines below "), "{}", screen(&small));
    press(&mut small, "j");
    assert!(screen(&small).contains(" 1 line above "), "{}", screen(&small));
    press(&mut small, "End");
    assert!(!screen(&small).contains("below"), "{}", screen(&small));
}

#[test]
fn commands_are_found_by_what_people_call_them() {
    for (word, help) in [
        ("legend", "this help"),
        ("mouse", "this help"),
        ("theme", "light or a dark"),
        ("undo", "back, as in a browser"),
    ] {
        let found = lastrites::view::action::commands(word);
        assert!(found.first().is_some_and(|binding| binding.help.contains(help)), "{word}");
    }
    let all = lastrites::view::action::commands("");
    assert_eq!(all.last().map(|binding| binding.help), Some("quit"));
    assert!(all.iter().take(20).all(|binding| binding.help != "up"), "arrows are no commands");
}

#[test]
fn a_new_file_has_a_name_if_one_does_not_care() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    press(&mut app, "Ctrl-S");
    assert!(screen(&app).contains("save as: _  Enter: db7-20261125-030807.lrt"), "{}", screen(&app));
    let effect = app.event(&Event::Key(key("Enter")));
    assert_eq!(effect, Some(Effect::Save(Form::Recording, None, "db7-20261125-030807.lrt".into())));
    press(&mut app, "Ctrl-R");
    let effect = app.event(&Event::Key(key("Enter")));
    let name = "lastrites-report-20261125-030807.tar.gz";
    assert_eq!(effect, Some(Effect::Save(Form::Report, None, name.into())), "which names no host");
}

#[test]
fn a_comparison_has_help_of_its_own_and_stays() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    app.mode = Mode::Compare { top: 0 };
    press(&mut app, "?");
    assert!(screen(&app).contains("Over a comparison"), "{}", screen(&app));
    press(&mut app, "Esc");
    assert_eq!(app.mode, Mode::Compare { top: 0 });
}

#[test]
fn a_terminal_that_is_too_small_is_told_the_whole_size() {
    let app = app("power-cut", dark(), (20, 6));
    let flat = screen(&app).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("lastrites needs 40 columns and 10 rows; q quits"), "{flat}");
}

#[test]
fn colours_are_changed_for_a_light_background_and_back() {
    let mut app = app("power-cut", dark(), (100, 30));
    let (before, text) = (crate::picture(&app), screen(&app));
    press(&mut app, "Ctrl-T");
    assert_ne!(crate::picture(&app), before);
    assert_eq!(screen(&app), text);
    press(&mut app, "Ctrl-T");
    assert_eq!(crate::picture(&app), before);
}

/// The cause of who was cut off was said to be the request, past who had told it to stop.
#[test]
fn who_told_somebody_to_stop_that_was_cut_off_is_its_cause() {
    let mut app = app("power-cut", dark(), (120, 40));
    press(&mut app, "/ m o n g o d Enter c");
    let Some(Subject::Proc(idx)) = app.subject else { panic!("{:?}", app.subject) };
    let model = app.model.clone().expect("a model");
    assert!(model.label(idx).starts_with("killall5 -15"), "{}", model.label(idx));
}
