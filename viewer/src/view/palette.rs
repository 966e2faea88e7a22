//! Colours and glyphs, from what the terminal can.
//!
//! Invariant: every difference that a colour makes is made by a glyph or a word too.

use ratatui::style::{Color, Modifier, Style};

/// What a cell means; the palette says how that looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Text,
    Dim,
    Strong,
    Bad,
    Warn,
    Good,
    Accent,
    /// Running, and nothing is wrong with it.
    Run,
    /// Told to stop and at it.
    Told,
    /// Told to stop and not at it.
    Ignoring,
    /// Took the place of a dead one.
    Heir,
    Signal,
    /// One of [`crate::story::shutdown::PhaseKind`], by its place.
    Phase(u8),
    Frame,
    Title,
    Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Tone {
    #[default]
    Dark,
    Light,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    None,
    Ansi,
    Indexed,
    True,
}

/// How lives are drawn.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub run: &'static str,
    pub told: &'static str,
    pub ignoring: &'static str,
    pub heir: &'static str,
    pub born: &'static str,
    pub reborn: &'static str,
    pub exited: &'static str,
    pub failed: &'static str,
    pub killed: &'static str,
    pub alive: &'static str,
    pub unknown: &'static str,
    pub sent: &'static str,
    pub hit: &'static str,
    pub line: &'static str,
    pub cursor: &'static str,
    pub open: &'static str,
    pub closed: &'static str,
    pub chosen: &'static str,
    pub rule: &'static str,
    pub side: &'static str,
    pub tick: &'static str,
    pub cut: &'static str,
    pub corner: &'static str,
    pub frame: [&'static str; 6],
    pub full: &'static str,
    pub empty: &'static str,
}

pub static UNICODE: Glyphs = Glyphs {
    run: "━",
    told: "╍",
    ignoring: "≈",
    heir: "═",
    born: "┝",
    reborn: "▲",
    exited: "○",
    failed: "◆",
    killed: "✖",
    alive: "▶",
    unknown: "?",
    sent: "●",
    hit: "▼",
    line: "│",
    cursor: "┊",
    open: "▾",
    closed: "▸",
    chosen: "▌",
    rule: "─",
    side: "│",
    tick: "┬",
    cut: "≀",
    corner: "└",
    frame: ["╭", "╮", "╰", "╯", "─", "│"],
    full: "█",
    empty: "░",
};

/// What the fonts of the Linux console have.
pub static CONSOLE: Glyphs = Glyphs {
    run: "─",
    told: "-",
    ignoring: "≈",
    heir: "═",
    born: "├",
    reborn: "▲",
    exited: "o",
    failed: "!",
    killed: "X",
    alive: ">",
    unknown: "?",
    sent: "*",
    hit: "▼",
    line: "│",
    cursor: ":",
    open: "-",
    closed: "+",
    chosen: ">",
    rule: "─",
    side: "│",
    tick: "┬",
    cut: "~",
    corner: "└",
    frame: ["┌", "┐", "└", "┘", "─", "│"],
    full: "█",
    empty: "░",
};

pub static ASCII: Glyphs = Glyphs {
    run: "=",
    told: "-",
    ignoring: "~",
    heir: "#",
    born: "[",
    reborn: "^",
    exited: "o",
    failed: "!",
    killed: "X",
    alive: ">",
    unknown: "?",
    sent: "*",
    hit: "v",
    line: "|",
    cursor: ":",
    open: "-",
    closed: "+",
    chosen: ">",
    rule: "-",
    side: "|",
    tick: "|",
    cut: "~",
    corner: "`",
    frame: ["+", "+", "+", "+", "-", "|"],
    full: "#",
    empty: ".",
};

#[derive(Debug, Clone, Copy)]
pub struct Theme {
    pub glyphs: &'static Glyphs,
    pub depth: Depth,
    pub tone: Tone,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    pub term: String,
    pub colorterm: String,
    pub no_color: bool,
    /// `LC_ALL`, `LC_CTYPE` or `LANG`, whichever decides.
    pub locale: String,
    pub colorfgbg: String,
}

impl Hints {
    pub fn of_environment() -> Self {
        let get = |name: &str| std::env::var(name).unwrap_or_default();
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().map(|name| get(name)).find(|text| !text.is_empty());
        Self {
            term: get("TERM"),
            colorterm: get("COLORTERM"),
            no_color: !get("NO_COLOR").is_empty(),
            locale: locale.unwrap_or_default(),
            colorfgbg: get("COLORFGBG"),
        }
    }
}

impl Theme {
    pub fn choose(hints: &Hints, tone: Option<Tone>, colors: Option<bool>, ascii: bool) -> Self {
        let term = hints.term.as_str();
        let can = if matches!(hints.colorterm.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") {
            Depth::Indexed
        } else if matches!(term, "vt100" | "vt102" | "vt220" | "vt320") {
            Depth::None
        } else {
            Depth::Ansi
        };
        let depth = match colors {
            Some(false) => Depth::None,
            Some(true) => can.max(Depth::Ansi),
            None if hints.no_color => Depth::None,
            None => can,
        };
        let locale = hints.locale.to_ascii_uppercase();
        let glyphs = if ascii || !(locale.contains("UTF-8") || locale.contains("UTF8")) {
            &ASCII
        } else if term == "linux" {
            &CONSOLE
        } else {
            &UNICODE
        };
        // rxvt and others tell `foreground;background`.
        let light = hints.colorfgbg.rsplit(';').next().is_some_and(|back| matches!(back, "7" | "15"));
        let tone = tone.unwrap_or(if light { Tone::Light } else { Tone::Dark });
        Self { glyphs, depth, tone }
    }

    pub fn style(&self, look: Look) -> Style {
        let plain = Style::new();
        if self.depth == Depth::None {
            return match look {
                Look::Dim | Look::Frame => plain.add_modifier(Modifier::DIM),
                Look::Strong | Look::Bad | Look::Title | Look::Key | Look::Heir => {
                    plain.add_modifier(Modifier::BOLD)
                }
                Look::Phase(kind) if kind % 2 == 1 => plain.add_modifier(Modifier::REVERSED),
                _ => plain,
            };
        }
        let bold = plain.add_modifier(Modifier::BOLD);
        match look {
            Look::Text => plain,
            Look::Strong => bold,
            Look::Title => bold.fg(self.color(0x8be9fd, 0x00607a, Color::Cyan)),
            Look::Dim => plain.fg(self.color(0x8a92a6, 0x6a7080, Color::DarkGray)),
            Look::Frame => plain.fg(self.color(0x4a5266, 0xb4bac6, Color::DarkGray)),
            Look::Bad => bold.fg(self.color(0xff6b6b, 0xc01c28, Color::Red)),
            Look::Warn => plain.fg(self.color(0xf9c74f, 0x986a00, Color::Yellow)),
            Look::Good => plain.fg(self.color(0x7bd88f, 0x1e7a34, Color::Green)),
            Look::Accent => plain.fg(self.color(0x6cc7f5, 0x005f9e, Color::Cyan)),
            Look::Run => plain.fg(self.color(0x6fbf8b, 0x2f8f55, Color::Green)),
            Look::Told => plain.fg(self.color(0xf9c74f, 0xa87400, Color::Yellow)),
            Look::Ignoring => plain.fg(self.color(0xf48c42, 0xb5500d, Color::LightRed)),
            Look::Heir => bold.fg(self.color(0xc792ea, 0x8238b5, Color::Magenta)),
            Look::Signal => plain.fg(self.color(0xff9e9e, 0xb03a48, Color::Red)),
            Look::Key if self.depth == Depth::Ansi && self.tone == Tone::Light => bold,
            Look::Key => bold.fg(self.color(0xe6e9f0, 0x30343c, Color::White)),
            Look::Phase(kind) => {
                let (dark, light, named) = match kind {
                    0 => (0x3f6fb5, 0xbcd4f5, Color::Blue),
                    1 => (0x2f8f83, 0xb5e3dc, Color::Cyan),
                    2 => (0xb98a1d, 0xf3dfa0, Color::Yellow),
                    3 => (0xb8383f, 0xf5b9bb, Color::Red),
                    4 => (0x7a52a8, 0xdcc8f0, Color::Magenta),
                    _ => (0x555d70, 0xd0d4dc, Color::Gray),
                };
                let ink = match (self.depth, self.tone) {
                    (Depth::Ansi, _) => Color::Black,
                    (_, Tone::Dark) => self.color(0xffffff, 0xffffff, Color::White),
                    (_, Tone::Light) => self.color(0x1b1e24, 0x1b1e24, Color::Black),
                };
                plain.fg(ink).bg(self.color(dark, light, named))
            }
        }
    }

    /// The row or item that keys act on.
    pub fn chosen(&self, focused: bool) -> Style {
        match self.depth {
            Depth::None if focused => Style::new().add_modifier(Modifier::REVERSED),
            Depth::None => Style::new().add_modifier(Modifier::UNDERLINED),
            Depth::Ansi if focused => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Ansi => Style::new().add_modifier(Modifier::BOLD),
            _ if focused => Style::new().bg(self.color(0x2d3b55, 0xd6e4f7, Color::Blue)),
            _ => Style::new().bg(self.color(0x232937, 0xe9edf3, Color::Blue)),
        }
    }

    fn color(&self, dark: u32, light: u32, named: Color) -> Color {
        let rgb = match self.tone {
            Tone::Dark => dark,
            Tone::Light => light,
        };
        let (r, g, b) = ((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8);
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Indexed => Color::Indexed(indexed(r, g, b)),
            _ => named,
        }
    }
}

/// The nearest of the 6x6x6 cube and the grey ramp of xterm's 256 colours.
fn indexed(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let near = |value: u8| (0..6u8).min_by_key(|at| STEPS[usize::from(*at)].abs_diff(value)).unwrap_or(0);
    let distance = |x: (u8, u8, u8)| {
        let d = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        d(x.0, r) + d(x.1, g) + d(x.2, b)
    };
    let (i, j, k) = (near(r), near(g), near(b));
    let cube = (STEPS[usize::from(i)], STEPS[usize::from(j)], STEPS[usize::from(k)]);
    let mean = ((u32::from(r) + u32::from(g) + u32::from(b)) / 3) as u8;
    let step = (mean.saturating_sub(8).saturating_add(5) / 10).min(23);
    let grey = 8 + 10 * step;
    if distance((grey, grey, grey)) < distance(cube) { 232 + step } else { 16 + 36 * i + 6 * j + k }
}

/// What a terminal without Unicode shows in place of `symbol`.
pub fn plainer(symbol: &str) -> &'static str {
    match symbol {
        "·" | "─" | "━" | "–" => "-",
        "…" => ".",
        "→" | "▶" => ">",
        "←" => "<",
        "│" => "|",
        "×" => "x",
        "µ" => "u",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(term: &str, colorterm: &str, locale: &str, no_color: bool) -> Theme {
        let hints = Hints {
            term: term.into(),
            colorterm: colorterm.into(),
            locale: locale.into(),
            no_color,
            colorfgbg: String::new(),
        };
        Theme::choose(&hints, None, None, false)
    }

    #[test]
    fn the_terminal_decides() {
        assert_eq!(theme("xterm-256color", "truecolor", "C.UTF-8", false).depth, Depth::True);
        assert_eq!(theme("tmux-256color", "", "C.UTF-8", false).depth, Depth::Indexed);
        assert_eq!(theme("linux", "", "C.UTF-8", false).depth, Depth::Ansi);
        assert_eq!(theme("linux", "", "C.UTF-8", false).glyphs, &CONSOLE);
        assert_eq!(theme("xterm", "truecolor", "C", true).depth, Depth::None);
        assert_eq!(theme("xterm", "", "POSIX", false).glyphs, &ASCII);
        assert_eq!(theme("vt220", "", "de_DE.utf8", false).depth, Depth::None);
    }

    #[test]
    fn each_state_has_a_glyph_of_its_own() {
        for set in [&UNICODE, &CONSOLE, &ASCII] {
            let all =
                [set.run, set.told, set.ignoring, set.heir, set.born, set.reborn, set.exited, set.failed];
            let all = all.into_iter().chain([set.killed, set.alive, set.unknown, set.sent, set.hit]);
            let distinct: std::collections::HashSet<&str> = all.clone().collect();
            assert_eq!(distinct.len(), all.count());
        }
    }

    #[test]
    fn colours_of_the_cube_are_near() {
        assert_eq!(indexed(255, 0, 0), 196);
        assert_eq!(indexed(128, 128, 128), 244);
    }
}
