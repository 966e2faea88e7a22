//! Which init a machine has.
//!
//! Invariant: what the recording says counts, unless what ran as pid 1 says otherwise.

use crate::{
    processes::base_name,
    story::{
        intern::PerString,
        who::words,
        world::{Image, World},
    },
};

/// The init of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    Systemd,
    Sysvinit,
    Upstart,
    OpenRc,
    Runit,
    Busybox,
    Finit,
    S6,
    Dinit,
    Unknown,
}

impl Init {
    /// By what the recording says, and by what was seen to run.
    pub fn of(world: &World, stated: &str) -> Self {
        let stated = stated.to_ascii_lowercase();
        let known = [
            ("systemd", Self::Systemd),
            ("upstart", Self::Upstart),
            ("sysv", Self::Sysvinit),
            ("openrc", Self::OpenRc),
            ("runit", Self::Runit),
            ("busybox", Self::Busybox),
            ("finit", Self::Finit),
            ("s6", Self::S6),
            ("dinit", Self::Dinit),
        ];
        let found = known.iter().find(|(name, _)| stated.starts_with(name)).map(|(_, init)| *init);
        if let Some(init) = found.filter(|init| *init != Self::Sysvinit) {
            return init;
        }
        let file = world
            .init()
            .and_then(|idx| world.image(world.image_of(idx)))
            .map_or(&b""[..], |image| base_name(world.strings.get(image.filename)));
        match file {
            b"systemd" | b"systemd-shutdown" => return Self::Systemd,
            b"busybox" => return Self::Busybox,
            b"openrc-init" => return Self::OpenRc,
            b"runit" | b"runit-init" => return Self::Runit,
            b"finit" => return Self::Finit,
            b"s6-svscan" => return Self::S6,
            b"dinit" => return Self::Dinit,
            b"upstart" => return Self::Upstart,
            _ => {}
        }
        let mut known = PerString::default();
        let mut sets = |image: &Image| {
            let env = || world.strings.get(image.env);
            known.of(image.env, || words(env()).any(|pair| pair.starts_with(b"UPSTART_JOB=")))
        };
        if world.images.iter().any(&mut sets) { Self::Upstart } else { found.unwrap_or(Self::Unknown) }
    }

    pub const fn is_rc(self) -> bool {
        matches!(self, Self::Sysvinit | Self::Upstart)
    }
}
