//! What is not known is not drawn as known, what is no trouble does not look like it, and an end is seen.

use std::{path::Path, sync::Arc};

use lastrites::{
    about::Ending,
    explain::Picked,
    story::{
        Story,
        fate::Verdict,
        finding::{Finding, Rule},
        world::World,
    },
    view::{
        Subject,
        app::App,
        compared::{Compared, Line},
        facts,
        lanes::Row,
        load,
        model::Model,
    },
};
use lastrites_traces::{
    event::{Event, ProcId, What},
    reader::Summary,
};

use crate::{app, dark, made, model, picture, press, sample, screen};

const SAMPLES: [&str; 4] = ["sysvinit-respawn", "runit-respawn", "systemd252-reboot", "power-cut"];
const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 60)];

fn shown(model: Arc<Model>, size: (u16, u16)) -> App {
    let mut app = App::new(dark(), size);
    app.loaded(model);
    app
}

/// A sample with other findings.
fn with_findings(name: &str, findings: Vec<Finding>) -> Arc<Model> {
    let loaded = load::now(&sample(name), None).expect("a sample reads");
    let (mut picked, ending) = (loaded.picked, loaded.ending);
    picked.story.findings = findings;
    Arc::new(Model::new(picked, ending))
}

/// The bold red sign of a killing stood in front of whatever finding was first: "✖ lab-coroner was spared".
#[test]
fn the_sign_of_a_killing_is_for_killings() {
    let spared = || Finding::new(Rule::Spared, "lab-coroner was spared by the sprees".into());
    let waited = Finding::new(Rule::WaitedFor, "cron kept the shutdown waiting".into());
    let kill = dark().glyphs.killed;
    for size in SIZES {
        let header = |findings| {
            let app = shown(with_findings("sysvinit-respawn", findings), size);
            let rows = usize::from(app.areas().header.height);
            let text = screen(&app).lines().take(rows).collect::<Vec<_>>().join("\n");
            (text, picture(&app))
        };
        let (text, buf) = header(vec![spared()]);
        assert!(text.contains("nothing wrong, 1 noted"), "{text}");
        assert!(text.contains("\nlab-coroner was spared") && !text.contains(kill), "{text}");
        let y = text.lines().count() as u16 - 1;
        let bad = dark().style(lastrites::view::palette::Look::Bad);
        assert_ne!(buf[(0, y)].style().fg, bad.fg, "what is noted is not red");
        let (text, _) = header(vec![waited.clone(), spared()]);
        assert!(text.contains("\n! cron kept") && !text.contains(kill), "{text}");
    }
    for name in ["sysvinit-respawn", "power-cut"] {
        let shown = screen(&app(name, dark(), (120, 40)));
        let line = shown.lines().nth(3).expect("four rows");
        assert_eq!(line.starts_with(kill), name != "power-cut", "{line}");
    }
}

/// One finding and one that is only noted were "findings 1 of 2" below.
#[test]
fn what_is_only_noted_is_called_so_where_it_is_listed() {
    let of = |name| screen(&app(name, dark(), (120, 40)));
    assert!(of("sysvinit-respawn").contains(" findings and notes 1 of 2 "));
    assert!(of("power-cut").contains(" findings 1 of 1 "));
}

/// The sample, cut or changed.
fn damaged(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Arc<Model> {
    let mut bytes = std::fs::read(sample("sysvinit-respawn")).expect("a sample");
    change(&mut bytes);
    let path = dir.join("damaged.lrt");
    std::fs::write(&path, bytes).expect("written");
    Arc::new(load::now(&path, None).expect("it reads"))
}

/// A file whose shutdown could not be read was "no shutdown", in green, and nothing on the screen said why.
#[test]
fn a_damaged_recording_is_not_called_fine() {
    let dir = tempfile::tempdir().expect("a directory");
    let model = damaged(dir.path(), |bytes| bytes[12_000..12_040].iter_mut().for_each(|byte| *byte ^= 0x55));
    assert!(model.story().shutdown.is_none() && !model.picked.summary.gaps.is_empty(), "as it was meant");
    for size in SIZES {
        let app = shown(Arc::clone(&model), size);
        let shown = screen(&app);
        let first = shown.lines().next().expect("a line");
        assert!(first.contains("damaged, 1 gap"), "{size:?} {first}");
        assert!(!shown.contains("nothing wrong"), "{shown}");
        assert!(shown.contains("The file is cut or damaged: in what"), "{shown}");
        let buf = picture(&app);
        let y = app.areas().findings.y;
        let warn = dark().style(lastrites::view::palette::Look::Warn);
        assert_eq!(buf[(1, y)].style().fg, warn.fg);
    }
}

/// Whoever lived where a file was cut was "still alive".
#[test]
fn an_end_that_may_be_in_a_gap_is_not_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let cut = damaged(dir.path(), |bytes| bytes.truncate(15_000));
    assert!(!cut.story().cut, "it is no power cut");
    let app = shown(Arc::clone(&cut), (120, 40));
    let shown = screen(&app);
    let glyphs = dark().glyphs;
    let mongod = shown.lines().find(|line| line.contains(" mongod 872 ")).expect("a lane");
    assert!(mongod.contains(glyphs.unknown) && !mongod.contains(glyphs.alive), "{shown}");
    assert!(!shown.contains(&format!("{} still alive", glyphs.alive)), "{shown}");
    let init = cut.world().by_pid(1, u64::MAX).expect("init");
    let said = facts::of(&cut, Subject::Proc(init));
    assert!(said.iter().any(|fact| fact.text == "its end was not recorded"), "{said:?}");
    // Whoever is seen to live behind a gap is not lost in it.
    let whole = model("sysvinit-respawn");
    assert!(screen(&app_of(&whole)).contains(glyphs.alive), "of a whole recording it is known");
}

fn app_of(model: &Arc<Model>) -> App {
    shown(Arc::clone(model), (120, 40))
}

/// The lane of a row as it is drawn.
fn lane(app: &App, y: u16) -> String {
    let (areas, buf) = (app.areas(), picture(app));
    (areas.time().x..areas.time().right()).map(|x| buf[(x, y)].symbol()).collect()
}

/// The end of rsyslogd, which signals a thread of its own while it ends, was hidden below "sent a signal".
#[test]
fn an_end_is_seen_whatever_else_is_in_its_column() {
    let glyphs = dark().glyphs;
    let mut seen = 0;
    for name in SAMPLES {
        for size in SIZES {
            let app = app(name, dark(), size);
            let (model, areas) = (app.model.clone().expect("a model"), app.areas());
            let to_ns = app.window.to;
            for (row, y) in app.rows.iter().skip(app.top).zip(areas.lanes.top()..areas.lanes.bottom()) {
                let [idx] = model.procs_of(&row) else { continue };
                let dead = model.world().proc_at(*idx).is_some_and(|proc| proc.dead());
                if matches!(row, Row::Group { .. }) || !dead || model.end_of(*idx) >= to_ns {
                    continue;
                }
                let lane = lane(&app, y);
                let is_end = |sign: &str| [glyphs.exited, glyphs.failed, glyphs.killed].contains(&sign);
                assert!(lane.chars().any(|c| is_end(c.encode_utf8(&mut [0; 4]))), "{name} {size:?} {lane}");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
    let rsyslogd =
        |app: &App| screen(app).lines().find(|line| line.contains(" rsyslogd 895 ")).map(str::to_owned);
    let mut app = app("sysvinit-respawn", dark(), (120, 40));
    assert!(rsyslogd(&app).is_some_and(|lane| !lane.contains(glyphs.sent)), "{:?}", rsyslogd(&app));
    press(&mut app, "i");
    assert!(rsyslogd(&app).is_some_and(|lane| lane.contains(glyphs.exited)), "{:?}", rsyslogd(&app));
}

/// `psql ━━━○   ▼`: told to stop when it had long ended, and a line from who had told the zombie.
#[test]
fn nobody_is_told_to_stop_after_the_end() {
    const MS: u64 = 1_000_000;
    let (init, killer, psql) = (made::id(1), made::id(900), made::id(300));
    let mut world = World::default();
    let mut number = 0;
    let mut see = |ms: u64, what: What| {
        world.see(&Event { number, time_ns: 30_000 * MS + ms * MS, what });
        number += 1;
    };
    see(0, made::exec(init, ProcId::KERNEL, "/sbin/init", ""));
    see(1, made::fork(init, psql));
    see(2, made::exec(psql, init, "/usr/bin/psql", ""));
    see(3, made::fork(init, killer));
    see(4, made::exec(killer, init, "/sbin/killall5", "-15"));
    see(1000, made::signal(killer, psql, 15));
    see(1001, made::exit(psql, 15));
    see(3000, made::signal(killer, psql, 15));
    see(3500, made::exit(killer, 0));
    see(5000, What::Reboot { process: init, cmd: 0x0123_4567, ns_level: 0 });
    world.close();
    let summary = Summary { events: world.events, last_ns: world.last.ns, ..Summary::default() };
    let story = Story::tell(world, &summary, None);
    let picked =
        Picked { path: "made up".into(), number: 1, count: 1, summary, requests: Default::default(), story };
    let model = Arc::new(Model::new(picked, Ending::Sealed));
    let mut app = shown(Arc::clone(&model), (120, 40));
    press(&mut app, "Z u");
    let glyphs = dark().glyphs;
    let shown = screen(&app);
    let psql = shown.lines().find(|line| line.contains(" psql 300 ")).expect("a lane");
    let (life, after) = psql.split_once(glyphs.exited).expect("its end");
    assert!(!after.contains(glyphs.hit) && !life.is_empty(), "{shown}");
    let idx = model.world().by_pid(300, u64::MAX).expect("a process");
    let said = facts::of(&model, Subject::Proc(idx));
    assert!(said.iter().any(|fact| fact.text.contains("it had ended by then")), "{said:?}");
}

/// Of a service with several lives the words were of one and the picture was another's.
#[test]
fn a_comparison_draws_the_life_that_it_tells_of() {
    let mut checked = 0;
    for (a, b) in [("sysvinit-respawn", "power-cut"), ("sysvinit-respawn", "runit-respawn")] {
        let compared = Compared::new(model(a), model(b)).expect("both have a shutdown");
        for line in &compared.lines {
            let Line::Life { who, life: Some(life), text, .. } = line else { continue };
            if text.contains(" killed by ") {
                assert_eq!(life.verdict, Verdict::Killed, "{who}: {text}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 2, "{checked}");
}

/// A power cut was "13.2 s shorter", and whose end it hid was "alive at the end".
#[test]
fn a_comparison_says_that_one_side_was_cut_off() {
    let compared = Compared::new(model("sysvinit-respawn"), model("power-cut")).expect("comparable");
    let first = compared.lines.first();
    let Some(Line::Word { text, .. }) = first else { panic!("{first:?}") };
    assert!(text.starts_with("was recorded to +9.") && text.contains("not to its end"), "{text}");
    let compared = Arc::new(compared);
    for size in SIZES {
        let mut app = app("power-cut", dark(), size);
        app.compared = Some(Arc::clone(&compared));
        app.mode = lastrites::view::app::Mode::Compare { top: 0 };
        let shown = screen(&app);
        assert!(!shown.contains("shorter"), "{shown}");
        let second = shown.lines().nth(1).expect("a head");
        assert!(size.0 < 100 || second.contains("to the last event, not to its end"), "{second}");
        assert!(!shown.contains(dark().glyphs.alive) || shown.contains(dark().glyphs.unknown), "{shown}");
    }
    // Of two that ended it is said.
    let both = Compared::new(model("sysvinit-respawn"), model("runit-respawn")).expect("comparable");
    assert!(!matches!(both.lines.first(), Some(Line::Word { text, .. }) if text.contains("not to its end")));
}

/// `took the place of mongod 872`, and below it `from killall5 -9`: who killed stood below who was born.
#[test]
fn who_made_it_happen_stands_below_what_happened() {
    for name in SAMPLES {
        let model = model(name);
        let procs = model.world().all().map(|(idx, _)| Subject::Proc(idx));
        let findings = (0..model.story().findings.len()).map(Subject::Finding);
        for subject in findings.chain(procs) {
            let mut above = "";
            let facts = facts::of(&model, subject);
            for fact in &facts {
                if fact.indent == 0 {
                    above = &fact.text;
                } else if fact.indent == 1 && fact.text.starts_with("from ") {
                    let of_signal = [
                        "SIG",
                        "sent",
                        "told",
                        "sent by",
                        "still ran",
                        "exited",
                        "died",
                        "ignored",
                        "handler",
                    ];
                    assert!(of_signal.iter().any(|word| above.contains(word)), "{name}: {above:?} {fact:?}");
                    assert!(!above.starts_with("took the place of"), "{name}: {facts:?}");
                }
            }
        }
    }
}

/// Signs that were nowhere to be seen had the room of those that were.
#[test]
fn the_legend_has_the_signs_that_are_in_view() {
    let glyphs = dark().glyphs;
    let words = [
        (glyphs.failed, " failed "),
        (glyphs.reborn, " restarted "),
        (glyphs.alive, " still alive"),
        (glyphs.unknown, " end not recorded"),
        (glyphs.told, " took that, not ended"),
    ];
    let mut legends = 0;
    for name in SAMPLES {
        for size in [(120, 40), (200, 60)] {
            let app = app(name, dark(), size);
            let shown = screen(&app);
            let Some(legend) = shown.lines().find(|line| line.starts_with(" signs ")) else { continue };
            legends += 1;
            let areas = app.areas();
            let drawn: String =
                (areas.lanes.top()..areas.lanes.bottom() - 1).map(|y| lane(&app, y)).collect();
            for (sign, word) in words {
                let told = format!("{legend} ").contains(&format!("{sign}{word}"));
                // A question mark may be of a word, and there may be more signs than there is room for.
                let full = legend.chars().count() + 24 > usize::from(size.0);
                let fits = if full { !told || drawn.contains(sign) } else { told == drawn.contains(sign) };
                assert!(sign == "?" || fits, "{name} {size:?} {sign}: {legend}\n{shown}");
            }
        }
    }
    assert!(legends >= 4, "{legends}");
}

/// Sentences that refer to what nobody has said.
#[test]
fn the_first_line_of_the_details_needs_none_before_it() {
    for name in SAMPLES {
        let model = model(name);
        for (idx, _) in model.world().all() {
            let facts = facts::of(&model, Subject::Proc(idx));
            for pair in facts.windows(2) {
                assert!(
                    !pair[0].text.contains("finding [") || !pair[1].text.contains("died of that"),
                    "{pair:?}"
                );
            }
            for fact in &facts {
                assert!(!fact.text.contains("once within") && !fact.text.contains(", later "), "{fact:?}");
            }
            let that = facts.iter().position(|fact| fact.text.contains(" died of that "));
            let told = |at: usize| facts[..at].iter().any(|fact| fact.text.ends_with(" told it to stop"));
            assert!(that.is_none_or(told), "{facts:?}");
        }
    }
}

/// Of the boot that followed nothing was drawn at all.
#[test]
fn that_a_boot_followed_is_said_behind_the_last_phase() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ring.lrt");
    let mut ring = made::Ring::create(&file);
    for boot in [1, 2] {
        ring.begin(boot);
        ring.shut_down(Some(700));
    }
    for (name, followed) in [("1", true), ("2", false)] {
        let wanted: lastrites::pick::Recording = name.parse().expect("a number");
        let app = shown(Arc::new(load::now(&file, Some(&wanted)).expect("it reads")), (200, 60));
        let shown = screen(&app);
        let ribbon = shown.lines().nth(usize::from(app.areas().ribbon.y)).expect("a ribbon");
        assert_eq!(ribbon.contains("≀ next boot"), followed, "{ribbon}");
    }
}
