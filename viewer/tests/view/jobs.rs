//! The program as a job of a shell, and on a terminal that has one screen only.

use std::time::{Duration, Instant};

use crate::real::{PATIENCE, Tmux, is_drawn};

fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// As /proc says it: `T` for whoever is stopped.
fn state(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").map(|(_, rest)| rest.chars().take(1).collect()).unwrap_or_default()
}

fn wait(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// SIGTERM and SIGCONT are what `kill %1` and every shutdown send to a job that is stopped. It took the terminal before it
/// looked at them, was stopped for that by the terminal, and only SIGKILL could end it.
#[test]
fn a_stopped_viewer_can_be_ended() {
    for stop in ["-TSTP", "-STOP"] {
        let tmux = Tmux::start((100, 30), "screen-256color", "");
        tmux.wait("the first screen", is_drawn);
        let pid = tmux.pid();
        tmux.kill(stop);
        wait("a stop", || state(&pid) == "T");
        // The shell has the terminal by now.
        tmux.wait("the shell", |screen| screen.trim_end().ends_with("ready>"));
        tmux.kill("-TERM");
        tmux.kill("-CONT");
        wait("its end", || is_gone(&pid));
        assert_eq!(tmux.flag("#{alternate_on} #{mouse_any_flag} #{cursor_flag}"), "0 0 1", "{stop}");
    }
}

#[test]
fn in_the_background_it_waits_and_draws_nothing() {
    let tmux = Tmux::start((100, 30), "screen-256color", "");
    tmux.wait("the first screen", is_drawn);
    let pid = tmux.pid();
    tmux.keys("C-z");
    tmux.is_restored();
    tmux.line("bg");
    wait("a stop", || state(&pid) == "T");
    tmux.line("echo still''here");
    let shown = tmux.wait("the shell", |screen| screen.lines().any(|line| line.trim() == "stillhere"));
    assert!(!is_drawn(&shown), "{shown}");
    tmux.line("fg");
    tmux.wait("the screen again", is_drawn);
    tmux.keys("q");
    tmux.is_restored();
}

/// A vt100 and the Linux console have no other screen: the first picture was drawn over whatever was on it, and stayed.
#[test]
fn where_there_is_one_screen_only_it_is_clear_before_and_after() {
    let tmux = Tmux::shell((80, 24));
    tmux.run(&["set-option", "-wg", "alternate-screen", "off"]);
    tmux.line("for n in $(seq 30); do echo junk junk junk junk junk junk junk junk junk junk junk; done");
    tmux.wait("junk", |screen| screen.matches("junk").count() > 200);
    let program = env!("CARGO_BIN_EXE_lastrites");
    let file = crate::sample("sysvinit-respawn");
    tmux.line(&format!("env LANG=C.UTF-8 TERM=linux {program} view {}; : view", file.display()));
    let shown = tmux.wait("the first screen", is_drawn);
    assert_eq!(tmux.flag("#{alternate_on}"), "0", "it has none");
    assert!(!shown.contains("junk") && !shown.contains("ready>"), "{shown}");
    let expected = crate::screen(&crate::app(
        "sysvinit-respawn",
        crate::theme("linux", "", "C.UTF-8", lastrites::view::palette::Tone::Dark),
        (80, 24),
    ));
    let bare = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(bare(&shown), bare(&expected));
    tmux.keys("C-z");
    let shown = tmux.wait("the shell", |screen| screen.trim_end().ends_with("ready>"));
    assert!(!is_drawn(&shown), "{shown}");
    tmux.line("fg");
    tmux.wait("the screen again", |screen| is_drawn(screen) && !screen.contains("ready>"));
    tmux.keys("q");
    let shown = tmux.wait("the shell", |screen| screen.trim_end().ends_with("ready>"));
    assert!(!shown.contains("was killed by") && !shown.contains("help"), "{shown}");
}
