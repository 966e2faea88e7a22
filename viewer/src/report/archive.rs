//! The file that is attached to a bug report: named parts in a gzip-compressed tar, described in REPORT.md.
//!
//! Invariant: what comes out of [`open`] is exactly what a manifest of a known version says, part for part, byte for
//! byte; anything else is refused with the reason. Nothing of an archive becomes the name of a file here, sizes are
//! bounded before a byte is unpacked, and at no time is more than a small buffer of it in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, GzBuilder, bufread::GzDecoder};
use lastrites_traces::{layout::FILE_MAGIC, reader::Trace};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{error::Error, safe};

/// Version of the format; a reader refuses a larger one.
pub const VERSION: u32 = 1;
/// What the manifest says that it is of.
const FORMAT: &str = "lastrites-report";
/// Everything lies in a folder of this name, so that unpacking makes one.
pub const FOLDER: &str = "lastrites-report";
pub const MANIFEST: &str = "manifest.json";
pub const SUMMARY: &str = "README.md";
pub const TRACE: &str = "trace.lrt";
pub const PAGE: &str = "report.html";

/// Most bytes of a manifest, of any other part, and of all of them unpacked.
const MANIFEST_MAX: u64 = 1 << 20;
pub const PART_MAX: u64 = 256 << 20;
const TOTAL_MAX: u64 = 512 << 20;
/// Most parts.
const PARTS_MAX: usize = 32;
/// Most events of its recording, and processes that its segments begin with: either takes a byte or three there, packed,
/// and hundreds in memory.
pub const ITEMS_MAX: u64 = 8_000_000;

/// One file in the archive, other than the manifest.
#[derive(Debug)]
pub struct Part {
    /// Lower-case letters, digits, `.`, `-` and `_`, and `README.md`.
    pub name: String,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    Bytes(Vec<u8>),
    File(File),
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub version: u32,
    /// Of the lastrites that made it.
    pub tool_version: String,
    pub redaction: Redaction,
    /// In the order of the archive, without the manifest.
    pub parts: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// What `--keep` left in.
    pub kept: Vec<String>,
    /// How many different things of each kind were removed.
    pub removed: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub bytes: u64,
    /// 64 lower-case hex digits.
    pub sha256: String,
}

/// What is read before anything else is believed.
#[derive(Debug, Deserialize)]
struct Head {
    format: String,
    version: u32,
    #[serde(default)]
    tool_version: String,
}

/// A report that was opened.
#[derive(Debug)]
pub struct Opened {
    pub manifest: Manifest,
    pub trace: Trace,
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which side of a copy failed: that of the archive is its sender's trouble, the other one is ours.
enum CopyFailed {
    Reading(io::Error),
    Writing(io::Error),
}

impl From<CopyFailed> for io::Error {
    fn from(failed: CopyFailed) -> Self {
        match failed {
            CopyFailed::Reading(error) | CopyFailed::Writing(error) => error,
        }
    }
}

/// Copies all of `from`; returns bytes and checksum.
fn copy_hashed(from: &mut dyn Read, to: &mut dyn Write) -> Result<(u64, String), CopyFailed> {
    let mut buffer = vec![0; 64 << 10];
    let (mut bytes, mut sum) = (0, Sha256::new());
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hex(&sum.finalize()))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyFailed::Reading(error)),
        };
        to.write_all(&buffer[..count]).map_err(CopyFailed::Writing)?;
        sum.update(&buffer[..count]);
        bytes += count as u64;
    }
}

/// Writes an archive of `parts`; `time_s` (seconds since 1970) is the date of its files.
pub fn write(
    parts: &mut [Part],
    redaction: Redaction,
    time_s: u64,
    out: &mut dyn Write,
) -> io::Result<Manifest> {
    let mut manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        redaction,
        parts: Vec::new(),
    };
    for part in &mut *parts {
        let (bytes, sha256) = match &mut part.body {
            Body::Bytes(bytes) => copy_hashed(&mut bytes.as_slice(), &mut io::sink())?,
            Body::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                copy_hashed(file, &mut io::sink())?
            }
        };
        if bytes > PART_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{} has {bytes} bytes", part.name),
            ));
        }
        manifest.parts.push(Entry { name: part.name.clone(), bytes, sha256 });
    }
    // Neither a file name nor a time of packing: they would say more than the report.
    let gzip = GzBuilder::new().write(out, Compression::best());
    let mut tar = tar::Builder::new(gzip);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    append(&mut tar, MANIFEST, text.len() as u64, time_s, &mut text.as_slice())?;
    for (part, entry) in parts.iter_mut().zip(&manifest.parts) {
        match &mut part.body {
            Body::Bytes(bytes) => append(&mut tar, &part.name, entry.bytes, time_s, &mut bytes.as_slice())?,
            Body::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                append(&mut tar, &part.name, entry.bytes, time_s, file)?;
            }
        }
    }
    tar.into_inner()?.finish()?.flush()?;
    Ok(manifest)
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    bytes: u64,
    time_s: u64,
    from: &mut dyn Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(format!("{FOLDER}/{name}"))?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_mtime(time_s);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    tar.append(&header, from.take(bytes))
}

/// Whether a file that begins so is an archive: by content, whatever it is called. `head` are its first 512 bytes.
pub fn is_archive(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b]) || is_tar(head)
}

/// Some browsers unpack gzip on the way.
fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// Lets through so many bytes, then fails.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "more is packed in it than any report holds")
        })?;
        Ok(count)
    }
}

/// Why an archive is refused; what to do about it comes with it.
#[derive(Debug)]
struct Refused {
    why: String,
    next: &'static str,
}

const ASK_AGAIN: &str = "ask whoever made it to send it again, as `lastrites report` wrote it";
const DO_NOT: &str =
    "lastrites does not make such files: do not open it with anything else before you know who made it";

const AS_IT_WAS: &str = "another program packed it: ask for the file itself that `lastrites report` wrote";
const PACKED_AGAIN: &str = "another program packed it: ask for the file itself that `lastrites report` wrote, or unpack it and name its \
     trace.lrt";
const OUR_OWN: &str = "name a recording, or a report as `lastrites report` wrote it";

fn damaged(why: impl Into<String>) -> Refused {
    Refused { why: why.into(), next: ASK_AGAIN }
}

fn hostile(why: impl Into<String>) -> Refused {
    Refused { why: why.into(), next: DO_NOT }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut off: its end is missing"),
            io::ErrorKind::FileTooLarge => hostile(error.to_string()),
            _ => damaged(format!("it is damaged: {}", safe::text(error.to_string().as_bytes()))),
        }
    }
}

impl From<CopyFailed> for Refused {
    fn from(failed: CopyFailed) -> Self {
        match failed {
            CopyFailed::Reading(error) => error.into(),
            CopyFailed::Writing(error) => no_room(&error),
        }
    }
}

/// That is our own trouble, and no fault of whoever sent it.
fn no_room(error: &io::Error) -> Refused {
    Refused {
        why: format!("cannot unpack it into {}: {error}", std::env::temp_dir().display()),
        next: "make room there, or set TMPDIR to a directory that is there and has some",
    }
}

/// Opens an archive, checks every part of it, and opens its recording.
pub fn open(path: &Path) -> Result<Opened, Error> {
    let fail = |source| Error::File { path: path.into(), doing: "open it", source, next: "check the name" };
    let mut file = File::open(path).map_err(fail)?;
    let mut head = Vec::new();
    (&mut file).take(512).read_to_end(&mut head).map_err(fail)?;
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    let refused = |Refused { why, next }| Error::failed(path.display().to_string(), why, next);
    let (manifest, trace) = if is_tar(&head) {
        let mut bounded = Bounded { inner: BufReader::new(file), left: TOTAL_MAX };
        unpack(&mut bounded).map_err(refused)?
    } else {
        let mut bounded = Bounded { inner: GzDecoder::new(BufReader::new(file)), left: TOTAL_MAX };
        let mut head = Vec::new();
        let peeked = (&mut bounded).take(512).read_to_end(&mut head).map_err(Refused::from);
        peeked.and_then(|_| packed_with_gzip(&head)).map_err(refused)?;
        let unpacked = unpack(&mut head.as_slice().chain(&mut bounded)).map_err(refused)?;
        let mut rest = bounded.inner.into_inner();
        if rest.read(&mut [0]).map_err(fail)? > 0 {
            return Err(refused(hostile("something follows behind its end")));
        }
        unpacked
    };
    let trace = Trace::from_file(&path.join(TRACE), trace)?;
    let items = items(&trace)?;
    if items > ITEMS_MAX {
        return Err(refused(hostile(too_many(items))));
    }
    Ok(Opened { manifest, trace })
}

/// Refuses what people have packed with gzip that is no tar, by how it begins.
fn packed_with_gzip(head: &[u8]) -> Result<(), Refused> {
    if head.starts_with(&FILE_MAGIC) {
        let why = "it is a recording that was packed with gzip";
        return Err(Refused { why: why.into(), next: "unpack it first: `gunzip` does" });
    }
    if !is_tar(head) {
        let why = "it was packed with gzip and holds something else: this is no report";
        return Err(Refused { why: why.into(), next: OUR_OWN });
    }
    Ok(())
}

/// What a recording may make its reader keep. Every segment's processes count, since it is the recording that says where
/// they have to be told again: behind whatever cannot be read.
pub fn items(trace: &Trace) -> Result<u64, Error> {
    let mut sum = 0_u64;
    for summary in trace.sessions() {
        for stretch in trace.stretches(summary.session.id)? {
            sum = sum.saturating_add(stretch.items());
        }
    }
    Ok(sum)
}

pub fn too_many(items: u64) -> String {
    format!("its recording has {items} events and processes, which is more than any report holds")
}

fn unpack(reader: &mut dyn Read) -> Result<(Manifest, File), Refused> {
    let mut manifest: Option<Manifest> = None;
    let mut trace = None;
    let mut met: BTreeSet<String> = BTreeSet::new();
    let mut archive = tar::Archive::new(&mut *reader);
    // Raw: extensions that give an entry another name or size are seen as what they are, and refused.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let is_first = manifest.is_none() && met.is_empty();
        let Some(name) = part_name(&entry, is_first)? else { continue };
        let bytes = entry.header().entry_size()?;
        if !met.insert(name.clone()) {
            return Err(hostile(format!("{name} is in it twice")));
        }
        let Some(known) = &manifest else {
            if name != MANIFEST {
                let why = format!("it begins with {name} instead of {MANIFEST}");
                return Err(Refused { why, next: PACKED_AGAIN });
            }
            manifest = Some(read_manifest(&mut entry, bytes)?);
            continue;
        };
        let Some(expected) = known.parts.iter().find(|part| part.name == name) else {
            return Err(hostile(format!("{name} is in it, and its manifest does not know of that")));
        };
        if expected.bytes != bytes {
            return Err(damaged(format!("{name} has {bytes} bytes instead of {}", expected.bytes)));
        }
        let (read, sum) = if name == TRACE {
            let mut file = tempfile::tempfile().map_err(|error| no_room(&error))?;
            let copied = copy_hashed(&mut entry, &mut file)?;
            trace = Some(file);
            copied
        } else {
            copy_hashed(&mut entry, &mut io::sink())?
        };
        if read != bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if sum != expected.sha256 {
            return Err(damaged(format!(
                "{name} was changed after the report was made: its checksum is wrong"
            )));
        }
    }
    // To the end, where the checksum of the whole is.
    let mut buffer = [0; 4096];
    loop {
        let count = reader.read(&mut buffer)?;
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(hostile("something follows behind its end"));
        }
        if count == 0 {
            break;
        }
    }
    let manifest = manifest.ok_or_else(|| damaged(format!("it has no {MANIFEST}: this is no report")))?;
    if let Some(missing) = manifest.parts.iter().find(|part| !met.contains(&part.name)) {
        return Err(damaged(format!("{} is missing in it", missing.name)));
    }
    let trace = trace.ok_or_else(|| damaged(format!("it holds no recording ({TRACE})")))?;
    Ok((manifest, trace))
}

/// The name of an entry that is a plain file in the folder, and nothing else; none for the folder itself, which other
/// programs pack as well.
fn part_name<R: Read>(entry: &tar::Entry<'_, R>, is_first: bool) -> Result<Option<String>, Refused> {
    let path = entry.path_bytes();
    let shown = safe::text(&path[..path.len().min(100)]);
    let kind = entry.header().entry_type();
    if kind.is_dir() && path.strip_suffix(b"/").unwrap_or(&path) == FOLDER.as_bytes() && entry.size() == 0 {
        return Ok(None);
    }
    if !matches!(kind, tar::EntryType::Regular) {
        let why = format!("{shown} in it is no plain file (a link, a directory, an extension)");
        // Of other programs that pack, nobody has to be afraid.
        let usual = kind.is_dir() || kind.is_pax_local_extensions() || kind.is_pax_global_extensions();
        return Err(if usual { Refused { why, next: AS_IT_WAS } } else { hostile(why) });
    }
    let name = path.strip_prefix(FOLDER.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    match name.and_then(|name| std::str::from_utf8(name).ok()).filter(|name| is_part_name(name)) {
        Some(name) => Ok(Some(name.to_owned())),
        None if is_first && !leads_out(&path) => Err(of_another_kind(&path)),
        None => Err(hostile(format!("{shown} in it is no name of a part"))),
    }
}

/// Whether a name could be made into a file outside of where it is unpacked.
fn leads_out(path: &[u8]) -> bool {
    path.starts_with(b"/") || path.split(|byte| *byte == b'/').any(|part| part == b"..")
}

/// What begins with a name that no report begins with is a report that was packed again, or anything else: neither is of
/// an enemy.
fn of_another_kind(path: &[u8]) -> Refused {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if [MANIFEST, SUMMARY, PAGE, TRACE].iter().any(|part| part.as_bytes() == file) {
        let why = format!("the files of a report lie in it, but not in the folder {FOLDER}");
        return Refused { why, next: PACKED_AGAIN };
    }
    let shown = safe::text(&path[..path.len().min(100)]);
    Refused { why: format!("it begins with {shown}: this is no report"), next: OUR_OWN }
}

fn is_part_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    name == SUMMARY || !name.starts_with('.') && (1..=60).contains(&name.len()) && name.bytes().all(plain)
}

fn read_manifest(entry: &mut dyn Read, bytes: u64) -> Result<Manifest, Refused> {
    if bytes > MANIFEST_MAX {
        return Err(hostile(format!("its manifest has {bytes} bytes")));
    }
    let mut text = Vec::new();
    entry.take(MANIFEST_MAX).read_to_end(&mut text)?;
    if text.len() as u64 != bytes {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let unreadable = |error: serde_json::Error| {
        damaged(format!("its manifest cannot be read: {}", safe::text(error.to_string().as_bytes())))
    };
    let head: Head = serde_json::from_slice(&text).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(damaged("its manifest is of something else: this is no report"));
    }
    if head.version == 0 || head.version > VERSION {
        let by = safe::text(head.tool_version.as_bytes());
        return Err(Refused {
            why: format!("it is of format version {}, this program reads version {VERSION}", head.version),
            next: if by.is_empty() || head.version == 0 {
                "use the lastrites that made it"
            } else {
                "use the lastrites that made it, or a newer one"
            },
        });
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(unreadable)?;
    let names: BTreeSet<&str> = manifest.parts.iter().map(|part| part.name.as_str()).collect();
    let sound = names.len() == manifest.parts.len() && names.len() <= PARTS_MAX;
    if !sound || names.iter().any(|name| !is_part_name(name) || *name == MANIFEST) {
        return Err(hostile("its manifest names parts that cannot be"));
    }
    let total: u64 = manifest.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes));
    if let Some(large) = manifest.parts.iter().find(|part| part.bytes > PART_MAX) {
        return Err(hostile(format!("{} would have {} bytes", large.name, large.bytes)));
    }
    if total > TOTAL_MAX - (2 << 20) {
        return Err(hostile("more is packed in it than any report holds"));
    }
    Ok(manifest)
}
