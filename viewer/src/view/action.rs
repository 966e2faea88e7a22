//! What a key means: one table, from which keys are looked up and the help screen and the command palette are made.
//!
//! Invariant: an action has one line in a table, and no key is in two lines of it. What lies over the lanes has a table of
//! its own.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    PanLeft,
    PanRight,
    ZoomIn,
    ZoomOut,
    ZoomShutdown,
    ZoomAll,
    ZoomSubject,
    NextPhase,
    PreviousPhase,
    NextEvent,
    PreviousEvent,
    Compress,
    Jump,
    NextFinding,
    PreviousFinding,
    Finding(u8),
    Focus,
    FocusBack,
    Enter,
    Cause,
    Request,
    Heir,
    Forerunner,
    Parent,
    Victims,
    Evidence,
    ToFinding,
    Back,
    Forward,
    Search,
    NextMatch,
    PreviousMatch,
    Filter,
    Filters,
    Unfilter,
    OnlyKilled,
    OnlyRestarted,
    Tree,
    Clear,
    Unfold,
    Bigger,
    Smaller,
    Recordings,
    Save,
    Report,
    Compare,
    /// In the list: the one that another is compared with.
    Mark,
    Delete,
    Commands,
    Help,
    Suspend,
    Redraw,
    /// Light or dark.
    Tone,
    Quit,
}

/// Where a binding stands in the help screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Moving,
    Time,
    Causes,
    Finding,
    Screen,
    List,
    Filters,
    Compare,
}

impl Section {
    pub const ALL: [Self; 8] = [
        Self::Causes,
        Self::Moving,
        Self::Time,
        Self::Finding,
        Self::Screen,
        Self::List,
        Self::Filters,
        Self::Compare,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Moving => "Moving",
            Self::Time => "Time",
            Self::Causes => "Who did it",
            Self::Finding => "Finding things",
            Self::Screen => "Screen",
            Self::List => "In the list of recordings",
            Self::Filters => "In the list of filters",
            Self::Compare => "Over a comparison",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub control: bool,
}

#[derive(Debug)]
pub struct Binding {
    pub keys: &'static [Key],
    pub action: Action,
    pub section: Section,
    pub help: &'static str,
}

const fn c(c: char) -> Key {
    Key { code: KeyCode::Char(c), control: false }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), control: true }
}

const fn k(code: KeyCode) -> Key {
    Key { code, control: false }
}

const fn bind(keys: &'static [Key], action: Action, section: Section, help: &'static str) -> Binding {
    Binding { keys, action, section, help }
}

pub static KEYS: &[Binding] = &[
    bind(
        &[c('c')],
        Action::Cause,
        Section::Causes,
        "cause: from a death to its killer, from a killer to the request",
    ),
    bind(&[c('q')], Action::Quit, Section::Screen, "quit"),
    bind(&[c('r')], Action::Heir, Section::Causes, "what took its place"),
    bind(&[c('R')], Action::Forerunner, Section::Causes, "whose place it took"),
    bind(&[c('v')], Action::Victims, Section::Causes, "victims: all that it sent signals to"),
    bind(&[c('p')], Action::Parent, Section::Causes, "its parent"),
    bind(&[c('a')], Action::Request, Section::Causes, "who asked for the shutdown"),
    bind(&[c('e')], Action::Evidence, Section::Causes, "the next piece of a finding's evidence"),
    bind(&[c('f')], Action::ToFinding, Section::Causes, "the finding that tells of it"),
    bind(&[k(KeyCode::Backspace), ctrl('h'), c('[')], Action::Back, Section::Causes, "back, as in a browser"),
    bind(&[c(']')], Action::Forward, Section::Causes, "forward again"),
    bind(&[k(KeyCode::Up), c('k')], Action::Up, Section::Moving, "up"),
    bind(&[k(KeyCode::Down), c('j')], Action::Down, Section::Moving, "down"),
    bind(&[k(KeyCode::Left), c('h')], Action::Left, Section::Moving, "cursor back in time"),
    bind(&[k(KeyCode::Right), c('l')], Action::Right, Section::Moving, "cursor on in time"),
    bind(&[k(KeyCode::PageUp), ctrl('b')], Action::PageUp, Section::Moving, "a page up"),
    bind(&[k(KeyCode::PageDown), ctrl('f')], Action::PageDown, Section::Moving, "a page down"),
    bind(&[k(KeyCode::Home), c('g')], Action::First, Section::Moving, "first line"),
    bind(&[k(KeyCode::End), c('G')], Action::Last, Section::Moving, "last line"),
    bind(&[k(KeyCode::Tab)], Action::Focus, Section::Moving, "next panel: lanes, findings, details"),
    bind(&[k(KeyCode::BackTab)], Action::FocusBack, Section::Moving, "previous panel"),
    bind(
        &[k(KeyCode::Enter), c(' ')],
        Action::Enter,
        Section::Moving,
        "open or fold; follow the line's link",
    ),
    bind(&[c('+'), c('=')], Action::ZoomIn, Section::Time, "zoom in around the cursor"),
    bind(&[c('-')], Action::ZoomOut, Section::Time, "zoom out"),
    bind(&[c('H'), c('<')], Action::PanLeft, Section::Time, "move the view back"),
    bind(&[c('L'), c('>')], Action::PanRight, Section::Time, "move the view on"),
    bind(&[c('0'), c('z')], Action::ZoomShutdown, Section::Time, "the whole shutdown"),
    bind(&[c('Z')], Action::ZoomAll, Section::Time, "the whole recording"),
    bind(&[c('s')], Action::ZoomSubject, Section::Time, "zoom to what is selected"),
    bind(&[c('}')], Action::NextPhase, Section::Time, "next phase"),
    bind(&[c('{')], Action::PreviousPhase, Section::Time, "previous phase"),
    bind(&[c('w')], Action::NextEvent, Section::Time, "next event of this lane"),
    bind(&[c('b')], Action::PreviousEvent, Section::Time, "previous event of this lane"),
    bind(&[c('i')], Action::Compress, Section::Time, "cut idle time short, or not"),
    bind(&[c('t')], Action::Jump, Section::Time, "jump: to +3.5, 02:29:15, #314, a phase, a pid, a name"),
    bind(&[c('.')], Action::NextFinding, Section::Finding, "next finding"),
    bind(&[c(',')], Action::PreviousFinding, Section::Finding, "previous finding"),
    bind(&[c('1')], Action::Finding(1), Section::Finding, "finding 1 (2 to 9 likewise)"),
    bind(&[c('/')], Action::Search, Section::Finding, "search names, arguments, pids, services"),
    bind(&[c('n')], Action::NextMatch, Section::Finding, "next match"),
    bind(&[c('N')], Action::PreviousMatch, Section::Finding, "previous match"),
    bind(
        &[c('&')],
        Action::Filter,
        Section::Finding,
        "show only: a name, signal TERM, user root, phase KILL ...; adds to the other filters",
    ),
    bind(&[c('F')], Action::Filters, Section::Finding, "the filters, each to be taken away"),
    bind(&[c('x')], Action::Unfilter, Section::Finding, "take the last filter away"),
    bind(&[c('K')], Action::OnlyKilled, Section::Finding, "show only the killed, and who killed them"),
    bind(&[c('O')], Action::OnlyRestarted, Section::Finding, "show only the restarted"),
    bind(&[c('T')], Action::Tree, Section::Finding, "show only this process and its descendants"),
    bind(&[k(KeyCode::Esc)], Action::Clear, Section::Finding, "show everything again"),
    bind(&[c('u')], Action::Unfold, Section::Screen, "unfold or fold the other processes"),
    bind(&[c('B')], Action::Bigger, Section::Screen, "more room for the lower panels"),
    bind(&[c('S')], Action::Smaller, Section::Screen, "less room for the lower panels"),
    bind(&[c('o')], Action::Recordings, Section::Screen, "the recordings: open, compare, save, report"),
    bind(&[ctrl('s')], Action::Save, Section::Screen, "save this recording as a file of its own"),
    bind(&[ctrl('r')], Action::Report, Section::Screen, "make a report of it to send: no secrets, no names"),
    bind(&[c('d')], Action::Compare, Section::Screen, "differences from the shutdown before"),
    bind(&[c(':'), ctrl('p')], Action::Commands, Section::Screen, "all commands, by name"),
    bind(&[c('?'), k(KeyCode::F(1))], Action::Help, Section::Screen, "this help"),
    bind(&[ctrl('t')], Action::Tone, Section::Screen, "colours for a light or a dark background"),
    bind(&[ctrl('z')], Action::Suspend, Section::Screen, "suspend; `fg` comes back"),
    bind(&[ctrl('l')], Action::Redraw, Section::Screen, "draw the screen anew"),
];

const UP: &[Key] = &[k(KeyCode::Up), c('k')];
const DOWN: &[Key] = &[k(KeyCode::Down), c('j')];
const FIRST: &[Key] = &[k(KeyCode::Home), c('g')];
const LAST: &[Key] = &[k(KeyCode::End), c('G')];
const CLOSE: &[Key] = &[k(KeyCode::Esc), c('q')];

/// Keys of the list of recordings.
pub static LIST_KEYS: &[Binding] = &[
    bind(&[k(KeyCode::Enter)], Action::Enter, Section::List, "open it"),
    bind(&[c(' ')], Action::Mark, Section::List, "mark it, for d"),
    bind(&[c('d')], Action::Compare, Section::List, "differences from the marked one, or the open one"),
    bind(&[c('s'), ctrl('s')], Action::Save, Section::List, "save it as a file of its own"),
    bind(
        &[c('r'), ctrl('r')],
        Action::Report,
        Section::List,
        "make a report of it to send: no secrets, no names",
    ),
    bind(&[c('D')], Action::Delete, Section::List, "delete the file, after a question, if it is a saved one"),
    bind(UP, Action::Up, Section::List, "up"),
    bind(DOWN, Action::Down, Section::List, "down"),
    bind(&[k(KeyCode::PageUp), ctrl('b')], Action::PageUp, Section::List, "a page up"),
    bind(&[k(KeyCode::PageDown), ctrl('f')], Action::PageDown, Section::List, "a page down"),
    bind(FIRST, Action::First, Section::List, "the newest"),
    bind(LAST, Action::Last, Section::List, "the oldest"),
    bind(&[c('?'), k(KeyCode::F(1))], Action::Help, Section::List, "these keys"),
    bind(&[k(KeyCode::Esc), c('q'), c('o')], Action::Clear, Section::List, "close"),
];

/// Keys of the list of filters.
pub static FILTER_KEYS: &[Binding] = &[
    bind(&[k(KeyCode::Enter), c('x'), c('d')], Action::Unfilter, Section::Filters, "take it away"),
    bind(&[c('&')], Action::Filter, Section::Filters, "one more"),
    bind(UP, Action::Up, Section::Filters, "up"),
    bind(DOWN, Action::Down, Section::Filters, "down"),
    bind(&[c('?'), k(KeyCode::F(1))], Action::Help, Section::Filters, "these keys"),
    bind(&[k(KeyCode::Esc), c('q'), c('F')], Action::Clear, Section::Filters, "close"),
];

/// Keys of a comparison.
pub static COMPARE_KEYS: &[Binding] = &[
    bind(UP, Action::Up, Section::Compare, "up"),
    bind(DOWN, Action::Down, Section::Compare, "down"),
    bind(&[k(KeyCode::PageUp), ctrl('b')], Action::PageUp, Section::Compare, "a page up"),
    bind(&[k(KeyCode::PageDown), ctrl('f')], Action::PageDown, Section::Compare, "a page down"),
    bind(FIRST, Action::First, Section::Compare, "the beginning"),
    bind(LAST, Action::Last, Section::Compare, "the end"),
    bind(&[c('?'), k(KeyCode::F(1))], Action::Help, Section::Compare, "these keys and signs"),
    bind(CLOSE, Action::Clear, Section::Compare, "close"),
];

/// Every table, for the help screen.
pub fn all() -> impl Iterator<Item = &'static Binding> {
    [KEYS, LIST_KEYS, FILTER_KEYS, COMPARE_KEYS].into_iter().flatten()
}

/// What a key means in one of the tables.
pub fn look_up(table: &'static [Binding], code: KeyCode, control: bool) -> Option<Action> {
    // Capitals say of themselves that they are.
    let is = |key: &Key| key.code == code && key.control == control;
    table.iter().find(|binding| binding.keys.iter().any(is)).map(|binding| binding.action)
}

/// What `event` means where no text is typed.
pub fn of_key(event: &KeyEvent) -> Option<Action> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    match event.code {
        KeyCode::Char('c') if control => return Some(Action::Quit),
        KeyCode::Char(digit @ '1'..='9') if !control => return Some(Action::Finding(digit as u8 - b'0')),
        _ => {}
    }
    look_up(KEYS, event.code, control)
}

impl Key {
    pub fn name(&self) -> String {
        match self.code {
            KeyCode::Char(' ') => "Space".into(),
            KeyCode::Char(c) if self.control => format!("Ctrl-{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::F(n) => format!("F{n}"),
            KeyCode::PageUp => "PgUp".into(),
            KeyCode::PageDown => "PgDn".into(),
            KeyCode::Backspace => "Bksp".into(),
            other => format!("{other:?}"),
        }
    }
}

impl Binding {
    /// `Up k`.
    pub fn names(&self) -> String {
        self.keys.iter().map(Key::name).collect::<Vec<_>>().join(" ")
    }
}

/// Bindings whose help has all words of `text`, in the order of the table.
pub fn commands(text: &str) -> Vec<&'static Binding> {
    let text = text.to_lowercase();
    let fits = |binding: &&Binding| {
        let other = other_words(binding.action);
        let name = format!("{:?} {} {other}", binding.action, binding.help).to_lowercase();
        text.split_whitespace().all(|word| name.contains(word))
    };
    let mut found: Vec<&Binding> = KEYS.iter().filter(fits).collect();
    // Nobody looks for the arrows here, nor for the way out first.
    found.sort_by_key(|binding| match (binding.action, binding.section) {
        (Action::Quit, _) => 2,
        (_, Section::Moving) => 1,
        _ => 0,
    });
    found
}

/// What else one would call it.
const fn other_words(action: Action) -> &'static str {
    match action {
        Action::Help => "legend signs keys mouse wheel click drag",
        Action::Tone => "theme palette colors",
        Action::Back => "undo previous",
        Action::Forward => "redo",
        Action::Quit => "exit close",
        Action::Search => "find",
        Action::Recordings => "open files list",
        Action::Save => "export write copy",
        Action::Report => "bug share anonymous",
        Action::Compare => "diff",
        Action::Cause => "killer why who",
        Action::Heir => "restart respawn successor",
        Action::Parent => "ancestor",
        Action::Compress => "compress gaps",
        Action::Bigger | Action::Smaller => "resize panels",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        for table in [KEYS, LIST_KEYS, FILTER_KEYS, COMPARE_KEYS] {
            let mut seen: Vec<Key> = Vec::new();
            for binding in table {
                for key in binding.keys {
                    assert!(!seen.contains(key), "{}", key.name());
                    seen.push(*key);
                }
            }
        }
    }

    #[test]
    fn every_action_has_one_line() {
        for table in [KEYS, LIST_KEYS, FILTER_KEYS, COMPARE_KEYS] {
            for (at, binding) in table.iter().enumerate() {
                assert!(
                    table[at + 1..].iter().all(|other| other.action != binding.action),
                    "{}",
                    binding.help
                );
            }
        }
    }

    #[test]
    fn the_help_has_every_line_of_every_table() {
        for binding in all() {
            assert!(Section::ALL.contains(&binding.section), "{}", binding.help);
        }
        let of = |section| all().filter(move |binding| binding.section == section).count();
        assert_eq!(Section::ALL.into_iter().map(of).sum::<usize>(), all().count());
    }
}
