//! `replaysafe gateway`: how it starts, what stops it from starting, how it ends.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;
use tempfile::TempDir;

use super::support::{Served, fails};

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
    fails_to_start(&folder, &[("--listen", "8080")], 2, &["--listen", "8080"]);
    fails_to_start(&folder, &[("--tls-cert", "c.pem")], 2, &["--tls-key"]);
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
    drop(served);

    fails_to_start(&folder, &[("--ledger", "sqlite:none/a.db")], 3, &["none/a.db.key"]);
    fs::copy(folder.path().join("a.db.key"), folder.path().join("open.key")).unwrap();
    let open = fs::Permissions::from_mode(0o644);
    fs::set_permissions(folder.path().join("open.key"), open).unwrap();
    fails_to_start(&folder, &[("--ledger-key", "open.key")], 3, &["open.key", "chmod 600"]);
    fails_to_start(&folder, &[("--ledger-key", "new.key")], 4, &["a.db", "another key"]);
    fs::write(folder.path().join("g.db"), "no database, but long enough to be taken for one")
        .unwrap();
    fails_to_start(&folder, &[("--ledger", "sqlite:g.db")], 4, &["g.db", "no SQLite database"]);
    fails_to_start(&folder, &[("--ledger", "postgres:g")], 2, &["sqlite:PATH"]);
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
