//! Whether the terminal is light or dark: asked of the terminal itself.
//!
//! Invariant: nobody waits longer than [`PATIENCE`] for an answer. What was typed meanwhile is handed on: letters, and the
//! keys that move; a rarer one (Delete, F2), or the mouse, is lost in that moment. An answer that comes late is an answer
//! still, and no keys.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::palette::{Depth, Hints, Theme, Tone};

/// An answer takes a round trip; who has none by then is on a slow line, and is drawn dark until it comes.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// The colour of the background (xterm's OSC 11), then what every terminal answers (DA1): when that has come, the
/// first is not to be waited for any longer.
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";

/// Longer than any answer.
const ANSWER_MAX: usize = 64;

/// Whether it makes sense to ask: not on consoles, which have one background and print what they do not understand, and
/// not where there are no colours to choose.
pub fn can_be_asked(hints: &Hints, theme: &Theme) -> bool {
    let old = ["linux", "vt", "ansi", "cons", "sun", "wyse", "dumb"];
    theme.depth != Depth::None && !old.iter().any(|term| hints.term.starts_with(term))
}

#[derive(Debug, Default)]
pub struct Answer {
    pub tone: Option<Tone>,
    /// What somebody typed while we waited.
    pub typed: Vec<Event>,
    pub late: Late,
}

/// Asks; the terminal is raw, and nobody else reads from it meanwhile.
pub fn ask(patience: Duration) -> io::Result<Answer> {
    let mut out = io::stdout();
    out.write_all(QUESTION)?;
    out.flush()?;
    let until = Instant::now() + patience;
    let mut heard: Vec<u8> = Vec::new();
    let stdin = io::stdin();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let limit = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let ready = rustix::event::poll(&mut fds, Some(&limit)).is_ok_and(|count| count > 0);
        if ready && fds[0].revents().contains(PollFlags::IN) {
            let mut bytes = [0; 256];
            // Not through Rust's buffer: what that has read nobody else would see.
            match rustix::io::read(&stdin, &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(count) => heard.extend_from_slice(&bytes[..count]),
            }
        } else if ready {
            break;
        }
        if hear(&heard).1 || heard.len() > 16 * ANSWER_MAX || Instant::now() >= until {
            break;
        }
    }
    Ok(understand(&heard))
}

fn understand(heard: &[u8]) -> Answer {
    let (pieces, complete) = hear(heard);
    let mut answer = Answer { late: Late { expected: !complete, inside: None }, ..Answer::default() };
    for piece in pieces {
        match piece {
            Piece::Background(tone) => answer.tone = tone,
            Piece::Attributes => {}
            Piece::Key(code, modifiers) => answer.typed.push(Event::Key(KeyEvent::new(code, modifiers))),
            // The rest of it will come later.
            Piece::Begun(text) => answer.late.inside = Some(text),
        }
    }
    answer
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Background(Option<Tone>),
    Attributes,
    Key(KeyCode, KeyModifiers),
    /// An answer without its end.
    Begun(String),
}

/// What the bytes are, and whether the last answer is among them.
fn hear(mut bytes: &[u8]) -> (Vec<Piece>, bool) {
    let mut pieces = Vec::new();
    let mut complete = false;
    while let [first, rest @ ..] = bytes {
        let (piece, used) = match (first, rest) {
            (0x1b, [b']', text @ ..]) => match text.iter().position(|byte| matches!(byte, 0x07 | 0x1b)) {
                Some(end) => {
                    let ends_in = if text[end] == 0x07 { 1 } else { 2 };
                    let tone = tone(&text[..end]);
                    (Some(Piece::Background(tone)), (2 + end + ends_in).min(bytes.len()))
                }
                None => {
                    let come: String = String::from_utf8_lossy(text).chars().take(ANSWER_MAX).collect();
                    (Some(Piece::Begun(come)), bytes.len())
                }
            },
            (0x1b, [b'[', text @ ..]) => match text.iter().position(|byte| (b'@'..=b'~').contains(byte)) {
                Some(end) if text[end] == b'c' && text[0] == b'?' => {
                    complete = true;
                    (Some(Piece::Attributes), end + 3)
                }
                Some(end) => (sequence(&text[..=end]), end + 3),
                None => (Some(Piece::Begun(String::new())), bytes.len()),
            },
            (0x1b, [b'O', letter, ..]) => (sequence(&[*letter]), 3),
            _ => {
                let length = match first {
                    0..=0x7f => 1,
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                let used = length.min(bytes.len());
                (key(&bytes[..used]), used)
            }
        };
        pieces.extend(piece);
        bytes = &bytes[used..];
    }
    (pieces, complete)
}

/// `11;rgb:ffff/ffff/ffff`, in one to four digits each.
fn tone(text: &[u8]) -> Option<Tone> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix("11;")?;
    let (_, channels) = text.split_once(':')?;
    let mut channels = channels.split('/').take(3).map(|digits| {
        let most =
            16_u32.checked_pow(digits.len().try_into().ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        u32::from_str_radix(digits, 16).ok().map(|value| f64::from(value) / f64::from(most))
    });
    let (r, g, b) = (channels.next()??, channels.next()??, channels.next()??);
    Some(if 0.299 * r + 0.587 * g + 0.114 * b > 0.5 { Tone::Light } else { Tone::Dark })
}

/// The key whose sequence ends like this.
fn sequence(end: &[u8]) -> Option<Piece> {
    let code = match end {
        b"A" => KeyCode::Up,
        b"B" => KeyCode::Down,
        b"C" => KeyCode::Right,
        b"D" => KeyCode::Left,
        b"H" | b"1~" | b"7~" => KeyCode::Home,
        b"F" | b"4~" | b"8~" => KeyCode::End,
        b"5~" => KeyCode::PageUp,
        b"6~" => KeyCode::PageDown,
        b"Z" => KeyCode::BackTab,
        b"P" | b"11~" => KeyCode::F(1),
        _ => return None,
    };
    Some(Piece::Key(code, KeyModifiers::NONE))
}

fn key(bytes: &[u8]) -> Option<Piece> {
    let (code, modifiers) = match bytes {
        [b'\r'] => (KeyCode::Enter, KeyModifiers::NONE),
        [b'\t'] => (KeyCode::Tab, KeyModifiers::NONE),
        [0x7f] => (KeyCode::Backspace, KeyModifiers::NONE),
        [0x1b] => (KeyCode::Esc, KeyModifiers::NONE),
        [control @ 1..=26] => (KeyCode::Char(char::from(control + b'a' - 1)), KeyModifiers::CONTROL),
        _ => {
            let c = std::str::from_utf8(bytes).ok()?.chars().next().filter(|c| !c.is_control())?;
            (KeyCode::Char(c), if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE })
        }
    };
    Some(Piece::Key(code, modifiers))
}

/// Keeps an answer that comes after all from being taken for keys: to a reader of keys it is Alt-`]`, some letters, and
/// Alt-`\` or Ctrl-G.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Late {
    expected: bool,
    /// What has come of it.
    inside: Option<String>,
}

impl Late {
    /// Whether `event` is part of an answer; with its end what it says.
    pub fn swallows(&mut self, event: &Event) -> Option<Option<Tone>> {
        let Event::Key(key) = event else { return None };
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let bell = key.modifiers.contains(KeyModifiers::CONTROL);
        match (&mut self.inside, key.code) {
            (None, KeyCode::Char(']')) if alt && self.expected => self.inside = Some(String::new()),
            (None, _) => return None,
            (Some(text), KeyCode::Char('\\')) if alt => {
                let tone = tone(text.as_bytes());
                *self = Self::default();
                return Some(tone);
            }
            (Some(text), KeyCode::Char('g')) if bell => {
                let tone = tone(text.as_bytes());
                *self = Self::default();
                return Some(tone);
            }
            (Some(text), KeyCode::Char(c))
                if text.len() < ANSWER_MAX && (c.is_ascii_hexdigit() || "rgba:/;?".contains(c)) =>
            {
                text.push(c);
            }
            // That is somebody who types.
            (Some(_), _) => {
                *self = Self::default();
                return None;
            }
        }
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(answer: &Answer) -> String {
        let code = |event: &Event| match event {
            Event::Key(key) => match key.code {
                KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => format!("^{c}"),
                KeyCode::Char(c) => c.to_string(),
                other => format!("<{other:?}>"),
            },
            other => format!("{other:?}"),
        };
        answer.typed.iter().map(code).collect()
    }

    #[test]
    fn the_background_is_told_in_many_ways() {
        for (text, expected) in [
            ("11;rgb:ffff/ffff/ffff", Some(Tone::Light)),
            ("11;rgb:fdfd/f6f6/e3e3", Some(Tone::Light)),
            ("11;rgb:0000/0000/0000", Some(Tone::Dark)),
            ("11;rgb:28/2a/36", Some(Tone::Dark)),
            ("11;rgb:f/f/f", Some(Tone::Light)),
            ("11;rgba:1e1e/1e1e/2e2e/ffff", Some(Tone::Dark)),
            ("10;rgb:ffff/ffff/ffff", None),
            ("11;rgb:", None),
            ("11;rgb:///", None),
            ("11;rgb:fffffffffffff/f/f", None),
            ("11;nonsense", None),
        ] {
            assert_eq!(tone(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_typed_around_an_answer_is_handed_on() {
        let answer = understand(b"j\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[A\xc3\xb6\x1b[?62;22c\x03G\x1b");
        assert_eq!(answer.tone, Some(Tone::Light));
        assert_eq!(typed(&answer), "j<Up>\u{f6}^cG<Esc>");
        assert_eq!(answer.late, Late::default(), "nothing more is to come");
        let bell = understand(b"\x1b]11;rgb:0/0/0\x07\x1b[?1;2cq");
        assert_eq!((bell.tone, typed(&bell).as_str()), (Some(Tone::Dark), "q"));
        let none = understand(b"\x1b[?6cq");
        assert_eq!((none.tone, typed(&none).as_str(), none.late), (None, "q", Late::default()));
    }

    #[test]
    fn a_late_answer_is_an_answer_and_no_keys() {
        let key = |c, modifiers| Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers));
        let (plain, alt) = (KeyModifiers::NONE, KeyModifiers::ALT);
        let bell = key('g', KeyModifiers::CONTROL);
        let mut late = understand(b"j").late;
        assert_eq!(late.swallows(&key('f', plain)), None, "a key before it is a key");
        assert_eq!(late.swallows(&key(']', alt)), Some(None));
        for c in "11;rgb:ffff/ffff/ffff".chars() {
            assert_eq!(late.swallows(&key(c, plain)), Some(None), "{c}");
        }
        assert_eq!(late.swallows(&key('\\', alt)), Some(Some(Tone::Light)));
        assert_eq!(late.swallows(&key('f', plain)), None, "a key after it is a key");
        // Half of it came in time.
        let mut half = understand(b"\x1b]11;rgb:ff/ff/f").late;
        assert_eq!(half.swallows(&key('f', plain)), Some(None));
        assert_eq!(half.swallows(&bell), Some(Some(Tone::Light)));
        assert_eq!(half.swallows(&key('f', plain)), None);
        // It never ends: who types gets through.
        let mut lost = understand(b"\x1b]11;rgb:ff").late;
        assert_eq!((lost.swallows(&key('q', plain)), lost.swallows(&key('f', plain))), (None, None));
        assert_eq!(Late::default().swallows(&key(']', alt)), None, "nothing is expected");
    }

    #[test]
    fn any_bytes_are_heard_without_harm() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(
            prop_oneof![Just(0x1b_u8), Just(b'['), Just(b']'), Just(b';'), any::<u8>()], 0..60))| {
            let _ = understand(&bytes);
        });
    }
}
