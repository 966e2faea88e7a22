//! The verdict on a run: everything that a scenario asks of the recordings and of their stories.
//!
//! Invariant: it needs nothing but the files in the run's directory, so a run can be judged again without a guest.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    attachment,
    error::{Error, Result},
    findings, judge,
    pattern::{self, Bound},
    place::lab_dir,
    recording::{self, Recording},
    run::Outcome,
    scenario::Scenario,
    score::{self, Scores},
    testimony::Line,
    truth,
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
    for number in 1..=boots.len() {
        let path = dir.join(format!("witness-{number}.log"));
        let said = fs::read(&path).map_err(|e| Error::file(&path, "read the witness", e))?;
        let said = String::from_utf8_lossy(&said);
        let testimony: Vec<Line> = said.lines().filter_map(Line::parse).collect();
        bench.boot(number, &testimony);
    }
    bench.wanted();
    bench.stories();
    bench.findings();
    bench.report(dir)?;
    score::keep(dir, &bench.scores)?;
    Ok(bench.complaints)
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
        let score = truth.score;
        for (what, tally) in
            [("deaths", score.deaths), ("services' ends", score.services), ("restarts", score.restarts)]
        {
            (self.note)(&format!("boot {number}: {what}: {}", tally.words()));
        }
        for miss in truth.misses {
            let mut excuses = self.scenario.unknowable.iter();
            match excuses.find(|excuse| excuse.boot == number && excuse.about == miss.about) {
                Some(excuse) => (self.note)(&format!("boot {number}: {} ({})", miss.text, excuse.why)),
                None => self.complain(number, format!("the story: {}", miss.text)),
            }
        }
        self.scores.insert(number, score);
        for headline in findings::headlines(&recording.story) {
            (self.note)(&format!("boot {number}: found: {headline}"));
        }
    }

    /// The recordings that must be there.
    fn wanted(&mut self) {
        for wanted in &self.scenario.recording {
            match self.of(wanted.boot) {
                None => self.complain(wanted.boot, "there is no recording of it"),
                Some(recording) if !pattern::matches(&wanted.is, &recording.about, &mut Bound::new()) => {
                    self.complain(
                        wanted.boot,
                        format!("wanted {}, recorded is {}", wanted.is, recording.about),
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

    /// What `lastrites explain` must find and must not.
    fn findings(&mut self) {
        let scenario = self.scenario;
        let boots = scenario.finding.iter().map(|wanted| wanted.boot);
        let boots = boots.chain(scenario.no_finding.iter().map(|never| never.boot));
        let mut silent: Vec<usize> = boots.filter(|boot| self.of(*boot).is_none()).collect();
        silent.dedup();
        for boot in silent {
            self.complain(boot, "there is no recording of it to find anything in");
        }
        for wanted in &scenario.finding {
            if let Some(why) =
                self.of(wanted.boot).and_then(|recording| findings::missing(&recording.story, wanted))
            {
                self.complain(wanted.boot, why);
            }
        }
        for never in &scenario.no_finding {
            if let Some(why) =
                self.of(never.boot).and_then(|recording| findings::unwanted(&recording.story, never))
            {
                self.complain(never.boot, why);
            }
        }
    }
}
