//! Real files on real file systems.
//!
//! What must be true: a ring file is made whole or not at all, never grows, and nothing that
//! is not ours is touched.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lastrites_traces::{
    Error,
    layout::{FIRST_SEGMENT, SIZE_MAX, SIZE_MIN, SLOTS_MIN},
    reader::Trace,
    ring::Writer,
    storage::{Created, FileStorage, Storage},
};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::support::{Noise, read_all, session};

/// A small file system of its own, as long as it is kept.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(kind: &str, options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount("none", dir.path(), kind, MountFlags::empty(), options.as_c_str())
            .unwrap_or_else(|error| {
                panic!("this test needs to mount a {kind}: run it as root (CAP_SYS_ADMIN): {error}")
            });
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn read_only(&self) {
        rustix::mount::mount_remount(self.path(), MountFlags::RDONLY, "").unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.path(), UnmountFlags::DETACH);
    }
}

fn names(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn record(writer: &mut Writer<FileStorage>, bytes: u64) {
    let (mut noise, mut now_ns) = (Noise(3), 2_000);
    let until = writer.bytes_written() + bytes;
    while writer.bytes_written() < until {
        writer.append(&noise.heavy(&mut now_ns, 50), &[]).unwrap();
        writer.sync().unwrap();
        writer.release();
    }
}

#[test]
fn a_ring_file_is_made_in_full_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let (_, created) = FileStorage::create(&path, 1 << 20).unwrap();
    assert_eq!(created, Created::New);
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.len(), found.permissions().mode() & 0o7777), (1 << 20, 0o600));
    assert!(found.blocks() * 512 >= 1 << 20, "its blocks are allocated now, not when they are needed");
    assert_eq!(names(dir.path()).len(), 1, "and nothing else");
    let trace = Trace::open(&path).unwrap();
    assert!(trace.sessions().is_empty());
    let (_, again) = FileStorage::create(&path, 4 << 20).unwrap();
    assert_eq!(again, Created::Existing { size: 1 << 20 });
    assert_eq!(fs::metadata(&path).unwrap().ino(), found.ino());
}

#[test]
fn a_ring_file_that_wraps_many_times_never_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let (storage, _) = FileStorage::create(&path, SIZE_MIN + 1000).unwrap();
    let before = fs::metadata(&path).unwrap();
    let mut writer = Writer::open(storage).unwrap();
    for turn in 0..6 {
        writer.begin(&session(turn)).unwrap();
        record(&mut writer, SIZE_MIN);
        let now = fs::metadata(&path).unwrap();
        assert_eq!((now.len(), now.blocks()), (before.len(), before.blocks()));
    }
    let mut tail = Vec::new();
    let bytes = fs::read(&path).unwrap();
    tail.extend_from_slice(&bytes[SIZE_MIN as usize..]);
    assert_eq!(tail, [0; 1000], "what is less than a slot stays as it was");
    assert_eq!(read_all(&Trace::open(&path).unwrap()).len(), 1, "everything older made way");
}

#[test]
fn a_full_disk_is_met_when_the_file_is_made_and_nothing_is_left_behind() {
    for kind in ["tmpfs", "ramfs"] {
        // A ramfs is never full; it stands for those that cannot allocate ahead.
        let full = kind == "tmpfs";
        let disk = Mounted::new(kind, if full { "size=1m" } else { "" });
        let path = disk.path().join("ring");
        let result = FileStorage::create(&path, 4 << 20);
        if full {
            let error = result.expect_err("four into one does not go");
            assert!(error.is_full_disk(), "{error}");
            let text = error.to_string();
            assert!(text.contains("allocate its blocks") && text.contains("free some space"), "{text}");
            assert!(names(disk.path()).is_empty());
            assert_eq!(FileStorage::create(&path, SIZE_MIN).unwrap().1, Created::New, "a smaller one does");
        } else {
            assert_eq!(result.unwrap().1, Created::New);
            assert_eq!(fs::metadata(&path).unwrap().blocks() * 512, 4 << 20);
        }
    }
}

#[test]
fn recording_goes_on_when_the_disk_is_full_for_everybody_else() {
    let disk = Mounted::new("tmpfs", "size=2m");
    let path = disk.path().join("ring");
    let (storage, _) = FileStorage::create(&path, 1 << 20).unwrap();
    let hog = disk.path().join("hog");
    fs::write(&hog, vec![1; 4 << 20]).expect_err("it fills the rest");
    let mut writer = Writer::open(storage).unwrap();
    writer.begin(&session(1)).unwrap();
    record(&mut writer, 3 << 20);
    let reading = read_all(&Trace::open(&path).unwrap()).remove(0);
    assert!(reading.gaps.is_empty() && !reading.events.is_empty());
}

#[test]
fn a_file_system_that_is_read_only_is_named_as_the_reason() {
    let disk = Mounted::new("tmpfs", "size=4m");
    let path = disk.path().join("ring");
    let (storage, _) = FileStorage::create(&path, 1 << 20).unwrap();
    let mut writer = Writer::open(storage).unwrap();
    writer.begin(&session(1)).unwrap();
    writer.sync().unwrap();
    writer.release();
    disk.read_only();
    let error = FileStorage::create(&disk.path().join("other"), 1 << 20).expect_err("read-only").to_string();
    assert!(error.contains("file system that can be written"), "{error}");
    assert_eq!(FileStorage::create(&path, 1 << 20).unwrap().1, Created::Existing { size: 1 << 20 });
    let mut writer = Writer::open(FileStorage::new(&path)).unwrap();
    assert_eq!(writer.resume().unwrap().session.id, session(1).id, "it can be looked at");
    let error = writer.append(&[], &[]).expect_err("read-only").to_string();
    assert!(error.contains("file system that can be written"), "{error}");
    // The seal finds / read-only, and remounts it.
    let mut writer = Writer::open(FileStorage::new(&path)).unwrap();
    rustix::mount::mount_remount(disk.path(), MountFlags::empty(), "").unwrap();
    writer.append(&[], &[]).unwrap();
    writer.sync().unwrap();
}

#[test]
fn a_directory_that_is_missing_is_named_as_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let error =
        FileStorage::create(&dir.path().join("none/ring"), 1 << 20).expect_err("no directory").to_string();
    assert!(error.contains("open its directory") && error.contains("its directory is missing"), "{error}");
    let error = Trace::open(&dir.path().join("none/ring")).expect_err("no file").to_string();
    assert!(error.contains("nothing has been recorded there yet"), "{error}");
    let error = FileStorage::create(&dir.path().join(".."), 1 << 20).expect_err("a directory").to_string();
    assert!(error.contains("it is a directory"), "{error}");
}

#[test]
fn sizes_outside_the_limits_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    for size in [0, 1, SIZE_MIN - 1, SIZE_MAX + 1, u64::MAX] {
        let error = FileStorage::create(&dir.path().join("ring"), size).expect_err("out of bounds");
        assert!(matches!(error, Error::Size { .. }), "{error}");
    }
    assert!(names(dir.path()).is_empty());
    FileStorage::create(&dir.path().join("ring"), SIZE_MIN).unwrap();
    assert_eq!((SIZE_MIN - FIRST_SEGMENT) % SLOTS_MIN, 0);
}

#[test]
fn whatever_else_is_there_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let ring = dir.path().join("ring");
    FileStorage::create(&ring, 1 << 20).unwrap();
    let ring = fs::read(&ring).unwrap();
    let mut version = ring.clone();
    version[8] = 7;
    version[4096 + 8] = 7;
    let files: [(&str, Vec<u8>, &str); 6] = [
        ("empty", Vec::new(), "it is empty"),
        ("zeros", vec![0; 1 << 20], "it begins with zeros"),
        ("text", b"root:x:0:0:root:/root:/bin/sh\n".repeat(100), "it begins with something else"),
        ("version", version, "format version 7"),
        ("truncated", ring[..500_000].to_vec(), "it ends there, and was made with 1048576 bytes"),
        ("saved", Vec::new(), "a saved trace"),
    ];
    for (name, mut bytes, words) in files {
        let path = dir.path().join(name);
        if name == "saved" {
            let mut writer =
                Writer::open(FileStorage::create(&dir.path().join("other"), 1 << 20).unwrap().0).unwrap();
            writer.begin(&session(1)).unwrap();
            let trace = Trace::open(&dir.path().join("other")).unwrap();
            trace.save(session(1).id, &mut bytes).unwrap();
        }
        fs::write(&path, &bytes).unwrap();
        let error = FileStorage::create(&path, 1 << 20).expect_err(words).to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
        assert!(fs::read(&path).unwrap() == bytes, "{name} is as it was");
        let opened = Writer::open(FileStorage::new(&path)).expect_err(words).to_string();
        assert!(opened.contains(words), "{opened}");
    }
    let target = dir.path().join("ring");
    let link = dir.path().join("link");
    symlink(&target, &link).unwrap();
    let error = FileStorage::create(&link, 1 << 20).expect_err("a link").to_string();
    assert!(error.contains("a symbolic link"), "{error}");
    Writer::open(FileStorage::new(&link)).expect_err("a recorder follows no link");
    assert!(Trace::open(&link).unwrap().sessions().is_empty(), "a reader does");
    let dangling = dir.path().join("dangling");
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    FileStorage::create(&dangling, 1 << 20).expect_err("a link to nothing");
    assert!(!dir.path().join("nowhere").exists());
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let error = FileStorage::create(&pipe, 1 << 20).expect_err("a pipe").to_string();
    assert!(error.contains("no regular file"), "{error}");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    Writer::open(FileStorage::new(&pipe)).expect_err("a pipe, which nobody waits for");
    Trace::open(&pipe).expect_err("a pipe, which nobody waits for");
    let error = Trace::open(dir.path()).expect_err("a directory").to_string();
    assert!(error.contains("it is a directory"), "{error}");
}

#[test]
fn a_file_that_took_the_place_of_the_ring_is_not_written_to() {
    // The story: the drainer closes the file between batches. Somebody moves it away and puts
    // another one there; what the drainer knows of the first is then written into the second.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let mut writer = Writer::open(FileStorage::create(&path, 1 << 20).unwrap().0).unwrap();
    writer.begin(&session(1)).unwrap();
    writer.release();
    fs::rename(&path, dir.path().join("moved")).unwrap();
    let (_, created) = FileStorage::create(&path, 1 << 20).unwrap();
    assert_eq!(created, Created::New);
    let other = fs::read(&path).unwrap();
    let error = writer.append(&[], &[]).expect_err("another file").to_string();
    assert!(error.contains("another file has taken its place"), "{error}");
    assert!(fs::read(&path).unwrap() == other);
}

#[test]
fn of_many_who_make_the_same_file_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| FileStorage::create(&path, SIZE_MIN).unwrap().1)).collect();
        threads
            .into_iter()
            .filter_map(|thread| (thread.join().unwrap() == Created::New).then_some(()))
            .count()
    });
    assert_eq!(made, 1);
    assert_eq!(names(dir.path()), [path]);
}

#[test]
fn a_ring_of_the_usual_size_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let (mut storage, _) = FileStorage::create(&path, 8 << 20).unwrap();
    assert_eq!(storage.len().unwrap(), 8 << 20);
    let mut writer = Writer::open(storage).unwrap();
    writer.begin(&session(1)).unwrap();
    record(&mut writer, 2 << 20);
    let copy = dir.path().join("copy");
    let trace = Trace::open(&path).unwrap();
    trace.save(session(1).id, &mut File::create(&copy).unwrap()).unwrap();
    assert_eq!(read_all(&Trace::open(&copy).unwrap())[0].events, read_all(&trace)[0].events);
}
