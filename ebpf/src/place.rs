//! Where in the tree of files something is that a caller names by a descriptor: from the kernel's own
//! mounts and directory entries.
//!
//! Invariant: everything here is read as it may change meanwhile; a wrong step ends the walk or gives a wrong
//! name, never a fault. What cannot be found is `None`.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use lastrites_traces::abi::{ABSENT, PLACE_PART, PLACE_PARTS};

use crate::config::config;
use crate::task::current_address;

/// Mounts of one file system that are looked at, to find the one that the caller sees: each mount namespace has its own.
const MOUNTS_MAX: u32 = 256;
/// How the kernel names the file behind a descriptor of fsopen(2) and fspick(2): `[fscontext]`.
const CONTEXT_NAME: u64 = u64::from_le_bytes(*b"[fsconte");

/// A directory entry in a mount.
#[derive(Clone, Copy)]
pub struct Place {
    mount: u64,
    dentry: u64,
}

/// What stands `offset` behind `base`; zero when that cannot be read. Without a branch, which the verifier would have
/// to follow both ways at every step: where the kernel cannot read, it says zero itself.
#[inline(always)]
fn step(base: u64, offset: u32) -> u64 {
    if offset == ABSENT {
        return 0;
    }
    let mut value: u64 = 0;
    // SAFETY: the helper writes these eight bytes, whatever the address.
    unsafe { bpf_probe_read_kernel((&raw mut value).cast(), 8, (base + u64::from(offset)) as *const _) };
    value
}

/// The open file behind a descriptor of the running process; 0 if there is none.
#[inline(always)]
fn file(fd: i32) -> u64 {
    let files = step(current_address(), config!(task_files));
    let table = step(files, config!(files_fdt));
    let count = step(table, config!(fdtable_max_fds)) as u32;
    let array = step(table, config!(fdtable_fd));
    if fd < 0 || fd as u32 >= count || array == 0 {
        return 0;
    }
    step(array + fd as u64 * 8, 0)
}

/// The `struct fs_context` behind a descriptor; 0 if it is another kind of file.
#[inline(always)]
pub fn context(fd: i32) -> u64 {
    let file = file(fd);
    let dentry = step(file, config!(file_path_dentry));
    let name = step(dentry, config!(dentry_name));
    if step(name, 0) == CONTEXT_NAME { step(file, config!(file_private_data)) } else { 0 }
}

/// The mount namespace of the running process.
#[inline(always)]
fn namespace() -> u64 {
    step(step(current_address(), config!(task_nsproxy)), config!(nsproxy_mnt_ns))
}

/// What a descriptor refers to.
#[inline(always)]
pub fn of_descriptor(fd: i32) -> Option<Place> {
    let file = file(fd);
    let inner = step(file, config!(file_path_mnt));
    let embedded = config!(mount_mnt);
    if inner == 0 || embedded == ABSENT {
        return None;
    }
    Some(Place { mount: inner - u64::from(embedded), dentry: step(file, config!(file_path_dentry)) })
}

/// Where the caller sees the file system of `context`: the oldest mount of what was picked, for what is bound elsewhere came
/// later. Where there are more than [`MOUNTS_MAX`], since 6.18 the oldest of those that came last.
#[inline(always)]
pub fn of_context(context: u64) -> Option<Place> {
    let root = step(context, config!(fs_context_root));
    let superblock = step(root, config!(dentry_sb));
    let (list, back, next) = (config!(sb_mounts), config!(mount_instance), config!(mount_next));
    if superblock == 0 || list == ABSENT || back == ABSENT || next == ABSENT {
        return None;
    }
    let namespace = namespace();
    // A list of links that ends where it began, the oldest mount first; since 6.18 one of the mounts themselves, the newest
    // first, which ends with nothing.
    let newest_first = back == 0;
    let end = superblock + u64::from(list);
    let mut link = step(superblock, list);
    let mut found = 0;
    // Without a way out, and without branches: each would be followed to the end from every round.
    for _ in 0..MOUNTS_MAX {
        let mount = link - u64::from(back);
        let strange =
            (step(mount, config!(mount_root)) ^ root) | (step(mount, config!(mount_ns)) ^ namespace);
        let had = if newest_first { 0 } else { found };
        let is = zero(strange | had);
        found = (found & !is) | (mount & is);
        link = step(mount, next);
        link &= !zero(link ^ end);
    }
    if found == 0 { None } else { Some(Place { mount: found, dentry: root }) }
}

/// All ones for zero, and zero for anything else, computed.
#[inline(always)]
fn zero(value: u64) -> u64 {
    let value = core::hint::black_box(value | value.wrapping_neg());
    (value >> 63).wrapping_sub(1)
}

impl Place {
    /// Whether it is in no mount that the running process has in its tree.
    #[inline(always)]
    pub fn is_elsewhere(self) -> bool {
        let (its, mine) = (step(self.mount, config!(mount_ns)), namespace());
        its != 0 && mine != 0 && its != mine
    }

    /// Writes the names on the way from here up to the root, [`PLACE_PARTS`] slots in all. False when the way
    /// was longer.
    ///
    /// # Safety
    /// `to` has room for them.
    #[inline(always)]
    pub unsafe fn write(self, to: *mut u8) -> bool {
        let Self { mut mount, mut dentry } = self;
        let mut arrived = false;
        for part in 0..PLACE_PARTS {
            // SAFETY: the caller's promise.
            let slot = unsafe { to.add(part * PLACE_PART) };
            // SAFETY: as above.
            unsafe { slot.write_volatile(0) };
            if arrived {
                continue;
            }
            let root = step(mount, config!(mount_root));
            let parent: u64;
            if dentry == root {
                parent = step(mount, config!(mount_parent));
                arrived = parent == 0 || parent == mount;
                dentry = step(mount, config!(mount_mountpoint));
                mount = parent;
            } else {
                let name = step(dentry, config!(dentry_name));
                // SAFETY: room for it; the helper ends what it writes with a NUL.
                unsafe { bpf_probe_read_kernel_str(slot.cast(), PLACE_PART as u32, name as *const _) };
                parent = step(dentry, config!(dentry_parent));
                arrived = parent == 0 || parent == dentry;
                dentry = parent;
            }
        }
        arrived
    }
}
