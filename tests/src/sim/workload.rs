//! What clients ask: requests as a few words, and as the JSON that a client sends.
//!
//! The auditor and the target know a request by its words; only the shipped core reads the JSON that a
//! client sent, and the target the JSON that reaches it.

use std::fmt;

use super::canary::Secrets;

use replaysafe_core::types::{Method, Request, Scope};

/// A type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A user: known by `userName` and `externalId`, with roles.
    User,
    /// A group: known by `externalId`, with members.
    Group,
}

impl Kind {
    /// As in SCIM.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The attribute that gives access.
    #[must_use]
    pub fn edges(self) -> &'static str {
        match self {
            Self::User => "roles",
            Self::Group => "members",
        }
    }
}

/// Somebody or something that clients want to be provisioned, whatever the target calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Of which type.
    pub kind: Kind,
    /// Which one.
    pub number: u8,
}

/// What one request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// POST. `external`: it states an external id; `title` is 0 for none.
    Create {
        /// The title.
        title: u8,
        /// Whether it states an external id.
        external: bool,
    },
    /// PUT.
    Put {
        /// The title.
        title: u8,
        /// Whether it is switched on.
        active: bool,
    },
    /// PATCH of a title.
    Title(u8),
    /// PATCH of `active`.
    Switch(bool),
    /// PATCH: adds an edge.
    Grant(u8),
    /// PATCH: removes an edge.
    Revoke(u8),
    /// DELETE.
    Delete,
}

impl Ask {
    /// It takes access away and does nothing else.
    #[must_use]
    pub fn takes(self) -> bool {
        matches!(self, Self::Delete | Self::Revoke(_) | Self::Switch(false))
    }

    /// It goes the safe way: it takes access away, and may do something else beside.
    #[must_use]
    pub fn passes(self) -> bool {
        self.takes() || matches!(self, Self::Put { active: false, .. })
    }

    /// It is a POST.
    #[must_use]
    pub fn creates(self) -> bool {
        matches!(self, Self::Create { .. })
    }
}

/// A wish of a client, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// About whom.
    pub subject: Subject,
    /// What.
    pub ask: Ask,
    /// The idempotency key, if one is given.
    pub key: Option<u8>,
    /// The source's order, if it numbers what it asks.
    pub version: Option<u64>,
    /// The number of the password that it states.
    pub password: Option<u8>,
    /// Whose wish.
    pub client: usize,
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Subject { kind, number } = self.subject;
        write!(f, "{:?} of {}{number}", self.ask, kind.name())?;
        match self.key {
            Some(key) => write!(f, " key=k{key}")?,
            None => write!(f, " no key")?,
        }
        self.version.map_or(Ok(()), |version| write!(f, " version={version}"))?;
        self.password.map_or(Ok(()), |password| write!(f, " password={password}"))
    }
}

/// Whose all requests are.
#[must_use]
pub fn scope() -> Scope {
    Scope {
        tenant: "t".into(),
        target: "x".into(),
        source: "default".into(),
        principal: "p".into(),
    }
}

impl Intent {
    /// Whether it could state a password.
    #[must_use]
    pub fn has_room_for_a_password(&self) -> bool {
        self.subject.kind == Kind::User
            && matches!(self.ask, Ask::Create { .. } | Ask::Put { .. } | Ask::Title(_))
    }

    /// The request, as sent at `now` for the target's `id`, with what the client keeps secret.
    #[must_use]
    pub fn request(&self, id: Option<String>, now: u64, secrets: Option<&Secrets>) -> Request {
        Request {
            scope: scope(),
            method: match self.ask {
                Ask::Create { .. } => Method::Create,
                Ask::Put { .. } => Method::Replace,
                Ask::Title(_) | Ask::Switch(_) | Ask::Grant(_) | Ask::Revoke(_) => Method::Patch,
                Ask::Delete => Method::Delete,
            },
            resource_type: self.subject.kind.name().into(),
            id,
            body: self.body(secrets),
            key: self.key.map(|key| format!("k{key}")),
            version: self.version,
            if_match: None,
            received_at: now,
            extra: Vec::new(),
        }
    }

    fn body(&self, secrets: Option<&Secrets>) -> Option<String> {
        let Subject { kind, number } = self.subject;
        let edges = kind.edges();
        let patch = |op: String| Some(format!("{{\"Operations\":[{op}]}}"));
        let password = secrets.zip(self.password).map(|(secrets, number)| secrets.password(number));
        let stated = password.as_ref().map(|password| format!(",\"password\":\"{password}\""));
        let stated = stated.unwrap_or_default();
        match self.ask {
            Ask::Create { title, external } => {
                let name = match kind {
                    Kind::User => format!("\"active\":true,\"userName\":\"u{number}\""),
                    Kind::Group => format!("\"displayName\":\"g{number}\""),
                };
                let external = if external || kind == Kind::Group {
                    format!(",\"externalId\":\"x{number}\"")
                } else {
                    String::new()
                };
                let title = match (title, kind) {
                    (0, _) | (_, Kind::Group) => String::new(),
                    (title, Kind::User) => format!(",\"title\":\"t{title}\""),
                };
                Some(format!("{{{name}{external}{title}{stated}}}"))
            }
            Ask::Put { title, active } => Some(format!(
                "{{\"active\":{active},\"externalId\":\"x{number}\",\"title\":\"t{title}\",\"userName\":\"u{number}\"{stated}}}"
            )),
            Ask::Title(title) => {
                let stated = password.map_or_else(String::new, |password| {
                    format!(
                        ",{{\"op\":\"replace\",\"path\":\"password\",\"value\":\"{password}\"}}"
                    )
                });
                patch(format!(
                    "{{\"op\":\"replace\",\"path\":\"title\",\"value\":\"t{title}\"}}{stated}"
                ))
            }
            Ask::Switch(active) => {
                patch(format!("{{\"op\":\"replace\",\"path\":\"active\",\"value\":{active}}}"))
            }
            Ask::Grant(edge) => patch(format!(
                "{{\"op\":\"add\",\"path\":\"{edges}\",\"value\":[{{\"value\":\"e{edge}\"}}]}}"
            )),
            Ask::Revoke(edge) => patch(format!(
                "{{\"op\":\"remove\",\"path\":\"{edges}[value eq \\\"e{edge}\\\"]\"}}"
            )),
            Ask::Delete => None,
        }
    }
}
