//! The recorders that a storm is run under, and what is found in their files afterwards.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lastrites_traces::{
    event::{Bytes, ProcId, What},
    reader::Trace,
};

/// A recorder that is attached and recording.
#[derive(Debug)]
pub struct Recorder {
    child: Child,
    /// What it writes to, when it is ours.
    file: Option<PathBuf>,
    _dir: tempfile::TempDir,
}

/// Our program `name`, beside this one.
fn sibling(name: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    Err(io::Error::other(format!("{} is not built: run cargo build --release first", path.display())))
}

impl Recorder {
    /// Starts our recorder and waits until it says that it is attached.
    pub fn lastrites() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("bench.lrt");
        let mut child = Command::new(sibling("lastrites-tracer")?)
            .args(["record", "--output"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("no stderr"))?;
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            if line.trim() == "ready" {
                return Ok(Self { child, file: Some(file), _dir: dir });
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(io::Error::other(format!("lastrites-tracer record never got ready: {said}")))
    }

    /// Starts `perf record` of the same five tracepoints, and waits until it is enabled.
    pub fn perf() -> io::Result<Self> {
        const EVENTS: [&str; 5] = [
            "sched:sched_process_fork",
            "sched:sched_process_exec",
            "sched:sched_process_exit",
            "signal:signal_generate",
            "signal:signal_deliver",
        ];
        let dir = tempfile::tempdir()?;
        let control = dir.path().join("control");
        let ack = dir.path().join("ack");
        for fifo in [&control, &ack] {
            let made = Command::new("mkfifo").arg(fifo).status()?;
            if !made.success() {
                return Err(io::Error::other("mkfifo failed"));
            }
        }
        let mut command = Command::new("perf");
        command.args(["record", "-q", "-a", "-m", "16M", "-D", "-1", "-o"]).arg(dir.path().join("perf.data"));
        command.arg(format!("--control=fifo:{},{}", control.display(), ack.display()));
        for event in EVENTS {
            command.args(["-e", event]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| {
            io::Error::other(format!("perf: {error}; install Debian's linux-perf to compare with it"))
        })?;
        std::fs::write(&control, "enable\n")?;
        let mut answer = String::new();
        BufReader::new(std::fs::File::open(&ack)?).read_line(&mut answer)?;
        Ok(Self { child, file: None, _dir: dir })
    }

    /// Asks the recorder to stop and waits for it. Returns its file, which lives until the
    /// process ends.
    pub fn stop(mut self) -> io::Result<Option<PathBuf>> {
        let pid = libc::pid_t::try_from(self.child.id()).map_err(io::Error::other)?;
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(pid, libc::SIGINT) };
        self.child.wait()?;
        let file = self.file.take();
        if file.is_some() {
            // The caller reads it; the directory goes when the machine's /tmp is cleaned.
            let _ = self._dir.keep();
        }
        Ok(file)
    }
}

/// Kinds that are counted, in the order of [`Counts::of`].
pub const KINDS: [&str; 5] = ["fork", "exec", "exit", "gen", "del"];

/// Events per kind, under the name of whoever acted (or, if that is not known, of the target).
#[derive(Debug, Default)]
pub struct Counts {
    by_name: HashMap<String, [u64; 5]>,
    pub total: u64,
    pub lost: u64,
}

impl Counts {
    pub fn of(&self, name: &str) -> [u64; 5] {
        self.by_name.get(name).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, [u64; 5])> {
        self.by_name.iter().map(|(name, counts)| (name.as_str(), *counts))
    }
}

/// Counts the newest recording in `file`.
///
/// # Errors
/// When it is no recording.
pub fn count(file: &Path) -> io::Result<Counts> {
    let trace = Trace::open(file).map_err(io::Error::other)?;
    let newest = trace.sessions().last().ok_or_else(|| io::Error::other("nothing was recorded"))?;
    let mut names: HashMap<ProcId, Bytes> = HashMap::new();
    let mut counts = Counts { total: newest.events, lost: newest.lost, ..Counts::default() };
    let gaps = trace
        .for_each(newest.session.id, &mut |event| {
            let (kind, actor, target) = match &event.what {
                What::Process(process) => {
                    names.insert(process.process, process.comm.clone());
                    return;
                }
                What::Rename { process, comm } => {
                    names.insert(*process, comm.clone());
                    return;
                }
                What::Fork { parent, child, .. } => {
                    if let Some(name) = names.get(parent).cloned() {
                        names.insert(*child, name);
                    }
                    (0, *parent, *child)
                }
                What::Exec(exec) => {
                    names.insert(exec.process, exec.comm.clone());
                    (1, exec.process, exec.process)
                }
                What::Exit { process, .. } => (2, *process, *process),
                What::Signal(signal) => (3, signal.sender, signal.target),
                What::Deliver { process, .. } => (4, *process, *process),
                _ => return,
            };
            let name = names.get(&actor).or_else(|| names.get(&target));
            let name = name.map_or("?".into(), |name| String::from_utf8_lossy(name));
            match counts.by_name.get_mut(&*name) {
                Some(counts) => counts[kind] += 1,
                None => counts.by_name.entry(name.into_owned()).or_default()[kind] += 1,
            }
        })
        .map_err(io::Error::other)?;
    if gaps.is_empty() {
        Ok(counts)
    } else {
        Err(io::Error::other(format!("unreadable stretches: {gaps:?}")))
    }
}
