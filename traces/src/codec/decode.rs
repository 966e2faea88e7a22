//! Bytes to events. Every byte may be hostile: a claim is checked before it is used.

use super::state::{Index, Known, State, StringId};
use super::{POSITIONS_MAX, SHAPES_MAX, STRING_MAX, Shape, reference, shape, tag};
use crate::abi::is_of_an_occurrence;
use crate::event::{Bytes, Disposition, Exec, ProcId, Process, Signal, What};
use crate::layout::{FrameHeader, kind};
use crate::wire::{CUT_SHORT, Malformed, Reader};

/// A frame that builds the state: `begun` tells whether a STATE came, `events` whether events did.
/// They come in this order, at the start of a segment.
pub(crate) fn start_frame(
    state: &mut State,
    begun: &mut bool,
    events: bool,
    header: &FrameHeader,
    payload: &[u8],
) -> Result<(), Malformed> {
    match header.kind {
        kind::STATE if !*begun => {
            *begun = true;
            decode_start(state, payload)
        }
        kind::SNAPSHOT if *begun && !events => decode_snapshot(state, payload, header.count),
        _ => Err(Malformed("frames in an order that no recorder writes")),
    }
}

/// The payload of a STATE frame.
fn decode_start(state: &mut State, payload: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload);
    state.started_ns = reader.varint()?;
    let count = cpus(&mut reader)?;
    state.positions = (0..count).map(|_| reader.varint()).collect::<Result<_, _>>()?;
    Ok(())
}

/// The payload of a SNAPSHOT frame of `count` processes.
fn decode_snapshot(state: &mut State, payload: &[u8], count: u32) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload);
    for _ in 0..count {
        let id = ProcId { tgid: reader.varint32()?, start_ns: reader.varint()? };
        let known = described(state, &mut reader, id)?;
        state.processes.push(known);
    }
    Ok(())
}

/// What follows the events of a batch's last frame.
pub(crate) fn decode_positions(state: &mut State, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let count = cpus(reader)?;
    if count > 0 {
        state.positions.resize(count, 0);
    }
    for position in &mut state.positions[..count] {
        *position = position.wrapping_add(reader.varint()?);
    }
    if reader.is_empty() { Ok(()) } else { Err(Malformed("bytes left over behind a frame's events")) }
}

fn cpus(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.varint()? as usize;
    if count > POSITIONS_MAX { Err(Malformed("impossibly many CPUs")) } else { Ok(count) }
}

/// The next event. `time_ns` is that of the event before, and becomes that of this one.
#[inline]
pub(crate) fn decode_event(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: &mut u64,
) -> Result<What, Malformed> {
    let mut tag = reader.byte()?;
    while tag == tag::SHAPE {
        if state.shapes.len() == SHAPES_MAX {
            return Err(Malformed("too many shapes"));
        }
        let kind = reader.byte()?;
        let shape = shape_of(kind, reader)?;
        state.shapes.push(shape);
        tag = reader.byte()?;
    }
    *time_ns = time_ns.checked_add(reader.varint()?).ok_or(Malformed("time runs past its end"))?;
    let time_ns = *time_ns;
    if tag >= tag::SHAPED {
        let shape = state.shapes.get(usize::from(tag - tag::SHAPED));
        let shape = *shape.ok_or(Malformed("a shape that was never told"))?;
        return shaped(state, reader, time_ns, shape);
    }
    plain(state, reader, time_ns, tag)
}

fn shape_of(kind: u8, reader: &mut Reader<'_>) -> Result<Shape, Malformed> {
    Ok(match kind {
        shape::SIGNAL => Shape::Signal {
            sig: reader.byte()?,
            code: reader.zigzag()? as i32,
            result: reader.byte()?,
            bits: reader.byte()?,
        },
        shape::DELIVER => Shape::Deliver { sig: reader.byte()?, bits: reader.byte()? },
        shape::EXIT => Shape::Exit { status: reader.varint32()? },
        _ => return Err(Malformed("unknown kind of shape")),
    })
}

#[inline]
fn shaped(state: &mut State, reader: &mut Reader<'_>, time_ns: u64, shape: Shape) -> Result<What, Malformed> {
    match shape {
        Shape::Signal { sig, code, result, bits } => {
            let (_, running) = process(state, reader, time_ns)?;
            let (_, target) = process(state, reader, time_ns)?;
            // The first recorders named whoever ran when a timer ran out.
            let sender = if is_of_an_occurrence(code) { ProcId::KERNEL } else { running };
            Ok(What::Signal(Signal {
                sender,
                target,
                target_tid: thread(reader, target, bits)?,
                sig,
                code,
                group: bits & shape::GROUP != 0,
                result,
                no_info: bits & shape::NO_INFO != 0,
                priv_info: bits & shape::PRIV_INFO != 0,
            }))
        }
        Shape::Deliver { sig, bits } => {
            let (_, process) = process(state, reader, time_ns)?;
            let disposition = match bits & (shape::HANDLED | shape::IGNORED) {
                0 => Disposition::Default,
                shape::IGNORED => Disposition::Ignored,
                _ => Disposition::Handled,
            };
            Ok(What::Deliver { process, tid: thread(reader, process, bits)?, sig, disposition })
        }
        Shape::Exit { status } => exit(state, reader, time_ns, Some(status)),
    }
}

#[inline(always)]
fn thread(reader: &mut Reader<'_>, process: ProcId, bits: u8) -> Result<u32, Malformed> {
    if bits & shape::OTHER_TID == 0 {
        return Ok(process.tgid);
    }
    Ok(process.tgid.wrapping_add(reader.zigzag()? as u32))
}

fn exit(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: u64,
    status: Option<u32>,
) -> Result<What, Malformed> {
    let (index, process) = process(state, reader, time_ns)?;
    let status = match status {
        Some(status) => status,
        None => reader.varint32()?,
    };
    let cpu_ns = reader.varint()?;
    let peak_rss_kib = state.last_rss_kib.wrapping_add(reader.zigzag()? as u64);
    state.exit(index, peak_rss_kib);
    Ok(What::Exit { process, status, cpu_ns, peak_rss_kib })
}

fn plain(state: &mut State, reader: &mut Reader<'_>, time_ns: u64, tag: u8) -> Result<What, Malformed> {
    match tag {
        tag::FORK => return fork(state, reader, time_ns),
        tag::EXIT => return exit(state, reader, time_ns, None),
        tag::SIGNAL | tag::DELIVER => {
            let shape = shape_of(tag - tag::SIGNAL + 1, reader)?;
            return shaped(state, reader, time_ns, shape);
        }
        tag::LOST => {
            return Ok(What::Lost {
                cpu: reader.varint32()?,
                kind: reader.byte()?,
                count: reader.varint()?,
                bytes: reader.varint()?,
            });
        }
        _ => {}
    }
    let (index, process) = process(state, reader, time_ns)?;
    Ok(match tag {
        tag::PROCESS => {
            let known = described(state, reader, process)?;
            state.set(index, known, false);
            What::Process(Box::new(Process { process, ..state.process(&known) }))
        }
        tag::FORK_ODD => fork_odd(state, reader, time_ns, index, process)?,
        tag::EXEC => exec(state, reader, time_ns, index, process)?,
        tag::RENAME => {
            let comm = string(state, reader)?;
            state.rename(index, comm);
            What::Rename { process, comm: state.string(comm).clone() }
        }
        tag::CALL => What::Call {
            process,
            call: reader.byte()?,
            target: reader.zigzag()?,
            tgid_arg: reader.zigzag()? as i32,
            sig: reader.byte()?,
            ret: reader.zigzag()?,
        },
        tag::POLL => What::Poll {
            process,
            call: reader.byte()?,
            target: reader.zigzag()?,
            count: reader.varint()?,
            first_ns: time_ns.wrapping_add(reader.zigzag()? as u64),
            last_ret: reader.zigzag()?,
        },
        tag::REBOOT => What::Reboot { process, cmd: reader.varint32()?, ns_level: reader.varint32()? },
        tag::UMOUNT => What::Umount { process, path: path(state, reader)?, flags: reader.varint()? },
        tag::REMOUNT => What::Remount { process, path: path(state, reader)?, flags: reader.varint()? },
        tag::CGROUP_MKDIR | tag::CGROUP_RMDIR => {
            let (id, hierarchy) = (reader.varint()?, reader.varint32()?);
            let path = path(state, reader)?;
            if tag == tag::CGROUP_MKDIR {
                What::CgroupMkdir { process, id, hierarchy, path }
            } else {
                What::CgroupRmdir { process, id, hierarchy, path }
            }
        }
        tag::CGROUP_ATTACH => {
            let (index, moved) = self::process(state, reader, time_ns)?;
            let (id, hierarchy) = (reader.varint()?, reader.varint32()?);
            let path = string(state, reader)?;
            state.attach(index, id, hierarchy, path);
            What::CgroupAttach { process, moved, id, hierarchy, path: state.string(path).clone() }
        }
        tag::OOM => What::Oom { process, victim: self::process(state, reader, time_ns)?.1 },
        _ => return Err(Malformed("an event of an unknown kind")),
    })
}

fn fork(state: &mut State, reader: &mut Reader<'_>, time_ns: u64) -> Result<What, Malformed> {
    let (index, parent) = process(state, reader, time_ns)?;
    let index = index.ok_or(Malformed("nobody forks a child like itself"))?;
    let child = ProcId {
        tgid: state.last_tgid.wrapping_add(reader.zigzag()? as u32),
        start_ns: time_ns.wrapping_sub(reader.zigzag()? as u64),
    };
    let inherited = *state.known(index);
    let cgroup = inherited.cgroup;
    state.add(State::child(&inherited, child, parent.tgid, cgroup));
    Ok(What::Fork { parent, child, child_ppid: parent.tgid, cgroup, ns_level: 0, ns_pid: child.tgid })
}

fn fork_odd(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: u64,
    parent_index: Option<Index>,
    parent: ProcId,
) -> Result<What, Malformed> {
    let inherited = parent_index.map(|index| *state.known(index)).unwrap_or_default();
    let (index, child) = process(state, reader, time_ns)?;
    let (child_ppid, cgroup) = (reader.varint32()?, reader.varint()?);
    let (ns_level, ns_pid) = (reader.varint32()?, reader.varint32()?);
    if let Some(index) = index {
        state.inherit(index, State::child(&inherited, child, child_ppid, cgroup));
    }
    Ok(What::Fork { parent, child, child_ppid, cgroup, ns_level, ns_pid })
}

fn exec(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: u64,
    index: Option<Index>,
    process: ProcId,
) -> Result<What, Malformed> {
    let (_, parent) = self::process(state, reader, time_ns)?;
    let (uid, session, cgroup) = (reader.varint32()?, reader.varint32()?, reader.varint()?);
    let flags = reader.byte()?;
    let known = Known {
        ppid: parent.tgid,
        uid,
        session,
        cgroup,
        comm: string(state, reader)?,
        filename: string(state, reader)?,
        argv: string(state, reader)?,
        env: string(state, reader)?,
        tty: string(state, reader)?,
        ..Known::default()
    };
    state.set(index, known, true);
    Ok(What::Exec(Box::new(Exec {
        process,
        parent,
        uid,
        session,
        cgroup,
        comm: state.string(known.comm).clone(),
        filename: state.string(known.filename).clone(),
        argv: state.string(known.argv).clone(),
        env: state.string(known.env).clone(),
        tty: state.string(known.tty).clone(),
        flags,
    })))
}

/// What PROCESS and SNAPSHOT say behind the identity.
fn described(state: &mut State, reader: &mut Reader<'_>, id: ProcId) -> Result<Known, Malformed> {
    Ok(Known {
        id,
        ppid: reader.varint32()?,
        uid: reader.varint32()?,
        session: reader.varint32()?,
        cgroup: reader.varint()?,
        comm: string(state, reader)?,
        filename: string(state, reader)?,
        argv: string(state, reader)?,
        env: string(state, reader)?,
        tty: string(state, reader)?,
        cgroup_path: string(state, reader)?,
        dead: false,
    })
}

fn string(state: &mut State, reader: &mut Reader<'_>) -> Result<StringId, Malformed> {
    let code = reader.varint()?;
    if code == 0 {
        let bytes = reader.bytes()?;
        if bytes.len() > STRING_MAX {
            return Err(CUT_SHORT);
        }
        state.strings.push(bytes.into());
        return Ok(state.strings.len() as StringId - 1);
    }
    if code > state.strings.len() as u64 {
        return Err(Malformed("a reference to a string that was never given"));
    }
    Ok(code as StringId - 1)
}

fn path(state: &mut State, reader: &mut Reader<'_>) -> Result<Bytes, Malformed> {
    let id = string(state, reader)?;
    Ok(state.string(id).clone())
}

/// A process reference, resolved at once: a later definition may take over its index.
#[inline(always)]
fn process(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: u64,
) -> Result<(Option<Index>, ProcId), Malformed> {
    let code = reader.varint()?;
    if code >= reference::FIRST {
        let index = state.checked(code - reference::FIRST)?;
        return Ok((Some(index), state.known(index).id));
    }
    unusual(state, reader, time_ns, code)
}

#[cold]
fn unusual(
    state: &mut State,
    reader: &mut Reader<'_>,
    time_ns: u64,
    code: u64,
) -> Result<(Option<Index>, ProcId), Malformed> {
    if code == reference::NOBODY {
        return Ok((None, ProcId::KERNEL));
    }
    if code == reference::REDEFINE {
        let index = reader.varint()?;
        let index = state.checked(index)?;
        let start_ns = time_ns.wrapping_add(reader.zigzag()? as u64);
        return Ok((Some(index), state.redefine(index, start_ns)));
    }
    let tgid = state.last_tgid.wrapping_add(reader.zigzag()? as u32);
    let id = ProcId { tgid, start_ns: time_ns.wrapping_add(reader.zigzag()? as u64) };
    Ok((Some(state.define(id)), id))
}
