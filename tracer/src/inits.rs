//! The inits: how each one starts our drainer at boot and runs our seal last of all.
//!
//! Invariant: an [`Init`] only *plans*; [`install`] creates what is planned and [`remove`] takes away
//! what the armed file lists, nothing else. Every installed file is harmless when the tracer or the
//! armed file is missing.
//!
//! Another init is one new file here, with its tests, and an entry in [`known`]: it implements [`Init`], and nothing else knows it.
//! What all have in common is beside them: `files` makes and removes what is planned, `ours` knows what any of them could have
//! made, `run` starts programs.

mod files;
mod ours;
mod rc;
mod run;
mod systemd;
mod sysvinit;
mod unknown;
mod upstart;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::error::Error;

pub use files::{below, calls, give_up_seal, install, is_seal, listing, remove, stays};
pub use ours::{MARK, could_have_made, strays};
pub use run::{PATH, RealRun, Run, start_detached};

/// What pid 1 is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    pub name: &'static str,
    /// Empty when it could not be found out.
    pub version: String,
}

/// What the hooks refer to.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// The tracer's copy beside the ring file.
    pub binary: &'a Path,
    /// Directory of the ring file.
    pub dir: &'a Path,
    /// The directory stays mounted until the last hook.
    pub on_root: bool,
}

/// Something to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    File {
        path: PathBuf,
        mode: u32,
        text: String,
    },
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    /// The init script of this name is to be registered once its file is there.
    Script(String),
}

/// What will be on the recording, in sentences for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promise {
    pub recorded: Vec<String>,
    pub missing: Vec<String>,
}

impl Promise {
    /// Where `hook` cannot be installed.
    pub fn without_seal(&mut self, hook: &Path) {
        let kept = format!(
            "the kill sprees and all that follows: {} cannot be installed, since its file system is read-only; make that writable, \
             arm again, and make it read-only again",
            hook.display()
        );
        for (said, instead) in [
            (&mut self.recorded, "from now until the shutdown kills every process".to_owned()),
            (&mut self.missing, kept),
        ] {
            match said.first_mut() {
                Some(first) => *first = instead,
                None => said.push(instead),
            }
        }
    }
}

pub trait Init {
    fn name(&self) -> &'static str;

    /// Whether pid 1 of the machine below `root` is this one, and which version.
    fn detect(&self, root: &Path) -> Option<Detected>;

    /// The files to create, absolute as the running machine sees them.
    fn plan(&self, root: &Path, layout: &Layout<'_>) -> Vec<Item>;

    /// All that it plans on one machine or another.
    fn could_plan(&self, layout: &Layout<'_>) -> Vec<Item> {
        self.plan(Path::new("/"), layout)
    }

    /// Makes the init notice that files came or went.
    fn reload(&self, _run: &mut dyn Run) -> Result<(), Error> {
        Ok(())
    }

    /// Starts the drainer now, as the next boot would.
    fn start(&self, layout: &Layout<'_>, run: &mut dyn Run) -> Result<(), Error> {
        start_detached(layout, run)
    }

    /// Whether the machine is going down, where the init can be asked.
    fn is_stopping(&self, _run: &mut dyn Run) -> bool {
        false
    }

    /// Ends a drainer that is still there, and keeps the init from starting one again. There need be none.
    fn stop(&self, _run: &mut dyn Run) {}

    /// Forgets how a drainer has ended, once its files are gone.
    fn forget(&self, _run: &mut dyn Run) {}

    /// What this init is told by its configuration and no event shows: pairs for the session record.
    fn settings(&self, _root: &Path) -> Vec<(String, String)> {
        Vec::new()
    }

    fn promise(&self, layout: &Layout<'_>) -> Promise;
}

/// Every init we know, the most specific first, the one that fits all last.
pub fn known() -> [&'static dyn Init; 4] {
    [&systemd::Systemd, &upstart::Upstart, &sysvinit::Sysvinit, &unknown::Unknown]
}

/// The init of the machine below `root`.
pub fn detect(root: &Path) -> (&'static dyn Init, Detected) {
    known()
        .into_iter()
        .find_map(|init| init.detect(root).map(|detected| (init, detected)))
        .unwrap_or((&unknown::Unknown, Detected { name: "unknown", version: String::new() }))
}

/// What is known of an init that has no file here.
pub fn unknown_as(version: &str) -> String {
    if version == unknown::OPENRC {
        return "services are run by OpenRC, which is recorded and not yet known well enough to be asked for anything".to_owned();
    }
    format!("pid 1 is `{version}`, which is not known")
}

pub fn by_name(name: &str) -> &'static dyn Init {
    known().into_iter().find(|init| init.name() == name).unwrap_or(&unknown::Unknown)
}

/// What pid 1 executes, or where only root may know that, what it is called: not always the same, but good enough for who only
/// looks. None where not even that can be seen.
fn pid1_exe(root: &Path) -> Option<PathBuf> {
    let comm = || fs::read_to_string(root.join("proc/1/comm")).ok().map(|comm| comm.trim_end().into());
    fs::read_link(root.join("proc/1/exe")).ok().or_else(comm)
}

/// Version of a Debian package, without its Debian revision, as dpkg's database has it.
fn package_version(root: &Path, package: &str) -> Option<String> {
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).ok()?;
    let head = format!("Package: {package}");
    let paragraph = status.split("\n\n").find(|p| p.lines().next() == Some(&head))?;
    let version = paragraph.lines().find_map(|line| line.strip_prefix("Version: "))?;
    let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    Some(upstream.split_once(':').map_or(upstream, |(_, rest)| rest).to_owned())
}

#[cfg(test)]
pub mod tests;
