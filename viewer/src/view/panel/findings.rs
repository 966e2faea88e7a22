//! What went wrong, worst first.
//!
//! ```text
//! ── findings ────────────────────────────────────────────
//! ▌[1] mongod was restarted during the shutdown, then killed
//!      13.0 s later                                  certain
//!  [2] runsvdir was killed before its children       certain
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::detail;
use crate::{
    story::finding::{Finding, Rule},
    view::{
        Subject,
        app::{App, Focus},
        layout::Areas,
        model::{Model, is_noted},
        palette::Look,
        text::{fit, put, put_right, width, wrap},
    },
};

pub fn draw(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    rule(app, model, areas, buf);
    let area = areas.findings;
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    if model.story().findings.is_empty() {
        // Of what is not there nobody can say that it went well.
        let whole = model.picked.summary.gaps.is_empty();
        let (text, look) = match model.story().shutdown {
            _ if model.partial => {
                ("Only its end was read so far. What went wrong is told when the rest is there.", Look::Warn)
            }
            // On a small screen there is a row for it: why comes first.
            Some(_) if !whole => (
                "The file is cut or damaged: in what can be read nothing went wrong. If it was copied, copy it again.",
                Look::Warn,
            ),
            None if !whole => (
                "The file is cut or damaged: in what can be read there is no shutdown. If it was copied, copy it again.",
                Look::Warn,
            ),
            Some(_) => ("Nothing went wrong: no service was killed, restarted or left behind.", Look::Good),
            None => ("There is no shutdown in this recording; o shows the others of its file.", Look::Good),
        };
        for (line, y) in wrap(text, usize::from(area.width) - 2, 0).iter().zip(area.top()..area.bottom()) {
            put(buf, area, area.x + 1, y, line, theme.style(look));
        }
        return;
    }
    for (y, at, line, first) in lines(app, model, area) {
        let finding = &model.story().findings[at];
        let chosen = at == app.finding;
        let rect = Rect { y, height: 1, ..area };
        if chosen {
            let told = app.subject == Some(Subject::Finding(at)) || app.focus == Focus::Findings;
            buf.set_style(rect, theme.chosen(told));
        }
        if chosen && first {
            put(buf, rect, rect.x, y, theme.glyphs.chosen, theme.style(Look::Key));
        }
        put(buf, rect, rect.x + 1, y, &line, theme.style(look(finding)));
    }
}

/// How bad it is.
pub fn look(finding: &Finding) -> Look {
    match finding.rule {
        _ if is_noted(finding) => Look::Dim,
        rule if rule >= Rule::WaitedFor && !finding.failed => Look::Warn,
        _ => Look::Bad,
    }
}

/// The lines between lanes and lower panels, with their names.
fn rule(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let theme = &app.theme;
    for area in [areas.rule, areas.between] {
        let line = theme.glyphs.rule.repeat(area.width.into());
        put(buf, area, area.x, area.y, &line, theme.style(Look::Frame));
    }
    let look = |focus| if app.focus == focus { Look::Title } else { Look::Dim };
    // The list has both, and its numbers count both.
    let name = if model.counts().1 > 0 { "findings and notes" } else { "findings" };
    let findings = match model.story().findings.len() {
        0 => " findings ".to_owned(),
        n => format!(" {name} {} of {n} ", (app.finding + 1).min(n)),
    };
    let area = areas.rule;
    let x = put(buf, area, areas.findings.x + 2, area.y, &findings, theme.style(look(Focus::Findings)));
    let beside = areas.detail.y == areas.findings.y;
    let end = if beside { areas.detail.x } else { area.right() };
    if app.rows.len() > usize::from(areas.lanes.height) {
        let last = (app.top + usize::from(areas.lanes.height)).min(app.rows.len());
        let shown = format!(" lanes {}-{last} of {} ", app.top + 1, app.rows.len());
        let rest = Rect { x: x + 2, width: end.saturating_sub(x + 4), ..area };
        if usize::from(rest.width) > width(&shown) {
            put_right(buf, rest, area.y, &shown, theme.style(Look::Dim));
        }
    }
    let title = match app.subject {
        Some(Subject::Finding(_)) => " finding, step by step ",
        Some(Subject::Proc(_)) => " process ",
        Some(Subject::Sig(_)) => " signal ",
        Some(Subject::Phase(_)) => " phase ",
        None => " details ",
    };
    // Where there is no line for it, what is told there speaks for itself.
    let area = if beside { areas.rule } else { areas.between };
    let x = put(buf, area, areas.detail.x + 2, area.y, title, theme.style(look(Focus::Detail)));
    let more = match detail::below(app, model, areas.detail) {
        0 => return,
        1 => " 1 more line ".to_owned(),
        n => format!(" {n} more lines "),
    };
    let rest = Rect { x: x + 2, width: area.right().saturating_sub(x + 4), ..area };
    if usize::from(rest.width) > width(&more) {
        put_right(buf, rest, area.y, &more, theme.style(Look::Dim));
    }
}

/// Rows that the findings would like, `columns` wide.
pub fn height(app: &App, columns: u16) -> usize {
    let Some(model) = &app.model else { return 1 };
    let room = usize::from(columns).saturating_sub(2);
    let chosen = model.story().findings.get(app.finding);
    let more = chosen.map_or(1, |finding| told(app.finding, finding, room).len());
    model.story().findings.len().saturating_sub(1) + more
}

fn sentence(at: usize, finding: &Finding) -> String {
    let doubt = match finding.confidence.words() {
        "certain" => String::new(),
        words => format!(" ({words})"),
    };
    format!("[{}] {}{doubt}", at + 1, finding.headline)
}

/// A finding in lines of at most `room` columns.
fn told(at: usize, finding: &Finding, room: usize) -> Vec<String> {
    let tag = format!("[{}] ", at + 1);
    wrap(&sentence(at, finding), room, tag.len())
}

/// The lines that are in view: row, finding, text, and whether it is the first of its finding.
fn lines(app: &App, model: &Model, area: Rect) -> Vec<(u16, usize, String, bool)> {
    let findings = &model.story().findings;
    let room = usize::from(area.width).saturating_sub(2);
    let height = usize::from(area.height);
    let chosen = app.finding.min(findings.len().saturating_sub(1));
    // Where details are below, only the chosen one may have more than a line.
    let narrow = area.width == app.size.0;
    let of = |at: usize| {
        let lines = told(at, &findings[at], room);
        if narrow && lines.len() > 1 && (at != chosen || lines.len() > height) {
            return vec![fit(&sentence(at, &findings[at]), room)];
        }
        lines
    };
    // As many before the chosen one as leave all of it in view.
    let mut first = chosen;
    let mut used = of(chosen).len();
    while first > 0 && used + of(first - 1).len() <= height {
        first -= 1;
        used += of(first).len();
    }
    let mut lines = Vec::new();
    for at in first..findings.len() {
        for (n, line) in of(at).into_iter().enumerate() {
            if lines.len() >= height {
                return lines;
            }
            lines.push((area.y + lines.len() as u16, at, line, n == 0));
        }
    }
    lines
}

/// The finding at row `y` of the screen.
pub fn at(app: &App, area: Rect, y: u16) -> Option<usize> {
    let model = app.model.as_ref()?;
    if model.story().findings.is_empty() {
        return None;
    }
    lines(app, model, area).into_iter().find(|(row, ..)| *row == y).map(|(_, at, ..)| at)
}
