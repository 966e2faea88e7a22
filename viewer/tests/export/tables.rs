//! Tables: CSV as Python reads it, Parquet as DuckDB does, and the queries that stand in the README.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Value, json};

use super::{exported, good, made, reader, sample, samples, text};

const TABLES: [&str; 4] = ["services", "processes", "findings", "events"];

/// Rows by the names of their columns.
fn rows(csv: &[u8]) -> Vec<serde_json::Map<String, Value>> {
    let read = reader(&["csv"], csv);
    let mut rows = read.as_array().expect("rows").iter().map(|row| row.as_array().expect("a row").clone());
    let names = rows.next().expect("names");
    let with_names = |row: Vec<Value>| {
        assert_eq!(row.len(), names.len(), "{row:?}");
        names.iter().map(|name| name.as_str().expect("text").to_owned()).zip(row).collect()
    };
    rows.map(with_names).collect()
}

fn query(home: &Path, queries: &[&str]) -> Vec<Vec<Value>> {
    let answers =
        reader(&["duckdb", home.to_str().expect("UTF-8")], &serde_json::to_vec(queries).expect("JSON"));
    serde_json::from_value(answers).expect("lists of rows")
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A fleet: the samples, all of machines called db7, and one of another.
fn fleet(home: &Path, format: &str, table: &str, output: &str) {
    let hostile = home.join("hostile.lrt");
    if !hostile.exists() {
        made::hostile(&hostile);
    }
    let mut files = samples();
    files.push(hostile);
    let mut args: Vec<&str> = files.iter().map(|file| file.to_str().expect("UTF-8")).collect();
    args.extend(["--format", format, "--table", table, "-o", output]);
    good(home, &args);
}

#[test]
fn csv_and_parquet_hold_the_same_of_every_table() {
    let home = home();
    for table in TABLES {
        let (csv, parquet) = (format!("{table}.csv"), format!("{table}.parquet"));
        fleet(home.path(), "csv", table, &csv);
        fleet(home.path(), "parquet", table, &parquet);
        let same = format!(
            "SELECT (SELECT count(*) FROM read_csv('{csv}')) AS csv, (SELECT count(*) FROM '{parquet}') AS parquet, \
             (SELECT string_agg(name, ' ') FROM (SELECT name FROM parquet_schema('{parquet}') OFFSET 1)) AS names"
        );
        let answer = &query(home.path(), &[&same])[0][0];
        let there = rows(&std::fs::read(home.path().join(&csv)).expect("there"));
        assert!(there.len() >= 5, "{table}: {}", there.len());
        assert_eq!(answer["csv"], answer["parquet"], "{table}");
        assert_eq!(answer["parquet"].as_u64(), Some(there.len() as u64), "{table}");
        let names: BTreeSet<&str> = answer["names"].as_str().expect("text").split(' ').collect();
        assert_eq!(names, there[0].keys().map(String::as_str).collect(), "{table}");
        // Value for value, as text; an apostrophe is what a spreadsheet is told by that it is no formula.
        let all = format!("SELECT * FROM '{parquet}'");
        for (row, of_csv) in query(home.path(), &[&all])[0].iter().zip(&there) {
            for (name, value) in row.as_object().expect("a row") {
                let other = of_csv[name].as_str().expect("text");
                let same = match value {
                    Value::Null => other.is_empty(),
                    Value::Bool(truth) => other == truth.to_string(),
                    Value::Number(number) => {
                        let difference =
                            number.as_f64().expect("a number") - other.parse::<f64>().expect("a number");
                        difference.abs() < 1e-6
                    }
                    Value::String(text) if name.ends_with("_utc") => {
                        text.starts_with(other.trim_end_matches('0').trim_end_matches('.'))
                    }
                    Value::String(text) => other.replace('\'', "") == text.replace('\'', ""),
                    _ => false,
                };
                assert!(same, "{table}.{name}: {value} {other:?}");
            }
        }
    }
}

#[test]
fn columns_are_those_that_are_documented() {
    let documented = include_str!("../../EXPORT.md");
    for table in TABLES {
        let (_, section) = documented.split_once(&format!("### `{table}`\n")).expect("a section");
        let section = section.split("\n#").next().expect("text");
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let names = |line: &&str| {
            let cell = line.trim_matches('|').split('|').next().expect("a cell").to_owned();
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let named: Vec<String> = rows.iter().flat_map(names).collect();
        let csv = exported(&sample("power-cut"), "csv", &["--table", table]);
        let header = text(csv).lines().next().expect("names").replace('"', "");
        assert_eq!(named.join(","), header, "{table}");
    }
}

#[test]
fn kinds_of_columns_are_what_a_database_makes_of_them() {
    let home = home();
    fleet(home.path(), "parquet", "services", "services.parquet");
    let types = "SELECT column_name, column_type FROM (DESCRIBE FROM 'services.parquet')";
    let answer = &query(home.path(), &[types])[0];
    let kind = |name: &str| {
        let row = answer.iter().find(|row| row["column_name"] == name).unwrap_or_else(|| panic!("{name}"));
        row["column_type"].as_str().expect("text").to_owned()
    };
    let kinds = ["host", "processes", "stop_s", "clean", "shutdown_utc"].map(kind);
    assert_eq!(kinds, ["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"]);
}

/// What the README tells people to ask.
fn queries() -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```sql\n").skip(1);
    blocks.map(|rest| rest.split("```").next().expect("an end")).collect()
}

#[test]
fn the_queries_of_the_readme_answer_what_it_says() {
    let home = home();
    fleet(home.path(), "parquet", "services", "services.parquet");
    fleet(home.path(), "csv", "services", "services.csv");
    let queries = queries();
    assert_eq!(queries.len(), 3, "{queries:?}");
    let answers = query(home.path(), &queries);
    let [dirty, slow, restarts] = answers.as_slice() else { panic!("{answers:?}") };
    // mongod was killed in the shutdown with sysvinit and in the one with runit. Its power was cut as well, and once that was
    // counted with them.
    let mongod = dirty.iter().find(|row| row["program"] == "mongod").expect("mongod");
    assert_eq!((mongod["killed"].as_u64(), mongod["machines"].as_u64()), (Some(2), Some(2)), "{dirty:?}");
    assert_eq!(mongod["mostly_by"], "rc -> startpar -> sendsigs -> killall5 -9");
    // All that were killed, and nobody whom a power cut left without an end or whom nobody told to stop.
    let table = rows(&std::fs::read(home.path().join("services.csv")).expect("there"));
    let dirty_rows = table.iter().filter(|row| row["clean"] == "false").count();
    let mut killed: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in table.iter().filter(|row| row["ended"] == "killed") {
        let name = |column: &str| row[column].as_str().expect("text");
        *killed.entry((name("service"), name("program"))).or_default() += 1;
    }
    let all: u64 = killed.values().sum();
    assert!(
        (all as usize) < dirty_rows,
        "the data has to tell one question from the other: {all} {dirty_rows}"
    );
    assert_eq!(dirty.len(), killed.len().min(10), "{dirty:?}");
    for row in dirty {
        let name = |column: &str| row[column].as_str().expect("text");
        // An apostrophe is what a spreadsheet is told by that it is no formula.
        let bare = |text: &str| text.replace('\'', "");
        let wanted = killed.iter().find(|((service, program), _)| {
            bare(service) == bare(name("service")) && bare(program) == bare(name("program"))
        });
        assert_eq!(row["killed"].as_u64(), wanted.map(|(_, count)| *count), "{row}");
    }
    let stops: Vec<f64> = slow.iter().map(|row| row["stop_s"].as_f64().expect("a length")).collect();
    assert!(stops.len() > 3 && stops.is_sorted_by(|a, b| a >= b) && stops[0] > 1.0, "{slow:?}");
    assert!(
        restarts.iter().any(|row| row["program"] == "mongod" && row["restarts"].as_u64() >= Some(10)),
        "{restarts:?}"
    );
}

/// Reports of different machines all call theirs `host-1`, so a fleet of them was one machine.
#[test]
fn machines_of_redacted_reports_are_told_apart_by_their_files() {
    let home = home();
    for (name, report) in [("sysvinit-respawn", "ada.tar.gz"), ("runit-respawn", "bob.tar.gz")] {
        let made = std::process::Command::new(env!("CARGO_BIN_EXE_lastrites"))
            .args(["report", sample(name).to_str().expect("UTF-8"), "-o", report])
            .current_dir(home.path())
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{made:?}");
    }
    let args = ["ada.tar.gz", "bob.tar.gz", "--all", "--format", "parquet", "-o", "services.parquet"];
    good(home.path(), &args);
    let mut asked = queries();
    asked.push("SELECT DISTINCT file, host FROM 'services.parquet' ORDER BY file");
    let answers = query(home.path(), &asked);
    let of = |rows: &[Value]| rows.iter().find(|row| row["program"] == "mongod").cloned().expect("mongod");
    assert_eq!(of(&answers[0])["machines"], 2, "{answers:?}");
    assert_eq!(of(&answers[2])["machines"], 2, "{answers:?}");
    assert_eq!(
        answers[3],
        [json!({"file": "ada.tar.gz", "host": "host-1"}), json!({"file": "bob.tar.gz", "host": "host-1"})]
    );
}

#[test]
fn the_founding_story_is_a_row() {
    let csv = exported(&sample("sysvinit-respawn"), "csv", &[]);
    let services = rows(&csv);
    let row = services.iter().find(|row| row["program"] == "mongod").expect("mongod");
    let expected = json!({
        "host": "db7", "service": "mongod", "service_kind": "", "ended": "killed", "clean": "false",
        "signal": "SIGKILL", "killed_by": "rc -> startpar -> sendsigs -> killall5 -9", "restarts": "10",
        "restarted_by": "init", "aim": "reboot", "shutdown_utc": "2026-11-25 03:08:07", "findings": "restarted",
    });
    for (name, value) in expected.as_object().expect("an object") {
        let there = row[name].as_str().expect("text");
        assert!(
            there == value || name == "shutdown_utc" && there.starts_with(value.as_str().expect("text")),
            "{name}: {there}"
        );
    }
    let names: BTreeSet<&str> = services.iter().filter_map(|row| row["program"].as_str()).collect();
    assert!(
        !names.contains("killall5") && !names.contains("sendsigs") && !names.contains("agetty"),
        "{names:?}"
    );
    let csv = exported(&sample("sysvinit-respawn"), "csv", &["--table", "findings"]);
    let first = &rows(&csv)[0];
    assert_eq!(
        (first["finding"].as_str(), first["confidence"].as_str()),
        (Some("restarted"), Some("certain"))
    );
    assert!(
        first["headline"]
            .as_str()
            .is_some_and(|text| text.starts_with("mongod was restarted during the shutdown"))
    );
}

#[test]
fn a_power_cut_leaves_everybody_without_an_end() {
    let services = rows(&exported(&sample("power-cut"), "csv", &[]));
    let cut: Vec<&str> = services
        .iter()
        .filter(|row| row["ended"] == "no-end")
        .filter_map(|row| row["program"].as_str())
        .collect();
    assert!(cut.contains(&"mongod"), "{services:?}");
    assert!(services.iter().filter(|row| row["ended"] == "no-end").all(|row| row["clean"] == "false"));
}

#[test]
fn every_event_has_a_row() {
    for file in samples() {
        let events = rows(&exported(&file, "csv", &["--table", "events"]));
        let lines = text(exported(&file, "jsonl", &[]));
        let objects: Vec<Value> =
            lines.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(events.len(), objects.len(), "{file:?}");
        for (row, object) in events.iter().zip(&objects) {
            assert_eq!(row["event"], object["event"].to_string(), "{row:?}");
            assert_eq!(row["type"], object["type"]);
            let signal =
                object.get("signal").or(object.get("killed_by")).and_then(Value::as_str).unwrap_or_default();
            assert_eq!(row["signal"], signal.replace("signal 0", ""), "{row:?}");
        }
    }
}

#[test]
fn no_name_becomes_a_formula_and_none_breaks_a_row() {
    let home = home();
    let file = home.path().join("hostile.lrt");
    made::hostile(&file);
    for table in TABLES {
        let csv = exported(&file, "csv", &["--table", table]);
        for row in rows(&csv) {
            for (name, value) in &row {
                let value = value.as_str().expect("text");
                let number = value.parse::<f64>().is_ok();
                assert!(number || !value.starts_with(['=', '+', '-', '@']), "{table}.{name}: {value}");
                assert!(!value.contains(['\n', '\r', '\t', '\x1b', '\u{202e}']), "{table}.{name}: {value:?}");
            }
        }
        assert!(!text(csv).replace("\"\"", "").contains(";="), "{table}");
    }
    let services = rows(&exported(&file, "csv", &[]));
    let named: Vec<&str> = services.iter().filter_map(|row| row["program"].as_str()).collect();
    assert!(named.contains(&"'=cmd|' ") || named.iter().any(|name| name.starts_with("'=cmd|'")), "{named:?}");
    assert!(named.iter().any(|name| name.contains("\\xff\\xfe\\xc3(")), "{named:?}");
}

#[test]
fn all_recordings_of_a_file_stand_behind_each_other() {
    let home = home();
    let file = home.path().join("hostile.lrt");
    made::hostile(&file);
    let boot = home.path().join("boot.lrt");
    made::boot(&boot);
    let paths = [&file, &boot, &file].map(|path| path.to_str().expect("UTF-8"));
    let all = text(good(home.path(), &[&paths[..], &["--format", "jsonl", "--all"]].concat()));
    assert_eq!(all.matches("\"type\":\"recording\"").count(), 3);
    let count = |args: &[&str]| rows(&good(home.path(), &[args, &["--format", "csv"]].concat())).len();
    assert_eq!(count(&[&paths[..], &["--all"]].concat()), 2 * count(&paths[..1]));
}

/// A machine that was recorded for long: rows are written in groups, and memory does not grow with them.
#[test]
fn more_rows_than_a_group_has() {
    use lastrites_traces::event::{ProcId, What};
    let home = home();
    let file = home.path().join("long.lrt");
    let process = ProcId { tgid: 77, start_ns: made::START_NS };
    let whats =
        (0..70_000).map(|n: u64| (n, What::Rename { process, comm: format!("n{n}").into_bytes().into() }));
    made::recorded(&file, &made::session("db7"), whats.collect(), false);
    let args = ["long.lrt", "--format", "parquet", "--table", "events", "-o", "events.parquet"];
    good(home.path(), &args);
    let sums = "SELECT count(*) AS n, count(DISTINCT name) AS names, sum(event) AS sum, \
                (SELECT count(DISTINCT row_group_id) FROM parquet_metadata('events.parquet')) AS groups FROM 'events.parquet'";
    let answer = &query(home.path(), &[sums])[0][0];
    assert_eq!(
        (answer["n"].as_u64(), answer["names"].as_u64(), answer["groups"].as_u64()),
        (Some(70_000), Some(70_000), Some(3))
    );
}
