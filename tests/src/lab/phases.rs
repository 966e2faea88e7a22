//! The phases that a story tells, against what defines them.
//!
//! Invariant: which there are, and by which event each begins, is looked up here in the events, by rules of our own,
//! and never in the story. That this was no other moment is known from the witness and the console: what bounds a
//! phase is always something else that was heard of, never a length of time.

use serde_json::Value;

use super::{
    console::Console,
    judge::{Death, EDGE_NS},
    recording::Recording,
    score::Tally,
    testimony::Line,
};

const REQUESTED: &str = "requested";
const STOPPING: &str = "stopping";
const TERM_SPREE: &str = "term-spree";
const KILL_SPREE: &str = "kill-spree";
const UNMOUNTING: &str = "unmounting";

const SIGKILL: u64 = 9;
const SIGTERM: u64 = 15;

/// What is known of one boot.
#[derive(Debug)]
pub struct Known<'a> {
    pub recording: &'a Recording,
    pub testimony: &'a [Line],
    /// Deaths, as the coroner heard of them.
    pub heard: &'a [Death],
    pub console: &'a Console,
    /// The machine went down by itself.
    pub orderly: bool,
}

/// A phase that must be told, and by what it is known.
#[derive(Debug)]
struct Sign<'a> {
    phase: &'static str,
    event: &'a Value,
    /// It cannot have begun before this was heard.
    not_before: Option<(u64, &'static str)>,
    /// It must have begun when this was.
    not_after: Option<(u64, &'static str)>,
    /// The words by which the console tells of it, and whether they come before its event.
    console: Option<(&'static str, bool)>,
}

/// Holds the phases of one boot's shutdown against its events, its witness and its console.
pub fn compare(known: &Known<'_>) -> (Tally, Vec<String>) {
    let mut complaints = Vec::new();
    let mut tally = Tally::default();
    let story = &known.recording.story;
    let signs = signs(known);
    let shutdown = &story["shutdown"];
    if shutdown.is_null() {
        // Of a shutdown that was asked for and did not begin nothing has to be told.
        if signs.iter().any(|sign| sign.phase == STOPPING) {
            tally.truly = signs.len();
            complaints.push("a shutdown began, and the story knows of none".into());
        }
        return (tally, complaints);
    }
    on_the_console(known, &signs, &mut complaints);
    let told: Vec<&Value> = shutdown["phases"].as_array().into_iter().flatten().collect();
    (tally.told, tally.truly) = (told.len(), signs.len());
    for sign in &signs {
        match wrong(sign, &told) {
            None => tally.right += 1,
            Some(why) => complaints.push(format!("phase {}: {why}", sign.phase)),
        }
    }
    let truly: Vec<&str> = signs.iter().map(|sign| sign.phase).collect();
    if names(story) != truly {
        complaints.push(format!("its phases are {}; told are {}", truly.join(", "), names(story).join(", ")));
    }
    complaints.extend(torn(shutdown, &told));
    (tally, complaints)
}

/// The phases that are told.
pub fn names(story: &Value) -> Vec<&str> {
    let phases = story["shutdown"]["phases"].as_array().into_iter().flatten();
    phases.filter_map(|phase| phase["phase"].as_str()).collect()
}

/// Each phase lasts until the next one begins, the first from the beginning on, the last to the end.
fn torn(shutdown: &Value, told: &[&Value]) -> Option<String> {
    let begins = told.iter().map(|phase| phase["from"]["time_ns"].as_u64());
    let begins: Vec<Option<u64>> = begins.chain([shutdown["end"]["time_ns"].as_u64()]).collect();
    let ends = told.iter().map(|phase| phase["to_ns"].as_u64());
    let ends: Vec<Option<u64>> = [shutdown["begin"]["time_ns"].as_u64()].into_iter().chain(ends).collect();
    (begins != ends)
        .then(|| format!("between its phases there are gaps: they begin at {begins:?}, after {ends:?}"))
}

/// What the story has wrong about a phase.
fn wrong(sign: &Sign<'_>, told: &[&Value]) -> Option<String> {
    let Some(phase) = told.iter().find(|phase| phase["phase"] == sign.phase) else {
        return Some(format!("not told; it began with event {}", sign.event["event"]));
    };
    let from = &phase["from"];
    let begin = from["time_ns"].as_u64()?;
    if let Some((at, what)) = sign.not_before.filter(|(at, _)| begin + EDGE_NS < *at) {
        return Some(format!("told to begin {} ms before {what}", (at - begin) / 1_000_000));
    }
    if let Some((at, what)) = sign.not_after.filter(|(at, _)| begin > *at + EDGE_NS) {
        return Some(format!("told to begin {} ms after {what}", (begin - at) / 1_000_000));
    }
    if from["event"] != sign.event["event"] {
        return Some(format!("it began with event {}; told is {}", sign.event["event"], from["event"]));
    }
    (begin != time(sign.event))
        .then(|| format!("told to begin at {begin}; event {} says otherwise", from["event"]))
}

/// Whether the console tells of the same phases.
fn on_the_console(known: &Known<'_>, signs: &[Sign<'_>], complaints: &mut Vec<String>) {
    let whole = known.orderly && known.recording.text("end") == "sealed";
    for sign in signs {
        let Some((words, before)) = sign.console else { continue };
        // Whoever was cut off may not have come to say so.
        if (whole || before) && !known.console.says(words) {
            complaints.push(format!(
                "phase {}: it is recorded, and the console does not say {words:?}",
                sign.phase
            ));
        }
    }
    if !whole {
        return;
    }
    for (phase, words) in spoken(known.recording) {
        if known.console.says(words) && !signs.iter().any(|sign| sign.phase == *phase) {
            complaints.push(format!("phase {phase}: the console says {words:?}, and it is not recorded"));
        }
    }
}

/// By which words the console tells of a phase.
fn spoken(recording: &Recording) -> &'static [(&'static str, &'static str)] {
    if is_systemd(recording) {
        &[
            (TERM_SPREE, "Sending SIGTERM to remaining processes"),
            (KILL_SPREE, "Sending SIGKILL to PID"),
            (UNMOUNTING, "Unmounting file systems."),
        ]
    } else {
        &[
            (STOPPING, "Switching to runlevel: "),
            (TERM_SPREE, "Asking all remaining processes to terminate"),
            (KILL_SPREE, "Killing all remaining processes"),
        ]
    }
}

fn is_systemd(recording: &Recording) -> bool {
    recording.text("init") == "systemd"
}

/// The phases of the shutdown that the agent was told to have, in order of time.
fn signs<'a>(known: &Known<'a>) -> Vec<Sign<'a>> {
    let recording = known.recording;
    let told = known.testimony.iter().rfind(|line| line.name == "lab-agent" && line.word == "obeys");
    let Some(told) = told.filter(|line| line.rest.contains("reboot") || line.rest.contains("poweroff"))
    else {
        return Vec::new();
    };
    let events = || recording.events.iter().filter(|event| time(event) > told.time_ns);
    let mut signs = Vec::new();
    let Some(request) = events().find(|event| event["type"] == "exec" && argv(event) == told.rest) else {
        return signs;
    };
    let systemd = is_systemd(recording);
    let heard = Heard { known, after: told.time_ns };
    let first_stop = if systemd { heard.stop_by_pid_1() } else { heard.death_by(SIGTERM, told.time_ns) };
    signs.push(Sign {
        phase: REQUESTED,
        event: request,
        not_before: Some((told.time_ns, "it was asked for")),
        not_after: first_stop.map(|at| (at, "somebody was stopped")),
        console: None,
    });
    signs.extend(if systemd { of_systemd(&heard, request) } else { of_sysvinit(&heard, request) });
    let words = spoken(recording);
    for sign in &mut signs {
        let its = words.iter().find(|(phase, _)| *phase == sign.phase);
        // systemd-shutdown is executed some time before it says anything.
        sign.console = its.map(|(_, words)| (*words, !(systemd && sign.phase == TERM_SPREE)));
    }
    signs
}

/// pid 1 sends its stop signals, becomes systemd-shutdown, sends SIGKILL to those who stay, and unmounts.
fn of_systemd<'a>(heard: &Heard<'_, 'a>, request: &'a Value) -> Vec<Sign<'a>> {
    let Heard { known, .. } = *heard;
    let mut signs = Vec::new();
    let by_pid_1 = |event: &Value, numbers: &[u64]| {
        event["type"] == "signal"
            && event["by_kernel"] != true
            && event["sender"]["pid"] == 1
            && event["signal_number"].as_u64().is_some_and(|number| numbers.contains(&number))
    };
    let stop = first(known, request, |event| by_pid_1(event, &[1, 2, 3, SIGKILL, SIGTERM]));
    let becomes = first(known, request, |event| {
        event["type"] == "exec"
            && event["process"]["pid"] == 1
            && event["filename"].as_str().is_some_and(|name| name.ends_with("/systemd-shutdown"))
    });
    let stop = stop.filter(|stop| becomes.is_none_or(|becomes| time(stop) < time(becomes)));
    signs.extend(stop.map(|event| Sign {
        phase: STOPPING,
        event,
        not_before: Some((heard.after, "it was asked for")),
        not_after: heard.stop_by_pid_1().map(|at| (at, "pid 1 stopped somebody")),
        console: None,
    }));
    let Some(becomes) = becomes else { return signs };
    let said = |words: &str| known.console.when(words);
    signs.push(Sign {
        phase: TERM_SPREE,
        event: becomes,
        not_before: heard.stop_by_pid_1().map(|at| (at, "pid 1 stopped anybody")),
        not_after: said("Sending SIGTERM to remaining processes")
            .and_then(|(_, to)| Some((to?, "it said that it sends SIGTERM"))),
        console: None,
    });
    let kill = first(known, becomes, |event| by_pid_1(event, &[SIGKILL]));
    signs.extend(kill.map(|event| {
        Sign {
            phase: KILL_SPREE,
            event,
            not_before: said("Sending SIGKILL to remaining processes")
                .map(|(from, _)| (from, "it said that it sends SIGKILL")),
            not_after: heard.death_by(SIGKILL, time(becomes)).map(|at| (at, "somebody was killed")),
            console: None,
        }
    }));
    let unmounts = first(known, becomes, |event| event["type"] == "umount" || event["type"] == "remount");
    signs.extend(unmounts.map(|event| {
        Sign {
            phase: UNMOUNTING,
            event,
            not_before: said("Unmounting file systems.").map(|(from, _)| (from, "it said that it unmounts")),
            not_after: said("All filesystems unmounted.")
                .and_then(|(_, to)| Some((to?, "it said that it has unmounted"))),
            console: None,
        }
    }));
    signs
}

/// init stops the entries of its inittab and runs rc for the runlevel; its scripts run killall5, and unmount.
fn of_sysvinit<'a>(heard: &Heard<'_, 'a>, request: &'a Value) -> Vec<Sign<'a>> {
    let Heard { known, .. } = *heard;
    let mut signs = Vec::new();
    let rc = first(known, request, |event| {
        let argv = argv(event);
        event["type"] == "exec"
            && event["parent"]["pid"] == 1
            && (argv.ends_with("/etc/init.d/rc 6") || argv.ends_with("/etc/init.d/rc 0"))
    });
    let Some(rc) = rc else { return signs };
    signs.push(Sign {
        phase: STOPPING,
        event: rc,
        not_before: heard.death_by(SIGTERM, heard.after).map(|at| (at, "init stopped its entries")),
        not_after: heard.stop_by(|from| from > 1).map(|at| (at, "a script stopped a service")),
        console: None,
    });
    for (phase, number) in [(TERM_SPREE, SIGTERM), (KILL_SPREE, SIGKILL)] {
        let is = |event: &Value| {
            event["type"] == "exec" && argv(event).starts_with(&format!("killall5 -{number}"))
        };
        let Some(event) = first(known, rc, is) else { continue };
        let killer = event["process"]["pid"].as_i64();
        let felt = if phase == TERM_SPREE {
            heard.stop_by(|from| Some(from) == killer).map(|at| (at, "it stopped a service"))
        } else {
            heard.death_by(SIGKILL, time(rc)).map(|at| (at, "somebody was killed"))
        };
        signs.push(Sign { phase, event, not_before: None, not_after: felt, console: None });
    }
    let unmounts = first(known, rc, |event| {
        let argv = argv(event);
        let script = argv.split(' ').nth(1).and_then(|path| path.rsplit('/').next());
        event["type"] == "exec" && matches!(script, Some("umountnfs.sh" | "umountfs" | "umountroot"))
    });
    signs.extend(unmounts.map(|event| {
        Sign {
            phase: UNMOUNTING,
            event,
            not_before: None,
            not_after: known
                .console
                .when("re-mounted")
                .and_then(|(_, to)| Some((to?, "the root file system was read-only"))),
            console: None,
        }
    }));
    // Whatever begins later than it should is out of order.
    signs.sort_by_key(|sign| time(sign.event));
    signs
}

/// The first event behind `after` that is so.
fn first<'a>(known: &Known<'a>, after: &Value, is: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    let after = after["event"].as_u64()?;
    let later = |event: &Value| event["event"].as_u64().is_some_and(|number| number > after);
    known.recording.events.iter().find(|event| later(event) && is(event))
}

fn time(event: &Value) -> u64 {
    event["time_ns"].as_u64().unwrap_or(0)
}

fn argv(event: &Value) -> String {
    let words = event["argv"].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// What witness and coroner heard since the shutdown was asked for.
struct Heard<'k, 'a> {
    known: &'k Known<'a>,
    after: u64,
}

impl Heard<'_, '_> {
    /// When a service first got a signal that stops it, from such a sender.
    fn stop_by(&self, sender: impl Fn(i64) -> bool) -> Option<u64> {
        let is = |line: &&Line| {
            line.time_ns > self.after
                && line.word == "got"
                && line.number("signal").is_some_and(|signal| matches!(signal, 1 | 2 | 3 | 15))
                && line.number("from").is_some_and(&sender)
        };
        self.known.testimony.iter().filter(is).map(|line| line.time_ns).min()
    }

    /// When the first process died of `signal` behind `after`.
    fn death_by(&self, signal: u64, after: u64) -> Option<u64> {
        let its = |death: &&Death| death.status & 0x7f == signal && death.time_ns > after;
        self.known.heard.iter().filter(its).map(|death| death.time_ns).min()
    }

    /// When pid 1 had first stopped somebody, as far as that was heard of: a service that got its signal, or a process
    /// that died of SIGTERM.
    fn stop_by_pid_1(&self) -> Option<u64> {
        let stops = [self.stop_by(|from| from == 1), self.death_by(SIGTERM, self.after)];
        stops.into_iter().flatten().min()
    }
}
