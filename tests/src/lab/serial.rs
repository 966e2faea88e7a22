//! A serial port of a guest, as seen from outside.
//!
//! Invariant: a thread of its own reads everything, at once, and appends it to a file and to a list of
//! lines; waiting is waiting for that list to grow. When qemu ends, however it ends, the port says so.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::error::{Error, Result};

#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    /// Nothing more will come.
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Heard>,
    more: Condvar,
}

#[derive(Debug, Clone)]
pub struct Serial {
    name: &'static str,
    shared: Arc<Shared>,
    stream: Arc<UnixStream>,
}

impl Serial {
    /// Listens to `stream`, and keeps what is heard in `log`.
    pub fn listen(name: &'static str, stream: UnixStream, log: &Path) -> Result<Self> {
        let mut file = fs::File::create(log).map_err(|e| Error::file(log, "create the log", e))?;
        let mut reader = stream.try_clone().map_err(|e| Error::file(log, "listen to the port", e))?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            let mut rest = Vec::new();
            let mut buffer = [0u8; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                // The list is what counts; the file is for people.
                let _ = file.write_all(&buffer[..length]);
                rest.extend_from_slice(&buffer[..length]);
                let mut heard = lock(&ours);
                while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    heard
                        .lines
                        .push(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
                }
                ours.more.notify_all();
            }
            let mut heard = lock(&ours);
            if !rest.is_empty() {
                heard.lines.push(String::from_utf8_lossy(&rest).into_owned());
            }
            heard.ended = true;
            ours.more.notify_all();
        });
        Ok(Self { name, shared, stream: Arc::new(stream) })
    }

    pub fn send(&self, line: &str) -> Result<()> {
        writeln!(&*self.stream, "{line}")
            .map_err(|e| Error::new(format!("{}: cannot send {line:?}: {e}", self.name)))
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.shared).lines.clone()
    }

    /// How many lines there are so far.
    pub fn len(&self) -> usize {
        lock(&self.shared).lines.len()
    }

    /// Waits for the first line, from line number `from` on, that `wanted` accepts, and returns what it
    /// makes of it and the number of the line behind it.
    pub fn wait<T>(
        &self,
        from: usize,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<(T, usize)> {
        let until = Instant::now() + limit;
        let mut at = from;
        let mut heard = lock(&self.shared);
        loop {
            while let Some(line) = heard.lines.get(at) {
                at += 1;
                if let Some(found) = wanted(line) {
                    return Ok((found, at));
                }
            }
            if heard.ended {
                return Err(Error::new(format!("{}: the machine ended while waiting for {what}", self.name)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(format!("{}: waited {} s for {what}", self.name, limit.as_secs())));
            }
            heard = self.shared.more.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the port; false when `limit` is over first.
    pub fn wait_end(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut heard = lock(&self.shared);
        while !heard.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            heard = self.shared.more.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The last `count` lines, for messages.
    pub fn tail(&self, count: usize) -> String {
        let heard = lock(&self.shared);
        let from = heard.lines.len().saturating_sub(count);
        heard.lines[from..].join("\n")
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Heard> {
    shared.heard.lock().unwrap_or_else(PoisonError::into_inner)
}
