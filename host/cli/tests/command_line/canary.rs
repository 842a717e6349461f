//! S3a, no 20 of the catalogue: passwords and credentials are in nothing that the program writes, whatever becomes of a request.

use std::{
    fs::{self, File},
    io::Read as _,
};

use replaysafe_cli::memory::{Fault, Lost, Verb};
use serde_json::json;
use tempfile::TempDir;

use super::{
    spellings::found_in,
    support::{Served, header, run},
};

#[test]
fn what_is_secret_is_written_nowhere() {
    let folder = TempDir::new().unwrap();
    let (password, token) = (secret("Pw-+/?&"), secret("token-+/"));
    let policy = "returns = \"approve\"\nreplay-window-seconds = 0\nsafe-direction-passes = true\n";
    fs::write(folder.path().join("p.toml"), policy).unwrap();
    let served = Served::start(folder.path(), &["--policy", "p.toml"]);
    let mut answers = Vec::new();
    let mut ask = |method: &str, path: &str, key: &str, body: &str| {
        let head = format!("Authorization: Bearer {token}\r\n{key}");
        let answer = served.send_with(method, path, &head, body);
        answers.push(answer.clone());
        answer
    };
    let patch = |operations: serde_json::Value| {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        json!({"schemas": [schema], "Operations": operations}).to_string()
    };
    let key = "Idempotency-Key: k\r\n";
    let ada = json!({"userName": "ada@example.org", "externalId": "1", "password": password});
    let ben = json!({"userName": "ben@example.org", "externalId": "2", "password": password});
    let (ada, ben) = (ada.to_string(), ben.to_string());

    // Carried out, repeated, refused for its key, lost on its way back.
    assert!(ask("POST", "/Users", key, &ada).starts_with("HTTP/1.1 201"));
    let again = ask("POST", "/Users", key, &ada);
    assert_eq!(header(&again, "idempotency-replayed").as_deref(), Some("true"), "{again}");
    assert!(ask("POST", "/Users", key, &ben).starts_with("HTTP/1.1 422"));
    served.target.strike(Fault::next(Verb::Post, "/Users", Lost::Status(500)));
    assert!(ask("POST", "/Users", "", &ben).starts_with("HTTP/1.1 201"));
    let users = served.target.resources("Users");
    let [one, other] = ["ada@example.org", "ben@example.org"].map(|name| {
        let user = users.iter().find(|user| user["userName"] == name).unwrap();
        format!("/Users/{}", user["id"].as_str().unwrap())
    });
    let renamed = ada.replace("\"password\"", "\"title\":\"t\",\"password\"");
    assert!(ask("PUT", &one, "", &renamed).starts_with("HTTP/1.1 200"));
    for operation in [
        json!({"op": "replace", "path": "password", "value": password}),
        json!({"op": "add", "value": {"password": password}}),
    ] {
        assert!(ask("PATCH", &one, "", &patch(json!([operation]))).starts_with("HTTP/1.1 200"));
    }
    // Not read.
    assert!(ask("POST", "/Users", "", &ada.replace('}', "")).starts_with("HTTP/1.1 400"));
    let twice = ada.replace("\"userName\"", "\"PASSWORD\":\"x\",\"userName\"");
    assert!(ask("POST", "/Users", "", &twice).starts_with("HTTP/1.1 400"));
    // Waiting for a person.
    assert!(ask("DELETE", &one, "", "").starts_with("HTTP/1.1 204"));
    let staged = ask("POST", "/Users", "", &ada);
    assert_eq!(header(&staged, "replaysafe-verdict").as_deref(), Some("staged"), "{staged}");
    // Without the ledger: into the journal.
    served.limit_files(Some(16 << 10));
    let off = json!({"op": "replace", "path": "active", "value": false});
    let secret = json!({"op": "replace", "path": "password", "value": password});
    let passed = ask("PATCH", &other, "", &patch(json!([off, secret])));
    assert_eq!(header(&passed, "replaysafe-changed").as_deref(), Some("true"), "{passed}");
    look(&folder, &[&password, &token]);
    served.limit_files(None);

    let ledger = ["--ledger", "sqlite:a.db"];
    let mut said = vec![run(folder.path(), &[&["list"], &ledger[..]].concat())];
    assert!(said[0].out.contains("waits"), "{said:?}");
    let decisions = answers.iter().filter_map(|answer| header(answer, "replaysafe-decision"));
    for decision in decisions.filter(|decision| decision != "none") {
        let explain = ["explain", decision.as_str()];
        for format in ["text", "json"] {
            let arguments = [&explain[..], &ledger, &["--format", format]].concat();
            said.push(run(folder.path(), &arguments));
        }
    }
    said.push(served.stop());
    said.push(run(folder.path(), &[&["ledger", "audit"], &ledger[..]].concat()));
    look(&folder, &[&password, &token]);
    for secret in [&password, &token] {
        for ran in &said {
            assert_eq!(found_in(ran.out.as_bytes(), secret), [""; 0], "{ran:?}");
            assert_eq!(found_in(ran.err.as_bytes(), secret), [""; 0], "{ran:?}");
        }
    }
    for answer in &answers {
        assert_eq!(found_in(answer.as_bytes(), &token), [""; 0], "{answer}");
        // This service shows the password that it was sent, which is its own word; a refusal or a replay is ours.
        let own = answer.starts_with("HTTP/1.1 2") && !answer.contains("Idempotency-Replayed");
        assert!(own || found_in(answer.as_bytes(), &password).is_empty(), "{answer}");
    }
}

/// RFC 4648 section 10 has the base64 of `foobar`.
#[test]
fn a_secret_is_found_in_each_spelling() {
    for text in ["foobar", "Zm9vYmFy", "666f6f626172", "f\0o\0o\0b\0a\0r\0", "\0f\0o\0o\0b\0a\0r"] {
        assert!(!found_in(format!("x {text}").as_bytes(), "foobar").is_empty(), "{text:?}");
    }
    assert!(!found_in(b"a%2fb%20c", "a/b c").is_empty());
    assert_eq!(found_in(b"foobaz Zm9vYmF6", "foobar"), [""; 0]);
}

/// No file in `folder` holds any of `secrets` in any spelling.
fn look(folder: &TempDir, secrets: &[&str]) {
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files.map(|path| (fs::read(&path).unwrap(), path)).collect();
    for name in ["a.db", "a.db.unrecorded"] {
        assert!(files.iter().any(|(bytes, path)| path.ends_with(name) && !bytes.is_empty()));
    }
    for (bytes, path) in files {
        for secret in secrets {
            assert_eq!(found_in(&bytes, secret), [""; 0], "{}", path.display());
        }
    }
}

/// A text that is nowhere else.
fn secret(begins: &str) -> String {
    let mut random = [0; 12];
    File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{begins}{hex}")
}
