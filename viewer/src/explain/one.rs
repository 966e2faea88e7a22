//! One process, or one service: what happened to it, and what it did to others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    not_there,
    text::{self, Page},
    with_pid,
};
use crate::{
    error::Error,
    names,
    output::Look,
    safe,
    story::{
        Story,
        fate::Fate,
        finding::{self, Finding},
        who::clip,
        world::{At, Idx, Image, Means, Origin, Sig, World},
    },
    time,
};

/// So many of a list are shown.
const MOST: usize = 40;

/// Whether its sender meant it: the kernel sends some only because somebody ended.
fn is_deed(sent: &Sig) -> bool {
    !matches!(sent.means, Means::Hangup | Means::Namespace | Means::ParentDeath | Means::Oom)
}

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
    concerning(page, &mut out, &all);
    Ok(out)
}

/// Everybody of this service, or of this program where no service has the name; a part of the name is enough where it is
/// in one only.
pub fn service(page: &Page<'_>, name: &str) -> Result<String, Error> {
    let story = page.story();
    let bare = |service: &str| {
        service == name || service.split('.').next() == Some(name) || service.split('@').next() == Some(name)
    };
    let of_service = |idx: &Idx| story.service(*idx).is_some_and(|id| bare(&story.services.get(id).name));
    let of_program = |idx: &Idx| story.world.name(*idx) == name;
    let fates = || story.fates.iter().map(|fate| fate.proc);
    let mut all: Vec<Idx> = fates().filter(of_service).collect();
    if all.is_empty() {
        all = fates().filter(of_program).collect();
    }
    if all.is_empty() {
        all = by_part(story, name).map_err(|why| not_there(&why, &page.picked.path))?;
    }
    // Those who forked the others come first.
    all.sort_by_key(|idx| (story.world.proc_at(*idx).map(|proc| proc.born), *idx));
    let mut out = String::new();
    page.head(&mut out);
    for idx in all.iter().take(MOST) {
        out.push('\n');
        life(page, &mut out, *idx);
    }
    if all.len() > MOST {
        out.push('\n');
        page.put(&mut out, Some(Look::Dim), &format!("and {} more processes", all.len() - MOST), 4);
    }
    concerning(page, &mut out, &all);
    Ok(out)
}

/// What a person may call somebody: its service, and its program.
fn names_of(story: &Story, idx: Idx) -> (Option<String>, String) {
    (story.service(idx).map(|id| story.services.get(id).name.clone()), story.world.name(idx))
}

/// Those of whom anybody would want to hear: what a script of the shutdown runs is no service of it.
fn matter(story: &Story) -> impl Iterator<Item = Idx> {
    story.fates.iter().map(|fate| fate.proc).filter(|idx| story.matters(*idx))
}

/// Everybody of the one service or program whose name begins with `part`, or else has it in it.
fn by_part(story: &Story, part: &str) -> Result<Vec<Idx>, String> {
    let shown = safe::text(part.as_bytes());
    let fitting = |fits: fn(&str, &str) -> bool| -> BTreeMap<String, Vec<Idx>> {
        let mut found: BTreeMap<String, Vec<Idx>> = BTreeMap::new();
        for idx in matter(story).filter(|_| !part.is_empty()) {
            let (service, program) = names_of(story, idx);
            if fits(&program, part) || service.as_ref().is_some_and(|service| fits(service, part)) {
                found.entry(service.unwrap_or(program)).or_default().push(idx);
            }
        }
        found
    };
    let mut found = fitting(|name, part| name.starts_with(part));
    if found.is_empty() {
        found = fitting(|name, part| name.contains(part));
    }
    match found.len() {
        0 => Err(format!("no service {shown} in this shutdown; {}", there(story))),
        1 => Ok(found.into_values().flatten().collect()),
        _ => {
            let names: Vec<String> = found.into_keys().take(MOST).collect();
            Err(format!("{shown} is in the names of several; say which: {}", names.join(", ")))
        }
    }
}

/// `there are cron, md (mongod), rsyslog`: names that would have been understood.
fn there(story: &Story) -> String {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for idx in matter(story) {
        match names_of(story, idx) {
            (Some(service), program) => {
                let others = names.entry(service.clone()).or_default();
                if !service.contains(&program) {
                    others.insert(program);
                }
            }
            (None, program) => {
                names.entry(program).or_default();
            }
        }
    }
    let shown = names.iter().take(MOST).map(|(name, programs)| match programs.is_empty() {
        true => name.clone(),
        false => format!("{name} ({})", programs.iter().cloned().collect::<Vec<_>>().join(", ")),
    });
    let shown: Vec<String> = shown.collect();
    match names.len() {
        0 => "there is none".to_owned(),
        n if n > MOST => format!("there are {}, and {} more", shown.join(", "), n - MOST),
        _ => format!("there are {}", shown.join(", ")),
    }
}

/// The findings that are about any of these, briefly: what is told above is not told again.
fn concerning(page: &Page<'_>, out: &mut String, those: &[Idx]) {
    let about = |finding: &Finding| finding.procs.iter().any(|idx| those.contains(idx));
    let findings = page.story().findings.iter().enumerate().filter(|(_, finding)| about(finding));
    for (at, finding) in findings.take(MOST) {
        out.push('\n');
        let text = format!("[{}] {} ({})", at + 1, finding.headline, finding.confidence.words());
        page.put(out, Some(Look::Bad), &text, 4);
        for step in finding.steps.iter().filter(|step| step.at.is_none()) {
            page.put(out, Some(Look::Strong), &format!("    {}", step.text), 6);
        }
        if let Some(advice) = &finding.advice {
            page.put(out, Some(Look::Name), &format!("    To change: {advice}."), 6);
        }
    }
}

/// One life, in order of time.
fn life(page: &Page<'_>, out: &mut String, idx: Idx) {
    let (story, world) = (page.story(), &page.story().world);
    let Some(proc) = world.proc_at(idx) else { return };
    page.put(out, Some(Look::Strong), &story.called(idx).replacen(&world.name(idx), &world.label(idx), 1), 4);
    let mut lines: Vec<(At, String)> = Vec::new();
    let parent = world.label_at(proc.parent, proc.born.ns);
    lines.push(match proc.origin {
        Origin::Forked => (proc.born, format!("born, a child of {parent} (event {})", proc.born.number)),
        Origin::Running => (proc.born, format!("born before recording began, a child of {parent}")),
        Origin::Mentioned => (proc.born, "known only from what others did to it".into()),
    });
    if let Some(restart) = story.replaces(idx) {
        lines.push((restart.at, format!("took the place of {}", world.label(restart.old))));
    }
    let mut images: Vec<_> = world.own_images(idx).collect();
    images.reverse();
    lines.extend(images.iter().take(MOST).map(|image| (image.at, runs(world, image))));
    let fate = story.fate(idx);
    lines.extend(received(story, fate, idx));
    match fate.and_then(|fate| text::end(story, fate)) {
        Some(step) => lines.push((step.at.unwrap_or(At::NEVER), step.text)),
        None if proc.dead() => lines
            .push((proc.exit, format!("{} (event {})", names::status(proc.status.into()), proc.exit.number))),
        None => {}
    }
    if let Some(restart) = story.replaced(idx) {
        lines.push((restart.at, finding::restart_step(story, restart).text));
    }
    let sent: Vec<_> =
        world.sigs.iter().filter(|sent| sent.sender == idx && !freezes(sent) && is_deed(sent)).collect();
    lines.extend(sent.iter().take(MOST).map(|sent| {
        let (sig, target) = (names::signal(sent.sig), world.label_at(sent.target, sent.at.ns));
        // Who sends to a dying one, or to one that ignores it, does nothing to it.
        let result = match sent.result {
            0 => String::new(),
            result => format!(": {}", names::result(result)),
        };
        (sent.at, format!("sent {sig} to {target}{result} (event {})", sent.at.number))
    }));
    let heirs = story.restarts.iter().filter(|restart| restart.by == idx).take(MOST);
    lines.extend(heirs.map(|restart| (restart.at, finding::restart_step(story, restart).text)));
    // What is of one moment stays in the order in which it is told here.
    lines.sort_by_key(|(at, _)| at.ns);
    for (at, text) in &lines {
        let when = page.when(*at);
        page.put(out, None, &format!("    {when:>10}  {text}"), 16);
    }
    if sent.len() > MOST {
        page.put(
            out,
            Some(Look::Dim),
            &format!("    {:>10}  and sent {} more signals", "", sent.len() - MOST),
            16,
        );
    }
}

/// `runs /usr/sbin/mongod -f /etc/mongod.conf as root`.
fn runs(world: &World, image: &Image) -> String {
    let mut command = String::new();
    let argv = world.strings.get(image.argv);
    // Who gives itself a title leaves the rest of its arguments empty.
    let mut end = argv.len();
    while end > 0 && matches!(argv[end - 1], 0 | b' ') {
        end -= 1;
    }
    let argv = &argv[..end];
    safe::push_argv(&mut command, if argv.is_empty() { world.strings.get(image.filename) } else { argv });
    let command = shortened(&command);
    let tty = safe::text(world.strings.get(image.tty));
    let on = if tty.is_empty() { String::new() } else { format!(" on {tty}") };
    format!("runs {} as {}{on}", clip(&command, 160), names::user(image.uid))
}

/// `text` with three in place of many alike: runsvdir keeps its log in hundreds of dots.
fn shortened(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| c != first).unwrap_or(rest.len());
        let shown = if end > 8 * first.len_utf8() { 3 * first.len_utf8() } else { end };
        out.push_str(&rest[..shown]);
        rest = &rest[end..];
    }
    out
}

/// Whether it only stops or continues: sprees do that to everybody, again and again.
fn freezes(sent: &Sig) -> bool {
    matches!(sent.sig, 18 | 19)
}

/// Signals it got, those that freeze and thaw together.
fn received(story: &Story, fate: Option<&Fate>, idx: Idx) -> Vec<(At, String)> {
    let world = &story.world;
    let mut lines = Vec::new();
    let to_it = || world.sigs.iter().enumerate().filter(|(_, sent)| sent.target == idx);
    // What it died of is told with its end, unless that is what told it to stop.
    let killer = fate.filter(|fate| fate.told.is_none_or(|told| Some(told.sent) != fate.killer));
    let killer = killer.and_then(|fate| fate.killer);
    let plain = to_it().filter(|(at, sent)| !freezes(sent) && u32::try_from(*at).ok() != killer);
    for (_, sent) in plain.take(MOST) {
        let (sig, from) = (names::signal(sent.sig), story.sender(sent));
        let mut text = format!("{sig} from {from}: {}", names::result(sent.result));
        if let Some((at, handled)) = sent.took() {
            let how = if handled { "handled" } else { "acted on by default" };
            let _ = write!(text, ", {how} {} later", time::duration(at.ns.saturating_sub(sent.at.ns)));
        }
        lines.push((sent.at, format!("{text} (event {})", sent.at.number)));
    }
    let stops = to_it().filter(|(_, sent)| sent.sig == 19);
    let (count, first) = (stops.clone().count(), stops.map(|(_, sent)| sent).next());
    let last = to_it().filter(|(_, sent)| freezes(sent)).map(|(_, sent)| sent).next_back();
    if let (Some(first), Some(last)) = (first, last) {
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        lines.push((
            first.at,
            format!(
                "frozen and thawed {times} (SIGSTOP, SIGCONT) within {}, first by {} (event {})",
                time::duration(last.at.ns.saturating_sub(first.at.ns)),
                story.sender(first),
                first.at.number
            ),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_without_end_is_shortened() {
        for (text, expected) in [
            (
                &"log: ".to_owned().chars().chain(std::iter::repeat_n('.', 395)).collect::<String>()[..],
                "log: ...",
            ),
            ("--------", "--------"),
            ("ääääääääää b", "äää b"),
            ("", ""),
        ] {
            assert_eq!(shortened(text), expected);
        }
    }
}
