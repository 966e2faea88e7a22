//! The story: from events to causes.
//!
//! Invariant: pure. The same recording tells the same story, whatever the order in which its frames arrived; nothing
//! here reads a file, a clock or a terminal. What is said rests on events that can be named, and says how sure it is.
//!
//! [`World`] holds what was seen, [`Story`] what it means. Findings are made by small rules, one file each, in
//! [`finding`].

pub mod across;
mod behalf;
pub mod blame;
pub mod doubt;
pub mod fate;
pub mod finding;
mod index;
pub mod intern;
pub mod restart;
pub mod service;
pub mod shutdown;
pub mod stopper;
pub mod suspects;
pub mod who;
pub mod world;

use std::{
    collections::{BTreeSet, HashMap},
    sync::OnceLock,
};

use lastrites_traces::{
    abi,
    reader::Summary,
    session::{End, How},
};

use crate::{ahead, safe};

use self::{
    across::NextBoot,
    blame::{Command, Wait},
    doubt::{Confidence, Doubt},
    fate::{ByTarget, Fate, Rivals, Verdict},
    finding::Finding,
    restart::{By, Restart},
    service::{Entry, Kind, ServiceId, Services},
    shutdown::{Aim, Asked, Init, Shutdown},
    stopper::{Stoppers, says_stop},
    world::{At, Idx, IdxSet, NONE, Proc, Sig, World},
};

/// Signals are looked at from this long before a shutdown on.
const BEFORE_NS: u64 = 30_000_000_000;

/// So long a unit may take to stop, unless somebody has set it otherwise (`DefaultTimeoutStopSec=`).
const STOPPED_NS: u64 = 90_000_000_000;

/// Everything that is known of one recording's shutdown.
#[derive(Debug)]
pub struct Story {
    pub world: World,
    pub init: Init,
    /// `sysvinit 3.06`: made safe.
    pub init_text: String,
    /// None if the recording has no shutdown in it.
    pub shutdown: Option<Shutdown>,
    /// Without a shutdown: what had been asked for right before the recording ended, and was not seen to begin.
    pub asked_last: Option<Asked>,
    pub services: Services,
    /// In order of their ends, those that never ended last.
    pub fates: Vec<Fate>,
    /// In order of time.
    pub restarts: Vec<Restart>,
    /// In order of time; their lengths add up to that of the shutdown.
    pub waits: Vec<Wait>,
    /// What the shutdown still ran when its recording ended without an end of its own; who had run longest is first.
    pub at_work: Vec<Idx>,
    pub doubt: Doubt,
    pub next: Option<NextBoot>,
    /// Nothing was written any more: power cut, panic or hang, or the recorder alone had ended.
    pub cut: bool,
    /// The recorder had been told to stop before that, so how the machine ended is not known.
    pub unseen: bool,
    /// Worst first.
    pub findings: Vec<Finding>,
    pub by_target: ByTarget,
    rivals: Rivals,
    /// Place of each process's fate, [`NONE`] without one.
    fate_of: Vec<u32>,
    /// Place of the restart that replaced each process, [`NONE`] without one.
    heir_of: Vec<u32>,
    /// Place of the restart by which each process came, likewise.
    old_of: Vec<u32>,
    stoppers: Stoppers,
    stopped: IdxSet,
    /// When everybody was stopped at once: who lived then was hit.
    stops: Option<At>,
    earlier: OnceLock<behalf::Earlier>,
    /// From when to when stop commands of units ran.
    stop_lives: OnceLock<HashMap<ServiceId, Vec<(At, At)>>>,
    /// `systemctl kill`, each time that it was run.
    kill_commands: OnceLock<Vec<(At, Idx)>>,
    scripts: OnceLock<BTreeSet<String>>,
}

impl Story {
    /// Tells the story of `world`, recorded as `summary` says; `next` is the boot after it.
    pub fn tell(world: World, summary: &Summary, next: Option<NextBoot>) -> Self {
        let init = Init::of(&world, &summary.session.init);
        let shutdown = shutdown::find(&world, init, sealed_ns(summary));
        let asked_last = if shutdown.is_none() { shutdown::asked_last(&world, init) } else { None };
        let mut services = Services::new(Entry::of(&summary.session));
        let doubt = Doubt::new(&world, summary);
        let begin = shutdown.as_ref().map_or(At::NEVER, |shutdown| shutdown.begin);
        // What killed somebody in the shutdown may have been sent a moment before it.
        let by_target =
            ByTarget::new(&world, At { ns: begin.ns.saturating_sub(BEFORE_NS), number: 0 }, begin);
        let (mut fates, mut restarts, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        let mut at_work = Vec::new();
        let mut rivals = Rivals::default();
        // Asked for by few, and made once.
        let earlier = OnceLock::new();
        if let Some(shutdown) = &shutdown {
            ((fates, rivals), restarts) = ahead::both(
                || fate::fates(&world, shutdown, &by_target),
                || restart::restarts(&world, &mut services, &by_target, shutdown, init),
            );
            // Where it may have been no end of the machine, what came back behind it was not started again; that it did not
            // come back yet is known only if nothing is missing.
            let open = !shutdown.ended && !shutdown.returned;
            if open && (shutdown.aim.is_no_end() || shutdown.aim == Aim::Unknown) {
                let from_ns = shutdown.begin.ns.saturating_sub(BEFORE_NS);
                restarts.retain(|restart| doubt.absence(from_ns, restart.at.ns));
            }
        }
        let places = |of: fn(&Restart) -> Idx| {
            let mut places = vec![NONE; world.procs.len()];
            // Of two, as only a hostile file can have them, the last.
            for (restart, at) in restarts.iter().zip(0..) {
                places[of(restart) as usize] = at;
            }
            places
        };
        let (heir_of, old_of) = (places(|restart| restart.old), places(|restart| restart.new));
        if let Some(shutdown) = &shutdown {
            let heir = |idx: Idx| old_of[idx as usize] != NONE;
            let mut of_unit =
                |idx: Idx| services.of(&world, idx).is_some_and(|id| services.get(id).kind == Kind::Unit);
            let unit_of = |idx: Idx| {
                let cgroup = world.proc_at(idx).and_then(|proc| world.cgroups.get(&proc.cgroup));
                let unit = cgroup.and_then(|path| service::of_cgroup(world.strings.get(*path)));
                unit.map(|(_, name)| safe::text(name))
            };
            let says = |idx: Idx| world.own_images(idx).any(|image| says_stop(world.strings.get(image.argv)));
            let of_mount = |unit: &String| init == Init::Systemd && service::is_mount(unit);
            // Asked of those only who still ran at an end that nobody saw.
            let stops = |idx: Idx| {
                !shutdown.ended
                    && unit_of(idx).is_some_and(|unit| {
                        let earlier = earlier.get_or_init(|| behalf::Earlier::of(&world, shutdown.begin));
                        match earlier.is_new_in(&world, idx, &unit) {
                            _ if of_mount(&unit) => true,
                            Some(is_new) => is_new,
                            // Of a unit that only does something at its start and at its end.
                            None => says(idx),
                        }
                    })
            };
            // And this of those whom somebody has killed.
            let places = places_of(&fates, &world);
            let of_init = |idx: Idx| {
                let proc = world.proc_at(idx)?;
                let fate = fates.get(*places.get(idx as usize)? as usize);
                fate.filter(|_| proc.born >= shutdown.begin && world.is_init(proc.parent))
            };
            let command = |idx: Idx| {
                let Some(unit) =
                    unit_of(idx).filter(|unit| unit.ends_with(".service") || service::is_mount(unit))
                else {
                    return Command::Other;
                };
                let earlier = earlier.get_or_init(|| behalf::Earlier::of(&world, shutdown.begin));
                let is_new = earlier.is_new_in(&world, idx, &unit);
                let born_ns = world.proc_at(idx).map_or(0, |proc| proc.born.ns);
                let fate = of_init(idx);
                let sent = fate.and_then(|fate| world.sig(fate.killer?));
                let told_ns = fate.and_then(|fate| fate.told).map(|told| told.at(&world).ns);
                let until_ns = told_ns.or(sent.map(|sent| sent.at.ns)).unwrap_or(u64::MAX);
                // systemd-shutdown, which is pid 1 later, kills whoever is left.
                let by_systemd = || {
                    sent.is_some_and(|sent| {
                        world.is_init(sent.sender)
                            && world.program_at(sent.sender, sent.at.ns) != b"systemd-shutdown"
                    })
                };
                match is_new {
                    _ if of_mount(&unit) => Command::Stops(until_ns),
                    Some(true) if earlier.ran_at(&unit, born_ns) || says(idx) => Command::Stops(until_ns),
                    Some(false) => Command::Other,
                    // What has just been started is stopped as soon as its turn comes.
                    _ if init == Init::Systemd
                        && until_ns.saturating_sub(born_ns) >= blame::HUNG_NS
                        && by_systemd() =>
                    {
                        Command::Ended(until_ns)
                    }
                    _ => Command::Other,
                }
            };
            let underway = match init {
                Init::Systemd => behalf::underway(&world, shutdown.begin),
                _ => IdxSet::default(),
            };
            waits = blame::blame(
                &world,
                shutdown,
                &fates,
                heir,
                &mut of_unit,
                stops,
                command,
                &underway,
                &by_target,
            );
            if !shutdown.ended && !shutdown.returned {
                let told: IdxSet =
                    fates.iter().filter(|fate| fate.told.is_some()).map(|fate| fate.proc).collect();
                at_work = blame::at_work(&world, shutdown, heir, &mut of_unit, stops);
                // Who was told to stop is stopping.
                at_work.retain(|idx| !told.contains(idx));
                for idx in &at_work {
                    services.of(&world, *idx);
                }
            }
        }
        for fate in &fates {
            services.of(&world, fate.proc);
        }
        let stoppers = Stoppers::new(&world, &fates, begin);
        let stop_call = world.calls.iter().find(|call| {
            call.target == -1 && call.sig == 19 && call.ret >= 0 && shutdown::reaches_all(&world, call.proc)
        });
        let stopped: IdxSet =
            world.sigs.iter().filter(|sent| sent.sig == 19).map(|sent| sent.target).collect();
        let of_call = |sent: &&Sig| sent.sig == 19 && stop_call.is_some_and(|call| call.proc == sent.sender);
        let first_stop = world.sigs.iter().find(of_call).map(|sent| sent.at);
        let stops = stop_call.and(first_stop).filter(|at| *at >= begin);
        let cut = match &summary.end {
            Some(End { how, .. }) => *how == How::NoSeal,
            None => false,
        };
        let unseen = cut && crate::about::stopped_unsealed(summary);
        if cut {
            for (idx, _) in world.all().filter(|(_, proc)| !proc.dead()) {
                services.of(&world, idx);
            }
        }
        let mut story = Self {
            world,
            init,
            init_text: crate::about::init(summary),
            shutdown,
            asked_last,
            services,
            fates,
            restarts,
            waits,
            at_work,
            doubt,
            next,
            cut,
            unseen,
            findings: Vec::new(),
            by_target,
            rivals,
            fate_of: Vec::new(),
            heir_of,
            old_of,
            stoppers,
            stopped,
            stops,
            earlier,
            stop_lives: OnceLock::new(),
            kill_commands: OnceLock::new(),
            scripts: OnceLock::new(),
        };
        story.forget_missed();
        story.findings = finding::all(&story);
        story
    }

    /// `rebooted`, as in "db7 rebooted"; `was going down` if that is all that was seen.
    pub fn verb(&self) -> &'static str {
        match &self.shutdown {
            Some(shutdown) if shutdown.ended || shutdown.aim.is_no_end() => shutdown.aim.verb(),
            Some(_) => "was going down",
            None => "was recorded",
        }
    }

    /// The last moment at which somebody was seen to live: reboot(2) itself comes after the last hook, and is rarely seen.
    pub fn at_the_end(&self) -> &'static str {
        match &self.shutdown {
            Some(shutdown) if !shutdown.called => "at the last hook",
            _ => "at reboot(2)",
        }
    }

    pub fn fate(&self, idx: Idx) -> Option<&Fate> {
        self.fates.get(*self.fate_of.get(idx as usize)? as usize)
    }

    /// The signals that `fate` may be owed to as well: of the same number, sent by others while it died.
    pub fn rivals(&self, fate: &Fate) -> impl Iterator<Item = &Sig> {
        self.rivals.get(&fate.proc).into_iter().flatten().filter_map(|at| self.world.sig(*at))
    }

    /// The last moment of a shutdown whose end was not recorded.
    pub fn at_the_last(&self) -> &'static str {
        match self.shutdown.as_ref().filter(|shutdown| shutdown.returned).map(|shutdown| shutdown.aim) {
            Some(Aim::SingleUser) => return "when single-user mode was reached",
            Some(_) => return "when the new user space began",
            None => {}
        }
        match (self.cut, self.unseen) {
            (_, true) => "when the recorder was told to stop",
            (true, false) => "when the recording broke off",
            (false, false) => "at the last event",
        }
    }

    /// What took the place of `idx`.
    pub fn replaced(&self, idx: Idx) -> Option<&Restart> {
        self.restarts.get(*self.heir_of.get(idx as usize)? as usize)
    }

    /// Whose place `idx` took.
    pub fn replaces(&self, idx: Idx) -> Option<&Restart> {
        self.restarts.get(*self.old_of.get(idx as usize)? as usize)
    }

    /// Whether `restart` is of the shutdown: the old one had been stopped for it, or everybody was being stopped by then,
    /// or the new one was killed in the end. Who crashes before that, while the request waits for inhibitors, is started
    /// again as on any other day.
    pub fn of_shutdown(&self, restart: &Restart) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let by_another = |fate: &Fate| {
            let sent = fate.killer.and_then(|killer| self.world.sig(killer));
            sent.is_some_and(|sent| sent.sender != NONE && sent.sender != fate.proc)
        };
        let stopped = |fate: &Fate| fate.told.is_some() || by_another(fate);
        restart.at >= shutdown.stopping()
            || self.fate(restart.old).is_some_and(stopped)
            || self.fate(restart.new).is_some_and(|fate| fate.verdict == Verdict::Killed && by_another(fate))
            || self.stopper(restart.old).is_some()
            || self.stop_command_beside(restart.old)
    }

    pub fn service(&self, idx: Idx) -> Option<ServiceId> {
        self.services.known(idx)
    }

    /// The init script of that name that was seen to run: supervisord's is called supervisor.
    pub fn script(&self, name: &str) -> Option<&str> {
        let scripts = self.scripts.get_or_init(|| {
            let all = self.world.images.iter().filter_map(|image| service::script(&self.world, image));
            all.map(safe::text).collect()
        });
        let like = |script: &&String| script.len() > 2 && alike(script, name);
        scripts.get(name).or_else(|| scripts.iter().find(like)).map(String::as_str)
    }

    /// The version of systemd; None of another init, or where it is not known.
    pub fn systemd(&self) -> Option<u32> {
        let version = self.init_text.strip_prefix("systemd ")?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// The stop command of its service that ran when `idx` ended without having been told to.
    pub fn stopper(&self, idx: Idx) -> Option<Idx> {
        self.stoppers.of(&self.world, &self.services, idx)
    }

    /// What a person would call it: the program, with its service where that has another name.
    pub fn called(&self, idx: Idx) -> String {
        let name = self.world.name(idx);
        match self.service(idx).map(|id| self.services.get(id)) {
            Some(service) if !alike(&service.name, &name) && !service.name.ends_with(".scope") => {
                format!("{name} of {} {}", service.kind.word(), service.name)
            }
            _ => name,
        }
    }

    /// When `idx` was killed, exited, or was cut off.
    pub fn end_of(&self, idx: Idx) -> At {
        let end = self.shutdown.as_ref().map_or(self.world.last, |shutdown| shutdown.end);
        self.world.proc_at(idx).map_or(end, |proc| proc.exit.min(end))
    }

    /// Whether it lived when everybody was stopped and was not: so it did not live, and its exit was not seen (hooks
    /// are attached one after another).
    pub fn is_missed(&self, idx: Idx) -> bool {
        let Some(stops) = self.stops else { return false };
        self.world.proc_at(idx).is_some_and(|proc| proc.born < stops && !self.stopped.contains(&idx))
    }

    /// From when on a request to stop would have been recorded: a little before the beginning of the shutdown, if that can have
    /// been seen; for who was being stopped by then is told no more.
    fn stops_from_ns(&self) -> u64 {
        let begin = self.shutdown.as_ref().filter(|_| self.saw_beginning()).map(|shutdown| shutdown.begin.ns);
        begin.map_or(0, |begin_ns| self.doubt.seen_from(begin_ns.saturating_sub(STOPPED_NS)).min(begin_ns))
    }

    /// Whether the shutdown began before our eyes, as far as is known. Who asks once more while it is under way begins nothing.
    fn saw_beginning(&self) -> bool {
        self.shutdown.as_ref().is_some_and(|shutdown| {
            let begun = shutdown.asked.is_some() || !self.doubt.is_young(shutdown.begin.ns);
            begun && !shutdown.underway
        })
    }

    /// Whether it is known that no signal told it to stop.
    pub fn is_untold(&self, idx: Idx) -> bool {
        let born_ns = self.world.proc_at(idx).map_or(0, |proc| proc.born.ns);
        let from_ns = self.stops_from_ns().max(born_ns);
        self.doubt.of_kinds(from_ns, self.end_of(idx).ns, &[abi::kind::SIGNAL]) == Confidence::Certain
    }

    /// Whose exit was missed has no fate that could be told.
    fn forget_missed(&mut self) {
        let mut fates = std::mem::take(&mut self.fates);
        if self.stops.is_some() {
            fates.retain(|fate| {
                self.world.proc_at(fate.proc).is_some_and(|proc| proc.dead()) || !self.is_missed(fate.proc)
            });
        }
        self.fate_of = places_of(&fates, &self.world);
        self.fates = fates;
    }

    /// Whether anybody would want to hear of its end: a service, or a daemon; not a shell, a login, or a step of the
    /// shutdown itself.
    pub fn matters(&self, idx: Idx) -> bool {
        let Some(proc) = self.world.proc_at(idx) else { return false };
        let program = self.world.program_of(idx);
        // What systemd forks for itself is called `(sd-sync)`, or `(mongod)` up to its exec. What another init has forked for
        // something, and has not executed that as far as anybody can tell, is not known to be anything.
        let of_init = program.starts_with(b"(")
            || self.world.is_init(proc.parent)
                && self.world.own_images(idx).next().is_none()
                && restart::is_whole(&self.world, idx);
        if proc.id.tgid <= 2 || of_init || self.is_step(idx) {
            return false;
        }
        let is_somebody = || match ERRANDS.contains(&program) {
            true => !self.is_of_a_script(idx),
            false => TOOLS.contains(&program) && self.is_main(idx),
        };
        if NOBODIES.contains(&program) && !is_somebody() {
            return false;
        }
        match self.service(idx).map(|id| self.services.get(id)) {
            Some(service) if service.name.starts_with("user@") => false,
            // A login, and what belongs to one; but not what somebody has started there to stay.
            Some(service) if service.name.ends_with(".scope") => self.is_left_to_init(idx),
            Some(service) => !OWN.contains(&service.name.as_str()),
            // A daemon: its parent is init, a supervisor, or another daemon of the same program.
            None => self.is_daemon(idx),
        }
    }

    /// Whether a script runs it, or who does that is not known to look after a service.
    fn is_of_a_script(&self, idx: Idx) -> bool {
        let parent = self.world.proc_at(idx).map_or(NONE, |proc| proc.parent);
        let keeps = self.world.is_init(parent) || self.world.is_supervisor(parent);
        !keeps || self.on_tty(idx) || self.service(idx).is_none()
    }

    fn is_daemon(&self, idx: Idx) -> bool {
        let world = &self.world;
        let Some(proc) = world.proc_at(idx) else { return false };
        if self.on_tty(idx) {
            return false;
        }
        // Also what init starts again with what runs it.
        let kept = |restart: Option<&Restart>| restart.is_some_and(|restart| restart.how != By::Script);
        self.is_left_to_init(idx)
            || world.is_supervisor(proc.parent)
            || world.program_of(proc.parent) == world.program_of(idx)
            || kept(self.replaced(idx))
            || kept(self.replaces(idx))
            || self.is_run_by_script(idx)
    }

    fn on_tty(&self, idx: Idx) -> bool {
        let image = self.world.image(self.world.image_of(idx));
        image.is_some_and(|image| !image.tty.is_empty())
    }

    /// Whether it is off every terminal, and whoever started it is gone, or is init.
    fn is_left_to_init(&self, idx: Idx) -> bool {
        let world = &self.world;
        let Some(proc) = world.proc_at(idx) else { return false };
        !self.on_tty(idx)
            && (world.is_init(proc.parent)
                || world.proc_at(proc.parent).is_none_or(|parent| parent.dead() && parent.exit < proc.exit))
    }

    /// Whether a script that is a daemon is there for it, as mysqld_safe is: it had run for long when the shutdown began.
    fn is_run_by_script(&self, idx: Idx) -> bool {
        let (Some(proc), Some(shutdown)) = (self.world.proc_at(idx), &self.shutdown) else { return false };
        proc.born.ns.saturating_add(LONG_NS) < shutdown.begin.ns && self.is_daemon_script(proc.parent)
    }

    /// Whether it is a script that nobody but init looked after when the shutdown began.
    pub(crate) fn is_daemon_script(&self, idx: Idx) -> bool {
        let began = self.shutdown.as_ref().map_or(self.world.last, |shutdown| shutdown.begin);
        let alone = |proc: &Proc| {
            self.world.is_init(proc.parent)
                || self.world.proc_at(proc.parent).is_none_or(|parent| parent.exit < began)
        };
        self.world.is_script(idx) && !self.on_tty(idx) && self.world.proc_at(idx).is_some_and(alone)
    }

    /// Whether init runs it for a service, which has no other process then. An entry of inittab that it does not start again
    /// is a command, and a shell that somebody may type into is no service.
    fn is_main(&self, idx: Idx) -> bool {
        let of_init = self.world.proc_at(idx).is_some_and(|proc| self.world.is_init(proc.parent));
        let looked_after = self.service(idx).is_some_and(|id| match self.services.get(id) {
            service if service.kind == Kind::Unit => service.name.ends_with(".service"),
            service if service.kind == Kind::Inittab => self.services.entry(id).is_some_and(Entry::respawns),
            service => service.kind == Kind::Upstart,
        });
        let image = self.world.image(self.world.image_of(idx));
        let typed_into = image.is_some_and(|image| self.world.is_typed_into(image));
        of_init && looked_after && !typed_into && !self.on_tty(idx)
    }

    /// Whether it is a part of the shutdown: a script or command that was begun in it, or the one who asked.
    pub fn is_step(&self, idx: Idx) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let world = &self.world;
        // The command, and the shells above it; but a service that had init asked is one as before.
        let is_service = || {
            let before_ns = shutdown.begin.ns.saturating_sub(LONG_NS);
            let of_init = |proc: &Proc| world.is_init(proc.parent) && proc.born.ns < before_ns;
            !shutdown.forced && world.proc_at(idx).is_some_and(of_init) && !self.on_tty(idx)
        };
        if shutdown.asked.as_ref().is_some_and(|asked| {
            asked.by != NONE
                && (asked.by == idx
                    || world.ancestors(asked.by).any(|up| up == idx && !world.is_init(up)) && !is_service())
        }) {
            return true;
        }
        // Who calls reboot(2) is not cut off by it.
        if world.reboots.iter().any(|call| call.proc == idx && call.at == shutdown.end) {
            return true;
        }
        let of_rc = |up: Idx| {
            let file =
                world.image(world.image_of(up)).map_or(&b""[..], |image| world.strings.get(image.filename));
            file == b"/etc/runit/3"
                || matches!(
                    world.program_of(up),
                    b"rc" | b"rc.6" | b"rc.0" | b"startpar" | b"openrc" | b"rc.shutdown" | b"openrc-run.sh"
                )
        };
        let in_it = |up: Idx| world.proc_at(up).is_some_and(|proc| proc.born >= shutdown.begin);
        // systemd-shutdown forks for what it does last.
        let late = |up: Idx| {
            world.is_init(up)
                && world.program_of(up) == b"systemd-shutdown"
                && world
                    .image(world.image_of(up))
                    .zip(world.proc_at(idx))
                    .is_some_and(|(image, proc)| proc.born > image.at)
        };
        if world.ancestors(idx).any(late) {
            return true;
        }
        // A daemon that a script of rc has started anew is not a part of the script.
        let daemon = self.replaces(idx).is_some();
        !daemon
            && in_it(idx)
            && std::iter::once(idx).chain(world.ancestors(idx)).any(|up| in_it(up) && of_rc(up))
    }

    /// Died of something, or was alive at reboot(2): what it held is as it left it.
    pub fn dirty(&self, idx: Idx) -> bool {
        match self.fate(idx) {
            // Nobody saw its end: it went with the machine.
            Some(fate) if fate.verdict == Verdict::NoEnd => self.cut,
            Some(fate) => matches!(fate.verdict, Verdict::Killed | Verdict::CutOff | Verdict::NeverTold),
            None => self.cut && self.world.proc_at(idx).is_some_and(|proc| !proc.dead()),
        }
    }
}

/// Where each process's fate is in `fates`, [`NONE`] without one.
fn places_of(fates: &[Fate], world: &World) -> Vec<u32> {
    let mut places = vec![NONE; world.procs.len()];
    for (fate, at) in fates.iter().zip(0..) {
        places[fate.proc as usize] = at;
    }
    places
}

/// When the last hook of the shutdown ended the recording, if it did.
pub fn sealed_ns(summary: &Summary) -> Option<u64> {
    summary.end.as_ref().filter(|end| end.how == How::Sealed).map(|end| end.time_ns)
}

/// Programs whose end nobody asks about.
const NOBODIES: [&[u8]; 34] = [
    b"rc",
    b"startpar",
    b"sh",
    b"dash",
    b"bash",
    b"zsh",
    b"fish",
    b"ksh",
    b"login",
    b"agetty",
    b"getty",
    b"sulogin",
    b"sudo",
    b"su",
    b"sleep",
    b"tail",
    b"cat",
    b"less",
    b"ssh",
    b"screen",
    b"tmux",
    b"sshd-session",
    b"(sd-pam)",
    b"systemd-udevd",
    b"udevd",
    b"killall5",
    b"plymouthd",
    b"lastrites-tracer",
    // See [`ERRANDS`].
    b"mkdir",
    b"chown",
    b"chmod",
    b"install",
    b"touch",
    b"ln",
];

/// Those of them that are nobody as what scripts run on their way to what they start: what init or a supervisor runs of a service
/// itself is what the service is at that moment.
const ERRANDS: [&[u8]; 6] = [b"mkdir", b"chown", b"chmod", b"install", b"touch", b"ln"];

/// Those of them that may be what a service is made of.
const TOOLS: [&[u8]; 10] =
    [b"sh", b"dash", b"bash", b"zsh", b"fish", b"ksh", b"sleep", b"tail", b"cat", b"ssh"];

/// Programs that write down what others say, at the other end of a pipe.
const WRITERS: [&[u8]; 10] = [
    b"logger",
    b"systemd-cat",
    b"tee",
    b"cat",
    b"multilog",
    b"svlogd",
    b"s6-log",
    b"cronolog",
    b"rotatelogs",
    b"readproctitle",
];

/// What had run for so long when a shutdown began is no command that somebody had just given.
const LONG_NS: u64 = 60_000_000_000;

/// Services of ours.
const OWN: [&str; 1] = ["lastrites.service"];

/// Whether a service's name says the same as the program's.
fn alike(service: &str, program: &str) -> bool {
    let bare = service.split(['.', '@']).next().unwrap_or(service);
    // Two letters that many begin with say nothing: unit my.service is not mysqld's.
    let begins = |long: &str, short: &str| short.len() > 2 && long.starts_with(short);
    bare == program || begins(program, bare) || begins(bare, program)
}
