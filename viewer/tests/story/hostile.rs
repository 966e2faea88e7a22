//! Nonsense: recordings that no kernel made. Whatever is in them is told without a panic, and without a character
//! that does something to a terminal.

use lastrites::{
    about::Ending,
    explain::{Wanted, tell},
    output::Palette,
    safe::is_plain,
    story::finding::Rule,
};

use crate::{nonsense, random::Random};

/// Tests, and recordings in each.
pub const ROUNDS: u64 = 16;
const RECORDINGS: u64 = 150;

pub fn round(round: u64) -> Result<(), String> {
    (0..RECORDINGS).try_for_each(|at| {
        let seed = round * RECORDINGS + at + 1;
        one(seed).map_err(|error| format!("seed {seed}: {error}"))
    })
}

fn one(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let picked = nonsense::picked(&mut random);
    let findings = picked.story.findings.len();
    let none = Wanted::default();
    let mut all =
        vec![none.clone(), Wanted { all: true, ..none.clone() }, Wanted { json: true, ..none.clone() }];
    all.extend((0..=findings).map(|at| Wanted { finding: Some(at.to_string()), ..none.clone() }));
    all.extend(Rule::ALL.map(|rule| Wanted { finding: Some(rule.id().into()), ..none.clone() }));
    all.extend([0, 1, 2, 7, 4_000_000].map(|pid| Wanted { pid: Some(pid), ..none.clone() }));
    all.extend(
        ["mongod", "md", "x\u{1b}[2J", ""].map(|name| Wanted { service: Some(name.into()), ..none.clone() }),
    );
    for wanted in all {
        let width = [40, 41, 80, 100, 300][random.below(5)];
        let colors = random.below(4) == 0;
        let text = match tell(&picked, Ending::Sealed, &wanted, width, Palette { colors }) {
            Ok((text, _)) => text,
            Err(error) => error.to_string(),
        };
        harmless(&text, colors).map_err(|error| format!("{wanted:?}, {width} columns: {error}"))?;
        if wanted.json {
            let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if value["findings"].as_array().map(Vec::len) != Some(findings) {
                return Err("the document has other findings than the story".into());
            }
        }
    }
    Ok(())
}

fn harmless(text: &str, colors: bool) -> Result<(), String> {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\x1b' && colors && rest.starts_with('[') {
            let end = rest.find('m').ok_or("an escape sequence without an end")?;
            if !rest[1..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b';') {
                return Err(format!("an escape sequence that is no colour: {:?}", &rest[..=end]));
            }
            rest = &rest[end + 1..];
        } else if c != '\n' && !is_plain(c) && c.is_control() {
            return Err(format!("{c:?} in {text:?}"));
        }
    }
    Ok(())
}
