//! A real Chromium, spoken to through the pipe that its debugging protocol has (`--remote-debugging-pipe`): it reads
//! commands from its descriptor 3 and writes answers and events to 4, JSON with a NUL behind each.
//!
//! Invariant: every wait has an end, and everything that the page said or asked for since it was opened is kept.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing that a browser is asked for takes as long, even where machines are emulated beside it.
const LIMIT: Duration = Duration::from_secs(180);

/// The descriptors of a child are 0 to 2: a shell puts them where they are wanted.
const START: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a directory");
        let mut command = Command::new("sh");
        command.args([
            "-c",
            START,
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh runs");
        let input = child.stdin.take().expect("piped");
        let mut reader = BufReader::new(child.stdout.take().expect("piped"));
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if send.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser =
            Self { child, input, output, session: None, last_id: 0, events: Vec::new(), _profile: profile };
        let targets = browser.call("Target.getTargets", json!({}));
        let page = targets["targetInfos"].as_array().expect("a list").iter().find(|t| t["type"] == "page");
        let target = &page.expect("chromium (Debian's package) opens a page")["targetId"];
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(1440, 900);
        browser
    }

    fn receive(&mut self, until: Instant, what: &str) -> Value {
        let left = until.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(value) => value,
            Err(RecvTimeoutError::Timeout) => panic!("chromium did not answer in time: {what}"),
            Err(RecvTimeoutError::Disconnected) => panic!("chromium is gone, or was never there: {what}"),
        }
    }

    /// Calls a method of the protocol; an error of it is one of the test.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).expect("chromium listens");
        let until = Instant::now() + LIMIT;
        loop {
            let mut answer = self.receive(until, method);
            if answer["id"] != json!(self.last_id) {
                self.events.push(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
            return answer["result"].take();
        }
    }

    /// Opens a file, as a double click on it does.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        let navigated = self.call("Page.navigate", json!({ "url": address(file) }));
        assert!(navigated["errorText"].is_null(), "{navigated}");
        let until = Instant::now() + LIMIT;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive(until, "the page is loaded");
            self.events.push(event);
        }
    }

    /// What a script says, as JSON. It may be a promise.
    pub fn eval(&mut self, script: &str) -> Value {
        let params = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].take()
    }

    pub fn text(&mut self, script: &str) -> String {
        self.eval(script).as_str().unwrap_or_default().to_owned()
    }

    pub fn number(&mut self, script: &str) -> f64 {
        self.eval(script).as_f64().unwrap_or_else(|| panic!("{script} is no number"))
    }

    /// Waits until the page has drawn what it was told last.
    pub fn drawn(&mut self) {
        self.eval(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))",
        );
    }

    /// Waits until `script` says true.
    pub fn until(&mut self, script: &str) {
        let until = Instant::now() + LIMIT;
        while self.eval(script) != json!(true) {
            assert!(Instant::now() < until, "never true: {script}; {}", self.text("document.body.innerText"));
            self.drawn();
        }
    }

    /// Presses keys, by their names with blanks between them: `ArrowDown c Shift+Enter`.
    pub fn press(&mut self, keys: &str) {
        for key in keys.split(' ') {
            let (modifiers, name) = match key.strip_prefix("Shift+") {
                Some(name) => (8, name),
                None => (0, key),
            };
            let text = match name {
                "Enter" => "\r",
                _ if name.chars().count() == 1 => name,
                _ => "",
            };
            let mut down = json!({ "type": "keyDown", "key": name, "modifiers": modifiers, "text": text });
            if name == "Enter" {
                down["windowsVirtualKeyCode"] = json!(13);
            } else if name == "Escape" {
                down["windowsVirtualKeyCode"] = json!(27);
            }
            self.call("Input.dispatchKeyEvent", down);
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": "keyUp", "key": name, "modifiers": modifiers }),
            );
        }
        self.drawn();
    }

    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        self.drawn();
    }

    pub fn mouse(&mut self, kind: &str, x: f64, y: f64, more: Value) {
        let mut event = json!({ "type": kind, "x": x, "y": y });
        for (name, value) in more.as_object().expect("members") {
            event[name] = value.clone();
        }
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Clicks in the middle of the element that `selector` names, where a person would see it.
    pub fn click(&mut self, selector: &str) {
        let (x, y) = self.middle(selector);
        self.click_at(x, y);
    }

    pub fn click_at(&mut self, x: f64, y: f64) {
        let left = json!({ "button": "left", "clickCount": 1 });
        self.mouse("mousePressed", x, y, left.clone());
        self.mouse("mouseReleased", x, y, left);
        self.drawn();
    }

    /// Scrolls an element into view; the place of its middle.
    pub fn middle(&mut self, selector: &str) -> (f64, f64) {
        let quoted = json!(selector);
        let place = self.eval(&format!(
            "(() => {{ const e = document.querySelector({quoted}); if (!e) return null;
               e.scrollIntoView({{ block: 'center' }}); const r = e.getClientRects()[0];
               return r ? [r.left + r.width / 2, r.top + r.height / 2] : null; }})()"
        ));
        let of = |at: usize| place[at].as_f64().unwrap_or_else(|| panic!("{selector} is not to be seen"));
        (of(0), of(1))
    }

    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// As one whose system is dark, or light.
    pub fn tone(&mut self, tone: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": tone }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        self.drawn();
    }

    pub fn screenshot(&mut self) -> Vec<u8> {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        unbase64(shot["data"].as_str().expect("a picture"))
    }

    /// Everything that the page wrote to the console, that went wrong in it, or that its policy forbade.
    pub fn complaints(&self) -> Vec<String> {
        let loud = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let said = self.events.iter().filter(|event| loud.iter().any(|name| event["method"] == *name));
        said.map(|event| event["params"].to_string()).collect()
    }

    /// Every address that was asked for since the page was opened.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Browser {
    /// Every address that the page's policy forbade to ask for.
    pub fn refused(&self) -> Vec<String> {
        let by_policy = |id: &Value| {
            self.events.iter().any(|event| {
                event["method"] == "Network.loadingFailed"
                    && event["params"]["requestId"] == *id
                    && event["params"]["blockedReason"] == "csp"
            })
        };
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter(|event| by_policy(&event["params"]["requestId"]))
            .map(|event| event["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// The address of a file on this machine.
pub fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}

fn unbase64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        let close = json!({ "id": self.last_id + 1, "method": "Browser.close" });
        let _ = self.input.write_all(format!("{close}\0").as_bytes());
        let until = Instant::now() + Duration::from_secs(10);
        // Its last answer comes when it has closed; then there is nobody to write any more.
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
