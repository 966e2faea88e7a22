//! Man pages and completions are made of the command definitions, and the notices of the crates that are linked; those
//! in the repository are as new as these.
//!
//!     LASTRITES_BLESS=1 cargo test -p lastrites-tests --test generated
//!
//! writes them anew.

mod commands;
mod completions;
mod copyright;
mod man;
mod shells;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn viewer(dir: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../viewer").join(dir)
}

/// Compares the files of `dir` with what they should be, or makes them so.
fn check(dir: &str, wanted: &[(String, String)]) {
    let path = viewer(dir);
    if std::env::var_os("LASTRITES_BLESS").is_some() {
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("made");
        for (name, text) in wanted {
            fs::write(path.join(name), text).expect("written");
        }
        return;
    }
    let there: BTreeSet<String> = fs::read_dir(&path)
        .expect("they are in the repository")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    let names: BTreeSet<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(there, names, "viewer/{dir} (LASTRITES_BLESS=1 accepts)");
    for (name, text) in wanted {
        let is = fs::read_to_string(path.join(name)).expect("readable");
        assert!(
            is == *text,
            "viewer/{dir}/{name} is not made of the commands as they are (LASTRITES_BLESS=1 accepts)"
        );
    }
}

#[test]
fn man_pages_are_those_of_the_commands() {
    check("man", &man::pages());
}

#[test]
fn completions_are_those_of_the_commands() {
    check("completions", &completions::all());
}

#[test]
fn the_notices_are_those_of_the_crates_that_are_linked() {
    let (path, text) = (viewer("debian/copyright"), copyright::text());
    if std::env::var_os("LASTRITES_BLESS").is_some() {
        fs::write(&path, &text).expect("written");
        return;
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == text,
        "viewer/debian/copyright is not of the crates as they are (LASTRITES_BLESS=1 accepts):\n{text}"
    );
}

#[test]
fn every_command_has_its_page_with_every_option_of_either_program() {
    let pages = man::pages();
    let page = |name: &str| {
        let found = pages.iter().find(|(file, _)| file == name);
        found.map(|(_, text)| text.as_str()).unwrap_or_else(|| panic!("no {name}"))
    };
    let whole = commands::built();
    for sub in commands::visible(&whole) {
        let text = page(&format!("lastrites-{}.1", sub.get_name()));
        for option in commands::visible_options(sub) {
            // As roff writes it.
            let written = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(text.contains(&written), "{} --{option}: {text}", sub.get_name());
        }
        assert!(page("lastrites.1").contains(&format!("lastrites\\-{}(1)", sub.get_name())));
    }
    // Defined by the tracer alone.
    assert!(
        page("lastrites-arm.1").contains("\\-\\-always") && page("lastrites-arm.1").contains("\\-\\-size")
    );
    assert!(page("lastrites-record.1").contains("\\-\\-output"));
    assert!(page("lastrites-arm.1").contains("\\-\\-settle"));
    // For hooks and packages.
    assert!(!page("lastrites.1").contains("\\-seal"));
    assert!(!page("lastrites-arm.1").contains("color"), "nothing of it heeds that");
    assert!(
        page("lastrites-tracer.8").contains("\\fBseal\\fR")
            && !page("lastrites-tracer.8").contains("refresh")
    );
}

#[test]
fn no_page_troubles_groff() {
    for (name, _) in man::pages() {
        let output = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(viewer("man").join(&name))
            .output()
            .expect("groff runs: `tests/run` installs it (groff-base)");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    }
}
