//! `lastrites demo`: a miniature runlevel 6, staged in namespaces of its own, recorded with the real
//! probe through a real ring file, and shown.
//!
//! Invariant: whatever happens nothing of it stays but the recording that it names: its processes end with their pid
//! namespace, its mounts with their mount namespace, its files with a temporary directory, and the recorder with us.
//! What is said about the recording comes from the recording.

mod inside;
mod machine;
mod roles;
mod signals;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use lastrites_traces::reader::Trace;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, set_parent_process_death_signal};

use crate::{
    about,
    error::Error,
    explain, locate,
    output::{Output, Palette},
    tracer,
};

/// Set for everything that is staged: the directory of the demonstration.
const DIR: &str = "LASTRITES_DEMO";
/// The pid namespace in which the demonstration was started, as /proc names it.
const OUTER: &str = "LASTRITES_DEMO_OUTER";
/// The first boot ends in runlevel 6; the next one shows what came of it.
const ACTS: [&str; 2] = ["boot-and-runlevel-6", "next-boot"];

/// Loading the probe takes a second or two; a loaded machine more.
const READY_MAX: Duration = Duration::from_secs(120);
const ACT_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);
/// So often what grows is written for those who follow it.
const FOLLOWED: Duration = Duration::from_millis(500);

const SAMPLE: &[u8] = include_bytes!("../../traces/samples/sysvinit-respawn.lrt");

/// Plays a role, when this process was started as one.
pub fn role() -> Option<ExitCode> {
    let dir = std::env::var_os(DIR)?;
    let name = std::env::args_os().next()?;
    roles::play(Path::new(&name).file_name().and_then(OsStr::to_str)?, Path::new(&dir))
}

/// The command.
pub fn run(bundled: bool, palette: Palette) -> Result<u8, Error> {
    let why = if bundled {
        "as asked".to_owned()
    } else {
        match staged(palette) {
            Ok(()) => return Ok(0),
            Err(Refused::Cannot(why)) => why,
            Err(Refused::Failed(error)) => return Err(error),
        }
    };
    show_bundled(&why, palette)
}

/// Why nothing was staged.
enum Refused {
    /// Not on this machine, or not by this user.
    Cannot(String),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "demo: {text}");
}

fn staged(palette: Palette) -> Result<(), Refused> {
    // Before anything else: as root there may be no cargo to build it.
    let built = build_tracer();
    if !rustix::process::geteuid().is_root() {
        let but = built.err().map(|error| format!("{error}; ")).unwrap_or_default();
        let how = format!("{but}to record here: sudo {} demo", command());
        return Err(Refused::Cannot(format!("the probe and the namespaces need root ({how})")));
    }
    built?;
    let tracer = tracer::find().map_err(|e| Refused::Cannot(e.to_string()))?;
    let signals = signals::Signals::watch(&[libc::SIGINT, libc::SIGTERM]);
    let dir = tempfile::Builder::new()
        .prefix("lastrites-demo-")
        .tempdir()
        .map_err(|e| Error::failed("a temporary directory", e, "make room in /tmp, or set TMPDIR"))?;
    let ring = dir.path().join("demo.lrt");
    prepare(dir.path())?;
    say("attaching the probe");
    let mut recorder = Recorder::start(&tracer, &ring, signals)?;
    let follower = Follower::start(machine::Recording::beside(dir.path())?, ring.clone())?;
    // It grows while it is staged, and stays: whoever comes late sees how it went. The name cannot be guessed.
    let name = follower.path.display();
    say(&format!("to watch it, in another terminal: {} view --live --recording 1 {name}", command()));
    for act in ACTS {
        say(match act {
            "next-boot" => "the next boot",
            _ => "a machine in miniature boots, then enters runlevel 6",
        });
        play(dir.path(), act, signals)?;
    }
    recorder.stop()?;
    let recording = follower.finish()?;
    let trace = locate::open(&ring)?;
    tell(&trace, dir.path(), recording, palette)?;
    Ok(())
}

/// Under `cargo run` only this program is built: the recorder is built here, or found up to date.
fn build_tracer() -> Result<(), Error> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let exe = std::env::current_exe()
        .map_err(|e| Error::failed("this program's own path", e, "run it from where it was built"))?;
    let (Some(profile_dir), Some(manifest)) = (exe.parent(), std::env::var_os("CARGO_MANIFEST_DIR")) else {
        return Ok(());
    };
    let (Some(target), Some(profile)) = (profile_dir.parent(), profile_dir.file_name()) else {
        return Ok(());
    };
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    say("making sure that lastrites-tracer is built");
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", tracer::NAME, "--profile"])
        .arg(profile)
        .arg("--target-dir")
        .arg(target)
        .current_dir(manifest)
        .stdin(Stdio::null())
        .status()
        .map_err(|e| Error::failed("building lastrites-tracer", e, "build it: cargo build --release"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::failed("building lastrites-tracer", status, "see cargo's messages above"))
}

/// The names under which this program plays its roles, and what stands for a disk.
fn prepare(dir: &Path) -> Result<(), Error> {
    let make = || {
        let exe = std::env::current_exe()?;
        for sub in ["bin", "run", "disk"] {
            fs::create_dir(dir.join(sub))?;
        }
        roles::NAMES.iter().try_for_each(|name| symlink(&exe, dir.join("bin").join(name)))
    };
    make()
        .map_err(|e: std::io::Error| Error::failed(dir.display().to_string(), e, "make room, or set TMPDIR"))
}

/// One life of the miniature machine, from its first process to its last.
fn play(dir: &Path, act: &str, signals: signals::Signals) -> Result<(), Error> {
    let what = "the staged machine";
    let outer = fs::read_link("/proc/self/ns/pid")
        .map_err(|e| Error::failed(what, e, "mount /proc: the demonstration needs it"))?;
    let mut child = Command::new(dir.join("bin/stage"))
        .arg(act)
        .env(DIR, dir)
        .env(OUTER, outer)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| Error::failed(what, e, "try again"))?;
    let ended = wait(&mut child, ACT_MAX, signals);
    if ended.is_err() {
        // Its namespace goes down with it.
        let _ = child.kill();
        let _ = child.wait();
    }
    match ended? {
        status if status.success() => Ok(()),
        status => {
            Err(Error::failed(what, status, "its messages are above; does this machine allow namespaces?"))
        }
    }
}

/// Waits for `child`, at most so long, and not when somebody wants us to stop.
fn wait(child: &mut Child, most: Duration, signals: signals::Signals) -> Result<ExitStatus, Error> {
    let what = format!("process {}", child.id());
    let fail = |why: &str| Error::failed(what.clone(), why, "everything of the demonstration was cleaned up");
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).map_err(|e| fail(&e.to_string()))?;
    let ready = signals.wait(Some(&pidfd), Some(most));
    if ready {
        return child.wait().map_err(|e| fail(&e.to_string()));
    }
    Err(fail(if interrupted(signals) { "interrupted" } else { "it did not end in time" }))
}

fn interrupted(signals: signals::Signals) -> bool {
    signals.seen(libc::SIGINT) || signals.seen(libc::SIGTERM)
}

/// `lastrites-tracer record`, for as long as this lives.
struct Recorder {
    child: Child,
    signals: signals::Signals,
    running: bool,
}

impl Recorder {
    /// Starts it, and returns once the probe is attached.
    fn start(tracer: &Path, ring: &Path, signals: signals::Signals) -> Result<Self, Refused> {
        let mut command = Command::new(tracer);
        command.args(["record", "--size", "16M", "--output"]).arg(ring);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Control-C is for us: we stop it in our own time. Killed, we cannot: then the kernel tells it.
        command.process_group(0);
        // SAFETY: prctl is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
        }
        let child =
            command.spawn().map_err(|e| Error::failed(tracer.display().to_string(), e, "build it anew"))?;
        let mut recorder = Self { child, signals, running: true };
        let stderr = recorder.child.stderr.take();
        let (tell, told) = mpsc::channel();
        // Reads to the end, so that the recorder never waits for a reader.
        std::thread::spawn(move || {
            for line in stderr.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).map_while(Result::ok)
            {
                let _ = tell.send(line);
            }
        });
        let mut said = Vec::new();
        let until = Instant::now() + READY_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match told.recv_timeout(left.min(Duration::from_millis(200))) {
                Ok(line) if line.trim() == "ready" => return Ok(recorder),
                Ok(line) => said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let why = if said.is_empty() { "it said nothing".to_owned() } else { said.join(" ") };
                    return Err(Refused::Cannot(format!("the recorder could not start: {why}")));
                }
                Err(mpsc::RecvTimeoutError::Timeout) if left.is_zero() => {
                    let why = "the recorder was not ready in time";
                    return Err(Refused::Cannot(format!("{why}: {}", said.join(" "))));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    signals.look();
                    if interrupted(signals) {
                        let next = "everything of the demonstration was cleaned up";
                        return Err(Error::failed("the demonstration", "interrupted", next).into());
                    }
                }
            }
        }
    }

    /// Lets it write the rest, and go.
    fn stop(&mut self) -> Result<(), Error> {
        if !self.running {
            return Ok(());
        }
        self.running = false;
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + STOP_MAX;
        // Impatience (another Control-C) must not leave pins behind.
        let ended = loop {
            let ended = wait(&mut self.child, until.saturating_duration_since(Instant::now()), self.signals);
            if ended.is_ok() || Instant::now() >= until {
                break ended;
            }
        };
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        match ended? {
            status if status.success() => Ok(()),
            status => Err(Error::failed("the recorder", status, "see `lastrites doctor`")),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            say(&error.to_string());
        }
    }
}

/// Writes the recording anew again and again while it grows.
struct Follower {
    path: PathBuf,
    /// Dropped, it is to end.
    going: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<machine::Recording>>,
}

impl Follower {
    fn start(mut recording: machine::Recording, ring: PathBuf) -> Result<Self, Error> {
        let path = recording.path().to_owned();
        let again = move |recording: &mut machine::Recording| {
            let trace = locate::open(&ring)?;
            let Some(summary) = trace.sessions().last() else { return Err(Error::empty(&ring, true)) };
            recording.write(&trace, summary, false).map(drop)
        };
        again(&mut recording)?;
        let (going, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while told.recv_timeout(FOLLOWED) == Err(mpsc::RecvTimeoutError::Timeout) {
                // What cannot be read this time can be the next, and in the end it is told.
                let _ = again(&mut recording);
            }
            recording
        });
        Ok(Self { path, going: Some(going), thread: Some(thread) })
    }

    fn finish(mut self) -> Result<machine::Recording, Error> {
        self.going = None;
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        ended.ok_or_else(|| {
            Error::failed("the recording", "writing it failed inside lastrites", "please report it")
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.going = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What was recorded, as `explain` tells it, and how to look at it.
fn tell(trace: &Trace, dir: &Path, mut recording: machine::Recording, palette: Palette) -> Result<(), Error> {
    let Some(summary) = trace.sessions().last() else {
        return Err(Error::empty(dir, true));
    };
    let boots = recording.write(trace, summary, true)?;
    if boots < ACTS.len() {
        let why = format!("only {boots} of its {} boots were recorded", ACTS.len());
        return Err(Error::failed("the staged machine", why, "see `lastrites doctor`, and try again"));
    }
    let path = recording.keep()?;
    explain(&path, palette)?;
    say("that was the first boot's shutdown, in a machine of a few processes whose init restarts what dies");
    say_what_next("recorded in", &path);
    Ok(())
}

/// How to look at what stays.
fn say_what_next(it_is: &str, path: &Path) {
    let (name, how) = (path.display(), command());
    say(&format!("{it_is} {name}:"));
    for (words, what) in [
        ("view", "the same on a time axis"),
        ("show --recording 1", "every event"),
        ("report", "for a bug tracker"),
    ] {
        say(&format!("  {how} {words} {name}  # {what}"));
    }
    say(&format!("  rm {name}  # nothing else of it stays"));
}

/// How to call this program from here, also behind sudo(8), which has a PATH of its own without any cargo.
fn command() -> String {
    let exe = std::env::current_exe().unwrap_or_else(|_| "lastrites".into());
    named(&exe, std::env::current_dir().ok().as_deref())
}

/// By its name alone where everybody's PATH has it, else by a path.
fn named(exe: &Path, here: Option<&Path>) -> String {
    const ON_EVERY_PATH: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    if exe.parent().is_some_and(|dir| ON_EVERY_PATH.iter().any(|known| dir == Path::new(known))) {
        return exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    let inside =
        here.and_then(|here| exe.strip_prefix(here).ok()).filter(|path| path.components().count() > 1);
    inside.unwrap_or(exe).display().to_string()
}

/// The story of the first recording of a file.
fn explain(path: &Path, palette: Palette) -> Result<(), Error> {
    let trace = locate::open(path)?;
    let picked = explain::pick::read_watched(&trace, path, 1, &mut |_| Ok(()))?;
    let ending = about::Ending::of(&picked.summary, false, None);
    let wanted = explain::Wanted::default();
    let (text, _) = explain::tell(&picked, ending, &wanted, explain::columns(), palette)?;
    let mut out = Output::stdout();
    out.write_all(text.as_bytes())?;
    out.finish()
}

fn show_bundled(why: &str, palette: Palette) -> Result<u8, Error> {
    say(&format!("not recording: {why}"));
    say("this is the recording of a real machine with the same story instead");
    let no_room =
        |e: std::io::Error| Error::failed("a temporary file", e, "make room in /tmp, or set TMPDIR");
    let mut file =
        tempfile::Builder::new().prefix("lastrites-demo-").suffix(".lrt").tempfile().map_err(no_room)?;
    file.write_all(SAMPLE).map_err(no_room)?;
    file.flush().map_err(no_room)?;
    explain(file.path(), palette)?;
    let (_, path) = file.keep().map_err(|e| no_room(e.error))?;
    say_what_next("it stays in", &path);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_named_can_be_typed_here_and_behind_sudo() {
        let named = |exe: &str, here: &str| named(Path::new(exe), Some(Path::new(here)));
        assert_eq!(named("/usr/bin/lastrites", "/root"), "lastrites");
        assert_eq!(named("/src/target/release/lastrites", "/src"), "target/release/lastrites");
        assert_eq!(
            named("/src/target/release/lastrites", "/src/target/release"),
            "/src/target/release/lastrites"
        );
        assert_eq!(named("/home/x/.local/bin/lastrites", "/"), "home/x/.local/bin/lastrites");
    }
}
