//! A recording as one page of HTML, for a browser that has never heard of us.
//!
//! Invariant: the page is one file that asks for nothing: no address is in it, and a policy in its head forbids the
//! browser whatever is not this very script and this very style, by their checksums. Nothing of the recording becomes
//! markup or script: its texts stand in the document escaped ([`escape::html`]), in the script's data as strings without
//! `<` ([`escape::json`]), and the script writes text, never markup. A page has an end: [`BYTES`].
//!
//! What it tells without its script is made in [`told`]; what the script draws is in [`embed`].

pub mod choose;
pub mod embed;
pub mod escape;
pub mod palette;
pub mod told;

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use self::{
    choose::{Chosen, Most},
    told::Teller,
};
use crate::view::model::Model;

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they are read: they share one scope.
const SCRIPT: [&str; 10] = [
    include_str!("page/script/data.js"),
    include_str!("page/script/time.js"),
    include_str!("page/script/rows.js"),
    include_str!("page/script/draw.js"),
    include_str!("page/script/panel.js"),
    include_str!("page/script/signs.js"),
    include_str!("page/script/detail.js"),
    include_str!("page/script/actions.js"),
    include_str!("page/script/input.js"),
    include_str!("page/script/main.js"),
];

/// What a page may hold at first; of a recording that would make it larger than [`BYTES`] less is taken.
const MOST: Most = Most { procs: 12_000, sigs: 40_000, findings: 100 };
/// About what a page has at most. An ordinary reboot makes one of a few hundred kilobytes.
pub const BYTES: usize = 8 << 20;

/// Writes the page of a recording. The model of one that was read is `Model::new(picked, ending)`, which keeps `picked`.
pub fn write(model: &Model, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(document(model).as_bytes())
}

/// The page of a recording.
pub fn document(model: &Model) -> String {
    let mut most = MOST;
    loop {
        let page = with(model, most);
        // So few that it is not they who make it large.
        if page.len() <= BYTES || most.procs < 200 {
            return page;
        }
        most = Most { procs: most.procs / 2, sigs: most.sigs / 2, findings: most.findings.div_ceil(2) };
    }
}

fn with(model: &Model, most: Most) -> String {
    let chosen = Chosen::new(model, most);
    let teller = Teller { model, chosen: &chosen };
    let style = format!("{}{STYLE}", palette::rules());
    let script = format!("(() => {{\n\"use strict\";\n{}\n}})();\n", SCRIPT.concat());
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&script),
        hash(&style)
    );
    fill(DOCUMENT, |name, out| match name {
        "policy" => out.push_str(&policy),
        "title" => out.push_str(&teller.title()),
        "style" => out.push_str(&style),
        "head" => out.push_str(&teller.head()),
        "findings" => out.push_str(&teller.findings()),
        "phases" => out.push_str(&teller.phases()),
        "processes" => out.push_str(&teller.processes()),
        "signals" => out.push_str(&teller.signals()),
        "recording" => out.push_str(&teller.recording()),
        "data" => out.push_str(&embed::data(model, &chosen)),
        "script" => out.push_str(&script),
        _ => {}
    })
}

fn hash(text: &str) -> String {
    escape::base64(&Sha256::digest(text.as_bytes()))
}

/// `template` with each `{{name}}` replaced. What is put in is not looked at again: a process may be called `{{data}}`.
fn fill(template: &str, mut part: impl FnMut(&str, &mut String)) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else { break };
        part(name, &mut out);
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_document_is_not_looked_at_again() {
        let filled = fill("a {{one}} b {{two}} c", |name, out| {
            out.push_str(if name == "one" { "{{two}}" } else { "2" })
        });
        assert_eq!(filled, "a {{two}} b 2 c");
    }

    #[test]
    fn the_document_has_a_place_for_every_part_and_no_other() {
        let mut names = Vec::new();
        fill(DOCUMENT, |name, _| names.push(name.to_owned()));
        let all = [
            "policy",
            "title",
            "style",
            "head",
            "findings",
            "phases",
            "processes",
            "signals",
            "recording",
            "data",
            "script",
        ];
        assert_eq!(names, all);
    }

    #[test]
    fn nothing_of_ours_ends_a_script_or_writes_markup() {
        for script in SCRIPT {
            assert!(!script.contains("</") && !script.contains("<!--"));
            for word in
                ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "http"]
            {
                assert!(!script.contains(word), "{word}");
            }
        }
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!DOCUMENT.contains("http:") && !DOCUMENT.contains("https:") && !DOCUMENT.contains(" style="));
    }
}
