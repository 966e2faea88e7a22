//! Cgroups come and go, and processes move between them: the id of each gets its name.
//!
//! Mounting a hierarchy privately shows the one that the machine has, so each directory made here is the
//! test's own, and empty when it goes.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use lastrites_traces::event::{ProcId, What};
use rustix::mount::{MountFlags, mount};

use crate::{
    child::{Channel, Child, sleeper},
    recording::Recording,
    sandbox::Sandbox,
    story::Story,
    sys,
};

/// A cgroup that is removed with its value.
#[derive(Debug)]
struct Group(PathBuf);

impl Group {
    fn make(hierarchy: &Path, name: &str) -> Self {
        let path = hierarchy.join(format!("lastrites-live-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }

    fn id(&self) -> u64 {
        fs::metadata(&self.0).expect("it is there").ino()
    }

    fn name(&self) -> Vec<u8> {
        format!("/{}", self.0.file_name().expect("a name").to_string_lossy()).into_bytes()
    }

    /// Moves a process in here.
    fn take(&self, pid: i32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("it moves");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Removed already, by the test itself.
        let _ = fs::remove_dir(&self.0);
    }
}

/// What the recording says about the cgroup with this id and name (ids repeat between hierarchies): what,
/// who did it, who moved, its hierarchy.
fn seen(story: &Story, group: u64, name: &[u8]) -> Vec<(&'static str, ProcId, Option<ProcId>, u32)> {
    let events = story.events.iter().filter_map(|event| match &event.what {
        What::CgroupMkdir { process, id, hierarchy, path } => {
            Some(("mkdir", *process, None, id, path, hierarchy))
        }
        What::CgroupRmdir { process, id, hierarchy, path } => {
            Some(("rmdir", *process, None, id, path, hierarchy))
        }
        What::CgroupAttach { process, moved, id, hierarchy, path } => {
            Some(("attach", *process, Some(*moved), id, path, hierarchy))
        }
        _ => None,
    });
    events
        .filter(|(_, _, _, id, path, _)| **id == group && path.ends_with(name))
        .map(|(what, process, moved, _, _, hierarchy)| (what, process, moved, *hierarchy))
        .collect()
}

#[test]
fn a_cgroup_is_made_entered_and_removed_and_what_is_born_in_it_carries_its_id() {
    let sandbox = Sandbox::new();
    let hierarchy = sandbox.mount("cgroup2", "cgroup2");
    let recording = Recording::start(&sandbox);
    let told = Channel::new();
    let mut actor = Child::fork(|| {
        let group = Group::make(&hierarchy, "service");
        told.send(group.id());
        let mut moved = Child::fork(|| {
            group.take(sys::getpid());
            let mut born = Child::fork(|| sys::exec(b"/bin/true", &[b"true"], &[]));
            born.succeed();
            0
        });
        moved.succeed();
        fs::remove_dir(&group.0).expect("it is empty");
        0
    });
    actor.succeed();
    let id = told.receive();
    let story = recording.stop();
    story.must_be_whole();
    let me = story.id(&actor);
    let moved = story.forks_by(me)[0].1;
    let born = story.forks_by(moved.child)[0].1;
    let path = format!("/lastrites-live-{}-service", actor.pid).into_bytes();
    let seen = seen(&story, id, &path);
    let wanted = [("mkdir", me, None), ("attach", moved.child, Some(moved.child)), ("rmdir", me, None)];
    assert_eq!(seen.len(), wanted.len(), "{seen:?}");
    for ((what, process, moved, hierarchy), wanted) in seen.into_iter().zip(wanted) {
        assert_eq!((what, process, moved), wanted);
        assert_eq!(hierarchy, 0, "the unified hierarchy");
    }
    assert_ne!(moved.cgroup, id, "born outside");
    assert_eq!(born.cgroup, id);
    assert_eq!(story.exec(born.child).cgroup, id);
}

/// A hierarchy of version 1 needs no controller, only a name; Linux has them since 2.6.34.
#[test]
fn a_cgroup_of_a_version_1_hierarchy_is_told_from_the_unified_ones() {
    let sandbox = Sandbox::new();
    let at = sandbox.path("cgroup");
    fs::create_dir(&at).expect("a directory to mount on");
    let name = format!("none,name=lastrites-live-{}", std::process::id());
    let options = std::ffi::CString::new(name).expect("no NUL");
    mount("none", &at, "cgroup", MountFlags::empty(), Some(options.as_c_str()))
        .expect("a named hierarchy of version 1: this kernel has cgroups, as the other test shows");
    let recording = Recording::start(&sandbox);
    let group = Group::make(&at, "old");
    let child = sleeper(|| group.take(sys::getpid()));
    let (id, name) = (group.id(), group.name());
    drop(child);
    let removed = fs::remove_dir(&group.0);
    let story = recording.stop();
    removed.expect("it is empty");
    let seen = seen(&story, id, &name);
    let what: Vec<_> = seen.iter().map(|(what, ..)| *what).collect();
    assert_eq!(what, ["mkdir", "attach", "rmdir"]);
    assert!(seen.iter().all(|(.., hierarchy)| *hierarchy != 0 && *hierarchy == seen[0].3), "{seen:?}");
}

/// The memory controller, wherever this machine has it.
fn memory_limited(sandbox: &Sandbox, bytes: u64) -> Group {
    let unified = sandbox.mount("unified", "cgroup2");
    let controllers = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    let (hierarchy, limit) = if controllers.split_whitespace().any(|name| name == "memory") {
        fs::write(unified.join("cgroup.subtree_control"), "+memory").expect("the memory controller");
        (unified, "memory.max")
    } else {
        let at = sandbox.path("memory");
        fs::create_dir(&at).expect("a directory to mount on");
        mount("none", &at, "cgroup", MountFlags::empty(), Some(c"memory"))
            .expect("a kernel with the memory controller, in one version of cgroups or the other");
        (at, "memory.limit_in_bytes")
    };
    let group = Group::make(&hierarchy, "memory");
    fs::write(group.0.join(limit), bytes.to_string()).expect("a limit");
    group
}

#[test]
fn the_victim_of_the_out_of_memory_killer_is_named() {
    let sandbox = Sandbox::new();
    let group = memory_limited(&sandbox, 16 << 20);
    let recording = Recording::start(&sandbox);
    let mut victim = Child::fork(|| {
        group.take(sys::getpid());
        let mut memory = vec![0u8; 256 << 20];
        memory.chunks_mut(4096).for_each(|page| page[0] = 1);
        std::hint::black_box(&memory);
        0
    });
    assert_eq!(victim.wait().status, libc::SIGKILL);
    let story = recording.stop();
    let me = story.id(&victim);
    let named = story.pick(me, |what| match *what {
        What::Oom { process, victim } => Some((process, victim.tgid)),
        _ => None,
    });
    assert_eq!(named, [(me, me.tgid)]);
    let kills: Vec<_> = story.signals(me, me).into_iter().map(|(_, s)| s).collect();
    assert_eq!(kills.iter().map(|s| i32::from(s.sig)).collect::<Vec<_>>(), [libc::SIGKILL]);
    assert!(kills[0].by_kernel() && kills[0].priv_info, "{kills:?}");
}
