//! The timeline as a picture for a report: one SVG file, without script and without anything from elsewhere, that looks
//! right on light and on dark ground.
//!
//! Invariant: every text has passed [`crate::safe`] and [`escape`]. However long the recording, there are [`LANES_MAX`]
//! lanes at most, the most telling first, and it is said what was left out. Lanes and names are those of the viewer.

mod arrows;
mod bars;
mod style;

use std::{collections::HashMap, fmt::Write as _, io::Write};

use crate::{
    about::Ending,
    error::Error,
    explain::{Picked, text::Page},
    list::wrap,
    output::Palette,
    story::{
        finding::{Finding, Rule},
        shutdown::PhaseKind,
        world::Idx,
    },
    view::{
        lanes::{Group, Row},
        model::Model,
        text::{fit, width},
        timeline::{Axis, Warp, moment},
    },
};

/// The picture is this wide, pixels; trackers shrink what is wider.
const WIDE: u16 = 1240;
/// The lanes lie between these.
const LEFT: u16 = 262;
const RIGHT: u16 = 1002;
const MARGIN: u16 = 20;
/// One lane, and the line of a text.
const HIGH: i32 = 24;
const LINE: i32 = 19;
/// Columns of text: names in front of the lanes, ends behind them, and lines over the whole width.
const NAME_COLUMNS: usize = 28;
const END_COLUMNS: usize = 32;
const TEXT_COLUMNS: usize = 150;
/// More lanes are not looked at; one finding's lanes always are.
const LANES_MAX: usize = 40;
const FINDINGS_MAX: usize = 6;
const ADVICE_LINES: usize = 3;

/// Text for between tags and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A picture being drawn, from top to bottom.
struct Picture<'a> {
    model: &'a Model,
    axis: Axis<'a>,
    out: String,
    y: i32,
    /// The lanes that are drawn: their processes, and where their middle is.
    lanes: Vec<(Row, i32)>,
    place: HashMap<Idx, usize>,
}

/// Draws `picked`.
pub fn write(picked: Picked, ending: Ending, out: &mut dyn Write) -> Result<(), Error> {
    let model = Model::new(picked, ending);
    out.write_all(draw(&model).as_bytes())?;
    Ok(())
}

/// The picture of `model`.
pub fn draw(model: &Model) -> String {
    let span = model.whole_shutdown();
    let none = Warp::default();
    let whole = model.window(&none, span);
    let cut = model.window(&model.idle, span);
    // Time as it went says more, unless there is nothing to be seen in most of it.
    let warp =
        if (cut.to - cut.from).saturating_mul(2) < whole.to - whole.from { &model.idle } else { &none };
    let axis = Axis { warp, window: model.window(warp, span), columns: RIGHT - LEFT };
    let mut picture =
        Picture { model, axis, out: String::new(), y: 14, lanes: Vec::new(), place: HashMap::new() };
    picture.head();
    let top = picture.y;
    picture.phases();
    picture.choose();
    let scale = picture.y;
    picture.y += LINE;
    let mut lanes = std::mem::take(&mut picture.out);
    picture.lanes();
    let drawn = std::mem::take(&mut picture.out);
    picture.scale(scale, picture.y);
    lanes.push_str(&picture.out);
    lanes.push_str(&drawn);
    picture.out = lanes;
    picture.y += 10;
    picture.legend();
    picture.findings();
    picture.foot();
    let high = picture.y + 6;
    debug_assert!(top <= picture.y, "it is drawn from top to bottom");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDE} {high}\" width=\"{WIDE}\" height=\"{high}\" \
         role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n<style>{}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{}</svg>\n",
        escape(&page(model).title()),
        escape(&in_words(model)),
        style::css(),
        WIDE - 1,
        high - 1,
        picture.out
    )
}

fn page(model: &Model) -> Page<'_> {
    Page { picked: &model.picked, ending: model.ending, width: TEXT_COLUMNS - 10, palette: Palette::PLAIN }
}

/// For who cannot see it.
fn in_words(model: &Model) -> String {
    let findings = &model.story().findings;
    let mut text = String::from("A timeline of processes, the signals between them and how they ended.");
    for (at, finding) in findings.iter().take(FINDINGS_MAX).enumerate() {
        let _ = write!(text, " [{}] {}.", at + 1, finding.headline);
    }
    text
}

/// How bad a finding is.
const fn weight(finding: &Finding) -> &'static str {
    match finding.rule {
        Rule::Spared => "dim",
        Rule::WaitedFor | Rule::EventsLost if !finding.failed => "warn",
        _ => "bad",
    }
}

/// A phase in a word.
const fn short(kind: PhaseKind) -> &'static str {
    match kind {
        PhaseKind::Asked => "asked",
        PhaseKind::Stopping => "stop",
        PhaseKind::TermSpree => "TERM",
        PhaseKind::KillSpree => "KILL",
        PhaseKind::Unmounting => "umount",
        PhaseKind::End => "end",
    }
}

impl Picture<'_> {
    fn text(&mut self, class: &str, x: u16, y: i32, text: &str) {
        let _ = writeln!(self.out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text));
    }

    /// The pixel of a moment, within the lanes.
    fn x(&self, ns: u64) -> u16 {
        LEFT + self.axis.column(ns).clamp(0, i32::from(self.axis.columns)) as u16
    }

    fn head(&mut self) {
        let mut head = String::new();
        page(self.model).head(&mut head);
        for (at, line) in head.lines().enumerate() {
            self.y += if at == 0 { 20 } else { LINE };
            self.text(
                if at == 0 { "title" } else { "sub" },
                MARGIN,
                self.y,
                &fit(line.trim_start(), TEXT_COLUMNS),
            );
        }
        self.y += 16;
    }

    /// The ribbon above the lanes.
    fn phases(&mut self) {
        let Some(shutdown) = &self.model.story().shutdown else { return };
        let top = self.y;
        for phase in &shutdown.phases {
            let (from, to) = (self.x(phase.from.ns), self.x(phase.to_ns).max(self.x(phase.from.ns) + 2));
            let title = phase.kind.title();
            let _ = write!(
                self.out,
                "<g><title>{}, {}: {}</title><rect class=\"phase {}\" x=\"{from}\" y=\"{top}\" width=\"{}\" \
                 height=\"20\"/>",
                escape(title),
                moment(phase.from.ns, self.model.zero_ns, self.axis.column_ns()),
                escape(phase.rule),
                phase.kind.word(),
                to - from,
            );
            let room = usize::from(to - from).saturating_sub(10) / 7;
            let shown =
                [title, phase.kind.word(), short(phase.kind)].into_iter().find(|text| width(text) <= room);
            if let Some(shown) = shown {
                let _ = write!(
                    self.out,
                    "<text class=\"in\" x=\"{}\" y=\"{}\">{}</text>",
                    from + 6,
                    top + 14,
                    shown
                );
            }
            self.out.push_str("</g>\n");
        }
        self.y += 26;
    }

    /// The scale at `top`, and its lines down to `bottom`; what of idle time is left out.
    fn scale(&mut self, top: i32, bottom: i32) {
        let resolution = self.axis.column_ns().saturating_mul(80);
        for (column, ns) in self.axis.ticks(self.model.zero_ns, 92) {
            let x = LEFT + column;
            let _ = writeln!(
                self.out,
                "<path class=\"grid\" d=\"M{x}.5 {}V{bottom}\"/><text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>",
                top + 6,
                x + 4,
                top + 13,
                moment(ns, self.model.zero_ns, resolution)
            );
        }
        for (column, left_out_ns) in self.axis.seams() {
            let x = LEFT + column;
            let _ = writeln!(
                self.out,
                "<g><title>{} left out, in which nothing happened</title><path class=\"seam\" d=\"M{x} {}V{bottom}\"/></g>",
                crate::time::duration(left_out_ns),
                top + 6
            );
        }
    }

    /// The lanes that are drawn, and where.
    fn choose(&mut self) {
        let model = self.model;
        let story = (0..model.story_lanes.len()).map(|at| Row::Lane { group: Group::Story, at });
        let mut chosen: Vec<Row> = story.take(LANES_MAX).collect();
        let mut services: Vec<usize> = (0..model.service_lanes.len()).collect();
        // Who took longest says more than who was quick.
        services.sort_by_key(|at| {
            let procs = &model.service_lanes[*at].procs;
            std::cmp::Reverse(procs.iter().map(|idx| bars::telling(model, *idx)).max())
        });
        services.truncate(LANES_MAX - chosen.len());
        services.sort_unstable();
        chosen.extend(services.into_iter().map(|at| Row::Lane { group: Group::Services, at }));
        // Of a machine that lost its power the most telling are those whose end nobody saw.
        let story = model.story();
        let alive = model.others.iter().copied().filter(|idx| {
            let proc = model.world().proc_at(*idx);
            story.cut && story.matters(*idx) && proc.is_some_and(|proc| !proc.dead()) && !model.is_ours(*idx)
        });
        let room = LANES_MAX - chosen.len();
        chosen.extend(alive.take(room).map(|idx| Row::Proc { idx, depth: 0 }));
        for row in chosen {
            let at = self.lanes.len();
            for idx in model.procs_of(&row) {
                self.place.insert(*idx, at);
            }
            self.lanes.push((row, 0));
        }
    }

    fn lanes(&mut self) {
        let mut group = None;
        for at in 0..self.lanes.len() {
            let of = match self.lanes[at].0 {
                Row::Lane { group, .. } => group,
                Row::Group { .. } | Row::Proc { .. } => Group::Services,
            };
            if group.replace(of) != Some(of) {
                self.y += 20;
                self.text("group", MARGIN, self.y - 5, of.title());
                let line = format!("<path class=\"rule\" d=\"M{MARGIN} {}.5H{}\"/>\n", self.y, WIDE - MARGIN);
                self.out.push_str(&line);
            }
            self.lanes[at].1 = self.y + HIGH / 2;
            self.y += HIGH;
        }
        self.arrows();
        for at in 0..self.lanes.len() {
            self.lane(at);
        }
    }

    /// A lane: who, what it lived, how it ended.
    fn lane(&mut self, at: usize) {
        let (row, y) = self.lanes[at];
        let model = self.model;
        let procs = model.procs_of(&row);
        let finding = procs.iter().find_map(|idx| model.finding_of(*idx));
        if let Some(number) = finding {
            let class = model.story().findings.get(number).map_or("bad", weight);
            self.badge(class, MARGIN + 9, y, number + 1);
        }
        let label = model.row_label(&row, NAME_COLUMNS);
        self.text("name", MARGIN + 26, y + 4, &label);
        self.bars(procs, y);
        let told = bars::end_of_lane(model, procs);
        let _ = writeln!(
            self.out,
            "<g><title>{}</title><text class=\"end {}\" x=\"{}\" y=\"{}\">{}</text></g>",
            escape(&told.text),
            told.class,
            RIGHT + 12,
            y + 4,
            escape(&fit(&told.text, END_COLUMNS))
        );
    }

    fn badge(&mut self, class: &str, x: u16, y: i32, number: usize) {
        let _ = writeln!(
            self.out,
            "<circle class=\"badge {class}\" cx=\"{x}\" cy=\"{y}\" r=\"8.5\"/><text class=\"number\" x=\"{x}\" y=\"{}\">{number}</text>",
            y + 4
        );
    }

    fn findings(&mut self) {
        let model = self.model;
        let findings = &model.story().findings;
        for (at, finding) in findings.iter().take(FINDINGS_MAX).enumerate() {
            self.y += 26;
            self.badge(weight(finding), MARGIN + 9, self.y - 4, at + 1);
            let headline = format!("{} ({})", finding.headline, finding.confidence.words());
            self.wrapped("headline", &headline, 4);
            if let Some(advice) = &finding.advice {
                self.y += LINE;
                self.wrapped("advice", &format!("To change: {advice}."), ADVICE_LINES);
            }
        }
        if findings.len() > FINDINGS_MAX {
            self.y += 24;
            let text = format!("{} more findings: lastrites explain", findings.len() - FINDINGS_MAX);
            self.text("advice", MARGIN + 26, self.y, &text);
        }
        self.y += 12;
    }

    fn wrapped(&mut self, class: &str, text: &str, most: usize) {
        let wrapped = wrap(text, TEXT_COLUMNS, 0);
        let lines: Vec<&str> = wrapped.lines().collect();
        for (at, line) in lines.iter().take(most).enumerate() {
            self.y += if at == 0 { 0 } else { LINE };
            let cut = at + 1 == most && lines.len() > most;
            let line = if cut { format!("{line} …") } else { (*line).to_owned() };
            // A word may be longer than a line.
            self.text(class, MARGIN + 26, self.y, &fit(&line, TEXT_COLUMNS + 10));
        }
    }

    /// What is not in the picture.
    fn foot(&mut self) {
        let model = self.model;
        let all = [&model.story_lanes, &model.service_lanes];
        let lanes: usize = all.iter().map(|lanes| lanes.len()).sum();
        let mut left_out = Vec::new();
        let single = self.lanes.iter().filter(|(row, _)| matches!(row, Row::Proc { .. })).count();
        let drawn = self.lanes.len() - single;
        if lanes > drawn {
            left_out.push(format!("{} more lanes of services", lanes - drawn));
        }
        match model.others.len() - single {
            0 => {}
            1 => left_out.push("1 other process".into()),
            n => left_out.push(format!("{n} other processes")),
        }
        if !self.axis.warp.is_none() {
            left_out.push("time in which nothing happened, at the dashed lines".into());
        }
        let mut text = String::new();
        if !left_out.is_empty() {
            let _ = write!(text, "Not in the picture: {}. ", left_out.join("; "));
        }
        let id = model.picked.summary.session.id.to_string();
        let _ = write!(text, "Drawn by lastrites from recording {}.", &id[..8]);
        self.y += 16;
        self.text("foot", MARGIN, self.y, &text);
        self.y += 8;
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            escape("<script>alert('x' & \"y\")</script>"),
            "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;"
        );
    }
}
