//! A comparison for programs: one JSON object, schema `lastrites-diff/1`, documented in JSON.md.
//!
//! Invariant: names and meanings stay; members may be added. Members with `_ns` are lengths of time here.

use super::{
    compare::{Diff, End, Sent, Took, Who},
    pick::Side,
};
use crate::{explain::json as explained, json::Object, story::service::Kind};

/// Changes only when a name or a meaning has to.
pub const SCHEMA: &str = "lastrites-diff/1";

/// The whole document, on one line.
pub fn document(a: &Side, b: &Side, diff: &Diff) -> String {
    let mut out = String::new();
    let mut doc = Object::open(&mut out);
    doc.text("schema", SCHEMA);
    for (key, Side { picked, ending, imported }) in [("a", a), ("b", b)] {
        doc.object(key, |object| {
            object.bytes("file", picked.path.as_os_str().as_encoded_bytes());
            if let Some(name) = imported {
                object.text("imported", name);
            }
            explained::recording(object, picked, *ending);
            explained::shutdown(object, &picked.story);
        });
    }
    doc.truth("differs", !diff.is_empty());
    doc.list("stops", diff.stops.iter(), push_took);
    doc.list("waits", diff.waits.iter(), push_took);
    doc.list("ended", diff.ended.iter(), |out, ended| {
        let mut object = Object::open(out);
        who(&mut object, &ended.who);
        object.object("a", |object| end(object, &ended.a));
        object.object("b", |object| end(object, &ended.b));
        object.close();
    });
    doc.list("restarted", diff.restarted.iter(), |out, restarted| {
        let mut object = Object::open(out);
        object.text("only_in", restarted.which.word());
        who(&mut object, &restarted.who);
        object.text("how", restarted.how.word());
        object.text("by", &restarted.by);
        object.close();
    });
    doc.list("moved", diff.moved.iter(), |out, moved| {
        let mut object = Object::open(out);
        object.text("program", &moved.program);
        object.object("a", |object| service(object, &moved.a));
        object.object("b", |object| service(object, &moved.b));
        object.close();
    });
    doc.list("only", diff.only.iter(), |out, only| {
        let mut object = Object::open(out);
        object.text("only_in", only.which.word());
        who(&mut object, &only.who);
        object.close();
    });
    doc.list("reordered", diff.reordered.iter(), |out, moved| {
        let mut object = Object::open(out);
        object.text("name", &moved.service);
        for (key, after) in [("a_after", &moved.a_after), ("b_after", &moved.b_after)] {
            match after {
                Some(name) => object.text(key, name),
                None => object.null(key),
            }
        }
        object.close();
    });
    doc.list("findings", diff.findings.iter(), |out, found| {
        let mut object = Object::open(out);
        object.text("only_in", found.which.word());
        object.number("number", found.number as u64);
        object.text("finding", found.rule.id());
        object.text("headline", &found.headline);
        object.text("confidence", found.confidence.word());
        object.close();
    });
    doc.close();
    out.push('\n');
    out
}

fn push_took(out: &mut String, took: &Took) {
    let mut object = Object::open(out);
    who(&mut object, &took.who);
    object.number("a_ns", took.a_ns);
    object.number("b_ns", took.b_ns);
    object.close();
}

fn who(object: &mut Object<'_>, who: &Who) {
    object.text("program", &who.program);
    match &who.service {
        Some(known) => object.object("service", |object| service(object, known)),
        None => object.null("service"),
    }
}

fn service(object: &mut Object<'_>, (kind, name): &(Kind, String)) {
    object.text("kind", kind.word());
    object.text("name", name);
}

fn end(object: &mut Object<'_>, end: &End) {
    object.text("verdict", end.verdict.word());
    match end.status {
        Some(status) => object.number("status", status),
        None => object.null("status"),
    }
    object.number("life", end.life.0 as u64);
    object.number("lives", end.life.1 as u64);
    for (key, sent) in [("told", &end.told), ("killer", &end.killer)] {
        match sent {
            Some(Sent { signal, by, chain }) => object.object(key, |object| {
                object.text("signal", signal);
                object.text("by", by);
                object.text("chain", chain);
            }),
            None => object.null(key),
        }
    }
}
