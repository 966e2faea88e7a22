//! The agent: the hands of the lab inside a guest. Reads one shell command a line from the third
//! serial port, runs it as root's shell would, and answers there.
//!
//!     -> COMMAND
//!     <- | output, a line
//!     <- @exit STATUS          as the shell says it: 128 + N when killed by signal N
//!     -> @gone PATH            answers when there is no such file; forks and executes nothing, so that a
//!                              machine can come to rest meanwhile

use std::{
    fs,
    io::{BufRead as _, BufReader, Write},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    args::Args,
    voice::{self, Voice},
};

const PORT: &str = "/dev/ttyS2";

pub fn run(_: &Args, voice: &Voice) -> u8 {
    let Ok(mut port) = voice::open_raw(PORT) else {
        voice.say("trouble why=no-port");
        return 1;
    };
    let Ok(reader) = port.try_clone() else { return 1 };
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    voice.say(&format!("up boot_id={} kernel={}", boot_id.trim(), release.trim()));
    let _ = writeln!(port, "@hello {}", boot_id.trim());
    for line in BufReader::new(reader).lines() {
        let Ok(line) = line else { return 1 };
        if line.trim().is_empty() {
            continue;
        }
        let status = match line.strip_prefix("@gone ") {
            Some(path) => wait_until_gone(Path::new(path.trim())),
            None => {
                // When a shutdown is asked for is known from this.
                voice.say(&format!("obeys {line}"));
                obey(&line, &mut port)
            }
        };
        let _ = writeln!(port, "@exit {status}");
        voice::drain(&port);
    }
    0
}

fn wait_until_gone(path: &Path) -> i32 {
    // The lab's own limit ends this when the file stays.
    while path.symlink_metadata().is_ok() {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    0
}

fn obey(line: &str, port: &mut impl Write) -> i32 {
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("exec 2>&1\n{line}")])
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        // An emulated systemd on a busy machine may need longer for an answer than the 25 s that systemctl waits.
        .env("SYSTEMD_BUS_TIMEOUT", "400")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            let _ = writeln!(port, "| cannot run a shell: {e}");
            return 126;
        }
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let _ = writeln!(port, "| {}", String::from_utf8_lossy(&line));
        }
    }
    child.wait().map_or(126, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
