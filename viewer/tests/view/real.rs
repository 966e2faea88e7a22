//! The program in a real terminal: tmux draws, and tells what it sees.
//!
//! Nothing waits for a time: each step waits until the screen, or the program, is as it must be.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{made, sample};

/// A terminal of its own server; gone when dropped.
pub(crate) struct Tmux {
    name: String,
    dir: tempfile::TempDir,
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Tmux {
    /// A shell with the program in it: what is behind it is seen after it has ended.
    pub(crate) fn start(size: (u16, u16), term: &str, args: &str) -> Self {
        let file = sample("sysvinit-respawn");
        let tmux = Self::shell(size);
        tmux.line(&format!(
            "env LANG=C.UTF-8 TERM={term} {} view {args} {}; echo ended $?",
            env!("CARGO_BIN_EXE_lastrites"),
            file.display()
        ));
        tmux
    }

    pub(crate) fn shell(size: (u16, u16)) -> Self {
        let there = Command::new("tmux").arg("-V").stdout(Stdio::null()).status();
        assert!(there.is_ok(), "tests/run installs tmux: {there:?}");
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = tempfile::tempdir().expect("a directory");
        let tmux = Self { name: format!("lastrites-{}-{next}", std::process::id()), dir };
        let (x, y) = (size.0.to_string(), size.1.to_string());
        tmux.run(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &x,
            "-y",
            &y,
            "env",
            "PS1=ready> ",
            "sh",
            "-i",
        ]);
        tmux.wait("a shell", |screen| screen.contains("ready>"));
        tmux
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.name])
            .args(args)
            .env("TMUX_TMPDIR", self.dir.path())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .output()
            .expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line at the shell.
    pub(crate) fn line(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.keys("Enter");
    }

    pub(crate) fn keys(&self, keys: &str) {
        for key in keys.split(' ') {
            self.run(&["send-keys", key]);
        }
    }

    pub(crate) fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    pub(crate) fn flag(&self, format: &str) -> String {
        self.run(&["display-message", "-p", format]).trim().to_owned()
    }

    pub(crate) fn wait(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "waited for {what} in vain:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The pid of the program.
    pub(crate) fn pid(&self) -> String {
        let shell = self.flag("#{pane_pid}");
        let children = PathBuf::from(format!("/proc/{shell}/task/{shell}/children"));
        let text = std::fs::read_to_string(children).expect("the shell's children");
        text.split_whitespace().next().expect("a child").to_owned()
    }

    pub(crate) fn kill(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid()]).status().expect("kill runs").success());
    }

    /// The terminal is as it was: main screen, no mouse reports, a cursor, and a shell that echoes.
    pub(crate) fn is_restored(&self) {
        // It asks for a line: what is typed before would be echoed by whoever has the terminal then.
        self.wait("the shell", |screen| screen.contains("view") && screen.trim_end().ends_with("ready>"));
        assert_eq!(self.flag("#{alternate_on} #{mouse_any_flag} #{cursor_flag}"), "0 0 1");
        self.line("echo al''ive");
        self.wait("an echo", |screen| screen.lines().any(|line| line.trim() == "alive"));
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

pub(crate) fn is_drawn(screen: &str) -> bool {
    screen.contains("was killed by") && screen.contains("help") && screen.contains("mongod 990")
}

#[test]
fn keys_resizing_and_leaving_work_in_a_real_terminal() {
    let tmux = Tmux::start((120, 40), "screen-256color", "");
    tmux.wait("the first screen", is_drawn);
    assert_eq!(tmux.flag("#{alternate_on} #{mouse_any_flag}"), "1 1");
    tmux.keys("c");
    tmux.wait("the killer", |screen| screen.contains("killall5 -9 1010") && screen.contains("process"));
    tmux.run(&["resize-window", "-x", "60", "-y", "15"]);
    tmux.wait("a small screen", |screen| screen.lines().count() <= 15 && screen.contains("killall5 -9 1010"));
    tmux.run(&["resize-window", "-x", "20", "-y", "5"]);
    tmux.wait("an excuse", |screen| screen.contains("lastrites needs"));
    tmux.run(&["resize-window", "-x", "100", "-y", "30"]);
    tmux.wait("the screen again", |screen| screen.contains("mongod 990"));
    tmux.keys("?");
    tmux.wait("the help", |screen| screen.contains("What the lanes show"));
    tmux.keys("Escape");
    tmux.wait("no help", |screen| !screen.contains("What the lanes show"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    tmux.is_restored();
}

#[test]
fn it_stops_and_comes_back_as_a_job_does() {
    let tmux = Tmux::start((100, 30), "screen-256color", "");
    tmux.wait("the first screen", is_drawn);
    tmux.keys("C-z");
    tmux.is_restored();
    tmux.line("fg");
    tmux.wait("the screen again", is_drawn);
    assert_eq!(tmux.flag("#{alternate_on} #{mouse_any_flag}"), "1 1", "the mouse comes back too");
    tmux.kill("-TSTP");
    tmux.is_restored();
    tmux.line("fg");
    tmux.wait("the screen again", is_drawn);
    tmux.keys("q");
    tmux.is_restored();
}

/// A wrapper script around the program has to stop with it, or the shell never gets its terminal back.
#[test]
fn a_script_around_it_stops_and_comes_back_with_it() {
    let tmux = Tmux::shell((100, 30));
    let program = env!("CARGO_BIN_EXE_lastrites");
    let file = sample("sysvinit-respawn");
    let inside =
        format!("env LANG=C.UTF-8 TERM=screen-256color {program} view {}; echo ended $?", file.display());
    tmux.line(&format!("sh -c '{inside}; true'"));
    tmux.wait("the first screen", is_drawn);
    for _ in 0..2 {
        tmux.keys("C-z");
        tmux.is_restored();
        tmux.line("fg");
        tmux.wait("the screen again", is_drawn);
    }
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    tmux.is_restored();
}

/// SIGSTOP cannot be prepared for: a shell has the terminal meanwhile, and the program takes it again.
#[test]
fn what_was_stopped_by_force_draws_anew_when_it_is_continued() {
    let tmux = Tmux::start((100, 30), "screen-256color", "");
    tmux.wait("the first screen", is_drawn);
    tmux.kill("-STOP");
    tmux.wait("the shell", |screen| screen.contains("ready>"));
    // The terminal is still raw: a line ends as it does there. One line: what is typed while the terminal is set may be
    // lost.
    tmux.run(&["send-keys", "-l", "stty sane; clear; echo clear''ed"]);
    tmux.keys("C-j");
    // What stands there before may look like a clear screen with a prompt.
    let cleared = |screen: &str| screen.lines().any(|line| line.trim() == "cleared");
    tmux.wait("a clear screen", |screen| cleared(screen) && screen.contains("ready>") && !is_drawn(screen));
    tmux.line("fg");
    tmux.wait("the screen again", is_drawn);
    assert_eq!(tmux.flag("#{alternate_on} #{mouse_any_flag}"), "1 1");
    tmux.keys("q");
    tmux.is_restored();
}

/// Who starts it with a signal ignored (nohup, say) means it.
#[test]
fn signals_that_were_ignored_stay_ignored() {
    let tmux = Tmux::shell((100, 30));
    let program = env!("CARGO_BIN_EXE_lastrites");
    let file = sample("sysvinit-respawn");
    tmux.line(&format!(
        "(trap '' TERM TSTP; exec env LANG=C.UTF-8 TERM=screen-256color {program} view {}); echo ended $?",
        file.display()
    ));
    tmux.wait("the first screen", is_drawn);
    tmux.kill("-TERM");
    tmux.kill("-TSTP");
    tmux.keys("C-z");
    tmux.wait("an excuse", |screen| screen.contains("no job control here"));
    // What came before the key has been looked at by now.
    tmux.keys("c");
    tmux.wait("the killer", |screen| screen.contains("killall5 -9 1010 exited"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    tmux.is_restored();
}

#[test]
fn a_terminal_that_goes_away_takes_the_program_along() {
    // Reading from a terminal that is gone yields nothing for ever: a reader of keys went on asking, at full speed.
    let tmux = Tmux::start((100, 30), "screen-256color", "");
    tmux.wait("the first screen", is_drawn);
    let pid = tmux.pid();
    tmux.run(&["kill-server"]);
    let begun = Instant::now();
    let alive =
        || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while alive() {
        assert!(begun.elapsed() < PATIENCE, "{pid} still runs without a terminal");
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn signals_end_it_and_give_the_terminal_back() {
    for signal in ["-TERM", "-HUP"] {
        let tmux = Tmux::start((100, 30), "screen-256color", "");
        tmux.wait("the first screen", is_drawn);
        tmux.kill(signal);
        tmux.wait("the end", |screen| screen.contains("ended"));
        tmux.is_restored();
    }
}

#[test]
fn a_dumb_terminal_is_told_what_to_do() {
    let tmux = Tmux::start((100, 30), "dumb", "");
    let screen = tmux.wait("the end", |screen| screen.contains("ended 4"));
    assert!(screen.contains("TERM=dumb") && screen.contains("lastrites explain"), "{screen}");
}

#[test]
fn the_linux_console_gets_what_its_font_has() {
    let tmux = Tmux::start((100, 30), "linux", "");
    let screen = tmux.wait("the first screen", is_drawn);
    assert!(screen.contains('X') && !screen.contains('✖') && !screen.contains('━'), "{screen}");
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    tmux.is_restored();
}

/// Not a test: what the next one runs in its terminal.
#[test]
#[ignore = "run by the_terminal_is_restored_after_a_panic"]
fn takes_the_terminal_and_panics() {
    let _taken = lastrites::view::terminal::Taken::take(true).expect("a terminal");
    panic!("on purpose");
}

#[test]
fn the_terminal_is_restored_after_a_panic() {
    let tmux = Tmux::shell((100, 30));
    let this = std::env::current_exe().expect("a path");
    let name = "real::takes_the_terminal_and_panics";
    tmux.line(&format!("{} --ignored --exact {name} --nocapture # view", this.display()));
    tmux.wait("the panic", |screen| screen.contains("on purpose") && screen.contains("test result"));
    tmux.is_restored();
}

#[test]
fn a_recording_that_grows_is_followed() {
    let tmux = Tmux::shell((100, 30));
    let file = tmux.dir.path().join("growing.lrt");
    std::fs::copy(sample("power-cut"), &file).expect("copied");
    tmux.line(&format!(
        "env LANG=C.UTF-8 TERM=screen-256color {} view --live {}; echo ended $?",
        env!("CARGO_BIN_EXE_lastrites"),
        file.display()
    ));
    tmux.wait("the first", |screen| screen.contains("was going down") && screen.contains("live"));
    let new = tmux.dir.path().join("new.lrt");
    std::fs::copy(sample("sysvinit-respawn"), &new).expect("copied");
    std::fs::rename(&new, &file).expect("moved");
    tmux.wait("the second", is_drawn);
    tmux.keys("o");
    tmux.wait("the list", |screen| screen.contains("rebooted, 1 finding: mongod was restarted"));
    tmux.keys("Escape");
    tmux.wait("no list", |screen| !screen.contains("Enter opens"));
    tmux.keys("C-s");
    tmux.wait("a question", |screen| screen.contains("save as:"));
    let copy = tmux.dir.path().join("copy.lrt");
    tmux.line(copy.to_str().expect("UTF-8"));
    tmux.wait("saved", |screen| screen.contains("saved, "));
    assert!(copy.is_file());
    tmux.keys("C-r");
    tmux.wait("a question", |screen| screen.contains("report as:"));
    let report = tmux.dir.path().join("r.tar.gz");
    tmux.line(report.to_str().expect("UTF-8"));
    // The name of the directory is long: the line is cut behind it.
    tmux.wait("reported", |screen| screen.contains("wrote "));
    let told = Command::new(env!("CARGO_BIN_EXE_lastrites"))
        .args(["explain", report.to_str().expect("UTF-8")])
        .output()
        .expect("run");
    assert!(String::from_utf8_lossy(&told.stdout).contains("mongod"), "{told:?}");
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
}

/// The recorder's own writer at work on a ring, event by event, while the viewer follows it.
#[test]
fn a_ring_that_is_being_written_is_followed_without_disturbing_it() {
    let tmux = Tmux::shell((100, 30));
    let file = tmux.dir.path().join("ring.lrt");
    let mut ring = made::Ring::create(&file);
    ring.begin(1);
    ring.live(100);
    tmux.line(&format!(
        "env LANG=C.UTF-8 TERM=screen-256color {} view --live {}; echo ended $?",
        env!("CARGO_BIN_EXE_lastrites"),
        file.display()
    ));
    tmux.wait("the first", |screen| screen.contains("live") && screen.contains("no shutdown"));
    // What is selected stays what is selected.
    tmux.keys("/");
    tmux.wait("a question", |screen| screen.contains("names, arguments"));
    tmux.run(&["send-keys", "-l", "mongod"]);
    tmux.wait("found", |screen| screen.contains("1 found"));
    tmux.keys("Enter");
    tmux.wait("its details", |screen| screen.contains("mongod 800") && !screen.contains("1 found"));
    ring.live(200);
    tmux.wait("more of it", |screen| screen.contains("1203 events") && screen.contains("mongod 800"));
    ring.shut_down(None);
    tmux.wait("the shutdown", |screen| screen.contains("mongod 800 was killed by killall5 -9"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    tmux.is_restored();
}

/// From a list of two: marked, compared, saved, and nothing overwritten.
#[test]
fn recordings_of_a_file_are_compared_and_saved_from_their_list() {
    let tmux = Tmux::shell((100, 30));
    let file = tmux.dir.path().join("ring.lrt");
    let mut ring = made::Ring::create(&file);
    ring.begin(1);
    ring.shut_down(Some(700));
    ring.begin(2);
    ring.shut_down(None);
    tmux.line(&format!(
        "env LANG=C.UTF-8 TERM=screen-256color {} view {}; echo ended $?",
        env!("CARGO_BIN_EXE_lastrites"),
        file.display()
    ));
    tmux.wait("the newer", |screen| screen.contains("mongod 800 was killed by killall5 -9"));
    tmux.keys("o");
    tmux.wait("the list", |screen| screen.contains("Enter opens") && !screen.contains("looking ..."));
    tmux.keys("Down d");
    tmux.wait("the comparison", |screen| {
        screen.contains("A  db7 rebooted") && screen.contains("ended differently")
    });
    tmux.keys("Escape");
    tmux.wait("the newer again", |screen| screen.contains("was killed by") && !screen.contains("A  db7"));
    let copy = tmux.dir.path().join("copy.lrt");
    tmux.keys("o");
    tmux.wait("the list", |screen| screen.contains("Enter opens"));
    tmux.keys("Down");
    for said in ["saved, ", "nothing is overwritten"] {
        tmux.keys("s");
        tmux.wait("a question", |screen| screen.contains("save as:"));
        tmux.line(copy.to_str().expect("UTF-8"));
        tmux.wait("the answer, in the list", |screen| {
            screen.contains(said) && screen.contains("Enter opens")
        });
    }
    tmux.keys("Escape");
    tmux.wait("no list", |screen| !screen.contains("Enter opens"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    let saved = lastrites_traces::reader::Trace::open(&copy).expect("a recording");
    assert_eq!(saved.sessions()[0].session.boot_id, "boot-1", "the older one, not the one that is open");
}

/// A file that was sent beside one's own: listed, compared with, and opened.
#[test]
fn recordings_of_two_files_are_compared_from_their_list() {
    let tmux = Tmux::shell((100, 30));
    let [good, bad] = [("good.lrt", 1, Some(700)), ("bad.lrt", 2, None)].map(|(name, boot, mongod)| {
        let file = tmux.dir.path().join(name);
        let mut ring = made::Ring::create(&file);
        ring.begin(boot);
        ring.shut_down(mongod);
        file
    });
    tmux.line(&format!(
        "env LANG=C.UTF-8 TERM=screen-256color {} view {} {} {}; echo ended $?",
        env!("CARGO_BIN_EXE_lastrites"),
        bad.display(),
        good.display(),
        // What is no recording does not keep the others from being listed.
        tmux.dir.path().display(),
    ));
    tmux.wait("the bad one", |screen| screen.contains("mongod 800 was killed by killall5 -9"));
    tmux.keys("o");
    tmux.wait("the list", |screen| {
        let both = screen.contains("bad.lrt") && screen.contains("good.lrt");
        both && screen.matches("rebooted").count() >= 2 && screen.contains("not a regular file")
    });
    tmux.keys("Down d");
    tmux.wait("the comparison", |screen| {
        let heads = screen.contains("recording 1 of good.lrt") && screen.contains("recording 1 of bad.lrt");
        heads && screen.contains("ended differently")
    });
    // A key right behind Esc would be one with Alt.
    tmux.keys("Escape");
    tmux.wait("the bad one again", |screen| {
        screen.contains("was killed by") && !screen.contains("of good.lrt")
    });
    tmux.keys("o Down Enter");
    tmux.wait("the good one", |screen| screen.contains("nothing wrong") && !screen.contains("was killed by"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
}

/// What was imported stands beside the machine's own.
#[test]
fn imported_recordings_are_listed_beside_the_own_ones() {
    let tmux = Tmux::shell((100, 30));
    let file = tmux.dir.path().join("ring.lrt");
    let mut ring = made::Ring::create(&file);
    ring.begin(1);
    ring.shut_down(Some(700));
    let lastrites = env!("CARGO_BIN_EXE_lastrites");
    let sample = sample("runit-respawn");
    let of = |what: &str| {
        let (home, ring) = (tmux.dir.path().display(), file.display());
        format!(
            "env LANG=C.UTF-8 TERM=screen-256color XDG_DATA_HOME={home} LASTRITES_FILE={ring} {lastrites} {what}"
        )
    };
    tmux.line(&of(&format!("import --as bug-1 {}; echo imported $?", sample.display())));
    tmux.wait("the import", |screen| screen.contains("imported 0"));
    tmux.line(&format!("clear; {}; echo ended $?", of("")));
    tmux.wait("the own one", |screen| screen.contains("nothing wrong"));
    tmux.keys("o");
    tmux.wait("the list", |screen| screen.contains("ring.lrt") && screen.contains("imported as bug-1"));
    tmux.keys("End Enter");
    tmux.wait("the other", |screen| screen.contains("runsvdir") && !screen.contains("nothing wrong"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
}

/// The recorder itself, in this kernel: what happens here is found by a search that was typed before it happened.
#[test]
fn what_is_being_recorded_is_found_while_it_happens() {
    let tmux = Tmux::shell((100, 30));
    let file = tmux.dir.path().join("ring.lrt");
    let tracer = PathBuf::from(env!("CARGO_BIN_EXE_lastrites")).with_file_name("lastrites-tracer");
    assert!(tracer.is_file(), "{}: tests/run builds it", tracer.display());
    let recorder = Command::new(&tracer)
        .args(["record", "--size", "8M", "--output"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut recorder = Recorder(recorder);
    let mut said = String::new();
    // Open until the end: it may have more to say.
    let mut stderr = BufReader::new(recorder.0.stderr.take().expect("a pipe"));
    stderr.read_line(&mut said).expect("a line");
    assert!(said.contains("ready"), "it needs root and BTF: {said:?}");
    tmux.line(&format!(
        "env LANG=C.UTF-8 TERM=screen-256color {} view --live {}; echo ended $?",
        env!("CARGO_BIN_EXE_lastrites"),
        file.display()
    ));
    tmux.wait("the first screen", |screen| screen.contains("live") && screen.contains("help"));
    tmux.keys("/");
    // In two pieces: who types is recorded as well, with what it types.
    for piece in ["seen-", "by-us"] {
        tmux.run(&["send-keys", "-l", piece]);
    }
    tmux.wait("nothing yet", |screen| screen.contains("seen-by-us") && screen.contains("0 found"));
    let witness = tmux.dir.path().join("seen-by-us");
    // By another process: one that another test forks meanwhile would hold a file open that we write, and what is being
    // written cannot be executed.
    let copy = tmux.dir.path().join("copy");
    assert!(Command::new("cp").arg("/bin/true").arg(&copy).status().expect("it runs").success());
    std::fs::rename(&copy, &witness).expect("renamed");
    assert!(Command::new(&witness).status().expect("it runs").success());
    tmux.wait("the witness", |screen| screen.contains("seen-by-us") && screen.contains("1 found"));
    tmux.keys("Enter n");
    tmux.wait("its details", |screen| screen.contains("match 1 of 1") && screen.contains("seen-by-us"));
    tmux.keys("q");
    tmux.wait("the end", |screen| screen.contains("ended 0"));
    recorder.interrupt();
    assert!(recorder.0.wait().expect("it ends").success());
}

/// A recorder that does not outlive its test.
struct Recorder(std::process::Child);

impl Recorder {
    fn interrupt(&self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.0.wait();
        }
    }
}
