//! The boundary between a recording and a terminal.
//!
//! Invariant: whatever bytes go in, what comes out is UTF-8 on one line, without control
//! characters, without characters that change the direction or the look of others, and without
//! characters that cannot be seen. Everything of a recording goes through here on its way out.
//! What is dangerous appears as `\n`, `\x1b`, `\u{202e}`; an invalid byte as `\xff`. A backslash
//! stays as it is (unit names are full of them), so this is for eyes; `--json` is exact.

use std::fmt::{self, Write as _};

/// Whether `c` may reach a terminal as it is.
pub fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    !matches!(
        c,
        '\u{80}'..='\u{a0}'
            | '\u{ad}'
            | '\u{34f}'
            // Marks that pile up on what stands before them.
            | '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
            // Direction, joining, invisible operators, odd spaces, line and paragraph separators.
            | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{1680}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // Private use and noncharacters: what they look like is up to the font.
            | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{10ffff}'
    ) && u32::from(c) & 0xfffe != 0xfffe
}

/// Appends `bytes`, made safe.
pub fn push(out: &mut String, bytes: &[u8]) {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        out.extend(bytes.iter().map(|byte| char::from(*byte)));
        return;
    }
    for chunk in bytes.utf8_chunks() {
        push_text(out, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Appends `text`, made safe.
pub fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            _ if is_plain(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if u32::from(c) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            _ => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
}

/// `bytes`, made safe.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push(&mut out, bytes);
    out
}

/// Displays something made by others (an error with a path in it, say) safely.
#[derive(Debug)]
pub struct Safe<T>(pub T);

impl<T: fmt::Display> fmt::Display for Safe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.0.to_string().as_bytes()))
    }
}

/// Appends NUL-terminated `argv` as a command line: words that would be ambiguous are quoted.
pub fn push_argv(out: &mut String, argv: &[u8]) {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    for (at, word) in argv.split(|byte| *byte == 0).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let bare =
            !word.is_empty() && !word.iter().any(|byte| matches!(byte, b' ' | b'\'' | b'"' | b'\t' | b'\n'));
        if bare {
            push(out, word);
        } else {
            out.push('\'');
            push(out, word);
            out.push('\'');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_get_anything_dangerous_out(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let out = text(&bytes);
            prop_assert!(out.chars().all(is_plain), "{out:?}");
            let mut line = String::new();
            push_argv(&mut line, &bytes);
            prop_assert!(line.chars().all(is_plain), "{line:?}");
        }

        #[test]
        fn no_text_gets_anything_dangerous_out(input in any::<String>()) {
            let out = text(input.as_bytes());
            prop_assert!(out.chars().all(is_plain), "{out:?}");
            prop_assert!(!out.chars().any(char::is_control));
        }
    }

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        for same in ["mongod", "dev-disk\\x2duuid.device", "größe 数据库 данные", "a b", "🦀"] {
            assert_eq!(text(same.as_bytes()), same);
        }
    }

    #[test]
    fn what_is_dangerous_is_spelt_out() {
        for (bytes, expected) in [
            (&b"\x1b[2J\x1b]0;x\x07"[..], "\\x1b[2J\\x1b]0;x\\x07"),
            (b"a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
            (b"\xff\xc3", "\\xff\\xc3"),
            ("\u{9b}31m\u{7f}".as_bytes(), "\\u{9b}31m\\x7f"),
            ("\u{202e}dc\u{200b}\u{feff}".as_bytes(), "\\u{202e}dc\\u{200b}\\u{feff}"),
            ("\u{e0041}\u{2066}".as_bytes(), "\\u{e0041}\\u{2066}"),
        ] {
            assert_eq!(text(bytes), expected);
        }
    }

    #[test]
    fn a_command_line_shows_where_its_words_end() {
        let mut out = String::new();
        push_argv(&mut out, b"sh\0-c\0echo it\0\0");
        assert_eq!(out, "sh -c 'echo it' ''");
    }
}
