//! Shards: what can be planned apart, and how it is done side by side.
//!
//! Two resources that share a key, directly or by way of others, stand in one shard; no others do.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use sha2::{Digest as _, Sha256};

/// A key by its digest: only equality counts.
pub(crate) type Key = [u8; 16];

pub(crate) fn key(text: String) -> Key {
    let mut short = [0; 16];
    let digest: [u8; 32] = Sha256::digest(text).into();
    short.copy_from_slice(&digest[..16]);
    short
}

/// The positions of a population by shard: 16 bytes for each resource, whatever it has in common with others.
pub(super) struct Shards {
    /// Shard by shard, each ascending.
    positions: Vec<usize>,
    /// Where each shard ends.
    ends: Vec<usize>,
}

impl Shards {
    /// Puts together what shares a key, of `count` positions. `without`: positions that are in no shard.
    pub(super) fn of(count: usize, mut keys: Vec<(Key, usize)>, without: &BTreeSet<usize>) -> Self {
        keys.sort_unstable();
        let mut sets = Sets::of(count);
        for pair in keys.windows(2) {
            if let [(one, at), (other, beside)] = pair
                && one == other
            {
                sets.join(*at, *beside);
            }
        }
        drop(keys);
        // A root is the least of its set: shards stand in the order of their first.
        let mut all: Vec<(usize, usize)> = (0..count)
            .filter(|position| !without.contains(position))
            .map(|position| (sets.root(position), position))
            .collect();
        all.sort_unstable();
        let mut ends = Vec::new();
        for (at, pair) in (1..).zip(all.windows(2)) {
            if let [(one, _), (other, _)] = pair
                && one != other
            {
                ends.push(at);
            }
        }
        ends.extend((!all.is_empty()).then_some(all.len()));
        Self { positions: all.into_iter().map(|(_, position)| position).collect(), ends }
    }

    /// The positions of each shard, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.positions.get(start..*end))
    }
}

/// Disjoint sets of positions, each known by its root.
pub(crate) struct Sets(Vec<usize>);

impl Sets {
    /// Each position by itself.
    pub(crate) fn of(count: usize) -> Self {
        Self((0..count).collect())
    }

    pub(crate) fn root(&mut self, mut at: usize) -> usize {
        while let Some(parent) = self.0.get(at).copied().filter(|parent| *parent != at) {
            // Halves the way for who comes next.
            let above = self.0.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.0.get_mut(at) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    pub(crate) fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        if let Some(slot) = self.0.get_mut(one.max(other)) {
            *slot = one.min(other);
        }
    }
}

/// Cuts a list into portions of bounded size; what is larger than one is a portion by itself.
pub(crate) fn portions<T>(
    items: impl IntoIterator<Item = T>,
    bytes: impl Fn(&T) -> usize,
) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut size = 0;
    for item in items {
        size += bytes(&item);
        match portions.last_mut() {
            Some(portion) if size <= PORTION_BYTES && portion.len() < PORTION_ITEMS => {
                portion.push(item);
            }
            Some(_) | None => {
                size = bytes(&item);
                portions.push(Vec::from([item]));
            }
        }
    }
    portions
}

/// 128 KiB of documents in one call: its memory is hardly larger than what a sandbox keeps, so that little is asked of the system, and starting it is a hundredth of its time.
const PORTION_BYTES: usize = 128 << 10;

/// 1,000 resources, or groups of resources that share keys, in one call.
const PORTION_ITEMS: usize = 1_000;

/// Does the same with each item, on as many threads as the machine has cores, and gives what comes of it in their order.
///
/// # Errors
///
/// The first that there is, in the order of the items.
pub(super) fn side_by_side<I: Sync, O: Send, E: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    on_threads(cores.min(THREADS_MOST), items, work)
}

fn on_threads<I: Sync, O: Send, E: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<O, E> + Sync,
) -> Result<Vec<O>, E> {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = || {
        let mut done = Vec::new();
        // Whatever comes before a failed item was taken before it: the first failure is known.
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            let made = work(item);
            failed.fetch_or(made.is_err(), Ordering::Relaxed);
            done.push((at, made));
        }
        done
    };
    let mut all = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(items.len())).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, made)| made).collect()
}

/// 16 threads: each has a part of 128 KB in a sandbox of some MB, and what puts the parts together is one.
const THREADS_MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_key_stands_together() {
        let key = |number: u8| [number; 16];
        // 0 and 3 share one, 3 and 4 another; 1 has one of its own, 2 none; 5 is left out.
        let keys = [(1, 0), (1, 3), (2, 3), (2, 4), (3, 1), (3, 5)];
        let keys = keys.into_iter().map(|(number, at)| (key(number), at)).collect();
        let shards = Shards::of(6, keys, &BTreeSet::from([5]));
        let found: Vec<&[usize]> = shards.iter().collect();
        assert_eq!(found, [&[0, 3, 4][..], &[1], &[2]]);
        assert_eq!(Shards::of(0, Vec::new(), &BTreeSet::new()).iter().count(), 0);
    }

    #[test]
    fn what_is_done_side_by_side_is_given_in_order() {
        let items: Vec<u32> = (0..1_000).collect();
        for threads in [1, 2, 5] {
            let doubled = on_threads(threads, &items, |one| Ok::<_, ()>(2 * one));
            assert!(doubled.unwrap().into_iter().eq((0..1_000).map(|one| 2 * one)));
            let refused = on_threads(threads, &items, |one| match one % 300 {
                299 => Err(*one),
                _ => Ok(()),
            });
            assert_eq!(refused, Err(299));
            assert_eq!(
                on_threads(threads, &[0; 0], |one: &i32| Err::<(), i32>(*one)),
                Ok(Vec::new())
            );
        }
    }
}
