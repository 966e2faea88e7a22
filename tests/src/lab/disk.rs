//! Putting files into a guest's disk and getting them out, without mounting it (debugfs(8)).
//!
//! Invariant: a disk is only touched while no guest runs on it. Nothing here needs a loop device, a
//! mount or root, and nothing of it can be left behind.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::{Error, Result, output};

/// One thing to put into a disk. Missing directories above it are made.
#[derive(Debug, Clone)]
pub struct Put {
    pub path: String,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Text {
        text: String,
        mode: u32,
    },
    /// A file of the host's.
    Copy {
        from: PathBuf,
        mode: u32,
    },
    Link(String),
}

impl Put {
    pub fn text(path: impl Into<String>, mode: u32, text: impl Into<String>) -> Self {
        Self { path: path.into(), what: What::Text { text: text.into(), mode } }
    }

    pub fn program(path: impl Into<String>, from: &Path) -> Self {
        Self { path: path.into(), what: What::Copy { from: from.into(), mode: 0o755 } }
    }

    /// A file of the host's.
    pub fn file(path: impl Into<String>, mode: u32, from: &Path) -> Self {
        Self { path: path.into(), what: What::Copy { from: from.into(), mode } }
    }

    pub fn link(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self { path: path.into(), what: What::Link(target.into()) }
    }
}

#[derive(Debug, Clone)]
pub struct Disk {
    pub path: PathBuf,
}

impl Disk {
    /// A copy of `from` that shares its holes, and its blocks where the file system can.
    pub fn copy(from: &Path, to: &Path) -> Result<Self> {
        output(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(from).arg(to))?;
        Ok(Self { path: to.into() })
    }

    /// A new file system, with what is in `from`.
    pub fn create(path: &Path, size_mib: u64, from: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("mkfs.ext4");
        command.args(["-q", "-F", "-O", "^orphan_file,^metadata_csum_seed"]);
        if let Some(from) = from {
            command.arg("-d").arg(from);
        }
        output(command.arg(path).arg(format!("{size_mib}M")))?;
        Ok(Self { path: path.into() })
    }

    /// Copies a directory out of it, as `to`, with owners and modes.
    pub fn take_dir(&self, path: &str, to: &Path) -> Result<()> {
        let parent = to.with_extension("dir");
        let fail = |e| Error::file(&parent, "take a directory out of a disk", e);
        fs::create_dir_all(&parent).map_err(fail)?;
        let said = self.debugfs(false, &format!("rdump {path} {}\n", parent.display()))?;
        if !said.is_empty() {
            return Err(Error::file(&self.path, &format!("take {path} out"), said.join("; ")));
        }
        let name = Path::new(path).file_name().unwrap_or_default();
        fs::rename(parent.join(name), to).and_then(|()| fs::remove_dir(&parent)).map_err(fail)
    }

    /// Runs debugfs commands; all that was said, without the echo of the commands.
    fn debugfs(&self, write: bool, commands: &str) -> Result<Vec<String>> {
        let mut command = Command::new("debugfs");
        if write {
            command.arg("-w");
        }
        let mut child = command
            .args(["-f", "-"])
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| {
                Error::new(format!("debugfs: cannot run it: {e}; `tests/run` installs it (e2fsprogs)"))
            })?;
        let fail = |e| Error::file(&self.path, "work on it with debugfs", e);
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            stdin.write_all(commands.as_bytes()).map_err(fail)?;
        }
        drop(stdin);
        let done = child.wait_with_output().map_err(fail)?;
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let said: Vec<String> = said
            .lines()
            .filter(|line| !line.starts_with("debugfs") && !line.trim().is_empty())
            .map(str::to_owned)
            .collect();
        if !done.status.success() {
            return Err(Error::file(&self.path, "open it with debugfs", said.join("; ")));
        }
        Ok(said)
    }

    /// Puts things in, over what is there.
    pub fn put(&self, things: &[Put]) -> Result<()> {
        let scratch = self.path.with_extension("put");
        let fail = |e| Error::file(&scratch, "prepare what goes into the guest", e);
        fs::create_dir_all(&scratch).map_err(fail)?;
        let (mut prepare, mut write) = (String::new(), String::new());
        for (number, put) in things.iter().enumerate() {
            let parents: Vec<&Path> = Path::new(&put.path).ancestors().skip(1).collect();
            for parent in parents.iter().rev().filter(|parent| parent.parent().is_some()) {
                prepare.push_str(&format!("mkdir {}\n", parent.display()));
            }
            prepare.push_str(&format!("rm {}\n", put.path));
            if let What::Link(target) = &put.what {
                write.push_str(&format!("symlink {} {target}\n", put.path));
                continue;
            }
            let file = scratch.join(number.to_string());
            let mode = match &put.what {
                What::Text { text, mode } => fs::write(&file, text).map(|()| *mode),
                What::Copy { from, mode } => fs::copy(from, &file).map(|_| *mode),
                What::Link(_) => Ok(0o755),
            }
            .map_err(fail)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).map_err(fail)?;
            write.push_str(&format!("write {} {}\n", file.display(), put.path));
        }
        // What is there already, or is not there yet, is no trouble at this stage.
        self.debugfs(true, &prepare)?;
        let trouble: Vec<String> = self
            .debugfs(true, &write)?
            .into_iter()
            .filter(|line| !line.starts_with("Allocated inode"))
            .collect();
        fs::remove_dir_all(&scratch).map_err(fail)?;
        if trouble.is_empty() {
            Ok(())
        } else {
            Err(Error::file(&self.path, "put files in", trouble.join("; ")))
        }
    }

    /// The text of a file in it.
    pub fn read(&self, path: &str) -> Result<String> {
        let scratch = self.path.with_extension("read");
        self.take(path, &scratch)?;
        let text = fs::read_to_string(&scratch).map_err(|e| Error::file(&scratch, "read it", e));
        let _ = fs::remove_file(&scratch);
        text
    }

    /// Copies a file out of it.
    pub fn take(&self, path: &str, to: &Path) -> Result<()> {
        let said = self.debugfs(false, &format!("dump {path} {}\n", to.display()))?;
        if said.is_empty() {
            Ok(())
        } else {
            Err(Error::file(&self.path, &format!("take {path} out"), said.join("; ")))
        }
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> Result<bool> {
        let said = self.debugfs(false, &format!("stat {path}\n"))?;
        Ok(said.first().is_some_and(|line| line.starts_with("Inode:")))
    }

    /// Complains unless it was unmounted, or made read-only, as it should be: no journal to replay, and
    /// nothing for fsck to say.
    pub fn check_clean(&self) -> Result<()> {
        let head = output(Command::new("dumpe2fs").arg("-h").arg(&self.path).stderr(Stdio::null()))?;
        let find = |key: &str| {
            head.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim().to_owned()
        };
        let (state, features) = (find("Filesystem state:"), find("Filesystem features:"));
        if state != "clean" || features.contains("needs_recovery") {
            return Err(Error::new(format!(
                "{}: the guest left its file system dirty: state {state:?}, features {features}",
                self.path.display()
            )));
        }
        output(Command::new("e2fsck").args(["-f", "-n"]).arg(&self.path)).map(|_| ())
    }

    /// Replays the journal and repairs, as the next boot would.
    pub fn repair(&self) -> Result<()> {
        let done = Command::new("e2fsck")
            .args(["-f", "-y"])
            .arg(&self.path)
            .output()
            .map_err(|e| Error::file(&self.path, "check it", e))?;
        // 1: errors were corrected (e2fsck(8)).
        match done.status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(Error::file(&self.path, "repair it", String::from_utf8_lossy(&done.stdout))),
        }
    }
}
