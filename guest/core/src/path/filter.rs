//! Value filters: does an element match (RFC 7644 §3.4.2.2)?

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::{cmp::Ordering, fmt, iter::Peekable, str::CharIndices};

use replaysafe_json::{Limits, Value, parse};

use super::attribute_name;
use crate::{reading::contains, spelling, unicode};

/// A filter on the elements of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// One holds.
    Or(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The sub-attribute has a value.
    Present(String),
    /// The sub-attribute compares so with a value.
    Compare(String, Comparison, Value),
}

/// How a sub-attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

const COMPARISONS: [(&str, Comparison); 9] = [
    ("eq", Comparison::Equal),
    ("ne", Comparison::NotEqual),
    ("co", Comparison::Contains),
    ("sw", Comparison::StartsWith),
    ("ew", Comparison::EndsWith),
    ("gt", Comparison::Greater),
    ("ge", Comparison::GreaterOrEqual),
    ("lt", Comparison::Less),
    ("le", Comparison::LessOrEqual),
];

/// How deep parentheses and `not` may nest: as deep as JSON may.
const DEPTH: usize = Limits::DEPTH;

/// How many operators a filter may have: a filter that lists 100 ids has 199.
const OPERATORS: usize = 256;

impl Filter {
    /// Reads what stands between the brackets; none where it cannot be read.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens: tokens.into_iter().peekable(), operators: 0 };
        let filter = parser.any_of(DEPTH)?;
        parser.tokens.next().is_none().then_some(filter)
    }

    /// Whether `element` matches; none where that cannot be said.
    ///
    /// `case_exact` says of a sub-attribute whether letter case matters. An element that is no object counts as its own `value`.
    #[must_use]
    pub fn matches(&self, element: &Value, case_exact: &dyn Fn(&str) -> bool) -> Option<bool> {
        match self {
            Self::And(left, right) => {
                match (left.matches(element, case_exact), right.matches(element, case_exact)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    (None, _) | (_, None) => None,
                }
            }
            Self::Or(left, right) => {
                match (left.matches(element, case_exact), right.matches(element, case_exact)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    (None, _) | (_, None) => None,
                }
            }
            Self::Not(inner) => inner.matches(element, case_exact).map(|holds| !holds),
            Self::Present(name) => Some(
                part(element, name)
                    .is_some_and(|value| !value.is_null() && *value != Value::Array(Vec::new())),
            ),
            Self::Compare(name, how, with) => {
                compare(part(element, name), *how, with, case_exact(name))
            }
        }
    }

    /// The equalities that together are this filter; none where it says something else.
    #[must_use]
    pub fn equalities(&self) -> Option<Vec<(&str, &Value)>> {
        match self {
            Self::And(left, right) => {
                let mut all = left.equalities()?;
                all.extend(right.equalities()?);
                Some(all)
            }
            Self::Compare(name, Comparison::Equal, value) => {
                Some(alloc::vec![(name.as_str(), value)])
            }
            Self::Compare(..) | Self::Or(..) | Self::Not(_) | Self::Present(_) => None,
        }
    }

    /// The text in `value eq "text"`, where that is the whole filter.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Compare(name, Comparison::Equal, value) if name.eq_ignore_ascii_case("value") => {
                value.as_str()
            }
            Self::Compare(..) | Self::And(..) | Self::Or(..) | Self::Not(_) | Self::Present(_) => {
                None
            }
        }
    }
}

/// One spelling: names and operators in lower case, parentheses around every pair.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(left, right) => write!(f, "({left} and {right})"),
            Self::Or(left, right) => write!(f, "({left} or {right})"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Present(name) => write!(f, "{} pr", name.to_ascii_lowercase()),
            Self::Compare(name, how, value) => {
                let spelled = COMPARISONS.iter().find(|(_, of)| of == how).map_or("", |(op, _)| op);
                write!(f, "{} {spelled} {value}", name.to_ascii_lowercase())
            }
        }
    }
}

fn part<'a>(element: &'a Value, name: &str) -> Option<&'a Value> {
    if element.as_object().is_none() {
        return name.eq_ignore_ascii_case("value").then_some(element);
    }
    element.find(name)
}

fn compare(found: Option<&Value>, how: Comparison, with: &Value, case_exact: bool) -> Option<bool> {
    let found = found.filter(|value| !value.is_null());
    let Some(found) = found else {
        // RFC 7644 §3.4.2.2: an attribute without value equals only `null`.
        return Some(match how {
            Comparison::Equal => with.is_null(),
            Comparison::NotEqual => !with.is_null(),
            Comparison::Contains
            | Comparison::StartsWith
            | Comparison::EndsWith
            | Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::Less
            | Comparison::LessOrEqual => false,
        });
    };
    match how {
        Comparison::Equal => Some(equal(found, with, case_exact)),
        Comparison::NotEqual => Some(!equal(found, with, case_exact)),
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => {
            let (text, part) = (folded(found, case_exact)?, folded(with, case_exact)?);
            Some(if how == Comparison::Contains {
                contains(&text, &part)
            } else if how == Comparison::StartsWith {
                text.starts_with(&part)
            } else {
                text.ends_with(&part)
            })
        }
        Comparison::Greater => Some(order(found, with, case_exact)? == Ordering::Greater),
        Comparison::GreaterOrEqual => Some(order(found, with, case_exact)? != Ordering::Less),
        Comparison::Less => Some(order(found, with, case_exact)? == Ordering::Less),
        Comparison::LessOrEqual => Some(order(found, with, case_exact)? != Ordering::Greater),
    }
}

fn equal(found: &Value, with: &Value, case_exact: bool) -> bool {
    if let (Value::Bool(found), Value::String(text)) = (found, with) {
        return spelling::truth(text) == Some(*found);
    }
    match (folded(found, case_exact), folded(with, case_exact)) {
        (Some(left), Some(right)) => left == right,
        _ => found == with,
    }
}

fn folded(value: &Value, case_exact: bool) -> Option<String> {
    let text = value.as_str()?;
    Some(if case_exact { text.to_owned() } else { unicode::lower(text) })
}

fn order(found: &Value, with: &Value, case_exact: bool) -> Option<Ordering> {
    match (found, with) {
        (Value::String(_), Value::String(_)) => {
            Some(folded(found, case_exact)?.cmp(&folded(with, case_exact)?))
        }
        (Value::Number(left), Value::Number(right)) => Some(left.as_i64()?.cmp(&right.as_i64()?)),
        _ => None,
    }
}

enum Token {
    Open,
    Close,
    Word(String),
    Quoted(Value),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, character)) = characters.next() {
        match character {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '"' => {
                let end = quoted_end(&mut characters)?;
                let value = parse(text.get(start..end)?.as_bytes(), &Limits::default()).ok()?;
                tokens.push(Token::Quoted(value));
            }
            _ if character.is_whitespace() => {}
            _ => {
                let end = word_end(&mut characters).unwrap_or(text.len());
                tokens.push(Token::Word(text.get(start..end)?.to_owned()));
            }
        }
    }
    Some(tokens)
}

fn quoted_end(characters: &mut Peekable<CharIndices<'_>>) -> Option<usize> {
    let mut escaped = false;
    for (position, character) in characters {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(position + 1),
            _ => {}
        }
    }
    None
}

fn word_end(characters: &mut Peekable<CharIndices<'_>>) -> Option<usize> {
    loop {
        let (position, character) = *characters.peek()?;
        if character.is_whitespace() || matches!(character, '(' | ')' | '"') {
            return Some(position);
        }
        characters.next();
    }
}

struct Parser {
    tokens: Peekable<alloc::vec::IntoIter<Token>>,
    operators: usize,
}

impl Parser {
    fn any_of(&mut self, depth: usize) -> Option<Filter> {
        let mut filter = self.all_of(depth)?;
        while self.takes_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.all_of(depth)?));
        }
        Some(filter)
    }

    fn all_of(&mut self, depth: usize) -> Option<Filter> {
        let mut filter = self.one(depth)?;
        while self.takes_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one(depth)?));
        }
        Some(filter)
    }

    fn one(&mut self, depth: usize) -> Option<Filter> {
        let deeper = depth.checked_sub(1)?;
        self.operators += 1;
        if OPERATORS < self.operators {
            return None;
        }
        match self.tokens.next()? {
            Token::Open => self.closed(deeper),
            Token::Word(word) if word.eq_ignore_ascii_case("not") => {
                matches!(self.tokens.next()?, Token::Open).then_some(())?;
                Some(Filter::Not(Box::new(self.closed(deeper)?)))
            }
            Token::Word(word) => self.comparison(&word),
            Token::Close | Token::Quoted(_) => None,
        }
    }

    fn closed(&mut self, depth: usize) -> Option<Filter> {
        let filter = self.any_of(depth)?;
        matches!(self.tokens.next()?, Token::Close).then_some(filter)
    }

    fn comparison(&mut self, name: &str) -> Option<Filter> {
        let name = attribute_name(name)?;
        let Token::Word(operator) = self.tokens.next()? else { return None };
        if operator.eq_ignore_ascii_case("pr") {
            return Some(Filter::Present(name));
        }
        let mut known = COMPARISONS.iter();
        let (_, how) = known.find(|(spelled, _)| operator.eq_ignore_ascii_case(spelled))?;
        let value = match self.tokens.next()? {
            Token::Quoted(value) => value,
            Token::Word(word) => literal(&word)?,
            Token::Open | Token::Close => return None,
        };
        Some(Filter::Compare(name, *how, value))
    }

    fn takes_word(&mut self, expected: &str) -> bool {
        let is = |token: &Token| match token {
            Token::Word(word) => word.eq_ignore_ascii_case(expected),
            Token::Open | Token::Close | Token::Quoted(_) => false,
        };
        self.tokens.next_if(is).is_some()
    }
}

/// `true`, `false`, `null` or a number; `True` and `False` as some clients write them.
fn literal(word: &str) -> Option<Value> {
    if let Some(truth) = spelling::truth(word) {
        return Some(Value::Bool(truth));
    }
    match parse(word.as_bytes(), &Limits::default()).ok()? {
        value @ (Value::Null | Value::Number(_)) => Some(value),
        Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const WORK: &str = r#"{"type":"work","value":"Ann@x","primary":true,"rank":3}"#;

    #[test]
    fn a_filter_has_so_many_operators_and_no_more() {
        let of = |count| Filter::read(&alloc::vec!["value pr"; count].join(" or "));
        assert!(of(OPERATORS).is_some() && of(OPERATORS + 1).is_none());
    }

    #[test]
    fn each_operator_compares_as_rfc_7644_says() {
        check("type eq \"Work\"", "yes");
        check("type ne \"work\"", "no");
        check("value co \"n@\"", "yes");
        check("value sw \"Ann\"", "yes");
        check("value ew \"@y\"", "no");
        check("display pr", "no");
        check("type pr", "yes");
        check("rank gt 2", "yes");
        check("rank le 2", "no");
        check("rank ge 3 and rank lt 4", "yes");
        check("primary eq true", "yes");
        check("display eq null", "yes");
    }

    #[test]
    fn names_and_operators_ignore_letter_case_and_exact_values_do_not() {
        check("TYPE Eq \"work\"", "yes");
        check("value eq \"ann@x\"", "no");
    }

    /// RFC 7644 §3.4.2.2: `not` binds before `and`, and `and` before `or`.
    #[test]
    fn precedence_is_not_then_and_then_or() {
        check("rank eq 3 or rank eq 4 and rank eq 5", "yes");
        check("(rank eq 3 or rank eq 4) and rank eq 5", "no");
        check("not (rank eq 3) or type eq \"work\"", "yes");
    }

    /// peers.md §5, no 4.
    #[test]
    fn a_boolean_may_be_written_as_a_text() {
        check("primary eq \"True\"", "yes");
        check("primary eq False", "no");
    }

    #[test]
    fn what_cannot_be_compared_is_not_guessed() {
        check("primary gt true", "unknown");
        check("primary gt true and type eq \"home\"", "no");
        check("primary gt true or type eq \"work\"", "yes");
        check("rank co \"3\"", "unknown");
    }

    #[test]
    fn what_cannot_be_read_gives_none() {
        let deep = format!("{}a pr{}", "(".repeat(40), ")".repeat(40));
        let long = ["a pr"; 300].join(" or ");
        for text in [
            "", "a", "a eq", "a eq b", "a xx 1", "(a pr", "a pr)", "not a pr", "a eq \"x",
            "a.b eq 1", &deep, &long,
        ] {
            assert_eq!(Filter::read(text), None, "{text}");
        }
    }

    fn check(text: &str, expected: &str) {
        let element = parse(WORK.as_bytes(), &Limits::default()).expect("valid");
        let filter = Filter::read(text).expect("readable");
        let matches = filter.matches(&element, &|name| name == "value");
        let shown = match matches {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        assert_eq!(shown, expected, "{text}");
    }
}
