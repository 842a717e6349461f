//! What does a start cost, where compiled code is kept?

use replaysafe::guest::{Guest, GuestError, GuestOptions};

use crate::{clock, rounds::quartiles, table::Measure};

/// The host's own start, as it looks to who embeds it: digests, engine, and code that is compiled or loaded. By the time of all threads, as the compiler
/// uses several.
pub(crate) fn measure(component: &[u8]) -> Result<Measure, GuestError> {
    let folder = tempfile::tempdir().map_err(|error| GuestError::Sandbox(error.into()))?;
    let cache = Some(folder.path().join("cache"));
    let kept = GuestOptions { cache, ..GuestOptions::default() };
    drop(Guest::load(component, &kept)?);
    let compiled = times(component, 3, &GuestOptions::default())?;
    let loaded = times(component, 51, &kept)?;
    let detail = format!(
        "{:.2} ms to {:.0} ms of {} KiB",
        1e3 * loaded,
        1e3 * compiled,
        component.len() >> 10
    );
    Ok(Measure::new("start with compiled code / compiling it", loaded / compiled)
        .at_most(1.0 / 500.0, 1.0 / 1_500.0)
        .detail(detail))
}

/// Seconds, the median.
fn times(component: &[u8], count: usize, options: &GuestOptions) -> Result<f64, GuestError> {
    let mut all = Vec::new();
    for _ in 0..count {
        let began = clock::of_process();
        let guest = Guest::load(component, options)?;
        all.push((clock::of_process() - began).as_secs_f64());
        drop(guest);
    }
    let [_, median, _] = quartiles(all.into_iter());
    Ok(median)
}
