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
        app::{App, Ask, Mode},
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

pub fn draw(app: &App, model: Option<&Model>, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    if let Mode::Ask { ask, text } = &app.mode {
        let (name, hint) = match ask {
            Ask::Search => ("/", "names, arguments, pids, services"),
            Ask::Filter => {
                ("show only: ", "a name, killed, restarted, alive, signal TERM, user 0, service x, phase 2")
            }
            Ask::Jump => ("jump to: ", "+3.5, 02:29:15, #314, a phase, a pid"),
            Ask::Save => ("save as: ", "a new file"),
        };
        let x = put(buf, area, area.x, area.y, name, theme.style(Look::Title));
        let x = put(buf, area, x, area.y, &safe::text(text.as_bytes()), theme.style(Look::Strong));
        let x = put(buf, area, x, area.y, "_", theme.style(Look::Key));
        let found = match ask {
            Ask::Search if !text.is_empty() => format!("{} found", app.matches.len()),
            _ if text.is_empty() => hint.to_owned(),
            _ => String::new(),
        };
        put(buf, area, x + 2, area.y, &found, theme.style(Look::Dim));
        return;
    }
    let right = match (&app.filter.kind, model, &app.loading) {
        (_, _, Some(loading)) => format!("{} …", loading.what),
        (Some(kind), Some(model), _) => {
            let all = model.world().procs.len().saturating_sub(1);
            format!("only {}: {} of {all} processes (Esc: all)", kind.words(model), app.rows.len())
        }
        _ if app.warped => "idle time cut short".to_owned(),
        _ => String::new(),
    };
    let room = usize::from(area.width).saturating_sub(width(&right) + 2);
    if !app.message.is_empty() {
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
