//! Makes the table of rules and targets anew, and compares it with the one that is kept.

use std::{fs, path::PathBuf, sync::Mutex, sync::PoisonError, time::Instant};

use replaysafe_tests::sim::{
    ablation::{self, Row},
    decider::Decider,
};

use crate::{at_once, note};

/// Gives whether the table is as expected; `keep`: whether it is to be kept as it is from now on.
pub(crate) fn run(count: u64, keep: Keep) -> bool {
    let began = Instant::now();
    let rows = Row::all();
    let profiles = ablation::profiles();
    let pairs: Vec<(usize, usize)> = (0..rows.len())
        .flat_map(|row| (0..profiles.len()).map(move |column| (row, column)))
        .collect();
    let cells = Mutex::new(vec![vec![None; profiles.len()]; rows.len()]);
    at_once(&pairs, |(row, column)| {
        let (Some(world), Some((_, profile))) = (rows.get(*row), profiles.get(*column)) else {
            return;
        };
        let law = ablation::cell(*world, *profile, count, &mut Decider::default());
        let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = cells.get_mut(*row).and_then(|row| row.get_mut(*column)) {
            *cell = law;
        }
    });
    let cells = cells.into_inner().unwrap_or_else(PoisonError::into_inner);
    let broken = cells.iter().flatten().flatten().count();
    let table = ablation::table(count, &rows.into_iter().zip(cells).collect::<Vec<_>>());
    print!("{table}");
    println!(
        "{broken} of {} cells break a law, {:.1} s",
        pairs.len(),
        began.elapsed().as_secs_f64()
    );
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "ablation.txt"].iter().collect();
    if keep == Keep::This {
        return fs::write(&path, table).is_ok();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let changed = || expected.lines().zip(table.lines()).filter(|(one, two)| one != two);
    let rows = changed().count().max(usize::from(expected != table));
    if count == COUNT {
        note("ablation", began.elapsed().as_secs_f64(), &[("rows that changed", rows as u64)]);
    }
    if expected == table {
        return true;
    }
    for (expected, row) in changed() {
        println!("expected {expected}\n     got {row}");
    }
    println!("if this is as it should be: replaysafe-prove ablation {count} keep");
    false
}

/// Which table is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The one that was.
    That,
    /// The one that was made.
    This,
}

/// So many schedules show what the rarest cell shows, four times over.
pub(crate) const COUNT: u64 = 2_000;
