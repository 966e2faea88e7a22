//! Recordings of other machines beside one's own.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use super::{bad, good, run, sample};

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::copy(sample("systemd252-reboot"), home.path().join("ring.lrt")).expect("copied");
    home
}

#[test]
fn what_was_imported_is_listed_and_opened_beside_the_own_recordings() {
    let home = home();
    let file = sample("sysvinit-respawn");
    std::fs::copy(&file, home.path().join("their.lrt")).expect("copied");
    good(home.path(), &["report", file.to_str().expect("UTF-8"), "-o", "bug.tar.gz"]);
    let said = good(home.path(), &["import", "their.lrt", "bug.tar.gz"]);
    assert!(said.contains("imported their") && said.contains("`lastrites view bug`"), "{said}");
    // It is a copy.
    for name in ["their.lrt", "bug.tar.gz"] {
        std::fs::remove_file(home.path().join(name)).expect("removed");
    }
    let listed = good(home.path(), &["list"]);
    for part in
        ["systemd 252", "imported as bug; `lastrites view bug` opens it:", "imported as their;", "host-1"]
    {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    for name in ["their", "bug"] {
        assert!(good(home.path(), &["explain", name]).contains("mongod was restarted during the shutdown"));
        assert!(good(home.path(), &["show", name, "--name", "mongod"]).contains("SIGKILL"));
    }
    assert!(good(home.path(), &["explain"]).contains("systemd 252"), "the own one is the default");
    good(home.path(), &["diff", "their", "newest"]);
    let rows: Vec<serde_json::Value> = good(home.path(), &["list", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let names: Vec<Option<&str>> = rows.iter().map(|row| row["imported"].as_str()).collect();
    assert_eq!(names, [None, Some("bug"), Some("their")]);
    assert!(good(home.path(), &["import", "--remove", "bug"]).is_empty());
    assert!(!good(home.path(), &["list"]).contains("imported as bug"));
    assert!(bad(home.path(), &["explain", "bug"], 4).contains("check the name"));
}

#[test]
fn machines_that_are_called_the_same_are_told_apart_by_the_names_of_their_imports() {
    let home = home();
    for (name, report) in [("sysvinit-respawn", "ada.tar.gz"), ("runit-respawn", "bob.tar.gz")] {
        let file = sample(name);
        good(home.path(), &["report", file.to_str().expect("UTF-8"), "-o", report]);
        good(home.path(), &["import", report]);
    }
    let compared = good(home.path(), &["diff", "ada", "bob"]);
    assert!(compared.starts_with("A  ada: host-1 rebooted on "), "{compared}");
    assert!(compared.contains("\nB  bob: host-1 rebooted on "), "{compared}");
    let json = good(home.path(), &["diff", "ada", "bob", "--json"]);
    assert!(json.contains("\"imported\":\"ada\"") && json.contains("\"imported\":\"bob\""), "{json}");
    let own = good(home.path(), &["diff", "newest", "bob"]);
    assert!(own.starts_with("A  ") && !own.contains("bob: ") && own.contains(" · bob\n"), "{own}");
}

#[test]
fn a_file_comes_before_what_was_imported_under_its_name() {
    let home = home();
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    good(home.path(), &["import", "x.lrt"]);
    std::fs::copy(sample("systemd252-reboot"), home.path().join("x")).expect("copied");
    assert!(good(home.path(), &["list", "x"]).contains("systemd 252"));
}

#[test]
fn names_are_given_once_and_can_be_chosen() {
    let home = home();
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    good(home.path(), &["import", "x.lrt"]);
    assert!(bad(home.path(), &["import", "x.lrt"], 4).contains("--as"));
    good(home.path(), &["import", "--as", "y", "x.lrt"]);
    assert!(good(home.path(), &["list"]).contains("imported as y"));
    for name in ["newest", "3", "../x", "a b", ""] {
        assert!(bad(home.path(), &["import", "--as", name, "x.lrt"], 2).contains("a name has"), "{name}");
    }
    assert!(bad(home.path(), &["import", "--remove", "z"], 4).contains("nothing of this name"));
    assert!(bad(home.path(), &["import", "--remove", "../../x"], 4).contains("nothing of this name"));
    assert!(bad(home.path(), &["import"], 2).contains("name files"));
}

#[test]
fn what_cannot_be_opened_is_not_imported() {
    let home = home();
    std::fs::write(home.path().join("noise.lrt"), b"noise ".repeat(4000)).expect("written");
    std::fs::write(home.path().join("cut.tar.gz"), [0x1f, 0x8b, 8, 0]).expect("written");
    for (name, why) in [
        ("noise.lrt", "not a lastrites recording"),
        ("cut.tar.gz", "cut off"),
        ("none", "check the name"),
        (".", "regular"),
    ] {
        let said = bad(home.path(), &["import", name], 4);
        assert!(said.contains(why), "{name}: {said}");
    }
    assert!(!home.path().join("data").exists(), "nothing was made");
}

#[test]
fn one_that_was_damaged_since_does_not_hide_the_others() {
    let home = home();
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    good(home.path(), &["import", "x.lrt"]);
    good(home.path(), &["import", "--as", "y", "x.lrt"]);
    std::fs::write(home.path().join("data/lastrites/imported/x.lrt"), b"no").expect("written");
    let output = run(home.path(), &["list"]);
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out.contains("imported as y") && said.contains("x.lrt: not a lastrites recording"),
        "{out} {said}"
    );
}

#[test]
fn without_a_ring_what_was_imported_is_still_listed() {
    let home = home();
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    good(home.path(), &["import", "x.lrt"]);
    std::fs::remove_file(home.path().join("ring.lrt")).expect("removed");
    assert!(good(home.path(), &["list"]).contains("imported as x"));
}

#[test]
fn list_shows_imports_as_they_were_seen_until_they_are_others() {
    let home = home();
    let file = sample("sysvinit-respawn");
    good(home.path(), &["report", file.to_str().expect("UTF-8"), "-o", "bug.tar.gz"]);
    good(home.path(), &["import", "bug.tar.gz"]);
    let dir = home.path().join("data/lastrites/imported");
    let glance = dir.join(".bug.tar.gz.glance");
    let (table, lines) = (good(home.path(), &["list"]), good(home.path(), &["list", "--json"]));
    let text = std::fs::read_to_string(&glance).expect("it is kept");
    // Whatever it says is shown, so the file was not unpacked.
    std::fs::write(&glance, text.replace("host-1", "elsewhere")).expect("written");
    assert!(good(home.path(), &["list"]).contains("elsewhere"));
    // It is of another file: of none that is there.
    let moved = dir.join("moved");
    std::fs::copy(dir.join("bug.tar.gz"), &moved).expect("copied");
    std::fs::rename(&moved, dir.join("bug.tar.gz")).expect("renamed");
    assert_eq!(
        (good(home.path(), &["list"]), good(home.path(), &["list", "--json"])),
        (table.clone(), lines.clone())
    );
    let text = std::fs::read_to_string(&glance).expect("kept anew");
    assert!(!text.contains("elsewhere"));
    assert_eq!(
        (good(home.path(), &["list"]), good(home.path(), &["list", "--json"])),
        (table.clone(), lines)
    );
    for nonsense in ["", "{", "{\"version\":2}", &text.replace("\"gaps\":[]", "\"gaps\":[[0,0,0,99]]")] {
        std::fs::write(&glance, nonsense).expect("written");
        assert_eq!(good(home.path(), &["list"]), table);
    }
    good(home.path(), &["import", "--remove", "bug"]);
    assert_eq!(std::fs::read_dir(&dir).expect("readable").count(), 0, "nothing of it stays");
}

#[test]
fn what_is_too_large_for_a_copy_is_refused_and_nothing_is_made() {
    let home = home();
    let path = home.path().join("large.lrt");
    let large = std::fs::File::create(&path).expect("created");
    rustix::fs::fallocate(&large, rustix::fs::FallocateFlags::empty(), 0, (1 << 30) + (1 << 20))
        .expect("room");
    let said = bad(home.path(), &["import", "large.lrt"], 4);
    assert!(said.contains("more than 1 GiB") && said.contains("lastrites save"), "{said}");
    large.set_len(0).expect("cut");
    large.set_len(1 << 40).expect("a hole");
    assert!(bad(home.path(), &["import", "large.lrt"], 4).contains("more than 1 GiB"));
    assert!(!home.path().join("data").exists());
}

#[test]
fn holes_cost_nothing_and_stay_holes() {
    let home = home();
    let path = home.path().join("x.lrt");
    std::fs::copy(sample("power-cut"), &path).expect("copied");
    // Somebody made it longer; what is in it is there as before.
    let file = std::fs::File::options().write(true).open(&path).expect("there");
    file.set_len(60 << 30).expect("a hole");
    good(home.path(), &["import", "x.lrt"]);
    let copy = home.path().join("data/lastrites/imported/x.lrt");
    let meta = std::fs::metadata(&copy).expect("there");
    assert_eq!(meta.len(), 60 << 30);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&meta);
    assert!(blocks * 512 < 1 << 20, "{blocks}");
    let listed = good(home.path(), &["list"]);
    assert!(listed.contains("imported as x") && listed.contains("missing: "), "{listed}");
}

/// The command in a shell, where `$0` is it.
fn shell(home: &Path, script: &str) -> std::process::Output {
    let mut sh = Command::new("sh");
    sh.args(["-c", script, env!("CARGO_BIN_EXE_lastrites")]).current_dir(home);
    sh.env_remove("XDG_DATA_HOME").env_remove("LASTRITES_FILE").output().expect("sh runs")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Nobody else could read it, since `arm` closes the directory that it was in.
#[test]
fn what_is_imported_for_all_users_opens_for_all_users_on_an_armed_machine() {
    if !is_root() {
        return eprintln!("skipped: only root imports for all users");
    }
    let home = home();
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    std::fs::copy(env!("CARGO_BIN_EXE_lastrites"), home.path().join("lastrites")).expect("copied");
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).expect("opened");
    // In a /var/lib of its own, closed as `arm` leaves it, and by root's umask.
    let script = "exec unshare --mount sh -ec '
        mount -t tmpfs -o mode=755 tmpfs /var/lib
        mkdir -m 750 /var/lib/lastrites
        umask 077
        \"$0\" import --system --as shared x.lrt
        setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent ./lastrites explain shared
        setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent ./lastrites list
        chmod 700 /var/lib/lastrites-imported
        setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent ./lastrites explain shared 2>&1 || true
        \"$0\" import --system --remove shared
        ls -A /var/lib/lastrites-imported' \"$0\"";
    let output = shell(home.path(), script);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("imported shared") && said.contains("imported as shared"), "{said}");
    assert!(said.contains("db7 "), "{said}");
    let closed = "shared: there is no such file, and you may not see what was imported into /var/lib/lastrites-imported";
    assert!(said.contains(closed), "{said}");
    assert!(said.trim_end().ends_with("open that directory"), "nothing of it stays: {said}");
}

/// With HOME of a person (`sudo -E`, `su`), root made directories there that the person could not use, and followed links.
#[test]
fn root_keeps_nothing_in_somebody_elses_directory() {
    if !is_root() {
        return eprintln!("skipped: of others than root the system itself keeps that");
    }
    let home = home();
    let put = |name: &str| {
        let path = home.path().join(name);
        std::fs::create_dir_all(&path).expect("made");
        path
    };
    std::fs::copy(sample("power-cut"), home.path().join("x.lrt")).expect("copied");
    let (theirs, led, root) = (put("theirs"), put("led/.local/share/lastrites"), put("root"));
    let victim = put("victim");
    std::os::unix::fs::symlink(&victim, led.join("imported")).expect("made");
    for path in [&theirs, &home.path().join("led"), &led] {
        std::os::unix::fs::lchown(path, Some(4711), Some(4711)).expect("root may");
    }
    std::os::unix::fs::symlink(&theirs, root.join(".local")).expect("made");
    // What came through when only the ends of the way were looked at, and nobody's went for root's.
    let (nobody, open, grouped) = (put("nobody"), put("open"), put("grouped"));
    std::os::unix::fs::lchown(&nobody, Some(65534), Some(65534)).expect("root may");
    std::os::unix::fs::lchown(&grouped, Some(0), Some(4711)).expect("root may");
    for (dir, mode) in [(&open, 0o777), (&grouped, 0o770)] {
        std::fs::set_permissions(dir, Permissions::from_mode(mode)).expect("root may");
    }
    let (through, inner) = (put("through"), put("led/inner"));
    std::os::unix::fs::symlink(&inner, through.join(".local")).expect("made");
    let sticky = put("sticky/.local/share/lastrites/imported");
    std::fs::set_permissions(&sticky, Permissions::from_mode(0o1777)).expect("root may");
    let round = put("round");
    std::os::unix::fs::symlink("../theirs/../root2", round.join(".local")).expect("made");
    put("root2");
    for name in ["theirs", "led", "root", "nobody", "open", "grouped", "through", "sticky", "round"] {
        for what in ["x.lrt", "--remove x"] {
            let output = shell(home.path(), &format!("HOME=$PWD/{name} exec \"$0\" import {what}"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{said}");
            assert!(said.contains("it is not root's alone") && said.contains("--system"), "{said}");
        }
    }
    for dir in [&theirs, &victim, &nobody, &open, &grouped, &inner, &sticky] {
        assert_eq!(std::fs::read_dir(dir).expect("readable").count(), 0);
    }
    // Where only root's own links and directories lead, below one like /tmp, it may.
    let shared = put("shared");
    std::fs::set_permissions(&shared, Permissions::from_mode(0o1777)).expect("root may");
    std::os::unix::fs::symlink("../../root2", put("shared/own").join(".local")).expect("made");
    let output = shell(home.path(), "HOME=$PWD/shared/own exec \"$0\" import x.lrt");
    assert!(output.status.success(), "{output:?}");
    assert!(home.path().join("root2/share/lastrites/imported/x.lrt").is_file());
}
