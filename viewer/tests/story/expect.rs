//! What a scene expects of its story.
//!
//! Invariant: every finding of the story is expected, in the order of the report, unless the scene says `and others`:
//! so a scene of one rule is a near-miss of all others.

use std::{collections::HashMap, fmt::Write as _};

use lastrites::story::{
    Story, blame,
    doubt::Confidence,
    fate::{Reception, Verdict},
    finding::{Finding, Rule},
    shutdown::{Aim, PhaseKind},
    world::{Idx, NONE, Sig},
};

use crate::{
    boot::{ZERO_NS, moment, number},
    scene::words,
};

type Labels = HashMap<String, Vec<u64>>;

#[derive(Debug, Clone, Default)]
pub struct Expected {
    findings: Vec<Wanted>,
    others: bool,
    nothing: bool,
    never: Vec<Rule>,
    facts: Vec<String>,
}

/// One finding: `expect RULE: HEADLINE` and what refines it.
#[derive(Debug, Clone)]
struct Wanted {
    rule: Rule,
    /// Exact, or up to a closing `...`.
    headline: Option<String>,
    details: Vec<String>,
    labels: Vec<String>,
}

/// Words that begin a line about the finding above it.
const DETAILS: [&str; 9] =
    ["step", "no-step", "advice", "no-advice", "certain", "likely", "possible", "failed", "about"];
/// Words that begin a line about the whole story.
const FACTS: [&str; 12] = [
    "asked",
    "aim",
    "forced",
    "not-forced",
    "no-shutdown",
    "phases",
    "phase",
    "fate",
    "restart",
    "no-restart",
    "waits",
    "service",
];

impl Expected {
    pub fn line(&mut self, line: &str) -> Result<(), String> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        match first {
            "expect" => {
                let (id, headline) = rest.split_once(':').unwrap_or((rest, ""));
                let headline = Some(headline.trim().to_owned()).filter(|text| !text.is_empty());
                let wanted = Wanted { rule: rule(id)?, headline, details: Vec::new(), labels: Vec::new() };
                self.findings.push(wanted);
            }
            "evidence" => {
                let labels = rest.split_whitespace().map(|word| {
                    word.strip_prefix('@').map(str::to_owned).ok_or(format!("{word} is no @label"))
                });
                let labels = labels.collect::<Result<Vec<_>, _>>()?;
                self.last()?.labels.extend(labels);
            }
            _ if DETAILS.contains(&first) => {
                let takes_text = matches!(first, "step" | "no-step" | "advice" | "about");
                if takes_text == rest.is_empty() {
                    return Err(format!(
                        "{first} {}",
                        if takes_text { "needs words" } else { "stands alone" }
                    ));
                }
                self.last()?.details.push(line.to_owned());
            }
            "never" => self.never.push(rule(rest)?),
            "nothing" if rest.is_empty() => self.nothing = true,
            "and" if rest == "others" => self.others = true,
            _ if FACTS.contains(&first) => self.facts.push(line.to_owned()),
            _ => return Err(format!("unknown word: {first}")),
        }
        if self.nothing && (self.others || !self.findings.is_empty()) {
            return Err("`nothing` goes with no other finding".into());
        }
        Ok(())
    }

    fn last(&mut self) -> Result<&mut Wanted, String> {
        self.findings.last_mut().ok_or_else(|| "it belongs to an `expect` above it".into())
    }

    /// Whether not a single thing is expected of the story's findings or facts.
    pub fn is_empty(&self) -> bool {
        !self.nothing && self.findings.is_empty() && self.never.is_empty() && self.facts.is_empty()
    }

    pub fn expects(&self, rule: Rule) -> bool {
        self.findings.iter().any(|wanted| wanted.rule == rule)
    }

    pub fn check_labels(&self, labels: &Labels) -> Result<(), String> {
        let mut wanted = self.findings.iter().flat_map(|wanted| &wanted.labels);
        match wanted.find(|label| !labels.contains_key(*label)) {
            Some(label) => Err(format!("no line is labelled @{label}")),
            None => Ok(()),
        }
    }

    /// What is wrong with `story`, line by line.
    pub fn check(&self, story: &Story, labels: &Labels) -> Result<(), String> {
        let mut wrong = Vec::new();
        let mut left: Vec<&Finding> = story.findings.iter().collect();
        for wanted in &self.findings {
            let fits = |finding: &&&Finding| wanted.fits(finding);
            match left.iter().position(|finding| fits(&finding)) {
                Some(at) if at > 0 && !self.others => {
                    wrong.push(format!("{} comes before {}", left[at - 1].rule.id(), wanted.rule.id()));
                    wanted.check(story, left.remove(at), labels, &mut wrong);
                }
                Some(at) => wanted.check(story, left.remove(at), labels, &mut wrong),
                None => wrong.push(format!("not found: {}", wanted.text())),
            }
        }
        if !self.others {
            wrong.extend(left.iter().map(|finding| format!("not expected: {}", title(finding))));
        }
        for rule in &self.never {
            if story.findings.iter().any(|finding| finding.rule == *rule) {
                wrong.push(format!("never {}, and it was found", rule.id()));
            }
        }
        for fact in &self.facts {
            match check_fact(story, fact) {
                Ok(None) => {}
                Ok(Some(is)) => wrong.push(format!("{fact}: it is {is}")),
                Err(error) => wrong.push(format!("{fact}: {error}")),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

impl Wanted {
    fn text(&self) -> String {
        format!("{}: {}", self.rule.id(), self.headline.as_deref().unwrap_or("..."))
    }

    fn fits(&self, finding: &Finding) -> bool {
        let headline = match &self.headline {
            Some(text) => match text.strip_suffix("...") {
                Some(start) => finding.headline.starts_with(start),
                None => finding.headline == *text,
            },
            None => true,
        };
        self.rule == finding.rule && headline
    }

    fn check(&self, story: &Story, finding: &Finding, labels: &Labels, wrong: &mut Vec<String>) {
        for detail in &self.details {
            let (word, rest) = detail.split_once(' ').unwrap_or((detail, ""));
            let steps = || finding.steps.iter().any(|step| step.text.contains(rest));
            let right = match word {
                "step" => steps(),
                "no-step" => !steps(),
                "advice" => finding.advice.as_ref().is_some_and(|advice| advice.contains(rest)),
                "no-advice" => finding.advice.is_none(),
                "certain" => finding.confidence == Confidence::Certain,
                "likely" => finding.confidence == Confidence::Likely,
                "possible" => finding.confidence == Confidence::Possible,
                "failed" => finding.failed,
                _ => rest
                    .split_whitespace()
                    .all(|pid| finding.procs.iter().any(|idx| story.world.pid(*idx).to_string() == pid)),
            };
            if !right {
                wrong.push(format!("{}: not so: {detail}", self.rule.id()));
            }
        }
        let evidence = finding.evidence();
        for label in &self.labels {
            let events = labels.get(label).map_or(&[][..], Vec::as_slice);
            if !events.iter().any(|event| evidence.contains(event)) {
                wrong.push(format!("{}: @{label} is not in its evidence", self.rule.id()));
            }
        }
    }
}

fn rule(id: &str) -> Result<Rule, String> {
    let id = id.trim();
    Rule::ALL.into_iter().find(|rule| rule.id() == id).ok_or_else(|| format!("no such rule: {id}"))
}

/// What is instead of `fact`, if it is not so; an error if it cannot be understood.
fn check_fact(story: &Story, fact: &str) -> Result<Option<String>, String> {
    // Who asked is text as it stands.
    let words = if fact.starts_with("asked ") { vec!["asked".to_owned()] } else { words(fact)? };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let shutdown = story.shutdown.as_ref();
    let (said, is) = match words.as_slice() {
        ["no-shutdown"] => (shutdown.is_none(), "one".to_owned()),
        ["aim", aim] => {
            let is = shutdown.map_or("none", |shutdown| shutdown.aim.word());
            let known = [
                Aim::Reboot,
                Aim::PowerOff,
                Aim::Halt,
                Aim::Kexec,
                Aim::SoftReboot,
                Aim::SingleUser,
                Aim::Unknown,
            ];
            if !known.iter().any(|known| known.word() == *aim) {
                return Err("no such aim".into());
            }
            (is == *aim, is.to_owned())
        }
        ["forced"] => (shutdown.is_some_and(|shutdown| shutdown.forced), "not".into()),
        ["not-forced"] => (shutdown.is_some_and(|shutdown| !shutdown.forced), "not so".into()),
        ["phases", wanted @ ..] => {
            let known = [
                PhaseKind::Asked,
                PhaseKind::Stopping,
                PhaseKind::TermSpree,
                PhaseKind::KillSpree,
                PhaseKind::Unmounting,
                PhaseKind::End,
            ];
            if let Some(word) = wanted.iter().find(|word| !known.iter().any(|kind| kind.word() == **word)) {
                return Err(format!("no such phase: {word}"));
            }
            let is: Vec<&str> =
                shutdown.map_or(Vec::new(), |s| s.phases.iter().map(|phase| phase.kind.word()).collect());
            (is == wanted, is.join(" "))
        }
        ["phase", word, time] => {
            let ns = moment(time)?;
            let phases = || shutdown.into_iter().flat_map(|shutdown| &shutdown.phases);
            let phase = phases().find(|phase| phase.kind.word() == *word);
            let is = phase.map_or_else(|| "none".to_owned(), |phase| from_zero(phase.from.ns));
            // Events of one written moment are microseconds apart.
            (phase.is_some_and(|phase| phase.from.ns.abs_diff(ns) < 1_000_000), is)
        }
        ["asked", ..] => {
            let is = asked(story);
            (fact == is, is)
        }
        ["fate", pid, wanted @ ..] => {
            let is = fate(story, who(story, pid)?);
            let has = is.split_once(' ').map_or("", |(_, rest)| rest).split(", ").collect::<Vec<_>>();
            let wanted = wanted.join(" ");
            (wanted.split(", ").all(|part| has.contains(&part)), is)
        }
        ["restart", old, "->", new, "by", by @ ..] => {
            let (old, new) = (who(story, old)?, who(story, new)?);
            let restart = story.restarts.iter().find(|restart| restart.old == old && restart.new == new);
            let by_is = restart.map(|restart| (restart.how.word(), story.world.pid(restart.by).to_string()));
            let right = match (&by_is, by) {
                (Some((how, _)), [word]) => how == word,
                (Some((how, pid)), [word, of]) => how == word && pid == of,
                _ => false,
            };
            (right, restarts(story))
        }
        ["no-restart"] => (story.restarts.is_empty(), restarts(story)),
        ["waits", pid, seconds] => {
            let (idx, seconds) = (who(story, pid)?, number::<f64>(seconds)?);
            let ns: u64 = story.waits.iter().filter(|wait| wait.proc == idx).map(blame::Wait::ns).sum();
            let is = ns as f64 / 1e9;
            ((is - seconds).abs() < 0.05, format!("{is:.2}"))
        }
        ["service", pid, "none"] => {
            let id = story.service(who(story, pid)?);
            (id.is_none(), id.map_or_else(String::new, |id| story.services.get(id).name.clone()))
        }
        ["service", pid, ..] => {
            let service = story.service(who(story, pid)?).map(|id| story.services.get(id));
            let is =
                service.map_or("none".into(), |service| format!("{} {}", service.kind.word(), service.name));
            (fact.ends_with(&format!("{pid} {is}")), is)
        }
        _ => return Err("not understood".into()),
    };
    Ok((!said).then_some(is))
}

/// `+0.100`: a time as scenes write it.
fn from_zero(ns: u64) -> String {
    format!("{:+.3}", (ns as f64 - ZERO_NS as f64) / 1e9)
}

/// The youngest process of a pid.
fn who(story: &Story, pid: &str) -> Result<Idx, String> {
    let number: u32 = number(pid)?;
    story.world.by_pid(number, u64::MAX).ok_or_else(|| format!("there is no process {pid}"))
}

fn asked(story: &Story) -> String {
    match story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref()) {
        Some(asked) if asked.who.is_empty() => format!("asked {}", asked.how),
        Some(asked) => format!("asked {} ({})", asked.how, asked.who),
        None => "asked nobody".into(),
    }
}

/// `812 stopped, told by 520, handled, killed by nobody`.
fn fate(story: &Story, idx: Idx) -> String {
    let Some(fate) = story.fate(idx) else { return format!("{} none", story.world.pid(idx)) };
    let by = |sent: Option<&Sig>| match sent {
        Some(sent) if sent.sender == NONE => "the kernel".to_owned(),
        Some(sent) => story.world.pid(sent.sender).to_string(),
        None => "nobody".into(),
    };
    let verdict: Verdict = fate.verdict;
    let mut text = format!("{} {}", story.world.pid(idx), verdict.word());
    match fate.told {
        Some(told) => {
            let reception = match told.reception {
                Reception::Ignored => "ignored",
                Reception::Handled => "handled",
                Reception::BeforeExec => "before-exec",
                Reception::Fatal => "fatal",
                Reception::Pending => "pending",
            };
            let _ = write!(text, ", told by {}, {reception}", by(story.world.sig(told.sent)));
        }
        None => text.push_str(", never told"),
    }
    let killer = fate.killer.and_then(|killer| story.world.sig(killer));
    let _ = write!(text, ", killed by {}", by(killer));
    for rival in story.rivals(fate) {
        let _ = write!(text, ", or by {}", by(Some(rival)));
    }
    text
}

fn restarts(story: &Story) -> String {
    let pid = |idx: Idx| story.world.pid(idx);
    let all = story.restarts.iter().map(|restart| {
        format!("{} -> {} by {} {}", pid(restart.old), pid(restart.new), restart.how.word(), pid(restart.by))
    });
    all.collect::<Vec<_>>().join("; ")
}

fn title(finding: &Finding) -> String {
    format!("{}: {}", finding.rule.id(), finding.headline)
}

/// The whole story in the words of scenes, to be read when one fails, or copied into it.
pub fn found(story: &Story) -> String {
    let mut text = String::new();
    match &story.shutdown {
        Some(shutdown) => {
            let phases: Vec<&str> = shutdown.phases.iter().map(|phase| phase.kind.word()).collect();
            let forced = if shutdown.forced { "forced" } else { "not-forced" };
            let _ = writeln!(text, "    {}\n    aim {}\n    {forced}", asked(story), shutdown.aim.word());
            let _ = writeln!(text, "    phases {}", phases.join(" "));
            for phase in &shutdown.phases {
                let _ = writeln!(text, "    phase {} {}", phase.kind.word(), from_zero(phase.from.ns));
            }
        }
        None => text.push_str("    no-shutdown\n"),
    }
    if story.findings.is_empty() {
        text.push_str("    nothing\n");
    }
    for finding in &story.findings {
        let _ = writeln!(text, "    expect {}", title(finding));
        for step in &finding.steps {
            let _ = writeln!(text, "    step {}", step.text);
        }
        match &finding.advice {
            Some(advice) => writeln!(text, "    advice {advice}"),
            None => writeln!(text, "    no-advice"),
        }
        .unwrap_or_default();
        let _ = writeln!(text, "    {}", finding.confidence.word());
        let about: Vec<String> = finding.procs.iter().map(|idx| story.world.pid(*idx).to_string()).collect();
        if !about.is_empty() {
            let _ = writeln!(text, "    about {}", about.join(" "));
        }
        if finding.failed {
            text.push_str("    failed\n");
        }
    }
    for restart in &story.restarts {
        let (old, new) = (story.world.pid(restart.old), story.world.pid(restart.new));
        let by = story.world.pid(restart.by);
        let _ = writeln!(text, "    restart {old} -> {new} by {} {by}", restart.how.word());
    }
    for (idx, ns, _) in blame::totals(&story.waits).into_iter().filter(|(idx, ..)| *idx != NONE) {
        let _ = writeln!(text, "    waits {} {:.1}", story.world.pid(idx), ns as f64 / 1e9);
    }
    for fate_of in &story.fates {
        let _ = writeln!(text, "    fate {}", fate(story, fate_of.proc));
        if let Some(service) = story.service(fate_of.proc).map(|id| story.services.get(id)) {
            let pid = story.world.pid(fate_of.proc);
            let _ = writeln!(text, "    service {pid} {} {}", service.kind.word(), service.name);
        }
    }
    text
}
