//! What we link may be linked: the licences of deny.toml, checked offline against what cargo knows of
//! every crate that it builds. (`cargo deny check` says more, where it is installed.)

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::Path;
use std::process::Command;
use std::str::SplitWhitespace;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let deny: toml::Table = text.parse().expect("TOML");
    let allow = deny["licenses"]["allow"].as_array().expect("a list").clone();
    allow.iter().map(|licence| licence.as_str().expect("text").to_owned()).collect()
}

/// Whether an SPDX expression can be satisfied: of alternatives one, of conjunctions all, where AND binds closer than OR
/// and brackets closer than both. What is no such expression allows nothing.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    alternatives(allowed, &mut words) == Some(true) && words.next().is_none()
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

fn alternatives(allowed: &BTreeSet<String>, words: &mut Words<'_>) -> Option<bool> {
    let mut any = conjunction(allowed, words)?;
    while words.next_if_eq(&"OR").is_some() {
        any |= conjunction(allowed, words)?;
    }
    Some(any)
}

fn conjunction(allowed: &BTreeSet<String>, words: &mut Words<'_>) -> Option<bool> {
    let mut all = licence(allowed, words)?;
    while words.next_if_eq(&"AND").is_some() {
        all &= licence(allowed, words)?;
    }
    Some(all)
}

fn licence(allowed: &BTreeSet<String>, words: &mut Words<'_>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let inner = alternatives(allowed, words)?;
            words.next_if_eq(&")").map(|_| inner)
        }
        ")" | "AND" | "OR" | "WITH" => None,
        name => Some(match words.next_if_eq(&"WITH") {
            Some(_) => allowed.contains(&format!("{name} WITH {}", words.next()?)),
            None => allowed.contains(name),
        }),
    }
}

#[test]
fn every_crate_that_is_built_has_a_licence_that_is_allowed() {
    // The lock file names crates of other targets as well, which nobody gets.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--target", "x86_64-unknown-linux-gnu"])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = String::from_utf8(output.stdout).expect("UTF-8");
    let allowed = allowed();
    let mut looked = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for (package, licence) in built.lines().filter_map(|line| line.split_once('\t')) {
        looked.insert(package);
        if !allows(&allowed, licence) {
            refused.insert(format!("{package}: {licence}"));
        }
    }
    assert!(looked.len() > 50, "cargo named only {looked:?}");
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let with = "Apache-2.0 WITH LLVM-exception";
    let allowed: BTreeSet<String> = ["MIT", "Unicode-3.0", with].map(str::to_owned).into();
    for good in [
        "MIT",
        "GPL-2.0 OR MIT",
        "Apache-2.0/MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "MIT AND (GPL-3.0 OR (Unicode-3.0))",
        "GPL-3.0 AND MIT OR MIT",
        with,
    ] {
        assert!(allows(&allowed, good), "{good}");
    }
    for bad in [
        "none",
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0) AND GPL-3.0-only",
        "GPL-3.0-only AND (Apache-2.0 OR MIT)",
        "MIT WITH LLVM-exception",
        "(MIT",
        "MIT)",
        "MIT OR",
        "MIT MIT",
    ] {
        assert!(!allows(&allowed, bad), "{bad}");
    }
}
