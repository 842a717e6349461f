//! Maps and sets in the order of their keys, with one body of code for all types.
//!
//! They have the names and the meaning of `alloc`'s, and of its functions those that are used here.
//! `alloc`'s are 5 to 8 KB of code for each pair of types; these keep the order apart from the
//! entries, so that all but a few moves is written once.

use alloc::{boxed::Box, vec, vec::Vec};
use core::{borrow::Borrow, cmp::Ordering, fmt, mem};

/// Where entries lie, in the order of their keys.
///
/// Runs of at most [`RUN_MOST`] numbers: putting one in moves a run and the list of runs.
#[derive(Clone, Default)]
struct Order {
    // INVARIANT: no run is empty.
    runs: Vec<Vec<u32>>,
}

/// A position in an [`Order`].
#[derive(Clone, Copy)]
struct Place {
    run: usize,
    at: usize,
}

impl Order {
    /// Where the key is, or where it would have to be; `compare` compares an entry's key with it.
    #[inline(never)]
    fn find(&self, compare: &dyn Fn(u32) -> Ordering) -> Result<(Place, u32), Place> {
        let starts_after =
            |run: &Vec<u32>| run.first().is_some_and(|first| compare(*first) == Ordering::Greater);
        let run = self.runs.partition_point(|run| !starts_after(run)).saturating_sub(1);
        let entries = self.runs.get(run).map_or(&[][..], Vec::as_slice);
        match entries.binary_search_by(|entry| compare(*entry)) {
            Ok(at) => {
                let entry = entries.get(at).copied().unwrap_or_default();
                Ok((Place { run, at }, entry))
            }
            Err(at) => Err(Place { run, at }),
        }
    }

    #[inline(never)]
    fn insert(&mut self, place: Place, entry: u32) {
        let Some(run) = self.runs.get_mut(place.run) else {
            self.runs.push(vec![entry]);
            return;
        };
        run.insert(place.at.min(run.len()), entry);
        if RUN_MOST < run.len() {
            // At the end, as where keys come in order, runs stay full.
            let is_last = place.at + 1 == run.len();
            let rest = run.split_off(if is_last { RUN_MOST } else { RUN_MOST / 2 });
            self.runs.insert(place.run + 1, rest);
        }
    }

    #[inline(never)]
    fn remove(&mut self, place: Place) {
        let Some(run) = self.runs.get_mut(place.run) else { return };
        if place.at < run.len() {
            run.remove(place.at);
        }
        if run.is_empty() {
            self.runs.remove(place.run);
        }
    }

    /// The place, or the first of the next run where it is a run's end.
    fn start(&self, place: Place) -> Place {
        let is_end = self.runs.get(place.run).is_some_and(|run| run.len() <= place.at);
        if is_end { Place { run: place.run + 1, at: 0 } } else { place }
    }

    /// The number at `place`, and the next place.
    #[inline(never)]
    fn walk(&self, place: &mut Place) -> Option<usize> {
        let run = self.runs.get(place.run)?;
        let entry = run.get(place.at).copied()?;
        place.at += 1;
        if place.at == run.len() {
            *place = Place { run: place.run + 1, at: 0 };
        }
        usize::try_from(entry).ok()
    }
}

/// Keys with their order, apart from what stands under them: one body of code for all values.
#[derive(Clone)]
struct Keys<K> {
    order: Order,
    /// None where a key was taken out.
    keys: Vec<Option<K>>,
}

impl<K> Keys<K> {
    /// The next key from `place` on, with its number.
    fn walk(&self, place: &mut Place) -> Option<(&K, usize)> {
        let at = self.order.walk(place)?;
        Some((self.keys.get(at)?.as_ref()?, at))
    }
}

impl<K: Ord> Keys<K> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<(Place, usize), Place>
    where
        K: Borrow<Q>,
    {
        let (place, entry) = self.order.find(&|entry| {
            let entry = usize::try_from(entry).ok().and_then(|at| self.keys.get(at));
            match entry {
                Some(Some(present)) => present.borrow().cmp(key),
                Some(None) | None => Ordering::Less,
            }
        })?;
        Ok((place, usize::try_from(entry).unwrap_or(usize::MAX)))
    }

    /// Puts `key` in if it is not there. The number of the key, and whether it is new: then it is the highest.
    fn put(&mut self, key: K) -> (usize, bool) {
        match self.find(&key) {
            Ok((_, at)) => (at, false),
            Err(place) => {
                let at = self.keys.len();
                self.order.insert(place, u32::try_from(at).unwrap_or(u32::MAX));
                self.keys.push(Some(key));
                (at, true)
            }
        }
    }

    fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let (place, at) = self.find(key).ok()?;
        self.order.remove(place);
        *self.keys.get_mut(at)? = None;
        Some(at)
    }
}

/// A map in the order of its keys.
///
/// An address, or none while it is empty: most maps stay so, and what holds many of them is made and moved in a few
/// bytes of code.
#[derive(Clone)]
pub struct BTreeMap<K, V> {
    entries: Option<Kept<Entries<K, V>>>,
}

/// An address of what is dropped with it.
#[cfg(not(target_arch = "wasm32"))]
type Kept<T> = Box<T>;

/// An address of what is never dropped: the component frees nothing in a call, and does not look for what it could.
#[cfg(target_arch = "wasm32")]
type Kept<T> = mem::ManuallyDrop<Box<T>>;

/// What is in a map.
#[derive(Clone)]
struct Entries<K, V> {
    keys: Keys<K>,
    // INVARIANT: as many as keys; none where an entry was taken out.
    values: Vec<Option<V>>,
    len: usize,
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        let keys = Keys { order: Order::default(), keys: Vec::new() };
        Self { keys, values: Vec::new(), len: 0 }
    }
}

impl<K, V> BTreeMap<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: None }
    }

    fn entries(&self) -> Option<&Entries<K, V>> {
        self.entries.as_ref().map(|entries| -> &Entries<K, V> { entries })
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().map_or(0, |entries| entries.len)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { entries: self.entries(), place: START }
    }

    /// The entries from the first on whose key is not below `key`, in order.
    pub fn starting_at<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q> + Ord,
    {
        let entries = self.entries();
        let place = entries.map_or(START, |entries| {
            let (Ok((place, _)) | Err(place)) = entries.keys.find(key);
            entries.keys.order.start(place)
        });
        Iter { entries, place }
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The values, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> BTreeMap<K, V> {
    /// The value under `key`.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let entries = self.entries()?;
        let (_, at) = entries.keys.find(key).ok()?;
        entries.values.get(at)?.as_ref()
    }

    /// The value under the key that `compare` says is equal; it compares keys with what is looked for, in their order.
    #[must_use]
    pub fn get_by(&self, compare: impl Fn(&K) -> Ordering) -> Option<&V> {
        let entries = self.entries()?;
        let compare =
            |entry| match usize::try_from(entry).ok().and_then(|at| entries.keys.keys.get(at)) {
                Some(Some(present)) => compare(present),
                Some(None) | None => Ordering::Less,
            };
        let (_, at) = entries.keys.order.find(&compare).ok()?;
        entries.values.get(usize::try_from(at).ok()?)?.as_ref()
    }

    /// The value under `key`, for change.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let entries = self.entries.as_mut()?;
        let (_, at) = entries.keys.find(key).ok()?;
        entries.values.get_mut(at)?.as_mut()
    }

    /// Whether there is an entry under `key`.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries().is_some_and(|entries| entries.keys.find(key).is_ok())
    }

    /// Puts `value` under `key`, and gives what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.place(key)?.replace(value)
    }

    /// The place for the value of `key`, which is put in if it is not there: without a value, then.
    fn place(&mut self, key: K) -> Option<&mut Option<V>> {
        let entries = self.entries.get_or_insert_default();
        let (at, is_new) = entries.keys.put(key);
        if is_new {
            entries.values.push(None);
            entries.len += 1;
        }
        entries.values.get_mut(at)
    }

    /// Takes the entry under `key` out, and gives its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entries = self.entries.as_mut()?;
        let at = entries.keys.remove(key)?;
        entries.len -= 1;
        entries.values.get_mut(at)?.take()
    }

    /// The entry under `key`, which need not be there yet.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { map: self, key }
    }

    /// Keeps the entries that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let kept = mem::take(self);
        self.extend(
            kept.into_iter()
                .filter_map(|(key, mut value)| keep(&key, &mut value).then_some((key, value))),
        );
    }
}

/// An entry that need not be there yet.
pub struct Entry<'m, K, V> {
    map: &'m mut BTreeMap<K, V>,
    key: K,
}

impl<'m, K: Ord, V> Entry<'m, K, V> {
    /// Its value; the default value is put in where there is none.
    pub fn or_default(self) -> &'m mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Its value; what `make` gives is put in where there is none.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "each key has a place for a value"
    )]
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'m mut V {
        self.map.place(self.key).expect("a place").get_or_insert_with(make)
    }
}

impl<K: fmt::Debug, V> fmt::Debug for Entry<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.key).finish()
    }
}

impl<K, V> Default for BTreeMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for BTreeMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for BTreeMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

impl<K: Eq, V: Eq> Eq for BTreeMap<K, V> {}

impl<K: Ord, V> Extend<(K, V)> for BTreeMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for BTreeMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

/// The entries of a map, in order.
pub struct Iter<'m, K, V> {
    entries: Option<&'m Entries<K, V>>,
    place: Place,
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        let entries = self.entries?;
        let (key, at) = entries.keys.walk(&mut self.place)?;
        Some((key, entries.values.get(at)?.as_ref()?))
    }
}

impl<K, V> fmt::Debug for Iter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

impl<'m, K, V> IntoIterator for &'m BTreeMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The entries of a map that is used up, in order.
pub struct IntoIter<K, V> {
    map: BTreeMap<K, V>,
    place: Place,
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<Self::Item> {
        let entries = self.map.entries.as_mut()?;
        let at = entries.keys.order.walk(&mut self.place)?;
        let key = entries.keys.keys.get_mut(at)?.take()?;
        Some((key, entries.values.get_mut(at)?.take()?))
    }
}

impl<K, V> fmt::Debug for IntoIter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").finish_non_exhaustive()
    }
}

impl<K, V> IntoIterator for BTreeMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter { map: self, place: START }
    }
}

/// A set in order.
#[derive(Clone)]
pub struct BTreeSet<T> {
    map: BTreeMap<T, ()>,
}

impl<T> BTreeSet<T> {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { map: BTreeMap::new() }
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The items, in order.
    #[must_use]
    pub fn iter(&self) -> SetIter<'_, T> {
        SetIter(self.map.iter())
    }

    /// The first item.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.iter().next()
    }
}

impl<T: Ord> BTreeSet<T> {
    /// Whether `item` is in the set.
    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.map.contains_key(item)
    }

    /// The items that are not below `item`, in order.
    pub fn starting_at<Q: Ord + ?Sized>(&self, item: &Q) -> SetIter<'_, T>
    where
        T: Borrow<Q>,
    {
        SetIter(self.map.starting_at(item))
    }

    /// Puts `item` in; false where it was there.
    pub fn insert(&mut self, item: T) -> bool {
        self.map.insert(item, ()).is_none()
    }

    /// Takes `item` out; false where it was not there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.map.remove(item).is_some()
    }

    /// Takes all items out.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Keeps the items that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.map.retain(|item, ()| keep(item));
    }

    /// The items that are not in `other`, in order.
    pub fn difference<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = &'s T> {
        self.iter().filter(|item| !other.contains(*item))
    }

    /// Whether all items are in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|item| other.contains(item))
    }

    /// Whether no item is in `other`.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        !self.iter().any(|item| other.contains(item))
    }
}

impl<T> Default for BTreeSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for BTreeSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: PartialEq> PartialEq for BTreeSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map
    }
}

impl<T: Eq> Eq for BTreeSet<T> {}

impl<T: Ord> Extend<T> for BTreeSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.insert(item);
        }
    }
}

impl<T: Ord> FromIterator<T> for BTreeSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::new();
        set.extend(items);
        set
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for BTreeSet<T> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

/// The items of a set, in order.
#[derive(Debug)]
pub struct SetIter<'s, T>(Iter<'s, T, ()>);

impl<'s, T> Iterator for SetIter<'s, T> {
    type Item = &'s T;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(item, ())| item)
    }
}

impl<'s, T> IntoIterator for &'s BTreeSet<T> {
    type Item = &'s T;
    type IntoIter = SetIter<'s, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The items of a set that is used up, in order.
#[derive(Debug)]
pub struct SetIntoIter<T>(IntoIter<T, ()>);

impl<T> Iterator for SetIntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(item, ())| item)
    }
}

impl<T> IntoIterator for BTreeSet<T> {
    type Item = T;
    type IntoIter = SetIntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        SetIntoIter(self.map.into_iter())
    }
}

const START: Place = Place { run: 0, at: 0 };

/// 512: 200,000 entries are some 400 runs, and moving either list takes less than a microsecond.
const RUN_MOST: usize = 512;

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap as Theirs, format};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_as_the_standard_library_does(
            acts in proptest::collection::vec((0_u8..4, 0_u16..1500), 0..4000)
        ) {
            let (mut ours, mut theirs) = (BTreeMap::new(), Theirs::new());
            for (at, (act, key)) in acts.into_iter().enumerate() {
                match act {
                    0 | 1 => prop_assert_eq!(ours.insert(key, at), theirs.insert(key, at)),
                    2 => prop_assert_eq!(ours.remove(&key), theirs.remove(&key)),
                    _ => {
                        *ours.entry(key).or_default() += 1;
                        *theirs.entry(key).or_default() += 1;
                    }
                }
                prop_assert_eq!(ours.get(&key), theirs.get(&key));
                prop_assert_eq!(ours.len(), theirs.len());
            }
            prop_assert!(ours.iter().eq(theirs.iter()));
            ours.retain(|key, _| key % 3 == 0);
            theirs.retain(|key, _| key % 3 == 0);
            prop_assert!(ours.into_iter().eq(theirs));
        }
    }

    /// In order, backwards and scattered: each takes minutes if putting in is quadratic.
    #[test]
    fn a_large_set_is_built_in_any_order() {
        const COUNT: u32 = 200_000;
        let scattered = |at: u32| at.wrapping_mul(7_919) % COUNT;
        for key in [|at: u32| at, |at| COUNT - 1 - at, scattered] {
            let set: BTreeSet<u32> = (0..COUNT).map(key).collect();
            assert!(set.iter().copied().eq(0..COUNT));
        }
    }

    #[test]
    fn keys_that_come_in_order_fill_the_runs() {
        let map: BTreeMap<usize, ()> = (0..4 * RUN_MOST).map(|key| (key, ())).collect();
        assert_eq!(map.entries().map(|entries| entries.keys.order.runs.len()), Some(4));
    }

    /// Also where the key would be the last of a run, and what comes next is in another.
    #[test]
    fn entries_start_at_any_key() {
        let set: BTreeSet<usize> = (0..2 * RUN_MOST).map(|at| 2 * at).collect();
        for key in 0..4 * RUN_MOST {
            let rest = set.starting_at(&key).copied();
            assert!(rest.eq((key.div_ceil(2)..2 * RUN_MOST).map(|at| 2 * at)), "{key}");
        }
    }

    #[test]
    fn sets_are_compared_by_their_items() {
        let one = BTreeSet::from([1, 2, 3]);
        let mut other = BTreeSet::from([3, 4, 2, 1]);
        assert!(one != other && one.is_subset(&other) && !one.is_disjoint(&other));
        assert!(other.remove(&4) && !other.remove(&4));
        assert_eq!(one, other);
        assert_eq!(other.first(), Some(&1));
        assert_eq!(other.difference(&BTreeSet::from([2])).count(), 2);
        assert!(!one.is_subset(&BTreeSet::from([1, 2])));
        assert!(one.is_disjoint(&BTreeSet::from([4])) && one.is_disjoint(&BTreeSet::new()));
    }

    #[test]
    fn all_is_shown_to_who_debugs() {
        let mut map: BTreeMap<u8, bool> = [(2, true), (1, false)].into_iter().collect();
        assert_eq!(format!("{map:?}"), "{1: false, 2: true}");
        assert_eq!(format!("{:?}", BTreeSet::from([2, 1])), "{1, 2}");
        assert_eq!(format!("{:?}", map.entry(3)), "Entry(3)");
        assert_eq!(
            format!("{:?} {:?}", map.iter(), map.clone().into_iter()),
            "Iter { .. } IntoIter { .. }"
        );
    }
}
