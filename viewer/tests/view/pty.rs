//! The program on a terminal that this test is: it says what it likes of its size and its colours, or nothing at all.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use crate::sample;

const PATIENCE: Duration = Duration::from_secs(60);
const QUESTION: &str = "\x1b]11;?\x1b\\\x1b[c";
const LIGHT: &str = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;22c";
/// Killings, on a dark and on a light background.
const DARK_RED: &str = "38;2;255;123;123";
const LIGHT_RED: &str = "38;2;179;20;32";

struct Pty {
    master: File,
    child: Child,
    seen: String,
}

impl Pty {
    /// A size of 0 columns and 0 rows is what a serial line has.
    fn start(size: (u16, u16), environment: &[(&str, &str)]) -> Self {
        let (mut master, mut slave) = (-1, -1);
        let size = libc::winsize { ws_col: size.0, ws_row: size.1, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: openpty writes two descriptors; no name and no attributes are asked for.
        let made = unsafe {
            libc::openpty(
                &mut master,
                &mut slave,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                &size as *const _ as *mut _,
            )
        };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: openpty has just made both, and nobody else has them.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        // SAFETY: fcntl(2) on an open descriptor. The program must not hold this end open.
        unsafe { libc::fcntl(master.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites"));
        command.args(["view".as_ref(), sample("sysvinit-respawn").as_os_str()]);
        for name in ["COLUMNS", "LINES", "COLORFGBG", "NO_COLOR", "COLORTERM", "LC_ALL"] {
            command.env_remove(name);
        }
        command.env("LANG", "C.UTF-8").env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        command.envs(environment.iter().copied());
        let end = || slave.try_clone().expect("a descriptor");
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: both calls are safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("it runs");
        // The command holds copies of the slave: with them reading would never end.
        drop((command, slave));
        Self { master, child, seen: String::new() }
    }

    fn says(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("the terminal is there");
    }

    /// Reads until `text` has come.
    fn wait(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.seen.contains(text) {
            assert!(begun.elapsed() < PATIENCE, "waited for {text:?} in vain: {:?}", self.seen);
            self.read();
        }
    }

    fn read(&mut self) -> bool {
        let mut poll = libc::pollfd { fd: self.master.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which is open.
        if unsafe { libc::poll(&mut poll, 1, 50) } <= 0 {
            return true;
        }
        let mut bytes = [0; 65536];
        let count = self.master.read(&mut bytes).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }

    fn end(mut self) -> (ExitStatus, String) {
        self.says("q");
        let begun = Instant::now();
        while self.read() {
            assert!(begun.elapsed() < PATIENCE, "it does not end: {:?}", self.seen);
        }
        (self.child.wait().expect("its end"), std::mem::take(&mut self.seen))
    }
}

impl Pty {
    /// The terminal goes away: a connection breaks, a window is closed. How the program ends then.
    fn goes_away(mut self) -> ExitStatus {
        let gone = File::open("/dev/null").expect("a file");
        drop(std::mem::replace(&mut self.master, gone));
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its child") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{} goes on without a terminal", self.child.id());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The largest row and column that a cursor was sent to.
fn reach(seen: &str) -> (u16, u16) {
    let mut most = (0, 0);
    for part in seen.split("\x1b[").skip(1) {
        let Some((place, _)) = part.split_once('H') else { continue };
        if let Some((y, x)) = place.split_once(';')
            && let (Ok(y), Ok(x)) = (y.parse::<u16>(), x.parse::<u16>())
        {
            most = (most.0.max(y), most.1.max(x));
        }
    }
    most
}

#[test]
fn a_serial_console_that_has_no_size_gets_80_columns_and_24_rows() {
    let mut pty = Pty::start((0, 0), &[("TERM", "vt220")]);
    pty.wait("was killed by killall5 -9");
    pty.wait("help");
    let (status, seen) = pty.end();
    assert!(status.success(), "{status} {seen:?}");
    let (rows, columns) = reach(&seen);
    assert!(rows == 24 && columns <= 80, "{rows} rows, {columns} columns");
    assert!(!seen.contains("\x1b]11"), "a serial console is asked nothing");
}

/// Who left while a report was being made had none, and on some file systems half of one under a hidden name.
#[test]
fn who_leaves_while_a_file_is_written_gets_it_and_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("mine.tar.gz");
    let mut pty = Pty::start((100, 30), &[("TERM", "vt220")]);
    pty.wait("was killed by killall5 -9");
    // Ctrl-R asks for a name, Ctrl-U clears the one that it offers. All of it comes at once.
    pty.says(&format!("\x12\x15{}\rq", target.display()));
    let begun = Instant::now();
    while pty.read() {
        assert!(begun.elapsed() < PATIENCE, "it does not end: {:?}", pty.seen);
    }
    let status = pty.child.wait().expect("its end");
    assert!(status.success(), "{status} {:?}", pty.seen);
    let (_, after) = pty.seen.rsplit_once("\x1b[?1049l").expect("it gives the terminal back");
    assert!(after.contains("wrote") && after.contains("mine.tar.gz"), "{after:?}");
    let opened = Command::new(env!("CARGO_BIN_EXE_lastrites")).arg("list").arg(&target).output();
    assert!(opened.expect("it runs").status.success());
}

/// A reader of keys that was at it when the terminal went away took its end for no key yet, and went on asking for ever
/// at full speed: one of four connections that broke while somebody typed left such a program behind.
#[test]
fn no_program_outlives_its_terminal_whatever_it_was_at() {
    for keys in [1, 3, 10, 30, 100, 300, 2, 5, 20, 50, 200, 400] {
        let mut pty = Pty::start((100, 30), &[("TERM", "vt220")]);
        pty.wait("was killed by killall5 -9");
        pty.says(&"j".repeat(keys));
        let status = pty.goes_away();
        assert_eq!(status.signal(), Some(libc::SIGHUP), "{status}");
    }
}

#[test]
fn a_terminal_without_a_size_has_that_of_its_environment() {
    let mut pty = Pty::start((0, 0), &[("TERM", "vt220"), ("COLUMNS", "132"), ("LINES", "43")]);
    pty.wait("was killed by killall5 -9");
    pty.wait("help");
    // Ctrl-L draws anew without asking the terminal where its cursor is: this one would not answer.
    pty.says("\x0c");
    pty.seen.clear();
    pty.wait("help");
    let (status, seen) = pty.end();
    assert!(status.success() && reach(&seen).0 == 43, "{status} {:?}", reach(&seen));
}

#[test]
fn a_light_terminal_gets_colours_for_light() {
    let mut pty = Pty::start((100, 30), &[]);
    pty.wait(QUESTION);
    pty.says(LIGHT);
    pty.wait(LIGHT_RED);
    let (status, _) = pty.end();
    assert!(status.success(), "{status}");
}

#[test]
fn no_key_is_lost_to_an_answer() {
    for typed in [format!("q{LIGHT}"), format!("{LIGHT}q"), LIGHT.replacen("\x1b[?", "q\x1b[?", 1)] {
        let mut pty = Pty::start((100, 30), &[]);
        pty.wait(QUESTION);
        pty.says(&typed);
        // Nothing else makes it end.
        while pty.read() {}
        assert!(pty.child.wait().expect("its end").success(), "{typed:?}");
    }
}

#[test]
fn a_terminal_that_answers_late_is_dark_until_then_and_its_answer_is_no_key() {
    let mut pty = Pty::start((100, 30), &[]);
    pty.wait(QUESTION);
    // Without an answer there is a screen all the same.
    pty.wait(DARK_RED);
    pty.wait("help");
    // f would go to a finding, g to the first line, r to an heir.
    pty.says(LIGHT);
    pty.wait(LIGHT_RED);
    pty.says("?");
    pty.wait("What the lanes show");
    let (_, after) = pty.seen.split_once("help").expect("a first screen");
    assert!(!after.contains("nothing took its place") && !after.contains("phase "), "{after:?}");
    pty.says("x");
    let (status, _) = pty.end();
    assert!(status.success(), "{status}");
}

#[test]
fn a_background_that_is_known_is_not_asked_for() {
    for (environment, red) in
        [(&[("COLORFGBG", "0;15")][..], LIGHT_RED), (&[("COLORFGBG", "15;0")], DARK_RED)]
    {
        let mut pty = Pty::start((100, 30), environment);
        pty.wait(red);
        let (status, seen) = pty.end();
        assert!(status.success() && !seen.contains("\x1b]11"), "{status}");
    }
}
