//! JSON: by its schema, and the same as what other commands print.

use std::{path::Path, process::Command};

use super::{exported, json, made, reader, samples, text};

fn schema() -> String {
    format!("{}/export.schema.json", env!("CARGO_MANIFEST_DIR"))
}

fn printed(args: &[&str], file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lastrites")).args(args).arg(file).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(output.stdout)
}

#[test]
fn documents_are_as_the_schema_says_and_it_names_every_member() {
    let home = tempfile::tempdir().expect("a directory");
    let (hostile, boot) = (home.path().join("hostile.lrt"), home.path().join("boot.lrt"));
    made::hostile(&hostile);
    made::boot(&boot);
    for file in samples().into_iter().chain([hostile, boot]) {
        let document = exported(&file, "json", &[]);
        let found = reader(&["schema", &schema()], &document);
        assert_eq!(found["open"], serde_json::json!([]), "{file:?}");
        assert_eq!(found["closed"], serde_json::json!([]), "{file:?}: members that the schema does not have");
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let document = exported(&samples()[0], "json", &[]);
    let mut value = json(&document);
    value["story"]["ends"][0]["verdict"] = "exploded".into();
    value["processes"][0].as_object_mut().expect("an object").remove("origin");
    value["signals"][0]["new"] = 1.into();
    let found = reader(&["schema", &schema()], &serde_json::to_vec(&value).expect("JSON"));
    assert_eq!(found["open"].as_array().map(Vec::len), Some(2), "{found}");
    assert!(found["closed"].to_string().contains("'new' was unexpected"), "{found}");
}

#[test]
fn the_story_is_that_of_explain_and_the_lines_are_those_of_show() {
    for file in samples() {
        let document = json(&exported(&file, "json", &[]));
        assert_eq!(document["schema"], "lastrites-export/1");
        assert_eq!(document["story"], json(printed(&["explain", "--json"], &file).as_bytes()));
        let number = document["story"]["recording"]["recording"].to_string();
        let lines = text(exported(&file, "jsonl", &["--recording", &number]));
        assert_eq!(lines, printed(&["show", "--json", "--recording", &number], &file));
        assert_eq!(lines, text(exported(&file, "jsonl", &[])), "the newest shutdown, unless told otherwise");
        let forks = lines.matches("\"type\":\"fork\"").count();
        let processes = document["processes"].as_array().expect("a list");
        let forked = processes.iter().filter(|process| process["origin"] == "forked").count();
        assert!(forks > 10 && forked >= forks, "{forks} {forked}");
    }
}

#[test]
fn a_program_finds_the_killer_by_the_document_alone() {
    let document = json(&exported(&super::sample("sysvinit-respawn"), "json", &[]));
    let processes = document["processes"].as_array().expect("a list");
    let mongods: Vec<_> = processes.iter().filter(|process| process["name"] == "mongod").collect();
    let victim = mongods.iter().find(|process| process["status"] == 9).expect("one was killed");
    let killers: Vec<_> = document["signals"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|signal| {
            signal["signal"] == "SIGKILL"
                && signal["target"]["pid"] == victim["pid"]
                && signal["target"]["start_ns"] == victim["start_ns"]
        })
        .collect();
    assert_eq!(killers.len(), 1);
    assert_eq!(killers[0]["sender"]["name"], "killall5");
    assert_eq!(victim["images"][0]["filename"].as_str(), Some("/usr/sbin/mongod"), "{victim}");
}

#[test]
fn bytes_that_are_no_text_are_there_exactly() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("hostile.lrt");
    made::hostile(&file);
    let document = text(exported(&file, "json", &[]));
    assert!(document.contains("\"filename_hex\":\"2f6f70742ffffec328\""), "{document}");
    assert!(document.contains("\\u202edcod.exe\\u200b"), "escaped, not raw");
}
