//! What is released: the Debian package and the archive, as `viewer/release` made them, and the package as plain `cargo deb`
//! makes it. How it is installed, upgraded and purged is a story of the lab (scenarios/package.toml).

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use lastrites_tests::lab::{package, program};

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

fn accepted_by_lintian(package: &Path) {
    let output = run(Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"])
        .arg(package));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Paths and modes of the files in it.
fn files(package: &Path) -> BTreeSet<(String, String)> {
    let listing = good(Command::new("dpkg-deb").arg("-c").arg(package));
    let files = listing.lines().filter(|line| !line.starts_with('d'));
    files
        .map(|line| {
            let (rest, path) = line.rsplit_once(" ./").expect("a path");
            (path.to_owned(), rest.split(' ').next().expect("a mode").to_owned())
        })
        .collect()
}

#[test]
fn lintian_has_nothing_against_the_package() {
    accepted_by_lintian(&built());
}

/// Documents had to be prepared by `viewer/release`: without them there was no package.
#[test]
fn plain_cargo_deb_makes_the_same_package_of_a_fresh_clone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (clone, target, bin) = (dir.path().join("clone"), dir.path().join("target"), dir.path().join("bin"));
    [&clone, &target.join("release"), &bin]
        .into_iter()
        .for_each(|dir| fs::create_dir_all(dir).expect("made"));
    // What is tracked, as it is here.
    let tracked = good(Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]));
    for name in tracked.split_terminator('\0') {
        let from = root().join(name);
        if from.is_file() {
            fs::create_dir_all(clone.join(name).parent().expect("below it")).expect("made");
            fs::copy(from, clone.join(name)).expect("copied");
        }
    }
    // To build it all again would take minutes: what cargo is asked to build is noted, and put there.
    let (asked, cargo) = (dir.path().join("asked"), bin.join("cargo"));
    let path = env::var_os("PATH").expect("set");
    let mut script = "#!/bin/sh\nset -e\n".to_owned();
    script.push_str(&format!("if [ \"$1\" = build ]; then\n  echo \"$@\" >>'{}'\n", asked.display()));
    for name in ["lastrites", "lastrites-tracer"] {
        let built = program(name).unwrap_or_else(|e| panic!("{e}"));
        let built = built.canonicalize().expect("there");
        script.push_str(&format!("  cp '{}' '{}'\n", built.display(), target.join("release").display()));
    }
    script.push_str(&format!("  exit\nfi\nPATH='{}'\nexec cargo \"$@\"\n", path.to_string_lossy()));
    fs::write(&cargo, script).expect("written");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("executable");
    let shim_first = env::join_paths([bin].into_iter().chain(env::split_paths(&path))).expect("a PATH");

    let said = good(
        Command::new("cargo-deb")
            .arg("deb")
            .current_dir(&clone)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_NET_OFFLINE", "true")
            .env("PATH", shim_first),
    );
    let asked = fs::read_to_string(asked).expect("it builds what it packs");
    for word in ["--release", "--workspace", "--bin=lastrites", "--bin=lastrites-tracer"] {
        assert!(asked.split_whitespace().any(|is| is == word), "no {word} in {asked}");
    }
    let package = PathBuf::from(said.lines().last().expect("it says where").trim());
    assert!(package.starts_with(&target), "{said}");
    accepted_by_lintian(&package);
    assert_eq!(files(&package), files(&built()));
    let field = |package: &Path, name| good(Command::new("dpkg-deb").arg("-f").arg(package).arg(name));
    for name in ["Package", "Version", "Depends", "Description"] {
        assert_eq!(field(&package, name), field(&built(), name));
    }
}

#[test]
fn the_package_holds_both_programs_and_every_page() {
    let listing = files(&built());
    let files: BTreeSet<&str> = listing.iter().map(|(path, _)| path.as_str()).collect();
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
        "usr/share/doc/lastrites/traces/FORMAT.md",
        "usr/share/doc/lastrites/viewer/export.schema.json",
        "usr/share/lintian/overrides/lastrites",
    ]
    .map(str::to_owned)
    .into();
    for page in names("viewer/man") {
        let section = page.rsplit('.').next().expect("a section");
        wanted.insert(format!("usr/share/man/man{section}/{page}.gz"));
    }
    for page in names("viewer").iter().filter(|name| name.ends_with(".md")) {
        wanted.insert(format!("usr/share/doc/lastrites/viewer/{page}"));
    }
    for picture in names("viewer/screens") {
        wanted.insert(format!("usr/share/doc/lastrites/viewer/screens/{picture}"));
    }
    let missing: Vec<&String> = wanted.iter().filter(|name| !files.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the package: {files:?}");
    // Units and hooks are made by `arm`, for the init that runs: nothing of a package takes part in a shutdown.
    let more: Vec<&&str> = files.iter().filter(|name| !wanted.contains(**name)).collect();
    assert!(more.is_empty(), "nobody knows {more:?}");
}

/// The links of `dir`'s documents to files, and whether these are there.
fn links(dir: &Path) -> Vec<(String, bool)> {
    let mut links = Vec::new();
    let documents = fs::read_dir(dir).expect("there").map(|entry| entry.expect("readable").path());
    for document in documents.filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = fs::read_to_string(&document).expect("UTF-8");
        for (start, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            for link in text.split(start).skip(1).filter_map(|rest| rest.split(end).next()) {
                let file = link.split('#').next().unwrap_or_default();
                if !file.is_empty() && !file.starts_with("http") {
                    links.push((format!("{}: {link}", document.display()), dir.join(file).is_file()));
                }
            }
        }
    }
    links
}

/// They led to directories of the source, and to a schema that was in no package.
#[test]
fn links_of_documents_lead_to_what_is_released_with_them() {
    let dir = tempfile::tempdir().expect("a directory");
    good(Command::new("dpkg-deb").arg("-x").arg(built()).arg(dir.path()));
    let (archive, inside) = unpacked();
    let packed = dir.path().join("usr/share/doc/lastrites");
    let places = [packed, inside.join("doc")];
    let all = places.iter().flat_map(|dir| [dir.clone(), dir.join("viewer"), dir.join("traces")]);
    let links: Vec<(String, bool)> = all.chain([inside]).flat_map(|dir| links(&dir)).collect();
    let dead: Vec<&str> = links.iter().filter(|(_, lives)| !lives).map(|(link, _)| link.as_str()).collect();
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(links.len() > 30, "{links:#?}");
    drop(archive);
}

/// A damaged armed file made the package impossible to remove; then the copy was named where it was not.
#[test]
fn a_machine_that_cannot_be_disarmed_can_do_without_the_package() {
    let dir = tempfile::tempdir().expect("a directory");
    let armed = dir.path().join("armed");
    let prerm = fs::read_to_string(root().join("viewer/debian/prerm")).expect("there");
    let said = |list: &str, tracer: &str| {
        fs::write(&armed, list).expect("written");
        let at = |place: &str| dir.path().join(place).display().to_string();
        let script = prerm.replace("/etc/lastrites/armed", &armed.display().to_string());
        let script = script.replace("/run/lastrites/armed", &at("none"));
        let script = script.replace("/usr/sbin/lastrites-tracer disarm ", &format!("{tracer} "));
        let script = script.replace(" /var/lib/lastrites/", &format!(" {}/", at("var")));
        let script = script.replace(" /.lastrites/", &format!(" {}/", at("root")));
        let output = run(Command::new("sh").args(["-c", &script, "prerm", "remove"]));
        assert!(output.status.success(), "{tracer}: {output:?}");
        String::from_utf8(output.stderr).expect("UTF-8").replace(&at(""), "")
    };
    assert_eq!(said("", "true"), "");
    let lost = said("", "false");
    assert!(lost.contains("still armed") && lost.contains("install the package again"), "{lost}");
    // It said so of a machine that was disarmed, when something else had failed behind that.
    assert_eq!(said("", &format!("{{ rm {}; false; }}", armed.display())), "");
    for copy in ["root", "var", "mnt/disk"] {
        let beside = dir.path().join(copy);
        fs::create_dir_all(&beside).expect("made");
        fs::write(beside.join("lastrites-tracer"), "").expect("written");
        fs::set_permissions(beside.join("lastrites-tracer"), fs::Permissions::from_mode(0o755)).expect("set");
        let list = format!("mode=once\nbinary={}/lastrites-tracer\n", beside.display());
        let list = if copy == "mnt/disk" { list } else { "nonsense".into() };
        let words = said(&list, "false");
        assert!(words.contains(&format!("`{copy}/lastrites-tracer disarm` disarms it")), "{words}");
    }
}

/// Debian 12 has glibc 2.36; what needs a later one was built in the wrong place.
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
