//! The places where strings stand in a recording: names of processes, terminals, environments, command lines.
//!
//! Invariant: what a place says about a string is said here, and nowhere else; the words of lines are for
//! [`super::line`].

use super::{
    Kind, Redactor,
    line::{Line, base},
    shape,
    text::is_separator,
    vocabulary,
    word::is_plain_name,
};

/// Bytes of a program's name that systemd gives to the process that is to execute it, in brackets.
const ENDS_LEN: usize = 8;

impl Redactor {
    pub(super) fn tty(&mut self, tty: &[u8]) -> Vec<u8> {
        if shape::is_tty(tty) { tty.to_vec() } else { self.named(Kind::Name, tty) }
    }

    /// What a process or one of its threads calls itself.
    pub(super) fn comm(&mut self, comm: &[u8]) -> Vec<u8> {
        // The kernel may have cut a name in the middle of it.
        if comm.len() >= super::COMM_LEN
            && !vocabulary::holds(comm)
            && !vocabulary::holds_cut(comm)
            && let Some(cut) = self.names.scrub_cut(comm, self.keep)
        {
            return cut;
        }
        let bare = comm.strip_prefix(b"(").unwrap_or(comm);
        let bare = bare.strip_suffix(b")").unwrap_or(bare);
        if self.comms.contains(comm) || self.comms.contains(bare) || bare == b"sd-pam" {
            return self.names.scrub(comm, self.keep);
        }
        if vocabulary::holds(bare) || vocabulary::holds_cut(comm) {
            return comm.to_vec();
        }
        // `(d-logind)`: what systemd calls a child until it executes systemd-logind.
        if bare.len() + 2 == comm.len() && bare.len() == ENDS_LEN {
            let mut programs = self.programs.iter();
            if vocabulary::holds_end(bare) || programs.any(|program| program.ends_with(bare)) {
                return self.names.scrub(comm, self.keep);
            }
        }
        match self.judge(comm, 0) {
            Some(judged) => judged,
            None => self.named(Kind::Name, comm),
        }
    }

    /// `KEY=value` each, NUL-terminated.
    pub(super) fn environment(&mut self, env: &[u8]) -> Vec<u8> {
        self.each_string(env, |redactor, at, pairs| redactor.variable(pairs[at]))
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
            b"INVOCATION_ID" => match self.ids(value) {
                (ids, rest) if rest.is_empty() => ids,
                _ => self.word(value),
            },
            // A directory of its own each time, and of no meaning to anybody else.
            b"NOTIFY_SOCKET" => self.path(value),
            // A command line.
            b"SUDO_COMMAND" | b"SSH_ORIGINAL_COMMAND" => self.text(value, &mut Line::of_text()),
            _ if shape::is_secretish(key) => self.secret(value),
            _ => self.text(value, &mut Line::default()),
        };
        out.extend(new);
        out
    }

    /// What a supervisor or an init calls a service.
    pub(super) fn service(&mut self, name: &[u8]) -> Vec<u8> {
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
        self.each_string(argv, |redactor, at, words| {
            if at == 0 {
                return redactor.zeroth(base, words[0], &mut line);
            }
            redactor.argument(words[at], &words[at..], &mut line)
        })
    }

    /// What a process is called in its arguments: a program, or a title of its own making.
    fn zeroth(&mut self, base: &[u8], word: &[u8], line: &mut Line) -> Vec<u8> {
        let sign = usize::from(matches!(word.first(), Some(b'-' | b'@')));
        let (sign, name) = word.split_at(sign);
        let of_file = name == base || name.strip_suffix(base).is_some_and(|dir| dir.ends_with(b"/"));
        let mut out = sign.to_vec();
        let whole = !name.is_empty() && !name.iter().any(|byte| is_separator(*byte));
        if whole && (of_file || name.starts_with(b"/")) {
            line.begin_once(super::line::base(name));
            // Another path than that of the file may be a title: what it is called says nothing of what is harmless.
            out.extend(if of_file { self.program_file(name) } else { self.path(name) });
            return out;
        }
        line.begin_once(name.split(|byte| is_separator(*byte) || *byte == b':').next().unwrap_or_default());
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
}
