//! JSON.md names every member that `explain --json` and `diff --json` print.

use std::collections::BTreeSet;

use crate::{
    recorded::recorded,
    run,
    samples::{good, samples},
    shutdowns::good_and_bad,
    text,
};

/// What stands in back quotes in the tables of these sections, but for the last cell of a row.
fn documented(sections: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut inside, mut met) = (false, 0);
    for line in include_str!("../../JSON.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            inside = sections.contains(&title);
            met += usize::from(inside);
        }
        if !inside || !line.starts_with('|') {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        for cell in &cells[..cells.len() - 1] {
            names.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    assert_eq!(met, sections.len(), "{sections:?} are in JSON.md");
    names
}

fn walk(value: &serde_json::Value, met: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                met.insert(name.strip_suffix("_hex").unwrap_or(name).to_owned());
                walk(value, met);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, met)),
        _ => {}
    }
}

fn members(out: &str, schema: &str, met: &mut BTreeSet<String>) {
    assert_eq!(out.lines().count(), 1, "one object on one line");
    let value: serde_json::Value = serde_json::from_str(out).expect("JSON");
    assert_eq!(value["schema"], schema);
    walk(&value, met);
}

/// Those of the recording are of another section.
fn demand(met: &BTreeSet<String>, sections: &[&str]) {
    let mut documented = documented(&[sections, &["Recordings", "Every event", "By type"]].concat());
    documented.insert("type".into());
    let missing: Vec<&String> = met.difference(&documented).collect();
    assert!(missing.is_empty(), "{missing:?} are not in JSON.md");
}

#[test]
fn every_member_of_a_story_is_documented() {
    let mut met = BTreeSet::new();
    for file in samples() {
        members(&good(&["explain", "--json"], &file), "lastrites-story/1", &mut met);
    }
    for (ring, recording) in
        [(recorded(), "1"), (recorded(), "2"), (good_and_bad(), "1"), (good_and_bad(), "3")]
    {
        let output = run(&["explain", "--json", "--recording", recording], &ring);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        members(text(&output.stdout), "lastrites-story/1", &mut met);
    }
    assert!(met.contains("rivals") && met.contains("reception") && met.contains("phases"), "{met:?}");
    demand(&met, &["Stories"]);
}

#[test]
fn every_member_of_an_export_is_documented() {
    let mut met = BTreeSet::new();
    for file in samples() {
        members(&good(&["export", "--format", "json"], &file), "lastrites-export/1", &mut met);
    }
    let recorded = recorded();
    let output = run(&["export", "--format", "json", "--recording", "1"], &recorded);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    members(text(&output.stdout), "lastrites-export/1", &mut met);
    assert!(met.contains("next_boot") && met.contains("images") && met.contains("taken"), "{met:?}");
    demand(&met, &["Stories", "Exports"]);
}

#[test]
fn every_member_of_a_comparison_is_documented() {
    let mut met = BTreeSet::new();
    let (ring, two) = (recorded(), good_and_bad());
    let diff = |args: &[&str], met: &mut BTreeSet<String>| {
        let output = run(&[&["diff", "--json"], args].concat(), &ring);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        members(text(&output.stdout), "lastrites-diff/1", met);
    };
    let files = samples();
    for (at, a) in files.iter().enumerate() {
        let a = a.to_str().expect("UTF-8");
        diff(&[a, "1"], &mut met);
        diff(&["1", a], &mut met);
        for b in &files[at + 1..] {
            diff(&[a, b.to_str().expect("UTF-8")], &mut met);
        }
    }
    let two = two.ring.to_str().expect("UTF-8");
    diff(&["--file", two], &mut met);
    assert!(met.contains("a_after") && met.contains("only_in") && met.contains("a_ns"), "{met:?}");
    demand(&met, &["Stories", "Comparisons"]);
}

/// A program that is written by JSON.md alone finds what it reads there.
#[test]
fn the_documents_say_what_their_text_says() {
    let two = good_and_bad();
    let output = run(&["diff", "--json"], &two);
    let diff: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (diff["a"]["recording"]["recording"].as_u64(), diff["differs"].as_bool()),
        (Some(1), Some(true))
    );
    let took = &diff["stops"][0];
    assert_eq!((took["program"].as_str(), took["b_ns"].as_u64()), (Some("mongod"), Some(11_999_000_000)));
    assert_eq!(diff["ended"][0]["b"]["killer"]["by"], "killall5");
    assert_eq!(diff["restarted"][0]["only_in"], "b");
    assert_eq!(diff["only"][0]["program"], "exim4");
    assert_eq!(diff["reordered"][0]["name"], "cron");
    assert_eq!(diff["findings"][0]["finding"], "restarted");
    let output = run(&["explain", "--json"], &two);
    let story: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(story["recording"]["requested"]["argv"][0], "shutdown");
    assert_eq!(story["recording"]["reboot"], "restart");
    assert_eq!(story["shutdown"]["aim"], "reboot");
    let waited: u64 = story["waits"].as_array().expect("a list").iter().map(length).sum();
    assert_eq!(Some(waited), story["shutdown"]["took_ns"].as_u64(), "they add up");
}

fn length(wait: &serde_json::Value) -> u64 {
    wait["to_ns"].as_u64().expect("a time") - wait["from_ns"].as_u64().expect("a time")
}
