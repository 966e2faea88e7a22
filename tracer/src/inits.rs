//! The inits: how each one starts our drainer at boot and runs our seal last of all.
//!
//! Invariant: an [`Init`] only *plans*; [`install`] creates what is planned and [`remove`] takes away
//! what the armed file lists, nothing else. Every installed file is harmless when the tracer or the
//! armed file is missing. Another init is one new file here with an entry in [`known`].

mod rc;
mod systemd;
mod sysvinit;
mod unknown;
mod upstart;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{error::Error, kernel, own, place, state::Made};

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What each file begins with that is installed, behind its interpreter and header: by that it is known as ours.
pub const MARK: &str = "# Installed by `lastrites arm`; `lastrites disarm` removes it.";

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

/// Starts the drainer without the init's help.
pub fn start_detached(layout: &Layout<'_>, run: &mut dyn Run) -> Result<(), Error> {
    let binary = layout.binary.to_string_lossy();
    run.run(&[&binary, "record", "--boot", "--detach"])
}

/// Runs other people's programs; tests look on instead.
pub trait Run {
    fn run(&mut self, command: &[&str]) -> Result<(), Error>;

    /// What a program says, whatever it ends with.
    fn ask(&mut self, command: &[&str]) -> String;
}

/// Runs them for real.
#[derive(Debug, Default)]
pub struct RealRun;

impl Run for RealRun {
    fn run(&mut self, command: &[&str]) -> Result<(), Error> {
        let what = command.join(" ");
        let next = "see what it says when run by hand, or disarm";
        let output = output(command).map_err(|error| Error::failed(&what, error, next))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::failed(what, format!("it ended with {}: {}", output.status, said.trim()), next))
    }

    fn ask(&mut self, command: &[&str]) -> String {
        let said = output(command).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn output(command: &[&str]) -> io::Result<Output> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        // `su` may leave root with a user's PATH, which lacks /usr/sbin.
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
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

/// `path`, which the running machine sees as absolute, below `root`.
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What `items` will leave behind, in order of creation, with the directories they need.
pub fn listing(root: &Path, items: &[Item]) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    for item in items {
        let (path, entry) = match item {
            Item::File { path, .. } => (path, Made::File(path.clone())),
            Item::Link { path, .. } => (path, Made::Link(path.clone())),
            Item::Script(name) => {
                made.push(Made::Script(name.clone()));
                continue;
            }
        };
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|p| !below(root, p).exists()).collect();
        for dir in missing.into_iter().rev() {
            let dir = Made::Dir(dir.to_owned());
            if !made.contains(&dir) {
                made.push(dir);
            }
        }
        made.push(entry);
    }
    made
}

/// Creates `items` below `root`.
pub fn install(root: &Path, items: &[Item], run: &mut dyn Run) -> Result<(), Error> {
    for item in items {
        match item {
            Item::File { path, mode, text } => {
                let at = below(root, path);
                write_file(&at, *mode, text).map_err(|e| {
                    Error::file(at, "install a hook", e, "make this file system writable, then arm again")
                })?;
            }
            Item::Link { path, target } => {
                let at = below(root, path);
                make_link(&at, target).map_err(|e| {
                    Error::file(at, "install a hook", e, "make this file system writable, then arm again")
                })?;
            }
            Item::Script(name) => run.run(&["update-rc.d", name, "defaults"])?,
        }
    }
    Ok(())
}

fn write_file(at: &Path, mode: u32, text: &str) -> io::Result<()> {
    match at.parent().map_or(Ok(()), own::make_dirs).and_then(|()| own::write(at, mode, text.as_bytes())) {
        Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem && serves(at, text) => Ok(()),
        done => done,
    }
}

/// Whether the file `at` does what `text` would do there: one of ours, if of an earlier version, that calls the same copy of the tracer.
/// An arming that had another place may have left one.
fn serves(at: &Path, text: &str) -> bool {
    let there = fs::read_to_string(at).unwrap_or_default();
    is_ours(at) && copies(&there).eq(&copies(text))
}

/// Whether the file `at` is one of ours and calls this copy of the tracer.
pub fn calls(at: &Path, binary: &Path) -> bool {
    let there = fs::read_to_string(at).unwrap_or_default();
    is_ours(at) && copies(&there).into_iter().any(|copy| Path::new(copy) == binary)
}

/// The copies of the tracer that a file names.
fn copies(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == '=');
    words.filter(|word| word.starts_with('/') && Path::new(word).ends_with(place::BINARY_NAME)).collect()
}

/// Whether the file `at` is one that arming has installed.
fn is_ours(at: &Path) -> bool {
    fs::read_to_string(at).unwrap_or_default().lines().any(|line| line == MARK)
}

/// Takes away from `items` the hook of the seal if it is not there, or is one for another place, and cannot be made, since its file
/// system is read-only, and says which that is: all else works without.
pub fn give_up_seal(root: &Path, items: &mut Vec<Item>) -> Option<PathBuf> {
    let is_in_vain = |item: &Item| match item {
        Item::File { path, text, .. } if is_seal(path) => {
            let at = below(root, path);
            let there = at.ancestors().find(|at| at.exists()).unwrap_or(root);
            !serves(&at, text) && own::is_read_only(there)
        }
        _ => false,
    };
    let given_up = items.iter().position(is_in_vain).map(|at| items.remove(at));
    if let Some(Item::File { path, .. }) = given_up { Some(path) } else { None }
}

/// Whether this file that arming makes is what an init runs last of all.
pub fn is_seal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "shutdown")
}

fn make_link(at: &Path, target: &Path) -> io::Result<()> {
    at.parent().map_or(Ok(()), own::make_dirs)?;
    own::link(at, target)
}

/// Takes away what `made` lists, last first. Goes on after a failure; the first one is returned. What stays because its file system
/// is read-only is none, for without the tracer's copy and an armed file it does nothing: whoever removes those says so
/// ([`stays`]).
pub fn remove(root: &Path, made: &[Made], run: &mut dyn Run) -> Result<Vec<PathBuf>, Error> {
    let mut first = Ok(());
    let mut kept = Vec::new();
    for entry in made.iter().rev() {
        let done = match entry {
            // The tool wants the script's file gone before it forgets its links: see below.
            Made::Script(_) => Ok(()),
            // The probe's pins go first: see `arm::clean_up`.
            Made::Mount(_) => Ok(()),
            Made::File(path) | Made::Link(path) => {
                let at = below(root, path);
                match own::remove(&at).and_then(|()| own::remove_unfinished(&at)) {
                    Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                        kept.push(at);
                        Ok(())
                    }
                    done => done.map_err(|e| {
                        Error::file(
                            at,
                            "remove what arming installed",
                            e,
                            "make it writable, then disarm again",
                        )
                    }),
                }
            }
            Made::Dir(path) => {
                // A directory that others use by now stays.
                let _ = fs::remove_dir(below(root, path));
                Ok(())
            }
        };
        if first.is_ok() {
            first = done;
        }
    }
    for entry in made.iter().rev() {
        if let Made::Script(name) = entry {
            let done = run.run(&["update-rc.d", name, "remove"]);
            if first.is_ok() {
                first = done;
            }
        }
    }
    first.map(|()| kept)
}

/// What is said of what could not be removed, once nothing is armed any more.
pub fn stays(path: &Path) -> String {
    format!(
        "{} stays, since its file system is read-only; it does nothing any more, and `lastrites disarm` removes it once that is writable",
        path.display()
    )
}

/// Whether arming makes `made` on any machine, under any init, of this version: nothing else that an
/// armed file lists is removed. What a version once made stays known here.
pub fn could_have_made(made: &Made) -> bool {
    let mut items = Vec::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in place::DIRS.map(Path::new) {
        let binary = dir.join(place::BINARY_NAME);
        for on_root in [true, false] {
            let layout = Layout { binary: &binary, dir, on_root };
            items.extend(known().iter().flat_map(|init| init.could_plan(&layout)));
        }
        files.push(binary);
    }
    let mut links: Vec<PathBuf> = Vec::new();
    let mut scripts = Vec::new();
    for item in items {
        match item {
            Item::File { path, .. } => files.push(path),
            Item::Link { path, .. } => links.push(path),
            Item::Script(name) => scripts.push(name),
        }
    }
    // By their letters: a path that leads elsewhere on the way is another one.
    let is = |path: &Path, known: &Path| path.as_os_str() == known.as_os_str();
    match made {
        Made::File(path) => files.iter().any(|known| is(path, known)),
        Made::Link(path) => links.iter().any(|known| is(path, known)),
        Made::Dir(path) => {
            files.iter().chain(&links).any(|known| known.ancestors().skip(1).any(|dir| is(path, dir)))
        }
        Made::Script(name) => scripts.contains(name),
        Made::Mount(path) => is(path, Path::new(kernel::BPFFS)),
    }
}

/// What of all that arming makes, under any init, is there below `root` and is ours by its own words: for who disarms and finds
/// no armed file. Directories stay.
pub fn strays(root: &Path) -> Vec<Made> {
    let mut strays = Vec::new();
    for dir in place::DIRS.map(Path::new) {
        let binary = dir.join(place::BINARY_NAME);
        let layouts = [true, false].map(|on_root| Layout { binary: &binary, dir, on_root });
        let items = layouts.iter().flat_map(|layout| known().map(|init| init.could_plan(layout))).flatten();
        let mut found = vec![Made::File(binary.clone())];
        found.retain(|_| below(root, &binary).is_file());
        for item in items {
            found.extend(match item {
                Item::File { path, .. } => is_ours(&below(root, &path)).then_some(Made::File(path)),
                Item::Link { path, target } => {
                    let to = fs::read_link(below(root, &path));
                    to.is_ok_and(|to| to == target).then_some(Made::Link(path))
                }
                Item::Script(name) => {
                    let ours = found.iter().any(|made| made.name().ends_with(&name));
                    let gone = !root.join("etc/init.d").join(&name).exists();
                    (ours || gone && is_registered(root, &name)).then_some(Made::Script(name))
                }
            });
        }
        for made in found {
            if !strays.contains(&made) {
                strays.push(made);
            }
        }
    }
    strays
}

/// Whether rc has links to the init script `name`.
fn is_registered(root: &Path, name: &str) -> bool {
    let levels = ["0", "1", "2", "3", "4", "5", "6", "S"];
    let dirs = levels.iter().filter_map(|level| fs::read_dir(root.join(format!("etc/rc{level}.d"))).ok());
    dirs.flatten().flatten().any(|entry| {
        let entry = entry.file_name().into_string().unwrap_or_default();
        // `S01name`, `K01name`.
        entry.get(3..) == Some(name)
    })
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
pub mod tests {
    use super::*;

    /// Notes what would have been run.
    #[derive(Debug, Default)]
    pub struct Noted(pub Vec<String>);

    impl Run for Noted {
        fn run(&mut self, command: &[&str]) -> Result<(), Error> {
            self.0.push(command.join(" "));
            Ok(())
        }

        fn ask(&mut self, command: &[&str]) -> String {
            self.0.push(command.join(" "));
            String::new()
        }
    }

    pub fn layout() -> Layout<'static> {
        Layout {
            binary: Path::new("/var/lib/lastrites/lastrites-tracer"),
            dir: Path::new("/var/lib/lastrites"),
            on_root: true,
        }
    }

    /// Every path below `root`, with its mode or target and its contents.
    pub fn tree(root: &Path) -> Vec<String> {
        use std::os::unix::fs::PermissionsExt as _;
        let mut out = Vec::new();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).expect("readable").flatten() {
                let path = entry.path();
                let meta = fs::symlink_metadata(&path).expect("there");
                let name = path.strip_prefix(root).expect("below").display().to_string();
                if meta.is_dir() {
                    out.push(format!("{name}/"));
                    dirs.push(path);
                } else if meta.is_symlink() {
                    out.push(format!("{name} -> {}", fs::read_link(&path).expect("a link").display()));
                } else {
                    let text = fs::read_to_string(&path).expect("text");
                    out.push(format!("{name} {:o} {text}", meta.permissions().mode() & 0o7777));
                }
            }
        }
        out.sort();
        out
    }

    /// Installs and removes, and checks that nothing is left of it, also when done twice over.
    pub fn leaves_no_trace(init: &dyn Init, root: &Path) -> Vec<String> {
        let before = tree(root);
        let items = init.plan(root, &layout());
        let made = listing(root, &items);
        let mut run = Noted::default();
        install(root, &items, &mut run).expect("installed");
        let after = tree(root);
        install(root, &items, &mut run).expect("installed again");
        assert_eq!(tree(root), after, "installing twice is installing once");
        remove(root, &made, &mut run).expect("removed");
        assert_eq!(tree(root), before);
        remove(root, &made, &mut run).expect("removed again");
        assert!(made.iter().all(could_have_made), "all of it may be removed: {made:?}");
        // A half-finished installation, cut after any item or in the middle of the next one's file, goes
        // away as completely.
        for cut in 0..=items.len() {
            install(root, &items[..cut], &mut run).expect("installed in part");
            if let Some(Item::File { path, .. }) = items.get(cut) {
                let at = below(root, path);
                own::make_dirs(at.parent().expect("not the root")).expect("made");
                fs::write(at.with_file_name(own::TEMPORARY), "half").expect("written");
            }
            remove(root, &made, &mut run).expect("removed");
            assert_eq!(tree(root), before);
        }
        after.into_iter().filter(|entry| !before.contains(entry)).collect()
    }

    /// Hooks that no armed file listed any more stayed for good: `disarm` said that it was not armed.
    #[test]
    fn what_no_armed_file_lists_is_found_and_only_what_is_ours() {
        for init in known() {
            let root = tempfile::tempdir().expect("a directory");
            fs::create_dir_all(root.path().join("etc/init.d")).expect("made");
            assert_eq!(strays(root.path()), []);
            let items = init.plan(root.path(), &layout());
            let mut run = Noted::default();
            install(root.path(), &items, &mut run).expect("installed");
            let found = strays(root.path());
            assert_eq!(found.len(), items.len(), "{}: {found:?}", init.name());
            assert!(found.iter().all(could_have_made), "{found:?}");
            remove(root.path(), &found, &mut run).expect("removed");
            assert_eq!(strays(root.path()), []);
            // The same names, by somebody else.
            for item in &items {
                match item {
                    Item::File { path, .. } => {
                        write_file(&below(root.path(), path), 0o755, "#!/bin/sh\n").expect("written");
                    }
                    Item::Link { path, .. } => {
                        make_link(&below(root.path(), path), Path::new("/theirs")).expect("linked");
                    }
                    Item::Script(_) => {}
                }
            }
            assert_eq!(strays(root.path()), [], "{}", init.name());
        }
        let root = tempfile::tempdir().expect("a directory");
        for path in
            ["var/lib/lastrites/lastrites-tracer", "etc/rc6.d/K01lastrites-seal", "etc/rcS.d/S01lastrites2"]
        {
            write_file(&root.path().join(path), 0o700, "").expect("written");
        }
        assert_eq!(
            strays(root.path()),
            [Made::File("/var/lib/lastrites/lastrites-tracer".into()), Made::Script("lastrites-seal".into())]
        );
    }

    #[test]
    fn a_directory_that_others_came_to_use_is_left() {
        let root = tempfile::tempdir().expect("a directory");
        let items = [Item::File { path: "/a/b/c".into(), mode: 0o644, text: "x".into() }];
        let made = listing(root.path(), &items);
        assert_eq!(made, [Made::Dir("/a".into()), Made::Dir("/a/b".into()), Made::File("/a/b/c".into())]);
        install(root.path(), &items, &mut Noted::default()).expect("installed");
        fs::write(root.path().join("a/theirs"), "").expect("written");
        remove(root.path(), &made, &mut Noted::default()).expect("removed");
        assert_eq!(tree(root.path()), ["a/", "a/theirs 644 "]);
    }

    #[test]
    fn a_package_version_is_read_without_epoch_and_revision() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("made");
        fs::write(
            root.path().join("var/lib/dpkg/status"),
            "Package: sysv\nVersion: 1\n\nPackage: sysvinit-core\nStatus: x\nVersion: 1:3.06-4\n",
        )
        .expect("written");
        assert_eq!(package_version(root.path(), "sysvinit-core").as_deref(), Some("3.06"));
        assert_eq!(package_version(root.path(), "runit"), None);
    }
}
