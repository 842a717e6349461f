//! What `wit-bindgen` makes of `wit/`: generated, and used by this crate alone.

#![allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    clippy::all,
    clippy::restriction,
    clippy::pedantic,
    reason = "generated code"
)]

// The contract's types are the core's own: the generated code takes each out of memory as the type of that
// name, field by field and case by case, and what has another name or type there does not compile.
wit_bindgen::generate!({
    path: "../../wit",
    world: "provisioning",
    // Exported beside `settle`: see `exports.rs`.
    skip: ["admit", "decide"],
    with: {
        "replaysafe:provisioning/types@0.1.0/field": replaysafe_core::types::Field,
        "replaysafe:provisioning/types@0.1.0/method": crate::cases::Method,
        "replaysafe:provisioning/types@0.1.0/scope": replaysafe_core::types::Scope,
        "replaysafe:provisioning/types@0.1.0/request": replaysafe_core::types::Request,
        "replaysafe:provisioning/types@0.1.0/name-kind": crate::cases::NameKind,
        "replaysafe:provisioning/types@0.1.0/name": replaysafe_core::types::Name,
        "replaysafe:provisioning/types@0.1.0/identification": replaysafe_core::types::Identification,
        "replaysafe:provisioning/types@0.1.0/tags": replaysafe_core::types::Tags,
        "replaysafe:provisioning/types@0.1.0/stage": crate::cases::Stage,
        "replaysafe:provisioning/types@0.1.0/entry": replaysafe_core::types::Entry,
        "replaysafe:provisioning/types@0.1.0/identity": replaysafe_core::types::Identity,
        "replaysafe:provisioning/types@0.1.0/holder": replaysafe_core::types::Holder,
        "replaysafe:provisioning/types@0.1.0/found": replaysafe_core::types::Found,
        "replaysafe:provisioning/types@0.1.0/question": replaysafe_core::types::Question,
        "replaysafe:provisioning/types@0.1.0/by-id": replaysafe_core::types::ById,
        "replaysafe:provisioning/types@0.1.0/search": replaysafe_core::types::Search,
        "replaysafe:provisioning/types@0.1.0/target-answer": replaysafe_core::types::TargetAnswer,
        "replaysafe:provisioning/types@0.1.0/sight": replaysafe_core::types::Sight,
        "replaysafe:provisioning/types@0.1.0/observation": replaysafe_core::types::Observation,
        "replaysafe:provisioning/types@0.1.0/outcome": replaysafe_core::types::Outcome,
        "replaysafe:provisioning/types@0.1.0/report": replaysafe_core::types::Report,
        "replaysafe:provisioning/types@0.1.0/settings": replaysafe_core::types::Settings,
        "replaysafe:provisioning/types@0.1.0/situation": replaysafe_core::types::Situation,
        "replaysafe:provisioning/types@0.1.0/effect-body": replaysafe_core::types::EffectBody,
        "replaysafe:provisioning/types@0.1.0/effect": replaysafe_core::types::Effect,
        "replaysafe:provisioning/types@0.1.0/identity-write": replaysafe_core::types::IdentityWrite,
        "replaysafe:provisioning/types@0.1.0/write": replaysafe_core::types::Write,
        "replaysafe:provisioning/types@0.1.0/verdict": crate::cases::Verdict,
        "replaysafe:provisioning/types@0.1.0/retry": crate::cases::Retry,
        "replaysafe:provisioning/types@0.1.0/evidence": crate::cases::Evidence,
        "replaysafe:provisioning/types@0.1.0/divergence": crate::cases::Divergence,
        "replaysafe:provisioning/types@0.1.0/answer": replaysafe_core::types::Answer,
        "replaysafe:provisioning/types@0.1.0/action": replaysafe_core::types::Action,
        "replaysafe:provisioning/types@0.1.0/step": replaysafe_core::types::Step,
        "replaysafe:provisioning/types@0.1.0/contract-error": replaysafe_core::types::ContractError,
        "replaysafe:provisioning/lifecycle@0.1.0/segment": replaysafe_core::lifecycle::Segment,
        "replaysafe:provisioning/lifecycle@0.1.0/endpoint": replaysafe_core::lifecycle::Endpoint,
        "replaysafe:provisioning/lifecycle@0.1.0/schema": replaysafe_core::lifecycle::Schema,
        "replaysafe:provisioning/lifecycle@0.1.0/reading": replaysafe_core::lifecycle::Reading,
    },
});
