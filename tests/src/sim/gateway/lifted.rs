//! Secrets are lifted before the core sees a document, and put back when an effect is sent: `host/src/provisioner/secrets.rs`.

use std::{collections::BTreeMap, rc::Rc};

use replaysafe_core::types::{Outcome, Sight, TargetAnswer};
use replaysafe_json::{Limits, Object, Path, Value, lift, parse, put_back};

use crate::sim::digest;

/// The secrets of one request. Without paths nothing is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifted {
    paths: Rc<[Path]>,
    values: BTreeMap<String, Value>,
}

impl Lifted {
    /// Of the paths that the core names.
    pub(super) fn along(paths: Rc<[Path]>) -> Self {
        Self { paths, values: BTreeMap::new() }
    }

    /// A text without its secrets. One that holds none stays as it came.
    pub(super) fn text(&mut self, text: String) -> String {
        let Self { paths, values } = self;
        if paths.is_empty() {
            return text;
        }
        let Ok(mut document) = parse(text.as_bytes(), &Limits::answer()) else { return text };
        let lifted = lift(&mut document, paths, &mut |secret| {
            let tag = format!("{:032x}", digest::of(&secret.to_string()));
            let stand_in = Object::from_iter([(MARK, tag.as_str())]);
            values.insert(tag, secret.clone());
            Value::Object(stand_in)
        });
        if 0 < lifted { document.to_string() } else { text }
    }

    pub(super) fn sight(&mut self, sight: Sight) -> Sight {
        match sight {
            Sight::Answered(answer) => Sight::Answered(self.answer(answer)),
            Sight::Refused(answer) => Sight::Refused(self.answer(answer)),
            Sight::Listed(documents) => {
                Sight::Listed(documents.into_iter().map(|text| self.text(text)).collect())
            }
            Sight::Nothing => Sight::Nothing,
        }
    }

    pub(super) fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Answered(answer) => Outcome::Answered(self.answer(answer)),
            other @ (Outcome::NotSent(_) | Outcome::Unknown(_)) => other,
        }
    }

    fn answer(&mut self, answer: TargetAnswer) -> TargetAnswer {
        let body = answer.body.map(|text| self.text(text));
        TargetAnswer { body, ..answer }
    }

    /// A document with its secrets, as it goes on the wire.
    pub(super) fn put_back(&self, document: &str) -> String {
        if self.values.is_empty() {
            return document.to_owned();
        }
        let Ok(mut value) = parse(document.as_bytes(), &Limits::answer()) else {
            return document.to_owned();
        };
        put_back(&mut value, &mut |value| {
            let object = value.as_object().filter(|object| object.len() == 1)?;
            self.values.get(object.find(MARK)?.as_str()?).cloned()
        });
        value.to_string()
    }
}

/// The member that stands for a secret.
const MARK: &str = "$secret";
