//! How well stories agree with the witness: counts, precision and recall.
//!
//! Invariant: `right` is never more than `told` or `truly`; what could not be known to the witness is in none of them.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Result},
    place::lab_dir,
    scenario::Scenario,
};

/// Name of the file in a run's directory.
const FILE: &str = "score.json";

/// How often something was told, how often it truly happened, and how often both agree in all that is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub told: usize,
    pub truly: usize,
    pub right: usize,
}

impl Tally {
    /// Of what was told, what is true.
    pub fn precision(self) -> Option<f64> {
        ratio(self.right, self.told)
    }

    /// Of what is true, what was told.
    pub fn recall(self) -> Option<f64> {
        ratio(self.right, self.truly)
    }

    fn add(&mut self, other: Self) {
        self.told += other.told;
        self.truly += other.truly;
        self.right += other.right;
    }

    /// `12 told, 12 true, precision 100 %, recall 100 %`.
    pub fn words(self) -> String {
        let Self { told, truly, .. } = self;
        if told + truly == 0 {
            return "none told, none true".into();
        }
        format!(
            "{told} told, {truly} true, precision {}, recall {}",
            percent(self.precision()),
            percent(self.recall())
        )
    }

    fn cells(self) -> String {
        let Self { told, truly, .. } = self;
        format!("{told} | {truly} | {} | {}", percent(self.precision()), percent(self.recall()))
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Rounded down: 100 % is all of them.
fn percent(ratio: Option<f64>) -> String {
    match ratio {
        None => "-".into(),
        Some(ratio) if ratio >= 1.0 => "100 %".into(),
        Some(ratio) => format!("{:.1} %", (ratio * 1000.0).floor() / 10.0),
    }
}

/// What is compared of one boot, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Score {
    /// Deaths of all processes in the shutdown: pid and status.
    pub deaths: Tally,
    /// Ends of services: the verdict, who told it to stop, who killed it.
    pub services: Tally,
    /// What took the place of what, and who had it started.
    pub restarts: Tally,
    /// Findings, against what the scenario knows to be true; without those that are true of any guest of the lab.
    pub findings: Tally,
    /// Phases: which, by what event, and whether at a time that the witness and the console allow.
    pub phases: Tally,
}

impl Score {
    /// What is compared, and how it came out.
    pub fn tallies(self) -> [(&'static str, Tally); 5] {
        let Self { deaths, services, restarts, findings, phases } = self;
        [
            ("deaths", deaths),
            ("services' ends", services),
            ("restarts", restarts),
            ("findings", findings),
            ("phases", phases),
        ]
    }

    fn add(&mut self, other: Self) {
        self.deaths.add(other.deaths);
        self.services.add(other.services);
        self.restarts.add(other.restarts);
        self.findings.add(other.findings);
        self.phases.add(other.phases);
    }
}

/// Scores by number of the boot.
pub type Scores = BTreeMap<usize, Score>;

/// Leaves `scores` in the directory of their run.
pub fn keep(dir: &Path, scores: &Scores) -> Result<()> {
    let path = dir.join(FILE);
    let text = serde_json::to_string(scores).map_err(|e| Error::file(&path, "make JSON of the scores", e))?;
    fs::write(&path, text).map_err(|e| Error::file(&path, "write it", e))
}

/// The scores of the last runs as a Markdown table; scenarios that were not run, or compare nothing, are not in it.
pub fn table() -> Result<String> {
    let mut all = Score::default();
    let columns = all.tallies().len();
    let heads = all.tallies().map(|(what, _)| format!(" {what} told | true | precision | recall |")).concat();
    let mut out = format!("| scenario |{heads}\n|---|{}\n", "--:|--:|--:|--:|".repeat(columns));
    let mut row = |name: &str, score: Score| {
        let cells = score.tallies().map(|(_, tally)| format!(" {} |", tally.cells())).concat();
        out.push_str(&format!("| {name} |{cells}\n"));
    };
    for name in Scenario::names()? {
        let path = lab_dir(&name).join(FILE);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let scores: Scores =
            serde_json::from_str(&text).map_err(|e| Error::file(&path, "understand the scores", e))?;
        let mut sum = Score::default();
        scores.values().for_each(|score| sum.add(*score));
        if sum != Score::default() {
            row(&name, sum);
            all.add(sum);
        }
    }
    row("**all**", all);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_is_all_of_them() {
        let tally = Tally { told: 2000, truly: 1999, right: 1999 };
        assert_eq!(tally.words(), "2000 told, 1999 true, precision 99.9 %, recall 100 %");
        assert_eq!(Tally::default().words(), "none told, none true");
        assert_eq!(Tally { told: 0, truly: 1, right: 0 }.cells(), "0 | 1 | - | 0.0 %");
    }
}
