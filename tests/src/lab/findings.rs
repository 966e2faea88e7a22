//! What `lastrites explain` must find in a boot, and what it must not.

use serde_json::Value;

use super::scenario::{UnwantedFinding, WantedFinding};

/// Why the story of a boot does not have what is wanted; `None` if it has.
pub fn missing(story: &Value, wanted: &WantedFinding) -> Option<String> {
    let found = list(story).any(|finding| {
        finding["finding"] == wanted.is && is_about(finding, &wanted.about) && says(finding, &wanted.says)
    });
    let WantedFinding { is, about, says, .. } = wanted;
    (!found).then(|| {
        format!(
            "nothing found says {says:?} about {about}, as {is}; found is:\n{}",
            headlines(story).join("\n")
        )
    })
}

/// What is found that must not be; `None` if nothing is.
pub fn unwanted(story: &Value, never: &UnwantedFinding) -> Option<String> {
    let found = list(story).find(|finding| {
        let of_kind = if never.is == "*" { !is_labs_own(finding) } else { finding["finding"] == never.is };
        let excused = never.but.iter().any(|rule| finding["finding"] == *rule);
        of_kind && !excused && never.about.as_ref().is_none_or(|about| is_about(finding, about))
    })?;
    Some(format!("this must not be found: {}", headline(found)))
}

/// `[restarted] mongod was restarted during the shutdown`, one each.
pub fn headlines(story: &Value) -> Vec<String> {
    list(story).map(headline).collect()
}

fn list(story: &Value) -> impl Iterator<Item = &Value> {
    story["findings"].as_array().into_iter().flatten()
}

fn headline(finding: &Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap_or_default();
    format!("[{}] {} ({})", text("finding"), text("headline"), text("confidence"))
}

fn names(finding: &Value) -> impl Iterator<Item = &str> {
    let processes = finding["processes"].as_array().into_iter().flatten();
    processes.filter_map(|process| process["name"].as_str())
}

fn is_about(finding: &Value, name: &str) -> bool {
    names(finding).any(|there| there == name)
}

/// The coroner is spared by the sprees: it asks for that.
fn is_labs_own(finding: &Value) -> bool {
    finding["finding"] == "spared" && names(finding).all(|name| name == "lab-coroner")
}

fn says(finding: &Value, part: &str) -> bool {
    let steps = finding["steps"].as_array().into_iter().flatten().map(|step| &step["text"]);
    steps
        .chain([&finding["headline"], &finding["advice"]])
        .filter_map(Value::as_str)
        .any(|text| text.contains(part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn story() -> Value {
        json!({"findings": [
            {"finding": "restarted", "headline": "mongod was restarted", "confidence": "certain",
             "processes": [{"name": "mongod"}], "steps": [{"text": "init started it"}], "advice": "take 6 out"},
            {"finding": "spared", "headline": "lab-coroner was spared", "confidence": "certain",
             "processes": [{"name": "lab-coroner"}], "steps": [], "advice": null},
        ]})
    }

    fn wanted(is: &str, about: &str, says: &str) -> Option<String> {
        missing(&story(), &WantedFinding { boot: 1, is: is.into(), about: about.into(), says: says.into() })
    }

    #[test]
    fn a_finding_is_known_by_its_rule_its_process_and_what_it_says_anywhere() {
        for says in ["was restarted", "init started", "take 6 out", ""] {
            assert_eq!(wanted("restarted", "mongod", says), None, "{says}");
        }
        assert!(wanted("killed", "mongod", "").is_some());
        assert!(wanted("restarted", "redis", "").is_some());
        assert!(wanted("restarted", "mongod", "redis").is_some_and(|why| why.contains("[restarted]")));
    }

    #[test]
    fn silence_is_broken_by_anything_but_the_lab_itself() {
        let never = |is: &str, about: Option<&str>, story: &Value| {
            let about = about.map(str::to_owned);
            let but = vec!["waited-for".into()];
            unwanted(story, &UnwantedFinding { boot: 1, is: is.into(), about, but }).is_some()
        };
        assert!(never("*", None, &story()) && never("restarted", None, &story()));
        assert!(!never("killed", None, &story()) && !never("restarted", Some("redis"), &story()));
        let mut quiet = story();
        quiet["findings"].as_array_mut().expect("a list").remove(0);
        let slow = json!({"finding": "waited-for", "processes": [{"name": "udev"}]});
        quiet["findings"].as_array_mut().expect("a list").push(slow);
        assert!(!never("*", None, &quiet) && never("spared", None, &quiet));
    }
}
