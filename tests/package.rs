//! What is released: the Debian package and the archive, as `viewer/release` made them. How the package is
//! installed, upgraded and purged is a story of the lab (scenarios/package.toml).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use lastrites_tests::lab::package;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn built() -> PathBuf {
    package().unwrap_or_else(|e| panic!("{e}"))
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|e| panic!("{command:?}: {e}; `tests/run` installs what the tests need"))
}

fn good(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn names(dir: &str) -> BTreeSet<String> {
    let dir = root().join(dir);
    fs::read_dir(dir)
        .expect("there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect()
}

#[test]
fn lintian_has_nothing_against_the_package() {
    let output = run(Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"])
        .arg(built()));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_package_holds_both_programs_and_every_page() {
    let listing = good(Command::new("dpkg-deb").arg("-c").arg(built()));
    let files: BTreeSet<&str> = listing
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(|line| line.rsplit(" ./").next().expect("a path"))
        .collect();
    let mut wanted: BTreeSet<String> = [
        "usr/bin/lastrites",
        "usr/sbin/lastrites-tracer",
        "usr/share/bash-completion/completions/lastrites",
        "usr/share/zsh/vendor-completions/_lastrites",
        "usr/share/fish/vendor_completions.d/lastrites.fish",
        "usr/share/doc/lastrites/changelog.gz",
        "usr/share/doc/lastrites/changelog.Debian.gz",
        "usr/share/doc/lastrites/copyright",
        "usr/share/doc/lastrites/README.md",
        "usr/share/doc/lastrites/ARCHITECTURE.md",
        "usr/share/doc/lastrites/FORMAT.md",
        "usr/share/doc/lastrites/export.schema.json",
        "usr/share/lintian/overrides/lastrites",
    ]
    .map(str::to_owned)
    .into();
    for page in names("viewer/man") {
        let section = page.rsplit('.').next().expect("a section");
        wanted.insert(format!("usr/share/man/man{section}/{page}.gz"));
    }
    for page in names("viewer").iter().filter(|name| name.ends_with(".md")) {
        wanted.insert(format!("usr/share/doc/lastrites/{page}"));
    }
    for picture in names("viewer/screens") {
        wanted.insert(format!("usr/share/doc/lastrites/screens/{picture}"));
    }
    let missing: Vec<&String> = wanted.iter().filter(|name| !files.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the package: {listing}");
    // Units and hooks are made by `arm`, for the init that runs: nothing of a package takes part in a shutdown.
    let more: Vec<&&str> = files.iter().filter(|name| !wanted.contains(**name)).collect();
    assert!(more.is_empty(), "nobody knows {more:?}");
}

/// Where the documents of `dir` lead that is not there.
fn dead_links(dir: &Path) -> Vec<String> {
    let mut dead = Vec::new();
    let documents = fs::read_dir(dir).expect("there").map(|entry| entry.expect("readable").path());
    let mut count = 0;
    for document in documents.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for (start, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            for link in text.split(start).skip(1).filter_map(|rest| rest.split(end).next()) {
                let file = link.split('#').next().unwrap_or_default();
                count += 1;
                if !file.is_empty() && !file.starts_with("http") && !dir.join(file).is_file() {
                    dead.push(format!("{}: {link}", document.display()));
                }
            }
        }
    }
    assert!(count > 2, "{}: no links", dir.display());
    dead
}

/// They led to directories of the source, and to a schema that was in no package.
#[test]
fn links_of_documents_lead_to_what_is_released_with_them() {
    let dir = tempfile::tempdir().expect("a directory");
    good(Command::new("dpkg-deb").arg("-x").arg(built()).arg(dir.path()));
    let (archive, inside) = unpacked();
    let packed = dir.path().join("usr/share/doc/lastrites");
    let dead: Vec<String> =
        [&packed, &inside, &inside.join("doc")].into_iter().flat_map(|dir| dead_links(dir)).collect();
    assert!(dead.is_empty(), "{dead:#?}");
    drop(archive);
}

/// Debian 12 has glibc 2.36; what needs a later one was built in the wrong place.
/// A damaged armed file made the package impossible to remove.
#[test]
fn a_machine_that_cannot_be_disarmed_can_do_without_the_package() {
    let dir = tempfile::tempdir().expect("a directory");
    let armed = dir.path().join("armed");
    fs::write(&armed, "").expect("written");
    let script = fs::read_to_string(root().join("viewer/debian/prerm")).expect("there");
    for (tracer, warns) in [("false", true), ("true", false)] {
        let script = script.replace("/etc/lastrites/armed", &armed.display().to_string());
        let script = script.replace("/usr/sbin/lastrites-tracer disarm ", &format!("{tracer} "));
        let output = run(Command::new("sh").args(["-c", &script, "prerm", "remove"]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("still armed") == warns, "{tracer}: {output:?}");
    }
}

#[test]
fn the_package_installs_on_debian_12() {
    let depends = good(Command::new("dpkg-deb").arg("-f").arg(built()).arg("Depends"));
    let libc =
        depends.split(',').find_map(|one| one.trim().strip_prefix("libc6 (>= ")).expect("it needs a libc");
    let needed = libc.trim().trim_end_matches(')');
    assert!(
        run(Command::new("dpkg").args(["--compare-versions", needed, "le", "2.36"])).status.success(),
        "it needs libc6 {needed}"
    );
}

#[test]
fn the_packages_changelog_is_of_this_version() {
    let version = good(Command::new("dpkg-deb").arg("-f").arg(built()).arg("Version"));
    let changelog = fs::read_to_string(root().join("viewer/debian/changelog")).expect("readable");
    assert!(changelog.starts_with(&format!("lastrites ({}) ", version.trim())), "{version}: {changelog}");
}

/// The archive, and the directory in it.
fn unpacked() -> (tempfile::TempDir, PathBuf) {
    let name = format!("lastrites-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    let target = built().ancestors().nth(2).expect("the target directory").to_owned();
    let archive = target.join("release-archive").join(format!("{name}.tar.gz"));
    let dir = tempfile::tempdir().expect("a directory");
    good(Command::new("tar").arg("-C").arg(dir.path()).arg("-xzf").arg(&archive));
    let inside = dir.path().join(&name);
    (dir, inside)
}

#[test]
fn the_archive_holds_programs_that_run() {
    let (_dir, inside) = unpacked();
    for program in ["lastrites", "lastrites-tracer"] {
        let said = good(Command::new(inside.join(program)).arg("--version"));
        assert_eq!(said.trim(), format!("{program} {}", env!("CARGO_PKG_VERSION")));
    }
    let there: BTreeSet<String> = fs::read_dir(&inside)
        .expect("there")
        .map(|e| e.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    let wanted = [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "completions",
        "doc",
        "lastrites",
        "lastrites-tracer",
        "man",
    ];
    assert_eq!(there, wanted.map(str::to_owned).into());
    assert_eq!(fs::read_dir(inside.join("man")).expect("there").count(), names("viewer/man").len());
    assert_eq!(
        fs::read_dir(inside.join("completions")).expect("there").count(),
        names("viewer/completions").len()
    );
}
