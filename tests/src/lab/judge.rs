//! The recording against the witness.
//!
//! Invariant: both ways. Whatever the witness heard of in the time that the recording covers is in it, and
//! no death of the recording is one that the witness would have had to hear of and did not.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    pattern::{self, Bound},
    recording::Recording,
    scenario::Story,
    testimony::Line,
};

/// What is this close to an end of the covered time may be on either side of it.
pub const EDGE_NS: u64 = 20_000_000;
/// The same death as seen by two: the probe sees its beginning; the process connector tells of it when all of it
/// is done, which may be a second later where closing the last files takes that long.
pub const SAME_NS: u64 = 10_000_000_000;
/// Of deaths this close to its own end the coroner may not have been told any more.
pub const LATE_NS: u64 = 2_000_000_000;

/// Behind a seal there is only the end of the last script and reboot(2) itself.
const SEALED_NS: u64 = 3_000_000_000;

/// A death: pid, when, wait status.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub pid: u64,
    pub time_ns: u64,
    pub status: u64,
}

/// Everything about which recording and witness do not agree, and how much was compared.
#[derive(Debug, Default)]
pub struct Verdict {
    pub complaints: Vec<String>,
    pub deaths: usize,
    pub signals: usize,
}

/// Compares one boot's recording with its testimony.
pub fn compare(recording: &Recording, testimony: &[Line]) -> Verdict {
    let mut verdict = Verdict::default();
    let Some((from, to)) = covered(recording) else {
        verdict.complaints.push("the recording covers no time at all".into());
        return verdict;
    };
    reaches(recording, testimony, to, &mut verdict);
    let inside = |time: u64| time > from + EDGE_NS && time + EDGE_NS < to;
    deaths(recording, testimony, inside, &mut verdict);
    signals(recording, testimony, inside, &mut verdict);
    verdict
}

/// Whether a sealed one reaches as far as that promises: what it lost behind its own last event it cannot vouch for.
fn reaches(recording: &Recording, testimony: &[Line], to: u64, verdict: &mut Verdict) {
    // Others were switched off with a life after it, or lost what their scenario makes them lose.
    if recording.about["end"] != "sealed" {
        return;
    }
    let last = deaths_heard(testimony).iter().map(|death| death.time_ns).max().unwrap_or(0);
    if last > to + SEALED_NS {
        let behind = (last - to) / 1_000_000;
        verdict
            .complaints
            .push(format!("its last event is {behind} ms before the last death that the coroner heard of"));
    }
}

/// From the moment when all hooks were attached to the last event. Events from before are there, but not
/// all of them: hooks are attached one after the other.
pub fn covered(recording: &Recording) -> Option<(u64, u64)> {
    let time = |event: &Value| event["time_ns"].as_u64();
    let coverage = recording.about["coverage"].as_array().into_iter().flatten();
    let from = coverage
        .filter(|layer| layer["layer"] != "census")
        .filter_map(|layer| layer["from_ns"].as_u64())
        .min();
    // Whoever lost its power could not say since when it listened; the census was taken at that moment.
    let census = || recording.events.iter().filter(|event| event["type"] == "process").filter_map(time).max();
    let last = recording.events.iter().filter(|event| event["type"] != "process").filter_map(time).max();
    Some((from.or_else(census)?, last?))
}

fn deaths(recording: &Recording, testimony: &[Line], inside: impl Fn(u64) -> bool, verdict: &mut Verdict) {
    let coroner: Vec<&Line> = testimony.iter().filter(|line| line.name == "lab-coroner").collect();
    for line in coroner.iter().filter(|line| matches!(line.word.as_str(), "missed" | "trouble")) {
        verdict.complaints.push(format!("the coroner is no good: {} {}", line.word, line.rest));
    }
    let heard = deaths_heard(testimony);
    let recorded: Vec<Death> = recording.events.iter().filter_map(death_recorded).collect();
    let by_pid = |deaths: &[Death]| {
        let mut map: HashMap<u64, Vec<Death>> = HashMap::new();
        for death in deaths {
            map.entry(death.pid).or_default().push(*death);
        }
        map
    };
    let find = |map: &HashMap<u64, Vec<Death>>, wanted: &Death| {
        let near = |death: &&Death| death.time_ns.abs_diff(wanted.time_ns) < SAME_NS;
        map.get(&wanted.pid).and_then(|deaths| deaths.iter().find(near).copied())
    };
    let (heard_by_pid, recorded_by_pid) = (by_pid(&heard), by_pid(&recorded));
    for death in heard.iter().filter(|death| inside(death.time_ns)) {
        verdict.deaths += 1;
        match find(&recorded_by_pid, death) {
            None => verdict
                .complaints
                .push(format!("the coroner heard of a death that is not recorded: {death:?}")),
            Some(ours) if ours.status != death.status => verdict
                .complaints
                .push(format!("the coroner heard of status {:#x}, recorded is {ours:?}", death.status)),
            Some(_) => {}
        }
    }
    let begin = coroner.iter().find(|line| line.word == "ready").map(|line| line.time_ns);
    let end = heard.iter().map(|death| death.time_ns).max();
    if let (Some(begin), Some(end)) = (begin, end) {
        let could_hear = |death: &&Death| death.time_ns > begin + EDGE_NS && death.time_ns + LATE_NS < end;
        for death in recorded.iter().filter(could_hear) {
            if find(&heard_by_pid, death).is_none() {
                verdict
                    .complaints
                    .push(format!("a death is recorded that the coroner did not hear of: {death:?}"));
            }
        }
    } else {
        verdict.complaints.push("the coroner said nothing".into());
    }
}

/// All deaths of which the coroner tells.
pub fn deaths_heard(testimony: &[Line]) -> Vec<Death> {
    testimony.iter().filter(|line| line.name == "lab-coroner").filter_map(death_heard).collect()
}

fn death_heard(line: &Line) -> Option<Death> {
    let number = |key| line.number(key).and_then(|n| u64::try_from(n).ok());
    (line.word == "exit")
        .then(|| Some(Death { pid: number("pid")?, time_ns: number("at")?, status: number("status")? }))
        .flatten()
}

fn death_recorded(event: &Value) -> Option<Death> {
    (event["type"] == "exit")
        .then(|| {
            Some(Death {
                pid: event["process"]["pid"].as_u64()?,
                time_ns: event["time_ns"].as_u64()?,
                status: event["status"].as_u64()?,
            })
        })
        .flatten()
}

/// What services say they got, and how they say they ended.
fn signals(recording: &Recording, testimony: &[Line], inside: impl Fn(u64) -> bool, verdict: &mut Verdict) {
    for line in testimony.iter().filter(|line| inside(line.time_ns)) {
        let found = match line.word.as_str() {
            "got" => was_sent(recording, line) && was_delivered(recording, line),
            "end" => recording.events.iter().any(|event| {
                event["type"] == "exit"
                    && event["process"]["pid"].as_u64() == Some(line.pid)
                    && event["exit_code"].as_i64() == line.number("code")
            }),
            _ => continue,
        };
        verdict.signals += 1;
        if !found {
            let said = format!("{} {} at {}: {} {}", line.name, line.pid, line.time_ns, line.word, line.rest);
            verdict.complaints.push(format!("this is not recorded as the witness tells it: {said}"));
        }
    }
}

fn was_sent(recording: &Recording, line: &Line) -> bool {
    let (signal, from, code) = (line.number("signal"), line.number("from"), line.number("code"));
    recording.events.iter().any(|event| {
        event["type"] == "signal"
            && event["target"]["pid"].as_u64() == Some(line.pid)
            && event["signal_number"].as_i64() == signal
            && event["time_ns"].as_u64().is_some_and(|time| time <= line.time_ns)
            // A signal without siginfo is delivered as if pid 0 had sent it.
            && (event["sender"]["pid"].as_i64() == from || from == Some(0))
            && (event["code"].as_i64() == code || event["no_info"] == true)
    })
}

fn was_delivered(recording: &Recording, line: &Line) -> bool {
    recording.events.iter().any(|event| {
        event["type"] == "deliver"
            && event["process"]["pid"].as_u64() == Some(line.pid)
            && event["signal_number"].as_i64() == line.number("signal")
            && event["disposition"] == "handled"
            && event["time_ns"].as_u64().is_some_and(|time| time <= line.time_ns)
    })
}

/// Whether the recording tells `story`; what is wrong otherwise.
pub fn tell(recording: &Recording, story: &Story) -> Result<Vec<usize>, String> {
    let mut bound = Bound::new();
    let places = pattern::in_order(&story.events, &recording.events, &mut bound).map_err(|matched| {
        format!(
            "\"{}\": not recorded; the first {matched} of {} events were found, in order, but then nothing like {}",
            story.says,
            story.events.len(),
            story.events.get(matched).unwrap_or(&Value::Null)
        )
    })?;
    for never in &story.never {
        if let Some(event) =
            recording.events.iter().find(|event| pattern::matches(never, event, &mut bound.clone()))
        {
            return Err(format!("\"{}\": this must not be recorded: {event}", story.says));
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recording() -> Recording {
        let second = 1_000_000_000u64;
        Recording {
            about: json!({"coverage": [{"layer": "drainer", "from_ns": second}]}),
            events: vec![
                json!({"type": "fork", "time_ns": second}),
                json!({"type": "signal", "time_ns": 2 * second, "target": {"pid": 7}, "sender": {"pid": 3},
                       "signal_number": 15, "code": 0}),
                json!({"type": "deliver", "time_ns": 2 * second, "process": {"pid": 7}, "signal_number": 15,
                       "disposition": "handled"}),
                json!({"type": "exit", "time_ns": 3 * second, "process": {"pid": 7}, "status": 0, "exit_code": 0}),
                json!({"type": "fork", "time_ns": 9 * second}),
            ],
            story: Value::Null,
        }
    }

    fn testimony(lines: &[&str]) -> Vec<Line> {
        lines.iter().map(|line| Line::parse(line).expect("a line")).collect()
    }

    const TRUE: [&str; 5] = [
        "w lab-coroner 2 500000000 ready",
        "w mongod 7 2000000009 got signal=15 from=3 code=0",
        "w mongod 7 2900000000 end code=0",
        "w lab-coroner 2 3000000500 exit pid=7 status=0 parent=1 at=3000000100",
        "w lab-coroner 2 9500000500 exit pid=8 status=0 parent=1 at=9500000000",
    ];

    #[test]
    fn a_true_recording_has_nothing_against_it() {
        let verdict = compare(&recording(), &testimony(&TRUE));
        assert_eq!((verdict.complaints, verdict.deaths, verdict.signals), (vec![], 1, 2));
    }

    #[test]
    fn every_kind_of_lie_is_found() {
        let changed = |at: usize, line: &'static str| {
            let mut lines = TRUE;
            lines[at] = line;
            compare(&recording(), &testimony(&lines)).complaints.len()
        };
        assert_eq!(changed(1, "w mongod 7 2000000009 got signal=15 from=4 code=0"), 1, "another sender");
        assert_eq!(changed(1, "w mongod 7 2000000009 got signal=1 from=3 code=0"), 1, "another signal");
        assert_eq!(changed(1, "w mongod 7 1999999999 got signal=15 from=3 code=0"), 1, "before it was sent");
        assert_eq!(changed(2, "w mongod 7 2900000000 end code=1"), 1, "another exit code");
        assert_eq!(
            changed(3, "w lab-coroner 2 3000000500 exit pid=7 status=9 parent=1 at=3000000100"),
            1,
            "status"
        );
        assert_eq!(changed(3, "w lab-coroner 2 3000000500 missed"), 2, "a coroner that missed something");
        assert_eq!(
            changed(3, "w lab-coroner 2 3000000500 exit pid=6 status=0 parent=1 at=3000000100"),
            2,
            "one death too few and one too many"
        );
    }
}
