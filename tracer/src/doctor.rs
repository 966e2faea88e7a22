//! What this kernel, this init and these file systems allow, and what to do about what they do not.
//!
//! Invariant: looking changes nothing, and works without root as far as it can.

use std::{fmt::Write as _, path::Path};

use crate::{
    inits::{self, Layout},
    machine, mounts, place, probe, record,
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub verdict: Verdict,
    pub what: String,
    /// What was found.
    pub why: String,
    /// What to do; empty when nothing need be.
    pub next: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Nothing is missing, and there is something to know.
    Note,
    /// Recording works, with something missing.
    Degraded,
    /// Recording cannot work.
    Bad,
}

impl Verdict {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Degraded => "missing",
            Self::Bad => "FAILED",
        }
    }
}

impl Check {
    fn new(verdict: Verdict, what: &str, why: impl Into<String>, next: &str) -> Self {
        Self { verdict, what: what.into(), why: why.into(), next: next.into() }
    }
}

/// What makes arming impossible, as far as it shows without asking the kernel: loading the probe, which
/// comes next, asks that, and one loading is enough.
pub fn blocking() -> Option<Check> {
    let first = [processor(std::env::consts::ARCH), root(), bpffs()].into_iter();
    let special = capture_kernel(Path::new("/")).into_iter().chain(container());
    let mut checks = first.chain(special).chain(place(Path::new("/")));
    checks.find(|check| check.verdict == Verdict::Bad)
}

/// Everything.
pub fn all() -> Vec<Check> {
    let is_root = rustix::process::geteuid().is_root();
    let mut checks = vec![processor(std::env::consts::ARCH), root()];
    let root = Path::new("/");
    checks.extend(capture_kernel(root));
    checks.extend(container());
    // What the kernel refuses to who is not root says nothing of it.
    if is_root {
        checks.extend(kernel());
    }
    checks.push(bpffs());
    checks.extend(leftovers());
    checks.extend(place(root));
    checks.extend(init(root, is_root));
    checks
}

/// Only where there is something to say.
fn capture_kernel(root: &Path) -> Option<Check> {
    machine::is_capture_kernel(root).then(|| {
        Check::new(
            Verdict::Bad,
            "kdump",
            "this kernel was started to write down the memory of another one, and needs all that it has",
            "reboot first",
        )
    })
}

/// Only where there is something to say.
fn container() -> Option<Check> {
    let refused = machine::refuse_container().err()?;
    let crate::error::Error::Failed { why, next, .. } = refused else { return None };
    Some(Check::new(Verdict::Bad, "container", why, &next))
}

/// Only where there is something to say.
fn leftovers() -> Option<Check> {
    let pins = record::leftovers();
    let names: Vec<String> = pins.iter().map(|path| path.display().to_string()).collect();
    (!names.is_empty()).then(|| {
        Check::new(
            Verdict::Note,
            "BPF file system",
            format!("a recorder that was killed has left {}, which records for nobody", names.join(", ")),
            "`lastrites disarm` removes it, and so does arming",
        )
    })
}

/// Records are finished by a store behind other stores, which other processors may see in another order; and where
/// a system call's arguments are is known of this one alone.
fn processor(name: &str) -> Check {
    if name == "x86_64" {
        Check::new(Verdict::Good, "processor", name, "")
    } else {
        Check::new(
            Verdict::Bad,
            "processor",
            format!("{name}: what the probe writes can be relied upon on x86-64 only, so far"),
            "record on an x86-64 machine; recordings can be read on this one",
        )
    }
}

/// Said of who is not root.
const PRIVILEGE: &str = "not root, so the kernel cannot be asked what it allows";

fn root() -> Check {
    if rustix::process::geteuid().is_root() {
        Check::new(Verdict::Good, "privilege", "running as root", "")
    } else {
        Check::new(Verdict::Bad, "privilege", PRIVILEGE, "run it with sudo")
    }
}

fn kernel() -> Vec<Check> {
    probe::check()
        .into_iter()
        .map(|check| Check {
            verdict: match check.ok {
                true if check.note => Verdict::Note,
                true => Verdict::Good,
                false if check.needed => Verdict::Bad,
                false => Verdict::Degraded,
            },
            what: check.what,
            why: check.why,
            next: check.next,
        })
        .collect()
}

fn bpffs() -> Check {
    let dir = Path::new(crate::kernel::BPFFS);
    if mounts::is_bpffs(dir) {
        Check::new(Verdict::Good, "BPF file system", "mounted at /sys/fs/bpf", "")
    } else if dir.is_dir() {
        Check::new(Verdict::Good, "BPF file system", "not mounted; arming mounts it at /sys/fs/bpf", "")
    } else {
        Check::new(
            Verdict::Bad,
            "BPF file system",
            "/sys/fs/bpf is not there",
            "mount sysfs on /sys, and use a kernel with CONFIG_BPF_SYSCALL",
        )
    }
}

fn place(root: &Path) -> Vec<Check> {
    let place = match place::choose(root) {
        Ok(place) => place,
        Err(e) => {
            return vec![Check::new(Verdict::Bad, "ring file", e.to_string(), "check the root file system")];
        }
    };
    let dir = place.dir.display().to_string();
    let mut checks = Vec::new();
    if !place.on_root {
        checks.push(Check::new(
            Verdict::Degraded,
            "ring file",
            format!("{dir} is not on the root file system: what happens after it is unmounted is lost"),
            "make / writable and arm again",
        ));
    }
    if let Some(why) = place::unreserved(&place.dir) {
        checks.push(Check::new(
            Verdict::Degraded,
            "ring file",
            why,
            "keep some of it free: twice the size of the ring file is enough",
        ));
    }
    if let Some(why) = place::in_memory(&place.dir) {
        checks.push(Check::new(Verdict::Degraded, "ring file", why, "save it before the reboot"));
    }
    let ring = place.dir.join(place::RING_NAME);
    checks.push(if !place.writable {
        Check::new(Verdict::Bad, "ring file", format!("{dir} cannot be written to"), "remount it read-write")
    } else if ring.exists() {
        Check::new(Verdict::Good, "ring file", format!("{} is there", ring.display()), "")
    } else {
        let program = std::fs::metadata("/proc/self/exe").map_or(0, |meta| meta.len());
        match place::check_room(&place.dir, place::RING_SIZE, program) {
            Ok(()) => Check::new(Verdict::Good, "ring file", format!("there is room in {dir}"), ""),
            Err(e) => Check::new(
                Verdict::Degraded,
                "ring file",
                e.to_string(),
                "make room, or arm with a smaller --size",
            ),
        }
    });
    checks
}

/// What the init is, and to who may ask the kernel, what will be recorded under it.
fn init(root: &Path, is_root: bool) -> Vec<Check> {
    let (init, detected) = inits::detect(root);
    // What arming would choose; where that fails, `place` has said so.
    let place = place::choose(root).ok();
    let dir = place.as_ref().map_or(Path::new("/var/lib/lastrites"), |place| &place.dir);
    let binary = dir.join(place::BINARY_NAME);
    let on_root = place.as_ref().is_none_or(|place| place.on_root);
    let layout = Layout { binary: &binary, dir, on_root };
    let name = format!("{} {}", detected.name, detected.version);
    let mut checks = Vec::new();
    if init.name() == "unknown" && detected.version.is_empty() {
        let (why, next) = match is_root {
            true => ("what pid 1 is cannot be found out", "see that /proc is mounted"),
            false => ("only root can see what pid 1 is", "run it with sudo"),
        };
        checks.push(Check::new(Verdict::Degraded, "init", why, next));
    } else if init.name() == "unknown" {
        let why = inits::unknown_as(&detected.version);
        checks.push(Check::new(Verdict::Degraded, "init", why, ""));
    } else {
        checks.push(Check::new(Verdict::Good, "init", name.trim().to_owned(), ""));
    }
    if !is_root {
        return checks;
    }
    let mut promise = init.promise(&layout);
    if let Some(hook) = inits::give_up_seal(root, &mut init.plan(root, &layout)) {
        promise.without_seal(&hook);
    }
    let degraded = if init.name() == "unknown" { Verdict::Degraded } else { Verdict::Good };
    checks.extend(promise.recorded.into_iter().map(|s| Check::new(Verdict::Good, "will be recorded", s, "")));
    checks.extend(promise.missing.into_iter().map(|s| Check::new(degraded, "will be missing", s, "")));
    checks
}

/// The checks as text, one line each, and a second one where there is something to do.
pub fn text(checks: &[Check]) -> String {
    let mut out = String::new();
    for check in checks {
        let _ = writeln!(out, "{:8} {}: {}", check.verdict.name(), check.what, check.why);
        if !check.next.is_empty() && check.verdict != Verdict::Good {
            let _ = writeln!(out, "         -> {}", check.next);
        }
    }
    out
}

/// What all of them come to, in a line.
pub fn conclusion(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let bad = |check: &&Check| check.verdict == Verdict::Bad;
    if checks.iter().filter(bad).all(|check| check.why == PRIVILEGE) && count(Verdict::Bad) > 0 {
        return "whether recording works only root can find out: run it with sudo\n".to_owned();
    }
    let things = |n| if n == 1 { "one thing".to_owned() } else { format!("{n} things") };
    match (count(Verdict::Bad), count(Verdict::Degraded)) {
        (0, 0) => "recording works, and nothing is missing\n".to_owned(),
        (0, n) => format!("recording works, with {} missing, see above\n", things(n)),
        (n, _) => format!("recording cannot work: {} FAILED, see above\n", things(n)),
    }
}

/// Whether what was found lets `doctor` succeed: recording works, and with `strict` nothing at all is missing.
pub fn is_content(checks: &[Check], strict: bool) -> bool {
    checks.iter().all(|check| match check.verdict {
        Verdict::Good | Verdict::Note => true,
        Verdict::Degraded => !strict,
        Verdict::Bad => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_where_something_is_wrong_and_only_there() {
        let checks = [
            Check::new(Verdict::Good, "a", "fine", "nothing"),
            Check::new(Verdict::Bad, "b", "broken", "mend it"),
        ];
        assert_eq!(text(&checks), "ok       a: fine\nFAILED   b: broken\n         -> mend it\n");
    }

    /// It said that something was missing and ended with 0, and no script could ask for more.
    #[test]
    fn what_is_missing_fails_only_who_is_strict_and_what_cannot_work_fails_everybody() {
        let check = |verdict| Check::new(verdict, "a", "b", "");
        for (verdicts, lax, strict, said) in [
            (&[Verdict::Good][..], true, true, "nothing is missing"),
            // Kernel 5.10 does not count one kind of loss, and nobody could have made it strictly content.
            (&[Verdict::Good, Verdict::Note], true, true, "nothing is missing"),
            (&[Verdict::Good, Verdict::Degraded], true, false, "works, with one thing missing"),
            (&[Verdict::Degraded, Verdict::Degraded], true, false, "works, with 2 things missing"),
            (&[Verdict::Degraded, Verdict::Bad], false, false, "cannot work: one thing FAILED"),
        ] {
            let checks: Vec<_> = verdicts.iter().copied().map(check).collect();
            assert_eq!(
                (is_content(&checks, false), is_content(&checks, true)),
                (lax, strict),
                "{verdicts:?}"
            );
            assert!(conclusion(&checks).contains(said), "{}", conclusion(&checks));
        }
    }

    #[test]
    fn another_processor_is_refused_before_anything_is_done() {
        assert_eq!(processor("x86_64").verdict, Verdict::Good);
        let arm = processor("aarch64");
        assert_eq!(arm.verdict, Verdict::Bad);
        assert!(arm.why.contains("aarch64") && arm.next.contains("x86-64"), "{arm:?}");
    }

    /// A user was told that the kernel refuses the probe, that his init is not known, what will be recorded all the same, and
    /// that two things FAILED.
    #[test]
    fn who_is_not_root_is_told_what_only_root_can_find_out_and_no_more() {
        let asked = Check::new(Verdict::Bad, "privilege", PRIVILEGE, "run it with sudo");
        assert!(conclusion(std::slice::from_ref(&asked)).contains("only root can find out"));
        let other = Check::new(Verdict::Bad, "processor", "z80", "");
        assert!(conclusion(&[asked, other]).contains("2 things FAILED"));
        let machine = tempfile::tempdir().expect("a directory");
        let said = text(&init(machine.path(), false));
        assert!(said.contains("only root can see what pid 1 is") && !said.contains("recorded"), "{said}");
        std::fs::create_dir_all(machine.path().join("proc/1")).expect("made");
        std::fs::write(machine.path().join("proc/1/comm"), "runit\n").expect("written");
        let said = text(&init(machine.path(), false));
        assert!(said.contains("pid 1 is `runit`") && !said.contains("recorded"), "{said}");
        assert!(text(&init(machine.path(), true)).contains("will be recorded"));
    }

    #[test]
    fn every_check_that_is_not_good_says_what_was_found() {
        for check in all() {
            assert!(!check.what.is_empty() && !check.why.is_empty(), "{check:?}");
        }
    }
}
