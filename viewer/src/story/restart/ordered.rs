//! Who ordered a restart: a command that asks init or a supervisor to start or restart something.
//!
//! Invariant: an order names the service in its arguments, and was given before the service was up again; one that only
//! says start, when there was something to start. Without an order a restart is what init or the supervisor did of its own
//! accord.

use crate::{
    processes::base_name,
    story::{
        fate::{ByTarget, told},
        intern::PerString,
        restart::Restart,
        service::{Kind, Services, of_rc},
        who::words,
        world::{At, Idx, Image, World},
    },
};

/// Commands that speak to an init or a supervisor.
const COMMANDS: [&[u8]; 16] = [
    b"systemctl",
    b"service",
    b"invoke-rc.d",
    b"deb-systemd-invoke",
    b"initctl",
    b"start",
    b"restart",
    b"rc-service",
    b"sv",
    b"s6-svc",
    b"svc",
    b"s6-rc",
    b"supervisorctl",
    b"monit",
    b"dinitctl",
    b"docker",
];

/// Whether an image is a command that asks an init or a supervisor to start or restart something: `monit restart mongod`, but not
/// monit itself, nor the init script of docker.
pub fn is_order(world: &World, image: &Image) -> bool {
    let program = world.program(image);
    let argv = world.strings.get(image.argv);
    let of_script = || of_rc(world.strings.get(image.filename)) || words(argv).skip(1).take(2).any(of_rc);
    COMMANDS.contains(&program)
        && (matches!(program, b"start" | b"restart")
            || says(world, image, &VERBS)
            || says(world, image, &STARTS))
        && !of_script()
}

/// What they are told to do.
const VERBS: [&[u8]; 8] = [
    b"restart",
    b"try-restart",
    b"reload-or-restart",
    b"reload-or-try-restart",
    b"try-reload-or-restart",
    b"force-reload",
    b"force-restart",
    b"-r",
];

/// The same, where what runs already is left alone.
const STARTS: [&[u8]; 3] = [b"start", b"up", b"-u"];

/// An order may wait for what it orders for so long.
const BEFORE_NS: u64 = 120_000_000_000;

/// Orders given from a moment on, in order of time.
#[derive(Debug, Default)]
pub(super) struct Orders(Vec<(At, Idx)>);

impl Orders {
    pub fn new(world: &World, from: At) -> Self {
        let from_ns = from.ns.saturating_sub(BEFORE_NS);
        // Few files are executed again and again, so each is looked at once.
        let mut known = PerString::default();
        let mut orders = Vec::new();
        for image in world.images.iter().filter(|image| image.at.ns >= from_ns) {
            let is_command = known.of(image.filename, || {
                let base = base_name(world.strings.get(image.filename));
                COMMANDS.contains(&base) || base == b"python" || base.starts_with(b"python3")
            });
            // supervisorctl is a script of Python; a script's own name is in its arguments.
            if is_command && is_order(world, image) {
                orders.push((image.at, image.proc));
            }
        }
        orders.sort_unstable();
        Self(orders)
    }

    /// The last order for a restart: given when the old process was there, and before the new one was up.
    pub fn of(
        &self,
        world: &World,
        services: &Services,
        by_target: &ByTarget,
        restart: &Restart,
    ) -> Option<Idx> {
        if self.0.is_empty() {
            return None;
        }
        let Restart { old, new, service, .. } = *restart;
        let up = restart.up(world);
        // What started the old one orders nothing but that.
        let from = world.proc_at(old)?.born;
        let before = self.0.partition_point(|(at, _)| *at <= up);
        let orders = self.0[..before].iter().rev();
        let is_near = |at: At| at > from && at.ns.saturating_add(BEFORE_NS) >= up.ns;
        let stopped = world.proc_at(old)?.exit;
        let stopping = told(world, by_target, old, from).map_or(stopped, |told| told.at(world).min(stopped));
        let mut near = orders.take_while(|(at, _)| is_near(*at)).take(64);
        let service = services.get(service?);
        near.find(|(at, order)| {
            // What it started itself it did not ask anybody for.
            world.ancestors(new).all(|up| up != *order)
                && world.image_at(*order, at.ns).is_some_and(|image| {
                    let is_named = words(world.strings.get(image.argv))
                        .skip(1)
                        .any(|word| names(service.kind, &service.name, word));
                    // To start what runs is to do nothing, unless one waits for its end with it.
                    let only_starts = !says(world, image, &VERBS) && world.program(image) != b"restart";
                    let waits = world.proc_at(*order).is_some_and(|proc| proc.exit > stopped);
                    is_named && (!only_starts || *at >= stopping || waits)
                })
        })
        .map(|(_, order)| *order)
    }
}

/// Whether a command has one of these words.
fn says(world: &World, image: &Image, verbs: &[&[u8]]) -> bool {
    words(world.strings.get(image.argv)).skip(1).any(|word| verbs.contains(&word))
}

/// Whether a word of a command names a service.
fn names(kind: Kind, name: &str, word: &[u8]) -> bool {
    let Ok(word) = std::str::from_utf8(word) else { return false };
    match kind {
        Kind::Unit => word == name || name.strip_suffix(".service") == Some(word),
        // `db7 (instance)` is `db7` with variables; `sv` takes the directory as well.
        Kind::Upstart => name.split(' ').next() == Some(word),
        Kind::Runit | Kind::S6 | Kind::Daemontools => {
            word.trim_end_matches('/').rsplit('/').next() == Some(name)
        }
        // A program of a group is `group:program`.
        Kind::Supervisord => word == name || word.rsplit(':').next() == Some(name) || word == "all",
        Kind::Container => word.len() >= 4 && (name.starts_with(word) || word.starts_with(name)),
        Kind::Inittab => false,
        Kind::Script | Kind::OpenRc | Kind::Monit | Kind::Dinit => word == name,
    }
}
