//! Patterns for JSON: the words in which scenarios say what must be true.
//!
//! A table matches an object that has all its members, and more. A list matches what any of its items
//! matches. In a string `*` stands for anything; `$name` stands for the same value wherever it appears;
//! `null` is null; `<5` and `>5` are numbers below and above. An argv is matched as its words joined by
//! blanks. Anything else is equal or is not.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the `$names` stand for.
pub type Bound = BTreeMap<String, Value>;

/// Whether `actual` is what `pattern` says; then `bound` holds the names that it needed.
pub fn matches(pattern: &Value, actual: &Value, bound: &mut Bound) -> bool {
    match (pattern, actual) {
        (Value::Object(wanted), Value::Object(there)) => {
            wanted.iter().all(|(key, wanted)| matches(wanted, there.get(key).unwrap_or(&Value::Null), bound))
        }
        (Value::Array(any), _) => any.iter().any(|wanted| {
            let mut tried = bound.clone();
            let found = matches(wanted, actual, &mut tried);
            if found {
                *bound = tried;
            }
            found
        }),
        (Value::String(text), _) => matches_text(text, actual, bound),
        _ => pattern == actual,
    }
}

fn matches_text(text: &str, actual: &Value, bound: &mut Bound) -> bool {
    if let Some(name) = text.strip_prefix('$') {
        return bound.entry(name.to_owned()).or_insert_with(|| actual.clone()) == actual;
    }
    match actual {
        Value::Null => text == "null",
        Value::String(there) => glob(text, there),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            glob(text, &words.join(" "))
        }
        Value::Number(number) => {
            let compare = |sign, accept: fn(f64, f64) -> bool| {
                let limit: f64 = text.strip_prefix(sign)?.trim().parse().ok()?;
                Some(accept(number.as_f64()?, limit))
            };
            compare('<', |there, limit| there < limit).or_else(|| compare('>', |there, limit| there > limit))
                == Some(true)
        }
        _ => false,
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(rest, &text[at..]))
}

/// Finds events that match `patterns` in this order, with one meaning for every name. Their places; or how
/// many of the patterns could be matched at most.
pub fn in_order(patterns: &[Value], events: &[Value], bound: &mut Bound) -> Result<Vec<usize>, usize> {
    let mut furthest = 0;
    let mut places = Vec::new();
    if search(patterns, events, 0, bound, &mut places, &mut furthest) { Ok(places) } else { Err(furthest) }
}

fn search(
    patterns: &[Value],
    events: &[Value],
    from: usize,
    bound: &mut Bound,
    places: &mut Vec<usize>,
    furthest: &mut usize,
) -> bool {
    *furthest = (*furthest).max(places.len());
    let Some((first, rest)) = patterns.split_first() else { return true };
    for (at, event) in events.iter().enumerate().skip(from) {
        let mut tried = bound.clone();
        if !matches(first, event, &mut tried) {
            continue;
        }
        places.push(at);
        if search(rest, events, at + 1, &mut tried, places, furthest) {
            *bound = tried;
            return true;
        }
        places.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is(pattern: Value, actual: Value) -> bool {
        matches(&pattern, &actual, &mut Bound::new())
    }

    #[test]
    fn a_table_asks_only_for_what_it_names() {
        assert!(is(json!({"a": 1, "b": {"c": "x*"}}), json!({"a": 1, "b": {"c": "xyz", "d": 2}, "e": 3})));
        assert!(!is(json!({"a": 1}), json!({"b": 1})));
        assert!(is(json!({"a": "null"}), json!({"b": 1})));
        assert!(is(json!({"argv": "killall5 *-9"}), json!({"argv": ["killall5", "-o", "3", "-9"]})));
        assert!(is(json!(["a", "b"]), json!("b")));
        assert!(is(json!(">5"), json!(6)) && !is(json!("<5"), json!(6)));
    }

    #[test]
    fn a_name_has_one_meaning_in_a_story_even_when_the_first_guess_was_wrong() {
        let events =
            [json!({"t": "start", "pid": 1}), json!({"t": "start", "pid": 2}), json!({"t": "end", "pid": 2})];
        let story = [json!({"t": "start", "pid": "$p"}), json!({"t": "end", "pid": "$p"})];
        let mut bound = Bound::new();
        assert_eq!(in_order(&story, &events, &mut bound), Ok(vec![1, 2]));
        assert_eq!(bound["p"], 2);
        let backwards = [json!({"t": "end"}), json!({"t": "start"})];
        assert_eq!(in_order(&backwards, &events, &mut Bound::new()), Err(1));
    }
}
