//! Recordings that are read beside the drawing: the newest shutdown first, then the rest; stopped, compared, gone.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use lastrites::{
    diff::Which,
    view::{
        Subject,
        app::{App, Effect, Mode},
        compared::{Compared, Line},
        filter::Kind,
        load::{self, Gauge, News, Wanted},
        model::Model,
        palette::Look,
        survey,
    },
};
use ratatui::crossterm::event::Event;

use crate::{app, dark, key, made, model, press, screen};

const PATIENCE: Duration = Duration::from_secs(120);

fn next(news: &Receiver<News>) -> News {
    news.recv_timeout(PATIENCE).expect("news within two minutes")
}

/// A boot that was recorded for hours, and a shutdown at its end.
fn long(dir: &Path) -> PathBuf {
    let path = dir.join("long.lrt");
    let mut ring = made::Ring::create(&path);
    ring.begin(1);
    ring.live(150_000);
    ring.shut_down(None);
    path
}

/// What is read first, what is read then, and whether more was announced with each.
fn both(path: &Path) -> (Model, Model) {
    let (tell, news) = channel();
    load::load(path, Wanted::Named(None), &Arc::default(), &tell);
    let mut models = Vec::new();
    loop {
        match next(&news) {
            News::Entries(_, entries, ring) => assert!(ring && entries.len() == 1),
            News::Loaded { model, more, .. } => models.push((*model, more)),
            News::Done(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let announced: Vec<bool> = models.iter().map(|(_, more)| *more).collect();
    assert_eq!(announced, [true, false]);
    let (whole, first) = (models.pop().expect("two").0, models.pop().expect("two").0);
    (first, whole)
}

fn names(app: &App) -> (String, Vec<String>, usize) {
    let model = app.model.as_ref().expect("a model");
    let subject = match app.subject {
        Some(Subject::Proc(idx)) => model.world().label(idx),
        Some(Subject::Finding(at)) => model.story().findings[at].headline.clone(),
        other => format!("{other:?}"),
    };
    let rows = app.rows.iter().map(|row| model.row_label(&row, 60)).collect();
    (subject, rows, app.row - app.top)
}

#[test]
fn the_shutdown_comes_first_and_the_rest_moves_nothing_that_is_looked_at() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, whole) = both(&long(dir.path()));
    let (first, whole) = (Arc::new(first), Arc::new(whole));
    assert!(!first.whole && whole.whole);
    assert!(
        first.world().events * 3 < whole.world().events,
        "{} {}",
        first.world().events,
        whole.world().events
    );

    let mut app = App::new(dark(), (140, 40));
    app.loaded(Arc::clone(&first));
    let untouched = screen(&app);
    assert!(untouched.contains("mongod 800 was killed by killall5 -9"), "{untouched}");
    app.loaded(Arc::clone(&whole));
    // But for the folded number of others and how much was read.
    let lines = |text: &str| {
        text.lines().filter(|line| !line.contains("other processes")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&untouched), lines(&screen(&app)));

    // Somewhere in particular: a process, chosen under a tree, zoomed, after a history.
    let mut app = App::new(dark(), (140, 40));
    app.loaded(Arc::clone(&first));
    let rc = first.world().find(made::id(4002)).expect("rc");
    app.go(Subject::Proc(rc));
    press(&mut app, "T Down + +");
    let (window, cursor_ns) = (app.window, app.cursor_ns);
    let before = names(&app);
    app.loaded(Arc::clone(&whole));
    assert_eq!((app.window, app.cursor_ns), (window, cursor_ns));
    assert_eq!(names(&app), before);
    let carried = whole.world().find(made::id(4002)).expect("rc");
    assert_ne!(carried, rc, "the whole numbers processes anew, or this test shows nothing");
    assert_eq!(app.filter.kinds, [Kind::Tree(carried)]);
    press(&mut app, "Bksp Bksp");
    assert_eq!(app.subject, Some(Subject::Proc(carried)));
    press(&mut app, "Bksp");
    assert!(matches!(app.subject, Some(Subject::Finding(_))), "{:?}", app.subject);
}

#[test]
fn the_end_of_a_large_ring_is_seen_before_all_of_it_is_looked_at() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("large.lrt");
    let mut ring = made::Ring::of_size(&path, 48 << 20);
    ring.begin(1);
    ring.live(200_000);
    ring.shut_down(None);
    let (tell, news) = channel();
    load::load(&path, Wanted::Named(None), &Arc::default(), &tell);
    let mut came = Vec::new();
    let mut app = App::new(dark(), (140, 40));
    let mut screens = Vec::new();
    loop {
        match next(&news) {
            News::Entries(_, entries, _) => {
                assert_eq!(entries.len(), 1);
                came.push("entries");
            }
            News::Loaded { model, more, .. } => {
                came.push(match (model.whole, more) {
                    (false, true) => "the end, and more",
                    (true, false) => "all",
                    other => panic!("{other:?}"),
                });
                app.loaded(Arc::new(*model));
                screens.push(screen(&app));
            }
            News::Done(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(came, ["the end, and more", "entries", "the end, and more", "all"]);
    assert!(screens[0].contains("mongod 800 was killed by killall5 -9"), "{}", screens[0]);
    assert_eq!(screens[0], screens[1], "what a glance shows is what is there");
}

#[test]
fn a_shutdown_that_begins_before_a_glance_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("large.lrt");
    let mut ring = made::Ring::of_size(&path, 48 << 20);
    ring.begin(1);
    ring.live(1_000);
    ring.shut_down_slowly(200_000);
    let (tell, news) = channel();
    load::load(&path, Wanted::Named(None), &Arc::default(), &tell);
    // How it ended is seen at once, and no half of a shutdown is shown as if it were all of one.
    let mut app = App::new(dark(), (140, 40));
    let (mut halves, mut before) = (0, String::new());
    loop {
        match next(&news) {
            News::Entries(..) => {}
            News::Loaded { model, more, .. } => {
                let whole = model.story().shutdown.as_ref().is_some_and(|shutdown| shutdown.asked.is_some());
                assert_eq!(model.partial, !whole, "{:?}", model.story().shutdown);
                app.loaded(Arc::new(*model));
                let shown = screen(&app);
                assert_eq!(shown.contains("only its end so far"), !whole, "{shown}");
                assert_eq!(shown.contains("Only its end was read so far"), !whole, "{shown}");
                halves += i32::from(!whole);
                if !more {
                    assert!(whole && !before.is_empty());
                    assert!(shown.contains("tool0 was restarted during the shutdown"), "{shown}");
                    break;
                }
                before = shown;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(halves, 1);
}

#[test]
fn the_whole_recording_says_when_only_its_end_was_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, whole) = both(&long(dir.path()));
    let mut app = App::new(dark(), (140, 40));
    app.loaded(Arc::new(first));
    let press_z = |app: &mut App| app.event(&Event::Key(key("Z")));
    assert_eq!(press_z(&mut app), None);
    assert!(
        app.message.contains("only the last ") && app.message.contains("Z again reads them all"),
        "{}",
        app.message
    );
    assert_eq!(press_z(&mut app), Some(Effect::Rest));
    app.loaded(Arc::new(whole));
    assert_eq!((press_z(&mut app), app.message.as_str()), (None, ""));
    assert_eq!(press_z(&mut app), None, "all of it was read: there is no more");
}

#[test]
fn reading_the_rest_can_be_stopped_and_asked_for_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = long(dir.path());
    let (tell, news) = channel();
    let gauge: Arc<Gauge> = Arc::default();
    load::load(&path, Wanted::Named(None), &gauge, &tell);
    drop(tell);
    let first = loop {
        match next(&news) {
            News::Entries(..) => {}
            News::Loaded { model, more, .. } => {
                gauge.stop.store(true, Ordering::Relaxed);
                assert!(more);
                break model;
            }
            other => panic!("{other:?}"),
        }
    };
    // The thread ends, and with it the last sender; what it may have sent meanwhile belongs to a gauge that is stopped.
    while let Ok(news) = news.recv_timeout(PATIENCE) {
        assert!(
            matches!(&news, News::Loaded { gauge, .. } if gauge.stop.load(Ordering::Relaxed)),
            "{news:?}"
        );
    }
    let (tell, news) = channel();
    load::load(&path, Wanted::All(first.picked.number), &Arc::default(), &tell);
    let whole = loop {
        match next(&news) {
            News::Loaded { model, more, .. } => break (model.whole, more),
            News::Entries(..) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(whole, (true, false));
}

#[test]
fn a_machine_that_runs_is_seen_at_once_and_the_shutdown_before_it_is_what_one_sees() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring.lrt");
    let mut ring = made::Ring::create(&path);
    ring.begin(1);
    ring.shut_down(None);
    ring.begin(2);
    ring.live(60_000);
    let (tell, news) = channel();
    load::load(&path, Wanted::Named(None), &Arc::default(), &tell);
    let first = loop {
        match next(&news) {
            News::Loaded { model, more, .. } => {
                break (model.picked.number, more, model.story().next.is_none());
            }
            News::Entries(_, entries, _) => assert_eq!(entries.len(), 2),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(first, (1, true, true), "the boot after it is read behind it");
    let News::Loaded { model, more, .. } = next(&news) else { panic!("the boot after it") };
    let second = (model.picked.number, more, model.story().next.is_some());
    assert_eq!(second, (1, false, true));
}

fn two(dir: &Path) -> PathBuf {
    let path = dir.join("two.lrt");
    let mut ring = made::Ring::create(&path);
    ring.begin(1);
    ring.shut_down(Some(700));
    ring.begin(2);
    ring.shut_down(None);
    path
}

fn compared(path: &Path, a: Option<usize>, b: usize) -> Result<Compared, String> {
    let (tell, news) = channel();
    let of_file = |number| (path.to_owned(), number);
    survey::compare(a.map(of_file), of_file(b), &Arc::default(), &tell);
    match next(&news) {
        News::Compared(compared, _) => Ok(*compared),
        News::Failed(error) => Err(error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_shutdowns_stand_side_by_side_from_their_requests_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = two(dir.path());
    for a in [Some(1), None] {
        let compared = compared(&path, a, 2).expect("compared");
        let lives: Vec<_> = compared
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Life { who, which, life: Some(life), .. } if who.contains("mongod") => {
                    Some((*which, *life))
                }
                _ => None,
            })
            .collect();
        let of = |which| lives.iter().find(|(side, _)| *side == which).expect("a life").1;
        let (a, b) = (of(Which::A), of(Which::B));
        assert_eq!(a.told_ns, b.told_ns, "the same moment after the request, whenever that was");
        assert!(a.to_ns + 4_000_000_000 < b.to_ns, "{a:?} {b:?}");
        let mut app = app("sysvinit-respawn", dark(), (140, 40));
        (app.compared, app.mode) = (Some(Arc::new(compared)), Mode::Compare { top: 0 });
        let seen = screen(&app);
        for words in [
            "A  db7 rebooted",
            "B  db7 rebooted",
            "s longer",
            "ended differently",
            "found in B only",
            "mongod",
            "✖",
        ] {
            assert!(seen.contains(words), "{words}\n{seen}");
        }
        let says = |words: &[&str]| seen.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(says(&["B ", "✖", "killall5 -9"]), "who did it is said however long the life is\n{seen}");
        press(&mut app, "Esc");
        assert_eq!(app.mode, Mode::Normal);
    }
    let none = compared(&path, None, 1).map(drop).expect_err("nothing before it");
    assert!(none.contains("there is no shutdown before recording 1"), "{none}");
    assert!(compared(&path, Some(7), 2).is_err_and(|why| why.contains("no recording 7")));
}

#[test]
fn a_comparison_is_drawn_at_any_size_and_scrolls_no_further_than_there_is_something() {
    let all = ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"];
    for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
        let compared = Compared::new(model(a), model(b)).expect("all have a shutdown");
        for size in [(40, 10), (60, 15), (100, 30), (300, 100)] {
            let mut app = app(a, dark(), size);
            (app.compared, app.mode) =
                (Some(Arc::new(Compared::new(model(a), model(b)).expect("again"))), Mode::Compare { top: 0 });
            let most = compared.lines.len().saturating_sub(usize::from(size.1) - 7);
            for keys in ["j", "PgDn", "G", "j", "PgDn"] {
                press(&mut app, keys);
                assert_eq!(screen(&app).lines().count(), usize::from(size.1));
            }
            assert_eq!(app.mode, Mode::Compare { top: most });
            press(&mut app, "g");
            assert_eq!(app.mode, Mode::Compare { top: 0 });
        }
    }
    let same = Compared::new(model("power-cut"), model("power-cut")).expect("compared");
    let (last, doubts) = same.lines.split_last().expect("a line");
    assert_eq!(last, &Line::Title("no difference that matters".into()));
    assert!(doubts.iter().all(|line| matches!(line, Line::Word { look: Look::Warn, .. })), "{doubts:?}");
}

/// A sample as it was when so much of it had been written, and all of it.
fn growing(name: &str, bytes: usize) -> (Arc<Model>, Arc<Model>) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("growing.lrt");
    let whole = std::fs::read(crate::sample(name)).expect("a sample");
    std::fs::write(&path, &whole[..bytes]).expect("written");
    let first = load::now(&path, None).expect("what is there reads");
    (Arc::new(first), model(name))
}

/// A recording that was opened while it was young went on showing its beginning, with the marker on init.
#[test]
fn who_follows_a_recording_and_has_gone_nowhere_is_shown_how_it_ends() {
    let (first, whole) = growing("sysvinit-respawn", 18_000);
    let mut app = App::new(dark(), (120, 40));
    app.live = true;
    app.loaded(Arc::clone(&first));
    assert_ne!(first.picked.summary.events, whole.picked.summary.events);
    app.loaded(Arc::clone(&whole));
    let mut new = App::new(dark(), (120, 40));
    new.live = true;
    new.loaded(Arc::clone(&whole));
    assert_eq!((app.subject, app.row, app.window), (new.subject, new.row, new.window));
    assert_eq!(screen(&app), screen(&new));
    press(&mut app, "Bksp");
    assert!(app.message.contains("this is where you began"), "{}", app.message);

    // Who has gone somewhere stays there.
    let mut app = App::new(dark(), (120, 40));
    app.live = true;
    app.loaded(Arc::clone(&first));
    let elsewhere = |(idx, _): &(_, _)| app.subject != Some(Subject::Proc(*idx));
    let (there, proc) = first.world().all().find(elsewhere).expect("somebody else");
    app.go(Subject::Proc(there));
    app.loaded(Arc::clone(&whole));
    assert_eq!(app.subject, whole.world().find(proc.id).map(Subject::Proc));
}

/// A filter went without a word when the process that it was about was not there any more.
#[test]
fn a_filter_that_is_about_nobody_any_more_is_said_to_go() {
    let (first, whole) = growing("sysvinit-respawn", 18_000);
    let gone = whole.world().all().map(|(idx, _)| idx).find(|idx| {
        let proc = whole.world().proc_at(*idx);
        proc.is_some_and(|proc| first.world().find(proc.id).is_none()) && !whole.children(*idx).is_empty()
    });
    let gone = gone.expect("somebody who came later");
    let mut app = App::new(dark(), (120, 40));
    app.loaded(Arc::clone(&whole));
    app.go(Subject::Proc(gone));
    press(&mut app, "T");
    assert_eq!(app.filter.kinds, [Kind::Tree(gone)]);
    app.loaded(first);
    assert!(app.filter.is_none());
    let words = format!("not filtered any more: tree of {}", whole.label(gone));
    assert!(app.message.contains(&words), "{}", app.message);
}
