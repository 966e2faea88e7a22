//! Where everything is, for any size of the terminal.
//!
//! Invariant: areas do not overlap and lie within the screen; drawing and the mouse ask the same function.

use ratatui::layout::Rect;

use super::app::{App, Focus};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub ribbon: Rect,
    pub scale: Rect,
    /// Labels and lanes.
    pub lanes: Rect,
    pub rule: Rect,
    pub findings: Rect,
    pub detail: Rect,
    pub status: Rect,
    /// Columns of labels, the bar behind them included.
    pub labels: u16,
}

/// The smallest screen that is drawn on.
pub const LEAST: (u16, u16) = (40, 10);
/// The lower panels take no more rows by themselves: lanes are what one looks at.
const MOST_LOWER: i32 = 16;
/// Beside each other are findings and details from this width on.
const BESIDE: u16 = 96;

pub fn areas(app: &App) -> Areas {
    let (width, height) = app.size;
    if width < LEAST.0 || height < LEAST.1 {
        return Areas::default();
    }
    let header = match height {
        ..=12 => 1,
        13..=21 => 2,
        22..=27 => 3,
        _ => 4,
    };
    let rows = |y, height| Rect { x: 0, y, width, height };
    let fixed = header + 2 + 1 + 1;
    let free = height - fixed;
    let wanted = ((i32::from(free) * 2 / 5).min(MOST_LOWER) + i32::from(app.lower))
        .clamp(3, i32::from(free) - 2) as u16;
    let lanes = free - wanted;
    let top = header + 2;
    let lower = rows(top + lanes + 1, wanted);
    let beside = width >= BESIDE;
    let (findings, detail) = if beside {
        let left = (width * 2 / 5).clamp(36, 76);
        (Rect { width: left, ..lower }, Rect { x: left + 1, width: width - left - 1, ..lower })
    } else if app.shows_detail() {
        (Rect { height: 0, ..lower }, lower)
    } else {
        (lower, Rect { height: 0, ..lower })
    };
    Areas {
        header: rows(0, header),
        ribbon: rows(header, 1),
        scale: rows(header + 1, 1),
        lanes: rows(top, lanes),
        rule: rows(top + lanes, 1),
        findings,
        detail,
        status: rows(height - 1, 1),
        labels: (width / 5 + 3).clamp(19, 38),
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
