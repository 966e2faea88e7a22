//! `status`, for people and for programs.
//!
//! Invariant: pure: what is known goes in, text comes out; strings are escaped for where they go.

use std::{fmt::Write as _, path::Path};

use crate::{
    lock, machine,
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
    /// The probe is in the kernel.
    pub pinned: bool,
    /// One text per hook of the probe.
    pub hooks: Vec<String>,
}

/// Looks at this machine.
pub fn gather() -> Facts {
    let armed = state::load(Path::new("/")).map(|(_, armed)| armed);
    let run = Path::new(lock::RUN);
    let status = Status::load(run);
    // Only root may look at the lock; whoever else asks has to believe the recorder's own word.
    let told = status.as_ref().map(|status| status.pid).filter(|pid| lock::is_recorder(*pid));
    let recorder_pid = armed.as_ref().and_then(|a| lock::holder(run, &a.ring)).map(|h| h.pid).or(told);
    let pinned = armed.as_ref().is_some_and(|a| a.pins.exists());
    let hooks = armed.as_ref().filter(|_| pinned).map(|a| crate::kernel::hooks(&a.pins)).unwrap_or_default();
    Facts { armed, status, recorder_pid, pinned, hooks }
}

pub fn text(facts: &Facts) -> String {
    let mut out = String::new();
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
        (true, Some(pid)) => {
            let _ = writeln!(out, "recorder   recording, pid {pid}");
        }
        (true, None) => {
            out.push_str("recorder   not running; the kernel records and keeps the newest events\n")
        }
        (false, _) => {
            out.push_str("recorder   the probe is not loaded: nothing is being recorded; arm again\n")
        }
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
    for hook in &facts.hooks {
        let _ = writeln!(out, "hook       {hook}");
    }
    out
}

/// One JSON object on a line. Names are stable; unknowns are null.
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
        "problem": status.and_then(|s| said(&s.problem)),
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
            pinned: true,
            hooks: vec!["signal_generate TpBtf".into()],
        }
    }

    #[test]
    fn status_says_what_keeps_it_from_writing() {
        let text = text(&facts());
        for part in ["armed once", "pid 7", "5 written, 1 lost", "disk full", "signal_generate"] {
            assert!(text.contains(part), "{part} in {text}");
        }
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
    fn json_is_one_line_with_everything_escaped() {
        let json = json(&facts());
        assert_eq!(json.lines().count(), 1);
        assert!(json.contains(r#""ring":"/r\"\n""#), "{json}");
        assert!(json.contains(r#""recorder_pid":7"#) && json.contains(r#""session":null"#));
    }
}
