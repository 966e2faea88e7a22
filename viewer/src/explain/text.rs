//! A story as plain text, fit to be pasted into a bug report.
//!
//! Invariant: no line is wider than the page unless a single word is; what is not certain says so on its headline.

use std::fmt::Write as _;

use super::{Picked, not_there};
use crate::{
    about::{self, Ending},
    error::Error,
    list::wrap,
    names,
    output::{Look, Palette},
    safe,
    story::{
        Story,
        blame::{self, Why},
        doubt::Confidence,
        fate::{Fate, Verdict},
        finding::{self, Finding, Rule, Step},
        shutdown::{Phase, Shutdown},
        world::{At, NONE},
    },
    time::{self, Clocks},
};

/// What is shown without --all.
const FINDINGS_MAX: usize = 8;
const STEPS_MAX: usize = 11;
const WAITS_MAX: usize = 6;
/// Columns over which an eye still connects a headline with what stands at its right.
const HEADLINE_MAX: usize = 100;
/// Waiting that is shorter is nobody's business.
const WAIT_NS: u64 = 100_000_000;

/// A blank at which no line ends. Nothing that has passed [`crate::safe`] holds one.
const GLUE: &str = "\u{a0}";

/// A name that is longer stands on a line of its own.
const GLUED_MAX: usize = 14;

/// A dot behind a word that is longer may begin a line.
const DOTTED_MAX: usize = 24;

/// Where and how it is written.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub picked: &'a Picked,
    pub ending: Ending,
    pub width: usize,
    pub palette: Palette,
}

impl Page<'_> {
    pub fn story(&self) -> &Story {
        &self.picked.story
    }

    /// Appends `text` wrapped; lines after the first are indented by `indent`.
    pub fn put(&self, out: &mut String, look: Option<Look>, text: &str, indent: usize) {
        // Blanks in front are a place, not a separator.
        let lead = text.len() - text.trim_start_matches(' ').len();
        let text = glued(&text[lead..]);
        let body = wrap(&text, self.width.saturating_sub(lead), indent.saturating_sub(lead));
        let text = body.lines().map(|line| format!("{:lead$}{line}", "")).collect::<Vec<_>>().join("\n");
        let text = text.replace(GLUE, " ");
        match look {
            Some(look) => self.palette.paint(out, look, |out| out.push_str(&text)),
            None => out.push_str(&text),
        }
        out.push('\n');
    }

    /// Appends `title` and `items`, with a dot between them; lines end between two items where they can.
    fn put_items(&self, out: &mut String, title: &str, items: &[String]) {
        let indent = title.chars().count() + 1;
        let mut text = title.to_owned();
        for (at, item) in items.iter().enumerate() {
            let fits = item.chars().count() + 2 + indent <= self.width;
            let glue = if fits { GLUE } else { " " };
            text.push(' ');
            text.push_str(&item.replace(' ', glue));
            if at + 1 < items.len() {
                text.push_str(GLUE);
                text.push('·');
            }
        }
        self.put(out, None, &text, indent);
    }

    /// `+0.41 s` since the shutdown began.
    pub fn when(&self, at: At) -> String {
        let zero = self
            .story()
            .shutdown
            .as_ref()
            .map_or(self.picked.summary.session.started.boottime_ns, |s| s.begin.ns);
        let since = i128::from(at.ns) - i128::from(zero);
        // Cut, not rounded: what came first must not seem to come later.
        let hundredths = since.unsigned_abs() / 10_000_000;
        format!("{}{}.{:02} s", if since < 0 { '-' } else { '+' }, hundredths / 100, hundredths % 100)
    }

    /// The whole story.
    pub fn whole(&self, all: bool, noted: bool) -> String {
        let mut out = String::new();
        self.head(&mut out);
        let story = self.story();
        let shown: Vec<(usize, &Finding)> = story
            .findings
            .iter()
            .enumerate()
            .filter(|(_, finding)| noted || finding.rule != Rule::Spared || finding.failed)
            .collect();
        if shown.is_empty() {
            out.push('\n');
            self.put(&mut out, None, &self.nothing_wrong(), 0);
        }
        let most = if noted { usize::MAX } else { FINDINGS_MAX };
        for (at, finding) in shown.iter().take(most) {
            out.push('\n');
            self.one(&mut out, at + 1, finding, all);
        }
        if shown.len() > most {
            out.push('\n');
            self.put(&mut out, Some(Look::Dim), &format!("{} more: --all shows them", shown.len() - most), 0);
        }
        // What was left alive on purpose is no trouble; that it was is said.
        let noted = story.findings.len() - shown.len();
        if noted > 0 {
            out.push('\n');
            let text = format!("{noted} more noted, which is no trouble: --all shows it");
            self.put(&mut out, Some(Look::Dim), &text, 0);
        }
        if let Some(shutdown) = &story.shutdown {
            out.push('\n');
            self.phases(&mut out, shutdown, all);
            self.waits(&mut out, all);
        }
        if all {
            self.restarts(&mut out);
            self.deaths(&mut out);
        }
        out
    }

    /// One finding, by its number or its rule.
    pub fn finding(&self, name: &str) -> Result<String, Error> {
        let findings = &self.story().findings;
        let matches = |(at, finding): &(usize, &Finding)| {
            name.parse().is_ok_and(|number: usize| number == at + 1) || finding.rule.id() == name
        };
        let wanted: Vec<(usize, &Finding)> = findings.iter().enumerate().filter(matches).collect();
        if wanted.is_empty() {
            let there = match findings.len() {
                0 => "there are no findings".to_owned(),
                1 => "there is finding 1".to_owned(),
                n => format!("there are findings 1 to {n}"),
            };
            return Err(not_there(
                &format!("no finding {}: {there}", safe::text(name.as_bytes())),
                &self.picked.path,
            ));
        }
        let mut out = String::new();
        self.head(&mut out);
        for (at, finding) in wanted {
            out.push('\n');
            self.one(&mut out, at + 1, finding, true);
        }
        Ok(out)
    }

    /// `db7 rebooted on 12 Nov 2026 at 03:14:07 UTC+1`.
    pub fn title(&self) -> String {
        let (story, summary) = (self.story(), &self.picked.summary);
        let host = match summary.session.hostname.as_str() {
            "" => "the machine".to_owned(),
            name => safe::text(name.as_bytes()),
        };
        let clocks = Clocks::new(summary);
        match &story.shutdown {
            Some(shutdown) => {
                let began = clocks.wall(shutdown.begin.ns);
                let (verb, zone) = (story.verb(), clocks.zone(shutdown.begin.ns));
                // Who reads it may be anywhere.
                format!("{host} {verb} on {} {zone}", began.format("%-d %b %Y at %H:%M:%S"))
            }
            None => {
                let start_ns = summary.session.started.boottime_ns;
                let (began, zone) = (clocks.wall(start_ns), clocks.zone(start_ns));
                format!("{host}, recorded from {} {zone}", began.format("%-d %b %Y %H:%M:%S"))
            }
        }
    }

    /// `11.8 s to the last hook`; empty without a shutdown.
    pub fn length(&self) -> String {
        let Some(shutdown) = &self.story().shutdown else { return String::new() };
        format!("{} {}", time::duration(shutdown.took_ns()), shutdown.to())
    }

    /// `db7 rebooted on 12 Nov 2026 at 03:14:07 UTC+1, asked for by ... · sysvinit 3.06, runlevel 6`.
    pub fn what_happened(&self) -> String {
        match self.happened() {
            (before, Some(command), behind) => format!("{before}`{command}`{behind}"),
            (before, None, behind) => before + &behind,
        }
    }

    /// The same around the command that asked for it: what stands before, it itself, what stands behind. In the text alone
    /// nobody could tell where the command begins, for a host may be called anything.
    pub fn happened(&self) -> (String, Option<String>, String) {
        let (story, summary) = (self.story(), &self.picked.summary);
        let (mut before, mut command, mut behind) = (self.title(), None, String::new());
        match &story.shutdown {
            Some(Shutdown { asked: Some(asked), .. }) => {
                before.push_str(", asked for by ");
                command = Some(asked.how.clone());
                if !asked.who.is_empty() {
                    let _ = write!(behind, " ({})", asked.who);
                }
            }
            Some(_) => before.push_str(", and nobody was seen to ask for it"),
            None => before.push_str(": no shutdown in this recording"),
        }
        let _ = write!(behind, " · {}", about::init(summary));
        if let Some(shutdown) = story.shutdown.as_ref().filter(|_| story.init.is_rc()) {
            let _ = write!(behind, ", runlevel {}", shutdown.level());
        }
        (before, command, behind)
    }

    /// `11.8 s to the last hook · 1327 events, 0 lost · sealed ...`.
    pub fn how_much_is_known(&self) -> String {
        let (story, summary) = (self.story(), &self.picked.summary);
        let mut text = String::new();
        if let Some(shutdown) = &story.shutdown {
            let _ = write!(text, "{} · ", self.length());
            if let Some(asked) = shutdown.asked.as_ref().filter(|asked| asked.at < shutdown.begin) {
                let before = time::duration(shutdown.begin.ns.saturating_sub(asked.at.ns));
                let _ = write!(text, "asked for {before} before it began · ");
            }
        }
        let _ = write!(text, "{} events, {} lost · {}", summary.events, summary.lost, self.ending.sentence());
        // Who reads of the newest has to know that there are others.
        if self.picked.count > 1 {
            let _ = write!(text, " · recording {} of {}", self.picked.number, self.picked.count);
        }
        text
    }

    /// Two or three lines: what happened, to what, and how much of it is known.
    pub fn head(&self, out: &mut String) {
        self.put(out, Some(Look::Strong), &self.what_happened(), 4);
        self.put(out, Some(Look::Dim), &self.how_much_is_known(), 4);
        for gap in &self.picked.summary.gaps {
            self.put(out, Some(Look::Warn), &format!("missing: {}", about::gap(gap)), 4);
        }
    }

    /// That all is well, and of what.
    pub fn nothing_wrong(&self) -> String {
        let story = self.story();
        if story.shutdown.is_none() && !self.picked.summary.gaps.is_empty() {
            return "There is no shutdown in what can be read of this recording: its file is cut or damaged. If it was copied, \
                    copy it again."
                .into();
        }
        if story.shutdown.is_none() {
            return "There is no shutdown in this recording to explain; `lastrites list` shows the others."
                .into();
        }
        let count = |verdict| {
            story.fates.iter().filter(|fate| fate.verdict == verdict && story.matters(fate.proc)).count()
        };
        // Who is noted to be there still was left behind on purpose.
        let nothing = match story.findings.is_empty() {
            true => "killed, restarted or left behind",
            false => "killed or restarted",
        };
        match count(Verdict::Stopped) {
            0 => format!("Nothing went wrong: no service was {nothing}."),
            1 => "Nothing went wrong: the one service that was told to stop did so.".into(),
            n => format!(
                "Nothing went wrong: {n} processes of services were told to stop, and did; none was {nothing}."
            ),
        }
    }

    /// A finding with its evidence.
    fn one(&self, out: &mut String, number: usize, finding: &Finding, all: bool) {
        let tag = format!("[{number}] ");
        let confidence = finding.confidence.words();
        let mut headline = format!("{tag}{}", finding.headline);
        let room = self.width.min(HEADLINE_MAX).saturating_sub(headline.chars().count());
        // On the same line where there is room, else behind it.
        if room > confidence.len() + 1 {
            let pad = room - confidence.len();
            let _ = write!(headline, "{:pad$}{confidence}", "");
            let look =
                if finding.rule >= Rule::WaitedFor && !finding.failed { Look::Warn } else { Look::Bad };
            self.palette.paint(out, look, |out| out.push_str(&headline));
            out.push('\n');
        } else {
            let _ = write!(headline, " ({confidence})");
            self.put(out, Some(Look::Bad), &headline, tag.len());
        }
        let most = if all { usize::MAX } else { STEPS_MAX };
        let (timed, untimed): (Vec<&Step>, Vec<&Step>) =
            finding.steps.iter().partition(|step| step.at.is_some());
        let pad = timed.iter().filter_map(|step| step.at).map(|at| self.when(at).len()).max().unwrap_or(0);
        let skipped = timed.len().saturating_sub(most);
        for (at, step) in timed.iter().enumerate() {
            // The first and the last steps say most.
            let hidden = skipped > 0 && at >= most - 3 && at < most - 3 + skipped;
            if hidden {
                if at == most - 3 {
                    let text =
                        format!("    {:pad$}  {skipped} more steps: --finding {number} shows them", "");
                    self.put(out, Some(Look::Dim), &text, pad + 6);
                }
                continue;
            }
            let when = step.at.map(|at| self.when(at)).unwrap_or_default();
            self.put(out, None, &format!("    {when:>pad$}  {}", step.text), pad + 6);
        }
        for step in untimed {
            self.put(out, Some(Look::Strong), &format!("    {}", step.text), 6);
        }
        if let Some(advice) = &finding.advice {
            self.put(out, Some(Look::Name), &format!("    To change: {advice}."), 6);
        }
        let events: Vec<String> = finding.evidence().iter().map(u64::to_string).collect();
        if !events.is_empty() {
            let of = match self.picked.number == self.picked.count {
                true => String::new(),
                false => format!(" of --recording {}", self.picked.number),
            };
            let cut = if all { events.len() } else { 12 };
            let more = if events.len() > cut { " ..." } else { "" };
            let word = if events.len() == 1 { "event" } else { "events" };
            let text =
                format!("    evidence: {word} {}{more}{of}", events[..events.len().min(cut)].join(" "));
            self.put(out, Some(Look::Dim), &text, 6);
        }
    }

    fn phases(&self, out: &mut String, shutdown: &Shutdown, all: bool) {
        let phase = |phase: &Phase| {
            let text = format!("{} {}", self.when(phase.from), phase.kind.title());
            match all {
                true => format!("{text} ({}, event {})", phase.rule, phase.from.number),
                false => text,
            }
        };
        let phases: Vec<String> = shutdown.phases.iter().map(phase).collect();
        self.put_items(out, "phases:", &phases);
    }

    fn waits(&self, out: &mut String, all: bool) {
        let items = self.waited_for(if all { usize::MAX } else { WAITS_MAX });
        if !items.is_empty() {
            self.put_items(out, "waited for:", &items);
        }
    }

    /// Whom everybody waited for, and how long, the longest first: at most so many, and the others in one.
    pub fn waited_for(&self, most: usize) -> Vec<String> {
        let story = self.story();
        let mut sums: Vec<(String, u64)> = Vec::new();
        for (proc, ns, why) in blame::totals(&story.waits) {
            let who = match (proc, why) {
                (NONE, _) => "init itself".to_owned(),
                (_, Why::Stopping) => {
                    // Nobody had told it to stop: everybody waited for it to be killed.
                    let told = story.fate(proc).is_none_or(|fate| fate.told.is_some());
                    format!("{} to {}", story.world.label(proc), if told { "stop" } else { "end" })
                }
                (_, Why::Running | Why::Init) => story.world.name(proc),
            };
            match sums.iter_mut().find(|(name, _)| *name == who) {
                Some((_, sum)) => *sum += ns,
                None => sums.push((who, ns)),
            }
        }
        sums.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
        let told = sums.iter().take(most).take_while(|(_, ns)| *ns >= WAIT_NS).count();
        let mut items: Vec<String> =
            sums[..told].iter().map(|(who, ns)| format!("{who} {}", seconds(*ns))).collect();
        let rest: u64 = sums[told..].iter().map(|(_, ns)| ns).sum();
        if rest >= WAIT_NS && told > 0 {
            // What is shown adds up to the whole, as it is shown.
            let tenths = |ns: u64| (ns + WAIT_NS / 2) / WAIT_NS;
            let shown: u64 = sums[..told].iter().map(|(_, ns)| tenths(*ns)).sum();
            let all = tenths(sums.iter().map(|(_, ns)| ns).sum());
            let rest = all.saturating_sub(shown).max(1);
            items.push(format!("others {}", seconds(rest * WAIT_NS)));
        }
        items
    }

    fn restarts(&self, out: &mut String) {
        let story = self.story();
        if story.restarts.is_empty() {
            return;
        }
        out.push_str("\nrestarts:\n");
        for restart in &story.restarts {
            let step = finding::restart_step(story, restart);
            let text = format!(
                "    {:>10}  {} (was {})",
                self.when(restart.at),
                step.text,
                story.world.pid(restart.old)
            );
            self.put(out, None, &text, 16);
        }
    }

    fn deaths(&self, out: &mut String) {
        let story = self.story();
        if story.fates.is_empty() {
            return;
        }
        out.push_str("\nends:\n");
        let (mut gone, mut running) = (0_usize, 0_usize);
        for fate in &story.fates {
            // Scripts run commands by the hundred.
            match fate.verdict {
                Verdict::Left if story.is_step(fate.proc) => gone += 1,
                Verdict::NeverTold | Verdict::NoEnd if story.is_step(fate.proc) => running += 1,
                _ => {
                    if let Some(step) = end(story, fate) {
                        let when = step.at.map(|at| self.when(at)).unwrap_or_default();
                        self.put(out, None, &format!("    {when:>10}  {}", step.text), 16);
                    }
                }
            }
        }
        let parts = [(gone, "exited by themselves"), (running, "ran until its end")];
        let told: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} that {what}")).collect();
        if !told.is_empty() {
            let text = format!("    and of the shutdown's own scripts and commands {}", told.join(", and "));
            self.put(out, Some(Look::Dim), &text, 6);
        }
    }

    pub fn confidence(&self, confidence: Confidence) -> &'static str {
        confidence.words()
    }
}

/// `text` with no end of a line between a figure and its unit, a name and its number, and before a dot between items.
fn glued(text: &str) -> String {
    let is_number =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_unit = |word: &str| {
        matches!(word.trim_end_matches([',', ';', '.', ')', ':']), "s" | "ms" | "us" | "min" | "h" | "d")
    };
    let mut out = String::with_capacity(text.len());
    let mut last = "";
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let figure = is_number(last.trim_start_matches(['+', '-', '(']));
        let unit = figure && is_unit(word);
        let pid = is_number(word.trim_end_matches([',', ';', ')', ':'])) && !word.contains('.');
        let counts = words.peek().is_some_and(|next| is_unit(next));
        let name = !figure && !last.is_empty() && last.len() <= GLUED_MAX && !last.contains(GLUE);
        if !out.is_empty() {
            let dot = word == "·" && last.chars().count() < DOTTED_MAX;
            out.push_str(if unit || dot || name && pid && !counts { GLUE } else { " " });
        }
        out.push_str(word);
        last = word;
    }
    out
}

/// `0.4 s`, `11.9 s`, `4 min 10 s`: for lengths that are compared with each other.
pub(crate) fn seconds(ns: u64) -> String {
    match ns {
        0..950_000_000 => format!("0.{} s", (ns + 50_000_000) / 100_000_000),
        950_000_000..1_000_000_000 => "1.0 s".into(),
        _ => time::duration(ns),
    }
}

/// How `fate` ended, told without what went before.
pub(crate) fn end(story: &Story, fate: &Fate) -> Option<Step> {
    let mut step = finding::end_step(story, fate)?;
    let killer = fate.told.filter(|told| fate.killer == Some(told.sent));
    if let Some(sent) = killer.and_then(|told| story.world.sig(told.sent)) {
        let (sig, from) = (names::signal(sent.sig), story.sender(sent));
        step.text = step.text.replacen(&format!("of that {sig}"), &format!("of {sig} from {from}"), 1);
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stay_with_their_units_and_names_with_their_numbers() {
        for (text, expected) in [
            ("killed 13.0 s later", "killed 13.0~s later"),
            ("sent SIGTERM to mongod 872, which", "sent SIGTERM to mongod~872, which"),
            ("after 2 min 10 s)", "after 2~min 10~s)"),
            ("events 290 307 388", "events~290 307 388"),
            ("a-name-that-is-long 12 x", "a-name-that-is-long 12 x"),
            ("plain words · more", "plain words~· more"),
            ("", ""),
        ] {
            assert_eq!(glued(text).replace(GLUE, "~"), expected);
        }
    }

    #[test]
    fn lengths_are_rounded_to_tenths() {
        for (ns, text) in [
            (0, "0.0 s"),
            (49_999_999, "0.0 s"),
            (949_999_999, "0.9 s"),
            (999_999_999, "1.0 s"),
            (11_870_000_000, "11.9 s"),
        ] {
            assert_eq!(seconds(ns), text);
        }
    }
}
