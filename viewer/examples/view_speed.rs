//! How fast the viewer is, and how much memory it takes: figures for ARCHITECTURE.md, never a test.
//!
//!     cargo run --release -p lastrites --example view_speed
//!
//! Each recording is looked at in a process of its own, so that peak memory is that of one. A frame is a key, what it does,
//! and drawing all of 200x60 cells; what the terminal takes to show them is not in it.

use std::{
    io,
    path::Path,
    process::{Command, ExitCode},
    sync::{Arc, mpsc::channel},
    time::{Duration, Instant},
};

use lastrites::view::{
    app::App,
    load::{self, Gauge, News, Wanted},
    palette::{Hints, Theme},
    panel,
};
use lastrites_traces::{
    event::{Bytes, Exec, ProcId, Signal, What},
    ring::Writer,
    session::{Clock, End, How, Session, SessionId},
    storage::FileStorage,
};
use ratatui::{
    buffer::Buffer,
    crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers},
    layout::Rect,
};

const S: u64 = 1_000_000_000;
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        [] => all(&SIZES),
        ["look", path] => look(Path::new(path), false),
        ["look-at-all", path] => look(Path::new(path), true),
        ["make", path, events] => make(Path::new(path), events.parse().unwrap_or(10_000), true),
        [events] if events.parse::<u64>().is_ok() => all(&[events.parse().unwrap_or(10_000)]),
        _ => Err(io::Error::other(
            "run it without arguments, or with a number of events; or to make a file to look at: make FILE EVENTS",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("view_speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(sizes: &[u64]) -> io::Result<()> {
    let this = std::env::current_exe()?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("made.lrt");
    for events in sizes {
        for (what, down) in [("an uptime with a shutdown at its end", false), ("a shutdown", true)] {
            make(&path, *events, down)?;
            let mib = path.metadata()?.len() >> 20;
            println!("{events} events of {what}, {mib} MiB of ring file");
            // A shutdown is read whole anyhow.
            for how in if down { &["look"][..] } else { &["look", "look-at-all"] } {
                if !Command::new(&this).arg(how).arg(&path).status()?.success() {
                    return Err(io::Error::other("a measurement failed"));
                }
            }
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn id(tgid: u32, start_ns: u64) -> ProcId {
    ProcId { tgid, start_ns }
}

fn bytes(text: &str) -> Bytes {
    text.as_bytes().into()
}

fn exec(process: ProcId, parent: ProcId, file: &str, argv: &str) -> What {
    let name = file.rsplit('/').next().unwrap_or(file);
    What::Exec(Box::new(Exec {
        process,
        parent,
        uid: 0,
        session: 1,
        cgroup: 1,
        comm: bytes(name),
        filename: bytes(file),
        argv: bytes(&format!("{name}\0{argv}\0")),
        env: bytes(""),
        tty: bytes(""),
        flags: 0,
    }))
}

fn fork(parent: ProcId, child: ProcId) -> What {
    What::Fork { parent, child, child_ppid: parent.tgid, cgroup: 1, ns_level: 0, ns_pid: child.tgid }
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

/// The recording: tools that come and go, four events each, before the shutdown or within it.
fn make(path: &Path, events: u64, down: bool) -> io::Result<()> {
    let fail = |error| io::Error::other(format!("{error}"));
    // Some twenty bytes an event.
    let size = (events * 32).clamp(4 << 20, 1 << 30).next_multiple_of(1 << 20);
    let (storage, _) = FileStorage::create(path, size).map_err(fail)?;
    let mut writer = Writer::open(storage).map_err(fail)?;
    let session = Session {
        id: SessionId([1; 16]),
        boot_id: "boot".into(),
        hostname: "bench".into(),
        init: "sysvinit".into(),
        began: "armed".into(),
        cpus: 2,
        started: Clock { boottime_ns: S, realtime_ns: 1_800_000_000 * S, utc_offset_s: 0 },
        ..Session::default()
    };
    writer.begin(&session).map_err(fail)?;
    let mut tape = Tape { writer, time_ns: 2 * S, batch: Vec::new() };
    let (init, mongod, rc, killer) = (id(1, 0), id(800, S), id(4_100_001, 20), id(4_100_002, 30));
    let reboot = exec(id(4_100_000, 10), id(4_000_010, 5), "/sbin/reboot", "-p");
    let request = [reboot, fork(init, rc), exec(rc, init, "/etc/init.d/rc", "6")];
    tape.put(1, fork(init, mongod))?;
    tape.put(1, exec(mongod, init, "/usr/bin/mongod", "-f"))?;
    tape.time_ns += 60 * S;
    if down {
        request.iter().try_for_each(|what| tape.put(1000, what.clone()))?;
    }
    // Hours of uptime, or as much as there is of it within a minute.
    let (step_ns, parent) = if down { (5_000, rc) } else { (1_000_000, init) };
    for n in 0..events / 4 {
        let tool = id(2 + (n % 4_000_000) as u32, tape.time_ns);
        tape.put(step_ns, fork(parent, tool))?;
        tape.put(step_ns, exec(tool, parent, &format!("/usr/bin/tool{}", n % 200), "-x"))?;
        tape.put(step_ns, signal(parent, tool, 15))?;
        tape.put(step_ns, What::Exit { process: tool, status: 15, cpu_ns: 1000, peak_rss_kib: 100 })?;
    }
    if !down {
        tape.time_ns += 40 * S;
        request.iter().try_for_each(|what| tape.put(1000, what.clone()))?;
    }
    tape.time_ns += S;
    for what in [
        fork(rc, killer),
        exec(killer, rc, "/sbin/killall5", "-9"),
        signal(killer, mongod, 9),
        What::Call { process: killer, call: 1, target: -1, tgid_arg: 0, sig: 9, ret: 0 },
        What::Exit { process: mongod, status: 9, cpu_ns: 1, peak_rss_kib: 1 },
    ] {
        tape.put(1_000_000, what)?;
    }
    tape.put(500_000_000, What::Reboot { process: rc, cmd: 0x0123_4567, ns_level: 0 })?;
    tape.end()
}

/// A recording that is being written.
struct Tape {
    writer: Writer<FileStorage>,
    time_ns: u64,
    batch: Vec<(u64, What)>,
}

impl Tape {
    /// `ns` after what was last.
    fn put(&mut self, ns: u64, what: What) -> io::Result<()> {
        self.time_ns += ns;
        self.batch.push((self.time_ns, what));
        if self.batch.len() == 4096 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.append(&self.batch, &[]).map_err(|error| io::Error::other(error.to_string()))?;
        self.batch.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        let end = End { how: How::Sealed, time_ns: self.time_ns + 1, note: "umountroot".into() };
        self.writer.end(&end).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The app on a screen that nobody sees.
struct Screen {
    app: App,
    buf: Buffer,
}

impl Screen {
    fn new() -> Self {
        let hints = Hints { locale: "C.UTF-8".into(), ..Hints::default() };
        let theme = Theme::choose(&hints, None, Some(true), false);
        let area = Rect { x: 0, y: 0, width: 200, height: 60 };
        Self { app: App::new(theme, (area.width, area.height)), buf: Buffer::empty(area) }
    }

    fn paint(&mut self) {
        self.buf.reset();
        panel::paint(&self.app, self.buf.area, &mut self.buf);
    }

    /// Presses each of `keys` and draws; what is not done within a key is done in frames of its own, as the loop does it.
    fn frames(&mut self, what: &str, keys: &str) {
        let mut times: Vec<Duration> = Vec::new();
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                key => KeyCode::Char(key),
            };
            let begun = Instant::now();
            self.app.event(&Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            self.paint();
            times.push(begun.elapsed());
            while self.app.is_busy() {
                let begun = Instant::now();
                self.app.work();
                self.paint();
                times.push(begun.elapsed());
            }
        }
        times.sort();
        println!(
            "    {what:>20}: median {:6.2} ms, worst {:6.2} ms of {} frames",
            ms(times[times.len() / 2]),
            ms(times[times.len() - 1]),
            times.len()
        );
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn look(path: &Path, all: bool) -> io::Result<()> {
    let begun = Instant::now();
    let mut screen = Screen::new();
    screen.paint();
    let (tell, news) = channel();
    let gauge: Arc<Gauge> = Arc::default();
    load::load(path, if all { Wanted::All(1) } else { Wanted::Named(None) }, &gauge, &tell);
    let mut first = true;
    let how = if all { "read whole, as Z Z does" } else { "opened" };
    loop {
        match news.recv().map_err(io::Error::other)? {
            News::Loaded { model, more, .. } => {
                let (events, number) = (model.world().events, model.picked.summary.events);
                let arrived = Instant::now();
                screen.app.loaded(Arc::from(model));
                screen.paint();
                let what = if first { "first picture of the shutdown" } else { "the rest, behind it" };
                println!(
                    "  {how}: {what} after {:.0} ms ({events} of {number} events), drawn within {:.1} ms, peak {} MiB",
                    ms(begun.elapsed()),
                    ms(arrived.elapsed()),
                    peak_mib()?
                );
                first = false;
                if !more {
                    break;
                }
            }
            News::Failed(error) => return Err(io::Error::other(error.to_string())),
            _ => {}
        }
    }
    screen.frames("moving the cursor", "llllllllllhhhhh");
    screen.frames("zooming", "++++++++++++++++++++++++++++++++++");
    screen.frames("panning", "LLLLLLLLLHHHHHHHHHLLLLLLL");
    screen.frames("zooming out", "-----------------------------------------");
    screen.frames("the whole of it", "ZLHLH+-+-z");
    screen.frames("everybody unfolded", "u");
    screen.frames("scrolling", "jjjjjjjjjjjjjjjjjjjjGkkkkkkkkkkkk");
    screen.frames("searching", "/tool7\nnnnnn\u{1b}");
    screen.frames("filtering", "&signal TERM\nxz");
    println!("    peak {} MiB", peak_mib()?);
    Ok(())
}

fn peak_mib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib >> 10).ok_or_else(|| io::Error::other("no VmHWM in /proc/self/status"))
}
