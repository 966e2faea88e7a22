//! FORMAT.md against the code: its tables row by row, its limits by their numbers.

use std::{collections::BTreeSet, fmt::Display};

use lastrites_traces::{
    abi,
    codec::{DEAD_KEPT, POSITIONS_MAX, SHAPES_MAX, STRING_MAX, reference, shape, tag},
    event::{ProcId, Signal},
    layout::{
        EVENT_LEN_MIN, FILE_HEADER, FIRST_SEGMENT, FRAME_HEADER, Field, HEADER_COPY, MAJOR, MINOR,
        PAYLOAD_MAX, SEGMENT_HEADER, SEGMENT_SIZE_MAX, SEGMENT_SIZE_MIN, SLOTS_MAX, SLOTS_MIN, kind,
        segment_size_for,
    },
    reader::STAND_ALONE_MAX,
    session::{How, Layer, Session, SessionId},
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
        are_those(name, code);
    }
}

/// The first two columns of the table `name` are `code`.
fn are_those<N: Display, T: Display>(name: &str, code: &[(N, T)]) {
    let rows: Vec<_> = table(name).into_iter().map(|row| row[..2].join(" ")).collect();
    let code: Vec<_> = code.iter().map(|(number, name)| format!("{number} {name}")).collect();
    assert_eq!(rows, code, "{name}");
}

/// Whoever had only this page did not know which call was which, nor what a flag meant.
#[test]
fn tables_of_numbers_in_events_are_those_of_the_code() {
    let calls: Vec<_> = (0..).zip(abi::call::NAMES).skip(1).collect();
    assert_eq!([abi::call::KILL, abi::call::PIDFD_SEND_SIGNAL], [1, 6]);
    are_those("CALLS", &calls);
    assert_eq!([abi::kind::FORK, abi::kind::POLL], [1, 15]);
    are_those("LOST_KINDS", &(0..).zip(abi::kind::NAMES).collect::<Vec<(u8, _)>>());
    are_those("RESULTS", &(0..).zip(Signal::RESULTS).collect::<Vec<(u8, _)>>());
    are_those("SHAPE_KINDS", &shape::KINDS);
    are_those("SIGNAL_BITS", &shape::SIGNAL_BITS);
    are_those("DELIVER_BITS", &shape::DELIVER_BITS);
    let flags = [
        (abi::EXEC_FLAG_ARGV_CUT, "ARGV_CUT"),
        (abi::EXEC_FLAG_ENV_CUT, "ENV_CUT"),
        (abi::EXEC_FLAG_FILENAME_CUT, "FILENAME_CUT"),
        (abi::EXEC_FLAG_ARGV_FAULT, "ARGV_FAULT"),
    ];
    are_those("EXEC_FLAGS", &flags);
    let named = |number: u8, name: String| (number, name.to_uppercase());
    let layers = [Layer::Kernel, Layer::Drainer, Layer::Seal, Layer::Census];
    are_those("LAYERS", &layers.map(|layer| named(layer as u8, format!("{layer:?}"))));
    let ends = [How::Sealed, How::Disarmed, How::NoSeal, How::Stopped];
    are_those("ENDS", &ends.map(|how| named(how as u8, format!("{how:?}"))));
}

#[test]
fn every_field_of_an_event_is_explained_and_no_other() {
    let text = FORMAT.replace('\n', " ");
    let shapes =
        text.split_once("Body: byte kind;").and_then(|(_, rest)| rest.split_once(". ")).expect("shapes").0;
    let snapshot = text
        .split_once("SNAPSHOT, per process:")
        .and_then(|(_, rest)| rest.split_once(". "))
        .expect("snapshot")
        .0;
    let tags: Vec<_> = table("TAGS").into_iter().map(|row| row[2]).collect();
    let all = format!("{} {shapes} {snapshot}", tags.join(" "));
    let words: BTreeSet<&str> =
        all.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    let fields: BTreeSet<&str> = table("FIELDS").into_iter().map(|row| row[0]).collect();
    let not_there: Vec<_> = fields.difference(&words).collect();
    assert!(not_there.is_empty(), "explained, and in no event: {not_there:?}");
    // Words of the sentences around them, and of types and the state.
    let others = "0 40 DELIVER EXIT SIGNAL a an body byte child counted deliver_bits event fields for gets holds if is its \
        last_rss_kib last_tgid level moved n namespace next no not number of parent ref s says sender shape signal_bits so str \
        strings the then time varint victim what which without zigzag";
    let others: BTreeSet<&str> = others.split_whitespace().collect();
    let unexplained: Vec<_> = words.difference(&fields).filter(|word| !others.contains(*word)).collect();
    assert!(unexplained.is_empty(), "in an event, and explained nowhere: {unexplained:?}");
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
        format!("| filename | the executed file, at most {} bytes |", abi::FILENAME_MAX),
        format!("of an EXEC at most {} bytes |", abi::ARGV_MAX),
        format!("with a NUL behind it; at most {} bytes |", abi::ENV_MAX),
        format!("from the root of their hierarchy; at most {} bytes |", abi::PATH_MAX),
        format!("from /proc only to {} ms, rounded down", ProcId::TICK_NS / 1_000_000),
        format!("| cpu | whose ring it is, from 0; {} where nobody knows |", abi::NO_CPU),
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
