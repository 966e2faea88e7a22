//! The coroner: hears of every death on the machine from the kernel's process connector
//! (Documentation/driver-api/connector.rst, include/uapi/linux/cn_proc.h), which shares nothing with
//! tracepoints or BPF, and says it on the serial port.
//!
//! Invariant: it outlives both kill sprees, so that it can tell of deaths of others and nobody needs to
//! tell of its own. Under systemd its argv[0] begins with `@`; under sysvinit its pid is in
//! /run/sendsigs.omit.d. It says `missed` when the kernel had to drop something.

use std::{
    collections::HashSet,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::{args::Args, voice::Voice};

const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
const PROC_EVENT_FORK: u32 = 1;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;
/// The kernel's threads are its children.
const KTHREADD: u32 = 2;
/// struct nlmsghdr, struct cn_msg.
const HEADERS: usize = 16 + 20;
/// `what`, `cpu`, `timestamp_ns` come before the event's own members.
const DATA: usize = HEADERS + 16;

pub fn run(args: &Args, voice: &Voice) -> u8 {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: SIG_IGN is no function that would have to be safe.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    if args.text("background", "no") == "yes" {
        // SAFETY: there is one thread, and nothing was begun yet.
        if unsafe { libc::daemon(0, 0) } != 0 {
            voice.say("trouble why=daemon");
            return 1;
        }
    }
    match listen(voice) {
        Ok(never) => match never {},
        Err(e) => {
            voice.say(&format!("trouble why={e}"));
            1
        }
    }
}

/// Asks sysvinit's sendsigs to spare us.
fn ask_for_mercy() {
    let dir = "/run/sendsigs.omit.d";
    if fs::create_dir_all(dir).is_ok() {
        // Where nobody reads it, it does no harm.
        let _ = fs::write(format!("{dir}/lab-coroner"), format!("{}\n", std::process::id()));
    }
}

fn listen(voice: &Voice) -> io::Result<std::convert::Infallible> {
    let socket = subscribe()?;
    ask_for_mercy();
    let mut kernel_threads = kernel_threads();
    voice.say("ready");
    let mut buffer = [0u8; 4096];
    loop {
        // SAFETY: receives into a buffer of ours, of the length given.
        let length = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::ENOBUFS) => voice.say("missed"),
                Some(libc::EINTR) => {}
                _ => return Err(error),
            }
            continue;
        };
        let message = &buffer[..length];
        let word =
            |at: usize| message.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        if word(HEADERS) == PROC_EVENT_FORK {
            // parent_pid, parent_tgid, child_pid, child_tgid
            if word(DATA) == KTHREADD {
                kernel_threads.insert(word(DATA + 8));
            }
            continue;
        }
        if word(HEADERS) != PROC_EVENT_EXIT || kernel_threads.remove(&word(DATA)) {
            continue;
        }
        let (pid, tgid, status, parent) = (word(DATA), word(DATA + 4), word(DATA + 8), word(DATA + 20));
        let time = message
            .get(HEADERS + 8..HEADERS + 16)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u64::from_ne_bytes);
        // The others are threads.
        if pid == tgid {
            voice.murmur(&format!("exit pid={pid} status={status} parent={parent} at={time}"));
        }
    }
}

/// The kernel's threads that are there already. (At the end nobody can tell any more: who is not waited for
/// has no parent then.)
fn kernel_threads() -> HashSet<u32> {
    let mut found = HashSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc(5): pid (comm) state ppid
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        if parent == Some("2") {
            found.insert(pid);
        }
    }
    found
}

fn subscribe() -> io::Result<OwnedFd> {
    // SAFETY: plain system calls on plain data of ours; the descriptor is owned from the start.
    unsafe {
        let raw =
            libc::socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::NETLINK_CONNECTOR);
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(raw);
        let room: i32 = 16 << 20;
        libc::setsockopt(
            raw,
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const room).cast(),
            size_of::<i32>() as u32,
        );
        let mut address: libc::sockaddr_nl = std::mem::zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = CN_IDX_PROC;
        if libc::bind(raw, (&raw const address).cast(), size_of::<libc::sockaddr_nl>() as u32) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut request = Vec::new();
        let length = HEADERS as u32 + 4;
        // nlmsghdr: length, type NLMSG_DONE and flags, sequence, pid.
        for word in [length, 3, 0, std::process::id()] {
            request.extend_from_slice(&word.to_ne_bytes());
        }
        // cn_msg: idx, val, seq, ack, then length and flags as 16 bits each.
        for word in [CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, PROC_CN_MCAST_LISTEN] {
            request.extend_from_slice(&word.to_ne_bytes());
        }
        if libc::send(raw, request.as_ptr().cast(), request.len(), 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(socket)
    }
}
