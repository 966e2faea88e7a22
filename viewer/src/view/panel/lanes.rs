//! Lives on a time axis, and the signals between them.
//!
//! ```text
//!   init 1          │━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━▶
//!   killall5 -15 900│        ●○
//!   killall5 -9 1072│        │                                  ●○
//!   mongod 881      │━━━━━━━━▼╍○ exit 0                         │
//! ▌ mongod 986      │          ▲═══════════════════════════════▼✖ SIGKILL by killall5 -9
//! ▸ 214 other processes
//! ```

use std::collections::HashMap;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::{
    names,
    story::{
        fate::{Fate, Reception, Verdict, tells_to_stop},
        world::{Idx, Means, Origin, Sig},
    },
    view::{
        app::{App, Focus},
        lanes::Row,
        layout::Areas,
        model::Model,
        palette::Look,
        text::{fit, put, width},
        timeline::Axis,
    },
};

/// What is in a column of a lane; of several things the later one in this list is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Run,
    Heir,
    Told,
    Ignoring,
    Born,
    Alive,
    Unknown,
    Hit,
    Exited,
    Reborn,
    Failed,
    Sent,
    Killed,
}

/// So many signals of one process in one column are looked at.
const OF_COLUMN: usize = 16;

struct Painter<'a> {
    app: &'a App,
    model: &'a Model,
    axis: Axis<'a>,
    /// Where the axis is.
    area: Rect,
}

pub fn draw(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let area = areas.time();
    let painter = Painter { app, model, axis: app.axis(model, area.width), area };
    let shown: Vec<(usize, u16, &Row)> = (app.top..app.rows.len())
        .zip(areas.lanes.top()..areas.lanes.bottom())
        .map(|(at, y)| (at, y, &app.rows[at]))
        .collect();
    let mut place: HashMap<Idx, u16> = HashMap::new();
    for (_, y, row) in &shown {
        place.extend(model.procs_of(row).iter().map(|idx| (*idx, *y)));
    }
    for (at, y, row) in &shown {
        painter.label(*at, *y, row, areas, buf);
    }
    painter.cursor(areas, buf);
    let lanes: Vec<(u16, &Row, Vec<Option<Mark>>)> =
        shown.iter().map(|(_, y, row)| (*y, *row, painter.lane(row))).collect();
    painter.arrows(&shown, &place, buf);
    for (y, row, marks) in &lanes {
        painter.marks(*y, marks, buf);
        painter.notes(*y, row, marks, buf);
    }
    if shown.is_empty() {
        put(buf, areas.lanes, areas.lanes.x + 1, areas.lanes.y, "no processes", app.theme.style(Look::Dim));
    }
}

impl Painter<'_> {
    fn label(&self, at: usize, y: u16, row: &Row, areas: &Areas, buf: &mut Buffer) {
        let theme = &self.app.theme;
        let glyphs = theme.glyphs;
        let chosen = at == self.app.row;
        let line = Rect { y, height: 1, ..areas.lanes };
        if chosen {
            buf.set_style(line, theme.chosen(self.app.focus == Focus::Lanes));
            put(buf, line, line.x, y, glyphs.chosen, theme.style(Look::Key));
        }
        if let Row::Group { group, count, open } = row {
            let fold = if *open { glyphs.open } else { glyphs.closed };
            let text = match open {
                true => format!("{fold} {}", group.title()),
                false => format!("{fold} {count} {} (Enter unfolds)", group.title()),
            };
            put(buf, line, line.x + 1, y, &text, theme.style(Look::Dim));
            return;
        }
        let room = usize::from(areas.labels.saturating_sub(2));
        let procs = self.model.procs_of(row);
        let look = match procs.first() {
            Some(_) if self.is_subject(procs) => Look::Strong,
            Some(idx) if self.model.finding_of(*idx).is_some() => Look::Text,
            Some(idx) if !self.model.from(*idx).is_empty() => Look::Signal,
            _ => Look::Dim,
        };
        let text = fit(self.model.label(row).trim_end(), room);
        put(buf, line, line.x + 1, y, &text, theme.style(look));
        put(buf, line, line.x + areas.labels - 1, y, glyphs.side, theme.style(Look::Frame));
    }

    /// Whether the detail panel tells of one of these.
    fn is_subject(&self, procs: &[Idx]) -> bool {
        use crate::view::Subject;
        match self.app.subject {
            Some(Subject::Proc(idx)) => procs.contains(&idx),
            Some(Subject::Finding(at)) => procs.iter().any(|idx| self.model.finding_of(*idx) == Some(at)),
            Some(Subject::Sig(at)) => self
                .model
                .world()
                .sig(at)
                .is_some_and(|sent| procs.contains(&sent.target) || procs.contains(&sent.sender)),
            _ => false,
        }
    }

    /// The column of the cursor, behind everything.
    fn cursor(&self, areas: &Areas, buf: &mut Buffer) {
        let column = self.axis.column(self.app.cursor_ns);
        if !(0..i32::from(self.area.width)).contains(&column) {
            return;
        }
        let x = self.area.x + column as u16;
        let theme = &self.app.theme;
        for y in areas.lanes.top()..areas.lanes.bottom() {
            if let Some(cell) = buf.cell_mut((x, y)).filter(|cell| cell.symbol() == " ") {
                cell.set_symbol(theme.glyphs.cursor);
                cell.set_style(theme.style(Look::Dim));
            }
        }
        if let Some(cell) = buf
            .cell_mut((x, areas.scale.y))
            .filter(|cell| cell.symbol() == " " || cell.symbol() == theme.glyphs.tick)
        {
            cell.set_symbol(theme.glyphs.hit);
            cell.set_style(theme.style(Look::Key));
        }
    }

    fn inside(&self, ns: u64) -> Option<usize> {
        let column = self.axis.column(ns);
        (0..i32::from(self.area.width)).contains(&column).then_some(column as usize)
    }

    /// What is in each column of a row.
    fn lane(&self, row: &Row) -> Vec<Option<Mark>> {
        let mut marks = vec![None; usize::from(self.area.width)];
        for idx in self.model.procs_of(row) {
            self.life(*idx, &mut marks);
        }
        for idx in self.model.procs_of(row) {
            self.each_column(self.model.from(*idx), |sent, column| {
                // What the kernel sends because somebody ended is not that one's deed.
                if matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill) {
                    set(&mut marks, column, Mark::Sent);
                }
            });
            self.each_column(self.model.to(*idx), |sent, column| {
                if self.is_stop(sent) {
                    set(&mut marks, column, Mark::Hit);
                }
            });
        }
        // A death is seen even where the signal that brought it is in the same column.
        for idx in self.model.procs_of(row) {
            if let Some((ns, mark)) = self.end(*idx)
                && mark == Mark::Killed
                && let Some(column) = self.inside(ns)
            {
                set(&mut marks, column, mark);
            }
        }
        marks
    }

    fn life(&self, idx: Idx, marks: &mut [Option<Mark>]) {
        let Some(proc) = self.model.world().proc_at(idx) else { return };
        let story = self.model.story();
        let fate = story.fate(idx);
        let end_ns = self.model.end_of(idx);
        let from = self.axis.column(proc.born.ns);
        let to = self.axis.column(end_ns);
        if to < 0 || from >= marks.len() as i32 {
            return;
        }
        let heir = story.replaces(idx).is_some();
        let running = if heir { Mark::Heir } else { Mark::Run };
        let told = fate.and_then(|fate| fate.told);
        let told_from = told.map(|told| self.axis.column(told.at.ns));
        let stopping = match told.map(|told| told.reception) {
            Some(Reception::Ignored | Reception::Pending) => Mark::Ignoring,
            _ => Mark::Told,
        };
        for column in from.max(0)..=to.min(marks.len() as i32 - 1) {
            let mark = if told_from.is_some_and(|told| column >= told) { stopping } else { running };
            set(marks, column as usize, mark);
        }
        if proc.origin == Origin::Forked
            && let Some(column) = self.inside(proc.born.ns)
        {
            set(marks, column, if heir { Mark::Reborn } else { Mark::Born });
        }
        if let Some((ns, mark)) = self.end(idx)
            && let Some(column) = self.inside(ns)
        {
            set(marks, column, mark);
        }
    }

    /// How and when it ended.
    fn end(&self, idx: Idx) -> Option<(u64, Mark)> {
        let proc = self.model.world().proc_at(idx)?;
        let story = self.model.story();
        let ns = self.model.end_of(idx);
        if !proc.dead() || proc.exit.ns > ns {
            return Some((ns, if story.cut { Mark::Unknown } else { Mark::Alive }));
        }
        let killed = match story.fate(idx).map(|fate| fate.verdict) {
            Some(verdict) => verdict == Verdict::Killed,
            None => proc.killed_by() != 0,
        };
        Some((
            ns,
            match proc.code() {
                _ if killed => Mark::Killed,
                Some(code) if code != 0 => Mark::Failed,
                _ => Mark::Exited,
            },
        ))
    }

    /// The first signals in each column, the columns found by halving.
    fn each_column(&self, list: &[u32], mut see: impl FnMut(&Sig, usize)) {
        let sigs = &self.model.world().sigs;
        let ns = |at: &u32| sigs[*at as usize].at.ns;
        let start = self.axis.start(0);
        let mut next = list.partition_point(|at| ns(at) < start);
        while let Some(at) = list.get(next) {
            let Some(column) = self.inside(sigs[*at as usize].at.ns) else { break };
            let behind = self.axis.start(column as u16 + 1);
            let count = list[next..].partition_point(|at| ns(at) < behind).max(1);
            // A stop, a request and a continuation come together.
            for at in list[next..next + count].iter().take(OF_COLUMN) {
                see(&sigs[*at as usize], column);
            }
            next += count;
        }
    }

    fn is_stop(&self, sent: &Sig) -> bool {
        sent.sig == 9 || tells_to_stop(self.model.world(), sent)
    }

    /// Lines between senders and targets that are both in view.
    fn arrows(&self, shown: &[(usize, u16, &Row)], place: &HashMap<Idx, u16>, buf: &mut Buffer) {
        let theme = &self.app.theme;
        for (_, y, row) in shown {
            for idx in self.model.procs_of(row) {
                self.each_column(self.model.to(*idx), |sent, column| {
                    let Some(from) = place.get(&sent.sender).filter(|from| *from != y) else { return };
                    if !self.is_stop(sent) {
                        return;
                    }
                    let x = self.area.x + column as u16;
                    for between in from.min(y) + 1..*from.max(y) {
                        if let Some(cell) = buf.cell_mut((x, between)) {
                            cell.set_symbol(theme.glyphs.line);
                            cell.set_style(theme.style(Look::Signal));
                        }
                    }
                });
            }
        }
    }

    fn marks(&self, y: u16, marks: &[Option<Mark>], buf: &mut Buffer) {
        for (column, mark) in marks.iter().enumerate() {
            let Some(mark) = mark else { continue };
            let (symbol, look) = self.glyph(*mark);
            if let Some(cell) = buf.cell_mut((self.area.x + column as u16, y)) {
                cell.set_symbol(symbol);
                cell.set_style(self.app.theme.style(look));
            }
        }
    }

    fn glyph(&self, mark: Mark) -> (&'static str, Look) {
        let glyphs = self.app.theme.glyphs;
        match mark {
            Mark::Run => (glyphs.run, Look::Run),
            Mark::Heir => (glyphs.heir, Look::Heir),
            Mark::Told => (glyphs.told, Look::Told),
            Mark::Ignoring => (glyphs.ignoring, Look::Ignoring),
            Mark::Born => (glyphs.born, Look::Run),
            Mark::Reborn => (glyphs.reborn, Look::Heir),
            Mark::Alive => (glyphs.alive, Look::Warn),
            Mark::Unknown => (glyphs.unknown, Look::Warn),
            Mark::Exited => (glyphs.exited, Look::Good),
            Mark::Failed => (glyphs.failed, Look::Warn),
            Mark::Killed => (glyphs.killed, Look::Bad),
            Mark::Sent => (glyphs.sent, Look::Signal),
            Mark::Hit => (glyphs.hit, Look::Signal),
        }
    }

    /// Words behind the end of a life, or in front of its beginning, where there is room.
    fn notes(&self, y: u16, row: &Row, marks: &[Option<Mark>], buf: &mut Buffer) {
        let procs = self.model.procs_of(row);
        let Some((text, look)) = self.note(procs) else { return };
        // Words about an end that is not on the screen would stand at a time when it had not come.
        let end_seen = procs.last().is_some_and(|idx| self.inside(self.model.end_of(*idx)).is_some());
        if !end_seen && look != Look::Accent {
            return;
        }
        let style = self.app.theme.style(look);
        let last = marks.iter().rposition(Option::is_some);
        let first = marks.iter().position(Option::is_some);
        let (Some(first), Some(last)) = (first, last) else { return };
        let behind = marks.len().saturating_sub(last + 2);
        if width(&text) <= behind || behind >= 18 {
            self.write(y, last + 2, &fit(&text, behind), style, buf);
        } else if width(&text) < first {
            self.write(y, first - width(&text) - 1, &text, style, buf);
        } else if last >= first + width(&text) + 6 {
            // On the lane itself, if nothing else is there.
            let from = last - width(&text) - 2;
            let plain = |mark: &Option<Mark>| mark.is_some_and(|mark| mark <= Mark::Ignoring);
            if marks[from..last].iter().all(plain) {
                self.write(y, from, &format!(" {text} "), style, buf);
            }
        }
    }

    fn write(&self, y: u16, column: usize, text: &str, style: Style, buf: &mut Buffer) {
        put(buf, Rect { y, height: 1, ..self.area }, self.area.x + column as u16, y, text, style);
    }

    fn note(&self, procs: &[Idx]) -> Option<(String, Look)> {
        let (story, world) = (self.model.story(), self.model.world());
        let last = *procs.last()?;
        if self.model.is_sequence(procs) {
            let failed = procs.iter().filter(|idx| {
                world.proc_at(**idx).is_some_and(|proc| proc.killed_by() != 0 || proc.code() != Some(0))
            });
            let failed = failed.count();
            let text = match failed {
                0 => format!("restarted {} times", procs.len()),
                n if n == procs.len() => format!("restarted {n} times, each failed"),
                n => format!("restarted {} times, {n} failed", procs.len()),
            };
            return Some((text, Look::Warn));
        }
        if procs.len() > 1 {
            let killed = procs.iter().filter(|idx| is_killed(story.fate(**idx))).count();
            return (killed > 0).then(|| (format!("{killed} of {} killed", procs.len()), Look::Bad));
        }
        let asked = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
        if asked.is_some_and(|asked| asked.by == last) {
            return Some(("asked for the shutdown".into(), Look::Accent));
        }
        let fate = story.fate(last)?;
        let proc = world.proc_at(last)?;
        match fate.verdict {
            Verdict::Killed => {
                let sent = fate.killer.and_then(|at| world.sig(at));
                let by = match sent {
                    Some(sent) if world.proc_at(sent.sender).is_some() => {
                        format!(" by {}", world.deed(sent.sender, sent.at.ns))
                    }
                    Some(_) => " by the kernel".into(),
                    None => String::new(),
                };
                Some((format!("{}{by}", names::signal(proc.killed_by())), Look::Bad))
            }
            Verdict::Stopped | Verdict::Left => {
                let code = proc.code().filter(|code| *code != 0);
                match code {
                    Some(code) => Some((format!("exit {code}"), Look::Warn)),
                    None if story.replaced(last).is_some() => {
                        Some(("stopped; restarted below".into(), Look::Dim))
                    }
                    None => None,
                }
            }
            Verdict::CutOff => Some(("cut off".into(), Look::Warn)),
            Verdict::NeverTold if story.matters(last) => Some(("never told to stop".into(), Look::Warn)),
            Verdict::NeverTold => None,
        }
    }
}

fn is_killed(fate: Option<&Fate>) -> bool {
    fate.is_some_and(|fate| fate.verdict == Verdict::Killed)
}

fn set(marks: &mut [Option<Mark>], column: usize, mark: Mark) {
    if let Some(place) = marks.get_mut(column) {
        *place = (*place).max(Some(mark));
    }
}
