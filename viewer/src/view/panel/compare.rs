//! Two shutdowns side by side in time, aligned at the request: what is different, on one scale.
//!
//! ```text
//! A  db7 rebooted 12 Nov 2026 03:14:07 UTC · 11.8 s · recording 3
//! B  db7 rebooted 25 Nov 2026 02:29:15 UTC · 29.4 s, 17.6 s longer · recording 4
//!                        ┬+0.0 s            ┬+10.0 s           ┬+20.0 s
//!  A                     stop  SIGTERM      K unmount
//!  B                     stop  SIGTERM spree                         KILL unmounting
//! ── differences 1 to 9 of 23 ─────────────────────────────────────────────────────────────
//! took longer to stop in B
//!  mongod              A ━━━▼╍○ 0.4 s
//!                      B ━━━▼╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍╍✖ 13.0 s
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    diff::Which,
    safe,
    story::fate::Verdict,
    time,
    view::{
        app::App,
        compared::{Compared, Life, Line},
        palette::Look,
        text::{clear, fit, put, put_right, width},
        timeline::{Axis, Warp, Window, moment},
    },
};

/// Two heads, a scale, two ribbons, a rule, and the last line.
const FIXED: u16 = 7;

/// How far the list can be scrolled.
pub fn last_top(app: &App) -> usize {
    let lines = app.compared.as_ref().map_or(0, |compared| compared.lines.len());
    lines.saturating_sub(app.size.1.saturating_sub(FIXED).into())
}

/// Where names end and the time axis begins.
struct Columns<'a> {
    area: Rect,
    names: u16,
    axis: Axis<'a>,
}

pub fn draw(app: &App, top: usize, area: Rect, buf: &mut Buffer) {
    clear(buf, area, app.theme.style(Look::Text));
    let Some(compared) = &app.compared else { return };
    let row = |y: u16| Rect { y: area.y + y, height: 1, ..area };
    head(app, compared, Which::A, row(0), buf);
    head(app, compared, Which::B, row(1), buf);
    let names = (area.width / 4).clamp(12, 30);
    let span = compared.span_ns + compared.span_ns / 20 + 1;
    let warp = Warp::default();
    let columns = area.width.saturating_sub(names + 2).max(1);
    let axis = Axis { warp: &warp, window: Window { from: 0, to: span }, columns };
    let at = Columns { area, names, axis };
    scale(app, &at, row(2), buf);
    ribbon(app, compared, Which::A, &at, row(3), buf);
    ribbon(app, compared, Which::B, &at, row(4), buf);
    let list = Rect { y: area.y + 6, height: area.height.saturating_sub(FIXED), ..area };
    let shown = usize::from(list.height).min(compared.lines.len().saturating_sub(top));
    let title =
        format!("differences {} to {} of {}", (top + 1).min(top + shown), top + shown, compared.lines.len());
    let rule = app.theme.glyphs.rule;
    put(buf, area, area.x, area.y + 5, &rule.repeat(area.width.into()), app.theme.style(Look::Frame));
    put(buf, area, area.x + 2, area.y + 5, &format!(" {title} "), app.theme.style(Look::Title));
    let mut before: Option<&str> = None;
    for (line, y) in compared.lines.iter().skip(top).zip(list.top()..list.bottom()) {
        before = draw_line(app, line, before, &at, Rect { y, height: 1, ..list }, buf);
    }
    let mut said =
        "? help  Esc closes  arrows scroll  A is the older, B the newer; times count from the request";
    let mut look = Look::Dim;
    if !app.message.is_empty() {
        (said, look) = (&app.message, Look::Warn);
    }
    let last = area.bottom().saturating_sub(1);
    put(buf, area, area.x, last, &fit(said, area.width.into()), app.theme.style(look));
}

fn head(app: &App, compared: &Compared, which: Which, area: Rect, buf: &mut Buffer) {
    let side = compared.side(which);
    let model = &side.model;
    let x = put(buf, area, area.x, area.y, which.letter(), app.theme.style(Look::Key)) + 2;
    let host = safe::text(model.picked.summary.session.hostname.as_bytes());
    let verb = model.story().verb();
    let when = model.clocks.wall(model.zero_ns).format("%-d %b %Y %H:%M:%S");
    let zone = model.clocks.zone(model.zero_ns);
    let mut text = format!("{host} {verb} {when} {zone} · {}", time::duration(side.took_ns()));
    if !side.ended() {
        // How long it took is not known; the list says more.
        text.push_str(" to the last event, not to its end");
    }
    let other = &compared.a;
    if which == Which::B && side.ended() && other.ended() {
        let by = time::duration(side.took_ns().abs_diff(other.took_ns()));
        let word = if side.took_ns() >= other.took_ns() { "longer" } else { "shorter" };
        text.push_str(&format!(", {by} {word}"));
    }
    text.push_str(&format!(" · recording {}", model.picked.number));
    // Which file, where they are of two.
    if compared.a.model.picked.path != compared.b.model.picked.path
        && let Some(file) = app.files.get(app.spot_of(model).file)
    {
        text.push_str(&format!(" of {}", file.title));
    }
    let room = usize::from(area.right().saturating_sub(x));
    put(buf, area, x, area.y, &fit(&text, room), app.theme.style(Look::Strong));
}

fn scale(app: &App, at: &Columns<'_>, area: Rect, buf: &mut Buffer) {
    let x = area.x + at.names + 2;
    for (column, ns) in at.axis.ticks(0, 14) {
        let style = app.theme.style(Look::Dim);
        let text = moment(ns, 0, at.axis.column_ns().saturating_mul(10));
        put(buf, area, x + column, area.y, app.theme.glyphs.tick, app.theme.style(Look::Frame));
        if usize::from(area.right().saturating_sub(x + column + 1)) >= width(&text) {
            put(buf, area, x + column + 1, area.y, &text, style);
        }
    }
}

fn ribbon(app: &App, compared: &Compared, which: Which, at: &Columns<'_>, area: Rect, buf: &mut Buffer) {
    let side = compared.side(which);
    put(buf, area, area.x + at.names, area.y, which.letter(), app.theme.style(Look::Key));
    let Some(shutdown) = &side.model.story().shutdown else { return };
    let x = area.x + at.names + 2;
    for phase in &shutdown.phases {
        let from = at.axis.column(phase.from.ns.saturating_sub(side.zero_ns)).max(0);
        let to = at.axis.column(phase.to_ns.saturating_sub(side.zero_ns)).min(at.axis.columns.into());
        if to <= from {
            continue;
        }
        let room = (to - from) as usize;
        let name = [phase.kind.title(), phase.kind.word()].into_iter().find(|name| width(name) < room);
        let wall = app.theme.glyphs.side;
        let text = format!("{wall}{:rest$}", name.unwrap_or_default(), rest = room - 1);
        put(buf, area, x + from as u16, area.y, &text, app.theme.style(Look::Phase(phase.kind as u8)));
    }
}

/// Returns whose life it was, whose name need not be written again.
fn draw_line<'a>(
    app: &App,
    line: &'a Line,
    before: Option<&str>,
    at: &Columns<'_>,
    area: Rect,
    buf: &mut Buffer,
) -> Option<&'a str> {
    let theme = &app.theme;
    match line {
        Line::Title(text) => {
            put(buf, area, area.x, area.y, &fit(text, area.width.into()), theme.style(Look::Title));
            None
        }
        Line::Word { which, text, look } => {
            let x = put(buf, area, area.x + 1, area.y, which.letter(), theme.style(Look::Key)) + 1;
            let room = usize::from(area.right().saturating_sub(x));
            put(buf, area, x, area.y, &fit(text, room), theme.style(*look));
            None
        }
        Line::Life { who, which, life, text, look } => {
            if before != Some(who.as_str()) {
                let room = usize::from(at.names.saturating_sub(2));
                put(buf, area, area.x + 1, area.y, &fit(who, room), theme.style(Look::Strong));
            }
            put(buf, area, area.x + at.names, area.y, which.letter(), theme.style(Look::Key));
            let place = Rect { x: at.area.x + at.names + 2, width: at.axis.columns, ..area };
            match life {
                Some(life) => draw_life(app, life, text, *look, at, place, buf),
                None => drop(put(
                    buf,
                    place,
                    place.x,
                    place.y,
                    &fit(text, place.width.into()),
                    theme.style(*look),
                )),
            }
            Some(who)
        }
    }
}

fn draw_life(app: &App, life: &Life, text: &str, look: Look, at: &Columns<'_>, area: Rect, buf: &mut Buffer) {
    let (theme, glyphs) = (&app.theme, app.theme.glyphs);
    let last = at.axis.columns.saturating_sub(1);
    let column = |ns: u64| at.axis.column(ns).clamp(0, last.into()) as u16;
    let (from, to) = (column(life.from_ns), column(life.to_ns));
    let told = life.told_ns.map(column);
    for x in from..to {
        let (glyph, look) = match told {
            Some(told) if x == told => (glyphs.hit, Look::Signal),
            Some(told) if x > told => (glyphs.told, Look::Told),
            _ if life.heir => (glyphs.heir, Look::Heir),
            _ => (glyphs.run, Look::Run),
        };
        put(buf, area, area.x + x, area.y, glyph, theme.style(look));
    }
    let (glyph, end) = match life.verdict {
        Verdict::Killed => (glyphs.killed, Look::Bad),
        Verdict::CutOff | Verdict::NeverTold => (glyphs.alive, Look::Warn),
        Verdict::NoEnd => (glyphs.unknown, Look::Warn),
        Verdict::Stopped | Verdict::Left if life.failed => (glyphs.failed, Look::Warn),
        Verdict::Stopped | Verdict::Left => (glyphs.exited, Look::Good),
    };
    put(buf, area, area.x + to, area.y, glyph, theme.style(end));
    // Words go behind the end, else onto the life, else in front of the beginning: wherever there is most room.
    let behind = usize::from(last.saturating_sub(to)).saturating_sub(1);
    let front = usize::from(from).saturating_sub(width(glyphs.about) + 1);
    let onto = usize::from(to.saturating_sub(from)).saturating_sub(4);
    let most = behind.max(front).max(onto).min(width(text));
    let text = fit(text, most);
    if behind >= most {
        put(buf, area, area.x + to + 2, area.y, &text, theme.style(look));
    } else if onto >= most {
        put_right(buf, Rect { width: to, ..area }, area.y, &format!(" {text} "), theme.style(look));
    } else {
        // In front of it are words about what comes after them.
        let text = format!("{text} {}", glyphs.about);
        put_right(buf, Rect { width: from, ..area }, area.y, &text, theme.style(look));
    }
}
