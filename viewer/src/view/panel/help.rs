//! Every key and every sign, from the tables that are used, in as many columns as there is room for.
//!
//! ```text
//! ╭ help ───────────────────────────────────────────────────────────────────────────╮
//! │ Who did it                              Time                                    │
//! │   c         cause: from a death ...       + =       zoom in around the cursor   │
//! ╰───────────────────────────────────────────────────────────── 12 more lines ─────╯
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::frame;
use crate::{
    story::shutdown::PhaseKind,
    view::{
        action::{self, Section},
        app::App,
        palette::Look,
        text::{put, put_right, width, wrap},
    },
};

struct Line {
    key: String,
    text: String,
    /// Of the key, or of the title.
    look: Look,
}

type Block = Vec<Line>;

/// Columns of keys and signs.
const KEY_COLUMNS: u16 = 14;
/// A column of the help takes at least and at most so many columns of the screen.
const COLUMN: (u16, u16) = (44, 72);
const BETWEEN: u16 = 2;

/// The help as it is laid out: columns of lines, each `wide`.
struct Layout {
    columns: Vec<Vec<Line>>,
    wide: u16,
}

impl Layout {
    fn of(app: &App) -> Self {
        let room = app.size.0.saturating_sub(4);
        let count = ((room + BETWEEN) / (COLUMN.0 + BETWEEN)).clamp(1, 4);
        let wide = ((room + BETWEEN) / count - BETWEEN).min(COLUMN.1);
        let text = usize::from(wide.saturating_sub(KEY_COLUMNS));
        Self { columns: in_columns(blocks(app, text), count.into()), wide }
    }

    fn height(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn width(&self) -> u16 {
        (self.wide + BETWEEN) * self.columns.len() as u16 - BETWEEN
    }
}

pub fn draw(app: &App, top: usize, area: Rect, buf: &mut Buffer) {
    let layout = Layout::of(app);
    let lines = layout.height();
    let height = (lines as u16).saturating_add(2).min(area.height);
    let scrolls = lines + 2 > usize::from(area.height);
    let title = if scrolls { "help: arrows scroll, any other key closes" } else { "help: any key closes" };
    let inside = frame(app, area, layout.width() + 4, height, title, buf);
    let shown = usize::from(inside.height);
    let top = top.min(lines.saturating_sub(shown));
    for (column, x) in layout.columns.iter().zip((inside.x..).step_by((layout.wide + BETWEEN).into())) {
        for (line, y) in column.iter().skip(top).zip(inside.top()..inside.bottom()) {
            line.draw(app, Rect { x, y, width: layout.wide, height: 1 }.intersection(inside), buf);
        }
    }
    // How much there is that is not seen.
    let edge = |y| Rect { x: inside.x, y, width: inside.width, height: 1 };
    let below = lines.saturating_sub(top + shown);
    for (count, y, word) in [(top, inside.y - 1, "above"), (below, inside.bottom(), "below")] {
        let text = match count {
            0 => continue,
            1 => format!(" 1 line {word} "),
            n => format!(" {n} lines {word} "),
        };
        // Beside the title, where there is room for both.
        if word == "below" || usize::from(inside.width) > width(&text) + width(title) + 6 {
            put_right(buf, edge(y), y, &text, app.theme.style(Look::Key));
        }
    }
}

/// How far the help can be scrolled.
pub fn last_top(app: &App) -> usize {
    let lines = Layout::of(app).height();
    lines.saturating_sub(usize::from(app.size.1).min(lines + 2).saturating_sub(2))
}

/// The keys of what lies over the lanes, and the signs of a comparison.
pub fn draw_of(app: &App, section: Section, area: Rect, buf: &mut Buffer) {
    let room = usize::from(area.width.min(COLUMN.1) - 4 - KEY_COLUMNS);
    let bindings = action::all().filter(|binding| binding.section == section);
    let glyphs = app.theme.glyphs;
    let mut lines =
        block(section.title(), bindings.map(|binding| (binding.names(), binding.help, Look::Key)), room);
    let signs = [
        (glyphs.run, "running", Look::Run),
        (glyphs.heir, "running in the place of a dead one: restarted", Look::Heir),
        (glyphs.hit, "told to stop", Look::Signal),
        (glyphs.told, "stopping", Look::Told),
        (glyphs.exited, "ended well", Look::Good),
        (glyphs.failed, "exited with another code", Look::Warn),
        (glyphs.killed, "killed", Look::Bad),
        (glyphs.alive, "alive at the end", Look::Warn),
        (glyphs.unknown, "its end was not recorded", Look::Warn),
    ];
    let signs = signs.into_iter().filter(|_| section == Section::Compare);
    let signs: Vec<_> = signs.map(|(sign, text, look)| (sign.to_owned(), text, look)).collect();
    if !signs.is_empty() {
        lines.extend(block("Signs", signs, room));
    }
    let title = "help: any key closes";
    let inside = frame(app, area, COLUMN.1, lines.len() as u16 + 2, title, buf);
    for (line, y) in lines.iter().zip(inside.top()..inside.bottom()) {
        line.draw(app, Rect { y, height: 1, ..inside }, buf);
    }
}

impl Line {
    fn draw(&self, app: &App, place: Rect, buf: &mut Buffer) {
        let title = self.key.is_empty() && self.look == Look::Title;
        put(buf, place, place.x, place.y, &self.key, app.theme.style(self.look));
        let (look, indent) = if title { (Look::Title, 0) } else { (Look::Text, KEY_COLUMNS) };
        put(buf, place, place.x + indent, place.y, &self.text, app.theme.style(look));
    }
}

/// Blocks one below the other in `count` columns, of which the longest is as short as can be.
fn in_columns(blocks: Vec<Block>, count: usize) -> Vec<Vec<Line>> {
    let sizes: Vec<usize> = blocks.iter().map(Vec::len).collect();
    let fits = |most: usize| {
        let (mut columns, mut used) = (1, 0);
        for size in &sizes {
            let with_gap = if used == 0 { *size } else { used + 1 + size };
            if with_gap <= most {
                used = with_gap;
            } else {
                (columns, used) = (columns + 1, *size);
            }
        }
        columns <= count
    };
    let least = sizes.iter().copied().max().unwrap_or(0);
    let most = (least..).find(|most| fits(*most)).unwrap_or(least);
    let mut columns: Vec<Vec<Line>> = vec![Vec::new()];
    for block in blocks {
        let last = columns.len() - 1;
        let used = columns[last].len();
        if used > 0 && used + 1 + block.len() > most && columns.len() < count {
            columns.push(block);
            continue;
        }
        if used > 0 {
            columns[last].push(Line { key: String::new(), text: String::new(), look: Look::Text });
        }
        columns[last].extend(block);
    }
    columns
}

fn blocks(app: &App, room: usize) -> Vec<Block> {
    let mut blocks = vec![signs(app, room), phases(room)];
    for section in Section::ALL {
        let bindings = action::all().filter(|binding| binding.section == section);
        blocks.push(block(
            section.title(),
            bindings.map(|binding| (binding.names(), binding.help, Look::Key)),
            room,
        ));
    }
    let mouse = [
        ("wheel", "zoom on the lanes; scroll elsewhere"),
        ("drag", "move the view"),
        ("click", "choose; a second click follows; on the last line: the key that it names"),
    ];
    let words = [
        ("noted", "seen, and no trouble: left alone on purpose"),
        ("spree", "a signal to all that still run, at once"),
        ("heir", "what took the place of one that ended"),
    ];
    blocks.push(block("Words", words.map(|(key, text)| (key.to_owned(), text, Look::Strong)), room));
    blocks.push(block("Mouse", mouse.map(|(key, text)| (key.to_owned(), text, Look::Key)), room));
    blocks
}

fn block<'a>(title: &str, lines: impl IntoIterator<Item = (String, &'a str, Look)>, room: usize) -> Block {
    let mut block = vec![Line { key: String::new(), text: title.to_owned(), look: Look::Title }];
    for (mut key, text, look) in lines {
        // Long names have a line of their own.
        if width(&key) >= usize::from(KEY_COLUMNS) {
            block.push(Line { key: std::mem::take(&mut key), text: String::new(), look });
        }
        for text in wrap(text, room, 0) {
            block.push(Line { key: std::mem::take(&mut key), text, look });
        }
    }
    block
}

fn signs(app: &App, room: usize) -> Block {
    let glyphs = app.theme.glyphs;
    let signs = [
        (glyphs.run, "running", Look::Run),
        (glyphs.told, "told to stop, and took it", Look::Told),
        (glyphs.ignoring, "told to stop, and ignoring it or not taking it", Look::Ignoring),
        (glyphs.heir, "running in the place of a dead one: restarted", Look::Heir),
        (glyphs.born, "born", Look::Run),
        (glyphs.reborn, "restarted here", Look::Heir),
        (glyphs.sent, "sent a signal", Look::Signal),
        (glyphs.hit, "was sent a signal to stop", Look::Signal),
        (glyphs.line, "from who sent a signal to whom it hit", Look::Signal),
        (glyphs.exited, "exited 0, or died of the signal that asked it to", Look::Good),
        (glyphs.failed, "exited with another code", Look::Warn),
        (glyphs.killed, "killed", Look::Bad),
        (glyphs.alive, "alive at the end", Look::Warn),
        (glyphs.unknown, "its end was not recorded", Look::Warn),
        (glyphs.about, "what is said before it is about the life behind it", Look::Dim),
        (glyphs.cursor, "the cursor; its time is on the scale", Look::Key),
        (glyphs.cut, "idle time is left out here, so much of it (i)", Look::Warn),
        ("< >", "the life is before or after what is in view", Look::Dim),
        ("… 9 runs ×9", "nine lives of one service, one after the other", Look::Text),
        ("+5", "five more of it at the same time", Look::Text),
        (glyphs.closed, "folded: Enter unfolds", Look::Dim),
        (glyphs.leads, "in the details: Enter leads on from this line", Look::Accent),
    ];
    block("What the lanes show", signs.map(|(sign, text, look)| (sign.to_owned(), text, look)), room)
}

/// Where there is little room for it, a phase has a letter only.
fn phases(room: usize) -> Block {
    let kinds = [
        (PhaseKind::Asked, "the shutdown was asked for"),
        (PhaseKind::Stopping, "services are stopped, one by one"),
        (PhaseKind::TermSpree, "all that still runs is sent SIGTERM"),
        (PhaseKind::KillSpree, "all that still runs is sent SIGKILL"),
        (PhaseKind::Unmounting, "file systems are unmounted"),
        (PhaseKind::End, "the machine ends"),
    ];
    let lines = kinds.map(|(kind, text)| {
        let short = kind.short();
        (format!("{} {short}", &short[..1]), text, Look::Phase(kind as u8))
    });
    block("The phases", lines, room)
}
