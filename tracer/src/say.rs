//! Words for people: on standard output, on standard error, or where nobody reads those, on the console.
//!
//! Invariant: whoever does not listen to us, or no longer, cannot make us fail.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::{error::Error, machine};

/// Everything that a command has to say. A reader who went away early has read enough.
pub fn out(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::file("standard output", "write to it", e, "what was asked for is done all the same"))
        }
        _ => Ok(()),
    }
}

/// A line on standard error, as it is.
pub fn word(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What we were called: `lastrites` hands over to us under its own name.
fn name() -> &'static str {
    let called = env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_name().is_some_and(|name| name == "lastrites") {
        "lastrites"
    } else {
        "lastrites-tracer"
    }
}

/// A remark on what is being done, on standard error.
pub fn remark(line: &str) {
    word(&format!("{}: {line}", name()));
}

/// What went wrong. The journal is told that it is an error: it would take it for a mere remark, which our unit drops.
pub fn error(line: &str) {
    word(&format!("{}{}: {line}", if is_journal() { "<3>" } else { "" }, name()));
}

/// The same from a recorder that was started for good. At a boot without a journal nobody hears it but the console.
pub fn error_of_service(line: &str) {
    if is_unheard() {
        machine::say_on_console(line);
    } else {
        error(line);
    }
}

/// Device and inode of a file.
type Identity = (u64, u64);

fn stderr() -> Option<fs::Metadata> {
    // Through the link, so that it is the file itself, a socket's too.
    fs::metadata("/proc/self/fd/2").ok()
}

/// Whether standard error goes to the journal (systemd.exec(5): `$JOURNAL_STREAM`, which children inherit together with
/// another standard error).
fn is_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM").ok().and_then(|stream| identity(&stream));
    stream.is_some() && stream == stderr().map(|meta| (meta.dev(), meta.ino()))
}

fn identity(stream: &str) -> Option<Identity> {
    let (device, inode) = stream.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

/// Whether standard error goes nowhere, as that of an init script's does.
pub fn is_unheard() -> bool {
    let null = fs::metadata(Path::new("/dev/null")).map(|meta| meta.rdev());
    match (stderr(), null) {
        (Some(meta), Ok(null)) => meta.rdev() == null,
        (None, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_known_by_its_device_and_inode() {
        assert_eq!(identity("8:12345"), Some((8, 12345)));
        for noise in ["", "8", "8:", ":1", "a:b", "1:2:3"] {
            assert_eq!(identity(noise), None, "{noise:?}");
        }
    }
}
