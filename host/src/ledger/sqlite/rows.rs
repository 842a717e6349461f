//! Rows: what stands in the tables, and does it open?
//!
//! Transactions are the caller's.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::{
    contract::{Entry, EntryId, Field, Found, Holder, Identity, NameKind, Scope, Stage, Tag},
    keys::{LedgerKey, Place, frame},
    ledger::{LedgerError, PlanRecord, Record, RecordedStep},
};

/// The tables of one connection, with the key that their rows open with.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) key: &'a LedgerKey,
}

impl Rows<'_> {
    /// What is held under a key, a statement and names.
    pub(super) fn find(
        &self,
        tenant: &str,
        key: Option<&Tag>,
        statement: &Tag,
        names: &[Tag],
    ) -> Result<Found, LedgerError> {
        let by_key = match key {
            Some(key) => self.entry_where("key_tag = ?1 AND tenant = ?2", &[key, tenant])?,
            None => None,
        };
        let by_statement = self.entry_where(
            "statement_tag = ?1 AND tenant = ?2 ORDER BY seq DESC LIMIT 1",
            &[statement, tenant],
        )?;

        let mut led_to = BTreeMap::<String, Vec<u32>>::new();
        let mut named =
            self.connection.prepare_cached("SELECT DISTINCT identity FROM name WHERE tag = ?1")?;
        for (position, name) in (0..).zip(names) {
            for identity in named.query_map([name], |row| row.get(0))? {
                led_to.entry(identity?).or_default().push(position);
            }
        }
        // Whatever it is called by now.
        for row in by_key.iter().chain(&by_statement) {
            if let Some(identity) = &row.entry.identity {
                led_to.entry(identity.clone()).or_default();
            }
        }
        let (mut holders, mut open) = (Vec::new(), Vec::new());
        for (id, by) in led_to {
            let Some(row) = self.identity(&id)? else {
                // An entry that was refused may be about nobody.
                if by.is_empty() {
                    continue;
                }
                return Err(tampered("name", &id));
            };
            if row.tenant != tenant {
                return Err(tampered("name", &id));
            }
            let rest = "identity = ?1 AND stage IN ('dispatched', 'parked') ORDER BY seq";
            open.extend(self.entries_where(rest, &[&id])?);
            holders.push(Holder { identity: row.identity, by });
        }
        open.sort_by_key(|row| row.seq);
        Ok(Found {
            by_key: by_key.map(|row| row.entry),
            by_statement: by_statement.map(|row| row.entry),
            holders,
            open: open.into_iter().map(|row| row.entry).collect(),
        })
    }

    /// Writes everything of a record; whatever fails, the caller rolls back.
    pub(super) fn write(&self, record: &Record) -> Result<(), LedgerError> {
        let written: BTreeSet<_> = record.identities.iter().map(|(w, _)| &w.identity.id).collect();
        if written.len() != record.identities.len() {
            return Err(LedgerError::Law { law: "one-write-per-identity" });
        }
        // All names are given up before any is taken: identities may hand names to each other.
        let mut forget = self.connection.prepare_cached("DELETE FROM name WHERE identity = ?1")?;
        for (write, names) in &record.identities {
            if names.is_some() {
                forget.execute([&write.identity.id])?;
            }
        }
        for (write, names) in &record.identities {
            self.write_identity(record, &write.identity, names.as_deref())?;
        }
        self.write_entry(record)?;
        for Field { name, value } in &record.learned {
            let target = &record.scope.target;
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO fact VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![target, name, value, self.fact_mac(target, name, value)])?;
        }
        match &record.step {
            Some(step) => self.write_step(&record.scope.tenant, &record.entry.id, step),
            None => Ok(()),
        }
    }

    pub(super) fn entry(&self, id: &str) -> Result<Option<EntryRow>, LedgerError> {
        self.entry_where("id = ?1", &[id])
    }

    /// Entries that are due and open. One that does not open must not keep the others from being
    /// looked at: it is an error only if there is nothing else to do.
    pub(super) fn due(
        &self,
        now: u64,
        after: Option<(u64, EntryId)>,
        most: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut due = self.connection.prepare_cached(&format!(
            "SELECT {ENTRY_COLUMNS} FROM entry WHERE wake_at <= ?1
             AND (wake_at, seq) > (?2, ifnull((SELECT seq FROM entry WHERE id = ?3), -1))
             ORDER BY wake_at, seq"
        ))?;
        let at_most = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (from, id) = after.map_or((-1, String::new()), |(at, id)| (at_most(at), id));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (mut opened, mut closed) = (Vec::new(), None);
        let mut rows = due.query((at_most(now), from, id))?;
        while opened.len() < most {
            let Some(row) = rows.next()? else { break };
            match self.open_entry(SealedEntry::read(row)?) {
                Ok(row) => opened.push(row.entry),
                Err(error) => closed = Some(error),
            }
        }
        match closed {
            Some(error) if opened.is_empty() => Err(error),
            Some(_) | None => Ok(opened),
        }
    }

    pub(super) fn profile(&self, target: &str) -> Result<Vec<Field>, LedgerError> {
        let mut facts = self
            .connection
            .prepare_cached("SELECT name, value, mac FROM fact WHERE target = ?1 ORDER BY name")?;
        let mut profile = Vec::new();
        for row in facts.query_map([target], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })? {
            let (name, value, mac) = row?;
            if mac != self.fact_mac(target, &name, &value) {
                return Err(tampered("fact", &name));
            }
            profile.push(Field { name, value });
        }
        Ok(profile)
    }

    pub(super) fn steps(&self, decision: &str) -> Result<Vec<RecordedStep>, LedgerError> {
        let mut steps = self.connection.prepare_cached(&format!(
            "SELECT {STEP_COLUMNS} FROM step WHERE decision = ?1 ORDER BY n",
        ))?;
        let rows = steps.query_map([decision], SealedStep::read)?;
        rows.map(|row| self.open_step(&row?)).collect()
    }

    pub(super) fn waiting(&self) -> Result<Vec<String>, LedgerError> {
        let mut waiting = self.connection.prepare_cached(&format!(
            "SELECT entry.id FROM entry JOIN step ON step.decision = entry.id
                WHERE {WAITS} ORDER BY entry.seq",
        ))?;
        let ids = waiting.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn waiting_step(&self, decision: &str) -> Result<Option<RecordedStep>, LedgerError> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {STEP_COLUMNS} FROM step WHERE decision = ?1 AND {WAITS}"
            ))?
            .query_row([decision], SealedStep::read)
            .optional()?
            .map(|row| self.open_step(&row))
            .transpose()
    }

    pub(super) fn open_step(&self, row: &SealedStep) -> Result<RecordedStep, LedgerError> {
        let SealedStep { decision, n, tenant, at, waits, step } = row;
        let (id, at) = (format!("{decision}/{n}"), at.to_be_bytes());
        let place = Place { kind: "step", tenant, id: &id, bound: &[&at] };
        self.key
            .open_sealed(&place, step)
            .ok()
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .filter(|step: &RecordedStep| step.waits == *waits)
            .ok_or_else(|| tampered("step", &id))
    }

    pub(super) fn plans(&self) -> Result<Vec<PlanRecord>, LedgerError> {
        let mut plans = self
            .connection
            .prepare_cached(&format!("SELECT {PLAN_COLUMNS} FROM plan ORDER BY at, digest"))?;
        let rows = plans.query_map([], SealedPlan::read)?;
        rows.map(|row| self.open_plan(&row?)).collect()
    }

    pub(super) fn open_plan(&self, row: &SealedPlan) -> Result<PlanRecord, LedgerError> {
        let SealedPlan { tenant, digest, made_at, at, plan } = row;
        let (made, since) = (made_at.to_be_bytes(), at.to_be_bytes());
        let place = Place { kind: "plan", tenant, id: digest, bound: &[&made, &since] };
        self.key
            .open_sealed(&place, plan)
            .ok()
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .ok_or_else(|| tampered("plan", digest))
    }

    pub(super) fn write_plan(&self, record: &PlanRecord, forget: u64) -> Result<(), LedgerError> {
        let PlanRecord { tenant, digest, .. } = record;
        let (made_at, at) = (integer(record.made_at)?, integer(record.at)?);
        let (made, since) = (made_at.to_be_bytes(), at.to_be_bytes());
        let place = Place { kind: "plan", tenant, id: digest, bound: &[&made, &since] };
        let plain = serde_json::to_vec(record).map_err(|e| LedgerError::Storage(e.into()))?;
        let sealed = self.key.seal(&place, &plain).map_err(|e| LedgerError::Storage(e.into()))?;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO plan VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![tenant, digest, made_at, at, sealed])?;
        self.connection
            .prepare_cached("DELETE FROM plan WHERE at < ?1")?
            .execute([integer(forget)?])?;
        Ok(())
    }

    pub(super) fn identity(&self, id: &str) -> Result<Option<IdentityRow>, LedgerError> {
        self.connection
            .prepare_cached(&format!("SELECT {IDENTITY_COLUMNS} FROM identity WHERE id = ?1"))?
            .query_row([id], SealedIdentity::read)
            .optional()?
            .map(|row| self.open_identity(row))
            .transpose()
    }

    /// A digest of an identity's names: the audit sees by it if one was added, taken away or moved.
    pub(super) fn names_mac(
        &self,
        tenant: &str,
        identity: &str,
        names: &BTreeSet<(String, String)>,
    ) -> String {
        let mut parts = vec![identity.as_bytes()];
        parts.extend(names.iter().flat_map(|(kind, tag)| [kind.as_bytes(), tag.as_bytes()]));
        self.key.digest(tenant, "ledger-names", &frame(&parts))
    }

    pub(super) fn fact_mac(&self, target: &str, name: &str, value: &str) -> String {
        let fact = frame(&[target.as_bytes(), name.as_bytes(), value.as_bytes()]);
        self.key.digest("", "ledger-fact", &fact)
    }

    fn write_identity(
        &self,
        record: &Record,
        identity: &Identity,
        names: Option<&[(NameKind, Tag)]>,
    ) -> Result<(), LedgerError> {
        let scope = &record.scope;
        let prior = self.identity(&identity.id)?;
        if prior.as_ref().map_or(0, |prior| prior.identity.fence) != identity.fence {
            return Err(LedgerError::Fenced);
        }
        if prior.as_ref().is_some_and(|prior| !prior.is_of(scope)) {
            return Err(LedgerError::Law { law: "nothing-crosses-a-scope" });
        }
        if identity.incarnation < prior.as_ref().map_or(1, |prior| prior.identity.incarnation) {
            return Err(LedgerError::Law { law: "incarnation-never-shrinks" });
        }
        let names = names.map(|names| {
            names.iter().map(|(kind, tag)| (kind_word(*kind).to_owned(), tag.clone())).collect()
        });
        let names_mac = match (&names, &prior) {
            (Some(names), _) => self.names_mac(&scope.tenant, &identity.id, names),
            (None, Some(prior)) => prior.names_mac.clone(),
            (None, None) => self.names_mac(&scope.tenant, &identity.id, &BTreeSet::new()),
        };
        let now = integer(record.now)?;
        let fence = integer(identity.fence)?
            .checked_add(1)
            .ok_or(LedgerError::Law { law: "number-in-range" })?;
        let mut row = SealedIdentity {
            id: identity.id.clone(),
            tenant: scope.tenant.clone(),
            target: scope.target.clone(),
            source: scope.source.clone(),
            fence,
            incarnation: integer(identity.incarnation)?,
            names_mac,
            created_at: prior.map_or(now, |prior| prior.created_at),
            state: Vec::new(),
        };
        row.state = row.in_place(|place| self.key.seal(place, identity.state.as_bytes()))?;
        self.connection
            .prepare_cached(
                "INSERT INTO identity VALUES
                    (:id, :tenant, :target, :source, :fence, :incarnation, :names, :created_at, :now, :state)
                ON CONFLICT (id) DO UPDATE SET fence = :fence, incarnation = :incarnation,
                    names = :names, updated_at = :now, state = :state",
            )?
            .execute(named_params! {
                ":id": row.id, ":tenant": row.tenant, ":target": row.target, ":source": row.source,
                ":fence": row.fence, ":incarnation": row.incarnation, ":names": row.names_mac,
                ":created_at": row.created_at, ":now": now, ":state": row.state,
            })?;
        for (kind, tag) in names.into_iter().flatten() {
            self.connection
                .prepare_cached("INSERT INTO name VALUES (?1, ?2, ?3)")?
                .execute([&row.id, &kind, &tag])
                .map_err(taken_since)?;
        }
        Ok(())
    }

    fn write_entry(&self, record: &Record) -> Result<(), LedgerError> {
        let (entry, scope) = (&record.entry, &record.scope);
        let prior = self.entry(&entry.id)?;
        if let Some(prior) = &prior {
            if !prior.is_of(scope) {
                return Err(LedgerError::Law { law: "nothing-crosses-a-scope" });
            }
            if !may_follow(prior.entry.stage, entry.stage) {
                // The monitor allowed it after what was read: somebody else has moved it on since.
                return Err(LedgerError::Fenced);
            }
        }
        if let Some(identity) = &entry.identity {
            let of_scope = self.identity(identity)?.is_some_and(|identity| identity.is_of(scope));
            if !of_scope {
                return Err(LedgerError::Law { law: "identity-is-known" });
            }
        }
        if let Some(key) = &entry.key {
            self.take_key(key, &entry.id, record.now)?;
        }
        let created_at = match &prior {
            Some(prior) => prior.created_at,
            None => integer(record.now)?,
        };
        self.put_entry(scope, entry, created_at, record.now)
    }

    /// Frees a key from a refused entry: it had no effect, and is decided anew (S9).
    fn take_key(&self, key: &Tag, entry: &str, now: u64) -> Result<(), LedgerError> {
        let Some(mut other) = self.entry_where("key_tag = ?1 AND id <> ?2", &[key, entry])? else {
            return Ok(());
        };
        if other.entry.stage != Stage::Refused {
            // It was free when it was read: somebody else has used it since (S4).
            return Err(LedgerError::Fenced);
        }
        other.entry.key = None;
        let scope = Scope {
            tenant: other.tenant,
            target: other.target,
            source: other.source,
            principal: String::new(),
        };
        self.put_entry(&scope, &other.entry, other.created_at, now)
    }

    fn put_entry(
        &self,
        scope: &Scope,
        entry: &Entry,
        created_at: i64,
        now: u64,
    ) -> Result<(), LedgerError> {
        let mut row = SealedEntry {
            seq: 0,
            id: entry.id.clone(),
            tenant: scope.tenant.clone(),
            target: scope.target.clone(),
            source: scope.source.clone(),
            identity: entry.identity.clone(),
            key: entry.key.clone(),
            statement: entry.statement.clone(),
            stage: stage_word(entry.stage).to_owned(),
            wake_at: entry.wake_at.map(integer).transpose()?,
            created_at,
            state: Vec::new(),
        };
        row.state = row.in_place(|place| self.key.seal(place, entry.state.as_bytes()))?;
        self.connection
            .prepare_cached(
                "INSERT INTO entry VALUES (NULL, :id, :tenant, :target, :source, :identity, :key,
                    :statement, :stage, :wake_at, :created_at, :now, :state)
                ON CONFLICT (id) DO UPDATE SET identity = :identity, key_tag = :key,
                    statement_tag = :statement, stage = :stage, wake_at = :wake_at,
                    updated_at = :now, state = :state",
            )?
            .execute(named_params! {
                ":id": row.id, ":tenant": row.tenant, ":target": row.target, ":source": row.source,
                ":identity": row.identity, ":key": row.key, ":statement": row.statement,
                ":stage": row.stage, ":wake_at": row.wake_at, ":created_at": row.created_at,
                ":now": integer(now)?, ":state": row.state,
            })?;
        Ok(())
    }

    pub(super) fn write_step(
        &self,
        tenant: &str,
        decision: &str,
        step: &RecordedStep,
    ) -> Result<(), LedgerError> {
        let n: i64 = self
            .connection
            .prepare_cached("SELECT coalesce(max(n), 0) + 1 FROM step WHERE decision = ?1")?
            .query_row([decision], |row| row.get(0))?;
        let at = integer(step.at)?;
        let plain = serde_json::to_vec(step).map_err(|error| LedgerError::Storage(error.into()))?;
        let id = format!("{decision}/{n}");
        let place = Place { kind: "step", tenant, id: &id, bound: &[&at.to_be_bytes()] };
        let sealed = self.key.seal(&place, &plain).map_err(|e| LedgerError::Storage(e.into()))?;
        self.connection
            .prepare_cached("INSERT INTO step VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![decision, n, tenant, at, step.waits, sealed])?;
        Ok(())
    }

    fn entry_where(
        &self,
        condition: &str,
        values: &[&str],
    ) -> Result<Option<EntryRow>, LedgerError> {
        Ok(self.entries_where(condition, values)?.into_iter().next())
    }

    fn entries_where(
        &self,
        condition: &str,
        values: &[&str],
    ) -> Result<Vec<EntryRow>, LedgerError> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry WHERE {condition}");
        let mut found = self.connection.prepare_cached(&sql)?;
        let rows = found.query_map(rusqlite::params_from_iter(values), SealedEntry::read)?;
        rows.map(|row| self.open_entry(row?)).collect()
    }

    pub(super) fn open_entry(&self, row: SealedEntry) -> Result<EntryRow, LedgerError> {
        let closed = || tampered("entry", &row.id);
        let plain = row
            .in_place(|place| self.key.open_sealed(place, &row.state))
            .map_err(|_does_not_open| closed())?;
        let state = std::str::from_utf8(&plain).map_err(|_no_text| closed())?.to_owned();
        let stage = stage_of(&row.stage).ok_or_else(closed)?;
        let wake_at = row.wake_at.map(u64::try_from).transpose().map_err(|_below| closed())?;
        Ok(EntryRow {
            seq: row.seq,
            tenant: row.tenant,
            target: row.target,
            source: row.source,
            created_at: row.created_at,
            entry: Entry {
                id: row.id,
                identity: row.identity,
                key: row.key,
                statement: row.statement,
                stage,
                wake_at,
                state,
            },
        })
    }

    pub(super) fn open_identity(&self, row: SealedIdentity) -> Result<IdentityRow, LedgerError> {
        let closed = || tampered("identity", &row.id);
        let plain = row
            .in_place(|place| self.key.open_sealed(place, &row.state))
            .map_err(|_does_not_open| closed())?;
        let state = std::str::from_utf8(&plain).map_err(|_no_text| closed())?.to_owned();
        let fence = u64::try_from(row.fence).map_err(|_below| closed())?;
        let incarnation = u64::try_from(row.incarnation).map_err(|_below| closed())?;
        Ok(IdentityRow {
            tenant: row.tenant,
            target: row.target,
            source: row.source,
            names_mac: row.names_mac,
            created_at: row.created_at,
            identity: Identity { id: row.id, fence, incarnation, state },
        })
    }
}

/// An entry as it was written.
pub(super) struct EntryRow {
    pub(super) seq: i64,
    pub(super) tenant: String,
    pub(super) target: String,
    pub(super) source: String,
    pub(super) created_at: i64,
    pub(super) entry: Entry,
}

impl EntryRow {
    fn is_of(&self, scope: &Scope) -> bool {
        (&self.tenant, &self.target, &self.source) == (&scope.tenant, &scope.target, &scope.source)
    }
}

/// An identity as it was written.
pub(super) struct IdentityRow {
    pub(super) tenant: String,
    pub(super) target: String,
    pub(super) source: String,
    pub(super) names_mac: String,
    pub(super) created_at: i64,
    pub(super) identity: Identity,
}

impl IdentityRow {
    fn is_of(&self, scope: &Scope) -> bool {
        (&self.tenant, &self.target, &self.source) == (&scope.tenant, &scope.target, &scope.source)
    }
}

/// A row of `entry`, its state sealed.
pub(super) struct SealedEntry {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) tenant: String,
    pub(super) target: String,
    pub(super) source: String,
    pub(super) identity: Option<String>,
    pub(super) key: Option<String>,
    pub(super) statement: String,
    pub(super) stage: String,
    pub(super) wake_at: Option<i64>,
    pub(super) created_at: i64,
    pub(super) state: Vec<u8>,
}

/// A step since which its decision waits for a person: no later one has written the entry.
pub(super) const WAITS: &str = "(step.waits AND step.n = (SELECT max(later.n) FROM step AS later
    WHERE later.decision = step.decision AND later.waits IS NOT NULL))";

pub(super) const ENTRY_COLUMNS: &str = "seq, id, tenant, target, source, identity, key_tag, \
    statement_tag, stage, wake_at, created_at, state";

impl SealedEntry {
    /// Reads the columns of [`ENTRY_COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            tenant: row.get(2)?,
            target: row.get(3)?,
            source: row.get(4)?,
            identity: row.get(5)?,
            key: row.get(6)?,
            statement: row.get(7)?,
            stage: row.get(8)?,
            wake_at: row.get(9)?,
            created_at: row.get(10)?,
            state: row.get(11)?,
        })
    }

    fn in_place<T>(&self, seal: impl FnOnce(&Place<'_>) -> T) -> T {
        seal(&Place {
            kind: "entry",
            tenant: &self.tenant,
            id: &self.id,
            bound: &[
                self.target.as_bytes(),
                self.source.as_bytes(),
                &optional(self.identity.as_deref().map(str::as_bytes)),
                &optional(self.key.as_deref().map(str::as_bytes)),
                self.statement.as_bytes(),
                self.stage.as_bytes(),
                &optional(self.wake_at.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice)),
                &self.created_at.to_be_bytes(),
            ],
        })
    }
}

/// A row of `step`, sealed.
pub(super) struct SealedStep {
    pub(super) decision: String,
    n: i64,
    tenant: String,
    at: i64,
    waits: Option<bool>,
    step: Vec<u8>,
}

pub(super) const STEP_COLUMNS: &str = "decision, n, tenant, at, waits, step";

impl SealedStep {
    /// Reads the columns of [`STEP_COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            decision: row.get(0)?,
            n: row.get(1)?,
            tenant: row.get(2)?,
            at: row.get(3)?,
            waits: row.get(4)?,
            step: row.get(5)?,
        })
    }
}

/// A row of `plan`.
pub(super) struct SealedPlan {
    tenant: String,
    pub(super) digest: String,
    made_at: i64,
    at: i64,
    plan: Vec<u8>,
}

pub(super) const PLAN_COLUMNS: &str = "tenant, digest, made_at, at, plan";

impl SealedPlan {
    /// Reads the columns of [`PLAN_COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            tenant: row.get(0)?,
            digest: row.get(1)?,
            made_at: row.get(2)?,
            at: row.get(3)?,
            plan: row.get(4)?,
        })
    }
}

/// A row of `identity`, its state sealed.
pub(super) struct SealedIdentity {
    pub(super) id: String,
    tenant: String,
    target: String,
    source: String,
    fence: i64,
    incarnation: i64,
    names_mac: String,
    created_at: i64,
    state: Vec<u8>,
}

pub(super) const IDENTITY_COLUMNS: &str =
    "id, tenant, target, source, fence, incarnation, names, created_at, state";

impl SealedIdentity {
    /// Reads the columns of [`IDENTITY_COLUMNS`].
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            tenant: row.get(1)?,
            target: row.get(2)?,
            source: row.get(3)?,
            fence: row.get(4)?,
            incarnation: row.get(5)?,
            names_mac: row.get(6)?,
            created_at: row.get(7)?,
            state: row.get(8)?,
        })
    }

    fn in_place<T>(&self, seal: impl FnOnce(&Place<'_>) -> T) -> T {
        seal(&Place {
            kind: "identity",
            tenant: &self.tenant,
            id: &self.id,
            bound: &[
                self.target.as_bytes(),
                self.source.as_bytes(),
                &self.fence.to_be_bytes(),
                &self.incarnation.to_be_bytes(),
                self.names_mac.as_bytes(),
                &self.created_at.to_be_bytes(),
            ],
        })
    }
}

/// Whether an entry at `prior` may be written at `next`.
pub(super) fn may_follow(prior: Stage, next: Stage) -> bool {
    match (prior, next) {
        (Stage::Claimed, _)
        | (
            Stage::Dispatched | Stage::Parked,
            Stage::Dispatched | Stage::Parked | Stage::Refused | Stage::Settled,
        )
        // Refused without an effect: decided anew under the same entry (S9).
        | (Stage::Refused, Stage::Dispatched | Stage::Refused | Stage::Settled)
        | (Stage::Settled, Stage::Settled) => true,
        (Stage::Dispatched | Stage::Parked | Stage::Refused | Stage::Settled, _) => false,
    }
}

fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Claimed => "claimed",
        Stage::Dispatched => "dispatched",
        Stage::Parked => "parked",
        Stage::Refused => "refused",
        Stage::Settled => "settled",
    }
}

fn stage_of(word: &str) -> Option<Stage> {
    [Stage::Claimed, Stage::Dispatched, Stage::Parked, Stage::Refused, Stage::Settled]
        .into_iter()
        .find(|stage| stage_word(*stage) == word)
}

fn kind_word(kind: NameKind) -> &'static str {
    match kind {
        NameKind::TargetId => "target-id",
        NameKind::ExternalId => "external-id",
        NameKind::Correlation => "correlation",
        NameKind::Weak => "weak",
    }
}

/// SQLite's integers have a sign: a number that does not fit is refused, not bent.
fn integer(number: u64) -> Result<i64, LedgerError> {
    i64::try_from(number).map_err(|_too_large| LedgerError::Law { law: "number-in-range" })
}

/// Frames a value that may be absent: absence is no value.
fn optional(value: Option<&[u8]>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| frame(&[value]))
}

pub(super) fn tampered(table: &'static str, id: &str) -> LedgerError {
    LedgerError::Tampered { table, id: id.to_owned() }
}

/// Another request has given this name to an identity of its own since this one was decided.
fn taken_since(error: rusqlite::Error) -> LedgerError {
    let error = violation(error, "one-identity-per-name");
    if matches!(error, LedgerError::Law { .. }) { LedgerError::Fenced } else { error }
}

fn violation(error: rusqlite::Error, law: &'static str) -> LedgerError {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
        return LedgerError::Law { law };
    }
    error.into()
}
