//! Entries of inittab whose commands have variables in them: a shell puts in their place what nobody knows.
//!
//! Invariant: what is literal in such a command is in what runs, in its place; and where several entries or several processes
//! fit, none of these is known to be of one.

use super::{Entry, is_of_rc, plain, script_word, without_redirections};
use crate::{
    safe,
    story::world::{At, Idx, Image, World},
};

/// Stands for what a shell puts in place of a variable.
const ANY: char = '\0';
/// Stands for what a shell finds as names of files; `?` of it is as long as any.
const FILES: char = '\x01';

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Nothing but variables: any words, or none.
    Any,
    /// As it is written, but for what is put into it.
    Like(String),
    /// The same for names of files: one or more.
    Files(String),
}

impl Word {
    fn fits(&self, word: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Like(pattern) | Self::Files(pattern) => is_like(pattern, word),
        }
    }
}

/// The command of an entry as a pattern; None where nothing in it is put in by a shell, or what is executed is.
fn pattern(command: &str) -> Option<Vec<Word>> {
    let wanted = plain(command.trim_start_matches('+'));
    let wanted = replaced(&without_redirections(&wanted).unwrap_or(wanted));
    let word = |word: &str| match word {
        _ if word.chars().all(|c| c == ANY) => Word::Any,
        _ if word.contains(FILES) => Word::Files(word.replace(FILES, &ANY.to_string())),
        _ => Word::Like(word.to_owned()),
    };
    let is_open = wanted.contains([ANY, FILES]);
    let words: Vec<Word> = wanted.split(' ').map(word).collect();
    let begins =
        matches!(words.first(), Some(Word::Like(first)) if !first.is_empty() && !first.contains(ANY));
    (is_open && begins).then_some(words)
}

/// `a $B ${C} $(d e) *.f` with marks in place of all that a shell puts in.
fn replaced(command: &str) -> String {
    let mut out = String::new();
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek().copied()) {
            ('`', _) => {
                rest.by_ref().find(|c| *c == '`');
                out.push(ANY);
            }
            ('$', Some(open @ ('{' | '('))) => {
                let close = if open == '{' { '}' } else { ')' };
                let mut depth = 0;
                rest.by_ref().find(|c| {
                    depth += i32::from(*c == open) - i32::from(*c == close);
                    depth == 0
                });
                out.push(ANY);
            }
            ('$', _) => {
                // One digit or sign, or a name.
                let first = rest.next();
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if first.is_some_and(|c| is_name(c) && !c.is_ascii_digit()) {
                    while rest.next_if(|c| is_name(*c)).is_some() {}
                }
                out.push(ANY);
            }
            ('*' | '?', _) => out.push(FILES),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a word is a pattern in which [`ANY`] is any text.
fn is_like(pattern: &str, word: &str) -> bool {
    let mut parts = pattern.split(ANY);
    let Some(mut rest) = parts.next().and_then(|first| word.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    true
}

/// Whether the words of a command are those of a pattern, in order and all of them.
fn fits(pattern: &[Word], words: &[&str]) -> bool {
    // How much of the pattern may be behind what was looked at.
    let skip = |at: &mut Vec<bool>| {
        for (place, word) in pattern.iter().enumerate() {
            at[place + 1] |= at[place] && *word == Word::Any;
        }
    };
    let mut at = vec![false; pattern.len() + 1];
    at[0] = true;
    skip(&mut at);
    for word in words {
        let mut next = vec![false; pattern.len() + 1];
        for (place, wanted) in pattern.iter().enumerate().filter(|(_, wanted)| wanted.fits(word)) {
            let again = *wanted != Word::Any && at[place];
            let more = matches!(wanted, Word::Files(_));
            next[place + 1] |= again || more && at[place + 1];
            next[place] |= at[place] && *wanted == Word::Any;
        }
        skip(&mut next);
        at = next;
    }
    at[pattern.len()]
}

/// Which children of init may be of which entry.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// By entry: those that run its very words, or what it may have become.
    fitting: Vec<Vec<Idx>>,
}

impl Patterns {
    pub fn new(world: &World, entries: &[Entry]) -> Self {
        let patterns: Vec<Option<Vec<Word>>> = entries.iter().map(|entry| pattern(&entry.command)).collect();
        let mut fitting = vec![Vec::new(); entries.len()];
        if patterns.iter().all(Option::is_none) {
            return Self { fitting };
        }
        for (idx, _) in world.all().filter(|(_, proc)| world.is_init(proc.parent)) {
            // rc and its scripts are what init runs for a runlevel.
            let of_rc = |image: &Image| {
                is_of_rc(world.strings.get(image.filename))
                    || script_word(world.strings.get(image.argv)).is_some()
            };
            if world.is_init(idx) || world.own_images(idx).any(of_rc) {
                continue;
            }
            for image in world.own_images(idx) {
                let command = plain(&world.command(image, 512));
                let file = safe::text(world.strings.get(image.filename));
                let words: Vec<&str> = command.split(' ').collect();
                for ((entry, pattern), those) in entries.iter().zip(&patterns).zip(&mut fitting) {
                    let Some(pattern) = pattern else { continue };
                    let is_of = entry.is_run_by(&command, &file) || fits(pattern, &words);
                    if is_of && those.last() != Some(&idx) {
                        those.push(idx);
                    }
                }
            }
        }
        Self { fitting }
    }

    /// The place of the only entry that `idx` fits, if nobody else does at the same time: init runs each of them once.
    pub fn of(&self, world: &World, idx: Idx) -> Option<usize> {
        let mut places = (0..self.fitting.len()).filter(|at| self.fitting[*at].contains(&idx));
        let place = places.next().filter(|_| places.next().is_none())?;
        let life =
            |idx: Idx| world.proc_at(idx).map_or((At::NEVER, At::NEVER), |proc| (proc.born, proc.exit));
        let (born, exit) = life(idx);
        let beside = |other: &Idx| {
            let (other_born, other_exit) = life(*other);
            *other != idx && other_born < exit && born < other_exit
        };
        (!self.fitting[place].iter().any(beside)).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::{fits, pattern};

    fn is_of(entry: &str, command: &str) -> bool {
        let words: Vec<&str> = command.split(' ').collect();
        pattern(entry).is_some_and(|pattern| fits(&pattern, &words))
    }

    #[test]
    fn what_is_literal_in_a_word_stays() {
        let entry = "/usr/bin/php /srv/queue/$QUEUE.php";
        assert!(is_of(entry, "/usr/bin/php /srv/queue/mail.php"));
        assert!(!is_of(entry, "/usr/bin/php /srv/mailer/daemon.php"));
        assert!(!is_of(entry, "/usr/bin/php /srv/queue/mail.sh"));
        assert!(!is_of(entry, "/usr/bin/php /srv/queue/mail.php -v"));
        assert!(is_of("/bin/q ${A:-b c}-x$B.y", "/bin/q 1-x2.y"));
        assert!(!is_of("/bin/q a$A.a", "/bin/q a"));
    }

    #[test]
    fn a_variable_alone_is_any_words() {
        for command in ["/bin/q -f", "/bin/q a -f", "/bin/q a b -f"] {
            assert!(is_of("/bin/q $OPTS -f", command), "{command}");
            assert!(is_of("/bin/q $(cat /run/opts) -f 2>&1", command), "{command}");
        }
        assert!(!is_of("/bin/q $OPTS -f", "/bin/q a"));
        assert!(!is_of("/bin/q $OPTS -f", "/bin/q -f a"));
    }

    #[test]
    fn names_of_files_are_one_or_more() {
        assert!(is_of("/bin/q /etc/q/*.conf", "/bin/q /etc/q/a.conf /etc/q/b.conf"));
        assert!(!is_of("/bin/q /etc/q/*.conf", "/bin/q"));
    }

    #[test]
    fn what_is_executed_has_to_be_known() {
        assert!(!is_of("$DAEMON -f", "/bin/q -f"));
        assert!(!is_of("/bin/q -f", "/bin/q -f"));
    }
}
