//! The last line: what is typed, what just happened, what is hidden, or which keys help.
//!
//! ```text
//! ? help  q quit  c cause  . next finding  Tab panel  + zoom  / search            only killed: 12 of 240 processes
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    safe,
    view::{
        action::{Action, KEYS},
        app::{App, Ask, Form, Mode},
        model::Model,
        palette::Look,
        text::{fit, put, put_right, width},
    },
};

/// The keys that are shown, in this order, as far as there is room.
const SHOWN: [(Action, &str); 12] = [
    (Action::Help, "help"),
    (Action::Quit, "quit"),
    (Action::Cause, "cause"),
    (Action::NextFinding, "next finding"),
    (Action::Focus, "panel"),
    (Action::ZoomIn, "zoom"),
    (Action::Search, "search"),
    (Action::Evidence, "evidence"),
    (Action::Heir, "heir"),
    (Action::Victims, "victims"),
    (Action::Back, "back"),
    (Action::Commands, "commands"),
];

/// Fewer columns tell nothing.
const LEAST_RIGHT: usize = 12;

pub fn draw(app: &App, model: Option<&Model>, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    if let Mode::Ask { ask, text } = &app.mode {
        let (offered, asked);
        let (name, hint) = match ask {
            Ask::Search => ("/", "names, arguments, pids, services"),
            Ask::Filter => (
                "show only: ",
                "killed, restarted, alive, signal TERM, user root, service x, phase KILL, a name",
            ),
            Ask::Jump => ("jump to: ", "+3.5, 02:29:15, #314, a phase, a pid"),
            Ask::Save(form, spot) => {
                offered = format!("Enter: {}", app.offered(*form, *spot));
                (if *form == Form::Recording { "save as: " } else { "report as: " }, offered.as_str())
            }
            Ask::Delete(file) => {
                asked = delete(app, *file);
                (asked.as_str(), "yes deletes it, Esc does not")
            }
        };
        let x = put(buf, area, area.x, area.y, name, theme.style(Look::Title));
        let x = put(buf, area, x, area.y, &safe::text(text.as_bytes()), theme.style(Look::Strong));
        let x = put(buf, area, x, area.y, "_", theme.style(Look::Key));
        let found = match ask {
            Ask::Search if !text.is_empty() => {
                let so_far = if app.is_busy() { " so far" } else { "" };
                format!("{} found{so_far}", app.matches.len())
            }
            _ if !app.message.is_empty() => app.message.clone(),
            _ if text.is_empty() => hint.to_owned(),
            _ => String::new(),
        };
        let room = usize::from(area.right().saturating_sub(x + 2));
        put(buf, area, x + 2, area.y, &fit(&found, room), theme.style(Look::Dim));
        return;
    }
    // What just happened has the whole line; what has been so for long gets what is left of it.
    let left = match app.message.is_empty() {
        true => usize::from(area.width),
        false => usize::from(area.width).saturating_sub(width(&app.message) + 2),
    };
    let right = if left < LEAST_RIGHT { String::new() } else { fit(&right(app, model), left) };
    let room = usize::from(area.width).saturating_sub(width(&right) + 2);
    if !app.message.is_empty() {
        let room = if right.is_empty() { area.width.into() } else { room };
        put(buf, area, area.x, area.y, &fit(&app.message, room), theme.style(Look::Warn));
    } else {
        let mut x = area.x;
        for (action, word) in SHOWN {
            let Some(key) = KEYS.iter().find(|b| b.action == action).and_then(|b| b.keys.first()) else {
                continue;
            };
            let key = key.name();
            if usize::from(x - area.x) + width(&key) + width(word) + 3 > room {
                break;
            }
            x = put(buf, area, x, area.y, &key, theme.style(Look::Key));
            x = put(buf, area, x + 1, area.y, word, theme.style(Look::Dim)) + 2;
        }
    }
    put_right(buf, area, area.y, &right, theme.style(Look::Accent));
}

/// Which file, where there are several.
fn delete(app: &App, file: usize) -> String {
    match app.files.get(file).filter(|_| app.files.len() > 1) {
        Some(file) => format!("delete {}? ", fit(&safe::text(file.path.as_os_str().as_encoded_bytes()), 40)),
        None => "delete this file? ".into(),
    }
}

/// What is hidden, and what is at work.
fn right(app: &App, model: Option<&Model>) -> String {
    let mut parts = Vec::new();
    if let Some(model) = model.filter(|_| !app.filter.is_none()) {
        let all = model.world().procs.len().saturating_sub(1);
        let words = app.filter.words(model);
        parts.push(format!("only {words}: {} of {all} processes (Esc: all)", app.rows.len()));
    } else if app.warped {
        parts.push("idle time cut short".to_owned());
    }
    parts.extend(app.busy_words());
    match &app.loading {
        Some(loading) if loading.total > 0 => {
            let percent = loading.done.min(loading.total).saturating_mul(100) / loading.total;
            let stops = if parts.is_empty() { " (Esc stops)" } else { "" };
            parts.push(format!("{} {percent} %{stops}", loading.what));
        }
        Some(loading) => parts.push(format!("{} …", loading.what)),
        None => {}
    }
    parts.join(" · ")
}
