//! `replaysafe gateway`: how it starts, what stops it from starting, how it ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
    time::Duration,
};

use replaysafe::{
    keys::LedgerKey,
    ledger::{Ledger as _, SqliteLedger},
};
use replaysafe_cli::memory::{Behaviour, Fault, Lost, Moment, Verb};
use serde_json::Value;
use tempfile::TempDir;

use super::support::{Served, fails, header, run};

#[test]
fn it_says_where_it_listens_and_ends_at_sigterm() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    assert_eq!(served.target.writes(), 1);
    let ended = served.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("stopping"), "{ended:?}");
    let mode = fs::metadata(folder.path().join("a.db.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What is under way when SIGTERM comes is answered; then it ends well.
#[test]
fn at_sigterm_it_answers_what_is_under_way() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let slow = Lost::Slow(Duration::from_secs(1));
    served.target.strike(Fault::next(Verb::Post, "/Users", slow));
    let asking = served.begin("POST", "/Users", r#"{"userName":"ada@example.org"}"#);
    served.until_asked("POST", 1);
    served.terminate();
    let answer = asking.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let ended = served.ended();
    assert_eq!(ended.code, 0, "{ended:?}");
    audits_clean(&folder);
}

/// A gateway that is frozen in the middle of a request keeps its ledger: no other takes its place, and what it writes when
/// it goes on was written by nobody else (catalogue no 120).
#[test]
fn a_frozen_gateway_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let slow = Lost::Slow(Duration::from_secs(1));
    served.target.strike(Fault::next(Verb::Post, "/Users", slow));
    let asking = served.begin("POST", "/Users", USER);
    served.until_asked("POST", 1);
    served.signal("-STOP");
    fails_to_start(&folder, &[], 4, &["a.db", "in use by another process"]);
    served.signal("-CONT");
    let answer = asking.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(served.target.writes(), 1);
    assert_eq!(served.stop().code, 0);
    audits_clean(&folder);
}

/// S36: a ledger that cannot be written, for real; nothing goes out.
#[test]
fn without_its_ledger_nothing_goes_out() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let path = user(&served);
    fill_the_disk(&folder, &served);
    for (method, path, body) in [("DELETE", path.as_str(), ""), ("POST", "/Users", OTHER)] {
        let answer = served.send(method, path, body);
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert_eq!(header(&answer, "replaysafe-verdict").unwrap(), "unavailable");
    }
    assert_eq!(served.target.writes(), 1);
    served.limit_files(None);
    assert!(served.send("DELETE", &path, "").starts_with("HTTP/1.1 204"));
    assert_eq!(served.stop().code, 0);
    audits_clean(&folder);
}

/// S36: where policy lets it, what takes access away goes out once, and the ledger learns of it when it is back.
#[test]
fn without_its_ledger_a_deletion_goes_out_once_by_policy() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &passing(&folder));
    let path = user(&served);
    fill_the_disk(&folder, &served);
    let gone = served.send("DELETE", &path, "");
    assert!(gone.starts_with("HTTP/1.1 204"), "{gone}");
    assert_eq!(header(&gone, "replaysafe-verdict").unwrap(), "done");
    assert_eq!(header(&gone, "replaysafe-changed").unwrap(), "true");
    for (method, path, body) in
        [("DELETE", path.as_str(), ""), ("POST", "/Users", USER), ("POST", "/Users", OTHER)]
    {
        let answer = served.send(method, path, body);
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert_eq!(header(&answer, "replaysafe-changed").unwrap(), "false");
    }
    assert_eq!(served.target.writes(), 2);
    let journal = fs::read(folder.path().join("a.db.unrecorded")).unwrap();
    let text = String::from_utf8_lossy(&journal);
    // A shorter word comes by chance among what is sealed.
    for secret in ["Bearer", "ada@example", "Users"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let mode = fs::metadata(folder.path().join("a.db.unrecorded")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    served.limit_files(None);
    // S14a: the deletion has its end before the create is answered, and that is no receipt.
    let again = insist(&served, "POST", "/Users", USER);
    assert!(again.starts_with("HTTP/1.1 409"), "{again}");
    assert_eq!(header(&again, "replaysafe-verdict").unwrap(), "superseded");
    let again = served.send("DELETE", &path, "");
    assert!(again.starts_with("HTTP/1.1 204"), "{again}");
    // The change that was told then (S37).
    assert_eq!(header(&again, "replaysafe-verdict").unwrap(), "done");
    let decision = "replaysafe-decision";
    assert_eq!(header(&again, decision).unwrap(), header(&gone, decision).unwrap());
    assert_eq!(served.target.writes(), 2);
    assert_eq!(served.stop().code, 0);
    audits_clean(&folder);
    let told = run(
        folder.path(),
        &["explain", &header(&gone, "replaysafe-decision").unwrap(), "--ledger", "sqlite:a.db"],
    );
    assert_eq!(told.code, 0, "{told:?}");
}

/// S36: the line is on the disk before the effect is sent, whatever becomes of the process.
#[test]
fn a_deletion_that_went_out_survives_a_kill() {
    for carried_out in [true, false] {
        let folder = TempDir::new().unwrap();
        let options = passing(&folder);
        let mut served = Served::start(folder.path(), &options);
        let path = user(&served);
        fill_the_disk(&folder, &served);
        let moment = if carried_out { Moment::AfterCommit } else { Moment::InsteadOfCommit };
        served.target.strike(Fault::next(Verb::Delete, "/Users", Lost::Silence).at(moment));
        let asking = served.begin("DELETE", &path, "");
        served.until_asked("DELETE", 1);
        served.kill_and_start(folder.path(), &options);
        assert_eq!(asking.join().unwrap(), "", "killed before its answer");
        assert_eq!(served.target.resources("Users").is_empty(), carried_out);
        // S14a: the create is not told its receipt; what it is told, the deletion has ended before (after D, S13).
        let create = served.send("POST", "/Users", USER);
        assert_eq!(header(&create, "replaysafe-verdict").unwrap(), "superseded", "{create}");
        let again = served.send("DELETE", &path, "");
        // Nobody was told of the change: it is told now (S37).
        assert_eq!(header(&again, "replaysafe-verdict").unwrap(), "done", "{again}");
        assert_eq!(header(&again, "replaysafe-changed").unwrap(), "true", "{again}");
        assert!(served.target.resources("Users").is_empty());
        assert_eq!(served.target.writes(), if carried_out { 2 } else { 3 });
        assert_eq!(served.stop().code, 0);
        audits_clean(&folder);
    }
}

#[test]
fn in_json_it_says_so_in_one_line() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &["--format", "json"]);
    let told: Value = serde_json::from_str(&served.url).unwrap();
    assert!(told["listening"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{told}");
}

#[test]
fn an_address_that_is_taken_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails_to_start(&folder, &[("--listen", &address)], 3, &[&address, "--listen"]);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_a_service_is_a_mistake_of_usage() {
    let folder = TempDir::new().unwrap();
    fails_to_start(&folder, &[("--upstream", "ftp://x")], 2, &["--upstream", "ftp://x"]);
    for odd in
        ["http://h/a/../b", "http://h//v2", "http://h/v2;x", "http://h/v%2f2", "http://h/v2#f"]
    {
        fails_to_start(&folder, &[("--upstream", odd)], 2, &["--upstream", odd]);
    }
    for path in ["", "/", "/scim/Bulk", "/a/../b", "/Bulk?x=1"] {
        let said = format!("`{path}`");
        let passing = [("--pass-unprotected", path)];
        fails_to_start(&folder, &passing, 2, &["--pass-unprotected", &said]);
    }
    fails_to_start(&folder, &[("--tenant", "")], 2, &["--tenant"]);
    fails_to_start(&folder, &[("--listen", "8080")], 2, &["--listen", "8080"]);
    fails_to_start(&folder, &[("--tls-cert", "c.pem")], 2, &["--tls-key"]);
    fails_to_start(&folder, &[("--tls-client-ca", "r.pem")], 2, &["--tls-cert"]);
    fails_to_start(
        &folder,
        &[("--tls-cert", CERTIFICATE), ("--tls-key", KEY), ("--tls-client-ca", "r.pem")],
        3,
        &["roots of client certificates", "r.pem"],
    );
    fails_to_start(
        &folder,
        &[("--tls-cert", CERTIFICATE), ("--tls-key", KEY), ("--tls-client-ca", KEY)],
        2,
        &["clients"],
    );
    fails_to_start(
        &folder,
        &[("--tls-cert", "c.pem"), ("--tls-key", "k.pem")],
        3,
        &["certificate", "c.pem"],
    );
    fails_to_start(&folder, &[("--upstream-credential", "none")], 3, &["credential", "none"]);
    fs::write(folder.path().join("two"), "Bearer a\nBearer b\n").unwrap();
    fails_to_start(&folder, &[("--upstream-credential", "two")], 2, &["`two`", "one line"]);
}

#[test]
fn a_public_url_is_scheme_host_and_port() {
    let folder = TempDir::new().unwrap();
    for wrong in ["scim.example.com", "ftp://a", "https://a/scim", "https://a?b", "https://u@a", ""]
    {
        fails_to_start(&folder, &[("--public-url", wrong)], 2, &["--public-url", "without a path"]);
    }
}

/// TLS ends in front of the gateway: its clients see https, whatever it serves itself.
#[test]
fn rewritten_urls_begin_with_the_public_url() {
    let folder = TempDir::new().unwrap();
    let public = "https://scim.example.com:8443";
    let options = ["--host", "upstream", "--public-url", &format!("{public}/")];
    let served = Served::start(folder.path(), &options);
    let created = served.send("POST", "/Users", USER);
    let location = header(&created, "location").unwrap();
    let path = location.strip_prefix(public).unwrap_or_else(|| panic!("{location}"));
    assert!(path.starts_with("/scim/v2/Users/"), "{location}");
    let in_body = |answer: &str| answer.contains(&format!("\"location\":\"{location}\""));
    assert!(in_body(&created), "{created}");
    let passed = served.send("GET", path.strip_prefix("/scim/v2").unwrap(), "");
    assert!(in_body(&passed), "{passed}");
    let base = served.target.base();
    assert!(!created.contains(&base) && !passed.contains(&base), "{created} {passed}");
}

/// RFC 7644 section 3.14, RFC 9110 section 13.1.1; S25: a change that was made for another version is not made.
#[test]
fn a_precondition_of_the_client_holds_or_nothing_is_sent() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.target.behave(Behaviour::strict());
    let path = user(&served);
    let tag = |answer: &str| header(answer, "etag").unwrap();
    let rename = |name: &str, tag: &str| {
        let body = format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"replace","path":"displayName","value":"{name}"}}]}}"#
        );
        served.send_with("PATCH", &path, &format!("If-Match: {tag}\r\n"), &body)
    };
    let first = tag(&served.send("GET", &path, ""));
    let failed = rename("Ada", "W/\"other\"");
    assert!(failed.starts_with("HTTP/1.1 412"), "{failed}");
    assert_eq!(header(&failed, "replaysafe-verdict").unwrap(), "precondition-failed");
    assert_eq!(served.target.writes(), 1);
    let done = rename("Ada", &first);
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    let second = tag(&done);
    assert_ne!(first, second);
    assert_eq!(tag(&served.send("GET", &path, "")), second);
    // S3: the precondition is a part of what is asked. The repeat of the one that held is no conflict with itself.
    let again = rename("Ada", &first);
    assert!(again.starts_with("HTTP/1.1 200"), "{again}");
    assert_eq!(header(&again, "idempotency-replayed").unwrap(), "true");
    assert!(rename("Ben", &first).starts_with("HTTP/1.1 412"));
    assert!(rename("Ben", &second).starts_with("HTTP/1.1 200"));
    assert_eq!(served.target.writes(), 3);
    assert_eq!(served.target.resources("Users")[0]["displayName"], "Ben");
}

/// S10: OASIS Repeatable Requests 1.0.
#[test]
fn a_repeatable_request_is_known_by_its_id_and_by_its_age() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let send = |head: &str| served.send_with("POST", "/Users", head, USER);
    let check = |head: &str, status: u16, verdict: &str, result: Option<&str>| {
        let answer = send(head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!(header(&answer, "replaysafe-verdict").unwrap(), verdict);
        assert_eq!(header(&answer, "repeatability-result").as_deref(), result, "{answer}");
        answer
    };
    let long_ago = "Repeatability-First-Sent: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let id = "Repeatability-Request-ID: 7a1c\r\n";
    check(&format!("{id}{long_ago}"), 412, "outside-window", Some("rejected"));
    check(&format!("Idempotency-Key: 7a1c\r\n{long_ago}"), 412, "outside-window", None);
    check(long_ago, 400, "malformed", None);
    let unread = "Repeatability-First-Sent: yesterday\r\n";
    check(&format!("{id}{unread}"), 400, "malformed", Some("rejected"));
    check(&format!("{id}Idempotency-Key: other\r\n"), 400, "malformed", Some("rejected"));
    assert_eq!(served.target.writes(), 0);
    let done = check(id, 201, "done", Some("accepted"));
    assert_eq!(header(&done, "replaysafe-key"), None);
    // Its receipt is told, whatever the client says of its age.
    for head in [id, &format!("{id}{long_ago}"), "Idempotency-Key: 7a1c\r\n"] {
        let again = send(head);
        assert_eq!(header(&again, "idempotency-replayed").unwrap(), "true", "{again}");
    }
    let other = served.send_with("POST", "/Users", id, OTHER);
    assert!(other.starts_with("HTTP/1.1 422"), "{other}");
    assert_eq!(header(&other, "repeatability-result").unwrap(), "rejected");
    assert_eq!(served.target.writes(), 1);
}

/// S20: a queue that delivers late and twice, and numbers what it delivers.
#[test]
fn what_a_source_numbers_may_come_in_any_order() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("p.toml"), "version-header = \"X-Sequence\"\n").unwrap();
    let served = Served::start(folder.path(), &["--policy", "p.toml"]);
    let path = user(&served);
    let patch = |sequence: &str, operation: &str| {
        let body = format!(
            "{{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{operation}]}}"
        );
        let answer =
            served.send_with("PATCH", &path, &format!("X-Sequence: {sequence}\r\n"), &body);
        header(&answer, "replaysafe-verdict").unwrap()
    };
    let title =
        |text: &str| format!("{{\"op\":\"replace\",\"path\":\"title\",\"value\":\"{text}\"}}");
    let off = r#"{"op":"replace","path":"active","value":false}"#;
    assert_eq!(patch("7", &title("new")), "done");
    assert_eq!(patch("5", &title("old")), "stale");
    // Nothing that is taken away late is lost.
    assert_eq!(patch("6", off), "done");
    let writes = served.target.writes();
    assert_eq!(patch("7", &title("new")), "done");
    assert_eq!(patch("7", &title("other")), "version-conflict");
    assert_eq!(patch("seven", &title("other")), "malformed");
    assert_eq!(served.target.writes(), writes);
    let shown = served.send("GET", &path, "");
    assert!(shown.contains("\"title\":\"new\"") && shown.contains("\"active\":false"), "{shown}");
}

/// S23: by default what nobody has deleted through the gateway is the target's to answer.
#[test]
fn the_deletion_of_what_is_absent_is_answered_as_policy_says() {
    let check = |policy: &str, unknown: u16, deleted: u16| {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("p.toml"), policy).unwrap();
        let served = Served::start(folder.path(), &["--policy", "p.toml"]);
        let status = |answer: &str| answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        let path = user(&served);
        assert_eq!(status(&served.send("DELETE", "/Users/nobody", "")), unknown, "{policy}");
        assert_eq!(status(&served.send("DELETE", &path, "")), 204);
        let key = "Idempotency-Key: k\r\n";
        assert_eq!(status(&served.send_with("DELETE", &path, key, "")), deleted, "{policy}");
        assert_eq!(served.target.writes(), 2);
    };
    check("", 404, 204);
    check("delete-absent = \"success\"", 204, 204);
    check("delete-absent = \"not-found\"", 404, 404);
}

#[test]
fn a_policy_that_cannot_be_read_names_line_and_rule() {
    let folder = TempDir::new().unwrap();
    let policy = |text: &[u8], code, saying: &[&str]| {
        fs::write(folder.path().join("p.toml"), text).unwrap();
        fails_to_start(&folder, &[("--policy", "p.toml")], code, saying);
    };
    policy(
        b"# ours\nadopt = \"sometimes\"\n",
        2,
        &["p.toml", "line 2", "`adopt` (S18", "matching"],
    );
    policy(b"adoptt = \"never\"\n", 2, &["line 1", "`adoptt` (S45", "`adopt`"]);
    policy(b"adopt = = 1\n", 2, &["p.toml", "line 1", "no TOML"]);
    policy(b"\n[correlation]\nUser = []\nGroup = 5\n", 2, &["line 4", "`correlation.Group` (S16"]);
    policy(b"receipt-hours = 0.5\n", 2, &["line 1", "`receipt-hours` (S10", "whole number"]);
    policy(b"\xff", 2, &["p.toml", "UTF-8"]);
    fails_to_start(&folder, &[("--policy", "none.toml")], 3, &["none.toml"]);
}

#[test]
fn a_ledger_that_cannot_be_used_is_4_and_a_missing_folder_or_key_3() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    fails_to_start(&folder, &[], 4, &["a.db", "in use by another process", "stop it"]);
    // One file by another name, with its key beside it.
    for (file, link) in [("a.db", "h.db"), ("a.db.key", "h.db.key")] {
        fs::hard_link(folder.path().join(file), folder.path().join(link)).unwrap();
    }
    fails_to_start(&folder, &[("--ledger", "sqlite:h.db")], 4, &["h.db", "in use", "stop it"]);
    assert!(!folder.path().join("h.db-wal").exists());
    drop(served);

    fails_to_start(&folder, &[("--ledger", "sqlite:none/a.db")], 3, &["none/a.db.key"]);
    fs::copy(folder.path().join("a.db.key"), folder.path().join("open.key")).unwrap();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(folder.path().join("open.key"), open).unwrap();
    fails_to_start(&folder, &[("--ledger-key", "open.key")], 3, &["open.key", "chmod 600"]);
    // A new key beside an old ledger opens nothing: none is made.
    fails_to_start(&folder, &[("--ledger-key", "new.key")], 3, &["new.key", "a.db", "one backup"]);
    assert!(!folder.path().join("new.key").exists());
    fs::write(folder.path().join("new.key"), [7; 32]).unwrap();
    let owner = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path().join("new.key"), owner).unwrap();
    fails_to_start(&folder, &[("--ledger-key", "new.key")], 4, &["a.db", "another key"]);
    fs::write(folder.path().join("g.db"), "no database, but long enough to be taken for one")
        .unwrap();
    let garbage = [("--ledger", "sqlite:g.db"), ("--ledger-key", "a.db.key")];
    fails_to_start(&folder, &garbage, 4, &["g.db", "no SQLite database"]);
    fails_to_start(&folder, &[("--ledger", "postgres:g")], 2, &["sqlite:PATH"]);
}

/// S37, S40: receipts of one service, and what was learned about it, are not told of another.
#[test]
fn a_ledger_of_another_service_is_refused_until_that_is_said_to_have_moved() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let first = served.target.base();
    served.stop();
    fails_to_start(&folder, &[], 4, &["a.db", "another service", "--upstream-moved"]);
    // The same service at another place: what was told is told again. To say so once is enough.
    let mut served = Served::start(folder.path(), &["--upstream-moved"]);
    let told = served.send("POST", "/Users", USER);
    assert_eq!(header(&told, "idempotency-replayed").unwrap(), "true", "{told}");
    assert_eq!(served.target.writes(), 0);
    served.kill_and_start(folder.path(), &[]);
    served.stop();
    fails_to_start(&folder, &[("--upstream", &first)], 4, &["--upstream-moved"]);
}

/// A probe for which there is room does not say that a request can be recorded.
#[test]
fn it_is_not_ready_while_what_it_records_cannot_be_written() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    assert!(ready(&served).starts_with("HTTP/1.1 200"));
    // Room for three pages, each with a header of 24 bytes (SQLite file format, section 4.1); an entry takes more.
    let log = fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
    served.limit_files(Some(log + 3 * (4096 + 24)));
    let answer = served.send("POST", "/Users", OTHER);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let unready = ready(&served);
    assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("unavailable"), "{unready}");
    served.limit_files(None);
    let again = ready(&served);
    assert!(again.starts_with("HTTP/1.1 200"), "{again}");
    assert!(served.send("POST", "/Users", OTHER).starts_with("HTTP/1.1 201"));
    let ended = served.stop();
    assert_eq!(ended.code, 0);
    let line = ended.err.lines().find(|line| line.starts_with("replaysafe: failed: "));
    assert!(line.is_some_and(|line| line.contains("the ledger cannot be used")), "{ended:?}");
    audits_clean(&folder);
}

/// Two gateways: one serves https, and is the service of the other.
#[test]
fn tls_is_served_and_spoken() {
    let (behind, before) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let serving = ["--tls-cert", CERTIFICATE, "--tls-key", KEY];
    let service = Served::start(behind.path(), &serving);
    let port = service.url.trim().strip_prefix("listening on https://127.0.0.1:").unwrap();
    let https = |_: &str| format!("https://localhost:{port}/scim/v2");
    let served = Served::start_at(before.path(), https, &["--upstream-ca", CERTIFICATE]);
    for replayed in [None, Some("true")] {
        let answer = served.send("POST", "/Users", USER);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        assert_eq!(header(&answer, "idempotency-replayed").as_deref(), replayed, "{answer}");
        let location = header(&answer, "location").unwrap();
        let mine = format!("http://{}/scim/v2/Users/", served.address());
        assert!(location.starts_with(&mine), "{location}");
    }
    assert_eq!(service.target.writes(), 1);
    assert!(served.target.requests().is_empty());
    // Nobody vouches for it among the system's certificates.
    let third = TempDir::new().unwrap();
    let stranger = Served::start_at(third.path(), https, &[]);
    assert!(stranger.send("GET", "/Users", "").starts_with("HTTP/1.1 503"));
    for ended in [served.stop(), stranger.stop(), service.stop()] {
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

#[test]
fn a_path_is_passed_unprotected_where_it_is_named() {
    let folder = TempDir::new().unwrap();
    let asked = |served: &Served| {
        let answer = served.send("POST", "/Bulk", "{}");
        let asked = served.target.requests();
        let bulk = asked.iter().any(|(method, path)| method == "POST" && path.ends_with("/Bulk"));
        (answer, bulk)
    };
    let served = Served::start(folder.path(), &[]);
    let (answer, bulk) = asked(&served);
    // The gateway's own: this is no bulk request.
    assert!(answer.starts_with("HTTP/1.1 400") && !bulk, "{answer}");
    assert_eq!(header(&answer, "replaysafe-verdict").as_deref(), Some("malformed"), "{answer}");
    drop(served);
    let folder = TempDir::new().unwrap();
    let named = ["--pass-unprotected", "/Bulk", "--pass-unprotected", "Other"];
    let served = Served::start(folder.path(), &named);
    let (answer, bulk) = asked(&served);
    // The answer is the service's own.
    assert!(bulk && header(&answer, "replaysafe-verdict").is_none(), "{answer}");
    assert!(served.send("POST", "/Me", "{}").starts_with("HTTP/1.1 501"));
    assert_eq!(served.stop().code, 0);
}

/// S41: what a client has left behind is brought to its end with the gateway's own credential, though the client never comes
/// back and the service knows it no more.
#[test]
fn what_was_interrupted_ends_with_the_gateways_own_credential() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("own"), "Bearer own\n").unwrap();
    let options = ["--upstream-credential", "own"];
    let mut served = Served::start(folder.path(), &options);
    assert!(ready(&served).contains("\"recovery\":\"own\""), "{}", ready(&served));
    served.target.strike(Fault::next(Verb::Post, "/Users", Lost::Silence));
    let asking = served.begin("POST", "/Users", USER);
    // What has come is not carried out yet.
    while served.target.resources("Users").is_empty() {
        std::thread::yield_now();
    }
    let bearer = Some("own".to_owned());
    served.target.behave(Behaviour { bearer, ..Behaviour::lenient() });
    served.kill_and_start(folder.path(), &options);
    assert_eq!(asking.join().unwrap(), "", "killed before its answer");
    let open = || {
        let key = LedgerKey::open_or_create(folder.path().join("a.db.key")).unwrap();
        let ledger = SqliteLedger::open_read_only(folder.path().join("a.db"), Arc::new(key));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { ledger.unwrap().due(u64::MAX >> 1, None, 9).await.unwrap().len() })
    };
    while 0 < open() {
        std::thread::yield_now();
    }
    assert_eq!(served.target.writes(), 1);
    served.target.behave(Behaviour::lenient());
    let again = served.send("POST", "/Users", USER);
    assert!(again.starts_with("HTTP/1.1 201"), "{again}");
    assert_eq!((served.target.writes(), served.target.resources("Users").len()), (1, 1));
    assert_eq!(served.stop().code, 0);
    audits_clean(&folder);
}

/// No 2 of the catalogue: what is refused for its size takes memory by its size, and not by what it would become.
#[test]
fn bad_bodies_take_bounded_memory() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let before = served.peak_bytes();
    let many = |item: &str| {
        let items = format!("{item},").repeat((15 << 20) / (item.len() + 1));
        format!("{{\"displayName\":\"x\",\"members\":[{items}{item}]}}")
    };
    let members = (0..1_000_000).map(|at| format!("\"{at:x}\":0")).collect::<Vec<_>>().join(",");
    let bodies = [
        many("0"),
        many("{}"),
        many("[[[]]]"),
        many("{\"value\":\"u\"}"),
        format!("{{{members}}}"),
        "[".repeat(15 << 20),
    ];
    for body in &bodies {
        for (method, path) in [("POST", "/Groups"), ("PUT", "/Groups/1"), ("PATCH", "/Groups/1")] {
            let answer = served.send(method, path, body);
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
    }
    assert_eq!(served.target.writes(), 1);
    // Twice while it grows, and what was read of it before it was refused: 200,000 items, some hundred bytes each.
    let most = 16 * bodies.iter().map(|body| body.len() as u64).max().unwrap();
    let grown = served.peak_bytes() - before;
    assert!(grown < most, "{grown} bytes more, and {most} were to be enough");
}

/// A service that does not speak TLS, as one whose certificate nobody vouches for: its client is told to come again.
#[test]
fn why_a_service_is_not_reached_is_said_on_standard_error() {
    let folder = TempDir::new().unwrap();
    let https = |base: &str| base.replace("http://", "https://");
    let served = Served::start_at(folder.path(), https, &["--upstream-ca", CERTIFICATE]);
    let answer = served.send("POST", "/Users", USER);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let ended = served.stop();
    let line = ended.err.lines().find(|line| line.contains("the service was not reached: "));
    let line = line.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(line.starts_with("replaysafe: failed: "), "{line}");
    assert!(line.contains("corrupt message"), "{line}");
}

/// Nobody reads standard error, and it is full: whoever asks is answered all the same, and the gateway ends
/// (catalogue no 119).
#[test]
fn nobody_has_to_read_standard_error() {
    let folder = TempDir::new().unwrap();
    let https = |base: &str| base.replace("http://", "https://");
    let served = Served::start_at(folder.path(), https, &["--upstream-ca", CERTIFICATE]);
    served.fill_standard_error();
    // One line a second at most: each could hold up one thread of the gateway.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    for _ in 0..=threads {
        let answer = served.send("POST", "/Users", USER);
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        std::thread::sleep(Duration::from_millis(1_100));
    }
    assert!(ready(&served).starts_with("HTTP/1.1 200"));
    let ended = served.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn ready(served: &Served) -> String {
    let mut connection = TcpStream::connect(served.address()).unwrap();
    connection.write_all(b"GET /readyz HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// For `localhost`, and its own root.
const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/data/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/data/key.pem");

const USER: &str = r#"{"userName":"ada@example.org","externalId":"1"}"#;
const OTHER: &str = r#"{"userName":"ben@example.org","externalId":"2"}"#;

/// Creates a user and gives its path.
fn user(served: &Served) -> String {
    served.create();
    let users = served.target.resources("Users");
    format!("/Users/{}", users[0]["id"].as_str().unwrap())
}

/// Options with a policy that lets out what takes access away (S36).
fn passing(folder: &TempDir) -> [&'static str; 2] {
    fs::write(folder.path().join("p.toml"), "safe-direction-passes = true\n").unwrap();
    ["--policy", "p.toml"]
}

/// The ledger's log cannot grow any more; the journal, made before, can be written in its first 16 KiB.
fn fill_the_disk(folder: &TempDir, served: &Served) {
    let log = fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
    assert!(16 << 10 < log, "{log}");
    served.limit_files(Some(16 << 10));
}

/// Sends a request until it is told more than to come again.
fn insist(served: &Served, method: &str, path: &str, body: &str) -> String {
    loop {
        let answer = served.send(method, path, body);
        if !answer.starts_with("HTTP/1.1 503") {
            return answer;
        }
    }
}

fn audits_clean(folder: &TempDir) {
    let audit = run(folder.path(), &["ledger", "audit", "--ledger", "sqlite:a.db"]);
    assert_eq!(audit.code, 0, "{audit:?}");
}

/// The gateway with these options in place of good ones.
#[track_caller]
fn fails_to_start(folder: &TempDir, options: &[(&str, &str)], code: i32, saying: &[&str]) {
    let good = [
        ("--upstream", "http://127.0.0.1:9/scim"),
        ("--listen", "127.0.0.1:0"),
        ("--ledger", "sqlite:a.db"),
    ];
    let kept = good.iter().filter(|(name, _)| options.iter().all(|(given, _)| given != name));
    let mut arguments = vec!["gateway"];
    arguments.extend(kept.chain(options).flat_map(|(name, value)| [*name, *value]));
    fails(folder.path(), &arguments, code, saying);
}

/// S3a, S12: a refusal of the password that is sent again says nothing of the one before, whose answer was lost: it may
/// have been written, and is not told as refused.
#[test]
fn a_password_that_is_refused_when_it_is_sent_again_is_not_told_as_refused() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let id = served.target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
    served.target.strike(Fault::next(Verb::Patch, "/Users", Lost::Cut));
    let refused = Fault::next(Verb::Patch, "/Users", Lost::Status(400));
    served.target.strike(refused.later(1).at(Moment::InsteadOfCommit));
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"password","value":"Pq7-secret-of-ada"}]}"#;
    let told = served.send("PATCH", &format!("/Users/{id}"), body);
    assert_eq!(header(&told, "replaysafe-verdict").as_deref(), Some("unavailable"), "{told}");
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    assert!(told.contains("cannot be seen"), "{told}");
    let sent = served.target.requests().into_iter().filter(|(one, _)| one == "PATCH").count();
    assert_eq!(sent, 2);
    assert_eq!(served.stop().code, 0);
}
