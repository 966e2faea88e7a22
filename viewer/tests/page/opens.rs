//! What somebody sees who opens the page: with a script and without, on a phone, on paper.

use serde_json::json;

use super::{SAMPLES, all_is_quiet, chosen, opened, sample, saved, status};
use crate::browser::Browser;

/// Elements that somebody can see: with a size, not hidden, and with ink.
const SEEN: &str = "(selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility({ \
     visibilityProperty: true, opacityProperty: true }) && e.getClientRects().length > 0).map((e) => e.innerText)";

fn seen(browser: &mut Browser, selector: &str) -> Vec<String> {
    let texts = browser.eval(&format!("({SEEN})({})", json!(selector)));
    texts
        .as_array()
        .expect("a list")
        .iter()
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_sample_opens_from_disk_says_what_happened_and_asks_for_nothing() {
    let mut browser = Browser::start();
    for name in SAMPLES {
        let model = sample(name);
        let page = saved(&model);
        browser.open(&page.path);
        browser.drawn();
        let findings = &model.story().findings;
        let headlines: Vec<&str> = findings.iter().map(|finding| finding.headline.as_str()).collect();
        assert_eq!(seen(&mut browser, "h1").len(), 1, "{name}");
        assert_eq!(seen(&mut browser, ".finding h3"), headlines, "{name}");
        assert_eq!(seen(&mut browser, "#timeline").len(), 1, "{name}");
        assert!(!chosen(&mut browser).is_empty(), "{name}: something is selected");
        let kinds = browser.number(
            "(() => { const c = document.getElementById('picture'); const d = c.getContext('2d')
               .getImageData(0, 0, c.width, c.height).data; const kinds = new Set();
               for (let at = 0; at < d.length; at += 4) kinds.add(d[at] << 16 | d[at + 1] << 8 | d[at + 2]);
               return kinds.size; })()",
        );
        assert!(kinds > 10.0, "{name}: the lanes are drawn, in {kinds} colours");
        assert!(browser.screenshot().len() > 40_000, "{name}: a blank page is a small picture");
        all_is_quiet(&mut browser, &page);
    }
}

#[test]
fn who_has_never_heard_of_it_reads_first_what_killed_the_database() {
    let (mut browser, _page) = opened("sysvinit-respawn");
    assert_eq!(
        browser.text("document.querySelector('h1').innerText"),
        "mongod 990 was killed by killall5 -9 of sendsigs, 13.1 s after its restart"
    );
    let top = browser.number("document.querySelector('.advice').getBoundingClientRect().bottom");
    assert!(top < 900.0, "what to change is on the first screen: {top}");
    assert!(status(&mut browser).contains("mongod 990"));
}

#[test]
fn every_sentence_of_the_story_is_in_the_page_word_for_word() {
    let mut browser = Browser::start();
    for name in SAMPLES {
        let model = sample(name);
        let page = saved(&model);
        browser.open(&page.path);
        let told = browser
            .text("['findings', 'phases'].map((id) => document.getElementById(id).textContent).join()");
        for finding in &model.story().findings {
            for step in &finding.steps {
                assert!(told.contains(&step.text), "{name}: {}", step.text);
            }
            if let Some(advice) = &finding.advice {
                assert!(told.contains(advice.as_str()), "{name}: {advice}");
            }
        }
    }
}

#[test]
fn without_a_script_the_story_the_tables_and_the_losses_are_there() {
    let (mut browser, page) = (Browser::start(), saved(&sample("sysvinit-respawn")));
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.open(&page.path);
    assert_eq!(seen(&mut browser, "#timeline"), Vec::<String>::new());
    assert_eq!(seen(&mut browser, ".scripted").len(), 0);
    let steps = seen(&mut browser, ".finding .steps li");
    assert!(steps.iter().any(|step| step.contains("sent SIGKILL to mongod 990")), "{steps:?}");
    assert!(seen(&mut browser, "noscript").iter().any(|text| text.contains("JavaScript")));
    let rows = seen(&mut browser, "#tables tbody tr");
    assert!(rows.iter().any(|row| row.contains("mongod 990") && row.contains("SIGKILL")), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("SIGTERM") && row.contains("mongod 872")), "{rows:?}");
    assert!(seen(&mut browser, ".coverage li").len() > 1);
    assert_eq!(seen(&mut browser, "#phases tbody tr").len(), 5);
    // They stood in a narrow column beside a time axis that was not there.
    browser.resize(1400, 900);
    let width = browser.number("document.querySelector('.finding').getBoundingClientRect().width");
    assert!(width > 1000.0, "{width} of 1400");
    all_is_quiet(&mut browser, &page);
}

#[test]
fn a_phone_shows_all_of_it_without_moving_sideways() {
    let mut browser = Browser::start();
    for name in SAMPLES {
        let page = saved(&sample(name));
        for (width, height) in [(390, 844), (320, 640), (844, 390)] {
            browser.resize(width, height);
            browser.open(&page.path);
            browser.drawn();
            let wide = browser.number("document.documentElement.scrollWidth");
            assert!(wide <= f64::from(width), "{name}: {wide} on {width}");
            let size = browser
                .number("parseFloat(getComputedStyle(document.querySelector('.steps .what')).fontSize)");
            assert!(size >= 14.0, "{name}: letters of {size}");
        }
        all_is_quiet(&mut browser, &page);
    }
}

/// It stood behind two screens of a table, and of a row of buttons the last one was cut off.
#[test]
fn on_a_phone_the_picture_comes_before_the_phases_and_every_button_is_whole() {
    let (mut browser, page) = opened("systemd252-reboot");
    browser.resize(390, 844);
    browser.drawn();
    let top = |browser: &mut Browser, id: &str| {
        browser.number(&format!("document.getElementById('{id}').getBoundingClientRect().top"))
    };
    assert!(top(&mut browser, "timeline") < top(&mut browser, "phases"));
    let cut = browser.eval(
        "[...document.querySelectorAll('#timeline button')].filter((e) => e.checkVisibility())
           .filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.textContent)",
    );
    assert_eq!(cut, json!([]));
    all_is_quiet(&mut browser, &page);
}

#[test]
fn the_signs_that_a_picture_needs_are_explained_below_it_and_no_frame_is_empty() {
    let legend = "document.getElementById('legend').innerText";
    let (mut browser, _page) = opened("sysvinit-respawn");
    assert!(!browser.text(legend).contains("end not recorded"));
    let (mut browser, page) = opened("power-cut");
    assert!(browser.text(legend).contains("end not recorded"));
    browser.resize(1400, 900);
    browser.drawn();
    let empty = browser.number(
        "document.getElementById('detail').getBoundingClientRect().bottom
           - document.getElementById('facts').getBoundingClientRect().bottom",
    );
    assert!(empty < 40.0, "{empty} of nothing");
    all_is_quiet(&mut browser, &page);
}

/// The lanes stay in view while one reads findings, and once lay over the tables for it.
#[test]
fn nothing_lies_over_what_is_read() {
    let (mut browser, _page) = opened("sysvinit-respawn");
    for (width, height) in [(1440, 900), (1120, 500), (390, 844)] {
        browser.resize(width, height);
        browser.drawn();
        browser.middle("#tables h2");
        browser.drawn();
        let gap = "document.getElementById('tables').getBoundingClientRect().top \
                   - document.getElementById('timeline').getBoundingClientRect().bottom";
        assert!(browser.number(gap) >= 0.0, "{width}x{height}");
    }
}

#[test]
fn on_paper_it_is_light_and_open_and_has_no_buttons() {
    let (mut browser, page) = opened("runit-respawn");
    browser.tone("dark");
    let pdf = browser.call("Page.printToPDF", json!({ "printBackground": false }));
    assert!(pdf["data"].as_str().is_some_and(|data| data.len() > 20_000));
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    assert_eq!(seen(&mut browser, "#timeline .tools button, #query, #status").len(), 0);
    assert_eq!(browser.text("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "" }));
    browser.drawn();
    assert_eq!(browser.text("document.documentElement.dataset.theme ?? 'as before'"), "as before");
    all_is_quiet(&mut browser, &page);
}
