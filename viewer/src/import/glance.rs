//! What `lastrites list` shows of an imported file, kept beside it, so that it need not be unpacked and read each time.
//!
//! Invariant: it stands for the file only as long as that is the same file: the same inode, length and time. What cannot
//! be read here is read from the file itself; nothing is ever shown that the file does not say.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use lastrites_traces::{
    reader::{Gap, Summary, WHYS},
    session::{Clock, Coverage, End, How, Layer, Session},
};
use serde::{Deserialize, Serialize};

use super::place::somebody_elses;
use crate::{
    fresh::Fresh,
    requests::{Request, Requests},
};

/// Of this form; another one is not read.
const VERSION: u32 = 1;
/// Larger ones are not read: a session record has at most 12 KiB.
const BYTES_MAX: u64 = 4 << 20;

/// Which file it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Stamp {
    fn of(file: &Path) -> io::Result<Self> {
        let meta = file.metadata()?;
        let (changed_s, changed_ns) = (meta.ctime(), meta.ctime_nsec());
        Ok(Self { inode: meta.ino(), bytes: meta.len(), changed_s, changed_ns })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Glance {
    version: u32,
    of: Stamp,
    sessions: Vec<Seen>,
}

/// Number, time, uid, terminal and arguments of a [`Request`].
type Asked = (u64, u64, u32, Vec<u8>, Vec<u8>);

/// A [`Summary`] and its [`Requests`].
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    pairs: Vec<(String, String)>,
    segments: (u64, u64),
    numbers: (u64, u64),
    events: u64,
    times_ns: (u64, u64),
    lost: u64,
    clocks: Vec<(u64, u64, i32)>,
    coverage: Vec<(u64, u64, u8, String)>,
    end: Option<(u8, u64, String)>,
    /// The last is a place in [`WHYS`].
    gaps: Vec<(u64, u64, u64, usize)>,
    request: Option<Asked>,
    reboot: Option<u32>,
}

impl Seen {
    /// `None`: it says something that has no place here.
    fn of(summary: &Summary, requests: &Requests) -> Option<Self> {
        let session = &summary.session;
        let why = |gap: &Gap| WHYS.iter().position(|why| *why == gap.why);
        Some(Self {
            pairs: session.pairs().into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            segments: (summary.first_segment, summary.last_segment),
            numbers: (summary.first_number, summary.next_number),
            events: summary.events,
            times_ns: (summary.first_ns, summary.last_ns),
            lost: summary.lost,
            clocks: summary.clocks.iter().map(|c| (c.boottime_ns, c.realtime_ns, c.utc_offset_s)).collect(),
            coverage: summary
                .coverage
                .iter()
                .map(|c| (c.from_ns, c.to_ns, c.layer as u8, c.note.clone()))
                .collect(),
            end: summary.end.as_ref().map(|end| (end.how as u8, end.time_ns, end.note.clone())),
            gaps: summary
                .gaps
                .iter()
                .map(|gap| Some((gap.from, gap.to, gap.offset, why(gap)?)))
                .collect::<Option<_>>()?,
            request: requests.first.as_ref().map(|request| {
                (request.number, request.time_ns, request.uid, request.tty.to_vec(), request.argv.to_vec())
            }),
            reboot: requests.reboot,
        })
    }

    fn told(self) -> Option<(Summary, Requests)> {
        let layer = |layer| {
            [Layer::Kernel, Layer::Drainer, Layer::Seal, Layer::Census]
                .into_iter()
                .find(|one| *one as u8 == layer)
        };
        let how = |how| {
            [How::Sealed, How::Disarmed, How::NoSeal, How::Stopped].into_iter().find(|one| *one as u8 == how)
        };
        let end = match self.end {
            Some((code, time_ns, note)) => Some(End { how: how(code)?, time_ns, note }),
            None => None,
        };
        let clock =
            |(boottime_ns, realtime_ns, utc_offset_s)| Clock { boottime_ns, realtime_ns, utc_offset_s };
        let summary = Summary {
            session: Session::from_pairs(self.pairs),
            first_segment: self.segments.0,
            last_segment: self.segments.1,
            first_number: self.numbers.0,
            next_number: self.numbers.1,
            events: self.events,
            first_ns: self.times_ns.0,
            last_ns: self.times_ns.1,
            lost: self.lost,
            clocks: self.clocks.into_iter().map(clock).collect(),
            coverage: self
                .coverage
                .into_iter()
                .map(|(from_ns, to_ns, code, note)| {
                    Some(Coverage { from_ns, to_ns, layer: layer(code)?, note })
                })
                .collect::<Option<_>>()?,
            end,
            gaps: self
                .gaps
                .into_iter()
                .map(|(from, to, offset, why)| Some(Gap { from, to, offset, why: WHYS.get(why)? }))
                .collect::<Option<_>>()?,
        };
        let first = self.request.map(|(number, time_ns, uid, tty, argv)| Request {
            number,
            time_ns,
            uid,
            tty: tty.into(),
            argv: argv.into(),
        });
        Some((summary, Requests { first, reboot: self.reboot }))
    }
}

/// Where the glance at `file` is kept: under a name that no import has.
fn beside(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    Some(file.with_file_name(format!(".{name}.glance")))
}

/// What was seen in `file`, if that is known and the file is still the same.
pub(super) fn read(file: &Path) -> Option<Vec<(Summary, Requests)>> {
    let mut bytes = Vec::new();
    // A pipe would be waited for.
    let kept = beside(file).filter(|kept| fs::symlink_metadata(kept).is_ok_and(|found| found.is_file()))?;
    File::open(kept).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let glance: Glance = serde_json::from_slice(&bytes).ok()?;
    let same = glance.version == VERSION && glance.of == Stamp::of(file).ok()?;
    if !same {
        return None;
    }
    glance.sessions.into_iter().map(Seen::told).collect()
}

/// Keeps what was seen in `file`. It may be somebody else's to write: then it is read again the next time.
pub(super) fn keep(file: &Path, seen: &[(Summary, Requests)]) {
    let kept = || -> Option<()> {
        // In somebody else's directory, as of a person who has become root by sudo, nothing is left behind.
        let owner = fs::symlink_metadata(file.parent()?).ok()?.uid();
        if owner != rustix::process::geteuid().as_raw() || somebody_elses(file.parent()?).is_some() {
            return None;
        }
        let of = Stamp::of(file).ok()?;
        let sessions =
            seen.iter().map(|(summary, requests)| Seen::of(summary, requests)).collect::<Option<_>>()?;
        let bytes = serde_json::to_vec(&Glance { version: VERSION, of, sessions }).ok()?;
        let mut new = Fresh::below(file.parent()?, 0o600).ok()?;
        new.write_all(&bytes).ok()?;
        // Who may read the one may read the other. Of the file itself, not of what is called so by now.
        let mode = file.metadata().ok()?.permissions().mode() & 0o644;
        new.file().set_permissions(fs::Permissions::from_mode(mode)).ok()?;
        forget(file);
        new.name(&beside(file)?).ok()
    };
    let _ = kept();
}

/// Forgets what was seen in `file`.
pub(super) fn forget(file: &Path) {
    let _ = beside(file).map(fs::remove_file);
}
