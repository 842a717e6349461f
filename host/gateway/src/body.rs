//! Bodies of requests: does one come whole, in time and within its limit?

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use replaysafe::target::upstream::BodyError;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Reads `body` whole, up to `bytes_max`, and holds room for it in `room` as it grows.
///
/// A body that does not come takes none, so that clients who send slowly keep nobody out.
pub(crate) async fn read(
    body: Incoming,
    bytes_max: usize,
    room: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), Unread> {
    if body.size_hint().lower() > u64::try_from(bytes_max).unwrap_or(u64::MAX) {
        return Err(Unread::TooLarge);
    }
    let mut body = Paced::new(body);
    let mut whole = BytesMut::new();
    let none = Arc::clone(room).try_acquire_many_owned(0);
    let mut held = none.map_err(|_closed| Unread::NoRoom)?;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_seen| body.failure().get().copied().unwrap_or(Unread::Broken))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&data);
        let missing = whole.len().div_ceil(ROOM_UNIT).saturating_sub(held.num_permits());
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let more = Arc::clone(room).try_acquire_many_owned(missing);
        held.merge(more.map_err(|_full| Unread::NoRoom)?);
    }
    Ok((whole.freeze(), held))
}

/// Room for so many bytes of the bodies that are held at once.
pub(crate) fn room(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(bytes / ROOM_UNIT))
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than its limit.
    TooLarge,
    /// Its client lets us wait.
    TooSlow,
    /// The connection broke, or its frame is wrong.
    Broken,
    /// Others take up all the room.
    NoRoom,
}

/// A body whose client may let us wait for [`WAIT_MAX`] in all, and longer the more it has sent.
///
/// Only the time spent waiting for the client counts, so a slow target is not laid to its charge.
#[derive(Debug)]
pub(crate) struct Paced {
    body: Incoming,
    received: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    failure: Arc<OnceLock<Unread>>,
}

impl Paced {
    pub(crate) fn new(body: Incoming) -> Self {
        let failure = Arc::default();
        Self { body, received: 0, waited: Duration::ZERO, waiting: None, failure }
    }

    /// Why it ended before its end, also for who has passed it on.
    pub(crate) fn failure(&self) -> Arc<OnceLock<Unread>> {
        Arc::clone(&self.failure)
    }

    fn fail(&self, why: Unread) -> BodyError {
        Box::new(Failed(*self.failure.get_or_init(|| why)))
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.received += u64::try_from(length).unwrap_or(u64::MAX);
            }
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|_broken| this.fail(Unread::Broken))),
            );
        }
        let allowed = WAIT_MAX + Duration::from_secs(this.received / BYTES_PER_SECOND_MIN);
        let left = allowed.saturating_sub(this.waited);
        let (_, timer) =
            this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(this.fail(Unread::TooSlow)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long a client may let us wait for its body: as long as for its head.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);
/// The slowest client that is still served: a modem. A body of 1 MiB may take four minutes.
const BYTES_PER_SECOND_MIN: u64 = 4 << 10;
/// How much of all bodies is held at once: half of a small machine's memory, since each is in memory twice.
pub(crate) const ROOM_MAX: usize = 512 << 20;
const ROOM_UNIT: usize = 1 << 10;

#[derive(Debug, Error)]
#[error("the client's body ended before its end: {0:?}")]
struct Failed(Unread);
