//! rc with init scripts that insserv orders, whichever init runs it.
//!
//! Invariant: the order comes from LSB headers alone. `lastrites` starts in rcS right behind
//! mountkernfs and has no stop script, so it goes down with the TERM of sendsigs.
//! `lastrites-seal` runs between umountfs and umountroot, while / is still writable;
//! `lastrites-last` after umountroot, directly before the reboot. None of them provides or requires
//! anything that another script could wait for.

use std::{fs, path::Path};

use super::{Item, Layout, MARK, Promise};
use crate::seal;

/// Whether the machine below `root` has an rc that runs init scripts in the order of their LSB headers. OpenRC puts one in its place
/// that does not: it orders services itself, and update-rc.d tells it of no script that runs in runlevels 0 and 6 alone.
pub fn is_there(root: &Path) -> bool {
    root.join(RC).exists() && !is_openrc(root)
}

/// Whether OpenRC runs the services of the machine below `root`, or will from its next shutdown on.
pub fn is_openrc(root: &Path) -> bool {
    let rc = fs::read_to_string(root.join(RC)).unwrap_or_default();
    let mut code = rc.lines().filter(|line| !line.trim_start().starts_with('#'));
    // Made by OpenRC at each boot (its init.sh), as `rc-status` looks for it.
    root.join("run/openrc").is_dir() || code.any(|line| line.contains("openrc"))
}

const RC: &str = "etc/init.d/rc";

/// An init script: `header` are its LSB lines, `verb` the argument it answers to.
fn script(name: &str, about: &str, header: &str, verb: &str, binary: &Path, command: &str) -> Item {
    let binary = binary.display();
    let text = format!(
        "#!/bin/sh\n\
         ### BEGIN INIT INFO\n\
         # Provides:          {name}\n\
         {header}\
         # Short-Description: {about}\n\
         ### END INIT INFO\n\
         {MARK}\n\
         [ \"$1\" = {verb} ] || exit 0\n\
         # Not while kdump writes down the memory of a kernel that crashed: that takes all there is.\n\
         [ -x {binary} ] && [ ! -e /proc/vmcore ] || exit 0\n\
         {binary} {command} </dev/null >/dev/null 2>&1\n\
         exit 0\n"
    );
    Item::File { path: format!("/etc/init.d/{name}").into(), mode: 0o755, text }
}

/// The scripts to create, and to register once they are there.
pub fn plan(layout: &Layout<'_>) -> Vec<Item> {
    let start = if layout.on_root { "mountkernfs" } else { "$local_fs" };
    let mut items = vec![
        script(
            "lastrites",
            "Flight recorder of shutdown and boot",
            &format!(
                "# Required-Start:    {start}\n\
                 # Required-Stop:\n\
                 # X-Start-Before:    checkroot\n\
                 # Default-Start:     S\n\
                 # Default-Stop:\n"
            ),
            "start",
            layout.binary,
            "record --boot --detach",
        ),
        Item::Script("lastrites".into()),
    ];
    if !layout.on_root {
        if let Some(Item::File { text, .. }) = items.first_mut() {
            *text = text.replace("# X-Start-Before:    checkroot\n", "");
        }
        return items;
    }
    items.extend([
        script(
            "lastrites-seal",
            "Write the rest of the recording while / is writable",
            "# Required-Start:\n\
             # Required-Stop:     umountroot\n\
             # X-Stop-After:      umountfs\n\
             # Default-Start:\n\
             # Default-Stop:      0 6\n",
            "stop",
            layout.binary,
            &format!("seal --stage {}", seal::STILL_WRITABLE),
        ),
        Item::Script("lastrites-seal".into()),
        script(
            "lastrites-last",
            "End the recording",
            "# Required-Start:\n\
             # Required-Stop:\n\
             # Should-Stop:       reboot halt kexec\n\
             # X-Stop-After:      umountroot\n\
             # Default-Start:\n\
             # Default-Stop:      0 6\n",
            "stop",
            layout.binary,
            "seal --stage umountroot",
        ),
        Item::Script("lastrites-last".into()),
    ]);
    items
}

/// What they see to.
pub fn promise(layout: &Layout<'_>) -> Promise {
    let mut promise = Promise {
        recorded: vec![
            "from now through runlevel 0 or 6, to the last script before the reboot: rc, sendsigs, umountfs, umountroot".into(),
            "the next boot from the first scripts of rcS on, until it settles".into(),
        ],
        missing: vec!["what the last script does: the reboot command itself".into()],
    };
    if !layout.on_root {
        let dir = layout.dir.display();
        promise.recorded[0] = format!("from now until sendsigs, and what comes before {dir} is unmounted");
        promise.missing =
            vec![format!("everything from sendsigs' TERM on: {dir} is not on the root file system")];
    }
    promise
}

#[cfg(test)]
mod tests {
    use super::{super::tests::layout, *};

    #[test]
    fn nothing_of_it_runs_in_a_kernel_that_kdump_started() {
        for item in plan(&layout()) {
            if let Item::File { text, .. } = item {
                assert!(text.contains("[ ! -e /proc/vmcore ] || exit 0\n/var"), "{text}");
            }
        }
    }

    #[test]
    fn a_ring_on_a_file_system_of_its_own_is_started_later_and_has_no_seal() {
        let items = plan(&Layout { on_root: false, ..layout() });
        assert_eq!(items.len(), 2);
        let Item::File { text, .. } = &items[0] else { panic!("a script comes first") };
        assert!(text.contains("$local_fs") && !text.contains("X-Start-Before"), "{text}");
    }
}
