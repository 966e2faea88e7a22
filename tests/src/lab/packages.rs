//! The Debian package as it goes into a guest, and the version after it.
//!
//! Invariant: the later one differs from the first in its version and in the bytes of its tracer, so that a guest can
//! tell whose copy it has; in what it does they are the same.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    disk::Put,
    error::{Error, Result, output},
    place::package,
};

/// Where they are in a guest.
const FIRST: &str = "/root/lastrites.deb";
const NEXT: &str = "/root/lastrites-next.deb";

/// Both packages, to be put into a disk. `dir` is the directory of the run.
pub fn puts(dir: &Path) -> Result<Vec<Put>> {
    let first = package()?;
    let next = make_next(&first, dir)?;
    Ok(vec![Put::file(FIRST, 0o644, &first), Put::file(NEXT, 0o644, &next)])
}

fn make_next(first: &Path, dir: &Path) -> Result<PathBuf> {
    let tree = dir.join("next");
    output(Command::new("dpkg-deb").arg("-R").arg(first).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).map_err(|e| Error::file(&control, "read it", e))?;
    let lines = text.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(version) => format!("Version: {version}+next1\n"),
        None => format!("{line}\n"),
    });
    fs::write(&control, lines.collect::<String>()).map_err(|e| Error::file(&control, "write it", e))?;
    // What stands behind the last section of a program is nobody's.
    let tracer = tree.join("usr/sbin/lastrites-tracer");
    let append = || fs::OpenOptions::new().append(true).open(&tracer)?.write_all(b"the next version\n");
    append().map_err(|e| Error::file(&tracer, "make it another one", e))?;
    // Sums of files would be wrong now, and nobody has to have them.
    let _ = fs::remove_file(tree.join("DEBIAN/md5sums"));
    let next = dir.join("next.deb");
    output(
        Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "-z1", "-b"]).arg(&tree).arg(&next),
    )?;
    fs::remove_dir_all(&tree).map_err(|e| Error::file(&tree, "remove it", e))?;
    Ok(next)
}
