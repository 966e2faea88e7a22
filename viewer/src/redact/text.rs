//! The text of a shell, of SQL, of JSON, of a title: words with signs between them.
//!
//! Invariant: what is said in front of quotes, brackets and signs holds for what is behind them; the words themselves
//! are for [`super::line`] to judge.

use super::{
    Kind, Redactor,
    line::{Line, NUMBERS_MAX, base, number_run},
    options::READS_SECRETS,
    path::is_known_path,
    shape, vocabulary,
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
        // Brackets that are open since a call whose arguments are secret: `db.auth("a", f("b"))`.
        let mut in_call = 0_usize;
        let mut heredoc: Option<&[u8]> = None;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if !is_separator(byte) {
                let len = text[at..].iter().position(|byte| is_separator(*byte));
                let (word, behind) = text[at..].split_at(len.unwrap_or(text.len() - at));
                if line.numbers == 0 && shape::is_number(word) {
                    line.numbers = number_run(text[at..].split(|byte| is_separator(*byte)).take(NUMBERS_MAX));
                }
                at += word.len();
                if is_joint(word) && (line.pending == Some(Kind::Secret) || line.secret) {
                    out.extend_from_slice(word);
                    continue;
                }
                let call = in_call == 0 && is_call(word, behind);
                if call {
                    (line.pending, in_call) = (None, 1);
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
                    // `\"x\"` in a text that is in quotes itself.
                    let escaped = at > 1 && text[at - 2] == b'\\';
                    let len = quoted(&text[at..], byte, escaped);
                    let inner = &text[at..at + len];
                    out.extend(if is_known_path(inner) { self.path(inner) } else { self.secret(inner) });
                    at += len;
                    if text.get(at) == Some(&byte) {
                        out.push(byte);
                        at += 1;
                    }
                    line.pending = None;
                }
                b'\'' | b'"' => line.secret &= opens(&text[..at - 1]),
                // `--password $(pass show db)`
                b'(' | b'`' if secret && in_call == 0 && (byte == b'`' || text[..at].ends_with(b"$(")) => {
                    let close = if byte == b'`' { b'`' } else { b')' };
                    let len = text[at..].iter().position(|b| *b == close).unwrap_or(text.len() - at);
                    // A command, and not what it prints: nothing to look for elsewhere.
                    out.extend(self.named(Kind::Secret, &text[at..at + len]));
                    at += len;
                    line.pending = None;
                }
                b'(' => {
                    in_call += usize::from(in_call > 0 && line.secret);
                    line.begin_anew();
                    line.secret = in_call > 0;
                }
                b')' => {
                    in_call = in_call.saturating_sub(1);
                    line.secret &= in_call > 0;
                }
                b'\n' if in_call > 0 => {}
                b'\n' => {
                    line.begin_anew();
                    if let Some(end) = heredoc.take().filter(|_| feeds) {
                        at += self.heredoc(&text[at..], end, &mut out);
                    }
                }
                b';' | b'|' | b'&' | b'`' => {
                    line.begin_anew();
                    line.secret = in_call > 0;
                }
                // `chpasswd <<< root:pw`, `read PASS <<< pw`
                b'<' if (feeds || line.reads) && text[..at].ends_with(b"<<<") => line.secret = true,
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
            match bare.iter().position(|byte| *byte == b':').filter(|at| !bare[..*at].contains(&b' ')) {
                Some(at) => {
                    out.extend(self.user(&bare[..at]));
                    out.push(b':');
                    out.extend(self.secret(&bare[at + 1..]));
                }
                None => out.extend(self.secret(bare)),
            }
            out.extend_from_slice(&line[bare.len()..]);
            read += line.len();
        }
        read
    }
}

/// Whether a quote opens what it is a quote of, by what is before it: `"password": "x"` has two that do.
fn opens(before: &[u8]) -> bool {
    let stands_alone = |byte: &u8| is_separator(*byte) || matches!(byte, b':' | b'=' | b',' | b'$');
    let mut behind = before.iter().rev().filter(|byte| **byte != b'\\');
    match behind.next() {
        None => true,
        // `f"x"` of Python.
        Some(b'f' | b'b' | b'r' | b'u' | b'F' | b'B' | b'R') => behind.next().is_none_or(stands_alone),
        Some(byte) => stands_alone(byte),
    }
}

/// How long a text is whose quote was opened before it: up to the next one that nothing escapes, or that is escaped as
/// the first one was.
fn quoted(text: &[u8], quote: u8, escaped: bool) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if escaped && text.get(at + 1) == Some(&quote) => return at,
            b'\\' => at += 1,
            byte if *byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Whether what follows in brackets is secret: `db.auth("a", "b")`, `login('a', 'b')`.
fn is_call(word: &[u8], behind: &[u8]) -> bool {
    let behind = behind.trim_ascii_start();
    // `$db=mysqli_connect(`, `@PDO(`
    let name = word
        .rsplit(|byte| matches!(byte, b'.' | b'>' | b':' | b'=' | b'@' | b'!'))
        .next()
        .unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let known: [&[u8]; 13] = [
        b"login",
        b"connect",
        b"real_connect",
        b"adduser",
        b"createuser",
        b"mysqli",
        b"mysqli_connect",
        b"mysqli_real_connect",
        b"mysql_connect",
        b"mysql_pconnect",
        b"pg_connect",
        b"odbc_connect",
        b"pdo",
    ];
    behind.starts_with(b"(")
        && !behind.starts_with(b"()")
        && (known.contains(&lower.as_slice()) || shape::is_secretish(word))
}

/// Whether what is behind a word gives it a value, and whether the word is in quotes: `"token": `, `PASSWORD"] = `,
/// `password => `.
fn assigned(behind: &[u8]) -> Option<bool> {
    let signs = behind.iter().take_while(|byte| b" \t\"'\\])}".contains(byte)).count();
    let (signs, rest) = behind.split_at(signs);
    // The next word's quote is none of this one's: `token "a=b"`.
    let quotes = signs.iter().filter(|byte| matches!(byte, b'"' | b'\'')).count();
    let given = match rest.first() {
        Some(b':' | b'=') => quotes <= 1,
        // `define("DB_PASSWORD", "x")`
        Some(b',') => quotes == 1,
        // `set password "x"`
        _ => matches!(signs, [b' ', b'"' | b'\'']),
    };
    given.then_some(quotes == 1)
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
    // `sudo -kS`
    let from_input = |word: &[u8]| {
        (2..=5).contains(&word.len())
            && word.starts_with(b"-")
            && word[1..].iter().all(u8::is_ascii_alphabetic)
            && word.contains(&b'S')
    };
    let words: Vec<&[u8]> = text.split(|byte| is_separator(*byte)).filter(|word| !word.is_empty()).collect();
    let reads = |at: usize| {
        let word = words[at];
        let known = READS_SECRETS.contains(&base(word)) && !is_su_of_root(&words[at..]);
        known || from_input(word)
    };
    piped && (0..words.len()).any(reads)
}

/// `su postgres -c psql`: root becomes the user of a service and is asked for nothing, so that what is piped is for the
/// command.
fn is_su_of_root(words: &[&[u8]]) -> bool {
    let [su, rest @ ..] = words else { return false };
    let user = rest.iter().find(|word| !word.starts_with(b"-")).copied().unwrap_or_default();
    let told = |word: &&[u8]| matches!(*word, b"-c" | b"--command");
    base(su) == b"su" && user != b"root" && vocabulary::is_system_user(user) && rest.iter().take(6).any(told)
}
