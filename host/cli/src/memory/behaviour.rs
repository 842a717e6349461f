//! What the in-memory service does wrong: always ([`Behaviour`]), or once ([`Fault`]).

use std::time::Duration;

use http::Method;

/// How the service always behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Refuses a second user of one `userName` with 409, whatever its letter case.
    pub unique_user_names: bool,
    /// What an `add` of a value does that is already there.
    pub stacking: Stacking,
    /// A write that changes nothing moves `meta.lastModified` and makes a change event all the same.
    pub touches_always: bool,
    /// How long after its creation a resource is missing in searches and lists.
    pub index_lag: Duration,
    /// How long after its creation a resource is missing when it is read by id.
    pub read_lag: Duration,
    /// How a filter is answered.
    pub filtering: Filtering,
    /// What DELETE does.
    pub on_delete: OnDelete,
    /// What a `remove` of `members` does that names its values in `value` and no filter.
    pub valued_remove: ValuedRemove,
    /// How long a PATCH takes between its read and its write, during which it loses others' updates.
    pub update_pause: Duration,
    /// Answers with an `ETag` and honours `If-Match`.
    pub etags: bool,
    /// PATCH answers 204 without a body.
    pub patch_answers_no_content: bool,
    /// The most resources on one page of a list.
    pub page_most: usize,
    /// The bearer token that it wants; none: it lets everybody in.
    pub bearer: Option<String>,
}

impl Behaviour {
    /// A service without uniqueness or set semantics, as many are: it takes what it gets.
    #[must_use]
    pub fn lenient() -> Self {
        Self {
            unique_user_names: false,
            stacking: Stacking::Always,
            touches_always: true,
            index_lag: Duration::ZERO,
            read_lag: Duration::ZERO,
            filtering: Filtering::Honoured,
            on_delete: OnDelete::Remove,
            valued_remove: ValuedRemove::ClearAll,
            update_pause: Duration::ZERO,
            etags: false,
            patch_answers_no_content: false,
            page_most: 100,
            bearer: None,
        }
    }

    /// A service that does what RFC 7644 hopes for: unique user names, sets, quiet no-ops, entity tags.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            unique_user_names: true,
            stacking: Stacking::ByValue,
            touches_always: false,
            valued_remove: ValuedRemove::Honour,
            etags: true,
            ..Self::lenient()
        }
    }
}

/// What an `add` of a value does that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacking {
    /// It is added once more, always.
    Always,
    /// It is added once more unless an equal element is there, `display` included.
    ByWholeElement,
    /// It is added unless an element of the same `value` is there.
    ByValue,
}

/// How a filter is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// As it should be.
    Honoured,
    /// As if there were none: the whole list comes.
    Ignored,
    /// With an empty list, whatever there is.
    Blind,
    /// With 400.
    Refused,
}

/// What DELETE does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The resource is gone.
    Remove,
    /// The resource stays, with `active` false.
    Deactivate,
}

/// What a `remove` with values and without filter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuedRemove {
    /// Removes the named values.
    Honour,
    /// Ignores the values and removes every element.
    ClearAll,
    /// Is refused with 400.
    Refuse,
}

/// Something that goes wrong once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The verb of the requests that it waits for.
    pub verb: Verb,
    /// What their path begins with, below the service's base: `/Users`, `/Groups/0001`.
    pub path: String,
    /// How many of them it lets pass before it strikes.
    pub after: usize,
    /// When it strikes.
    pub moment: Moment,
    /// What the client gets.
    pub lost: Lost,
}

impl Fault {
    /// The next request of this verb below this path is carried out, and its answer is `lost`.
    #[must_use]
    pub fn next(verb: Verb, path: &str, lost: Lost) -> Self {
        Self { verb, path: path.to_owned(), after: 0, moment: Moment::AfterCommit, lost }
    }

    /// The same, `after` requests later.
    #[must_use]
    pub fn later(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// The same, at another moment.
    #[must_use]
    pub fn at(self, moment: Moment) -> Self {
        Self { moment, ..self }
    }

    pub(super) fn concerns(&self, method: &Method, path: &str) -> bool {
        let verb = Verb::of(method);
        (self.verb == verb || (self.verb == Verb::Write && verb.is_write()))
            && path.starts_with(&self.path)
    }
}

/// Which requests a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// Any that asks for a change.
    Write,
}

impl Verb {
    pub(super) fn of(method: &Method) -> Self {
        match method.as_str() {
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Get,
        }
    }

    pub(super) fn is_write(self) -> bool {
        self != Self::Get
    }
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request is carried out first.
    AfterCommit,
    /// The request is never carried out.
    InsteadOfCommit,
    /// The request is carried out this long after the client got what it gets.
    BeforeLateCommit(Duration),
}

/// What the client gets when a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The right answer; 503 where the request was not carried out.
    Nothing,
    /// This status.
    Status(u16),
    /// The right answer, this much later; a cut connection where the request was not carried out.
    Slow(Duration),
    /// No answer, ever.
    Silence,
    /// A cut connection.
    Cut,
    /// The head of an answer and a few bytes of its body, then a cut connection.
    Half,
}
