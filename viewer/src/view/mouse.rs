//! The mouse: the wheel zooms or scrolls, dragging moves, a click chooses, and a second click follows. What lies over the
//! lanes is closed by a click beside it, and the keys that the last line names can be clicked.
//!
//! Invariant: whatever it does, keys can do too.

use ratatui::crossterm::event::{KeyCode, MouseButton, MouseEventKind};

use super::{
    Subject,
    action::Action,
    app::{App, Effect, Focus, Mode},
    layout::Areas,
    panel::{self, Hit},
};

impl App {
    pub(super) fn mouse(&mut self, kind: MouseEventKind, x: u16, y: u16) -> Option<Effect> {
        if self.mode != Mode::Normal || self.model.is_none() {
            return match kind {
                MouseEventKind::ScrollDown => self.in_mode(KeyCode::Down, false),
                MouseEventKind::ScrollUp => self.in_mode(KeyCode::Up, false),
                MouseEventKind::Down(_) => self.click_over(x, y),
                _ => None,
            };
        }
        if let MouseEventKind::Down(MouseButton::Left) = kind
            && let Some(action) = panel::status::at(self, x, y)
        {
            return self.update(action);
        }
        let areas = self.areas();
        let time = areas.time();
        let panel = areas.panel_at(x, y);
        let in_time = x >= time.x && y < areas.rule.y && y >= areas.ribbon.y;
        match kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let up = kind == MouseEventKind::ScrollUp;
                if in_time {
                    self.point_at(x - time.x);
                    self.moves(if up { Action::ZoomIn } else { Action::ZoomOut });
                } else if let Some(panel) = panel {
                    let focus = std::mem::replace(&mut self.focus, panel);
                    self.moves(if up { Action::Up } else { Action::Down });
                    self.focus = focus;
                }
            }
            MouseEventKind::ScrollLeft => self.moves(Action::PanLeft),
            MouseEventKind::ScrollRight => self.moves(Action::PanRight),
            MouseEventKind::Down(MouseButton::Left) => self.click(&areas, panel, in_time, x, y),
            MouseEventKind::Drag(MouseButton::Left) => {
                if let Some((from, window)) = self.drag {
                    self.window = window;
                    self.pan(
                        (i64::from(from) - i64::from(x)) * (window.to - window.from) as i64
                            / i64::from(self.columns()),
                    );
                }
            }
            MouseEventKind::Up(_) => self.drag = None,
            _ => {}
        }
        self.follow_row();
        None
    }

    /// A click while something lies over the lanes.
    fn click_over(&mut self, x: u16, y: u16) -> Option<Effect> {
        let hit = match &self.mode {
            Mode::Commands { text, at } => panel::commands::hit(self, text, *at, x, y),
            Mode::Recordings { at, .. } => panel::recordings::hit(self, *at, x, y),
            Mode::Filters { at } => panel::filters::hit(self, *at, x, y),
            Mode::Help { .. } => Hit::Beside,
            Mode::KeysOf(..) => return self.in_mode(KeyCode::Esc, false),
            // What is being typed is not thrown away, and beside a comparison there is nothing.
            Mode::Ask { .. } | Mode::Compare { .. } | Mode::Normal => Hit::Box,
        };
        match hit {
            Hit::Beside => {
                self.mode = Mode::Normal;
                None
            }
            Hit::Line(at) => self.click_in_list(at),
            Hit::Box => None,
        }
    }

    fn click(&mut self, areas: &Areas, panel: Option<Focus>, in_time: bool, x: u16, y: u16) {
        self.message.clear();
        let time = areas.time();
        if in_time {
            self.point_at(x - time.x);
            self.drag = Some((x, self.window));
        }
        if y == areas.ribbon.y
            && let Some(model) = self.model.clone()
            && let Some(shutdown) = &model.story().shutdown
            && let Some(at) = shutdown.phases.iter().rposition(|phase| phase.from.ns <= self.cursor_ns)
        {
            self.subject = Some(Subject::Phase(at));
            self.show_subject();
            return;
        }
        let Some(panel) = panel else { return };
        // The first click into a panel says which one is meant.
        let again = std::mem::replace(&mut self.focus, panel) == panel;
        match panel {
            Focus::Lanes => {
                let row = self.top + usize::from(y - areas.lanes.y);
                if row < self.rows.len() {
                    // On the axis a click points at a time, or begins to drag.
                    let again = again && row == self.row && x < time.x;
                    self.row = row;
                    self.select_row();
                    if again {
                        self.enter();
                    }
                }
            }
            Focus::Findings => {
                if let Some(at) = panel::findings::at(self, areas.findings, y) {
                    let again = again && self.subject == Some(Subject::Finding(at));
                    self.go(Subject::Finding(at));
                    if again {
                        self.enter();
                    }
                }
            }
            Focus::Detail => {
                if let Some(at) = panel::detail::at(self, areas.detail, y) {
                    let again = again && at == self.fact;
                    self.fact = at;
                    if again {
                        self.enter();
                    }
                }
            }
        }
    }
}
