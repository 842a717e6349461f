//! A call: one provisioning request as an edge hands it to the provisioner.
//!
//! Form only: sizes, media type, path and headers are checked. What the body says is read by the component.

use bytes::Bytes;
use http::HeaderValue;

use crate::contract::{Field, Method};
use crate::target::{Body, Caller};

/// One provisioning request.
///
/// The time of its arrival is no part of it: the provisioner takes it from its own clock.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it does.
    pub method: Method,
    /// The name of the resource type, for example `User`.
    pub resource_type: String,
    /// The target's id of the resource, percent-decoded; none for a create.
    pub id: Option<String>,
    /// The body as it came; none for a delete. It is UTF-8 text, and may be anything but JSON.
    pub body: Option<Body>,
    /// The `Idempotency-Key`, unquoted, 1 to 255 visible ASCII characters.
    pub key: Option<String>,
    /// The client's own `If-Match`, as sent.
    pub if_match: Option<String>,
    /// Who asks.
    pub principal: Principal,
    /// The headers and the query that go with every call to the target.
    pub caller: Caller,
    /// `attributes` and `excluded-attributes`, percent-decoded, where the query has them.
    pub extra: Vec<Field>,
}

/// Who earns receipts (S1). A name, or material of which the host makes a keyed digest.
///
/// Its `Debug` shows no credential.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// No credential was sent.
    Anonymous,
    /// The user name of HTTP Basic.
    Name(String),
    /// The whole `Authorization`: never log or store it, digest it.
    Credential(Bytes),
}

impl Principal {
    /// Reads the principal out of an `Authorization`, none if there was none.
    ///
    /// Basic credentials that cannot be read count as a whole, like those of any other scheme.
    ///
    /// Source: RFC 7617 section 2.
    #[must_use]
    pub fn of(authorization: Option<&HeaderValue>) -> Self {
        let Some(value) = authorization else { return Self::Anonymous };
        let name = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, pair)| decode_base64(pair.trim()))
            .and_then(|pair| String::from_utf8(pair).ok())
            .and_then(|pair| pair.split_once(':').map(|(user, _)| user.to_owned()))
            .filter(|user| !user.is_empty());
        match name {
            Some(name) => Self::Name(name),
            None => Self::Credential(Bytes::copy_from_slice(value.as_bytes())),
        }
    }

    /// Framed material for the keyed digest: no two principals have the same.
    #[must_use]
    pub fn material(&self) -> Vec<u8> {
        let (frame, bytes): (&[u8], &[u8]) = match self {
            Self::Anonymous => (b"anonymous\0", b""),
            Self::Name(name) => (b"basic\0", name.as_bytes()),
            Self::Credential(credential) => (b"credential\0", credential),
        };
        [frame, bytes].concat()
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Name(_) => "Name(..)",
            Self::Credential(_) => "Credential(..)",
        })
    }
}

/// Whether requests can be served, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Requests can be served.
    pub ready: bool,
    /// With whose credential interrupted work is resumed (S41).
    pub recovery: Recovery,
    /// What else is worth knowing, such as the number of open entries. No personal data.
    pub details: Vec<Field>,
}

/// With whose credential interrupted work is resumed (S41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// With a credential of our own.
    Own,
    /// With the live credential of a client.
    Borrowed,
    /// With none: the next authenticated request resumes what is due.
    Waiting,
}

impl Recovery {
    /// The word that `/readyz` uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Borrowed => "borrowed",
            Self::Waiting => "waiting",
        }
    }
}

/// Decodes base64 as in RFC 4648 section 4; padding may be missing.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in text.trim_end_matches('=').bytes() {
        let six = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authorization: &str, expected: &Principal) {
        assert_eq!(&Principal::of(Some(&HeaderValue::from_str(authorization).unwrap())), expected);
    }

    #[test]
    fn basic_gives_its_user_name_and_anything_else_counts_as_a_whole() {
        // RFC 7617 section 2: "Aladdin:open sesame".
        check("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &Principal::Name("Aladdin".into()));
        check("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", &Principal::Name("Aladdin".into()));
        check("Bearer abc", &Principal::Credential(Bytes::from_static(b"Bearer abc")));
        check("Basic %%%", &Principal::Credential(Bytes::from_static(b"Basic %%%")));
        assert_eq!(Principal::of(None), Principal::Anonymous);
    }

    #[test]
    fn a_credential_is_not_shown() {
        let principal = Principal::Credential(Bytes::from_static(b"Bearer abc"));
        assert!(!format!("{principal:?}").contains("abc"));
    }
}
