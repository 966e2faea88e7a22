//! A story for programs: one JSON object, schema `lastrites-story/1`, documented in JSON.md.
//!
//! Invariant: names and meanings stay; members may be added. Times with `_ns` are as everywhere: nanoseconds since boot.

use super::Picked;
use crate::{
    about::Ending,
    json::{self, Object},
    names,
    requests::Requests,
    story::{
        Story,
        blame::Why,
        fate::{Fate, Reception},
        restart::Restart,
        world::{At, Idx, NONE, Sig},
    },
};

/// Changes only when a name or a meaning has to.
pub const SCHEMA: &str = "lastrites-story/1";

/// The whole document, on one line.
pub fn document(picked: &Picked, ending: Ending) -> String {
    let story = &picked.story;
    let mut out = String::new();
    let mut doc = Object::open(&mut out);
    doc.text("schema", SCHEMA);
    recording(&mut doc, picked, ending);
    doc.text("init", &story.init_text);
    shutdown(&mut doc, story);
    doc.list("findings", story.findings.iter().enumerate(), |out, (number, finding)| {
        let mut object = Object::open(out);
        object.number("number", number as u64 + 1);
        object.text("finding", finding.rule.id());
        object.text("headline", &finding.headline);
        object.text("confidence", finding.confidence.word());
        object.truth("failed_at_next_boot", finding.failed);
        match finding.failure {
            Some((recording, event)) => object.object("failure", |object| {
                object.number("recording", recording as u64);
                object.number("event", event);
            }),
            None => object.null("failure"),
        }
        object.list("processes", finding.procs.iter(), |out, idx| one_process(out, story, *idx, u64::MAX));
        object.list("steps", finding.steps.iter(), |out, step| {
            let mut object = Object::open(out);
            match step.at {
                Some(at) => object.number("time_ns", at.ns),
                None => object.null("time_ns"),
            }
            object.text("text", &step.text);
            object.list("events", step.events.iter(), |out, event| out.push_str(&event.to_string()));
            object.close();
        });
        match &finding.advice {
            Some(advice) => object.text("advice", advice),
            None => object.null("advice"),
        }
        object.list("evidence", finding.evidence().iter(), |out, event| out.push_str(&event.to_string()));
        object.close();
    });
    doc.list("waits", story.waits.iter(), |out, wait| {
        let mut object = Object::open(out);
        process(&mut object, story, "for", wait.proc, u64::MAX);
        object.text(
            "why",
            match wait.why {
                Why::Stopping => "stopping",
                Why::Running => "running",
                Why::Init => "init",
            },
        );
        object.number("from_ns", wait.from_ns);
        object.number("to_ns", wait.to_ns);
        object.close();
    });
    doc.list("restarts", story.restarts.iter(), |out, restart| push_restart(out, story, restart));
    doc.list("ends", story.fates.iter(), |out, fate| push_end(out, story, fate));
    doc.close();
    out.push('\n');
    out
}

/// The member `recording`.
pub(crate) fn recording(doc: &mut Object<'_>, picked: &Picked, ending: Ending) {
    let Requests { first, reboot } = &picked.requests;
    doc.raw("recording", |out| {
        json::push_recording(out, picked.number, &picked.summary, ending, first.as_ref(), *reboot);
        out.truncate(out.trim_end().len());
    });
}

/// The member `shutdown`.
pub(crate) fn shutdown(doc: &mut Object<'_>, story: &Story) {
    match &story.shutdown {
        None => doc.null("shutdown"),
        Some(shutdown) => doc.object("shutdown", |object| {
            object.text("aim", shutdown.aim.word());
            at(object, "begin", shutdown.begin);
            at(object, "end", shutdown.end);
            object.number("took_ns", shutdown.took_ns());
            object.truth("ended", shutdown.ended);
            object.truth("forced", shutdown.forced);
            match &shutdown.asked {
                None => object.null("asked"),
                Some(asked) => object.object("asked", |object| {
                    at(object, "at", asked.at);
                    process(object, story, "by", asked.by, asked.at.ns);
                    object.text("how", &asked.how);
                    object.text("who", &asked.who);
                    object.text("chain", &asked.chain);
                }),
            }
            object.list("phases", shutdown.phases.iter(), |out, phase| {
                let mut object = Object::open(out);
                object.text("phase", phase.kind.word());
                at(&mut object, "from", phase.from);
                object.number("to_ns", phase.to_ns);
                object.text("rule", phase.rule);
                object.close();
            });
        }),
    }
}

fn push_restart(out: &mut String, story: &Story, restart: &Restart) {
    let mut object = Object::open(out);
    at(&mut object, "at", restart.at);
    process(&mut object, story, "old", restart.old, u64::MAX);
    process(&mut object, story, "new", restart.new, u64::MAX);
    process(&mut object, story, "by", restart.by, restart.at.ns);
    object.text("how", restart.how.word());
    process(&mut object, story, "ordered_by", restart.ordered, restart.at.ns);
    object.close();
}

fn push_end(out: &mut String, story: &Story, fate: &Fate) {
    let mut object = Object::open(out);
    process(&mut object, story, "process", fate.proc, u64::MAX);
    object.text("verdict", fate.verdict.word());
    let proc = story.world.proc_at(fate.proc).filter(|proc| proc.dead());
    match proc {
        Some(proc) => {
            at(&mut object, "at", proc.exit);
            object.number("status", u32::from(proc.status));
        }
        None => {
            object.null("at");
            object.null("status");
        }
    }
    match fate.told {
        Some(told) => object.object("told", |object| {
            if let Some(sent) = story.world.sig(told.sent) {
                signal(object, story, sent);
            }
            object.text(
                "reception",
                match told.reception {
                    Reception::Ignored => "ignored",
                    Reception::Handled => "handled",
                    Reception::BeforeExec => "handled before its exec",
                    Reception::Fatal => "fatal",
                    Reception::Pending => "not seen to be taken",
                },
            );
        }),
        None => object.null("told"),
    }
    match fate.killer.and_then(|killer| story.world.sig(killer)) {
        Some(sent) => object.object("killer", |object| signal(object, story, sent)),
        None => object.null("killer"),
    }
    object.list("rivals", story.rivals(fate), |out, sent| {
        let mut object = Object::open(out);
        signal(&mut object, story, sent);
        object.close();
    });
    object.close();
}

fn signal(object: &mut Object<'_>, story: &Story, sent: &Sig) {
    at(object, "at", sent.at);
    object.text("signal", &names::signal(sent.sig));
    process(object, story, "sender", sent.sender, sent.at.ns);
    object.text("chain", &story.sender(sent));
    object.text("means", sent.means.word());
}

/// A moment.
pub(crate) fn at(object: &mut Object<'_>, key: &str, at: At) {
    object.object(key, |object| {
        object.number("time_ns", at.ns);
        object.number("event", at.number);
    });
}

/// A process by the name that it had at `ns`, or, at the end of time, by its last.
pub(crate) fn process(object: &mut Object<'_>, story: &Story, key: &str, idx: Idx, ns: u64) {
    if idx == NONE || story.world.proc_at(idx).is_none() {
        object.null(key);
        return;
    }
    object.raw(key, |out| one_process(out, story, idx, ns));
}

fn one_process(out: &mut String, story: &Story, idx: Idx, ns: u64) {
    let world = &story.world;
    let mut object = Object::open(out);
    let id = world.proc_at(idx).map(|proc| proc.id).unwrap_or_default();
    object.number("pid", id.tgid);
    object.number("start_ns", id.start_ns);
    object.text("name", &if ns == u64::MAX { world.name(idx) } else { world.name_at(idx, ns) });
    match story.service(idx).map(|id| story.services.get(id)) {
        Some(service) => object.object("service", |object| {
            object.text("kind", service.kind.word());
            object.text("name", &service.name);
        }),
        None => object.null("service"),
    }
    object.close();
}
