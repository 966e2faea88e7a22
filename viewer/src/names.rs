//! The kernel's numbers as the words of its manual pages.
//!
//! Invariant: every number has a text; an unknown one is shown as a number, never as a guess.

use std::borrow::Cow;

/// Signals 1 to 31 in order, without `SIG` (asm-generic/signal.h).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// `SIGTERM`, `SIGRTMIN+3`, `signal 0`.
pub fn signal(sig: u8) -> Cow<'static, str> {
    match sig {
        1..=31 => format!("SIG{}", SIGNALS[usize::from(sig) - 1]).into(),
        RTMIN => "SIGRTMIN".into(),
        35..=RTMAX => format!("SIGRTMIN+{}", sig - RTMIN).into(),
        _ => format!("signal {sig}").into(),
    }
}

/// The number of a signal as people write it: `TERM`, `sigterm`, `15`, `RTMIN+3`, `RTMAX-1`.
pub fn parse_signal(text: &str) -> Option<u8> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|sig| *sig <= RTMAX);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(at) = SIGNALS.iter().position(|known| *known == name) {
        return u8::try_from(at + 1).ok();
    }
    match name {
        "POLL" => return Some(29),
        "IOT" => return Some(6),
        "CLD" => return Some(17),
        "RTMIN" => return Some(RTMIN),
        "RTMAX" => return Some(RTMAX),
        _ => {}
    }
    let sum = |rest: &str| rest.parse::<u8>().ok().filter(|n| *n <= RTMAX - RTMIN);
    name.strip_prefix("RTMIN+")
        .and_then(sum)
        .map(|n| RTMIN + n)
        .or_else(|| name.strip_prefix("RTMAX-").and_then(sum).map(|n| RTMAX - n))
}

/// Why a signal was sent, by `si_code` (asm-generic/siginfo.h); empty for a plain kill(2).
pub fn si_code(sig: u8, code: i32) -> Cow<'static, str> {
    let known = match (sig, code) {
        (_, 0) => "",
        (_, 128) => "kernel",
        (_, -1) => "sigqueue",
        (_, -2) => "timer",
        (_, -3) => "message queue",
        (_, -4) => "asynchronous I/O",
        (_, -5) => "SIGIO",
        (_, -6) => "tgkill",
        (_, -7) => "thread detach",
        (_, -60) => "name lookup",
        (17, 1) => "child exited",
        (17, 2) => "child killed",
        (17, 3) => "child dumped core",
        (17, 4) => "child trapped",
        (17, 5) => "child stopped",
        (17, 6) => "child continued",
        (11, 1) => "address not mapped",
        (11, 2) => "access not permitted",
        (11, 3) => "bounds check failed",
        (11, 4) => "protection key",
        (7, 1) => "misaligned address",
        (7, 2) => "no such physical address",
        (7, 3) => "hardware error of an object",
        (7, 4 | 5) => "memory error",
        (8, 1) => "integer division by zero",
        (8, 2) => "integer overflow",
        (8, 3) => "floating point division by zero",
        (8, 4..=8) => "floating point exception",
        (4, 1..=9) => "illegal instruction",
        (5, 1) => "breakpoint",
        (5, 2) => "trace",
        (5, 3..=6) => "trap",
        (31, 1) => "seccomp",
        (31, 2) => "system call dispatch",
        (29, 1..=6) => "input or output possible",
        _ => return format!("code {code}").into(),
    };
    known.into()
}

/// What the kernel made of a signal (`TRACE_SIGNAL_*`).
pub fn result(result: u8) -> Cow<'static, str> {
    match result {
        0 => "delivered".into(),
        1 => "ignored".into(),
        2 => "already pending".into(),
        3 => "queue overflow".into(),
        4 => "delivered, info lost".into(),
        _ => format!("result {result}").into(),
    }
}

/// A wait status: `exit 0`, `killed by SIGKILL`, `killed by SIGSEGV, core dumped`.
pub fn status(status: u32) -> String {
    let sig = (status & 0x7f) as u8;
    if sig == 0 {
        return format!("exit {}", status >> 8 & 0xff);
    }
    let core = if status & 0x80 != 0 { ", core dumped" } else { "" };
    format!("killed by {}{core}", signal(sig))
}

/// A negated errno as a return value: `0`, `ESRCH (no such process)`.
pub fn ret(ret: i64) -> Cow<'static, str> {
    match ret {
        0 => "0".into(),
        -1 => "EPERM (not permitted)".into(),
        -3 => "ESRCH (no such process)".into(),
        -4 => "EINTR (interrupted)".into(),
        -9 => "EBADF (bad file descriptor)".into(),
        -11 => "EAGAIN (try again)".into(),
        -12 => "ENOMEM (out of memory)".into(),
        -13 => "EACCES (permission denied)".into(),
        -14 => "EFAULT (bad address)".into(),
        -16 => "EBUSY (busy)".into(),
        -22 => "EINVAL (invalid argument)".into(),
        -38 => "ENOSYS (not implemented)".into(),
        _ if ret < 0 => format!("errno {}", ret.unsigned_abs()).into(),
        _ => ret.to_string().into(),
    }
}

/// Only the symbol of [`ret`], for programs.
pub fn errno(ret: i64) -> Option<String> {
    if ret >= 0 {
        return None;
    }
    let text = self::ret(ret);
    Some(text.split_once(" (").map_or(text.as_ref(), |(name, _)| name).to_owned())
}

/// The command of reboot(2) (linux/reboot.h): a word, and whether it ends the machine.
pub fn reboot(cmd: u32) -> (Cow<'static, str>, bool) {
    match cmd {
        0x0123_4567 => ("restart".into(), true),
        0xa1b2_c3d4 => ("restart with a command".into(), true),
        0x4321_fedc => ("power off".into(), true),
        0xcdef_0123 => ("halt".into(), true),
        0x4558_4543 => ("kexec".into(), true),
        0xd000_fce2 => ("suspend to disk".into(), false),
        0x89ab_cdef => ("Ctrl-Alt-Del reboots at once".into(), false),
        0 => ("Ctrl-Alt-Del signals init".into(), false),
        _ => (format!("command {cmd:#x}").into(), false),
    }
}

/// Flags of umount2(2).
pub fn umount_flags(flags: u64) -> String {
    let named = [(1, "force"), (2, "detach"), (4, "expire"), (8, "no follow")];
    flag_text(flags, &named)
}

/// Flags of a remounting mount(2).
pub fn mount_flags(flags: u64) -> String {
    let named = [
        (1, "read-only"),
        (2, "nosuid"),
        (4, "nodev"),
        (8, "noexec"),
        (0x10, "sync"),
        (0x20, "remount"),
        (0x400, "noatime"),
        (0x1000, "bind"),
        (0x20_0000, "relatime"),
    ];
    flag_text(flags, &named)
}

fn flag_text(flags: u64, named: &[(u64, &str)]) -> String {
    let mut words: Vec<String> =
        named.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
    let rest = named.iter().fold(flags, |rest, (bit, _)| rest & !bit);
    if rest != 0 {
        words.push(format!("{rest:#x}"));
    }
    words.join(",")
}

/// `root`, `uid 1000`: a recording of another machine must not be told in the names of this one.
pub fn user(uid: u32) -> Cow<'static, str> {
    if uid == 0 { "root".into() } else { format!("uid {uid}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_its_name() {
        for sig in (1..=31).chain(RTMIN..=RTMAX) {
            let name = signal(sig);
            assert_eq!(parse_signal(&name), Some(sig), "{name}");
            assert_eq!(parse_signal(&name[3..].to_lowercase()), Some(sig));
            assert_eq!(parse_signal(&sig.to_string()), Some(sig));
        }
        assert_eq!((parse_signal("RTMAX-1"), parse_signal("0")), (Some(63), Some(0)));
        for bad in ["", "SIG", "65", "TERMS", "RTMIN+99", "-9", "999"] {
            assert_eq!(parse_signal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn statuses_are_those_of_wait() {
        assert_eq!(status(0), "exit 0");
        assert_eq!(status(100 << 8), "exit 100");
        assert_eq!(status(9), "killed by SIGKILL");
        assert_eq!(status(11 | 0x80), "killed by SIGSEGV, core dumped");
    }

    #[test]
    fn returns_and_commands_have_names() {
        assert_eq!(ret(-3), "ESRCH (no such process)");
        assert_eq!(
            (errno(-3).as_deref(), errno(-77).as_deref(), errno(0)),
            (Some("ESRCH"), Some("errno 77"), None)
        );
        assert_eq!(reboot(0x0123_4567), ("restart".into(), true));
        assert!(!reboot(0x89ab_cdef).1, "CAD_ON is not the end");
        assert_eq!(umount_flags(0x12), "detach,0x10");
    }
}
