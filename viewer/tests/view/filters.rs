//! Filters that hold at once, the search that takes nothing away, and both among very many processes.

use std::collections::HashSet;

use lastrites::{
    story::{fate::Verdict, world::Idx},
    view::{
        Subject,
        app::{App, Mode},
        filter::Kind,
        lanes::Row,
    },
};

use crate::{app, dark, made, press, screen, typed};

fn founding() -> App {
    app("sysvinit-respawn", dark(), (140, 40))
}

fn filter(app: &mut App, text: &str) {
    press(app, "&");
    typed(app, text);
    press(app, "Enter");
    finish(app);
}

fn finish(app: &mut App) {
    while app.is_busy() {
        app.work();
    }
}

fn shown(app: &App) -> HashSet<Idx> {
    let of = |row: Row| match row {
        Row::Proc { idx, .. } => Some(idx),
        Row::Lane { .. } | Row::Group { .. } => None,
    };
    app.rows.iter().filter_map(of).collect()
}

#[test]
fn several_filters_hold_at_once_and_each_can_be_taken_away() {
    let mut app = founding();
    let name = Kind::Text("mongod".into());
    filter(&mut app, "mongod");
    let named = shown(&app);
    press(&mut app, "Esc");
    filter(&mut app, "signal TERM");
    let told = shown(&app);
    let both: HashSet<Idx> = named.intersection(&told).copied().collect();
    assert!(!both.is_empty() && both.len() < named.len() && both.len() < told.len(), "{named:?} {told:?}");
    filter(&mut app, "mongod");
    assert_eq!(shown(&app), both);
    let words = format!("only got SIGTERM + \"mongod\": {} of ", both.len());
    assert!(screen(&app).contains(&words), "{}", screen(&app));
    press(&mut app, "x");
    let term = Kind::Signal(15);
    assert_eq!((&app.filter.kinds[..], shown(&app)), (&[term][..], told), "the last one goes first");
    filter(&mut app, "mongod");
    press(&mut app, "F");
    assert!(screen(&app).contains("shown are only those that are all of this"), "{}", screen(&app));
    press(&mut app, "Up Enter");
    assert_eq!((&app.filter.kinds[..], shown(&app)), (&[name][..], named), "any one can go");
    press(&mut app, "Enter");
    assert!(app.filter.is_none() && app.mode == Mode::Normal);
    press(&mut app, "x");
    assert!(app.message.contains("nothing is filtered"), "{}", app.message);
}

#[test]
fn filter_words_with_values_are_understood_and_mistakes_are_told_where_they_can_be_mended() {
    let kinds = |text: &str| {
        let app = founding();
        Kind::parse(text, app.model.as_ref().expect("a model"))
    };
    for (text, kind) in [
        ("killed", Kind::Killed),
        ("restarted", Kind::Restarted),
        ("alive", Kind::LeftAlive),
        ("signal kill", Kind::Signal(9)),
        ("user root", Kind::User(0)),
        ("user:1000", Kind::User(1000)),
        ("service=ssh", Kind::Service("ssh".into())),
        ("fate Never-Told", Kind::Fate(Verdict::NeverTold)),
        ("phase 1", Kind::Phase(0)),
        ("some name", Kind::Text("some name".into())),
    ] {
        assert_eq!(kinds(text), Ok(vec![kind]), "{text}");
    }
    let model = founding().model.expect("a model");
    let phases = &model.story().shutdown.as_ref().expect("a shutdown").phases;
    let spree = phases.iter().position(|phase| phase.kind.word() == "kill-spree").expect("a spree");
    assert_eq!(kinds("phase KILL"), Ok(vec![Kind::Phase(spree)]));
    assert_eq!(kinds("killed, user root"), Ok(vec![Kind::Killed, Kind::User(0)]));
    for (text, says) in [
        ("signal FOO", "FOO is no signal; try signal TERM"),
        ("user nobody-here", "number is not known here; try user root"),
        ("phase lunch", "there is no phase lunch; try phase KILL"),
        ("phase 99", "there is no phase 99"),
        ("phase 0", "there is no phase 0"),
        ("fate sealed", "sealed is no fate; try fate stopped"),
        ("service", "service what? try service ssh"),
        ("signal \u{1b}[31m", "is no signal"),
        ("user root phase KILL", "commas separate several: user root, phase KILL"),
        ("service ssh killed", "commas separate several: service ssh, killed"),
    ] {
        let why = kinds(text).expect_err(text);
        assert!(why.contains(says) && !why.contains('\u{1b}'), "{text}: {why}");
    }
    let mut app = founding();
    filter(&mut app, "signal FOO");
    assert!(matches!(&app.mode, Mode::Ask { text, .. } if text == "signal FOO"), "{:?}", app.mode);
    assert!(screen(&app).contains("FOO is no signal"), "{}", screen(&app));
    press(&mut app, "Bksp Bksp Bksp");
    typed(&mut app, "TERM");
    press(&mut app, "Enter");
    assert_eq!(app.filter.kinds, [Kind::Signal(15)]);
}

#[test]
fn a_filter_that_nothing_passes_is_taken_back_and_the_others_stay() {
    let mut app = founding();
    press(&mut app, "K");
    let (killed, subject) = (shown(&app), app.subject);
    filter(&mut app, "no such name");
    assert_eq!((&app.filter.kinds[..], shown(&app)), (&[Kind::Killed][..], killed));
    assert!(app.message.contains("nothing matches killed and killers + \"no such name\""), "{}", app.message);
    press(&mut app, "Bksp");
    assert!(app.filter.is_none(), "what was taken back is no step of the history");
    assert_eq!(app.subject, subject);
}

#[test]
fn however_many_filters_there_are_a_message_is_seen() {
    let mut app = app("sysvinit-respawn", dark(), (60, 15));
    for text in ["mongod", "user root", "restarted", "killed"] {
        filter(&mut app, text);
    }
    let last = |app: &App| screen(app).lines().last().map(str::to_owned).expect("a line");
    assert!(last(&app).starts_with("only \"mongod\" + user root + restarted + killed"), "{}", last(&app));
    press(&mut app, "9");
    assert!(last(&app).starts_with("there are 2 findings"), "{}", last(&app));
    assert!(last(&app).contains("only \"mongod\" + "), "{}", last(&app));
}

#[test]
fn going_back_restores_filters_and_folds() {
    let mut app = founding();
    let rows = app.rows.clone();
    filter(&mut app, "signal TERM");
    let told = app.rows.clone();
    filter(&mut app, "mongod");
    let both = app.rows.clone();
    assert!(rows != told && told != both);
    let (term, name) = (Kind::Signal(15), Kind::Text("mongod".into()));
    press(&mut app, "Bksp");
    assert_eq!((&app.filter.kinds[..], &app.rows), (&[term.clone()][..], &told));
    press(&mut app, "Bksp");
    assert_eq!((app.filter.is_none(), &app.rows), (true, &rows));
    press(&mut app, "] ]");
    assert_eq!((&app.filter.kinds[..], &app.rows), (&[term.clone(), name.clone()][..], &both));
    // What is gone to is hidden by the filters: they go, and come back.
    press(&mut app, "a");
    assert!(app.filter.is_none() && app.message.contains("the filter hid it"), "{}", app.message);
    press(&mut app, "Bksp");
    assert_eq!((&app.filter.kinds[..], &app.rows), (&[term.clone(), name.clone()][..], &both));
}

#[test]
fn a_search_gives_everything_back_on_escape() {
    let mut app = founding();
    press(&mut app, "K +");
    let before =
        (app.filter.clone(), app.folded.clone(), app.rows.clone(), app.row, app.top, app.window, app.subject);
    press(&mut app, "/");
    typed(&mut app, "udevd");
    assert!(app.filter.is_none() && !app.matches.is_empty(), "what is found is shown");
    press(&mut app, "Esc");
    let after =
        (app.filter.clone(), app.folded.clone(), app.rows.clone(), app.row, app.top, app.window, app.subject);
    assert_eq!(before, after);
    assert!(app.matches.is_empty() && app.search.is_empty());
    // Accepted it stays, and one key goes back to the filter.
    press(&mut app, "/");
    typed(&mut app, "udevd");
    press(&mut app, "Enter");
    assert!(app.filter.is_none() && !app.matches.is_empty());
    press(&mut app, "Bksp");
    assert_eq!(app.filter, before.0);
    // A letter that leads nowhere leads back too.
    press(&mut app, "/");
    typed(&mut app, "zzzz");
    assert_eq!(app.filter, before.0);
    press(&mut app, "Enter");
    assert!(app.message.contains("nothing is called zzzz"), "{}", app.message);
}

/// Every letter of a search in three million processes took seconds in which nothing was drawn.
#[test]
fn a_search_among_very_many_is_done_in_slices_and_says_how_far_it_is() {
    const MANY: u32 = 100_000;
    let mut app = App::new(dark(), (140, 40));
    app.loaded(made::crowd(MANY));
    press(&mut app, "/");
    typed(&mut app, "worker");
    let first = app.matches.len();
    assert!(app.is_busy() && first < MANY as usize / 2, "no letter looks at all: {first}");
    assert!(screen(&app).contains("found so far"), "{}", screen(&app));
    press(&mut app, "Enter");
    assert!(app.is_busy() && screen(&app).contains("searching "), "{}", screen(&app));
    let there = app.subject;
    finish(&mut app);
    assert_eq!((app.matches.len(), app.subject), (MANY as usize - 2, there));
    press(&mut app, "Esc &");
    typed(&mut app, "signal TERM");
    press(&mut app, "Enter");
    assert!(app.is_busy() && screen(&app).contains("filtering "), "{}", screen(&app));
    finish(&mut app);
    assert_eq!(app.rows.len(), MANY as usize - 2);
    assert!(screen(&app).contains(&format!("only got SIGTERM: {} of ", MANY - 2)), "{}", screen(&app));
    // Going elsewhere while it is at work is not undone by what is found.
    press(&mut app, "Esc /");
    typed(&mut app, &format!("{}", MANY - 1));
    press(&mut app, "Enter");
    assert!(app.is_busy() && app.matches.is_empty());
    press(&mut app, "z g");
    let there = app.subject;
    finish(&mut app);
    assert_eq!((app.matches.len(), app.subject), (1, there));
    press(&mut app, "n");
    assert!(matches!(app.subject, Some(Subject::Proc(_))) && app.subject != there);
}

/// They acted on the victim of the finding, which the filter had hidden, while another row was marked.
#[test]
fn after_a_filter_keys_are_about_a_row_that_is_shown() {
    let marked = |app: &App| match app.rows.get(app.row) {
        Some(Row::Proc { idx, .. }) => idx,
        other => panic!("{other:?}"),
    };
    let mut seen = 0;
    for text in ["signal TERM", "killall5", "restarted", "user root", "init"] {
        let filtered = || {
            let mut app = app("runit-respawn", dark(), (80, 24));
            filter(&mut app, text);
            app
        };
        let mut app = filtered();
        let row = marked(&app);
        assert_eq!(app.chosen, Some(row), "{text}");
        press(&mut app, "T");
        finish(&mut app);
        if app.message.is_empty() {
            assert!(app.filter.has(&Kind::Tree(row)), "{text}: {:?}", app.filter);
            seen += 1;
        }
        // What is told of before a cause is asked for may be the finding; whose cause it is is marked.
        let mut app = filtered();
        assert!(matches!(app.subject, Some(Subject::Finding(0))), "{:?}", app.subject);
        press(&mut app, "c");
        let of_row = {
            let mut other = filtered();
            press(&mut other, "Down Up");
            let there = marked(&other);
            press(&mut other, "c");
            (there == row).then_some(other.subject)
        };
        assert!(
            of_row.is_none_or(|subject| subject == app.subject || subject == Some(Subject::Proc(row))),
            "{text}"
        );
        // Without the filter the same one is marked.
        let mut app = filtered();
        press(&mut app, "Esc");
        let model = app.model.clone().expect("a model");
        let row_there = app.rows.get(app.row).expect("a row");
        let of_row = model.procs_of(&row_there);
        assert!(of_row.contains(&row) || of_row.is_empty(), "{text}");
    }
    assert!(seen > 1, "of some of these a tree passes the filter too");
}

/// Whatever a search had unfolded stayed unfolded: 158 rows, for one who had looked for one.
#[test]
fn escape_after_a_search_gives_the_folds_back() {
    let mut app = founding();
    let before = (app.folded.clone(), app.rows.clone());
    let model = app.model.clone().expect("a model");
    let other = model.world().pid(model.others[model.others.len() / 2]).to_string();
    press(&mut app, "/");
    typed(&mut app, &other);
    press(&mut app, "Enter");
    finish(&mut app);
    assert!(app.rows.len() > before.1.len() + 50, "it was in a fold");
    let found = app.subject;
    press(&mut app, "Esc");
    assert_eq!((app.folded.clone(), app.rows.clone()), before);
    assert_eq!(app.subject, found, "what was found goes on being told of");
    // Two searches, and one that was given up: it is still one key.
    press(&mut app, "/");
    typed(&mut app, &other);
    press(&mut app, "Enter /");
    typed(&mut app, "cron");
    press(&mut app, "Enter /");
    typed(&mut app, "z");
    press(&mut app, "Esc Esc");
    assert_eq!((app.folded.clone(), app.rows.clone()), before);
    // Who folds by hand means it.
    press(&mut app, "/");
    typed(&mut app, "cron");
    press(&mut app, "Enter u");
    let unfolded = app.folded.clone();
    press(&mut app, "Esc");
    assert_eq!(app.folded, unfolded);
}

/// What was shown before a filter was forgotten when a fold, or another reading, came while it was at work: an empty
/// screen stayed.
#[test]
fn a_filter_that_nothing_passes_is_taken_back_whatever_comes_between() {
    const MANY: u32 = 100_000;
    let model = made::crowd(MANY);
    for come in ["fold", "reading"] {
        let mut app = App::new(dark(), (140, 40));
        app.loaded(model.clone());
        press(&mut app, "&");
        typed(&mut app, "no such name");
        press(&mut app, "Enter");
        assert!(app.is_busy());
        match come {
            "fold" => press(&mut app, "u"),
            _ => app.loaded(model.clone()),
        }
        finish(&mut app);
        assert!(app.filter.is_none() && !app.rows.is_empty(), "{come}: {:?}", app.filter);
        assert!(app.message.contains("nothing matches \"no such name\""), "{come}: {}", app.message);
    }
}
