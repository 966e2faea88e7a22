//! The same page in the other browser that people have: a real Firefox, spoken to in Marionette's protocol, JSON behind
//! its length, over loopback. Wants Debian's `firefox-esr`.
//!
//! Invariant: every wait has an end, and the browser is gone when a test is.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SAMPLES, browser::address, sample, saved};

/// Nothing takes as long, even where machines are emulated beside it.
const LIMIT: Duration = Duration::from_secs(180);

/// It chooses a port that nobody has, and writes it down; and it asks for nothing on its own.
const SETTINGS: &str = r#"
user_pref("marionette.port", 0);
user_pref("app.update.disabledForTesting", true);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;

/// What Firefox 140 says about directives that it does not know.
const UNKNOWN: [&str; 2] = [
    "process unknown directive \u{2018}require-trusted-types-for\u{2019}",
    "process unknown directive \u{2018}trusted-types\u{2019}",
];

struct Firefox {
    child: Child,
    stream: BufReader<TcpStream>,
    last_id: u64,
    _profile: TempDir,
}

impl Firefox {
    fn start() -> Self {
        let profile = TempDir::new().expect("a directory");
        fs::write(profile.path().join("user.js"), SETTINGS).expect("settings");
        let mut command = Command::new("firefox-esr");
        command.args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]);
        command.arg("--profile").arg(profile.path()).env("HOME", profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("firefox-esr (Debian's package) runs: tests/run installs it");
        let stream = connected(&profile.path().join("MarionetteActivePort"));
        let mut firefox = Self { child, stream, last_id: 0, _profile: profile };
        let hello = firefox.receive();
        assert_eq!(hello["marionetteProtocol"], 3, "{hello}");
        firefox.call("WebDriver:NewSession", &json!({ "capabilities": {} }));
        firefox
    }

    fn receive(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).expect("firefox answers in time");
        length.pop();
        let length = String::from_utf8_lossy(&length).parse().expect("a length");
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message).expect("all of the answer");
        serde_json::from_slice(&message).expect("JSON")
    }

    fn call(&mut self, command: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let message = json!([0, self.last_id, command, parameters]).to_string();
        write!(self.stream.get_mut(), "{}:{message}", message.len()).expect("firefox listens");
        let mut answer = self.receive();
        assert_eq!(answer[1], self.last_id, "{command}: {answer}");
        assert!(answer[2].is_null(), "{command}: {}", answer[2]);
        answer[3].take()
    }

    fn open(&mut self, page: &Path) {
        self.call("WebDriver:Navigate", &json!({ "url": address(page) }));
        self.drawn();
    }

    /// Waits until the page has drawn what it was told last.
    fn drawn(&mut self) {
        let script =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));";
        self.call("WebDriver:ExecuteAsyncScript", &json!({ "script": script, "args": [] }));
    }

    /// What this expression is.
    fn eval(&mut self, expression: &str) -> Value {
        let script = format!("return {expression};");
        self.call("WebDriver:ExecuteScript", &json!({ "script": script, "args": [] }))["value"].take()
    }

    fn text(&mut self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_default().to_owned()
    }

    fn click(&mut self, selector: &str) {
        let found =
            self.call("WebDriver:FindElement", &json!({ "using": "css selector", "value": selector }));
        let element = found["value"].as_object().and_then(|id| id.values().next()).expect("an element");
        self.call("WebDriver:ElementClick", &json!({ "id": element }));
        self.drawn();
    }

    /// What its console has on this file: errors, warnings, what the page's policy forbade. That an older
    /// one does not know of trusted types, which the page's policy names, is no complaint about the page.
    fn complaints(&mut self, page: &Path) -> Vec<String> {
        self.call("Marionette:SetContext", &json!({ "value": "chrome" }));
        let all = self.eval("Services.console.getMessageArray().map(String)");
        self.call("Marionette:SetContext", &json!({ "value": "content" }));
        let all = all.as_array().expect("a list").iter().filter_map(Value::as_str);
        all.filter(|said| said.contains(&address(page)))
            .filter(|said| !UNKNOWN.iter().any(|directive| said.contains(directive)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connected(port_file: &PathBuf) -> BufReader<TcpStream> {
    let until = Instant::now() + LIMIT;
    loop {
        let port = fs::read_to_string(port_file).ok().and_then(|text| text.trim().parse::<u16>().ok());
        if let Some(stream) = port.and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok()) {
            stream.set_read_timeout(Some(LIMIT)).expect("a limit");
            return BufReader::new(stream);
        }
        assert!(Instant::now() < until, "firefox did not open {}", port_file.display());
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_sample_opens_there_too_and_a_click_leads_from_a_finding_to_its_lane() {
    let mut firefox = Firefox::start();
    for name in SAMPLES {
        let model = sample(name);
        let page = saved(&model);
        firefox.open(&page.path);
        let headlines: Vec<&str> = model.story().findings.iter().map(|f| f.headline.as_str()).collect();
        let read = firefox.eval("[...document.querySelectorAll('.finding h3')].map((e) => e.innerText)");
        assert_eq!(read, json!(headlines), "{name}");
        let colours = firefox.eval(
            "(() => { const c = document.getElementById('picture'); const d = c.getContext('2d')
               .getImageData(0, 0, c.width, c.height).data; const kinds = new Set();
               for (let at = 0; at < d.length; at += 4) kinds.add(d[at] << 16 | d[at + 1] << 8 | d[at + 2]);
               return kinds.size; })()",
        );
        assert!(colours.as_u64() > Some(10), "{name}: the lanes are drawn, in {colours} colours");
        let status = firefox.text("document.getElementById('status').textContent");
        assert!(status.contains("showing "), "{name}: {status}");
        assert_eq!(firefox.complaints(&page.path), Vec::<String>::new(), "{name}");
    }
    let page = saved(&sample("sysvinit-respawn"));
    firefox.open(&page.path);
    firefox.click("[data-finding='0'] .steps li:nth-child(1) button");
    let chosen = "document.querySelector('[role=treeitem][aria-selected=true]').textContent";
    assert_eq!(firefox.text(chosen), "mongod 872");
    firefox.click("[data-finding='0'] .steps li:nth-child(4) button");
    assert_eq!(firefox.text(chosen), "mongod 990");
    assert_eq!(firefox.complaints(&page.path), Vec::<String>::new());
}

/// Or the test above would prove nothing.
#[test]
fn its_console_is_heard() {
    let mut firefox = Firefox::start();
    let dir = TempDir::new().expect("a directory");
    let page = dir.path().join("page.html");
    fs::write(&page, "<!doctype html><title>t</title><script>thereIsNoSuchThing()</script>").expect("saved");
    firefox.open(&page);
    let complaints = firefox.complaints(&page);
    assert!(complaints.iter().any(|said| said.contains("thereIsNoSuchThing")), "{complaints:?}");
}
