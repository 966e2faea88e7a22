//! Recordings that no kernel made, in every format: no panic, no loop, and what comes out is what the format says.

use lastrites::{
    about::Ending,
    error::Error,
    export::{
        csv::Csv,
        dot, json, parquet, perfetto, svg,
        table::{self, Table},
    },
};

use super::{nonsense, random::Random};

const RECORDINGS: u64 = 200;

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes it");
    String::from_utf8(out).expect("UTF-8")
}

fn picked(seed: u64) -> lastrites::explain::Picked {
    nonsense::picked(&mut Random::new(seed))
}

#[test]
fn whatever_a_recording_says_every_format_stays_one() {
    for seed in 1..=RECORDINGS {
        let json = written(|out| json::write(&picked(seed), Ending::Sealed, None, out));
        let document: serde_json::Value =
            serde_json::from_str(&json).unwrap_or_else(|e| panic!("{seed}: {e}"));
        assert_eq!(document["schema"], json::SCHEMA);
        let trace = written(|out| perfetto::write(picked(seed), Ending::Sealed, out));
        let trace: serde_json::Value = serde_json::from_str(&trace).unwrap_or_else(|e| panic!("{seed}: {e}"));
        assert!(trace["traceEvents"].is_array());
        let svg = written(|out| svg::write(picked(seed), Ending::Sealed, out));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.len() < 400_000, "{seed}");
        let dot = written(|out| dot::write(picked(seed), Ending::Sealed, out));
        assert!(dot.starts_with("digraph ") && dot.ends_with("}\n"), "{seed}");
        for text in [&svg, &dot] {
            let raw = text.chars().find(|c| *c != '\n' && !lastrites::safe::is_plain(*c));
            assert_eq!(raw, None, "{seed}");
        }
        for table in Table::ALL {
            let head = table.head();
            let csv = written(|out| {
                let mut rows = Csv::new(out, &head)?;
                table::of_story(table, &picked(seed), "x.lrt", &mut rows)?;
                rows.finish()
            });
            assert!(csv.lines().count() >= 1 && csv.ends_with("\r\n"), "{seed}");
            let mut bytes = Vec::new();
            let mut rows = parquet::Parquet::new(&mut bytes, table.word(), &head).expect("begun");
            table::of_story(table, &picked(seed), "x.lrt", &mut rows).expect("rows");
            rows.finish().expect("written");
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{seed}");
        }
    }
}

/// A sample of those, in the hands of others.
#[test]
fn others_read_them_too() {
    let schema = format!("{}/export.schema.json", env!("CARGO_MANIFEST_DIR"));
    for seed in (1..=RECORDINGS).step_by(50) {
        let json = written(|out| json::write(&picked(seed), Ending::Sealed, None, out));
        let found = super::reader(&["schema", &schema], json.as_bytes());
        assert_eq!(found["closed"], serde_json::json!([]), "{seed}");
        let svg = written(|out| svg::write(picked(seed), Ending::Sealed, out));
        assert!(super::reader(&["xml"], svg.as_bytes()).as_array().is_some_and(|all| all.len() > 5));
        let trace = written(|out| perfetto::write(picked(seed), Ending::Sealed, out));
        let answers = super::engine(trace.as_bytes(), &["SELECT count(*) AS n FROM slice"]);
        assert!(answers[0][0]["n"].is_u64(), "{seed}");
    }
}
