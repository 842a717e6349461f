//! What a request carries, line by line: which attribute, and which value is it given?

use serde_json::Value;

use super::{Page, list_of, text_of};

impl Page {
    /// Writes what an effect carries: the resource of a create, or the operations of a `PatchOp`; nothing for a deletion.
    pub(super) fn carried(&mut self, effect: &Value) {
        let mut lines = Vec::new();
        if let Some(document) = effect.get("document") {
            flatten("", "", '.', document, &mut lines);
        }
        for operation in list_of(effect, "operations") {
            let (op, path) = (text_of(operation, "op"), text_of(operation, "path"));
            match operation.get("value") {
                Some(value) => flatten(op, path, '.', value, &mut lines),
                None => lines.push(Line { op, path: path.to_owned(), value: None }),
            }
        }
        // What every resource of a type has is the last that is looked for.
        lines.sort_by_key(|line| line.path == "schemas");
        if lines.is_empty() {
            return;
        }
        self.element("ul class=\"carried\"", |page| {
            for line in lines.iter().take(LINES_MOST) {
                page.element("li", |page| page.line(line));
            }
            if let Some(more @ 1..) = lines.len().checked_sub(LINES_MOST) {
                page.element("li class=\"more\"", |page| {
                    page.markup("and ");
                    page.count(more, "more value", "more values");
                });
            }
        });
    }

    fn line(&mut self, line: &Line<'_>) {
        if !line.op.is_empty() {
            // What adds and what takes away is told apart by its word first, and by colour besides.
            self.markup(match line.op {
                "add" => "<span class=\"op adds\">",
                "remove" => "<span class=\"op takes\">",
                _ => "<span class=\"op\">",
            });
            self.text(line.op);
            self.markup("</span> ");
        }
        self.element("code class=\"path\"", |page| page.text(&line.path));
        let Some(value) = line.value else { return };
        self.markup(" ");
        match value {
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter().take(ITEMS_MOST).enumerate() {
                    self.markup(if at == 0 { "" } else { ", " });
                    self.json(alone(item));
                }
                if let Some(more @ 1..) = items.len().checked_sub(ITEMS_MOST) {
                    self.element("span class=\"more\"", |page| {
                        page.markup(", and ");
                        page.figure(more);
                        page.markup(" more");
                    });
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => self.json(value),
        }
    }

    /// Writes a value as JSON has it.
    pub(super) fn json(&mut self, value: &Value) {
        self.element("code", |page| page.text(&value.to_string()));
    }
}

/// One value that is sent.
struct Line<'a> {
    /// What is done with it; empty for a create.
    op: &'a str,
    path: String,
    /// None where it is taken away without naming one.
    value: Option<&'a Value>,
}

/// One line for each value that is no object. `joint` stands between a path and the name of a member.
fn flatten<'a>(op: &'a str, path: &str, joint: char, value: &'a Value, lines: &mut Vec<Line<'a>>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let whole =
                    if path.is_empty() { name.clone() } else { format!("{path}{joint}{name}") };
                // RFC 7644 section 3.10: a colon stands behind the URN of an extension, else a full stop.
                let joint = if name.contains(':') { ':' } else { '.' };
                flatten(op, &whole, joint, value, lines);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => lines.push(Line { op, path: path.to_owned(), value: Some(value) }),
    }
}

/// A value that stands alone in an object, as members do: `{"value": "1"}` is told as `"1"`.
fn alone(item: &Value) -> &Value {
    let members = item.as_object().filter(|members| members.len() == 1);
    members.and_then(|members| members.get("value")).unwrap_or(item)
}

/// 40 lines of one effect: a create of a user has 20.
const LINES_MOST: usize = 40;
/// 20 values of one list: who has joined a group is seen, and a group of thousands does not bury what comes next.
const ITEMS_MOST: usize = 20;
