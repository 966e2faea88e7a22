//! Which file is meant, and opening it.
//!
//! Invariant: a file that was named is used or refused, never replaced by another one.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use lastrites_traces::reader::Trace;

use crate::{error::Error, import, report::archive};

/// Where `arm` notes what it did.
const ARMED: [&str; 2] = ["etc/lastrites/armed", "run/lastrites/armed"];
/// Where ring files are, without being armed.
const RINGS: [&str; 2] = ["var/lib/lastrites/ring.lrt", ".lastrites/ring.lrt"];
const ENV: &str = "LASTRITES_FILE";

/// The file to read: the one named (or imported under that name), `LASTRITES_FILE`, the one armed, or where one
/// usually is.
pub fn find(named: Option<&Path>) -> Result<PathBuf, Error> {
    let from_env = std::env::var_os(ENV).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A file that is there comes before one that was imported under its name.
    let Some(named) = named else {
        return from_env.map_or_else(|| find_below(Path::new("/")), Ok);
    };
    match named.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        // It may be there, though we cannot see it: another one is not taken in its place.
        _ => return Ok(named.to_owned()),
    }
    match (import::find(named), import::unseen(named)) {
        (Some(imported), _) => Ok(imported),
        (None, Some(dir)) => Err(Error::failed(
            named.display().to_string(),
            format!("there is no such file, and you may not see what was imported into {}", dir.display()),
            "name a file, or ask root to open that directory",
        )),
        (None, None) => Ok(named.to_owned()),
    }
}

fn find_below(root: &Path) -> Result<PathBuf, Error> {
    let armed = ARMED.iter().filter_map(|name| armed_ring(&root.join(name)));
    let usual = RINGS.iter().map(|name| root.join(name));
    let mut looked = Vec::new();
    for path in armed.chain(usual) {
        match fs::metadata(&path) {
            Ok(_) => return Ok(path),
            // It cannot even be seen whether it is there.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Err(Error::NotAllowed { path }),
            Err(_) => looked.push(path.display().to_string()),
        }
    }
    looked.dedup();
    Err(Error::NothingThere { looked: format!("looked for {}", looked.join(" and ")) })
}

/// `ring=` of the armed state.
fn armed_ring(path: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(path).ok()?;
    let ring = text.lines().find_map(|line| line.strip_prefix("ring="))?;
    Path::new(ring).is_absolute().then(|| ring.into())
}

/// Opens what [`find`] found: a ring file, a saved recording, or a report, known by what is in it.
pub fn open(path: &Path) -> Result<Trace, Error> {
    Ok(open_any(path)?.0)
}

/// A recording that takes time to open, at a glance: see [`Trace::glance`]. `None` where opening it takes none, or where it
/// cannot be had, which [`open`] tells better.
pub fn glance(path: &Path, segments: usize) -> Option<Trace> {
    let large = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > LARGE);
    large.then(|| Trace::glance(path, segments).ok())?
}

/// Bytes of a recording that are looked at in a tenth of a second or so.
const LARGE: u64 = 32 << 20;

/// The same as [`open`], and whether it is a report.
pub fn open_any(path: &Path) -> Result<(Trace, bool), Error> {
    if is_report(path)? {
        return Ok((archive::open(path)?.trace, true));
    }
    Ok((Trace::open(path)?, false))
}

/// Whether it is a report, and not a recording as it was made, by how it begins.
pub fn is_report(path: &Path) -> Result<bool, Error> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied => Error::NotAllowed { path: path.into() },
        _ => Error::File { path: path.into(), doing: "open it", source, next: "check the name" },
    };
    // Opening a FIFO would wait for somebody to write to it, so that is asked first.
    let found = fs::metadata(path).map_err(refused)?;
    if !found.is_file() {
        let inside = [path.join(archive::TRACE), path.join(archive::FOLDER).join(archive::TRACE)];
        let next = match inside.iter().find(|inside| found.is_dir() && inside.is_file()) {
            Some(inside) => format!("a report was unpacked there: name {}", inside.display()),
            None => "name a recording".into(),
        };
        return Err(Error::failed(path.display().to_string(), "not a regular file", next));
    }
    let mut head = Vec::new();
    fs::File::open(path).and_then(|file| file.take(512).read_to_end(&mut head)).map_err(refused)?;
    if let Some((_, made_by, unpacks)) = PACKED.iter().find(|(begins, ..)| head.starts_with(begins)) {
        let next = format!(
            "unpack it first: `{unpacks}` does (of a report that was unpacked, name the folder's {})",
            archive::TRACE
        );
        return Err(Error::failed(path.display().to_string(), format!("it was packed with {made_by}"), next));
    }
    Ok(archive::is_archive(&head))
}

/// What people and mail programs make of what they attach: how it begins, what made it, what unpacks it.
const PACKED: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "zip", "unzip"),
    (b"\xfd7zXZ\0", "xz", "xz -d"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
    (b"BZh", "bzip2", "bzip2 -d"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -d"),
    (b"LZIP", "lzip", "lzip -d"),
    (b"Rar!\x1a\x07", "RAR", "unrar x"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_armed_ring_comes_before_the_usual_places() {
        let root = tempfile::tempdir().expect("a directory");
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(&path, text).expect("written");
            path
        };
        assert!(find_below(root.path()).is_err_and(|e| e.exit_code() == 1 && e.to_string().contains("arm")));
        let second = put(".lastrites/ring.lrt", "");
        assert_eq!(find_below(root.path()).ok(), Some(second));
        let first = put("var/lib/lastrites/ring.lrt", "");
        assert_eq!(find_below(root.path()).ok(), Some(first.clone()));
        let elsewhere = put("elsewhere", "");
        put(ARMED[0], &format!("mode=once\nring={}\n", elsewhere.display()));
        assert_eq!(find_below(root.path()).ok(), Some(elsewhere));
        put(ARMED[0], "ring=relative\n");
        assert_eq!(find_below(root.path()).ok(), Some(first));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        assert!(open(root.path()).is_err_and(|e| e.to_string().contains("not a regular file")));
        assert!(open(&root.path().join("none")).is_err_and(|e| e.exit_code() == 4));
    }
}
