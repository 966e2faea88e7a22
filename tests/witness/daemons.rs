//! The roles that stand for services.
//!
//! Invariant: each says `start`, then `ready` once it serves, `got` for every signal that it handles,
//! and `end code=N` as the last thing before it exits with N of its own will.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{args::Args, inbox::Inbox, voice::Voice};

/// Everything a service may be sent and can handle; SIGCHLD is not, since nobody here has children.
const SIGNALS: &[i32] = &[
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPWR,
    libc::SIGALRM,
    libc::SIGCONT,
];

/// Exit code for a lock that somebody left behind.
const STALE: u8 = 100;

fn stops(signal: i32) -> bool {
    matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
}

fn begin(voice: &Voice) {
    // SAFETY: has no arguments and cannot fail.
    voice.say(&format!("start ppid={}", unsafe { libc::getppid() }));
}

fn end(voice: &Voice, code: u8) -> u8 {
    voice.say(&format!("end code={code}"));
    code
}

/// Listens for `limit`, or for ever. Whether it was told to stop.
fn listen(inbox: &mut Inbox, voice: &Voice, limit: Option<Duration>) -> bool {
    let until = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let Some(got) = inbox.next(left) else { return false };
        voice.say(&got.words());
        if stops(got.signal) {
            return true;
        }
    }
}

/// Works for `limit`, whoever says what meanwhile.
fn work(inbox: &mut Inbox, voice: &Voice, limit: Duration) {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        listen(inbox, voice, Some(until.saturating_duration_since(Instant::now())));
    }
}

fn ms(args: &Args, key: &str, default: u64) -> Duration {
    Duration::from_millis(args.number(key, default))
}

/// Like mongod: takes its lock first, needs `--start-ms` until it serves and `--stop-ms` to stop, and
/// will not start where somebody left a lock behind.
pub fn database(args: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(SIGNALS);
    begin(voice);
    let lock = PathBuf::from(args.text("lock", &format!("/var/lib/{}/{}.lock", args.name, args.name)));
    match take(&lock) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            voice.say(&format!("stale lock={}", lock.display()));
            return end(voice, STALE);
        }
        Err(e) => {
            voice.say(&format!("trouble lock={} why={e}", lock.display()));
            return end(voice, 1);
        }
    }
    let mut told = listen(&mut inbox, voice, Some(ms(args, "start-ms", 3000)));
    if !told {
        voice.say("ready");
        told = listen(&mut inbox, voice, None);
    }
    debug_assert!(told, "only a signal ends a database");
    work(&mut inbox, voice, ms(args, "stop-ms", 300));
    match fs::remove_file(&lock) {
        Ok(()) => end(voice, 0),
        Err(e) => {
            voice.say(&format!("trouble lock={} why={e}", lock.display()));
            end(voice, 1)
        }
    }
}

/// Creates the lock, and makes sure that it outlives whatever happens to us.
fn take(lock: &Path) -> std::io::Result<()> {
    if let Some(dir) = lock.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(lock)?;
    writeln!(file, "{}", std::process::id())?;
    file.sync_all()
}

/// Stops when told to, `--stop-ms` later, with exit code `--code`.
pub fn clean(args: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(SIGNALS);
    begin(voice);
    voice.say("ready");
    listen(&mut inbox, voice, None);
    work(&mut inbox, voice, ms(args, "stop-ms", 0));
    end(voice, u8::try_from(args.number("code", 0)).unwrap_or(1))
}

/// Handles nothing: dies of the first signal, as programs do that never thought of it.
pub fn leaver(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(&[]);
    begin(voice);
    voice.say("ready");
    listen(&mut inbox, voice, None);
    end(voice, 0)
}

/// Hears every signal and stays.
pub fn stubborn(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(SIGNALS);
    begin(voice);
    voice.say("ready");
    loop {
        listen(&mut inbox, voice, None);
    }
}

/// Has told the kernel to ignore what it can, and so never hears of it.
pub fn ignorer(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(&[]);
    begin(voice);
    for &signal in SIGNALS {
        // SAFETY: SIG_IGN is no function that would have to be safe.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    voice.say("ready");
    loop {
        listen(&mut inbox, voice, None);
    }
}

/// Blocks what it can: signals stay pending for ever.
pub fn blocker(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(&[]);
    begin(voice);
    // SAFETY: a set that is ours, filled before it is used.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
    voice.say("ready");
    loop {
        listen(&mut inbox, voice, None);
    }
}
