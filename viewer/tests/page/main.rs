//! The page in a real browser: opened from disk, looked at, clicked, attacked. Wants Debian's `chromium`
//! and `firefox-esr`.

mod browser;
mod firefox;
mod hostile;
mod looks;
mod made;
mod many;
mod opens;
mod used;

use std::{
    fs,
    path::{Path, PathBuf},
};

use lastrites::{
    page,
    view::{load, model::Model},
};
use tempfile::TempDir;

use browser::Browser;

pub const SAMPLES: [&str; 4] = ["power-cut", "runit-respawn", "systemd252-reboot", "sysvinit-respawn"];

pub fn sample(name: &str) -> Model {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/samples").join(name).with_extension("lrt");
    load::now(&path, None).expect("a sample reads")
}

/// A page on disk.
#[derive(Debug)]
pub struct Saved {
    pub path: PathBuf,
    pub html: String,
    _dir: TempDir,
}

pub fn saved(model: &Model) -> Saved {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("page.html");
    let mut html = Vec::new();
    page::write(model, &mut html).expect("written");
    fs::write(&path, &html).expect("saved");
    Saved { path, html: String::from_utf8(html).expect("a page is UTF-8"), _dir: dir }
}

/// A browser with the page of a sample in it.
pub fn opened(name: &str) -> (Browser, Saved) {
    let (mut browser, page) = (Browser::start(), saved(&sample(name)));
    browser.open(&page.path);
    browser.drawn();
    (browser, page)
}

/// What the page says of what is shown.
pub fn status(browser: &mut Browser) -> String {
    browser.text("document.getElementById('status').textContent")
}

/// The name of the lane that is chosen.
pub fn chosen(browser: &mut Browser) -> String {
    browser.text("document.querySelector('[role=treeitem][aria-selected=true]')?.textContent ?? ''")
}

/// From when to when is shown, in seconds, as the status says it.
pub fn window(browser: &mut Browser) -> (f64, f64) {
    let said = status(browser);
    let (_, range) = said.split_once("showing ").unwrap_or_else(|| panic!("no range in {said:?}"));
    let (from, to) = range.split_once(" to ").expect("from and to");
    let seconds = |text: &str| text.split(' ').next().and_then(|text| text.parse().ok()).expect("seconds");
    (seconds(from), seconds(to))
}

/// What no page may do: say anything to the console, ask for anything, or run what a recording wrote.
pub fn all_is_quiet(browser: &mut Browser, page: &Saved) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let own = browser::address(&page.path);
    let others: Vec<String> =
        browser.requests().into_iter().filter(|url| *url != own && url != "data:,").collect();
    assert_eq!(others, Vec::<String>::new());
    assert_eq!(
        browser.eval("window.canary === undefined && document.cookie === ''"),
        serde_json::json!(true)
    );
}
