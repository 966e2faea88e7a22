//! Crowds: ten thousand processes are all there and only those in view are elements; of more than a page holds it is said
//! what was left out.

use lastrites::page;

use super::{all_is_quiet, chosen, made, saved, status};
use crate::browser::Browser;

#[test]
fn ten_thousand_processes_can_be_walked_through_and_searched() {
    let page = saved(&made::crowd(10_000));
    assert!(page.html.len() < page::BYTES, "{}", page.html.len());
    let mut browser = Browser::start();
    browser.open(&page.path);
    browser.drawn();
    browser.press("u");
    browser.eval("document.getElementById('lanes').focus()");
    browser.press("End");
    let last = chosen(&mut browser);
    assert!(!last.is_empty());
    browser.press("PageUp");
    assert_ne!(chosen(&mut browser), last);
    let all =
        browser.number("Number(document.querySelector('[role=treeitem]').getAttribute('aria-setsize'))");
    assert!(all > 9_000.0, "{all}");
    let elements = browser.number("document.querySelectorAll('*').length");
    assert!(elements < 12_000.0, "{elements}");
    let names = browser.number("document.querySelectorAll('[role=treeitem]').length");
    assert!(names < 80.0, "{names}");
    browser.press("/");
    browser.type_text("--nth=7777");
    assert_eq!(chosen(&mut browser), "worker 7777");
    assert_eq!(browser.text("document.getElementById('matches').textContent"), "1 of 1");
    browser.press("Escape");
    browser.press("K");
    assert!(status(&mut browser).contains("only killed: 1000 of"), "{}", status(&mut browser));
    assert!(browser.text("document.getElementById('recording-told').innerText").contains("missing"));
    all_is_quiet(&mut browser, &page);
}

#[test]
fn what_has_no_room_is_counted() {
    let small = page::document(&made::crowd(2_000));
    assert!(!small.contains("Left out of this page"));
    let page = page::document(&made::crowd(30_000));
    assert!(page.len() <= page::BYTES, "{}", page.len());
    let (_, told) = page.split_once("Left out of this page: ").expect("said");
    let told = &told[..told.find('<').expect("an end")];
    let left: usize = told.split(' ').next().and_then(|n| n.parse().ok()).expect("how many");
    assert!((15_000..30_000).contains(&left), "{told}");
    assert!(told.contains("signals") && told.contains("`lastrites view`"), "{told}");
}
