//! What arming makes under any init, and how it is known as ours.
//!
//! Invariant: nothing else is ever removed, whatever an armed file says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Item, Layout, below, known};
use crate::{kernel, place, state::Made};

/// What each file begins with that is installed, behind its interpreter and header: by that it is known as ours.
pub const MARK: &str = "# Installed by `lastrites arm`; `lastrites disarm` removes it.";

/// Whether the file `at` is one that arming has installed.
pub(super) fn is_ours(at: &Path) -> bool {
    fs::read_to_string(at).unwrap_or_default().lines().any(|line| line == MARK)
}

/// Whether arming makes `made` on any machine, under any init, of this version: nothing else that an
/// armed file lists is removed. What a version once made stays known here.
pub fn could_have_made(made: &Made) -> bool {
    let mut items = Vec::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in place::DIRS.map(Path::new) {
        let binary = dir.join(place::BINARY_NAME);
        for on_root in [true, false] {
            let layout = Layout { binary: &binary, dir, on_root };
            items.extend(known().iter().flat_map(|init| init.could_plan(&layout)));
        }
        files.push(binary);
    }
    let mut links: Vec<PathBuf> = Vec::new();
    let mut scripts = Vec::new();
    for item in items {
        match item {
            Item::File { path, .. } => files.push(path),
            Item::Link { path, .. } => links.push(path),
            Item::Script(name) => scripts.push(name),
        }
    }
    // By their letters: a path that leads elsewhere on the way is another one.
    let is = |path: &Path, known: &Path| path.as_os_str() == known.as_os_str();
    match made {
        Made::File(path) => files.iter().any(|known| is(path, known)),
        Made::Link(path) => links.iter().any(|known| is(path, known)),
        Made::Dir(path) => {
            files.iter().chain(&links).any(|known| known.ancestors().skip(1).any(|dir| is(path, dir)))
        }
        Made::Script(name) => scripts.contains(name),
        Made::Mount(path) => is(path, Path::new(kernel::BPFFS)),
    }
}

/// What of all that arming makes, under any init, is there below `root` and is ours by its own words: for who disarms and finds
/// no armed file. Directories stay.
pub fn strays(root: &Path) -> Vec<Made> {
    let mut strays = Vec::new();
    for dir in place::DIRS.map(Path::new) {
        let binary = dir.join(place::BINARY_NAME);
        let layouts = [true, false].map(|on_root| Layout { binary: &binary, dir, on_root });
        let items = layouts.iter().flat_map(|layout| known().map(|init| init.could_plan(layout))).flatten();
        let mut found = vec![Made::File(binary.clone())];
        found.retain(|_| below(root, &binary).is_file());
        for item in items {
            found.extend(match item {
                Item::File { path, .. } => is_ours(&below(root, &path)).then_some(Made::File(path)),
                Item::Link { path, target } => {
                    let to = fs::read_link(below(root, &path));
                    to.is_ok_and(|to| to == target).then_some(Made::Link(path))
                }
                Item::Script(name) => {
                    let ours = found.iter().any(|made| made.name().ends_with(&name));
                    let gone = !root.join("etc/init.d").join(&name).exists();
                    (ours || gone && is_registered(root, &name)).then_some(Made::Script(name))
                }
            });
        }
        for made in found {
            if !strays.contains(&made) {
                strays.push(made);
            }
        }
    }
    strays
}

/// Whether rc has links to the init script `name`.
fn is_registered(root: &Path, name: &str) -> bool {
    let levels = ["0", "1", "2", "3", "4", "5", "6", "S"];
    let dirs = levels.iter().filter_map(|level| fs::read_dir(root.join(format!("etc/rc{level}.d"))).ok());
    dirs.flatten().flatten().any(|entry| {
        let entry = entry.file_name().into_string().unwrap_or_default();
        // `S01name`, `K01name`.
        entry.get(3..) == Some(name)
    })
}
