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
//! use http::HeaderValue;
//! use replaysafe::{
//!     call::Call, clock::SystemClock, guest::Guest, keys::LedgerKey, ledger::SqliteLedger,
//!     provisioner::{Options, Provisioner},
//!     target::{scim::ScimTarget, upstream::{Roots, Upstream}},
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
//! let hire = Call::create("User", r#"{"userName":"ada"}"#, token);
//! let call = Call { key: Some("hire-4711".into()), ..hire };
//! let answer = tokio::spawn(async move { provisioner.provision(call).await }).await?;
//! println!("{:?}: {}", answer.verdict, answer.detail);
//! # Ok(())
//! # }
//! ```
//!
//! `provision` runs as a task of its own: a caller that gives up must not abandon what may have been sent.

pub mod applier;
pub mod auditor;
pub mod call;
pub mod clock;
pub mod contract;
pub mod guest;
pub mod keys;
pub mod ledger;
pub mod monitor;
pub mod planner;
pub mod provisioner;
pub mod target;
