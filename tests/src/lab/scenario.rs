//! A scenario: a small file that says what is in a guest, what is done to it, and what must be true of
//! the recording.
//!
//! `like = "NAME"` takes everything from another scenario that the file does not say itself.
//!
//! Invariant: reading is strict; a word that is not understood is an error, never something left out.

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use super::{
    error::{Error, Result},
    image::names_in,
    place::scenarios_dir,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    #[serde(skip)]
    pub name: String,
    /// The story in a sentence or two, for people.
    pub about: String,
    /// Name of the image.
    pub image: String,
    /// Beginning of the kernel's version, where it is not the image's usual one.
    pub kernel: Option<String>,
    /// Appended to the kernel's command line.
    #[serde(default)]
    pub append: String,
    #[serde(default = "usual_memory")]
    pub memory_mib: u32,
    /// Processors. One makes an emulated machine spend less on waiting for another; the probe's buffers are per
    /// processor, so both kinds are tested.
    #[serde(default = "usual_cpus")]
    pub cpus: u32,
    /// Ids of entries of the image's inittab that are moved in front of those that run rc.
    #[serde(default)]
    pub early: Vec<String>,
    /// Further entries of the inittab, in front of those that run rc.
    #[serde(default)]
    pub inittab: Vec<String>,
    /// Further disks: vdb, vdc...
    #[serde(default)]
    pub disk: Vec<ExtraDisk>,
    /// lastrites is not installed: its package lies in /root/lastrites.deb, a newer one in /root/lastrites-next.deb.
    #[serde(default)]
    pub packages: bool,
    #[serde(default)]
    pub service: Vec<Service>,
    /// Files put into the guest before its first boot.
    #[serde(default)]
    pub file: Vec<File>,
    pub boot: Vec<Boot>,
    /// Where the ring file is in the end, where it is not where arming puts it.
    pub ring: Option<String>,
    /// A report that was made in the guest.
    pub report: Option<WantedReport>,
    /// What must be true of the recordings as a whole.
    #[serde(default)]
    pub recording: Vec<Wanted>,
    /// What must have happened, in this order; and what must not.
    #[serde(default)]
    pub story: Vec<Story>,
    /// What `lastrites explain` must find. Whatever else it finds, in whatever boot, is wrong.
    #[serde(default)]
    pub finding: Vec<WantedFinding>,
    /// What it may find or not: it depends on how fast the machine is, or on when it is cut off.
    #[serde(default)]
    pub possible_finding: Vec<PossibleFinding>,
    /// Phases of a shutdown, where more is known of them than what every shutdown of that init is held against.
    #[serde(default)]
    pub phases: Vec<WantedPhases>,
    /// Who must have been waited for.
    #[serde(default)]
    pub waited: Vec<WantedWait>,
    /// Programs besides the lab's own that are restarted in a shutdown: the witness hears nothing of them.
    #[serde(default)]
    pub restarted: Vec<String>,
    /// Where the witness and the story may differ, and why.
    #[serde(default)]
    pub unknowable: Vec<Unknowable>,
    /// Boots (from 1) of which no recording may be there.
    #[serde(default)]
    pub unrecorded: Vec<usize>,
    /// The boot whose recording becomes a sample in traces/samples, and under which name.
    pub sample: Option<Sample>,
}

fn usual_cpus() -> u32 {
    2
}

fn usual_memory() -> u32 {
    768
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExtraDisk {
    /// Where the guest mounts it; a line of its fstab is made of it.
    pub mount: String,
    pub size_mib: u64,
    #[serde(default = "usual_options")]
    pub options: String,
    /// What the root file system has there moves to it.
    #[serde(default)]
    pub moved: bool,
}

fn usual_options() -> String {
    "defaults".into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    pub path: String,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub executable: bool,
    /// Only root may read it.
    #[serde(default)]
    pub private: bool,
}

/// A witness, and who looks after it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    pub name: String,
    pub role: String,
    /// More of its command line.
    #[serde(default)]
    pub options: String,
    /// `id:levels:action`: an entry of inittab.
    pub inittab: Option<String>,
    /// The entry goes behind those that run rc, not before.
    #[serde(default)]
    pub late: bool,
    /// An init script with start-stop-daemon, with these LSB lines besides the usual ones.
    pub sysv: Option<String>,
    /// A service directory of runit.
    #[serde(default)]
    pub runit: bool,
    /// A unit, with these lines in its `[Service]` section.
    pub systemd: Option<String>,
    /// Lines for the unit's `[Unit]` section.
    #[serde(default)]
    pub unit: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Boot {
    #[serde(rename = "do")]
    pub steps: Vec<Step>,
    /// Appended to the kernel's command line, this time.
    #[serde(default)]
    pub append: String,
    /// The witness's word is compared with the recording (unless nothing is recorded).
    #[serde(default = "yes")]
    pub compare: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A shell command in the guest; it must succeed.
    Run(String),
    /// The same, with more to say about it.
    Try(Try),
    /// Waits for the witness to say this: `NAME words...`, or the beginning of it.
    Witness(String),
    /// Waits for a line of the console that contains this.
    Console(String),
    /// Waits until the guest has no such file, without executing anything in it.
    Gone(String),
    /// Asks how many events are on the disk; so many at least must be in the recording of this boot.
    Count(bool),
    /// Starts a shell command whose answer is not waited for.
    Begin(String),
    /// The same, after which the machine must reboot by itself.
    Reboot(String),
    /// The same, after which it must power itself off.
    Poweroff(String),
    /// The power goes.
    Cut(Cut),
    /// The reset button.
    Reset(bool),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Try {
    pub run: String,
    /// Exit status.
    #[serde(default)]
    pub exit: i32,
    /// What it must say, somewhere in its output.
    #[serde(default)]
    pub says: Vec<String>,
    #[serde(default)]
    pub never_says: Vec<String>,
    /// The output is kept in a file of this name beside the logs.
    pub keep: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cut {
    /// At a moment between these, chosen by a seed that is printed and that LASTRITES_LAB_SEED sets.
    #[serde(default)]
    pub after_ms: [u64; 2],
}

/// A recording that must be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Number of the boot, from 1.
    pub boot: usize,
    /// A pattern for the `recording` object.
    pub is: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    pub boot: usize,
    /// The sentence that the events prove.
    pub says: String,
    /// Patterns for events.
    #[serde(default)]
    pub events: Vec<Value>,
    /// Patterns that no event may match, with the names that `events` bound.
    #[serde(default)]
    pub never: Vec<Value>,
}

/// What must be true of a report, for somebody on another machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedReport {
    /// Where the guest has it.
    pub path: String,
    /// What `explain` must say of it.
    pub says: Vec<String>,
    /// What the recording holds and nothing of the report may.
    pub planted: Vec<String>,
    /// What neither of them may hold.
    #[serde(default)]
    pub unrecorded: Vec<String>,
}

/// A finding that must be there. Several of the same rule about the same process are one finding that says all of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WantedFinding {
    pub boot: usize,
    /// Id of its rule.
    pub is: String,
    /// Name of one of its processes; without it, it may be about anybody, or about nobody.
    pub about: Option<String>,
    /// A part of its headline, of one of its steps, or of its advice.
    #[serde(default)]
    pub says: String,
    /// What none of these may contain.
    #[serde(default)]
    pub never_says: Vec<String>,
    /// Names of processes that it may name besides.
    #[serde(default)]
    pub with: Vec<String>,
}

/// A finding that is true if it is there, and that need not be there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PossibleFinding {
    pub boot: usize,
    pub is: String,
    /// Name of one of its processes.
    pub about: String,
    /// On what it depends; for people.
    pub why: String,
}

/// The phases of a shutdown, all of them, in this order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedPhases {
    pub boot: usize,
    pub are: Vec<String>,
}

/// Somebody who was waited for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedWait {
    pub boot: usize,
    /// Name of the process.
    #[serde(rename = "for")]
    pub name: String,
    /// Until the end: nobody else was left to wait for.
    #[serde(default)]
    pub last: bool,
}

/// What the witness cannot know, or only thinks it knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknowable {
    pub boot: usize,
    /// Name of the process.
    pub about: String,
    /// For people.
    pub why: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    pub boot: usize,
    pub name: String,
}

impl Scenario {
    pub fn load(name: &str) -> Result<Self> {
        let path = scenarios_dir().join(format!("{name}.toml"));
        let text = fs::read_to_string(&path).map_err(|e| {
            let names = Self::names().unwrap_or_default().join(", ");
            Error::file(&path, "read the scenario", format!("{e}; there are {names}"))
        })?;
        let fail = |e: toml::de::Error| Error::file(&path, "understand the scenario", e);
        let mut table: toml::Table = toml::from_str(&text).map_err(fail)?;
        if let Some(toml::Value::String(other)) = table.remove("like") {
            let path = scenarios_dir().join(format!("{other}.toml"));
            let text = fs::read_to_string(&path).map_err(|e| Error::file(&path, "read the scenario", e))?;
            let mut whole: toml::Table = toml::from_str(&text).map_err(fail)?;
            whole.remove("sample");
            whole.extend(table);
            table = whole;
        }
        let mut scenario: Self = table.try_into().map_err(fail)?;
        scenario.name = name.to_owned();
        Ok(scenario)
    }

    /// The boots of whose stories something is said.
    pub fn boots_told_of(&self) -> impl Iterator<Item = usize> {
        let findings = self.finding.iter().map(|wanted| wanted.boot);
        let possible = self.possible_finding.iter().map(|possible| possible.boot);
        let phases = self.phases.iter().map(|wanted| wanted.boot);
        findings.chain(possible).chain(phases).chain(self.waited.iter().map(|wanted| wanted.boot))
    }

    pub fn names() -> Result<Vec<String>> {
        names_in(&scenarios_dir())
    }
}
