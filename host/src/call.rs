//! A call: one provisioning request as an edge hands it to the provisioner.
//!
//! Form only: sizes, media type, path and headers are checked. What the body says is read by the component.

mod named;

use std::sync::Weak;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use replaysafe_json::{Limits, Value, parse};

use crate::contract::{Field, Method};
use crate::keys::frame;
use crate::target::{Body, Caller};

pub(crate) use named::Named;

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
    /// The source's own order for this resource (S20): a sequence number or watermark that only grows. None: it gives
    /// none, or states it in the body, in the attribute that policy names (`version-attribute`).
    pub version: Option<u64>,
    /// The client's own `If-Match`, as sent.
    pub if_match: Option<String>,
    /// Who asks.
    pub principal: Principal,
    /// The headers and the query that go with every call to the target.
    pub caller: Caller,
    /// `attributes` and `excluded-attributes`, percent-decoded, where the query has them; `first-sent` beside a key:
    /// when its client says to have sent the request first, in milliseconds since 1970 (S10).
    pub extra: Vec<Field>,
    /// Lives as long as the client waits for the answer: drop what it points to where the connection is gone, or
    /// something else was answered. None: the client waits until the budget is over. Who does not wait is not told,
    /// and the secret of a create is the next attempt's to write (S3a).
    pub awaited: Option<Weak<()>>,
}

impl Call {
    /// A create (`POST`) of a resource, for whoever shows `authorization`.
    #[must_use]
    pub fn create(resource_type: &str, body: &str, authorization: HeaderValue) -> Self {
        Self::new(Method::Create, resource_type, None, Some(body), authorization)
    }

    /// A replacement (`PUT`) of the resource `id`.
    #[must_use]
    pub fn replace(resource_type: &str, id: &str, body: &str, authorization: HeaderValue) -> Self {
        Self::new(Method::Replace, resource_type, Some(id), Some(body), authorization)
    }

    /// A change (`PATCH`) of the resource `id`.
    #[must_use]
    pub fn patch(resource_type: &str, id: &str, body: &str, authorization: HeaderValue) -> Self {
        Self::new(Method::Patch, resource_type, Some(id), Some(body), authorization)
    }

    /// A delete (`DELETE`) of the resource `id`.
    #[must_use]
    pub fn delete(resource_type: &str, id: &str, authorization: HeaderValue) -> Self {
        Self::new(Method::Delete, resource_type, Some(id), None, authorization)
    }

    fn new(
        method: Method,
        resource_type: &str,
        id: Option<&str>,
        body: Option<&str>,
        authorization: HeaderValue,
    ) -> Self {
        let content_type = HeaderValue::from_static("application/scim+json");
        let bytes = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
        let caller = Caller { headers: vec![(AUTHORIZATION, authorization)], query: None };
        Self {
            method,
            resource_type: resource_type.into(),
            id: id.map(str::to_owned),
            body: bytes.map(|bytes| Body { bytes, content_type }),
            key: None,
            version: None,
            if_match: None,
            principal: Principal::of(&caller),
            caller,
            extra: Vec::new(),
            awaited: None,
        }
    }
}

/// Who earns receipts (S1): what a credential says of its holder, or the whole credential.
///
/// What it says is believed only while the target accepts the credential, and only of that very
/// credential: whoever forges a user name, an issuer or a client gets nothing by it.
///
/// Its `Debug` shows no credential.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// Nothing that may be a credential was sent.
    Anonymous,
    /// The subject of a client certificate, where TLS has verified one.
    Certificate(String),
    /// Issuer and client of a JWT: a token that rotates leaves them as they are.
    Client {
        /// `iss`.
        issuer: String,
        /// The claim that names the client: `client_id`, else `azp`, `appid`, `cid`, `sub`.
        claim: &'static str,
        /// Its value. Whoever is named so by another claim is another.
        client: String,
    },
    /// The user name of HTTP Basic, or the name that an embedder gives a credential.
    Name(String),
    /// The name that policy gives a credential.
    Named(String),
    /// Whom a header names beside others that may be a credential: which of them the target goes by, only it knows.
    Beside {
        /// Whom the one names.
        named: Box<Self>,
        /// All others, framed ([`Caller::credential`]): never log or store it, digest it.
        others: Bytes,
    },
    /// All that may be a credential, framed ([`Caller::credential`]): never log or store it, digest it.
    Credential(Bytes),
}

impl Principal {
    /// Reads the principal out of what a caller shows.
    ///
    /// Gives the first of these that applies:
    ///
    /// 1. [`Anonymous`](Self::Anonymous) where no header may be a credential,
    /// 2. [`Name`](Self::Name) for Basic with a user name,
    /// 3. [`Client`](Self::Client) for a signed JWT that names its issuer and its client,
    /// 4. [`Credential`](Self::Credential): anything else counts as a whole, whichever headers it is in. A part
    ///    of it that rotates, such as a cookie, makes another principal, and loses receipts of given keys only.
    ///    The provisioner gives it the [`Named`](Self::Named) that its policy has for it.
    ///
    /// Where other headers may be a credential too, they count as a whole [beside](Self::Beside) the name.
    ///
    /// No signature is checked here: that is the target's, and its answer decides.
    ///
    /// Source: RFC 7617 section 2; RFC 7519; RFC 9068 section 2.2.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let whole = caller.credential();
        if whole.is_empty() {
            return Self::Anonymous;
        }
        let mut values = caller.headers.iter().filter(|(name, _)| name == AUTHORIZATION);
        let named = match (values.next(), values.next()) {
            (Some((_, value)), None) => Self::named(value),
            // Which of two the target believes, nobody knows.
            (_, Some(_)) | (None, None) => None,
        };
        match named {
            Some(named) => named.beside(caller, |name, _| name == AUTHORIZATION),
            None => Self::Credential(whole.into()),
        }
    }

    /// With all that may be a credential beside the headers that name it.
    fn beside(self, caller: &Caller, names: impl Fn(&HeaderName, &HeaderValue) -> bool) -> Self {
        let mut others = caller.clone();
        others.headers.retain(|(name, value)| !names(name, value));
        match others.credential() {
            others if others.is_empty() => self,
            others => Self::Beside { named: Box::new(self), others: others.into() },
        }
    }

    /// Whether it is a client that a JWT names.
    fn is_client(&self) -> bool {
        match self {
            Self::Client { .. } => true,
            Self::Beside { named, .. } => named.is_client(),
            Self::Anonymous
            | Self::Certificate(_)
            | Self::Name(_)
            | Self::Named(_)
            | Self::Credential(_) => false,
        }
    }

    /// Whom an `Authorization` names, if anybody.
    fn named(authorization: &HeaderValue) -> Option<Self> {
        let (scheme, rest) = authorization.to_str().ok()?.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => user_name(rest.trim()).map(Self::Name),
            "bearer" => client(rest.trim()),
            _ => None,
        }
    }

    /// What a credential lets its holder do, framed, as far as it says so itself: two with equal rights may stand for each
    /// other, once the target has let both write.
    ///
    /// For a signed JWT that names its holder these are its claims but for those of time and number, beside
    /// whatever else may be a credential; else nothing but the credential itself (none).
    pub(crate) fn rights(caller: &Caller) -> Option<Vec<u8>> {
        if !Self::of(caller).is_client() {
            return None;
        }
        let mut values = caller.headers.iter().filter(|(name, _)| name == AUTHORIZATION);
        let (_, token) = values.next()?.1.to_str().ok()?.split_once(' ')?;
        let claims = claims(token.trim())?;
        let mut stated: Vec<_> = claims.as_object()?.iter().collect();
        stated.retain(|(name, _)| !PASSING.contains(name));
        stated.sort_by_key(|(name, _)| *name);
        let stated = stated.into_iter().flat_map(|(name, value)| [name.into(), value.to_string()]);
        let stated: Vec<String> = stated.collect();
        let stated: Vec<&[u8]> = stated.iter().map(String::as_bytes).collect();
        let mut others = caller.clone();
        others.headers.retain(|(name, _)| name != AUTHORIZATION);
        Some(frame(&[&frame(&stated), &others.credential()]))
    }

    /// Framed material for the keyed digest: no two principals have the same.
    #[must_use]
    pub fn material(&self) -> Vec<u8> {
        let (label, bytes): (&[u8], Vec<u8>) = match self {
            Self::Anonymous => (b"anonymous\0", Vec::new()),
            Self::Certificate(subject) => (b"certificate\0", subject.as_bytes().into()),
            Self::Client { issuer, claim, client } => {
                let parts = [issuer.as_bytes(), claim.as_bytes(), client.as_bytes()];
                (b"client\0", frame(&parts))
            }
            Self::Name(name) => (b"basic\0", name.as_bytes().into()),
            Self::Named(name) => (b"named\0", name.as_bytes().into()),
            Self::Beside { named, others } => {
                (b"beside\0", frame(&[&named.material(), others.as_ref()]))
            }
            Self::Credential(credential) => (b"credential\0", credential.to_vec()),
        };
        [label, &bytes].concat()
    }
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Certificate(_) => "Certificate(..)",
            Self::Client { .. } => "Client(..)",
            Self::Name(_) => "Name(..)",
            Self::Named(_) => "Named(..)",
            Self::Beside { .. } => "Beside(..)",
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
    /// With the live credentials of clients: each with that of its own.
    Borrowed,
    /// Of some of it no client is here, or of none: the next request of its client, or on its resource, resumes it.
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

/// The user name of Basic credentials (RFC 7617 section 2); none if it is empty or they cannot be read.
fn user_name(pair: &str) -> Option<String> {
    let pair = String::from_utf8(decode_base64(pair)?).ok()?;
    let (user, _password) = pair.split_once(':')?;
    (!user.is_empty()).then(|| user.to_owned())
}

/// A text that says something.
fn text(of: &Value, name: &str) -> Option<String> {
    let text = of.find(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The claims of a JWT in the compact form (RFC 7515 section 3.1); none if it is no signed one.
fn claims(token: &str) -> Option<Value> {
    if TOKEN_BYTES_MOST < token.len() {
        return None;
    }
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || decode_base64url(signature)?.is_empty() {
        return None;
    }
    let object = |part: &str| {
        let value = parse(&decode_base64url(part)?, &Limits::request()).ok()?;
        value.as_object().is_some().then_some(value)
    };
    let algorithm = text(&object(header)?, "alg")?;
    // RFC 7518 section 3.6: whoever likes can make such a token.
    if algorithm.eq_ignore_ascii_case("none") {
        return None;
    }
    object(claims)
}

/// Issuer and client of a JWT; none if it is no signed one.
fn client(token: &str) -> Option<Principal> {
    let claims = claims(token)?;
    let issuer = text(&claims, "iss")?;
    let mut named = CLIENT_CLAIMS.iter().filter_map(|claim| Some((*claim, text(&claims, claim)?)));
    let (claim, client) = named.next()?;
    Some(Principal::Client { issuer, claim, client })
}

/// Where a token names its client: RFC 9068, OIDC, Entra ID, Okta; `sub` is the client
/// itself where no person has given a consent (RFC 9068 section 2.2).
const CLIENT_CLAIMS: [&str; 5] = ["client_id", "azp", "appid", "cid", "sub"];

/// Claims that differ from token to token and say nothing of what its holder may do: RFC 7519 section 4.1, OIDC
/// Core section 2, and those of Entra ID.
const PASSING: [&str; 7] = ["exp", "iat", "nbf", "jti", "auth_time", "uti", "aio"];

/// 16 KiB: what a gateway takes as a head. A longer token counts as a whole.
const TOKEN_BYTES_MOST: usize = 16 << 10;

/// Decodes base64url without padding, as RFC 7515 section 2 has it.
fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| matches!(byte, b'+' | b'/' | b'=')) {
        return None;
    }
    decode_base64(&text.replace('-', "+").replace('_', "/"))
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
        assert_eq!(&Principal::of(&caller(&[("authorization", authorization)])), expected);
    }

    #[test]
    fn basic_gives_its_user_name_and_anything_else_counts_as_a_whole() {
        // RFC 7617 section 2: "Aladdin:open sesame".
        check("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &Principal::Name("Aladdin".into()));
        check("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", &Principal::Name("Aladdin".into()));
        check_whole("Bearer abc");
        check_whole("Basic %%%");
        assert_eq!(Principal::of(&caller(&[])), Principal::Anonymous);
        assert_eq!(Principal::of(&caller(&[("user-agent", "x")])), Principal::Anonymous);
    }

    /// S1: no two clients are one because neither uses `Authorization`, or because both show the same one.
    #[test]
    fn whatever_header_a_credential_is_in_it_counts() {
        let shown = [
            [("x-api-key", "a")].as_slice(),
            &[("x-api-key", "b")],
            &[("cookie", "a")],
            &[("x-api-key", "a"), ("cookie", "a")],
            &[("authorization", "Bearer a")],
            &[("authorization", "Bearer a"), ("x-api-key", "a")],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
            &[
                ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
                ("authorization", "Bearer a"),
            ],
            // Whoever makes up a user name shows what the target goes by beside it.
            &[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")],
            &[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("x-api-key", "a")],
            &[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("cookie", "a")],
            &[],
        ];
        let materials: std::collections::BTreeSet<_> =
            shown.iter().map(|shown| Principal::of(&caller(shown)).material()).collect();
        assert_eq!(materials.len(), shown.len());
        // What says nothing of who asks does not count.
        let basic = ("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let named = Principal::Name("Aladdin".into());
        assert_eq!(Principal::of(&caller(&[basic, ("user-agent", "a")])), named);
        let same = |other| {
            assert_eq!(
                Principal::of(&caller(other)),
                Principal::of(&caller(&[("x-api-key", "a")]))
            );
        };
        same(&[("x-request-id", "1"), ("x-api-key", "a")]);
        same(&[("x-api-key", "a"), ("x-amzn-trace-id", "2")]);
    }

    fn caller(headers: &[(&'static str, &str)]) -> Caller {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        Caller { headers: headers.iter().map(header).collect(), query: None }
    }

    /// RFC 7519 section 3.1 has this token; RFC 7515 section A.1.1 has its three parts.
    #[test]
    fn a_token_without_a_client_counts_as_a_whole() {
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
            eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
            dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        check_whole(&format!("Bearer {token}"));
    }

    /// S1: a token that rotates keeps its principal; the client is named as each issuer names it.
    #[test]
    fn a_token_gives_its_issuer_and_its_client() {
        let client = |issuer: &str, claim: &'static str, client: &str| Principal::Client {
            issuer: issuer.into(),
            claim,
            client: client.into(),
        };
        let rs256 = r#"{"alg":"RS256"}"#;
        for (claims, expected) in [
            (r#"{"iss":"i","client_id":"c","sub":"s","exp":1}"#, client("i", "client_id", "c")),
            (r#"{"iss":"i","client_id":"c","sub":"t","exp":2}"#, client("i", "client_id", "c")),
            (r#"{"iss":"i","azp":"a","sub":"s"}"#, client("i", "azp", "a")),
            (r#"{"iss":"i","appid":"a","sub":"s"}"#, client("i", "appid", "a")),
            (r#"{"iss":"i","cid":"a","sub":"s"}"#, client("i", "cid", "a")),
            (r#"{"iss":"i","sub":"s"}"#, client("i", "sub", "s")),
        ] {
            check(&token(rs256, claims, "c2ln"), &expected);
        }
        // No issuer and client can be spelled as another pair.
        assert_ne!(client("ab", "cid", "c").material(), client("a", "cid", "bc").material());
        // A person cannot take the name of a client.
        assert_ne!(client("i", "sub", "c").material(), client("i", "client_id", "c").material());
    }

    #[test]
    fn what_is_no_signed_token_counts_as_a_whole() {
        let good = r#"{"iss":"i","client_id":"c"}"#;
        let rs256 = r#"{"alg":"RS256"}"#;
        for (header, claims, signature) in [
            (r#"{"alg":"none"}"#, good, "c2ln"),
            (r#"{"alg":"NoNe"}"#, good, "c2ln"),
            (r#"{"alg":7}"#, good, "c2ln"),
            (r#"{"typ":"JWT"}"#, good, "c2ln"),
            ("[]", good, "c2ln"),
            (rs256, good, ""),
            (rs256, good, "c2ln.c2ln"),
            (rs256, good, "%"),
            (rs256, "no json", "c2ln"),
            (rs256, r#"{"iss":"i","iss":"j","client_id":"c"}"#, "c2ln"),
            (rs256, r#"{"iss":["i"],"client_id":"c"}"#, "c2ln"),
            (rs256, r#"{"iss":"","client_id":"c"}"#, "c2ln"),
            (rs256, r#"{"client_id":"c"}"#, "c2ln"),
            (rs256, &"[".repeat(10_000), "c2ln"),
        ] {
            check_whole(&token(header, claims, signature));
        }
        for text in ["Bearer", "Bearer ", "Bearer .", "Bearer ..", "Bearer a.b.c", "Bearer =.=.="] {
            check_whole(text);
        }
        let long = format!(r#"{{"iss":"{}","client_id":"c"}}"#, "i".repeat(TOKEN_BYTES_MOST));
        check_whole(&token(rs256, &long, "c2ln"));
    }

    fn check_whole(authorization: &str) {
        // By its own words, not by `credential`: each part behind its length.
        let length = |text: &str| u64::try_from(text.len()).unwrap().to_be_bytes();
        let name = "authorization";
        let whole = [
            length(name).as_slice(),
            name.as_bytes(),
            &length(authorization),
            authorization.as_bytes(),
        ]
        .concat();
        check(authorization, &Principal::Credential(whole.into()));
    }

    fn token(header: &str, claims: &str, signature: &str) -> String {
        format!("Bearer {}.{}.{signature}", base64url(header), base64url(claims))
    }

    /// RFC 4648 section 5, without padding.
    fn base64url(text: &str) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut encoded = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
            let bits = (at(0) << 16) | (at(1) << 8) | at(2);
            for n in 0..=chunk.len() {
                let six = usize::try_from((bits >> (18 - 6 * n)) & 63).unwrap();
                encoded.push(char::from(ALPHABET[six]));
            }
        }
        encoded
    }

    #[test]
    fn a_credential_is_not_shown() {
        for principal in [
            Principal::Credential(Bytes::from_static(b"Bearer abc")),
            Principal::Name("abc".into()),
            Principal::Certificate("abc".into()),
            Principal::Client { issuer: "abc".into(), claim: "sub", client: "abc".into() },
        ] {
            assert!(!format!("{principal:?}").contains("abc"));
        }
    }
}
