//! How processes ended in a shutdown: asked by whom, delivered or not, dead of what, how long each took.
//!
//! Invariant: the exit status decides what somebody died of. A signal is the killer only if its number is the one in
//! the status; without a record of it the killer is unknown, and said to be. Stops and continuations are neither a
//! death nor a cause.

use super::{
    shutdown::Shutdown,
    who::words,
    world::{At, Idx, IdxMap, Means, NONE, Origin, Proc, Sig, World},
};

const HUP: u8 = 1;
const INT: u8 = 2;
const QUIT: u8 = 3;
const ABRT: u8 = 6;
const KILL: u8 = 9;
const TERM: u8 = 15;

/// A signal is passed on this soon, and among so many others at most.
const PASSED_NS: u64 = 1_000_000_000;
const PASSED_MAX: usize = 1024;

/// What a process did with the signal that told it to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// The kernel threw it away: the process ignores it.
    Ignored,
    /// A handler ran.
    Handled,
    /// A handler ran, of whoever forked it: it had not executed its own program yet, and that never heard of it.
    BeforeExec,
    /// The default action: it died of it.
    Fatal,
    /// It was not seen to be taken: blocked, or the process never ran again.
    Pending,
}

impl Reception {
    /// Whether it goes on as if it had not been told.
    pub const fn unheard(self) -> bool {
        matches!(self, Self::Ignored | Self::Pending | Self::BeforeExec)
    }
}

/// The first signal of a stop.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Index of the signal.
    pub sent: u32,
    pub reception: Reception,
}

impl Told {
    pub fn at(self, world: &World) -> At {
        world.sig(self.sent).map_or_else(At::default, |sent| sent.at)
    }
}

/// How it ended, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Exited after it was told to, of its own will or by the signal's default action.
    Stopped,
    /// Exited without having been told to, or without having heard of it.
    Left,
    /// SIGKILL, or a crash.
    Killed,
    /// Alive at reboot(2), and told to stop before.
    CutOff,
    /// Alive at reboot(2), and never told to stop.
    NeverTold,
    /// Alive at the last event of a shutdown whose end was not recorded.
    NoEnd,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Left => "left",
            Self::Killed => "killed",
            Self::CutOff => "cut-off",
            Self::NeverTold => "never-told",
            Self::NoEnd => "no-end",
        }
    }
}

/// The end of one process within the shutdown.
#[derive(Debug, Clone)]
pub struct Fate {
    pub proc: Idx,
    pub verdict: Verdict,
    pub told: Option<Told>,
    /// Index of the signal that it died of, if it died of one that was recorded.
    pub killer: Option<u32>,
}

/// By process, where there are any: other signals of the same number that came while it died. They could be the cause too.
pub type Rivals = IdxMap<Box<[u32]>>;

impl Fate {
    /// From being told until the end of it.
    pub fn took_ns(&self, world: &World, end: At) -> u64 {
        let exit = world.proc_at(self.proc).map_or(end.ns, |proc| proc.exit.ns.min(end.ns));
        self.told.map_or(0, |told| exit.saturating_sub(told.at(world).ns))
    }
}

/// Signals that were sent, by target.
#[derive(Debug, Default)]
pub struct ByTarget {
    /// Indices of signals, ordered by target, then by time.
    order: Vec<u32>,
    /// By process: where its signals begin in `order`; they end where those of the next begin.
    starts: Vec<u32>,
    /// Who had been told to stop when the shutdown began, and by which signal.
    stopping: IdxMap<u32>,
}

impl ByTarget {
    /// Those from `from` on, for a shutdown that began at `begin`.
    pub fn new(world: &World, from: At, begin: At) -> Self {
        let first = world.sigs.partition_point(|sent| sent.at < from);
        // Behind each one's place is first how many it has, then where they begin, and at last, when they have been put
        // there, where they end: that is where those of the next begin.
        let mut starts = vec![0u32; world.procs.len() + 2];
        for sent in &world.sigs[first..] {
            starts[sent.target as usize + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut order = vec![0; world.sigs.len() - first];
        for (number, sent) in world.sigs.iter().enumerate().skip(first) {
            let place = &mut starts[sent.target as usize + 1];
            order[*place as usize] = number as u32;
            *place += 1;
        }
        starts.pop();
        Self { order, starts, stopping: stopping(world, begin) }
    }

    /// Signals to `target`, in order of time.
    pub fn to<'a>(
        &'a self,
        world: &'a World,
        target: Idx,
    ) -> impl DoubleEndedIterator<Item = (u32, &'a Sig)> {
        let start = |idx: usize| self.starts.get(idx).map_or(self.order.len(), |at| *at as usize);
        let of = match target {
            NONE => &[][..],
            _ => &self.order[start(target as usize)..start(target as usize + 1)],
        };
        of.iter().map(|at| (*at, &world.sigs[*at as usize]))
    }
}

/// So long a stop may take that began before the shutdown: what needs long is given as much (`TimeoutStopSec=900` of
/// MariaDB).
const STOPPING_NS: u64 = 900_000_000_000;
/// systemd answers a `systemctl kill` sooner than that.
const ANSWERED_NS: u64 = 10_000_000_000;

/// Who was being stopped when the shutdown began at `begin`, and goes on doing so: by the first signal for that of init, or else of
/// who else looks after him. What anybody else had told him he had outlived.
fn stopping(world: &World, begin: At) -> IdxMap<u32> {
    let mut stopping: IdxMap<u32> = IdxMap::default();
    if begin == At::NEVER {
        return stopping;
    }
    let first = world.sigs.partition_point(|sent| begin.ns.saturating_sub(sent.at.ns) > STOPPING_NS);
    let before = world.sigs.iter().enumerate().skip(first).take_while(|(_, sent)| sent.at < begin);
    for (number, sent) in before {
        let lives = world.proc_at(sent.target).is_some_and(|proc| proc.exit >= begin);
        let may_stop = matches!(sent.sig, TERM | INT | QUIT) && tells_to_stop(world, sent);
        if !lives || !may_stop || sent.overflowed() || world.is_init(sent.target) {
            continue;
        }
        let of_init = world.is_init(sent.sender);
        let of_systemd = of_init || world.program_at(sent.sender, sent.at.ns) == b"systemd";
        let stops = of_init || is_stopped_by(world, sent);
        if !stops || of_systemd && ordered_kill(world, sent) || before_exec(world, sent.target, sent) {
            continue;
        }
        let by_init = |number: &u32| world.is_init(world.sigs[*number as usize].sender);
        let known = stopping.entry(sent.target).or_insert(number as u32);
        if of_init && !by_init(known) {
            *known = number as u32;
        }
    }
    stopping
}

/// Whether its sender looks after its target: the supervisor that runs it, what one of a container runs for that, or a command that
/// init ran in its cgroup when it was there.
fn is_stopped_by(world: &World, sent: &Sig) -> bool {
    let Some(target) = world.proc_at(sent.target).filter(|_| sent.sender != NONE && !sent.ignored()) else {
        return false;
    };
    let is_above = |idx: Idx| world.ancestors(sent.target).any(|up| up == idx);
    if world.is_supervisor(sent.sender) {
        return is_above(sent.sender);
    }
    let line = || std::iter::once(sent.sender).chain(world.ancestors(sent.sender));
    if is_runtime(world.program_of(sent.sender)) {
        return line().any(|up| world.is_shim(up));
    }
    let top = line().take_while(|up| !world.is_init(*up)).last();
    top.filter(|top| !is_above(*top)).and_then(|top| world.proc_at(top)).is_some_and(|top| {
        world.is_init(top.parent) && top.born > target.born && top.cgroup == target.cgroup && top.cgroup != 0
    })
}

/// Whether a `systemctl kill`, or the same by another name, may have had systemd send it: who lives on has not taken it for a stop.
fn ordered_kill(world: &World, sent: &Sig) -> bool {
    let before = world.images.partition_point(|image| image.at < sent.at);
    let near = world.images[..before].iter().rev();
    near.take_while(|image| sent.at.ns.saturating_sub(image.at.ns) < ANSWERED_NS).any(|image| {
        matches!(world.program(image), b"systemctl" | b"loginctl" | b"machinectl")
            && words(world.strings.get(image.argv)).skip(1).any(|word| word.starts_with(b"kill"))
    })
}

/// Whether a signal tells its target to stop.
pub fn tells_to_stop(world: &World, sent: &Sig) -> bool {
    match sent.sig {
        QUIT => !dumps_threads(world, sent),
        TERM | INT | KILL => true,
        // What reload means to a daemon is the end to everybody else.
        HUP => sent.took().is_some_and(|(_, handled)| !handled) || sent.means == Means::Hangup,
        // systemd's KillSignal= may be any.
        10 | 12 | 28 | 30 => world.is_init(sent.sender),
        // But who dies of this one was taken for hung, by a watchdog or at the end of its time to stop.
        ABRT => {
            let died = world.proc_at(sent.target).is_some_and(|target| target.killed_by() == ABRT);
            world.is_init(sent.sender) && !died
        }
        34..=64 => world.is_init(sent.sender) && !world.is_init(sent.target),
        _ => false,
    }
}

/// Whether it is the SIGQUIT that has a JVM write what its threads are at, and go on.
fn dumps_threads(world: &World, sent: &Sig) -> bool {
    // systemd sends it where it is the KillSignal= of a unit.
    !world.is_init(sent.sender)
        && sent.took().is_some_and(|(_, handled)| handled)
        && matches!(world.program_at(sent.target, sent.at.ns), b"java" | b"jsvc")
}

/// Whether a signal that means something else to most daemons asked this one to stop, if no other did: `killer` is who
/// killed it.
fn asks_to_stop(world: &World, sent: &Sig, killer: Option<&Sig>) -> bool {
    let of_choice = matches!(sent.sig, HUP | 10 | 12 | 28 | 30 | 34..=64);
    if !of_choice || sent.sender == NONE || sent.sender == sent.target || world.is_init(sent.target) {
        return false;
    }
    // systemd reloads by commands of the unit. Other inits send SIGHUP for that.
    let is_systemd = || world.image(sent.image).is_some_and(|image| world.program(image) == b"systemd");
    let by_systemd = sent.sig == HUP && world.is_init(sent.sender) && is_systemd();
    // Whoever kills in the end has asked before, in the way that it was told to: STOPSIGNAL of a container.
    by_systemd
        || killer.is_some_and(|kill| kill.at > sent.at && is_same_hand(world, kill.sender, sent.sender))
}

/// Whether two senders are one, or commands that somebody who looks after containers ran one after the other: `runc kill`.
fn is_same_hand(world: &World, one: Idx, other: Idx) -> bool {
    let parent = |idx: Idx| world.proc_at(idx).map_or(NONE, |proc| proc.parent);
    let program = world.program_of(one);
    one == other
        || is_runtime(program)
            && program == world.program_of(other)
            && parent(one) != NONE
            && parent(one) == parent(other)
}

/// Whether it is what sends signals for who looks after containers.
fn is_runtime(program: &[u8]) -> bool {
    matches!(program, b"runc" | b"crun" | b"docker-runc" | b"youki" | b"runsc")
}

/// Everybody who lived when the shutdown began, or was born in it, and how it ended for them. In order of their ends.
pub fn fates(world: &World, shutdown: &Shutdown, by_target: &ByTarget) -> (Vec<Fate>, Rivals) {
    let mut rivals = Rivals::default();
    // As many as there can be: a list that grows leaves room behind that it had grown out of.
    let mut fates: Vec<Fate> = Vec::with_capacity(world.procs.len());
    let mut lives = vec![true; world.procs.len()];
    for idx in &world.ended {
        lives[*idx as usize] = false;
    }
    // Looked at as they ended, and then those who never did by their places, they are in order, unless the events were not.
    let alive = (0..).zip(&lives).filter(|(_, lives)| **lives).map(|(idx, _)| idx);
    let (mut in_order, mut last) = (true, (At::default(), 0));
    for idx in world.ended.iter().copied().chain(alive) {
        let Some(proc) = world.proc_at(idx) else { continue };
        let of_shutdown = !world.is_init(idx)
            && proc.exit >= shutdown.begin
            && proc.born < shutdown.end
            && !(proc.dead() && proc.exit > shutdown.end)
            && proc.id.tgid != 0;
        if of_shutdown && let Some(fate) = fate(world, shutdown, by_target, &mut rivals, idx) {
            in_order &= last <= (proc.exit, idx);
            last = (proc.exit, idx);
            fates.push(fate);
        }
    }
    fates.shrink_to_fit();
    if !in_order {
        fates.sort_unstable_by_key(|fate| (world.procs[fate.proc as usize].exit, fate.proc));
    }
    (fates, rivals)
}

fn fate(
    world: &World,
    shutdown: &Shutdown,
    by_target: &ByTarget,
    rivals: &mut Rivals,
    idx: Idx,
) -> Option<Fate> {
    let proc = world.proc_at(idx)?;
    // Somebody only heard of may as well be a ghost: a zombie that nobody has waited for, say.
    if !proc.dead() && proc.origin == Origin::Mentioned {
        return None;
    }
    let told = told_for(world, by_target, idx, shutdown.begin);
    let sig = proc.killed_by();
    let (killer, others) = killer(world, by_target, idx, sig);
    if !others.is_empty() {
        rivals.insert(idx, others);
    }
    let verdict = if !proc.dead() && !shutdown.ended {
        Verdict::NoEnd
    } else if !proc.dead() {
        if told.is_some() { Verdict::CutOff } else { Verdict::NeverTold }
    } else {
        let by_stop = told.is_some_and(|told| world.sigs[told.sent as usize].sig == sig);
        match sig {
            0 if told.is_some_and(|told| told.reception != Reception::BeforeExec) => Verdict::Stopped,
            0 => Verdict::Left,
            KILL => Verdict::Killed,
            _ if told.is_some_and(|told| is_final(world, told, killer)) => Verdict::Killed,
            _ if is_dismissed(world, idx, killer) => Verdict::Stopped,
            _ if by_stop || matches!(sig, TERM | INT | HUP | QUIT) => Verdict::Stopped,
            _ => Verdict::Killed,
        }
    };
    Some(Fate { proc: idx, verdict, told, killer })
}

/// Whether its own parent ended it, and then itself, as it should: what a program forks of itself it ends in ways that the
/// two have agreed upon (the child by which Redis saves, by SIGUSR1), and nobody lost anything.
fn is_dismissed(world: &World, idx: Idx, killer: Option<u32>) -> bool {
    let Some(sent) = killer.and_then(|killer| world.sig(killer)) else { return false };
    let Some(proc) = world.proc_at(idx).filter(|proc| proc.parent == sent.sender) else { return false };
    // Of whom /proc told it is not known whether he executed anything.
    let forked = match proc.origin {
        Origin::Running => world.program_of(idx) == world.program_of(sent.sender),
        _ => world.own_images(idx).next().is_none(),
    };
    let agreed = matches!(sent.sig, 10 | 12 | 34..=64) && sent.sender != NONE && forked;
    agreed
        && world
            .proc_at(sent.sender)
            .is_some_and(|parent| parent.code() == Some(0) && parent.exit > proc.exit)
}

/// SendSIGHUP= and a second look at a unit come sooner behind its KillSignal= than that.
const FINAL_NS: u64 = 1_000_000_000;

/// Whether systemd killed it so when its time to stop was over: FinalKillSignal= may be another than SIGKILL.
fn is_final(world: &World, told: Told, killer: Option<u32>) -> bool {
    let (Some(first), Some(last)) = (world.sig(told.sent), killer.and_then(|killer| world.sig(killer)))
    else {
        return false;
    };
    let by_systemd = |sent: &Sig| {
        world.is_init(sent.sender)
            && world.image(sent.image).is_some_and(|image| world.program(image) == b"systemd")
    };
    first.sig != last.sig
        && last.sig != HUP
        && last.at.ns.saturating_sub(first.at.ns) >= FINAL_NS
        && by_systemd(first)
        && by_systemd(last)
}

/// The first signal of the stop that `idx` met from `begin` on. SIGKILL is what one dies of, not a request.
pub fn told(world: &World, by_target: &ByTarget, idx: Idx, begin: At) -> Option<Told> {
    let proc = world.proc_at(idx)?;
    let came = || {
        by_target.to(world, idx).filter(|(_, sent)| {
            sent.at >= begin && sent.at <= proc.exit && sent.sig != KILL && !sent.overflowed()
        })
    };
    // A unit has one KillSignal=: where init sent a plain one later, its SIGUSR1 meant something else. In the end
    // systemd-shutdown, which is pid 1 then, sends SIGTERM to all that is left, whatever it was sent before.
    let plain = |sent: &Sig| {
        matches!(sent.sig, TERM | INT | QUIT) && world.is_init(sent.sender) && !in_the_end(world, sent)
    };
    let last_plain = came().filter(|(_, sent)| plain(sent)).map(|(_, sent)| sent.at).next_back();
    let meant = |sent: &Sig| {
        matches!(sent.sig, TERM | INT | QUIT | HUP) || last_plain.is_none_or(|plain| sent.at > plain)
    };
    let stops = || came().filter(|(_, sent)| tells_to_stop(world, sent) && meant(sent));
    let asks = || {
        let kill = if proc.killed_by() == KILL { killer(world, by_target, idx, KILL).0 } else { None };
        let kill = kill.and_then(|kill| world.sig(kill));
        came().find(|(_, sent)| asks_to_stop(world, sent, kill))
    };
    // Of several signals of one stop the first counts that reached it.
    let reached = |sent: &Sig| !sent.ignored() && !before_exec(world, idx, sent);
    let (number, _) = stops().find(|(_, sent)| reached(sent)).or_else(|| stops().next()).or_else(asks)?;
    received(world, by_target, idx, number)
}

/// By what the shutdown that began at `begin` met `idx` stopping, or told it to: who was stopping before is told no more, unless
/// by systemd-shutdown, which tells all that is left.
pub fn told_for(world: &World, by_target: &ByTarget, idx: Idx, begin: At) -> Option<Told> {
    let told = told(world, by_target, idx, begin);
    let Some(earlier) = by_target.stopping.get(&idx).copied() else { return told };
    let by_init = world.sig(earlier).is_some_and(|sent| world.is_init(sent.sender));
    let late = |told: &Told| world.sig(told.sent).is_some_and(|sent| by_init && in_the_end(world, sent));
    match told {
        Some(told) if !late(&told) => Some(told),
        _ => received(world, by_target, idx, earlier),
    }
}

/// Whether systemd-shutdown sent it.
fn in_the_end(world: &World, sent: &Sig) -> bool {
    world.image(sent.image).is_some_and(|image| world.program(image) == b"systemd-shutdown")
}

/// What `idx` did with a signal that told it to stop.
fn received(world: &World, by_target: &ByTarget, idx: Idx, number: u32) -> Option<Told> {
    let (proc, sent) = (world.proc_at(idx)?, world.sig(number)?);
    let died_of_it = proc.killed_by() == sent.sig;
    let reception = match sent.took() {
        _ if sent.ignored() => Reception::Ignored,
        Some((_, true)) if before_exec(world, idx, sent) => Reception::BeforeExec,
        Some((_, true)) => Reception::Handled,
        _ if died_of_it => Reception::Fatal,
        Some((_, false)) => Reception::Fatal,
        // A process that exits after a signal has taken it in some way that is no delivery: signalfd, sigwait. So has
        // one that had room for the next of the same number.
        None if proc.code().is_some()
            || taken_silently(world, by_target, idx, sent)
            || passed_on(world, idx, sent) =>
        {
            Reception::Handled
        }
        None => Reception::Pending,
    };
    Some(Told { sent: number, reception })
}

/// Whether the handler that took `sent` was the one of whoever had forked `idx`, which then executed its own program.
fn before_exec(world: &World, idx: Idx, sent: &Sig) -> bool {
    let first = || world.own_images(idx).last().map(|image| image.at);
    sent.took().is_some_and(|(at, handled)| handled && first().is_some_and(|exec| at < exec))
}

/// Whether a later signal of the same number found none waiting.
fn taken_silently(world: &World, by_target: &ByTarget, idx: Idx, first: &Sig) -> bool {
    by_target.to(world, idx).any(|(_, sent)| sent.sig == first.sig && sent.at > first.at && sent.result == 0)
}

/// Whether it told a child of its own the same right behind, as inits of containers do.
fn passed_on(world: &World, idx: Idx, first: &Sig) -> bool {
    let behind = world.sigs.partition_point(|sent| sent.at <= first.at);
    let near = world.sigs[behind..].iter().take(PASSED_MAX);
    near.take_while(|sent| sent.at.ns.saturating_sub(first.at.ns) < PASSED_NS).any(|sent| {
        let of_it = || world.proc_at(sent.target).is_some_and(|target| target.parent == idx);
        sent.sender == idx && sent.sig == first.sig && of_it()
    })
}

/// Who sent what `idx` died of: the last such signal before its exit, and the others that came near it.
fn killer(world: &World, by_target: &ByTarget, idx: Idx, sig: u8) -> (Option<u32>, Box<[u32]>) {
    let Some(proc) = world.proc_at(idx).filter(|_| sig != 0) else { return Default::default() };
    let of_it = || {
        by_target.to(world, idx).filter(|(_, sent)| {
            sent.sig == sig && sent.at <= proc.exit && !sent.ignored() && !sent.overflowed()
        })
    };
    // SIGKILL works at once; a second one finds it dying. Other signals too: the first that was taken fatally.
    let fatal = of_it().find(|(_, sent)| sent.took().is_some_and(|(_, handled)| !handled));
    let first = fatal.or_else(|| {
        // Long before the end is not the cause of it, unless nothing else is.
        let near = of_it().find(|(_, sent)| proc.exit.ns.saturating_sub(sent.at.ns) < 30_000_000_000);
        near.or_else(|| of_it().next_back())
    });
    let Some((number, cause)) = first else { return Default::default() };
    // The cause itself is of its own sender.
    let rival = |sent: &Sig| sent.sender != cause.sender && sent.at.ns.abs_diff(cause.at.ns) < 1_000_000;
    let rivals = of_it().filter(|(_, sent)| rival(sent)).map(|(number, _)| number).collect();
    (Some(number), rivals)
}

impl World {
    /// Whether `leader` leads the session of `idx`.
    fn leads(&self, leader: Idx, idx: Idx) -> bool {
        let session = self.image(self.image_of(idx)).map_or(0, |image| image.session);
        session != 0 && self.pid(leader) == session && self.proc_at(leader).is_some_and(Proc::dead)
    }

    pub fn sig(&self, number: u32) -> Option<&Sig> {
        self.sigs.get(number as usize)
    }

    /// `rc -> sendsigs -> killall5 -15`, `init`, `the kernel`: who sent it, for a sentence.
    pub fn sender(&self, sent: &Sig) -> String {
        match sent.means {
            Means::Oom => "the kernel, out of memory,".into(),
            Means::Timer => "a timer of its own".into(),
            // Others are only running when a terminal or a process group is hung up.
            Means::Hangup if self.leads(sent.sender, sent.target) => {
                format!("the kernel, when session leader {} ended,", self.label_at(sent.sender, sent.at.ns))
            }
            Means::Hangup => "the kernel, hanging up its terminal or process group,".into(),
            Means::Namespace => {
                format!(
                    "the kernel, when {}, the init of its pid namespace, ended,",
                    self.label_at(sent.sender, sent.at.ns)
                )
            }
            // prctl(2): the parent is the thread that forked it, and the last of its process only at times.
            Means::ParentDeath => {
                let whole = self.proc_at(sent.sender).is_some_and(|parent| parent.exit <= sent.at);
                let what = if whole { "its parent" } else { "a thread of its parent" };
                format!("the kernel, when {what} {} ended,", self.label_at(sent.sender, sent.at.ns))
            }
            _ if sent.sender == NONE => "the kernel".into(),
            Means::CgroupKill => format!("{} (by cgroup.kill)", self.chain(sent.sender, sent.at.ns)),
            _ => self.chain(sent.sender, sent.at.ns),
        }
    }
}
