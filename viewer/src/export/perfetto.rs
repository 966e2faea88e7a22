//! For Perfetto's viewer and other readers of Chrome's trace event format (JSON).
//!
//! Invariant: on every track slices lie within each other or apart, never across: readers drop what is not so. A process
//! has one track, in the group of its service; what it lived is a slice, what was sent to or by it a short one, from one
//! to the other an arrow. Times are nanoseconds since boot.

mod events;
mod lives;
mod tracks;

use std::{collections::HashMap, io::Write};

use self::{
    events::Writer,
    tracks::{FINDINGS, PHASES, WAITS},
};
use crate::{
    about::Ending,
    error::Error,
    explain::{Picked, text::Page},
    json::Object,
    output::Palette,
    story::{
        blame::Why,
        finding::Finding,
        world::{At, Idx, NONE},
    },
    view::model::Model,
};

/// Writes the trace of `picked`.
pub fn write(picked: Picked, ending: Ending, out: &mut dyn Write) -> Result<(), Error> {
    let model = Model::new(picked, ending);
    let mut writer = Writer::new(out, &model, |object| about(object, &model));
    writer.name_tracks()?;
    writer.shutdown()?;
    let mut restarts: HashMap<Idx, Vec<usize>> = HashMap::new();
    for (at, restart) in model.story().restarts.iter().enumerate() {
        restarts.entry(restart.by).or_default().push(at);
    }
    for (idx, _) in model.world().all() {
        writer.process(idx, restarts.get(&idx).map_or(&[], Vec::as_slice))?;
    }
    writer.kernel(restarts.get(&NONE).map_or(&[], Vec::as_slice))?;
    writer.finish()
}

fn about(object: &mut Object<'_>, model: &Model) {
    let (picked, ending) = (&model.picked, model.ending);
    let page = Page { picked, ending, width: 1000, palette: Palette::PLAIN };
    let mut head = String::new();
    page.head(&mut head);
    object.text("source", "lastrites");
    object.text("recording", &picked.summary.session.id.to_string());
    object.text("about", head.trim_end());
}

impl Writer<'_> {
    /// Phases, findings, and whom everybody waited for.
    fn shutdown(&mut self) -> Result<(), Error> {
        let story = self.model.story();
        if let Some(shutdown) = &story.shutdown {
            for phase in &shutdown.phases {
                self.slice(PHASES, (phase.from.ns, phase.to_ns), (phase.kind.title(), "phase"), |object| {
                    object.text("rule", phase.rule);
                    object.number("event", phase.from.number);
                })?;
            }
        }
        for wait in &story.waits {
            let name = match wait.proc {
                NONE => "init itself".to_owned(),
                idx => self.model.label(idx),
            };
            let why = match wait.why {
                Why::Stopping => "it was to stop",
                Why::Running => "it was at work",
                Why::Init => "nobody in particular",
            };
            self.slice(WAITS, (wait.from_ns, wait.to_ns), (&name, "wait"), |object| object.text("why", why))?;
        }
        for (at, finding) in story.findings.iter().enumerate() {
            self.finding(at + 1, finding)?;
        }
        Ok(())
    }

    fn finding(&mut self, number: usize, finding: &Finding) -> Result<(), Error> {
        let world = self.model.world();
        // What is of no single moment is of the end.
        let ns = if finding.at() == At::NEVER { world.last.ns } else { finding.at().ns };
        let name = format!("[{number}] {}", finding.headline);
        self.instant(FINDINGS, ns, (&name, "finding"), |object| {
            object.text("finding", finding.rule.id());
            object.text("confidence", finding.confidence.words());
            for (at, step) in finding.steps.iter().enumerate() {
                object.text(&format!("step {:02}", at + 1), &step.text);
            }
            if let Some(advice) = &finding.advice {
                object.text("to change", advice);
            }
            let events: Vec<String> = finding.evidence().iter().map(u64::to_string).collect();
            object.text("events", &events.join(" "));
        })
    }
}
