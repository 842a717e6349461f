//! Does a resource match a filter? `eq`, `ne`, `pr`, `and`, `or` and `attribute[…]` of RFC 7644 §3.4.2.2.
//!
//! Parentheses, `not` and the orderings are absent: nothing here asks for them.

use serde_json::{Map, Value};

/// A filter that has been read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Equal(String, Value),
    Unequal(String, Value),
    Present(String),
    Within(String, Box<Filter>),
    Both(Box<Filter>, Box<Filter>),
    Either(Box<Filter>, Box<Filter>),
}

impl Filter {
    /// Reads a filter; none if it is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text)?.into_iter().peekable();
        let mut any = None;
        loop {
            let mut all = Self::comparison(&mut words)?;
            while words.next_if(|word| word.eq_ignore_ascii_case("and")).is_some() {
                all = Self::Both(Box::new(all), Box::new(Self::comparison(&mut words)?));
            }
            any = Some(match any {
                None => all,
                Some(before) => Self::Either(Box::new(before), Box::new(all)),
            });
            match words.next() {
                None => return any,
                Some(word) if word.eq_ignore_ascii_case("or") => {}
                Some(_) => return None,
            }
        }
    }

    fn comparison(words: &mut impl Iterator<Item = String>) -> Option<Self> {
        let path = words.next()?;
        if let Some((attribute, inner)) = path.split_once('[') {
            let inner = inner.strip_suffix(']')?;
            return Some(Self::Within(attribute.to_owned(), Box::new(Self::parse(inner)?)));
        }
        let path = path.rsplit_once(':').map_or(path.as_str(), |(_, name)| name).to_owned();
        match words.next()?.to_ascii_lowercase().as_str() {
            "pr" => Some(Self::Present(path)),
            "eq" => Some(Self::Equal(path, serde_json::from_str(&words.next()?).ok()?)),
            "ne" => Some(Self::Unequal(path, serde_json::from_str(&words.next()?).ok()?)),
            _ => None,
        }
    }

    /// Whether `resource` matches.
    pub(super) fn matches(&self, resource: &Map<String, Value>) -> bool {
        match self {
            Self::Equal(path, value) => {
                let exact = EXACT.iter().any(|name| path.eq_ignore_ascii_case(name));
                values(resource, path).iter().any(|found| equal(found, value, exact))
            }
            Self::Unequal(path, value) => {
                !Self::Equal(path.clone(), value.clone()).matches(resource)
            }
            Self::Present(path) => values(resource, path).iter().any(|found| !found.is_null()),
            Self::Within(attribute, filter) => member(resource, attribute)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .any(|element| filter.matches(element)),
            Self::Both(left, right) => left.matches(resource) && right.matches(resource),
            Self::Either(left, right) => left.matches(resource) || right.matches(resource),
        }
    }
}

/// The member of this name, letter case ignored.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Attributes whose values are compared letter by letter.
const EXACT: &[&str] = &["id", "externalId", "value"];

fn equal(found: &Value, asked: &Value, exact: bool) -> bool {
    match (found, asked) {
        (Value::String(found), Value::String(asked)) if !exact => {
            found.to_lowercase() == asked.to_lowercase()
        }
        _ => found == asked,
    }
}

/// The values under a path; an array stands for each of its elements, and for their `value`.
fn values<'a>(resource: &'a Map<String, Value>, path: &str) -> Vec<&'a Value> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(found) = member(resource, name) else { return Vec::new() };
    let each = found.as_array().map_or_else(|| vec![found], |elements| elements.iter().collect());
    each.into_iter()
        .flat_map(|element| match (element.as_object(), rest) {
            (Some(object), Some(rest)) => values(object, rest),
            (Some(object), None) => member(object, "value").into_iter().collect(),
            (None, Some(_)) => Vec::new(),
            (None, None) => vec![element],
        })
        .collect()
}

/// Splits at blanks outside quotes and brackets; none if one of them stays open.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.checked_sub(1)?,
            ' ' if !quoted && depth == 0 => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    (!quoted && depth == 0).then_some(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_ignores_letter_case_but_for_ids() {
        check(r#"userName eq "ADA@example.org""#, Some(true));
        check(r#"externalId eq "E1""#, Some(false));
        check(r#"externalId eq "e1""#, Some(true));
    }

    #[test]
    fn and_binds_closer_than_or() {
        check(r#"userName eq "x" and active eq true or externalId eq "e1""#, Some(true));
        check(r#"externalId eq "e1" or userName eq "x" and active eq false"#, Some(true));
    }

    #[test]
    fn an_array_matches_where_one_element_does() {
        check(r#"emails[type eq "work" and value eq "a@x"]"#, Some(true));
        check(r#"emails.type eq "home""#, Some(false));
        check("nickName pr", Some(false));
    }

    #[test]
    fn what_is_not_understood_is_said_to_be_so() {
        check("userName eq jyoung", None);
        check(r#"userName co "a""#, None);
        check(r#"userName eq "a"#, None);
    }

    fn check(filter: &str, expected: Option<bool>) {
        let resource = json!({
            "userName": "ada@example.org", "externalId": "e1", "active": true,
            "emails": [{"value": "a@x", "type": "work"}]
        });
        let found =
            Filter::parse(filter).map(|filter| filter.matches(resource.as_object().unwrap()));
        assert_eq!(found, expected, "{filter}");
    }
}
