//! Command lines as they are met on machines, and what is left of them: lines.txt has both.

use lastrites::{
    redact::{Keep, Redactor},
    safe,
};
use lastrites_traces::{
    event::{Bytes, ProcId, Process},
    reader::Item,
};

use super::machine::{bytes, strings};

/// A process that runs `words`.
fn process(words: &[&str]) -> Process {
    let file = if words[0].starts_with('/') { words[0].to_owned() } else { format!("/usr/bin/{}", words[0]) };
    let base = file.rsplit('/').next().unwrap_or_default();
    Process {
        process: ProcId { tgid: 7, start_ns: 1 },
        ppid: 1,
        uid: 0,
        session: 1,
        comm: bytes(&base[..base.len().min(15)]),
        filename: bytes(&file),
        argv: strings(words),
        env: bytes(""),
        tty: bytes(""),
        cgroup_path: bytes(""),
        cgroup: 1,
    }
}

fn shown(argv: &Bytes) -> String {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    argv.split(|byte| *byte == 0).map(safe::text).collect::<Vec<_>>().join(" | ")
}

/// What is left of a command line on a machine where nothing else runs.
fn left(words: &[&str]) -> String {
    let process = process(words);
    let mut redactor = Redactor::new(Keep::default());
    redactor.learn_item(&Item::Known(Box::new(process.clone())));
    redactor.learned();
    shown(&redactor.process(&process).argv)
}

#[test]
fn of_lines_that_are_met_on_machines_this_much_is_left() {
    let (mut told, mut wanted) = (String::new(), String::new());
    let text = include_str!("lines.txt");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '#'])) {
        let words: Vec<&str> = line.split(" | ").collect();
        told.push_str(&format!("{line}\n    {}\n", left(&words)));
    }
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        wanted.push_str(&format!("{line}\n"));
    }
    if told != wanted {
        let differing = told.lines().zip(wanted.lines()).filter(|(a, b)| a != b);
        let lines: Vec<String> = differing.map(|(a, b)| format!("now:    {a}\nwanted: {b}")).collect();
        panic!("{}\nall of it, to look at and to put into lines.txt:\n{told}", lines.join("\n"));
    }
}
