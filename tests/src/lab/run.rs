//! Running a scenario from its first boot to the verdict.
//!
//! Invariant: what a run leaves behind is in its directory, is enough to see what happened, and is
//! replaced by the next run. Disks stay only when it failed.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use super::{
    attachment,
    disk::{Disk, Put},
    error::{Error, Result},
    guest::{Guest, Hardware},
    image::{Image, Lock},
    packages,
    place::{lab_dir, program},
    scenario::{Cut, Scenario, Step, Try},
    services,
    testimony::Line,
    verdict::{self, Booted},
};

/// Where a guest may have its ring file.
const RINGS: [&str; 2] = ["/var/lib/lastrites/ring.lrt", "/.lastrites/ring.lrt"];

/// So often a boot is tried that the emulator spoils.
const STILLBORN: usize = 4;

/// A guest's disks, ready to boot.
#[derive(Debug)]
pub struct Prepared {
    pub dir: PathBuf,
    pub hardware: Hardware,
    disks: Vec<Disk>,
    /// Nobody else runs this scenario meanwhile.
    _lock: Lock,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub dir: PathBuf,
    /// What was seen, a line each, for people.
    pub notes: Vec<String>,
    /// What should not be so.
    pub complaints: Vec<String>,
}

/// Makes the disks of `scenario` and puts everything into them.
pub fn prepare(scenario: &Scenario) -> Result<Prepared> {
    let image = Image::get(&scenario.image)?;
    let (kernel, initrd) = image.kernel(scenario.kernel.as_deref())?;
    let dir = lab_dir(&scenario.name);
    let fail = |e| Error::file(&dir, "prepare the directory of the run", e);
    let lock = dir.with_extension("lock");
    fs::create_dir_all(lock.parent().unwrap_or(&dir)).map_err(fail)?;
    let lock = Lock::take(&lock)?;
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(fail)?;
    }
    fs::create_dir_all(&dir).map_err(fail)?;
    let dir = fs::canonicalize(&dir).map_err(fail)?;
    let disk = Disk::copy(&image.disk(), &dir.join("vda.img"))?;
    let mut puts = services::plan(scenario, image.init, &disk)?;
    let witness = program("witness")?;
    for name in ["lab-agent", "lab-coroner"] {
        puts.push(Put::program(format!("/usr/sbin/{name}"), &witness));
    }
    for service in &scenario.service {
        puts.push(Put::program(format!("/usr/sbin/{}", service.name), &witness));
    }
    if scenario.packages {
        puts.extend(packages::puts(&dir)?);
    } else {
        for name in ["lastrites", "lastrites-tracer"] {
            puts.push(Put::program(format!("/usr/local/bin/{name}"), &program(name)?));
        }
    }
    disk.put(&puts)?;
    let mut disks = vec![disk];
    for (number, extra) in scenario.disk.iter().enumerate() {
        let path = dir.join(format!("vd{}.img", char::from(b'b' + u8::try_from(number).unwrap_or(0))));
        let moved = dir.join("moved");
        if extra.moved {
            disks[0].take_dir(&extra.mount, &moved)?;
        }
        disks.push(Disk::create(&path, extra.size_mib, extra.moved.then_some(moved.as_path()))?);
        if extra.moved {
            fs::remove_dir_all(&moved).map_err(fail)?;
        }
    }
    let hardware = Hardware {
        kernel,
        initrd,
        append: scenario.append.clone(),
        disks: disks.iter().map(|disk| disk.path.clone()).collect(),
        memory_mib: scenario.memory_mib,
        cpus: scenario.cpus,
    };
    Ok(Prepared { dir, hardware, disks, _lock: lock })
}

/// Boots it and waits until it is up.
pub fn start(prepared: &Prepared, boot: usize, append: &str) -> Result<Guest> {
    let mut hardware = prepared.hardware.clone();
    hardware.append = format!("{} {append}", hardware.append);
    let mut tries = 0;
    loop {
        let mut guest = Guest::start(&hardware, &prepared.dir, boot)?;
        let up = guest.wait_up();
        tries += 1;
        match up {
            Err(_) if guest.stillborn() && tries < STILLBORN => {
                println!(
                    "the kernel ended or hung before it ran anything; once more: {}",
                    guest.console.tail(1)
                );
            }
            up => return up.map(|()| guest),
        }
    }
}

/// Runs `scenario`. An error is a run that could not be finished; what is wrong with a finished one is in
/// the outcome. `tell` hears of every step.
pub fn run(scenario: &Scenario, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let begun = Instant::now();
    let prepared = prepare(scenario)?;
    let where_it_is =
        |e: Error| Error::new(format!("{e}\nthe guest's files are in {}", prepared.dir.display()));
    let mut run = Run { prepared: &prepared, begun, tell, notes: Vec::new() };
    let mut boots = Vec::new();
    for number in 1..=scenario.boot.len() {
        boots.push(run.boot(scenario, number).map_err(where_it_is)?);
    }
    run.take_ring(scenario, &boots).map_err(where_it_is)?;
    if let Some(report) = &scenario.report {
        let to = prepared.dir.join(attachment::REPORT);
        prepared.disks[0].take(&report.path, &to).map_err(where_it_is)?;
    }
    verdict::keep(&prepared.dir, &boots)?;
    let complaints =
        verdict::judge(scenario, &prepared.dir, &boots, &mut |text| run.note(text)).map_err(where_it_is)?;
    let notes = run.notes;
    if complaints.is_empty() {
        for disk in &prepared.disks {
            fs::remove_file(&disk.path).map_err(|e| Error::file(&disk.path, "remove it", e))?;
        }
    }
    Ok(Outcome { dir: prepared.dir.clone(), notes, complaints })
}

struct Run<'a> {
    prepared: &'a Prepared,
    begun: Instant,
    tell: &'a mut dyn FnMut(&str),
    notes: Vec<String>,
}

impl Run<'_> {
    fn note(&mut self, text: impl AsRef<str>) {
        let line = format!("{:6.1} s  {}", self.begun.elapsed().as_secs_f64(), text.as_ref());
        (self.tell)(&line);
        self.notes.push(line);
    }

    /// One boot, from power on to power off.
    fn boot(&mut self, scenario: &Scenario, number: usize) -> Result<Booted> {
        let script = &scenario.boot[number - 1];
        let mut guest = start(self.prepared, number, &script.append)?;
        self.note(format!("boot {number} is up, qemu {}", guest.pid()));
        if number == 1 {
            for command in services::registrations(scenario) {
                self.try_command(&mut guest, &Try::plain(&command))?;
            }
        }
        let mut at = Heard::default();
        let mut ended = None;
        for step in &script.steps {
            if ended.is_some() {
                return Err(Error::new(format!(
                    "boot {number} has ended already, and there is {step:?} to do"
                )));
            }
            ended = self.step(&mut guest, step, &mut at)?;
        }
        let Some(orderly) = ended else {
            return Err(Error::new(format!(
                "the steps of boot {number} do not end it: add reboot, poweroff, cut or reset"
            )));
        };
        if orderly {
            for disk in &self.prepared.disks {
                disk.check_clean().map_err(|e| guest.explain(e))?;
            }
            self.note("its file systems are clean");
        }
        Ok(Booted { boot_id: guest.boot_id.clone(), orderly, events: at.events })
    }

    /// Takes a step. When it ended the machine: whether in good order.
    fn step(&mut self, guest: &mut Guest, step: &Step, at: &mut Heard) -> Result<Option<bool>> {
        match step {
            Step::Run(command) => self.try_command(guest, &Try::plain(command))?,
            Step::Try(more) => self.try_command(guest, more)?,
            Step::Witness(wanted) => {
                let is = |line: &str| Line::parse(line).filter(|line| line.is(wanted));
                let (line, next) = guest
                    .witness
                    .wait(at.witness, super::guest::LIMIT, &format!("{wanted:?}"), is)
                    .map_err(|e| guest.explain(e))?;
                at.witness = next;
                self.note(format!("witness: {} {} {} {}", line.name, line.pid, line.word, line.rest));
            }
            Step::Console(wanted) => {
                let is = |line: &str| line.contains(wanted.as_str()).then(|| line.to_owned());
                let (line, next) = guest
                    .console
                    .wait(at.console, super::guest::LIMIT, &format!("{wanted:?}"), is)
                    .map_err(|e| guest.explain(e))?;
                at.console = next;
                self.note(format!("console: {}", line.trim()));
            }
            Step::Gone(path) => self.try_command(guest, &Try::plain(&format!("@gone {path}")))?,
            Step::Count(_) => {
                at.events = count(guest)?;
                self.note(format!("{} events are on the disk", at.events));
            }
            Step::Begin(command) => {
                self.note(format!("# {command} &"));
                guest.begin(command)?;
            }
            Step::Reboot(command) => {
                self.go_down(guest, command, "reboot: Restarting system")?;
                return Ok(Some(true));
            }
            Step::Poweroff(command) => {
                self.go_down(guest, command, "reboot: Power down")?;
                return Ok(Some(true));
            }
            Step::Cut(cut) => {
                self.cut(guest, cut)?;
                return Ok(Some(false));
            }
            Step::Reset(_) => {
                guest.reset()?;
                self.note("reset");
                return Ok(Some(false));
            }
        }
        Ok(None)
    }

    fn go_down(&mut self, guest: &mut Guest, command: &str, last_words: &str) -> Result<()> {
        if !command.is_empty() {
            self.note(format!("# {command}"));
            guest.begin(command)?;
        }
        let begun = Instant::now();
        guest.wait_end()?;
        self.note(format!("the machine went down in {:.1} s", begun.elapsed().as_secs_f64()));
        let lines = guest.console.lines();
        if lines.iter().any(|line| line.contains("Kernel panic")) {
            return Err(guest.explain(Error::new("the kernel panicked")));
        }
        if !lines.iter().any(|line| line.contains(last_words)) {
            return Err(
                guest.explain(Error::new(format!("the machine ended without {last_words:?} on its console")))
            );
        }
        Ok(())
    }

    fn cut(&mut self, guest: &mut Guest, cut: &Cut) -> Result<()> {
        let [from, to] = cut.after_ms;
        if to > 0 {
            let seed = seed();
            let after_ms = from + seed % (to - from + 1);
            self.note(format!("the power goes in {after_ms} ms (LASTRITES_LAB_SEED={seed})"));
            // The moment itself is what is tested; the machine may end before it.
            guest.console.wait_end(Duration::from_millis(after_ms));
        }
        guest.cut()?;
        self.note("the power is gone");
        Ok(())
    }

    fn try_command(&mut self, guest: &mut Guest, wanted: &Try) -> Result<()> {
        let begun = Instant::now();
        let answer = guest.run(&wanted.run)?;
        self.note(format!("# {} -> {} ({:.1} s)", wanted.run, answer.status, begun.elapsed().as_secs_f64()));
        for line in answer.text.lines().take(30) {
            self.note(format!("    {line}"));
        }
        let wrong = |what: String| {
            guest.explain(Error::new(format!(
                "`{}` in the guest {what}; it said:\n{}",
                wanted.run, answer.text
            )))
        };
        if answer.status != wanted.exit {
            return Err(wrong(format!("exited with {}, not {}", answer.status, wanted.exit)));
        }
        if let Some(missing) = wanted.says.iter().find(|text| !answer.text.contains(text.as_str())) {
            return Err(wrong(format!("does not say {missing:?}")));
        }
        if let Some(bad) = wanted.never_says.iter().find(|text| answer.text.contains(text.as_str())) {
            return Err(wrong(format!("says {bad:?}")));
        }
        if let Some(name) = &wanted.keep {
            let path = self.prepared.dir.join(name);
            fs::write(&path, &answer.text).map_err(|e| Error::file(&path, "keep what was said", e))?;
        }
        Ok(())
    }

    /// Takes the ring file out, if there is one.
    fn take_ring(&mut self, scenario: &Scenario, boots: &[Booted]) -> Result<()> {
        let ring = self.prepared.dir.join(verdict::RING);
        for disk in &self.prepared.disks {
            if boots.last().is_some_and(|boot| !boot.orderly) {
                disk.repair()?;
            }
        }
        for disk in &self.prepared.disks {
            // On a disk of its own the path begins below the mount point.
            let places = RINGS.iter().copied().chain(["/lib/lastrites/ring.lrt"]);
            for path in scenario.ring.as_deref().into_iter().chain(places) {
                if disk.has(path)? {
                    return disk.take(path, &ring);
                }
            }
        }
        Ok(())
    }
}

/// How many events the recorder says are on the disk, once it says so: early in a boot it may be on its way.
fn count(guest: &mut Guest) -> Result<u64> {
    let until = Instant::now() + super::guest::LIMIT;
    loop {
        let said = guest.run("lastrites status --json")?.text;
        let status: Value = serde_json::from_str(said.trim())
            .map_err(|e| Error::new(format!("`lastrites status --json` is no JSON: {e}: {said}")))?;
        match status["events"].as_u64() {
            Some(events) if events > 0 => return Ok(events),
            _ if Instant::now() > until => {
                return Err(guest.explain(Error::new(format!("nothing comes to the disk: {status}"))));
            }
            _ => {}
        }
    }
}

/// How far a boot's ports were listened to.
#[derive(Debug, Default)]
struct Heard {
    console: usize,
    witness: usize,
    events: u64,
}

impl Try {
    fn plain(command: &str) -> Self {
        Self { run: command.to_owned(), exit: 0, says: Vec::new(), never_says: Vec::new(), keep: None }
    }
}

/// A number that nobody knows before, or the one of a run that is to be repeated.
fn seed() -> u64 {
    std::env::var("LASTRITES_LAB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) / 1000
    })
}
