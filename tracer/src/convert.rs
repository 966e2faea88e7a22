//! From the probe's records to the events of the story.
//!
//! Invariant: any bytes give an event or `None`, never a panic and never a read past the record:
//! every length is checked against the slice, and no byte becomes an enum unchecked.

use std::{mem::size_of, sync::Arc};

use lastrites_traces::{
    abi::{self, kind},
    event::{Bytes, Disposition, Exec, ProcId, Signal, What},
};

/// A record layout of [`abi`]: integers only, no padding, so that any bytes are a value of it.
///
/// # Safety
/// Only for `repr(C)` structs of integers and arrays of integers, without padding.
unsafe trait Layout: Copy {}

macro_rules! layouts {
    ($($name:ident),*) => {
        $(
            // SAFETY: abi asserts repr(C) without padding for all its records, which are integers.
            unsafe impl Layout for abi::$name {}
        )*
    };
}
layouts!(Header, Fork, Exec, Exit, Rename, Signal, Deliver, Call, Reboot, Mount, Cgroup, Oom);

/// The beginning of `record` as a `T`, if it is long enough.
fn read<T: Layout>(record: &[u8]) -> Option<T> {
    if record.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: the slice has at least size_of::<T>() bytes; unaligned reads are what
    // read_unaligned is for; `Layout` promises that any bytes are a T.
    Some(unsafe { record.as_ptr().cast::<T>().read_unaligned() })
}

/// The `len` bytes at `at`, if the record has them.
fn tail(record: &[u8], at: usize, len: u16) -> Option<Bytes> {
    Some(Arc::from(record.get(at..at.checked_add(len.into())?)?))
}

/// Up to the first NUL.
fn name(padded: &[u8]) -> Bytes {
    let len = padded.iter().position(|b| *b == 0).unwrap_or(padded.len());
    Arc::from(&padded[..len])
}

/// The name of a terminal as /dev and the census have it: the kernel calls `pts/0` "pts0".
fn terminal(padded: &[u8]) -> Bytes {
    let name = name(padded);
    match name.strip_prefix(b"pts") {
        Some(number) if !number.is_empty() && number.iter().all(u8::is_ascii_digit) => {
            Arc::from([b"pts/", number].concat())
        }
        _ => name,
    }
}

/// The event that `record` tells of, with its time. `page_kib` is the size of a page in KiB.
#[inline]
pub fn convert(record: &[u8], page_kib: u64) -> Option<(u64, What)> {
    let header: abi::Header = read(record)?;
    let record = record.get(..header.len.into())?;
    let process = ProcId { tgid: header.tgid, start_ns: header.start_ns };
    let what = match header.kind {
        kind::FORK => {
            let r: abi::Fork = read(record)?;
            What::Fork {
                parent: process,
                child: ProcId { tgid: r.child_tgid, start_ns: r.child_start_ns },
                child_ppid: r.child_ppid,
                cgroup: r.cgroup,
                ns_level: r.ns_level,
                ns_pid: r.ns_pid,
            }
        }
        kind::EXIT => {
            let r: abi::Exit = read(record)?;
            What::Exit {
                process,
                status: r.status,
                cpu_ns: r.cpu_ns,
                peak_rss_kib: r.peak_rss_pages.saturating_mul(page_kib),
            }
        }
        kind::SIGNAL => {
            let r: abi::Signal = read(record)?;
            What::Signal(Signal {
                sender: process,
                target: ProcId { tgid: r.target_tgid, start_ns: r.target_start_ns },
                target_tid: r.target_tid,
                sig: r.sig,
                code: r.code,
                group: header.flags & abi::SIGNAL_FLAG_GROUP != 0,
                result: r.result,
                no_info: header.flags & abi::SIGNAL_FLAG_NOINFO != 0,
                priv_info: header.flags & abi::SIGNAL_FLAG_PRIV != 0,
            })
        }
        kind::DELIVER => {
            let r: abi::Deliver = read(record)?;
            let disposition = match header.flags {
                flags if flags & abi::DELIVER_FLAG_IGNORED != 0 => Disposition::Ignored,
                flags if flags & abi::DELIVER_FLAG_HANDLED != 0 => Disposition::Handled,
                _ => Disposition::Default,
            };
            What::Deliver { process, tid: r.tid, sig: r.sig, disposition }
        }
        _ => rare(record, header, process)?,
    };
    Some((header.time_ns, what))
}

/// What has strings, or comes seldom.
#[inline(never)]
fn rare(record: &[u8], header: abi::Header, process: ProcId) -> Option<What> {
    Some(match header.kind {
        kind::EXEC => exec(record, process)?,
        kind::RENAME => What::Rename { process, comm: name(&read::<abi::Rename>(record)?.comm) },
        kind::CALL => {
            let r: abi::Call = read(record)?;
            What::Call {
                process,
                call: r.call,
                target: r.target,
                tgid_arg: r.tgid_arg,
                sig: r.sig,
                ret: r.ret,
            }
        }
        kind::REBOOT => {
            let r: abi::Reboot = read(record)?;
            What::Reboot { process, cmd: r.cmd, ns_level: r.ns_level }
        }
        kind::UMOUNT | kind::REMOUNT => {
            let r: abi::Mount = read(record)?;
            let path = tail(record, size_of::<abi::Mount>(), r.path_len)?;
            let path = match header.flags {
                flags if flags & abi::PATH_FLAG_PLACE != 0 => place(&path, flags & abi::PATH_FLAG_CUT != 0),
                flags if flags & abi::PATH_FLAG_BY_FD != 0 => Arc::from(format!("fd {}", r.fd).into_bytes()),
                _ => path,
            };
            if header.kind == kind::UMOUNT {
                What::Umount { process, path, flags: r.mount_flags }
            } else {
                What::Remount { process, path, flags: r.mount_flags }
            }
        }
        kind::CGROUP_MKDIR | kind::CGROUP_RMDIR | kind::CGROUP_ATTACH => cgroup(record, &header, process)?,
        kind::OOM => {
            let r: abi::Oom = read(record)?;
            What::Oom { process, victim: ProcId { tgid: r.victim_tgid, start_ns: r.victim_start_ns } }
        }
        _ => return None,
    })
}

/// The path whose names stand in `slots`, the innermost first; `cut` when there were more in front.
fn place(slots: &[u8], cut: bool) -> Bytes {
    let mut path = if cut { b"...".to_vec() } else { Vec::new() };
    for slot in slots.chunks(abi::PLACE_PART).rev() {
        let name = slot.split(|byte| *byte == 0).next().unwrap_or_default();
        if !name.is_empty() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path.truncate(abi::PATH_MAX);
    Arc::from(path)
}

fn exec(record: &[u8], process: ProcId) -> Option<What> {
    let r: abi::Exec = read(record)?;
    let filename_at = size_of::<abi::Exec>();
    let argv_at = filename_at + usize::from(r.filename_len);
    let env_at = argv_at + usize::from(r.argv_len);
    Some(What::Exec(Box::new(Exec {
        process,
        parent: ProcId { tgid: r.ppid, start_ns: r.parent_start_ns },
        uid: r.uid,
        session: r.session,
        cgroup: r.cgroup,
        comm: name(&r.comm),
        filename: tail(record, filename_at, r.filename_len)?,
        argv: tail(record, argv_at, r.argv_len)?,
        env: tail(record, env_at, r.env_len)?,
        tty: terminal(&r.tty),
        flags: r.header.flags,
    })))
}

fn cgroup(record: &[u8], header: &abi::Header, process: ProcId) -> Option<What> {
    let r: abi::Cgroup = read(record)?;
    let path = tail(record, size_of::<abi::Cgroup>(), r.path_len)?;
    let (id, hierarchy) = (r.id, r.hierarchy);
    Some(match header.kind {
        kind::CGROUP_MKDIR => What::CgroupMkdir { process, id, hierarchy, path },
        kind::CGROUP_RMDIR => What::CgroupRmdir { process, id, hierarchy, path },
        _ => {
            let moved = ProcId { tgid: r.task_tgid, start_ns: r.task_start_ns };
            What::CgroupAttach { process, moved, id, hierarchy, path }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u8, flags: u8, len: usize) -> abi::Header {
        abi::Header { stamp: 7, time_ns: 99, len: len as u16, kind, flags, tgid: 10, start_ns: 20 }
    }

    fn bytes<T: Layout>(value: T) -> Vec<u8> {
        // SAFETY: `Layout` has no padding, so all its bytes are initialised.
        unsafe { std::slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) }.to_vec()
    }

    const ACTOR: ProcId = ProcId { tgid: 10, start_ns: 20 };

    fn exec_record() -> Vec<u8> {
        let mut comm = [0; 16];
        comm[..2].copy_from_slice(b"sh");
        let mut record = bytes(abi::Exec {
            header: header(kind::EXEC, abi::EXEC_FLAG_ENV_CUT, size_of::<abi::Exec>() + 24),
            parent_start_ns: 5,
            cgroup: 6,
            ppid: 4,
            uid: 3,
            session: 2,
            filename_len: 7,
            argv_len: 6,
            env_len: 4,
            reserved: [0; 6],
            tty: *b"0123456789abcdef",
            comm,
        });
        record.extend_from_slice(b"/bin/shsh\0-c\0A=b\0\0\0\0\0\0\0\0");
        record
    }

    #[test]
    fn an_exec_has_its_strings_where_its_lengths_say() {
        let Some((99, What::Exec(exec))) = convert(&exec_record(), 4) else { panic!("an exec") };
        assert_eq!(exec.process, ACTOR);
        assert_eq!(exec.parent, ProcId { tgid: 4, start_ns: 5 });
        assert_eq!(
            (&*exec.filename, &*exec.argv, &*exec.env),
            (&b"/bin/sh"[..], &b"sh\0-c\0"[..], &b"A=b\0"[..])
        );
        assert_eq!((&*exec.comm, &*exec.tty), (&b"sh"[..], &b"0123456789abcdef"[..]));
        assert_eq!(exec.flags, abi::EXEC_FLAG_ENV_CUT);
    }

    #[test]
    fn a_signal_keeps_who_whom_and_why() {
        let record = bytes(abi::Signal {
            header: header(kind::SIGNAL, abi::SIGNAL_FLAG_GROUP, size_of::<abi::Signal>()),
            target_start_ns: 1,
            target_tgid: 2,
            target_tid: 3,
            code: libc::SI_TKILL,
            sig: libc::SIGTERM as u8,
            result: 1,
            reserved: [0; 2],
        });
        let Some((99, What::Signal(signal))) = convert(&record, 4) else { panic!("a signal") };
        assert_eq!((signal.sender, signal.target), (ACTOR, ProcId { tgid: 2, start_ns: 1 }));
        assert_eq!(
            (signal.sig, signal.code, signal.result, signal.group),
            (libc::SIGTERM as u8, libc::SI_TKILL, 1, true)
        );
        assert!(!signal.no_info && !signal.priv_info);
    }

    /// The kernel's "pts0" and the census's "pts/0" were two terminals.
    #[test]
    fn a_pseudo_terminal_is_named_as_in_dev() {
        for (kernel, wanted) in
            [("pts0", "pts/0"), ("pts12", "pts/12"), ("ttyS0", "ttyS0"), ("pts", "pts"), ("", "")]
        {
            let mut padded = [0; 16];
            padded[..kernel.len()].copy_from_slice(kernel.as_bytes());
            assert_eq!(&*terminal(&padded), wanted.as_bytes());
        }
    }

    #[test]
    fn peak_memory_is_counted_in_kibibytes() {
        let record = bytes(abi::Exit {
            header: header(kind::EXIT, 0, size_of::<abi::Exit>()),
            cpu_ns: 8,
            peak_rss_pages: u64::MAX,
            status: 9,
            reserved: 0,
        });
        let exit = What::Exit { process: ACTOR, status: 9, cpu_ns: 8, peak_rss_kib: u64::MAX };
        assert_eq!(convert(&record, 4), Some((99, exit)));
    }

    /// Records come from shared memory: nothing in one may be believed.
    #[test]
    fn cut_and_spoilt_records_of_every_kind_are_refused_not_read_past() {
        let full = exec_record();
        for len in 0..full.len() {
            assert_eq!(convert(&full[..len], 4), None, "cut at {len}");
        }
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000u32 {
            let mut record = full.clone();
            for _ in 0..4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = (seed as usize >> 8) % record.len();
                record[at] = seed as u8;
            }
            record[18] = (round % 17) as u8;
            record.truncate((seed >> 32) as usize % (full.len() + 1));
            let _ = convert(&record, 4);
        }
    }
}
