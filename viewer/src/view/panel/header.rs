//! What happened to which machine, who asked for it, how it ended, what is missing, and the worst of it.
//!
//! ```text
//! db7 rebooted 25 Nov 2026 02:29:15 UTC · sysvinit 3.06, runlevel 6                1 finding, 1 noted · 0 lost · sealed
//! asked for by root via ssh from 10.0.0.5: shutdown -r now · sshd -> bash -> shutdown
//! 29.4 s to the last hook · 1523 events · sealed at its last hook
//! ✖ mongod 986 was killed by killall5 -9 of sendsigs, 13.5 s after its restart · rc -> .. -> killall5 -9
//! ```
//!
//! With fewer rows the third goes first, then the second: the last one then says who asked.

use ratatui::{buffer::Buffer, layout::Rect};

use super::findings;
use crate::{
    about::{self, Ending},
    safe, time,
    view::{
        app::App,
        model::Model,
        palette::Look,
        text::{fit, middle, put, put_right, width},
    },
};

pub fn draw(app: &App, model: &Model, area: Rect, buf: &mut Buffer) {
    let row = |at: u16| Rect { y: area.y + at, height: 1, ..area };
    what(app, model, row(0), buf);
    let (second, third) = (area.height > 2, area.height > 3);
    if second {
        let mut pieces = asker(model);
        if !third {
            pieces.extend(course(app, model));
        }
        put_pieces(app, &pieces, row(1), buf);
    }
    if third {
        put_pieces(app, &course(app, model), row(2), buf);
    }
    if area.height > 1 {
        let top = 1 + u16::from(second) + u16::from(third);
        worst(app, model, Rect { y: area.y + top, height: area.height - top, ..area }, !second, buf);
    }
}

/// The first row: of what has no room the least important is left out, on both sides.
fn what(app: &App, model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let (story, summary) = (model.story(), &model.picked.summary);
    let room = usize::from(area.width);
    let host = match summary.session.hostname.as_str() {
        "" => "the machine".to_owned(),
        name => fit(&safe::text(name.as_bytes()), room / 4),
    };
    let start_ns = story.shutdown.as_ref().map_or(model.zero_ns, |shutdown| shutdown.begin.ns);
    let at = |format: &str| model.clocks.wall(start_ns).format(format).to_string();
    let (day, short, hour) = (at("%-d %b %Y %H:%M:%S"), at("%-d %b %H:%M:%S"), at("%H:%M:%S"));
    let mut init = story.init_text.clone();
    let verb = match &story.shutdown {
        Some(shutdown) if story.init.is_rc() => {
            init.push_str(&format!(", runlevel {}", shutdown.level()));
            story.verb()
        }
        Some(_) => story.verb(),
        None => "was recorded, no shutdown",
    };
    let zone = model.clocks.zone(start_ns);
    let lefts = [
        format!("{verb} {day} {zone} · {init}"),
        format!("{verb} {day} · {init}"),
        format!("{verb} {day}"),
        format!("{verb} {short}"),
        format!("{verb} {hour}"),
        verb.to_owned(),
    ];
    let (bad, noted) = model.counts();
    let found = match bad {
        _ if model.partial => "only its end so far".to_owned(),
        // Of what is not there nobody can say that it went well: what is missing stands in its place.
        0 if !summary.gaps.is_empty() => String::new(),
        0 if story.shutdown.is_none() => "no findings".to_owned(),
        0 => "nothing wrong".to_owned(),
        1 => "1 finding".to_owned(),
        n => format!("{n} findings"),
    };
    let noted = match noted {
        0 => String::new(),
        _ if model.partial => String::new(),
        n if found.is_empty() => format!("{n} noted"),
        n => format!(", {n} noted"),
    };
    let gaps = match summary.gaps.len() {
        0 => String::new(),
        1 => "damaged, 1 gap".to_owned(),
        n => format!("damaged, {n} gaps"),
    };
    // What is missing is said first, and last left out.
    let lost = format!("{} lost", summary.lost);
    let must = if summary.lost == 0 { "" } else { lost.as_str() };
    let live = match (app.live, app.gone) {
        (_, true) => "its file is gone",
        (true, false) => "live",
        (false, false) => "",
    };
    let end = match model.ending {
        Ending::Damaged if !gaps.is_empty() => "",
        Ending::Recording if app.gone => "",
        ending => ending.word(),
    };
    let said =
        |parts: [&str; 5]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ");
    let both = format!("{found}{noted}");
    let rights = [
        said([live, &gaps, &both, &lost, end]),
        said([live, &gaps, &both, must, end]),
        said([live, &gaps, &found, must, end]),
        said(["", &gaps, must, &found, ""]),
    ];
    let free = room.saturating_sub(width(&host) + 3);
    let choices = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (4, 1), (3, 2), (4, 2), (5, 2), (5, 3)];
    let fits = |(left, right): &(usize, usize)| width(&lefts[*left]) + width(&rights[*right]) <= free;
    let (left, right) = choices.into_iter().find(fits).unwrap_or((5, 3));
    let x = put(buf, area, area.x, area.y, &host, theme.style(Look::Title));
    let x = put(buf, area, x + 1, area.y, &lefts[left], theme.style(Look::Strong));
    let look = if model.partial || bad == 0 && !gaps.is_empty() {
        Look::Warn
    } else if bad > 0 {
        Look::Bad
    } else {
        Look::Good
    };
    let rest = Rect { x: (x + 2).min(area.right()), width: area.right().saturating_sub(x + 2), ..area };
    put_right(buf, rest, area.y, &rights[right], theme.style(look));
}

/// What is said, the longest way first; of what has no room the next is tried.
type Piece = (Vec<String>, Look);

fn piece(text: impl Into<String>, look: Look) -> Piece {
    (vec![text.into()], look)
}

/// Who asked, in which words, and through whom.
fn asker(model: &Model) -> Vec<Piece> {
    let Some(shutdown) = &model.story().shutdown else { return Vec::new() };
    let Some(asked) = &shutdown.asked else {
        if model.partial {
            return vec![piece("who asked for it is not read yet", Look::Warn)];
        }
        return vec![piece("nobody was seen to ask for it", Look::Warn)];
    };
    let person = asked.person();
    let mut pieces = match person.is_empty() {
        true => vec![piece(format!("asked for by {}", asked.how), Look::Accent)],
        false => vec![piece(format!("asked for by {person}: {}", asked.how), Look::Accent)],
    };
    if asked.chain.contains(" -> ") {
        pieces.push(piece(asked.chain.clone(), Look::Dim));
    }
    pieces
}

/// How long it took, how it ended, how much was seen, and what was not.
fn course(app: &App, model: &Model) -> Vec<Piece> {
    let (story, summary) = (model.story(), &model.picked.summary);
    let mut pieces: Vec<Piece> = Vec::new();
    if let Some(shutdown) = &story.shutdown {
        let (to, took) = (shutdown.to(), time::duration(shutdown.took_ns()));
        let last = if model.partial { "the last " } else { "" };
        pieces.push((vec![format!("{last}{took} {to}"), format!("{last}{took}")], Look::Dim));
    }
    // What is missing is not to be missed.
    pieces.extend(summary.gaps.iter().map(|gap| piece(format!("missing: {}", about::gap(gap)), Look::Warn)));
    if model.picked.count > 1 {
        pieces.push(piece(format!("recording {} of {}", model.picked.number, model.picked.count), Look::Dim));
    }
    let events = match model.partial {
        true => format!("{} of {} events", model.world().events, summary.events),
        false => format!("{} events", summary.events),
    };
    pieces.push(piece(events, Look::Dim));
    pieces.push(match model.ending {
        // Of what came after it was read for the last time nothing is known.
        Ending::Recording if app.gone => piece("its file is gone: this is what was read of it", Look::Warn),
        ending => piece(ending.sentence(), Look::Dim),
    });
    pieces
}

/// As many as there is room for, in order; the first is cut rather than left out, and of a chain its middle is.
fn put_pieces(app: &App, pieces: &[Piece], area: Rect, buf: &mut Buffer) {
    let mut x = area.x;
    for (at, (texts, look)) in pieces.iter().enumerate() {
        let gap = if at == 0 { "" } else { " · " };
        let room = usize::from(area.right().saturating_sub(x)).saturating_sub(width(gap));
        let text = match texts.iter().find_map(|text| middle(text, room)) {
            Some(text) => text,
            None if at == 0 => fit(&texts[0], room),
            None => continue,
        };
        x = put(buf, area, x, area.y, gap, app.theme.style(Look::Dim));
        x = put(buf, area, x, area.y, &text, app.theme.style(*look));
    }
}

/// The worst that happened: with the sign of a death where there was one, in grey where there was no trouble at all.
fn worst(app: &App, model: &Model, area: Rect, asker: bool, buf: &mut Buffer) {
    let Some(worst) = &model.worst else { return };
    let look = model.story().findings.first().map_or(Look::Dim, findings::look);
    let (sign, look) = match look {
        _ if worst.killing => (app.theme.glyphs.killed, Look::Bad),
        Look::Dim => ("", Look::Dim),
        look => ("!", look),
    };
    let style = app.theme.style(look);
    let x = put(buf, area, area.x, area.y, sign, style);
    let x = if sign.is_empty() { x } else { x + 1 };
    let room = usize::from(area.right().saturating_sub(x));
    put(buf, area, x, area.y, &worst.told(room, asker), style);
}
