//! The terminal: taken, given back, and given back whatever happens.
//!
//! Invariant: after the program has ended, stopped or panicked, the terminal is as it was: cooked, on its main screen,
//! with its cursor and without mouse reports; where there is no other screen than the main one it is left blank. While a
//! shell has the terminal nothing is drawn on it. A signal only sets a bit; what it means is done by the loop.

use std::{
    io::{self, Stdout, Write as _},
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ratatui::{
    Terminal, TerminalOptions, Viewport,
    backend::CrosstermBackend,
    crossterm::{
        cursor::{MoveTo, Show},
        event::{DisableMouseCapture, EnableMouseCapture},
        execute,
        terminal::{
            Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
        },
    },
    layout::Rect,
};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::fresh;

/// Signals that came, a bit each.
static CAME: AtomicU64 = AtomicU64::new(0);
/// Whether the terminal is ours, and has to be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Signals that whoever started us wants ignored, a bit each: they stay ignored.
static IGNORED: AtomicU64 = AtomicU64::new(0);
static HOOK: Once = Once::new();
static WATCH: Once = Once::new();
/// After this the program ends without its terminal, whatever it is at.
const GONE: Duration = Duration::from_secs(2);

const SIGNALS: [i32; 6] =
    [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGCONT];
/// Those after which there is nothing more to do but to end.
const LAST: [i32; 4] = [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT];
/// So often somebody in the background looks whether the terminal is his, if nobody stops him.
const AGAIN: Duration = Duration::from_millis(100);

extern "C" fn note(sig: i32) {
    CAME.fetch_or(1 << (sig & 63), Ordering::Relaxed);
}

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Taken {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    size: (u16, u16),
    mouse: bool,
}

impl Taken {
    pub fn take(mouse: bool) -> io::Result<Self> {
        let ours = std::thread::current().id();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // Of a thread that reads, the loop tells; the terminal is still in use.
                if std::thread::current().id() == ours {
                    give_back();
                    before(info);
                }
            }));
        });
        // Started in the background: signals still mean what they always do.
        come_forward();
        watch(true);
        WATCH.call_once(|| drop(std::thread::spawn(outlive_nothing)));
        let size = size();
        // A fixed viewport: a terminal that does not know its size is not asked for it at every frame.
        let options = TerminalOptions { viewport: Viewport::Fixed(rect(size)) };
        let taken =
            enter(mouse).and_then(|()| Terminal::with_options(CrosstermBackend::new(io::stdout()), options));
        let terminal = taken.inspect_err(|_| {
            give_back();
            watch(false);
        })?;
        Ok(Self { terminal, size, mouse })
    }

    /// Fits what is drawn to the terminal as it is now; returns columns and rows.
    pub fn fit(&mut self) -> io::Result<(u16, u16)> {
        let size = size();
        if size != self.size {
            self.size = size;
            self.clear()?;
        }
        Ok(size)
    }

    /// Forgets what is on the screen, so that all of it is drawn anew. (The terminal's own way asks it where its
    /// cursor is, and one that does not answer would end the program.)
    pub fn clear(&mut self) -> io::Result<()> {
        self.terminal.resize(rect(self.size))
    }

    /// Stops the program as Ctrl-Z does, until it is continued. False: whoever started us has SIGTSTP ignored, so nobody
    /// would continue us. Afterwards the terminal is ours again, unless there came a signal to end.
    pub fn suspend(&mut self) -> io::Result<bool> {
        if is_ignored(libc::SIGTSTP) {
            return Ok(false);
        }
        give_back();
        set(libc::SIGTSTP, false);
        // Everybody in the foreground, as the terminal itself would: a script around us is to stop as well.
        // SAFETY: kill(2) with a valid signal has no preconditions.
        unsafe { libc::kill(0, libc::SIGTSTP) };
        set(libc::SIGTSTP, true);
        self.resume()?;
        Ok(true)
    }

    /// Takes the terminal again after a stop, be it one that nobody could prepare for (SIGSTOP): a shell had it meanwhile,
    /// and may have it still. Who is to end does not wait for it.
    pub fn resume(&mut self) -> io::Result<()> {
        if !come_forward() {
            return Ok(());
        }
        CAME.fetch_and(!(1 << libc::SIGTSTP | 1 << libc::SIGCONT), Ordering::Relaxed);
        disable_raw_mode()?;
        enter(self.mouse)?;
        self.clear()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
        watch(false);
    }
}

/// Columns and rows. A serial console says it has none of either: then `COLUMNS` and `LINES` count, and without those
/// it is the terminal that everybody expects.
pub fn size() -> (u16, u16) {
    let told = rustix::termios::tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let named = |name| std::env::var(name).ok().and_then(|text| text.trim().parse().ok());
    sensible(told, (named("COLUMNS"), named("LINES")))
}

fn sensible(told: (u16, u16), named: (Option<u16>, Option<u16>)) -> (u16, u16) {
    let choose = |told: u16, named: Option<u16>, usual: u16, most: u16| {
        let named = named.filter(|named| *named > 0).unwrap_or(usual);
        if told > 0 { told } else { named }.min(most)
    };
    (choose(told.0, named.0, 80, 2000), choose(told.1, named.1, 24, 1000))
}

const fn rect((width, height): (u16, u16)) -> Rect {
    Rect { x: 0, y: 0, width, height }
}

fn enter(mouse: bool) -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    // A vt100 and the Linux console have one screen only: what is on it would show through wherever nothing is drawn.
    execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
    if mouse {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Everything back, once; errors are those of a terminal that is gone.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        // SAFETY: ignoring a signal has no preconditions. In the background it would stop us once more, at our end.
        let before = unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
        let blank = (Clear(ClearType::All), MoveTo(0, 0));
        let _ = execute!(out, DisableMouseCapture, blank.0, blank.1, LeaveAlternateScreen, Show);
        // How the terminal is set there is the shell's own matter.
        if !is_behind() {
            let _ = disable_raw_mode();
        }
        let _ = out.flush();
        // SAFETY: what was done with it before is what signal(2) has just said.
        unsafe { libc::signal(libc::SIGTTOU, before) };
    }
}

/// Whether somebody else has the terminal in front: a shell that has stopped us, or put us into the background.
fn is_behind() -> bool {
    // A terminal that is not the one of our session has no job control.
    let front = rustix::termios::tcgetpgrp(io::stdin());
    front.is_ok_and(|front| front != rustix::process::getpgrp())
}

/// Whether a signal to end has come, which nobody has looked at yet.
fn is_to_end() -> bool {
    LAST.iter().any(|sig| CAME.load(Ordering::Relaxed) & 1 << sig != 0)
}

/// Waits, stopped, until the terminal is ours. The terminal itself would stop whoever sets it from the background, again
/// at each continuation, and so a program that is to end (SIGTERM, then SIGCONT, as every shutdown sends them) could never
/// look at that. False: it is to end.
fn come_forward() -> bool {
    while is_behind() && !is_to_end() {
        // SAFETY: raise(3) with a valid signal has no preconditions.
        unsafe { libc::raise(libc::SIGTTOU) };
        // Whom no shell could continue the kernel does not stop.
        if is_behind() && !is_to_end() {
            std::thread::sleep(AGAIN);
        }
    }
    !is_to_end()
}

fn watch(on: bool) {
    for sig in SIGNALS {
        if on {
            let before = set(sig, true);
            if before == libc::SIG_IGN {
                IGNORED.fetch_or(1 << sig, Ordering::Relaxed);
                // SAFETY: ignoring a signal has no preconditions.
                unsafe { libc::signal(sig, libc::SIG_IGN) };
            }
        } else if !is_ignored(sig) {
            set(sig, false);
        }
    }
    if !on {
        fresh::go_with_the_process();
    }
}

fn is_ignored(sig: i32) -> bool {
    IGNORED.load(Ordering::Relaxed) & 1 << sig != 0
}

/// Returns what was done with the signal before.
fn set(sig: i32, on: bool) -> libc::sighandler_t {
    let handler = if on { note as extern "C" fn(i32) as libc::sighandler_t } else { libc::SIG_DFL };
    // SAFETY: the handler only touches an atomic, which is safe in a signal handler.
    unsafe { libc::signal(sig, handler) }
}

/// The signal to end that came since this was asked last.
pub fn last() -> Option<i32> {
    LAST.into_iter().find(|sig| came(*sig))
}

/// Whether `sig` came since this was asked last.
pub fn came(sig: i32) -> bool {
    CAME.fetch_and(!(1 << sig), Ordering::Relaxed) & 1 << sig != 0
}

/// Waits for something to be typed, for a signal, or for `limit`. Whether the terminal is gone: then reading from it
/// yields nothing for ever, which a reader of keys takes for more to come.
pub fn is_gone_after(limit: Duration) -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
    // Interrupted is a signal: the loop looks at those itself.
    let _ = rustix::event::poll(&mut fds, Some(&limit));
    fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Waits until the terminal is gone, and then sees to it that the program goes as well. The loop does so by itself,
/// unless the terminal went in the very moment in which it read from it: then that read never ends.
fn outlive_nothing() {
    let stdin = io::stdin();
    loop {
        // Nothing is asked for: only what cannot be refused wakes it, which is that the terminal is gone.
        let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Nobody can watch it here: then the loop has to do.
            Err(_) => return,
        }
    }
    std::thread::sleep(GONE);
    die_of(libc::SIGHUP)
}

/// Ends the program as `sig` would have; what it was writing goes with it.
pub fn die_of(sig: i32) -> ! {
    set(sig, false);
    fresh::go_with_the_process();
    // SAFETY: raise(3) with a valid signal has no preconditions.
    unsafe { libc::raise(sig) };
    std::process::exit(128 + sig)
}

#[cfg(test)]
mod tests {
    use super::sensible;

    #[test]
    fn a_terminal_without_a_size_has_the_one_that_is_named_or_the_usual() {
        assert_eq!(sensible((120, 40), (Some(70), Some(20))), (120, 40), "who knows its size is believed");
        assert_eq!(sensible((0, 0), (None, None)), (80, 24));
        assert_eq!(sensible((0, 0), (Some(132), Some(43))), (132, 43));
        assert_eq!(sensible((0, 0), (Some(0), None)), (80, 24));
        assert_eq!(sensible((100, 0), (None, Some(50))), (100, 50));
        assert_eq!(
            sensible((65535, 65535), (None, None)),
            (2000, 1000),
            "no screen is that big; memory is not either"
        );
    }
}
