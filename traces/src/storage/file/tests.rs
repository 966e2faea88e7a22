#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use std::os::unix::fs::PermissionsExt;

const SIZE: u64 = 1 << 20;

#[test]
fn a_file_system_without_nameless_files_gets_the_ring_through_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let (_, created) = create(&path, SIZE, Unnamed::Never).unwrap();
    assert_eq!(created, Created::New);
    assert_eq!(create(&path, SIZE, Unnamed::Never).unwrap().1, Created::Existing { size: SIZE });
    let found = path.metadata().unwrap();
    assert_eq!((found.len(), found.permissions().mode() & 0o777), (SIZE, 0o600));
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn what_a_power_cut_left_of_an_attempt_is_cleared_away_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join(".ring.lastrites-new");
    std::fs::write(&left, vec![7; 1 << 16]).unwrap();
    create(&dir.path().join("ring"), SIZE, Unnamed::Never).unwrap();
    assert!(!left.exists());
}

#[test]
fn an_attempt_that_is_still_going_on_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    let other = Draft::open(dir.path(), &path, Unnamed::Never).unwrap();
    let error = create(&path, SIZE, Unnamed::Never).expect_err("somebody is at it");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(dir.path().join(".ring.lastrites-new").exists());
    drop(other);
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "and leaves nothing when it fails");
}

#[test]
fn a_name_that_was_taken_in_the_meantime_is_not_taken_over() {
    for unnamed in [Unnamed::Preferred, Unnamed::Never] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ring");
        let draft = Draft::open(dir.path(), &path, unnamed).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert_eq!(draft.publish(&path), Err(Errno::EXIST));
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }
}

#[test]
fn zeros_are_written_where_blocks_cannot_be_had_ahead() {
    let file = tempfile::tempfile().unwrap();
    zeros(&file, (2 << 20) + 5).unwrap();
    assert_eq!(file.metadata().unwrap().len(), (2 << 20) + 5);
}

/// A block that is allocated and was never written is a hole to those who look for data.
#[test]
fn a_new_file_is_written_all_over_so_that_no_later_sync_has_to_note_a_first_write() {
    let dir = tempfile::tempdir().unwrap();
    for (name, unnamed) in [("a", Unnamed::Preferred), ("b", Unnamed::Never)] {
        let path = dir.path().join(name);
        create(&path, SIZE + 5000, unnamed).unwrap();
        let file = File::open(&path).unwrap();
        let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap();
        assert_eq!(hole, SIZE + 5000);
    }
}

/// One that takes minutes to write is not waited for.
#[test]
fn of_a_very_large_file_the_beginning_is_written_and_all_of_it_allocated() {
    let file = tempfile::tempfile().unwrap();
    let size = WRITTEN_MAX + (64 << 20);
    allocate(&file, size).unwrap();
    let found = file.metadata().unwrap();
    assert_eq!(found.len(), size);
    assert!(found.blocks() * 512 >= size);
    let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap();
    assert!((WRITTEN_MAX..=size).contains(&hole), "{hole}");
}

#[test]
fn a_page_that_cannot_be_read_is_written_whole_behind_what_counts() {
    let unreadable = &mut |at: u64, _: &mut [u8]| match at {
        20_000..24_576 => Err(Errno::IO.into()),
        _ => Ok(0),
    };
    let whole = to_whole_page(unreadable, 20_480 - 100, &[7; 200]).unwrap();
    assert_eq!((whole.len(), &whole[..200]), (100 + 4096, &[7; 200][..]));
    assert!(whole[200..].iter().all(|&byte| byte == 0));
    assert!(to_whole_page(unreadable, 30_000, &[7; 200]).is_none(), "it can be read: something else failed");
    assert!(to_whole_page(unreadable, 20_480, &[7; 4096]).is_none(), "it was whole already");
    assert!(to_whole_page(unreadable, u64::MAX, &[7; 2]).is_none());
}
