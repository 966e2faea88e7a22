//! The loop: events in, pictures out.
//!
//! Invariant: nothing but this and [`super::terminal`] touches the terminal, and every way out gives it back.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant, SystemTime},
};

use ratatui::crossterm::event::{self, Event, MouseEventKind};

use super::{
    app::{App, Effect, Loading, Mode},
    background::{self, Late},
    copy::{self, Job},
    listing::{Listed, Spot},
    load::{self, Gauge, News, Wanted},
    palette::{Hints, Theme, Tone},
    panel, survey,
    terminal::{self, Taken},
};
use crate::{error::Error, export::table, output::Color, pick::Recording, safe::Safe};

/// How it is to look, and at what.
#[derive(Debug, Clone)]
pub struct Options {
    pub path: PathBuf,
    /// Files whose recordings are listed beside its own.
    pub beside: Vec<Listed>,
    pub recording: Option<Recording>,
    pub live: bool,
    pub tone: Option<Tone>,
    pub color: Color,
    pub ascii: bool,
    pub mouse: bool,
}

impl Options {
    fn files(&self) -> Vec<Listed> {
        let mut files = vec![Listed::new(self.path.clone(), None)];
        for file in &self.beside {
            // One file named twice is one file.
            if files.iter().all(|known| known.path != file.path) {
                files.push(file.clone());
            } else if let Some(first) = files.first_mut().filter(|first| first.path == file.path) {
                *first = file.clone();
            }
        }
        // Every ring is called ring.lrt.
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let names = table::file_names(&paths);
        for (file, name) in files.iter_mut().zip(names).filter(|(file, _)| !file.imported) {
            file.title = name;
        }
        files
    }
}

/// A signal is noticed after this at the latest.
const PATIENCE: Duration = Duration::from_millis(150);
const PATIENCE_LOADING: Duration = Duration::from_millis(40);
const READING_REST: &str = "reading the rest";
/// So often a growing file is looked at.
const LIVE: Duration = Duration::from_secs(1);

/// Whether a full-screen program can run here; if not, why.
pub fn fits_here(hints: &Hints) -> Result<(), String> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err("input or output is not a terminal".into());
    }
    match hints.term.as_str() {
        "" => Err("TERM is not set, so nobody knows what this terminal can".into()),
        term @ ("dumb" | "unknown") => Err(format!("this terminal (TERM={term}) cannot move its cursor")),
        _ => Ok(()),
    }
}

/// Runs until it is left.
pub fn run(options: &Options) -> Result<u8, Error> {
    let hints = Hints::of_environment();
    if let Err(why) = fits_here(&hints) {
        return Err(Error::failed("view", why, "`lastrites explain` tells the same story as plain text"));
    }
    let colors = match options.color {
        Color::Auto => None,
        Color::Always => Some(true),
        Color::Never => Some(false),
    };
    let theme = Theme::choose(&hints, options.tone, colors, options.ascii);
    let fail = |source: io::Error| Error::failed("the terminal", source, "try `lastrites explain`");
    let mut taken = Taken::take(options.mouse).map_err(fail)?;
    let size = taken.fit().map_err(fail)?;
    let mut app = App::new(theme, size);
    app.live = options.live;
    app.files = options.files();
    let asks =
        options.tone.is_none() && hints.tone().is_none() && background::can_be_asked(&hints, &app.theme);
    let mut runner = Runner::new(options);
    let result = runner.run(&mut app, &mut taken, asks);
    if terminal::is_gone_after(Duration::ZERO) {
        // There is nobody to give it back to, and nobody to tell of an error.
        terminal::die_of(libc::SIGHUP);
    }
    drop(taken);
    match result {
        Ok(End::Left) => runner.finish().map(|()| 0),
        Ok(End::Failed(error)) => runner.finish().and(Err(error)),
        Ok(End::Signal(sig)) => {
            runner.jobs.iter().filter(|job| !job.is_over()).for_each(|job| say(&job.given_up()));
            terminal::die_of(sig)
        }
        Err(source) => runner.finish().and(Err(fail(source))),
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", Safe(text));
}

enum End {
    Left,
    Failed(Error),
    Signal(i32),
}

struct Runner<'a> {
    options: &'a Options,
    news: Receiver<News>,
    tell: Sender<News>,
    gauge: Arc<Gauge>,
    survey: Option<Arc<Gauge>>,
    /// Files that are being written, and those whose words nobody has heard yet.
    jobs: Vec<Job>,
    looked: Instant,
    seen: Option<(u64, SystemTime)>,
    began: Instant,
    took: Duration,
}

impl<'a> Runner<'a> {
    fn new(options: &'a Options) -> Self {
        let (tell, news) = channel();
        let now = Instant::now();
        let mut runner = Self {
            options,
            news,
            tell,
            gauge: Arc::default(),
            survey: None,
            jobs: Vec::new(),
            looked: now,
            seen: None,
            began: now,
            took: Duration::ZERO,
        };
        runner.seen = runner.stamp();
        runner
    }

    fn run(&mut self, app: &mut App, taken: &mut Taken, asks: bool) -> io::Result<End> {
        let wanted = self.wanted();
        self.load(app, &self.options.path, wanted);
        // While it is read: on which background?
        let mut late = Late::default();
        if asks {
            let answer = background::ask(background::PATIENCE)?;
            late = answer.late;
            app.theme.tone = answer.tone.unwrap_or(app.theme.tone);
            for event in answer.typed {
                if let Some(effect) = app.event(&event)
                    && let Some(end) = self.act(app, taken, effect)?
                {
                    return Ok(end);
                }
            }
        }
        let mut stale = true;
        loop {
            stale |= self.hear(app);
            if let Some(error) = self.failure(app) {
                return Ok(End::Failed(error));
            }
            if terminal::came(libc::SIGTSTP) {
                taken.suspend()?;
                stale = true;
            }
            if terminal::came(libc::SIGCONT) {
                taken.resume()?;
                stale = true;
            }
            // Behind the stops: what comes with a continuation may be the end, and then the terminal is not ours.
            if let Some(sig) = terminal::last() {
                return Ok(End::Signal(sig));
            }
            stale |= self.follow(app);
            let size = taken.fit()?;
            if app.size != size {
                app.event(&Event::Resize(size.0, size.1));
                stale = true;
            }
            // A search in millions is done in slices, a picture after each.
            if app.is_busy() {
                app.work();
                stale = true;
            }
            if stale || app.loading.is_some() {
                taken.terminal.draw(|frame| panel::draw(app, frame))?;
            }
            stale = false;
            let patience = match (app.is_busy(), app.loading.is_some()) {
                (true, _) => Duration::ZERO,
                (_, true) => PATIENCE_LOADING,
                _ => PATIENCE,
            };
            // All that has been typed is taken in before anything is drawn.
            if terminal::is_gone_after(patience) {
                return Ok(End::Signal(libc::SIGHUP));
            }
            while event::poll(Duration::ZERO)? {
                let event = event::read()?;
                // How big it is was asked above.
                if matches!(event, Event::Resize(..)) {
                    continue;
                }
                if let Some(answer) = late.swallows(&event) {
                    app.theme.tone = answer.unwrap_or(app.theme.tone);
                    stale |= answer.is_some();
                    continue;
                }
                // Reports of a mouse that only moves change nothing.
                stale |= !matches!(&event, Event::Mouse(mouse) if mouse.kind == MouseEventKind::Moved);
                let effect = app.event(&event);
                if let Some(effect) = effect
                    && let Some(end) = self.act(app, taken, effect)?
                {
                    return Ok(end);
                }
            }
        }
    }

    /// Who leaves while files are written is told where they come to lie, and that they are there.
    fn finish(self) -> Result<(), Error> {
        let mut result = Ok(());
        for job in self.jobs {
            if !job.is_over() {
                say(&job.words());
            }
            match job.finish() {
                Ok(words) => say(&words),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    /// What is followed is what is being recorded.
    fn wanted(&self) -> Wanted {
        let named = self.options.recording.clone();
        match self.options.live {
            true => Wanted::Followed(named.unwrap_or(Recording::Newest)),
            false => Wanted::Named(named),
        }
    }

    fn load(&mut self, app: &mut App, path: &Path, wanted: Wanted) {
        let what = match &wanted {
            Wanted::Named(_) | Wanted::Followed(_) => "reading".to_owned(),
            Wanted::All(_) => READING_REST.to_owned(),
            Wanted::Number(number) => format!("reading recording {number}"),
        };
        self.begin(app, what);
        load::load(path, wanted, &self.gauge, &self.tell);
    }

    /// One thing is read at a time: what was being read is not wanted any more.
    fn begin(&mut self, app: &mut App, what: String) {
        if app.loading.is_some() && app.model.is_some() {
            self.seen = None;
        }
        self.gauge.stop.store(true, Ordering::Relaxed);
        self.gauge = Arc::default();
        self.began = Instant::now();
        app.loading = Some(Loading { what, ..Loading::default() });
    }

    fn hear(&mut self, app: &mut App) -> bool {
        let mut any = false;
        // Whoever is over by now has said it, and is heard below.
        self.jobs.retain(|job| !job.is_over());
        while let Ok(news) = self.news.try_recv() {
            any = true;
            match news {
                News::Entries(path, entries, ring) => app.listed(&path, entries, ring),
                News::Gone(path) => app.unlisted(&path),
                // It was cancelled, or another was asked for.
                News::Loaded { gauge, .. } | News::Compared(_, gauge) | News::Done(gauge)
                    if gauge.stop.load(Ordering::Relaxed) => {}
                News::Loaded { model, more, .. } => {
                    self.took = self.began.elapsed();
                    app.loaded(Arc::from(model));
                    if more {
                        app.loading = Some(Loading { what: READING_REST.into(), ..Loading::default() });
                    }
                }
                News::Compared(compared, _) => {
                    (app.loading, app.compared) = (None, Some(Arc::from(compared)));
                    app.mode = Mode::Compare { top: 0 };
                }
                News::Done(_) => app.loading = None,
                News::Surveyed(path, id, verdict) => app.surveyed(&path, id, verdict),
                News::Said(text) => app.message = text,
                News::Failed(Error::ReaderGone) => {}
                News::Failed(error) => {
                    app.loading = None;
                    app.failed = Some(error);
                }
            }
        }
        if let Some(loading) = &mut app.loading {
            loading.done = self.gauge.done.load(Ordering::Relaxed);
            loading.total = self.gauge.total.load(Ordering::Relaxed);
        }
        any
    }

    /// Without a recording an error is the end; with one it is a message.
    fn failure(&mut self, app: &mut App) -> Option<Error> {
        let error = app.failed.take()?;
        if app.model.is_none() {
            return Some(error);
        }
        app.message = crate::safe::text(error.to_string().as_bytes());
        None
    }

    fn stamp(&self) -> Option<(u64, SystemTime)> {
        let found = std::fs::metadata(&self.options.path).ok()?;
        Some((found.len(), found.modified().ok()?))
    }

    /// Reads a file that has grown again, but never more of the time than a fifth. Whether there is something to see of it.
    fn follow(&mut self, app: &mut App) -> bool {
        let due = self.looked.elapsed() > LIVE.max(self.took * 4);
        if !app.live || app.loading.is_some() || !due {
            return false;
        }
        self.looked = Instant::now();
        let gone = std::fs::metadata(&self.options.path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        if gone && app.model.is_some() {
            // Another of its name may come.
            self.seen = None;
            return !std::mem::replace(&mut app.gone, true);
        }
        let stamp = self.stamp();
        if stamp != self.seen {
            (self.seen, app.gone) = (stamp, false);
            let wanted = self.wanted();
            self.load(app, &self.options.path, wanted);
        }
        false
    }

    /// What was not read to its end has not been seen: a file that is followed is read again, but not at once.
    fn cancel(&mut self, app: &mut App) {
        self.gauge.stop.store(true, Ordering::Relaxed);
        app.loading = None;
        app.message = "cancelled".into();
        (self.seen, self.looked, self.took) = (None, Instant::now(), self.began.elapsed());
    }

    /// The file of a recording that is listed.
    fn path(&self, app: &App, spot: Spot) -> PathBuf {
        app.files.get(spot.file).map_or_else(|| self.options.path.clone(), |file| file.path.clone())
    }

    fn act(&mut self, app: &mut App, taken: &mut Taken, effect: Effect) -> io::Result<Option<End>> {
        match effect {
            Effect::Quit => {
                self.gauge.stop.store(true, Ordering::Relaxed);
                return Ok(Some(End::Left));
            }
            Effect::Suspend => {
                if !taken.suspend()? {
                    app.message = "there is nobody who could continue it: no job control here".into();
                }
                return Ok(terminal::last().map(End::Signal));
            }
            Effect::Redraw => taken.clear()?,
            Effect::Open(spot) => {
                let path = self.path(app, spot);
                self.load(app, &path, Wanted::Number(spot.number));
            }
            Effect::Cancel => self.cancel(app),
            Effect::Save(form, None, target) => {
                if let Some(model) = &app.model {
                    let id = copy::Which::Id(model.picked.summary.session.id);
                    self.jobs.push(copy::save(&model.picked.path, id, form, target, &self.tell));
                }
            }
            Effect::Save(form, Some(spot), target) => {
                let entry = app.entries.iter().find(|entry| entry.spot == spot);
                let which = entry.map_or(copy::Which::Number(spot.number), |entry| copy::Which::Id(entry.id));
                self.jobs.push(copy::save(&self.path(app, spot), which, form, target, &self.tell));
            }
            Effect::Delete(file) => {
                copy::delete(&self.path(app, Spot { file, number: 0 }), &self.tell);
            }
            Effect::Rest => {
                if let Some(model) = app.model.clone() {
                    self.load(app, &model.picked.path, Wanted::All(model.picked.number));
                }
            }
            Effect::Compare { a, b } => {
                let with = match a {
                    Some(a) if a.file == b.file => format!("recording {}", a.number),
                    Some(a) => format!("recording {} of {}", a.number, app.files[a.file].title),
                    None => "the shutdown before".to_owned(),
                };
                self.begin(app, format!("comparing with {with}"));
                let named = |spot: Spot| (self.path(app, spot), spot.number);
                survey::compare(a.map(named), named(b), &self.gauge, &self.tell);
            }
            Effect::Survey => {
                if let Some(before) = &self.survey {
                    before.stop.store(true, Ordering::Relaxed);
                }
                let gauge = self.survey.insert(Arc::default());
                let files = app.files.iter().map(|file| file.path.clone()).collect();
                survey::survey(files, gauge, &self.tell);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::palette::Depth;

    #[test]
    fn files_of_one_name_are_told_apart() {
        let options = Options {
            path: "a/ring.lrt".into(),
            beside: vec![
                Listed::new("b/ring.lrt".into(), None),
                Listed::new("c/x.lrt".into(), Some("bug-1")),
            ],
            recording: None,
            live: false,
            tone: None,
            color: Color::Never,
            ascii: true,
            mouse: false,
        };
        let titles: Vec<String> = options.files().into_iter().map(|file| file.title).collect();
        assert_eq!(titles, ["a/ring.lrt", "b/ring.lrt", "imported as bug-1"]);
    }

    /// `live` and `still recording` stood there for ever.
    #[test]
    fn a_file_that_is_gone_is_told_to_be_and_followed_again_when_it_is_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options {
            path: dir.path().join("ring.lrt"),
            beside: Vec::new(),
            recording: None,
            live: true,
            tone: None,
            color: Color::Never,
            ascii: true,
            mouse: false,
        };
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/samples/power-cut.lrt");
        std::fs::copy(sample, &options.path).expect("copied");
        let mut app = App::new(Theme::choose(&Hints::default(), None, Some(false), true), (140, 24));
        let mut model = load::now(&options.path, None).expect("it is one");
        model.ending = crate::about::Ending::Recording;
        app.live = true;
        app.loaded(Arc::new(model));
        let shown = |app: &App| {
            let mut terminal =
                ratatui::Terminal::new(ratatui::backend::TestBackend::new(140, 24)).expect("one");
            terminal.draw(|frame| panel::draw(app, frame)).expect("drawn");
            terminal.backend().to_string()
        };
        assert!(shown(&app).contains("still recording"), "{}", shown(&app));
        let mut runner = Runner::new(&options);
        let Some(long_ago) = Instant::now().checked_sub(LIVE * 60) else { return };
        std::fs::remove_file(&options.path).expect("removed");
        runner.looked = long_ago;
        assert!(runner.follow(&mut app), "there is something to see");
        let screen = shown(&app);
        assert!(screen.contains("its file is gone: this is what was read of it"), "{screen}");
        assert!(!screen.contains("still recording") && !screen.contains("live -"), "{screen}");
        assert!(app.loading.is_none(), "there is nothing to read");
        std::fs::copy(sample, &options.path).expect("copied");
        runner.looked = long_ago;
        runner.follow(&mut app);
        assert!(app.loading.is_some() && !app.gone, "it is read again");
    }

    /// What Esc stopped was not read until the file changed again.
    #[test]
    fn a_file_that_is_followed_is_read_again_after_its_reading_was_stopped() {
        let options = Options {
            path: concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/samples/power-cut.lrt").into(),
            beside: Vec::new(),
            recording: None,
            live: true,
            tone: None,
            color: Color::Never,
            ascii: true,
            mouse: false,
        };
        let theme = Theme::choose(&Hints::default(), None, Some(false), true);
        assert_eq!(theme.depth, Depth::None);
        let mut app = App::new(theme, (80, 24));
        (app.live, app.loading) = (true, None);
        let mut runner = Runner::new(&options);
        let Some(long_ago) = Instant::now().checked_sub(LIVE * 60) else { return };
        runner.looked = long_ago;
        runner.follow(&mut app);
        assert!(app.loading.is_none(), "nothing has changed");
        runner.began = long_ago;
        runner.cancel(&mut app);
        runner.follow(&mut app);
        assert!(app.loading.is_none(), "not at once");
        (runner.looked, runner.took) = (long_ago, Duration::ZERO);
        runner.follow(&mut app);
        assert!(app.loading.is_some(), "it is read again");
    }
}
