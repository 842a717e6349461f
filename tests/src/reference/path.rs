//! Where does a PATCH operation point? Paths and value filters, RFC 7644 §3.5.2 and §3.4.2.2.

use serde_json::{Map, Value};

use super::facts::{self, Kind};

/// A path that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The extension's URN; none for the core schema.
    pub urn: Option<&'static str>,
    /// The attribute; none for a whole extension.
    pub attribute: Option<(&'static str, Kind)>,
    /// Which of its values.
    pub filter: Option<Filter>,
    /// Which part.
    pub part: Option<String>,
}

/// A value filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// One holds.
    Or(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The part has a value.
    Present(String),
    /// The part compares so with the value.
    Compare(String, String, Value),
}

/// Reads a path; none where it cannot be understood.
#[must_use]
pub fn read(resource_type: &str, text: &str) -> Option<Path> {
    let (urn, rest) = facts::split_urn(resource_type, text).unwrap_or((None, text));
    if rest.is_empty() {
        return urn.map(|urn| Path { urn: Some(urn), attribute: None, filter: None, part: None });
    }
    let (name, rest) = match rest.find(['[', '.']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let attribute = facts::attribute(resource_type, urn, name)?;
    let (filter, rest) = match rest.strip_prefix('[') {
        Some(inner) => {
            // A bracket cannot stand outside a string in a filter: the last one closes it.
            let end = inner.rfind(']')?;
            (Some(read_filter(inner.get(..end)?)?), inner.get(end + 1..)?)
        }
        None => (None, rest),
    };
    let part = match rest.strip_prefix('.') {
        Some(part) if !part.is_empty() && !part.contains('.') => Some(facts::part(part)),
        None if rest.is_empty() => None,
        _ => return None,
    };
    Some(Path { urn, attribute: Some(attribute), filter, part })
}

fn read_filter(text: &str) -> Option<Filter> {
    let words = words(text)?;
    let mut words = words.as_slice();
    let filter = read_or(&mut words)?;
    words.is_empty().then_some(filter)
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    Open,
    Close,
    Bare(String),
    Json(Value),
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' => {
                words.push(if first == '(' { Word::Open } else { Word::Close });
                1
            }
            '"' => {
                let mut escaped = false;
                let inside = |c: char| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                };
                let end = rest.get(1..)?.find(inside)? + 2;
                words.push(Word::Json(serde_json::from_str(rest.get(..end)?).ok()?));
                end
            }
            _ => {
                let end = rest.find([' ', '(', ')', '"']).unwrap_or(rest.len());
                let bare = rest.get(..end)?;
                words.push(match bare.to_ascii_lowercase().as_str() {
                    "true" => Word::Json(Value::Bool(true)),
                    "false" => Word::Json(Value::Bool(false)),
                    "null" => Word::Json(Value::Null),
                    _ => Word::Bare(bare.to_owned()),
                });
                end
            }
        };
        rest = rest.get(end..)?.trim_start();
    }
    Some(words)
}

fn keyword(words: &mut &[Word], wanted: &str) -> bool {
    let found =
        matches!(words.first(), Some(Word::Bare(word)) if word.eq_ignore_ascii_case(wanted));
    if found {
        *words = words.get(1..).unwrap_or_default();
    }
    found
}

fn read_or(words: &mut &[Word]) -> Option<Filter> {
    let mut left = read_and(words)?;
    while keyword(words, "or") {
        left = Filter::Or(Box::new(left), Box::new(read_and(words)?));
    }
    Some(left)
}

fn read_and(words: &mut &[Word]) -> Option<Filter> {
    let mut left = read_one(words)?;
    while keyword(words, "and") {
        left = Filter::And(Box::new(left), Box::new(read_one(words)?));
    }
    Some(left)
}

fn read_one(words: &mut &[Word]) -> Option<Filter> {
    if keyword(words, "not") {
        return Some(Filter::Not(Box::new(read_one(words)?)));
    }
    let (first, rest) = words.split_first()?;
    *words = rest;
    match first {
        Word::Open => {
            let inner = read_or(words)?;
            let (close, rest) = words.split_first()?;
            *words = rest;
            (*close == Word::Close).then_some(inner)
        }
        Word::Bare(name) => {
            let name = facts::part(name);
            if keyword(words, "pr") {
                return Some(Filter::Present(name));
            }
            let [Word::Bare(operator), Word::Json(value), rest @ ..] = *words else { return None };
            *words = rest;
            Some(Filter::Compare(name, operator.to_ascii_lowercase(), value.clone()))
        }
        Word::Close | Word::Json(_) => None,
    }
}

impl Filter {
    /// Whether a value is meant. `exact` says whether letter case of `value` counts.
    #[must_use]
    pub fn takes(&self, item: &Map<String, Value>, exact: bool) -> bool {
        match self {
            Self::And(left, right) => left.takes(item, exact) && right.takes(item, exact),
            Self::Or(left, right) => left.takes(item, exact) || right.takes(item, exact),
            Self::Not(inner) => !inner.takes(item, exact),
            Self::Present(name) => item.get(name).is_some_and(|value| !value.is_null()),
            Self::Compare(name, operator, wanted) => {
                let found = item.get(name).cloned().unwrap_or_default();
                let exact = exact && name == "value";
                let fold = |value: &Value| match value.as_str() {
                    Some(text) if !exact => Value::String(text.to_lowercase()),
                    _ => value.clone(),
                };
                let (found, wanted) = (fold(&found), fold(wanted));
                let texts = found.as_str().zip(wanted.as_str());
                match operator.as_str() {
                    "eq" => found == wanted,
                    "ne" => found != wanted,
                    "co" => texts.is_some_and(|(found, wanted)| found.contains(wanted)),
                    "sw" => texts.is_some_and(|(found, wanted)| found.starts_with(wanted)),
                    "ew" => texts.is_some_and(|(found, wanted)| found.ends_with(wanted)),
                    "gt" => texts.is_some_and(|(found, wanted)| found > wanted),
                    "ge" => texts.is_some_and(|(found, wanted)| found >= wanted),
                    "lt" => texts.is_some_and(|(found, wanted)| found < wanted),
                    "le" => texts.is_some_and(|(found, wanted)| found <= wanted),
                    _ => false,
                }
            }
        }
    }
}
