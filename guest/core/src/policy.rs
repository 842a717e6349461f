//! The policy: what an operator may choose, as one document (S45).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Limits, parse};

use crate::form::{self, Form, member, names, record, through_value};
use crate::shape::{Member, Shape, Tree};
use crate::types::{ContractError, UnixMillis};

/// What an operator may choose. The default is safe and needs no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a repeat without key or version is taken for a retry, in seconds; 0 turns it off (S2a).
    pub replay_window_seconds: u32,
    /// How long a receipt is repeated to a given key, in hours (S10).
    pub receipt_hours: u32,
    /// What may become ours that we did not make (S18).
    pub adopt: Adopt,
    /// What a create on a resource that exists and differs is (S19).
    pub existing: Existing,
    /// What a create on a resource that is switched off is (S22).
    pub disabled: Disabled,
    /// What the return of what was deleted is, by a create, or by an update that switches it on (S21, S22).
    pub returns: Returns,
    /// How the deletion of what is absent is answered (S23).
    pub delete_absent: DeleteAbsent,
    /// What follows when neither presence nor absence can be proved (S13).
    pub on_unknown: OnUnknown,
    /// Whether a create that identifies nothing is taken (S2).
    pub weak_identity: WeakIdentity,
    /// Which secret a create leaves behind where nobody was told of its first attempt (S3a).
    pub create_secret: CreateSecret,
    /// Resource types that are never linked on e-mail, display name or user name; all but User never are (S17).
    pub privileged: Vec<String>,
    /// Whether what takes access away goes out once although the ledger cannot be used (S36).
    pub safe_direction_passes: bool,
    /// Attributes by which resources are found again, by resource type (S2). `userName` of a User always is one.
    pub correlation: BTreeMap<String, Vec<String>>,
    /// Who shows a credential that does not name its holder: names, each with digests of header values (S1). The host
    /// gives the principal that follows; here it is checked, and recorded with each decision.
    pub credentials: BTreeMap<String, Vec<String>>,
    /// The header in which a source gives the version of a request (S20); empty: none. The host reads it; here it is
    /// checked, and recorded with each decision.
    pub version_header: String,
    /// The attribute in which a request states its version, named as in the path of a PATCH (S20); empty: none.
    pub version_attribute: String,
    /// What a plan does about a resource of the source's that the source does not have any more (S32).
    pub source_missing: SourceMissing,
    /// How much a plan may do before a person approves it (S33).
    pub guard: Guard,
    /// How long what other plans did counts with it, in hours (S33).
    pub guard_window_hours: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            replay_window_seconds: 120,
            receipt_hours: 24,
            adopt: Adopt::Never,
            existing: Existing::Refuse,
            disabled: Disabled::Refuse,
            returns: Returns::Allow,
            delete_absent: DeleteAbsent::AsKnown,
            on_unknown: OnUnknown::Park,
            weak_identity: WeakIdentity::Allow,
            create_secret: CreateSecret::Latest,
            privileged: Vec::new(),
            safe_direction_passes: false,
            correlation: BTreeMap::new(),
            credentials: BTreeMap::new(),
            version_header: String::new(),
            version_attribute: String::new(),
            source_missing: SourceMissing::Keep,
            guard: Guard::default(),
            guard_window_hours: 24,
        }
    }
}

/// What may become ours that we did not make (S18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// Nothing but what carries our external id and is equal.
    Never,
    /// What matches and is equal in all that the request states.
    Equal,
    /// What matches.
    Matching,
}

/// What a create on a resource that exists and differs is (S19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// A conflict.
    Refuse,
    /// An update of what the create states: of what is ours, or may become ours by `adopt`.
    Update,
}

/// What a create on a resource that is switched off is (S22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Whatever it is on any other resource: it is not switched on.
    Refuse,
    /// It is switched on again, and has no privilege but what the create states.
    Reactivate,
}

/// What the return of what was deleted is, by a create, or by an update that switches it on (S21, S22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// A new life of the identity.
    Allow,
    /// A new life of the identity, once a person has approved this very request.
    Approve,
    /// Refused.
    Refuse,
}

/// How the deletion of what is absent is answered (S23); who repeats their own is told its receipt (S9, S2a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAbsent {
    /// As success where it is known to have been deleted through us, else as the target says.
    AsKnown,
    /// As success, but to whom the target does not show what is known to live.
    Success,
    /// As the target says.
    NotFound,
}

/// What follows when neither presence nor absence can be proved (S13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// At most once: a person decides.
    Park,
    /// At least once: it is sent again, and a duplicate may come of it.
    RetryAndConverge,
}

/// Whether a create that identifies nothing is taken (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakIdentity {
    /// Taken: equal requests within the window are one.
    Allow,
    /// Refused.
    Refuse,
}

/// Which secret a create leaves behind where nobody was told of its first attempt (S3a).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateSecret {
    /// That of whoever is told: it is written by one update.
    Latest,
    /// That of the attempt that was proved.
    First,
}

/// What a plan does about a resource of the source's that the source does not have any more (S32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceMissing {
    /// Nothing: it is told.
    Keep,
    /// It is switched off.
    Disable,
    /// It is deleted.
    Delete,
}

/// How much a plan may do to the resources of one type, by class (S33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Members, roles and entitlements that it takes away.
    pub revoke: Limit,
    /// Resources that it switches off.
    pub disable: Limit,
    /// Resources that it makes.
    pub create: Limit,
    /// Resources that it finds and writes an external id on.
    pub adopt: Limit,
    /// Changes of attributes.
    pub update: Limit,
    /// Members, roles and entitlements that it gives.
    pub grant: Limit,
    /// Resources that it deletes.
    pub delete: Limit,
}

impl Default for Guard {
    fn default() -> Self {
        let fifth = |most| Limit { most: Some(most), percent: Some(20) };
        Self {
            revoke: fifth(5_000),
            disable: fifth(500),
            create: Limit::NONE,
            adopt: Limit::NONE,
            update: Limit::NONE,
            grant: Limit::NONE,
            delete: fifth(500),
        }
    }
}

/// How much may be done; what is not given does not limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub most: Option<u32>,
    /// So many of a hundred that are there; what is few never is too much by this.
    pub percent: Option<u32>,
}

impl Guard {
    /// In the order in which they are declared, which is that of a plan.
    fn limits(&self) -> impl Iterator<Item = Limit> {
        let Self { revoke, disable, create, adopt, update, grant, delete } = *self;
        [revoke, disable, create, adopt, update, grant, delete].into_iter()
    }
}

impl Limit {
    const NONE: Self = Self { most: None, percent: None };
}

impl Policy {
    /// Reads a policy document; `{}` is the default policy.
    ///
    /// # Errors
    ///
    /// Where the text is no JSON, or a member is unknown or out of range: the detail names it.
    pub fn read(document: &str) -> Result<Self, ContractError> {
        let wrong = |detail: String| ContractError { code: "policy".into(), detail };
        let value = parse(document.as_bytes(), &Limits::default())
            .map_err(|error| wrong(format!("the policy is no JSON document: {error}")))?;
        let policy: Self = form::read(value)
            .map_err(|fault| wrong(format!("the policy has a wrong member: {fault}")))?;
        if 86_400 < policy.replay_window_seconds {
            return Err(wrong("`replay-window-seconds` must be 0 to 86400".into()));
        }
        if policy.receipt_hours == 0 || 8_760 < policy.receipt_hours {
            return Err(wrong("`receipt-hours` must be 1 to 8760".into()));
        }
        if policy.privileged.iter().any(|name| matches!(name.as_str(), "" | "Users" | "Groups")) {
            return Err(wrong("`privileged` names types, such as `User`".into()));
        }
        if policy.guard_window_hours == 0 || GUARD_HOURS_MOST < policy.guard_window_hours {
            return Err(wrong(format!("`guard-window-hours` must be 1 to {GUARD_HOURS_MOST}")));
        }
        if policy.guard.limits().any(|limit| limit.percent.is_some_and(|percent| 100 < percent)) {
            return Err(wrong("`guard`: `percent` must be 0 to 100".into()));
        }
        let mut known = BTreeSet::new();
        for (name, digests) in &policy.credentials {
            let mut digests = digests.iter();
            if name.is_empty() || !digests.all(|one| is_digest(one) && known.insert(one)) {
                return Err(wrong(format!(
                    "`credentials`: `{name}`: a name has digests of 64 digits from 0 to f, each in one place only"
                )));
            }
        }
        if CREDENTIALS_MOST < known.len() {
            return Err(wrong(format!("`credentials` has more than {CREDENTIALS_MOST} digests")));
        }
        if !policy.version_header.is_empty() && !is_a_header_of_its_own(&policy.version_header) {
            return Err(wrong(
                "`version-header` is the name of a header that is for nothing else".into(),
            ));
        }
        if !policy.version_header.is_empty() && !policy.version_attribute.is_empty() {
            return Err(wrong("one of `version-header` and `version-attribute` is enough".into()));
        }
        Ok(policy)
    }

    /// The canonical document.
    #[must_use]
    pub fn document(&self) -> String {
        form::write(self).to_string()
    }

    /// The replay window in milliseconds.
    pub(crate) fn window(&self) -> UnixMillis {
        UnixMillis::from(self.replay_window_seconds) * 1_000
    }

    /// The life of a receipt in milliseconds.
    pub(crate) fn receipt_life(&self) -> UnixMillis {
        UnixMillis::from(self.receipt_hours) * 3_600_000
    }

    /// Whether a resource of this type may be linked on what people are called by (S17).
    pub(crate) fn links_by_name(&self, resource_type: &str) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(resource_type);
        is("User") && !self.privileged.iter().any(|name| is(name))
    }

    /// The correlation attributes of a type that the policy names.
    pub(crate) fn correlation(&self, resource_type: &str) -> &[String] {
        self.correlation.get(resource_type).map_or(&[], Vec::as_slice)
    }
}

/// 30 days: as long as a ledger keeps what plans did.
const GUARD_HOURS_MOST: u32 = 720;

/// 200 digests: the policy is kept with each recorded step (S38).
const CREDENTIALS_MOST: usize = 200;

/// A token (RFC 9110 section 5.6.2), and none of the names that say something else of a request: a precondition, a key or a credential is no version.
fn is_a_header_of_its_own(name: &str) -> bool {
    let taken = ["authorization", "cookie", "host", "idempotency-key", "if-match"];
    let of_a_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    name.bytes().all(of_a_token) && !taken.iter().any(|taken| name.eq_ignore_ascii_case(taken))
}

/// A SHA-256 in hexadecimal, in the one spelling that is compared.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a policy document does not say is as in the default policy.
impl Form for Policy {
    const SHAPE: Shape = {
        const MEMBERS: &[Member] = &[
            member!(Policy, replay_window_seconds, Default),
            member!(Policy, receipt_hours, Default),
            member!(Policy, adopt, Default),
            member!(Policy, existing, Default),
            member!(Policy, disabled, Default),
            member!(Policy, returns, Default),
            member!(Policy, delete_absent, Default),
            member!(Policy, on_unknown, Default),
            member!(Policy, weak_identity, Default),
            member!(Policy, create_secret, Default),
            member!(Policy, privileged, Default),
            member!(Policy, safe_direction_passes, Default),
            member!(Policy, correlation, Default),
            member!(Policy, credentials, Default),
            member!(Policy, version_header, Default),
            member!(Policy, version_attribute, Default),
            member!(Policy, source_missing, Default),
            member!(Policy, guard, Default),
            member!(Policy, guard_window_hours, Default),
        ];
        Shape::record(MEMBERS)
    };

    fn of(tree: Tree) -> Self {
        let otherwise = Self::default();
        let mut fields = tree.fields();
        Self {
            replay_window_seconds: fields.or(otherwise.replay_window_seconds),
            receipt_hours: fields.or(otherwise.receipt_hours),
            adopt: fields.or(otherwise.adopt),
            existing: fields.or(otherwise.existing),
            disabled: fields.or(otherwise.disabled),
            returns: fields.or(otherwise.returns),
            delete_absent: fields.or(otherwise.delete_absent),
            on_unknown: fields.or(otherwise.on_unknown),
            weak_identity: fields.or(otherwise.weak_identity),
            create_secret: fields.or(otherwise.create_secret),
            privileged: fields.or(otherwise.privileged),
            safe_direction_passes: fields.or(otherwise.safe_direction_passes),
            correlation: fields.or(otherwise.correlation),
            credentials: fields.or(otherwise.credentials),
            version_header: fields.or(otherwise.version_header),
            version_attribute: fields.or(otherwise.version_attribute),
            source_missing: fields.or(otherwise.source_missing),
            guard: fields.or(otherwise.guard),
            guard_window_hours: fields.or(otherwise.guard_window_hours),
        }
    }

    fn tree(&self) -> Tree {
        Tree::Items(
            [
                self.replay_window_seconds.tree(),
                self.receipt_hours.tree(),
                self.adopt.tree(),
                self.existing.tree(),
                self.disabled.tree(),
                self.returns.tree(),
                self.delete_absent.tree(),
                self.on_unknown.tree(),
                self.weak_identity.tree(),
                self.create_secret.tree(),
                self.privileged.tree(),
                self.safe_direction_passes.tree(),
                self.correlation.tree(),
                self.credentials.tree(),
                self.version_header.tree(),
                self.version_attribute.tree(),
                self.source_missing.tree(),
                self.guard.tree(),
                self.guard_window_hours.tree(),
            ]
            .into(),
        )
    }
}

/// A class that the document does not name has the limit of the default policy.
impl Form for Guard {
    const SHAPE: Shape = {
        const MEMBERS: &[Member] = &[
            member!(Guard, revoke, Default),
            member!(Guard, disable, Default),
            member!(Guard, create, Default),
            member!(Guard, adopt, Default),
            member!(Guard, update, Default),
            member!(Guard, grant, Default),
            member!(Guard, delete, Default),
        ];
        Shape::record(MEMBERS)
    };

    fn of(tree: Tree) -> Self {
        let otherwise = Self::default();
        let mut fields = tree.fields();
        Self {
            revoke: fields.or(otherwise.revoke),
            disable: fields.or(otherwise.disable),
            create: fields.or(otherwise.create),
            adopt: fields.or(otherwise.adopt),
            update: fields.or(otherwise.update),
            grant: fields.or(otherwise.grant),
            delete: fields.or(otherwise.delete),
        }
    }

    fn tree(&self) -> Tree {
        Tree::Items(self.limits().map(|limit| limit.tree()).collect())
    }
}

through_value!(Policy);
record!(Limit { most, percent });
names!(Adopt { Never, Equal, Matching });
names!(Existing { Refuse, Update });
names!(Disabled { Refuse, Reactivate });
names!(Returns { Allow, Approve, Refuse });
names!(DeleteAbsent { AsKnown, Success, NotFound });
names!(OnUnknown { Park, RetryAndConverge });
names!(WeakIdentity { Allow, Refuse });
names!(CreateSecret { Latest, First });
names!(SourceMissing { Keep, Disable, Delete });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_the_default_policy() {
        assert_eq!(Policy::read("{}"), Ok(Policy::default()));
        assert_eq!(Policy::read(&Policy::default().document()), Ok(Policy::default()));
    }

    #[test]
    fn a_wrong_member_is_named() {
        check("{\"adopt\":\"always\"}", "always");
        check("{\"replay-window\":1}", "replay-window");
        check("{\"receipt-hours\":0}", "receipt-hours");
        check("{\"privileged\":[\"Agent\",\"Users\"]}", "`privileged`");
        check("{\"privileged\":[\"\"]}", "`privileged`");
        check("{\"safe-direction-passes\":\"true\"}", "safe-direction-passes");
        check("{\"version-header\":\"x version\"}", "`version-header`");
        check("{\"version-header\":\"If-Match\"}", "`version-header`");
        assert!(Policy::read("{\"version-header\":\"X-Source.Version_2\"}").is_ok());
        check(
            "{\"version-attribute\":\"sequence\",\"version-header\":\"x-sequence\"}",
            "is enough",
        );
        check("[", "no JSON");
        let digest = "0123456789abcdef".repeat(4);
        let named = |names: &str| names.replace('#', &digest);
        assert!(Policy::read(&named(r##"{"credentials":{"hr":["#"]}}"##)).is_ok());
        for wrong in [
            r##"{"credentials":{"":["#"]}}"##,
            r##"{"credentials":{"hr":["#0"]}}"##,
            r##"{"credentials":{"hr":["Bearer abc"]}}"##,
            r##"{"credentials":{"hr":["#"],"it":["#"]}}"##,
        ] {
            check(&named(wrong), "`credentials`");
        }
        let upper = digest.to_uppercase();
        check(&format!(r#"{{"credentials":{{"hr":["{upper}"]}}}}"#), "`credentials`");
        let many = |count: usize| {
            let digests: Vec<String> = (0..count).map(|one| format!("\"{one:064x}\"")).collect();
            format!(r#"{{"credentials":{{"hr":[{}]}}}}"#, digests.join(","))
        };
        assert!(Policy::read(&many(CREDENTIALS_MOST)).is_ok());
        check(&many(CREDENTIALS_MOST + 1), "more than 200");
    }

    fn check(document: &str, named: &str) {
        let error = Policy::read(document).expect_err("wrong");
        assert_eq!(error.code, "policy");
        assert!(error.detail.contains(named), "{}", error.detail);
    }
}
