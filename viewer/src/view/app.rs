//! The state of the viewer, and what actions do to it.
//!
//! Invariant: nothing here reads a file, a clock or a terminal; what must be done outside is an [`Effect`].

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use super::{
    Subject,
    action::{self, Action, Key, Section},
    compared::Compared,
    facts::Fact,
    filter::{Filter, Kind},
    history::Place,
    lanes::{Group, Row},
    layout::{self, Areas},
    listing::{Entry, Listed, Spot},
    model::Model,
    palette::Theme,
    rows::{Rows, Sifting},
    search::Looking,
    timeline::{Axis, Warp, Window},
};
use crate::{error::Error, safe, story::world::Idx};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Lanes,
    Findings,
    Detail,
}

/// As what a recording is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Recording,
    /// For a bug report: without secrets and names.
    Report,
}

/// What a line of text is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Search,
    Filter,
    Jump,
    /// This recording of the list, or the one that is open.
    Save(Form, Option<Spot>),
    /// The file at this place of [`App::files`], if it is a saved one.
    Delete(usize),
}

/// What lies over the lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    Normal,
    Ask {
        ask: Ask,
        text: String,
    },
    Commands {
        text: String,
        at: usize,
    },
    Help {
        top: usize,
    },
    /// `marked`: the one that another is to be compared with.
    Recordings {
        at: usize,
        marked: Option<Spot>,
    },
    Filters {
        at: usize,
    },
    Compare {
        top: usize,
    },
    /// What the keys (of a comparison also the signs) mean of what lies below, to which any key goes back.
    KeysOf(Section, Box<Self>),
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Quit,
    Suspend,
    Redraw,
    /// Stop loading.
    Cancel,
    /// Load this recording.
    Open(Spot),
    /// Write this recording, or the one that is open, to a new file.
    Save(Form, Option<Spot>, PathBuf),
    /// Delete the file at this place of [`App::files`], which is a saved one.
    Delete(usize),
    /// Read all of the recording that is open, of which only the end was read.
    Rest,
    /// Compare recording `a` (None: the shutdown before it) with `b`.
    Compare {
        a: Option<Spot>,
        b: Spot,
    },
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
    /// What was followed is not there any more.
    pub gone: bool,
    /// Whose recordings are listed: the file that was opened first, and those that were named beside it.
    pub files: Vec<Listed>,
    /// By file, and newest first.
    pub entries: Vec<Entry>,
    pub compared: Option<Arc<Compared>>,
    pub mode: Mode,
    /// The list that a question was asked from: it comes back with the answer.
    pub(super) asked_from: Option<Box<Mode>>,
    pub focus: Focus,
    pub message: String,
    pub window: Window,
    pub warped: bool,
    pub cursor_ns: u64,
    pub rows: Rows,
    pub row: usize,
    pub top: usize,
    pub folded: HashSet<Group>,
    /// Nobody has folded or unfolded anything by hand: whether there is room decides.
    pub(super) folds_by_room: bool,
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
    pub(super) evidence_at: usize,
    pub(super) history: Vec<Place>,
    pub(super) history_at: usize,
    /// Where the search began that is being typed.
    pub(super) before_search: Option<Box<Place>>,
    /// What was folded before a search that is still on went into the folds.
    pub(super) folds_before: Option<HashSet<Group>>,
    pub(super) looking: Option<Looking>,
    pub(super) sifting: Option<Sifting>,
    pub(super) drag: Option<(u16, Window)>,
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
            gone: false,
            files: Vec::new(),
            entries: Vec::new(),
            compared: None,
            mode: Mode::Normal,
            asked_from: None,
            focus: Focus::Lanes,
            message: String::new(),
            window: Window { from: 0, to: 1 },
            warped: false,
            cursor_ns: 0,
            rows: Rows::default(),
            row: 0,
            top: 0,
            folded: HashSet::from([Group::Others]),
            folds_by_room: true,
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
            before_search: None,
            folds_before: None,
            looking: None,
            sifting: None,
            drag: None,
            none: Warp::default(),
        }
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

    /// What a key, a click or a resize does.
    pub fn event(&mut self, event: &Event) -> Option<Effect> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => match self.mode {
                Mode::Normal => match action::of_key(key) {
                    Some(action) => self.update(action),
                    None => {
                        let alt = key.modifiers.contains(KeyModifiers::ALT);
                        let control = key.modifiers.contains(KeyModifiers::CONTROL);
                        self.message = format!(
                            "{}: that key does nothing; ? shows all that do",
                            named(key.code, control, alt)
                        );
                        None
                    }
                },
                _ => self.key_in_mode(key),
            },
            Event::Mouse(mouse) => self.mouse(mouse.kind, mouse.column, mouse.row),
            Event::Resize(width, height) => {
                self.size = (*width, *height);
                if self.fold_by_room() {
                    self.rebuild();
                }
                self.follow_row();
                None
            }
            _ => None,
        }
    }

    pub fn update(&mut self, action: Action) -> Option<Effect> {
        self.message.clear();
        self.stay_here();
        match action {
            Action::Quit => return Some(Effect::Quit),
            Action::Suspend => return Some(Effect::Suspend),
            Action::Redraw => return Some(Effect::Redraw),
            Action::Tone => self.theme.tone = self.theme.tone.other(),
            Action::Help => self.mode = Mode::Help { top: 0 },
            Action::Commands => self.mode = Mode::Commands { text: String::new(), at: 0 },
            Action::Recordings => {
                let open = self.model.as_ref().map(|model| self.spot_of(model));
                let at = self.entries.iter().position(|entry| Some(entry.spot) == open).unwrap_or(0);
                self.mode = Mode::Recordings { at, marked: None };
                return Some(Effect::Survey);
            }
            // What is filtered and found goes first.
            Action::Clear if self.loading.is_some() && self.model.is_some() && !self.hides() => {
                return Some(Effect::Cancel);
            }
            _ if self.model.is_none() => {}
            Action::Search => {
                self.begin_search();
                self.ask(Ask::Search);
            }
            Action::Filter => self.ask(Ask::Filter),
            Action::Jump => self.ask(Ask::Jump),
            Action::Save => self.ask(Ask::Save(Form::Recording, None)),
            Action::Report => self.ask(Ask::Save(Form::Report, None)),
            Action::Compare => {
                let open = self.model.as_ref().map(|model| self.spot_of(model))?;
                return self.compare(open, None);
            }
            Action::Focus | Action::FocusBack => self.step_focus(action == Action::Focus),
            Action::Bigger => self.resize_lower(1),
            Action::Smaller => self.resize_lower(-1),
            Action::Enter => self.enter(),
            Action::Unfold => self.fold(Group::Others),
            Action::Clear => self.clear(),
            Action::Filters if self.filter.is_none() => {
                self.message = "nothing is filtered; & shows only what you name".into();
            }
            Action::Filters => self.mode = Mode::Filters { at: self.filter.kinds.len() - 1 },
            Action::Unfilter => self.unfilter(self.filter.kinds.len().saturating_sub(1)),
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
            Action::ZoomAll => return self.zoom_all(),
            _ => self.moves(action),
        }
        self.follow_row();
        None
    }

    fn step_focus(&mut self, on: bool) {
        self.focus = match (self.focus, on) {
            (Focus::Lanes, true) | (Focus::Detail, false) => Focus::Findings,
            (Focus::Findings, true) | (Focus::Lanes, false) => Focus::Detail,
            (Focus::Detail, true) | (Focus::Findings, false) => Focus::Lanes,
        };
        // In the details the first line that leads anywhere is the one that is meant.
        if self.focus == Focus::Detail && self.facts.get(self.fact).is_none_or(|fact| fact.leads.is_none()) {
            self.fact = self.facts.iter().position(|fact| fact.leads.is_some()).unwrap_or(0);
        }
    }

    /// What cannot be seen is not counted: one key back undoes one key.
    fn resize_lower(&mut self, by: i16) {
        // The screen may have become smaller meanwhile.
        while self.lower != 0 && !self.differs_with(self.lower - self.lower.signum()) {
            self.lower -= self.lower.signum();
        }
        if self.differs_with(self.lower.saturating_add(by)) {
            self.lower += by;
        }
    }

    /// Whether the screen looks different with `lower` more rows for the lower panels.
    fn differs_with(&mut self, lower: i16) -> bool {
        let (areas, now) = (self.areas(), std::mem::replace(&mut self.lower, lower));
        let differs = self.areas() != areas;
        self.lower = now;
        differs
    }

    /// Whether there is a search or a filter to clear, or what a search has unfolded.
    fn hides(&self) -> bool {
        let unfolded = self.folds_before.as_ref().is_some_and(|folds| *folds != self.folded);
        !self.search.is_empty() || !self.filter.is_none() || unfolded
    }

    /// Everything is shown again; where it is already, the lanes are what keys are for.
    fn clear(&mut self) {
        if !self.hides() {
            self.focus = Focus::Lanes;
            return;
        }
        self.forget_search();
        if let Some(folds) = self.folds_before.take().filter(|folds| *folds != self.folded) {
            self.folded = folds;
            self.rebuild();
        }
        if !self.filter.is_none() {
            self.set_filter(Filter::default());
        }
    }

    /// The whole recording: if only its end was read, one is told so, and asking again reads the rest.
    fn zoom_all(&mut self) -> Option<Effect> {
        let model = self.model.clone()?;
        let at_it = self.window == model.window(self.warp(&model), model.whole());
        self.moves(Action::ZoomAll);
        if model.whole {
            return None;
        }
        let (read, all) = (model.world().events, model.picked.summary.events);
        if self.loading.is_some() {
            self.message = format!("the rest of {all} events is being read; Esc stops it");
        } else if at_it {
            return Some(Effect::Rest);
        } else {
            self.message = format!("only the last {read} of {all} events were read; Z again reads them all");
        }
        None
    }

    pub(super) fn enter(&mut self) {
        match self.focus {
            Focus::Lanes => match self.rows.get(self.row) {
                Some(Row::Group { group, .. }) => {
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
}

/// A key that does nothing, for what is said of it: what was said of the one before is no answer to it.
pub(super) fn named(code: KeyCode, control: bool, alt: bool) -> String {
    let name = match code {
        KeyCode::Char(c) if c != ' ' => safe::text(c.to_string().as_bytes()),
        code => Key { code, control: false }.name(),
    };
    let alt = if alt { "Alt-" } else { "" };
    let control = if control { "Ctrl-" } else { "" };
    format!("{control}{alt}{name}")
}
