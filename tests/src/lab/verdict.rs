//! The verdict on a run: everything that a scenario asks of the recordings and of their stories.
//!
//! Invariant: it needs nothing but the files in the run's directory, so a run can be judged again without a guest.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    attachment,
    console::Console,
    error::{Error, Result},
    findings,
    judge::{self, Death},
    pattern::{self, Bound},
    phases,
    place::lab_dir,
    recording::{self, Recording},
    run::Outcome,
    scenario::Scenario,
    score::{self, Scores},
    testimony::Line,
    truth, waits,
};

/// The ring file, in the directory of a run.
pub const RING: &str = "ring.lrt";
/// What is known of the boots, likewise.
const BOOTS: &str = "boots.json";

/// One boot as it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Booted {
    pub boot_id: String,
    /// It went down by itself, so that its disks have to be clean.
    pub orderly: bool,
    /// So many events were said to be on the disk.
    pub events: u64,
}

/// Leaves in `dir` what is known of `boots`.
pub fn keep(dir: &Path, boots: &[Booted]) -> Result<()> {
    let path = dir.join(BOOTS);
    let text = serde_json::to_string(boots).map_err(|e| Error::file(&path, "make JSON of the boots", e))?;
    fs::write(&path, text).map_err(|e| Error::file(&path, "write it", e))
}

/// Judges the last run of `scenario` again, by the programs and the scenario as they are now.
pub fn judge_again(scenario: &Scenario, tell: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let dir = lab_dir(&scenario.name);
    let path = dir.join(BOOTS);
    let text = fs::read_to_string(&path)
        .map_err(|e| Error::file(&path, "read the last run", format!("{e}; `lab run` leaves it")))?;
    let boots: Vec<Booted> =
        serde_json::from_str(&text).map_err(|e| Error::file(&path, "understand the last run", e))?;
    let mut notes = Vec::new();
    let complaints = judge(scenario, &dir, &boots, &mut |text| {
        tell(text);
        notes.push(text.to_owned());
    })?;
    Ok(Outcome { dir, notes, complaints })
}

/// All complaints about the run whose files are in `dir`; what was compared is told to `note`.
pub fn judge(
    scenario: &Scenario,
    dir: &Path,
    boots: &[Booted],
    note: &mut dyn FnMut(&str),
) -> Result<Vec<String>> {
    let ring = dir.join(RING);
    let recordings = if ring.exists() { recording::read(&ring, dir)? } else { Vec::new() };
    let mut bench = Bench {
        scenario,
        boots,
        recordings: &recordings,
        note,
        complaints: Vec::new(),
        scores: BTreeMap::new(),
    };
    bench.chain();
    if let Some(boot) = scenario.boots_told_of().find(|boot| !(1..=boots.len()).contains(boot)) {
        bench.complain(boot, "the scenario wants something of its story, and there is no such boot");
    }
    for number in 1..=boots.len() {
        let said = log(dir, "witness", number)?;
        let testimony: Vec<Line> = said.lines().filter_map(Line::parse).collect();
        let heard = judge::deaths_heard(&testimony);
        let console = Console::new(log(dir, "console", number)?, &heard);
        bench.boot(number, &testimony);
        bench.told(number, &testimony, &heard, &console);
    }
    bench.wanted();
    bench.stories();
    bench.report(dir)?;
    score::keep(dir, &bench.scores)?;
    Ok(bench.complaints)
}

/// What was heard on a port in a boot.
fn log(dir: &Path, port: &str, number: usize) -> Result<String> {
    let path = dir.join(format!("{port}-{number}.log"));
    let said = fs::read(&path).map_err(|e| Error::file(&path, &format!("read the {port}"), e))?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

struct Bench<'a> {
    scenario: &'a Scenario,
    boots: &'a [Booted],
    recordings: &'a [Recording],
    note: &'a mut dyn FnMut(&str),
    complaints: Vec<String>,
    scores: Scores,
}

impl<'a> Bench<'a> {
    /// The recording of a boot.
    fn of(&self, boot: usize) -> Option<&'a Recording> {
        let id = self.boots.get(boot.wrapping_sub(1))?.boot_id.as_str();
        self.recordings.iter().find(|recording| recording.text("boot_id") == id)
    }

    fn complain(&mut self, boot: usize, what: impl AsRef<str>) {
        self.complaints.push(format!("boot {boot}: {}", what.as_ref()));
    }

    /// Each recording names the one before it.
    fn chain(&mut self) {
        for pair in self.recordings.windows(2) {
            if pair[1].text("previous") != pair[0].text("id") {
                self.complaints
                    .push(format!("a recording does not name the one before it: {}", pair[1].about));
            }
        }
    }

    /// The report that the guest made, for a stranger.
    fn report(&mut self, dir: &Path) -> Result<()> {
        let Some(wanted) = &self.scenario.report else { return Ok(()) };
        let text = |recording: &Recording| {
            let events = recording.events.iter().map(ToString::to_string);
            events.chain([recording.about.to_string()]).collect::<String>()
        };
        let original: Vec<String> = self.recordings.iter().map(text).collect();
        self.complaints.extend(attachment::judge(wanted, dir, &original)?);
        Ok(())
    }

    /// One boot against its witness.
    fn boot(&mut self, number: usize, testimony: &[Line]) {
        let (booted, recordings) = (&self.boots[number - 1], self.recordings);
        let there: Vec<&Recording> =
            recordings.iter().filter(|recording| recording.text("boot_id") == booted.boot_id).collect();
        if there.len() > 1 {
            self.complain(number, format!("it has {} recordings", there.len()));
        }
        let events = there.first().and_then(|recording| recording.about["events"].as_u64()).unwrap_or(0);
        if events < booted.events {
            self.complain(
                number,
                format!("{} events were on the disk, {events} were read back from it", booted.events),
            );
        }
        if self.scenario.unrecorded.contains(&number) && !there.is_empty() {
            self.complain(number, "it was not to be recorded");
        }
        if self.scenario.boot.get(number - 1).is_none_or(|boot| !boot.compare) {
            return;
        }
        for recording in there {
            let verdict = judge::compare(recording, testimony);
            (self.note)(&format!(
                "boot {number}: {} events, {} lost, ended {:?}; {} deaths and {} signals compared with the witness",
                recording.events.len(),
                recording.about["lost"],
                recording.text("end"),
                verdict.deaths,
                verdict.signals
            ));
            for complaint in verdict.complaints {
                self.complain(number, complaint);
            }
            self.truth(number, recording, testimony);
        }
    }

    /// The story of one boot's shutdown against its witness.
    fn truth(&mut self, number: usize, recording: &Recording, testimony: &[Line]) {
        let orderly = self.boots[number - 1].orderly;
        let Some(truth) = truth::compare(recording, testimony, orderly, &self.scenario.restarted) else {
            return;
        };
        for miss in truth.misses {
            let mut excuses = self.scenario.unknowable.iter();
            match excuses.find(|excuse| excuse.boot == number && excuse.about == miss.about) {
                Some(excuse) => (self.note)(&format!("boot {number}: {} ({})", miss.text, excuse.why)),
                None => self.complain(number, format!("the story: {}", miss.text)),
            }
        }
        self.scores.insert(number, truth.score);
    }

    /// The rest of one boot's story: what is found, its phases, and who was waited for.
    fn told(&mut self, number: usize, testimony: &[Line], heard: &[Death], console: &Console) {
        let (scenario, booted) = (self.scenario, &self.boots[number - 1]);
        let Some(recording) = self.of(number) else {
            if scenario.boots_told_of().any(|boot| boot == number) {
                self.complain(number, "there is no recording of it that could tell a story");
            }
            return;
        };
        let story = &recording.story;
        let last_ns = judge::covered(recording).map_or(0, |(_, to)| to);
        let cut = !booted.orderly && recording.text("end") == "no seal";
        let services = scenario.service.iter().map(|service| service.name.as_str()).collect();
        let known = findings::Known::new(
            number,
            &scenario.finding,
            &scenario.possible_finding,
            cut,
            services,
            heard,
            last_ns,
        );
        let found = findings::compare(story, &known);
        let orderly = booted.orderly;
        let (phases, mut wrong) =
            phases::compare(&phases::Known { recording, testimony, heard, console, orderly });
        wrong.extend(waits::compare(story, heard));
        wrong.extend(found.complaints);
        wrong.extend(scenario.phases.iter().filter(|wanted| wanted.boot == number).filter_map(|wanted| {
            let told = phases::names(story);
            (told != wanted.are)
                .then(|| format!("its phases are {}; told are {}", wanted.are.join(", "), told.join(", ")))
        }));
        let waited = scenario.waited.iter().filter(|wanted| wanted.boot == number);
        wrong.extend(waited.filter_map(|wanted| waits::missing(story, wanted)));
        for why in wrong {
            self.complain(number, format!("the story: {why}"));
        }
        let score = self.scores.entry(number).or_default();
        (score.findings, score.phases) = (found.tally, phases);
        let score = *score;
        if score == score::Score::default() {
            return;
        }
        for (what, tally) in score.tallies() {
            (self.note)(&format!("boot {number}: {what}: {}", tally.words()));
        }
        for headline in findings::headlines(story) {
            (self.note)(&format!("boot {number}: found: {headline}"));
        }
    }

    /// The recordings that must be there.
    fn wanted(&mut self) {
        for wanted in &self.scenario.recording {
            match self.of(wanted.boot) {
                None => self.complain(wanted.boot, "there is no recording of it"),
                Some(recording) if !pattern::matches(&wanted.is, &recording.about, &mut Bound::new()) => {
                    // What was lost says which hook to look at.
                    let lost = recording.events.iter().filter(|event| event["type"] == "lost");
                    let lost: Vec<String> = lost.map(ToString::to_string).collect();
                    self.complain(
                        wanted.boot,
                        format!(
                            "wanted {}, recorded is {}; lost: [{}]",
                            wanted.is,
                            recording.about,
                            lost.join(", ")
                        ),
                    );
                }
                Some(_) => {}
            }
        }
    }

    /// What the events must prove.
    fn stories(&mut self) {
        for story in &self.scenario.story {
            let Some(recording) = self.of(story.boot) else {
                self.complain(story.boot, "there is no recording of it");
                continue;
            };
            match judge::tell(recording, story) {
                Err(why) => self.complain(story.boot, why),
                Ok(places) => {
                    let events = places.iter().map(|&at| recording.events[at]["event"].clone()).collect();
                    (self.note)(&format!("told: {}  (events {})", story.says, Value::Array(events)));
                }
            }
        }
    }
}
