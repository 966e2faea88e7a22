//! Made-up events for tests.

use lastrites_traces::{
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::Summary,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
};

pub(crate) fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// A process that started its pid in milliseconds after 100 s.
pub(crate) fn id(pid: u32) -> ProcId {
    ProcId { tgid: pid, start_ns: 100_000_000_000 + u64::from(pid) * ProcId::TICK_NS }
}

pub(crate) fn words(words: &[&str]) -> Bytes {
    words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>().into()
}

pub(crate) fn exec(process: ProcId, parent: ProcId, filename: &str, argv: &[&str]) -> What {
    let base = filename.rsplit('/').next().unwrap_or(filename);
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 1,
        comm: bytes(&base[..base.len().min(15)]),
        filename: bytes(filename),
        argv: words(argv),
        env: bytes(""),
        tty: bytes("pts/0"),
        flags: 0,
    }))
}

pub(crate) fn fork(parent: ProcId, child: ProcId) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 1, ns_level: 0, ns_pid: child.tgid }
}

pub(crate) fn exit(process: ProcId, status: u32) -> What {
    What::Exit { process, status, cpu_ns: 12_000_000, peak_rss_kib: 3400 }
}

pub(crate) fn signal(sender: ProcId, target: ProcId, sig: u8) -> What {
    What::Signal(Signal {
        sender,
        target,
        target_tid: target.tgid,
        sig,
        code: 0,
        group: true,
        result: 0,
        no_info: false,
        priv_info: false,
    })
}

/// One event of every kind, numbered from 0, a millisecond apart, with hostile strings.
pub(crate) fn one_of_each() -> Vec<Event> {
    let (a, b) = (id(20), id(21));
    let path = bytes("/sys/\u{202e}x\x1b[2J");
    let hostile: Bytes = b"ev\xffil\n\x1b]0;".as_slice().into();
    let census = Process {
        process: a,
        ppid: 1,
        uid: 0,
        session: 1,
        comm: hostile.clone(),
        filename: hostile.clone(),
        argv: hostile.clone(),
        env: hostile.clone(),
        tty: hostile.clone(),
        cgroup_path: path.clone(),
        cgroup: 3,
    };
    let whats = vec![
        What::Process(Box::new(census)),
        fork(a, b),
        exec(b, a, "/bin/\u{200b}ls\n", &["l\x07s", "--color"]),
        exit(b, 9),
        exit(b, 3 << 8),
        What::Rename { process: a, comm: hostile },
        signal(a, b, 15),
        What::Deliver { process: b, tid: 77, sig: 15, disposition: Disposition::Handled },
        What::Call { process: a, call: 1, target: -1, tgid_arg: 0, sig: 9, ret: -3 },
        What::Poll { process: a, call: 1, target: 21, count: 5, first_ns: 7, last_ret: 0 },
        What::Reboot { process: a, cmd: 0x0123_4567, ns_level: 0 },
        What::Umount { process: a, path: path.clone(), flags: 2 },
        What::Remount { process: a, path: path.clone(), flags: 33 },
        What::CgroupMkdir { process: a, id: 4, hierarchy: 0, path: path.clone() },
        What::CgroupRmdir { process: a, id: 4, hierarchy: 2, path: path.clone() },
        What::CgroupAttach { process: a, moved: b, id: 4, hierarchy: 0, path },
        What::Oom { process: a, victim: b },
        What::Lost { cpu: 1, kind: 5, count: 12, bytes: 800 },
    ];
    let at = |n: usize| 101_000_000_000 + n as u64 * 1_000_000;
    whats.into_iter().enumerate().map(|(n, what)| Event { number: n as u64, time_ns: at(n), what }).collect()
}

/// A sealed recording of a machine called db7.
pub(crate) fn summary() -> Summary {
    let started =
        Clock { boottime_ns: 100_000_000_000, realtime_ns: 1_794_449_640_000_000_000, utc_offset_s: 3600 };
    let session = Session {
        id: SessionId([0xab; 16]),
        hostname: "db7".into(),
        kernel_release: "6.1.0-28-amd64".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        began: "armed".into(),
        started,
        ..Session::default()
    };
    Summary {
        session,
        first_segment: 1,
        last_segment: 1,
        first_number: 0,
        next_number: 18,
        events: 18,
        first_ns: 101_000_000_000,
        last_ns: 101_017_000_000,
        lost: 12,
        clocks: vec![started],
        coverage: vec![Coverage {
            from_ns: 100_000_000_000,
            to_ns: 111_800_000_000,
            layer: Layer::Seal,
            note: "umountroot".into(),
        }],
        end: Some(End { how: How::Sealed, time_ns: 111_800_000_000, note: String::new() }),
        gaps: Vec::new(),
    }
}
