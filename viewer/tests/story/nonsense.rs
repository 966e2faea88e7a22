//! Recordings that no kernel made: events out of order, nobody's parents, times at the end of time, names that are none.

use std::{path::PathBuf, sync::Arc};

use lastrites::{
    explain::Picked,
    requests::Requests,
    story::{Story, across::NextBoot, service::Entry, world::World},
};
use lastrites_traces::{
    event::{Bytes, Disposition, Event, Exec, ProcId, Process, Signal, What},
    reader::{Gap, Item, Summary},
    session::{Clock, End, How, Session},
};

use crate::random::Random;

/// A recording, and what is told of it.
pub fn picked(random: &mut Random) -> Picked {
    let summary = summary(random);
    let next = (random.below(2) == 0).then(|| NextBoot::new(world(random), 2, Entry::of(&summary.session)));
    let story = Story::tell(world(random), &summary, next);
    Picked {
        path: PathBuf::from("x.lrt"),
        number: 1,
        count: 2,
        summary,
        requests: Requests::default(),
        story,
    }
}

fn summary(random: &mut Random) -> Summary {
    let inits =
        ["systemd", "sysvinit", "upstart", "runit", "busybox", "", "s6", "dinit", "finit", "openrc", "\x1b["];
    let hows = [How::Sealed, How::Disarmed, How::NoSeal, How::Stopped];
    let mut session = Session { init: inits[random.below(inits.len())].into(), ..Session::default() };
    session.hostname = "h\u{202e}\x1b[2J".into();
    for entry in ["md:23456:respawn:/usr/sbin/mongod", "::::", "x:\x1b::", "é:6:respawn:a"] {
        if random.below(2) == 0 {
            session.extra.push(("inittab".into(), entry.into()));
        }
    }
    let clock = Clock { boottime_ns: time(random), realtime_ns: random.next() << 10, utc_offset_s: 0 };
    session.started = clock;
    let how = hows[random.below(4)];
    let end = (random.below(4) > 0).then(|| End { how, time_ns: time(random), note: "\x07".into() });
    Summary {
        session,
        end,
        clocks: vec![clock],
        first_ns: time(random),
        last_ns: time(random),
        ..Summary::default()
    }
}

/// Mostly seconds apart, sometimes absurd.
fn time(random: &mut Random) -> u64 {
    match random.below(40) {
        0 => u64::MAX,
        1 => 0,
        _ => 1_000_000_000 * random.below(200) as u64 + random.below(1_000_000) as u64,
    }
}

fn world(random: &mut Random) -> World {
    let count = random.below(120);
    let mut items = Vec::new();
    for number in 0..count as u64 {
        let event = Event { number, time_ns: time(random), what: what(random) };
        items.push(match (random.below(60), event) {
            (0, _) => Item::Gap(Gap { from: number, to: random.next(), offset: 1, why: "torn" }),
            (1, Event { what: What::Process(process), .. }) => Item::Known(process),
            (_, event) => Item::Event(event),
        });
    }
    // In order most of the time, as reading promises.
    if random.below(4) > 0 {
        items.sort_by_key(|item| match item {
            Item::Event(event) => event.time_ns,
            _ => 0,
        });
    }
    match World::read(items.into_iter().map(Ok::<_, std::convert::Infallible>)) {
        Ok(world) => world,
        Err(never) => match never {},
    }
}

fn a_process(random: &mut Random) -> ProcId {
    match random.below(30) {
        0 => ProcId { tgid: u32::MAX, start_ns: u64::MAX },
        1 => ProcId::KERNEL,
        _ => ProcId { tgid: 1 + random.below(12) as u32, start_ns: 10_000_000 * random.below(2) as u64 },
    }
}

fn bytes(random: &mut Random) -> Bytes {
    const TEXTS: [&[u8]; 34] = [
        b"",
        b"/",
        b"/sbin/init",
        b"/sbin/reboot",
        b"/etc/init.d/rc",
        b"/sbin/killall5",
        b"/usr/sbin/mongod",
        b"/usr/bin/runsv",
        b"/usr/bin/runsvdir",
        b"/usr/bin/monit",
        b"/usr/bin/supervisord",
        b"/bin/sh",
        b"/etc/runit/3",
        b"/lib/systemd/systemd-shutdown",
        b"/sbin/shutdown",
        b"/etc/rc6.d/K04sendsigs",
        b"K",
        b"/etc/rc6.d/K01",
        b"/sbin/openrc",
        b"rc.shutdown",
        b"umountroot",
        b"6",
        b"-15",
        b"-9",
        b"reboot",
        b"/system.slice/a.service",
        b"/docker-0123456789abcdef.scope",
        b"UPSTART_JOB=x",
        b"SSH_CONNECTION=\x1b ",
        b"\x1b[2J\x07\n\r",
        b"\xff\xfe\xc3",
        "\u{202e}\u{200b}é数".as_bytes(),
        b"/etc/init.d/",
        b".service",
    ];
    let mut all: Vec<u8> = TEXTS[random.below(TEXTS.len())].to_vec();
    while random.below(2) == 0 && all.len() < 3000 {
        all.push(0);
        all.extend_from_slice(TEXTS[random.below(TEXTS.len())]);
    }
    if random.below(40) == 0 {
        all.resize(2000, b'x');
    }
    Arc::from(all)
}

fn sig(random: &mut Random) -> u8 {
    [0, 1, 2, 6, 9, 9, 9, 10, 11, 15, 15, 15, 17, 18, 19, 30, 37, 64, 65, 255][random.below(20)]
}

fn what(random: &mut Random) -> What {
    let (process, other) = (a_process(random), a_process(random));
    let hierarchy = random.below(2) as u32;
    let id = random.below(4) as u64;
    match random.below(22) {
        0 => What::Process(Box::new(Process {
            process,
            ppid: other.tgid,
            uid: random.below(3) as u32,
            session: 1,
            comm: bytes(random),
            filename: bytes(random),
            argv: bytes(random),
            env: bytes(random),
            tty: bytes(random),
            cgroup_path: bytes(random),
            cgroup: id,
        })),
        1..=3 => What::Fork {
            parent: process,
            child: other,
            child_ppid: other.tgid,
            cgroup: id,
            ns_level: random.below(2) as u32,
            ns_pid: 1,
        },
        4..=7 => What::Exec(Box::new(Exec {
            process,
            parent: other,
            uid: 0,
            session: 1,
            cgroup: id,
            comm: bytes(random),
            filename: bytes(random),
            argv: bytes(random),
            env: bytes(random),
            tty: bytes(random),
            flags: random.below(256) as u8,
        })),
        8 | 9 => What::Exit { process, status: random.next() as u32, cpu_ns: 0, peak_rss_kib: u64::MAX },
        10 => What::Rename { process, comm: bytes(random) },
        11..=13 => What::Signal(Signal {
            sender: process,
            target: other,
            target_tid: 0,
            sig: sig(random),
            code: [0, -6, 128, i32::MIN, i32::MAX][random.below(5)],
            group: random.below(2) == 0,
            result: random.below(7) as u8,
            no_info: random.below(4) == 0,
            priv_info: random.below(4) == 0,
        }),
        14 => What::Deliver {
            process,
            tid: 1,
            sig: sig(random),
            disposition: if random.below(2) == 0 { Disposition::Default } else { Disposition::Handled },
        },
        15 => What::Call {
            process,
            call: 1,
            target: [-1, 0, 3, -4, i64::MIN, i64::MAX][random.below(6)],
            tgid_arg: 0,
            sig: sig(random),
            ret: -(random.below(2) as i64),
        },
        16 => What::Poll {
            process,
            call: 1,
            target: i64::MIN,
            count: u64::MAX,
            first_ns: time(random),
            last_ret: 0,
        },
        17 => What::Reboot {
            process,
            cmd: [0x0123_4567, 0x4321_fedc, 0x89ab_cdef, 7][random.below(4)],
            ns_level: random.below(2) as u32,
        },
        18 => What::Umount { process, path: bytes(random), flags: u64::MAX },
        19 => What::CgroupAttach { process, moved: other, id, hierarchy, path: bytes(random) },
        20 => match random.below(3) {
            0 => What::CgroupMkdir { process, id, hierarchy, path: bytes(random) },
            1 => What::CgroupRmdir { process, id, hierarchy, path: bytes(random) },
            _ => What::Oom { process, victim: other },
        },
        _ => What::Lost {
            cpu: id as u32,
            kind: random.below(256) as u8,
            count: random.below(9) as u64,
            bytes: u64::MAX,
        },
    }
}
