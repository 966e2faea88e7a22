//! One process, or one service: what happened to it, and what it did to others.

use std::fmt::Write as _;

use super::{not_there, text::Page, with_pid};
use crate::{
    error::Error,
    names,
    output::Look,
    safe,
    story::{
        finding,
        who::clip,
        world::{Idx, Origin},
    },
    time,
};

/// So many of a list are shown.
const MOST: usize = 40;

/// Everybody who had this pid.
pub fn pid(page: &Page<'_>, pid: u32) -> Result<String, Error> {
    let all = with_pid(page.picked, pid);
    if all.is_empty() {
        return Err(not_there(
            &format!("no process {pid} in recording {}; `lastrites show` lists them", page.picked.number),
            &page.picked.path,
        ));
    }
    let mut out = String::new();
    page.head(&mut out);
    for idx in all.iter().take(MOST) {
        out.push('\n');
        life(page, &mut out, *idx);
    }
    Ok(out)
}

/// Everybody of this service, or of this program where no service has the name.
pub fn service(page: &Page<'_>, name: &str) -> Result<String, Error> {
    let story = page.story();
    let bare = |service: &str| service == name || service.split('.').next() == Some(name);
    let of_service = |idx: &Idx| story.service(*idx).is_some_and(|id| bare(&story.services.get(id).name));
    let of_program = |idx: &Idx| story.world.name(*idx) == name;
    let fates = || story.fates.iter().map(|fate| fate.proc);
    let mut all: Vec<Idx> = fates().filter(of_service).collect();
    if all.is_empty() {
        all = fates().filter(of_program).collect();
    }
    if all.is_empty() {
        let mut names: Vec<String> = fates()
            .filter_map(|idx| story.service(idx))
            .map(|id| story.services.get(id).name.clone())
            .collect();
        names.sort();
        names.dedup();
        names.truncate(MOST);
        return Err(not_there(
            &format!(
                "no service {} in this shutdown; there are {}",
                safe::text(name.as_bytes()),
                names.join(", ")
            ),
            &page.picked.path,
        ));
    }
    let mut out = String::new();
    page.head(&mut out);
    for idx in all.iter().take(MOST) {
        out.push('\n');
        life(page, &mut out, *idx);
    }
    if all.len() > MOST {
        page.put(&mut out, Some(Look::Dim), &format!("{} more processes", all.len() - MOST), 0);
    }
    Ok(out)
}

fn life(page: &Page<'_>, out: &mut String, idx: Idx) {
    let (story, world) = (page.story(), &page.story().world);
    let Some(proc) = world.proc_at(idx) else { return };
    page.put(out, Some(Look::Strong), &story.called(idx).replacen(&world.name(idx), &world.label(idx), 1), 4);
    let mut line = |at: Option<crate::story::world::At>, text: String| {
        let when = at.map(|at| page.when(at)).unwrap_or_default();
        page.put(out, None, &format!("    {when:>10}  {text}"), 16);
    };
    let parent = world.label_at(proc.parent, proc.born.ns);
    match proc.origin {
        Origin::Forked => {
            line(Some(proc.born), format!("born, a child of {parent} (event {})", proc.born.number))
        }
        Origin::Running => {
            line(Some(proc.born), format!("was running when recording began, a child of {parent}"))
        }
        Origin::Mentioned => line(None, "known only from what others did to it".into()),
    }
    let mut images: Vec<_> = world.own_images(idx).collect();
    images.reverse();
    for image in images.iter().take(MOST) {
        let tty = safe::text(world.strings.get(image.tty));
        let mut text =
            format!("runs {} as {}", clip(&world.command(image, 160), 160), names::user(image.uid));
        if !tty.is_empty() {
            let _ = write!(text, " on {tty}");
        }
        line(Some(image.at), text);
    }
    if let Some(restart) = story.replaces(idx) {
        line(Some(restart.at), format!("took the place of {}", world.label(restart.old)));
    }
    for sent in world.sigs.iter().filter(|sent| sent.target == idx).take(MOST) {
        let mut text = format!(
            "{} from {}: {}",
            names::signal(sent.sig),
            world.sender(sent),
            names::result(sent.result)
        );
        if let Some((at, handled)) = sent.took {
            let _ = write!(
                text,
                ", {} {} later",
                if handled { "handled" } else { "acted on by default" },
                time::duration(at.ns.saturating_sub(sent.at.ns))
            );
        }
        line(Some(sent.at), format!("{text} (event {})", sent.at.number));
    }
    match story.fate(idx).and_then(|fate| finding::end_step(story, fate)) {
        Some(step) => line(step.at, step.text),
        None if proc.dead() => {
            line(Some(proc.exit), format!("{} (event {})", names::status(proc.status), proc.exit.number))
        }
        None => {}
    }
    if let Some(restart) = story.replaced(idx) {
        line(Some(restart.at), finding::restart_step(story, restart).text);
    }
    let sent: Vec<_> = world.sigs.iter().filter(|sent| sent.sender == idx).collect();
    for sent in sent.iter().take(MOST) {
        line(
            Some(sent.at),
            format!(
                "sent {} to {} (event {})",
                names::signal(sent.sig),
                world.label_at(sent.target, sent.at.ns),
                sent.at.number
            ),
        );
    }
    if sent.len() > MOST {
        line(None, format!("and {} more signals", sent.len() - MOST));
    }
}
