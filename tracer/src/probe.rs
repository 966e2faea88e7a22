//! Loading the probe into the kernel and pinning it there, so that it needs nobody to stay alive.
//!
//! Invariant: a pin directory with a readable `META` holds a whole probe; whatever else is found there
//! is the rest of an attempt, and is removed before the next one. Hooks that this kernel does not
//! allow are left out one by one and named in the [`LoadReport`]; only without the essential
//! ones ([`hooks::Hook::needed`]) nothing is loaded.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, MapData},
};
use lastrites_traces::abi::{CHUNK, Config};
use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
};

use crate::{
    btf::{Btf, BtfError},
    kernel_ring, mounts, own,
};

pub mod check;
pub mod config;
pub mod hooks;
pub mod meta;
mod preempt;

pub use check::{Check, check};
pub use hooks::{Hook, How, Preempts};
pub use meta::META_BYTES;

use meta::Meta;
use preempt::Patched;

static OBJECT_V3: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf/objects/lastrites-v3.o"));
static OBJECT_V2: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ebpf/objects/lastrites-v2.o"));

/// Where BPF objects are pinned.
const BPFFS: &str = "/sys/fs/bpf";
/// Where the kernel shows its tracepoints.
const TRACEFS: &str = "/sys/kernel/tracing";
/// Maps that are pinned beside the links. `META` comes last: it says that all is there.
const PINNED_MAPS: [&str; 8] = ["RINGS", "HEADS", "LOST", "CAUGHT", "BELL", "POLLS", "TAKEN", "META"];

/// Most memory of all rings together, in bytes.
const RINGS_MAX_BYTES: u64 = 128 << 20;
/// The part of the machine's memory that they take at most, as long as each has a chunk.
const RINGS_SHARE: u64 = 32;
/// Bounds of one CPU's ring, in chunks.
const CHUNKS_MIN: u64 = 1;
const CHUNKS_MAX: u64 = 32;

/// Which build of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// For kernels from 5.12: fetching atomics.
    V3,
    /// For older kernels.
    V2,
}

impl Object {
    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V2 => "v2",
        }
    }

    /// A number that differs where the probe's programs do (FNV-1a): a mended probe has the layout of the one
    /// before.
    pub fn build(self) -> u64 {
        self.bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Self::V3 => OBJECT_V3,
            Self::V2 => OBJECT_V2,
        }
    }
}

/// What to load; the default suits the running kernel and its memory.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// 256 KiB chunks per CPU, rounded up to a power of two.
    pub chunks: Option<u32>,
    /// Rings for the first so many CPUs; what happens on others is counted as lost.
    pub ring_cpus: Option<u32>,
    /// Counts of signal 0 that there is room for, unless as many as usual.
    pub polls: Option<u32>,
    /// Only this build of the probe, whatever the kernel.
    pub object: Option<Object>,
    /// Leave out fentry and fexit, as on a kernel that refuses them.
    pub no_trampolines: bool,
    /// Do not let the kernel tell which thread is the last of its process, as on one that cannot.
    pub no_group_dead: bool,
    /// Which programs at tracepoints the kernel preempts, whatever its version says.
    pub preempts: Option<Preempts>,
    /// Functions to call in place of [`preempt::FUNCTIONS`].
    pub preempt_functions: Option<[&'static str; 2]>,
    /// Do without them, since with them the kernel refused this hook, for this reason.
    pub refused: Option<(&'static str, String)>,
    /// Hooks to leave out, by [`Hook::name`].
    pub without: Vec<String>,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// [`Object::name`].
    pub object: &'static str,
    pub hooks: Vec<Hook>,
    /// "struct.member: what is unknown without it".
    pub missing_fields: Vec<String>,
    /// CPUs that this kernel may have.
    pub cpus: u32,
    /// Those of them that have a ring.
    pub ring_cpus: u32,
    /// Chunks per CPU.
    pub chunks: u32,
    /// It is the probe of this very program.
    pub current: bool,
}

/// Why the probe is not loaded, or its pins not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("the kernel's BTF: {0}; this kernel's types cannot be used: please report it with `uname -r`")]
    KernelBtf(#[source] aya::BtfError),
    #[error(
        "the probe ({object}) cannot be loaded: {why}; run as root on a kernel from 5.10 with CONFIG_BPF_SYSCALL, and see that the lockdown mode in /sys/kernel/security/lockdown is not \"confidentiality\""
    )]
    Load { object: &'static str, why: String },
    #[error(
        "the kernel refuses the hook {hook}: {why}; without it there is nothing to record: please report it with `uname -r`"
    )]
    Hook { hook: &'static str, why: String },
    #[error(
        "{path}: cannot pin the probe: {why}; check that {BPFFS} is a BPF file system that root alone may write to (mount -t bpf -o mode=0700 bpf {BPFFS})"
    )]
    Pin { path: PathBuf, why: String },
    #[error("{path}: a probe is pinned here already; use it, or remove it with `lastrites disarm`")]
    Exists { path: PathBuf },
    #[error(
        "{path}: cannot read the pinned probe: {source}; arm again, and if this stays, remove that directory"
    )]
    Open { path: PathBuf, source: io::Error },
    #[error("{path}: {why}; disarm and arm again")]
    Foreign { path: PathBuf, why: &'static str },
    #[error("{path}: somebody has removed the pins of its hooks, so that it records nothing; arm again")]
    Unhooked { path: PathBuf },
    #[error("{path}: cannot remove the pin: {source}; remove that directory as root, or reboot")]
    Unpin { path: PathBuf, source: io::Error },
}

/// [`Config`] as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Rodata(Config);
// SAFETY: `Config` is `repr(C)` and made of integers without padding, which abi asserts.
unsafe impl Pod for Rodata {}

/// The text of `META` as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct MetaBytes([u8; META_BYTES]);
// SAFETY: bytes.
unsafe impl Pod for MetaBytes {}

/// Loads the probe, attaches it and pins it below `dir`. Needs tens of MB while it runs, which
/// is why the recorder does it in a process of its own.
///
/// # Errors
/// See [`ProbeError`]; nothing of a failed attempt stays pinned.
pub fn load_and_pin(dir: &Path, options: &LoadOptions) -> Result<LoadReport, ProbeError> {
    if load_report(dir).is_ok() {
        return Err(ProbeError::Exists { path: dir.to_owned() });
    }
    unpin(dir)?;
    if dir.starts_with(BPFFS) {
        mounts::ensure_bpffs(Path::new(BPFFS))
            .map_err(|e| ProbeError::Pin { path: BPFFS.into(), why: e.to_string() })?;
    }
    match load_into(dir, options) {
        // Without calls of its functions a kernel may take what it refused with them.
        Err(ProbeError::Hook { hook, why }) if options.refused.is_none() && !dir.exists() => {
            load_into(dir, &LoadOptions { refused: Some((hook, why)), ..options.clone() })
        }
        done => done,
    }
}

/// One attempt, into a directory that is made for it.
fn load_into(dir: &Path, options: &LoadOptions) -> Result<LoadReport, ProbeError> {
    make_private(dir).map_err(|why| ProbeError::Pin { path: dir.to_owned(), why })?;
    let done = load(options).and_then(|mut loaded| loaded.attach_and_pin(dir, options));
    if done.is_err() {
        let _ = unpin(dir);
    }
    done
}

/// Makes `dir`, for root alone. Where everybody may write to the BPF file system, as to one that was mounted without a
/// mode, somebody else may be quicker: what he made is not taken for ours.
fn make_private(dir: &Path) -> Result<(), String> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|e| e.to_string())?;
    }
    fs::DirBuilder::new().mode(0o700).create(dir).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => "somebody else made this directory just now".to_owned(),
        _ => e.to_string(),
    })?;
    own::distrust(dir).map_or(Ok(()), Err)
}

/// What is pinned in `dir`.
///
/// # Errors
/// When there is no whole probe, or one of another version.
pub fn load_report(dir: &Path) -> Result<LoadReport, ProbeError> {
    let meta = Meta::read(dir)?;
    let was_attached = meta.hooks.iter().any(|hook| hook.pinned);
    let there = |hook: Hook| Hook {
        pinned: hook.pinned && fs::symlink_metadata(dir.join(&hook.link)).is_ok(),
        ..hook
    };
    let hooks: Vec<Hook> = meta.hooks.into_iter().map(there).collect();
    if was_attached && !hooks.iter().any(|hook| hook.pinned) {
        return Err(ProbeError::Unhooked { path: dir.to_owned() });
    }
    Ok(LoadReport {
        object: meta.object,
        hooks,
        missing_fields: meta.missing_fields,
        cpus: meta.cpus,
        ring_cpus: kernel_ring::ring_cpus(dir, meta.chunks)?,
        chunks: meta.chunks,
        current: [Object::V3, Object::V2].iter().any(|o| o.name() == meta.object && o.build() == meta.build),
    })
}

impl LoadReport {
    /// The memory of the rings, in words.
    pub fn rings(&self) -> String {
        describe_rings(self.cpus, self.ring_cpus, self.chunks)
    }
}

/// The rings that this machine would get, in words.
pub fn rings_here() -> String {
    let cpus = aya::util::nr_cpus().map_or(1, |cpus| cpus as u32);
    let ring_cpus = present(cpus);
    describe_rings(cpus, ring_cpus, chunks_for(ring_cpus))
}

fn describe_rings(cpus: u32, ring_cpus: u32, chunks: u32) -> String {
    let kib = (u64::from(chunks) * CHUNK as u64) >> 10;
    let all = (u64::from(ring_cpus) * kib) >> 10;
    let others = match cpus.saturating_sub(ring_cpus) {
        0 => String::new(),
        more => format!(
            "; {more} CPUs that may be plugged in have none: what happens on them is counted as lost until the probe is loaded anew"
        ),
    };
    format!("{kib} KiB for each of {ring_cpus} CPUs, {all} MiB of the kernel's memory{others}")
}

/// Where the probe is loaded that is to take the place of the one in `dir`. A BPF file system takes no name with
/// a dot in it.
pub fn successor(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}-new"))
}

/// Puts the probe's successor, which is whole, in its place. Both record until the old one is gone.
///
/// # Errors
/// When the old one cannot be removed.
pub fn succeed(dir: &Path) -> Result<(), ProbeError> {
    unpin(dir)?;
    let next = successor(dir);
    fs::rename(&next, dir).or_else(|_| {
        // Then the next recorder loads it once more, into the right place.
        unpin(&next)
    })
}

/// Removes `dir` with all that is in it: pins of ours, and what somebody may have made in its place where everybody may write
/// to the BPF file system. No link is followed. What is not there is no error.
///
/// # Errors
/// When something cannot be removed.
pub fn unpin(dir: &Path) -> Result<(), ProbeError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let removed = match rustix::fs::open(dir, flags, Mode::empty()) {
        Ok(opened) => {
            // `META` first: from then on this is no whole probe any more. What else has that name goes with the rest.
            let _ = rustix::fs::unlinkat(&opened, "META", AtFlags::empty());
            fs::remove_dir_all(dir)
        }
        Err(Errno::LOOP | Errno::NOTDIR) => fs::remove_file(dir),
        Err(errno) => Err(errno.into()),
    };
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(ProbeError::Unpin { path: dir.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}

/// A probe whose maps are in the kernel, its programs not yet.
pub(crate) struct Loaded {
    ebpf: Ebpf,
    pub(crate) object: Object,
    types: aya::Btf,
    pub(crate) missing: Vec<String>,
    /// The kernel has system calls for 32-bit programs, which are not those that are hooked.
    pub(crate) takes_32_bit_calls: bool,
    pub(crate) preempts: Preempts,
    /// No program is preempted before its work is done.
    pub(crate) unpreempted: bool,
    key: u64,
    cpus: u32,
    chunks: u32,
}

/// How many CPUs there are room for, counted from the first: a machine that can be given more than it has
/// (virtual ones are said to have 240) would otherwise spend its memory on rings that nobody fills.
fn present(cpus: u32) -> u32 {
    let list = fs::read_to_string("/sys/devices/system/cpu/present").unwrap_or_default();
    last_of(&list).map_or(cpus, |last| last.saturating_add(1)).clamp(1, cpus.max(1))
}

/// The last CPU in a list like `0-3,8`.
fn last_of(list: &str) -> Option<u32> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

/// Chunks per CPU that suit this machine's memory.
fn chunks_for(cpus: u32) -> u32 {
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        kib.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    });
    chunks_of(memory.unwrap_or(1 << 20) * 1024, cpus)
}

/// The same for `memory` bytes.
fn chunks_of(memory: u64, cpus: u32) -> u32 {
    let all = (memory / RINGS_SHARE).min(RINGS_MAX_BYTES);
    let chunks = (all / u64::from(cpus.max(1)) / CHUNK as u64).clamp(CHUNKS_MIN, CHUNKS_MAX);
    1 << chunks.ilog2()
}

/// The version that a kernel's release begins with.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether the running kernel has fetching atomics.
fn object_for(release: &str) -> Object {
    if version(release) >= (5, 12) { Object::V3 } else { Object::V2 }
}

/// Whether a kernel is one for real time, by its `version` (`uname -v`): "#1 SMP PREEMPT_RT Debian ...".
fn is_realtime(version: &str) -> bool {
    version.split_ascii_whitespace().any(|word| word == "PREEMPT_RT")
}

/// Creates the maps of the probe that suits this kernel.
pub(crate) fn load(options: &LoadOptions) -> Result<Loaded, ProbeError> {
    let btf = Btf::of_kernel()?;
    let takes_32_bit_calls = btf.has_function("__ia32_sys_kill");
    let offsets = config::offsets(&btf);
    let types = aya::Btf::from_sys_fs().map_err(ProbeError::KernelBtf)?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let object = options.object.unwrap_or_else(|| object_for(&release));
    let fail = |why: String| ProbeError::Load { object: object.name(), why };

    let cpus = aya::util::nr_cpus().map_err(|(file, e)| fail(format!("{file}: {e}")))? as u32;
    let ring_cpus = options.ring_cpus.unwrap_or_else(|| present(cpus)).clamp(1, cpus.max(1));
    let chunks = options.chunks.map_or_else(|| chunks_for(ring_cpus), u32::next_power_of_two);
    let mut key = [0; 8];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut key))
        .map_err(|e| fail(format!("/dev/urandom: {e}")))?;
    let key = u64::from_le_bytes(key);
    let preempts = match object {
        Object::V2 => Preempts::None,
        Object::V3 => options.preempts.unwrap_or_else(|| {
            let built = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
            Preempts::of(version(&release), is_realtime(&built))
        }),
    };
    let functions = preempt::functions(&btf, options.preempt_functions.unwrap_or(preempt::FUNCTIONS));
    let functions = functions.filter(|_| preempts != Preempts::None && options.refused.is_none());
    let patched = functions.and_then(|functions| Patched::new(object.bytes(), functions));
    let exit_says_last = offsets.exit_says_last && !options.no_group_dead;
    let rodata =
        Rodata(Config { key, chunks, bell_bytes: u64::from(chunks) * CHUNK as u64 / 8, ..offsets.config });
    let mut loader = EbpfLoader::new();
    if let Some(polls) = options.polls {
        loader.map_max_entries("POLLS", polls);
    }
    if preempts == Preempts::None {
        // Of second programs only.
        loader.map_max_entries("DONE", 1).map_max_entries("EXEC_SCRATCH", 1);
    }
    let ebpf = loader
        .btf(Some(&types))
        .override_global("CONFIG", &rodata, true)
        .override_global("EXIT_SAYS_LAST", &u32::from(exit_says_last), true)
        .override_global("TWICE", &preempts.twice(), object == Object::V3)
        .map_max_entries("RINGS", ring_cpus * chunks)
        .map_max_entries("HEADS", cpus)
        .load(patched.as_ref().map_or(object.bytes(), Patched::bytes))
        .map_err(|e| fail(check::chain(&e)))?;
    let missing = offsets.missing;
    let unpreempted = patched.is_some();
    Ok(Loaded { ebpf, object, types, missing, takes_32_bit_calls, preempts, unpreempted, key, cpus, chunks })
}

impl Loaded {
    fn attach_and_pin(&mut self, dir: &Path, options: &LoadOptions) -> Result<LoadReport, ProbeError> {
        let _tracefs = Tracefs::mounted();
        // The maps first: nothing is lost between the first hook and the last.
        for name in PINNED_MAPS.iter().filter(|name| **name != "META") {
            self.pin_map(dir, name)?;
        }
        let mut report = Vec::new();
        for wanted in self.preempts.hooks() {
            if options.without.iter().any(|name| name == wanted.name) {
                report.push(wanted.absent("left out on request".into()));
                continue;
            }
            let hook = wanted.attach(&mut self.ebpf, &self.types, dir, options)?;
            report.push(hook.after(options));
        }
        let meta = Meta {
            key: self.key,
            object: self.object.name(),
            cpus: self.cpus,
            chunks: self.chunks,
            build: self.object.build(),
            hooks: report,
            missing_fields: std::mem::take(&mut self.missing),
        };
        let map = self.ebpf.map_mut("META").and_then(|map| Array::<_, MetaBytes>::try_from(map).ok());
        let fail = |why: &str| ProbeError::Load { object: meta.object, why: why.to_owned() };
        let mut map = map.ok_or_else(|| fail("the object has no map META"))?;
        map.set(0, MetaBytes(meta.to_bytes()), 0).map_err(|e| fail(&check::chain(&e)))?;
        self.pin_map(dir, "META")?;
        load_report(dir)
    }

    fn pin_map(&self, dir: &Path, name: &str) -> Result<(), ProbeError> {
        let path = dir.join(name);
        let map = self.ebpf.map(name).and_then(map_data);
        let Some(map) = map else {
            return Err(ProbeError::Load {
                object: self.object.name(),
                why: format!("the object has no map {name}"),
            });
        };
        map.pin(&path).map_err(|e| ProbeError::Pin { path, why: check::chain(&e) })
    }

    /// Loads every program without attaching it, and says how each hook would be done.
    pub(crate) fn rehearse(&mut self, options: &LoadOptions) -> Vec<Hook> {
        let hooks = self.preempts.hooks();
        hooks.map(|hook| hook.rehearse(&mut self.ebpf, &self.types, options).after(options)).collect()
    }
}

fn map_data(map: &aya::maps::Map) -> Option<&MapData> {
    use aya::maps::Map;
    match map {
        Map::Array(data) | Map::PerCpuArray(data) | Map::RingBuf(data) | Map::LruHashMap(data) => Some(data),
        _ => None,
    }
}

/// The tracepoints' directory, mounted for as long as their numbers have to be looked up.
struct Tracefs {
    ours: bool,
}

impl Tracefs {
    fn mounted() -> Self {
        if Path::new(TRACEFS).join("events").exists()
            || Path::new("/sys/kernel/debug/tracing/events").exists()
        {
            return Self { ours: false };
        }
        let mounted =
            rustix::mount::mount("tracefs", TRACEFS, "tracefs", rustix::mount::MountFlags::empty(), None);
        Self { ours: mounted.is_ok() }
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        if self.ours {
            let _ = rustix::mount::unmount(TRACEFS, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_5_12_get_the_object_with_fetching_atomics() {
        assert_eq!(object_for("6.18.44-fc-v657"), Object::V3);
        assert_eq!(object_for("5.12.0"), Object::V3);
        assert_eq!(object_for("5.10.0-33-amd64"), Object::V2);
        assert_eq!(object_for("5.4"), Object::V2);
        assert_eq!(object_for("7.0.1"), Object::V3);
        assert_eq!(object_for("nonsense"), Object::V2);
    }

    #[test]
    fn tracepoints_are_preempted_from_7_0_on_and_signals_by_kernels_for_real_time() {
        let preempts = |release, realtime| Preempts::of(version(release), realtime);
        for release in ["6.18.44-fc-v657", "6.99", "5.10.0-33-rt-amd64"] {
            assert_eq!([false, true].map(|rt| preempts(release, rt)), [Preempts::None; 2], "{release}");
        }
        assert!(is_realtime("#1 SMP PREEMPT_RT Debian 7.3.4-1~bpo13+1 (2026-11-15)"));
        assert!(!is_realtime("#1 SMP PREEMPT_DYNAMIC Debian 7.3.4-1~bpo13+1 (2026-11-15)"));
        for release in ["7.0.1", "7.3.4+deb13-cloud-amd64", "10.0"] {
            let wanted = [Preempts::Lockless, Preempts::All];
            assert_eq!([false, true].map(|rt| preempts(release, rt)), wanted, "{release}");
        }
        let twice = |preempts: Preempts| {
            (preempts.twice().count_ones(), preempts.hooks().count() - hooks::HOOKS.len())
        };
        assert_eq!([Preempts::None, Preempts::Lockless, Preempts::All].map(twice), [(0, 0), (4, 4), (6, 6)]);
        // The kernel runs them in the order in which they came.
        let names: Vec<_> = Preempts::All.hooks().map(|hook| hook.name).collect();
        for (at, name) in names.iter().enumerate().filter(|(_, name)| name.starts_with("second_")) {
            assert_eq!(format!("second_{}", names[at - 1]), **name);
        }
    }

    #[test]
    fn rings_are_a_power_of_two_of_chunks_within_bounds() {
        for cpus in [1, 2, 3, 64, 4096] {
            let chunks = chunks_for(cpus);
            assert!(chunks.is_power_of_two(), "{chunks}");
            assert!((CHUNKS_MIN..=CHUNKS_MAX).contains(&u64::from(chunks)), "{chunks}");
        }
    }

    /// A guest of 512 MiB that may be given 240 CPUs and has two spent 61 MiB on rings, of which two held 256 KiB
    /// each.
    #[test]
    fn rings_are_for_the_cpus_that_are_there() {
        assert_eq!(last_of("0-1\n"), Some(1));
        assert_eq!(last_of("0\n"), Some(0));
        assert_eq!(last_of("0-3,8-11,40\n"), Some(40));
        assert_eq!(last_of(""), None);
        let memory = 512 << 20;
        let all = u64::from(chunks_of(memory, 2)) * 2 * CHUNK as u64;
        assert!(all <= memory / RINGS_SHARE && all >= memory / RINGS_SHARE / 2, "{all}");
        let said = describe_rings(240, 2, chunks_of(memory, 2));
        assert!(said.contains("8192 KiB for each of 2 CPUs, 16 MiB") && said.contains("238 CPUs"), "{said}");
    }

    #[test]
    fn removing_pins_that_are_not_there_is_no_error() {
        assert!(unpin(Path::new("/nonexistent/lastrites")).is_ok());
    }
}
