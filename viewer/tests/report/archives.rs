//! Archives that lastrites did not make, or not quite: each is refused with what is wrong, and why, and what to do.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use lastrites::{redact::Keep, report::archive};
use lastrites_traces::{
    layout::{self, FileHeader, FrameHeader, Frames, SegmentHeader},
    reader::Trace,
};

use super::{bad, good, reported, sample};

/// A part as it is in an archive: its path, its type, its bytes.
type Raw = (String, tar::EntryType, Vec<u8>);

/// A report of a sample, packed.
fn packed() -> &'static [u8] {
    static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
    PACKED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let (_, _, mut report) = reported(&sample("power-cut"), Keep::default());
        let path = dir.path().join("r");
        report.write_to(&path).expect("written");
        std::fs::read(path).expect("there")
    })
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).expect("gzip");
    bytes
}

fn parts() -> Vec<Raw> {
    let bytes = unpacked(packed());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let part = |mut entry: tar::Entry<'_, &[u8]>| {
        let mut body = Vec::new();
        entry.read_to_end(&mut body).expect("read");
        (entry.path().expect("a path").to_str().expect("UTF-8").to_owned(), entry.header().entry_type(), body)
    };
    archive.entries().expect("entries").map(|entry| part(entry.expect("an entry"))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("written");
    gzip.finish().expect("finished")
}

/// Packs parts whatever they are called.
fn tarred(parts: &[Raw]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, body) in parts {
        let mut header = tar::Header::new_ustar();
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(*kind);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").expect("a name");
        }
        header.set_cksum();
        tar.append(&header, body.as_slice()).expect("appended");
    }
    tar.into_inner().expect("finished")
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.path().join("r.bin");
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// Why these bytes are refused, by the command itself.
    fn refused(&self, bytes: &[u8]) -> String {
        let path = self.put(bytes);
        let said = bad(self.path(), &["list", path.to_str().expect("UTF-8")], 4);
        assert!(said.contains("r.bin: ") && said.contains("; ") && said.lines().count() == 1, "{said}");
        said
    }

    fn refused_parts(&self, parts: &[Raw]) -> String {
        self.refused(&gzip(&tarred(parts)))
    }
}

#[test]
fn a_report_opens_whatever_it_is_called_and_even_if_a_browser_unpacked_it() {
    let place = Place::new();
    for bytes in [packed().to_vec(), unpacked(packed()), gzip(&tarred(&parts()))] {
        let path = place.put(&bytes);
        assert!(good(place.path(), &["list", path.to_str().expect("UTF-8")]).contains("host-1"));
    }
}

#[test]
fn a_report_that_was_cut_off_is_called_so_wherever_it_was_cut() {
    let place = Place::new();
    let whole = packed();
    for at in (3..whole.len()).step_by(whole.len() / 23).chain([whole.len() - 1]) {
        let path = place.put(&whole[..at]);
        let said = archive::open(&path).expect_err("cut off").to_string();
        assert!(said.contains("cut off") && said.contains("send it again"), "{at}: {said}");
    }
    // What is cut off behind its last part is missing that part.
    let bytes = unpacked(whole);
    let said = place.refused(&bytes[..512 * 9]);
    assert!(said.contains("cut off") || said.contains("missing"), "{said}");
}

#[test]
fn a_byte_that_was_changed_anywhere_is_never_taken_for_the_report() {
    let place = Place::new();
    let whole = packed();
    let original = unpacked(whole);
    for at in (0..whole.len()).step_by(whole.len() / 180) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x41;
        let path = place.put(&bytes);
        if !archive::is_archive(&bytes) {
            continue;
        }
        // The name, the time and the system in the head of gzip are for nobody; and a run of zeros can be copied from
        // another place of itself.
        if archive::open(&path).is_ok() {
            assert_eq!(unpacked(&bytes), original, "byte {at} was changed");
        }
    }
}

#[test]
fn a_part_that_was_changed_afterwards_has_the_wrong_checksum() {
    let place = Place::new();
    for name in ["README.md", "trace.lrt"] {
        let mut parts = parts();
        let part = parts.iter_mut().find(|(path, ..)| path.ends_with(name)).expect("it is there");
        let last = part.2.len() - 1;
        part.2[last] ^= 1;
        let said = place.refused_parts(&parts);
        assert!(said.contains(&format!("{name} was changed")) && said.contains("checksum"), "{said}");
        let part = parts.iter_mut().find(|(path, ..)| path.ends_with(name)).expect("it is there");
        part.2.pop();
        let said = place.refused_parts(&parts);
        assert!(said.contains(&format!("{name} has ")), "{said}");
    }
}

#[test]
fn parts_that_are_missing_twice_there_or_unknown_are_named() {
    let place = Place::new();
    let all = parts();
    let without =
        |name: &str| all.iter().filter(|(path, ..)| !path.ends_with(name)).cloned().collect::<Vec<_>>();
    for name in ["README.md", "trace.lrt"] {
        assert!(place.refused_parts(&without(name)).contains(&format!("{name} is missing")));
    }
    assert!(place.refused_parts(&without("manifest.json")).contains("instead of manifest.json"));
    assert!(place.refused_parts(&[]).contains("this is no report"));
    let twice: Vec<Raw> = all.iter().chain([&all[1]]).cloned().collect();
    assert!(place.refused_parts(&twice).contains("is in it twice"));
    let mut more = all.clone();
    more.push(("lastrites-report/more.txt".into(), tar::EntryType::Regular, b"x".to_vec()));
    let said = place.refused_parts(&more);
    assert!(said.contains("more.txt is in it") && said.contains("do not open it"), "{said}");
}

#[test]
fn names_and_links_that_lead_elsewhere_are_refused_and_nothing_is_written() {
    let place = Place::new();
    for name in [
        "../../evil",
        "/etc/cron.d/evil",
        "lastrites-report/../evil",
        "lastrites-report/sub/evil",
        "lastrites-report/.x",
        "lastrites-report/",
        "lastrites-report",
        "x",
        "lastrites-report/a\x1b[2J",
    ] {
        let mut parts = parts();
        parts.insert(1, (name.into(), tar::EntryType::Regular, b"evil".to_vec()));
        let said = place.refused_parts(&parts);
        assert!(said.contains("is no name of a part") || said.contains("no plain file"), "{name}: {said}");
        assert!(!said.contains('\x1b'));
    }
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Directory,
        tar::EntryType::Fifo,
        tar::EntryType::Char,
        tar::EntryType::XHeader,
        tar::EntryType::GNULongName,
        tar::EntryType::GNUSparse,
    ] {
        let mut parts = parts();
        parts.insert(1, ("lastrites-report/README.md".into(), kind, Vec::new()));
        assert!(place.refused_parts(&parts).contains("no plain file"), "{kind:?}");
    }
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "only the archive itself: {left:?}");
}

/// A report that somebody looked into and packed again was said to be an enemy's.
#[test]
fn what_people_do_to_a_report_is_said_in_their_words() {
    let place = Place::new();
    let all = parts();
    let folder = ("lastrites-report/".to_owned(), tar::EntryType::Directory, Vec::new());
    let with_folder: Vec<Raw> = [&folder].into_iter().chain(&all).cloned().collect();
    let path = place.put(&gzip(&tarred(&with_folder)));
    assert!(good(place.path(), &["list", path.to_str().expect("UTF-8")]).contains("host-1"));
    let mut full = with_folder.clone();
    full[0].2 = b"evil".to_vec();
    assert!(place.refused_parts(&full).contains("no plain file"));
    let mut turned = all.clone();
    turned.reverse();
    let mut extended = all.clone();
    extended.insert(0, ("lastrites-report/x".into(), tar::EntryType::XHeader, Vec::new()));
    for parts in [turned, extended] {
        let said = place.refused_parts(&parts);
        assert!(said.contains("another program packed it") && !said.contains("do not open"), "{said}");
    }
    // Without its folder, or in another: by name (`tar czf r.tar.gz *`), as `.`, and as folders people make.
    for folder in ["", "./", "bug-17/", "./lastrites-report/", "home/ada/lastrites-report/"] {
        let renamed =
            |(path, kind, body): &Raw| (path.replacen("lastrites-report/", folder, 1), *kind, body.clone());
        let mut parts: Vec<Raw> = all.iter().map(renamed).collect();
        for _ in 0..2 {
            let said = place.refused_parts(&parts);
            assert!(said.contains("not in the folder lastrites-report; another program packed it"), "{said}");
            assert!(said.contains("name its trace.lrt") && !said.contains("do not open"), "{said}");
            parts.reverse();
        }
    }
    // Once there was a part as it should be, that is something else.
    let mut mixed = all.clone();
    mixed[2].0 = "README.md".into();
    assert!(place.refused_parts(&mixed).contains("do not open"));
    let mut out = all.clone();
    out[0].0 = "../manifest.json".into();
    assert!(place.refused_parts(&out).contains("do not open"));
    let recording = std::fs::read(sample("power-cut")).expect("readable");
    let said = place.refused(&gzip(&recording));
    assert!(said.contains("a recording that was packed with gzip; unpack it first"), "{said}");
    for other in [&b"hello "[..], &[b'x'; 5000], b""] {
        let said = place.refused(&gzip(other));
        assert!(said.contains("this is no report") && !said.contains("cksum"), "{said}");
    }
    for (begins, by, with) in [
        (&b"PK\x03\x04"[..], "zip", "unzip"),
        (b"\xfd7zXZ\0", "xz", "xz -d"),
        (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
        (b"BZh91AY", "bzip2", "bzip2 -d"),
    ] {
        let said = place.refused(&[begins, b" and so on"].concat());
        assert!(said.contains(&format!("it was packed with {by}; unpack it first: `{with}` does")), "{said}");
    }
    let unpacked = place.path().join("lastrites-report");
    std::fs::create_dir(&unpacked).expect("made");
    std::fs::write(unpacked.join("trace.lrt"), recording).expect("written");
    for dir in [".", "lastrites-report", "lastrites-report/"] {
        let said = bad(place.path(), &["list", dir], 4);
        let named = said.rsplit("name ").next().expect("a file").trim();
        assert!(said.contains("a report was unpacked there"), "{said}");
        assert!(good(place.path(), &["list", named]).contains("db7"));
    }
}

/// A recording whose first segment claims to begin with so many processes more, in a frame of a few bytes.
fn claiming(recording: &[u8], processes: u32) -> Vec<u8> {
    let start = layout::FIRST_SEGMENT as usize;
    let file = FileHeader::decode(&recording[..start]).expect("a header");
    let segment = &recording[start..];
    let header = SegmentHeader::decode(segment, &file.file_id).expect("a segment");
    let len = header.len as usize;
    let mut out = vec![0; layout::SEGMENT_HEADER_LEN];
    let mut chain = header.seed(&file.file_id);
    let mut put = |out: &mut Vec<u8>, header: FrameHeader, payload: &[u8]| {
        let mut frame = vec![0; layout::FRAME_HEADER_LEN];
        frame.extend_from_slice(payload);
        chain = header.seal(&mut frame, chain);
        out.extend(frame);
    };
    for frame in Frames::new(&segment[..len], &header, &file.file_id) {
        put(&mut out, frame.header, frame.payload);
        if frame.header.kind == layout::kind::STATE {
            let claim = FrameHeader {
                kind: layout::kind::SNAPSHOT,
                count: processes,
                writer: header.writer,
                ..Default::default()
            };
            put(&mut out, claim, &[]);
        }
    }
    let header = SegmentHeader { len: out.len() as u32, ..header };
    out[..layout::SEGMENT_HEADER_LEN].copy_from_slice(&header.encode(&file.file_id));
    [&recording[..start], &out, &segment[len..]].concat()
}

/// Eight events and half a million processes made `explain` take 159 MiB: only events were counted.
#[test]
fn a_recording_of_more_events_and_processes_than_a_report_holds_is_refused_unread() {
    let place = Place::new();
    let recording = std::fs::read(sample("power-cut")).expect("readable");
    let opened = |processes| {
        let body = archive::Body::Bytes(claiming(&recording, processes));
        let mut parts = vec![archive::Part { name: archive::TRACE.into(), body }];
        let redaction = archive::Redaction { kept: Vec::new(), removed: Default::default() };
        let mut packed = Vec::new();
        archive::write(&mut parts, redaction, 0, &mut packed).expect("packed");
        archive::open(&place.put(&packed))
    };
    let all = |trace: &Trace| archive::items(trace).expect("counted");
    let few = opened(5).expect("it opens");
    let events: u64 = few.trace.sessions().iter().map(|summary| summary.events).sum();
    let items = all(&few.trace);
    assert!(items >= events + 5, "{items} {events}");
    let most = (archive::ITEMS_MAX - (items - 5)) as u32;
    assert_eq!(all(&opened(most).expect("it opens").trace), archive::ITEMS_MAX);
    for more in [most + 1, u32::MAX] {
        let said = opened(more).expect_err("too many").to_string();
        assert!(said.contains("events and processes, which is more than any report holds"), "{said}");
    }
}

#[test]
fn what_unpacks_to_more_than_any_report_is_refused_before_it_is_unpacked() {
    let place = Place::new();
    // A manifest that is the bomb itself.
    let mut parts = parts();
    parts[0].2 = vec![b' '; 3 << 20];
    assert!(place.refused_parts(&parts).contains("its manifest has 3145728 bytes"));
    // One that promises too much.
    let manifest = |bytes: u64| {
        format!(
            "{{\"format\":\"lastrites-report\",\"version\":1,\"tool_version\":\"0\",\"redaction\":{{\"kept\":[],\
             \"removed\":{{}}}},\"parts\":[{{\"name\":\"trace.lrt\",\"bytes\":{bytes},\"sha256\":\"00\"}}]}}"
        )
        .into_bytes()
    };
    let regular = tar::EntryType::Regular;
    for bytes in [archive::PART_MAX + 1, u64::MAX] {
        let said =
            place.refused_parts(&[("lastrites-report/manifest.json".into(), regular, manifest(bytes))]);
        assert!(said.contains("would have"), "{said}");
    }
    // Zeros without end behind the end, in a few kilobytes.
    let mut tail = gzip_of_zeros(&tarred(&self::parts()), 600 << 20);
    let said = place.refused(&tail);
    assert!(said.contains("more is packed in it than any report holds"), "{said}");
    assert!(tail.len() < 4 << 20);
    // Something else behind it.
    tail = [packed(), b"PK\x03\x04".as_slice()].concat();
    assert!(place.refused(&tail).contains("something follows behind its end"));
}

fn gzip_of_zeros(first: &[u8], zeros: usize) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(first).expect("written");
    let block = vec![0; 1 << 20];
    for _ in 0..zeros >> 20 {
        gzip.write_all(&block).expect("written");
    }
    gzip.finish().expect("finished")
}

#[test]
fn a_newer_version_or_another_format_says_so() {
    let place = Place::new();
    let of = |text: &str| {
        let mut parts = parts();
        parts[0].2 = text.as_bytes().to_vec();
        place.refused_parts(&parts)
    };
    let said = of("{\"format\":\"lastrites-report\",\"version\":2,\"tool_version\":\"9.9\",\"new\":{}}");
    assert!(
        said.contains("format version 2, this program reads version 1") && said.contains("newer one"),
        "{said}"
    );
    assert!(of("{\"format\":\"lastrites-report\",\"version\":0}").contains("format version 0"));
    assert!(of("{\"format\":\"other\",\"version\":1}").contains("this is no report"));
    assert!(of("{").contains("its manifest cannot be read"));
    assert!(of(&"[".repeat(100_000)).contains("its manifest cannot be read"));
    assert!(of("{\"format\":\"lastrites-report\",\"version\":1}").contains("its manifest cannot be read"));
}

#[test]
fn a_recording_of_a_newer_version_in_a_report_says_so() {
    let place = Place::new();
    let mut parts = parts();
    let trace = parts.iter_mut().find(|(path, ..)| path.ends_with("trace.lrt")).expect("it is there");
    trace.2[8] = 7;
    // Its sender's checksums are right.
    let sum = {
        use sha2::Digest as _;
        sha2::Sha256::digest(&trace.2).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut manifest: serde_json::Value = serde_json::from_slice(&parts[0].2).expect("JSON");
    let listed = manifest["parts"].as_array_mut().expect("a list");
    listed.iter_mut().find(|part| part["name"] == "trace.lrt").expect("listed")["sha256"] = sum.into();
    parts[0].2 = serde_json::to_vec(&manifest).expect("JSON");
    let path = place.put(&gzip(&tarred(&parts)));
    let said = bad(place.path(), &["explain", path.to_str().expect("UTF-8")], 4);
    assert!(said.contains("trace.lrt") && said.contains("format version 7"), "{said}");
}

#[test]
fn other_archives_are_no_reports() {
    let place = Place::new();
    let regular = tar::EntryType::Regular;
    let said = place.refused_parts(&[("etc/passwd".into(), regular, b"root".to_vec())]);
    assert!(said.contains("it begins with etc/passwd: this is no report"), "{said}");
    assert!(!said.contains("do not open"), "{said}");
    assert!(place.refused(&gzip(b"just text, compressed")).contains("this is no report"));
    assert!(place.refused(&[0x1f, 0x8b]).contains("cut off"));
}
