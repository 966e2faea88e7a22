//! Arming and disarming.
//!
//! Invariant: before anything is created it is listed in the armed file, and the file counts only once
//! all of it is there. So a half-finished arming is cleaned up by the next one, or by `disarm`, and
//! disarming removes exactly what arming made. Recordings are never removed. Whoever arms, disarms, or ends what is armed
//! ([`clean_up`]) holds [`lock::arming`] from before he looks until he is through.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lastrites_traces::storage::{Created, FileStorage};

use crate::{
    doctor,
    error::{self, Error},
    inits::{self, Init, Layout, Promise, RealRun, Run},
    kernel, lock, machine, mounts, own,
    place::{self, Place},
    probe, record, say,
    state::{self, Armed, Made, Mode},
    status::Status,
};

mod alone;
mod disarm;
mod reach;
mod upgrade;

use alone::alone;
use disarm::unpin;
pub use disarm::{Disarmed, clean_up, disarm};
pub use reach::Reach;

/// How long the drainer may take to its first word: a slow machine with much to count needs a while.
const START: Duration = Duration::from_secs(120);
/// How long a drainer is given to leave.
const LEAVE_MS: u32 = 3000;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// None: as it is armed already, or for once.
    pub mode: Option<Mode>,
    /// Bytes of a new ring file.
    pub size: Option<u64>,
    pub settle_s: Option<u64>,
}

/// What arming did.
#[derive(Debug)]
pub struct Report {
    pub armed: Armed,
    pub promise: Promise,
    /// Things that the user should know.
    pub warnings: Vec<String>,
    /// It was armed already and only brought up to date.
    pub again: bool,
}

/// Directory of our pins; named after the layout of what is in them.
pub fn pins() -> PathBuf {
    Path::new(kernel::BPFFS).join(format!("lastrites-v{}", lastrites_traces::abi::VERSION))
}

pub fn arm(options: &Options) -> Result<Report, Error> {
    error::require_root("arming")?;
    possible()?;
    bring_about(options, None, &alone()?)
}

/// Brings what an earlier arming installed to the version of this program: the same arming, with the same
/// options and as long as before. A recorder that runs goes on unless its probe is another one. Nothing where nothing
/// is armed, or only half, and nothing where this kernel is not that of the armed machine.
pub fn refresh() -> Result<Option<Report>, Error> {
    error::require_root("bringing hooks up to date")?;
    let alone = alone()?;
    let root = Path::new("/");
    state::refuse_damaged(root)?;
    let Some(old) = state::load_complete(root) else { return Ok(None) };
    if is_elsewhere(&old) {
        say::remark(
            "nothing is brought up to date, since the kernel that runs is not that of the machine which is armed here (this is a chroot \
             or a container); the version that armed it goes on there, and `lastrites-tracer refresh` brings it up to date then",
        );
        return Ok(None);
    }
    possible()?;
    let options = Options { mode: Some(old.mode), size: None, settle_s: old.settle_s };
    bring_about(&options, Some(&old), &alone).map(Some)
}

/// Fails where arming cannot succeed, before anything is changed.
fn possible() -> Result<(), Error> {
    doctor::blocking().map_or(Ok(()), |check| Err(Error::failed(check.what, check.why, check.next)))
}

/// Whether we are not where what is armed lives: in a chroot or container, and neither its probe nor its recorder is here.
fn is_elsewhere(armed: &Armed) -> bool {
    let strange = !machine::is_root_of_pid1() || machine::refuse_container().is_err();
    strange && !armed.pins.exists() && lock::holder(Path::new(lock::RUN), &armed.ring).is_none()
}

/// Arms, or brings up to date what is armed. `same` is the arming that it is to remain.
fn bring_about(options: &Options, same: Option<&Armed>, alone: &lock::Lock) -> Result<Report, Error> {
    let root = Path::new("/");
    let run_dir = lock::run_dir()?;
    let mut run = RealRun;
    let mut warnings = Vec::new();
    state::refuse_damaged(root)?;
    let old = state::load(root);
    Reach::of(old.as_ref()).refuse_foreign(old.as_ref())?;
    if old.as_ref().is_none_or(|(_, old)| lock::holder(run_dir, &old.ring).is_none()) {
        room_to_speak(run_dir)?;
    }
    let again = match &old {
        Some((_, old)) if old.complete => true,
        Some(_) => {
            warnings.push("an earlier arming was not finished; what it left was cleaned up".to_owned());
            clean_up(root, &mut run, Reach::Machine, alone)?;
            false
        }
        None => {
            if pins().exists() {
                unpin(&pins())?;
            }
            false
        }
    };
    record::sweep();
    let before = old.as_ref().filter(|_| again);
    let armed_for = before.map(|(_, old)| old.mode);
    let settles = before.and_then(|(_, old)| old.settle_s);
    let place = choose_place(root, &mut warnings)?;
    let state_path = state_path(root, &mut warnings);
    let (init, detected) = inits::detect(root);
    let size = ring_file(&place, options.size, &mut warnings)?;
    if same.is_none() {
        let ring_bytes = fs::metadata(place.dir.join(place::RING_NAME)).map_or(0, |meta| meta.len());
        warnings.extend(place::in_memory(&place.dir));
        warnings.extend(place::slow_to_seal(&place.dir, ring_bytes));
    }
    let binary = place.dir.join(place::BINARY_NAME);
    let layout = Layout { binary: &binary, dir: &place.dir, on_root: place.on_root };
    let mut items = if state_path.ends_with(state::ARMED) { init.plan(root, &layout) } else { Vec::new() };
    let no_seal = inits::give_up_seal(root, &mut items);
    let mut armed = Armed {
        complete: false,
        mode: options.mode.or(armed_for).unwrap_or(Mode::Once),
        ring: place.dir.join(place::RING_NAME),
        binary: binary.clone(),
        pins: pins(),
        init: detected.name.into(),
        init_version: detected.version,
        boot_id: machine::boot_id(),
        armed_at_s: machine::realtime_ns() / 1_000_000_000,
        settle_s: options.settle_s.or(settles),
        made: made(root, &old, &binary, &items, size),
    };
    // Once it is armed, a failure to bring it up to date must not disarm it.
    armed.complete = again;
    if let (true, Some((old_path, old))) = (again, &old) {
        // In a later boot it is an arming of its own, for the shutdown that is still to come.
        if old.boot_id == armed.boot_id {
            armed.armed_at_s = old.armed_at_s;
        }
        if let Some(same) = same {
            (armed.boot_id, armed.armed_at_s) = (same.boot_id.clone(), same.armed_at_s);
        }
        let (new, new_path, items) = (&armed, &*state_path, &*items);
        let upgrade =
            upgrade::Upgrade { root, run_dir, old, old_path, new, new_path, init, layout: &layout, items };
        upgrade.carry_out(&mut run, &mut warnings)?;
    } else {
        armed.store(&state_path)?;
    }
    let done = set_up(root, &mut armed, &state_path, init, &layout, &items, run_dir, &mut run);
    if let Err(error) = done {
        if !again {
            send_away(run_dir, &armed.ring, LEAVE_MS);
            init.stop(&mut run);
            let _ = clean_up(root, &mut run, Reach::Machine, alone);
            init.forget(&mut run);
            if size.is_some() {
                let _ = fs::remove_file(&armed.ring);
                let _ = fs::remove_dir(&place.dir);
            }
        }
        return Err(error);
    }
    let mut promise = init.promise(&layout);
    if let Some(hook) = no_seal {
        promise.without_seal(&hook);
    }
    Ok(Report { armed, promise, warnings, again })
}

/// Everything after the armed file is there, in an order that leaves hooks harmless if it ends early.
#[expect(clippy::too_many_arguments, reason = "one story, told once")]
fn set_up(
    root: &Path,
    armed: &mut Armed,
    state_path: &Path,
    init: &dyn Init,
    layout: &Layout<'_>,
    items: &[inits::Item],
    run_dir: &Path,
    run: &mut dyn Run,
) -> Result<(), Error> {
    copy_binary(&armed.binary)?;
    inits::install(root, items, run)?;
    init.reload(run)?;
    if probe::load_report(&armed.pins).is_err() && !send_away(run_dir, &armed.ring, LEAVE_MS) {
        let why = "the probe is gone, and the recorder that had read it is still busy writing; it leaves when that is done";
        return Err(Error::failed("arming", why, "arm again when the disk is less busy"));
    }
    kernel::ensure_loaded(&armed.pins)?;
    armed.complete = true;
    armed.store(state_path)?;
    if lock::holder(run_dir, &armed.ring).is_none() {
        Status::silence(run_dir);
        if items.is_empty() {
            // Nothing was installed that the init could start.
            inits::start_detached(layout, run)?;
        } else {
            init.start(layout, run)?;
        }
    }
    wait_for_drainer(run_dir, &armed.ring)
}

/// Sends the recorder of `ring` away, also where that file is no longer where it was, so that nobody knows the lock. True when it
/// has ended.
fn send_away(run_dir: &Path, ring: &Path, wait_ms: u32) -> bool {
    let told = |status: Status| status.ring != ring || lock::dismiss_recorder(status.pid, wait_ms);
    lock::dismiss(run_dir, ring, wait_ms) && Status::load(run_dir).is_none_or(told)
}

/// What arming makes, in order of creation, and what an earlier arming made.
fn made(
    root: &Path,
    old: &Option<(PathBuf, Armed)>,
    binary: &Path,
    items: &[inits::Item],
    new_ring: Option<u64>,
) -> Vec<Made> {
    let mut made = old.as_ref().map_or_else(Vec::new, |(_, old)| old.made.clone());
    let mut new = Vec::new();
    if new_ring.is_some()
        && let Some(dir) = binary.parent()
    {
        new.push(Made::Dir(dir.to_owned()));
    }
    new.push(Made::File(binary.to_owned()));
    if !mounts::is_bpffs(Path::new(kernel::BPFFS)) {
        new.push(Made::Mount(kernel::BPFFS.into()));
    }
    new.extend(inits::listing(root, items));
    for entry in new {
        if !made.contains(&entry) {
            made.push(entry);
        }
    }
    made
}

fn choose_place(root: &Path, warnings: &mut Vec<String>) -> Result<Place, Error> {
    let place = place::choose(root)
        .map_err(|e| Error::file(root, "look for a place for the ring file", e, "see `lastrites doctor`"))?;
    if !place.on_root {
        warnings.push(format!(
            "{} is not on the root file system, and / is read-only: what happens after it is unmounted will be lost",
            place.dir.display()
        ));
    }
    warnings.extend(place::unreserved(&place.dir));
    let fstab = fs::read_to_string(root.join("etc/fstab")).unwrap_or_default();
    if place.on_root && mounts::wants_root_read_only(&fstab) {
        warnings.push(
            "fstab(5) mounts / read-only: the shutdown of this boot is recorded to its end if / stays writable until then, but of a \
             boot in which / is never writable nothing is, for nobody makes it writable then"
                .to_owned(),
        );
    }
    Ok(place)
}

/// Where the armed file goes: /run when /etc cannot be written, and then only until the next boot.
fn state_path(root: &Path, warnings: &mut Vec<String>) -> PathBuf {
    let path = root.join(state::ARMED);
    if own::is_read_only(&root.join("etc")) {
        warnings.push(
            "/etc is read-only, so no hooks can be installed: only what happens until the recorder is killed will be \
             recorded, and not the next boot; to get all of it, run `mount -o remount,rw /`, arm, and remount it read-only"
                .to_owned(),
        );
        return root.join(state::ARMED_VOLATILE);
    }
    path
}

/// What is written in /run for a moment, to see whether there is room.
const ROOM: &str = "room";

/// What the recorder says of itself is in /run, and whoever arms waits for that.
fn room_to_speak(run_dir: &Path) -> Result<(), Error> {
    let at = run_dir.join(ROOM);
    let written = fs::write(&at, [0; 4096]);
    let _ = fs::remove_file(&at);
    written.map_err(|e| Error::file(run_dir, "write into it", e, "make room there, then arm again"))
}

/// Makes sure of the ring file. Its size if it is new.
fn ring_file(place: &Place, asked: Option<u64>, warnings: &mut Vec<String>) -> Result<Option<u64>, Error> {
    let ring = place.dir.join(place::RING_NAME);
    let size = asked.unwrap_or(place::RING_SIZE);
    let ring_bytes = if ring.exists() { 0 } else { size };
    place::check_room(&place.dir, ring_bytes, room_for_copy(&place.dir.join(place::BINARY_NAME)))?;
    place::make_dir(&place.dir)?;
    let next = "move it away, or make its file system writable, then arm again";
    let (_, created) =
        FileStorage::create(&ring, size).map_err(|e| Error::failed(ring.display().to_string(), e, next))?;
    place::restrict(&ring, 0o600).map_err(|e| Error::file(&ring, "restrict who may read it", e, next))?;
    match created {
        Created::New => Ok(Some(size)),
        Created::Existing { size: there } => {
            if asked.is_some_and(|asked| asked != there) {
                warnings.push(format!(
                    "{} has {} MiB and keeps them, since it holds recordings; for another size, move it away and arm again",
                    ring.display(),
                    there >> 20
                ));
            }
            Ok(None)
        }
    }
}

fn own_program() -> io::Result<Vec<u8>> {
    let mut program = Vec::new();
    fs::File::open("/proc/self/exe")?.read_to_end(&mut program)?;
    Ok(program)
}

/// Bytes that a copy of this program at `to` takes, beside the one that is there until then.
fn room_for_copy(to: &Path) -> u64 {
    let program = own_program().unwrap_or_default();
    if fs::read(to).is_ok_and(|there| there == program) { 0 } else { program.len() as u64 }
}

/// Copies this program to where the hooks expect it.
fn copy_binary(to: &Path) -> Result<(), Error> {
    let copy = || -> io::Result<()> {
        let program = own_program()?;
        if fs::read(to).is_ok_and(|there| there == program) {
            return Ok(());
        }
        own::write(to, 0o700, &program)
    };
    copy().map_err(|e| Error::file(to, "copy this program there", e, "make room there, then arm again"))
}

/// Waits until the drainer says that it records.
fn wait_for_drainer(run_dir: &Path, ring: &Path) -> Result<(), Error> {
    let begin = Instant::now();
    let mut why = "it did not say a word".to_owned();
    while begin.elapsed() < START {
        if let Some(status) = Status::load(run_dir) {
            match status.phase.as_str() {
                "recording" if lock::holder(run_dir, ring).is_some() => return Ok(()),
                "stopped" => {
                    why = status.problem;
                    break;
                }
                _ => {}
            }
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Err(Error::failed("starting the recorder", why, "see `lastrites doctor`"))
}
