//! The session record: the host, notes of the recorder, the entries of inittab.
//!
//! Invariant: what a stand-in makes longer than the record may be is left out from the least important on, and the
//! record says so.

use lastrites_traces::session::Session;

use super::{Kind, Redactor, line::Line, vocabulary};

/// Key of the pairs with entries of inittab.
const INITTAB: &str = "inittab";

impl Redactor {
    pub(super) fn hostname(&mut self, hostname: &str) -> String {
        if hostname.is_empty() {
            return String::new();
        }
        let name = hostname.as_bytes();
        self.names.look_at("session record", name);
        self.seek(Kind::Host, name.split(|byte| *byte == b'.').next().unwrap_or_default());
        self.seek_host(name);
        self.name(Kind::Host, name)
    }

    /// A text of the recorder's own, which may quote a path.
    pub fn note(&mut self, note: &str) -> String {
        self.names.look_at("notes", note.as_bytes());
        let words: Vec<String> = note
            .split(' ')
            .map(|word| {
                let path = word.starts_with('/') && word.len() > 1;
                let new = if path {
                    self.path(word.as_bytes())
                } else {
                    self.names.scrub(word.as_bytes(), self.keep)
                };
                String::from_utf8_lossy(&new).into_owned()
            })
            .collect();
        String::from_utf8_lossy(&self.whole(words.join(" ").as_bytes())).into_owned()
    }

    /// A pair of the session record that has no field of its own.
    pub(super) fn extra(&mut self, key: &str, value: &str) -> Option<(String, String)> {
        let plain =
            !key.is_empty() && key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain {
            return None;
        }
        self.names.look_at("session record", value.as_bytes());
        let new = match key {
            INITTAB => self.inittab(value.as_bytes()),
            // It names one loading of the probe on one machine.
            "pins" => self.named(Kind::Id, value.as_bytes()),
            _ => self.text(value.as_bytes(), &mut Line::default()),
        };
        let new = self.whole(&new);
        Some((key.to_owned(), String::from_utf8_lossy(&new).into_owned()))
    }

    /// `id:levels:action:process`, see inittab(5).
    fn inittab(&mut self, line: &[u8]) -> Vec<u8> {
        let mut fields = line.splitn(4, |byte| *byte == b':');
        let mut out = Vec::with_capacity(line.len());
        let mut field = || fields.next().unwrap_or_default();
        let (id, levels, action) = (field(), field(), field());
        // Four characters at most, and they are how init calls the service.
        let short = |text: &[u8]| {
            text.len() <= 16 && text.iter().all(|b| b.is_ascii_alphanumeric() || b"~*# ".contains(b))
        };
        for text in [id, levels, action] {
            match short(text) || vocabulary::holds(text) {
                true => out.extend(self.names.scrub(text, self.keep)),
                false => out.extend(self.named(Kind::Argument, text)),
            }
            out.push(b':');
        }
        let process = fields.next().unwrap_or_default();
        let flags = process.iter().take_while(|byte| matches!(byte, b'+' | b'@')).count();
        out.extend_from_slice(&process[..flags]);
        out.extend(self.text(&process[flags..], &mut Line::of_text()));
        out
    }
}

/// Leaves out of `session` what does not fit into a record any more.
pub(super) fn fit(session: &mut Session) {
    // As the record is written, with a few bytes for what says how long each text is.
    let bytes = |key: &str, value: &str| key.len() + value.len() + 6;
    let total: usize = session.pairs().iter().map(|(key, value)| bytes(key, value)).sum();
    if total <= Session::BYTES_MAX {
        return;
    }
    // What is started again and again is what a shutdown trips over.
    let respawns = |(key, value): &(String, String)| {
        let action = value.split(':').nth(2).unwrap_or_default();
        key == INITTAB && matches!(action, "respawn" | "ondemand")
    };
    session.extra.sort_by_key(|pair| (!respawns(pair), pair.0 != INITTAB));
    let extra: usize = session.extra.iter().map(|(key, value)| bytes(key, value)).sum();
    let sentence = |gone| {
        format!(
            "{gone} entries of inittab and the like did not fit in with their stand-ins, and the report is without them"
        )
    };
    let used = total - extra + bytes("missing", &sentence(session.extra.len()));
    let mut room = Session::BYTES_MAX.saturating_sub(used);
    let before = session.extra.len();
    session.extra.retain(|(key, value)| {
        let fits = bytes(key, value) <= room;
        room -= if fits { bytes(key, value) } else { 0 };
        fits
    });
    session.missing.push(sentence(before - session.extra.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Keep;

    #[test]
    fn what_init_starts_again_is_left_out_last_and_what_is_left_out_is_told() {
        let mut session = Session { hostname: "db7".into(), ..Session::default() };
        let words = "a1 ".repeat(70);
        for n in 0..30 {
            session.extra.push((INITTAB.into(), format!("w{n}:2:wait:/bin/x {words}")));
        }
        session.extra.push((INITTAB.into(), "md:2345:respawn:/usr/bin/mongod".into()));
        let mut redactor = Redactor::new(Keep::default());
        redactor.learn(&session);
        redactor.learned();
        let left = redactor.session(&session);
        assert!(
            left.extra.iter().any(|(_, value)| value.starts_with("md:2345:respawn:")),
            "{:?}",
            left.extra
        );
        assert!(left.extra.len() < 31 && left.missing[0].contains("did not fit"), "{:?}", left.missing);
        let bytes: usize = left.pairs().iter().map(|(key, value)| key.len() + value.len() + 6).sum();
        assert!(bytes <= Session::BYTES_MAX);
        let small = Session { extra: session.extra[29..].to_vec(), ..session };
        assert_eq!(redactor.session(&small).missing, Vec::<String>::new());
    }
}
