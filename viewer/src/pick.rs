//! Which recording of a file is meant.

use std::{path::Path, str::FromStr};

use lastrites_traces::reader::{Summary, Trace};

use crate::error::Error;

/// `newest`, `previous`, a number as `list` shows it, or the beginning of an id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Recording {
    #[default]
    Newest,
    Previous,
    Number(usize),
    Id(String),
}

impl FromStr for Recording {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "newest" => Ok(Self::Newest),
            "previous" => Ok(Self::Previous),
            // Long digits are an id: no file holds a hundred million recordings.
            _ if text.len() < 8 && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().map(Self::Number).map_err(|_| "give a number as `list` shows it".into())
            }
            _ if text.len() >= 4 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Self::Id(text.to_ascii_lowercase()))
            }
            _ => {
                Err("give newest, previous, a number as `list` shows it, or at least 4 digits of an id"
                    .into())
            }
        }
    }
}

/// The recording and its number, from 1.
pub fn pick<'a>(trace: &'a Trace, path: &Path, wanted: &Recording) -> Result<(usize, &'a Summary), Error> {
    let sessions = trace.sessions();
    if sessions.is_empty() {
        return Err(Error::empty(path, trace.is_ring()));
    }
    let ids: Vec<String> = sessions.iter().map(|summary| summary.session.id.to_string()).collect();
    let at = index(&ids, wanted)?;
    Ok((at + 1, &sessions[at]))
}

fn index(ids: &[String], wanted: &Recording) -> Result<usize, Error> {
    let count = ids.len();
    let there = || match count {
        1 => "it holds one".to_owned(),
        _ => format!("it holds 1 to {count}"),
    };
    match wanted {
        Recording::Newest => Ok(count.saturating_sub(1)),
        Recording::Previous if count > 1 => Ok(count - 2),
        Recording::Previous => Err(Error::usage("there is no previous recording in this file: it holds one")),
        Recording::Number(number) if (1..=count).contains(number) => Ok(number - 1),
        Recording::Number(number) => {
            Err(Error::usage(format!("there is no recording {number} in this file: {}", there())))
        }
        Recording::Id(id) => {
            let mut found = (0..count).filter(|at| ids[*at].starts_with(id));
            match (found.next(), found.next()) {
                (Some(at), None) => Ok(at),
                (None, _) => Err(Error::usage(format!("no recording in this file has an id like {id}"))),
                _ => Err(Error::usage(format!("several recordings have an id like {id}: give more digits"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_named_by_age_number_or_id() {
        let ids = ["abcd01", "abcd02", "ffff00"].map(str::to_owned);
        let at = |text: &str| index(&ids, &text.parse().expect("understood")).ok();
        assert_eq!((at("newest"), at("previous"), at("1"), at("ffff")), (Some(2), Some(1), Some(0), Some(2)));
        assert_eq!((at("0"), at("4"), at("abcd"), at("eeee")), (None, None, None, None));
        assert_eq!(index(&ids[..1], &Recording::Previous).ok(), None);
        for bad in ["", "-1", "new", "xyz1", "abc"] {
            assert!(bad.parse::<Recording>().is_err(), "{bad}");
        }
    }
}
