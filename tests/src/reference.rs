//! The same questions answered a second time: what does a request mean, and what must become of it?
//!
//! Written from RFC 7643, RFC 7644 and the rules alone, apart from the core: it shares no code and no
//! JSON library with it. It is simple and slow. Where the two differ, one of them is wrong, or a rule is unclear.

pub mod facts;
pub mod generate;
pub mod host;
pub mod oracle;
pub mod path;
pub mod server;
pub mod shrink;
