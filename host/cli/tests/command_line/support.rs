//! Runs the program, and a gateway in front of an in-memory service.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::Once,
    thread::JoinHandle,
};

use replaysafe_cli::memory::{Behaviour, MemoryTarget};
use serde_json::Value;

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Standard output as the one JSON document that it is.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard output as lines of JSON, each with its `type`, and without it.
    pub(crate) fn lines(&self) -> Vec<(String, Value)> {
        let line = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let what = line.as_object_mut().unwrap().remove("type").unwrap();
            (what.as_str().unwrap().to_owned(), line)
        };
        self.out.lines().map(line).collect()
    }
}

/// The program with `arguments`, where `folder` is the current one.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    // Compiling the component takes seconds: one process does it, and all others find it kept.
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        assert!(bare(folder, &["component", "inspect"]).output().unwrap().status.success());
    });
    bare(folder, arguments)
}

fn bare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replaysafe"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("REPLAYSAFE_UPSTREAM_CREDENTIAL")
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(&program(folder, arguments).output().unwrap())
}

/// Runs with `input` on standard input.
pub(crate) fn run_on(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = program(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

/// The command ends with `code`, writes nothing on standard output, and says `saying` in one error.
#[track_caller]
pub(crate) fn fails(folder: &Path, arguments: &[&str], code: i32, saying: &[&str]) {
    let ran = run(folder, arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    assert_eq!(ran.out, "", "{arguments:?}");
    for part in saying {
        assert!(ran.err.contains(part), "{arguments:?} must say {part:?}: {}", ran.err);
    }
    let as_json = run(folder, &[&["--format", "json"], arguments].concat());
    let error: Value = serde_json::from_str(&as_json.err).unwrap_or_else(|_| panic!("{as_json:?}"));
    assert_eq!((as_json.code, as_json.out.as_str()), (code, ""), "{arguments:?}");
    assert_eq!(error["error"]["exit"], code, "{arguments:?}");
    let message = error["error"]["message"].as_str().unwrap();
    for part in saying {
        assert!(message.contains(part), "{arguments:?} must say {part:?} in JSON: {message}");
    }
}

/// A gateway in a process of its own, an in-memory service behind it.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) target: MemoryTarget,
    child: Child,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    /// Starts it with its ledger at `a.db` in `folder`.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::start_at(folder, str::to_owned, options)
    }

    /// The same, with what `base` makes of the service's URL.
    pub(crate) fn start_at(
        folder: &Path,
        base: impl FnOnce(&str) -> String,
        options: &[&str],
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let target = runtime.block_on(MemoryTarget::start(Behaviour::lenient())).unwrap();
        let (child, url) = spawn(folder, &base(&target.base()), options);
        Self { url, target, child, _runtime: runtime }
    }

    /// Kills the gateway (SIGKILL) and starts another before the same service.
    pub(crate) fn kill_and_start(&mut self, folder: &Path, options: &[&str]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.url) = spawn(folder, &self.target.base(), options);
    }

    /// Lets no file of the gateway be written behind its first `bytes`, as a full disk would; none: lets it again.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.id().to_string();
        let limited = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={limit}:")])
            .status()
            .unwrap();
        assert!(limited.success());
    }

    /// The address in `listening on http://ADDRESS`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim().strip_prefix("listening on http://").unwrap()
    }

    /// Sends one request through the gateway; gives its answer, head and body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> String {
        self.send_with(method, path, "", body)
    }

    /// The same, with more lines in its head.
    pub(crate) fn send_with(&self, method: &str, path: &str, head: &str, body: &str) -> String {
        send(self.address(), (method, path), head, body)
    }

    /// Sends one request to the service itself.
    pub(crate) fn send_past(&self, method: &str, path: &str, body: &str) -> String {
        send(&self.target.address().to_string(), (method, path), "", body)
    }

    /// The same through the gateway, without waiting for the answer.
    pub(crate) fn begin(&self, method: &str, path: &str, body: &str) -> JoinHandle<String> {
        let (address, method) = (self.address().to_owned(), method.to_owned());
        let (path, body) = (path.to_owned(), body.to_owned());
        std::thread::spawn(move || send(&address, (&method, &path), "", &body))
    }

    /// Waits until the service was asked so `count` times. A test that waits in vain does not end.
    pub(crate) fn until_asked(&self, method: &str, count: usize) {
        let asked = || self.target.requests().into_iter().filter(|(one, _)| one == method).count();
        while asked() < count {
            std::thread::yield_now();
        }
    }

    /// Creates a user and gives the decision.
    pub(crate) fn create(&self) -> String {
        let answer =
            self.send("POST", "/Users", r#"{"userName":"ada@example.org","externalId":"1"}"#);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        header(&answer, "replaysafe-decision").unwrap()
    }

    /// Ends it by SIGTERM, and gives what came of it.
    pub(crate) fn stop(self) -> Ran {
        self.terminate();
        self.ended()
    }

    /// Sends it SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// What comes of it when it ends.
    pub(crate) fn ended(mut self) -> Ran {
        let (mut out, mut err) = (self.url.clone(), String::new());
        self.child.stderr.as_mut().unwrap().read_to_string(&mut err).unwrap();
        self.child.stdout.as_mut().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, out, err }
    }

    /// Fills what it writes to standard error into, which nobody reads before it has ended: 64 KiB, as pipe(7) has it.
    pub(crate) fn fill_standard_error(&self) {
        let path = format!("/proc/{}/fd/2", self.child.id());
        let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        pipe.write_all(&[b'\n'; 64 << 10]).unwrap();
    }

    /// The most memory that it has had at once.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already where this fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program as a gateway; gives it, and the line with which it says that it is ready.
///
/// A write behind the limit of a file fails, as on a full disk, where it would end the process.
fn spawn(folder: &Path, base: &str, options: &[&str]) -> (Child, String) {
    let mut arguments = vec!["gateway", "--upstream", base, "--listen", "127.0.0.1:0"];
    arguments.extend(["--ledger", "sqlite:a.db"]);
    arguments.extend(options);
    let gateway = program(folder, &arguments);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(gateway.get_program());
    command.args(gateway.get_args()).current_dir(folder).stdin(Stdio::null());
    for (name, value) in gateway.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn send(address: &str, (method, path): (&str, &str), head: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    let credential = match head.contains("Authorization:") {
        true => "",
        false => "Authorization: Bearer t\r\n",
    };
    write!(
        connection,
        "{method} /scim/v2{path} HTTP/1.1\r\nHost: {address}\r\n{credential}\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\nConnection: close\r\n{head}\r\n{body}",
        body.len(),
    )
    .unwrap();
    let mut answer = String::new();
    // A gateway that is killed gives what it gave.
    drop(connection.read_to_string(&mut answer));
    answer
}

/// A header of an answer.
pub(crate) fn header(answer: &str, name: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (given, value) = line.split_once(':')?;
        given.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}
