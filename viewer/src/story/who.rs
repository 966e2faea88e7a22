//! What a process is called by people.
//!
//! Invariant: a name is what was executed, not what a process calls itself: comm is cut at 15 bytes, and an init
//! script of mongod is called mongod too. Everything returned has passed [`crate::safe`].

use lastrites_traces::event::Process;

use crate::{processes::base_name, safe};

use super::world::{Idx, Image, NONE, World};

/// Programs that run what their first argument names.
const INTERPRETERS: [&[u8]; 9] =
    [b"sh", b"dash", b"bash", b"busybox", b"perl", b"ruby", b"python", b"env", b"toybox"];

/// Shells: a script of theirs may run a daemon and wait for it.
pub(super) const SHELLS: [&[u8]; 5] = [b"sh", b"dash", b"bash", b"ksh", b"busybox"];

/// Programs that start others and start them again.
const SUPERVISORS: [&[u8]; 13] = [
    b"runsvdir",
    b"runsv",
    b"s6-svscan",
    b"s6-supervise",
    b"supervise-daemon",
    b"svscan",
    b"supervise",
    b"supervisord",
    b"monit",
    b"dockerd",
    b"containerd",
    b"god",
    b"circusd",
];

/// What the systemd of a user is called.
const USER_MANAGER: &str = "systemd --user";

/// A name in the kernel has no more bytes.
const COMM_MAX: usize = 15;

/// What whoever runs itself again executes.
pub(super) const SELF: &[u8] = b"/proc/self/exe";

/// The words of NUL-terminated strings; none where nothing is known of them.
pub fn words(argv: &[u8]) -> impl Iterator<Item = &[u8]> {
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    let known = (!argv.is_empty()).then(|| argv.split(|byte| *byte == 0));
    known.into_iter().flatten()
}

/// `K20exim4` of /etc/rc6.d is exim4.
fn without_sequence(name: &[u8]) -> &[u8] {
    match name {
        [b'K' | b'S', a, b, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && !rest.is_empty() => {
            rest
        }
        _ => name,
    }
}

/// An interpreter takes so many options of its own at most.
const OPTIONS_MAX: usize = 8;

/// What an interpreter runs, of the words behind its name: the first that is no option of its own; nothing where an
/// option says what to run (`sh -c`, `python3 -m`).
fn script<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let says = |word: &&[u8]| {
        // Of perl and python: behind these stands a value.
        let takes_value = matches!(word.get(1), Some(b'-' | b'I' | b'M' | b'W' | b'X'));
        word.starts_with(b"-") && !takes_value && word.iter().any(|b| matches!(b, b'c' | b'm'))
    };
    words.take(OPTIONS_MAX).take_while(|word| !says(word)).find(|word| !word.starts_with(b"-"))
}

/// Whether a file is one that somebody else had opened, as Upstart hands over a job's script: its number is no name.
pub(super) fn is_descriptor(path: &[u8]) -> bool {
    [&b"/proc/self/fd/"[..], b"/dev/fd/"].iter().any(|dir| path.starts_with(dir))
}

/// The file that a process of the census had been asked to execute, as an exec would have told it. /proc tells where links led
/// (`python3.11`, `redis-check-rdb`), and of a script its interpreter; its name is still the one that was asked for.
pub(super) fn as_executed(process: &Process) -> &[u8] {
    let is_called = |word: &[u8]| {
        let base = base_name(word);
        !base.is_empty() && base[..base.len().min(COMM_MAX)] == *process.comm
    };
    // What the kernel runs as pid 1 says nothing of which init it is.
    if is_called(&process.filename) || process.process.tgid == 1 {
        return &process.filename;
    }
    let mut words = words(&process.argv);
    // Who writes a title over its arguments leaves one word.
    let title = |word: &'_ [u8]| word.iter().position(|b| *b == b' ').unwrap_or(word.len());
    let zeroth = words.next().map(|word| &word[..title(word)]).filter(|word| is_called(word));
    zeroth.or_else(|| script(words).filter(|word| is_called(word))).unwrap_or(&process.filename)
}

impl World {
    /// Which program an image is: once, see [`World::program`].
    pub(super) fn read_program(&self, image: &Image) -> &[u8] {
        let (file, argv) = (self.strings.get(image.filename), self.strings.get(image.argv));
        let mut base = base_name(file);
        let mut words = words(argv);
        let zeroth = words.next().unwrap_or_default();
        let is = |base: &[u8]| {
            INTERPRETERS.iter().any(|known| {
                base.strip_prefix(*known)
                    .is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
            })
        };
        // What executes itself does so by a link that says nothing of it: it is what it was.
        if base.is_empty() || file == SELF {
            base = base_name(zeroth.strip_prefix(b"-").unwrap_or(zeroth));
            if zeroth == SELF
                && let Some(before) =
                    self.image(image.before).filter(|before| before.filename != image.filename)
            {
                return self.program(before);
            }
        }
        if matches!(base, b"busybox" | b"toybox" | b"udevadm") && !zeroth.is_empty() {
            base = base_name(zeroth.strip_prefix(b"-").unwrap_or(zeroth));
        }
        if is(base) {
            // A script, if it is one: `sh /etc/init.d/exim4 stop`, but not `sh -c ...`.
            if let Some(script) = script(words).filter(|word| word.starts_with(b"/") && !is_descriptor(word))
            {
                base = base_name(script);
            }
        }
        let in_rc = file.starts_with(b"/etc/rc") || file.starts_with(b"/etc/init.d/");
        if in_rc || base.starts_with(b"K") || base.starts_with(b"S") { without_sequence(base) } else { base }
    }

    /// The program that `idx` is, as bytes; its comm where no program is known.
    pub fn program_of(&self, idx: Idx) -> &[u8] {
        // systemd's own children that execute nothing say by their name what they are there for: `(sd-sync)`.
        if let Some(proc) = self.proc_at(idx).filter(|proc| proc.image == NONE) {
            let comm = self.strings.get(proc.comm);
            if comm.starts_with(b"(") && comm.ends_with(b")") {
                return comm;
            }
            // Where a child of another init has another name than that, it executed something, and that is what is missing.
            let above = self.proc_at(proc.parent).filter(|_| self.is_init(proc.parent));
            if !comm.is_empty() && above.is_some_and(|above| above.comm != proc.comm) {
                return comm;
            }
        }
        match self.image(self.image_of(idx)) {
            Some(image) => {
                let program = self.program(image);
                if program.is_empty() { self.strings.get(image.comm) } else { program }
            }
            None => self.proc_at(idx).map_or(b"", |proc| self.strings.get(proc.comm)),
        }
    }

    /// The same for the image that it ran at `ns`.
    pub fn program_at(&self, idx: Idx, ns: u64) -> &[u8] {
        match self.image_at(idx, ns) {
            Some(image) if !image.filename.is_empty() => self.program(image),
            _ => self.program_of(idx),
        }
    }

    /// `mongod`, or `process 812` where nobody said what it is.
    pub fn name(&self, idx: Idx) -> String {
        self.named(idx, self.program_of(idx))
    }

    /// What it was called at `ns`.
    pub fn name_at(&self, idx: Idx, ns: u64) -> String {
        self.named(idx, self.program_at(idx, ns))
    }

    fn named(&self, idx: Idx, program: &[u8]) -> String {
        let Some(proc) = self.proc_at(idx) else { return "the kernel".into() };
        if program.is_empty() {
            return format!("process {}", proc.id.tgid);
        }
        if program == b"systemd" && self.is_user_manager(idx) {
            return USER_MANAGER.into();
        }
        clip(&safe::text(program), 48)
    }

    /// `mongod 812`.
    pub fn label(&self, idx: Idx) -> String {
        self.labelled(idx, self.program_of(idx))
    }

    /// What it was called at `ns`, with its pid.
    pub fn label_at(&self, idx: Idx, ns: u64) -> String {
        self.labelled(idx, self.program_at(idx, ns))
    }

    fn labelled(&self, idx: Idx, program: &[u8]) -> String {
        let name = self.named(idx, program);
        match self.proc_at(idx) {
            Some(proc) if !program.is_empty() => format!("{name} {}", proc.id.tgid),
            _ => name,
        }
    }

    pub fn pid(&self, idx: Idx) -> u32 {
        self.proc_at(idx).map_or(0, |proc| proc.id.tgid)
    }

    /// Its command line, cut to about `most` characters.
    pub fn command(&self, image: &Image, most: usize) -> String {
        let mut out = String::new();
        let argv = self.strings.get(image.argv);
        safe::push_argv(&mut out, if argv.is_empty() { self.strings.get(image.filename) } else { argv });
        clip(&out, most)
    }

    /// `killall5 -15`: the program with its arguments where they are few, for a step of a chain.
    pub fn deed(&self, idx: Idx, ns: u64) -> String {
        let Some(image) = self.image_at(idx, ns).filter(|image| !image.filename.is_empty()) else {
            return self.name(idx);
        };
        let program = clip(&safe::text(self.program(image)), 48);
        let file = self.strings.get(image.filename);
        let of_rc = |path: &[u8]| path.starts_with(b"/etc/init.d/") || path.starts_with(b"/etc/rc");
        let script = of_rc(file) || words(self.strings.get(image.argv)).skip(1).take(3).any(of_rc);
        if self.is_init(idx) || script && program != "rc" {
            return program;
        }
        let argv = self.strings.get(image.argv);
        // In front of a script stand its interpreter's own options: `perl -wT /usr/bin/pg_ctlcluster 15-main stop`.
        let of_script = |word: &&[u8]| without_sequence(base_name(word)) == self.program(image);
        let options = words(argv).skip(1).take(OPTIONS_MAX).take_while(|word| word.starts_with(b"-")).count();
        let behind = words(argv).nth(1 + options).filter(of_script).map_or(0, |_| options);
        let rest: Vec<&[u8]> = words(argv).skip(1 + behind).take(3).collect();
        let brief = |word: &[u8]| !word.is_empty() && word.len() <= 24;
        // Scripts name themselves in their arguments, shells their text: the name says enough.
        let shown = match rest.as_slice() {
            _ if program == "sh" => 0,
            // Its options have no values, and what they are about stands behind them.
            all if program == "fuser" => all.iter().take_while(|word| brief(word)).count(),
            [first, ..] if !brief(first) || base_name(first) == program.as_bytes() || *first == b"-c" => 0,
            [_] => 1,
            [_, second] if brief(second) => 2,
            // An option without its value says little.
            [[b'-', letter], ..] if letter.is_ascii_alphabetic() => 0,
            _ => 1,
        };
        let mut out = program;
        for word in rest.iter().take(shown) {
            out.push(' ');
            safe::push(&mut out, word);
        }
        out
    }

    /// Whether it is a program of this tool.
    pub fn is_ours(&self, idx: Idx) -> bool {
        matches!(self.program_of(idx), b"lastrites-tracer" | b"lastrites")
    }

    pub fn is_supervisor(&self, idx: Idx) -> bool {
        let program = self.program_of(idx);
        SUPERVISORS.contains(&program)
            || is_shim(program)
            // A systemd of a user or a container; who has executed nothing has that name from pid 1.
            || program == b"systemd"
                && self.pid(idx) != 1
                && self.own_images(idx).next().is_some()
            // Upstart's, of a session.
            || matches!(program, b"init" | b"upstart")
                && self.pid(idx) != 1
                && self.arguments(idx).contains(&&b"--user"[..])
    }

    /// What it was given, behind its name.
    pub fn arguments(&self, idx: Idx) -> Vec<&[u8]> {
        let argv = self.image(self.image_of(idx)).map_or(&b""[..], |image| self.strings.get(image.argv));
        words(argv).skip(1).collect()
    }

    /// Whether it is a script that a shell runs, as mysqld_safe is.
    pub fn is_script(&self, idx: Idx) -> bool {
        self.image(self.image_of(idx))
            .is_some_and(|image| self.is_shell(image) && !SHELLS.contains(&self.program(image)))
    }

    /// Whether a shell runs it, whatever that runs. That of a login is called `-bash`, or `-su` by su; and where its words are
    /// not known, what was executed is. Of busybox its first word alone says what it is.
    pub(super) fn is_shell(&self, image: &Image) -> bool {
        let file = base_name(self.strings.get(image.filename));
        match words(self.strings.get(image.argv)).next() {
            Some(zeroth) => {
                SHELLS.contains(&base_name(zeroth.strip_prefix(b"-").unwrap_or(zeroth)))
                    || SHELLS.contains(&file) && file != b"busybox"
            }
            None => SHELLS.contains(&file),
        }
    }

    /// Whether it is a shell that is there for what somebody types into it: its words name no script, and no `-c` says what to
    /// run. Where nothing is known of its words, nobody knows.
    pub(super) fn is_typed_into(&self, image: &Image) -> bool {
        let mut words = words(self.strings.get(image.argv));
        let Some(zeroth) = words.next().filter(|_| self.is_shell(image)) else { return false };
        // Of busybox the next word may be the shell.
        if base_name(zeroth) == b"busybox" {
            words.next();
        }
        // Options of bash have a value behind them.
        let takes_value =
            |word: &[u8]| matches!(word, b"-o" | b"+o" | b"-O" | b"+O" | b"--rcfile" | b"--init-file");
        while let Some(word) = words.next() {
            let is_option = word.starts_with(b"-") || word.starts_with(b"+");
            let says = word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'c');
            if says || !is_option {
                return false;
            }
            if takes_value(word) {
                words.next();
            }
        }
        true
    }

    /// Whether it is the systemd of a user, which is not to be taken for pid 1.
    pub fn is_user_manager(&self, idx: Idx) -> bool {
        let argv = self.image(self.image_of(idx)).map_or(&b""[..], |image| self.strings.get(image.argv));
        !self.is_init(idx) && self.program_of(idx) == b"systemd" && words(argv).any(|word| word == b"--user")
    }

    /// Whether it is only there for one container, and comes and goes with it.
    pub fn is_shim(&self, idx: Idx) -> bool {
        is_shim(self.program_of(idx))
    }

    /// Whether it is the init of the machine.
    pub fn is_init(&self, idx: Idx) -> bool {
        self.pid(idx) == 1
    }

    /// From a name that a person knows down to `idx`: `rc -> sendsigs -> killall5 -15`.
    pub fn chain(&self, idx: Idx, ns: u64) -> String {
        let mut links = vec![self.deed(idx, ns)];
        let mut last = self.name_at(idx, ns);
        for forefather in self.ancestors(idx) {
            if self.is_init(forefather) || links.len() >= 6 {
                break;
            }
            let name = self.name_at(forefather, ns);
            // A shell that runs a shell of the same script is one for people; so is a login shell's wrapper.
            if name != last && !name.starts_with("process ") {
                links.push(if matches!(name.as_str(), "sh" | "bash" | "dash") {
                    name.clone()
                } else {
                    self.short(forefather, ns)
                });
                last = name;
            }
        }
        links.reverse();
        links.join(" -> ")
    }

    /// Like [`World::deed`], with one argument at most: forefathers are there to be recognised.
    fn short(&self, idx: Idx, ns: u64) -> String {
        let deed = self.deed(idx, ns);
        if deed.starts_with(USER_MANAGER) {
            return USER_MANAGER.into();
        }
        let mut words = deed.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        match words.next() {
            Some(word) if name == "rc" => format!("{name} {word}"),
            _ => name,
        }
    }
}

/// Of several runtimes: containerd-shim-runc-v2, containerd-shim-kata-v2.
fn is_shim(program: &[u8]) -> bool {
    program.starts_with(b"containerd-shim") || program == b"conmon"
}

/// At most `most` characters.
pub fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
