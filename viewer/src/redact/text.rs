//! The text of a shell, of SQL, of JSON, of a title: words with signs between them.
//!
//! Invariant: what is said in front of quotes, brackets and signs holds for what is behind them; the words themselves
//! are for [`super::line`] to judge.

use super::{
    Kind, Redactor,
    line::{Line, NUMBERS_MAX, base, number_run},
    options::READS_SECRETS,
    shape,
};

/// What separates words in the text of a shell and in the title of a process.
pub(super) fn is_separator(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || b";|&()<>\"'`{}[]".contains(&byte)
}

/// Whether a word is made only of signs that join a name and its value: `=`, `:`, a comma, a backslash before a quote, a
/// dollar before a command.
pub(super) fn is_joint(word: &[u8]) -> bool {
    word.iter().all(|byte| b":=,\\$".contains(byte))
}

impl Redactor {
    /// Words with whatever is between them.
    pub(super) fn text(&mut self, text: &[u8], line: &mut Line) -> Vec<u8> {
        let feeds = feeds_secrets(text);
        line.feeds |= feeds;
        let mut out = Vec::with_capacity(text.len());
        // Where the arguments of a call end that are secret: `db.auth("a", "b")`.
        let mut in_call = false;
        let mut heredoc: Option<&[u8]> = None;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if !is_separator(byte) {
                let len = text[at..].iter().position(|byte| is_separator(*byte));
                let (word, behind) = text[at..].split_at(len.unwrap_or(text.len() - at));
                if line.numbers == 0 {
                    line.numbers = number_run(text[at..].split(|byte| *byte == b' ').take(NUMBERS_MAX));
                }
                at += word.len();
                if is_joint(word) && (line.pending == Some(Kind::Secret) || line.secret) {
                    out.extend_from_slice(word);
                    continue;
                }
                let call =
                    behind.starts_with(b"(") && !behind.starts_with(b"()") && shape::is_secretish(word);
                if call {
                    (line.pending, in_call) = (None, true);
                }
                let said = line.pending.is_some() || line.secret;
                out.extend(self.line_word(word, line));
                if !said
                    && !call
                    && shape::is_secretish(word)
                    && let Some(quoted) = assigned(behind)
                {
                    (line.pending, line.weak) = (Some(Kind::Secret), !quoted);
                }
                continue;
            }
            out.push(byte);
            at += 1;
            let secret = line.pending == Some(Kind::Secret) || line.secret;
            match byte {
                // A secret in quotes is one, whatever it holds; so is what follows a header's name in them.
                b'\'' | b'"' if secret && opens(&text[..at - 1]) => {
                    let len = text[at..].iter().position(|b| *b == byte).unwrap_or(text.len() - at);
                    out.extend(self.secret(&text[at..at + len]));
                    at += len;
                    if at < text.len() {
                        out.push(byte);
                        at += 1;
                    }
                    line.pending = None;
                }
                b'\'' | b'"' => line.secret &= opens(&text[..at - 1]),
                // `--password $(pass show db)`
                b'(' | b'`' if secret && !in_call && (byte == b'`' || text[..at].ends_with(b"$(")) => {
                    let close = if byte == b'`' { b'`' } else { b')' };
                    let len = text[at..].iter().position(|b| *b == close).unwrap_or(text.len() - at);
                    out.extend(self.secret(&text[at..at + len]));
                    at += len;
                    line.pending = None;
                }
                b'(' => {
                    line.begin_anew();
                    line.secret = in_call;
                }
                b')' => line.secret &= !std::mem::take(&mut in_call),
                b'\n' => {
                    line.begin_anew();
                    if let Some(end) = heredoc.take().filter(|_| feeds) {
                        at += self.heredoc(&text[at..], end, &mut out);
                    }
                }
                b';' | b'|' | b'&' | b'`' => line.begin_anew(),
                // `chpasswd <<< root:pw`
                b'<' if feeds && text[..at].ends_with(b"<<<") => line.secret = true,
                b'<' if text[..at].ends_with(b"<<") && text.get(at) != Some(&b'<') => {
                    let (start, word) = delimiter(&text[at..]);
                    out.extend_from_slice(&text[at..at + start]);
                    out.extend(self.word(word));
                    at += start + word.len();
                    heredoc = Some(word);
                }
                _ => {}
            }
        }
        out
    }

    /// What another program reads as secrets, one in each line, up to the line `end`; how long it was.
    fn heredoc(&mut self, text: &[u8], end: &[u8], out: &mut Vec<u8>) -> usize {
        let mut read = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            if bare.trim_ascii() == end {
                break;
            }
            let user = bare.contains(&b':') && !bare.contains(&b' ');
            out.extend(if user { self.user(bare) } else { self.secret(bare) });
            out.extend_from_slice(&line[bare.len()..]);
            read += line.len();
        }
        read
    }
}

/// Whether a quote opens what it is a quote of, by what is before it: `"password": "x"` has two that do.
fn opens(before: &[u8]) -> bool {
    let last = before.iter().rfind(|byte| **byte != b'\\');
    last.is_none_or(|byte| is_separator(*byte) || matches!(byte, b':' | b'=' | b','))
}

/// Whether what is behind a word gives it a value, and whether the word is in quotes: `"token": `, `PASSWORD"] = `,
/// `password => `.
fn assigned(behind: &[u8]) -> Option<bool> {
    let signs = behind.iter().take_while(|byte| b" \t\"'\\])}".contains(byte)).count();
    let (signs, rest) = behind.split_at(signs);
    // The next word's quote is none of this one's: `token "a=b"`.
    let quotes = signs.iter().filter(|byte| matches!(byte, b'"' | b'\'')).count();
    (matches!(rest.first(), Some(b':' | b'=')) && quotes <= 1).then_some(quotes == 1)
}

/// The word that ends a here-document, by what follows its sign, and where it begins.
fn delimiter(behind: &[u8]) -> (usize, &[u8]) {
    let start = behind.iter().take_while(|byte| b"- \t\"'\\".contains(byte)).count();
    let word = &behind[start..];
    (start, &word[..word.iter().position(|byte| is_separator(*byte)).unwrap_or(word.len())])
}

/// Whether something in the text of a shell reads a secret from what is printed before it.
fn feeds_secrets(text: &[u8]) -> bool {
    let piped = text.contains(&b'|') || text.windows(2).any(|two| two == b"<<");
    piped && text.split(|byte| is_separator(*byte)).any(|word| READS_SECRETS.contains(&base(word)))
}
