//! What happened to which machine, how it ended, and what is missing.
//!
//! ```text
//! db7 rebooted 25 Nov 2026 02:29:15 · by reboot (root) · sysvinit 3.06, runlevel 6          1 finding · 0 lost · sealed
//! 29.4 s to the last hook · 1523 events, 0 lost · sealed at the last hook of the shutdown
//! ✖ mongod 986 was killed by killall5 -9 of rc -> startpar -> sendsigs, because of reboot (root); it had been restarted
//! ```

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    about,
    list::wrap,
    safe,
    story::finding::Rule,
    time,
    view::{
        app::App,
        model::Model,
        palette::Look,
        text::{fit, put, put_right, width},
    },
};

pub fn draw(app: &App, model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let (story, summary) = (model.story(), &model.picked.summary);
    let host = match summary.session.hostname.as_str() {
        "" => "the machine".to_owned(),
        name => safe::text(name.as_bytes()),
    };
    let mut facts: Vec<String> = Vec::new();
    match &story.shutdown {
        Some(shutdown) => {
            let verb = if shutdown.ended || !story.cut { shutdown.aim.verb() } else { "was going down" };
            let when = model.clocks.wall(shutdown.begin.ns).format("%-d %b %Y %H:%M:%S");
            facts.push(format!("{verb} {when}"));
            facts.push(match &shutdown.asked {
                Some(asked) if asked.who.is_empty() => format!("by {}", asked.how),
                Some(asked) => format!("by {} ({})", asked.how, asked.who),
                None => "nobody was seen to ask for it".into(),
            });
        }
        None => {
            let when = model.clocks.wall(model.zero_ns).format("%-d %b %Y %H:%M:%S");
            facts.push(format!("recorded from {when}: no shutdown"));
        }
    }
    let mut init = story.init_text.clone();
    if let Some(shutdown) = story.shutdown.as_ref().filter(|_| story.init.is_rc()) {
        init.push_str(&format!(", runlevel {}", shutdown.level()));
    }
    facts.push(init);
    let bad = story.findings.iter().filter(|finding| finding.rule != Rule::Spared || finding.failed).count();
    let noted = match story.findings.len() - bad {
        0 => String::new(),
        n => format!(", {n} noted"),
    };
    let verdict = match bad {
        0 => format!("nothing wrong{noted}"),
        1 => format!("1 finding{noted}"),
        n => format!("{n} findings{noted}"),
    };
    let live = if app.live { "live · " } else { "" };
    let right = format!("{live}{verdict} · {} lost · {}", summary.lost, model.ending.word());
    let room = usize::from(area.width);
    let mut x = put(buf, area, area.x, area.y, &fit(&host, room), theme.style(Look::Title));
    // What has no room is left out from the end; the verdict stays.
    let mut left = facts.join(" · ");
    let free = room.saturating_sub(width(&host) + 3 + width(&right) + 2);
    while width(&left) > free && facts.len() > 1 {
        facts.pop();
        left = facts.join(" · ");
    }
    x = put(buf, area, x + 1, area.y, &fit(&left, free.max(8)), theme.style(Look::Strong));
    let look = if bad > 0 { Look::Bad } else { Look::Good };
    let rest = Rect { x: (x + 2).min(area.right()), width: area.right().saturating_sub(x + 2), ..area };
    put_right(buf, rest, area.y, &right, theme.style(look));
    let mut y = area.y + 1;
    if area.height > 2 {
        second(app, model, Rect { y, height: 1, ..area }, buf);
        y += 1;
    }
    if area.height > 1
        && let Some(verdict) = &model.verdict
    {
        let x = put(buf, area, area.x, y, theme.glyphs.killed, theme.style(Look::Bad)) + 1;
        let room = usize::from(area.right().saturating_sub(x));
        // In as many lines as there are: who asked stands at its end.
        let rows = usize::from(area.bottom().saturating_sub(y));
        let wrapped = wrap(verdict, room.max(1), 0);
        let lines: Vec<&str> = wrapped.lines().collect();
        for (at, line) in lines.iter().take(rows).enumerate() {
            let last = at + 1 == rows && lines.len() > rows;
            let text = if last { lines[at..].join(" ") } else { (*line).to_owned() };
            put(buf, area, x, y + at as u16, &fit(&text, room), theme.style(Look::Bad));
        }
    }
}

/// How long, how much, what is missing.
fn second(app: &App, model: &Model, area: Rect, buf: &mut Buffer) {
    let (story, summary) = (model.story(), &model.picked.summary);
    let mut text = String::new();
    if let Some(shutdown) = &story.shutdown {
        let to = match (shutdown.called, shutdown.ended) {
            (true, _) => "to reboot(2)",
            (_, true) => "to the last hook",
            _ => "to the last event",
        };
        text.push_str(&format!("{} {to} · ", time::duration(shutdown.took_ns())));
    }
    text.push_str(&format!("{} events · {}", summary.events, model.ending.sentence()));
    if model.picked.count > 1 {
        text.push_str(&format!(" · recording {} of {}", model.picked.number, model.picked.count));
    }
    let room = usize::from(area.width);
    let x = put(buf, area, area.x, area.y, &fit(&text, room), app.theme.style(Look::Dim));
    let missing: Vec<String> =
        summary.gaps.iter().map(|gap| format!("missing: {}", about::gap(gap))).collect();
    if !missing.is_empty() && x + 4 < area.right() {
        let room = usize::from(area.right() - x - 3);
        put(buf, area, x + 3, area.y, &fit(&missing.join(" · "), room), app.theme.style(Look::Warn));
    }
}
