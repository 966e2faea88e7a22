//! The ways to the system calls: both record the same, and the report says which one it is.

use std::{
    fs::File,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::Path,
};

use lastrites_tracer::{
    kernel_ring::sys::open_pin,
    probe::{How, LoadOptions, Object},
};
use lastrites_traces::event::What;

use crate::{
    child::{Child, sleeper},
    namespace,
    recording::{Probe, ample},
    sandbox::Sandbox,
    story::{Call, Story},
    sys,
};

/// What the kernel says about an object of BPF, in words of 32 bits (struct bpf_link_info, bpf_prog_info).
pub fn info(object: &OwnedFd) -> [u32; 64] {
    const BPF_OBJ_GET_INFO_BY_FD: i64 = 15;
    let mut info = [0u32; 64];
    let attr = [object.as_raw_fd() as u64 | (size_of_val(&info) as u64) << 32, info.as_mut_ptr() as u64];
    let args = [BPF_OBJ_GET_INFO_BY_FD, attr.as_ptr() as i64, size_of_val(&attr) as i64];
    assert_eq!(sys::call(libc::SYS_bpf, &args), 0, "the kernel knows the object");
    info
}

/// The type of the link that is pinned at `path`, of its program, and how a tracing link is attached.
fn link(path: &Path) -> (u32, u32, u32) {
    const BPF_PROG_GET_FD_BY_ID: i64 = 13;
    let pin = open_pin(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let [link_type, _, program, _, attach_type, ..] = info(&pin);
    let attr = [u64::from(program), 0];
    let args = [BPF_PROG_GET_FD_BY_ID, attr.as_ptr() as i64, size_of_val(&attr) as i64];
    let program = sys::call(libc::SYS_bpf, &args);
    assert!(program >= 0, "{}: its program: {program}", path.display());
    // SAFETY: the kernel has just made this descriptor for us.
    let program = unsafe { OwnedFd::from_raw_fd(program as i32) };
    (link_type, info(&program)[0], attach_type)
}

/// Sees that every hook is attached in the way that the report says.
fn must_be_true(probe: &Probe) {
    // enum bpf_link_type, bpf_prog_type and bpf_attach_type of include/uapi/linux/bpf.h.
    const LINK_RAW_TRACEPOINT: u32 = 1;
    const LINK_TRACING: u32 = 2;
    const LINK_PERF_EVENT: u32 = 7;
    const PROG_TRACEPOINT: u32 = 5;
    const PROG_RAW_TRACEPOINT: u32 = 17;
    const PROG_TRACING: u32 = 26;
    const TRACE_FENTRY: u32 = 24;
    const TRACE_FEXIT: u32 = 25;
    for hook in &probe.report.hooks {
        if hook.how == How::Absent {
            assert!(!hook.pinned && hook.why.is_some(), "{hook:?}");
            continue;
        }
        assert!(hook.pinned, "{hook:?}");
        let (link_type, program_type, attach_type) = link(&probe.dir.join(&hook.link));
        let (wanted_link, wanted_program, wanted_attach) = match hook.how {
            How::TpBtf => (LINK_RAW_TRACEPOINT, PROG_TRACING, None),
            How::RawTracepoint => (LINK_RAW_TRACEPOINT, PROG_RAW_TRACEPOINT, None),
            How::Fentry => (LINK_TRACING, PROG_TRACING, Some(TRACE_FENTRY)),
            How::Fexit => (LINK_TRACING, PROG_TRACING, Some(TRACE_FEXIT)),
            How::Tracepoint => (LINK_PERF_EVENT, PROG_TRACEPOINT, None),
            How::Absent => unreachable!("above"),
        };
        assert_eq!((link_type, program_type), (wanted_link, wanted_program), "{hook:?}");
        assert!(wanted_attach.is_none_or(|wanted| wanted == attach_type), "{hook:?}: {attach_type}");
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
                (
                    libc::SYS_mount_setattr,
                    vec![libc::AT_FDCWD.into(), nowhere, 0, attributes.as_ptr() as i64, 32],
                ),
            ] {
                assert!(sys::call(number, &args) < 0, "{number} fails");
            }
            // A file system that is not there yet cannot be made read-only.
            let context = sys::call(libc::SYS_fsopen, &[c"tmpfs".as_ptr() as i64, 0]);
            assert_eq!(sys::call(libc::SYS_dup2, &[context, 78]), 78);
            assert_eq!(sys::call(libc::SYS_fsconfig, &[78, 0, c"ro".as_ptr() as i64, 0, 0]), 0);
            assert!(sys::call(libc::SYS_fsconfig, &[78, 7, 0, 0, 0]) < 0);
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
    let mut preferred = Probe::load(&sandbox, "preferred", &ample());
    let options = LoadOptions { no_trampolines: true, ..ample() };
    let mut tracepoints = Probe::load(&sandbox, "tracepoints", &options);
    [&mut preferred, &mut tracepoints].into_iter().for_each(Probe::begin);
    let child = calls();
    [&preferred, &tracepoints].into_iter().for_each(must_be_true);
    assert!(
        tracepoints.report.hooks.iter().all(|hook| !matches!(hook.how, How::Fentry | How::Fexit)),
        "{:#?}",
        tracepoints.report
    );
    // What is not in the preferred way says why.
    for hook in &tracepoints.report.hooks {
        assert_eq!(
            hook.how == How::Tracepoint,
            hook.why.as_ref().is_some_and(|why| why.contains("not wanted"))
        );
    }
    for hook in &preferred.report.hooks {
        assert_ne!(hook.how, How::Absent, "this kernel has {}: {:?}", hook.name, hook.why);
        assert_eq!(hook.how == How::Tracepoint, hook.why.is_some(), "{hook:?}");
    }
    let [first, second] = [preferred, tracepoints].map(|probe| told(&probe.story(), &child));
    assert_eq!(first, second);
    assert_eq!(first.0.len(), 6, "{first:?}");
    assert_eq!(first.1.len(), 5, "{first:?}");
}

/// A little of everything, of which every build of the probe tells.
pub fn lives() -> Vec<Child> {
    let mut exec = Child::fork(|| {
        sys::rename("before-exec");
        sys::exec(b"/bin/true", &[b"true", b"\xff"], &[b"RUNLEVEL=6", b"SECRET=x"])
    });
    exec.succeed();
    let mut handled = Child::fork(|| {
        sys::on_signal(libc::SIGUSR1, sys::Action::Handle);
        sys::kill(sys::getpid(), libc::SIGUSR1);
        std::thread::spawn(|| {}).join().expect("joined");
        3
    });
    handled.wait();
    let mut killed = sleeper(|| {});
    killed.kill(libc::SIGWINCH);
    killed.kill(libc::SIGTERM);
    killed.wait();
    vec![exec, handled, killed]
}

#[test]
fn the_build_for_kernels_without_fetching_atomics_tells_the_same() {
    let sandbox = Sandbox::new();
    let old = LoadOptions { object: Some(Object::V2), no_group_dead: true, ..ample() };
    let mut probes = [Probe::load(&sandbox, "new", &ample()), Probe::load(&sandbox, "old", &old)];
    assert_eq!(probes.each_ref().map(|probe| probe.report.object), ["v3", "v2"]);
    probes.iter().for_each(must_be_true);
    probes.iter_mut().for_each(Probe::begin);
    let children = lives();
    // Calls need per-call tracepoints here, which that build does without.
    let [new, old] =
        probes.map(|probe| told_of(&probe.story(), &children, |what| !matches!(what, What::Call { .. })));
    assert!(new.iter().all(|events| events.len() >= 4), "{new:#?}");
    assert_eq!(new, old);
}

/// What a story tells of each of `children`, of what is `wanted`, in words without what differs between two probes: CPU time
/// grows while one after the other looks at it.
pub fn told_of(story: &Story, children: &[Child], wanted: fn(&What) -> bool) -> Vec<Vec<String>> {
    let one = |what: &What| match what {
        What::Exit { process, status, peak_rss_kib, .. } => format!("{process:?} {status} {peak_rss_kib}"),
        what => format!("{what:?}"),
    };
    let tell = |child| {
        let about = story.about(story.id(child)).map(|(_, what)| what);
        about.filter(|what| wanted(what)).map(one).collect()
    };
    children.iter().map(tell).collect()
}

/// What `doctor` prints and how it ends belong together.
#[test]
fn doctor_succeeds_where_recording_works_and_strictly_only_where_nothing_is_missing() {
    let _sandbox = Sandbox::new();
    for strict in [false, true] {
        let mut command = std::process::Command::new(crate::recording::TRACER);
        let output = command.arg("doctor").args(strict.then_some("--strict")).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let is_there = |verdict: &str| said.lines().any(|line| line.starts_with(verdict));
        assert!(!is_there("FAILED"), "these tests need a kernel on which recording works: {said}");
        let code = if strict && is_there("missing") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("recording works"), "{said}");
        assert_eq!(last.contains("nothing is missing"), !is_there("missing"), "{said}");
    }
}

/// Calls of 32-bit programs come in by functions of their own, and nobody said that they are not hooked.
#[test]
fn doctor_says_that_calls_of_32_bit_programs_are_not_seen_where_the_kernel_takes_them() {
    let symbols = std::fs::read_to_string("/proc/kallsyms").expect("the kernel's symbols");
    let takes_them = symbols.lines().any(|line| line.ends_with(" __ia32_sys_kill"));
    let checks = lastrites_tracer::probe::check();
    let says = checks.iter().filter(|check| check.what == "calls of 32-bit programs");
    assert_eq!(says.filter(|check| !check.ok && !check.needed).count(), usize::from(takes_them));
}
