//! The audit: which laws does the ledger break?
//!
//! It reads everything and mends nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{
    ENTRY_COLUMNS, EntryRow, IDENTITY_COLUMNS, PLAN_COLUMNS, Rows, STEP_COLUMNS, SealedEntry,
    SealedIdentity, SealedPlan, SealedStep,
};
use crate::{
    contract::Stage,
    ledger::{LedgerError, Note},
};

/// Every law that is broken, sorted.
pub(super) fn audit(rows: &Rows<'_>) -> Result<Vec<Note>, LedgerError> {
    let mut notes = Notes::default();
    notes.integrity(rows)?;
    let identities = notes.identities(rows)?;
    notes.names(rows, &identities)?;
    notes.entries(rows, &identities)?;
    notes.facts(rows)?;
    notes.steps(rows)?;
    notes.plans(rows)?;
    Ok(notes.0.into_iter().collect())
}

#[derive(Default)]
struct Notes(BTreeSet<Note>);

impl Notes {
    fn add(&mut self, law: &str, id: &str, detail: &str) {
        self.0.insert(Note { law: law.to_owned(), id: id.to_owned(), detail: detail.to_owned() });
    }

    fn integrity(&mut self, rows: &Rows<'_>) -> Result<(), LedgerError> {
        let mut check = rows.connection.prepare("PRAGMA integrity_check")?;
        for line in check.query_map([], |row| row.get::<_, String>(0))? {
            let line = line?;
            if line != "ok" {
                self.add("storage-is-whole", "sqlite", &line);
            }
        }
        Ok(())
    }

    /// Gives the tenant and the digest of the names of each identity; none where it does not open.
    fn identities(&mut self, rows: &Rows<'_>) -> Result<Identities, LedgerError> {
        let mut identities = BTreeMap::new();
        let sql = format!("SELECT {IDENTITY_COLUMNS} FROM identity");
        let mut all = rows.connection.prepare(&sql)?;
        for sealed in all.query_map([], SealedIdentity::read)? {
            let sealed = sealed?;
            let id = sealed.id.clone();
            let Ok(row) = rows.open_identity(sealed) else {
                self.add(TAMPERED, &id, "the identity does not open");
                identities.insert(id, None);
                continue;
            };
            if row.identity.fence < 1 {
                self.add("fence-never-shrinks", &id, "the fence is below 1");
            }
            if row.identity.incarnation < 1 {
                self.add("incarnation-never-shrinks", &id, "the incarnation is below 1");
            }
            identities.insert(id, Some((row.tenant, row.names_mac)));
        }
        Ok(identities)
    }

    fn names(&mut self, rows: &Rows<'_>, identities: &Identities) -> Result<(), LedgerError> {
        let mut held = BTreeMap::<String, BTreeSet<(String, String)>>::new();
        let mut exclusive = BTreeMap::<(String, String), String>::new();
        let mut all = rows.connection.prepare("SELECT identity, kind, tag FROM name")?;
        for name in all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
            let (identity, kind, tag): (String, String, String) = name?;
            if !is_tag(&tag) {
                self.add("tags-are-digests", &identity, "a name is no tag");
            }
            if !KINDS.contains(&kind.as_str()) {
                self.add("names-are-of-a-kind", &identity, "a name is of an unknown kind");
            }
            if !identities.contains_key(&identity) {
                self.add("identity-is-known", &identity, "a name leads to no identity");
            }
            if EXCLUSIVE.contains(&kind.as_str()) {
                let first = exclusive.insert((kind.clone(), tag.clone()), identity.clone());
                if first.is_some_and(|first| first != identity) {
                    self.add("one-identity-per-name", &identity, "a name belongs to two");
                }
            }
            held.entry(identity).or_default().insert((kind, tag));
        }
        for (id, row) in identities {
            let Some((tenant, mac)) = row else { continue };
            let names = held.remove(id).unwrap_or_default();
            if rows.names_mac(tenant, id, &names) != *mac {
                self.add(TAMPERED, id, "its names are not as they were written");
            }
        }
        Ok(())
    }

    fn entries(&mut self, rows: &Rows<'_>, identities: &Identities) -> Result<(), LedgerError> {
        let mut all = rows.connection.prepare(&format!("SELECT {ENTRY_COLUMNS} FROM entry"))?;
        for sealed in all.query_map([], SealedEntry::read)? {
            let sealed = sealed?;
            let id = sealed.id.clone();
            match rows.open_entry(sealed) {
                Ok(row) => self.entry(&row, identities),
                Err(_closed) => self.add(TAMPERED, &id, "the entry does not open"),
            }
        }
        Ok(())
    }

    fn entry(&mut self, row: &EntryRow, identities: &Identities) {
        let entry = &row.entry;
        let (open, woken) = match entry.stage {
            Stage::Claimed => {
                self.add("claims-are-not-kept", &entry.id, "the entry is at `claimed`");
                (false, false)
            }
            Stage::Dispatched => (true, true),
            Stage::Parked => (true, false),
            Stage::Refused | Stage::Settled => (false, false),
        };
        if open && entry.identity.is_none() {
            self.add("identity-is-known", &entry.id, "an open entry is about no identity");
        }
        if woken && entry.wake_at.is_none() {
            self.add("nothing-is-forgotten", &entry.id, "an unknown outcome is never looked at");
        }
        match entry.identity.as_ref().map(|id| identities.get(id)) {
            Some(None) => {
                self.add("identity-is-known", &entry.id, "the entry's identity is missing");
            }
            Some(Some(Some((tenant, _)))) if *tenant != row.tenant => {
                self.add("nothing-crosses-a-scope", &entry.id, "its identity is another tenant's");
            }
            Some(Some(_)) | None => {}
        }
        if !is_tag(&entry.statement) || !entry.key.as_deref().is_none_or(is_tag) {
            self.add("tags-are-digests", &entry.id, "its key or statement is no tag");
        }
    }

    fn facts(&mut self, rows: &Rows<'_>) -> Result<(), LedgerError> {
        let mut all = rows.connection.prepare("SELECT target, name, value, mac FROM fact")?;
        for fact in
            all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        {
            let (target, name, value, mac): (String, String, String, String) = fact?;
            if rows.fact_mac(&target, &name, &value) != mac {
                self.add(TAMPERED, &target, &format!("the fact `{name}` is not as it was written"));
            }
        }
        Ok(())
    }

    fn steps(&mut self, rows: &Rows<'_>) -> Result<(), LedgerError> {
        let all = format!("SELECT {STEP_COLUMNS} FROM step");
        for step in rows.connection.prepare(&all)?.query_map([], SealedStep::read)? {
            let step = step?;
            if rows.open_step(&step).is_err() {
                self.add(TAMPERED, &step.decision, "a recorded step does not open");
            }
        }
        Ok(())
    }

    fn plans(&mut self, rows: &Rows<'_>) -> Result<(), LedgerError> {
        let all = format!("SELECT {PLAN_COLUMNS} FROM plan");
        for plan in rows.connection.prepare(&all)?.query_map([], SealedPlan::read)? {
            let plan = plan?;
            if rows.open_plan(&plan).is_err() {
                self.add(TAMPERED, &plan.digest, "what is known of a plan does not open");
            }
        }
        Ok(())
    }
}

/// Of each identity the tenant and the digest of its names; none if it does not open.
type Identities = BTreeMap<String, Option<(String, String)>>;

const TAMPERED: &str = "every-tampering-is-noted";
const KINDS: [&str; 4] = ["target-id", "external-id", "correlation", "weak"];
const EXCLUSIVE: [&str; 2] = ["target-id", "external-id"];

/// Whether this is what a keyed digest looks like: 64 lower-case hexadecimal digits.
fn is_tag(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
