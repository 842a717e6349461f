//! Routing: is a request protected, passed on, or refused?
//!
//! Paths are compared segment by segment, percent-decoded; what is passed on goes out as it came.

use http::Method;
use replaysafe::contract::{self, Endpoint};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through the provisioner.
    Protect {
        /// What it does.
        method: contract::Method,
        /// The name of the resource type.
        resource_type: String,
        /// The id, decoded; none for a create.
        id: Option<String>,
    },
    /// To the target, untouched.
    Pass,
    /// To the target, and its answer may need a word changed: bulk is not on offer here.
    PassConfiguration,
    /// Nowhere: the path is ambiguous, so that target and gateway could read two things into it (400).
    Malformed(&'static str),
    /// Nowhere: it would change something unprotected (501).
    Unprotected,
    /// Nowhere: outside the base path (404).
    Elsewhere,
}

/// Finds the route of a request whose raw path is `path`.
///
/// Gives the first of these that applies:
///
/// 1. [`Route::Elsewhere`]: the path is not below `prefix`,
/// 2. [`Route::Pass`], [`Route::PassConfiguration`]: the method changes nothing,
/// 3. [`Route::Malformed`]: the path has two readings,
/// 4. [`Route::Protect`]: POST on a collection; PUT, PATCH, DELETE on a member,
/// 5. [`Route::Pass`]: a search, discovery, or a path in `unprotected`,
/// 6. [`Route::Unprotected`]: anything else.
#[must_use]
pub fn route(
    method: &Method,
    path: &str,
    prefix: &str,
    endpoints: &[Endpoint],
    unprotected: &[String],
) -> Route {
    let below = path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return match below {
            None => Route::Elsewhere,
            Some("/ServiceProviderConfig") if *method != Method::OPTIONS => {
                Route::PassConfiguration
            }
            Some(_) => Route::Pass,
        };
    }
    // Judged before the base path is: `/scim/../scim/v2/Users` is not elsewhere, it is nonsense.
    let whole = match segments(path) {
        Ok(segments) => segments,
        Err(reason) => return Route::Malformed(reason),
    };
    let Some(below) = below else { return Route::Elsewhere };
    let depth = prefix.split('/').skip(1).count();
    let segments: Vec<&str> = whole.iter().skip(depth).map(String::as_str).collect();
    let kind = |path: &str| endpoints.iter().find(|endpoint| endpoint.path == path);
    match (method.as_str(), segments.as_slice()) {
        (_, [.., ".search"]) if *method == Method::POST => Route::Pass,
        ("POST", [path]) if let Some(endpoint) = kind(path) => Route::Protect {
            method: contract::Method::Create,
            resource_type: endpoint.resource_type.clone(),
            id: None,
        },
        ("PUT" | "PATCH" | "DELETE", [path, id]) if let Some(endpoint) = kind(path) => {
            Route::Protect {
                method: match method.as_str() {
                    "PUT" => contract::Method::Replace,
                    "PATCH" => contract::Method::Patch,
                    _ => contract::Method::Delete,
                },
                resource_type: endpoint.resource_type.clone(),
                id: Some((*id).to_owned()),
            }
        }
        ("POST" | "PUT" | "PATCH" | "DELETE", [path, ..]) if DISCOVERY.contains(path) => {
            Route::Pass
        }
        ("POST" | "PUT" | "PATCH" | "DELETE", _) if named(below, unprotected) => Route::Pass,
        _ => Route::Unprotected,
    }
}

/// Says if `path`, counted from the base, is one of the paths in `unprotected` or below one.
#[must_use]
pub fn named(path: &str, unprotected: &[String]) -> bool {
    unprotected.iter().any(|named| {
        let named = named.trim_end_matches('/');
        path.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What describes a service (RFC 7644 section 4): writing to it is the target's to refuse.
const DISCOVERY: [&str; 3] = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];

/// Splits a path into decoded segments, or says why it has two readings.
fn segments(path: &str) -> Result<Vec<String>, &'static str> {
    let path = path
        .strip_prefix('/')
        .ok_or("The path does not begin with a slash; send one that does.")?;
    path.split('/').map(segment).collect()
}

fn segment(raw: &str) -> Result<String, &'static str> {
    if raw.is_empty() {
        return Err(
            "The path has an empty segment; leave the second slash, or the one at the end, out.",
        );
    }
    if raw.contains([';', '\\']) {
        return Err(
            "The path has a semicolon or a backslash, which servers read in two ways; encode a semicolon of an id.",
        );
    }
    let decoded = percent_decode(raw).ok_or("The path is no percent-encoded UTF-8; encode it.")?;
    if decoded.contains(['/', '\\']) {
        return Err(
            "The path has an encoded slash or backslash, which servers read in two ways; address the resource by another id.",
        );
    }
    if decoded == "." || decoded == ".." {
        return Err("The path has a dot-segment; send the path that is meant.");
    }
    if decoded.chars().any(char::is_control) {
        return Err("The path has a control character; send an id as the service gave it.");
    }
    Ok(decoded)
}

/// Decodes percent-encoded UTF-8; none if it is none.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let endpoint = |resource_type: &str, path: &str| Endpoint {
            resource_type: resource_type.into(),
            path: path.into(),
        };
        let endpoints = [endpoint("User", "Users"), endpoint("Group", "Groups")];
        let method = method.parse().unwrap();
        let given = match route(&method, path, "/scim/v2", &endpoints, &["/Raw".to_owned()]) {
            Route::Protect { method, resource_type, id } => {
                format!("{method:?} {resource_type} {}", id.unwrap_or_default())
            }
            Route::Malformed(_) => "malformed".to_owned(),
            Route::Pass => "Pass".to_owned(),
            Route::PassConfiguration => "PassConfiguration".to_owned(),
            Route::Unprotected => "Unprotected".to_owned(),
            Route::Elsewhere => "Elsewhere".to_owned(),
        };
        assert_eq!(given.trim_end().trim_start_matches("Method::"), expected, "{request}");
    }

    #[test]
    fn the_loop_takes_writes_on_resources() {
        check("POST /scim/v2/Users", "Create User");
        check("PUT /scim/v2/Users/1", "Replace User 1");
        check("PATCH /scim/v2/Groups/a%20b", "Patch Group a b");
        check("DELETE /scim/v2/%55sers/1", "Delete User 1");
    }

    #[test]
    fn reads_searches_and_discovery_pass() {
        check("GET /scim/v2/Users//x/../%2f;", "Pass");
        check("HEAD /scim/v2", "Pass");
        check("GET /scim/v2/ServiceProviderConfig", "PassConfiguration");
        check("POST /scim/v2/.search", "Pass");
        check("POST /scim/v2/Users/.search", "Pass");
        check("DELETE /scim/v2/Schemas/urn:x", "Pass");
        check("POST /scim/v2/Raw/x", "Pass");
    }

    #[test]
    fn what_would_change_something_unprotected_goes_nowhere() {
        check("POST /scim/v2/Bulk", "Unprotected");
        check("PATCH /scim/v2/Me", "Unprotected");
        check("POST /scim/v2/users", "Unprotected");
        check("POST /scim/v2/Users/1", "Unprotected");
        check("DELETE /scim/v2/Users", "Unprotected");
        check("PATCH /scim/v2/Users/1/2", "Unprotected");
        check("PUT /scim/v2/Users/.search", "Replace User .search");
        check("TRACE /scim/v2/Users", "Unprotected");
        check("POST /scim/v2/Rawer", "Unprotected");
        check("POST /scim/v2", "Unprotected");
        check("POST /other/Users", "Elsewhere");
        check("GET /scim/v2x", "Elsewhere");
    }

    /// No 40 of the catalogue.
    #[test]
    fn a_path_with_two_readings_is_malformed() {
        for path in [
            "Users/../Groups",
            "Users/%2e%2e/Groups",
            "Users/%2E",
            "Users%2f1",
            "Users//1",
            "Users/",
            "Users;x=1",
            "Users/1%00",
            "Users/%zz",
            "Users/%ff",
            "Users/a%5cb",
        ] {
            check(&format!("PATCH /scim/v2/{path}"), "malformed");
        }
        check("POST /scim//v2/Users", "malformed");
        check("POST /scim/%2e%2e/scim/v2/Users", "malformed");
    }
}
