//! System calls as the kernel takes them: what these tests do must not be smoothed by a library.
//!
//! Invariant: a result is the kernel's own, a negated errno included.

use std::{ffi::CString, ptr};

/// System call `number`: its result, or a negated errno. Pointers among `args` belong to live values of
/// the caller.
pub fn call(number: libc::c_long, args: &[i64]) -> i64 {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    // SAFETY: every caller passes what its system call wants, see above.
    let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if result == -1 { -i64::from(errno()) } else { result }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

pub fn kill(pid: i32, sig: i32) -> i64 {
    call(libc::SYS_kill, &[pid.into(), sig.into()])
}

pub fn getpid() -> i32 {
    call(libc::SYS_getpid, &[]) as i32
}

pub fn gettid() -> i32 {
    call(libc::SYS_gettid, &[]) as i32
}

/// Ends the running thread, and nothing but it.
pub fn exit_thread(code: i32) -> ! {
    call(libc::SYS_exit, &[code.into()]);
    unreachable!("exit(2) does not return")
}

/// The name of the running thread.
pub fn rename(name: &str) {
    let name = CString::new(name).expect("a name");
    assert_eq!(call(libc::SYS_prctl, &[libc::PR_SET_NAME.into(), name.as_ptr() as i64]), 0, "prctl");
}

/// Lets the running thread, and what it forks, run on one CPU only.
pub fn pin_to(cpu: usize) {
    let mut set = [0u64; 16];
    set[cpu / 64] = 1 << (cpu % 64);
    let done = call(libc::SYS_sched_setaffinity, &[0, size_of_val(&set) as i64, set.as_ptr() as i64]);
    assert_eq!(done, 0, "sched_setaffinity to CPU {cpu}");
}

/// The CPUs that the running thread may use.
pub fn cpus() -> Vec<usize> {
    let mut set = [0u64; 16];
    let got = call(libc::SYS_sched_getaffinity, &[0, size_of_val(&set) as i64, set.as_mut_ptr() as i64]);
    assert!(got > 0, "sched_getaffinity: {got}");
    (0..1024).filter(|cpu| set[cpu / 64] & 1 << (cpu % 64) != 0).collect()
}

/// Nanoseconds since boot, the clock of all events.
pub fn boottime_ns() -> u64 {
    lastrites_tracer::machine::boottime_ns()
}

extern "C" fn nothing(_: libc::c_int) {}

/// What a process does with a signal.
pub enum Action {
    Ignore,
    Handle,
}

pub fn on_signal(sig: i32, action: Action) {
    let handler = match action {
        Action::Ignore => libc::SIG_IGN,
        Action::Handle => nothing as extern "C" fn(libc::c_int) as libc::sighandler_t,
    };
    // SAFETY: the handler does nothing.
    let before = unsafe { libc::signal(sig, handler) };
    assert_ne!(before, libc::SIG_ERR, "signal({sig})");
}

/// Blocks `sig` in the running thread, or lets it through.
pub fn block(sig: i32, blocked: bool) {
    let set: u64 = 1 << (sig - 1);
    let how = if blocked { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    let done = call(libc::SYS_rt_sigprocmask, &[how.into(), (&raw const set) as i64, 0, 8]);
    assert_eq!(done, 0, "sigprocmask({sig})");
}

/// A siginfo with this code, as rt_sigqueueinfo(2) takes it.
pub fn siginfo(sig: i32, code: i32) -> [i32; 32] {
    let mut info = [0; 32];
    (info[0], info[2]) = (sig, code);
    info
}

/// Sets the soft and hard limit of core files.
pub fn limit_core(bytes: u64) {
    let limit = [bytes; 2];
    let done = call(libc::SYS_prlimit64, &[0, libc::RLIMIT_CORE as i64, limit.as_ptr() as i64, 0]);
    assert_eq!(done, 0, "setrlimit(RLIMIT_CORE)");
}

/// Replaces the program of this process; returns only when that failed.
pub fn exec(file: &[u8], argv: &[&[u8]], env: &[&[u8]]) -> i32 {
    let own = |strings: &[&[u8]]| -> Vec<CString> {
        strings.iter().map(|s| CString::new(*s).expect("no NUL in a string to exec with")).collect()
    };
    let (file, argv, env) = (own(&[file]), own(argv), own(env));
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv_p, env_p) = (pointers(&argv), pointers(&env));
    let done =
        call(libc::SYS_execve, &[file[0].as_ptr() as i64, argv_p.as_ptr() as i64, env_p.as_ptr() as i64]);
    say(&format!("exec of {:?} failed: {done}\n", file[0]));
    127
}

/// Writes to stderr past everything that might hold it back.
pub fn say(text: &str) {
    call(libc::SYS_write, &[2, text.as_ptr() as i64, text.len() as i64]);
}
