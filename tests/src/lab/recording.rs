//! What `lastrites` says about a ring file, as JSON (viewer/JSON.md).

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::{
    error::{Error, Result, output},
    place::program,
};

/// What `explain --json` has to say.
const STORY: &str = "lastrites-story/1";

/// One recording.
#[derive(Debug)]
pub struct Recording {
    /// The `recording` object.
    pub about: Value,
    /// Events and gaps, in order.
    pub events: Vec<Value>,
    /// What `explain` makes of it: schema `lastrites-story/1`.
    pub story: Value,
}

impl Recording {
    pub fn text(&self, key: &str) -> &str {
        self.about[key].as_str().unwrap_or_default()
    }
}

/// A hook that is at work for a process which is preempted misses what another one calls on that CPU meanwhile, and tells
/// so as a loss of no CPU in particular. The walk to the place of a mount takes longest, and kernels that preempt lazily
/// (7) show it where many mount at once, in a boot: that is no event that made way or was not stored.
fn without_misses(mut about: Value, events: &[Value]) -> Value {
    let missed = |event: &&Value| {
        event["type"] == "lost" && event["kind"] == "remount" && event.get("cpu").is_some_and(Value::is_null)
    };
    let missed: u64 = events.iter().filter(missed).filter_map(|event| event["count"].as_u64()).sum();
    if let Some(lost) = about["lost"].as_u64() {
        about["lost"] = lost.saturating_sub(missed).into();
    }
    about
}

/// All recordings in `ring`, oldest first; a copy of the JSON is left in `dir`.
pub fn read(ring: &Path, dir: &Path) -> Result<Vec<Recording>> {
    let lastrites = program("lastrites")?;
    let list = output(Command::new(&lastrites).args(["list", "--json", "--file"]).arg(ring))?;
    keep(&dir.join("list.json"), &list)?;
    let mut recordings = Vec::new();
    for about in objects(&list)? {
        let number = about["recording"].as_u64().unwrap_or(0).to_string();
        let show = output(
            Command::new(&lastrites).args(["show", "--json", "--recording", &number, "--file"]).arg(ring),
        )?;
        keep(&dir.join(format!("show-{number}.json")), &show)?;
        let text =
            output(Command::new(&lastrites).args(["show", "--recording", &number, "--file"]).arg(ring))?;
        keep(&dir.join(format!("show-{number}.txt")), &text)?;
        let mut events = objects(&show)?;
        if events.is_empty() {
            return Err(Error::new(format!(
                "`lastrites show --json --recording {number}` prints nothing at all"
            )));
        }
        events.remove(0);
        let explain = |more: &[&str]| {
            output(
                Command::new(&lastrites)
                    .arg("explain")
                    .args(more)
                    .args(["--recording", &number, "--file"])
                    .arg(ring),
            )
        };
        keep(&dir.join(format!("explain-{number}.txt")), &explain(&["--all"])?)?;
        let told = explain(&["--json"])?;
        keep(&dir.join(format!("explain-{number}.json")), &told)?;
        let story = objects(&told)?.pop().unwrap_or(Value::Null);
        if story["schema"] != STORY {
            return Err(Error::new(format!(
                "`lastrites explain --json --recording {number}` prints no {STORY}"
            )));
        }
        recordings.push(Recording { about: without_misses(about, &events), events, story });
    }
    Ok(recordings)
}

fn keep(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::file(path, "write it", e))
}

fn objects(lines: &str) -> Result<Vec<Value>> {
    lines
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|e| Error::new(format!("this line is no JSON: {e}: {line}")))
        })
        .collect()
}
