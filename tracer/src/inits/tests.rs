//! What the tests of all inits need, and what is true of each of them.

use super::{
    files::{make_link, write_file},
    *,
};
use crate::{own, state::Made};

/// Notes what would have been run.
#[derive(Debug, Default)]
pub struct Noted(pub Vec<String>);

impl Run for Noted {
    fn run(&mut self, command: &[&str]) -> Result<(), Error> {
        self.0.push(command.join(" "));
        Ok(())
    }

    fn ask(&mut self, command: &[&str]) -> String {
        self.0.push(command.join(" "));
        String::new()
    }
}

pub fn layout() -> Layout<'static> {
    Layout {
        binary: Path::new("/var/lib/lastrites/lastrites-tracer"),
        dir: Path::new("/var/lib/lastrites"),
        on_root: true,
    }
}

/// Every path below `root`, with its mode or target and its contents.
pub fn tree(root: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut out = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("readable").flatten() {
            let path = entry.path();
            let meta = fs::symlink_metadata(&path).expect("there");
            let name = path.strip_prefix(root).expect("below").display().to_string();
            if meta.is_dir() {
                out.push(format!("{name}/"));
                dirs.push(path);
            } else if meta.is_symlink() {
                out.push(format!("{name} -> {}", fs::read_link(&path).expect("a link").display()));
            } else {
                let text = fs::read_to_string(&path).expect("text");
                out.push(format!("{name} {:o} {text}", meta.permissions().mode() & 0o7777));
            }
        }
    }
    out.sort();
    out
}

/// Installs and removes, and checks that nothing is left of it, also when done twice over.
pub fn leaves_no_trace(init: &dyn Init, root: &Path) -> Vec<String> {
    let before = tree(root);
    let items = init.plan(root, &layout());
    let made = listing(root, &items);
    let mut run = Noted::default();
    install(root, &items, &mut run).expect("installed");
    let after = tree(root);
    install(root, &items, &mut run).expect("installed again");
    assert_eq!(tree(root), after, "installing twice is installing once");
    remove(root, &made, &mut run).expect("removed");
    assert_eq!(tree(root), before);
    remove(root, &made, &mut run).expect("removed again");
    assert!(made.iter().all(could_have_made), "all of it may be removed: {made:?}");
    // A half-finished installation, cut after any item or in the middle of the next one's file, goes
    // away as completely.
    for cut in 0..=items.len() {
        install(root, &items[..cut], &mut run).expect("installed in part");
        if let Some(Item::File { path, .. }) = items.get(cut) {
            let at = below(root, path);
            own::make_dirs(at.parent().expect("not the root")).expect("made");
            fs::write(at.with_file_name(own::TEMPORARY), "half").expect("written");
        }
        remove(root, &made, &mut run).expect("removed");
        assert_eq!(tree(root), before);
    }
    after.into_iter().filter(|entry| !before.contains(entry)).collect()
}

/// Hooks that no armed file listed any more stayed for good: `disarm` said that it was not armed.
#[test]
fn what_no_armed_file_lists_is_found_and_only_what_is_ours() {
    for init in known() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("etc/init.d")).expect("made");
        assert_eq!(strays(root.path()), []);
        let items = init.plan(root.path(), &layout());
        let mut run = Noted::default();
        install(root.path(), &items, &mut run).expect("installed");
        let found = strays(root.path());
        assert_eq!(found.len(), items.len(), "{}: {found:?}", init.name());
        assert!(found.iter().all(could_have_made), "{found:?}");
        remove(root.path(), &found, &mut run).expect("removed");
        assert_eq!(strays(root.path()), []);
        // The same names, by somebody else.
        for item in &items {
            match item {
                Item::File { path, .. } => {
                    write_file(&below(root.path(), path), 0o755, "#!/bin/sh\n").expect("written");
                }
                Item::Link { path, .. } => {
                    make_link(&below(root.path(), path), Path::new("/theirs")).expect("linked");
                }
                Item::Script(_) => {}
            }
        }
        assert_eq!(strays(root.path()), [], "{}", init.name());
    }
    let root = tempfile::tempdir().expect("a directory");
    for path in
        ["var/lib/lastrites/lastrites-tracer", "etc/rc6.d/K01lastrites-seal", "etc/rcS.d/S01lastrites2"]
    {
        write_file(&root.path().join(path), 0o700, "").expect("written");
    }
    assert_eq!(
        strays(root.path()),
        [Made::File("/var/lib/lastrites/lastrites-tracer".into()), Made::Script("lastrites-seal".into())]
    );
}

#[test]
fn a_directory_that_others_came_to_use_is_left() {
    let root = tempfile::tempdir().expect("a directory");
    let items = [Item::File { path: "/a/b/c".into(), mode: 0o644, text: "x".into() }];
    let made = listing(root.path(), &items);
    assert_eq!(made, [Made::Dir("/a".into()), Made::Dir("/a/b".into()), Made::File("/a/b/c".into())]);
    install(root.path(), &items, &mut Noted::default()).expect("installed");
    fs::write(root.path().join("a/theirs"), "").expect("written");
    remove(root.path(), &made, &mut Noted::default()).expect("removed");
    assert_eq!(tree(root.path()), ["a/", "a/theirs 644 "]);
}

#[test]
fn a_package_version_is_read_without_epoch_and_revision() {
    let root = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("made");
    fs::write(
        root.path().join("var/lib/dpkg/status"),
        "Package: sysv\nVersion: 1\n\nPackage: sysvinit-core\nStatus: x\nVersion: 1:3.06-4\n",
    )
    .expect("written");
    assert_eq!(package_version(root.path(), "sysvinit-core").as_deref(), Some("3.06"));
    assert_eq!(package_version(root.path(), "runit"), None);
}
