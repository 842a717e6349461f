//! `docs/limits.md` against the code: each limit is there under its name, and has its number. No page says another.

use std::{fs, path::Path};

use super::docs::{pages, root};

#[test]
fn every_limit_of_the_page_is_one_of_the_code() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let (mut place, mut compared) = (String::new(), 0);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            place = quoted(heading).into_iter().next().unwrap_or_default();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, limit, number, _, _] = cells.as_slice() else { continue };
        let quantities: Vec<Quantity> = number.split(", ").filter_map(Quantity::read).collect();
        let words = quoted(limit);
        let (names, places): (Vec<_>, Vec<_>) =
            words.into_iter().partition(|word| !word.contains('/'));
        let names: Vec<_> = names.iter().filter(|name| !name.contains('-')).collect();
        let code = code_in(&root().join(places.first().unwrap_or(&place)));
        for (at, name) in names.iter().enumerate() {
            // One number may be that of several.
            let quantity = quantities.get(at).or(quantities.last());
            let quantity = quantity.unwrap_or_else(|| panic!("no number: {line}"));
            let values = values(name, &code);
            assert!(!values.is_empty(), "`{name}` is not in {place}: {line}");
            assert!(
                values.iter().any(|value| quantity.is(*value)),
                "`{name}` is {values:?} in the code, and {quantity:?} on the page"
            );
            compared += 1;
        }
    }
    assert!(90 < compared, "the page has more limits than {compared}");
}

/// How much something may have is said in `docs/limits.md`; where another page says so many bytes, that page has them too.
#[test]
fn no_other_page_has_a_size_of_its_own() {
    let limits = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let limits = sizes(&limits);
    let mut compared = 0;
    // What was measured is no limit.
    let own = |page: &Path| page.ends_with("limits.md") || page.ends_with("performance.md");
    for page in pages().into_iter().filter(|page| !own(page)) {
        for size in sizes(&fs::read_to_string(&page).unwrap()) {
            assert!(limits.contains(&size), "{}: `{size}` is no limit", page.display());
            compared += 1;
        }
    }
    assert!(5 < compared, "the pages have more sizes than {compared}");
    assert_eq!(sizes("a 256 MiB, and (4\nKiB)"), ["256 MiB", "4 KiB"]);
}

/// Numbers of bytes: `256 MiB`.
fn sizes(text: &str) -> Vec<String> {
    let words: Vec<&str> =
        text.split([' ', '\n', '(', '|']).filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).filter_map(|pair| {
        let unit = pair[1].get(..3).filter(|unit| ["KiB", "MiB", "GiB"].contains(unit))?;
        let number: f64 = pair[0].replace(',', "").parse().ok()?;
        Some(format!("{number} {unit}"))
    });
    pairs.collect()
}

#[test]
fn numbers_are_read_as_they_are_written() {
    let page = |text: &str, value: Value| {
        assert!(Quantity::read(text).is_some_and(|quantity| quantity.is(value)), "{text}");
    };
    page("10,000 an object", Value::Plain(10_000));
    page("16 MiB", Value::Plain(16 << 20));
    page("1.5 s", Value::Milliseconds(1_500));
    page("10 minutes", Value::Plain(600_000));
    page("a day", Value::Plain(86_400));
    assert!(!Quantity::read("2 s").unwrap().is(Value::Milliseconds(2)));
    assert!(Quantity::read("Group only").is_none());
    let code = "const A: u64 = 7 * 24 * 3_600_000;\nconst B: Duration = C + Duration::from_secs(5);\n\
                const C: Duration = Duration::from_millis(250);\n  drain: B,\nconst D: usize = 16 << 10;";
    let check = |name: &str, value: Value| assert_eq!(values(name, code), [value], "{name}");
    check("A", Value::Plain(604_800_000));
    check("B", Value::Milliseconds(5_250));
    check("drain", Value::Milliseconds(5_250));
    check("D", Value::Plain(16_384));
    assert!(values("E", code).is_empty());
}

/// A number of the page with its unit.
#[derive(Clone, Copy, Debug)]
struct Quantity {
    thousandths: u64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// A number of things, or of bytes.
    One,
    /// In milliseconds.
    Time,
}

impl Quantity {
    /// None of a text that does not begin with a number.
    fn read(text: &str) -> Option<Self> {
        let text = text.replacen("a day", "1 days", 1);
        let (number, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let number: f64 = number.replace(',', "").parse().ok()?;
        let (factor, unit) = match rest.split([' ', ':', ';', '/']).next().unwrap_or_default() {
            "KiB" => (1_024.0, Unit::One),
            "MiB" => (1_048_576.0, Unit::One),
            "ms" => (1.0, Unit::Time),
            "s" | "second" | "seconds" => (1e3, Unit::Time),
            "minute" | "minutes" => (6e4, Unit::Time),
            "hour" | "hours" => (3.6e6, Unit::Time),
            "days" => (8.64e7, Unit::Time),
            _ => (1.0, Unit::One),
        };
        let thousandths = format!("{:.0}", number * factor * 1e3).parse().ok()?;
        Some(Self { thousandths, unit })
    }

    fn is(self, value: Value) -> bool {
        match (self.unit, value) {
            (Unit::One, Value::Plain(value)) => self.thousandths == value * 1_000,
            (Unit::Time, Value::Milliseconds(value)) => self.thousandths == value * 1_000,
            // Milliseconds or seconds, as its name says.
            (Unit::Time, Value::Plain(value)) => {
                [value * 1_000, value * 1_000_000].contains(&self.thousandths)
            }
            (Unit::One, Value::Milliseconds(_)) => false,
        }
    }
}

/// A number of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Plain(u64),
    Milliseconds(u64),
}

impl Value {
    fn both(self, other: Self, join: fn(u64, u64) -> u64) -> Self {
        match (self, other) {
            (Self::Plain(one), Self::Plain(two)) => Self::Plain(join(one, two)),
            (
                Self::Plain(one) | Self::Milliseconds(one),
                Self::Plain(two) | Self::Milliseconds(two),
            ) => Self::Milliseconds(join(one, two)),
        }
    }
}

/// What `name` is set to as a constant, or as a member of options.
fn values(name: &str, code: &str) -> Vec<Value> {
    let constant = format!("const {name}:");
    let member = format!("{name}:");
    let lines = code.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let line = line.trim_start_matches("pub(super) ");
        match line.strip_prefix(&constant) {
            Some(rest) => rest.split_once('=')?.1.trim().strip_suffix(';'),
            None => line.strip_prefix(&member)?.trim().strip_suffix(','),
        }
    });
    lines.filter_map(|expression| shifted(expression, code)).collect()
}

/// A sum, shifted or not. No expression here has parentheses but those of a call.
fn shifted(expression: &str, code: &str) -> Option<Value> {
    let Some((left, right)) = expression.split_once("<<") else { return sum(expression, code) };
    Some(sum(left, code)?.both(sum(right, code)?, |left, right| left << right))
}

fn sum(expression: &str, code: &str) -> Option<Value> {
    let values = expression.split(" + ").map(|term| product(term, code));
    values.reduce(|one, two| Some(one?.both(two?, |one, two| one + two)))?
}

fn product(expression: &str, code: &str) -> Option<Value> {
    let values = expression.split(" * ").map(|factor| atom(factor.trim(), code));
    values.reduce(|one, two| Some(one?.both(two?, |one, two| one * two)))?
}

fn atom(text: &str, code: &str) -> Option<Value> {
    let call = |function: &str| text.strip_suffix(')')?.split_once(function).map(|(_, rest)| rest);
    let number = |text: &str| text.replace('_', "").parse::<u64>().ok();
    if let Some(seconds) = call("from_secs(").and_then(number) {
        return Some(Value::Milliseconds(seconds * 1_000));
    }
    if let Some(milliseconds) = call("from_millis(").and_then(number) {
        return Some(Value::Milliseconds(milliseconds));
    }
    if let Some(name) = text.strip_prefix("Limits::") {
        return values(name, &code_in(&root().join("guest/json"))).first().copied();
    }
    number(text).map(Value::Plain).or_else(|| {
        let named = !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        values(text, code).first().copied().filter(|_| named)
    })
}

/// All that is written in a file, or in the files of a folder, but for tests.
fn code_in(place: &Path) -> String {
    let mut files = vec![place.to_owned()];
    let mut code = String::new();
    while let Some(file) = files.pop() {
        if file.is_dir() {
            let inside = fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path());
            files.extend(inside.filter(|path| !path.ends_with("tests")));
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&file).unwrap());
            code.push('\n');
        }
    }
    assert!(!code.is_empty(), "{} holds no code", place.display());
    code
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
