//! All that is known of what is selected, with its chain of causes; lines that lead somewhere are marked.
//!
//! ```text
//! ── process ───────────────────────────────────────────────────────────
//!           mongod 986 of runit service mongod
//! +17.74 s  killall5 -9 sent SIGKILL to mongod 986, 13.5 s old; it died at once ▸
//!             from killall5 -9 1072 ▸
//!               run by sendsigs 1070 ▸
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::view::{
    Subject,
    app::{App, Focus},
    facts::Fact,
    model::Model,
    palette::Look,
    text::{brief, put, width, wrap},
    timeline::moment,
};

struct Line<'a> {
    y: u16,
    at: usize,
    fact: &'a Fact,
    text: String,
    first: bool,
    last: bool,
}

pub fn draw(app: &App, model: &Model, area: Rect, buf: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    for line in lines(app, model, area) {
        let rect = Rect { y: line.y, height: 1, ..area };
        if line.at == app.fact && app.focus == Focus::Detail {
            buf.set_style(rect, theme.chosen(true));
            if line.first {
                put(buf, rect, rect.x, line.y, theme.glyphs.chosen, theme.style(Look::Key));
            }
        }
        let pad = stamp(app, model);
        if line.first
            && let Some(at) = line.fact.at
        {
            let text = format!("{:>pad$}", moment(at.ns, model.zero_ns, 10_000_000));
            put(buf, rect, rect.x + 1, line.y, &text, theme.style(Look::Dim));
        }
        let indent = pad + 3 + usize::from(line.fact.indent) * 2;
        let x = rect.x + u16::try_from(indent).unwrap_or(0);
        let look = if line.fact.look == Look::Title { Look::Title } else { line.fact.look };
        let end = put(buf, rect, x, line.y, &line.text, theme.style(look));
        if line.last && line.fact.leads.is_some() {
            put(buf, rect, end + 1, line.y, theme.glyphs.leads, theme.style(Look::Accent));
        }
    }
}

/// Columns of the times.
fn stamp(app: &App, model: &Model) -> usize {
    let of = |fact: &Fact| fact.at.map(|at| width(&moment(at.ns, model.zero_ns, 10_000_000)));
    app.facts.iter().filter_map(of).max().unwrap_or(0)
}

/// A fact in lines. Where findings are above it, room is scarce: chains are shortened so that a step is a line.
fn told(app: &App, fact: &Fact, pad: usize, area: Rect) -> Vec<String> {
    let indent = pad + 4 + width(app.theme.glyphs.leads) + usize::from(fact.indent) * 2;
    let room = usize::from(area.width).saturating_sub(indent);
    let whole = wrap(&fact.text, room, 2);
    if whole.len() > 1 && area.width == app.size.0 { wrap(&brief(&fact.text), room, 2) } else { whole }
}

/// A headline that is in the list of findings is not said again.
fn skipped(app: &App) -> usize {
    usize::from(matches!(app.subject, Some(Subject::Finding(_))))
}

fn lines<'a>(app: &'a App, model: &Model, area: Rect) -> Vec<Line<'a>> {
    let pad = stamp(app, model);
    let height = usize::from(area.height);
    let of = |fact: &Fact| told(app, fact, pad, area);
    // The chosen line is in view, with something before it.
    let mut first = app.fact.min(app.facts.len().saturating_sub(1));
    let mut used = app.facts.get(first).map_or(0, |fact| of(fact).len());
    let before = if app.focus == Focus::Detail { height } else { 0 };
    while first > 0 && used + of(&app.facts[first - 1]).len() <= before {
        first -= 1;
        used += of(&app.facts[first]).len();
    }
    let mut lines = Vec::new();
    for (at, fact) in app.facts.iter().enumerate().skip(first.max(skipped(app))) {
        let texts = of(fact);
        let count = texts.len();
        for (n, text) in texts.into_iter().enumerate() {
            if lines.len() >= height {
                return lines;
            }
            let y = area.y + lines.len() as u16;
            lines.push(Line { y, at, fact, text, first: n == 0, last: n + 1 == count });
        }
    }
    lines
}

/// Lines for which there is no room below.
pub fn below(app: &App, model: &Model, area: Rect) -> usize {
    let pad = stamp(app, model);
    let shown = lines(app, model, area);
    let Some(last) = shown.last() else { return 0 };
    let of = |at: usize| app.facts.get(at).map_or(0, |fact| told(app, fact, pad, area).len());
    let of_last = shown.iter().filter(|line| line.at == last.at).count();
    let rest: usize = (last.at + 1..app.facts.len()).map(of).sum();
    rest + of(last.at).saturating_sub(of_last)
}

/// The line at row `y` of the screen.
pub fn at(app: &App, area: Rect, y: u16) -> Option<usize> {
    let model = app.model.as_ref()?;
    lines(app, model, area).into_iter().find(|line| line.y == y).map(|line| line.at)
}
