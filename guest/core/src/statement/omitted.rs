//! What does a request leave out that the resource has (S26)?
//!
//! A PUT is authoritative over the read-write attributes that the target has not filled in itself. What a target fills in, or keeps all the same, is learned from what reads back: see `crate::kept`.
//!
//! Deliberately absent: sub-attributes, which targets make out of others (`name.formatted`), and what no schema knows.

use alloc::{string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::Value;

use super::{Operation, Statement};
use crate::{path::Place, schema::Schema, spelling};

/// The read-write attributes of `resource` that a resource, sent whole, does not state.
pub(super) fn omitted(of: &Statement, resource: &Value, schema: &Schema) -> Vec<(Place, Value)> {
    let Some(observed) = resource.as_object().filter(|_| states_whole(of)) else {
        return Vec::new();
    };
    let key = |place: &Place| place.attribute_key();
    let stated: BTreeSet<String> =
        of.ops.iter().filter_map(|op| op.place.as_ref().or(op.said.as_ref())).map(key).collect();
    let members = spelling::members(observed, &of.resource_type, schema).into_iter();
    let left_out = members.filter(|member| {
        let place = &member.place;
        let urn = place.urn.as_deref();
        let is = schema.find(&of.resource_type, urn, &place.name, None);
        is.known
            && !is.read_only
            && !is.secret
            && !spelling::echoed(place, &of.resource_type)
            && !spelling::unassigned(&member.value)
            && !stated.contains(&place.attribute_key())
            // An extension that is stated as none says it of each of its attributes.
            && !urn.is_some_and(|urn| stated.contains(urn))
    });
    left_out.map(|member| (member.place, member.value)).collect()
}

fn states_whole(of: &Statement) -> bool {
    match of.operation {
        Operation::Create | Operation::Replace => true,
        Operation::Patch | Operation::Delete => false,
    }
}
