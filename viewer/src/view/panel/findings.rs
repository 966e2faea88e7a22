//! What went wrong, worst first.
//!
//! ```text
//! ── findings ────────────────────────────────────────────
//! ▌[1] mongod was restarted during the shutdown, then killed
//!      13.0 s later                                  certain
//!  [2] runsvdir was killed before its children       certain
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    story::finding::{Finding, Rule},
    view::{
        Subject,
        app::{App, Focus},
        layout::Areas,
        model::Model,
        palette::Look,
        text::{put, put_right, wrap},
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
        let text = match model.story().shutdown {
            Some(_) => "Nothing went wrong: no service was killed, restarted or left behind.",
            None => "There is no shutdown in this recording; o shows the others of its file.",
        };
        for (line, y) in wrap(text, usize::from(area.width) - 2, 0).iter().zip(area.top()..area.bottom()) {
            put(buf, area, area.x + 1, y, line, theme.style(Look::Good));
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

fn look(finding: &Finding) -> Look {
    match finding.rule {
        Rule::Spared if !finding.failed => Look::Dim,
        rule if rule >= Rule::WaitedFor && !finding.failed => Look::Warn,
        _ => Look::Bad,
    }
}

/// The line between lanes and lower panels, with their names.
fn rule(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let theme = &app.theme;
    let area = areas.rule;
    let line = theme.glyphs.rule.repeat(area.width.into());
    put(buf, area, area.x, area.y, &line, theme.style(Look::Frame));
    let look = |focus| if app.focus == focus { Look::Title } else { Look::Dim };
    let count = model.story().findings.len();
    let findings = match count {
        0 => " findings ".to_owned(),
        n => format!(" findings {} of {n} ", (app.finding + 1).min(n)),
    };
    if areas.findings.height > 0 {
        put(buf, area, areas.findings.x + 2, area.y, &findings, theme.style(look(Focus::Findings)));
    }
    if areas.detail.height > 0 {
        let title = match app.subject {
            Some(Subject::Finding(_)) => " finding, step by step ",
            Some(Subject::Proc(_)) => " process ",
            Some(Subject::Sig(_)) => " signal ",
            Some(Subject::Phase(_)) => " phase ",
            None => " details ",
        };
        put(buf, area, areas.detail.x + 2, area.y, title, theme.style(look(Focus::Detail)));
    }
    let shown = if app.rows.len() > usize::from(areas.lanes.height) {
        let last = (app.top + usize::from(areas.lanes.height)).min(app.rows.len());
        format!(" lanes {} to {last} of {} ", app.top + 1, app.rows.len())
    } else {
        String::new()
    };
    let right = Rect { width: area.width.saturating_sub(2), ..area };
    put_right(buf, right, area.y, &shown, theme.style(Look::Dim));
}

/// The lines that are in view: row, finding, text, and whether it is the first of its finding.
fn lines(app: &App, model: &Model, area: Rect) -> Vec<(u16, usize, String, bool)> {
    let findings = &model.story().findings;
    let room = usize::from(area.width).saturating_sub(2);
    let height = usize::from(area.height);
    let of = |at: usize| {
        let tag = format!("[{}] ", at + 1);
        let doubt = match findings[at].confidence.words() {
            "certain" => String::new(),
            words => format!(" ({words})"),
        };
        wrap(&format!("{tag}{}{doubt}", findings[at].headline), room, tag.len())
    };
    // As many before the chosen one as leave all of it in view.
    let chosen = app.finding.min(findings.len().saturating_sub(1));
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
