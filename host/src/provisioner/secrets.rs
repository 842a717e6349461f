//! Secrets: lifted out before the component sees a document, put back when an effect is sent (S3a).

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use replaysafe_json::{JsonError, Limits, Object, Path, Value, lift, parse, put_back};

use crate::{
    contract::{Answer, Segment, Sight, TargetAnswer},
    keys::LedgerKey,
};

/// The paths to secrets as the component names them, for whoever lifts.
pub(crate) fn secret_paths(of: Vec<Vec<Segment>>) -> Vec<Path> {
    let segment = |segment| match segment {
        Segment::Member(name) => replaysafe_json::Segment::Member(name),
        Segment::Each => replaysafe_json::Segment::Each,
        Segment::Path(name) => replaysafe_json::Segment::Path(name),
        Segment::Filter(name) => replaysafe_json::Segment::Filter(name),
    };
    let path = |path: Vec<Segment>| Path(path.into_iter().map(segment).collect());
    of.into_iter().map(path).collect()
}

/// The secrets of one request, in memory only and only while it is under way.
pub(super) struct Secrets {
    key: Arc<LedgerKey>,
    tenant: String,
    paths: Vec<Path>,
    lifted: BTreeMap<String, Value>,
}

impl Secrets {
    pub(super) fn new(key: &Arc<LedgerKey>, tenant: &str) -> Self {
        let (key, tenant) = (Arc::clone(key), tenant.into());
        Self { key, tenant, paths: Vec::new(), lifted: BTreeMap::new() }
    }

    pub(super) fn look_at(&mut self, paths: Vec<Vec<Segment>>) {
        self.paths = secret_paths(paths);
    }

    /// The text of a request for the component. A text that holds no secret stays as it came.
    pub(super) fn lift_request(&mut self, body: &[u8]) -> Result<String, JsonError> {
        let mut document = parse(body, &Limits::group())?;
        if 0 < self.lift(&mut document) {
            return Ok(document.to_string());
        }
        let text = std::str::from_utf8(body);
        Ok(text.map_or_else(|_| document.to_string(), str::to_owned))
    }

    pub(super) fn lift_sight(&mut self, sight: Sight) -> Sight {
        match sight {
            Sight::Answered(answer) => Sight::Answered(self.lift_answer(answer)),
            Sight::Refused(answer) => Sight::Refused(self.lift_answer(answer)),
            Sight::Listed(documents) => {
                Sight::Listed(documents.into_iter().map(|text| self.lift_text(text)).collect())
            }
            Sight::Nothing => Sight::Nothing,
        }
    }

    pub(super) fn lift_answer(&mut self, answer: TargetAnswer) -> TargetAnswer {
        let body = answer.body.map(|text| self.lift_text(text));
        TargetAnswer { body, ..answer }
    }

    /// The document of an effect with its secrets, as it goes on the wire.
    pub(super) fn put_back(&self, document: &str) -> Bytes {
        let Ok(mut value) = parse(document.as_bytes(), &Limits::answer()) else {
            return Bytes::copy_from_slice(document.as_bytes());
        };
        put_back(&mut value, &mut |value| self.original(value));
        Bytes::from(value.to_string())
    }

    /// An answer to the client shows what the target showed; a replay cannot, and shows null.
    pub(super) fn put_back_answer(&self, answer: &mut Answer) {
        let Some(body) = answer.target.as_mut().and_then(|target| target.body.as_mut()) else {
            return;
        };
        if !body.contains(MARK) {
            return;
        }
        let Ok(mut value) = parse(body.as_bytes(), &Limits::answer()) else { return };
        put_back(&mut value, &mut |value| {
            marked(value).map(|_| self.original(value).unwrap_or(Value::Null))
        });
        *body = value.to_string();
    }

    fn lift_text(&mut self, text: String) -> String {
        let Ok(mut document) = parse(text.as_bytes(), &Limits::answer()) else { return text };
        if 0 < self.lift(&mut document) { document.to_string() } else { text }
    }

    fn lift(&mut self, document: &mut Value) -> usize {
        let Self { key, tenant, paths, lifted } = self;
        lift(document, paths, &mut |secret| {
            let tag = key.secret_tag(tenant, secret.to_string().as_bytes());
            let stand_in = Object::from_iter([(MARK, tag.as_str())]);
            lifted.insert(tag, secret.clone());
            Value::Object(stand_in)
        })
    }

    fn original(&self, value: &Value) -> Option<Value> {
        self.lifted.get(marked(value)?).cloned()
    }
}

fn marked(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.find(MARK)?.as_str()
}

/// The member that stands for a secret.
const MARK: &str = "$secret";
