//! Pictures: SVG as expat reads it, the graph as Graphviz draws it.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use lastrites_traces::event::{ProcId, What};
use serde_json::Value;

use super::{exported, made, reader, sample, samples, text};

/// Elements and attributes that draw, and nothing else.
const ELEMENTS: [&str; 10] = ["svg", "title", "desc", "style", "rect", "g", "text", "path", "circle", "line"];
const ATTRIBUTES: [&str; 17] = [
    "xmlns", "viewBox", "width", "height", "role", "class", "x", "y", "rx", "d", "cx", "cy", "r", "fill",
    "stroke", "id", "style",
];

fn elements(svg: &[u8]) -> Vec<Value> {
    reader(&["xml"], svg).as_array().expect("a list").clone()
}

fn texts(elements: &[Value]) -> Vec<&str> {
    let of = |name: &'static str| elements.iter().filter(move |element| element["name"] == name);
    of("text").filter_map(|element| element["text"].as_str()).collect()
}

fn hostile() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("hostile.lrt");
    made::hostile(&file);
    (home, file)
}

/// What is drawn where, in the JSON of Graphviz.
fn drawn(dot: &[u8]) -> Value {
    let mut child = Command::new("dot")
        .arg("-Tjson")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Graphviz is there: tests/run installs it");
    let mut to = child.stdin.take().expect("a pipe");
    let input = dot.to_vec();
    let writer = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads all");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn edges(graph: &Value) -> Vec<(String, String, String)> {
    let node = |at: &Value| {
        let label =
            graph["objects"][at.as_u64().expect("a number") as usize]["label"].as_str().expect("text");
        label.replace("\\n", "\n").lines().next().unwrap_or_default().to_owned()
    };
    let all = graph["edges"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|edge| {
            (node(&edge["tail"]), node(&edge["head"]), edge["label"].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

#[test]
fn pictures_are_drawings_and_nothing_else() {
    let (_home, hostile) = hostile();
    for file in samples().into_iter().chain([hostile]) {
        let svg = exported(&file, "svg", &[]);
        let elements = elements(&svg);
        for element in &elements {
            let name = element["name"].as_str().expect("text");
            assert!(ELEMENTS.contains(&name), "{file:?}: {element}");
            for (attribute, value) in element["attributes"].as_object().expect("an object") {
                assert!(ATTRIBUTES.contains(&attribute.as_str()), "{file:?}: {element}");
                let value = value.as_str().expect("text");
                assert!(attribute == "xmlns" || !value.contains(':'), "{file:?}: {element}");
            }
        }
        let svg = text(svg);
        assert!(
            svg.contains("prefers-color-scheme:dark") && !svg.contains("url(") && !svg.contains("@import")
        );
        assert_eq!(svg.matches("http").count(), 1, "the namespace alone");
        assert!(svg.len() < 400_000, "{file:?}: {}", svg.len());
        // Everything is within the picture, and lines of text do not lie on each other.
        let root = &elements[0]["attributes"];
        let high: f64 = root["height"].as_str().expect("text").parse().expect("a number");
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        for element in &elements {
            if let Some(y) = number(&element["attributes"]["y"]) {
                assert!((0.0..high).contains(&y), "{file:?}: {element}");
            }
        }
    }
}

#[test]
fn the_picture_tells_the_founding_story() {
    let svg = elements(&exported(&sample("sysvinit-respawn"), "svg", &[]));
    let texts = texts(&svg);
    let has = |part: &str| texts.iter().any(|text| text.contains(part));
    for part in [
        "db7 rebooted on 25 Nov 2026 at 03:08:07 UTC",
        "SIGTERM spree",
        "killall5 -9",
        "mongod 872",
        "mongod 990",
        "SIGKILL by killall5 -9",
        "mongod was restarted during the shutdown, then killed 13.1 s later (certain)",
        "To change: take 6 out of the runlevels of mongod's entry in inittab",
    ] {
        assert!(has(part), "{part}: {texts:?}");
    }
    let class = |name: &str| svg.iter().filter(|element| element["attributes"]["class"] == name).count();
    assert!(class("kill") >= 2 && class("wire s9") >= 1 && class("wire restart") >= 1 && class("again") >= 1);
}

#[test]
fn names_of_an_attacker_are_text() {
    let (home, file) = hostile();
    let svg = elements(&exported(&file, "svg", &[]));
    let all: String = svg.iter().filter_map(|element| element["text"].as_str()).collect();
    assert!(all.contains("<script>alert(1)</script>"), "as text: {all}");
    assert!(all.contains("\\u{202e}dcod.exe\\u{200b}") && all.contains("\\xff\\xfe\\xc3("), "{all}");
    let graph = drawn(&exported(&file, "dot", &[]));
    assert!(!graph.to_string().contains("\"evil\""));
    let labels: Vec<&str> = graph["objects"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter_map(|node| node["label"].as_str())
        .collect();
    // Graphviz hands labels on as they were written.
    assert!(
        labels.iter().any(|label| label.contains("]\u{3b}evil[label=") || label.contains("];evil[label=")),
        "{labels:?}"
    );
    let mut child = Command::new("dot");
    let svg = {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&exported(&home.path().join("hostile.lrt"), "dot", &[])).expect("written");
        child.arg("-Tsvg").arg(file.path()).output().expect("dot runs").stdout
    };
    let shown: Vec<Value> = reader(&["xml-of-others"], &svg).as_array().expect("a list").clone();
    let shown = texts(&shown).join("\n");
    for name in ["\"];evil[label=\"x", "\\N\\G\\\"&quot;", "=cmd|' ", "<script>alert(1)<"] {
        let safe = lastrites::safe::text(name.as_bytes());
        assert!(shown.contains(&safe), "{safe}: {shown}");
    }
}

#[test]
fn graphviz_draws_every_sample() {
    for file in samples() {
        let graph = drawn(&exported(&file, "dot", &[]));
        let count = graph["objects"].as_array().map_or(0, Vec::len);
        assert!((3..=60).contains(&count), "{file:?}: {count}");
    }
    let edges = edges(&drawn(&exported(&sample("sysvinit-respawn"), "dot", &[])));
    let has = |from: &str, to: &str, label: &str| {
        edges.iter().any(|edge| (edge.0.as_str(), edge.1.as_str(), edge.2.as_str()) == (from, to, label))
    };
    assert!(has("killall5 -15", "mongod", "SIGTERM"), "{edges:?}");
    assert!(has("killall5 -9", "mongod", "SIGKILL"), "{edges:?}");
    assert!(has("init", "mongod", "started again ×10"), "{edges:?}");
    assert!(has("sendsigs", "killall5 -9", ""), "who ran it: {edges:?}");
}

/// Thousands of daemons that are told to stop and killed.
fn crowd(path: &Path) {
    let id = |pid: u32| ProcId { tgid: pid, start_ns: u64::from(pid) * ProcId::TICK_NS };
    let exec = |pid: u32, parent: u32, file: String, argument: &str| {
        What::Exec(Box::new(lastrites_traces::event::Exec {
            process: id(pid),
            parent: id(parent),
            uid: 0,
            session: pid,
            cgroup: 0,
            comm: file
                .rsplit('/')
                .next()
                .expect("a name")
                .as_bytes()
                .iter()
                .copied()
                .take(15)
                .collect::<Vec<u8>>()
                .into(),
            argv: format!("{file}\0{argument}\0").into_bytes().into(),
            filename: file.into_bytes().into(),
            env: b"".as_slice().into(),
            tty: b"".as_slice().into(),
            flags: 0,
        }))
    };
    let fork = |parent: u32, child: u32| What::Fork {
        parent: id(parent),
        child: id(child),
        child_ppid: parent,
        cgroup: 0,
        ns_level: 0,
        ns_pid: child,
    };
    let signal = |sender: u32, target: u32, sig: u8| {
        What::Signal(lastrites_traces::event::Signal {
            sender: id(sender),
            target: id(target),
            target_tid: target,
            sig,
            code: 0,
            group: true,
            result: 0,
            no_info: false,
            priv_info: false,
        })
    };
    let mut whats = vec![(0, exec(1, 0, "/sbin/init".into(), "2"))];
    let pids = 1000..4000;
    for pid in pids.clone() {
        whats.push((1, fork(1, pid)));
        whats.push((2, exec(pid, 1, format!("/usr/sbin/daemon{pid}"), "-d")));
    }
    whats.push((1000, exec(900, 1, "/sbin/shutdown".into(), "-r")));
    whats.push((1100, exec(901, 1, "/etc/init.d/rc".into(), "6")));
    whats.push((1200, exec(902, 901, "/sbin/killall5".into(), "-15")));
    whats.extend(pids.clone().map(|pid| (1300, signal(902, pid, 15))));
    whats.push((6200, exec(903, 901, "/sbin/killall5".into(), "-9")));
    whats.extend(pids.clone().map(|pid| (6300, signal(903, pid, 9))));
    whats.extend(
        pids.map(|pid| (6301, What::Exit { process: id(pid), status: 9, cpu_ns: 0, peak_rss_kib: 1 })),
    );
    whats.push((6400, What::Reboot { process: id(901), cmd: 0x0123_4567, ns_level: 0 }));
    made::recorded(path, &made::session("db7"), whats, true);
}

#[test]
fn a_crowd_fits_into_a_picture_and_it_is_said_what_was_left_out() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("crowd.lrt");
    crowd(&file);
    let svg = exported(&file, "svg", &[]);
    assert!(svg.len() < 400_000, "{}", svg.len());
    let elements = elements(&svg);
    let texts = texts(&elements);
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("Not in the picture: ") && text.contains("more lanes of services")),
        "{texts:?}"
    );
    let dot = exported(&file, "dot", &[]);
    let graph = drawn(&dot);
    let count = graph["objects"].as_array().map_or(0, Vec::len);
    assert!((10..=60).contains(&count), "{count}");
    let edges = edges(&graph);
    let others = edges.iter().find(|edge| edge.0 == "killall5 -9" && edge.1.ends_with("other processes"));
    assert!(others.is_some_and(|edge| edge.2.starts_with("SIGKILL ×2")), "{edges:?}");
}
