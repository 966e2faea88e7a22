//! Where a shutdown that is no end of the machine comes to its own: soft-reboot, single-user mode.
//!
//! Invariant: the recorder goes on in the same session, so what comes back there was started, and not started again.

use crate::story::{
    who::words,
    world::{At, Image, World},
};

use super::Aim;

/// When all that was to stop had stopped, of one that `began` then; None if that was not seen, or is not how it ends.
pub(super) fn back(world: &World, aim: Aim, began: Option<At>) -> Option<At> {
    let began = began?;
    match aim {
        // pid 1 stops everybody, and executes itself or the init of another root.
        Aim::SoftReboot => {
            let anew = |image: &&Image| {
                image.at > began
                    && world.is_init(image.proc)
                    && world.program(image) != b"systemd-shutdown"
                    // A process that was there already is described late, and with the moment of its birth.
                    && world.proc_at(image.proc).is_some_and(|proc| proc.born < image.at)
            };
            world.images.iter().filter(anew).map(|image| image.at).min()
        }
        // rc stops what there is, and becomes or asks for a shell; who leaves that goes to a level with services.
        Aim::SingleUser => {
            let of_rc = |image: &Image, levels: &[&[u8]]| {
                let mut words = words(world.strings.get(image.argv)).skip(1).take(4);
                world.program(image) == b"rc" && words.any(|word| levels.contains(&word))
            };
            let there = world.images.iter().filter_map(|image| match () {
                () if image.at < began => None,
                () if of_rc(image, &[b"1"]) => {
                    world.proc_at(image.proc).filter(|proc| proc.dead()).map(|proc| proc.exit)
                }
                () if world.program(image) == b"sulogin" => Some(image.at),
                () => of_rc(image, &[b"2", b"3", b"4", b"5"]).then_some(image.at),
            });
            there.filter(|at| *at > began).min()
        }
        _ => None,
    }
}
