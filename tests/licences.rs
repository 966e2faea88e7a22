//! What we link may be linked: the licences of deny.toml, checked offline against what cargo knows of
//! every crate in the lock file. (`cargo deny check` says more, where it is installed.)

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let deny: toml::Table = text.parse().expect("TOML");
    let allow = deny["licenses"]["allow"].as_array().expect("a list").clone();
    allow.iter().map(|licence| licence.as_str().expect("text").to_owned()).collect()
}

/// Whether an SPDX expression can be satisfied: of alternatives one, of conjunctions all.
fn allows(allowed: &BTreeSet<String>, expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").any(|all| all.split(" AND ").all(|one| allowed.contains(one.trim())))
}

#[test]
fn every_crate_that_is_built_has_a_licence_that_is_allowed() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|n| n["id"].as_str())
        .collect();
    let allowed = allowed();
    let mut refused = Vec::new();
    let mut looked = 0;
    for package in metadata["packages"].as_array().expect("a list") {
        if !package["id"].as_str().is_some_and(|id| used.contains(id)) {
            continue;
        }
        looked += 1;
        let licence = package["license"].as_str().unwrap_or("none");
        if !allows(&allowed, licence) {
            refused.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    assert!(looked > 50, "cargo named only {looked} crates");
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed: BTreeSet<String> = ["MIT", "Unicode-3.0"].map(str::to_owned).into();
    for good in ["MIT", "GPL-2.0 OR MIT", "Apache-2.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(allows(&allowed, good), "{good}");
    }
    for bad in ["none", "GPL-3.0", "MIT AND GPL-3.0"] {
        assert!(!allows(&allowed, bad), "{bad}");
    }
}
