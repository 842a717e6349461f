//! Listings: what does one page of a `ListResponse` hold, and when have all pages come?
//!
//! Source: RFC 7644 section 3.4.2.

use std::collections::BTreeSet;

use replaysafe_json::{Limits, Value, canonical, parse};

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `totalResults`; a list that is given by cursors may leave it out.
    pub(crate) total: Option<usize>,
    /// `nextCursor` (RFC 9865).
    pub(crate) cursor: Option<String>,
    /// The resources as documents, each with what tells it from others.
    pub(crate) resources: Vec<(String, String)>,
}

/// Reads a page; none if it is no `ListResponse`.
pub(crate) fn page(body: &[u8]) -> Option<Page> {
    let value = parse(body, &Limits::answer()).ok()?;
    let total = match value.find("totalResults") {
        Some(total) => Some(usize::try_from(total.as_number()?.as_u64()?).ok()?),
        None => None,
    };
    let cursor = value.find("nextCursor").and_then(Value::as_str);
    let resources = match value.find("Resources") {
        Some(Value::Array(items)) => items.as_slice(),
        // RFC 7644 section 3.4.2: required only if `totalResults` is not zero.
        Some(Value::Null) | None if total == Some(0) => &[],
        Some(_) | None => return None,
    };
    if resources.iter().any(|resource| resource.as_object().is_none()) {
        return None;
    }
    let resources = resources.iter().map(|resource| {
        let document = canonical(resource);
        let id = resource.find("id").and_then(Value::as_str);
        let id = id.map_or_else(|| document.clone(), str::to_owned);
        (id, document)
    });
    Some(Page { total, cursor: cursor.map(str::to_owned), resources: resources.collect() })
}

/// The body is JSON text.
pub(crate) fn is_json(body: &[u8]) -> bool {
    parse(body, &Limits::answer()).is_ok()
}

/// Pages that came, each resource counted once.
#[derive(Debug)]
pub(crate) struct Pages {
    seen: BTreeSet<String>,
    total: Option<usize>,
    most: usize,
}

/// Where a listing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The next page begins here, counted from 1.
    Next(usize),
    /// All resources came.
    Complete,
    /// Its total has changed since the page before: a resource may have slipped from one page to another between two
    /// questions. Asked again later, it may be steady.
    Unsteady,
    /// It cannot be completed: the target's figures contradict what it sends, or it holds too much.
    Hopeless,
}

impl Pages {
    /// None yet, of a list of so many resources at most.
    pub(crate) fn up_to(most: usize) -> Self {
        Self { seen: BTreeSet::new(), total: None, most }
    }

    /// The documents of a page that have not come before.
    pub(crate) fn new_of(&mut self, page: Page) -> Vec<String> {
        let new = page.resources.into_iter().filter(|(id, _)| self.seen.insert(id.clone()));
        new.map(|(_, document)| document).collect()
    }

    /// Takes a page; gives the documents that are new, and how to go on.
    pub(crate) fn take(&mut self, page: Page) -> (Vec<String>, Progress) {
        let Some(total) = page.total else { return (Vec::new(), Progress::Hopeless) };
        let steady = self.total.is_none_or(|before| before == total);
        self.total = Some(total);
        let new = self.new_of(page);
        let progress = match self.seen.len() {
            _ if total > self.most => Progress::Hopeless,
            _ if !steady => Progress::Unsteady,
            count if count > total => Progress::Hopeless,
            count if count == total => Progress::Complete,
            _ if new.is_empty() => Progress::Hopeless,
            count => Progress::Next(count + 1),
        };
        (new, progress)
    }
}

/// How many resources are read to prove an absence (S14): at 100 a page, 100 calls.
pub(crate) const RESOURCES_MAX: usize = 10_000;
/// How many resources are asked for at a time: what targets commonly allow, and what Okta asks for.
pub(crate) const PAGE_SIZE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pages: &[(&str, Progress)]) {
        let mut taken = Pages::up_to(RESOURCES_MAX);
        for (body, expected) in pages {
            assert_eq!(&taken.take(page(body.as_bytes()).unwrap()).1, expected, "{body}");
        }
    }

    #[test]
    fn a_listing_is_complete_once_its_total_has_come() {
        check(&[(r#"{"totalResults":0}"#, Progress::Complete)]);
        check(&[
            (r#"{"totalResults":2,"Resources":[{"id":"1"}]}"#, Progress::Next(2)),
            (r#"{"totalResults":2,"Resources":[{"id":"2"}]}"#, Progress::Complete),
        ]);
    }

    #[test]
    fn a_listing_that_repeats_itself_or_changes_its_total_proves_nothing() {
        check(&[
            (r#"{"totalResults":2,"Resources":[{"id":"1"}]}"#, Progress::Next(2)),
            (r#"{"totalResults":2,"Resources":[{"id":"1"}]}"#, Progress::Hopeless),
        ]);
        check(&[
            (r#"{"totalResults":2,"Resources":[{"id":"1"}]}"#, Progress::Next(2)),
            (r#"{"totalResults":3,"Resources":[{"id":"2"}]}"#, Progress::Unsteady),
        ]);
        check(&[(r#"{"totalResults":1,"Resources":[{"id":"1"},{"id":"2"}]}"#, Progress::Hopeless)]);
    }

    #[test]
    fn what_is_no_list_response_is_no_page() {
        let odd = r#"{"totalResults":1,"Resources":["x"]}"#;
        for body in ["<html>", "[]", "{}", r#"{"totalResults":1}"#, r#"{"totalResults":"1"}"#, odd]
        {
            assert_eq!(page(body.as_bytes()), None, "{body}");
        }
    }
}
