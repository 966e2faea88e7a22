//! A guest that runs: one qemu process.
//!
//! Invariant: it ends with its owner, by its own pid. A reset - which is how a reboot ends - ends qemu
//! (`-no-reboot`), and the next boot is another qemu on the same disks: so "it rebooted" is the end of a
//! process, not a guess from a console, and no boot can run into the next unseen.

use std::{
    os::{
        fd::AsRawFd as _,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{
    error::{Error, Result},
    serial::Serial,
};

/// For one wait. A guest that needs longer than this for anything hangs.
pub const LIMIT: Duration = Duration::from_secs(420);
/// From power on until the kernel runs its first program: seconds, where the emulator is well.
const BIRTH_LIMIT: Duration = Duration::from_secs(150);
/// What a kernel says when it does.
const BORN: &str = "Run /init as init process";

/// What to boot.
#[derive(Debug, Clone)]
pub struct Hardware {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    /// Appended to the kernel's command line.
    pub append: String,
    /// Becomes vda, vdb...
    pub disks: Vec<PathBuf>,
    pub memory_mib: u32,
    pub cpus: u32,
}

#[derive(Debug)]
pub struct Guest {
    child: Child,
    pub console: Serial,
    pub witness: Serial,
    agent: Serial,
    qmp: Serial,
    /// Where answers of the agent are read from next.
    answers: usize,
    pub boot_id: String,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Answer {
    pub status: i32,
    pub text: String,
}

/// Drivers that udev would load for this processor and that take an emulated one half a minute to no end.
const UNLOADED: &str = "kvm_amd,kvm_intel,kvm,powernow_k8,acpi_cpufreq,aesni_intel,cryptd,ghash_clmulni_intel,\
                        crct10dif_pclmul,crc32_pclmul,polyval_clmulni,sha1_ssse3,sha256_ssse3,sha512_ssse3";

/// Descriptor numbers in qemu of its ends of the four ports.
const FDS: [i32; 4] = [50, 51, 52, 53];

impl Guest {
    /// Starts it. Logs go to `dir`, named after the number of the boot.
    pub fn start(hardware: &Hardware, dir: &Path, boot: usize) -> Result<Self> {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in FDS {
            let (our, their) =
                UnixStream::pair().map_err(|e| Error::new(format!("no pair of sockets: {e}")))?;
            ours.push(our);
            theirs.push(their);
        }
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-name", "lastrites-lab", "-machine", "q35", "-accel", "tcg,thread=multi"]);
        // Without cx16, since guests were seen to panic with it; without la57, which costs a level of every
        // page walk. (Not without svm as well: then qemu tells the kernel a wrong width of addresses.)
        command.args(["-cpu", "max,-cx16,-la57", "-smp", &hardware.cpus.to_string()]);
        command.args(["-m", &hardware.memory_mib.to_string()]);
        command.args(["-display", "none", "-nodefaults", "-no-reboot", "-nic", "none"]);
        command.arg("-kernel").arg(&hardware.kernel).arg("-initrd").arg(&hardware.initrd);
        command.arg("-append").arg(format!(
            "root=/dev/vda rw console=ttyS0 panic=-1 modprobe.blacklist={UNLOADED} {}",
            hardware.append
        ));
        for disk in &hardware.disks {
            // What a power cut leaves is what the guest had handed over: the host's page cache stands
            // for the disk's platters, so nothing need be flushed further.
            command.arg("-drive").arg(format!("file={},format=raw,if=virtio,cache=unsafe", disk.display()));
        }
        for (name, fd) in ["console", "witness", "agent"].iter().zip(FDS) {
            command.arg("-chardev").arg(format!("socket,id={name},fd={fd}"));
            command.arg("-serial").arg(format!("chardev:{name}"));
        }
        command.arg("-chardev").arg(format!("socket,id=qmp,fd={}", FDS[3]));
        command.args(["-mon", "chardev=qmp,mode=control"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let errors = dir.join(format!("qemu-{boot}.log"));
        let errors_file =
            std::fs::File::create(&errors).map_err(|e| Error::file(&errors, "create the log", e))?;
        command.stderr(errors_file);
        let raw: Vec<i32> = theirs.iter().map(|stream| stream.as_raw_fd()).collect();
        let parent = std::process::id();
        // SAFETY: between fork and exec only system calls are made, on descriptors that are open.
        unsafe {
            command.pre_exec(move || {
                for (&from, to) in raw.iter().zip(FDS) {
                    if libc::dup2(from, to) < 0 {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                // A guest whose owner was killed must not stay behind.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::getppid() as u32 != parent {
                    return Err(std::io::Error::other("the owner is gone"));
                }
                Ok(())
            });
        }
        let child = command.spawn().map_err(|e| {
            Error::new(format!(
                "qemu-system-x86_64: cannot run it: {e}; `tests/run` installs it (qemu-system-x86)"
            ))
        })?;
        drop(theirs);
        let mut ours = ours.into_iter();
        let mut port = |name: &'static str| {
            let stream = ours.next().ok_or_else(|| Error::new("a port for each"))?;
            Serial::listen(name, stream, &dir.join(format!("{name}-{boot}.log")))
        };
        let guest = Self {
            child,
            console: port("console")?,
            witness: port("witness")?,
            agent: port("agent")?,
            qmp: port("qmp")?,
            answers: 0,
            boot_id: String::new(),
        };
        guest.qmp.send(r#"{"execute":"qmp_capabilities"}"#)?;
        Ok(guest)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is up and its agent listens.
    pub fn wait_up(&mut self) -> Result<()> {
        let born = |line: &str| line.contains(BORN).then_some(());
        self.console.wait(0, BIRTH_LIMIT, "the kernel to run anything", born).map_err(|e| self.explain(e))?;
        let hello = |line: &str| line.strip_prefix("@hello ").map(str::to_owned);
        let (boot_id, answers) = self
            .agent
            .wait(self.answers, LIMIT, "the guest to come up", hello)
            .map_err(|e| self.explain(e))?;
        self.boot_id = boot_id;
        self.answers = answers;
        Ok(())
    }

    /// Whether its kernel panicked or hung before it ran anything: the emulator's fault (kernels patch their own
    /// code and calibrate their clocks while the other processor waits for its turn on a busy machine), and
    /// nothing that the guest's disks could have part in.
    pub fn stillborn(&self) -> bool {
        !self.console.lines().iter().any(|line| line.contains(BORN))
    }

    /// Runs a shell command in it, to its end.
    pub fn run(&mut self, command: &str) -> Result<Answer> {
        self.begin(command)?;
        let mut text = String::new();
        let collect = |line: &str| {
            if let Some(output) = line.strip_prefix("| ") {
                text.push_str(output);
                text.push('\n');
            }
            line.strip_prefix("@exit ").and_then(|status| status.parse().ok())
        };
        let waited = self.agent.wait(self.answers, LIMIT, &format!("the end of {command:?}"), collect);
        let (status, answers) = waited.map_err(|e| self.explain(e))?;
        self.answers = answers;
        Ok(Answer { status, text })
    }

    /// Has it run a shell command, and does not wait for the answer: the machine may end before.
    pub fn begin(&self, command: &str) -> Result<()> {
        // The agent reads lines.
        self.agent.send(&command.replace('\n', "; "))
    }

    /// Waits until qemu has ended by itself.
    pub fn wait_end(&mut self) -> Result<()> {
        if !self.console.wait_end(LIMIT) {
            return Err(
                self.explain(Error::new(format!("waited {} s for the machine to end", LIMIT.as_secs())))
            );
        }
        self.child.wait().map(|_| ()).map_err(|e| Error::new(format!("qemu: cannot wait for it: {e}")))
    }

    /// The power goes, now.
    pub fn cut(&mut self) -> Result<()> {
        self.child.kill().map_err(|e| Error::new(format!("qemu: cannot kill it: {e}")))?;
        self.wait_end()
    }

    /// Somebody presses the reset button.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp.send(r#"{"execute":"system_reset"}"#)?;
        self.wait_end()
    }

    /// An error with what the console said last.
    pub fn explain(&self, error: Error) -> Error {
        Error::new(format!(
            "{error}\n--- console, last lines ---\n{}\n--- witness, last lines ---\n{}",
            self.console.tail(40),
            self.witness.tail(20)
        ))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail when it is gone already, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
