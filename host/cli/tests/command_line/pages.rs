//! `--pages`: a live service is read, the program killed, and the same command goes on where it was.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use replaysafe_cli::memory::{Behaviour, Fault, Lost, MemoryTarget, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::{Ran, fails, program, run};

/// Killed (SIGKILL) at any page, or at any page of the other side: no page is asked for twice, and the plan is that of a reading that was not disturbed.
#[test]
fn a_plan_that_was_killed_while_it_read_goes_on() {
    let scene = Scene::new();
    let (from, to) = (scene.source.base(), scene.target.base());
    let plan = ["plan", "--desired", &from, "--observed", &to, "--format", "json", "--pages", "p"];
    let undisturbed = scene.run(&plan);
    assert_eq!(undisturbed.code, 0, "{undisturbed:?}");
    assert_eq!(pages(&scene.source).len() + pages(&scene.target).len(), 8);
    assert!(scene.kept().is_empty());
    for kills in [&[(&scene.source, 1)][..], &[(&scene.source, 2), (&scene.target, 1)]] {
        let before = [pages(&scene.source).len(), pages(&scene.target).len()];
        for (service, at) in kills {
            scene.kill(&plan, service, *at);
        }
        assert!(scene.kept().iter().all(|file| mode(file) == 0o600));
        assert_eq!(mode(&scene.folder.path().join("p")), 0o700);
        let ran = scene.run(&plan);
        assert_eq!(without_time(&ran), without_time(&undisturbed));
        for (service, before) in [(&scene.source, before[0]), (&scene.target, before[1])] {
            let killed = kills.iter().filter(|(one, _)| std::ptr::eq(*one, service)).count();
            let asked = pages(service).split_off(before);
            // Each once, and once more what was on its way.
            assert_eq!(asked.len(), 4 + killed, "{asked:?}");
        }
        assert!(scene.kept().is_empty(), "nothing is kept of what has been read");
    }
}

#[test]
fn an_audit_that_was_killed_while_it_read_goes_on() {
    let scene = Scene::new();
    let base = scene.target.base();
    let audit = ["audit", "--observed", &base, "--format", "json", "--pages", "p"];
    let undisturbed = scene.run(&audit);
    let before = pages(&scene.target).len();
    // Groups are read first, and have one page.
    scene.kill(&audit, &scene.target, 1);
    let ran = scene.run(&audit);
    assert_eq!((ran.code, without_time(&ran)), (0, without_time(&undisturbed)));
    assert_eq!(pages(&scene.target).split_off(before).len(), 4 + 1);
    assert!(scene.kept().is_empty());
}

/// What was read and is not there any more makes no population: it is read anew, and said so.
#[test]
fn what_has_changed_meanwhile_is_read_anew() {
    let scene = Scene::new();
    let base = scene.target.base();
    let audit = ["audit", "--observed", &base, "--pages", "p"];
    scene.kill(&audit, &scene.target, 2);
    scene.target.put_in("Users", user(999)).unwrap();
    let before = pages(&scene.target).len();
    let ran = scene.run(&audit);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("going on with what was read since 20"), "{}", ran.err);
    let anew = "User: what was read of it before cannot be gone on with: its list changes while it is read, or repeats itself";
    assert!(ran.err.contains(anew), "{}", ran.err);
    assert!(ran.out.contains("251 of type User"), "{}", ran.out);
    // The one that told so, and then three of users; that of groups was kept.
    assert_eq!(pages(&scene.target).split_off(before).len(), 4);
}

/// What was kept is of one service, and of one with a credential or without; none is kept.
#[test]
fn what_was_kept_is_of_one_reading() {
    let scene = Scene::new();
    let folder = scene.folder.path();
    let (base, other) = (scene.target.base(), scene.source.base());
    fs::write(folder.join("token.txt"), "Bearer S3cret").unwrap();
    let with = ["--target-credential", "token.txt"];
    let audit = ["audit", "--observed", &base, "--pages", "p"];
    scene.kill(&[&audit[..], &with].concat(), &scene.target, 2);
    let kept = scene.kept();
    let text = fs::read_to_string(&kept[0]).unwrap();
    assert!(kept.len() == 1 && text.contains("u1@example.org") && !text.contains("S3cret"));
    fails(folder, &audit, 3, &["--pages: ", "read without credential: name another folder"]);
    let wrong = ["audit", "--observed", &other, "--pages", "p", "--target-credential", "token.txt"];
    fails(folder, &wrong, 3, &["--pages: ", "has no pages of http://127.0.0.1:"]);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), text, "it is left as it was");
    fs::set_permissions(&kept[0], fs::Permissions::from_mode(0o644)).unwrap();
    fails(folder, &[&audit[..], &with].concat(), 3, &["--pages: others may use `p/observed`"]);
    fs::write(folder.join("file"), "").unwrap();
    let no_folder = ["audit", "--observed", &base, "--pages", "file"];
    fails(folder, &no_folder, 3, &["making the folder `file`"]);
}

/// Two services, each with a page of groups and three of users.
struct Scene {
    folder: TempDir,
    source: MemoryTarget,
    target: MemoryTarget,
    _runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let service = || {
            let service = runtime.block_on(MemoryTarget::start(Behaviour::lenient())).unwrap();
            for number in 0..5 * PAGE / 2 {
                service.put_in("Users", user(number)).unwrap();
            }
            service.put_in("Groups", json!({"displayName": "G"})).unwrap();
            service
        };
        let (source, target) = (service(), service());
        Self { folder: TempDir::new().unwrap(), source, target, _runtime: runtime }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(self.folder.path(), arguments)
    }

    /// Runs it until a service is asked for the page of users behind so many others, does not answer, and kills it.
    fn kill(&self, arguments: &[&str], service: &MemoryTarget, after: usize) {
        let start = format!("/Users?startIndex={}&", 1 + after * PAGE);
        let before = pages(service).iter().filter(|page| page.contains(&start)).count();
        service.strike(Fault::next(Verb::Get, &start, Lost::Silence));
        let mut command = program(self.folder.path(), arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while pages(service).iter().filter(|page| page.contains(&start)).count() == before {
            assert!(child.try_wait().unwrap().is_none(), "it has ended before it was killed");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The files in which pages are kept.
    fn kept(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join("p")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

/// The pages that a service was asked for.
fn pages(service: &MemoryTarget) -> Vec<String> {
    let asked = service.requests().into_iter().map(|(_, path)| path);
    asked.filter(|path| path.contains("startIndex=")).collect()
}

/// What a command has told, but for when.
fn without_time(ran: &Ran) -> String {
    let lines = ran.out.lines().filter(|line| !line.starts_with("  \"at\": "));
    assert_eq!(lines.clone().count() + 1, ran.out.lines().count(), "{ran:?}");
    lines.collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn user(number: usize) -> Value {
    json!({"userName": format!("u{number}@example.org"), "externalId": format!("e{number}")})
}

/// As many users as are asked for at a time.
const PAGE: usize = 100;
