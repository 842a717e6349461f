-- What the ledger is: `key` (which key file it belongs to), `service` (a keyed digest of where the
-- service is that it belongs to), `incarnation` (one more after each restore), `probe` (written to see
-- whether it can be).
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Who a resource is, whatever it is called today. `names` is a keyed digest of its rows in `name`;
-- `state` is sealed together with every column before it but `updated_at`.
CREATE TABLE identity (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    fence INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    names TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;

-- What was asked, and how far it has come. `seq` is the order in which entries were made; `state` is
-- sealed together with every column before it but `seq` and `updated_at`.
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    identity TEXT REFERENCES identity (id) DEFERRABLE INITIALLY DEFERRED,
    key_tag TEXT UNIQUE,
    statement_tag TEXT NOT NULL,
    stage TEXT NOT NULL,
    wake_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE INDEX entry_statement ON entry (statement_tag, seq);
CREATE INDEX entry_open ON entry (identity, seq) WHERE stage IN ('dispatched', 'parked');
CREATE INDEX entry_due ON entry (wake_at, seq) WHERE wake_at IS NOT NULL;

-- What leads to an identity. Tags include the scope that a name is unique in.
CREATE TABLE name (
    identity TEXT NOT NULL REFERENCES identity (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (identity, kind, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_tag ON name (tag);
CREATE UNIQUE INDEX name_exclusive ON name (kind, tag) WHERE kind IN ('target-id', 'external-id');

-- What was learned about a target. `mac` is a keyed digest of the other columns: whether absence may
-- be believed rests on these rows.
CREATE TABLE fact (
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (target, name)
) STRICT, WITHOUT ROWID;

-- The calls of the component that led to a decision, the `n`th of it, for a stated time (S38). `waits`: whether
-- the decision waits for a person since then, for as long as that is kept too; null where the entry was not written.
CREATE TABLE step (
    decision TEXT NOT NULL,
    n INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    waits INTEGER,
    step BLOB NOT NULL,
    PRIMARY KEY (decision, n)
) STRICT;
CREATE INDEX step_at ON step (at);
CREATE INDEX step_waits ON step (decision) WHERE waits;

-- Plans that were to be carried out, and since when that is known; `plan` is sealed together with every column before
-- it (S33).
CREATE TABLE plan (
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    plan BLOB NOT NULL,
    PRIMARY KEY (tenant, digest, made_at)
) STRICT;
