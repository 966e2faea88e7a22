//! Traces as Perfetto's own engine understands them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{engine, exported, json, made, sample, samples};

/// What the engine complains about, and what it made of the trace.
const ALL: [&str; 6] = [
    "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0",
    "SELECT s.name, s.category, s.ts, s.dur, s.depth, t.tid, t.name AS thread, p.name AS process, \
     (SELECT parent.category FROM slice parent WHERE parent.id = s.parent_id) AS within \
     FROM slice s JOIN thread_track tt ON s.track_id = tt.id JOIN thread t USING (utid) JOIN process p USING (upid) ORDER BY s.id",
    "SELECT o.name AS out, o.ts AS out_ts, i.name AS came, i.ts AS in_ts, ot.name AS from_thread, it.name AS to_thread \
     FROM flow f JOIN slice o ON o.id = f.slice_out JOIN slice i ON i.id = f.slice_in \
     JOIN thread_track oo ON oo.id = o.track_id JOIN thread ot ON ot.utid = oo.utid \
     JOIN thread_track ii ON ii.id = i.track_id JOIN thread it ON it.utid = ii.utid",
    "SELECT count(*) AS n FROM slice",
    "SELECT t.tid, t.name, p.name AS process FROM thread t JOIN process p USING (upid) WHERE t.name IS NOT NULL",
    "SELECT s.name, extract_arg(s.arg_set_id, 'args.killed by') AS killer FROM slice s WHERE s.category = 'process'",
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn events(trace: &[u8]) -> Vec<Value> {
    json(trace)["traceEvents"].as_array().expect("a list").clone()
}

#[test]
fn the_engine_takes_all_of_it_and_complains_of_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let (hostile, boot) = (home.path().join("hostile.lrt"), home.path().join("boot.lrt"));
    made::hostile(&hostile);
    made::boot(&boot);
    for file in samples().into_iter().chain([hostile, boot]) {
        let trace = exported(&file, "perfetto", &[]);
        let answers = engine(&trace, &ALL);
        assert_eq!(answers[0], Vec::<Value>::new(), "{file:?}");
        let written = events(&trace);
        let count = |ph: &[&str]| written.iter().filter(|event| ph.contains(&text(&event["ph"]))).count();
        assert_eq!(answers[3][0]["n"].as_u64(), Some(count(&["X", "i"]) as u64), "{file:?}: slices");
        assert_eq!(answers[1].len(), count(&["X", "i"]), "{file:?}: each on the track of a thread");
        assert_eq!(count(&["s"]), count(&["f"]), "{file:?}: arrows have two ends");
        assert_eq!(answers[2].len(), count(&["s"]), "{file:?}: arrows");
        // Where it was written to lie is where it lies: signals and stops within lives.
        for slice in &answers[1] {
            let depth = slice["depth"].as_u64().expect("a number");
            match text(&slice["category"]) {
                "process" | "phase" | "wait" => assert_eq!(depth, 0, "{file:?}: {slice}"),
                "stop" => assert_eq!(slice["within"], "process", "{file:?}: {slice}"),
                _ => {}
            }
        }
    }
}

#[test]
fn the_founding_story_can_be_followed_along_its_arrows() {
    let answers = engine(&exported(&sample("sysvinit-respawn"), "perfetto", &[]), &ALL);
    let [_, slices, arrows, _, threads, killers] = answers.as_slice() else { panic!("six answers") };
    let kill = arrows.iter().find(|arrow| {
        text(&arrow["came"]) == "SIGKILL from killall5 -9 1010"
            || text(&arrow["came"]).starts_with("SIGKILL from killall5 -9") && arrow["to_thread"] == "mongod"
    });
    let kill = kill.expect("an arrow from killall5 to mongod");
    assert_eq!((text(&kill["from_thread"]), kill["out_ts"].clone()), ("killall5", kill["in_ts"].clone()));
    let restart =
        arrows.iter().find(|arrow| text(&arrow["out"]).starts_with("started mongod")).expect("a restart");
    assert_eq!((text(&restart["from_thread"]), text(&restart["came"])), ("init", "mongod"));
    let phases: Vec<&str> = slices
        .iter()
        .filter(|slice| slice["category"] == "phase")
        .map(|slice| text(&slice["name"]))
        .collect();
    assert!(phases.contains(&"SIGTERM spree") && phases.contains(&"SIGKILL spree"), "{phases:?}");
    assert!(
        slices.iter().any(|slice| slice["thread"] == "findings"
            && text(&slice["name"]).starts_with("[1] mongod was restarted"))
    );
    let waits: i64 = slices
        .iter()
        .filter(|slice| slice["category"] == "wait")
        .filter_map(|slice| slice["dur"].as_i64())
        .sum();
    let story = json(&exported(&sample("sysvinit-respawn"), "json", &[]));
    assert_eq!(Some(waits), story["story"]["shutdown"]["took_ns"].as_i64(), "waiting adds up");
    let group: BTreeSet<&str> = threads
        .iter()
        .filter(|thread| thread["name"] == "mongod")
        .map(|thread| text(&thread["process"]))
        .collect();
    assert_eq!(group, BTreeSet::from(["mongod"]));
    assert!(
        killers.iter().any(|row| row["name"] == "mongod" && text(&row["killer"]).ends_with("killall5 -9")),
        "{killers:?}"
    );
}

#[test]
fn every_process_and_every_signal_of_the_story_is_there() {
    for file in samples() {
        let document = json(&exported(&file, "json", &[]));
        let answers = engine(&exported(&file, "perfetto", &[]), &ALL);
        let lives = answers[1].iter().filter(|slice| slice["category"] == "process").count();
        let processes = document["processes"].as_array().expect("a list");
        assert_eq!(lives, processes.len(), "{file:?}");
        let sent = document["signals"].as_array().expect("a list").len();
        let drawn = answers[1].iter().filter(|slice| slice["category"] == "signal").count();
        assert_eq!(drawn, 2 * sent, "{file:?}: at its sender and at its target");
        // Each where the process was born and died.
        let born: BTreeSet<u64> = answers[1]
            .iter()
            .filter(|slice| slice["category"] == "process")
            .filter_map(|slice| slice["ts"].as_u64())
            .collect();
        for process in processes.iter().filter(|process| !process["born"].is_null()) {
            assert!(process["born"]["time_ns"].as_u64().is_some_and(|ns| born.contains(&ns)), "{process}");
        }
    }
}
