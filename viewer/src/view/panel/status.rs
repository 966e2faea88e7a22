//! The last line: what is typed, what just happened, what is hidden, or which keys help.
//!
//! ```text
//! ? help  q quit  c cause  . next finding  Tab panel  + zoom  / search            only killed: 12 of 240 processes
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use super::put_from_below;
use crate::{
    safe,
    view::{
        action::{Action, KEYS},
        app::{App, Ask, Form, Mode},
        model::Model,
        palette::Look,
        text::{fit, fit_end, put, put_right, width},
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
    (Action::Heir, "its restart"),
    (Action::Victims, "victims"),
    (Action::Back, "back"),
    (Action::Commands, "commands"),
];

/// So many rows what went wrong may take.
const MOST: u16 = 4;

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
            Ask::Jump => ("jump to: ", "+3.5, 02:29:15, #314, a phase, a pid, a name"),
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
        // Of a long text its end is seen: that is where one types.
        let room = usize::from(area.right().saturating_sub(x + 1));
        let x = put(
            buf,
            area,
            x,
            area.y,
            &fit_end(&safe::text(text.as_bytes()), room),
            theme.style(Look::Strong),
        );
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
        // A hint can be cut, an answer not: it gets rows of its own.
        if width(&found) > room && found == app.message {
            put_from_below(buf, above(area), &found, MOST - 1, theme.style(Look::Warn));
        } else {
            put(buf, area, x + 2, area.y, &fit(&found, room), theme.style(Look::Dim));
        }
        return;
    }
    // What just happened has the whole line; what has been so for long gets what is left of it.
    let left = match app.message.is_empty() {
        true => usize::from(area.width),
        false => usize::from(area.width).saturating_sub(width(&app.message) + 2),
    };
    let right = if left < LEAST_RIGHT { String::new() } else { fit(&right(app, model), left) };
    let room = usize::from(area.width).saturating_sub(width(&right) + 2);
    if width(&app.message) > area.width.into() {
        // What went wrong stands at the end of it.
        let rows = Rect { y: area.y.saturating_sub(MOST - 1), height: MOST, ..area };
        put_from_below(buf, rows, &app.message, MOST, theme.style(Look::Warn));
        return;
    } else if !app.message.is_empty() {
        let room = if right.is_empty() { area.width.into() } else { room };
        put(buf, area, area.x, area.y, &fit(&app.message, room), theme.style(Look::Warn));
    } else {
        for (x, key, (_, word)) in keys(room) {
            let x = put(buf, area, area.x + x, area.y, &key, theme.style(Look::Key));
            put(buf, area, x + 1, area.y, word, theme.style(Look::Dim));
        }
    }
    put_right(buf, area, area.y, &right, theme.style(Look::Accent));
}

/// The rows above the last one.
fn above(area: Rect) -> Rect {
    let height = area.y.min(MOST - 1);
    Rect { y: area.y - height, height, ..area }
}

/// The keys for which there is room, from the left edge, with their columns.
fn keys(room: usize) -> Vec<(u16, String, (Action, &'static str))> {
    let mut keys = Vec::new();
    let mut x = 0;
    for (action, word) in SHOWN {
        let Some(key) = KEYS.iter().find(|b| b.action == action).and_then(|b| b.keys.first()) else {
            continue;
        };
        let key = key.name();
        let wide = width(&key) + width(word) + 3;
        if x + wide > room {
            break;
        }
        keys.push((x as u16, key, (action, word)));
        x += wide;
    }
    keys
}

/// What the key does that is named at a place of the screen.
pub fn at(app: &App, x: u16, y: u16) -> Option<Action> {
    let area = app.areas().status;
    if y != area.y || !app.message.is_empty() || x < area.x {
        return None;
    }
    let right = fit(&right(app, app.model.as_deref()), area.width.into());
    let room = usize::from(area.width).saturating_sub(width(&right) + 2);
    let is_it = |(from, key, (_, word)): &(u16, String, (Action, &str))| {
        let to = usize::from(*from) + width(key) + 1 + width(word);
        (usize::from(*from)..to).contains(&usize::from(x - area.x))
    };
    keys(room).into_iter().find(is_it).map(|(.., (action, _))| action)
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
