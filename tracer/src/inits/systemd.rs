//! systemd: a unit for the drainer, and an executable in `system-shutdown/` for the seal.
//!
//! Invariant: the unit takes no part in the shutdown. Without default dependencies nothing stops it
//! before `systemd-shutdown` TERMs every process, and it is gone milliseconds after that; it never
//! has anything to time out on. pid 1 would start it again also in the middle of a shutdown, if it is killed there: then
//! [`Systemd::is_stopping`] has it leave at once. The executable runs after the last unmount, with / read-only
//! (systemd-shutdown(8)).

use std::{fs, path::Path};

use super::{Detected, Init, Item, Layout, MARK, Promise, Run};
use crate::error::Error;

const UNIT: &str = "lastrites.service";

/// Every shutdown and reboot starts it (systemd.special(7)).
const SHUTDOWN: &str = "shutdown.target";

#[derive(Debug)]
pub struct Systemd;

/// systemd's library has its version in its name, and pid 1 has it mapped.
fn version(root: &Path) -> String {
    let maps = fs::read_to_string(root.join("proc/1/maps")).unwrap_or_default();
    let name = maps.split("libsystemd-shared-").nth(1).and_then(|rest| rest.split(".so").next());
    name.map(str::to_owned).or_else(|| super::package_version(root, "systemd")).unwrap_or_default()
}

const SHUTDOWN_DIRS: [&str; 2] = ["/usr/lib/systemd/system-shutdown", "/lib/systemd/system-shutdown"];

/// Where this systemd looks for shutdown executables: /usr/lib, or /lib before the two were merged.
fn shutdown_dir(root: &Path) -> &'static str {
    if !root.join("usr/lib/systemd/systemd-shutdown").exists()
        && root.join("lib/systemd/systemd-shutdown").exists()
    {
        SHUTDOWN_DIRS[1]
    } else {
        SHUTDOWN_DIRS[0]
    }
}

fn plan(shutdown_dir: &str, layout: &Layout<'_>) -> Vec<Item> {
    let unit_path = format!("/etc/systemd/system/{UNIT}");
    let mut items = vec![
        Item::File { path: unit_path.clone().into(), mode: 0o644, text: unit(layout) },
        Item::Link {
            path: format!("/etc/systemd/system/sysinit.target.wants/{UNIT}").into(),
            target: unit_path.into(),
        },
    ];
    if layout.on_root {
        items.push(Item::File {
            path: format!("{shutdown_dir}/lastrites.shutdown").into(),
            mode: 0o755,
            text: hook(layout.binary),
        });
    }
    items
}

fn unit(layout: &Layout<'_>) -> String {
    let (binary, dir) = (layout.binary.display(), layout.dir.display());
    // On a file system of its own the drainer must be gone before that is unmounted, and systemd
    // sees to it; on / nothing of the kind is wanted.
    let mounts = if layout.on_root { String::new() } else { format!("RequiresMountsFor={dir}\n") };
    format!(
        "{MARK}\n\
         [Unit]\n\
         Description=Flight recorder of the next shutdown and boot\n\
         DefaultDependencies=no\n\
         IgnoreOnIsolate=yes\n\
         ConditionPathExists={binary}\n\
         # Not while kdump writes down the memory of a kernel that crashed: that takes all there is.\n\
         ConditionPathExists=!/proc/vmcore\n\
         StartLimitIntervalSec=60\n\
         StartLimitBurst=5\n\
         {mounts}\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={binary} record --boot\n\
         # Killed, by want of memory for instance, it comes again; what it refuses it would refuse again. While the\n\
         # machine goes down, it leaves at once.\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         RestartPreventExitStatus=2 3 4 5 6\n\
         KillMode=mixed\n\
         TimeoutStopSec=2s\n\
         StandardInput=null\n\
         StandardOutput=null\n\
         StandardError=journal\n\
         LogLevelMax=warning\n\
         WorkingDirectory=/\n\
         UMask=0077\n\
         \n\
         [Install]\n\
         WantedBy=sysinit.target\n"
    )
}

fn hook(binary: &Path) -> String {
    let binary = binary.display();
    format!(
        "#!/bin/sh\n\
         {MARK}\n\
         # Takes what the recorder has not yet written; ends within two seconds, always with success.\n\
         [ -x {binary} ] && [ ! -e /proc/vmcore ] || exit 0\n\
         {binary} seal --stage systemd-shutdown </dev/null >/dev/null 2>&1\n\
         exit 0\n"
    )
}

/// Whether `systemctl list-jobs` has a job that starts [`SHUTDOWN`]: `123 shutdown.target start waiting`. One that stops it
/// belongs to starting services, which conflict with it.
fn is_to_start(jobs: &str) -> bool {
    jobs.lines().any(|job| job.split_whitespace().skip(1).take(2).eq([SHUTDOWN, "start"]))
}

impl Init for Systemd {
    fn name(&self) -> &'static str {
        "systemd"
    }

    fn detect(&self, root: &Path) -> Option<Detected> {
        // What sd_booted(3) looks at, and nothing else: pid 1's executable may have any name (re-executed
        // from an initrd, replaced by an upgrade, run under an emulator).
        let booted = root.join("run/systemd/system").is_dir();
        booted.then(|| Detected { name: "systemd", version: version(root) })
    }

    fn plan(&self, root: &Path, layout: &Layout<'_>) -> Vec<Item> {
        plan(shutdown_dir(root), layout)
    }

    fn could_plan(&self, layout: &Layout<'_>) -> Vec<Item> {
        SHUTDOWN_DIRS.into_iter().flat_map(|dir| plan(dir, layout)).collect()
    }

    fn reload(&self, run: &mut dyn Run) -> Result<(), Error> {
        run.run(&["systemctl", "daemon-reload"])
    }

    fn start(&self, _layout: &Layout<'_>, run: &mut dyn Run) -> Result<(), Error> {
        // One that died too often is not started before that is forgotten (systemd.unit(5), StartLimitBurst=).
        self.forget(run);
        run.run(&["systemctl", "start", UNIT])
    }

    fn is_stopping(&self, run: &mut dyn Run) -> bool {
        match run.ask(&["systemctl", "is-system-running"]).as_str() {
            "stopping" => true,
            // In a boot that never was complete it says no more than this, to the end of its shutdown (manager_state() in
            // src/core/manager.c), for which the target below has been queued first of all.
            "initializing" | "starting" => {
                let queued = run.ask(&["systemctl", "list-jobs", "--no-legend", "--full", SHUTDOWN]);
                is_to_start(&queued) || run.ask(&["systemctl", "is-active", SHUTDOWN]) == "active"
            }
            _ => false,
        }
    }

    fn stop(&self, run: &mut dyn Run) {
        // One that was killed is started again seconds later, and where its unit is gone by then, that fails. It is no
        // error where there is nothing to stop.
        let _ = run.run(&["systemctl", "stop", UNIT]);
    }

    fn forget(&self, run: &mut dyn Run) {
        // It fails when there is nothing to forget.
        let _ = run.run(&["systemctl", "reset-failed", UNIT]);
    }

    fn promise(&self, layout: &Layout<'_>) -> Promise {
        let mut promise = Promise {
            recorded: vec![
                "from now through the shutdown, to the last hook of systemd-shutdown: stopping units, both kill sprees, unmounting"
                    .into(),
                "the next boot from sysinit.target on, until it settles".into(),
            ],
            missing: vec![
                "the few milliseconds after systemd-shutdown's last hook".into(),
                "the boot before systemd starts its first units (initrd)".into(),
            ],
        };
        if !layout.on_root {
            promise.recorded[0] = format!("from now until {} is unmounted", layout.dir.display());
            promise.missing[0] = format!(
                "the kill sprees and all that follows: {} is unmounted before them",
                layout.dir.display()
            );
        }
        promise
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{Noted, layout, leaves_no_trace},
        *,
    };

    #[test]
    fn what_is_installed_can_be_removed_without_a_trace() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("etc/systemd/system/sysinit.target.wants")).expect("made");
        let made = leaves_no_trace(&Systemd, root.path());
        let names: Vec<&str> = made.iter().filter_map(|entry| entry.split(' ').next()).collect();
        assert_eq!(
            names,
            [
                "etc/systemd/system/lastrites.service",
                "etc/systemd/system/sysinit.target.wants/lastrites.service",
                "usr/",
                "usr/lib/",
                "usr/lib/systemd/",
                "usr/lib/systemd/system-shutdown/",
                "usr/lib/systemd/system-shutdown/lastrites.shutdown",
            ]
        );
    }

    #[test]
    fn before_the_usr_merge_the_executable_goes_to_lib() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("lib/systemd")).expect("made");
        fs::write(root.path().join("lib/systemd/systemd-shutdown"), "").expect("written");
        assert_eq!(shutdown_dir(root.path()), "/lib/systemd/system-shutdown");
    }

    #[test]
    fn the_unit_keeps_out_of_the_shutdown() {
        let text = unit(&layout());
        for line in ["DefaultDependencies=no", "IgnoreOnIsolate=yes", "TimeoutStopSec=2s"] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        assert!(!text.contains("shutdown.target") && !text.contains("RequiresMountsFor"));
        let apart = unit(&Layout { on_root: false, ..layout() });
        assert!(apart.contains("RequiresMountsFor=/var/lib/lastrites\n"));
    }

    /// Killed for want of memory days before the shutdown, it stayed dead, and nobody was told.
    #[test]
    fn a_recorder_that_was_killed_comes_again_and_one_that_refuses_does_not() {
        let text = unit(&layout());
        let prevented = text.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
        let prevented: Vec<&str> = prevented.expect("a line").split(' ').collect();
        assert!(text.lines().any(|line| line == "Restart=on-failure"));
        let refusals = [
            Error::NotRoot { what: "x" },
            Error::failed("x", "y", "z"),
            Error::NotArmed,
            Error::Held { path: "/r".into(), pid: 1, since: String::new() },
        ];
        for error in refusals {
            assert!(prevented.contains(&error.exit_code().to_string().as_str()), "{error}");
        }
    }

    #[test]
    fn nothing_of_it_runs_in_a_kernel_that_kdump_started() {
        assert!(unit(&layout()).contains("\nConditionPathExists=!/proc/vmcore\n"));
        assert!(hook(layout().binary).contains("[ ! -e /proc/vmcore ] || exit 0"));
    }

    #[test]
    fn the_version_comes_from_the_library_that_pid_1_has_mapped() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("proc/1")).expect("made");
        fs::write(
            root.path().join("proc/1/maps"),
            "7f r-xp 0 0 0 /usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so\n",
        )
        .expect("written");
        assert_eq!(version(root.path()), "252");
        assert_eq!(Systemd.detect(root.path()), None, "not booted with it");
        fs::create_dir_all(root.path().join("run/systemd/system")).expect("made");
        assert_eq!(Systemd.detect(root.path()), Some(Detected { name: "systemd", version: "252".into() }));
    }

    /// What systemctl answers, by its first argument.
    struct Answers<'a>(&'a [(&'a str, &'a str)]);

    impl Run for Answers<'_> {
        fn run(&mut self, command: &[&str]) -> Result<(), Error> {
            panic!("{command:?}: it only asks")
        }

        fn ask(&mut self, command: &[&str]) -> String {
            let [_, asked, ..] = command else { panic!("{command:?}") };
            let answer = self.0.iter().find(|(question, _)| question == asked);
            answer.unwrap_or_else(|| panic!("{command:?}: nobody need ask")).1.to_owned()
        }
    }

    /// A boot that hung in a service was never complete; in its shutdown systemd said "starting", and the recorder that was
    /// started again in the middle of it stayed.
    #[test]
    fn a_shutdown_is_known_in_boots_that_never_were_complete_too() {
        let is_stopping = |running, jobs, active| {
            Systemd.is_stopping(&mut Answers(&[
                ("is-system-running", running),
                ("list-jobs", jobs),
                ("is-active", active),
            ]))
        };
        let queued = "1432 shutdown.target start waiting";
        for running in ["initializing", "starting"] {
            assert!(is_stopping(running, queued, "inactive"));
            assert!(is_stopping(running, "", "active"), "what hangs comes after it");
            for jobs in
                ["", "No jobs running.", "7 shutdown.target stop waiting", "8 a.service start running"]
            {
                assert!(!is_stopping(running, jobs, "inactive"), "{running} {jobs}");
            }
        }
        let asked_once = |running| Systemd.is_stopping(&mut Answers(&[("is-system-running", running)]));
        assert!(asked_once("stopping"));
        for running in ["running", "degraded", "maintenance", "offline", "unknown", ""] {
            assert!(!asked_once(running), "{running}");
        }
    }

    #[test]
    fn systemd_is_told_of_new_files_and_starts_the_unit() {
        let mut run = Noted::default();
        Systemd.reload(&mut run).expect("noted");
        Systemd.start(&layout(), &mut run).expect("noted");
        assert_eq!(
            run.0,
            [
                "systemctl daemon-reload",
                "systemctl reset-failed lastrites.service",
                "systemctl start lastrites.service"
            ],
            "after five deaths in a minute it would refuse"
        );
    }
}
