//! How long the page takes in a real Chromium: `cargo run --release -p lastrites --example page_speed [-- PROCESSES]`.
//!
//! Opens a made-up shutdown of so many processes, unfolds everybody, and zooms, pans and scrolls through it, a step a
//! frame. Printed are milliseconds of script and layout per step, as the page itself measures them around its drawing.

#[path = "../tests/page/browser.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod browser;
#[path = "../tests/page/made.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod made;

use std::{fs, time::Instant};

use lastrites::page;

use browser::Browser;

/// Does something on each of 120 frames; milliseconds from the input to the end of the frame that shows it.
const MEASURE: &str = "(step) => new Promise((done) => {
  const took = [];
  const next = () => {
    const begin = performance.now();
    step(took.length);
    requestAnimationFrame(() => {
      // Behind the drawing, which was asked for before this.
      document.body.getBoundingClientRect();
      took.push(performance.now() - begin);
      if (took.length < 120) setTimeout(next, 0);
      else done(took.sort((a, b) => a - b));
    });
  };
  next();
})";

fn main() {
    let count = std::env::args().nth(1).map_or(10_000, |text| text.parse().expect("a number"));
    let begin = Instant::now();
    let model = made::crowd(count);
    let html = page::document(&model);
    println!("{count} processes: {} KiB, told and written in {:.1?}", html.len() / 1024, begin.elapsed());
    let dir = tempfile::TempDir::new().expect("a directory");
    let path = dir.path().join("page.html");
    fs::write(&path, html).expect("written");
    let mut browser = Browser::start();
    let begin = Instant::now();
    browser.open(&path);
    browser.drawn();
    println!("opened and drawn in {:.0?}", begin.elapsed());
    browser.press("u");
    let key = |name: &str| {
        format!(
            "document.dispatchEvent(new KeyboardEvent('keydown', {{ key: {name}, bubbles: true, cancelable: true }}))"
        )
    };
    for (what, step) in [
        ("zoom", format!("(n) => {}", key("n % 20 < 10 ? '+' : '-'"))),
        ("pan", format!("(n) => {}", key("n % 20 < 10 ? 'L' : 'H'"))),
        ("scroll", "(n) => { document.getElementById('lanes').scrollTop = n * 1371; }".to_owned()),
        (
            "search",
            "(n) => { const q = document.getElementById('query'); q.value = `--nth=${n}`; \
                    q.dispatchEvent(new Event('input')); }"
                .to_owned(),
        ),
    ] {
        let took = browser.eval(&format!("({MEASURE})({step})"));
        let took: Vec<f64> =
            took.as_array().expect("a list").iter().filter_map(serde_json::Value::as_f64).collect();
        let of = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
        println!("{what:>7}: median {:.1} ms, 95 % {:.1} ms, most {:.1} ms", of(50), of(95), of(100));
    }
}
