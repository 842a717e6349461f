//! Credentials that policy gives a name (S1).

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::{Call, Principal};
use crate::keys::hex;

/// The names that a policy gives credentials, by the digests of header values.
#[derive(Debug, Default)]
pub(crate) struct Named(BTreeMap<String, String>);

impl Named {
    /// Reads the names of a policy that the component has checked.
    pub(crate) fn read(policy: &str) -> Self {
        let policy: serde_json::Value = serde_json::from_str(policy).unwrap_or_default();
        let credentials = policy.get("credentials").and_then(serde_json::Value::as_object);
        let mut names = BTreeMap::new();
        for (name, digests) in credentials.into_iter().flatten() {
            for digest in digests.as_array().into_iter().flatten().filter_map(|one| one.as_str()) {
                names.insert(digest.to_owned(), name.clone());
            }
        }
        Self(names)
    }

    /// Who asks: what would count by its whole credential is known by the name of a header's value, if that has one.
    ///
    /// What has two names has none: whom the target believes, nobody knows. So all else that may be a credential counts
    /// beside the name.
    pub(crate) fn principal(&self, call: &Call) -> Principal {
        let Principal::Credential(_) = call.principal else { return call.principal.clone() };
        if self.0.is_empty() {
            return call.principal.clone();
        }
        let name_of = |value: &HeaderValue| self.0.get(&hex(&Sha256::digest(value)));
        let values = call.caller.headers.iter().map(|(_, value)| value);
        let names: BTreeSet<&String> = values.filter_map(name_of).collect();
        match (names.first(), names.len()) {
            (Some(name), 1) => {
                let named = Principal::Named((*name).clone());
                named.beside(&call.caller, |_, value| name_of(value).is_some())
            }
            _ => call.principal.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::target::Caller;

    /// Digests by `printf 'Bearer one' | sha256sum`, and so on: of `Bearer one`, `Bearer two`, `three`, and a Basic pair.
    const POLICY: &str = r#"{"credentials":{
        "hr": [
            "0b84d71fd60e2e328bb359ce07a6c57c1c4d6dfa6e643ed16fd27e6f2a941f35",
            "75c6fab9da471973bb94b233d3616c9cf4a642e906860bba3e23705b2ee4e74e"
        ],
        "it": [
            "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f",
            "157da8472590f0ce0a7c651bd79aecb5cc582944fcf76cbabada915d333deee8"
        ]
    }}"#;

    fn check(headers: &[(&'static str, &'static str)], expected: Option<&str>) {
        let (own, named) = principal(headers);
        match expected {
            Some(name) => assert_eq!(named, Principal::Named(name.into())),
            None => assert_eq!(named, own),
        }
    }

    /// Who asks, by the credential alone and by the policy.
    fn principal(headers: &[(&'static str, &'static str)]) -> (Principal, Principal) {
        let headers = headers.iter();
        let headers = headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let caller = Caller { headers: headers.collect(), query: None };
        let authorization = HeaderValue::from_static("unused");
        let call = Call::delete("User", "1", authorization);
        let call = Call { principal: Principal::of(&caller), caller, ..call };
        (call.principal.clone(), Named::read(POLICY).principal(&call))
    }

    #[test]
    fn a_credential_has_the_name_that_policy_gives_it() {
        check(&[("authorization", "Bearer one")], Some("hr"));
        check(&[("authorization", "Bearer two")], Some("hr"));
        check(&[("x-api-key", "three")], Some("it"));
        check(&[("authorization", "Bearer one"), ("user-agent", "c")], Some("hr"));
        check(&[("authorization", "Bearer one"), ("x-api-key", "three")], None);
        check(&[("authorization", "Bearer four")], None);
        check(&[("authorization", "bearer one")], None);
        check(&[], None);
    }

    /// S1: a value that is named and not believed, such as a token that was revoked, makes nobody of somebody else.
    #[test]
    fn what_is_shown_beside_a_named_value_counts() {
        let of = |headers: &[(&'static str, &'static str)]| principal(headers).1.material();
        let named = of(&[("authorization", "Bearer one")]);
        assert_eq!(of(&[("authorization", "Bearer two")]), named);
        let mut others = BTreeSet::from([named]);
        for (name, value) in [("authorization", "Bearer four"), ("cookie", "c"), ("x-note", "n")] {
            assert!(others.insert(of(&[("x-api-key", "Bearer one"), (name, value)])), "{name}");
            assert!(others.insert(of(&[(name, value)])), "{name}");
        }
        // Whichever header has the named value, it is the same one beside the same.
        let beside = [("authorization", "Bearer four"), ("user-agent", "Bearer one")];
        assert!(!others.insert(of(&beside)));
    }

    /// S1: what names its holder by itself is known by that.
    #[test]
    fn who_is_named_by_the_credential_itself_keeps_that_name() {
        // RFC 7617 section 2: "Aladdin:open sesame".
        check(&[("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")], None);
    }
}
