//! What `lastrites explain` finds in a boot, against what is true of it.
//!
//! Invariant: it is closed. What is found and neither listed by the scenario, nor declared possible by it, nor true of
//! any guest of the lab, is wrong; so a clean shutdown is met with silence.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    judge::{Death, EDGE_NS},
    scenario::{PossibleFinding, WantedFinding},
    score::Tally,
};

/// The rule about a machine that did not go down in good order.
const NO_END: &str = "no-end";

/// What is known of one boot.
#[derive(Debug)]
pub struct Known<'a> {
    pub wanted: Vec<WantedFinding>,
    pub possible: Vec<&'a PossibleFinding>,
    /// Names of the lab's services: what is found about them depends on the scenario alone.
    pub services: Vec<&'a str>,
    /// Deaths, as the coroner heard of them.
    pub heard: &'a [Death],
    /// Time of the last event.
    pub last_ns: u64,
}

impl<'a> Known<'a> {
    /// `cut`: the machine did not go down by itself, and its recording breaks off. That has to be found, whatever the
    /// scenario lists.
    pub fn new(
        boot: usize,
        wanted: &[WantedFinding],
        possible: &'a [PossibleFinding],
        cut: bool,
        services: Vec<&'a str>,
        heard: &'a [Death],
        last_ns: u64,
    ) -> Self {
        let mut wanted: Vec<WantedFinding> =
            wanted.iter().filter(|wanted| wanted.boot == boot).cloned().collect();
        if cut && !wanted.iter().any(|wanted| wanted.is == NO_END) {
            wanted.push(WantedFinding { boot, is: NO_END.into(), ..WantedFinding::default() });
        }
        let possible = possible.iter().filter(|possible| possible.boot == boot).collect();
        Self { wanted, possible, services, heard, last_ns }
    }
}

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Compared {
    pub tally: Tally,
    pub complaints: Vec<String>,
}

/// Holds the findings of `story` against what is `known`.
pub fn compare(story: &Value, known: &Known<'_>) -> Compared {
    let mut compared = Compared::default();
    // By place of the finding: what is wanted of it.
    let mut asked: Vec<Vec<&WantedFinding>> = list(story).map(|_| Vec::new()).collect();
    let subjects: BTreeSet<(&str, Option<&str>)> =
        known.wanted.iter().map(|wanted| (wanted.is.as_str(), wanted.about.as_deref())).collect();
    for (is, about) in subjects {
        let of = |wanted: &&WantedFinding| wanted.is == is && wanted.about.as_deref() == about;
        let group: Vec<&WantedFinding> = known.wanted.iter().filter(of).collect();
        let fits = |finding: &Value| {
            finding["finding"] == is && about.is_none_or(|name| names(finding).any(|n| n == name))
        };
        let mut places: Vec<usize> =
            list(story).enumerate().filter(|(_, finding)| fits(finding)).map(|(place, _)| place).collect();
        // Of several the one that says it.
        places.sort_by_key(|&place| {
            list(story).nth(place).is_none_or(|finding| wrong(finding, &group).is_some())
        });
        match places.first() {
            Some(&place) => asked[place].extend(group),
            None => {
                compared.tally.truly += 1;
                compared.complaints.push(format!(
                    "nothing is found about {}, as {is}; found is:\n{}",
                    about.unwrap_or("anybody"),
                    headlines(story).join("\n")
                ));
            }
        }
    }
    for (finding, asked) in list(story).zip(asked) {
        let false_of_some = is_false(finding, known);
        if asked.is_empty() {
            let excused =
                is_labs_own(finding) || is_slowness(story, finding, known) || is_possible(finding, known);
            if excused && false_of_some.is_none() {
                continue;
            }
            compared.tally.told += 1;
            let why = false_of_some.unwrap_or_else(|| "nobody knows of it".into());
            compared.complaints.push(format!("this must not be found, {why}: {}", headline(finding)));
            continue;
        }
        compared.tally.told += 1;
        compared.tally.truly += 1;
        match wrong(finding, &asked).or_else(|| stranger(finding, &asked)).or(false_of_some) {
            None => compared.tally.right += 1,
            Some(why) => compared.complaints.push(format!("{why}: {}", headline(finding))),
        }
    }
    compared
}

/// `[restarted] mongod was restarted during the shutdown`, one each.
pub fn headlines(story: &Value) -> Vec<String> {
    list(story).map(headline).collect()
}

fn list(story: &Value) -> impl Iterator<Item = &Value> {
    story["findings"].as_array().into_iter().flatten()
}

fn headline(finding: &Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap_or_default();
    format!("[{}] {} ({})", text("finding"), text("headline"), text("confidence"))
}

fn processes(finding: &Value) -> impl Iterator<Item = &Value> {
    finding["processes"].as_array().into_iter().flatten()
}

fn names(finding: &Value) -> impl Iterator<Item = &str> {
    processes(finding).filter_map(|process| process["name"].as_str())
}

/// What it does not say and has to, or says and must not.
fn wrong(finding: &Value, asked: &[&WantedFinding]) -> Option<String> {
    if let Some(wanted) = asked.iter().find(|wanted| !says(finding, &wanted.says)) {
        return Some(format!("this does not say {:?}", wanted.says));
    }
    let mut never = asked.iter().flat_map(|wanted| &wanted.never_says);
    never.find(|part| says(finding, part)).map(|part| format!("this says {part:?}"))
}

/// Somebody whom it names and who has nothing to do with it.
fn stranger(finding: &Value, asked: &[&WantedFinding]) -> Option<String> {
    if asked.iter().any(|wanted| wanted.about.is_none()) {
        return None;
    }
    let known = |name: &str| {
        let about = |wanted: &&WantedFinding| wanted.about.as_deref() == Some(name);
        asked.iter().any(about) || asked.iter().any(|wanted| wanted.with.iter().any(|with| with == name))
    };
    names(finding).find(|name| !known(name)).map(|name| format!("{name} has nothing to do with this"))
}

/// What the coroner knows better, whatever the scenario says: who is to have kept the machine from its end lived then.
fn is_false(finding: &Value, known: &Known<'_>) -> Option<String> {
    if finding["finding"] != NO_END {
        return None;
    }
    let dead = |process: &&Value| {
        let start = process["start_ns"].as_u64().unwrap_or(0);
        let its = known.heard.iter().filter(|death| Some(death.pid) == process["pid"].as_u64());
        its.map(|death| death.time_ns).any(|at| at > start && at + EDGE_NS < known.last_ns)
    };
    processes(finding).find(dead).map(|process| format!("{process} was dead by then"))
}

/// The coroner is spared by the sprees: it asks for that.
fn is_labs_own(finding: &Value) -> bool {
    finding["finding"] == "spared" && names(finding).all(|name| name == "lab-coroner")
}

/// On an emulated machine on a busy one any script or command of the distribution's own may take long, and then the
/// shutdown waits for it. (That it lived so long is compared with the coroner.)
fn is_slowness(story: &Value, finding: &Value, known: &Known<'_>) -> bool {
    let waits = || story["waits"].as_array().into_iter().flatten();
    let waited = |process: &Value| waits().any(|wait| wait["for"]["pid"] == process["pid"]);
    finding["finding"] == "waited-for"
        && names(finding).all(|name| !known.services.contains(&name))
        && processes(finding).next().is_some_and(waited)
}

fn is_possible(finding: &Value, known: &Known<'_>) -> bool {
    let is = |possible: &&PossibleFinding| {
        finding["finding"] == *possible.is && names(finding).any(|name| name == possible.about)
    };
    known.possible.iter().any(is)
}

fn says(finding: &Value, part: &str) -> bool {
    let steps = finding["steps"].as_array().into_iter().flatten().map(|step| &step["text"]);
    let texts = steps.chain([&finding["headline"], &finding["advice"]]);
    part.is_empty() || texts.filter_map(Value::as_str).any(|text| text.contains(part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn story() -> Value {
        json!({
            "findings": [
                {"finding": "restarted", "headline": "mongod was restarted", "confidence": "certain",
                 "processes": [{"name": "mongod", "pid": 7, "start_ns": 1}, {"name": "runsv", "pid": 8, "start_ns": 1}],
                 "steps": [{"text": "init started it"}], "advice": "take 6 out"},
                {"finding": "spared", "headline": "lab-coroner was spared", "confidence": "certain",
                 "processes": [{"name": "lab-coroner", "pid": 2, "start_ns": 1}], "steps": [], "advice": null},
            ],
            "waits": [{"for": {"pid": 9}}],
        })
    }

    fn wanted(is: &str, about: &str, says: &str) -> WantedFinding {
        let about = (!about.is_empty()).then(|| about.to_owned());
        WantedFinding {
            boot: 1,
            is: is.into(),
            about,
            says: says.into(),
            with: vec!["runsv".into()],
            ..Default::default()
        }
    }

    fn judged(story: &Value, wanted: &[WantedFinding], possible: &[PossibleFinding], cut: bool) -> Compared {
        let heard = [Death { pid: 7, time_ns: 2_000_000_000, status: 0 }];
        let known = Known::new(1, wanted, possible, cut, vec!["mongod"], &heard, 3_000_000_000);
        compare(story, &known)
    }

    fn tally(told: usize, truly: usize, right: usize) -> Tally {
        Tally { told, truly, right }
    }

    #[test]
    fn a_finding_is_known_by_its_rule_its_process_and_all_that_is_asked_of_it() {
        let says = ["was restarted", "init started", "take 6 out", ""];
        let all: Vec<WantedFinding> = says.iter().map(|says| wanted("restarted", "mongod", says)).collect();
        let good = judged(&story(), &all, &[], false);
        assert_eq!((good.complaints, good.tally), (vec![], tally(1, 1, 1)));
        let more = [wanted("restarted", "mongod", ""), wanted("restarted", "runsv", "")];
        assert_eq!(judged(&story(), &more, &[], false).tally, tally(1, 1, 1), "one finding about both");
        let bad = judged(&story(), &[wanted("restarted", "mongod", "redis")], &[], false);
        assert_eq!((bad.complaints.len(), bad.tally), (1, tally(1, 1, 0)));
        let other = judged(&story(), &[wanted("killed", "mongod", "")], &[], false);
        assert_eq!(
            (other.complaints.len(), other.tally),
            (2, tally(1, 1, 0)),
            "one too few and one too many"
        );
        let mut never = wanted("restarted", "mongod", "");
        never.never_says = vec!["take 6 out".into()];
        assert_eq!(judged(&story(), &[never], &[], false).complaints.len(), 1);
    }

    #[test]
    fn who_is_named_besides_has_to_be_expected() {
        let mut alone = wanted("restarted", "mongod", "");
        alone.with.clear();
        let complaints = judged(&story(), &[alone], &[], false).complaints;
        assert!(complaints.len() == 1 && complaints[0].contains("runsv"), "{complaints:?}");
    }

    #[test]
    fn silence_is_broken_by_anything_but_the_lab_itself_and_slowness() {
        assert_eq!(judged(&story(), &[], &[], false).tally, tally(1, 0, 0));
        let why = "it may come or not".to_owned();
        let may = PossibleFinding { boot: 1, is: "restarted".into(), about: "mongod".into(), why };
        let possible = judged(&story(), &[], &[may], false);
        assert_eq!((possible.complaints, possible.tally), (vec![], Tally::default()));
        let waited = |name: &str, pid: u64| {
            let slow = json!({"finding": "waited-for", "processes": [{"name": name, "pid": pid}]});
            let mut quiet = story();
            quiet["findings"].as_array_mut().expect("a list")[0] = slow;
            judged(&quiet, &[], &[], false).complaints.len()
        };
        assert_eq!(waited("udev", 9), 0);
        assert_eq!(waited("udev", 10), 1, "nobody waited for it");
        assert_eq!(waited("mongod", 9), 1, "of a service the scenario knows");
    }

    #[test]
    fn the_same_thing_is_found_once() {
        let mut twice = story();
        let list = twice["findings"].as_array_mut().expect("a list");
        list.push(list[0].clone());
        assert_eq!(judged(&twice, &[wanted("restarted", "mongod", "")], &[], false).tally, tally(2, 1, 1));
    }

    #[test]
    fn a_machine_that_was_cut_off_is_found_to_be_and_one_that_went_down_is_not() {
        let of = |pid: Option<u64>, cut: bool| {
            let processes: Vec<Value> =
                pid.iter().map(|pid| json!({"name": "x", "pid": pid, "start_ns": 1})).collect();
            let finding = json!({"finding": "no-end", "headline": "it never ended", "processes": processes});
            judged(&json!({"findings": [finding]}), &[], &[], cut).complaints.len()
        };
        assert_eq!((of(None, true), of(Some(8), true)), (0, 0));
        assert_eq!(of(None, false), 1, "it went down by itself");
        assert_eq!(of(Some(7), true), 1, "who is named was dead");
        assert_eq!(
            judged(&json!({"findings": []}), &[], &[], true).complaints.len(),
            1,
            "nothing is said of it"
        );
    }
}
