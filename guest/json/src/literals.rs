//! Literals: what do the numbers of a text look like, digit by digit?
//!
//! A reader of JSON hands numbers over as integers of 64 bits or as doubles, in the order in which
//! they stand in the text. What a double has lost is in the literal at the same place.

use core::cell::Cell;

/// The number literals of a text, in order
///
/// Meant for valid JSON: of another text they are pieces without meaning.
pub(crate) struct Literals<'t> {
    /// What has not been looked at.
    rest: Cell<&'t str>,
    /// Literals of `rest` that are not wanted.
    passed: Cell<usize>,
}

impl<'t> Literals<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: Cell::new(text), passed: Cell::new(0) }
    }

    /// Leaves out the next literal. Costs nothing where no later one is taken.
    pub(crate) fn pass(&self) {
        self.passed.set(self.passed.get() + 1);
    }

    /// Takes the next literal.
    pub(crate) fn take(&self) -> Option<&'t str> {
        for _ in 0..self.passed.take() {
            self.next()?;
        }
        self.next()
    }

    fn next(&self) -> Option<&'t str> {
        loop {
            let rest = self.rest.take();
            let start = rest.find(|character: char| {
                character == '"' || character == '-' || character.is_ascii_digit()
            })?;
            let (_, found) = rest.split_at_checked(start)?;
            if let Some(string) = found.strip_prefix('"') {
                self.rest.set(after_string(string));
                continue;
            }
            let end = found
                .find(|character: char| {
                    !matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')
                })
                .unwrap_or(found.len());
            let (literal, behind) = found.split_at_checked(end)?;
            self.rest.set(behind);
            return Some(literal);
        }
    }
}

/// Gives what follows the string whose content `text` starts with.
fn after_string(text: &str) -> &str {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.as_str(),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn the_literals_of_a_text_come_in_order() {
        let text = r#" [1,-0.5e+3,{"2":"3","\"4":"\\"},"é\\\"5",true,6E-7] "#;
        let literals = Literals::new(text);
        let all: Vec<_> = core::iter::from_fn(|| literals.take()).collect();
        assert_eq!(all, ["1", "-0.5e+3", "6E-7"]);
    }

    #[test]
    fn a_literal_that_is_not_wanted_is_left_out() {
        let literals = Literals::new("[1,2,3,4,5]");
        literals.pass();
        literals.pass();
        assert_eq!(literals.take(), Some("3"));
        literals.pass();
        assert_eq!((literals.take(), literals.take()), (Some("5"), None));
    }
}
