//! The drainer: a process that moves events from the kernel to the ring file until it is told to stop.
//!
//! Invariant: nothing waits for it. It holds no file open except its lock in /run, has / as its working
//! directory, answers SIGTERM with one last batch, and whatever fails, the kernel goes on recording.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use lastrites_traces::{
    event::What,
    ring::Writer,
    session::{How, Layer, Session},
    storage::FileStorage,
};
use tokio::time::Instant;

use crate::{
    arm, census,
    error::{self, Error},
    inits,
    kernel::{self, Kernel},
    lock, machine, place,
    recorder::{NO_SEAL_KEY, Patience, Recorder, Rings as _},
    say,
    settle::Settled,
    state::{self, Armed},
    status::Status,
};

mod drain;
mod pins;

use drain::Loop;

pub use pins::{leftovers, sweep};

/// How long a drainer that is told to leave goes on writing: what it leaves behind, the seal finds.
const LAST_MOST: Duration = Duration::from_millis(50);

/// Records for what is armed. At a boot (`boot`), being not armed is no error, and what is one goes to the console where nobody
/// reads standard error.
pub fn service(boot: bool, detach: bool) -> Result<(), Error> {
    let done = serve(boot, detach);
    if let (true, Err(error)) = (boot && say::is_unheard(), &done) {
        machine::say_on_console(&error.to_string());
    }
    done
}

fn serve(boot: bool, detach: bool) -> Result<(), Error> {
    error::require_root("recording")?;
    machine::refuse_container()?;
    if machine::is_capture_kernel(Path::new("/")) {
        let why = "this kernel was started by kdump to write down the memory of another one, and needs all that it has";
        let refused = Error::failed("recording", why, "the next boot is recorded as usual");
        return if boot { Ok(()) } else { Err(refused) };
    }
    state::refuse_damaged(Path::new("/"))?;
    let Some(armed) = state::load_complete(Path::new("/")) else {
        return if boot { Ok(()) } else { Err(Error::NotArmed) };
    };
    if detach {
        return detached(&armed.binary);
    }
    let run = lock::run_dir()?;
    // There was one in this boot already, which was killed: whoever starts it again does not mean the end of a shutdown.
    if boot && Status::is_left_in(run) && inits::by_name(&armed.init).is_stopping(&mut inits::RealRun) {
        return Ok(());
    }
    let _lock = lock::take(run, &armed.ring)?;
    let mut status = Status {
        pid: std::process::id(),
        ring: armed.ring.clone(),
        since_ns: machine::realtime_ns(),
        phase: "starting".into(),
        // Until it has written itself.
        read_only: Status::load(run).is_some_and(|before| before.read_only && before.ring == armed.ring),
        ..Status::default()
    };
    let done = adopt(&armed, &mut status).and_then(|recorder| drain(recorder, Purpose::Armed(&armed)));
    if let Err(error) = &done {
        // What it said last counts for the seal.
        let mut last = Status::load(run).filter(|last| last.pid == status.pid).unwrap_or(status);
        last.phase = "stopped".into();
        last.problem = error.to_string();
        let _ = last.store(run);
    }
    done
}

/// Starts the same again, as a process that belongs to nobody.
fn detached(binary: &Path) -> Result<(), Error> {
    // By its path, so that it has its name in every list of processes.
    let mut command = Command::new(binary);
    command.args(["record", "--boot"]).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Whoever armed may hold a lock, a pipe that somebody reads to its end, or a file on what is to be unmounted; and what is
    // secret in his environment must not stay in /proc for days.
    close_on_exec();
    command.env_clear().env("PATH", inits::PATH).envs(env::var_os("TZ").map(|zone| ("TZ", zone)));
    // SAFETY: setsid is async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into));
    }
    command.spawn().map(|_| ()).map_err(|e| {
        Error::failed("starting the recorder in the background", e, "free some memory and run it again")
    })
}

/// Lets a program that this process executes have no file of those that it has itself, but for the first three.
fn close_on_exec() {
    // Not close_range(2): kernel 5.10 does not know its CLOSE_RANGE_CLOEXEC.
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<i32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in numbers.into_iter().filter(|fd| *fd > 2) {
        // SAFETY: touches no memory; one that is closed by now is refused.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Opens or loads the probe, and goes on with the newest session or begins one.
fn adopt(armed: &Armed, status: &mut Status) -> Result<Recorder<Kernel>, Error> {
    let run = Path::new(lock::RUN);
    let same_boot = armed.boot_id == machine::boot_id();
    let before_load = machine::clock();
    let before = census::take().unwrap_or_default();
    kernel::ensure_loaded(&armed.pins)?;
    let kernel = Kernel::open(&armed.pins)?;
    status.attached_ns = machine::boottime_ns();
    let previous = Status::load(run);
    if let Ok(writer) = Writer::open(FileStorage::new(&armed.ring))
        && let Some(found) = writer.resume()
        && found.end.is_none()
        && kernel::belongs(&found.session, &armed.pins)
    {
        status.session = found.session.id.to_string();
        status.lost = found.lost;
        if let Some(mut previous) = previous.filter(|previous| previous.session == status.session) {
            let killed = !previous.reporting.is_empty();
            previous.settle(found.next_number);
            status.reported = previous.reported;
            if killed {
                // Before the recording grows: what is not on it now must not seem to be, should this one be killed as well.
                let _ = status.store(run);
            }
        }
        return Ok(Recorder::resume(kernel, &armed.ring, writer, &found, status.clone()));
    }
    let mut session = machine::session();
    session.started = kernel::loaded_at(&armed.pins, before_load);
    session.began = if same_boot { "armed" } else { "boot" }.into();
    session.mode = armed.mode.name().into();
    session.init.clone_from(&armed.init);
    session.init_version.clone_from(&armed.init_version);
    kernel::describe(&mut session, &armed.pins);
    if !armed.has_seal(Path::new("/")) {
        session.extra.push((NO_SEAL_KEY.into(), "no".into()));
    }
    session.extra.extend(inits::by_name(&armed.init).settings(Path::new("/")));
    Ok(begin(kernel, &armed.ring, session, status, before))
}

/// A new session, with its census.
///
/// `before` is a census taken before the probe was loaded: it knows those who went before the other one.
fn begin(
    kernel: Kernel,
    ring: &Path,
    mut session: Session,
    status: &mut Status,
    before: Vec<What>,
) -> Recorder<Kernel> {
    session.cpus = u32::try_from(kernel.heads().len()).unwrap_or(0);
    status.session = session.id.to_string();
    let now_ns = machine::boottime_ns();
    let census = census::take();
    let mut recorder = Recorder::new(kernel, ring, session, status.clone());
    match census {
        Ok(census) => recorder.add(census::merge(before, census, now_ns)),
        Err(error) => recorder.status.problem = format!("census: cannot read /proc: {error}"),
    }
    recorder
}

/// Records into `output` until stopped, with a probe of its own: for tests, benches and the demo.
pub fn foreground(output: &Path, size: u64, without: &[String]) -> Result<(), Error> {
    error::require_root("recording")?;
    machine::refuse_container()?;
    let run = lock::run_dir()?;
    let output = std::path::absolute(output)
        .map_err(|e| Error::file(output, "find its directory", e, "give an absolute path"))?;
    FileStorage::create(&output, size)
        .map_err(|e| Error::failed("opening the ring file", e, "give another file with --output"))?;
    let _lock = lock::take(run, &output)?;
    sweep();
    let private = pins::Private::new();
    let before_load = machine::clock();
    let before = census::take().unwrap_or_default();
    kernel::load(&private.0, without)?;
    let kernel = Kernel::open(&private.0)?;
    let mut status = Status {
        pid: std::process::id(),
        ring: output.clone(),
        attached_ns: machine::boottime_ns(),
        since_ns: machine::realtime_ns(),
        ..Status::default()
    };
    let mut session = machine::session();
    session.started = before_load;
    session.began = "record".into();
    let (init, detected) = inits::detect(Path::new("/"));
    session.init = detected.name.into();
    session.init_version = detected.version;
    kernel::describe(&mut session, &private.0);
    session.extra.extend(init.settings(Path::new("/")));
    let recorder = begin(kernel, &output, session, &mut status, before);
    drain(recorder, Purpose::Foreground)
}

/// What it records for.
#[derive(Clone, Copy)]
enum Purpose<'a> {
    Armed(&'a Armed),
    Foreground,
}

/// Why draining ended.
enum Stop {
    Signal,
    /// Nobody arms or disarms as long as this is held.
    Settled(Settled, lock::Lock),
    /// The probe is gone, and all that it had recorded is written.
    Lost,
}

fn drain(mut recorder: Recorder<Kernel>, purpose: Purpose<'_>) -> Result<(), Error> {
    let _ = env::set_current_dir("/");
    unblock_signals();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::failed("starting the recorder", e, "see `lastrites doctor`"))?;
    if let Purpose::Armed(_) = purpose {
        recorder.run = Some(lock::RUN.into());
    }
    let began_ns = recorder.status.attached_ns;
    let mut draining = Loop::new(&mut recorder, purpose);
    let stop = runtime.block_on(draining.run())?;
    let seen_ns = draining.seen_ns;
    drop(runtime);
    leave(recorder, purpose, [began_ns, seen_ns], &stop)
}

/// Whoever started us may have blocked signals, and a drainer that cannot be told to leave would keep a
/// shutdown waiting.
fn unblock_signals() {
    // SAFETY: all-zero is a valid, empty sigset_t; it lives through the call.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Lets SIGTERM and SIGINT end this process at once.
fn default_signals() {
    for sig in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: no handler of ours is waited for any more.
        unsafe { libc::signal(sig, libc::SIG_DFL) };
    }
}

/// The last batch, and what it was. The probe was there from the first of the two times to the second, and maybe longer.
fn leave(
    mut recorder: Recorder<Kernel>,
    purpose: Purpose<'_>,
    [began_ns, seen_ns]: [u64; 2],
    stop: &Stop,
) -> Result<(), Error> {
    // Whoever loads it anew sends us away, and what is not written then nobody finds.
    let lost = !recorder.rings().is_attached();
    let fail = |e: lastrites_traces::Error| {
        let kept =
            if lost { "the kernel keeps nothing without the probe" } else { "the kernel keeps the newest" };
        Error::failed("writing the last events", e, kept)
    };
    // The kernel goes on recording: what is unfinished now, the seal will find.
    let comes_again = !lost && matches!((purpose, stop), (Purpose::Armed(_), Stop::Signal));
    if let Stop::Settled(..) = stop {
        // What follows runs other people's programs. Whoever wants us gone meanwhile is not kept waiting:
        // the armed file is the last to go, so the next `disarm` finishes what this one began.
        default_signals();
    }
    let mut done = if comes_again { drain_on(&mut recorder) } else { recorder.drain_rest() };
    // Whoever disarms does not wait long for one who is busy with the disk.
    let root = Path::new("/");
    let disarmed = lost
        && matches!(purpose, Purpose::Armed(_))
        && state::refuse_damaged(root).is_ok()
        && state::load(root).is_none();
    if done.is_ok() {
        done = match (purpose, stop) {
            _ if disarmed => recorder
                .cover_until(began_ns, seen_ns, Layer::Drainer, "until it was disarmed")
                .and_then(|()| recorder.end(How::Disarmed, "disarmed")),
            _ if lost => recorder
                .cover_until(began_ns, seen_ns, Layer::Drainer, "until its probe was gone")
                .and_then(|()| recorder.end(How::Stopped, LOST)),
            (Purpose::Armed(_), Stop::Signal) => {
                recorder.cover(began_ns, Layer::Drainer, "until it was told to stop")
            }
            (Purpose::Armed(_), Stop::Settled(why, _)) => {
                let note = settled_note(*why);
                recorder
                    .cover(began_ns, Layer::Drainer, note)
                    .and_then(|()| recorder.end(How::Disarmed, note))
            }
            (Purpose::Foreground, _) | (_, Stop::Lost) => recorder
                .cover(began_ns, Layer::Drainer, "until it was told to stop")
                .and_then(|()| recorder.end(How::Stopped, "stopped by its owner")),
        };
    }
    if disarmed {
        // It may have been stored anew since.
        let _ = fs::remove_file(Status::path(Path::new(lock::RUN)));
    } else if let Purpose::Armed(_) = purpose {
        recorder.status.phase = "stopped".into();
        let _ = recorder.status.store(Path::new(lock::RUN));
    }
    drop(recorder);
    if let (Purpose::Armed(_), Stop::Settled(_, alone)) = (purpose, stop) {
        arm::clean_up(root, &mut inits::RealRun, arm::Reach::Machine, alone)?;
    }
    let done = done.map_err(fail);
    if disarmed {
        // Nobody is there any more whose status that would be.
        if let Err(error) = done {
            say::error_of_service(&error.to_string());
        }
        return Ok(());
    }
    done?;
    if let Stop::Lost = stop {
        let next = "see who does that (`bpftool`, `umount`), then arm again";
        return Err(Error::failed("recording", LOST, next));
    }
    Ok(())
}

/// What can be taken in a moment.
fn drain_on(recorder: &mut Recorder<Kernel>) -> Result<(), lastrites_traces::Error> {
    let until = Instant::now() + LAST_MOST;
    while recorder.drain(Patience::Later)?.more && Instant::now() < until {}
    Ok(())
}

const LOST: &str = "the probe was gone: what is pinned in /sys/fs/bpf was removed, or that was unmounted";

fn settled_note(why: Settled) -> &'static str {
    match why {
        Settled::Quiet => "the boot has settled; armed once, so recording ended",
        Settled::TookLong => "the boot has taken long enough; armed once, so recording ended",
    }
}

/// Size for a new ring file: as asked for, or the usual one.
pub fn size_or_default(size: Option<u64>) -> u64 {
    size.unwrap_or(place::RING_SIZE)
}
