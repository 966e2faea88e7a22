//! Two processes do nothing but fork, exec, kill and wait, and nothing of it is missing.

use std::{collections::HashSet, io::Read as _};

use lastrites_tracer::probe::{LoadOptions, Preempts};
use lastrites_traces::event::{ProcId, What};

use crate::{
    child::{Channel, Child},
    recording::{Probe, Recording, ample},
    sandbox::Sandbox,
    story::Story,
    sys,
};

/// Rounds of each of the two, and signals that each sends to itself at the end.
const ROUNDS: u64 = 200;
const SIGNALS: u64 = 4000;
/// Signals to each round's child before its end.
const NUDGES: usize = 3;

/// One round, as the process that did it tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    pid: u64,
    born_from_ns: u64,
    born_to_ns: u64,
    /// Wait status of the child.
    status: u64,
    /// The signal that ended it, 0 for none.
    sig: u64,
    /// It exec'd, and was nudged.
    execs: u64,
}

impl Round {
    const BYTES: usize = 48;

    fn words(self) -> [u64; 6] {
        [self.pid, self.born_from_ns, self.born_to_ns, self.status, self.sig, self.execs]
    }

    fn of(words: [u64; 6]) -> Self {
        let [pid, born_from_ns, born_to_ns, status, sig, execs] = words;
        Self { pid, born_from_ns, born_to_ns, status, sig, execs }
    }
}

/// What the child of round `n` runs: it says that it is there, waits for a line that never comes, and
/// leaves with a code of its own at the end of its input.
fn argv(worker: u64, n: u64) -> Vec<Vec<u8>> {
    let words = ["sh", "-c", "echo; read line; exit $0"].map(|w| w.as_bytes().to_vec());
    let numbers = [n % 200, worker, n].map(|n| n.to_string().into_bytes());
    words.into_iter().chain(numbers).collect()
}

fn round(worker: u64, n: u64, cpus: &[usize]) -> Round {
    let (out, input) = (Channel::new(), Channel::new());
    let (mut out_reader, out_writer) = out.into_ends();
    let (input_reader, input_writer) = input.into_ends();
    let execs = n % 5 != 4;
    let mut child = Child::fork(|| {
        // Half of them on the other CPU, so that the causes of one ring are effects in the other.
        sys::pin_to(cpus[(worker + n) as usize % cpus.len()]);
        if !execs {
            return (n % 200) as i32;
        }
        use std::os::fd::AsRawFd as _;
        sys::call(libc::SYS_dup2, &[input_reader.as_raw_fd().into(), 0]);
        sys::call(libc::SYS_dup2, &[out_writer.as_raw_fd().into(), 1]);
        let argv = argv(worker, n);
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        sys::exec(b"/bin/sh", &argv, &[])
    });
    drop((out_writer, input_reader));
    let mut sig = 0;
    if execs {
        out_reader.read_exact(&mut [0]).expect("the child says that it is there");
        for _ in 0..NUDGES {
            child.kill(libc::SIGWINCH);
        }
        sig = [libc::SIGTERM, libc::SIGKILL, libc::SIGHUP, 0][n as usize % 5];
        if sig != 0 {
            child.kill(sig);
        }
    }
    drop(input_writer);
    let status = child.wait().status as u64;
    let (born_from_ns, born_to_ns) = child.born_ns;
    Round { pid: child.pid as u64, born_from_ns, born_to_ns, status, sig: sig as u64, execs: execs.into() }
}

fn work(worker: u64, cpus: &[usize], mut report: impl std::io::Write) {
    sys::rename(&format!("storm-{worker}"));
    sys::pin_to(cpus[worker as usize % cpus.len()]);
    for n in 0..ROUNDS {
        let words = round(worker, n, cpus).words().map(u64::to_ne_bytes);
        report.write_all(words.as_flattened()).expect("the test takes reports");
    }
    for _ in 0..SIGNALS {
        assert_eq!(sys::kill(sys::getpid(), libc::SIGURG), 0);
    }
}

fn judge(story: &Story, worker: u64, me: ProcId, rounds: &[Round]) {
    assert_eq!(rounds.len() as u64, ROUNDS);
    let forks = story.forks_by(me);
    assert_eq!(forks.len() as u64, ROUNDS, "forks by worker {worker}");
    let children: HashSet<ProcId> = forks.iter().map(|(_, forked)| forked.child).collect();
    assert_eq!(children.len() as u64, ROUNDS, "no identity twice");
    for (n, round) in rounds.iter().enumerate() {
        let n = n as u64;
        let (born, forked) = story.fork_between(round.pid as i32, (round.born_from_ns, round.born_to_ns));
        let child = forked.child;
        assert_eq!((forked.parent, forked.child_ppid), (me, me.tgid), "round {n}");
        assert!((round.born_from_ns..=round.born_to_ns).contains(&child.start_ns), "round {n}: {child:?}");

        // What happened one after the other is recorded in that order, whichever CPU it happened on.
        let mut order = vec![born];
        let execs = story.execs(child);
        assert_eq!(execs.len() as u64, round.execs, "round {n}");
        for (index, exec) in execs {
            let mut wanted = argv(worker, n).join(&0);
            wanted.push(0);
            assert_eq!((&*exec.filename, &*exec.argv), (&b"/bin/sh"[..], &wanted[..]), "round {n}");
            assert_eq!((exec.parent, exec.uid, exec.flags), (me, 0, 0), "round {n}");
            assert_eq!(&*exec.comm, b"sh", "round {n}");
            order.push(index);
        }
        let signals = story.signals(me, child);
        let mut wanted = vec![(libc::SIGWINCH as u8, 1); NUDGES * round.execs as usize];
        wanted.extend((round.sig != 0).then_some((round.sig as u8, 0)));
        let got: Vec<_> = signals.iter().map(|(_, s)| (s.sig, s.result)).collect();
        assert_eq!(got, wanted, "round {n}: signal and result");
        for (index, signal) in signals {
            assert_eq!((signal.code, signal.group, signal.target_tid), (0, true, child.tgid), "round {n}");
            assert!(!signal.by_kernel(), "round {n}");
            order.push(index);
        }
        let exit = story.exit(child);
        assert_eq!(u64::from(exit.status), round.status, "round {n}");
        let wanted = if round.sig == 0 { (n % 200) << 8 } else { round.sig };
        assert_eq!(round.status, wanted, "round {n}");
        order.push(exit.index);
        let told = story.signals(child, me);
        let code = if round.sig == 0 { libc::CLD_EXITED } else { libc::CLD_KILLED };
        let got: Vec<_> = told.iter().map(|(_, s)| (s.sig, s.code, s.group, s.by_kernel())).collect();
        assert_eq!(got, [(libc::SIGCHLD as u8, code, true, true)], "round {n}");
        order.push(told[0].0);
        assert!(order.is_sorted(), "round {n}: {order:?}");
        assert_eq!(story.calls(child), [], "round {n}");
        let name = story.name(child).expect("every process has a name");
        let wanted = if round.execs == 1 { "sh".to_owned() } else { format!("storm-{worker}") };
        assert_eq!(&*name, wanted.as_bytes(), "round {n}");
    }
    let to_itself = story.signals(me, me);
    assert_eq!(to_itself.len() as u64, SIGNALS);
    assert!(to_itself.iter().all(|(_, s)| (s.sig, s.result, s.code) == (libc::SIGURG as u8, 1, 0)));
    let renames = story.pick(me, |what| matches!(what, What::Rename { .. }).then_some(()));
    assert_eq!(renames.len(), 1, "worker {worker} named itself once, and its shells not at all");
    assert_eq!(story.calls(me), [], "a plain kill is told by its signal");
}

/// Both storms, to their end: who made them, and what he says of them.
fn storms() -> Vec<(Child, Vec<Round>)> {
    let cpus = sys::cpus();
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let (reader, writer) = Channel::new().into_ends();
            let child = Child::fork(|| {
                work(worker, &cpus, &writer);
                0
            });
            (child, reader)
        })
        .collect();
    workers
        .into_iter()
        .map(|(mut child, mut reader)| {
            let mut bytes = vec![0; ROUNDS as usize * Round::BYTES];
            reader.read_exact(&mut bytes).expect("every round is reported");
            child.succeed();
            let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
            let words = |round: &[u8]| std::array::from_fn(|i| word(&round[8 * i..8 * i + 8]));
            (child, bytes.chunks(Round::BYTES).map(|round| Round::of(words(round))).collect())
        })
        .collect()
}

#[test]
fn of_a_storm_of_fork_exec_kill_and_wait_on_two_cpus_every_event_is_recorded_exactly_once_and_named() {
    let sandbox = Sandbox::new();
    let recording = Recording::start(&sandbox);
    let workers = storms();
    let story = recording.stop();
    story.must_be_whole();
    for (worker, (child, rounds)) in workers.iter().enumerate() {
        judge(&story, worker as u64, story.id(child), rounds);
    }
}

/// Hooks have a second program on kernels that preempt the first; where that was run, it must do nothing. Those of signals, for
/// real time, are left out: of two that do nothing but send, one pair in a thousand shares a slot, and is told of twice.
#[test]
fn with_a_second_program_at_each_hook_every_event_of_a_storm_is_still_recorded_exactly_once() {
    let sandbox = Sandbox::new();
    let mut probe =
        Probe::load(&sandbox, "probe", &LoadOptions { preempts: Some(Preempts::Lockless), ..ample() });
    probe.begin();
    let workers = storms();
    let story = probe.story();
    for (worker, (child, rounds)) in workers.iter().enumerate() {
        judge(&story, worker as u64, story.id(child), rounds);
    }
}
