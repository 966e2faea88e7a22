//! Services that are stopped at another place of the sequence.
//!
//! Invariant: only where an init stops one after the other is there a sequence; and of what changed places as few as
//! possible are said to have moved.

use std::collections::HashSet;

use crate::{
    safe,
    story::{Story, service, world::Idx},
};

/// More scripts than this are no runlevel.
const SCRIPTS_MAX: usize = 1000;

/// A service that is stopped at another place of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reordered {
    pub service: String,
    /// What is stopped right before it; None: nothing.
    pub a_after: Option<String>,
    pub b_after: Option<String>,
}

/// Services of rc in the order in which it ran their scripts. None where scripts run side by side.
fn sequence(story: &Story) -> Option<Vec<String>> {
    let shutdown = story.shutdown.as_ref().filter(|_| story.init.is_rc())?;
    let world = &story.world;
    let mut found: Vec<String> = Vec::new();
    let mut seen: HashSet<Idx> = HashSet::new();
    for image in world.images.iter().filter(|image| image.at >= shutdown.begin && image.at <= shutdown.end) {
        let Some(proc) = world.proc_at(image.proc) else { continue };
        match world.program_of(proc.parent) {
            b"startpar" => return None,
            b"rc" if found.len() < SCRIPTS_MAX && seen.insert(image.proc) => {
                let name = service::script(world, image).map(safe::text);
                found.extend(name.filter(|name| !found.contains(name)));
            }
            _ => {}
        }
    }
    Some(found)
}

/// Those that moved, in the order of B.
pub(super) fn reordered(a: &Story, b: &Story) -> Vec<Reordered> {
    let Some((a, b)) = sequence(a).zip(sequence(b)) else { return Vec::new() };
    let (in_a, in_b): (HashSet<&String>, HashSet<&String>) = (a.iter().collect(), b.iter().collect());
    let a: Vec<&String> = a.iter().filter(|name| in_b.contains(name)).collect();
    let b: Vec<&String> = b.iter().filter(|name| in_a.contains(name)).collect();
    let stays = in_both_orders(&a, &b);
    let before = |order: &[&String], name: &String| {
        let at = order.iter().position(|other| *other == name)?;
        at.checked_sub(1).map(|at| order[at].clone())
    };
    let moved = b.iter().filter(|name| !stays.contains(*name));
    moved
        .map(|name| Reordered {
            service: (*name).clone(),
            a_after: before(&a, name),
            b_after: before(&b, name),
        })
        .collect()
}

/// A longest sequence that is in both: what need not have moved.
fn in_both_orders<'a>(a: &[&'a String], b: &[&'a String]) -> HashSet<&'a String> {
    // longest[i][j]: of what is left from i and j on.
    let mut longest = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = match a[i] == b[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut both = HashSet::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            both.insert(a[i]);
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_as_possible_have_moved() {
        let of =
            |words: &'static [&'static str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<String>>();
        let stays = |a: &[String], b: &[String]| {
            let (a, b): (Vec<&String>, Vec<&String>) = (a.iter().collect(), b.iter().collect());
            let mut stays: Vec<String> = in_both_orders(&a, &b).into_iter().cloned().collect();
            stays.sort();
            stays.concat()
        };
        let a = of(&["a", "b", "c", "d"]);
        assert_eq!(stays(&a, &a), "abcd");
        assert_eq!(stays(&a, &of(&["b", "c", "d", "a"])), "bcd");
        assert_eq!(stays(&a, &of(&["d", "a", "b", "c"])), "abc");
        assert_eq!(stays(&a, &[]), "");
    }
}
