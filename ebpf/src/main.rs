//! The probe: what the kernel tells us, one file per kind of event.
//!
//! Invariant: a program here never changes what it watches. It reads, reserves room in this CPU's
//! ring, fills every byte of a record, and stamps it; when anything is missing it writes "unknown"
//! or counts a loss. No offset of a kernel structure is written down here: they all come from
//! [`config::CONFIG`], which the loader fills from the running kernel's BTF.

#![no_std]
#![no_main]
#![expect(
    internal_features,
    reason = "the only way to an atomic addition that returns its result on this target"
)]
#![feature(core_intrinsics)]
#![cfg_attr(not(feature = "v2"), feature(asm_experimental_arch))]

mod call;
mod cgroup;
mod config;
mod deliver;
mod end;
mod exec;
mod exit;
mod fork;
mod mounts;
mod oom;
mod place;
mod preempt;
mod rename;
mod ring;
mod signal;
mod task;

/// The kernel takes GPL-only helpers from programs that say this.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Unreachable; an empty loop so that a reachable panic shows in the verifier's log.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
