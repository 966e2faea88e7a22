//! The census: what was already running when recording began, and which cgroup has which id.
//!
//! Invariant: /proc changes while it is read; a process that goes away half-way is left out, and what
//! cannot be read of one is empty: what a process that hangs is asked in vain ([`ask`]) as well. Neither kernel threads are counted nor the dead that nobody has reaped.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use lastrites_traces::{
    abi::ENV_MAX,
    event::{Bytes, ProcId, Process, What},
};

mod ask;

use ask::Asker;

/// How the variables begin that name a service, a runlevel or a session: the probe keeps the same ones of
/// each exec (`ebpf/src/exec.rs`), and compares eight bytes as well.
const ENV_STARTS: [&[u8; 8]; 16] = [
    b"UPSTART_",
    b"INVOCATI",
    b"RUNLEVEL",
    b"PREVLEVE",
    b"NOTIFY_S",
    b"RC_SVCNA",
    b"DINIT_SE",
    b"SUPERVIS",
    b"MONIT_SE",
    b"INIT_VER",
    b"SSH_CONN",
    b"SUDO_USE",
    b"SYSTEMD_",
    b"runlevel",
    b"previous",
    b"RC_RUNLE",
];

/// `PF_KTHREAD` of include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

/// Where the unified hierarchy is mounted: alone, or beside version 1 hierarchies.
fn cgroup_root() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|dir| dir.join("cgroup.procs").exists())
}

/// At most `max` bytes of a file.
fn read_some(path: &Path, max: usize) -> Vec<u8> {
    let mut out = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // What was read before an error is as good as it gets.
        let _ = file.take(max as u64).read_to_end(&mut out);
    }
    out
}

/// The fields of /proc/PID/stat that matter.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    comm: Vec<u8>,
    ppid: u32,
    session: u32,
    tty: u32,
    flags: u64,
    start_ticks: u64,
    /// Dead, and not reaped yet. A leader that ended before its threads looks the same but for their number.
    dead: bool,
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The name may hold anything, parentheses and newlines too; behind its last one come numbers.
    let open = text.iter().position(|b| *b == b'(')?;
    let close = text.iter().rposition(|b| *b == b')')?;
    let comm = text.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(&text[close + 1..]).ok()?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        comm,
        ppid: words.get(1)?.parse().ok()?,
        session: words.get(3)?.parse().ok()?,
        tty: words.get(4)?.parse::<i64>().ok()? as u32,
        flags: words.get(6)?.parse().ok()?,
        start_ticks: words.get(19)?.parse().ok()?,
        dead: matches!(*words.first()?, "Z" | "X" | "x") && words.get(17)?.parse::<u64>().ok()? <= 1,
    })
}

/// The name of a terminal by its device number: `pts/0`, `ttyS0`.
fn tty_name(device: u32, cache: &mut HashMap<u32, Bytes>) -> Bytes {
    if device == 0 {
        return Arc::from([]);
    }
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    cache
        .entry(device)
        .or_insert_with(|| {
            if (136..=143).contains(&major) {
                return Arc::from(format!("pts/{}", (major - 136) * 256 + minor).as_bytes());
            }
            let uevent =
                fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).unwrap_or_default();
            let name = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=")).unwrap_or_default();
            Arc::from(name.as_bytes())
        })
        .clone()
}

/// Of an environment block the variables that begin with one of [`ENV_STARTS`], at most [`ENV_MAX`] bytes of them.
fn keep_env(environ: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for variable in environ.split(|b| *b == 0) {
        if ENV_STARTS.iter().any(|start| variable.starts_with(*start))
            && kept.len() + variable.len() < ENV_MAX
        {
            kept.extend_from_slice(variable);
            kept.push(0);
        }
    }
    kept
}

/// The path in the unified hierarchy of a /proc/PID/cgroup.
fn unified(text: &[u8]) -> &[u8] {
    text.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"0::")).unwrap_or_default()
}

fn real_uid(status: &[u8]) -> u32 {
    String::from_utf8_lossy(status)
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok())
        .unwrap_or(u32::MAX)
}

fn process(pid: u32, tick_ns: u64, caches: &mut Caches) -> Option<Process> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let stat = parse_stat(&read_some(&dir.join("stat"), 4096))?;
    if stat.flags & PF_KTHREAD != 0 || stat.dead {
        return None;
    }
    // Neither this nor any other file that is read here takes its mmap lock (fs/proc/base.c, fs/proc/array.c).
    let exe = fs::read_link(dir.join("exe")).unwrap_or_default();
    let exe = exe.as_os_str().as_bytes();
    let told = caches.asker.ask(pid).unwrap_or_default();
    let cgroup = read_some(&dir.join("cgroup"), 8 << 10);
    let path = unified(&cgroup);
    Some(Process {
        process: ProcId { tgid: pid, start_ns: stat.start_ticks.saturating_mul(tick_ns) },
        ppid: stat.ppid,
        uid: real_uid(&read_some(&dir.join("status"), 4096)),
        session: stat.session,
        comm: stat.comm.into(),
        filename: exe.strip_suffix(b" (deleted)").unwrap_or(exe).into(),
        argv: told.argv.into(),
        env: told.env.into(),
        tty: tty_name(stat.tty, &mut caches.ttys),
        cgroup_path: path.into(),
        cgroup: caches.cgroup_id(path),
    })
}

/// Asked again and again during one census.
#[derive(Debug)]
struct Caches {
    asker: Asker,
    ttys: HashMap<u32, Bytes>,
    cgroups: HashMap<Vec<u8>, u64>,
    cgroup_root: Option<PathBuf>,
}

impl Caches {
    fn new(asker: Asker) -> Self {
        Self { asker, ttys: HashMap::new(), cgroups: HashMap::new(), cgroup_root: cgroup_root() }
    }

    /// The id of a cgroup is its directory's inode number (kernfs, 64 bit).
    fn cgroup_id(&mut self, path: &[u8]) -> u64 {
        let Some(root) = &self.cgroup_root else { return 0 };
        *self.cgroups.entry(path.to_vec()).or_insert_with(|| {
            let relative = path.strip_prefix(b"/").unwrap_or(path);
            let dir = root.join(std::ffi::OsStr::from_bytes(relative));
            fs::metadata(dir).map_or(0, |meta| meta.ino())
        })
    }
}

/// Counts every process, and tells the path of every cgroup that none of them is in.
pub fn take() -> io::Result<Vec<What>> {
    take_with(Asker::new())
}

fn take_with(asker: Asker) -> io::Result<Vec<What>> {
    let mut caches = Caches::new(asker);
    let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        out.extend(process(pid, tick_ns, &mut caches).map(|p| What::Process(Box::new(p))));
    }
    if let Some(root) = caches.cgroup_root.clone() {
        cgroups(&root, &mut caches, &mut out);
    }
    Ok(out)
}

/// The time of a process of which only events can tell whether it still lived when somebody listened.
const DOUBTFUL: u64 = 0;

/// Two censuses as one, to be recorded by [`put_first`]: `after`, taken at `now_ns`, when the probe was
/// attached already, and from `before` the processes that are missing there. They died in between, and
/// perhaps before the probe could see it.
pub fn merge(before: Vec<What>, after: Vec<What>, now_ns: u64) -> Vec<(u64, What)> {
    let ids = |census: &[What]| -> HashSet<ProcId> {
        let id = |what: &What| if let What::Process(process) = what { Some(process.process) } else { None };
        census.iter().filter_map(id).collect()
    };
    let there = ids(&after);
    let gone = |what: &What| matches!(what, What::Process(process) if !there.contains(&process.process));
    let doubtful = before.into_iter().filter(gone).map(|what| (DOUBTFUL, what));
    doubtful.chain(after.into_iter().map(|what| (now_ns, what))).collect()
}

/// Puts the census in front of the first events: it tells what was there before. Whoever was born in between
/// has a fork to tell of it, and whoever died in between something that it did, its exit at least; of
/// whom nothing is told it was dead before the first event, and would never die in the recording.
///
/// The hooks are attached one after the other, which takes seconds on a slow machine: whose fork was heard of may
/// have executed something before anybody listened for that. What it was at the census is told right behind its fork.
pub fn put_first(events: &[&(u64, What)], census: &mut Vec<(u64, What)>) {
    let first_ns = events.iter().map(|(time_ns, _)| *time_ns).min().unwrap_or(u64::MAX);
    let birth = |id: ProcId| {
        let is_it = |what: &What| matches!(what, What::Fork { child, .. } if child.same(id));
        events.iter().find(|(_, what)| is_it(what)).map(|(time_ns, _)| *time_ns)
    };
    let executes =
        |id: ProcId| events.iter().any(|(_, what)| matches!(what, What::Exec(exec) if exec.process.same(id)));
    let acts = |id: ProcId| events.iter().any(|(_, what)| actor(what).is_some_and(|actor| actor.same(id)));
    census.retain(|(time_ns, what)| match what {
        What::Process(process) => {
            let id = process.process;
            match birth(id) {
                Some(_) => *time_ns != DOUBTFUL && !executes(id),
                None => *time_ns != DOUBTFUL || acts(id),
            }
        }
        _ => true,
    });
    let before_all = first_ns.saturating_sub(1);
    for (time_ns, what) in census.iter_mut() {
        let born = if let What::Process(process) = what { birth(process.process) } else { None };
        *time_ns = match born {
            Some(born_ns) => born_ns + 1,
            None if *time_ns == DOUBTFUL => before_all,
            None => before_all.min(*time_ns),
        };
    }
}

/// Who must have been alive to do that.
fn actor(what: &What) -> Option<ProcId> {
    match what {
        What::Fork { parent, .. } => Some(*parent),
        What::Exec(exec) => Some(exec.process),
        What::Signal(signal) => Some(signal.sender),
        What::Exit { process, .. }
        | What::Rename { process, .. }
        | What::Deliver { process, .. }
        | What::Call { process, .. }
        | What::Reboot { process, .. }
        | What::Umount { process, .. }
        | What::Remount { process, .. }
        | What::CgroupMkdir { process, .. }
        | What::CgroupRmdir { process, .. }
        | What::CgroupAttach { process, .. }
        | What::Oom { process, .. } => Some(*process),
        What::Process(_) | What::Poll { .. } | What::Lost { .. } => None,
    }
}

fn cgroups(root: &Path, caches: &mut Caches, out: &mut Vec<What>) {
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        dirs.extend(entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        let Ok(below) = dir.strip_prefix(root) else { continue };
        let path = [b"/", below.as_os_str().as_bytes()].concat();
        if caches.cgroups.contains_key(&path) {
            continue;
        }
        let id = caches.cgroup_id(&path);
        if id != 0 {
            out.push(What::CgroupMkdir { process: ProcId::KERNEL, id, hierarchy: 0, path: path.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use lastrites_traces::event::Exec;

    use super::*;

    fn own(census: &[What]) -> &Process {
        let is_own = |what: &What| matches!(what, What::Process(p) if p.process.tgid == std::process::id());
        match census.iter().find(|what| is_own(what)) {
            Some(What::Process(own)) => own,
            _ => panic!("it was not counted"),
        }
    }

    /// One program whose disk did not answer, of whatever user, kept the machine from being armed: the census waited for its
    /// mmap lock for ever.
    #[test]
    fn a_process_that_hangs_is_counted_and_waited_for_by_nobody() {
        let census = take_with(Asker::with(|pid| {
            while pid == std::process::id() {
                std::thread::park();
            }
            ask::Told::default()
        }));
        let census = census.expect("/proc is there");
        let own = own(&census);
        assert!(own.process.start_ns > 0 && own.ppid > 0);
        assert!(!own.comm.is_empty() && own.filename.starts_with(b"/") && own.argv.is_empty());
    }

    #[test]
    fn the_census_finds_this_very_process() {
        let census = take().expect("/proc is there");
        let own = own(&census);
        assert!(own.process.start_ns > 0 && own.ppid > 0);
        assert!(!own.comm.is_empty() && !own.argv.is_empty() && own.filename.starts_with(b"/"));
        assert_eq!(own.uid, rustix::process::getuid().as_raw());
    }

    #[test]
    fn a_process_may_call_itself_what_it_likes() {
        let tail = b" S 1 5 5 34816 5 4194304 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
        for comm in [&b"sh"[..], b") S 9 (", b"\xff\n)(", b""] {
            let text = [b"5 (", comm, b")", tail].concat();
            let stat = parse_stat(&text).expect("parsed");
            assert_eq!((stat.comm.as_slice(), stat.ppid, stat.start_ticks, stat.tty), (comm, 1, 777, 34816));
            assert!(!stat.dead);
        }
        for bad in [&b""[..], b"5", b"5 (x", b"5 )x(", b"5 (x) S 1"] {
            assert_eq!(parse_stat(bad), None);
        }
    }

    #[test]
    fn a_zombie_is_dead_and_a_leader_that_only_its_threads_outlive_is_not() {
        let stat = |state: &str, threads: u32| {
            let text = format!("5 (sh) {state} 1 5 5 0 5 4194304 0 0 0 0 0 0 0 0 20 0 {threads} 0 777 0 0");
            parse_stat(text.as_bytes()).expect("parsed").dead
        };
        assert!(stat("Z", 1) && stat("X", 1) && stat("Z", 0));
        assert!(!stat("Z", 2) && !stat("S", 1) && !stat("D", 1) && !stat("T", 1));
    }

    fn counted(tgid: u32) -> What {
        let process = ProcId { tgid, start_ns: u64::from(tgid) * ProcId::TICK_NS };
        let none = || Bytes::from([]);
        What::Process(Box::new(Process {
            process,
            ppid: 1,
            uid: 0,
            session: 0,
            comm: none(),
            filename: none(),
            argv: none(),
            env: none(),
            tty: none(),
            cgroup_path: none(),
            cgroup: 0,
        }))
    }

    /// Whoever died while the probe was being loaded once lived for ever in the recording.
    #[test]
    fn who_died_before_anybody_listened_is_left_out_and_who_died_then_is_there() {
        let exact = |tgid: u32| ProcId { tgid, start_ns: u64::from(tgid) * ProcId::TICK_NS + 7 };
        let exit = |tgid| What::Exit { process: exact(tgid), status: 0, cpu_ns: 0, peak_rss_kib: 0 };
        let fork = |child| What::Fork {
            parent: exact(1),
            child,
            child_ppid: 1,
            cgroup: 0,
            ns_level: 0,
            ns_pid: child.tgid,
        };
        let none = || Bytes::from([]);
        let exec = |process| {
            What::Exec(Box::new(Exec {
                process,
                parent: exact(1),
                uid: 0,
                session: 0,
                cgroup: 0,
                flags: 0,
                comm: none(),
                filename: none(),
                argv: none(),
                env: none(),
                tty: none(),
            }))
        };
        // 2 stays, 3 and 4 are gone at the second census, of which 3 was seen to go; 5 and 6 were born in between, and
        // of 6 it was not heard what it executed.
        let before = vec![counted(2), counted(3), counted(4)];
        let after = vec![counted(1), counted(2), counted(5), counted(6)];
        let told = |census: &[(u64, What)]| -> Vec<(u64, u32)> {
            let process = |what: &What| if let What::Process(p) = what { p.process.tgid } else { 0 };
            census.iter().map(|(time_ns, what)| (*time_ns, process(what))).collect()
        };
        let mut census = merge(before.clone(), after.clone(), 900);
        let events = [
            (500, fork(exact(5))),
            (510, exec(exact(5))),
            (520, fork(exact(6))),
            (600, exit(3)),
            (1000, exit(2)),
        ];
        put_first(&events.iter().collect::<Vec<_>>(), &mut census);
        assert_eq!(told(&census), [(499, 3), (499, 1), (499, 2), (521, 6)]);
        let mut census = merge(before, after, 900);
        put_first(&[], &mut census);
        assert_eq!(
            told(&census),
            [(900, 1), (900, 2), (900, 5), (900, 6)],
            "when nothing was heard of anybody"
        );
    }

    #[test]
    fn only_variables_that_name_a_service_are_kept() {
        let environ = b"PATH=/bin\0UPSTART_JOB=mongod\0SECRET=x\0RUNLEVEL=6";
        assert_eq!(keep_env(environ), b"UPSTART_JOB=mongod\0RUNLEVEL=6\0");
        let long = [b"RUNLEVEL=", vec![b'x'; ENV_MAX].as_slice()].concat();
        assert_eq!(keep_env(&long), b"");
    }

    #[test]
    fn the_unified_path_is_found_beside_version_1_hierarchies() {
        assert_eq!(unified(b"12:cpu:/x\n1:name=systemd:/y\n0::/system.slice/a\n"), b"/system.slice/a");
        assert_eq!(unified(b"12:cpu:/x\n"), b"");
    }
}
