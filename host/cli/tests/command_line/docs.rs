//! What the pages say: commands exist, links lead somewhere, documented JSON is what is written.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::{Parser as _, error::ErrorKind};
use replaysafe_cli::{
    CommandLine,
    memory::{Behaviour, MemoryTarget, OnDelete},
};
use serde_json::Value;
use tempfile::TempDir;

use super::support::{Served, header, run, run_on};

#[test]
fn every_command_line_on_a_page_is_one() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for (line, whole) in lines_of(&text) {
            seen += 1;
            let words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
            let refusal = CommandLine::try_parse_from(words).err().map(|error| error.kind());
            let good = match refusal {
                None | Some(ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => true,
                // A command that is mentioned by its name alone.
                Some(
                    ErrorKind::MissingRequiredArgument
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ) => !whole,
                Some(_) => false,
            };
            assert!(good, "{}: `{line}` is no command line: {refusal:?}", page.display());
        }
    }
    assert!(20 < seen, "the pages have more command lines than {seen}");
}

/// Command lines in a page, without prompt, and whether they stand as a whole line of a block.
fn lines_of(text: &str) -> Vec<(String, bool)> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut within = false;
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if within {
            let line = line.trim().trim_start_matches("$ ");
            found.push((line.strip_prefix("target/release/").unwrap_or(line), true));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(|span| (span, false)));
        }
    }
    found.retain(|(line, _)| line.starts_with("replaysafe "));
    let own = |line: &str| {
        // What follows a pipe, a redirection or a comment is another program's.
        let words = line.split_whitespace().take_while(|word| !["|", ">", "&", "#"].contains(word));
        words.collect::<Vec<_>>().join(" ")
    };
    found.into_iter().map(|(line, whole)| (own(line), whole)).collect()
}

#[test]
fn every_relative_link_on_a_page_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        // What stands in a block of code is none.
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{}: `{link}` leads nowhere", page.display());
            if !anchor.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let heads = there.lines().filter(|line| line.starts_with('#')).map(slug);
                assert!(heads.into_iter().any(|head| head == anchor), "{link}");
            }
        }
    }
    assert!(10 < seen, "the pages have more links than {seen}");
}

/// What docs/embedding.md shows of an example is in it, and the examples are run by tests.
#[test]
fn an_excerpt_is_a_part_of_its_example() {
    let docs = root().join("docs");
    let page = fs::read_to_string(docs.join("embedding.md")).unwrap();
    for (language, example) in
        [("rust", "plain_wasmtime.rs"), ("python", "host.py"), ("js", "door.mjs")]
    {
        let whole = fs::read_to_string(docs.join("examples").join(example)).unwrap();
        let has = unindented(&whole);
        let fence = format!("```{language}\n");
        let blocks = page.split(&fence).skip(1);
        let blocks: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
        assert!(!blocks.is_empty(), "no block of {language}");
        for block in blocks {
            assert!(has.contains(&unindented(block)), "{example} does not have:\n{block}");
        }
    }
}

fn unindented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim())).collect()
}

/// A heading as the end of a link names it.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn every_command_has_its_shape_on_the_page_and_writes_it() {
    let folder = TempDir::new().unwrap();
    let page = fs::read_to_string(root().join("docs/command-line.md")).unwrap();
    let shapes = shapes(&page);
    // A folder of its own: a ledger belongs to one service.
    let other = TempDir::new().unwrap();
    let served = Served::start(other.path(), &["--format", "json"]);
    let listening: Value = serde_json::from_str(&served.url).unwrap();
    drop(served);
    let policy = "returns = \"approve\"\nreplay-window-seconds = 0\n";
    fs::write(folder.path().join("p.toml"), policy).unwrap();
    let served = Served::start(folder.path(), &["--policy", "p.toml"]);
    let decision = served.create();
    let id = served.target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
    served.send("DELETE", &format!("/Users/{id}"), "");
    let ada = r#"{"userName":"ada@example.org","externalId":"1"}"#;
    let staged = header(&served.send("POST", "/Users", ada), "replaysafe-decision").unwrap();
    served.stop();
    let service = tokio::runtime::Runtime::new().unwrap();
    // What it keeps is told too.
    let behaviour = Behaviour { on_delete: OnDelete::Deactivate, ..Behaviour::strict() };
    let service = (service.block_on(MemoryTarget::start(behaviour)).unwrap(), service);
    let base = service.0.base();
    let json = |arguments: &[&str]| {
        let ran = run(folder.path(), &[arguments, ["--format", "json"].as_slice()].concat());
        assert!(ran.code < 2, "{ran:?}");
        ran.json()
    };
    let delete = r#"{"method": "delete", "resource-type": "User", "id": "42"}"#;
    let wrong = run(folder.path(), &["--format=json", "frob"]);
    let schemas = r#""schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"4711""#;
    fs::write(folder.path().join("d.json"), format!("{{{schemas},\"title\":\"b\"}}")).unwrap();
    let there = format!("{{{schemas},\"id\":\"1\",\"title\":\"a\"}}");
    fs::write(folder.path().join("o.json"), there).unwrap();
    let plan = ["plan", "--desired", "d.json", "--observed", "o.json"];
    let planned = run(folder.path(), &[plan.as_slice(), &["--format", "json"]].concat()).out;
    fs::write(folder.path().join("plan.json"), planned).unwrap();
    let user = |id: &str| {
        format!("{{\"meta\":{{\"resourceType\":\"User\"}},\"id\":\"{id}\",\"userName\":\"ann\"}}")
    };
    let group = "{\"meta\":{\"resourceType\":\"Group\"},\"id\":\"g\"}".to_owned();
    let there = [user("1"), user("2"), group].join("\n");
    fs::write(folder.path().join("there.ndjson"), there).unwrap();
    let audit = ["audit", "--observed", "there.ndjson", "--complete", "--fix", "fix.json"];
    // What it is to change is not there.
    let apply = ["apply", "plan.json", "--target", &base, "--ledger", "sqlite:apply.db"];
    let written = BTreeMap::from([
        ("gateway", listening),
        ("probe", json(&["probe", "--target", &base])),
        ("demo", json(&["demo"])),
        ("decide", run_on(folder.path(), &["decide", "-", "--format=json"], delete).json()),
        ("component inspect", json(&["component", "inspect"])),
        ("component export", json(&["component", "export", "c.wasm"])),
        ("explain", json(&["explain", &decision, "--ledger", "sqlite:a.db"])),
        ("approve", json(&["approve", &staged, "--ledger", "sqlite:a.db"])),
        ("plan", json(&plan)),
        ("apply", json(&apply)),
        ("audit", json(&audit)),
        ("policy check", json(&["policy", "check", "p.toml"])),
        ("policy explain", json(&["policy", "explain", "p.toml"])),
        ("list", json(&["list", "--ledger", "sqlite:a.db"])),
        ("resolve", json(&["resolve", &staged, "--nothing", "--ledger", "sqlite:a.db"])),
        ("ledger audit", json(&["ledger", "audit", "--ledger", "sqlite:a.db"])),
        ("an error", serde_json::from_str(&wrong.err).unwrap()),
    ]);
    assert_eq!(
        shapes.keys().map(String::as_str).collect::<Vec<_>>(),
        written.keys().copied().collect::<Vec<_>>()
    );
    for (command, shape) in &shapes {
        same_shape(command, shape, &written[command.as_str()]);
    }
    // What is shown of a case is what is said of it, but for the steps, of which the page has some.
    let shown = &shapes["demo"]["cases"][0];
    let cases = written["demo"]["cases"].as_array().unwrap();
    let told = cases.iter().find(|case| case["case"] == shown["case"]).unwrap();
    for part in ["/title", "/why", "/direct/end", "/direct/right", "/through/end", "/through/right"]
    {
        assert_eq!(shown.pointer(part).unwrap(), told.pointer(part).unwrap(), "{part}");
    }
}

/// What `--format ndjson` writes has the lines that the page shows.
#[test]
fn lines_have_their_shape_on_the_page() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let schemas = r#""schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"externalId":"4711""#;
    put("d.json", &format!("{{{schemas},\"title\":\"b\"}}"));
    let there = format!("{{{schemas},\"id\":\"1\",\"title\":\"a\"}}");
    put("o.json", &format!("{there}\n{}", there.replace("\"1\"", "\"2\"")));
    put("p.json", &there);
    let commands: [&[&str]; 2] = [
        &["plan", "--desired", "d.json", "--observed", "p.json"],
        &["audit", "--observed", "o.json", "--fix", "fix.json"],
    ];
    let page = fs::read_to_string(root().join("docs/command-line.md")).unwrap();
    let blocks = page.split("```ndjson\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    assert_eq!(blocks.clone().count(), commands.len());
    for (command, block) in commands.into_iter().zip(blocks) {
        let ran = run(folder.path(), &[command, &["--format", "ndjson"]].concat());
        let (shown, written): (Vec<_>, Vec<_>) =
            (block.lines().collect(), ran.out.lines().collect());
        assert_eq!(shown.len(), written.len(), "{ran:?}");
        for (shown, written) in shown.into_iter().zip(written) {
            let [shown, written]: [Value; 2] =
                [shown, written].map(|line| serde_json::from_str(line).unwrap());
            assert_eq!(shown["type"], written["type"]);
            same_shape(command[0], &shown, &written);
        }
    }
}

/// The JSON block under each heading.
fn shapes(page: &str) -> BTreeMap<String, Value> {
    let mut shapes = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let head = section.lines().next().unwrap().trim_matches('`').to_owned();
        let Some(block) = section.split("```json\n").nth(1) else { continue };
        let block = block.split("```").next().unwrap();
        let shape = serde_json::from_str(block).unwrap_or_else(|error| panic!("{head}: {error}"));
        shapes.insert(head, shape);
    }
    shapes
}

/// Equal members and types; where the page shows an empty object anything may stand.
#[track_caller]
fn same_shape(at: &str, shape: &Value, written: &Value) {
    match (shape, written) {
        (Value::Object(shape), _) if shape.is_empty() => assert!(written.is_object(), "{at}"),
        (Value::Object(shape), Value::Object(written)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                object.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(names(shape), names(written), "members of {at}");
            for (name, shape) in shape {
                same_shape(&format!("{at}.{name}"), shape, &written[name]);
            }
        }
        (Value::Array(shape), Value::Array(written)) => {
            for one in written {
                same_shape(at, shape.first().unwrap_or(one), one);
            }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (shape, written) => panic!("{at} is {written}, and on the page {shape}"),
    }
}

pub(super) fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|page| root().join(page)).into();
    for file in fs::read_dir(root().join("docs")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    pages.push(root().join("wit/CHANGELOG.md"));
    pages.push(root().join("tests/servers/README.md"));
    pages.push(root().join("docs/examples/spark/README.md"));
    pages
}

pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
