//! What keys mean while something lies over the lanes: a line that is typed, the help, a list.
//!
//! Invariant: whatever is over the lanes can be left with Esc, a list is never left by a key that it does not know, and
//! nothing that was typed does anything before Enter, but for a search, which Esc takes back.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    action::{self, Action, COMPARE_KEYS, FILTER_KEYS, LIST_KEYS, Section},
    app::{App, Ask, Effect, Form, Mode, named},
    filter::{Filter, Kind},
    listing::Spot,
    panel,
};
use crate::safe;

impl App {
    pub(super) fn key_in_mode(&mut self, key: &KeyEvent) -> Option<Effect> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            // What some terminals send for Backspace.
            KeyCode::Char('h') if control => self.in_mode(KeyCode::Backspace, false),
            // As in less and in editors: of what is typed it is the way out.
            KeyCode::Char('c')
                if control && matches!(self.mode, Mode::Ask { .. } | Mode::Commands { .. }) =>
            {
                self.in_mode(KeyCode::Esc, false)
            }
            KeyCode::Char('c') if control => Some(Effect::Quit),
            KeyCode::Char('z') if control => Some(Effect::Suspend),
            code => self.in_mode(code, control),
        }
    }

    pub(super) fn in_mode(&mut self, code: KeyCode, control: bool) -> Option<Effect> {
        match std::mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal => None,
            Mode::Help { top } => {
                self.in_help(top, code);
                None
            }
            Mode::Recordings { at, marked } => self.in_list(at, marked, code, control),
            Mode::Filters { at } => {
                self.in_filters(at, code, control);
                None
            }
            Mode::Compare { top } => {
                self.in_comparison(top, code, control);
                None
            }
            // Any key closes it.
            Mode::KeysOf(_, below) => {
                self.mode = *below;
                None
            }
            Mode::Commands { text, at } => self.in_commands(text, at, code, control),
            Mode::Ask { ask, text } => self.in_ask(ask, text, code, control),
        }
    }

    fn in_help(&mut self, top: usize, code: KeyCode) {
        let most = panel::help::last_top(self);
        // Without the frame, and with a line of what was there.
        let page = usize::from(self.size.1).saturating_sub(3).max(1);
        let top = match code {
            KeyCode::Down | KeyCode::Char('j' | ' ') => top + 1,
            KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
            KeyCode::PageDown => top + page,
            KeyCode::PageUp => top.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => most,
            _ => return,
        };
        self.mode = Mode::Help { top: top.min(most) };
    }

    /// Says that a key means nothing here; what lies over the lanes stays.
    fn unknown(&mut self, mode: Mode, code: KeyCode, control: bool) {
        self.message =
            format!("{}: that key does nothing here; ? shows those that do", named(code, control, false));
        self.mode = mode;
    }

    fn in_list(&mut self, at: usize, marked: Option<Spot>, code: KeyCode, control: bool) -> Option<Effect> {
        self.message.clear();
        let here = Mode::Recordings { at, marked };
        let Some(action) = action::look_up(LIST_KEYS, code, control) else {
            self.unknown(here, code, control);
            return None;
        };
        let page = panel::recordings::page(self);
        let last = self.entries.len().saturating_sub(1);
        let chosen = self.entries.get(at).map(|entry| entry.spot);
        let ring = chosen.is_some_and(|chosen| self.is_ring(chosen.file));
        // The first one is what is followed.
        let followed = self.live && chosen.is_some_and(|chosen| chosen.file == 0);
        let mut stay = |at: usize, marked| self.mode = Mode::Recordings { at: at.min(last), marked };
        match action {
            Action::Up => stay(at.saturating_sub(1), marked),
            Action::Down => stay(at + 1, marked),
            Action::PageUp => stay(at.saturating_sub(page), marked),
            Action::PageDown => stay(at + page, marked),
            Action::First => stay(0, marked),
            Action::Last => stay(last, marked),
            Action::Help => self.mode = Mode::KeysOf(Section::List, Box::new(here)),
            Action::Mark => stay(at, chosen.filter(|chosen| marked != Some(*chosen))),
            Action::Enter => return chosen.map(Effect::Open),
            Action::Save | Action::Report | Action::Delete if chosen.is_none() => self.mode = here,
            Action::Save => self.ask_from(here, Ask::Save(Form::Recording, chosen)),
            Action::Report => self.ask_from(here, Ask::Save(Form::Report, chosen)),
            Action::Compare if self.model.is_none() => {
                stay(at, marked);
                self.message = "one thing at a time: a recording is being read".into();
            }
            Action::Compare => {
                let effect = chosen.and_then(|chosen| self.compare(chosen, marked));
                if effect.is_none() {
                    self.mode = here;
                }
                return effect;
            }
            Action::Delete if ring => {
                stay(at, marked);
                self.message = "a ring deletes nothing by hand: the oldest makes way for the newest".into();
            }
            Action::Delete if followed => {
                stay(at, marked);
                self.message = "this file is being followed: it is not deleted".into();
            }
            Action::Delete => self.ask_from(here, Ask::Delete(chosen?.file)),
            _ => {}
        }
        None
    }

    fn in_filters(&mut self, at: usize, code: KeyCode, control: bool) {
        self.message.clear();
        let here = Mode::Filters { at };
        let Some(action) = action::look_up(FILTER_KEYS, code, control) else {
            self.unknown(here, code, control);
            return;
        };
        let last = self.filter.kinds.len().saturating_sub(1);
        match action {
            Action::Up => self.mode = Mode::Filters { at: at.saturating_sub(1) },
            Action::Down => self.mode = Mode::Filters { at: (at + 1).min(last) },
            Action::Unfilter => {
                self.unfilter(at);
                if !self.filter.is_none() {
                    self.mode = Mode::Filters { at: at.min(self.filter.kinds.len() - 1) };
                }
            }
            Action::Filter => self.ask(Ask::Filter),
            Action::Help => self.mode = Mode::KeysOf(Section::Filters, Box::new(here)),
            _ => {}
        }
    }

    fn in_comparison(&mut self, top: usize, code: KeyCode, control: bool) {
        self.message.clear();
        let Some(action) = action::look_up(COMPARE_KEYS, code, control) else {
            self.unknown(Mode::Compare { top }, code, control);
            return;
        };
        let most = panel::compare::last_top(self);
        let page = usize::from(self.size.1).saturating_sub(8).max(1);
        let top = match action {
            Action::Up => top.saturating_sub(1),
            Action::Down => top + 1,
            Action::PageUp => top.saturating_sub(page),
            Action::PageDown => top + page,
            Action::First => 0,
            Action::Last => most,
            Action::Help => {
                self.mode = Mode::KeysOf(Section::Compare, Box::new(Mode::Compare { top }));
                return;
            }
            _ => return,
        };
        self.mode = Mode::Compare { top: top.min(most) };
    }

    fn in_commands(&mut self, mut text: String, at: usize, code: KeyCode, control: bool) -> Option<Effect> {
        let at = match code {
            KeyCode::Esc => return None,
            KeyCode::Enter => {
                return action::commands(&text).get(at).and_then(|binding| self.update(binding.action));
            }
            KeyCode::Down => (at + 1).min(action::commands(&text).len().saturating_sub(1)),
            KeyCode::Up => at.saturating_sub(1),
            _ if edit(&mut text, code, control) => 0,
            _ => at,
        };
        self.mode = Mode::Commands { text, at };
        None
    }

    /// What a click on line `at` of a list does: the first chooses it, a second one is Enter.
    pub(super) fn click_in_list(&mut self, at: usize) -> Option<Effect> {
        let now = match &mut self.mode {
            Mode::Commands { at, .. } | Mode::Recordings { at, .. } | Mode::Filters { at } => at,
            _ => return None,
        };
        if *now == at {
            return self.in_mode(KeyCode::Enter, false);
        }
        *now = at;
        self.message.clear();
        None
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.asked_from = None;
        self.mode = Mode::Ask { ask, text: String::new() };
    }

    /// Asks from a list, which comes back with the answer.
    fn ask_from(&mut self, list: Mode, ask: Ask) {
        self.ask(ask);
        self.asked_from = Some(Box::new(list));
    }

    /// Back to the list that a question was asked from, if it was from one.
    pub(super) fn back_to_list(&mut self) {
        if let Some(list) = self.asked_from.take() {
            self.mode = *list;
        }
    }

    fn in_ask(&mut self, ask: Ask, mut text: String, code: KeyCode, control: bool) -> Option<Effect> {
        match code {
            KeyCode::Esc => {
                if ask == Ask::Search {
                    self.cancel_search();
                }
                self.back_to_list();
                return None;
            }
            KeyCode::Enter => {
                self.back_to_list();
                return self.answer(ask, text);
            }
            _ => {}
        }
        self.message.clear();
        if edit(&mut text, code, control) && ask == Ask::Search {
            self.look_for(&text);
        }
        self.mode = Mode::Ask { ask, text };
        None
    }

    fn answer(&mut self, ask: Ask, text: String) -> Option<Effect> {
        match ask {
            Ask::Search => self.accept_search(&text),
            Ask::Filter => return self.answer_filter(text),
            Ask::Jump => self.jump(&text),
            Ask::Save(form, spot) if text.is_empty() => {
                return Some(Effect::Save(form, spot, self.offered(form, spot).into()));
            }
            Ask::Save(form, spot) => return Some(Effect::Save(form, spot, text.into())),
            Ask::Delete(file) if text == "yes" => return Some(Effect::Delete(file)),
            Ask::Delete(_) => self.message = "nothing was deleted".into(),
        }
        None
    }

    /// The name of a new file, for who has no wish: when it was, and for one's own eyes also of which machine.
    pub fn offered(&self, form: Form, spot: Option<Spot>) -> String {
        const STAMP: &str = "%Y%m%d-%H%M%S";
        let open = self.model.as_ref();
        let meant = open.filter(|model| spot.is_none_or(|spot| self.spot_of(model) == spot));
        let entry = self.entries.iter().find(|entry| Some(entry.spot) == spot);
        let (host, when) = match (meant, entry) {
            (Some(model), _) => {
                let shutdown = model.story().shutdown.as_ref();
                let start_ns = shutdown.map_or(model.zero_ns, |shutdown| shutdown.begin.ns);
                let host = safe::text(model.picked.summary.session.hostname.as_bytes());
                (host, Some(model.clocks.wall(start_ns).format(STAMP).to_string()))
            }
            (None, Some(entry)) => {
                let when = chrono::NaiveDateTime::parse_from_str(&entry.when, "%d %b %Y %H:%M:%S");
                (entry.host.clone(), when.ok().map(|when| when.format(STAMP).to_string()))
            }
            (None, None) => (String::new(), None),
        };
        let when = when.unwrap_or_else(|| spot.map_or(1, |spot| spot.number).to_string());
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let host: String = host.chars().filter(plain).take(64).collect();
        let host = host.trim_start_matches(['.', '-']);
        match form {
            Form::Report => format!("lastrites-report-{when}.tar.gz"),
            Form::Recording if host.is_empty() => format!("lastrites-{when}.lrt"),
            Form::Recording => format!("{host}-{when}.lrt"),
        }
    }

    /// Adds what was typed to the filters; a mistake can be mended where it was made.
    fn answer_filter(&mut self, text: String) -> Option<Effect> {
        let model = self.model.clone()?;
        match Kind::parse(&text, &model) {
            Ok(kinds) if kinds.is_empty() => self.set_filter(Filter::default()),
            Ok(kinds) => {
                let mut filter = self.filter.clone();
                for kind in kinds {
                    if !filter.has(&kind) {
                        filter.kinds.push(kind);
                    }
                }
                self.set_filter(filter);
            }
            Err(why) => {
                self.message = why;
                self.mode = Mode::Ask { ask: Ask::Filter, text };
            }
        }
        None
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
