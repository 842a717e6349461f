//! What is measured on groups: names, searches, and how members come and go.

use serde_json::{Value, json};

use super::{
    Made, Probe,
    canaries::Kind,
    operation, replace,
    service::{Answer, Halt},
};

impl Probe<'_> {
    /// Measures groups, where the service makes any. `user` is one that is there.
    pub(super) async fn groups(
        &mut self,
        kind: &Kind,
        users: &Kind,
        user: &Made,
    ) -> Result<(), Halt> {
        (self.told)("groups: how soon one is read and found, filters, names");
        let (document, name, external) = self.group(&[&user.id]);
        let Some(first) = self.make(kind, document).await? else { return Ok(()) };
        self.reads(kind, &first.id).await?;
        self.finds(kind, &name, &first.id).await?;
        self.filters(kind, "displayName", &name, &first.id).await?;
        self.filters(kind, "externalId", &external, &first.id).await?;
        let (mut second, ..) = self.group(&[]);
        put(&mut second, "displayName", &name);
        self.twice(kind, "displayName", &first.id, &second).await?;
        let (mut second, ..) = self.group(&[]);
        put(&mut second, "externalId", &external);
        self.twice(kind, "externalId", &first.id, &second).await?;

        (self.told)("groups: members");
        let document = self.user();
        if let Some(other) = self.make(users, document).await? {
            self.members(kind, &first, &user.id, &other.id).await?;
        }

        (self.told)("groups: deletion, PATCH, entity tags");
        let (document, ..) = self.group(&[]);
        self.deletes(kind, document).await?;
        self.patches(kind, &first).await?;
        self.tags(kind, &first).await
    }

    /// The group has the member `one`; `other` is a user.
    async fn members(
        &mut self,
        kind: &Kind,
        group: &Made,
        one: &str,
        other: &str,
    ) -> Result<(), Halt> {
        // Some take no members with the group itself.
        if self.count(kind, group, one).await? == 0 {
            self.add(kind, group, &[json!({"value": one})]).await?;
        }
        let there = self.count(kind, group, one).await?;
        let added = self.add(kind, group, &[json!({"value": other})]).await?;
        if !added.is_good() {
            return Ok(());
        }
        let shown = 0 < self.count(kind, group, other).await?;
        self.fact("shows-edges/Group/members", shown);
        if !shown {
            return Ok(());
        }
        if 0 < there {
            let replaced = self.count(kind, group, one).await? == 0;
            self.fact("add-replaces/Group/members", replaced);
        }

        let again = self.add(kind, group, &[json!({"value": other})]).await?;
        let twice = self.count(kind, group, other).await?;
        let displayed = json!({"value": other, "display": "another display"});
        let displayed = match 1 < twice {
            true => None,
            false => Some(self.add(kind, group, &[displayed]).await?),
        };
        let thrice = self.count(kind, group, other).await?;
        if again.is_good() || displayed.is_some_and(|answer| answer.is_good()) {
            let word = match (twice, thrice) {
                (2.., _) => "always",
                (_, 2..) => "display",
                _ => "never",
            };
            self.fact("stacks/Group/members", word);
        }

        let by_filter = operation("remove", &format!("members[value eq \"{other}\"]"), None);
        let by_values = operation("remove", "members", Some(&json!([{"value": other}])));
        let mut removes = Vec::new();
        for (spelling, body) in [("filter", by_filter), ("values", by_values)] {
            if !self.both(kind, group, one, other).await? {
                continue;
            }
            let answer = self.patch(kind, &group.id, &body).await?;
            let members = self.read_members(kind, group).await?;
            let there = |id: &str| members.iter().any(|value| value == id);
            let word = match (answer.is_good(), there(one), there(other)) {
                (false, _, true) => "refused",
                (true, _, true) => "ignored",
                (_, true, false) => "removes",
                (_, false, false) => "clears",
            };
            self.fact(&format!("removal-{spelling}/Group"), word);
            if word == "removes" {
                removes.push(spelling);
            }
        }
        if let [spelling] = removes.as_slice() {
            self.fact("removal/Group", *spelling);
        }

        if self.both(kind, group, one, other).await? {
            let body = replace("members", &json!([{"value": one}]));
            if self.patch(kind, &group.id, &body).await?.is_good() {
                let stays = 0 < self.count(kind, group, other).await?;
                self.fact("replace-appends/Group/members", stays);
            }
        }
        Ok(())
    }

    /// Sees to it that the group has both members.
    async fn both(&self, kind: &Kind, group: &Made, one: &str, other: &str) -> Result<bool, Halt> {
        let both = |members: &[String]| {
            [one, other].iter().all(|id| members.iter().any(|value| value == id))
        };
        if both(&self.read_members(kind, group).await?) {
            return Ok(true);
        }
        self.add(kind, group, &[json!({"value": one}), json!({"value": other})]).await?;
        Ok(both(&self.read_members(kind, group).await?))
    }

    async fn add(&self, kind: &Kind, group: &Made, members: &[Value]) -> Result<Answer, Halt> {
        self.patch(kind, &group.id, &operation("add", "members", Some(&json!(members)))).await
    }

    async fn count(&self, kind: &Kind, group: &Made, id: &str) -> Result<usize, Halt> {
        let members = self.read_members(kind, group).await?;
        Ok(members.iter().filter(|value| *value == id).count())
    }

    /// The values of its members.
    async fn read_members(&self, kind: &Kind, group: &Made) -> Result<Vec<String>, Halt> {
        let read = self.get(&kind.at(&group.id)).await?;
        let members = read.body.get("members").and_then(Value::as_array);
        let values = members.into_iter().flatten().filter_map(|one| one.get("value")?.as_str());
        Ok(values.map(str::to_owned).collect())
    }

    /// A group under names of its own; its document, display name and external id.
    fn group(&mut self, members: &[&str]) -> (Value, String, String) {
        let name = self.name();
        let external = format!("{name}-external");
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
            "externalId": external,
            "members": members,
        });
        (document, name, external)
    }
}

fn put(document: &mut Value, name: &str, value: &str) {
    if let Some(object) = document.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}
