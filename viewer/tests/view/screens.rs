//! Screens as they are, compared with `golden/`. `LASTRITES_BLESS=1` writes what is seen there: look at the change.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use lastrites::view::{app::App, palette::Tone};
use ratatui::{buffer::Buffer, style::Style};

use crate::{app, dark, picture, press, screen, svg::svg, text, theme};

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

/// What the README shows are screens of the samples, as they are now.
#[test]
fn the_pictures_of_the_readme_are_not_stale() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let light = || theme("xterm-256color", "truecolor", "C.UTF-8", Tone::Light);
    let whole = "Who killed the database: a shutdown of sysvinit on a time axis, with findings below";
    let cause = "From the victim to its killer: what killall5 -9 did, who ran it, whom it hit";
    let small = "The same on 80 columns and 24 rows, for a unit of systemd that would not stop";
    for (name, sample, theme, size, keys, title) in [
        ("who-killed-it-dark", "sysvinit-respawn", dark(), (120, 34), "", whole),
        ("who-killed-it-light", "sysvinit-respawn", light(), (120, 34), "", whole),
        ("cause-dark", "runit-respawn", dark(), (120, 34), "c", cause),
        ("cause-light", "runit-respawn", light(), (120, 34), "c", cause),
        ("small-dark", "systemd252-reboot", dark(), (80, 24), "", small),
        ("small-light", "systemd252-reboot", light(), (80, 24), "", small),
    ] {
        let tone = theme.tone;
        let mut app = app(sample, theme, size);
        press(&mut app, keys);
        let seen = svg(&picture(&app), tone, title);
        assert!(readme.contains(&format!("viewer/screens/{name}.svg")), "the README does not show {name}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("screens").join(name).with_extension("svg");
        if std::env::var_os("LASTRITES_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(&path, seen).expect("written");
        } else {
            let shown = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(shown == seen, "{} is stale: LASTRITES_BLESS=1 draws it anew", path.display());
        }
    }
}

#[test]
fn a_picture_has_every_word_of_its_screen_and_nothing_that_is_not_text() {
    let app = app("sysvinit-respawn", dark(), (100, 30));
    let buf = picture(&app);
    let drawn = svg(&buf, Tone::Dark, "a <title> & more");
    for word in ["db7", "mongod", "SIGTERM", "unmounting", "findings"] {
        assert!(drawn.contains(word), "{word}");
    }
    assert!(drawn.contains("a &lt;title&gt; &amp; more") && !drawn.contains("-> "), "angles are spelt out");
    assert!(drawn.contains("#ff7b7b"), "killings are red");
    let shapes = ["━", "│", "✖", "●", "▲", "═"];
    assert!(shapes.iter().all(|sign| text(&buf).contains(sign) && !drawn.contains(sign)), "lines are shapes");
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

/// Most terminals have 80 columns and 24 rows on a bad day: all that a verdict rests on is there at once.
#[test]
fn eighty_columns_say_who_asked_how_it_ended_what_was_found_and_step_by_step_why() {
    let screen = screen(&app("sysvinit-respawn", dark(), (80, 24)));
    for text in [
        "db7 rebooted",
        "sealed",
        "asked for by root: reboot",
        "mongod 990 was killed by killall5 -9 of sendsigs",
        "[1] mongod was restarted",
        "[2] lab-coroner",
        "+3.19 s  init started mongod again as 990",
        "+16.27 s  rc -> .. -> killall5 -9 sent SIGKILL to mongod 990",
    ] {
        assert!(screen.contains(text), "{text}\n{screen}");
    }
}

/// A pid is what tells two processes of one name apart: the first screens had cut it off.
#[test]
fn no_lane_loses_its_pid() {
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"] {
        for (columns, keys) in [(60, ""), (80, ""), (80, "u"), (100, "u"), (120, "")] {
            let mut app = app(name, dark(), (columns, 60));
            press(&mut app, keys);
            let areas = app.areas();
            let buf = picture(&app);
            let model = app.model.clone().expect("a model");
            for (row, y) in app.rows.iter().skip(app.top).zip(areas.lanes.top()..areas.lanes.bottom()) {
                let Some(first) = model.procs_of(&row).first() else { continue };
                let label: String = (1..areas.labels - 1).map(|x| buf[(x, y)].symbol()).collect();
                let pid = model.world().pid(*first).to_string();
                let words: Vec<&str> = label.split(' ').collect();
                assert!(words.contains(&pid.as_str()), "{label:?} has no {pid}");
            }
        }
    }
}

/// The line of the cursor, and lines of signals, once went through the words of a folded group.
#[test]
fn titles_of_groups_are_whole_wherever_the_cursor_is() {
    let mut app = app("systemd252-reboot", dark(), (120, 40));
    press(&mut app, "g");
    for _ in 0..90 {
        press(&mut app, "Left");
    }
    for _ in 0..90 {
        press(&mut app, "Right");
        let screen = screen(&app);
        assert!(screen.contains("47 other processes (Enter unfolds)"), "{screen}");
    }
}

/// A cut recording has no victim: going to its finding once unfolded everybody, and showed our own recorder.
#[test]
fn a_power_cut_is_told_folded() {
    for size in [(60, 15), (80, 24), (120, 40)] {
        let app = app("power-cut", dark(), size);
        let screen = screen(&app);
        assert!(screen.contains("it was seen no further than the SIGTERM spree, at +9.6"), "{screen}");
        // Where there is room for who asked beside whom the finding is about.
        assert!((size.0 == 60 || screen.contains("reboot 956")) && app.rows.len() < 20, "{screen}");
    }
}

#[test]
fn a_name_is_the_same_in_lanes_and_details() {
    let mut app = app("sysvinit-respawn", dark(), (120, 40));
    press(&mut app, "a");
    let shown = screen(&app);
    assert!(shown.contains("reboot 956, which then ran init") && !shown.contains("init 956"), "{shown}");
    let shown = screen(&crate::app("systemd252-reboot", dark(), (120, 40)));
    assert!(shown.contains("killed by systemd-shutdown (systemd 1)"), "who is pid 1 in the lanes:\n{shown}");
}

#[test]
fn what_was_cut_ends_in_two_dots_where_there_is_no_ellipsis() {
    let shown = screen(&app("systemd252-reboot", theme("vt100", "", "C", Tone::Dark), (80, 24)));
    assert!(shown.contains("systemctl re.. 388") && shown.contains(".. "), "{shown}");
}

#[test]
fn idle_time_that_is_cut_short_has_a_seam_in_the_scale_and_in_every_lane() {
    let mut app = app("sysvinit-respawn", dark(), (120, 40));
    let seam = dark().glyphs.cut;
    assert!(!screen(&app).contains(seam));
    press(&mut app, "i");
    let shown = screen(&app);
    let scale = shown.lines().nth(usize::from(app.areas().scale.y)).expect("a scale");
    assert!(scale.contains(seam) && scale.contains(" s"), "{shown}");
    let lane = |name: &str| {
        let is = |line: &&str| line.trim_start_matches([' ', '▌']).starts_with(name);
        shown.lines().skip(usize::from(app.areas().lanes.y)).find(is).expect("a lane")
    };
    for name in ["init 1", "mongod 990", "lab-coroner", "cron 913", "▾ services", "▸ 136 other processes"]
    {
        assert!(lane(name).contains(seam), "{name}\n{shown}");
    }
    assert!(scale.matches('┬').count() >= 2, "it says where one is:\n{shown}");
    let seams = scale.matches(seam).count();
    assert_eq!(lane("cron 913").matches(seam).count(), seams, "no seam is written over:\n{shown}");
}

/// Nine seams in a row left no place for a single time, and "6.1 s in 9" for a riddle.
#[test]
fn between_seams_the_scale_keeps_its_times() {
    for size in [(80, 24), (120, 40)] {
        let mut app = app("sysvinit-respawn", dark(), size);
        press(&mut app, "Z i");
        let shown = screen(&app);
        let scale = shown.lines().nth(usize::from(app.areas().scale.y)).expect("a scale");
        assert!(scale.matches('┬').count() >= 2, "{scale}");
        assert!(scale.matches(" in ").count() == scale.matches(" cuts").count(), "{scale}");
    }
}

#[test]
fn no_line_of_the_help_is_cut_on_a_small_screen() {
    let mut app = app("sysvinit-respawn", dark(), (60, 60));
    press(&mut app, "?");
    let screen = screen(&app);
    let words: Vec<&str> =
        screen.lines().flat_map(|line| line.trim_matches(['│', ' ']).split_whitespace()).collect();
    let flat = words.join(" ");
    for text in ["told to stop, and ignoring it or not taking it", "of the signal that asked it to"] {
        assert!(flat.contains(text), "{text}\n{screen}");
    }
}

#[test]
fn a_lane_that_is_out_of_view_says_where_it_is() {
    let mut app = app("runit-respawn", dark(), (110, 32));
    press(&mut app, "c s");
    let screen = screen(&app);
    let lane = |name: &str| screen.lines().find(|line| line.contains(name)).expect("a lane");
    assert!(lane(" mongod 881 ").contains("< until +3.7"), "{screen}");
    assert!(lane(" mongod 1017 ").ends_with("from +18.64 s >"), "{screen}");
}

#[test]
fn keys_and_what_they_do_stand_apart_in_the_list_of_commands() {
    let mut app = app("sysvinit-respawn", dark(), (100, 30));
    press(&mut app, ": b r o w");
    let screen = screen(&app);
    assert!(screen.contains("Bksp Ctrl-H [ back, as in a browser"), "{screen}");
}

#[test]
fn of_a_killer_it_is_said_first_whom_it_killed() {
    let mut app = app("runit-respawn", dark(), (80, 24));
    press(&mut app, "c");
    let screen = screen(&app);
    assert!(screen.contains("+17.74 s  killed mongod 986, runsv 985, runsvdir 979"), "{screen}");
}

#[test]
fn how_to_get_help_and_out_is_always_said() {
    for size in [(40, 10), (60, 15), (80, 24), (200, 60)] {
        let screen = screen(&app("sysvinit-respawn", dark(), size));
        let last = screen.lines().last().expect("a status line");
        assert!(last.contains("? help") && last.contains("q quit"), "{size:?}\n{screen}");
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

/// It was below ten steps, where nobody saw it.
#[test]
fn what_to_change_is_seen_at_the_smallest_sizes() {
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot"] {
        for size in [(60, 15), (80, 24)] {
            let screen = screen(&app(name, dark(), size));
            assert!(screen.contains("To change: "), "{size:?}\n{screen}");
        }
    }
}

/// On a narrow screen it read as if root had killed it.
#[test]
fn who_asked_for_the_shutdown_is_not_said_to_have_killed() {
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot"] {
        for columns in 40..160 {
            let screen = screen(&app(name, dark(), (columns, 15)));
            assert!(!screen.contains("because of root"), "{screen}");
        }
    }
}

#[test]
fn a_message_has_the_whole_line() {
    let mut app = app("runit-respawn", dark(), (80, 24));
    press(&mut app, "K O");
    app.message = "one recording is in this file; `lastrites diff A B` compares two files".into();
    let said = app.message.clone();
    assert!(screen(&app).contains(&said), "{}", screen(&app));
    app.message = "short".into();
    let seen = screen(&app);
    let last = seen.lines().last().expect("a line");
    assert!(last.starts_with("short") && last.contains("only killed and killers + restarted"), "{last}");
}

#[test]
fn evidence_that_was_cut_says_so() {
    let mut cut = 0;
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"] {
        let mut app = app(name, dark(), (120, 40));
        let model = app.model.clone().expect("a model");
        for (at, finding) in model.story().findings.iter().enumerate() {
            press(&mut app, &format!("{}", at + 1));
            let told = app.facts.iter().find(|fact| fact.text.contains("evidence: ")).expect("evidence");
            let events = finding.evidence();
            assert_eq!(told.text.ends_with(" …"), events.len() > 14, "{}", told.text);
            assert_eq!(told.text.contains("evidence: event "), events.len() == 1, "{}", told.text);
            cut += usize::from(events.len() > 14);
        }
    }
    assert!(cut > 0, "one of the samples has more");
}

/// A phase was said to have waited longer than it lasted.
#[test]
fn what_a_phase_waited_for_is_within_it() {
    let mut waits = 0;
    for name in ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"] {
        let mut app = app(name, dark(), (120, 40));
        let model = app.model.clone().expect("a model");
        let phases = &model.story().shutdown.as_ref().expect("a shutdown").phases;
        for (at, phase) in phases.iter().enumerate() {
            app.go(lastrites::view::Subject::Phase(at));
            for fact in app.facts.iter().filter(|fact| fact.text.starts_with("waited ")) {
                let from = fact.at.expect("a time").ns;
                assert!(from >= phase.from.ns && from < phase.to_ns, "{name} {at}: {}", fact.text);
                // However often, it is told once, with all that it took of this phase.
                let of_it = |wait: &&lastrites::story::blame::Wait| match wait.proc {
                    lastrites::story::world::NONE => fact.text.contains(" for init itself"),
                    idx => fact.leads == Some(lastrites::view::Subject::Proc(idx)),
                };
                let within = |wait: &lastrites::story::blame::Wait| {
                    wait.to_ns.min(phase.to_ns).saturating_sub(wait.from_ns.max(phase.from.ns))
                };
                let sum: u64 = model.story().waits.iter().filter(of_it).map(within).sum();
                let told = format!("waited {} for", lastrites::time::duration(sum));
                assert!(fact.text.starts_with(&told), "{name} {at}: {} is not {told}", fact.text);
                waits += 1;
            }
        }
    }
    assert!(waits > 0);
}
