//! The machine that is recorded: its boot, kernel, names and clocks.
//!
//! Invariant: what cannot be found out is empty, never guessed; nothing here asks the network.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use lastrites_traces::session::{Clock, Session, SessionId};
use rustix::time::{ClockId, clock_gettime};

use crate::{error::Error, mounts};

fn now(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// `CLOCK_BOOTTIME`: the clock of all events.
pub fn boottime_ns() -> u64 {
    now(ClockId::Boottime)
}

pub fn realtime_ns() -> u64 {
    now(ClockId::Realtime)
}

/// Seconds that the local time is ahead of UTC.
fn utc_offset_s(realtime_ns: u64) -> i32 {
    let seconds = libc::time_t::try_from(realtime_ns / 1_000_000_000).unwrap_or(0);
    // SAFETY: all-zero is a valid tm: integers, and a pointer that may be null.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types.
    let done = unsafe { libc::localtime_r(&raw const seconds, &raw mut local) };
    if done.is_null() { 0 } else { i32::try_from(local.tm_gmtoff).unwrap_or(0) }
}

/// Both clocks, read together.
pub fn clock() -> Clock {
    let boottime_ns = boottime_ns();
    let realtime_ns = realtime_ns();
    Clock { boottime_ns, realtime_ns, utc_offset_s: utc_offset_s(realtime_ns) }
}

/// A word that the kernel tells in one line.
fn line(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

pub fn boot_id() -> String {
    line("/proc/sys/kernel/random/boot_id")
}

/// Whether this kernel was started by kdump after another one crashed, to write that one's memory down: there is hardly any
/// memory for others, and the boot that people mean is still to come.
pub fn is_capture_kernel(root: &Path) -> bool {
    root.join("proc/vmcore").exists()
}

/// `PROC_PID_INIT_INO` of include/linux/proc_ns.h: the pid namespace that the kernel began with.
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Fails in a container, also in one that may load probes: the kernel tells of processes by the pids that they have outside, /proc
/// by those inside, and so everybody would have two names; and what would be recorded is the machine outside.
pub fn refuse_container() -> Result<(), Error> {
    refuse_unless_first(fs::metadata("/proc/self/ns/pid").ok().map(|meta| meta.ino()))
}

/// `namespace` is the inode number of our own, where that is known.
fn refuse_unless_first(namespace: Option<u64>) -> Result<(), Error> {
    if namespace.is_none_or(|namespace| namespace == FIRST_PID_NAMESPACE) {
        return Ok(());
    }
    let why = "this is a pid namespace of its own (a container), and the kernel tells of processes by the pids that they have outside";
    Err(Error::failed(
        "recording",
        why,
        "record on the machine that runs it; what happens in here is recorded there as well",
    ))
}

/// Whether our root directory is that of pid 1: in a chroot it is another one. Without /proc it counts as another.
///
/// Which one pid 1 has is for those to see who have all its rights, and some machines give root less; what is mounted there
/// everybody may read. Where not even that is told, it counts as the same.
pub fn is_root_of_pid1() -> bool {
    let identity = |path: &str| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    match (identity("/proc/1/root/"), identity("/")) {
        (Ok(pid1), Ok(own)) => pid1 == own,
        (Err(e), Ok(_)) if e.kind() == io::ErrorKind::PermissionDenied => {
            match (fs::read("/proc/1/mountinfo"), fs::read("/proc/self/mountinfo")) {
                (Ok(pid1), Ok(own)) => mounts::have_one_root(&pid1, &own),
                _ => true,
            }
        }
        _ => false,
    }
}

/// Whether whoever runs us is a part of the end: pid 1 has become systemd-shutdown(8), or we are below rc of runlevel 0 or 6,
/// of which init(8) tells in `runlevel`.
pub fn is_ending(root: &Path, runlevel: Option<&str>) -> bool {
    // The kernel keeps fifteen bytes of a name.
    let pid1 = fs::read_to_string(root.join("proc/1/comm")).unwrap_or_default();
    pid1.trim_end() == &"systemd-shutdown"[..15] || matches!(runlevel, Some("0" | "6"))
}

/// Sixteen random bytes to name a session by.
fn session_id() -> SessionId {
    let mut id = [0; 16];
    let drawn = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut id));
    if drawn.is_err() {
        // Without /dev: unique on this machine at least.
        id[..8].copy_from_slice(&realtime_ns().to_le_bytes());
        id[8..].copy_from_slice(&boottime_ns().to_le_bytes());
    }
    SessionId(id)
}

/// Bytes of a distribution's name that are kept.
const DISTRIBUTION_MAX: usize = 100;

/// `Debian GNU/Linux 12 (bookworm)`: `PRETTY_NAME` of the os-release(5) below `root`.
pub fn distribution(root: &Path) -> String {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let text = read("etc/os-release").or_else(|| read("usr/lib/os-release")).unwrap_or_default();
    // The last one counts, as to a shell that reads the file.
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="));
    let mut name = unquoted(value.unwrap_or_default());
    let end = (0..=DISTRIBUTION_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    name.truncate(end.unwrap_or(0));
    name
}

/// What a shell makes of a value: quotes are not in it, and a backslash quotes one sign, but within single quotes.
fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (Some('"') | None, '\\') => out.extend(chars.next()),
            (_, c) => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// A session record of this machine, now. What the caller knows better it fills in.
pub fn session() -> Session {
    let uname = rustix::system::uname();
    Session {
        id: session_id(),
        boot_id: boot_id(),
        hostname: uname.nodename().to_string_lossy().into_owned(),
        kernel_release: uname.release().to_string_lossy().into_owned(),
        kernel_version: uname.version().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        distribution: distribution(Path::new("/")),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        started: clock(),
        ..Session::default()
    }
}

pub fn page_kib() -> u64 {
    u64::try_from(rustix::param::page_size() >> 10).unwrap_or(4)
}

/// `2026-11-24 15:04:05 +0100` for people, by the machine's local time.
pub fn local_time(realtime_ns: u64) -> String {
    let offset_s = utc_offset_s(realtime_ns);
    let seconds = i64::try_from(realtime_ns / 1_000_000_000).unwrap_or(0) + i64::from(offset_s);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to civil date: Howard Hinnant's "chrono-compatible low-level date algorithms".
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let sign = if offset_s < 0 { '-' } else { '+' };
    let offset_min = offset_s.unsigned_abs() / 60;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} {sign}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        offset_min / 60,
        offset_min % 60
    )
}

/// A line in the kernel's log, and so on the console: for who has no other way to say something at the end
/// of a shutdown.
pub fn say_on_console(line: &str) {
    // There need be none, as in a chroot.
    let _ = say_into(Path::new("/dev/kmsg"), line);
}

/// Makes no file: where there is no such device, nobody listens.
fn say_into(kmsg: &Path, line: &str) -> io::Result<()> {
    // <3>: an error of a user's program (syslog(3)).
    let line = format!("<3>lastrites-tracer: {line}\n");
    fs::OpenOptions::new().write(true).open(kmsg)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a chroot without one a regular file of that name stayed in /dev.
    #[test]
    fn where_there_is_no_console_none_is_made() {
        let dev = tempfile::tempdir().expect("a directory");
        let kmsg = dev.path().join("kmsg");
        assert_eq!(say_into(&kmsg, "x").expect_err("not there").kind(), io::ErrorKind::NotFound);
        assert!(!kmsg.exists());
        fs::write(&kmsg, "").expect("written");
        say_into(&kmsg, "x").expect("there");
        assert_eq!(fs::read_to_string(&kmsg).expect("read"), "<3>lastrites-tracer: x\n");
    }

    #[test]
    fn a_kernel_that_writes_down_another_ones_memory_is_known_by_that() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("proc")).expect("made");
        assert!(!is_capture_kernel(root.path()));
        fs::write(root.path().join("proc/vmcore"), "").expect("written");
        assert!(is_capture_kernel(root.path()));
        assert!(!is_capture_kernel(Path::new("/")), "not this one");
    }

    /// In a container with all rights its own processes had one pid in the census and another one in each event.
    #[test]
    fn in_a_container_it_is_refused() {
        refuse_container().expect("tests that load probes run outside");
        refuse_unless_first(None).expect("unknown is no reason");
        let refused = refuse_unless_first(Some(4_026_532_300)).expect_err("a container").to_string();
        assert!(
            refused.contains("container") && refused.contains("on the machine that runs it"),
            "{refused}"
        );
    }

    #[test]
    fn the_end_is_known_by_pid_1_or_by_the_runlevel() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("proc/1")).expect("made");
        for (comm, runlevel, ending) in [
            ("systemd\n", None, false),
            ("init\n", Some("2"), false),
            ("init\n", Some("S"), false),
            ("systemd-shutdow\n", None, true),
            ("init\n", Some("0"), true),
            ("init\n", Some("6"), true),
        ] {
            fs::write(root.path().join("proc/1/comm"), comm).expect("written");
            assert_eq!(is_ending(root.path(), runlevel), ending, "{comm}{runlevel:?}");
        }
    }

    #[test]
    fn sessions_never_share_an_id() {
        assert_ne!(session().id, session().id);
    }

    #[test]
    fn the_distribution_is_what_os_release_calls_it_and_unknown_without_it() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(distribution(root.path()), "");
        let put = |dir: &str, text: &str| {
            fs::create_dir_all(root.path().join(dir)).expect("made");
            fs::write(root.path().join(dir).join("os-release"), text).expect("written");
        };
        put("usr/lib", "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n");
        assert_eq!(distribution(root.path()), "Debian GNU/Linux 12 (bookworm)");
        // That of /etc comes first.
        for (text, name) in [
            ("PRETTY_NAME='Arch Linux'\n", "Arch Linux"),
            ("PRETTY_NAME=Alpine\n", "Alpine"),
            (r#"PRETTY_NAME="Bob\"s \$1 \\ \`x\`""#, r#"Bob"s $1 \ `x`"#),
            ("PRETTY_NAME=Old\nPRETTY_NAME=\"New\"\n", "New"),
            ("NAME=x\n", ""),
        ] {
            put("etc", text);
            assert_eq!(distribution(root.path()), name, "{text}");
        }
        put("etc", &format!("PRETTY_NAME=\"{}\"", "ü".repeat(200)));
        assert_eq!(distribution(root.path()), "ü".repeat(50));
    }

    #[test]
    fn a_session_says_what_it_is_recorded_on() {
        let session = session();
        assert_eq!(session.distribution, distribution(Path::new("/")));
        assert!(!session.kernel_release.is_empty() && !session.machine.is_empty());
    }

    #[test]
    fn the_clock_of_events_runs_and_is_readable() {
        let clock = clock();
        assert!(clock.boottime_ns > 0 && clock.realtime_ns > clock.boottime_ns);
        assert!(boottime_ns() >= clock.boottime_ns);
    }

    #[test]
    fn local_times_have_the_right_date() {
        // Whatever the zone of the machine, noon of a leap day is within a day of it.
        let text = local_time(1_709_208_000_000_000_000);
        assert!(text.starts_with("2024-02-29 ") || text.starts_with("2024-03-01 "), "{text}");
    }
}
