//! A report that a guest made, in the hands of a stranger: opened on this machine, without root, by every command,
//! and searched for what must not be in it.
//!
//! Invariant: what is looked for is in the recording that the report was made of, or the search would prove nothing.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    error::{Error, Result, output},
    place::program,
    scenario::WantedReport,
};

/// The report, in the directory of a run.
pub const REPORT: &str = "report.tar.gz";
/// nobody, nogroup.
const STRANGER: u32 = 65534;

/// Everything that is wrong with the report in `dir`.
pub fn judge(wanted: &WantedReport, dir: &Path, original: &[String]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for planted in &wanted.planted {
        if !original.iter().any(|text| text.contains(planted.as_str())) {
            complaints.push(format!(
                "{planted:?} is not in the recording, so its absence from the report says nothing"
            ));
        }
    }
    for secret in
        wanted.unrecorded.iter().filter(|secret| original.iter().any(|text| text.contains(secret.as_str())))
    {
        complaints.push(format!("{secret:?} is in the recording, though nobody needs it there"));
    }
    let stranger = Stranger::new(&dir.join(REPORT))?;
    let mut seen = vec![("the file itself".to_owned(), read(&stranger.report)?)];
    let unpacked = stranger.unpacked()?;
    if !holds(&unpacked, "lastrites-report/trace.lrt") {
        complaints.push("the report has no recording in it".into());
    }
    seen.push(("the file unpacked".to_owned(), unpacked));
    let report = stranger.report.display().to_string();
    let commands: &[&[&str]] = &[
        &["list", &report],
        &["list", "--json", &report],
        &["show", &report],
        &["show", "--json", &report],
        &["explain", "--all", &report],
        &["explain", "--json", &report],
        &["save", "--file", &report, "-"],
        &["report", "--markdown", &report],
        &["import", "--as", "bug", &report],
        &["explain", "bug"],
    ];
    let mut told = String::new();
    for words in commands {
        let (status, said) = stranger.run(words)?;
        if status != Some(0) {
            complaints.push(format!(
                "`lastrites {}`: {status:?}: {}",
                words.join(" "),
                String::from_utf8_lossy(&said)
            ));
        }
        if words.starts_with(&["explain"]) {
            told.push_str(&String::from_utf8_lossy(&said));
        }
        seen.push((format!("what `lastrites {}` says", words.join(" ")), said));
    }
    for says in wanted.says.iter().filter(|says| !told.contains(says.as_str())) {
        complaints.push(format!("`lastrites explain` of the report does not say {says:?}:\n{told}"));
    }
    for secret in wanted.planted.iter().chain(&wanted.unrecorded) {
        for (what, bytes) in &seen {
            if holds(bytes, secret) {
                complaints.push(format!("{what} holds {secret:?}"));
            }
        }
    }
    Ok(complaints)
}

/// In whatever case.
fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::file(path, "read it", e))
}

/// Somebody with nothing but the program and the report.
struct Stranger {
    home: tempfile::TempDir,
    lastrites: PathBuf,
    report: PathBuf,
}

impl Stranger {
    fn new(report: &Path) -> Result<Self> {
        let home =
            tempfile::tempdir().map_err(|e| Error::new(format!("no directory for a stranger: {e}")))?;
        let stranger =
            Self { lastrites: home.path().join("lastrites"), report: home.path().join(REPORT), home };
        // By another process: a program that this one, or a child forked by another test meanwhile, has open for
        // writing cannot be run.
        output(Command::new("cp").arg(program("lastrites")?).arg(&stranger.lastrites))?;
        output(Command::new("cp").arg(report).arg(&stranger.report))?;
        let fail = |path: &Path, e| Error::file(path, "hand it to a stranger", e);
        for (path, mode) in
            [(stranger.home.path(), 0o755), (&stranger.lastrites, 0o755), (&stranger.report, 0o644)]
        {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|e| fail(path, e))?;
        }
        if is_root() {
            std::os::unix::fs::chown(stranger.home.path(), Some(STRANGER), Some(STRANGER))
                .map_err(|e| fail(stranger.home.path(), e))?;
        }
        Ok(stranger)
    }

    /// Exit code and all that it said.
    fn run(&self, words: &[&str]) -> Result<(Option<i32>, Vec<u8>)> {
        let mut command = Command::new(&self.lastrites);
        command.args(words).env_clear().env("HOME", self.home.path()).current_dir(self.home.path());
        command.stdin(Stdio::null());
        if is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        let done = command.output().map_err(|e| Error::file(&self.lastrites, "run it as nobody", e))?;
        Ok((done.status.code(), [done.stdout, done.stderr].concat()))
    }

    fn unpacked(&self) -> Result<Vec<u8>> {
        let done = Command::new("gzip")
            .arg("-dc")
            .arg(&self.report)
            .output()
            .map_err(|e| Error::file(&self.report, "unpack it with gzip", e))?;
        if done.status.success() {
            Ok(done.stdout)
        } else {
            Err(Error::file(&self.report, "unpack it with gzip", String::from_utf8_lossy(&done.stderr)))
        }
    }
}

fn is_root() -> bool {
    // SAFETY: has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
