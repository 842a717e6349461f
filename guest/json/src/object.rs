//! Objects: what stands under a name, in whatever case the name is spelled?
//!
//! Members lie in one sorted vector, not in a hash table and not in a tree: no input can make
//! them collide, and many small objects take little memory. Clones share it until one is changed:
//! what is made of a large group has mostly the members that were read.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::cmp::Ordering;
use core::slice;

use serde::{Serialize, Serializer};

use crate::error::JsonError;
use crate::sort::sort_by;
use crate::value::Value;

/// A JSON object: values under names
///
/// A name keeps its spelling. It is found ignoring ASCII case, and no two names of an object
/// differ in ASCII case only. Members are in the order of their names in ASCII lower case, by
/// bytes.
///
/// Finding takes logarithmic time. Inserting or removing one member moves those behind it; to
/// build or to thin out a large object use `collect`, `extend` or [`retain`](Object::retain).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    // INVARIANT: sorted by `order`, under which no two names are equal.
    members: Shared,
}

/// Members, shared by clones
#[cfg(not(target_arch = "wasm32"))]
type Shared = Arc<Vec<(String, Value)>>;

/// Members, shared by clones: the component frees nothing in a call, so it does not count down either, and the
/// compiler leaves out all code that would only drop.
#[cfg(target_arch = "wasm32")]
type Shared = core::mem::ManuallyDrop<Arc<Vec<(String, Value)>>>;

impl Object {
    /// Gives an object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Says whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Gives the value under `name`, ignoring ASCII case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.find_entry(name).map(|(_, value)| value)
    }

    /// Gives the value under `name`, ignoring ASCII case, with the name as it is spelled here.
    #[must_use]
    pub fn find_entry(&self, name: &str) -> Option<(&str, &Value)> {
        let (name, value) = self.members.get(self.place(name).ok()?)?;
        Some((name, value))
    }

    /// Gives the value under `name` for change, ignoring ASCII case.
    #[must_use]
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Value> {
        let place = self.place(name).ok()?;
        self.change().get_mut(place).map(|(_, value)| value)
    }

    /// Says whether there is a member `name`, ignoring ASCII case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Puts `value` under `name`, which is spelled so from then on.
    ///
    /// Gives the former value under that name, ignoring ASCII case.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        self.put((name.into(), value.into()))
    }

    #[inline(never)]
    fn put(&mut self, member: (String, Value)) -> Option<Value> {
        match self.place(&member.0) {
            Ok(place) => {
                let former = self.change().get_mut(place)?;
                Some(core::mem::replace(former, member).1)
            }
            Err(place) => {
                self.change().insert(place, member);
                None
            }
        }
    }

    /// Takes the member `name` out, ignoring ASCII case, and gives its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.remove_entry(name).map(|(_, value)| value)
    }

    /// Takes the member `name` out, ignoring ASCII case, and gives it as it was spelled.
    pub fn remove_entry(&mut self, name: &str) -> Option<(String, Value)> {
        let place = self.place(name).ok()?;
        Some(self.change().remove(place))
    }

    /// Keeps the members that `keep` says, in one pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.change().retain_mut(|(name, value)| keep(name, value));
    }

    /// Gives the members in the object's order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { members: self.members.iter() }
    }

    /// Gives the members in the object's order, the values for change.
    #[must_use]
    pub fn iter_mut(&mut self) -> IterMut<'_> {
        IterMut { members: self.change().iter_mut() }
    }

    /// Gives the names in the object's order.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// Gives the values in the object's order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.members.iter().map(|(_, value)| value)
    }

    /// Makes an object of `members`, of which no two may have one name.
    pub(crate) fn from_members(mut members: Vec<(String, Value)>) -> Result<Self, JsonError> {
        // Of two members with one name the later one is reported.
        sort(&mut members);
        for ((name, _), (next, _)) in members.iter().zip(members.iter().skip(1)) {
            if order(name, next).is_eq() {
                return Err(JsonError::duplicate(next));
            }
        }
        members.shrink_to_fit();
        let mut object = Self::default();
        *object.change() = members;
        Ok(object)
    }

    /// Restores the invariant after members were added at the end: the last one of a name stays.
    #[inline(never)]
    fn settle(&mut self) {
        let members = self.change();
        sort(members);
        members.dedup_by(|later, earlier| {
            let same = order(&later.0, &earlier.0).is_eq();
            if same {
                core::mem::swap(later, earlier);
            }
            same
        });
    }

    /// The members, for change: this object's own from then on.
    fn change(&mut self) -> &mut Vec<(String, Value)> {
        Arc::make_mut(&mut self.members)
    }

    /// Says where the member `name` is, or where it would have to be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|(present, _)| order(present, name))
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

/// Puts all members in; of those with one name, ignoring ASCII case, the last one stays.
impl<N: Into<String>, V: Into<Value>> Extend<(N, V)> for Object {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, members: I) {
        self.change().extend(members.into_iter().map(|(name, value)| (name.into(), value.into())));
        self.settle();
    }
}

/// Makes an object; of members with one name, ignoring ASCII case, the last one stays.
impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut object = Self::new();
        object.extend(members);
        object
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = vec::IntoIter<(String, Value)>;

    fn into_iter(mut self) -> Self::IntoIter {
        core::mem::take(self.change()).into_iter()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Object {
    type Item = (&'a str, &'a mut Value);
    type IntoIter = IterMut<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// The members of an [`Object`], from [`Object::iter`]
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    members: slice::Iter<'a, (String, Value)>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.members.next().map(|(name, value)| (name.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.members.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The members of an [`Object`] for change, from [`Object::iter_mut`]
#[derive(Debug)]
pub struct IterMut<'a> {
    members: slice::IterMut<'a, (String, Value)>,
}

impl<'a> Iterator for IterMut<'a> {
    type Item = (&'a str, &'a mut Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.members.next().map(|(name, value)| (name.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.members.size_hint()
    }
}

impl ExactSizeIterator for IterMut<'_> {}

/// Sorts members by name; those of one name stay in their order.
///
/// Once, and not for each kind of iterator that members come from: a sort is 5 KB of code.
#[inline(never)]
fn sort(members: &mut Vec<(String, Value)>) {
    sort_by(members, |(one, _), (other, _)| order(one, other));
}

/// Compares two names ignoring ASCII case.
fn order(one: &str, other: &str) -> Ordering {
    let mut both = one.bytes().zip(other.bytes());
    // What is spelled alike needs no folding.
    let differ = both.find(|(one, other)| one != other && !one.eq_ignore_ascii_case(other));
    differ.map_or_else(
        || one.len().cmp(&other.len()),
        |(one, other)| one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase()),
    )
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn it_is_known_how_many_members_are_left() {
        let mut user: Object = [("a", true), ("b", false)].into_iter().collect();
        let mut members = user.iter();
        assert_eq!((members.len(), members.size_hint()), (2, (2, Some(2))));
        members.next();
        assert_eq!(members.size_hint(), (1, Some(1)));
        assert_eq!(user.iter_mut().size_hint(), (2, Some(2)));
    }

    #[test]
    fn a_member_is_found_in_any_case_and_keeps_its_spelling() {
        check(|user| assert_eq!(user.find("USERNAME"), Some(&"bj".into())), USER);
        check(
            |user| assert_eq!(user.find_entry("username"), Some(("userName", &"bj".into()))),
            USER,
        );
        check(|user| assert_eq!(user.find("userNam"), None), USER);
        check(|user| assert!(user.contains("ACTIVE") && !user.contains("")), USER);
        check(
            |user| *user.find_mut("ID").unwrap() = 8_u64.into(),
            "active=true id=8 userName=\"bj\"",
        );
    }

    #[test]
    fn a_member_is_put_in_once_in_its_newest_spelling() {
        check(
            |user| assert_eq!(user.insert("USERNAME", "x"), Some("bj".into())),
            "active=true id=7 USERNAME=\"x\"",
        );
        check(
            |user| assert_eq!(user.insert("Title", Value::Null), None),
            "active=true id=7 Title=null userName=\"bj\"",
        );
        check(
            |user| user.extend([("ID", 1_u64), ("b", 2), ("iD", 3), ("B", 4)]),
            "active=true B=4 iD=3 userName=\"bj\"",
        );
    }

    #[test]
    fn a_member_is_taken_out_in_any_case() {
        check(|user| assert_eq!(user.remove("Active"), Some(true.into())), "id=7 userName=\"bj\"");
        check(|user| assert_eq!(user.remove("absent"), None), USER);
        check(
            |user| assert_eq!(user.remove_entry("Id"), Some(("id".into(), 7_u64.into()))),
            "active=true userName=\"bj\"",
        );
        check(|user| user.retain(|name, _| name != "id"), "active=true userName=\"bj\"");
    }

    #[test]
    fn members_are_walked_in_the_order_of_their_folded_names() {
        check(|user| assert!(user.names().eq(["active", "id", "userName"])), USER);
        check(
            |user| assert_eq!((user.len(), user.values().len(), user.is_empty()), (3, 3, false)),
            USER,
        );
        check(
            |user| user.iter_mut().for_each(|(_, value)| *value = Value::Null),
            "active=null id=null userName=null",
        );
        assert!(Object::new().is_empty());
    }

    const USER: &str = "active=true id=7 userName=\"bj\"";

    /// Checks what is in a user, [`USER`], after `act`.
    fn check(act: impl FnOnce(&mut Object), expected: &str) {
        let mut user: Object = [
            ("userName", Value::from("bj")),
            ("id", Value::from(7_u64)),
            ("ACTIVE", Value::from(false)),
            ("active", Value::from(true)),
        ]
        .into_iter()
        .collect();
        act(&mut user);
        let members: Vec<_> =
            user.iter().map(|(name, value)| [name, "=", &value.to_string()].concat()).collect();
        assert_eq!(members.join(" "), expected);
    }
}
