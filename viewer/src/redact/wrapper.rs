//! Programs that run another one: `sudo -u alice nice -n 5 mysql -phunter2` is a line of `mysql`.
//!
//! Invariant: the words of a line are judged by the program that gets them.

/// A program that runs what follows its own options and words.
#[derive(Debug)]
pub(super) struct Wrapper {
    name: &'static [u8],
    /// Its options whose value is the next word.
    valued: &'static [&'static [u8]],
    /// Its own words before the program.
    words: usize,
}

const fn wrapper(name: &'static [u8], valued: &'static [&'static [u8]], words: usize) -> Wrapper {
    Wrapper { name, valued, words }
}

static WRAPPERS: [Wrapper; 62] = [
    wrapper(
        b"sudo",
        &[
            b"-u",
            b"-g",
            b"-h",
            b"-p",
            b"-C",
            b"-r",
            b"-t",
            b"-T",
            b"-U",
            b"-D",
            b"-R",
            b"--user",
            b"--group",
            b"--host",
            b"--prompt",
            b"--chdir",
            b"--chroot",
            b"--role",
            b"--type",
        ],
        0,
    ),
    wrapper(b"doas", &[b"-u", b"-C"], 0),
    wrapper(b"pkexec", &[b"--user"], 0),
    wrapper(b"run0", &[b"-u", b"--user", b"--unit", b"--property"], 0),
    wrapper(b"env", &[b"-u", b"-C", b"--unset", b"--chdir"], 0),
    wrapper(b"exec", &[b"-a"], 0),
    wrapper(b"command", &[], 0),
    wrapper(b"builtin", &[], 0),
    wrapper(b"eval", &[], 0),
    wrapper(b"then", &[], 0),
    wrapper(b"do", &[], 0),
    wrapper(b"else", &[], 0),
    wrapper(b"if", &[], 0),
    wrapper(b"while", &[], 0),
    wrapper(b"!", &[], 0),
    wrapper(b"nice", &[b"-n", b"--adjustment"], 0),
    wrapper(b"ionice", &[b"-c", b"-n", b"--class", b"--classdata"], 0),
    wrapper(b"chrt", &[b"-T", b"-P", b"-D"], 1),
    wrapper(b"taskset", &[], 1),
    wrapper(b"numactl", &[b"-N", b"-m", b"-C", b"-p"], 0),
    wrapper(b"time", &[b"-f", b"-o"], 0),
    wrapper(b"timeout", &[b"-s", b"-k", b"--signal", b"--kill-after"], 1),
    wrapper(b"nohup", &[], 0),
    wrapper(b"setsid", &[], 0),
    wrapper(b"stdbuf", &[b"-i", b"-o", b"-e"], 0),
    wrapper(b"unbuffer", &[], 0),
    wrapper(b"chronic", &[], 0),
    wrapper(b"chroot", &[b"--userspec", b"--groups"], 1),
    wrapper(b"unshare", &[b"-R", b"-w", b"-S", b"-G"], 0),
    wrapper(b"nsenter", &[b"-t", b"--target", b"-S", b"-G"], 0),
    wrapper(b"setpriv", &[b"--reuid", b"--regid", b"--groups", b"--ruid", b"--rgid"], 0),
    wrapper(b"capsh", &[], 0),
    wrapper(b"runuser", &[b"-u", b"-g", b"-G", b"-s", b"--user"], 0),
    wrapper(b"gosu", &[], 1),
    wrapper(b"su-exec", &[], 1),
    wrapper(b"setuidgid", &[], 1),
    wrapper(b"envuidgid", &[], 1),
    wrapper(b"s6-setuidgid", &[], 1),
    wrapper(b"s6-envdir", &[], 1),
    wrapper(b"s6-softlimit", &[b"-a", b"-c", b"-d", b"-f", b"-l", b"-m", b"-o", b"-p", b"-s", b"-t"], 0),
    wrapper(b"envdir", &[], 1),
    wrapper(b"setlock", &[], 1),
    wrapper(
        b"chpst",
        &[
            b"-u", b"-U", b"-b", b"-e", b"-/", b"-n", b"-l", b"-L", b"-m", b"-d", b"-o", b"-p", b"-f", b"-c",
            b"-r", b"-t",
        ],
        0,
    ),
    wrapper(b"softlimit", &[b"-a", b"-c", b"-d", b"-f", b"-l", b"-m", b"-o", b"-p", b"-r", b"-s", b"-t"], 0),
    wrapper(b"flock", &[b"-w", b"-E", b"--timeout"], 1),
    wrapper(b"xargs", &[b"-I", b"-n", b"-P", b"-L", b"-d", b"-a", b"-E", b"-s"], 0),
    wrapper(b"strace", &[b"-e", b"-o", b"-p", b"-s", b"-u", b"-E"], 0),
    wrapper(b"ltrace", &[b"-e", b"-o", b"-p", b"-s", b"-u"], 0),
    wrapper(b"valgrind", &[], 0),
    wrapper(b"busybox", &[], 0),
    wrapper(b"toybox", &[], 0),
    wrapper(b"tini", &[b"-p", b"-e"], 0),
    wrapper(b"docker-init", &[b"-p", b"-e"], 0),
    wrapper(b"dumb-init", &[b"-r", b"--rewrite"], 0),
    wrapper(b"catatonit", &[], 0),
    wrapper(b"systemd-inhibit", &[], 0),
    wrapper(b"systemd-cat", &[b"-t", b"-p"], 0),
    wrapper(
        b"systemd-run",
        &[
            b"-p",
            b"-u",
            b"-E",
            b"-H",
            b"-M",
            b"--unit",
            b"--property",
            b"--setenv",
            b"--slice",
            b"--uid",
            b"--gid",
        ],
        0,
    ),
    wrapper(b"dbus-run-session", &[], 0),
    wrapper(b"ssh-agent", &[b"-a", b"-t"], 0),
    wrapper(b"watch", &[b"-n"], 0),
    wrapper(b"sshpass", &[b"-p", b"-f", b"-d", b"-P"], 0),
];

/// On the way to the program that a wrapper runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unwrapping {
    wrapper: &'static Wrapper,
    words: usize,
    value: bool,
    options_over: bool,
}

impl Unwrapping {
    /// `None`: `program` runs no other.
    pub fn of(program: &[u8]) -> Option<Self> {
        let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.name == program)?;
        Some(Self { wrapper, words: wrapper.words, value: false, options_over: false })
    }

    /// Takes the next word; whether it is the program.
    pub fn is_program(&mut self, word: &[u8]) -> bool {
        if std::mem::take(&mut self.value) {
            return false;
        }
        if !self.options_over && word.starts_with(b"-") {
            self.options_over = word == b"--";
            self.value = self.wrapper.valued.contains(&word);
            return false;
        }
        if is_assignment(word) {
            return false;
        }
        if self.words > 0 {
            self.words -= 1;
            return false;
        }
        true
    }
}

/// `FOO=bar` before a program's name.
pub(super) fn is_assignment(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    name.len() < word.len()
        && !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program that gets the words of a line.
    fn run_by(line: &str) -> &str {
        let mut words = line.split(' ');
        let mut program = words.next().unwrap_or_default();
        let mut unwrapping = Unwrapping::of(program.as_bytes());
        for word in words {
            let Some(on_the_way) = &mut unwrapping else { break };
            if on_the_way.is_program(word.as_bytes()) {
                program = word;
                unwrapping = Unwrapping::of(word.as_bytes());
            }
        }
        program
    }

    #[test]
    fn the_program_is_the_one_that_is_run_in_the_end() {
        for (line, program) in [
            ("sudo -n -u alice mysql -px", "mysql"),
            ("sudo DB=1 env -u HOME A=b nice -n 5 ionice -c 2 -n 7 redis-cli -a x", "redis-cli"),
            ("timeout -s KILL 30s curl -u x", "curl"),
            ("chroot /srv/x sshpass -p x ssh y", "ssh"),
            ("runuser -u postgres -- psql", "psql"),
            ("setsid nohup doas -u bob ldapsearch", "ldapsearch"),
            ("chpst -u bob:staff -e /etc/x mongo", "mongo"),
            ("systemctl stop mysql", "systemctl"),
            ("systemd-run -p Environment=A=b --unit=x mysqldump", "mysqldump"),
        ] {
            assert_eq!(run_by(line), program, "{line}");
        }
    }
}
