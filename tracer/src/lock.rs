//! One recorder per ring file, and one who arms or disarms.
//!
//! Invariant: who holds the lock holds an flock(2) on a file in /run named after the ring file's
//! device and inode, so it is gone the moment its holder is, and two names of one file are one. The
//! lock's file says who: pid, when that process started, and since when it records. Where /run had no room for that, the kernel
//! says who: the lock is what counts.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::{error::Error, machine, own};

/// Where everything short-lived of ours is.
pub const RUN: &str = "/run/lastrites";

/// Makes sure of [`RUN`].
pub fn run_dir() -> Result<&'static Path, Error> {
    let path = Path::new(RUN);
    own::make_dirs(path)
        .map_err(|e| Error::file(path, "create it", e, "check that /run is mounted and writable"))?;
    match own::distrust(path) {
        Some(why) => {
            let next = "see what is in it, remove it, and run this again";
            Err(Error::failed(path.display().to_string(), why, next))
        }
        None => Ok(path),
    }
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// Its start in clock ticks since boot, as in /proc/PID/stat: a pid alone is no identity.
    pub start_ticks: u64,
    /// Since when, for people.
    pub since: String,
}

impl Holder {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim_end().splitn(3, ' ');
        Some(Self {
            pid: words.next()?.parse().ok()?,
            start_ticks: words.next()?.parse().ok()?,
            since: words.next()?.to_owned(),
        })
    }
}

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    /// Nothing of it stays. Who opened the file just before locks a file without a name, and finds out
    /// in [`attempt`].
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
        if let Some(run) = self.path.parent() {
            // Only when nothing else is in it.
            let _ = fs::remove_dir(run);
        }
    }
}

/// Times that a lock is tried for.
const LOOKS: u32 = 40;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What the lock of a ring file is called, before its device and inode.
const LOCK: &str = "lock-";

/// The lock of [`arming`].
const ARMING: &str = "arming";

fn path_for(run: &Path, ring: &Path) -> io::Result<PathBuf> {
    let meta = fs::metadata(ring)?;
    Ok(run.join(format!("{LOCK}{:x}-{:x}", meta.dev(), meta.ino())))
}

/// When process `pid` started, in clock ticks since boot.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Takes the lock of `ring`, or says who has it.
pub fn take(run: &Path, ring: &Path) -> Result<Lock, Error> {
    let path = path_for(run, ring)
        .map_err(|e| Error::file(ring, "find the ring file", e, "arm first, or give --output"))?;
    let mut tries = 0;
    loop {
        match attempt(&path) {
            Ok(Ok(lock)) => return Ok(lock),
            // Somebody who only looks who holds it has it for a moment.
            Ok(Err(_)) if tries < LOOKS => tries += 1,
            Ok(Err(mut file)) => {
                let Holder { pid, since, .. } = read(&mut file);
                return Err(Error::Held { path: ring.to_owned(), pid, since });
            }
            // The last one has removed the directory just now.
            Err(e) if e.kind() == io::ErrorKind::NotFound && tries < LOOKS => {
                tries += 1;
                own::make_dirs(run)
                    .map_err(|e| Error::file(run, "create it", e, "check that /run is writable"))?;
            }
            Err(e) => return Err(Error::file(&path, "lock it", e, "check that /run is writable")),
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// Takes the lock that is called `path`; if somebody else has it, the file that says who.
fn attempt(path: &Path) -> io::Result<Result<Lock, File>> {
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Whoever may open it may lock it, and keep us out.
            .mode(0o600)
            .open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(Err(file));
        }
        if file.metadata()?.nlink() == 0 {
            // Its last holder removed it while we were opening it.
            continue;
        }
        let pid = std::process::id();
        let since = machine::local_time(machine::realtime_ns());
        let name = format!("{pid} {} {since}\n", start_ticks(pid).unwrap_or(0));
        // Where there is no room for it, the lock is held all the same: see `read`.
        let _ = file.set_len(0).and_then(|()| file.write_all(name.as_bytes()));
        return Ok(Ok(Lock { path: path.to_owned(), file }));
    }
}

/// Removes the locks of ring files that nobody holds: a recorder that was killed leaves its own.
pub fn sweep(run: &Path) {
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(LOCK.as_bytes()) {
            // One that could be taken goes as it is dropped.
            let _ = attempt(&entry.path());
        }
    }
}

/// What whoever arms, disarms or takes away what arming made has for himself. None if somebody else has it still after
/// `wait`.
pub fn arming(wait: Duration) -> Result<Option<Lock>, Error> {
    let begin = Instant::now();
    loop {
        let path = run_dir()?.join(ARMING);
        match attempt(&path) {
            Ok(Ok(lock)) => return Ok(Some(lock)),
            Ok(Err(_)) => {}
            // The last one has removed the directory just now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::file(&path, "lock it", e, "check that /run is writable")),
        }
        if begin.elapsed() >= wait {
            return Ok(None);
        }
        thread::park_timeout(LOOK_AGAIN);
    }
}

/// Who says that he holds the lock in `file`; else whom the kernel names, whatever else is known of him.
fn read(file: &mut File) -> Holder {
    let mut text = String::new();
    let said = file.rewind().and_then(|()| file.read_to_string(&mut text));
    if let (Ok(_), Some(holder)) = (said, Holder::parse(&text)) {
        return holder;
    }
    let pid = locker(file).unwrap_or(0);
    Holder { pid, start_ticks: start_ticks(pid).unwrap_or(0), since: "a moment ago".to_owned() }
}

/// The process that the kernel says holds an flock(2) on `file` (proc_locks(5)).
fn locker(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let id = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 00:1a:567 0 EOF`
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&&*id)).then(|| words.get(4)?.parse().ok())?
    })
}

fn holder_of(path: &Path) -> Option<Holder> {
    let mut file = File::open(path).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    Some(read(&mut file))
}

/// Who records into `ring` right now, if anybody does. Its pid is 0 where nobody can tell who it is.
pub fn holder(run: &Path, ring: &Path) -> Option<Holder> {
    holder_of(&path_for(run, ring).ok()?)
}

/// Who has what [`arming`] gives.
pub fn arming_holder(run: &Path) -> Option<Holder> {
    holder_of(&run.join(ARMING))
}

/// Asks the holder of the lock on `ring` to leave, and waits for that, at most `wait_ms`. True when
/// nobody holds it any more.
pub fn dismiss(run: &Path, ring: &Path, wait_ms: u32) -> bool {
    let Some(holder) = holder(run, ring) else { return true };
    send_away(&holder, wait_ms);
    self::holder(run, ring).is_none()
}

/// Whether /proc knows of process `pid`.
pub fn sees(pid: u32) -> bool {
    start_ticks(pid).is_some()
}

/// Whether process `pid` is a recorder of ours.
pub fn is_recorder(pid: u32) -> bool {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // The kernel keeps fifteen bytes of a name.
    comm.trim_end() == &crate::place::BINARY_NAME[..15]
}

/// The same for a recorder whose ring file is no longer where it was, so that its lock cannot be found.
pub fn dismiss_recorder(pid: u32, wait_ms: u32) -> bool {
    let Some(start_ticks) = start_ticks(pid).filter(|_| is_recorder(pid)) else { return true };
    send_away(&Holder { pid, start_ticks, since: String::new() }, wait_ms)
}

/// Tells it to leave, and waits for that, at most `wait_ms`. True when it has ended.
pub fn send_away(holder: &Holder, wait_ms: u32) -> bool {
    let Some(pid) = i32::try_from(holder.pid).ok().and_then(Pid::from_raw) else { return true };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return start_ticks(holder.pid).is_none() };
    // Through the pidfd nobody else can be meant, once the process behind it is the right one.
    if start_ticks(holder.pid) != Some(holder.start_ticks) {
        return true;
    }
    // Stopped by an init's spree it could not answer; CONT comes second, so that TERM is what it
    // finds when it wakes.
    let _ = pidfd_send_signal(&process, Signal::TERM);
    let _ = pidfd_send_signal(&process, Signal::CONT);
    let mut polled = [rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN)];
    let timeout = rustix::event::Timespec {
        tv_sec: i64::from(wait_ms / 1000),
        tv_nsec: i64::from(wait_ms % 1000) * 1_000_000,
    };
    rustix::event::poll(&mut polled, Some(&timeout)).is_ok_and(|ended| ended > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_recorder_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let ring = dir.path().join("ring");
        fs::write(&ring, "").expect("written");
        let other_name = dir.path().join("other");
        fs::hard_link(&ring, &other_name).expect("linked");
        assert_eq!(holder(dir.path(), &ring), None);
        let held = take(dir.path(), &ring).expect("free");
        let error = take(dir.path(), &other_name).expect_err("held");
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        assert_eq!(holder(dir.path(), &ring).map(|h| h.pid), Some(std::process::id()));
        drop(held);
        assert_eq!(holder(dir.path(), &ring), None);
        take(dir.path(), &other_name).expect("free again");
    }

    /// Two who armed at once, or one who armed while the recorder disarmed by itself, took each other's files away.
    #[test]
    fn who_arms_or_disarms_is_alone_and_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run").join(ARMING);
        fs::create_dir(dir.path().join("run")).expect("made");
        let held = attempt(&path).expect("possible").expect("free");
        let mut other = attempt(&path).expect("possible").expect_err("held");
        assert_eq!(read(&mut other).pid, std::process::id());
        drop(held);
        // Who had opened the file before it was removed does not hold what the next one takes.
        assert_eq!(other.metadata().expect("open").nlink(), 0);
        assert!(!dir.path().join("run").exists(), "nothing is left");
        assert_eq!(attempt(&path).expect_err("no directory").kind(), io::ErrorKind::NotFound);
    }

    /// The lock of a recorder that was killed stayed behind disarming, and /run/lastrites with it.
    #[test]
    fn locks_that_nobody_holds_are_swept_away() {
        let dir = tempfile::tempdir().expect("a directory");
        let (run, ring) = (dir.path().join("run"), dir.path().join("ring"));
        fs::write(&ring, "").expect("written");
        let held = take(&run, &ring).expect("free");
        fs::write(run.join("lock-2a-12"), "7 1 a while ago\n").expect("written");
        fs::write(run.join("other"), "").expect("written");
        sweep(&run);
        assert!(holder(&run, &ring).is_some(), "one that is held stays");
        let mut left: Vec<_> =
            fs::read_dir(&run).expect("there").flatten().map(|entry| entry.path()).collect();
        left.sort();
        assert_eq!(left, [held.path.clone(), run.join("other")]);
        fs::remove_file(run.join("other")).expect("removed");
        drop(held);
        assert!(!run.exists());
    }

    /// The first record of its holder's name did not fit on a full /run, and nobody could arm; and one that said nothing was
    /// taken for one that nobody holds.
    #[test]
    fn a_lock_that_says_nonsense_is_still_a_lock() {
        assert!(Holder::parse("12 34 2026-01-01 00:00:00 +0000\n").is_some());
        let dir = tempfile::tempdir().expect("a directory");
        let ring = dir.path().join("ring");
        fs::write(&ring, "").expect("written");
        let held = take(dir.path(), &ring).expect("free");
        for text in ["", "x", "1", "1 2", "99999999999999 1 x"] {
            assert_eq!(Holder::parse(text), None, "{text:?}");
            fs::write(&held.path, text).expect("written");
            let holder = holder(dir.path(), &ring).expect("held all the same");
            let own = std::process::id();
            assert_eq!((holder.pid, Some(holder.start_ticks)), (own, start_ticks(own)), "{text:?}");
            let error = take(dir.path(), &ring).expect_err("held");
            assert!(error.to_string().contains(&own.to_string()), "{error}");
        }
    }

    /// A recorder that left removed /run/lastrites, which another one had found there a moment before.
    #[test]
    fn whose_directory_is_removed_by_the_last_one_makes_it_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let (run, ring) = (dir.path().join("run"), dir.path().join("ring"));
        fs::write(&ring, "").expect("written");
        drop(take(&run, &ring).expect("it is made"));
        assert!(!run.exists(), "and removed");
        let _held = take(&run, &ring).expect("again");
        assert!(holder(&run, &ring).is_some());
    }
}
