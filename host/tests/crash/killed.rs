//! A process of the system that is killed where others are cut off in memory: what it leaves is the same.
//!
//! The child is this very program; its target is here, behind a connection of its own for each call.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use replaysafe::{
    contract::{Effect, Endpoint, Outcome, Question, Sight},
    guest::{Guest, GuestOptions},
    target::{Body, Caller, Discovery, Target},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Duration, advance, sleep};

use crate::{
    depth::{Depth, Seen},
    flow::Flow,
    life::{Course, Patience, own},
    points::undisturbed,
    service::Service,
    stop::{Step, Stop, Way},
    vfs,
    world::{Faults, World},
};

#[tokio::test(start_paused = true)]
async fn what_a_killed_process_leaves_is_what_one_leaves_that_is_cut_off() {
    vfs::install();
    let (stride, mut seen) = (Depth::asked().kills, Seen::default());
    let compiled = tempfile::tempdir().unwrap();
    let compiled = compiled.path().join("compiled");
    for flow in Flow::all() {
        let start = Course::new(&flow).await;
        let steps = undisturbed(&start).await.len();
        for at in (2..=steps).step_by(stride) {
            let (killed, cut) = (start.copy(), start.copy());
            kill(&killed, at, &compiled).await;
            drop(cut.live(&Faults::stop_at(at), None).await);
            seen.killed += 1;
            let what = || format!("{} killed at {at}", flow.name);
            // Two calls at once do not take their steps in the same order each time.
            if flow.lost.is_none() {
                seen.note(what, differs(&killed, &cut));
            }
            seen.note(what, killed.last().await);
        }
    }
    seen.tell("kill -9");
}

/// Whether the same was told, sent and recorded.
fn differs(killed: &Course<'_>, cut: &Course<'_>) -> Result<(), String> {
    let left =
        |course: &Course<'_>| (course.told().len(), course.world.service.sent(), course.stages());
    let (found, expected) = (left(killed), left(cut));
    if found == expected { Ok(()) } else { Err(format!("{found:?}, and not {expected:?}")) }
}

/// A process lives on this course and is killed at its step `at`.
async fn kill(course: &Course<'_>, at: usize, compiled: &Path) {
    let port = serve(course.world.service.clone());
    let age = course.world.age().as_millis();
    let folder = course.world.path("");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::one_life", "--nocapture"])
        .env(LIFE, format!("{} {at} {port} {age} {}", course.flow.name, folder.display()))
        .env(COMPILED, compiled)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line == STOPPED {
            break;
        }
        if let Some(told) = line.strip_prefix(TOLD) {
            course.tell(serde_json::from_str(told).unwrap());
        }
    }
    // `SIGKILL`.
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    // The next process lives later.
    sleep(Duration::from_secs(600)).await;
}

/// The child; nothing where it is not one.
#[tokio::test(start_paused = true)]
async fn one_life() {
    let Ok(life) = std::env::var(LIFE) else { return };
    vfs::install();
    let [name, at, port, age, folder] = life.splitn(5, ' ').collect::<Vec<_>>().try_into().unwrap();
    let flow = Flow::all().into_iter().find(|flow| flow.name == name).unwrap();
    let cache = std::env::var_os(COMPILED).map(PathBuf::from);
    let guest = Guest::embedded_with(&GuestOptions { cache, ..GuestOptions::default() }).unwrap();
    let world = World::within(PathBuf::from(folder)).with_guest(guest);
    let mut course = Course::within(&flow, world);
    course.hears = |answer| say(&format!("{TOLD}{}", serde_json::to_string(answer).unwrap()));
    advance(Duration::from_millis(age.parse().unwrap())).await;
    let stop = Stop::by(at.parse().unwrap(), Way::Killed(|| say(STOPPED)));
    let disk = course.mount(&stop, None);
    let faults = Faults::stopping(stop.clone());
    let target = Remote { port: port.parse().unwrap(), lost: course.world.service.clone() };
    let process = course.world.open(target, &faults, own(&flow), None).unwrap();
    course.work(&process, &stop, Patience::Insists).await;
    drop(process);
    disk.unmount();
    // Its steps were fewer: it is killed after the last one.
    stop.take(Step::Host);
    say(STOPPED);
    loop {
        thread::park();
    }
}

fn say(line: &str) {
    // The test harness has begun a line.
    println!("\n{line}");
    std::io::stdout().flush().unwrap();
}

/// The target of the parent's, as the child reaches it.
struct Remote {
    port: u16,
    /// Counts here what is lost there.
    lost: Service,
}

impl Remote {
    /// Asks and waits: the child has nothing else to do.
    fn ask<T: DeserializeOwned>(&self, what: &str, with: impl Serialize) -> T {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let line = serde_json::json!({ what: with }).to_string();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(drop).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

impl Target for Remote {
    async fn observe(
        &self,
        question: &Question,
        _: &[Endpoint],
        _: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        match self.ask("look", question) {
            Sight::Listed(listed) if matches!(question, Question::All(_)) => {
                Sight::Listed(keep(listed))
            }
            sight
            @ (Sight::Listed(_) | Sight::Answered(_) | Sight::Refused(_) | Sight::Nothing) => sight,
        }
    }

    async fn apply(
        &self,
        effect: &Effect,
        _: &[Endpoint],
        body: Option<Body>,
        _: &Caller,
    ) -> Outcome {
        let body = body.map(|body| String::from_utf8(body.bytes.to_vec()).unwrap());
        let outcome = self.ask("send", (effect, body));
        if let Outcome::Unknown(_) = outcome {
            self.lost.drop_next(1);
            drop(self.lost.apply(effect, &[], None, &Caller::default()).await);
        }
        outcome
    }

    async fn discover(&self, _: &Caller) -> Discovery {
        Discovery { complete: true, ..Discovery::default() }
    }
}

/// Answers for `service` on a port of its own, as long as this process lives.
fn serve(service: Service) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            stream.read_to_string(&mut line).map(drop).unwrap();
            let answer = runtime.block_on(answer(&service, &line));
            // The child may be dead by now.
            drop(stream.write_all(answer.as_bytes()));
        }
    }));
    port
}

async fn answer(service: &Service, line: &str) -> String {
    let said: serde_json::Value = serde_json::from_str(line).unwrap();
    let caller = Caller::default();
    if let Some(question) = said.get("look") {
        let question: Question = serde_json::from_value(question.clone()).unwrap();
        let sight = service.observe(&question, &[], &caller, &|all| all).await;
        return serde_json::to_string(&sight).unwrap();
    }
    let (effect, body): (Effect, Option<String>) =
        serde_json::from_value(said["send"].clone()).unwrap();
    let content_type = http::HeaderValue::from_static("application/scim+json");
    let body = body.map(|bytes| Body { bytes: bytes.into(), content_type });
    serde_json::to_string(&service.apply(&effect, &[], body, &caller).await).unwrap()
}

/// Names the flow, the step, the port, the age of the world and its folder.
const LIFE: &str = "REPLAYSAFE_CRASH_LIFE";

/// Names the folder with the component's compiled code.
const COMPILED: &str = "REPLAYSAFE_CRASH_COMPILED";

const STOPPED: &str = "stopped";
const TOLD: &str = "told ";
