//! A report that a guest made, in the hands of a stranger: opened on this machine, without root, by every command, by a
//! browser and by Perfetto's engine, and searched for what must not be in it.
//!
//! Invariant: what is looked for is in the recording that the report was made of, or the search would prove nothing.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    error::{Error, Result, output},
    place::{program, samples_dir},
    readers::{self, Opened},
    scenario::WantedReport,
};

/// The report, in the directory of a run.
pub const REPORT: &str = "report.tar.gz";
/// The shutdown of another machine, to compare with.
const OTHER: &str = "other.lrt";
/// What the stranger makes of it.
const PAGE: &str = "page.html";
const TRACE: &str = "perfetto.json";
/// A screen is there long before, even where machines are emulated beside it.
const SCREEN_LIMIT: Duration = Duration::from_secs(120);
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
        &["export", &report, "--format", "json"],
        &["export", &report, "--format", "jsonl"],
        &["export", &report, "--format", "csv"],
        &["export", &report, "--format", "svg"],
        &["export", &report, "--format", "dot"],
        &["export", &report, "--format", "html", "-o", PAGE],
        &["export", &report, "--format", "perfetto", "-o", TRACE],
        &["export", &report, "--format", "parquet", "-o", "tables"],
        &["import", "--as", "bug", &report],
        &["explain", "bug"],
        &["diff", OTHER, "bug"],
    ];
    let mut told = String::new();
    let mut story = Value::Null;
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
        if words.starts_with(&["explain", "--json"]) {
            story = serde_json::from_slice(&said).unwrap_or_default();
        }
        seen.push((format!("what `lastrites {}` says", words.join(" ")), said));
    }
    let headlines: Vec<&str> =
        story["findings"].as_array().into_iter().flatten().filter_map(|f| f["headline"].as_str()).collect();
    if headlines.is_empty() {
        complaints.push(format!("`lastrites explain --json` of the report has no findings: {story}"));
    }
    // What our own commands refuse leaves others nothing to open.
    if complaints.is_empty() {
        complaints.extend(stranger.browses(&headlines, &mut seen)?);
        complaints.extend(stranger.asks_perfetto(&headlines)?);
        complaints.extend(stranger.looks(&headlines, &mut seen)?);
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
        let other = stranger.home.path().join(OTHER);
        output(Command::new("cp").arg(samples_dir().join("systemd252-reboot.lrt")).arg(&other))?;
        let fail = |path: &Path, e| Error::file(path, "hand it to a stranger", e);
        for (path, mode) in [
            (stranger.home.path(), 0o755),
            (&stranger.lastrites, 0o755),
            (&stranger.report, 0o644),
            (&other, 0o644),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|e| fail(path, e))?;
        }
        if is_root() {
            std::os::unix::fs::chown(stranger.home.path(), Some(STRANGER), Some(STRANGER))
                .map_err(|e| fail(stranger.home.path(), e))?;
        }
        Ok(stranger)
    }

    /// A program in the stranger's hands.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path()).stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        if is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        command
    }

    /// Exit code and all that it said.
    fn run(&self, words: &[&str]) -> Result<(Option<i32>, Vec<u8>)> {
        let done = self.command(&self.lastrites).args(words).output();
        let done = done.map_err(|e| Error::file(&self.lastrites, "run it as nobody", e))?;
        Ok((done.status.code(), [done.stdout, done.stderr].concat()))
    }

    /// Opens the page that came in the report, and the one exported from it, in a browser.
    fn browses(&self, headlines: &[&str], seen: &mut Vec<(String, Vec<u8>)>) -> Result<Vec<String>> {
        let enclosed = self.home.path().join("enclosed.html");
        readers::unpacked(&self.report, "report.html", &enclosed)?;
        let mut complaints = Vec::new();
        for page in [enclosed, self.home.path().join(PAGE)] {
            let words = readers::browser(&page, self.home.path());
            let done = self.command(Path::new(&words[0])).args(&words[1..]).output();
            let done = done.map_err(|e| Error::file(&page, "open it in chromium", e))?;
            let name = page.display();
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr);
                return Err(Error::new(format!("{name}: chromium: {}: {said}", done.status)));
            }
            let opened = Opened::new(&done.stdout, &done.stderr);
            complaints
                .extend(opened.complaints.iter().map(|said| format!("{name}: the browser says {said}")));
            for headline in headlines.iter().filter(|headline| !opened.says(headline)) {
                complaints.push(format!("{name}: in a browser it does not say {headline:?}"));
            }
            // Only its script fills that in, from the time axis that it has drawn.
            if !opened.says("showing ") {
                complaints.push(format!("{name}: its script has not drawn: {}", opened.document));
            }
            seen.push((format!("{name} in a browser"), done.stdout));
        }
        Ok(complaints)
    }

    fn asks_perfetto(&self, headlines: &[&str]) -> Result<Vec<String>> {
        let (errors, slices) = readers::perfetto(&self.home.path().join(TRACE))?;
        let mut complaints: Vec<String> =
            errors.iter().map(|error| format!("Perfetto's engine complains of {error}")).collect();
        for headline in headlines {
            if !slices.iter().any(|name| name.contains(headline)) {
                complaints.push(format!("no slice of the Perfetto trace says {headline:?}"));
            }
        }
        Ok(complaints)
    }

    /// Opens it in a terminal until its first finding is to be read there.
    fn looks(&self, headlines: &[&str], seen: &mut Vec<(String, Vec<u8>)>) -> Result<Vec<String>> {
        let tmux = |words: &[&str]| {
            let mut command = self.command(Path::new("tmux"));
            command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
            command.args(["-f", "/dev/null", "-S"]).arg(self.home.path().join("tmux")).args(words);
            output(&mut command)
        };
        let (program, report) = (self.lastrites.display().to_string(), self.report.display().to_string());
        tmux(&["new-session", "-d", "-x", "200", "-y", "50", &program, "view", &report])?;
        // What follows its number on the screen, before the line is full.
        let wanted: String =
            headlines.first().map(|text| text.chars().take(20).collect()).unwrap_or_default();
        let until = Instant::now() + SCREEN_LIMIT;
        let shown = loop {
            let screen = tmux(&["capture-pane", "-p"]);
            let there = screen.as_ref().is_ok_and(|screen| screen.contains(&wanted));
            if there || screen.is_err() || Instant::now() > until {
                break screen;
            }
            sleep(Duration::from_millis(100));
        };
        let _ = tmux(&["kill-server"]);
        let screen = shown?;
        let there = screen.contains(&wanted);
        let complaint = format!("`lastrites view` of the report does not show {wanted:?}:\n{screen}");
        seen.push(("what `lastrites view` shows".into(), screen.into_bytes()));
        Ok(if there { Vec::new() } else { vec![complaint] })
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
