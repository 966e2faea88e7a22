//! Recordings that are made up: of people who chose names to hurt, and of crowds.

use lastrites::{
    about::Ending,
    explain::Picked,
    story::{Story, world::World},
    view::model::Model,
};
use lastrites_traces::{
    event::{Bytes, Event, Exec, ProcId, Signal, What},
    reader::{Gap, Summary},
    session::{Clock, Coverage, Layer, Session},
};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// What would run, if it could, leaves a mark.
pub const CANARY: &str = "window.canary=1";

/// Names that would like to be markup or script, to hide, to turn lines around, or to be endless.
pub fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "</script><img src=x onerror=window.canary=1>",
        "</script><script>window.canary=1</script>",
        "<!--<script>",
        "--><svg onload=window.canary=1>",
        "]]><iframe src=javascript:parent.canary=1>",
        "\"onmouseover=\"window.canary=1",
        "' autofocus onfocus='window.canary=1",
        "</style></title></textarea></noscript><b>bold</b>",
        "${window.canary=1}{{data}}{{script}}",
        "&lt;img src=x onerror=window.canary=1&gt;&#60;i&#62;",
        "\\u003cimg src=x onerror=window.canary=1\\u003e",
        "__proto__",
        "constructor",
        "java\u{202e}gpj.\u{2066}exe\u{200b}\u{feff}",
        "line\u{2028}line\u{2029}\u{85}\nline\rline\ttab\u{1b}[2J\u{9b}31m",
        "Ka\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}",
        "\u{5d0}\u{5d1}\u{5d2} 990",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"\xff\xfe\xc0\xaf<b>\xed\xa0\x80".to_vec());
    names.push(b"<a href=//evil.example/".repeat(400));
    names
}

fn id(tgid: u32) -> ProcId {
    ProcId { tgid, start_ns: S + u64::from(tgid) * 20 * MS }
}

fn fork(parent: ProcId, child: ProcId, cgroup: u64) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup, ns_level: 0, ns_pid: child.tgid }
}

fn exec(process: ProcId, parent: ProcId, file: &[u8], argv: &[&[u8]]) -> What {
    let words: Vec<u8> = argv.iter().flat_map(|word| word.iter().copied().chain([0])).collect();
    let name = file.rsplit(|byte| *byte == b'/').next().unwrap_or(file);
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 0,
        comm: Bytes::from(name),
        filename: Bytes::from(file),
        argv: words.as_slice().into(),
        env: Bytes::from([]),
        tty: Bytes::from(&name[..name.len().min(20)]),
        flags: 0,
    }))
}

fn signal(sender: ProcId, target: ProcId, sig: u8) -> What {
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

fn exit(process: ProcId, status: u32) -> What {
    What::Exit { process, status, cpu_ns: 1, peak_rss_kib: 1 }
}

/// What is said of a recording whose events are these, a millisecond apart.
fn told(session: Session, whats: Vec<What>) -> Model {
    let mut world = World::default();
    for (what, number) in whats.into_iter().zip(0..) {
        world.see(&Event { number, time_ns: S + number * MS, what });
    }
    world.close();
    let hostile = session.hostname.clone();
    let gap = Gap { from: 3, to: 9, offset: 4096, why: "</script><img src=x onerror=window.canary=1>" };
    let cover = Coverage { from_ns: S, to_ns: world.last.ns, layer: Layer::Seal, note: hostile };
    let summary = Summary {
        events: world.events,
        last_ns: world.last.ns,
        session,
        gaps: vec![gap],
        coverage: vec![cover],
        ..Summary::default()
    };
    let story = Story::tell(world, &summary, None);
    let requests = Default::default();
    let picked = Picked { path: "made up".into(), number: 1, count: 1, summary, requests, story };
    Model::new(picked, Ending::Sealed)
}

fn session(name: &str) -> Session {
    Session {
        hostname: name.into(),
        kernel_release: name.into(),
        kernel_version: name.into(),
        machine: name.into(),
        init: "sysvinit".into(),
        init_version: name.into(),
        tool_version: name.into(),
        missing: vec![name.into()],
        started: Clock { boottime_ns: S, realtime_ns: 1_800_000_000 * S, utc_offset_s: 0 },
        ..Session::default()
    }
}

/// reboot, rc 6, killall5 -15 and -9: every one of `names` is a service that has to be killed, and started again.
pub fn killed(names: &[Vec<u8>]) -> Model {
    let (init, shell, rc, term, kill) = (id(1), id(5), id(6), id(7), id(8));
    let mut whats = vec![exec(init, ProcId::KERNEL, b"/sbin/init", &[b"init"])];
    let file = |name: &[u8]| [b"/usr/sbin/", name].concat();
    let services: Vec<(ProcId, &Vec<u8>)> =
        names.iter().zip(100..).map(|(name, pid)| (id(pid), name)).collect();
    for (service, name) in &services {
        whats.push(What::CgroupMkdir {
            process: init,
            id: u64::from(service.tgid),
            hierarchy: 0,
            path: [b"/system.slice/", name.as_slice(), b".service"].concat().as_slice().into(),
        });
        whats.push(fork(init, *service, u64::from(service.tgid)));
        whats.push(exec(*service, init, &file(name), &[name, b"--like", name]));
    }
    let asks = names.first().map_or(&b"now"[..], Vec::as_slice);
    whats.extend([fork(init, shell, 0), exec(shell, init, b"/sbin/reboot", &[b"reboot", asks])]);
    whats.extend([fork(init, rc, 0), exec(rc, init, b"/etc/init.d/rc", &[b"rc", b"6"])]);
    whats.extend([fork(rc, term, 0), exec(term, rc, b"/sbin/killall5", &[b"killall5", b"-15"])]);
    whats.extend(services.iter().map(|(service, _)| signal(term, *service, 15)));
    whats.push(What::Call { process: term, call: 1, target: -1, tgid_arg: 0, sig: 15, ret: 0 });
    for (service, name) in services.iter().take(1) {
        let heir = id(900);
        whats.extend([exit(*service, 0), fork(init, heir, u64::from(service.tgid))]);
        whats.push(exec(heir, init, &file(name), &[name, b"--like", name]));
    }
    whats.extend([fork(rc, kill, 0), exec(kill, rc, b"/sbin/killall5", &[b"killall5", b"-9"])]);
    for (service, _) in services.iter().skip(1).chain([(id(900), &names[0])].iter()) {
        whats.extend([signal(kill, *service, 9), exit(*service, 9)]);
    }
    whats.push(What::Call { process: kill, call: 1, target: -1, tgid_arg: 0, sig: 9, ret: 0 });
    whats.push(What::Reboot { process: rc, cmd: 0x0123_4567, ns_level: 0 });
    let name = names.first().map_or_else(String::new, |name| String::from_utf8_lossy(name).into_owned());
    told(session(&name), whats)
}

/// A shutdown of so many processes, every tenth of which has to be killed.
pub fn crowd(count: u32) -> Model {
    let (init, shell, rc, term, kill) = (id(1), id(5), id(6), id(7), id(8));
    let mut whats = vec![exec(init, ProcId::KERNEL, b"/sbin/init", &[b"init"])];
    for n in 10..count {
        let n_th = format!("--nth={n}");
        whats.push(fork(init, id(n), 0));
        whats.push(exec(id(n), init, b"/usr/sbin/worker", &[b"worker", n_th.as_bytes()]));
    }
    whats.extend([fork(init, shell, 0), exec(shell, init, b"/sbin/reboot", &[b"reboot"])]);
    whats.extend([fork(init, rc, 0), exec(rc, init, b"/etc/init.d/rc", &[b"rc", b"6"])]);
    whats.extend([fork(rc, term, 0), exec(term, rc, b"/sbin/killall5", &[b"killall5", b"-15"])]);
    whats.extend((10..count).map(|n| signal(term, id(n), 15)));
    whats.push(What::Call { process: term, call: 1, target: -1, tgid_arg: 0, sig: 15, ret: 0 });
    whats.extend((10..count).filter(|n| n % 10 != 0).map(|n| exit(id(n), 15)));
    whats.extend([fork(rc, kill, 0), exec(kill, rc, b"/sbin/killall5", &[b"killall5", b"-9"])]);
    for n in (10..count).filter(|n| n % 10 == 0) {
        whats.extend([signal(kill, id(n), 9), exit(id(n), 9)]);
    }
    whats.push(What::Call { process: kill, call: 1, target: -1, tgid_arg: 0, sig: 9, ret: 0 });
    whats.push(What::Reboot { process: rc, cmd: 0x0123_4567, ns_level: 0 });
    told(session("crowded"), whats)
}
