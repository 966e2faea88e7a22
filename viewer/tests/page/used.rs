//! The page in use: findings lead to lanes, keys and mouse move, the search finds, filters leave out.

use lastrites::view::{Subject, facts};
use serde_json::json;

use super::{all_is_quiet, chosen, opened, sample, saved, status, window};
use crate::browser::Browser;

fn detail(browser: &mut Browser) -> String {
    browser.text("document.getElementById('detail').innerText")
}

fn rows(browser: &mut Browser) -> f64 {
    browser.number("Number(document.querySelector('[role=treeitem]').getAttribute('aria-setsize'))")
}

#[test]
fn a_click_on_a_step_of_a_finding_shows_its_evidence() {
    let (mut browser, page) = opened("sysvinit-respawn");
    browser.click("[data-finding='0'] .steps li:nth-child(4) button");
    assert_eq!(chosen(&mut browser), "mongod 990");
    let told = detail(&mut browser);
    for part in ["rc -> startpar -> sendsigs -> killall5 -9 sent SIGKILL", "run by sendsigs", "because of"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let current = browser.text("document.querySelector('[aria-current]').innerText");
    assert!(current.contains("sent SIGKILL to mongod 990"), "{current}");
    browser.click("[data-finding='0'] .steps li:nth-child(1) button");
    assert_eq!(chosen(&mut browser), "mongod 872");
    // From the detail on to who sent it, and back.
    browser.click("#facts li:nth-child(1) button");
    assert_eq!(chosen(&mut browser), "killall5 -15 987");
    browser.click("[data-do=back]");
    assert_eq!(chosen(&mut browser), "mongod 872");
    all_is_quiet(&mut browser, &page);
}

#[test]
fn what_is_typed_is_found_in_names_arguments_pids_and_services() {
    let (mut browser, page) = opened("sysvinit-respawn");
    let matches = |browser: &mut Browser| browser.text("document.getElementById('matches').textContent");
    browser.press("/");
    for (words, first) in [("cron", "cron 913"), ("pid 917", "sshd 917"), ("990", "mongod 990")] {
        browser.eval("document.getElementById('query').select()");
        browser.type_text(words);
        assert_eq!(chosen(&mut browser), first, "{words}");
        assert!(matches(&mut browser).starts_with("1 of "), "{words}: {}", matches(&mut browser));
    }
    browser.eval("document.getElementById('query').select()");
    browser.type_text("mongod");
    let all = matches(&mut browser);
    browser.press("Enter");
    assert_eq!(matches(&mut browser), all.replacen('1', "2", 1));
    browser.click("[data-do=onlyMatches]");
    assert!(status(&mut browser).contains("only matches"), "{}", status(&mut browser));
    browser.eval("document.getElementById('query').select()");
    browser.type_text("there is no such thing");
    assert_eq!(matches(&mut browser), "nothing");
    browser.eval("document.getElementById('query').focus()");
    browser.press("Escape");
    assert_eq!(browser.text("document.getElementById('query').value"), "");
    all_is_quiet(&mut browser, &page);
}

#[test]
fn keys_walk_through_lanes_causes_time_and_filters() {
    let (mut browser, page) = opened("sysvinit-respawn");
    browser.eval("document.getElementById('lanes').focus()");
    browser.press("Home");
    assert_eq!(chosen(&mut browser), "init 1");
    browser.press("ArrowDown j");
    assert_eq!(chosen(&mut browser), "killall5 -15 987");
    let whole = window(&mut browser);
    browser.press("+ +");
    let near = window(&mut browser);
    assert!(near.1 - near.0 < (whole.1 - whole.0) / 3.0, "{near:?} of {whole:?}");
    browser.press("L");
    let later = window(&mut browser);
    assert!(later.0 > near.0 && later.1 > near.1, "{later:?} after {near:?}");
    browser.press("z");
    assert_eq!(window(&mut browser), whole);
    // From the death of the database to its killer, and to who asked.
    browser.press("1");
    assert_eq!(chosen(&mut browser), "mongod 990");
    browser.press("c");
    assert!(status(&mut browser).contains("SIGKILL to mongod 990"));
    browser.press("c");
    assert_eq!(chosen(&mut browser), "killall5 -9 1010");
    browser.press("Backspace Backspace R");
    assert_eq!(chosen(&mut browser), "mongod 872");
    browser.press("r");
    assert_eq!(chosen(&mut browser), "mongod 990");
    browser.press("a");
    assert_eq!(chosen(&mut browser), "reboot 956");
    browser.press("e e");
    assert_eq!(browser.number("document.querySelectorAll('[aria-current]').length"), 1.0);
    let folded = rows(&mut browser);
    browser.press("u");
    assert!(rows(&mut browser) > folded * 3.0, "{} of {folded}", rows(&mut browser));
    browser.press("K");
    assert!(status(&mut browser).contains("only killed"), "{}", status(&mut browser));
    assert!(rows(&mut browser) < folded);
    browser.press("Escape");
    assert!(!status(&mut browser).contains("only"));
    browser.press("?");
    assert_eq!(browser.eval("document.getElementById('help').open"), json!(true));
    assert!(
        browser
            .text("document.getElementById('keys').innerText")
            .contains("cause: from a death to its killer")
    );
    browser.press("Escape");
    browser.until("!document.getElementById('help').open");
    all_is_quiet(&mut browser, &page);
}

#[test]
fn keys_that_move_a_page_move_the_page_until_the_lanes_are_chosen() {
    let (mut browser, _page) = opened("sysvinit-respawn");
    let before = chosen(&mut browser);
    browser.press("ArrowDown End");
    assert_eq!(chosen(&mut browser), before);
    // Who does not want letters to do anything can have that.
    browser.press("?");
    browser.click("#single");
    browser.press("Escape");
    browser.until("!document.getElementById('help').open");
    browser.press("K");
    assert!(!status(&mut browser).contains("only"));
}

#[test]
fn the_mouse_selects_zooms_and_moves() {
    let (mut browser, page) = opened("sysvinit-respawn");
    let place = "document.getElementById('lanes').getBoundingClientRect()";
    browser.eval("document.getElementById('timeline').scrollIntoView()");
    browser.drawn();
    let (left, top) = (browser.number(&format!("{place}.left")), browser.number(&format!("{place}.top")));
    let (x, y) = (left + 500.0, top + 40.0);
    let whole = window(&mut browser);
    browser.mouse("mouseWheel", x, y, json!({ "deltaX": 0, "deltaY": -240, "modifiers": 2 }));
    browser.until("!document.getElementById('status').textContent.includes('showing -')");
    let near = window(&mut browser);
    assert!(near.1 - near.0 < whole.1 - whole.0, "{near:?} of {whole:?}");
    let left_button = json!({ "button": "left", "buttons": 1, "clickCount": 1 });
    let before = chosen(&mut browser);
    browser.mouse("mousePressed", x, y, left_button.clone());
    for step in 1..=8 {
        browser.mouse("mouseMoved", x + f64::from(step) * 20.0, y, left_button.clone());
    }
    browser.mouse("mouseReleased", x + 160.0, y, left_button);
    browser.drawn();
    let moved = window(&mut browser);
    assert!(moved.0 < near.0, "{moved:?} after {near:?}");
    assert_eq!(chosen(&mut browser), before, "who drags does not click");
    browser.click_at(left + 40.0, top + 12.0);
    assert_eq!(chosen(&mut browser), "init 1");
    browser.click("#phases-shown button:nth-child(3)");
    assert!(status(&mut browser).contains("SIGTERM spree"), "{}", status(&mut browser));
    all_is_quiet(&mut browser, &page);
}

#[test]
fn two_fingers_zoom() {
    let (mut browser, page) = (Browser::start(), saved(&sample("sysvinit-respawn")));
    browser.resize(390, 844);
    browser.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": true, "maxTouchPoints": 2 }));
    browser.open(&page.path);
    browser.drawn();
    let (x, y) = browser.middle("#lanes");
    browser.drawn();
    let whole = window(&mut browser);
    let fingers =
        |apart: f64| json!([{ "x": x - apart, "y": y, "id": 1 }, { "x": x + apart, "y": y, "id": 2 }]);
    let touch = |browser: &mut Browser, kind: &str, points| {
        browser.call("Input.dispatchTouchEvent", json!({ "type": kind, "touchPoints": points }));
    };
    touch(&mut browser, "touchStart", fingers(30.0));
    for step in 1..=10 {
        touch(&mut browser, "touchMove", fingers(30.0 + f64::from(step) * 10.0));
    }
    touch(&mut browser, "touchEnd", json!([]));
    browser.drawn();
    let near = window(&mut browser);
    assert!(near.1 - near.0 < (whole.1 - whole.0) * 0.7, "{near:?} of {whole:?}");
    all_is_quiet(&mut browser, &page);
}

/// The viewer makes every sentence; the page only puts them together for signals and children. Here both are compared.
#[test]
fn details_say_what_the_viewer_says_of_every_process() {
    let (mut browser, _page) = opened("runit-respawn");
    let model = sample("runit-respawn");
    browser.press("u");
    browser.eval("document.getElementById('lanes').focus()");
    browser.press("End");
    let mut seen = 0;
    for idx in model.others.iter().rev().take(60) {
        let mut facts = facts::of(&model, Subject::Proc(*idx)).into_iter();
        let title = facts.next().expect("a title");
        assert_eq!(browser.text("document.getElementById('detail-title').textContent"), title.text);
        let told = browser.eval("[...document.querySelectorAll('#facts .what')].map((e) => e.textContent)");
        let expected: Vec<String> = facts.map(|fact| fact.text).collect();
        assert_eq!(told, json!(expected), "{}", title.text);
        seen += expected.len();
        browser.press("ArrowUp");
    }
    assert!(seen > 200, "{seen}");
}
