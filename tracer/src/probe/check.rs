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
        Err(error) => return vec![refused(&error)],
    };
    let mut checks =
        vec![Check::good("probe", format!("the kernel takes its maps (build {})", loaded.object.name()))];
    checks.push(Check::good("rings", super::rings_here()));
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
    for hook in loaded.rehearse(&options) {
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

fn refused(error: &ProbeError) -> Check {
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
