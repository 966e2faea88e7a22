//! The story against the witness: every death, every end of a service and every restart of a shutdown.
//!
//! Invariant: what is true is known from the services' own words (what they got, from whom, how they end, who started
//! them) and from the coroner's list of deaths, never from the recording; the recording only says for which time
//! it vouches. What the witness cannot know counts neither for the story nor against it.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    judge::{Death, EDGE_NS, LATE_NS, SAME_NS, covered, deaths_heard},
    recording::Recording,
    score::Score,
    testimony::Line,
};

/// From a service's fork to its first word, on such a machine.
const FORKED_NS: u64 = 5_000_000_000;
/// From the command that asks for a shutdown to its beginning, on a machine that is emulated and busy.
const ASKED_NS: u64 = 30_000_000_000;

/// Something on which story and witness do not agree.
#[derive(Debug, PartialEq, Eq)]
pub struct Miss {
    /// Name of the process, or `shutdown`.
    pub about: String,
    pub text: String,
}

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Truth {
    pub score: Score,
    pub misses: Vec<Miss>,
}

impl Truth {
    fn miss(&mut self, about: &str, text: String) {
        self.misses.push(Miss { about: about.to_owned(), text });
    }
}

/// One life of a service, in its own words.
#[derive(Debug)]
struct Life<'a> {
    name: &'a str,
    pid: u64,
    start_ns: u64,
    ppid: u64,
    /// The supervisor that its environment names.
    by: Option<&'a str>,
    got: Vec<&'a Line>,
    end: Option<&'a Line>,
    death: Option<Death>,
}

/// The time of which is spoken.
#[derive(Debug, Clone, Copy)]
struct Window {
    from_ns: u64,
    to_ns: u64,
    /// The coroner hears of everything between these.
    hears: (u64, u64),
}

impl Window {
    fn holds(self, time_ns: u64) -> bool {
        time_ns > self.from_ns + EDGE_NS && time_ns + EDGE_NS < self.to_ns
    }

    fn is_heard(self, time_ns: u64) -> bool {
        time_ns > self.hears.0 + EDGE_NS && time_ns + LATE_NS < self.hears.1
    }
}

/// Compares what `recording` makes of one boot's shutdown with its testimony. `orderly`: the machine went down by
/// itself. `others`: programs besides the lab's own that are restarted. `None` if the recording has no shutdown to tell.
pub fn compare(recording: &Recording, testimony: &[Line], orderly: bool, others: &[String]) -> Option<Truth> {
    let story = &recording.story;
    let shutdown = &story["shutdown"];
    let mut truth = Truth::default();
    if shutdown.is_null() {
        let missed = orderly && recording.text("end") == "sealed";
        if missed {
            truth.miss("shutdown", "the machine went down, and the story knows of no shutdown".into());
        }
        return missed.then_some(truth);
    }
    let time = |key: &str| shutdown[key]["time_ns"].as_u64();
    let (begin, end) = (time("begin")?, time("end")?);
    if orderly {
        asked(testimony, begin, &mut truth);
    }
    let heard = deaths_heard(testimony);
    let ready = testimony.iter().find(|line| line.name == "lab-coroner" && line.word == "ready");
    let (from, to) = covered(recording)?;
    let window = Window {
        from_ns: begin.max(from),
        to_ns: end.min(to),
        hears: (ready?.time_ns, heard.iter().map(|death| death.time_ns).max()?),
    };
    let lives = lives(testimony, &heard);
    deaths(story, &heard, window, &mut truth);
    for life in &lives {
        service(story, life, &heard, window, &mut truth);
    }
    restarts(story, &lives, &heard, window, others, &mut truth);
    Some(truth)
}

/// The shutdown began when the agent was told to have one.
fn asked(testimony: &[Line], begin: u64, truth: &mut Truth) {
    let told = testimony.iter().rfind(|line| line.name == "lab-agent" && line.word == "obeys");
    let Some(told) = told else { return };
    if begin < told.time_ns || begin > told.time_ns + ASKED_NS {
        truth.miss(
            "shutdown",
            format!("it was asked for at {} ({}), and is said to begin at {begin}", told.time_ns, told.rest),
        );
    }
}

fn lives<'a>(testimony: &'a [Line], heard: &[Death]) -> Vec<Life<'a>> {
    let mut lives: Vec<Life<'a>> = Vec::new();
    for line in testimony.iter().filter(|line| !line.name.starts_with("lab-")) {
        if line.word == "start" {
            lives.push(Life {
                name: &line.name,
                pid: line.pid,
                start_ns: line.time_ns,
                ppid: line.number("ppid").and_then(|pid| u64::try_from(pid).ok()).unwrap_or(0),
                by: line.rest.split(' ').find_map(|word| word.strip_prefix("by=")),
                got: Vec::new(),
                end: None,
                death: None,
            });
            continue;
        }
        let Some(life) = lives.iter_mut().rfind(|life| life.pid == line.pid && life.name == line.name) else {
            continue;
        };
        match line.word.as_str() {
            "got" => life.got.push(line),
            "end" => life.end = Some(line),
            _ => {}
        }
    }
    for life in &mut lives {
        let its = heard.iter().filter(|death| death.pid == life.pid && death.time_ns > life.start_ns);
        life.death = its.min_by_key(|death| death.time_ns).copied();
    }
    lives
}

/// All deaths: the coroner's list against the story's.
fn deaths(story: &Value, heard: &[Death], window: Window, truth: &mut Truth) {
    let mut found = HashSet::new();
    for end in items(&story["ends"]) {
        let (Some(at), Some(status)) = (end["at"]["time_ns"].as_u64(), end["status"].as_u64()) else {
            continue;
        };
        let process = &end["process"];
        let near = |death: &Death| {
            Some(death.pid) == process["pid"].as_u64() && death.time_ns.abs_diff(at) < SAME_NS
        };
        let Some(place) = heard.iter().position(near).filter(|place| found.insert(*place)) else {
            if window.is_heard(at) {
                truth.score.deaths.told += 1;
                truth.miss(
                    name_of(process),
                    format!("its death is told, and the coroner heard of none: {process} at {at}"),
                );
            }
            continue;
        };
        truth.score.deaths.told += 1;
        truth.score.deaths.truly += 1;
        if heard[place].status == status {
            truth.score.deaths.right += 1;
        } else {
            truth.miss(
                name_of(process),
                format!("it ended with status {:#x}, told is {status:#x}: {process}", heard[place].status),
            );
        }
    }
    for (place, death) in heard.iter().enumerate() {
        if !found.contains(&place) && window.holds(death.time_ns) {
            truth.score.deaths.truly += 1;
            truth.miss("", format!("the coroner heard of a death that the story does not tell: {death:?}"));
        }
    }
}

/// The end of a service, told by itself: who told it to stop, how it ended, who killed it.
fn service(story: &Value, life: &Life<'_>, heard: &[Death], window: Window, truth: &mut Truth) {
    let lived = life.start_ns + EDGE_NS < window.to_ns
        && life.death.is_none_or(|death| death.time_ns > window.from_ns + EDGE_NS);
    // Whether it died after all that is recorded nobody has to know.
    let late = life.death.is_some_and(|death| !window.holds(death.time_ns));
    if !lived || late {
        return;
    }
    if life.death.is_none() && story["shutdown"]["ended"] != true {
        return;
    }
    truth.score.services.truly += 1;
    let mine = items(&story["ends"]).filter(|end| {
        end["process"]["pid"].as_u64() == Some(life.pid)
            && end["process"]["start_ns"].as_u64().is_some_and(|start| start <= life.start_ns)
    });
    let Some(end) = mine.max_by_key(|end| end["process"]["start_ns"].as_u64()) else {
        truth.miss(life.name, format!("{} {}: its end is not told", life.name, life.pid));
        return;
    };
    if life.death.is_none() && end["at"]["time_ns"].as_u64().is_some_and(|at| !window.is_heard(at)) {
        truth.score.services.truly -= 1;
        return;
    }
    truth.score.services.told += 1;
    let wrong = end_is_wrong(life, end, heard, window);
    match wrong {
        None => truth.score.services.right += 1,
        Some(why) => truth.miss(life.name, format!("{} {}: {why}; told is {end}", life.name, life.pid)),
    }
}

/// What the story has wrong about the end of a service, if anything.
fn end_is_wrong(life: &Life<'_>, end: &Value, heard: &[Death], window: Window) -> Option<String> {
    let stop = life.got.iter().find(|line| {
        line.time_ns >= window.from_ns
            && line.number("signal").is_some_and(|signal| matches!(signal, 2 | 3 | 15))
    });
    let status = life.death.map(|death| death.status);
    let verdict = match (status, stop) {
        (None, Some(_)) => &["cut-off"][..],
        // It may have ignored or blocked what it was told: it would not know.
        (None, None) => &["never-told", "cut-off"],
        (Some(status), _) if matches!(status & 0x7f, 1 | 2 | 3 | 15) => &["stopped"],
        (Some(status), _) if status & 0x7f != 0 => &["killed"],
        (Some(_), Some(_)) => &["stopped"],
        // What reached it after its last words it could not tell of any more.
        (Some(_), None) if after_its_end(life, &end["told"]) => {
            let is_either = end["verdict"] == "left" || end["verdict"] == "stopped";
            return (!is_either).then(|| "its verdict is left or stopped".into());
        }
        (Some(_), None) => &["left"],
    };
    if !verdict.iter().any(|verdict| end["verdict"] == **verdict) {
        return Some(format!("its verdict is {}", verdict.join(" or ")));
    }
    match stop {
        Some(stop) => {
            if let Some(why) = told_is_wrong(stop, &end["told"]) {
                return Some(why);
            }
        }
        None if end["told"]["reception"] == "handled" => {
            return Some("it handled no signal that told it to stop".into());
        }
        None => {}
    }
    let signal = status.map_or(0, |status| status & 0x7f);
    if signal == 0 {
        return end["killer"].is_object().then(|| "no signal killed it".to_owned());
    }
    let killer = &end["killer"];
    if name(signal).is_some_and(|name| killer["signal"] != name) {
        return Some(format!("signal {signal} killed it"));
    }
    let kernel = matches!(killer["means"].as_str(), Some("kernel" | "oom" | "hang-up"));
    match killer["sender"]["pid"].as_u64() {
        None if kernel => None,
        None => Some("somebody killed it".into()),
        Some(pid) => {
            let at = killer["at"]["time_ns"].as_u64().unwrap_or(u64::MAX);
            let lives = pid == 1
                || !window.is_heard(at)
                || heard.iter().any(|death| death.pid == pid && death.time_ns + EDGE_NS >= at);
            (!lives).then(|| format!("there was no process {pid} then to kill it"))
        }
    }
}

/// Whether it was told to stop when it had already given up by itself, and all but gone.
fn after_its_end(life: &Life<'_>, told: &Value) -> bool {
    let at = told["at"]["time_ns"].as_u64();
    life.end.zip(at).is_some_and(|(end, at)| at + EDGE_NS >= end.time_ns)
}

/// What the story has wrong about the signal that told it to stop: `stop`, as the service got it.
fn told_is_wrong(stop: &Line, told: &Value) -> Option<String> {
    let signal = stop.number("signal").and_then(|signal| u64::try_from(signal).ok()).and_then(name);
    let from = stop.number("from");
    if told.is_null() || signal.is_some_and(|signal| told["signal"] != signal) {
        return Some(format!("it got {}", stop.rest));
    }
    if told["reception"] != "handled" {
        return Some("it handled what told it to stop".into());
    }
    // From nobody: from the kernel, or without siginfo.
    let same = from == Some(0) || told["sender"]["pid"].as_i64() == from;
    (!same).then(|| format!("it got {}", stop.rest))
}

/// What took the place of what, and who did it.
fn restarts(
    story: &Value,
    lives: &[Life<'_>],
    heard: &[Death],
    window: Window,
    others: &[String],
    truth: &mut Truth,
) {
    let told: Vec<&Value> = items(&story["restarts"]).collect();
    let mut found = HashSet::new();
    for life in lives.iter().filter(|life| life.start_ns > window.from_ns + EDGE_NS) {
        let Some(old) = forerunner(lives, life) else { continue };
        let place = told.iter().position(|restart| {
            restart["old"]["pid"].as_u64() == Some(old.pid)
                && restart["new"]["pid"].as_u64() == Some(life.pid)
        });
        // Whoever began at the very end may be told of or not; so may one that says so right after the beginning:
        // it was forked a while before.
        let early = life.start_ns < window.from_ns + FORKED_NS;
        if place.is_none() && (early || !window.holds(life.start_ns)) {
            continue;
        }
        truth.score.restarts.truly += 1;
        let Some(place) = place else {
            let text =
                format!("{} {} was restarted as {}, and that is not told", life.name, old.pid, life.pid);
            truth.miss(life.name, text);
            continue;
        };
        found.insert(place);
        truth.score.restarts.told += 1;
        let restart = told[place];
        let by = match life.by {
            Some(supervisor) => restart["by"]["name"] == supervisor,
            None => restart["by"]["pid"].as_u64() == Some(life.ppid),
        };
        if by {
            truth.score.restarts.right += 1;
        } else {
            let who = life.by.map_or_else(|| life.ppid.to_string(), str::to_owned);
            truth.miss(life.name, format!("{who} restarted {}; told is {restart}", life.name));
        }
    }
    for (place, restart) in told.into_iter().enumerate() {
        let new = &restart["new"];
        let expected = others.iter().any(|other| new["name"] == *other);
        if !found.contains(&place) && !expected && !is_speechless(new, restart, lives, heard, window) {
            truth.score.restarts.told += 1;
            truth.miss(name_of(new), format!("a restart is told that nobody else knows of: {restart}"));
        }
    }
}

/// Whose place `life` took: the last one of its name, if it had ended by then.
fn forerunner<'l, 'a>(lives: &'l [Life<'a>], life: &Life<'_>) -> Option<&'l Life<'a>> {
    let before = lives.iter().filter(|old| old.name == life.name && old.start_ns < life.start_ns);
    let old = before.max_by_key(|old| old.start_ns)?;
    let ends = [old.death.map(|death| death.time_ns), old.end.map(|line| line.time_ns)];
    ends.into_iter().flatten().min().filter(|end| *end < life.start_ns).map(|_| old)
}

/// Whether a service that was started had no time to say so: it is one of ours, and it or the machine went down
/// before it came to its first word.
fn is_speechless(new: &Value, restart: &Value, lives: &[Life<'_>], heard: &[Death], window: Window) -> bool {
    let at = restart["at"]["time_ns"].as_u64().unwrap_or(0);
    let known = lives.iter().any(|life| life.name == name_of(new));
    let spoke = lives.iter().any(|life| Some(life.pid) == new["pid"].as_u64() && life.start_ns >= at);
    let its = heard.iter().filter(|death| Some(death.pid) == new["pid"].as_u64() && death.time_ns >= at);
    let silenced = its.map(|death| death.time_ns).min().unwrap_or(window.to_ns).min(window.to_ns);
    known && !spoke && at + FORKED_NS > silenced
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn name_of(process: &Value) -> &str {
    process["name"].as_str().unwrap_or_default()
}

/// The names of signals that end services here.
fn name(signal: u64) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lab::score::Tally;

    const SECOND: u64 = 1_000_000_000;

    fn process(pid: u64, start: u64) -> Value {
        json!({"pid": pid, "start_ns": start * SECOND, "name": "mongod"})
    }

    fn signal(name: &str, sender: u64, reception: Option<&str>) -> Value {
        let mut signal = json!({"at": {"time_ns": 20 * SECOND}, "signal": name, "means": "call",
                                "sender": {"pid": sender, "name": "killall5"}});
        if let Some(reception) = reception {
            signal["reception"] = reception.into();
        }
        signal
    }

    /// mongod 7 stops as killall5 3 tells it, init starts it again as 8, killall5 4 kills that.
    fn recording() -> Recording {
        let at = |second: u64| json!({"time_ns": second * SECOND});
        Recording {
            about: json!({"coverage": [{"layer": "drainer", "from_ns": SECOND}], "end": "sealed"}),
            events: vec![json!({"type": "fork", "time_ns": 50 * SECOND})],
            story: json!({
                "shutdown": {"begin": at(10), "end": at(45), "ended": true},
                "ends": [
                    {"process": process(7, 2), "verdict": "stopped", "at": at(21), "status": 0,
                     "told": signal("SIGTERM", 3, Some("handled")), "killer": null},
                    {"process": process(8, 21), "verdict": "killed", "at": at(30), "status": 9,
                     "told": null, "killer": signal("SIGKILL", 4, None)},
                ],
                "restarts": [{"old": process(7, 2), "new": process(8, 21), "by": {"pid": 1, "name": "init"}}],
            }),
        }
    }

    const TRUE: [&str; 9] = [
        "w lab-coroner 2 500000000 ready",
        "w mongod 7 3000000000 start ppid=1",
        "w lab-agent 5 9900000000 obeys reboot",
        "w mongod 7 20000000009 got signal=15 from=3 code=0",
        "w mongod 7 20900000000 end code=0",
        "w lab-coroner 2 21000000500 exit pid=7 status=0 parent=1 at=21000000100",
        "w mongod 8 21500000000 start ppid=1",
        "w lab-coroner 2 30000000500 exit pid=8 status=9 parent=1 at=30000000100",
        "w lab-coroner 2 46000000500 exit pid=4 status=0 parent=1 at=46000000000",
    ];

    fn judged(recording: &Recording, lines: &[&str]) -> Truth {
        let lines: Vec<Line> = lines.iter().map(|line| Line::parse(line).expect("a line")).collect();
        compare(recording, &lines, true, &[]).expect("a shutdown")
    }

    #[test]
    fn a_true_story_has_nothing_against_it() {
        let truth = judged(&recording(), &TRUE);
        assert_eq!(truth.misses, []);
        let two = Tally { told: 2, truly: 2, right: 2 };
        let one = Tally { told: 1, truly: 1, right: 1 };
        let score = Score { deaths: two, services: two, restarts: one, ..Score::default() };
        assert_eq!(truth.score, score);
    }

    #[test]
    fn whatever_the_witness_says_otherwise_is_a_miss() {
        let changed = |at: usize, line: &'static str| {
            let mut lines = TRUE;
            lines[at] = line;
            judged(&recording(), &lines).misses.len()
        };
        assert_eq!(changed(2, "w lab-agent 5 10100000000 obeys reboot"), 1, "asked for later");
        assert_eq!(changed(3, "w mongod 7 20000000009 got signal=15 from=4 code=0"), 1, "another sender");
        assert_eq!(changed(3, "w mongod 7 20000000009 got signal=2 from=3 code=0"), 1, "another signal");
        assert_eq!(changed(3, "w mongod 7 20000000009 ready"), 1, "not told at all");
        let status = "w lab-coroner 2 21000000500 exit pid=7 status=256 parent=1 at=21000000100";
        assert_eq!(changed(5, status), 1, "another status");
        assert_eq!(changed(6, "w mongod 8 21500000000 start ppid=6"), 1, "another parent");
        assert_eq!(changed(6, "w mongod 8 21500000000 start ppid=1 by=monit"), 1, "a supervisor");
        assert_eq!(changed(6, "w redis 8 21500000000 start ppid=1"), 1, "no restart");
        assert_eq!(
            changed(7, "w lab-coroner 2 30000000500 exit pid=9 status=9 parent=1 at=30000000100"),
            3,
            "one death too few and one too many, and a service that lives"
        );
        let killer = "w lab-coroner 2 46000000500 exit pid=5 status=0 parent=1 at=46000000000";
        assert_eq!(changed(8, killer), 1, "no such killer");
    }

    #[test]
    fn who_had_given_up_cannot_tell_what_reached_it_then() {
        let mut lines = TRUE;
        lines[3] = "w mongod 7 19000000009 stale lock=/var/lib/mongod/mongod.lock";
        lines[4] = "w mongod 7 19900000000 end code=0";
        assert_eq!(judged(&recording(), &lines).misses, [], "told at 20");
        let mut killed = recording();
        killed.story["ends"][0]["verdict"] = "killed".into();
        assert_eq!(judged(&killed, &lines).misses.len(), 1, "it ended by itself all the same");
        lines[4] = "w mongod 7 20900000000 end code=0";
        assert_eq!(judged(&recording(), &lines).misses.len(), 1, "it would have heard of it");
    }

    #[test]
    fn who_was_killed_before_its_first_word_is_nobodys_miss() {
        let silent: Vec<&str> = TRUE.iter().filter(|line| !line.contains("mongod 8")).copied().collect();
        let mut early = recording();
        early.story["restarts"][0]["at"] = json!({"time_ns": 26 * SECOND});
        assert_eq!(judged(&early, &silent).misses, [], "killed at 30");
        early.story["restarts"][0]["at"] = json!({"time_ns": 24 * SECOND});
        assert_eq!(judged(&early, &silent).misses.len(), 1, "it had the time");
    }

    #[test]
    fn whatever_the_story_leaves_out_or_makes_up_is_a_miss() {
        let changed = |change: fn(&mut Value)| {
            let mut recording = recording();
            change(&mut recording.story);
            judged(&recording, &TRUE)
        };
        let truth = changed(|story| story["restarts"] = json!([]));
        assert_eq!((truth.misses.len(), truth.score.restarts.recall()), (1, Some(0.0)));
        let truth = changed(|story| {
            let extra = json!({"old": process(3, 1), "new": process(5, 12), "by": null});
            story["restarts"].as_array_mut().expect("a list").push(extra);
        });
        assert_eq!((truth.misses.len(), truth.score.restarts.precision()), (1, Some(0.5)));
        let truth = changed(|story| drop(story["ends"].as_array_mut().expect("a list").pop()));
        assert_eq!((truth.misses.len(), truth.score.deaths.recall()), (2, Some(0.5)));
        let truth = changed(|story| story["ends"][0]["told"]["reception"] = "ignored".into());
        assert_eq!((truth.misses.len(), truth.score.services.right), (1, 1));
        let truth = changed(|story| story["ends"][1]["killer"] = Value::Null);
        assert_eq!((truth.misses.len(), truth.score.services.right), (1, 1));
        let truth = changed(|story| story["shutdown"] = Value::Null);
        assert_eq!(truth.misses.len(), 1, "no shutdown at all");
    }
}
