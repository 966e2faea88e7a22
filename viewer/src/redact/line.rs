//! Words of one command line, and what those before a word say about it.
//!
//! Invariant: they are judged in the same way whether they are arguments of a process, the text of a shell or a line of
//! inittab, so that what belonged together still does.

use super::{
    Kind, Redactor, address,
    options::{
        self, AT_WORD, HOST, OF_DSNS, OF_GROUPS, OF_HOSTS, OF_LOGINS, OF_PROCESSES, OF_USERS, SECRETS_FOLLOW,
        SECRETS_FOLLOW_AT, USER, USER_IS_NO_VALUE, VALUES_FOLLOW_AT,
    },
    path::is_known_path,
    services::Words,
    shape,
    text::{is_joint, is_separator},
    vocabulary,
    word::is_plain_name,
    wrapper::{Unwrapping, is_assignment},
};

/// Digits of numbers that stand side by side, beyond which they may be one: a card, an account.
const DIGITS_MAX: usize = 12;
/// Clients of which a line may name so many.
const CLIENTS_MAX: usize = 4;

/// What is known of a command line so far.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Whose words these are: of wrappers, the one that is run in the end.
    program: Vec<u8>,
    /// That is what the process itself executed. Of others it is only said, and the first word of any sentence would be one:
    /// `wall 'stop talking'`.
    own: bool,
    /// That one, and clients that were named on the way to it.
    programs: Vec<Vec<u8>>,
    unwrapping: Option<Unwrapping>,
    /// The next word is the program's name.
    at_program: bool,
    /// What the option before says that this word is.
    pub pending: Option<Kind>,
    /// It is no option that says so, but a word: what it holds may be a word as well.
    pub weak: bool,
    /// Everything that follows is secret: a header.
    pub secret: bool,
    /// All words are that follow, options and paths apart.
    secrets_follow: bool,
    /// What stands behind the equals signs of those that follow is.
    values_follow: bool,
    /// `read PASS` was: what it reads is one.
    pub reads: bool,
    /// What is printed here is read as a secret by another program.
    pub feeds: bool,
    /// `login` was among its words.
    login: bool,
    /// `IDENTIFIED` was, of which `BY` says how.
    identified: bool,
    /// `IDENTIFIED BY` was the last: the word `PASSWORD` may come before the secret.
    hashed: bool,
    /// `PASSWORD FOR` was: what is set behind an equals sign is the password.
    assigned: bool,
    /// The first of its words that may be a name was met.
    first_met: bool,
    words: Words,
    /// Numbers to come that are judged with the one before.
    pub numbers: usize,
}

impl Line {
    pub fn of(program: &[u8]) -> Self {
        let mut line = Self::default();
        line.begin(program);
        line.own = true;
        line
    }

    pub fn of_text() -> Self {
        Self { at_program: true, ..Self::default() }
    }

    /// Another command begins in the same text.
    pub fn begin_anew(&mut self) {
        *self = Self { feeds: self.feeds, ..Self::of_text() };
    }

    fn begin(&mut self, program: &[u8]) {
        self.program = program.to_vec();
        self.own = false;
        // What its wrapper's letters mean, its own do not.
        self.programs = vec![program.to_vec()];
        self.unwrapping = Unwrapping::of(program);
        self.secrets_follow |= SECRETS_FOLLOW.contains(&program);
        self.first_met = false;
        self.words = Words::default();
    }

    /// The program is not known by its file.
    pub fn begin_once(&mut self, program: &[u8]) {
        if self.program.is_empty() {
            self.begin(program);
            self.own = true;
        }
    }

    fn is_of(&self, programs: &[&[u8]]) -> bool {
        programs.contains(&self.program.as_slice())
    }

    /// Finds the program that gets what follows.
    fn meet(&mut self, word: &[u8]) {
        if self.at_program {
            // `FOO=bar program`
            if !is_assignment(word) {
                self.at_program = false;
                self.begin(base(word));
            }
        } else if let Some(unwrapping) = &mut self.unwrapping {
            if unwrapping.is_program(word) {
                self.begin(base(word));
            }
        } else if options::is_client(base(word)) && self.programs.len() < CLIENTS_MAX {
            let client = base(word).to_vec();
            if !self.programs.contains(&client) {
                self.programs.push(client);
            }
        }
    }

    /// Whether `word` is one that a table has for this program.
    fn is_at(&self, table: &[(&[u8], &[&[u8]])], word: &[u8]) -> bool {
        table.iter().any(|(program, words)| *program == self.program && words.contains(&word))
    }

    /// A word that stands between the name of a secret and the secret: `IDENTIFIED BY`, `PASSWORD FOR x TO`, `user set
    /// password 2`.
    fn says(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let lower = word.to_ascii_lowercase();
        // `IDENTIFIED BY PASSWORD 'x'`
        if std::mem::take(&mut self.hashed) && shape::is_secret_word(word) {
            return Some(word.to_vec());
        }
        if std::mem::take(&mut self.identified) {
            self.identified = !matches!(lower.as_slice(), b"by" | b"as" | b"using");
            if !self.identified {
                (self.pending, self.weak, self.hashed) = (Some(Kind::Secret), false, true);
                return Some(word.to_vec());
            }
        }
        self.identified |= lower == b"identified";
        if self.pending == Some(Kind::Secret) && self.weak {
            if matches!(lower.as_slice(), b"for" | b"of") {
                (self.pending, self.assigned) = (None, true);
                return Some(word.to_vec());
            }
            let number = word.len() <= 2 && shape::is_number(word);
            return (number || matches!(lower.as_slice(), b"is" | b"to" | b"was" | b"as"))
                .then(|| word.to_vec());
        }
        if self.assigned && (lower == b"to" || is_joint(word) && word.contains(&b'=')) {
            (self.pending, self.weak) = (Some(Kind::Secret), false);
            return Some(word.to_vec());
        }
        None
    }

    /// What an option without its value says of the next word.
    fn after_option(&self, word: &[u8]) -> Option<Kind> {
        if word.starts_with(b"--no-") {
            // It says that there is none.
            None
        } else if shape::is_secretish(word) {
            Some(Kind::Secret)
        } else if shape::is_userish(word) && !self.is_of(&USER_IS_NO_VALUE) {
            Some(Kind::User)
        } else if shape::is_hostish(word) {
            Some(Kind::Host)
        } else {
            None
        }
    }
}

impl Redactor {
    /// Any but the zeroth argument. `rest`: it and those behind it.
    pub(super) fn argument(&mut self, word: &[u8], rest: &[&[u8]], line: &mut Line) -> Vec<u8> {
        let separated = word.iter().any(|byte| is_separator(*byte));
        if !separated || line.pending.is_some() || line.secret || line.secrets_follow {
            if line.numbers == 0 {
                line.numbers = number_run(rest.iter().copied());
            }
            return self.line_word(word, line);
        }
        if shape::is_pem(word) {
            return self.secret(word);
        }
        // `--password=a b c`, `FOO_TOKEN=a;b`
        if let Some(at) = word.iter().position(|byte| *byte == b'=')
            && !word[..at].iter().any(|byte| is_separator(*byte))
            && shape::is_secretish(&word[..at])
        {
            let name = self.word(&word[..at]);
            return [name.as_slice(), b"=", &self.secret(&word[at + 1..])].concat();
        }
        // `-oProxyCommand=sshpass -p pw ssh gate`, `--rsh=ssh -p 22`: what is behind the sign is a line of its own.
        if let Some(at) = word.iter().position(|byte| *byte == b'=')
            && !word[..at].iter().any(|byte| is_separator(*byte))
            && (word[..at].to_ascii_lowercase().ends_with(b"command") || &word[..at] == b"--rsh")
        {
            let name = self.word(&word[..at]);
            return [name.as_slice(), b"=", &self.text(&word[at + 1..], &mut Line::of_text())].concat();
        }
        if let Some(option) =
            options::secret_of(&line.programs, line.login, word).filter(|option| word.len() > option.len())
        {
            return [option, self.secret(&word[option.len()..]).as_slice()].concat();
        }
        self.text(word, &mut Line::of_text())
    }

    /// A word that holds no separator, or that is one whole for other reasons.
    pub(super) fn line_word(&mut self, word: &[u8], line: &mut Line) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        if line.secret {
            return self.secret(word);
        }
        if let Some(said) = line.says(word) {
            return said;
        }
        let weak = std::mem::take(&mut line.weak);
        if let Some(kind) = line.pending.take()
            && let Some(judged) = self.pending_word(kind, weak, word, line.is_of(&OF_GROUPS))
        {
            line.meet(word);
            return judged;
        }
        line.login |= word == b"login";
        // What follows is another program's, whatever the letters of `start-stop-daemon` mean.
        if word == b"--" && line.is_of(&[b"start-stop-daemon"]) {
            line.begin(b"-");
            return word.to_vec();
        }
        let was_at = line.at_program || line.unwrapping.is_some();
        line.meet(word);
        let is_program = was_at && line.program == base(word) && !line.at_program;
        let option = word.starts_with(b"-") && word.len() > 1;
        let printed =
            line.feeds && line.is_of(&[b"echo", b"printf", b"print", b"cat", b"yes"]) || line.secrets_follow;
        let numbers = std::mem::take(&mut line.numbers);
        if numbers > 0 && shape::is_number(word) {
            line.numbers = numbers - 1;
            if !printed && (!line.own || !line.is_of(&OF_PROCESSES)) {
                return self.named(Kind::Argument, word);
            }
        }
        // Of those that ended long before, nothing else tells.
        if shape::is_number(word) && line.own && line.is_of(&OF_PROCESSES) {
            return word.to_vec();
        }
        if printed && !is_program && !option && !word.starts_with(b"/") {
            return self.secret(word);
        }
        line.secrets_follow |= SECRETS_FOLLOW.contains(&word) || line.is_at(&SECRETS_FOLLOW_AT, word);
        if !option
            && line.values_follow
            && let Some(at) = word.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)
        {
            let name = self.word(&word[..at]);
            return [name.as_slice(), b"=", &self.secret(&word[at + 1..])].concat();
        }
        line.values_follow |= line.is_at(&VALUES_FOLLOW_AT, word);
        line.reads |= !is_program && line.is_of(&[b"read"]) && shape::is_secretish(word);
        if line.program.starts_with(OF_DSNS)
            && let Some(judged) = self.dsn(word)
        {
            return judged;
        }
        if let Some(judged) = self.known_option(word, line) {
            return judged;
        }
        if option {
            line.words.option(&line.program, word);
        }
        if option && !word.contains(&b'=') {
            line.pending = line.after_option(word);
            return self.word(word);
        }
        if let Some(judged) = self.header(word, line) {
            return judged;
        }
        if !is_program && (says_secret(word) || line.is_at(&AT_WORD, word)) {
            line.pending = Some(Kind::Secret);
            line.weak = true;
            return self.word(word);
        }
        if !is_program
            && line.program != word
            && let Some(judged) = self.by_program(word, line)
        {
            return judged;
        }
        // `postgres:`, `startups,`
        let bare = word.strip_suffix(b":").or(word.strip_suffix(b",")).unwrap_or(word);
        let mut out = self.word(bare);
        out.extend_from_slice(&word[bare.len()..]);
        out
    }

    /// What the option before says that it is; `None` where that has no value, it seems.
    fn pending_word(&mut self, kind: Kind, weak: bool, word: &[u8], groups: bool) -> Option<Vec<u8>> {
        let none = word.starts_with(b"-") && word.len() > 1 && (kind == Kind::User || weak);
        if none || word.starts_with(b"--") && self.option(word).is_some() {
            return None;
        }
        Some(match kind {
            // It is said where the secret is.
            Kind::Secret if is_known_path(word) => self.path(word),
            Kind::User if groups => self.user_and_group(word),
            Kind::User => self.user(word),
            Kind::Host => self.host_word(word),
            // What everybody says behind `password` is not to be looked for everywhere.
            _ if weak && word.iter().all(u8::is_ascii_lowercase) => self.named(Kind::Secret, word),
            _ => self.secret(word),
        })
    }

    /// `db7`, `guest=web7,debug-threads=on`.
    fn host_word(&mut self, word: &[u8]) -> Vec<u8> {
        let start: &[u8] = if word.starts_with(b"guest=") { b"guest=" } else { b"" };
        let rest = &word[start.len()..];
        let comma = rest.iter().position(|byte| *byte == b',').filter(|_| !rest.contains(&b'@'));
        let (name, more) = rest.split_at(comma.unwrap_or(rest.len()));
        let host = match self.judge(name, 0) {
            Some(judged) => judged,
            None => self.host(name),
        };
        let mut out = [start, host.as_slice()].concat();
        if let Some(more) = more.strip_prefix(b",") {
            out.push(b',');
            out.extend(self.word(more));
        }
        out
    }

    /// An option that means something to the program whose line this is.
    fn known_option(&mut self, word: &[u8], line: &mut Line) -> Option<Vec<u8>> {
        if let Some(option) = options::secret_of(&line.programs, line.login, word) {
            if word.len() == option.len() {
                // `mysql -p` asks; what follows is a database, and it goes as well.
                line.pending = Some(Kind::Secret);
                return Some(word.to_vec());
            }
            let (sign, value) = word[option.len()..].split_at(usize::from(word[option.len()] == b'='));
            return Some([option, sign, self.secret(value).as_slice()].concat());
        }
        if let Some(at) = options::together(&line.programs, word) {
            if at == word.len() {
                line.pending = Some(Kind::Secret);
                return Some(word.to_vec());
            }
            return Some([&word[..at], self.secret(&word[at..]).as_slice()].concat());
        }
        for (table, kind) in [(&USER[..], Kind::User), (&HOST[..], Kind::Host)] {
            let Some(option) = options::option_of(table, line.programs.iter(), line.login, word) else {
                continue;
            };
            let value = &word[option.len()..];
            if value.is_empty() {
                line.pending = Some(kind);
                return Some(word.to_vec());
            }
            if kind == Kind::User && is_plain_name(value) {
                return Some([option, self.user(value).as_slice()].concat());
            }
        }
        None
    }

    /// `h=db7,D=shop,u=ada,p=pw`
    fn dsn(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        let pair = |part: &[u8]| part.len() >= 2 && part[0].is_ascii_alphabetic() && part[1] == b'=';
        if !word.split(|byte| *byte == b',').all(pair) {
            return None;
        }
        let mut out = Vec::with_capacity(word.len());
        for (at, part) in word.split(|byte| *byte == b',').enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&part[..2]);
            let value = &part[2..];
            out.extend(match part[0] {
                b'p' => self.secret(value),
                b'u' => self.user(value),
                b'h' => self.host_word(value),
                _ => self.word(value),
            });
        }
        Some(out)
    }

    /// `Authorization: Bearer ...`, `password: ...`
    fn header(&mut self, word: &[u8], line: &mut Line) -> Option<Vec<u8>> {
        let bare = word.strip_suffix(b":").or(word.strip_suffix(b"=")).unwrap_or(word);
        if bare.len() < word.len() && shape::is_secretish(bare) {
            line.secret = word.ends_with(b":");
            line.pending = word.ends_with(b"=").then_some(Kind::Secret);
            let name =
                if vocabulary::holds(bare) || is_header(bare) { bare.to_vec() } else { self.word(bare) };
            return Some([name.as_slice(), &word[bare.len()..]].concat());
        }
        if matches!(word.to_ascii_lowercase().as_slice(), b"bearer" | b"basic") {
            line.secret = true;
            return Some(word.to_vec());
        }
        None
    }

    /// A word that is no option, by what the program takes.
    fn by_program(&mut self, word: &[u8], line: &mut Line) -> Option<Vec<u8>> {
        let name = is_plain_name(word) || word.contains(&b'@');
        let first = name && !std::mem::replace(&mut line.first_met, true);
        if line.is_of(&OF_HOSTS)
            && let Some(judged) = self.remote(word)
        {
            self.behind_host(first, line);
            return Some(judged);
        }
        let service = line.words.is_service(&line.program, word) && line.own;
        // `sqlplus system/manager`
        if line.is_of(&OF_LOGINS) && word.contains(&b'/') && !word.starts_with(b"/") {
            return Some(self.user(word));
        }
        if !is_plain_name(word) || vocabulary::holds(word) {
            return None;
        }
        if service {
            return Some(self.service(word));
        }
        // `su postgres -c pg_isready`
        if line.is_of(&OF_USERS) && (first || !line.is_of(&[b"su", b"runuser"])) {
            return Some(self.user(word));
        }
        let copies: [&[u8]; 4] = [b"scp", b"sftp", b"rsync", b"borg"];
        if first && line.is_of(&OF_HOSTS) && !line.is_of(&copies) {
            self.behind_host(first, line);
            return Some(self.host_word(word));
        }
        None
    }

    /// `ssh db7 mysql -phunter2`: what follows is a line of its own.
    fn behind_host(&self, first: bool, line: &mut Line) {
        if first && line.is_of(&[b"ssh", b"autossh", b"mosh"]) {
            line.at_program = true;
        }
    }

    /// `alice@db7:/srv`, `db7:/srv`, `db7::module`, `alice@db7`.
    fn remote(&mut self, word: &[u8]) -> Option<Vec<u8>> {
        if word.starts_with(b"-")
            || word.starts_with(b"/")
            || word.contains(&b'=')
            || word.windows(3).any(|w| w == b"://")
        {
            return None;
        }
        let colon = word.iter().position(|byte| *byte == b':').unwrap_or(word.len());
        let at = word[..colon].iter().rposition(|byte| *byte == b'@');
        // `alice:hunter2@db7:/srv` is no path on `alice`.
        if at.is_none() && word[colon..].contains(&b'@') {
            return None;
        }
        let name = &word[at.map_or(0, |at| at + 1)..colon];
        if !is_plain_name(name) && !address::is_domain(name) || at.is_none() && colon == word.len() {
            return None;
        }
        let mut out = Vec::new();
        if let Some(at) = at {
            out = self.user(&word[..at]);
            out.push(b'@');
        }
        out.extend(match name == b"localhost" {
            true => name.to_vec(),
            false => self.host(name),
        });
        let path = &word[colon..];
        let colons = path.iter().take_while(|byte| **byte == b':').count();
        out.extend_from_slice(&path[..colons]);
        if colons < path.len() {
            out.extend(self.word(&path[colons..]));
        }
        Some(out)
    }

    /// NUL-terminated strings, each rewritten by `f`, which gets its place and all of them as well.
    pub(super) fn each_string(
        &mut self,
        strings: &[u8],
        mut f: impl FnMut(&mut Self, usize, &[&[u8]]) -> Vec<u8>,
    ) -> Vec<u8> {
        let bare = strings.strip_suffix(b"\0").unwrap_or(strings);
        let all: Vec<&[u8]> = bare.split(|byte| *byte == 0).collect();
        let mut out = Vec::with_capacity(strings.len());
        for at in 0..all.len() {
            if at > 0 {
                out.push(0);
            }
            out.extend(f(self, at, &all));
        }
        out.extend_from_slice(&strings[bare.len()..]);
        out
    }
}

/// So many numbers side by side are looked at together.
pub(super) const NUMBERS_MAX: usize = 64;

/// How many of the first of `words` are numbers that may be one: they have more digits than any number that is kept.
pub(super) fn number_run<'a>(words: impl Iterator<Item = &'a [u8]>) -> usize {
    let numbers = words.take(NUMBERS_MAX).take_while(|word| shape::is_number(word));
    let (count, digits) = numbers.fold((0, 0), |(count, digits), word| (count + 1, digits + word.len()));
    if count > 1 && digits > DIGITS_MAX { count } else { 0 }
}

/// Whether the word behind it is a secret, it seems: `nmcli device wifi connect x password y`, `CONFIG SET requirepass y`.
fn says_secret(word: &[u8]) -> bool {
    let lower = word.to_ascii_lowercase();
    let words: [&[u8]; 12] = [
        b"password",
        b"passwd",
        b"passphrase",
        b"requirepass",
        b"masterauth",
        b"pw",
        b"pwd",
        b"psk",
        b"secret",
        b"private-key",
        b"preshared-key",
        b"apikey",
    ];
    let ends: [&[u8]; 10] = [
        b"authtoken",
        b"_auth",
        b"_password",
        b"-password",
        b".password",
        b".psk",
        b"_passphrase",
        b"_secret",
        b"_access_key",
        b"_secret_key",
    ];
    // `//registry.example.com/:_password`
    let name = lower.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let letters = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-' | b'.');
    // `802-1x.password`
    let plain = |byte: &u8| letters(byte) || byte.is_ascii_digit();
    !vocabulary::holds(&lower)
        && !lower.starts_with(b"-")
        && (words.contains(&lower.as_slice())
            || name.iter().all(plain) && ends.iter().any(|end| name.ends_with(end)))
}

pub(super) fn base(path: &[u8]) -> &[u8] {
    crate::processes::base_name(path)
}

/// Names of headers that everybody knows.
fn is_header(name: &[u8]) -> bool {
    matches!(
        name.to_ascii_lowercase().as_slice(),
        b"authorization"
            | b"proxy-authorization"
            | b"cookie"
            | b"x-api-key"
            | b"x-auth-token"
            | b"password"
            | b"token"
    )
}
