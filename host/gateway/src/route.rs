//! Routing: is a request protected, passed on, or refused?
//!
//! Paths are compared segment by segment, percent-decoded; what is passed on goes out as it came.

use http::Method;
use replaysafe::contract::{self, Endpoint};
use replaysafe::target::path::{DOT_SEGMENT, has_dot_segment, segments};
use replaysafe::target::upstream::Base;

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
    /// To the target, and its answer may need words changed: what it says of bulk requests is told of this gateway.
    PassConfiguration,
    /// Through the provisioner, operation by operation (RFC 7644 section 3.7).
    Bulk,
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
/// 1. [`Route::Malformed`]: the path has a dot-segment, or the method may change something and the path has two readings,
/// 2. [`Route::Elsewhere`]: the path is not below `prefix`,
/// 3. [`Route::Pass`], [`Route::PassConfiguration`]: the method changes nothing,
/// 4. [`Route::Protect`]: POST on a collection; PUT, PATCH, DELETE on a member,
/// 5. [`Route::Pass`]: a search, discovery, or a path in `unprotected`,
/// 6. [`Route::Bulk`]: POST on `/Bulk`,
/// 7. [`Route::Unprotected`]: anything else.
#[must_use]
pub fn route(
    method: &Method,
    path: &str,
    prefix: &str,
    endpoints: &[Endpoint],
    unprotected: &[PathBelow],
) -> Route {
    // Judged before the base path is: `/scim/../scim/v2/Users` is not elsewhere, it is nonsense. A reader, too, stays below
    // the base: what lies beside it is not the gateway's to give.
    if has_dot_segment(path) {
        return Route::Malformed(DOT_SEGMENT);
    }
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
        ("POST", ["Bulk"]) => Route::Bulk,
        _ => Route::Unprotected,
    }
}

/// Says if `path`, counted from the base, is one of the paths in `unprotected` or below one.
#[must_use]
pub fn named(path: &str, unprotected: &[PathBelow]) -> bool {
    unprotected.iter().any(|PathBelow(named)| {
        path.strip_prefix(named.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// A path counted from the base of a service, such as `/Bulk`: neither the base itself nor one that nothing can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathBelow(String);

impl PathBelow {
    /// Reads a path. The slash before it may be missing, and one at its end does not matter.
    ///
    /// # Errors
    ///
    /// A sentence: it is empty, can be read in two ways, has a query, or begins with the path of `base` itself.
    pub fn new(path: &str, base: &Base) -> Result<Self, String> {
        let bare = path.strip_prefix('/').unwrap_or(path);
        let path = format!("/{}", bare.strip_suffix('/').unwrap_or(bare));
        if path == "/" {
            return Err(
                "would let every unknown change through; name a path, such as `/Bulk`".into()
            );
        }
        if path.contains(['?', '#']) {
            return Err("a path has no query and no fragment".into());
        }
        segments(&path).map_err(str::to_owned)?;
        let prefix = base.prefix();
        let below = path.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        match below.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            Some(rest) => Err(format!("is counted from the base `{prefix}`; write `{rest}`")),
            None => Ok(Self(path)),
        }
    }
}

/// What describes a service (RFC 7644 section 4): writing to it is the target's to refuse.
const DISCOVERY: [&str; 3] = ["ServiceProviderConfig", "ResourceTypes", "Schemas"];

#[cfg(test)]
mod tests {
    use replaysafe::target::upstream::{Roots, Upstream};

    use super::*;

    fn check(request: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let endpoint = |resource_type: &str, path: &str| Endpoint {
            resource_type: resource_type.into(),
            path: path.into(),
        };
        let endpoints = [endpoint("User", "Users"), endpoint("Group", "Groups")];
        let method = method.parse().unwrap();
        let given = match route(&method, path, "/scim/v2", &endpoints, &[PathBelow("/Raw".into())])
        {
            Route::Protect { method, resource_type, id } => {
                format!("{method:?} {resource_type} {}", id.unwrap_or_default())
            }
            Route::Malformed(_) => "malformed".to_owned(),
            Route::Pass => "Pass".to_owned(),
            Route::PassConfiguration => "PassConfiguration".to_owned(),
            Route::Bulk => "Bulk".to_owned(),
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
        check("POST /scim/v2/Bulk", "Bulk");
    }

    #[test]
    fn reads_searches_and_discovery_pass() {
        check("GET /scim/v2/Users//x/...%2f;a..%zz%ff", "Pass");
        check("HEAD /scim/v2", "Pass");
        check("GET /scim/v2/ServiceProviderConfig", "PassConfiguration");
        check("POST /scim/v2/.search", "Pass");
        check("POST /scim/v2/Users/.search", "Pass");
        check("DELETE /scim/v2/Schemas/urn:x", "Pass");
        check("POST /scim/v2/Raw/x", "Pass");
    }

    #[test]
    fn what_would_change_something_unprotected_goes_nowhere() {
        check("PUT /scim/v2/Bulk", "Unprotected");
        check("POST /scim/v2/Bulk/1", "Unprotected");
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

    /// Whoever reads, too, stays below the base, however the target undoes the path.
    #[test]
    fn a_dot_segment_is_malformed_for_every_method() {
        for path in [
            "/scim/v2/../admin",
            "/scim/v2/%2e%2e/admin",
            "/scim/v2/Users/..%2f..%2fadmin",
            "/scim/v2/Users/%2E.",
            "/scim/v2/./Users",
            "/scim/v2/Users/..;x=1/1",
            "/scim/v2/..\\admin",
            "/scim/v2/Users/%2e%5cadmin",
            "/scim/v2/%ff/../admin",
            "/../scim/v2/Users",
        ] {
            for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "TRACE"] {
                check(&format!("{method} {path}"), "malformed");
            }
        }
    }

    #[test]
    fn a_path_that_is_passed_is_one_below_the_base() {
        let base = Upstream::new("http://up/scim/v2", &Roots::System).unwrap();
        let check = |path: &str, expected: Option<&str>| {
            let given = PathBelow::new(path, base.base()).ok();
            assert_eq!(given, expected.map(|path| PathBelow(path.to_owned())), "{path}");
        };
        for path in ["/Bulk", "Bulk", "/Bulk/", "Bulk/"] {
            check(path, Some("/Bulk"));
        }
        check("/Users/1/activate", Some("/Users/1/activate"));
        check("/scim/v20", Some("/scim/v20"));
        for path in [
            "",
            "/",
            "//",
            "//Bulk",
            "/../x",
            "/a/%2e%2e",
            "/a;b",
            "/Bulk?x",
            "/Bulk#x",
            "http://up/scim/v2/Bulk",
            "/scim/v2/Bulk",
            "/scim/v2",
        ] {
            check(path, None);
        }
        let root = Upstream::new("http://up", &Roots::System).unwrap();
        assert_eq!(PathBelow::new("Bulk", root.base()), Ok(PathBelow("/Bulk".to_owned())));
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
