//! Programs that know nothing of us, and what they make of a report: a browser, and the engine of Perfetto.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    error::{Error, Result, output},
    place::{export_tests_dir, python},
};

/// What a browser has of a page once its script has run: the document, and what it said to the console.
#[derive(Debug)]
pub struct Opened {
    pub document: String,
    pub complaints: Vec<String>,
}

/// How to call the browser so that it opens `page` and prints the document that came of it. What it keeps goes to `home`.
pub fn browser(page: &Path, home: &Path) -> Vec<String> {
    let mut words: Vec<String> = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--user-data-dir={}", home.join("browser").display()));
    words.extend(["--enable-logging=stderr", "--dump-dom"].map(str::to_owned));
    words.push(format!("file://{}", page.display()));
    words
}

impl Opened {
    /// Of what the browser wrote to its two outputs.
    pub fn new(stdout: &[u8], stderr: &[u8]) -> Self {
        let said = String::from_utf8_lossy(stderr);
        Self {
            document: String::from_utf8_lossy(stdout).into_owned(),
            complaints: said.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect(),
        }
    }

    /// Whether somebody who opens the page can read this.
    pub fn says(&self, text: &str) -> bool {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.document.contains(&escaped)
    }
}

/// What Perfetto's engine complains of in a trace, and the names of all slices that it has of it.
pub fn perfetto(trace: &Path) -> Result<(Vec<Value>, Vec<String>)> {
    const QUERIES: [&str; 2] = [
        "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0",
        "SELECT name FROM slice",
    ];
    let scripts = export_tests_dir();
    let found =
        output(Command::new(python()).arg(scripts.join("reader.py")).arg("engine").stdin(Stdio::null()))?;
    let engine: PathBuf = parsed(found.as_bytes(), "reader.py")?;
    let mut queries = tempfile::tempfile().map_err(|e| Error::new(format!("no file for queries: {e}")))?;
    let written = queries.write_all(Value::from(QUERIES.to_vec()).to_string().as_bytes());
    written
        .and_then(|()| std::io::Seek::rewind(&mut queries))
        .map_err(|e| Error::new(format!("no file for queries: {e}")))?;
    let mut node = Command::new("node");
    node.arg(scripts.join("perfetto.mjs")).arg(engine).arg(trace).stdin(queries);
    let [complaints, slices]: [Vec<Value>; 2] = parsed(output(&mut node)?.as_bytes(), "perfetto.mjs")?;
    let names = slices.iter().filter_map(|slice| slice["name"].as_str()).map(str::to_owned).collect();
    Ok((complaints, names))
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &[u8], from: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::new(format!("{from}: its answer is not as expected: {e}")))
}

/// The file in an archive of ours that ends in `name`.
pub fn unpacked(archive: &Path, name: &str, to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-xzOf").arg(archive).args(["--wildcards", &format!("*/{name}")]);
    let done = tar.output().map_err(|e| Error::file(archive, "unpack it with tar", e))?;
    if !done.status.success() {
        return Err(Error::file(archive, "unpack it with tar", String::from_utf8_lossy(&done.stderr)));
    }
    fs::write(to, done.stdout).map_err(|e| Error::file(to, "write it", e))
}
