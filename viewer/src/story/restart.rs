//! Who restarted what: a new process in the place of a dead one.
//!
//! Invariant: a restart is a new program run in place of a dead process of the same service, or of the same program
//! started by the same supervisor. A daemon that forks twice, an exec in the same process and a script that runs one
//! command after the other are none. Each dead process has one heir at most, and each heir one forerunner.

mod begun;
mod command;
mod kept;
mod ordered;
mod starter;
mod wrapped;

use std::collections::HashMap;

use crate::processes::base_name;

use self::{
    command::Commands,
    ordered::Orders,
    starter::{is_cut_short, is_daemon, is_started, starter},
};
pub use self::{ordered::is_order, starter::is_whole};

use super::{
    NOBODIES,
    fate::ByTarget,
    intern::PerString,
    service::{Kind, ServiceId, Services},
    shutdown::{Init, Shutdown},
    who::{SHELLS, is_descriptor, words},
    world::{At, Idx, IdxMap, Image, NONE, Origin, Proc, World},
};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Init,
    Supervisor,
    /// A script or a command, of whatever kind.
    Script,
}

impl By {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Supervisor => "supervisor",
            Self::Script => "script",
        }
    }
}

/// One restart.
#[derive(Debug, Clone)]
pub struct Restart {
    pub old: Idx,
    pub new: Idx,
    /// Who forked the new one, or had it forked.
    pub by: Idx,
    pub how: By,
    /// The command that asked `by` for it; [`NONE`] where it acted of its own accord, or as its configuration says.
    pub ordered: Idx,
    /// The new one's birth.
    pub at: At,
    /// The image that made it what the old one had been.
    up: u32,
    pub service: Option<ServiceId>,
}

/// A restart comes this soon after the death, or is a start of something that had ended long ago.
const WITHIN_NS: u64 = 180_000_000_000;
/// The first process of a daemon leaves within this time.
const DAEMON_NS: u64 = 60_000_000_000;
/// A daemon forks so many times at most.
const FORKS_MAX: usize = 3;
/// So many dead of one program that have no heir are looked at for the forerunner of a new one.
const LOOK_BACK: usize = 64;

/// Somebody who may have been replaced, or may replace.
#[derive(Debug, Clone, Copy)]
struct Run {
    idx: Idx,
    service: Option<ServiceId>,
    /// Who started it: see [`starter`].
    by: Idx,
    how: By,
    /// When it ended, or whoever went on for it.
    exit: At,
}

impl Run {
    fn new(world: &World, services: &mut Services, idx: Idx, exit: At) -> Self {
        let (by, how) = starter(world, idx, exit);
        Self { idx, service: services.of(world, idx), by, how, exit }
    }

    fn is_daemon(&self, world: &World) -> bool {
        is_daemon(world, self.idx, self.exit)
    }
}

/// All restarts of `shutdown`, in order of time.
pub fn restarts(
    world: &World,
    services: &mut Services,
    by_target: &ByTarget,
    shutdown: &Shutdown,
    init: Init,
) -> Vec<Restart> {
    let (from, until) = (shutdown.begin, shutdown.end);
    let heirs = heirs(world);
    let daemon = |idx: Idx| {
        std::iter::successors(Some(idx), |idx| heirs.get(idx).copied()).take(4).last().unwrap_or(idx)
    };
    let exit = |idx: Idx| world.proc_at(idx).map_or(At::NEVER, |proc| proc.exit);
    // Few of those born in a shutdown are more than a command of somebody: only with these is anybody compared.
    let mut new: Vec<Idx> = Vec::new();
    let mut programs = Programs::default();
    let (mut in_order, mut last) = (true, At::default());
    for (idx, proc) in world.all() {
        let born = proc.born >= from && proc.born <= until && proc.origin == Origin::Forked;
        if !born || world.is_init(idx) {
            continue;
        }
        if let Some(image) = program(world, idx)
            && is_started(world, idx, exit(daemon(idx)))
            && programs.place(world, image, true).is_some()
        {
            in_order &= last <= proc.born;
            last = proc.born;
            new.push(idx);
        }
    }
    let commands = Commands::new(world, by_target, shutdown, init);
    let mut found = Found::new(world, by_target, from, commands);
    if new.is_empty() {
        kept::add(world, services, by_target, from, until, &mut found);
        return found.in_order();
    }
    if !in_order {
        new.sort_unstable_by_key(|idx| (world.procs[*idx as usize].born, *idx));
    }
    // Counted first: millions of them leave no room behind that lists had grown out of.
    let mut places = vec![NONE; world.procs.len()];
    let mut counts: Vec<usize> = Vec::new();
    for (idx, proc) in world.all().filter(|(idx, proc)| proc.born <= until && !world.is_init(*idx)) {
        let exit = exit(daemon(idx));
        if exit != At::NEVER
            && exit.ns.saturating_add(WITHIN_NS) >= from.ns
            && let Some(image) = own_image(world, idx, proc)
            && let Some(place) = programs.place(world, image, false)
            && !is_fork(world, idx, proc)
        {
            counts.resize(counts.len().max(place as usize + 1), 0);
            counts[place as usize] += 1;
            places[idx as usize] = place;
        }
    }
    let with_room = |count: usize| Dead { list: Vec::with_capacity(count), ..Dead::default() };
    let mut dead: Vec<Dead> = counts.into_iter().map(with_room).collect();
    for (idx, place) in (0..).zip(places).filter(|(_, place)| *place != NONE) {
        let last = daemon(idx);
        dead[place as usize].list.push(Gone { ns: exit(last).ns, idx, last });
    }
    for dead in &mut dead {
        dead.list.sort_unstable_by(|a, b| {
            // Where they ended in the same nanosecond their events say who was first.
            a.ns.cmp(&b.ns).then_with(|| (exit(a.last), a.idx).cmp(&(exit(b.last), b.idx)))
        });
        dead.free = (0..=dead.list.len() as u32).collect();
    }
    // As many as there can be, for the same reason.
    found.list.reserve_exact(new.len());
    for idx in new {
        let Some(image) = program(world, idx) else { continue };
        let place = programs.place(world, image, false);
        let Some(dead) = place.and_then(|place| dead.get_mut(place as usize)) else { continue };
        let up = image.at;
        let born = world.procs[idx as usize].born;
        let new = Run::new(world, services, idx, exit(daemon(idx)));
        let before = |gone: &Gone| gone.ns < up.ns || gone.ns == up.ns && exit(gone.last) <= up;
        let place = dead.place(before);
        let mut at = dead.free(place);
        for _ in 0..LOOK_BACK {
            let Some(&Gone { ns, idx, last }) = at.checked_sub(1).and_then(|place| dead.list.get(place))
            else {
                break;
            };
            if ns.saturating_add(WITHIN_NS) < born.ns {
                break;
            }
            let old = Run::new(world, services, idx, exit(last));
            if idx != new.idx && takes_place(world, services, &old, &new) {
                dead.take(at);
                let service = new.service.or(old.service);
                let restart = Restart {
                    old: last,
                    new: daemon(new.idx),
                    by: new.by,
                    how: new.how,
                    ordered: NONE,
                    at: born,
                    up: world.procs[new.idx as usize].image,
                    service,
                };
                found.add(services, restart);
                break;
            }
            at = dead.free(at - 1);
        }
    }
    // Much memory, which the others can have.
    drop(dead);
    kept::add(world, services, by_target, from, until, &mut found);
    begun::add(world, services, from, until, daemon, &mut found);
    wrapped::add(world, services, by_target, from, until, &mut found);
    found.in_order()
}

/// Restarts, as they are found.
struct Found<'a> {
    world: &'a World,
    by_target: &'a ByTarget,
    orders: Orders,
    commands: Commands<'a>,
    list: Vec<Restart>,
    /// Who has an heir, and who is one, by place in the world. Whoever is the next run of a command is nobody else's heir.
    replaced: Vec<bool>,
    heirs: Vec<Heir>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heir {
    No,
    /// The next run of a command.
    Next,
    Yes,
}

impl<'a> Found<'a> {
    fn new(world: &'a World, by_target: &'a ByTarget, from: At, commands: Commands<'a>) -> Self {
        let orders = Orders::new(world, from);
        let (replaced, heirs) = (vec![false; world.procs.len()], vec![Heir::No; world.procs.len()]);
        Self { world, by_target, orders, commands, list: Vec::new(), replaced, heirs }
    }

    fn is_heir(&self, idx: Idx) -> bool {
        self.heirs[idx as usize] != Heir::No
    }

    /// Adds it with what had asked for it, unless it is the next run of a command.
    fn add(&mut self, services: &Services, mut restart: Restart) {
        if restart.how != By::Script {
            let order = self.orders.of(self.world, services, self.by_target, &restart);
            restart.ordered = order.unwrap_or(NONE);
        }
        let of_heir = self.heirs[restart.old as usize] == Heir::Yes;
        let is_next = self.commands.is_next(services, &restart, of_heir);
        self.replaced[restart.old as usize] = true;
        self.heirs[restart.new as usize] = if is_next { Heir::Next } else { Heir::Yes };
        if !is_next {
            self.list.push(restart);
        }
    }

    fn in_order(mut self) -> Vec<Restart> {
        self.list.sort_by_key(|restart| (restart.at, restart.new));
        self.list.shrink_to_fit();
        self.list
    }
}

/// Somebody who ended.
#[derive(Debug, Clone, Copy)]
struct Gone {
    /// When whoever went on for it ended: kept here, since looking it up costs more than all that is done with it.
    ns: u64,
    idx: Idx,
    /// Who went on for it; itself, if nobody did.
    last: Idx,
}

/// The dead of one program.
#[derive(Debug, Default)]
struct Dead {
    /// In order of their ends.
    list: Vec<Gone>,
    /// Where the last one looked: whoever is born next looks near that.
    near: usize,
    /// By place, from 1: itself while nobody took that one's place, else a place below.
    free: Vec<u32>,
}

impl Dead {
    /// How many at the beginning of the list are `before` somebody.
    fn place(&mut self, before: impl Fn(&Gone) -> bool) -> usize {
        let near = self.near.min(self.list.len());
        let (mut from, mut to) = (near, near);
        let mut step = 1;
        while to < self.list.len() && before(&self.list[to]) {
            (from, to) = (to + 1, to.saturating_add(step).min(self.list.len()));
            step *= 2;
        }
        while from > 0 && !before(&self.list[from - 1]) {
            (from, to) = (from.saturating_sub(step), from - 1);
            step *= 2;
        }
        self.near = from + self.list[from..to].partition_point(before);
        self.near
    }

    /// The last place up to `at` whose dead has no heir; 0 if there is none.
    fn free(&mut self, mut at: usize) -> usize {
        while self.free[at] as usize != at {
            let below = self.free[at] as usize;
            self.free[at] = self.free[below];
            at = below;
        }
        at
    }

    fn take(&mut self, at: usize) {
        self.free[at] = at as u32 - 1;
    }
}

/// Who goes on for whom: a daemon forks, and its first process leaves soon. The child executes nothing itself. So does
/// a child of such a child, where that left as well: a daemon forks twice, so that it leads no session.
fn heirs(world: &World) -> IdxMap<Idx> {
    let mut heirs: IdxMap<Idx> = IdxMap::default();
    for (idx, proc) in world.all().filter(|(_, proc)| proc.image == NONE) {
        let (mut born, mut up) = (proc.born, proc.parent);
        for _ in 0..FORKS_MAX {
            let Some(parent) = world.proc_at(up).filter(|_| !world.is_init(up)) else { break };
            let left = parent.dead()
                && parent.status == 0
                && parent.exit > born
                && parent.exit.ns.saturating_sub(parent.born.ns) < DAEMON_NS;
            if !left {
                break;
            }
            let goes_on = proc.exit.ns.saturating_sub(parent.exit.ns) > 100_000_000;
            let longer = |other: &Idx| world.procs[*other as usize].exit < proc.exit;
            if goes_on && heirs.get(&up).is_none_or(longer) {
                heirs.insert(up, idx);
            }
            // Beyond one that has executed something it is another program's child.
            if parent.image != NONE {
                break;
            }
            (born, up) = (parent.born, parent.parent);
        }
    }
    heirs
}

/// The program that `idx` executed itself.
fn program(world: &World, idx: Idx) -> Option<&Image> {
    own_image(world, idx, world.proc_at(idx)?)
}

fn own_image<'a>(world: &'a World, idx: Idx, proc: &Proc) -> Option<&'a Image> {
    let image = world.image(proc.image)?;
    (image.proc == idx && !image.filename.is_empty()).then_some(image)
}

/// Whether it is no more than a fork of who had it: it executed nothing, or the census found a shell, or the monitor of sudo, with
/// the words of its parent.
fn is_fork(world: &World, idx: Idx, proc: &Proc) -> bool {
    let Some(own) = own_image(world, idx, proc) else { return true };
    let above = world.image(world.image_of(proc.parent));
    proc.origin == Origin::Running
        && (world.is_shell(own) || NOBODIES.contains(&world.program(own)))
        && above.is_some_and(|above| (above.filename, above.argv) == (own.filename, own.argv))
}

/// Programs by the names of their files, numbered: each path is looked at once.
#[derive(Debug, Default)]
struct Programs<'a> {
    /// By path; None for those that nobody new is, and for an init script, which is called like its service, and is none.
    of: PerString<Option<u32>>,
    names: HashMap<&'a [u8], u32>,
}

impl<'a> Programs<'a> {
    /// The number of what `image` is; what is `new` gets the next, and comes before all that is not.
    fn place(&mut self, world: &'a World, image: &Image, new: bool) -> Option<u32> {
        self.of.of(image.filename, || {
            let file = world.strings.get(image.filename);
            let next = self.names.len() as u32;
            match new {
                _ if file.starts_with(b"/etc/init.d/") || file.starts_with(b"/etc/rc") => None,
                true => Some(*self.names.entry(base_name(file)).or_insert(next)),
                false => self.names.get(base_name(file)).copied(),
            }
        })
    }
}

fn takes_place(world: &World, services: &Services, old: &Run, new: &Run) -> bool {
    // A daemon that forks, and whose first process leaves: the child goes on, nobody restarted it.
    let related = world.ancestors(new.idx).any(|up| up == old.idx);
    if related {
        return false;
    }
    // One service may go by two kinds: started by its init script, started again by monit.
    let name = |run: &Run| run.service.map(|id| services.get(id).name.as_str());
    let same_service = new.service.is_some() && (new.service == old.service || name(new) == name(old));
    // What a supervisor starts is in the cgroup of the supervisor, wherever it was before.
    let of_supervisor =
        new.how == By::Supervisor && new.service.is_some() && new.service == services.known(new.by);
    match new.how {
        // Init restarts what it started itself, under whatever name that goes.
        By::Init | By::Supervisor => {
            // These run one program for a service, and nothing else: whatever that has made of its title.
            let kind = new.service.map(|id| services.get(id).kind);
            let was_there = world.proc_at(old.idx).is_some_and(|old| old.origin == Origin::Running);
            let only_one = was_there
                && same_service
                && old.by == new.by
                && matches!(kind, Some(Kind::Supervisord | Kind::Inittab));
            same_starter(world, old, new)
                && (same_service || of_supervisor || new.service.is_none() || old.service.is_none())
                && (only_one || same_program(world, old.idx, new.idx))
        }
        // A script that starts a daemon in place of another: both have to be daemons.
        By::Script => {
            old.is_daemon(world)
                && new.is_daemon(world)
                && same_program(world, old.idx, new.idx)
                && more_than_a_name(world, old.idx, new.idx)
        }
    }
}

fn same_starter(world: &World, old: &Run, new: &Run) -> bool {
    if old.by == new.by && old.by != NONE {
        return true;
    }
    // The supervisor itself was restarted. Two that live side by side look after things of their own; but each container has a
    // shim, and that of podman lives until what it runs has started the next.
    let program = |idx: Idx| world.program_of(idx);
    let gone = || {
        world.proc_at(old.by).is_none_or(|by| world.proc_at(new.idx).is_some_and(|new| by.exit < new.born))
    };
    let of_one = || world.is_shim(old.by) && old.service.is_some() && old.service == new.service;
    if new.how == By::Supervisor
        && old.how == new.how
        && program(old.by) == program(new.by)
        && (gone() || of_one())
    {
        return true;
    }
    // Whom a daemon's supervisor started through a script is a child of init by now; and a supervisor may watch what
    // an init script had started.
    old.is_daemon(world) && (world.is_init(old.by) || new.how == By::Supervisor)
}

/// The same program with the same arguments. Of what was running before recording began, /proc tells arguments
/// that the program may have written over.
fn same_program(world: &World, old: Idx, new: Idx) -> bool {
    let of = |idx: Idx| -> Option<&Image> { world.image(world.image_of(idx)) };
    let (Some(a), Some(b)) = (of(old), of(new)) else { return false };
    let file = |image: &Image| base_name(world.strings.get(image.filename));
    // No shell does, and what one is run for is in its words, where these are known. One that has no more than its name is
    // known to be typed into as that of a login, or on a terminal.
    let says = || {
        let mut words = words(world.strings.get(a.argv));
        let is_login = words.next().is_some_and(|name| name.starts_with(b"-"));
        words.next().is_some() || world.is_typed_into(a) && (is_login || !a.tty.is_empty())
    };
    let is_shell = || SHELLS.contains(&file(a)) && says();
    let overwritten = world.proc_at(old).is_some_and(|old| old.origin == Origin::Running) && !is_shell();
    // What is handed over as a descriptor may be another script each time: a job's last one looks like its first.
    let handed_over = words(world.strings.get(b.argv)).any(is_descriptor);
    file(a) == file(b) && !handed_over && (overwritten || same_words(world, a, b))
}

/// Whether they have the path in common as well, or arguments: nobody who looks after services says that these are one.
fn more_than_a_name(world: &World, old: Idx, new: Idx) -> bool {
    let of = |idx: Idx| -> Option<&Image> { world.image(world.image_of(idx)) };
    let (Some(a), Some(b)) = (of(old), of(new)) else { return false };
    let path = |image: &Image| -> &[u8] {
        let file = world.strings.get(image.filename);
        file.strip_prefix(b"/usr").unwrap_or(file)
    };
    let has_arguments = |image: &Image| words(world.strings.get(image.argv)).nth(1).is_some();
    path(a) == path(b) || !path(a).starts_with(b"/") || has_arguments(b) && same_words(world, a, b)
}

/// So many bytes of arguments are known however they came to be.
const ARGV_KEPT: usize = 2000;

/// Words but the first, which is a name and may have a path or not.
fn same_words(world: &World, a: &Image, b: &Image) -> bool {
    let of = |image: &Image| -> Vec<u8> {
        let argv = world.strings.get(image.argv);
        let kept = &argv[..argv.len().min(ARGV_KEPT)];
        words(kept).skip(1).flat_map(|word| word.iter().copied().chain([0])).collect()
    };
    a.argv == b.argv || of(a) == of(b)
}

impl Restart {
    /// When it was what the old one had been.
    pub fn up(&self, world: &World) -> At {
        world.image(self.up).map_or(self.at, |image| image.at)
    }

    /// Whether the new one had not come to be what the old one was: it ended as the script that starts it, say.
    pub fn is_unfinished(&self, world: &World) -> bool {
        let of = |idx: Idx| {
            world.image(world.image_of(idx)).map(|image| base_name(world.strings.get(image.filename)))
        };
        of(self.new) != of(self.old)
    }

    /// Whether init's own table or unit is what had it restarted.
    pub fn of_kind(&self, services: &Services, kind: Kind) -> bool {
        self.service.is_some_and(|id| services.get(id).kind == kind)
    }
}
