//! Arbitrary events: anything that the types can say, likely or not.

use lastrites_traces::event::{Bytes, Disposition, Exec, ProcId, Process, Signal, What};
use proptest::prelude::*;

fn number() -> BoxedStrategy<u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0u64..300, any::<u64>()].boxed()
}

fn word() -> BoxedStrategy<u32> {
    prop_oneof![Just(0), Just(u32::MAX), 0u32..300, any::<u32>()].boxed()
}

fn signed() -> BoxedStrategy<i64> {
    prop_oneof![Just(0), Just(-1), Just(i64::MIN), Just(i64::MAX), -300i64..300, any::<i64>()].boxed()
}

fn code() -> BoxedStrategy<i32> {
    prop_oneof![Just(0), Just(i32::MIN), Just(i32::MAX), -7i32..130].boxed()
}

/// Few enough to meet again, some of them the same to the clock tick only.
pub fn process() -> BoxedStrategy<ProcId> {
    prop_oneof![
        1 => Just(ProcId::KERNEL),
        1 => (word(), number()).prop_map(|(tgid, start_ns)| ProcId { tgid, start_ns }),
        6 => (0u32..100, 0u64..3).prop_map(|(tgid, odd)| ProcId { tgid, start_ns: 70_000_000 * odd + odd }),
        2 => (0u32..100, 0u64..30).prop_map(|(tgid, odd)| ProcId { tgid, start_ns: 70_000_000 + odd }),
    ]
    .boxed()
}

fn bytes() -> BoxedStrategy<Bytes> {
    prop_oneof![
        2 => Just(Bytes::from([])),
        8 => (0u8..40).prop_map(|n| Bytes::from([b'a', n])),
        1 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from),
        1 => any::<u8>().prop_map(|byte| Bytes::from(vec![byte; 4096])),
    ]
    .boxed()
}

fn described() -> BoxedStrategy<What> {
    let strings = (bytes(), bytes(), bytes(), bytes(), bytes(), bytes());
    (process(), word(), word(), word(), number(), strings)
        .prop_map(|(process, ppid, uid, session, cgroup, strings)| {
            let (comm, filename, argv, env, tty, cgroup_path) = strings;
            let process =
                Process { process, ppid, uid, session, comm, filename, argv, env, tty, cgroup_path, cgroup };
            What::Process(Box::new(process))
        })
        .boxed()
}

fn exec() -> BoxedStrategy<What> {
    let strings = (bytes(), bytes(), bytes(), bytes(), bytes());
    (process(), process(), word(), word(), number(), any::<u8>(), strings)
        .prop_map(|(process, parent, uid, session, cgroup, flags, strings)| {
            let (comm, filename, argv, env, tty) = strings;
            What::Exec(Box::new(Exec {
                process,
                parent,
                uid,
                session,
                cgroup,
                comm,
                filename,
                argv,
                env,
                tty,
                flags,
            }))
        })
        .boxed()
}

fn fork() -> BoxedStrategy<What> {
    let odd = (process(), process(), word(), number(), word(), word()).prop_map(
        |(parent, child, child_ppid, cgroup, ns_level, ns_pid)| What::Fork {
            parent,
            child,
            child_ppid,
            cgroup,
            ns_level,
            ns_pid,
        },
    );
    let usual = (process(), process()).prop_map(|(parent, child)| What::Fork {
        parent,
        child,
        child_ppid: parent.tgid,
        cgroup: 0,
        ns_level: 0,
        ns_pid: child.tgid,
    });
    prop_oneof![odd, usual].boxed()
}

fn signal() -> BoxedStrategy<What> {
    let bits = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (process(), process(), word(), any::<u8>(), code(), any::<u8>(), bits)
        .prop_map(|(sender, target, tid, sig, code, result, (leader, group, no_info, priv_info))| {
            let target_tid = if leader { target.tgid } else { tid };
            // What the reader makes of a timer's and its like.
            let sender = if (-5..=-2).contains(&code) { ProcId::KERNEL } else { sender };
            What::Signal(Signal { sender, target, target_tid, sig, code, group, result, no_info, priv_info })
        })
        .boxed()
}

fn rare() -> BoxedStrategy<What> {
    let paths = (process(), process(), number(), word(), bytes(), 0u8..5).prop_map(
        |(process, moved, id, hierarchy, path, which)| match which {
            0 => What::Umount { process, path, flags: id },
            1 => What::Remount { process, path, flags: id },
            2 => What::CgroupMkdir { process, id, hierarchy, path },
            3 => What::CgroupRmdir { process, id, hierarchy, path },
            _ => What::CgroupAttach { process, moved, id, hierarchy, path },
        },
    );
    let calls = (process(), any::<u8>(), signed(), code(), any::<u8>(), signed()).prop_map(
        |(process, call, target, tgid_arg, sig, ret)| What::Call {
            process,
            call,
            target,
            tgid_arg,
            sig,
            ret,
        },
    );
    let polls = (process(), any::<u8>(), signed(), number(), number(), signed()).prop_map(
        |(process, call, target, count, first_ns, last_ret)| What::Poll {
            process,
            call,
            target,
            count,
            first_ns,
            last_ret,
        },
    );
    prop_oneof![
        paths,
        calls,
        polls,
        (process(), bytes()).prop_map(|(process, comm)| What::Rename { process, comm }),
        (process(), word(), word()).prop_map(|(process, cmd, ns_level)| What::Reboot {
            process,
            cmd,
            ns_level
        }),
        (process(), process()).prop_map(|(process, victim)| What::Oom { process, victim }),
        (word(), any::<u8>(), number(), number()).prop_map(|(cpu, kind, count, bytes)| What::Lost {
            cpu,
            kind,
            count,
            bytes
        }),
    ]
    .boxed()
}

pub fn what() -> BoxedStrategy<What> {
    let exit = (process(), word(), number(), number()).prop_map(|(process, status, cpu_ns, peak_rss_kib)| {
        What::Exit { process, status, cpu_ns, peak_rss_kib }
    });
    let deliver = (process(), any::<bool>(), word(), any::<u8>(), 0usize..3).prop_map(
        |(process, leader, tid, sig, which)| What::Deliver {
            process,
            tid: if leader { process.tgid } else { tid },
            sig,
            disposition: [Disposition::Default, Disposition::Handled, Disposition::Ignored][which],
        },
    );
    prop_oneof![
        1 => described(),
        3 => fork(),
        1 => exec(),
        3 => exit,
        4 => signal(),
        2 => deliver,
        3 => rare(),
    ]
    .boxed()
}

/// A batch: times in any order, close together or at the ends of the world.
pub fn batch(most: usize) -> BoxedStrategy<Vec<(u64, What)>> {
    let near = proptest::collection::vec((70_000_000u64..71_000_000, what()), 0..most);
    let far = proptest::collection::vec((number(), what()), 0..most.min(20));
    prop_oneof![4 => near, 1 => far].boxed()
}
