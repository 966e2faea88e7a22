//! The demonstration, staged and recorded for real: wants root, and a kernel that takes the probe.

use std::process::{Command, Stdio};

use super::samples::good;

#[test]
fn it_is_staged_recorded_explained_and_leaves_nothing_but_its_recording() {
    let tmp = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .arg("demo")
        // The recorder is beside it: nothing has to be built.
        .env_remove("CARGO")
        .env("TMPDIR", tmp.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}{said}");
    let text = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "miniature rebooted",
        "asked for by `reboot` (root)",
        "lockd was restarted during the shutdown, then killed",
        "init started lockd again",
        "Next boot: lockd",
        "exited 100",
        "take 6 out of inittab entry lock's runlevels (23456)",
        ", 0 lost",
    ] {
        assert!(text.contains(part), "{part}: {told}{said}");
    }
    let left: Vec<_> =
        tmp.path().read_dir().expect("there").map(|entry| entry.expect("readable").path()).collect();
    let [recording] = left.as_slice() else { panic!("{left:?}") };
    assert!(said.contains(&recording.display().to_string()), "{said}");
    // What it invites to is what stays, so that who comes late sees it all.
    let invitation = format!("view --live --recording 1 {}", recording.display());
    assert!(said.contains(&invitation), "{invitation}: {said}");
    let events =
        good(&["show", "--recording", "1", "--signal", "KILL", "--kind", "signal", "--no-head"], recording);
    assert!(events.contains("lockd"), "{events}");
}
