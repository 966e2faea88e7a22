//! How long a frame takes: `cargo run --release -p lastrites --example frames -- 3000000` makes a shutdown with so
//! many processes, each of which got a signal, and draws it while zooming and panning.

use std::{sync::Arc, time::Instant};

use lastrites::{
    about::Ending,
    explain::Picked,
    story::{Story, world::World},
    view::{
        app::App,
        model::Model,
        palette::{Hints, Theme},
        panel,
    },
};
use lastrites_traces::{
    event::{Bytes, Event, Exec, ProcId, Signal, What},
    reader::Summary,
};
use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let begun = Instant::now();
    let world = world(count);
    println!("{} events of {count} processes made in {:?}", world.events, begun.elapsed());
    let begun = Instant::now();
    let summary = Summary { events: world.events, last_ns: world.last.ns, ..Summary::default() };
    let story = Story::tell(world, &summary, None);
    println!("story told in {:?}", begun.elapsed());
    let begun = Instant::now();
    let picked =
        Picked { path: "made up".into(), number: 1, count: 1, summary, requests: Default::default(), story };
    let model = Arc::new(Model::new(picked, Ending::Sealed));
    println!("indices made in {:?}", begun.elapsed());
    let theme =
        Theme::choose(&Hints { locale: "C.UTF-8".into(), ..Hints::default() }, None, Some(true), false);
    let mut app = App::new(theme, (200, 60));
    let begun = Instant::now();
    app.loaded(model);
    println!("first screen laid out in {:?}", begun.elapsed());
    for (what, keys) in [
        ("whole shutdown", "llll"),
        ("zooming", "++++++++++++++++++++++++++++++++++"),
        ("panning", "LLLLLLLLLHHHHHHHHH"),
        ("zooming out", "-----------------------------------------"),
        ("everybody unfolded", "u"),
        ("scrolling", "jjjjjjjjjjjjjjjjjjjj"),
        ("at the end of the list", "Gkkkkkkkkkkkk"),
        ("zooming there", "++++++++++++------------"),
    ] {
        measure(&mut app, what, keys);
    }
}

fn measure(app: &mut App, what: &str, keys: &str) {
    let area = Rect { x: 0, y: 0, width: app.size.0, height: app.size.1 };
    let mut buf = Buffer::empty(area);
    let mut times = Vec::new();
    for key in keys.chars() {
        let begun = Instant::now();
        app.event(&Input::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)));
        buf.reset();
        panel::paint(app, area, &mut buf);
        times.push(begun.elapsed());
    }
    times.sort();
    println!("{what:>24}: median {:?}, worst {:?}", times[times.len() / 2], times[times.len() - 1]);
}

/// A kill(-1) in which so many processes are hit, and exit one after the other.
fn world(count: u32) -> World {
    let mut world = World::default();
    let mut number = 0;
    let mut see = |world: &mut World, time_ns: u64, what: What| {
        world.see(&Event { number, time_ns, what });
        number += 1;
    };
    let id = |tgid: u32| ProcId { tgid, start_ns: 1_000_000_000 + u64::from(tgid) * 20_000_000 };
    let bytes = |text: &str| -> Bytes { text.as_bytes().into() };
    let (comm, file, argv) = (bytes("worker"), bytes("/usr/sbin/worker"), bytes("worker\0-x\0"));
    let start = 1_000_000_000;
    let exec = |process, parent, comm: &Bytes, filename: &Bytes, argv: &Bytes| {
        What::Exec(Box::new(Exec {
            process,
            parent,
            uid: 0,
            session: 1,
            cgroup: 0,
            comm: comm.clone(),
            filename: filename.clone(),
            argv: argv.clone(),
            env: bytes(""),
            tty: bytes(""),
            flags: 0,
        }))
    };
    let init = bytes("/sbin/init");
    see(&mut world, start, exec(id(1), ProcId::KERNEL, &bytes("init"), &init, &bytes("init\0")));
    let fork = |parent, child: ProcId| What::Fork {
        parent,
        child,
        child_ppid: 1,
        cgroup: 0,
        ns_level: 0,
        ns_pid: child.tgid,
    };
    for n in 2..count {
        let ns = start + u64::from(n) * 1000;
        see(&mut world, ns, fork(id(1), id(n)));
        see(&mut world, ns + 100, exec(id(n), id(1), &comm, &file, &argv));
    }
    let mut ns = start + u64::from(count) * 1000 + 1_000_000_000;
    let killer = id(count + 1);
    see(&mut world, ns, fork(id(1), killer));
    let killall = bytes("/sbin/killall5");
    let words = bytes("killall5\0-15\0");
    see(&mut world, ns + 1000, exec(killer, id(1), &bytes("killall5"), &killall, &words));
    for n in 2..count {
        ns += 1000;
        let signal = Signal {
            sender: killer,
            target: id(n),
            target_tid: n,
            sig: 15,
            code: 0,
            group: true,
            result: 0,
            no_info: false,
            priv_info: false,
        };
        see(&mut world, ns, What::Signal(signal));
    }
    see(
        &mut world,
        ns + 10,
        What::Call { process: killer, call: 1, target: -1, tgid_arg: 0, sig: 15, ret: 0 },
    );
    for n in 2..count {
        ns += 1000;
        see(&mut world, ns, What::Exit { process: id(n), status: 15, cpu_ns: 1, peak_rss_kib: 1 });
    }
    see(&mut world, ns + 1_000_000, What::Reboot { process: id(1), cmd: 0x0123_4567, ns_level: 0 });
    world.close();
    world
}
