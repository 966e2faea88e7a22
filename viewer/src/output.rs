//! Where text goes: standard output, with or without colours.
//!
//! Invariant: escape sequences come from here alone, and only when colours are wanted. Text made
//! by others has passed [`crate::safe`] before.

use std::io::{self, IsTerminal as _, StdoutLock, Write};

use crate::error::Error;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// How a word looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Dim,
    Strong,
    /// A death, a failure.
    Bad,
    /// Something is missing here.
    Warn,
    Name,
}

impl Look {
    const fn code(self) -> &'static str {
        match self {
            Self::Dim => "\x1b[2m",
            Self::Strong => "\x1b[1m",
            Self::Bad => "\x1b[31m",
            Self::Warn => "\x1b[1;33m",
            Self::Name => "\x1b[36m",
        }
    }
}

/// Whether looks are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    pub colors: bool,
}

impl Palette {
    pub const PLAIN: Self = Self { colors: false };

    pub fn choose(color: Color, terminal: bool, no_color: bool) -> Self {
        Self {
            colors: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && !no_color,
            },
        }
    }

    /// For standard output. NO_COLOR counts when it is there and not empty (no-color.org).
    pub fn of_stdout(color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::choose(color, io::stdout().is_terminal(), no_color || dumb)
    }

    pub fn on(self, out: &mut String, look: Look) {
        if self.colors {
            out.push_str(look.code());
        }
    }

    pub fn off(self, out: &mut String) {
        if self.colors {
            out.push_str("\x1b[0m");
        }
    }

    /// Appends what `write` appends, in `look`.
    pub fn paint(self, out: &mut String, look: Look, write: impl FnOnce(&mut String)) {
        self.on(out, look);
        write(out);
        self.off(out);
    }

    pub fn text(self, look: Look, text: &str) -> String {
        let mut out = String::new();
        self.paint(&mut out, look, |out| out.push_str(text));
        out
    }
}

/// Columns of the terminal at standard output; COLUMNS if set; `None` where there is neither.
pub fn width() -> Option<usize> {
    let stated = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let real = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    stated.or_else(real).filter(|columns| *columns > 0)
}

/// Standard output, buffered.
#[derive(Debug)]
pub struct Output {
    out: io::BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub fn stdout() -> Self {
        Self { out: io::BufWriter::with_capacity(128 << 10, io::stdout().lock()) }
    }

    /// Writes the rest, and says whether all of it arrived.
    pub fn finish(mut self) -> Result<(), Error> {
        Ok(self.out.flush()?)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_told_otherwise() {
        let colors = |color, terminal, no_color| Palette::choose(color, terminal, no_color).colors;
        assert!(colors(Color::Auto, true, false));
        assert!(!colors(Color::Auto, true, true));
        assert!(!colors(Color::Auto, false, false));
        assert!(colors(Color::Always, false, true));
        assert!(!colors(Color::Never, true, false));
    }

    #[test]
    fn a_plain_palette_adds_nothing() {
        assert_eq!(Palette::PLAIN.text(Look::Bad, "x"), "x");
        assert_eq!(Palette { colors: true }.text(Look::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
