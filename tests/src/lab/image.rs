//! Guest images: real Debians, built by mmdebstrap from a small definition and kept outside the repository.
//!
//! Invariant: an image's directory is named after a hash of all that made it, is built under a lock and
//! renamed into place whole; nothing ever writes to it afterwards. Runs work on copies.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use super::{
    error::{Error, Result, output},
    place::{cache_dir, definitions_dir},
};

/// Counted up when the way of building changes.
const RECIPE: u32 = 3;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    Sysvinit,
    Systemd,
}

/// `lab/images/NAME.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    /// For people.
    #[serde(rename = "about")]
    _about: String,
    suite: String,
    init: Init,
    /// Further suites that packages may come from.
    #[serde(default)]
    more_suites: Vec<String>,
    /// Package names, or apt patterns.
    packages: Vec<String>,
    /// Beginning of the kernel version that is booted unless a scenario wants another.
    kernel: String,
    size_mib: u64,
    /// A shell script, run in the image when all packages are there.
    #[serde(default)]
    setup: String,
}

/// A built image.
#[derive(Debug, Clone)]
pub struct Image {
    pub dir: PathBuf,
    pub init: Init,
    kernel: String,
}

/// What every image is given, whatever it is: a name, a root file system to check, no first boot.
const COMMON: &str = r#"
echo db7 >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 db7\n' >/etc/hosts
echo '/dev/vda / ext4 errors=remount-ro 0 1' >/etc/fstab
echo 5eed5eed5eed5eed5eed5eed5eed5eed >/etc/machine-id
passwd -d root
# At boot udev looks at the devices that somebody waits for: with all of them, and the drivers for them, an emulated
# machine is busy for half a minute.
few='--subsystem-match=block --subsystem-match=net'
mkdir -p /etc/systemd/system/systemd-udev-trigger.service.d
cat >/etc/systemd/system/systemd-udev-trigger.service.d/lab.conf <<END
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=all --action=add $few
ExecStart=-udevadm trigger --action=add /sys/class/tty/ttyS0
END
if [ -e /etc/init.d/udev ]; then
    sed -i "s/udevadm trigger --type=[a-z]* --action=add/& $few/" /etc/init.d/udev
    grep -q -e "$few" /etc/init.d/udev
fi
# Looks for snapshots of LVM.
ln -s /dev/null /etc/systemd/system/e2scrub_reap.service
"#;

/// Runs in an image's initrd, and makes that initrd in the image.
const INIT: &str = include_str!("../../lab/initrd/init");
const INITRD: &str = include_str!("../../lab/initrd/build.sh");

impl Image {
    /// Finds image `name`, building it if need be, which takes minutes.
    pub fn get(name: &str) -> Result<Self> {
        let path = definitions_dir().join(format!("{name}.toml"));
        let text =
            fs::read_to_string(&path).map_err(|e| Error::file(&path, "read the image's definition", e))?;
        let definition: Definition =
            toml::from_str(&text).map_err(|e| Error::file(&path, "understand the image's definition", e))?;
        let mut hasher = DefaultHasher::new();
        (RECIPE, COMMON, INIT, INITRD, &text).hash(&mut hasher);
        let dir = cache_dir().join(format!("{name}-{:016x}", hasher.finish()));
        let image = Self { dir, init: definition.init, kernel: definition.kernel.clone() };
        fs::create_dir_all(cache_dir()).map_err(|e| Error::file(&cache_dir(), "create the cache", e))?;
        let _lock = Lock::take(&cache_dir().join(format!("{name}.lock")))?;
        if !image.dir.exists() {
            build(name, &definition, &image.dir)?;
        }
        Ok(image)
    }

    /// Every definition there is.
    pub fn names() -> Result<Vec<String>> {
        names_in(&definitions_dir())
    }

    pub fn disk(&self) -> PathBuf {
        self.dir.join("disk.img")
    }

    /// Kernel and initrd of the newest version that begins with `wanted`, or of the usual one.
    pub fn kernel(&self, wanted: Option<&str>) -> Result<(PathBuf, PathBuf)> {
        let wanted = wanted.unwrap_or(&self.kernel);
        let fail = |e| Error::file(&self.dir, "look for kernels", e);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
            if let Some(version) = name.strip_prefix("vmlinuz-") {
                found.push(version.to_owned());
            }
        }
        found.sort();
        let version = found.iter().rfind(|version| version.starts_with(wanted)).ok_or_else(|| {
            Error::new(format!("{}: no kernel {wanted}: there are {}", self.dir.display(), found.join(", ")))
        })?;
        Ok((self.dir.join(format!("vmlinuz-{version}")), self.dir.join(format!("initrd.img-{version}"))))
    }
}

/// The names of the TOML files in `dir`, sorted.
pub fn names_in(dir: &Path) -> Result<Vec<String>> {
    let fail = |e| Error::file(dir, "list it", e);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if let Some(stem) = name.strip_suffix(".toml") {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A lock between processes that goes with its file descriptor, even when its owner is killed.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] fs::File);

impl Lock {
    pub fn take(path: &Path) -> Result<Self> {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| Error::file(path, "open the lock", e))?;
        // SAFETY: takes a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(Error::file(path, "take the lock", std::io::Error::last_os_error()));
        }
        Ok(Self(file))
    }
}

/// The mirror of Debian proper that this machine's own apt uses.
fn mirror() -> Result<String> {
    let targets = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(CODENAME) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let mirrors = targets.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (origin, codename, uri) = (words.next()?, words.next()?, words.next()?);
        (origin == "Debian" && !codename.ends_with("-security")).then(|| uri.to_owned())
    });
    mirrors.min().ok_or_else(|| {
        Error::new(
            "this machine's apt knows no mirror of Debian to build guests from: run `apt-get update`, or add one to its sources",
        )
    })
}

fn build(name: &str, definition: &Definition, to: &Path) -> Result<()> {
    eprintln!("lab: building image {name}: {} MiB of Debian {}", definition.size_mib, definition.suite);
    let scratch = to.with_extension("new");
    remove_tree(&scratch)?;
    let result = build_in(definition, &scratch)
        .and_then(|()| fs::rename(&scratch, to).map_err(|e| Error::file(to, "put the image into place", e)));
    if result.is_err() {
        // It may still hold mounts of mmdebstrap's: then it stays for people to look at.
        let _ = remove_tree(&scratch);
    }
    result
}

fn remove_tree(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::file(dir, "remove it", e)),
        _ => Ok(()),
    }
}

fn build_in(definition: &Definition, scratch: &Path) -> Result<()> {
    let root = scratch.join("root");
    fs::create_dir_all(scratch).map_err(|e| Error::file(scratch, "create it", e))?;
    let setup = scratch.join("setup");
    fs::write(&setup, format!("set -e\n{COMMON}\n{INITRD}\n{}", definition.setup))
        .map_err(|e| Error::file(&setup, "write it", e))?;
    let init = scratch.join("init");
    fs::write(&init, INIT).map_err(|e| Error::file(&init, "write it", e))?;
    let mirror = mirror()?;
    let suites = std::iter::once(&definition.suite).chain(&definition.more_suites);
    let sources =
        suites.map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n")).collect::<String>();
    let list = scratch.join("sources.list");
    fs::write(&list, sources).map_err(|e| Error::file(&list, "write it", e))?;
    let hook = format!(
        r#"cp '{}' "$1/lab-init" && cp '{}' "$1/lab-setup" && chroot "$1" /bin/sh /lab-setup && rm "$1/lab-setup""#,
        init.display(),
        setup.display()
    );
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", "--format=directory", "--quiet"]);
    command.args(["--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Retries \"5\""]);
    command.arg(format!("--aptopt=APT::Default-Release \"{}\"", definition.suite));
    for path in ["doc", "man", "locale", "info"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    command.arg(format!("--include={}", definition.packages.join(",")));
    command.arg(format!("--customize-hook={hook}"));
    command.arg(&definition.suite).arg(&root).arg(&list);
    output(command.env("LC_ALL", "C.UTF-8"))?;
    take_kernels(&root.join("boot"), scratch)?;
    let disk = scratch.join("disk.img");
    output(
        Command::new("mkfs.ext4")
            // What older kernels do not know is left out; all inodes are written now rather than by
            // a kernel thread in the guest.
            .args(["-q", "-F", "-L", "root", "-O", "^orphan_file,^metadata_csum_seed"])
            .args(["-E", "lazy_itable_init=0,lazy_journal_init=0", "-d"])
            .arg(&root)
            .arg(&disk)
            .arg(format!("{}M", definition.size_mib)),
    )?;
    remove_tree(&root)
}

fn take_kernels(boot: &Path, to: &Path) -> Result<()> {
    let fail = |e| Error::file(boot, "take the kernels out", e);
    for entry in fs::read_dir(boot).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let taken = match text.strip_prefix("lab-initrd-") {
            Some(version) => format!("initrd.img-{version}"),
            None if text.starts_with("vmlinuz-") => text.into_owned(),
            None => continue,
        };
        fs::copy(entry.path(), to.join(taken)).map_err(fail)?;
    }
    Ok(())
}
