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

use std::collections::{HashMap, HashSet};

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::{
    story::{
        fate::tells_to_stop,
        world::{Idx, Means, Origin, Sig},
    },
    view::{
        app::{App, Focus},
        lanes::{Group, Row},
        layout::Areas,
        model::Model,
        notes::LifeEnd,
        palette::Look,
        text::{put, put_right, width},
        timeline::{Axis, moment},
    },
};

/// What is in a column of a lane; of several things the later one in this list is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Columns in which idle time is left out.
    seams: Vec<u16>,
}

pub fn draw(app: &App, model: &Model, areas: &Areas, buf: &mut Buffer) {
    let area = areas.time();
    let axis = app.axis(model, area.width);
    let seams = axis.seams().into_iter().map(|(column, _)| column).collect();
    let painter = Painter { app, model, axis, area, seams };
    let shown: Vec<(usize, u16, Row)> = (app.top..)
        .zip(areas.lanes.top()..areas.lanes.bottom())
        .map_while(|(at, y)| Some((at, y, app.rows.get(at)?)))
        .collect();
    let mut place: HashMap<Idx, u16> = HashMap::new();
    for (_, y, row) in &shown {
        place.extend(model.procs_of(row).iter().map(|idx| (*idx, *y)));
    }
    for (at, y, row) in &shown {
        painter.label(*at, *y, row, areas, buf);
    }
    painter.cuts(areas, buf);
    painter.cursor(areas, buf);
    let lanes: Vec<(u16, &Row, Vec<Option<Mark>>)> =
        shown.iter().map(|(_, y, row)| (*y, row, painter.lane(row))).collect();
    painter.arrows(&shown, &place, buf);
    for (y, row, marks) in &lanes {
        painter.marks(*y, marks, buf);
        painter.notes(*y, row, marks, buf);
    }
    // Over lines that cross them: a title is text.
    for (_, y, row) in &shown {
        painter.title(*y, row, areas, buf);
    }
    let seen: HashSet<Mark> = lanes.iter().flat_map(|(_, _, marks)| marks).flatten().copied().collect();
    painter.legend(areas, shown.len(), &seen, buf);
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
        if matches!(row, Row::Group { .. }) {
            return;
        }
        let room = usize::from(areas.labels.saturating_sub(3));
        let procs = self.model.procs_of(row);
        let look = match procs.first() {
            // What a search has found is marked as long as it is on.
            Some(_) if procs.iter().any(|idx| self.app.is_found(*idx)) => Look::Key,
            Some(_) if self.is_subject(procs) => Look::Strong,
            Some(idx) if self.model.finding_of(*idx).is_some() => Look::Text,
            Some(idx) if !self.model.from(*idx).is_empty() => Look::Signal,
            _ => Look::Dim,
        };
        let text = self.model.row_label(row, room);
        put(buf, line, line.x + 1, y, &text, theme.style(look));
        put(buf, line, line.x + areas.labels - 1, y, glyphs.side, theme.style(Look::Frame));
    }

    /// The name of a group.
    fn title(&self, y: u16, row: &Row, areas: &Areas, buf: &mut Buffer) {
        let Row::Group { group, count, open } = row else { return };
        let glyphs = self.app.theme.glyphs;
        let title = match group {
            Group::Others if *count == 1 => "other process",
            group => group.title(),
        };
        let text = match open {
            true if *group == Group::Others => format!("{} {count} {title} ", glyphs.open),
            true => format!("{} {title} ", glyphs.open),
            false => format!("{} {count} {title} (Enter unfolds) ", glyphs.closed),
        };
        let line = Rect { y, height: 1, ..areas.lanes };
        put(buf, line, line.x + 1, y, &text, self.app.theme.style(Look::Dim));
    }

    /// Where idle time is cut short: a seam through all lanes, which no line and no life crosses unmarked.
    fn cuts(&self, areas: &Areas, buf: &mut Buffer) {
        let theme = &self.app.theme;
        for column in &self.seams {
            for y in areas.lanes.top()..areas.lanes.bottom() {
                put(buf, areas.lanes, self.area.x + column, y, theme.glyphs.cut, theme.style(Look::Dim));
            }
        }
    }

    /// What the signs mean that are in view, in a row that no lane needs.
    fn legend(&self, areas: &Areas, rows: usize, seen: &HashSet<Mark>, buf: &mut Buffer) {
        if rows == 0 || rows >= usize::from(areas.lanes.height) {
            return;
        }
        let theme = &self.app.theme;
        let signs = [
            (Mark::Sent, "sent a signal"),
            (Mark::Hit, "told to stop"),
            (Mark::Killed, "killed"),
            (Mark::Exited, "ended well"),
            (Mark::Failed, "failed"),
            (Mark::Reborn, "restarted"),
            (Mark::Told, "took that, not ended"),
            (Mark::Ignoring, "ignoring it"),
            (Mark::Alive, "still alive"),
            (Mark::Unknown, "end not recorded"),
        ];
        let y = areas.lanes.bottom() - 1;
        let line = Rect { y, height: 1, ..areas.lanes };
        let mut x = put(buf, line, line.x + 1, y, "signs", theme.style(Look::Dim));
        x = x.max(line.x + areas.labels);
        for (mark, word) in signs.into_iter().filter(|(mark, _)| seen.contains(mark)) {
            let (sign, look) = self.glyph(mark);
            if usize::from(line.right().saturating_sub(x)) < width(sign) + width(word) + 3 {
                break;
            }
            x = put(buf, line, x, y, sign, theme.style(look));
            x = put(buf, line, x, y, &format!(" {word}   "), theme.style(Look::Dim));
        }
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
    }

    fn inside(&self, ns: u64) -> Option<usize> {
        let column = self.axis.column(ns);
        (0..i32::from(self.area.width)).contains(&column).then_some(column as usize)
    }

    /// What is in each column of a row: lives, then what was sent, then the ends, which are seen whatever else is there.
    fn lane(&self, row: &Row) -> Vec<Option<Mark>> {
        let mut marks = vec![None; usize::from(self.area.width)];
        for idx in self.model.procs_of(row) {
            self.life(*idx, &mut marks);
        }
        for idx in self.model.procs_of(row) {
            self.each_column(self.model.from(*idx), |sent, column| {
                // What the kernel sends because somebody ended is not that one's deed, and what one sends to oneself (to a
                // thread, say) concerns nobody else.
                let deed =
                    matches!(sent.means, Means::Call | Means::Broadcast | Means::Group | Means::CgroupKill);
                if deed && sent.sender != sent.target {
                    set(&mut marks, column, Mark::Sent);
                }
            });
            self.each_column(self.model.to(*idx), |sent, column| {
                if self.is_stop(sent) {
                    set(&mut marks, column, Mark::Hit);
                }
            });
        }
        for idx in self.model.procs_of(row) {
            if let Some((ns, mark)) = self.end(*idx)
                && let Some(column) = self.inside(ns)
            {
                end(&mut marks, column, mark);
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
        let told_from = told.map(|told| self.axis.column(told.at(&story.world).ns));
        let stopping = match told.is_some_and(|told| told.reception.unheard()) {
            true => Mark::Ignoring,
            false => Mark::Told,
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
    }

    /// How and when it ended.
    fn end(&self, idx: Idx) -> Option<(u64, Mark)> {
        let (ns, end) = self.model.life_end(idx)?;
        let mark = match end {
            LifeEnd::Exited => Mark::Exited,
            LifeEnd::Failed => Mark::Failed,
            LifeEnd::Killed => Mark::Killed,
            LifeEnd::Alive => Mark::Alive,
            LifeEnd::Unknown => Mark::Unknown,
        };
        Some((ns, mark))
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

    /// Whether it tells somebody to stop who is still there: zombies are sent signals as well.
    fn is_stop(&self, sent: &Sig) -> bool {
        let world = self.model.world();
        let there = world.proc_at(sent.target).is_none_or(|proc| sent.at <= proc.exit);
        there && (sent.sig == 9 || tells_to_stop(world, sent))
    }

    /// Lines between senders and targets that are both in view.
    fn arrows(&self, shown: &[(usize, u16, Row)], place: &HashMap<Idx, u16>, buf: &mut Buffer) {
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
        let mut seams = self.seams.iter().copied().map(usize::from).peekable();
        for (column, mark) in marks.iter().enumerate() {
            while seams.next_if(|seam| *seam < column).is_some() {}
            let Some(mark) = mark else { continue };
            // Nothing happens in a seam, so there is nothing but a life to be hidden.
            if seams.peek() == Some(&column) && *mark <= Mark::Ignoring {
                continue;
            }
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

    /// Words behind the end of a life, or on it, where there is room. In front of its beginning they would stand at a
    /// time when nothing had happened yet: there they come last, with an arrow that says what they are about.
    fn notes(&self, y: u16, row: &Row, marks: &[Option<Mark>], buf: &mut Buffer) {
        let procs = self.model.procs_of(row);
        if marks.iter().all(Option::is_none) {
            self.elsewhere(y, procs, buf);
            return;
        }
        let Some((texts, look)) = self.model.note(procs) else { return };
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
        let plain = |mark: &Option<Mark>| mark.is_some_and(|mark| mark <= Mark::Ignoring);
        for text in &texts {
            let wide = width(text);
            if wide <= behind {
                return self.write(y, last + 2, text, style, buf);
            }
            // On the lane itself, if nothing else is there.
            if last >= first + wide + 4 && marks[last - wide - 2..last].iter().all(plain) {
                return self.write(y, last - wide - 2, &format!(" {text} "), style, buf);
            }
        }
        let about = self.app.theme.glyphs.about;
        let front = texts.iter().find(|text| width(text) + width(about) < first);
        if let Some(text) = front {
            let text = format!("{text} {about}");
            self.write(y, first - width(&text), &text, style, buf);
        }
    }

    /// Where in time a lane is that has nothing in view.
    fn elsewhere(&self, y: u16, procs: &[Idx], buf: &mut Buffer) {
        let (Some(first), Some(last)) = (procs.first(), procs.last()) else { return };
        let when = |ns| moment(ns, self.model.zero_ns, self.axis.column_ns().saturating_mul(10));
        let (from, to) = (self.model.birth(*first), self.model.end_of(*last));
        let style = self.app.theme.style(Look::Dim);
        let line = Rect { y, height: 1, ..self.area };
        if self.axis.column(to) < 0 {
            put(buf, line, line.x, y, &format!("< until {}", when(to)), style);
        } else if self.axis.column(from) >= i32::from(self.axis.columns) {
            put_right(buf, line, y, &format!("from {} >", when(from)), style);
        }
    }

    fn write(&self, y: u16, column: usize, text: &str, style: Style, buf: &mut Buffer) {
        put(buf, Rect { y, height: 1, ..self.area }, self.area.x + column as u16, y, text, style);
    }
}

/// Puts the end of a life where it is seen. A killing is what one looks for; any other end makes room for what else its
/// column has, so that who sent signals with its last breath is seen to have done both.
fn end(marks: &mut [Option<Mark>], column: usize, mark: Mark) {
    let here = marks.get(column).copied().flatten();
    let lives_on = matches!(mark, Mark::Alive | Mark::Unknown);
    let crowded = mark != Mark::Killed && (here == Some(Mark::Sent) || lives_on && here == Some(Mark::Hit));
    // Not at the edge of the screen, nor where the next one begins.
    let room = marks.get(column + 1) == Some(&None);
    match crowded {
        true if room => marks[column + 1] = Some(mark),
        true if !lives_on => marks[column] = Some(mark),
        _ => set(marks, column, mark),
    }
}

fn set(marks: &mut [Option<Mark>], column: usize, mark: Mark) {
    if let Some(place) = marks.get_mut(column) {
        *place = (*place).max(Some(mark));
    }
}
