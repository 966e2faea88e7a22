//! Events of Chrome's format, one by one.
//!
//! Invariant: what is written is one array of objects, a line each, with times in microseconds to the nanosecond.

use std::{collections::HashMap, io::Write};

use super::tracks::Track;
use crate::{error::Error, json::Object, story::world::Idx, view::model::Model};

/// What is written at a time.
const CHUNK: usize = 64 << 10;
pub(super) struct Writer<'a> {
    /// What is drawn.
    pub model: &'a Model,
    /// Of every process; filled before anything is drawn.
    pub tracks: HashMap<Idx, Track>,
    out: &'a mut dyn Write,
    text: String,
    first: bool,
    /// Where arrows end. They are written last: of what happens at the same moment readers take what stands first, and
    /// an arrow that ends before it begins is none.
    tips: Vec<Tip>,
}

/// The end of an arrow.
#[derive(Debug, Clone, Copy)]
struct Tip {
    track: Track,
    ns: u64,
    id: u64,
}

/// Microseconds, to the nanosecond.
fn us(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

/// What both ends of an arrow say.
fn of_arrow(object: &mut Object<'_>, id: u64) {
    object.number("id", id);
    object.text("cat", "cause");
    object.text("name", if id & 1 == 0 { "signal" } else { "started again" });
}

impl<'a> Writer<'a> {
    /// Begins a trace: what it is `about`, then its events.
    pub fn new(out: &'a mut dyn Write, model: &'a Model, about: impl FnOnce(&mut Object<'_>)) -> Self {
        let mut text = String::from("{\"displayTimeUnit\":\"ns\",\"otherData\":");
        let mut object = Object::open(&mut text);
        about(&mut object);
        object.close();
        text.push_str(",\"traceEvents\":[\n");
        Self { model, tracks: HashMap::new(), out, text, first: true, tips: Vec::new() }
    }

    /// Ends it: nothing is written after.
    pub fn finish(mut self) -> Result<(), Error> {
        self.tips()?;
        self.text.push_str("\n]}\n");
        self.out.write_all(self.text.as_bytes())?;
        Ok(())
    }

    /// One event: its members are `write`'s, but for where it is and when.
    fn event(
        &mut self,
        ph: &str,
        track: Track,
        ns: Option<u64>,
        write: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        if !self.first {
            self.text.push_str(",\n");
        }
        self.first = false;
        let mut object = Object::open(&mut self.text);
        object.text("ph", ph);
        object.number("pid", track.group);
        object.number("tid", track.number);
        if let Some(ns) = ns {
            object.raw("ts", |out| out.push_str(&us(ns)));
        }
        write(&mut object);
        object.close();
        if self.text.len() >= CHUNK {
            self.out.write_all(self.text.as_bytes())?;
            self.text.clear();
        }
        Ok(())
    }

    pub fn slice(
        &mut self,
        track: Track,
        (from_ns, to_ns): (u64, u64),
        (name, category): (&str, &str),
        args: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        self.event("X", track, Some(from_ns), |object| {
            object.raw("dur", |out| out.push_str(&us(to_ns.saturating_sub(from_ns))));
            object.text("cat", category);
            object.text("name", name);
            object.object("args", args);
        })
    }

    pub fn instant(
        &mut self,
        track: Track,
        ns: u64,
        (name, category): (&str, &str),
        args: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        self.event("i", track, Some(ns), |object| {
            object.text("s", "t");
            object.text("cat", category);
            object.text("name", name);
            object.object("args", args);
        })
    }

    /// One end of an arrow, bound to the slice that was written last at that moment.
    pub fn arrow(&mut self, begins: bool, track: Track, ns: u64, id: u64) -> Result<(), Error> {
        if !begins {
            self.tips.push(Tip { track, ns, id });
            return Ok(());
        }
        self.event("s", track, Some(ns), |object| of_arrow(object, id))
    }

    fn tips(&mut self) -> Result<(), Error> {
        for Tip { track, ns, id } in std::mem::take(&mut self.tips) {
            self.event("f", track, Some(ns), |object| {
                object.text("bp", "e");
                of_arrow(object, id);
            })?;
        }
        Ok(())
    }

    pub fn name(&mut self, what: &str, track: Track, name: &str) -> Result<(), Error> {
        self.event("M", track, None, |object| {
            object.text("name", what);
            object.object("args", |object| object.text("name", name));
        })
    }

    pub fn order(&mut self, what: &str, track: Track, place: u64) -> Result<(), Error> {
        self.event("M", track, None, |object| {
            object.text("name", what);
            object.object("args", |object| object.number("sort_index", place));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::us;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        assert_eq!(us(1_234_567), "1234.567");
        assert_eq!(us(7), "0.007");
    }
}
