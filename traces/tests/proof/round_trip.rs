//! Whatever is appended comes back as it was.

use lastrites_traces::{
    event::{Bytes, Exec, ProcId, Process, Signal, What},
    layout::SIZE_MIN,
    reader::{Item, Trace},
    ring::Writer,
    session::{Clock, Coverage, End, How, Layer, Session, SessionId},
};
use proptest::prelude::*;
use std::path::Path;

use crate::support::{Noise, Reading, empty_ring, numbered, read, recording, session};
use crate::whats;

fn only(bytes: &[u8]) -> Reading {
    let mut readings = read(bytes).unwrap();
    assert_eq!(readings.len(), 1);
    readings.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_events_come_back_whoever_appends_them(
        batches in proptest::collection::vec((whats::batch(120), any::<bool>()), 1..6),
    ) {
        let mut writer = recording(empty_ring());
        let mut expected = Vec::new();
        let mut lost = 0u64;
        for (batch, reopen) in &batches {
            if *reopen {
                writer = Writer::open(writer.into_storage()).unwrap();
            }
            expected.extend(numbered(writer.next_number(), batch));
            writer.append(batch, &[]).unwrap();
            for (_, what) in batch {
                if let What::Lost { count, .. } = what {
                    lost = lost.saturating_add((*count).min(u32::MAX.into()));
                }
            }
        }
        let reading = only(writer.storage().bytes());
        let missing = reading.summary.first_number as usize;
        prop_assert_eq!(&reading.events[..], &expected[missing..]);
        prop_assert_eq!(reading.summary.next_number, expected.len() as u64);
        prop_assert!(reading.gaps.is_empty());
        if reading.summary.next_number < 4000 && lost < u64::from(u32::MAX) {
            prop_assert_eq!(reading.summary.lost, lost);
        }
    }
}

#[test]
fn more_shapes_than_fit_are_told_in_full() {
    let mut writer = recording(empty_ring());
    let process = ProcId { tgid: 4, start_ns: 5 };
    let batch: Vec<_> = (0..400u32)
        .flat_map(|n| {
            let signal = Signal {
                sender: process,
                target: process,
                target_tid: 4 + n % 2,
                sig: n as u8,
                // No timers' and their like, which have no sender.
                code: -(n as i32) - 6,
                group: false,
                result: 0,
                no_info: true,
                priv_info: false,
            };
            let exit = What::Exit { process, status: n, cpu_ns: 1, peak_rss_kib: 2 };
            [(u64::from(n), What::Signal(signal)), (u64::from(n), exit)]
        })
        .collect();
    writer.append(&batch, &[]).unwrap();
    assert_eq!(only(writer.storage().bytes()).events, numbered(0, &batch));
}

/// The first recorders named whoever ran when a timer ran out, and a story took that one for the killer.
#[test]
fn the_signal_of_a_timer_has_no_sender_whatever_was_recorded() {
    let mut writer = recording(empty_ring());
    let (bystander, target) = (ProcId { tgid: 7, start_ns: 7 }, ProcId { tgid: 4, start_ns: 5 });
    let signal = |code: i32, sender: ProcId| {
        let (target_tid, sig, group, result, no_info, priv_info) = (4, 9, true, 0, false, false);
        What::Signal(Signal { sender, target, target_tid, sig, code, group, result, no_info, priv_info })
    };
    let batch: Vec<_> = (-7..=1).map(|code| (1, signal(code, bystander))).collect();
    writer.append(&batch, &[]).unwrap();
    for (event, code) in only(writer.storage().bytes()).events.iter().zip(-7..) {
        let kernels = (-5..=-2).contains(&code);
        let sender = if kernels { ProcId::KERNEL } else { bystander };
        assert_eq!(event.what, signal(code, sender));
        let What::Signal(read) = event.what else { unreachable!() };
        assert_eq!(read.by_kernel(), kernels || code > 0, "{code}");
    }
}

#[test]
fn indexes_of_the_dead_are_given_to_the_living_and_nobody_is_mistaken() {
    let mut writer = recording(empty_ring());
    let parent = ProcId { tgid: 1, start_ns: 1 };
    let mut batch = Vec::new();
    for n in 0..3000u32 {
        let child = ProcId { tgid: 2 + n % 100, start_ns: u64::from(n) * 100_000_000 };
        let time_ns = u64::from(n) * 100_000_000;
        let ns_pid = child.tgid;
        batch.push((time_ns, What::Fork { parent, child, child_ppid: 1, cgroup: 0, ns_level: 0, ns_pid }));
        batch.push((time_ns, What::Exit { process: child, status: 0, cpu_ns: 1, peak_rss_kib: 2 }));
    }
    for part in batch.chunks(700) {
        writer.append(part, &[]).unwrap();
        writer = Writer::open(writer.into_storage()).unwrap();
    }
    assert_eq!(only(writer.storage().bytes()).events, numbered(0, &batch));
}

#[test]
fn what_is_longer_than_a_string_may_be_is_cut() {
    let mut writer = recording(empty_ring());
    let comm: Bytes = vec![b'x'; 10_000].into();
    let process = ProcId { tgid: 4, start_ns: 5 };
    writer.append(&[(1, What::Rename { process, comm })], &[]).unwrap();
    let What::Rename { comm, .. } = &only(writer.storage().bytes()).events[0].what else {
        panic!("a rename")
    };
    assert_eq!(comm.len(), 4096);
}

#[test]
fn batches_that_overlap_in_time_are_merged_and_keep_their_numbers() {
    // The story: the kernel keeps a ring per CPU, and they are drained one after another. What
    // happens on the first CPU while the second is being drained comes with the next batch,
    // though it is older than the end of this one.
    let mut writer = recording(empty_ring());
    let lost = |cpu| What::Lost { cpu, kind: 0, count: 0, bytes: 0 };
    for times in [[10, 20, 40], [30, 40, 60], [50, 60, 60], [1, 70, 71]] {
        writer.append(&times.map(|time_ns| (time_ns, lost(time_ns as u32))), &[]).unwrap();
    }
    let bytes = writer.storage().bytes().to_vec();
    let trace = Trace::from_bytes(Path::new("memory"), bytes).unwrap();
    let order: Vec<_> = trace
        .events(session(1).id)
        .unwrap()
        .map(|item| match item.unwrap() {
            Item::Event(event) => (event.time_ns, event.number),
            item => panic!("{item:?}"),
        })
        .collect();
    let expected = [
        (1, 9),
        (10, 0),
        (20, 1),
        (30, 3),
        (40, 2),
        (40, 4),
        (50, 6),
        (60, 5),
        (60, 7),
        (60, 8),
        (70, 10),
        (71, 11),
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_reading_that_begins_in_the_middle_says_who_was_living() {
    let mut writer = recording(empty_ring());
    let init = Process {
        process: ProcId { tgid: 9000, start_ns: 0 },
        ppid: 0,
        uid: 0,
        session: 1,
        comm: b"init".as_slice().into(),
        filename: b"/sbin/init".as_slice().into(),
        argv: b"init\0splash\0".as_slice().into(),
        env: b"".as_slice().into(),
        tty: b"".as_slice().into(),
        cgroup_path: b"/init.scope".as_slice().into(),
        cgroup: 77,
    };
    writer.append(&[(2_000, What::Process(Box::new(init.clone())))], &[]).unwrap();
    let (mut noise, mut now_ns) = (Noise(3), 3_000);
    let mut expected = Vec::new();
    while writer.bytes_written() < 2 * SIZE_MIN {
        let batch = noise.events(&mut now_ns, 1000);
        let batch: Vec<_> =
            batch.into_iter().filter(|(_, what)| !matches!(what, What::Exit { .. })).collect();
        expected.extend(numbered(writer.next_number(), &batch));
        writer.append(&batch, &[]).unwrap();
    }
    let reading = only(writer.storage().bytes());
    let first = reading.summary.first_number;
    assert!(first > 1000, "the beginning made way");
    assert_eq!(reading.events[..], expected[first as usize - 1..]);
    let trace = Trace::from_bytes(Path::new("memory"), writer.storage().bytes().to_vec()).unwrap();
    let known: Vec<Process> = trace
        .events(session(1).id)
        .unwrap()
        .map_while(|item| match item.unwrap() {
            Item::Known(process) => Some(*process),
            _ => None,
        })
        .collect();
    assert!(known.len() > 100, "the living of the moment come first");
    assert!(known.contains(&init), "with all that was known of them");
    assert_eq!(writer.comm(init.process), Some(&b"init"[..]));
}

#[test]
fn a_session_comes_back_with_all_that_was_said_of_it() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    let session = Session {
        id: SessionId([3; 16]),
        previous: Some(SessionId([2; 16])),
        boot_id: "0f8fad5b".into(),
        hostname: "db7 ü".into(),
        kernel_release: "6.1.0".into(),
        kernel_version: "#1 SMP".into(),
        machine: "x86_64".into(),
        distribution: "Debian GNU/Linux 12 (bookworm)".into(),
        init: "sysvinit".into(),
        init_version: "3.06".into(),
        tool_version: "0.1".into(),
        began: "armed".into(),
        mode: "once".into(),
        cpus: 64,
        hooks: vec!["sched_process_exit".into(), "signal_generate".into()],
        missing: vec!["fexit".into()],
        started: Clock { boottime_ns: 9, realtime_ns: u64::MAX, utc_offset_s: -3600 },
        extra: vec![("colour".into(), "blue".into()), ("colour".into(), String::new())],
    };
    writer.begin(&session).unwrap();
    let clock = Clock { boottime_ns: 20, realtime_ns: 5, utc_offset_s: 7200 };
    writer.clock(clock).unwrap();
    let coverage = |layer| Coverage { from_ns: 1, to_ns: u64::MAX, layer, note: "as far as it goes".into() };
    let covers = [Layer::Kernel, Layer::Drainer, Layer::Seal, Layer::Census].map(coverage);
    covers.iter().for_each(|coverage| writer.cover(coverage).unwrap());
    let end = End { how: How::Sealed, time_ns: 4, note: "umountroot".into() };
    writer.end(&end).unwrap();
    let Reading { summary, .. } = only(writer.storage().bytes());
    assert_eq!(summary.session, session);
    assert_eq!(summary.clocks, [session.started, clock]);
    assert_eq!(summary.coverage, covers);
    assert_eq!(summary.end.as_ref(), Some(&end));
    assert_eq!((summary.first_ns, summary.last_ns), (9, 9), "of a session without events");
    let resumed = Writer::open(writer.into_storage()).unwrap().resume().unwrap();
    assert_eq!((resumed.session, resumed.end), (session, Some(end)));
}

#[test]
fn a_session_record_that_is_too_long_keeps_what_matters() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    let long = Session {
        extra: vec![("note".into(), "x".repeat(100_000))],
        hooks: (0..5000).map(|n| format!("hook {n}")).collect(),
        ..session(1)
    };
    writer.begin(&long).unwrap();
    let kept = only(writer.storage().bytes()).summary.session;
    assert_eq!((kept.id, &kept.hostname, kept.started), (long.id, &long.hostname, long.started));
    assert!((100..1024).contains(&kept.hooks.len()));
    assert_eq!(kept.extra, []);
}

#[test]
fn appending_before_a_session_has_begun_is_refused_and_spoils_nothing() {
    // The story: the refusal counted as a failed write, so that the writer was spent, and the
    // session that was then begun could not be.
    let mut writer = Writer::open(empty_ring()).unwrap();
    assert!(matches!(writer.append(&[], &[]), Err(lastrites_traces::Error::NoSession { .. })));
    writer.begin(&session(1)).unwrap();
    writer.append(&[], &[]).unwrap();
}

#[test]
fn a_saved_trace_reads_like_the_session_it_was_saved_from() {
    let mut writer = recording(empty_ring());
    let (mut noise, mut now_ns) = (Noise(8), 5_000);
    for turn in 0..30 {
        if turn == 20 {
            writer.begin(&session(2)).unwrap();
        }
        writer.append(&noise.events(&mut now_ns, 900), &[turn]).unwrap();
    }
    writer.end(&End { how: How::Stopped, time_ns: now_ns, note: String::new() }).unwrap();
    let trace = Trace::from_bytes(Path::new("memory"), writer.storage().bytes().to_vec()).unwrap();
    let all = read(writer.storage().bytes()).unwrap();
    assert_eq!(all.len(), 2);
    for reading in all {
        let (mut saved, mut again) = (Vec::new(), Vec::new());
        let written = trace.save(reading.summary.session.id, &mut saved).unwrap();
        assert_eq!(written, saved.len() as u64);
        let copy = only(&saved);
        assert_eq!((copy.summary, copy.events), (reading.summary.clone(), reading.events));
        let trace = Trace::from_bytes(Path::new("memory"), saved.clone()).unwrap();
        trace.save(reading.summary.session.id, &mut again).unwrap();
        assert!(saved == again, "a copy of a copy is the same");
    }
    let nobody = trace.save(SessionId([99; 16]), &mut Vec::new());
    assert!(matches!(nobody, Err(lastrites_traces::Error::Gone { .. })));
}

#[test]
fn a_shutdown_and_the_boot_that_followed_are_saved_as_one_trace() {
    let mut writer = recording(empty_ring());
    let (mut noise, mut now_ns) = (Noise(9), 5_000);
    writer.append(&noise.events(&mut now_ns, 900), &[1]).unwrap();
    writer.begin(&session(2)).unwrap();
    writer.append(&noise.events(&mut now_ns, 300), &[2]).unwrap();
    let trace = Trace::from_bytes(Path::new("memory"), writer.storage().bytes().to_vec()).unwrap();
    let mut saved = Vec::new();
    trace.save_all(&[session(1).id, session(2).id], &mut saved).unwrap();
    let (all, copies) = (read(writer.storage().bytes()).unwrap(), read(&saved).unwrap());
    assert_eq!((all.len(), copies.len()), (2, 2));
    for (old, new) in all.into_iter().zip(copies) {
        assert_eq!((new.summary, new.events), (old.summary, old.events));
    }
}

#[test]
fn a_copy_without_its_beginning_and_with_a_hole_says_so_and_knows_who_was_alive() {
    let mut writer = Writer::open(empty_ring()).unwrap();
    let name = |text: &str| -> Bytes { text.as_bytes().into() };
    let living = |tgid| Process {
        process: ProcId { tgid, start_ns: 4_000 },
        ppid: 1,
        uid: 0,
        session: 1,
        comm: name("mongod"),
        filename: name("/usr/bin/mongod"),
        argv: name("mongod\0"),
        env: name(""),
        tty: name(""),
        cgroup_path: name("/x"),
        cgroup: 3,
    };
    let exit = |tgid| What::Exit {
        process: ProcId { tgid, start_ns: 4_000 },
        status: 9,
        cpu_ns: 1,
        peak_rss_kib: 2,
    };
    writer.begin_at(&session(1), 100, 7, &[living(12), living(13)]).unwrap();
    writer.append(&[(5_000, exit(12))], &[]).unwrap();
    writer.skip_to(150, &[living(13)]).unwrap();
    writer.append(&[(6_000, exit(13))], &[]).unwrap();
    // Numbers do not go back.
    writer.skip_to(3, &[]).unwrap();
    assert_eq!(writer.next_number(), 151);
    let trace = Trace::from_bytes(Path::new("memory"), writer.storage().bytes().to_vec()).unwrap();
    let mut saved = Vec::new();
    trace.save(session(1).id, &mut saved).unwrap();
    let trace = Trace::from_bytes(Path::new("saved"), saved).unwrap();
    let summary = &trace.sessions()[0];
    assert_eq!((summary.first_number, summary.next_number, summary.events, summary.lost), (100, 151, 2, 7));
    assert_eq!(summary.gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(), [(101, 150)]);
    let mut met = Vec::new();
    trace
        .copy_each(session(1).id, 0..usize::MAX, &mut |item| {
            met.push(match item {
                Item::Known(process) => format!("known {} {:?}", process.process.tgid, process.argv),
                Item::Event(event) => format!("event {}", event.number),
                Item::Gap(gap) => format!("gap {} {}", gap.from, gap.to),
            });
        })
        .unwrap();
    let known = |tgid| format!("known {tgid} {:?}", living(tgid).argv);
    let expected =
        [known(12), known(13), "event 100".into(), "gap 101 150".into(), known(13), "event 150".into()];
    assert_eq!(met, expected);
}

#[test]
fn a_segment_without_a_batch_still_knows_where_to_drain_on() {
    let mut writer = recording(empty_ring());
    writer.append(&[], &[7, 1 << 40]).unwrap();
    let note = "x".repeat(1000);
    for turn in 0..300 {
        writer
            .cover(&Coverage { from_ns: 1, to_ns: turn, layer: Layer::Kernel, note: note.clone() })
            .unwrap();
        if turn % 20 == 0 {
            writer = Writer::open(writer.into_storage()).unwrap();
            assert_eq!(writer.resume().unwrap().positions, [7, 1 << 40]);
        }
    }
    let reading = only(writer.storage().bytes());
    assert!(reading.summary.last_segment > 2);
    assert_eq!(reading.summary.coverage.len(), 300);
}

#[test]
fn a_storm_takes_at_most_twelve_bytes_for_an_event() {
    let mut writer = recording(empty_ring());
    let before = writer.bytes_written();
    let mut now_ns = 10_000_000_000;
    let mut count = 0;
    for turn in 0..20u32 {
        let mut batch = Vec::new();
        let mut add = |batch: &mut Vec<_>, what| {
            now_ns += 2_000 + u64::from(turn) * 37;
            batch.push((now_ns, what));
        };
        let parent = ProcId { tgid: 800 + turn, start_ns: 1_000_000_000 };
        let mut shell = |batch: &mut Vec<_>, child: ProcId, now_ns| {
            let signal = |sender, target: ProcId, sig, code, group| {
                let target_tid = target.tgid;
                let (no_info, priv_info, result) = (false, false, 0);
                What::Signal(Signal {
                    sender,
                    target,
                    target_tid,
                    sig,
                    code,
                    group,
                    result,
                    no_info,
                    priv_info,
                })
            };
            let ns_pid = child.tgid;
            let exec = Exec {
                process: child,
                parent,
                uid: 0,
                session: 1,
                cgroup: 0,
                comm: b"sleep".as_slice().into(),
                filename: b"/bin/sleep".as_slice().into(),
                argv: b"sleep\x001000\0".as_slice().into(),
                env: b"".as_slice().into(),
                tty: b"".as_slice().into(),
                flags: 0,
            };
            let whats = [
                What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 0, ns_level: 0, ns_pid },
                What::Exec(Box::new(exec)),
                signal(parent, child, 15, 0, true),
                signal(parent, child, 9, 0, true),
                What::Exit { process: child, status: 9, cpu_ns: 812_345, peak_rss_kib: 1800 + now_ns % 300 },
                signal(child, parent, 17, 2, true),
            ];
            whats.into_iter().for_each(|what| add(batch, what));
        };
        for n in 0..100u32 {
            let start_ns = batch.last().map_or(10_000_000_000, |(time_ns, _)| *time_ns) + 500;
            shell(&mut batch, ProcId { tgid: 2000 + turn * 100 + n, start_ns }, start_ns);
        }
        count += batch.len() as u64;
        writer.append(&batch, &[u64::from(turn) * 40_000, 7]).unwrap();
    }
    let each = (writer.bytes_written() - before) as f64 / count as f64;
    assert!(each <= 12.0, "{each} bytes for an event");
}
