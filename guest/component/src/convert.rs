//! Generated types to the core's and back: field by field, and nothing else.
//!
//! A field or case that is missing on one side does not compile: the law `convert-round-trips` holds by form.

use alloc::{string::String, vec::Vec};

use replaysafe_core::{lifecycle as core_lifecycle, types as core};

use crate::bindings::exports::replaysafe::provisioning::{lifecycle, types};

/// Turns one side's value into the other's.
pub(crate) trait Convert<T> {
    /// The same value, as the other side has it.
    fn convert(self) -> T;
}

macro_rules! same {
    ($($type:ty),* $(,)?) => {$(
        impl Convert<$type> for $type {
            fn convert(self) -> $type {
                self
            }
        }
    )*};
}

/// A record: its fields on both sides.
macro_rules! record {
    ($here:path, $there:path, { $($field:ident),* $(,)? }) => {
        one_record!($here => $there, { $($field),* });
        one_record!($there => $here, { $($field),* });
    };
}

macro_rules! one_record {
    ($from:path => $to:path, { $($field:ident),* }) => {
        impl Convert<$to> for $from {
            fn convert(self) -> $to {
                let Self { $($field),* } = self;
                $to { $($field: $field.convert()),* }
            }
        }
    };
}

/// An enum: its cases on both sides.
macro_rules! names {
    ($name:ident { $($case:ident),* $(,)? }) => {
        one_enum!(types::$name => core::$name, { $($case),* });
        one_enum!(core::$name => types::$name, { $($case),* });
    };
}

macro_rules! one_enum {
    ($from:path => $to:path, { $($case:ident),* }) => {
        impl Convert<$to> for $from {
            fn convert(self) -> $to {
                match self {
                    $(Self::$case => <$to>::$case),*
                }
            }
        }
    };
}

/// A variant: its cases with a payload, then its cases without.
macro_rules! variant {
    ($here:path, $there:path, { $($full:ident),* $(,)? } { $($bare:ident),* $(,)? }) => {
        one_variant!($here => $there, { $($full),* } { $($bare),* });
        one_variant!($there => $here, { $($full),* } { $($bare),* });
    };
}

macro_rules! one_variant {
    ($from:path => $to:path, { $($full:ident),* } { $($bare:ident),* }) => {
        impl Convert<$to> for $from {
            fn convert(self) -> $to {
                match self {
                    $(Self::$full(payload) => <$to>::$full(payload.convert()),)*
                    $(Self::$bare => <$to>::$bare,)*
                }
            }
        }
    };
}

same!(bool, u16, u32, u64, String);

impl<A: Convert<B>, B> Convert<Option<B>> for Option<A> {
    fn convert(self) -> Option<B> {
        self.map(Convert::convert)
    }
}

impl<A: Convert<B>, B> Convert<Vec<B>> for Vec<A> {
    fn convert(self) -> Vec<B> {
        self.into_iter().map(Convert::convert).collect()
    }
}

impl<A: Convert<B>, B, E: Convert<F>, F> Convert<Result<B, F>> for Result<A, E> {
    fn convert(self) -> Result<B, F> {
        self.map(Convert::convert).map_err(Convert::convert)
    }
}

record!(types::Field, core::Field, { name, value });
names!(Method { Create, Replace, Patch, Delete });
record!(types::Scope, core::Scope, { tenant, target, source, principal });
record!(types::Request, core::Request, {
    scope, method, resource_type, id, body, key, version, if_match, received_at, extra,
});
names!(NameKind { TargetId, ExternalId, Correlation, Weak });
record!(types::Name, core::Name, { kind, material });
record!(types::Identification, core::Identification, {
    key_material, statement_material, names, safe_way, proof, extra,
});
record!(types::Tags, core::Tags, { key, statement, names });
names!(Stage { Claimed, Dispatched, Parked, Refused, Settled });
record!(types::Entry, core::Entry, { id, identity, key, statement, stage, wake_at, state });
record!(types::Identity, core::Identity, { id, fence, incarnation, state });
record!(types::Holder, core::Holder, { identity, by });
record!(types::Found, core::Found, { by_key, by_statement, holders, open });
variant!(types::Question, core::Question, { ById, Search, All } {});
record!(types::ById, core::ById, { resource_type, id });
record!(types::Search, core::Search, { resource_type, attribute, value });
record!(types::TargetAnswer, core::TargetAnswer, {
    status, location, etag, content_type, retry_after, body, extra,
});
variant!(types::Sight, core::Sight, { Answered, Listed, Refused } { Nothing });
record!(types::Observation, core::Observation, { question, asked_at, seen_at, sight });
variant!(types::Outcome, core::Outcome, { Answered, NotSent, Unknown } {});
record!(types::Report, core::Report, { sent_at, ended_at, outcome });
record!(types::Settings, core::Settings, { policy, schema, profile });
record!(types::Situation, core::Situation, {
    request, tags, found, observed, settings, now, new_entry, new_identity, extra,
});
variant!(types::EffectBody, core::EffectBody, { Document } { Empty, AsSent });
record!(types::Effect, core::Effect, { method, resource_type, id, body, if_match });
record!(types::IdentityWrite, core::IdentityWrite, { identity, names });
record!(types::Write, core::Write, { entry, identities, learned });
names!(Verdict {
    Malformed,
    TooLarge,
    WrongType,
    KeyReused,
    OutsideWindow,
    InFlight,
    Parked,
    BlockedBy,
    Staged,
    WeakIdentity,
    Contradiction,
    PreconditionFailed,
    Stale,
    VersionConflict,
    Superseded,
    SupersededByDeletion,
    Ambiguous,
    FoundAlreadyLinked,
    Conflict,
    WouldWiden,
    HeldBy,
    Refused,
    Irrevocable,
    Unresolved,
    Unavailable,
    AlreadySatisfied,
    Adopted,
    Reactivated,
    AcceptedUnverified,
    Opaque,
    Done,
});
names!(Retry { None, SameKey, After, NewKey, FixInput, Person });
names!(Evidence { Ledger, Read, Response, None });
names!(Divergence { No, Changed, Deleted });
record!(types::Answer, core::Answer, {
    verdict, decision, changed, replayed, diverged, target, status, retry, retry_after, evidence,
    detail, attributes, notes,
});
variant!(types::Action, core::Action, { Answer, Ask, Claim, Resolve, Wait, Apply } {});
record!(types::Step, core::Step, { write, action });
record!(types::ContractError, core::ContractError, { code, detail });

variant!(lifecycle::Segment, core_lifecycle::Segment, { Member, Path, Filter } { Each });
record!(lifecycle::Endpoint, core_lifecycle::Endpoint, { resource_type, path });
record!(lifecycle::Schema, core_lifecycle::Schema, { document, endpoints, declared });
variant!(lifecycle::Reading, core_lifecycle::Reading, { Readable, Unreadable } {});
