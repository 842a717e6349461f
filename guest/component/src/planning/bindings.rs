//! What `wit-bindgen` makes of `wit/` for populations: generated, and used by this world alone.

#![allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    dead_code,
    clippy::all,
    clippy::restriction,
    clippy::pedantic,
    reason = "generated code"
)]

// As in the world `provisioning`: the contract's types are the core's own.
wit_bindgen::generate!({
    path: "../../wit",
    world: "planning",
    with: {
        "replaysafe:provisioning/types@0.1.0/field": replaysafe_core::types::Field,
        "replaysafe:provisioning/types@0.1.0/settings": replaysafe_core::types::Settings,
        "replaysafe:provisioning/types@0.1.0/contract-error": replaysafe_core::types::ContractError,
        "replaysafe:provisioning/types@0.1.0/identity": replaysafe_core::types::Identity,
        "replaysafe:provisioning/types@0.1.0/method": crate::cases::Method,
        "replaysafe:provisioning/audit@0.1.0/reference": replaysafe_core::audit::Reference,
        "replaysafe:provisioning/audit@0.1.0/seen": replaysafe_core::audit::Seen,
        "replaysafe:provisioning/audit@0.1.0/referrer": replaysafe_core::audit::Referrer,
        "replaysafe:provisioning/audit@0.1.0/subject": replaysafe_core::audit::Subject,
        "replaysafe:provisioning/audit@0.1.0/part": replaysafe_core::audit::Part,
        "replaysafe:provisioning/audit@0.1.0/flaw": replaysafe_core::audit::Flaw,
        "replaysafe:provisioning/audit@0.1.0/mend": replaysafe_core::audit::Mend,
        "replaysafe:provisioning/audit@0.1.0/finding": replaysafe_core::audit::Finding,
        "replaysafe:provisioning/batch@0.1.0/operation": replaysafe_core::batch::Operation,
        "replaysafe:provisioning/batch@0.1.0/item": replaysafe_core::batch::Item,
        "replaysafe:provisioning/batch@0.1.0/known": replaysafe_core::batch::Known,
        "replaysafe:provisioning/reconciliation@0.1.0/trait": replaysafe_core::reconciliation::Trait,
        "replaysafe:provisioning/reconciliation@0.1.0/link": replaysafe_core::reconciliation::Link,
        "replaysafe:provisioning/reconciliation@0.1.0/part": replaysafe_core::reconciliation::Part,
        "replaysafe:provisioning/reconciliation@0.1.0/relation": replaysafe_core::reconciliation::Relation,
        "replaysafe:provisioning/reconciliation@0.1.0/conclusion": replaysafe_core::reconciliation::Conclusion,
        "replaysafe:provisioning/reconciliation@0.1.0/class": crate::cases::Class,
        "replaysafe:provisioning/reconciliation@0.1.0/change": replaysafe_core::reconciliation::Change,
        "replaysafe:provisioning/reconciliation@0.1.0/finding": replaysafe_core::reconciliation::Finding,
        "replaysafe:provisioning/reconciliation@0.1.0/past": replaysafe_core::reconciliation::Past,
        "replaysafe:provisioning/reconciliation@0.1.0/tally": replaysafe_core::reconciliation::Tally,
        "replaysafe:provisioning/reconciliation@0.1.0/excess": replaysafe_core::reconciliation::Excess,
    },
});
