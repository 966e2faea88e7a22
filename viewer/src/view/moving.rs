//! Moving through time and lines.

use super::{
    Subject,
    action::Action,
    app::{App, Focus},
    facts,
    model::Model,
    text,
    timeline::{CLOSEST_NS, Window, moment},
};
use crate::{
    names,
    story::{
        shutdown::Shutdown,
        world::{At, Idx},
    },
};

/// What an event is to the lane that it is on.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Born(Idx),
    Ended(Idx),
    Got(u32),
    Sent(u32),
}

impl Happening {
    fn words(self, model: &Model) -> String {
        let (story, world) = (model.story(), model.world());
        match self {
            Self::Born(idx) => format!("{} was born", model.label(idx)),
            Self::Ended(idx) => {
                let status = world.proc_at(idx).map_or(0, |proc| proc.status);
                format!("{} ended: {}", model.label(idx), names::status(status.into()))
            }
            Self::Got(at) => world.sig(at).map_or_else(String::new, |sent| {
                let from = story.sender(sent);
                let (name, from) = (names::signal(sent.sig), text::brief(from.trim_end_matches(',')));
                format!("{name} from {from}: {}", facts::fared(world, sent))
            }),
            Self::Sent(at) => world.sig(at).map_or_else(String::new, |sent| {
                format!("it sent {} to {}", names::signal(sent.sig), model.label(sent.target))
            }),
        }
    }
}

impl App {
    pub(super) fn moves(&mut self, action: Action) {
        let page = i64::from(self.areas().lanes.height.max(2)) - 1;
        match action {
            Action::Up => self.step_line(-1),
            Action::Down => self.step_line(1),
            Action::PageUp => self.step_line(-page),
            Action::PageDown => self.step_line(page),
            Action::First => self.step_line(i64::MIN / 2),
            Action::Last => self.step_line(i64::MAX / 2),
            Action::Left => self.step_cursor(-1),
            Action::Right => self.step_cursor(1),
            Action::PanLeft => self.pan(-((self.window.to - self.window.from) as i64) / 4),
            Action::PanRight => self.pan((self.window.to - self.window.from) as i64 / 4),
            Action::ZoomIn => self.zoom(2, 3),
            Action::ZoomOut => self.zoom(3, 2),
            Action::ZoomShutdown => {
                self.zoom_to(|app| app.model.as_ref().map(|model| model.whole_shutdown()))
            }
            Action::ZoomAll => self.zoom_to(|app| app.model.as_ref().map(|model| model.whole())),
            Action::ZoomSubject => self.zoom_to(Self::span_of_subject),
            Action::NextPhase => self.step_phase(1),
            Action::PreviousPhase => self.step_phase(-1),
            Action::NextEvent => self.step_event(true),
            Action::PreviousEvent => self.step_event(false),
            Action::Compress => self.compress(),
            _ => {}
        }
    }

    fn step_line(&mut self, by: i64) {
        let step = |at: usize, count: usize| {
            (at as i64).saturating_add(by).clamp(0, count.saturating_sub(1) as i64) as usize
        };
        match self.focus {
            Focus::Lanes => {
                self.row = step(self.row, self.rows.len());
                self.select_row();
                self.follow_row();
            }
            Focus::Findings => {
                let count = self.model.as_ref().map_or(0, |model| model.story().findings.len());
                let at = step(self.finding, count);
                if at != self.finding {
                    self.go(Subject::Finding(at));
                }
            }
            Focus::Detail => self.fact = step(self.fact, self.facts.len()),
        }
    }

    /// Puts the cursor on a column.
    pub(super) fn point_at(&mut self, column: u16) {
        if let Some(model) = self.model.clone() {
            self.cursor_ns = self.axis(&model, self.columns()).start(column.min(self.columns() - 1));
        }
    }

    fn step_cursor(&mut self, by: i32) {
        if self.focus == Focus::Findings || self.focus == Focus::Detail {
            self.focus = Focus::Lanes;
        }
        let Some(model) = self.model.clone() else { return };
        let columns = self.columns();
        let at = self.axis(&model, columns).column(self.cursor_ns) + by;
        if at < 0 || at >= i32::from(columns) {
            self.pan((self.window.to - self.window.from) as i64 / 8 * i64::from(by.signum()));
        }
        let axis = self.axis(&model, columns);
        let at = (axis.column(self.cursor_ns) + by).clamp(0, i32::from(columns) - 1);
        self.cursor_ns = axis.start(at as u16);
        self.select_row();
    }

    /// The farthest one can look: all that was recorded, and something around it.
    fn limits(&self) -> Window {
        match &self.model {
            Some(model) => {
                let whole = model.window(self.warp(model), model.whole());
                let around = (whole.to - whole.from) / 10 + CLOSEST_NS;
                Window { from: whole.from.saturating_sub(around), to: whole.to.saturating_add(around) }
            }
            None => Window { from: 0, to: CLOSEST_NS },
        }
    }

    /// Moves the view by view nanoseconds.
    pub(super) fn pan(&mut self, by: i64) {
        let limits = self.limits();
        let span = self.window.to - self.window.from;
        let last = limits.to.saturating_sub(span).max(limits.from);
        let from = self.window.from.saturating_add_signed(by).clamp(limits.from, last);
        self.window = Window { from, to: from + span };
    }

    /// Makes `times` of `of` parts visible, with the cursor where it is.
    fn zoom(&mut self, times: u64, of: u64) {
        let Some(model) = self.model.clone() else { return };
        let limits = self.limits();
        let span = self.window.to - self.window.from;
        let new = (u128::from(span) * u128::from(times) / u128::from(of)) as u64;
        let new = new.clamp(CLOSEST_NS, (limits.to - limits.from).max(CLOSEST_NS));
        let cursor = self.warp(&model).view(self.cursor_ns);
        let inside = (self.window.from..=self.window.to).contains(&cursor);
        let pin = if inside { cursor } else { self.window.from + span / 2 };
        let before = (u128::from(pin - self.window.from) * u128::from(new) / u128::from(span.max(1))) as u64;
        let from = pin.saturating_sub(before);
        self.window = Window { from, to: from + new };
        self.pan(0);
    }

    fn zoom_to(&mut self, span: impl Fn(&Self) -> Option<(u64, u64)>) {
        if let (Some(span), Some(model)) = (span(self), self.model.clone()) {
            self.window = model.window(self.warp(&model), span);
            if self.window.to - self.window.from < CLOSEST_NS {
                self.window.to = self.window.from + CLOSEST_NS;
            }
        }
    }

    /// From when to when the subject is about, with a margin.
    fn span_of_subject(&self) -> Option<(u64, u64)> {
        let model = self.model.as_ref()?;
        let (from, to) = match self.subject? {
            Subject::Proc(idx) => (model.birth(idx).max(model.first_ns), model.end_of(idx)),
            Subject::Sig(at) => {
                let sent = model.world().sig(at)?;
                (sent.at.ns, sent.took().map_or(sent.at.ns + 1_000_000, |(at, _)| at.ns))
            }
            Subject::Finding(at) => {
                let steps = &model.story().findings.get(at)?.steps;
                let times = || steps.iter().filter_map(|step| step.at).map(|at| at.ns);
                (times().min()?, times().max()?)
            }
            Subject::Phase(at) => {
                let phase = model.story().shutdown.as_ref()?.phases.get(at)?;
                (phase.from.ns, phase.to_ns)
            }
        };
        let margin = (to.saturating_sub(from) / 12).max(CLOSEST_NS);
        Some((from.saturating_sub(margin), to.saturating_add(margin)))
    }

    /// Makes `ns` visible, moving the view as little as it takes.
    pub(super) fn show_time(&mut self, ns: u64) {
        let Some(model) = self.model.clone() else { return };
        let view = self.warp(&model).view(ns);
        let span = self.window.to - self.window.from;
        if view < self.window.from || view >= self.window.to {
            let from = view.saturating_sub(span / 2);
            self.window = Window { from, to: from + span };
        }
    }

    fn phases(&self) -> Option<&Shutdown> {
        self.model.as_ref().and_then(|model| model.story().shutdown.as_ref())
    }

    fn step_phase(&mut self, by: isize) {
        let Some(shutdown) = self.phases() else {
            self.message = "there is no shutdown in this recording".into();
            return;
        };
        let count = shutdown.phases.len();
        let now = match self.subject {
            Some(Subject::Phase(at)) => at,
            _ => {
                let at = shutdown.phases.iter().rposition(|phase| phase.from.ns <= self.cursor_ns);
                at.unwrap_or(0).saturating_sub(usize::from(by > 0 && self.subject.is_none()))
            }
        };
        let to = now.saturating_add_signed(by).min(count.saturating_sub(1));
        let there = self.subject == Some(Subject::Phase(to));
        self.go(Subject::Phase(to));
        if there {
            self.message = format!("this is the {} phase", if by > 0 { "last" } else { "first" });
        }
    }

    /// To the next or previous thing that happened on this lane.
    fn step_event(&mut self, on: bool) {
        let Some(model) = self.model.clone() else { return };
        let Some(row) = self.rows.get(self.row) else { return };
        let world = model.world();
        let cursor = self.cursor_ns;
        let mut best: Option<(At, Happening)> = None;
        let mut see = |at: At, what: Happening| {
            let ns = at.ns;
            let better = match (on, best) {
                (true, Some((best, _))) => ns > cursor && ns < best.ns,
                (true, None) => ns > cursor,
                (false, Some((best, _))) => ns < cursor && ns > best.ns,
                (false, None) => ns < cursor,
            };
            if better {
                best = Some((at, what));
            }
        };
        for idx in model.procs_of(&row).iter().copied() {
            let Some(proc) = world.proc_at(idx) else { continue };
            see(proc.born, Happening::Born(idx));
            if proc.dead() {
                see(proc.exit, Happening::Ended(idx));
            }
            for (list, of) in
                [(model.to(idx), Happening::Got as fn(u32) -> Happening), (model.from(idx), Happening::Sent)]
            {
                let at = |at: &u32| world.sigs[*at as usize].at;
                let next = list.partition_point(|sent| at(sent).ns <= cursor);
                let before = list.partition_point(|sent| at(sent).ns < cursor);
                list.get(next)
                    .into_iter()
                    .chain(before.checked_sub(1).and_then(|at| list.get(at)))
                    .for_each(|sent| see(at(sent), of(*sent)));
            }
        }
        match best {
            Some((at, what)) => {
                self.cursor_ns = at.ns;
                self.show_time(at.ns);
                self.select_row();
                if let Some(fact) = self.facts.iter().position(|fact| fact.at == Some(at)) {
                    self.fact = fact;
                }
                // Not each has a sign on the lane, and several may be in one column.
                let when = moment(at.ns, model.zero_ns, 1_000_000);
                self.message = format!("{when}, event {}: {}", at.number, what.words(&model));
            }
            None => self.message = "nothing more happens on this lane".into(),
        }
    }

    fn compress(&mut self) {
        let Some(model) = self.model.clone() else { return };
        if model.idle.is_none() {
            self.message = "there is no idle time in this recording".into();
            return;
        }
        let warp = self.warp(&model);
        let span = (warp.real(self.window.from), warp.real(self.window.to));
        self.warped = !self.warped;
        self.window = model.window(self.warp(&model), span);
        // That it is cut short is said as long as it is.
        self.message = if self.warped { "" } else { "time as it was" }.into();
    }

    /// `+3.5`, `02:29:15`, `#314`, the name of a phase, a pid.
    pub(super) fn jump(&mut self, text: &str) {
        let Some(model) = self.model.clone() else { return };
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(number) = text.strip_prefix('#').and_then(|digits| digits.trim().parse::<u64>().ok()) {
            match model.event(number) {
                Some((subject, ns)) => {
                    self.go(subject);
                    self.cursor_ns = ns;
                    self.show_time(ns);
                }
                None => self.message = format!("event {number} is about no process; `show --event` has it"),
            }
            return;
        }
        if let Some(shutdown) = self.phases() {
            let lower = text.to_lowercase();
            let named = |title: &str| title.to_lowercase().contains(&lower);
            if let Some(at) =
                shutdown.phases.iter().position(|phase| named(phase.kind.title()) || named(phase.kind.word()))
            {
                self.go(Subject::Phase(at));
                return;
            }
        }
        if !text.starts_with('+')
            && let Ok(pid) = text.parse::<u32>()
            && let Some(idx) = model.world().by_pid(pid, model.last_ns)
        {
            self.go(Subject::Proc(idx));
            return;
        }
        // The screen counts from the shutdown, so a bare number of seconds does as well.
        let bare = text.contains('.') && text.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0);
        let signed = if bare { format!("+{text}") } else { text.to_owned() };
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
            self.message = format!("there is no process {text}; +{text} is a time, #{text} an event");
            return;
        }
        let seconds = signed.trim_end_matches('s').trim();
        let since = seconds.strip_prefix(['+', '-']).and_then(|rest| rest.parse::<f64>().ok());
        let ns = match since.filter(|since| since.is_finite() && *since < 1e9) {
            Some(since) => {
                let by = (since * 1e9) as u64;
                Some(if seconds.starts_with('-') {
                    model.zero_ns.saturating_sub(by)
                } else {
                    model.zero_ns.saturating_add(by)
                })
            }
            None => model.clocks.parse(text).ok(),
        };
        match ns {
            Some(ns) => {
                self.cursor_ns = ns.clamp(model.first_ns, model.last_ns);
                self.show_time(self.cursor_ns);
                self.select_row();
            }
            None if text.chars().any(char::is_alphabetic) && self.jump_to_name(&model, text) => {}
            None => {
                self.message =
                    "give +3.5 (seconds of the shutdown), 02:29:15, #314 (an event), a phase, a pid or a name".into();
            }
        }
    }

    /// To the first that is called so, of those that a search would find. Whether there is one.
    fn jump_to_name(&mut self, model: &Model, text: &str) -> bool {
        let lanes = model.story_lanes.iter().chain(&model.service_lanes);
        let called = |idx: &Idx| model.world().name(*idx).to_lowercase() == text.to_lowercase();
        let found = lanes.flat_map(|lane| lane.procs.iter().copied()).find(called);
        if let Some(idx) = found {
            self.go(Subject::Proc(idx));
        }
        found.is_some()
    }
}
