//! Recordings of real guests, run through every command. Their facts were witnessed in the lab.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn samples() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/samples");
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("samples").map(|entry| entry.expect("readable").path()).collect();
    all.sort();
    assert!(all.len() >= 4, "{all:?}");
    all
}

pub fn sample(name: &str) -> PathBuf {
    samples().into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).expect("a sample")
}

pub fn run(args: &[&str], file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastrites"));
    command
        .args(args)
        .arg("--file")
        .arg(file)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command.output().expect("the binary runs")
}

pub fn good(args: &[&str], file: &Path) -> String {
    let output = run(args, file);
    assert_eq!(output.status.code(), Some(0), "{args:?} {file:?}: {output:?}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[test]
fn every_command_takes_every_sample() {
    let dir = tempfile::tempdir().expect("a directory");
    for (at, file) in samples().iter().enumerate() {
        let list = good(&["list"], file);
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        let row: serde_json::Value = serde_json::from_str(&good(&["list", "--json"], file)).expect("JSON");
        assert_eq!((row["hostname"].as_str(), row["lost"].as_u64()), (Some("db7"), Some(0)), "{row}");
        let shown = good(&["show"], file);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
        let events = good(&["show", "--json"], file);
        let objects: Vec<serde_json::Value> =
            events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(row["events"].as_u64(), Some(objects.len() as u64 - 1), "the first is the recording");
        let copy = dir.path().join(format!("{at}.lrt"));
        let copy_name = copy.to_str().expect("UTF-8");
        good(&["save", copy_name], file);
        assert_eq!(good(&["show"], &copy), shown, "a copy says the same");
    }
}

#[test]
fn the_founding_story_can_be_read_from_its_recording() {
    let file = sample("sysvinit-respawn");
    let who = ["show", "--name", "mongod", "--no-head"];
    let signals = good(&[&who[..], &["--kind", "signal", "--signal", "TERM,KILL"]].concat(), &file);
    let mut lines = signals.lines();
    assert!(lines.next().is_some_and(|line| line.contains("killall5         SIGTERM ->")), "{signals}");
    assert!(lines.next().is_some_and(|line| line.contains("killall5         SIGKILL ->")), "{signals}");
    let exits = good(&[&who[..], &["--kind", "exit"]].concat(), &file);
    let mut exits_of = exits.lines().filter(|line| line.contains(" mongod "));
    assert!(exits_of.next().is_some_and(|line| line.contains("exit 0")), "{exits}");
    assert!(exits_of.next().is_some_and(|line| line.contains("killed by SIGKILL")), "{exits}");
    assert!(good(&["list"], &file).contains("asked:   reboot (root)"));
}

#[test]
fn what_explain_counts_from_is_where_show_says_that_somebody_asked() {
    let file = sample("sysvinit-respawn");
    let explained: serde_json::Value =
        serde_json::from_str(&good(&["explain", "--json"], &file)).expect("JSON");
    let begin = explained["shutdown"]["begin"]["event"].as_u64().expect("a beginning");
    let shown = good(&["show"], &file);
    let head = shown.lines().find_map(|line| line.strip_prefix("# asked for at ")).expect("somebody asked");
    assert!(head.ends_with(&format!(" by: reboot (root), event #{begin}")), "{head}");
    let at = head.split(' ').next().expect("a time");
    let from = good(&["show", "--no-head", "--from", "asked"], &file);
    let first = from.lines().next().expect("events");
    assert!(first.contains(at) && first.contains(&format!(" #{begin} ")), "{first}");
    let before = good(&["show", "--no-head", "--from", "asked-1", "--to", "asked"], &file);
    assert_eq!(before.lines().last(), Some(first), "{before}");
}

#[test]
fn the_supervisor_and_its_child_were_killed_by_one_spree() {
    let file = sample("runit-respawn");
    for name in ["runsvdir", "mongod"] {
        let kills =
            good(&["show", "--name", name, "--signal", "KILL", "--kind", "signal", "--no-head"], &file);
        assert!(kills.contains(&format!(" {name}: delivered")) && kills.contains("killall5"), "{kills}");
    }
}

#[test]
fn a_power_cut_behind_the_recorders_own_end_is_not_made_up() {
    let file = sample("power-cut");
    let unseen = "ended without a seal: the recorder was told to stop, and what came then was not seen";
    for command in ["list", "explain"] {
        let out = good(&[command], &file);
        let words: Vec<&str> = out.split_whitespace().collect();
        assert!(words.join(" ").contains(unseen), "{out}");
        assert!(!out.contains("never ended"), "{out}");
    }
}

/// The story: a machine with two hooks has two seals. A copy that was cut between them was called sealed at its last hook.
#[test]
fn a_file_that_was_cut_is_not_sealed() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = std::fs::read(sample("sysvinit-respawn")).expect("the sample");
    for len in [28_000, whole.len() - 1, 20_000] {
        let cut = dir.path().join(format!("{len}.lrt"));
        std::fs::write(&cut, &whole[..len]).expect("written");
        let row: serde_json::Value = serde_json::from_str(&good(&["list", "--json"], &cut)).expect("JSON");
        assert_eq!(row["end"], "damaged", "{len}: {row}");
        for command in ["list", "show", "explain"] {
            let out = good(&[command], &cut);
            assert!(!out.contains("sealed"), "{command} {len}: {}", out.lines().take(9).collect::<String>());
        }
    }
}

#[test]
fn the_demonstration_tells_the_bundled_story_where_it_cannot_record() {
    let tmp = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .args(["demo", "--bundled"])
        .env("TMPDIR", tmp.path())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    leaves_its_recording(&String::from_utf8(output.stderr).expect("UTF-8"), tmp.path());
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "mongod was restarted during the shutdown, then killed",
        "init started mongod again",
        "To change: take 6 out of the runlevels of mongod's entry in inittab",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// It is there, and three commands are named to look at it.
fn leaves_its_recording(said: &str, tmp: &Path) {
    let left: Vec<PathBuf> =
        tmp.read_dir().expect("there").map(|entry| entry.expect("readable").path()).collect();
    let [recording] = left.as_slice() else { panic!("{left:?}") };
    assert!(good(&["show"], recording).contains("mongod"));
    let name = recording.display().to_string();
    for words in ["view", "show --recording 1", "report"] {
        let line = format!("lastrites {words} {name}  # ");
        assert!(said.contains(&line), "{line}: {said}");
    }
    // Each demonstration leaves one more.
    assert!(said.contains(&format!("  rm {name}  # nothing else of it stays")), "{said}");
}

/// The story: without root it proposed `sudo -E cargo run`, and sudo knows no cargo that is below somebody's home.
#[test]
fn who_is_not_root_is_told_a_command_that_works_and_keeps_the_recording_too() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    let dir = tempfile::tempdir().expect("a directory");
    let open =
        |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("set");
    let (exe, tmp) = (dir.path().join("lastrites"), dir.path().join("tmp"));
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_lastrites")).arg(&exe).status();
    assert!(copied.expect("cp runs").success());
    std::fs::create_dir(&tmp).expect("made");
    open(dir.path());
    open(&tmp);
    let mut command = Command::new(&exe);
    command.arg("demo").env_remove("CARGO").env("TMPDIR", &tmp).current_dir("/usr").stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("to record here: sudo {} demo", exe.display())), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("mongod was restarted"), "{said}");
    leaves_its_recording(&said, &tmp);
}
