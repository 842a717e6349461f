//! What is measured on users: names, searches, deletion, entity tags, Bulk.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Made, Probe,
    canaries::{self, Kind},
    has, is_conflict, resources,
    service::Halt,
};

impl Probe<'_> {
    /// Makes the user that most is measured on. Without it there is nothing to measure.
    pub(super) async fn first_user(&mut self, kind: &Kind) -> Result<Made, Halt> {
        let document = self.user();
        let answer = self.canaries.make(self.service, kind, &document).await?;
        if let Some(id) = canaries::id(&answer) {
            return Ok(Made { id, document });
        }
        match answer.status {
            Some(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                Err(Halt::NotAllowed(status, format!("POST {}", kind.path)))
            }
            _ => Err(Halt::NoUser(answer.words())),
        }
    }

    pub(super) async fn users(&mut self, kind: &Kind, first: &Made) -> Result<(), Halt> {
        let name = text(&first.document, "userName");
        let external = text(&first.document, "externalId");
        (self.told)("users: how soon one is read and found");
        self.reads(kind, &first.id).await?;
        self.finds(kind, &name, &first.id).await?;

        (self.told)("users: filters");
        if self.filters(kind, "userName", &name, &first.id).await? {
            let other = self.get(&kind.search("userName", &name.to_uppercase())).await?;
            self.fact("filter-case/User/userName", has(&other, &first.id));
        }
        self.filters(kind, "externalId", &external, &first.id).await?;
        let unknown = self.get(&kind.search("replaysafeUnknown", &name)).await?;
        if unknown.status.is_some() {
            let word = match (unknown.is_good(), resources(&unknown).is_empty()) {
                (false, _) => "refused",
                (true, true) => "nothing",
                (true, false) => "everything",
            };
            self.fact("unknown-filter/User", word);
        }

        (self.told)("users: the same name, the same external id");
        let mut second = self.user();
        put(&mut second, "userName", &name);
        self.twice(kind, "userName", &first.id, &second).await?;
        let mut second = self.user();
        put(&mut second, "externalId", &external);
        self.twice(kind, "externalId", &first.id, &second).await?;
        if self.facts.get("unique/User/userName").is_some_and(|how| how == "server") {
            let mut other = self.user();
            put(&mut other, "userName", &name.to_uppercase());
            self.is_refused(kind, "case-equal/User/userName", &other).await?;
            let mut composed = self.user();
            let base = text(&composed, "userName");
            put(&mut composed, "userName", &format!("{base}-\u{e9}"));
            if self.make(kind, composed).await?.is_some() {
                let mut decomposed = self.user();
                put(&mut decomposed, "userName", &format!("{base}-e\u{301}"));
                self.is_refused(kind, "form-equal/User/userName", &decomposed).await?;
            }
        }

        (self.told)("users: deletion");
        let document = self.user();
        self.deletes(kind, document).await?;

        (self.told)("users: PATCH, entity tags");
        self.patches(kind, first).await?;
        self.tags(kind, first).await
    }

    /// Notes whether a user of an equal name is refused.
    async fn is_refused(&mut self, kind: &Kind, fact: &str, document: &Value) -> Result<(), Halt> {
        let answer = self.canaries.make(self.service, kind, document).await?;
        if canaries::id(&answer).is_some() {
            self.fact(fact, false);
        } else if is_conflict(&answer) {
            self.fact(fact, true);
        }
        Ok(())
    }

    /// Makes a user by Bulk.
    pub(super) async fn bulk(&mut self, kind: &Kind) -> Result<(), Halt> {
        let document = self.user();
        let name = text(&document, "userName");
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{"method": "POST", "path": kind.path, "bulkId": "1", "data": document}],
        });
        self.canaries.remember(kind, &name, None);
        let answer = self.service.ask(&Method::POST, "/Bulk", Some(&body), None).await?;
        if answer.is_refusal() {
            self.canaries.forget(&name);
            self.fact("bulk.answers", false);
            return Ok(());
        }
        let status = answer.body.pointer("/Operations/0/status");
        let status = status.and_then(|one| {
            one.as_str().map(str::to_owned).or_else(|| Some(one.as_u64()?.to_string()))
        });
        match status.as_deref() {
            Some(made) if made.starts_with('2') => {
                self.fact("bulk.answers", true);
                let location =
                    answer.body.pointer("/Operations/0/location").and_then(Value::as_str);
                let id = location.and_then(canaries::id_of);
                self.canaries.forget(&name);
                self.canaries.remember(kind, &name, id);
            }
            Some(refused) if refused.starts_with('4') => {
                self.fact("bulk.answers", false);
                self.canaries.forget(&name);
            }
            // Whether it was made is looked for at the end.
            _ => {}
        }
        Ok(())
    }

    /// A user under names of its own.
    pub(super) fn user(&mut self) -> Value {
        let name = self.name();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name,
            "externalId": format!("{name}-external"),
            "displayName": name,
            "name": {"givenName": "Replaysafe", "familyName": "Probe"},
            // RFC 2606: nobody gets a mail.
            "emails": [{"value": format!("{name}@example.invalid"), "type": "work", "primary": true}],
            "active": true,
        })
    }
}

fn text(document: &Value, name: &str) -> String {
    document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn put(document: &mut Value, name: &str, value: &str) {
    if let Some(object) = document.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}
