//! FORMAT.md against the code: its tables row by row, its limits by their numbers.

use lastrites_traces::{
    codec::{DEAD_KEPT, POSITIONS_MAX, SHAPES_MAX, STRING_MAX, reference, tag},
    layout::{
        EVENT_LEN_MIN, FILE_HEADER, FIRST_SEGMENT, FRAME_HEADER, Field, HEADER_COPY, MAJOR, MINOR,
        PAYLOAD_MAX, SEGMENT_HEADER, SEGMENT_SIZE_MAX, SEGMENT_SIZE_MIN, SLOTS_MAX, SLOTS_MIN, kind,
        segment_size_for,
    },
    reader::STAND_ALONE_MAX,
    session::{Session, SessionId},
};

const FORMAT: &str = include_str!("../FORMAT.md");

/// The cells of the table behind `<!-- table NAME -->`, without its head.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let mark = format!("<!-- table {name} -->\n");
    let (_, rest) = FORMAT.split_once(&mark).unwrap_or_else(|| panic!("FORMAT.md has no table {name}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn header_tables_are_those_of_the_code() {
    let tables: [(&str, &[Field]); 3] =
        [("FILE_HEADER", &FILE_HEADER), ("SEGMENT_HEADER", &SEGMENT_HEADER), ("FRAME_HEADER", &FRAME_HEADER)];
    for (name, fields) in tables {
        let rows: Vec<_> = table(name).into_iter().map(|row| row[..3].join(" ")).collect();
        let code: Vec<_> =
            fields.iter().map(|field| format!("{} {} {}", field.offset, field.size, field.name)).collect();
        assert_eq!(rows, code, "{name}");
    }
}

#[test]
fn tables_of_numbered_names_are_those_of_the_code() {
    let kinds: Vec<_> = (1..).zip(kind::NAMES).collect();
    assert_eq!([kind::SESSION, kind::END], [1, 7]);
    let tags: Vec<_> = tag::ALL.iter().map(|&(tag, name)| (u64::from(tag), name)).collect();
    for (name, code) in [("FRAME_KINDS", &kinds[..]), ("TAGS", &tags), ("REFERENCES", &reference::ALL)] {
        let rows: Vec<_> = table(name).into_iter().map(|row| row[..2].join(" ")).collect();
        let code: Vec<_> = code.iter().map(|(number, name)| format!("{number} {name}")).collect();
        assert_eq!(rows, code, "{name}");
    }
}

#[test]
fn session_keys_are_those_of_the_code() {
    let rows: Vec<_> = table("SESSION_KEYS").into_iter().map(|row| row[0]).collect();
    assert_eq!(rows, Session::KEYS);
    let text = || "x".to_owned();
    let full = Session {
        previous: Some(SessionId::default()),
        boot_id: text(),
        hostname: text(),
        kernel_release: text(),
        kernel_version: text(),
        machine: text(),
        distribution: text(),
        init: text(),
        init_version: text(),
        tool_version: text(),
        began: text(),
        mode: text(),
        hooks: vec![text()],
        missing: vec![text()],
        ..Session::default()
    };
    let written: Vec<_> = full.pairs().into_iter().map(|(key, _)| key.to_owned()).collect();
    assert_eq!(written, Session::KEYS, "every key is written, in this order");
}

#[test]
fn limits_are_those_of_the_code() {
    let kib = |bytes: u32| bytes >> 10;
    let limits = [
        format!("Format version {MAJOR}.{MINOR}."),
        format!("and at {HEADER_COPY}"),
        format!("| first_segment | {FIRST_SEGMENT} |"),
        format!(
            "multiple of 4096, at least {} KiB and at most {} MiB",
            kib(SEGMENT_SIZE_MIN),
            kib(SEGMENT_SIZE_MAX) >> 10
        ),
        format!("from {SLOTS_MIN} to {SLOTS_MAX}"),
        format!("those that followed it (at most {STAND_ALONE_MAX})"),
        format!("follow the header; at most {PAYLOAD_MAX}"),
        format!("more than one event for {EVENT_LEN_MIN} bytes"),
        format!("`varint` length (at most {STRING_MAX})"),
        format!("at most {SHAPES_MAX} |"),
        format!("when all {SHAPES_MAX} are taken"),
        format!("holds more than {DEAD_KEPT}"),
        format!("number of CPUs (at most {POSITIONS_MAX})"),
        format!("At most {} pairs and {}\nbytes", Session::PAIRS_MAX, Session::BYTES_MAX),
    ];
    for limit in limits {
        assert!(FORMAT.contains(&limit), "FORMAT.md does not say: {limit}");
    }
    for size in [1 << 20, 16 << 20, 64 << 20, 1 << 30] {
        let segment = u64::from(segment_size_for(size));
        let said = (size / 128 / 4096 * 4096).clamp(SEGMENT_SIZE_MIN.into(), SEGMENT_SIZE_MAX.into());
        assert_eq!(segment, said, "`size / 128`, rounded down");
    }
}
