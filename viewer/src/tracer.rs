//! Handing over to `lastrites-tracer`, the program that runs as root.
//!
//! Invariant: it is taken from beside ourselves before anywhere else, so that the two are of one
//! build.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::Error;

pub const NAME: &str = "lastrites-tracer";

/// Where it may be, best first.
fn places(exe: Option<&Path>, path: Option<OsString>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(dir) = exe.and_then(Path::parent) {
        places.push(dir.join(NAME));
        if let Some(prefix) = dir.parent() {
            places.extend(
                ["libexec/lastrites", "lib/lastrites", "sbin"].iter().map(|sub| prefix.join(sub).join(NAME)),
            );
        }
    }
    let usual = ["/usr/local/libexec/lastrites", "/usr/libexec/lastrites", "/usr/lib/lastrites"];
    places.extend(usual.iter().map(|dir| Path::new(dir).join(NAME)));
    let path = path.map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    // A relative entry would run whatever lies in the working directory, as root.
    places.extend(path.into_iter().filter(|dir| dir.is_absolute()).map(|dir| dir.join(NAME)));
    places
}

/// Finds it.
pub fn find() -> Result<PathBuf, Error> {
    let exe = env::current_exe().ok();
    let places = places(exe.as_deref(), env::var_os("PATH"));
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let beside = places.first().map_or_else(|| NAME.to_owned(), |path| path.display().to_string());
        Error::failed(
            NAME,
            format!("not found: neither {beside} nor anywhere on PATH"),
            "build or install it beside lastrites (`cargo build --release` builds both)",
        )
    })
}

/// Becomes it. Returns only when that fails.
pub fn become_it(command: &str, args: &[OsString]) -> Error {
    match find() {
        Err(error) => error,
        Ok(path) => {
            // Under the name that was typed, which its usage and its messages repeat.
            let source = Command::new(&path).arg0("lastrites").arg(command).args(args).exec();
            Error::File {
                path,
                doing: "run it",
                source,
                next: "check that it is executable, and built for this machine",
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_ourselves_comes_first_and_relative_paths_never() {
        let found = places(Some(Path::new("/opt/l/bin/lastrites")), Some("/usr/bin::.:bin".into()));
        assert_eq!(found[0], Path::new("/opt/l/bin/lastrites-tracer"));
        assert!(found.contains(&PathBuf::from("/opt/l/libexec/lastrites/lastrites-tracer")));
        assert_eq!(found.last(), Some(&PathBuf::from("/usr/bin/lastrites-tracer")));
        assert!(found.iter().all(|path| path.is_absolute()));
    }
}
