//! A comparison as plain text, in the manner of `lastrites explain`.
//!
//! Invariant: no line is wider than the page unless a single word is; each line that is about one side names it.

use std::fmt::Write as _;

use super::{
    compare::{Diff, End, Restarted, Sent, Took, Which},
    pick::Side,
};
use crate::{
    about::Ending,
    explain::{
        Picked,
        text::{Page, seconds},
    },
    names,
    output::{Look, Palette},
    safe,
    story::{fate::Verdict, restart::By, service::Kind},
};

/// The whole of it.
pub fn page(a: &Side, b: &Side, diff: &Diff, width: usize, palette: Palette) -> String {
    let of_a = Page { picked: &a.picked, ending: a.ending, width, palette };
    let of_b = Page { picked: &b.picked, ending: b.ending, width, palette };
    let mut out = String::new();
    of_a.put(&mut out, Some(Look::Strong), &head(&of_a, Which::A, [a, b], None), 4);
    of_b.put(&mut out, Some(Look::Strong), &head(&of_b, Which::B, [b, a], Some(&of_a)), 4);
    for (page, which) in [(&of_a, Which::A), (&of_b, Which::B)] {
        for doubt in doubts(page, which) {
            page.put(&mut out, Some(Look::Warn), &doubt, 4);
        }
    }
    if diff.is_empty() {
        out.push('\n');
        of_b.put(&mut out, None, "No difference that matters.", 0);
        return out;
    }
    Writer { page: &of_b, out: &mut out }.all(diff);
    if let Some(found) = diff.findings.first() {
        let page = if found.which == Which::A { &of_a } else { &of_b };
        out.push('\n');
        page.put(&mut out, Some(Look::Dim), &format!("more: {}", command(page, found.number)), 6);
    }
    out
}

/// `A  db7 rebooted on 12 Nov 2026 at 03:14:07 UTC · 11.8 s to the last hook · recording 3 of 5`.
/// `this` is its side, `that` the other.
fn head(page: &Page<'_>, which: Which, [this, that]: [&Side; 2], other: Option<&Page<'_>>) -> String {
    let picked = page.picked;
    let file = |side: &Side| match &side.imported {
        Some(name) => name.clone(),
        None => safe::text(side.picked.path.display().to_string().as_bytes()),
    };
    // Reports of different machines all call theirs `host-1`.
    let host = |side: &Side| side.picked.summary.session.hostname.clone();
    let alike = host(this) == host(that) && this.picked.path != that.picked.path;
    let of = if alike && this.imported.is_some() { format!("{}: ", file(this)) } else { String::new() };
    let took = |page: &Page<'_>| {
        let shutdown = page.story().shutdown.as_ref().filter(|shutdown| shutdown.ended)?;
        Some(shutdown.took_ns())
    };
    let mut text = format!("{}  {of}{} · {}", which.letter(), page.title(), page.length());
    if let Some((this, that)) = took(page).zip(other.and_then(took)) {
        let by = seconds(this.abs_diff(that));
        match this.abs_diff(that) < 100_000_000 {
            true => text.push_str(", as long"),
            false if this > that => {
                let _ = write!(text, ", {by} longer");
            }
            false => {
                let _ = write!(text, ", {by} shorter");
            }
        }
    }
    let _ = write!(text, " · {}", crate::about::init(&picked.summary));
    if picked.count > 1 {
        let _ = write!(text, " · recording {} of {}", picked.number, picked.count);
    }
    if of.is_empty() && other.is_none_or(|other| other.picked.path != picked.path) {
        let _ = write!(text, " · {}", file(this));
    }
    text
}

/// The same of one side alone, for whoever has no page.
pub(crate) fn doubts_of(picked: &Picked, ending: Ending, which: Which) -> Vec<String> {
    doubts(&Page { picked, ending, width: usize::MAX, palette: Palette::PLAIN }, which)
}

/// What may look like a difference and is none.
fn doubts(page: &Page<'_>, which: Which) -> Vec<String> {
    let (letter, summary) = (which.letter(), &page.picked.summary);
    let mut all = Vec::new();
    if page.story().shutdown.as_ref().is_some_and(|shutdown| !shutdown.ended && !shutdown.returned) {
        all.push(format!(
            "{letter} was recorded to {}, not to its end: what came after is not known",
            ends(page)
        ));
    }
    if summary.lost > 0 || !summary.gaps.is_empty() {
        let lost = match (summary.lost, summary.gaps.len()) {
            (0, _) => "has events that cannot be read".to_owned(),
            (1, _) => "lost 1 event".to_owned(),
            (n, _) => format!("lost {n} events"),
        };
        all.push(format!("{letter} {lost}: what is missing there may look like a difference"));
    }
    all
}

fn ends(page: &Page<'_>) -> String {
    page.story().shutdown.as_ref().map_or_else(String::new, |shutdown| page.when(shutdown.end))
}

/// The command that tells all of finding `number`.
fn command(page: &Page<'_>, number: usize) -> String {
    let picked = page.picked;
    let mut text = String::from("lastrites explain ");
    safe::push_argv(&mut text, picked.path.as_os_str().as_encoded_bytes());
    let _ = write!(text, " --recording {} --finding {number}", picked.number);
    text
}

struct Writer<'a> {
    page: &'a Page<'a>,
    out: &'a mut String,
}

impl Writer<'_> {
    fn title(&mut self, text: &str) {
        self.out.push('\n');
        self.page.put(self.out, Some(Look::Strong), text, 4);
    }

    fn line(&mut self, text: &str) {
        self.page.put(self.out, None, &format!("    {text}"), 8);
    }

    /// A part that is left out where there is nothing to say.
    fn part<T>(&mut self, title: &str, all: &[T], text: impl Fn(&T) -> String) {
        if all.is_empty() {
            return;
        }
        self.title(title);
        for one in all {
            self.line(&text(one));
        }
    }

    /// What went wrong anew comes first: the rest says how.
    fn all(&mut self, diff: &Diff) {
        self.found(diff, Which::B, "found in B only:");
        let grew = |took: &&Took| took.b_ns > took.a_ns;
        let (longer, shorter): (Vec<&Took>, Vec<&Took>) = diff.stops.iter().partition(grew);
        self.part("took longer to stop in B:", &longer, |took| self::took(took, "longer"));
        self.part("stopped sooner in B:", &shorter, |took| self::took(took, "sooner"));
        self.part("also kept B waiting longer:", &diff.waits, |took| self::took(took, "longer"));
        if !diff.ended.is_empty() {
            self.title("ended differently:");
        }
        for ended in &diff.ended {
            self.line(&ended.who.label);
            for (letter, end) in [("A", &ended.a), ("B", &ended.b)] {
                let text = format!("      {letter}: {}", self::end(end));
                self.page.put(self.out, None, &text, 9);
            }
        }
        self.part("restarted during the shutdown in one only:", &diff.restarted, restarted);
        self.part("looked after by another:", &diff.moved, |moved| {
            format!("{}: {} in A, {} in B", moved.program, service(&moved.a), service(&moved.b))
        });
        self.part("there in one only:", &diff.only, |only| {
            format!("{} only: {}", only.which.letter(), only.who.label)
        });
        self.part("stopped in another order:", &diff.reordered, |moved| {
            let after = |name: &Option<String>| match name {
                Some(name) => format!("after {name}"),
                None => "first".to_owned(),
            };
            format!("{}: {} in A, {} in B", moved.service, after(&moved.a_after), after(&moved.b_after))
        });
        self.found(diff, Which::A, "found in A only:");
    }

    fn found(&mut self, diff: &Diff, which: Which, title: &str) {
        let found: Vec<_> = diff.findings.iter().filter(|found| found.which == which).collect();
        self.part(title, &found, |found| {
            format!("[{}] {} ({})", found.number, found.headline, found.confidence.words())
        });
    }
}

fn took(took: &Took, word: &str) -> String {
    format!(
        "{}: {} in A, {} in B ({} {word})",
        took.who.label,
        seconds(took.a_ns),
        seconds(took.b_ns),
        seconds(took.a_ns.abs_diff(took.b_ns))
    )
}

/// `exited 0 after SIGTERM from rc -> killall5`, and which of its lives that was.
pub(crate) fn end(end: &End) -> String {
    match end.life {
        (_, ..=1) => ending(end),
        (life, lives) => format!("in life {life} of {lives} {}", ending(end)),
    }
}

fn ending(end: &End) -> String {
    let of = |sent: &Sent| format!("{} from {}", sent.signal, sent.chain);
    let status = end.status.map_or_else(String::new, names::status);
    match (end.verdict, &end.told, &end.killer) {
        (Verdict::CutOff, Some(told), _) => format!("still ran at the end, after {}", of(told)),
        (Verdict::CutOff | Verdict::NeverTold, ..) if end.untold => {
            "still ran at the end, and nobody had told it to stop".to_owned()
        }
        (Verdict::CutOff | Verdict::NeverTold, ..) => {
            "still ran at the end; that it was told to stop was not seen".to_owned()
        }
        (Verdict::NoEnd, Some(told), _) => format!("no end was recorded, after {}", of(told)),
        (Verdict::NoEnd, ..) => "no end was recorded".to_owned(),
        (Verdict::Killed, told, killer) => {
            let by = match killer {
                Some(killer) => format!("{status}, sent by {}", killer.chain),
                None => format!("{status}, and who sent it was not recorded"),
            };
            match told {
                Some(told) => format!("{by}, after {}", of(told)),
                None if end.untold => format!("{by}; nobody had asked it to stop"),
                None => format!("{by}; that it was asked to stop was not seen"),
            }
        }
        (_, Some(told), Some(killer)) if told == killer => format!("died of {}", of(told)),
        (_, Some(told), _) => format!("{status} after {}", of(told)),
        (_, None, Some(killer)) => format!("{status}, sent by {}", killer.chain),
        (_, None, None) if end.untold => format!("{status} by itself"),
        (_, None, None) => status,
    }
}

/// `B only: mongod, by init`.
pub(crate) fn restarted(restarted: &Restarted) -> String {
    let how = match restarted.how {
        By::Init => "init",
        By::Supervisor => "its supervisor",
        By::Script => "a script",
    };
    let by = if restarted.by == how { how.to_owned() } else { format!("{how}, {}", restarted.by) };
    format!("{} only: {}, by {by}", restarted.which.letter(), restarted.who.label)
}

/// `unit ssh.service`.
pub(crate) fn service((kind, name): &(Kind, String)) -> String {
    format!("{} {name}", kind.word())
}
