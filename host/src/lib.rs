//! Idempotent provisioning: a request that is repeated changes the target once.
//!
//! Read [`provisioner`] first: it asks the component, writes the ledger, acts on the target, and reports back.
//! Nothing here decides: what a request means is computed by the component, which [`guest`] runs in a sandbox.
//!
//! An embedder brings a [`ledger`] and a [`target`], and hands in [`call`]s:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use http::{HeaderValue, header::AUTHORIZATION};
//! use replaysafe::{
//!     call::{Call, Principal},
//!     clock::SystemClock,
//!     contract::Method,
//!     guest::Guest,
//!     keys::LedgerKey,
//!     ledger::SqliteLedger,
//!     provisioner::{Options, Provisioner},
//!     target::{Body, Caller, scim::ScimTarget, upstream::{Roots, Upstream}},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Arc::new(LedgerKey::open_or_create("ledger.key")?);
//! let ledger = SqliteLedger::open("ledger.db", Arc::clone(&key))?;
//! let upstream = Upstream::new("https://scim.example.com/v2", &Roots::System)?;
//! let target = ScimTarget { upstream, clock: Arc::new(SystemClock) };
//! let provisioner = Provisioner::new(Guest::embedded()?, ledger, target, key, Options::default())?;
//! tokio::spawn({ let scan = provisioner.clone(); async move { scan.recover_always().await } });
//!
//! let token = HeaderValue::from_static("Bearer token");
//! let json = HeaderValue::from_static("application/scim+json");
//! let call = Call {
//!     method: Method::Create,
//!     resource_type: "User".into(),
//!     id: None,
//!     body: Some(Body { bytes: r#"{"userName":"ada"}"#.into(), content_type: json }),
//!     key: Some("hire-4711".into()),
//!     if_match: None,
//!     principal: Principal::of(Some(&token)),
//!     caller: Caller { headers: vec![(AUTHORIZATION, token)], query: None },
//!     extra: Vec::new(),
//! };
//! let answer = tokio::spawn(async move { provisioner.provision(call).await }).await?;
//! println!("{:?}: {}", answer.verdict, answer.detail);
//! # Ok(())
//! # }
//! ```
//!
//! `provision` runs as a task of its own: a caller that gives up must not abandon what may have been sent.

pub mod call;
pub mod clock;
pub mod contract;
pub mod guest;
pub mod keys;
pub mod ledger;
pub mod monitor;
pub mod provisioner;
pub mod target;
