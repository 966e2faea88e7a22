//! Where everything is, for any size of the terminal.
//!
//! Invariant: areas do not overlap and lie within the screen; drawing and the mouse ask the same function.

use ratatui::layout::Rect;

use super::{
    app::{App, Focus},
    panel::findings,
};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub ribbon: Rect,
    pub scale: Rect,
    /// Labels and lanes.
    pub lanes: Rect,
    pub rule: Rect,
    pub findings: Rect,
    /// Between findings and details, where one is above the other and there is room for a line.
    pub between: Rect,
    pub detail: Rect,
    pub status: Rect,
    /// Columns of labels, the bar behind them included.
    pub labels: u16,
}

/// The smallest screen that is drawn on.
pub const LEAST: (u16, u16) = (40, 10);
/// The lower panels take no more rows by themselves: lanes are what one looks at.
const MOST_LOWER: i32 = 16;
/// Findings and details are beside each other from this width on, and above each other on what is narrower.
const BESIDE: u16 = 96;
/// From so many rows on a line between findings above details is worth its row.
const LINE_BETWEEN: u16 = 6;

/// Rows of the header.
fn header(height: u16) -> u16 {
    match height {
        ..=12 => 1,
        13..=19 => 2,
        20..=27 => 3,
        _ => 4,
    }
}

/// Rows that lanes and lower panels share, and those that the lower panels get at least.
fn shared((width, height): (u16, u16)) -> (u16, i32) {
    let free = height.saturating_sub(header(height) + 2 + 1 + 1);
    let tall = i32::from(free);
    // What is above each other needs more rows than what is beside each other.
    let part = match (width >= BESIDE, height) {
        (true, _) => (tall * 2 / 5).min(MOST_LOWER),
        (false, ..=19) => tall / 2,
        (false, _) => tall * 3 / 5,
    };
    (free, part)
}

/// So many rows the lanes can have, with one left that says what their signs mean.
pub fn most_lanes(app: &App) -> usize {
    let (free, part) = shared(app.size);
    usize::try_from(i32::from(free) - part - 1).unwrap_or(0)
}

pub fn areas(app: &App) -> Areas {
    let (width, height) = app.size;
    if width < LEAST.0 || height < LEAST.1 {
        return Areas::default();
    }
    let header = header(height);
    let rows = |y, height| Rect { x: 0, y, width, height };
    let beside = width >= BESIDE;
    let (free, part) = shared(app.size);
    let tall = i32::from(free);
    // What the lanes have no use for, but for a row that says what their signs mean.
    let spare = (tall - app.rows.len() as i32 - 1).min(tall * 3 / 4);
    let wanted = (part.max(spare) + i32::from(app.lower)).clamp(3, tall - 2) as u16;
    let lanes = free - wanted;
    let top = header + 2;
    let lower = rows(top + lanes + 1, wanted);
    let (findings, between, detail) = if beside {
        let left = (width * 2 / 5).clamp(36, 76);
        let right = Rect { x: left + 1, width: width - left - 1, ..lower };
        (Rect { width: left, ..lower }, Rect::default(), right)
    } else {
        let told = (findings::height(app, width) as u16).clamp(1, (wanted / 3).max(1));
        let line = u16::from(wanted >= LINE_BETWEEN);
        let detail = rows(lower.y + told + line, wanted - told - line);
        (rows(lower.y, told), rows(lower.y + told, line), detail)
    };
    Areas {
        header: rows(0, header),
        ribbon: rows(header, 1),
        scale: rows(header + 1, 1),
        lanes: rows(top, lanes),
        rule: rows(top + lanes, 1),
        findings,
        between,
        detail,
        status: rows(height - 1, 1),
        labels: (width / 5 + 5).clamp(20, 40),
    }
}

impl Areas {
    /// The part of the lanes that is a time axis.
    pub fn time(&self) -> Rect {
        let labels = self.labels.min(self.lanes.width);
        Rect { x: self.lanes.x + labels, width: self.lanes.width - labels, ..self.lanes }
    }

    pub fn panel_at(&self, x: u16, y: u16) -> Option<Focus> {
        let at = ratatui::layout::Position { x, y };
        [(self.lanes, Focus::Lanes), (self.findings, Focus::Findings), (self.detail, Focus::Detail)]
            .into_iter()
            .find(|(area, _)| area.contains(at))
            .map(|(_, focus)| focus)
    }
}
