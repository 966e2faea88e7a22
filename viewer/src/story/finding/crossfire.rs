//! Caught in another's crossfire: a stop script that kills by name, or by process group, and hits somebody else.
//!
//! Found: a death by a signal from killall, pkill and their like, run on behalf of another service than the victim's;
//! or from a kill of a process group that the victim shares with the one that was meant.

use std::collections::BTreeMap;

use super::{Case, Finding, Rule, Step, advice, steps};
use crate::{
    names,
    processes::base_name,
    story::{
        Story,
        fate::Fate,
        service::{Kind, Service, script},
        stopper::says_stop,
        who::{SHELLS, words},
        world::{At, Idx, Means, NONE, Sig, World},
    },
};

/// Programs that choose their victims by name or by what they have open.
const BY_NAME: [&[u8]; 5] = [b"killall", b"pkill", b"skill", b"slay", b"fuser"];

/// It chooses them so only where it is told to.
const SSD: &[u8] = b"start-stop-daemon";

/// One command that hit somebody whom it was not run for.
#[derive(Debug)]
pub(super) struct Shot {
    sender: Idx,
    /// On whose behalf it was run.
    owner: String,
    /// That it was run to stop that is known.
    stops: bool,
    /// Whom it hit of others, by which signal.
    strangers: Vec<(Idx, u32)>,
    /// How many it hit in all.
    hit: usize,
    /// They had something open on what was to be unmounted.
    by_mount: bool,
}

/// All that hit a stranger.
pub(super) fn shots(story: &Story) -> Vec<Shot> {
    // Most recordings have none of these in them, and millions of signals.
    let names = BY_NAME.iter().chain([&SSD]);
    let by_name = names.filter_map(|name| story.world.strings.find(name)).next().is_some();
    let mut hit: BTreeMap<Idx, Vec<(&Fate, u32)>> = BTreeMap::new();
    for fate in &story.fates {
        let Some(number) = fate.killer.or(fate.told.map(|told| told.sent)) else { continue };
        let Some(sent) = story.world.sig(number) else { continue };
        let ended =
            fate.killer.is_some() || fate.told.is_some() && story.world.procs[fate.proc as usize].dead();
        if ended && is_crossfire(story, sent, by_name) {
            hit.entry(sent.sender).or_default().push((fate, number));
        }
    }
    let mut shots = Vec::new();
    for (sender, victims) in hit {
        let Some((owner, stops)) = owner(story, sender) else { continue };
        let whose = |fate: &Fate| whose(story, &owner, sender, fate.proc);
        let owned: Vec<Idx> =
            victims.iter().filter(|(fate, _)| whose(fate) == Whose::Own).map(|(fate, _)| fate.proc).collect();
        let own = !owned.is_empty();
        // Whom an own one runs is its own; and so is whom the command names by its program beside theirs: `killall smbd nmbd`.
        let is_meant = |victim: Idx| {
            let world = &story.world;
            let names = |idx: Idx| asks_for_program(world, sender, idx);
            let beside = |own: &Idx| names(*own) && world.program_of(*own) != world.program_of(victim);
            world.ancestors(victim).any(|up| owned.contains(&up)) || names(victim) && owned.iter().all(beside)
        };
        let at_ns =
            victims[0].0.told.map_or(story.end_of(victims[0].0.proc).ns, |told| told.at(&story.world).ns);
        let by_mount = fuser_of_mount(story, sender, at_ns);
        let strangers: Vec<(Idx, u32)> = victims
            .iter()
            .filter(|(fate, _)| story.matters(fate.proc))
            // Whoever started them may stop them: supervisord's stopasgroup=true.
            .filter(|(fate, _)| !story.world.ancestors(fate.proc).any(|up| up == sender))
            .filter(|(fate, _)| match whose(fate) {
                Whose::Own => false,
                Whose::Another => true,
                // A script's name need not be its program's: where it hit nothing else, this is what it is for.
                Whose::Unknown => own && !is_meant(fate.proc) || by_mount,
            })
            .map(|(fate, number)| (fate.proc, *number))
            .collect();
        if !strangers.is_empty() {
            shots.push(Shot { sender, owner, stops, strangers, hit: victims.len(), by_mount });
        }
    }
    shots
}

pub(super) fn check(case: &mut Case<'_>) {
    let shots = std::mem::take(&mut case.shots);
    for shot in &shots {
        let left: Vec<(&Fate, u32)> = shot
            .strangers
            .iter()
            .filter(|(idx, _)| !case.is_taken(*idx))
            .filter_map(|(idx, number)| Some((case.story.fate(*idx)?, *number)))
            .collect();
        if !left.is_empty() {
            let finding = tell(case.story, shot, &left);
            case.add(finding);
        }
    }
}

/// That `idx` was hit by what was run for another, for a finding that tells of it already: the step, and what to change.
pub(super) fn beside(case: &Case<'_>, idx: Idx) -> Option<(Step, String)> {
    let story = case.story;
    let hits = |shot: &&Shot| shot.strangers.iter().any(|(hit, _)| *hit == idx);
    let shot = case.shots.iter().find(hits)?;
    let (_, number) = shot.strangers.iter().find(|(hit, _)| *hit == idx)?;
    let sent = story.world.sig(*number)?;
    let deed = story.world.deed(shot.sender, sent.at.ns);
    let text =
        format!("that {deed} was run for {}, to which {} does not belong", shot.owner, story.world.name(idx));
    Some((Step::at(sent.at, text), against(&deed, shot, &story.world.name(idx))))
}

fn against(deed: &str, shot: &Shot, names: &str) -> String {
    match shot.by_mount {
        true => advice::against_mount(names, &shot.owner, deed),
        false if !shot.stops => {
            format!("have {} kill by pid file instead of by `{deed}`, which hits others", shot.owner)
        }
        false => advice::against_crossfire(deed, &shot.owner),
    }
}

/// `by_name`: whether there is anybody who kills by name.
fn is_crossfire(story: &Story, sent: &Sig, by_name: bool) -> bool {
    let by_group = sent.means == Means::Group && !story.world.is_init(sent.sender);
    by_group
        || by_name
            && match story.world.program_at(sent.sender, sent.at.ns) {
                SSD => stops_by_name(story, sent),
                program => BY_NAME.contains(&program),
            }
}

/// `start-stop-daemon --stop --name worker`, or by program or user: everybody of that kind, unless a pid file says who.
fn stops_by_name(story: &Story, sent: &Sig) -> bool {
    let world = &story.world;
    let argv =
        world.image_at(sent.sender, sent.at.ns).map_or(&b""[..], |image| world.strings.get(image.argv));
    let has = |short: u8, long: &[u8]| {
        words(argv).skip(1).any(|word| match word {
            [b'-', b'-', rest @ ..] => rest.split(|byte| *byte == b'=').next() == Some(long),
            // Letters may stand together: `-Kqn worker`.
            [b'-', letters @ ..] => letters.contains(&short),
            _ => false,
        })
    };
    let by_pid = has(b'p', b"pidfile") || has(0, b"pid") || has(0, b"ppid");
    !by_pid && (has(b'n', b"name") || has(b'x', b"exec") || has(b'u', b"user"))
}

/// To whom a victim belongs, as seen from the service whose script it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Another,
    Unknown,
}

fn whose(story: &Story, owner: &str, sender: Idx, victim: Idx) -> Whose {
    let world = &story.world;
    let service = story.service(victim).map(|id| story.services.get(id));
    // The id of an inittab entry is no name.
    let named = |service: &&Service| service.kind != Kind::Inittab;
    match service.filter(named) {
        // A service's own script stops its own.
        Some(theirs) if same(owner, &theirs.name) => Whose::Own,
        // It may have come to be a job's of Upstart, and that may be called otherwise than the script and the program. What others
        // look after is no init script's.
        Some(theirs)
            if theirs.kind == Kind::Upstart
                && (same(owner, &world.name(victim))
                    || asks_for(world, sender, &theirs.name)
                    || asks_for_program(world, sender, victim)) =>
        {
            Whose::Unknown
        }
        // The script of who looks after it may stop that as well.
        Some(_)
            if world.ancestors(victim).any(|up| world.is_supervisor(up) && same(owner, &world.name(up))) =>
        {
            Whose::Own
        }
        Some(_) => Whose::Another,
        // Only its program is known: named like the script's service, or with it in its arguments, it is its own.
        None if same(owner, &world.name(victim)) => Whose::Own,
        // So are those whom that program runs, whatever they are called.
        None if world.ancestors(victim).any(|up| !world.is_init(up) && same(owner, &world.name(up))) => {
            Whose::Own
        }
        None => {
            let argv =
                world.image(world.image_of(victim)).map_or(&b""[..], |image| world.strings.get(image.argv));
            // But for a program whose own name goes on behind it: that is another one, whatever directory it is in.
            let bare = owner.split(['.', '@']).next().unwrap_or(owner);
            let goes_on = world.name(victim).starts_with(bare);
            let parts = argv.split(|byte| matches!(byte, b'\0' | b'/' | b'=' | b':' | b',' | b' '));
            let mut parts = parts.filter_map(|part| std::str::from_utf8(part).ok());
            let named = bare.len() > 2
                && match goes_on {
                    true => parts.any(|part| same(owner, part)),
                    false => argv.windows(bare.len()).any(|part| part == bare.as_bytes()),
                };
            match service {
                _ if named => Whose::Own,
                // What init runs itself no script has started, but one may be there to stop it.
                Some(_) if asks_for_program(world, sender, victim) => Whose::Unknown,
                Some(_) => Whose::Another,
                None => Whose::Unknown,
            }
        }
    }
}

/// Whether it is told to kill by the name of this service: `pkill -x mongod`.
fn asks_for(world: &World, sender: Idx, service: &str) -> bool {
    // `db7 (instance)` is job db7.
    let name = service.split(' ').next().unwrap_or(service);
    world.arguments(sender).into_iter().any(|word| base_name(word) == name.as_bytes())
}

/// Whether it is told to kill by the name of the program that the victim is, which is not one that runs whatever it is given.
fn asks_for_program(world: &World, sender: Idx, victim: Idx) -> bool {
    let program = world.program_of(victim);
    !program.is_empty()
        && !INTERPRETERS.iter().any(|name| {
            // python3.11, ruby2.7, php8.2
            program
                .strip_prefix(*name)
                .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
        })
        && world.arguments(sender).into_iter().any(|word| base_name(word) == program)
}

/// Programs that are whatever they are given.
const INTERPRETERS: [&[u8]; 10] =
    [b"java", b"node", b"nodejs", b"perl", b"php", b"php-cgi", b"python", b"ruby", b"beam.smp", b"mono"];

/// `fuser -km /srv`: everybody who has anything open there.
fn fuser_of_mount(story: &Story, sender: Idx, ns: u64) -> bool {
    let world = &story.world;
    let argv = world.image_at(sender, ns).map_or(&b""[..], |image| world.strings.get(image.argv));
    let mut options = words(argv).skip(1).filter(|word| word.starts_with(b"-"));
    world.program_at(sender, ns) == b"fuser"
        && options.any(|word| {
            matches!(word, b"--mount" | b"--ismountpoint")
                || word.get(1) != Some(&b'-') && word.contains(&b'm')
        })
}

/// Whether two names are of one service: `mysql` and `mysqld`, `postgresql@15` and `postgres`, `tomcat9` and `tomcat`; but not
/// `node` and `node-red`, `mysql` and `mysqld_exporter`.
fn same(a: &str, b: &str) -> bool {
    let bare = |name: &str| name.split(['.', '@']).next().unwrap_or(name).to_owned();
    let (a, b) = (bare(a), bare(b));
    let (long, short) = if a.len() < b.len() { (&b, &a) } else { (&a, &b) };
    // Two letters that many begin with say nothing.
    a == b
        || short.len() > 2
            && long.strip_prefix(short.as_str()).is_some_and(|rest| {
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                let rest = rest.strip_prefix('d').unwrap_or(rest);
                let part = rest.strip_prefix(['-', '_']);
                match part {
                    Some(part) => SAME.contains(&part) || part.chars().all(|c| c.is_ascii_digit()),
                    None => rest.len() <= ENDING_MAX,
                }
            })
}

/// What the program of a service may be called more than that.
const SAME: [&str; 6] = ["server", "daemon", "safe", "main", "master", "worker"];
/// Without anything between, so much at most: `mongodb` and `mongod`, `postgresql` and `postgres`, `httpd` and `http`.
const ENDING_MAX: usize = 3;

/// On whose behalf: the service of the sender, or the script it runs in. What somebody types in his session, or a job of cron, is
/// run to stop neither. And whether it stops that, as far as one knows: a timer's unit may be started in a shutdown.
fn owner(story: &Story, sender: Idx) -> Option<(String, bool)> {
    let world = &story.world;
    let of = |up: Idx| {
        let id = story.services.known(up)?;
        let service = story.services.get(id);
        let is_for_it = match service.kind {
            Kind::Unit => !service.name.ends_with(".scope") && story.is_run_for_its_unit(sender),
            kind => is_run_to_stop(story, sender, kind),
        };
        let stops = service.kind != Kind::Unit || story.stops_its_unit(sender);
        is_for_it.then(|| (service.name.clone(), stops))
    };
    if story.services.known(sender).is_some() {
        return of(sender);
    }
    world.ancestors(sender).find_map(|up| match story.services.known(up) {
        Some(_) => of(up),
        None => world
            .own_images(up)
            .find_map(|image| script(world, image))
            .filter(|_| is_run_to_stop(story, sender, Kind::Script))
            .map(|name| (crate::safe::text(name), true)),
    })
}

/// Whether the sender is, or is run by, what was begun in the shutdown to stop a service of that `kind`. sshd, agetty and cron are
/// services too: what is typed in a login, or is a job of cron, was not begun by whoever looks after these.
fn is_run_to_stop(story: &Story, sender: Idx, kind: Kind) -> bool {
    let world = &story.world;
    let line = std::iter::once(sender).chain(world.ancestors(sender)).take_while(|up| !world.is_init(*up));
    let born = |idx: Idx| world.proc_at(idx).map_or(At::default(), |proc| proc.born);
    // A script that stops what it had started, in its own way: all that it runs for that is younger than its being told. That of
    // a job of Upstart has no name.
    let stops = |up: Idx, below: Option<At>| {
        let told = story.fate(up).and_then(|fate| fate.told).map_or(At::NEVER, |told| told.at(world));
        let is_script =
            world.is_script(up) || kind == Kind::Upstart && SHELLS.contains(&world.program_of(up));
        is_script && below.is_some_and(|below| told <= below)
    };
    let line = line.scan(None, |oldest: &mut Option<At>, up| {
        let below = *oldest;
        *oldest = Some(below.map_or(born(up), |at| at.min(born(up))));
        Some((up, below))
    });
    line.filter(|(up, below)| story.is_command(*up) || stops(*up, *below)).any(|(up, _)| {
        let parent = world.proc_at(up).map_or(NONE, |proc| proc.parent);
        match kind {
            // rc is a child of init; but anybody may run a script by hand.
            Kind::Script | Kind::OpenRc => world.is_init(parent) || is_stop_script(world, up),
            Kind::Upstart | Kind::Dinit => world.is_init(parent),
            Kind::Runit | Kind::S6 | Kind::Daemontools => {
                matches!(world.program_of(parent), b"runsv" | b"s6-supervise" | b"supervise")
            }
            Kind::Monit => world.program_of(parent) == b"monit",
            // These have nothing but what they run, or what somebody has them execute.
            Kind::Unit | Kind::Container | Kind::Supervisord | Kind::Inittab => false,
        }
    })
}

/// `/etc/init.d/exim4 stop`, `openrc-run.sh /etc/init.d/exim4 stop`.
fn is_stop_script(world: &World, idx: Idx) -> bool {
    world
        .own_images(idx)
        .any(|image| script(world, image).is_some() && says_stop(world.strings.get(image.argv)))
}

fn tell(story: &Story, shot: &Shot, strangers: &[(&Fate, u32)]) -> Finding {
    let world = &story.world;
    let names: Vec<String> = strangers.iter().map(|(fate, _)| story.called(fate.proc)).collect();
    let first = world.sig(strangers[0].1);
    let (deed, sig) = first.map_or_else(Default::default, |sent| {
        (world.deed(shot.sender, sent.at.ns), names::signal(sent.sig).into_owned())
    });
    let verb = if names.len() == 1 { "was" } else { "were" };
    let purpose = if shot.stops { "to stop" } else { "for" };
    let headline =
        format!("{} {verb} hit by another's {deed}, run {purpose} {}", steps::list(&names), shot.owner);
    let mut finding = Finding::new(Rule::Crossfire, headline);
    for (fate, number) in strangers.iter().take(4) {
        if fate.killer.is_none_or(|killer| killer == *number) {
            finding.steps.extend(fate.told.as_ref().map(|told| steps::told(story, fate, told)));
        }
        finding.steps.extend(steps::end(story, fate));
    }
    if let Some(sent) = first.filter(|_| shot.hit > strangers.len()) {
        let text = format!("the same {deed} sent {sig} to {} processes in all", shot.hit);
        finding.steps.push(Step { at: Some(sent.at), text, events: Vec::new() });
    }
    finding.procs = strangers.iter().map(|(fate, _)| fate.proc).collect();
    for (fate, _) in strangers {
        if steps::next_boot(story, &mut finding, fate.proc) {
            break;
        }
    }
    finding.advice = Some(against(&deed, shot, &steps::list(&names)));
    finding
}
