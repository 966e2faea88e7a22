//! The places where strings stand in a recording: command lines, environments, names of processes, inittab.
//!
//! Invariant: words of one command line are judged in the same way whether they are arguments of a process, the text
//! of a shell or a line of inittab, so that what belonged together still does.

use super::{Kind, Redactor, shape, vocabulary, word::is_plain_name};

/// Programs (`*`: and those whose names begin so) and their options whose value is a secret.
const SECRET_OPTIONS: [(&[u8], &[&[u8]]); 28] = [
    (b"mysql*", &[b"-p"]),
    (b"maria*", &[b"-p"]),
    (b"mongo*", &[b"-p"]),
    (b"sshpass", &[b"-p"]),
    (b"redis-cli", &[b"-a"]),
    (b"ldap*", &[b"-w"]),
    (b"curl", &[b"-u", b"-U", b"-H", b"-b", b"-d"]),
    (b"smbclient", &[b"-U"]),
    (b"rpcclient", &[b"-U"]),
    (b"docker", &[b"-p"]),
    (b"podman", &[b"-p"]),
    (b"ipmitool", &[b"-P"]),
    (b"snmp*", &[b"-c", b"-A", b"-X"]),
    (b"zip", &[b"-P"]),
    (b"unzip", &[b"-P"]),
    (b"7z*", &[b"-p"]),
    (b"openssl", &[b"-k", b"-K", b"-pass", b"-passin", b"-passout"]),
    (b"sqlcmd", &[b"-P"]),
    (b"isql", &[b"-P"]),
    (b"mosquitto_*", &[b"-P", b"-u"]),
    (b"lftp", &[b"-u"]),
    (b"useradd", &[b"-p"]),
    (b"usermod", &[b"-p"]),
    (b"cqlsh", &[b"-p"]),
    (b"influx", &[b"-p"]),
    (b"supervisorctl", &[b"-p"]),
    (b"vncviewer", &[b"-passwd"]),
    (b"monit", &[b"-p"]),
];

/// Servers that are called like a family of clients; the same letters mean ports and files to them.
const NO_CLIENTS: [&[u8]; 9] = [
    b"mysqld",
    b"mysqld_safe",
    b"mysqld_multi",
    b"mariadbd",
    b"mariadbd-safe",
    b"mongod",
    b"mongos",
    b"snmpd",
    b"snmptrapd",
];
/// Their option is for a secret only behind `login`; for a port elsewhere.
const AT_LOGIN: [&[u8]; 2] = [b"docker", b"podman"];

/// Programs whose options name a user, or whose words do.
const USER_OPTIONS: [(&[u8], &[&[u8]]); 11] = [
    (b"sudo", &[b"-u", b"-U"]),
    (b"runuser", &[b"-u"]),
    (b"chpst", &[b"-u", b"-U"]),
    (b"start-stop-daemon", &[b"-c", b"-u"]),
    (b"ssh", &[b"-l"]),
    (b"psql", &[b"-U"]),
    (b"pg_dump", &[b"-U"]),
    (b"crontab", &[b"-u"]),
    (b"pkill", &[b"-u", b"-U"]),
    (b"pgrep", &[b"-u", b"-U"]),
    (b"monit", &[b"-u"]),
];
const OF_USERS: [&[u8]; 8] =
    [b"su", b"setuidgid", b"s6-setuidgid", b"login", b"runuser", b"passwd", b"chage", b"usermod"];

/// Programs whose words are services.
const OF_SERVICES: [&[u8]; 16] = [
    b"systemctl",
    b"service",
    b"invoke-rc.d",
    b"rc-service",
    b"rc-update",
    b"update-rc.d",
    b"chkconfig",
    b"initctl",
    b"start",
    b"stop",
    b"restart",
    b"runsv",
    b"s6-supervise",
    b"supervise",
    b"sv",
    b"monit",
];

/// What separates words in the text of a shell and in the title of a process.
fn is_separator(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || b";|&()<>\"'`{}[]".contains(&byte)
}

/// What is known of a command line so far.
#[derive(Debug, Default)]
struct Line {
    program: Vec<u8>,
    /// The next word is the program's name.
    at_program: bool,
    /// What the option before says that this word is.
    pending: Option<Kind>,
    /// Everything that follows is secret: a header.
    secret: bool,
    /// `login` was among its words.
    login: bool,
}

impl Line {
    fn of(program: &[u8]) -> Self {
        Self { program: program.to_vec(), ..Self::default() }
    }

    fn of_text() -> Self {
        Self { at_program: true, ..Self::default() }
    }

    fn option_of(&self, table: &[(&[u8], &'static [&'static [u8]])], word: &[u8]) -> Option<&'static [u8]> {
        let of = |program: &[u8]| match program.strip_suffix(b"*") {
            Some(start) => self.program.starts_with(start) && !NO_CLIENTS.contains(&self.program.as_slice()),
            None => self.program == program,
        };
        let at_login = AT_LOGIN.contains(&self.program.as_slice());
        if at_login && !self.login {
            return None;
        }
        let options = table.iter().filter(|(program, _)| of(program));
        let options = options.flat_map(|(_, options)| options.iter()).copied();
        // Only options of one letter have their values attached.
        let exact = options.clone().find(|option| *option == word);
        exact.or_else(|| {
            options.filter(|_| !at_login).find(|option| option.len() == 2 && word.starts_with(option))
        })
    }
}

impl Redactor {
    pub(super) fn hostname(&mut self, hostname: &str) -> String {
        if hostname.is_empty() {
            return String::new();
        }
        let name = hostname.as_bytes();
        self.seek(Kind::Host, name.split(|byte| *byte == b'.').next().unwrap_or_default());
        self.seek_host(name);
        self.name(Kind::Host, name)
    }

    /// A text of the recorder's own, which may quote a path.
    pub fn note(&mut self, note: &str) -> String {
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
        let new = match key {
            "inittab" => self.inittab(value.as_bytes()),
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

    pub(super) fn tty(&mut self, tty: &[u8]) -> Vec<u8> {
        if shape::is_tty(tty) { tty.to_vec() } else { self.named(Kind::Name, tty) }
    }

    /// What a process or one of its threads calls itself.
    pub(super) fn comm(&mut self, comm: &[u8]) -> Vec<u8> {
        // The kernel may have cut a name in the middle of it.
        if comm.len() >= super::COMM_LEN
            && !vocabulary::holds(comm)
            && let Some(cut) = self.names.scrub_cut(comm, self.keep)
        {
            return cut;
        }
        let bare = comm.strip_prefix(b"(").unwrap_or(comm);
        let bare = bare.strip_suffix(b")").unwrap_or(bare);
        if self.comms.contains(comm) || self.comms.contains(bare) || bare == b"sd-pam" {
            return self.names.scrub(comm, self.keep);
        }
        if vocabulary::holds(bare) {
            return comm.to_vec();
        }
        match self.judge(comm, 0) {
            Some(judged) => judged,
            None => self.named(Kind::Name, comm),
        }
    }

    /// `KEY=value` each, NUL-terminated.
    pub(super) fn environment(&mut self, env: &[u8]) -> Vec<u8> {
        self.each_string(env, |redactor, _, pair| redactor.variable(pair))
    }

    fn variable(&mut self, pair: &[u8]) -> Vec<u8> {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else { return self.word(pair) };
        let (key, value) = (&pair[..at], &pair[at + 1..]);
        let plain = key.len() <= 40 && key.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let mut out = if plain { self.names.scrub(key, self.keep) } else { self.named(Kind::Argument, key) };
        out.push(b'=');
        let new = match key {
            b"UPSTART_JOB"
            | b"RC_SVCNAME"
            | b"DINIT_SERVICE"
            | b"SUPERVISOR_PROCESS_NAME"
            | b"SUPERVISOR_GROUP_NAME"
            | b"MONIT_SERVICE" => self.service(value),
            b"SUDO_USER" | b"USER" | b"LOGNAME" | b"UPSTART_USER" => self.user(value),
            b"INVOCATION_ID" => self.ids(value),
            // A directory of its own each time, and of no meaning to anybody else.
            b"NOTIFY_SOCKET" => self.path(value),
            _ if shape::is_secretish(key) => self.secret(value),
            _ => self.text(value, &mut Line::default()),
        };
        out.extend(new);
        out
    }

    /// What a supervisor or an init calls a service.
    fn service(&mut self, name: &[u8]) -> Vec<u8> {
        if let Some(unit) = self.unit_name(name) {
            return unit;
        }
        if is_plain_name(name) { self.service_name(name) } else { self.word(name) }
    }

    /// The arguments of a process that executed `file`, NUL-terminated strings.
    pub(super) fn arguments(&mut self, file: &[u8], argv: &[u8]) -> Vec<u8> {
        let base = base(file);
        // Upstart's, or anybody's script of that name, whose words are no services.
        let own = matches!(base, b"start" | b"stop" | b"restart" | b"service")
            && !matches!(
                &file[..file.len() - base.len()],
                b"/sbin/" | b"/usr/sbin/" | b"/bin/" | b"/usr/bin/" | b""
            );
        let mut line = Line::of(if own { b"-" } else { base });
        self.each_string(argv, |redactor, at, word| {
            if at == 0 {
                return redactor.zeroth(base, word, &mut line);
            }
            redactor.argument(word, &mut line)
        })
    }

    /// What a process is called in its arguments: a program, or a title of its own making.
    fn zeroth(&mut self, base: &[u8], word: &[u8], line: &mut Line) -> Vec<u8> {
        let sign = usize::from(matches!(word.first(), Some(b'-' | b'@')));
        let (sign, name) = word.split_at(sign);
        let of_file = name == base || name.strip_suffix(base).is_some_and(|dir| dir.ends_with(b"/"));
        let mut out = sign.to_vec();
        if !name.is_empty()
            && (of_file || name.starts_with(b"/"))
            && !name.iter().any(|byte| is_separator(*byte))
        {
            if line.program.is_empty() {
                line.program = super::places::base(name).to_vec();
            }
            out.extend(self.program_file(name));
            return out;
        }
        if line.program.is_empty() {
            line.program =
                name.split(|byte| is_separator(*byte) || *byte == b':').next().unwrap_or_default().to_vec();
        }
        // `sshd: bob@pts/0`, `sshd: bob [priv]`
        let titles: [&[u8]; 3] = [b"sshd: ", b"sshd-session: ", b"sshd-auth: "];
        if let Some(title) = titles.into_iter().find(|title| name.starts_with(title))
            && let rest = &name[title.len()..]
            && !rest.starts_with(b"/")
        {
            let end = rest.iter().position(|byte| matches!(byte, b'@' | b' ' | b'[')).unwrap_or(rest.len());
            let user = self.user(&rest[..end]);
            out.extend([title, user.as_slice()].concat());
            out.extend(self.text(&rest[end..], &mut Line::default()));
            return out;
        }
        out.extend(self.text(name, &mut Line::default()));
        out
    }

    /// Any but the zeroth argument.
    fn argument(&mut self, word: &[u8], line: &mut Line) -> Vec<u8> {
        let separated = word.iter().any(|byte| is_separator(*byte));
        if !separated || line.pending.is_some() || line.secret {
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
        if let Some(option) = line.option_of(&SECRET_OPTIONS, word).filter(|option| word.len() > option.len())
        {
            return [option, self.secret(&word[option.len()..]).as_slice()].concat();
        }
        self.text(word, &mut Line::of_text())
    }

    /// Words with whatever is between them.
    fn text(&mut self, text: &[u8], line: &mut Line) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if !is_separator(byte) {
                let end =
                    text[at..].iter().position(|byte| is_separator(*byte)).map_or(text.len(), |len| at + len);
                out.extend(self.line_word(&text[at..end], line));
                at = end;
                continue;
            }
            out.push(byte);
            at += 1;
            match byte {
                // A secret in quotes is one, whatever it holds; so is what follows a header's name in them.
                b'\'' | b'"' if line.pending == Some(Kind::Secret) || line.secret => {
                    let end = text[at..].iter().position(|b| *b == byte).map_or(text.len(), |len| at + len);
                    out.extend(self.secret(&text[at..end]));
                    at = end;
                    line.pending = None;
                }
                b'\'' | b'"' => line.secret = false,
                b';' | b'|' | b'&' | b'(' | b'`' | b'\n' => *line = Line::of_text(),
                _ => {}
            }
        }
        out
    }

    /// A word that holds no separator, or that is one whole for other reasons.
    fn line_word(&mut self, word: &[u8], line: &mut Line) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        if line.secret {
            return self.secret(word);
        }
        if let Some(kind) = line.pending.take() {
            // An option without its value.
            let none = word.starts_with(b"-") && word.len() > 1 && kind == Kind::User;
            if !(none || word.starts_with(b"--") && self.option(word).is_some()) {
                return match kind {
                    Kind::User => self.user(word),
                    Kind::Host => match self.judge(word, 0) {
                        Some(judged) => judged,
                        None => self.host(word),
                    },
                    _ => self.secret(word),
                };
            }
        }
        line.login |= word == b"login";
        if std::mem::take(&mut line.at_program) {
            line.program = base(word).to_vec();
            // `exec` and `env` come before the program.
            line.at_program =
                matches!(base(word), b"exec" | b"env" | b"nice" | b"sudo" | b"time") || is_assignment(word);
        }
        if let Some(option) = line.option_of(&SECRET_OPTIONS, word) {
            if word.len() == option.len() {
                // `mysql -p` asks; what follows is a database, and it goes as well.
                line.pending = Some(Kind::Secret);
                return word.to_vec();
            }
            if !word.starts_with(b"--") && !word[option.len()..].starts_with(b"=") {
                return [option, self.secret(&word[option.len()..]).as_slice()].concat();
            }
        }
        if line.option_of(&USER_OPTIONS, word).is_some_and(|option| option.len() == word.len()) {
            line.pending = Some(Kind::User);
            return word.to_vec();
        }
        if word.starts_with(b"-") && !word.contains(&b'=') {
            line.pending = if word.starts_with(b"--no-") {
                // It says that there is none.
                None
            } else if shape::is_secretish(word) {
                Some(Kind::Secret)
            } else if shape::is_userish(word) {
                Some(Kind::User)
            } else if shape::is_hostish(word)
                || line.program == b"systemctl" && matches!(word, b"-H" | b"-M" | b"--machine")
            {
                Some(Kind::Host)
            } else {
                None
            };
            return self.word(word);
        }
        // `Authorization: Bearer ...`, `password: ...`
        let bare = word.strip_suffix(b":").or(word.strip_suffix(b"=")).unwrap_or(word);
        if bare.len() < word.len() && shape::is_secretish(bare) {
            line.secret = word.ends_with(b":");
            line.pending = word.ends_with(b"=").then_some(Kind::Secret);
            let name =
                if vocabulary::holds(bare) || is_header(bare) { bare.to_vec() } else { self.word(bare) };
            return [name.as_slice(), &word[bare.len()..]].concat();
        }
        if matches!(word.to_ascii_lowercase().as_slice(), b"bearer" | b"basic") {
            line.secret = true;
            return word.to_vec();
        }
        if is_plain_name(word) && line.program != word && !vocabulary::holds(word) {
            if OF_SERVICES.contains(&line.program.as_slice()) {
                return self.service(word);
            }
            if OF_USERS.contains(&line.program.as_slice()) {
                return self.user(word);
            }
        }
        // `postgres:`, `startups,`
        let bare = word.strip_suffix(b":").or(word.strip_suffix(b",")).unwrap_or(word);
        let mut out = self.word(bare);
        out.extend_from_slice(&word[bare.len()..]);
        out
    }

    /// NUL-terminated strings, each rewritten by `f`, which gets its place as well.
    fn each_string(
        &mut self,
        strings: &[u8],
        mut f: impl FnMut(&mut Self, usize, &[u8]) -> Vec<u8>,
    ) -> Vec<u8> {
        let bare = strings.strip_suffix(b"\0").unwrap_or(strings);
        let mut out = Vec::with_capacity(strings.len());
        for (at, string) in bare.split(|byte| *byte == 0).enumerate() {
            if at > 0 {
                out.push(0);
            }
            out.extend(f(self, at, string));
        }
        out.extend_from_slice(&strings[bare.len()..]);
        out
    }
}

fn base(path: &[u8]) -> &[u8] {
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

/// `FOO=bar` before a program's name.
fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() < word.len()
        && !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}
