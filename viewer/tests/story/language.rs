//! The language of scenes: what it refuses; and that each rule has its scenes.
//!
//! Invariant: a scene that means nothing is an error, never a test that passes.

use libtest_mimic::{Failed, Trial};

use lastrites::story::finding::Rule;

use crate::scene;

/// A scene file of each rule has so many scenes, of which so many find it, and so many do not.
const SCENES: usize = 12;
const FINDING: usize = 3;
const NOT_FINDING: usize = 3;

/// Scenes that have to be refused: what is wrong, the lines behind `== `, and what the error says.
const REFUSED: [(&str, &str, &str); 24] = [
    ("an unknown word", "bogus 1\nnothing", "unknown word: bogus"),
    ("no expectation", "+0 1 forks 500", "expects nothing"),
    ("nothing at all", "", "expects nothing"),
    ("an absent pid", "+0 500 exits 0\nnothing", "there is no process 500"),
    ("an absent parent", "+0 500 of 499 runs /bin/a\nnothing", "there is no process 499"),
    ("an absent target", "+0 1 TERM 500\nnothing", "there is no process 500"),
    (
        "a dead one that acts",
        "has 500 /bin/a\n+0 500 exits 0\n+1 500 forks 501\nnothing",
        "process 500 is dead",
    ),
    ("a living one that is born", "has 500 /bin/a\n+0 500 of 1 runs /bin/b\nnothing", "process 500 is alive"),
    ("a time that goes back", "+1 1 forks 500\n+0.5 1 forks 501\nnothing", "time goes back"),
    ("a time before the boot", "-2000 1 forks 500\nnothing", "before the boot"),
    ("a process that comes late", "+1 1 forks 500\nhas 501 /bin/a\nnothing", "comes before what happened"),
    (
        "a process that is there twice",
        "has 500 /bin/a\nhas 500 /bin/b\nnothing",
        "there is a process 500 already",
    ),
    ("two inits", "init systemd\ninit runit\nnothing", "there is an init already"),
    ("an unknown deed", "+0 1 dances\nnothing", "1 does what?"),
    ("an unknown signal", "has 500 /bin/a\n+0 1 SIGFOO 500\nnothing", "no such deed or signal"),
    ("an unknown reboot", "+0 1 reboots sideways\nnothing", "no such command of reboot(2)"),
    ("an unknown option", "has 500 /bin/a [colour=red]\nnothing", "[colour=] means nothing here"),
    ("an unknown rule", "expect bad-luck", "no such rule: bad-luck"),
    ("a detail of no finding", "step anything\nnothing", "belongs to an `expect` above it"),
    (
        "a label that is nowhere",
        "+0 1 forks 500\nexpect killed\n    evidence @here",
        "no line is labelled @here",
    ),
    (
        "a label that is there twice",
        "+0 1 forks 500 @a\n+1 1 forks 501 @a\nnothing",
        "there is a label @a already",
    ),
    ("nothing and something", "expect killed\nnothing", "`nothing` goes with no other finding"),
    ("a kind of event that is none", "+0 lost 3 socks\nnothing", "no such kind of event"),
    ("a quote that is not closed", "has 500 /bin/sh -c 'exit\nnothing", "a quote is not closed"),
];

/// Facts that cannot be understood, which only the check can tell.
const NOT_UNDERSTOOD: [(&str, &str); 6] = [
    ("aim sideways", "no such aim"),
    ("phases requested lunch", "no such phase: lunch"),
    ("phase stopping soon", "soon is no number"),
    ("phase stopping +0.10", "it is none"),
    ("fate 500 killed", "there is no process 500"),
    ("waits 1 long", "long is no number"),
];

pub fn trials() -> Vec<Trial> {
    let refused = REFUSED.into_iter().map(|(what, lines, error)| {
        Trial::test(format!("language: {what} is refused"), move || {
            let text = format!("== a scene\n{lines}\n");
            match scene::scenes("scene", &text) {
                Ok(_) => Err("it was read".into()),
                Err(is) if is.contains(error) && is.starts_with("scene.scene:") => Ok(()),
                Err(is) => Err(Failed::from(format!("the error is: {is}"))),
            }
        })
    });
    let facts = NOT_UNDERSTOOD.into_iter().map(|(fact, error)| {
        Trial::test(format!("language: `{fact}` is never true"), move || {
            let scenes = scene::scenes("scene", &format!("== a scene\ninit sysvinit\n{fact}\n"))?;
            match scenes.first().map(scene::Scene::check) {
                Some(Err(is)) if is.contains(error) => Ok(()),
                is => Err(Failed::from(format!("{is:?}"))),
            }
        })
    });
    let twice = Trial::test("language: two scenes of one name are refused", || {
        match scene::scenes("scene", "== a\nnothing\n== a\nnothing\n") {
            Err(is) if is == "scene.scene:3: there is a scene of that name" => Ok(()),
            is => Err(Failed::from(format!("{is:?}"))),
        }
    });
    let none = Trial::test("language: a file without a scene is refused", || {
        match scene::scenes("scene", "init systemd\n") {
            Err(is) if is == "scene.scene: no scene in it" => Ok(()),
            is => Err(Failed::from(format!("{is:?}"))),
        }
    });
    refused.chain(facts).chain([twice, none]).collect()
}

/// One test for each rule: that it has scenes enough, of both sorts.
pub fn coverage(files: &[(String, String)]) -> Vec<Trial> {
    let of = |rule: Rule| {
        let text = files.iter().find(|(name, _)| name == rule.id()).map(|(_, text)| text.clone());
        Trial::test(
            format!("coverage: {} has scenes that find it and scenes that do not", rule.id()),
            move || {
                let text = text.ok_or("there is no file of that name")?;
                covered(rule, &text).map_err(Failed::from)
            },
        )
    };
    Rule::ALL.into_iter().map(of).collect()
}

fn covered(rule: Rule, text: &str) -> Result<(), String> {
    let scenes = scene::scenes(rule.id(), text)?;
    let finding = scenes.iter().filter(|scene| scene.expected.expects(rule)).count();
    let not_finding = scenes.len() - finding;
    if scenes.len() < SCENES || finding < FINDING || not_finding < NOT_FINDING {
        return Err(format!("{} scenes, {finding} find it, {not_finding} do not", scenes.len()));
    }
    Ok(())
}
