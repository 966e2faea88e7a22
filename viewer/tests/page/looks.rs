//! Whether it can be read and reached: contrast as it is drawn, landmarks, names, order.

use serde_json::json;

use super::{SAMPLES, all_is_quiet, opened, sample, saved};
use crate::browser::Browser;

/// Every text that is seen and too faint for its size (WCAG 2.1, 1.4.3), with its contrast.
const FAINT: &str = r#"(() => {
  const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (element) => {
    for (let up = element; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.data.trim();
    if (!words || element.closest("script, noscript, .quiet, .skip") || !element.checkVisibility()) continue;
    seen++;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return [seen, faint];
})()"#;

#[test]
fn every_text_has_the_contrast_that_it_needs_light_and_dark() {
    let mut browser = Browser::start();
    for name in SAMPLES {
        let page = saved(&sample(name));
        browser.open(&page.path);
        browser.drawn();
        browser.eval("for (const e of document.querySelectorAll('details')) e.open = true");
        let mut grounds = Vec::new();
        for tone in ["light", "dark"] {
            browser.tone(tone);
            grounds.push(browser.text("getComputedStyle(document.body).backgroundColor"));
            let found = browser.eval(FAINT);
            assert!(found[0].as_u64().is_some_and(|seen| seen > 100), "{name}, {tone}: {found}");
            assert_eq!(found[1], json!([]), "{name}, {tone}");
        }
        assert_ne!(grounds[0], grounds[1], "it is dark where the system is");
    }
}

/// From now on, what is written on the lanes: words, their colour and how much of it, and the colour that was laid below.
const WRITTEN: &str = r#"(() => {
  window.written = [];
  const c = CanvasRenderingContext2D.prototype;
  const [rect, words] = [c.fillRect, c.fillText];
  let ground = null;
  c.fillRect = function (...where) {
    if (this.globalAlpha === 1) ground = this.fillStyle;
    return rect.apply(this, where);
  };
  c.fillText = function (text, ...where) {
    if (this.canvas.id === "picture") window.written.push([text, this.fillStyle, this.globalAlpha, ground]);
    return words.call(this, text, ...where);
  };
  return true;
})()"#;

/// Those of them that are too faint, signs of one letter apart.
const FAINTLY_WRITTEN: &str = r#"(() => {
  const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const words = window.written.filter(([text]) => text.length > 1);
  const faint = words.flatMap(([text, colour, alpha, below]) => {
    const ground = parse(below);
    const [a, b] = [light(parse(colour).map((c, at) => c * alpha + ground[at] * (1 - alpha))), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return ratio < 4.5 ? [`${text}: ${ratio.toFixed(2)}`] : [];
  });
  return [words.length, faint];
})()"#;

/// Who asked for it stood there at 3.4:1: its lane has nothing to do with the finding that is open first, and was faded.
#[test]
fn words_on_lanes_have_the_contrast_that_they_need_light_and_dark() {
    let (mut browser, _page) = opened("sysvinit-respawn");
    browser.eval(WRITTEN);
    for tone in ["dark", "light"] {
        browser.eval("window.written.length = 0");
        browser.tone(tone);
        browser.until("window.written.length > 0");
        let found = browser.eval(FAINTLY_WRITTEN);
        assert!(found[0].as_u64().is_some_and(|words| words > 1), "{tone}: {found}");
        assert_eq!(found[1], json!([]), "{tone}");
    }
}

#[test]
fn a_press_of_a_button_makes_it_dark_or_light() {
    let (mut browser, page) = opened("power-cut");
    browser.tone("light");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.text(ground);
    browser.click("[data-do=tone]");
    let dark = browser.text(ground);
    assert_ne!(light, dark);
    browser.tone("dark");
    browser.click("[data-do=tone]");
    assert_eq!(browser.text(ground), light, "light is light on a dark system");
    all_is_quiet(&mut browser, &page);
}

#[test]
fn everything_has_a_name_and_a_place() {
    let (mut browser, _page) = opened("sysvinit-respawn");
    let one = |selector: &str| format!("document.querySelectorAll({}).length", json!(selector));
    for selector in
        ["main", "header", "footer", "h1", "[role=search]", "[role=tree]", "[role=status]", "title"]
    {
        assert_eq!(browser.number(&one(selector)), 1.0, "{selector}");
    }
    assert_eq!(browser.text("document.documentElement.lang"), "en");
    let nameless = browser.eval(
        "[...document.querySelectorAll('button, input, section, table, [role]')].filter((e) => e.checkVisibility())
           .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.title
             || e.getAttribute('aria-labelledby') || e.getAttribute('role') === 'presentation'
             || e.getAttribute('role') === 'status')).map((e) => e.outerHTML.slice(0, 80))",
    );
    assert_eq!(nameless, json!([]));
    let lost = browser.eval(
        "[...document.querySelectorAll('[aria-labelledby], label[for], a[href], [aria-activedescendant]')]
           .map((e) => e.getAttribute('aria-labelledby') ?? e.getAttribute('aria-activedescendant')
             ?? e.getAttribute('for') ?? e.getAttribute('href').slice(1))
           .filter((id) => !document.getElementById(id))",
    );
    assert_eq!(lost, json!([]), "what is referred to is there");
    let ids = browser.eval(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
           return ids.length - new Set(ids).size; })()",
    );
    assert_eq!(ids, json!(0), "no id is there twice");
    // A list of lanes is told by its rows, for those who do not see the picture.
    let told = browser.text("document.querySelector('[role=treeitem][aria-selected=true]').ariaLabel");
    assert_eq!(told, "mongod 990: SIGKILL by killall5 -9");
}
