//! Sorting, once for all types: a sort of the standard library is 5 KB of code for each.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::mem;

/// Sorts `items`; equal ones stay in their order.
///
/// What is in order already takes one comparison for each item, and no room. The rest is a merge sort, which moves each
/// item twice.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = {
        let item = |at: u32| usize::try_from(at).ok().and_then(|at| items.get(at));
        let in_order = |one: u32, other: u32| match (item(one), item(other)) {
            (Some(one), Some(other)) => compare(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        order(count, &in_order)
    };
    if order.is_empty() {
        return;
    }
    let mut taken: Vec<Option<T>> = mem::take(items).into_iter().map(Some).collect();
    for at in order {
        let place = usize::try_from(at).ok().and_then(|at| taken.get_mut(at));
        items.extend(place.and_then(Option::take));
    }
}

/// The positions 0 to `count`, in the order of what stands there; none where that is in order.
#[inline(never)]
fn order(count: u32, compare: &dyn Fn(u32, u32) -> Ordering) -> Vec<u32> {
    if (1..count).all(|at| compare(at - 1, at).is_le()) {
        return Vec::new();
    }
    let mut order: Vec<u32> = (0..count).collect();
    let mut merged = Vec::with_capacity(order.len());
    let mut width = 1;
    while width < order.len() {
        merged.clear();
        for both in order.chunks(width * 2) {
            let (left, right) = both.split_at_checked(width).unwrap_or((both, &[]));
            merge(left, right, compare, &mut merged);
        }
        mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    order
}

/// Puts two lists that are in order behind `merged`, as one in order.
fn merge(
    mut left: &[u32],
    mut right: &[u32],
    compare: &dyn Fn(u32, u32) -> Ordering,
    merged: &mut Vec<u32>,
) {
    // What is in order already takes one comparison.
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && compare(*last, *first).is_gt()
    {
        while let (Some((one, left_rest)), Some((other, right_rest))) =
            (left.split_first(), right.split_first())
        {
            if compare(*one, *other).is_gt() {
                merged.push(*other);
                right = right_rest;
            } else {
                merged.push(*one);
                left = left_rest;
            }
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
}

#[cfg(test)]
mod tests {
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_items_stay_in_their_order() {
        let mut items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')];
        sort_by(&mut items, |one, other| one.0.cmp(&other.0));
        assert_eq!(items, [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(items: Vec<(u8, u16)>) {
            let (mut ours, mut theirs) = (items.clone(), items);
            sort_by(&mut ours, |one, other| one.0.cmp(&other.0));
            theirs.sort_by_key(|one| one.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
