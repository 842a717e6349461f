//! Edits of an answer as it streams by: which frames does the client get?

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame};
use replaysafe::target::edit::{Change, Editor};

/// A body that is edited as it streams by.
pub(crate) struct Edited<B> {
    body: B,
    editor: Editor,
    ended: bool,
}

impl<B> Edited<B> {
    pub(crate) fn new(body: B, change: Change) -> Self {
        Self { body, editor: Editor::new(change), ended: false }
    }
}

impl<B: Body + Unpin> Body for Edited<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let mut written = Vec::new();
        while !this.ended {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => {
                    this.ended = true;
                    this.editor.finish(&mut written);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                // Trailers are left out: they are the end.
                Some(Ok(frame)) => {
                    let Ok(mut data) = frame.into_data() else { continue };
                    let data = data.copy_to_bytes(data.remaining());
                    this.editor.feed(&data, &mut written);
                }
            }
            if !written.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(written.into()))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
