//! One JSON document for programs: the story, the processes, the signals. Schema `lastrites-export/1`, documented in
//! JSON.md and in `export.schema.json`.
//!
//! Invariant: names and meanings stay; members may be added. `story` is what `explain --json` prints. What grows with the
//! recording is written piece by piece.

use std::io::Write;

use lastrites_traces::reader::Summary;

use crate::{
    about::Ending,
    error::Error,
    explain::{
        Picked,
        json::{at, document, process},
    },
    json::{self as lines, Object},
    names,
    story::{
        Story,
        world::{At, Idx, NONE, Origin, Proc, Sig},
    },
};

/// Changes only when a name or a meaning has to.
pub const SCHEMA: &str = "lastrites-export/1";

/// What is written at a time.
const CHUNK: usize = 64 << 10;

/// The whole document, on one line. `next`: number, recording and ending of the boot that followed.
pub fn write(
    picked: &Picked,
    ending: Ending,
    next: Option<(usize, &Summary, Ending)>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let story = &picked.story;
    write!(out, "{{\"schema\":\"{SCHEMA}\",\"story\":{}", document(picked, ending).trim_end())?;
    let mut text = String::new();
    match next {
        None => text.push_str("null"),
        Some((number, summary, ending)) => {
            lines::push_recording(&mut text, number, summary, ending, None, None);
        }
    }
    write!(out, ",\"next_boot\":{}", text.trim_end())?;
    let mut processes = List::begin(out, "processes")?;
    for (idx, proc) in story.world.all() {
        processes.push(|out| push_process(out, story, idx, proc))?;
    }
    processes.end()?;
    let mut signals = List::begin(out, "signals")?;
    for sent in &story.world.sigs {
        signals.push(|out| push_signal(out, story, sent))?;
    }
    signals.end()?;
    out.write_all(b"}\n")?;
    Ok(())
}

/// A member that is a list of many.
struct List<'a> {
    out: &'a mut dyn Write,
    text: String,
    first: bool,
}

impl<'a> List<'a> {
    fn begin(out: &'a mut dyn Write, key: &str) -> Result<Self, Error> {
        write!(out, ",\"{key}\":[")?;
        Ok(Self { out, text: String::with_capacity(CHUNK + 4096), first: true })
    }

    fn push(&mut self, write: impl FnOnce(&mut String)) -> Result<(), Error> {
        if !self.first {
            self.text.push(',');
        }
        self.first = false;
        write(&mut self.text);
        if self.text.len() >= CHUNK {
            self.out.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.out.write_all(self.text.as_bytes())?;
        self.out.write_all(b"]")?;
        Ok(())
    }
}

fn push_process(out: &mut String, story: &Story, idx: Idx, proc: &Proc) {
    let world = &story.world;
    let mut object = Object::open(out);
    object.number("pid", proc.id.tgid);
    object.number("start_ns", proc.id.start_ns);
    object.text("name", &world.name(idx));
    object.bytes("comm", world.strings.get(proc.comm));
    match story.service(idx).map(|id| story.services.get(id)) {
        Some(service) => object.object("service", |object| {
            object.text("kind", service.kind.word());
            object.text("name", &service.name);
        }),
        None => object.null("service"),
    }
    identity(&mut object, story, "parent", proc.parent);
    object.text(
        "origin",
        match proc.origin {
            Origin::Forked => "forked",
            Origin::Running => "running",
            Origin::Mentioned => "mentioned",
        },
    );
    moment(&mut object, "born", (proc.origin == Origin::Forked).then_some(proc.born));
    moment(&mut object, "exit", proc.dead().then_some(proc.exit));
    match proc.dead() {
        true => object.number("status", proc.status),
        false => object.null("status"),
    }
    match proc.dead() {
        true => object.number("peak_rss_kib", proc.peak_rss_kib),
        false => object.null("peak_rss_kib"),
    }
    object.number("ns_level", proc.ns_level);
    let path = world.cgroups.get(&proc.cgroup).map(|path| world.strings.get(*path));
    object.bytes("cgroup_path", path.unwrap_or_default());
    let mut images: Vec<_> = world.own_images(idx).collect();
    images.reverse();
    object.list("images", images.into_iter(), |out, image| {
        let mut object = Object::open(out);
        at(&mut object, "at", image.at);
        object.bytes("filename", world.strings.get(image.filename));
        object.words("argv", world.strings.get(image.argv));
        object.words("env", world.strings.get(image.env));
        object.number("uid", image.uid);
        object.number("session", image.session);
        object.bytes("tty", world.strings.get(image.tty));
        object.close();
    });
    object.close();
}

fn push_signal(out: &mut String, story: &Story, sent: &Sig) {
    let mut object = Object::open(out);
    at(&mut object, "at", sent.at);
    object.text("signal", &names::signal(sent.sig));
    object.number("signal_number", sent.sig);
    process(&mut object, story, "sender", sent.sender, sent.at.ns);
    process(&mut object, story, "target", sent.target, sent.at.ns);
    object.text("means", sent.means.word());
    object.text("result", &names::result(sent.result));
    match sent.took() {
        None => object.null("taken"),
        Some((when, handled)) => object.object("taken", |object| {
            at(object, "at", when);
            object.text("disposition", if handled { "handled" } else { "default" });
        }),
    }
    object.close();
}

/// Whom it is about, and no more.
fn identity(object: &mut Object<'_>, story: &Story, key: &str, idx: Idx) {
    match story.world.proc_at(idx).filter(|_| idx != NONE) {
        None => object.null(key),
        Some(proc) => object.object(key, |object| {
            object.number("pid", proc.id.tgid);
            object.number("start_ns", proc.id.start_ns);
        }),
    }
}

fn moment(object: &mut Object<'_>, key: &str, when: Option<At>) {
    match when {
        Some(when) => at(object, key, when),
        None => object.null(key),
    }
}
