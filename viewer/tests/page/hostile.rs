//! Names that want to be markup, script or invisible: none of them becomes an element, an attribute, or anything that
//! runs, wherever it stands and whatever is done with it.

use lastrites::{page, safe};
use proptest::prelude::*;
use serde_json::json;

use super::{all_is_quiet, chosen, made, saved, status};
use crate::browser::{self, Browser};

/// Elements of the page by their names, but those that the page makes of lines and lanes; and every attribute's name.
const SHAPE: &str = "(() => { const count = {}; const names = new Set();
  for (const e of document.querySelectorAll('*')) { count[e.localName] = (count[e.localName] ?? 0) + 1;
    for (const a of e.attributes) names.add(a.name); }
  return [count, [...names].sort()]; })()";

/// What a page of ours is made of.
const ELEMENTS: [&str; 43] = [
    "html", "head", "meta", "link", "title", "style", "body", "a", "header", "p", "b", "h1", "code", "dl",
    "div", "dt", "dd", "main", "section", "h2", "h3", "ol", "ul", "li", "span", "button", "input", "output",
    "label", "canvas", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
    "noscript", "footer", "dialog", "script",
];

fn check_shape(browser: &mut Browser) {
    let shape = browser.eval(SHAPE);
    let count = |name: &str| shape[0][name].as_u64().unwrap_or(0);
    for name in shape[0].as_object().expect("counts").keys() {
        assert!(ELEMENTS.contains(&name.as_str()), "an element {name} that is none of ours");
    }
    assert_eq!(count("script"), 2, "the data, and the script");
    assert_eq!((count("style"), count("link"), count("meta"), count("a"), count("input")), (1, 1, 6, 1, 2));
    for name in shape[1].as_array().expect("names") {
        let name = name.as_str().unwrap_or_default();
        assert!(!name.starts_with("on"), "an attribute {name}");
        assert!(
            !["src", "srcdoc", "srcset", "action", "formaction", "ping", "background"].contains(&name),
            "{name}"
        );
    }
    assert_eq!(browser.eval("window.canary"), json!(null), "something ran: {}", made::CANARY);
    let hidden = browser.eval(
        r"(document.body.innerText.match(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g)
           ?? []).map((c) => c.codePointAt(0).toString(16))",
    );
    assert_eq!(hidden, json!([]), "characters that nobody sees");
}

#[test]
fn a_name_is_never_an_element_and_never_runs_whatever_is_done_with_it() {
    let names = made::hostile_names();
    let mut browser = Browser::start();
    // Each of them once at the head: host, kernel, headline, the command that asked.
    for first in 0..names.len() {
        let mut order = names.clone();
        order.rotate_left(first);
        let page = saved(&made::killed(&order));
        browser.open(&page.path);
        browser.drawn();
        check_shape(&mut browser);
        if first % 9 == 0 {
            browser.press("u");
            browser.eval("document.getElementById('lanes').focus()");
            browser.press("Home");
            for _ in 0..names.len() + 8 {
                browser.press("ArrowDown");
                let picture = "document.getElementById('lanes').getBoundingClientRect()";
                let x = browser.number(&format!("{picture}.left + 400"));
                let y = browser.number(&format!("{picture}.top + 60"));
                browser.mouse("mouseMoved", x, y, json!({}));
            }
            browser.press("c T v . e Escape");
            check_shape(&mut browser);
        }
        all_is_quiet(&mut browser, &page);
    }
}

#[test]
fn what_is_dangerous_is_shown_spelt_out() {
    let page = saved(&made::killed(&made::hostile_names()));
    let mut browser = Browser::start();
    browser.open(&page.path);
    browser.eval("for (const e of document.querySelectorAll('details')) e.open = true");
    let told = browser.text("document.body.innerText");
    for shown in [
        "img src=x onerror=window.canary=1>",
        "java\\u{202e}gpj.\\u{2066}exe\\u{200b}\\u{feff}",
        "line\\u{2028}line\\u{2029}\\u{85}\\nline\\rline\\ttab\\x1b[2J\\u{9b}31m",
        "\\xff\\xfe\\xc0\\xaf<b>\\xed\\xa0\\x80",
        "&lt;img src=x",
    ] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
}

/// What stood between the first two backticks of the sentence was taken for the command, and the first were the host's.
#[test]
fn a_name_cannot_end_what_is_code_nor_begin_it() {
    let html = page::document(&made::killed(&[b"db`7` `".to_vec()]));
    let (_, lead) = html.split_once("<p class=\"lead\">").expect("the sentence");
    let (lead, _) = lead.split_once("</p>").expect("its end");
    assert!(lead.starts_with("db`7` ` rebooted on ") && lead.matches("<code>").count() == 1, "{lead}");
    assert!(lead.contains(", asked for by <code>reboot &#39;db`7` `&#39;</code> (root"), "{lead}");
}

#[test]
fn what_is_searched_for_is_no_markup_either() {
    let page = saved(&made::killed(&made::hostile_names()));
    let mut browser = Browser::start();
    browser.open(&page.path);
    browser.drawn();
    for words in
        ["<img src=x onerror=window.canary=1>", "__proto__ x", "fate __proto__", "signal constructor", "(((("]
    {
        browser.press("/");
        browser.type_text(words);
        browser.press("Enter");
        check_shape(&mut browser);
        browser.press("Escape");
    }
    browser.press("/");
    browser.type_text("java\\u{202e}");
    assert!(chosen(&mut browser).contains("java\\u{202e}gpj"), "{}", status(&mut browser));
    all_is_quiet(&mut browser, &page);
}

/// Without the policy nothing of it would run either; with it not even what we have overlooked would.
#[test]
fn what_is_not_this_script_and_this_style_is_refused() {
    let page = saved(&made::killed(&[b"mongod".to_vec()]));
    let policy =
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-";
    assert!(page.html.contains(policy));
    assert!(page.html.find(policy) < page.html.find("<style>"), "it stands before what it is about");
    let attack = "<img src=x onerror=\"window.canary=1\"><script>window.canary=1</script>\
                  <p style=\"color:red\" onclick=\"window.canary=1\" id=\"bait\">bait</p>\
                  <iframe srcdoc=\"<script>parent.canary=1</script>\"></iframe>\
                  <link rel=stylesheet href=https://example.com/x.css>";
    std::fs::write(&page.path, page.html.replacen("<main>", &format!("<main>{attack}"), 1)).expect("written");
    let mut browser = Browser::start();
    browser.open(&page.path);
    browser.drawn();
    browser.click("#bait");
    assert_eq!(browser.eval("window.canary"), json!(null));
    let colour =
        "getComputedStyle(document.getElementById('bait')).color === getComputedStyle(document.body).color";
    assert_eq!(browser.eval(colour), json!(true), "no style but our own");
    assert!(browser.complaints().iter().any(|said| said.contains("Content Security Policy")));
    // It is told of before the policy is asked; nothing of it was read or sent.
    let own = browser::address(&page.path);
    let others: Vec<String> = browser.requests().into_iter().filter(|url| *url != own).collect();
    assert!(others.contains(&"https://example.com/x.css".to_owned()), "the attack was tried: {others:?}");
    assert_eq!(browser.refused(), others, "and nothing was asked for");
    let sink = "try { document.body.innerHTML = '<b>x</b>'; 'written' } catch (e) { e.constructor.name }";
    assert_eq!(browser.text(sink), "TypeError", "markup cannot even be made of a string");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Without a browser, of many more names: what stands between our tags is escaped.
    #[test]
    fn no_name_gets_a_bracket_into_the_page(
        names in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 1..4),
        tail in "[<>&\"'/!-]{1,12}",
    ) {
        let mut names = names;
        names.push(tail.into_bytes());
        let hostile = saved(&made::killed(&names)).html;
        let plain = saved(&made::killed(&vec![b"mongod".to_vec(); names.len()])).html;
        let tags = |html: &str, of: &str| html.matches(of).count();
        for tag in ["<script", "</script", "<!--", "<style", "</style", "<img", "<svg", "<iframe", "<title", "</title"] {
            prop_assert_eq!(tags(&hostile, tag), tags(&plain, tag), "{}", tag);
        }
        prop_assert!(hostile.chars().all(|c| c == '\n' || safe::is_plain(c)));
    }
}
