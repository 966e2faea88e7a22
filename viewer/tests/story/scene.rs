//! Scenes: reading them, and telling their stories.
//!
//! Invariant: whatever a scene says is used. An unknown word, a pid that is not there, a time that goes back, a scene
//! that expects nothing: each is an error that names the file and the line.

use lastrites::story::{Story, across::NextBoot, service::Entry, world::World};

use crate::{
    boot::{Boot, Recorded},
    expect::{self, Expected},
};

/// One scene: what happened, and what is to be said of it.
#[derive(Debug)]
pub struct Scene {
    /// Name of its file, without `.scene`.
    pub file: String,
    pub sentence: String,
    pub recorded: Recorded,
    pub next: Option<Recorded>,
    pub expected: Expected,
}

impl Scene {
    /// The story of what was recorded.
    pub fn story(&self) -> Story {
        self.story_of(&self.recorded)
    }

    /// The story of `recorded` in the place of what was, with the same next boot.
    pub fn story_of(&self, recorded: &Recorded) -> Story {
        let entries = || Entry::of(&recorded.summary.session);
        let next = self.next.as_ref().map(|next| NextBoot::new(world(next), 2, entries()));
        Story::tell(world(recorded), &recorded.summary, next)
    }

    /// What is wrong with the story, if anything is.
    pub fn check(&self) -> Result<(), String> {
        let story = self.story();
        self.expected.check(&story, &self.recorded.labels).map_err(|wrong| {
            format!("{}.scene:\n{wrong}\nfound, as a scene says it:\n{}", self.file, expect::found(&story))
        })
    }
}

fn world(recorded: &Recorded) -> World {
    let items = recorded.items.iter().cloned().map(Ok::<_, std::convert::Infallible>);
    match World::read(items) {
        Ok(world) => world,
        Err(never) => match never {},
    }
}

/// All scenes of a file. What stands before the first is a part of each.
pub fn scenes(file: &str, text: &str) -> Result<Vec<Scene>, String> {
    let lines: Vec<(usize, &str)> = text.lines().zip(1..).map(|(line, number)| (number, line)).collect();
    let mut parts = lines.split(|(_, line)| line.starts_with("== "));
    let common = parts.next().unwrap_or_default();
    let titles = lines.iter().filter_map(|(number, line)| Some((*number, line.strip_prefix("== ")?.trim())));
    let mut scenes: Vec<Scene> = Vec::new();
    for ((number, sentence), part) in titles.zip(parts) {
        if scenes.iter().any(|scene| scene.sentence == sentence) {
            return Err(format!("{file}.scene:{number}: there is a scene of that name"));
        }
        scenes.push(scene(file, number, sentence, common, part)?);
    }
    if scenes.is_empty() { Err(format!("{file}.scene: no scene in it")) } else { Ok(scenes) }
}

fn scene(
    file: &str,
    number: usize,
    sentence: &str,
    common: &[(usize, &str)],
    part: &[(usize, &str)],
) -> Result<Scene, String> {
    let mut boots = vec![Boot::new()];
    let mut expected = Expected::default();
    for (line, text) in common.iter().chain(part) {
        let at = |error: String| format!("{file}.scene:{line}: {error}");
        let text = without_comment(text).trim();
        let first = text.split(' ').next().unwrap_or_default();
        let is_first = boots.len() == 1;
        let boot = boots.last_mut().ok_or("no boot")?;
        match first {
            "" => {}
            "next" if text == "next" && is_first => {
                let next = boot.next();
                boots.push(next);
            }
            _ if Boot::knows(first) => boot.line(text).map_err(at)?,
            _ => expected.line(text).map_err(at)?,
        }
    }
    if expected.is_empty() {
        return Err(format!("{file}.scene:{number}: the scene expects nothing; `nothing` says so"));
    }
    let mut recorded = boots.into_iter().map(Boot::finish);
    let (first, next) = (recorded.next().ok_or("no boot")?, recorded.next());
    expected.check_labels(&first.labels).map_err(|error| format!("{file}.scene:{number}: {error}"))?;
    Ok(Scene { file: file.into(), sentence: sentence.into(), recorded: first, next, expected })
}

/// A comment begins with `#` at the beginning of a line or behind a space.
fn without_comment(line: &str) -> &str {
    match line.find(" #") {
        _ if line.starts_with('#') => "",
        Some(at) => &line[..at],
        None => line,
    }
}

/// The words of a line; `'...'` and `"..."` hold spaces.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for c in line.chars() {
        match (open, c) {
            (Some(quote), c) if c == quote => open = None,
            (None, '\'' | '"') => (open, begun) = (Some(c), true),
            (None, ' ' | '\t') if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ' | '\t') => {}
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if open.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(begun.then_some(word));
    Ok(words)
}
