//! What `status` tells of this machine, for people and for programs.
//!
//! Invariant: pure: what is known goes in, text comes out; strings are escaped for where they go.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    lock, machine,
    probe::{self, ProbeError},
    state::{self, Armed},
    status::Status,
};

/// All that `status` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub armed: Option<Armed>,
    pub status: Option<Status>,
    /// The recorder that lives now.
    pub recorder_pid: Option<u32>,
    /// Whether the probe is in the kernel; unknown to who may not look.
    pub pinned: Option<bool>,
    /// Why there is an armed file and it does not count.
    pub refused: Option<String>,
    /// The memory of the probe's rings, in words.
    pub rings: Option<String>,
    /// One text per hook of the probe.
    pub hooks: Vec<String>,
}

/// Looks at this machine.
pub fn gather() -> Facts {
    let armed = state::load(Path::new("/")).map(|(_, armed)| armed);
    let run = Path::new(lock::RUN);
    let status = Status::load(run);
    // Only root may look at the lock; whoever else asks has to believe the recorder's own word, in a file that is
    // for everybody to read.
    let said = status.as_ref().filter(|status| status.phase != "stopped");
    let told = said.map(|status| status.pid).filter(|pid| lock::is_recorder(*pid));
    let holder = armed.as_ref().and_then(|a| lock::holder(run, &a.ring)).map(|holder| holder.pid);
    let recorder_pid = holder.filter(|pid| *pid > 0).or(told);
    let pinned = armed.as_ref().map_or(Some(false), |a| is_loaded(&a.pins));
    let loaded = armed.as_ref().filter(|_| pinned == Some(true));
    let hooks = loaded.map(|a| crate::kernel::hooks(&a.pins)).unwrap_or_default();
    let rings = loaded.and_then(|a| crate::kernel::rings(&a.pins));
    let refused = state::refuse_damaged(Path::new("/")).err().map(|e| e.to_string());
    Facts { armed, status, recorder_pid, pinned, refused, rings, hooks }
}

/// Whether the probe is there whose pins are at `path`: unknown where one may not look, as in a BPF file system that is for
/// root alone.
fn is_loaded(path: &Path) -> Option<bool> {
    match fs::symlink_metadata(path) {
        // Of one whose hooks are gone the maps may be there. Another version's, which this one cannot read, records.
        Ok(_) => {
            let read = probe::load_report(path);
            Some(!matches!(read, Err(ProbeError::Unhooked { .. })))
        }
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Some(false),
        Err(_) => None,
    }
}

pub fn text(facts: &Facts) -> String {
    let mut out = String::new();
    if let Some(why) = &facts.refused {
        return format!("there is an armed file, and it does not count: {why}\n");
    }
    let Some(armed) = &facts.armed else {
        return "not armed; `lastrites arm` records the next shutdown and the boot after it\n".to_owned();
    };
    if !armed.complete {
        return "half armed: an arming was interrupted; `lastrites arm` finishes it, `lastrites disarm` removes it\n"
            .to_owned();
    }
    let since = machine::local_time(armed.armed_at_s.saturating_mul(1_000_000_000));
    let _ =
        writeln!(out, "armed {} since {since}, for {} {}", armed.mode.name(), armed.init, armed.init_version);
    let _ = writeln!(out, "ring file  {}", armed.ring.display());
    match (facts.pinned, facts.recorder_pid) {
        (Some(true), Some(pid)) => {
            let _ = writeln!(out, "recorder   recording, pid {pid}");
        }
        (Some(true), None) => {
            out.push_str("recorder   not running; the kernel records and keeps the newest events\n")
        }
        (Some(false), None) => {
            out.push_str("recorder   the probe is not loaded: nothing is being recorded; arm again\n")
        }
        (Some(false), Some(pid)) => {
            let _ = writeln!(
                out,
                "recorder   running, pid {pid}; what it reads from is not in {} any more (removed, or something is mounted over it), \
                 where the seal looks for it: arm again",
                crate::kernel::BPFFS
            );
        }
        (None, Some(pid)) => {
            let _ = writeln!(out, "recorder   running, pid {pid}; what the kernel does, only root can see");
        }
        (None, None) => out.push_str(
            "recorder   not running; whether the kernel records, only root can see: ask with sudo\n",
        ),
    }
    if let Some(status) = &facts.status {
        let _ = writeln!(out, "events     {} written, {} lost", status.events, status.lost);
        if status.written_ns > 0 {
            let _ = writeln!(out, "last write {}", machine::local_time(status.written_ns));
        }
        if !status.problem.is_empty() {
            let _ = writeln!(out, "problem    {}", status.problem);
        }
    }
    if let Some(rings) = &facts.rings {
        let _ = writeln!(out, "rings      {rings}");
    }
    for hook in &facts.hooks {
        let _ = writeln!(out, "hook       {hook}");
    }
    out
}

/// One JSON object on a line. Names are stable, and documented in JSON.md; unknowns are null.
pub fn json(facts: &Facts) -> String {
    let armed = facts.armed.as_ref();
    let status = facts.status.as_ref();
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    let object = serde_json::json!({
        "armed": armed.is_some_and(|a| a.complete),
        "mode": armed.map(|a| a.mode.name()),
        "armed_at_s": armed.map(|a| a.armed_at_s),
        "ring": armed.map(|a| a.ring.to_string_lossy()),
        "init": armed.map(|a| &a.init),
        "init_version": armed.map(|a| &a.init_version),
        "probe_loaded": facts.pinned,
        "recorder_pid": facts.recorder_pid,
        "session": status.and_then(|s| said(&s.session)),
        "events": status.map(|s| s.events),
        "lost": status.map(|s| s.lost),
        "last_write_ns": status.map(|s| s.written_ns).filter(|ns| *ns > 0),
        "problem": facts.refused.clone().or_else(|| status.and_then(|s| said(&s.problem))),
        "hooks": facts.hooks,
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Mode;

    fn facts() -> Facts {
        Facts {
            armed: Some(Armed {
                complete: true,
                mode: Mode::Once,
                ring: "/r\"\n".into(),
                binary: "/b".into(),
                pins: "/p".into(),
                init: "systemd".into(),
                init_version: "252".into(),
                boot_id: "x".into(),
                armed_at_s: 1,
                settle_s: None,
                made: Vec::new(),
            }),
            status: Some(Status { events: 5, lost: 1, problem: "disk full".into(), ..Status::default() }),
            recorder_pid: Some(7),
            pinned: Some(true),
            refused: None,
            rings: Some("8192 KiB for each of 2 CPUs".into()),
            hooks: vec!["signal_generate TpBtf".into()],
        }
    }

    #[test]
    fn status_says_what_keeps_it_from_writing() {
        let text = text(&facts());
        for part in ["armed once", "pid 7", "5 written, 1 lost", "disk full", "8192 KiB", "signal_generate"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn who_may_not_look_is_not_told_that_nothing_is_there() {
        for recorder_pid in [Some(7), None] {
            let facts = Facts { pinned: None, recorder_pid, ..facts() };
            let told = text(&facts);
            assert!(told.contains("only root can see") && !told.contains("not loaded"), "{told}");
            assert!(json(&facts).contains(r#""probe_loaded":null"#));
        }
        let gone = Facts { pinned: Some(false), recorder_pid: None, ..facts() };
        assert!(text(&gone).contains("not loaded") && json(&gone).contains(r#""probe_loaded":false"#));
        // Who reads from a probe that is hidden records all the same.
        let hidden = text(&Facts { recorder_pid: Some(7), ..gone });
        assert!(hidden.contains("running, pid 7") && hidden.contains("arm again"), "{hidden}");
    }

    #[test]
    fn an_armed_file_that_does_not_count_is_said() {
        let facts = Facts { armed: None, refused: Some("not root's".into()), ..facts() };
        assert!(text(&facts).contains("not root's"));
        assert!(json(&facts).contains(r#""armed":false"#) && json(&facts).contains("not root's"));
    }

    #[test]
    fn not_armed_and_half_armed_say_what_to_do() {
        assert!(text(&Facts::default()).contains("lastrites arm"));
        let mut facts = facts();
        if let Some(armed) = &mut facts.armed {
            armed.complete = false;
        }
        assert!(text(&facts).starts_with("half armed"));
    }

    #[test]
    fn the_members_that_are_documented_are_those_that_are_printed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../viewer/JSON.md");
        let document = fs::read_to_string(path).expect("it is in the repository");
        let section = document.split("\n## ").find(|section| section.starts_with("Status\n"));
        let rows = section.expect("a section of its own").lines();
        let documented: Vec<&str> =
            rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        let object: serde_json::Value = serde_json::from_str(&json(&facts())).expect("JSON");
        let mut printed: Vec<&str> = object.as_object().expect("one").keys().map(String::as_str).collect();
        let mut sorted = documented.clone();
        sorted.sort_unstable();
        printed.sort_unstable();
        assert_eq!(sorted, printed);
    }

    #[test]
    fn json_is_one_line_with_everything_escaped() {
        let json = json(&facts());
        assert_eq!(json.lines().count(), 1);
        assert!(json.contains(r#""ring":"/r\"\n""#), "{json}");
        assert!(json.contains(r#""recorder_pid":7"#) && json.contains(r#""session":null"#));
    }
}
