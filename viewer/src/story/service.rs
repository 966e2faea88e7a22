//! Which service a process belongs to.
//!
//! Invariant: by what is there to be seen: its cgroup, a variable that its init sets, who supervises it, the init
//! script it comes from, its entry in inittab. A process without any of these belongs to none.

mod pattern;

use std::{collections::HashMap, sync::OnceLock};

use lastrites_traces::session::Session;

use crate::{processes::base_name, safe};

use self::pattern::Patterns;
use super::{
    intern::PerString,
    who::words,
    world::{Idx, Image, World},
};

/// Who looks after a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Unit,
    Container,
    Upstart,
    Inittab,
    Script,
    OpenRc,
    Runit,
    S6,
    Daemontools,
    Supervisord,
    Monit,
    Dinit,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Upstart => "upstart job",
            Self::Inittab => "inittab entry",
            Self::Script => "init script",
            Self::OpenRc => "openrc service",
            Self::Runit => "runit service",
            Self::S6 => "s6 service",
            Self::Daemontools => "daemontools service",
            Self::Supervisord => "supervisord program",
            Self::Monit => "monit service",
            Self::Dinit => "dinit service",
        }
    }
}

/// Names a service of one story: its place in [`Services::list`].
pub type ServiceId = u16;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    pub kind: Kind,
    /// Made safe.
    pub name: String,
    /// The unit of the user's systemd that looks after it; empty: pid 1 does. Two users may have units of one name.
    manager: String,
}

/// `id:levels:action:command` of inittab, as the recording has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub levels: String,
    pub action: String,
    pub command: String,
}

impl Entry {
    /// The entries that a recording tells of.
    pub fn of(session: &Session) -> Vec<Self> {
        let lines = session.extra.iter().filter(|(key, _)| key == "inittab");
        lines.filter_map(|(_, line)| Self::parse(line)).collect()
    }

    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, ':').map(|field| safe::text(field.trim().as_bytes()));
        Some(Self {
            id: fields.next()?,
            levels: fields.next()?,
            action: fields.next()?,
            command: fields.next()?,
        })
    }

    /// Whether a `command` without its quotes is what init makes of this entry: its own words, or a shell that executes these,
    /// which takes redirections out.
    fn is_run_by(&self, command: &str, file: &str) -> bool {
        let wanted = plain(self.command.trim_start_matches('+'));
        let script = wanted.split(' ').next() == Some(file);
        !wanted.is_empty()
            && (command == wanted
                || command.ends_with(&format!("exec {wanted}"))
                || script && command.ends_with(&format!(" {wanted}"))
                || without_redirections(&wanted).is_some_and(|bare| command == bare))
    }

    pub fn respawns(&self) -> bool {
        matches!(self.action.as_str(), "respawn" | "ondemand")
    }
}

/// A command line without quotes, and with one space wherever there is any.
fn plain(command: &str) -> String {
    let bare: String = command.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a simple command executes that a shell redirects; None where it does not, or stays for more than one.
fn without_redirections(command: &str) -> Option<String> {
    if !command.contains(['<', '>']) || command.contains(['|', ';']) || command.contains(" & ") {
        return None;
    }
    let mut left: Vec<&str> = Vec::new();
    let mut words = command.split(' ').peekable();
    while let Some(word) = words.next() {
        let operator = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
        match operator.starts_with(['<', '>']) {
            // The file may stand behind it.
            true if operator.ends_with(['<', '>']) => {
                words.next();
            }
            true => {}
            false => left.push(word),
        }
    }
    Some(left.join(" "))
}

/// Variables that name a service, and of which kind.
const VARIABLES: [(&[u8], Kind); 5] = [
    (b"UPSTART_JOB=", Kind::Upstart),
    (b"SUPERVISOR_PROCESS_NAME=", Kind::Supervisord),
    (b"MONIT_SERVICE=", Kind::Monit),
    (b"RC_SVCNAME=", Kind::OpenRc),
    (b"DINIT_SERVICE=", Kind::Dinit),
];

/// Scripts of a runlevel that are not services but the shutdown itself.
const NO_SERVICES: [&[u8]; 22] = [
    b"rc",
    b"rcS",
    b"sendsigs",
    b"umountnfs.sh",
    b"umountfs",
    b"umountroot",
    b"reboot",
    b"halt",
    b"killprocs",
    b"single",
    b"urandom",
    b"hwclock.sh",
    b"networking",
    b"README",
    b"skeleton",
    b"bootlogs",
    b"rc.local",
    b"rmnologin",
    b"bootmisc.sh",
    b"mountall.sh",
    b"checkroot.sh",
    b"lastrites-seal",
];

/// Nobody asked yet.
const UNASKED: ServiceId = ServiceId::MAX;
/// It belongs to none.
const NONE_OF: ServiceId = ServiceId::MAX - 1;

/// The services of a recording.
#[derive(Debug, Default)]
pub struct Services {
    pub list: Vec<Service>,
    pub entries: Vec<Entry>,
    ids: HashMap<Service, ServiceId>,
    /// By process: [`UNASKED`], [`NONE_OF`], or its service.
    of: Vec<ServiceId>,
    /// Which environments name a service, and which files and arguments an init script.
    envs: PerString<bool>,
    files: PerString<bool>,
    argvs: PerString<bool>,
    /// Made once, and only for who is no entry's by its words.
    patterns: OnceLock<Patterns>,
}

impl Services {
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    pub fn get(&self, id: ServiceId) -> &Service {
        &self.list[usize::from(id)]
    }

    /// The inittab entry of a service of that kind.
    pub fn entry(&self, id: ServiceId) -> Option<&Entry> {
        let service = self.get(id);
        self.entries.iter().find(|entry| service.kind == Kind::Inittab && entry.id == service.name)
    }

    /// The service of `idx`, if [`Services::of`] was asked for it before.
    pub fn known(&self, idx: Idx) -> Option<ServiceId> {
        self.asked(idx).flatten()
    }

    /// The service of `idx`: its own, or else that of the nearest forefather who has one.
    pub fn of(&mut self, world: &World, idx: Idx) -> Option<ServiceId> {
        if let Some(known) = self.asked(idx) {
            return known;
        }
        let mut found = self.own(world, idx);
        // Of its forefathers so many are looked at.
        let mut met = 0;
        if found.is_none() {
            for forefather in world.ancestors(idx) {
                if world.is_init(forefather) {
                    break;
                }
                let known = self.asked(forefather);
                met += 1;
                found = known.unwrap_or_else(|| self.own(world, forefather));
                // What a supervisor is is no answer for what it supervises.
                if found.is_some() || known.is_some() {
                    break;
                }
            }
        }
        if self.of.len() < world.procs.len() {
            self.of.resize(world.procs.len(), UNASKED);
        }
        for idx in std::iter::once(idx).chain(world.ancestors(idx).take(met)) {
            if let Some(place) = self.of.get_mut(idx as usize) {
                *place = found.unwrap_or(NONE_OF);
            }
        }
        found
    }

    fn asked(&self, idx: Idx) -> Option<Option<ServiceId>> {
        match self.of.get(idx as usize) {
            None | Some(&UNASKED) => None,
            Some(&NONE_OF) => Some(None),
            Some(id) => Some(Some(*id)),
        }
    }

    fn add(&mut self, kind: Kind, name: &[u8]) -> Option<ServiceId> {
        self.add_of(kind, name, b"")
    }

    fn add_of(&mut self, kind: Kind, name: &[u8], manager: &[u8]) -> Option<ServiceId> {
        if name.is_empty() {
            return None;
        }
        let service = Service { kind, name: safe::text(name), manager: safe::text(manager) };
        if let Some(id) = self.ids.get(&service) {
            return Some(*id);
        }
        let id = ServiceId::try_from(self.list.len()).ok().filter(|id| *id < NONE_OF)?;
        self.ids.insert(service.clone(), id);
        self.list.push(service);
        Some(id)
    }

    fn own(&mut self, world: &World, idx: Idx) -> Option<ServiceId> {
        let proc = world.proc_at(idx)?;
        if world.is_init(idx) {
            return None;
        }
        if let Some(path) = world.cgroups.get(&proc.cgroup)
            && let Some((kind, name)) = of_cgroup(world.strings.get(*path))
        {
            let path = world.strings.get(*path);
            let manager = if kind == Kind::Unit { manager(path, name) } else { b"" };
            return match inner(path, name).filter(|_| kind == Kind::Container) {
                Some(inner) => self.add(kind, &[name, b"/", inner].concat()),
                None => self.add_of(kind, name, manager),
            };
        }
        let env = world.image(world.image_of(idx)).map(|image| image.env).unwrap_or_default();
        if self.envs.of(env, || of_variables(world.strings.get(env)).is_some())
            && let Some((kind, name)) = of_env(world, idx)
        {
            return self.add(kind, &name);
        }
        if let Some((kind, name)) = of_supervisor(world, idx) {
            return self.add(kind, &name);
        }
        if world.is_init(proc.parent)
            && let Some(id) = self.of_inittab(world, idx)
        {
            return self.add(Kind::Inittab, id.as_bytes());
        }
        let mut names_script = |image: &&Image| {
            let Image { filename, argv, .. } = **image;
            self.files.of(filename, || is_of_rc(world.strings.get(filename)))
                || self.argvs.of(argv, || script_word(world.strings.get(argv)).is_some())
        };
        let mut those = world.images_of(idx).filter(&mut names_script);
        let script = those.find_map(|image| script(world, image).map(<[u8]>::to_owned))?;
        self.add(Kind::Script, &script)
    }

    /// The entry whose command this child of init runs or ran.
    fn of_inittab(&self, world: &World, idx: Idx) -> Option<String> {
        if self.entries.is_empty() {
            return None;
        }
        // A script is executed under its own name, with its interpreter in front of its arguments.
        let image = |image: &Image| {
            (plain(&world.command(image, 512)), safe::text(world.strings.get(image.filename)))
        };
        let images: Vec<(String, String)> = world.own_images(idx).map(image).collect();
        let is_run = |entry: &&Entry| images.iter().any(|(command, file)| entry.is_run_by(command, file));
        if let Some(entry) = self.entries.iter().find(is_run) {
            return Some(entry.id.clone());
        }
        let patterns = self.patterns.get_or_init(|| Patterns::new(world, &self.entries));
        patterns.of(world, idx).and_then(|at| self.entries.get(at)).map(|entry| entry.id.clone())
    }
}

/// The unit or container of a cgroup's path.
pub(super) fn of_cgroup(path: &[u8]) -> Option<(Kind, &[u8])> {
    if let Some(machine) = machine(path) {
        return Some((Kind::Container, machine));
    }
    for part in path.rsplit(|byte| *byte == b'/') {
        let is_unit = [&b".service"[..], b".mount", b".swap"].iter().any(|end| part.ends_with(end));
        if is_unit || part.ends_with(b".scope") && part != b"init.scope" {
            return Some((Kind::Unit, part));
        }
    }
    None
}

/// The unit of the user's systemd that looks after unit `name` of a cgroup's path; nothing of those of pid 1.
fn manager<'a>(path: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut parts = path.split(|byte| *byte == b'/').take_while(|part| *part != name);
    parts.find(|part| part.starts_with(b"user@") && part.ends_with(b".service")).unwrap_or_default()
}

/// A container of an engine within the outermost one, which is `name`: docker in LXC.
fn inner<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut ids = path.rsplit(|byte| *byte == b'/').filter_map(container);
    ids.find(|id| *id != name)
}

/// The outermost container that a path leads into: what units there are in it are not this machine's.
fn machine(path: &[u8]) -> Option<&[u8]> {
    let mut above: &[u8] = b"";
    let mut in_machines = false;
    for part in path.split(|byte| *byte == b'/') {
        let name = match part {
            // In a report the unit above has another name.
            b"payload" if in_machines => {
                let unit = above.strip_suffix(b".service").or(above.strip_suffix(b".scope")).unwrap_or(above);
                Some(unit.strip_prefix(b"systemd-nspawn@").or(unit.strip_prefix(b"machine-")).unwrap_or(unit))
            }
            // Proxmox, and LXC before it had payloads.
            _ if matches!(above, b"lxc" | b"lxc.payload") => Some(part),
            _ => part.strip_prefix(b"lxc.payload.").or_else(|| container(part)),
        };
        in_machines |= part == b"machine.slice";
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return Some(name);
        }
        above = part;
    }
    None
}

/// Whether a unit is one for which systemd itself runs nothing but what mounts or unmounts.
pub(super) fn is_mount(unit: &str) -> bool {
    unit.ends_with(".mount") || unit.ends_with(".swap")
}

/// The container that one part of a cgroup's path names.
fn container(part: &[u8]) -> Option<&[u8]> {
    // docker-registry.service is a service of this machine, and docker-volumes.mount what is mounted on /docker/volumes: of
    // units only a scope is a container's.
    if [&b".service"[..], b".slice", b".mount", b".swap", b".socket"].iter().any(|end| part.ends_with(end)) {
        return None;
    }
    let prefixes = [&b"docker-"[..], b"libpod-payload-", b"libpod-", b"cri-containerd-", b"crio-"];
    // Whoever looks after a container of podman or CRI-O is on this side of it.
    let mut ids = prefixes
        .iter()
        .filter_map(|prefix| part.strip_prefix(*prefix))
        .filter(|id| id.len() >= 12 && !id.starts_with(b"conmon"));
    let bare = part.len() >= 64 && part.iter().all(u8::is_ascii_hexdigit);
    ids.next().or(bare.then_some(part)).map(|id| &id[..12])
}

/// Whether a cgroup is one of those that engines keep the processes of a container in, and nobody else. The machines of
/// machine.slice are not: a qemu there is a process of this one.
pub(super) fn is_of_container(path: &[u8]) -> bool {
    machine(path).is_some() || path.split(|byte| *byte == b'/').any(|part| part.starts_with(b"machine-lxc"))
}

/// What a variable is set to, if it is set to something.
fn variable<'a>(env: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    words(env).find_map(|pair| pair.strip_prefix(key)).filter(|value| !value.is_empty())
}

/// The service that an environment names.
fn of_variables(env: &[u8]) -> Option<(Kind, &[u8])> {
    VARIABLES.iter().find_map(|(key, kind)| Some((*kind, variable(env, key)?)))
}

fn of_env(world: &World, idx: Idx) -> Option<(Kind, Vec<u8>)> {
    let image = world.image(world.image_of(idx))?;
    let env = world.strings.get(image.env);
    let (kind, name) = of_variables(env)?;
    // The rc job of Upstart runs everybody else's stop scripts.
    if kind == Kind::Upstart && matches!(name, b"rc" | b"rcS" | b"rc-sysinit") {
        return None;
    }
    let mut name = name.to_owned();
    if kind == Kind::Upstart
        && let Some(instance) = variable(env, b"UPSTART_INSTANCE=")
    {
        name.extend_from_slice(b" (");
        name.extend_from_slice(instance);
        name.push(b')');
    }
    Some((kind, name))
}

fn of_supervisor(world: &World, idx: Idx) -> Option<(Kind, Vec<u8>)> {
    let parent = world.proc_at(idx)?.parent;
    // Who supervises one service has it in its arguments; it belongs to that service itself.
    for (at, who) in [(idx, idx), (parent, parent)] {
        let Some(image) = world.image(world.image_of(who)) else { continue };
        let kind = match world.program_of(at) {
            b"runsv" => Kind::Runit,
            b"s6-supervise" => Kind::S6,
            b"supervise" => Kind::Daemontools,
            _ => continue,
        };
        let dir = words(world.strings.get(image.argv)).nth(1)?;
        return Some((kind, base_name(dir.strip_suffix(b"/").unwrap_or(dir)).to_owned()));
    }
    None
}

/// Whether a path is that of an init script, or of a link of a runlevel to one.
pub fn of_rc(path: &[u8]) -> bool {
    path.starts_with(b"/etc/init.d/") || path.starts_with(b"/etc/rc") && path.contains(&b'.')
}

/// Whether a file that is executed lies where init scripts do.
fn is_of_rc(file: &[u8]) -> bool {
    file.starts_with(b"/etc/init.d/") || file.starts_with(b"/etc/rc")
}

/// The init script that an interpreter is given.
fn script_word(argv: &[u8]) -> Option<&[u8]> {
    words(argv).skip(1).take(2).find(|word| of_rc(word))
}

/// The service whose init script an image is.
pub fn script<'a>(world: &'a World, image: &Image) -> Option<&'a [u8]> {
    let file = world.strings.get(image.filename);
    let path = if is_of_rc(file) { file } else { script_word(world.strings.get(image.argv))? };
    let base = base_name(path);
    let name = match base {
        [b'K' | b'S', a, b, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && !rest.is_empty() => {
            rest
        }
        _ => base,
    };
    let is_service = !NO_SERVICES.contains(&name) && !name.starts_with(b"lastrites");
    is_service.then_some(name)
}
