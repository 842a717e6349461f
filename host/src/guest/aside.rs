//! A call that takes long: where does the other work of its thread go meanwhile?

use std::{thread, time::Duration};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

/// Makes a call, while another thread takes over the other work of this one.
pub(crate) fn aside<R>(call: impl FnOnce() -> R) -> R {
    if has_others() { block_in_place(call) } else { call() }
}

/// The same from within a call that has turned out to take long.
///
/// The other work does not come back to this thread once it was taken over, so the call just goes on.
pub(super) fn give_way() {
    if has_others() {
        block_in_place(|| thread::sleep(HAND_OVER));
    }
}

/// Whether another thread could take over. A runtime of one thread has none: its other work waits.
fn has_others() -> bool {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    matches!(flavor, Ok(RuntimeFlavor::MultiThread))
}

/// 1 ms: a thread starts in a tenth of it. Where it does not, the next tick gives way again.
const HAND_OVER: Duration = Duration::from_millis(1);
