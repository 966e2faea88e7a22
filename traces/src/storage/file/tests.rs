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
