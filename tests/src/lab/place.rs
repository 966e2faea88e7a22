//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::error::{Error, Result};

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate_dir().join("../target"), PathBuf::from)
}

/// Image definitions.
pub fn definitions_dir() -> PathBuf {
    crate_dir().join("lab/images")
}

pub fn scenarios_dir() -> PathBuf {
    crate_dir().join("scenarios")
}

/// Recordings of real guests that are kept in the repository.
pub fn samples_dir() -> PathBuf {
    crate_dir().join("../traces/samples")
}

/// What a scenario leaves: logs, the ring file, the recordings as JSON; the disks when it failed.
pub fn lab_dir(scenario: &str) -> PathBuf {
    target_dir().join("lab").join(scenario)
}

/// The tests that hand exports to programs which know nothing of us, and those programs' ways to be asked.
pub fn export_tests_dir() -> PathBuf {
    crate_dir().join("../viewer/tests/export")
}

/// The Python that `tests/run` installs packages for.
pub fn python() -> PathBuf {
    target_dir().join("python/bin/python3")
}

/// Built images, outside the repository.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = env::var_os("LASTRITES_LAB_CACHE") {
        return dir.into();
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    cache.unwrap_or_else(home).join("lastrites-lab")
}

/// The Debian package of this version.
pub fn package() -> Result<PathBuf> {
    let name = format!("lastrites_{}-1_amd64.deb", env!("CARGO_PKG_VERSION"));
    let path = target_dir().join("debian").join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::new(format!("{}: not built; run `viewer/release` first", path.display())))
}

/// A release build of one of our programs.
pub fn program(name: &str) -> Result<PathBuf> {
    let dir = env::var_os("LASTRITES_LAB_BIN").map_or_else(|| target_dir().join("release"), PathBuf::from);
    let path = dir.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::new(format!("{}: not built; run `cargo build --release --workspace` first", path.display())))
}
