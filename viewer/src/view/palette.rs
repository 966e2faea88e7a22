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

impl Tone {
    pub const fn other(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Dark,
        }
    }
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
    /// Behind a line that leads somewhere.
    pub leads: &'static str,
    /// Between words and the life behind them.
    pub about: &'static str,
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
    leads: "▸",
    about: "→",
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
    leads: "->",
    about: "->",
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
    leads: "->",
    about: "->",
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

    /// What the environment says of the background: rxvt and others tell `foreground;background` as numbers of the
    /// sixteen colours, of which the first seven and dark grey are dark.
    pub fn tone(&self) -> Option<Tone> {
        match self.colorfgbg.rsplit(';').next()?.parse::<u8>().ok()? {
            0..=6 | 8 => Some(Tone::Dark),
            7 | 9..=15 => Some(Tone::Light),
            _ => None,
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
        } else if of_serial_line(term) {
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
        } else if of_serial_line(term) {
            // systemd's serial getty says vt220 of whatever hangs there, and of that family none has Unicode.
            &ASCII
        } else if term == "linux" {
            &CONSOLE
        } else {
            &UNICODE
        };
        let tone = tone.or_else(|| hints.tone()).unwrap_or_default();
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
        // Of sixteen colours those are left out that cannot be read on the background: yellow on white, blue on black.
        let ansi = |dark, light| if self.tone == Tone::Light { light } else { dark };
        let pick = |dark, light, named| plain.fg(self.color(dark, light, named));
        match look {
            Look::Text => plain,
            Look::Strong => bold,
            Look::Title => bold.patch(pick(0x8be9fd, 0x00607a, ansi(Color::Cyan, Color::Blue))),
            Look::Dim => pick(0xa0a8bb, 0x565c6a, ansi(Color::Gray, Color::DarkGray)),
            Look::Frame => pick(0x5a6278, 0xa4aab8, ansi(Color::DarkGray, Color::Gray)),
            Look::Bad => bold.patch(pick(0xff7b7b, 0xb31420, ansi(Color::LightRed, Color::Red))),
            Look::Warn => pick(0xf9c74f, 0x7a5200, ansi(Color::Yellow, Color::Magenta)),
            Look::Good => pick(0x7bd88f, 0x146528, ansi(Color::Green, Color::Reset)),
            Look::Accent => pick(0x6cc7f5, 0x005f9e, ansi(Color::Cyan, Color::Blue)),
            Look::Run => pick(0x6fbf8b, 0x1f6f40, ansi(Color::Green, Color::Reset)),
            Look::Told => pick(0xf9c74f, 0x7a5200, ansi(Color::Yellow, Color::Magenta)),
            Look::Ignoring => pick(0xf48c42, 0x943a00, ansi(Color::LightRed, Color::Red)),
            Look::Heir => bold.patch(pick(0xc792ea, 0x8238b5, ansi(Color::LightMagenta, Color::Magenta))),
            Look::Signal => pick(0xff9e9e, 0xa02c3c, ansi(Color::LightRed, Color::Red)),
            Look::Key => bold.patch(pick(0xe6e9f0, 0x30343c, ansi(Color::White, Color::Reset))),
            Look::Phase(kind) => {
                let (dark, light, named, ink) = match kind {
                    0 => (0x3a68ab, 0xbcd4f5, Color::Blue, Color::White),
                    1 => (0x23776c, 0xb5e3dc, Color::Cyan, Color::Black),
                    2 => (0x8a6410, 0xf3dfa0, Color::Yellow, Color::Black),
                    3 => (0xb8383f, 0xf5b9bb, Color::Red, Color::White),
                    4 => (0x7a52a8, 0xdcc8f0, Color::Magenta, Color::White),
                    _ => (0x555d70, 0xd0d4dc, Color::Gray, Color::Black),
                };
                pick(0xffffff, 0x1b1e24, ink).bg(self.color(dark, light, named))
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
            // What is nearest of 256 colours is too near to the ink.
            Depth::Indexed => Style::new().bg(Color::Indexed(match (self.tone, focused) {
                (Tone::Dark, true) => 17,
                (Tone::Dark, false) => 235,
                (Tone::Light, true) => 195,
                (Tone::Light, false) => 255,
            })),
            Depth::True if focused => Style::new().bg(self.color(0x2d3b55, 0xd6e4f7, Color::Blue)),
            Depth::True => Style::new().bg(self.color(0x232937, 0xe9edf3, Color::Blue)),
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

/// Whether it is one of DEC's, vt100 to vt420, or says so.
fn of_serial_line(term: &str) -> bool {
    let number = term.strip_prefix("vt").map(|rest| rest.split('-').next().unwrap_or_default());
    number.and_then(|number| number.parse::<u16>().ok()).is_some_and(|number| (100..500).contains(&number))
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
        for term in ["vt100", "vt102", "vt220", "vt320", "vt420", "vt220-w"] {
            let theme = theme(term, "", "de_DE.utf8", false);
            assert_eq!((theme.depth, theme.glyphs), (Depth::None, &ASCII), "{term}");
        }
        assert_eq!(theme("vte", "", "de_DE.utf8", false).glyphs, &UNICODE);
    }

    #[test]
    fn the_environment_may_say_what_the_background_is() {
        for (text, tone) in [
            ("0;15", Some(Tone::Light)),
            ("15;0", Some(Tone::Dark)),
            ("0;default;7", Some(Tone::Light)),
            ("7;8", Some(Tone::Dark)),
            ("0;default", None),
            ("", None),
            ("0;99999", None),
        ] {
            let hints = Hints { colorfgbg: text.into(), ..Hints::default() };
            assert_eq!(hints.tone(), tone, "{text}");
            let other = Theme::choose(&hints, Some(Tone::Light), None, false);
            assert_eq!(other.tone, Tone::Light, "what was asked for decides");
        }
    }

    /// xterm's sixteen colours, and those of the Linux console.
    const SIXTEEN: [[u32; 16]; 2] = [
        [
            0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f,
            0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
        ],
        [
            0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa, 0x555555,
            0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff,
        ],
    ];

    fn rgb(color: Color, sixteen: &[u32; 16], reset: u32) -> u32 {
        let of = |at: usize| sixteen[at];
        match color {
            Color::Reset => reset,
            Color::Rgb(r, g, b) => u32::from_be_bytes([0, r, g, b]),
            Color::Indexed(at @ 232..) => (8 + 10 * u32::from(at - 232)) * 0x010101,
            Color::Indexed(at) => {
                let step = |n: u8| [0, 95, 135, 175, 215, 255][usize::from(n % 6)];
                let at = at - 16;
                step(at / 36) << 16 | step(at / 6) << 8 | step(at)
            }
            Color::Black => of(0),
            Color::Red => of(1),
            Color::Green => of(2),
            Color::Yellow => of(3),
            Color::Blue => of(4),
            Color::Magenta => of(5),
            Color::Cyan => of(6),
            Color::Gray => of(7),
            Color::DarkGray => of(8),
            Color::LightRed => of(9),
            Color::LightGreen => of(10),
            Color::LightYellow => of(11),
            Color::LightBlue => of(12),
            Color::LightMagenta => of(13),
            Color::LightCyan => of(14),
            Color::White => of(15),
        }
    }

    /// WCAG 2's contrast ratio.
    fn contrast(a: u32, b: u32) -> f64 {
        let linear = |byte: u32| match f64::from(byte & 0xff) / 255.0 {
            low if low <= 0.03928 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        };
        let light = |c: u32| 0.2126 * linear(c >> 16) + 0.7152 * linear(c >> 8) + 0.0722 * linear(c) + 0.05;
        let (a, b) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn everything_can_be_read_on_its_background() {
        let looks = [
            Look::Text,
            Look::Dim,
            Look::Strong,
            Look::Bad,
            Look::Warn,
            Look::Good,
            Look::Accent,
            Look::Run,
            Look::Told,
            Look::Ignoring,
            Look::Heir,
            Look::Signal,
            Look::Title,
            Look::Key,
        ];
        let phases = (0..6).map(Look::Phase);
        for depth in [Depth::Ansi, Depth::Indexed, Depth::True] {
            // Sixteen colours are what the terminal makes of them; those that are chosen are to be as good as chosen.
            let least = if depth == Depth::Ansi { 3.2 } else { 4.2 };
            for (tone, backgrounds) in
                [(Tone::Dark, [0x000000, 0x1e1e2e]), (Tone::Light, [0xffffff, 0xfdf6e3])]
            {
                let theme = Theme { glyphs: &UNICODE, depth, tone };
                let text = if tone == Tone::Dark { 0xd0d0d0 } else { 0x202020 };
                for (sixteen, reset) in SIXTEEN.iter().zip(backgrounds) {
                    // Who has but sixteen colours has black or white behind them.
                    let reset = if depth == Depth::Ansi { backgrounds[0] } else { reset };
                    let mut grounds = vec![reset];
                    for focused in [true, false] {
                        grounds.extend(theme.chosen(focused).bg.map(|ground| rgb(ground, sixteen, reset)));
                    }
                    for look in looks {
                        let ink = rgb(theme.style(look).fg.unwrap_or_default(), sixteen, text);
                        for ground in &grounds {
                            let ratio = contrast(ink, *ground);
                            assert!(
                                ratio >= least,
                                "{look:?} {depth:?} {tone:?} on {ground:06x}: {ratio:.1}"
                            );
                        }
                    }
                    for look in phases.clone() {
                        let style = theme.style(look);
                        let [ink, ground] =
                            [style.fg, style.bg].map(|c| rgb(c.unwrap_or_default(), sixteen, reset));
                        let ratio = contrast(ink, ground);
                        assert!(ratio >= least, "{look:?} {depth:?} {tone:?}: {ratio:.1}");
                    }
                }
            }
        }
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
