//! The roles that stand for services.
//!
//! Invariant: each says `start`, then `ready` once it serves, `got` for every signal that it handles,
//! and `end code=N` as the last thing before it exits with N of its own will.

use std::{
    fs,
    io::Write as _,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
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

/// Variables by which supervisors name what they start, however many scripts are in between.
const SUPERVISORS: [(&str, &str); 2] =
    [("MONIT_SERVICE", "monit"), ("SUPERVISOR_PROCESS_NAME", "supervisord")];

fn begin(voice: &Voice) {
    let named = SUPERVISORS.iter().find(|(variable, _)| std::env::var_os(variable).is_some());
    let by = named.map_or(String::new(), |(_, name)| format!(" by={name}"));
    // SAFETY: has no arguments and cannot fail.
    voice.say(&format!("start ppid={}{by}", unsafe { libc::getppid() }));
}

/// The last words. What was handled up to here is said first, and nothing is handled after it: a service that gives up
/// by itself may be told to stop in the same moment, and must not keep that to itself.
fn end(inbox: &mut Inbox, voice: &Voice, code: u8) -> u8 {
    Inbox::close();
    while let Some(got) = inbox.next(Some(Duration::ZERO)) {
        voice.say(&got.words());
    }
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
            return end(&mut inbox, voice, STALE);
        }
        Err(e) => {
            voice.say(&format!("trouble lock={} why={e}", lock.display()));
            return end(&mut inbox, voice, 1);
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
        Ok(()) => end(&mut inbox, voice, 0),
        Err(e) => {
            voice.say(&format!("trouble lock={} why={e}", lock.display()));
            end(&mut inbox, voice, 1)
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
    end(&mut inbox, voice, u8::try_from(args.number("code", 0)).unwrap_or(1))
}

/// When told to stop it takes memory, more and more, instead.
pub fn glutton(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(SIGNALS);
    begin(voice);
    voice.say("ready");
    listen(&mut inbox, voice, None);
    // Where nobody stops it, this ends before the machine does.
    let mut hoard = Vec::new();
    while hoard.len() < 512 {
        hoard.push(vec![1u8; 1 << 20]);
    }
    end(&mut inbox, voice, 1)
}

/// Leads a session with a terminal, and has a child there, which the kernel hangs up when the leader ends. Otherwise
/// like [`clean`].
pub fn leader(args: &Args, voice: &Voice) -> u8 {
    let terminal = match take_terminal() {
        Ok(terminal) => terminal,
        Err(e) => {
            voice.say(&format!("trouble terminal why={e}"));
            return 1;
        }
    };
    // SAFETY: there is one thread.
    match unsafe { libc::fork() } {
        0 => leaver(args, &Voice::new(&format!("{}-child", args.name))),
        -1 => {
            voice.say("trouble why=fork");
            1
        }
        _ => {
            let code = clean(args, voice);
            drop(terminal);
            code
        }
    }
}

/// A pseudo-terminal, both ends, that becomes the one of our session.
fn take_terminal() -> std::io::Result<[fs::File; 2]> {
    let open =
        |path: &str| fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
    let master = open("/dev/ptmx")?;
    let mut number = 0;
    let unlocked = 0;
    // SAFETY: ioctls on a descriptor that is open, with integers of ours; setsid has no arguments, and fails only
    // for whoever leads already.
    unsafe {
        libc::setsid();
        if libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) != 0
            || libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number) != 0
        {
            return Err(std::io::Error::last_os_error());
        }
    }
    let slave = open(&format!("/dev/pts/{number}"))?;
    // SAFETY: as above.
    if unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok([master, slave])
}

/// Handles nothing: dies of the first signal, as programs do that never thought of it.
pub fn leaver(_: &Args, voice: &Voice) -> u8 {
    let mut inbox = Inbox::new(&[]);
    begin(voice);
    voice.say("ready");
    listen(&mut inbox, voice, None);
    end(&mut inbox, voice, 0)
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
    Inbox::close();
    voice.say("ready");
    loop {
        listen(&mut inbox, voice, None);
    }
}
