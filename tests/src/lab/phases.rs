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
        if (whole || before) && !says(known.console, words) {
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
        // systemd-shutdown says so as well where nothing is left to do: / is read-only, and all else is unmounted.
        let idle = *phase == UNMOUNTING && !known.console.says("ounting '");
        if says(known.console, words) && !idle && !signs.iter().any(|sign| sign.phase == *phase) {
            complaints.push(format!("phase {phase}: the console says {words:?}, and it is not recorded"));
        }
    }
}

const SWITCHING: &str = "Switching to runlevel: ";
/// What init says next. The line before it may be lost: the gettys of that line are hung up in the same moment.
const SENDING: &str = "Sending processes configured via /etc/inittab the TERM signal";

fn says(console: &Console, words: &str) -> bool {
    console.says(words) || words == SWITCHING && console.says(SENDING)
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
            (STOPPING, SWITCHING),
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
    let earliest = |words: &str, what| known.console.earliest(words).map(|at| (at, what));
    let latest = |words: &str, what| known.console.latest(words).map(|at| (at, what));
    signs.push(Sign {
        phase: TERM_SPREE,
        event: becomes,
        not_before: heard.stop_by_pid_1().map(|at| (at, "pid 1 stopped anybody")),
        not_after: latest("Sending SIGTERM to remaining processes", "it said that it sends SIGTERM"),
        console: None,
    });
    let kill = first(known, becomes, |event| by_pid_1(event, &[SIGKILL]));
    signs.extend(kill.map(|event| Sign {
        phase: KILL_SPREE,
        event,
        not_before: earliest("Sending SIGKILL to remaining processes", "it said that it sends SIGKILL"),
        not_after: heard.death_by(SIGKILL, time(becomes)).map(|at| (at, "somebody was killed")),
        console: None,
    }));
    let unmounts = first(known, becomes, |event| event["type"] == "umount" || event["type"] == "remount");
    signs.extend(unmounts.map(|event| Sign {
        phase: UNMOUNTING,
        event,
        not_before: earliest("Unmounting file systems.", "it said that it unmounts"),
        not_after: latest("All filesystems unmounted.", "it said that it has unmounted"),
        console: None,
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
    // Of these scripts neither witness nor console tells.
    signs.extend(unmounts.map(|event| Sign {
        phase: UNMOUNTING,
        event,
        not_before: None,
        not_after: None,
        console: None,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// An event with a number and a time in seconds.
    fn event(number: u64, second: u64, mut more: Value) -> Value {
        more["event"] = number.into();
        more["time_ns"] = (second * SECOND).into();
        more
    }

    fn exec(number: u64, second: u64, pid: u64, parent: u64, argv: &str) -> Value {
        let words: Vec<&str> = argv.split(' ').collect();
        let process = json!({"pid": pid, "name": "x"});
        let more = json!({"type": "exec", "process": process, "parent": {"pid": parent}, "argv": words, "filename": words[0]});
        event(number, second, more)
    }

    fn signal(number: u64, second: u64, signal: u64, sender: u64) -> Value {
        event(
            number,
            second,
            json!({"type": "signal", "signal_number": signal, "sender": {"pid": sender}, "by_kernel": false}),
        )
    }

    fn story(phases: &[(&str, u64, u64)], end: u64) -> Value {
        let next = phases.iter().skip(1).map(|(_, second, _)| *second).chain([end]);
        let told = phases.iter().zip(next).map(|((phase, second, event), to)| {
            json!({"phase": phase, "from": {"time_ns": second * SECOND, "event": event}, "to_ns": to * SECOND})
        });
        let told: Vec<Value> = told.collect();
        json!({"shutdown": {"phases": told, "begin": told[0]["from"], "end": {"time_ns": end * SECOND}}})
    }

    fn systemd() -> Recording {
        let events = vec![
            signal(1, 9, 15, 1),
            exec(2, 11, 50, 40, "systemctl reboot"),
            signal(3, 12, 15, 1),
            signal(4, 13, 9, 1),
            exec(5, 20, 1, 0, "/lib/systemd/systemd-shutdown reboot"),
            signal(6, 21, 15, 1),
            signal(7, 31, 9, 1),
            event(8, 41, json!({"type": "umount"})),
        ];
        let phases = [
            (REQUESTED, 11, 2),
            (STOPPING, 12, 3),
            (TERM_SPREE, 20, 5),
            (KILL_SPREE, 31, 7),
            (UNMOUNTING, 41, 8),
        ];
        Recording { about: json!({"init": "systemd", "end": "sealed"}), events, story: story(&phases, 50) }
    }

    const SYSTEMD_WITNESS: [&str; 3] = [
        "w lab-agent 40 10000000000 obeys systemctl reboot",
        "w polite 60 12100000000 got signal=15 from=1 code=0",
        "w lab-coroner 2 32000000000 exit pid=61 status=9 parent=1 at=32000000000",
    ];

    const SYSTEMD_CONSOLE: &str = "\
[   20.500000] systemd-shutdown[1]: Sending SIGTERM to remaining processes...
[   30.500000] systemd-shutdown[1]: Sending SIGKILL to remaining processes...
[   31.000000] systemd-shutdown[1]: Sending SIGKILL to PID 61 (leftover).
[   40.500000] systemd-shutdown[1]: Unmounting file systems.
[   42.000000] systemd-shutdown[1]: All filesystems unmounted.
[   32.100000] reboot: Restarting system
";

    fn sysvinit() -> Recording {
        let events = vec![
            exec(1, 11, 50, 40, "reboot"),
            exec(2, 13, 70, 1, "/bin/sh /etc/init.d/rc 6"),
            exec(3, 20, 71, 70, "killall5 -15 -o 2"),
            exec(4, 30, 72, 70, "/bin/sh /etc/init.d/umountnfs.sh stop"),
        ];
        let phases = [(REQUESTED, 11, 1), (STOPPING, 13, 2), (TERM_SPREE, 20, 3), (UNMOUNTING, 30, 4)];
        Recording { about: json!({"init": "sysvinit", "end": "sealed"}), events, story: story(&phases, 50) }
    }

    const SYSVINIT_WITNESS: [&str; 3] = [
        "w lab-agent 40 10000000000 obeys reboot",
        "w lab-coroner 2 12000000000 exit pid=60 status=15 parent=1 at=12000000000",
        "w mongod 62 20100000000 got signal=15 from=71 code=0",
    ];

    const SYSVINIT_CONSOLE: &str =
        "INIT: Switching to runlevel: 6\nAsking all remaining processes to terminate...done.\n";

    fn judged(recording: &Recording, lines: &[&str], console: &str, orderly: bool) -> (Tally, Vec<String>) {
        let testimony: Vec<Line> = lines.iter().map(|line| Line::parse(line).expect("a line")).collect();
        let heard = crate::lab::judge::deaths_heard(&testimony);
        let console = Console::new(console.into(), &heard);
        compare(&Known { recording, testimony: &testimony, heard: &heard, console: &console, orderly })
    }

    #[test]
    fn true_phases_have_nothing_against_them() {
        let (tally, complaints) = judged(&systemd(), &SYSTEMD_WITNESS, SYSTEMD_CONSOLE, true);
        assert_eq!((complaints, tally), (vec![], Tally { told: 5, truly: 5, right: 5 }));
        let (tally, complaints) = judged(&sysvinit(), &SYSVINIT_WITNESS, SYSVINIT_CONSOLE, true);
        assert_eq!((complaints, tally), (vec![], Tally { told: 4, truly: 4, right: 4 }));
    }

    #[test]
    fn a_phase_too_late_too_early_left_out_or_made_up_is_found() {
        let told = |phases: &[(&str, u64, u64)]| {
            let mut recording = systemd();
            recording.story = story(phases, 50);
            judged(&recording, &SYSTEMD_WITNESS, SYSTEMD_CONSOLE, true).0
        };
        let all = [
            (REQUESTED, 11, 2),
            (STOPPING, 12, 3),
            (TERM_SPREE, 20, 5),
            (KILL_SPREE, 31, 7),
            (UNMOUNTING, 41, 8),
        ];
        assert_eq!(told(&all).right, 5);
        let but = |at: usize, phase: (&'static str, u64, u64)| {
            let mut phases = all;
            phases[at] = phase;
            told(&phases).right
        };
        assert_eq!(but(1, (STOPPING, 20, 5)), 4, "only when systemd-shutdown comes");
        assert_eq!(but(1, (STOPPING, 11, 2)), 4, "with the request");
        assert_eq!(but(1, (STOPPING, 12, 4)), 4, "at that time, by another event");
        assert_eq!(but(3, (KILL_SPREE, 13, 4)), 4, "a SIGKILL of systemd's");
        let (tally, fewer) = (told(&all[..4]), told(&all[1..]));
        assert_eq!((tally.told, tally.truly, tally.right, fewer.right), (4, 5, 4, 4));
    }

    #[test]
    fn witness_and_console_know_better_than_a_recording() {
        let systemd_but = |from: &str, to: &str| {
            let lines: Vec<String> = SYSTEMD_WITNESS.iter().map(|line| line.replace(from, to)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            judged(&systemd(), &lines, &SYSTEMD_CONSOLE.replace(from, to), true).1.len()
        };
        assert_eq!(systemd_but("12100000000 got", "11900000000 got"), 1, "stopped before");
        assert_eq!(systemd_but("[   20.500000]", "[   18.500000]"), 1, "SIGTERM was sent before");
        assert_eq!(systemd_but("[   30.500000]", "[   32.500000]"), 1, "SIGKILL only later");
        assert_eq!(systemd_but("[   42.000000]", "[   39.000000]"), 1, "unmounted before");
        assert_eq!(systemd_but("SIGKILL to PID 61", "nothing to PID 61"), 1, "nobody was left to kill");
        let sysvinit_but = |at: usize, line: &'static str| {
            let mut lines = SYSVINIT_WITNESS;
            lines[at] = line;
            judged(&sysvinit(), &lines, SYSVINIT_CONSOLE, true).1.len()
        };
        let killed = "w lab-coroner 2 14000000000 exit pid=60 status=15 parent=1 at=14000000000";
        assert_eq!(sysvinit_but(1, killed), 1, "init had not yet stopped its entries");
        assert_eq!(
            sysvinit_but(2, "w mongod 62 19900000000 got signal=15 from=71 code=0"),
            1,
            "before the spree"
        );
        let console = format!("{SYSVINIT_CONSOLE}Killing all remaining processes...failed.\n");
        assert_eq!(
            judged(&sysvinit(), &SYSVINIT_WITNESS, &console, true).1.len(),
            1,
            "a spree that is not recorded"
        );
        assert_eq!(
            judged(&sysvinit(), &SYSVINIT_WITNESS, "", true).1.len(),
            2,
            "a console that knows of none"
        );
    }

    /// Where / had been made read-only before the shutdown, nothing was left to unmount, and systemd-shutdown said that it unmounts.
    #[test]
    fn unmounting_is_missed_only_where_something_was_unmounted() {
        let mut idle = systemd();
        idle.events.pop();
        let phases = [(REQUESTED, 11, 2), (STOPPING, 12, 3), (TERM_SPREE, 20, 5), (KILL_SPREE, 31, 7)];
        idle.story = story(&phases, 50);
        let complaints = |console: &str| judged(&idle, &SYSTEMD_WITNESS, console, true).1.len();
        assert_eq!(complaints(SYSTEMD_CONSOLE), 0);
        let busy = format!("{SYSTEMD_CONSOLE}[   41.000000] (sd-remount)[99]: Remounting '/' read-only.\n");
        assert_eq!(complaints(&busy), 1);
    }

    #[test]
    fn of_what_was_cut_off_only_what_is_recorded_has_to_be_told() {
        let mut cut = systemd();
        cut.about["end"] = "no seal".into();
        cut.events.truncate(5);
        cut.story = story(&[(REQUESTED, 11, 2), (STOPPING, 12, 3), (TERM_SPREE, 20, 5)], 20);
        let (tally, complaints) = judged(&cut, &SYSTEMD_WITNESS, "", false);
        assert_eq!((complaints, tally.right), (vec![], 3));
        cut.story = json!({"shutdown": null});
        assert_eq!(judged(&cut, &SYSTEMD_WITNESS, "", false).1.len(), 1, "a shutdown that is not told");
        cut.events.truncate(2);
        assert_eq!(judged(&cut, &SYSTEMD_WITNESS, "", false).1.len(), 0, "asked for, and cut off");
    }
}
