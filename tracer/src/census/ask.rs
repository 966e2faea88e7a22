//! What only a process's own memory tells: its arguments and its environment.
//!
//! Invariant: nobody waits long for a process that hangs. Both files take its mmap lock (`access_remote_vm` in mm/memory.c; opening
//! environ takes its `exec_update_lock`, too), which a program never gives back that faults in a file of a disk or server
//! that does not answer, while another thread of it maps something. So a helper thread reads them, and one that does not answer in
//! time is left behind for another one.
//!
//! What is left behind is in nobody's way. It waits in `mmap_read_lock_killable` or `down_read_killable` (kernels from 5.10), and ends
//! with this process, since `exit_group` sends each thread a SIGKILL; it takes no other signal, and holds nothing but that one file
//! of /proc.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use lastrites_traces::abi::ARGV_MAX;

use super::{keep_env, read_some};

/// How long one process may take to answer.
const ONE: Duration = Duration::from_secs(1);
/// How long all that are slow may take together; each that comes behind that is given [`LATE`].
const ALL: Duration = Duration::from_secs(5);
const LATE: Duration = Duration::from_millis(20);
/// So many helpers are left behind. Processes that come behind that are not asked: /proc lists the oldest first, who matter most.
const LEFT_MAX: u32 = 32;

#[derive(Debug, Default)]
pub(super) struct Told {
    pub argv: Vec<u8>,
    pub env: Vec<u8>,
}

/// Reads what there is, for as long as it takes.
fn read(pid: u32) -> Told {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let environ = read_some(&dir.join("environ"), 256 << 10);
    Told { argv: read_some(&dir.join("cmdline"), ARGV_MAX), env: keep_env(&environ) }
}

#[derive(Debug)]
pub(super) struct Asker {
    read: fn(u32) -> Told,
    helper: Option<Helper>,
    /// Helpers that were left behind.
    left: u32,
    /// What slow processes have taken.
    waited: Duration,
}

#[derive(Debug)]
struct Helper {
    pids: Sender<u32>,
    told: Receiver<Told>,
}

impl Asker {
    pub fn new() -> Self {
        Self::with(read)
    }

    pub fn with(read: fn(u32) -> Told) -> Self {
        Self { read, helper: None, left: 0, waited: Duration::ZERO }
    }

    /// None of who does not answer in time.
    pub fn ask(&mut self, pid: u32) -> Option<Told> {
        if self.left >= LEFT_MAX {
            return None;
        }
        let helper = self.helper.take().or_else(|| Helper::start(self.read))?;
        helper.pids.send(pid).ok()?;
        let begin = Instant::now();
        let told = helper.told.recv_timeout(if self.waited < ALL { ONE } else { LATE });
        let took = begin.elapsed();
        if took >= LATE {
            self.waited += took;
        }
        match told {
            Ok(told) => {
                self.helper = Some(helper);
                Some(told)
            }
            Err(_) => {
                // It ends when it finds nobody to tell, or with us.
                self.left += 1;
                None
            }
        }
    }
}

impl Helper {
    fn start(read: fn(u32) -> Told) -> Option<Self> {
        let (pids, asked) = channel();
        let (tell, told) = channel();
        let work = move || {
            block_signals();
            while let Ok(pid) = asked.recv() {
                if tell.send(read(pid)).is_err() {
                    return;
                }
            }
        };
        // Where there is no room for a thread, nobody is asked: what is left of the census is better than none.
        thread::Builder::new().stack_size(128 << 10).spawn(work).ok()?;
        Some(Self { pids, told })
    }
}

/// Signals are for the thread that can act on them.
fn block_signals() {
    // SAFETY: the set lives through both calls, which only write to it and read it.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_answers_is_left_and_the_others_are_asked() {
        let mut asker = Asker::with(|pid| match pid {
            2 => loop {
                thread::park();
            },
            pid => Told { argv: pid.to_string().into_bytes(), env: Vec::new() },
        });
        let mut argv = |pid| asker.ask(pid).map(|told| told.argv);
        assert_eq!(argv(1), Some(b"1".to_vec()));
        assert_eq!(argv(2), None);
        assert_eq!(argv(3), Some(b"3".to_vec()));
        assert_eq!(asker.left, 1);
    }

    /// Each takes a thread with it.
    #[test]
    fn not_more_than_so_many_are_left() {
        let mut asker = Asker::with(|_| {
            loop {
                thread::park();
            }
        });
        asker.waited = ALL;
        assert!((0..LEFT_MAX + 2).all(|pid| asker.ask(pid).is_none()));
        assert_eq!(asker.left, LEFT_MAX);
    }
}
