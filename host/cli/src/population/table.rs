//! Tables of resources: a CSV file (RFC 4180), one resource in each row, one attribute in each column.

use serde_json::{Map, Value, json};

/// What a column states.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    /// The URN of an extension, if the attribute is in one.
    urn: Option<String>,
    name: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// `userName`: the attribute itself.
    Whole,
    /// `name.givenName`: a part of it.
    Part(String),
    /// `emails[work]`: its value of this type.
    Typed(String),
    /// `roles[]`: its values, between semicolons.
    Several,
}

/// Reads a table; gives each row's line and what it states as a resource.
///
/// An empty cell states nothing.
///
/// # Errors
///
/// What cannot be read, with its line.
pub(super) fn read(text: &str) -> Result<Vec<(u64, Value)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let heads = rows.headers().map_err(|error| error.to_string())?.clone();
    let columns: Vec<Column> =
        heads.iter().map(column).collect::<Result<_, _>>().map_err(|what| match heads.len() {
            1 => format!("line 1: {what} (columns are separated by commas)"),
            _ => format!("line 1: {what}"),
        })?;
    for (at, one) in columns.iter().enumerate() {
        if let Some(other) = columns.iter().skip(at + 1).find(|other| one.contradicts(other)) {
            return Err(format!("line 1: several columns state `{}` as a whole", other.name));
        }
    }
    let mut resources = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|error| told(text, &error))?;
        let line = row.position().map_or(0, |at| line(text, at));
        let mut resource = Map::new();
        for (column, cell) in columns.iter().zip(&row) {
            let cell = cell.trim();
            if !cell.is_empty() {
                column.put(&mut resource, cell).map_err(|what| format!("line {line}: {what}"))?;
            }
        }
        if !resource.is_empty() {
            resources.push((line, Value::Object(resource)));
        }
    }
    Ok(resources)
}

/// The line of a position: behind a CR LF the reader stands before the LF.
fn line(text: &str, at: &csv::Position) -> u64 {
    let byte = usize::try_from(at.byte()).ok().and_then(|at| text.as_bytes().get(at));
    at.line() + u64::from(byte == Some(&b'\n'))
}

/// An error of the reader's, with its line first.
fn told(text: &str, error: &csv::Error) -> String {
    let line = error.position().map_or(0, |at| line(text, at));
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        return format!("line {line}: it has {len} cells, and the first line has {expected_len}");
    }
    format!("line {line}: {error}")
}

/// Reads the head of a column.
fn column(head: &str) -> Result<Column, String> {
    let head = head.trim();
    let unreadable = || {
        format!(
            "`{head}` names no attribute: write `userName`, `name.givenName`, `emails[work]`, `roles[]`, or one of these behind the URN of an extension and a colon"
        )
    };
    let urn = head.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    let (urn, rest) = match head.rsplit_once(':').filter(|_| urn) {
        Some((urn, rest)) => (Some(urn.to_owned()), rest),
        None => (None, head),
    };
    let (name, what) = match (rest.split_once('['), rest.split_once('.')) {
        (Some((name, "]")), _) => (name, What::Several),
        (Some((name, of)), _) => {
            let kind = of.strip_suffix(']').ok_or_else(unreadable)?;
            (name, What::Typed(kind.to_owned()))
        }
        (None, Some((name, part))) => (name, What::Part(part.to_owned())),
        (None, None) => (rest, What::Whole),
    };
    let kind = match &what {
        What::Whole | What::Several => name,
        What::Part(of) | What::Typed(of) => of,
    };
    // What ends in a version is the beginning of a schema's URN, which names no attribute.
    let cut = urn.as_deref().is_some_and(|urn| urn.ends_with(".0"));
    if !is_name(name) || !is_name(kind) || cut {
        return Err(unreadable());
    }
    // What the type itself has stands in no extension.
    let core = |urn: &String| urn.to_ascii_lowercase().contains(":core:");
    let urn = urn.filter(|urn| !core(urn));
    Ok(Column { urn, name: name.to_owned(), what })
}

/// RFC 7643 section 2.1: a letter, then letters, digits, `-` and `_`.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_')
}

impl Column {
    /// Whether another column leaves no room for this one.
    fn contradicts(&self, other: &Self) -> bool {
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let urn = |of: &Self| of.urn.as_deref().unwrap_or_default().to_ascii_lowercase();
        let apart = match (&self.what, &other.what) {
            (What::Part(one), What::Part(other)) => !same(one, other),
            (What::Typed(one), What::Typed(other)) => !same(one, other),
            (What::Whole | What::Several | What::Part(_) | What::Typed(_), _) => false,
        };
        urn(self) == urn(other) && same(&self.name, &other.name) && !apart
    }

    fn put(&self, resource: &mut Map<String, Value>, cell: &str) -> Result<(), String> {
        let mut holder = resource;
        if let Some(urn) = &self.urn {
            let Value::Object(extension) = holder.entry(urn.as_str()).or_insert_with(|| json!({}))
            else {
                return Ok(());
            };
            holder = extension;
        }
        let name = self.name.as_str();
        match &self.what {
            What::Whole => {
                holder.insert(name.to_owned(), scalar(name, cell)?);
            }
            What::Part(part) => {
                if let Value::Object(of) = holder.entry(name).or_insert_with(|| json!({})) {
                    of.insert(part.clone(), scalar(part, cell)?);
                }
            }
            What::Typed(kind) => {
                if let Value::Array(of) = holder.entry(name).or_insert_with(|| json!([])) {
                    of.push(json!({"value": cell, "type": kind}));
                }
            }
            What::Several => {
                let values = cell.split(';').map(str::trim).filter(|value| !value.is_empty());
                let values: Vec<Value> = values.map(|value| json!({ "value": value })).collect();
                if values.is_empty() {
                    return Err(format!("`{cell}` has no value of `{name}`: leave the cell empty"));
                }
                holder.insert(name.to_owned(), Value::Array(values));
            }
        }
        Ok(())
    }
}

/// A cell as the attribute has it: RFC 7643 has two whose values are true or false, and all else is text here.
fn scalar(name: &str, cell: &str) -> Result<Value, String> {
    if !["active", "primary"].iter().any(|of| name.eq_ignore_ascii_case(of)) {
        return Ok(Value::from(cell));
    }
    match cell.to_ascii_lowercase().as_str() {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => Err(format!("`{name}` is `true` or `false`, not `{cell}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    #[test]
    fn a_row_is_a_resource() {
        let text = format!(
            "\u{feff}externalId,userName,active,name.givenName,name.familyName,emails[work],emails[home],roles[],{ENTERPRISE}:department,{ENTERPRISE}:manager.value\r\n\
             4711,ada,TRUE,Ada,\"Love, lace\",a@x,b@x, admin ; reader;,Maths,externalId:12\r\n\
             ,bob,false,,,,,,,\n\
             ,,,,,,,,,\n"
        );
        let rows = read(&text).unwrap();
        assert_eq!(
            rows,
            [
                (
                    2,
                    json!({
                        "externalId": "4711", "userName": "ada", "active": true,
                        "name": {"givenName": "Ada", "familyName": "Love, lace"},
                        "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "home"}],
                        "roles": [{"value": "admin"}, {"value": "reader"}],
                        ENTERPRISE: {"department": "Maths", "manager": {"value": "externalId:12"}},
                    })
                ),
                (3, json!({"userName": "bob", "active": false})),
            ]
        );
        assert_eq!(read("userName\n").unwrap(), []);
        assert_eq!(read("").unwrap(), []);
        let core = "urn:ietf:params:scim:schemas:core:2.0:User:userName\nann\n";
        assert_eq!(read(core).unwrap(), [(2, json!({"userName": "ann"}))]);
        // Only where RFC 7643 has a truth value.
        assert_eq!(read("title\ntrue\n").unwrap(), [(2, json!({"title": "true"}))]);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        check(",a\n", "line 1: `` names no attribute");
        check("user name\n", "line 1: `user name` names no attribute");
        check("userName;title\n", "line 1: `userName;title` names no attribute: write");
        check("userName;title\n", "(columns are separated by commas)");
        check("emails[work\n", "names no attribute");
        check("emails[wo rk]\n", "names no attribute");
        check("name.a.b\n", "names no attribute");
        check("urn:x:\n", "names no attribute");
        check("a,A\n", "line 1: several columns state `A` as a whole");
        check("roles[],roles\n", "several columns state `roles` as a whole");
        check("name.a,name.A\n", "several columns state `name` as a whole");
        check("name,name.a\n", "several columns state `name` as a whole");
        check("urn:x:a,URN:X:a\n", "several columns state `a` as a whole");
        check(&format!("{ENTERPRISE}\n"), "names no attribute");
        check("a,active\n1,no\n", "line 2: `active` is `true` or `false`, not `no`");
        check("a,roles[]\n1,;\n", "line 2: `;` has no value of `roles`: leave the cell empty");
        check("a,b\n1,2\n1\n", "line 3: it has 1 cells, and the first line has 2");
    }

    fn check(text: &str, expected: &str) {
        let refusal = read(text).unwrap_err();
        assert!(refusal.contains(expected), "{text:?}: {refusal}");
    }
}
