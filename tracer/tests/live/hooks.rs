//! The ways to the system calls: both record the same, and the report says which one it is.

use std::{fs::File, os::fd::{AsRawFd as _, OwnedFd}, path::Path};

use lastrites_tracer::{kernel_ring::sys::open_pin, probe::{How, LoadOptions}};

use crate::{
    child::Child,
    namespace,
    recording::Probe,
    sandbox::Sandbox,
    story::{Call, Story},
    sys,
};

/// What the kernel says about the link that is pinned at `path` (struct bpf_link_info: type, id, program,
/// then for tracing links the attach type).
fn link(path: &Path) -> (u32, u32) {
    const BPF_OBJ_GET_INFO_BY_FD: i64 = 15;
    let fd: OwnedFd = open_pin(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut info = [0u32; 64];
    let attr = [fd.as_raw_fd() as u64 | (size_of_val(&info) as u64) << 32, info.as_mut_ptr() as u64];
    let args = [BPF_OBJ_GET_INFO_BY_FD, attr.as_ptr() as i64, size_of_val(&attr) as i64];
    assert_eq!(sys::call(libc::SYS_bpf, &args), 0, "{}: is a link", path.display());
    (info[0], info[4])
}

/// Sees that every hook is attached in the way that the report says.
fn must_be_true(probe: &Probe) {
    // enum bpf_link_type and enum bpf_attach_type of include/uapi/linux/bpf.h.
    const RAW_TRACEPOINT: u32 = 1;
    const TRACING: u32 = 2;
    const PERF_EVENT: u32 = 7;
    const TRACE_RAW_TP: u32 = 23;
    const TRACE_FENTRY: u32 = 24;
    const TRACE_FEXIT: u32 = 25;
    for hook in &probe.report.hooks {
        if hook.how == How::Absent {
            assert!(!hook.pinned && hook.why.is_some(), "{hook:?}");
            continue;
        }
        assert!(hook.pinned, "{hook:?}");
        let (kind, attach) = link(&probe.dir.join(&hook.link));
        let wanted = match hook.how {
            How::TpBtf => (TRACING, TRACE_RAW_TP),
            How::Fentry => (TRACING, TRACE_FENTRY),
            How::Fexit => (TRACING, TRACE_FEXIT),
            How::RawTracepoint => (RAW_TRACEPOINT, attach),
            How::Tracepoint => (PERF_EVENT, attach),
            How::Absent => unreachable!("above"),
        };
        assert_eq!((kind, attach), wanted, "{hook:?}");
        assert!(hook.link.contains(&hook.name), "{hook:?}");
    }
    let links = std::fs::read_dir(&probe.dir).expect("pins").flatten();
    let links = links.filter(|pin| pin.file_name().to_string_lossy().starts_with("link_")).count();
    assert_eq!(links, probe.report.hooks.iter().filter(|hook| hook.pinned).count(), "one link a hook");
}

/// Something for every system call that is watched.
fn calls() -> Child {
    let nobody = 0x3fff_ffff_i64;
    let null = File::open("/dev/null").expect("/dev/null");
    let fd = i64::from(null.as_raw_fd());
    let info = sys::siginfo(libc::SIGTERM, -7);
    let term = i64::from(libc::SIGTERM);
    let mut child = namespace::with_init(
        |inside| {
            crate::sandbox::alone();
            let nowhere = c"/nonexistent/mount".as_ptr() as i64;
            let info = info.as_ptr() as i64;
            let attributes = [1u64, 0, 0, 0];
            let read_only = (libc::MS_REMOUNT | libc::MS_RDONLY) as i64;
            for (number, args) in [
                (libc::SYS_kill, vec![nobody, term]),
                (libc::SYS_tkill, vec![nobody, term]),
                (libc::SYS_tgkill, vec![nobody, nobody, term]),
                (libc::SYS_rt_sigqueueinfo, vec![nobody, term, info]),
                (libc::SYS_rt_tgsigqueueinfo, vec![nobody, nobody, term, info]),
                (libc::SYS_pidfd_send_signal, vec![fd, term, 0, 0]),
                (libc::SYS_umount2, vec![nowhere, 1]),
                (libc::SYS_mount, vec![0, nowhere, 0, read_only, 0]),
                (libc::SYS_mount_setattr, vec![libc::AT_FDCWD.into(), nowhere, 0, attributes.as_ptr() as i64, 32]),
            ] {
                assert!(sys::call(number, &args) < 0, "{number} fails");
            }
            assert!(inside.reboot(0x89ab_cdef) < 0);
            0
        },
        |status| assert_eq!(status, 0),
    );
    child.succeed();
    child
}

/// What a story tells of [`calls`], without pids.
fn told(story: &Story, child: &Child) -> (Vec<Call>, Vec<String>) {
    use lastrites_traces::event::What;
    let init = story.forks_by(story.id(child))[0].1.child;
    let rest = story.pick(init, |what| match what {
        What::Umount { path, flags, .. } => Some(format!("umount {path:?} {flags}")),
        What::Remount { path, flags, .. } => Some(format!("remount {path:?} {flags}")),
        What::Reboot { cmd, ns_level, .. } => Some(format!("reboot {cmd:x} {ns_level}")),
        _ => None,
    });
    (story.calls(init), rest)
}

#[test]
fn both_ways_to_the_system_calls_record_the_same_and_the_report_tells_which_it_is() {
    let sandbox = Sandbox::new();
    let preferred = Probe::load(&sandbox, "preferred", &LoadOptions::default());
    let options = LoadOptions { no_trampolines: true, ..LoadOptions::default() };
    let tracepoints = Probe::load(&sandbox, "tracepoints", &options);
    let child = calls();
    let probes = [&preferred, &tracepoints];
    probes.into_iter().for_each(must_be_true);
    assert!(
        tracepoints.report.hooks.iter().all(|hook| !matches!(hook.how, How::Fentry | How::Fexit)),
        "{:#?}",
        tracepoints.report
    );
    // What is not in the preferred way says why.
    for hook in &tracepoints.report.hooks {
        assert_eq!(hook.how == How::Tracepoint, hook.why.as_ref().is_some_and(|why| why.contains("not wanted")));
    }
    for hook in &preferred.report.hooks {
        assert_ne!(hook.how, How::Absent, "this kernel has {}: {:?}", hook.name, hook.why);
        assert_eq!(hook.how == How::Tracepoint, hook.why.is_some(), "{hook:?}");
    }
    let [first, second] = probes.map(|probe| told(&probe.story(), &child));
    assert_eq!(first, second);
    assert_eq!(first.0.len(), 6, "{first:?}");
    assert_eq!(first.1.len(), 4, "{first:?}");
}
