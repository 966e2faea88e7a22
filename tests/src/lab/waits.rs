//! Who was waited for, as the story tells it, against the coroner and the scenario.
//!
//! Invariant: at each moment of the shutdown somebody was waited for, or init was at work, and nobody who was dead.

use serde_json::Value;

use super::{
    judge::{Death, EDGE_NS},
    scenario::WantedWait,
};

/// What is wrong with the waits of `story`. `heard`: deaths, as the coroner heard of them.
pub fn compare(story: &Value, heard: &[Death]) -> Vec<String> {
    let shutdown = &story["shutdown"];
    let mut complaints = Vec::new();
    let Some(mut at) = shutdown["begin"]["time_ns"].as_u64() else { return complaints };
    for wait in list(story) {
        let (from, to) = (wait["from_ns"].as_u64().unwrap_or(0), wait["to_ns"].as_u64().unwrap_or(0));
        if from != at {
            complaints.push(format!("nothing is waited for between {at} and {from}, or two at once"));
        }
        at = to;
        let process = &wait["for"];
        let start = process["start_ns"].as_u64().unwrap_or(0);
        let its =
            heard.iter().filter(|death| Some(death.pid) == process["pid"].as_u64() && death.time_ns > start);
        if let Some(death) = its.map(|death| death.time_ns).min().filter(|death| to > death + EDGE_NS) {
            let late = (to - death) / 1_000_000;
            complaints.push(format!("it is waited for until {late} ms after its death: {process}"));
        }
        if start > from + EDGE_NS {
            complaints.push(format!("it is waited for before it was born: {process}, from {from}"));
        }
    }
    if shutdown["end"]["time_ns"].as_u64() != Some(at) {
        complaints
            .push(format!("who was waited for is told until {at}, and not to the end: {}", shutdown["end"]));
    }
    complaints
}

/// Why `wanted` is not among the waits.
pub fn missing(story: &Value, wanted: &WantedWait) -> Option<String> {
    let is = |wait: &Value| wait["for"]["name"] == *wanted.name;
    let name = &wanted.name;
    if !list(story).any(is) {
        return Some(format!("{name} was waited for, and that is not told"));
    }
    let last = list(story).last().filter(|_| wanted.last)?;
    (!is(last)).then(|| format!("{name} was waited for to the end; told is {}", last["for"]))
}

fn list(story: &Value) -> impl Iterator<Item = &Value> {
    story["waits"].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn story() -> Value {
        let at = |second: u64| json!({"time_ns": second * SECOND});
        let hang = json!({"pid": 7, "start_ns": 11 * SECOND, "name": "hang"});
        json!({"shutdown": {"begin": at(10), "end": at(20)}, "waits": [
            {"for": null, "from_ns": 10 * SECOND, "to_ns": 12 * SECOND},
            {"for": hang, "from_ns": 12 * SECOND, "to_ns": 20 * SECOND},
        ]})
    }

    #[test]
    fn each_moment_belongs_to_one_who_lives() {
        let died =
            |second: u64| compare(&story(), &[Death { pid: 7, time_ns: second * SECOND, status: 0 }]).len();
        assert_eq!((died(20), died(5), died(19)), (0, 0, 1), "with its end; another's before; too early");
        let changed = |change: fn(&mut Value)| {
            let mut story = story();
            change(&mut story);
            compare(&story, &[]).len()
        };
        assert_eq!(changed(|story| story["waits"][1]["from_ns"] = json!(13 * SECOND)), 1, "a hole");
        assert_eq!(changed(|story| story["waits"][1]["to_ns"] = json!(19 * SECOND)), 1, "not to the end");
        assert_eq!(
            changed(|story| story["waits"][1]["for"]["start_ns"] = json!(13 * SECOND)),
            1,
            "not yet born"
        );
    }

    #[test]
    fn who_is_named_by_a_scenario_must_be_there() {
        let wanted = |name: &str, last: bool| {
            missing(&story(), &WantedWait { boot: 1, name: name.into(), last }).is_none()
        };
        assert!(wanted("hang", false) && wanted("hang", true) && !wanted("udev", false));
        let mut earlier = story();
        earlier["waits"].as_array_mut().expect("a list").swap(0, 1);
        assert!(missing(&earlier, &WantedWait { boot: 1, name: "hang".into(), last: true }).is_some());
    }
}
