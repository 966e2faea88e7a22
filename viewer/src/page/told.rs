//! What the page tells without its script: what happened, the findings, the phases, tables of processes and signals, and
//! how much was recorded.
//!
//! Invariant: every text that is not ours passes [`escape::html`]; tags, classes and attributes are ours, and of the
//! recording they hold numbers at most. Sentences are those of `lastrites explain`.

use std::fmt::Write as _;

use super::{
    choose::{Chosen, stops},
    embed::{class, look, us},
    escape,
};
use crate::{
    about,
    explain::text::Page,
    names,
    output::Palette,
    story::{
        finding::{self, Finding, Rule, Step},
        world::{At, Idx},
    },
    time,
    view::{Subject, facts, model::Model},
};

/// Steps of one finding.
const STEPS: usize = 60;
/// Lines of each table.
const LINES: usize = 400;
/// Lines about coverage, and whom one waited for.
const COVERAGE: usize = 40;
const WAITS: usize = 8;

/// Makes the parts of the document.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    pub model: &'a Model,
    pub chosen: &'a Chosen,
}

fn tag(out: &mut String, name: &str, class: &str, text: &str) {
    match class {
        "" => {
            let _ = write!(out, "<{name}>");
        }
        _ => {
            let _ = write!(out, "<{name} class=\"{class}\">");
        }
    }
    escape::html(out, text);
    let _ = write!(out, "</{name}>");
}

fn count(many: usize, one: &str, more: &str) -> String {
    if many == 1 { format!("1 {one}") } else { format!("{many} {more}") }
}

impl Teller<'_> {
    fn page(&self) -> Page<'_> {
        Page {
            picked: &self.model.picked,
            ending: self.model.ending,
            width: usize::MAX >> 1,
            palette: Palette::PLAIN,
        }
    }

    /// The one sentence: the worst that happened, or that nothing did.
    pub fn headline(&self) -> String {
        let page = self.page();
        match (self.model.story().findings.first(), &self.model.worst, self.trouble()) {
            (Some(first), _, 1..) if first.rule == Rule::NoEnd => first.headline.clone(),
            (_, Some(worst), 1..) => worst.sentence(),
            _ => page.nothing_wrong(),
        }
    }

    /// Findings that are more than noted.
    fn trouble(&self) -> usize {
        let bad = |finding: &&Finding| finding.rule != Rule::Spared || finding.failed;
        self.model.story().findings.iter().filter(bad).count()
    }

    /// The name of the document.
    pub fn title(&self) -> String {
        let mut out = String::new();
        escape::html(&mut out, &format!("{} · {}", self.headline(), self.page().title()));
        out
    }

    pub fn head(&self) -> String {
        let (model, page) = (self.model, self.page());
        let summary = &model.picked.summary;
        let look = match (self.trouble(), &model.worst) {
            (1.., _) => "bad",
            _ if model.story().shutdown.is_none() => "dim",
            _ => "good",
        };
        let mut out = format!("<h1 class=\"{look}\">");
        escape::html(&mut out, &self.headline());
        out.push_str("</h1>\n");
        out.push_str("<p class=\"lead\">");
        let (before, command, behind) = page.happened();
        escape::html(&mut out, &before);
        command.iter().for_each(|command| tag(&mut out, "code", "", command));
        escape::html(&mut out, &behind);
        out.push_str("</p>");
        out.push_str("\n<dl class=\"known\">");
        let mut pair = |name: &str, value: &str| {
            if !value.is_empty() {
                out.push_str("<div>");
                tag(&mut out, "dt", "", name);
                tag(&mut out, "dd", "", value);
                out.push_str("</div>");
            }
        };
        if let Some(asked) = model.story().shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref()) {
            let person = asked.person();
            let chain = if asked.chain.contains(" -> ") { asked.chain.as_str() } else { &asked.how };
            let text = if person.is_empty() { chain.to_owned() } else { format!("{person}: {chain}") };
            pair("Asked for by", &text);
        }
        pair("Took", &page.length());
        let noted = model.story().findings.len() - self.trouble();
        let mut found = count(self.trouble(), "finding", "findings");
        if noted > 0 {
            found.push_str(&format!(", {noted} noted"));
        }
        pair("Found", &found);
        pair("Recorded", &format!("{} events, {} lost", summary.events, summary.lost));
        pair("Ended", model.ending.sentence());
        let kernel = format!("{} {}", summary.session.kernel_release, summary.session.machine);
        pair("System", &summary.session.distribution);
        pair("Kernel", kernel.trim());
        out.push_str("</dl>\n");
        for gap in summary.gaps.iter().take(COVERAGE) {
            tag(&mut out, "p", "warn", &format!("missing: {}", about::gap(gap)));
        }
        out
    }

    pub fn findings(&self) -> String {
        let findings = &self.model.story().findings;
        if findings.is_empty() {
            let mut out = String::new();
            tag(&mut out, "p", "", &self.page().nothing_wrong());
            return out;
        }
        let mut out = String::from("<ol class=\"findings\">\n");
        for (at, finding) in findings.iter().enumerate().take(self.chosen.findings) {
            self.finding(&mut out, at, finding);
        }
        out.push_str("</ol>\n");
        if findings.len() > self.chosen.findings {
            let more = findings.len() - self.chosen.findings;
            tag(&mut out, "p", "dim", &format!("{more} more are left out of this page."));
        }
        out
    }

    fn finding(&self, out: &mut String, at: usize, finding: &Finding) {
        let look = class(look(finding.rule, finding.failed));
        let _ = write!(out, "<li class=\"finding {look}\" data-finding=\"{at}\">");
        tag(out, "h3", "", &finding.headline);
        tag(out, "p", "sure", finding.confidence.words());
        if let Some(advice) = &finding.advice {
            out.push_str("<p class=\"advice\"><b>To change:</b> ");
            escape::html(out, &format!("{advice}."));
            out.push_str("</p>");
        }
        out.push_str("<ol class=\"steps\">");
        let skipped = finding.steps.len().saturating_sub(STEPS);
        for (at, step) in finding.steps.iter().enumerate() {
            // The first and the last steps say most.
            if skipped > 0 && (STEPS - 3..STEPS - 3 + skipped).contains(&at) {
                if at == STEPS - 3 {
                    tag(out, "li", "dim", &format!("{skipped} more steps are left out of this page"));
                }
                continue;
            }
            self.step(out, step);
        }
        out.push_str("</ol>");
        let numbers = finding.evidence();
        if !numbers.is_empty() {
            let shown: Vec<String> = numbers.iter().take(STEPS).map(u64::to_string).collect();
            let more = if numbers.len() > STEPS { " …" } else { "" };
            let word = if numbers.len() == 1 { "event" } else { "events" };
            tag(out, "p", "evidence", &format!("evidence: {word} {}{more}", shown.join(" ")));
        }
        out.push_str("</li>\n");
    }

    fn step(&self, out: &mut String, step: &Step) {
        let leads = step.events.iter().rev().find_map(|number| self.model.known_event(*number));
        out.push_str("<li");
        if let Some(lead) = leads.and_then(|subject| self.chosen.lead(subject)) {
            let _ = write!(out, " data-lead=\"{lead}\"");
            if let Some(at) = step.at {
                let _ = write!(out, " data-at=\"{}\"", us(self.model, at.ns));
            }
        }
        out.push('>');
        if let Some(at) = step.at {
            tag(out, "span", "when", &self.page().when(at));
            out.push(' ');
        }
        tag(out, "span", "what", &step.text);
        out.push_str("</li>");
    }

    /// Phases, and whom everybody waited for.
    pub fn phases(&self) -> String {
        let (page, story) = (self.page(), self.model.story());
        let Some(shutdown) = &story.shutdown else { return String::new() };
        let mut out = String::from(
            "<section id=\"phases\" aria-labelledby=\"phases-title\"><h2 id=\"phases-title\">How it went</h2>\
             <div class=\"wide\"><table><caption class=\"quiet\">Phases of the shutdown</caption><thead><tr>\
             <th scope=\"col\">Phase</th><th scope=\"col\">From</th><th scope=\"col\">Took</th>\
             <th scope=\"col\">Begins with</th></tr></thead><tbody>\n",
        );
        for (at, phase) in shutdown.phases.iter().enumerate() {
            let _ = write!(out, "<tr data-lead=\"{}\"><th scope=\"row\">", at << 2 | 3);
            let _ = write!(out, "<span class=\"swatch phase{}\"></span>", phase.kind as u8);
            tag(&mut out, "span", "what", phase.kind.title());
            out.push_str("</th>");
            tag(&mut out, "td", "num", &page.when(phase.from));
            tag(&mut out, "td", "num", &time::duration(phase.to_ns.saturating_sub(phase.from.ns)));
            tag(&mut out, "td", "", &format!("{} (event {})", phase.rule, phase.from.number));
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
        let waits = page.waited_for(WAITS);
        if !waits.is_empty() {
            out.push_str("<p class=\"waits\"><b>Waited for:</b> ");
            escape::html(&mut out, &waits.join(" · "));
            out.push_str("</p>\n");
        }
        out.push_str("</section>\n");
        out
    }

    /// Those that have lanes, and of the others those that did not end by themselves.
    pub fn processes(&self) -> String {
        let (story, rows) = (self.model.story(), &self.chosen.rows);
        let worth = |idx: &&Idx| story.matters(**idx) && story.dirty(**idx);
        let (lanes, others) = rows.split_at(self.chosen.with_lanes);
        let listed: Vec<Idx> = lanes.iter().chain(others.iter().filter(worth)).take(LINES).copied().collect();
        let all = self.model.world().all().count();
        let mut out =
            String::from("<details open class=\"table\"><summary><h3>Processes</h3> <span class=\"dim\">");
        let _ = write!(out, "{} of {all}: whom the findings tell of, and services", listed.len());
        out.push_str(
            "</span></summary><div class=\"wide\"><table><thead><tr><th scope=\"col\">Process</th>\
             <th scope=\"col\">Service</th><th scope=\"col\">From</th><th scope=\"col\">Until</th>\
             <th scope=\"col\">How it ended</th><th scope=\"col\">Command</th></tr></thead><tbody>\n",
        );
        for idx in listed {
            self.process(&mut out, idx);
        }
        out.push_str("</tbody></table></div></details>\n");
        out
    }

    fn process(&self, out: &mut String, idx: Idx) {
        let (model, page) = (self.model, self.page());
        let (story, world) = (model.story(), model.world());
        let Some(proc) = world.proc_at(idx) else { return };
        let lead = self.chosen.lead(Subject::Proc(idx)).unwrap_or_default();
        let look = if story.dirty(idx) { " class=\"dirty\"" } else { "" };
        let _ = write!(out, "<tr data-lead=\"{lead}\"{look}><th scope=\"row\">");
        tag(out, "span", "what", &model.label(idx));
        out.push_str("</th>");
        let service = story.service(idx).map(|id| story.services.get(id));
        tag(out, "td", "", &service.map_or_else(String::new, |s| format!("{} {}", s.kind.word(), s.name)));
        tag(out, "td", "num", &page.when(proc.born));
        let until = if proc.dead() { page.when(proc.exit) } else { "-".into() };
        tag(out, "td", "num", &until);
        let end = match story.fate(idx).and_then(|fate| finding::end_step(story, fate)) {
            Some(step) => step.text,
            None if proc.dead() => names::status(proc.status.into()),
            None => "its end was not recorded".into(),
        };
        tag(out, "td", "", &end);
        let command = world.image(world.image_of(idx)).map_or_else(String::new, |i| world.command(i, 160));
        out.push_str("<td>");
        tag(out, "code", "", &command);
        out.push_str("</td></tr>\n");
    }

    /// Signals that told somebody to stop, or made somebody.
    pub fn signals(&self) -> String {
        let world = self.model.world();
        let begin = self.model.story().shutdown.as_ref().map_or(At::default(), |shutdown| shutdown.begin);
        let stopping = |at: &&u32| world.sig(**at).is_some_and(|sent| sent.at >= begin && stops(world, sent));
        let all = self.chosen.sigs.iter().filter(stopping).count();
        let mut out =
            String::from("<details open class=\"table\"><summary><h3>Signals</h3> <span class=\"dim\">");
        let _ = write!(out, "{} of {all} that told somebody to stop", all.min(LINES));
        out.push_str(
            "</span></summary><div class=\"wide\"><table><thead><tr><th scope=\"col\">When</th>\
             <th scope=\"col\">Signal</th><th scope=\"col\">From</th><th scope=\"col\">To</th>\
             <th scope=\"col\">What became of it</th></tr></thead><tbody>\n",
        );
        for at in self.chosen.sigs.iter().filter(stopping).take(LINES) {
            let (Some(sent), Some(place)) = (world.sig(*at), self.chosen.lead(Subject::Sig(*at))) else {
                continue;
            };
            let _ = write!(out, "<tr data-lead=\"{place}\">");
            tag(&mut out, "td", "num", &self.page().when(sent.at));
            out.push_str("<th scope=\"row\">");
            tag(&mut out, "span", "what", &names::signal(sent.sig));
            out.push_str("</th>");
            tag(&mut out, "td", "", self.model.story().sender(sent).trim_end_matches(','));
            tag(&mut out, "td", "", &world.label_at(sent.target, sent.at.ns));
            tag(&mut out, "td", "", &facts::fared(world, sent));
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div></details>\n");
        out
    }

    /// What recorded it, how much of it is there, and what of that is not in the page.
    pub fn recording(&self) -> String {
        let (model, session) = (self.model, &self.model.picked.summary.session);
        let mut out = String::from("<ul class=\"coverage\">\n");
        for line in about::coverage(&model.picked.summary).iter().take(COVERAGE) {
            tag(&mut out, "li", if line.starts_with("missing") { "warn" } else { "" }, line);
        }
        out.push_str("</ul>\n");
        let from = format!(
            "Recorded by lastrites {}, written by lastrites {}. {}",
            session.tool_version,
            env!("CARGO_PKG_VERSION"),
            session.kernel_version
        );
        tag(&mut out, "p", "dim", from.trim());
        let left = self.left_out();
        if !left.is_empty() {
            tag(&mut out, "p", "warn", &left);
        }
        out
    }

    /// What had no room; empty if everything had.
    pub fn left_out(&self) -> String {
        let (world, chosen) = (self.model.world(), self.chosen);
        let procs = world.all().count();
        let mut parts = Vec::new();
        if chosen.rows.len() < procs {
            parts.push(format!(
                "{} of {procs} processes (those that ended by themselves and are furthest from the end)",
                procs - chosen.rows.len()
            ));
        }
        if chosen.sigs.len() < world.sigs.len() {
            parts.push(format!("{} of {} signals", world.sigs.len() - chosen.sigs.len(), world.sigs.len()));
        }
        if !self.model.whole {
            let (read, events) = (world.events, self.model.picked.summary.events);
            parts.push(format!("all but the last {read} of {events} events"));
        }
        if parts.is_empty() {
            return String::new();
        }
        format!("Left out of this page: {}. `lastrites view` on the recording shows them.", parts.join("; "))
    }
}
