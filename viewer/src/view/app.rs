//! The state of the viewer, and what actions do to it.
//!
//! Invariant: nothing here reads a file, a clock or a terminal; what must be done outside is an [`Effect`].

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use super::{
    Subject,
    action::{self, Action},
    facts::{self, Fact},
    filter::{Filter, Kind, Matcher},
    lanes::{Group, Row},
    layout::{self, Areas},
    model::Model,
    palette::Theme,
    timeline::{Axis, Warp, Window},
};
use crate::{error::Error, story::world::Idx};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Lanes,
    Findings,
    Detail,
}

/// What a line of text is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Search,
    Filter,
    Jump,
    Save,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    Normal,
    Ask { ask: Ask, text: String },
    Commands { text: String, at: usize },
    Help { top: usize },
    Recordings { at: usize },
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Quit,
    Suspend,
    Redraw,
    /// Stop loading.
    Cancel,
    /// Load this recording of the file, by its number.
    Open(usize),
    Save(PathBuf),
    /// Verdicts of all recordings are wanted.
    Survey,
}

/// How far loading is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loading {
    pub what: String,
    pub done: u64,
    pub total: u64,
}

/// A recording in the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    pub number: usize,
    pub when: String,
    pub host: String,
    pub init: String,
    pub ending: String,
    pub events: u64,
    /// None: not looked at yet.
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    pub how: String,
    pub findings: usize,
    pub worst: String,
}

/// Where one was, for going back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    subject: Option<Subject>,
    window: Window,
    cursor_ns: u64,
    warped: bool,
}

#[derive(Debug)]
pub struct App {
    pub theme: Theme,
    /// Columns and rows.
    pub size: (u16, u16),
    pub model: Option<Arc<Model>>,
    pub loading: Option<Loading>,
    /// Why loading did not work.
    pub failed: Option<Error>,
    pub live: bool,
    pub entries: Vec<Entry>,
    pub mode: Mode,
    pub focus: Focus,
    pub message: String,
    pub window: Window,
    pub warped: bool,
    pub cursor_ns: u64,
    pub rows: Vec<Row>,
    pub row: usize,
    pub top: usize,
    pub folded: HashSet<Group>,
    pub filter: Filter,
    pub subject: Option<Subject>,
    pub finding: usize,
    pub facts: Vec<Fact>,
    pub fact: usize,
    /// The process of the row that is meant, where a lane has several.
    pub chosen: Option<Idx>,
    pub search: String,
    pub matches: Vec<Idx>,
    pub match_at: usize,
    /// More or fewer rows for the lower panels than they get by themselves.
    pub lower: i16,
    evidence_at: usize,
    history: Vec<Place>,
    history_at: usize,
    drag: Option<(u16, Window)>,
    none: Warp,
}

impl App {
    pub fn new(theme: Theme, size: (u16, u16)) -> Self {
        Self {
            theme,
            size,
            model: None,
            loading: Some(Loading::default()),
            failed: None,
            live: false,
            entries: Vec::new(),
            mode: Mode::Normal,
            focus: Focus::Lanes,
            message: String::new(),
            window: Window { from: 0, to: 1 },
            warped: false,
            cursor_ns: 0,
            rows: Vec::new(),
            row: 0,
            top: 0,
            folded: HashSet::from([Group::Others]),
            filter: Filter::default(),
            subject: None,
            finding: 0,
            facts: Vec::new(),
            fact: 0,
            chosen: None,
            search: String::new(),
            matches: Vec::new(),
            match_at: 0,
            lower: 0,
            evidence_at: 0,
            history: Vec::new(),
            history_at: 0,
            drag: None,
            none: Warp::default(),
        }
    }

    /// Shows `model`; one of the same recording, grown, keeps the place.
    pub fn loaded(&mut self, model: Arc<Model>) {
        let same = self
            .model
            .as_ref()
            .is_some_and(|old| old.picked.summary.session.id == model.picked.summary.session.id);
        self.loading = None;
        let old_last_ns = self.model.as_ref().map_or(0, |old| old.last_ns);
        self.model = Some(Arc::clone(&model));
        if same {
            self.rebuild();
            let fact = self.fact;
            self.show_subject();
            self.fact = fact.min(self.facts.len().saturating_sub(1));
            // Who looks at the end goes on looking at the end.
            if !self.warped && self.window.to >= old_last_ns {
                let by = model.last_ns.saturating_sub(old_last_ns);
                self.window = Window { from: self.window.from + by, to: self.window.to + by };
            }
            return;
        }
        self.mode = Mode::Normal;
        self.filter = Filter::default();
        self.folded = HashSet::from([Group::Others]);
        (self.history, self.history_at, self.subject) = (Vec::new(), 0, None);
        (self.row, self.top, self.warped, self.matches) = (0, 0, false, Vec::new());
        self.window = model.window(&self.none, model.whole_shutdown());
        self.cursor_ns = model.zero_ns;
        self.rebuild();
        match model.story().findings.is_empty() {
            false => self.go_finding(0),
            true => self.select_row(),
        }
        // The whole is what one sees first.
        self.window = model.window(&self.none, model.whole_shutdown());
    }

    pub fn areas(&self) -> Areas {
        layout::areas(self)
    }

    pub fn warp<'a>(&'a self, model: &'a Model) -> &'a Warp {
        if self.warped { &model.idle } else { &self.none }
    }

    pub fn axis<'a>(&'a self, model: &'a Model, columns: u16) -> Axis<'a> {
        Axis { warp: self.warp(model), window: self.window, columns: columns.max(1) }
    }

    pub fn columns(&self) -> u16 {
        self.areas().time().width.max(1)
    }

    /// The rows again, after a filter or a fold.
    pub fn rebuild(&mut self) {
        let Some(model) = self.model.clone() else { return };
        self.rows.clear();
        if let Some(kind) = &self.filter.kind {
            self.rows.extend(kind.matches(&model).into_iter().map(|(idx, depth)| Row::Proc { idx, depth }));
        } else {
            let lanes = |group, count| (0..count).map(move |at| Row::Lane { group, at });
            self.rows.extend(lanes(Group::Story, model.story_lanes.len()));
            let count = model.service_lanes.iter().map(|lane| lane.procs.len()).sum();
            if count > 0 {
                let open = !self.folded.contains(&Group::Services);
                self.rows.push(Row::Group { group: Group::Services, count, open });
                if open {
                    self.rows.extend(lanes(Group::Services, model.service_lanes.len()));
                }
            }
            if !model.others.is_empty() {
                let open = !self.folded.contains(&Group::Others);
                self.rows.push(Row::Group { group: Group::Others, count: model.others.len(), open });
                if open {
                    self.rows.extend(model.others.iter().map(|idx| Row::Proc { idx: *idx, depth: 1 }));
                }
            }
        }
        self.row = self.row.min(self.rows.len().saturating_sub(1));
        self.follow_row();
    }

    pub fn follow_row(&mut self) {
        let height = usize::from(self.areas().lanes.height).max(1);
        self.top = self.top.clamp((self.row + 1).saturating_sub(height), self.row);
        self.top = self.top.min(self.rows.len().saturating_sub(height));
    }

    /// Selects what the row is about: of several processes the one at the cursor.
    pub fn select_row(&mut self) {
        let Some(model) = self.model.clone() else { return };
        let Some(row) = self.rows.get(self.row) else { return };
        let procs = model.procs_of(row);
        let at_cursor = procs.iter().copied().min_by_key(|idx| {
            let (born, end) = (model.birth(*idx), model.end_of(*idx));
            if (born..=end).contains(&self.cursor_ns) {
                0
            } else {
                born.abs_diff(self.cursor_ns).min(end.abs_diff(self.cursor_ns))
            }
        });
        self.chosen = at_cursor;
        if let Some(idx) = at_cursor {
            self.subject = Some(Subject::Proc(idx));
            self.show_subject();
        }
    }

    pub fn show_subject(&mut self) {
        let facts = match (&self.model, self.subject) {
            (Some(model), Some(subject)) => facts::of(model, subject),
            _ => Vec::new(),
        };
        self.facts = facts;
        (self.fact, self.evidence_at) = (0, 0);
    }

    fn here(&self) -> Place {
        let Self { subject, window, cursor_ns, warped, .. } = *self;
        Place { subject, window, cursor_ns, warped }
    }

    /// Goes to `subject`, remembering where one was.
    pub fn go(&mut self, subject: Subject) {
        self.remember();
        self.arrive(subject);
        self.history.push(self.here());
        self.history_at = self.history.len() - 1;
    }

    fn remember(&mut self) {
        self.history.truncate(self.history_at + 1);
        let here = self.here();
        match self.history.last_mut() {
            Some(last) if last.subject == here.subject => *last = here,
            _ => self.history.push(here),
        }
        const MOST: usize = 500;
        if self.history.len() > MOST {
            self.history.remove(0);
        }
        self.history_at = self.history.len().saturating_sub(1);
    }

    fn arrive(&mut self, subject: Subject) {
        let Some(model) = self.model.clone() else { return };
        let (idx, ns) = model.place(subject);
        self.subject = Some(subject);
        if let Subject::Finding(at) = subject {
            self.finding = at;
        }
        self.cursor_ns = ns.clamp(model.first_ns.min(ns), model.last_ns);
        if let Some(idx) = idx {
            self.reveal(idx);
        }
        self.show_time(ns);
        self.show_subject();
    }

    fn go_finding(&mut self, at: usize) {
        self.go(Subject::Finding(at));
    }

    /// Makes the row of `idx` the current one.
    fn reveal(&mut self, idx: Idx) {
        let Some(model) = self.model.clone() else { return };
        let find = |app: &Self| app.rows.iter().position(|row| model.procs_of(row).contains(&idx));
        let mut found = find(self);
        if found.is_none() && self.filter.kind.is_some() {
            self.filter.kind = None;
            self.message = "the filter hid it: everything is shown again".into();
            self.rebuild();
            found = find(self);
        }
        if found.is_none() && !self.folded.is_empty() {
            self.folded.clear();
            self.rebuild();
            found = find(self);
        }
        if let Some(row) = found {
            (self.row, self.chosen) = (row, Some(idx));
            self.follow_row();
        }
    }

    fn step_history(&mut self, by: i32) {
        if by < 0 && self.history_at + 1 == self.history.len() {
            self.remember();
            self.history_at = self.history.len() - 1;
        }
        let to = self.history_at as i64 + i64::from(by);
        let Some(place) = usize::try_from(to).ok().and_then(|at| self.history.get(at).copied()) else {
            self.message =
                if by < 0 { "this is where you began" } else { "there is nothing further on" }.into();
            return;
        };
        self.history_at = to as usize;
        (self.window, self.cursor_ns, self.warped) = (place.window, place.cursor_ns, place.warped);
        if let Some(subject) = place.subject {
            self.arrive(subject);
            (self.window, self.cursor_ns, self.warped) = (place.window, place.cursor_ns, place.warped);
        }
    }

    /// What a key, a click or a resize does.
    pub fn event(&mut self, event: &Event) -> Option<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if let Mode::Normal = self.mode {
                    return self.update(action::of_key(key)?);
                }
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                match key.code {
                    // What some terminals send for Backspace.
                    KeyCode::Char('h') if control => self.in_mode(KeyCode::Backspace, false),
                    KeyCode::Char('c') if control => Some(Effect::Quit),
                    KeyCode::Char('z') if control => Some(Effect::Suspend),
                    code => self.in_mode(code, control),
                }
            }
            Event::Mouse(mouse) => {
                self.mouse(mouse.kind, mouse.column, mouse.row);
                None
            }
            Event::Resize(width, height) => {
                self.size = (*width, *height);
                self.follow_row();
                None
            }
            _ => None,
        }
    }

    fn in_mode(&mut self, code: KeyCode, control: bool) -> Option<Effect> {
        let mut mode = std::mem::replace(&mut self.mode, Mode::Normal);
        let mut effect = None;
        let mut stays = true;
        match &mut mode {
            Mode::Normal => stays = false,
            Mode::Help { top } => match code {
                KeyCode::Down | KeyCode::Char('j' | ' ') => *top = (*top + 1).min(200),
                KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
                KeyCode::PageDown => *top = (*top + 10).min(200),
                KeyCode::PageUp => *top = top.saturating_sub(10),
                _ => stays = false,
            },
            Mode::Recordings { at } => match code {
                KeyCode::Down | KeyCode::Char('j') => {
                    *at = (*at + 1).min(self.entries.len().saturating_sub(1))
                }
                KeyCode::Up | KeyCode::Char('k') => *at = at.saturating_sub(1),
                KeyCode::Enter => {
                    stays = false;
                    effect = self.entries.get(*at).map(|entry| Effect::Open(entry.number));
                }
                KeyCode::Char('q') if self.model.is_none() => effect = Some(Effect::Quit),
                _ => stays = false,
            },
            Mode::Commands { text, at } => match code {
                KeyCode::Esc => stays = false,
                KeyCode::Enter => {
                    if let Some(binding) = action::commands(text).get(*at) {
                        return self.update(binding.action);
                    }
                    stays = false;
                }
                KeyCode::Down => *at = (*at + 1).min(action::commands(text).len().saturating_sub(1)),
                KeyCode::Up => *at = at.saturating_sub(1),
                _ if edit(text, code, control) => *at = 0,
                _ => {}
            },
            Mode::Ask { ask, text } => match code {
                KeyCode::Esc => stays = false,
                KeyCode::Enter => {
                    let (ask, text) = (*ask, std::mem::take(text));
                    return self.answer(ask, &text);
                }
                _ => {
                    if edit(text, code, control) && *ask == Ask::Search {
                        let text = text.clone();
                        self.look_for(&text);
                    }
                }
            },
        }
        if stays && self.mode == Mode::Normal {
            self.mode = mode;
        }
        effect
    }

    fn answer(&mut self, ask: Ask, text: &str) -> Option<Effect> {
        match ask {
            Ask::Search => self.look_for(text),
            Ask::Filter => self.set_filter(Kind::parse(text)),
            Ask::Jump => self.jump(text),
            Ask::Save if text.is_empty() => {}
            Ask::Save => return Some(Effect::Save(text.into())),
        }
        None
    }

    /// Finds all that match, and goes to the first of them; those that have a row come first.
    fn look_for(&mut self, text: &str) {
        let Some(model) = self.model.clone() else { return };
        self.search = text.to_owned();
        self.matches.clear();
        if text.is_empty() {
            return;
        }
        let mut matcher = Matcher::new(&model, text);
        let lanes = model.story_lanes.iter().chain(&model.service_lanes).flat_map(|lane| &lane.procs);
        for idx in lanes.chain(&model.others) {
            if model.world().proc_at(*idx).is_some_and(|proc| matcher.is_match(*idx, proc)) {
                self.matches.push(*idx);
            }
        }
        self.match_at = 0;
        match self.matches.first() {
            Some(idx) => self.arrive(Subject::Proc(*idx)),
            None => self.message = format!("nothing is called {}", crate::safe::text(text.as_bytes())),
        }
    }

    pub fn set_filter(&mut self, kind: Option<Kind>) {
        let keep = self.chosen;
        let is = kind.is_some();
        self.filter.kind = kind;
        self.row = 0;
        self.rebuild();
        if is && self.rows.is_empty() {
            self.filter.kind = None;
            self.rebuild();
            self.message = "nothing matches: everything is shown".into();
        }
        if let (Some(idx), Some(model)) = (keep, self.model.clone())
            && let Some(row) = self.rows.iter().position(|row| model.procs_of(row).contains(&idx))
        {
            self.row = row;
            self.follow_row();
        } else if is {
            // What was told of is not shown any more.
            self.select_row();
        }
    }

    /// In the details the first line that leads anywhere is the one that is meant.
    fn first_link(&mut self) {
        if self.focus == Focus::Detail && self.facts.get(self.fact).is_none_or(|fact| fact.leads.is_none()) {
            self.fact = self.facts.iter().position(|fact| fact.leads.is_some()).unwrap_or(0);
        }
    }

    /// The process that keys about causes start from.
    fn process(&self) -> Option<Idx> {
        match self.subject {
            Some(Subject::Proc(idx)) => Some(idx),
            Some(subject) => self.model.as_ref().and_then(|model| model.place(subject).0),
            None => self.chosen,
        }
    }

    pub fn update(&mut self, action: Action) -> Option<Effect> {
        self.message.clear();
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Help => self.mode = Mode::Help { top: 0 },
            Action::Commands => self.mode = Mode::Commands { text: String::new(), at: 0 },
            Action::Recordings => {
                let number = self.model.as_ref().map_or(1, |model| model.picked.number);
                let at = self.entries.iter().position(|entry| entry.number == number).unwrap_or(0);
                self.mode = Mode::Recordings { at };
                return Some(Effect::Survey);
            }
            Action::Clear if self.loading.is_some() && self.model.is_some() => return Some(Effect::Cancel),
            _ if self.model.is_none() => {}
            Action::Search => {
                self.remember();
                self.history_at = self.history.len().saturating_sub(1);
                self.ask(Ask::Search);
            }
            Action::Filter => self.ask(Ask::Filter),
            Action::Jump => self.ask(Ask::Jump),
            Action::Save => self.ask(Ask::Save),
            Action::Focus => {
                self.focus = match self.focus {
                    Focus::Lanes => Focus::Findings,
                    Focus::Findings => Focus::Detail,
                    Focus::Detail => Focus::Lanes,
                };
                self.first_link();
            }
            Action::FocusBack => {
                self.focus = match self.focus {
                    Focus::Lanes => Focus::Detail,
                    Focus::Findings => Focus::Lanes,
                    Focus::Detail => Focus::Findings,
                };
                self.first_link();
            }
            Action::Bigger => self.lower = (self.lower + 1).min(100),
            Action::Smaller => self.lower = (self.lower - 1).max(-100),
            Action::Enter => self.enter(),
            Action::Unfold => self.fold(Group::Others),
            Action::Clear if self.matches.is_empty() && self.filter.kind.is_none() => {
                self.focus = Focus::Lanes
            }
            Action::Clear => {
                self.matches.clear();
                self.search.clear();
                if self.filter.kind.is_some() {
                    self.set_filter(None);
                }
            }
            Action::OnlyKilled => self.toggle(Kind::Killed),
            Action::OnlyRestarted => self.toggle(Kind::Restarted),
            Action::Tree => match self.process() {
                Some(idx) => self.toggle(Kind::Tree(idx)),
                None => self.message = "choose a process first".into(),
            },
            Action::NextFinding => self.step_finding(1),
            Action::PreviousFinding => self.step_finding(-1),
            Action::Finding(number) => self.nth_finding(usize::from(number)),
            Action::NextMatch => self.step_match(1),
            Action::PreviousMatch => self.step_match(-1),
            Action::Back => self.step_history(-1),
            Action::Forward => self.step_history(1),
            Action::Cause
            | Action::Request
            | Action::Heir
            | Action::Forerunner
            | Action::Parent
            | Action::Victims
            | Action::Evidence
            | Action::ToFinding => self.causes(action),
            _ => self.moves(action),
        }
        self.follow_row();
        None
    }

    fn ask(&mut self, ask: Ask) {
        self.mode = Mode::Ask { ask, text: String::new() };
    }

    fn toggle(&mut self, kind: Kind) {
        let on = self.filter.kind.as_ref() != Some(&kind);
        self.set_filter(on.then_some(kind));
    }

    fn fold(&mut self, group: Group) {
        if !self.folded.remove(&group) {
            self.folded.insert(group);
        }
        self.rebuild();
    }

    fn enter(&mut self) {
        match self.focus {
            Focus::Lanes => match self.rows.get(self.row) {
                Some(Row::Group { group, .. }) => {
                    let group = *group;
                    self.fold(group);
                }
                Some(_) => {
                    self.select_row();
                    self.focus = Focus::Detail;
                }
                None => {}
            },
            Focus::Findings => {
                self.go_finding(self.finding);
                self.focus = Focus::Detail;
            }
            Focus::Detail => match self.facts.get(self.fact).and_then(|fact| fact.leads) {
                Some(subject) => self.go(subject),
                None => self.message = "this line leads nowhere".into(),
            },
        }
    }

    fn nth_finding(&mut self, number: usize) {
        let count = self.model.as_ref().map_or(0, |model| model.story().findings.len());
        match number.checked_sub(1).filter(|at| *at < count) {
            Some(at) => self.go_finding(at),
            None => self.message = format!("there are {count} findings"),
        }
    }

    fn step_finding(&mut self, by: isize) {
        let count = self.model.as_ref().map_or(0, |model| model.story().findings.len());
        if count == 0 {
            self.message = "there are no findings".into();
            return;
        }
        let at = match self.subject {
            Some(Subject::Finding(at)) => (at as isize + by).rem_euclid(count as isize) as usize,
            _ => self.finding.min(count - 1),
        };
        self.go_finding(at);
    }

    fn step_match(&mut self, by: isize) {
        if self.matches.is_empty() {
            self.message = "/ searches".into();
            return;
        }
        let count = self.matches.len() as isize;
        self.match_at = (self.match_at as isize + by).rem_euclid(count) as usize;
        self.go(Subject::Proc(self.matches[self.match_at]));
        self.message = format!("match {} of {count}", self.match_at + 1);
    }

    fn causes(&mut self, action: Action) {
        let Some(model) = self.model.clone() else { return };
        let (story, world) = (model.story(), model.world());
        let asked = story.shutdown.as_ref().and_then(|shutdown| shutdown.asked.as_ref());
        let request = asked.map(|asked| asked.by).filter(|by| world.proc_at(*by).is_some());
        let (found, nothing) = match (action, self.process()) {
            (Action::Request, _) => (request.map(Subject::Proc), "nobody was seen to ask for it"),
            (Action::Evidence, _) => {
                let at = match self.subject {
                    Some(Subject::Finding(at)) => at,
                    _ => self.finding,
                };
                self.evidence(&model, at);
                return;
            }
            (_, None) => (None, "choose a process first"),
            (Action::Cause, Some(idx)) => {
                let fate = story.fate(idx);
                let sig = fate.and_then(|fate| fate.killer.or(fate.told.map(|told| told.sent)));
                let sender = sig.and_then(|at| world.sig(at)).map(|sent| sent.sender);
                let sender = sender.filter(|sender| world.proc_at(*sender).is_some() && *sender != idx);
                // Nobody made it end: it did somebody's bidding.
                let next = sender.or(request.filter(|request| *request != idx)).map(Subject::Proc);
                (next, "this is where it began")
            }
            (Action::Heir, Some(idx)) => {
                (story.replaced(idx).map(|restart| Subject::Proc(restart.new)), "nothing took its place")
            }
            (Action::Forerunner, Some(idx)) => {
                (story.replaces(idx).map(|restart| Subject::Proc(restart.old)), "it took nobody's place")
            }
            (Action::Parent, Some(idx)) => {
                let parent = world.proc_at(idx).map(|proc| proc.parent);
                let parent = parent.filter(|parent| world.proc_at(*parent).is_some());
                (parent.map(Subject::Proc), "its parent is not known")
            }
            (Action::Victims, Some(idx)) if model.from(idx).is_empty() => (None, "it sent no signals"),
            (Action::Victims, Some(idx)) => {
                self.remember();
                self.toggle(Kind::HitBy(idx));
                return;
            }
            (_, Some(idx)) => (model.finding_of(idx).map(Subject::Finding), "no finding tells of it"),
        };
        match found {
            Some(subject) => self.go(subject),
            None => self.message = nothing.into(),
        }
    }

    /// To the next step of a finding's evidence, and back to it after the last.
    fn evidence(&mut self, model: &Model, at: usize) {
        let Some(finding) = model.story().findings.get(at) else {
            self.message = "there are no findings".into();
            return;
        };
        let mut known: Vec<Subject> =
            finding.evidence().into_iter().filter_map(|number| model.known_event(number)).collect();
        // A signal is one thing, though its sending and its arrival are two events.
        known.dedup();
        let next = self.evidence_at;
        match known.get(next) {
            Some(subject) => {
                self.go(*subject);
                self.finding = at;
                self.evidence_at = next + 1;
                self.message = format!("evidence {} of {} of finding {}", next + 1, known.len(), at + 1);
            }
            None => self.go_finding(at),
        }
    }

    fn mouse(&mut self, kind: MouseEventKind, x: u16, y: u16) {
        if self.mode != Mode::Normal || self.model.is_none() {
            match (kind, &self.mode) {
                (MouseEventKind::ScrollDown, _) => drop(self.in_mode(KeyCode::Down, false)),
                (MouseEventKind::ScrollUp, _) => drop(self.in_mode(KeyCode::Up, false)),
                // What is being typed is not thrown away.
                (MouseEventKind::Down(_), Mode::Ask { .. }) => {}
                (MouseEventKind::Down(_), _) => self.mode = Mode::Normal,
                _ => {}
            }
            return;
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
        self.focus = panel;
        match panel {
            Focus::Lanes => {
                let row = self.top + usize::from(y - areas.lanes.y);
                if row < self.rows.len() {
                    let again = row == self.row && x < time.x;
                    self.row = row;
                    self.select_row();
                    if again && matches!(self.rows.get(row), Some(Row::Group { .. })) {
                        self.enter();
                    }
                }
            }
            Focus::Findings => {
                if let Some(at) = super::panel::findings::at(self, areas.findings, y) {
                    self.go_finding(at);
                }
            }
            Focus::Detail => {
                if let Some(at) = super::panel::detail::at(self, areas.detail, y) {
                    let again = at == self.fact;
                    self.fact = at;
                    if again {
                        self.enter();
                    }
                }
            }
        }
    }
}

/// Changes a line of text; says whether it did.
fn edit(text: &mut String, code: KeyCode, control: bool) -> bool {
    const MOST: usize = 200;
    match code {
        KeyCode::Char('u') if control => text.clear(),
        KeyCode::Char('w') if control => {
            let end = text.trim_end().rfind(' ').map_or(0, |at| at + 1);
            text.truncate(end);
        }
        KeyCode::Char(c) if !control && text.len() < MOST => text.push(c),
        KeyCode::Backspace => return text.pop().is_some(),
        _ => return false,
    }
    true
}
