//! What this kernel allows, for `doctor`.

use super::{LoadOptions, ProbeError, config, hooks, load};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub ok: bool,
    /// Without it there is no recording; otherwise something is degraded.
    pub needed: bool,
    /// Good, but for something to know about it.
    pub note: bool,
    pub what: String,
    pub why: String,
    /// What to do about it; empty when nothing is to be done.
    pub next: String,
}

impl Check {
    fn good(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { ok: true, needed: true, note: false, what: what.into(), why: why.into(), next: String::new() }
    }

    fn bad(needed: bool, what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self { ok: false, needed, note: false, what: what.into(), why: why.into(), next: next.into() }
    }
}

/// Loads every program into the kernel without attaching it, and says what it allows.
pub fn check() -> Vec<Check> {
    // Rings of the smallest size: what is asked is whether the kernel takes the programs.
    let options = LoadOptions { chunks: Some(1), ..LoadOptions::default() };
    let mut loaded = match load(&options) {
        Ok(loaded) => loaded,
        Err(error) => return vec![refused_probe(&error)],
    };
    let mut hooks = loaded.rehearse(&options);
    let refused = hooks.iter().find(|hook| hook.how == hooks::How::Absent && hooks::needed(&hook.name));
    if let Some(refused) = refused.filter(|_| loaded.unpreempted)
        && let Some(name) = hooks::names().find(|name| **name == refused.name)
    {
        // As arming does.
        let refused = Some((name, refused.why.clone().unwrap_or_default()));
        let plain = LoadOptions { refused, ..options };
        match load(&plain) {
            Ok(again) => loaded = again,
            Err(error) => return vec![refused_probe(&error)],
        }
        hooks = loaded.rehearse(&plain);
    }
    let mut checks =
        vec![Check::good("probe", format!("the kernel takes its maps (build {})", loaded.object.name()))];
    checks.push(Check::good("rings", super::rings_here()));
    checks.push(preemption(loaded.preempts, loaded.unpreempted));
    for missing in &loaded.missing {
        let (field, means) = missing.split_once(": ").unwrap_or((missing, ""));
        if field == config::LOSS_COUNTER {
            checks.push(Check {
                note: true,
                ..Check::good(format!("kernel member {field}"), format!("not there: {means}"))
            });
            continue;
        }
        checks.push(Check::bad(false, format!("kernel member {field}"), format!("not there: {means}"), ""));
    }
    if loaded.takes_32_bit_calls {
        checks.push(Check::bad(
            false,
            "calls of 32-bit programs",
            "this kernel takes them by another entry, where the probe has no hook: of a reboot(2), an unmount, \
             a kill that failed or one of everybody by such a program there is no record, of the signals that it \
             sends there is",
            "",
        ));
    }
    let mut fine = Vec::new();
    for hook in hooks {
        let needed = hooks::needed(&hook.name);
        match (hook.how, hook.why) {
            (hooks::How::Absent, why) => checks.push(Check::bad(
                needed,
                format!("hook {}", hook.name),
                why.unwrap_or_default(),
                if needed { "use another kernel, or report this one with `uname -r`" } else { "" },
            )),
            (how, Some(why)) => {
                checks.push(Check::good(format!("hook {}", hook.name), format!("by {} ({why})", how.name())));
            }
            (_, None) => fine.push(hook.name),
        }
    }
    checks.push(Check::good("hooks in the preferred way", fine.join(" ")));
    checks
}

fn preemption(preempts: hooks::Preempts, unpreempted: bool) -> Check {
    let why = match (preempts, unpreempted) {
        (hooks::Preempts::None, _) => "this kernel preempts no program at a tracepoint",
        (_, true) => {
            "this kernel preempts programs at tracepoints, but not before a record is written; what is missed meanwhile second programs \
             record"
        }
        (_, false) => {
            "this kernel preempts programs at tracepoints, also in the middle of a record; what is missed meanwhile second programs record"
        }
    };
    Check::good("preemption", why)
}

fn refused_probe(error: &ProbeError) -> Check {
    // The message says what to do behind its last semicolon.
    let text = error.to_string();
    let (why, next) = text.rsplit_once("; ").unwrap_or((&text, ""));
    Check::bad(true, "probe", why, next)
}

/// An error and what lies behind it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}
