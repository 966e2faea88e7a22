//! The operations whose cost is measured, each many times in a row in a process of its own.
//!
//! Invariant: a workload does the same system calls whether anybody records it or not, and says
//! how many events of each kind a recorder must have seen of it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// One kind of storm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// fork, child exits at once, wait.
    Fork,
    /// spawn of a tiny program, wait.
    Exec,
    /// kill(2) to a child that ignores the signal.
    Ignored,
    /// tgkill(2) to ourselves, handled.
    Handled,
    /// Supervisors on every CPU: fork, SIGTERM, SIGKILL, wait.
    Storm,
}

impl Mode {
    pub const ALL: [Self; 5] = [Self::Fork, Self::Exec, Self::Ignored, Self::Handled, Self::Storm];

    /// The mode's word on the command line, and the comm of its processes after `lb_`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Ignored => "ignored",
            Self::Handled => "handled",
            Self::Storm => "storm",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Operations in one repetition: about a quarter of a second's worth on a small machine.
    pub fn operations(self) -> u32 {
        match self {
            Self::Fork => 3_000,
            Self::Exec => 1_500,
            Self::Ignored => 100_000,
            Self::Handled => 100_000,
            Self::Storm => 4_000,
        }
    }

    /// Events `(fork, exec, exit, signal, deliver)` that one operation makes.
    pub fn events(self) -> (u32, u32, u32, u32, u32) {
        match self {
            Self::Fork => (1, 0, 1, 1, 0),
            Self::Exec => (1, 1, 1, 1, 0),
            Self::Ignored => (0, 0, 0, 1, 0),
            Self::Handled => (0, 0, 0, 1, 1),
            // Every other child ignores SIGTERM; each is delivered one fatal signal.
            Self::Storm => (1, 0, 1, 3, 1),
        }
    }
}

/// Runs `mode` and returns the wall-clock time of its operations.
///
/// # Errors
/// When a system call that the workload needs fails.
pub fn run(mode: Mode, operations: u32) -> io::Result<Duration> {
    set_comm(&format!("lb_{}", mode.name()));
    match mode {
        Mode::Fork => time(operations, || wait(fork(|| {})?)),
        Mode::Exec => time(operations, || Command::new("/bin/true").env_clear().status().map(drop)),
        Mode::Ignored => {
            let child = fork_ready(|| set_handler(libc::SIGUSR1, libc::SIG_IGN))?;
            let taken = time(operations, || kill(child, libc::SIGUSR1));
            kill(child, libc::SIGKILL)?;
            wait(child)?;
            taken
        }
        Mode::Handled => {
            extern "C" fn nothing(_: libc::c_int) {}
            let handler: extern "C" fn(libc::c_int) = nothing;
            set_handler(libc::SIGUSR1, handler as libc::sighandler_t);
            // SAFETY: getpid has no preconditions.
            let me = unsafe { libc::getpid() };
            // SAFETY: tgkill of our own thread with a handled signal.
            time(operations, || check(unsafe { libc::syscall(libc::SYS_tgkill, me, me, libc::SIGUSR1) }))
        }
        Mode::Storm => storm(operations),
    }
}

fn storm(operations: u32) -> io::Result<Duration> {
    const SUPERVISORS: u32 = 4;
    let start = Instant::now();
    let mut supervisors = Vec::new();
    for _ in 0..SUPERVISORS {
        supervisors.push(fork(|| {
            for round in 0..operations / SUPERVISORS {
                set_handler(libc::SIGTERM, if round % 2 == 0 { libc::SIG_DFL } else { libc::SIG_IGN });
                let Ok(child) = fork(|| {
                    loop {
                        // SAFETY: pause has no preconditions.
                        unsafe { libc::pause() };
                    }
                }) else {
                    continue;
                };
                let _ = kill(child, libc::SIGTERM);
                let _ = kill(child, libc::SIGKILL);
                let _ = wait(child);
            }
        })?);
    }
    for supervisor in supervisors {
        wait(supervisor)?;
    }
    Ok(start.elapsed())
}

fn time(operations: u32, mut operation: impl FnMut() -> io::Result<()>) -> io::Result<Duration> {
    let start = Instant::now();
    for _ in 0..operations {
        operation()?;
    }
    Ok(start.elapsed())
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn kill(pid: libc::pid_t, sig: libc::c_int) -> io::Result<()> {
    // SAFETY: plain system call on a child of ours.
    check(unsafe { libc::kill(pid, sig) }.into())
}

fn wait(pid: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into())
}

/// Forks a child that runs `body` and exits 0. `body` may use only async-signal-safe calls.
fn fork(body: impl FnOnce()) -> io::Result<libc::pid_t> {
    // SAFETY: this program is single-threaded, so the child may run ordinary code.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            body();
            // SAFETY: ends the child without running destructors of the parent's copies.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(pid),
    }
}

/// Forks a child that runs `prepare`, says so, and sleeps until it is killed.
fn fork_ready(prepare: impl FnOnce()) -> io::Result<libc::pid_t> {
    let (reader, writer) = io::pipe()?;
    let child = fork(|| {
        prepare();
        let _ = io::Write::write_all(&mut &writer, b"x");
        loop {
            // SAFETY: pause has no preconditions.
            unsafe { libc::pause() };
        }
    })?;
    drop(writer);
    io::Read::read_exact(&mut &reader, &mut [0])?;
    Ok(child)
}

fn set_handler(sig: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: the handlers used here are SIG_IGN, SIG_DFL and an empty function.
    unsafe { libc::signal(sig, handler) };
}

fn set_comm(name: &str) {
    let mut comm = [0_u8; 16];
    let len = name.len().min(15);
    comm[..len].copy_from_slice(&name.as_bytes()[..len]);
    // SAFETY: PR_SET_NAME reads at most 16 bytes, NUL included.
    unsafe { libc::prctl(libc::PR_SET_NAME, comm.as_ptr()) };
}

/// Starts ourselves as the workload `mode` and returns nanoseconds per operation.
///
/// # Errors
/// When the workload cannot be started or says nothing we understand.
pub fn measure(mode: Mode) -> io::Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["workload", mode.name(), &mode.operations().to_string()])
        .arg0("lastrites-bench-workload")
        .output()?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| io::Error::other(format!("workload {} failed: {output:?}", mode.name())))
}
